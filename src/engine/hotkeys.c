/* Tracking hot keys; see hotkeys.h. */
#include "engine/hotkeys.h"

#include "base/mem.h"
#include "engine/dispatch.h"

#include <sys/resource.h>

void hotkeys_init(struct hotkeys *hotkeys)
{
    memset(hotkeys, 0, sizeof(*hotkeys));
    lock_init(&hotkeys->lock);
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++)
        lock_init(&hotkeys->stripes[i].lock);
}

/* Takes what a stripe has found, which is NULL or the caller's to free, and gives it empty lists. */
static void exchange_lists(struct hotkeys_stripe *stripe, struct heavy *lists[HOTKEYS_METRICS])
{
    lock_take(&stripe->lock);
    for (size_t i = 0; i < HOTKEYS_METRICS; i++) {
        struct heavy *old = stripe->lists[i];
        stripe->lists[i] = lists[i];
        stripe->sums[i] = 0;
        lists[i] = old;
    }
    lock_give(&stripe->lock);
}

static void free_lists(struct heavy *lists[HOTKEYS_METRICS])
{
    for (size_t i = 0; i < HOTKEYS_METRICS; i++) {
        if (lists[i] != NULL)
            heavy_free(lists[i]);
        mem_free(lists[i]);
    }
}

/* Locked. */
static void forget(struct hotkeys *hotkeys)
{
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++) {
        struct heavy *lists[HOTKEYS_METRICS] = {0};
        exchange_lists(&hotkeys->stripes[i], lists);
        free_lists(lists);
    }
    hotkeys->is_known = false;
}

void hotkeys_free(struct hotkeys *hotkeys)
{
    forget(hotkeys);
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++)
        lock_free(&hotkeys->stripes[i].lock);
    lock_free(&hotkeys->lock);
}

static int64_t milliseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
}

static struct hotkeys_usage usage_now(struct larder *engine)
{
    struct rusage self = {0};
    getrusage(RUSAGE_SELF, &self);
    struct executor_stats stats = engine_stats(engine);
    return (struct hotkeys_usage){
        .user_ms = milliseconds(self.ru_utime),
        .system_ms = milliseconds(self.ru_stime),
        .net_bytes = atomic_load_explicit(&stats.input_bytes, memory_order_relaxed) +
                     atomic_load_explicit(&stats.output_bytes, memory_order_relaxed),
    };
}

/* CONFIG RESETSTAT may have come in between. */
static uint64_t since(uint64_t before, uint64_t now)
{
    return now > before ? now - before : now;
}

/* ---- Start and end ---- */

/* Locked. Empty lists for all stripes; false, and no lists, when there is no memory. */
static bool make_lists(struct hotkeys *hotkeys)
{
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++) {
        struct heavy *lists[HOTKEYS_METRICS] = {0};
        bool is_made = true;
        for (size_t metric = 0; metric < HOTKEYS_METRICS; metric++) {
            if (!hotkeys->options.metrics[metric])
                continue;
            lists[metric] = mem_alloc_zeroed(sizeof(struct heavy));
            is_made &= lists[metric] != NULL;
        }
        if (is_made)
            exchange_lists(&hotkeys->stripes[i], lists);
        free_lists(lists);
        if (!is_made) {
            forget(hotkeys);
            return false;
        }
    }
    return true;
}

/* Locked. */
static void finish(struct larder *engine, int64_t now_ms)
{
    struct hotkeys *hotkeys = &engine->hotkeys;
    engine_set_gate(engine, GATE_HOTKEYS, false);
    atomic_store_explicit(&hotkeys->ends_ms, INT64_MIN, memory_order_relaxed); /* for calls that have passed the gate */
    hotkeys->is_active = false;
    hotkeys->stopped_ms = now_ms;
    hotkeys->at_stop = usage_now(engine);
}

/* Locked. Stops what should have stopped by now. */
static void finish_if_over(struct larder *engine, int64_t now_ms)
{
    int64_t ends_ms = atomic_load_explicit(&engine->hotkeys.ends_ms, memory_order_relaxed);
    if (engine->hotkeys.is_active && now_ms >= ends_ms)
        finish(engine, ends_ms);
}

/* Locked. */
static enum hotkeys_status start(struct larder *engine, const struct hotkeys_options *options, int64_t now_ms)
{
    struct hotkeys *hotkeys = &engine->hotkeys;
    finish_if_over(engine, now_ms);
    if (hotkeys->is_active)
        return HOTKEYS_IN_PROGRESS;
    hotkeys->options = *options;
    if (!make_lists(hotkeys))
        return HOTKEYS_NO_MEMORY;
    bool is_limited = options->duration_s > 0 && options->duration_s < (INT64_MAX - now_ms) / 1000;
    atomic_store_explicit(&hotkeys->ends_ms, is_limited ? now_ms + options->duration_s * 1000 : INT64_MAX,
                          memory_order_relaxed);
    atomic_store_explicit(&hotkeys->ratio, options->ratio, memory_order_relaxed);
    hotkeys->started_ms = now_ms;
    hotkeys->at_start = usage_now(engine);
    hotkeys->is_known = hotkeys->is_active = true;
    engine_set_gate(engine, GATE_HOTKEYS, true);
    return HOTKEYS_OK;
}

bool hotkeys_is_active(struct larder *engine, int64_t now_ms)
{
    lock_take(&engine->hotkeys.lock);
    finish_if_over(engine, now_ms);
    bool is_active = engine->hotkeys.is_active;
    lock_give(&engine->hotkeys.lock);
    return is_active;
}

enum hotkeys_status hotkeys_start(struct larder *engine, const struct hotkeys_options *options, int64_t now_ms)
{
    lock_take(&engine->hotkeys.lock);
    enum hotkeys_status status = start(engine, options, now_ms);
    lock_give(&engine->hotkeys.lock);
    return status;
}

enum hotkeys_status hotkeys_stop(struct larder *engine, int64_t now_ms)
{
    struct hotkeys *hotkeys = &engine->hotkeys;
    lock_take(&hotkeys->lock);
    finish_if_over(engine, now_ms);
    enum hotkeys_status status = hotkeys->is_active ? HOTKEYS_OK : HOTKEYS_NOT_ACTIVE;
    if (hotkeys->is_active)
        finish(engine, now_ms);
    lock_give(&hotkeys->lock);
    return status;
}

enum hotkeys_status hotkeys_reset(struct larder *engine, int64_t now_ms)
{
    struct hotkeys *hotkeys = &engine->hotkeys;
    lock_take(&hotkeys->lock);
    finish_if_over(engine, now_ms);
    enum hotkeys_status status = hotkeys->is_active ? HOTKEYS_IN_PROGRESS : HOTKEYS_OK;
    if (!hotkeys->is_active)
        forget(hotkeys);
    lock_give(&hotkeys->lock);
    return status;
}

/* ---- Noting ---- */

static struct hotkeys_stripe *stripe_of(struct hotkeys *hotkeys, uint64_t hash)
{
    return &hotkeys->stripes[hash >> 32 & (HOTKEYS_STRIPES - 1)];
}

static void note_sums(struct hotkeys_stripe *stripe, const uint64_t costs[HOTKEYS_METRICS])
{
    lock_take(&stripe->lock);
    for (size_t i = 0; i < HOTKEYS_METRICS; i++)
        stripe->sums[i] += costs[i];
    lock_give(&stripe->lock);
}

static void note_key(const struct call *call, bytes name, const uint64_t costs[HOTKEYS_METRICS])
{
    struct hotkeys *hotkeys = &call->engine->hotkeys;
    uint64_t ratio = atomic_load_explicit(&hotkeys->ratio, memory_order_relaxed);
    if (ratio > 1 && random_below(&call->executor->random, ratio) != 0)
        return;
    uint64_t hash = ks_hash(&call->engine->keyspace, name);
    struct hotkeys_stripe *stripe = stripe_of(hotkeys, hash);
    lock_take(&stripe->lock);
    for (size_t i = 0; i < HOTKEYS_METRICS; i++)
        if (stripe->lists[i] != NULL)
            heavy_add(stripe->lists[i], hash, name, costs[i]);
    lock_give(&stripe->lock);
}

void hotkeys_note(const struct call *call, uint64_t time_ns, uint64_t net_bytes)
{
    struct hotkeys *hotkeys = &call->engine->hotkeys;
    if (unlikely(call->now_ms >= atomic_load_explicit(&hotkeys->ends_ms, memory_order_relaxed))) {
        lock_take(&hotkeys->lock);
        finish_if_over(call->engine, call->now_ms);
        lock_give(&hotkeys->lock);
        return;
    }
    const uint64_t costs[HOTKEYS_METRICS] = {[HOTKEYS_CPU] = time_ns, [HOTKEYS_NET] = net_bytes};
    note_sums(&hotkeys->stripes[call->session->id % HOTKEYS_STRIPES], costs);
    struct key_range ranges[KEY_RANGES_MAX];
    int range_count = call_find_keys(call, ranges);
    size_t keys = 0;
    for (int i = 0; i < range_count; i++)
        keys += ranges[i].count;
    if (keys == 0)
        return;
    const uint64_t shares[HOTKEYS_METRICS] = {[HOTKEYS_CPU] = time_ns / keys, [HOTKEYS_NET] = net_bytes / keys};
    for (int i = 0; i < range_count; i++)
        for (size_t j = 0; j < ranges[i].count; j++)
            note_key(call, ARG(ranges[i].first + j * ranges[i].step), shares);
}

/* ---- Telling ---- */

/* Keys on the way into a report, heaviest first: their names still lie in the stripes, which are all locked. */
struct ranking {
    struct hot_key keys[HOTKEYS_COUNT_MAX];
    size_t count;
    size_t most;
};

/* Puts a key in its place, if it is heavy enough for one. */
static void rank(struct ranking *ranking, struct hot_key key)
{
    size_t place = ranking->count;
    while (place > 0 && ranking->keys[place - 1].weight < key.weight)
        place--;
    if (place == ranking->most)
        return;
    if (ranking->count < ranking->most)
        ranking->count++;
    for (size_t i = ranking->count - 1; i > place; i--)
        ranking->keys[i] = ranking->keys[i - 1];
    ranking->keys[place] = key;
}

static void rank_all(struct hotkeys *hotkeys, enum hotkeys_metric metric, struct ranking *ranking)
{
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++) {
        const struct heavy *heavy = hotkeys->stripes[i].lists[metric];
        for (size_t place = 0; heavy != NULL && place < heavy->used; place++) {
            const struct heavy_name *name = &heavy->names[place];
            rank(ranking, (struct hot_key){{name->at, name->len}, heavy_weight(heavy, place)});
        }
    }
}

/* Gives a ranking's names memory of their own, from *at on. */
static void copy_names(struct ranking *ranking, struct hot_key *to, char **at)
{
    for (size_t i = 0; i < ranking->count; i++) {
        bytes name = ranking->keys[i].name;
        if (name.len > 0)
            memcpy(*at, name.at, name.len);
        to[i] = (struct hot_key){{*at, name.len}, ranking->keys[i].weight};
        *at += name.len;
    }
}

/* All stripes locked. */
static bool collect(struct hotkeys *hotkeys, struct hotkeys_report *report)
{
    struct ranking rankings[HOTKEYS_METRICS] = {0};
    size_t size = 1;
    for (size_t metric = 0; metric < HOTKEYS_METRICS; metric++) {
        rankings[metric].most = hotkeys->options.count;
        rank_all(hotkeys, (enum hotkeys_metric)metric, &rankings[metric]);
        for (size_t i = 0; i < rankings[metric].count; i++)
            size += rankings[metric].keys[i].name.len;
        for (size_t i = 0; i < HOTKEYS_STRIPES; i++)
            report->sums[metric] += hotkeys->stripes[i].sums[metric];
    }
    report->memory = mem_alloc(size);
    if (report->memory == NULL)
        return false;
    char *at = report->memory;
    for (size_t metric = 0; metric < HOTKEYS_METRICS; metric++) {
        report->counts[metric] = rankings[metric].count;
        copy_names(&rankings[metric], report->keys[metric], &at);
    }
    return true;
}

/* Locked. */
static enum hotkeys_status tell(struct larder *engine, int64_t now_ms, struct hotkeys_report *report)
{
    struct hotkeys *hotkeys = &engine->hotkeys;
    finish_if_over(engine, now_ms);
    if (!hotkeys->is_known)
        return HOTKEYS_NOT_ACTIVE;
    struct hotkeys_usage usage = hotkeys->is_active ? usage_now(engine) : hotkeys->at_stop;
    *report = (struct hotkeys_report){
        .is_active = hotkeys->is_active,
        .options = hotkeys->options,
        .started_ms = hotkeys->started_ms,
        .duration_ms = (hotkeys->is_active ? now_ms : hotkeys->stopped_ms) - hotkeys->started_ms,
        .usage =
            {
                .user_ms = usage.user_ms - hotkeys->at_start.user_ms,
                .system_ms = usage.system_ms - hotkeys->at_start.system_ms,
                .net_bytes = since(hotkeys->at_start.net_bytes, usage.net_bytes),
            },
    };
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++)
        lock_take(&hotkeys->stripes[i].lock);
    bool is_collected = collect(hotkeys, report);
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++)
        lock_give(&hotkeys->stripes[i].lock);
    return is_collected ? HOTKEYS_OK : HOTKEYS_NO_MEMORY;
}

enum hotkeys_status hotkeys_tell(struct larder *engine, int64_t now_ms, struct hotkeys_report *report)
{
    lock_take(&engine->hotkeys.lock);
    enum hotkeys_status status = tell(engine, now_ms, report);
    lock_give(&engine->hotkeys.lock);
    return status;
}

size_t hotkeys_memory(struct hotkeys *hotkeys)
{
    size_t bytes = 0;
    for (size_t i = 0; i < HOTKEYS_STRIPES; i++) {
        struct hotkeys_stripe *stripe = &hotkeys->stripes[i];
        lock_take(&stripe->lock);
        for (size_t metric = 0; metric < HOTKEYS_METRICS; metric++)
            bytes += stripe->lists[metric] != NULL ? heavy_memory(stripe->lists[metric]) : 0;
        lock_give(&stripe->lock);
    }
    return bytes;
}

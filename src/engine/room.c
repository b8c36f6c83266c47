/* Room; see room.h. */
#include "engine/room.h"

#include "engine/dispatch.h"
#include "engine/footprint.h"
#include "engine/transaction.h"

enum {
    SMALL_REQUEST_MAX = 16 * 1024, /* bytes that a request may add without reserving them, at most */
    WORD_OVERHEAD = 64,            /* bytes of entry and table that a word may cost beside its own */
    LIMIT_SHARE_SMALL = 512,       /* of the limit, all threads' small requests together take such a part at most */
    LIMIT_SHARE_GROWTH = 1024,     /* of the limit, a table may grow by such a part at once */
    LIMIT_SHARE_METERS = 128,      /* of the limit, all meters together may keep such a part to themselves */
    LIMIT_SHARE_SLACK = 8,         /* of the limit, the slack takes such a part at most */
    METER_STEP_MAX = 64 * 1024,

    EVICTED_AT_ONCE = 8, /* keys, under one lock */
    RECLAIMED_AT_ONCE = 64,
    KEYS_AT_ONCE = 64,     /* evicted for a request beyond those that it needs, while there are too many */
    NS_A_KEY = 5000,       /* that each new key of a request adds to the time for it */
    NS_A_BYTE = 10,        /* and each byte of a large one */
    DEFAULT_TENACITY = 10, /* up to here, tenacity counts in steps of STEP_US; above, it grows by 15 % each */
    TENACITY_MAX = 100,
    STEP_US = 50,
    CLIENTS_INTERVAL_MS = 100,
};

void room_init(struct room *room, size_t threads)
{
    assert(threads > 0);
    memset(room, 0, sizeof(*room));
    room->threads = threads;
    lock_init(&room->lock);
}

void room_free(struct room *room)
{
    lock_free(&room->lock);
}

static size_t load(const _Atomic size_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* ---- Limits ---- */

static size_t meter_step_for(const struct larder *engine, size_t limit)
{
    size_t shards = engine->keyspace.shard_count;
    size_t step = shards == 1 ? 0 : limit / LIMIT_SHARE_METERS / shards;
    return step < METER_STEP_MAX ? step : METER_STEP_MAX;
}

static size_t small_for(const struct larder *engine, size_t limit)
{
    size_t small = limit / LIMIT_SHARE_SMALL / engine->room.threads;
    return small < SMALL_REQUEST_MAX ? small : SMALL_REQUEST_MAX;
}

static size_t slack_for(const struct larder *engine, size_t limit)
{
    size_t per_thread = 2 * small_for(engine, limit) + limit / LIMIT_SHARE_GROWTH;
    size_t slack = engine->room.threads * per_thread + engine->keyspace.shard_count * meter_step_for(engine, limit);
    return slack < limit / LIMIT_SHARE_SLACK ? slack : limit / LIMIT_SHARE_SLACK;
}

void room_follow(struct larder *engine)
{
    struct room *room = &engine->room;
    size_t bytes = (size_t)CFG_READ(engine->config, maxmemory);
    size_t keys = (size_t)CFG_READ(engine->config, maxkeys);
    atomic_store_explicit(&room->slack_bytes, slack_for(engine, bytes), memory_order_relaxed);
    atomic_store_explicit(&room->small_bytes, small_for(engine, bytes), memory_order_relaxed);
    atomic_store_explicit(&room->limit_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&room->limit_keys, keys, memory_order_relaxed);
    atomic_store_explicit(&engine->keyspace.meter_step, meter_step_for(engine, bytes), memory_order_relaxed);
    if (bytes == 0)
        atomic_store_explicit(&engine->keyspace.is_metered, false, memory_order_relaxed);
    if (keys == 0)
        atomic_store_explicit(&engine->keyspace.is_bounded, false, memory_order_relaxed);
    engine_set_gate(engine, GATE_MEMORY, bytes > 0 || keys > 0);
}

/* Counting begins with the first request, or upkeep, that finds a limit: no shard is locked then. */
static void ensure_meter(struct larder *engine)
{
    struct keyspace *ks = &engine->keyspace;
    if (likely(atomic_load_explicit(&ks->is_metered, memory_order_relaxed)))
        return;
    lock_take(&engine->room.lock);
    if (!atomic_load_explicit(&ks->is_metered, memory_order_relaxed))
        ks_start_meter(ks);
    lock_give(&engine->room.lock);
}

static void ensure_bound(struct larder *engine)
{
    struct keyspace *ks = &engine->keyspace;
    if (likely(atomic_load_explicit(&ks->is_bounded, memory_order_relaxed)))
        return;
    lock_take(&engine->room.lock);
    if (!atomic_load_explicit(&ks->is_bounded, memory_order_relaxed))
        ks_start_bound(ks);
    lock_give(&engine->room.lock);
}

/* ---- Memory ---- */

static size_t used_bytes(struct larder *engine)
{
    return ks_metered_bytes(&engine->keyspace) + load(&engine->room.client_bytes) + load(&engine->room.reserved_bytes);
}

/* What may be in use before a request that adds no more than the slack covers. The limit is read once for each purpose:
   it may be taken away at any moment, and is not 0 then. */
static size_t without_slack(const struct room *room, size_t limit)
{
    size_t slack = load(&room->slack_bytes);
    return slack < limit ? limit - slack : 0;
}

static struct ks_rule rule_of(struct larder *engine)
{
    static const struct ks_rule rules[] = {
        [CFG_POLICY_VOLATILE_LRU] = {.choice = KS_CHOOSE_LRU, .is_volatile = true},
        [CFG_POLICY_VOLATILE_LFU] = {.choice = KS_CHOOSE_LFU, .is_volatile = true},
        [CFG_POLICY_VOLATILE_RANDOM] = {.choice = KS_CHOOSE_RANDOM, .is_volatile = true},
        [CFG_POLICY_VOLATILE_TTL] = {.choice = KS_CHOOSE_TTL, .is_volatile = true},
        [CFG_POLICY_ALLKEYS_LRU] = {.choice = KS_CHOOSE_LRU},
        [CFG_POLICY_ALLKEYS_LFU] = {.choice = KS_CHOOSE_LFU},
        [CFG_POLICY_ALLKEYS_RANDOM] = {.choice = KS_CHOOSE_RANDOM},
        [CFG_POLICY_ALLKEYS_S3FIFO] = {.choice = KS_CHOOSE_S3FIFO},
        [CFG_POLICY_NOEVICTION] = {.choice = KS_CHOOSE_NONE},
    };
    struct ks_rule rule = rules[CFG_READ(engine->config, maxmemory_policy)];
    rule.samples = (int)CFG_READ(engine->config, maxmemory_samples);
    return rule;
}

/* Evicts a few keys of one shard; KS_EVICTED_NONE when the first try found nothing. */
static enum ks_evicted evict_some(struct keyspace *ks, struct shard *shard, const struct ks_rule *rule, int64_t now_ms)
{
    ks_lock(ks, shard);
    enum ks_evicted first = ks_evict(ks, shard, rule, now_ms);
    enum ks_evicted last = first;
    for (int i = 1; i < EVICTED_AT_ONCE && last == KS_EVICTED_ONE; i++)
        last = ks_evict(ks, shard, rule, now_ms);
    ks_publish_meter(ks, shard);
    ks_unlock(ks, shard);
    return first;
}

static size_t shard_bytes(const struct keyspace *ks, size_t number)
{
    return load(&ks->shards[number].meter.bytes);
}

/* Who frees memory: a request's thread or the upkeep. */
struct reliever {
    struct larder *engine;
    struct random *random;
    int64_t now_ms;
};

/* Of two shards at random the larger, so that all stay of a size; where it has nothing to give, the others in turn. */
static enum ks_evicted evict_somewhere(const struct reliever *reliever, const struct ks_rule *rule)
{
    struct keyspace *ks = &reliever->engine->keyspace;
    if (rule->choice == KS_CHOOSE_NONE)
        return KS_EVICTED_NONE;
    uint64_t bits = random_next(reliever->random);
    size_t one = (size_t)bits & (ks->shard_count - 1);
    size_t other = (size_t)(bits >> 32) & (ks->shard_count - 1);
    size_t chosen = shard_bytes(ks, other) > shard_bytes(ks, one) ? other : one;
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[(chosen + i) & (ks->shard_count - 1)];
        enum ks_evicted result = evict_some(ks, shard, rule, reliever->now_ms);
        if (result != KS_EVICTED_NONE)
            return result;
    }
    return KS_EVICTED_NONE;
}

/* How long one request may be held up by eviction: longer if it is large and takes its time anyway. */
static int64_t time_budget_ns(const struct larder *engine, size_t size_ns)
{
    int tenacity = (int)CFG_READ(engine->config, maxmemory_eviction_tenacity);
    if (tenacity >= TENACITY_MAX)
        return INT64_MAX;
    int64_t budget_us = (int64_t)STEP_US * (tenacity < DEFAULT_TENACITY ? tenacity : DEFAULT_TENACITY);
    for (int i = DEFAULT_TENACITY; i < tenacity; i++)
        budget_us += budget_us * 15 / 100;
    return budget_us * 1000 + (int64_t)size_ns;
}

enum relief {
    RELIEF_DONE,  /* there is room */
    RELIEF_LATER, /* not yet, but something was freed and more will be */
    RELIEF_NONE,  /* there is no room, and nothing to make it of */
};

/* There is still too much, and maybe nothing to evict. Garbage is asked for first, so that what goes meanwhile counts.
 */
static enum relief not_yet(struct larder *engine, size_t most, bool can_evict)
{
    size_t garbage = load(&engine->keyspace.garbage_bytes);
    size_t used = used_bytes(engine);
    if (used <= most)
        return RELIEF_DONE;
    return can_evict || (garbage > 0 && used <= most + garbage) ? RELIEF_LATER : RELIEF_NONE;
}

/* Frees memory until no more than `most` bytes are in use, or the time is up: garbage first, which costs nobody a key.
 */
static enum relief free_down_to(const struct reliever *reliever, size_t most, int64_t budget_ns)
{
    struct larder *engine = reliever->engine;
    struct ks_rule rule = rule_of(engine);
    int64_t start_ns = 0;
    while (used_bytes(engine) > most) {
        bool has_garbage = load(&engine->keyspace.garbage_bytes) > 0;
        bool is_garbage_left = has_garbage && !ks_reclaim(&engine->keyspace, RECLAIMED_AT_ONCE);
        if (!is_garbage_left && evict_somewhere(reliever, &rule) == KS_EVICTED_NONE)
            return not_yet(engine, most, false); /* what is garbage now is in another thread's hand */
        if (start_ns == 0)
            start_ns = clock_monotonic_ns();
        else if (clock_monotonic_ns() - start_ns > budget_ns)
            return not_yet(engine, most, rule.choice != KS_CHOOSE_NONE);
    }
    return RELIEF_DONE;
}

static enum relief relieve(const struct reliever *reliever, size_t most, int64_t budget_ns)
{
    struct larder *engine = reliever->engine;
    uint64_t begun = latency_begin(&engine->latency, &engine->stopwatch);
    enum relief relief = free_down_to(reliever, most, budget_ns);
    latency_end(&engine->latency, &engine->stopwatch, begun, LATENCY_EVICTION_CYCLE, reliever->now_ms / 1000);
    return relief;
}

/* For how long memory is above the limit. */
static void note_over(struct room *room, bool is_over)
{
    int64_t since_ns = atomic_load_explicit(&room->over_since_ns, memory_order_relaxed);
    if (likely((since_ns != 0) == is_over))
        return;
    int64_t now_ns = clock_monotonic_ns();
    int64_t next_ns = is_over ? now_ns : 0;
    if (atomic_compare_exchange_strong_explicit(&room->over_since_ns, &since_ns, next_ns, memory_order_relaxed,
                                                memory_order_relaxed) &&
        !is_over)
        atomic_fetch_add_explicit(&room->over_ns, now_ns - since_ns, memory_order_relaxed);
}

int64_t room_exceeded_ms(struct room *room, int64_t *total_ms)
{
    int64_t since_ns = atomic_load_explicit(&room->over_since_ns, memory_order_relaxed);
    int64_t now_ns = since_ns != 0 ? clock_monotonic_ns() - since_ns : 0;
    *total_ms = (atomic_load_explicit(&room->over_ns, memory_order_relaxed) + now_ns) / 1000000;
    return now_ns / 1000000;
}

static bool runs_queue(const struct call *call)
{
    return (call->command->flags & CMD_RUNS_QUEUE) && call->session->transaction != NULL;
}

/* An estimate of what the call may add, too much rather than too little. */
static size_t bytes_to_add(struct call *call)
{
    size_t bytes = load(&call->session->multi_bytes) + call->argc * WORD_OVERHEAD;
    for (size_t i = 0; i < call->argc; i++)
        bytes += ARG(i).len;
    if (call->session->modes & MODE_MULTI)
        return bytes + (runs_queue(call) ? transaction_growth(call) : 0);
    return bytes + (call->command->growth != NULL ? call->command->growth(call, NULL) : 0);
}

/* Redis lets nothing be queued while memory is short, be it a PING: queues are memory too. */
static bool is_refused_in_multi(const struct call *call)
{
    return (call->session->modes & MODE_MULTI) && !(call->command->flags & CMD_LEAVES_MULTI);
}

/* True when memory is within the limit, or will be. */
static bool make_bytes(struct call *call, size_t limit, bool adds)
{
    struct larder *engine = call->engine;
    struct room *room = &engine->room;
    struct room_share *share = &call->executor->room;
    size_t most = without_slack(room, limit);
    ensure_meter(engine);
    size_t bytes = adds ? bytes_to_add(call) : 0;
    if (bytes > limit)
        return false; /* whatever went, it would not fit */
    if (bytes > load(&room->small_bytes)) {
        atomic_fetch_add_explicit(&room->reserved_bytes, bytes, memory_order_relaxed);
        share->bytes = bytes;
    }
    struct reliever reliever = {.engine = engine, .random = &call->executor->random, .now_ms = call->now_ms};
    enum relief relief = RELIEF_DONE;
    if (unlikely(used_bytes(engine) > most))
        relief = relieve(&reliever, most, time_budget_ns(engine, share->bytes * NS_A_BYTE));
    note_over(room, relief != RELIEF_DONE);
    return relief != RELIEF_NONE;
}

/* ---- Keys ---- */

/* Reserves places for new keys, evicting as many keys as that takes, and while there are far too many (maxkeys was
   lowered) some more. False when the time is up before there are places, or when there can never be so many. */
static bool reserve_places(struct larder *engine, size_t count, size_t most)
{
    int64_t budget_ns = time_budget_ns(engine, count * NS_A_KEY);
    int64_t start_ns = 0;
    for (size_t evicted = 0; !ks_reserve_keys(&engine->keyspace, count, most);) {
        enum ks_evicted result = ks_evict_oldest(&engine->keyspace, false);
        evicted += result == KS_EVICTED_ONE;
        if (result == KS_EVICTED_NONE || evicted > count + KEYS_AT_ONCE)
            return false;
        if (start_ns == 0)
            start_ns = clock_monotonic_ns();
        else if (clock_monotonic_ns() - start_ns > budget_ns)
            return false;
    }
    return true;
}

/* Places for each new key that the call may add. A call that does not get them runs all the same: room_run then takes
   out what is too much. */
static void make_keys(struct call *call, size_t most)
{
    struct room_share *share = &call->executor->room;
    ensure_bound(call->engine);
    share->counts_keys = true;
    size_t count = runs_queue(call) ? transaction_count_new_keys(call) : call_count_new_keys(call);
    if (count > 0 && reserve_places(call->engine, count, most))
        share->keys = count;
}

void room_run(struct call *call, struct shard *only)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct room_share *share = &call->executor->room;
    size_t before = only != NULL ? ks_begin_adding(only) : shard_set_begin_adding(call->executor);
    call_run_handler(call);
    size_t after = only != NULL ? ks_end_adding(only) : shard_set_end_adding(call->executor);
    size_t added = after - before;
    size_t placed = added < share->keys ? added : share->keys;
    share->keys -= placed;
    ks_settle_keys(ks, added, placed);
    /* keys without a place: another thread deleted the key that was there when places were counted, or there are more
       in this one call than the bound allows */
    size_t most = load(&call->engine->room.limit_keys);
    for (size_t i = placed; i < added && most > 0 && ks_keys_and_places(ks) > most; i++)
        if (ks_evict_oldest(ks, true) == KS_EVICTED_NONE)
            break;
}

/* ---- The dispatcher's and the upkeep's side ---- */

bool room_make(struct call *call)
{
    struct larder *engine = call->engine;
    bool is_queued = (call->session->modes & MODE_MULTI) && !(call->command->flags & CMD_TRANSACTION);
    uint32_t flags = call_effective_flags(call);
    assert(call->executor->room.bytes == 0 && call->executor->room.keys == 0 && !call->executor->room.counts_keys);
    size_t limit = load(&engine->room.limit_bytes);
    if (limit > 0 && !engine_is_paused(engine, call->now_ms)) {
        bool adds = flags & CMD_DENYOOM;
        if (!make_bytes(call, limit, adds) && (adds || is_refused_in_multi(call))) {
            room_leave(call->executor);
            atomic_store_explicit(&engine->room.refused_ms, call->now_ms, memory_order_relaxed);
            return false;
        }
    }
    size_t limit_keys = load(&engine->room.limit_keys);
    if (limit_keys > 0 && !is_queued && (flags & CMD_WRITE))
        make_keys(call, limit_keys);
    return true;
}

bool room_is_short(struct larder *engine, int64_t now_ms, int64_t within_ms)
{
    size_t limit = load(&engine->room.limit_bytes);
    int64_t refused_ms = atomic_load_explicit(&engine->room.refused_ms, memory_order_relaxed);
    return limit > 0 && (used_bytes(engine) > limit || (refused_ms > 0 && now_ms - refused_ms <= within_ms));
}

void room_leave(struct executor *executor)
{
    struct room_share *share = &executor->room;
    if (share->bytes > 0)
        atomic_fetch_sub_explicit(&executor->engine->room.reserved_bytes, share->bytes, memory_order_relaxed);
    if (share->keys > 0)
        ks_unreserve_keys(&executor->engine->keyspace, share->keys);
    *share = (struct room_share){0};
}

/* Looks at the memory of clients and what else is not in the keyspace, some times a second. */
static void look_at_clients(struct larder *engine)
{
    struct room *room = &engine->room;
    int64_t now_ns = clock_monotonic_ns();
    int64_t due_ns = atomic_load_explicit(&room->clients_due_ns, memory_order_relaxed);
    if (now_ns < due_ns || !atomic_compare_exchange_strong_explicit(&room->clients_due_ns, &due_ns,
                                                                    now_ns + CLIENTS_INTERVAL_MS * 1000000LL,
                                                                    memory_order_relaxed, memory_order_relaxed))
        return;
    atomic_store_explicit(&room->client_bytes, footprint_beside_keys(engine), memory_order_relaxed);
}

/* Frees what is too much though no request came: the limit was lowered, or clients' buffers grew. */
static bool relieve_in_passing(struct larder *engine, int64_t now_ms)
{
    struct random random;
    random_seed(&random, (uint64_t)clock_monotonic_ns());
    struct reliever reliever = {.engine = engine, .random = &random, .now_ms = now_ms};
    int64_t budget_ns = time_budget_ns(engine, 0) / 2; /* a request may come right behind, with a budget of its own */
    bool has_more = false;
    size_t limit = load(&engine->room.limit_bytes);
    if (limit > 0) {
        ensure_meter(engine);
        look_at_clients(engine);
        enum relief relief = relieve(&reliever, without_slack(&engine->room, limit), budget_ns);
        note_over(&engine->room, relief != RELIEF_DONE);
        has_more = relief == RELIEF_LATER;
    }
    size_t most = load(&engine->room.limit_keys);
    if (most > 0) {
        ensure_bound(engine);
        size_t steps = 0;
        while (ks_keys_and_places(&engine->keyspace) > most && steps < KEYS_AT_ONCE &&
               ks_evict_oldest(&engine->keyspace, false) != KS_EVICTED_NONE)
            steps++;
        has_more |= steps == KEYS_AT_ONCE;
    }
    return has_more;
}

bool room_upkeep(struct larder *engine, size_t first_shard, size_t shard_count, int64_t now_ms, size_t budget)
{
    struct keyspace *ks = &engine->keyspace;
    bool has_more = false;
    for (size_t i = first_shard; i < first_shard + shard_count; i++) {
        ks_lock(ks, &ks->shards[i]);
        has_more |= !ks_order(ks, &ks->shards[i], budget, now_ms);
        ks_unlock(ks, &ks->shards[i]);
    }
    if (!engine_is_paused(engine, now_ms))
        has_more |= relieve_in_passing(engine, now_ms);
    return has_more;
}

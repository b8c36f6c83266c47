/* Opening and closing engines, and what is summed over their threads; see engine.h. */
#include "engine/engine.h"

#include "base/mem.h"
#include "engine/changes.h"
#include "engine/idle.h"
#include "engine/notify.h"
#include "keyspace/prefix.h"

enum {
    SHARDS_PER_THREAD = 8,
    TIMING_NS = 1000 * 1000 - 1, /* a slow log that wants calls of less than a millisecond wants to see all */
};

/* A power of two of at least SHARDS_PER_THREAD per thread; 1 when there is one thread. */
static size_t shard_count_for(size_t threads)
{
    if (threads == 1)
        return 1;
    size_t count = 2;
    while (count < threads * SHARDS_PER_THREAD && count < (size_t)1 << KS_MAX_SHARD_BITS)
        count *= 2;
    return count;
}

/* A change of the configuration: what the log lets pass, and how uses of keys are remembered. */
static bool follow_configuration(struct config *config, void *context, struct cfg_error *error)
{
    (void)error;
    struct larder *engine = context;
    struct access_policy *access = &engine->keyspace.access;
    int policy = CFG_READ(config, maxmemory_policy);
    bool is_frequency = policy == CFG_POLICY_ALLKEYS_LFU || policy == CFG_POLICY_VOLATILE_LFU;
    int kind = is_frequency ? ACCESS_FREQUENCY : policy == CFG_POLICY_ALLKEYS_S3FIFO ? ACCESS_QUEUE : ACCESS_TIME;
    atomic_store_explicit(&access->kind, kind, memory_order_relaxed);
    atomic_store_explicit(&access->log_factor, (int)CFG_READ(config, lfu_log_factor), memory_order_relaxed);
    atomic_store_explicit(&access->decay_minutes, (int)CFG_READ(config, lfu_decay_time_min), memory_order_relaxed);
    atomic_store_explicit(&engine->log.min_level, CFG_READ(config, loglevel), memory_order_relaxed);
    slowlog_configure(&engine->slowlog, config);
    latency_configure(&engine->latency, config);
    engine_set_gate(engine, GATE_TIMING, slowlog_wants(&engine->slowlog, TIMING_NS) || latency_is_on(&engine->latency));
    for (int i = 0; i < CFG_CLASS_COUNT; i++)
        atomic_store_explicit(&engine->output_limits[i], cfg_output_limit(config, (enum cfg_client_class)i).hard_bytes,
                              memory_order_relaxed);
    int events = CFG_READ(config, notify_keyspace_events);
    atomic_store_explicit(&engine->notified_events, events, memory_order_relaxed);
    engine_set_interest(engine, INTEREST_EVENTS, notify_asks_for_events(events));
    tracking_set_limit(engine, CFG_READ(config, tracking_table_max_keys));
    atomic_store_explicit(&engine->keyspace.tells_added, (events & CFG_NOTIFY_NEW) != 0, memory_order_relaxed);
    room_follow(engine);
    client_limit_follow(engine);
    return true;
}

static bool follow_compression(struct config *config, void *context, struct cfg_error *error)
{
    struct larder *engine = context;
    if (!cfg_check(config, error))
        return false;
    size_t threshold = CFG_READ(config, compression_threshold);
    atomic_store_explicit(&engine->compression_threshold, threshold > 0 ? threshold : SIZE_MAX, memory_order_relaxed);
    return true;
}

static bool follow_prefix_index(struct config *config, void *context, struct cfg_error *error)
{
    (void)error;
    struct larder *engine = context;
    int setting = CFG_READ(config, prefix_index);
    if (setting != CFG_PREFIX_AUTO)
        ks_want_prefixes(&engine->keyspace, setting == CFG_PREFIX_ON);
    return true;
}

static bool hook_configuration(struct larder *engine)
{
    struct cfg_error error; /* what is refused was refused before there is an engine */
    static const char *const names[] = {"maxmemory-policy",
                                        "lfu-log-factor",
                                        "lfu-decay-time",
                                        "loglevel",
                                        "client-output-buffer-limit",
                                        "notify-keyspace-events",
                                        "maxmemory",
                                        "maxmemory-clients",
                                        "maxkeys",
                                        "slowlog-log-slower-than",
                                        "latency-monitor-threshold",
                                        "tracking-table-max-keys"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!cfg_on_change(engine->config, names[i], follow_configuration, engine))
            return false;
    return cfg_on_change(engine->config, "prefix-index", follow_prefix_index, engine) &&
           cfg_on_change(engine->config, "compression-threshold", follow_compression, engine) &&
           follow_compression(engine->config, engine, &error) && follow_prefix_index(engine->config, engine, NULL) &&
           follow_configuration(engine->config, engine, NULL);
}

/* Gives the commands the names that the configuration has for them; the lines were checked when they were read. False
   when there is no memory. */
static bool rename_commands(struct larder *engine)
{
    for (size_t i = 0; i < engine->config->rename_count; i++) {
        const struct cfg_rename *rename = &engine->config->renames[i];
        if (command_rename(&engine->commands, (bytes){rename->from.at, rename->from.len},
                           (bytes){rename->to.at, rename->to.len}) != NULL)
            return false;
    }
    return true;
}

/* What hangs on the keyspace. False when there is no memory; then nothing is left of it. */
static bool open_parts(struct larder *engine)
{
    engine->watches = mem_alloc_zeroed(engine->keyspace.shard_count * sizeof(*engine->watches));
    if (engine->watches == NULL)
        return false;
    if (tracking_init(engine) && hook_configuration(engine) && pubsub_init(&engine->pubsub)) {
        if (acl_init(engine))
            return true;
        pubsub_free(&engine->pubsub);
    }
    tracking_free(engine);
    mem_free(engine->watches);
    return false;
}

bool engine_init(struct larder *engine, const struct engine_options *options, struct config *config)
{
    memset(engine, 0, sizeof(*engine));
    size_t threads = options->threads;
    engine->log.write = options->log;
    engine->log.context = options->log_context;
    clock_init(&engine->clock);
    engine->describe_client = options->describe_client;
    engine->opened_ms = clock_now_us(&engine->clock) / 1000;
    random_hex(engine->run_id, RUN_ID_LEN);
    atomic_init(&engine->expires_actively, true);
    stopwatch_init(&engine->stopwatch);
    slowlog_init(&engine->slowlog);
    latency_init(&engine->latency);
    monitors_init(&engine->monitors);
    hotkeys_init(&engine->hotkeys);
    engine->config = config;
    if (!command_table_init(&engine->commands, options->families))
        return false;
    size_t db_count = (size_t)CFG_READ(config, databases);
    engine->retired_commands = mem_alloc_zeroed(engine->commands.row_count * sizeof(command_stats_slot));
    if (engine->retired_commands == NULL || !rename_commands(engine) ||
        ks_init(&engine->keyspace, shard_count_for(threads), threads > 1, db_count) != KS_OK) {
        mem_free((void *)engine->retired_commands);
        command_table_free(&engine->commands);
        return false;
    }
    room_init(&engine->room, threads);
    engine->keyspace.observer =
        (struct ks_observer){.added = changes_added, .removed = changes_removed, .context = engine};
    if (!open_parts(engine)) {
        room_free(&engine->room);
        ks_free(&engine->keyspace);
        mem_free((void *)engine->retired_commands);
        command_table_free(&engine->commands);
        return false;
    }
    session_registry_init(&engine->sessions);
    lock_init(&engine->executors_lock);
    list_init(&engine->executors);
    error_stats_init(&engine->retired_errors);
    lock_init(&engine->wake_lock);
    sampler_init(&engine->sampler);
    return true;
}

void engine_free(struct larder *engine)
{
    assert(list_is_empty(&engine->executors) && list_is_empty(&engine->sessions.sessions));
    for (size_t i = 0; i < engine->keyspace.shard_count; i++)
        watch_table_free(&engine->watches[i]);
    mem_free(engine->watches);
    acl_free(engine);
    pubsub_free(&engine->pubsub);
    tracking_free(engine);
    room_free(&engine->room);
    ks_free(&engine->keyspace);
    command_stats_free(engine->retired_commands, engine->commands.row_count);
    error_stats_free(&engine->retired_errors);
    slowlog_free(&engine->slowlog);
    latency_free(&engine->latency);
    monitors_free(&engine->monitors);
    hotkeys_free(&engine->hotkeys);
    command_table_free(&engine->commands);
    lock_free(&engine->sessions.lock);
    lock_free(&engine->executors_lock);
    lock_free(&engine->wake_lock);
    sampler_free(&engine->sampler);
}

void engine_set_gate(struct larder *engine, enum gate gate, bool is_set)
{
    if (is_set)
        atomic_fetch_or_explicit(&engine->gates, gate, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&engine->gates, ~(unsigned)gate, memory_order_relaxed);
}

void engine_set_interest(struct larder *engine, enum interest interest, bool is_set)
{
    if (is_set)
        atomic_fetch_or_explicit(&engine->interest, interest, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&engine->interest, ~(unsigned)interest, memory_order_relaxed);
}

void engine_wake_workers(struct larder *engine)
{
    lock_take(&engine->wake_lock);
    if (engine->wake_workers != NULL)
        engine->wake_workers(engine->wake_context);
    lock_give(&engine->wake_lock);
}

bool executor_init(struct executor *executor, struct larder *engine)
{
    memset(executor, 0, sizeof(*executor));
    executor->engine = engine;
    size_t words = (engine->keyspace.shard_count + 63) / 64;
    executor->shard_set = mem_alloc_zeroed(words * sizeof(*executor->shard_set));
    executor->commands = mem_alloc_zeroed(engine->commands.row_count * sizeof(command_stats_slot));
    if (executor->shard_set == NULL || executor->commands == NULL) {
        mem_free(executor->shard_set);
        mem_free((void *)executor->commands);
        return false;
    }
    error_stats_init(&executor->errors);
    uint64_t seed;
    random_secure(&seed, sizeof(seed));
    random_seed(&executor->random, seed);
    executor_tick(executor);
    lock_take(&engine->executors_lock);
    list_append(&engine->executors, &executor->in_engine);
    lock_give(&engine->executors_lock);
    return true;
}

/* The counters of executor_stats, all alike, for loops over them. */
enum { STAT_COUNT = sizeof(struct executor_stats) / sizeof(_Atomic uint64_t) };

static _Atomic uint64_t *stat_at(const struct executor_stats *stats, size_t index)
{
    return (_Atomic uint64_t *)(uintptr_t)stats + index;
}

static void add_stats(struct executor_stats *to, const struct executor_stats *from)
{
    for (size_t i = 0; i < STAT_COUNT; i++)
        stat_add(stat_at(to, i), atomic_load_explicit(stat_at(from, i), memory_order_relaxed));
}

void executor_free(struct executor *executor)
{
    struct larder *engine = executor->engine;
    lock_take(&engine->executors_lock);
    list_remove(&executor->in_engine);
    add_stats(&engine->retired, &executor->stats);
    command_stats_retire(executor);
    error_stats_retire(engine, &executor->errors);
    lock_give(&engine->executors_lock);
    command_stats_free(executor->commands, engine->commands.row_count);
    mem_free(executor->uncounted.times);
    error_stats_free(&executor->errors);
    mem_free(executor->key_hashes);
    mem_free(executor->shard_set);
}

void executor_tick(struct executor *executor)
{
    executor->now_us = clock_now_us(&executor->engine->clock);
    executor->now_ms = executor->now_us / 1000;
}

/* Sums with executors_lock held. */
static struct executor_stats sum_stats(struct larder *engine)
{
    struct executor_stats sums;
    memset(&sums, 0, sizeof(sums));
    add_stats(&sums, &engine->retired);
    for (struct list *link = engine->executors.next; link != &engine->executors; link = link->next)
        add_stats(&sums, &CONTAINER_OF(link, struct executor, in_engine)->stats);
    return sums;
}

struct executor_stats engine_stats(struct larder *engine)
{
    lock_take(&engine->executors_lock);
    struct executor_stats sums = sum_stats(engine);
    lock_give(&engine->executors_lock);
    return sums;
}

/* Executors' counters belong to their threads, so a reset does not touch them: it subtracts what they stand at. */
bool engine_reset_stats(struct larder *engine)
{
    lock_take(&engine->executors_lock);
    struct executor_stats sums = sum_stats(engine);
    uint64_t changes = atomic_load_explicit(&sums.changes, memory_order_relaxed);
    for (size_t i = 0; i < STAT_COUNT; i++)
        stat_add(stat_at(&engine->retired, i), -atomic_load_explicit(stat_at(&sums, i), memory_order_relaxed));
    stat_add(&engine->retired.changes, changes); /* what waits to be saved is no statistic */
    error_stats_reset(engine);
    bool is_complete = command_stats_reset(engine);
    lock_give(&engine->executors_lock);
    atomic_store_explicit(&engine->slow_readers, 0, memory_order_relaxed);
    ks_reset_counters(&engine->keyspace);
    atomic_store_explicit(&engine->room.over_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&engine->client_limit.closed, 0, memory_order_relaxed);
    sampler_reset(&engine->sampler);
    return is_complete;
}

bool engine_is_paused(struct larder *engine, int64_t now_ms)
{
    return atomic_load_explicit(&engine->pause_mode, memory_order_relaxed) != PAUSE_NONE &&
           atomic_load_explicit(&engine->pause_until_ms, memory_order_relaxed) > now_ms;
}

void engine_want_prefixes(struct larder *engine)
{
    if (CFG_READ(engine->config, prefix_index) != CFG_PREFIX_OFF)
        ks_want_prefixes(&engine->keyspace, true);
}

bool engine_is_building_prefixes(struct larder *engine)
{
    const struct keyspace *ks = &engine->keyspace;
    for (size_t i = 0; i < ks->shard_count; i++)
        if (!ks_has_settled_prefixes(ks, &ks->shards[i]))
            return ks_wants_prefixes(ks);
    return false;
}

enum { PREFIX_STEP = 1024 }; /* keys for which a shard stays locked: a fraction of a millisecond */

/* A step of building or dropping the index of one shard; true when there is more to do. Without memory for it there is
   no index, until it is asked for again. */
static bool build_prefixes(struct larder *engine, struct shard *shard)
{
    struct keyspace *ks = &engine->keyspace;
    if (likely(ks_has_settled_prefixes(ks, shard)))
        return false;
    bool was_taken = ks_enter(ks, shard);
    enum ks_status status = ks_build_prefixes(ks, shard, PREFIX_STEP);
    ks_leave(ks, shard, was_taken);
    if (status != KS_OK) {
        log_printf(&engine->log, LOG_WARNING_LEVEL, "No memory to build the prefix index.");
        ks_want_prefixes(ks, false);
    }
    return !ks_has_settled_prefixes(ks, shard);
}

void engine_build_prefixes(struct larder *engine)
{
    struct keyspace *ks = &engine->keyspace;
    for (size_t i = 0; i < ks->shard_count; i++)
        while (build_prefixes(engine, &ks->shards[i]))
            continue;
}

/* A pause that has ended by itself leaves its gate open, through which every request would go the long way. */
static void end_pause(struct larder *engine, int64_t now_ms)
{
    lock_take(&engine->sessions.lock);
    if (!engine_is_paused(engine, now_ms)) {
        atomic_store_explicit(&engine->pause_mode, PAUSE_NONE, memory_order_relaxed);
        engine_set_gate(engine, GATE_PAUSE, false);
    }
    lock_give(&engine->sessions.lock);
}

enum {
    UPKEEP_STEP = 64,            /* nodes, or entries to free, between two looks at the time */
    UPKEEP_TIME_NS = 500 * 1000, /* after which a step begins no more: some nodes give whole pages back to the system */
};

/* Handles a part of the budget, UPKEEP_STEP at least; true when there may be more to do. */
static bool expire_some(struct keyspace *ks, struct shard *shard, int64_t now_ms, size_t budget, int64_t until_ns)
{
    size_t left = 0;
    for (size_t done = 0; left == 0 && done < budget && (done == 0 || clock_monotonic_ns() < until_ns);
         done += UPKEEP_STEP)
        left = ks_expire(ks, shard, now_ms, UPKEEP_STEP);
    return left == 0;
}

static bool reclaim_some(struct keyspace *ks, size_t budget, int64_t until_ns)
{
    bool is_empty = false;
    for (size_t done = 0; !is_empty && done < budget && (done == 0 || clock_monotonic_ns() < until_ns);
         done += UPKEEP_STEP)
        is_empty = ks_reclaim(ks, UPKEEP_STEP);
    return !is_empty;
}

NEVER_INLINE bool engine_upkeep(struct larder *engine, size_t first_shard, size_t shard_count, int64_t now_ms,
                                size_t budget)
{
    struct keyspace *ks = &engine->keyspace;
    bool has_more = false;
    bool has_built = false; /* one shard's step at a time */
    int64_t until_ns = clock_monotonic_ns() + UPKEEP_TIME_NS;
    bool expires =
        atomic_load_explicit(&engine->expires_actively, memory_order_relaxed) && !engine_is_paused(engine, now_ms);
    for (size_t i = 0; expires && i < shard_count; i++) {
        struct shard *shard = &ks->shards[first_shard + i];
        ks_lock(ks, shard);
        uint64_t begun = latency_begin(&engine->latency, &engine->stopwatch);
        has_more |= expire_some(ks, shard, now_ms, budget, until_ns);
        latency_end(&engine->latency, &engine->stopwatch, begun, LATENCY_EXPIRE_CYCLE, now_ms / 1000);
        ks_unlock(ks, shard);
    }
    for (size_t i = 0; i < shard_count && !has_built; i++)
        has_built = build_prefixes(engine, &ks->shards[first_shard + i]);
    has_more |= has_built;
    if (atomic_load_explicit(&ks->garbage_bytes, memory_order_relaxed) > 0)
        has_more |= reclaim_some(ks, budget, until_ns);
    tracking_upkeep(engine, first_shard, shard_count);
    has_more |= room_upkeep(engine, first_shard, shard_count, now_ms, budget);
    has_more |= idle_upkeep(engine, first_shard, shard_count, now_ms, budget);
    if (tracking_has_untold(&engine->tracking))
        tracking_broadcast(engine); /* what has expired or was evicted */
    if (unlikely(atomic_load_explicit(&engine->gates, memory_order_relaxed) & GATE_PAUSE) &&
        !engine_is_paused(engine, now_ms))
        end_pause(engine, now_ms);
    client_limit_upkeep(engine);
    sampler_run(engine);
    return has_more;
}

/* Items that nobody uses; see idle.h. */
#include "engine/idle.h"

#include "engine/engine.h"
#include "keyspace/evict.h"

/* A pass through the shard begins, or goes on; true when it is not at its end. */
static bool step(struct larder *engine, struct shard *shard, int64_t now_ms, bool is_short, size_t budget)
{
    struct keyspace *ks = &engine->keyspace;
    int64_t every_ms = CFG_READ(engine->config, gibson_max_mem_cron_s) * 1000;
    int64_t idle_s = CFG_READ(engine->config, gibson_gc_ratio_s);
    bool is_at_end = true;
    ks_lock(ks, shard);
    if (ks_may_evict_idle(shard, now_ms, every_ms, is_short))
        is_at_end = ks_evict_idle(ks, shard, idle_s, now_ms, budget);
    ks_unlock(ks, shard);
    return !is_at_end;
}

bool idle_upkeep(struct larder *engine, size_t first_shard, size_t shard_count, int64_t now_ms, size_t budget)
{
    bool has_more = false;
    if (likely(CFG_READ(engine->config, gibson_gc_ratio_s) == 0) || engine_is_paused(engine, now_ms) ||
        !ks_keeps_times(&engine->keyspace))
        return false;
    bool is_short = room_is_short(engine, now_ms, CFG_READ(engine->config, gibson_max_mem_cron_s) * 1000);
    for (size_t i = 0; i < shard_count; i++)
        has_more |= step(engine, &engine->keyspace.shards[first_shard + i], now_ms, is_short, budget);
    return has_more;
}

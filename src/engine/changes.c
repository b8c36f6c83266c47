/* The followers of changes; see changes.h. */
#include "engine/changes.h"

#include "engine/notify.h"
#include "engine/watch.h"

void changes_follow(struct call *call, const struct ks_key *key)
{
    if (key->shard->interest & INTEREST_WATCH)
        watch_touch(call->engine, key->shard, ks_db_number(key), key->name, key->hash);
}

void call_databases_change(struct call *call, size_t db, size_t other)
{
    watch_touch_databases(call->engine, db, other, call->now_ms);
}

void call_tell(struct call *call, enum cfg_notify class, const char *event, const struct ks_key *key)
{
    notify_event(call->engine, class, event, ks_db_number(key), key->name);
}

void changes_added(void *context, struct shard *shard, size_t db, const struct entry *entry)
{
    (void)shard;
    notify_event(context, CFG_NOTIFY_NEW, "new", db, entry_key(entry));
}

void changes_removed(void *context, struct shard *shard, size_t db, const struct entry *entry, uint64_t hash,
                     enum ks_removal why)
{
    struct larder *engine = context;
    if (unlikely(shard->interest & INTEREST_WATCH)) {
        if (why == KS_EXPIRED)
            watch_expire(engine, shard, db, entry_key(entry), hash);
        else
            watch_touch(engine, shard, db, entry_key(entry), hash);
    }
    if (unlikely(atomic_load_explicit(&engine->interest, memory_order_relaxed) & INTEREST_EVENTS)) {
        if (why == KS_EXPIRED)
            notify_event(engine, CFG_NOTIFY_EXPIRED, "expired", db, entry_key(entry));
        else
            notify_event(engine, CFG_NOTIFY_EVICTED, "evicted", db, entry_key(entry));
    }
}

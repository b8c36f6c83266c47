/* The followers of changes; see changes.h. */
#include "engine/changes.h"

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

void changes_removed(void *context, struct shard *shard, size_t db, const struct entry *entry, uint64_t hash,
                     enum ks_removal why)
{
    struct larder *engine = context;
    if (likely(!(shard->interest & INTEREST_WATCH)))
        return;
    if (why == KS_EXPIRED)
        watch_expire(engine, shard, db, entry_key(entry), hash);
    else
        watch_touch(engine, shard, db, entry_key(entry), hash);
}

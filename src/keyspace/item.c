/* Item locks; see item.h. The database, and the keyspace, count the items with a lock, so that nobody looks for locks
   where there are none. */
#include "keyspace/item.h"

#include "keyspace/internal.h"

struct item *ks_item(struct ks_key *key)
{
    assert(ks_is_locked(key->shard));
    return ks_give_item(key) == KS_OK ? entry_item(key->entry) : NULL;
}

enum ks_status ks_lock_item(struct ks_key *key, int64_t lock_s, int64_t now_ms, uint64_t *token)
{
    struct item *item = ks_item(key);
    if (item == NULL)
        return KS_NO_MEMORY;
    ks_unlock_item(key);
    if (lock_s != 0)
        count_locked(key, 1);
    item->time_s = now_ms / 1000;
    item->lock_s = lock_s;
    item->token = *token = atomic_fetch_add_explicit(&key->ks->last_token, 1, memory_order_relaxed) + 1;
    return KS_OK;
}

bool ks_unlock_item(struct ks_key *key)
{
    assert(ks_is_locked(key->shard));
    struct item *item = entry_item(key->entry);
    if (item == NULL || item->lock_s == 0)
        return false;
    item->lock_s = 0;
    count_locked(key, (size_t)-1);
    return true;
}

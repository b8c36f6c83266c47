/* Item locks; see item.h. The database, and the keyspace, count the items with a lock, so that nobody looks for locks
   where there are none. */
#include "keyspace/item.h"

#include "keyspace/internal.h"

enum ks_status ks_lock_item(struct ks_key *key, int64_t lock_ms, int64_t now_ms, uint64_t *token)
{
    assert(ks_is_locked(key->shard) && lock_ms != 0);
    if (ks_give_item(key) != KS_OK)
        return KS_NO_MEMORY;
    ks_unlock_item(key);
    count_locked(key, 1);
    *token = atomic_fetch_add_explicit(&key->ks->last_token, 1, memory_order_relaxed) + 1;
    *entry_item(key->entry) = (struct item){.time_ms = now_ms, .lock_ms = lock_ms, .token = *token};
    return KS_OK;
}

bool ks_unlock_item(struct ks_key *key)
{
    assert(ks_is_locked(key->shard));
    struct item *item = entry_item(key->entry);
    if (item == NULL || item->lock_ms == 0)
        return false;
    item->lock_ms = 0;
    count_locked(key, (size_t)-1);
    return true;
}

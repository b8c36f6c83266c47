/* Items; see item.h. The database, and the keyspace, count the items with a lock, so that nobody looks for locks
   where there are none. */
#include "keyspace/item.h"

#include "keyspace/internal.h"

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

struct item ks_item(const struct ks_key *key, int64_t now_ms)
{
    assert(ks_is_locked(key->shard));
    const struct item *item = entry_item(key->entry);
    return item != NULL ? *item : (struct item){.time_ms = now_ms};
}

enum ks_status ks_set_item(struct ks_key *key, struct item item)
{
    if (ks_give_item(key) != KS_OK)
        return KS_NO_MEMORY;
    struct item *present = entry_item(key->entry);
    if ((item.lock_s != 0) != (present->lock_s != 0))
        count_locked(key, item.lock_s != 0 ? 1 : (size_t)-1);
    *present = item;
    return KS_OK;
}

enum ks_status ks_lock_item(struct ks_key *key, int64_t lock_s, int64_t now_ms, uint64_t *token)
{
    struct item item = ks_item(key, now_ms);
    *token = atomic_fetch_add_explicit(&key->ks->last_token, 1, memory_order_relaxed) + 1;
    item.time_ms = now_ms;
    item.lock_s = lock_s;
    item.token = *token & ITEM_TOKEN_MASK;
    return ks_set_item(key, item);
}

enum ks_status ks_put_item(struct ks_key *key, bytes stored, bool is_compressed, enum string_encoding encoding,
                           int64_t deadline_ms, int64_t now_ms, struct item item)
{
    unsigned parts = ENTRY_HAS_ITEM | (is_compressed ? ENTRY_IS_COMPRESSED : 0);
    enum ks_status status = ks_put_with(key, parts, stored, encoding, deadline_ms, now_ms);
    return status == KS_OK ? ks_set_item(key, item) : status;
}

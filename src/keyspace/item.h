/* Items, in Gibson's word: keys of which more is known than a value and a deadline. A locked key refuses every write
   but those of who holds the token of its lock; reads, expiry, eviction and flushes go through. A lock runs out by
   itself, so an item with a lock need not be locked any more. */
#ifndef LARDER_KEYSPACE_ITEM_H
#define LARDER_KEYSPACE_ITEM_H

#include "keyspace/keyspace.h"

/* Locked. Is the item locked at this moment? */
static inline bool ks_is_item_locked(const struct entry *entry, int64_t now_ms)
{
    const struct item *item = entry_item(entry);
    return item != NULL && item->lock_s != 0 &&
           (item->lock_s == ITEM_LOCKED_FOREVER || (now_ms - item->time_ms) / 1000 < item->lock_s);
}

/* Any thread that holds the lock of a shard: may any item of that shard be locked? */
static inline bool ks_has_locks(const struct keyspace *ks)
{
    return atomic_load_explicit(&ks->locked_items, memory_order_relaxed) != 0;
}

/* Locked. Locks an existing key for so long from now on (as in struct item), whatever its lock
   was, under a token that is greater than all before it, of all keys. */
MUST_USE enum ks_status ks_lock_item(struct ks_key *key, int64_t lock_s, int64_t now_ms, uint64_t *token);
/* Locked. Takes an existing key's lock away; false when it has none. */
bool ks_unlock_item(struct ks_key *key);

/* Locked. As ks_put_string, or ks_put_compressed, and gives the key this item instead of its present one. Its token is
   of no account unless it has a lock. */
MUST_USE enum ks_status ks_put_item(struct ks_key *key, bytes stored, bool is_compressed, enum string_encoding encoding,
                                    int64_t deadline_ms, int64_t now_ms, struct item item);
/* Locked. The existing key's item as it is, or as a key is taken for that has none: of this moment. */
struct item ks_item(const struct ks_key *key, int64_t now_ms);
/* Locked. Gives an existing key this item. */
MUST_USE enum ks_status ks_set_item(struct ks_key *key, struct item item);

#endif

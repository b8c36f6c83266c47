/* What the files of the keyspace share among themselves. */
#ifndef LARDER_KEYSPACE_INTERNAL_H
#define LARDER_KEYSPACE_INTERNAL_H

#include "keyspace/keyspace.h"
#include "structs/art.h"

/* The hash of an entry's key, for tables; the context is the keyspace. */
uint64_t ks_hash_entry(const void *context, const void *item);

/* Frees an entry that is in no table and no wheel any more, or puts it aside if its value is large. */
void ks_release(struct keyspace *ks, struct entry *entry);

/* Locked. Deletes an existing key that goes by itself: the observer hears of it first. */
void ks_remove(struct ks_key *key, enum ks_removal why);

/* The 24 access bits. */
static inline uint32_t entry_access(const struct entry *entry)
{
    return entry->access[0] | (uint32_t)entry->access[1] << 8 | (uint32_t)entry->access[2] << 16;
}

static inline void set_entry_access(struct entry *entry, uint32_t bits)
{
    entry->access[0] = (uint8_t)bits;
    entry->access[1] = (uint8_t)(bits >> 8);
    entry->access[2] = (uint8_t)(bits >> 16);
}

static inline enum access_kind access_kind(const struct access_policy *policy)
{
    return (enum access_kind)atomic_load_explicit(&policy->kind, memory_order_relaxed);
}

/* Locked. Makes room for a rank in an existing key's entry, if there is memory. */
void ks_give_rank(struct ks_key *key);

/* Locked. One more, or with (size_t)-1 one fewer, of the key's database is an item with a lock. */
void count_locked(struct ks_key *key, size_t by);

/* As ks_put_string or, if these optional parts (enum entry_flag) say so, ks_put_compressed, into an entry that has
 * them. */
MUST_USE enum ks_status ks_put_with(struct ks_key *key, unsigned parts, bytes stored, enum string_encoding encoding,
                                    int64_t deadline_ms, int64_t now_ms);

/* Locked. Gives an existing key another entry with the same content and an item, if it has none. */
MUST_USE enum ks_status ks_give_item(struct ks_key *key);

/* Fills the access bits of an entry that is new, and in no queue. */
void access_start(const struct access_policy *policy, struct entry *entry, int64_t now_ms);

/* The prefix index follows changes of a database (prefix.c). An entry came into its table (false: no memory, nothing
   has changed); it took another's place there, of the same key; it is about to leave. */
MUST_USE bool prefix_insert(struct db *db, struct entry *entry);
void prefix_replace(struct db *db, const struct entry *old, struct entry *entry);
void prefix_remove(struct db *db, struct entry *entry);
/* The table is emptied: so is the index, whose nodes are the caller's to free. */
struct art_garbage prefix_flush(struct db *db);
void prefix_free(struct db *db);
size_t prefix_bytes(const struct db *db);
void prefix_check(const struct db *db);

/* Puts the nodes of an index aside to be freed by ks_reclaim; without memory for that they are freed now. */
void garbage_add_prefixes(struct keyspace *ks, struct art_garbage nodes);
/* Of an entry, by the present kind: how long it was not used, in seconds, and how often it was, as a counter. Entries
   that are still in a queue of a policy that was given up count as used now. */
int64_t access_idle_seconds(const struct entry *entry, int64_t now_ms);
unsigned access_frequency(const struct access_policy *policy, const struct entry *entry, int64_t now_ms);

/* Memory of one database's part of a shard. */
size_t db_bytes(const struct db *db);

/* Counts what a change of this database, and of the shard's queues, took or gave back. */
void meter_db(struct keyspace *ks, struct shard *shard, struct db *db);

/* Does the meter run, and has it counted this shard, which is locked, since it was started? */
bool meter_is_right(const struct keyspace *ks, const struct shard *shard);

static inline void ks_meter(struct keyspace *ks, struct shard *shard, struct db *db)
{
    if (unlikely(atomic_load_explicit(&ks->is_metered, memory_order_relaxed)))
        meter_db(ks, shard, db);
}

/* Likewise where only the queues changed. */
static inline void meter_evictor(struct keyspace *ks, struct shard *shard)
{
    ks_meter(ks, shard, &shard->dbs[0]);
}

#endif

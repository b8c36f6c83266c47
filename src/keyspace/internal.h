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

/* Fills the access bits of a new entry. */
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

#endif

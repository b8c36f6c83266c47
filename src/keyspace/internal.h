/* What the files of the keyspace share among themselves. */
#ifndef LARDER_KEYSPACE_INTERNAL_H
#define LARDER_KEYSPACE_INTERNAL_H

#include "keyspace/keyspace.h"

/* The hash of an entry's key, for tables; the context is the keyspace. */
uint64_t ks_hash_entry(const void *context, const void *item);

/* Frees an entry that is in no table and no wheel any more, or puts it aside if its value is large. */
void ks_release(struct keyspace *ks, struct entry *entry);

/* Locked. Deletes an existing key that goes by itself: the observer hears of it first. */
void ks_remove(struct ks_key *key, enum ks_removal why);

/* Fills the access bits of a new entry. */
void access_start(const struct access_policy *policy, struct entry *entry, int64_t now_ms);

#endif

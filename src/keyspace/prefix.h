/* The prefix index of a keyspace: for each database within a shard, its keys in order (structs/art.h), so that work on
   the keys of a prefix costs what its matches cost. It is there when it is wanted: built in portions beside reads and
   writes, kept up to date by every change of a key from the moment its building begins, and dropped in portions.

   What looks at a prefix is right at any time: while the index of a shard is not complete, the shard's table is walked
   instead and the matches sorted. */
#ifndef LARDER_KEYSPACE_PREFIX_H
#define LARDER_KEYSPACE_PREFIX_H

#include "keyspace/keyspace.h"

/* Any thread: from now on the index is wanted, or not. ks_build_prefixes makes it so, shard by shard. */
void ks_want_prefixes(struct keyspace *ks, bool is_wanted);

/* The keyspace's version changes with every change of mind, and its lowest bit says what is wanted; a shard takes the
   version over when it has done what that asks for. */
static inline unsigned ks_prefix_version(const struct keyspace *ks)
{
    return atomic_load_explicit(&ks->prefix_version, memory_order_relaxed);
}

static inline bool ks_wants_prefixes(const struct keyspace *ks)
{
    return ks_prefix_version(ks) & 1;
}

/* Any thread: is there nothing left to do for ks_build_prefixes in this shard? */
static inline bool ks_has_settled_prefixes(const struct keyspace *ks, const struct shard *shard)
{
    return atomic_load_explicit(&shard->prefix_version, memory_order_relaxed) == ks_prefix_version(ks);
}

/* Locked. A step of building, or dropping, the indexes of a shard: handles about `budget` keys, without memory none.
   Call again until the shard has settled. */
MUST_USE enum ks_status ks_build_prefixes(struct keyspace *ks, struct shard *shard, size_t budget);

/* Locked. Is the index of this database complete in this shard? */
bool ks_has_prefixes(const struct db *db);

/* Locked. How many keys begin with the prefix and are not past their deadline; ks_expire has come to its end for now_ms
   under the same lock. INT64_MIN: whatever their deadlines, and without that. */
size_t ks_count_prefix(const struct shard *shard, size_t db, bytes prefix, int64_t now_ms);

/* Locked. Visits the entries whose keys begin with `prefix` and, if `after` is given, come behind it, in the order of
   their bytes; those past their deadline too. The callback says whether to go on and must not change the shard. */
MUST_USE enum ks_status ks_visit_prefix(const struct shard *shard, size_t db, bytes prefix, const bytes *after,
                                        bool (*visit)(void *context, void *entry), void *context);

#endif

/* How many values there are of each size: strings by bytes, every other type by elements, in powers of two. Each
   database keeps the counts of its part of a shard, beside its other counters and under the same lock. */
#ifndef LARDER_KEYSPACE_SIZES_H
#define LARDER_KEYSPACE_SIZES_H

#include "keyspace/entry.h"

enum { SIZE_CLASSES = 34 }; /* empty; from 2^(i - 1) up to 2^i - 1; the last has all that is larger, too */

struct ks_sizes {
    size_t counts[VALUE_TYPES][SIZE_CLASSES];
};

static inline size_t size_class(size_t size)
{
    size_t class = size > 0 ? 64 - (size_t)__builtin_clzll(size) : 0;
    return class < SIZE_CLASSES ? class : SIZE_CLASSES - 1;
}

/* The smallest size of a class. */
static inline uint64_t size_class_lowest(size_t class)
{
    return class > 0 ? 1ULL << (class - 1) : 0;
}

/* A value has come (+1) or goes (-1). */
static inline void sizes_count(struct ks_sizes *sizes, const struct entry *entry, int by)
{
    sizes->counts[entry->type][size_class(entry_size(entry))] += (size_t)by;
}

/* A value of this type grows or shrinks. */
static inline void sizes_move(struct ks_sizes *sizes, enum value_type type, size_t from, size_t to)
{
    sizes->counts[type][size_class(from)]--;
    sizes->counts[type][size_class(to)]++;
}

#endif

/* A hash table of pointers, grown and shrunk by linear hashing (Litwin, VLDB 1980): one bucket is split or merged at a
   time, in a fixed order, so no operation ever waits for a rehash and no second table exists while the first grows.

   A bucket is one cache line of eight slots. A slot holds a pointer in its low 48 bits and 16 bits of the item's hash
   above it, so that a miss compares no keys and touches no item. The 16 bits are a window of the hash that starts at or
   below the bits which chose the bucket: a split reads the next bit from the slot and touches the item itself only
   once in eight doublings, when the window moves. A ninth item turns the last slot into a link to an overflow bucket.

   The table knows no keys: callers probe it with a hash and compare the candidates themselves. Items are aligned to 2
   at least and lie below 2^48. Whoever calls holds the lock that protects the table, with one exception: ht_prefetch.
 */
#ifndef LARDER_STRUCTS_HT_H
#define LARDER_STRUCTS_HT_H

#include "base/common.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HT_SLOTS = 8,            /* per bucket */
    HT_SEGMENT_BUCKETS = 64, /* buckets are allocated in segments of 4 KiB */
    HT_GROW_LOAD = 6,        /* items per bucket above which a bucket is split: 64 / 6 bytes an item */
    HT_SHRINK_LOAD = 3,      /* items per bucket below which one is merged */
};

struct ht_bucket {
    uint64_t
        slots[HT_SLOTS]; /* filled from the front; 0: empty; bit 0 set (last slot only): link to an overflow bucket */
} __attribute__((aligned(64)));

/* The segments by number. A directory that was outgrown is kept until ht_free, because ht_prefetch may still read it.
 */
struct ht_directory {
    struct ht_directory *outgrown;
    size_t capacity;
    _Atomic(struct ht_bucket *) segments[];
};

/* The full hash of an item, called when a split or merge moves the window. */
typedef uint64_t ht_hash_fn(const void *context, const void *item);

/* Zeroed memory is an empty table. */
struct ht {
    _Atomic(struct ht_directory *) directory; /* NULL until the first insertion */
    _Atomic size_t bucket_count;              /* primary buckets: 2^level <= bucket_count < 2^(level + 1) */
    size_t used;                              /* items */
    size_t bytes;                             /* memory of segments, overflow buckets and directories */
};

/* Frees the table's memory; the items are the caller's affair. */
void ht_free(struct ht *table);

/* Walks the candidates for a hash: items whose 16 bits match. Valid until the table changes. */
struct ht_probe {
    struct ht_bucket *bucket; /* where the walk is; NULL: the table was empty */
    unsigned candidates;      /* bit i: slot i is still to be looked at */
    unsigned slot;            /* of the candidate last returned */
    uint16_t tag;
    struct ht_bucket *primary;
};

#define HT_POINTER_MASK ((1ULL << 48) - 1)
#define HT_LINK 1ULL

static inline unsigned ht_level_of_count(size_t bucket_count)
{
    return 63U - (unsigned)__builtin_clzll(bucket_count);
}

/* The bucket that a hash belongs to in a table of this many buckets (at least 1). */
static inline size_t ht_index(size_t bucket_count, uint64_t hash)
{
    size_t low = (size_t)1 << ht_level_of_count(bucket_count);
    size_t index = hash & (2 * low - 1);
    return index < bucket_count ? index : index & (low - 1);
}

/* How many hash bits choose this bucket. */
static inline unsigned ht_bucket_level(size_t bucket_count, size_t index)
{
    unsigned level = ht_level_of_count(bucket_count);
    size_t low = (size_t)1 << level;
    return level + ((index & (low - 1)) < bucket_count - low);
}

static inline uint16_t ht_tag(uint64_t hash, unsigned level)
{
    return (uint16_t)(hash >> (level & ~7U));
}

static inline struct ht_bucket *ht_bucket_at(const struct ht *table, size_t index)
{
    struct ht_directory *directory = atomic_load_explicit(&table->directory, memory_order_relaxed);
    struct ht_bucket *segment =
        atomic_load_explicit(&directory->segments[index / HT_SEGMENT_BUCKETS], memory_order_relaxed);
    return &segment[index % HT_SEGMENT_BUCKETS];
}

/* The slots with this tag, as bits. Comparing all at once with SSE2 takes a third of the instructions, but made a GET
   25 ns slower (of 135). */
static inline unsigned ht_match(const struct ht_bucket *bucket, uint16_t tag)
{
    unsigned mask = 0;
    for (unsigned i = 0; i < HT_SLOTS; i++)
        mask |= (unsigned)((bucket->slots[i] >> 48) == tag) << i;
    return mask;
}

static inline struct ht_probe ht_probe(const struct ht *table, uint64_t hash)
{
    struct ht_probe probe = {0};
    size_t count = atomic_load_explicit(&table->bucket_count, memory_order_relaxed);
    if (unlikely(count == 0))
        return probe;
    size_t index = ht_index(count, hash);
    probe.tag = ht_tag(hash, ht_bucket_level(count, index));
    probe.primary = probe.bucket = ht_bucket_at(table, index);
    probe.candidates = ht_match(probe.bucket, probe.tag);
    return probe;
}

/* The next candidate; NULL when there are no more. */
static inline void *ht_probe_next(struct ht_probe *probe)
{
    while (likely(probe->bucket != NULL)) {
        while (probe->candidates != 0) {
            probe->slot = (unsigned)__builtin_ctz(probe->candidates);
            probe->candidates &= probe->candidates - 1;
            uint64_t slot = probe->bucket->slots[probe->slot];
            if (likely((slot & HT_POINTER_MASK) != 0) && likely((slot & HT_LINK) == 0))
                return (void *)(uintptr_t)(slot & HT_POINTER_MASK);
        }
        uint64_t last = probe->bucket->slots[HT_SLOTS - 1];
        if (likely((last & HT_LINK) == 0))
            break;
        probe->bucket = (struct ht_bucket *)(uintptr_t)(last & HT_POINTER_MASK & ~HT_LINK);
        probe->candidates = ht_match(probe->bucket, probe->tag);
    }
    return NULL;
}

/* The candidate last returned moved in memory: its slot now points at `item`. */
static inline void ht_replace(struct ht_probe *probe, void *item)
{
    uint64_t *slot = &probe->bucket->slots[probe->slot];
    *slot = (*slot & ~HT_POINTER_MASK) | (uint64_t)(uintptr_t)item;
}

/* Adds an item known not to be in the table; false when there is no memory, and nothing has changed. */
MUST_USE bool ht_insert(struct ht *table, uint64_t hash, void *item, ht_hash_fn *hash_of, const void *context);

/* Takes out the candidate last returned by the probe. */
void ht_remove(struct ht *table, struct ht_probe *probe, ht_hash_fn *hash_of, const void *context);

/* Asks the processor for the bucket of a hash. The one function that may run without the table's lock: it reads only
   the directory, which stays readable as long as the table lives. */
static inline void ht_prefetch(const struct ht *table, uint64_t hash)
{
    size_t count = atomic_load_explicit(&table->bucket_count, memory_order_acquire);
    if (count == 0)
        return;
    struct ht_directory *directory = atomic_load_explicit(&table->directory, memory_order_acquire);
    size_t index = ht_index(count, hash);
    size_t segment = index / HT_SEGMENT_BUCKETS;
    if (directory == NULL || segment >= directory->capacity)
        return; /* the table was swapped for another between the two loads */
    struct ht_bucket *buckets = atomic_load_explicit(&directory->segments[segment], memory_order_relaxed);
    if (buckets != NULL)
        __builtin_prefetch(&buckets[index % HT_SEGMENT_BUCKETS]);
}

/* Asks the processor for the items that match a hash; their bucket should be in the cache already. */
static inline void ht_prefetch_items(const struct ht *table, uint64_t hash)
{
    struct ht_probe probe = ht_probe(table, hash);
    void *item = ht_probe_next(&probe);
    if (item != NULL) {
        __builtin_prefetch(item);
        __builtin_prefetch((const char *)item + sizeof(struct ht_bucket)); /* the usual item takes two cache lines */
    }
}

typedef void ht_visit_fn(void *context, void *item);

/* Visits the items of the bucket that the cursor stands at and returns the cursor of the next, 0 after the last. Start
   at 0. An item that is in the table from the first call to the last is visited at least once, however the table grows
   and shrinks in between: the cursor is a position in the space of bit-reversed hashes, in which a split divides an
   interval and a merge joins two, and the walk only moves forward. The callback must not change the table. */
uint64_t ht_scan(const struct ht *table, uint64_t cursor, ht_visit_fn *visit, void *context);

/* An item chosen uniformly; NULL when the table is empty. `random` gives 64 random bits a call. */
void *ht_random(const struct ht *table, uint64_t (*random)(void *context), void *context);

/* Moves all items into `into`, which must be zeroed, and leaves the table empty but safe to prefetch from. False when
   there is no memory, and nothing has changed. */
MUST_USE bool ht_detach(struct ht *table, struct ht *into);

/* Takes out all items at once, each given to the callback, which may free it; the table stays safe to prefetch from. */
void ht_clear(struct ht *table, ht_visit_fn *visit, void *context);

/* Exchanges the contents of two tables; both stay safe to prefetch from. */
void ht_swap(struct ht *a, struct ht *b);

/* Takes items out of a table that nobody uses any more, whole buckets at a time from the last to the first, until at
   least `count` are out; each is given to the callback, which may free it. True when the table is empty and freed. */
bool ht_drain(struct ht *table, size_t count, ht_visit_fn *visit, void *context);

/* Walks the whole table and asserts its invariants; for tests. */
void ht_check(const struct ht *table, ht_hash_fn *hash_of, const void *context);

#endif

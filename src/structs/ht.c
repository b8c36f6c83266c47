/* The hash table; see ht.h. Linear hashing: with 2^level <= bucket_count < 2^(level + 1), the buckets below
   bucket_count - 2^level have been split in this round and are chosen by level + 1 hash bits, like their new halves at
   the end; the others are chosen by `level` bits. */
#include "structs/ht.h"

#include "base/mem.h"

#include <string.h>

enum { SEGMENT_BYTES = HT_SEGMENT_BUCKETS * sizeof(struct ht_bucket), FIRST_CAPACITY = 4 };

static uint64_t make_slot(uint16_t tag, const void *item)
{
    assert(((uintptr_t)item & ~HT_POINTER_MASK) == 0 && ((uintptr_t)item & HT_LINK) == 0);
    return (uint64_t)tag << 48 | (uint64_t)(uintptr_t)item;
}

static void *slot_item(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & HT_POINTER_MASK);
}

static uint16_t slot_tag(uint64_t slot)
{
    return (uint16_t)(slot >> 48);
}

static struct ht_bucket *bucket_link(const struct ht_bucket *bucket)
{
    uint64_t last = bucket->slots[HT_SLOTS - 1];
    return last & HT_LINK ? (struct ht_bucket *)(uintptr_t)(last & ~HT_LINK) : NULL;
}

static void set_link(struct ht_bucket *bucket, struct ht_bucket *next)
{
    bucket->slots[HT_SLOTS - 1] = (uint64_t)(uintptr_t)next | HT_LINK;
}

/* Items in this bucket itself. */
static unsigned bucket_items(const struct ht_bucket *bucket)
{
    unsigned count = 0;
    while (count < HT_SLOTS && bucket->slots[count] != 0 && !(bucket->slots[count] & HT_LINK))
        count++;
    return count;
}

static size_t chain_items(const struct ht_bucket *bucket)
{
    size_t count = 0;
    for (; bucket != NULL; bucket = bucket_link(bucket))
        count += bucket_items(bucket);
    return count;
}

/* Overflow buckets of a chain of this many items. */
static size_t overflows_for(size_t items)
{
    return items <= HT_SLOTS ? 0 : (items - HT_SLOTS + HT_SLOTS - 2) / (HT_SLOTS - 1);
}

static size_t get_count(const struct ht *table)
{
    return atomic_load_explicit(&table->bucket_count, memory_order_relaxed);
}

static void set_count(struct ht *table, size_t count)
{
    atomic_store_explicit(&table->bucket_count, count, memory_order_release);
}

static struct ht_directory *get_directory(const struct ht *table)
{
    return atomic_load_explicit(&table->directory, memory_order_relaxed);
}

/* Overflow buckets not in use, chained by their first slot. */
struct spares {
    struct ht_bucket *first;
};

static void spares_add(struct spares *spares, struct ht_bucket *bucket)
{
    bucket->slots[0] = (uint64_t)(uintptr_t)spares->first;
    spares->first = bucket;
}

static bool spares_allocate(struct ht *table, struct spares *spares)
{
    struct ht_bucket *bucket = mem_alloc_aligned(sizeof(*bucket), sizeof(*bucket));
    if (bucket == NULL)
        return false;
    table->bytes += mem_size(bucket);
    spares_add(spares, bucket);
    return true;
}

static struct ht_bucket *spares_take(struct spares *spares)
{
    struct ht_bucket *bucket = spares->first;
    assert(bucket != NULL);
    spares->first = (struct ht_bucket *)(uintptr_t)bucket->slots[0];
    memset(bucket, 0, sizeof(*bucket));
    return bucket;
}

static void free_overflow(struct ht *table, struct ht_bucket *bucket)
{
    table->bytes -= mem_size(bucket);
    mem_free(bucket);
}

static void spares_free(struct ht *table, struct spares *spares)
{
    while (spares->first != NULL)
        free_overflow(table, spares_take(spares));
}

/* Adds a slot at the end of a chain; a bucket for it, if it needs one, comes from the spares. */
static void chain_append(struct ht_bucket *bucket, uint64_t slot, struct spares *spares)
{
    struct ht_bucket *next;
    while ((next = bucket_link(bucket)) != NULL)
        bucket = next;
    unsigned count = bucket_items(bucket);
    if (count < HT_SLOTS) {
        bucket->slots[count] = slot;
        return;
    }
    next = spares_take(spares);
    next->slots[0] = bucket->slots[HT_SLOTS - 1];
    next->slots[1] = slot;
    set_link(bucket, next);
}

/* Takes the last slot off a chain, giving an overflow bucket that is no longer needed to the spares. */
static uint64_t chain_pop(struct ht_bucket *bucket, struct spares *spares)
{
    struct ht_bucket *previous = NULL;
    struct ht_bucket *next;
    while ((next = bucket_link(bucket)) != NULL) {
        previous = bucket;
        bucket = next;
    }
    unsigned count = bucket_items(bucket);
    assume(count > 0);
    uint64_t slot = bucket->slots[count - 1];
    bucket->slots[count - 1] = 0;
    if (previous != NULL && count == 2) {
        previous->slots[HT_SLOTS - 1] = bucket->slots[0];
        spares_add(spares, bucket);
    }
    return slot;
}

/* Where the items of a chain go when its bucket is split or merged. */
struct redistribution {
    struct ht_bucket *low;
    struct ht_bucket *high; /* takes the items whose hash has bit old_level set; NULL: all go to `low` */
    unsigned old_level;     /* hash bits that chose the chain which the items come from */
    unsigned new_level;
    ht_hash_fn *hash_of;
    const void *context;
};

static void redistribute_slot(const struct redistribution *plan, uint64_t slot, struct spares *spares)
{
    void *item = slot_item(slot);
    uint16_t tag = slot_tag(slot);
    bool is_high = plan->high != NULL && (tag >> (plan->old_level & 7U) & 1) != 0;
    if ((plan->old_level & ~7U) != (plan->new_level & ~7U))
        tag = ht_tag(plan->hash_of(plan->context, item), plan->new_level);
    chain_append(is_high ? plan->high : plan->low, make_slot(tag, item), spares);
}

/* Empties a chain according to the plan. Each bucket is copied out and becomes a spare before the items of the one in
   front of it are placed, so that they never lack an overflow bucket that the chain had already. */
static void redistribute(const struct redistribution *plan, struct ht_bucket *source, struct spares *spares)
{
    struct ht_bucket current = *source;
    memset(source, 0, sizeof(*source));
    for (;;) {
        struct ht_bucket following;
        struct ht_bucket *next = bucket_link(&current);
        if (next != NULL) {
            following = *next;
            spares_add(spares, next);
        }
        unsigned count = bucket_items(&current);
        for (unsigned i = 0; i < count; i++)
            redistribute_slot(plan, current.slots[i], spares);
        if (next == NULL)
            return;
        current = following;
    }
}

static bool grow_directory(struct ht *table, size_t capacity)
{
    struct ht_directory *old = get_directory(table);
    struct ht_directory *directory = mem_alloc_zeroed(sizeof(*directory) + capacity * sizeof(directory->segments[0]));
    if (directory == NULL)
        return false;
    directory->capacity = capacity;
    directory->outgrown = old;
    for (size_t i = 0; old != NULL && i < old->capacity; i++)
        atomic_init(&directory->segments[i], atomic_load_explicit(&old->segments[i], memory_order_relaxed));
    table->bytes += mem_size(directory);
    atomic_store_explicit(&table->directory, directory, memory_order_release);
    return true;
}

/* Makes sure that the bucket of this index exists. */
static bool ensure_bucket(struct ht *table, size_t index)
{
    size_t number = index / HT_SEGMENT_BUCKETS;
    struct ht_directory *directory = get_directory(table);
    if (directory == NULL || number >= directory->capacity) {
        if (!grow_directory(table, directory == NULL ? FIRST_CAPACITY : 2 * directory->capacity))
            return false;
        directory = get_directory(table);
    }
    if (atomic_load_explicit(&directory->segments[number], memory_order_relaxed) != NULL)
        return true;
    struct ht_bucket *segment = mem_alloc_aligned(SEGMENT_BYTES, sizeof(struct ht_bucket));
    if (segment == NULL)
        return false;
    memset(segment, 0, SEGMENT_BYTES);
    table->bytes += mem_size(segment);
    atomic_store_explicit(&directory->segments[number], segment, memory_order_relaxed);
    return true;
}

static void free_segment(struct ht *table, size_t number)
{
    struct ht_directory *directory = get_directory(table);
    struct ht_bucket *segment = atomic_load_explicit(&directory->segments[number], memory_order_relaxed);
    atomic_store_explicit(&directory->segments[number], NULL, memory_order_relaxed);
    table->bytes -= mem_size(segment);
    mem_free(segment);
}

/* Splits the next bucket of the round. Needs no overflow bucket that the chain does not have already: n items over two
   chains take at most as many as over one. Does nothing when memory is short; the load then grows a little. */
static void split_one(struct ht *table, ht_hash_fn *hash_of, const void *context)
{
    size_t count = get_count(table);
    if (!ensure_bucket(table, count))
        return;
    unsigned level = ht_level_of_count(count);
    size_t low = count - ((size_t)1 << level);
    struct ht_bucket *source = ht_bucket_at(table, low);
    struct spares spares = {NULL};
    struct redistribution plan = {
        .low = source,
        .high = ht_bucket_at(table, count),
        .old_level = level,
        .new_level = level + 1,
        .hash_of = hash_of,
        .context = context,
    };
    redistribute(&plan, source, &spares);
    spares_free(table, &spares);
    set_count(table, count + 1);
}

/* Joins the last bucket with the one that it was split from. */
static void merge_one(struct ht *table, ht_hash_fn *hash_of, const void *context)
{
    size_t count = get_count(table);
    unsigned level = ht_level_of_count(count - 1);
    struct ht_bucket *low = ht_bucket_at(table, count - 1 - ((size_t)1 << level));
    struct ht_bucket *high = ht_bucket_at(table, count - 1);

    size_t low_items = chain_items(low);
    size_t high_items = chain_items(high);
    size_t have = overflows_for(low_items) + overflows_for(high_items);
    struct spares spares = {NULL};
    for (size_t need = overflows_for(low_items + high_items); need > have; need--) {
        if (!spares_allocate(table, &spares)) {
            spares_free(table, &spares);
            return;
        }
    }
    struct redistribution plan = {
        .low = low,
        .old_level = level + 1,
        .new_level = level,
        .hash_of = hash_of,
        .context = context,
    };
    redistribute(&plan, low, &spares);
    redistribute(&plan, high, &spares);
    spares_free(table, &spares);
    set_count(table, count - 1);
    if ((count - 1) % HT_SEGMENT_BUCKETS == 0)
        free_segment(table, (count - 1) / HT_SEGMENT_BUCKETS);
}

bool ht_insert(struct ht *table, uint64_t hash, void *item, ht_hash_fn *hash_of, const void *context)
{
    if (get_count(table) == 0) {
        if (!ensure_bucket(table, 0))
            return false;
        set_count(table, 1);
    }
    size_t count = get_count(table);
    size_t index = ht_index(count, hash);
    struct ht_bucket *bucket = ht_bucket_at(table, index);
    struct spares spares = {NULL};
    uint64_t last = bucket->slots[HT_SLOTS - 1];
    if (last != 0) {
        size_t items = chain_items(bucket);
        if (overflows_for(items + 1) > overflows_for(items) && !spares_allocate(table, &spares))
            return false;
    }
    chain_append(bucket, make_slot(ht_tag(hash, ht_bucket_level(count, index)), item), &spares);
    table->used++;
    if (table->used > count * HT_GROW_LOAD)
        split_one(table, hash_of, context);
    return true;
}

void ht_remove(struct ht *table, struct ht_probe *probe, ht_hash_fn *hash_of, const void *context)
{
    uint64_t *hole = &probe->bucket->slots[probe->slot];
    uint64_t removed = *hole;
    struct spares spares = {NULL};
    uint64_t last = chain_pop(probe->primary, &spares);
    if (last != removed) {
        /* the hole may have moved: shortening the chain can move an item from an overflow bucket forward */
        if (spares.first == probe->bucket) {
            struct ht_bucket *bucket = probe->primary;
            while (bucket->slots[HT_SLOTS - 1] != removed)
                bucket = bucket_link(bucket);
            hole = &bucket->slots[HT_SLOTS - 1];
        }
        *hole = last;
    }
    spares_free(table, &spares);
    table->used--;
    probe->bucket = NULL;
    size_t count = get_count(table);
    if (count > 1 && table->used < count * HT_SHRINK_LOAD)
        merge_one(table, hash_of, context);
}

static uint64_t reverse_bits(uint64_t x)
{
    x = (x & 0x5555555555555555ULL) << 1 | (x >> 1 & 0x5555555555555555ULL);
    x = (x & 0x3333333333333333ULL) << 2 | (x >> 2 & 0x3333333333333333ULL);
    x = (x & 0x0f0f0f0f0f0f0f0fULL) << 4 | (x >> 4 & 0x0f0f0f0f0f0f0f0fULL);
    return __builtin_bswap64(x);
}

uint64_t ht_scan(const struct ht *table, uint64_t cursor, ht_visit_fn *visit, void *context)
{
    size_t count = get_count(table);
    if (count == 0)
        return 0;
    size_t index = ht_index(count, cursor);
    for (struct ht_bucket *bucket = ht_bucket_at(table, index); bucket != NULL; bucket = bucket_link(bucket)) {
        unsigned items = bucket_items(bucket);
        for (unsigned i = 0; i < items; i++)
            visit(context, slot_item(bucket->slots[i]));
    }
    unsigned level = ht_bucket_level(count, index);
    if (level == 0)
        return 0;
    uint64_t interval = reverse_bits(cursor) >> (64 - level);
    interval++;
    if (interval >> level != 0)
        return 0;
    return reverse_bits(interval << (64 - level));
}

void *ht_random(const struct ht *table, uint64_t (*random)(void *context), void *context)
{
    /* Rejection: a bucket and a place in its chain, both uniform, until the place is taken. Chains of more than
       `places` items do not occur with a good hash; their tails would be chosen less often. */
    enum { places = 32 };
    size_t count = get_count(table);
    if (table->used == 0)
        return NULL;
    for (;;) {
        uint64_t bits = random(context);
        size_t index = (size_t)(((unsigned __int128)(bits & ~31ULL) * count) >> 64);
        size_t place = bits % places;
        struct ht_bucket *bucket = ht_bucket_at(table, index);
        while (bucket != NULL) {
            unsigned items = bucket_items(bucket);
            if (place < items)
                return slot_item(bucket->slots[place]);
            place -= items;
            bucket = bucket_link(bucket);
        }
    }
}

bool ht_detach(struct ht *table, struct ht *into)
{
    struct ht_directory *directory = get_directory(table);
    if (directory == NULL)
        return true;
    if (!grow_directory(into, directory->capacity))
        return false;
    struct ht_directory *copy = get_directory(into);
    size_t own_bytes = 0;
    for (struct ht_directory *d = directory; d != NULL; d = d->outgrown)
        own_bytes += mem_size(d);
    for (size_t i = 0; i < directory->capacity; i++) {
        struct ht_bucket *segment = atomic_exchange_explicit(&directory->segments[i], NULL, memory_order_relaxed);
        atomic_store_explicit(&copy->segments[i], segment, memory_order_relaxed);
    }
    into->bytes += table->bytes - own_bytes;
    into->used = table->used;
    set_count(into, get_count(table));
    table->bytes = own_bytes;
    table->used = 0;
    set_count(table, 0);
    return true;
}

/* Empties whole buckets from the last to the first, until at least `count` items are out or no bucket is left. */
static void drain_buckets(struct ht *table, size_t count, ht_visit_fn *visit, void *context)
{
    size_t drained = 0;
    while (get_count(table) > 0 && drained < count) {
        size_t index = get_count(table) - 1;
        struct ht_bucket *bucket = ht_bucket_at(table, index);
        struct spares spares = {NULL};
        while (bucket->slots[0] != 0) {
            visit(context, slot_item(chain_pop(bucket, &spares)));
            table->used--;
            drained++;
        }
        spares_free(table, &spares);
        set_count(table, index);
        if (index % HT_SEGMENT_BUCKETS == 0)
            free_segment(table, index / HT_SEGMENT_BUCKETS);
    }
}

bool ht_drain(struct ht *table, size_t count, ht_visit_fn *visit, void *context)
{
    drain_buckets(table, count, visit, context);
    if (get_count(table) > 0)
        return false;
    ht_free(table);
    return true;
}

void ht_clear(struct ht *table, ht_visit_fn *visit, void *context)
{
    drain_buckets(table, SIZE_MAX, visit, context);
}

void ht_swap(struct ht *a, struct ht *b)
{
    struct ht_directory *directory = get_directory(a);
    size_t count = get_count(a);
    size_t used = a->used;
    size_t bytes = a->bytes;
    atomic_store_explicit(&a->directory, get_directory(b), memory_order_release);
    set_count(a, get_count(b));
    a->used = b->used;
    a->bytes = b->bytes;
    atomic_store_explicit(&b->directory, directory, memory_order_release);
    set_count(b, count);
    b->used = used;
    b->bytes = bytes;
}

static void free_chain(struct ht_bucket *bucket)
{
    while (bucket != NULL) {
        struct ht_bucket *next = bucket_link(bucket);
        mem_free(bucket);
        bucket = next;
    }
}

void ht_free(struct ht *table)
{
    struct ht_directory *directory = get_directory(table);
    for (size_t i = 0; i < get_count(table); i++)
        free_chain(bucket_link(ht_bucket_at(table, i)));
    for (size_t i = 0; directory != NULL && i < directory->capacity; i++)
        mem_free(atomic_load_explicit(&directory->segments[i], memory_order_relaxed));
    while (directory != NULL) {
        struct ht_directory *outgrown = directory->outgrown;
        mem_free(directory);
        directory = outgrown;
    }
    memset(table, 0, sizeof(*table));
}

void ht_check(const struct ht *table, ht_hash_fn *hash_of, const void *context)
{
    size_t count = get_count(table);
    size_t items = 0;
    for (size_t index = 0; index < count; index++) {
        uint16_t level = (uint16_t)ht_bucket_level(count, index);
        for (struct ht_bucket *bucket = ht_bucket_at(table, index); bucket != NULL; bucket = bucket_link(bucket)) {
            unsigned filled = bucket_items(bucket);
            assert(bucket_link(bucket) == NULL || filled == HT_SLOTS - 1);
            for (unsigned i = 0; i < filled; i++) {
                uint64_t hash = hash_of(context, slot_item(bucket->slots[i]));
                assert(ht_index(count, hash) == index);
                assert(slot_tag(bucket->slots[i]) == ht_tag(hash, level));
                (void)hash;
            }
            items += filled;
            (void)level;
        }
    }
    assert(items == table->used);
    (void)items;
}

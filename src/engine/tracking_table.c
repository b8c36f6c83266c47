/* Which client has read which key; see tracking.h. Invariants, under the lock of the shard: every key in a table has at
   least one reader; each of them is there once, and its tracker referred to; `items` and `bytes` are sums over the
   keys; the shard's interest says whether the table has any. */
#include "engine/tracking.h"

#include "base/mem.h"
#include "engine/tracking_internal.h"

enum {
    BYTES_PER_KEY = 1024,     /* what a key and its readers may take on average before keys are dropped early */
    BYTES_AT_LEAST = 1 << 20, /* of a limit, however few keys are allowed */
    UPKEEP_KEYS = 512,        /* keys that one step of upkeep looks at, or drops, in a shard */
    UPKEEP_SLOTS = 16 * 1024, /* places for readers that it looks at */
    UPKEEP_GARBAGE = 1024,    /* emptied keys that it frees */
    FIRST_CAPACITY = 4,
};

/* A key that somebody has read, and who has. One reader needs no memory of its own; several stand in a hash table with
   linear probing, at most three quarters full, from which none is ever taken out alone. */
struct tracked_key {
    uint64_t hash;
    uint32_t len;
    uint32_t count;    /* readers */
    uint32_t capacity; /* places for them: 1, or a power of two */
    union {
        struct tracker *one;      /* capacity is 1 */
        struct tracker **many;    /* NULL: a free place */
        struct tracked_key *next; /* in the sweep, when no reader is left */
    };
    char name[];
};

/* A table that was emptied at once. */
struct garbage {
    struct list link;
    struct ht keys;
};

static uint64_t hash_of(const void *context, const void *item)
{
    (void)context;
    return ((const struct tracked_key *)item)->hash;
}

static struct tracking_table *table_of(struct larder *engine, const struct shard *shard)
{
    assert(ks_is_locked(shard));
    return &engine->tracking.tables[ks_shard_number(&engine->keyspace, shard)];
}

static bytes name_of(const struct tracked_key *key)
{
    return (bytes){key->name, key->len};
}

static size_t key_bytes(const struct tracked_key *key)
{
    return mem_size(key) + (key->capacity > 1 ? mem_size(key->many) : 0);
}

/* Finds a key; the probe stands at it. */
static struct tracked_key *find(const struct tracking_table *table, bytes name, uint64_t hash, struct ht_probe *probe)
{
    *probe = ht_probe(&table->keys, hash);
    struct tracked_key *key;
    while ((key = ht_probe_next(probe)) != NULL && !bytes_equal(name_of(key), name))
        continue;
    return key;
}

/* ---- Sums ---- */

static size_t get(const _Atomic size_t *sum)
{
    return atomic_load_explicit(sum, memory_order_relaxed);
}

static void add(_Atomic size_t *sum, size_t by)
{
    atomic_fetch_add_explicit(sum, by, memory_order_relaxed);
}

static void subtract(_Atomic size_t *sum, size_t by)
{
    atomic_fetch_sub_explicit(sum, by, memory_order_relaxed);
}

static void count_items(struct tracking *tracking, struct tracking_table *table, size_t added, size_t removed)
{
    table->items += added - removed;
    add(&tracking->items, added - removed);
}

static void count_bytes(struct tracking *tracking, struct tracking_table *table, size_t added, size_t removed)
{
    table->bytes += added - removed;
    add(&tracking->bytes, added - removed);
}

void tracking_set_limit(struct larder *engine, long long max_keys)
{
    struct tracking *tracking = &engine->tracking;
    size_t max_bytes = max_keys > (long long)(SIZE_MAX / BYTES_PER_KEY) ? SIZE_MAX : (size_t)max_keys * BYTES_PER_KEY;
    atomic_store_explicit(&tracking->max_bytes, max_bytes > BYTES_AT_LEAST ? max_bytes : BYTES_AT_LEAST,
                          memory_order_relaxed);
    atomic_store_explicit(&tracking->max_keys, (size_t)max_keys, memory_order_relaxed);
}

static bool is_over_limit(const struct tracking *tracking)
{
    size_t max_keys = get(&tracking->max_keys);
    return max_keys > 0 && (get(&tracking->keys) > max_keys || get(&tracking->bytes) > get(&tracking->max_bytes));
}

size_t tracking_bytes(const struct larder *engine)
{
    const size_t slot_bytes = sizeof(struct ht_bucket) / HT_GROW_LOAD;
    return get(&engine->tracking.bytes) + get(&engine->tracking.keys) * slot_bytes;
}

/* ---- Readers of a key ---- */

static bool is_closed(const struct tracker *tracker)
{
    return tracker_flags(tracker) & TRACKING_CLOSED;
}

/* The place of a tracker among many, or the free one where it would go. */
static struct tracker **place_of(struct tracker **many, uint32_t capacity, const struct tracker *tracker)
{
    uint32_t place = (uint32_t)((tracker->id * 0x9e3779b97f4a7c15ULL) >> 32) & (capacity - 1);
    while (many[place] != NULL && many[place] != tracker)
        place = (place + 1) & (capacity - 1);
    return &many[place];
}

static struct tracker *const *readers_of(const struct tracked_key *key)
{
    return key->capacity == 1 ? &key->one : key->many;
}

static bool has_reader(const struct tracked_key *key, const struct tracker *tracker)
{
    return key->capacity == 1 ? key->one == tracker : *place_of(key->many, key->capacity, tracker) == tracker;
}

static uint32_t capacity_for(uint32_t count)
{
    if (count <= 1)
        return 1;
    uint32_t capacity = FIRST_CAPACITY;
    while (count > capacity / 4 * 3)
        capacity *= 2;
    return capacity;
}

static uint32_t count_open(const struct tracked_key *key)
{
    struct tracker *const *readers = readers_of(key);
    uint32_t open = 0;
    for (uint32_t i = 0; i < key->capacity; i++)
        open += readers[i] != NULL && !is_closed(readers[i]);
    return open;
}

/* Moves the readers to as many places as those whose sessions are open, and one more, need; forgets the others. False
   when there is no memory, and nothing has changed. */
static bool resettle(struct tracked_key *key, bool has_one_more)
{
    uint32_t capacity = capacity_for(count_open(key) + has_one_more);
    struct tracker *one = NULL;
    struct tracker **many = capacity > 1 ? mem_alloc_zeroed(capacity * sizeof(struct tracker *)) : &one;
    if (many == NULL)
        return false;
    struct tracker *const *readers = readers_of(key);
    uint32_t count = 0;
    for (uint32_t i = 0; i < key->capacity; i++) {
        if (readers[i] == NULL)
            continue;
        if (is_closed(readers[i])) { /* closed is for good: there are no more open ones than were counted */
            tracker_drop(readers[i]);
        } else {
            *place_of(many, capacity, readers[i]) = readers[i];
            count++;
        }
    }
    if (key->capacity > 1)
        mem_free(key->many);
    if (capacity > 1)
        key->many = many;
    else
        key->one = one;
    key->capacity = capacity;
    key->count = count;
    return true;
}

static bool is_full(const struct tracked_key *key)
{
    return key->count >= (key->capacity == 1 ? 1 : key->capacity / 4 * 3);
}

/* Adds one that is not there. False when there is no memory. */
static bool add_reader(struct tracked_key *key, struct tracker *tracker)
{
    if (is_full(key) && !resettle(key, true))
        return false;
    if (key->capacity == 1)
        key->one = tracker_keep(tracker);
    else
        *place_of(key->many, key->capacity, tracker) = tracker_keep(tracker);
    key->count++;
    return true;
}

/* ---- Keys of a table ---- */

/* Frees a key that is in no table any more. */
static void free_key(void *context, void *item)
{
    (void)context;
    struct tracked_key *key = item;
    struct tracker *const *readers = readers_of(key);
    for (uint32_t i = 0; i < key->capacity; i++)
        tracker_drop(readers[i]);
    if (key->capacity > 1)
        mem_free(key->many);
    mem_free(key);
}

/* A new key without readers; NULL when there is no memory. */
static struct tracked_key *add_key(struct larder *engine, struct shard *shard, bytes name, uint64_t hash)
{
    struct tracking_table *table = table_of(engine, shard);
    struct tracked_key *key = mem_alloc(sizeof(*key) + name.len);
    if (key == NULL)
        return NULL;
    *key = (struct tracked_key){.hash = hash, .len = (uint32_t)name.len, .capacity = 1};
    if (name.len > 0)
        memcpy(key->name, name.at, name.len);
    if (!ht_insert(&table->keys, hash, key, hash_of, NULL)) {
        mem_free(key);
        return NULL;
    }
    shard->interest |= INTEREST_TRACKING;
    add(&engine->tracking.keys, 1);
    return key;
}

/* Takes the key that the probe stands at out of its table; the caller frees it. */
static void take_out(struct larder *engine, struct shard *shard, struct ht_probe *probe, const struct tracked_key *key)
{
    struct tracking *tracking = &engine->tracking;
    struct tracking_table *table = table_of(engine, shard);
    count_items(tracking, table, 0, key->count);
    count_bytes(tracking, table, 0, key_bytes(key));
    ht_remove(&table->keys, probe, hash_of, NULL);
    if (table->keys.used == 0)
        shard->interest &= ~(unsigned)INTEREST_TRACKING;
    subtract(&tracking->keys, 1);
}

/* Tells a key's readers, except `by` if it does not want to hear of its own changes. */
static void tell_readers(const struct tracked_key *key, const struct tracker *by)
{
    struct tracker *const *readers = readers_of(key);
    struct frame frame = {0};
    for (uint32_t i = 0; i < key->capacity; i++) {
        struct tracker *tracker = readers[i];
        if (tracker == NULL)
            continue;
        unsigned flags = tracker_flags(tracker);
        if (!(flags & TRACKING_ON) || (flags & TRACKING_BCAST) || (tracker == by && (flags & TRACKING_NOLOOP)))
            continue;
        bytes name = name_of(key);
        if (frame.text == NULL)
            frame = frame_invalidation(tracker->encoders, &name, 1);
        tracker_tell(tracker, frame);
    }
    frame_drop(frame);
}

void tracking_invalidate(struct larder *engine, struct shard *shard, bytes name, uint64_t hash,
                         const struct session *by)
{
    struct ht_probe probe;
    struct tracked_key *key = find(table_of(engine, shard), name, hash, &probe);
    if (key == NULL)
        return;
    take_out(engine, shard, &probe, key);
    tell_readers(key, by != NULL ? tracker_of(by) : NULL);
    free_key(NULL, key);
}

static uint64_t next_random(void *random)
{
    return random_next(random);
}

/* Drops a key of this shard, whichever, and tells its readers so; returns its memory. */
static size_t drop_any(struct larder *engine, struct shard *shard)
{
    struct ht *keys = &table_of(engine, shard)->keys;
    struct tracked_key *key = ht_random(keys, next_random, &shard->random);
    struct ht_probe probe = ht_probe(keys, key->hash);
    while (ht_probe_next(&probe) != key)
        continue;
    size_t size = key_bytes(key);
    take_out(engine, shard, &probe, key);
    tell_readers(key, NULL);
    free_key(NULL, key);
    return size;
}

/* While there is too much, drops twice what was added, but not the shard's last key: no command does much, and what is
   still too much (if more keys were allowed before, or a few are for many shards) is left to the upkeep. */
static void make_room(struct larder *engine, struct shard *shard, size_t added_bytes)
{
    const struct tracking_table *table = table_of(engine, shard);
    size_t dropped_bytes = 0;
    for (size_t dropped = 0; dropped < 2 || dropped_bytes < 2 * added_bytes; dropped++) {
        if (table->keys.used <= 1 || !is_over_limit(&engine->tracking))
            return;
        dropped_bytes += drop_any(engine, shard);
    }
}

bool tracking_table_add(struct larder *engine, struct shard *shard, bytes name, uint64_t hash, struct tracker *tracker)
{
    struct tracking_table *table = table_of(engine, shard);
    struct ht_probe probe;
    struct tracked_key *key = find(table, name, hash, &probe);
    if (key != NULL && has_reader(key, tracker))
        return true;
    size_t old_items = key != NULL ? key->count : 0;
    size_t old_bytes = key != NULL ? key_bytes(key) : 0;
    if (key == NULL && (key = add_key(engine, shard, name, hash)) == NULL)
        return false;
    bool is_added = add_reader(key, tracker); /* always, if the key is new */
    size_t new_bytes = key_bytes(key);
    count_items(&engine->tracking, table, key->count, old_items);
    count_bytes(&engine->tracking, table, new_bytes, old_bytes);
    make_room(engine, shard, new_bytes > old_bytes ? new_bytes - old_bytes : 0);
    return is_added;
}

/* ---- Whole tables ---- */

/* Takes all keys out of a table: puts them aside or, without memory for that, frees them now. */
static void empty(struct tracking *tracking, struct tracking_table *table)
{
    struct garbage *garbage = mem_alloc_zeroed(sizeof(*garbage));
    if (garbage == NULL || !ht_detach(&table->keys, &garbage->keys)) {
        mem_free(garbage);
        ht_clear(&table->keys, free_key, NULL);
        return;
    }
    lock_take(&tracking->lock);
    list_append(&tracking->garbage, &garbage->link);
    lock_give(&tracking->lock);
    add(&tracking->garbage_count, 1);
}

void tracking_table_clear(struct larder *engine, struct shard *shard)
{
    struct tracking *tracking = &engine->tracking;
    struct tracking_table *table = table_of(engine, shard);
    if (table->keys.used == 0)
        return;
    subtract(&tracking->keys, table->keys.used);
    count_items(tracking, table, 0, table->items);
    count_bytes(tracking, table, 0, table->bytes);
    table->sweep_cursor = 0;
    shard->interest &= ~(unsigned)INTEREST_TRACKING;
    empty(tracking, table);
}

/* Frees a part of what was put aside. */
static void reclaim(struct tracking *tracking, size_t count)
{
    lock_take(&tracking->lock);
    struct list *link = tracking->garbage.next;
    list_remove(link);
    lock_give(&tracking->lock);
    if (link == &tracking->garbage)
        return;
    struct garbage *garbage = CONTAINER_OF(link, struct garbage, link);
    if (ht_drain(&garbage->keys, count, free_key, NULL)) {
        mem_free(garbage);
        subtract(&tracking->garbage_count, 1);
        return;
    }
    lock_take(&tracking->lock);
    list_append(&tracking->garbage, link);
    lock_give(&tracking->lock);
}

void tracking_tables_free(struct larder *engine)
{
    struct tracking *tracking = &engine->tracking;
    while (get(&tracking->garbage_count) > 0)
        reclaim(tracking, SIZE_MAX);
    for (size_t i = 0; i < engine->keyspace.shard_count; i++) {
        ht_clear(&tracking->tables[i].keys, free_key, NULL);
        ht_free(&tracking->tables[i].keys);
    }
    mem_free(tracking->tables);
}

/* ---- Checking ---- */

static void check_key(void *context, void *item)
{
    struct tracking_table *sums = context;
    const struct tracked_key *key = item;
    struct tracker *const *readers = readers_of(key);
    uint32_t count = 0;
    for (uint32_t i = 0; i < key->capacity; i++) {
        count += readers[i] != NULL;
        assert(readers[i] == NULL || has_reader(key, readers[i]));
    }
    assert(count == key->count && count > 0 && (key->capacity == 1 || count <= key->capacity / 4 * 3));
    sums->items += count;
    sums->bytes += key_bytes(key);
}

void tracking_check(struct larder *engine)
{
    struct tracking *tracking = &engine->tracking;
    size_t keys = 0;
    struct tracking_table all = {.items = 0};
    for (size_t i = 0; i < engine->keyspace.shard_count; i++) {
        const struct shard *shard = &engine->keyspace.shards[i];
        const struct tracking_table *table = table_of(engine, shard);
        struct tracking_table sums = {.items = 0};
        uint64_t cursor = 0;
        do {
            cursor = ht_scan(&table->keys, cursor, check_key, &sums);
        } while (cursor != 0);
        ht_check(&table->keys, hash_of, NULL);
        assert(sums.items == table->items && sums.bytes == table->bytes);
        assert(((shard->interest & INTEREST_TRACKING) != 0) == (table->keys.used > 0));
        keys += table->keys.used;
        all.items += sums.items;
        all.bytes += sums.bytes;
    }
    assert(keys == get(&tracking->keys) && all.items == get(&tracking->items) && all.bytes == get(&tracking->bytes));
    (void)keys;
    lock_take(&tracking->lock);
    stems_check(&tracking->stems);
    assert(tracking->stems.count == get(&tracking->prefixes));
    lock_give(&tracking->lock);
}

/* ---- Upkeep ---- */

/* A step of a sweep. */
struct sweep {
    struct tracking *tracking;
    struct tracking_table *table;
    struct tracked_key *empty; /* keys that lost their last reader, to be taken out when the table may change */
    size_t keys;
    size_t slots;
};

static void sweep_key(void *context, void *item)
{
    struct sweep *sweep = context;
    struct tracked_key *key = item;
    sweep->keys++;
    sweep->slots += key->capacity;
    uint32_t count = key->count;
    size_t size = key_bytes(key);
    if (count_open(key) == count || !resettle(key, false))
        return;
    count_items(sweep->tracking, sweep->table, key->count, count);
    count_bytes(sweep->tracking, sweep->table, key_bytes(key), size);
    if (key->count > 0)
        return;
    assert(key->capacity == 1);
    key->next = sweep->empty;
    sweep->empty = key;
}

static void remove_empty(struct larder *engine, struct shard *shard, struct tracked_key *key)
{
    while (key != NULL) {
        struct tracked_key *next = key->next;
        struct ht_probe probe = ht_probe(&table_of(engine, shard)->keys, key->hash);
        while (ht_probe_next(&probe) != key)
            continue;
        key->one = NULL;
        take_out(engine, shard, &probe, key);
        free_key(NULL, key);
        key = next;
    }
}

/* Goes on looking for readers whose sessions have closed. */
static void sweep_some(struct larder *engine, struct shard *shard)
{
    struct tracking *tracking = &engine->tracking;
    struct tracking_table *table = table_of(engine, shard);
    struct sweep sweep = {.tracking = tracking, .table = table};
    if (table->sweep_cursor == 0)
        table->sweep_goal = atomic_load_explicit(&tracking->closings, memory_order_acquire);
    do {
        table->sweep_cursor = ht_scan(&table->keys, table->sweep_cursor, sweep_key, &sweep);
    } while (table->sweep_cursor != 0 && sweep.keys < UPKEEP_KEYS && sweep.slots < UPKEEP_SLOTS);
    if (table->sweep_cursor == 0)
        atomic_store_explicit(&table->swept, table->sweep_goal, memory_order_relaxed);
    remove_empty(engine, shard, sweep.empty);
}

static bool needs_sweep(const struct tracking *tracking, size_t shard)
{
    return atomic_load_explicit(&tracking->tables[shard].swept, memory_order_relaxed) !=
           atomic_load_explicit(&tracking->closings, memory_order_relaxed);
}

static void look_after(struct larder *engine, struct shard *shard)
{
    const struct tracking_table *table = table_of(engine, shard);
    for (size_t i = 0; i < UPKEEP_KEYS && table->keys.used > 0 && is_over_limit(&engine->tracking); i++)
        drop_any(engine, shard);
    if (needs_sweep(&engine->tracking, ks_shard_number(&engine->keyspace, shard)))
        sweep_some(engine, shard);
}

void tracking_upkeep(struct larder *engine, size_t first_shard, size_t shard_count)
{
    struct tracking *tracking = &engine->tracking;
    struct keyspace *ks = &engine->keyspace;
    if (get(&tracking->garbage_count) > 0)
        reclaim(tracking, UPKEEP_GARBAGE);
    if (get(&tracking->keys) == 0)
        return;
    for (size_t i = first_shard; i < first_shard + shard_count; i++) {
        if (!is_over_limit(tracking) && !needs_sweep(tracking, i))
            continue;
        ks_lock(ks, &ks->shards[i]);
        look_after(engine, &ks->shards[i]);
        ks_unlock(ks, &ks->shards[i]);
    }
}

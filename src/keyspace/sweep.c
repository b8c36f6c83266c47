/* Work over many keys: deadlines that have come, swapping, scanning, sampling, counting. Each
   function takes the locks that keyspace.h says, one shard at a time, and none holds a lock for long: what is large is
   done in portions. */
#include "base/mem.h"
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

struct expiring {
    struct keyspace *ks;
    struct shard *shard;
    struct db *db;
    bool has_begun; /* something has expired */
};

/* Deletes an entry that is past its deadline; its node may be out of the wheel already. */
static void expire_entry(const struct expiring *expiring, struct entry *entry)
{
    struct ks_key key = {
        .ks = expiring->ks,
        .shard = expiring->shard,
        .db = expiring->db,
        .name = entry_key(entry),
        .hash = ks_hash(expiring->ks, entry_key(entry)),
        .entry = entry,
    };
    key.probe = ht_probe(&key.db->keys, key.hash);
    while (ht_probe_next(&key.probe) != entry)
        continue;
    ks_remove(&key, KS_EXPIRED);
}

static void expire_node(void *context, struct wheel_node *node)
{
    struct expiring *expiring = context;
    if (!expiring->has_begun)
        mem_begin_freeing(); /* keys that die together may have pages to themselves: many megabytes of them at last */
    expiring->has_begun = true;
    expire_entry(expiring, entry_of_deadline_node(node));
}

size_t ks_expire(struct keyspace *ks, struct shard *shard, int64_t now_ms, size_t budget)
{
    assert(ks_is_locked(shard));
    struct expiring expiring = {.ks = ks, .shard = shard};
    for (size_t i = 0; i < ks->db_count && budget > 0; i++) {
        struct db *db = &shard->dbs[i];
        if (db->with_deadline == 0)
            continue;
        expiring.db = db;
        budget = wheel_advance(db->deadlines, now_ms, budget, expire_node, &expiring);
    }
    if (expiring.has_begun)
        mem_end_freeing();
    return budget;
}

void ks_swap(struct keyspace *ks, struct shard *shard, size_t a, size_t b)
{
    assert(ks_is_locked(shard));
    struct db *x = &shard->dbs[a];
    struct db *y = &shard->dbs[b];
    ht_swap(&x->keys, &y->keys);
    /* all that stands behind the table */
    char saved[sizeof(*x) - offsetof(struct db, deadlines)];
    memcpy(saved, &x->deadlines, sizeof(saved));
    memcpy(&x->deadlines, &y->deadlines, sizeof(saved));
    memcpy(&y->deadlines, saved, sizeof(saved));
    ks_meter(ks, shard, x);
    ks_meter(ks, shard, y);
}

struct counted_visit {
    ht_visit_fn *visit;
    void *context;
    size_t entries;
};

static void visit_counted(void *context, void *item)
{
    struct counted_visit *counted = context;
    counted->entries++;
    counted->visit(counted->context, item);
}

/* The public cursor: the table's own, with the shard's number in its low bits. */
uint64_t ks_scan(struct keyspace *ks, size_t db, uint64_t cursor, struct ks_scan_budget *budget, ht_visit_fn *visit,
                 void *context)
{
    size_t number = cursor & (ks->shard_count - 1);
    struct shard *shard = &ks->shards[number];
    struct counted_visit counted = {.visit = visit, .context = context};
    uint64_t next = cursor >> ks->shard_bits;
    bool was_taken = ks_enter(ks, shard);
    const struct ht *keys = &shard->dbs[db].keys;
    do {
        if (keys->used > 0) {
            next = ht_scan(keys, next, visit_counted, &counted);
            budget->buckets--;
        } else {
            next = 0;
        }
    } while (next != 0 && counted.entries < budget->entries && budget->buckets > 0);
    ks_leave(ks, shard, was_taken);
    budget->entries -= counted.entries < budget->entries ? counted.entries : budget->entries;
    if (next != 0)
        return next << ks->shard_bits | number;
    return number + 1 < ks->shard_count ? number + 1 : 0;
}

void ks_visit_shard(struct keyspace *ks, struct shard *shard, size_t db, ht_visit_fn *visit, void *context)
{
    bool was_taken = ks_enter(ks, shard);
    uint64_t cursor = 0;
    do {
        cursor = ht_scan(&shard->dbs[db].keys, cursor, visit, context);
    } while (cursor != 0);
    ks_leave(ks, shard, was_taken);
}

static uint64_t next_random(void *context)
{
    return random_next(context);
}

static size_t count_keys(struct keyspace *ks, size_t number, size_t db)
{
    struct shard *shard = &ks->shards[number];
    bool was_taken = ks_enter(ks, shard);
    size_t used = shard->dbs[db].keys.used;
    ks_leave(ks, shard, was_taken);
    return used;
}

/* The shard that holds the place-th key of a database, counting through the shards in order; the last one where keys
   have gone meanwhile. */
static size_t shard_of_place(struct keyspace *ks, size_t db, uint64_t place)
{
    for (size_t i = 0; i < ks->shard_count; i++) {
        size_t used = count_keys(ks, i, db);
        if (place < used)
            return i;
        place -= used;
    }
    return ks->shard_count - 1;
}

bool ks_random(struct keyspace *ks, size_t db, struct random *random, int64_t now_ms, ht_visit_fn *visit, void *context)
{
    for (;;) {
        size_t keys = 0;
        for (size_t i = 0; i < ks->shard_count; i++)
            keys += count_keys(ks, i, db);
        if (keys == 0)
            return false;
        struct shard *shard = &ks->shards[shard_of_place(ks, db, random_below(random, keys))];
        bool was_taken = ks_enter(ks, shard);
        struct entry *entry = ht_random(&shard->dbs[db].keys, next_random, random);
        bool is_live = entry != NULL && entry_deadline_ms(entry) > now_ms;
        if (is_live)
            visit(context, entry);
        else if (entry != NULL)
            expire_entry(&(struct expiring){.ks = ks, .shard = shard, .db = &shard->dbs[db]}, entry);
        ks_leave(ks, shard, was_taken);
        if (is_live)
            return true;
    }
}

static void measure_db(const struct db *db, struct ks_figures *figures)
{
    figures->keys += db->keys.used;
    figures->with_deadline += db->with_deadline;
    figures->locked_items += db->locked_items;
    figures->buckets += atomic_load_explicit(&db->keys.bucket_count, memory_order_relaxed);
    figures->entry_bytes += db->entry_bytes;
    figures->compressed += db->compressed;
    figures->compression_saved += db->compression_saved;
    figures->table_bytes += db_bytes(db) - db->entry_bytes - prefix_bytes(db);
    figures->prefix_bytes += prefix_bytes(db);
    figures->deadline_sum_ms += db->deadline_sum_ms;
}

/* Where a bound is kept, the shards are looked at in one moment: one after the other could show more keys, or memory,
   than there ever were at once. */
static bool must_freeze(struct keyspace *ks, int db)
{
    bool is_limited =
        is_bounded(ks) || (db == KS_ALL_DBS && atomic_load_explicit(&ks->is_metered, memory_order_relaxed));
    return is_limited && !ks_is_locked(&ks->shards[0]);
}

struct ks_figures ks_measure(struct keyspace *ks, int db)
{
    struct ks_figures figures = {0};
    bool is_frozen = must_freeze(ks, db);
    if (is_frozen)
        ks_lock_all(ks);
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        bool was_taken = ks_enter(ks, shard);
        for (size_t j = 0; j < ks->db_count; j++)
            if (db == KS_ALL_DBS || (size_t)db == j)
                measure_db(&shard->dbs[j], &figures);
        figures.eviction_bytes += evictor_bytes(shard->evictor);
        figures.expired += shard->expired;
        ks_leave(ks, shard, was_taken);
    }
    if (is_frozen)
        ks_unlock_all(ks);
    return figures;
}

void ks_measure_sizes(struct keyspace *ks, size_t db, struct ks_sizes *sizes)
{
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        bool was_taken = ks_enter(ks, shard);
        const struct ks_sizes *part = shard->dbs[db].sizes;
        for (size_t type = 0; part != NULL && type < VALUE_TYPES; type++)
            for (size_t class = 0; class < SIZE_CLASSES; class ++)
                sizes->counts[type][class] += part->counts[type][class];
        ks_leave(ks, shard, was_taken);
    }
}

void ks_reset_counters(struct keyspace *ks)
{
    for (size_t i = 0; i < ks->shard_count; i++) {
        bool was_taken = ks_enter(ks, &ks->shards[i]);
        struct evictor *evictor = ks->shards[i].evictor;
        ks->shards[i].expired = 0;
        memset(evictor->evicted, 0, sizeof(evictor->evicted));
        memset(evictor->s3.ghost_hits, 0, sizeof(evictor->s3.ghost_hits));
        ks_leave(ks, &ks->shards[i], was_taken);
    }
}

/* What is found in one database of a shard. */
struct check {
    size_t keys;
    size_t locked_items;
    size_t with_deadline;
    size_t entry_bytes;
    size_t compressed;
    size_t compression_saved;
    size_t ranked;
    size_t queued;
    struct ks_sizes sizes;
    __int128 deadline_sum_ms;
};

static void check_entry(void *context, void *item)
{
    struct check *check = context;
    struct entry *entry = item;
    check->keys++;
    check->locked_items += entry_item(entry) != NULL && entry_item(entry)->lock_s != 0;
    check->entry_bytes += entry_bytes(entry);
    sizes_count(&check->sizes, entry, 1);
    if (entry->flags & ENTRY_HAS_DEADLINE) {
        check->with_deadline++;
        check->deadline_sum_ms += entry_deadline_ms(entry);
        assert(!list_is_empty(&entry_deadline_node(entry)->link));
    }
    if (entry->flags & ENTRY_HAS_RANK) {
        check->ranked++;
        assert(entry_of_rank(entry_rank(entry)) == entry);
        assert(!list_is_empty(&entry_rank(entry)->link));
    }
    check->queued += (entry->flags & ENTRY_IS_QUEUED) != 0;
    if (entry_is_compressed(entry)) {
        check->compressed++;
        check->compression_saved += entry_string_len(entry) - entry_stored(entry).len;
        assert(entry->type == TYPE_STRING && entry_string_len(entry) > entry_stored(entry).len);
    }
}

static void check_db(struct keyspace *ks, struct shard *shard, struct db *db)
{
    struct check check = {0};
    ks_visit_shard(ks, shard, (size_t)(db - shard->dbs), check_entry, &check);
    ht_check(&db->keys, ks_hash_entry, ks);
    assert(check.keys == db->keys.used);
    assert(check.locked_items == db->locked_items);
    assert(check.with_deadline == db->with_deadline);
    assert(check.entry_bytes == db->entry_bytes);
    assert(check.compressed == db->compressed && check.compression_saved == db->compression_saved);
    assert(db->sizes == NULL || memcmp(&check.sizes, db->sizes, sizeof(check.sizes)) == 0);
    assert(check.deadline_sum_ms == db->deadline_sum_ms);
    assert(check.ranked == db->ranked);
    assert(check.queued == db->queued[S3_SMALL] + db->queued[S3_MAIN]);
    prefix_check(db);
    assert(!meter_is_right(ks, shard) || db->metered_bytes == db_bytes(db));
    (void)check;
}

void ks_check(struct keyspace *ks)
{
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        bool was_taken = ks_enter(ks, shard);
        for (size_t j = 0; j < ks->db_count; j++)
            check_db(ks, shard, &shard->dbs[j]);
        s3_check(ks, shard);
        rank_check(ks, shard);
        ks_leave(ks, shard, was_taken);
    }
}

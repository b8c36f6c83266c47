/* Giving memory back without stalling anybody. What is too large to be freed at once is put aside, out of reach of
   commands: flushed databases with all their entries, and large values. ks_reclaim takes them apart in portions. The
   list of what was put aside has its own lock, held for a pointer or two. */
#include "base/mem.h"
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

enum {
    LARGE_VALUE =
        1024 * 1024,      /* bytes from which freeing a value at once would be felt: its pages go back one by one */
    PAGE_ESTIMATE = 4096, /* bytes that count as one entry of ks_reclaim's portion */
    DRAINED_AT_ONCE = 8,  /* entries */
};

enum garbage_kind { GARBAGE_DATABASE, GARBAGE_VALUE, GARBAGE_PREFIXES };

struct garbage {
    struct list link;
    enum garbage_kind kind;
    size_t bytes; /* not given back yet, as counted in keyspace.garbage_bytes */
};

/* A flushed database. Its entries are still linked into its wheel and its ranks, which nobody walks any more. */
struct garbage_database {
    struct garbage garbage;
    struct ht keys;
    struct wheel *deadlines;
    struct list *ranks;
};

/* A large value: this stands in its own memory, at the beginning of the blob's data. */
struct garbage_value {
    struct garbage garbage;
    struct blob *blob;
    size_t left; /* bytes of data, from its beginning, whose pages have not been given back yet */
};

/* The nodes of a prefix index. */
struct garbage_prefixes {
    struct garbage garbage;
    struct art_garbage nodes;
};

static void put_aside(struct keyspace *ks, struct garbage *garbage, enum garbage_kind kind, size_t bytes)
{
    garbage->kind = kind;
    garbage->bytes = bytes;
    atomic_fetch_add_explicit(&ks->garbage_bytes, bytes, memory_order_relaxed);
    lock_take(&ks->garbage_lock);
    list_append(&ks->garbage, &garbage->link);
    lock_give(&ks->garbage_lock);
}

void ks_release(struct keyspace *ks, struct entry *entry)
{
    struct blob *blob = entry->flags & ENTRY_IS_BOXED ? entry_stored_blob(entry) : NULL;
    if (likely(blob == NULL) || blob->capacity < LARGE_VALUE || !blob_is_sole(blob)) {
        entry_free(entry);
        return;
    }
    struct garbage_value *value = (struct garbage_value *)(void *)blob->data;
    *value = (struct garbage_value){.blob = blob, .left = blob->capacity};
    put_aside(ks, &value->garbage, GARBAGE_VALUE, mem_size(blob));
    mem_free(entry);
}

void garbage_add_prefixes(struct keyspace *ks, struct art_garbage nodes)
{
    if (nodes.nodes == NULL)
        return;
    struct garbage_prefixes *prefixes = mem_alloc(sizeof(*prefixes));
    if (prefixes == NULL) {
        while (!art_reclaim(&nodes, SIZE_MAX))
            continue;
        return;
    }
    prefixes->nodes = nodes;
    put_aside(ks, &prefixes->garbage, GARBAGE_PREFIXES, nodes.bytes);
}

static void release_item(void *context, void *item)
{
    ks_release(context, item);
}

/* The database is empty now. */
static void reset_counters(struct keyspace *ks, struct shard *shard, struct db *db, size_t keys)
{
    s3_leave_all(shard, db);
    db->deadlines = NULL;
    db->ranks = NULL;
    db->ranked = 0;
    db->with_deadline = 0;
    db->deadline_sum_ms = 0;
    db->entry_bytes = 0;
    db->compressed = 0;
    db->compression_saved = 0;
    *db->sizes = (struct ks_sizes){0};
    atomic_fetch_sub_explicit(&ks->locked_items, db->locked_items, memory_order_relaxed);
    db->locked_items = 0;
    if (is_bounded(ks))
        rank_count_out(ks, shard, keys);
    ks_meter(ks, shard, db);
}

void ks_flush(struct keyspace *ks, struct shard *shard, size_t db_index)
{
    assert(ks_is_locked(shard));
    struct db *db = &shard->dbs[db_index];
    size_t count = db->keys.used;
    if (count == 0)
        return;
    garbage_add_prefixes(ks, prefix_flush(db));
    struct garbage_database *flushed = mem_alloc_zeroed(sizeof(*flushed));
    struct ht keys = {.used = 0};
    size_t bytes = db->entry_bytes + mem_size(db->deadlines) + mem_size(db->ranks);
    if (flushed == NULL || !ht_detach(&db->keys, &keys)) {
        /* no memory even to put it aside: free it here and now */
        mem_free(flushed);
        ht_clear(&db->keys, release_item, ks);
        mem_free(db->deadlines);
        mem_free(db->ranks);
    } else {
        flushed->keys = keys;
        flushed->deadlines = db->deadlines;
        flushed->ranks = db->ranks;
        put_aside(ks, &flushed->garbage, GARBAGE_DATABASE, bytes + keys.bytes);
    }
    reset_counters(ks, shard, db, count);
}

/* What was freed of a flushed database so far. */
struct reclaiming {
    struct keyspace *ks;
    size_t bytes;
};

static void reclaim_entry(void *context, void *item)
{
    struct reclaiming *reclaiming = context;
    reclaiming->bytes += entry_bytes(item);
    ks_release(reclaiming->ks, item);
}

/* Frees up to `count` entries, or pages, about; true when none are left. */
static bool reclaim_database(struct keyspace *ks, struct garbage_database *flushed, size_t count, size_t *freed)
{
    struct reclaiming reclaiming = {.ks = ks};
    size_t table_bytes = flushed->keys.bytes;
    bool is_empty = false;
    for (size_t done = 0; !is_empty && done < count && reclaiming.bytes / PAGE_ESTIMATE < count;
         done += DRAINED_AT_ONCE)
        is_empty = ht_drain(&flushed->keys, DRAINED_AT_ONCE, reclaim_entry, &reclaiming);
    *freed = is_empty ? flushed->garbage.bytes : reclaiming.bytes + (table_bytes - flushed->keys.bytes);
    if (!is_empty)
        return false;
    mem_free(flushed->deadlines);
    mem_free(flushed->ranks);
    mem_free(flushed);
    return true;
}

/* Gives up to `count` pages back, from the end; true when the rest is small enough to be freed at once, and has been.
 */
static bool reclaim_value(struct garbage_value *value, size_t count, size_t *freed)
{
    size_t step = count < value->left / PAGE_ESTIMATE ? count * PAGE_ESTIMATE : value->left;
    if (value->left - step >= LARGE_VALUE) {
        value->left -= step;
        mem_discard(value->blob->data + value->left, step);
        *freed = step;
        return false;
    }
    *freed = value->garbage.bytes;
    blob_drop(value->blob);
    return true;
}

/* Frees up to `count` nodes; true when none are left. */
static bool reclaim_prefixes(struct garbage_prefixes *prefixes, size_t count, size_t *freed)
{
    size_t before = prefixes->nodes.bytes;
    bool is_gone = art_reclaim(&prefixes->nodes, count);
    *freed = before - prefixes->nodes.bytes;
    if (is_gone)
        mem_free(prefixes);
    return is_gone;
}

/* Frees a part of what was put aside; true when nothing of it is left. */
static bool reclaim(struct keyspace *ks, struct garbage *garbage, size_t count, size_t *freed)
{
    switch (garbage->kind) {
    case GARBAGE_DATABASE:
        return reclaim_database(ks, CONTAINER_OF(garbage, struct garbage_database, garbage), count, freed);
    case GARBAGE_VALUE:
        return reclaim_value(CONTAINER_OF(garbage, struct garbage_value, garbage), count, freed);
    default:
        return reclaim_prefixes(CONTAINER_OF(garbage, struct garbage_prefixes, garbage), count, freed);
    }
}

bool ks_reclaim(struct keyspace *ks, size_t count)
{
    lock_take(&ks->garbage_lock);
    bool is_empty = list_is_empty(&ks->garbage);
    struct garbage *garbage = CONTAINER_OF(ks->garbage.next, struct garbage, link);
    if (!is_empty)
        list_remove(&garbage->link);
    lock_give(&ks->garbage_lock);
    if (is_empty)
        return true;

    size_t freed = 0;
    mem_begin_freeing();
    bool is_gone = reclaim(ks, garbage, count, &freed);
    mem_end_freeing();
    atomic_fetch_sub_explicit(&ks->garbage_bytes, freed, memory_order_relaxed);
    if (!is_gone) {
        garbage->bytes -= freed;
        lock_take(&ks->garbage_lock);
        list_append(&ks->garbage, &garbage->link);
        lock_give(&ks->garbage_lock);
    }
    return false;
}

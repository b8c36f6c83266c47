/* The prefix index; see prefix.h. Invariant, for a database within a shard: a complete index holds exactly the entries
   of the table; one that is being built holds those that came or moved since its building began, and those that the
   building's walk over the table has passed. As the walk visits every entry that stays in the table throughout
   (ht_scan), nothing is missing at its end. */
#include "keyspace/prefix.h"

#include "base/mem.h"
#include "keyspace/internal.h"

#include <stdlib.h>

struct prefix_index {
    struct art keys;
    uint64_t cursor; /* of the building's walk, while it is not complete */
    bool is_complete;
};

static bytes key_of(const void *item)
{
    return entry_key(item);
}

void ks_want_prefixes(struct keyspace *ks, bool is_wanted)
{
    unsigned version = atomic_load_explicit(&ks->prefix_version, memory_order_relaxed);
    while ((version & 1) != is_wanted &&
           !atomic_compare_exchange_weak_explicit(&ks->prefix_version, &version, version + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
}

bool ks_has_prefixes(const struct db *db)
{
    return db->prefixes != NULL && db->prefixes->is_complete;
}

size_t prefix_bytes(const struct db *db)
{
    return db->prefixes != NULL ? mem_size(db->prefixes) + db->prefixes->keys.bytes : 0;
}

/* An index for a database; if that has no keys it is complete at once. */
static bool start(struct db *db)
{
    struct prefix_index *index = mem_alloc_zeroed(sizeof(*index));
    if (index == NULL)
        return false;
    art_init(&index->keys, key_of);
    index->is_complete = db->keys.used == 0;
    db->prefixes = index;
    return true;
}

/* ---- Following changes ---- */

bool prefix_insert(struct db *db, struct entry *entry)
{
    return db->prefixes == NULL || art_insert(&db->prefixes->keys, entry);
}

/* While the index is built, an entry may not be in it yet. */
static bool is_in(const struct prefix_index *index, const struct entry *entry)
{
    return index->is_complete || art_find(&index->keys, entry_key(entry)) == entry;
}

void prefix_replace(struct db *db, const struct entry *old, struct entry *entry)
{
    if (db->prefixes != NULL && is_in(db->prefixes, old))
        art_replace(&db->prefixes->keys, old, entry);
}

void prefix_remove(struct db *db, struct entry *entry)
{
    if (db->prefixes != NULL && is_in(db->prefixes, entry))
        art_remove(&db->prefixes->keys, entry);
}

struct art_garbage prefix_flush(struct db *db)
{
    struct art_garbage garbage = {0};
    if (db->prefixes != NULL)
        art_discard(&db->prefixes->keys, &garbage);
    return garbage;
}

void prefix_free(struct db *db)
{
    struct art_garbage garbage = prefix_flush(db);
    while (!art_reclaim(&garbage, SIZE_MAX))
        continue;
    mem_free(db->prefixes);
    db->prefixes = NULL;
}

/* ---- Building and dropping ---- */

struct building {
    struct art *keys;
    size_t visited;
    bool has_failed;
};

static void index_entry(void *context, void *item)
{
    struct building *building = context;
    building->visited++;
    if (!building->has_failed && art_find(building->keys, entry_key(item)) == NULL)
        building->has_failed = !art_insert(building->keys, item);
}

/* Goes on with the walk over a database's table. Without memory the bucket at hand is tried again with the next step.
 */
static enum ks_status build(struct db *db, size_t *budget)
{
    if (db->prefixes == NULL && !start(db))
        return KS_NO_MEMORY;
    struct prefix_index *index = db->prefixes;
    while (!index->is_complete && *budget > 0) {
        struct building building = {.keys = &index->keys};
        uint64_t next = ht_scan(&db->keys, index->cursor, index_entry, &building);
        if (building.has_failed)
            return KS_NO_MEMORY;
        index->cursor = next;
        index->is_complete = next == 0;
        *budget -= building.visited + 1 < *budget ? building.visited + 1 : *budget;
    }
    return KS_OK;
}

static void drop(struct keyspace *ks, struct db *db)
{
    struct prefix_index *index = db->prefixes;
    if (index == NULL)
        return;
    garbage_add_prefixes(ks, prefix_flush(db));
    db->prefixes = NULL;
    mem_free(index);
}

enum ks_status ks_build_prefixes(struct keyspace *ks, struct shard *shard, size_t budget)
{
    assert(ks_is_locked(shard));
    unsigned version = atomic_load_explicit(&ks->prefix_version, memory_order_relaxed);
    bool is_done = true;
    for (size_t i = 0; i < ks->db_count; i++) {
        struct db *db = &shard->dbs[i];
        if (!(version & 1))
            drop(ks, db);
        else if (build(db, &budget) != KS_OK)
            return KS_NO_MEMORY;
        else
            is_done &= db->prefixes->is_complete;
        ks_meter(ks, shard, db);
    }
    if (is_done)
        atomic_store_explicit(&shard->prefix_version, version, memory_order_relaxed);
    return KS_OK;
}

/* ---- Looking ---- */

static bool begins_with(bytes key, bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.at, prefix.at, prefix.len) == 0);
}

static int compare_bytes(bytes a, bytes b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least > 0 ? memcmp(a.at, b.at, least) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_entries(const void *a, const void *b)
{
    return compare_bytes(entry_key(*(struct entry *const *)a), entry_key(*(struct entry *const *)b));
}

/* The matches of a table without an index. */
struct matches {
    bytes prefix;
    const bytes *after;
    int64_t now_ms;         /* entries past their deadline then are no matches */
    struct entry **entries; /* NULL: they are only counted */
    size_t count;
};

static void match(void *context, void *item)
{
    struct matches *matches = context;
    bytes key = entry_key(item);
    if (entry_deadline_ms(item) <= matches->now_ms || !begins_with(key, matches->prefix) ||
        (matches->after != NULL && compare_bytes(key, *matches->after) <= 0))
        return;
    if (matches->entries != NULL)
        matches->entries[matches->count] = item;
    matches->count++;
}

static void walk_table(const struct db *db, struct matches *matches)
{
    uint64_t cursor = 0;
    matches->count = 0;
    do {
        cursor = ht_scan(&db->keys, cursor, match, matches);
    } while (cursor != 0);
}

/* An entry that the wheel will hand out with its next tick. */
struct overdue {
    bytes prefix;
    int64_t now_ms;
    size_t count;
};

static void count_overdue(void *context, struct wheel_node *node)
{
    struct overdue *overdue = context;
    overdue->count +=
        node->deadline_ms <= overdue->now_ms && begins_with(entry_key(entry_of_deadline_node(node)), overdue->prefix);
}

size_t ks_count_prefix(const struct shard *shard, size_t db_number, bytes prefix, int64_t now_ms)
{
    assert(ks_is_locked(shard));
    const struct db *db = &shard->dbs[db_number];
    if (!ks_has_prefixes(db)) {
        struct matches matches = {.prefix = prefix, .now_ms = now_ms};
        walk_table(db, &matches);
        return matches.count;
    }
    struct overdue overdue = {.prefix = prefix, .now_ms = now_ms};
    if (db->with_deadline > 0)
        wheel_visit_present(db->deadlines, count_overdue, &overdue);
    return art_count(&db->prefixes->keys, prefix) - overdue.count;
}

static enum ks_status visit_sorted(const struct db *db, struct matches *matches,
                                   bool (*visit)(void *context, void *entry), void *context)
{
    walk_table(db, matches);
    if (matches->count == 0)
        return KS_OK;
    matches->entries = mem_alloc(matches->count * sizeof(struct entry *));
    if (matches->entries == NULL)
        return KS_NO_MEMORY;
    walk_table(db, matches);
    qsort(matches->entries, matches->count, sizeof(struct entry *), compare_entries);
    for (size_t i = 0; i < matches->count && visit(context, matches->entries[i]); i++)
        continue;
    mem_free(matches->entries);
    return KS_OK;
}

enum ks_status ks_visit_prefix(const struct shard *shard, size_t db_number, bytes prefix, const bytes *after,
                               bool (*visit)(void *context, void *entry), void *context)
{
    assert(ks_is_locked(shard));
    const struct db *db = &shard->dbs[db_number];
    if (ks_has_prefixes(db))
        return art_visit(&db->prefixes->keys, prefix, after, visit, context) ? KS_OK : KS_NO_MEMORY;
    struct matches matches = {.prefix = prefix, .after = after, .now_ms = INT64_MIN};
    return visit_sorted(db, &matches, visit, context);
}

void prefix_check(const struct db *db)
{
    if (db->prefixes == NULL)
        return;
    art_check(&db->prefixes->keys);
    assert(!db->prefixes->is_complete || db->prefixes->keys.items == db->keys.used);
}

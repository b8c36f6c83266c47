/* Ordered lists of keys; see listing.h. */
#include "commands/listing.h"

#include "base/mem.h"
#include "keyspace/prefix.h"

/* What stands in front of a record's key and value in a run. Strings are copied as they are stored, and expanded when
   they are sent, one after the other and under no lock. */
struct record {
    struct blob *blob; /* a reference, or NULL */
    uint32_t key_len;
    uint32_t value_len; /* bytes behind the key */
    size_t size;        /* of the entry, if that was asked for */
    bool is_number;
    bool is_compressed;
};

/* What a record counts for in most_bytes: no more than it takes in any protocol. */
static size_t payload(const struct record *record)
{
    size_t stored = record->blob != NULL ? blob_bytes(record->blob).len : record->value_len;
    return record->key_len + (record->is_number ? sizeof(int64_t) : stored);
}

static struct record read_record(const struct listing_run *run, size_t at)
{
    struct record record;
    memcpy(&record, run->at + at, sizeof(record));
    return record;
}

static bytes key_of_record(const struct listing_run *run, size_t at)
{
    return (bytes){run->at + at + sizeof(struct record), read_record(run, at).key_len};
}

static size_t size_of_record(const struct record *record)
{
    return sizeof(*record) + record->key_len + record->value_len;
}

/* ---- Collecting ---- */

/* How much a shard gives at a time. */
struct portion {
    size_t records;
    size_t bytes;
};

struct collecting {
    const struct listing_query *query;
    struct call *viewer; /* who must be asked for each key whether it may be seen; NULL: all may */
    struct listing *listing;
    struct listing_run *run;
    struct portion left; /* of the portion */
    int64_t now_ms;
    bool has_failed;
};

/* All, or of a page a bit more than the shard's share, as shares differ: going back to a shard is rare. */
static struct portion portion_of(const struct listing *listing, const struct listing_query *query)
{
    enum { margin_records = 4, margin_bytes = 64 * 1024 };
    size_t shards = listing->run_count;
    struct portion portion = {.records = query->limit, .bytes = query->most_bytes > 0 ? query->most_bytes : SIZE_MAX};
    if (query->limit == SIZE_MAX || shards == 1)
        return portion;
    size_t share = query->limit / shards;
    size_t records = share + share / 4 + margin_records;
    if (records < portion.records)
        portion.records = records;
    if (query->most_bytes > 0)
        portion.bytes = query->most_bytes / shards + margin_bytes;
    return portion;
}

static bool reserve(struct listing_run *run, size_t more)
{
    enum { first_capacity = 512 };
    size_t capacity = run->capacity > 0 ? run->capacity : first_capacity;
    while (capacity - run->len < more)
        capacity *= 2;
    if (capacity == run->capacity)
        return true;
    char *grown = mem_realloc(run->at, capacity);
    if (grown == NULL)
        return false;
    run->at = grown;
    run->capacity = capacity;
    return true;
}

static bool add(struct collecting *collecting, const struct entry *entry)
{
    struct listing_run *run = collecting->run;
    enum listing_kind kind = collecting->query->kind;
    bytes key = entry_key(entry);
    bytes value = kind == LISTING_VALUES ? entry_stored(entry) : (bytes){NULL, 0};
    bool is_shared = value.len >= REPLY_BLOB_MIN;
    struct record record = {
        .blob = is_shared ? entry_stored_blob(entry) : NULL,
        .key_len = (uint32_t)key.len,
        .value_len = is_shared ? 0 : (uint32_t)value.len,
        .size = kind == LISTING_SIZES ? ks_entry_memory(entry) : 0,
        .is_number = kind == LISTING_VALUES && entry_is_number(entry),
        .is_compressed = entry_is_compressed(entry),
    };
    if (!reserve(run, size_of_record(&record)))
        return false;
    if (is_shared)
        blob_keep(record.blob);
    run->last = run->len;
    char *at = run->at + run->len;
    memcpy(at, &record, sizeof(record));
    if (key.len > 0)
        memcpy(at + sizeof(record), key.at, key.len);
    if (record.value_len > 0)
        memcpy(at + sizeof(record) + key.len, value.at, record.value_len);
    run->len += size_of_record(&record);
    run->count++;
    size_t bytes = payload(&record);
    collecting->listing->bytes += bytes;
    collecting->left.records--;
    collecting->left.bytes -= bytes < collecting->left.bytes ? bytes : collecting->left.bytes;
    return true;
}

static bool collect_entry(void *context, void *item)
{
    struct collecting *collecting = context;
    const struct entry *entry = item;
    enum listing_kind kind = collecting->query->kind;
    if (entry_deadline_ms(entry) <= collecting->now_ms || (kind == LISTING_VALUES && entry->type != TYPE_STRING))
        return true;
    if (collecting->viewer != NULL && !acl_may_touch_key(collecting->viewer, entry_key(entry), 0))
        return true;
    collecting->has_failed = !add(collecting, entry);
    collecting->run->has_more = collecting->left.records == 0 || collecting->left.bytes == 0;
    return !collecting->has_failed && !collecting->run->has_more;
}

/* The keys of a run from this record on, whose shard is locked, were used. */
static void touch_all(struct call *call, const struct listing_run *run, size_t at)
{
    struct keyspace *ks = &call->engine->keyspace;
    while (at < run->len) {
        struct record record = read_record(run, at);
        bytes name = key_of_record(run, at);
        struct ks_key key = ks_find_unchanged(ks, call_db(call), name, ks_hash(ks, name), call->now_ms);
        ks_touch(&key, call->now_ms);
        at += size_of_record(&record);
    }
}

/* Adds a portion of the shard's keys, those behind `after` (if that is given), to its run. */
static bool collect_behind(struct call *call, struct listing *listing, size_t number, const struct listing_query *query,
                           const bytes *after)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct shard *shard = &ks->shards[number];
    struct listing_run *run = &listing->runs[number];
    size_t before = run->len;
    bool sees_all = !query->is_view || acl_may_touch_all_keys(call);
    struct collecting collecting = {.query = query,
                                    .viewer = sees_all ? NULL : call,
                                    .listing = listing,
                                    .run = run,
                                    .left = portion_of(listing, query),
                                    .now_ms = call->now_ms};
    run->has_more = false;
    bool was_taken = ks_enter(ks, shard);
    enum ks_status status = ks_visit_prefix(shard, call_db(call), query->prefix, after, collect_entry, &collecting);
    if (query->is_use && status == KS_OK && !collecting.has_failed)
        touch_all(call, run, before);
    ks_leave(ks, shard, was_taken);
    return status == KS_OK && !collecting.has_failed;
}

/* Goes on with a run: its memory moves as it grows, so the key to go on behind is copied. */
static bool collect_more(struct call *call, struct listing *listing, size_t number, const struct listing_query *query)
{
    const struct listing_run *run = &listing->runs[number];
    bytes last = key_of_record(run, run->last);
    char *copy = mem_alloc(last.len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, last.at, last.len);
    bytes after = {copy, last.len};
    bool is_done = collect_behind(call, listing, number, query, &after);
    mem_free(copy);
    return is_done;
}

/* ---- Merging ---- */

static bytes next_key(const struct listing *listing, size_t run_number)
{
    const struct listing_run *run = &listing->runs[run_number];
    return key_of_record(run, run->next);
}

static bool is_before(const struct listing *listing, size_t a, size_t b)
{
    bytes x = next_key(listing, a);
    bytes y = next_key(listing, b);
    size_t least = x.len < y.len ? x.len : y.len;
    int order = least > 0 ? memcmp(x.at, y.at, least) : 0;
    return order != 0 ? order < 0 : x.len < y.len;
}

/* Lets the run at this place of the heap sink to where it belongs. */
static void sink(struct listing *listing, size_t place)
{
    size_t *heap = listing->heap;
    for (;;) {
        size_t least = place;
        for (size_t child = 2 * place + 1; child <= 2 * place + 2 && child < listing->heap_count; child++)
            if (is_before(listing, heap[child], heap[least]))
                least = child;
        if (least == place)
            return;
        size_t run = heap[place];
        heap[place] = heap[least];
        heap[least] = run;
        place = least;
    }
}

static void begin_merge(struct listing *listing, size_t limit)
{
    size_t sum = 0;
    listing->heap_count = 0;
    for (size_t i = 0; i < listing->run_count; i++) {
        sum += listing->runs[i].count;
        listing->runs[i].next = 0;
        if (listing->runs[i].count > 0)
            listing->heap[listing->heap_count++] = i;
    }
    for (size_t i = listing->heap_count / 2; i-- > 0;)
        sink(listing, i);
    listing->left = sum < limit ? sum : limit;
}

/* Takes the least record, which is this one, out of the merge. */
static void step(struct listing *listing, const struct record *record)
{
    struct listing_run *run = &listing->runs[listing->heap[0]];
    run->next += size_of_record(record);
    if (run->next == run->len)
        listing->heap[0] = listing->heap[--listing->heap_count];
    sink(listing, 0);
}

/* Goes through the merge up to the limit, so that all runs reach as far as they must; the caller begins it anew. */
static bool complete(struct call *call, struct listing *listing, const struct listing_query *query)
{
    size_t bytes = 0;
    begin_merge(listing, query->limit);
    for (size_t found = 0; found < query->limit && listing->heap_count > 0; found++) {
        size_t number = listing->heap[0];
        struct listing_run *run = &listing->runs[number];
        bool ends = run->next == run->last && run->has_more && found + 1 < query->limit;
        if (ends && !collect_more(call, listing, number, query))
            return false;
        struct record record = read_record(run, run->next);
        bytes += payload(&record);
        listing->is_too_large = query->most_bytes > 0 && bytes > query->most_bytes;
        if (listing->is_too_large)
            return true;
        step(listing, &record);
    }
    return true;
}

/* Is what was collected more than is wanted, whatever else there is? */
static bool is_over(const struct listing *listing, const struct listing_query *query)
{
    return query->limit == SIZE_MAX && query->most_bytes > 0 && listing->bytes > query->most_bytes;
}

bool listing_collect(struct listing *listing, struct call *call, const struct listing_query *query)
{
    size_t shards = call->engine->keyspace.shard_count;
    *listing = (struct listing){.run_count = shards};
    listing->runs = mem_alloc_zeroed(shards * sizeof(*listing->runs));
    listing->heap = mem_alloc(shards * sizeof(*listing->heap));
    bool is_done = listing->runs != NULL && listing->heap != NULL;
    for (size_t i = 0; is_done && i < shards && query->limit > 0 && !listing->is_too_large; i++) {
        is_done = collect_behind(call, listing, i, query, query->after);
        listing->is_too_large = is_over(listing, query);
    }
    if (is_done && query->limit < SIZE_MAX)
        is_done = complete(call, listing, query);
    if (is_done && !listing->is_too_large) {
        begin_merge(listing, query->limit);
        return true;
    }
    bool is_too_large = listing->is_too_large;
    listing_free(listing);
    listing->is_too_large = is_too_large;
    return is_done;
}

bool listing_next(struct listing *listing, struct listed *listed)
{
    if (listing->left == 0)
        return false;
    const struct listing_run *run = &listing->runs[listing->heap[0]];
    struct record record = read_record(run, run->next);
    listed->key = key_of_record(run, run->next);
    listed->stored = (bytes){listed->key.at + record.key_len, record.value_len};
    if (record.blob != NULL)
        listed->stored = blob_bytes(record.blob);
    listed->blob = record.blob;
    listed->is_compressed = record.is_compressed;
    listed->size = record.size;
    listed->is_number = record.is_number;
    step(listing, &record);
    listing->left--;
    return true;
}

void listing_rewind(struct listing *listing, size_t limit)
{
    begin_merge(listing, limit);
}

static void free_run(struct listing_run *run)
{
    for (size_t at = 0; at < run->len;) {
        struct record record = read_record(run, at);
        if (record.blob != NULL)
            blob_drop(record.blob);
        at += size_of_record(&record);
    }
    mem_free(run->at);
}

void listing_free(struct listing *listing)
{
    for (size_t i = 0; listing->runs != NULL && i < listing->run_count; i++)
        free_run(&listing->runs[i]);
    mem_free(listing->runs);
    mem_free(listing->heap);
    *listing = (struct listing){0};
}

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

/* ---- Collecting ---- */

struct collecting {
    const struct listing_query *query;
    struct call *viewer; /* who must be asked for each key whether it may be seen; NULL: all may */
    struct listing_run *run;
    int64_t now_ms;
    bool has_failed;
};

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

static bool add(struct listing_run *run, const struct entry *entry, enum listing_kind kind)
{
    bytes key = entry_key(entry);
    bytes value = kind == LISTING_VALUES ? entry_stored(entry) : (bytes){NULL, 0};
    bool is_shared = value.len >= REPLY_BLOB_MIN;
    struct record record = {
        .blob = is_shared ? entry_stored_blob(entry) : NULL,
        .key_len = (uint32_t)key.len,
        .value_len = is_shared ? 0 : (uint32_t)value.len,
        .size = kind == LISTING_SIZES ? ks_entry_memory(entry) : 0,
        .is_number = entry_is_number(entry),
        .is_compressed = entry_is_compressed(entry),
    };
    if (!reserve(run, sizeof(record) + record.key_len + record.value_len))
        return false;
    if (is_shared)
        blob_keep(record.blob);
    memcpy(run->at + run->len, &record, sizeof(record));
    run->len += sizeof(record);
    if (key.len > 0)
        memcpy(run->at + run->len, key.at, key.len);
    run->len += key.len;
    if (record.value_len > 0)
        memcpy(run->at + run->len, value.at, record.value_len);
    run->len += record.value_len;
    run->count++;
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
    collecting->has_failed = !add(collecting->run, entry, kind);
    return !collecting->has_failed && collecting->run->count < collecting->query->limit;
}

/* The keys of a run, whose shard is locked, were used. */
static void touch_all(struct call *call, const struct listing_run *run)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct record record;
    for (size_t at = 0; at < run->len; at += sizeof(record) + record.key_len + record.value_len) {
        memcpy(&record, run->at + at, sizeof(record));
        bytes name = {run->at + at + sizeof(record), record.key_len};
        struct ks_key key = ks_find_unchanged(ks, call_db(call), name, ks_hash(ks, name), call->now_ms);
        ks_touch(&key, call->now_ms);
    }
}

static bool collect_shard(struct call *call, size_t number, const struct listing_query *query, struct listing_run *run)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct shard *shard = &ks->shards[number];
    bool sees_all = !query->is_view || acl_may_touch_all_keys(call);
    struct collecting collecting = {
        .query = query, .viewer = sees_all ? NULL : call, .run = run, .now_ms = call->now_ms};
    bool was_taken = ks_enter(ks, shard);
    enum ks_status status =
        ks_visit_prefix(shard, call_db(call), query->prefix, query->after, collect_entry, &collecting);
    if (query->is_use && status == KS_OK && !collecting.has_failed)
        touch_all(call, run);
    ks_leave(ks, shard, was_taken);
    return status == KS_OK && !collecting.has_failed;
}

/* ---- Merging ---- */

static struct record read_record(const struct listing_run *run, size_t at)
{
    struct record record;
    memcpy(&record, run->at + at, sizeof(record));
    return record;
}

static bytes next_key(const struct listing *listing, size_t run_number)
{
    const struct listing_run *run = &listing->runs[run_number];
    return (bytes){run->at + run->next + sizeof(struct record), read_record(run, run->next).key_len};
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
    for (size_t i = 0; i < listing->run_count; i++) {
        sum += listing->runs[i].count;
        if (listing->runs[i].count > 0)
            listing->heap[listing->heap_count++] = i;
    }
    for (size_t i = listing->heap_count / 2; i-- > 0;)
        sink(listing, i);
    listing->left = sum < limit ? sum : limit;
}

bool listing_collect(struct listing *listing, struct call *call, const struct listing_query *query)
{
    size_t shards = call->engine->keyspace.shard_count;
    *listing = (struct listing){.run_count = shards};
    listing->runs = mem_alloc_zeroed(shards * sizeof(*listing->runs));
    listing->heap = mem_alloc(shards * sizeof(*listing->heap));
    bool is_done = listing->runs != NULL && listing->heap != NULL;
    for (size_t i = 0; is_done && i < shards && query->limit > 0; i++)
        is_done = collect_shard(call, i, query, &listing->runs[i]);
    if (is_done)
        begin_merge(listing, query->limit);
    else
        listing_free(listing);
    return is_done;
}

bool listing_next(struct listing *listing, struct listed *listed)
{
    if (listing->left == 0)
        return false;
    struct listing_run *run = &listing->runs[listing->heap[0]];
    struct record record = read_record(run, run->next);
    const char *key = run->at + run->next + sizeof(record);
    listed->key = (bytes){key, record.key_len};
    listed->stored = (bytes){key + record.key_len, record.value_len};
    if (record.blob != NULL)
        listed->stored = blob_bytes(record.blob);
    listed->blob = record.blob;
    listed->is_compressed = record.is_compressed;
    listed->size = record.size;
    listed->is_number = record.is_number;
    run->next += sizeof(record) + record.key_len + record.value_len;
    if (run->next == run->len)
        listing->heap[0] = listing->heap[--listing->heap_count];
    sink(listing, 0);
    listing->left--;
    return true;
}

void listing_rewind(struct listing *listing, size_t limit)
{
    listing->heap_count = 0;
    for (size_t i = 0; i < listing->run_count; i++)
        listing->runs[i].next = 0;
    begin_merge(listing, limit);
}

static void free_run(struct listing_run *run)
{
    for (size_t at = 0; at < run->len;) {
        struct record record = read_record(run, at);
        if (record.blob != NULL)
            blob_drop(record.blob);
        at += sizeof(record) + record.key_len + record.value_len;
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

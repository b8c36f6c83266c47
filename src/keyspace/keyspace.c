/* Keys and their entries: looking up, storing, deadlines, deletion; see keyspace.h. Invariant: every entry is in
   exactly one table, the one of its key's shard and database; it is in that database's wheel exactly when it has a
   deadline; the database's counters are the sums over its entries. */
#include "keyspace/keyspace.h"

#include "base/mem.h"
#include "keyspace/evictor.h"
#include "keyspace/internal.h"
#include "keyspace/item.h"

enum ks_status ks_init(struct keyspace *ks, size_t shard_count, bool is_locking, size_t db_count)
{
    assert(shard_count > 0 && (shard_count & (shard_count - 1)) == 0 && (is_locking || shard_count == 1));
    memset(ks, 0, sizeof(*ks));
    random_secure(&ks->hash_key, sizeof(ks->hash_key));
    ks->shard_bits = (unsigned)__builtin_ctzll(shard_count);
    ks->is_locking = is_locking;
    ks->db_count = db_count;
    list_init(&ks->garbage);
    lock_init(&ks->garbage_lock);
    ks->shards = mem_alloc_aligned(shard_count * sizeof(struct shard), 64);
    if (ks->shards == NULL)
        return KS_NO_MEMORY;
    memset(ks->shards, 0, shard_count * sizeof(struct shard));
    for (; ks->shard_count < shard_count; ks->shard_count++) {
        struct shard *shard = &ks->shards[ks->shard_count];
        shard->dbs = mem_alloc_zeroed(db_count * sizeof(struct db));
        shard->evictor = mem_alloc_zeroed(sizeof(*shard->evictor));
        if (shard->dbs == NULL || shard->evictor == NULL) {
            mem_free(shard->dbs);
            mem_free(shard->evictor);
            ks_free(ks);
            return KS_NO_MEMORY;
        }
        s3_init(&shard->evictor->s3);
        lock_init(&shard->lock);
        uint64_t seed;
        random_secure(&seed, sizeof(seed));
        random_seed(&shard->random, seed);
    }
    return KS_OK;
}

static void free_entry(void *context, void *item)
{
    (void)context;
    entry_free(item);
}

void ks_free(struct keyspace *ks)
{
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        for (size_t db = 0; db < ks->db_count; db++) {
            ht_drain(&shard->dbs[db].keys, SIZE_MAX, free_entry, NULL);
            mem_free(shard->dbs[db].deadlines);
            mem_free(shard->dbs[db].sizes);
            prefix_free(&shard->dbs[db]);
            mem_free(shard->dbs[db].ranks);
        }
        mem_free(shard->dbs);
        s3_clear(&shard->evictor->s3, SIZE_MAX);
        ghosts_free(&shard->evictor->s3.ghosts);
        mem_free(shard->evictor);
        lock_free(&shard->lock);
    }
    mem_free(ks->shards);
    while (!ks_reclaim(ks, SIZE_MAX))
        continue;
    lock_free(&ks->garbage_lock);
}

void ks_lock_all(struct keyspace *ks)
{
    for (size_t i = 0; i < ks->shard_count; i++)
        ks_lock(ks, &ks->shards[i]);
}

void ks_unlock_all(struct keyspace *ks)
{
    for (size_t i = 0; i < ks->shard_count; i++)
        ks_unlock(ks, &ks->shards[i]);
}

uint64_t ks_hash_entry(const void *context, const void *item)
{
    return ks_hash(context, entry_key(item));
}

/* The key as it is in the table, past its deadline or not. */
static ALWAYS_INLINE struct ks_key find_any(struct keyspace *ks, size_t db, bytes name, uint64_t hash)
{
    struct shard *shard = &ks->shards[ks_shard_index(ks, hash)];
    assert(ks_is_locked(shard));
    struct ks_key key = {
        .ks = ks,
        .shard = shard,
        .db = &shard->dbs[db],
        .name = name,
        .hash = hash,
    };
    key.probe = ht_probe(&key.db->keys, hash);
    struct entry *entry;
    while ((entry = ht_probe_next(&key.probe)) != NULL) {
        __builtin_prefetch(&entry->data[64]); /* the value, while the key is compared */
        if (likely(bytes_equal(entry_key(entry), name)))
            break;
    }
    key.entry = entry;
    return key;
}

/* `inline` is for the linker, which puts it into the lookup that every request makes: a tenth of an embedded GET. */
inline struct ks_key ks_find(struct keyspace *ks, size_t db, bytes name, uint64_t hash, int64_t now_ms)
{
    struct ks_key key = find_any(ks, db, name, hash);
    if (key.entry != NULL && unlikely(entry_deadline_ms(key.entry) <= now_ms)) {
        ks_remove(&key, KS_EXPIRED);
    }
    return key;
}

struct ks_key ks_find_unchanged(struct keyspace *ks, size_t db, bytes name, uint64_t hash, int64_t now_ms)
{
    struct ks_key key = find_any(ks, db, name, hash);
    if (key.entry != NULL && entry_deadline_ms(key.entry) <= now_ms)
        key.entry = NULL;
    return key;
}

void count_locked(struct ks_key *key, size_t by)
{
    key->db->locked_items += by;
    atomic_fetch_add_explicit(&key->ks->locked_items, by, memory_order_relaxed);
}

static bool has_lock(const struct entry *entry)
{
    return unlikely(entry->flags & ENTRY_HAS_ITEM) && entry_item(entry)->lock_s != 0;
}

/* Counts an entry that comes into the database, or leaves it. */
static void count_in(struct ks_key *key, struct entry *entry)
{
    struct db *db = key->db;
    if (has_lock(entry))
        count_locked(key, 1);
    db->entry_bytes += entry_bytes(entry);
    sizes_count(db->sizes, entry, 1);
    if (entry_is_compressed(entry)) {
        db->compressed++;
        db->compression_saved += entry_string_len(entry) - entry_stored(entry).len;
    }
    if (entry->flags & ENTRY_HAS_DEADLINE) {
        db->with_deadline++;
        db->deadline_sum_ms += entry_deadline_ms(entry);
    }
}

static void count_out(struct ks_key *key, struct entry *entry)
{
    struct db *db = key->db;
    if (has_lock(entry))
        count_locked(key, (size_t)-1);
    db->entry_bytes -= entry_bytes(entry);
    sizes_count(db->sizes, entry, -1);
    if (entry_is_compressed(entry)) {
        db->compressed--;
        db->compression_saved -= entry_string_len(entry) - entry_stored(entry).len;
    }
    if (entry->flags & ENTRY_HAS_DEADLINE) {
        db->with_deadline--;
        db->deadline_sum_ms -= entry_deadline_ms(entry);
    }
}

/* A new entry takes its place in the order in which keys may be evicted. */
static void enter_order(struct ks_key *key, struct entry *entry, int64_t now_ms)
{
    key->shard->added++;
    access_start(&key->ks->access, entry, now_ms);
    if (unlikely(key->shard->evictor->s3.is_on))
        s3_admit(key->ks, key->shard, key->db, entry, key->hash);
    if (entry->flags & ENTRY_HAS_RANK)
        rank_enter(key->ks, key->shard, key->db, entry);
    if (is_bounded(key->ks))
        rank_count_in(key->ks, key->shard);
}

/* An entry takes the place of another of the same key. */
static void inherit_order(struct ks_key *key, struct entry *entry, struct entry *old)
{
    memcpy(entry->access, old->access, sizeof(entry->access));
    entry->flags |= old->flags & ENTRY_IS_QUEUED;
    if (unlikely((entry->flags | old->flags) & ENTRY_HAS_RANK))
        rank_inherit(key->ks, key->shard, key->db, entry, old);
}

static void leave_order(struct ks_key *key, struct entry *entry)
{
    if (entry->flags & ENTRY_HAS_RANK)
        rank_leave(key->db, entry);
    if (entry->flags & ENTRY_IS_QUEUED)
        s3_leave(key->shard, key->db, entry);
}

void ks_delete(struct ks_key *key)
{
    assert(ks_is_locked(key->shard));
    struct entry *entry = key->entry;
    count_out(key, entry);
    if (entry->flags & ENTRY_HAS_DEADLINE)
        wheel_remove(entry_deadline_node(entry));
    prefix_remove(key->db, entry);
    if (unlikely(entry->flags & (ENTRY_HAS_RANK | ENTRY_IS_QUEUED)))
        leave_order(key, entry);
    ht_remove(&key->db->keys, &key->probe, ks_hash_entry, key->ks);
    ks_release(key->ks, entry);
    key->entry = NULL;
    if (is_bounded(key->ks))
        rank_count_out(key->ks, key->shard, 1);
    ks_meter(key->ks, key->shard, key->db);
}

void ks_remove(struct ks_key *key, enum ks_removal why)
{
    const struct ks_observer *observer = &key->ks->observer;
    if (observer->removed != NULL)
        observer->removed(observer->context, key->shard, ks_db_number(key), key->entry, key->hash, why);
    if (why == KS_EXPIRED)
        key->shard->expired++;
    ks_delete(key);
}

/* A new wheel stands at time 0; its first advance brings it to the present in one step. */
static enum ks_status ensure_wheel(struct db *db)
{
    if (db->deadlines != NULL)
        return KS_OK;
    db->deadlines = mem_alloc(sizeof(*db->deadlines));
    if (db->deadlines == NULL)
        return KS_NO_MEMORY;
    wheel_init(db->deadlines, 0);
    return KS_OK;
}

static enum ks_status ensure_sizes(struct db *db)
{
    if (unlikely(db->sizes == NULL))
        db->sizes = mem_alloc_zeroed(sizeof(*db->sizes));
    return db->sizes != NULL ? KS_OK : KS_NO_MEMORY;
}

/* The table changed since the key was looked up: finds its entry again. */
static void find_again(struct ks_key *key)
{
    key->probe = ht_probe(&key->db->keys, key->hash);
    while (ht_probe_next(&key->probe) != key->entry)
        continue;
}

/* The flag of a new entry that is to have a rank. */
static unsigned rank_flag(const struct keyspace *ks)
{
    return is_bounded(ks) ? ENTRY_HAS_RANK : 0;
}

static void replace_entry(struct ks_key *key, struct entry *entry)
{
    struct entry *old = key->entry;
    count_out(key, old);
    if (old->flags & ENTRY_HAS_DEADLINE)
        wheel_remove(entry_deadline_node(old));
    prefix_replace(key->db, old, entry);
    inherit_order(key, entry, old);
    ht_replace(&key->probe, entry);
    ks_release(key->ks, old);
}

static enum ks_status add_entry(struct ks_key *key, struct entry *entry, int64_t now_ms)
{
    if (!prefix_insert(key->db, entry))
        return KS_NO_MEMORY;
    if (!ht_insert(&key->db->keys, key->hash, entry, ks_hash_entry, key->ks)) {
        prefix_remove(key->db, entry);
        return KS_NO_MEMORY;
    }
    key->entry = entry;
    find_again(key);
    enter_order(key, entry, now_ms);
    return KS_OK;
}

/* Puts a complete new entry in the place of the key's present one, which is freed and whose use is remembered, or adds
   it, used now. Its deadline, if the flag is set, is `deadline_ms` and its node not yet in the wheel. On failure the
   new entry stays the caller's. */
static enum ks_status install(struct ks_key *key, struct entry *entry, int64_t deadline_ms, int64_t now_ms)
{
    struct db *db = key->db;
    bool is_new = key->entry == NULL;
    enum ks_status status = ensure_sizes(db);
    if (status == KS_OK && (entry->flags & ENTRY_HAS_DEADLINE))
        status = ensure_wheel(db);
    if ((entry->flags & ENTRY_HAS_RANK) && !rank_prepare(db))
        status = KS_NO_MEMORY;
    if (status == KS_OK && is_new)
        status = add_entry(key, entry, now_ms);
    else if (status == KS_OK)
        replace_entry(key, entry);
    if (status == KS_OK) {
        if (entry->flags & ENTRY_HAS_DEADLINE)
            wheel_add(db->deadlines, entry_deadline_node(entry), deadline_ms);
        count_in(key, entry);
        key->entry = entry;
    }
    ks_meter(key->ks, key->shard, db);
    if (status == KS_OK && is_new && unlikely(atomic_load_explicit(&key->ks->tells_added, memory_order_relaxed)))
        key->ks->observer.added(key->ks->observer.context, key->shard, ks_db_number(key), entry);
    return status;
}

/* An entry that stores `len` bytes of a string that begin with `head`, the others unset; more than fit inline get a
   blob with room for `capacity`. Encoding and deadline are the caller's to fill. */
static struct entry *make_string(bytes name, unsigned flags, bytes head, size_t len, size_t capacity)
{
    struct blob *blob = NULL;
    struct entry *entry;
    if (len <= ENTRY_INLINE_MAX) {
        entry = entry_new(flags, name, len);
    } else {
        blob = blob_new(capacity);
        if (blob == NULL)
            return NULL;
        blob->len = len;
        entry = entry_new(flags | ENTRY_IS_BOXED, name, 0);
    }
    if (entry == NULL) {
        if (blob != NULL)
            blob_drop(blob);
        return NULL;
    }
    if (blob != NULL)
        *entry_box(entry) = blob;
    if (head.len > 0)
        memcpy((char *)(uintptr_t)entry_stored(entry).at, head.at, head.len);
    return entry;
}

/* The flags that this deadline argument leaves the key with. */
static unsigned deadline_flag(const struct ks_key *key, int64_t *deadline_ms)
{
    if (*deadline_ms == KEEP_DEADLINE)
        *deadline_ms = key->entry != NULL ? entry_deadline_ms(key->entry) : NO_DEADLINE;
    return *deadline_ms == NO_DEADLINE ? 0 : ENTRY_HAS_DEADLINE;
}

/* Can an inline value of `len` bytes take the place of the present one without a new allocation, and is the allocation
   not much too large for it? */
static bool fits_in_place(const struct entry *entry, unsigned flags, size_t len)
{
    const unsigned layout = ENTRY_HAS_DEADLINE | ENTRY_IS_BOXED | ENTRY_HAS_ITEM | ENTRY_IS_COMPRESSED;
    if (entry->type != TYPE_STRING || (entry->flags & layout) != (flags & layout) || len > ENTRY_INLINE_MAX ||
        (entry->flags & ENTRY_IS_BOXED))
        return false;
    if (likely(entry->inline_len == len))
        return true;
    size_t need = (size_t)(entry_stored(entry).at - (const char *)entry) + len;
    size_t have = mem_size(entry);
    return need <= have && need * 4 >= have * 3;
}

/* The inline value is of another length now. */
static void resize_in_place(struct db *db, struct entry *entry, size_t len)
{
    sizes_move(db->sizes, TYPE_STRING, entry->inline_len, len);
    entry->inline_len = (uint16_t)len;
}

static void move_deadline(struct db *db, struct entry *entry, int64_t deadline_ms)
{
    struct wheel_node *node = entry_deadline_node(entry);
    db->deadline_sum_ms += deadline_ms - node->deadline_ms;
    wheel_remove(node);
    wheel_add(db->deadlines, node, deadline_ms);
}

/* The flag of a new entry for a key whose present one has an item. */
static unsigned item_flag(const struct entry *old)
{
    return old != NULL ? old->flags & ENTRY_HAS_ITEM : 0;
}

/* The key's item, if it has one, outlives its value. */
static void inherit_item(struct entry *entry, const struct entry *old)
{
    if (unlikely(entry->flags & ENTRY_HAS_ITEM))
        *entry_item(entry) = item_flag(old) != 0 ? *entry_item(old) : (struct item){.lock_s = 0};
}

/* What an item's time to live is measured from is now, unless that would prolong a lock, which is measured from there,
   too. A lock that has run out is forgotten. The key's present entry is counted, a new one not yet. */
static void begin_anew(struct ks_key *key, struct entry *entry, int64_t now_ms)
{
    struct item *item = entry_item(entry);
    if (ks_is_item_locked(entry, now_ms))
        return;
    if (item->lock_s != 0 && entry == key->entry)
        count_locked(key, (size_t)-1);
    item->lock_s = 0;
    item->time_ms = now_ms;
}

/* The value of `entry`, which is the key's or will be, was replaced (`is_changed` false) or changed, as who keeps its
   deadline is taken to do. */
static void note_write(struct ks_key *key, struct entry *entry, bool is_changed, int64_t now_ms)
{
    struct item *item = entry_item(entry);
    if (likely(item == NULL))
        return;
    item->is_number &= is_changed && entry->encoding == STRING_INT;
    item->has_zero_ttl &= is_changed;
    if (!is_changed)
        begin_anew(key, entry, now_ms);
}

/* Gives the key a new entry that stores this; `flags` say how, and whether it has a deadline. `is_changed` as in
   note_write. */
static enum ks_status put_anew(struct ks_key *key, unsigned flags, bytes stored, enum string_encoding encoding,
                               int64_t deadline_ms, bool is_changed, int64_t now_ms)
{
    struct entry *entry = make_string(key->name, flags | rank_flag(key->ks), stored, stored.len, stored.len);
    if (entry == NULL)
        return KS_NO_MEMORY;
    entry->encoding = encoding;
    inherit_item(entry, key->entry);
    note_write(key, entry, is_changed, now_ms);
    if (install(key, entry, deadline_ms, now_ms) == KS_OK)
        return KS_OK;
    entry_free(entry);
    return KS_NO_MEMORY;
}

/* The key becomes a string of which this is stored, in an entry with these `parts` (enum entry_flag). */
static ALWAYS_INLINE enum ks_status put(struct ks_key *key, unsigned parts, bytes stored, enum string_encoding encoding,
                                        int64_t deadline_ms, int64_t now_ms)
{
    assert(ks_is_locked(key->shard) && stored.len <= KS_VALUE_MAX);
    struct entry *old = key->entry;
    bool is_changed = deadline_ms == KEEP_DEADLINE;
    unsigned flags = deadline_flag(key, &deadline_ms) | item_flag(old) | parts;
    bool is_in_place =
        likely(old != NULL) && likely(!(parts & ENTRY_IS_COMPRESSED)) && likely(fits_in_place(old, flags, stored.len));
    if (unlikely(!is_in_place))
        return put_anew(key, flags, stored, encoding, deadline_ms, is_changed, now_ms);
    if (stored.len > 0)
        memcpy((char *)(uintptr_t)entry_stored(old).at, stored.at, stored.len);
    if (unlikely(old->inline_len != stored.len))
        resize_in_place(key->db, old, stored.len);
    old->encoding = encoding;
    if (unlikely(flags & ENTRY_HAS_DEADLINE) && deadline_ms != entry_deadline_ms(old))
        move_deadline(key->db, old, deadline_ms);
    note_write(key, old, is_changed, now_ms);
    return KS_OK;
}

enum ks_status ks_put_string(struct ks_key *key, bytes value, enum string_encoding encoding, int64_t deadline_ms,
                             int64_t now_ms)
{
    return put(key, 0, value, encoding, deadline_ms, now_ms);
}

enum ks_status ks_put_compressed(struct ks_key *key, bytes compressed, enum string_encoding encoding,
                                 int64_t deadline_ms, int64_t now_ms)
{
    assert(compressed_value_len(compressed) > compressed.len);
    return put(key, ENTRY_IS_COMPRESSED, compressed, encoding, deadline_ms, now_ms);
}

enum ks_status ks_put_with(struct ks_key *key, unsigned parts, bytes stored, enum string_encoding encoding,
                           int64_t deadline_ms, int64_t now_ms)
{
    return put(key, parts, stored, encoding, deadline_ms, now_ms);
}

/* Room that a growing value is given ahead: as much again, but at most a megabyte. */
static size_t with_headroom(size_t len)
{
    const size_t most = 1024 * 1024;
    return len + (len < most ? len : most);
}

/* Does a string of `len` bytes fit into the present one's blob, and may that be changed? */
static bool fits_in_blob(const struct entry *entry, size_t len)
{
    if (!(entry->flags & ENTRY_IS_BOXED) || entry_is_compressed(entry))
        return false;
    const struct blob *blob = entry_stored_blob(entry);
    return blob_is_sole(blob) && blob->capacity >= len;
}

/* Gives the key a new entry for a string of `len` bytes, of which the present string fills as many as it can. */
static enum ks_status regrow(struct ks_key *key, unsigned flags, size_t len, int64_t deadline_ms, int64_t now_ms)
{
    struct string_view old = VIEW_OF(BYTES(""));
    if (key->entry != NULL && !view_open(&old, key->entry))
        return KS_NO_MEMORY;
    bytes kept = {old.value.at, old.value.len < len ? old.value.len : len};
    /* the second growth of a value is taken as a sign of more to come */
    size_t capacity = key->entry != NULL ? with_headroom(len) : len;
    struct entry *entry = make_string(key->name, flags | rank_flag(key->ks), kept, len, capacity);
    view_close(&old);
    if (entry == NULL)
        return KS_NO_MEMORY;
    inherit_item(entry, key->entry);
    if (install(key, entry, deadline_ms, now_ms) == KS_OK)
        return KS_OK;
    entry_free(entry);
    return KS_NO_MEMORY;
}

enum ks_status ks_resize_string(struct ks_key *key, size_t len, int64_t now_ms, char **data)
{
    assert(ks_is_locked(key->shard) && len <= KS_VALUE_MAX);
    struct entry *old = key->entry;
    size_t old_len = old != NULL ? entry_string_len(old) : 0;
    size_t kept = old_len < len ? old_len : len;
    int64_t deadline_ms = KEEP_DEADLINE;
    unsigned flags = deadline_flag(key, &deadline_ms) | item_flag(old);

    if (old != NULL && fits_in_place(old, flags, len)) {
        resize_in_place(key->db, old, len);
    } else if (old != NULL && fits_in_blob(old, len)) {
        sizes_move(key->db->sizes, TYPE_STRING, old_len, len);
        entry_stored_blob(old)->len = len;
    } else if (regrow(key, flags, len, deadline_ms, now_ms) != KS_OK) {
        return KS_NO_MEMORY;
    }
    key->entry->encoding = STRING_RAW;
    note_write(key, key->entry, true, now_ms);
    *data = (char *)(uintptr_t)entry_stored(key->entry).at;
    memset(*data + kept, 0, len - kept);
    return KS_OK;
}

size_t ks_string_capacity(const struct ks_key *key)
{
    assert(ks_is_locked(key->shard));
    const struct entry *entry = key->entry;
    if (entry_is_compressed(entry))
        return 0;
    if (!(entry->flags & ENTRY_IS_BOXED))
        return entry_string_len(entry);
    const struct blob *blob = entry_stored_blob(entry);
    return blob_is_sole(blob) ? blob->capacity : 0;
}

size_t ks_grown_capacity(size_t len)
{
    return with_headroom(len);
}

/* Stores under `to` an entry with the type, encoding, value and item of `source`, compressed if that is, and these
   flags: an inline value is copied, a blob shared. */
static enum ks_status transplant(const struct entry *source, struct ks_key *to, int64_t deadline_ms, int64_t now_ms,
                                 unsigned flags)
{
    flags |= (deadline_ms != NO_DEADLINE ? ENTRY_HAS_DEADLINE : 0) | rank_flag(to->ks) | item_flag(source) |
             (source->flags & ENTRY_IS_COMPRESSED);
    struct entry *entry;
    if (source->flags & ENTRY_IS_BOXED) {
        entry = entry_new(flags | ENTRY_IS_BOXED, to->name, 0);
        if (entry != NULL)
            *entry_box(entry) = blob_keep(entry_stored_blob(source));
    } else {
        bytes stored = entry_stored(source);
        entry = make_string(to->name, flags, stored, stored.len, 0);
    }
    if (entry == NULL)
        return KS_NO_MEMORY;
    entry->type = source->type;
    entry->encoding = source->encoding;
    inherit_item(entry, source);
    if (install(to, entry, deadline_ms, now_ms) == KS_OK)
        return KS_OK;
    entry_free(entry);
    return KS_NO_MEMORY;
}

/* The key's entry gets this deadline. */
static enum ks_status put_deadline(struct ks_key *key, int64_t deadline_ms)
{
    bool has_one = key->entry->flags & ENTRY_HAS_DEADLINE;
    if (has_one && deadline_ms != NO_DEADLINE) {
        move_deadline(key->db, key->entry, deadline_ms);
        return KS_OK;
    }
    if (!has_one && deadline_ms == NO_DEADLINE)
        return KS_OK;
    return transplant(key->entry, key, deadline_ms, 0, 0);
}

enum ks_status ks_set_deadline(struct ks_key *key, int64_t deadline_ms, int64_t now_ms)
{
    assert(ks_is_locked(key->shard));
    if (put_deadline(key, deadline_ms) != KS_OK)
        return KS_NO_MEMORY;
    struct item *item = entry_item(key->entry);
    if (unlikely(item != NULL)) {
        item->has_zero_ttl = false;
        begin_anew(key, key->entry, now_ms);
    }
    return KS_OK;
}

void ks_give_rank(struct ks_key *key)
{
    /* without memory it stays among those that were not used for long */
    enum ks_status status = transplant(key->entry, key, entry_deadline_ms(key->entry), 0, 0);
    (void)status;
}

enum ks_status ks_give_item(struct ks_key *key)
{
    if (key->entry->flags & ENTRY_HAS_ITEM)
        return KS_OK;
    return transplant(key->entry, key, entry_deadline_ms(key->entry), 0, ENTRY_HAS_ITEM);
}

/* What is remembered of the use of `from` is forgotten of `to`, or goes with it. */
static void start_access(struct ks_key *to, int64_t now_ms)
{
    if (to->entry->flags & ENTRY_IS_QUEUED)
        s3_set_uses(to->entry, 0);
    else
        access_start(&to->ks->access, to->entry, now_ms);
}

static void carry_access(const struct ks_key *from, struct ks_key *to)
{
    if (to->entry->flags & ENTRY_IS_QUEUED)
        s3_set_uses(to->entry, from->entry->flags & ENTRY_IS_QUEUED ? s3_uses(from->entry) : 0);
    else if (!(from->entry->flags & ENTRY_IS_QUEUED))
        memcpy(to->entry->access, from->entry->access, sizeof(to->entry->access));
}

/* Puts the lock of this item on an existing key that has an item without one. */
static void restore_lock(struct ks_key *key, const struct item *lock)
{
    struct item *item = entry_item(key->entry);
    item->time_ms = lock->time_ms;
    item->lock_s = lock->lock_s;
    item->token = lock->token;
    count_locked(key, 1);
}

enum ks_status ks_copy(struct ks_key *from, struct ks_key *to, int64_t now_ms)
{
    assert(ks_is_locked(from->shard) && ks_is_locked(to->shard) && from->entry != to->entry);
    /* a lock is the key's, not the value's: that of `from` stays behind, that of `to` stays on it */
    bool is_locked = to->entry != NULL && ks_is_item_locked(to->entry, now_ms);
    struct item lock = is_locked ? *entry_item(to->entry) : (struct item){.lock_s = 0};
    if (transplant(from->entry, to, entry_deadline_ms(from->entry), now_ms, is_locked ? ENTRY_HAS_ITEM : 0) != KS_OK)
        return KS_NO_MEMORY;
    ks_unlock_item(to);
    if (is_locked)
        restore_lock(to, &lock);
    start_access(to, now_ms);
    return KS_OK;
}

enum ks_status ks_move(struct ks_key *from, struct ks_key *to)
{
    assert(ks_is_locked(from->shard) && ks_is_locked(to->shard) && from->entry != to->entry);
    if (transplant(from->entry, to, entry_deadline_ms(from->entry), 0, 0) != KS_OK)
        return KS_NO_MEMORY;
    carry_access(from, to);
    find_again(from);
    ks_delete(from);
    return KS_OK;
}

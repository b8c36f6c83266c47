/* Watched keys; see watch.h. */
#include "engine/watch.h"

#include "base/mem.h"
#include "engine/call.h"

/* Under the lock of its shard. */
struct watched_key {
    struct list watches;  /* struct watch, never empty */
    bool are_all_touched; /* every session that watches it is marked: another change has nothing to do */
    struct shard *shard;
    uint64_t hash;
    size_t db;
    size_t len;
    char name[];
};

static struct watch *watch_of(const struct list *in_key)
{
    return CONTAINER_OF(in_key, struct watch, in_key);
}

static uint64_t hash_of(const void *context, const void *item)
{
    (void)context;
    return ((const struct watched_key *)item)->hash;
}

static struct watch_table *table_of(struct larder *engine, const struct shard *shard)
{
    return &engine->watches[ks_shard_number(&engine->keyspace, shard)];
}

/* Finds a watched key; the probe stands at it. */
static struct watched_key *find(const struct watch_table *table, size_t db, bytes name, uint64_t hash,
                                struct ht_probe *probe)
{
    *probe = ht_probe(&table->keys, hash);
    struct watched_key *key;
    while ((key = ht_probe_next(probe)) != NULL)
        if (key->db == db && bytes_equal((bytes){key->name, key->len}, name))
            return key;
    return NULL;
}

static struct watched_key *add_key(struct larder *engine, const struct ks_key *from)
{
    struct watched_key *key = mem_alloc(sizeof(*key) + from->name.len);
    if (key == NULL)
        return NULL;
    list_init(&key->watches);
    key->shard = from->shard;
    key->hash = from->hash;
    key->db = ks_db_number(from);
    key->len = from->name.len;
    memcpy(key->name, from->name.at, from->name.len);
    if (!ht_insert(&table_of(engine, from->shard)->keys, key->hash, key, hash_of, NULL)) {
        mem_free(key);
        return NULL;
    }
    atomic_fetch_add_explicit(&engine->watched_keys, 1, memory_order_relaxed);
    from->shard->interest |= INTEREST_WATCH;
    return key;
}

static void remove_key(struct larder *engine, struct watched_key *key)
{
    struct watch_table *table = table_of(engine, key->shard);
    struct ht_probe probe;
    struct watched_key *found = find(table, key->db, (bytes){key->name, key->len}, key->hash, &probe);
    assert(found == key);
    (void)found;
    ht_remove(&table->keys, &probe, hash_of, NULL);
    atomic_fetch_sub_explicit(&engine->watched_keys, 1, memory_order_relaxed);
    if (table->keys.used == 0)
        key->shard->interest &= ~(unsigned)INTEREST_WATCH;
    mem_free(key);
}

/* Walks the session's watches and the key's side by side: whichever are fewer settle it, as a session may watch any
   number of keys, and a key be watched by any number of sessions. */
static bool is_watching(const struct session *session, const struct watched_key *key)
{
    const struct list *by_key = key->watches.next;
    const struct list *by_session = session->watches.next;
    for (; by_key != &key->watches && by_session != &session->watches;
         by_key = by_key->next, by_session = by_session->next)
        if (watch_of(by_key)->session == session || CONTAINER_OF(by_session, struct watch, in_session)->key == key)
            return true;
    return false;
}

/* What the key holds in a database, past its deadline or not; NULL: nothing. */
static const struct entry *content(const struct watched_key *key, size_t db)
{
    struct ht_probe probe = ht_probe(&key->shard->dbs[db].keys, key->hash);
    const struct entry *entry;
    while ((entry = ht_probe_next(&probe)) != NULL)
        if (bytes_equal(entry_key(entry), (bytes){key->name, key->len}))
            return entry;
    return NULL;
}

/* What a watch counts for in its session's memory: as if nobody else watched the key. */
static size_t watch_bytes(const struct watch *watch)
{
    return sizeof(*watch) + sizeof(*watch->key) + watch->key->len;
}

bool watch_add(struct session *session, const struct ks_key *key)
{
    assert(ks_is_locked(key->shard));
    struct larder *engine = session->engine;
    struct ht_probe probe;
    struct watched_key *watched = find(table_of(engine, key->shard), ks_db_number(key), key->name, key->hash, &probe);
    if (watched != NULL && is_watching(session, watched))
        return true;
    struct watch *watch = mem_alloc(sizeof(*watch));
    if (watch == NULL)
        return false;
    if (watched == NULL)
        watched = add_key(engine, key);
    if (watched == NULL) {
        mem_free(watch);
        return false;
    }
    watch->session = session;
    watch->key = watched;
    watch->is_dead = key->entry == NULL && content(watched, watched->db) != NULL;
    watched->are_all_touched = false;
    list_append(&watched->watches, &watch->in_key);
    list_append(&session->watches, &watch->in_session);
    atomic_fetch_add_explicit(&session->watched, 1, memory_order_relaxed);
    session_count_multi(session, watch_bytes(watch));
    return true;
}

static void mark(const struct watch *watch)
{
    atomic_store_explicit(&watch->session->is_touched, true, memory_order_relaxed);
}

void watch_touch(struct larder *engine, struct shard *shard, size_t db, bytes name, uint64_t hash)
{
    assert(ks_is_locked(shard));
    struct ht_probe probe;
    struct watched_key *key = find(table_of(engine, shard), db, name, hash, &probe);
    if (key == NULL || key->are_all_touched)
        return;
    for (const struct list *link = key->watches.next; link != &key->watches; link = link->next)
        mark(watch_of(link));
    key->are_all_touched = true;
}

void watch_expire(struct larder *engine, struct shard *shard, size_t db, bytes name, uint64_t hash)
{
    assert(ks_is_locked(shard));
    struct ht_probe probe;
    const struct watched_key *key = find(table_of(engine, shard), db, name, hash, &probe);
    if (key == NULL)
        return;
    for (const struct list *link = key->watches.next; link != &key->watches; link = link->next) {
        struct watch *watch = watch_of(link);
        if (!watch->is_dead)
            mark(watch);
        watch->is_dead = false;
    }
}

/* Two databases of which one takes the place of the other; the same: nothing does. */
struct replacement {
    size_t dbs[2];
    int64_t now_ms;
};

/* One watch of a key that holds something, or will. Dead contents count as none, before and after. */
static void replace_content(struct watch *watch, bool is_held, const struct entry *next, int64_t now_ms)
{
    bool was_live = is_held && !watch->is_dead;
    bool is_live = next != NULL && entry_deadline_ms(next) > now_ms;
    if (was_live || is_live)
        mark(watch);
    watch->is_dead = next != NULL && !is_live;
}

static void replace_item(void *context, void *item)
{
    const struct replacement *replacement = context;
    const struct watched_key *key = item;
    size_t first = replacement->dbs[0];
    size_t second = replacement->dbs[1];
    if (key->db != first && key->db != second)
        return;
    bool is_held = content(key, key->db) != NULL;
    const struct entry *next = first == second ? NULL : content(key, key->db == first ? second : first);
    for (const struct list *link = key->watches.next; link != &key->watches; link = link->next)
        replace_content(watch_of(link), is_held, next, replacement->now_ms);
}

void watch_touch_databases(struct larder *engine, size_t db, size_t other, int64_t now_ms)
{
    struct keyspace *ks = &engine->keyspace;
    struct replacement replacement = {.dbs = {db, other}, .now_ms = now_ms};
    for (size_t i = 0; i < ks->shard_count; i++) {
        assert(ks_is_locked(&ks->shards[i]));
        uint64_t cursor = 0;
        do {
            cursor = ht_scan(&engine->watches[i].keys, cursor, replace_item, &replacement);
        } while (cursor != 0);
    }
}

void watch_clear(struct session *session)
{
    struct larder *engine = session->engine;
    while (!list_is_empty(&session->watches)) {
        struct watch *watch = CONTAINER_OF(session->watches.next, struct watch, in_session);
        struct watched_key *key = watch->key;
        struct shard *shard = key->shard;
        session_count_multi(session, -watch_bytes(watch));
        bool was_taken = ks_enter(&engine->keyspace, shard);
        list_remove(&watch->in_key);
        if (list_is_empty(&key->watches))
            remove_key(engine, key);
        ks_leave(&engine->keyspace, shard, was_taken);
        list_remove(&watch->in_session);
        mem_free(watch);
    }
    atomic_store_explicit(&session->watched, 0, memory_order_relaxed);
    atomic_store_explicit(&session->is_touched, false, memory_order_relaxed);
}

size_t watch_shard(const struct watch *watch)
{
    return ks_shard_number(&watch->session->engine->keyspace, watch->key->shard);
}

bool watch_is_overdue(const struct watch *watch, int64_t now_ms)
{
    assert(ks_is_locked(watch->key->shard));
    const struct entry *entry = content(watch->key, watch->key->db);
    return entry != NULL && entry_deadline_ms(entry) <= now_ms && !watch->is_dead;
}

static void check_key(void *context, void *item)
{
    const struct shard *shard = context;
    const struct watched_key *key = item;
    assert(key->shard == shard && !list_is_empty(&key->watches));
    for (const struct list *link = key->watches.next; link != &key->watches; link = link->next) {
        const struct watch *watch = watch_of(link);
        assert(watch->key == key);
        assert(!key->are_all_touched || atomic_load_explicit(&watch->session->is_touched, memory_order_relaxed));
        (void)watch;
    }
    (void)shard;
    (void)key;
}

void watch_check(struct larder *engine)
{
    for (size_t i = 0; i < engine->keyspace.shard_count; i++) {
        struct shard *shard = &engine->keyspace.shards[i];
        const struct ht *keys = &engine->watches[i].keys;
        assert(ks_is_locked(shard));
        assert((keys->used > 0) == ((shard->interest & INTEREST_WATCH) != 0));
        ht_check(keys, hash_of, NULL);
        uint64_t cursor = 0;
        do {
            cursor = ht_scan(keys, cursor, check_key, shard);
        } while (cursor != 0);
    }
}

void watch_table_free(struct watch_table *table)
{
    assert(table->keys.used == 0);
    ht_drain(&table->keys, SIZE_MAX, NULL, NULL);
}

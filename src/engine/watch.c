/* Watched keys; see watch.h. */
#include "engine/watch.h"

#include "base/mem.h"
#include "engine/call.h"

struct watched_key {
    struct list watches; /* struct watch, never empty */
    struct shard *shard;
    uint64_t hash;
    size_t db;
    size_t len;
    char name[];
};

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

static struct watched_key *add_key(struct watch_table *table, const struct ks_key *from)
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
    if (ht_insert(&table->keys, key->hash, key, hash_of, NULL))
        return key;
    mem_free(key);
    return NULL;
}

static void remove_key(struct watch_table *table, struct watched_key *key)
{
    struct ht_probe probe;
    struct watched_key *found = find(table, key->db, (bytes){key->name, key->len}, key->hash, &probe);
    assert(found == key);
    (void)found;
    ht_remove(&table->keys, &probe, hash_of, NULL);
    if (table->keys.used == 0)
        key->shard->interest &= ~INTEREST_WATCH;
    mem_free(key);
}

/* Through the key's watchers, as there are no more of them than clients; a session may watch any number of keys. */
static bool is_watching(const struct session *session, const struct watched_key *key)
{
    for (const struct list *link = key->watches.next; link != &key->watches; link = link->next)
        if (CONTAINER_OF(link, struct watch, in_key)->session == session)
            return true;
    return false;
}

bool watch_add(struct session *session, const struct ks_key *key)
{
    assert(ks_is_locked(key->shard));
    struct watch_table *table = table_of(session->engine, key->shard);
    struct ht_probe probe;
    struct watched_key *watched = find(table, ks_db_number(key), key->name, key->hash, &probe);
    if (watched != NULL && is_watching(session, watched))
        return true;
    struct watch *watch = mem_alloc(sizeof(*watch));
    if (watch == NULL)
        return false;
    if (watched == NULL)
        watched = add_key(table, key);
    if (watched == NULL) {
        mem_free(watch);
        return false;
    }
    watch->session = session;
    watch->key = watched;
    list_append(&watched->watches, &watch->in_key);
    list_append(&session->watches, &watch->in_session);
    key->shard->interest |= INTEREST_WATCH;
    return true;
}

static void mark(const struct watched_key *key)
{
    for (const struct list *link = key->watches.next; link != &key->watches; link = link->next)
        atomic_store_explicit(&CONTAINER_OF(link, struct watch, in_key)->session->is_touched, true,
                              memory_order_relaxed);
}

void watch_touch(struct larder *engine, struct shard *shard, size_t db, bytes name, uint64_t hash)
{
    assert(ks_is_locked(shard));
    struct ht_probe probe;
    const struct watched_key *key = find(table_of(engine, shard), db, name, hash, &probe);
    if (key != NULL)
        mark(key);
}

static bool exists(const struct watched_key *key, size_t db)
{
    struct ht_probe probe = ht_probe(&key->shard->dbs[db].keys, key->hash);
    const struct entry *entry;
    while ((entry = ht_probe_next(&probe)) != NULL)
        if (bytes_equal(entry_key(entry), (bytes){key->name, key->len}))
            return true;
    return false;
}

struct touching {
    size_t db;
    size_t other;
};

static void touch_item(void *context, void *item)
{
    const struct touching *touching = context;
    const struct watched_key *key = item;
    if ((key->db == touching->db || key->db == touching->other) &&
        (exists(key, touching->db) || exists(key, touching->other)))
        mark(key);
}

void watch_touch_databases(struct larder *engine, size_t db, size_t other)
{
    struct keyspace *ks = &engine->keyspace;
    struct touching touching = {.db = db, .other = other};
    for (size_t i = 0; i < ks->shard_count; i++) {
        assert(ks_is_locked(&ks->shards[i]));
        uint64_t cursor = 0;
        do {
            cursor = ht_scan(&engine->watches[i].keys, cursor, touch_item, &touching);
        } while (cursor != 0);
    }
}

size_t watch_shard(const struct watch *watch)
{
    return ks_shard_number(&watch->session->engine->keyspace, watch->key->shard);
}

void watch_look(const struct watch *watch, int64_t now_ms)
{
    const struct watched_key *key = watch->key;
    (void)ks_find(&watch->session->engine->keyspace, key->db, (bytes){key->name, key->len}, key->hash, now_ms);
}

void watch_clear(struct session *session)
{
    struct larder *engine = session->engine;
    while (!list_is_empty(&session->watches)) {
        struct watch *watch = CONTAINER_OF(session->watches.next, struct watch, in_session);
        struct watched_key *key = watch->key;
        struct shard *shard = key->shard;
        bool was_taken = ks_enter(&engine->keyspace, shard);
        list_remove(&watch->in_key);
        if (list_is_empty(&key->watches))
            remove_key(table_of(engine, shard), key);
        ks_leave(&engine->keyspace, shard, was_taken);
        list_remove(&watch->in_session);
        mem_free(watch);
    }
    atomic_store_explicit(&session->is_touched, false, memory_order_relaxed);
}

void watch_table_free(struct watch_table *table)
{
    assert(table->keys.used == 0);
    ht_drain(&table->keys, SIZE_MAX, NULL, NULL);
}

/* The exact order of use of all keys, and their exact number: what a bound on keys (maxkeys) stands on; see evict.h.

   Each use of a key takes a stamp from one counter of the keyspace and moves the key to the end of its database's list
   in its shard, so that every list is in the order of stamps and the least recently used key of all is the first of one
   of the lists. Shards publish the stamp of their oldest key: the one to evict from is found without a lock. Keys that
   have not been used since the bound was set have no rank; they count as older than all that have one.

   Keys and reserved places are counted in one word, so that whoever reserves a place sees both at once: the bound holds
   whatever the others do. New keys come out of reserved places, which the thread that runs the command settles before
   it unlocks the shards. Keys that come otherwise are counted at once. */
#include "base/mem.h"
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

enum {
    KEYS_BITS = 36,   /* of key_places; above them, reserved places */
    BUCKETS_MAX = 16, /* looked through at a time for a key without a rank */
    ATTEMPTS = 8,     /* at finding the oldest key while others are used */
};

#define KEYS_MASK ((1ULL << KEYS_BITS) - 1)
#define NO_KEYS UINT64_MAX

/* ---- The number of keys ---- */

static size_t keys_of(uint64_t places)
{
    return (size_t)(places & KEYS_MASK);
}

static size_t reserved_of(uint64_t places)
{
    return (size_t)(places >> KEYS_BITS);
}

void rank_count_in(struct keyspace *ks, struct shard *shard)
{
    if (!shard->is_settled_later)
        atomic_fetch_add_explicit(&ks->key_places, 1, memory_order_relaxed);
}

void rank_count_out(struct keyspace *ks, struct shard *shard, size_t keys)
{
    atomic_fetch_sub_explicit(&ks->key_places, keys, memory_order_relaxed);
    rank_publish(ks, shard);
}

size_t ks_keys_and_places(const struct keyspace *ks)
{
    uint64_t places = atomic_load_explicit(&ks->key_places, memory_order_relaxed);
    return keys_of(places) + reserved_of(places);
}

bool ks_reserve_keys(struct keyspace *ks, size_t count, size_t most)
{
    uint64_t places = atomic_load_explicit(&ks->key_places, memory_order_relaxed);
    do {
        size_t taken = keys_of(places) + reserved_of(places);
        if (taken >= most || count > most - taken)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&ks->key_places, &places, places + ((uint64_t)count << KEYS_BITS),
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void ks_unreserve_keys(struct keyspace *ks, size_t count)
{
    atomic_fetch_sub_explicit(&ks->key_places, (uint64_t)count << KEYS_BITS, memory_order_relaxed);
}

size_t ks_begin_adding(struct shard *shard)
{
    assert(ks_is_locked(shard));
    shard->is_settled_later = true;
    return shard->added;
}

size_t ks_end_adding(struct shard *shard)
{
    assert(ks_is_locked(shard));
    shard->is_settled_later = false;
    return shard->added;
}

void ks_settle_keys(struct keyspace *ks, size_t added, size_t reserved)
{
    /* one addition: at no moment is there one too many or too few of keys and places together */
    atomic_fetch_add_explicit(&ks->key_places, added - ((uint64_t)reserved << KEYS_BITS), memory_order_relaxed);
}

void ks_start_bound(struct keyspace *ks)
{
    ks_lock_all(ks);
    uint64_t keys = 0;
    for (size_t i = 0; i < ks->shard_count; i++)
        for (size_t j = 0; j < ks->db_count; j++)
            keys += ks->shards[i].dbs[j].keys.used;
    /* commands may still hold places from an earlier time */
    uint64_t places = atomic_load_explicit(&ks->key_places, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&ks->key_places, &places, (places & ~KEYS_MASK) + keys,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
    atomic_store_explicit(&ks->is_bounded, true, memory_order_relaxed);
    for (size_t i = 0; i < ks->shard_count; i++)
        rank_publish(ks, &ks->shards[i]);
    ks_unlock_all(ks);
}

/* ---- The order of use ---- */

static uint64_t next_stamp(struct keyspace *ks)
{
    return atomic_fetch_add_explicit(&ks->last_stamp, 1, memory_order_relaxed) + 1;
}

static struct rank *first_rank(const struct db *db)
{
    return db->ranks == NULL || list_is_empty(db->ranks) ? NULL : CONTAINER_OF(db->ranks->next, struct rank, link);
}

void rank_publish(struct keyspace *ks, struct shard *shard)
{
    uint64_t oldest = NO_KEYS;
    for (size_t i = 0; i < ks->db_count; i++) {
        const struct db *db = &shard->dbs[i];
        const struct rank *first = first_rank(db);
        if (db->keys.used > db->ranked)
            oldest = 0;
        else if (first != NULL && first->stamp < oldest)
            oldest = first->stamp;
    }
    atomic_store_explicit(&shard->oldest, oldest, memory_order_relaxed);
}

bool rank_prepare(struct db *db)
{
    if (db->ranks != NULL)
        return true;
    db->ranks = mem_alloc(sizeof(*db->ranks));
    if (db->ranks == NULL)
        return false;
    list_init(db->ranks);
    return true;
}

void rank_enter(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry)
{
    struct rank *rank = entry_rank(entry);
    rank->stamp = next_stamp(ks);
    rank->offset = (size_t)((char *)rank - (char *)entry);
    list_append(db->ranks, &rank->link);
    db->ranked++;
    if (first_rank(db) == rank || db->ranked == db->keys.used)
        rank_publish(ks, shard);
}

void rank_leave(struct db *db, struct entry *entry)
{
    list_remove(&entry_rank(entry)->link);
    db->ranked--;
}

void rank_inherit(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry, struct entry *old)
{
    if (!(old->flags & ENTRY_HAS_RANK)) {
        rank_enter(ks, shard, db, entry);
    } else if (!(entry->flags & ENTRY_HAS_RANK)) {
        rank_leave(db, old); /* there is no bound any more */
    } else {
        struct rank *rank = entry_rank(entry);
        *rank = *entry_rank(old);
        rank->offset = (size_t)((char *)rank - (char *)entry);
        list_relocated(&rank->link);
    }
}

void rank_use(struct ks_key *key)
{
    if (!(key->entry->flags & ENTRY_HAS_RANK)) {
        ks_give_rank(key);
        return;
    }
    struct rank *rank = entry_rank(key->entry);
    bool was_first = first_rank(key->db) == rank;
    rank->stamp = next_stamp(key->ks);
    list_remove(&rank->link);
    list_append(key->db->ranks, &rank->link);
    if (was_first)
        rank_publish(key->ks, key->shard);
}

/* ---- Eviction ---- */

struct search {
    struct entry *found; /* without a rank */
};

static void look_for_unranked(void *context, void *item)
{
    struct search *search = context;
    struct entry *entry = item;
    if (!(entry->flags & ENTRY_HAS_RANK))
        search->found = entry;
}

/* Entries without a rank become ever fewer; a walk that goes on where it stopped finds them all. */
static enum ks_evicted evict_unranked(struct keyspace *ks, struct shard *shard)
{
    struct walk *walk = &shard->evictor->unranked;
    for (int i = 0; i < BUCKETS_MAX; i++) {
        const struct db *db = &shard->dbs[walk->db];
        struct search search = {NULL};
        uint64_t next = db->keys.used > db->ranked ? ht_scan(&db->keys, walk->cursor, look_for_unranked, &search) : 0;
        if (search.found != NULL) {
            evict_entry(ks, shard, walk->db, search.found, KS_CHOOSE_OLDEST, false); /* the bucket may hold more */
            return KS_EVICTED_ONE;
        }
        walk->cursor = next;
        if (next == 0)
            walk->db = (walk->db + 1) % ks->db_count;
    }
    return KS_EVICTED_NOT_YET;
}

static enum ks_evicted evict_first(struct keyspace *ks, struct shard *shard)
{
    struct rank *first = NULL;
    size_t db = 0;
    for (size_t i = 0; i < ks->db_count; i++) {
        struct rank *rank = first_rank(&shard->dbs[i]);
        if (rank == NULL || (first != NULL && rank->stamp > first->stamp))
            continue;
        first = rank;
        db = i;
    }
    if (first == NULL)
        return KS_EVICTED_NONE;
    evict_entry(ks, shard, db, entry_of_rank(first), KS_CHOOSE_OLDEST, false);
    return KS_EVICTED_ONE;
}

static uint64_t oldest_of(const struct shard *shard)
{
    return atomic_load_explicit(&shard->oldest, memory_order_relaxed);
}

/* The shard with the oldest key, and the next oldest's stamp; NULL: there are no keys. */
static struct shard *choose_shard(struct keyspace *ks, bool is_locked_only, uint64_t *next_oldest)
{
    struct shard *chosen = NULL;
    uint64_t oldest = NO_KEYS;
    *next_oldest = NO_KEYS;
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        uint64_t stamp = oldest_of(shard);
        if (stamp == NO_KEYS || (is_locked_only && !ks_is_locked(shard)))
            continue;
        if (stamp < oldest) {
            *next_oldest = oldest;
            oldest = stamp;
            chosen = shard;
        } else if (stamp < *next_oldest) {
            *next_oldest = stamp;
        }
    }
    return chosen;
}

/* One attempt at a shard: its oldest key, unless that was used since the shard was chosen. While keys without a rank
   are still searched for, a thread that must not leave one key too many takes the oldest with a rank instead. */
static enum ks_evicted evict_from(struct keyspace *ks, struct shard *shard, uint64_t next_oldest, bool is_urgent,
                                  bool is_locked_only)
{
    if (oldest_of(shard) == 0) {
        enum ks_evicted result = evict_unranked(ks, shard);
        return result == KS_EVICTED_NOT_YET && is_locked_only && evict_first(ks, shard) == KS_EVICTED_ONE
                   ? KS_EVICTED_ONE
                   : result;
    }
    return oldest_of(shard) <= next_oldest || is_urgent ? evict_first(ks, shard) : KS_EVICTED_NOT_YET;
}

enum ks_evicted ks_evict_oldest(struct keyspace *ks, bool is_locked_only)
{
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        uint64_t next_oldest;
        struct shard *shard = choose_shard(ks, is_locked_only, &next_oldest);
        if (shard == NULL)
            return KS_EVICTED_NONE;
        bool was_taken = ks_enter(ks, shard);
        bool is_searching = oldest_of(shard) == 0;
        enum ks_evicted result = evict_from(ks, shard, next_oldest, attempt == ATTEMPTS, is_locked_only);
        ks_leave(ks, shard, was_taken);
        if (result == KS_EVICTED_ONE || is_searching)
            return result;
    }
    return KS_EVICTED_NOT_YET;
}

void rank_check(struct keyspace *ks, struct shard *shard)
{
    for (size_t i = 0; i < ks->db_count; i++) {
        const struct db *db = &shard->dbs[i];
        size_t count = 0;
        uint64_t stamp = 0;
        for (struct list *link = db->ranks != NULL ? db->ranks->next : NULL; link != NULL && link != db->ranks;
             link = link->next) {
            const struct rank *rank = CONTAINER_OF(link, struct rank, link);
            assert(rank->stamp > stamp);
            stamp = rank->stamp;
            count++;
        }
        assert(count == db->ranked);
        (void)stamp;
        (void)count;
    }
    uint64_t published = oldest_of(shard);
    rank_publish(ks, shard);
    assert(!is_bounded(ks) || published == oldest_of(shard));
    (void)published;
}

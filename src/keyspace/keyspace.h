/* The keyspace: numbered databases whose keys are spread over shards by their hash.

   Locking. A shard's lock protects everything in the shard: the entries, tables and wheels of all its databases and its
   counters. Who needs several shards takes them in ascending index order, never otherwise. When the engine belongs to
   one thread there is one shard and its lock is not taken at all. Functions that say "locked" need the lock of the
   shard they are given (or of their key's shard) and assert in debug builds that the calling thread holds it.
   Functions that say "locks one shard" (at a time) visit shards: they may be called by a thread that holds none, or one
   that holds all, as a transaction does. Debug builds stop a thread that breaks these rules (guard.h).

   Memory. A function that needs memory and finds none returns KS_NO_MEMORY and leaves everything as it was. */
#ifndef LARDER_KEYSPACE_KEYSPACE_H
#define LARDER_KEYSPACE_KEYSPACE_H

#include "base/hash.h"
#include "base/lock.h"
#include "base/random.h"
#include "keyspace/entry.h"
#include "keyspace/guard.h"
#include "keyspace/sizes.h"
#include "structs/ht.h"

enum ks_status { KS_OK = 0, KS_NO_MEMORY };

enum { KS_MAX_SHARD_BITS = 12, KS_VALUE_MAX = 512 * 1024 * 1024 };

/* One database's part of one shard. */
struct db {
    struct ht keys;
    struct wheel *deadlines;       /* NULL until a key of it first has a deadline; from here on ks_swap exchanges all */
    struct ks_sizes *sizes;        /* of the values; NULL until there is a key */
    size_t with_deadline;          /* keys that have one */
    __int128 deadline_sum_ms;      /* of those keys: their mean gives INFO's avg_ttl */
    size_t entry_bytes;            /* memory of the entries and their values; the table counts its own */
    size_t metered_bytes;          /* of all this database's memory, so much is in the shard's meter */
    struct list *ranks;            /* entries with a rank, least recently used first; NULL until one has */
    size_t ranked;                 /* entries with a rank */
    size_t queued[2];              /* entries in the shard's small and main queue */
    struct prefix_index *prefixes; /* NULL: none; see prefix.h */
    size_t locked_items;           /* items with a lock, whether it has run out or not */
    size_t compressed;             /* strings that are stored compressed */
    size_t compression_saved;      /* by how many bytes those are longer than what is stored of them */
};

/* A shard's part in counting memory as it is taken and given back; see meter.c. */
struct meter {
    ptrdiff_t unpublished; /* lock: bytes that the keyspace's sum does not have yet */
    _Atomic size_t bytes;  /* the lock's holder writes, any thread reads: what the sum has of this shard */
    unsigned start;        /* lock: the last start of the meter that has come to this shard */
};

struct shard {
    struct lock lock;
    _Atomic uintptr_t owner;         /* the thread that holds the lock, 0: none; it alone can find itself here */
    struct db *dbs;                  /* lock: by database number */
    _Atomic unsigned prefix_version; /* lock to write: the keyspace's, as far as this shard has followed it */
    unsigned interest;               /* lock: not 0: somebody follows changes of keys here; the bits are the engine's */
    struct random random;            /* lock */
    uint64_t expired;                /* lock: keys removed because their deadline passed, since the last reset */
    struct evictor *evictor;         /* lock: what eviction knows of this shard, see evict.h */
    struct meter meter;
    _Atomic uint64_t oldest; /* while is_bounded; the lock's holder writes, any thread reads: stamp of the least
                                recently used entry; 0: there are entries without a rank; UINT64_MAX: no entries */
    size_t added;            /* lock: new keys, ever */
    bool is_settled_later;   /* lock: who runs a command here accounts for new keys, see rank.c */
} __attribute__((aligned(64)));

/* How uses of a key are remembered in its 24 access bits: the time of the last one (seconds), a decaying logarithmic
   counter (16 bits of minutes, 8 of counter), or a place in the queues of S3-FIFO with a counter of 2 bits. */
enum access_kind { ACCESS_TIME, ACCESS_FREQUENCY, ACCESS_QUEUE };

/* Any thread may read; CONFIG SET writes. */
struct access_policy {
    _Atomic int kind; /* enum access_kind */
    _Atomic int log_factor;
    _Atomic int decay_minutes;
};

/* Who must hear of keys that go by themselves, and may want to hear of keys that are new. Called under the shard's
   lock, before the entry is taken out, or after it was put in; must not change the shard. */
enum ks_removal { KS_EXPIRED, KS_EVICTED };
struct ks_observer {
    void (*added)(void *context, struct shard *shard, size_t db, const struct entry *entry);
    void (*removed)(void *context, struct shard *shard, size_t db, const struct entry *entry, uint64_t hash,
                    enum ks_removal why);
    void *context;
};

struct keyspace {
    struct hash_key hash_key;
    size_t shard_count; /* a power of two */
    unsigned shard_bits;
    bool is_locking;             /* false: one thread, one shard, no locks */
    _Atomic size_t locked_items; /* of all databases, each counted under its shard's lock; see item.h */
    size_t db_count;
    struct shard *shards;
    struct access_policy access;
    struct ks_observer observer; /* fixed before the first key; `removed` NULL: nobody */
    _Atomic bool tells_added;    /* the observer wants to hear of new keys; any thread sets it */

    _Atomic bool is_metered;      /* `used_bytes` is kept up to date */
    _Atomic unsigned meter_start; /* how often that began; a start counts one shard after the other */
    _Atomic size_t meter_step;    /* bytes that a shard may keep to itself */
    _Atomic ptrdiff_t used_bytes; /* of all shards together, but for what they keep to themselves */

    _Atomic bool is_bounded;     /* `key_places` is kept up to date, and every use of a key gets a stamp */
    _Atomic uint64_t key_places; /* keys, and places that commands have reserved for new ones, see rank.c */
    _Atomic uint64_t last_stamp;

    _Atomic unsigned prefix_version; /* prefix.h */
    _Atomic uint64_t last_token;     /* of an item's lock */

    struct lock garbage_lock;
    struct list garbage; /* garbage_lock: flushed databases waiting to be freed */
    _Atomic size_t garbage_bytes;
};

/* `shard_count` a power of two up to 2^KS_MAX_SHARD_BITS, 1 unless `is_locking`. */
MUST_USE enum ks_status ks_init(struct keyspace *ks, size_t shard_count, bool is_locking, size_t db_count);
void ks_free(struct keyspace *ks);

static inline uint64_t ks_hash(const struct keyspace *ks, bytes name)
{
    return hash_bytes(&ks->hash_key, name);
}

static inline size_t ks_shard_index(const struct keyspace *ks, uint64_t hash)
{
    return (size_t)(hash >> 1 >> (63 - ks->shard_bits));
}

static inline size_t ks_shard_number(const struct keyspace *ks, const struct shard *shard)
{
    return (size_t)(shard - ks->shards);
}

/* Does the calling thread hold the shard's lock? */
static inline bool ks_is_locked(const struct shard *shard)
{
    return atomic_load_explicit(&shard->owner, memory_order_relaxed) == lock_self();
}

static inline void ks_lock(struct keyspace *ks, struct shard *shard)
{
    guard_take(ks_shard_number(ks, shard));
    if (ks->is_locking)
        lock_take(&shard->lock);
    atomic_store_explicit(&shard->owner, lock_self(), memory_order_relaxed);
}

static inline void ks_unlock(struct keyspace *ks, struct shard *shard)
{
    guard_give();
    atomic_store_explicit(&shard->owner, 0, memory_order_relaxed);
    if (ks->is_locking)
        lock_give(&shard->lock);
}

/* A visit to one shard: takes the lock unless this thread holds it already, and tells ks_leave which. */
MUST_USE static inline bool ks_enter(struct keyspace *ks, struct shard *shard)
{
    bool is_held = ks_is_locked(shard);
    guard_visit(is_held);
    if (!is_held)
        ks_lock(ks, shard);
    return !is_held;
}

static inline void ks_leave(struct keyspace *ks, struct shard *shard, bool was_taken)
{
    if (was_taken)
        ks_unlock(ks, shard);
}

void ks_lock_all(struct keyspace *ks);
void ks_unlock_all(struct keyspace *ks);

/* A key of one database, and its entry as last looked up. Valid while its shard stays locked. */
struct ks_key {
    struct keyspace *ks;
    struct shard *shard;
    struct db *db;
    bytes name; /* belongs to the caller */
    uint64_t hash;
    struct entry *entry;   /* NULL: there is no such key */
    struct ht_probe probe; /* stands at the entry, if there is one */
};

/* The number of the database that the key is in. */
static inline size_t ks_db_number(const struct ks_key *key)
{
    return (size_t)(key->db - key->shard->dbs);
}

/* Locked. Finds a key; an entry whose deadline is not after now_ms is deleted and not found. */
struct ks_key ks_find(struct keyspace *ks, size_t db, bytes name, uint64_t hash, int64_t now_ms);

/* Locked. As ks_find, but leaves an entry whose deadline has passed where it is, only not found: for readers while
   nothing may change. Nothing may be stored through the result. */
struct ks_key ks_find_unchanged(struct keyspace *ks, size_t db, bytes name, uint64_t hash, int64_t now_ms);

/* Locked. Remembers that an existing key was used now. */
void ks_touch(struct ks_key *key, int64_t now_ms);
/* Any thread. Are times of use remembered at present, and not the frequency? */
static inline bool ks_keeps_times(const struct keyspace *ks)
{
    return atomic_load_explicit(&ks->access.kind, memory_order_relaxed) != ACCESS_FREQUENCY;
}
/* Locked. Seconds since the last use, and the decayed counter of uses. */
int64_t ks_idle_seconds(const struct ks_key *key, int64_t now_ms);
unsigned ks_frequency(const struct ks_key *key, int64_t now_ms);

/* In place of a deadline: leave the key's own, if it has one. */
#define KEEP_DEADLINE INT64_MIN

/* Locked. Makes the key a string of this value, creating or overwriting it. `value` must not point into the entry. The
   deadline is milliseconds since the epoch, NO_DEADLINE or KEEP_DEADLINE. The key counts as used now when it is new. */
MUST_USE enum ks_status ks_put_string(struct ks_key *key, bytes value, enum string_encoding encoding,
                                      int64_t deadline_ms, int64_t now_ms);

/* Locked. As ks_put_string, of a string in its compressed form (compressed_make); the encoding is the string's. */
MUST_USE enum ks_status ks_put_compressed(struct ks_key *key, bytes compressed, enum string_encoding encoding,
                                          int64_t deadline_ms, int64_t now_ms);

/* Locked. Makes the key's string `len` bytes long (at most KS_VALUE_MAX; a missing key is created), its first bytes
   kept and new ones zero, its encoding raw, and gives its bytes for writing. It is stored uncompressed from then on. */
MUST_USE enum ks_status ks_resize_string(struct ks_key *key, size_t len, int64_t now_ms, char **data);

/* Locked. To so many bytes an existing key's string can be made longer where it is; 0: any change moves it. */
size_t ks_string_capacity(const struct ks_key *key);
/* The room that a string of `len` bytes gets where an existing one had to move. */
size_t ks_grown_capacity(size_t len);

/* Locked. Gives an existing key a deadline, or takes it away (NO_DEADLINE); the time of its item begins anew. */
MUST_USE enum ks_status ks_set_deadline(struct ks_key *key, int64_t deadline_ms, int64_t now_ms);

/* Locked. Deletes an existing key. */
void ks_delete(struct ks_key *key);

/* Both shards locked. Makes `to` a copy of the existing key `from` (value and deadline), replacing what it holds; the
   keys must be different. The copy counts as used now, for the first time. */
MUST_USE enum ks_status ks_copy(struct ks_key *from, struct ks_key *to, int64_t now_ms);
/* As ks_copy, but `from` is deleted, and what is remembered of its use goes with the value. */
MUST_USE enum ks_status ks_move(struct ks_key *from, struct ks_key *to);

/* Locked. Forgets all keys of a database in this shard at once; their memory is given back by ks_reclaim. */
void ks_flush(struct keyspace *ks, struct shard *shard, size_t db);

/* Locked. Exchanges two databases in this shard. */
void ks_swap(struct keyspace *ks, struct shard *shard, size_t a, size_t b);

/* Any thread, no lock held: frees up to about `count` flushed entries, or pages of 4 KiB. True when nothing is left to
 * free. */
bool ks_reclaim(struct keyspace *ks, size_t count);

/* Locked. Deletes keys of this shard whose deadline passed, handling at most `budget` wheel nodes; returns what is left
   of the budget, 0 when there may be more to do. */
size_t ks_expire(struct keyspace *ks, struct shard *shard, int64_t now_ms, size_t budget);

/* How far a scan may go; it counts down what it used. */
struct ks_scan_budget {
    size_t entries; /* may be overdrawn by the rest of a bucket, and then is 0 */
    size_t buckets; /* shards without a key cost none */
};

/* Locks one shard. Visits entries of a database from the cursor on until a part of the budget is used up or the shard
   has no more, and returns the next cursor, 0 at the end; see ht_scan for the guarantee. No entry is visited twice in
   one call. Entries past their deadline are visited too. The callback runs under the lock and must not change the
   shard. */
uint64_t ks_scan(struct keyspace *ks, size_t db, uint64_t cursor, struct ks_scan_budget *budget, ht_visit_fn *visit,
                 void *context);
/* Likewise, all entries of one shard under one lock. */
void ks_visit_shard(struct keyspace *ks, struct shard *shard, size_t db, ht_visit_fn *visit, void *context);

/* Locks one shard at a time. Passes a uniformly chosen entry that is not past its deadline to the callback, under the
   shard's lock; false when there is none. */
bool ks_random(struct keyspace *ks, size_t db, struct random *random, int64_t now_ms, ht_visit_fn *visit,
               void *context);

/* Bytes of memory that a key takes: its entry with its value, and its slot in the table. */
static inline size_t ks_entry_memory(const struct entry *entry)
{
    return entry_bytes(entry) + sizeof(struct ht_bucket) / HT_SLOTS;
}

/* Figures of one database, or of all of them. */
struct ks_figures {
    size_t keys;
    size_t with_deadline;
    size_t locked_items; /* with a lock, whether it has run out or not */
    size_t buckets;      /* of the hash tables */
    size_t entry_bytes;
    size_t compressed; /* strings stored compressed, and what that saves in bytes before the allocator's rounding */
    size_t compression_saved;
    size_t table_bytes;
    size_t prefix_bytes;   /* of the prefix indexes */
    size_t eviction_bytes; /* of the whole keyspace, like the next: queues and ghosts */
    uint64_t expired;
    __int128 deadline_sum_ms;
};
enum { KS_ALL_DBS = -1 };

/* Locks one shard at a time; all at once while memory or keys are bounded. */
struct ks_figures ks_measure(struct keyspace *ks, int db);
/* Likewise, of one database: how many values there are of each size, added to `sizes`. */
void ks_measure_sizes(struct keyspace *ks, size_t db, struct ks_sizes *sizes);
void ks_reset_counters(struct keyspace *ks);

/* Locks one shard at a time; for tests: asserts every invariant of every shard. */
void ks_check(struct keyspace *ks);

/* The processor starts loading what a lookup of this hash will touch, in three steps that leave each other time: the
   bucket; the shard's lock, which other cores pull to themselves all the time; the entry. No lock is held; the last
   step takes the shard's for a moment, and does nothing if somebody has it. */
static inline void ks_prefetch(const struct keyspace *ks, size_t db, uint64_t hash)
{
    ht_prefetch(&ks->shards[ks_shard_index(ks, hash)].dbs[db].keys, hash);
}

static inline void ks_prefetch_lock(const struct keyspace *ks, uint64_t hash)
{
    if (ks->is_locking)
        __builtin_prefetch(&ks->shards[ks_shard_index(ks, hash)], 1);
}

static inline void ks_prefetch_entry(const struct keyspace *ks, size_t db, uint64_t hash)
{
    struct shard *shard = &ks->shards[ks_shard_index(ks, hash)];
    if (ks->is_locking && !lock_try(&shard->lock))
        return;
    ht_prefetch_items(&shard->dbs[db].keys, hash);
    if (ks->is_locking)
        lock_give(&shard->lock);
}

#endif

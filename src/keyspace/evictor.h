/* What eviction knows of one shard, for the files of the keyspace. Everything here belongs to the shard's lock. */
#ifndef LARDER_KEYSPACE_EVICTOR_H
#define LARDER_KEYSPACE_EVICTOR_H

#include "keyspace/evict.h"
#include "structs/fifo.h"
#include "structs/ghost.h"

enum { POOL_SIZE = 16 };

/* A key that was sampled and may be the next to go. */
struct candidate {
    uint64_t hash;
    size_t db;
    uint64_t score; /* the higher, the sooner it goes */
};

enum s3_queue { S3_SMALL, S3_MAIN };

/* Items of a queue: 44 bits of a key's hash and 20 of its ticket, see s3fifo.c. */
struct s3_line {
    struct fifo items;
    struct fifo cleaned; /* while stale items are taken out: the oldest items, without stale ones */
    bool is_cleaning;
    size_t live; /* entries that stand in this line; the other items are stale */
};

struct s3fifo {
    bool is_on; /* entries are put in line */
    struct s3_line lines[2];
    struct ghosts ghosts;
    double small_share; /* of all keys in line, to stand in the small queue */
    size_t full_keys;   /* keys in line when one was last evicted */
    uint32_t ticket;    /* of the entry last put in line */
    uint64_t ghost_hits[2];
};

/* Where a walk through all entries of the shard is. */
struct walk {
    size_t db;
    uint64_t cursor;
    bool is_done;
};

struct evictor {
    struct candidate pool[POOL_SIZE]; /* ascending by score */
    size_t pool_count;
    enum ks_choice pool_choice; /* by which the pool was filled */
    bool pool_is_volatile;
    struct s3fifo s3;
    struct walk ordering;  /* of ks_order */
    struct walk unranked;  /* of the search for entries without a rank */
    struct walk idle;      /* of ks_evict_idle */
    int64_t idle_begun_ms; /* when the last such pass began */
    bool is_idle_under_way;
    size_t metered_bytes;            /* of bytes below, so many are in the shard's meter */
    uint64_t evicted[2][KS_CHOICES]; /* [1]: by rules for keys with a deadline */
};

static inline size_t keys_in_line(const struct s3fifo *s3)
{
    return s3->lines[S3_SMALL].live + s3->lines[S3_MAIN].live;
}

/* Memory of the queues and ghosts. */
static inline size_t evictor_bytes(const struct evictor *evictor)
{
    const struct s3fifo *s3 = &evictor->s3;
    size_t bytes = s3->ghosts.bytes;
    for (int i = 0; i < 2; i++)
        bytes += s3->lines[i].items.bytes + s3->lines[i].cleaned.bytes;
    return bytes;
}

/* Takes an entry out because room is needed. */
void evict_entry(struct keyspace *ks, struct shard *shard, size_t db, struct entry *entry, enum ks_choice why,
                 bool is_volatile);

/* ---- s3fifo.c ---- */

/* A new key takes its place in line; without memory for that it stays outside, and ks_order comes by again. */
void s3_admit(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry, uint64_t hash);
/* Likewise one that was there already when lines began to be kept. */
void s3_adopt(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry, uint64_t hash);
/* An entry leaves its line: it goes, or lines are no longer kept. */
void s3_leave(struct shard *shard, struct db *db, struct entry *entry);
/* All entries of a database leave their lines. */
void s3_leave_all(struct shard *shard, struct db *db);
/* The counter of uses of an entry in line. */
void s3_touch(struct entry *entry);
unsigned s3_uses(const struct entry *entry);
void s3_set_uses(struct entry *entry, unsigned uses);
/* Takes a key out. */
enum ks_evicted s3_evict(struct keyspace *ks, struct shard *shard);
void s3_init(struct s3fifo *s3);
/* Forgets up to so many chunks of each line; true when all are gone. */
bool s3_clear(struct s3fifo *s3, size_t chunks);

/* For tests: asserts the invariants of the lines. */
void s3_check(struct keyspace *ks, struct shard *shard);

/* ---- sample.c ---- */

enum ks_evicted sample_evict(struct keyspace *ks, struct shard *shard, const struct ks_rule *rule, int64_t now_ms);

/* ---- rank.c ---- */

static inline bool is_bounded(const struct keyspace *ks)
{
    return unlikely(atomic_load_explicit(&ks->is_bounded, memory_order_relaxed));
}

/* Makes sure that entries of this database can have ranks; false when there is no memory. */
MUST_USE bool rank_prepare(struct db *db);
/* A new entry that has room for a rank comes last in order. */
void rank_enter(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry);
/* An entry takes the place of another of the same key; one of the two, at least, has a rank. */
void rank_inherit(struct keyspace *ks, struct shard *shard, struct db *db, struct entry *entry, struct entry *old);
void rank_leave(struct db *db, struct entry *entry);
/* The key was used: it comes last in order. */
void rank_use(struct ks_key *key);
/* Publishes the stamp of the shard's oldest entry. */
void rank_publish(struct keyspace *ks, struct shard *shard);
/* Counts a key that came, and keys that went. */
void rank_count_in(struct keyspace *ks, struct shard *shard);
void rank_count_out(struct keyspace *ks, struct shard *shard, size_t keys);
/* For tests: asserts the invariants of the order of use. */
void rank_check(struct keyspace *ks, struct shard *shard);

#endif

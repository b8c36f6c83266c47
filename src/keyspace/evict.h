/* Eviction: taking keys out to make room, by one of several rules. The keyspace decides which key goes; when one must
   go, and from which shard, is the engine's decision (engine/room.h).

   Bounds on memory. Memory is counted where it is taken: each shard has a meter, which hands what it counted to the
   keyspace's sum in steps, so that no line is written by every command of every thread; ks_metered_bytes is short by at
   most `meter_step` bytes a shard. Nothing is counted until ks_start_meter.

   Bounds on keys. From ks_start_bound on, every use of a key gets a stamp, so that the least recently used key of all
   shards is known exactly, and every new key is counted before it can be seen: who runs a command that may add keys
   reserves places for them first, and settles what was not used while the command's shards are still locked. */
#ifndef LARDER_KEYSPACE_EVICT_H
#define LARDER_KEYSPACE_EVICT_H

#include "keyspace/keyspace.h"

/* By what a key is chosen. */
enum ks_choice {
    KS_CHOOSE_NONE, /* nothing is evicted */
    KS_CHOOSE_LRU,  /* the longest unused of a sample */
    KS_CHOOSE_LFU,  /* the least used of a sample */
    KS_CHOOSE_RANDOM,
    KS_CHOOSE_TTL,    /* the nearest deadline */
    KS_CHOOSE_S3FIFO, /* see s3fifo.c */
    KS_CHOOSE_OLDEST, /* the least recently used of all: bounds on keys only */
    KS_CHOICES
};

struct ks_rule {
    enum ks_choice choice;
    bool is_volatile; /* only keys with a deadline may go */
    int samples;      /* entries looked at for LRU and LFU */
};

enum ks_evicted {
    KS_EVICTED_ONE,
    KS_EVICTED_NOT_YET, /* work was done, but no key found in a bounded number of steps: ask again */
    KS_EVICTED_NONE,    /* there is nothing here that the rule would take */
};

/* Locked. Takes a key of this shard out by the rule, doing a bounded amount of work. */
MUST_USE enum ks_evicted ks_evict(struct keyspace *ks, struct shard *shard, const struct ks_rule *rule, int64_t now_ms);

/* Locked. Goes on with what a change of the way in which uses are remembered leaves to do, for about `budget` entries;
   true when nothing is left. */
bool ks_order(struct keyspace *ks, struct shard *shard, size_t budget, int64_t now_ms);

/* Locks one shard at a time, unless all are held. From now on memory is counted, until is_metered is set to false. */
void ks_start_meter(struct keyspace *ks);

/* Locked. Hands what the shard kept to itself to the sum, so that what was just freed is seen. */
void ks_publish_meter(struct keyspace *ks, struct shard *shard);

/* Bytes of all shards, and of what waits to be freed. Any thread. */
size_t ks_metered_bytes(const struct keyspace *ks);

/* No lock held. From now on keys are counted and ranked, until is_bounded is set to false. Keys that have not
   been used since have no rank: they are all older than those that have. */
void ks_start_bound(struct keyspace *ks);

/* Keys that are there, and reserved places. Any thread. */
size_t ks_keys_and_places(const struct keyspace *ks);

/* Any thread. Reserves `count` places for new keys if there are then no more than `most` keys and places. */
MUST_USE bool ks_reserve_keys(struct keyspace *ks, size_t count, size_t most);
void ks_unreserve_keys(struct keyspace *ks, size_t count);

/* Locked. Between these two, new keys of the shard are not counted: the thread that runs a command here does it, by
   ks_settle_keys, before it unlocks the shards. Both return the number of keys ever added to the shard. */
size_t ks_begin_adding(struct shard *shard);
size_t ks_end_adding(struct shard *shard);
/* So many keys were added, and so many reserved places are given up. */
void ks_settle_keys(struct keyspace *ks, size_t added, size_t reserved);

/* Takes out the least recently used key, of all shards or of those that this thread holds. When it holds none, locks
   one shard at a time. */
MUST_USE enum ks_evicted ks_evict_oldest(struct keyspace *ks, bool is_locked_only);

/* What eviction did and has, for INFO. */
struct ks_eviction_figures {
    uint64_t evicted[KS_CHOICES]; /* keys by choice; of volatile rules together with the others */
    uint64_t evicted_volatile[KS_CHOICES];
    uint64_t ghost_hits[2]; /* keys that came back soon after they had been evicted from the small or main queue */
    size_t queued[2];       /* keys in the small and the main queue */
    size_t ghosts[2];       /* remembered keys that were evicted from them */
    size_t state_bytes;     /* memory of queues and ghosts */
    double small_share;     /* of the small queue in all keys, as aimed at: mean of the shards */
};

/* Locks one shard at a time. */
struct ks_eviction_figures ks_measure_eviction(struct keyspace *ks);

/* Locked. Deletes every entry that was not used for so many seconds; looks at so many buckets of the shard's tables,
   and goes on there with the next call. True at the end of a pass. */
bool ks_evict_idle(struct keyspace *ks, struct shard *shard, int64_t idle_s, int64_t now_ms, size_t buckets);
/* Locked. Is a pass of that under way, or is a new one due and wanted? Then it has begun. */
bool ks_may_evict_idle(struct shard *shard, int64_t now_ms, int64_t every_ms, bool is_wanted);

#endif

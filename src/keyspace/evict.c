/* Eviction from one shard, by whatever rule; see evict.h. The rules themselves are in s3fifo.c, sample.c and rank.c. */
#include "keyspace/evict.h"

#include "keyspace/evictor.h"
#include "keyspace/internal.h"

enum { CHUNKS_FREED = 16, ORDERED_IN_PASSING = 8 };

void evict_entry(struct keyspace *ks, struct shard *shard, size_t db, struct entry *entry, enum ks_choice why,
                 bool is_volatile)
{
    struct ks_key key = {
        .ks = ks,
        .shard = shard,
        .db = &shard->dbs[db],
        .name = entry_key(entry),
        .hash = ks_hash(ks, entry_key(entry)),
        .entry = entry,
    };
    key.probe = ht_probe(&key.db->keys, key.hash);
    while (ht_probe_next(&key.probe) != entry)
        continue;
    shard->evictor->evicted[is_volatile][why]++;
    ks_remove(&key, KS_EVICTED);
}

static uint64_t next_random(void *context)
{
    return random_next(context);
}

/* A key of the whole shard, each as likely as any other. */
static enum ks_evicted evict_random(struct keyspace *ks, struct shard *shard, enum ks_choice why)
{
    size_t keys = 0;
    for (size_t i = 0; i < ks->db_count; i++)
        keys += shard->dbs[i].keys.used;
    if (keys == 0)
        return KS_EVICTED_NONE;
    size_t place = (size_t)random_below(&shard->random, keys);
    size_t db = 0;
    for (; place >= shard->dbs[db].keys.used; db++)
        place -= shard->dbs[db].keys.used;
    evict_entry(ks, shard, db, ht_random(&shard->dbs[db].keys, next_random, &shard->random), why, false);
    return KS_EVICTED_ONE;
}

/* A key of the queues; while they are still to be set up, keys outside them go at random. */
static enum ks_evicted evict_queued(struct keyspace *ks, struct shard *shard, int64_t now_ms)
{
    ks_order(ks, shard, ORDERED_IN_PASSING, now_ms);
    enum ks_evicted result = shard->evictor->s3.is_on ? s3_evict(ks, shard) : KS_EVICTED_NONE;
    return result == KS_EVICTED_NONE ? evict_random(ks, shard, KS_CHOOSE_S3FIFO) : result;
}

static enum ks_evicted evict(struct keyspace *ks, struct shard *shard, const struct ks_rule *rule, int64_t now_ms)
{
    switch (rule->choice) {
    case KS_CHOOSE_S3FIFO:
        return evict_queued(ks, shard, now_ms);
    case KS_CHOOSE_RANDOM:
        if (!rule->is_volatile)
            return evict_random(ks, shard, KS_CHOOSE_RANDOM);
        return sample_evict(ks, shard, rule, now_ms);
    case KS_CHOOSE_LRU:
    case KS_CHOOSE_LFU:
    case KS_CHOOSE_TTL:
        return sample_evict(ks, shard, rule, now_ms);
    default:
        return KS_EVICTED_NONE;
    }
}

enum ks_evicted ks_evict(struct keyspace *ks, struct shard *shard, const struct ks_rule *rule, int64_t now_ms)
{
    assert(ks_is_locked(shard));
    enum ks_evicted result = evict(ks, shard, rule, now_ms);
    meter_evictor(ks, shard);
    return result;
}

/* ---- A change of the way in which uses are remembered ---- */

/* What is to be done with each entry. */
struct ordering {
    struct keyspace *ks;
    struct shard *shard;
    struct db *db;
    int64_t now_ms;
    size_t visited;
};

static void put_in_line(void *context, void *item)
{
    struct ordering *ordering = context;
    struct entry *entry = item;
    ordering->visited++;
    if (!(entry->flags & ENTRY_IS_QUEUED))
        s3_adopt(ordering->ks, ordering->shard, ordering->db, entry, ks_hash(ordering->ks, entry_key(entry)));
}

static void take_out_of_line(void *context, void *item)
{
    struct ordering *ordering = context;
    struct entry *entry = item;
    ordering->visited++;
    if (!(entry->flags & ENTRY_IS_QUEUED))
        return;
    s3_leave(ordering->shard, ordering->db, entry);
    access_start(&ordering->ks->access, entry, ordering->now_ms);
}

/* Visits about `budget` entries more. True when the walk is at its end. */
static bool walk_on(struct walk *walk, struct ordering *ordering, ht_visit_fn *visit, size_t budget)
{
    while (!walk->is_done && ordering->visited < budget) {
        ordering->db = &ordering->shard->dbs[walk->db];
        walk->cursor = ht_scan(&ordering->db->keys, walk->cursor, visit, ordering);
        ordering->visited++; /* an empty bucket is work too */
        if (walk->cursor == 0)
            walk->is_done = ++walk->db == ordering->ks->db_count;
    }
    return walk->is_done;
}

/* Lines begin to be kept, or are given up: where the walk begins. */
static void switch_lines(struct evictor *evictor, bool is_on)
{
    if (is_on)
        s3_init(&evictor->s3);
    else
        ghosts_free(&evictor->s3.ghosts);
    evictor->s3.is_on = is_on;
    evictor->ordering = (struct walk){0};
}

static bool order(struct keyspace *ks, struct shard *shard, bool is_wanted, size_t budget, int64_t now_ms)
{
    struct evictor *evictor = shard->evictor;
    struct s3fifo *s3 = &evictor->s3;
    struct ordering ordering = {.ks = ks, .shard = shard, .now_ms = now_ms};
    if (s3->is_on && !is_wanted)
        switch_lines(evictor, false);
    if (s3->is_on)
        return walk_on(&evictor->ordering, &ordering, put_in_line, budget);
    bool is_clear = s3_clear(s3, CHUNKS_FREED);
    if (keys_in_line(s3) > 0 && walk_on(&evictor->ordering, &ordering, take_out_of_line, budget))
        evictor->ordering = (struct walk){0};
    if (!is_clear || keys_in_line(s3) > 0)
        return false;
    if (is_wanted)
        switch_lines(evictor, true);
    return !is_wanted;
}

/* Lines are kept when and only when the policy wants them. Entries that are left from an earlier time leave their lines
   before new ones begin. */
bool ks_order(struct keyspace *ks, struct shard *shard, size_t budget, int64_t now_ms)
{
    assert(ks_is_locked(shard));
    const struct evictor *evictor = shard->evictor;
    bool is_wanted = access_kind(&ks->access) == ACCESS_QUEUE;
    bool is_in_order = evictor->s3.is_on ? evictor->ordering.is_done : keys_in_line(&evictor->s3) == 0;
    if (likely(is_wanted == evictor->s3.is_on) && likely(is_in_order))
        return true;
    bool is_done = order(ks, shard, is_wanted, budget, now_ms);
    meter_evictor(ks, shard);
    return is_done;
}

struct ks_eviction_figures ks_measure_eviction(struct keyspace *ks)
{
    struct ks_eviction_figures figures = {0};
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        bool was_taken = ks_enter(ks, shard);
        const struct evictor *evictor = shard->evictor;
        const struct s3fifo *s3 = &evictor->s3;
        for (int j = 0; j < KS_CHOICES; j++) {
            figures.evicted[j] += evictor->evicted[0][j];
            figures.evicted_volatile[j] += evictor->evicted[1][j];
        }
        for (int j = 0; j < 2; j++) {
            figures.ghost_hits[j] += s3->ghost_hits[j];
            figures.queued[j] += s3->lines[j].live;
            figures.ghosts[j] += s3->ghosts.kinds[j].known;
        }
        figures.state_bytes += evictor_bytes(evictor);
        figures.small_share += s3->small_share / (double)ks->shard_count;
        ks_leave(ks, shard, was_taken);
    }
    return figures;
}

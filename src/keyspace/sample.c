/* Redis's policies: the best of a sample goes. Each round looks at a few entries of every database and keeps the best
   sixteen seen so far in a pool, from which the best is taken, if it is still as good as it was when it was seen.

   A sample is a bucket at a random place and those that a scan would visit next. For rules that take only keys with a
   deadline, a sample of all keys would find too few where such keys are rare; then it is taken from the timing wheel.
 */
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

enum {
    ROUNDS = 4,
    RARE = 8, /* of so many keys, one has a deadline: below this, samples come from the wheel */
    SAMPLES_MAX = 64,
};

struct sampling {
    struct keyspace *ks;
    struct shard *shard;
    size_t db;
    const struct ks_rule *rule;
    int64_t now_ms;
    int left;
};

/* How good it would be to evict this entry. */
static uint64_t score(const struct keyspace *ks, const struct ks_rule *rule, const struct entry *entry, int64_t now_ms)
{
    switch (rule->choice) {
    case KS_CHOOSE_LFU:
        return 255 - access_frequency(&ks->access, entry, now_ms);
    case KS_CHOOSE_TTL:
        return (uint64_t)(INT64_MAX - entry_deadline_ms(entry));
    case KS_CHOOSE_LRU:
        return (uint64_t)access_idle_seconds(entry, now_ms);
    default:
        return 0;
    }
}

static bool is_in_pool(const struct evictor *evictor, uint64_t hash, size_t db)
{
    for (size_t i = 0; i < evictor->pool_count; i++)
        if (evictor->pool[i].hash == hash && evictor->pool[i].db == db)
            return true;
    return false;
}

/* Puts a candidate in its place; of a full pool the worst goes. */
static void put_in_pool(struct evictor *evictor, struct candidate candidate)
{
    struct candidate *pool = evictor->pool;
    if (evictor->pool_count == POOL_SIZE)
        memmove(&pool[0], &pool[1], --evictor->pool_count * sizeof(pool[0]));
    size_t place = evictor->pool_count++;
    for (; place > 0 && pool[place - 1].score > candidate.score; place--)
        pool[place] = pool[place - 1];
    pool[place] = candidate;
}

static void sample_entry(void *context, void *item)
{
    struct sampling *sampling = context;
    struct evictor *evictor = sampling->shard->evictor;
    const struct entry *entry = item;
    if (sampling->rule->is_volatile && !(entry->flags & ENTRY_HAS_DEADLINE))
        return;
    sampling->left--; /* below 0 for the rest of a bucket: all its places must be as likely as each other */
    struct candidate candidate = {
        .db = sampling->db,
        .score = score(sampling->ks, sampling->rule, entry, sampling->now_ms),
    };
    if (evictor->pool_count == POOL_SIZE && candidate.score <= evictor->pool[0].score)
        return;
    candidate.hash = ks_hash(sampling->ks, entry_key(entry));
    if (!is_in_pool(evictor, candidate.hash, candidate.db))
        put_in_pool(evictor, candidate);
}

static void sample_node(void *context, struct wheel_node *node)
{
    sample_entry(context, entry_of_deadline_node(node));
}

static void sample_table(struct sampling *sampling, const struct db *db)
{
    uint64_t cursor = random_next(&sampling->shard->random);
    for (int buckets = 0; buckets < RARE * SAMPLES_MAX && sampling->left > 0; buckets++)
        cursor = ht_scan(&db->keys, cursor, sample_entry, sampling);
}

static void sample_database(struct sampling *sampling, struct db *db)
{
    sampling->left = sampling->rule->samples;
    if (sampling->rule->choice == KS_CHOOSE_TTL)
        wheel_visit_soonest(db->deadlines, SAMPLES_MAX, sample_node, sampling);
    else if (sampling->rule->is_volatile && db->with_deadline < db->keys.used / RARE)
        wheel_sample(db->deadlines, (size_t)sampling->left, random_next(&sampling->shard->random), sample_node,
                     sampling);
    else
        sample_table(sampling, db);
}

/* Looks at some entries of each database; false when there are none that the rule would take. */
static bool fill_pool(struct sampling *sampling)
{
    bool is_any = false;
    for (size_t i = 0; i < sampling->ks->db_count; i++) {
        struct db *db = &sampling->shard->dbs[i];
        if ((sampling->rule->is_volatile ? db->with_deadline : db->keys.used) == 0)
            continue;
        is_any = true;
        sampling->db = i;
        sample_database(sampling, db);
    }
    return is_any;
}

/* The candidate's entry, if it is still there and still as good. */
static struct entry *find_candidate(const struct sampling *sampling, const struct candidate *candidate)
{
    const struct db *db = &sampling->shard->dbs[candidate->db];
    struct ht_probe probe = ht_probe(&db->keys, candidate->hash);
    struct entry *entry;
    while ((entry = ht_probe_next(&probe)) != NULL)
        if (ks_hash(sampling->ks, entry_key(entry)) == candidate->hash)
            break;
    if (entry == NULL || (sampling->rule->is_volatile && !(entry->flags & ENTRY_HAS_DEADLINE)))
        return NULL;
    return score(sampling->ks, sampling->rule, entry, sampling->now_ms) >= candidate->score ? entry : NULL;
}

static bool evict_best(const struct sampling *sampling)
{
    struct evictor *evictor = sampling->shard->evictor;
    while (evictor->pool_count > 0) {
        struct candidate best = evictor->pool[--evictor->pool_count];
        struct entry *entry = find_candidate(sampling, &best);
        if (entry == NULL)
            continue;
        evict_entry(sampling->ks, sampling->shard, best.db, entry, sampling->rule->choice, sampling->rule->is_volatile);
        return true;
    }
    return false;
}

/* A pool that was filled by another rule is of no use. */
static void prepare_pool(struct evictor *evictor, const struct ks_rule *rule)
{
    /* at random, none is better than another, so that none is worth keeping for the next time */
    if (evictor->pool_choice != rule->choice || evictor->pool_is_volatile != rule->is_volatile ||
        rule->choice == KS_CHOOSE_RANDOM)
        evictor->pool_count = 0;
    evictor->pool_choice = rule->choice;
    evictor->pool_is_volatile = rule->is_volatile;
}

enum ks_evicted sample_evict(struct keyspace *ks, struct shard *shard, const struct ks_rule *rule, int64_t now_ms)
{
    struct sampling sampling = {.ks = ks, .shard = shard, .rule = rule, .now_ms = now_ms};
    prepare_pool(shard->evictor, rule);
    for (int round = 0; round < ROUNDS; round++) {
        if (!fill_pool(&sampling))
            return KS_EVICTED_NONE;
        if (evict_best(&sampling))
            return KS_EVICTED_ONE;
    }
    return KS_EVICTED_NOT_YET;
}

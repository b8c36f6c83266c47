/* Deleting what was not used for long, in bounded steps; see evict.h. Entries are found by a walk through the tables,
   and taken out between two buckets of it. */
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

enum { IDLE_AT_ONCE = 64 }; /* entries of one bucket; more of them are left to the next pass */

struct finding {
    struct entry *found[IDLE_AT_ONCE];
    size_t count;
    int64_t idle_s;
    int64_t now_ms;
};

static void find_idle(void *context, void *item)
{
    struct finding *finding = context;
    if (finding->count < IDLE_AT_ONCE && access_idle_seconds(item, finding->now_ms) >= finding->idle_s)
        finding->found[finding->count++] = item;
}

bool ks_evict_idle(struct keyspace *ks, struct shard *shard, int64_t idle_s, int64_t now_ms, size_t buckets)
{
    struct walk *walk = &shard->evictor->idle;
    assert(ks_is_locked(shard));
    while (walk->db < ks->db_count && buckets-- > 0) {
        struct db *db = &shard->dbs[walk->db];
        struct finding finding = {.idle_s = idle_s, .now_ms = now_ms};
        if (db->keys.used > 0)
            walk->cursor = ht_scan(&db->keys, walk->cursor, find_idle, &finding);
        for (size_t i = 0; i < finding.count; i++)
            evict_entry(ks, shard, walk->db, finding.found[i], KS_CHOOSE_LRU, false);
        if (walk->cursor == 0 || db->keys.used == 0) {
            walk->cursor = 0;
            walk->db++;
        }
    }
    if (walk->db < ks->db_count)
        return false;
    *walk = (struct walk){0};
    shard->evictor->is_idle_under_way = false;
    return true;
}

bool ks_may_evict_idle(struct shard *shard, int64_t now_ms, int64_t every_ms, bool is_wanted)
{
    struct evictor *evictor = shard->evictor;
    if (evictor->is_idle_under_way)
        return true;
    if (!is_wanted || now_ms - evictor->idle_begun_ms < every_ms)
        return false;
    evictor->idle_begun_ms = now_ms;
    evictor->is_idle_under_way = true;
    return true;
}

/* Counting memory while it is in use; see evict.h. A database is counted anew after each change of it, and the
   difference goes to the shard's meter; when that holds more than a step, it goes on to the keyspace's sum. So nothing
   has to be right before the meter is started: the first count of each database brings all of it in. */
#include "base/mem.h"
#include "keyspace/evictor.h"
#include "keyspace/internal.h"

size_t db_bytes(const struct db *db)
{
    return db->entry_bytes + db->keys.bytes + mem_size(db->deadlines) + mem_size(db->sizes) + mem_size(db->ranks) +
           prefix_bytes(db);
}

void ks_publish_meter(struct keyspace *ks, struct shard *shard)
{
    struct meter *meter = &shard->meter;
    ptrdiff_t bytes = meter->unpublished;
    meter->unpublished = 0;
    atomic_fetch_add_explicit(&ks->used_bytes, bytes, memory_order_relaxed);
    size_t sum = atomic_load_explicit(&meter->bytes, memory_order_relaxed);
    atomic_store_explicit(&meter->bytes, sum + (size_t)bytes, memory_order_relaxed);
}

void meter_db(struct keyspace *ks, struct shard *shard, struct db *db)
{
    struct meter *meter = &shard->meter;
    struct evictor *evictor = shard->evictor;
    size_t bytes = db_bytes(db);
    size_t eviction = evictor_bytes(evictor);
    meter->unpublished += (ptrdiff_t)(bytes - db->metered_bytes) + (ptrdiff_t)(eviction - evictor->metered_bytes);
    db->metered_bytes = bytes;
    evictor->metered_bytes = eviction;
    ptrdiff_t step = (ptrdiff_t)atomic_load_explicit(&ks->meter_step, memory_order_relaxed);
    if (meter->unpublished > step || meter->unpublished < -step)
        ks_publish_meter(ks, shard);
}

bool meter_is_right(const struct keyspace *ks, const struct shard *shard)
{
    return atomic_load_explicit(&ks->is_metered, memory_order_acquire) &&
           shard->meter.start == atomic_load_explicit(&ks->meter_start, memory_order_relaxed);
}

void ks_start_meter(struct keyspace *ks)
{
    unsigned start = atomic_fetch_add_explicit(&ks->meter_start, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&ks->is_metered, true, memory_order_release);
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        bool was_taken = ks_enter(ks, shard);
        shard->meter.start = start;
        for (size_t j = 0; j < ks->db_count; j++)
            meter_db(ks, shard, &shard->dbs[j]);
        ks_publish_meter(ks, shard);
        ks_leave(ks, shard, was_taken);
    }
}

size_t ks_metered_bytes(const struct keyspace *ks)
{
    ptrdiff_t used = atomic_load_explicit(&ks->used_bytes, memory_order_relaxed);
    return (used > 0 ? (size_t)used : 0) + atomic_load_explicit(&ks->garbage_bytes, memory_order_relaxed);
}

/* Adding memory up; see footprint.h. */
#include "engine/footprint.h"

#include "engine/engine.h"

static void measure_beside_keys(struct larder *engine, struct footprint *footprint)
{
    footprint->clients = session_measure(&engine->sessions).memory;
    footprint->statistics =
        command_stats_memory(engine) + error_stats_memory(engine) + hotkeys_memory(&engine->hotkeys);
    footprint->logs = slowlog_memory(&engine->slowlog) + latency_memory(&engine->latency);
}

static size_t load_garbage(struct larder *engine)
{
    return atomic_load_explicit(&engine->keyspace.garbage_bytes, memory_order_relaxed);
}

/* What becomes garbage while the shards are looked at has been counted there, maybe: it is left out, so that nothing
   counts twice. */
struct footprint footprint_measure(struct larder *engine)
{
    size_t garbage_before = load_garbage(engine);
    struct ks_figures data = ks_measure(&engine->keyspace, KS_ALL_DBS);
    size_t garbage_after = load_garbage(engine);
    struct footprint footprint = {
        .entries = data.entry_bytes,
        .tables = data.table_bytes,
        .prefixes = data.prefix_bytes,
        .eviction = data.eviction_bytes,
        .flushed = garbage_after < garbage_before ? garbage_after : garbage_before,
        .keys = data.keys,
        .compressed = data.compressed,
        .compression_saved = data.compression_saved,
    };
    measure_beside_keys(engine, &footprint);
    return footprint;
}

size_t footprint_sum(const struct footprint *footprint)
{
    return footprint->entries + footprint->tables + footprint->prefixes + footprint->eviction + footprint->flushed +
           footprint->clients + footprint->statistics + footprint->logs;
}

size_t footprint_beside_keys(struct larder *engine)
{
    struct footprint footprint = {0};
    measure_beside_keys(engine, &footprint);
    return footprint_sum(&footprint);
}

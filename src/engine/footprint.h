/* What the engine's memory is used for. The parts add up to what INFO calls used_memory, and to what maxmemory limits
   (engine/room.h): whatever grows with data, clients or use is one of them; what an engine has from the beginning is
   not counted. */
#ifndef LARDER_ENGINE_FOOTPRINT_H
#define LARDER_ENGINE_FOOTPRINT_H

#include <stddef.h>

struct larder;

/* Bytes, as the allocator hands them out. */
struct footprint {
    size_t entries;    /* keys and values */
    size_t tables;     /* hash tables and timing wheels */
    size_t prefixes;   /* the prefix index */
    size_t eviction;   /* queues and ghosts of allkeys-s3fifo */
    size_t flushed;    /* of flushed databases and large values, not given back yet */
    size_t clients;    /* sessions with input, output, queued commands, watches and subscriptions */
    size_t statistics; /* counters and times by command, counts by error, hot keys */
    size_t logs;       /* the slow log, samples of the latency monitor */
    size_t keys;       /* how many: no part of the sum */

    /* neither are these */
    size_t compressed;        /* strings stored compressed */
    size_t compression_saved; /* bytes by which those would be larger, before the allocator's rounding */
};

/* Locks shards, the registry of sessions and others, one after the other. */
struct footprint footprint_measure(struct larder *engine);

size_t footprint_sum(const struct footprint *footprint);

/* The parts that are not in the keyspace, together. Locks no shard. */
size_t footprint_beside_keys(struct larder *engine);

#endif

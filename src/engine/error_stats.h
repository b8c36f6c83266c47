/* How often each error code was replied: INFO's errorstats. A code is the first word of an error, as in "WRONGTYPE
   Operation against...". Clients can make codes up (scripts may), so there is an end to them: further ones are counted
   together. Each executor counts for itself, under a lock of its own that only a reader ever contends for. */
#ifndef LARDER_ENGINE_ERROR_STATS_H
#define LARDER_ENGINE_ERROR_STATS_H

#include "base/bytes.h"
#include "base/lock.h"

#include <stdint.h>

struct larder;

enum {
    ERROR_CODE_MAX = 30, /* bytes; an error whose first word is longer counts as ERR */
    ERROR_CODES_MAX = 128,
};

struct error_count {
    char code[ERROR_CODE_MAX + 1];
    uint64_t count;
};

/* Zeroed memory but for the lock is an empty one. */
struct error_stats {
    struct lock lock;
    struct error_count *counts; /* lock: in the order of their first appearance */
    size_t used;                /* lock: at most ERROR_CODES_MAX */
    size_t room;                /* lock */
    uint64_t further;           /* lock: errors of codes that had no place */
};

void error_stats_init(struct error_stats *stats);
void error_stats_free(struct error_stats *stats);

/* Counts an error reply ("CODE message"). */
void error_stats_count(struct error_stats *stats, bytes error);

/* The sum over all executors, sorted by code, into `sum`, which is a fresh one and to be freed. Takes the lock of the
   executors' list. */
void error_stats_sum(struct larder *engine, struct error_stats *sum);

/* With the lock of the executors' list held. retire: adds what an executor that is about to go has counted. */
void error_stats_retire(struct larder *engine, struct error_stats *stats);
void error_stats_reset(struct larder *engine);
size_t error_stats_memory(struct larder *engine);

#endif

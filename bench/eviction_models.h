/* Eviction policies as their papers describe them, over objects that are numbers: what Larder's own policy is measured
   beside, and tested against. Plain and without any care for speed. */
#ifndef LARDER_BENCH_EVICTION_MODELS_H
#define LARDER_BENCH_EVICTION_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum model_kind {
    MODEL_LRU,    /* the least recently used goes */
    MODEL_SIEVE,  /* Zhang and others, NSDI 2024 */
    MODEL_S3FIFO, /* Yang and others, SOSP 2023: small queue a tenth, ghosts as many as the main queue has places */
};

struct model;

/* A cache for `capacity` of the objects 0 to `objects` - 1; NULL when there is no memory. */
struct model *model_new(enum model_kind kind, size_t capacity, size_t objects);
void model_free(struct model *model);

/* The object is asked for, and put into the cache if it is not there; was it? */
bool model_access(struct model *model, uint32_t object);

#endif

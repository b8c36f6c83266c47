/* Figures that only looking again and again can give: commands and bytes per second, and the most memory that was in
   use. The engine's upkeep takes the samples, on whatever thread it happens to run; an engine without upkeep has none.
 */
#ifndef LARDER_ENGINE_SAMPLER_H
#define LARDER_ENGINE_SAMPLER_H

#include "base/lock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct larder;

enum {
    SAMPLER_INTERVAL_MS = 100,
    SAMPLER_RING = 16,         /* samples kept: rates are over the last second and a half */
    SAMPLER_MEMORY_EVERY = 10, /* memory is looked at in every tenth, because all shards are locked for it in turn */
};

/* The counters as they stood at one moment. */
struct sample {
    int64_t at_ns; /* of the monotonic clock: rates are about real time, whatever the engine's clock shows */
    uint64_t commands;
    uint64_t input_bytes;
    uint64_t output_bytes;
};

struct sampler {
    _Atomic int64_t due_ns; /* who moves it on takes the sample */
    struct lock lock;
    struct sample ring[SAMPLER_RING]; /* lock */
    uint64_t taken;    /* lock: samples since the last reset; the newest is ring[(taken - 1) % SAMPLER_RING] */
    size_t peak_bytes; /* lock */
};

void sampler_init(struct sampler *sampler);
void sampler_free(struct sampler *sampler);

/* Takes a sample if one is due. Any thread that holds no lock. */
void sampler_run(struct larder *engine);

/* The counters begin anew: rates do too. The peak stays. */
void sampler_reset(struct sampler *sampler);

/* Per second, over the samples that there are; all 0 while there are fewer than two. */
struct rates {
    double commands;
    double input_bytes;
    double output_bytes;
};
struct rates sampler_rates(struct sampler *sampler);

/* So much memory is in use now; returns the most that ever was. */
size_t sampler_note_memory(struct sampler *sampler, size_t used_bytes);

#endif

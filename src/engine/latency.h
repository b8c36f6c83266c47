/* The latency monitor: what took latency-monitor-threshold milliseconds or longer, by kind of event, as at most one
   sample a second. A threshold of 0 turns it off. Any thread notes; one lock, held for a few words. */
#ifndef LARDER_ENGINE_LATENCY_H
#define LARDER_ENGINE_LATENCY_H

#include "base/common.h"
#include "base/lock.h"
#include "base/stopwatch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

enum latency_event {
    LATENCY_COMMAND,        /* a command that may take long */
    LATENCY_FAST_COMMAND,   /* one that should not */
    LATENCY_EXPIRE_CYCLE,   /* removing keys whose deadline has passed */
    LATENCY_EVICTION_CYCLE, /* making room */
    LATENCY_EVENTS,
};

enum { LATENCY_SAMPLES = 160 };

struct latency_sample {
    int64_t at_s; /* since the epoch */
    uint32_t ms;
};

struct latency_series {
    struct latency_sample samples[LATENCY_SAMPLES]; /* a ring */
    uint64_t taken;                                 /* the newest is samples[(taken - 1) % LATENCY_SAMPLES] */
    uint32_t worst_ms;                              /* ever, or since a reset */
};

struct latency {
    _Atomic uint64_t threshold_ns; /* UINT64_MAX: nothing is noted */
    struct lock lock;
    struct latency_series *series[LATENCY_EVENTS]; /* lock: NULL while nothing was noted */
};

void latency_init(struct latency *latency);
void latency_free(struct latency *latency);

/* The configuration has changed. */
void latency_configure(struct latency *latency, struct config *config);

/* Is the monitor on? Then it is worth measuring. */
static inline bool latency_is_on(const struct latency *latency)
{
    return atomic_load_explicit(&latency->threshold_ns, memory_order_relaxed) != UINT64_MAX;
}

static inline bool latency_wants(const struct latency *latency, uint64_t duration_ns)
{
    return duration_ns >= atomic_load_explicit(&latency->threshold_ns, memory_order_relaxed);
}

/* Notes that something took so long, if it took too long; at_s is the engine's time. Without memory it is not noted. */
void latency_note(struct latency *latency, enum latency_event event, int64_t at_s, uint64_t duration_ns);

/* Around something that may take long: what latency_begin returned goes to latency_end. While the monitor is off the
   clock is not read. */
static inline uint64_t latency_begin(const struct latency *latency, const struct stopwatch *stopwatch)
{
    return unlikely(latency_is_on(latency)) ? stopwatch_ticks(stopwatch) : 0;
}
static inline void latency_end(struct latency *latency, const struct stopwatch *stopwatch, uint64_t begun,
                               enum latency_event event, int64_t at_s)
{
    if (unlikely(begun != 0))
        latency_note(latency, event, at_s, stopwatch_ns(stopwatch, begun, stopwatch_ticks(stopwatch)));
}

/* "command", "fast-command", ... */
const char *latency_event_name(enum latency_event event);

/* Copies what is known of an event; false when nothing was noted. */
MUST_USE bool latency_copy(struct latency *latency, enum latency_event event, struct latency_series *to);
/* The samples of a copy, oldest first: how many there are, and the i-th of them. */
size_t latency_count(const struct latency_series *series);
const struct latency_sample *latency_at(const struct latency_series *series, size_t i);

/* Forgets an event; false when there was nothing to forget. */
bool latency_reset(struct latency *latency, enum latency_event event);

size_t latency_memory(struct latency *latency);

#endif

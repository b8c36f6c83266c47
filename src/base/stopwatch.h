/* Measuring how long commands take: the cheapest steady clock of the machine. That is the processor's time stamp
   counter where it runs evenly whatever the processor does (a read costs 10 ns), the system's monotonic clock elsewhere
   (25 ns). For durations of real time only, never for what commands see. */
#ifndef LARDER_BASE_STOPWATCH_H
#define LARDER_BASE_STOPWATCH_H

#include "base/clock.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* Constant once it is made; any thread may use it. */
struct stopwatch {
    bool has_counter; /* ticks are the processor's, otherwise nanoseconds */
    uint64_t scale;   /* nanoseconds per tick, in units of 2^-32 */
};

/* Finds out what a tick is: takes a fifth of a millisecond where the processor's counter is used. */
void stopwatch_init(struct stopwatch *stopwatch);

static inline uint64_t stopwatch_ticks(const struct stopwatch *stopwatch)
{
#if defined(__x86_64__)
    if (stopwatch->has_counter)
        return __rdtsc();
#else
    (void)stopwatch;
#endif
    return (uint64_t)clock_monotonic_ns();
}

/* Nanoseconds between two readings; 0 when the second seems to lie before the first (the counters of two processors
   may be some ticks apart). */
static inline uint64_t stopwatch_ns(const struct stopwatch *stopwatch, uint64_t from, uint64_t to)
{
    return to > from ? (uint64_t)((unsigned __int128)(to - from) * stopwatch->scale >> 32) : 0;
}

#endif

/* The engine's only source of time: wall-clock time that an embedding program may freeze, set and advance. Everything
   that depends on time (deadlines, TIME, idle times, timeouts) asks this clock, once per batch of commands. */
#ifndef LARDER_BASE_CLOCK_H
#define LARDER_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Any thread may read or change a clock. */
struct clock {
    _Atomic int64_t frozen_us; /* the time shown while frozen; CLOCK_RUNNING while it follows the system */
    _Atomic int64_t offset_us; /* added to the system's time while running */
};

#define CLOCK_RUNNING INT64_MIN

void clock_init(struct clock *clock);

/* Microseconds since the Unix epoch. */
int64_t clock_now_us(const struct clock *clock);

/* Stops the clock where it stands; a frozen clock moves only by clock_set and clock_advance. */
void clock_freeze(struct clock *clock);
/* Lets it run on from the time that it shows. */
void clock_resume(struct clock *clock);
void clock_set(struct clock *clock, int64_t now_us);
void clock_advance(struct clock *clock, int64_t by_us);
bool clock_is_frozen(const struct clock *clock);

/* The system's monotonic time in nanoseconds: for measuring durations only, never for what commands see. */
int64_t clock_monotonic_ns(void);

#endif

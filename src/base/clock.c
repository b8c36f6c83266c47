/* The engine's clock; see clock.h. */
#include "base/clock.h"

#include <time.h>

static int64_t system_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void clock_init(struct clock *clock)
{
    atomic_init(&clock->frozen_us, CLOCK_RUNNING);
    atomic_init(&clock->offset_us, 0);
}

int64_t clock_now_us(const struct clock *clock)
{
    int64_t frozen = atomic_load_explicit(&clock->frozen_us, memory_order_acquire);
    if (frozen != CLOCK_RUNNING)
        return frozen;
    return system_us() + atomic_load_explicit(&clock->offset_us, memory_order_relaxed);
}

bool clock_is_frozen(const struct clock *clock)
{
    return atomic_load_explicit(&clock->frozen_us, memory_order_acquire) != CLOCK_RUNNING;
}

void clock_freeze(struct clock *clock)
{
    if (!clock_is_frozen(clock))
        atomic_store_explicit(&clock->frozen_us, clock_now_us(clock), memory_order_release);
}

void clock_resume(struct clock *clock)
{
    if (!clock_is_frozen(clock))
        return;
    atomic_store_explicit(&clock->offset_us, clock_now_us(clock) - system_us(), memory_order_relaxed);
    atomic_store_explicit(&clock->frozen_us, CLOCK_RUNNING, memory_order_release);
}

void clock_set(struct clock *clock, int64_t now_us)
{
    if (clock_is_frozen(clock))
        atomic_store_explicit(&clock->frozen_us, now_us, memory_order_release);
    else
        atomic_store_explicit(&clock->offset_us, now_us - system_us(), memory_order_relaxed);
}

void clock_advance(struct clock *clock, int64_t by_us)
{
    if (clock_is_frozen(clock))
        atomic_fetch_add_explicit(&clock->frozen_us, by_us, memory_order_acq_rel);
    else
        atomic_fetch_add_explicit(&clock->offset_us, by_us, memory_order_relaxed);
}

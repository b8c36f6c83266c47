/* What a tick is worth; see stopwatch.h. */
#include "base/stopwatch.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { CALIBRATION_NS = 200 * 1000, ATTEMPTS = 5 };

/* Does the counter run at one rate, in every state of the processor? */
static bool is_counter_even(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1U << 8);
}

struct moment {
    uint64_t ticks;
    int64_t ns;
};

/* Both clocks at one moment: of some attempts the one that was interrupted least. */
static struct moment read_both(void)
{
    struct moment best = {0};
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t before = __rdtsc();
        int64_t ns = clock_monotonic_ns();
        uint64_t after = __rdtsc();
        if (after - before < least) {
            least = after - before;
            best = (struct moment){.ticks = before + (after - before) / 2, .ns = ns};
        }
    }
    return best;
}

/* Nanoseconds per tick in units of 2^-32; 0 when no sense can be made of the counter. */
static uint64_t calibrate(void)
{
    struct moment from = read_both();
    while (clock_monotonic_ns() - from.ns < CALIBRATION_NS)
        continue;
    struct moment to = read_both();
    if (to.ticks <= from.ticks)
        return 0;
    return (uint64_t)(((unsigned __int128)(to.ns - from.ns) << 32) / (to.ticks - from.ticks));
}
#endif

void stopwatch_init(struct stopwatch *stopwatch)
{
    *stopwatch = (struct stopwatch){.scale = 1ULL << 32};
#if defined(__x86_64__)
    uint64_t scale = is_counter_even() ? calibrate() : 0;
    if (scale > 0)
        *stopwatch = (struct stopwatch){.has_counter = true, .scale = scale};
#endif
}

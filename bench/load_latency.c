/*
 * The histogram of latencies; a slot is found by the number's leading bits.
 */
#include "load_latency.h"

static unsigned histogram_slot(uint64_t ns)
{
    if (ns < 256)
        return (unsigned)ns;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(ns);
    return 256 + (exponent - 8) * 128 + (unsigned)((ns >> (exponent - 7)) & 127);
}

/* The largest latency that falls into the slot. */
static uint64_t histogram_slot_ns(unsigned slot)
{
    if (slot < 256)
        return slot;
    unsigned exponent = 8 + (slot - 256) / 128;
    uint64_t mantissa = 128 + (slot - 256) % 128;
    return ((mantissa + 1) << (exponent - 7)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[histogram_slot(ns)]++;
    histogram->total++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

double histogram_percentile_us(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * share);
    if ((double)wanted < (double)histogram->total * share)
        wanted++;
    uint64_t seen = 0;
    for (unsigned slot = 0; slot < sizeof histogram->counts / sizeof histogram->counts[0]; slot++) {
        seen += histogram->counts[slot];
        if (seen >= wanted && seen > 0) {
            uint64_t ns = histogram_slot_ns(slot);
            return (double)(ns < histogram->max_ns ? ns : histogram->max_ns) / 1e3;
        }
    }
    return (double)histogram->max_ns / 1e3;
}

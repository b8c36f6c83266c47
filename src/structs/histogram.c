/* Buckets of durations; see histogram.h. Values below 2^HISTOGRAM_STEP_BITS have a bucket each; from there on the bits
   behind the leading one choose among the buckets of its power of two. */
#include "structs/histogram.h"

enum { STEPS = 1 << HISTOGRAM_STEP_BITS };

size_t histogram_bucket(uint64_t value)
{
    if (value < STEPS)
        return (size_t)value;
    if (value >> HISTOGRAM_MAX_BITS != 0)
        return HISTOGRAM_BUCKETS - 1;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return ((size_t)shift << HISTOGRAM_STEP_BITS) + (size_t)(value >> shift);
}

uint64_t histogram_lowest(size_t bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_STEP_BITS) - 1;
    return ((uint64_t)(bucket & (STEPS - 1)) + STEPS) << shift;
}

uint64_t histogram_highest(size_t bucket)
{
    return histogram_lowest(bucket + 1) - 1;
}

static uint64_t count_of(const struct histogram *histogram, size_t bucket)
{
    return atomic_load_explicit(&histogram->counts[bucket], memory_order_relaxed);
}

static void change(struct histogram *histogram, size_t bucket, uint64_t by)
{
    atomic_store_explicit(&histogram->counts[bucket], count_of(histogram, bucket) + by, memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times)
{
    change(histogram, histogram_bucket(value), times);
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        change(to, i, count_of(from, i));
}

void histogram_subtract(struct histogram *from, const struct histogram *what)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        change(from, i, -count_of(what, i));
}

uint64_t histogram_total(const struct histogram *histogram)
{
    uint64_t total = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += count_of(histogram, i);
    return total;
}

uint64_t histogram_up_to(const struct histogram *histogram, uint64_t value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= histogram_bucket(value); i++)
        sum += count_of(histogram, i);
    return sum;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t total = histogram_total(histogram);
    if (total == 0)
        return 0;
    double share = percent / 100 * (double)total + 0.5;
    uint64_t wanted = share < 1 ? 1 : share >= (double)total ? total : (uint64_t)share;
    uint64_t sum = 0;
    size_t bucket = 0;
    while ((sum += count_of(histogram, bucket)) < wanted)
        bucket++;
    return histogram_highest(bucket);
}

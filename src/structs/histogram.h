/* How often durations of each length came: counts in buckets that grow with the value, sixteen to each doubling, so
   that a value is known to within 6 %. Values from 0 to over a minute, in nanoseconds; longer ones count as the
   longest.

   One thread adds, any thread reads: a reader may miss what is being added. Zeroed memory is an empty histogram. */
#ifndef LARDER_STRUCTS_HISTOGRAM_H
#define LARDER_STRUCTS_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 4, /* buckets to a doubling, as a power of two */
    HISTOGRAM_MAX_BITS = 36, /* values below 2^36 are told apart */
    HISTOGRAM_BUCKETS = (HISTOGRAM_MAX_BITS - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS,
};

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
};

/* The bucket of a value, and the values that a bucket holds: from lowest to highest. */
size_t histogram_bucket(uint64_t value);
uint64_t histogram_lowest(size_t bucket);
uint64_t histogram_highest(size_t bucket);

/* The value came `times` times. Of the one thread that adds. */
void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times);
/* Adds the counts of another one. Of the one thread that adds to `to`. */
void histogram_merge(struct histogram *to, const struct histogram *from);
/* Takes counts away that were added before; modulo 2^64, so that what is merged later may make up for it. */
void histogram_subtract(struct histogram *from, const struct histogram *what);

uint64_t histogram_total(const struct histogram *histogram);
/* How many of the values are at most `value`, or in its bucket. */
uint64_t histogram_up_to(const struct histogram *histogram, uint64_t value);
/* A value that `percent` of the values do not exceed: the highest of its bucket. 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif

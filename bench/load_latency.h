/*
 * Latencies in nanoseconds, counted in a histogram: exact below 256, then 128 steps to each doubling, so that a figure
 * is off by under 1 %.
 */
#pragma once

#include <stdint.h>

struct histogram {
    uint64_t counts[256 + 56 * 128];
    uint64_t total;
    uint64_t max_ns; /* exact */
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The latency in microseconds that the given share of the requests did not exceed. */
double histogram_percentile_us(const struct histogram *histogram, double share);

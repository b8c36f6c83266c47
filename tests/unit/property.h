/* What property tests share. Each test draws its operations from a random sequence, checks them against a naive model,
   and prints the seed first, so that a failure can be repeated: LARDER_SEED=<seed> in the environment. */
#ifndef LARDER_TESTS_PROPERTY_H
#define LARDER_TESTS_PROPERTY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/common.h"
#include "base/random.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A new random sequence for the test of this name. */
static inline struct random property_start(const char *test)
{
    uint64_t seed;
    const char *given = getenv("LARDER_SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 10);
    else
        random_secure(&seed, sizeof(seed));
    printf("# %s: LARDER_SEED=%llu\n", test, (unsigned long long)seed);
    fflush(stdout);
    struct random random;
    random_seed(&random, seed);
    return random;
}

/* True once in `n` times. */
static inline bool one_in(struct random *random, uint64_t n)
{
    return random_below(random, n) == 0;
}

/* Uniform in [low, high]. */
static inline size_t between(struct random *random, size_t low, size_t high)
{
    return low + (size_t)random_below(random, high - low + 1);
}

#endif

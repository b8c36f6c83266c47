/* Random numbers: xoshiro256** (Blackman and Vigna, 2018) for choices, the system's source for seeds and secrets. */
#ifndef LARDER_BASE_RANDOM_H
#define LARDER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Owned by one thread. */
struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* Uniform in [0, bound); bound must be above 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* Fills `at` from the system's secure source; aborts where there is none. */
void random_secure(void *at, size_t len);

/* `len` random lowercase hexadecimal digits and a terminator into `text` (len + 1 bytes): run ids. */
void random_hex(char *text, size_t len);

#endif

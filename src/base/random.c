/* Random numbers; see random.h. */
#include "base/random.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* SplitMix64, to spread one word over the state. */
static uint64_t split_mix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = split_mix(&seed);
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Multiply-shift (Lemire, 2016); the bias of at most bound / 2^64 does not matter for sampling. */
uint64_t random_below(struct random *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_next(random) * bound) >> 64);
}

void random_secure(void *at, size_t len)
{
    char *to = at;
    while (len > 0) {
        size_t step = len < 256 ? len : 256; /* getentropy gives at most 256 bytes a call */
        if (getentropy(to, step) != 0)
            abort();
        to += step;
        len -= step;
    }
}

void random_hex(char *text, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        unsigned char byte;
        random_secure(&byte, 1);
        text[i] = digits[byte & 15];
    }
    text[len] = '\0';
}

/* The heaviest names of a stream, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation
   of frequent and top-k elements in data streams", 2005). While there are no more names than places, weights are exact.
   Then a new name takes the place of the lightest and inherits its weight as an error: a name that has more than a
   HEAVY_PLACES-th of the whole weight is surely there. Names are known by a 64-bit hash that nobody can collide at
   will.

   The owner locks. */
#ifndef LARDER_STRUCTS_HEAVY_H
#define LARDER_STRUCTS_HEAVY_H

#include "base/bytes.h"
#include "base/common.h"

#include <stdint.h>

enum {
    HEAVY_PLACES = 128,
    HEAVY_NAME_MAX = 1024, /* bytes of a name that are kept */
};

struct heavy_name {
    char *at; /* NULL until the place was first used */
    uint16_t len;
    uint16_t room;
};

/* Zeroed memory is an empty one. */
struct heavy {
    uint64_t hashes[HEAVY_PLACES];
    uint64_t weights[HEAVY_PLACES];
    uint64_t errors[HEAVY_PLACES]; /* of a weight so much may be that of names that had the place before */
    struct heavy_name names[HEAVY_PLACES];
    size_t used;
};

void heavy_free(struct heavy *heavy);

/* More weight for a name. Where there is no memory for a new name, it is left out. */
void heavy_add(struct heavy *heavy, uint64_t hash, bytes name, uint64_t weight);

/* The weight that the name in this place has at least. */
static inline uint64_t heavy_weight(const struct heavy *heavy, size_t place)
{
    return heavy->weights[place] - heavy->errors[place];
}

size_t heavy_memory(const struct heavy *heavy);

#endif

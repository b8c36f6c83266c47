/* A census of what the engine keeps for its clients beside their data: when all have gone, nothing of it may be left.
   For tests, through DEBUG CENSUS. */
#ifndef LARDER_ENGINE_CENSUS_H
#define LARDER_ENGINE_CENSUS_H

#include <stddef.h>

struct larder;

struct census_item {
    const char *what;
    size_t count;
};

enum { CENSUS_MAX = 32 };

struct census {
    struct census_item items[CENSUS_MAX];
    size_t count;
};

/* All shards locked. Counts, and in debug builds asserts the invariants of what it counts and of the keyspace. */
void census_take(struct larder *engine, struct census *census);

#endif

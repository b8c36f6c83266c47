/* Ghosts: what is remembered of things that are gone. A hash table of fingerprints, four bytes each, that says of which
   of two kinds a thing was that went lately, or that it knows nothing. It may forget early, and takes one thing for
   another about once in a million questions: good enough to learn from, not to rely on.

   Each kind has a window: so many of the last things that went are remembered, as in a queue, but there is none. Time
   is counted in the kind's own departures, cut into steps, and a fingerprint bears the step that it was made in.
   Sixteen fingerprints share a cache line, where a new one takes the place of the oldest. Protected by its owner's
   lock. */
#ifndef LARDER_STRUCTS_GHOST_H
#define LARDER_STRUCTS_GHOST_H

#include "base/common.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GHOST_KINDS = 2, GHOST_NONE = -1, GHOST_STEPS = 32 /* in a window; fewer when it is shorter */ };

struct ghost_segment;

/* The clock of one kind. */
struct ghost_kind {
    size_t steps;               /* in the window; 0: nothing is remembered */
    size_t step_len;            /* departures in a step */
    uint32_t step;              /* the present one's number */
    size_t in_step;             /* departures in it so far */
    size_t known;               /* fingerprints of the window's steps */
    size_t scrubbed;            /* the bucket to be scrubbed next */
    uint32_t made[GHOST_STEPS]; /* fingerprints of the last steps, by the low bits of the step's number */
};

/* Zeroed memory remembers nothing and keeps nothing until it is given windows. */
struct ghosts {
    struct ghost_segment **segments; /* NULL where nothing was ever put */
    size_t segment_count;
    size_t segment_capacity; /* of the array */
    size_t bytes;            /* memory of array and segments */
    struct ghost_kind kinds[GHOST_KINDS];
};

void ghosts_free(struct ghosts *ghosts);

/* Sets how many are remembered of each kind. A table that has become much too small or too large is sized anew, and
   forgets. */
void ghosts_size(struct ghosts *ghosts, size_t first_window, size_t second_window);

/* A thing of this kind and hash went. Without memory it is not remembered. */
void ghosts_add(struct ghosts *ghosts, int kind, uint64_t hash);

/* Was a thing of this hash among the last? Its kind, and it is forgotten; or GHOST_NONE. */
int ghosts_take(struct ghosts *ghosts, uint64_t hash);

#endif

/* A hierarchical timing wheel (Varghese and Lauck, SOSP 1987) for deadlines: adding, moving and removing one costs a
   few pointer writes, whatever their number. A node lives inside the structure that has the deadline.

   Time is cut into ticks of WHEEL_TICK_MS. The finest level has a slot per tick; each coarser level has slots 64 times
   as long, whose nodes are dealt out to finer slots one block (64 ticks) before they are needed, so that this work,
   too, can be done in small portions. Nothing is done at once: every call of wheel_advance handles at most as many
   nodes as it is told. Protected by its owner's lock. */
#ifndef LARDER_STRUCTS_WHEEL_H
#define LARDER_STRUCTS_WHEEL_H

#include "base/list.h"

#include <stddef.h>
#include <stdint.h>

enum {
    WHEEL_TICK_MS = 16,
    WHEEL_SLOT_BITS = 6,
    WHEEL_SLOTS = 1 << WHEEL_SLOT_BITS,
    WHEEL_COARSE_LEVELS = 5, /* reach: 16 ms * 64^6 = 35 years; later deadlines wait in the last level */
};

struct wheel_node {
    struct list link;
    int64_t deadline_ms; /* the owner may read it; only wheel_add changes it */
};

struct wheel {
    int64_t tick;                      /* every tick up to this one was advanced over */
    struct list due;                   /* deadline reached, not yet handed out */
    struct list dealing;               /* taken from a coarse slot, not yet dealt out to finer ones */
    struct list fine[2 * WHEEL_SLOTS]; /* the current block of ticks and the next one */
    struct list coarse[WHEEL_COARSE_LEVELS][WHEEL_SLOTS];
};

/* Starts at this time; nodes may be added with any deadline, before or after it. */
void wheel_init(struct wheel *wheel, int64_t now_ms);

/* Adds a node (not in any wheel) under its deadline. */
void wheel_add(struct wheel *wheel, struct wheel_node *node, int64_t deadline_ms);

/* Takes a node out; it must be in a wheel. */
static inline void wheel_remove(struct wheel_node *node)
{
    list_remove(&node->link);
}

/* The node was moved in memory with its content. */
static inline void wheel_relocated(struct wheel_node *node)
{
    list_relocated(&node->link);
}

/* A node whose deadline has come, taken out of the wheel. */
typedef void wheel_due_fn(void *context, struct wheel_node *node);

/* Brings the wheel towards `now_ms`, handling at most `budget` nodes (each dealt or handed out counts one); the
   callback may free its node and add or remove others. Returns what is left of the budget: 0 means that there may be
   more to do now, so call again soon. A node is never handed out before its deadline. */
size_t wheel_advance(struct wheel *wheel, int64_t now_ms, size_t budget, wheel_due_fn *due, void *context);

/* Visits the nodes of the tick that is going on, after wheel_advance has come to its end for now: the only ones whose
   deadline may have come without their having been handed out. The callback must leave the wheel as it is. */
void wheel_visit_present(const struct wheel *wheel, wheel_due_fn *visit, void *context);
typedef void wheel_visit_fn(void *context, struct wheel_node *node);

/* Visits up to `count` nodes (more, if some are being dealt out) among which, unless their slot has more than that, is
   the one with the nearest deadline. The callback must not change the wheel. */
void wheel_visit_soonest(struct wheel *wheel, size_t count, wheel_visit_fn *visit, void *context);

/* Visits `count` nodes, or all that there are, from a place that `random` chooses, and others when it is called again
   with the same. Nodes whose slots hold few others are visited more often than others. */
void wheel_sample(struct wheel *wheel, size_t count, uint64_t random, wheel_visit_fn *visit, void *context);

#endif

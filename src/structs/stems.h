/* A set of byte strings (stems) that is asked which of them a text begins with. A radix tree: each node holds the bytes
   between its parent's string and its own, and its children sorted by their first byte, so that asking costs the length
   of the text and not the number of stems. Each stem carries a pointer of the caller's.

   Nothing locks here. Zeroed memory is an empty set. */
#ifndef LARDER_STRUCTS_STEMS_H
#define LARDER_STRUCTS_STEMS_H

#include "base/bytes.h"
#include "base/common.h"

#include <stddef.h>

struct stem_node;

struct stems {
    struct stem_node *root; /* NULL: nothing was ever put in since the set was last empty */
    size_t count;           /* stems */
};

/* The pointer of exactly this stem; NULL: it is not in the set. */
void *stems_find(const struct stems *stems, bytes text);

/* Adds a stem that is not in the set, with a pointer that is not NULL. False when there is no memory, and nothing has
   changed. */
MUST_USE bool stems_insert(struct stems *stems, bytes text, void *item);

/* Takes out a stem that is in the set. Taking out the last one frees everything. */
void stems_remove(struct stems *stems, bytes text);

typedef void stems_visit_fn(void *context, void *item);

/* Visits every stem that the text begins with, the shortest first. The callback must not change the set. */
void stems_match(const struct stems *stems, bytes text, stems_visit_fn *visit, void *context);

/* Walks the set and asserts its invariants; for tests. */
void stems_check(const struct stems *stems);

#endif

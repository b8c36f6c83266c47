/* An ordered index over byte strings: an adaptive radix tree (Leis, Kemper, Neumann: The Adaptive Radix Tree, ICDE
   2013) whose paths are compressed as in PATRICIA (Morrison, 1968): a node knows only at which byte its keys first
   differ, not the bytes that they share. Those are in the items, whose keys are compared once, at the end of a descent.
   So a node costs the same however long the keys are, and a key is stored nowhere but in its item.

   Every inner node counts the items below it, so that the number of items under a prefix costs the depth of its node.
   Order is bytewise, a key before its extensions; keys may hold any bytes, be empty, and be prefixes of each other.

   The owner's lock protects a tree. Items belong to the caller; their keys must not change while they are in it. */
#ifndef LARDER_STRUCTS_ART_H
#define LARDER_STRUCTS_ART_H

#include "base/bytes.h"
#include "base/common.h"

#include <stdint.h>

/* The key of an item. Items are aligned to at least 2 bytes. */
typedef bytes art_key_fn(const void *item);

/* Zeroed memory is an empty tree. */
struct art {
    uintptr_t root; /* an item, or a node with its lowest bit set; 0: the tree is empty */
    size_t items;
    size_t bytes; /* memory of the nodes as the allocator counts it */
    art_key_fn *key_of;
};

static inline void art_init(struct art *art, art_key_fn *key_of)
{
    *art = (struct art){.key_of = key_of};
}

/* Adds an item whose key is not in the tree. False when there is no memory (or the tree holds 2^32 - 1 items), and
 * nothing has changed. */
MUST_USE bool art_insert(struct art *art, void *item);
/* Takes out an item that is in the tree. */
void art_remove(struct art *art, void *item);
/* Puts an item of the same key in another's place: it moved in memory. */
void art_replace(struct art *art, const void *old, void *item);

/* The item of this key, or NULL. */
void *art_find(const struct art *art, bytes key);

/* How many keys begin with this prefix; the empty prefix is all of them. */
size_t art_count(const struct art *art, bytes prefix);

/* Visits items in order; false stops the walk. Must not change the tree. */
typedef bool art_visit_fn(void *context, void *item);

/* Visits the items whose keys begin with `prefix` and, if `after` is given, come behind it in order (it need not be in
   the tree, nor begin with the prefix). False when there was no memory for a very deep tree: some were not visited. */
MUST_USE bool art_visit(const struct art *art, bytes prefix, const bytes *after, art_visit_fn *visit, void *context);

/* The nodes of trees that nobody uses any more, waiting to be freed. Zeroed memory holds none. */
struct art_garbage {
    struct art_node *nodes;
    size_t bytes;
};
/* Empties a tree at once; its nodes go to the garbage. */
void art_discard(struct art *art, struct art_garbage *garbage);
/* Frees up to `count` nodes; true when none are left. */
bool art_reclaim(struct art_garbage *garbage, size_t count);

/* Walks the whole tree and asserts its invariants; for tests. */
void art_check(const struct art *art);

#endif

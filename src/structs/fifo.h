/* A queue of 64-bit items, first in, first out, in chunks that grow with it up to a page: about eight bytes an item,
   and no copying. The meaning of the items is the owner's; its lock protects the queue. */
#ifndef LARDER_STRUCTS_FIFO_H
#define LARDER_STRUCTS_FIFO_H

#include "base/common.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fifo_chunk;

/* Zeroed memory is an empty queue. */
struct fifo {
    struct fifo_chunk *first; /* NULL when empty */
    struct fifo_chunk *last;
    size_t begin; /* of the first chunk's items: the oldest */
    size_t count;
    size_t bytes; /* memory of the chunks */
};

/* False when there is no memory, and nothing has changed. */
MUST_USE bool fifo_push(struct fifo *fifo, uint64_t item);

/* The oldest item; the queue must not be empty. */
uint64_t fifo_front(const struct fifo *fifo);
/* Takes the oldest item out; the queue must not be empty. */
void fifo_drop_front(struct fifo *fifo);

/* Visits all items, the oldest first; for tests. */
typedef void fifo_visit_fn(void *context, uint64_t item);
void fifo_visit(const struct fifo *fifo, fifo_visit_fn *visit, void *context);

/* Forgets up to `chunks` chunks of items from the front; true when the queue is empty. */
bool fifo_clear(struct fifo *fifo, size_t chunks);

#endif

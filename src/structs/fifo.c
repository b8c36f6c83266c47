/* The queue; see fifo.h. Every chunk on the chain has items; a chunk that runs empty is freed. */
#include "structs/fifo.h"

#include "base/mem.h"

enum { CHUNK_MIN = 30, CHUNK_MAX = 509 }; /* items: 256 bytes to 4 KiB with the chunk's head */

struct fifo_chunk {
    struct fifo_chunk *next;
    size_t capacity;
    size_t end; /* items that were ever put in */
    uint64_t items[];
};

/* A further chunk: the longer the queue, the larger. */
static struct fifo_chunk *new_chunk(struct fifo *fifo)
{
    size_t capacity = fifo->count < CHUNK_MIN ? CHUNK_MIN : fifo->count < CHUNK_MAX ? fifo->count : CHUNK_MAX;
    struct fifo_chunk *chunk = mem_alloc(sizeof(*chunk) + capacity * sizeof(chunk->items[0]));
    if (chunk == NULL)
        return NULL;
    *chunk = (struct fifo_chunk){.capacity = capacity};
    fifo->bytes += mem_size(chunk);
    return chunk;
}

static void free_first(struct fifo *fifo)
{
    struct fifo_chunk *chunk = fifo->first;
    fifo->count -= chunk->end - fifo->begin;
    fifo->begin = 0;
    fifo->first = chunk->next;
    if (fifo->first == NULL)
        fifo->last = NULL;
    fifo->bytes -= mem_size(chunk);
    mem_free(chunk);
}

bool fifo_push(struct fifo *fifo, uint64_t item)
{
    struct fifo_chunk *last = fifo->last;
    if (last == NULL || last->end == last->capacity) {
        struct fifo_chunk *chunk = new_chunk(fifo);
        if (chunk == NULL)
            return false;
        if (last != NULL)
            last->next = chunk;
        else
            fifo->first = chunk;
        fifo->last = last = chunk;
    }
    last->items[last->end++] = item;
    fifo->count++;
    return true;
}

uint64_t fifo_front(const struct fifo *fifo)
{
    assert(fifo->count > 0);
    return fifo->first->items[fifo->begin];
}

void fifo_drop_front(struct fifo *fifo)
{
    assert(fifo->count > 0);
    fifo->begin++;
    fifo->count--;
    if (fifo->begin == fifo->first->end)
        free_first(fifo);
}

bool fifo_clear(struct fifo *fifo, size_t chunks)
{
    for (; chunks > 0 && fifo->first != NULL; chunks--)
        free_first(fifo);
    return fifo->first == NULL;
}

void fifo_visit(const struct fifo *fifo, fifo_visit_fn *visit, void *context)
{
    size_t begin = fifo->begin;
    for (const struct fifo_chunk *chunk = fifo->first; chunk != NULL; chunk = chunk->next, begin = 0)
        for (size_t i = begin; i < chunk->end; i++)
            visit(context, chunk->items[i]);
}

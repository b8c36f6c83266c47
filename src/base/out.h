/* Output on its way to one client: a chain of chunks, each either bytes of its own or a reference to a blob. Replies
   are written straight into the last chunk; a transport sends from the first. A chain with nothing in it holds no
   memory. Owned by one thread at a time, like the pool that its chunks come from. */
#ifndef LARDER_BASE_OUT_H
#define LARDER_BASE_OUT_H

#include "base/blob.h"
#include "base/bytes.h"

#include <stdint.h>
#include <sys/uio.h>

enum {
    OUT_CHUNK_SIZE = 16 * 1024, /* bytes of a pooled chunk, header included */
    OUT_POOL_MAX = 256,         /* chunks that a pool keeps for reuse */
};

struct out_chunk {
    struct out_chunk *next;
    struct blob *blob; /* not NULL: the chunk is the range [start, end) of this blob, which it holds a reference to */
    size_t start;      /* bytes already sent */
    size_t end;        /* bytes filled; for the chunk being written to, out->at tells instead */
    size_t capacity;   /* bytes of data[] */
    size_t cost;       /* what it counts for in out->owned_bytes */
    char data[];
};

/* Chunks waiting to be used again. Zeroed memory is an empty pool. */
struct out_pool {
    struct out_chunk *free;
    size_t count;
};

void out_pool_free(struct out_pool *pool);

/* For protocols whose lists hold keys and values in turn, each written in a form of its own: what comes next. */
enum out_element { OUT_NO_ELEMENT = 0, OUT_KEY, OUT_VALUE };

struct out {
    char *at;    /* where the next byte goes, in the last chunk; NULL when that takes no bytes */
    char *limit; /* the end of that chunk's space */
    struct out_chunk *head;
    struct out_chunk *tail;
    struct out_pool *pool;
    size_t
        owned_bytes; /* memory held by the chain; of a blob, its share among those who held it when it was appended */
    size_t sealed_bytes;      /* unsent bytes in all chunks but the one being written to, blobs counted */
    size_t ceiling;           /* no more is taken once owned_bytes are above this; 0: no limit */
    enum out_element element; /* the encoder's; OUT_NO_ELEMENT outside of lists */
    bool failed;              /* memory ran out, or the ceiling was passed: output is incomplete, the client must be
                                 disconnected */
};

void out_init(struct out *out, struct out_pool *pool);
/* Drops everything unsent; the chain can be used again, with the same ceiling. */
void out_clear(struct out *out);

/* The same, keeping a chunk to write to next, when there is just one. */
static inline void out_rewind(struct out *out)
{
    if (likely(out->at != NULL) && likely(out->head == out->tail)) {
        out->head->start = 0;
        out->at = out->head->data;
        out->failed = false;
    } else {
        out_clear(out);
    }
}

/* Slow path of out_reserve; NULL when memory ran out (and out->failed is set). */
char *out_reserve_slow(struct out *out, size_t len);

/* Room for `len` contiguous bytes, to be filled and then committed; NULL when memory ran out. */
static inline char *out_reserve(struct out *out, size_t len)
{
    if (likely((size_t)(out->limit - out->at) >= len) && likely(out->at != NULL))
        return out->at;
    return out_reserve_slow(out, len);
}

/* The reserved bytes up to `end` are written. */
static inline void out_commit(struct out *out, char *end)
{
    out->at = end;
}

void out_append(struct out *out, bytes data);
/* Appends bytes [start, start + len) of a blob without copying them; takes a reference of its own. */
void out_append_blob(struct out *out, struct blob *blob, size_t start, size_t len);

/* Leaves a gap for at most OUT_GAP_SIZE bytes that are known only later (the length of an array), filled by out_fill.
   NULL when memory ran out. */
enum { OUT_GAP_SIZE = 32 };
MUST_USE struct out_chunk *out_gap(struct out *out);
void out_fill(struct out *out, struct out_chunk *gap, bytes data);
/* Bytes that were written behind a gap. */
size_t out_size_behind(const struct out *out, const struct out_chunk *gap);

/* Unsent bytes. */
static inline size_t out_pending(const struct out *out)
{
    size_t open = out->at != NULL ? (size_t)(out->at - out->tail->data) - out->tail->start : 0;
    return out->sealed_bytes + open;
}

static inline bool out_is_empty(const struct out *out)
{
    return out->head == NULL;
}

/* Describes the first unsent bytes for writev; returns the number of entries filled (0: nothing to send). */
int out_vector(struct out *out, struct iovec *vector, int max);
/* The first `len` unsent bytes were sent; frees what is done with. */
void out_sent(struct out *out, size_t len);

/* Moves everything of `from` behind everything of `to`; both use the same pool. */
void out_join(struct out *to, struct out *from);

#endif

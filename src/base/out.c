/* Output chains; see out.h. Invariants: `at` is not NULL exactly while the last chunk takes bytes; every chunk but that
   one is sealed: its `end` is final and its unsent bytes are counted in sealed_bytes. */
#include "base/out.h"

#include "base/mem.h"

void out_pool_free(struct out_pool *pool)
{
    while (pool->free != NULL) {
        struct out_chunk *chunk = pool->free;
        pool->free = chunk->next;
        mem_free(chunk);
    }
    pool->count = 0;
}

static struct out_chunk *chunk_new(struct out_pool *pool, size_t capacity)
{
    struct out_chunk *chunk;
    if (capacity <= OUT_CHUNK_SIZE - sizeof(*chunk)) {
        capacity = OUT_CHUNK_SIZE - sizeof(*chunk);
        chunk = pool->free;
        if (chunk != NULL) {
            pool->free = chunk->next;
            pool->count--;
        } else {
            chunk = mem_alloc(OUT_CHUNK_SIZE);
        }
    } else {
        chunk = capacity > SIZE_MAX - sizeof(*chunk) ? NULL : mem_alloc(sizeof(*chunk) + capacity);
    }
    if (chunk == NULL)
        return NULL;
    *chunk = (struct out_chunk){.capacity = capacity};
    return chunk;
}

/* A chunk with almost no space of its own: a blob reference or a gap. */
static struct out_chunk *small_chunk_new(size_t capacity)
{
    struct out_chunk *chunk = mem_alloc(sizeof(*chunk) + capacity);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct out_chunk){.capacity = capacity};
    return chunk;
}

static void chunk_free(struct out_pool *pool, struct out_chunk *chunk)
{
    if (chunk->blob != NULL)
        blob_drop(chunk->blob);
    if (sizeof(*chunk) + chunk->capacity == OUT_CHUNK_SIZE && pool->count < OUT_POOL_MAX) {
        chunk->next = pool->free;
        pool->free = chunk;
        pool->count++;
        return;
    }
    mem_free(chunk);
}

static void link_chunk(struct out *out, struct out_chunk *chunk, size_t shared_bytes)
{
    chunk->cost = sizeof(*chunk) + chunk->capacity + shared_bytes;
    if (out->tail == NULL)
        out->head = chunk;
    else
        out->tail->next = chunk;
    out->tail = chunk;
    out->owned_bytes += chunk->cost;
}

/* Closes the chunk being written to, if there is one. */
static void seal(struct out *out)
{
    if (out->at == NULL)
        return;
    out->tail->end = (size_t)(out->at - out->tail->data);
    out->sealed_bytes += out->tail->end - out->tail->start;
    out->at = NULL;
    out->limit = NULL;
}

void out_init(struct out *out, struct out_pool *pool)
{
    *out = (struct out){.pool = pool};
}

void out_clear(struct out *out)
{
    while (out->head != NULL) {
        struct out_chunk *chunk = out->head;
        out->head = chunk->next;
        chunk_free(out->pool, chunk);
    }
    size_t ceiling = out->ceiling;
    out_init(out, out->pool);
    out->ceiling = ceiling;
}

static bool is_full(const struct out *out)
{
    return out->ceiling > 0 && out->owned_bytes > out->ceiling;
}

char *out_reserve_slow(struct out *out, size_t len)
{
    struct out_chunk *chunk = is_full(out) ? NULL : chunk_new(out->pool, len);
    if (chunk == NULL) {
        out->failed = true;
        return NULL;
    }
    seal(out);
    link_chunk(out, chunk, 0);
    out->at = chunk->data;
    out->limit = chunk->data + chunk->capacity;
    return out->at;
}

void out_append(struct out *out, bytes data)
{
    while (data.len > 0) {
        size_t room = out->at == NULL ? 0 : (size_t)(out->limit - out->at);
        if (room == 0) {
            if (out_reserve_slow(out, 1) == NULL)
                return;
            room = (size_t)(out->limit - out->at);
        }
        size_t step = data.len < room ? data.len : room;
        memcpy(out->at, data.at, step);
        out->at += step;
        data.at += step;
        data.len -= step;
    }
}

void out_append_blob(struct out *out, struct blob *blob, size_t start, size_t len)
{
    if (len == 0)
        return;
    struct out_chunk *chunk = is_full(out) ? NULL : small_chunk_new(0);
    if (chunk == NULL) {
        out->failed = true;
        return;
    }
    seal(out);
    chunk->blob = blob_keep(blob);
    chunk->start = start;
    chunk->end = start + len;
    /* The value may be replaced before it is sent, and is then held by those alone who still send it. */
    link_chunk(out, chunk, blob->capacity / atomic_load_explicit(&blob->references, memory_order_relaxed));
    out->sealed_bytes += len;
}

struct out_chunk *out_gap(struct out *out)
{
    struct out_chunk *chunk = is_full(out) ? NULL : small_chunk_new(OUT_GAP_SIZE);
    if (chunk == NULL) {
        out->failed = true;
        return NULL;
    }
    seal(out);
    link_chunk(out, chunk, 0);
    return chunk;
}

void out_fill(struct out *out, struct out_chunk *gap, bytes data)
{
    assert(gap->end == 0 && data.len <= gap->capacity);
    memcpy(gap->data, data.at, data.len);
    gap->end = data.len;
    out->sealed_bytes += data.len;
}

size_t out_size_behind(const struct out *out, const struct out_chunk *gap)
{
    size_t size = 0;
    for (const struct out_chunk *chunk = gap->next; chunk != NULL; chunk = chunk->next) {
        bool is_open = chunk == out->tail && out->at != NULL;
        size += (is_open ? (size_t)(out->at - chunk->data) : chunk->end) - chunk->start;
    }
    return size;
}

int out_vector(struct out *out, struct iovec *vector, int max)
{
    int count = 0;
    for (struct out_chunk *chunk = out->head; chunk != NULL && count < max; chunk = chunk->next) {
        bool is_open = chunk == out->tail && out->at != NULL;
        size_t end = is_open ? (size_t)(out->at - chunk->data) : chunk->end;
        if (end == chunk->start)
            continue;
        char *data = chunk->blob != NULL ? chunk->blob->data : chunk->data;
        vector[count++] = (struct iovec){.iov_base = data + chunk->start, .iov_len = end - chunk->start};
    }
    return count;
}

static void drop_head(struct out *out)
{
    struct out_chunk *chunk = out->head;
    out->head = chunk->next;
    out->owned_bytes -= chunk->cost;
    if (chunk == out->tail) {
        out->tail = NULL;
        out->at = NULL;
        out->limit = NULL;
    }
    chunk_free(out->pool, chunk);
}

void out_sent(struct out *out, size_t len)
{
    while (out->head != NULL) {
        struct out_chunk *chunk = out->head;
        bool is_open = chunk == out->tail && out->at != NULL;
        size_t unsent = (is_open ? (size_t)(out->at - chunk->data) : chunk->end) - chunk->start;
        size_t step = len < unsent ? len : unsent;
        if (!is_open)
            out->sealed_bytes -= step;
        chunk->start += step;
        len -= step;
        if (step < unsent)
            return;
        drop_head(out);
    }
}

void out_join(struct out *to, struct out *from)
{
    assert(to->pool == from->pool);
    to->failed |= from->failed;
    if (from->head == NULL)
        return;
    seal(to);
    if (to->tail == NULL)
        to->head = from->head;
    else
        to->tail->next = from->head;
    to->tail = from->tail;
    to->at = from->at;
    to->limit = from->limit;
    to->owned_bytes += from->owned_bytes;
    to->sealed_bytes += from->sealed_bytes;
    out_init(from, from->pool);
}

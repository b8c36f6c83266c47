/* A reference-counted block of bytes: a large value. The keyspace holds one reference; a reply that is being written to
   a slow client holds another, so the value is sent without a copy while writers go on. The bytes of a blob that has
   more than one reference never change. */
#ifndef LARDER_BASE_BLOB_H
#define LARDER_BASE_BLOB_H

#include "base/bytes.h"
#include "base/common.h"

#include <stdatomic.h>
#include <stdint.h>

struct blob {
    _Atomic uint32_t references; /* any thread */
    size_t len;                  /* bytes in use; changes only while there is a single reference */
    size_t capacity;             /* bytes that fit */
    char data[];
};

/* A blob of one reference with room for `capacity` bytes and len 0; NULL when there is no memory. */
MUST_USE struct blob *blob_new(size_t capacity);
/* A blob of one reference that holds these bytes; NULL when there is no memory. */
MUST_USE struct blob *blob_of(bytes data);

/* Another reference, on any thread that can see one. */
struct blob *blob_keep(struct blob *blob);
/* Gives a reference back; the last one frees the blob. */
void blob_drop(struct blob *blob);

/* May the bytes be changed in place? Only meaningful to the holder of the lock under which references are taken. */
static inline bool blob_is_sole(const struct blob *blob)
{
    return atomic_load_explicit(&blob->references, memory_order_acquire) == 1;
}

static inline bytes blob_bytes(const struct blob *blob)
{
    return (bytes){blob->data, blob->len};
}

#endif

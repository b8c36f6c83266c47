/* Reference-counted blocks of bytes; see blob.h. */
#include "base/blob.h"

#include "base/mem.h"

struct blob *blob_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct blob))
        return NULL;
    struct blob *blob = mem_alloc(sizeof(*blob) + capacity);
    if (blob == NULL)
        return NULL;
    atomic_init(&blob->references, 1);
    blob->len = 0;
    blob->capacity = mem_size(blob) - sizeof(*blob);
    return blob;
}

struct blob *blob_of(bytes data)
{
    struct blob *blob = blob_new(data.len);
    if (blob == NULL)
        return NULL;
    if (data.len > 0)
        memcpy(blob->data, data.at, data.len);
    blob->len = data.len;
    return blob;
}

struct blob *blob_keep(struct blob *blob)
{
    atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

void blob_drop(struct blob *blob)
{
    if (atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) == 1)
        mem_free(blob);
}

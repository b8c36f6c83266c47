/* Buffers: allocated bytes that grow. rsize is the allocation's size whenever buffer is not NULL. */
#include "internal.h"

#include <errno.h>

int gbi_buffer_init(gbBuffer *buffer)
{
    GB_INIT_BUFFER(*buffer);
    buffer->size = 0;
    return buffer->buffer == NULL ? ENOMEM : 0;
}

void gbi_buffer_free(gbBuffer *buffer)
{
    free(buffer->buffer);
    buffer->buffer = NULL;
    buffer->rsize = buffer->size = 0;
}

int gbi_buffer_reserve(gbBuffer *buffer, size_t size)
{
    if (buffer->buffer != NULL && size <= buffer->rsize)
        return 0;
    if (size > UINT32_MAX)
        return EMSGSIZE;
    size_t grown = (size_t)buffer->rsize * 2;
    if (grown < size)
        grown = size;
    if (grown > UINT32_MAX)
        grown = UINT32_MAX;
    unsigned char *moved = realloc(buffer->buffer, grown);
    if (moved == NULL)
        return ENOMEM;
    buffer->buffer = moved;
    buffer->rsize = (uint32_t)grown;
    return 0;
}

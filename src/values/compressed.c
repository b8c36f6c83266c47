/* The compressed form of strings; see compressed.h. */
#include "values/compressed.h"

#include "base/lz4.h"
#include "base/mem.h"

#include <stdint.h>

char *compressed_make(bytes value, size_t *len)
{
    size_t most = value.len - (value.len + 7) / 8;
    if (value.len > COMPRESSED_VALUE_MAX || most <= COMPRESSED_HEADER)
        return NULL;
    char *compressed = mem_alloc(most);
    if (compressed == NULL)
        return NULL;
    size_t written = lz4_compress(value, compressed + COMPRESSED_HEADER, most - COMPRESSED_HEADER);
    if (written == 0) {
        mem_free(compressed);
        return NULL;
    }
    uint32_t value_len = (uint32_t)value.len;
    memcpy(compressed, &value_len, sizeof(value_len));
    *len = COMPRESSED_HEADER + written;
    return compressed;
}

size_t compressed_value_len(bytes compressed)
{
    uint32_t len;
    assert(compressed.len > COMPRESSED_HEADER);
    memcpy(&len, compressed.at, sizeof(len));
    return len;
}

bool compressed_expand(bytes compressed, char *to)
{
    bytes block = {compressed.at + COMPRESSED_HEADER, compressed.len - COMPRESSED_HEADER};
    return lz4_expand(block, to, compressed_value_len(compressed));
}

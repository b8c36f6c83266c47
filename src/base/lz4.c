/* LZ4 blocks through liblz4; see lz4.h. */
#include "base/lz4.h"

#include <limits.h>
#include <lz4.h>

bool lz4_is_available(void)
{
    return true;
}

size_t lz4_compress(bytes from, char *to, size_t room)
{
    if (from.len == 0 || from.len > LZ4_MAX_INPUT_SIZE || room == 0)
        return 0;
    int written = LZ4_compress_default(from.at, to, (int)from.len, room < INT_MAX ? (int)room : INT_MAX);
    return written > 0 ? (size_t)written : 0;
}

bool lz4_expand(bytes from, char *to, size_t len)
{
    if (from.len > INT_MAX || len > INT_MAX)
        return false;
    int written = LZ4_decompress_safe(from.at, to, (int)from.len, (int)len);
    return written >= 0 && (size_t)written == len;
}

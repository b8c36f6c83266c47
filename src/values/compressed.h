/* The compressed form of a string: its length in 4 bytes, then an LZ4 block. A string that has this form is at least an
   eighth longer than it: a smaller gain would mostly be lost in the allocator's rounding (its sizes are up to an eighth
   apart and more), while every read would pay for it. Any thread may call these functions on bytes that it may read. */
#ifndef LARDER_VALUES_COMPRESSED_H
#define LARDER_VALUES_COMPRESSED_H

#include "base/bytes.h"
#include "base/common.h"

enum {
    COMPRESSED_HEADER = 4,                  /* bytes */
    COMPRESSED_VALUE_MAX = 4 * 1024 * 1024, /* longer strings are left as they are: strings are compressed and expanded
                                               under their shard's lock, where 4 MiB take about 4 and 0.6 ms */
};

/* The compressed form of a string, in memory that the caller frees by mem_free, and its length. NULL: the string is to
   be stored as it is, because it does not compress well, is too long, or there is no memory. */
MUST_USE char *compressed_make(bytes value, size_t *len);

/* The length of the string whose compressed form this is. */
size_t compressed_value_len(bytes compressed);

/* Expands into `to`, which has room for that length. False, with anything in `to` but nothing behind it, when these
   bytes are no compressed form. */
MUST_USE bool compressed_expand(bytes compressed, char *to);

/* How much smaller it is, in percent. */
static inline unsigned compressed_saved_percent(size_t value_len, size_t len)
{
    return (unsigned)(100 * (value_len - len) / value_len);
}

#endif

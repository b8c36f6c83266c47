/* Byte slices: a pointer and a length into memory that somebody else owns. Keys, values and arguments travel through
   Larder in this form; nothing here allocates, and a slice may hold any bytes, zeros included. */
#ifndef LARDER_BASE_BYTES_H
#define LARDER_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct {
    const char *at; /* may be NULL only when len is 0 */
    size_t len;     /* bytes */
} bytes;

/* A slice over a string literal, without its terminator. */
#define BYTES(literal) ((bytes){(literal), sizeof(literal) - 1})

/* A slice over a terminated string; the string keeps owning its memory. */
static inline bytes bytes_of(const char *text)
{
    return (bytes){text, strlen(text)};
}

static inline bool bytes_equal(bytes a, bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline char bytes_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Equality that folds ASCII letters; the way option words and command names are compared. */
static inline bool bytes_equal_nocase(bytes a, bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (bytes_lower(a.at[i]) != bytes_lower(b.at[i]))
            return false;
    return true;
}

#endif

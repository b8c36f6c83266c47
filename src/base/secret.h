/* Care with what must not leak: comparing without telling by the time it takes where the difference is, and forgetting
   so that the compiler does not think it useless. */
#ifndef LARDER_BASE_SECRET_H
#define LARDER_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Takes the same time whatever the bytes are. */
static inline bool secret_equal(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a;
    const volatile unsigned char *y = b;
    unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(x[i] ^ y[i]);
    return difference == 0;
}

static inline void secret_wipe(void *at, size_t len)
{
    if (len == 0)
        return;
    memset(at, 0, len);
    __asm__ volatile("" : : "r"(at) : "memory"); /* somebody might look at it */
}

#endif

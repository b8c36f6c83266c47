/* LZ4, the compressor of values; no other file knows its library. A build without it has lz4_absent.c instead: there
   nothing is compressed. Any thread may call these functions. */
#ifndef LARDER_BASE_LZ4_H
#define LARDER_BASE_LZ4_H

#include "base/bytes.h"
#include "base/common.h"

bool lz4_is_available(void);

/* Compresses into `to`, where there is room for `room` bytes. Returns how many were written; 0: it does not fit. Takes
   16 KiB of stack, and no memory. */
MUST_USE size_t lz4_compress(bytes from, char *to, size_t room);

/* The way back: false unless `from` stands for exactly `len` bytes. Writes no byte beyond them and reads none beyond
   `from`, whatever that holds. */
MUST_USE bool lz4_expand(bytes from, char *to, size_t len);

#endif

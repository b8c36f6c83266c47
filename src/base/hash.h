/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; the 1-3 variant as in Rust's and
   Ruby's tables): a keyed hash, so that nobody outside can choose keys that collide. */
#ifndef LARDER_BASE_HASH_H
#define LARDER_BASE_HASH_H

#include "base/bytes.h"

#include <stdint.h>

struct hash_key {
    uint64_t word[2];
};

uint64_t hash_bytes(const struct hash_key *key, bytes data);

#endif

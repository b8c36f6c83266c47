/* SipHash-1-3; see hash.h. One round per 8 bytes and three to finish. */
#include "base/hash.h"

#define ROTATE_LEFT(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

#define ROUND(v0, v1, v2, v3)              \
    do {                                   \
        (v0) += (v1);                      \
        (v1) = ROTATE_LEFT(v1, 13) ^ (v0); \
        (v0) = ROTATE_LEFT(v0, 32);        \
        (v2) += (v3);                      \
        (v3) = ROTATE_LEFT(v3, 16) ^ (v2); \
        (v0) += (v3);                      \
        (v3) = ROTATE_LEFT(v3, 21) ^ (v0); \
        (v2) += (v1);                      \
        (v1) = ROTATE_LEFT(v1, 17) ^ (v2); \
        (v2) = ROTATE_LEFT(v2, 32);        \
    } while (0)

static uint64_t load_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The last 0 to 7 bytes, little-endian. */
static uint64_t load_tail(const char *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return word;
}

uint64_t hash_bytes(const struct hash_key *key, bytes data)
{
    uint64_t v0 = key->word[0] ^ 0x736f6d6570736575ULL;
    uint64_t v1 = key->word[1] ^ 0x646f72616e646f6dULL;
    uint64_t v2 = key->word[0] ^ 0x6c7967656e657261ULL;
    uint64_t v3 = key->word[1] ^ 0x7465646279746573ULL;

    const char *at = data.at;
    size_t left = data.len;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = load_word(at);
        v3 ^= word;
        ROUND(v0, v1, v2, v3);
        v0 ^= word;
    }
    uint64_t last = ((uint64_t)data.len << 56) | load_tail(at, left);
    v3 ^= last;
    ROUND(v0, v1, v2, v3);
    v0 ^= last;

    v2 ^= 0xff;
    ROUND(v0, v1, v2, v3);
    ROUND(v0, v1, v2, v3);
    ROUND(v0, v1, v2, v3);
    return v0 ^ v1 ^ v2 ^ v3;
}

/* SHA-256; see sha256.h. Plain C: it runs when somebody logs in. */
#include "base/sha256.h"

#include "base/secret.h"

enum { BLOCK_SIZE = 64, LENGTH_SIZE = 8, ROUNDS = 64 };

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate_right(uint32_t x, int bits)
{
    return (x >> bits) | (x << (32 - bits));
}

static uint32_t load_big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
}

/* The block's sixteen words, stretched over all rounds. */
static void make_schedule(const unsigned char *block, uint32_t schedule[ROUNDS])
{
    for (int i = 0; i < 16; i++)
        schedule[i] = load_big_endian(block + 4 * i);
    for (int i = 16; i < ROUNDS; i++) {
        uint32_t a = schedule[i - 15];
        uint32_t b = schedule[i - 2];
        uint32_t s0 = rotate_right(a, 7) ^ rotate_right(a, 18) ^ (a >> 3);
        uint32_t s1 = rotate_right(b, 17) ^ rotate_right(b, 19) ^ (b >> 10);
        schedule[i] = schedule[i - 16] + s0 + schedule[i - 7] + s1;
    }
}

static void add_block(uint32_t state[8], const unsigned char *block)
{
    uint32_t schedule[ROUNDS];
    make_schedule(block, schedule);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t chosen = (e & f) ^ (~e & g);
        uint32_t t1 = h + s1 + chosen + round_constants[i] + schedule[i];
        uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + s0 + majority;
    }
    const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += sums[i];
    secret_wipe(schedule, sizeof(schedule));
}

/* What is left behind the last whole block, a one, zeros, and the length of all in bits: one block, or two. */
static void add_end(uint32_t state[8], bytes rest, size_t message_len)
{
    unsigned char end[2 * BLOCK_SIZE] = {0};
    size_t size = rest.len + 1 + LENGTH_SIZE <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    if (rest.len > 0)
        memcpy(end, rest.at, rest.len);
    end[rest.len] = 0x80;
    uint64_t bits = (uint64_t)message_len * 8;
    for (int i = 0; i < LENGTH_SIZE; i++)
        end[size - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
    for (size_t i = 0; i < size; i += BLOCK_SIZE)
        add_block(state, end + i);
    secret_wipe(end, sizeof(end));
}

void sha256(bytes message, struct sha256 *digest)
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    bytes rest = message;
    for (; rest.len >= BLOCK_SIZE; rest = (bytes){rest.at + BLOCK_SIZE, rest.len - BLOCK_SIZE})
        add_block(state, (const unsigned char *)rest.at);
    add_end(state, rest, message.len);
    for (int i = 0; i < SHA256_SIZE; i++)
        digest->bytes[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_to_hex(const struct sha256 *digest, char hex[SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        hex[2 * i] = digits[digest->bytes[i] >> 4];
        hex[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sha256_from_hex(bytes hex, struct sha256 *digest)
{
    if (hex.len != SHA256_HEX_SIZE)
        return false;
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        int high = digit_value(hex.at[2 * i]);
        int low = digit_value(hex.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

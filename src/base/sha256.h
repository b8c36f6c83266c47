/* SHA-256 (FIPS 180-4): what passwords are kept as. */
#ifndef LARDER_BASE_SHA256_H
#define LARDER_BASE_SHA256_H

#include "base/bytes.h"

#include <stdint.h>

enum {
    SHA256_SIZE = 32,                  /* bytes of a digest */
    SHA256_HEX_SIZE = 2 * SHA256_SIZE, /* hexadecimal digits of one */
};

struct sha256 {
    unsigned char bytes[SHA256_SIZE];
};

void sha256(bytes message, struct sha256 *digest);

/* A digest in lowercase digits, without a terminator, and back; false when it is not exactly that. */
void sha256_to_hex(const struct sha256 *digest, char hex[SHA256_HEX_SIZE]);
bool sha256_from_hex(bytes hex, struct sha256 *digest);

#endif

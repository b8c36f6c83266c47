/* Numbers and text, both ways, in Redis's forms. Parsers accept a whole slice or nothing: no spaces, no plus sign, no
   leading zeros in integers. Formatters write no terminator and return the number of bytes written. */
#ifndef LARDER_BASE_NUM_H
#define LARDER_BASE_NUM_H

#include "base/bytes.h"
#include "base/common.h"

#include <stdint.h>

enum {
    NUM_INTEGER_SIZE = 20, /* longest 64-bit integer: "-9223372036854775808" */
    NUM_DOUBLE_SIZE = 32,  /* longest shortest-form double */
    NUM_LONG_DOUBLE_SIZE = 5 * 1024,
};

/* Canonical decimal integers only ("0", "-7"; not "-0", "07", "+7"). */
MUST_USE bool num_parse_int64(bytes text, int64_t *out);
MUST_USE bool num_parse_uint64(bytes text, uint64_t *out);
/* A finite or infinite floating-point number as strtold reads it; no NaN, no leading space, nothing left over. */
MUST_USE bool num_parse_long_double(bytes text, long double *out);
MUST_USE bool num_parse_double(bytes text, double *out);

size_t num_format_int64(char *to, int64_t value);
size_t num_format_uint64(char *to, uint64_t value);
/* The shortest text that reads back as the same double; "inf", "-inf" and "nan" for the others. */
size_t num_format_double(char *to, double value);
/* INCRBYFLOAT's form: 17 decimals, trailing zeros removed, never an exponent. `to` has NUM_LONG_DOUBLE_SIZE bytes. */
size_t num_format_long_double(char *to, long double value);

/* Decimal digits of an unsigned integer. */
unsigned num_digits(uint64_t value);

#endif

/* Strings as values: what their commands compute, apart from keys and clients. Nothing here allocates except the search
   for a longest common subsequence, whose memory belongs to its structure. Any thread may call these functions on
   bytes that it may read. */
#ifndef LARDER_VALUES_STRING_H
#define LARDER_VALUES_STRING_H

#include "base/bytes.h"
#include "base/common.h"
#include "base/num.h"

/* How OBJECT ENCODING calls a string; the bytes are stored alike. */
enum string_encoding { STRING_EMBSTR = 0, STRING_RAW = 1, STRING_INT = 2 };

enum { STRING_EMBSTR_MAX = 44 }; /* bytes; OBJECT ENCODING calls longer strings raw */

/* What Redis would call a string that a client has set: int when it is an integer of 64 bits in its only canonical
 * form. */
enum string_encoding string_encoding_of(bytes value);
/* What it would call one that the server has made and that is no integer to it, by length alone. */
enum string_encoding string_encoding_of_text(size_t len);

/* The part that GETRANGE's positions stand for (negative ones count from the end, `end` belongs to the part), cut to a
   string of `len` bytes; *count is 0 when nothing is left. */
void string_range(size_t len, int64_t start, int64_t end, size_t *first, size_t *count);

enum string_sum {
    SUM_OK,
    SUM_NOT_A_NUMBER, /* the value, or what was to be added */
    SUM_OUT_OF_RANGE, /* an integer beyond 64 bits, or a float that is infinite or not a number */
};

MUST_USE enum string_sum string_add_integer(bytes value, int64_t by, int64_t *sum);
/* The sum as text of *len bytes into `text`, which has NUM_LONG_DOUBLE_SIZE bytes. */
MUST_USE enum string_sum string_add_float(bytes value, bytes by, char *text, size_t *len);

/* A longest common subsequence of two strings. Of several, it is the one that Redis finds, seen as Redis sees it: as
   ranges that are equal in both strings, from the end to the beginning. */
struct lcs {
    bytes a; /* borrowed, like b, until lcs_free */
    bytes b;
    size_t len;    /* bytes of the subsequence */
    size_t a_left; /* the walk has come down to these prefixes of a and b */
    size_t b_left;
    size_t row_words; /* 64-bit words of a row of `rises` */
    bool b_is_longer; /* rows belong to the bytes of a, not of b */
    uint64_t *rises;  /* a matrix of bits, see string.c; NULL when only the length was wanted */
    char *text;       /* room for the subsequence */
    void *memory;     /* all that was allocated */
};

struct lcs_range {
    size_t a_start;
    size_t b_start;
    size_t len; /* at least 1 */
};

/* Bytes that Redis would take to compare strings of these lengths: what its limit on LCS is measured by. Larder takes
   a sixteenth of it or less, but for short strings. Saturates at UINT64_MAX. */
uint64_t lcs_redis_bytes(size_t a_len, size_t b_len);

/* Finds the length, and what the functions below need unless `only_length`. False when there is no memory; then there
   is nothing to free. */
MUST_USE bool lcs_init(struct lcs *lcs, bytes a, bytes b, bool only_length);
void lcs_free(struct lcs *lcs);

/* The next range on the way to the beginning; false when there are no more. */
bool lcs_next_range(struct lcs *lcs, struct lcs_range *range);

/* The subsequence itself, instead of its ranges; valid until lcs_free. */
bytes lcs_text(struct lcs *lcs);

#endif

/*
 * What goes over the wire: requests as bytes, made once and then only given other keys, and replies, of which nothing
 * is taken on trust. A reply must have the kind, the size and, where it has a value, the content that the request asked
 * for. Values carry their key's digits, so that a server that mixes up its replies fails here. Knows of no socket and
 * no time.
 *
 * Keys and values are the same in both protocols: what one has written the other finds.
 */
#pragma once

#include "load_options.h"

#include <stddef.h>

enum {
    MSET_PAIRS = 10,      /* keys in one MSET */
    LINE_BYTES_MAX = 1024 /* of a reply line; an error text is the longest */
};

/*
 * One request as bytes, and where the parts lie that differ from request to request. A value begins with the last
 * digits of its key (as many as fit, up to all 18) and goes on with filler. Constant once made.
 */
struct shape {
    const struct options *options;
    char *bytes;
    size_t len;
    unsigned keys;               /* in one request */
    size_t key_end[MSET_PAIRS];  /* offset just after the key's last digit */
    size_t value_at[MSET_PAIRS]; /* offset of the value's first digit */
    unsigned value_digits;       /* of the key that stand in its value; 0: the request has no value */
    size_t deadline_end;         /* offset just after the deadline's last digit; 0: none */
    unsigned varying_digits;     /* of a key; those before them are zero in the whole key space */
    const void *expected;        /* the whole reply, where it is always the same; NULL: depends */
    size_t expected_len;
    size_t reply_bytes_max; /* of any reply that is not a protocol error */
};

/* The options are kept. */
struct shape make_shape(const struct options *options);

/* Gives a request, a copy of the shape's bytes, its key number `index` and what follows from the key. */
void put_key(const struct shape *shape, char *request, unsigned index, uint64_t key);

/* What the replies said so far. */
struct tally {
    uint64_t errors;                  /* error replies */
    uint64_t misses;                  /* GETs of a key that was not there */
    char first_error[LINE_BYTES_MAX]; /* empty: none */
};

/* Takes one reply, to that request, from the `len` bytes at `at`. Returns its bytes; 0: the end has not come. Ends the
   program if it is not a reply to the request; an error is one. */
size_t take_reply(const struct shape *shape, struct tally *tally, const char *request, const char *at, size_t len);

/* Ends the program with the beginning of what the server sent. */
__attribute__((noreturn)) void die_of_reply(const char *why, const char *at, size_t len);

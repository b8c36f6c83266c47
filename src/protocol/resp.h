/* The Redis protocol, both versions: bytes to requests, replies to bytes. No sockets, no engine state.

   The parser allocates nothing but the list of arguments and returns them as slices of its input. It can stop anywhere
   and go on when more bytes have come, without looking at a byte twice; so a request that arrives one byte at a time
   costs no more than one that arrives at once. */
#ifndef LARDER_PROTOCOL_RESP_H
#define LARDER_PROTOCOL_RESP_H

#include "base/bytes.h"
#include "base/common.h"
#include "engine/reply.h"

#include <stdint.h>

enum {
    RESP_LINE_MAX = 64 * 1024,      /* bytes of an inline command or of a length line */
    RESP_UNAUTHENTICATED_ARGS = 10, /* what a client may send before it has authenticated */
    RESP_UNAUTHENTICATED_BULK = 16384,
    RESP_ERROR_SIZE = 96,
};

/* A growing list of arguments. Zeroed memory is an empty one. */
struct resp_args {
    bytes *items;
    size_t count;
    size_t capacity;
};

void resp_args_free(struct resp_args *args);
/* The input moved from `from` to `to`: the slices follow. */
void resp_args_rebase(struct resp_args *args, const char *from, const char *to);
/* Moves the slices of `from`, beginning with number `first`, to the end of `to`; false when there is no memory. */
MUST_USE bool resp_args_move(struct resp_args *to, struct resp_args *from, size_t first);
/* Makes room for 16 more at least; false when there is no memory. */
MUST_USE bool resp_args_grow(struct resp_args *args);
/* Appends one slice; false when there is no memory. */
MUST_USE static inline bool resp_args_add(struct resp_args *args, bytes item)
{
    if (unlikely(args->count == args->capacity) && !resp_args_grow(args))
        return false;
    args->items[args->count++] = item;
    return true;
}

/* How far the present request has been parsed. Zeroed memory: nothing of it yet. */
struct resp_state {
    size_t position;   /* bytes of the request that are done with */
    size_t scanned;    /* bytes after position known to hold no end of line */
    int64_t args_left; /* still to come */
    int64_t bulk_len;  /* of the argument being read */
    uint32_t command;  /* number of its command, where a protocol says it by a code; 0: the first words say it */
    bool has_count;    /* the number of arguments is known */
    bool has_bulk_len;
};

struct resp_limits {
    int64_t max_bulk_len; /* proto-max-bulk-len, bytes */
    bool is_unauthenticated;
};

enum resp_status {
    RESP_REQUEST, /* complete: its arguments were added to the list; state->position bytes belong to it */
    RESP_NOTHING, /* complete and empty (a blank line, "*0"): nothing to run; state->position bytes belong to it */
    RESP_MORE,    /* the input ends in the middle; resp_needed() says how much is missing at least */
    RESP_BROKEN,  /* against the protocol: `error` holds the text, to be sent as "ERR Protocol error: text" */
    RESP_NO_MEMORY,
};

/* Parses the request that begins at input[0]; `len` bytes are there. `input` may be changed (quoted inline arguments
   are unquoted in place). Arguments are added to `args` as they are found. */
enum resp_status resp_parse(struct resp_state *state, char *input, size_t len, struct resp_args *args,
                            const struct resp_limits *limits, char error[RESP_ERROR_SIZE]);

/* After RESP_MORE: the least total length of input with which parsing can go on. */
size_t resp_needed(const struct resp_state *state, size_t len);

struct session;

/* The limits that hold for a session's next request. */
struct resp_limits resp_limits_of(const struct session *session);
/* Answers a request that broke the protocol, with the text that resp_parse gave. The caller ends the connection. */
void resp_refuse(struct session *session, const char *text);

/* Encoders by protocol version: [2] and [3]. */
extern const struct reply_encoder *const resp_encoders[4];

#endif

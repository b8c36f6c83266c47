/* Input that waits: bytes of a client's that cannot be run yet, because the request is incomplete or the client is held
   back, and how far they have been parsed. Exists only while there is such input. Owned by its connection's worker. */
#ifndef LARDER_NET_INPUT_H
#define LARDER_NET_INPUT_H

#include "protocol/protocol.h"

struct input {
    size_t len;
    size_t capacity;
    struct resp_state state; /* of the request that begins at data[0] */
    struct resp_args args;   /* found of it so far, slices of data[] */
    char data[];
};

void input_free(struct input **input);

/* Makes room for `room` more bytes, creating the input when there is none; false when there is no memory. What has been
   parsed stays valid. */
MUST_USE bool input_reserve(struct input **input, size_t room);
MUST_USE bool input_append(struct input **input, bytes data);

/* Appends a request in the form of an array of bulk strings. */
MUST_USE bool input_append_request(struct input **input, const bytes *argv, size_t argc);

/* The same in the form of a Gibson frame. */
MUST_USE bool input_append_frame(struct input **input, const bytes *argv, size_t argc);

/* Keeps what was parsed of an unfinished request that begins at `start`: its state, and its arguments from `first` on,
   which are taken off `args`. The input's first byte is the request's. False when there is no memory. */
MUST_USE bool input_keep_progress(struct input *input, const struct resp_state *state, struct resp_args *args,
                                  size_t first, const char *start);

/* Drops the first `count` bytes, those of finished requests; the progress kept belongs to what follows them. */
void input_consume(struct input **input, size_t count);

/* What the client made it hold: its bytes, and the list of the arguments found. The block may be larger than that
 * needs. */
size_t input_bytes(const struct input *input);

#endif

/* Gibson's binary protocol: frames to requests, replies to frames. A request becomes the words of the command
   `GIBSON <operator> <arguments>`, so that its handler and everything around it (locks, statistics, MONITOR) are those
   of any command; what the operators do is in commands/gibson.c.

   All integers are little-endian. A request is its size (u32: the bytes that follow), an opcode (i16) and a payload; a
   reply is a code (i16), an encoding (u8), a size (u32) and the data. */
#ifndef LARDER_PROTOCOL_GIBSON_H
#define LARDER_PROTOCOL_GIBSON_H

#include "protocol/resp.h"

enum {
    GIBSON_SIZE_BYTES = 4,
    GIBSON_OPCODE_BYTES = 2,
    GIBSON_ARGS_MAX = 5, /* words of a request, "gibson" and the operator included */
};

struct gibson_limits {
    size_t max_request; /* bytes of opcode and payload */
    size_t max_key;     /* bytes; longer keys are cut, and what follows the next byte is taken for the next argument */
    size_t max_value;   /* bytes; longer values are cut */
};

/* Parses the frame that begins at input[0]; `len` bytes are there. RESP_REQUEST: the words were added to `args`, slices
   of the input, and *frame_len bytes belong to it; too few words if its payload lacks some (the handler answers that).
   RESP_MORE: it is not all there. RESP_BROKEN: not a frame, or (*frame_len is not 0) one of an unknown operator: the
   connection is to be closed without an answer. */
enum resp_status gibson_parse(const char *input, size_t len, struct resp_args *args, const struct gibson_limits *limits,
                              size_t *frame_len);

struct larder;
struct session;

/* Finds the commands of the operators, whatever they were renamed to; before any Gibson client is served. */
void gibson_open(struct larder *engine);

/* The index of a complete frame's operator among all GIBSON_OPERATORS, and the name of the one with that index. */
size_t gibson_operator(const char *frame);
bytes gibson_operator_name(size_t index);

/* The same for a session and under its engine's limits; state->position is the frame's length, when it is complete. A
   broken frame is logged. */
enum resp_status gibson_parse_for(const struct session *session, struct resp_state *state, const char *input,
                                  size_t len, struct resp_args *args);
/* After RESP_MORE: the least total length of input with which parsing can go on. */
size_t gibson_needed(const char *input, size_t len);

/* The bytes of the frame that gibson_parse makes these words of, and writes them if `to` is not NULL. */
size_t gibson_frame(const bytes *argv, size_t argc, char *to);

/* For both protocol versions the same; the first word of an error chooses its code. */
extern const struct reply_encoder *const gibson_encoders[4];

#endif

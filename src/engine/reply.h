/* Replies: a handler says what the answer is, the session's encoder says how it looks on the wire (RESP2, RESP3,
   another protocol, or nothing at all). Aggregates are announced with the number of elements, which the handler then
   replies one after another. */
#ifndef LARDER_ENGINE_REPLY_H
#define LARDER_ENGINE_REPLY_H

#include "base/blob.h"
#include "base/out.h"

struct call;

/* One way to encode replies, appending to a session's output. Constants; every function is given. */
struct reply_encoder {
    void (*status)(struct out *out, bytes text);
    void (*error)(struct out *out, bytes text); /* code and message, without a leading minus; may hold no CR or LF */
    void (*integer)(struct out *out, int64_t value);
    void (*bulk)(struct out *out, bytes data);
    void (*blob)(struct out *out, struct blob *blob, size_t start, size_t len); /* a range of it, as a bulk string */
    void (*null)(struct out *out);
    void (*null_array)(struct out *out); /* RESP2 tells it from a null bulk string */
    void (*boolean)(struct out *out, bool value);
    void (*real)(struct out *out, double value);
    void (*big_number)(struct out *out, bytes digits);
    void (*verbatim)(struct out *out, const char format[4], bytes text); /* format: three characters, "txt" or "mkd" */
    void (*array)(struct out *out, size_t count);
    void (*map)(struct out *out, size_t pairs);
    void (*set)(struct out *out, size_t count);
    void (*push)(struct out *out, size_t count);
    void (*attribute)(struct out *out, size_t pairs);
    /* An aggregate whose length is known only after its elements: begin, the elements, end. */
    struct out_chunk *(*begin)(struct out *out);
    void (*end_array)(struct out *out, struct out_chunk *begun, size_t count);
    void (*end_map)(struct out *out, struct out_chunk *begun, size_t pairs);
    void (*end_set)(struct out *out, struct out_chunk *begun, size_t count);
};

/* Encodes nothing: CLIENT REPLY OFF. */
extern const struct reply_encoder reply_encoder_silent;

/* A bulk string of this length or more is sent from its blob without a copy. */
enum { REPLY_BLOB_MIN = 16 * 1024 };

void reply_status(struct call *call, const char *text);
void reply_ok(struct call *call);
void reply_integer(struct call *call, int64_t value);
void reply_bulk(struct call *call, bytes data);
/* A range of a blob as a bulk string, by reference when it is long. */
void reply_blob(struct call *call, struct blob *blob, size_t start, size_t len);
void reply_bulk_text(struct call *call, const char *text);
void reply_bulk_integer(struct call *call, int64_t value);
void reply_null(struct call *call);
void reply_null_array(struct call *call);
void reply_boolean(struct call *call, bool value);
void reply_real(struct call *call, double value);
void reply_verbatim(struct call *call, bytes text);
void reply_array(struct call *call, size_t count);
void reply_map(struct call *call, size_t pairs);
void reply_set(struct call *call, size_t count);
void reply_push(struct call *call, size_t count);
struct out_chunk *reply_begin(struct call *call);
void reply_end_array(struct call *call, struct out_chunk *begun, size_t count);
void reply_end_map(struct call *call, struct out_chunk *begun, size_t pairs);
void reply_end_set(struct call *call, struct out_chunk *begun, size_t count);

/* Errors, each ending with its code and message as Redis words it; they set call->failed and count. `text` begins with
   the code ("ERR ..."); bytes that would break the line are replaced by spaces. */
void reply_error(struct call *call, const char *text);
void reply_error_format(struct call *call, const char *format, ...) PRINTF_LIKE(2, 3);
void reply_syntax_error(struct call *call);
void reply_wrong_type(struct call *call);
void reply_arity_error(struct call *call); /* ERR wrong number of arguments for 'full|name' command */
void reply_no_memory(struct call *call);
/* "ERR unknown subcommand or wrong number of arguments for 'x'. Try CONTAINER HELP." */
void reply_subcommand_error(struct call *call);
/* A HELP subcommand's reply: usage lines, NULL-terminated, preceded and followed by what Redis puts around them. */
void reply_help(struct call *call, const char *const *lines);

#endif

/* Frames: things that the server sends of its own accord (messages, invalidations, lines for MONITOR), encoded once for
   all who receive them. Every receiver speaks a protocol version of its own, and may change it before the frame is
   sent, so a frame is encoded for all of them: a head for each version, and a body that they share, which in RESP is
   all but the first few bytes. A long payload is not part of the text but stands beside it, between the body and its
   end, so that several frames can share it too. Frames are constants: any thread may read one that it holds. */
#ifndef LARDER_ENGINE_FRAME_H
#define LARDER_ENGINE_FRAME_H

#include "engine/reply.h"

/* Two references; a copy of the struct is none of its own. */
struct frame {
    struct blob *text;    /* heads, body and end, and where they begin; NULL: there was no memory */
    struct blob *payload; /* NULL: what it holds is in the text */
};

static inline struct frame frame_keep(struct frame frame)
{
    blob_keep(frame.text);
    if (frame.payload != NULL)
        blob_keep(frame.payload);
    return frame;
}

/* NULL is allowed as the text. */
void frame_drop(struct frame frame);

/* Bytes that it takes, whoever else holds it. */
static inline size_t frame_bytes(struct frame frame)
{
    return frame.text->len + (frame.payload != NULL ? frame.payload->len : 0);
}

/* Appends it in this protocol version, by reference if it is long. */
void frame_append(struct frame frame, int protocol, struct out *out);

/* What encoders are there to a session's `encoders`: one for each protocol version. */
typedef const struct reply_encoder *const *frame_encoders;

/* A push of `count` bulk strings and, behind them, a payload: `long_payload` if that is not NULL, else `payload`. */
MUST_USE struct frame frame_message(frame_encoders encoders, const bytes *words, size_t count, bytes payload,
                                    struct blob *long_payload);
/* A line for MONITOR. */
MUST_USE struct frame frame_line(frame_encoders encoders, bytes line);
/* Cached keys have changed: these, or all (count 0). RESP2 has no such push: there it is a message on a channel. */
MUST_USE struct frame frame_invalidation(frame_encoders encoders, const bytes *keys, size_t count);
/* The session that invalidations went to is gone: its number. */
MUST_USE struct frame frame_redirect_broken(frame_encoders encoders, uint64_t id);

#endif

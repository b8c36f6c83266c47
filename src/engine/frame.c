/* Frames: encoding and sending them; see frame.h. A frame's text begins with its plan, followed by the head for RESP2,
   the head for RESP3, the body, and the end. */
#include "engine/frame.h"

enum { VERSIONS = 2, FIRST_VERSION = 2 };

/* Where the parts of a text begin, from its first byte on; each ends where the next begins. */
struct plan {
    size_t heads[VERSIONS];
    size_t body;
    size_t end;
    size_t size;
};

static struct plan plan_of(const struct blob *text)
{
    struct plan plan;
    memcpy(&plan, text->data, sizeof(plan));
    return plan;
}

void frame_drop(struct frame frame)
{
    if (frame.text != NULL)
        blob_drop(frame.text);
    if (frame.payload != NULL)
        blob_drop(frame.payload);
}

/* One part of the text. */
static void append_part(struct out *out, struct blob *text, size_t begin, size_t end, bool is_long)
{
    if (is_long)
        out_append_blob(out, text, begin, end - begin);
    else
        out_append(out, (bytes){text->data + begin, end - begin});
}

void frame_append(struct frame frame, int protocol, struct out *out)
{
    struct plan plan = plan_of(frame.text);
    bool is_long = frame.payload != NULL || plan.size >= REPLY_BLOB_MIN;
    size_t version = (size_t)(protocol - FIRST_VERSION);
    size_t head_end = version + 1 < VERSIONS ? plan.heads[version + 1] : plan.body;
    append_part(out, frame.text, plan.heads[version], head_end, is_long);
    append_part(out, frame.text, plan.body, plan.end, is_long);
    if (frame.payload != NULL)
        out_append_blob(out, frame.payload, 0, frame.payload->len);
    append_part(out, frame.text, plan.end, plan.size, is_long);
}

/* A frame being written: the parts one after another into `out`, each begun by a call. */
struct writer {
    frame_encoders encoders;
    struct out_pool pool;
    struct out out;
    struct plan plan;
};

static void writer_init(struct writer *writer, frame_encoders encoders)
{
    *writer = (struct writer){.encoders = encoders};
    out_init(&writer->out, &writer->pool);
}

static size_t here(const struct writer *writer)
{
    return sizeof(struct plan) + out_pending(&writer->out);
}

/* Begins the head for a version, and gives the encoder to write it with. */
static const struct reply_encoder *begin_head(struct writer *writer, int protocol)
{
    writer->plan.heads[protocol - FIRST_VERSION] = here(writer);
    return writer->encoders[protocol];
}

/* Begins the body, which must read alike in all versions, and gives the encoder to write it with. */
static const struct reply_encoder *begin_body(struct writer *writer)
{
    writer->plan.body = here(writer);
    return writer->encoders[FIRST_VERSION];
}

static size_t payload_bytes(const struct out *out)
{
    size_t sum = 0;
    for (const struct out_chunk *chunk = out->head; chunk != NULL; chunk = chunk->next)
        sum += chunk->blob != NULL ? chunk->end - chunk->start : 0;
    return sum;
}

/* Copies what was written into a text; a blob among it becomes the payload. */
static void collect(struct writer *writer, struct frame *frame)
{
    char *to = frame->text->data + sizeof(writer->plan);
    for (const struct out_chunk *chunk = writer->out.head; chunk != NULL; chunk = chunk->next) {
        bool is_open = chunk == writer->out.tail && writer->out.at != NULL;
        size_t len = (is_open ? (size_t)(writer->out.at - chunk->data) : chunk->end) - chunk->start;
        if (chunk->blob != NULL) {
            frame->payload = blob_keep(chunk->blob);
            writer->plan.end = (size_t)(to - frame->text->data);
        } else {
            memcpy(to, chunk->data + chunk->start, len);
            to += len;
        }
    }
    frame->text->len = (size_t)(to - frame->text->data);
    writer->plan.size = frame->text->len;
    if (frame->payload == NULL)
        writer->plan.end = writer->plan.size;
    memcpy(frame->text->data, &writer->plan, sizeof(writer->plan));
}

static struct frame finish(struct writer *writer)
{
    struct frame frame = {0};
    if (!writer->out.failed)
        frame.text = blob_new(here(writer) - payload_bytes(&writer->out));
    if (frame.text != NULL)
        collect(writer, &frame);
    out_clear(&writer->out);
    out_pool_free(&writer->pool);
    return frame;
}

struct frame frame_message(frame_encoders encoders, const bytes *words, size_t count, bytes payload,
                           struct blob *long_payload)
{
    struct writer writer;
    writer_init(&writer, encoders);
    for (int protocol = 2; protocol <= 3; protocol++)
        begin_head(&writer, protocol)->push(&writer.out, count + 1);
    const struct reply_encoder *encoder = begin_body(&writer);
    for (size_t i = 0; i < count; i++)
        encoder->bulk(&writer.out, words[i]);
    if (long_payload != NULL)
        encoder->blob(&writer.out, long_payload, 0, long_payload->len);
    else
        encoder->bulk(&writer.out, payload);
    return finish(&writer);
}

struct frame frame_line(frame_encoders encoders, bytes line)
{
    struct writer writer;
    writer_init(&writer, encoders);
    begin_head(&writer, 2);
    begin_head(&writer, 3);
    begin_body(&writer)->status(&writer.out, line);
    return finish(&writer);
}

struct frame frame_invalidation(frame_encoders encoders, const bytes *keys, size_t count)
{
    struct writer writer;
    writer_init(&writer, encoders);
    const struct reply_encoder *encoder = begin_head(&writer, 2);
    encoder->push(&writer.out, 3);
    encoder->bulk(&writer.out, BYTES("message"));
    encoder->bulk(&writer.out, BYTES("__redis__:invalidate"));
    if (count == 0)
        encoder->null_array(&writer.out);
    encoder = begin_head(&writer, 3);
    encoder->push(&writer.out, 2);
    encoder->bulk(&writer.out, BYTES("invalidate"));
    if (count == 0)
        encoder->null_array(&writer.out);
    encoder = begin_body(&writer);
    if (count > 0)
        encoder->array(&writer.out, count);
    for (size_t i = 0; i < count; i++)
        encoder->bulk(&writer.out, keys[i]);
    return finish(&writer);
}

struct frame frame_redirect_broken(frame_encoders encoders, uint64_t id)
{
    struct writer writer;
    writer_init(&writer, encoders);
    for (int protocol = 2; protocol <= 3; protocol++)
        begin_head(&writer, protocol)->push(&writer.out, 2);
    const struct reply_encoder *encoder = begin_body(&writer);
    encoder->bulk(&writer.out, BYTES("tracking-redir-broken"));
    encoder->integer(&writer.out, (int64_t)id);
    return finish(&writer);
}

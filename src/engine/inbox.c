/* Deliveries from other threads; see inbox.h. */
#include "engine/inbox.h"

#include "base/mem.h"
#include "base/num.h"
#include "engine/engine.h"

static size_t delivery_bytes(const struct delivery *delivery)
{
    size_t sum = sizeof(*delivery);
    for (size_t i = 0; i < DELIVERY_PARTS && delivery->parts[i] != NULL; i++)
        sum += delivery->parts[i]->len;
    return sum;
}

static void close_session(struct session *session)
{
    atomic_store_explicit(&session->must_close, true, memory_order_relaxed);
    session->transport->interrupt(session);
}

static bool is_over_limit(const struct session *session, size_t waiting)
{
    int class = atomic_load_explicit(&session->output_class, memory_order_relaxed);
    size_t limit = atomic_load_explicit(&session->engine->output_limits[class], memory_order_relaxed);
    size_t sum = waiting + atomic_load_explicit(&session->out_bytes, memory_order_relaxed);
    return (limit > 0 && sum > limit) || sum > SESSION_OUTPUT_CEILING;
}

static void report_over_limit(struct session *session)
{
    log_printf(&session->engine->log, LOG_WARNING_LEVEL,
               "Client id=%llu addr=%s scheduled to be closed ASAP for overcoming of output buffer limits.",
               (unsigned long long)session->id, session->address);
    atomic_fetch_add_explicit(&session->engine->slow_readers, 1, memory_order_relaxed);
}

void inbox_deliver(struct session *session, enum delivery_kind kind, struct blob *const parts[DELIVERY_PARTS])
{
    struct inbox *inbox = &session->inbox;
    if (unlikely(atomic_load_explicit(&session->must_close, memory_order_relaxed)))
        return;
    struct delivery *delivery = mem_alloc(sizeof(*delivery));
    if (delivery == NULL) {
        close_session(session);
        return;
    }
    delivery->kind = kind;
    for (size_t i = 0; i < DELIVERY_PARTS; i++)
        delivery->parts[i] = parts[i] != NULL ? blob_keep(parts[i]) : NULL;
    size_t size = delivery_bytes(delivery);
    size_t waiting = atomic_fetch_add_explicit(&inbox->bytes, size, memory_order_relaxed) + size;
    atomic_fetch_add_explicit(&inbox->count, 1, memory_order_relaxed);
    bool was_empty = mailbox_push(&inbox->mailbox, &delivery->mail);
    if (unlikely(is_over_limit(session, waiting))) {
        report_over_limit(session);
        close_session(session);
    } else if (was_empty) {
        session->transport->interrupt(session);
    }
}

static bytes part(const struct delivery *delivery, size_t index)
{
    return blob_bytes(delivery->parts[index]);
}

/* Large parts are sent from where they are. */
static void put_bulk(const struct reply_encoder *encoder, struct out *out, struct blob *blob)
{
    if (blob->len >= REPLY_BLOB_MIN)
        encoder->blob(out, blob, 0, blob->len);
    else
        encoder->bulk(out, blob_bytes(blob));
}

static size_t count_names(bytes packed)
{
    size_t count = 0;
    for (size_t at = 0; at < packed.len; count++) {
        uint32_t len;
        memcpy(&len, packed.at + at, sizeof(len));
        at += sizeof(len) + len;
    }
    return count;
}

static void put_names(const struct reply_encoder *encoder, struct out *out, bytes packed)
{
    encoder->array(out, count_names(packed));
    for (size_t at = 0; at < packed.len;) {
        uint32_t len;
        memcpy(&len, packed.at + at, sizeof(len));
        encoder->bulk(out, (bytes){packed.at + at + sizeof(len), len});
        at += sizeof(len) + len;
    }
}

/* RESP2 has no pushes of this kind: there it is a message on a channel of that name. */
static void put_invalidation(const struct session *session, const struct reply_encoder *encoder, struct out *out,
                             const struct delivery *delivery)
{
    if (atomic_load_explicit(&session->protocol, memory_order_relaxed) >= 3) {
        encoder->push(out, 2);
        encoder->bulk(out, BYTES("invalidate"));
    } else {
        encoder->push(out, 3);
        encoder->bulk(out, BYTES("message"));
        encoder->bulk(out, BYTES("__redis__:invalidate"));
    }
    if (delivery->parts[0] != NULL)
        put_names(encoder, out, part(delivery, 0));
    else
        encoder->null_array(out);
}

static void put_out(struct session *session, const struct delivery *delivery)
{
    /* not session->encoder: CLIENT REPLY silences replies, not messages */
    const struct reply_encoder *encoder = session->encoders[atomic_load_explicit(&session->protocol, memory_order_relaxed)];
    struct out *out = &session->out;
    switch (delivery->kind) {
    case DELIVERY_MESSAGE:
    case DELIVERY_SHARD_MESSAGE:
        encoder->push(out, 3);
        encoder->bulk(out, delivery->kind == DELIVERY_MESSAGE ? BYTES("message") : BYTES("smessage"));
        encoder->bulk(out, part(delivery, 0));
        put_bulk(encoder, out, delivery->parts[1]);
        break;
    case DELIVERY_PATTERN_MESSAGE:
        encoder->push(out, 4);
        encoder->bulk(out, BYTES("pmessage"));
        encoder->bulk(out, part(delivery, 2));
        encoder->bulk(out, part(delivery, 0));
        put_bulk(encoder, out, delivery->parts[1]);
        break;
    case DELIVERY_MONITOR_LINE:
        encoder->status(out, part(delivery, 0));
        break;
    case DELIVERY_INVALIDATE:
        put_invalidation(session, encoder, out, delivery);
        break;
    case DELIVERY_REDIRECT_BROKEN: {
        int64_t id = 0;
        bool is_number = num_parse_int64(part(delivery, 0), &id);
        assert(is_number);
        (void)is_number;
        encoder->push(out, 2);
        encoder->bulk(out, BYTES("tracking-redir-broken"));
        encoder->integer(out, id);
        break;
    }
    }
}

/* Takes one delivery out of the inbox and frees it. */
static void discard(struct inbox *inbox, struct delivery *delivery)
{
    atomic_fetch_sub_explicit(&inbox->bytes, delivery_bytes(delivery), memory_order_relaxed);
    atomic_fetch_sub_explicit(&inbox->count, 1, memory_order_relaxed);
    for (size_t i = 0; i < DELIVERY_PARTS && delivery->parts[i] != NULL; i++)
        blob_drop(delivery->parts[i]);
    mem_free(delivery);
}

/* The oldest delivery, taken out of the queue; NULL when there is none. */
static struct delivery *take_one(struct inbox *inbox)
{
    if (inbox->taken == NULL)
        inbox->taken = mailbox_take(&inbox->mailbox);
    struct mail *mail = inbox->taken;
    if (mail == NULL)
        return NULL;
    inbox->taken = mail->next;
    return CONTAINER_OF(mail, struct delivery, mail);
}

bool inbox_drain(struct session *session, size_t enough)
{
    struct inbox *inbox = &session->inbox;
    while (out_pending(&session->out) < enough) {
        struct delivery *delivery = take_one(inbox);
        if (delivery == NULL)
            return false;
        put_out(session, delivery);
        discard(inbox, delivery);
    }
    return !inbox_is_empty(inbox);
}

void inbox_clear(struct inbox *inbox)
{
    struct delivery *delivery;
    while ((delivery = take_one(inbox)) != NULL)
        discard(inbox, delivery);
}

struct blob *inbox_pack(const bytes *names, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += sizeof(uint32_t) + names[i].len;
    struct blob *packed = blob_new(size);
    if (packed == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        uint32_t len = (uint32_t)names[i].len;
        memcpy(packed->data + packed->len, &len, sizeof(len));
        memcpy(packed->data + packed->len + sizeof(len), names[i].at, len);
        packed->len += sizeof(len) + len;
    }
    return packed;
}

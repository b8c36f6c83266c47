/* Deliveries from other threads; see inbox.h. */
#include "engine/inbox.h"

#include "base/mem.h"
#include "engine/engine.h"

struct delivery {
    struct mail mail;
    struct frame frame;
};

static size_t delivery_bytes(const struct delivery *delivery)
{
    return sizeof(*delivery) + frame_bytes(delivery->frame);
}

static bool is_over_limit(const struct session *session, size_t waiting)
{
    int class = atomic_load_explicit(&session->output_class, memory_order_relaxed);
    size_t limit = atomic_load_explicit(&session->engine->output_limits[class], memory_order_relaxed);
    size_t sum = waiting + atomic_load_explicit(&session->out_bytes, memory_order_relaxed);
    return (limit > 0 && sum >= limit) || sum > SESSION_OUTPUT_CEILING;
}

/* The session must close. Of all who find that, one is told so. */
static bool condemn(struct session *session)
{
    bool was_condemned = atomic_exchange_explicit(&session->must_close, true, memory_order_relaxed);
    if (!was_condemned)
        session->transport->interrupt(session);
    return !was_condemned;
}

static void close_slow_reader(struct session *session)
{
    if (!condemn(session))
        return;
    log_printf(&session->engine->log, LOG_WARNING_LEVEL,
               "Client id=%llu addr=%s scheduled to be closed ASAP for overcoming of output buffer limits.",
               (unsigned long long)session->id, session->address);
    atomic_fetch_add_explicit(&session->engine->slow_readers, 1, memory_order_relaxed);
}

bool inbox_deliver(struct session *session, struct frame frame)
{
    struct inbox *inbox = &session->inbox;
    if (unlikely(atomic_load_explicit(&session->must_close, memory_order_relaxed)))
        return false;
    struct delivery *delivery = mem_alloc(sizeof(*delivery));
    if (unlikely(delivery == NULL)) {
        condemn(session);
        return false;
    }
    delivery->frame = frame_keep(frame);
    size_t size = delivery_bytes(delivery);
    /* counted before it can be taken, and the sum is never less than what waits */
    size_t waiting = atomic_fetch_add_explicit(&inbox->bytes, size, memory_order_relaxed) + size;
    bool was_empty = mailbox_push(&inbox->mailbox, &delivery->mail);
    if (unlikely(is_over_limit(session, waiting))) {
        close_slow_reader(session);
        return false;
    }
    if (was_empty)
        session->transport->interrupt(session);
    return true;
}

/* The oldest delivery, taken out of the queue; NULL when there is none. */
static struct delivery *take_one(struct inbox *inbox)
{
    if (inbox_is_empty(inbox))
        return NULL;
    if (inbox->taken == NULL)
        inbox->taken = mailbox_take(&inbox->mailbox);
    struct mail *mail = inbox->taken;
    inbox->taken = mail->next;
    return CONTAINER_OF(mail, struct delivery, mail);
}

static void discard(struct inbox *inbox, struct delivery *delivery)
{
    atomic_fetch_sub_explicit(&inbox->bytes, delivery_bytes(delivery), memory_order_relaxed);
    frame_drop(delivery->frame);
    mem_free(delivery);
}

bool inbox_put_one(struct session *session)
{
    struct delivery *delivery = take_one(&session->inbox);
    if (delivery == NULL)
        return false;
    /* whatever CLIENT REPLY says: it silences replies, not messages */
    frame_append(delivery->frame, atomic_load_explicit(&session->protocol, memory_order_relaxed), &session->out);
    discard(&session->inbox, delivery);
    return true;
}

void inbox_drain(struct session *session, size_t enough)
{
    while (!session->close_after_reply && out_pending(&session->out) < enough && inbox_put_one(session))
        continue;
}

void inbox_settle(struct session *session)
{
    if (!session->transport->keeps_inbox)
        inbox_drain(session, SIZE_MAX);
}

void inbox_clear(struct inbox *inbox)
{
    struct delivery *delivery;
    while ((delivery = take_one(inbox)) != NULL)
        discard(inbox, delivery);
}

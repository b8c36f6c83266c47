/* Lines for MONITOR; see monitor.h. */
#include "engine/monitor.h"

#include "base/split.h"
#include "engine/dispatch.h"

#include <stdio.h>

enum {
    HEAD_SIZE = SESSION_ADDRESS_SIZE + 64, /* bytes of a line in front of the words */
    LINE_MAX_BYTES = 1 << 30,              /* what waits for a client may not be more */
};

void monitors_init(struct monitors *monitors)
{
    lock_init(&monitors->lock);
    list_init(&monitors->sessions);
    atomic_init(&monitors->encoders, NULL);
}

void monitors_free(struct monitors *monitors)
{
    assert(list_is_empty(&monitors->sessions));
    lock_free(&monitors->lock);
}

void monitor_join(struct session *session)
{
    struct larder *engine = session->engine;
    session->modes |= MODE_MONITORS;
    atomic_store_explicit(&session->is_monitor, true, memory_order_relaxed);
    lock_take(&engine->monitors.lock);
    list_append(&engine->monitors.sessions, &session->in_monitors);
    atomic_store_explicit(&engine->monitors.encoders, session->encoders, memory_order_release);
    engine_set_gate(engine, GATE_MONITOR, true);
    lock_give(&engine->monitors.lock);
}

void monitor_leave(struct session *session)
{
    struct larder *engine = session->engine;
    if (!(session->modes & MODE_MONITORS))
        return;
    lock_take(&engine->monitors.lock);
    list_remove(&session->in_monitors);
    if (list_is_empty(&engine->monitors.sessions))
        engine_set_gate(engine, GATE_MONITOR, false);
    lock_give(&engine->monitors.lock);
    session->modes |= MODE_LEAVES; /* in two steps: another thread may set MODE_LISTENS meanwhile */
    session->modes &= ~(unsigned)MODE_MONITORS;
    atomic_store_explicit(&session->is_monitor, false, memory_order_relaxed);
}

size_t monitors_count(struct monitors *monitors)
{
    size_t count = 0;
    lock_take(&monitors->lock);
    for (const struct list *link = monitors->sessions.next; link != &monitors->sessions; link = link->next)
        count++;
    lock_give(&monitors->lock);
    return count;
}

/* "1339518083.107412 [0 127.0.0.1:60866]", "[0 unix:/path/socket]" */
static size_t write_head(const struct call *call, char head[HEAD_SIZE])
{
    int64_t now_us = call->executor->now_us;
    const struct session *session = call->session;
    size_t address_len = strlen(session->address);
    if (session->is_unix && address_len > 2)
        address_len -= 2; /* ":0", where others have their port */
    int len = snprintf(head, HEAD_SIZE, "%lld.%06lld [%zu %s%.*s]", (long long)(now_us / 1000000),
                       (long long)(now_us % 1000000), call_db(call), session->is_unix ? "unix:" : "", (int)address_len,
                       session->address);
    return len < HEAD_SIZE ? (size_t)len : HEAD_SIZE - 1;
}

/* The line for all versions of the protocol; without text when there is no memory for it, or no monitor could be sent
   so much. */
static struct frame make_line(const struct call *call, frame_encoders encoders)
{
    char head[HEAD_SIZE];
    struct text line = {.limit = LINE_MAX_BYTES};
    text_append(&line, (bytes){head, write_head(call, head)});
    for (size_t i = 0; i < call_sent_words(call); i++) {
        text_append_char(&line, ' ');
        split_append_quoted(&line, call_shown_word(call, i));
    }
    struct frame frame = {0};
    if (!line.is_cut)
        frame = frame_line(encoders, text_bytes(&line));
    text_free(&line);
    return frame;
}

/* With the monitors' lock held. */
static void deliver(struct session *session, struct frame line)
{
    if (line.text != NULL)
        inbox_deliver(session, line);
    else
        inbox_condemn(session); /* rather no monitor than one that misses something */
}

void monitor_tell(const struct call *call)
{
    if (call_flags(call) & (CMD_SKIP_MONITOR | CMD_ADMIN))
        return;
    struct monitors *monitors = &call->engine->monitors;
    frame_encoders encoders = atomic_load_explicit(&monitors->encoders, memory_order_acquire);
    if (encoders == NULL)
        return; /* the first monitor is about to come */
    struct frame line = make_line(call, encoders);
    lock_take(&monitors->lock);
    for (struct list *link = monitors->sessions.next; link != &monitors->sessions; link = link->next)
        deliver(CONTAINER_OF(link, struct session, in_monitors), line);
    lock_give(&monitors->lock);
    frame_drop(line);
}

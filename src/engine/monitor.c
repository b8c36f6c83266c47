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
}

void monitors_free(struct monitors *monitors)
{
    assert(list_is_empty(&monitors->sessions));
    lock_free(&monitors->lock);
}

void monitor_join(struct session *session)
{
    struct larder *engine = session->engine;
    session_listen(session, LISTENS_AS_MONITOR, true);
    lock_take(&engine->monitors.lock);
    list_append(&engine->monitors.sessions, &session->in_monitors);
    engine_set_gate(engine, GATE_MONITOR, true);
    lock_give(&engine->monitors.lock);
}

void monitor_leave(struct session *session)
{
    struct larder *engine = session->engine;
    if (!session_listens(session, LISTENS_AS_MONITOR))
        return;
    lock_take(&engine->monitors.lock);
    list_remove(&session->in_monitors);
    if (list_is_empty(&engine->monitors.sessions))
        engine_set_gate(engine, GATE_MONITOR, false);
    lock_give(&engine->monitors.lock);
    session_listen(session, LISTENS_AS_MONITOR, false);
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

/* The line as a blob; NULL when there is no memory for it, or no monitor could be sent so much. */
static struct blob *make_line(const struct call *call)
{
    char head[HEAD_SIZE];
    size_t head_len = write_head(call, head);
    size_t size = head_len;
    for (size_t i = 0; i < call->argc; i++)
        size += 1 + split_quoted_length(call_shown_argument(call, i));
    struct blob *line = size <= LINE_MAX_BYTES ? blob_new(size) : NULL;
    if (line == NULL)
        return NULL;
    memcpy(line->data, head, head_len);
    char *at = line->data + head_len;
    for (size_t i = 0; i < call->argc; i++) {
        *at++ = ' ';
        at = split_put_quoted(at, call_shown_argument(call, i));
    }
    line->len = size;
    return line;
}

/* With the monitors' lock held. */
static void deliver(struct session *session, struct blob *line)
{
    struct blob *const parts[DELIVERY_PARTS] = {line};
    if (line != NULL) {
        inbox_deliver(session, DELIVERY_MONITOR_LINE, parts);
    } else { /* rather no monitor than one that misses something */
        atomic_store_explicit(&session->must_close, true, memory_order_relaxed);
        session->transport->interrupt(session);
    }
}

void monitor_tell(const struct call *call)
{
    if (call_flags(call) & (CMD_SKIP_MONITOR | CMD_ADMIN))
        return;
    struct monitors *monitors = &call->engine->monitors;
    struct blob *line = make_line(call);
    lock_take(&monitors->lock);
    for (struct list *link = monitors->sessions.next; link != &monitors->sessions; link = link->next)
        deliver(CONTAINER_OF(link, struct session, in_monitors), line);
    lock_give(&monitors->lock);
    if (line != NULL)
        blob_drop(line);
}

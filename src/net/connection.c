/* Connections: what they keep, what they send, how they end; see connection.h. */
#include "net/connection.h"

#include "base/mem.h"
#include "net/worker.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    VECTOR_MAX = 64,                /* pieces of one writev */
    SENDS_PER_TURN_BYTES = 1 << 20, /* so that one fast reader of large values does not hold up the others */
    INBOX_STEP = 16 * 1024,         /* bytes of output that deliveries become at a time: until then they are shared */
    UNAUTHENTICATED_PENDING = 1024, /* bytes that a client may leave unread before it has authenticated */
};

/* Any thread, under the registry's lock. The mail is a part of the connection, so it is sent once at a time, and the
   connection outlives it. */
static void connection_interrupt(struct session *session)
{
    struct connection *connection = connection_of(session);
    if (!atomic_exchange_explicit(&connection->is_interrupted, true, memory_order_acq_rel))
        worker_send(connection->worker, &connection->interrupt);
}

const struct transport connection_transport = {.interrupt = connection_interrupt, .is_network = true, .can_wait = true};

struct connection *connection_new(struct larder *engine, struct out_pool *pool, int fd,
                                  const struct reply_encoder *const *encoders)
{
    struct connection *connection = mem_alloc_zeroed(sizeof(*connection));
    if (connection == NULL)
        return NULL;
    session_open(&connection->session, engine, &connection_transport, encoders, pool);
    connection->session.fd = fd;
    list_init(&connection->in_worker);
    list_init(&connection->in_waiting);
    list_init(&connection->in_unread);
    connection->read_waits_for = REACTOR_READ;
    connection->write_waits_for = REACTOR_WRITE;
    atomic_init(&connection->is_interrupted, false);
    connection->arrival.kind = MAIL_ARRIVAL;
    connection->interrupt.kind = MAIL_INTERRUPT;
    return connection;
}

bool connection_start(struct connection *connection, struct worker *worker)
{
    connection->worker = worker;
    connection->session.executor = &worker->executor;
    connection->session.out.pool = &worker->pool;
    connection->interest = REACTOR_READ;
    list_append(&worker->connections, &connection->in_worker);
    session_register(&connection->session);
    return reactor_add(&worker->reactor, connection->session.fd, REACTOR_READ, connection);
}

/* Who hangs up during a pause has given up, and may have written elsewhere by the end of it. Who waits for the prefix
   index may only have said all that it had to say. */
static unsigned read_interest(const struct connection *connection)
{
    if (!session_is_held(&connection->session))
        return connection->read_waits_for;
    const struct worker *worker = connection->worker;
    return engine_is_paused(worker->engine, worker->executor.now_ms) ? REACTOR_HANG_UP : 0;
}

void connection_update_interest(struct connection *connection)
{
    unsigned interest =
        read_interest(connection) | (out_is_empty(&connection->session.out) ? 0U : connection->write_waits_for);
    if (interest == connection->interest)
        return;
    connection->interest = interest;
    reactor_change(&connection->worker->reactor, connection->session.fd, interest, connection);
}

/* --- TLS --- */

bool connection_secure(struct connection *connection, struct tls_context *context)
{
    connection->tls = tls_open(context, connection->session.fd);
    connection->is_shaking_hands = true;
    return connection->tls != NULL;
}

void connection_fail_handshake(struct connection *connection, const char *reason)
{
    const struct session *session = &connection->session;
    log_printf(&session->engine->log, LOG_WARNING_LEVEL, "Error accepting a client connection: %s (addr=%s laddr=%s)",
               reason, session->address, session->local_address);
    connection->is_broken = true;
}

/* Says what there is to say to a client that is not served. */
static void dismiss(struct connection *connection)
{
    out_append(&connection->session.out, bytes_of(connection->farewell));
    connection->session.close_after_reply = true;
    connection_flush(connection);
}

void connection_shake_hands(struct connection *connection)
{
    char error[TLS_ERROR_SIZE];
    enum tls_status status = tls_shake_hands(connection->tls, error);
    connection->is_shaking_hands = status != TLS_DONE;
    connection->read_waits_for = status == TLS_WANTS_WRITE ? REACTOR_WRITE : REACTOR_READ;
    if (status == TLS_BROKEN)
        connection_fail_handshake(connection, error);
    else if (status == TLS_DONE && connection->farewell != NULL)
        dismiss(connection);
    else
        connection_update_interest(connection);
}

size_t connection_read_secure(struct connection *connection, char *to, size_t room)
{
    struct worker *worker = connection->worker;
    size_t got;
    list_remove(&connection->in_unread);
    enum tls_status status = tls_read(connection->tls, to, room, &got);
    stat_add(&worker->executor.stats.reads, 1);
    stat_add(&worker->executor.stats.input_bytes, got);
    connection->read_waits_for = status == TLS_WANTS_WRITE ? REACTOR_WRITE : REACTOR_READ;
    connection->is_broken |= status == TLS_ENDED || status == TLS_BROKEN;
    if (got > 0)
        session_note_use(&connection->session, worker->executor.now_ms);
    if (status == TLS_DONE && tls_has_input(connection->tls))
        list_append(&worker->unread, &connection->in_unread);
    return got;
}

static bool send_secure(struct connection *connection, const struct iovec *vector, int count)
{
    struct executor_stats *stats = &connection->worker->executor.stats;
    size_t sent = 0;
    enum tls_status status = count > 0 ? tls_write(connection->tls, vector, count, &sent) : TLS_DONE;
    stat_add(&stats->writes, 1);
    stat_add(&stats->output_bytes, sent);
    connection->write_waits_for = status == TLS_WANTS_READ ? REACTOR_READ : REACTOR_WRITE;
    connection->is_broken |= status == TLS_BROKEN;
    if (status != TLS_DONE)
        return false;
    out_sent(&connection->session.out, sent);
    return true;
}

/* --- output --- */

/* Sends from the head of the output; false when the socket takes no more now, or never. */
static bool send_some(struct connection *connection)
{
    struct session *session = &connection->session;
    struct executor_stats *stats = &connection->worker->executor.stats;
    struct iovec vector[VECTOR_MAX];
    int count = out_vector(&session->out, vector, VECTOR_MAX);
    if (unlikely(connection->tls != NULL))
        return send_secure(connection, vector, count);
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = (size_t)count};
    ssize_t sent = count == 1 ? send(session->fd, vector[0].iov_base, vector[0].iov_len, MSG_NOSIGNAL)
                              : sendmsg(session->fd, &message, MSG_NOSIGNAL);
    stat_add(&stats->writes, 1);
    if (sent < 0) {
        connection->is_broken |= errno != EAGAIN && errno != EINTR;
        return false;
    }
    stat_add(&stats->output_bytes, (uint64_t)sent);
    out_sent(&session->out, (size_t)sent);
    return true;
}

void connection_cut_off(struct connection *connection)
{
    struct session *session = &connection->session;
    connection->is_broken = true;
    if (atomic_exchange_explicit(&session->must_close, true, memory_order_relaxed))
        return; /* whoever delivered too much has said so, or it was killed */
    log_printf(&session->engine->log, LOG_WARNING_LEVEL,
               "Client id=%llu addr=%s scheduled to be closed ASAP for overcoming of output buffer limits.",
               (unsigned long long)session->id, session->address);
    stat_add(&connection->worker->executor.stats.output_limit_disconnections, 1);
}

/* Has the client let more pile up than client-output-buffer-limit allows? */
static bool is_over_limit(struct connection *connection)
{
    struct session *session = &connection->session;
    int class = atomic_load_explicit(&session->output_class, memory_order_relaxed);
    struct cfg_output_limit limit = cfg_output_limit(session->engine->config, (enum cfg_client_class) class);
    size_t pending = out_pending(&session->out) + atomic_load_explicit(&session->inbox.bytes, memory_order_relaxed);
    if (limit.hard_bytes > 0 && pending >= limit.hard_bytes)
        return true;
    if (pending > UNAUTHENTICATED_PENDING && !acl_lets_in(session))
        return true;
    if (limit.soft_bytes == 0 || pending < limit.soft_bytes) {
        connection->soft_limit_since_ms = 0;
        return false;
    }
    int64_t now_ms = connection->worker->executor.now_ms;
    if (connection->soft_limit_since_ms == 0)
        connection->soft_limit_since_ms = now_ms;
    return now_ms - connection->soft_limit_since_ms > limit.soft_seconds * 1000;
}

void connection_publish(struct connection *connection)
{
    const struct input *input = connection->input;
    client_limit_publish(&connection->session, input != NULL ? input->len : 0, input != NULL ? input->capacity : 0);
}

/* Sends until everything is sent, the socket takes no more, or others have waited long enough. What is left of the
   inbox then has some output in front of it, so that the reactor will say when to go on. */
static void send_all(struct connection *connection)
{
    struct session *session = &connection->session;
    struct out *out = &session->out;
    size_t budget = SENDS_PER_TURN_BYTES;
    for (;;) {
        if (unlikely(session_modes(session) & MODES_LISTENING))
            inbox_drain(session, INBOX_STEP);
        size_t pending = out_pending(out);
        if (out_is_empty(out) || connection->is_broken || budget == 0 || !send_some(connection))
            return;
        session_note_use(session, connection->worker->executor.now_ms);
        size_t sent = pending - out_pending(out);
        budget -= sent < budget ? sent : budget;
    }
}

void connection_flush(struct connection *connection)
{
    struct session *session = &connection->session;
    struct out *out = &session->out;
    send_all(connection);
    if (unlikely(!out_is_empty(out))) {
        if (!connection->is_broken && is_over_limit(connection))
            connection_cut_off(connection);
    } else if (session->close_after_reply) {
        connection->is_broken = true;
    }
    connection->is_broken |= out->failed;
    connection_publish(connection);
    connection_update_interest(connection);
}

/* --- the end --- */

/* The peer learns of it last: whoever sees the end of a connection finds nothing of its client any more, no
   subscription and no line of CLIENT LIST, and its place is free. */
void connection_close(struct connection *connection)
{
    struct worker *worker = connection->worker;
    int fd = connection->session.fd;
    reactor_remove(&worker->reactor, fd);
    list_remove(&connection->in_worker);
    list_remove(&connection->in_waiting);
    list_remove(&connection->in_unread);
    input_free(&connection->input);
    input_free(&connection->held_input);
    mem_free(connection->refusal);
    atomic_fetch_sub_explicit(&worker->connection_count, 1, memory_order_relaxed);
    session_close(&connection->session); /* from here on nobody can interrupt it any more */
    if (unlikely(connection->tls != NULL))
        tls_close(connection->tls);
    close(fd);
    connection->is_closed = true;
    if (!atomic_load_explicit(&connection->is_interrupted, memory_order_acquire))
        mem_free(connection);
}

bool connection_take_interrupt(struct connection *connection)
{
    if (connection->is_closed) {
        mem_free(connection);
        return false;
    }
    /* An exchange, not a store: whoever found the mail still on the way wrote must_close before, and the caller reads
       it after this. */
    atomic_exchange_explicit(&connection->is_interrupted, false, memory_order_acq_rel);
    return true;
}

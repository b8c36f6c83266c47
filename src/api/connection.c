/* Connections in memory: a network client whose socket is a pair of function calls; see larder.h. */
#include "api/instance.h"

#include "base/mem.h"
#include "net/input.h"

#include <stdio.h>

enum { OUTPUT_STEP = 64 * 1024 }; /* bytes of output that messages become at a time: until then they are shared */

struct larder_connection {
    struct session session;
    struct executor executor;
    struct out_pool pool;
    struct input *input; /* of an unfinished request, or of one that is parsed while the session is held; NULL: none */
    bool is_closed;      /* nothing more will be run */
};

static void ignore_interrupt(struct session *session)
{
    (void)session; /* `must_close` is looked at with every call */
}

static const struct transport memory_transport = {.interrupt = ignore_interrupt, .is_network = true};

larder_connection *larder_connect(larder *engine)
{
    if (!instance_is_free(instance_of(engine)))
        return NULL;
    larder_connection *self = mem_alloc_zeroed(sizeof(*self));
    if (self == NULL)
        return NULL;
    if (!executor_init(&self->executor, engine)) {
        mem_free(self);
        return NULL;
    }
    session_open(&self->session, engine, &memory_transport, resp_encoders, &self->pool);
    self->session.executor = &self->executor;
    snprintf(self->session.address, sizeof(self->session.address), "memory:%llu", (unsigned long long)self->session.id);
    snprintf(self->session.local_address, sizeof(self->session.local_address), "memory:0");
    session_register(&self->session);
    stat_add(&self->executor.stats.connections, 1);
    return self;
}

void larder_disconnect(larder_connection *self)
{
    if (self == NULL)
        return;
    session_close(&self->session);
    input_free(&self->input);
    executor_free(&self->executor);
    out_pool_free(&self->pool);
    mem_free(self);
}

/* Parses the request at `at`; RESP_MORE and RESP_REQUEST leave its arguments in input->args. */
static enum resp_status parse(larder_connection *self, char *at, size_t len)
{
    struct resp_limits limits = resp_limits_of(&self->session);
    char error[RESP_ERROR_SIZE];
    enum resp_status status = resp_parse(&self->input->state, at, len, &self->input->args, &limits, error);
    if (status == RESP_BROKEN)
        resp_refuse(&self->session, error);
    self->is_closed |= status == RESP_BROKEN || status == RESP_NO_MEMORY;
    return status;
}

/* Runs the parsed request; false when it must wait. */
static bool run_parsed(larder_connection *self)
{
    struct session *session = &self->session;
    struct request request;
    request_prepare(session->engine, self->input->args.items, self->input->args.count, 0, &request);
    session_hold(session, request_run(session, &request) == RUN_POSTPONED);
    self->is_closed |= session->close_after_reply || session->out.failed ||
                       atomic_load_explicit(&session->must_close, memory_order_relaxed);
    return !session_is_held(session);
}

/* Runs every request that is complete. What is left of the input moves to its front once, at the end. */
static void run_all(larder_connection *self)
{
    struct input *input = self->input;
    size_t consumed = 0;
    while (!self->is_closed) {
        enum resp_status status = RESP_REQUEST;
        if (!session_is_held(&self->session))
            status = parse(self, input->data + consumed, input->len - consumed);
        if (self->is_closed || status == RESP_MORE || (status == RESP_REQUEST && !run_parsed(self)))
            break;
        consumed += input->state.position;
        input->args.count = 0;
        input->state = (struct resp_state){0};
    }
    executor_settle(&self->executor);
    resp_args_rebase(&input->args, input->data + consumed, input->data);
    input_consume(&self->input, consumed);
}

/* What it holds counts with the memory of clients. */
static void publish(larder_connection *self)
{
    const struct input *input = self->input;
    client_limit_publish(&self->session, input != NULL ? input->len : 0, input != NULL ? input->capacity : 0);
}

/* Closes what was killed or is shut out, and goes on with what was held back. */
static void catch_up(larder_connection *self)
{
    struct session *session = &self->session;
    self->is_closed |= !instance_is_free(instance_of(session->engine));
    if (atomic_load_explicit(&session->must_close, memory_order_relaxed)) {
        self->is_closed = true;
        out_clear(&session->out);
    }
    if (self->is_closed) {
        pubsub_unsubscribe_all(session);
        tracking_turn_off(session);
        inbox_clear(&session->inbox);
    } else if (session_modes(session) & MODES_LISTENING) {
        inbox_drain(session, OUTPUT_STEP);
    }
    executor_tick(&self->executor);
    if (session_is_held(session) && !self->is_closed && !engine_is_paused(session->engine, self->executor.now_ms))
        run_all(self);
    publish(self);
}

int larder_connection_write(larder_connection *self, const void *data, size_t len)
{
    catch_up(self);
    if (self->is_closed)
        return -1;
    if (len == 0)
        return 0;
    instance_upkeep(instance_of(self->session.engine), &self->executor);
    stat_add(&self->executor.stats.input_bytes, len);
    session_note_use(&self->session, self->executor.now_ms);
    if (!input_append(&self->input, (bytes){data, len})) {
        self->is_closed = true;
        return -1;
    }
    if (!session_is_held(&self->session))
        run_all(self);
    if (input_bytes(self->input) + atomic_load_explicit(&self->session.multi_bytes, memory_order_relaxed) >
        (size_t)CFG_READ(self->session.engine->config, client_query_buffer_limit))
        self->is_closed = true;
    publish(self);
    return 0;
}

size_t larder_connection_pending(larder_connection *self)
{
    catch_up(self);
    return out_pending(&self->session.out);
}

ptrdiff_t larder_connection_read(larder_connection *self, void *buffer, size_t size)
{
    enum { pieces = 16 };
    catch_up(self);
    char *to = buffer;
    size_t copied = 0;
    while (copied < size && !out_is_empty(&self->session.out)) {
        struct iovec vector[pieces];
        int count = out_vector(&self->session.out, vector, pieces);
        size_t before = copied;
        for (int i = 0; i < count && copied < size; i++) {
            size_t step = vector[i].iov_len < size - copied ? vector[i].iov_len : size - copied;
            memcpy(to + copied, vector[i].iov_base, step);
            copied += step;
        }
        out_sent(&self->session.out, copied - before);
    }
    publish(self);
    stat_add(&self->executor.stats.output_bytes, copied);
    if (copied == 0 && size > 0 && self->is_closed)
        return -1;
    return (ptrdiff_t)copied;
}

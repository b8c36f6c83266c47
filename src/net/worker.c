/* The worker's loop; see worker.h. Order within a turn: sockets that are ready, in batches; then what TLS has received
   beyond what was read; then mail; then connections whose pause has ended; then upkeep. Mail comes after the sockets
   because it may close connections which the list of ready sockets still names. */
#include "net/worker.h"

#include "base/mem.h"
#include "keyspace/prefix.h"
#include "net/net.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    EVENTS_MAX = 256,
    WAIT_MS = 50, /* an expired key is freed within 100 ms: half for waiting, half for the work */
    UPKEEP_INTERVAL_MS = 10,
    UPKEEP_BUDGET = 1024, /* nodes per shard, and entries to free, in one step: a fraction of a millisecond */
    PATROL_INTERVAL_MS = 1000,
    HANDSHAKE_MAX_MS = 10 * 1000,     /* a client that takes longer is dropped */
    HANDSHAKES_TURN_NS = 2 * 1000000, /* computing: then the clients that are served already have their turn */
    ENTRY_DISTANCE = 8,               /* requests between asking for an entry and needing it */
    LOCK_DISTANCE = 16,               /* the same for a shard's lock, which is needed before the entry is asked for */
    LARGE_INPUT = 1024 * 1024,
    ARGS_KEPT = 256 * 1024, /* arguments; a batch that is only reads into the arena cannot have more */
};

bool worker_init(struct worker *worker, struct net *net, size_t number, size_t worker_count)
{
    struct larder *engine = net->engine;
    memset(worker, 0, sizeof(*worker));
    worker->net = net;
    worker->engine = engine;
    worker->number = number;
    worker->first_shard = engine->keyspace.shard_count * number / worker_count;
    worker->shard_count = engine->keyspace.shard_count * (number + 1) / worker_count - worker->first_shard;
    mailbox_init(&worker->mailbox);
    list_init(&worker->connections);
    list_init(&worker->held);
    list_init(&worker->ready);
    list_init(&worker->unread);
    worker->arena = mem_alloc(WORKER_ARENA_SIZE);
    if (worker->arena == NULL)
        return false;
    if (!reactor_init(&worker->reactor)) {
        mem_free(worker->arena);
        return false;
    }
    if (!executor_init(&worker->executor, engine)) {
        reactor_free(&worker->reactor);
        mem_free(worker->arena);
        return false;
    }
    return true;
}

/* A system call only if it sleeps: otherwise it looks at its mail in any case before it does. All touch `is_asleep` by
   exchanging, so each sees what those before it had pushed: either the worker sees the mail or the sender that it
   sleeps.
 */
static void wake(struct worker *worker)
{
    if (atomic_exchange_explicit(&worker->is_asleep, false, memory_order_acq_rel))
        reactor_wake(&worker->reactor);
}

void worker_send(struct worker *worker, struct worker_mail *mail)
{
    if (mailbox_push(&worker->mailbox, &mail->mail))
        wake(worker);
}

void worker_stop(struct worker *worker)
{
    atomic_store_explicit(&worker->must_stop, true, memory_order_release);
    reactor_wake(&worker->reactor);
}

/* --- gather --- */

static bool grow(void **items, size_t *capacity, size_t item_size)
{
    size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *grown = mem_realloc(*items, wanted * item_size);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

/* `known` as request_prepare takes it. */
static bool enqueue(struct worker *worker, struct connection *connection, size_t first_arg, uint32_t known)
{
    if (worker->queue_count == worker->queue_capacity &&
        !grow((void **)&worker->queue, &worker->queue_capacity, sizeof(*worker->queue)))
        return false;
    struct queued_request *queued = &worker->queue[worker->queue_count++];
    queued->connection = connection;
    queued->first_arg = first_arg;
    request_prepare(worker->engine, worker->args.items + first_arg, worker->args.count - first_arg, known,
                    &queued->request);
    if (queued->request.has_hash)
        ks_prefetch(&worker->engine->keyspace, atomic_load_explicit(&connection->session.db, memory_order_relaxed),
                    queued->request.hash);
    return true;
}

/* May the request queued last change whether its client is authenticated? */
static bool may_authenticate(const struct worker *worker)
{
    const struct command *command = worker->queue[worker->queue_count - 1].request.command;
    return command != NULL && (command->flags & CMD_NO_AUTH);
}

/* What a connection has to be parsed in this batch. */
struct parsing {
    char *at;
    size_t len;
    struct resp_state *state; /* of the request to be gone on with */
    struct resp_args *args;   /* where its arguments are; worker->args unless it was begun in an earlier batch */
    size_t consumed;          /* bytes of complete requests */
    size_t first_arg;         /* in worker->args: of the request that the input ends in the middle of */
};

/* Queues the complete requests. A request begun earlier keeps its arguments apart until it is complete, so that they
   are not moved again with every byte that arrives. */
static void parse(struct worker *worker, struct connection *connection, struct parsing *parsing)
{
    struct resp_limits limits = resp_limits_of(&connection->session);
    for (;;) {
        char error[RESP_ERROR_SIZE];
        parsing->first_arg = worker->args.count;
        enum resp_status status = protocol_parse(&connection->session, parsing->state, parsing->at + parsing->consumed,
                                                 parsing->len - parsing->consumed, parsing->args, &limits, error);
        if (status == RESP_MORE)
            return;
        if (status == RESP_BROKEN) {
            connection->refusal = mem_strdup(error);
            connection->is_broken |= connection->refusal == NULL;
            parsing->consumed = parsing->len; /* nothing that follows is looked at */
            *parsing->state = (struct resp_state){0};
            parsing->args->count = parsing->args == &worker->args ? parsing->first_arg : 0;
            return;
        }
        bool is_done = status != RESP_NO_MEMORY;
        if (is_done && parsing->args != &worker->args) {
            is_done = resp_args_move(&worker->args, parsing->args, 0);
            resp_args_free(parsing->args);
        }
        if (is_done && status == RESP_REQUEST)
            is_done = enqueue(worker, connection, parsing->first_arg, parsing->state->command);
        if (!is_done) {
            connection->is_broken = true;
            return;
        }
        parsing->args = &worker->args;
        parsing->consumed += parsing->state->position;
        *parsing->state = (struct resp_state){0};
        if (unlikely(limits.is_unauthenticated) && status == RESP_REQUEST && parsing->consumed < parsing->len &&
            may_authenticate(worker)) {
            connection->is_deferred = true; /* what follows is parsed under the limits that hold then */
            parsing->first_arg = worker->args.count;
            return;
        }
    }
}

/* Parses the connection's own input. */
static void parse_input(struct worker *worker, struct connection *connection)
{
    struct input *input = connection->input;
    struct parsing parsing = {.at = input->data, .len = input->len, .state = &input->state, .args = &input->args};
    parse(worker, connection, &parsing);
    connection->consumed = parsing.consumed;
    if (parsing.args == &worker->args && !connection->is_broken && parsing.consumed < parsing.len)
        connection->is_broken |= !input_keep_progress(input, &input->state, &worker->args, parsing.first_arg,
                                                      input->data + parsing.consumed);
}

/* Parses what was read into the arena; an unfinished request moves to the connection's own input. */
static void parse_arena(struct worker *worker, struct connection *connection, size_t len)
{
    struct resp_state state = {0};
    struct parsing parsing = {
        .at = worker->arena + worker->arena_used, .len = len, .state = &state, .args = &worker->args};
    parse(worker, connection, &parsing);
    worker->arena_used += parsing.consumed;
    if (connection->is_broken || parsing.consumed == len)
        return;
    const char *rest = parsing.at + parsing.consumed;
    if (!input_append(&connection->input, (bytes){rest, len - parsing.consumed}) ||
        !input_keep_progress(connection->input, &state, &worker->args, parsing.first_arg, rest))
        connection->is_broken = true;
    connection->consumed = 0;
}

/* Reads once into `to`; returns the bytes read, 0 when there is nothing now or the connection is at its end. */
static size_t read_some(struct worker *worker, struct connection *connection, char *to, size_t room)
{
    if (unlikely(connection->tls != NULL))
        return connection_read_secure(connection, to, room);
    ssize_t got = recv(connection->session.fd, to, room, 0);
    stat_add(&worker->executor.stats.reads, 1);
    if (got > 0) {
        stat_add(&worker->executor.stats.input_bytes, (uint64_t)got);
        session_note_use(&connection->session, worker->executor.now_ms);
        return (size_t)got;
    }
    connection->is_broken |= got == 0 || (errno != EAGAIN && errno != EINTR);
    return 0;
}

/* Room to read into: enough for the argument that is being received, but not all at once on a client's mere word. */
static size_t wanted_room(const struct connection *connection)
{
    const struct input *input = connection->input;
    size_t needed = protocol_needed(&connection->session, &input->state, input->data, input->len);
    size_t missing = needed > input->len ? needed - input->len : 0;
    if (missing > LARGE_INPUT)
        return LARGE_INPUT;
    return missing > WORKER_READ_SIZE ? missing : WORKER_READ_SIZE;
}

static void read_into_input(struct worker *worker, struct connection *connection)
{
    size_t room = wanted_room(connection);
    if (!input_reserve(&connection->input, room)) {
        connection->is_broken = true;
        return;
    }
    struct input *input = connection->input;
    size_t got = read_some(worker, connection, input->data + input->len, room);
    input->len += got;
    if (got > 0)
        parse_input(worker, connection);
}

/* Makes the connection one of the batch; without memory for that it is closed, and false returned. */
static bool join_batch(struct worker *worker, struct connection *connection)
{
    if (worker->batch_count == worker->batch_capacity &&
        !grow((void **)&worker->batch, &worker->batch_capacity, sizeof(struct connection *))) {
        connection_close(connection);
        return false;
    }
    worker->batch[worker->batch_count++] = connection;
    return true;
}

static void gather(struct worker *worker, struct connection *connection)
{
    if (connection->input != NULL) {
        read_into_input(worker, connection);
        return;
    }
    size_t got = read_some(worker, connection, worker->arena + worker->arena_used, WORKER_READ_SIZE);
    if (got > 0)
        parse_arena(worker, connection, got);
}

/* --- execute --- */

/* The request must wait: it and those behind it are kept as bytes, to be parsed again when the time has come. */
static void hold_back(struct worker *worker, struct connection *connection, const struct request *request)
{
    if (!session_is_held(&connection->session)) {
        session_hold(&connection->session, true);
        list_append(&worker->held, &connection->in_waiting);
    }
    bool is_gibson = session_speaks_gibson(&connection->session);
    bool is_kept = is_gibson ? input_append_frame(&connection->held_input, request->argv, request->argc)
                             : input_append_request(&connection->held_input, request->argv, request->argc);
    connection->is_broken |= !is_kept;
    if (is_gibson)
        stat_add(&worker->executor.stats.gibson_requests, (uint64_t)-1); /* it will be counted again */
}

/* Asks for what requests further back in the queue will touch after their buckets. */
static void look_ahead(const struct worker *worker, size_t present)
{
    const struct keyspace *ks = &worker->engine->keyspace;
    const struct queued_request *ahead = worker->queue + present;
    size_t left = worker->queue_count - present;
    if (left > LOCK_DISTANCE && ahead[LOCK_DISTANCE].request.has_hash)
        ks_prefetch_lock(ks, ahead[LOCK_DISTANCE].request.hash);
    if (left > ENTRY_DISTANCE && ahead[ENTRY_DISTANCE].request.has_hash)
        ks_prefetch_entry(ks, atomic_load_explicit(&ahead[ENTRY_DISTANCE].connection->session.db, memory_order_relaxed),
                          ahead[ENTRY_DISTANCE].request.hash);
}

/* One client alone has more output than is allowed for it, or for all. */
static void bound_output(struct connection *connection)
{
    if (connection->session.out.owned_bytes > SESSION_OUTPUT_CEILING)
        connection_cut_off(connection);
    else if (!atomic_load_explicit(&connection->session.no_evict, memory_order_relaxed))
        connection_publish(connection);
}

static void execute(struct worker *worker)
{
    for (size_t i = 0; i < worker->queue_count; i++) {
        struct queued_request *queued = &worker->queue[i];
        struct connection *connection = queued->connection;
        struct session *session = &connection->session;
        look_ahead(worker, i);
        if (connection->is_broken || session->close_after_reply ||
            atomic_load_explicit(&session->must_close, memory_order_relaxed))
            continue;
        queued->request.argv = worker->args.items + queued->first_arg; /* the list may have moved since */
        if (session_is_held(session) || request_run(session, &queued->request) == RUN_POSTPONED)
            hold_back(worker, connection, &queued->request);
        if (unlikely(session->out.owned_bytes > worker->output_most))
            bound_output(connection);
    }
    worker->queue_count = 0;
    worker->args.count = 0;
}

/* --- flush --- */

/* Puts what was held back in front of the input that follows it. */
static void join_waiting_input(struct connection *connection)
{
    struct input *rest = connection->input;
    if (rest != NULL && !input_append(&connection->held_input, (bytes){rest->data, rest->len}))
        connection->is_broken = true;
    input_free(&connection->input);
    connection->input = connection->held_input;
    connection->held_input = NULL;
}

/* What a client has sent and not had run yet is bounded, with what it queued by MULTI and watches. */
static bool is_query_too_long(const struct connection *connection)
{
    size_t multi = atomic_load_explicit(&connection->session.multi_bytes, memory_order_relaxed);
    if (likely(connection->input == NULL) && likely(multi == 0))
        return false;
    size_t limit = (size_t)CFG_READ(connection->session.engine->config, client_query_buffer_limit);
    size_t input = connection->input != NULL ? input_bytes(connection->input) : 0;
    return input + multi > limit;
}

/* A protocol error is answered behind the replies to the requests before it, also to those that have to wait, and ends
   the connection. */
static void answer_refusal(struct connection *connection)
{
    struct session *session = &connection->session;
    if (!session->close_after_reply) {
        protocol_refuse(session, connection->refusal);
        session->close_after_reply = true;
    }
    mem_free(connection->refusal);
    connection->refusal = NULL;
}

static void settle(struct worker *worker, struct connection *connection)
{
    if (connection->input != NULL && connection->consumed > 0)
        input_consume(&connection->input, connection->consumed);
    connection->consumed = 0;
    if (connection->held_input != NULL)
        join_waiting_input(connection);
    if (unlikely(connection->refusal != NULL) && !session_is_held(&connection->session))
        answer_refusal(connection);
    if (unlikely(is_query_too_long(connection))) {
        log_printf(&worker->engine->log, LOG_WARNING_LEVEL,
                   "Closing client that reached max query buffer length: id=%llu addr=%s",
                   (unsigned long long)connection->session.id, connection->session.address);
        stat_add(&worker->executor.stats.query_limit_disconnections, 1);
        connection->is_broken = true;
    }
    connection->is_broken |= atomic_load_explicit(&connection->session.must_close, memory_order_relaxed);
    bool goes_on = connection->is_deferred && !session_is_held(&connection->session) && !connection->is_broken;
    if (goes_on)
        list_append(&worker->ready, &connection->in_waiting);
    else if (!connection->is_broken)
        connection_flush(connection);
    if (connection->is_broken)
        connection_close(connection);
}

/* Makes connections with unparsed input the next batch. */
static void gather_ready(struct worker *worker)
{
    while (!list_is_empty(&worker->ready)) {
        struct connection *connection = CONTAINER_OF(worker->ready.next, struct connection, in_waiting);
        list_remove(&connection->in_waiting);
        connection->is_deferred = false;
        if (join_batch(worker, connection))
            parse_input(worker, connection);
    }
}

static void run_batch(struct worker *worker)
{
    while (worker->batch_count > 0) {
        execute(worker);
        executor_settle(&worker->executor);
        for (size_t i = 0; i < worker->batch_count; i++)
            settle(worker, worker->batch[i]);
        worker->batch_count = 0;
        worker->arena_used = 0;
        gather_ready(worker);
    }
    if (unlikely(worker->args.capacity > ARGS_KEPT)) /* memory for the largest request ever is not kept */
        resp_args_free(&worker->args);
}

static bool is_batch_full(const struct worker *worker)
{
    return worker->queue_count >= WORKER_BATCH_MAX || WORKER_ARENA_SIZE - worker->arena_used < WORKER_READ_SIZE;
}

/* --- the loop --- */

static bool is_listener(const struct worker *worker, const void *owner)
{
    const struct listener_set *set = &worker->net->listeners;
    return (const struct listener *)owner >= set->items && (const struct listener *)owner < set->items + LISTENERS_MAX;
}

/* Reads from a connection into the present batch. */
static void take_in(struct worker *worker, struct connection *connection)
{
    if (is_batch_full(worker))
        run_batch(worker);
    if (join_batch(worker, connection))
        gather(worker, connection);
}

/* Computing a handshake takes up to some milliseconds. One that has no time left in this turn is reported again in the
   next. */
static void shake_hands(struct worker *worker, struct connection *connection)
{
    if (worker->handshakes_ns >= HANDSHAKES_TURN_NS)
        return;
    int64_t began_ns = clock_monotonic_ns();
    connection_shake_hands(connection);
    worker->handshakes_ns += clock_monotonic_ns() - began_ns;
}

/* With TLS a read may have to wait until the socket takes something, and the other way round. */
static void handle_secure(struct worker *worker, struct connection *connection, const struct reactor_event *event)
{
    bool may_read = event->is_readable || connection->read_waits_for == REACTOR_WRITE;
    bool may_write = event->is_writable || connection->write_waits_for == REACTOR_READ;
    if (connection->is_shaking_hands)
        shake_hands(worker, connection);
    else if (may_write && !out_is_empty(&connection->session.out))
        connection_flush(connection);
    if (session_is_held(&connection->session) && event->is_readable && !(connection->interest & REACTOR_READ))
        connection->is_broken = true;
    if (connection->is_broken)
        connection_close(connection);
    else if (may_read && !session_is_held(&connection->session) && !connection->is_shaking_hands)
        take_in(worker, connection);
}

static void handle_event(struct worker *worker, const struct reactor_event *event)
{
    if (event->owner == NULL)
        return; /* woken: the mail is looked at in any case */
    if (is_listener(worker, event->owner)) {
        net_accept(worker->net, event->owner);
        return;
    }
    struct connection *connection = event->owner;
    if (unlikely(connection->tls != NULL)) {
        handle_secure(worker, connection, event);
        return;
    }
    if (session_is_held(&connection->session) && event->is_readable)
        connection->is_broken = true; /* not reading, so this reports an error or a hang-up */
    if (event->is_writable)
        connection_flush(connection);
    if (connection->is_broken)
        connection_close(connection);
    else if (event->is_readable)
        take_in(worker, connection);
}

/* Goes on with what TLS has received and nobody has read yet; the reactor does not know of it. Once a turn, so that one
   client cannot keep the others waiting. */
static void read_unread(struct worker *worker)
{
    if (likely(list_is_empty(&worker->unread)))
        return;
    struct list unread;
    list_init(&unread);
    list_take_all(&unread, &worker->unread);
    while (!list_is_empty(&unread)) {
        struct connection *connection = CONTAINER_OF(unread.next, struct connection, in_unread);
        list_remove(&connection->in_unread);
        if (!session_is_held(&connection->session)) /* release_held remembers it */
            take_in(worker, connection);
    }
    run_batch(worker);
}

static void receive(struct worker *worker, struct connection *connection)
{
    if (!connection_start(connection, worker))
        connection_close(connection);
}

/* A connection was interrupted: it must close, or something came into its inbox. */
static void attend(struct connection *connection)
{
    connection->is_broken |= atomic_load_explicit(&connection->session.must_close, memory_order_relaxed);
    if (!connection->is_broken)
        connection_flush(connection);
    if (connection->is_broken)
        connection_close(connection);
}

static void read_mail(struct worker *worker)
{
    struct mail *mail = mailbox_take(&worker->mailbox);
    while (mail != NULL) {
        struct mail *next = mail->next; /* the mail may be gone with its connection */
        struct worker_mail *worker_mail = CONTAINER_OF(mail, struct worker_mail, mail);
        if (worker_mail->kind == MAIL_ARRIVAL) {
            receive(worker, CONTAINER_OF(worker_mail, struct connection, arrival));
        } else {
            struct connection *connection = CONTAINER_OF(worker_mail, struct connection, interrupt);
            if (connection_take_interrupt(connection))
                attend(connection);
        }
        mail = next;
    }
}

/* Lets the connections go on that were held back, once nothing holds them any more. */
static void release_held(struct worker *worker)
{
    if (list_is_empty(&worker->held) || engine_is_paused(worker->engine, worker->executor.now_ms) ||
        engine_is_building_prefixes(worker->engine))
        return;
    for (struct list *link = worker->held.next; link != &worker->held; link = link->next) {
        struct connection *connection = CONTAINER_OF(link, struct connection, in_waiting);
        session_hold(&connection->session, false);
        if (connection->tls != NULL && tls_has_input(connection->tls) && list_is_empty(&connection->in_unread))
            list_append(&worker->unread, &connection->in_unread);
    }
    list_take_all(&worker->ready, &worker->held);
    gather_ready(worker);
    run_batch(worker);
}

/* Once a second: closes clients that have been idle too long (who subscribes or monitors may only listen) or do not
   come to the end of their handshake, and those above the soft output limit. */
static void patrol(struct worker *worker)
{
    int64_t now_ms = worker->executor.now_ms;
    int64_t timeout_ms = (int64_t)CFG_READ(worker->engine->config, timeout_s) * 1000;
    for (struct list *link = worker->connections.next; link != &worker->connections;) {
        struct connection *connection = CONTAINER_OF(link, struct connection, in_worker);
        struct session *session = &connection->session;
        link = link->next;
        int64_t last_use_ms = atomic_load_explicit(&session->last_use_ms, memory_order_relaxed);
        bool may_idle = session_is_held(session) || (session_modes(session) & (MODE_SUBSCRIBED | MODE_MONITORS));
        if (timeout_ms > 0 && now_ms - last_use_ms > timeout_ms && !may_idle) {
            log_printf(&worker->engine->log, LOG_VERBOSE_LEVEL, "Closing idle client");
            connection->is_broken = true;
        } else if (unlikely(connection->is_shaking_hands)) {
            if (now_ms - session->created_ms > HANDSHAKE_MAX_MS)
                connection_fail_handshake(connection, "the TLS handshake took too long");
        } else if (!out_is_empty(&session->out)) {
            connection_flush(connection);
        }
        if (connection->is_broken)
            connection_close(connection);
    }
}

/* Is there work that must go on even while the engine's clock stands still? */
static bool has_work_left(const struct worker *worker)
{
    struct larder *engine = worker->engine;
    return worker->has_more_upkeep || worker->prefix_version != ks_prefix_version(&engine->keyspace) ||
           atomic_load_explicit(&engine->keyspace.garbage_bytes, memory_order_relaxed) > 0;
}

static void do_upkeep(struct worker *worker)
{
    struct larder *engine = worker->engine;
    int64_t now_ms = worker->executor.now_ms;
    int64_t since_ms = now_ms - worker->last_upkeep_ms;
    if (worker->number == 0)
        net_upkeep(worker->net);
    if (has_work_left(worker) || since_ms >= UPKEEP_INTERVAL_MS || since_ms < 0) {
        worker->last_upkeep_ms = now_ms;
        worker->prefix_version = ks_prefix_version(&engine->keyspace);
        worker->has_more_upkeep =
            engine_upkeep(engine, worker->first_shard, worker->shard_count, now_ms, UPKEEP_BUDGET);
    }
    if (now_ms - worker->last_patrol_ms >= PATROL_INTERVAL_MS || now_ms < worker->last_patrol_ms) {
        worker->last_patrol_ms = now_ms;
        patrol(worker);
    }
}

static void close_all(struct worker *worker)
{
    read_mail(worker);
    while (!list_is_empty(&worker->connections)) {
        struct connection *connection = CONTAINER_OF(worker->connections.next, struct connection, in_worker);
        connection_flush(connection);
        connection_close(connection);
    }
    read_mail(worker); /* interrupts that were on the way to connections now closed */
}

void worker_free(struct worker *worker)
{
    close_all(worker); /* connections that another worker dealt to this one after its end */
    executor_free(&worker->executor);
    reactor_free(&worker->reactor);
    out_pool_free(&worker->pool);
    resp_args_free(&worker->args);
    mem_free(worker->batch);
    mem_free(worker->queue);
    mem_free(worker->arena);
}

static int wait_for_events(struct worker *worker, struct reactor_event events[EVENTS_MAX])
{
    atomic_exchange_explicit(&worker->is_asleep, true, memory_order_acq_rel);
    bool is_busy = worker->has_more_upkeep || !list_is_empty(&worker->unread) || !mailbox_is_empty(&worker->mailbox);
    int count = reactor_wait(&worker->reactor, events, EVENTS_MAX, is_busy ? 0 : WAIT_MS);
    atomic_exchange_explicit(&worker->is_asleep, false, memory_order_acq_rel);
    return count;
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct reactor_event events[EVENTS_MAX];
    while (!atomic_load_explicit(&worker->must_stop, memory_order_acquire)) {
        int count = wait_for_events(worker, events);
        executor_tick(&worker->executor);
        size_t limit = client_limit_bytes(worker->engine);
        worker->output_most = limit < SESSION_OUTPUT_CEILING ? limit : SESSION_OUTPUT_CEILING;
        worker->handshakes_ns = 0;
        for (int i = 0; i < count; i++)
            handle_event(worker, &events[i]);
        run_batch(worker);
        read_unread(worker);
        read_mail(worker);
        release_held(worker);
        do_upkeep(worker);
    }
    close_all(worker);
    return NULL;
}

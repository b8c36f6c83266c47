/* Workers and listeners together; see net.h. Worker 0 accepts and deals new connections out, each to the worker that
   has the fewest. */
#include "net/net.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_EVENT = 128, /* the worker's own clients wait for them */
    ACCEPT_REST_MS = 100,    /* after the system refused: out of descriptors or memory */
    ANY_PORT = -1,
};

static_assert(LISTENER_ERROR_SIZE >= (int)TLS_ERROR_SIZE, "a reason of TLS fits");

/* What `reopen` and `reload_tls` are called for. */
static const char *const listening_parameters[] = {"port", "tls-port", "gibson-port", "bind"};
static const char *const tls_parameters[] = {
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-dh-params-file",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-session-cache-size",
    "tls-session-cache-timeout",
    "tls-cluster",
    "tls-replication",
};

/* --- endpoints --- */

/* What the configuration says now; to be freed with free_endpoints. False when there is no memory. */
static bool read_endpoints(struct config *config, struct endpoints *endpoints)
{
    endpoints->port = (int)CFG_READ(config, port);
    endpoints->tls_port = (int)CFG_READ(config, tls_port);
    endpoints->gibson_port = (int)CFG_READ(config, gibson_port);
    return cfg_copy_bind(config, &endpoints->bind);
}

static void free_endpoints(struct endpoints *endpoints)
{
    cfg_free_addresses(&endpoints->bind);
}

static bool binds_alike(const struct endpoints *a, const struct endpoints *b)
{
    if (a->bind.count != b->bind.count)
        return false;
    for (size_t i = 0; i < a->bind.count; i++)
        if (strcmp(a->bind.at[i].at, b->bind.at[i].at) != 0)
            return false;
    return true;
}

static int port_for(const struct endpoints *endpoints, enum listener_kind kind)
{
    switch (kind) {
    case LISTENER_TCP:
        return endpoints->port;
    case LISTENER_TLS:
        return endpoints->tls_port;
    default:
        return endpoints->gibson_port;
    }
}

/* Opens the listeners of one kind, and makes the port known. */
static bool open_kind(struct net *net, enum listener_kind kind, struct endpoints *endpoints,
                      char error[LISTENER_ERROR_SIZE])
{
    struct larder *engine = net->engine;
    const char *addresses[CFG_BIND_MAX];
    for (size_t i = 0; i < endpoints->bind.count; i++)
        addresses[i] = endpoints->bind.at[i].at;
    int port = port_for(endpoints, kind);
    int backlog = (int)CFG_READ(engine->config, tcp_backlog);
    int bound = 0;
    if (!listener_open_tcp(&net->listeners, kind, addresses, endpoints->bind.count, port, backlog, &bound, &engine->log,
                           error))
        return false;
    bound = bound > 0 ? bound : 0;
    if (kind != LISTENER_GIBSON)
        atomic_store_explicit(kind == LISTENER_TLS ? &engine->tls_port : &engine->tcp_port, bound,
                              memory_order_relaxed);
    if (port == ANY_PORT) { /* CONFIG GET is to tell which */
        endpoints->port = bound;
        atomic_store_explicit(&engine->config->port, bound, memory_order_relaxed);
    }
    return true;
}

static bool open_unix(struct larder *engine, struct listener_set *set, enum listener_kind kind,
                      struct cfg_text *parameter, char error[LISTENER_ERROR_SIZE])
{
    if (cfg_text_is_empty(engine->config, parameter))
        return true;
    char *path = cfg_duplicate_text(engine->config, parameter);
    if (path == NULL) {
        snprintf(error, LISTENER_ERROR_SIZE, "out of memory");
        return false;
    }
    bool is_open = listener_open_unix(set, kind, path, (unsigned)CFG_READ(engine->config, unixsocketperm),
                                      (int)CFG_READ(engine->config, tcp_backlog), error);
    mem_free(path);
    return is_open;
}

static bool watch(struct net *net)
{
    for (size_t i = 0; i < net->listeners.count; i++) {
        struct listener *listener = &net->listeners.items[i];
        if (!listener->is_watched && !reactor_add(&net->workers[0].reactor, listener->fd, REACTOR_READ, listener))
            return false;
        listener->is_watched = true;
    }
    atomic_store_explicit(&net->rest_until_ns, 0, memory_order_relaxed);
    return true;
}

/* A listener whose clients cannot be accepted now stays readable: watched on, it would keep its worker spinning. They
   wait in the system's queue meanwhile. */
static void rest(struct net *net)
{
    for (size_t i = 0; i < net->listeners.count; i++) {
        struct listener *listener = &net->listeners.items[i];
        reactor_remove(&net->workers[0].reactor, listener->fd);
        listener->is_watched = false;
    }
    int64_t until_ns = clock_monotonic_ns() + ACCEPT_REST_MS * 1000000LL;
    atomic_store_explicit(&net->rest_until_ns, until_ns, memory_order_relaxed);
}

void net_upkeep(struct net *net)
{
    int64_t until_ns = atomic_load_explicit(&net->rest_until_ns, memory_order_relaxed);
    if (likely(until_ns == 0) || clock_monotonic_ns() < until_ns)
        return;
    lock_take(&net->listeners_lock);
    if (!watch(net))
        rest(net);
    lock_give(&net->listeners_lock);
}

/* Closes the listeners of one kind. The others move up in the set, so that none is watched any more. */
static void close_kind(struct net *net, enum listener_kind kind)
{
    struct listener_set *set = &net->listeners;
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct listener listener = set->items[i];
        reactor_remove(&net->workers[0].reactor, listener.fd);
        listener.is_watched = false;
        if (listener.kind == kind)
            close(listener.fd);
        else
            set->items[kept++] = listener;
    }
    set->count = kept;
}

/* --- what CONFIG SET changes --- */

/* Opens a context as the configuration is now, for connections that come from now on. */
static bool renew_tls(struct net *net, char error[LISTENER_ERROR_SIZE])
{
    struct tls_context *context = tls_context_open(net->engine->config, error);
    if (context == NULL) {
        log_printf(&net->engine->log, LOG_WARNING_LEVEL, "%s", error);
        return false;
    }
    lock_take(&net->listeners_lock);
    struct tls_context *old = net->tls;
    net->tls = context;
    lock_give(&net->listeners_lock);
    tls_context_drop(old);
    return true;
}

static bool renew_tls_for_client(struct net *net, struct cfg_error *error)
{
    char reason[LISTENER_ERROR_SIZE];
    if (renew_tls(net, reason))
        return true;
    snprintf(error->text, sizeof(error->text), "%s",
             tls_is_available() ? "Unable to update TLS configuration. Check server logs." : reason);
    return false;
}

/* The hook of the parameters of TLS, called once however many of them change. While there is no TLS port nothing is
   looked at, as in Redis; `reopen` does it when one is opened. */
static bool reload_tls(struct config *config, void *context, struct cfg_error *error)
{
    return CFG_READ(config, tls_port) == 0 || renew_tls_for_client(context, error);
}

/* Closes what is to be elsewhere and opens it there. The old sockets must go before new ones can have the same port, so
   if that fails the old ones are opened again. */
static bool move_listeners(struct net *net, struct endpoints *wanted)
{
    char reason[LISTENER_ERROR_SIZE];
    struct endpoints *present = &net->endpoints;
    bool has_moved = !binds_alike(present, wanted);
    bool is_changed[LISTENER_PORTS];
    for (enum listener_kind kind = LISTENER_TCP; kind < LISTENER_PORTS; kind++)
        is_changed[kind] = has_moved || port_for(present, kind) != port_for(wanted, kind);
    for (enum listener_kind kind = LISTENER_TCP; kind < LISTENER_PORTS; kind++)
        if (is_changed[kind])
            close_kind(net, kind);
    bool is_open = true;
    for (enum listener_kind kind = LISTENER_TCP; kind < LISTENER_PORTS; kind++)
        is_open = is_open && (!is_changed[kind] || open_kind(net, kind, wanted, reason));
    if (is_open)
        return true;
    for (enum listener_kind kind = LISTENER_TCP; kind < LISTENER_PORTS; kind++)
        if (is_changed[kind])
            close_kind(net, kind);
    for (enum listener_kind kind = LISTENER_TCP; kind < LISTENER_PORTS; kind++)
        if (is_changed[kind] && !open_kind(net, kind, present, reason))
            log_printf(&net->engine->log, LOG_WARNING_LEVEL, "Could not listen on the former addresses again: %s",
                       reason);
    return false;
}

/* The hook of the ports and of bind. */
static bool reopen(struct config *config, void *context, struct cfg_error *error)
{
    struct net *net = context;
    struct endpoints endpoints; /* the wanted ones, then those to be freed */
    if (!read_endpoints(config, &endpoints)) {
        snprintf(error->text, sizeof(error->text), "out of memory");
        return false;
    }
    if (endpoints.tls_port != 0 && net->tls == NULL && !renew_tls_for_client(net, error)) {
        free_endpoints(&endpoints);
        return false;
    }
    lock_take(&net->listeners_lock);
    bool is_open = move_listeners(net, &endpoints);
    if (is_open) {
        struct endpoints old = net->endpoints;
        net->endpoints = endpoints;
        endpoints = old;
    }
    struct tls_context *unused = net->endpoints.tls_port == 0 ? net->tls : NULL;
    if (unused != NULL)
        net->tls = NULL;
    bool is_served = watch(net) && is_open;
    lock_give(&net->listeners_lock);
    tls_context_drop(unused);
    free_endpoints(&endpoints);
    if (!is_served)
        snprintf(error->text, sizeof(error->text), "Unable to listen on this port. Check server logs.");
    return is_served;
}

/* --- new connections --- */

static const char protected_text[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for "
    "the default user. In this mode only clients on the machine itself are served. To let others in, set a "
    "password (requirepass), or turn protected mode off: CONFIG SET protected-mode no from the machine "
    "itself, 'protected-mode no' in the configuration file, or the option --protected-mode no.\r\n";

/* Writes an error to a client that is not let in; whether it arrives is not waited for. With TLS, which would have to
   shake hands for that, nothing is written, nor to Gibson clients, whose protocol has no words for it. It is counted
   before the client can know. */
static void turn_away(struct net *net, enum listener_kind kind, int fd, const char *text)
{
    stat_add(&net->workers[0].executor.stats.refused_connections, 1);
    if (kind != LISTENER_TLS && !listener_is_for_gibson(kind)) {
        ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent;
    }
    close(fd);
}

static bool is_full(struct net *net)
{
    size_t connections = 0;
    for (size_t i = 0; i < net->worker_count; i++)
        connections += atomic_load_explicit(&net->workers[i].connection_count, memory_order_relaxed);
    return connections >= (size_t)CFG_READ(net->engine->config, maxclients);
}

/* Redis's protected mode: while the default user needs no password, only the machine itself is served. */
static bool must_protect(struct net *net, const struct session *session)
{
    return CFG_READ(net->engine->config, protected_mode) && !session->is_local && acl_is_open(net->engine);
}

static struct worker *least_loaded(struct net *net)
{
    struct worker *best = &net->workers[0];
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < net->worker_count; i++) {
        size_t count = atomic_load_explicit(&net->workers[i].connection_count, memory_order_relaxed);
        if (count < least) {
            least = count;
            best = &net->workers[i];
        }
    }
    return best;
}

/* A connection for a new client, as far as the thread that accepts it can prepare it; NULL when there is no memory. */
static struct connection *prepare(struct net *net, const struct listener *listener, int fd)
{
    bool is_for_gibson = listener_is_for_gibson(listener->kind);
    struct connection *connection =
        connection_new(net->engine, NULL, fd, is_for_gibson ? gibson_encoders : resp_encoders);
    if (connection == NULL)
        return NULL;
    assert(listener->kind != LISTENER_TLS || net->tls != NULL);
    if (listener->kind == LISTENER_TLS && !connection_secure(connection, net->tls)) {
        session_close(&connection->session);
        mem_free(connection);
        return NULL;
    }
    listener_describe(listener, &connection->session, fd, (int)CFG_READ(net->engine->config, tcp_keepalive_s));
    return connection;
}

static void let_in(struct net *net, int fd, const struct listener *listener)
{
    struct worker *worker = least_loaded(net);
    struct connection *connection = prepare(net, listener, fd);
    if (connection == NULL) {
        turn_away(net, listener->kind, fd, "-ERR out of memory\r\n");
        return;
    }
    if (must_protect(net, &connection->session)) {
        if (listener->kind != LISTENER_TLS) {
            session_close(&connection->session);
            mem_free(connection);
            turn_away(net, listener->kind, fd, protected_text);
            return;
        }
        connection->farewell = protected_text;
    }
    stat_add(&net->workers[0].executor.stats.connections, 1);
    atomic_fetch_add_explicit(&worker->connection_count, 1, memory_order_relaxed);
    worker_send(worker, &connection->arrival);
}

static void accept_waiting(struct net *net, const struct listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = listener_accept(listener);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            log_printf(&net->engine->log, LOG_WARNING_LEVEL, "Accepting client connection: %s", strerror(errno));
            rest(net);
            return;
        }
        if (is_full(net))
            turn_away(net, listener->kind, fd, "-ERR max number of clients reached\r\n");
        else
            let_in(net, fd, listener);
    }
}

void net_accept(struct net *net, const struct listener *listener)
{
    lock_take(&net->listeners_lock);
    if (listener < net->listeners.items + net->listeners.count) /* else it was closed since the event */
        accept_waiting(net, listener);
    lock_give(&net->listeners_lock);
}

/* --- start and stop --- */

static void wake_all(void *context)
{
    struct net *net = context;
    for (size_t i = 0; i < net->worker_count; i++)
        reactor_wake(&net->workers[i].reactor);
}

static void set_wake(struct larder *engine, void (*wake)(void *), void *context)
{
    lock_take(&engine->wake_lock);
    engine->wake_workers = wake;
    engine->wake_context = context;
    lock_give(&engine->wake_lock);
}

/* From here on nobody reaches it from outside its own threads. */
static void withdraw(struct net *net)
{
    set_wake(net->engine, NULL, NULL);
    cfg_off_change(net->engine->config, reopen, net);
    cfg_off_change(net->engine->config, reload_tls, net);
    atomic_store_explicit(&net->engine->tcp_port, 0, memory_order_relaxed);
    atomic_store_explicit(&net->engine->tls_port, 0, memory_order_relaxed);
}

static void free_net(struct net *net)
{
    withdraw(net);
    for (size_t i = 0; i < net->worker_count; i++)
        worker_free(&net->workers[i]);
    listener_close_all(&net->listeners);
    free_endpoints(&net->endpoints);
    tls_context_drop(net->tls);
    lock_free(&net->listeners_lock);
    mem_free(net->workers);
    mem_free(net);
}

static bool init_workers(struct net *net, size_t count)
{
    net->workers = mem_alloc_zeroed(count * sizeof(*net->workers));
    for (size_t i = 0; net->workers != NULL && i < count; i++) {
        if (!worker_init(&net->workers[i], net, i, count))
            return false;
        net->worker_count++;
    }
    return net->workers != NULL;
}

static bool start_threads(struct net *net)
{
    for (size_t i = 0; i < net->worker_count; i++) {
        int status = pthread_create(&net->workers[i].thread, NULL, worker_run, &net->workers[i]);
        if (status == 0)
            continue;
        for (size_t j = 0; j < i; j++)
            worker_stop(&net->workers[j]);
        for (size_t j = 0; j < i; j++)
            pthread_join(net->workers[j].thread, NULL);
        errno = status;
        return false;
    }
    return true;
}

/* Why the last step failed: the system's reason, or memory. */
static void explain(struct net_failure *failure, const char *what)
{
    snprintf(failure->reason, sizeof(failure->reason), "%s: %s", what,
             errno == ENOMEM ? "out of memory" : strerror(errno));
}

static bool hook(struct net *net, const char *const *names, size_t count, cfg_change_fn *changed)
{
    for (size_t i = 0; i < count; i++)
        if (!cfg_on_change(net->engine->config, names[i], changed, net))
            return false;
    return true;
}

static bool hook_configuration(struct net *net)
{
    return hook(net, listening_parameters, COUNT_OF(listening_parameters), reopen) &&
           hook(net, tls_parameters, COUNT_OF(tls_parameters), reload_tls);
}

/* Opens every listener that the configuration names. */
static bool open_all(struct net *net, bool any_port, struct net_failure *failure)
{
    struct endpoints *endpoints = &net->endpoints;
    if (!read_endpoints(net->engine->config, endpoints)) {
        snprintf(failure->reason, sizeof(failure->reason), "out of memory");
        return false;
    }
    if (any_port)
        endpoints->port = ANY_PORT;
    failure->at = NET_FAILED_TLS;
    if (endpoints->tls_port != 0 && !renew_tls(net, failure->reason))
        return false;
    failure->at = NET_FAILED_PORT;
    failure->port = endpoints->port;
    if (!open_kind(net, LISTENER_TCP, endpoints, failure->reason))
        return false;
    failure->at = NET_FAILED_TLS_PORT;
    failure->port = endpoints->tls_port;
    if (!open_kind(net, LISTENER_TLS, endpoints, failure->reason))
        return false;
    failure->at = NET_FAILED_GIBSON_PORT;
    failure->port = endpoints->gibson_port;
    if (!open_kind(net, LISTENER_GIBSON, endpoints, failure->reason))
        return false;
    failure->at = NET_FAILED_OTHERWISE;
    struct config *config = net->engine->config;
    return open_unix(net->engine, &net->listeners, LISTENER_UNIX, &config->unixsocket, failure->reason) &&
           open_unix(net->engine, &net->listeners, LISTENER_GIBSON_UNIX, &config->gibson_unixsocket, failure->reason);
}

/* Everything between an empty structure and a network that serves. */
static bool start(struct net *net, const struct net_options *options, struct net_failure *failure)
{
    if (!open_all(net, options->any_port, failure))
        return false;
    errno = ENOMEM; /* what fails without a word from the system is an allocation */
    if (!init_workers(net, options->workers) || !watch(net) || !hook_configuration(net)) {
        explain(failure, "could not set the workers up");
        return false;
    }
    set_wake(net->engine, wake_all, net);
    if (!start_threads(net)) {
        explain(failure, "could not start a thread");
        return false;
    }
    return true;
}

struct net *net_start(struct larder *engine, const struct net_options *options, struct net_failure *failure)
{
    *failure = (struct net_failure){.at = NET_FAILED_OTHERWISE};
    struct net *net = mem_alloc_zeroed(sizeof(*net));
    if (net == NULL) {
        snprintf(failure->reason, sizeof(failure->reason), "out of memory");
        return NULL;
    }
    net->engine = engine;
    lock_init(&net->listeners_lock);
    gibson_open(engine);
    if (start(net, options, failure))
        return net;
    free_net(net);
    return NULL;
}

void net_stop(struct net *net)
{
    withdraw(net);
    for (size_t i = 0; i < net->worker_count; i++)
        worker_stop(&net->workers[i]);
    for (size_t i = 0; i < net->worker_count; i++)
        pthread_join(net->workers[i].thread, NULL);
    free_net(net);
}

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

static const char *const listening_parameters[] = {"port", "bind"};

/* Opens TCP listeners at these addresses; the port that was bound is left in net->port. */
static bool open_tcp(struct net *net, const struct cfg_addresses *bind, int port, char error[LISTENER_ERROR_SIZE])
{
    const char *addresses[CFG_BIND_MAX];
    for (size_t i = 0; i < bind->count; i++)
        addresses[i] = bind->at[i].at;
    int bound = 0;
    int backlog = (int)CFG_READ(net->engine->config, tcp_backlog);
    if (!listener_open_tcp(&net->listeners, addresses, bind->count, port, backlog, &bound, &net->engine->log, error))
        return false;
    atomic_store_explicit(&net->engine->tcp_port, bound > 0 ? bound : 0, memory_order_relaxed);
    if (port == ANY_PORT) /* CONFIG GET is to tell which */
        atomic_store_explicit(&net->engine->config->port, bound, memory_order_relaxed);
    return true;
}

static bool open_unix(struct larder *engine, struct listener_set *set, char error[LISTENER_ERROR_SIZE])
{
    if (cfg_text_is_empty(engine->config, &engine->config->unixsocket))
        return true;
    char *path = cfg_duplicate_text(engine->config, &engine->config->unixsocket);
    if (path == NULL) {
        snprintf(error, LISTENER_ERROR_SIZE, "out of memory");
        return false;
    }
    bool is_open = listener_open_unix(set, path, (unsigned)CFG_READ(engine->config, unixsocketperm),
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

/* Closes the TCP listeners; the Unix socket, if there is one, becomes the first of the set. */
static void close_tcp(struct net *net)
{
    struct listener_set *set = &net->listeners;
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct listener listener = set->items[i];
        reactor_remove(&net->workers[0].reactor, listener.fd);
        if (listener.is_unix) {
            listener.is_watched = false;
            set->items[kept++] = listener;
        } else {
            close(listener.fd);
        }
    }
    set->count = kept;
}

/* The hook of port and bind. The old sockets must go before new ones can have the same port, so if that fails the old
   addresses are opened again. */
static bool reopen(struct config *config, void *context, struct cfg_error *error)
{
    struct net *net = context;
    char reason[LISTENER_ERROR_SIZE];
    struct cfg_addresses bind;
    if (!cfg_copy_bind(config, &bind)) {
        snprintf(error->text, sizeof(error->text), "out of memory");
        return false;
    }
    int port = (int)CFG_READ(config, port);
    lock_take(&net->listeners_lock);
    close_tcp(net);
    bool is_open = open_tcp(net, &bind, port, reason);
    if (is_open) {
        cfg_free_addresses(&net->bind);
        net->bind = bind;
        net->port = port;
    } else {
        cfg_free_addresses(&bind);
        close_tcp(net);
        if (!open_tcp(net, &net->bind, net->port, reason))
            log_printf(&net->engine->log, LOG_WARNING_LEVEL, "Could not listen on the former addresses again: %s",
                       reason);
        snprintf(error->text, sizeof(error->text), "Unable to listen on this port. Check server logs.");
    }
    is_open &= watch(net);
    lock_give(&net->listeners_lock);
    return is_open;
}

/* Writes an error to a client that is not let in; whether it arrives is not waited for. */
static void turn_away(struct net *net, int fd, const char *text)
{
    ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    close(fd);
    stat_add(&net->workers[0].executor.stats.refused_connections, 1);
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

static void let_in(struct net *net, int fd, bool is_unix)
{
    struct worker *worker = least_loaded(net);
    struct connection *connection = connection_new(net->engine, NULL, fd);
    if (connection == NULL) {
        turn_away(net, fd, "-ERR out of memory\r\n");
        return;
    }
    listener_describe(&connection->session, fd, is_unix, net->listeners.unix_path,
                      (int)CFG_READ(net->engine->config, tcp_keepalive_s));
    if (must_protect(net, &connection->session)) {
        session_close(&connection->session);
        mem_free(connection);
        turn_away(
            net, fd,
            "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for "
            "the default user. In this mode only clients on the machine itself are served. To let others in, set a "
            "password (requirepass), or turn protected mode off: CONFIG SET protected-mode no from the machine "
            "itself, 'protected-mode no' in the configuration file, or the option --protected-mode no.\r\n");
        return;
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
            turn_away(net, fd, "-ERR max number of clients reached\r\n");
        else
            let_in(net, fd, listener->is_unix);
    }
}

void net_accept(struct net *net, const struct listener *listener)
{
    lock_take(&net->listeners_lock);
    if (listener < net->listeners.items + net->listeners.count) /* else it was closed since the event */
        accept_waiting(net, listener);
    lock_give(&net->listeners_lock);
}

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
    atomic_store_explicit(&net->engine->tcp_port, 0, memory_order_relaxed);
}

static void free_net(struct net *net)
{
    withdraw(net);
    for (size_t i = 0; i < net->worker_count; i++)
        worker_free(&net->workers[i]);
    listener_close_all(&net->listeners);
    cfg_free_addresses(&net->bind);
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
static void explain(char error[LISTENER_ERROR_SIZE], const char *what)
{
    snprintf(error, LISTENER_ERROR_SIZE, "%s: %s", what, errno == ENOMEM ? "out of memory" : strerror(errno));
}

static bool hook_configuration(struct net *net)
{
    for (size_t i = 0; i < COUNT_OF(listening_parameters); i++)
        if (!cfg_on_change(net->engine->config, listening_parameters[i], reopen, net))
            return false;
    return true;
}

struct net *net_start(struct larder *engine, const struct net_options *options, int *failed_port,
                      char error[LISTENER_ERROR_SIZE])
{
    *failed_port = 0;
    struct net *net = mem_alloc_zeroed(sizeof(*net));
    if (net == NULL) {
        snprintf(error, LISTENER_ERROR_SIZE, "out of memory");
        return NULL;
    }
    net->engine = engine;
    lock_init(&net->listeners_lock);
    net->port = options->any_port ? ANY_PORT : (int)CFG_READ(engine->config, port);
    if (!cfg_copy_bind(engine->config, &net->bind)) {
        snprintf(error, LISTENER_ERROR_SIZE, "out of memory");
        free_net(net);
        return NULL;
    }
    if (!open_tcp(net, &net->bind, net->port, error)) {
        *failed_port = net->port;
        free_net(net);
        return NULL;
    }
    if (!open_unix(engine, &net->listeners, error)) {
        free_net(net);
        return NULL;
    }
    errno = ENOMEM; /* what fails without a word from the system is an allocation */
    if (!init_workers(net, options->workers) || !watch(net) || !hook_configuration(net)) {
        explain(error, "could not set the workers up");
        free_net(net);
        return NULL;
    }
    set_wake(engine, wake_all, net);
    if (!start_threads(net)) {
        explain(error, "could not start a thread");
        free_net(net);
        return NULL;
    }
    return net;
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

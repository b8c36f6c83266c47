/* A worker: a thread with an event loop, its own connections, and a mailbox through which other threads reach it. Each
   turn of the loop makes three passes over what is ready: gather (read, parse, look commands up, hash keys, prefetch),
   execute, flush. */
#ifndef LARDER_NET_WORKER_H
#define LARDER_NET_WORKER_H

#include "net/connection.h"
#include "net/reactor.h"

#include <pthread.h>

struct net;

enum {
    WORKER_ARENA_SIZE = 512 * 1024, /* input of one batch */
    WORKER_READ_SIZE = 16 * 1024,   /* at most from one connection at a time */
    WORKER_BATCH_MAX = 1024,        /* requests of one batch, roughly */
};

/* A request waiting in the batch. */
struct queued_request {
    struct connection *connection;
    size_t first_arg; /* in worker->args */
    struct request request;
};

struct worker {
    /* fixed while it runs */
    struct net *net;
    struct larder *engine;
    size_t number;
    size_t first_shard; /* of those whose upkeep it does */
    size_t shard_count;
    pthread_t thread;

    /* any thread */
    struct mailbox mailbox;
    _Atomic bool is_asleep; /* it waits, or is about to: who takes this away must wake it */
    struct reactor reactor; /* reactor_wake only */
    _Atomic bool must_stop;
    _Atomic size_t connection_count; /* handed to it and not yet closed */

    /* the worker only */
    struct executor executor;
    struct out_pool pool;
    struct list connections;
    struct list held;          /* connections held back by CLIENT PAUSE */
    struct list ready;         /* connections whose input can be parsed on without reading */
    struct list unread;        /* connections with TLS that have received more than was read */
    size_t output_most;        /* bytes of a connection's output that are no reason to look at it in this turn */
    int64_t handshakes_ns;     /* time spent on TLS handshakes in the present turn */
    struct connection **batch; /* connections of the present batch */
    size_t batch_count;
    size_t batch_capacity;
    struct queued_request *queue;
    size_t queue_count;
    size_t queue_capacity;
    struct resp_args args;
    char *arena;
    size_t arena_used;
    int64_t last_upkeep_ms;
    int64_t last_patrol_ms;
    bool has_more_upkeep;
    unsigned prefix_version; /* of the prefix index, that upkeep has heard of; see keyspace/prefix.h */
};

/* Prepares a worker; false when there is no memory or the system refuses. */
MUST_USE bool worker_init(struct worker *worker, struct net *net, size_t number, size_t worker_count);
/* After its thread has ended. */
void worker_free(struct worker *worker);

/* The thread's main function; returns when must_stop is set. */
void *worker_run(void *worker);

/* Any thread. */
void worker_send(struct worker *worker, struct worker_mail *mail);
void worker_stop(struct worker *worker);

#endif

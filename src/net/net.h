/* The network: workers and listeners that serve an engine. One per engine at most. */
#ifndef LARDER_NET_NET_H
#define LARDER_NET_NET_H

#include "net/listener.h"
#include "net/worker.h"

struct net {
    struct larder *engine;
    struct worker *workers;
    size_t worker_count;
    struct lock listeners_lock;
    struct listener_set listeners; /* listeners_lock */
    struct cfg_addresses bind;     /* listeners_lock: what the TCP listeners were opened with */
    int port;                      /* listeners_lock: likewise; -1: any */
    _Atomic int64_t
        rest_until_ns; /* no listener is watched before this monotonic time, 0: all are; listeners_lock to write */
};

struct net_options {
    size_t workers; /* threads */
    bool any_port;  /* bind whatever port the system gives, instead of the configuration's `port` */
};

/* Opens the listeners that the engine's configuration names and starts the workers. NULL with a message on failure;
   when a TCP port could not be bound, *failed_port is that port, else 0. */
MUST_USE struct net *net_start(struct larder *engine, const struct net_options *options, int *failed_port,
                               char error[LISTENER_ERROR_SIZE]);

/* Stops listening, sends what can be sent at once, closes all connections and joins the workers. */
void net_stop(struct net *net);

/* Worker 0, a listener became readable: takes new connections and deals them out. */
void net_accept(struct net *net, const struct listener *listener);

/* Worker 0, with each turn: watches the listeners again when they have rested after a failure. */
void net_upkeep(struct net *net);

#endif

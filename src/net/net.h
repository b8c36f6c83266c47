/* The network: workers and listeners that serve an engine. One per engine at most. */
#ifndef LARDER_NET_NET_H
#define LARDER_NET_NET_H

#include "net/listener.h"
#include "net/worker.h"

/* Where clients are served over TCP. */
struct endpoints {
    struct cfg_addresses bind;
    int port;        /* 0: none; -1: any, until it is open */
    int tls_port;    /* 0: none */
    int gibson_port; /* 0: none */
};

struct net {
    struct larder *engine;
    struct worker *workers;
    size_t worker_count;
    struct lock listeners_lock;
    struct listener_set listeners; /* listeners_lock */
    struct endpoints endpoints;    /* listeners_lock: what the TCP and TLS listeners were opened with */
    struct tls_context *tls;       /* listeners_lock: for new connections; NULL: not needed. Only hooks change it */
    _Atomic int64_t
        rest_until_ns; /* no listener is watched before this monotonic time, 0: all are; listeners_lock to write */
};

struct net_options {
    size_t workers; /* threads */
    bool any_port;  /* bind whatever port the system gives, instead of the configuration's `port` */
};

/* Why serving did not begin. */
struct net_failure {
    enum { NET_FAILED_PORT, NET_FAILED_TLS_PORT, NET_FAILED_GIBSON_PORT, NET_FAILED_TLS, NET_FAILED_OTHERWISE } at;
    int port; /* that could not be bound; -1: any */
    char reason[LISTENER_ERROR_SIZE];
};

/* Opens the listeners that the engine's configuration names and starts the workers. NULL with the failure, which has
   been logged where it is a matter of ports or TLS. */
MUST_USE struct net *net_start(struct larder *engine, const struct net_options *options, struct net_failure *failure);

/* Stops listening, sends what can be sent at once, closes all connections and joins the workers. */
void net_stop(struct net *net);

/* Worker 0, a listener became readable: takes new connections and deals them out. */
void net_accept(struct net *net, const struct listener *listener);

/* Worker 0, with each turn: watches the listeners again when they have rested after a failure. */
void net_upkeep(struct net *net);

#endif

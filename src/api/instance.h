/* What the files of the public API share: an engine with what a program around it needs. */
#ifndef LARDER_API_INSTANCE_H
#define LARDER_API_INSTANCE_H

#include "engine/call.h"
#include "larder.h"
#include "net/net.h"

/* The public `larder` is the engine that stands first in it. */
struct instance {
    struct larder engine;
    struct config config;
    size_t threads;
    void (*on_shutdown)(void *context);
    void *shutdown_context;
    struct lock serve_lock;
    struct net *net; /* serve_lock: NULL while it is not served */
    _Atomic bool is_served;
    _Atomic int64_t last_upkeep_ms; /* by sessions of the program's own */
    _Atomic bool has_more_upkeep;   /* that step did not come to the end */
};

static inline struct instance *instance_of(struct larder *engine)
{
    return CONTAINER_OF(engine, struct instance, engine);
}

/* Is it the affair of the program's own threads to free expired keys? A little of that goes with each command. */
void instance_upkeep(struct instance *instance, const struct executor *executor);

/* May a session of the program's own run now? Not while the one thread of an engine without locks serves it. */
static inline bool instance_is_free(struct instance *instance)
{
    return instance->engine.keyspace.is_locking || !atomic_load_explicit(&instance->is_served, memory_order_acquire);
}

/* Builds a tree from a complete reply in RESP2 or RESP3, of several the last; NULL when there is no memory. */
larder_reply *tree_build(bytes resp);

/* All of an output chain as one piece: where it is, if it is in one piece already, else copied into *buffer, which is
   grown as needed. at is NULL when there is no memory. */
bytes out_flatten(const struct out *out, char **buffer, size_t *capacity);

#endif

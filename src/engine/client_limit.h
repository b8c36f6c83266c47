/* The limit on the memory of all clients together: `maxmemory-clients`. When what CLIENT LIST calls tot-mem adds up to
   more, the largest clients are disconnected until it fits, but not those that asked for it by CLIENT NO-EVICT; their
   memory counts all the same.

   Clients are looked at some times a second, and at once when one has grown by a good part of the limit. A look costs a
   walk through the registry, and closes a bounded number of clients. */
#ifndef LARDER_ENGINE_CLIENT_LIMIT_H
#define LARDER_ENGINE_CLIENT_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct larder;
struct session;

/* The engine's part. Everything is read and written by any thread. */
struct client_limit {
    _Atomic size_t bytes;    /* 0: no limit */
    _Atomic size_t grown;    /* by which clients grew since they were last looked at, about */
    _Atomic int64_t due_ns;  /* when they are to be looked at again; who moves it on does it */
    _Atomic uint64_t closed; /* clients, for INFO */
};

/* The configuration changed: maxmemory-clients or maxmemory. */
void client_limit_follow(struct larder *engine);

/* The limit in bytes; SIZE_MAX: none. */
size_t client_limit_bytes(const struct larder *engine);

/* By the owner of a client's session: its input has so many bytes that were not run yet, in so much memory, and its
   output has changed. Takes the registry's lock when that is a reason to look at all clients. */
void client_limit_publish(struct session *session, size_t query_bytes, size_t query_capacity);

/* A part of the upkeep, on any thread. */
void client_limit_upkeep(struct larder *engine);

#endif

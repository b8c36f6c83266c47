/* Room: keeping the keyspace within `maxmemory` and `maxkeys`. While one of them is set the dispatcher asks here before
   it runs a request, on the request's own thread and with no shard locked; what has to go is evicted then and there, a
   bounded amount at a time, so that no background work has to keep up with writers.

   Memory. What counts is what INFO calls used_memory: the keyspace with its tables, queues and garbage that waits to be
   freed, and the clients' buffers as last looked at. Meters are read without a lock and are a little behind; threads
   that passed the check at the same time add to each other. So the limit that is checked is the configured one less a
   slack that covers both, and requests too large for the slack reserve their size before they are checked: the size of
   their words, and what a command knows to add beside them (command.h: growth).

   Keys. Places for new keys are reserved before a command runs, so that their number is never above the bound, not even
   while the command runs (keyspace/evict.h). The least recently used keys go, whatever maxmemory-policy says. */
#ifndef LARDER_ENGINE_ROOM_H
#define LARDER_ENGINE_ROOM_H

#include "base/lock.h"
#include "keyspace/evict.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct larder;
struct call;
struct executor;

/* The engine's part. Everything is read by any thread. */
struct room {
    size_t threads;             /* that may run commands at the same time; fixed */
    struct lock lock;           /* for starting to count, in the keyspace */
    _Atomic size_t limit_bytes; /* maxmemory; 0: none */
    _Atomic size_t slack_bytes; /* of it, so much is kept free */
    _Atomic size_t small_bytes; /* a request may add so much without reserving it */
    _Atomic size_t limit_keys;  /* maxkeys; 0: none */
    _Atomic size_t reserved_bytes;
    _Atomic size_t client_bytes;    /* with all else that is not in the keyspace; as last looked at */
    _Atomic int64_t clients_due_ns; /* when they are to be looked at again */
    _Atomic int64_t over_since_ns;  /* memory has been above the limit since then; 0: it is not */
    _Atomic int64_t over_ns;        /* and was so long before */
    _Atomic int64_t refused_ms;     /* when a request was last refused, by the engine's clock */
};

/* What a thread holds for the request that it runs. Owned by the thread. */
struct room_share {
    size_t bytes;     /* of reserved_bytes */
    size_t keys;      /* places for new keys */
    bool counts_keys; /* a bound on keys is in force: handlers of commands that write run by room_run */
};

void room_init(struct room *room, size_t threads);
void room_free(struct room *room);

/* The configuration changed: maxmemory, maxkeys, maxmemory-policy. */
void room_follow(struct larder *engine);

/* Before a request runs or is queued. True: it may; room_leave must follow. False: there is no room for what it would
   add, nothing is reserved. */
MUST_USE bool room_make(struct call *call);
/* After it. */
void room_leave(struct executor *executor);

/* Around a handler that may add keys, with its shards locked: `only` or, if that is NULL, those of the executor's set.
 */
void room_run(struct call *call, struct shard *only);

/* A part of the upkeep, on any thread: for the shards [first, first + count). True when there is more to do at once. */
bool room_upkeep(struct larder *engine, size_t first_shard, size_t shard_count, int64_t now_ms, size_t budget);

/* Has memory been short, above its limit or refused to a request, at this moment or within so many milliseconds? */
bool room_is_short(struct larder *engine, int64_t now_ms, int64_t within_ms);

/* For INFO: how long memory has been above the limit, now and altogether, in milliseconds. */
int64_t room_exceeded_ms(struct room *room, int64_t *total_ms);

#endif

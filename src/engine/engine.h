/* The engine: everything that hangs together in one Larder, and nothing outside it. Several engines live side by side
   in a process. Fields are fixed once the engine is open, or say who may touch them. */
#ifndef LARDER_ENGINE_ENGINE_H
#define LARDER_ENGINE_ENGINE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "engine/acl.h"
#include "engine/client_limit.h"
#include "engine/command.h"
#include "engine/command_stats.h"
#include "engine/config.h"
#include "engine/error_stats.h"
#include "engine/hotkeys.h"
#include "engine/latency.h"
#include "engine/monitor.h"
#include "engine/pubsub.h"
#include "engine/room.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "engine/slowlog.h"
#include "engine/tracking.h"
#include "engine/watch.h"
#include "keyspace/keyspace.h"

#define LARDER_REDIS_VERSION "7.2.4" /* the version whose behaviour clients may count on */

enum { RUN_ID_LEN = 40 };

/* Counters of one thread: it alone adds, anybody sums. */
struct executor_stats {
    _Atomic uint64_t hits;
    _Atomic uint64_t misses;
    _Atomic uint64_t error_replies;
    _Atomic uint64_t changes;
    _Atomic uint64_t input_bytes;
    _Atomic uint64_t output_bytes;
    _Atomic uint64_t connections;
    _Atomic uint64_t refused_connections;
    _Atomic uint64_t query_limit_disconnections;
    _Atomic uint64_t output_limit_disconnections;
    _Atomic uint64_t reads; /* system calls */
    _Atomic uint64_t writes;
    _Atomic uint64_t gibson_requests; /* well-formed frames, of unknown operators too */
    _Atomic uint64_t acl_denied_logins;
    _Atomic uint64_t acl_denied_commands;
    _Atomic uint64_t acl_denied_keys;
    _Atomic uint64_t acl_denied_channels;
    _Atomic uint64_t compressions;                /* values that were compressed to be stored */
    _Atomic uint64_t compressions_saved_percents; /* of those: how much smaller each became in percent, added up */
};

static inline void stat_add(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

/* What a thread that runs commands carries with it. Owned by that thread; on the engine's list for summing. */
struct executor {
    struct list in_engine; /* engine->executors_lock */
    struct larder *engine;
    int64_t now_us; /* the engine's clock, read once per batch */
    int64_t now_ms;
    struct random random;
    uint64_t *key_hashes; /* of the running command, when it has more than one key */
    size_t key_hashes_capacity;
    uint64_t *shard_set;    /* bitmap of the shards that the running command, or the transaction around it, locked */
    struct room_share room; /* what the running request holds */
    struct executor_stats stats;
    command_stats_slot *commands;   /* by number; see command_stats.h */
    struct command_stats uncounted; /* for calls that there was no memory to count */
    struct error_stats errors;      /* has its own lock */
};

/* What the program around the engine does for it; every member may be NULL. Called on the thread that runs the command.
 */
struct host {
    void *context;
    /* CONFIG REWRITE: writes the configuration back to its file. False with a message in `error`. */
    bool (*rewrite_config)(void *context, struct larder *engine, char *error, size_t size);
    /* SHUTDOWN: begins an orderly stop and returns at once. False: this engine cannot be stopped by a client. */
    bool (*shutdown)(void *context, struct larder *engine);
    /* Path of the configuration file and of the executable, for INFO; "" when there is none. */
    const char *config_file;
    const char *executable;
};

/* What concerns every request, whoever sends it; while the word is 0, plain sessions' requests go the short way. */
enum gate {
    GATE_PAUSE = 1 << 0,   /* CLIENT PAUSE may hold requests back */
    GATE_MEMORY = 1 << 1,  /* maxmemory or maxkeys is set */
    GATE_TIMING = 1 << 2,  /* every call is timed: somebody wants to know of short ones too */
    GATE_MONITOR = 1 << 3, /* there are monitors */
    GATE_HOTKEYS = 1 << 4, /* keys are tracked */

    GATES_AROUND_CALLS = GATE_HOTKEYS | GATE_TIMING | GATE_MONITOR,
};

/* Who follows changes: bits of a shard's `interest`, or of the engine's for followers of all keys. */
enum interest {
    INTEREST_WATCH = 1 << 0,     /* the shard has watched keys */
    INTEREST_EVENTS = 1 << 1,    /* the engine's: notify-keyspace-events asks for events */
    INTEREST_TRACKING = 1 << 2,  /* the shard has keys that tracking clients have read */
    INTEREST_BROADCAST = 1 << 3, /* the engine's: tracking clients listen to prefixes */
};

enum pause_mode { PAUSE_NONE = 0, PAUSE_WRITES = 1, PAUSE_ALL = 2 };

/* Appends a session's line of CLIENT LIST, without its newline; takes the registry's lock. */
typedef void describe_client_fn(struct text *text, const struct session *session, int64_t now_ms);

/* What GIBSON STATS tells that nobody else keeps: Unix times, 0 before the first item that a Gibson client created. */
struct gibson_figures {
    _Atomic int64_t first_item_s;
    _Atomic int64_t last_item_s;
};

enum { GIBSON_OPERATORS = 22 };

struct larder {
    struct config *config; /* has its own lock; the caller's, outlives the engine */
    struct clock clock;
    struct log log;
    struct host host;
    describe_client_fn *describe_client; /* NULL: nobody can */
    struct keyspace keyspace;
    struct command_table commands;
    struct session_registry sessions;
    int64_t opened_ms;
    char run_id[RUN_ID_LEN + 1];
    _Atomic int tcp_port; /* of the TCP listeners, 0 when there are none; the network sets it */
    _Atomic int tls_port; /* likewise of those for TLS */

    struct lock executors_lock;
    struct list executors;                /* executors_lock */
    struct executor_stats retired;        /* executors_lock: sums of executors that are gone, and resets (negative) */
    command_stats_slot *retired_commands; /* executors_lock: likewise */
    struct error_stats retired_errors;    /* executors_lock: sums of executors that are gone */

    struct sampler sampler; /* has its own lock */
    struct gibson_figures gibson;
    uint16_t gibson_commands[GIBSON_OPERATORS]; /* numbers of what Gibson's operators run, see gibson_open */

    struct room room;                 /* maxmemory, maxkeys */
    struct client_limit client_limit; /* maxmemory-clients */
    struct stopwatch stopwatch;
    struct slowlog slowlog;   /* has its own lock */
    struct latency latency;   /* has its own lock */
    struct monitors monitors; /* has its own lock */
    struct hotkeys hotkeys;   /* has its own locks */

    _Atomic size_t compression_threshold; /* values longer than this are stored compressed; SIZE_MAX: none are */

    _Atomic unsigned gates;      /* enum gate; engine_set_gate changes it */
    _Atomic unsigned interest;   /* enum interest, of followers of all keys */
    struct acl acl;              /* has its own locks */
    struct watch_table *watches; /* by shard, under its lock */
    _Atomic size_t watched_keys; /* of all of them */
    struct pubsub pubsub;        /* has its own locks */
    _Atomic int notified_events; /* enum cfg_notify: notify-keyspace-events */
    struct tracking tracking;    /* has its own locks */

    _Atomic size_t output_limits[CFG_CLASS_COUNT]; /* the configuration's hard limits in bytes, 0: none */
    _Atomic uint64_t slow_readers;                 /* closed because too much waited in their inboxes */

    _Atomic int pause_mode; /* enum pause_mode; CLIENT PAUSE */
    _Atomic int64_t pause_until_ms;
    _Atomic bool expires_actively; /* DEBUG SET-ACTIVE-EXPIRE */

    /* Set by the network while it serves. Wakes every worker: a pause ended, the clock was changed. */
    struct lock wake_lock;
    void (*wake_workers)(void *context); /* wake_lock; NULL: not served */
    void *wake_context;                  /* wake_lock */
};

struct engine_options {
    size_t threads; /* that may run commands at the same time; 1: no locking at all */
    const struct command *const *families;
    describe_client_fn *describe_client; /* for the ACL log; NULL: it goes without */
    log_fn *log;
    void *log_context;
};

/* Opens an engine on memory that the caller gives. False when there is no memory. `config` stays the caller's. */
MUST_USE bool engine_init(struct larder *engine, const struct engine_options *options, struct config *config);
/* All sessions and executors are closed before. */
void engine_free(struct larder *engine);

/* Opens or closes a gate, on any thread. */
void engine_set_gate(struct larder *engine, enum gate gate, bool is_set);
/* The same for an interest in all keys. */
void engine_set_interest(struct larder *engine, enum interest interest, bool is_set);

void engine_wake_workers(struct larder *engine);

MUST_USE bool executor_init(struct executor *executor, struct larder *engine);
void executor_free(struct executor *executor);
/* Reads the clock: at the beginning of each batch of commands. */
void executor_tick(struct executor *executor);
/* At the end of each batch, before its replies are sent and with no lock held: what changes in it others must hear of.
 */
static inline void executor_settle(struct executor *executor)
{
    if (unlikely(tracking_has_untold(&executor->engine->tracking)))
        tracking_broadcast(executor->engine);
}

/* The sums over all executors. */
struct executor_stats engine_stats(struct larder *engine);
/* False when there is no memory for it; then some counters go on. */
MUST_USE bool engine_reset_stats(struct larder *engine);

/* Is a client held back now, by CLIENT PAUSE? Then requests that are not exempt are postponed. */
bool engine_is_paused(struct larder *engine, int64_t now_ms);

/* A step of upkeep, on any thread: expires keys of the shards [first, first + count) within a budget of nodes for each,
   and frees some flushed memory, for about half a millisecond. True when there is more to do at once. */
bool engine_upkeep(struct larder *engine, size_t first_shard, size_t shard_count, int64_t now_ms, size_t budget);

/* Any thread: the prefix index is asked for by a command; it is built unless the configuration says `off`. */
void engine_want_prefixes(struct larder *engine);
/* Does a command that goes by prefixes do better to wait, as the index is being built? */
bool engine_is_building_prefixes(struct larder *engine);
/* Any thread that holds no shard's lock, or all: builds the index here and now, in steps. */
void engine_build_prefixes(struct larder *engine);

#endif

/* A session: what the engine keeps for one client, whatever carries it (a socket, a memory transport, the in-process
   API). A session runs its commands one after another on one thread at a time, its owner. Other threads look at it only
   through the registry (CLIENT LIST, CLIENT KILL): what they read is constant, atomic, or protected by the registry's
   lock, as said at each field. */
#ifndef LARDER_ENGINE_SESSION_H
#define LARDER_ENGINE_SESSION_H

#include "base/list.h"
#include "base/lock.h"
#include "base/out.h"
#include "engine/inbox.h"
#include "engine/pubsub.h"
#include "engine/reply.h"

#include <stdatomic.h>
#include <stdint.h>

struct larder;
struct executor;
struct tracker;
struct command;
struct session;
struct transaction;
struct acl_user;
struct acl_rules;

enum { SESSION_ADDRESS_SIZE = 128 };

/* Bytes of output waiting at which a client is closed even where no limit is configured. */
enum { SESSION_OUTPUT_CEILING = 1 << 30 };

/* What carries a session. */
struct transport {
    /* Any thread, under a lock that the session's closing needs (the registry's, or that of a table which lists the
       session): its `must_close` was set, something came into its inbox, or it may run again; look at it soon. */
    void (*interrupt)(struct session *session);
    bool is_network;  /* a client from outside: listed by CLIENT LIST, held back by CLIENT PAUSE */
    bool keeps_inbox; /* what is delivered is no part of its output: the program takes it when it wants to */
    bool can_wait;    /* carried by a thread that does the engine's upkeep while the client waits for it */
};

/* States in which a request goes the long way through the dispatcher; a session in none of them is a plain one. */
enum session_mode {
    MODE_MULTI = 1 << 0,      /* commands are queued */
    MODE_LISTENS = 1 << 1,    /* others may deliver to its inbox */
    MODE_SKIPS = 1 << 2,      /* CLIENT REPLY SKIP is under way */
    MODE_EXEC = 1 << 3,       /* queued commands run: what would stand between their replies must wait */
    MODE_SUBSCRIBED = 1 << 4, /* it has subscriptions, so that others may deliver to it */
    MODE_LEAVES = 1 << 5,     /* it has none any more, but what was delivered may still wait */
    MODE_TRACKING = 1 << 6,   /* what it reads is remembered; see tracking.h */
    MODE_MONITORS = 1 << 7,   /* MONITOR: others deliver to it */

    MODES_LISTENING = MODE_LISTENS | MODE_SUBSCRIBED | MODE_LEAVES | MODE_MONITORS, /* its inbox is to be looked at */
};

enum client_reply { CLIENT_REPLY_ON, CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP_NEXT, CLIENT_REPLY_SKIPPING };

struct session {
    /* constant while the session lives */
    uint64_t id;
    struct larder *engine;
    const struct transport *transport;
    const struct reply_encoder *const *encoders; /* by protocol version: [2], [3] */
    int64_t created_ms;
    int fd;                             /* -1: no socket */
    char address[SESSION_ADDRESS_SIZE]; /* "127.0.0.1:50000", "/path/socket:0", "?:0" */
    char local_address[SESSION_ADDRESS_SIZE];
    bool is_local; /* a Unix socket, the loopback interface, or in-process */
    bool is_unix;  /* CLIENT LIST's flag U */

    /* owner only */
    struct executor *executor;           /* of the thread that runs its commands now */
    struct out out;                      /* replies not yet handed to the transport */
    const struct reply_encoder *encoder; /* by protocol and CLIENT REPLY */
    enum client_reply client_reply;
    uint64_t free_pass;                  /* the ACL's generation in which nothing is forbidden to it; 0: in none */
    struct transaction *transaction;     /* NULL outside MULTI */
    struct list watches;                 /* struct watch; see watch.h */
    struct subscriptions *subscriptions; /* NULL: none; see pubsub.h */
    struct acl_rules *rules;             /* its user's, a reference; NULL: not asked for yet, or no user; see acl.h */
    uint64_t rules_generation;           /* of the ACL, when they were those */
    bool is_authenticated;               /* it has logged in, or needed not to when it came */
    bool close_after_reply;              /* QUIT, or an error that ends the connection */

    _Atomic unsigned modes; /* enum session_mode; the owner changes them, but that it LISTENS any thread may say that
                               knows it to be open; any thread reads */

    /* the owner writes, any thread reads */
    _Atomic uint32_t db;
    _Atomic int protocol; /* 2 or 3 */
    _Atomic bool is_monitor;
    _Atomic bool no_evict;
    _Atomic bool no_touch;       /* CLIENT NO-TOUCH */
    _Atomic bool is_held;        /* its next request waits for the end of a CLIENT PAUSE, or for the prefix index */
    _Atomic bool must_close;     /* CLIENT KILL; any thread sets it */
    _Atomic int64_t last_use_ms; /* when bytes last came from its client, or went to it */
    _Atomic(const struct command *) last_command; /* said last, refused or not; NULL: none, or one that there is not */
    _Atomic(const struct command *) last_container;
    _Atomic size_t query_bytes; /* input received and not yet run */
    _Atomic size_t query_capacity;
    _Atomic size_t out_bytes; /* memory of output that could not be sent yet */
    _Atomic size_t out_chunks;
    _Atomic uint64_t commands;
    _Atomic int queued;                       /* commands in MULTI, -1 outside */
    _Atomic size_t watched;                   /* keys that it watches */
    _Atomic size_t multi_bytes;               /* memory of what is queued and watched; limited as input is */
    _Atomic int output_class;                 /* enum cfg_client_class: which output limits hold */
    _Atomic uint32_t subscribed[TOPIC_KINDS]; /* subscriptions of each kind */
    _Atomic size_t subscribed_bytes;          /* memory of them */
    _Atomic(struct tracker *) tracker; /* NULL: it has nothing to do with tracking; made under the registry lock */

    struct inbox inbox;      /* from other threads; see there */
    struct list in_monitors; /* the monitors' lock */
    _Atomic bool is_touched; /* a watched key changed; under the lock of that key's shard */

    /* registry lock */
    struct list in_registry;
    char *name; /* NULL: none */
    char *lib_name;
    char *lib_version;
    _Atomic(struct acl_user *) user; /* a reference: who it is logged in as; NULL: may do everything. The owner changes
                                        it under the lock; without the lock, others may compare it */
};

static inline unsigned session_modes(const struct session *session)
{
    return atomic_load_explicit(&session->modes, memory_order_relaxed);
}

/* The owner: CLIENT LIST shows this command from now on. */
static inline void session_note_command(struct session *session, const struct command *command,
                                        const struct command *container)
{
    if (atomic_load_explicit(&session->last_command, memory_order_relaxed) == command)
        return;
    atomic_store_explicit(&session->last_container, container, memory_order_relaxed);
    atomic_store_explicit(&session->last_command, command, memory_order_relaxed);
}

/* The owner: its client is not idle. */
static inline void session_note_use(struct session *session, int64_t now_ms)
{
    atomic_store_explicit(&session->last_use_ms, now_ms, memory_order_relaxed);
}

static inline bool session_is_held(const struct session *session)
{
    return atomic_load_explicit(&session->is_held, memory_order_relaxed);
}

/* The owner. */
static inline void session_hold(struct session *session, bool is_held)
{
    atomic_store_explicit(&session->is_held, is_held, memory_order_relaxed);
}

/* All sessions of an engine. */
struct session_registry {
    struct lock lock;
    struct list sessions; /* lock: oldest first */
    size_t network_count; /* lock: of sessions with a network transport */
    _Atomic uint64_t last_id;
};

void session_registry_init(struct session_registry *registry);

/* Prepares a session on memory that the transport gives; `encoders` holds one for each protocol version, [2] and [3].
   It is let in when no password is required. The transport then fills in fd, addresses and is_local. */
void session_open(struct session *session, struct larder *engine, const struct transport *transport,
                  const struct reply_encoder *const *encoders, struct out_pool *pool);
/* Lets other threads see it. */
void session_register(struct session *session);

/* The owner: more, or less (a negative number, as size_t), is queued or watched. */
static inline void session_count_multi(struct session *session, size_t by)
{
    size_t bytes = atomic_load_explicit(&session->multi_bytes, memory_order_relaxed);
    atomic_store_explicit(&session->multi_bytes, bytes + by, memory_order_relaxed);
}

/* Takes it out of the registry and frees what it owns; the structure itself is the transport's. */
void session_close(struct session *session);

/* The client after this one (NULL: the first), oldest first, NULL at the end; under the registry's lock. Clients are
   the sessions with a network transport; one that was killed is gone for everybody, though its owner may not have come
   to it yet. */
struct session *session_next_client(struct session_registry *registry, struct session *session);

/* Any session by its number, unless it is about to close; NULL: there is none. Under the registry's lock. */
struct session *session_find(struct session_registry *registry, int64_t id);

/* Memory of what waits to be sent to a session's client, what others share with it counted in full. Any thread. */
size_t session_output_memory(const struct session *session);

/* Memory that a session holds: itself, its input, what it queued, watches and subscribed to, and output that waits to
   be sent. Any thread. */
size_t session_memory(const struct session *session);

/* All clients together. */
struct session_figures {
    size_t count;
    size_t memory;     /* bytes, of what tracking clients have read too */
    size_t max_input;  /* bytes of the largest input buffer */
    size_t max_output; /* bytes of output waiting for the slowest reader */
    size_t held;       /* clients whose next request waits */
    size_t watching;   /* clients that watch a key */
    size_t subscribed; /* those with subscriptions */
};

/* Takes the registry's lock. */
struct session_figures session_measure(struct session_registry *registry);

/* Switches to RESP2 or RESP3. */
void session_set_protocol(struct session *session, int protocol);
void session_set_client_reply(struct session *session, enum client_reply mode);

/* Back to the state of a new connection: RESET. */
void session_reset(struct session *session);

/* Replaces one of the texts that CLIENT LIST shows; an empty one clears it. False when there is no memory. */
MUST_USE bool session_set_text(struct session *session, char **field, bytes text);

#endif

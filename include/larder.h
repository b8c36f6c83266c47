/* Larder inside a program: the whole server, in the process, with or without sockets.

       larder *engine = larder_open(NULL, error, sizeof(error));
       larder_session *session = larder_session_open(engine);
       larder_reply *reply = larder_command(session, "SET", "greeting", "hello", NULL);
       larder_reply_free(reply);
       larder_session_close(session);
       larder_close(engine);

   Engines are independent of each other; a process may hold any number of them. Nothing here prints, exits, changes
   signal handlers, or touches the working directory.

   Threads. A session, and everything got from it, is used by one thread at a time. Different sessions of one engine may
   be used by different threads at the same time, unless the engine was opened with threads = 1. Every other function
   may be called on any thread; larder_close last of all, when no other call is running and none will follow.

   Ownership. Who opens closes. Pointers in replies are valid until the reply is freed; strings passed in are copied.

   Memory. Functions that return a pointer return NULL when memory has run out (or as they say). A command that finds no
   memory for its data changes nothing and answers the error "OOM out of memory"; only those that set several keys
   (MSET, MSETNX, MSETEX) may have set the first of them by then. A command whose reply finds no memory has been run. */
#ifndef LARDER_H
#define LARDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_API __attribute__((visibility("default")))

typedef struct larder larder;
typedef struct larder_session larder_session;
typedef struct larder_connection larder_connection;

/* Larder's own version, for example "0.1.0". */
LARDER_API const char *larder_version(void);

/* ---- Engines ---- */

enum larder_log_level { LARDER_LOG_DEBUG, LARDER_LOG_VERBOSE, LARDER_LOG_NOTICE, LARDER_LOG_WARNING };

/* One line without its newline. Called on any thread, perhaps on several at once; must not call back into Larder. */
typedef void larder_log_fn(void *context, int level, const char *line);

typedef struct larder_options {
    /* Threads that are expected to run commands at the same time, those of larder_serve included; 0: as many as the
       machine has cores, and at least 2. More may, and wait for each other a little more often. With 1 the engine takes
       no locks at all and must be used by one thread at a time; while it is being served, that thread is its one
       worker, sessions of the program's own are refused, and connections in memory are closed. */
    size_t threads;
    /* Lines as in redis.conf ("databases 4\nrequirepass secret"), or NULL. An engine of its own starts with Redis's
       defaults, except that it listens nowhere. */
    const char *config;
    larder_log_fn *log; /* NULL: no log */
    void *log_context;
    /* A client said SHUTDOWN. NULL: clients may not. The program stops serving in its own time. */
    void (*on_shutdown)(void *context);
    void *shutdown_context;
} larder_options;

/* Opens an engine: no threads, no sockets, an empty keyspace. `options` may be NULL. On failure NULL with a message in
   `error` (of `error_size` bytes, may be NULL): out of memory, or a line of the configuration that is wrong. */
LARDER_API larder *larder_open(const larder_options *options, char *error, size_t error_size);

/* Stops serving, frees everything. All sessions and connections must have been closed. */
LARDER_API void larder_close(larder *engine);

/* ---- Commands ---- */

typedef enum larder_type {
    LARDER_STATUS,     /* text: "OK" */
    LARDER_ERROR,      /* text: "ERR ..." */
    LARDER_INTEGER,    /* integer */
    LARDER_STRING,     /* text, any bytes */
    LARDER_NIL,        /* nothing */
    LARDER_DOUBLE,     /* real, and text as Redis writes it */
    LARDER_BOOLEAN,    /* integer: 0 or 1 */
    LARDER_BIG_NUMBER, /* text: digits */
    LARDER_VERBATIM,   /* text, without its format */
    LARDER_ARRAY,      /* elements */
    LARDER_MAP,        /* elements: key, value, key, value, ... */
    LARDER_SET,        /* elements */
    LARDER_PUSH        /* elements */
} larder_type;

typedef struct larder_reply {
    larder_type type;
    int64_t integer;
    double real;
    const char *text;                    /* terminated; may hold zeros of its own */
    size_t len;                          /* bytes of text */
    const struct larder_reply *elements; /* an array of `count` replies */
    size_t count;
} larder_reply;

/* A session: what a client connection is to a server (database, protocol, name), without a connection. It speaks
   RESP3, and may do everything, whatever the ACL says, until it logs in as a user (AUTH); RESET undoes that. NULL when
   memory has run out, or the engine is a single-threaded one that is being served. */
LARDER_API larder_session *larder_session_open(larder *engine);
LARDER_API void larder_session_close(larder_session *session);

/* Runs a command on the calling thread; its words are terminated strings, the last one is followed by NULL. */
LARDER_API larder_reply *larder_command(larder_session *session, const char *name, ... /* NULL */)
    __attribute__((sentinel));
/* The same for words of any bytes: argc of them (at least 1), lens[i] bytes at argv[i]; lens NULL: all terminated. */
LARDER_API larder_reply *larder_command_argv(larder_session *session, size_t argc, const char *const *argv,
                                             const size_t *lens);
LARDER_API void larder_reply_free(larder_reply *reply); /* NULL is allowed */

/* The same without building a tree, for those who pass replies on: the reply in the bytes of the session's protocol.
   Returns where they are, *len of them, valid until the session's next command; NULL when memory has run out. */
LARDER_API const char *larder_command_resp(larder_session *session, size_t argc, const char *const *argv,
                                           const size_t *lens, size_t *len);

/* ---- Messages ----

   A session may SUBSCRIBE, or turn CLIENT TRACKING on, as a client may, and then goes on running commands. What it is
   told waits until it is asked for here and is never mixed with replies. A command that answers several times, once for
   each channel that it names, is answered with the last: SUBSCRIBE a b with {"subscribe", "b", 2}. Messages that came
   before UNSUBSCRIBE can still be asked for after it. */

/* The oldest message or invalidation of cached keys that waits: a LARDER_PUSH (LARDER_ARRAY after HELLO 2), as
   {"message", channel, payload} or {"invalidate", keys}. NULL when none waits, or memory has run out. Whatever did not
   reach the session is told once, by a LARDER_ERROR that begins with LOST: what waited is dropped, and all its
   subscriptions and its tracking have ended. That is so when memory has run out, and when more is left unread than
   allowed: with subscriptions `client-output-buffer-limit pubsub` (32 MB), else that of normal clients, and in any case
   1 GiB. Free it with larder_reply_free. */
LARDER_API larder_reply *larder_session_push(larder_session *session);
/* Has `wake` called whenever something begins to wait, at once if something waits already; NULL: no more. It is called
   on the thread that publishes, while that holds locks, so it must do no more than wake somebody who then asks: it must
   not call Larder. When this returns, the former one is not being called any more. */
LARDER_API void larder_session_on_push(larder_session *session, void (*wake)(void *context), void *context);

/* ---- Connections in memory ---- */

/* A client connection whose two directions are function calls instead of a socket, so that a whole client library can
   run against the engine. It behaves as a network client: it must authenticate if a password is required, starts in
   RESP2, appears in CLIENT LIST, and can be killed. */
LARDER_API larder_connection *larder_connect(larder *engine);
LARDER_API void larder_disconnect(larder_connection *connection);

/* What the client sends: any bytes, cut anywhere. Every request that is complete is run before the call returns. 0 when
   done, -1 when the connection is closed (the bytes were dropped). */
LARDER_API int larder_connection_write(larder_connection *connection, const void *data, size_t len);
/* What the client receives: up to `size` bytes of the replies so far. Returns their number; 0 when there is nothing
   yet; -1 when there is nothing and the connection is closed (QUIT, protocol error, CLIENT KILL, out of memory). */
LARDER_API ptrdiff_t larder_connection_read(larder_connection *connection, void *buffer, size_t size);
/* Bytes that could be read now. */
LARDER_API size_t larder_connection_pending(larder_connection *connection);

/* ---- Serving ---- */

typedef struct larder_serve_options {
    int port;               /* 0: any free port (larder_port tells which); -1: no TCP */
    const char *bind;       /* addresses as in redis.conf, separated by blanks; NULL: "127.0.0.1" */
    const char *unixsocket; /* path; NULL: none */
    size_t workers;         /* threads; 0: as many as the engine was opened for */
} larder_serve_options;

/* Starts listeners and workers. `options` may be NULL. TLS is served too if larder_options.config, or CONFIG SET, named
   a tls-port. 0 when it serves; -1 with a message in `error`. */
LARDER_API int larder_serve(larder *engine, const larder_serve_options *options, char *error, size_t error_size);
/* Closes listeners and connections and joins every thread that larder_serve started. The data stays. */
LARDER_API void larder_stop(larder *engine);
/* The TCP port being served without TLS, 0 when there is none. */
LARDER_API int larder_port(larder *engine);

/* ---- Time ---- */

/* An engine follows the system's time until it is told otherwise. Everything that depends on time (deadlines, TIME,
   idle times) follows the engine's clock, so tests advance it instead of sleeping. In microseconds since 1970. */
LARDER_API int64_t larder_now(larder *engine);
LARDER_API void larder_freeze(larder *engine);
LARDER_API void larder_resume(larder *engine);
LARDER_API void larder_set_time(larder *engine, int64_t now_us);
LARDER_API void larder_advance(larder *engine, int64_t by_us);

/* Frees the memory of keys whose deadline has passed, and of flushed databases, all of it. Commands and workers do this
   by themselves, little by little; it is never needed for correct answers. */
LARDER_API void larder_upkeep(larder *engine);

#ifdef __cplusplus
}
#endif

#endif

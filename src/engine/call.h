/* A call: one command being run for one session. This is all that a handler sees. */
#ifndef LARDER_ENGINE_CALL_H
#define LARDER_ENGINE_CALL_H

#include "engine/engine.h"

struct call {
    struct larder *engine;
    struct session *session;
    struct executor *executor;
    const struct command *command;   /* the subcommand, if it is one */
    const struct command *container; /* the command that it is a subcommand of, or NULL */
    uint32_t number;                 /* the command's, in the engine's table */
    const bytes *argv;               /* argv[0] is the command's name; slices of the transport's input */
    size_t argc;
    int64_t now_ms;
    struct key_range keys;      /* the first range of keys, whose shards are locked like those of all ranges */
    const uint64_t *key_hashes; /* by position in that range */
    uint64_t first_hash;        /* where key_hashes points when there is one key only */
    uint64_t fence;             /* the token that FENCE gave, else 0; if not 0, FENCE_WORDS stand in front of argv */
    bool failed;                /* an error was replied */
    bool is_running;            /* EXEC: its handler has begun, so that an error does not refuse it any more */
};

#define ARG(index) (call->argv[index])

enum { FENCE_WORDS = 2 }; /* FENCE itself and the token */

/* How many of the words that the client sent stand in front of the command. */
static inline size_t call_words_in_front(const struct call *call)
{
    return call->fence != 0 ? FENCE_WORDS : 0;
}

/* The request as the client sent it: the number of its words, and each of them. */
static inline size_t call_sent_words(const struct call *call)
{
    return call_words_in_front(call) + call->argc;
}

static inline bytes call_sent_word(const struct call *call, size_t word)
{
    return (call->argv - call_words_in_front(call))[word];
}

/* The word as MONITOR and the slow log show it. */
static inline bytes call_shown_word(const struct call *call, size_t word)
{
    size_t in_front = call_words_in_front(call);
    command_hides_fn *hides = call->command->hides;
    bool is_hidden = hides != NULL && word >= in_front && hides(call->argv, call->argc, word - in_front);
    return is_hidden ? BYTES("(redacted)") : call_sent_word(call, word);
}

/* The number of the database that the session has selected. */
static inline size_t call_db(const struct call *call)
{
    return atomic_load_explicit(&call->session->db, memory_order_relaxed);
}

/* What is known about a request before it runs: found by request_prepare, while its memory is on the way. */
struct request {
    const bytes *argv;
    size_t argc;
    const struct command *command;   /* the subcommand, if it is one; NULL: unknown */
    const struct command *container; /* the command that it is a subcommand of, or NULL */
    uint64_t hash;                   /* of its only or first key */
    uint32_t number;                 /* the command's; 0 when it is unknown */
    bool has_hash;
};

/* Looks the command up, or the subcommand, unless its number is `known` (not 0), and hashes its first key; an unknown
   subcommand is left to request_run. The arguments stay valid until the request has run. */
void request_prepare(struct larder *engine, const bytes *argv, size_t argc, uint32_t known, struct request *request);

enum run_result {
    RUN_DONE,      /* the reply, if there is one, is in session->out */
    RUN_POSTPONED, /* nothing was done: hand the same request in again after the session was interrupted */
};

/* The one way in: runs a prepared request for a session on the calling thread, which is the session's owner and has set
   session->executor. argc is at least 1. */
MUST_USE enum run_result request_run(struct session *session, const struct request *request);

/* Looking keys up. The argument must be one of the command's keys. On failure (wrong type) the error has been replied
   and false is returned; a missing key is no failure: key->entry is NULL.

   read: counts a hit or miss and the use of the key. write: counts a use only. look: counts a hit or miss only (EXISTS,
   TTL); inspect: likewise, but a miss is no event (OBJECT). peek: counts nothing. */
enum { TYPE_ANY = -1 };
bool call_key_read(struct call *call, size_t argument, int type, struct ks_key *key);
bool call_key_write(struct call *call, size_t argument, int type, struct ks_key *key);
void call_key_look(struct call *call, size_t argument, struct ks_key *key);
void call_key_inspect(struct call *call, size_t argument, struct ks_key *key);
void call_key_peek(struct call *call, size_t argument, struct ks_key *key);
/* As peek, in another database than the session's (its number was checked). */
void call_key_peek_in(struct call *call, size_t argument, size_t db, struct ks_key *key);

/* The slow path of call_changed: somebody is interested in this shard, or in all keys. */
void changes_follow(struct call *call, const struct ks_key *key);

/* The key was changed (or deleted): everything that follows changes hears of it here. */
static inline void call_changed(struct call *call, const struct ks_key *key)
{
    stat_add(&call->executor->stats.changes, 1);
    if (unlikely((key->shard->interest | atomic_load_explicit(&call->engine->interest, memory_order_relaxed)) != 0))
        changes_follow(call, key);
}

/* The slow path of call_event. */
void call_tell(struct call *call, enum cfg_notify class, const char *event, const struct ks_key *key);

/* Something happened to the key that notify-keyspace-events may ask for: said after call_changed, under Redis's name
   for it. (That a key is new, has expired or was evicted is told by the keyspace.) */
static inline void call_event(struct call *call, enum cfg_notify class, const char *event, const struct ks_key *key)
{
    if (unlikely(atomic_load_explicit(&call->engine->interest, memory_order_relaxed) & INTEREST_EVENTS))
        call_tell(call, class, event, key);
}

/* Both, for a change that one event tells. True: who changes many keys counts it. */
static inline bool call_has_changed(struct call *call, const struct ks_key *key, enum cfg_notify class,
                                    const char *event)
{
    call_changed(call, key);
    call_event(call, class, event, key);
    return true;
}

/* The whole of database `db`, and of `other` (perhaps the same), is about to change; all shards are locked. */
void call_databases_change(struct call *call, size_t db, size_t other);
/* Whole databases have changed, which and how many does not matter; all shards are still locked. */
void call_databases_changed(struct call *call);
/* Counts changes that concern a whole database or more. */
void call_changed_all(struct call *call, size_t keys);

/* Integers from arguments; on failure Redis's error has been replied: "value is not an integer or out of range". */
MUST_USE bool call_integer(struct call *call, size_t argument, int64_t *out);
/* The number of a database; on failure Redis's error has been replied. */
MUST_USE bool call_database(struct call *call, size_t argument, size_t *db);
/* Is this argument that option word, in any case? */
static inline bool call_is_word(const struct call *call, size_t argument, const char *word)
{
    return bytes_equal_nocase(call->argv[argument], bytes_of(word));
}

/* A view of the key's string (an existing key is one), or of `otherwise` where there is no key. False when there is no
   memory to expand it, which has been replied. */
MUST_USE bool call_open_string(struct call *call, const struct ks_key *key, bytes otherwise, struct string_view *view);

/* A string value as a reply, without copying large ones; with a range, bytes [start, start + len) of it. One that is
   stored compressed is expanded; when there is no memory for that, the error is the reply. */
void reply_string(struct call *call, const struct entry *entry);
void reply_string_range(struct call *call, const struct entry *entry, size_t start, size_t len);
/* The same for what was copied from an entry: the compressed form of a string. */
void reply_compressed(struct call *call, bytes compressed, size_t start, size_t len);

#endif

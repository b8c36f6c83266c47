/* MULTI: commands are checked and queued, and run by EXEC one after another while the shards of all their keys, and of
   all watched keys, stay locked; nobody sees a part of them. What is queued belongs to its session and is seen by the
   session's owner only; its memory is counted in the session's multi_bytes. */
#ifndef LARDER_ENGINE_TRANSACTION_H
#define LARDER_ENGINE_TRANSACTION_H

#include "engine/call.h"

struct queued_call;

struct transaction {
    struct queued_call *first;
    struct queued_call *last;
    size_t count;
    uint32_t flags;  /* of all queued commands together */
    bool is_spoiled; /* a command was refused: EXEC will run none */
};

/* MULTI; false when there is no memory. */
MUST_USE bool transaction_begin(struct session *session);

/* Is a command run at once even inside MULTI? */
bool transaction_lets_through(const struct call *call);
/* Queues a call, unless EXEC will run none, and replies QUEUED, or that there is no memory. */
void transaction_queue(struct call *call);
/* A command was refused: nothing of the transaction will run. */
void transaction_spoil(struct session *session);
/* What EXEC would do has these flags; 0 outside MULTI. */
uint32_t transaction_flags(const struct session *session);

/* How many keys EXEC may add at most, see call_count_new_keys. */
size_t transaction_count_new_keys(struct call *exec);
/* Bytes that it may add beside what is queued, see command_growth_fn; without memory to tell, more than there are. */
#define GROWTH_UNKNOWN (SIZE_MAX / 2)
size_t transaction_growth(struct call *exec);
/* EXEC: runs what is queued, or replies why not. */
void transaction_run(struct call *call);
/* Forgets what is queued and what is watched. */
void transaction_drop(struct session *session);

#endif

/* What other threads have for a session: pub/sub messages, invalidations of cached keys, lines for MONITOR. Each
   delivery holds references to parts that all its recipients share, so that a message is stored once however many
   receive it; it becomes bytes of output only when its owner gets to it, in the protocol that the session speaks then.

   Order: what one thread delivers arrives in its order; what is delivered under one lock arrives in that lock's order.
   Memory: a session that reads too slowly is closed by whoever delivers beyond the limits of its class
   (client-output-buffer-limit), at once, whether or not its owner is awake. */
#ifndef LARDER_ENGINE_INBOX_H
#define LARDER_ENGINE_INBOX_H

#include "base/blob.h"
#include "base/mailbox.h"
#include "base/out.h"

struct session;

/* How a delivery reads; in parentheses its parts. */
enum delivery_kind {
    DELIVERY_MESSAGE,         /* pub/sub (channel, payload) */
    DELIVERY_PATTERN_MESSAGE, /* (channel, payload, pattern) */
    DELIVERY_SHARD_MESSAGE,   /* (channel, payload) */
    DELIVERY_MONITOR_LINE,    /* (line): one of MONITOR's */
    DELIVERY_INVALIDATE,      /* (names): cached keys that changed, packed by inbox_pack; none: all keys */
    DELIVERY_REDIRECT_BROKEN, /* (id): the session that invalidations went to is gone; its number in decimal */
};

enum { DELIVERY_PARTS = 3 };

struct delivery {
    struct mail mail;
    enum delivery_kind kind;
    struct blob *parts[DELIVERY_PARTS]; /* a reference to each; NULL behind the last */
};

/* A session's queue. Zeroed memory is an empty one. */
struct inbox {
    struct mailbox mailbox; /* any thread pushes, the owner takes */
    struct mail *taken;     /* owner: taken from the mailbox and not yet put out, oldest first */
    _Atomic size_t bytes;   /* memory that its deliveries hold; those who share a part each count it */
    _Atomic size_t count;   /* deliveries waiting */
};

/* Any thread, while the session cannot close (a lock is held that its closing needs). Takes references to the parts.
   Closes the session if it is over its limit, or when there is no memory. */
void inbox_deliver(struct session *session, enum delivery_kind kind, struct blob *const parts[DELIVERY_PARTS]);

/* The owner. Puts what waits into the session's output until that holds `enough` bytes; SIZE_MAX: everything. True when
   something is left. */
bool inbox_drain(struct session *session, size_t enough);

/* The owner. Is anything waiting? */
static inline bool inbox_is_empty(const struct inbox *inbox)
{
    return inbox->taken == NULL && atomic_load_explicit(&inbox->mailbox.newest, memory_order_acquire) == NULL;
}

/* Drops what waits; nobody delivers any more. */
void inbox_clear(struct inbox *inbox);

/* Several names in one part: each with its length in front. NULL when there is no memory. */
MUST_USE struct blob *inbox_pack(const bytes *names, size_t count);

#endif

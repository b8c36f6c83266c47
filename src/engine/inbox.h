/* What other threads have for a session: frames (pub/sub messages, invalidations of cached keys, lines for MONITOR),
   each stored once however many receive it. A frame becomes bytes of output only when the session's owner gets to it,
   in the protocol that the session speaks then.

   Order: what one thread delivers arrives in its order; what is delivered under one lock arrives in that lock's order.
   Memory: a session that reads too slowly is closed by whoever delivers beyond the hard limit of its class
   (client-output-buffer-limit), at once, whether or not its owner is awake; soft limits are its transport's affair. */
#ifndef LARDER_ENGINE_INBOX_H
#define LARDER_ENGINE_INBOX_H

#include "base/mailbox.h"
#include "engine/frame.h"

#include <stdint.h>

struct session;

/* A session's queue. Zeroed memory is an empty one. */
struct inbox {
    struct mailbox mailbox; /* any thread pushes, the owner takes */
    struct mail *taken;     /* owner: taken from the mailbox and not yet put out, oldest first */
    _Atomic size_t bytes;   /* memory that its frames hold; those who share a frame each count it */
};

/* Any thread, while the session cannot close (a lock is held that its closing needs). Takes references of its own.
   Closes the session if it is over its limit, or when there is no memory. False: it is being closed, and does not
   receive this. */
bool inbox_deliver(struct session *session, struct frame frame);

/* The owner. Puts what waits into the session's output until that holds `enough` bytes; SIZE_MAX: everything. Nothing
   follows the last reply of a session that is about to close. */
void inbox_drain(struct session *session, size_t enough);
/* The owner. The same with everything, unless the program that uses the session takes frames one at a time. */
void inbox_settle(struct session *session);
/* The owner. Puts out the oldest frame; false when there is none. */
bool inbox_put_one(struct session *session);

/* The owner. Is anything waiting? */
static inline bool inbox_is_empty(const struct inbox *inbox)
{
    return inbox->taken == NULL && mailbox_is_empty(&inbox->mailbox);
}

/* The owner. Drops what waits. */
void inbox_clear(struct inbox *inbox);

#endif

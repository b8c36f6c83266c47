/* What the files of tracking share among themselves. */
#ifndef LARDER_ENGINE_TRACKING_INTERNAL_H
#define LARDER_ENGINE_TRACKING_INTERNAL_H

#include "engine/engine.h"
#include "engine/frame.h"

struct prefix_listener;

/* A session as those know it who have something to tell it. */
struct tracker {
    _Atomic size_t references; /* of its session, of readings, of trackers that redirect to it */
    uint64_t id;               /* constant, the session's */
    frame_encoders encoders;   /* constant, the session's */
    struct lock lock;
    struct session *session;    /* lock: NULL when it has closed */
    struct tracker *target;     /* lock: who is told instead; NULL: nobody is */
    _Atomic unsigned flags;     /* enum tracking_flag; the owner changes them, and BROKEN under the lock anybody */
    _Atomic uint64_t target_id; /* the owner writes, any thread reads */
    _Atomic size_t prefix_bytes;
    struct list in_tracking; /* tracking.lock: tracking.trackers, while it is on */

    /* the session's owner only */
    bool has_readings;                  /* it was remembered as a reader, perhaps long ago */
    struct prefix_listener **listeners; /* in the order of their prefixes */
    size_t listener_count;
};

static inline unsigned tracker_flags(const struct tracker *tracker)
{
    return atomic_load_explicit(&tracker->flags, memory_order_relaxed);
}

/* Any thread that can see a reference: another one. */
static inline struct tracker *tracker_keep(struct tracker *tracker)
{
    atomic_fetch_add_explicit(&tracker->references, 1, memory_order_relaxed);
    return tracker;
}

/* The session's tracker; NULL: it never had one. */
static inline struct tracker *tracker_of(const struct session *session)
{
    return atomic_load_explicit(&session->tracker, memory_order_acquire);
}

/* Tells the tracker's session, or the one that it redirects to. A frame without text could not be made: then the
   receiver is cut off, so that it knows that its copies are worth nothing. */
void tracker_tell(struct tracker *tracker, struct frame frame);

/* Those of tracking_broadcast.c. The owner: begins to listen (no memory: false, and nothing has changed), or ends all
   of it. */
MUST_USE bool broadcast_listen(struct larder *engine, struct tracker *tracker, const bytes *prefixes, size_t count);
void broadcast_end(struct larder *engine, struct tracker *tracker);
/* No more sessions: forgets what was noted. */
void broadcast_free(struct tracking *tracking);

/* Those of tracking_table.c. Remembers a reader of a key; locked. False when there is no memory. */
MUST_USE bool tracking_table_add(struct larder *engine, struct shard *shard, bytes name, uint64_t hash,
                                 struct tracker *tracker);
/* Forgets all keys of a shard and tells nobody; locked. */
void tracking_table_clear(struct larder *engine, struct shard *shard);
/* No more sessions. */
void tracking_tables_free(struct larder *engine);

#endif

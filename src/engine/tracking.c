/* Trackers: who tracks, how they are told, what a session's settings do; see tracking.h. */
#include "engine/tracking.h"

#include "base/mem.h"
#include "engine/call.h"
#include "engine/dispatch.h"
#include "engine/tracking_internal.h"

enum { NAME_MAX_BYTES = 4096 }; /* a longer name is not remembered: reading it counts as changed at once */

bool tracking_init(struct larder *engine)
{
    struct tracking *tracking = &engine->tracking;
    memset(tracking, 0, sizeof(*tracking));
    lock_init(&tracking->lock);
    list_init(&tracking->trackers);
    list_init(&tracking->garbage);
    tracking->tables = mem_alloc_zeroed(engine->keyspace.shard_count * sizeof(*tracking->tables));
    return tracking->tables != NULL;
}

void tracking_free(struct larder *engine)
{
    struct tracking *tracking = &engine->tracking;
    assert(list_is_empty(&tracking->trackers) && tracking->stems.count == 0);
    broadcast_free(tracking);
    if (tracking->tables != NULL)
        tracking_tables_free(engine);
    lock_free(&tracking->lock);
}

/* ---- Trackers ---- */

/* The registry is locked, so that no two are made for one session. NULL when there is no memory. */
static struct tracker *need_tracker(struct session *session)
{
    struct tracker *tracker = tracker_of(session);
    if (tracker != NULL)
        return tracker;
    tracker = mem_alloc_zeroed(sizeof(*tracker));
    if (tracker == NULL)
        return NULL;
    atomic_init(&tracker->references, 1);
    tracker->id = session->id;
    tracker->encoders = session->encoders;
    lock_init(&tracker->lock);
    tracker->session = session;
    list_init(&tracker->in_tracking);
    atomic_store_explicit(&session->tracker, tracker, memory_order_release);
    return tracker;
}

void tracker_drop(struct tracker *tracker)
{
    if (tracker == NULL || atomic_fetch_sub_explicit(&tracker->references, 1, memory_order_acq_rel) > 1)
        return;
    assert(tracker->session == NULL && tracker->target == NULL && tracker->listener_count == 0);
    lock_free(&tracker->lock);
    mem_free(tracker->listeners);
    mem_free(tracker);
}

/* Delivers to the session of a tracker that is locked. RESP2 has no pushes: only who was chosen for it, and listens to
   messages anyway, receives one. False when the session is gone, or going. */
static bool deliver(const struct tracker *tracker, struct frame frame, bool is_chosen)
{
    struct session *session = tracker->session;
    if (session == NULL || atomic_load_explicit(&session->must_close, memory_order_relaxed))
        return false;
    bool takes_pushes = atomic_load_explicit(&session->protocol, memory_order_relaxed) >= 3;
    if (!takes_pushes && !(is_chosen && pubsub_count_all(session) > 0))
        return true;
    if (frame.text != NULL)
        return inbox_deliver(session, frame);
    inbox_condemn(session);
    return false;
}

/* The target of a tracker was found to be gone; it says so itself, as far as it can. */
static void tell_broken(struct tracker *tracker, const struct tracker *target)
{
    struct frame frame = frame_redirect_broken(tracker->encoders, target->id);
    lock_take(&tracker->lock);
    if (tracker->target == target) {
        atomic_fetch_or_explicit(&tracker->flags, TRACKING_BROKEN, memory_order_relaxed);
        deliver(tracker, frame, false);
    }
    lock_give(&tracker->lock);
    frame_drop(frame);
}

void tracker_tell(struct tracker *tracker, struct frame frame)
{
    lock_take(&tracker->lock);
    struct tracker *target = tracker->target != NULL ? tracker_keep(tracker->target) : NULL;
    if (target == NULL)
        deliver(tracker, frame, false);
    lock_give(&tracker->lock);
    if (target == NULL)
        return;
    /* one lock at a time: two sessions may redirect to each other */
    lock_take(&target->lock);
    bool is_there = deliver(target, frame, true);
    lock_give(&target->lock);
    if (!is_there)
        tell_broken(tracker, target);
    tracker_drop(target);
}

struct tracker *tracking_hold(struct session *session)
{
    struct tracker *tracker = tracker_of(session);
    if (tracker != NULL)
        lock_take(&tracker->lock);
    return tracker;
}

void tracking_release(struct tracker *tracker)
{
    if (tracker != NULL)
        lock_give(&tracker->lock);
}

enum target_status tracking_find_target(const struct session *session, int64_t id, struct tracker **target)
{
    struct session_registry *registry = &session->engine->sessions;
    enum target_status status = TARGET_MISSING;
    lock_take(&registry->lock);
    struct session *found = session_find(registry, id);
    if (found != NULL && (found->transport->is_network || !session->transport->is_network)) {
        *target = need_tracker(found);
        status = *target != NULL ? TARGET_FOUND : TARGET_NO_MEMORY;
    }
    if (status == TARGET_FOUND)
        tracker_keep(*target);
    lock_give(&registry->lock);
    return status;
}

/* ---- Settings ---- */

static void set_target(struct tracker *tracker, unsigned flags, struct tracker *target)
{
    lock_take(&tracker->lock);
    struct tracker *old = tracker->target;
    tracker->target = target;
    atomic_store_explicit(&tracker->target_id, target != NULL ? target->id : 0, memory_order_relaxed);
    atomic_store_explicit(&tracker->flags, flags, memory_order_relaxed);
    lock_give(&tracker->lock);
    tracker_drop(old);
}

/* The session of a tracker, if it is still there, will look at its inbox. */
static void make_listen(struct tracker *tracker)
{
    lock_take(&tracker->lock);
    if (tracker->session != NULL)
        atomic_fetch_or_explicit(&tracker->session->modes, MODE_LISTENS, memory_order_relaxed);
    lock_give(&tracker->lock);
}

static void enlist(struct tracking *tracking, struct tracker *tracker)
{
    lock_take(&tracking->lock);
    list_append(&tracking->trackers, &tracker->in_tracking);
    lock_give(&tracking->lock);
    atomic_fetch_add_explicit(&tracking->clients, 1, memory_order_relaxed);
}

static void strike_off(struct tracking *tracking, struct tracker *tracker)
{
    lock_take(&tracking->lock);
    list_remove(&tracker->in_tracking);
    lock_give(&tracking->lock);
    atomic_fetch_sub_explicit(&tracking->clients, 1, memory_order_relaxed);
}

bool tracking_turn_on(struct session *session, const struct tracking_options *options)
{
    static const bytes every_key = {"", 0};
    struct larder *engine = session->engine;
    lock_take(&engine->sessions.lock);
    struct tracker *tracker = need_tracker(session);
    lock_give(&engine->sessions.lock);
    if (tracker == NULL)
        return false;
    bool is_broadcast = options->flags & TRACKING_BCAST;
    if (is_broadcast && !broadcast_listen(engine, tracker, options->prefix_count > 0 ? options->prefixes : &every_key,
                                          options->prefix_count > 0 ? options->prefix_count : 1))
        return false;
    unsigned old = tracker_flags(tracker);
    atomic_fetch_or_explicit(&session->modes, is_broadcast ? MODE_LISTENS : MODE_LISTENS | MODE_TRACKING,
                             memory_order_relaxed);
    if (options->target != NULL)
        make_listen(options->target);
    set_target(tracker, TRACKING_ON | (old & TRACKING_CACHING) | options->flags, options->target);
    if (!(old & TRACKING_ON))
        enlist(&engine->tracking, tracker);
    return true;
}

void tracking_turn_off(struct session *session)
{
    struct tracker *tracker = tracker_of(session);
    if (tracker == NULL || !(tracker_flags(tracker) & TRACKING_ON))
        return;
    broadcast_end(session->engine, tracker);
    strike_off(&session->engine->tracking, tracker);
    set_target(tracker, 0, NULL);
    atomic_fetch_and_explicit(&session->modes, ~(unsigned)MODE_TRACKING, memory_order_relaxed);
}

void tracking_close(struct session *session)
{
    struct tracker *tracker = tracker_of(session);
    if (tracker == NULL)
        return;
    tracking_turn_off(session);
    lock_take(&tracker->lock);
    tracker->session = NULL;
    atomic_store_explicit(&tracker->flags, TRACKING_CLOSED, memory_order_relaxed);
    lock_give(&tracker->lock);
    if (tracker->has_readings)
        atomic_fetch_add_explicit(&session->engine->tracking.closings, 1, memory_order_release);
    atomic_store_explicit(&session->tracker, NULL, memory_order_relaxed);
    tracker_drop(tracker);
}

void tracking_except_next(struct session *session)
{
    atomic_fetch_or_explicit(&tracker_of(session)->flags, TRACKING_CACHING, memory_order_relaxed);
}

unsigned tracking_flags(const struct session *session)
{
    const struct tracker *tracker = tracker_of(session);
    return tracker != NULL ? tracker_flags(tracker) : 0;
}

int64_t tracking_redirection(const struct session *session)
{
    const struct tracker *tracker = tracker_of(session);
    if (tracker == NULL || !(tracker_flags(tracker) & TRACKING_ON))
        return -1;
    return (int64_t)atomic_load_explicit(&tracker->target_id, memory_order_relaxed);
}

size_t tracking_prefix_bytes(const struct session *session)
{
    const struct tracker *tracker = tracker_of(session);
    return tracker != NULL ? atomic_load_explicit(&tracker->prefix_bytes, memory_order_relaxed) : 0;
}

/* ---- Reads ---- */

/* Do the readings of the present command count? */
static bool is_to_be_remembered(unsigned flags)
{
    bool is_exception = flags & TRACKING_CACHING;
    if (flags & TRACKING_OPTIN)
        return is_exception;
    return !((flags & TRACKING_OPTOUT) && is_exception);
}

/* Remembers a reading; if that cannot be, the reader is told at once that the key has changed. */
static void remember(struct call *call, struct tracker *tracker, size_t argument)
{
    struct keyspace *ks = &call->engine->keyspace;
    uint64_t hash = call_key_hash(call, argument);
    struct shard *shard = &ks->shards[ks_shard_index(ks, hash)];
    tracker->has_readings = true;
    if (ARG(argument).len <= NAME_MAX_BYTES && tracking_table_add(call->engine, shard, ARG(argument), hash, tracker))
        return;
    struct frame frame = frame_invalidation(tracker->encoders, &ARG(argument), 1);
    tracker_tell(tracker, frame);
    frame_drop(frame);
}

void tracking_remember(struct call *call)
{
    struct tracker *tracker = tracker_of(call->session);
    if (!(call->command->flags & CMD_READONLY) || !is_to_be_remembered(tracker_flags(tracker)))
        return;
    struct key_range ranges[KEY_RANGES_MAX];
    int count = call_find_keys(call, ranges);
    for (int i = 0; i < count; i++)
        for (size_t j = 0; j < ranges[i].count; j++)
            remember(call, tracker, ranges[i].first + j * ranges[i].step);
}

/* What Redis does: the exception lasts until the next command that is none of CLIENT's has run, a whole transaction
   being one. */
void tracking_conclude(const struct call *call)
{
    struct tracker *tracker = tracker_of(call->session);
    if (!(tracker_flags(tracker) & TRACKING_CACHING) || (session_modes(call->session) & MODE_MULTI))
        return;
    if (call->container != NULL && strcmp(call->container->name, "client") == 0)
        return;
    atomic_fetch_and_explicit(&tracker->flags, ~(unsigned)TRACKING_CACHING, memory_order_relaxed);
}

/* ---- Everything at once ---- */

void tracking_invalidate_all(struct larder *engine)
{
    struct tracking *tracking = &engine->tracking;
    if (atomic_load_explicit(&tracking->clients, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&tracking->keys, memory_order_relaxed) == 0)
        return;
    for (size_t i = 0; i < engine->keyspace.shard_count; i++)
        tracking_table_clear(engine, &engine->keyspace.shards[i]);
    lock_take(&tracking->lock);
    struct frame frame = {0};
    for (struct list *link = tracking->trackers.next; link != &tracking->trackers; link = link->next) {
        struct tracker *tracker = CONTAINER_OF(link, struct tracker, in_tracking);
        if (frame.text == NULL)
            frame = frame_invalidation(tracker->encoders, NULL, 0);
        tracker_tell(tracker, frame);
    }
    frame_drop(frame);
    lock_give(&tracking->lock);
}

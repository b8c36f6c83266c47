/* The broadcasting mode: who listens to which prefix, and telling them; see tracking.h. Invariants, under
   tracking.lock: a prefix is among the stems exactly while somebody listens to it; a listener is on the list of its
   prefix and among those of its tracker; the engine's interest says whether there is any prefix. Between two tellings a
   prefix has no changes. */
#include "engine/tracking.h"

#include "base/mem.h"
#include "engine/tracking_internal.h"

#include <stdlib.h>

enum { LISTENERS_PER_LOCK = 64 }; /* that begin or end under one hold of the lock */

/* A change that waits to be told. */
struct change {
    struct mail mail;
    uint64_t by; /* the session that made it; 0: none, or several */
    size_t len;
    char name[];
};

struct tracked_prefix {
    struct list listeners;   /* struct prefix_listener */
    struct list in_matched;  /* those with changes to be told */
    struct change **changes; /* in order; they belong to the telling */
    size_t change_count;
    size_t change_capacity;
    size_t len;
    char name[];
};

struct prefix_listener {
    struct list in_prefix; /* tracking.lock */
    struct tracked_prefix *prefix;
    struct tracker *tracker;
};

static int compare_bytes(bytes a, bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.at, b.at, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool begins_with(bytes text, bytes prefix)
{
    return text.len >= prefix.len && bytes_equal((bytes){text.at, prefix.len}, prefix);
}

static bytes prefix_name(const struct tracked_prefix *prefix)
{
    return (bytes){prefix->name, prefix->len};
}

/* ---- Listening ---- */

static size_t listener_bytes(const struct tracked_prefix *prefix)
{
    return sizeof(struct prefix_listener) + sizeof(struct tracked_prefix) + prefix->len;
}

/* Locked. The prefix of this name, made if it is not there; NULL when there is no memory. */
static struct tracked_prefix *need_prefix(struct larder *engine, bytes name)
{
    struct tracking *tracking = &engine->tracking;
    struct tracked_prefix *prefix = stems_find(&tracking->stems, name);
    if (prefix != NULL)
        return prefix;
    prefix = mem_alloc_zeroed(sizeof(*prefix) + name.len);
    if (prefix == NULL)
        return NULL;
    list_init(&prefix->listeners);
    list_init(&prefix->in_matched);
    prefix->len = name.len;
    if (name.len > 0)
        memcpy(prefix->name, name.at, name.len);
    if (!stems_insert(&tracking->stems, name, prefix)) {
        mem_free(prefix);
        return NULL;
    }
    engine_set_interest(engine, INTEREST_BROADCAST, true);
    atomic_fetch_add_explicit(&tracking->prefixes, 1, memory_order_relaxed);
    return prefix;
}

/* Locked. Takes a prefix away that nobody listens to. */
static void remove_prefix(struct larder *engine, struct tracked_prefix *prefix)
{
    struct tracking *tracking = &engine->tracking;
    stems_remove(&tracking->stems, prefix_name(prefix));
    mem_free(prefix->changes);
    mem_free(prefix);
    atomic_fetch_sub_explicit(&tracking->prefixes, 1, memory_order_relaxed);
    if (tracking->stems.count == 0)
        engine_set_interest(engine, INTEREST_BROADCAST, false);
}

/* Locked. NULL when there is no memory. */
static struct prefix_listener *add_listener(struct larder *engine, struct tracker *tracker, bytes name)
{
    struct prefix_listener *listener = mem_alloc(sizeof(*listener));
    if (listener == NULL)
        return NULL;
    listener->tracker = tracker;
    listener->prefix = need_prefix(engine, name);
    if (listener->prefix == NULL) {
        mem_free(listener);
        return NULL;
    }
    list_append(&listener->prefix->listeners, &listener->in_prefix);
    return listener;
}

/* Locked. */
static void remove_listener(struct larder *engine, struct prefix_listener *listener)
{
    list_remove(&listener->in_prefix);
    if (list_is_empty(&listener->prefix->listeners))
        remove_prefix(engine, listener->prefix);
    mem_free(listener);
}

/* Removes from the end until `count` of these are left. */
static void remove_listeners(struct larder *engine, struct prefix_listener **listeners, size_t present, size_t count)
{
    struct tracking *tracking = &engine->tracking;
    while (present > count) {
        lock_take(&tracking->lock);
        for (size_t i = 0; i < LISTENERS_PER_LOCK && present > count; i++)
            remove_listener(engine, listeners[--present]);
        lock_give(&tracking->lock);
    }
}

/* Adds a listener for each of these, in their order; false when there is no memory, and then for none. */
static bool add_listeners(struct larder *engine, struct tracker *tracker, const bytes *prefixes, size_t count,
                          struct prefix_listener **listeners)
{
    struct tracking *tracking = &engine->tracking;
    size_t added = 0;
    bool is_fine = true;
    while (is_fine && added < count) {
        lock_take(&tracking->lock);
        for (size_t i = 0; i < LISTENERS_PER_LOCK && is_fine && added < count; i++) {
            listeners[added] = add_listener(engine, tracker, prefixes[added]);
            is_fine = listeners[added] != NULL;
            added += is_fine;
        }
        lock_give(&tracking->lock);
    }
    if (!is_fine)
        remove_listeners(engine, listeners, added, 0);
    return is_fine;
}

static int compare_listeners(const void *a, const void *b)
{
    return compare_bytes(prefix_name((*(struct prefix_listener *const *)a)->prefix),
                         prefix_name((*(struct prefix_listener *const *)b)->prefix));
}

/* How many of the first `count` listeners come before this name. */
static size_t place_of(struct prefix_listener *const *listeners, size_t count, bytes name)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_bytes(prefix_name(listeners[middle]->prefix), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_listening_to(const struct tracker *tracker, bytes name)
{
    size_t place = place_of(tracker->listeners, tracker->listener_count, name);
    return place < tracker->listener_count && bytes_equal(prefix_name(tracker->listeners[place]->prefix), name);
}

/* Merges sorted listeners into those of the tracker, which have room for them: from the last on, each with a move of
   those behind it. */
static void merge(struct tracker *tracker, struct prefix_listener **added, size_t count)
{
    struct prefix_listener **listeners = tracker->listeners;
    size_t end = tracker->listener_count; /* of those not moved yet */
    tracker->listener_count += count;
    while (count > 0) {
        struct prefix_listener *last = added[--count];
        size_t place = place_of(listeners, end, prefix_name(last->prefix));
        memmove(listeners + place + count + 1, listeners + place, (end - place) * sizeof(*listeners));
        listeners[place + count] = last;
        end = place;
        atomic_fetch_add_explicit(&tracker->prefix_bytes, listener_bytes(last->prefix), memory_order_relaxed);
    }
}

bool broadcast_listen(struct larder *engine, struct tracker *tracker, const bytes *prefixes, size_t count)
{
    if (count == 1 && is_listening_to(tracker, prefixes[0])) /* to every key, said again */
        return true;
    size_t room = (tracker->listener_count + count) * sizeof(struct prefix_listener *);
    struct prefix_listener **listeners = mem_realloc(tracker->listeners, room);
    struct prefix_listener **added = mem_alloc(count * sizeof(struct prefix_listener *));
    if (listeners != NULL)
        tracker->listeners = listeners;
    bool is_fine = listeners != NULL && added != NULL && add_listeners(engine, tracker, prefixes, count, added);
    if (is_fine) {
        qsort(added, count, sizeof(*added), compare_listeners);
        merge(tracker, added, count);
    }
    mem_free(added);
    return is_fine;
}

void broadcast_end(struct larder *engine, struct tracker *tracker)
{
    remove_listeners(engine, tracker->listeners, tracker->listener_count, 0);
    mem_free(tracker->listeners);
    tracker->listeners = NULL;
    tracker->listener_count = 0;
    atomic_store_explicit(&tracker->prefix_bytes, 0, memory_order_relaxed);
}

size_t tracking_prefix_count(const struct session *session)
{
    const struct tracker *tracker = tracker_of(session);
    return tracker != NULL ? tracker->listener_count : 0;
}

bytes tracking_prefix(const struct session *session, size_t index)
{
    return prefix_name(tracker_of(session)->listeners[index]->prefix);
}

/* ---- Overlaps ---- */

/* The first of the prefixes that the session listens to already which overlaps with this one. They do not overlap with
   each other, except that the empty one may stand in front of all. */
static bool find_present_overlap(const struct tracker *tracker, bytes prefix, bytes *other)
{
    size_t place = place_of(tracker->listeners, tracker->listener_count, prefix);
    const size_t candidates[] = {0, place > 0 ? place - 1 : 0, place};
    for (size_t i = 0; i < COUNT_OF(candidates); i++) {
        if (candidates[i] >= tracker->listener_count)
            continue;
        *other = prefix_name(tracker->listeners[candidates[i]]->prefix);
        if (begins_with(prefix, *other) || begins_with(*other, prefix))
            return true;
    }
    return false;
}

static int compare_by_name(const void *a, const void *b)
{
    return compare_bytes(**(const bytes *const *)a, **(const bytes *const *)b);
}

/* The first of these prefixes that overlaps with another of them; `count` when none does. In sorted order a prefix
   stands before all that begin with it: those on `path` are the ones that the present one begins with. */
static size_t first_overlapping(const bytes *prefixes, const bytes **sorted, const bytes **path, size_t count)
{
    size_t first = count;
    size_t depth = 0;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &prefixes[i];
    qsort(sorted, count, sizeof(*sorted), compare_by_name);
    for (size_t i = 0; i < count; i++) {
        while (depth > 0 && !begins_with(*sorted[i], *path[depth - 1]))
            depth--;
        if (depth > 0) {
            size_t a = (size_t)(sorted[i] - prefixes);
            size_t b = (size_t)(path[depth - 1] - prefixes);
            first = a < first ? a : first;
            first = b < first ? b : first;
        }
        path[depth++] = sorted[i];
    }
    return first;
}

/* Redis goes through the prefixes in the order of the arguments, and looks for each first among the present ones, then
   among those that follow it. */
enum prefix_verdict tracking_check_prefixes(const struct session *session, const bytes *prefixes, size_t count,
                                            struct prefix_overlap *overlap)
{
    const struct tracker *tracker = tracker_of(session);
    if (count == 0)
        return PREFIXES_FINE;
    const bytes **sorted = mem_alloc(2 * count * sizeof(const bytes *));
    if (sorted == NULL)
        return PREFIXES_NO_MEMORY;
    size_t first = first_overlapping(prefixes, sorted, sorted + count, count);
    mem_free(sorted);
    for (size_t i = 0; tracker != NULL && i < count && i <= first; i++) {
        if (find_present_overlap(tracker, prefixes[i], &overlap->other)) {
            overlap->prefix = prefixes[i];
            overlap->is_present = true;
            return PREFIXES_OVERLAP;
        }
    }
    if (first == count)
        return PREFIXES_FINE;
    size_t other = first + 1;
    while (!begins_with(prefixes[first], prefixes[other]) && !begins_with(prefixes[other], prefixes[first]))
        other++;
    *overlap = (struct prefix_overlap){.prefix = prefixes[first], .other = prefixes[other]};
    return PREFIXES_OVERLAP;
}

/* ---- Telling ---- */

void tracking_note_change(struct larder *engine, bytes name, const struct session *by)
{
    struct tracking *tracking = &engine->tracking;
    struct change *change = mem_alloc(sizeof(*change) + name.len);
    atomic_fetch_add_explicit(&tracking->untold, 1, memory_order_relaxed);
    if (change == NULL) {
        atomic_fetch_add_explicit(&tracking->lost, 1, memory_order_relaxed);
        return;
    }
    change->by = by != NULL ? by->id : 0;
    change->len = name.len;
    if (name.len > 0)
        memcpy(change->name, name.at, name.len);
    mailbox_push(&tracking->changes, &change->mail);
}

/* Changes that are being told. */
struct telling {
    struct change **changes; /* sorted by name, each name once */
    size_t count;
    uint64_t *by;        /* who made them, sorted; NULL: there was no memory */
    struct list matched; /* prefixes that some of them begin with */
    bool has_failed;     /* there was no memory */
};

/* Returns how many there were. */
static size_t free_changes(struct mail *mail)
{
    size_t count = 0;
    for (; mail != NULL; count++) {
        struct mail *next = mail->next;
        mem_free(CONTAINER_OF(mail, struct change, mail));
        mail = next;
    }
    return count;
}

void broadcast_free(struct tracking *tracking)
{
    free_changes(mailbox_take(&tracking->changes));
}

static bytes change_name(const struct change *change)
{
    return (bytes){change->name, change->len};
}

static int compare_changes(const void *a, const void *b)
{
    return compare_bytes(change_name(*(struct change *const *)a), change_name(*(struct change *const *)b));
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Leaves one change of each name, which was made by one session or else by nobody in particular. */
static void unify(struct telling *telling)
{
    size_t kept = 0;
    for (size_t i = 0; i < telling->count; i++) {
        struct change *change = telling->changes[i];
        struct change *last = kept > 0 ? telling->changes[kept - 1] : NULL;
        if (last == NULL || !bytes_equal(change_name(last), change_name(change)))
            telling->changes[kept++] = change;
        else if (last->by != change->by)
            last->by = 0;
    }
    telling->count = kept;
}

/* Brings the changes into order; on failure there are none. */
static void collect(struct telling *telling, struct mail *first)
{
    size_t count = 0;
    for (const struct mail *mail = first; mail != NULL; mail = mail->next)
        count++;
    *telling = (struct telling){.changes = mem_alloc(count * sizeof(struct change *))};
    list_init(&telling->matched);
    if (telling->changes == NULL) {
        telling->has_failed = true;
        return;
    }
    for (struct mail *mail = first; mail != NULL; mail = mail->next)
        telling->changes[telling->count++] = CONTAINER_OF(mail, struct change, mail);
    if (count > 1) {
        qsort(telling->changes, count, sizeof(struct change *), compare_changes);
        unify(telling);
    }
    telling->by = mem_alloc(telling->count * sizeof(uint64_t));
    for (size_t i = 0; telling->by != NULL && i < telling->count; i++)
        telling->by[i] = telling->changes[i]->by;
    if (telling->by != NULL)
        qsort(telling->by, telling->count, sizeof(uint64_t), compare_numbers);
}

/* Did this session make any of the changes? Without memory to know, no: then it is told of its own ones too. */
static bool has_changes_by(const struct telling *telling, uint64_t id)
{
    return telling->by != NULL && bsearch(&id, telling->by, telling->count, sizeof(uint64_t), compare_numbers) != NULL;
}

struct matching {
    struct telling *telling;
    struct change *change;
};

static void match(void *context, void *item)
{
    const struct matching *matching = context;
    struct tracked_prefix *prefix = item;
    if (prefix->change_count == prefix->change_capacity) {
        size_t capacity = prefix->change_capacity > 0 ? 2 * prefix->change_capacity : 1;
        struct change **changes = mem_realloc(prefix->changes, capacity * sizeof(struct change *));
        if (changes == NULL) {
            matching->telling->has_failed = true;
            return;
        }
        prefix->changes = changes;
        prefix->change_capacity = capacity;
    }
    if (prefix->change_count == 0)
        list_append(&matching->telling->matched, &prefix->in_matched);
    prefix->changes[prefix->change_count++] = matching->change;
}

/* The prefix's changes, but for those that one session made (0: but for none). Without any, a frame without text and
 *is_empty; without memory, a frame without text. */
static struct frame make_frame(const struct tracked_prefix *prefix, frame_encoders encoders, uint64_t but_by,
                               bool *is_empty)
{
    struct frame frame = {0};
    size_t count = 0;
    bytes *names = mem_alloc(prefix->change_count * sizeof(bytes));
    *is_empty = false;
    if (names == NULL)
        return frame;
    for (size_t i = 0; i < prefix->change_count; i++)
        if (but_by == 0 || prefix->changes[i]->by != but_by)
            names[count++] = change_name(prefix->changes[i]);
    *is_empty = count == 0;
    if (count > 0)
        frame = frame_invalidation(encoders, names, count);
    mem_free(names);
    return frame;
}

/* Tells one who does not want to hear of its own changes, and made some. */
static void tell_without_own(const struct tracked_prefix *prefix, struct tracker *tracker)
{
    bool is_empty;
    struct frame frame = make_frame(prefix, tracker->encoders, tracker->id, &is_empty);
    if (!is_empty)
        tracker_tell(tracker, frame);
    frame_drop(frame);
}

static void tell_prefix(const struct telling *telling, const struct tracked_prefix *prefix)
{
    struct frame frame = {0}; /* made when it is needed: everybody may get one of their own */
    for (struct list *link = prefix->listeners.next; link != &prefix->listeners; link = link->next) {
        struct tracker *tracker = CONTAINER_OF(link, struct prefix_listener, in_prefix)->tracker;
        if ((tracker_flags(tracker) & TRACKING_NOLOOP) && has_changes_by(telling, tracker->id)) {
            tell_without_own(prefix, tracker);
            continue;
        }
        bool is_empty = false;
        if (frame.text == NULL)
            frame = make_frame(prefix, tracker->encoders, 0, &is_empty);
        tracker_tell(tracker, frame);
    }
    frame_drop(frame);
}

/* Changes were lost: tells all who listen to forget everything. */
static void tell_of_loss(struct tracking *tracking)
{
    for (struct list *link = tracking->trackers.next; link != &tracking->trackers; link = link->next) {
        struct tracker *tracker = CONTAINER_OF(link, struct tracker, in_tracking);
        if (!(tracker_flags(tracker) & TRACKING_BCAST))
            continue;
        struct frame frame = frame_invalidation(tracker->encoders, NULL, 0);
        tracker_tell(tracker, frame);
        frame_drop(frame);
    }
}

/* Locked. */
static void tell(struct tracking *tracking, struct mail *first)
{
    struct telling telling;
    collect(&telling, first);
    for (size_t i = 0; i < telling.count; i++) {
        struct matching matching = {.telling = &telling, .change = telling.changes[i]};
        stems_match(&tracking->stems, change_name(telling.changes[i]), match, &matching);
    }
    while (!list_is_empty(&telling.matched)) {
        struct tracked_prefix *prefix = CONTAINER_OF(telling.matched.next, struct tracked_prefix, in_matched);
        list_remove(&prefix->in_matched);
        tell_prefix(&telling, prefix);
        mem_free(prefix->changes);
        prefix->changes = NULL;
        prefix->change_count = prefix->change_capacity = 0;
    }
    if (telling.has_failed)
        tell_of_loss(tracking);
    mem_free(telling.by);
    mem_free(telling.changes);
}

void tracking_broadcast(struct larder *engine)
{
    struct tracking *tracking = &engine->tracking;
    lock_take(&tracking->lock); /* another thread may be telling of changes that this one made */
    struct mail *first = mailbox_take(&tracking->changes);
    size_t told = atomic_exchange_explicit(&tracking->lost, 0, memory_order_relaxed);
    if (first != NULL)
        tell(tracking, first);
    if (unlikely(told > 0))
        tell_of_loss(tracking);
    told += free_changes(first);
    atomic_fetch_sub_explicit(&tracking->untold, told, memory_order_release);
    lock_give(&tracking->lock);
}

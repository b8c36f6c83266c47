/* CLIENT TRACKING: clients that keep copies of what they read are told when it changes.

   In the default mode the server remembers, key by key, who read it; a change tells those and forgets the key. The
   readings lie in a table per shard, under the shard's lock. A reading is remembered under the very lock under which
   the value was read, and a change tells its readers under that lock as well, so there is no moment at which a copy is
   stale and nobody will say so. Keys are known by their names alone: a change in any database tells.

   In the broadcasting mode a client names prefixes, and is told of every change of a key that begins with one. Changes
   are noted as they happen, and told together when the batch of commands that made them is through: before the replies
   of the batch are sent, and without any shard locked. So what a change costs does not depend on how many listen.

   Others know a client as its tracker, which outlives the session while readings or other trackers refer to it: a
   session closes in a few steps, whatever it has read, and what it leaves in the tables is swept away little by little.

   Locks, in the order in which they are taken: shards, tracking.lock, one tracker's lock at a time. */
#ifndef LARDER_ENGINE_TRACKING_H
#define LARDER_ENGINE_TRACKING_H

#include "base/bytes.h"
#include "base/common.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/mailbox.h"
#include "structs/ht.h"
#include "structs/stems.h"

#include <stdatomic.h>
#include <stdint.h>

struct call;
struct larder;
struct session;
struct shard;
struct tracker;

enum tracking_flag {
    TRACKING_ON = 1 << 0,
    TRACKING_BCAST = 1 << 1,   /* told of prefixes; else of what it read */
    TRACKING_OPTIN = 1 << 2,   /* readings count only after CLIENT CACHING YES */
    TRACKING_OPTOUT = 1 << 3,  /* readings count except after CLIENT CACHING NO */
    TRACKING_NOLOOP = 1 << 4,  /* not told of its own changes */
    TRACKING_CACHING = 1 << 5, /* CLIENT CACHING was said: the next command is the exception */
    TRACKING_BROKEN = 1 << 6,  /* the session that it redirects to was found to be gone */
    TRACKING_CLOSED = 1 << 7,  /* its own session is gone */
};

/* The keys of one shard that clients have read, under the shard's lock. Zeroed memory is an empty table. */
struct tracking_table {
    struct ht keys;         /* struct tracked_key, by the hash of its name */
    size_t items;           /* readers of all keys together */
    size_t bytes;           /* memory of the keys, without the hash table's own */
    uint64_t sweep_cursor;  /* where the sweep for closed sessions stands; 0: at the beginning */
    uint64_t sweep_goal;    /* what tracking.closings was when it began */
    _Atomic uint64_t swept; /* of tracking.closings: those up to this one have left nothing here; any thread reads */
};

struct tracking {
    struct tracking_table *tables; /* by shard */
    _Atomic size_t keys;           /* sums over all tables */
    _Atomic size_t items;
    _Atomic size_t bytes;
    _Atomic size_t max_keys;   /* tracking-table-max-keys; 0: no limit */
    _Atomic size_t max_bytes;  /* follows from it */
    _Atomic size_t clients;    /* trackers that are on */
    _Atomic size_t prefixes;   /* with somebody who listens */
    _Atomic uint64_t closings; /* sessions that closed and left readings behind */
    _Atomic size_t garbage_count;

    struct lock lock;
    struct list trackers;   /* lock: those that are on */
    struct list garbage;    /* lock: tables that were emptied at once, waiting to be freed */
    struct stems stems;     /* lock: struct tracked_prefix */
    struct mailbox changes; /* any thread pushes, the lock's holder takes: what tracking_broadcast is to tell */
    _Atomic size_t lost;    /* changes that could not be noted: those who listen must forget everything */
    _Atomic size_t untold;  /* changes, noted or lost, that not all who listen have been told of yet */
};

/* False when there is no memory. */
MUST_USE bool tracking_init(struct larder *engine);
/* Without sessions. */
void tracking_free(struct larder *engine);
/* How many keys the tables may hold together; 0: any number. Any thread. */
void tracking_set_limit(struct larder *engine, long long max_keys);
/* Memory of the tables. Any thread. */
size_t tracking_bytes(const struct larder *engine);
/* All shards locked; for tests: asserts every invariant of the tables. */
void tracking_check(struct larder *engine);

/* ---- A session's own settings; only its owner calls these. ---- */

/* What CLIENT TRACKING ON asks for. */
struct tracking_options {
    unsigned flags; /* of TRACKING_BCAST, OPTIN, OPTOUT, NOLOOP */
    struct tracker
        *target; /* who is to be told instead, NULL: nobody; this reference passes on if turning on succeeds */
    const bytes *prefixes; /* with TRACKING_BCAST; tracking_check_prefixes found them fine. None: every key */
    size_t prefix_count;
};

/* Turns tracking on, or gives it new options and further prefixes. False when there is no memory. */
MUST_USE bool tracking_turn_on(struct session *session, const struct tracking_options *options);
void tracking_turn_off(struct session *session);
/* The session closes, and nobody finds it in the registry any more. */
void tracking_close(struct session *session);
/* Between the two nobody tells the session anything: who did for what it was before (its protocol, its having
   subscriptions) is through, and who will sees what it is then. */
MUST_USE struct tracker *tracking_hold(struct session *session);
void tracking_release(struct tracker *tracker);
/* CLIENT CACHING: the next command is the exception. */
void tracking_except_next(struct session *session);

enum target_status { TARGET_FOUND, TARGET_MISSING, TARGET_NO_MEMORY };
/* Finds a session by its number, to redirect to it; takes the registry's lock. The caller gets a reference. Sessions of
   the program's own do not exist for clients. */
MUST_USE enum target_status tracking_find_target(const struct session *session, int64_t id, struct tracker **target);
/* Gives a reference back; NULL is allowed. */
void tracker_drop(struct tracker *tracker);

/* A prefix that may not be added, because it overlaps with another. */
struct prefix_overlap {
    bytes prefix;
    bytes other;
    bool is_present; /* the session listens to the other already; else it was to be added as well */
};
enum prefix_verdict { PREFIXES_FINE, PREFIXES_OVERLAP, PREFIXES_NO_MEMORY };
/* May the session listen to these as well? Finds Redis's culprit if not. */
MUST_USE enum prefix_verdict tracking_check_prefixes(const struct session *session, const bytes *prefixes, size_t count,
                                                     struct prefix_overlap *overlap);
/* The prefixes that the session listens to, in order. */
size_t tracking_prefix_count(const struct session *session);
bytes tracking_prefix(const struct session *session, size_t index);

/* ---- Any thread, while the session cannot close ---- */

/* enum tracking_flag. */
unsigned tracking_flags(const struct session *session);
/* The number of the session that is told instead; 0: none is, -1: tracking is off. */
int64_t tracking_redirection(const struct session *session);
/* Memory of its prefixes. */
size_t tracking_prefix_bytes(const struct session *session);

/* ---- What reads and changes bring about ---- */

/* A command has run for a session that tracks, and the shards of its keys are still locked: they are remembered. */
void tracking_remember(struct call *call);
/* The command is through: if CLIENT CACHING made an exception of it, that is over. */
void tracking_conclude(const struct call *call);

/* A key was changed in a shard that has readings, and is locked: tells its readers and forgets it. `by` made the
   change, NULL: nobody did. */
void tracking_invalidate(struct larder *engine, struct shard *shard, bytes name, uint64_t hash,
                         const struct session *by);
/* Any key may have changed; all shards are locked. Tells everybody, and forgets everything. */
void tracking_invalidate_all(struct larder *engine);

/* A piece of upkeep over these shards, whose locks it takes one at a time: sweeps away what closed sessions left, keeps
   to the limit, frees emptied tables. */
void tracking_upkeep(struct larder *engine, size_t first_shard, size_t shard_count);

/* Any thread. Notes a change for those who listen to prefixes; `by` made it, NULL: nobody did. */
void tracking_note_change(struct larder *engine, bytes name, const struct session *by);
/* Tells what was noted. Any thread that holds no lock. */
void tracking_broadcast(struct larder *engine);
/* Is there anything to tell, or being told by another thread? */
static inline bool tracking_has_untold(const struct tracking *tracking)
{
    return atomic_load_explicit(&tracking->untold, memory_order_acquire) > 0;
}

#endif

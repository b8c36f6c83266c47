/* Locked keys, on the way of a command to its handler: the one place where writes to them are refused. A command that
   writes names its keys in the command table; while their shards are locked, and before the handler runs, each key that
   is not only read is looked at. Where no key is locked that costs one word. */
#ifndef LARDER_ENGINE_LOCKS_H
#define LARDER_ENGINE_LOCKS_H

#include "engine/call.h"
#include "keyspace/item.h"

/* Must somebody look at the locks before this call runs? The shards of its keys are locked. */
static inline bool locks_concern(const struct call *call)
{
    return ks_has_locks(&call->engine->keyspace) || call->fence != 0;
}

/* Is the call kept from writing by a lock, or by a token that does not fit one? Then the error has been replied. */
bool locks_refuse(struct call *call);

/* May this call write to this key, seen as one key? For keys that the command table can't name. */
bool locks_admit(const struct call *call, const struct entry *entry);

/* "LOCKED ..." */
void reply_locked(struct call *call);

/* A time to lock for: seconds, at least 1, or -1 for ever. On failure the error has been replied. */
MUST_USE bool call_lock_time(struct call *call, size_t argument, int64_t *lock_s);

#endif

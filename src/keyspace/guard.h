/* A guard against deadlocks, in debug builds only: a record of the shards that each thread holds, and assertions where
   one is taken. It stops a thread that takes shards out of order, that visits one shard while it holds others, or that
   visits at all where the command table does not say so (CMD_VISITS_SHARDS): EXEC relies on the table to know what to
   lock beforehand. A mistake thus shows in any test that runs the command, not in the unlucky one. */
#ifndef LARDER_KEYSPACE_GUARD_H
#define LARDER_KEYSPACE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#ifndef NDEBUG

/* The calling thread is about to take the shard of this number. */
void guard_take(size_t shard);
/* It is about to give one back. */
void guard_give(void);
/* It is about to visit a shard: one that it holds, or one that it takes for that. */
void guard_visit(bool is_held);
/* May the calling thread visit shards from now on? Returns whether it could before. */
bool guard_allow_visits(bool is_allowed);
/* Does it hold no shard? */
bool guard_is_clear(void);

#else

static inline void guard_take(size_t shard)
{
    (void)shard;
}

static inline void guard_give(void)
{
}

static inline void guard_visit(bool is_held)
{
    (void)is_held;
}

static inline bool guard_allow_visits(bool is_allowed)
{
    return is_allowed;
}

static inline bool guard_is_clear(void)
{
    return true;
}

#endif
#endif

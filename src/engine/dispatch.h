/* What the dispatcher shares with those who run calls within a call (EXEC). */
#ifndef LARDER_ENGINE_DISPATCH_H
#define LARDER_ENGINE_DISPATCH_H

#include "engine/call.h"

/* The shards in an executor's set are locked in ascending order, whatever the order they were added in. */
void shard_set_clear(struct executor *executor);
void shard_set_add(struct executor *executor, size_t shard);
void shard_set_fill(struct executor *executor); /* all of them */
void shard_set_lock(struct executor *executor);
void shard_set_unlock(struct executor *executor);

/* Adds the shards of a call's keys; false when there is no memory for hashing them. */
MUST_USE bool call_add_shards(struct call *call);

/* The hash of a key among the arguments. */
uint64_t call_key_hash(const struct call *call, size_t argument);
/* Finds the ranges of a call's keys; returns their number, those that only look like keys left out. */
int call_find_keys(const struct call *call, struct key_range ranges[KEY_RANGES_MAX]);

/* Runs a resolved and permitted call while the shards that it needs are locked already. */
void call_run_nested(struct call *call);

/* The command's flags, with those of the command that it is a subcommand of. */
static inline uint32_t call_flags(const struct call *call)
{
    return call->command->flags | (call->container != NULL ? call->container->flags : 0);
}

#endif

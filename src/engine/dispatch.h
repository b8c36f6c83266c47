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

/* Runs a resolved and permitted call while the shards that it needs are locked already. */
void call_run_nested(struct call *call);

/* Runs the handler, and does what GATES_AROUND_CALLS ask for: times it, tells those who watch. */
NEVER_INLINE void observe_run(struct call *call, struct command_stats *stats, unsigned gates);

/* The counters of the call's command, of the executor that runs it. */
static inline struct command_stats *command_stats_of(const struct call *call)
{
    struct command_stats *stats = atomic_load_explicit(&call->executor->commands[call->number], memory_order_relaxed);
    return likely(stats != NULL) ? stats : command_stats_begin(call->executor, call->number);
}

/* The command's flags, with those of the command that it is a subcommand of. */
static inline uint32_t call_flags(const struct call *call)
{
    return call->command->flags | (call->container != NULL ? call->container->flags : 0);
}

#endif

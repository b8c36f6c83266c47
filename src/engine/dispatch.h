/* What the dispatcher shares with those who run calls within a call (EXEC). */
#ifndef LARDER_ENGINE_DISPATCH_H
#define LARDER_ENGINE_DISPATCH_H

#include "engine/locks.h"

/* The shards in an executor's set are locked in ascending order, whatever the order they were added in. */
void shard_set_clear(struct executor *executor);
void shard_set_add(struct executor *executor, size_t shard);
void shard_set_fill(struct executor *executor); /* all of them */
void shard_set_lock(struct executor *executor);
void shard_set_unlock(struct executor *executor);

/* Marks the shards of a set, see ks_begin_adding; the sums over them. */
size_t shard_set_begin_adding(struct executor *executor);
size_t shard_set_end_adding(struct executor *executor);

/* How many keys the call may add at most: those of its keys that are not there. Locks one shard at a time. */
size_t call_count_new_keys(struct call *call);

/* Adds the shards of a call's keys, whose hashes are in the executor's room until the next call's; false when there is
   no memory for them. */
MUST_USE bool call_add_shards(struct call *call);

/* The hash of a key among the arguments. */
uint64_t call_key_hash(const struct call *call, size_t argument);
/* Finds the ranges of a call's keys; returns their number, those that only look like keys left out. */
int call_find_keys(const struct call *call, struct key_range ranges[KEY_RANGES_MAX]);
/* The room for the hashes of a few keys stays, that for the largest request ever does not. */
void executor_give_back_room(struct executor *executor);

/* Runs the handler, and nothing else; its shards are locked. */
void call_run_handler(struct call *call);

/* Runs a resolved and permitted call while the shards that it needs are locked already. */
void call_run_nested(struct call *call);

/* The handler's new keys are in `only`, or (NULL) in the shards of the executor's set; `has_keys` false: it adds none
   that the command table names. Those shards are locked. */
static inline void call_run_with_shards(struct call *call, struct shard *only, bool has_keys)
{
    if (unlikely(locks_concern(call)) && locks_refuse(call))
        return;
    if (has_keys && unlikely(call->executor->room.counts_keys) && (call->command->flags & CMD_WRITE))
        room_run(call, only);
    else
        call_run_handler(call);
}

/* Does that, and what GATES_AROUND_CALLS ask for: times it, tells those who watch. */
NEVER_INLINE void observe_run(struct call *call, struct command_stats *stats, unsigned gates, struct shard *only,
                              bool has_keys);

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

/* Does it stand within MULTI, where it may not, whoever says it? */
static inline bool call_is_barred_by_multi(const struct call *call)
{
    return (session_modes(call->session) & MODE_MULTI) && (call_flags(call) & CMD_NO_MULTI);
}

/* What a call is about to do: as call_flags, but EXEC does what is queued. */
uint32_t call_effective_flags(const struct call *call);

#endif

/* What is counted for each command: how often it ran, was refused, failed, and how long it took.

   Every executor has counters of its own for every command that it has run (by the command's number): it alone writes
   them, anybody sums. What executors that are gone have counted, less what a reset took away, is the engine's.

   Time is that of the handler alone: waiting for locks and for the turn does not count. A handler that takes about as
   long as reading the clock (a fast command of few and short words) is timed every 32nd time only, once it has run
   some times; each time then stands for the calls since the one before. Everything else is timed each time, and so is
   everything while GATE_TIMING is set. */
#ifndef LARDER_ENGINE_COMMAND_STATS_H
#define LARDER_ENGINE_COMMAND_STATS_H

#include "base/bytes.h"
#include "base/common.h"
#include "engine/command.h"
#include "structs/histogram.h"

#include <stdatomic.h>

struct executor;
struct larder;

enum {
    STATS_TIMED_EXACTLY = 128, /* calls from the first one, or from a reset, that are timed each */
    STATS_TIMED_EVERY = 32,    /* of those that follow */
    BRIEF_WORDS = 6,           /* more words, or so many bytes in one, may take a fast command long */
    BRIEF_BYTES = 64 * 1024,
};

/* The executor writes, any thread reads, unless it is said otherwise. */
struct command_stats {
    _Atomic uint64_t calls;
    _Atomic uint64_t rejected;         /* refused before they ran */
    _Atomic uint64_t failed;           /* ran, and replied an error */
    _Atomic uint64_t timed;            /* calls that time_ns stands for; less than STATS_TIMED_EVERY behind `calls` */
    _Atomic uint64_t time_ns;          /* of the handlers */
    _Atomic uint64_t next_timed;       /* after so many calls another one is timed for others; a reset writes it too */
    _Atomic unsigned exact_left;       /* how many more are timed one after the other; a reset writes it too */
    _Atomic(struct histogram *) times; /* in nanoseconds; NULL until one is kept */
};

/* One per row of the engine's command table; NULL until the command was used. */
typedef _Atomic(struct command_stats *) command_stats_slot;

/* Slow path of command_stats_of: there are none yet. */
NEVER_INLINE struct command_stats *command_stats_begin(struct executor *executor, uint32_t number);

/* How a call is timed. */
enum timing {
    TIMED_FOR_ITSELF, /* says nothing about calls that were not timed */
    TIMED_FOR_OTHERS, /* stands for those that were not timed before it, and may be followed by such */
};

/* A call took so long. Of the executor that the counters belong to; `keeps_times` as latency-tracking says. */
void command_stats_time(struct command_stats *stats, uint64_t time_ns, enum timing timing, bool keeps_times);

/* Must the next call be timed, whatever its words? */
static inline bool command_stats_is_due(const struct command_stats *stats)
{
    return atomic_load_explicit(&stats->calls, memory_order_relaxed) >=
           atomic_load_explicit(&stats->next_timed, memory_order_relaxed);
}

/* Is a call of these words short enough to be timed only now and then, provided that the command is fast? Large words
   are values, which stand third or last; what has two words has no value. */
static inline bool command_is_brief(const bytes *argv, size_t argc)
{
    return argc <= 2 || (argc <= BRIEF_WORDS && (argv[2].len | argv[argc - 1].len) < BRIEF_BYTES);
}

/* A command's counters summed over all executors, as INFO tells them. */
struct command_figures {
    uint64_t calls;
    uint64_t rejected;
    uint64_t failed;
    uint64_t timed;
    uint64_t time_us; /* of all calls, as far as can be told from those that were timed */
};
/* `times`, unless it is NULL, is overwritten with the times that were measured. Takes the lock of the executors' list.
 */
struct command_figures command_stats_sum(struct larder *engine, uint32_t number, struct histogram *times);

/* What was found so often among the timed calls has come how often among all? */
uint64_t command_figures_scale(const struct command_figures *figures, uint64_t count);

/* Calls of all commands together, and memory that all counters take. Both take the lock of the executors' list. */
uint64_t command_stats_calls(struct larder *engine);
size_t command_stats_memory(struct larder *engine);

/* With the lock of the executors' list held. retire: the executor is about to go. reset: everything counts from 0
   again; false when there is no memory for remembering where a counter stood, which then goes on. */
void command_stats_retire(struct executor *executor);
MUST_USE bool command_stats_reset(struct larder *engine);
/* Of an executor that has retired, or of an engine without executors. */
void command_stats_free(command_stats_slot *slots, size_t count);

#endif

/* Counting by command; see command_stats.h. */
#include "engine/command_stats.h"

#include "base/mem.h"
#include "engine/engine.h"

static struct command_stats *new_stats(void)
{
    struct command_stats *stats = mem_alloc_zeroed(sizeof(*stats));
    if (stats != NULL)
        atomic_init(&stats->exact_left, STATS_TIMED_EXACTLY);
    return stats;
}

/* Without memory the calls of this command are counted where nobody looks, and it is tried again with the next. */
struct command_stats *command_stats_begin(struct executor *executor, uint32_t number)
{
    struct command_stats *stats = new_stats();
    if (stats == NULL)
        return &executor->uncounted;
    atomic_store_explicit(&executor->commands[number], stats, memory_order_release);
    return stats;
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The histogram of a command, made when it is first needed; NULL when there is no memory. */
static struct histogram *times_of(struct command_stats *stats)
{
    struct histogram *times = atomic_load_explicit(&stats->times, memory_order_relaxed);
    if (likely(times != NULL))
        return times;
    times = mem_alloc_zeroed(sizeof(*times));
    atomic_store_explicit(&stats->times, times, memory_order_release);
    return times;
}

void command_stats_time(struct command_stats *stats, uint64_t time_ns, enum timing timing, bool keeps_times)
{
    uint64_t calls = get(&stats->calls);
    uint64_t weight = timing == TIMED_FOR_OTHERS ? calls + 1 - get(&stats->timed) : 1;
    stat_add(&stats->timed, weight);
    stat_add(&stats->time_ns, weight * time_ns);
    if (timing == TIMED_FOR_OTHERS) {
        unsigned exact_left = atomic_load_explicit(&stats->exact_left, memory_order_relaxed);
        if (exact_left > 0)
            atomic_store_explicit(&stats->exact_left, exact_left - 1, memory_order_relaxed);
        else
            atomic_store_explicit(&stats->next_timed, calls + STATS_TIMED_EVERY, memory_order_relaxed);
    }
    struct histogram *times = keeps_times ? times_of(stats) : NULL;
    if (times != NULL)
        histogram_add(times, time_ns, weight);
}

/* ---- Sums ---- */

/* Counters that are added and subtracted modulo 2^64. */
struct sums {
    uint64_t calls;
    uint64_t rejected;
    uint64_t failed;
    uint64_t timed;
    uint64_t time_ns;
};

static struct command_stats *stats_at(const command_stats_slot *slots, size_t number)
{
    return atomic_load_explicit(&slots[number], memory_order_acquire);
}

static void add_to_sums(struct sums *sums, const command_stats_slot *slots, size_t number, struct histogram *times)
{
    const struct command_stats *stats = stats_at(slots, number);
    if (stats == NULL)
        return;
    sums->calls += get(&stats->calls);
    sums->rejected += get(&stats->rejected);
    sums->failed += get(&stats->failed);
    sums->timed += get(&stats->timed);
    sums->time_ns += get(&stats->time_ns);
    const struct histogram *own = atomic_load_explicit(&stats->times, memory_order_acquire);
    if (times != NULL && own != NULL)
        histogram_merge(times, own);
}

/* With the lock of the executors' list held. */
static struct sums sum(struct larder *engine, size_t number, struct histogram *times)
{
    struct sums sums = {0};
    add_to_sums(&sums, engine->retired_commands, number, times);
    for (struct list *link = engine->executors.next; link != &engine->executors; link = link->next)
        add_to_sums(&sums, CONTAINER_OF(link, struct executor, in_engine)->commands, number, times);
    return sums;
}

struct command_figures command_stats_sum(struct larder *engine, uint32_t number, struct histogram *times)
{
    if (times != NULL)
        memset(times, 0, sizeof(*times));
    lock_take(&engine->executors_lock);
    struct sums sums = sum(engine, number, times);
    lock_give(&engine->executors_lock);
    struct command_figures figures = {
        .calls = sums.calls,
        .rejected = sums.rejected,
        .failed = sums.failed,
        .timed = sums.timed,
    };
    figures.time_us = command_figures_scale(&figures, sums.time_ns) / 1000;
    return figures;
}

uint64_t command_figures_scale(const struct command_figures *figures, uint64_t count)
{
    if (figures->timed == 0)
        return 0;
    return (uint64_t)(((unsigned __int128)count * figures->calls + figures->timed / 2) / figures->timed);
}

uint64_t command_stats_calls(struct larder *engine)
{
    uint64_t calls = 0;
    lock_take(&engine->executors_lock);
    for (size_t i = 0; i < engine->commands.row_count; i++)
        calls += sum(engine, i, NULL).calls;
    lock_give(&engine->executors_lock);
    return calls;
}

static size_t slots_memory(const command_stats_slot *slots, size_t count)
{
    size_t bytes = mem_size((const void *)slots);
    for (size_t i = 0; i < count; i++) {
        const struct command_stats *stats = stats_at(slots, i);
        if (stats != NULL)
            bytes += mem_size(stats) + mem_size(atomic_load_explicit(&stats->times, memory_order_acquire));
    }
    return bytes;
}

size_t command_stats_memory(struct larder *engine)
{
    size_t count = engine->commands.row_count;
    lock_take(&engine->executors_lock);
    size_t bytes = slots_memory(engine->retired_commands, count);
    for (struct list *link = engine->executors.next; link != &engine->executors; link = link->next)
        bytes += slots_memory(CONTAINER_OF(link, struct executor, in_engine)->commands, count);
    lock_give(&engine->executors_lock);
    return bytes;
}

/* ---- The end of an executor, and of all counting so far ---- */

/* Adds the figures to those of executors that are gone, giving them away where there are none yet. */
static void retire_one(struct command_stats *stats, command_stats_slot *retired)
{
    struct command_stats *to = atomic_load_explicit(retired, memory_order_relaxed);
    if (to == NULL) {
        atomic_store_explicit(retired, stats, memory_order_relaxed);
        return;
    }
    stat_add(&to->calls, get(&stats->calls));
    stat_add(&to->rejected, get(&stats->rejected));
    stat_add(&to->failed, get(&stats->failed));
    stat_add(&to->timed, get(&stats->timed));
    stat_add(&to->time_ns, get(&stats->time_ns));
    struct histogram *times = atomic_load_explicit(&stats->times, memory_order_relaxed);
    struct histogram *to_times = atomic_load_explicit(&to->times, memory_order_relaxed);
    if (to_times == NULL) {
        atomic_store_explicit(&to->times, times, memory_order_relaxed);
    } else if (times != NULL) {
        histogram_merge(to_times, times);
        mem_free(times);
    }
    mem_free(stats);
}

void command_stats_retire(struct executor *executor)
{
    struct larder *engine = executor->engine;
    for (size_t i = 0; i < engine->commands.row_count; i++) {
        struct command_stats *stats = stats_at(executor->commands, i);
        if (stats != NULL)
            retire_one(stats, &engine->retired_commands[i]);
        atomic_store_explicit(&executor->commands[i], NULL, memory_order_relaxed);
    }
}

/* Lets every executor time this command's next calls: what has been measured from now on must not wait for its turn. */
static void time_anew(struct larder *engine, size_t number)
{
    for (struct list *link = engine->executors.next; link != &engine->executors; link = link->next) {
        struct command_stats *stats = stats_at(CONTAINER_OF(link, struct executor, in_engine)->commands, number);
        if (stats == NULL)
            continue;
        atomic_store_explicit(&stats->next_timed, 0, memory_order_relaxed);
        atomic_store_explicit(&stats->exact_left, STATS_TIMED_EXACTLY, memory_order_relaxed);
    }
}

/* Executors' counters belong to their threads, so a reset does not touch them: it subtracts what they stand at. */
static bool reset_one(struct larder *engine, size_t number, struct histogram *times)
{
    memset(times, 0, sizeof(*times));
    struct sums sums = sum(engine, number, times);
    if (sums.calls == 0 && sums.rejected == 0)
        return true;
    command_stats_slot *slot = &engine->retired_commands[number];
    if (stats_at(slot, 0) == NULL)
        atomic_store_explicit(slot, new_stats(), memory_order_relaxed);
    struct command_stats *retired = stats_at(slot, 0);
    struct histogram *retired_times = retired != NULL ? times_of(retired) : NULL;
    if (retired_times == NULL)
        return false;
    stat_add(&retired->calls, -sums.calls);
    stat_add(&retired->rejected, -sums.rejected);
    stat_add(&retired->failed, -sums.failed);
    stat_add(&retired->timed, -sums.timed);
    stat_add(&retired->time_ns, -sums.time_ns);
    histogram_subtract(retired_times, times);
    time_anew(engine, number);
    return true;
}

bool command_stats_reset(struct larder *engine)
{
    struct histogram *times = mem_alloc(sizeof(*times));
    bool is_complete = times != NULL;
    for (size_t i = 0; is_complete && i < engine->commands.row_count; i++)
        is_complete = reset_one(engine, i, times);
    mem_free(times);
    return is_complete;
}

void command_stats_free(command_stats_slot *slots, size_t count)
{
    for (size_t i = 0; slots != NULL && i < count; i++) {
        struct command_stats *stats = stats_at(slots, i);
        if (stats != NULL)
            mem_free(atomic_load_explicit(&stats->times, memory_order_relaxed));
        mem_free(stats);
    }
    mem_free((void *)slots);
}

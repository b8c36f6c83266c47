/* Counting error replies; see error_stats.h. */
#include "engine/error_stats.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <stdlib.h>

void error_stats_init(struct error_stats *stats)
{
    *stats = (struct error_stats){0};
    lock_init(&stats->lock);
}

void error_stats_free(struct error_stats *stats)
{
    mem_free(stats->counts);
    lock_free(&stats->lock);
}

/* The first word, where there are two and it is no longer than codes are. */
static bytes code_of(bytes error)
{
    size_t most = error.len < ERROR_CODE_MAX + 1 ? error.len : ERROR_CODE_MAX + 1;
    const char *space = most > 0 ? memchr(error.at, ' ', most) : NULL;
    return space != NULL && space > error.at ? (bytes){error.at, (size_t)(space - error.at)} : BYTES("ERR");
}

static bool make_room(struct error_stats *stats)
{
    if (stats->used < stats->room)
        return true;
    size_t room = stats->room > 0 ? 2 * stats->room : 4;
    if (room > ERROR_CODES_MAX)
        return false;
    struct error_count *counts = mem_realloc(stats->counts, room * sizeof(*counts));
    if (counts == NULL)
        return false;
    stats->counts = counts;
    stats->room = room;
    return true;
}

/* Locked. */
static void add(struct error_stats *stats, bytes code, uint64_t count)
{
    for (size_t i = 0; i < stats->used; i++) {
        if (bytes_equal(bytes_of(stats->counts[i].code), code)) {
            stats->counts[i].count += count;
            return;
        }
    }
    if (!make_room(stats)) {
        stats->further += count;
        return;
    }
    struct error_count *added = &stats->counts[stats->used++];
    *added = (struct error_count){.count = count};
    memcpy(added->code, code.at, code.len);
}

void error_stats_count(struct error_stats *stats, bytes error)
{
    lock_take(&stats->lock);
    add(stats, code_of(error), 1);
    lock_give(&stats->lock);
}

/* `to` is the caller's alone, or locked. */
static void merge(struct error_stats *to, struct error_stats *from)
{
    lock_take(&from->lock);
    for (size_t i = 0; i < from->used; i++)
        add(to, bytes_of(from->counts[i].code), from->counts[i].count);
    to->further += from->further;
    lock_give(&from->lock);
}

static int compare_codes(const void *a, const void *b)
{
    return strcmp(((const struct error_count *)a)->code, ((const struct error_count *)b)->code);
}

void error_stats_sum(struct larder *engine, struct error_stats *total)
{
    error_stats_init(total);
    lock_take(&engine->executors_lock);
    merge(total, &engine->retired_errors);
    for (struct list *link = engine->executors.next; link != &engine->executors; link = link->next)
        merge(total, &CONTAINER_OF(link, struct executor, in_engine)->errors);
    lock_give(&engine->executors_lock);
    if (total->used > 0)
        qsort(total->counts, total->used, sizeof(*total->counts), compare_codes);
}

void error_stats_retire(struct larder *engine, struct error_stats *stats)
{
    lock_take(&engine->retired_errors.lock);
    merge(&engine->retired_errors, stats);
    lock_give(&engine->retired_errors.lock);
}

static void clear(struct error_stats *stats)
{
    lock_take(&stats->lock);
    mem_free(stats->counts);
    stats->counts = NULL;
    stats->used = stats->room = 0;
    stats->further = 0;
    lock_give(&stats->lock);
}

void error_stats_reset(struct larder *engine)
{
    clear(&engine->retired_errors);
    for (struct list *link = engine->executors.next; link != &engine->executors; link = link->next)
        clear(&CONTAINER_OF(link, struct executor, in_engine)->errors);
}

static size_t memory_of(struct error_stats *stats)
{
    lock_take(&stats->lock);
    size_t bytes = mem_size(stats->counts);
    lock_give(&stats->lock);
    return bytes;
}

size_t error_stats_memory(struct larder *engine)
{
    lock_take(&engine->executors_lock);
    size_t bytes = memory_of(&engine->retired_errors);
    for (struct list *link = engine->executors.next; link != &engine->executors; link = link->next)
        bytes += memory_of(&CONTAINER_OF(link, struct executor, in_engine)->errors);
    lock_give(&engine->executors_lock);
    return bytes;
}

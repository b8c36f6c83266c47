/* The record that debug builds keep of each thread's shards; see guard.h. It is the thread's, not an engine's: a thread
   that holds shards of one engine has no business with another's. */
#include "keyspace/guard.h"

#ifndef NDEBUG

#include <assert.h>

static _Thread_local struct {
    size_t count;         /* shards held */
    size_t highest;       /* the number of the one taken last */
    bool is_visit_barred; /* a handler is running whose command says that it visits none */
} mine;

void guard_take(size_t shard)
{
    assert(mine.count == 0 || shard > mine.highest); /* ascending order */
    mine.count++;
    mine.highest = shard;
}

void guard_give(void)
{
    assert(mine.count > 0);
    mine.count--;
}

void guard_visit(bool is_held)
{
    assert(!mine.is_visit_barred); /* else the command needs CMD_VISITS_SHARDS */
    assert(is_held || mine.count == 0);
}

bool guard_allow_visits(bool is_allowed)
{
    bool was_allowed = !mine.is_visit_barred;
    mine.is_visit_barred = !is_allowed;
    return was_allowed;
}

bool guard_is_clear(void)
{
    return mine.count == 0;
}

#endif

/* The refusal of writes to locked keys; see locks.h. */
#include "engine/locks.h"

#include "engine/dispatch.h"

void reply_locked(struct call *call)
{
    reply_error(call, "LOCKED The key is locked.");
}

bool locks_admit(const struct call *call, const struct entry *entry)
{
    bool is_locked = entry != NULL && ks_is_item_locked(entry, call->now_ms);
    if (call->fence == 0)
        return !is_locked;
    return is_locked && entry_item(entry)->token == call->fence;
}

/* Does the command do more with these keys than read them? */
static bool are_written(const struct call *call, const struct key_range *range)
{
    const struct key_spec *spec = range->spec;
    unsigned flags = spec->flags_of != NULL ? spec->flags_of(call->argv, call->argc) : spec->flags;
    return !(flags & (KEY_RO | KEY_NOT_KEY));
}

static bool is_range_admitted(const struct call *call, const struct key_range *range)
{
    struct keyspace *ks = &call->engine->keyspace;
    for (size_t i = 0; i < range->count; i++) {
        bytes name = ARG(range->first + i * range->step);
        struct ks_key key = ks_find_unchanged(ks, call_db(call), name, ks_hash(ks, name), call->now_ms);
        if (!locks_admit(call, key.entry))
            return false;
    }
    return true;
}

bool locks_refuse(struct call *call)
{
    struct key_range ranges[KEY_RANGES_MAX];
    if (!(call->command->flags & CMD_WRITE) || (call->command->flags & CMD_SPARES_LOCKS))
        return false;
    int count = call->command->keys != NULL ? command_keys(call->command, call->argv, call->argc, ranges) : 0;
    for (int i = 0; i < count; i++) {
        if (!are_written(call, &ranges[i]) || is_range_admitted(call, &ranges[i]))
            continue;
        if (call->fence != 0)
            reply_error(call, "LOCKED The key is not locked under this token.");
        else
            reply_locked(call);
        return true;
    }
    return false;
}

bool call_lock_time(struct call *call, size_t argument, int64_t *lock_s)
{
    if (!call_integer(call, argument, lock_s))
        return false;
    if (*lock_s >= 1 || *lock_s == ITEM_LOCKED_FOREVER)
        return true;
    reply_error(call, "ERR a key is locked for at least 1 second, or for -1: until it is unlocked");
    return false;
}

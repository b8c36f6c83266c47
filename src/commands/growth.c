/* What commands may add to memory beside their words; see growth.h. The key is looked at before its shard is locked for
   the command: of two requests that make the same value outgrow its block at the same moment, one may be told nothing.
 */
#include "commands/growth.h"

#include "base/num.h"
#include "engine/call.h"
#include "keyspace/prefix.h"

/* Finds the key in this argument and locks its shard, which the caller unlocks. */
static struct ks_key lock_key(struct call *call, size_t argument)
{
    struct keyspace *ks = &call->engine->keyspace;
    uint64_t hash = ks_hash(ks, ARG(argument));
    ks_lock(ks, &ks->shards[ks_shard_index(ks, hash)]);
    return ks_find_unchanged(ks, call_db(call), ARG(argument), hash, call->now_ms);
}

/* By how much the string under the key in argument 1 grows when it gets `tail` bytes from `offset` on; from its end on
   where that is SIZE_MAX. */
static size_t growth_of_string(struct call *call, size_t offset, size_t tail)
{
    struct ks_key key = lock_key(call, 1);
    size_t growth = 0;
    if (key.entry == NULL || key.entry->type == TYPE_STRING) {
        size_t start = offset != SIZE_MAX ? offset : key.entry != NULL ? entry_size(key.entry) : 0;
        if (start <= KS_VALUE_MAX && tail <= KS_VALUE_MAX - start)
            growth = ks_resize_growth(&key, start + tail);
    }
    ks_unlock(key.ks, key.shard);
    return growth;
}

size_t growth_of_append(struct call *call)
{
    return growth_of_string(call, SIZE_MAX, ARG(2).len);
}

size_t growth_of_setrange(struct call *call)
{
    int64_t offset;
    if (!num_parse_int64(ARG(2), &offset) || offset < 0 || ARG(3).len == 0)
        return 0;
    return growth_of_string(call, (uint64_t)offset < KS_VALUE_MAX ? (size_t)offset : KS_VALUE_MAX, ARG(3).len);
}

/* A copy counts like any other value, though it may share the bytes of a long one. */
size_t growth_of_copy(struct call *call)
{
    struct ks_key key = lock_key(call, 1);
    size_t growth = key.entry != NULL ? entry_bytes(key.entry) : 0;
    ks_unlock(key.ks, key.shard);
    return growth;
}

/* A value that many keys are to get, and what it adds. */
struct spread {
    size_t value_len;
    size_t growth;
};

static bool add_growth(void *context, void *item)
{
    struct spread *spread = context;
    size_t old_len = entry_size(item);
    spread->growth += spread->value_len > old_len ? spread->value_len - old_len : 0;
    return true;
}

/* Shard by shard, while others go on writing; without memory to look, the keys of the shard count for nothing. */
size_t growth_of_prefix_set(struct call *call)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct spread spread = {.value_len = ARG(3).len};
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        ks_lock(ks, shard);
        (void)!ks_visit_prefix(shard, call_db(call), ARG(2), NULL, add_growth, &spread);
        ks_unlock(ks, shard);
    }
    return spread.growth;
}

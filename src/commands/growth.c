/* What commands may add to memory beside their words; see growth.h. Keys are looked at before their shards are locked
   for the command or the transaction: of two requests that make the same value outgrow its block at the same moment,
   one may be told nothing. */
#include "commands/growth.h"

#include "base/num.h"
#include "engine/call.h"
#include "engine/forecast.h"
#include "keyspace/prefix.h"

/* By how much the string under the key in argument 1 grows when it gets `tail` bytes from `offset` on; from its end on
   where that is SIZE_MAX. A value that has to move is garbage for a while before it is gone. */
static size_t growth_of_string(struct call *call, struct forecast *forecast, size_t offset, size_t tail)
{
    struct forecast_value value = forecast_look(forecast, call, ARG(1));
    size_t start = offset != SIZE_MAX ? offset : value.len;
    if (start > KS_VALUE_MAX || tail > KS_VALUE_MAX - start)
        return 0;
    size_t len = start + tail > value.len ? start + tail : value.len; /* all of it moves, when it does */
    size_t growth = !value.exists ? len : len > value.capacity ? ks_grown_capacity(len) : 0;
    value.len = len;
    value.is_exact |= !value.exists;
    value.exists = true;
    value.bytes = growth > value.bytes ? growth : value.bytes;
    if (!value.is_exact)
        value.capacity = 0;
    else if (growth > value.capacity)
        value.capacity = growth;
    forecast_put(forecast, call, ARG(1), value);
    return growth;
}

size_t growth_of_append(struct call *call, struct forecast *forecast)
{
    return growth_of_string(call, forecast, SIZE_MAX, ARG(2).len);
}

size_t growth_of_setrange(struct call *call, struct forecast *forecast)
{
    int64_t offset;
    if (!num_parse_int64(ARG(2), &offset) || offset < 0 || ARG(3).len == 0)
        return 0;
    size_t start = (uint64_t)offset < KS_VALUE_MAX ? (size_t)offset : KS_VALUE_MAX;
    return growth_of_string(call, forecast, start, ARG(3).len);
}

/* A copy counts like any other value, though it may share the bytes of a long one; then neither can grow in place. */
size_t growth_of_copy(struct call *call, struct forecast *forecast)
{
    struct forecast_value value = forecast_look(forecast, call, ARG(1));
    if (!value.exists)
        return 0;
    value.capacity = 0;
    forecast_put(forecast, call, ARG(1), value);
    struct forecast_value old = forecast_look(forecast, call, ARG(2)); /* may stay as it is */
    struct forecast_value copy = {
        .exists = true,
        .len = old.len > value.len ? old.len : value.len,
        .bytes = old.bytes > value.bytes ? old.bytes : value.bytes,
    };
    forecast_put(forecast, call, ARG(2), copy);
    if (call->argc > 3)
        forecast_lose_dbs(forecast); /* into another one, perhaps */
    return value.bytes;
}

size_t growth_of_select(struct call *call, struct forecast *forecast)
{
    int64_t db;
    if (forecast != NULL && num_parse_int64(ARG(1), &db) && db >= 0 && (uint64_t)db < call->engine->keyspace.db_count)
        forecast->db = (size_t)db;
    return 0;
}

size_t growth_of_move(struct call *call, struct forecast *forecast)
{
    (void)call;
    forecast_lose_dbs(forecast);
    return 0;
}

/* A value that many keys are to get, and what it adds. */
struct spread {
    size_t value_len;
    size_t growth;
};

static bool add_growth(void *context, void *item)
{
    struct spread *spread = context;
    enum { LARGE = 1024 * 1024 }; /* bytes of a value that is garbage for a while after it was replaced */
    size_t old_len = entry_size(item) < LARGE ? entry_size(item) : 0;
    spread->growth += spread->value_len > old_len ? spread->value_len - old_len : 0;
    return true;
}

/* Shard by shard, while others go on writing; without memory to look, the keys of the shard count for nothing. */
static size_t growth_in_database(struct call *call, size_t db)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct spread spread = {.value_len = ARG(3).len};
    for (size_t i = 0; i < ks->shard_count; i++) {
        struct shard *shard = &ks->shards[i];
        ks_lock(ks, shard);
        (void)!ks_visit_prefix(shard, db, ARG(2), NULL, add_growth, &spread);
        ks_unlock(ks, shard);
    }
    return spread.growth;
}

/* Keys may have come to this database from any other. */
static size_t growth_in_all_databases(struct call *call)
{
    size_t growth = 0;
    for (size_t db = 0; db < call->engine->keyspace.db_count; db++)
        growth += growth_in_database(call, db);
    return growth;
}

size_t growth_of_prefix_set(struct call *call, struct forecast *forecast)
{
    if (forecast == NULL)
        return growth_in_database(call, call_db(call));
    size_t growth = forecast->has_lost_dbs ? growth_in_all_databases(call) : growth_in_database(call, forecast->db);
    return growth + ARG(3).len * forecast_put_all(forecast, ARG(2), ARG(3).len);
}

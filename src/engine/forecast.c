/* What a transaction will have written; see forecast.h. */
#include "engine/forecast.h"

#include "base/mem.h"
#include "engine/call.h"

enum { PLACES_FIRST = 16 };

/* ---- Keys ---- */

static bool is_key(const struct forecast_key *key, size_t db, bytes name)
{
    return key->db == db && bytes_equal(key->name, name);
}

/* The key's place, or the free one where it belongs; all databases' keys of a name are looked for from the same place.
 */
static struct forecast_key *place_of(const struct forecast *forecast, size_t db, bytes name, uint64_t hash)
{
    size_t place = (size_t)hash & (forecast->places - 1);
    while (forecast->keys[place].name.at != NULL && !is_key(&forecast->keys[place], db, name))
        place = (place + 1) & (forecast->places - 1);
    return &forecast->keys[place];
}

static const struct forecast_key *find(const struct forecast *forecast, size_t db, bytes name, uint64_t hash)
{
    const struct forecast_key *key = forecast->places > 0 ? place_of(forecast, db, name, hash) : NULL;
    return key != NULL && key->name.at != NULL ? key : NULL;
}

/* Makes sure that there is a place for one key more. */
static bool reserve(struct forecast *forecast, const struct keyspace *ks)
{
    if (forecast->count < forecast->places / 3 * 2)
        return true;
    struct forecast grown = *forecast;
    grown.places = forecast->places > 0 ? 2 * forecast->places : PLACES_FIRST;
    grown.keys = mem_alloc_zeroed(grown.places * sizeof(*grown.keys));
    if (grown.keys == NULL)
        return false;
    for (size_t i = 0; i < forecast->places; i++) {
        const struct forecast_key *key = &forecast->keys[i];
        if (key->name.at != NULL)
            *place_of(&grown, key->db, key->name, ks_hash(ks, key->name)) = *key;
    }
    mem_free(forecast->keys);
    *forecast = grown;
    return true;
}

void forecast_put(struct forecast *forecast, struct call *call, bytes name, struct forecast_value value)
{
    const struct keyspace *ks = &call->engine->keyspace;
    if (forecast == NULL)
        return;
    if (!reserve(forecast, ks)) {
        forecast->has_no_memory = true;
        return;
    }
    struct forecast_key *key = place_of(forecast, forecast->db, name, ks_hash(ks, name));
    forecast->count += key->name.at == NULL;
    *key = (struct forecast_key){.name = name, .db = forecast->db, .value = value};
}

static bool begins_with(bytes name, bytes prefix)
{
    return name.len >= prefix.len && (prefix.len == 0 || memcmp(name.at, prefix.at, prefix.len) == 0);
}

size_t forecast_put_all(struct forecast *forecast, bytes prefix, size_t len)
{
    size_t count = 0;
    if (forecast == NULL)
        return 0;
    forecast->all_len = len > forecast->all_len ? len : forecast->all_len;
    for (size_t i = 0; i < forecast->places; i++) {
        struct forecast_key *key = &forecast->keys[i];
        if (key->name.at == NULL || !key->value.exists || !begins_with(key->name, prefix))
            continue;
        count++;
        key->value.is_exact = false;
        key->value.capacity = 0;
        key->value.len = len > key->value.len ? len : key->value.len;
        key->value.bytes = len > key->value.bytes ? len : key->value.bytes;
    }
    return count;
}

void forecast_lose_dbs(struct forecast *forecast)
{
    if (forecast != NULL)
        forecast->has_lost_dbs = true;
}

void forecast_free(struct forecast *forecast)
{
    mem_free(forecast->keys);
    *forecast = (struct forecast){.keys = NULL};
}

/* ---- Values ---- */

/* Of two that there may be, what is worse. */
static void widen(struct forecast_value *value, struct forecast_value other)
{
    if (!other.exists)
        return;
    if (!value->exists) {
        *value = other;
        return;
    }
    value->is_exact = false;
    value->capacity = 0;
    value->len = other.len > value->len ? other.len : value->len;
    value->bytes = other.bytes > value->bytes ? other.bytes : value->bytes;
}

static struct forecast_value value_now(const struct ks_key *key)
{
    if (key->entry == NULL)
        return (struct forecast_value){.exists = false};
    return (struct forecast_value){
        .exists = true,
        .is_exact = true,
        .len = entry_size(key->entry),
        .capacity = ks_string_capacity(key),
        .bytes = entry_bytes(key->entry),
    };
}

static struct forecast_value look_at_keyspace(struct call *call, size_t db, bytes name, uint64_t hash)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct shard *shard = &ks->shards[ks_shard_index(ks, hash)];
    ks_lock(ks, shard);
    struct ks_key key = ks_find_unchanged(ks, db, name, hash, call->now_ms);
    struct forecast_value value = value_now(&key);
    ks_unlock(ks, shard);
    return value;
}

/* In one database, while it is known what happens there. */
static struct forecast_value look_in(const struct forecast *forecast, struct call *call, size_t db, bytes name,
                                     uint64_t hash)
{
    const struct forecast_key *known = find(forecast, db, name, hash);
    if (known != NULL)
        return known->value;
    struct forecast_value value = look_at_keyspace(call, db, name, hash);
    if (value.exists && forecast->all_len > 0)
        widen(&value, (struct forecast_value){.exists = true, .len = forecast->all_len, .bytes = forecast->all_len});
    return value;
}

struct forecast_value forecast_look(const struct forecast *forecast, struct call *call, bytes name)
{
    uint64_t hash = ks_hash(&call->engine->keyspace, name);
    if (forecast == NULL)
        return look_at_keyspace(call, call_db(call), name, hash);
    if (!forecast->has_lost_dbs)
        return look_in(forecast, call, forecast->db, name, hash);
    struct forecast_value value = {.exists = false};
    for (size_t db = 0; db < call->engine->keyspace.db_count; db++)
        widen(&value, look_in(forecast, call, db, name, hash));
    value.is_exact = false;
    value.capacity = 0;
    return value;
}

/* The longest word, or the largest of the present values, may be the value of any of the keys. */
static struct forecast_value worst_of(const struct forecast *forecast, struct call *call,
                                      const struct key_range *ranges, int range_count)
{
    bool adds = call->command->flags & CMD_DENYOOM;
    struct forecast_value worst = {.exists = adds, .is_exact = adds};
    for (size_t i = 1; i < call->argc; i++)
        worst.len = ARG(i).len > worst.len ? ARG(i).len : worst.len;
    worst.bytes = worst.len;
    for (int i = 0; i < range_count; i++)
        for (size_t j = 0; j < ranges[i].count; j++)
            widen(&worst, forecast_look(forecast, call, ARG(ranges[i].first + j * ranges[i].step)));
    worst.is_exact &= adds; /* a key that there was not has the new value */
    worst.capacity = 0;
    return worst;
}

void forecast_run(struct forecast *forecast, struct call *call)
{
    if (!(call->command->flags & CMD_WRITE))
        return;
    if (call->command->keys == NULL) {
        forecast_lose_dbs(forecast);
        return;
    }
    struct key_range ranges[KEY_RANGES_MAX];
    int range_count = command_keys(call->command, call->argv, call->argc, ranges);
    struct forecast_value worst = worst_of(forecast, call, ranges, range_count);
    for (int i = 0; i < range_count; i++)
        for (size_t j = 0; j < ranges[i].count; j++)
            forecast_put(forecast, call, ARG(ranges[i].first + j * ranges[i].step), worst);
}

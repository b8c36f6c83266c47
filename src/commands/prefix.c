/* PREFIX: work on all keys that begin with a prefix, at the cost of those keys. What only reads visits the shards one
   after the other; what writes holds them all (the rows say so), so that nobody sees a part of it. Keys past their
   deadline are no keys. The index is built by the first such command, unless `prefix-index off`: then, and as long as
   it is not complete, shards are walked through instead. */
#include "commands/prefix.h"

#include "base/num.h"
#include "commands/listing.h"
#include "engine/locks.h"
#include "engine/store.h"
#include "keyspace/prefix.h"

void prefix_ensure_index(struct call *call)
{
    engine_want_prefixes(call->engine);
    if (engine_is_building_prefixes(call->engine))
        engine_build_prefixes(call->engine);
}

bool prefix_collect(struct call *call, struct listing *listing, const struct listing_query *query)
{
    prefix_ensure_index(call);
    if (listing_collect(listing, call, query))
        return true;
    reply_no_memory(call);
    return false;
}

/* For a reply as long as the list. One that no client could be sent would be the end of this one when it is written: it
   is not even collected. */
static bool collect_for_reply(struct call *call, struct listing *listing, struct listing_query *query)
{
    query->most_bytes = call->session->out.ceiling;
    if (!prefix_collect(call, listing, query))
        return false;
    if (listing->is_too_large)
        call->session->out.failed = true;
    return !listing->is_too_large;
}

bool prefix_may_touch_all(struct call *call, struct listing *listing, size_t limit, unsigned access)
{
    struct listed listed;
    if (acl_may_touch_all_keys(call))
        return true;
    while (listing_next(listing, &listed)) {
        if (!acl_may_touch_key(call, listed.key, access)) {
            acl_refuse_key(call, listed.key);
            return false;
        }
    }
    listing_rewind(listing, limit);
    return true;
}

/* ---- Looking ---- */

/* Counts in one shard. What is past its deadline is freed before, in portions between which others have the lock. */
static size_t count_in_shard(struct call *call, struct shard *shard)
{
    enum { portion = 1024 };
    struct keyspace *ks = &call->engine->keyspace;
    for (;;) {
        size_t count = 0;
        bool was_taken = ks_enter(ks, shard);
        bool is_clean = ks_expire(ks, shard, call->now_ms, portion) > 0;
        if (is_clean)
            count = ks_count_prefix(shard, call_db(call), ARG(2), call->now_ms);
        ks_leave(ks, shard, was_taken);
        if (is_clean)
            return count;
    }
}

void prefix_reply_count(struct call *call, const struct listing_query *query)
{
    struct listing listing;
    if (!prefix_collect(call, &listing, query))
        return;
    reply_integer(call, (int64_t)listing.left);
    listing_free(&listing);
}

/* PREFIX COUNT prefix: how many keys there are. The index knows that without looking at them, unless some are not to be
   seen, or are past their deadline and must stay. */
void cmd_prefix_count(struct call *call)
{
    struct keyspace *ks = &call->engine->keyspace;
    size_t count = 0;
    if (!acl_may_touch_all_keys(call) || engine_is_paused(call->engine, call->now_ms)) {
        struct listing_query query = {.prefix = ARG(2), .limit = SIZE_MAX, .is_view = true};
        prefix_reply_count(call, &query);
        return;
    }
    prefix_ensure_index(call);
    for (size_t i = 0; i < ks->shard_count; i++)
        count += count_in_shard(call, &ks->shards[i]);
    reply_integer(call, (int64_t)count);
}

/* [LIMIT n] [AFTER key] from the fourth word on. */
static bool parse_page(struct call *call, struct listing_query *query)
{
    for (size_t i = 3; i < call->argc; i += 2) {
        bool has_value = i + 1 < call->argc;
        int64_t limit;
        if (has_value && call_is_word(call, i, "limit")) {
            if (!call_integer(call, i + 1, &limit))
                return false;
            if (limit < 0) {
                reply_error(call, "ERR LIMIT can't be negative");
                return false;
            }
            query->limit = (size_t)limit;
        } else if (has_value && call_is_word(call, i, "after")) {
            query->after = &ARG(i + 1);
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* PREFIX KEYS prefix [LIMIT n] [AFTER key]: the keys in the order of their bytes. */
void cmd_prefix_keys(struct call *call)
{
    struct listing_query query = {.prefix = ARG(2), .limit = SIZE_MAX, .is_view = true};
    struct listing listing;
    struct listed listed;
    if (!parse_page(call, &query) || !collect_for_reply(call, &listing, &query))
        return;
    reply_array(call, listing.left);
    while (listing_next(&listing, &listed))
        reply_bulk(call, listed.key);
    listing_free(&listing);
}

void prefix_reply_string(struct call *call, const struct listed *listed)
{
    if (listed->is_compressed)
        reply_compressed(call, listed->stored, 0, compressed_value_len(listed->stored));
    else if (listed->blob != NULL)
        reply_blob(call, listed->blob, 0, listed->stored.len);
    else
        reply_bulk(call, listed->stored);
}

/* PREFIX GET prefix [LIMIT n] [AFTER key]: the strings among the keys, with their values. */
void cmd_prefix_get(struct call *call)
{
    struct listing_query query = {.prefix = ARG(2), .limit = SIZE_MAX, .kind = LISTING_VALUES};
    struct listing listing;
    struct listed listed;
    if (!parse_page(call, &query) || !collect_for_reply(call, &listing, &query))
        return;
    if (!prefix_may_touch_all(call, &listing, query.limit, KEY_ACCESS)) {
        listing_free(&listing);
        return;
    }
    reply_map(call, listing.left);
    while (listing_next(&listing, &listed)) {
        reply_bulk(call, listed.key);
        prefix_reply_string(call, &listed);
    }
    listing_free(&listing);
}

/* ---- Writing ---- */

bool prefix_change_all(struct call *call, unsigned access, prefix_change_fn *change, void *context, int64_t *changed)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct listing_query query = {.prefix = ARG(2), .limit = SIZE_MAX};
    struct listing listing;
    struct listed listed;
    *changed = 0;
    if (!prefix_collect(call, &listing, &query))
        return false;
    bool is_permitted = prefix_may_touch_all(call, &listing, query.limit, access);
    while (is_permitted && !call->failed && listing_next(&listing, &listed)) {
        struct ks_key key = ks_find(ks, call_db(call), listed.key, ks_hash(ks, listed.key), call->now_ms);
        assert(key.entry != NULL); /* nothing happened since it was listed */
        if ((call->command->flags & CMD_SPARES_LOCKS) || locks_admit(call, key.entry))
            *changed += change(call, &key, context);
    }
    listing_free(&listing);
    return !call->failed;
}

/* The same; the reply is how many were changed. */
static void change_all(struct call *call, unsigned access, prefix_change_fn *change, void *context)
{
    int64_t changed;
    if (prefix_change_all(call, access, change, context, &changed))
        reply_integer(call, changed);
}

static bool delete_one(struct call *call, struct ks_key *key, void *context)
{
    (void)context;
    ks_delete(key);
    return call_has_changed(call, key, CFG_NOTIFY_GENERIC, "del");
}

/* PREFIX DEL prefix, PREFIX UNLINK prefix: the same here, where freeing never stalls. */
void cmd_prefix_del(struct call *call)
{
    change_all(call, KEY_DELETE, delete_one, NULL);
}

struct new_value {
    struct new_string string;
    int64_t deadline_ms;
};

static bool set_one(struct call *call, struct ks_key *key, void *context)
{
    const struct new_value *new = context;
    if (store_put(call, key, &new->string, new->deadline_ms) != KS_OK) {
        reply_no_memory(call);
        return false;
    }
    call_has_changed(call, key, CFG_NOTIFY_STRING, "set");
    if (new->deadline_ms != NO_DEADLINE &&new->deadline_ms != KEEP_DEADLINE)
        call_event(call, CFG_NOTIFY_GENERIC, "expire", key);
    return true;
}

/* A time to live from now in units of `unit_ms`, at least 1. */
static bool parse_lifetime(struct call *call, size_t argument, int64_t unit_ms, int64_t *deadline_ms)
{
    int64_t time;
    if (!call_integer(call, argument, &time))
        return false;
    if (time > 0 && !__builtin_mul_overflow(time, unit_ms, &time) &&
        !__builtin_add_overflow(time, call->now_ms, deadline_ms) && *deadline_ms < NO_DEADLINE)
        return true;
    reply_error(call, "ERR invalid expire time in 'prefix|set' command");
    return false;
}

/* PREFIX SET prefix value [EX seconds | PX milliseconds | KEEPTTL]: every key of the prefix becomes a string of this
   value; none is created. */
void cmd_prefix_set(struct call *call)
{
    struct new_value new = {.deadline_ms = NO_DEADLINE};
    bool is_fine = call->argc <= 6;
    if (call->argc == 5)
        is_fine = call_is_word(call, 4, "keepttl");
    else if (call->argc == 6)
        is_fine = call_is_word(call, 4, "ex") || call_is_word(call, 4, "px");
    if (!is_fine) {
        reply_syntax_error(call);
        return;
    }
    if (store_is_too_long(call, ARG(3)))
        return;
    if (call->argc == 5)
        new.deadline_ms = KEEP_DEADLINE;
    else if (call->argc == 6 && !parse_lifetime(call, 5, call_is_word(call, 4, "ex") ? 1000 : 1, &new.deadline_ms))
        return;
    store_begin(call, &new.string, ARG(3), string_encoding_of(ARG(3)), store_threshold(call));
    change_all(call, KEY_UPDATE, set_one, &new);
    store_end(&new.string);
}

/* Strings that are no integers, sums that overflow and other types are left as they are, and not counted. */
static bool add_to_one(struct call *call, struct ks_key *key, void *context)
{
    int64_t sum;
    char text[NUM_INTEGER_SIZE];
    struct string_view old;
    if (key->entry->type != TYPE_STRING || entry_string_len(key->entry) > NUM_INTEGER_SIZE)
        return false; /* whatever is longer is not worth being expanded */
    if (!call_open_string(call, key, BYTES(""), &old))
        return false;
    enum string_sum outcome = string_add_integer(old.value, *(int64_t *)context, &sum);
    view_close(&old);
    if (outcome != SUM_OK)
        return false;
    bytes value = {text, num_format_int64(text, sum)};
    if (ks_put_string(key, value, STRING_INT, KEEP_DEADLINE, call->now_ms) == KS_OK)
        return call_has_changed(call, key, CFG_NOTIFY_STRING, "incrby");
    reply_no_memory(call);
    return false;
}

/* [BY n] from the fourth word on; 1 without it. */
static bool parse_amount(struct call *call, int64_t *by)
{
    *by = 1;
    if (call->argc == 3)
        return true;
    if (call->argc == 5 && call_is_word(call, 3, "by"))
        return call_integer(call, 4, by);
    reply_syntax_error(call);
    return false;
}

/* PREFIX INCR prefix [BY n]: adds to every integer. */
void cmd_prefix_incr(struct call *call)
{
    int64_t by;
    if (parse_amount(call, &by))
        change_all(call, KEY_UPDATE, add_to_one, &by);
}

/* PREFIX DECR prefix [BY n] */
void cmd_prefix_decr(struct call *call)
{
    int64_t by;
    if (!parse_amount(call, &by))
        return;
    if (by == INT64_MIN) {
        reply_error(call, "ERR decrement would overflow");
        return;
    }
    by = -by;
    change_all(call, KEY_UPDATE, add_to_one, &by);
}

static bool set_deadline_of_one(struct call *call, struct ks_key *key, void *context)
{
    int64_t deadline_ms = *(int64_t *)context;
    if (deadline_ms <= call->now_ms) {
        ks_delete(key);
        return call_has_changed(call, key, CFG_NOTIFY_GENERIC, "del");
    }
    if (deadline_ms == NO_DEADLINE && entry_deadline_ms(key->entry) == NO_DEADLINE)
        return false;
    if (ks_set_deadline(key, deadline_ms, call->now_ms) == KS_OK)
        return call_has_changed(call, key, CFG_NOTIFY_GENERIC, deadline_ms == NO_DEADLINE ? "persist" : "expire");
    reply_no_memory(call);
    return false;
}

/* PREFIX EXPIRE prefix seconds: a time that has passed deletes. */
void cmd_prefix_expire(struct call *call)
{
    int64_t deadline_ms;
    if (!call_integer(call, 3, &deadline_ms))
        return;
    if (__builtin_mul_overflow(deadline_ms, 1000, &deadline_ms) ||
        __builtin_add_overflow(deadline_ms, call->now_ms, &deadline_ms) || deadline_ms >= NO_DEADLINE) {
        reply_error(call, "ERR invalid expire time in 'prefix|expire' command");
        return;
    }
    change_all(call, KEY_UPDATE, set_deadline_of_one, &deadline_ms);
}

/* PREFIX PERSIST prefix: takes the deadlines away; keys without one do not count. */
void cmd_prefix_persist(struct call *call)
{
    int64_t deadline_ms = NO_DEADLINE;
    change_all(call, KEY_UPDATE, set_deadline_of_one, &deadline_ms);
}

/* Locking a key is no change of its value: nobody who follows changes hears of it. */
static bool has_changed_lock(struct call *call)
{
    stat_add(&call->executor->stats.changes, 1);
    return true;
}

static bool lock_one(struct call *call, struct ks_key *key, void *context)
{
    uint64_t token;
    if (ks_is_item_locked(key->entry, call->now_ms))
        return false;
    if (ks_lock_item(key, *(int64_t *)context, call->now_ms, &token) == KS_OK)
        return has_changed_lock(call);
    reply_no_memory(call);
    return false;
}

/* PREFIX LOCK prefix seconds: locks those that are not locked. */
void cmd_prefix_lock(struct call *call)
{
    int64_t lock_s;
    if (call_lock_time(call, 3, &lock_s))
        change_all(call, KEY_UPDATE, lock_one, &lock_s);
}

static bool unlock_one(struct call *call, struct ks_key *key, void *context)
{
    (void)context;
    bool was_locked = ks_is_item_locked(key->entry, call->now_ms);
    return ks_unlock_item(key) && was_locked && has_changed_lock(call);
}

/* PREFIX UNLOCK prefix: takes the locks away, whoever holds them. */
void cmd_prefix_unlock(struct call *call)
{
    change_all(call, KEY_UPDATE, unlock_one, NULL);
}

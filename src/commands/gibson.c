/* GIBSON: the operators of Gibson's protocol, whose frames arrive here as `GIBSON <operator> <arguments>`. They work on
   the strings of the session's database that all other commands see; what Gibson keeps beside a value is the key's item
   (keyspace/item.h). Where Gibson checks what in which order can be seen by its clients, so the rows say that the
   dispatcher is to leave locks to the handlers.

   Times are Gibson's: a time to live and a lock are both measured from one moment, the item's `time_ms`, so that
   whatever sets one of them restarts the other.

   Replies: null is Gibson's NOT_FOUND; the first word of an error says which of Gibson's errors it is (NAN, LOCKED,
   OOM, or else the plain one; none at all for TOOLARGE); an integer is its encoding NUMBER. */
#include "commands/gibson.h"

#include "base/num.h"
#include "commands/prefix.h"
#include "engine/locks.h"
#include "engine/store.h"

/* ---- Numbers and times ---- */

/* A number as Gibson reads it: what begins with a zero is zero, "-" is too, sums wrap around. */
static bool parse_number(bytes text, int64_t *number)
{
    bool is_negative = text.len > 0 && text.at[0] == '-';
    uint64_t value = 0;
    *number = 0;
    if (text.len == 0)
        return false;
    if (text.at[0] == '0')
        return true;
    for (size_t i = is_negative; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *number = (int64_t)(is_negative ? -value : value);
    return true;
}

static bool take_number(struct call *call, size_t argument, int64_t *number)
{
    if (parse_number(ARG(argument), number))
        return true;
    reply_error(call, "NAN a number is expected");
    return false;
}

/* Seconds to live, above 0, as they are kept. */
static int64_t bounded_ttl(const struct call *call, int64_t seconds)
{
    int64_t most = (int64_t)CFG_READ(call->engine->config, gibson_max_item_ttl_s);
    return seconds < most ? seconds : most;
}

static int64_t deadline_after(const struct call *call, int64_t seconds)
{
    return call->now_ms + bounded_ttl(call, seconds) * 1000;
}

/* What TTL and MTTL set: a negative time means the longest that there is. */
struct lifetime {
    int64_t deadline_ms;
    bool is_zero;
};

static struct lifetime lifetime_of(const struct call *call, int64_t seconds)
{
    if (seconds == 0)
        return (struct lifetime){.deadline_ms = NO_DEADLINE, .is_zero = true};
    return (struct lifetime){.deadline_ms = deadline_after(call, seconds < 0 ? INT64_MAX : seconds)};
}

/* ---- Items ---- */

static bool is_locked(const struct call *call, const struct ks_key *key)
{
    return ks_is_item_locked(key->entry, call->now_ms);
}

/* Looks a key up; false when it holds something else than a string, which has been replied. */
static bool look_up(struct call *call, size_t argument, struct ks_key *key)
{
    call_key_peek(call, argument, key);
    if (key->entry == NULL || key->entry->type == TYPE_STRING)
        return true;
    reply_wrong_type(call);
    return false;
}

/* The same for operators on a key that must be there. */
static bool find(struct call *call, struct ks_key *key)
{
    if (!look_up(call, 2, key))
        return false;
    if (key->entry == NULL)
        reply_null(call);
    return key->entry != NULL;
}

static bool replied(struct call *call, enum ks_status status)
{
    if (likely(status == KS_OK))
        return true;
    reply_no_memory(call);
    return false;
}

/* An item was created: STATS tells when the first and the last one were. */
static void note_creation(struct call *call)
{
    struct gibson_figures *figures = &call->engine->gibson;
    int64_t now_s = call->now_ms / 1000;
    int64_t none = 0;
    if (unlikely(atomic_load_explicit(&figures->first_item_s, memory_order_relaxed) == 0))
        atomic_compare_exchange_strong_explicit(&figures->first_item_s, &none, now_s, memory_order_relaxed,
                                                memory_order_relaxed);
    if (atomic_load_explicit(&figures->last_item_s, memory_order_relaxed) != now_s)
        atomic_store_explicit(&figures->last_item_s, now_s, memory_order_relaxed);
}

static void begin_value(struct call *call, struct new_string *string, bytes value)
{
    long long threshold = CFG_READ(call->engine->config, gibson_compression);
    store_begin(call, string, value, string_encoding_of(value), threshold > 0 ? (size_t)threshold : SIZE_MAX);
}

/* Makes the key a fresh item with this value; false when there is no memory, which has been replied. */
static bool put_fresh(struct call *call, struct ks_key *key, const struct new_string *value, int64_t deadline_ms)
{
    struct item item = {.time_ms = call->now_ms};
    if (!replied(call, store_put_item(call, key, value, deadline_ms, item)))
        return false;
    ks_touch(key, call->now_ms);
    note_creation(call);
    call_has_changed(call, key, CFG_NOTIFY_STRING, "set");
    if (deadline_ms != NO_DEADLINE)
        call_event(call, CFG_NOTIFY_GENERIC, "expire", key);
    return true;
}

static bool put_number(struct call *call, struct ks_key *key, int64_t number)
{
    char text[NUM_INTEGER_SIZE];
    bytes value = {text, num_format_int64(text, number)};
    struct item item = {.time_ms = call->now_ms};
    if (key->entry != NULL)
        item = ks_item(key, call->now_ms);
    item.is_number = true;
    if (!replied(call, ks_put_item(key, value, false, STRING_INT, KEEP_DEADLINE, call->now_ms, item)))
        return false;
    ks_touch(key, call->now_ms);
    return call_has_changed(call, key, CFG_NOTIFY_STRING, "incrby");
}

/* Adds to an existing string; false when it is no number, or (call->failed) there is no memory. What is stored
   compressed is no number whatever it says, as in Gibson. */
static bool add_to(struct call *call, struct ks_key *key, int64_t by, int64_t *sum)
{
    if (entry_is_compressed(key->entry) || !parse_number(entry_stored(key->entry), sum))
        return false;
    *sum = (int64_t)((uint64_t)*sum + (uint64_t)by);
    return put_number(call, key, *sum);
}

static bool set_lifetime(struct call *call, struct ks_key *key, const struct lifetime *lifetime)
{
    struct item item = ks_item(key, call->now_ms);
    item.time_ms = call->now_ms;
    item.has_zero_ttl = lifetime->is_zero;
    if (!replied(call, ks_set_deadline(key, lifetime->deadline_ms, call->now_ms)) ||
        !replied(call, ks_set_item(key, item)))
        return false;
    return call_has_changed(call, key, CFG_NOTIFY_GENERIC, lifetime->is_zero ? "persist" : "expire");
}

/* Locks an item that is not locked; its time to live begins anew. */
static bool set_lock(struct call *call, struct ks_key *key, int64_t lock_s)
{
    uint64_t token;
    int64_t age_ms = call->now_ms - ks_item(key, call->now_ms).time_ms;
    int64_t deadline_ms = entry_deadline_ms(key->entry);
    bool is_moved = deadline_ms != NO_DEADLINE && !__builtin_add_overflow(deadline_ms, age_ms, &deadline_ms) &&
                    deadline_ms < NO_DEADLINE;
    if (is_moved && !replied(call, ks_set_deadline(key, deadline_ms, call->now_ms)))
        return false;
    if (!replied(call, ks_lock_item(key, lock_s, call->now_ms, &token)))
        return false;
    stat_add(&call->executor->stats.changes, 1);
    return true;
}

/* ---- Operators on one key ---- */

/* GIBSON SET ttl key value: the reply is the value. */
void cmd_gibson_set(struct call *call)
{
    int64_t ttl;
    struct ks_key key;
    if (store_is_too_long(call, ARG(4)) || !take_number(call, 2, &ttl) || !look_up(call, 3, &key))
        return;
    if (key.entry != NULL && is_locked(call, &key)) {
        reply_locked(call);
        return;
    }
    struct new_string value;
    begin_value(call, &value, ARG(4));
    if (put_fresh(call, &key, &value, ttl > 0 ? deadline_after(call, ttl) : NO_DEADLINE))
        reply_bulk(call, ARG(4));
    store_end(&value);
}

/* GIBSON TTL key seconds */
void cmd_gibson_ttl(struct call *call)
{
    int64_t seconds;
    struct ks_key key;
    if (!find(call, &key) || !take_number(call, 3, &seconds))
        return;
    struct lifetime lifetime = lifetime_of(call, seconds);
    if (!set_lifetime(call, &key, &lifetime))
        return;
    ks_touch(&key, call->now_ms);
    reply_ok(call);
}

static void reply_item(struct call *call, const struct entry *entry)
{
    int64_t number;
    if (entry_is_number(entry) && num_parse_int64(entry_stored(entry), &number))
        reply_integer(call, number);
    else
        reply_string(call, entry);
}

/* GIBSON GET key */
void cmd_gibson_get(struct call *call)
{
    struct ks_key key;
    if (!call_key_read(call, 2, TYPE_STRING, &key))
        return;
    if (key.entry != NULL)
        reply_item(call, key.entry);
    else
        reply_null(call);
}

/* GIBSON DEL key */
void cmd_gibson_del(struct call *call)
{
    struct ks_key key;
    if (!find(call, &key))
        return;
    if (is_locked(call, &key)) {
        reply_locked(call);
        return;
    }
    ks_delete(&key);
    call_has_changed(call, &key, CFG_NOTIFY_GENERIC, "del");
    reply_ok(call);
}

/* A key that is not there becomes 1, whichever of the two it was. */
static void increment(struct call *call, int64_t by)
{
    struct ks_key key;
    int64_t sum = 1;
    if (!look_up(call, 2, &key))
        return;
    if (key.entry == NULL) {
        if (put_number(call, &key, sum)) {
            note_creation(call);
            reply_integer(call, sum);
        }
    } else if (is_locked(call, &key)) {
        reply_locked(call);
    } else if (add_to(call, &key, by, &sum)) {
        reply_integer(call, sum);
    } else if (!call->failed) {
        reply_error(call, "NAN the value is not a number");
    }
}

/* GIBSON INC key */
void cmd_gibson_inc(struct call *call)
{
    increment(call, 1);
}

/* GIBSON DEC key */
void cmd_gibson_dec(struct call *call)
{
    increment(call, -1);
}

/* GIBSON LOCK key seconds */
void cmd_gibson_lock(struct call *call)
{
    int64_t seconds;
    struct ks_key key;
    if (!find(call, &key) || !take_number(call, 3, &seconds))
        return;
    ks_touch(&key, call->now_ms);
    if (is_locked(call, &key))
        reply_locked(call);
    else if (set_lock(call, &key, seconds))
        reply_ok(call);
}

static void take_lock_off(struct call *call, struct ks_key *key)
{
    if (ks_unlock_item(key))
        stat_add(&call->executor->stats.changes, 1);
}

/* GIBSON UNLOCK key */
void cmd_gibson_unlock(struct call *call)
{
    struct ks_key key;
    if (!find(call, &key))
        return;
    take_lock_off(call, &key);
    reply_ok(call);
}

/* ---- META ---- */

/* Seconds rounded up: a deadline that a Redis client set need not lie whole seconds after the item's time. */
static int64_t seconds_of(int64_t ms)
{
    return ms / 1000 + (ms % 1000 > 0);
}

static int64_t meta_size(struct call *call, const struct ks_key *key)
{
    (void)call;
    return entry_is_number(key->entry) ? (int64_t)sizeof(int64_t) : (int64_t)entry_stored(key->entry).len;
}

static int64_t meta_encoding(struct call *call, const struct ks_key *key)
{
    enum { plain = 0, compressed = 1, number = 2 };
    (void)call;
    return entry_is_number(key->entry) ? number : entry_is_compressed(key->entry) ? compressed : plain;
}

/* Under a policy that goes by frequency no times are kept: now. */
static int64_t meta_access(struct call *call, const struct ks_key *key)
{
    bool has_time = ks_keeps_times(key->ks);
    return call->now_ms / 1000 - (has_time ? ks_idle_seconds(key, call->now_ms) : 0);
}

static int64_t meta_created(struct call *call, const struct ks_key *key)
{
    return ks_item(key, call->now_ms).time_ms / 1000;
}

static int64_t meta_ttl(struct call *call, const struct ks_key *key)
{
    struct item item = ks_item(key, call->now_ms);
    int64_t deadline_ms = entry_deadline_ms(key->entry);
    if (deadline_ms != NO_DEADLINE)
        return seconds_of(deadline_ms - item.time_ms);
    return item.has_zero_ttl ? 0 : -1;
}

static int64_t meta_left(struct call *call, const struct ks_key *key)
{
    int64_t deadline_ms = entry_deadline_ms(key->entry);
    return deadline_ms != NO_DEADLINE ? seconds_of(deadline_ms - call->now_ms) : -1;
}

static int64_t meta_lock(struct call *call, const struct ks_key *key)
{
    return ks_item(key, call->now_ms).lock_s;
}

static const struct meta_field {
    const char *name;
    int64_t (*read)(struct call *call, const struct ks_key *key);
} meta_fields[] = {
    {"size", meta_size}, {"encoding", meta_encoding}, {"access", meta_access}, {"created", meta_created},
    {"ttl", meta_ttl},   {"left", meta_left},         {"lock", meta_lock},
};

/* The first field whose name begins with the word, or that the word begins with; NULL: none. */
static const struct meta_field *find_meta_field(bytes word)
{
    for (size_t i = 0; i < COUNT_OF(meta_fields); i++) {
        size_t len = strlen(meta_fields[i].name);
        if (memcmp(meta_fields[i].name, word.at, len < word.len ? len : word.len) == 0)
            return &meta_fields[i];
    }
    return NULL;
}

/* GIBSON META key field */
void cmd_gibson_meta(struct call *call)
{
    struct ks_key key;
    if (!find(call, &key))
        return;
    const struct meta_field *field = find_meta_field(ARG(3));
    if (field != NULL)
        reply_integer(call, field->read(call, &key));
    else
        reply_error(call, "ERR META knows the fields size, encoding, access, created, ttl, left and lock");
    ks_touch(&key, call->now_ms);
}

/* ---- Operators on a prefix ---- */

/* Changes the strings under the prefix; the reply is how many, null when there are none. */
static void change_all(struct call *call, unsigned access, prefix_change_fn *change, void *context)
{
    int64_t changed;
    if (!prefix_change_all(call, access, change, context, &changed))
        return;
    if (changed > 0)
        reply_integer(call, changed);
    else
        reply_null(call);
}

static bool is_open_string(const struct call *call, const struct ks_key *key)
{
    return key->entry->type == TYPE_STRING && !is_locked(call, key);
}

static bool set_one(struct call *call, struct ks_key *key, void *context)
{
    return is_open_string(call, key) && put_fresh(call, key, context, NO_DEADLINE);
}

/* GIBSON MSET prefix value */
void cmd_gibson_mset(struct call *call)
{
    struct new_string value;
    if (store_is_too_long(call, ARG(3)))
        return;
    begin_value(call, &value, ARG(3));
    change_all(call, KEY_UPDATE, set_one, &value);
    store_end(&value);
}

static bool set_lifetime_of_one(struct call *call, struct ks_key *key, void *context)
{
    return key->entry->type == TYPE_STRING && set_lifetime(call, key, context);
}

/* GIBSON MTTL prefix seconds */
void cmd_gibson_mttl(struct call *call)
{
    int64_t seconds;
    if (!take_number(call, 3, &seconds))
        return;
    struct lifetime lifetime = lifetime_of(call, seconds);
    change_all(call, KEY_UPDATE, set_lifetime_of_one, &lifetime);
}

static bool delete_one(struct call *call, struct ks_key *key, void *context)
{
    (void)context;
    if (!is_open_string(call, key))
        return false;
    ks_delete(key);
    return call_has_changed(call, key, CFG_NOTIFY_GENERIC, "del");
}

/* GIBSON MDEL prefix */
void cmd_gibson_mdel(struct call *call)
{
    change_all(call, KEY_DELETE, delete_one, NULL);
}

static bool add_to_one(struct call *call, struct ks_key *key, void *context)
{
    int64_t sum;
    return is_open_string(call, key) && add_to(call, key, *(int64_t *)context, &sum);
}

/* GIBSON MINC prefix */
void cmd_gibson_minc(struct call *call)
{
    int64_t by = 1;
    change_all(call, KEY_UPDATE, add_to_one, &by);
}

/* GIBSON MDEC prefix */
void cmd_gibson_mdec(struct call *call)
{
    int64_t by = -1;
    change_all(call, KEY_UPDATE, add_to_one, &by);
}

static bool lock_one(struct call *call, struct ks_key *key, void *context)
{
    return is_open_string(call, key) && set_lock(call, key, *(int64_t *)context);
}

/* GIBSON MLOCK prefix seconds: the reply is how many were not locked before. */
void cmd_gibson_mlock(struct call *call)
{
    int64_t seconds;
    if (!take_number(call, 3, &seconds))
        return;
    change_all(call, KEY_UPDATE, lock_one, &seconds);
}

static bool unlock_one(struct call *call, struct ks_key *key, void *context)
{
    (void)context;
    if (key->entry->type != TYPE_STRING)
        return false;
    take_lock_off(call, key);
    return true;
}

/* GIBSON MUNLOCK prefix: the reply is how many there are, locked or not. */
void cmd_gibson_munlock(struct call *call)
{
    change_all(call, KEY_UPDATE, unlock_one, NULL);
}

/* GIBSON COUNT prefix: unlike PREFIX COUNT a use of every key, as it is in Gibson. */
void cmd_gibson_count(struct call *call)
{
    struct listing_query query = {.prefix = ARG(2), .limit = SIZE_MAX, .is_use = true, .is_view = true};
    prefix_reply_count(call, &query);
}

/* ---- Lists ---- */

/* A list that is too large ends the connection, as in Gibson, whose clients are not told why. */
static void reply_too_large(struct call *call)
{
    reply_error(call, "TOOLARGE the reply would be larger than gibson-max-response-size");
    call->session->close_after_reply = true;
}

static bool is_too_large(struct call *call, size_t bytes)
{
    if (bytes <= CFG_READ(call->engine->config, gibson_max_response_size))
        return false;
    reply_too_large(call);
    return true;
}

/* Collects a list with something in it; otherwise the reply has been given. */
static bool collect_some(struct call *call, struct listing *listing, struct listing_query *query)
{
    query->most_bytes = CFG_READ(call->engine->config, gibson_max_response_size);
    if (!prefix_collect(call, listing, query))
        return false;
    if (listing->left > 0)
        return true;
    if (listing->is_too_large)
        reply_too_large(call);
    else
        reply_null(call);
    listing_free(listing);
    return false;
}

enum { LIST_HEAD = 4, PAIR_HEAD = 4 + 1 + 4 }; /* bytes of a list, and of each of its pairs, beside keys and values */

static size_t size_of_value(const struct listed *listed)
{
    if (listed->is_number)
        return sizeof(int64_t);
    return listed->is_compressed ? compressed_value_len(listed->stored) : listed->stored.len;
}

static void reply_listed(struct call *call, const struct listed *listed)
{
    int64_t number;
    if (listed->is_number && num_parse_int64(listed->stored, &number))
        reply_integer(call, number);
    else
        prefix_reply_string(call, listed);
}

static void reply_values(struct call *call, struct listing *listing, size_t limit)
{
    struct listed listed;
    size_t size = LIST_HEAD, count = listing->left;
    while (listing_next(listing, &listed))
        size += PAIR_HEAD + listed.key.len + size_of_value(&listed);
    if (is_too_large(call, size))
        return;
    listing_rewind(listing, limit);
    struct out_chunk *begun = reply_begin(call);
    while (listing_next(listing, &listed)) {
        reply_bulk(call, listed.key);
        reply_listed(call, &listed);
    }
    reply_end_map(call, begun, count);
}

/* GIBSON MGET prefix [limit]: keys and values; a limit of 0 or less is none. */
void cmd_gibson_mget(struct call *call)
{
    int64_t limit = 0;
    if (call->argc > 4) {
        reply_arity_error(call);
        return;
    }
    if (call->argc == 4 && ARG(3).len == 0) {
        reply_syntax_error(call);
        return;
    }
    if (call->argc == 4 && !take_number(call, 3, &limit))
        return;
    struct listing_query query = {
        .prefix = ARG(2), .limit = limit > 0 ? (size_t)limit : SIZE_MAX, .kind = LISTING_VALUES, .is_use = true};
    struct listing listing;
    if (!collect_some(call, &listing, &query))
        return;
    if (prefix_may_touch_all(call, &listing, query.limit, KEY_ACCESS))
        reply_values(call, &listing, query.limit);
    listing_free(&listing);
}

static void reply_names(struct call *call, struct listing *listing)
{
    struct listed listed;
    char index[NUM_INTEGER_SIZE];
    size_t size = LIST_HEAD, count = listing->left;
    for (size_t i = 0; listing_next(listing, &listed); i++)
        size += PAIR_HEAD + num_format_uint64(index, i) + listed.key.len;
    if (is_too_large(call, size))
        return;
    listing_rewind(listing, SIZE_MAX);
    struct out_chunk *begun = reply_begin(call);
    for (size_t i = 0; listing_next(listing, &listed); i++) {
        reply_bulk(call, (bytes){index, num_format_uint64(index, i)});
        reply_bulk(call, listed.key);
    }
    reply_end_map(call, begun, count);
}

/* GIBSON KEYS prefix: the keys, numbered from 0. */
void cmd_gibson_keys(struct call *call)
{
    struct listing_query query = {.prefix = ARG(2), .limit = SIZE_MAX, .is_view = true};
    struct listing listing;
    if (!collect_some(call, &listing, &query))
        return;
    reply_names(call, &listing);
    listing_free(&listing);
}

/* ---- The server ---- */

/* GIBSON PING */
void cmd_gibson_ping(struct call *call)
{
    reply_ok(call);
}

/* GIBSON END */
void cmd_gibson_end(struct call *call)
{
    reply_ok(call);
    call->session->close_after_reply = true;
}

/* The string commands: arguments in, replies out. What they compute is in values/string.h, their rows of the command
   table are in string_table.c. Options are parsed, and values measured, before any key is looked up or changed, in
   Redis's order, so that a refused command changes nothing. */
#include "commands/string.h"

#include "engine/store.h"
#include "values/string.h"

/* Has this deadline passed? NO_DEADLINE never, and KEEP_DEADLINE is none. */
static bool has_passed(const struct call *call, int64_t deadline_ms)
{
    return deadline_ms <= call->now_ms && deadline_ms != KEEP_DEADLINE;
}

static void delete_key(struct call *call, struct ks_key *key)
{
    ks_delete(key);
    call_changed(call, key);
    call_event(call, CFG_NOTIFY_GENERIC, "del", key);
}

/* Is this the key's string? When there is no memory to expand it, that has been replied. */
static bool is_string(struct call *call, const struct ks_key *key, bytes value)
{
    struct string_view view;
    if (key->entry == NULL || entry_string_len(key->entry) != value.len ||
        !call_open_string(call, key, BYTES(""), &view))
        return false;
    bool is_equal = bytes_equal(view.value, value);
    view_close(&view);
    return is_equal;
}

/* In place of compression-threshold, for what is likely to change again. */
#define NEVER_COMPRESSED SIZE_MAX

static inline bool put_encoded(struct call *call, struct ks_key *key, bytes value, enum string_encoding encoding,
                               size_t threshold, int64_t deadline_ms)
{
    if (unlikely(store_string(call, key, value, encoding, threshold, deadline_ms) != KS_OK)) {
        reply_no_memory(call);
        return false;
    }
    call_changed(call, key);
    return true;
}

/* A deadline that has passed leaves no key. Told of it is what Redis does one after the other. */
static void put_expired(struct call *call, struct ks_key *key)
{
    if (key->entry == NULL) {
        call_event(call, CFG_NOTIFY_NEW, "new", key);
    } else {
        ks_delete(key);
    }
    call_changed(call, key);
    call_event(call, CFG_NOTIFY_STRING, "set", key);
    call_event(call, CFG_NOTIFY_GENERIC, "expire", key);
    call_event(call, CFG_NOTIFY_EXPIRED, "expired", key);
}

/* Makes the key a string of this value, which store_is_too_long has let pass. False when there is no memory, which has
   been replied. */
static inline bool put(struct call *call, struct ks_key *key, bytes value, int64_t deadline_ms)
{
    if (unlikely(has_passed(call, deadline_ms))) {
        put_expired(call, key);
        return true;
    }
    if (!put_encoded(call, key, value, string_encoding_of(value), store_threshold(call), deadline_ms))
        return false;
    call_event(call, CFG_NOTIFY_STRING, "set", key);
    if (deadline_ms != NO_DEADLINE && deadline_ms != KEEP_DEADLINE)
        call_event(call, CFG_NOTIFY_GENERIC, "expire", key);
    return true;
}

/* For commands that reply a string and change it: a read that counts as a hit or miss, and a write. */
static bool find_string_to_change(struct call *call, struct ks_key *key)
{
    return call_key_read(call, 1, TYPE_STRING, key) &&
           (key->entry == NULL || call_key_write(call, 1, TYPE_STRING, key));
}

static void reply_string_or_null(struct call *call, const struct ks_key *key)
{
    if (likely(key->entry != NULL))
        reply_string(call, key->entry);
    else
        reply_null(call);
}

/* The value that a key had before it is overwritten; a reply must wait until that has succeeded. */
struct old_value {
    bool exists;
    struct blob *blob;       /* a reference; NULL: the value is the view's */
    struct string_view view; /* of `text`, or of a value that was expanded */
    char text[ENTRY_INLINE_MAX];
};

/* False when there is no memory to expand the value, which has been replied. */
static bool remember(struct call *call, struct old_value *old, const struct ks_key *key)
{
    const struct entry *entry = key->entry;
    old->exists = entry != NULL;
    old->blob = NULL;
    if (!call_open_string(call, key, BYTES(""), &old->view))
        return false;
    if (entry == NULL || old->view.expanded != NULL)
        return true;
    if (entry->flags & ENTRY_IS_BOXED) {
        old->blob = blob_keep(entry_stored_blob(entry));
    } else {
        memcpy(old->text, old->view.value.at, old->view.value.len);
        old->view.value.at = old->text;
    }
    return true;
}

static void reply_old_value(struct call *call, const struct old_value *old)
{
    if (!old->exists)
        reply_null(call);
    else if (old->blob != NULL)
        reply_blob(call, old->blob, 0, old->blob->len);
    else
        reply_bulk(call, old->view.value);
}

static void forget(struct old_value *old)
{
    view_close(&old->view);
    if (old->blob != NULL)
        blob_drop(old->blob);
}

static void put_and_reply_old(struct call *call, struct ks_key *key, bytes value, int64_t deadline_ms)
{
    struct old_value old;
    if (!remember(call, &old, key))
        return;
    if (put(call, key, value, deadline_ms))
        reply_old_value(call, &old);
    forget(&old);
}

/* The options of SET, GETEX and MSETEX. */
enum option {
    OPTION_EX = 1 << 0,
    OPTION_PX = 1 << 1,
    OPTION_EXAT = 1 << 2,
    OPTION_PXAT = 1 << 3,
    OPTION_KEEPTTL = 1 << 4,
    OPTION_PERSIST = 1 << 5,
    OPTION_NX = 1 << 6,
    OPTION_XX = 1 << 7,
    OPTION_IFEQ = 1 << 8,
    OPTION_GET = 1 << 9,

    OPTIONS_TIMES = OPTION_EX | OPTION_PX | OPTION_EXAT | OPTION_PXAT,
    OPTIONS_EXPIRY = OPTIONS_TIMES | OPTION_KEEPTTL | OPTION_PERSIST,
    OPTIONS_CONDITION = OPTION_NX | OPTION_XX | OPTION_IFEQ,
};

struct options {
    unsigned given;      /* enum option */
    size_t time_at;      /* the argument of the OPTIONS_TIMES; as the others the last one, should there be several */
    size_t comparand_at; /* the argument of OPTION_IFEQ */
    int64_t deadline_ms; /* filled by find_deadline */
};

static const struct option_word {
    const char *word;
    unsigned option; /* enum option */
    unsigned group;  /* enum option: of these no other may be given as well */
    bool has_argument;
} option_words[] = {
    {"EX", OPTION_EX, OPTIONS_EXPIRY, true},
    {"PX", OPTION_PX, OPTIONS_EXPIRY, true},
    {"NX", OPTION_NX, OPTIONS_CONDITION, false},
    {"XX", OPTION_XX, OPTIONS_CONDITION, false},
    {"GET", OPTION_GET, OPTION_GET, false},
    {"EXAT", OPTION_EXAT, OPTIONS_EXPIRY, true},
    {"PXAT", OPTION_PXAT, OPTIONS_EXPIRY, true},
    {"IFEQ", OPTION_IFEQ, OPTIONS_CONDITION, true},
    {"KEEPTTL", OPTION_KEEPTTL, OPTIONS_EXPIRY, false},
    {"PERSIST", OPTION_PERSIST, OPTIONS_EXPIRY, false},
};

static const struct option_word *find_option(const struct call *call, size_t argument)
{
    for (size_t i = 0; i < COUNT_OF(option_words); i++)
        if (call_is_word(call, argument, option_words[i].word))
            return &option_words[i];
    return NULL;
}

/* Parses the arguments from `first` on as options of those allowed; anything else is replied to as a syntax error. */
static bool parse_options(struct call *call, size_t first, unsigned allowed, struct options *options)
{
    *options = (struct options){.deadline_ms = NO_DEADLINE};
    for (size_t i = first; i < call->argc; i++) {
        const struct option_word *found = find_option(call, i);
        if (found == NULL || !(found->option & allowed) || (options->given & found->group & ~found->option) ||
            (found->option & options->given & OPTION_IFEQ) || (found->has_argument && i + 1 == call->argc)) {
            reply_syntax_error(call);
            return false;
        }
        options->given |= found->option;
        if (found->has_argument)
            i++;
        if (found->option & OPTIONS_TIMES)
            options->time_at = i;
        if (found->option == OPTION_IFEQ)
            options->comparand_at = i;
    }
    return true;
}

/* The deadline that a time means, a duration or a date in seconds or milliseconds; must be positive. */
static bool parse_deadline(struct call *call, size_t argument, enum option unit, int64_t *deadline_ms)
{
    int64_t time;
    if (!call_integer(call, argument, &time))
        return false;
    bool is_seconds = unit == OPTION_EX || unit == OPTION_EXAT;
    bool is_duration = unit == OPTION_EX || unit == OPTION_PX;
    if (time <= 0 || (is_seconds && __builtin_mul_overflow(time, (int64_t)1000, &time)) ||
        (is_duration && __builtin_add_overflow(time, call->now_ms, &time))) {
        reply_error_format(call, "ERR invalid expire time in '%s' command", call->command->name);
        return false;
    }
    *deadline_ms = time < NO_DEADLINE ? time : NO_DEADLINE - 1; /* the last millisecond means something else to us */
    return true;
}

/* The deadline that the options leave a key with that is set. */
static bool find_deadline(struct call *call, struct options *options)
{
    if (options->given & OPTION_KEEPTTL)
        options->deadline_ms = KEEP_DEADLINE;
    unsigned unit = options->given & OPTIONS_TIMES;
    return unit == 0 || parse_deadline(call, options->time_at, (enum option)unit, &options->deadline_ms);
}

/* GET key */
void cmd_get(struct call *call)
{
    struct ks_key key;
    if (call_key_read(call, 1, TYPE_STRING, &key))
        reply_string_or_null(call, &key);
}

/* Does the present value allow SET to go on? Without memory to see that, the error has been replied. */
static bool meets_condition(struct call *call, const struct options *options, const struct ks_key *key)
{
    if (options->given & OPTION_NX)
        return key->entry == NULL;
    if (options->given & OPTION_XX)
        return key->entry != NULL;
    if (options->given & OPTION_IFEQ)
        return is_string(call, key, ARG(options->comparand_at));
    return true;
}

static void set_with_options(struct call *call)
{
    struct options options;
    if (!parse_options(call, 3, OPTIONS_CONDITION | OPTION_GET | (OPTIONS_EXPIRY & ~OPTION_PERSIST), &options) ||
        !find_deadline(call, &options))
        return;
    struct ks_key key;
    bool is_found = options.given & OPTION_GET
                        ? find_string_to_change(call, &key)
                        : call_key_write(call, 1, options.given & OPTION_IFEQ ? TYPE_STRING : TYPE_ANY, &key);
    if (!is_found)
        return;
    if (!meets_condition(call, &options, &key)) {
        if (call->failed)
            return;
        if (options.given & OPTION_GET)
            reply_string_or_null(call, &key);
        else
            reply_null(call);
    } else if (options.given & OPTION_GET) {
        put_and_reply_old(call, &key, ARG(2), options.deadline_ms);
    } else if (put(call, &key, ARG(2), options.deadline_ms)) {
        reply_ok(call);
    }
}

/* SET key value [NX | XX | IFEQ comparand] [GET] [EX s | PX ms | EXAT time | PXAT time | KEEPTTL] */
void cmd_set(struct call *call)
{
    if (store_is_too_long(call, ARG(2)))
        return;
    if (call->argc > 3) {
        set_with_options(call);
        return;
    }
    struct ks_key key;
    if (call_key_write(call, 1, TYPE_ANY, &key) && put(call, &key, ARG(2), NO_DEADLINE))
        reply_ok(call);
}

/* SETNX key value. Reply: 1 when it was set, 0 when the key exists. */
void cmd_setnx(struct call *call)
{
    struct ks_key key;
    if (store_is_too_long(call, ARG(2)) || !call_key_write(call, 1, TYPE_ANY, &key))
        return;
    if (key.entry != NULL)
        reply_integer(call, 0);
    else if (put(call, &key, ARG(2), NO_DEADLINE))
        reply_integer(call, 1);
}

static void set_expiring(struct call *call, enum option unit)
{
    struct ks_key key;
    int64_t deadline_ms;
    if (!store_is_too_long(call, ARG(3)) && parse_deadline(call, 2, unit, &deadline_ms) &&
        call_key_write(call, 1, TYPE_ANY, &key) && put(call, &key, ARG(3), deadline_ms))
        reply_ok(call);
}

/* SETEX key seconds value */
void cmd_setex(struct call *call)
{
    set_expiring(call, OPTION_EX);
}

/* PSETEX key milliseconds value */
void cmd_psetex(struct call *call)
{
    set_expiring(call, OPTION_PX);
}

/* GETSET key value. Reply: the old value. */
void cmd_getset(struct call *call)
{
    struct ks_key key;
    if (!store_is_too_long(call, ARG(2)) && find_string_to_change(call, &key))
        put_and_reply_old(call, &key, ARG(2), NO_DEADLINE);
}

/* GETDEL key. Reply: the value that was deleted. */
void cmd_getdel(struct call *call)
{
    struct ks_key key;
    if (!find_string_to_change(call, &key))
        return;
    reply_string_or_null(call, &key);
    if (key.entry != NULL && !call->failed)
        delete_key(call, &key);
}

/* Replies an entry's string, without expanding it once more if the view has done so. */
static void reply_viewed(struct call *call, const struct entry *entry, const struct string_view *view)
{
    if (view->expanded != NULL)
        reply_bulk(call, view->value);
    else
        reply_string(call, entry);
}

/* GETEX key [EX s | PX ms | EXAT time | PXAT time | PERSIST]. The time is looked at only when the key exists. */
void cmd_getex(struct call *call)
{
    struct options options;
    struct ks_key key;
    if (!parse_options(call, 2, OPTIONS_TIMES | OPTION_PERSIST, &options))
        return;
    if (options.given == 0) {
        cmd_get(call);
        return;
    }
    struct string_view view;
    if (!find_string_to_change(call, &key) || (key.entry != NULL && !find_deadline(call, &options)) ||
        !call_open_string(call, &key, BYTES(""), &view))
        return;
    if (key.entry == NULL) {
        reply_null(call);
    } else if (has_passed(call, options.deadline_ms)) {
        reply_viewed(call, key.entry, &view);
        delete_key(call, &key);
    } else if ((options.given & OPTION_PERSIST) && entry_deadline_ms(key.entry) == NO_DEADLINE) {
        reply_viewed(call, key.entry, &view);
    } else if (ks_set_deadline(&key, options.deadline_ms, call->now_ms) == KS_OK) {
        call_changed(call, &key);
        call_event(call, CFG_NOTIFY_GENERIC, options.given & OPTION_PERSIST ? "persist" : "expire", &key);
        reply_viewed(call, key.entry, &view);
    } else {
        reply_no_memory(call);
    }
    view_close(&view);
}

/* DELIFEQ key value. Reply: 1 when the value was this and the key was deleted, otherwise 0. */
void cmd_delifeq(struct call *call)
{
    struct ks_key key;
    if (!call_key_write(call, 1, TYPE_STRING, &key))
        return;
    bool is_equal = is_string(call, &key, ARG(2));
    if (call->failed)
        return;
    if (is_equal)
        delete_key(call, &key);
    reply_integer(call, is_equal);
}

/* MGET key... Reply: the values, null for missing keys and those of other types. */
void cmd_mget(struct call *call)
{
    reply_array(call, call->argc - 1);
    for (size_t i = 1; i < call->argc; i++) {
        struct ks_key key;
        call_key_read(call, i, TYPE_ANY, &key);
        if (key.entry != NULL && key.entry->type == TYPE_STRING)
            reply_string(call, key.entry);
        else
            reply_null(call);
    }
}

/* The values among arguments [first, end), of which each comes after its key. */
static bool are_too_long(struct call *call, size_t first, size_t end)
{
    for (size_t i = first + 1; i < end; i += 2)
        if (store_is_too_long(call, ARG(i)))
            return true;
    return false;
}

/* How many of the keys among arguments [first, end) exist, one that is named twice counted twice. */
static size_t count_existing(struct call *call, size_t first, size_t end)
{
    size_t count = 0;
    for (size_t i = first; i < end; i += 2) {
        struct ks_key key;
        call_key_peek(call, i, &key);
        count += key.entry != NULL;
    }
    return count;
}

/* Sets the keys among arguments [first, end). Memory may run out midway: what was set then stays. */
static bool put_all(struct call *call, size_t first, size_t end, int64_t deadline_ms)
{
    for (size_t i = first; i < end; i += 2) {
        struct ks_key key;
        if (!call_key_write(call, i, TYPE_ANY, &key) || !put(call, &key, ARG(i + 1), deadline_ms))
            return false;
    }
    return true;
}

/* Have MSET and MSETNX a value for each key, and does it fit? */
static bool are_pairs_sound(struct call *call)
{
    if (call->argc % 2 == 0) {
        reply_arity_error(call);
        return false;
    }
    return !are_too_long(call, 1, call->argc);
}

/* MSET key value... */
void cmd_mset(struct call *call)
{
    if (are_pairs_sound(call) && put_all(call, 1, call->argc, NO_DEADLINE))
        reply_ok(call);
}

/* MSETNX key value... Reply: 1 when all were set, 0 when one exists and none was. */
void cmd_msetnx(struct call *call)
{
    if (!are_pairs_sound(call))
        return;
    if (count_existing(call, 1, call->argc) > 0)
        reply_integer(call, 0);
    else if (put_all(call, 1, call->argc, NO_DEADLINE))
        reply_integer(call, 1);
}

/* The number of pairs that MSETEX announces, all of which are there. */
static bool parse_pair_count(struct call *call, size_t *count)
{
    int64_t number;
    if (!num_parse_int64(ARG(1), &number) || number < 1 || number > INT32_MAX) {
        reply_error(call, "ERR invalid numkeys value");
        return false;
    }
    *count = (size_t)number;
    if (*count <= (call->argc - 2) / 2)
        return true;
    reply_error(call, "ERR wrong number of key-value pairs");
    return false;
}

/* MSETEX numkeys key value... [NX | XX] [EX s | PX ms | EXAT time | PXAT time | KEEPTTL]. Reply: 1 when all were set, 0
   when a key forbade it and none was. */
void cmd_msetex(struct call *call)
{
    struct options options;
    size_t count;
    if (!parse_pair_count(call, &count))
        return;
    size_t end = 2 + 2 * count;
    if (!parse_options(call, end, OPTION_NX | OPTION_XX | OPTIONS_TIMES | OPTION_KEEPTTL, &options) ||
        !find_deadline(call, &options) || are_too_long(call, 2, end))
        return;
    if (((options.given & OPTION_NX) && count_existing(call, 2, end) > 0) ||
        ((options.given & OPTION_XX) && count_existing(call, 2, end) < count))
        reply_integer(call, 0);
    else if (put_all(call, 2, end, options.deadline_ms))
        reply_integer(call, 1);
}

/* Makes the key's string longer or shorter, and gives its bytes for writing. */
static bool resize(struct call *call, struct ks_key *key, size_t len, const char *event, char **data)
{
    if (ks_resize_string(key, len, call->now_ms, data) != KS_OK) {
        reply_no_memory(call);
        return false;
    }
    call_changed(call, key);
    call_event(call, CFG_NOTIFY_STRING, event, key);
    return true;
}

/* APPEND key value. Reply: the new length in bytes. */
void cmd_append(struct call *call)
{
    struct ks_key key;
    char *data;
    bytes tail = ARG(2);
    if (store_is_too_long(call, tail) || !call_key_write(call, 1, TYPE_STRING, &key))
        return;
    if (key.entry == NULL) {
        if (!put_encoded(call, &key, tail, string_encoding_of(tail), NEVER_COMPRESSED, NO_DEADLINE))
            return;
        call_event(call, CFG_NOTIFY_STRING, "append", &key);
        reply_integer(call, (int64_t)tail.len);
        return;
    }
    size_t len = entry_string_len(key.entry);
    if (store_exceeds_limit(call, len, tail.len) || !resize(call, &key, len + tail.len, "append", &data))
        return;
    if (tail.len > 0)
        memcpy(data + len, tail.at, tail.len);
    reply_integer(call, (int64_t)(len + tail.len));
}

/* SETRANGE key offset value. Reply: the new length in bytes. Nothing is not written anywhere, however far away. */
void cmd_setrange(struct call *call)
{
    struct ks_key key;
    int64_t offset;
    char *data;
    bytes part = ARG(3);
    if (!call_integer(call, 2, &offset))
        return;
    if (offset < 0) {
        reply_error(call, "ERR offset is out of range");
        return;
    }
    if (!call_key_write(call, 1, TYPE_STRING, &key))
        return;
    size_t len = key.entry != NULL ? entry_string_len(key.entry) : 0;
    if (part.len == 0) {
        reply_integer(call, (int64_t)len);
        return;
    }
    if (store_exceeds_limit(call, (uint64_t)offset, part.len))
        return;
    size_t end = (size_t)offset + part.len;
    if (end > len)
        len = end;
    if (!resize(call, &key, len, "setrange", &data))
        return;
    memcpy(data + offset, part.at, part.len);
    reply_integer(call, (int64_t)len);
}

/* STRLEN key */
void cmd_strlen(struct call *call)
{
    struct ks_key key;
    if (call_key_read(call, 1, TYPE_STRING, &key))
        reply_integer(call, key.entry != NULL ? (int64_t)entry_string_len(key.entry) : 0);
}

/* GETRANGE key start end, and SUBSTR */
void cmd_getrange(struct call *call)
{
    struct ks_key key;
    int64_t start;
    int64_t end;
    if (!call_integer(call, 2, &start) || !call_integer(call, 3, &end) || !call_key_read(call, 1, TYPE_STRING, &key))
        return;
    size_t first;
    size_t count;
    string_range(key.entry != NULL ? entry_string_len(key.entry) : 0, start, end, &first, &count);
    if (count > 0)
        reply_string_range(call, key.entry, first, count);
    else
        reply_bulk(call, BYTES(""));
}

static void add_integer(struct call *call, int64_t by)
{
    struct ks_key key;
    struct string_view old;
    if (!call_key_write(call, 1, TYPE_STRING, &key) || !call_open_string(call, &key, BYTES("0"), &old))
        return;
    int64_t sum;
    enum string_sum outcome = string_add_integer(old.value, by, &sum);
    view_close(&old);
    switch (outcome) {
    case SUM_NOT_A_NUMBER:
        reply_error(call, "ERR value is not an integer or out of range");
        return;
    case SUM_OUT_OF_RANGE:
        reply_error(call, "ERR increment or decrement would overflow");
        return;
    case SUM_OK:
        break;
    }
    char text[NUM_INTEGER_SIZE];
    bytes value = {text, num_format_int64(text, sum)};
    if (!put_encoded(call, &key, value, STRING_INT, NEVER_COMPRESSED, KEEP_DEADLINE))
        return;
    call_event(call, CFG_NOTIFY_STRING, "incrby", &key);
    reply_integer(call, sum);
}

/* INCR key. Reply: the sum, as of those below. */
void cmd_incr(struct call *call)
{
    add_integer(call, 1);
}

/* DECR key */
void cmd_decr(struct call *call)
{
    add_integer(call, -1);
}

/* INCRBY key increment */
void cmd_incrby(struct call *call)
{
    int64_t by;
    if (call_integer(call, 2, &by))
        add_integer(call, by);
}

/* DECRBY key decrement */
void cmd_decrby(struct call *call)
{
    int64_t by;
    if (!call_integer(call, 2, &by))
        return;
    if (by == INT64_MIN)
        reply_error(call, "ERR decrement would overflow");
    else
        add_integer(call, -by);
}

/* INCRBYFLOAT key increment. Reply: the sum as text, which Redis does not take for an integer even when it is one. */
void cmd_incrbyfloat(struct call *call)
{
    struct ks_key key;
    struct string_view old;
    if (!call_key_write(call, 1, TYPE_STRING, &key) || !call_open_string(call, &key, BYTES("0"), &old))
        return;
    char text[NUM_LONG_DOUBLE_SIZE];
    bytes value = {text, 0};
    enum string_sum outcome = string_add_float(old.value, ARG(2), text, &value.len);
    view_close(&old);
    switch (outcome) {
    case SUM_NOT_A_NUMBER:
        reply_error(call, "ERR value is not a valid float");
        return;
    case SUM_OUT_OF_RANGE:
        reply_error(call, "ERR increment would produce NaN or Infinity");
        return;
    case SUM_OK:
        break;
    }
    if (!put_encoded(call, &key, value, string_encoding_of_text(value.len), NEVER_COMPRESSED, KEEP_DEADLINE))
        return;
    call_event(call, CFG_NOTIFY_STRING, "incrbyfloat", &key);
    reply_bulk(call, value);
}

/* DEBUG: tools for finding faults and for test suites. It is one command with words after it, not a container: that is
   how Redis has it, and how its errors show. It runs with all shards locked, so that SLEEP stops the engine as a whole,
   and so that everything else here may look wherever it likes. */
#include "base/num.h"
#include "base/text.h"
#include "commands/client.h"
#include "commands/server.h"
#include "engine/census.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

/* DEBUG SLEEP seconds: real time passes, even when the engine's clock stands still. */
static void debug_sleep(struct call *call)
{
    const double most_s = 1e9;
    double seconds;
    if (!num_parse_double(ARG(2), &seconds)) {
        reply_error(call, "ERR value is not a valid float");
        return;
    }
    seconds = seconds < 0 ? 0 : seconds > most_s ? most_s : seconds;
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    reply_ok(call);
}

/* DEBUG SET-ACTIVE-EXPIRE 0 | 1: without it, expired keys are freed only when somebody asks for them. */
static void debug_set_active_expire(struct call *call)
{
    int64_t is_on;
    if (!call_integer(call, 2, &is_on))
        return;
    atomic_store_explicit(&call->engine->expires_actively, is_on != 0, memory_order_relaxed);
    reply_ok(call);
}

static struct ks_key find_key(struct call *call, bytes name)
{
    struct keyspace *ks = &call->engine->keyspace;
    size_t db = atomic_load_explicit(&call->session->db, memory_order_relaxed);
    return ks_find(ks, db, name, ks_hash(ks, name), call->now_ms);
}

/* Is the string an integer of 32 bits, as text? */
static bool is_int32(const struct entry *entry, int64_t *number)
{
    struct string_view view;
    if (entry_string_len(entry) > 11 || !view_open(&view, entry))
        return false;
    bool is_number = num_parse_int64(view.value, number);
    view_close(&view);
    return is_number && *number >= INT32_MIN && *number <= INT32_MAX;
}

/* Bytes of a string in a snapshot file, uncompressed: its length in 1, 2 or 5 bytes, or an integer in 2, 3 or 5. */
static size_t serialized_length(const struct entry *entry)
{
    size_t len = entry_string_len(entry);
    int64_t number;
    if (is_int32(entry, &number))
        return number >= INT8_MIN && number <= INT8_MAX ? 2 : number >= INT16_MIN && number <= INT16_MAX ? 3 : 5;
    return len + (len < 64 ? 1 : len < 16384 ? 2 : 5);
}

/* DEBUG OBJECT key: of a string that is stored compressed, `compressed` says in how many bytes. */
static void debug_object(struct call *call)
{
    struct ks_key key = find_key(call, ARG(2));
    if (key.entry == NULL) {
        reply_error(call, "ERR no such key");
        return;
    }
    int64_t idle_s = ks_idle_seconds(&key, call->now_ms);
    char compressed[64] = "";
    if (entry_is_compressed(key.entry))
        snprintf(compressed, sizeof(compressed), " compressed:%zu", entry_stored(key.entry).len);
    char text[256];
    snprintf(text, sizeof(text),
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%lld lru_seconds_idle:%lld%s",
             (const void *)key.entry, entry_encoding_name(key.entry), serialized_length(key.entry),
             (long long)((call->now_ms / 1000 - idle_s) & 0xffffff), (long long)idle_s, compressed);
    reply_status(call, text);
}

/* The words of DEBUG POPULATE. */
struct population {
    int64_t count;
    bytes prefix;
    int64_t size; /* bytes of a value; 0: as long as its text */
};

/* A non-negative number; on failure the error has been replied. */
static bool size_argument(struct call *call, size_t argument, int64_t most, int64_t *size)
{
    if (!call_integer(call, argument, size))
        return false;
    if (*size >= 0 && *size <= most)
        return true;
    reply_error_format(call, "ERR value is out of range, must be positive");
    return false;
}

static bool parse_population(struct call *call, struct population *population)
{
    *population = (struct population){.prefix = call->argc > 3 ? ARG(3) : BYTES("key")};
    return size_argument(call, 2, INT64_MAX, &population->count) &&
           (call->argc < 5 || size_argument(call, 4, KS_VALUE_MAX, &population->size));
}

/* Stores "value:<i>" under "<prefix>:<i>", padded with zeros or cut to the size that was asked for. */
static enum ks_status populate_one(struct call *call, const struct population *population, struct text *name, int64_t i)
{
    char value[NUM_INTEGER_SIZE + 8];
    size_t len = (size_t)snprintf(value, sizeof(value), "value:%lld", (long long)i);
    text_clear(name);
    text_append(name, population->prefix);
    text_append_format(name, ":%lld", (long long)i);
    if (name->is_cut)
        return KS_NO_MEMORY;
    struct ks_key key = find_key(call, text_bytes(name));
    if (key.entry != NULL)
        return KS_OK;
    enum ks_status status;
    if (population->size == 0) {
        status = ks_put_string(&key, (bytes){value, len}, STRING_EMBSTR, NO_DEADLINE, call->now_ms);
    } else {
        char *data;
        size_t size = (size_t)population->size;
        status = ks_resize_string(&key, size, call->now_ms, &data);
        if (status == KS_OK)
            memcpy(data, value, len < size ? len : size);
    }
    if (status == KS_OK)
        call_changed(call, &key);
    return status;
}

/* DEBUG POPULATE count [prefix] [size]: many keys at once, those that exist left alone. */
static void debug_populate(struct call *call)
{
    struct population population;
    if (!parse_population(call, &population))
        return;
    struct text name = {0};
    enum ks_status status = KS_OK;
    for (int64_t i = 0; i < population.count && status == KS_OK; i++)
        status = populate_one(call, &population, &name, i);
    text_free(&name);
    if (status == KS_OK)
        reply_ok(call);
    else
        reply_no_memory(call);
}

/* DEBUG HTSTATS db: the hash tables of a database, all shards taken together. */
static void debug_htstats(struct call *call)
{
    struct keyspace *ks = &call->engine->keyspace;
    int64_t db;
    if (!call_integer(call, 2, &db))
        return;
    if (db < 0 || (uint64_t)db >= ks->db_count) {
        reply_error(call, "ERR Out of range database");
        return;
    }
    size_t buckets = 0;
    size_t keys = 0;
    size_t with_deadline = 0;
    for (size_t i = 0; i < ks->shard_count; i++) {
        const struct db *part = &ks->shards[i].dbs[db];
        buckets += atomic_load_explicit(&part->keys.bucket_count, memory_order_relaxed);
        keys += part->keys.used;
        with_deadline += part->with_deadline;
    }
    char text[256];
    int len = snprintf(text, sizeof(text),
                       "[Dictionary HT]\n shards: %zu\n table size: %zu\n number of elements: %zu\n"
                       "[Expires]\n number of elements: %zu\n",
                       ks->shard_count, buckets * HT_SLOTS, keys, with_deadline);
    reply_verbatim(call, (bytes){text, (size_t)len});
}

/* DEBUG CENSUS: what there is beside the data, by name; in debug builds the engine's invariants are checked as well. */
static void debug_census(struct call *call)
{
    struct census census;
    census_take(call->engine, &census);
    reply_map(call, census.count);
    for (size_t i = 0; i < census.count; i++) {
        reply_bulk_text(call, census.items[i].what);
        reply_integer(call, (int64_t)census.items[i].count);
    }
}

/* DEBUG ERROR text: that text as an error. */
static void debug_error(struct call *call)
{
    reply_error_format(call, "%.*s", (int)quoted_length(ARG(2)), ARG(2).at);
}

/* DEBUG LOG text: that text in the log. */
static void debug_log(struct call *call)
{
    log_printf(&call->engine->log, LOG_WARNING_LEVEL, "DEBUG LOG: %.*s", (int)quoted_length(ARG(2)), ARG(2).at);
    reply_ok(call);
}

/* Settings of Redis's own machinery that has no counterpart here: there is nothing to do, which is done. */
static void debug_without_effect(struct call *call)
{
    reply_ok(call);
}

/* ---- DEBUG PROTOCOL: a sample of every kind of reply ---- */

#define ENCODE(call, function, ...) ((call)->session->encoder->function(&(call)->session->out, __VA_ARGS__))

static bool is_resp3(const struct call *call)
{
    return atomic_load_explicit(&call->session->protocol, memory_order_relaxed) == 3;
}

static void sample_string(struct call *call)
{
    reply_bulk_text(call, "Hello World");
}

static void sample_integer(struct call *call)
{
    reply_integer(call, 12345);
}

static void sample_double(struct call *call)
{
    reply_real(call, 3.141);
}

static void sample_bignum(struct call *call)
{
    ENCODE(call, big_number, BYTES("1234567999999999999999999999999999999"));
}

static void reply_three(struct call *call)
{
    for (int i = 0; i < 3; i++)
        reply_integer(call, i);
}

static void sample_array(struct call *call)
{
    reply_array(call, 3);
    reply_three(call);
}

static void sample_set(struct call *call)
{
    reply_set(call, 3);
    reply_three(call);
}

static void sample_map(struct call *call)
{
    reply_map(call, 3);
    for (int i = 0; i < 3; i++) {
        reply_integer(call, i);
        reply_boolean(call, i == 1);
    }
}

static void sample_attrib(struct call *call)
{
    if (is_resp3(call)) {
        ENCODE(call, attribute, 1);
        reply_bulk_text(call, "key-popularity");
        reply_array(call, 2);
        reply_bulk_text(call, "key:123");
        reply_integer(call, 90);
    }
    reply_bulk_text(call, "Some real reply following the attribute");
}

static void sample_push(struct call *call)
{
    if (!is_resp3(call)) {
        reply_error(call, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(call, 2);
    reply_bulk_text(call, "server-cpu-usage");
    reply_integer(call, 42);
    reply_bulk_text(call, "Some real reply following the push reply");
}

static void sample_verbatim(struct call *call)
{
    reply_verbatim(call, BYTES("This is a verbatim\nstring"));
}

static void sample_true(struct call *call)
{
    reply_boolean(call, true);
}

static void sample_false(struct call *call)
{
    reply_boolean(call, false);
}

struct word {
    const char *word;
    size_t min_argc;
    size_t max_argc;
    void (*run)(struct call *call);
};

/* The handler of this word with so many arguments; NULL when there is none. */
static const struct word *find_word(const struct word *words, size_t count, const struct call *call, size_t argument)
{
    for (size_t i = 0; i < count; i++)
        if (call_is_word(call, argument, words[i].word) && call->argc >= words[i].min_argc &&
            call->argc <= words[i].max_argc)
            return &words[i];
    return NULL;
}

/* DEBUG PROTOCOL type */
static void debug_protocol(struct call *call)
{
    static const struct word samples[] = {
        {"string", 3, 3, sample_string}, {"integer", 3, 3, sample_integer},   {"double", 3, 3, sample_double},
        {"bignum", 3, 3, sample_bignum}, {"null", 3, 3, reply_null},          {"array", 3, 3, sample_array},
        {"set", 3, 3, sample_set},       {"map", 3, 3, sample_map},           {"attrib", 3, 3, sample_attrib},
        {"push", 3, 3, sample_push},     {"verbatim", 3, 3, sample_verbatim}, {"true", 3, 3, sample_true},
        {"false", 3, 3, sample_false},
    };
    const struct word *sample = find_word(samples, COUNT_OF(samples), call, 2);
    if (sample != NULL)
        sample->run(call);
    else
        reply_error(call, "ERR Wrong protocol type name. Please use one of the following: "
                          "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

static void debug_help(struct call *call)
{
    static const char *const lines[] = {
        "CHANGE-REPL-ID, DICT-RESIZING <0|1>, QUICKLIST-PACKED-THRESHOLD <size>,",
        "REPLYBUFFER <option> <value>, SET-DISABLE-DENY-SCRIPTS <0|1>,",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    Accepted for the sake of test suites, without effect.",
        "CENSUS",
        "    Count what there is beside the data: sessions, watches, subscriptions, ...",
        "ERROR <text>",
        "    Answer with <text> as an error.",
        "HTSTATS <dbid>",
        "    Figures of the hash tables of a database.",
        "LOG <text>",
        "    Write <text> to the log.",
        "OBJECT <key>",
        "    Where and how the value of <key> is stored.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Create <count> strings named <prefix>:<number> (default: key), with values",
        "    of <size> bytes.",
        "PROTOCOL (STRING|INTEGER|DOUBLE|BIGNUM|NULL|ARRAY|SET|MAP|ATTRIB|PUSH|",
        "         VERBATIM|TRUE|FALSE)",
        "    Answer with a sample of that type.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Whether expired keys are freed without being asked for.",
        "SLEEP <seconds>",
        "    Stop the whole engine for that long. Fractions are allowed.",
        NULL,
    };
    reply_help(call, lines);
}

/* DEBUG word [argument ...] */
void cmd_debug(struct call *call)
{
    static const struct word words[] = {
        {"census", 2, 2, debug_census},
        {"change-repl-id", 2, 2, debug_without_effect},
        {"dict-resizing", 3, 3, debug_without_effect},
        {"error", 3, 3, debug_error},
        {"help", 2, 2, debug_help},
        {"htstats", 3, 3, debug_htstats},
        {"log", 3, 3, debug_log},
        {"object", 3, 3, debug_object},
        {"populate", 3, 5, debug_populate},
        {"protocol", 3, 3, debug_protocol},
        {"quicklist-packed-threshold", 3, 3, debug_without_effect},
        {"replybuffer", 4, 4, debug_without_effect},
        {"set-active-expire", 3, 3, debug_set_active_expire},
        {"set-disable-deny-scripts", 3, 3, debug_without_effect},
        {"set-skip-checksum-validation", 3, 3, debug_without_effect},
        {"sleep", 3, 3, debug_sleep},
    };
    const struct word *word = find_word(words, COUNT_OF(words), call, 1);
    if (word != NULL)
        word->run(call);
    else
        reply_subcommand_error(call);
}

/* Walks over the keys of a database: KEYS, SCAN and RANDOMKEY. They lock one shard at a time, so other commands run in
   between; what they reply is copied while the shard is locked. Keys past their deadline are left out. A pattern with a
   literal beginning is looked up in the prefix index where there is one. */
#include "base/glob.h"
#include "base/num.h"
#include "commands/commands.h"
#include "engine/call.h"
#include "keyspace/prefix.h"

/* What a walk is looking for, and what it found. */
struct search {
    const struct reply_encoder *encoder;
    struct out *out; /* the names go here, as bulk strings */
    int64_t now_ms;
    const bytes *pattern; /* NULL: any name */
    const bytes *type;    /* name of a type, NULL: any */
    size_t found;
};

/* A pattern that every name matches is no condition. */
static const bytes *useful_pattern(const bytes *pattern)
{
    return bytes_equal(*pattern, BYTES("*")) ? NULL : pattern;
}

static bool is_wanted(const struct search *search, const struct entry *entry)
{
    return entry_deadline_ms(entry) > search->now_ms &&
           (search->pattern == NULL || glob_match(*search->pattern, entry_key(entry), false)) &&
           (search->type == NULL || bytes_equal_nocase(*search->type, bytes_of(entry_type_name(entry))));
}

static void visit_entry(void *context, void *item)
{
    struct search *search = context;
    if (!is_wanted(search, item))
        return;
    search->encoder->bulk(search->out, entry_key(item));
    search->found++;
}

static bool visit_match(void *context, void *item)
{
    visit_entry(context, item);
    return true;
}

/* What all wanted names begin with; empty when nothing is known. */
static bytes prefix_of(const struct search *search)
{
    return search->pattern != NULL ? glob_literal_prefix(*search->pattern) : (bytes){NULL, 0};
}

/* Visits the wanted names of a shard: those of their prefix if there is an index of prefixes, else all. */
static void search_shard(struct call *call, struct shard *shard, struct search *search)
{
    struct keyspace *ks = &call->engine->keyspace;
    size_t db = call_db(call);
    bytes prefix = prefix_of(search);
    bool was_taken = ks_enter(ks, shard);
    if (prefix.len == 0 || !ks_has_prefixes(&shard->dbs[db]))
        ks_visit_shard(ks, shard, db, visit_entry, search);
    else if (ks_visit_prefix(shard, db, prefix, NULL, visit_match, search) != KS_OK)
        search->out->failed = true;
    ks_leave(ks, shard, was_taken);
}

/* KEYS pattern: all names that match. */
static void cmd_keys(struct call *call)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct search search = {
        .encoder = call->session->encoder,
        .out = &call->session->out,
        .now_ms = call->now_ms,
        .pattern = useful_pattern(&ARG(1)),
    };
    struct out_chunk *begun = reply_begin(call);
    for (size_t i = 0; i < ks->shard_count; i++)
        search_shard(call, &ks->shards[i], &search);
    reply_end_array(call, begun, search.found);
}

/* A cursor as strtoul reads it, because Redis does: the text up to a zero byte, a sign allowed (a negative number
   counts down from 2^64), no number at all is 0 only when there is no text. */
static bool parse_cursor(bytes text, uint64_t *cursor)
{
    *cursor = 0;
    const char *zero = text.len > 0 ? memchr(text.at, '\0', text.len) : NULL;
    size_t len = zero != NULL ? (size_t)(zero - text.at) : text.len;
    if (len == 0)
        return true;
    bool is_negative = text.at[0] == '-';
    size_t i = is_negative || text.at[0] == '+';
    if (i == len)
        return false;
    for (; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.at[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(*cursor, (uint64_t)10, cursor) ||
            __builtin_add_overflow(*cursor, (uint64_t)digit, cursor))
            return false;
    }
    if (is_negative)
        *cursor = -*cursor;
    return true;
}

enum {
    SCAN_COUNT = 10,
    SCAN_BUCKETS_PER_ENTRY = 10,
    SCAN_AT_ONCE = 1000, /* matches that are worth a reply larger than was asked for */
};

/* The options from the third word on; on failure the error was replied. */
static bool parse_scan_options(struct call *call, struct search *search, int64_t *count)
{
    for (size_t i = 2; i < call->argc; i += 2) {
        bool has_value = i + 1 < call->argc;
        if (has_value && call_is_word(call, i, "count")) {
            if (!call_integer(call, i + 1, count))
                return false;
            if (*count < 1) {
                reply_syntax_error(call);
                return false;
            }
        } else if (has_value && call_is_word(call, i, "match")) {
            search->pattern = useful_pattern(&ARG(i + 1));
        } else if (has_value && call_is_word(call, i, "type")) {
            search->type = &ARG(i + 1);
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* Are there so few names with the pattern's literal beginning that a whole scan may be answered at once? Known only
   where all shards have an index of prefixes. */
static bool has_few_matches(struct call *call, const struct search *search, size_t count)
{
    struct keyspace *ks = &call->engine->keyspace;
    bytes prefix = prefix_of(search);
    size_t most = count > SCAN_AT_ONCE ? count : SCAN_AT_ONCE;
    size_t matches = 0;
    for (size_t i = 0; prefix.len > 0 && i < ks->shard_count && matches <= most; i++) {
        struct shard *shard = &ks->shards[i];
        bool was_taken = ks_enter(ks, shard);
        bool is_known = ks_has_prefixes(&shard->dbs[call_db(call)]);
        matches += is_known ? ks_count_prefix(shard, call_db(call), prefix, INT64_MIN) : most + 1;
        ks_leave(ks, shard, was_taken);
    }
    return prefix.len > 0 && matches <= most;
}

/* Walks on from the cursor over about `count` keys; returns the next cursor. */
static uint64_t scan_on(struct call *call, uint64_t cursor, size_t count, struct search *search)
{
    struct ks_scan_budget budget = {.entries = count};
    if (__builtin_mul_overflow(count, (size_t)SCAN_BUCKETS_PER_ENTRY, &budget.buckets))
        budget.buckets = SIZE_MAX;
    do {
        cursor = ks_scan(&call->engine->keyspace, call_db(call), cursor, &budget, visit_entry, search);
    } while (cursor != 0 && budget.entries > 0 && budget.buckets > 0);
    return cursor;
}

/* All of it at once. */
static void scan_matches(struct call *call, struct search *search)
{
    struct keyspace *ks = &call->engine->keyspace;
    for (size_t i = 0; i < ks->shard_count; i++)
        search_shard(call, &ks->shards[i], search);
}

static void reply_scan(struct call *call, uint64_t cursor, const struct search *search)
{
    char text[NUM_INTEGER_SIZE];
    reply_array(call, 2);
    reply_bulk(call, (bytes){text, num_format_uint64(text, cursor)});
    reply_array(call, search->found);
    out_join(&call->session->out, search->out);
}

/* SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]: the next cursor, and the wanted ones among about `count` keys.
   The walk is bounded where keys are sparse, too. The names are collected aside because the cursor stands before them.
 */
static void cmd_scan(struct call *call)
{
    struct out names;
    out_init(&names, call->session->out.pool);
    struct search search = {.encoder = call->session->encoder, .out = &names, .now_ms = call->now_ms};
    uint64_t cursor;
    int64_t count = SCAN_COUNT;
    if (!parse_cursor(ARG(1), &cursor)) {
        reply_error(call, "ERR invalid cursor");
        return;
    }
    if (!parse_scan_options(call, &search, &count))
        return;
    if (cursor == 0 && has_few_matches(call, &search, (size_t)count))
        scan_matches(call, &search);
    else
        cursor = scan_on(call, cursor, (size_t)count, &search);
    reply_scan(call, cursor, &search);
}

static void reply_name(void *context, void *item)
{
    reply_bulk(context, entry_key(item));
}

/* RANDOMKEY: any key, each with the same chance; null when there is none. */
static void cmd_randomkey(struct call *call)
{
    if (!ks_random(&call->engine->keyspace, call_db(call), &call->executor->random, call->now_ms, reply_name, call))
        reply_null(call);
}

static const struct command_argument keys_arguments[] = {{.name = "pattern", .type = ARG_PATTERN}, {0}};
static const struct command_argument scan_arguments[] = {
    {.name = "cursor", .type = ARG_INTEGER},
    {.name = "pattern", .type = ARG_PATTERN, .flags = ARG_OPTIONAL, .token = "MATCH"},
    {.name = "count", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "COUNT"},
    {.name = "type", .type = ARG_STRING, .flags = ARG_OPTIONAL, .token = "TYPE", .since = "6.0.0"},
    {0},
};

const struct command scan_commands[] = {
    {
        .name = "keys",
        .run = cmd_keys,
        .arity = 2,
        .flags = CMD_READONLY | CMD_TOUCHES_ARBITRARY_KEYS | CMD_VISITS_SHARDS,
        .categories = ACL_KEYSPACE | ACL_DANGEROUS,
        .tips = (const char *const[]){"request_policy:all_shards", "nondeterministic_output_order", NULL},
        .group = "generic",
        .summary = "Lists the keys whose names match a pattern.",
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of keys in the database.",
        .arguments = keys_arguments,
    },
    {
        .name = "randomkey",
        .run = cmd_randomkey,
        .arity = 1,
        .flags = CMD_READONLY | CMD_TOUCHES_ARBITRARY_KEYS | CMD_VISITS_SHARDS,
        .categories = ACL_KEYSPACE,
        .tips = (const char *const[]){"request_policy:all_shards", "response_policy:special", NULL},
        .group = "generic",
        .summary = "Names a key chosen at random.",
        .since = "1.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "scan",
        .run = cmd_scan,
        .arity = -2,
        .flags = CMD_READONLY | CMD_TOUCHES_ARBITRARY_KEYS | CMD_VISITS_SHARDS,
        .categories = ACL_KEYSPACE,
        .tips =
            (const char *const[]){"nondeterministic_output", "request_policy:special", "response_policy:special", NULL},
        .group = "generic",
        .summary = "Lists the keys of a database in steps.",
        .since = "2.8.0",
        .complexity = "O(1) for a step, O(N) for all steps together, where N is the number of keys in the database.",
        .history = (const struct command_history[]){{"6.0.0", "Takes the option `TYPE`."}, {0}},
        .arguments = scan_arguments,
    },
    {0},
};

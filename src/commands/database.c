/* Commands on whole databases: counting their keys, emptying and exchanging them. */
#include "base/num.h"
#include "commands/commands.h"
#include "engine/call.h"

/* DBSIZE: how many keys the selected database has. */
static void cmd_dbsize(struct call *call)
{
    reply_integer(call, (int64_t)ks_measure(&call->engine->keyspace, (int)call_db(call)).keys);
}

/* Both ways of flushing take the keys away at once and free them in the background, so the words ask for nothing. */
static bool parse_flush_mode(struct call *call)
{
    if (call->argc == 1 || (call->argc == 2 && (call_is_word(call, 1, "sync") || call_is_word(call, 1, "async"))))
        return true;
    reply_syntax_error(call);
    return false;
}

/* Empties a database; all shards are locked. Returns how many keys it had. */
static size_t flush(struct call *call, size_t db)
{
    struct keyspace *ks = &call->engine->keyspace;
    size_t keys = 0;
    call_databases_change(call, db, db);
    for (size_t i = 0; i < ks->shard_count; i++) {
        keys += ks->shards[i].dbs[db].keys.used;
        ks_flush(ks, &ks->shards[i], db);
    }
    return keys;
}

/* FLUSHDB [ASYNC | SYNC]: empties the selected database. */
static void cmd_flushdb(struct call *call)
{
    if (!parse_flush_mode(call))
        return;
    call_changed_all(call, flush(call, call_db(call)));
    reply_ok(call);
}

/* FLUSHALL [ASYNC | SYNC]: empties all databases. */
static void cmd_flushall(struct call *call)
{
    if (!parse_flush_mode(call))
        return;
    size_t keys = 0;
    for (size_t db = 0; db < call->engine->keyspace.db_count; db++)
        keys += flush(call, db);
    call_changed_all(call, keys);
    reply_ok(call);
}

/* A number that fits 32 bits; on failure the given error is replied. */
static bool index_argument(struct call *call, size_t argument, const char *error, int64_t *index)
{
    if (num_parse_int64(ARG(argument), index) && *index >= INT32_MIN && *index <= INT32_MAX)
        return true;
    reply_error(call, error);
    return false;
}

/* SWAPDB index1 index2: what one database holds is in the other afterwards, for all clients at once. */
static void cmd_swapdb(struct call *call)
{
    struct keyspace *ks = &call->engine->keyspace;
    int64_t a;
    int64_t b;
    if (!index_argument(call, 1, "ERR invalid first DB index", &a) ||
        !index_argument(call, 2, "ERR invalid second DB index", &b))
        return;
    if (a < 0 || b < 0 || (size_t)a >= ks->db_count || (size_t)b >= ks->db_count) {
        reply_error(call, "ERR DB index is out of range");
        return;
    }
    if (a != b) {
        call_databases_change(call, (size_t)a, (size_t)b);
        for (size_t i = 0; i < ks->shard_count; i++)
            ks_swap(ks, &ks->shards[i], (size_t)a, (size_t)b);
    }
    call_changed_all(call, 1);
    reply_ok(call);
}

static const struct command_argument flush_arguments[] = {
    {.name = "flush-type",
     .type = ARG_ONEOF,
     .flags = ARG_OPTIONAL,
     .arguments =
         (const struct command_argument[]){
             {.name = "async", .type = ARG_PURE_TOKEN, .token = "ASYNC", .since = "4.0.0"},
             {.name = "sync", .type = ARG_PURE_TOKEN, .token = "SYNC", .since = "6.2.0"},
             {0},
         }},
    {0},
};
static const struct command_history flush_history[] = {
    {"4.0.0", "Takes the option `ASYNC`."},
    {"6.2.0", "Takes the option `SYNC`."},
    {0},
};
static const char *const flush_tips[] = {"request_policy:all_shards", "response_policy:all_succeeded", NULL};
static const struct command_argument swapdb_arguments[] = {
    {.name = "index1", .type = ARG_INTEGER},
    {.name = "index2", .type = ARG_INTEGER},
    {0},
};

const struct command database_commands[] = {
    {
        .name = "dbsize",
        .run = cmd_dbsize,
        .arity = 1,
        .flags = CMD_READONLY | CMD_FAST | CMD_VISITS_SHARDS,
        .categories = ACL_KEYSPACE,
        .tips = (const char *const[]){"request_policy:all_shards", "response_policy:agg_sum", NULL},
        .group = "server",
        .summary = "Counts the keys of the selected database.",
        .since = "1.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "flushall",
        .run = cmd_flushall,
        .arity = -1,
        .flags = CMD_WRITE | CMD_ALL_SHARDS,
        .categories = ACL_KEYSPACE | ACL_DANGEROUS,
        .tips = flush_tips,
        .group = "server",
        .summary = "Deletes the keys of all databases.",
        .since = "1.0.0",
        .complexity = "O(1); the keys are freed in the background.",
        .history = flush_history,
        .arguments = flush_arguments,
    },
    {
        .name = "flushdb",
        .run = cmd_flushdb,
        .arity = -1,
        .flags = CMD_WRITE | CMD_ALL_SHARDS,
        .categories = ACL_KEYSPACE | ACL_DANGEROUS,
        .tips = flush_tips,
        .group = "server",
        .summary = "Deletes the keys of the selected database.",
        .since = "1.0.0",
        .complexity = "O(1); the keys are freed in the background.",
        .history = flush_history,
        .arguments = flush_arguments,
    },
    {
        .name = "swapdb",
        .run = cmd_swapdb,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST | CMD_ALL_SHARDS,
        .categories = ACL_KEYSPACE | ACL_DANGEROUS,
        .group = "server",
        .summary = "Exchanges two databases.",
        .since = "4.0.0",
        .complexity = "O(1)",
        .arguments = swapdb_arguments,
    },
    {0},
};

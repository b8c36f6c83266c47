/* The rows of PREFIX. What writes runs with all shards locked. */
#include "commands/commands.h"
#include "commands/growth.h"
#include "commands/prefix.h"

#define READS (CMD_READONLY | CMD_VISITS_SHARDS | CMD_BY_PREFIX)
#define WRITES (CMD_WRITE | CMD_ALL_SHARDS | CMD_BY_PREFIX)
#define SINCE "8.0.0"

/* PREFIX HELP: how to use the others. */
static void cmd_prefix_help(struct call *call)
{
    static const char *const lines[] = {
        "COUNT <prefix>",
        "    Count the keys that begin with the prefix.",
        "DECR <prefix> [BY <n>]",
        "    Subtract 1, or n, from every key that holds an integer.",
        "DEL <prefix>",
        "    Delete the keys.",
        "EXPIRE <prefix> <seconds>",
        "    Give the keys a time to live.",
        "GET <prefix> [LIMIT <n>] [AFTER <key>]",
        "    Return the strings among the keys, with their values, in order.",
        "INCR <prefix> [BY <n>]",
        "    Add 1, or n, to every key that holds an integer.",
        "KEYS <prefix> [LIMIT <n>] [AFTER <key>]",
        "    Return the keys in order.",
        "LOCK <prefix> <seconds>",
        "    Lock the keys that are not locked: writes to them are refused for that time.",
        "MEMORY <prefix>",
        "    Return the bytes of memory that the keys and their values take.",
        "PERSIST <prefix>",
        "    Take the times to live away.",
        "SET <prefix> <value> [EX <seconds> | PX <milliseconds> | KEEPTTL]",
        "    Give every key this value; no key is created.",
        "TOP [<prefix>] [DEPTH <n>] [SEPARATOR <text>]",
        "    Return keys and bytes by the next segments of the keys, the largest first.",
        "UNLINK <prefix>",
        "    As DEL.",
        "UNLOCK <prefix>",
        "    Take the locks of the keys away.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct command_argument prefix_argument[] = {{.name = "prefix", .type = ARG_STRING}, {0}};
static const struct command_argument page_arguments[] = {
    {.name = "prefix", .type = ARG_STRING},
    {.name = "limit", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "LIMIT"},
    {.name = "after", .type = ARG_STRING, .flags = ARG_OPTIONAL, .token = "AFTER"},
    {0},
};
static const struct command_argument amount_arguments[] = {
    {.name = "prefix", .type = ARG_STRING},
    {.name = "amount", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "BY"},
    {0},
};
static const struct command_argument expire_arguments[] = {
    {.name = "prefix", .type = ARG_STRING},
    {.name = "seconds", .type = ARG_INTEGER},
    {0},
};
static const struct command_argument lifetimes[] = {
    {.name = "seconds", .type = ARG_INTEGER, .token = "EX"},
    {.name = "milliseconds", .type = ARG_INTEGER, .token = "PX"},
    {.name = "keepttl", .type = ARG_PURE_TOKEN, .token = "KEEPTTL"},
    {0},
};
static const struct command_argument set_arguments[] = {
    {.name = "prefix", .type = ARG_STRING},
    {.name = "value", .type = ARG_STRING},
    {.name = "expiration", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = lifetimes},
    {0},
};
static const struct command_argument top_arguments[] = {
    {.name = "prefix", .type = ARG_STRING, .flags = ARG_OPTIONAL},
    {.name = "depth", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "DEPTH"},
    {.name = "separator", .type = ARG_STRING, .flags = ARG_OPTIONAL, .token = "SEPARATOR"},
    {0},
};

#define ROW(called, handler, words, which, what, cost, documented)                                                     \
    {                                                                                                                  \
        .name = called, .run = handler, .arity = words, .flags = which, .categories = ACL_KEYSPACE, .group = "prefix", \
        .summary = what, .since = SINCE, .complexity = cost, .arguments = documented,                                  \
    }

#define BY_MATCHES "O(N) where N is the number of keys that begin with the prefix."

static const struct command prefix_rows[] = {
    ROW("count", cmd_prefix_count, 3, READS | CMD_FAST, "Counts the keys that begin with a prefix.",
        "O(L) where L is the length of the prefix.", prefix_argument),
    ROW("decr", cmd_prefix_decr, -3, WRITES | CMD_DENYOOM, "Subtracts from the integers under a prefix.", BY_MATCHES,
        amount_arguments),
    ROW("del", cmd_prefix_del, 3, WRITES, "Deletes the keys that begin with a prefix.", BY_MATCHES, prefix_argument),
    ROW("expire", cmd_prefix_expire, 4, WRITES, "Gives the keys of a prefix a time to live.", BY_MATCHES,
        expire_arguments),
    ROW("get", cmd_prefix_get, -3, READS, "Returns the strings under a prefix with their values.", BY_MATCHES,
        page_arguments),
    ROW("help", cmd_prefix_help, 2, CMD_LOADING | CMD_STALE, "Explains the subcommands.", "O(1)", NULL),
    ROW("incr", cmd_prefix_incr, -3, WRITES | CMD_DENYOOM, "Adds to the integers under a prefix.", BY_MATCHES,
        amount_arguments),
    ROW("keys", cmd_prefix_keys, -3, READS, "Lists the keys that begin with a prefix, in order.", BY_MATCHES,
        page_arguments),
    ROW("lock", cmd_prefix_lock, 4, WRITES | CMD_DENYOOM | CMD_SPARES_LOCKS,
        "Refuses writes to the keys of a prefix for a time.", BY_MATCHES, expire_arguments),
    ROW("memory", cmd_prefix_memory, 3, READS, "Tells the memory that the keys of a prefix take.", BY_MATCHES,
        prefix_argument),
    ROW("persist", cmd_prefix_persist, 3, WRITES, "Takes the times to live of a prefix away.", BY_MATCHES,
        prefix_argument),
    {
        .name = "set",
        .run = cmd_prefix_set,
        .growth = growth_of_prefix_set,
        .arity = -4,
        .flags = WRITES | CMD_DENYOOM,
        .categories = ACL_KEYSPACE,
        .group = "prefix",
        .summary = "Gives every key of a prefix a value.",
        .since = SINCE,
        .complexity = BY_MATCHES,
        .arguments = set_arguments,
    },
    ROW("top", cmd_prefix_top, -2, READS, "Tells keys and memory by the next segments of the keys.", BY_MATCHES,
        top_arguments),
    ROW("unlink", cmd_prefix_del, 3, WRITES, "Deletes the keys that begin with a prefix.", BY_MATCHES, prefix_argument),
    ROW("unlock", cmd_prefix_unlock, 3, WRITES | CMD_SPARES_LOCKS, "Takes the locks of the keys of a prefix away.",
        BY_MATCHES, prefix_argument),
    {0},
};

const struct command prefix_commands[] = {
    {
        .name = "prefix",
        .arity = -2,
        .subcommands = prefix_rows,
        .group = "prefix",
        .summary = "Works on all keys that begin with a prefix.",
        .since = SINCE,
        .complexity = "Depends on subcommand.",
    },
    {0},
};

/* The rows of GIBSON. Its operators on a prefix that write run with all shards locked, as those of PREFIX. Locks are
   the handlers' affair: see gibson.c. */
#include "commands/commands.h"
#include "commands/gibson.h"
#include "commands/growth.h"

#define SINGLE_WRITE (CMD_WRITE | CMD_FAST | CMD_SPARES_LOCKS)
#define PREFIX_READ (CMD_READONLY | CMD_VISITS_SHARDS | CMD_BY_PREFIX)
#define PREFIX_WRITE (CMD_WRITE | CMD_ALL_SHARDS | CMD_BY_PREFIX | CMD_SPARES_LOCKS)

/* GIBSON HELP: how to use the others. */
static void cmd_gibson_help(struct call *call)
{
    static const char *const lines[] = {
        "COUNT|KEYS|MDEC|MDEL|MINC|MUNLOCK <prefix>",
        "    Gibson's operators on all keys that begin with the prefix.",
        "DEC|DEL|GET|INC|UNLOCK <key>",
        "    Gibson's operators on one key.",
        "END",
        "    Close the connection.",
        "LOCK <key> <seconds>, MLOCK <prefix> <seconds>",
        "    Refuse writes for a time, or for ever with -1.",
        "META <key> <size | encoding | access | created | ttl | left | lock>",
        "    Return what is known about a key.",
        "MGET <prefix> [<limit>]",
        "    Return keys and values.",
        "MSET <prefix> <value>",
        "    Give every key this value; no key is created.",
        "PING, STATS",
        "    Ask whether the server is there, and how it is.",
        "SET <seconds> <key> <value>",
        "    Set a key, with a time to live if it is above 0.",
        "TTL <key> <seconds>, MTTL <prefix> <seconds>",
        "    Give keys a time to live.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct key_spec read_key[] = {{.flags = KEY_RO | KEY_ACCESS, .index = 2, .step = 1}, {0}};
static const struct key_spec meta_key[] = {{.flags = KEY_RO, .index = 2, .step = 1}, {0}};
static const struct key_spec changed_key[] = {{.flags = KEY_RW | KEY_UPDATE, .index = 2, .step = 1}, {0}};
static const struct key_spec counted_key[] = {{.flags = KEY_RW | KEY_ACCESS | KEY_UPDATE, .index = 2, .step = 1}, {0}};
static const struct key_spec deleted_key[] = {{.flags = KEY_RM | KEY_DELETE, .index = 2, .step = 1}, {0}};
static const struct key_spec set_key[] = {{.flags = KEY_OW | KEY_UPDATE, .index = 3, .step = 1}, {0}};

static const struct command_argument key_argument[] = {{.name = "key", .type = ARG_KEY, .key_spec = 0}, {0}};
static const struct command_argument prefix_argument[] = {{.name = "prefix", .type = ARG_STRING}, {0}};
static const struct command_argument key_seconds_arguments[] = {
    {.name = "key", .type = ARG_KEY, .key_spec = 0},
    {.name = "seconds", .type = ARG_INTEGER},
    {0},
};
static const struct command_argument prefix_seconds_arguments[] = {
    {.name = "prefix", .type = ARG_STRING},
    {.name = "seconds", .type = ARG_INTEGER},
    {0},
};
static const struct command_argument meta_arguments[] = {
    {.name = "key", .type = ARG_KEY, .key_spec = 0},
    {.name = "field", .type = ARG_STRING},
    {0},
};
static const struct command_argument mget_arguments[] = {
    {.name = "prefix", .type = ARG_STRING},
    {.name = "limit", .type = ARG_INTEGER, .flags = ARG_OPTIONAL},
    {0},
};
static const struct command_argument mset_arguments[] = {
    {.name = "prefix", .type = ARG_STRING},
    {.name = "value", .type = ARG_STRING},
    {0},
};
static const struct command_argument set_arguments[] = {
    {.name = "seconds", .type = ARG_INTEGER},
    {.name = "key", .type = ARG_KEY, .key_spec = 0},
    {.name = "value", .type = ARG_STRING},
    {0},
};

#define GROWING_ROW(called, handler, grows, words, which, keyed, what, cost, documented)                             \
    {                                                                                                                \
        .name = called, .run = handler, .growth = grows, .arity = words, .flags = which, .categories = ACL_KEYSPACE, \
        .keys = keyed, .group = "gibson", .summary = what, .since = "8.0.0", .complexity = cost,                     \
        .arguments = documented,                                                                                     \
    }
#define ROW(called, handler, ...) GROWING_ROW(called, handler, NULL, __VA_ARGS__)
#define BY_MATCHES "O(N) where N is the number of keys that begin with the prefix."

static const struct command gibson_rows[] = {
    ROW("count", cmd_gibson_count, 3, PREFIX_READ, NULL, "Counts the keys of a prefix as Gibson does, each being used.",
        BY_MATCHES, prefix_argument),
    ROW("dec", cmd_gibson_dec, 3, SINGLE_WRITE, counted_key, "Subtracts one, or sets to one.", "O(1)", key_argument),
    ROW("del", cmd_gibson_del, 3, SINGLE_WRITE, deleted_key, "Deletes a key.", "O(1)", key_argument),
    ROW("end", cmd_gibson_end, -2, CMD_FAST | CMD_LOADING | CMD_STALE, NULL, "Closes the connection.", "O(1)", NULL),
    ROW("get", cmd_gibson_get, 3, CMD_READONLY | CMD_FAST, read_key, "Returns a value.", "O(1)", key_argument),
    ROW("help", cmd_gibson_help, 2, CMD_LOADING | CMD_STALE, NULL, "Explains the subcommands.", "O(1)", NULL),
    ROW("inc", cmd_gibson_inc, 3, SINGLE_WRITE, counted_key, "Adds one, or sets to one.", "O(1)", key_argument),
    ROW("keys", cmd_gibson_keys, 3, PREFIX_READ, NULL, "Lists the keys of a prefix by number.", BY_MATCHES,
        prefix_argument),
    ROW("lock", cmd_gibson_lock, 4, SINGLE_WRITE, changed_key, "Refuses writes to a key for a time.", "O(1)",
        key_seconds_arguments),
    ROW("mdec", cmd_gibson_mdec, 3, PREFIX_WRITE, NULL, "Subtracts one from the numbers of a prefix.", BY_MATCHES,
        prefix_argument),
    ROW("mdel", cmd_gibson_mdel, 3, PREFIX_WRITE, NULL, "Deletes the keys of a prefix.", BY_MATCHES, prefix_argument),
    ROW("meta", cmd_gibson_meta, 4, CMD_READONLY | CMD_FAST, meta_key, "Tells what is known about a key.", "O(1)",
        meta_arguments),
    ROW("mget", cmd_gibson_mget, -3, PREFIX_READ, NULL, "Returns the keys of a prefix with their values.", BY_MATCHES,
        mget_arguments),
    ROW("minc", cmd_gibson_minc, 3, PREFIX_WRITE, NULL, "Adds one to the numbers of a prefix.", BY_MATCHES,
        prefix_argument),
    ROW("mlock", cmd_gibson_mlock, 4, PREFIX_WRITE, NULL, "Refuses writes to the keys of a prefix for a time.",
        BY_MATCHES, prefix_seconds_arguments),
    GROWING_ROW("mset", cmd_gibson_mset, growth_of_prefix_set, 4, PREFIX_WRITE | CMD_DENYOOM, NULL,
                "Gives every key of a prefix a value.", BY_MATCHES, mset_arguments),
    ROW("mttl", cmd_gibson_mttl, 4, PREFIX_WRITE, NULL, "Gives the keys of a prefix a time to live.", BY_MATCHES,
        prefix_seconds_arguments),
    ROW("munlock", cmd_gibson_munlock, 3, PREFIX_WRITE, NULL, "Takes the locks of the keys of a prefix away.",
        BY_MATCHES, prefix_argument),
    ROW("ping", cmd_gibson_ping, -2, CMD_FAST | CMD_LOADING | CMD_STALE, NULL, "Answers.", "O(1)", NULL),
    ROW("set", cmd_gibson_set, 5, SINGLE_WRITE | CMD_DENYOOM, set_key, "Sets a key, with a time to live.", "O(1)",
        set_arguments),
    ROW("stats", cmd_gibson_stats, -2, CMD_VISITS_SHARDS, NULL, "Tells how the server is.", "O(1)", NULL),
    ROW("ttl", cmd_gibson_ttl, 4, SINGLE_WRITE, changed_key, "Gives a key a time to live.", "O(1)",
        key_seconds_arguments),
    ROW("unlock", cmd_gibson_unlock, 3, SINGLE_WRITE, changed_key, "Takes the lock of a key away.", "O(1)",
        key_argument),
    {0},
};

const struct command gibson_commands[] = {
    {
        .name = "gibson",
        .arity = -2,
        .group = "gibson",
        .summary = "A container for the operators of Gibson's protocol.",
        .since = "8.0.0",
        .complexity = "Depends on subcommand.",
        .subcommands = gibson_rows,
    },
    {0},
};

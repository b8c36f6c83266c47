/* The string commands' rows of the command table; the handlers are in string.c. */
#include "commands/commands.h"
#include "commands/growth.h"
#include "commands/string.h"

/* One key right behind the name, two of them, and keys up to the end of the arguments, alone or each with its value. */
#define ONE_KEY(key_flags)                                  \
    (const struct key_spec[])                               \
    {                                                       \
        {.flags = (key_flags), .index = 1, .step = 1}, {0}, \
    }
#define ONE_KEY_NOTED(key_flags, text)                                       \
    (const struct key_spec[])                                                \
    {                                                                        \
        {.flags = (key_flags), .index = 1, .step = 1, .notes = (text)}, {0}, \
    }
#define TWO_KEYS(key_flags)                                            \
    (const struct key_spec[])                                          \
    {                                                                  \
        {.flags = (key_flags), .index = 1, .last = 1, .step = 1}, {0}, \
    }
#define KEYS_TO_END(key_flags, every)                                         \
    (const struct key_spec[])                                                 \
    {                                                                         \
        {.flags = (key_flags), .index = 1, .last = -1, .step = (every)}, {0}, \
    }
#define COUNTED_KEYS(key_flags, every)                                                                \
    (const struct key_spec[])                                                                         \
    {                                                                                                 \
        {.flags = (key_flags), .find = KEYS_BY_NUMBER, .index = 1, .first = 1, .step = (every)}, {0}, \
    }

#define KEY_ARGUMENT                   \
    {                                  \
        .name = "key", .type = ARG_KEY \
    }
#define VALUE_ARGUMENT                      \
    {                                       \
        .name = "value", .type = ARG_STRING \
    }
#define TOKEN(argument_name, word)                                       \
    {                                                                    \
        .name = (argument_name), .type = ARG_PURE_TOKEN, .token = (word) \
    }
#define OPTIONAL_TOKEN(argument_name, word)                                                     \
    {                                                                                           \
        .name = (argument_name), .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = (word) \
    }

#define IN_PROPORTION_TO_KEYS "O(N), N being the number of keys"
#define IN_PROPORTION_TO_REPLY "O(N), N being the length of the reply; O(1) for short ones"

static const struct command_argument key_only[] = {KEY_ARGUMENT, {0}};
static const struct command_argument key_value[] = {KEY_ARGUMENT, VALUE_ARGUMENT, {0}};
static const struct command_argument keys_only[] = {{.name = "key", .type = ARG_KEY, .flags = ARG_MULTIPLE}, {0}};
static const struct command_argument keys_values[] = {
    {.name = "data", .type = ARG_BLOCK, .flags = ARG_MULTIPLE, .arguments = key_value},
    {0},
};
static const struct command_argument range_arguments[] = {
    KEY_ARGUMENT,
    {.name = "start", .type = ARG_INTEGER},
    {.name = "end", .type = ARG_INTEGER},
    {0},
};

static const struct command_argument nx_or_xx[] = {TOKEN("nx", "NX"), TOKEN("xx", "XX"), {0}};

static const struct command_argument set_conditions[] = {
    TOKEN("nx", "NX"),
    TOKEN("xx", "XX"),
    {.name = "comparison-value", .type = ARG_STRING, .token = "IFEQ", .since = "8.1.0"},
    {0},
};

static const struct command_argument set_expirations[] = {
    {.name = "seconds", .type = ARG_INTEGER, .token = "EX", .since = "2.6.12"},
    {.name = "milliseconds", .type = ARG_INTEGER, .token = "PX", .since = "2.6.12"},
    {.name = "unix-time-seconds", .type = ARG_UNIX_TIME, .token = "EXAT", .since = "6.2.0"},
    {.name = "unix-time-milliseconds", .type = ARG_UNIX_TIME, .token = "PXAT", .since = "6.2.0"},
    {.name = "keepttl", .type = ARG_PURE_TOKEN, .token = "KEEPTTL", .since = "6.0.0"},
    {0},
};

#define TIME_ARGUMENTS                                                           \
    {.name = "seconds", .type = ARG_INTEGER, .token = "EX"},                     \
        {.name = "milliseconds", .type = ARG_INTEGER, .token = "PX"},            \
        {.name = "unix-time-seconds", .type = ARG_UNIX_TIME, .token = "EXAT"},   \
    {                                                                            \
        .name = "unix-time-milliseconds", .type = ARG_UNIX_TIME, .token = "PXAT" \
    }
static const struct command_argument getex_expirations[] = {TIME_ARGUMENTS, TOKEN("persist", "PERSIST"), {0}};
static const struct command_argument msetex_expirations[] = {TIME_ARGUMENTS, TOKEN("keepttl", "KEEPTTL"), {0}};

static const struct command_argument set_arguments[] = {
    KEY_ARGUMENT,
    VALUE_ARGUMENT,
    {.name = "condition", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .since = "2.6.12", .arguments = set_conditions},
    {.name = "get", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "GET", .since = "6.2.0"},
    {.name = "expiration", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = set_expirations},
    {0},
};

static const struct command_argument getex_arguments[] = {
    KEY_ARGUMENT,
    {.name = "expiration", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = getex_expirations},
    {0},
};

static const struct command_argument msetex_arguments[] = {
    {.name = "numkeys", .type = ARG_INTEGER},
    {.name = "data", .type = ARG_BLOCK, .flags = ARG_MULTIPLE, .arguments = key_value},
    {.name = "condition", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = nx_or_xx},
    {.name = "expiration", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = msetex_expirations},
    {0},
};

static const struct command_argument lcs_arguments[] = {
    {.name = "key1", .type = ARG_KEY},
    {.name = "key2", .type = ARG_KEY},
    OPTIONAL_TOKEN("len", "LEN"),
    OPTIONAL_TOKEN("idx", "IDX"),
    {.name = "min-match-len", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "MINMATCHLEN"},
    OPTIONAL_TOKEN("withmatchlen", "WITHMATCHLEN"),
    {0},
};

#define KEY_NUMBER_VALUE(number_name)                                                    \
    (const struct command_argument[])                                                    \
    {                                                                                    \
        KEY_ARGUMENT, {.name = (number_name), .type = ARG_INTEGER}, VALUE_ARGUMENT, {0}, \
    }
#define KEY_NUMBER(number_name, number_type)                               \
    (const struct command_argument[])                                      \
    {                                                                      \
        KEY_ARGUMENT, {.name = (number_name), .type = (number_type)}, {0}, \
    }

static const struct command_history set_history[] = {
    {"2.6.12", "Options `EX`, `PX`, `NX` and `XX`."}, {"6.0.0", "Option `KEEPTTL`."},
    {"6.2.0", "Options `GET`, `EXAT` and `PXAT`."},   {"7.0.0", "`NX` and `GET` may be given together."},
    {"8.1.0", "Option `IFEQ`, as in Valkey."},        {0},
};

static const char *const mget_tips[] = {"request_policy:multi_shard", NULL};
static const char *const mset_tips[] = {"request_policy:multi_shard", "response_policy:all_succeeded", NULL};

/* SET reads the key only where its reply is the old value. */
static uint16_t set_key_flags(const bytes *argv, size_t argc)
{
    for (size_t i = 3; i < argc; i++)
        if (bytes_equal_nocase(argv[i], BYTES("get")))
            return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return KEY_OW | KEY_UPDATE;
}

static const struct key_spec set_keys[] = {
    {
        .flags = KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS,
        .index = 1,
        .step = 1,
        .notes = "Reads the key only with `GET`.",
        .flags_of = set_key_flags,
    },
    {0},
};

const struct command string_commands[] = {
    {
        .name = "append",
        .run = cmd_append,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_INSERT),
        .growth = growth_of_append,
        .group = "string",
        .summary = "Adds bytes to the end of a string, creating it if it is missing.",
        .since = "2.0.0",
        .complexity = "O(1), as long as little is added: the room of a growing value doubles",
        .arguments = key_value,
    },
    {
        .name = "decr",
        .run = cmd_decr,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "string",
        .summary = "Takes one from an integer; a missing key counts as 0.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = key_only,
    },
    {
        .name = "decrby",
        .run = cmd_decrby,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "string",
        .summary = "Takes a number from an integer; a missing key counts as 0.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = KEY_NUMBER("decrement", ARG_INTEGER),
    },
    {
        .name = "delifeq",
        .run = cmd_delifeq,
        .arity = 3,
        .flags = CMD_WRITE,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RM | KEY_ACCESS | KEY_DELETE),
        .group = "string",
        .summary = "Deletes a key if its string is the one given.",
        .since = "9.0.0",
        .complexity = "O(1)",
        .arguments = key_value,
    },
    {
        .name = "get",
        .run = cmd_get,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RO | KEY_ACCESS),
        .group = "string",
        .summary = "Replies a key's string.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = key_only,
    },
    {
        .name = "getdel",
        .run = cmd_getdel,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_DELETE),
        .group = "string",
        .summary = "Replies a key's string and deletes the key.",
        .since = "6.2.0",
        .complexity = "O(1)",
        .arguments = key_only,
    },
    {
        .name = "getex",
        .run = cmd_getex,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY_NOTED(KEY_RW | KEY_ACCESS | KEY_UPDATE, "Counts as an update because of the deadline."),
        .group = "string",
        .summary = "Replies a key's string, and can set or remove the key's deadline.",
        .since = "6.2.0",
        .complexity = "O(1)",
        .arguments = getex_arguments,
    },
    {
        .name = "getrange",
        .run = cmd_getrange,
        .arity = 4,
        .flags = CMD_READONLY,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RO | KEY_ACCESS),
        .group = "string",
        .summary = "Replies a part of a string.",
        .since = "2.4.0",
        .complexity = IN_PROPORTION_TO_REPLY,
        .arguments = range_arguments,
    },
    {
        .name = "getset",
        .run = cmd_getset,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "string",
        .summary = "Sets a key's string and replies the one it had before.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .deprecated_since = "6.2.0",
        .replaced_by = "`SET` with the `!GET` argument",
        .arguments = key_value,
    },
    {
        .name = "incr",
        .run = cmd_incr,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "string",
        .summary = "Adds one to an integer; a missing key counts as 0.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = key_only,
    },
    {
        .name = "incrby",
        .run = cmd_incrby,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "string",
        .summary = "Adds a number to an integer; a missing key counts as 0.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = KEY_NUMBER("increment", ARG_INTEGER),
    },
    {
        .name = "incrbyfloat",
        .run = cmd_incrbyfloat,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "string",
        .summary = "Adds a number to a floating-point number; a missing key counts as 0.",
        .since = "2.6.0",
        .complexity = "O(1)",
        .arguments = KEY_NUMBER("increment", ARG_DOUBLE),
    },
    {
        .name = "lcs",
        .run = cmd_lcs,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = ACL_STRING,
        .keys = TWO_KEYS(KEY_RO | KEY_ACCESS),
        .group = "string",
        .summary = "Finds the longest common subsequence of two strings.",
        .since = "7.0.0",
        .complexity = "O(N*M), N and M being the lengths of the strings",
        .arguments = lcs_arguments,
    },
    {
        .name = "mget",
        .run = cmd_mget,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_STRING,
        .keys = KEYS_TO_END(KEY_RO | KEY_ACCESS, 1),
        .tips = mget_tips,
        .group = "string",
        .summary = "Replies the strings of several keys.",
        .since = "1.0.0",
        .complexity = IN_PROPORTION_TO_KEYS,
        .arguments = keys_only,
    },
    {
        .name = "mset",
        .run = cmd_mset,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = ACL_STRING,
        .keys = KEYS_TO_END(KEY_OW | KEY_UPDATE, 2),
        .tips = mset_tips,
        .group = "string",
        .summary = "Sets the strings of several keys at once.",
        .since = "1.0.1",
        .complexity = IN_PROPORTION_TO_KEYS,
        .arguments = keys_values,
    },
    {
        .name = "msetex",
        .run = cmd_msetex,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = ACL_STRING,
        .keys = COUNTED_KEYS(KEY_OW | KEY_UPDATE, 2),
        .tips = mset_tips,
        .group = "string",
        .summary =
            "Sets the strings of several keys at once, with one deadline; if wanted, only when all or none are there.",
        .since = "8.4.0",
        .complexity = IN_PROPORTION_TO_KEYS,
        .arguments = msetex_arguments,
    },
    {
        .name = "msetnx",
        .run = cmd_msetnx,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = ACL_STRING,
        .keys = KEYS_TO_END(KEY_OW | KEY_INSERT, 2),
        .group = "string",
        .summary = "Sets the strings of several keys at once, if none of the keys is there.",
        .since = "1.0.1",
        .complexity = IN_PROPORTION_TO_KEYS,
        .arguments = keys_values,
    },
    {
        .name = "psetex",
        .run = cmd_psetex,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BRIEF,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_OW | KEY_UPDATE),
        .group = "string",
        .summary = "Sets a key's string for a number of milliseconds.",
        .since = "2.6.0",
        .complexity = "O(1)",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with the `PX` argument",
        .arguments = KEY_NUMBER_VALUE("milliseconds"),
    },
    {
        .name = "set",
        .run = cmd_set,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BRIEF,
        .categories = ACL_STRING,
        .keys = set_keys,
        .group = "string",
        .summary = "Sets a key's string, whatever the key held before.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .history = set_history,
        .arguments = set_arguments,
    },
    {
        .name = "setex",
        .run = cmd_setex,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BRIEF,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_OW | KEY_UPDATE),
        .group = "string",
        .summary = "Sets a key's string for a number of seconds.",
        .since = "2.0.0",
        .complexity = "O(1)",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with the `EX` argument",
        .arguments = KEY_NUMBER_VALUE("seconds"),
    },
    {
        .name = "setnx",
        .run = cmd_setnx,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_OW | KEY_INSERT),
        .group = "string",
        .summary = "Sets a key's string if the key is not there.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with the `NX` argument",
        .arguments = key_value,
    },
    {
        .name = "setrange",
        .run = cmd_setrange,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RW | KEY_UPDATE),
        .growth = growth_of_setrange,
        .group = "string",
        .summary = "Overwrites a part of a string, creating or filling it up with zeros as needed.",
        .since = "2.2.0",
        .complexity = "O(M), M being the length of the value; O(1) for short ones",
        .arguments = KEY_NUMBER_VALUE("offset"),
    },
    {
        .name = "strlen",
        .run = cmd_strlen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RO),
        .group = "string",
        .summary = "Replies the length of a string.",
        .since = "2.2.0",
        .complexity = "O(1)",
        .arguments = key_only,
    },
    {
        .name = "substr",
        .run = cmd_getrange,
        .arity = 4,
        .flags = CMD_READONLY,
        .categories = ACL_STRING,
        .keys = ONE_KEY(KEY_RO | KEY_ACCESS),
        .group = "string",
        .summary = "Replies a part of a string.",
        .since = "1.0.0",
        .complexity = IN_PROPORTION_TO_REPLY,
        .deprecated_since = "2.0.0",
        .replaced_by = "`GETRANGE`",
        .arguments = range_arguments,
    },
    {0},
};

/* Deadlines of keys: setting, reading and removing them. Redis has four ways to say when (seconds or milliseconds, from
   now or since the epoch) and four to ask; each is one handler around the same two functions. */
#include "commands/commands.h"
#include "engine/call.h"

#include <limits.h>

/* Conditions on the present deadline. A key without one counts as never expiring, so any deadline is less than its. */
enum {
    EXPIRE_NX = 1 << 0, /* it has none */
    EXPIRE_XX = 1 << 1, /* it has one */
    EXPIRE_GT = 1 << 2, /* the new one is later */
    EXPIRE_LT = 1 << 3, /* the new one is earlier */
};

/* The options from the fourth word on; on failure the error was replied. */
static bool parse_conditions(struct call *call, unsigned *conditions)
{
    *conditions = 0;
    for (size_t i = 3; i < call->argc; i++) {
        if (call_is_word(call, i, "nx")) {
            *conditions |= EXPIRE_NX;
        } else if (call_is_word(call, i, "xx")) {
            *conditions |= EXPIRE_XX;
        } else if (call_is_word(call, i, "gt")) {
            *conditions |= EXPIRE_GT;
        } else if (call_is_word(call, i, "lt")) {
            *conditions |= EXPIRE_LT;
        } else {
            bytes word = ARG(i);
            reply_error_format(call, "ERR Unsupported option %.*s", word.len < INT_MAX ? (int)word.len : INT_MAX,
                               word.at);
            return false;
        }
    }
    if ((*conditions & EXPIRE_NX) && (*conditions & (EXPIRE_XX | EXPIRE_GT | EXPIRE_LT))) {
        reply_error(call, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*conditions & EXPIRE_GT) && (*conditions & EXPIRE_LT)) {
        reply_error(call, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* The third word in units of `unit_ms` after `base_ms`, as a deadline; on failure the error was replied. */
static bool parse_deadline(struct call *call, int64_t unit_ms, int64_t base_ms, int64_t *deadline_ms)
{
    int64_t time;
    if (!call_integer(call, 2, &time))
        return false;
    if (__builtin_mul_overflow(time, unit_ms, &time) || __builtin_add_overflow(time, base_ms, deadline_ms)) {
        reply_error_format(call, "ERR invalid expire time in '%s' command", call->command->name);
        return false;
    }
    if (*deadline_ms == NO_DEADLINE)
        (*deadline_ms)--; /* the last millisecond of time itself stands for "never" in an entry */
    return true;
}

static bool are_met(unsigned conditions, int64_t current_ms, int64_t deadline_ms)
{
    return !((conditions & EXPIRE_NX) && current_ms != NO_DEADLINE) &&
           !((conditions & EXPIRE_XX) && current_ms == NO_DEADLINE) &&
           !((conditions & EXPIRE_GT) && deadline_ms <= current_ms) &&
           !((conditions & EXPIRE_LT) && deadline_ms >= current_ms);
}

/* COMMAND key time [NX | XX | GT | LT]: 1, or 0 when there is no such key or a condition is not met. A time that has
   passed deletes the key. */
static void expire(struct call *call, int64_t unit_ms, int64_t base_ms)
{
    unsigned conditions;
    int64_t deadline_ms;
    if (!parse_conditions(call, &conditions) || !parse_deadline(call, unit_ms, base_ms, &deadline_ms))
        return;
    struct ks_key key;
    call_key_write(call, 1, TYPE_ANY, &key);
    if (key.entry == NULL || !are_met(conditions, entry_deadline_ms(key.entry), deadline_ms)) {
        reply_integer(call, 0);
        return;
    }
    bool has_passed = deadline_ms <= call->now_ms;
    if (has_passed) {
        ks_delete(&key);
    } else if (ks_set_deadline(&key, deadline_ms, call->now_ms) != KS_OK) {
        reply_no_memory(call);
        return;
    }
    call_changed(call, &key);
    call_event(call, CFG_NOTIFY_GENERIC, has_passed ? "del" : "expire", &key);
    reply_integer(call, 1);
}

static void cmd_expire(struct call *call)
{
    expire(call, 1000, call->now_ms);
}

static void cmd_pexpire(struct call *call)
{
    expire(call, 1, call->now_ms);
}

static void cmd_expireat(struct call *call)
{
    expire(call, 1000, 0);
}

static void cmd_pexpireat(struct call *call)
{
    expire(call, 1, 0);
}

/* COMMAND key: its deadline in units of `unit_ms` after `base_ms`, rounded; -1: it has none, -2: there is no such key.
 */
static void reply_deadline(struct call *call, int64_t unit_ms, int64_t base_ms)
{
    struct ks_key key;
    call_key_look(call, 1, &key);
    if (key.entry == NULL) {
        reply_integer(call, -2);
        return;
    }
    int64_t deadline_ms = entry_deadline_ms(key.entry);
    if (deadline_ms == NO_DEADLINE) {
        reply_integer(call, -1);
        return;
    }
    int64_t left_ms = deadline_ms - base_ms;
    reply_integer(call, left_ms / unit_ms + (left_ms % unit_ms * 2 >= unit_ms));
}

static void cmd_ttl(struct call *call)
{
    reply_deadline(call, 1000, call->now_ms);
}

static void cmd_pttl(struct call *call)
{
    reply_deadline(call, 1, call->now_ms);
}

static void cmd_expiretime(struct call *call)
{
    reply_deadline(call, 1000, 0);
}

static void cmd_pexpiretime(struct call *call)
{
    reply_deadline(call, 1, 0);
}

/* PERSIST key: takes its deadline away. Reply: 1, or 0 when there is no such key or it has none. */
static void cmd_persist(struct call *call)
{
    struct ks_key key;
    call_key_write(call, 1, TYPE_ANY, &key);
    if (key.entry == NULL || entry_deadline_ms(key.entry) == NO_DEADLINE) {
        reply_integer(call, 0);
        return;
    }
    if (ks_set_deadline(&key, NO_DEADLINE, call->now_ms) != KS_OK) {
        reply_no_memory(call);
        return;
    }
    call_changed(call, &key);
    call_event(call, CFG_NOTIFY_GENERIC, "persist", &key);
    reply_integer(call, 1);
}

static const struct key_spec key_to_update[] = {
    {.flags = KEY_RW | KEY_UPDATE, .index = 1, .step = 1},
    {0},
};
static const struct key_spec key_to_read[] = {
    {.flags = KEY_RO | KEY_ACCESS, .index = 1, .step = 1},
    {0},
};

static const char *const changing_output[] = {"nondeterministic_output", NULL};

static const struct command_argument one_key[] = {{.name = "key", .type = ARG_KEY}, {0}};
static const struct command_argument conditions[] = {
    {.name = "nx", .type = ARG_PURE_TOKEN, .token = "NX"},
    {.name = "xx", .type = ARG_PURE_TOKEN, .token = "XX"},
    {.name = "gt", .type = ARG_PURE_TOKEN, .token = "GT"},
    {.name = "lt", .type = ARG_PURE_TOKEN, .token = "LT"},
    {0},
};

#define CONDITION                                                                                                \
    {                                                                                                            \
        .name = "condition", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .since = "7.0.0", .arguments = conditions \
    }

static const struct command_argument expire_arguments[] = {
    {.name = "key", .type = ARG_KEY},
    {.name = "seconds", .type = ARG_INTEGER},
    CONDITION,
    {0},
};
static const struct command_argument expireat_arguments[] = {
    {.name = "key", .type = ARG_KEY},
    {.name = "unix-time-seconds", .type = ARG_UNIX_TIME},
    CONDITION,
    {0},
};
static const struct command_argument pexpire_arguments[] = {
    {.name = "key", .type = ARG_KEY},
    {.name = "milliseconds", .type = ARG_INTEGER},
    CONDITION,
    {0},
};
static const struct command_argument pexpireat_arguments[] = {
    {.name = "key", .type = ARG_KEY},
    {.name = "unix-time-milliseconds", .type = ARG_UNIX_TIME},
    CONDITION,
    {0},
};

static const struct command_history with_conditions[] = {{"7.0.0", "Takes the options `NX`, `XX`, `GT` and `LT`."},
                                                         {0}};
static const struct command_history with_minus_two[] = {{"2.8.0", "Replies -2 when there is no such key."}, {0}};

const struct command expire_commands[] = {
    {
        .name = "expire",
        .run = cmd_expire,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_update,
        .group = "generic",
        .summary = "Lets a key expire after a number of seconds.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .history = with_conditions,
        .arguments = expire_arguments,
    },
    {
        .name = "expireat",
        .run = cmd_expireat,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_update,
        .group = "generic",
        .summary = "Lets a key expire at a Unix time in seconds.",
        .since = "1.2.0",
        .complexity = "O(1)",
        .history = with_conditions,
        .arguments = expireat_arguments,
    },
    {
        .name = "expiretime",
        .run = cmd_expiretime,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_read,
        .group = "generic",
        .summary = "Tells when a key expires, as a Unix time in seconds.",
        .since = "7.0.0",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {
        .name = "persist",
        .run = cmd_persist,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_update,
        .group = "generic",
        .summary = "Lets a key live until it is deleted.",
        .since = "2.2.0",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {
        .name = "pexpire",
        .run = cmd_pexpire,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_update,
        .group = "generic",
        .summary = "Lets a key expire after a number of milliseconds.",
        .since = "2.6.0",
        .complexity = "O(1)",
        .history = with_conditions,
        .arguments = pexpire_arguments,
    },
    {
        .name = "pexpireat",
        .run = cmd_pexpireat,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_update,
        .group = "generic",
        .summary = "Lets a key expire at a Unix time in milliseconds.",
        .since = "2.6.0",
        .complexity = "O(1)",
        .history = with_conditions,
        .arguments = pexpireat_arguments,
    },
    {
        .name = "pexpiretime",
        .run = cmd_pexpiretime,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_read,
        .group = "generic",
        .summary = "Tells when a key expires, as a Unix time in milliseconds.",
        .since = "7.0.0",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {
        .name = "pttl",
        .run = cmd_pttl,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_read,
        .tips = changing_output,
        .group = "generic",
        .summary = "Tells how many milliseconds a key has left.",
        .since = "2.6.0",
        .complexity = "O(1)",
        .history = with_minus_two,
        .arguments = one_key,
    },
    {
        .name = "ttl",
        .run = cmd_ttl,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_read,
        .tips = changing_output,
        .group = "generic",
        .summary = "Tells how many seconds a key has left.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .history = with_minus_two,
        .arguments = one_key,
    },
    {0},
};

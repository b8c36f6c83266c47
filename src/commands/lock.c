/* LOCK, UNLOCK and FENCE: locks on keys that all clients meet. While a key is locked every write to it is refused with
   LOCKED; the dispatcher sees to that (engine/locks.h), before a handler runs. `FENCE token command ...` runs a command
   on keys locked under that token, and on no others, so an owner whose lock has run out, or went to somebody else, is
   refused instead of writing over their work. Tokens grow, over all keys: what lies behind the lock can tell the later
   owner from the earlier. */
#include "commands/commands.h"
#include "engine/locks.h"
#include "keyspace/item.h"

/* LOCK key seconds [TOKEN]: 1, or the lock's token; 0, or null, when there is no such key. */
static void cmd_lock(struct call *call)
{
    int64_t lock_s;
    bool wants_token = call->argc == 4 && call_is_word(call, 3, "token");
    if (call->argc > 4 || (call->argc == 4 && !wants_token)) {
        reply_syntax_error(call);
        return;
    }
    if (!call_lock_time(call, 2, &lock_s))
        return;
    struct ks_key key;
    uint64_t token;
    call_key_peek(call, 1, &key);
    if (key.entry == NULL && wants_token) {
        reply_null(call);
    } else if (key.entry == NULL) {
        reply_integer(call, 0);
    } else if (ks_is_item_locked(key.entry, call->now_ms)) {
        reply_locked(call);
    } else if (ks_lock_item(&key, lock_s, call->now_ms, &token) != KS_OK) {
        reply_no_memory(call);
    } else {
        stat_add(&call->executor->stats.changes, 1);
        reply_integer(call, wants_token ? (int64_t)token : 1);
    }
}

/* UNLOCK key [TOKEN token]: takes the lock away, whoever holds it, or only if it is the one of this token. Reply: 1, or
   0 when there was none. */
static void cmd_unlock(struct call *call)
{
    int64_t token = 0;
    bool has_token = call->argc == 4 && call_is_word(call, 2, "token");
    if (call->argc != 2 && !has_token) {
        reply_syntax_error(call);
        return;
    }
    if (has_token && !call_integer(call, 3, &token))
        return;
    struct ks_key key;
    call_key_peek(call, 1, &key);
    bool was_locked = key.entry != NULL && ks_is_item_locked(key.entry, call->now_ms) &&
                      (!has_token || entry_item(key.entry)->token == (uint64_t)token);
    if (was_locked) {
        ks_unlock_item(&key);
        stat_add(&call->executor->stats.changes, 1);
    }
    reply_integer(call, was_locked);
}

static const struct key_spec lock_keys[] = {{.flags = KEY_RW | KEY_UPDATE, .index = 1, .step = 1}, {0}};
static const struct command_argument lock_arguments[] = {
    {.name = "key", .type = ARG_KEY, .key_spec = 0},
    {.name = "seconds", .type = ARG_INTEGER},
    {.name = "token", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "TOKEN"},
    {0},
};
static const struct command_argument unlock_arguments[] = {
    {.name = "key", .type = ARG_KEY, .key_spec = 0},
    {.name = "token", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "TOKEN"},
    {0},
};
static const struct command_argument fence_arguments[] = {
    {.name = "token", .type = ARG_INTEGER},
    {.name = "command", .type = ARG_STRING},
    {.name = "arg", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};

const struct command lock_commands[] = {
    {
        .name = "fence",
        .arity = -3,
        .flags = CMD_FENCES | CMD_NO_MANDATORY_KEYS,
        .categories = ACL_KEYSPACE,
        .group = "lock",
        .summary = "Runs a command on keys that are locked under a token.",
        .since = "8.0.0",
        .complexity = "That of the command.",
        .arguments = fence_arguments,
    },
    {
        .name = "lock",
        .run = cmd_lock,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST | CMD_SPARES_LOCKS,
        .categories = ACL_KEYSPACE,
        .keys = lock_keys,
        .group = "lock",
        .summary = "Refuses writes to a key for a time.",
        .since = "8.0.0",
        .complexity = "O(1)",
        .arguments = lock_arguments,
    },
    {
        .name = "unlock",
        .run = cmd_unlock,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST | CMD_SPARES_LOCKS,
        .categories = ACL_KEYSPACE,
        .keys = lock_keys,
        .group = "lock",
        .summary = "Takes the lock of a key away.",
        .since = "8.0.0",
        .complexity = "O(1)",
        .arguments = unlock_arguments,
    },
    {0},
};

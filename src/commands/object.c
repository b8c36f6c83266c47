/* OBJECT: looking inside a key without using it. */
#include "base/num.h"
#include "commands/commands.h"
#include "engine/call.h"

/* Finds the key of a subcommand; replies null and returns false when there is none. */
static bool find_object(struct call *call, struct ks_key *key)
{
    call_key_inspect(call, 2, key);
    if (key->entry == NULL)
        reply_null(call);
    return key->entry != NULL;
}

/* Are uses counted, as by the LFU policies and S3-FIFO, rather than the time of the last one kept? */
static bool keeps_frequency(const struct call *call)
{
    return atomic_load_explicit(&call->engine->keyspace.access.kind, memory_order_relaxed) != ACCESS_TIME;
}

/* OBJECT ENCODING key: how its value is stored. */
static void cmd_object_encoding(struct call *call)
{
    struct ks_key key;
    if (find_object(call, &key))
        reply_bulk_text(call, entry_encoding_name(key.entry));
}

/* OBJECT FREQ key: its counter of uses; with allkeys-s3fifo 0 to 2, those since the key was last looked at for
 * eviction.
 */
static void cmd_object_freq(struct call *call)
{
    struct ks_key key;
    if (!find_object(call, &key))
        return;
    if (!keeps_frequency(call)) {
        reply_error(call, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
                          "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
        return;
    }
    reply_integer(call, ks_frequency(&key, call->now_ms));
}

/* OBJECT IDLETIME key: seconds since its last use. */
static void cmd_object_idletime(struct call *call)
{
    struct ks_key key;
    if (!find_object(call, &key))
        return;
    if (keeps_frequency(call)) {
        reply_error(call, "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
                          "switching between policies at runtime LRU and LFU data will take some time to adjust.");
        return;
    }
    reply_integer(call, ks_idle_seconds(&key, call->now_ms));
}

/* Redis keeps one shared object for each small integer, whose count of references never changes, unless eviction needs
   every key to have an object of its own. Nothing is shared here, but clients may look at the figure. */
enum { SHARED_INTEGERS = 10000, SHARED_REFERENCES = INT32_MAX };

static bool is_shared_in_redis(const struct call *call, const struct entry *entry)
{
    int64_t value;
    struct string_view view;
    if (entry->type != TYPE_STRING || entry->encoding != STRING_INT || !view_open(&view, entry))
        return false;
    bool is_small = num_parse_int64(view.value, &value) && value >= 0 && value < SHARED_INTEGERS;
    view_close(&view);
    if (!is_small)
        return false;
    if (CFG_READ(call->engine->config, maxmemory) == 0)
        return true;
    switch (CFG_READ(call->engine->config, maxmemory_policy)) {
    case CFG_POLICY_ALLKEYS_LRU:
    case CFG_POLICY_ALLKEYS_LFU:
    case CFG_POLICY_VOLATILE_LRU:
    case CFG_POLICY_VOLATILE_LFU:
        return false;
    default:
        return true;
    }
}

/* OBJECT REFCOUNT key: how many share its value. */
static void cmd_object_refcount(struct call *call)
{
    struct ks_key key;
    if (find_object(call, &key))
        reply_integer(call, is_shared_in_redis(call, key.entry) ? SHARED_REFERENCES : 1);
}

static void cmd_object_help(struct call *call)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    How the value is stored.",
        "FREQ <key>",
        "    About the logarithm of how often the key was used lately (LFU policies only).",
        "IDLETIME <key>",
        "    Seconds since the key was last used (not with LFU policies).",
        "REFCOUNT <key>",
        "    How many references there are to the value.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct key_spec object_keys[] = {{.flags = KEY_RO, .index = 2, .step = 1}, {0}};
static const char *const object_tips[] = {"nondeterministic_output", NULL};
static const struct command_argument one_key[] = {{.name = "key", .type = ARG_KEY}, {0}};

static const struct command object_subcommands[] = {
    {
        .name = "encoding",
        .run = cmd_object_encoding,
        .arity = 3,
        .flags = CMD_READONLY,
        .categories = ACL_KEYSPACE,
        .keys = object_keys,
        .tips = object_tips,
        .group = "generic",
        .summary = "Tells how a key's value is stored.",
        .since = "2.2.3",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {
        .name = "freq",
        .run = cmd_object_freq,
        .arity = 3,
        .flags = CMD_READONLY,
        .categories = ACL_KEYSPACE,
        .keys = object_keys,
        .tips = object_tips,
        .group = "generic",
        .summary = "Tells how often a key was used, on a logarithmic scale.",
        .since = "4.0.0",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {
        .name = "help",
        .run = cmd_object_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = ACL_KEYSPACE,
        .group = "generic",
        .summary = "Explains the subcommands.",
        .since = "6.2.0",
        .complexity = "O(1)",
    },
    {
        .name = "idletime",
        .run = cmd_object_idletime,
        .arity = 3,
        .flags = CMD_READONLY,
        .categories = ACL_KEYSPACE,
        .keys = object_keys,
        .tips = object_tips,
        .group = "generic",
        .summary = "Tells how long ago a key was last used.",
        .since = "2.2.3",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {
        .name = "refcount",
        .run = cmd_object_refcount,
        .arity = 3,
        .flags = CMD_READONLY,
        .categories = ACL_KEYSPACE,
        .keys = object_keys,
        .tips = object_tips,
        .group = "generic",
        .summary = "Tells how many references a key's value has.",
        .since = "2.2.3",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {0},
};

const struct command object_commands[] = {
    {
        .name = "object",
        .arity = -2,
        .subcommands = object_subcommands,
        .group = "generic",
        .summary = "Looks inside keys.",
        .since = "2.2.3",
        .complexity = "That of the subcommand.",
    },
    {0},
};

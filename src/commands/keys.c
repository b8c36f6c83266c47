/* Commands on keys as such, whatever their values: existence, deletion, renaming, copying, moving. Deadlines are in
   expire.c, walks over all keys in scan.c, whole databases in database.c. */
#include "commands/commands.h"
#include "commands/growth.h"
#include "engine/locks.h"

/* DEL key [key ...], UNLINK key [key ...]: the same here, where freeing never stalls. Reply: how many there were. */
static void cmd_del(struct call *call)
{
    int64_t deleted = 0;
    for (size_t i = 1; i < call->argc; i++) {
        struct ks_key key;
        call_key_peek(call, i, &key);
        if (key.entry == NULL)
            continue;
        ks_delete(&key);
        call_changed(call, &key);
        call_event(call, CFG_NOTIFY_GENERIC, "del", &key);
        deleted++;
    }
    reply_integer(call, deleted);
}

/* EXISTS key [key ...]: how many of them there are; a key named twice counts twice. */
static void cmd_exists(struct call *call)
{
    int64_t existing = 0;
    for (size_t i = 1; i < call->argc; i++) {
        struct ks_key key;
        call_key_look(call, i, &key);
        existing += key.entry != NULL;
    }
    reply_integer(call, existing);
}

/* TOUCH key [key ...]: counts a use of each, also for a client that said CLIENT NO-TOUCH. Reply: how many there are. */
static void cmd_touch(struct call *call)
{
    int64_t existing = 0;
    for (size_t i = 1; i < call->argc; i++) {
        struct ks_key key;
        call_key_look(call, i, &key);
        if (key.entry == NULL)
            continue;
        ks_touch(&key, call->now_ms);
        existing++;
    }
    reply_integer(call, existing);
}

/* TYPE key: the name of its value's type, "none" when there is no such key. */
static void cmd_type(struct call *call)
{
    struct ks_key key;
    call_key_look(call, 1, &key);
    reply_status(call, key.entry != NULL ? entry_type_name(key.entry) : "none");
}

/* To Redis a key that takes the place of another is new; the keyspace tells only of those that were not there. */
static void tell_if_replaced(struct call *call, bool is_replacing, const struct ks_key *key)
{
    if (is_replacing)
        call_event(call, CFG_NOTIFY_NEW, "new", key);
}

enum rename_result { RENAME_DONE, RENAME_TAKEN, RENAME_FAILED };

/* Gives the first key the name of the second, if that is free or may be replaced; on RENAME_FAILED an error was
 * replied. */
static enum rename_result rename_key(struct call *call, bool may_replace)
{
    struct ks_key from;
    struct ks_key to;
    call_key_write(call, 1, TYPE_ANY, &from);
    if (from.entry == NULL) {
        reply_error(call, "ERR no such key");
        return RENAME_FAILED;
    }
    if (bytes_equal(ARG(1), ARG(2)))
        return may_replace ? RENAME_DONE : RENAME_TAKEN;
    call_key_write(call, 2, TYPE_ANY, &to);
    if (to.entry != NULL && !may_replace)
        return RENAME_TAKEN;
    bool is_replacing = to.entry != NULL;
    if (ks_move(&from, &to) != KS_OK) {
        reply_no_memory(call);
        return RENAME_FAILED;
    }
    call_changed(call, &from);
    call_changed(call, &to);
    tell_if_replaced(call, is_replacing, &to);
    call_event(call, CFG_NOTIFY_GENERIC, "rename_from", &from);
    call_event(call, CFG_NOTIFY_GENERIC, "rename_to", &to);
    return RENAME_DONE;
}

/* RENAME key newkey: replaces what newkey held. */
static void cmd_rename(struct call *call)
{
    if (rename_key(call, true) != RENAME_FAILED)
        reply_ok(call);
}

/* RENAMENX key newkey: 1, or 0 when newkey exists already. */
static void cmd_renamenx(struct call *call)
{
    enum rename_result result = rename_key(call, false);
    if (result != RENAME_FAILED)
        reply_integer(call, result == RENAME_DONE);
}

static void reply_same_object(struct call *call)
{
    reply_error(call, "ERR source and destination objects are the same");
}

struct copy_options {
    size_t db;
    bool may_replace;
};

static bool parse_copy_options(struct call *call, struct copy_options *options)
{
    *options = (struct copy_options){.db = call_db(call)};
    for (size_t i = 3; i < call->argc; i++) {
        if (call_is_word(call, i, "replace")) {
            options->may_replace = true;
        } else if (call_is_word(call, i, "db") && i + 1 < call->argc) {
            if (!call_database(call, ++i, &options->db))
                return false;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* COPY source destination [DB destination-db] [REPLACE]: value and deadline. Reply: 1, or 0 when there is no source, or
   a destination that may not be replaced. */
static void cmd_copy(struct call *call)
{
    struct copy_options options;
    if (!parse_copy_options(call, &options))
        return;
    if (options.db == call_db(call) && bytes_equal(ARG(1), ARG(2))) {
        reply_same_object(call);
        return;
    }
    struct ks_key from;
    struct ks_key to;
    call_key_read(call, 1, TYPE_ANY, &from);
    if (from.entry == NULL) {
        reply_integer(call, 0);
        return;
    }
    call_key_peek_in(call, 2, options.db, &to);
    if (to.entry != NULL && !options.may_replace) {
        reply_integer(call, 0);
        return;
    }
    if (options.db != call_db(call) && to.entry != NULL && !locks_admit(call, to.entry)) {
        reply_locked(call); /* the dispatcher looked at the key of that name in the session's database */
        return;
    }
    bool is_replacing = to.entry != NULL;
    if (ks_copy(&from, &to, call->now_ms) != KS_OK) {
        reply_no_memory(call);
        return;
    }
    call_changed(call, &to);
    tell_if_replaced(call, is_replacing, &to);
    call_event(call, CFG_NOTIFY_GENERIC, "copy_to", &to);
    reply_integer(call, 1);
}

/* MOVE key db: to another database. Reply: 1, or 0 when there is no such key here, or one there already. */
static void cmd_move(struct call *call)
{
    size_t db;
    if (!call_database(call, 2, &db))
        return;
    if (db == call_db(call)) {
        reply_same_object(call);
        return;
    }
    struct ks_key from;
    struct ks_key to;
    call_key_write(call, 1, TYPE_ANY, &from);
    if (from.entry == NULL) {
        reply_integer(call, 0);
        return;
    }
    call_key_peek_in(call, 1, db, &to);
    if (to.entry != NULL) {
        reply_integer(call, 0);
        return;
    }
    if (ks_move(&from, &to) != KS_OK) {
        reply_no_memory(call);
        return;
    }
    call_changed(call, &from);
    call_changed(call, &to);
    call_event(call, CFG_NOTIFY_GENERIC, "move_from", &from);
    call_event(call, CFG_NOTIFY_GENERIC, "move_to", &to);
    reply_integer(call, 1);
}

static const struct key_spec keys_to_delete[] = {
    {.flags = KEY_RM | KEY_DELETE, .index = 1, .last = -1, .step = 1},
    {0},
};
static const struct key_spec keys_to_look_at[] = {
    {.flags = KEY_RO, .index = 1, .last = -1, .step = 1},
    {0},
};
static const struct key_spec key_to_look_at[] = {
    {.flags = KEY_RO, .index = 1, .step = 1},
    {0},
};
static const struct key_spec rename_keys[] = {
    {.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .index = 1, .step = 1},
    {.flags = KEY_OW | KEY_UPDATE, .index = 2, .step = 1},
    {0},
};
static const struct key_spec renamenx_keys[] = {
    {.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .index = 1, .step = 1},
    {.flags = KEY_OW | KEY_INSERT, .index = 2, .step = 1},
    {0},
};
static const struct key_spec copy_keys[] = {
    {.flags = KEY_RO | KEY_ACCESS, .index = 1, .step = 1},
    {.flags = KEY_OW | KEY_UPDATE, .index = 2, .step = 1},
    {0},
};
static const struct key_spec move_keys[] = {
    {.flags = KEY_RW | KEY_ACCESS | KEY_UPDATE, .index = 1, .step = 1},
    {0},
};

static const char *const summed_over_shards[] = {"request_policy:multi_shard", "response_policy:agg_sum", NULL};

static const struct command_argument one_key[] = {{.name = "key", .type = ARG_KEY}, {0}};
static const struct command_argument many_keys[] = {{.name = "key", .type = ARG_KEY, .flags = ARG_MULTIPLE}, {0}};
static const struct command_argument two_names[] = {
    {.name = "key", .type = ARG_KEY},
    {.name = "newkey", .type = ARG_KEY, .key_spec = 1},
    {0},
};
static const struct command_argument copy_arguments[] = {
    {.name = "source", .type = ARG_KEY},
    {.name = "destination", .type = ARG_KEY, .key_spec = 1},
    {.name = "destination-db", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "DB"},
    {.name = "replace", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "REPLACE"},
    {0},
};
static const struct command_argument move_arguments[] = {
    {.name = "key", .type = ARG_KEY},
    {.name = "db", .type = ARG_INTEGER},
    {0},
};

const struct command key_commands[] = {
    {
        .name = "copy",
        .run = cmd_copy,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = ACL_KEYSPACE,
        .keys = copy_keys,
        .growth = growth_of_copy,
        .group = "generic",
        .summary = "Copies a key's value and deadline to another key.",
        .since = "6.2.0",
        .complexity = "O(1) for strings, O(N) for the N elements of other values.",
        .arguments = copy_arguments,
    },
    {
        .name = "del",
        .run = cmd_del,
        .arity = -2,
        .flags = CMD_WRITE,
        .categories = ACL_KEYSPACE,
        .keys = keys_to_delete,
        .tips = summed_over_shards,
        .group = "generic",
        .summary = "Deletes keys.",
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of keys.",
        .arguments = many_keys,
    },
    {
        .name = "exists",
        .run = cmd_exists,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = keys_to_look_at,
        .tips = summed_over_shards,
        .group = "generic",
        .summary = "Counts those of the given keys that exist.",
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of keys.",
        .history = (const struct command_history[]){{"3.0.3", "Takes several keys."}, {0}},
        .arguments = many_keys,
    },
    {
        .name = "move",
        .run = cmd_move,
        .growth = growth_of_move,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = move_keys,
        .group = "generic",
        .summary = "Moves a key to another database.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = move_arguments,
    },
    {
        .name = "rename",
        .run = cmd_rename,
        .arity = 3,
        .flags = CMD_WRITE,
        .categories = ACL_KEYSPACE,
        .keys = rename_keys,
        .group = "generic",
        .summary = "Gives a key another name, replacing what has that name.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = two_names,
    },
    {
        .name = "renamenx",
        .run = cmd_renamenx,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = renamenx_keys,
        .group = "generic",
        .summary = "Gives a key another name unless the name is taken.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .history = (const struct command_history[]){{"3.2.0", "Two equal names are no error any more."}, {0}},
        .arguments = two_names,
    },
    {
        .name = "touch",
        .run = cmd_touch,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = keys_to_look_at,
        .tips = summed_over_shards,
        .group = "generic",
        .summary = "Counts the given keys that exist, and marks them as used now.",
        .since = "3.2.1",
        .complexity = "O(N) where N is the number of keys.",
        .arguments = many_keys,
    },
    {
        .name = "type",
        .run = cmd_type,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = key_to_look_at,
        .group = "generic",
        .summary = "Names the type of a key's value.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = one_key,
    },
    {
        .name = "unlink",
        .run = cmd_del,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = ACL_KEYSPACE,
        .keys = keys_to_delete,
        .tips = summed_over_shards,
        .group = "generic",
        .summary = "Deletes keys; large values are freed in the background.",
        .since = "4.0.0",
        .complexity = "O(1) for each key; freeing large values is done in the background.",
        .arguments = many_keys,
    },
    {0},
};

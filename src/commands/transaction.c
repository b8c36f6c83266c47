/* MULTI, EXEC, DISCARD, WATCH, UNWATCH. The queue and the watches are the engine's (engine/transaction.h, watch.h). */
#include "engine/transaction.h"

#include "commands/commands.h"

/* MULTI: what follows is queued. */
static void cmd_multi(struct call *call)
{
    if (call->session->transaction != NULL)
        reply_error(call, "ERR MULTI calls can not be nested");
    else if (!transaction_begin(call->session))
        reply_no_memory(call);
    else
        reply_ok(call);
}

/* EXEC: runs what was queued, all or nothing; null when a watched key was touched. */
static void cmd_exec(struct call *call)
{
    call->is_running = true;
    if (call->session->transaction == NULL)
        reply_error(call, "ERR EXEC without MULTI");
    else
        transaction_run(call);
}

/* DISCARD: forgets what was queued, and what is watched. */
static void cmd_discard(struct call *call)
{
    if (call->session->transaction == NULL) {
        reply_error(call, "ERR DISCARD without MULTI");
        return;
    }
    transaction_drop(call->session);
    reply_ok(call);
}

/* WATCH key [key ...]: EXEC does nothing if one of these is touched before it. */
static void cmd_watch(struct call *call)
{
    if (call->session->transaction != NULL) {
        reply_error(call, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (size_t i = 1; i < call->argc; i++) {
        struct ks_key key;
        call_key_peek(call, i, &key);
        if (!watch_add(call->session, &key)) {
            reply_no_memory(call);
            return;
        }
    }
    reply_ok(call);
}

/* UNWATCH: forgets what is watched. */
static void cmd_unwatch(struct call *call)
{
    watch_clear(call->session);
    reply_ok(call);
}

static const struct command_argument watch_arguments[] = {
    {.name = "key", .type = ARG_KEY, .flags = ARG_MULTIPLE},
    {0},
};
static const struct key_spec watch_keys[] = {{.flags = KEY_RO, .index = 1, .last = -1, .step = 1}, {0}};

const struct command transaction_commands[] = {
    {
        .name = "discard",
        .run = cmd_discard,
        .arity = 1,
        .flags =
            CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_TRANSACTION | CMD_LEAVES_MULTI |
            CMD_VISITS_SHARDS,
        .categories = ACL_TRANSACTION,
        .group = "transactions",
        .summary = "Forgets the queued commands of a transaction.",
        .since = "2.0.0",
        .complexity = "O(N) in the number of queued commands.",
    },
    {
        .name = "exec",
        .run = cmd_exec,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG | CMD_TRANSACTION | CMD_LEAVES_MULTI |
                 CMD_RUNS_QUEUE | CMD_VISITS_SHARDS,
        .categories = ACL_TRANSACTION,
        .group = "transactions",
        .summary = "Runs the queued commands of a transaction, all or none.",
        .since = "1.2.0",
        .complexity = "That of the queued commands.",
    },
    {
        .name = "multi",
        .run = cmd_multi,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_TRANSACTION,
        .categories = ACL_TRANSACTION,
        .group = "transactions",
        .summary = "Begins a transaction: commands are queued until EXEC.",
        .since = "1.2.0",
        .complexity = "O(1)",
    },
    {
        .name = "unwatch",
        .run = cmd_unwatch,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_VISITS_SHARDS,
        .categories = ACL_TRANSACTION,
        .group = "transactions",
        .summary = "Forgets all watched keys.",
        .since = "2.2.0",
        .complexity = "O(N) in the number of watched keys.",
    },
    {
        .name = "watch",
        .run = cmd_watch,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_TRANSACTION,
        .categories = ACL_TRANSACTION,
        .keys = watch_keys,
        .group = "transactions",
        .summary = "Makes the next EXEC depend on these keys staying untouched.",
        .since = "2.2.0",
        .complexity = "O(1) for each key.",
        .arguments = watch_arguments,
    },
    {0},
};

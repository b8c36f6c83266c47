/* SLOWLOG: the calls that took long; and MONITOR, which shows all calls as they run. Both are the engine's
   (engine/slowlog.h, engine/monitor.h); here they are spoken about. */
#include "base/num.h"
#include "commands/commands.h"
#include "engine/call.h"

enum { SHOWN_BY_DEFAULT = 10 };

static void reply_slow_call(struct call *call, const struct slow_call *slow)
{
    reply_array(call, 6);
    reply_integer(call, (int64_t)slow->id);
    reply_integer(call, slow->at_s);
    reply_integer(call, (int64_t)slow->duration_us);
    reply_array(call, slow->argc);
    for (size_t i = 0; i < slow->argc; i++)
        reply_bulk(call, slow->argv[i]);
    reply_bulk(call, slow->address);
    reply_bulk(call, slow->client_name);
}

/* SLOWLOG GET [count]: the newest first; -1: all of them. */
static void cmd_slowlog_get(struct call *call)
{
    int64_t wanted = SHOWN_BY_DEFAULT;
    if (call->argc > 3) {
        reply_subcommand_error(call);
        return;
    }
    if (call->argc == 3 && (!num_parse_int64(ARG(2), &wanted) || wanted < -1)) {
        reply_error(call, "ERR count should be greater than or equal to -1");
        return;
    }
    size_t count;
    struct slow_call **calls = slowlog_take(&call->engine->slowlog, wanted < 0 ? SIZE_MAX : (size_t)wanted, &count);
    if (calls == NULL) {
        reply_no_memory(call);
        return;
    }
    reply_array(call, count);
    for (size_t i = 0; i < count; i++)
        reply_slow_call(call, calls[i]);
    slowlog_give_back(calls, count);
}

/* SLOWLOG LEN */
static void cmd_slowlog_len(struct call *call)
{
    reply_integer(call, (int64_t)slowlog_length(&call->engine->slowlog));
}

/* SLOWLOG RESET */
static void cmd_slowlog_reset(struct call *call)
{
    slowlog_reset(&call->engine->slowlog);
    reply_ok(call);
}

static void cmd_slowlog_help(struct call *call)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    The newest <count> slow calls (default: 10, -1 means all), each with its number,",
        "    the time, how many microseconds it took, its words, and the client's address and",
        "    name.",
        "LEN",
        "    How many slow calls are kept.",
        "RESET",
        "    Forget them.",
        NULL,
    };
    reply_help(call, lines);
}

/* MONITOR: from now on the client is sent every command that runs. Said again it means nothing. */
static void cmd_monitor(struct call *call)
{
    if (call->session->modes & MODE_MONITORS)
        return;
    if (call->session->modes & MODE_EXEC) {
        reply_error(call, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    reply_ok(call);
    monitor_join(call->session);
}

/* ---- Rows ---- */

static const struct command_argument count_argument[] = {
    {.name = "count", .type = ARG_INTEGER, .flags = ARG_OPTIONAL},
    {0},
};
static const struct command_history get_history[] = {
    {"4.0.0", "The client's address and name are part of the reply."},
    {0},
};
static const char *const get_tips[] = {"request_policy:all_nodes", "nondeterministic_output", NULL};
static const char *const len_tips[] = {"request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output",
                                       NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded", NULL};

static const struct command slowlog_subcommands[] = {
    {
        .name = "get",
        .run = cmd_slowlog_get,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .tips = get_tips,
        .group = "server",
        .summary = "Shows calls that took long.",
        .since = "2.2.12",
        .complexity = "O(N) where N is the number of entries returned",
        .history = get_history,
        .arguments = count_argument,
    },
    {
        .name = "help",
        .run = cmd_slowlog_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Explains the subcommands.",
        .since = "6.2.0",
        .complexity = "O(1)",
    },
    {
        .name = "len",
        .run = cmd_slowlog_len,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .tips = len_tips,
        .group = "server",
        .summary = "Counts the calls in the slow log.",
        .since = "2.2.12",
        .complexity = "O(1)",
    },
    {
        .name = "reset",
        .run = cmd_slowlog_reset,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .tips = reset_tips,
        .group = "server",
        .summary = "Empties the slow log.",
        .since = "2.2.12",
        .complexity = "O(N) where N is the number of entries in the slowlog",
    },
    {0},
};

const struct command slowlog_commands[] = {
    {
        .name = "monitor",
        .run = cmd_monitor,
        .arity = 1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Shows every command as it is run.",
        .since = "1.0.0",
    },
    {
        .name = "slowlog",
        .arity = -2,
        .subcommands = slowlog_subcommands,
        .group = "server",
        .summary = "The commands about the slow log.",
        .since = "2.2.12",
        .complexity = "Depends on subcommand.",
    },
    {0},
};

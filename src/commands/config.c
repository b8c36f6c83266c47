/* CONFIG: the configuration as clients see and change it. What a parameter is, and what a value may be, is known to
   engine/config.h; this file only speaks about it. */
#include "commands/commands.h"
#include "engine/call.h"

#include <stdio.h>

struct pairs {
    struct call *call;
    size_t count;
};

static void reply_pair(void *context, bytes name, bytes value)
{
    struct pairs *pairs = context;
    reply_bulk(pairs->call, name);
    reply_bulk(pairs->call, value);
    pairs->count++;
}

/* CONFIG GET pattern [pattern ...]: a map of the names that match, with their values. */
static void cmd_config_get(struct call *call)
{
    struct pairs pairs = {.call = call};
    struct out_chunk *begun = reply_begin(call);
    if (!cfg_get(call->engine->config, &ARG(2), call->argc - 2, reply_pair, &pairs))
        call->session->out.failed = true; /* half a reply cannot be taken back */
    reply_end_map(call, begun, pairs.count);
}

/* CONFIG SET name value [name value ...]: all of them, or none. */
static void cmd_config_set(struct call *call)
{
    if (call->argc % 2 != 0) {
        reply_syntax_error(call);
        return;
    }
    struct cfg_error error;
    if (cfg_set_many(call->engine->config, &ARG(2), call->argc - 2, call->session->is_local, &error))
        reply_ok(call);
    else
        reply_error_format(call, "ERR %s", error.text);
}

/* Values of passwords and the like. */
static bool hides_sensitive_value(const bytes *argv, size_t argc, size_t argument)
{
    (void)argc;
    if (argument < 3 || argument % 2 == 0)
        return false;
    const struct cfg_row *row = cfg_lookup(argv[argument - 1]);
    return row != NULL && cfg_is_sensitive(row);
}

/* CONFIG RESETSTAT: the counters of INFO begin anew. */
static void cmd_config_resetstat(struct call *call)
{
    if (engine_reset_stats(call->engine))
        reply_ok(call);
    else
        reply_no_memory(call);
}

/* CONFIG REWRITE: writes what was changed back into the file that the server was started with. */
static void cmd_config_rewrite(struct call *call)
{
    const struct host *host = &call->engine->host;
    char error[CFG_ERROR_SIZE];
    if (host->rewrite_config == NULL) {
        reply_error(call, "ERR The server is running without a config file");
        return;
    }
    if (!host->rewrite_config(host->context, call->engine, error, sizeof(error))) {
        log_printf(&call->engine->log, LOG_WARNING_LEVEL, "CONFIG REWRITE failed: %s", error);
        reply_error_format(call, "ERR %s", error);
        return;
    }
    log_printf(&call->engine->log, LOG_NOTICE_LEVEL, "CONFIG REWRITE executed with success.");
    reply_ok(call);
}

static void cmd_config_help(struct call *call)
{
    static const char *const lines[] = {
        "GET <pattern> [<pattern> ...]",
        "    Gives the parameters that match one of the patterns, with their values.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Changes parameters, all of them or none.",
        "RESETSTAT",
        "    Sets the counters that INFO reports back to zero.",
        "REWRITE",
        "    Writes the present configuration into the configuration file.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct command_argument get_block[] = {{.name = "parameter", .type = ARG_STRING}, {0}};
static const struct command_argument get_arguments[] = {
    {.name = "parameter", .type = ARG_BLOCK, .flags = ARG_MULTIPLE, .arguments = get_block}, {0}};
static const struct command_history get_history[] = {{"7.0.0", "Several patterns in one call."}, {0}};

static const struct command_argument set_block[] = {
    {.name = "parameter", .type = ARG_STRING}, {.name = "value", .type = ARG_STRING}, {0}};
static const struct command_argument set_arguments[] = {
    {.name = "parameter_value", .type = ARG_BLOCK, .flags = ARG_MULTIPLE, .arguments = set_block}, {0}};
static const struct command_history set_history[] = {{"7.0.0", "Several parameters in one call."}, {0}};
static const char *const set_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded", NULL};

static const struct command config_subcommands[] = {
    {
        .name = "get",
        .run = cmd_config_get,
        .arity = -3,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Gives the values of configuration parameters.",
        .since = "2.0.0",
        .complexity = "O(N) when N is the number of configuration parameters provided",
        .history = get_history,
        .arguments = get_arguments,
    },
    {
        .name = "help",
        .run = cmd_config_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Describes the subcommands.",
        .since = "5.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "resetstat",
        .run = cmd_config_resetstat,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_VISITS_SHARDS,
        .group = "server",
        .summary = "Sets the counters of INFO back to zero.",
        .since = "2.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "rewrite",
        .run = cmd_config_rewrite,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Writes the present configuration into the configuration file.",
        .since = "2.8.0",
        .complexity = "O(1)",
    },
    {
        .name = "set",
        .run = cmd_config_set,
        .hides = hides_sensitive_value,
        .arity = -4,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .tips = set_tips,
        .group = "server",
        .summary = "Changes configuration parameters while the server runs.",
        .since = "2.0.0",
        .complexity = "O(N) when N is the number of configuration parameters provided",
        .history = set_history,
        .arguments = set_arguments,
    },
    {0},
};

const struct command config_commands[] = {
    {
        .name = "config",
        .arity = -2,
        .subcommands = config_subcommands,
        .group = "server",
        .summary = "Commands on the server's configuration.",
        .since = "2.0.0",
        .complexity = "Depends on subcommand.",
    },
    {0},
};

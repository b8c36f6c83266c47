/* Commands about the server as a whole: its time, its end, and the rows of those that have files of their own (INFO,
   MEMORY, DEBUG). */
#include "commands/server.h"

#include "base/num.h"
#include "base/text.h"
#include "commands/commands.h"

/* TIME: seconds since the epoch, and microseconds within the second. */
static void cmd_time(struct call *call)
{
    int64_t now_us = clock_now_us(&call->engine->clock);
    reply_array(call, 2);
    reply_bulk_integer(call, now_us / 1000000);
    reply_bulk_integer(call, now_us % 1000000);
}

/* ---- LOLWUT ---- */

enum { SHELVES = 3, JARS_DEFAULT = 12, JARS_MAX = 1000 };

/* A shelf of jars, each filled to its own height, with a gap here and there. */
static void draw_shelf(struct text *text, struct random *random, int jars)
{
    enum { ROWS = 3 };
    static const char *const contents[] = {"  ", "..", "::", "##"};
    uint64_t pattern = random_next(random);
    for (int row = 0; row < ROWS; row++) {
        struct random same;
        random_seed(&same, pattern); /* every row draws the same jars */
        for (int jar = 0; jar < jars; jar++) {
            bool is_gap = random_below(&same, 6) == 0;
            int level = (int)random_below(&same, ROWS + 1);
            const char *fill = contents[1 + random_below(&same, COUNT_OF(contents) - 1)];
            text_append(text, is_gap ? BYTES("     ") : BYTES("|"));
            if (!is_gap)
                text_append_format(text, "%s| ", ROWS - row <= level ? fill : contents[0]);
        }
        text_append_char(text, '\n');
    }
    for (int jar = 0; jar < jars; jar++)
        text_append(text, BYTES("====="));
    text_append_char(text, '\n');
}

/* LOLWUT [VERSION version [jars]]: a larder, never twice the same, and the version. */
static void cmd_lolwut(struct call *call)
{
    int64_t version;
    int64_t jars = JARS_DEFAULT;
    if (call->argc > 2 && call_is_word(call, 1, "version")) {
        if (!call_integer(call, 2, &version) || (call->argc > 3 && !call_integer(call, 3, &jars)))
            return;
    }
    jars = jars < 1 ? 1 : jars > JARS_MAX ? JARS_MAX : jars;
    struct text text = {0};
    for (int i = 0; i < SHELVES; i++)
        draw_shelf(&text, &call->executor->random, (int)jars);
    text_append_format(&text, "\nLarder ver. " LARDER_VERSION ", Redis ver. " LARDER_REDIS_VERSION "\n");
    if (text.is_cut)
        reply_no_memory(call);
    else
        reply_verbatim(call, text_bytes(&text));
    text_free(&text);
}

/* ---- SHUTDOWN ---- */

struct shutdown_options {
    bool saves;
    bool does_not_save;
    bool is_now;
    bool is_forced;
    bool is_aborting;
};

static bool parse_shutdown(struct call *call, struct shutdown_options *options)
{
    *options = (struct shutdown_options){0};
    bool is_valid = true;
    for (size_t i = 1; i < call->argc && is_valid; i++) {
        if (call_is_word(call, i, "nosave"))
            options->does_not_save = true;
        else if (call_is_word(call, i, "save"))
            options->saves = true;
        else if (call_is_word(call, i, "now"))
            options->is_now = true;
        else if (call_is_word(call, i, "force"))
            options->is_forced = true;
        else if (call_is_word(call, i, "abort"))
            options->is_aborting = true;
        else
            is_valid = false;
    }
    bool has_others = options->saves || options->does_not_save || options->is_now || options->is_forced;
    if (is_valid && !(options->is_aborting && has_others) && !(options->saves && options->does_not_save))
        return true;
    reply_syntax_error(call);
    return false;
}

/* SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]: the stop begins at once, without waiting for anybody, so there is
   never one to abort; the client sees its connection close instead of a reply. There is no snapshot file to write: who
   insists on saving is refused, unless by force. */
static void cmd_shutdown(struct call *call)
{
    struct larder *engine = call->engine;
    struct shutdown_options options;
    if (!parse_shutdown(call, &options))
        return;
    if (options.is_aborting) {
        reply_error(call, "ERR No shutdown in progress.");
        return;
    }
    const char *reason = NULL;
    if (options.saves && !options.is_forced)
        reason = "saving is not possible";
    else if (engine->host.shutdown == NULL || !engine->host.shutdown(engine->host.context, engine))
        reason = "only the program around the engine can stop it";
    if (reason == NULL) {
        call->session->close_after_reply = true;
        return;
    }
    log_printf(&engine->log, LOG_WARNING_LEVEL, "SHUTDOWN refused: %s", reason);
    reply_error(call, "ERR Errors trying to SHUTDOWN. Check logs.");
}

/* ---- Rows ---- */

static const struct command_argument lolwut_arguments[] = {
    {.name = "version", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "VERSION"},
    {0},
};
static const struct command_argument save_modes[] = {
    {.name = "nosave", .type = ARG_PURE_TOKEN, .token = "NOSAVE"},
    {.name = "save", .type = ARG_PURE_TOKEN, .token = "SAVE"},
    {0},
};
static const struct command_argument shutdown_arguments[] = {
    {.name = "save-selector", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = save_modes},
    {.name = "now", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "NOW", .since = "7.0.0"},
    {.name = "force", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "FORCE", .since = "7.0.0"},
    {.name = "abort", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "ABORT", .since = "7.0.0"},
    {0},
};
static const struct command_argument info_arguments[] = {
    {.name = "section", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};

static const struct command_history shutdown_history[] = {
    {"7.0.0", "The options `NOW`, `FORCE` and `ABORT`."},
    {0},
};
static const struct command_history info_history[] = {
    {"7.0.0", "Several sections may be asked for at once."},
    {0},
};

static const char *const info_tips[] = {"nondeterministic_output", "request_policy:all_shards",
                                        "response_policy:special", NULL};
static const char *const time_tips[] = {"nondeterministic_output", NULL};

const struct command server_commands[] = {
    {
        .name = "debug",
        .run = cmd_debug,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED | CMD_ALL_SHARDS,
        .group = "server",
        .summary = "Commands for finding faults, and for tests.",
        .is_system = true,
        .since = "1.0.0",
        .complexity = "Depends on subcommand.",
    },
    {
        .name = "info",
        .run = cmd_info,
        .arity = -1,
        .flags = CMD_LOADING | CMD_STALE | CMD_VISITS_SHARDS,
        .categories = ACL_DANGEROUS,
        .tips = info_tips,
        .group = "server",
        .summary = "Tells the server's state and figures.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .history = info_history,
        .arguments = info_arguments,
    },
    {
        .name = "lolwut",
        .run = cmd_lolwut,
        .arity = -1,
        .flags = CMD_READONLY | CMD_FAST,
        .group = "server",
        .summary = "Draws a picture and tells the version.",
        .since = "5.0.0",
        .arguments = lolwut_arguments,
    },
    {
        .name = "memory",
        .arity = -2,
        .subcommands = memory_subcommands,
        .group = "server",
        .summary = "The commands about memory.",
        .since = "4.0.0",
        .complexity = "Depends on subcommand.",
    },
    {
        .name = "shutdown",
        .run = cmd_shutdown,
        .arity = -1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY,
        .group = "server",
        .summary = "Stops the server.",
        .since = "1.0.0",
        .complexity =
            "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise "
            "O(1)",
        .history = shutdown_history,
        .arguments = shutdown_arguments,
    },
    {
        .name = "time",
        .run = cmd_time,
        .arity = 1,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .tips = time_tips,
        .group = "server",
        .summary = "Tells the server's time.",
        .since = "2.6.0",
        .complexity = "O(1)",
    },
    {0},
};

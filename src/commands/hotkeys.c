/* HOTKEYS: which keys cost the most, as in Redis 8.6. The tracking is the engine's (engine/hotkeys.h). */
#include "base/mem.h"
#include "base/num.h"
#include "commands/commands.h"
#include "engine/call.h"

enum { FIRST_METRIC = 4, LAST_SLOT = 16383 };

/* A number among the options; on failure the error has been replied. */
static bool number_option(struct call *call, size_t argument, int64_t least, int64_t most, const char *error,
                          int64_t *number)
{
    if (num_parse_int64(ARG(argument), number) && *number >= least && *number <= most)
        return true;
    reply_error(call, error);
    return false;
}

static const char *const metric_names[HOTKEYS_METRICS] = {[HOTKEYS_CPU] = "CPU", [HOTKEYS_NET] = "NET"};

/* The metric that an argument names; HOTKEYS_METRICS: none. */
static size_t named_metric(const struct call *call, size_t argument)
{
    size_t metric = 0;
    while (metric < HOTKEYS_METRICS && !call_is_word(call, argument, metric_names[metric]))
        metric++;
    return metric;
}

/* The names of metrics, from argument FIRST_METRIC on, of which there should be `count`; *next is the argument behind
   them. */
static bool parse_metrics(struct call *call, int64_t count, struct hotkeys_options *options, size_t *next)
{
    size_t i = FIRST_METRIC;
    for (; i < call->argc; i++) {
        size_t metric = named_metric(call, i);
        if (metric == HOTKEYS_METRICS)
            break;
        if (options->metrics[metric]) {
            reply_error_format(call, "ERR METRICS %s defined more than once!", metric_names[metric]);
            return false;
        }
        options->metrics[metric] = true;
    }
    *next = i;
    if (i - FIRST_METRIC == (size_t)count)
        return true;
    reply_error(call, i == FIRST_METRIC ? "ERR METRICS no valid metrics passed. Supported: CPU|NET"
                                        : "ERR METRICS count does not match number of metric types provided");
    return false;
}

/* The option at argument i, behind the metrics: a word and a number. */
static bool parse_option(struct call *call, size_t i, struct hotkeys_options *options)
{
    int64_t number = 0;
    if (call_is_word(call, i, "slots")) {
        reply_error(call, "ERR SLOTS parameter cannot be used in non-cluster mode");
        return false;
    }
    if (i + 1 < call->argc && call_is_word(call, i, "count")) {
        if (!number_option(call, i + 1, 1, HOTKEYS_COUNT_MAX, "ERR COUNT must be between 1 and 64", &number))
            return false;
        options->count = (size_t)number;
    } else if (i + 1 < call->argc && call_is_word(call, i, "duration")) {
        if (!number_option(call, i + 1, 0, INT64_MAX, "ERR DURATION must not be negative", &options->duration_s))
            return false;
    } else if (i + 1 < call->argc && call_is_word(call, i, "sample")) {
        if (!number_option(call, i + 1, 1, INT64_MAX, "ERR SAMPLE ratio must be positive", &number))
            return false;
        options->ratio = (uint64_t)number;
    } else {
        reply_syntax_error(call);
        return false;
    }
    return true;
}

static bool parse_start(struct call *call, struct hotkeys_options *options)
{
    *options = (struct hotkeys_options){.count = HOTKEYS_COUNT_DEFAULT, .ratio = 1};
    if (call->argc < 4 || !call_is_word(call, 2, "metrics")) {
        reply_error(call, "ERR METRICS parameter is required");
        return false;
    }
    int64_t count;
    size_t next;
    if (!number_option(call, 3, 1, HOTKEYS_METRICS, "ERR METRICS count must be > 0 and <= 2", &count) ||
        !parse_metrics(call, count, options, &next))
        return false;
    for (size_t i = next; i < call->argc; i += 2)
        if (!parse_option(call, i, options))
            return false;
    return true;
}

static void reply_start(struct call *call, enum hotkeys_status status)
{
    if (status == HOTKEYS_OK)
        reply_ok(call);
    else if (status == HOTKEYS_NO_MEMORY)
        reply_no_memory(call);
    else
        reply_error(call, "ERR hotkey tracking session already in progress");
}

/* HOTKEYS START METRICS count [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio] */
static void cmd_hotkeys_start(struct call *call)
{
    struct hotkeys_options options;
    if (hotkeys_is_active(call->engine, call->now_ms))
        reply_start(call, HOTKEYS_IN_PROGRESS);
    else if (parse_start(call, &options))
        reply_start(call, hotkeys_start(call->engine, &options, call->now_ms));
}

/* HOTKEYS STOP: OK, or null if nothing was tracked. */
static void cmd_hotkeys_stop(struct call *call)
{
    if (hotkeys_stop(call->engine, call->now_ms) == HOTKEYS_OK)
        reply_ok(call);
    else
        reply_null(call);
}

/* HOTKEYS RESET */
static void cmd_hotkeys_reset(struct call *call)
{
    if (hotkeys_reset(call->engine, call->now_ms) == HOTKEYS_OK)
        reply_ok(call);
    else
        reply_error(call, "ERR hotkey tracking session in progress, stop tracking first");
}

static void reply_field(struct call *call, const char *field, int64_t value)
{
    reply_bulk_text(call, field);
    reply_integer(call, value);
}

/* Keys and what they cost, in turn. */
static void reply_keys(struct call *call, const char *field, const struct hotkeys_report *report,
                       enum hotkeys_metric metric, uint64_t unit)
{
    reply_bulk_text(call, field);
    reply_array(call, 2 * report->counts[metric]);
    for (size_t i = 0; i < report->counts[metric]; i++) {
        reply_bulk(call, report->keys[metric][i].name);
        reply_integer(call, (int64_t)(report->keys[metric][i].weight / unit));
    }
}

/* What was measured for a metric, if it was; the number of fields. */
static size_t reply_cpu(struct call *call, const struct hotkeys_report *report)
{
    if (!report->options.metrics[HOTKEYS_CPU])
        return 0;
    reply_field(call, "total-cpu-time-user-ms", report->usage.user_ms);
    reply_field(call, "total-cpu-time-sys-ms", report->usage.system_ms);
    reply_keys(call, "by-cpu-time-us", report, HOTKEYS_CPU, 1000);
    return 3;
}

static size_t reply_net(struct call *call, const struct hotkeys_report *report)
{
    if (!report->options.metrics[HOTKEYS_NET])
        return 0;
    reply_field(call, "total-net-bytes", (int64_t)report->usage.net_bytes);
    reply_keys(call, "by-net-bytes", report, HOTKEYS_NET, 1);
    return 2;
}

/* All keys are tracked, whatever slot they would have in a cluster. */
static void reply_slots(struct call *call)
{
    reply_bulk_text(call, "selected-slots");
    reply_array(call, 1);
    reply_array(call, 2);
    reply_integer(call, 0);
    reply_integer(call, LAST_SLOT);
}

/* HOTKEYS GET: what was found so far, in an array of one; null if nothing was tracked. */
static void cmd_hotkeys_get(struct call *call)
{
    struct hotkeys_report report;
    enum hotkeys_status status = hotkeys_tell(call->engine, call->now_ms, &report);
    if (status == HOTKEYS_NOT_ACTIVE) {
        reply_null(call);
        return;
    }
    if (status != HOTKEYS_OK) {
        reply_no_memory(call);
        return;
    }
    reply_array(call, 1);
    struct out_chunk *begun = reply_begin(call);
    reply_field(call, "tracking-active", report.is_active);
    reply_field(call, "sample-ratio", (int64_t)report.options.ratio);
    reply_slots(call);
    reply_field(call, "all-commands-all-slots-us", (int64_t)(report.sums[HOTKEYS_CPU] / 1000));
    reply_field(call, "net-bytes-all-commands-all-slots", (int64_t)report.sums[HOTKEYS_NET]);
    reply_field(call, "collection-start-time-unix-ms", report.started_ms);
    reply_field(call, "collection-duration-ms", report.duration_ms);
    size_t count = 7 + reply_cpu(call, &report) + reply_net(call, &report);
    reply_end_map(call, begun, count);
    mem_free(report.memory);
}

static void cmd_hotkeys_help(struct call *call)
{
    static const char *const lines[] = {
        "GET",
        "    The keys that cost the most, and what they cost, since the tracking was started.",
        "RESET",
        "    Forget what was found. Not while keys are tracked.",
        "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>]",
        "    Begin to track keys by processor time, by bytes on the network, or by both:",
        "    * COUNT: tell the <k> heaviest (default: 10, at most 64)",
        "    * DURATION: stop after so many seconds (default: never)",
        "    * SAMPLE: look at one key in <ratio> only (default: all)",
        "STOP",
        "    Stop tracking. What was found stays.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows ---- */

static const struct command_argument metrics_arguments[] = {
    {.name = "count", .type = ARG_INTEGER},
    {.name = "cpu", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "CPU"},
    {.name = "net", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "NET"},
    {0},
};
static const struct command_argument slots_arguments[] = {
    {.name = "count", .type = ARG_INTEGER},
    {.name = "slot", .type = ARG_INTEGER, .flags = ARG_MULTIPLE},
    {0},
};
static const struct command_argument start_arguments[] = {
    {.name = "metrics", .type = ARG_BLOCK, .token = "METRICS", .arguments = metrics_arguments},
    {.name = "k", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "COUNT"},
    {.name = "seconds", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "DURATION"},
    {.name = "ratio", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "SAMPLE"},
    {.name = "slots", .type = ARG_BLOCK, .flags = ARG_OPTIONAL, .token = "SLOTS", .arguments = slots_arguments},
    {0},
};

/* What all rows here but HELP's share. */
#define HOTKEYS_ROW .flags = CMD_ADMIN | CMD_NOSCRIPT, .group = "server", .since = "8.6.0"

static const struct command hotkeys_subcommands[] = {
    {
        HOTKEYS_ROW,
        .name = "get",
        .run = cmd_hotkeys_get,
        .arity = 2,
        .summary = "Tells the keys that cost the most.",
        .complexity = "O(K) where K is the number of hotkeys returned.",
    },
    {
        .name = "help",
        .run = cmd_hotkeys_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Explains the subcommands.",
        .since = "8.6.0",
        .complexity = "O(1)",
    },
    {
        HOTKEYS_ROW,
        .name = "reset",
        .run = cmd_hotkeys_reset,
        .arity = 2,
        .summary = "Forgets what was found about keys.",
        .complexity = "O(1)",
    },
    {
        HOTKEYS_ROW,
        .name = "start",
        .run = cmd_hotkeys_start,
        .arity = -2,
        .summary = "Begins to track which keys cost the most.",
        .complexity = "O(1)",
        .arguments = start_arguments,
    },
    {
        HOTKEYS_ROW,
        .name = "stop",
        .run = cmd_hotkeys_stop,
        .arity = 2,
        .summary = "Stops tracking keys.",
        .complexity = "O(1)",
    },
    {0},
};

const struct command hotkeys_commands[] = {
    {
        .name = "hotkeys",
        .arity = -2,
        .subcommands = hotkeys_subcommands,
        .group = "server",
        .summary = "The commands about keys that cost much.",
        .since = "8.6.0",
        .complexity = "Depends on subcommand.",
    },
    {0},
};

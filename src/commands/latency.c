/* LATENCY: what took long, by kind of event (engine/latency.h), and how long each command takes (HISTOGRAM). The
   machine-readable replies are Redis's; the graph and the report are for people. */
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "commands/client.h"
#include "commands/commands.h"
#include "engine/call.h"

#include <math.h>

/* The event of that name; false when there is none. */
static bool find_event(bytes name, enum latency_event *event)
{
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        *event = (enum latency_event)i;
        if (bytes_equal(name, bytes_of(latency_event_name(*event))))
            return true;
    }
    return false;
}

/* What is known of the event that an argument names; false when that is nothing. */
static bool copy_named(struct call *call, size_t argument, struct latency_series *series)
{
    enum latency_event event;
    return find_event(ARG(argument), &event) && latency_copy(&call->engine->latency, event, series);
}

/* LATENCY LATEST: of each event its name, and time, length and greatest length so far of its last sample. */
static void cmd_latency_latest(struct call *call)
{
    size_t count = 0;
    struct out_chunk *begun = reply_begin(call);
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        struct latency_series series;
        if (!latency_copy(&call->engine->latency, (enum latency_event)i, &series))
            continue;
        const struct latency_sample *last = latency_at(&series, latency_count(&series) - 1);
        reply_array(call, 4);
        reply_bulk_text(call, latency_event_name((enum latency_event)i));
        reply_integer(call, last->at_s);
        reply_integer(call, last->ms);
        reply_integer(call, series.worst_ms);
        count++;
    }
    reply_end_array(call, begun, count);
}

/* LATENCY HISTORY event: time and length of its samples. */
static void cmd_latency_history(struct call *call)
{
    struct latency_series series;
    size_t count = copy_named(call, 2, &series) ? latency_count(&series) : 0;
    reply_array(call, count);
    for (size_t i = 0; i < count; i++) {
        reply_array(call, 2);
        reply_integer(call, latency_at(&series, i)->at_s);
        reply_integer(call, latency_at(&series, i)->ms);
    }
}

/* LATENCY RESET [event ...]: forgets these, or all. The reply: how many of them there were. */
static void cmd_latency_reset(struct call *call)
{
    struct latency *latency = &call->engine->latency;
    int64_t count = 0;
    enum latency_event event;
    for (size_t i = 2; i < call->argc; i++)
        count += find_event(ARG(i), &event) && latency_reset(latency, event);
    for (int i = 0; call->argc == 2 && i < LATENCY_EVENTS; i++)
        count += latency_reset(latency, (enum latency_event)i);
    reply_integer(call, count);
}

/* Replies a text for people and frees it. */
static void reply_report(struct call *call, struct text *text)
{
    if (text->is_cut)
        reply_no_memory(call);
    else
        reply_verbatim(call, text_bytes(text));
    text_free(text);
}

/* ---- LATENCY GRAPH ---- */

enum { GRAPH_ROWS = 8 };

struct range {
    uint32_t low_ms;
    uint32_t high_ms;
};

static struct range range_of(const struct latency_series *series)
{
    struct range range = {.low_ms = UINT32_MAX};
    for (size_t i = 0; i < latency_count(series); i++) {
        uint32_t ms = latency_at(series, i)->ms;
        range.low_ms = ms < range.low_ms ? ms : range.low_ms;
        range.high_ms = ms > range.high_ms ? ms : range.high_ms;
    }
    return range;
}

/* How many of the rows a sample's column fills: 1 for the lowest, all for the highest. */
static unsigned column_height(struct range range, uint32_t ms)
{
    if (range.high_ms == range.low_ms)
        return GRAPH_ROWS;
    uint64_t part = (uint64_t)(ms - range.low_ms) * (GRAPH_ROWS - 1);
    return 1 + (unsigned)(part / (range.high_ms - range.low_ms));
}

enum { AGE_LETTERS = 3 };

/* The age of a sample: "12s", " 3m", "17h", " 2d". */
static void write_age(int64_t seconds, char age[AGE_LETTERS])
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    seconds = seconds > 0 ? seconds : 0;
    size_t unit = 0;
    while (unit < COUNT_OF(units) - 1 && seconds < units[unit].seconds)
        unit++;
    int64_t number = seconds / units[unit].seconds;
    number = number < 99 ? number : 99;
    age[0] = (char)(number < 10 ? ' ' : '0' + number / 10);
    age[1] = (char)('0' + number % 10);
    age[2] = units[unit].letter;
}

static void draw_columns(struct text *text, const struct latency_series *series)
{
    struct range range = range_of(series);
    for (unsigned row = GRAPH_ROWS; row > 0; row--) {
        for (size_t i = 0; i < latency_count(series); i++)
            text_append_char(text, column_height(range, latency_at(series, i)->ms) >= row ? '#' : ' ');
        text_append_char(text, '\n');
    }
}

/* Under each column its age, to be read downwards. */
static void draw_ages(struct text *text, const struct latency_series *series, int64_t now_s)
{
    for (size_t letter = 0; letter < AGE_LETTERS; letter++) {
        for (size_t i = 0; i < latency_count(series); i++) {
            char age[AGE_LETTERS];
            write_age(now_s - latency_at(series, i)->at_s, age);
            text_append_char(text, age[letter]);
        }
        text_append_char(text, '\n');
    }
}

/* LATENCY GRAPH event */
static void cmd_latency_graph(struct call *call)
{
    struct latency_series series;
    if (!copy_named(call, 2, &series)) {
        reply_error_format(call, "ERR No samples available for event '%.*s'", (int)quoted_length(ARG(2)), ARG(2).at);
        return;
    }
    struct range range = range_of(&series);
    struct text text = {0};
    text_append(&text, ARG(2));
    text_append_format(&text, ": %u to %u ms, %u ms at worst\n\n", range.low_ms, range.high_ms, series.worst_ms);
    draw_columns(&text, &series);
    draw_ages(&text, &series, call->now_ms / 1000);
    reply_report(call, &text);
}

/* ---- LATENCY DOCTOR ---- */

/* An event's samples in figures. */
struct spikes {
    size_t count;
    double mean_ms;
    double deviation_ms; /* on average, from the mean */
    double period_s;     /* between one and the next */
};

static struct spikes sum_up(const struct latency_series *series)
{
    struct spikes spikes = {.count = latency_count(series)};
    for (size_t i = 0; i < spikes.count; i++)
        spikes.mean_ms += latency_at(series, i)->ms / (double)spikes.count;
    for (size_t i = 0; i < spikes.count; i++)
        spikes.deviation_ms += fabs(latency_at(series, i)->ms - spikes.mean_ms) / (double)spikes.count;
    int64_t span_s = latency_at(series, spikes.count - 1)->at_s - latency_at(series, 0)->at_s;
    spikes.period_s = spikes.count > 1 ? (double)span_s / (double)(spikes.count - 1) : 0;
    return spikes;
}

static void describe_event(struct text *text, enum latency_event event, const struct latency_series *series)
{
    struct spikes spikes = sum_up(series);
    text_append_format(text, " * %s: %zu spike%s of %.0f ms on average (mean deviation %.0f ms)",
                       latency_event_name(event), spikes.count, spikes.count == 1 ? "" : "s", spikes.mean_ms,
                       spikes.deviation_ms);
    if (spikes.count > 1)
        text_append_format(text, ", one every %.1f s", spikes.period_s);
    text_append_format(text, "; the worst ever took %u ms.\n", series->worst_ms);
}

static void advise_on_commands(struct text *text, const struct larder *engine)
{
    long long threshold_ms = CFG_READ(engine->config, latency_monitor_threshold_ms);
    long long slow_us = CFG_READ(engine->config, slowlog_log_slower_than_us);
    if (slow_us < 0 || slow_us / 1000 > threshold_ms)
        text_append_format(
            text,
            " - The slow log leaves out what the latency monitor sees. To find the calls that were slow: "
            "CONFIG SET slowlog-log-slower-than %lld\n",
            threshold_ms * 1000);
    else
        text_append(text, BYTES(" - SLOWLOG GET names the calls that were slow.\n"));
    text_append(text,
                BYTES(" - Commands that go through all keys (KEYS, SORT, a large SCAN COUNT), or through a whole large "
                      "value, hold up those who wait for the same keys. Ask for less at a time.\n"));
}

static void advise(struct text *text, enum latency_event event, const struct larder *engine)
{
    switch (event) {
    case LATENCY_COMMAND:
        advise_on_commands(text, engine);
        break;
    case LATENCY_FAST_COMMAND:
        text_append(text,
                    BYTES(" - Commands that do little took long: the machine had no time for this process, or its "
                          "memory was swapped out. Look at the load of the machine, and at swapping.\n"));
        break;
    case LATENCY_EXPIRE_CYCLE:
        text_append(text,
                    BYTES(" - Many keys, or large ones, expire at the same moment. Deadlines that are spread out a "
                          "little spread the work too.\n"));
        break;
    case LATENCY_EVICTION_CYCLE:
        text_append(text,
                    BYTES(" - Making room takes long: large values are thrown out, or writes come faster than room "
                          "can be made. Smaller values, or more maxmemory, help.\n"));
        break;
    case LATENCY_EVENTS:
        break;
    }
}

/* The report on what was noted; advice comes after all figures. */
static void diagnose(struct text *text, struct larder *engine)
{
    bool is_noted[LATENCY_EVENTS] = {false};
    size_t count = 0;
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        struct latency_series series;
        is_noted[i] = latency_copy(&engine->latency, (enum latency_event)i, &series);
        if (!is_noted[i])
            continue;
        if (count++ == 0)
            text_append(text, BYTES("There were latency spikes:\n\n"));
        describe_event(text, (enum latency_event)i, &series);
    }
    if (count > 0)
        text_append(text, BYTES("\nWhat may help:\n\n"));
    for (int i = 0; i < LATENCY_EVENTS; i++)
        if (is_noted[i])
            advise(text, (enum latency_event)i, engine);
}

/* LATENCY DOCTOR */
static void cmd_latency_doctor(struct call *call)
{
    struct larder *engine = call->engine;
    struct text text = {0};
    diagnose(&text, engine);
    if (text.len == 0 && latency_is_on(&engine->latency))
        text_append_format(&text, "Nothing took %lld ms or longer since the latency monitor was turned on.\n",
                           CFG_READ(engine->config, latency_monitor_threshold_ms));
    else if (text.len == 0)
        text_append(&text,
                    BYTES("The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> turns "
                          "it on.\n"));
    reply_report(call, &text);
}

/* ---- LATENCY HISTOGRAM ---- */

/* Redis's borders: powers of two times 1024 ns, told in whole microseconds as it rounds them. */
static uint64_t border_ns(unsigned step)
{
    return 1024ULL << step;
}

static int64_t border_label(unsigned step)
{
    return (int64_t)((border_ns(step) + (8ULL << step) - 1) / 1000);
}

/* How many calls took up to each border, where it is more than up to the border before. */
static void reply_borders(struct call *call, const struct command_figures *figures, const struct histogram *times)
{
    uint64_t total = histogram_total(times);
    uint64_t before = 0;
    size_t count = 0;
    struct out_chunk *begun = reply_begin(call);
    for (unsigned step = 0; before < total && border_ns(step) <= 1ULL << HISTOGRAM_MAX_BITS; step++) {
        uint64_t up_to = histogram_up_to(times, border_ns(step) - 1);
        if (up_to > before) {
            reply_integer(call, border_label(step));
            reply_integer(call, (int64_t)command_figures_scale(figures, up_to));
            count++;
        }
        before = up_to;
    }
    reply_end_map(call, begun, count);
}

/* A command's pair of the reply, if it has been timed. */
static size_t reply_histogram(struct call *call, uint32_t number, struct histogram *times)
{
    struct command_figures figures = command_stats_sum(call->engine, number, times);
    uint64_t total = histogram_total(times);
    if (total == 0)
        return 0;
    const struct command_row *row = &call->engine->commands.rows[number];
    char name[2 * COMMAND_NAME_SIZE];
    size_t len = command_full_name(row->container, row->command, name, sizeof(name));
    reply_bulk(call, (bytes){name, len});
    reply_map(call, 2);
    reply_bulk_text(call, "calls");
    reply_integer(call, (int64_t)command_figures_scale(&figures, total));
    reply_bulk_text(call, "histogram_usec");
    reply_borders(call, &figures, times);
    return 1;
}

/* A command and its subcommands. */
static size_t reply_histograms_of(struct call *call, uint32_t number, struct histogram *times)
{
    const struct command_table *table = &call->engine->commands;
    size_t count = reply_histogram(call, number, times);
    for (uint32_t i = number + 1; i < table->row_count && table->rows[i].container == table->rows[number].command; i++)
        count += reply_histogram(call, i, times);
    return count;
}

/* LATENCY HISTOGRAM [command ...]: how often these commands, or all, took how long. */
static void cmd_latency_histogram(struct call *call)
{
    struct histogram *times = mem_alloc(sizeof(*times));
    if (times == NULL) {
        reply_no_memory(call);
        return;
    }
    size_t count = 0;
    struct out_chunk *begun = reply_begin(call);
    for (uint32_t i = 0; call->argc == 2 && i < call->engine->commands.row_count; i++)
        count += reply_histogram(call, i, times);
    for (size_t i = 2; i < call->argc; i++) {
        uint32_t number;
        if (command_find_full_name(&call->engine->commands, ARG(i), &number))
            count += reply_histograms_of(call, number, times);
    }
    reply_end_map(call, begun, count);
    mem_free(times);
}

static void cmd_latency_help(struct call *call)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    A report on what took long, and what to do about it.",
        "GRAPH <event>",
        "    The samples of an event, drawn.",
        "HISTOGRAM [<command> ...]",
        "    How often these commands, or all, took how many microseconds.",
        "HISTORY <event>",
        "    The samples of an event: when, and how many milliseconds.",
        "LATEST",
        "    The last sample of each event.",
        "RESET [<event> ...]",
        "    Forget these events, or all.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows ---- */

static const struct command_argument event_argument[] = {{.name = "event", .type = ARG_STRING}, {0}};
static const struct command_argument event_arguments[] = {
    {.name = "event", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const struct command_argument command_arguments[] = {
    {.name = "command", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const char *const figures_tips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                           "response_policy:special", NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded", NULL};

/* What all rows here but HELP's share. */
#define LATENCY_ROW .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE, .group = "server"

static const struct command latency_subcommands[] = {
    {
        LATENCY_ROW,
        .name = "doctor",
        .run = cmd_latency_doctor,
        .arity = 2,
        .tips = figures_tips,
        .summary = "Reports on what took long.",
        .since = "2.8.13",
        .complexity = "O(1)",
    },
    {
        LATENCY_ROW,
        .name = "graph",
        .run = cmd_latency_graph,
        .arity = 3,
        .tips = figures_tips,
        .summary = "Draws the samples of an event.",
        .since = "2.8.13",
        .complexity = "O(1)",
        .arguments = event_argument,
    },
    {
        .name = "help",
        .run = cmd_latency_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Explains the subcommands.",
        .since = "2.8.13",
        .complexity = "O(1)",
    },
    {
        LATENCY_ROW,
        .name = "histogram",
        .run = cmd_latency_histogram,
        .arity = -2,
        .tips = figures_tips,
        .summary = "Tells how often commands took how long.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of commands with latency information being retrieved.",
        .arguments = command_arguments,
    },
    {
        LATENCY_ROW,
        .name = "history",
        .run = cmd_latency_history,
        .arity = 3,
        .tips = figures_tips,
        .summary = "Gives the samples of an event.",
        .since = "2.8.13",
        .complexity = "O(1)",
        .arguments = event_argument,
    },
    {
        LATENCY_ROW,
        .name = "latest",
        .run = cmd_latency_latest,
        .arity = 2,
        .tips = figures_tips,
        .summary = "Gives the last sample of each event.",
        .since = "2.8.13",
        .complexity = "O(1)",
    },
    {
        LATENCY_ROW,
        .name = "reset",
        .run = cmd_latency_reset,
        .arity = -2,
        .tips = reset_tips,
        .summary = "Forgets the samples of some events, or of all.",
        .since = "2.8.13",
        .complexity = "O(1)",
        .arguments = event_arguments,
    },
    {0},
};

const struct command latency_commands[] = {
    {
        .name = "latency",
        .arity = -2,
        .subcommands = latency_subcommands,
        .group = "server",
        .summary = "The commands about latency.",
        .since = "2.8.13",
        .complexity = "Depends on subcommand.",
    },
    {0},
};

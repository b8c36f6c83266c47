/* The sections of INFO that tell of single commands and errors: commandstats, latencystats, errorstats. */
#include "base/mem.h"
#include "commands/server.h"

#include <stdio.h>

enum { FULL_NAME_SIZE = 128 };

static void row_name(struct larder *engine, uint32_t number, char name[FULL_NAME_SIZE])
{
    const struct command_row *row = &engine->commands.rows[number];
    command_full_name(row->container, row->command, name, FULL_NAME_SIZE);
}

void info_write_commandstats(struct larder *engine, struct text *text)
{
    for (uint32_t i = 0; i < engine->commands.row_count; i++) {
        struct command_figures figures = command_stats_sum(engine, i, NULL);
        if (figures.calls == 0 && figures.rejected == 0 && figures.failed == 0)
            continue;
        char name[FULL_NAME_SIZE];
        row_name(engine, i, name);
        text_append_format(
            text, "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu\r\n", name,
            (unsigned long long)figures.calls, (unsigned long long)figures.time_us,
            figures.calls > 0 ? (double)figures.time_us / (double)figures.calls : 0,
            (unsigned long long)figures.rejected, (unsigned long long)figures.failed);
    }
}

/* "99.9", without zeros that say nothing. */
static size_t write_percentile(double percentile, char *text, size_t size)
{
    int len = snprintf(text, size, "%f", percentile);
    while (len > 0 && text[len - 1] == '0')
        len--;
    if (len > 0 && text[len - 1] == '.')
        len--;
    return (size_t)len;
}

static void write_percentiles(struct text *text, const struct histogram *times, const struct cfg_percentiles *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        char percentile[64];
        size_t len = write_percentile(wanted->at[i], percentile, sizeof(percentile));
        text_append_format(text, "%sp%.*s=%.3f", i > 0 ? "," : "", (int)len, percentile,
                           (double)histogram_percentile(times, wanted->at[i]) / 1000);
    }
}

void info_write_latencystats(struct larder *engine, struct text *text)
{
    struct cfg_percentiles wanted;
    cfg_copy_percentiles(engine->config, &wanted);
    struct histogram *times = mem_alloc(sizeof(*times));
    text->is_cut |= times == NULL;
    for (uint32_t i = 0; times != NULL && i < engine->commands.row_count; i++) {
        (void)command_stats_sum(engine, i, times);
        if (histogram_total(times) == 0)
            continue;
        char name[FULL_NAME_SIZE];
        row_name(engine, i, name);
        text_append_format(text, "latency_percentiles_usec_%s:", name);
        write_percentiles(text, times, &wanted);
        text_append(text, BYTES("\r\n"));
    }
    mem_free(times);
}

/* A code may hold what has a meaning in INFO. */
static void write_code(struct text *text, const char *code)
{
    for (; *code != '\0'; code++)
        text_append_char(text, strchr("#:\r\n", *code) != NULL ? '_' : *code);
}

void info_write_errorstats(struct larder *engine, struct text *text)
{
    struct error_stats errors;
    error_stats_sum(engine, &errors);
    for (size_t i = 0; i < errors.used; i++) {
        text_append(text, BYTES("errorstat_"));
        write_code(text, errors.counts[i].code);
        text_append_format(text, ":count=%llu\r\n", (unsigned long long)errors.counts[i].count);
    }
    if (errors.further > 0)
        text_append_format(text, "errorstat_ERRORSTATS_OVERFLOW:count=%llu\r\n", (unsigned long long)errors.further);
    error_stats_free(&errors);
}

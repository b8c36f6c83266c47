/* MEMORY: where the memory is. What cannot be measured here is left out rather than made up. */
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "commands/server.h"

#include <stdio.h>

struct memory_figures memory_measure(struct larder *engine)
{
    /* before the data: what becomes garbage meanwhile is missed, not counted twice */
    size_t flushed = atomic_load_explicit(&engine->keyspace.garbage_bytes, memory_order_relaxed);
    struct ks_figures data = ks_measure(&engine->keyspace, KS_ALL_DBS);
    struct memory_figures figures = {
        .entries = data.entry_bytes,
        .tables = data.table_bytes + data.prefix_bytes,
        .eviction = data.eviction_bytes,
        .flushed = flushed,
        .clients = session_measure(&engine->sessions).memory,
        .resident = mem_resident_bytes(),
        .keys = data.keys,
    };
    figures.used = figures.entries + figures.tables + figures.eviction + figures.flushed + figures.clients;
    figures.peak = sampler_note_memory(&engine->sampler, figures.used);
    return figures;
}

double memory_fragmentation(const struct memory_figures *figures)
{
    return figures->used > 0 ? (double)figures->resident / (double)figures->used : 0;
}

int64_t memory_fragmentation_bytes(const struct memory_figures *figures)
{
    return figures->resident > 0 ? (int64_t)figures->resident - (int64_t)figures->used : 0;
}

double memory_dataset_percent(const struct memory_figures *figures)
{
    return figures->used > 0 ? 100.0 * (double)figures->entries / (double)figures->used : 0;
}

double memory_peak_percent(const struct memory_figures *figures)
{
    return figures->peak > 0 ? 100.0 * (double)figures->used / (double)figures->peak : 0;
}

/* MEMORY USAGE key [SAMPLES count]: bytes of the key, its value, and its place in the table. Samples are for values of
   many elements; a string is measured as a whole. */
static void cmd_memory_usage(struct call *call)
{
    for (size_t i = 3; i < call->argc; i++) {
        int64_t samples = 0;
        if (!call_is_word(call, i, "samples") || ++i == call->argc) {
            reply_syntax_error(call);
            return;
        }
        if (!call_integer(call, i, &samples))
            return;
        if (samples < 0) {
            reply_syntax_error(call);
            return;
        }
    }
    struct ks_key key;
    call_key_peek(call, 2, &key);
    if (key.entry == NULL) {
        reply_null(call);
        return;
    }
    reply_integer(call, (int64_t)ks_entry_memory(key.entry));
}

static void reply_bytes_field(struct call *call, const char *field, size_t value)
{
    reply_bulk_text(call, field);
    reply_integer(call, (int64_t)value);
}

static void reply_real_field(struct call *call, const char *field, double value)
{
    reply_bulk_text(call, field);
    reply_real(call, value);
}

/* The overhead of each database that has keys; returns how many there are. */
static size_t reply_databases(struct call *call)
{
    size_t count = 0;
    for (size_t db = 0; db < call->engine->keyspace.db_count; db++) {
        struct ks_figures data = ks_measure(&call->engine->keyspace, (int)db);
        if (data.keys == 0)
            continue;
        char name[NUM_INTEGER_SIZE + 4];
        snprintf(name, sizeof(name), "db.%zu", db);
        reply_bulk_text(call, name);
        reply_map(call, 3);
        reply_bytes_field(call, "overhead.hashtable.main", data.table_bytes);
        reply_bytes_field(call, "overhead.hashtable.expires", 0); /* deadlines lie in the entries */
        reply_bytes_field(call, "overhead.hashtable.slot-to-keys", 0);
        count++;
    }
    return count;
}

/* MEMORY STATS */
static void cmd_memory_stats(struct call *call)
{
    struct memory_figures figures = memory_measure(call->engine);
    size_t bytes_per_key = figures.keys > 0 ? (figures.entries + figures.tables) / figures.keys : 0;
    struct out_chunk *begun = reply_begin(call);
    reply_bytes_field(call, "peak.allocated", figures.peak);
    reply_bytes_field(call, "total.allocated", figures.used);
    reply_bytes_field(call, "startup.allocated", 0); /* before the first key and client, nothing is counted */
    reply_bytes_field(call, "replication.backlog", 0);
    reply_bytes_field(call, "clients.slaves", 0);
    reply_bytes_field(call, "clients.normal", figures.clients);
    reply_bytes_field(call, "cluster.links", 0);
    reply_bytes_field(call, "aof.buffer", 0);
    reply_bytes_field(call, "lua.caches", 0);
    reply_bytes_field(call, "functions.caches", 0);
    size_t databases = reply_databases(call);
    reply_bytes_field(call, "overhead.total", figures.used - figures.entries);
    reply_bytes_field(call, "keys.count", figures.keys);
    reply_bytes_field(call, "keys.bytes-per-key", bytes_per_key);
    reply_bytes_field(call, "dataset.bytes", figures.entries);
    reply_real_field(call, "dataset.percentage", memory_dataset_percent(&figures));
    reply_real_field(call, "peak.percentage", memory_peak_percent(&figures));
    reply_real_field(call, "fragmentation", memory_fragmentation(&figures));
    reply_bulk_text(call, "fragmentation.bytes");
    reply_integer(call, memory_fragmentation_bytes(&figures));
    reply_end_map(call, begun, 18 + databases);
}

/* What MEMORY DOCTOR takes for a sign of trouble. */
enum {
    SMALL_BYTES = 5 * 1024 * 1024,       /* below this, the figures say nothing */
    FRAGMENTED_BYTES = 10 * 1024 * 1024, /* lost at least, beside the ratio */
    LARGE_CLIENT_BYTES = 200 * 1024,     /* a client on average */
};
static const double fragmented_ratio = 1.4;

static void diagnose(struct text *text, const struct memory_figures *figures, size_t client_count)
{
    if (figures->used < SMALL_BYTES) {
        text_append(text, BYTES("There is hardly any data, so there is nothing to say about its memory.\n"));
        return;
    }
    if (memory_fragmentation(figures) > fragmented_ratio && memory_fragmentation_bytes(figures) > FRAGMENTED_BYTES)
        text_append_format(
            text,
            " * The process occupies %.2f times the memory that is in use. Either much was freed a short "
            "while ago, or the memory is fragmented: MEMORY PURGE gives back what can be given back.\n",
            memory_fragmentation(figures));
    if (client_count > 0 && figures->clients / client_count > LARGE_CLIENT_BYTES)
        text_append_format(text,
                           " * Clients hold %zu bytes each on average. Perhaps some of them do not read their replies: "
                           "see omem in CLIENT LIST, and client-output-buffer-limit.\n",
                           figures->clients / client_count);
    if (text->len == 0)
        text_append(text, BYTES("No trouble with memory was found.\n"));
}

/* MEMORY DOCTOR */
static void cmd_memory_doctor(struct call *call)
{
    struct memory_figures figures = memory_measure(call->engine);
    struct text text = {0};
    diagnose(&text, &figures, session_measure(&call->engine->sessions).count);
    if (text.is_cut)
        reply_no_memory(call);
    else
        reply_verbatim(call, text_bytes(&text));
    text_free(&text);
}

/* MEMORY MALLOC-STATS: the allocators that are used here have none to give as a text. */
static void cmd_memory_malloc_stats(struct call *call)
{
    reply_bulk_text(call, "Stats not supported for the current allocator");
}

/* MEMORY PURGE: unused pages go back to the system. */
static void cmd_memory_purge(struct call *call)
{
    mem_trim();
    reply_ok(call);
}

static void cmd_memory_help(struct call *call)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    What may be wrong with the memory.",
        "MALLOC-STATS",
        "    The allocator's own figures.",
        "PURGE",
        "    Give unused memory back to the system.",
        "STATS",
        "    Where the memory is.",
        "USAGE <key> [SAMPLES <count>]",
        "    Bytes of <key> with its value. Of values with many elements, <count> are",
        "    measured (default: 5, 0 means all).",
        NULL,
    };
    reply_help(call, lines);
}

static const struct command_argument usage_arguments[] = {
    {.name = "key", .type = ARG_KEY, .key_spec = 0},
    {.name = "count", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "SAMPLES"},
    {0},
};

static const struct key_spec usage_keys[] = {{.flags = KEY_RO, .index = 2, .step = 1}, {0}};

static const char *const figures_tips[] = {"nondeterministic_output", "request_policy:all_shards",
                                           "response_policy:special", NULL};
static const char *const purge_tips[] = {"request_policy:all_shards", "response_policy:all_succeeded", NULL};

const struct command memory_subcommands[] = {
    {
        .name = "doctor",
        .run = cmd_memory_doctor,
        .arity = 2,
        .flags = CMD_VISITS_SHARDS,
        .tips = figures_tips,
        .group = "server",
        .summary = "Looks for trouble with memory.",
        .since = "4.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "help",
        .run = cmd_memory_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Explains the subcommands.",
        .since = "4.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "malloc-stats",
        .run = cmd_memory_malloc_stats,
        .arity = 2,
        .tips = figures_tips,
        .group = "server",
        .summary = "Gives the allocator's own figures.",
        .since = "4.0.0",
        .complexity = "Depends on how much memory is allocated, could be slow",
    },
    {
        .name = "purge",
        .run = cmd_memory_purge,
        .arity = 2,
        .tips = purge_tips,
        .group = "server",
        .summary = "Gives unused memory back to the system.",
        .since = "4.0.0",
        .complexity = "Depends on how much memory is allocated, could be slow",
    },
    {
        .name = "stats",
        .run = cmd_memory_stats,
        .arity = 2,
        .flags = CMD_VISITS_SHARDS,
        .tips = figures_tips,
        .group = "server",
        .summary = "Tells where the memory is.",
        .since = "4.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "usage",
        .run = cmd_memory_usage,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = usage_keys,
        .group = "server",
        .summary = "Measures the memory of a key and its value.",
        .since = "4.0.0",
        .complexity = "O(N) where N is the number of samples.",
        .arguments = usage_arguments,
    },
    {0},
};

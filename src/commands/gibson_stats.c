/* GIBSON STATS: exactly the 27 fields that Gibson has, in its order. Its own allocator's are told of the hash tables,
   which are what is taken in advance here. */
#include "commands/gibson.h"

#include "commands/server.h"

#include <stdio.h>

enum {
    STATS_FIELDS = 27,
    TICK_MS = 100,          /* Gibson's cron: here what is due is done at least as often */
    POOL_BLOCK_FIRST = 512, /* slots */
    POOL_BLOCK_MAX = 131072,
};

/* "MM/DD/YYYY HH:MM:SS" of the compilation; __DATE__ is "Mmm dd yyyy". */
static bytes build_time(char text[32])
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char date[] = __DATE__;
    int month = 1;
    while (month < 12 && memcmp(months + 3 * (month - 1), date, 3) != 0)
        month++;
    char tens = date[4] == ' ' ? '0' : date[4];
    int len = snprintf(text, 32, "%02d/%c%c/%s %s", month, tens, date[5], date + 7, __TIME__);
    return (bytes){text, (size_t)len};
}

static void put_text(struct call *call, const char *name, const char *text)
{
    reply_bulk_text(call, name);
    reply_bulk_text(call, text);
}

static void put_number(struct call *call, const char *name, uint64_t number)
{
    reply_bulk_text(call, name);
    reply_integer(call, (int64_t)number);
}

/* A quotient as C's %f writes it; 0 when nothing is to be divided by. */
static void put_quotient(struct call *call, const char *name, uint64_t amount, uint64_t by)
{
    char text[64];
    snprintf(text, sizeof(text), "%f", by > 0 ? (double)amount / (double)by : 0.0);
    put_text(call, name, text);
}

static void put_server(struct call *call)
{
    char built[32];
    const struct gibson_figures *figures = &call->engine->gibson;
    put_text(call, "server_version", "1.2.1");
    reply_bulk_text(call, "server_build_datetime");
    reply_bulk(call, build_time(built));
    put_text(call, "server_allocator", "malloc");
    put_text(call, "server_arch", sizeof(void *) == 8 ? "64" : "32");
    put_number(call, "server_started", (uint64_t)call->engine->opened_ms / 1000);
    put_number(call, "server_time", (uint64_t)call->now_ms / 1000);
    put_number(call, "first_item_seen", (uint64_t)atomic_load_explicit(&figures->first_item_s, memory_order_relaxed));
    put_number(call, "last_item_seen", (uint64_t)atomic_load_explicit(&figures->last_item_s, memory_order_relaxed));
}

static void put_pool(struct call *call, const struct ks_figures *data)
{
    size_t capacity = data->buckets > POOL_BLOCK_FIRST ? data->buckets : POOL_BLOCK_FIRST;
    capacity = data->keys > capacity ? data->keys : capacity;
    put_number(call, "item_pool_current_used", data->keys);
    put_number(call, "item_pool_current_capacity", capacity);
    put_number(call, "item_pool_total_capacity", capacity);
    put_number(call, "item_pool_object_size", sizeof(struct entry) + sizeof(struct item));
    put_number(call, "item_pool_max_block_size", POOL_BLOCK_MAX);
}

static void put_memory(struct call *call, const struct ks_figures *data)
{
    struct memory_figures memory = memory_measure(call->engine);
    uint64_t most = CFG_READ(call->engine->config, maxmemory);
    put_number(call, "memory_available", server_system_memory());
    put_number(call, "memory_usable", most > 0 ? most : server_system_memory());
    put_number(call, "memory_used", memory.used);
    put_number(call, "memory_peak", memory.peak);
    put_quotient(call, "memory_fragmentation", memory.resident, memory.used);
    put_number(call, "item_size_avg", data->keys > 0 ? memory.used / data->keys : 0);
}

/* GIBSON STATS */
void cmd_gibson_stats(struct call *call)
{
    struct larder *engine = call->engine;
    struct ks_figures data = ks_measure(&engine->keyspace, KS_ALL_DBS);
    struct executor_stats stats = engine_stats(engine);
    struct out_chunk *begun = reply_begin(call);
    put_server(call);
    put_number(call, "total_items", data.keys);
    put_number(call, "total_compressed_items", data.compressed);
    put_number(call, "total_clients", session_measure(&engine->sessions).count);
    put_number(call, "total_cron_done", (uint64_t)(call->now_ms - engine->opened_ms) / TICK_MS);
    put_number(call, "total_connections", stats.connections);
    put_number(call, "total_requests", stats.gibson_requests);
    put_pool(call, &data);
    put_memory(call, &data);
    put_number(call, "compr_rate_avg",
               stats.compressions > 0 ? stats.compressions_saved_percents / stats.compressions : 0);
    put_quotient(call, "reqs_per_client_avg", stats.gibson_requests, stats.connections);
    reply_end_map(call, begun, STATS_FIELDS);
}

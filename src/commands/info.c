/* INFO: the server's state and figures as lines of text, in sections. A field is there when its figure is known here;
   what cannot be known, or belongs to something that this server does not have, is left out, except where its value
   follows from that (no replicas: connected_slaves is 0). */
#include "base/mem.h"
#include "base/text.h"
#include "commands/server.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { INFO_MAX = 1024 * 1024 }; /* bytes of the whole text; it has some hundred lines */

struct info {
    struct larder *engine;
    struct config *config;
    int64_t now_ms;
    struct text text;
};

/* Bytes with a unit, as people like to read them: "1.50M". */
static void append_human(struct info *info, const char *field, double value)
{
    static const char units[] = "BKMGTP";
    size_t unit = 0;
    for (; value >= 1024 && unit < sizeof(units) - 2; unit++)
        value /= 1024;
    text_append_format(&info->text, unit == 0 ? "%s:%.0f%c\r\n" : "%s:%.2f%c\r\n", field, value, units[unit]);
}

static unsigned long long stat(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* One line for each kind of socket that clients are served on. */
static void append_listeners(struct info *info)
{
    struct larder *engine = info->engine;
    int ports[] = {
        atomic_load_explicit(&engine->tcp_port, memory_order_relaxed),
        atomic_load_explicit(&engine->tls_port, memory_order_relaxed),
    };
    const char *names[] = {"tcp", "tls"};
    size_t count = 0;
    struct cfg_addresses bind;
    if (ports[0] + ports[1] == 0 || !cfg_copy_bind(info->config, &bind))
        return;
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        if (ports[i] == 0)
            continue;
        text_append_format(&info->text, "listener%zu:name=%s", count++, names[i]);
        for (size_t j = 0; j < bind.count; j++)
            text_append_format(&info->text, ",bind=%s", bind.at[j].at);
        text_append_format(&info->text, ",port=%d\r\n", ports[i]);
    }
    cfg_free_addresses(&bind);
}

static void write_server(struct info *info)
{
    struct larder *engine = info->engine;
    struct utsname system = {0};
    uname(&system);
    int64_t uptime_s = (info->now_ms - engine->opened_ms) / 1000;
    int hz = (int)CFG_READ(info->config, hz);
    int port = atomic_load_explicit(&engine->tcp_port, memory_order_relaxed);
    if (port == 0)
        port = atomic_load_explicit(&engine->tls_port, memory_order_relaxed);
    text_append_format(&info->text,
                       "larder_version:" LARDER_VERSION "\r\n"
                       "redis_version:" LARDER_REDIS_VERSION "\r\n"
                       "redis_git_sha1:00000000\r\n"
                       "redis_git_dirty:0\r\n"
                       "redis_mode:standalone\r\n"
                       "os:%s %s %s\r\n"
                       "arch_bits:%zu\r\n"
                       "monotonic_clock:POSIX clock_gettime\r\n"
#ifdef __linux__
                       "multiplexing_api:epoll\r\n"
#endif
                       "atomicvar_api:c11-builtin\r\n"
                       "tls_library:" LARDER_TLS "\r\n"
                       "compression_library:" LARDER_LZ4 "\r\n",
                       system.sysname, system.release, system.machine, sizeof(void *) * 8);
#if defined(__GNUC__) && !defined(__clang__)
    text_append_format(&info->text, "gcc_version:%d.%d.%d\r\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    text_append_format(&info->text,
                       "process_id:%ld\r\n"
                       "run_id:%s\r\n"
                       "tcp_port:%d\r\n"
                       "server_time_usec:%lld\r\n"
                       "uptime_in_seconds:%lld\r\n"
                       "uptime_in_days:%lld\r\n"
                       "hz:%d\r\n"
                       "configured_hz:%d\r\n"
                       "lru_clock:%lld\r\n"
                       "executable:%s\r\n"
                       "config_file:%s\r\n"
                       "io_threads_active:0\r\n",
                       (long)getpid(), engine->run_id, port, (long long)clock_now_us(&engine->clock),
                       (long long)uptime_s, (long long)uptime_s / 86400, hz, hz,
                       (long long)(info->now_ms / 1000 & 0xffffff),
                       engine->host.executable != NULL ? engine->host.executable : "",
                       engine->host.config_file != NULL ? engine->host.config_file : "");
    append_listeners(info);
}

static void write_clients(struct info *info)
{
    struct session_figures clients = session_measure(&info->engine->sessions);
    text_append_format(&info->text,
                       "connected_clients:%zu\r\n"
                       "cluster_connections:0\r\n"
                       "maxclients:%lld\r\n"
                       "client_recent_max_input_buffer:%zu\r\n"
                       "client_recent_max_output_buffer:%zu\r\n"
                       "blocked_clients:%zu\r\n"
                       "tracking_clients:%zu\r\n"
                       "pubsub_clients:%zu\r\n"
                       "watching_clients:%zu\r\n"
                       "clients_in_timeout_table:0\r\n"
                       "total_watched_keys:%zu\r\n"
                       "total_blocking_keys:0\r\n"
                       "total_blocking_keys_on_nokey:0\r\n",
                       clients.count, CFG_READ(info->config, maxclients), clients.max_input, clients.max_output,
                       clients.held, atomic_load_explicit(&info->engine->tracking.clients, memory_order_relaxed),
                       clients.subscribed, clients.watching,
                       atomic_load_explicit(&info->engine->watched_keys, memory_order_relaxed));
}

size_t server_system_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : 0;
}

static const char *policy_name(int policy)
{
    switch (policy) {
    case CFG_POLICY_VOLATILE_LRU:
        return "volatile-lru";
    case CFG_POLICY_VOLATILE_LFU:
        return "volatile-lfu";
    case CFG_POLICY_VOLATILE_RANDOM:
        return "volatile-random";
    case CFG_POLICY_VOLATILE_TTL:
        return "volatile-ttl";
    case CFG_POLICY_ALLKEYS_LRU:
        return "allkeys-lru";
    case CFG_POLICY_ALLKEYS_LFU:
        return "allkeys-lfu";
    case CFG_POLICY_ALLKEYS_RANDOM:
        return "allkeys-random";
    case CFG_POLICY_ALLKEYS_S3FIFO:
        return "allkeys-s3fifo";
    default:
        return "noeviction";
    }
}

/* Two fields on how much larger one figure is than another, where both are known. */
static void append_excess(struct info *info, const char *field, size_t larger, size_t smaller)
{
    if (larger > 0 && smaller > 0)
        text_append_format(&info->text, "%s_ratio:%.2f\r\n%s_bytes:%lld\r\n", field, memory_ratio(larger, smaller),
                           field, (long long)memory_difference(larger, smaller));
}

/* What is stored compressed now, and how often that was done: each time, how much smaller the value became. */
static void append_compression(struct info *info, const struct footprint *parts)
{
    struct executor_stats stats = engine_stats(info->engine);
    unsigned long long count = stat(&stats.compressions);
    double percents = (double)stat(&stats.compressions_saved_percents);
    text_append_format(&info->text,
                       "compressed_keys:%zu\r\n"
                       "compression_saved_bytes:%zu\r\n"
                       "compressions:%llu\r\n"
                       "compression_saved_percent:%.2f\r\n",
                       parts->compressed, parts->compression_saved, count, count > 0 ? percents / (double)count : 0);
}

static void write_memory(struct info *info)
{
    struct memory_figures memory = memory_measure(info->engine);
    unsigned long long maxmemory = CFG_READ(info->config, maxmemory);
    size_t system_bytes = server_system_memory();
    text_append_format(&info->text, "used_memory:%zu\r\n", memory.used);
    append_human(info, "used_memory_human", (double)memory.used);
    if (memory.resident > 0) {
        text_append_format(&info->text, "used_memory_rss:%zu\r\n", memory.resident);
        append_human(info, "used_memory_rss_human", (double)memory.resident);
    }
    text_append_format(&info->text, "used_memory_peak:%zu\r\n", memory.peak);
    append_human(info, "used_memory_peak_human", (double)memory.peak);
    text_append_format(&info->text,
                       "used_memory_peak_perc:%.2f%%\r\n"
                       "used_memory_overhead:%zu\r\n"
                       "used_memory_startup:0\r\n"
                       "used_memory_dataset:%zu\r\n"
                       "used_memory_dataset_perc:%.2f%%\r\n",
                       memory_peak_percent(&memory), memory.used - memory.parts.entries, memory.parts.entries,
                       memory_dataset_percent(&memory));
    text_append_format(&info->text, "allocator_allocated:%zu\r\n", memory.allocated);
    if (memory.active > 0)
        text_append_format(&info->text, "allocator_active:%zu\r\n", memory.active);
    if (memory.resident > 0)
        text_append_format(&info->text, "allocator_resident:%zu\r\n", memory.resident);
    if (system_bytes > 0) {
        text_append_format(&info->text, "total_system_memory:%zu\r\n", system_bytes);
        append_human(info, "total_system_memory_human", (double)system_bytes);
    }
    text_append(&info->text, BYTES("used_memory_lua:0\r\n"
                                   "used_memory_vm_eval:0\r\n"
                                   "used_memory_lua_human:0B\r\n"
                                   "used_memory_scripts_eval:0\r\n"
                                   "number_of_cached_scripts:0\r\n"
                                   "number_of_functions:0\r\n"
                                   "number_of_libraries:0\r\n"
                                   "used_memory_vm_functions:0\r\n"
                                   "used_memory_vm_total:0\r\n"
                                   "used_memory_vm_total_human:0B\r\n"
                                   "used_memory_functions:0\r\n"
                                   "used_memory_scripts:0\r\n"
                                   "used_memory_scripts_human:0B\r\n"));
    text_append_format(&info->text, "maxmemory:%llu\r\n", maxmemory);
    append_human(info, "maxmemory_human", (double)maxmemory);
    text_append_format(&info->text, "maxmemory_policy:%s\r\n", policy_name(CFG_READ(info->config, maxmemory_policy)));
    append_excess(info, "allocator_frag", memory.active, memory.allocated);
    append_excess(info, "allocator_rss", memory.resident, memory.active);
    append_excess(info, "rss_overhead", memory.resident, memory.resident);
    append_excess(info, "mem_fragmentation", memory.resident, memory.used);
    text_append_format(&info->text,
                       "mem_not_counted_for_evict:0\r\n"
                       "mem_replication_backlog:0\r\n"
                       "mem_total_replication_buffers:0\r\n"
                       "mem_clients_slaves:0\r\n"
                       "mem_clients_normal:%zu\r\n"
                       "mem_cluster_links:0\r\n"
                       "mem_aof_buffer:0\r\n"
                       "mem_prefix_index:%zu\r\n"
                       "mem_eviction_queues:%zu\r\n"
                       "mem_lazyfree_pending:%zu\r\n"
                       "mem_hash_tables:%zu\r\n"
                       "mem_statistics:%zu\r\n"
                       "mem_logs:%zu\r\n"
                       "mem_allocator:%s\r\n"
                       "active_defrag_running:0\r\n",
                       memory.parts.clients, memory.parts.prefixes, memory.parts.eviction, memory.parts.flushed,
                       memory.parts.tables, memory.parts.statistics, memory.parts.logs, mem_allocator_name());
    append_compression(info, &memory.parts);
}

static void write_persistence(struct info *info)
{
    struct executor_stats stats = engine_stats(info->engine);
    text_append_format(&info->text,
                       "loading:0\r\n"
                       "async_loading:0\r\n"
                       "rdb_changes_since_last_save:%llu\r\n"
                       "rdb_bgsave_in_progress:0\r\n"
                       "rdb_last_save_time:%lld\r\n"
                       "rdb_last_bgsave_status:ok\r\n"
                       "rdb_last_bgsave_time_sec:-1\r\n"
                       "rdb_current_bgsave_time_sec:-1\r\n"
                       "rdb_saves:0\r\n"
                       "rdb_last_cow_size:0\r\n"
                       "rdb_last_load_keys_expired:0\r\n"
                       "rdb_last_load_keys_loaded:0\r\n"
                       "aof_enabled:0\r\n"
                       "aof_rewrite_in_progress:0\r\n"
                       "aof_rewrite_scheduled:0\r\n"
                       "aof_last_rewrite_time_sec:-1\r\n"
                       "aof_current_rewrite_time_sec:-1\r\n"
                       "aof_last_bgrewrite_status:ok\r\n"
                       "aof_rewrites:0\r\n"
                       "aof_rewrites_consecutive_failures:0\r\n"
                       "aof_last_write_status:ok\r\n"
                       "aof_last_cow_size:0\r\n"
                       "module_fork_in_progress:0\r\n"
                       "module_fork_last_cow_size:0\r\n",
                       stat(&stats.changes), (long long)info->engine->opened_ms / 1000);
}

static uint64_t count_evicted(const struct ks_eviction_figures *figures)
{
    uint64_t count = 0;
    for (int i = 0; i < KS_CHOICES; i++)
        count += figures->evicted[i] + figures->evicted_volatile[i];
    return count;
}

/* Larder's own section: what went by which rule, and how S3-FIFO stands. */
static void write_eviction(struct info *info)
{
    struct ks_eviction_figures figures = ks_measure_eviction(&info->engine->keyspace);
    text_append_format(
        &info->text,
        "maxkeys:%lld\r\n"
        "evicted_by_maxkeys:%llu\r\n"
        "evicted_by_allkeys_lru:%llu\r\n"
        "evicted_by_allkeys_lfu:%llu\r\n"
        "evicted_by_allkeys_random:%llu\r\n"
        "evicted_by_allkeys_s3fifo:%llu\r\n"
        "evicted_by_volatile_lru:%llu\r\n"
        "evicted_by_volatile_lfu:%llu\r\n"
        "evicted_by_volatile_random:%llu\r\n"
        "evicted_by_volatile_ttl:%llu\r\n",
        CFG_READ(info->config, maxkeys), (unsigned long long)figures.evicted[KS_CHOOSE_OLDEST],
        (unsigned long long)figures.evicted[KS_CHOOSE_LRU], (unsigned long long)figures.evicted[KS_CHOOSE_LFU],
        (unsigned long long)figures.evicted[KS_CHOOSE_RANDOM], (unsigned long long)figures.evicted[KS_CHOOSE_S3FIFO],
        (unsigned long long)figures.evicted_volatile[KS_CHOOSE_LRU],
        (unsigned long long)figures.evicted_volatile[KS_CHOOSE_LFU],
        (unsigned long long)figures.evicted_volatile[KS_CHOOSE_RANDOM],
        (unsigned long long)figures.evicted_volatile[KS_CHOOSE_TTL]);
    text_append_format(&info->text,
                       "s3fifo_small_keys:%zu\r\n"
                       "s3fifo_main_keys:%zu\r\n"
                       "s3fifo_small_share:%.4f\r\n"
                       "s3fifo_small_ghosts:%zu\r\n"
                       "s3fifo_main_ghosts:%zu\r\n"
                       "s3fifo_small_ghost_hits:%llu\r\n"
                       "s3fifo_main_ghost_hits:%llu\r\n"
                       "eviction_state_bytes:%zu\r\n",
                       figures.queued[0], figures.queued[1], figures.small_share, figures.ghosts[0], figures.ghosts[1],
                       (unsigned long long)figures.ghost_hits[0], (unsigned long long)figures.ghost_hits[1],
                       figures.state_bytes);
}

static void write_stats(struct info *info)
{
    struct executor_stats stats = engine_stats(info->engine);
    struct ks_figures data = ks_measure(&info->engine->keyspace, KS_ALL_DBS);
    struct rates rates = sampler_rates(&info->engine->sampler);
    const struct pubsub *pubsub = &info->engine->pubsub;
    const struct tracking *tracking = &info->engine->tracking;
    struct ks_eviction_figures eviction = ks_measure_eviction(&info->engine->keyspace);
    int64_t total_exceeded_ms;
    int64_t exceeded_ms = room_exceeded_ms(&info->engine->room, &total_exceeded_ms);
    text_append_format(&info->text,
                       "total_connections_received:%llu\r\n"
                       "total_commands_processed:%llu\r\n"
                       "instantaneous_ops_per_sec:%.0f\r\n"
                       "total_net_input_bytes:%llu\r\n"
                       "total_net_output_bytes:%llu\r\n"
                       "total_net_repl_input_bytes:0\r\n"
                       "total_net_repl_output_bytes:0\r\n"
                       "instantaneous_input_kbps:%.2f\r\n"
                       "instantaneous_output_kbps:%.2f\r\n"
                       "instantaneous_input_repl_kbps:0.00\r\n"
                       "instantaneous_output_repl_kbps:0.00\r\n"
                       "rejected_connections:%llu\r\n"
                       "sync_full:0\r\n"
                       "sync_partial_ok:0\r\n"
                       "sync_partial_err:0\r\n"
                       "expired_keys:%llu\r\n"
                       "evicted_keys:%llu\r\n"
                       "evicted_clients:%llu\r\n"
                       "total_eviction_exceeded_time:%lld\r\n"
                       "current_eviction_exceeded_time:%lld\r\n"
                       "keyspace_hits:%llu\r\n"
                       "keyspace_misses:%llu\r\n",
                       stat(&stats.connections), (unsigned long long)command_stats_calls(info->engine), rates.commands,
                       stat(&stats.input_bytes), stat(&stats.output_bytes), rates.input_bytes / 1024,
                       rates.output_bytes / 1024, stat(&stats.refused_connections), (unsigned long long)data.expired,
                       (unsigned long long)count_evicted(&eviction), stat(&info->engine->client_limit.closed),
                       (long long)total_exceeded_ms, (long long)exceeded_ms, stat(&stats.hits), stat(&stats.misses));
    text_append_format(&info->text,
                       "pubsub_channels:%zu\r\n"
                       "pubsub_patterns:%zu\r\n"
                       "pubsubshard_channels:%zu\r\n"
                       "latest_fork_usec:0\r\n"
                       "total_forks:0\r\n"
                       "migrate_cached_sockets:0\r\n"
                       "slave_expires_tracked_keys:0\r\n"
                       "active_defrag_hits:0\r\n"
                       "active_defrag_misses:0\r\n"
                       "active_defrag_key_hits:0\r\n"
                       "active_defrag_key_misses:0\r\n"
                       "tracking_total_keys:%zu\r\n"
                       "tracking_total_items:%zu\r\n"
                       "tracking_total_prefixes:%zu\r\n"
                       "unexpected_error_replies:0\r\n"
                       "total_error_replies:%llu\r\n"
                       "total_reads_processed:%llu\r\n"
                       "total_writes_processed:%llu\r\n"
                       "client_query_buffer_limit_disconnections:%llu\r\n"
                       "client_output_buffer_limit_disconnections:%llu\r\n",
                       pubsub_topics(pubsub, TOPIC_CHANNEL), pubsub_topics(pubsub, TOPIC_PATTERN),
                       pubsub_topics(pubsub, TOPIC_SHARD_CHANNEL),
                       atomic_load_explicit(&tracking->keys, memory_order_relaxed),
                       atomic_load_explicit(&tracking->items, memory_order_relaxed),
                       atomic_load_explicit(&tracking->prefixes, memory_order_relaxed), stat(&stats.error_replies),
                       stat(&stats.reads), stat(&stats.writes), stat(&stats.query_limit_disconnections),
                       stat(&stats.output_limit_disconnections) + stat(&info->engine->slow_readers));
    text_append_format(&info->text,
                       "acl_access_denied_auth:%llu\r\n"
                       "acl_access_denied_cmd:%llu\r\n"
                       "acl_access_denied_key:%llu\r\n"
                       "acl_access_denied_channel:%llu\r\n",
                       stat(&stats.acl_denied_logins), stat(&stats.acl_denied_commands), stat(&stats.acl_denied_keys),
                       stat(&stats.acl_denied_channels));
}

/* The history of the data begins when the engine opens and is shared with nobody: the run's id names it. */
static void write_replication(struct info *info)
{
    text_append_format(&info->text,
                       "role:master\r\n"
                       "connected_slaves:0\r\n"
                       "master_failover_state:no-failover\r\n"
                       "master_replid:%s\r\n"
                       "master_replid2:0000000000000000000000000000000000000000\r\n"
                       "master_repl_offset:0\r\n"
                       "second_repl_offset:-1\r\n"
                       "repl_backlog_active:0\r\n"
                       "repl_backlog_size:%lld\r\n"
                       "repl_backlog_first_byte_offset:0\r\n"
                       "repl_backlog_histlen:0\r\n",
                       info->engine->run_id, CFG_READ(info->config, repl_backlog_size));
}

static void append_time(struct info *info, const char *field, struct timeval time)
{
    text_append_format(&info->text, "%s:%lld.%06lld\r\n", field, (long long)time.tv_sec, (long long)time.tv_usec);
}

/* Of the whole process, whatever else it does beside the engine. */
static void write_cpu(struct info *info)
{
    struct rusage self = {0};
    struct rusage children = {0};
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    append_time(info, "used_cpu_sys", self.ru_stime);
    append_time(info, "used_cpu_user", self.ru_utime);
    append_time(info, "used_cpu_sys_children", children.ru_stime);
    append_time(info, "used_cpu_user_children", children.ru_utime);
}

static void write_modules(struct info *info)
{
    (void)info; /* there are none */
}

static void write_commandstats(struct info *info)
{
    info_write_commandstats(info->engine, &info->text);
}

static void write_errorstats(struct info *info)
{
    info_write_errorstats(info->engine, &info->text);
}

static void write_latencystats(struct info *info)
{
    info_write_latencystats(info->engine, &info->text);
}

static void write_keysizes(struct info *info)
{
    info_write_keysizes(info->engine, &info->text);
}

static void write_cluster(struct info *info)
{
    text_append(&info->text, BYTES("cluster_enabled:0\r\n"));
}

/* The mean time to live of the keys that have a deadline. */
static long long average_ttl_ms(const struct ks_figures *data, int64_t now_ms)
{
    if (data->with_deadline == 0)
        return 0;
    __int128 sum = data->deadline_sum_ms - (__int128)now_ms * (__int128)data->with_deadline;
    return sum > 0 ? (long long)(sum / (__int128)data->with_deadline) : 0;
}

static void write_keyspace(struct info *info)
{
    for (size_t db = 0; db < info->engine->keyspace.db_count; db++) {
        struct ks_figures data = ks_measure(&info->engine->keyspace, (int)db);
        if (data.keys > 0)
            text_append_format(&info->text, "db%zu:keys=%zu,expires=%zu,avg_ttl=%lld\r\n", db, data.keys,
                               data.with_deadline, average_ttl_ms(&data, info->now_ms));
    }
}

/* The sections in the order in which they are written. */
static const struct section {
    const char *name;
    const char *alias; /* NULL: none */
    const char *title;
    void (*write)(struct info *info);
    bool is_default; /* written when nothing is asked for */
} sections[] = {
    {"server", NULL, "Server", write_server, true},
    {"clients", NULL, "Clients", write_clients, true},
    {"memory", NULL, "Memory", write_memory, true},
    {"persistence", NULL, "Persistence", write_persistence, true},
    {"stats", NULL, "Stats", write_stats, true},
    {"eviction", NULL, "Eviction", write_eviction, true},
    {"replication", NULL, "Replication", write_replication, true},
    {"cpu", NULL, "CPU", write_cpu, true},
    {"modules", "module_list", "Modules", write_modules, true},
    {"commandstats", NULL, "Commandstats", write_commandstats, false},
    {"errorstats", NULL, "Errorstats", write_errorstats, true},
    {"latencystats", NULL, "Latencystats", write_latencystats, false},
    {"cluster", NULL, "Cluster", write_cluster, true},
    {"keyspace", NULL, "Keyspace", write_keyspace, true},
    {"keysizes", NULL, "Keysizes", write_keysizes, false},
};

/* Is this section one of the set that the argument names? */
static bool is_in_set(const struct call *call, size_t argument, const struct section *section)
{
    return (section->is_default && call_is_word(call, argument, "default")) || call_is_word(call, argument, "all") ||
           call_is_word(call, argument, "everything");
}

/* Is this section asked for? Names that no section has ask for nothing. */
static bool is_wanted(const struct call *call, const struct section *section)
{
    if (call->argc == 1)
        return section->is_default;
    for (size_t i = 1; i < call->argc; i++)
        if (is_in_set(call, i, section) || call_is_word(call, i, section->name) ||
            (section->alias != NULL && call_is_word(call, i, section->alias)))
            return true;
    return false;
}

/* INFO [section ...] */
void cmd_info(struct call *call)
{
    struct info info = {
        .engine = call->engine,
        .config = call->engine->config,
        .now_ms = call->now_ms,
        .text = {.limit = INFO_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (!is_wanted(call, &sections[i]))
            continue;
        text_append_format(&info.text, "%s# %s\r\n", info.text.len > 0 ? "\r\n" : "", sections[i].title);
        sections[i].write(&info);
    }
    if (info.text.is_cut)
        reply_no_memory(call);
    else
        reply_verbatim(call, text_bytes(&info.text));
    text_free(&info.text);
}

/* The table of parameters: one row for each name that Redis 7.2 knows, and Larder's own `threads`, `maxkeys`,
   `prefix-index` and `compression-threshold`. This is the one place where a parameter's names, default and limits are
   written down. The order is CONFIG GET's and, for lines that CONFIG REWRITE adds, the file's. */
#include "engine/config_row.h"

#include <limits.h>

#define MIB (1024LL * 1024)

/* ---- Words ---- */

static const struct cfg_choice_word loglevel_words[] = {
    {"debug", CFG_LOG_DEBUG},     {"verbose", CFG_LOG_VERBOSE}, {"notice", CFG_LOG_NOTICE},
    {"warning", CFG_LOG_WARNING}, {"nothing", CFG_LOG_NOTHING}, {NULL, 0},
};

static const struct cfg_choice_word maxmemory_policy_words[] = {
    {"volatile-lru", CFG_POLICY_VOLATILE_LRU},       {"volatile-lfu", CFG_POLICY_VOLATILE_LFU},
    {"volatile-random", CFG_POLICY_VOLATILE_RANDOM}, {"volatile-ttl", CFG_POLICY_VOLATILE_TTL},
    {"allkeys-lru", CFG_POLICY_ALLKEYS_LRU},         {"allkeys-lfu", CFG_POLICY_ALLKEYS_LFU},
    {"allkeys-random", CFG_POLICY_ALLKEYS_RANDOM},   {"allkeys-s3fifo", CFG_POLICY_ALLKEYS_S3FIFO},
    {"noeviction", CFG_POLICY_NOEVICTION},           {NULL, 0},
};

static const struct cfg_choice_word prefix_index_words[] = {
    {"auto", CFG_PREFIX_AUTO},
    {"on", CFG_PREFIX_ON},
    {"off", CFG_PREFIX_OFF},
    {NULL, 0},
};

static const struct cfg_choice_word syslog_facility_words[] = {
    {"user", CFG_SYSLOG_USER},     {"local0", CFG_SYSLOG_LOCAL0},
    {"local1", CFG_SYSLOG_LOCAL1}, {"local2", CFG_SYSLOG_LOCAL2},
    {"local3", CFG_SYSLOG_LOCAL3}, {"local4", CFG_SYSLOG_LOCAL4},
    {"local5", CFG_SYSLOG_LOCAL5}, {"local6", CFG_SYSLOG_LOCAL6},
    {"local7", CFG_SYSLOG_LOCAL7}, {NULL, 0},
};

static const struct cfg_choice_word supervised_words[] = {
    {"upstart", CFG_SUPERVISED_UPSTART},
    {"systemd", CFG_SUPERVISED_SYSTEMD},
    {"auto", CFG_SUPERVISED_AUTO},
    {"no", CFG_SUPERVISED_NO},
    {NULL, 0},
};

static const struct cfg_choice_word appendfsync_words[] = {
    {"everysec", CFG_FSYNC_EVERYSEC},
    {"always", CFG_FSYNC_ALWAYS},
    {"no", CFG_FSYNC_NO},
    {NULL, 0},
};

static const struct cfg_choice_word permission_words[] = {
    {"no", CFG_ALLOW_NO},
    {"yes", CFG_ALLOW_YES},
    {"local", CFG_ALLOW_LOCAL},
    {NULL, 0},
};

static const struct cfg_choice_word diskless_load_words[] = {
    {"disabled", CFG_DISKLESS_DISABLED},
    {"on-empty-db", CFG_DISKLESS_ON_EMPTY_DB},
    {"swapdb", CFG_DISKLESS_SWAPDB},
    {NULL, 0},
};

static const struct cfg_choice_word oom_score_adj_words[] = {
    {"no", CFG_OOM_NO}, {"yes", CFG_OOM_RELATIVE}, {"relative", CFG_OOM_RELATIVE}, {"absolute", CFG_OOM_ABSOLUTE},
    {NULL, 0},
};

static const struct cfg_choice_word acl_pubsub_default_words[] = {
    {"allchannels", CFG_PUBSUB_ALLCHANNELS},
    {"resetchannels", CFG_PUBSUB_RESETCHANNELS},
    {NULL, 0},
};

static const struct cfg_choice_word sanitize_words[] = {
    {"no", CFG_SANITIZE_NO},
    {"yes", CFG_SANITIZE_YES},
    {"clients", CFG_SANITIZE_CLIENTS},
    {NULL, 0},
};

static const struct cfg_choice_word endpoint_words[] = {
    {"ip", CFG_ENDPOINT_IP},
    {"hostname", CFG_ENDPOINT_HOSTNAME},
    {"unknown-endpoint", CFG_ENDPOINT_UNKNOWN},
    {NULL, 0},
};

static const struct cfg_choice_word propagation_error_words[] = {
    {"ignore", CFG_PROPAGATION_IGNORE},
    {"panic", CFG_PROPAGATION_PANIC},
    {"panic-on-replicas", CFG_PROPAGATION_PANIC_ON_REPLICAS},
    {NULL, 0},
};

static const struct cfg_choice_word tls_auth_clients_words[] = {
    {"no", CFG_TLS_AUTH_NO},
    {"yes", CFG_TLS_AUTH_YES},
    {"optional", CFG_TLS_AUTH_OPTIONAL},
    {NULL, 0},
};

static const struct cfg_choice_word shutdown_words[] = {
    {"default", 0},
    {"save", CFG_SHUTDOWN_SAVE},
    {"nosave", CFG_SHUTDOWN_NOSAVE},
    {"now", CFG_SHUTDOWN_NOW},
    {"force", CFG_SHUTDOWN_FORCE},
    {NULL, 0},
};

/* ---- Checks ---- */

static const char *check_shutdown(int bits)
{
    if ((bits & CFG_SHUTDOWN_SAVE) && (bits & CFG_SHUTDOWN_NOSAVE))
        return "shutdown options SAVE and NOSAVE can't be used simultaneously";
    return NULL;
}

static bool is_path(bytes text)
{
    return text.len && (memchr(text.at, '/', text.len) || memchr(text.at, '\\', text.len));
}

static const char *check_dbfilename(bytes text)
{
    return is_path(text) ? "dbfilename can't be a path, just a filename" : NULL;
}

static const char *check_appendfilename(bytes text)
{
    if (text.len == 0)
        return "appendfilename can't be empty";
    return is_path(text) ? "appendfilename can't be a path, just a filename" : NULL;
}

static const char *check_appenddirname(bytes text)
{
    if (text.len == 0)
        return "appenddirname can't be empty";
    return is_path(text) ? "appenddirname can't be a path, just a dirname" : NULL;
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (bytes_lower(c) >= 'a' && bytes_lower(c) <= 'z');
}

static const char *check_hostname(bytes text)
{
    if (text.len >= CFG_HOST_SIZE)
        return "Hostnames must be less than 256 characters";
    for (size_t i = 0; i < text.len; i++)
        if (!is_alphanumeric(text.at[i]) && text.at[i] != '-' && text.at[i] != '.')
            return "Hostnames may only contain alphanumeric characters, hyphens or dots";
    return NULL;
}

/* The name travels between nodes in a list that uses these characters itself. */
static const char *check_nodename(bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr("!#$%&()*+:;<>?@[]^{|}~", text.at[i]))
            return "Announced human node name contained invalid character";
    return NULL;
}

static bool is_title_variable(bytes name)
{
    static const char *const names[] = {"title",    "listen-addr", "server-mode", "port",
                                        "tls-port", "unixsocket",  "config-file"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (bytes_equal(name, bytes_of(names[i])))
            return true;
    return false;
}

static const char *check_title_template(bytes text)
{
    static const char refusal[] = "template format is invalid or contains unknown variables";
    if (text.len == 0)
        return refusal;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '{')
            continue;
        const char *name = text.at + i + 1;
        const char *close = memchr(name, '}', text.len - i - 1);
        if (!close || !is_title_variable((bytes){name, (size_t)(close - name)}))
            return refusal;
        i = (size_t)(close - text.at);
    }
    return NULL;
}

/* ---- Rows ---- */

/* The offset of a field, refused by the compiler when the field is not of the type that the row's kind works on. */
#define FIELD_OF(field, type)                                                                                    \
    (offsetof(struct config, field) + 0 * sizeof(char[_Generic(&((struct config *)0)->field, type * : 1, default \
                                                               : -1)]))

#define ROW(row_kind, type, row_name, row_alias, field, row_flags, row_default)              \
    .name = row_name, .alias = row_alias, .kind = CFG_KIND_##row_kind, .flags = (row_flags), \
    .offset = FIELD_OF(field, type), .default_text = row_default
#define LIMITED(kind, name, alias, field, flags, text, low, high) \
    ROW(kind, cfg_number, name, alias, field, flags, text), .lowest = (low), .highest = (high)

#define FLAG(name, alias, field, flags, text)                \
    {                                                        \
        ROW(FLAG, cfg_flag, name, alias, field, flags, text) \
    }
#define SIZE(name, alias, field, flags, text)                \
    {                                                        \
        ROW(SIZE, cfg_size, name, alias, field, flags, text) \
    }
#define TEXT(name, alias, field, flags, text)                       \
    {                                                               \
        ROW(TEXT, struct cfg_text, name, alias, field, flags, text) \
    }
#define CHECKED_TEXT(name, alias, field, flags, text, check)                               \
    {                                                                                      \
        ROW(TEXT, struct cfg_text, name, alias, field, flags, text), .check_text = (check) \
    }
#define CHOICE(name, alias, field, flags, text, words)                               \
    {                                                                                \
        ROW(CHOICE, cfg_choice, name, alias, field, flags, text), .choices = (words) \
    }
#define BITS(name, alias, field, flags, text, words, check)                                               \
    {                                                                                                     \
        ROW(BITS, cfg_choice, name, alias, field, flags, text), .choices = (words), .check_bits = (check) \
    }
#define NUMBER(name, alias, field, flags, text, low, high)          \
    {                                                               \
        LIMITED(NUMBER, name, alias, field, flags, text, low, high) \
    }
#define OCTAL(name, alias, field, flags, text, low, high)          \
    {                                                              \
        LIMITED(OCTAL, name, alias, field, flags, text, low, high) \
    }
#define MEMORY(name, alias, field, flags, text, low, high)          \
    {                                                               \
        LIMITED(MEMORY, name, alias, field, flags, text, low, high) \
    }
#define PERCENT(name, alias, field, flags, text, low, high)          \
    {                                                                \
        LIMITED(PERCENT, name, alias, field, flags, text, low, high) \
    }
#define CLAMPED_NUMBER(name, alias, field, flags, text, low, high, from, to)                          \
    {                                                                                                 \
        LIMITED(NUMBER, name, alias, field, flags, text, low, high), .floor = (from), .ceiling = (to) \
    }
#define CLAMPED_MEMORY(name, alias, field, flags, text, low, high, from, to)                          \
    {                                                                                                 \
        LIMITED(MEMORY, name, alias, field, flags, text, low, high), .floor = (from), .ceiling = (to) \
    }
#define SPECIAL(kind, type, name, alias, field, flags, text) \
    {                                                        \
        ROW(kind, type, name, alias, field, flags, text)     \
    }

/* clang-format off: one row, one line */
const struct cfg_row cfg_rows[] = {
    /* network */
    SPECIAL(ADDRESSES, struct cfg_addresses, "bind", NULL, bind, CFG_MULTI_WORD, "* -::*"),
    TEXT("bind-source-addr", NULL, bind_source_addr, CFG_EMPTY_IS_UNSET, ""),
    NUMBER("port", NULL, port, 0, "6379", 0, 65535),
    NUMBER("tcp-backlog", NULL, tcp_backlog, CFG_IMMUTABLE, "511", 0, INT_MAX),
    NUMBER("tcp-keepalive", NULL, tcp_keepalive_s, 0, "300", 0, INT_MAX),
    NUMBER("timeout", NULL, timeout_s, 0, "0", 0, INT_MAX),
    NUMBER("maxclients", NULL, maxclients, 0, "10000", 1, UINT_MAX),
    NUMBER("socket-mark-id", NULL, socket_mark_id, CFG_IMMUTABLE, "0", 0, UINT_MAX),
    TEXT("unixsocket", NULL, unixsocket, CFG_IMMUTABLE | CFG_EMPTY_IS_UNSET, ""),
    OCTAL("unixsocketperm", NULL, unixsocketperm, CFG_IMMUTABLE, "0", 0, 0777),
    FLAG("protected-mode", NULL, protected_mode, 0, "yes"),
    MEMORY("proto-max-bulk-len", NULL, proto_max_bulk_len, 0, "536870912", MIB, LLONG_MAX),
    MEMORY("client-query-buffer-limit", NULL, client_query_buffer_limit, 0, "1073741824", MIB, LLONG_MAX),
    SPECIAL(OUTPUT_LIMITS, struct cfg_output_limits, "client-output-buffer-limit", NULL, client_output_buffer_limit,
            CFG_MULTI_WORD, "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    PERCENT("maxmemory-clients", NULL, maxmemory_clients, 0, "0", -100, LLONG_MAX),

    /* Gibson clients */
    NUMBER("gibson-port", NULL, gibson_port, 0, "0", 0, 65535),
    TEXT("gibson-unixsocket", NULL, gibson_unixsocket, CFG_IMMUTABLE | CFG_EMPTY_IS_UNSET, ""),
    MEMORY("gibson-max-request-size", NULL, gibson_max_request_size, 0, "2097152", 2, INT_MAX),
    MEMORY("gibson-max-key-size", NULL, gibson_max_key_size, 0, "1024", 1, INT_MAX),
    MEMORY("gibson-max-value-size", NULL, gibson_max_value_size, 0, "2096127", 1, INT_MAX),
    SIZE("gibson-max-response-size", NULL, gibson_max_response_size, 0, "15728640"),
    NUMBER("gibson-max-item-ttl", NULL, gibson_max_item_ttl_s, 0, "2592000", 1, INT_MAX),
    MEMORY("gibson-compression", NULL, gibson_compression, 0, "4096", 0, INT_MAX),
    NUMBER("gibson-gc-ratio", NULL, gibson_gc_ratio_s, 0, "0", 0, INT_MAX),
    NUMBER("gibson-max-mem-cron", NULL, gibson_max_mem_cron_s, 0, "15", 1, INT_MAX),

    /* TLS */
    NUMBER("tls-port", NULL, tls_port, 0, "0", 0, 65535),
    FLAG("tls-cluster", NULL, tls_cluster, 0, "no"),
    FLAG("tls-replication", NULL, tls_replication, 0, "no"),
    CHOICE("tls-auth-clients", NULL, tls_auth_clients, 0, "yes", tls_auth_clients_words),
    FLAG("tls-prefer-server-ciphers", NULL, tls_prefer_server_ciphers, 0, "no"),
    FLAG("tls-session-caching", NULL, tls_session_caching, 0, "yes"),
    NUMBER("tls-session-cache-size", NULL, tls_session_cache_size, 0, "20480", 0, INT_MAX),
    NUMBER("tls-session-cache-timeout", NULL, tls_session_cache_timeout_s, 0, "300", 0, INT_MAX),
    TEXT("tls-cert-file", NULL, tls_cert_file, CFG_EMPTY_IS_UNSET | CFG_REAPPLIED, ""),
    TEXT("tls-key-file", NULL, tls_key_file, CFG_EMPTY_IS_UNSET | CFG_REAPPLIED, ""),
    TEXT("tls-key-file-pass", NULL, tls_key_file_pass, CFG_EMPTY_IS_UNSET | CFG_SENSITIVE, ""),
    TEXT("tls-client-cert-file", NULL, tls_client_cert_file, CFG_EMPTY_IS_UNSET | CFG_REAPPLIED, ""),
    TEXT("tls-client-key-file", NULL, tls_client_key_file, CFG_EMPTY_IS_UNSET | CFG_REAPPLIED, ""),
    TEXT("tls-client-key-file-pass", NULL, tls_client_key_file_pass, CFG_EMPTY_IS_UNSET | CFG_SENSITIVE, ""),
    TEXT("tls-dh-params-file", NULL, tls_dh_params_file, CFG_EMPTY_IS_UNSET | CFG_REAPPLIED, ""),
    TEXT("tls-ca-cert-file", NULL, tls_ca_cert_file, CFG_EMPTY_IS_UNSET | CFG_REAPPLIED, ""),
    TEXT("tls-ca-cert-dir", NULL, tls_ca_cert_dir, CFG_EMPTY_IS_UNSET | CFG_REAPPLIED, ""),
    TEXT("tls-protocols", NULL, tls_protocols, CFG_EMPTY_IS_UNSET, ""),
    TEXT("tls-ciphers", NULL, tls_ciphers, CFG_EMPTY_IS_UNSET, ""),
    TEXT("tls-ciphersuites", NULL, tls_ciphersuites, CFG_EMPTY_IS_UNSET, ""),

    /* process */
    NUMBER("threads", NULL, threads, CFG_IMMUTABLE, "0", 0, 1024),
    FLAG("daemonize", NULL, daemonize, CFG_IMMUTABLE, "no"),
    CHOICE("supervised", NULL, supervised, CFG_IMMUTABLE, "no", supervised_words),
    TEXT("pidfile", NULL, pidfile, CFG_IMMUTABLE | CFG_EMPTY_IS_UNSET, ""),
    SPECIAL(DIRECTORY, struct cfg_text, "dir", NULL, dir, CFG_PROTECTED | CFG_ALWAYS_WRITTEN, "."),
    FLAG("set-proc-title", NULL, set_proc_title, CFG_IMMUTABLE, "yes"),
    CHECKED_TEXT("proc-title-template", NULL, proc_title_template, 0, "{title} {listen-addr} {server-mode}",
                 check_title_template),
    FLAG("always-show-logo", NULL, always_show_logo, CFG_IMMUTABLE, "no"),
    CLAMPED_NUMBER("hz", NULL, hz, 0, "10", 0, INT_MAX, 1, 500),
    FLAG("dynamic-hz", NULL, dynamic_hz, 0, "yes"),
    NUMBER("databases", NULL, databases, CFG_IMMUTABLE, "16", 1, INT_MAX),
    FLAG("disable-thp", NULL, disable_thp, CFG_IMMUTABLE, "yes"),
    CHOICE("oom-score-adj", NULL, oom_score_adj, 0, "no", oom_score_adj_words),
    SPECIAL(OOM_SCORES, struct cfg_oom_scores, "oom-score-adj-values", NULL, oom_score_adj_values, CFG_MULTI_WORD,
            "0 200 800"),
    TEXT("server_cpulist", NULL, server_cpulist, CFG_IMMUTABLE | CFG_EMPTY_IS_UNSET, ""),
    TEXT("bio_cpulist", NULL, bio_cpulist, CFG_IMMUTABLE | CFG_EMPTY_IS_UNSET, ""),
    TEXT("aof_rewrite_cpulist", NULL, aof_rewrite_cpulist, CFG_IMMUTABLE | CFG_EMPTY_IS_UNSET, ""),
    TEXT("bgsave_cpulist", NULL, bgsave_cpulist, CFG_IMMUTABLE | CFG_EMPTY_IS_UNSET, ""),
    TEXT("locale-collate", NULL, locale_collate, 0, ""),
    TEXT("ignore-warnings", NULL, ignore_warnings, 0, ""),
    BITS("shutdown-on-sigint", NULL, shutdown_on_sigint, CFG_MULTI_WORD, "default", shutdown_words, check_shutdown),
    BITS("shutdown-on-sigterm", NULL, shutdown_on_sigterm, CFG_MULTI_WORD, "default", shutdown_words, check_shutdown),
    NUMBER("shutdown-timeout", NULL, shutdown_timeout_s, 0, "10", 0, INT_MAX),
    NUMBER("io-threads", NULL, io_threads, CFG_IMMUTABLE, "1", 1, 128),
    FLAG("io-threads-do-reads", NULL, io_threads_do_reads, CFG_IMMUTABLE, "no"),
    FLAG("jemalloc-bg-thread", NULL, jemalloc_bg_thread, 0, "yes"),
    NUMBER("watchdog-period", NULL, watchdog_period_ms, CFG_HIDDEN, "0", 0, INT_MAX),
    FLAG("use-exit-on-panic", NULL, use_exit_on_panic, CFG_HIDDEN, "no"),

    /* log */
    CHOICE("loglevel", NULL, loglevel, 0, "notice", loglevel_words),
    TEXT("logfile", NULL, logfile, CFG_IMMUTABLE, ""),
    FLAG("syslog-enabled", NULL, syslog_enabled, CFG_IMMUTABLE, "no"),
    TEXT("syslog-ident", NULL, syslog_ident, CFG_IMMUTABLE, "redis"),
    CHOICE("syslog-facility", NULL, syslog_facility, CFG_IMMUTABLE, "local0", syslog_facility_words),
    FLAG("crash-log-enabled", NULL, crash_log_enabled, 0, "yes"),
    FLAG("crash-memcheck-enabled", NULL, crash_memcheck_enabled, 0, "yes"),
    NUMBER("slowlog-log-slower-than", NULL, slowlog_log_slower_than_us, 0, "10000", -1, LLONG_MAX),
    NUMBER("slowlog-max-len", NULL, slowlog_max_len, 0, "128", 0, LLONG_MAX),
    NUMBER("latency-monitor-threshold", NULL, latency_monitor_threshold_ms, 0, "0", 0, LLONG_MAX),
    FLAG("latency-tracking", NULL, latency_tracking, 0, "yes"),
    SPECIAL(PERCENTILES, struct cfg_percentiles, "latency-tracking-info-percentiles", NULL,
            latency_tracking_info_percentiles, CFG_MULTI_WORD | CFG_ALWAYS_WRITTEN, "50 99 99.9"),

    /* access */
    TEXT("requirepass", NULL, requirepass, CFG_SENSITIVE | CFG_EMPTY_IS_UNSET | CFG_BINARY, ""),
    TEXT("aclfile", NULL, aclfile, CFG_IMMUTABLE, ""),
    NUMBER("acllog-max-len", NULL, acllog_max_len, 0, "128", 0, LLONG_MAX),
    CHOICE("acl-pubsub-default", NULL, acl_pubsub_default, 0, "resetchannels", acl_pubsub_default_words),
    CHOICE("enable-protected-configs", NULL, enable_protected_configs, CFG_IMMUTABLE, "no", permission_words),
    CHOICE("enable-debug-command", NULL, enable_debug_command, CFG_IMMUTABLE, "no", permission_words),
    CHOICE("enable-module-command", NULL, enable_module_command, CFG_IMMUTABLE, "no", permission_words),

    /* memory and expiry */
    SIZE("maxmemory", NULL, maxmemory, 0, "0"),
    NUMBER("maxkeys", NULL, maxkeys, 0, "0", 0, LLONG_MAX),
    CHOICE("maxmemory-policy", NULL, maxmemory_policy, 0, "noeviction", maxmemory_policy_words),
    CHOICE("prefix-index", NULL, prefix_index, 0, "auto", prefix_index_words),
    SIZE("compression-threshold", NULL, compression_threshold, 0, "0"),
    NUMBER("maxmemory-samples", NULL, maxmemory_samples, 0, "5", 1, 64),
    NUMBER("maxmemory-eviction-tenacity", NULL, maxmemory_eviction_tenacity, 0, "10", 0, 100),
    NUMBER("lfu-log-factor", NULL, lfu_log_factor, 0, "10", 0, INT_MAX),
    NUMBER("lfu-decay-time", NULL, lfu_decay_time_min, 0, "1", 0, INT_MAX),
    NUMBER("active-expire-effort", NULL, active_expire_effort, 0, "1", 1, 10),
    FLAG("lazyfree-lazy-eviction", NULL, lazyfree_lazy_eviction, 0, "no"),
    FLAG("lazyfree-lazy-expire", NULL, lazyfree_lazy_expire, 0, "no"),
    FLAG("lazyfree-lazy-server-del", NULL, lazyfree_lazy_server_del, 0, "no"),
    FLAG("lazyfree-lazy-user-del", NULL, lazyfree_lazy_user_del, 0, "no"),
    FLAG("lazyfree-lazy-user-flush", NULL, lazyfree_lazy_user_flush, 0, "no"),
    FLAG("activerehashing", NULL, activerehashing, 0, "yes"),
    FLAG("activedefrag", NULL, activedefrag, 0, "no"),
    MEMORY("active-defrag-ignore-bytes", NULL, active_defrag_ignore_bytes, 0, "104857600", 1, LLONG_MAX),
    NUMBER("active-defrag-threshold-lower", NULL, active_defrag_threshold_lower, 0, "10", 0, 1000),
    NUMBER("active-defrag-threshold-upper", NULL, active_defrag_threshold_upper, 0, "100", 0, 1000),
    NUMBER("active-defrag-cycle-min", NULL, active_defrag_cycle_min, 0, "1", 1, 99),
    NUMBER("active-defrag-cycle-max", NULL, active_defrag_cycle_max, 0, "25", 1, 99),
    NUMBER("active-defrag-max-scan-fields", NULL, active_defrag_max_scan_fields, 0, "1000", 1, LLONG_MAX),
    NUMBER("tracking-table-max-keys", NULL, tracking_table_max_keys, 0, "1000000", 0, LLONG_MAX),
    SPECIAL(EVENTS, cfg_choice, "notify-keyspace-events", NULL, notify_keyspace_events, 0, ""),

    /* encodings of values */
    NUMBER("hash-max-listpack-entries", "hash-max-ziplist-entries", hash_max_listpack_entries, 0, "512", 0, LLONG_MAX),
    MEMORY("hash-max-listpack-value", "hash-max-ziplist-value", hash_max_listpack_value, 0, "64", 0, LLONG_MAX),
    NUMBER("list-max-listpack-size", "list-max-ziplist-size", list_max_listpack_size, 0, "-2", INT_MIN, INT_MAX),
    NUMBER("list-compress-depth", NULL, list_compress_depth, 0, "0", 0, INT_MAX),
    NUMBER("set-max-intset-entries", NULL, set_max_intset_entries, 0, "512", 0, LLONG_MAX),
    NUMBER("set-max-listpack-entries", NULL, set_max_listpack_entries, 0, "128", 0, LLONG_MAX),
    NUMBER("set-max-listpack-value", NULL, set_max_listpack_value, 0, "64", 0, LLONG_MAX),
    NUMBER("zset-max-listpack-entries", "zset-max-ziplist-entries", zset_max_listpack_entries, 0, "128", 0, LLONG_MAX),
    MEMORY("zset-max-listpack-value", "zset-max-ziplist-value", zset_max_listpack_value, 0, "64", 0, LLONG_MAX),
    MEMORY("hll-sparse-max-bytes", NULL, hll_sparse_max_bytes, 0, "3000", 0, LLONG_MAX),
    MEMORY("stream-node-max-bytes", NULL, stream_node_max_bytes, 0, "4096", 0, LLONG_MAX),
    NUMBER("stream-node-max-entries", NULL, stream_node_max_entries, 0, "100", 0, LLONG_MAX),

    /* scripts */
    NUMBER("busy-reply-threshold", "lua-time-limit", busy_reply_threshold_ms, 0, "5000", 0, LLONG_MAX),
    FLAG("lua-enable-deprecated-api", NULL, lua_enable_deprecated_api, CFG_IMMUTABLE | CFG_HIDDEN, "no"),

    /* snapshots and the append-only file */
    SPECIAL(SAVE_POINTS, struct cfg_save_points, "save", NULL, save, CFG_MULTI_WORD | CFG_ALWAYS_WRITTEN,
            "3600 1 300 100 60 10000"),
    CHECKED_TEXT("dbfilename", NULL, dbfilename, CFG_PROTECTED, "dump.rdb", check_dbfilename),
    FLAG("rdbcompression", NULL, rdbcompression, 0, "yes"),
    FLAG("rdbchecksum", NULL, rdbchecksum, CFG_IMMUTABLE, "yes"),
    FLAG("rdb-save-incremental-fsync", NULL, rdb_save_incremental_fsync, 0, "yes"),
    FLAG("rdb-del-sync-files", NULL, rdb_del_sync_files, 0, "no"),
    FLAG("stop-writes-on-bgsave-error", NULL, stop_writes_on_bgsave_error, 0, "yes"),
    CHOICE("sanitize-dump-payload", NULL, sanitize_dump_payload, 0, "no", sanitize_words),
    NUMBER("rdb-key-save-delay", NULL, rdb_key_save_delay_us, CFG_HIDDEN, "0", INT_MIN, INT_MAX),
    NUMBER("key-load-delay", NULL, key_load_delay_us, CFG_HIDDEN, "0", INT_MIN, INT_MAX),
    NUMBER("loading-process-events-interval-bytes", NULL, loading_process_events_interval_bytes, CFG_HIDDEN, "2097152",
           1024, INT_MAX),
    FLAG("appendonly", NULL, appendonly, 0, "no"),
    CHECKED_TEXT("appendfilename", NULL, appendfilename, CFG_IMMUTABLE, "appendonly.aof", check_appendfilename),
    CHECKED_TEXT("appenddirname", NULL, appenddirname, CFG_IMMUTABLE, "appendonlydir", check_appenddirname),
    CHOICE("appendfsync", NULL, appendfsync, 0, "everysec", appendfsync_words),
    FLAG("no-appendfsync-on-rewrite", NULL, no_appendfsync_on_rewrite, 0, "no"),
    NUMBER("auto-aof-rewrite-percentage", NULL, auto_aof_rewrite_percentage, 0, "100", 0, INT_MAX),
    MEMORY("auto-aof-rewrite-min-size", NULL, auto_aof_rewrite_min_size, 0, "67108864", 0, LLONG_MAX),
    FLAG("aof-rewrite-incremental-fsync", NULL, aof_rewrite_incremental_fsync, 0, "yes"),
    FLAG("aof-load-truncated", NULL, aof_load_truncated, 0, "yes"),
    FLAG("aof-use-rdb-preamble", NULL, aof_use_rdb_preamble, 0, "yes"),
    FLAG("aof-timestamp-enabled", NULL, aof_timestamp_enabled, 0, "no"),
    FLAG("aof-disable-auto-gc", NULL, aof_disable_auto_gc, 0, "no"),

    /* replication */
    SPECIAL(MASTER, struct cfg_master, "replicaof", "slaveof", replicaof, CFG_IMMUTABLE | CFG_MULTI_WORD, ""),
    TEXT("masteruser", NULL, masteruser, CFG_SENSITIVE | CFG_EMPTY_IS_UNSET, ""),
    TEXT("masterauth", NULL, masterauth, CFG_SENSITIVE | CFG_EMPTY_IS_UNSET | CFG_BINARY, ""),
    TEXT("replica-announce-ip", "slave-announce-ip", replica_announce_ip, CFG_EMPTY_IS_UNSET, ""),
    NUMBER("replica-announce-port", "slave-announce-port", replica_announce_port, 0, "0", 0, 65535),
    FLAG("replica-announced", NULL, replica_announced, 0, "yes"),
    NUMBER("replica-priority", "slave-priority", replica_priority, 0, "100", 0, INT_MAX),
    FLAG("replica-serve-stale-data", "slave-serve-stale-data", replica_serve_stale_data, 0, "yes"),
    FLAG("replica-read-only", "slave-read-only", replica_read_only, 0, "yes"),
    FLAG("replica-lazy-flush", "slave-lazy-flush", replica_lazy_flush, 0, "no"),
    FLAG("replica-ignore-maxmemory", "slave-ignore-maxmemory", replica_ignore_maxmemory, 0, "yes"),
    FLAG("replica-ignore-disk-write-errors", NULL, replica_ignore_disk_write_errors, 0, "no"),
    NUMBER("min-replicas-to-write", "min-slaves-to-write", min_replicas_to_write, 0, "0", 0, INT_MAX),
    NUMBER("min-replicas-max-lag", "min-slaves-max-lag", min_replicas_max_lag_s, 0, "10", 0, INT_MAX),
    NUMBER("repl-timeout", NULL, repl_timeout_s, 0, "60", 1, INT_MAX),
    NUMBER("repl-ping-replica-period", "repl-ping-slave-period", repl_ping_replica_period_s, 0, "10", 1, INT_MAX),
    CLAMPED_MEMORY("repl-backlog-size", NULL, repl_backlog_size, 0, "1048576", 1, LLONG_MAX, 16384, LLONG_MAX),
    NUMBER("repl-backlog-ttl", NULL, repl_backlog_ttl_s, 0, "3600", 0, LLONG_MAX),
    FLAG("repl-disable-tcp-nodelay", NULL, repl_disable_tcp_nodelay, 0, "no"),
    FLAG("repl-diskless-sync", NULL, repl_diskless_sync, 0, "yes"),
    NUMBER("repl-diskless-sync-delay", NULL, repl_diskless_sync_delay_s, 0, "5", 0, INT_MAX),
    NUMBER("repl-diskless-sync-max-replicas", NULL, repl_diskless_sync_max_replicas, 0, "0", 0, INT_MAX),
    CHOICE("repl-diskless-load", NULL, repl_diskless_load, 0, "disabled", diskless_load_words),
    CHOICE("propagation-error-behavior", NULL, propagation_error_behavior, 0, "ignore", propagation_error_words),

    /* cluster */
    FLAG("cluster-enabled", NULL, cluster_enabled, CFG_IMMUTABLE, "no"),
    TEXT("cluster-config-file", NULL, cluster_config_file, CFG_IMMUTABLE, "nodes.conf"),
    NUMBER("cluster-port", NULL, cluster_port, CFG_IMMUTABLE, "0", 0, 65535),
    NUMBER("cluster-node-timeout", NULL, cluster_node_timeout_ms, 0, "15000", 0, LLONG_MAX),
    NUMBER("cluster-ping-interval", NULL, cluster_ping_interval_ms, CFG_HIDDEN, "1000", 0, LLONG_MAX),
    NUMBER("cluster-replica-validity-factor", "cluster-slave-validity-factor", cluster_replica_validity_factor, 0, "10",
           0, INT_MAX),
    NUMBER("cluster-migration-barrier", NULL, cluster_migration_barrier, 0, "1", 0, INT_MAX),
    FLAG("cluster-allow-replica-migration", NULL, cluster_allow_replica_migration, 0, "yes"),
    FLAG("cluster-require-full-coverage", NULL, cluster_require_full_coverage, 0, "yes"),
    FLAG("cluster-replica-no-failover", "cluster-slave-no-failover", cluster_replica_no_failover, 0, "no"),
    FLAG("cluster-allow-reads-when-down", NULL, cluster_allow_reads_when_down, 0, "no"),
    FLAG("cluster-allow-pubsubshard-when-down", NULL, cluster_allow_pubsubshard_when_down, 0, "yes"),
    SIZE("cluster-link-sendbuf-limit", NULL, cluster_link_sendbuf_limit, 0, "0"),
    CHOICE("cluster-preferred-endpoint-type", NULL, cluster_preferred_endpoint_type, 0, "ip", endpoint_words),
    TEXT("cluster-announce-ip", NULL, cluster_announce_ip, CFG_EMPTY_IS_UNSET, ""),
    CHECKED_TEXT("cluster-announce-hostname", NULL, cluster_announce_hostname, CFG_EMPTY_IS_UNSET, "", check_hostname),
    CHECKED_TEXT("cluster-announce-human-nodename", NULL, cluster_announce_human_nodename, CFG_EMPTY_IS_UNSET, "",
                 check_nodename),
    NUMBER("cluster-announce-port", NULL, cluster_announce_port, 0, "0", 0, 65535),
    NUMBER("cluster-announce-tls-port", NULL, cluster_announce_tls_port, 0, "0", 0, 65535),
    NUMBER("cluster-announce-bus-port", NULL, cluster_announce_bus_port, 0, "0", 0, 65535),
};
/* clang-format on */

const size_t cfg_row_count = COUNT_OF(cfg_rows);

/* Configuration: every parameter of Redis 7.2 and Larder's own, as typed fields of one structure per engine.

   A parameter is one row of a table (config_table.c): its names, its kind, the field it fills, its default and its
   limits. Everything else follows from the row: CONFIG SET, CONFIG GET, the configuration file and CONFIG REWRITE.

   Threads. Scalars are atomic: any thread reads them at any time with CFG_READ. Texts and lists are read through the
   cfg_copy_* functions, which take `lock` for the length of the copy. All changes are serialised by `change_lock`,
   which is held while the hooks run; a hook may therefore read everything, and must not change anything.

   Before the server serves, cfg_set_one sets anything. From then on only cfg_set_many may be used. */
#ifndef LARDER_ENGINE_CONFIG_H
#define LARDER_ENGINE_CONFIG_H

#include "base/bytes.h"
#include "base/common.h"
#include "base/lock.h"
#include "base/text.h"

#include <stdatomic.h>

enum {
    CFG_BIND_MAX = 16,        /* addresses to listen on */
    CFG_SAVE_POINTS_MAX = 64, /* save <seconds> <changes> */
    CFG_PERCENTILES_MAX = 64, /* latency-tracking-info-percentiles */
    CFG_RENAMES_MAX = 4096,   /* rename-command lines */
    CFG_HOST_SIZE = 256,      /* a host name with its terminator */
    CFG_ERROR_SIZE = 1024,    /* an error text with its terminator; longer ones are cut */
};

/* Why something was refused, in Redis's words but without a leading "ERR ". */
struct cfg_error {
    char text[CFG_ERROR_SIZE];
};

/* ---- Values ---- */

typedef _Atomic bool cfg_flag;
typedef _Atomic int cfg_choice;       /* one of an enum below, or several of its bits */
typedef _Atomic long long cfg_number; /* units are in the field's name */
typedef _Atomic unsigned long long cfg_size;

/* A text, terminated by a zero byte; a password may hold zero bytes of its own. */
struct cfg_text {
    char *at;   /* owned by the configuration; NULL only when len is 0 */
    size_t len; /* bytes, without the terminator */
};

/* Addresses to listen on, as written: a leading "-" means that it may be missing. */
struct cfg_addresses {
    size_t count;
    struct cfg_text at[CFG_BIND_MAX];
};

/* Save when at least `changes` happened within `seconds`. */
struct cfg_save_point {
    long long seconds;
    int changes;
};

struct cfg_save_points {
    size_t count;
    struct cfg_save_point at[CFG_SAVE_POINTS_MAX];
};

enum cfg_client_class { CFG_CLASS_NORMAL, CFG_CLASS_REPLICA, CFG_CLASS_PUBSUB, CFG_CLASS_COUNT };

/* A client is closed when what it is still to receive is over the hard limit, or over the soft limit for longer than
   soft_seconds. 0 is no limit. */
struct cfg_output_limit {
    unsigned long long hard_bytes;
    unsigned long long soft_bytes;
    long long soft_seconds;
};

struct cfg_output_limits {
    struct cfg_output_limit at[CFG_CLASS_COUNT];
};

struct cfg_oom_scores {
    int at[3]; /* of a master, of a replica, of a background process */
};

struct cfg_percentiles {
    size_t count;
    double at[CFG_PERCENTILES_MAX];
};

struct cfg_master {
    char host[CFG_HOST_SIZE]; /* empty: none */
    int port;
};

/* rename-command: the command is known as `to` instead; an empty `to` removes it. */
struct cfg_rename {
    struct cfg_text from;
    struct cfg_text to;
};

/* Asked for each rename-command line, in order: why it cannot be, NULL when it can. */
typedef const char *cfg_rename_check_fn(void *context, bytes from, bytes to);

/* Asked for each `user` line (words[0] is "user"), in order: whether its rules can be read; `error` says why not. */
typedef bool cfg_user_check_fn(void *context, const bytes *words, size_t count, struct cfg_error *error);

/* A `user` line, kept until the users are made of it. */
struct cfg_user {
    struct cfg_text name;
    struct cfg_text line; /* as written */
};

/* A line of a configuration file without its newline; a line that is not `is_needed` may be left out, since it says
   what is the default anyway. */
typedef void cfg_line_fn(void *context, bytes line, bool is_needed);

/* What CONFIG REWRITE does with `user` lines: leaves them alone, writes those it was given, or gives up. */
enum cfg_users_fate { CFG_USERS_STAY, CFG_USERS_ARE_WRITTEN, CFG_USERS_ARE_REFUSED };

/* Gives the `user` lines that stand for the present users; or none, with the reason in `error` if it refuses. */
typedef enum cfg_users_fate cfg_list_users_fn(void *context, cfg_line_fn *line, void *line_context,
                                              struct cfg_error *error);

enum cfg_loglevel {
    CFG_LOG_DEBUG,
    CFG_LOG_VERBOSE,
    CFG_LOG_NOTICE,
    CFG_LOG_WARNING,
    CFG_LOG_NOTHING,
};

enum cfg_prefix_index { CFG_PREFIX_AUTO, CFG_PREFIX_ON, CFG_PREFIX_OFF };

enum cfg_maxmemory_policy {
    CFG_POLICY_VOLATILE_LRU,
    CFG_POLICY_VOLATILE_LFU,
    CFG_POLICY_VOLATILE_RANDOM,
    CFG_POLICY_VOLATILE_TTL,
    CFG_POLICY_ALLKEYS_LRU,
    CFG_POLICY_ALLKEYS_LFU,
    CFG_POLICY_ALLKEYS_RANDOM,
    CFG_POLICY_ALLKEYS_S3FIFO,
    CFG_POLICY_NOEVICTION,
};

enum cfg_appendfsync { CFG_FSYNC_EVERYSEC, CFG_FSYNC_ALWAYS, CFG_FSYNC_NO };
enum cfg_supervised { CFG_SUPERVISED_UPSTART, CFG_SUPERVISED_SYSTEMD, CFG_SUPERVISED_AUTO, CFG_SUPERVISED_NO };
enum cfg_permission { CFG_ALLOW_NO, CFG_ALLOW_YES, CFG_ALLOW_LOCAL };
enum cfg_diskless_load { CFG_DISKLESS_DISABLED, CFG_DISKLESS_ON_EMPTY_DB, CFG_DISKLESS_SWAPDB };
enum cfg_oom_score_adj { CFG_OOM_NO, CFG_OOM_RELATIVE, CFG_OOM_ABSOLUTE };
enum cfg_pubsub_default { CFG_PUBSUB_ALLCHANNELS, CFG_PUBSUB_RESETCHANNELS };
enum cfg_sanitize { CFG_SANITIZE_NO, CFG_SANITIZE_YES, CFG_SANITIZE_CLIENTS };
enum cfg_endpoint { CFG_ENDPOINT_IP, CFG_ENDPOINT_HOSTNAME, CFG_ENDPOINT_UNKNOWN };
enum cfg_propagation_error { CFG_PROPAGATION_IGNORE, CFG_PROPAGATION_PANIC, CFG_PROPAGATION_PANIC_ON_REPLICAS };
enum cfg_tls_auth_clients { CFG_TLS_AUTH_NO, CFG_TLS_AUTH_YES, CFG_TLS_AUTH_OPTIONAL };

/* syslog-facility; the values are independent of the system's, which are not the same everywhere. */
enum cfg_syslog_facility {
    CFG_SYSLOG_USER,
    CFG_SYSLOG_LOCAL0,
    CFG_SYSLOG_LOCAL1,
    CFG_SYSLOG_LOCAL2,
    CFG_SYSLOG_LOCAL3,
    CFG_SYSLOG_LOCAL4,
    CFG_SYSLOG_LOCAL5,
    CFG_SYSLOG_LOCAL6,
    CFG_SYSLOG_LOCAL7,
};

/* shutdown-on-sigint, shutdown-on-sigterm: bits; none of them is "default". */
enum cfg_shutdown {
    CFG_SHUTDOWN_SAVE = 1,
    CFG_SHUTDOWN_NOSAVE = 2,
    CFG_SHUTDOWN_NOW = 4,
    CFG_SHUTDOWN_FORCE = 8,
};

/* notify-keyspace-events: bits. */
enum cfg_notify {
    CFG_NOTIFY_KEYSPACE = 1 << 0,  /* K */
    CFG_NOTIFY_KEYEVENT = 1 << 1,  /* E */
    CFG_NOTIFY_GENERIC = 1 << 2,   /* g */
    CFG_NOTIFY_STRING = 1 << 3,    /* $ */
    CFG_NOTIFY_LIST = 1 << 4,      /* l */
    CFG_NOTIFY_SET = 1 << 5,       /* s */
    CFG_NOTIFY_HASH = 1 << 6,      /* h */
    CFG_NOTIFY_ZSET = 1 << 7,      /* z */
    CFG_NOTIFY_EXPIRED = 1 << 8,   /* x */
    CFG_NOTIFY_EVICTED = 1 << 9,   /* e */
    CFG_NOTIFY_STREAM = 1 << 10,   /* t */
    CFG_NOTIFY_MODULE = 1 << 11,   /* d */
    CFG_NOTIFY_KEY_MISS = 1 << 12, /* m */
    CFG_NOTIFY_NEW = 1 << 13,      /* n */
    /* A: everything but m and n */
    CFG_NOTIFY_ALL = CFG_NOTIFY_GENERIC | CFG_NOTIFY_STRING | CFG_NOTIFY_LIST | CFG_NOTIFY_SET | CFG_NOTIFY_HASH |
                     CFG_NOTIFY_ZSET | CFG_NOTIFY_EXPIRED | CFG_NOTIFY_EVICTED | CFG_NOTIFY_STREAM | CFG_NOTIFY_MODULE,
};

/* ---- The configuration ---- */

/* Invariant: every field holds a value that its row accepts. */
struct config {
    struct lock change_lock; /* held by whoever changes something, while its hooks run too; taken before `lock` */
    struct lock lock;        /* protects texts and lists; held for a copy or an exchange only */
    struct cfg_hook *hooks;  /* change_lock: in the order of registration */
    bool is_undoing;         /* change_lock: hooks run because a change is taken back */
    bool save_was_given;     /* change_lock: a save line came, the default points are gone */

    cfg_rename_check_fn *check_rename; /* set before files are read; NULL: every renaming is accepted */
    void *check_rename_context;
    struct cfg_rename *renames; /* filled before the server serves, constant from then on */
    size_t rename_count;
    size_t rename_room;

    cfg_user_check_fn *check_user; /* set before files are read; NULL: every line is accepted */
    void *check_user_context;
    struct cfg_user *users; /* filled before the server serves, emptied when the users are made */
    size_t user_count;
    size_t user_room;
    bool has_foreign_users;        /* some stood in included files or on the command line, where nothing is rewritten */
    cfg_list_users_fn *list_users; /* set before the server serves; NULL: `user` lines stay as they are */
    void *list_users_context;

    /* network */
    struct cfg_addresses bind;            /* lock */
    struct cfg_text bind_source_addr;     /* lock: for connections that the server opens; empty: the system chooses */
    cfg_number port;                      /* 0: do not listen on TCP */
    cfg_number tcp_backlog;               /* connections */
    cfg_number tcp_keepalive_s;           /* 0: off */
    cfg_number timeout_s;                 /* idle clients are closed; 0: never */
    cfg_number maxclients;                /* connections */
    cfg_number socket_mark_id;            /* 0: none */
    struct cfg_text unixsocket;           /* lock: path; empty: none */
    cfg_number unixsocketperm;            /* mode bits; 0: as the umask says */
    cfg_flag protected_mode;              /* refuse the world while there is no password */
    cfg_number proto_max_bulk_len;        /* bytes */
    cfg_number client_query_buffer_limit; /* bytes */
    struct cfg_output_limits client_output_buffer_limit; /* lock */
    cfg_number maxmemory_clients;                        /* bytes; negative: percent of maxmemory; 0: no limit */

    /* Gibson clients */
    cfg_number gibson_port;             /* 0: do not listen for them on TCP */
    struct cfg_text gibson_unixsocket;  /* lock: path; empty: none */
    cfg_number gibson_max_request_size; /* bytes, the opcode's included */
    cfg_number gibson_max_key_size;     /* bytes */
    cfg_number gibson_max_value_size;   /* bytes */
    cfg_size gibson_max_response_size;  /* bytes, of lists */
    cfg_number gibson_max_item_ttl_s;
    cfg_number gibson_compression;    /* bytes: longer values are compressed; 0: none are */
    cfg_number gibson_gc_ratio_s;     /* unused for so long, keys go when memory is short; 0: they stay */
    cfg_number gibson_max_mem_cron_s; /* between looking for such keys */

    /* TLS */
    cfg_number tls_port; /* 0: do not listen for TLS */
    cfg_flag tls_cluster;
    cfg_flag tls_replication;
    cfg_choice tls_auth_clients; /* enum cfg_tls_auth_clients */
    cfg_flag tls_prefer_server_ciphers;
    cfg_flag tls_session_caching;
    cfg_number tls_session_cache_size; /* sessions */
    cfg_number tls_session_cache_timeout_s;
    struct cfg_text tls_cert_file;            /* lock */
    struct cfg_text tls_key_file;             /* lock */
    struct cfg_text tls_key_file_pass;        /* lock */
    struct cfg_text tls_client_cert_file;     /* lock */
    struct cfg_text tls_client_key_file;      /* lock */
    struct cfg_text tls_client_key_file_pass; /* lock */
    struct cfg_text tls_dh_params_file;       /* lock */
    struct cfg_text tls_ca_cert_file;         /* lock */
    struct cfg_text tls_ca_cert_dir;          /* lock */
    struct cfg_text tls_protocols;            /* lock */
    struct cfg_text tls_ciphers;              /* lock */
    struct cfg_text tls_ciphersuites;         /* lock */

    /* process */
    cfg_number threads; /* workers; 0: one per core */
    cfg_flag daemonize;
    cfg_choice supervised;   /* enum cfg_supervised */
    struct cfg_text pidfile; /* lock: path; empty: none unless daemonized */
    struct cfg_text dir;     /* lock: absolute path of the working directory */
    cfg_flag set_proc_title;
    struct cfg_text proc_title_template; /* lock */
    cfg_flag always_show_logo;
    cfg_number hz; /* background rounds a second, 1 to 500 */
    cfg_flag dynamic_hz;
    cfg_number databases;
    cfg_flag disable_thp;
    cfg_choice oom_score_adj;                   /* enum cfg_oom_score_adj */
    struct cfg_oom_scores oom_score_adj_values; /* lock */
    struct cfg_text server_cpulist;             /* lock */
    struct cfg_text bio_cpulist;                /* lock */
    struct cfg_text aof_rewrite_cpulist;        /* lock */
    struct cfg_text bgsave_cpulist;             /* lock */
    struct cfg_text locale_collate;             /* lock */
    struct cfg_text ignore_warnings;            /* lock */
    cfg_choice shutdown_on_sigint;              /* bits of enum cfg_shutdown */
    cfg_choice shutdown_on_sigterm;             /* bits of enum cfg_shutdown */
    cfg_number shutdown_timeout_s;              /* for replicas to catch up; 0: do not wait */
    cfg_number io_threads;                      /* accepted for redis.conf's sake, without effect: see threads */
    cfg_flag io_threads_do_reads;               /* accepted for redis.conf's sake, without effect */
    cfg_flag jemalloc_bg_thread;                /* accepted for redis.conf's sake, without effect */
    cfg_number watchdog_period_ms;
    cfg_flag use_exit_on_panic;

    /* log */
    cfg_choice loglevel;     /* enum cfg_loglevel */
    struct cfg_text logfile; /* lock: path; empty: standard output */
    cfg_flag syslog_enabled;
    struct cfg_text syslog_ident; /* lock */
    cfg_choice syslog_facility;   /* enum cfg_syslog_facility */
    cfg_flag crash_log_enabled;
    cfg_flag crash_memcheck_enabled;
    cfg_number slowlog_log_slower_than_us;   /* -1: no slow log */
    cfg_number slowlog_max_len;              /* entries */
    cfg_number latency_monitor_threshold_ms; /* 0: off */
    cfg_flag latency_tracking;
    struct cfg_percentiles latency_tracking_info_percentiles; /* lock */

    /* access */
    struct cfg_text requirepass;         /* lock: empty: none */
    struct cfg_text aclfile;             /* lock: path; empty: none */
    cfg_number acllog_max_len;           /* entries */
    cfg_choice acl_pubsub_default;       /* enum cfg_pubsub_default */
    cfg_choice enable_protected_configs; /* enum cfg_permission */
    cfg_choice enable_debug_command;     /* enum cfg_permission */
    cfg_choice enable_module_command;    /* enum cfg_permission */

    /* memory and expiry */
    cfg_size maxmemory;          /* bytes; 0: no limit */
    cfg_number maxkeys;          /* keys; 0: no limit */
    cfg_choice maxmemory_policy; /* enum cfg_maxmemory_policy */
    cfg_choice prefix_index;     /* enum cfg_prefix_index */
    cfg_number maxmemory_samples;
    cfg_size compression_threshold;         /* bytes; longer values are stored compressed; 0: none are */
    cfg_number maxmemory_eviction_tenacity; /* 0 to 100 */
    cfg_number lfu_log_factor;
    cfg_number lfu_decay_time_min;
    cfg_number active_expire_effort; /* 1 to 10 */
    cfg_flag lazyfree_lazy_eviction;
    cfg_flag lazyfree_lazy_expire;
    cfg_flag lazyfree_lazy_server_del;
    cfg_flag lazyfree_lazy_user_del;
    cfg_flag lazyfree_lazy_user_flush;
    cfg_flag activerehashing;
    cfg_flag activedefrag;
    cfg_number active_defrag_ignore_bytes;
    cfg_number active_defrag_threshold_lower; /* percent */
    cfg_number active_defrag_threshold_upper; /* percent */
    cfg_number active_defrag_cycle_min;       /* percent of a core */
    cfg_number active_defrag_cycle_max;       /* percent of a core */
    cfg_number active_defrag_max_scan_fields;
    cfg_number tracking_table_max_keys; /* 0: no limit */
    cfg_choice notify_keyspace_events;  /* bits of enum cfg_notify */

    /* encodings of values */
    cfg_number hash_max_listpack_entries;
    cfg_number hash_max_listpack_value; /* bytes */
    cfg_number list_max_listpack_size;  /* elements, or -1 to -5: 4 to 64 KiB */
    cfg_number list_compress_depth;     /* nodes at either end that stay as they are; 0: no compression */
    cfg_number set_max_intset_entries;
    cfg_number set_max_listpack_entries;
    cfg_number set_max_listpack_value; /* bytes */
    cfg_number zset_max_listpack_entries;
    cfg_number zset_max_listpack_value; /* bytes */
    cfg_number hll_sparse_max_bytes;
    cfg_number stream_node_max_bytes;   /* 0: no limit */
    cfg_number stream_node_max_entries; /* 0: no limit */

    /* scripts */
    cfg_number busy_reply_threshold_ms; /* 0: never answer BUSY */
    cfg_flag lua_enable_deprecated_api;

    /* snapshots and the append-only file */
    struct cfg_save_points save; /* lock */
    struct cfg_text dbfilename;  /* lock */
    cfg_flag rdbcompression;
    cfg_flag rdbchecksum;
    cfg_flag rdb_save_incremental_fsync;
    cfg_flag rdb_del_sync_files;
    cfg_flag stop_writes_on_bgsave_error;
    cfg_choice sanitize_dump_payload; /* enum cfg_sanitize */
    cfg_number rdb_key_save_delay_us; /* for tests */
    cfg_number key_load_delay_us;     /* for tests */
    cfg_number loading_process_events_interval_bytes;
    cfg_flag appendonly;
    struct cfg_text appendfilename; /* lock */
    struct cfg_text appenddirname;  /* lock */
    cfg_choice appendfsync;         /* enum cfg_appendfsync */
    cfg_flag no_appendfsync_on_rewrite;
    cfg_number auto_aof_rewrite_percentage; /* 0: never */
    cfg_number auto_aof_rewrite_min_size;   /* bytes */
    cfg_flag aof_rewrite_incremental_fsync;
    cfg_flag aof_load_truncated;
    cfg_flag aof_use_rdb_preamble;
    cfg_flag aof_timestamp_enabled;
    cfg_flag aof_disable_auto_gc;

    /* replication */
    struct cfg_master replicaof;         /* lock */
    struct cfg_text masteruser;          /* lock: empty: none */
    struct cfg_text masterauth;          /* lock: empty: none */
    struct cfg_text replica_announce_ip; /* lock: empty: the address of the connection */
    cfg_number replica_announce_port;    /* 0: the port that is listened on */
    cfg_flag replica_announced;
    cfg_number replica_priority; /* 0: never to be promoted */
    cfg_flag replica_serve_stale_data;
    cfg_flag replica_read_only;
    cfg_flag replica_lazy_flush;
    cfg_flag replica_ignore_maxmemory;
    cfg_flag replica_ignore_disk_write_errors;
    cfg_number min_replicas_to_write;  /* 0: off */
    cfg_number min_replicas_max_lag_s; /* 0: off */
    cfg_number repl_timeout_s;
    cfg_number repl_ping_replica_period_s;
    cfg_number repl_backlog_size;  /* bytes, at least 16 KiB */
    cfg_number repl_backlog_ttl_s; /* 0: keep for ever */
    cfg_flag repl_disable_tcp_nodelay;
    cfg_flag repl_diskless_sync;
    cfg_number repl_diskless_sync_delay_s;
    cfg_number repl_diskless_sync_max_replicas; /* 0: no limit */
    cfg_choice repl_diskless_load;              /* enum cfg_diskless_load */
    cfg_choice propagation_error_behavior;      /* enum cfg_propagation_error */

    /* cluster */
    cfg_flag cluster_enabled;
    struct cfg_text cluster_config_file; /* lock */
    cfg_number cluster_port;             /* 0: port + 10000 */
    cfg_number cluster_node_timeout_ms;
    cfg_number cluster_ping_interval_ms;
    cfg_number cluster_replica_validity_factor;
    cfg_number cluster_migration_barrier;
    cfg_flag cluster_allow_replica_migration;
    cfg_flag cluster_require_full_coverage;
    cfg_flag cluster_replica_no_failover;
    cfg_flag cluster_allow_reads_when_down;
    cfg_flag cluster_allow_pubsubshard_when_down;
    cfg_size cluster_link_sendbuf_limit;             /* bytes; 0: no limit */
    cfg_choice cluster_preferred_endpoint_type;      /* enum cfg_endpoint */
    struct cfg_text cluster_announce_ip;             /* lock */
    struct cfg_text cluster_announce_hostname;       /* lock */
    struct cfg_text cluster_announce_human_nodename; /* lock */
    cfg_number cluster_announce_port;                /* 0: port */
    cfg_number cluster_announce_tls_port;            /* 0: tls-port */
    cfg_number cluster_announce_bus_port;            /* 0: port + 10000 */
};

/* A scalar field of a configuration, from any thread. */
#define CFG_READ(config, field) atomic_load_explicit(&(config)->field, memory_order_relaxed)

/* All fields at their defaults; `dir` is the process's working directory. False: out of memory, or there is no working
   directory; nothing is left to free. */
MUST_USE bool cfg_init(struct config *config);
void cfg_free(struct config *config);

/* ---- Parameters ---- */

struct cfg_row; /* a parameter */

/* The parameter of this name or alias, letters of either case; NULL: none. Hidden ones are found too. */
const struct cfg_row *cfg_lookup(bytes name);
/* Its first name; an alias has none of its own here. */
const char *cfg_name(const struct cfg_row *row);
/* Its value must not appear in a log, in MONITOR, or in the slow log. */
bool cfg_is_sensitive(const struct cfg_row *row);
/* It is set at start only. */
bool cfg_is_immutable(const struct cfg_row *row);
/* The parameters in the table's order, index 0 to cfg_count() - 1. */
size_t cfg_count(void);
const struct cfg_row *cfg_at(size_t index);

/* ---- Changing ---- */

/* One line of a configuration file: argv[0] is the name, the rest its words. Sets immutable parameters too. A single
   word of a parameter that takes several is split at blanks. `save` lines add to each other, the first one replaces the
   default. False: nothing changed, and `error` says why. */
MUST_USE bool cfg_set_one(struct config *config, const bytes *argv, size_t argc, struct cfg_error *error);

/* CONFIG SET: argv holds name, value, name, value, ... Either all of them are changed and every hook agreed, or nothing
   is. `caller_is_local` decides on protected parameters while enable-protected-configs is `local`. */
MUST_USE bool cfg_set_many(struct config *config, const bytes *argv, size_t argc, bool caller_is_local,
                           struct cfg_error *error);

/* Called after the parameter changed, with its new value in place. Returning false with the reason in `error` undoes
   the whole change: the old values are put back, and hooks that had agreed are called again. */
typedef bool cfg_change_fn(struct config *config, void *context, struct cfg_error *error);

/* From now on `changed` is called for every change of this parameter, by either of the functions above. Registered
   under several names, it is called once per CONFIG SET. The name must exist. False: out of memory. */
MUST_USE bool cfg_on_change(struct config *config, const char *name, cfg_change_fn *changed, void *context);

/* The callback is called no more; when this returns, no call of it is under way. Not from a hook. */
void cfg_off_change(struct config *config, cfg_change_fn *changed, void *context);

/* Remembers a rename-command line. False: too many of them, or out of memory; `error` says which. */
MUST_USE bool cfg_add_rename(struct config *config, bytes from, bytes to, struct cfg_error *error);

/* Remembers a `user` line, of which these are the words. False: `error` says why. */
MUST_USE bool cfg_add_user(struct config *config, bytes line, const bytes *words, size_t count,
                           struct cfg_error *error);
/* The users were made: their lines, which may hold passwords, are wiped. */
void cfg_forget_users(struct config *config);

/* What no single line can know: whether the parameters fit together, and what this build has. To be called when all
   files were read. */
MUST_USE bool cfg_check(struct config *config, struct cfg_error *error);

/* Between these two nothing changes; for a reader that needs several values of one moment. */
void cfg_freeze(struct config *config);
void cfg_thaw(struct config *config);

/* ---- Reading ---- */

/* Appends the value in CONFIG GET's form. */
void cfg_value_to_text(struct config *config, const struct cfg_row *row, struct text *out);

typedef void cfg_each_fn(void *context, bytes name, bytes value);

/* CONFIG GET: every name, alias or not, that one of the patterns matches, once. A pattern without wildcards finds
   hidden parameters too, and is given back as it was written. False: out of memory, `each` was called for a part. */
MUST_USE bool cfg_get(struct config *config, const bytes *patterns, size_t pattern_count, cfg_each_fn *each,
                      void *context);

/* A text's bytes into `to`, terminated; cut when `to` is too small. Returns the whole length. */
size_t cfg_copy_text(struct config *config, const struct cfg_text *text, char *to, size_t to_size);
/* The same into fresh memory, to be freed by the caller; NULL: out of memory. */
char *cfg_duplicate_text(struct config *config, const struct cfg_text *text);
bool cfg_text_is_empty(struct config *config, const struct cfg_text *text);
/* Whether a text holds exactly these bytes; takes the same time wherever they differ, since it may be a password. */
bool cfg_text_equals(struct config *config, const struct cfg_text *text, bytes other);
/* The addresses to listen on; to be freed with cfg_free_addresses. False: out of memory. */
MUST_USE bool cfg_copy_bind(struct config *config, struct cfg_addresses *to);
void cfg_free_addresses(struct cfg_addresses *addresses);
struct cfg_output_limit cfg_output_limit(struct config *config, enum cfg_client_class class);
void cfg_copy_save_points(struct config *config, struct cfg_save_points *to);
void cfg_copy_percentiles(struct config *config, struct cfg_percentiles *to);
struct cfg_oom_scores cfg_oom_scores(struct config *config);
struct cfg_master cfg_master(struct config *config);

/* ---- CONFIG REWRITE ---- */

/* The lines that set this parameter to its present value, in order; none when it is unset. False: out of memory. */
MUST_USE bool cfg_rewrite_lines(struct config *config, const struct cfg_row *row, cfg_line_fn *line, void *context);

#endif

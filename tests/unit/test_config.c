/* The configuration: names, defaults, what is accepted and how it is given back, CONFIG SET as one change, hooks. */
#include "base/mem.h"
#include "engine/config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What CONFIG GET * answers on a fresh server; `dir` is the working directory. */
static const struct setting {
    const char *name;
    const char *value;
} defaults[] = {
    /* clang-format off: one parameter, one line */
    {"acl-pubsub-default", "resetchannels"},
    {"aclfile", ""},
    {"acllog-max-len", "128"},
    {"active-defrag-cycle-max", "25"},
    {"active-defrag-cycle-min", "1"},
    {"active-defrag-ignore-bytes", "104857600"},
    {"active-defrag-max-scan-fields", "1000"},
    {"active-defrag-threshold-lower", "10"},
    {"active-defrag-threshold-upper", "100"},
    {"active-expire-effort", "1"},
    {"activedefrag", "no"},
    {"activerehashing", "yes"},
    {"always-show-logo", "no"},
    {"aof-disable-auto-gc", "no"},
    {"aof-load-truncated", "yes"},
    {"aof-rewrite-incremental-fsync", "yes"},
    {"aof-timestamp-enabled", "no"},
    {"aof-use-rdb-preamble", "yes"},
    {"aof_rewrite_cpulist", ""},
    {"appenddirname", "appendonlydir"},
    {"appendfilename", "appendonly.aof"},
    {"appendfsync", "everysec"},
    {"appendonly", "no"},
    {"auto-aof-rewrite-min-size", "67108864"},
    {"auto-aof-rewrite-percentage", "100"},
    {"bgsave_cpulist", ""},
    {"bind", "* -::*"},
    {"bind-source-addr", ""},
    {"bio_cpulist", ""},
    {"busy-reply-threshold", "5000"},
    {"client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
    {"client-query-buffer-limit", "1073741824"},
    {"cluster-allow-pubsubshard-when-down", "yes"},
    {"cluster-allow-reads-when-down", "no"},
    {"cluster-allow-replica-migration", "yes"},
    {"cluster-announce-bus-port", "0"},
    {"cluster-announce-hostname", ""},
    {"cluster-announce-human-nodename", ""},
    {"cluster-announce-ip", ""},
    {"cluster-announce-port", "0"},
    {"cluster-announce-tls-port", "0"},
    {"cluster-config-file", "nodes.conf"},
    {"cluster-enabled", "no"},
    {"cluster-link-sendbuf-limit", "0"},
    {"cluster-migration-barrier", "1"},
    {"cluster-node-timeout", "15000"},
    {"cluster-port", "0"},
    {"cluster-preferred-endpoint-type", "ip"},
    {"cluster-replica-no-failover", "no"},
    {"cluster-replica-validity-factor", "10"},
    {"cluster-require-full-coverage", "yes"},
    {"cluster-slave-no-failover", "no"},
    {"cluster-slave-validity-factor", "10"},
    {"compression-threshold", "0"},
    {"crash-log-enabled", "yes"},
    {"crash-memcheck-enabled", "yes"},
    {"daemonize", "no"},
    {"databases", "16"},
    {"dbfilename", "dump.rdb"},
    {"disable-thp", "yes"},
    {"dynamic-hz", "yes"},
    {"enable-debug-command", "no"},
    {"enable-module-command", "no"},
    {"enable-protected-configs", "no"},
    {"gibson-compression", "4096"},
    {"gibson-gc-ratio", "0"},
    {"gibson-max-item-ttl", "2592000"},
    {"gibson-max-key-size", "1024"},
    {"gibson-max-mem-cron", "15"},
    {"gibson-max-request-size", "2097152"},
    {"gibson-max-response-size", "15728640"},
    {"gibson-max-value-size", "2096127"},
    {"gibson-port", "0"},
    {"gibson-unixsocket", ""},
    {"hash-max-listpack-entries", "512"},
    {"hash-max-listpack-value", "64"},
    {"hash-max-ziplist-entries", "512"},
    {"hash-max-ziplist-value", "64"},
    {"hll-sparse-max-bytes", "3000"},
    {"hz", "10"},
    {"ignore-warnings", ""},
    {"io-threads", "1"},
    {"io-threads-do-reads", "no"},
    {"jemalloc-bg-thread", "yes"},
    {"latency-monitor-threshold", "0"},
    {"latency-tracking", "yes"},
    {"latency-tracking-info-percentiles", "50 99 99.9"},
    {"lazyfree-lazy-eviction", "no"},
    {"lazyfree-lazy-expire", "no"},
    {"lazyfree-lazy-server-del", "no"},
    {"lazyfree-lazy-user-del", "no"},
    {"lazyfree-lazy-user-flush", "no"},
    {"lfu-decay-time", "1"},
    {"lfu-log-factor", "10"},
    {"list-compress-depth", "0"},
    {"list-max-listpack-size", "-2"},
    {"list-max-ziplist-size", "-2"},
    {"locale-collate", ""},
    {"logfile", ""},
    {"loglevel", "notice"},
    {"lua-time-limit", "5000"},
    {"masterauth", ""},
    {"masteruser", ""},
    {"maxclients", "10000"},
    {"maxkeys", "0"},
    {"maxmemory", "0"},
    {"maxmemory-clients", "0"},
    {"maxmemory-eviction-tenacity", "10"},
    {"maxmemory-policy", "noeviction"},
    {"maxmemory-samples", "5"},
    {"min-replicas-max-lag", "10"},
    {"min-replicas-to-write", "0"},
    {"min-slaves-max-lag", "10"},
    {"min-slaves-to-write", "0"},
    {"no-appendfsync-on-rewrite", "no"},
    {"notify-keyspace-events", ""},
    {"oom-score-adj", "no"},
    {"oom-score-adj-values", "0 200 800"},
    {"pidfile", ""},
    {"port", "6379"},
    {"prefix-index", "auto"},
    {"proc-title-template", "{title} {listen-addr} {server-mode}"},
    {"propagation-error-behavior", "ignore"},
    {"protected-mode", "yes"},
    {"proto-max-bulk-len", "536870912"},
    {"rdb-del-sync-files", "no"},
    {"rdb-save-incremental-fsync", "yes"},
    {"rdbchecksum", "yes"},
    {"rdbcompression", "yes"},
    {"repl-backlog-size", "1048576"},
    {"repl-backlog-ttl", "3600"},
    {"repl-disable-tcp-nodelay", "no"},
    {"repl-diskless-load", "disabled"},
    {"repl-diskless-sync", "yes"},
    {"repl-diskless-sync-delay", "5"},
    {"repl-diskless-sync-max-replicas", "0"},
    {"repl-ping-replica-period", "10"},
    {"repl-ping-slave-period", "10"},
    {"repl-timeout", "60"},
    {"replica-announce-ip", ""},
    {"replica-announce-port", "0"},
    {"replica-announced", "yes"},
    {"replica-ignore-disk-write-errors", "no"},
    {"replica-ignore-maxmemory", "yes"},
    {"replica-lazy-flush", "no"},
    {"replica-priority", "100"},
    {"replica-read-only", "yes"},
    {"replica-serve-stale-data", "yes"},
    {"replicaof", ""},
    {"requirepass", ""},
    {"sanitize-dump-payload", "no"},
    {"save", "3600 1 300 100 60 10000"},
    {"server_cpulist", ""},
    {"set-max-intset-entries", "512"},
    {"set-max-listpack-entries", "128"},
    {"set-max-listpack-value", "64"},
    {"set-proc-title", "yes"},
    {"shutdown-on-sigint", "default"},
    {"shutdown-on-sigterm", "default"},
    {"shutdown-timeout", "10"},
    {"slave-announce-ip", ""},
    {"slave-announce-port", "0"},
    {"slave-ignore-maxmemory", "yes"},
    {"slave-lazy-flush", "no"},
    {"slave-priority", "100"},
    {"slave-read-only", "yes"},
    {"slave-serve-stale-data", "yes"},
    {"slaveof", ""},
    {"slowlog-log-slower-than", "10000"},
    {"slowlog-max-len", "128"},
    {"socket-mark-id", "0"},
    {"stop-writes-on-bgsave-error", "yes"},
    {"stream-node-max-bytes", "4096"},
    {"stream-node-max-entries", "100"},
    {"supervised", "no"},
    {"syslog-enabled", "no"},
    {"syslog-facility", "local0"},
    {"syslog-ident", "redis"},
    {"tcp-backlog", "511"},
    {"tcp-keepalive", "300"},
    {"threads", "0"},
    {"timeout", "0"},
    {"tls-auth-clients", "yes"},
    {"tls-ca-cert-dir", ""},
    {"tls-ca-cert-file", ""},
    {"tls-cert-file", ""},
    {"tls-ciphers", ""},
    {"tls-ciphersuites", ""},
    {"tls-client-cert-file", ""},
    {"tls-client-key-file", ""},
    {"tls-client-key-file-pass", ""},
    {"tls-cluster", "no"},
    {"tls-dh-params-file", ""},
    {"tls-key-file", ""},
    {"tls-key-file-pass", ""},
    {"tls-port", "0"},
    {"tls-prefer-server-ciphers", "no"},
    {"tls-protocols", ""},
    {"tls-replication", "no"},
    {"tls-session-cache-size", "20480"},
    {"tls-session-cache-timeout", "300"},
    {"tls-session-caching", "yes"},
    {"tracking-table-max-keys", "1000000"},
    {"unixsocket", ""},
    {"unixsocketperm", "0"},
    {"zset-max-listpack-entries", "128"},
    {"zset-max-listpack-value", "64"},
    {"zset-max-ziplist-entries", "128"},
    {"zset-max-ziplist-value", "64"},
    /* clang-format on */
};

static int open_config(void **state)
{
    struct config *config = mem_alloc(sizeof(*config));
    *state = config;
    return config && cfg_init(config) ? 0 : -1;
}

static int close_config(void **state)
{
    cfg_free(*state);
    mem_free(*state);
    return 0;
}

/* ---- Short forms ---- */

enum { WORDS_MAX = 64 };

static bool set_line(struct config *config, const char *const *words, struct cfg_error *error)
{
    bytes argv[WORDS_MAX];
    size_t argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = bytes_of(words[argc]);
    return cfg_set_one(config, argv, argc, error);
}

static bool set_pairs(struct config *config, const char *const *words, struct cfg_error *error)
{
    bytes argv[WORDS_MAX];
    size_t argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = bytes_of(words[argc]);
    return cfg_set_many(config, argv, argc, false, error);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_given_back(struct config *config, const char *name, const char *value)
{
    struct text text = {0};
    const struct cfg_row *row = cfg_lookup(bytes_of(name));
    assert_non_null(row);
    cfg_value_to_text(config, row, &text);
    if (!bytes_equal(text_bytes(&text), bytes_of(value)))
        fail_msg("%s is \"%s\" and not \"%s\"", name, text.at ? text.at : "", value);
    text_free(&text);
}

static void expect_taken(struct config *config, const char *name, const char *value, const char *given_back)
{
    struct cfg_error error;
    if (!set_pairs(config, WORDS(name, value), &error))
        fail_msg("%s \"%s\": %s", name, value, error.text);
    expect_given_back(config, name, given_back);
}

static void expect_refused(struct config *config, const char *name, const char *value, const char *reason)
{
    struct cfg_error error;
    char expected[CFG_ERROR_SIZE];
    if (set_pairs(config, WORDS(name, value), &error))
        fail_msg("%s \"%s\" was accepted", name, value);
    snprintf(expected, sizeof(expected), "CONFIG SET failed (possibly related to argument '%s') - %s", name, reason);
    assert_string_equal(error.text, expected);
}

/* What cfg_get gave. */
struct found {
    size_t count;
    char names[512][64];
    char values[512][256];
};

static void collect(void *context, bytes name, bytes value)
{
    struct found *found = context;
    assert_true(found->count < COUNT_OF(found->names));
    snprintf(found->names[found->count], sizeof(found->names[0]), "%.*s", (int)name.len, name.at);
    snprintf(found->values[found->count], sizeof(found->values[0]), "%.*s", (int)value.len, value.len ? value.at : "");
    found->count++;
}

static void get(struct config *config, const char *const *patterns, struct found *found)
{
    bytes slices[WORDS_MAX];
    size_t count = 0;
    for (; patterns[count]; count++)
        slices[count] = bytes_of(patterns[count]);
    found->count = 0;
    assert_true(cfg_get(config, slices, count, collect, found));
}

static const char *find_value(const struct found *found, const char *name)
{
    for (size_t i = 0; i < found->count; i++)
        if (strcmp(found->names[i], name) == 0)
            return found->values[i];
    return NULL;
}

/* ---- Reading ---- */

static void config_get_gives_every_name_of_redis_7_2_with_its_default(void **state)
{
    static struct found found;
    get(*state, WORDS("*"), &found);
    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        const char *value = find_value(&found, defaults[i].name);
        if (!value || strcmp(value, defaults[i].value) != 0)
            fail_msg("%s is %s", defaults[i].name, value ? value : "missing");
    }
    assert_int_equal(found.count, COUNT_OF(defaults) + 1);
    char directory[4096];
    assert_non_null(getcwd(directory, sizeof(directory)));
    assert_string_equal(find_value(&found, "dir"), directory);
}

static void config_get_gives_each_name_once_for_several_patterns(void **state)
{
    static struct found found;
    get(*state, WORDS("time*", "timeout", "*out"), &found);
    for (size_t i = 0; i < found.count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(found.names[i], found.names[j]);
    assert_non_null(find_value(&found, "timeout"));
    assert_non_null(find_value(&found, "repl-timeout"));
    assert_int_equal(found.count, 5);
}

static void config_get_matches_in_either_case_and_echoes_a_plain_name(void **state)
{
    static struct found found;
    get(*state, WORDS("MAXMEMORY-P*"), &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.names[0], "maxmemory-policy");
    get(*state, WORDS("TIMEout", "timeout"), &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.names[0], "TIMEout");
}

static void config_get_gives_hidden_parameters_by_full_name_only(void **state)
{
    static struct found found;
    get(*state, WORDS("rdb-key-save-dela?", "key-load*"), &found);
    assert_int_equal(found.count, 0);
    get(*state, WORDS("rdb-key-save-delay"), &found);
    assert_int_equal(found.count, 1);
}

static void old_and_new_names_are_one_parameter(void **state)
{
    static const struct setting pairs[] = {
        {"slave-priority", "replica-priority"},
        {"lua-time-limit", "busy-reply-threshold"},
        {"hash-max-ziplist-entries", "hash-max-listpack-entries"},
        {"zset-max-ziplist-value", "zset-max-listpack-value"},
        {"list-max-ziplist-size", "list-max-listpack-size"},
        {"min-slaves-to-write", "min-replicas-to-write"},
        {"repl-ping-slave-period", "repl-ping-replica-period"},
        {"cluster-slave-validity-factor", "cluster-replica-validity-factor"},
    };
    static struct found found;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        expect_taken(*state, pairs[i].name, "7", "7");
        get(*state, WORDS(pairs[i].name, pairs[i].value), &found);
        assert_int_equal(found.count, 2);
        assert_string_equal(found.values[0], "7");
        assert_string_equal(found.values[1], "7");
    }
}

/* ---- One value ---- */

static void every_parameter_accepts_what_it_gives_back(void **state)
{
    for (size_t i = 0; i < cfg_count(); i++) {
        const struct cfg_row *row = cfg_at(i);
        struct text before = {0}, after = {0};
        struct cfg_error error;
        cfg_value_to_text(*state, row, &before);
        if (!set_line(*state, WORDS(cfg_name(row), before.at ? before.at : ""), &error) &&
            strcmp(cfg_name(row), "replicaof") != 0) /* has no word for "none" but two */
            fail_msg("%s: %s", cfg_name(row), error.text);
        cfg_value_to_text(*state, row, &after);
        assert_true(bytes_equal(text_bytes(&before), text_bytes(&after)));
        text_free(&before);
        text_free(&after);
    }
}

static void every_parameter_refuses_nonsense_and_keeps_its_value(void **state)
{
    /* A value that no parameter but a free text takes, and one word too many for those. */
    static const char nonsense[] = "{nonsense/\\ ?}";
    for (size_t i = 0; i < cfg_count(); i++) {
        const char *name = cfg_name(cfg_at(i));
        struct text before = {0}, after = {0};
        struct cfg_error error = {""};
        cfg_value_to_text(*state, cfg_at(i), &before);
        bool is_list_of_addresses = strcmp(name, "bind") == 0;
        bool takes_any_text = !is_list_of_addresses && set_line(*state, WORDS(name, nonsense), &error);
        if (takes_any_text || is_list_of_addresses) {
            assert_true(set_line(*state, WORDS(name, before.at ? before.at : ""), &error));
            error.text[0] = '\0';
            const char *const *too_many = is_list_of_addresses
                                              ? WORDS(name, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11",
                                                      "12", "13", "14", "15", "16", "17")
                                              : WORDS(name, "a", "b");
            if (set_line(*state, too_many, &error))
                fail_msg("%s takes too many words", name);
        }
        assert_true(strlen(error.text) > 0);
        cfg_value_to_text(*state, cfg_at(i), &after);
        assert_true(bytes_equal(text_bytes(&before), text_bytes(&after)));
        text_free(&before);
        text_free(&after);
    }
}

static void numbers_are_whole_canonical_and_within_limits(void **state)
{
    expect_taken(*state, "timeout", "5", "5");
    expect_taken(*state, "slowlog-log-slower-than", "-1", "-1");
    static const char *const no_numbers[] = {"abc", "", "12x", "+5", " 5", "05", "1.0", "99999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(no_numbers); i++)
        expect_refused(*state, "timeout", no_numbers[i], "argument couldn't be parsed into an integer");
    expect_refused(*state, "timeout", "-1", "argument must be between 0 and 2147483647 inclusive");
    expect_refused(*state, "port", "65536", "argument must be between 0 and 65535 inclusive");
    expect_refused(*state, "maxclients", "4294967296", "argument must be between 1 and 4294967295 inclusive");
    expect_refused(*state, "maxmemory-samples", "65", "argument must be between 1 and 64 inclusive");
    expect_refused(*state, "maxkeys", "-1", "argument must be between 0 and 9223372036854775807 inclusive");
}

static void hz_and_the_backlog_are_moved_into_their_useful_range(void **state)
{
    expect_taken(*state, "hz", "5000", "500");
    expect_taken(*state, "hz", "0", "1");
    expect_taken(*state, "repl-backlog-size", "1", "16384");
    expect_refused(*state, "repl-backlog-size", "0", "argument must be between 1 and 9223372036854775807 inclusive");
}

static void memory_takes_units_and_is_given_back_in_bytes(void **state)
{
    expect_taken(*state, "maxmemory", "1gb", "1073741824");
    expect_taken(*state, "maxmemory", "100M", "100000000");
    expect_taken(*state, "maxmemory", "18446744073709551615", "18446744073709551615");
    expect_taken(*state, "proto-max-bulk-len", "1mb", "1048576");
    expect_refused(*state, "maxmemory", "1.5gb", "argument must be a memory value");
    expect_refused(*state, "maxmemory", "-1", "argument must be a memory value");
    expect_refused(*state, "maxmemory", "5%", "argument must be a memory value");
    expect_refused(*state, "proto-max-bulk-len", "1",
                   "argument must be between 1048576 and 9223372036854775807 inclusive");
    expect_refused(*state, "hll-sparse-max-bytes", "9223372036854775808",
                   "argument must be between 0 and 9223372036854775807 inclusive");
}

static void maxmemory_clients_takes_percent_too(void **state)
{
    expect_taken(*state, "maxmemory-clients", "5%", "5%");
    assert_int_equal(CFG_READ((struct config *)*state, maxmemory_clients), -5);
    expect_taken(*state, "maxmemory-clients", "0%", "0");
    expect_taken(*state, "maxmemory-clients", "1mb", "1048576");
    expect_refused(*state, "maxmemory-clients", "101%", "percentage argument must be less or equal to 100");
    expect_refused(*state, "maxmemory-clients", "-5%", "argument must be a memory or percent value");
    expect_refused(*state, "maxmemory-clients", "x%", "argument must be a memory or percent value");
    expect_refused(*state, "maxmemory-clients", "-5", "argument must be a memory or percent value");
}

static void flags_are_yes_or_no_in_either_case(void **state)
{
    expect_taken(*state, "appendonly", "YES", "yes");
    assert_true(CFG_READ((struct config *)*state, appendonly));
    expect_taken(*state, "appendonly", "no", "no");
    expect_refused(*state, "appendonly", "true", "argument must be 'yes' or 'no'");
}

static void choices_are_words_of_their_list(void **state)
{
    expect_taken(*state, "maxmemory-policy", "AllKeys-LRU", "allkeys-lru");
    assert_int_equal(CFG_READ((struct config *)*state, maxmemory_policy), CFG_POLICY_ALLKEYS_LRU);
    expect_taken(*state, "loglevel", "nothing", "nothing");
    expect_taken(*state, "oom-score-adj", "relative", "yes");
    expect_refused(*state, "appendfsync", "x", "argument(s) must be one of the following: everysec, always, no");
    expect_refused(*state, "loglevel", "x",
                   "argument(s) must be one of the following: debug, verbose, notice, warning, nothing");
}

static void shutdown_words_combine_but_for_save_with_nosave(void **state)
{
    static const char list[] = "argument(s) must be one of the following: default, save, nosave, now, force";
    expect_taken(*state, "shutdown-on-sigint", "force now nosave", "nosave now force");
    expect_taken(*state, "shutdown-on-sigint", "default", "default");
    expect_refused(*state, "shutdown-on-sigint", "save nosave",
                   "shutdown options SAVE and NOSAVE can't be used simultaneously");
    expect_refused(*state, "shutdown-on-sigint", "now soon", list);
    expect_refused(*state, "shutdown-on-sigint", "", list);
}

static void save_points_are_pairs_and_may_be_none(void **state)
{
    struct cfg_save_points points;
    expect_taken(*state, "save", "100 1 50 2", "100 1 50 2");
    cfg_copy_save_points(*state, &points);
    assert_int_equal(points.count, 2);
    assert_int_equal(points.at[1].seconds, 50);
    expect_taken(*state, "save", "", "");
    static const char *const refused[] = {"100", "100 x", "0 1", "1 -1", "60  5", "60 5 "};
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        expect_refused(*state, "save", refused[i], "Invalid save parameters");
}

static void save_lines_add_up_and_the_first_replaces_the_default(void **state)
{
    struct cfg_error error;
    assert_true(set_line(*state, WORDS("save", "900", "1"), &error));
    expect_given_back(*state, "save", "900 1");
    assert_true(set_line(*state, WORDS("save", "10 2"), &error));
    expect_given_back(*state, "save", "900 1 10 2");
    assert_true(set_line(*state, WORDS("save", ""), &error));
    expect_given_back(*state, "save", "");
    assert_true(set_line(*state, WORDS("save", "5", "5"), &error));
    expect_given_back(*state, "save", "5 5");
}

static void output_limits_change_the_named_classes_only(void **state)
{
    expect_taken(*state, "client-output-buffer-limit", "REPLICA 1mb 2kb 3",
                 "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60");
    expect_taken(*state, "client-output-buffer-limit", "",
                 "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60");
    struct cfg_output_limit limit = cfg_output_limit(*state, CFG_CLASS_REPLICA);
    assert_int_equal(limit.soft_bytes, 2048);
    expect_refused(*state, "client-output-buffer-limit", "normal 1 2",
                   "Wrong number of arguments in buffer limit configuration.");
    expect_refused(*state, "client-output-buffer-limit", "master 1 2 3",
                   "Invalid client class specified in buffer limit configuration.");
    static const char *const refused[] = {"normal x 2 3", "normal -1 2 3", "normal 0 0 1.5", "normal 0 0 -1"};
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        expect_refused(*state, "client-output-buffer-limit", refused[i],
                       "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
}

static void oom_scores_are_three_within_limits(void **state)
{
    static const char limits[] = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    expect_taken(*state, "oom-score-adj-values", "-5 4 2000", "-5 4 2000");
    assert_int_equal(cfg_oom_scores(*state).at[0], -5);
    expect_refused(*state, "oom-score-adj-values", "1 2", "wrong number of arguments");
    expect_refused(*state, "oom-score-adj-values", "1 x 3", limits);
    expect_refused(*state, "oom-score-adj-values", "1 2 2001", limits);
}

static void event_classes_are_given_back_in_order(void **state)
{
    expect_taken(*state, "notify-keyspace-events", "KEA", "AKE");
    expect_taken(*state, "notify-keyspace-events", "Kn", "nK");
    expect_taken(*state, "notify-keyspace-events", "Elg", "glE");
    expect_taken(*state, "notify-keyspace-events", "gxEmd$lshzet", "AEm");
    expect_taken(*state, "notify-keyspace-events", "An", "An");
    expect_taken(*state, "notify-keyspace-events", "", "");
    expect_refused(*state, "notify-keyspace-events", "gx?", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
}

static void addresses_are_at_most_sixteen(void **state)
{
    struct cfg_addresses addresses;
    expect_taken(*state, "bind", "127.0.0.1 -::1", "127.0.0.1 -::1");
    assert_true(cfg_copy_bind(*state, &addresses));
    assert_int_equal(addresses.count, 2);
    assert_string_equal(addresses.at[1].at, "-::1");
    cfg_free_addresses(&addresses);
    expect_refused(*state, "bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified.");
    expect_taken(*state, "bind", "", "");
}

static void percentiles_are_between_0_and_100(void **state)
{
    expect_taken(*state, "latency-tracking-info-percentiles", "50.500 99.9999999 0 100 1e1", "50.5 100 0 100 10");
    expect_taken(*state, "latency-tracking-info-percentiles", "", "");
    static const char *const no_numbers[] = {"50 a", "nan", "50  99"};
    for (size_t i = 0; i < COUNT_OF(no_numbers); i++)
        expect_refused(*state, "latency-tracking-info-percentiles", no_numbers[i],
                       "Invalid latency-tracking-info-percentiles parameters");
    expect_refused(*state, "latency-tracking-info-percentiles", "100.1",
                   "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
}

static void names_of_files_hosts_and_titles_are_checked(void **state)
{
    static const struct {
        const char *name, *value, *reason;
    } refused[] = {
        {"appendfilename", "a/b", "appendfilename can't be a path, just a filename"},
        {"appendfilename", "", "appendfilename can't be empty"},
        {"appenddirname", "a/b", "appenddirname can't be a path, just a dirname"},
        {"appenddirname", "", "appenddirname can't be empty"},
        {"dbfilename", "a/b", "dbfilename can't be a path, just a filename"},
        {"cluster-announce-hostname", "a_b", "Hostnames may only contain alphanumeric characters, hyphens or dots"},
        {"cluster-announce-human-nodename", "a!", "Announced human node name contained invalid character"},
        {"proc-title-template", "{foo}", "template format is invalid or contains unknown variables"},
        {"proc-title-template", "{title", "template format is invalid or contains unknown variables"},
        {"proc-title-template", "", "template format is invalid or contains unknown variables"},
        {"dir", "/nonexistent", "No such file or directory"},
        {"dir", "/etc/passwd", "Not a directory"},
        {"unixsocketperm", "799", "argument couldn't be parsed as an octal number"},
        {"unixsocketperm", "1000", "argument must be between 0 and 777 inclusive"},
        {"replicaof", "host", "wrong number of arguments"},
        {"replicaof", "host x", "Invalid master port"},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct cfg_error error;
        if (set_line(*state, WORDS(refused[i].name, refused[i].value), &error))
            fail_msg("%s \"%s\" was accepted", refused[i].name, refused[i].value);
        assert_string_equal(error.text, refused[i].reason);
    }
}

static void a_directory_becomes_absolute(void **state)
{
    struct cfg_error error;
    assert_true(set_line(*state, WORDS("dir", "/tmp/../"), &error));
    expect_given_back(*state, "dir", "/");
}

static void a_master_is_a_host_and_a_port_or_no_one(void **state)
{
    struct cfg_error error;
    assert_true(set_line(*state, WORDS("slaveof", "example.org", "6380"), &error));
    expect_given_back(*state, "replicaof", "example.org 6380");
    assert_int_equal(cfg_master(*state).port, 6380);
    assert_true(set_line(*state, WORDS("replicaof", "NO", "ONE"), &error));
    expect_given_back(*state, "replicaof", "");
}

static void a_master_in_cluster_mode_does_not_fit(void **state)
{
    struct cfg_error error;
    assert_true(cfg_check(*state, &error));
    assert_true(set_line(*state, WORDS("cluster-enabled", "yes"), &error));
    assert_true(set_line(*state, WORDS("replicaof", "host 1"), &error));
    assert_false(cfg_check(*state, &error));
    assert_string_equal(error.text, "replicaof directive not allowed in cluster mode");
}

static void passwords_may_hold_zero_bytes_and_paths_may_not(void **state)
{
    struct config *config = *state;
    struct cfg_error error;
    bytes password[] = {BYTES("requirepass"), BYTES("a\0b")}, path[] = {BYTES("locale-collate"), BYTES("a\0b")};
    assert_true(cfg_set_many(config, password, 2, false, &error));
    assert_true(cfg_text_equals(config, &config->requirepass, BYTES("a\0b")));
    assert_false(cfg_text_equals(config, &config->requirepass, BYTES("a\0c")));
    assert_false(cfg_text_equals(config, &config->requirepass, BYTES("a")));
    assert_false(cfg_set_many(config, path, 2, false, &error));
}

static void texts_are_copied_out_and_cut_to_fit(void **state)
{
    struct config *config = *state;
    char copy[4];
    expect_taken(config, "masterauth", "secret", "secret");
    assert_int_equal(cfg_copy_text(config, &config->masterauth, copy, sizeof(copy)), 6);
    assert_string_equal(copy, "sec");
    char *whole = cfg_duplicate_text(config, &config->masterauth);
    assert_string_equal(whole, "secret");
    mem_free(whole);
    assert_false(cfg_text_is_empty(config, &config->masterauth));
    assert_true(cfg_text_is_empty(config, &config->unixsocket));
}

/* ---- CONFIG SET ---- */

static void config_set_changes_all_or_nothing(void **state)
{
    struct cfg_error error;
    assert_true(set_pairs(*state, WORDS("timeout", "5", "maxmemory", "1mb", "masterauth", "x"), &error));
    assert_false(set_pairs(*state, WORDS("timeout", "6", "masterauth", "y", "hz", "abc"), &error));
    assert_string_equal(error.text, "CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be "
                                    "parsed into an integer");
    expect_given_back(*state, "timeout", "5");
    expect_given_back(*state, "masterauth", "x");
}

static void config_set_names_what_it_does_not_know(void **state)
{
    struct cfg_error error;
    assert_false(set_pairs(*state, WORDS("hz", "abc", "foo", "1"), &error));
    assert_string_equal(error.text, "Unknown option or number of arguments for CONFIG SET - 'foo'");
    assert_false(set_pairs(*state, WORDS("timeout", "5", "port"), &error));
    assert_string_equal(error.text, "syntax error");
}

static void config_set_takes_no_name_twice_but_both_of_its_names(void **state)
{
    struct cfg_error error;
    expect_refused(*state, "daemonize", "yes", "can't set immutable config");
    assert_false(set_pairs(*state, WORDS("timeout", "5", "TIMEOUT", "6"), &error));
    assert_string_equal(error.text, "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter");
    assert_true(set_pairs(*state, WORDS("slave-priority", "5", "replica-priority", "6"), &error));
    expect_given_back(*state, "replica-priority", "6");
}

static void config_set_refuses_a_flood_of_pairs(void **state)
{
    enum { PAIRS = 100000 };
    bytes *argv = mem_alloc(2 * PAIRS * sizeof(*argv));
    struct cfg_error error;
    assert_non_null(argv);
    for (size_t i = 0; i < PAIRS; i++) {
        argv[2 * i] = bytes_of(cfg_name(cfg_lookup(BYTES("hz"))));
        argv[2 * i + 1] = BYTES("10");
    }
    assert_false(cfg_set_many(*state, argv, 2 * PAIRS, false, &error));
    mem_free(argv);
}

static void threads_are_chosen_at_start_only(void **state)
{
    struct cfg_error error;
    expect_refused(*state, "threads", "2", "can't set immutable config");
    assert_true(set_line(*state, WORDS("threads", "2"), &error));
    assert_int_equal(CFG_READ((struct config *)*state, threads), 2);
}

static void protected_parameters_follow_enable_protected_configs(void **state)
{
    struct cfg_error error;
    const bytes argv[] = {BYTES("dir"), BYTES("/")};
    expect_refused(*state, "dir", "/", "can't set protected config");
    assert_true(set_line(*state, WORDS("enable-protected-configs", "local"), &error));
    assert_false(cfg_set_many(*state, argv, 2, false, &error));
    assert_true(cfg_set_many(*state, argv, 2, true, &error));
    assert_true(set_line(*state, WORDS("enable-protected-configs", "yes"), &error));
    assert_true(cfg_set_many(*state, argv, 2, false, &error));
}

static void an_unknown_line_is_refused(void **state)
{
    struct cfg_error error;
    assert_false(set_line(*state, WORDS("foo", "bar"), &error));
    assert_string_equal(error.text, "Bad directive or wrong number of arguments");
    assert_false(set_line(*state, WORDS("port"), &error));
    assert_string_equal(error.text, "wrong number of arguments");
}

/* ---- Hooks ---- */

/* A hook that counts, and refuses a port it does not like. */
struct listener {
    int calls;
    long long port;
    long long refused_port;
};

static bool listen_again(struct config *config, void *context, struct cfg_error *error)
{
    struct listener *listener = context;
    listener->calls++;
    if (CFG_READ(config, port) == listener->refused_port) {
        snprintf(error->text, sizeof(error->text), "Unable to listen on this port. Check server logs.");
        return false;
    }
    listener->port = CFG_READ(config, port);
    return true;
}

static void a_hook_sees_the_new_value_once(void **state)
{
    struct listener listener = {.refused_port = -1};
    struct cfg_error error;
    assert_true(cfg_on_change(*state, "port", listen_again, &listener));
    assert_true(cfg_on_change(*state, "bind", listen_again, &listener));
    assert_true(set_pairs(*state, WORDS("port", "7000", "bind", "127.0.0.1"), &error));
    assert_int_equal(listener.calls, 1);
    assert_int_equal(listener.port, 7000);
    assert_true(set_line(*state, WORDS("port", "7001"), &error));
    assert_int_equal(listener.calls, 2);
}

static void a_hook_is_not_called_when_nothing_changed(void **state)
{
    struct listener listener = {.refused_port = -1};
    struct cfg_error error;
    assert_true(cfg_on_change(*state, "port", listen_again, &listener));
    assert_true(set_pairs(*state, WORDS("port", "6379", "timeout", "3"), &error));
    assert_int_equal(listener.calls, 0);
}

static void a_hook_is_called_again_for_a_certificate_of_the_same_name(void **state)
{
    struct listener listener = {.refused_port = -1};
    struct cfg_error error;
    assert_true(set_pairs(*state, WORDS("tls-cert-file", "a.crt"), &error));
    assert_true(cfg_on_change(*state, "tls-cert-file", listen_again, &listener));
    assert_true(set_pairs(*state, WORDS("tls-cert-file", "a.crt"), &error));
    assert_int_equal(listener.calls, 1);
}

static void a_refusing_hook_undoes_the_whole_change(void **state)
{
    struct listener other = {.refused_port = -1}, refusing = {.refused_port = 7000};
    struct cfg_error error;
    assert_true(cfg_on_change(*state, "timeout", listen_again, &other));
    assert_true(cfg_on_change(*state, "port", listen_again, &refusing));
    assert_false(set_pairs(*state, WORDS("timeout", "9", "masterauth", "x", "port", "7000"), &error));
    assert_string_equal(error.text, "CONFIG SET failed (possibly related to argument 'port') - Unable to listen on "
                                    "this port. Check server logs.");
    expect_given_back(*state, "port", "6379");
    expect_given_back(*state, "timeout", "0");
    expect_given_back(*state, "masterauth", "");
    assert_int_equal(other.calls, 2);
    assert_int_equal(other.port, 6379);
    assert_int_equal(refusing.port, 6379);
}

/* ---- Threads ---- */

enum { CHANGES = 2000 };

/* Changes three parameters together, over and over. */
static void *change_passwords(void *context)
{
    struct cfg_error error;
    for (int i = 0; i < CHANGES; i++) {
        const char *password = i % 2 ? "a password" : "b password of another length";
        if (!set_pairs(context, WORDS("masterauth", password, "bind", i % 2 ? "a a a" : "b b", "timeout", "7"), &error))
            return context;
    }
    return NULL;
}

static void readers_see_whole_values_while_they_change(void **state)
{
    struct config *config = *state;
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, change_passwords, config), 0);
    for (int i = 0; i < CHANGES; i++) {
        struct cfg_addresses addresses;
        char copy[64];
        cfg_copy_text(config, &config->masterauth, copy, sizeof(copy));
        bool is_whole = strcmp(copy, "") == 0 || strcmp(copy, "a password") == 0 ||
                        strcmp(copy, "b password of another length") == 0;
        assert_true(is_whole);
        assert_true(cfg_copy_bind(config, &addresses));
        const char *expected = addresses.count == 3 ? "a" : "b";
        for (size_t j = 0; j < addresses.count && CFG_READ(config, timeout_s) == 7; j++)
            assert_true(addresses.at[j].at[0] == '*' || addresses.at[j].at[0] == '-' ||
                        strcmp(addresses.at[j].at, expected) == 0);
        cfg_free_addresses(&addresses);
    }
    void *failure;
    assert_int_equal(pthread_join(writer, &failure), 0);
    assert_null(failure);
}

/* ---- Lines for a file ---- */

struct lines {
    struct text text; /* needed ones, each with its newline */
    size_t spare_count;
};

static void collect_line(void *context, bytes line, bool is_needed)
{
    struct lines *lines = context;
    lines->spare_count += !is_needed;
    if (is_needed) {
        text_append(&lines->text, line);
        text_append_char(&lines->text, '\n');
    }
}

static void expect_lines(struct config *config, const char *name, const char *expected)
{
    struct lines lines = {0};
    assert_true(cfg_rewrite_lines(config, cfg_lookup(bytes_of(name)), collect_line, &lines));
    assert_string_equal(lines.text.at ? lines.text.at : "", expected);
    text_free(&lines.text);
}

static void lines_have_the_form_that_people_write(void **state)
{
    struct cfg_error error;
    expect_taken(*state, "maxmemory", "512mb", "536870912");
    expect_lines(*state, "maxmemory", "maxmemory 512mb\n");
    expect_taken(*state, "maxmemory", "1500", "1500");
    expect_lines(*state, "maxmemory", "maxmemory 1500\n");
    expect_taken(*state, "maxmemory-clients", "5%", "5%");
    expect_lines(*state, "maxmemory-clients", "maxmemory-clients 5%\n");
    expect_taken(*state, "masterauth", "a \"b\"", "a \"b\"");
    expect_lines(*state, "masterauth", "masterauth \"a \\\"b\\\"\"\n");
    expect_taken(*state, "notify-keyspace-events", "KEA", "AKE");
    expect_lines(*state, "notify-keyspace-events", "notify-keyspace-events \"AKE\"\n");
    expect_lines(*state, "save", "save 3600 1\nsave 300 100\nsave 60 10000\n");
    expect_taken(*state, "save", "", "");
    expect_lines(*state, "save", "save \"\"\n");
    expect_taken(*state, "client-output-buffer-limit", "pubsub 1mb 2kb 3",
                 "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 2048 3");
    expect_lines(*state, "client-output-buffer-limit", "client-output-buffer-limit pubsub 1mb 2kb 3\n");
    expect_taken(*state, "bind", "", "");
    expect_lines(*state, "bind", "bind \"\"\n");
    assert_true(set_line(*state, WORDS("unixsocketperm", "0700"), &error));
    expect_lines(*state, "unixsocketperm", "unixsocketperm 700\n");
    assert_true(set_line(*state, WORDS("replicaof", "host 1"), &error));
    expect_lines(*state, "slaveof", "replicaof host 1\n");
}

static void defaults_need_no_lines(void **state)
{
    for (size_t i = 0; i < cfg_count(); i++) {
        const char *name = cfg_name(cfg_at(i));
        bool is_always_written = strcmp(name, "save") == 0 || strcmp(name, "dir") == 0 ||
                                 strcmp(name, "latency-tracking-info-percentiles") == 0;
        if (!is_always_written)
            expect_lines(*state, name, "");
    }
}

static void renames_are_collected(void **state)
{
    struct config *config = *state;
    struct cfg_error error;
    assert_true(cfg_add_rename(config, BYTES("GET"), BYTES("XGET"), &error));
    assert_true(cfg_add_rename(config, BYTES("FLUSHALL"), BYTES(""), &error));
    assert_int_equal(config->rename_count, 2);
    assert_string_equal(config->renames[0].to.at, "XGET");
    assert_int_equal(config->renames[1].to.len, 0);
    for (size_t i = 2; i < CFG_RENAMES_MAX; i++)
        assert_true(cfg_add_rename(config, BYTES("a"), BYTES("b"), &error));
    assert_false(cfg_add_rename(config, BYTES("a"), BYTES("b"), &error));
}

#define CONFIG_TEST(test) cmocka_unit_test_setup_teardown(test, open_config, close_config)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(config_get_gives_every_name_of_redis_7_2_with_its_default),
        CONFIG_TEST(config_get_gives_each_name_once_for_several_patterns),
        CONFIG_TEST(config_get_matches_in_either_case_and_echoes_a_plain_name),
        CONFIG_TEST(config_get_gives_hidden_parameters_by_full_name_only),
        CONFIG_TEST(old_and_new_names_are_one_parameter),
        CONFIG_TEST(every_parameter_accepts_what_it_gives_back),
        CONFIG_TEST(every_parameter_refuses_nonsense_and_keeps_its_value),
        CONFIG_TEST(numbers_are_whole_canonical_and_within_limits),
        CONFIG_TEST(hz_and_the_backlog_are_moved_into_their_useful_range),
        CONFIG_TEST(memory_takes_units_and_is_given_back_in_bytes),
        CONFIG_TEST(maxmemory_clients_takes_percent_too),
        CONFIG_TEST(flags_are_yes_or_no_in_either_case),
        CONFIG_TEST(choices_are_words_of_their_list),
        CONFIG_TEST(shutdown_words_combine_but_for_save_with_nosave),
        CONFIG_TEST(save_points_are_pairs_and_may_be_none),
        CONFIG_TEST(save_lines_add_up_and_the_first_replaces_the_default),
        CONFIG_TEST(output_limits_change_the_named_classes_only),
        CONFIG_TEST(oom_scores_are_three_within_limits),
        CONFIG_TEST(event_classes_are_given_back_in_order),
        CONFIG_TEST(addresses_are_at_most_sixteen),
        CONFIG_TEST(percentiles_are_between_0_and_100),
        CONFIG_TEST(names_of_files_hosts_and_titles_are_checked),
        CONFIG_TEST(a_directory_becomes_absolute),
        CONFIG_TEST(a_master_is_a_host_and_a_port_or_no_one),
        CONFIG_TEST(a_master_in_cluster_mode_does_not_fit),
        CONFIG_TEST(passwords_may_hold_zero_bytes_and_paths_may_not),
        CONFIG_TEST(texts_are_copied_out_and_cut_to_fit),
        CONFIG_TEST(config_set_changes_all_or_nothing),
        CONFIG_TEST(config_set_names_what_it_does_not_know),
        CONFIG_TEST(config_set_takes_no_name_twice_but_both_of_its_names),
        CONFIG_TEST(config_set_refuses_a_flood_of_pairs),
        CONFIG_TEST(threads_are_chosen_at_start_only),
        CONFIG_TEST(protected_parameters_follow_enable_protected_configs),
        CONFIG_TEST(an_unknown_line_is_refused),
        CONFIG_TEST(a_hook_sees_the_new_value_once),
        CONFIG_TEST(a_hook_is_not_called_when_nothing_changed),
        CONFIG_TEST(a_hook_is_called_again_for_a_certificate_of_the_same_name),
        CONFIG_TEST(a_refusing_hook_undoes_the_whole_change),
        CONFIG_TEST(readers_see_whole_values_while_they_change),
        CONFIG_TEST(lines_have_the_form_that_people_write),
        CONFIG_TEST(defaults_need_no_lines),
        CONFIG_TEST(renames_are_collected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

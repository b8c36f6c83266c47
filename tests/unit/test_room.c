/* The limits on memory and keys while threads write: what an observer sees at any moment, how a request that does not
   fit is refused, and that limits may be changed with the keys that there are. */
#include "embedding.h"

#include "api/instance.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/footprint.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WRITERS = 3, LARGE_MAX = 60 * 1024 };

struct load {
    larder *engine;
    _Atomic bool must_stop;
    _Atomic bool has_failed; /* an error was replied: told by the test's own thread */
    _Atomic uint64_t written;
    uint64_t key_count;
};

struct writer {
    struct load *load;
    struct random random;
    void (*step)(struct writer *writer, larder_session *session);
};

static void check_no_error(struct writer *writer, larder_reply *reply)
{
    if (reply == NULL || reply->type == LARDER_ERROR) {
        print_error("# %s\n", reply != NULL ? reply->text : "no reply");
        atomic_store(&writer->load->has_failed, true);
    }
    larder_reply_free(reply);
}

static void draw_key(struct writer *writer, char key[32])
{
    snprintf(key, 32, "key:%llu", (unsigned long long)random_below(&writer->random, writer->load->key_count));
}

static void *write_on(void *context)
{
    struct writer *writer = context;
    larder_session *session = open_session(writer->load->engine);
    while (!atomic_load(&writer->load->must_stop)) {
        writer->step(writer, session);
        atomic_fetch_add(&writer->load->written, 1);
    }
    larder_session_close(session);
    return NULL;
}

static void start_writers(struct load *load, pthread_t threads[WRITERS], struct writer writers[WRITERS],
                          struct random *random, void (*step)(struct writer *, larder_session *))
{
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.load = load, .step = step};
        random_seed(&writers[i].random, random_next(random));
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
    }
}

static void stop_writers(struct load *load, pthread_t threads[WRITERS])
{
    atomic_store(&load->must_stop, true);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_false(load->has_failed);
}

/* A field of INFO. */
static uint64_t info_field(larder_session *session, const char *section, const char *field)
{
    larder_reply *reply = larder_command(session, "INFO", section, NULL);
    assert_non_null(reply);
    char start[64];
    snprintf(start, sizeof(start), "\n%s:", field);
    const char *at = strstr(reply->text, start);
    if (at == NULL)
        fail_msg("INFO has no %s", field);
    uint64_t value = strtoull(at + strlen(start), NULL, 10);
    larder_reply_free(reply);
    return value;
}

/* ---- Memory ---- */

static void write_values(struct writer *writer, larder_session *session)
{
    static char bytes[LARGE_MAX]; /* zeros */
    char key[32];
    draw_key(writer, key);
    size_t len = random_below(&writer->random, one_in(&writer->random, 50) ? LARGE_MAX : 300);
    const char *argv[] = {"SET", key, bytes};
    const size_t lens[] = {3, strlen(key), len};
    check_no_error(writer, larder_command_argv(session, 3, argv, lens));
}

static void expect_memory_within(const char *policy, uint64_t limit, const char *test)
{
    struct random random = property_start(test);
    char config[128];
    snprintf(config, sizeof(config), "maxmemory %llu\nmaxmemory-policy %s\n", (unsigned long long)limit, policy);
    larder *engine = open_engine(&(larder_options){.threads = WRITERS + 1, .config = config});
    struct load load = {.engine = engine, .key_count = 100000};
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    start_writers(&load, threads, writers, &random, write_values);
    larder_session *session = open_session(engine);
    uint64_t most = 0;
    for (int i = 0; i < 200 || atomic_load(&load.written) < 60000; i++) {
        uint64_t used = info_field(session, "memory", "used_memory");
        most = used > most ? used : most;
    }
    stop_writers(&load, threads);
    assert_in_range(most, limit / 2, limit);
    assert_true(info_field(session, "stats", "evicted_keys") > 10000);
    larder_session_close(session);
    ks_check(&engine->keyspace);
    larder_close(engine);
}

static void memory_stays_within_the_limit_while_all_threads_write(void **state)
{
    (void)state;
    expect_memory_within("allkeys-s3fifo", 4000000, __func__);
    expect_memory_within("allkeys-lru", 4000000, __func__);
}

static void write_and_flush(struct writer *writer, larder_session *session)
{
    static char bytes[LARGE_MAX]; /* zeros */
    char key[32];
    draw_key(writer, key);
    if (one_in(&writer->random, 500))
        check_no_error(writer, larder_command(session, "FLUSHALL", NULL));
    else
        check_no_error(writer, larder_command_argv(session, 3, (const char *[]){"SET", key, bytes},
                                                   (size_t[]){3, strlen(key), LARGE_MAX}));
}

/* What is flushed while memory is added up counts once: here it would come to nearly twice the limit. */
static void flushed_values_are_never_counted_twice(void **state)
{
    (void)state;
    const uint64_t limit = 8000000;
    struct random random = property_start(__func__);
    larder *engine = open_engine(
        &(larder_options){.threads = WRITERS + 1, .config = "maxmemory 8000000\nmaxmemory-policy allkeys-lru\n"});
    struct load load = {.engine = engine, .key_count = 100000};
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    start_writers(&load, threads, writers, &random, write_and_flush);
    larder_session *session = open_session(engine);
    size_t most = 0;
    while (atomic_load(&load.written) < 60000) {
        struct footprint footprint = footprint_measure(engine);
        size_t used = footprint_sum(&footprint);
        most = used > most ? used : most;
    }
    stop_writers(&load, threads);
    assert_in_range(most, limit / 2, limit);
    assert_in_range(info_field(session, "memory", "used_memory_peak"), 0, limit);
    larder_session_close(session);
    larder_close(engine);
}

/* Adds keys until there is no room; returns how many. */
static int fill_with_numbers(larder_session *session)
{
    for (int i = 0;; i++) {
        char key[32];
        snprintf(key, sizeof(key), "number:%d", i);
        larder_reply *reply = larder_command(session, "INCR", key, NULL);
        bool is_refused = reply->type == LARDER_ERROR;
        larder_reply_free(reply);
        if (is_refused)
            return i;
    }
}

static void a_request_without_room_is_refused_and_others_are_not(void **state)
{
    (void)state;
    static const char oom[] = "OOM command not allowed when used memory > 'maxmemory'.";
    larder *engine = open_configured("maxmemory 1mb\n");
    larder_session *session = open_session(engine);
    static char value[10000];
    memset(value, 'x', sizeof(value) - 1);
    int stored = 0;
    for (;; stored++) {
        char key[32];
        snprintf(key, sizeof(key), "key:%d", stored);
        larder_reply *reply = larder_command(session, "SET", key, value, NULL);
        bool is_refused = reply->type == LARDER_ERROR;
        if (is_refused)
            assert_string_equal(reply->text, oom);
        larder_reply_free(reply);
        if (is_refused)
            break;
    }
    assert_in_range(stored, 90, 105);
    assert_error(session, oom, "SET", "key:0", value); /* what is there must not be changed either */
    int numbers = fill_with_numbers(session);          /* small ones may still fit */
    assert_in_range(numbers, 0, 500);
    assert_error(session, oom, "INCR", "n");
    assert_string(session, value, "GET", "key:0");
    assert_integer(session, 1, "EXPIRE", "key:0", "100");
    assert_integer(session, 1, "DEL", "key:0");
    assert_integer(session, 1, "DEL", "key:1");
    assert_status(session, "OK", "SET", "key:0", "small");
    assert_true(info_field(session, "stats", "evicted_keys") == 0);

    /* what could never fit is refused without anything being evicted for it */
    assert_status(session, "OK", "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    char *huge = test_malloc(2000001);
    memset(huge, 'x', 2000000);
    huge[2000000] = '\0';
    assert_error(session, oom, "SET", "huge", huge);
    assert_string(session, "small", "GET", "key:0");
    assert_integer(session, stored + numbers - 1, "DBSIZE");
    test_free(huge);
    larder_session_close(session);
    larder_close(engine);
}

/* SETRANGE, APPEND and COPY may add far more than their words are long. */
static void growth_that_no_word_tells_is_refused(void **state)
{
    (void)state;
    static const char oom[] = "OOM command not allowed when used memory > 'maxmemory'.";
    larder *engine = open_configured("maxmemory 4mb\n");
    larder_session *session = open_session(engine);
    assert_error(session, oom, "SETRANGE", "far", "5000000", "x");
    assert_integer(session, 0, "EXISTS", "far");
    assert_integer(session, 1200001, "SETRANGE", "far", "1200000", "x");
    assert_integer(session, 1200001, "SETRANGE", "far", "1000000", "inside");
    assert_error(session, oom, "SETRANGE", "far", "3900000", "x");
    assert_integer(session, 1200002, "APPEND", "far", "y"); /* takes a megabyte in advance */
    larder_upkeep(engine);                                  /* and the value before it is gone */
    assert_error(session, oom, "COPY", "far", "copy");
    assert_integer(session, 0, "EXISTS", "copy");
    assert_status(session, "OK", "MULTI");
    assert_status(session, "QUEUED", "SETRANGE", "near", "3000000", "x");
    assert_error(session,
                 "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > "
                 "'maxmemory'.",
                 "EXEC");
    assert_integer(session, 0, "EXISTS", "near");

    char key[32];
    static char value[20001];
    memset(value, 'x', sizeof(value) - 1);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "many:%d", i);
        assert_status(session, "OK", "SET", key, "v");
    }
    assert_error(session, oom, "PREFIX", "SET", "many:", value);
    assert_string(session, "v", "GET", "many:7");
    assert_integer(session, 100, "PREFIX", "SET", "many:", "w");
    assert_integer(session, 11, "PREFIX", "SET", "many:1", value);

    assert_error(session, NULL, "SETRANGE", "far", "-1", "x"); /* what fails anyway says why */
    assert_error(session, NULL, "SETRANGE", "far", "word", "x");
    assert_error(session, "ERR string exceeds maximum allowed size (proto-max-bulk-len)", "SETRANGE", "far",
                 "9223372036854775807", "x");
    assert_true(info_field(session, "memory", "used_memory") <= 4 << 20);
    larder_session_close(session);
    larder_close(engine);
}

/* Queues what may only run with more room than there is, and sees that EXEC does nothing of it. */
static void expect_transaction_refused(larder_session *session)
{
    assert_error(session,
                 "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > "
                 "'maxmemory'.",
                 "EXEC");
    assert_integer(session, 0, "EXISTS", "new", "other");
}

static void queue(larder_session *session, size_t count, const char *const words[])
{
    larder_reply *reply = larder_command_argv(session, count, (const char **)(uintptr_t)words, NULL);
    assert_non_null(reply);
    assert_string_equal(reply->text, "QUEUED");
    larder_reply_free(reply);
}

#define QUEUE(...) queue(session, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

/* What EXEC's commands add beside their words is known beforehand, be it to values that only its own commands make. */
static void growth_of_values_made_in_a_transaction_is_refused(void **state)
{
    (void)state;
    larder *engine = open_configured("maxmemory 4mb\n");
    larder_session *session = open_session(engine);
    assert_integer(session, 1100001, "SETRANGE", "big", "1100000", "x");
    assert_status(session, "OK", "SELECT", "1");
    assert_integer(session, 1100001, "SETRANGE", "big", "1100000", "x");
    assert_status(session, "OK", "SELECT", "0");
    static char value[20001];
    memset(value, 'x', sizeof(value) - 1);

    assert_status(session, "OK", "MULTI"); /* grown, and copied */
    QUEUE("SET", "new", "small");
    QUEUE("SETRANGE", "new", "700000", "x");
    QUEUE("COPY", "new", "other");
    QUEUE("COPY", "other", "third");
    QUEUE("COPY", "third", "fourth");
    expect_transaction_refused(session);

    assert_status(session, "OK", "MULTI"); /* under another name */
    QUEUE("RENAME", "big", "new");
    QUEUE("COPY", "new", "other");
    QUEUE("COPY", "new", "third");
    expect_transaction_refused(session);

    assert_status(session, "OK", "SET", "far", "small");
    assert_status(session, "OK", "MULTI"); /* of another database */
    QUEUE("SELECT", "1");
    QUEUE("COPY", "big", "new");
    QUEUE("COPY", "new", "other");
    expect_transaction_refused(session);
    assert_status(session, "OK", "MULTI");
    QUEUE("SWAPDB", "0", "1");
    QUEUE("MOVE", "far", "1");
    QUEUE("COPY", "big", "new");
    QUEUE("COPY", "new", "other");
    expect_transaction_refused(session);

    assert_status(session, "OK", "MULTI"); /* by a prefix */
    for (int i = 0; i < 100; i++) {
        char key[32];
        snprintf(key, sizeof(key), "new:%d", i);
        QUEUE("SET", key, "v");
    }
    QUEUE("PREFIX", "SET", "new:", value);
    expect_transaction_refused(session);

    assert_status(session, "OK", "MULTI"); /* what is gone does not make room for what comes at once */
    QUEUE("DEL", "big");
    QUEUE("SETRANGE", "big", "1100000", "x");
    QUEUE("DEL", "big");
    QUEUE("SETRANGE", "big", "1100000", "x");
    expect_transaction_refused(session);
    assert_integer(session, 1100001, "STRLEN", "big");
    assert_true(info_field(session, "memory", "used_memory") <= 4 << 20);
    larder_session_close(session);
    larder_close(engine);
}

/* Queues one command at random, of few keys in two databases. */
static void queue_any(struct random *random, larder_session *session, const char *value)
{
    char key[32];
    char other[32];
    char number[32];
    snprintf(key, sizeof(key), "k:%d", (int)random_below(random, 6));
    snprintf(other, sizeof(other), "k:%d", (int)random_below(random, 6));
    snprintf(number, sizeof(number), "%d", (int)random_below(random, one_in(random, 4) ? 1500000 : 20000));
    const char *const commands[][4] = {
        {"SET", key, value + random_below(random, 30000)},
        {"APPEND", key, value + random_below(random, 30000)},
        {"APPEND", key, "little"},
        {"SETRANGE", key, number, "x"},
        {"COPY", key, other, "REPLACE"},
        {"RENAME", key, other},
        {"DEL", key},
        {"EXPIRE", key, "0"},
        {"MOVE", key, one_in(random, 2) ? "1" : "0"},
        {"SELECT", one_in(random, 2) ? "1" : "0"},
        {"SWAPDB", "0", "1"},
        {"FLUSHDB"},
        {"PREFIX", "SET", "k:", value + random_below(random, 30000)},
        {"GETDEL", key},
    };
    /* the last ones are rare: they would leave nothing to work with, or make everything uncertain */
    size_t most = one_in(random, 10) ? COUNT_OF(commands) : 9;
    const char *const *words = commands[random_below(random, most)];
    size_t count = 1;
    while (count < 4 && words[count] != NULL)
        count++;
    larder_reply_free(larder_command_argv(session, count, (const char **)(uintptr_t)words, NULL)); /* refused, maybe */
}

static void no_transaction_leaves_more_than_the_limit(void **state)
{
    (void)state;
    const size_t limit = 4 << 20;
    struct random random = property_start(__func__);
    larder *engine = open_configured("maxmemory 4mb\nprefix-index on\n");
    larder_session *session = open_session(engine);
    static char value[30001];
    memset(value, 'x', sizeof(value) - 1);
    int refused = 0;
    for (int i = 0; i < 2000; i++) {
        assert_status(session, "OK", "MULTI");
        for (uint64_t left = between(&random, 1, 20); left > 0; left--)
            queue_any(&random, session, value);
        larder_reply *reply = larder_command(session, "EXEC", NULL);
        assert_non_null(reply);
        refused += reply->type == LARDER_ERROR;
        larder_reply_free(reply);
        assert_in_range(ks_metered_bytes(&engine->keyspace), 0, limit);
        larder_upkeep(engine);
        if (i % 20 == 19)
            assert_status(session, "OK", "FLUSHALL");
    }
    assert_in_range(refused, 100, 1900);
    larder_session_close(session);
    larder_close(engine);
}

static void a_transaction_that_fits_runs(void **state)
{
    (void)state;
    larder *engine = open_configured("maxmemory 4mb\n");
    larder_session *session = open_session(engine);
    assert_integer(session, 1100001, "SETRANGE", "big", "1100000", "x");
    assert_status(session, "OK", "MULTI");
    QUEUE("SET", "log", "begun");
    for (int i = 0; i < 1000; i++)
        QUEUE("APPEND", "log",
              "a line of a hundred bytes or so, of which there are many, one behind the other, all alike");
    QUEUE("SETRANGE", "big", "5", "inside");
    QUEUE("COPY", "log", "copy");
    QUEUE("SELECT", "1");
    QUEUE("COPY", "big", "none");
    larder_reply *reply = larder_command(session, "EXEC", NULL);
    assert_int_equal(reply->type, LARDER_ARRAY);
    assert_int_equal(reply->count, 1005);
    larder_reply_free(reply);
    assert_integer(session, 0, "DBSIZE");
    assert_status(session, "OK", "SELECT", "0");
    assert_integer(session, 3, "DBSIZE");
    assert_true(info_field(session, "memory", "used_memory") <= 4 << 20);
    larder_session_close(session);
    larder_close(engine);
}

/* Gibson's MSET gives a value to every key of a prefix, too. */
static void growth_by_gibson_is_refused(void **state)
{
    (void)state;
    larder *engine = open_configured("maxmemory 4mb\n");
    larder_session *session = open_session(engine);
    char key[32];
    static char value[60001];
    memset(value, 'x', sizeof(value) - 1);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "many:%d", i);
        assert_status(session, "OK", "SET", key, "v");
    }
    assert_error(session, "OOM command not allowed when used memory > 'maxmemory'.", "GIBSON", "MSET", "many:", value);
    assert_string(session, "v", "GET", "many:7");
    assert_true(info_field(session, "memory", "used_memory") <= 4 << 20);
    larder_session_close(session);
    larder_close(engine);
}

static void growth_that_no_word_tells_makes_room_first(void **state)
{
    (void)state;
    const uint64_t limit = 4 << 20;
    larder *engine = open_configured("maxmemory 4mb\nmaxmemory-policy allkeys-lru\n");
    larder_session *session = open_session(engine);
    char key[32];
    static char value[1000];
    memset(value, 'x', sizeof(value) - 1);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key:%d", i);
        assert_status(session, "OK", "SET", key, value);
    }
    assert_status(session, "OK", "CONFIG", "SET", "maxmemory-eviction-tenacity", "100");
    assert_integer(session, 1200001, "SETRANGE", "far", "1200000", "x");
    assert_in_range(ks_metered_bytes(&engine->keyspace), 0, limit);         /* INFO would evict before it tells */
    larder_reply_free(larder_command(session, "APPEND", "far", "y", NULL)); /* which may have had to go for itself */
    assert_in_range(ks_metered_bytes(&engine->keyspace), 0, limit);
    larder_reply_free(larder_command(session, "COPY", "far", "copy", NULL));
    assert_in_range(ks_metered_bytes(&engine->keyspace), 0, limit);
    assert_true(info_field(session, "stats", "evicted_keys") > 2000);
    larder_session_close(session);
    ks_check(&engine->keyspace);
    larder_close(engine);
}

static void many_threads_use_a_small_limit_nearly_whole(void **state)
{
    (void)state;
    const uint64_t limit = 1 << 20;
    larder *engine = open_engine(&(larder_options){.threads = 8, .config = "maxmemory 1mb\n"});
    larder_session *session = open_session(engine);
    assert_true(fill_with_numbers(session) > 1000);
    assert_in_range(info_field(session, "memory", "used_memory"), limit / 100 * 96, limit);
    larder_session_close(session);
    larder_close(engine);
}

static void volatile_rules_run_out_when_no_deadline_is_left(void **state)
{
    (void)state;
    static const char *const policies[] = {"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"};
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        larder *engine = open_configured("");
        larder_session *session = open_session(engine);
        assert_status(session, "OK", "CONFIG", "SET", "maxmemory-policy", policies[i]);
        for (int key = 0; key < 200; key++) {
            char name[32];
            snprintf(name, sizeof(name), "key:%d", key);
            if (key % 2 == 0)
                assert_status(session, "OK", "SET", name, "value");
            else
                assert_status(session, "OK", "SET", name, "value", "EX", "1000");
        }
        assert_status(session, "OK", "CONFIG", "SET", "maxmemory", "1");
        larder_upkeep(engine); /* a request is not held up for long: it might be let through, with more to evict */
        assert_error(session, NULL, "SET", "k", "v");
        assert_integer(session, 100, "DBSIZE");
        assert_true(info_field(session, "stats", "evicted_keys") == 100);
        assert_true(info_field(session, "stats", "current_eviction_exceeded_time") <
                    info_field(session, "stats", "total_eviction_exceeded_time") + 1);
        assert_status(session, "OK", "CONFIG", "SET", "maxmemory", "0");
        assert_status(session, "OK", "SET", "k", "v");
        larder_session_close(session);
        larder_close(engine);
    }
}

/* What a flush leaves behind is freed before a key is evicted. */
static void garbage_goes_before_keys(void **state)
{
    (void)state;
    larder *engine = open_configured("maxmemory 8mb\nmaxmemory-policy allkeys-lru\n");
    larder_session *session = open_session(engine);
    static char value[1000];
    memset(value, 'x', sizeof(value) - 1);
    char key[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "old:%d", i);
        assert_status(session, "OK", "SET", key, value);
    }
    assert_status(session, "OK", "FLUSHALL");
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "new:%d", i);
        assert_status(session, "OK", "SET", key, value);
    }
    assert_integer(session, 5000, "DBSIZE");
    assert_true(info_field(session, "stats", "evicted_keys") == 0);
    larder_session_close(session);
    larder_close(engine);
}

/* OBJECT tells what the policy goes by. */
static void uses_of_a_key_are_told_as_the_policy_counts_them(void **state)
{
    (void)state;
    larder *engine = open_configured("maxmemory 8mb\nmaxmemory-policy allkeys-s3fifo\n");
    larder_session *session = open_session(engine);
    assert_status(session, "OK", "SET", "k", "v");
    assert_integer(session, 0, "OBJECT", "FREQ", "k");
    for (int uses = 1; uses <= 5; uses++) {
        assert_string(session, "v", "GET", "k");
        assert_integer(session, uses < 2 ? uses : 2, "OBJECT", "FREQ", "k");
    }
    assert_error(session,
                 "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
                 "between policies at runtime LRU and LFU data will take some time to adjust.",
                 "OBJECT", "IDLETIME", "k");
    assert_status(session, "OK", "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    assert_integer(session, 0, "OBJECT", "IDLETIME", "k");
    assert_error(session, NULL, "OBJECT", "FREQ", "k");
    assert_status(session, "OK", "SET", "new", "v");
    assert_status(session, "OK", "CONFIG", "SET", "maxmemory-policy", "allkeys-s3fifo");
    assert_integer(session, 0, "OBJECT", "FREQ", "new"); /* not in line yet */
    larder_session_close(session);
    larder_close(engine);
}

/* ---- Keys ---- */

static const char some_text[] =
    "Of all things that are kept, that which nobody has asked for the longest time is the one "
    "that will be missed the least, says the rule; experience says that it depends, and that "
    "a thing asked for once is seldom asked for again.";

static void write_keys(struct writer *writer, larder_session *session)
{
    char key[32];
    char other[32];
    draw_key(writer, key);
    draw_key(writer, other);
    switch (random_below(&writer->random, 8)) {
    case 0:
        larder_reply_free(larder_command(session, "DEL", key, NULL));
        break;
    case 1:
        larder_reply_free(larder_command(session, "RENAME", key, other, NULL)); /* an error when there is no such key */
        break;
    case 2:
        check_no_error(writer, larder_command(session, "MSET", key, "1", other, "2", NULL));
        break;
    case 3:
        larder_reply_free(larder_command(session, "COPY", key, other, "REPLACE", NULL)); /* an error on itself */
        break;
    case 4:
        check_no_error(writer, larder_command(session, "MULTI", NULL));
        check_no_error(writer, larder_command(session, "SET", key, "3", NULL));
        check_no_error(writer, larder_command(session, "DEL", other, NULL));
        check_no_error(writer, larder_command(session, "SET", other, "4", NULL));
        check_no_error(writer, larder_command(session, "EXEC", NULL));
        break;
    case 5:
        larder_reply_free(larder_command(session, "GET", key, NULL));
        break;
    default:
        check_no_error(writer, larder_command(session, "SET", key, some_text, NULL));
        break;
    }
}

static int64_t count_keys(larder_session *session)
{
    larder_reply *reply = larder_command(session, "DBSIZE", NULL);
    int64_t keys = reply->integer;
    larder_reply_free(reply);
    return keys;
}

static void no_more_keys_than_the_bound_are_ever_seen(void **state)
{
    (void)state;
    enum { most = 500 };
    struct random random = property_start(__func__);
    larder *engine = open_engine(&(larder_options){.threads = WRITERS + 1, .config = "maxkeys 500\n"});
    struct load load = {.engine = engine, .key_count = 2000};
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    start_writers(&load, threads, writers, &random, write_keys);
    larder_session *session = open_session(engine);
    while (atomic_load(&load.written) < 100000)
        assert_in_range(count_keys(session), 0, most);
    stop_writers(&load, threads);
    for (int i = 0; i < most; i++) {
        char key[32];
        snprintf(key, sizeof(key), "last:%d", i);
        assert_status(session, "OK", "SET", key, "v");
    }
    assert_int_equal(count_keys(session), most); /* exactly those */
    assert_integer(session, 1, "EXISTS", "last:0");
    assert_int_equal(ks_keys_and_places(&engine->keyspace), most); /* no place was lost on the way */
    larder_session_close(session);
    ks_check(&engine->keyspace);
    larder_close(engine);
}

/* As GoCache does it: a new key when it is full takes the place of the one that was read or written longest ago. */
static void a_new_key_takes_the_place_of_the_least_recently_used(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 4; threads += 3) {
        larder *engine = open_engine(&(larder_options){.threads = threads, .config = "maxkeys 3\n"});
        larder_session *session = open_session(engine);
        assert_status(session, "OK", "SET", "a", "1");
        assert_status(session, "OK", "SET", "b", "2");
        assert_status(session, "OK", "SET", "c", "3");
        assert_string(session, "1", "GET", "a");
        assert_status(session, "OK", "SET", "b", "4"); /* there already: nothing goes */
        assert_integer(session, 3, "DBSIZE");
        assert_status(session, "OK", "SET", "d", "5");
        assert_nil(session, "GET", "c");
        assert_integer(session, 3, "DBSIZE");
        assert_integer(session, 1, "EXISTS", "a"); /* to ask is not to use */
        assert_status(session, "OK", "SELECT", "1");
        assert_status(session, "OK", "SET", "e", "6"); /* the bound is on all databases together */
        assert_status(session, "OK", "SELECT", "0");
        assert_nil(session, "GET", "a");
        assert_string(session, "4", "GET", "b");
        assert_integer(session, 0, "DEL", "nothing"); /* adds nothing, so nothing goes */
        assert_integer(session, 2, "DBSIZE");
        assert_error(session, NULL, "INCR", "b", "x");
        assert_integer(session, 2, "DBSIZE");
        larder_session_close(session);
        larder_close(engine);
    }
}

/* Keys that were there before the bound are older than all others, but have to be searched for; a request that has no
   time for that keeps to the bound all the same. */
static void a_bound_holds_while_older_keys_are_searched_for(void **state)
{
    (void)state;
    enum { older = 20, most = 3000 };
    larder *engine = open_configured("maxmemory-eviction-tenacity 0\n");
    larder_session *session = open_session(engine);
    char key[32];
    for (int i = 0; i < most + 2000; i++) {
        snprintf(key, sizeof(key), "key:%d", i);
        assert_status(session, "OK", "SET", key, "value");
        if (i + 1 == older)
            assert_status(session, "OK", "CONFIG", "SET", "maxkeys", "3000");
        assert_int_equal(count_keys(session), i < most ? i + 1 : most);
    }
    larder_session_close(session);
    ks_check(&engine->keyspace);
    larder_close(engine);
}

static void a_request_of_more_keys_than_the_bound_leaves_as_many_as_it_allows(void **state)
{
    (void)state;
    larder *engine = open_engine(&(larder_options){.threads = 2, .config = "maxkeys 3\n"});
    larder_session *session = open_session(engine);
    assert_status(session, "OK", "SET", "old", "0");
    assert_status(session, "OK", "MSET", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5");
    assert_integer(session, 3, "DBSIZE");
    assert_status(session, "OK", "MSET", "a", "1", "b", "2");
    assert_in_range(count_keys(session), 2, 3);
    larder_session_close(session);
    larder_close(engine);
}

static void limits_change_with_the_keys_that_there_are(void **state)
{
    (void)state;
    larder *engine = open_engine(&(larder_options){.threads = 2});
    larder_session *session = open_session(engine);
    char key[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "key:%d", i);
        assert_status(session, "OK", "SET", key, "value");
    }
    for (int i = 15000; i < 20000; i++) { /* used since, but before there was a bound */
        snprintf(key, sizeof(key), "key:%d", i);
        assert_string(session, "value", "GET", key);
    }
    assert_status(session, "OK", "CONFIG", "SET", "maxkeys", "10000");
    for (int i = 0; i < 1000; i++) { /* these are used while there is one */
        snprintf(key, sizeof(key), "key:%d", i);
        larder_reply_free(larder_command(session, "GET", key, NULL));
    }
    larder_upkeep(engine);
    assert_integer(session, 10000, "DBSIZE");
    assert_status(session, "OK", "CONFIG", "SET", "maxkeys", "5000");
    int64_t before = count_keys(session);
    assert_status(session, "OK", "SET", "one",
                  "more"); /* a request does a part, and adds nothing to what is too much */
    assert_in_range(count_keys(session), 5000, before - 1);
    larder_upkeep(engine);
    assert_integer(session, 5000, "DBSIZE");
    assert_status(session, "OK", "CONFIG", "SET", "maxkeys", "0");
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "new:%d", i);
        assert_status(session, "OK", "SET", key, "value");
    }
    assert_integer(session, 6000, "DBSIZE");
    assert_status(session, "OK", "CONFIG", "SET", "maxmemory-policy", "allkeys-s3fifo", "maxmemory", "300kb");
    larder_upkeep(engine);
    assert_in_range(info_field(session, "memory", "used_memory"), 150 * 1024, 300 * 1024);
    larder_session_close(session);
    ks_check(&engine->keyspace);
    larder_close(engine);
}

/* While threads write, the limits, the policy and the databases change under them. */
static void limits_change_while_threads_write(void **state)
{
    (void)state;
    /* none that refuses, be it for the moment between one setting and the next */
    static const char *const policies[][2] = {
        {"allkeys-s3fifo", "1mb"}, {"allkeys-lru", "1200kb"}, {"allkeys-lfu", "0"},
        {"allkeys-random", "1mb"}, {"allkeys-lfu", "1mb"},    {"allkeys-s3fifo", "1100kb"},
    };
    static const char *const bounds[] = {"0", "100", "1500"};
    struct random random = property_start(__func__);
    larder *engine = open_engine(&(larder_options){.threads = WRITERS + 1});
    struct load load = {.engine = engine, .key_count = 5000};
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    larder_session *session = open_session(engine);
    start_writers(&load, threads, writers, &random, write_keys);
    for (int round = 0; round < 60; round++) {
        const char *const *policy = policies[random_below(&random, COUNT_OF(policies))];
        assert_status(session, "OK", "CONFIG", "SET", "maxmemory-policy", policy[0], "maxmemory", policy[1]);
        assert_status(session, "OK", "CONFIG", "SET", "maxkeys", bounds[random_below(&random, COUNT_OF(bounds))]);
        if (one_in(&random, 5))
            assert_status(session, "OK", "SWAPDB", "0", "1");
        if (one_in(&random, 10))
            assert_status(session, "OK", "FLUSHALL");
        uint64_t written = atomic_load(&load.written);
        while (atomic_load(&load.written) < written + 1000)
            larder_upkeep(engine);
    }
    stop_writers(&load, threads);
    ks_check(&engine->keyspace);
    assert_status(session, "OK", "CONFIG", "SET", "maxkeys", "10");
    larder_upkeep(engine);
    assert_int_equal(ks_keys_and_places(&engine->keyspace), 10);
    assert_int_equal(ks_measure(&engine->keyspace, KS_ALL_DBS).keys, 10);
    larder_session_close(session);
    larder_close(engine);
}

static void write_or_check(struct writer *writer, larder_session *session)
{
    char key[32];
    draw_key(writer, key);
    if (one_in(&writer->random, 20))
        ks_check(&writer->load->engine->keyspace);
    else if (one_in(&writer->random, 4))
        larder_reply_free(larder_command(session, "DEL", key, NULL));
    else
        larder_reply_free(larder_command(session, "SET", key, some_text, NULL));
}

/* Counting begins one shard after the other; what looks in the middle of that finds nothing wrong. */
static void counting_may_begin_while_others_check_it(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    larder *engine = open_engine(&(larder_options){.threads = WRITERS + 1});
    struct load load = {.engine = engine, .key_count = 500};
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    larder_session *session = open_session(engine);
    start_writers(&load, threads, writers, &random, write_or_check);
    for (int round = 0; round < 500; round++) {
        assert_status(session, "OK", "CONFIG", "SET", "maxmemory", "0");
        uint64_t written = atomic_load(&load.written);
        while (atomic_load(&load.written) < written + 30)
            larder_upkeep(engine);
        assert_status(session, "OK", "CONFIG", "SET", "maxmemory", "100mb");
        assert_status(session, "OK", "SET", "k", "v"); /* counting begins */
    }
    stop_writers(&load, threads);
    ks_check(&engine->keyspace);
    larder_session_close(session);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_stays_within_the_limit_while_all_threads_write),
        cmocka_unit_test(flushed_values_are_never_counted_twice),
        cmocka_unit_test(a_request_without_room_is_refused_and_others_are_not),
        cmocka_unit_test(growth_that_no_word_tells_is_refused),
        cmocka_unit_test(growth_of_values_made_in_a_transaction_is_refused),
        cmocka_unit_test(no_transaction_leaves_more_than_the_limit),
        cmocka_unit_test(a_transaction_that_fits_runs),
        cmocka_unit_test(growth_by_gibson_is_refused),
        cmocka_unit_test(growth_that_no_word_tells_makes_room_first),
        cmocka_unit_test(many_threads_use_a_small_limit_nearly_whole),
        cmocka_unit_test(volatile_rules_run_out_when_no_deadline_is_left),
        cmocka_unit_test(garbage_goes_before_keys),
        cmocka_unit_test(uses_of_a_key_are_told_as_the_policy_counts_them),
        cmocka_unit_test(no_more_keys_than_the_bound_are_ever_seen),
        cmocka_unit_test(a_new_key_takes_the_place_of_the_least_recently_used),
        cmocka_unit_test(a_bound_holds_while_older_keys_are_searched_for),
        cmocka_unit_test(a_request_of_more_keys_than_the_bound_leaves_as_many_as_it_allows),
        cmocka_unit_test(limits_change_with_the_keys_that_there_are),
        cmocka_unit_test(limits_change_while_threads_write),
        cmocka_unit_test(counting_may_begin_while_others_check_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

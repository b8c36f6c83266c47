/* Compression as commands see it: not at all. Two engines get the same random commands, one with a threshold that
   changes all the time and one without; every reply must be the same, byte for byte. And what INFO and MEMORY tell of
   it. */
#include "embedding.h"

#include "base/common.h"
#include "engine/engine.h"

#include <pthread.h>

enum { KEYS = 12, VALUE_MAX = 5000, WORDS_MAX = 12, COMMANDS = 30000 };

/* A command's words, and memory for those that are made up. */
struct request {
    const char *words[WORDS_MAX];
    size_t lens[WORDS_MAX];
    size_t count;
    char text[WORDS_MAX][VALUE_MAX];
};

static void add_bytes(struct request *request, const char *at, size_t len)
{
    assert_true(request->count < WORDS_MAX);
    request->words[request->count] = at;
    request->lens[request->count++] = len;
}

static void add_word(struct request *request, const char *word)
{
    add_bytes(request, word, strlen(word));
}

/* Room for a made-up word; the caller then adds it. */
static char *room_for_word(struct request *request)
{
    assert_true(request->count < WORDS_MAX);
    return request->text[request->count];
}

static void add_number(struct request *request, int64_t number)
{
    char *at = room_for_word(request);
    snprintf(at, VALUE_MAX, "%lld", (long long)number);
    add_word(request, at);
}

static void add_key(struct request *request, struct random *random)
{
    char *at = room_for_word(request);
    snprintf(at, VALUE_MAX, "user:%zu", between(random, 1, KEYS));
    add_word(request, at);
}

/* Integers and floats, short and with many zeros; something like JSON; runs; noise. Few different ones of each kind, so
   that IFEQ and LCS find something. */
static void add_value(struct request *request, struct random *random)
{
    char *at = room_for_word(request);
    size_t len = 0;
    switch (random_below(random, 6)) {
    case 0:
        len = (size_t)snprintf(at, VALUE_MAX, "%d", (int)random_below(random, 100));
        break;
    case 1:
        len = (size_t)snprintf(at, VALUE_MAX, "%d000000000000000", (int)random_below(random, 100));
        break;
    case 2:
        len =
            (size_t)snprintf(at, VALUE_MAX, "%d.%0*d", (int)random_below(random, 100), (int)between(random, 1, 200), 0);
        break;
    case 3:
        for (size_t items = between(random, 1, 80); items > 0; items--)
            len += (size_t)snprintf(at + len, VALUE_MAX - len, "{\"id\":%d,\"name\":\"item\"},",
                                    (int)random_below(random, 3));
        break;
    case 4:
        len = between(random, 0, 1) * 2000 + between(random, 0, 3) * 30;
        memset(at, 'x', len);
        break;
    default:
        len = between(random, 0, 2400);
        for (size_t i = 0; i < len; i++)
            at[i] = (char)random_next(random);
        if (one_in(random, 2)) { /* twice over: what is stored then is long as well */
            memcpy(at + len, at, len);
            len *= 2;
        }
    }
    add_bytes(request, at, len);
}

static void add_lifetime(struct request *request, struct random *random)
{
    add_word(request, "PX");
    add_number(request, (int64_t)between(random, 1, 5000));
}

/* How commands are put together: k a key, v a value, n a small number, t a time to live, p a prefix; the rest stands
   for itself. */
static const char *const forms[] = {
    "SET k v",
    "SET k v",
    "SET k v",
    "SET k v t",
    "SET k v KEEPTTL",
    "SET k v GET",
    "SET k v IFEQ v",
    "SET k v NX GET",
    "SETNX k v",
    "SET k v XX KEEPTTL GET",
    "GETSET k v",
    "MSET k v k v",
    "MSETNX k v k v",
    "MSETEX 2 k v k v t",
    "GET k",
    "GET k",
    "MGET k k k",
    "STRLEN k",
    "GETRANGE k n n",
    "GETEX k",
    "GETEX k t",
    "GETEX k PERSIST",
    "GETDEL k",
    "DELIFEQ k v",
    "APPEND k v",
    "SETRANGE k n v",
    "INCR k",
    "DECRBY k n",
    "INCRBYFLOAT k 0.5",
    "LCS k k",
    "LCS k k LEN",
    "COPY k k",
    "COPY k k REPLACE",
    "RENAME k k",
    "COPY k k DB 1",
    "MOVE k 1",
    "SWAPDB 0 1",
    "PERSIST k",
    "PTTL k",
    "DEL k",
    "OBJECT ENCODING k",
    "OBJECT REFCOUNT k",
    "TYPE k",
    "DBSIZE",
    "PREFIX GET p",
    "PREFIX SET p v",
    "PREFIX SET p v KEEPTTL",
    "PREFIX INCR p",
    "PREFIX GET p LIMIT n",
};

static void make_request(struct request *request, struct random *random)
{
    char form[64];
    request->count = 0;
    snprintf(form, sizeof(form), "%s", forms[random_below(random, COUNT_OF(forms))]);
    char *rest = form;
    for (char *part; (part = strsep(&rest, " ")) != NULL;) {
        if (strcmp(part, "k") == 0)
            add_key(request, random);
        else if (strcmp(part, "v") == 0)
            add_value(request, random);
        else if (strcmp(part, "n") == 0)
            add_number(request, (int64_t)between(random, 0, 300));
        else if (strcmp(part, "t") == 0)
            add_lifetime(request, random);
        else if (strcmp(part, "p") == 0)
            add_word(request, one_in(random, 2) ? "user:1" : "user:");
        else
            add_word(request, memcpy(room_for_word(request), part, strlen(part) + 1));
    }
}

struct side {
    larder *engine;
    larder_session *session;
};

static struct side open_side(const char *config)
{
    struct side side = {.engine = open_configured(config)};
    side.session = open_session(side.engine);
    larder_freeze(side.engine);
    larder_set_time(side.engine, 1700000000LL * SECOND_US);
    return side;
}

static void close_side(struct side side)
{
    larder_session_close(side.session);
    larder_close(side.engine);
}

/* The number in a line of INFO. */
static double info_figure(larder_session *session, const char *field)
{
    char line[64];
    larder_reply *reply = larder_command(session, "INFO", "memory", NULL);
    assert_int_equal(reply->type, LARDER_VERBATIM);
    snprintf(line, sizeof(line), "\n%s:", field);
    const char *at = strstr(reply->text, line);
    assert_non_null(at);
    double figure = strtod(at + strlen(line), NULL);
    larder_reply_free(reply);
    return figure;
}

static void compare(const struct side sides[2], const struct request *request)
{
    const char *replies[2];
    size_t lens[2];
    for (int i = 0; i < 2; i++) {
        replies[i] = larder_command_resp(sides[i].session, request->count, request->words, request->lens, &lens[i]);
        assert_non_null(replies[i]);
    }
    if (lens[0] != lens[1] || memcmp(replies[0], replies[1], lens[0]) != 0)
        fail_msg("%.*s %.*s: %.*s, but compressed %.*s", (int)request->lens[0], request->words[0],
                 (int)request->lens[request->count > 1], request->words[request->count > 1], (int)lens[0], replies[0],
                 (int)lens[1], replies[1]);
}

static void compression_changes_no_reply(void **state)
{
    (void)state;
    static const char *const thresholds[] = {"0", "1", "16", "64", "1kb", "4096"};
    struct random random = property_start(__func__);
    struct side sides[2] = {open_side(""), open_side("compression-threshold 16\n")};
    struct request *request = test_malloc(sizeof(*request));
    double most = 0;
    for (int i = 0; i < COMMANDS; i++) {
        if (one_in(&random, 100))
            assert_status(sides[1].session, "OK", "CONFIG", "SET", "compression-threshold",
                          thresholds[random_below(&random, COUNT_OF(thresholds))]);
        if (one_in(&random, 20)) {
            int64_t step_us = (int64_t)between(&random, 0, 3000) * 1000;
            larder_advance(sides[0].engine, step_us);
            larder_advance(sides[1].engine, step_us);
        }
        make_request(request, &random);
        compare(sides, request);
        if (i % 1000 == 0) {
            ks_check(&sides[1].engine->keyspace);
            double compressed = info_figure(sides[1].session, "compressed_keys");
            most = compressed > most ? compressed : most;
        }
    }
    assert_true(most >= 3); /* otherwise all this says nothing */
    assert_true(info_figure(sides[1].session, "compressions") > COMMANDS / 20);
    assert_true(info_figure(sides[0].session, "compressions") == 0);
    test_free(request);
    close_side(sides[0]);
    close_side(sides[1]);
}

static size_t memory_usage(larder_session *session, const char *key)
{
    larder_reply *reply = larder_command(session, "MEMORY", "USAGE", key, NULL);
    assert_int_equal(reply->type, LARDER_INTEGER);
    size_t bytes = (size_t)reply->integer;
    larder_reply_free(reply);
    return bytes;
}

static void memory_is_told_as_it_is_used(void **state)
{
    (void)state;
    static char value[4001];
    memset(value, 'x', sizeof(value) - 1);
    struct side side = open_side("compression-threshold 100\n");
    assert_status(side.session, "OK", "SET", "k", value);
    assert_integer(side.session, 4000, "STRLEN", "k");
    assert_true(memory_usage(side.session, "k") < 200);
    assert_true(info_figure(side.session, "compressed_keys") == 1);
    assert_in_range((size_t)info_figure(side.session, "compression_saved_bytes"), 3900, 3999);
    assert_in_range((size_t)info_figure(side.session, "compression_saved_percent"), 98, 100);
    assert_integer(side.session, 4001, "APPEND", "k", "x"); /* changed in parts: uncompressed from here on */
    assert_true(memory_usage(side.session, "k") > 4000);
    assert_true(info_figure(side.session, "compressed_keys") == 0);
    assert_true(info_figure(side.session, "compression_saved_bytes") == 0);
    assert_true(info_figure(side.session, "compressions") == 1);
    assert_status(side.session, "OK", "CONFIG", "RESETSTAT");
    assert_true(info_figure(side.session, "compressions") == 0);
    assert_true(info_figure(side.session, "compression_saved_percent") == 0);
    assert_status(side.session, "OK", "SET", "at-the-threshold", value + 3900);
    assert_status(side.session, "OK", "SET", "above-the-threshold", value + 3899);
    assert_true(info_figure(side.session, "compressed_keys") == 1);
    assert_status(side.session, "OK", "CONFIG", "SET", "compression-threshold", "0");
    assert_status(side.session, "OK", "SET", "k", value);
    assert_true(info_figure(side.session, "compressed_keys") == 1);
    assert_string(side.session, value + 3899, "GET", "above-the-threshold");
    assert_status(side.session, "OK", "FLUSHALL");
    assert_true(info_figure(side.session, "compressed_keys") == 0);
    assert_true(info_figure(side.session, "compression_saved_bytes") == 0);
    close_side(side);
}

/* What INFO keysizes counts is the strings, not what is stored of them. */
static void keysizes_count_strings_by_their_own_length(void **state)
{
    (void)state;
    static char value[4001];
    memset(value, 'x', sizeof(value) - 1);
    struct side side = open_side("compression-threshold 100\n");
    assert_status(side.session, "OK", "SET", "k", value);
    larder_reply *reply = larder_command(side.session, "INFO", "keysizes", NULL);
    assert_non_null(strstr(reply->text, "distrib_strings_sizes:2K=1"));
    larder_reply_free(reply);
    close_side(side);
}

/* Readers on other threads, while values are compressed, expanded and replaced: the thread sanitizer watches. */
struct reader {
    larder *engine;
    _Atomic bool must_stop;
    size_t read;
};

static void *read_forever(void *context)
{
    struct reader *reader = context;
    larder_session *session = larder_session_open(reader->engine);
    while (session != NULL && !atomic_load(&reader->must_stop)) {
        larder_reply *reply = larder_command(session, "GET", "k", NULL);
        for (size_t i = 1; i < reply->len; i++)
            assert(reply->text[i] == reply->text[0]);
        reader->read += reply->len > 0;
        larder_reply_free(reply);
    }
    larder_session_close(session);
    return NULL;
}

static void readers_see_whole_values_while_they_are_replaced(void **state)
{
    (void)state;
    static char value[40001];
    struct reader reader = {.engine = open_configured("compression-threshold 100\n")};
    larder_session *session = open_session(reader.engine);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_forever, &reader), 0);
    for (int i = 0; i < 2000; i++) {
        memset(value, 'a' + i % 26, 40000);
        value[i % 2 == 0 ? 40000 : 500] = '\0'; /* boxed and inline */
        assert_status(session, "OK", "SET", "k", value);
    }
    atomic_store(&reader.must_stop, true);
    pthread_join(thread, NULL);
    assert_true(reader.read > 0);
    larder_session_close(session);
    larder_close(reader.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compression_changes_no_reply),
        cmocka_unit_test(memory_is_told_as_it_is_used),
        cmocka_unit_test(keysizes_count_strings_by_their_own_length),
        cmocka_unit_test(readers_see_whole_values_while_they_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

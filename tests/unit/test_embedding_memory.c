/* The embedding API when memory runs out: each test lets 0, 1, 2, ... allocations pass until the operation succeeds,
   and checks after every failure that it was reported, that nothing has changed, and that the engine works on. The
   address sanitizer watches that nothing leaks. */
#include "embedding.h"

#include "base/common.h"
#include "base/lz4.h"
#include "base/mem.h"
#include "engine/engine.h"

enum { MOST_ALLOCATIONS = 100000 };

/* Opens with every number of allocations, down to a success. */
static larder *check_opening(const larder_options *options)
{
    larder *engine = NULL;
    long allowed = 0;
    for (; engine == NULL && allowed < MOST_ALLOCATIONS; allowed++) {
        char error[ERROR_SIZE] = "";
        mem_fail_after(allowed);
        engine = larder_open(options, error, sizeof(error));
        mem_fail_after(-1);
        if (engine == NULL && strstr(error, "out of memory") == NULL)
            fail_msg("with %ld allocations the error is \"%s\"", allowed, error);
    }
    assert_non_null(engine);
    assert_true(allowed > 10);
    return engine;
}

static void opening_fails_with_a_message(void **state)
{
    (void)state;
    larder_close(check_opening(NULL));
    larder_close(check_opening(&(larder_options){.threads = 1}));
}

static void no_line_of_the_configuration_is_dropped(void **state)
{
    (void)state;
    static const char config[] = "bind 127.0.0.1 ::1\nsave 60 100\nmaxmemory-policy allkeys-lfu\n"
                                 "rename-command GET FETCH\nrename-command FLUSHALL \"\"\n";
    larder *engine = check_opening(&(larder_options){.config = config});
    larder_session *session = open_session(engine);
    assert_nil(session, "FETCH", "k");
    assert_error(session, NULL, "GET", "k");
    assert_error(session, NULL, "FLUSHALL");
    assert_status(session, "OK", "SET", "k", "v");
    assert_integer(session, 5, "OBJECT", "FREQ", "k");
    larder_session_close(session);
    larder_close(engine);
}

static void sessions_and_connections_fail_to_open(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = NULL;
    larder_connection *connection = NULL;
    for (long allowed = 0; session == NULL && allowed < MOST_ALLOCATIONS; allowed++) {
        mem_fail_after(allowed);
        session = larder_session_open(engine);
        mem_fail_after(-1);
    }
    for (long allowed = 0; connection == NULL && allowed < MOST_ALLOCATIONS; allowed++) {
        mem_fail_after(allowed);
        connection = larder_connect(engine);
        mem_fail_after(-1);
    }
    assert_status(session, "PONG", "PING");
    write_text(connection, "PING\r\n");
    assert_received(connection, "+PONG\r\n");
    larder_disconnect(connection);
    larder_session_close(session);
    larder_close(engine);
}

/* ---- Commands ---- */

enum { WORDS_MAX = 16, CONTENT_SIZE = 8192 };

/* The words of a command line, in its own memory. */
struct words {
    const char *words[WORDS_MAX];
    size_t count;
    char text[256];
};

static void split_words(struct words *words, const char *line)
{
    words->count = 0;
    snprintf(words->text, sizeof(words->text), "%s", line);
    char *rest = words->text;
    for (char *word; (word = strsep(&rest, " ")) != NULL; words->count++) {
        assert_true(words->count < WORDS_MAX);
        words->words[words->count] = word;
    }
}

/* Runs a line; the reply as on the wire, NULL when there was no memory for it. */
static const char *run_line(larder_session *session, const char *line, size_t *len)
{
    struct words words;
    split_words(&words, line);
    return larder_command_resp(session, words.count, words.words, NULL, len);
}

static void append_reply(larder_session *session, const char *line, char content[CONTENT_SIZE], size_t *len)
{
    size_t reply_len;
    const char *reply = run_line(session, line, &reply_len);
    assert_non_null(reply);
    assert_true(*len + reply_len < CONTENT_SIZE);
    memcpy(content + *len, reply, reply_len);
    *len += reply_len;
}

static const char *const keys[] = {"a", "b", "c", "d", "e", "n"};

/* All values and deadlines of both databases that the commands below know. */
static size_t read_content(larder_session *session, char content[CONTENT_SIZE])
{
    size_t len = 0;
    for (int db = 1; db >= 0; db--) {
        append_reply(session, db == 1 ? "SELECT 1" : "SELECT 0", content, &len);
        append_reply(session, "DBSIZE", content, &len);
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
            char line[32];
            snprintf(line, sizeof(line), "GET %s", keys[i]);
            append_reply(session, line, content, &len);
            snprintf(line, sizeof(line), "PTTL %s", keys[i]);
            append_reply(session, line, content, &len);
        }
    }
    return len;
}

static void set_up_content(larder_session *session)
{
    static char value[600];
    memset(value, 'x', sizeof(value) - 1);
    assert_status(session, "OK", "FLUSHALL", "SYNC");
    assert_status(session, "OK", "MSET", "a", "small", "b", value, "n", "12345678901234567");
    assert_integer(session, 1, "PEXPIRE", "b", "5000");
}

static bool begins_with(const char *reply, size_t len, const char *text)
{
    return len >= strlen(text) && memcmp(reply, text, strlen(text)) == 0;
}

/* Runs the line with every number of allocations, down to a success. The session's first chunk for replies is there
   already, so a short reply needs no memory. */
static void check_command(larder *engine, larder_session *session, const char *line)
{
    for (long allowed = 0; allowed < MOST_ALLOCATIONS; allowed++) {
        char before[CONTENT_SIZE];
        char after[CONTENT_SIZE];
        set_up_content(session);
        size_t before_len = read_content(session, before);
        size_t reply_len;
        mem_fail_after(allowed);
        const char *reply = run_line(session, line, &reply_len);
        mem_fail_after(-1);
        if (reply == NULL)
            fail_msg("%s: no reply", line);
        bool has_failed = begins_with(reply, reply_len, "-OOM out of memory\r\n");
        if (!has_failed && reply[0] == '-')
            fail_msg("%s: %.*s", line, (int)reply_len, reply);
        ks_check(&engine->keyspace);
        if (!has_failed)
            return;
        size_t after_len = read_content(session, after);
        if (before_len != after_len || memcmp(before, after, after_len) != 0)
            fail_msg("%s failed after %ld allocations, but changed something", line, allowed);
    }
    fail_msg("%s never succeeds", line);
}

static void check_commands(const char *config)
{
    static const char *const lines[] = {
        "SET c value",
        "SET a another-value-that-is-longer-than-the-one-before",
        "SET c value EX 100",
        "SET a value GET PX 100000",
        "SETNX c value",
        "GETSET a a-value-that-is-longer-than-before",
        "GETEX a EX 100",
        "GETEX b EX 100",
        "GETDEL b",
        "GETSET b value",
        "SET b value GET",
        "SET b value IFEQ value",
        "SET c xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "APPEND b tail",
        "SETRANGE b 3 y",
        "PREFIX SET b xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "APPEND a -and-a-tail-that-does-not-fit-into-what-was-allocated-for-the-value",
        "APPEND c new",
        "SETRANGE a 100000 x",
        "SETRANGE c 10 x",
        "INCR c",
        "INCR n",
        "INCRBYFLOAT n 0.25",
        "RENAME a c",
        "RENAME b a",
        "RENAMENX b c-with-a-long-name-that-needs-an-entry-of-its-own",
        "COPY a c",
        "COPY b a REPLACE",
        "COPY b b DB 1",
        "MOVE b 1",
        "EXPIRE a 100",
        "PERSIST b",
        "DEL a b",
        "SWAPDB 0 1",
        "FLUSHDB",
        "FLUSHALL ASYNC",
    };
    larder *engine = open_configured(config);
    larder_session *session = open_session(engine);
    larder_freeze(engine);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        check_command(engine, session, lines[i]);
    larder_session_close(session);
    larder_close(engine);
}

static void a_command_without_memory_changes_nothing(void **state)
{
    (void)state;
    check_commands("");
}

static void a_command_without_memory_changes_nothing_that_is_compressed(void **state)
{
    (void)state;
    if (lz4_is_available())
        check_commands("compression-threshold 16\n");
}

/* Of the keys c, d, e, which did not exist, the first ones hold what the command says, and the others do not exist. */
static int count_set_keys(larder_session *session)
{
    static const char *const names[] = {"c", "d", "e"};
    int count = 0;
    for (int i = 0; i < 3; i++) {
        larder_reply *reply = larder_command(session, "GET", names[i], NULL);
        if (reply->type != LARDER_NIL) {
            assert_int_equal(count, i);
            assert_string_equal(reply->text, "value");
            count++;
        }
        larder_reply_free(reply);
    }
    return count;
}

static void setting_several_keys_without_memory_sets_the_first_ones(void **state)
{
    (void)state;
    static const char *const lines[] = {"MSET c value d value e value", "MSETNX c value d value e value",
                                        "MSETEX 3 c value d value e value EX 100"};
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        bool is_done = false;
        for (long allowed = 0; !is_done && allowed < MOST_ALLOCATIONS; allowed++) {
            set_up_content(session);
            size_t len;
            mem_fail_after(allowed);
            const char *reply = run_line(session, lines[i], &len);
            mem_fail_after(-1);
            assert_non_null(reply);
            is_done = !begins_with(reply, len, "-OOM out of memory\r\n");
            int count = count_set_keys(session);
            assert_true(is_done ? count == 3 : count < 3);
            assert_integer(session, 3 + count, "DBSIZE");
            ks_check(&engine->keyspace);
        }
        assert_true(is_done);
    }
    larder_session_close(session);
    larder_close(engine);
}

static void a_new_key_in_a_full_table_fails_cleanly(void **state)
{
    (void)state;
    larder *engine = open_engine(&(larder_options){.threads = 1});
    larder_session *session = open_session(engine);
    assert_status(session, "PONG", "PING");
    size_t stored = 0;
    for (int i = 0; i < 5000; i++) {
        char line[32];
        size_t len;
        snprintf(line, sizeof(line), "SET key-%d v PX 100000", i);
        mem_fail_after(i % 4);
        const char *reply = run_line(session, line, &len);
        mem_fail_after(-1);
        assert_non_null(reply);
        if (begins_with(reply, len, "+OK"))
            stored++;
        else
            assert_true(begins_with(reply, len, "-OOM out of memory"));
    }
    assert_integer(session, (int64_t)stored, "DBSIZE");
    assert_true(stored > 1000);
    ks_check(&engine->keyspace);
    larder_session_close(session);
    larder_close(engine);
}

static void a_reply_without_memory_is_null_and_the_next_one_is_right(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "COMMAND",     "COMMAND DOCS",      "KEYS *", "GET large",    "MGET large a large", "INFO", "CONFIG GET *",
        "CLIENT LIST", "SCAN 0 COUNT 1000", "LOLWUT", "MEMORY DOCTOR"};
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    set_up_content(session);
    assert_integer(session, 200001, "SETRANGE", "large", "200000", "x");
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct words words;
        split_words(&words, lines[i]);
        long refused = 0;
        larder_reply *reply = NULL;
        bool is_done = false;
        for (long allowed = 0; !is_done && allowed < MOST_ALLOCATIONS; allowed++) {
            mem_fail_after(allowed);
            reply = larder_command_argv(session, words.count, words.words, NULL);
            mem_fail_after(-1);
            if (reply != NULL && reply->type == LARDER_ERROR)
                assert_string_equal(reply->text, "OOM out of memory");
            is_done = reply != NULL && reply->type != LARDER_ERROR;
            refused += !is_done;
            larder_reply_free(reply);
            assert_status(session, "PONG", "PING");
        }
        assert_true(is_done && refused > 0);
    }
    larder_session_close(session);
    larder_close(engine);
}

static void a_connection_without_memory_closes_and_takes_nobody_with_it(void **state)
{
    (void)state;
    static const char request[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\nMGET k k\r\nECHO \"two words\"\r\n";
    static const char answer[] = "+OK\r\n*2\r\n$5\r\nvalue\r\n$5\r\nvalue\r\n$9\r\ntwo words\r\n";
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    bool is_done = false;
    for (long allowed = 0; !is_done && allowed < MOST_ALLOCATIONS; allowed++) {
        assert_status(session, "OK", "FLUSHALL", "SYNC");
        larder_connection *connection = open_connection(engine);
        mem_fail_after(allowed);
        int status = larder_connection_write(connection, request, 40);
        status |= larder_connection_write(connection, request + 40, sizeof(request) - 1 - 40);
        mem_fail_after(-1);
        char received[256];
        ptrdiff_t len = larder_connection_read(connection, received, sizeof(received));
        is_done = status == 0 && len == sizeof(answer) - 1 && memcmp(received, answer, sizeof(answer) - 1) == 0;
        if (is_done)
            assert_received(connection, "");
        else if (len <= 0 || memmem(received, (size_t)len, "-OOM out of memory\r\n", 20) == NULL)
            assert_closed(connection);
        larder_disconnect(connection);
        assert_status(session, "PONG", "PING");
    }
    assert_true(is_done);
    larder_session_close(session);
    larder_close(engine);
}

static void serving_without_memory_fails_with_a_message(void **state)
{
    (void)state;
    larder *engine = open_engine(&(larder_options){.threads = 2});
    char folder[] = FOLDER_TEMPLATE;
    char path[sizeof(folder) + 8];
    make_folder(folder, path, sizeof(path));
    const larder_serve_options options = {.unixsocket = path};
    int status = -1;
    for (long allowed = 0; status != 0 && allowed < MOST_ALLOCATIONS; allowed++) {
        char error[ERROR_SIZE] = "";
        mem_fail_after(allowed);
        status = larder_serve(engine, &options, error, sizeof(error));
        mem_fail_after(-1);
        if (status == 0)
            break;
        assert_int_equal(larder_port(engine), 0);
        if (strstr(error, "out of memory") == NULL)
            fail_msg("with %ld allocations the error is \"%s\"", allowed, error);
        larder_session *session = open_session(engine); /* the engine works on, unserved */
        assert_status(session, "OK", "CONFIG", "SET", "port", "0");
        larder_session_close(session);
    }
    assert_int_equal(status, 0);
    assert_true(larder_port(engine) > 0);
    larder_close(engine);
    assert_int_equal(rmdir(folder), 0); /* the socket is gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_fails_with_a_message),
        cmocka_unit_test(no_line_of_the_configuration_is_dropped),
        cmocka_unit_test(sessions_and_connections_fail_to_open),
        cmocka_unit_test(a_command_without_memory_changes_nothing),
        cmocka_unit_test(a_command_without_memory_changes_nothing_that_is_compressed),
        cmocka_unit_test(setting_several_keys_without_memory_sets_the_first_ones),
        cmocka_unit_test(a_new_key_in_a_full_table_fails_cleanly),
        cmocka_unit_test(a_reply_without_memory_is_null_and_the_next_one_is_right),
        cmocka_unit_test(a_connection_without_memory_closes_and_takes_nobody_with_it),
        cmocka_unit_test(serving_without_memory_fails_with_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

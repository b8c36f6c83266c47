/* The embedding API: engines that know nothing of each other, commands as function calls, replies as trees, and a clock
   that the program holds. Connections, serving and failing allocations have files of their own. */
#include "embedding.h"

#include "base/clock.h"
#include "engine/engine.h"

/* ---- Engines ---- */

static void engines_do_not_see_each_others_keys_clocks_and_configuration(void **state)
{
    (void)state;
    larder *a = open_configured("requirepass secret\ndatabases 4");
    larder *b = open_engine(NULL);
    larder_session *in_a = open_session(a);
    larder_session *in_b = open_session(b);

    assert_status(in_a, "OK", "SET", "k", "of a");
    assert_nil(in_b, "GET", "k");
    assert_status(in_b, "OK", "FLUSHALL");
    assert_string(in_a, "of a", "GET", "k");

    larder_set_time(a, 5 * (int64_t)SECOND_US);
    larder_freeze(a);
    assert_int_equal(larder_now(a) / SECOND_US, 5);
    assert_true(larder_now(b) > (int64_t)1700000000 * SECOND_US);

    assert_status(in_a, "OK", "SELECT", "3");
    assert_error(in_a, "ERR DB index is out of range", "SELECT", "4");
    assert_status(in_b, "OK", "SELECT", "4");
    larder_reply *reply = larder_command(in_b, "CONFIG", "GET", "requirepass", NULL);
    assert_int_equal(reply->count, 2);
    assert_string_equal(reply->elements[1].text, "");
    larder_reply_free(reply);
    assert_status(in_a, "OK", "CONFIG", "SET", "maxclients", "77");
    reply = larder_command(in_b, "CONFIG", "GET", "maxclients", NULL);
    assert_string_not_equal(reply->elements[1].text, "77");
    larder_reply_free(reply);

    larder_session_close(in_a);
    larder_session_close(in_b);
    larder_close(a);
    larder_close(b);
}

static void a_wrong_line_of_the_configuration_is_named_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        const char *line;
        const char *reason;
    } cases[] = {
        {"databases x", "line 1", "argument couldn't be parsed into an integer"},
        {"# a comment\n\ndatabases 0", "line 3", "argument must be between 1 and"},
        {"databases 4\nno-such-parameter 1\n", "line 2", "Bad directive or wrong number of arguments"},
        {"requirepass \"unbalanced", "line 1", "Unbalanced quotes"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char error[ERROR_SIZE] = "";
        assert_null(larder_open(&(larder_options){.config = cases[i].config}, error, sizeof(error)));
        if (strstr(error, cases[i].line) == NULL || strstr(error, cases[i].reason) == NULL)
            fail_msg("the error about \"%s\" is \"%s\"", cases[i].config, error);
        assert_null(strchr(error, '\n'));
    }
    char tiny[4];
    assert_null(larder_open(&(larder_options){.config = "databases x"}, tiny, sizeof(tiny)));
    assert_int_equal(strlen(tiny), sizeof(tiny) - 1);
    assert_null(larder_open(&(larder_options){.config = "databases x"}, NULL, 0));
}

struct log_lines {
    size_t count;
    int last_level;
    char last[256];
};

static void keep_line(void *context, int level, const char *line)
{
    struct log_lines *lines = context;
    lines->count++;
    lines->last_level = level;
    snprintf(lines->last, sizeof(lines->last), "%s", line);
}

static void the_log_goes_to_the_programs_function(void **state)
{
    (void)state;
    struct log_lines lines = {0};
    larder *engine = open_engine(&(larder_options){.log = keep_line, .log_context = &lines});
    larder_session *session = open_session(engine);
    assert_error(session, "ERR Errors trying to SHUTDOWN. Check logs.", "SHUTDOWN");
    assert_int_equal(lines.count, 1);
    assert_int_equal(lines.last_level, LARDER_LOG_WARNING);
    assert_non_null(strstr(lines.last, "SHUTDOWN refused"));
    assert_null(strchr(lines.last, '\n'));
    larder_session_close(session);
    larder_close(engine);
}

static void the_log_follows_loglevel(void **state)
{
    (void)state;
    struct log_lines lines = {0};
    larder *engine =
        open_engine(&(larder_options){.log = keep_line, .log_context = &lines, .config = "loglevel nothing"});
    larder_session *session = open_session(engine);
    assert_error(session, "ERR Errors trying to SHUTDOWN. Check logs.", "SHUTDOWN");
    assert_int_equal(lines.count, 0);
    assert_status(session, "OK", "CONFIG", "SET", "loglevel", "warning");
    assert_error(session, "ERR Errors trying to SHUTDOWN. Check logs.", "SHUTDOWN");
    assert_int_equal(lines.count, 1);
    larder_session_close(session);
    larder_close(engine);
}

static void note_shutdown(void *context)
{
    (*(int *)context)++;
}

static void shutdown_is_the_programs_affair(void **state)
{
    (void)state;
    int shutdowns = 0;
    larder *engine = open_engine(&(larder_options){.on_shutdown = note_shutdown, .shutdown_context = &shutdowns});
    larder_session *session = open_session(engine);
    larder_connection *connection = open_connection(engine);
    assert_nil(session, "SHUTDOWN", "NOSAVE");
    assert_int_equal(shutdowns, 1);
    assert_status(session, "PONG", "PING"); /* nothing has stopped */
    write_text(connection, "SHUTDOWN\r\n");
    assert_int_equal(shutdowns, 2);
    assert_closed(connection);
    larder_disconnect(connection);
    larder_session_close(session);
    larder_close(engine);
}

static void an_engine_opens_and_closes_in_no_time(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    int64_t began = clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        larder *engine = open_engine(NULL);
        larder_session *session = open_session(engine);
        assert_status(session, "OK", "SET", "k", "v");
        larder_session_close(session);
        larder_close(engine);
    }
    printf("# open, SET, close: %.3f ms\n", (double)(clock_monotonic_ns() - began) / ROUNDS / 1e6);
}

/* ---- Replies ---- */

static larder_reply *sample(larder_session *session, const char *type)
{
    larder_reply *reply = larder_command(session, "DEBUG", "PROTOCOL", type, NULL);
    assert_non_null(reply);
    return reply;
}

static void assert_three_integers(const larder_reply *reply)
{
    assert_int_equal(reply->count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reply->elements[i].type, LARDER_INTEGER);
        assert_int_equal(reply->elements[i].integer, i);
    }
}

/* A sample is of this type and text; NULL text: has none. */
static void check_sample(larder_session *session, const char *name, larder_type type, const char *text)
{
    larder_reply *reply = sample(session, name);
    assert_int_equal(reply->type, type);
    if (text == NULL)
        assert_null(reply->text);
    else
        assert_string_equal(reply->text, text);
    assert_int_equal(reply->len, text != NULL ? strlen(text) : 0);
    assert_int_equal(reply->count, 0);
    assert_null(reply->elements);
    larder_reply_free(reply);
}

static void check_aggregate(larder_session *session, const char *name, larder_type type)
{
    larder_reply *reply = sample(session, name);
    assert_int_equal(reply->type, type);
    assert_three_integers(reply);
    larder_reply_free(reply);
}

static void check_number(larder_session *session, const char *name, larder_type type, int64_t integer, double real)
{
    larder_reply *reply = sample(session, name);
    assert_int_equal(reply->type, type);
    assert_int_equal(reply->integer, integer);
    assert_true(reply->real == real);
    larder_reply_free(reply);
}

static void every_type_of_resp3_becomes_a_tree(void **state)
{
    (void)state;
    larder *engine = open_configured("enable-debug-command yes");
    larder_session *session = open_session(engine);
    check_sample(session, "string", LARDER_STRING, "Hello World");
    check_sample(session, "null", LARDER_NIL, NULL);
    check_sample(session, "bignum", LARDER_BIG_NUMBER, "1234567999999999999999999999999999999");
    check_sample(session, "verbatim", LARDER_VERBATIM, "This is a verbatim\nstring");
    check_sample(session, "attrib", LARDER_STRING, "Some real reply following the attribute");
    check_sample(session, "double", LARDER_DOUBLE, "3.141");
    check_number(session, "double", LARDER_DOUBLE, 0, 3.141);
    check_number(session, "integer", LARDER_INTEGER, 12345, 0);
    check_number(session, "true", LARDER_BOOLEAN, 1, 0);
    check_number(session, "false", LARDER_BOOLEAN, 0, 0);
    check_aggregate(session, "array", LARDER_ARRAY);
    check_aggregate(session, "set", LARDER_SET);

    larder_reply *reply = sample(session, "map");
    assert_int_equal(reply->type, LARDER_MAP);
    assert_int_equal(reply->count, 6);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reply->elements[2 * i].integer, i);
        assert_int_equal(reply->elements[2 * i + 1].type, LARDER_BOOLEAN);
        assert_int_equal(reply->elements[2 * i + 1].integer, i == 1);
    }
    larder_reply_free(reply);

    check_sample(session, "push", LARDER_STRING, "Some real reply following the push reply");
    assert_status(session, "PONG", "PING");
    assert_error(session, "ERR wrong number of arguments for 'get' command", "GET");
    larder_session_close(session);
    larder_close(engine);
}

static void nested_replies_keep_their_form(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_reply *reply = larder_command(session, "COMMAND", "INFO", "get", "no-such-command", NULL);
    assert_int_equal(reply->type, LARDER_ARRAY);
    assert_int_equal(reply->count, 2);
    const larder_reply *get = &reply->elements[0];
    assert_string_equal(get->elements[0].text, "get");
    assert_int_equal(get->elements[1].integer, 2);
    assert_int_equal(get->elements[2].type, LARDER_SET);
    assert_int_equal(reply->elements[1].type, LARDER_NIL);
    larder_reply_free(reply);

    reply = larder_command(session, "COMMAND", "DOCS", "set", NULL);
    assert_int_equal(reply->type, LARDER_MAP);
    assert_string_equal(reply->elements[0].text, "set");
    assert_int_equal(reply->elements[1].type, LARDER_MAP);
    larder_reply_free(reply);
    larder_session_close(session);
    larder_close(engine);
}

static void a_session_speaks_the_protocol_it_was_told(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    const char *get[] = {"GET", "missing"};
    size_t len;
    const char *resp = larder_command_resp(session, 2, get, NULL, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(resp, "_\r\n", 3);

    larder_reply *reply = larder_command(session, "HELLO", "2", NULL);
    assert_int_equal(reply->type, LARDER_ARRAY);
    assert_int_equal(reply->count, 14);
    larder_reply_free(reply);
    resp = larder_command_resp(session, 2, get, NULL, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(resp, "$-1\r\n", 5);
    assert_nil(session, "GET", "missing");

    reply = larder_command(session, "HELLO", "3", NULL);
    assert_int_equal(reply->type, LARDER_MAP);
    assert_int_equal(reply->count, 14);
    larder_reply_free(reply);
    assert_error(session, "NOPROTO unsupported protocol version", "HELLO", "4");
    larder_session_close(session);
    larder_close(engine);
}

static void a_silenced_command_replies_nothing(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    const char *set[] = {"SET", "k", "v"};
    size_t len = 77;
    assert_nil(session, "CLIENT", "REPLY", "OFF");
    assert_non_null(larder_command_resp(session, 3, set, NULL, &len));
    assert_int_equal(len, 0);
    assert_nil(session, "NO-SUCH-COMMAND");
    assert_status(session, "OK", "CLIENT", "REPLY", "ON");
    assert_string(session, "v", "GET", "k");
    assert_nil(session, "CLIENT", "REPLY", "SKIP");
    assert_nil(session, "SET", "k", "w");
    assert_string(session, "w", "GET", "k");
    larder_session_close(session);
    larder_close(engine);
}

/* ---- Words ---- */

static void words_may_hold_any_bytes(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    char value[256];
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)i;
    const char *set[] = {"SET", "a\0b", value};
    const char *get[] = {"GET", "a\0b"};
    const size_t lens[] = {3, 3, sizeof(value)};
    larder_reply *reply = larder_command_argv(session, 3, set, lens);
    assert_int_equal(reply->type, LARDER_STATUS);
    larder_reply_free(reply);
    reply = larder_command_argv(session, 2, get, lens);
    assert_int_equal(reply->len, sizeof(value));
    assert_memory_equal(reply->text, value, sizeof(value));
    assert_int_equal(reply->text[reply->len], '\0');
    larder_reply_free(reply);
    assert_nil(session, "GET", "a");

    const char *empty[] = {"SET", "", ""};
    reply = larder_command_argv(session, 3, empty, NULL);
    assert_int_equal(reply->type, LARDER_STATUS);
    larder_reply_free(reply);
    assert_string(session, "", "GET", "");
    assert_error(session, "ERR unknown command '', with args beginning with: ", "");
    larder_session_close(session);
    larder_close(engine);
}

static void there_may_be_any_number_of_words(void **state)
{
    (void)state;
    enum { PAIRS = 2000, WORDS = 1 + 2 * PAIRS };
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    static char texts[WORDS][8];
    const char *words[WORDS] = {"MSET"};
    for (size_t i = 1; i < WORDS; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%zu", i);
        words[i] = texts[i];
    }
    larder_reply *reply = larder_command_argv(session, WORDS, words, NULL);
    assert_int_equal(reply->type, LARDER_STATUS);
    larder_reply_free(reply);
    assert_integer(session, PAIRS, "DBSIZE");
    assert_string(session, "4000", "GET", "3999");

    /* a call with many words is not cut either */
    assert_integer(session, 40, "EXISTS", "1", "3", "5", "7", "9", "11", "13", "15", "17", "19", "21", "23", "25", "27",
                   "29", "31", "33", "35", "37", "39", "41", "43", "45", "47", "49", "51", "53", "55", "57", "59", "61",
                   "63", "65", "67", "69", "71", "73", "75", "77", "79");
    larder_session_close(session);
    larder_close(engine);
}

static void large_values_pass_whole(void **state)
{
    (void)state;
    enum { LEN = 1024 * 1024 };
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    char *value = test_malloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        value[i] = (char)(i * 31 >> 3);
    const char *set[] = {"SET", "large", value};
    const char *mget[] = {"MGET", "large", "missing", "large"};
    const size_t lens[] = {3, 5, LEN};
    larder_reply *reply = larder_command_argv(session, 3, set, lens);
    assert_int_equal(reply->type, LARDER_STATUS);
    larder_reply_free(reply);
    reply = larder_command_argv(session, 4, mget, NULL);
    assert_int_equal(reply->count, 3);
    assert_int_equal(reply->elements[0].len, LEN);
    assert_memory_equal(reply->elements[0].text, value, LEN);
    assert_int_equal(reply->elements[1].type, LARDER_NIL);
    assert_memory_equal(reply->elements[2].text, value, LEN);
    larder_reply_free(reply);

    /* a reply keeps its bytes when the value changes after it */
    size_t len;
    const char *get[] = {"GET", "large"};
    const char *resp = larder_command_resp(session, 2, get, NULL, &len);
    larder_session *other = open_session(engine);
    assert_integer(other, LEN, "SETRANGE", "large", "0", "changed");
    assert_int_equal(len, LEN + 12);
    assert_memory_equal(resp, "$1048576\r\n", 10);
    assert_memory_equal(resp + 10, value, LEN);
    test_free(value);
    larder_session_close(other);
    larder_session_close(session);
    larder_close(engine);
}

static void a_session_is_let_in_without_a_password_and_is_no_client(void **state)
{
    (void)state;
    larder *engine = open_configured("requirepass secret");
    larder_session *session = open_session(engine);
    assert_status(session, "PONG", "PING");
    larder_reply *reply = larder_command(session, "CLIENT", "LIST", NULL);
    assert_int_equal(reply->len, 0);
    larder_reply_free(reply);
    assert_status(session, "OK", "CLIENT", "SETNAME", "program");
    assert_string(session, "program", "CLIENT", "GETNAME");
    assert_status(session, "OK", "QUIT");
    assert_status(session, "PONG", "PING"); /* it ends with larder_session_close, not before */
    larder_session_close(session);
    larder_close(engine);
}

/* ---- Time ---- */

static void time_stands_still_until_it_is_advanced(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_set_time(engine, 1700000000LL * SECOND_US);
    larder_freeze(engine);
    larder_set_time(engine, 1700000000LL * SECOND_US + 5);
    larder_reply *reply = larder_command(session, "TIME", NULL);
    assert_string_equal(reply->elements[0].text, "1700000000");
    assert_string_equal(reply->elements[1].text, "5");
    larder_reply_free(reply);

    assert_status(session, "OK", "SET", "k", "v", "EX", "60");
    assert_integer(session, 60000, "PTTL", "k");
    assert_integer(session, 1700000060, "EXPIRETIME", "k");
    larder_advance(engine, 59 * SECOND_US + 999000);
    assert_integer(session, 1, "PTTL", "k");
    assert_string(session, "v", "GET", "k");
    larder_advance(engine, 1000);
    assert_nil(session, "GET", "k");
    assert_integer(session, -2, "TTL", "k");

    larder_resume(engine);
    int64_t resumed = larder_now(engine);
    assert_true(resumed >= 1700000060LL * SECOND_US && resumed < 1700000600LL * SECOND_US);
    larder_session_close(session);
    larder_close(engine);
}

static size_t count_entries(larder *engine)
{
    return ks_measure(&engine->keyspace, KS_ALL_DBS).keys;
}

static void upkeep_frees_what_expired_and_nothing_else(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_freeze(engine);
    for (int i = 0; i < 5000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        assert_status(session, "OK", "SET", key, "v", "PX", i % 2 == 0 ? "10000" : "20000");
    }
    larder_advance(engine, 10 * SECOND_US + 100000);
    larder_upkeep(engine);
    assert_int_equal(count_entries(engine), 2500);
    larder_advance(engine, 10 * SECOND_US);
    larder_upkeep(engine);
    assert_int_equal(count_entries(engine), 0);
    ks_check(&engine->keyspace);
    larder_session_close(session);
    larder_close(engine);
}

static void commands_free_expired_keys_in_passing(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_freeze(engine);
    for (int i = 0; i < 2000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        assert_status(session, "OK", "SET", key, "v", "PX", "10");
    }
    for (int i = 0; i < 2000 && count_entries(engine) > 0; i++) {
        larder_advance(engine, 20000);
        assert_status(session, "PONG", "PING");
    }
    assert_int_equal(count_entries(engine), 0);
    larder_session_close(session);
    larder_close(engine);
}

static void flushed_memory_is_given_back_while_time_stands_still(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_freeze(engine);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        assert_status(session, "OK", "SET", key, "v");
    }
    assert_status(session, "OK", "FLUSHALL", "ASYNC");
    for (int i = 0; i < 2000; i++)
        assert_status(session, "PONG", "PING");
    assert_int_equal(atomic_load(&engine->keyspace.garbage_bytes), 0);
    larder_session_close(session);
    larder_close(engine);
}

static void a_clock_that_goes_back_revives_nothing_and_loses_nothing(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_freeze(engine);
    int64_t now = 1700000000LL * SECOND_US;
    larder_set_time(engine, now);
    assert_status(session, "OK", "SET", "early", "v", "EX", "60");
    assert_status(session, "OK", "SET", "late", "v", "EX", "100000");
    larder_advance(engine, 90000LL * SECOND_US);
    larder_upkeep(engine);
    assert_nil(session, "GET", "early");
    larder_set_time(engine, now);
    assert_nil(session, "GET", "early");
    assert_integer(session, 100000, "TTL", "late");
    assert_status(session, "OK", "SET", "again", "v", "EX", "60");
    larder_advance(engine, 61 * SECOND_US);
    larder_upkeep(engine);
    assert_int_equal(count_entries(engine), 1);
    assert_string(session, "v", "GET", "late");
    larder_set_time(engine, now + 100001LL * SECOND_US);
    larder_upkeep(engine);
    assert_int_equal(count_entries(engine), 0);
    ks_check(&engine->keyspace);
    larder_session_close(session);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_do_not_see_each_others_keys_clocks_and_configuration),
        cmocka_unit_test(a_wrong_line_of_the_configuration_is_named_with_its_reason),
        cmocka_unit_test(the_log_goes_to_the_programs_function),
        cmocka_unit_test(the_log_follows_loglevel),
        cmocka_unit_test(shutdown_is_the_programs_affair),
        cmocka_unit_test(an_engine_opens_and_closes_in_no_time),
        cmocka_unit_test(every_type_of_resp3_becomes_a_tree),
        cmocka_unit_test(nested_replies_keep_their_form),
        cmocka_unit_test(a_session_speaks_the_protocol_it_was_told),
        cmocka_unit_test(a_silenced_command_replies_nothing),
        cmocka_unit_test(words_may_hold_any_bytes),
        cmocka_unit_test(there_may_be_any_number_of_words),
        cmocka_unit_test(large_values_pass_whole),
        cmocka_unit_test(a_session_is_let_in_without_a_password_and_is_no_client),
        cmocka_unit_test(time_stands_still_until_it_is_advanced),
        cmocka_unit_test(upkeep_frees_what_expired_and_nothing_else),
        cmocka_unit_test(commands_free_expired_keys_in_passing),
        cmocka_unit_test(flushed_memory_is_given_back_while_time_stands_still),
        cmocka_unit_test(a_clock_that_goes_back_revives_nothing_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

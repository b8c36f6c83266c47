/* Transactions from inside: memory that runs out at any allocation, memory that a client makes the engine keep, output
   that passes its ceiling, and the forms that sessions of the program's own see. What Redis says in each case is
   compared by the differential tests. */
#include "embedding.h"

#include "base/mem.h"
#include "engine/engine.h"

enum { MOST_ALLOCATIONS = 1000, MEGABYTE = 1024 * 1024 };

/* The session opened last, as the engine sees it. */
static struct session *last_session(larder *engine)
{
    return CONTAINER_OF(engine->sessions.sessions.prev, struct session, in_registry);
}

static size_t multi_bytes(larder *engine)
{
    return atomic_load(&last_session(engine)->multi_bytes);
}

/* ---- Out of memory ---- */

static bool is_type(larder_reply *reply, larder_type type, const char *text)
{
    bool is_it = reply != NULL && reply->type == type && (text == NULL || strcmp(reply->text, text) == 0);
    larder_reply_free(reply);
    return is_it;
}

/* Watches, queues and runs. True when every step succeeded; a step that fails says why, and those that follow fail
   because of it. */
static bool try_transaction(larder_session *session)
{
    bool is_watched = is_type(larder_command(session, "WATCH", "w1", "w2", "w3", NULL), LARDER_STATUS, "OK");
    if (!is_type(larder_command(session, "MULTI", NULL), LARDER_STATUS, "OK"))
        return false;
    bool is_queued = is_type(larder_command(session, "SET", "a", "1", NULL), LARDER_STATUS, "QUEUED");
    is_queued &= is_type(larder_command(session, "MSET", "b", "2", "c", "3", "d", "4", NULL), LARDER_STATUS, "QUEUED");
    larder_reply *reply = larder_command(session, "EXEC", NULL);
    bool has_run = reply != NULL && reply->type == LARDER_ARRAY;
    for (size_t i = 0; has_run && i < reply->count; i++)
        has_run = reply->elements[i].type == LARDER_STATUS;
    bool is_refused = reply == NULL || (reply->type == LARDER_ERROR && strncmp(reply->text, "EXECABORT", 9) == 0);
    larder_reply_free(reply);
    assert_true(is_queued || (is_refused && !has_run));
    return is_watched && is_queued && has_run;
}

static void a_transaction_without_memory_is_refused_and_forgotten(void **state)
{
    (void)state;
    bool is_done = false;
    long allowed = 0;
    for (; !is_done && allowed < MOST_ALLOCATIONS; allowed++) {
        larder *engine = open_engine(&(larder_options){.threads = 4});
        larder_session *session = open_session(engine);
        mem_fail_after(allowed);
        is_done = try_transaction(session);
        mem_fail_after(-1);
        /* whatever failed, the session can go on, and nothing is left of the attempt */
        larder_reply_free(larder_command(session, "DISCARD", NULL));
        assert_status(session, "OK", "UNWATCH");
        assert_int_equal(multi_bytes(engine), 0);
        assert_status(session, "OK", "MULTI");
        assert_status(session, "QUEUED", "SET", "a", "5");
        CHECK_COMMAND(session, LARDER_ARRAY, NULL, 0, "EXEC");
        assert_string(session, "5", "GET", "a");
        ks_check(&engine->keyspace);
        larder_session_close(session);
        larder_close(engine);
    }
    assert_true(is_done);
    assert_true(allowed > 10);
}

/* ---- What a client makes the engine keep ---- */

static void what_is_queued_and_watched_counts_until_it_is_done_with(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    assert_status(session, "OK", "WATCH", "a", "b", "a");
    size_t watched = multi_bytes(engine);
    assert_true(watched > 2 * sizeof(struct watch));
    assert_status(session, "OK", "WATCH", "b");
    assert_int_equal(multi_bytes(engine), watched);
    assert_status(session, "OK", "MULTI");
    assert_status(session, "QUEUED", "SET", "k", "some value");
    assert_true(multi_bytes(engine) > watched + strlen("some value"));
    larder_reply_free(larder_command(session, "EXEC", NULL));
    assert_int_equal(multi_bytes(engine), 0);

    assert_status(session, "OK", "WATCH", "a");
    assert_status(session, "OK", "MULTI");
    assert_status(session, "QUEUED", "PING");
    assert_status(session, "OK", "DISCARD");
    assert_int_equal(multi_bytes(engine), 0);
    larder_session_close(session);
    larder_close(engine);
}

/* Writes the same request until the connection is closed; how often it was taken. */
static size_t write_until_closed(larder_connection *connection, const char *request, size_t most)
{
    char reply[64];
    size_t taken = 0;
    while (taken < most && larder_connection_write(connection, request, strlen(request)) == 0) {
        taken++;
        while (larder_connection_read(connection, reply, sizeof(reply)) > 0)
            continue;
    }
    return taken;
}

static void a_client_that_queues_too_much_is_closed(void **state)
{
    (void)state;
    larder *engine = open_configured("client-query-buffer-limit 1mb");
    larder_connection *connection = open_connection(engine);
    write_text(connection, "MULTI\r\n");
    size_t taken = write_until_closed(connection, "SET k v\r\n", MEGABYTE);
    assert_true(taken > 1000 && taken < MEGABYTE / 50); /* each takes more memory than its bytes */
    assert_closed(connection);
    larder_disconnect(connection);
    larder_session *session = open_session(engine);
    assert_nil(session, "GET", "k");
    larder_session_close(session);
    larder_close(engine);
}

static void a_client_that_watches_too_much_is_closed(void **state)
{
    (void)state;
    larder *engine = open_configured("client-query-buffer-limit 1mb");
    larder_connection *connection = open_connection(engine);
    char request[64];
    size_t taken = 0;
    for (size_t i = 0; taken == i && i < MEGABYTE; i++) {
        snprintf(request, sizeof(request), "WATCH key:%zu\r\n", i);
        taken += write_until_closed(connection, request, 1);
    }
    assert_true(taken > 1000 && taken < MEGABYTE / 50);
    larder_disconnect(connection);
    for (size_t i = 0; i < engine->keyspace.shard_count; i++)
        assert_int_equal(engine->watches[i].keys.used, 0);
    larder_close(engine);
}

static void a_reply_above_the_ceiling_closes_the_client_but_all_commands_run(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    char value[4001];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    assert_status(session, "OK", "SET", "big", value);

    larder_connection *connection = open_connection(engine);
    struct session *client = last_session(engine);
    assert_int_equal(client->out.ceiling, SESSION_OUTPUT_CEILING);
    client->out.ceiling = MEGABYTE;
    write_text(connection, "MULTI\r\n");
    for (int i = 0; i < 1000; i++)
        write_text(connection, "GET big\r\n");
    write_text(connection, "INCR n\r\n");
    assert_true(client->out.owned_bytes < MEGABYTE);
    write_text(connection, "EXEC\r\n");
    assert_true(client->out.failed);
    assert_true(client->out.owned_bytes < MEGABYTE + 2 * OUT_CHUNK_SIZE);
    assert_int_equal(larder_connection_write(connection, "PING\r\n", 6), -1);
    assert_string(session, "1", "GET", "n");
    larder_disconnect(connection);
    larder_session_close(session);
    larder_close(engine);
}

static void the_room_for_a_large_transaction_is_given_back(void **state)
{
    (void)state;
    enum { words = 200001 };
    larder *engine = open_engine(&(larder_options){.threads = 4});
    larder_session *session = open_session(engine);
    const char **argv = malloc(words * sizeof(*argv));
    assert_non_null(argv);
    argv[0] = "DEL";
    for (size_t i = 1; i < words; i++)
        argv[i] = "k";
    assert_status(session, "OK", "MULTI");
    larder_reply_free(larder_command_argv(session, words, argv, NULL));
    CHECK_COMMAND(session, LARDER_ARRAY, NULL, 0, "EXEC");
    assert_int_equal(last_session(engine)->executor->key_hashes_capacity, 0);
    free(argv);
    larder_session_close(session);
    larder_close(engine);
}

/* ---- Pauses ---- */

static void a_paused_exec_waits_with_its_transaction_and_watches(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_freeze(engine);
    larder_session *session = open_session(engine);
    larder_connection *writer = open_connection(engine);
    larder_connection *reader = open_connection(engine);
    write_text(writer, "WATCH w\r\nMULTI\r\nSET k v\r\n");
    write_text(reader, "MULTI\r\nGET k\r\n");
    assert_received(writer, "+OK\r\n+OK\r\n+QUEUED\r\n");
    assert_received(reader, "+OK\r\n+QUEUED\r\n");
    assert_status(session, "OK", "CLIENT", "PAUSE", "1000", "WRITE");
    write_text(writer, "EXEC\r\nPING\r\n");
    write_text(reader, "EXEC\r\n");
    assert_received(writer, ""); /* its EXEC would write */
    assert_received(reader, "*1\r\n$-1\r\n");
    larder_advance(engine, 2 * (int64_t)SECOND_US);
    assert_received(writer, "*1\r\n+OK\r\n+PONG\r\n");

    write_text(writer, "WATCH w\r\nMULTI\r\nSET k v2\r\n");
    assert_received(writer, "+OK\r\n+OK\r\n+QUEUED\r\n");
    assert_status(session, "OK", "CLIENT", "PAUSE", "1000", "WRITE");
    write_text(writer, "EXEC\r\n");
    assert_status(session, "OK", "SET", "w", "touched while it waits");
    larder_advance(engine, 2 * (int64_t)SECOND_US);
    assert_received(writer, "*-1\r\n");
    larder_disconnect(writer);
    larder_disconnect(reader);
    larder_session_close(session);
    larder_close(engine);
}

static void a_pause_that_has_ended_leaves_the_short_way_open(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_freeze(engine);
    larder_session *session = open_session(engine);
    assert_status(session, "OK", "CLIENT", "PAUSE", "1000");
    assert_int_equal(atomic_load(&engine->gates), GATE_PAUSE);
    larder_upkeep(engine);
    assert_int_equal(atomic_load(&engine->gates), GATE_PAUSE);
    larder_advance(engine, 2 * (int64_t)SECOND_US);
    larder_upkeep(engine);
    assert_int_equal(atomic_load(&engine->gates), 0);
    larder_session_close(session);
    larder_close(engine);
}

/* ---- Forms ---- */

static void a_session_of_the_program_sees_arrays_and_nil(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_session *other = open_session(engine);
    assert_status(session, "OK", "MULTI");
    assert_status(session, "QUEUED", "SET", "k", "v");
    assert_status(session, "QUEUED", "INCR", "k");
    assert_status(session, "QUEUED", "GET", "k");
    larder_reply *reply = larder_command(session, "EXEC", NULL);
    assert_int_equal(reply->count, 3);
    assert_string_equal(reply->elements[0].text, "OK");
    assert_int_equal(reply->elements[1].type, LARDER_ERROR);
    assert_string_equal(reply->elements[2].text, "v");
    larder_reply_free(reply);
    assert_status(session, "OK", "WATCH", "k");
    assert_status(other, "OK", "SET", "k", "w");
    assert_status(session, "OK", "MULTI");
    assert_nil(session, "EXEC");
    larder_session_close(other);
    larder_session_close(session);
    larder_close(engine);
}

static void a_client_that_kills_itself_gets_the_whole_reply_first(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_connection *connection = open_connection(engine);
    write_text(connection, "MULTI\r\nCLIENT KILL SKIPME no TYPE normal\r\nSET k v\r\nEXEC\r\nPING\r\n");
    assert_received(connection, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+OK\r\n");
    assert_closed(connection);
    larder_disconnect(connection);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_without_memory_is_refused_and_forgotten),
        cmocka_unit_test(what_is_queued_and_watched_counts_until_it_is_done_with),
        cmocka_unit_test(a_client_that_queues_too_much_is_closed),
        cmocka_unit_test(a_client_that_watches_too_much_is_closed),
        cmocka_unit_test(a_reply_above_the_ceiling_closes_the_client_but_all_commands_run),
        cmocka_unit_test(the_room_for_a_large_transaction_is_given_back),
        cmocka_unit_test(a_paused_exec_waits_with_its_transaction_and_watches),
        cmocka_unit_test(a_pause_that_has_ended_leaves_the_short_way_open),
        cmocka_unit_test(a_session_of_the_program_sees_arrays_and_nil),
        cmocka_unit_test(a_client_that_kills_itself_gets_the_whole_reply_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

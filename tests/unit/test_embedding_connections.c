/* Connections in memory: they behave as network clients do, however their input is cut, and whatever holds or ends
 * them. */
#include "embedding.h"

#include "base/common.h"

static void it_starts_as_a_client_in_resp2_that_others_see(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_connection *connection = open_connection(engine);
    write_text(connection, "GET missing\r\nCLIENT SETNAME me\r\n");
    assert_received(connection, "$-1\r\n+OK\r\n");
    larder_reply *reply = larder_command(session, "CLIENT", "LIST", NULL);
    assert_non_null(strstr(reply->text, "name=me "));
    assert_non_null(strstr(reply->text, "addr=memory:"));
    assert_non_null(strstr(reply->text, "resp=2 "));
    larder_reply_free(reply);
    write_text(connection, "HELLO 3\r\n");
    char greeting[512];
    assert_true(larder_connection_read(connection, greeting, sizeof(greeting)) > 0);
    assert_memory_equal(greeting, "%7\r\n", 4);
    write_text(connection, "GET missing\r\n");
    assert_received(connection, "_\r\n");
    larder_disconnect(connection);
    reply = larder_command(session, "CLIENT", "LIST", NULL);
    assert_int_equal(reply->len, 0);
    larder_reply_free(reply);
    larder_session_close(session);
    larder_close(engine);
}

static const char conversation[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb\0\r\n"
                                   "\r\n*0\r\n"
                                   "set  \"q u\" 'it is'\r\n"
                                   "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
                                   "GET \"q u\"\n"
                                   "*1\r\n$4\r\nPING\r\n";
static const char answers[] = "+OK\r\n+OK\r\n$5\r\na\r\nb\0\r\n$5\r\nit is\r\n+PONG\r\n";

/* Sends the conversation in pieces of random length up to this one, and checks all that comes back. */
static void converse(larder *engine, struct random *random, size_t longest)
{
    larder_connection *connection = open_connection(engine);
    char received[sizeof(answers)];
    size_t received_len = 0;
    for (size_t sent = 0; sent < sizeof(conversation) - 1;) {
        size_t len = between(random, 1, longest);
        len = len < sizeof(conversation) - 1 - sent ? len : sizeof(conversation) - 1 - sent;
        assert_int_equal(larder_connection_write(connection, conversation + sent, len), 0);
        sent += len;
        while (larder_connection_pending(connection) > 0) {
            size_t pending = larder_connection_pending(connection);
            size_t room = between(random, 1, longest);
            ptrdiff_t got =
                larder_connection_read(connection, received + received_len, room < pending ? room : pending);
            assert_int_equal(got, room < pending ? room : pending);
            received_len += (size_t)got;
        }
    }
    assert_int_equal(received_len, sizeof(answers) - 1);
    assert_memory_equal(received, answers, sizeof(answers) - 1);
    assert_received(connection, "");
    larder_disconnect(connection);
}

static void input_may_be_cut_anywhere(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    larder *engine = open_engine(NULL);
    converse(engine, &random, 1); /* byte by byte */
    for (int i = 0; i < 300; i++)
        converse(engine, &random, 40);
    converse(engine, &random, sizeof(conversation));
    larder_close(engine);
}

static void a_pipeline_of_any_length_is_answered_in_order(void **state)
{
    (void)state;
    enum { REQUESTS = 100000 };
    larder *engine = open_engine(NULL);
    larder_connection *connection = open_connection(engine);
    size_t len = 0;
    char *requests = test_malloc((size_t)REQUESTS * 16);
    for (int i = 0; i < REQUESTS; i++)
        len += (size_t)snprintf(requests + len, 16, "ECHO %d\r\n", i % 1000);
    assert_int_equal(larder_connection_write(connection, requests, len), 0);
    test_free(requests);
    for (int i = 0; i < REQUESTS; i++) {
        char expected[16];
        char received[16];
        int number = i % 1000;
        int expected_len = snprintf(expected, sizeof(expected), "$%d\r\n%d\r\n",
                                    number < 10    ? 1
                                    : number < 100 ? 2
                                                   : 3,
                                    number);
        assert_int_equal(larder_connection_read(connection, received, (size_t)expected_len), expected_len);
        assert_memory_equal(received, expected, (size_t)expected_len);
    }
    assert_int_equal(larder_connection_pending(connection), 0);
    larder_disconnect(connection);
    larder_close(engine);
}

static void a_large_value_goes_in_and_out_in_pieces(void **state)
{
    (void)state;
    enum { LEN = 1024 * 1024, PIECE = 1000 };
    larder *engine = open_engine(NULL);
    larder_connection *connection = open_connection(engine);
    char *value = test_malloc(LEN + PIECE);
    for (size_t i = 0; i < LEN; i++)
        value[i] = (char)(i >> 5);
    write_text(connection, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n");
    for (size_t at = 0; at < LEN; at += PIECE)
        assert_int_equal(larder_connection_write(connection, value + at, LEN - at < PIECE ? LEN - at : PIECE), 0);
    write_text(connection, "\r\nGET k\r\n");
    assert_int_equal(larder_connection_pending(connection), 5 + 10 + LEN + 2);
    char start[15];
    assert_int_equal(larder_connection_read(connection, start, sizeof(start)), sizeof(start));
    assert_memory_equal(start, "+OK\r\n$1048576\r\n", sizeof(start));
    char piece[PIECE];
    for (size_t at = 0; at < LEN;) {
        size_t room = LEN - at < PIECE ? LEN - at : PIECE;
        ptrdiff_t got = larder_connection_read(connection, piece, room);
        assert_true(got > 0);
        assert_memory_equal(piece, value + at, (size_t)got);
        at += (size_t)got;
    }
    assert_received(connection, "\r\n");
    test_free(value);
    larder_disconnect(connection);
    larder_close(engine);
}

static void a_protocol_error_is_answered_and_closes(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    static const struct {
        const char *request;
        const char *answer;
    } cases[] = {
        {"PING\r\n*1\r\n$-5\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"},
        {"*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"},
        {"SET \"k v\r\nPING\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        larder_connection *connection = open_connection(engine);
        write_text(connection, cases[i].request);
        assert_received(connection, cases[i].answer);
        assert_closed(connection);
        larder_disconnect(connection);
    }
    larder_close(engine);
}

static void input_above_the_limit_closes(void **state)
{
    (void)state;
    larder *engine = open_configured("client-query-buffer-limit 1mb");
    larder_connection *connection = open_connection(engine);
    static char piece[64 * 1024];
    write_text(connection, "*2\r\n$4\r\nECHO\r\n$400000000\r\n");
    size_t sent = 0;
    while (sent < 4 * 1024 * 1024 && larder_connection_write(connection, piece, sizeof(piece)) == 0)
        sent += sizeof(piece);
    assert_in_range(sent, 512 * 1024, 2 * 1024 * 1024);
    assert_closed(connection);
    larder_disconnect(connection);
    larder_close(engine);
}

/* What a connection in memory holds, unfinished requests and unread replies, is memory of clients. */
static void a_connection_that_holds_too_much_is_closed(void **state)
{
    (void)state;
    larder *engine = open_configured("maxmemory-clients 1mb\n");
    larder_session *session = open_session(engine);
    larder_connection *sender = open_connection(engine);
    larder_connection *deaf = open_connection(engine);
    static char piece[100001];
    memset(piece, 'x', sizeof(piece) - 1);
    assert_status(session, "OK", "SET", "piece", piece);
    static const char start[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\n";
    int sent = 0;
    assert_int_equal(larder_connection_write(sender, start, sizeof(start) - 1), 0);
    while (sent < 39 && larder_connection_write(sender, piece, sizeof(piece) - 1) == 0)
        sent++;
    assert_in_range(sent, 4, 20);
    assert_int_equal(larder_connection_pending(deaf), 0); /* the largest goes, not the others */
    static const char request[] = "GET piece\r\nGETRANGE piece 0 9999\r\n";
    int asked = 0;
    while (asked < 500 && larder_connection_write(deaf, request, sizeof(request) - 1) == 0)
        asked++;
    assert_in_range(asked, 4, 200);
    assert_status(session, "OK", "SET", "piece", "small");
    larder_disconnect(deaf);
    larder_disconnect(sender);
    larder_session_close(session);
    larder_close(engine);
}

static void quit_answers_what_came_before_it_and_closes(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_connection *connection = open_connection(engine);
    write_text(connection, "SET k v\r\nQUIT\r\nSET k w\r\n");
    assert_received(connection, "+OK\r\n+OK\r\n");
    assert_closed(connection);
    larder_disconnect(connection);
    connection = open_connection(engine);
    write_text(connection, "GET k\r\n");
    assert_received(connection, "$1\r\nv\r\n");
    larder_disconnect(connection);
    larder_close(engine);
}

static void a_killed_connection_is_closed(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_connection *victim = open_connection(engine);
    larder_connection *bystander = open_connection(engine);
    write_text(victim, "CLIENT ID\r\n");
    char id[32] = "";
    assert_true(larder_connection_read(victim, id, sizeof(id) - 1) > 0);
    *strchr(id, '\r') = '\0';
    write_text(victim, "PING\r\n*1\r\n$4\r\nPI"); /* with an answer unread, and a request half sent */
    assert_integer(session, 1, "CLIENT", "KILL", "ID", id + 1);
    assert_integer(session, 0, "CLIENT", "KILL", "ID", id + 1);
    assert_closed(victim);
    write_text(bystander, "PING\r\n");
    assert_received(bystander, "+PONG\r\n");
    write_text(bystander, "CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n");
    assert_received(bystander, ":1\r\n");
    assert_closed(bystander);
    assert_status(session, "PONG", "PING");
    larder_disconnect(victim);
    larder_disconnect(bystander);
    larder_session_close(session);
    larder_close(engine);
}

static void a_connection_must_authenticate_where_a_password_is_required(void **state)
{
    (void)state;
    larder *engine = open_configured("requirepass secret");
    larder_connection *connection = open_connection(engine);
    write_text(connection, "PING\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\n");
    assert_received(connection, "-NOAUTH Authentication required.\r\n"
                                "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
                                "+OK\r\n+PONG\r\n");
    larder_connection *stranger = open_connection(engine);
    write_text(stranger, "*11\r\n");
    assert_received(stranger, "-ERR Protocol error: unauthenticated multibulk length\r\n");
    assert_closed(stranger);
    larder_disconnect(stranger);
    larder_disconnect(connection);
    larder_close(engine);
}

static void a_pause_holds_connections_until_the_clock_is_advanced(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_connection *connection = open_connection(engine);
    larder_freeze(engine);
    assert_status(session, "OK", "CLIENT", "PAUSE", "1000", "ALL");
    write_text(connection, "SET k 1\r\nINCR k\r\nINC");
    write_text(connection, "R k\r\nGET k\r\n");
    assert_received(connection, "");
    assert_nil(session, "GET", "k"); /* the program's own sessions are not held */
    larder_advance(engine, 999000);
    assert_received(connection, "");
    larder_advance(engine, 1000);
    assert_received(connection, "+OK\r\n:2\r\n:3\r\n$1\r\n3\r\n");

    assert_status(session, "OK", "CLIENT", "PAUSE", "1000", "WRITE");
    write_text(connection, "GET k\r\nINCR k\r\nGET k\r\n");
    assert_received(connection, "$1\r\n3\r\n");
    assert_status(session, "OK", "CLIENT", "UNPAUSE");
    write_text(connection, "GET k\r\n"); /* writing lets go of what was held, too */
    assert_received(connection, ":4\r\n$1\r\n4\r\n$1\r\n4\r\n");
    larder_disconnect(connection);
    larder_session_close(session);
    larder_close(engine);
}

static void a_held_connection_can_be_killed_and_dropped(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_connection *killed = open_connection(engine);
    larder_connection *dropped = open_connection(engine);
    larder_freeze(engine);
    assert_status(session, "OK", "CLIENT", "PAUSE", "1000");
    write_text(killed, "SET killed v\r\n");
    write_text(dropped, "SET dropped v\r\n");
    assert_integer(session, 2, "CLIENT", "KILL", "TYPE", "normal");
    larder_advance(engine, 2 * SECOND_US);
    assert_closed(killed);
    larder_disconnect(killed);
    larder_disconnect(dropped);
    assert_integer(session, 0, "EXISTS", "killed", "dropped");
    larder_session_close(session);
    larder_close(engine);
}

static void silenced_replies_stay_silent(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_connection *connection = open_connection(engine);
    write_text(connection, "CLIENT REPLY OFF\r\nSET k v\r\nNOSUCH\r\nCLIENT REPLY ON\r\n"
                           "CLIENT REPLY SKIP\r\nSET k w\r\nGET k\r\n");
    assert_received(connection, "+OK\r\n$1\r\nw\r\n");
    larder_disconnect(connection);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_as_a_client_in_resp2_that_others_see),
        cmocka_unit_test(input_may_be_cut_anywhere),
        cmocka_unit_test(a_pipeline_of_any_length_is_answered_in_order),
        cmocka_unit_test(a_large_value_goes_in_and_out_in_pieces),
        cmocka_unit_test(a_protocol_error_is_answered_and_closes),
        cmocka_unit_test(input_above_the_limit_closes),
        cmocka_unit_test(a_connection_that_holds_too_much_is_closed),
        cmocka_unit_test(quit_answers_what_came_before_it_and_closes),
        cmocka_unit_test(a_killed_connection_is_closed),
        cmocka_unit_test(a_connection_must_authenticate_where_a_password_is_required),
        cmocka_unit_test(a_pause_holds_connections_until_the_clock_is_advanced),
        cmocka_unit_test(a_held_connection_can_be_killed_and_dropped),
        cmocka_unit_test(silenced_replies_stay_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

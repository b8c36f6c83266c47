/* An engine that is served: listeners that come and go while the data stays, and many threads, of the program's own and
   the network's, on the same keys. The thread sanitizer watches the latter. */
#include "embedding.h"

#include "base/common.h"
#include "engine/engine.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* ---- Plain sockets ---- */

static int connected(int fd, const struct sockaddr *address, socklen_t len)
{
    assert_true(fd >= 0);
    const struct timeval patience = {.tv_sec = 60}; /* a lost reply fails the test instead of hanging it */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    if (connect(fd, address, len) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A connected socket, -1 when nobody listens. */
static int connect_tcp(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connected(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&address, sizeof(address));
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return connected(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&address, sizeof(address));
}

/* Sends a request and receives as many bytes as the answer should have. */
static void converse(int fd, const char *request, const char *answer)
{
    char received[256];
    size_t wanted = strlen(answer);
    size_t len = 0;
    assert_true(wanted <= sizeof(received));
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while (len < wanted) {
        ssize_t got = recv(fd, received + len, wanted - len, 0);
        assert_true(got > 0);
        len += (size_t)got;
    }
    assert_memory_equal(received, answer, wanted);
}

static bool is_at_end(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) <= 0;
}

static void serve(larder *engine, const larder_serve_options *options)
{
    char error[ERROR_SIZE] = "";
    if (larder_serve(engine, options, error, sizeof(error)) != 0)
        fail_msg("larder_serve: %s", error);
}

/* ---- Coming and going ---- */

static void data_stays_while_serving_begins_and_ends(void **state)
{
    (void)state;
    char folder[] = FOLDER_TEMPLATE;
    char path[sizeof(folder) + 8];
    make_folder(folder, path, sizeof(path));
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    assert_int_equal(larder_port(engine), 0);
    assert_status(session, "OK", "SET", "k", "before");
    for (int round = 0; round < 3; round++) {
        serve(engine, &(larder_serve_options){.unixsocket = path});
        int port = larder_port(engine);
        assert_in_range(port, 1, 65535);
        int tcp = connect_tcp(port);
        int local = connect_unix(path);
        assert_true(tcp >= 0 && local >= 0);
        converse(tcp, "INCR n\r\n", round == 0 ? ":1\r\n" : round == 1 ? ":3\r\n" : ":5\r\n");
        converse(local, "INCR n\r\nSTRLEN k\r\n",
                 round == 0   ? ":2\r\n:6\r\n"
                 : round == 1 ? ":4\r\n:6\r\n"
                              : ":6\r\n:6\r\n");
        assert_string(session, "before", "GET", "k");
        larder_stop(engine);
        assert_true(is_at_end(tcp) && is_at_end(local));
        close(tcp);
        close(local);
        assert_int_equal(larder_port(engine), 0);
        assert_int_equal(connect_tcp(port), -1);
        assert_int_equal(connect_unix(path), -1);
    }
    larder_stop(engine); /* once more does no harm */
    assert_string(session, "6", "GET", "n");
    larder_session_close(session);
    larder_close(engine);
    assert_int_equal(rmdir(folder), 0); /* the socket is gone */
}

static void an_engine_can_be_served_on_a_unix_socket_alone(void **state)
{
    (void)state;
    char folder[] = FOLDER_TEMPLATE;
    char path[sizeof(folder) + 8];
    make_folder(folder, path, sizeof(path));
    larder *engine = open_engine(NULL);
    serve(engine, &(larder_serve_options){.port = -1, .unixsocket = path});
    assert_int_equal(larder_port(engine), 0);
    int local = connect_unix(path);
    assert_true(local >= 0);
    converse(local, "PING\r\n", "+PONG\r\n");
    close(local);
    larder_close(engine); /* stops serving, too */
    assert_int_equal(rmdir(folder), 0);
}

static void serving_twice_is_refused(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    serve(engine, NULL);
    int port = larder_port(engine);
    char error[ERROR_SIZE] = "";
    assert_int_equal(larder_serve(engine, NULL, error, sizeof(error)), -1);
    assert_string_equal(error, "it is being served already");
    assert_int_equal(larder_port(engine), port);
    int fd = connect_tcp(port);
    assert_true(fd >= 0);
    converse(fd, "PING\r\n", "+PONG\r\n");
    close(fd);
    larder_close(engine);
}

static void what_cannot_be_listened_on_is_named(void **state)
{
    (void)state;
    larder *first = open_engine(NULL);
    larder *second = open_engine(NULL);
    larder_session *session = open_session(second);
    serve(first, NULL);
    char taken[64];
    snprintf(taken, sizeof(taken), "127.0.0.1:%d: Address already in use", larder_port(first));
    char error[ERROR_SIZE] = "";
    const larder_serve_options same_port = {.port = larder_port(first)};
    assert_int_equal(larder_serve(second, &same_port, error, sizeof(error)), -1);
    assert_string_equal(error, taken);
    assert_int_equal(larder_port(second), 0);
    assert_status(session, "PONG", "PING");

    assert_int_equal(
        larder_serve(second, &(larder_serve_options){.unixsocket = "/no/such/folder/s"}, error, sizeof(error)), -1);
    assert_string_equal(error, "/no/such/folder/s: No such file or directory");
    assert_int_equal(larder_port(second), 0); /* though the port could be bound */
    assert_int_equal(larder_serve(second, &(larder_serve_options){.port = 65536}, error, sizeof(error)), -1);
    assert_true(strlen(error) > 0);
    assert_int_equal(larder_serve(second, &(larder_serve_options){.bind = "no.such.host.invalid"}, NULL, 0), -1);

    larder_stop(first);
    serve(second, &same_port); /* free again */
    assert_int_equal(larder_port(second), same_port.port);
    larder_session_close(session);
    larder_close(first);
    larder_close(second);
}

static void two_engines_are_served_side_by_side(void **state)
{
    (void)state;
    larder *a = open_engine(NULL);
    larder *b = open_configured("requirepass secret");
    serve(a, NULL);
    serve(b, &(larder_serve_options){.workers = 1});
    int to_a = connect_tcp(larder_port(a));
    int to_b = connect_tcp(larder_port(b));
    assert_true(to_a >= 0 && to_b >= 0);
    converse(to_a, "SET k v\r\n", "+OK\r\n");
    converse(to_b, "PING\r\nAUTH secret\r\nGET k\r\n", "-NOAUTH Authentication required.\r\n+OK\r\n$-1\r\n");
    larder_close(a);
    assert_true(is_at_end(to_a));
    converse(to_b, "PING\r\n", "+PONG\r\n");
    larder_close(b);
    close(to_a);
    close(to_b);
}

static void note_shutdown(void *context)
{
    atomic_store((_Atomic bool *)context, true);
}

static void shutdown_from_a_socket_reaches_the_program(void **state)
{
    (void)state;
    _Atomic bool is_asked = false;
    larder *engine = open_engine(&(larder_options){.on_shutdown = note_shutdown, .shutdown_context = &is_asked});
    serve(engine, NULL);
    int fd = connect_tcp(larder_port(engine));
    int other = connect_tcp(larder_port(engine));
    assert_true(fd >= 0 && other >= 0);
    assert_int_equal(send(fd, "SHUTDOWN\r\n", 10, 0), 10);
    assert_true(is_at_end(fd));
    assert_true(atomic_load(&is_asked));
    converse(other, "PING\r\n", "+PONG\r\n"); /* the program has not stopped it yet */
    close(fd);
    close(other);
    larder_close(engine);

    engine = open_engine(NULL);
    serve(engine, NULL);
    fd = connect_tcp(larder_port(engine));
    assert_true(fd >= 0);
    converse(fd, "SHUTDOWN\r\nPING\r\n", "-ERR Errors trying to SHUTDOWN. Check logs.\r\n+PONG\r\n");
    close(fd);
    larder_close(engine);
}

static void a_pause_of_sockets_ends_when_the_clock_is_advanced(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_freeze(engine);
    serve(engine, NULL);
    int fd = connect_tcp(larder_port(engine));
    assert_true(fd >= 0);
    converse(fd, "PING\r\n", "+PONG\r\n");
    assert_status(session, "OK", "CLIENT", "PAUSE", "3600000", "WRITE");
    converse(fd, "GET k\r\nINCR k\r\n", "$-1\r\n");
    assert_nil(session, "GET", "k");
    larder_advance(engine, 3600LL * SECOND_US);
    converse(fd, "", ":1\r\n");
    close(fd);
    larder_session_close(session);
    larder_close(engine);
}

/* ---- One thread ---- */

static void an_engine_of_one_thread_is_its_workers_while_it_is_served(void **state)
{
    (void)state;
    larder *engine = open_engine(&(larder_options){.threads = 1});
    larder_session *session = open_session(engine);
    larder_connection *connection = open_connection(engine);
    larder_connection *held = open_connection(engine);
    larder_freeze(engine);
    assert_status(session, "OK", "SET", "k", "v");
    assert_status(session, "OK", "CLIENT", "PAUSE", "1000");
    write_text(held, "SET k held\r\n");
    larder_advance(engine, 2 * SECOND_US);

    serve(engine, NULL);
    assert_null(larder_session_open(engine));
    assert_null(larder_connect(engine));
    assert_error(session, "ERR the engine has one thread, which is serving it", "GET", "k");
    assert_closed(connection);
    assert_closed(held); /* and what it held back is not run beside the worker */
    larder_upkeep(engine);
    int fd = connect_tcp(larder_port(engine));
    assert_true(fd >= 0);
    converse(fd, "GET k\r\nSET k w\r\n", "$1\r\nv\r\n+OK\r\n");
    close(fd);
    larder_stop(engine);

    assert_string(session, "w", "GET", "k");
    larder_disconnect(connection);
    larder_disconnect(held);
    larder_session_close(session);
    larder_close(engine);
}

/* ---- Many threads ---- */

/* More threads than the engine expects are allowed; and with 32 shards for 4 threads the thread sanitizer, which
   follows 64 locks of a thread at most, can watch those that lock them all. */
enum { THREADS = 8, SOCKETS = 2, EXPECTED_THREADS = 4, ROUNDS = 300, SHARED_KEYS = 16 };

struct crowd {
    larder *engine;
    int port;
    uint64_t seed;
    _Atomic int failures;
};

struct member {
    struct crowd *crowd;
    size_t number;
    pthread_t thread;
};

/* cmocka's assertions are for the main thread. */
static void demand(struct crowd *crowd, bool is_so, const char *what)
{
    if (is_so)
        return;
    atomic_fetch_add(&crowd->failures, 1);
    fprintf(stderr, "# not so: %s\n", what);
}

/* Runs a command whose reply is not looked at but for its type. */
static void run(struct crowd *crowd, larder_session *session, const char *a, const char *b, const char *c,
                const char *d, const char *e, bool may_fail)
{
    larder_reply *reply = larder_command(session, a, b, c, d, e, NULL);
    demand(crowd, reply != NULL && (may_fail || reply->type != LARDER_ERROR), a);
    larder_reply_free(reply);
}

/* In databases 1 and 2 everybody does everything to the same keys. */
static void make_trouble(struct crowd *crowd, larder_session *session, struct random *random)
{
    char one[16];
    char other[16];
    snprintf(one, sizeof(one), "s:%zu", between(random, 1, SHARED_KEYS));
    snprintf(other, sizeof(other), "s:%zu", between(random, 1, SHARED_KEYS));
    run(crowd, session, "SELECT", one_in(random, 2) ? "1" : "2", NULL, NULL, NULL, false);
    switch (random_below(random, 12)) {
    case 0:
    case 1:
        run(crowd, session, "MSET", one, "1", other, "2", false);
        break;
    case 2:
        run(crowd, session, "RENAME", one, other, NULL, NULL, true);
        break;
    case 3:
        run(crowd, session, "COPY", one, other, "REPLACE", NULL, true);
        break;
    case 4:
        run(crowd, session, "FLUSHDB", one_in(random, 2) ? "ASYNC" : "SYNC", NULL, NULL, NULL, false);
        break;
    case 5:
        run(crowd, session, "SWAPDB", "1", "2", NULL, NULL, false);
        break;
    case 6:
        run(crowd, session, "SCAN", "0", "COUNT", "100", NULL, false);
        break;
    case 7:
        run(crowd, session, "SET", one, "soon gone", "PX", "2", false);
        break;
    case 8:
        run(crowd, session, "PEXPIRE", one, "1", NULL, NULL, false);
        break;
    case 9:
        run(crowd, session, "MOVE", one, "1", NULL, NULL, true);
        break;
    case 10:
        run(crowd, session, "SETRANGE", one, "70000", "large", NULL, false);
        break;
    default:
        run(crowd, session, "MGET", one, other, one, NULL, false);
    }
    run(crowd, session, "SELECT", "0", NULL, NULL, NULL, false);
}

/* What is set in one MSET is never seen in parts. */
static void check_twins(struct crowd *crowd, larder_session *session)
{
    larder_reply *reply = larder_command(session, "MGET", "twin:a", "twin:b", NULL);
    demand(crowd,
           reply != NULL && reply->count == 2 && reply->elements[0].len == reply->elements[1].len &&
               memcmp(reply->elements[0].text, reply->elements[1].text, reply->elements[0].len) == 0,
           "MSET is seen whole");
    larder_reply_free(reply);
}

static void *work_in_process(void *context)
{
    struct member *member = context;
    struct crowd *crowd = member->crowd;
    struct random random;
    random_seed(&random, crowd->seed + member->number);
    larder_session *session = larder_session_open(crowd->engine);
    demand(crowd, session != NULL, "a session opens");
    for (int i = 0; i < ROUNDS && session != NULL; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%zu.%d", member->number, i);
        run(crowd, session, "INCR", "counter", NULL, NULL, NULL, false);
        run(crowd, session, "APPEND", "log", "ab", NULL, NULL, false);
        run(crowd, session, "MSET", "twin:a", number, "twin:b", number, false);
        check_twins(crowd, session);
        make_trouble(crowd, session, &random);
        if (one_in(&random, 8))
            larder_advance(crowd->engine, 1000);
        if (one_in(&random, 16))
            larder_upkeep(crowd->engine);
        if (one_in(&random, 16)) {
            larder_session_close(session);
            session = larder_session_open(crowd->engine);
        }
    }
    larder_session_close(session);
    return NULL;
}

static void *work_over_socket(void *context)
{
    struct member *member = context;
    struct crowd *crowd = member->crowd;
    static const char request[] = "INCR counter\r\nAPPEND log ab\r\nSELECT 1\r\nSET s:1 v PX 1\r\nFLUSHDB\r\n"
                                  "SWAPDB 1 2\r\nCLIENT LIST\r\nSELECT 0\r\nECHO done\r\n";
    int fd = connect_tcp(crowd->port);
    demand(crowd, fd >= 0, "a socket is let in");
    for (int i = 0; i < ROUNDS && fd >= 0; i++) {
        char received[16384];
        size_t len = 0;
        if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
            break;
        while (memmem(received, len, "\r\ndone\r\n", 8) == NULL) {
            ssize_t got = recv(fd, received + len, sizeof(received) - len, 0);
            demand(crowd, got > 0, "a socket is answered");
            if (got <= 0) {
                close(fd);
                return NULL;
            }
            len += (size_t)got;
        }
        demand(crowd, memmem(received, len, "\r\n-", 3) == NULL, "no error on the socket");
    }
    close(fd);
    return NULL;
}

static void many_threads_and_sockets_share_one_keyspace(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct crowd crowd = {.engine = open_engine(&(larder_options){.threads = EXPECTED_THREADS}),
                          .seed = random_next(&random)};
    larder_session *session = open_session(crowd.engine);
    assert_status(session, "OK", "MSET", "twin:a", "0", "twin:b", "0");
    serve(crowd.engine, &(larder_serve_options){.workers = 3});
    crowd.port = larder_port(crowd.engine);
    struct member members[THREADS + SOCKETS];
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        members[i] = (struct member){.crowd = &crowd, .number = i};
        assert_int_equal(
            pthread_create(&members[i].thread, NULL, i < THREADS ? work_in_process : work_over_socket, &members[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(members); i++)
        pthread_join(members[i].thread, NULL);
    assert_int_equal(atomic_load(&crowd.failures), 0);
    larder_stop(crowd.engine);

    char sum[16];
    snprintf(sum, sizeof(sum), "%d", (THREADS + SOCKETS) * ROUNDS);
    assert_string(session, sum, "GET", "counter");
    assert_integer(session, 2 * (THREADS + SOCKETS) * ROUNDS, "STRLEN", "log");
    larder_reply *log = larder_command(session, "GET", "log", NULL);
    for (size_t i = 0; i < log->len; i++)
        assert_int_equal(log->text[i], i % 2 == 0 ? 'a' : 'b');
    larder_reply_free(log);
    assert_integer(session, 4, "DBSIZE");
    ks_check(&crowd.engine->keyspace);
    larder_session_close(session);
    larder_close(crowd.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_stays_while_serving_begins_and_ends),
        cmocka_unit_test(an_engine_can_be_served_on_a_unix_socket_alone),
        cmocka_unit_test(serving_twice_is_refused),
        cmocka_unit_test(what_cannot_be_listened_on_is_named),
        cmocka_unit_test(two_engines_are_served_side_by_side),
        cmocka_unit_test(shutdown_from_a_socket_reaches_the_program),
        cmocka_unit_test(a_pause_of_sockets_ends_when_the_clock_is_advanced),
        cmocka_unit_test(an_engine_of_one_thread_is_its_workers_while_it_is_served),
        cmocka_unit_test(many_threads_and_sockets_share_one_keyspace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Listeners and workers around an engine, from the program's side: starting, failing to start, and stopping while
   clients are there. What clients see is tested from outside. */
#include "property.h"

#include "base/mem.h"
#include "larder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static larder *open_engine(void)
{
    larder_options options = {.threads = 2};
    larder *engine = larder_open(&options, NULL, 0);
    assert_non_null(engine);
    return engine;
}

/* A connection to the port, -1 when nobody listens. */
static int connect_to(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool is_answered(int fd)
{
    char reply[7];
    return send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, reply, sizeof(reply), MSG_WAITALL) == sizeof(reply) &&
           memcmp(reply, "+PONG\r\n", 7) == 0;
}

static void run(larder_session *session, const char *name, const char *word, const char *parameter, const char *value)
{
    larder_reply *reply = larder_command(session, name, word, parameter, value, NULL);
    assert_non_null(reply);
    larder_reply_free(reply);
}

/* Wherever memory runs out, serving fails as a whole: nothing listens, no thread runs, nothing of it is called again.
 */
static void serving_fails_as_a_whole_and_can_be_tried_again(void **state)
{
    larder *engine = open_engine();
    larder_session *session = larder_session_open(engine);
    assert_non_null(session);
    int failures = 0;
    for (;; failures++) {
        char error[256] = "";
        mem_fail_after(failures);
        int status = larder_serve(engine, NULL, error, sizeof(error));
        mem_fail_after(-1);
        if (status == 0)
            break;
        assert_string_not_equal(error, "");
        assert_int_equal(larder_port(engine), 0);
        run(session, "CONFIG", "SET", "port", "0"); /* whoever was to hear of it is gone */
    }
    assert_true(failures > 3);
    int fd = connect_to(larder_port(engine));
    assert_true(is_answered(fd));
    close(fd);
    larder_session_close(session);
    larder_close(engine);
}

struct crowd {
    _Atomic int port;
    _Atomic bool must_stop;
    _Atomic size_t answered;
};

static void *connect_all_the_time(void *argument)
{
    struct crowd *crowd = argument;
    while (!atomic_load(&crowd->must_stop)) {
        int fd = connect_to(atomic_load(&crowd->port));
        if (fd < 0)
            continue;
        if (is_answered(fd))
            atomic_fetch_add(&crowd->answered, 1);
        close(fd);
    }
    return NULL;
}

static void serving_stops_and_starts_again_while_clients_connect(void **state)
{
    enum { threads = 3, rounds = 30 };
    larder *engine = open_engine();
    struct crowd crowd = {0};
    pthread_t clients[threads];
    assert_int_equal(larder_serve(engine, NULL, NULL, 0), 0);
    atomic_store(&crowd.port, larder_port(engine));
    for (size_t i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, connect_all_the_time, &crowd), 0);
    for (size_t i = 0; i < rounds; i++) {
        size_t before = atomic_load(&crowd.answered);
        while (atomic_load(&crowd.answered) < before + 20)
            usleep(100);
        larder_stop(engine);
        assert_int_equal(larder_port(engine), 0);
        assert_int_equal(larder_serve(engine, NULL, NULL, 0), 0);
        atomic_store(&crowd.port, larder_port(engine));
    }
    atomic_store(&crowd.must_stop, true);
    for (size_t i = 0; i < threads; i++)
        pthread_join(clients[i], NULL);
    larder_close(engine);
}

static void stopping_closes_every_client(void **state)
{
    enum { clients = 50 };
    larder *engine = open_engine();
    assert_int_equal(larder_serve(engine, NULL, NULL, 0), 0);
    int fds[clients];
    for (size_t i = 0; i < clients; i++) {
        fds[i] = connect_to(larder_port(engine));
        if (i % 2)
            assert_true(is_answered(fds[i]));
    }
    larder_stop(engine);
    for (size_t i = 0; i < clients; i++) {
        char byte;
        assert_true(recv(fds[i], &byte, 1, 0) <= 0);
        close(fds[i]);
    }
    larder_close(engine);
}

/* A killed client's further requests are not run, whatever carries the client. */
static void a_connection_in_memory_ends_where_one_on_a_socket_does(void **state)
{
    larder *engine = open_engine();
    larder_connection *connection = larder_connect(engine);
    assert_non_null(connection);
    static const char stream[] = "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET smuggled 1\r\n";
    assert_int_equal(larder_connection_write(connection, stream, sizeof(stream) - 1), 0);
    char buffer[64];
    assert_int_equal(larder_connection_read(connection, buffer, sizeof(buffer)), -1);
    assert_int_equal(larder_connection_write(connection, "PING\r\n", 6), -1);
    larder_disconnect(connection);

    connection = larder_connect(engine);
    assert_non_null(connection);
    assert_int_equal(larder_connection_write(connection, "EXISTS smuggled\r\n", 17), 0);
    assert_int_equal(larder_connection_read(connection, buffer, sizeof(buffer)), 4);
    assert_memory_equal(buffer, ":0\r\n", 4);
    larder_disconnect(connection);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serving_fails_as_a_whole_and_can_be_tried_again),
        cmocka_unit_test(serving_stops_and_starts_again_while_clients_connect),
        cmocka_unit_test(stopping_closes_every_client),
        cmocka_unit_test(a_connection_in_memory_ends_where_one_on_a_socket_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* libgibsonclient: the bytes of its requests, what its commands return, and connections that come to a bad end. */
#include "gibson_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

/* --- requests --- */

static int run_set(gbClient *c)
{
    return gb_set(c, "foo", 3, "bar", 3, 0);
}

static int run_set_with_ttl(gbClient *c)
{
    return gb_set(c, "foo", 3, "b\0r ", 4, 70);
}

static int run_mset(gbClient *c)
{
    return gb_mset(c, "f", 1, "x y", 3);
}

static int run_ttl(gbClient *c)
{
    return gb_ttl(c, "foo", 3, 7);
}

static int run_mttl(gbClient *c)
{
    return gb_mttl(c, "f", 1, 10);
}

static int run_get(gbClient *c)
{
    return gb_get(c, "foo", 3);
}

static int run_mget(gbClient *c)
{
    return gb_mget(c, "f", 1);
}

static int run_mget_with_limit(gbClient *c)
{
    return gb_mget(c, "f 10", 4);
}

static int run_del(gbClient *c)
{
    return gb_del(c, "foo", 3);
}

static int run_mdel(gbClient *c)
{
    return gb_mdel(c, "f", 1);
}

static int run_inc(gbClient *c)
{
    return gb_inc(c, "foo", 3);
}

static int run_dec(gbClient *c)
{
    return gb_dec(c, "foo", 3);
}

static int run_minc(gbClient *c)
{
    return gb_minc(c, "f", 1);
}

static int run_mdec(gbClient *c)
{
    return gb_mdec(c, "f", 1);
}

static int run_lock(gbClient *c)
{
    return gb_lock(c, "foo", 3, -1);
}

static int run_mlock(gbClient *c)
{
    return gb_mlock(c, "f", 1, 10);
}

static int run_unlock(gbClient *c)
{
    return gb_unlock(c, "foo", 3);
}

static int run_munlock(gbClient *c)
{
    return gb_munlock(c, "f", 1);
}

static int run_count(gbClient *c)
{
    return gb_count(c, "f", 1);
}

static int run_meta(gbClient *c)
{
    return gb_meta(c, "foo", 3, "size", 4);
}

static int run_keys(gbClient *c)
{
    return gb_keys(c, "f", 1);
}

static int run_empty_key(gbClient *c)
{
    return gb_get(c, NULL, 0);
}

struct command {
    int (*run)(gbClient *);
    int expected;        /* code of success */
    const char *request; /* in hexadecimal */
};

static const struct command commands[] = {
    {run_set, REPL_VAL, "0b000000 0100 30 20 666f6f 20 626172"},
    {run_set_with_ttl, REPL_VAL, "0d000000 0100 3730 20 666f6f 20 62007220"},
    {run_ttl, REPL_OK, "07000000 0200 666f6f 20 37"},
    {run_get, REPL_VAL, "05000000 0300 666f6f"},
    {run_empty_key, REPL_VAL, "02000000 0300"},
    {run_del, REPL_OK, "05000000 0400 666f6f"},
    {run_inc, REPL_VAL, "05000000 0500 666f6f"},
    {run_dec, REPL_VAL, "05000000 0600 666f6f"},
    {run_lock, REPL_OK, "08000000 0700 666f6f 20 2d31"},
    {run_unlock, REPL_OK, "05000000 0800 666f6f"},
    {run_mset, REPL_VAL, "07000000 0900 66 20 782079"},
    {run_mttl, REPL_VAL, "06000000 0a00 66 20 3130"},
    {run_mget, REPL_KVAL, "03000000 0b00 66"},
    {run_mget_with_limit, REPL_KVAL, "06000000 0b00 66 20 3130"},
    {run_mdel, REPL_VAL, "03000000 0c00 66"},
    {run_minc, REPL_VAL, "03000000 0d00 66"},
    {run_mdec, REPL_VAL, "03000000 0e00 66"},
    {run_mlock, REPL_VAL, "06000000 0f00 66 20 3130"},
    {run_munlock, REPL_VAL, "03000000 1000 66"},
    {run_count, REPL_VAL, "03000000 1100 66"},
    {gb_stats, REPL_KVAL, "02000000 1200"},
    {gb_ping, REPL_OK, "02000000 1300"},
    {run_meta, REPL_VAL, "0a000000 1400 666f6f 20 73697a65"},
    {run_keys, REPL_KVAL, "03000000 1500 66"},
    {gb_quit, REPL_OK, "02000000 ff00"},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

/* A reply of this code that is whole and well-formed. */
static struct bytes_made made_code(int code)
{
    if (code == REPL_VAL)
        return made_value("bar");
    if (code == REPL_KVAL)
        return made_reply(REPL_KVAL, GB_ENC_PLAIN, "\0\0\0", 4);
    return made_reply(code, GB_ENC_PLAIN, "", 1);
}

static void check_request(struct peer *peer, const char *expected)
{
    unsigned char request[256];
    ssize_t size = read(peer->fd, request, sizeof(request));
    char text[600] = "", wanted[600] = "";
    for (ssize_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", request[i]);
    for (size_t len = 0; *expected != '\0'; expected++)
        if (*expected != ' ')
            wanted[len++] = *expected;
    assert_string_equal(text, wanted);
}

static void every_command_sends_its_bytes_and_succeeds_with_its_code(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        peer_reply(&peer, made_code(commands[i].expected));
        assert_int_equal(commands[i].run(&peer.client), 0);
        assert_int_equal(peer.client.error, 0);
        assert_int_equal(peer.client.reply.code, commands[i].expected);
        check_request(&peer, commands[i].request);
    }
    peer_close(&peer);
}

static void any_other_code_is_what_a_command_returns(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        for (int code = REPL_ERR; code <= REPL_KVAL; code++) {
            peer_reply(&peer, made_code(code));
            int expected = code == commands[i].expected ? 0 : code; /* REPL_ERR is 0, too */
            assert_int_equal(commands[i].run(&peer.client), expected);
            assert_int_equal(peer.client.error, expected);
            assert_int_equal(peer.client.reply.code, code);
        }
        unsigned char requests[4096];
        assert_true(read(peer.fd, requests, sizeof(requests)) > 0);
    }
    peer_close(&peer);
}

static void the_reply_lies_in_the_client_with_a_nul_after_it(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    peer_reply(&peer, made_value("a long value"));
    peer_reply(&peer, made_value("bar"));
    assert_int_equal(run_get(&peer.client), -1); /* more than one reply for one request */
    peer_close(&peer);

    peer_open(&peer, SOCK_STREAM);
    static const char *const values[] = {"a long value", "bar", ""};
    for (size_t i = 0; i < 3; i++) {
        peer_reply(&peer, made_value(values[i]));
        assert_int_equal(run_get(&peer.client), 0);
        assert_int_equal(peer.client.reply.encoding, GB_ENC_PLAIN);
        assert_int_equal(peer.client.reply.size, strlen(values[i]));
        assert_string_equal((const char *)gb_reply_raw(&peer.client), values[i]);
    }
    peer_close(&peer);
}

static void impossible_lengths_are_refused_and_harm_nothing(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    assert_int_equal(gb_get(&peer.client, "foo", -1), -1);
    assert_int_equal(gb_set(&peer.client, "foo", 3, "bar", -1, 0), -1);
    assert_int_equal(gb_get(&peer.client, NULL, 3), -1);
    assert_int_equal(peer.client.error, -1);
    assert_string_equal(last_error(), "I/O operation error: 22");
    peer_reply(&peer, made_ok());
    assert_int_equal(gb_ping(&peer.client), 0);
    check_request(&peer, "02000000 1300");
    peer_close(&peer);
}

/* --- replies in pieces, cut short, late, wrong --- */

static void replies_may_come_in_any_pieces(void **state)
{
    (void)state;
    struct bytes_made reply = made_value("some value");
    for (size_t first = 1; first < reply.size; first++) {
        for (size_t second = first; second <= reply.size; second++) {
            struct peer peer;
            peer_open(&peer, SOCK_SEQPACKET);
            peer_write(&peer, reply.at, first);
            if (second > first)
                peer_write(&peer, reply.at + first, second - first);
            for (size_t i = second; i < reply.size; i++)
                peer_write(&peer, reply.at + i, 1);
            assert_int_equal(run_get(&peer.client), 0);
            assert_string_equal((const char *)gb_reply_raw(&peer.client), "some value");
            peer_close(&peer);
        }
    }
}

/* The command fails, nothing of a reply is left, and neither is the connection. */
static void check_failure(struct peer *peer, int (*run)(gbClient *), const char *error)
{
    assert_int_equal(run(&peer->client), -1);
    assert_int_equal(peer->client.error, -1);
    assert_int_equal(peer->client.fd, -1);
    assert_int_equal(peer->client.reply.code, REPL_ERR);
    assert_int_equal(peer->client.reply.size, 0);
    assert_string_equal(last_error(), error);
    assert_int_equal(gb_ping(&peer->client), -1);
    assert_string_equal(last_error(), "I/O operation error: 107"); /* not connected */
}

static void the_end_of_the_stream_is_an_error_wherever_it_comes(void **state)
{
    (void)state;
    struct bytes_made reply = made_value("bar");
    for (size_t end = 0; end < reply.size; end++) {
        struct peer peer;
        peer_open(&peer, SOCK_STREAM);
        peer_reply(&peer, made_value("earlier"));
        assert_int_equal(run_get(&peer.client), 0);
        check_request(&peer, "05000000 0300 666f6f");
        peer_write(&peer, reply.at, end);
        shutdown(peer.fd, SHUT_WR);
        check_failure(&peer, run_get, "I/O operation error: 104");
        peer_close(&peer);
    }
}

static void a_connection_that_the_server_has_closed_raises_no_signal(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    peer_hang_up(&peer);
    check_failure(&peer, run_get, "I/O operation error: 32");
    peer_close(&peer);
}

static void a_timeout_is_an_error_and_the_late_reply_belongs_to_nobody(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    peer_reply(&peer, made_value("earlier"));
    assert_int_equal(run_get(&peer.client), 0);
    peer.client.timeout = PEER_SHORT_MS;
    peer_write(&peer, made_value("late").at, 9);
    check_failure(&peer, run_get, "I/O operation timeout or error: 110");
    peer_close(&peer);
}

static void a_server_that_does_not_read_runs_into_the_timeout(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    peer.client.timeout = PEER_SHORT_MS;
    enum { LARGE = 8 << 20 };
    char *value = calloc(1, LARGE);
    assert_non_null(value);
    assert_int_equal(gb_set(&peer.client, "foo", 3, value, LARGE, 0), -1);
    assert_string_equal(last_error(), "I/O operation timeout or error: 110");
    assert_int_equal(peer.client.fd, -1);
    free(value);
    peer_close(&peer);
}

static void on_alarm(int signal)
{
    (void)signal;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void signals_neither_shorten_nor_lengthen_a_wait(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    struct sigaction interrupting = {.sa_handler = on_alarm}, former;
    sigaction(SIGALRM, &interrupting, &former);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 3000}, {0, 3000}}, NULL);

    peer.client.timeout = 4 * PEER_SHORT_MS;
    int64_t start_ms = now_ms();
    assert_int_equal(gb_ping(&peer.client), -1);
    int64_t waited_ms = now_ms() - start_ms;

    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    sigaction(SIGALRM, &former, NULL);
    assert_string_equal(last_error(), "I/O operation timeout or error: 110");
    assert_in_range(waited_ms, 4 * PEER_SHORT_MS - 1, PEER_TIMEOUT_MS);
    peer_close(&peer);
}

static void garbage_is_refused(void **state)
{
    (void)state;
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct bytes_made cases[6] = {made_reply(8, GB_ENC_PLAIN, "", 1),
                                  made_reply(0xffff, GB_ENC_PLAIN, "", 1),
                                  made_reply(0x100 + REPL_VAL, GB_ENC_PLAIN, "", 1),
                                  made_value("too"),
                                  {.size = 0}};
    make_bytes(&cases[3], "much", 4);
    make_bytes(&cases[4], http, sizeof(http));
    make_header(&cases[5], REPL_VAL, GB_ENC_PLAIN, GB_MAX_REPLY_SIZE + 1);
    for (size_t i = 0; i < 6; i++) {
        struct peer peer;
        peer_open(&peer, SOCK_STREAM);
        peer_reply(&peer, cases[i]);
        check_failure(&peer, run_get, "I/O operation error: 71");
        peer_close(&peer);
    }
}

static void broken_lists_are_refused(void **state)
{
    (void)state;
    struct bytes_made list = {.size = 0};
    make_number(&list, 1, 4);
    make_entry(&list, "foo", GB_ENC_PLAIN, "bar", 3);
    for (size_t size = 0; size <= list.size + 1; size++) {
        struct peer peer;
        peer_open(&peer, SOCK_STREAM);
        peer_reply(&peer, made_reply(REPL_KVAL, GB_ENC_PLAIN, list.at, size));
        if (size == list.size)
            assert_int_equal(run_mget(&peer.client), 0);
        else
            check_failure(&peer, run_mget, "I/O operation error: 71");
        peer_close(&peer);
    }
}

static void memory_grows_with_what_arrives_not_with_what_is_announced(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    struct bytes_made reply = {.size = 0};
    make_header(&reply, REPL_VAL, GB_ENC_PLAIN, GB_MAX_REPLY_SIZE);
    make_bytes(&reply, "a few bytes", 11);
    peer_reply(&peer, reply);
    shutdown(peer.fd, SHUT_WR);
    assert_int_equal(run_get(&peer.client), -1);
    assert_int_equal(peer.client.reply.rsize, GB_DEFAULT_BUFFER_SIZE);
    peer_close(&peer);
}

/* --- large requests and replies --- */

struct echo {
    int fd;
    size_t size;    /* of the value */
    bool is_faulty; /* a byte of the request was not what was sent */
};

/* Reads a SET of `size` bytes of 'x', answers with as many of 'y'. */
static void *serve_large(void *context)
{
    struct echo *echo = context;
    unsigned char chunk[10000];
    static const char head[] = "\x01\0"
                               "0 key ";
    size_t missing = 4 + (sizeof(head) - 1) + echo->size, at = 0;
    for (ssize_t got; at < missing && (got = read(echo->fd, chunk, sizeof(chunk))) > 0; at += (size_t)got)
        for (ssize_t i = 0; i < got; i++)
            if (at + (size_t)i >= 4 + sizeof(head) - 1 && chunk[i] != 'x')
                echo->is_faulty = true;
    struct bytes_made header = {.size = 0};
    make_header(&header, REPL_VAL, GB_ENC_PLAIN, (uint32_t)echo->size);
    echo->is_faulty |= at != missing || write(echo->fd, header.at, header.size) != (ssize_t)header.size;
    memset(chunk, 'y', sizeof(chunk));
    for (size_t left = echo->size; left > 0;) {
        ssize_t written = write(echo->fd, chunk, left < sizeof(chunk) ? left : sizeof(chunk));
        if (written <= 0) {
            echo->is_faulty = true;
            break;
        }
        left -= (size_t)written;
    }
    return NULL;
}

static void large_values_go_both_ways(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,
                                   GB_DEFAULT_BUFFER_SIZE - 8,
                                   GB_DEFAULT_BUFFER_SIZE - 1,
                                   GB_DEFAULT_BUFFER_SIZE,
                                   GB_DEFAULT_BUFFER_SIZE + 1,
                                   5000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct peer peer;
        peer_open(&peer, SOCK_STREAM);
        struct echo echo = {peer.fd, sizes[i], false};
        char *value = malloc(sizes[i]);
        assert_non_null(value);
        memset(value, 'x', sizes[i]);
        pthread_t server;
        assert_int_equal(pthread_create(&server, NULL, serve_large, &echo), 0);
        assert_int_equal(gb_set(&peer.client, "key", 3, value, (int)sizes[i], 0), 0);
        pthread_join(server, NULL);
        assert_false(echo.is_faulty);
        assert_int_equal(peer.client.reply.size, sizes[i]);
        memset(value, 'y', sizes[i]);
        assert_memory_equal(gb_reply_raw(&peer.client), value, sizes[i]);
        assert_int_equal(gb_reply_raw(&peer.client)[sizes[i]], '\0');
        free(value);
        peer_close(&peer);
    }
}

/* --- connecting --- */

static int listen_on_loopback(int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void connecting_over_tcp_fills_the_client(void **state)
{
    (void)state;
    int port;
    int listener = listen_on_loopback(&port);
    static const char *const addresses[] = {"127.0.0.1", "localhost", "", NULL};
    for (size_t i = 0; i < 4; i++) {
        gbClient client;
        memset(&client, 0xa5, sizeof(client)); /* whatever lay there before */
        assert_int_equal(gb_tcp_connect(&client, addresses[i], port, PEER_TIMEOUT_MS), 0);
        assert_true(client.fd >= 0);
        assert_true(fcntl(client.fd, F_GETFL) & O_NONBLOCK);
        assert_string_equal(client.address, i == 1 ? "localhost" : "127.0.0.1");
        assert_int_equal(client.port, port);
        assert_int_equal(client.timeout, PEER_TIMEOUT_MS);
        assert_int_equal(client.error, 0);
        assert_non_null(client.request.buffer);
        assert_int_equal(client.reply.rsize, GB_DEFAULT_BUFFER_SIZE);
        int accepted = accept(listener, NULL, NULL);
        struct bytes_made ok = made_ok();
        assert_int_equal(write(accepted, ok.at, ok.size), ok.size);
        assert_int_equal(gb_ping(&client), 0);
        close(accepted);
        gb_disconnect(&client);
    }
    close(listener);
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    int port;
    close(listen_on_loopback(&port));
    gbClient client;
    assert_int_equal(gb_tcp_connect(&client, "127.0.0.1", port, PEER_TIMEOUT_MS), ECONNREFUSED);
    assert_string_equal(last_error(), "( 111 ) Connection refused");
    assert_int_equal(client.error, ECONNREFUSED);
    assert_int_equal(client.fd, -1);
    assert_int_equal(gb_ping(&client), -1);
    gb_disconnect(&client);
}

static void impossible_addresses_are_refused(void **state)
{
    (void)state;
    gbClient client;
    char long_name[400];
    memset(long_name, 'a', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(gb_tcp_connect(&client, long_name, 1, PEER_TIMEOUT_MS), ENAMETOOLONG);
    assert_int_equal(gb_unix_connect(&client, long_name, PEER_TIMEOUT_MS), ENAMETOOLONG);
    long_name[200] = '\0'; /* fits the client, not the system's address */
    assert_int_equal(gb_unix_connect(&client, long_name, PEER_TIMEOUT_MS), ENAMETOOLONG);
    assert_int_equal(gb_tcp_connect(&client, "127.0.0.1", 65536, PEER_TIMEOUT_MS), EINVAL);
    assert_int_equal(gb_tcp_connect(&client, "127.0.0.1", -1, PEER_TIMEOUT_MS), EINVAL);
    assert_int_equal(gb_tcp_connect(&client, "host.invalid", 1, PEER_TIMEOUT_MS), -1);
    assert_int_equal(client.fd, -1);
    gb_disconnect(&client);
}

static void a_missing_unix_socket_says_so(void **state)
{
    (void)state;
    gbClient client;
    assert_int_equal(gb_unix_connect(&client, "/nonexistent/socket", PEER_TIMEOUT_MS), ENOENT);
    assert_string_equal(last_error(), "( 2 ) No such file or directory");
    assert_int_equal(client.port, -1);
    gb_disconnect(&client);
}

static void connecting_to_a_unix_socket_waits_while_its_queue_is_full(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test_gibson_client.%d", (int)getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    gbClient first, second, third;
    assert_int_equal(gb_unix_connect(&first, address.sun_path, PEER_TIMEOUT_MS), 0);
    assert_string_equal(first.address, address.sun_path);
    assert_int_equal(first.port, -1);
    assert_int_equal(gb_unix_connect(&second, address.sun_path, PEER_SHORT_MS), ETIMEDOUT);
    close(accept(listener, NULL, NULL));
    assert_int_equal(gb_unix_connect(&third, address.sun_path, PEER_SHORT_MS), 0);
    assert_true(fcntl(third.fd, F_GETFL) & O_NONBLOCK);
    gb_disconnect(&first);
    gb_disconnect(&second);
    gb_disconnect(&third);
    close(listener);
    unlink(address.sun_path);
}

static void disconnecting_may_be_repeated(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    for (int i = 0; i < 3; i++) {
        gb_disconnect(&peer.client);
        assert_int_equal(peer.client.fd, -1);
        assert_int_equal(peer.client.port, -1);
        assert_int_equal(peer.client.error, -1);
        assert_null(peer.client.request.buffer);
        assert_null(peer.client.reply.buffer);
    }
    char byte;
    assert_int_equal(read(peer.fd, &byte, 1), 0); /* closed, without a word */
    assert_int_equal(gb_ping(&peer.client), -1);
    peer_close(&peer);
}

/* --- errors and memory --- */

static void *provoke_another_error(void *context)
{
    (void)context;
    gbClient client;
    gb_unix_connect(&client, "/nonexistent/socket", PEER_TIMEOUT_MS);
    return NULL;
}

static void the_last_error_fits_the_buffer_and_belongs_to_the_thread(void **state)
{
    (void)state;
    a_refused_connection_says_so(NULL);
    assert_int_equal(gb_ping(&(gbClient){.fd = -1}), -1);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, provoke_another_error, NULL), 0);
    pthread_join(other, NULL);
    char text[64] = "untouched";
    gb_getlasterror(text, 0);
    assert_string_equal(text, "untouched");
    gb_getlasterror(text, 1);
    assert_string_equal(text, "");
    gb_getlasterror(text, 4);
    assert_string_equal(text, "I/O");
    gb_getlasterror(text, sizeof(text));
    assert_string_equal(text, "I/O operation error: 107");
}

static void connecting_without_memory_fails(void **state)
{
    (void)state;
    int port;
    int listener = listen_on_loopback(&port);
    for (int i = 0; i < 2; i++) {
        gbClient client;
        allocations_left = i;
        assert_int_equal(gb_tcp_connect(&client, "127.0.0.1", port, PEER_TIMEOUT_MS), ENOMEM);
        assert_string_equal(last_error(), "( 12 ) Cannot allocate memory");
        assert_int_equal(client.fd, -1);
        assert_null(client.request.buffer);
        gb_disconnect(&client);
    }
    close(listener);
}

static void without_memory_for_a_request_nothing_was_sent(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    enum { LARGE = 100000 };
    char *value = calloc(1, LARGE);
    assert_non_null(value);
    allocations_left = 0;
    assert_int_equal(gb_set(&peer.client, "foo", 3, value, LARGE, 0), -1);
    assert_string_equal(last_error(), "I/O operation error: 12");
    free(value);
    peer_reply(&peer, made_ok());
    assert_int_equal(gb_ping(&peer.client), 0);
    check_request(&peer, "02000000 1300");
    peer_close(&peer);
}

static void without_memory_for_a_reply_the_connection_is_closed(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, SOCK_STREAM);
    struct bytes_made reply = {.size = 0};
    make_header(&reply, REPL_VAL, GB_ENC_PLAIN, 2 * GB_DEFAULT_BUFFER_SIZE);
    peer_reply(&peer, reply);
    static const char data[GB_DEFAULT_BUFFER_SIZE];
    peer_write(&peer, data, sizeof(data));
    allocations_left = 0;
    check_failure(&peer, run_get, "I/O operation error: 12");
    peer_close(&peer);
}

static void a_fresh_buffer_has_the_default_size(void **state)
{
    (void)state;
    gbBuffer buffer;
    GB_INIT_BUFFER(buffer);
    assert_int_equal(buffer.code, 0);
    assert_int_equal(buffer.encoding, GB_ENC_PLAIN);
    assert_int_equal(buffer.rsize, 65535);
    assert_int_equal(buffer.size, 65535);
    memset(buffer.buffer, 1, buffer.size);
    free(buffer.buffer);
    allocations_left = 0;
    GB_INIT_BUFFER(buffer);
    assert_null(buffer.buffer);
    assert_int_equal(buffer.rsize, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_sends_its_bytes_and_succeeds_with_its_code),
        cmocka_unit_test(any_other_code_is_what_a_command_returns),
        cmocka_unit_test(the_reply_lies_in_the_client_with_a_nul_after_it),
        cmocka_unit_test(impossible_lengths_are_refused_and_harm_nothing),
        cmocka_unit_test(replies_may_come_in_any_pieces),
        cmocka_unit_test(the_end_of_the_stream_is_an_error_wherever_it_comes),
        cmocka_unit_test(a_connection_that_the_server_has_closed_raises_no_signal),
        cmocka_unit_test(a_timeout_is_an_error_and_the_late_reply_belongs_to_nobody),
        cmocka_unit_test(a_server_that_does_not_read_runs_into_the_timeout),
        cmocka_unit_test(signals_neither_shorten_nor_lengthen_a_wait),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(broken_lists_are_refused),
        cmocka_unit_test(memory_grows_with_what_arrives_not_with_what_is_announced),
        cmocka_unit_test(large_values_go_both_ways),
        cmocka_unit_test(connecting_over_tcp_fills_the_client),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(impossible_addresses_are_refused),
        cmocka_unit_test(a_missing_unix_socket_says_so),
        cmocka_unit_test(connecting_to_a_unix_socket_waits_while_its_queue_is_full),
        cmocka_unit_test(disconnecting_may_be_repeated),
        cmocka_unit_test(the_last_error_fits_the_buffer_and_belongs_to_the_thread),
        cmocka_unit_test(connecting_without_memory_fails),
        cmocka_unit_test(without_memory_for_a_request_nothing_was_sent),
        cmocka_unit_test(without_memory_for_a_reply_the_connection_is_closed),
        cmocka_unit_test(a_fresh_buffer_has_the_default_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

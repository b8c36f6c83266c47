/* TLS streams against OpenSSL's own client, joined by a socket pair and hands that carry bytes across in pieces of any
   size: handshakes, data both ways, what is left over, full sockets, the end, and configurations that are refused. */
#include "property.h"

#include "base/mem.h"
#include "larder.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificates.h"

enum { PATH_SIZE = 256, STEPS_MAX = 100000 };

/* A configuration whose files lie in a folder of their own, and who is who in it. */
struct world {
    char folder[64];
    struct config config;
    struct identity authority, stranger;
    struct identity server, client, expired, unknown; /* of the authority; the last of the stranger */
    int reservation;                                  /* a socket that keeps the system from giving `port` away */
    int port;                                         /* for TLS */
};

/* A server's stream and a client, which reads from `inbox` and writes to `outbox`. */
struct pair {
    int server_fd, client_fd;
    struct tls *server;
    SSL_CTX *client_context;
    SSL *client;
    BIO *inbox, *outbox;
};

/* Valid for some hundred calls. */
static const char *path_of(const struct world *world, const char *file)
{
    static char paths[256][PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % COUNT_OF(paths)];
    snprintf(path, PATH_SIZE, "%s/%s", world->folder, file);
    return path;
}

static void set(struct world *world, const char *name, const char *value)
{
    const bytes line[] = {bytes_of(name), bytes_of(value)};
    struct cfg_error error;
    if (!cfg_set_one(&world->config, line, 2, &error))
        fail_msg("%s %s: %s", name, value, error.text);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* A port that nobody is given who asks the system for any, while the engine may listen there: both sockets allow their
   address to be used again, and ours does not listen. */
static void reserve_port(struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int on = 1;
    world->reservation = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(world->reservation, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(world->reservation, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(world->reservation, (struct sockaddr *)&address, &len), 0);
    world->port = ntohs(address.sin_port);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    snprintf(world->folder, sizeof(world->folder), "/tmp/larder-tls-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_true(cfg_init(&world->config));
    world->authority = identity_make("authority", NULL, 10);
    world->stranger = identity_make("stranger", NULL, 10);
    world->server = identity_make("server", &world->authority, 10);
    world->client = identity_make("client", &world->authority, 10);
    world->expired = identity_make("expired", &world->authority, 0);
    world->unknown = identity_make("unknown", &world->stranger, 10);
    identity_write(&world->authority, path_of(world, "ca.crt"), path_of(world, "ca.key"), NULL);
    identity_write(&world->server, path_of(world, "server.crt"), path_of(world, "server.key"), NULL);
    identity_write(&world->server, path_of(world, "server.crt"), path_of(world, "locked.key"), "sesame");
    write_text(path_of(world, "text"), "not a certificate\n");
    reserve_port(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    static const char *const files[] = {"ca.crt", "ca.key", "server.crt", "server.key", "locked.key", "text"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        unlink(path_of(world, files[i]));
    rmdir(world->folder);
    struct identity *identities[] = {&world->authority, &world->stranger, &world->server,
                                     &world->client,    &world->expired,  &world->unknown};
    for (size_t i = 0; i < COUNT_OF(identities); i++)
        identity_free(identities[i]);
    cfg_free(&world->config);
    close(world->reservation);
    free(world);
    ERR_clear_error();
    return 0;
}

/* The usual configuration: a certificate, and clients that need none. */
static void configure(struct world *world)
{
    set(world, "tls-cert-file", path_of(world, "server.crt"));
    set(world, "tls-key-file", path_of(world, "server.key"));
    set(world, "tls-key-file-pass", "");
    set(world, "tls-ca-cert-file", path_of(world, "ca.crt"));
    set(world, "tls-auth-clients", "no");
    static const char *const texts[] = {"tls-protocols", "tls-ciphers", "tls-ciphersuites", "tls-dh-params-file",
                                        "tls-ca-cert-dir"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        set(world, texts[i], "");
}

static struct tls_context *open_context(struct world *world)
{
    char error[TLS_ERROR_SIZE] = "";
    struct tls_context *context = tls_context_open(&world->config, error);
    if (context == NULL)
        fail_msg("no context: %s", error);
    return context;
}

/* A client that trusts the authority, and shows this identity unless it is NULL. */
static void open_pair(struct pair *pair, struct world *world, struct tls_context *context,
                      const struct identity *identity)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *pair = (struct pair){.server_fd = fds[0], .client_fd = fds[1], .server = tls_open(context, fds[0])};
    assert_non_null(pair->server);
    pair->client_context = SSL_CTX_new(TLS_client_method());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(pair->client_context), world->authority.certificate);
    SSL_CTX_set_verify(pair->client_context, SSL_VERIFY_PEER, NULL);
    if (identity != NULL) {
        assert_true(SSL_CTX_use_certificate(pair->client_context, identity->certificate));
        assert_true(SSL_CTX_use_PrivateKey(pair->client_context, identity->key));
    }
    pair->client = SSL_new(pair->client_context);
    pair->inbox = BIO_new(BIO_s_mem());
    pair->outbox = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(pair->inbox, -1);
    SSL_set_bio(pair->client, pair->inbox, pair->outbox);
    SSL_set_connect_state(pair->client);
}

static void close_pair(struct pair *pair)
{
    if (pair->server != NULL)
        tls_close(pair->server);
    close(pair->server_fd);
    close(pair->client_fd);
    SSL_free(pair->client);
    SSL_CTX_free(pair->client_context);
    ERR_clear_error();
}

/* Carries up to `max` bytes from the client to the server's socket. */
static void carry_there(struct pair *pair, size_t max)
{
    char piece[4096];
    while (max > 0 && BIO_ctrl_pending(pair->outbox) > 0) {
        int len = BIO_read(pair->outbox, piece, (int)(max < sizeof(piece) ? max : sizeof(piece)));
        assert_true(len > 0);
        assert_int_equal(send(pair->client_fd, piece, (size_t)len, MSG_NOSIGNAL), len);
        max -= (size_t)len;
    }
}

/* Carries up to `max` bytes from the server's socket to the client; returns how many. */
static size_t carry_back(struct pair *pair, size_t max)
{
    char piece[4096];
    size_t carried = 0;
    while (carried < max) {
        size_t room = max - carried < sizeof(piece) ? max - carried : sizeof(piece);
        ssize_t len = recv(pair->client_fd, piece, room, 0);
        if (len <= 0)
            break;
        assert_int_equal(BIO_write(pair->inbox, piece, (int)len), len);
        carried += (size_t)len;
    }
    return carried;
}

/* A step of both sides; what the server says. */
static enum tls_status step_hands(struct pair *pair, size_t piece, char error[TLS_ERROR_SIZE])
{
    SSL_do_handshake(pair->client);
    ERR_clear_error();
    carry_there(pair, piece);
    enum tls_status status = tls_shake_hands(pair->server, error);
    carry_back(pair, piece);
    return status;
}

/* Shakes hands until the server is done with it, and the client too when it succeeded. */
static enum tls_status shake_hands(struct pair *pair, size_t piece, char error[TLS_ERROR_SIZE])
{
    enum tls_status status = TLS_WANTS_READ;
    for (int i = 0; i < STEPS_MAX && (status == TLS_WANTS_READ || status == TLS_WANTS_WRITE); i++)
        status = step_hands(pair, piece, error);
    while (SSL_do_handshake(pair->client) != 1 && carry_back(pair, piece) > 0)
        continue;
    ERR_clear_error();
    return status;
}

/* A pair that has shaken hands. */
static void connect_pair(struct pair *pair, struct world *world, struct tls_context *context)
{
    char error[TLS_ERROR_SIZE] = "";
    open_pair(pair, world, context, NULL);
    if (shake_hands(pair, SIZE_MAX, error) != TLS_DONE)
        fail_msg("no handshake: %s", error);
    assert_true(SSL_is_init_finished(pair->client));
}

static void client_writes(struct pair *pair, const void *data, size_t len)
{
    assert_int_equal(SSL_write(pair->client, data, (int)len), (int)len);
}

/* Reads everything that the server can read without anything new arriving. */
static size_t read_all(struct pair *pair, char *to, size_t room, enum tls_status *status)
{
    size_t got = 0, part;
    do {
        *status = tls_read(pair->server, to + got, room - got, &part);
        got += part;
    } while (*status == TLS_DONE && got < room && tls_has_input(pair->server));
    return got;
}

/* --- handshakes --- */

static void a_handshake_goes_through_in_pieces_of_any_size(void **state)
{
    struct world *world = *state;
    configure(world);
    set(world, "tls-auth-clients", "yes");
    struct tls_context *context = open_context(world);
    for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
        char error[TLS_ERROR_SIZE] = "";
        struct pair pair;
        open_pair(&pair, world, context, &world->client);
        if (shake_hands(&pair, piece, error) != TLS_DONE)
            fail_msg("in pieces of %zu bytes: %s", piece, error);
        assert_true(SSL_is_init_finished(pair.client));
        assert_string_equal(SSL_get_version(pair.client), "TLSv1.3");
        close_pair(&pair);
    }
    tls_context_drop(context);
}

static enum tls_status status_for(struct world *world, const char *auth, const struct identity *identity,
                                  char error[TLS_ERROR_SIZE])
{
    configure(world);
    set(world, "tls-auth-clients", auth);
    struct tls_context *context = open_context(world);
    struct pair pair;
    open_pair(&pair, world, context, identity);
    enum tls_status status = shake_hands(&pair, SIZE_MAX, error);
    close_pair(&pair);
    tls_context_drop(context);
    return status;
}

static void clients_are_let_in_as_their_certificates_and_tls_auth_clients_say(void **state)
{
    struct world *world = *state;
    char error[TLS_ERROR_SIZE];
    assert_int_equal(status_for(world, "yes", &world->client, error), TLS_DONE);
    assert_int_equal(status_for(world, "yes", NULL, error), TLS_BROKEN);
    assert_string_equal(error, "error:0A0000C7:SSL routines::peer did not return a certificate");
    assert_int_equal(status_for(world, "yes", &world->expired, error), TLS_BROKEN);
    assert_string_equal(error, "error:0A000086:SSL routines::certificate verify failed");
    assert_int_equal(status_for(world, "yes", &world->unknown, error), TLS_BROKEN);
    assert_int_equal(status_for(world, "optional", &world->client, error), TLS_DONE);
    assert_int_equal(status_for(world, "optional", NULL, error), TLS_DONE);
    assert_int_equal(status_for(world, "optional", &world->unknown, error), TLS_BROKEN);
    assert_int_equal(status_for(world, "no", NULL, error), TLS_DONE);
    assert_int_equal(status_for(world, "no", &world->unknown, error), TLS_DONE);
}

static void what_is_not_tls_breaks_the_handshake(void **state)
{
    struct world *world = *state;
    struct random random = property_start(__func__);
    configure(world);
    struct tls_context *context = open_context(world);
    static const char *const texts[] = {"PING\r\n", "*1\r\n$4\r\nPING\r\n", "GET / HTTP/1.1\r\n\r\n"};
    for (int i = 0; i < 200; i++) {
        struct pair pair;
        char error[TLS_ERROR_SIZE] = "", garbage[64];
        open_pair(&pair, world, context, NULL);
        random_secure(garbage, sizeof(garbage));
        garbage[0] = (char)(i % 2 ? garbage[0] : 22); /* a handshake record, or whatever it is */
        const char *data = i < (int)COUNT_OF(texts) ? texts[i] : garbage;
        size_t len = i < (int)COUNT_OF(texts) ? strlen(data) : between(&random, 1, sizeof(garbage));
        assert_int_equal(send(pair.client_fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
        enum tls_status status = tls_shake_hands(pair.server, error);
        if (i < (int)COUNT_OF(texts))
            assert_int_equal(status, TLS_BROKEN);
        if (status == TLS_WANTS_READ) { /* it may be the beginning of something: nothing more comes */
            shutdown(pair.client_fd, SHUT_WR);
            status = tls_shake_hands(pair.server, error);
        }
        assert_int_equal(status, TLS_BROKEN);
        assert_non_null(strstr(error, "error:"));
        close_pair(&pair);
    }
    tls_context_drop(context);
}

static void versions_are_those_of_tls_protocols(void **state)
{
    static const struct {
        const char *protocols;
        int version;
        bool is_spoken;
    } cases[] = {
        {"", TLS1_1_VERSION, false},        {"", TLS1_2_VERSION, true},
        {"", TLS1_3_VERSION, true},         {"TLSv1.2", TLS1_3_VERSION, false},
        {"tlsv1.2", TLS1_2_VERSION, true},  {" TLSv1.3  TLSv1.1 ", TLS1_3_VERSION, true},
        {"TLSv1.3", TLS1_2_VERSION, false}, {"TLSv1.3 TLSv1.1", TLS1_2_VERSION, false},
    };
    struct world *world = *state;
    configure(world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char error[TLS_ERROR_SIZE];
        set(world, "tls-protocols", cases[i].protocols);
        struct tls_context *context = open_context(world);
        struct pair pair;
        open_pair(&pair, world, context, NULL);
        SSL_set_security_level(pair.client, 0);
        SSL_set_min_proto_version(pair.client, cases[i].version);
        SSL_set_max_proto_version(pair.client, cases[i].version);
        assert_int_equal(shake_hands(&pair, SIZE_MAX, error) == TLS_DONE, cases[i].is_spoken);
        close_pair(&pair);
        tls_context_drop(context);
    }
}

/* --- data --- */

static void data_arrives_whole_however_it_is_cut(void **state)
{
    enum { total = 200000 };
    struct world *world = *state;
    struct random random = property_start(__func__);
    configure(world);
    struct tls_context *context = open_context(world);
    char *sent = malloc(total), *received = malloc(total);
    for (int round = 0; round < 20; round++) {
        struct pair pair;
        connect_pair(&pair, world, context);
        random_secure(sent, total);
        size_t written = 0, got = 0;
        while (got < total) {
            if (written < total && BIO_ctrl_pending(pair.outbox) < 100000) {
                size_t len = one_in(&random, 2) ? between(&random, 1, 20) : between(&random, 1, 20000);
                len = len < total - written ? len : total - written;
                client_writes(&pair, sent + written, len);
                written += len;
            }
            carry_there(&pair, between(&random, 0, one_in(&random, 3) ? 10 : 30000));
            size_t part;
            do {
                size_t room = between(&random, 1, one_in(&random, 3) ? 10 : 40000);
                enum tls_status status =
                    tls_read(pair.server, received + got, room < total - got ? room : total - got, &part);
                assert_true(status == TLS_DONE || status == TLS_WANTS_READ);
                got += part;
                if (status == TLS_WANTS_READ)
                    assert_false(tls_has_input(pair.server));
            } while (got < total && tls_has_input(pair.server));
        }
        assert_memory_equal(sent, received, total);
        close_pair(&pair);
    }
    free(sent);
    free(received);
    tls_context_drop(context);
}

/* Everything was sent at once: no readiness of the socket would tell of what the first read has left over. */
static void what_a_read_leaves_over_is_known(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    for (int i = 0; i < 300; i++) {
        char request[16];
        snprintf(request, sizeof(request), "PING %03d\r\n", i);
        client_writes(&pair, request, 10);
    }
    carry_there(&pair, SIZE_MAX);
    char to[3000], expected[16];
    size_t got = 0, part, calls = 0;
    do {
        assert_int_equal(tls_read(pair.server, to + got, sizeof(to) - got < 7 ? sizeof(to) - got : 7, &part), TLS_DONE);
        got += part;
        calls++;
    } while (tls_has_input(pair.server));
    char rest;
    assert_int_equal(got, 3000);
    assert_int_equal(calls, 3000 / 7 + 1);
    assert_memory_equal(to, "PING 000\r\nPING 001\r\n", 20);
    snprintf(expected, sizeof(expected), "PING 299\r\n");
    assert_memory_equal(to + 2990, expected, 10);
    assert_int_equal(tls_read(pair.server, &rest, 1, &part), TLS_WANTS_READ);
    assert_int_equal(part, 0);
    close_pair(&pair);
    tls_context_drop(context);
}

/* However many records wait, with nothing in them or asking for new keys, a read returns. */
static void a_read_does_not_go_on_as_long_as_the_peer_does(void **state)
{
    enum { records = 1000 };
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    char to[records];
    for (int i = 0; i < records; i++)
        client_writes(&pair, "x", 1);
    carry_there(&pair, SIZE_MAX);
    size_t got;
    assert_int_equal(tls_read(pair.server, to, sizeof(to), &got), TLS_DONE);
    assert_true(got > 0 && got < records / 2);
    assert_true(tls_has_input(pair.server));
    close_pair(&pair);
    tls_context_drop(context);
}

static void a_peer_may_change_its_keys(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    for (int i = 0; i < 10; i++) {
        char to[16];
        size_t got;
        enum tls_status status;
        assert_true(SSL_key_update(pair.client, SSL_KEY_UPDATE_REQUESTED));
        client_writes(&pair, "hello", 5);
        carry_there(&pair, SIZE_MAX);
        got = read_all(&pair, to, sizeof(to), &status);
        assert_int_equal(got, 5);
        assert_memory_equal(to, "hello", 5);
        struct iovec piece = {"world", 5};
        assert_int_equal(tls_write(pair.server, &piece, 1, &got), TLS_DONE);
        carry_back(&pair, SIZE_MAX);
        assert_int_equal(SSL_read(pair.client, to, sizeof(to)), 5);
        assert_memory_equal(to, "world", 5);
    }
    close_pair(&pair);
    tls_context_drop(context);
}

static void renegotiation_is_refused(void **state)
{
    struct world *world = *state;
    configure(world);
    set(world, "tls-protocols", "TLSv1.2");
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    char to[16];
    size_t got;
    assert_true(SSL_renegotiate(pair.client));
    SSL_do_handshake(pair.client);
    carry_there(&pair, SIZE_MAX);
    assert_int_equal(tls_read(pair.server, to, sizeof(to), &got), TLS_WANTS_READ);
    assert_int_equal(got, 0);
    carry_back(&pair, SIZE_MAX);
    assert_true(SSL_do_handshake(pair.client) != 1); /* it was told no, and gives up */
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    close_pair(&pair);
    tls_context_drop(context);
}

/* --- writing --- */

static size_t vector_of(struct random *random, struct iovec pieces[16], char *data, size_t len)
{
    int count = 0;
    size_t used = 0;
    while (count < 16 && used < len) {
        size_t step = one_in(random, 3) ? between(random, 1, 40000) : between(random, 1, 50);
        step = step < len - used ? step : len - used;
        pieces[count++] = (struct iovec){data + used, step};
        used += step;
    }
    return (size_t)count;
}

/* The socket is full again and again; each time the write goes on with other pieces, which lie elsewhere. */
static void a_write_goes_on_where_the_socket_stopped_it(void **state)
{
    enum { total = 1000000 };
    struct world *world = *state;
    struct random random = property_start(__func__);
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    int small = 4096;
    setsockopt(pair.server_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    char *data = malloc(total), *received = malloc(total), *copy = malloc(total);
    random_secure(data, total);
    size_t sent = 0, got = 0, stops = 0, least = 0;
    while (got < total) {
        if (sent < total) {
            memcpy(copy + sent, data + sent, total - sent);
            struct iovec pieces[16];
            size_t part;
            /* an unfinished record is offered again with at least as much behind it */
            size_t len = between(&random, least, total - sent);
            size_t count = vector_of(&random, pieces, copy + sent, len > 0 ? len : 1);
            size_t offered = 0;
            for (size_t i = 0; i < count; i++)
                offered += pieces[i].iov_len;
            if (offered < least) {
                pieces[0] = (struct iovec){copy + sent, total - sent};
                count = 1;
                offered = total - sent;
            }
            enum tls_status status = tls_write(pair.server, pieces, (int)count, &part);
            sent += part;
            least = 0;
            if (status != TLS_DONE) {
                assert_int_equal(status, TLS_WANTS_WRITE);
                assert_int_equal(part, 0);
                least = offered;
                stops++;
            } else {
                assert_true(part > 0 && part <= TLS_RECORD_MAX);
            }
            memset(copy, 'x', total);
        }
        if (least > 0 || sent == total) {
            carry_back(&pair, between(&random, 1, 100000));
            int len = SSL_read(pair.client, received + got, (int)(total - got));
            got += len > 0 ? (size_t)len : 0;
            ERR_clear_error();
        }
    }
    assert_true(stops > 10);
    assert_memory_equal(data, received, total);
    free(data);
    free(received);
    free(copy);
    close_pair(&pair);
    tls_context_drop(context);
}

/* The answer to a change of keys stands behind a record that could be sent in part only; both directions go on. */
static void a_peer_may_change_its_keys_while_the_socket_is_full(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    int small = 4096;
    setsockopt(pair.server_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    char data[5000], to[TLS_RECORD_MAX];
    memset(data, 'd', sizeof(data));
    struct iovec piece = {data, sizeof(data)};
    size_t sent = 0, part, back = 0, got = 0;
    enum tls_status status;
    while ((status = tls_write(pair.server, &piece, 1, &part)) == TLS_DONE)
        sent += part;
    assert_int_equal(status, TLS_WANTS_WRITE);
    for (int i = 0; i < 3; i++) {
        assert_true(SSL_key_update(pair.client, SSL_KEY_UPDATE_REQUESTED));
        client_writes(&pair, "hello", 5);
    }
    carry_there(&pair, SIZE_MAX);
    for (int i = 0; i < STEPS_MAX && (got < 15 || back < sent || status != TLS_DONE); i++) {
        enum tls_status reading = tls_read(pair.server, to, sizeof(to), &part);
        assert_true(reading == TLS_DONE || reading == TLS_WANTS_READ || reading == TLS_WANTS_WRITE);
        got += part;
        carry_back(&pair, 1000);
        int len = SSL_read(pair.client, to, sizeof(to));
        back += len > 0 ? (size_t)len : 0;
        ERR_clear_error();
        if (status != TLS_DONE) {
            status = tls_write(pair.server, &piece, 1, &part);
            sent += part;
        }
    }
    assert_int_equal(got, 15);
    assert_int_equal(back, sent);
    close_pair(&pair);
    tls_context_drop(context);
}

static void without_memory_for_what_the_socket_does_not_take_a_stream_breaks(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    char data[5000];
    memset(data, 'd', sizeof(data));
    struct iovec piece = {data, sizeof(data)};
    size_t part;
    enum tls_status status = TLS_DONE;
    mem_fail_after(0);
    for (int i = 0; i < STEPS_MAX && status == TLS_DONE; i++)
        status = tls_write(pair.server, &piece, 1, &part);
    mem_fail_after(-1);
    assert_int_equal(status, TLS_BROKEN);
    close_pair(&pair);
    tls_context_drop(context);
}

/* A peer that wants ever new keys and reads no answer is not read from any more, until it reads. */
static void answers_to_new_keys_do_not_pile_up(void **state)
{
    enum { most = 20000, batch = 100 };
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    int small = 4096;
    setsockopt(pair.server_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    char to[TLS_RECORD_MAX];
    size_t got = 0, before = mem_live_bytes(), most_held = 0;
    enum tls_status status = TLS_DONE;
    int updates = 0;
    for (; updates < most && status != TLS_WANTS_WRITE; updates++) {
        assert_true(SSL_key_update(pair.client, SSL_KEY_UPDATE_REQUESTED));
        client_writes(&pair, "x", 1);
        if (updates % batch > 0)
            continue;
        carry_there(&pair, SIZE_MAX);
        got += read_all(&pair, to, sizeof(to), &status);
        assert_true(status == TLS_DONE || status == TLS_WANTS_READ || status == TLS_WANTS_WRITE);
        most_held = mem_live_bytes() - before > most_held ? mem_live_bytes() - before : most_held;
    }
    assert_int_equal(status, TLS_WANTS_WRITE);
    assert_in_range(most_held, 32 * 1024, 128 * 1024);
    for (int i = 0; i < STEPS_MAX && (got < (size_t)updates || mem_live_bytes() > before); i++) {
        carry_back(&pair, SIZE_MAX);
        assert_int_equal(SSL_read(pair.client, to, sizeof(to)), -1);
        ERR_clear_error();
        got += read_all(&pair, to, sizeof(to), &status);
    }
    assert_int_equal(got, updates);
    assert_int_equal(mem_live_bytes(), before);
    close_pair(&pair);
    tls_context_drop(context);
}

static void small_pieces_go_out_together(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    char data[1000], to[1000];
    struct iovec pieces[50];
    memset(data, 'a', sizeof(data));
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        pieces[i] = (struct iovec){data + 20 * i, 20};
    size_t sent;
    carry_back(&pair, SIZE_MAX);
    assert_int_equal(tls_write(pair.server, pieces, COUNT_OF(pieces), &sent), TLS_DONE);
    assert_int_equal(sent, sizeof(data));
    assert_true(carry_back(&pair, SIZE_MAX) < sizeof(data) + 64);
    assert_int_equal(SSL_read(pair.client, to, sizeof(to)), sizeof(data));
    assert_memory_equal(to, data, sizeof(data));
    close_pair(&pair);
    tls_context_drop(context);
}

/* --- the end --- */

static void data_in_front_of_a_goodbye_is_read_first(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    client_writes(&pair, "last words", 10);
    SSL_shutdown(pair.client);
    carry_there(&pair, SIZE_MAX);
    char to[100];
    size_t got;
    assert_int_equal(tls_read(pair.server, to, sizeof(to), &got), TLS_DONE);
    assert_int_equal(got, 10);
    assert_true(tls_has_input(pair.server));
    assert_int_equal(tls_read(pair.server, to, sizeof(to), &got), TLS_ENDED);
    assert_int_equal(got, 0);
    struct iovec piece = {"answer", 6};
    assert_int_equal(tls_write(pair.server, &piece, 1, &got), TLS_DONE);
    close_pair(&pair);
    tls_context_drop(context);
}

static void closing_says_goodbye(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    tls_close(pair.server);
    pair.server = NULL;
    carry_back(&pair, SIZE_MAX);
    char to[10];
    int result = SSL_read(pair.client, to, sizeof(to));
    assert_int_equal(SSL_get_error(pair.client, result), SSL_ERROR_ZERO_RETURN);
    close_pair(&pair);
    tls_context_drop(context);
}

/* Neither the reader nor the writer gets a signal, or hangs. */
static void a_peer_that_hangs_up_ends_the_stream(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    char to[10];
    size_t part;
    connect_pair(&pair, world, context);
    shutdown(pair.client_fd, SHUT_RDWR);
    enum tls_status status = tls_read(pair.server, to, sizeof(to), &part);
    assert_true(status == TLS_ENDED || status == TLS_BROKEN);
    close_pair(&pair);
    connect_pair(&pair, world, context);
    close(pair.client_fd);
    pair.client_fd = open("/dev/null", O_RDONLY);
    struct iovec piece = {"answer", 6};
    assert_int_equal(tls_write(pair.server, &piece, 1, &part), TLS_BROKEN);
    close_pair(&pair);
    tls_context_drop(context);
}

static void a_forged_record_breaks_the_stream(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    client_writes(&pair, "genuine", 7);
    carry_there(&pair, SIZE_MAX);
    client_writes(&pair, "forged", 6);
    char record[100], to[100];
    int len = BIO_read(pair.outbox, record, sizeof(record));
    record[len - 1] ^= 1;
    assert_int_equal(send(pair.client_fd, record, (size_t)len, MSG_NOSIGNAL), len);
    size_t got;
    assert_int_equal(tls_read(pair.server, to, sizeof(to), &got), TLS_DONE);
    assert_int_equal(got, 7);
    assert_true(tls_has_input(pair.server));
    assert_int_equal(tls_read(pair.server, to, sizeof(to), &got), TLS_BROKEN);
    assert_int_equal(got, 0);
    close_pair(&pair);
    tls_context_drop(context);
}

/* --- contexts --- */

static void a_stream_outlives_the_configuration_it_began_with(void **state)
{
    struct world *world = *state;
    configure(world);
    struct tls_context *context = open_context(world);
    struct pair pair;
    connect_pair(&pair, world, context);
    tls_context_drop(context);
    client_writes(&pair, "hello", 5);
    carry_there(&pair, SIZE_MAX);
    char to[10];
    size_t got;
    assert_int_equal(tls_read(pair.server, to, sizeof(to), &got), TLS_DONE);
    assert_int_equal(got, 5);
    close_pair(&pair);
}

static void a_bad_configuration_is_refused_in_redis_s_words(void **state)
{
    struct world *world = *state;
    const char *none = path_of(world, "none");
    char text[PATH_SIZE];
    snprintf(text, sizeof(text), "%s", path_of(world, "text"));
    const struct {
        const char *name, *value, *reason;
    } cases[] = {
        {"tls-cert-file", "", "No tls-cert-file configured!"},
        {"tls-key-file", "", "No tls-key-file configured!"},
        {"tls-cert-file", none, "Failed to load certificate: "},
        {"tls-cert-file", text, "Failed to load certificate: "},
        {"tls-key-file", none, "Failed to load private key: "},
        {"tls-key-file", path_of(world, "ca.key"), "key values mismatch"},
        {"tls-key-file", path_of(world, "locked.key"), "Failed to load private key: "},
        {"tls-ca-cert-file", none, "Failed to configure CA certificate(s) file/directory: "},
        {"tls-ca-cert-file", text, "Failed to configure CA certificate(s) file/directory: "},
        {"tls-protocols", "TLSv1.4", "Invalid tls-protocols specified."},
        {"tls-protocols", "TLSv1.2,TLSv1.3", "Invalid tls-protocols specified."},
        {"tls-protocols", "TLSv1.", "Invalid tls-protocols specified."},
        {"tls-protocols", " ", "Invalid tls-protocols specified."},
        {"tls-ciphers", "none", "Failed to configure ciphers: none"},
        {"tls-ciphersuites", "none", "Failed to configure ciphersuites: none"},
        {"tls-dh-params-file", none, "Failed to load "},
        {"tls-dh-params-file", text, "failed to read DH params."},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char error[TLS_ERROR_SIZE] = "";
        configure(world);
        set(world, cases[i].name, cases[i].value);
        assert_null(tls_context_open(&world->config, error));
        if (strstr(error, cases[i].reason) == NULL)
            fail_msg("%s '%s': '%s'", cases[i].name, cases[i].value, error);
        assert_int_equal(ERR_peek_error(), 0);
    }
    char error[TLS_ERROR_SIZE] = "";
    configure(world);
    set(world, "tls-ca-cert-file", "");
    set(world, "tls-auth-clients", "optional");
    assert_null(tls_context_open(&world->config, error));
    assert_non_null(strstr(error, "Either tls-ca-cert-file or tls-ca-cert-dir must be specified"));
}

static void a_locked_key_opens_with_its_password_alone(void **state)
{
    struct world *world = *state;
    char error[TLS_ERROR_SIZE];
    configure(world);
    set(world, "tls-key-file", path_of(world, "locked.key"));
    set(world, "tls-key-file-pass", "sesam");
    assert_null(tls_context_open(&world->config, error));
    set(world, "tls-key-file-pass", "sesame");
    tls_context_drop(open_context(world));
}

static void without_memory_there_is_no_context_and_no_stream(void **state)
{
    struct world *world = *state;
    configure(world);
    int failures = 0;
    for (;; failures++) {
        char error[TLS_ERROR_SIZE] = "";
        mem_fail_after(failures);
        struct tls_context *context = tls_context_open(&world->config, error);
        mem_fail_after(-1);
        if (context != NULL) {
            mem_fail_after(0);
            assert_null(tls_open(context, 0));
            mem_fail_after(-1);
            tls_context_drop(context);
            break;
        }
        assert_string_equal(error, "out of memory");
    }
    assert_true(failures >= 4);
}

/* --- serving --- */

static larder *open_engine(struct world *world)
{
    char lines[4 * PATH_SIZE];
    snprintf(lines, sizeof(lines), "tls-port %d\ntls-cert-file %s\ntls-key-file %s\ntls-auth-clients no\n", world->port,
             path_of(world, "server.crt"), path_of(world, "server.key"));
    larder_options options = {.threads = 2, .config = lines};
    larder *engine = larder_open(&options, NULL, 0);
    assert_non_null(engine);
    return engine;
}

/* Wherever memory runs out, nothing listens and nothing is left behind; a later try succeeds. */
static void serving_tls_fails_as_a_whole_and_can_be_tried_again(void **state)
{
    larder *engine = open_engine(*state);
    const larder_serve_options options = {.port = -1};
    int failures = 0;
    for (;; failures++) {
        char error[256] = "";
        mem_fail_after(failures);
        int status = larder_serve(engine, &options, error, sizeof(error));
        mem_fail_after(-1);
        if (status == 0)
            break;
        assert_string_not_equal(error, "");
    }
    assert_true(failures > 5);
    larder_stop(engine);
    assert_int_equal(larder_serve(engine, &options, NULL, 0), 0);
    larder_close(engine);
}

/* Without memory for it, a new context is not taken into use, and the change is undone. */
static void a_change_without_memory_changes_nothing(void **state)
{
    larder *engine = open_engine(*state);
    larder_session *session = larder_session_open(engine);
    const larder_serve_options options = {.port = -1};
    assert_int_equal(larder_serve(engine, &options, NULL, 0), 0);
    bool is_done = false;
    int failures = 0;
    for (; !is_done; failures++) {
        mem_fail_after(failures);
        larder_reply *reply = larder_command(session, "CONFIG", "SET", "tls-protocols", "TLSv1.3", NULL);
        mem_fail_after(-1);
        is_done = reply != NULL && reply->type == LARDER_STATUS;
        larder_reply_free(reply);
        reply = larder_command(session, "CONFIG", "GET", "tls-protocols", NULL);
        assert_int_equal(reply->count, 2);
        if (reply->elements[1].len > 0) /* it was changed, although the answer found no memory */
            is_done = true;
        larder_reply_free(reply);
    }
    assert_true(failures > 5);
    larder_session_close(session);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_goes_through_in_pieces_of_any_size),
        cmocka_unit_test(clients_are_let_in_as_their_certificates_and_tls_auth_clients_say),
        cmocka_unit_test(what_is_not_tls_breaks_the_handshake),
        cmocka_unit_test(versions_are_those_of_tls_protocols),
        cmocka_unit_test(data_arrives_whole_however_it_is_cut),
        cmocka_unit_test(what_a_read_leaves_over_is_known),
        cmocka_unit_test(a_read_does_not_go_on_as_long_as_the_peer_does),
        cmocka_unit_test(a_peer_may_change_its_keys),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(a_write_goes_on_where_the_socket_stopped_it),
        cmocka_unit_test(a_peer_may_change_its_keys_while_the_socket_is_full),
        cmocka_unit_test(without_memory_for_what_the_socket_does_not_take_a_stream_breaks),
        cmocka_unit_test(answers_to_new_keys_do_not_pile_up),
        cmocka_unit_test(small_pieces_go_out_together),
        cmocka_unit_test(data_in_front_of_a_goodbye_is_read_first),
        cmocka_unit_test(closing_says_goodbye),
        cmocka_unit_test(a_peer_that_hangs_up_ends_the_stream),
        cmocka_unit_test(a_forged_record_breaks_the_stream),
        cmocka_unit_test(a_stream_outlives_the_configuration_it_began_with),
        cmocka_unit_test(a_bad_configuration_is_refused_in_redis_s_words),
        cmocka_unit_test(a_locked_key_opens_with_its_password_alone),
        cmocka_unit_test(without_memory_there_is_no_context_and_no_stream),
        cmocka_unit_test(serving_tls_fails_as_a_whole_and_can_be_tried_again),
        cmocka_unit_test(a_change_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * The generator's side of TLS, through OpenSSL where there is one.
 */
#include "load_tls.h"

#include "load_options.h"

#ifdef LOAD_TLS

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>

struct tls_client {
    SSL *ssl;
    bool is_dry; /* the last read has waited for more to come */
};

enum { READ_AHEAD_BYTES = 64 * 1024 }; /* taken from the kernel at once */

/* All connections share one context, which lives as long as the program. */
static SSL_CTX *shared_context(void)
{
    static SSL_CTX *context;
    if (context)
        return context;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to sockets as to files */
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384"))
        die("cannot set TLS up: %s", ERR_error_string(ERR_get_error(), NULL));
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
    return context;
}

struct tls_client *tls_connect(int fd)
{
    struct tls_client *client = calloc(1, sizeof *client);
    SSL *ssl = SSL_new(shared_context());
    if (!client || !ssl)
        die("out of memory");
    if (!SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1)
        die("no TLS handshake: %s", ERR_error_string(ERR_get_error(), NULL));
    client->ssl = ssl;
    return client;
}

/* The result of a call that has moved no byte. */
static ssize_t refuse(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        die("TLS: %s", ERR_peek_error() ? ERR_error_string(ERR_get_error(), NULL) : "the connection is broken");
    }
}

ssize_t tls_send(struct tls_client *client, const char *from, size_t len)
{
    size_t sent;
    int result = SSL_write_ex(client->ssl, from, len, &sent);
    return result == 1 ? (ssize_t)sent : refuse(client->ssl, result);
}

ssize_t tls_receive(struct tls_client *client, char *to, size_t room)
{
    size_t got = 0, part;
    int result;
    do {
        result = SSL_read_ex(client->ssl, to + got, room - got, &part);
        if (result == 1)
            got += part;
    } while (result == 1 && got < room && SSL_has_pending(client->ssl));
    client->is_dry = result != 1;
    return got > 0 ? (ssize_t)got : refuse(client->ssl, result);
}

bool tls_has_more(const struct tls_client *client)
{
    return !client->is_dry && SSL_has_pending(client->ssl);
}

#else

struct tls_client *tls_connect(int fd)
{
    (void)fd;
    die("this generator was built without TLS");
}

ssize_t tls_send(struct tls_client *client, const char *from, size_t len)
{
    (void)client;
    (void)from;
    (void)len;
    return -1;
}

ssize_t tls_receive(struct tls_client *client, char *to, size_t room)
{
    (void)client;
    (void)to;
    (void)room;
    return -1;
}

bool tls_has_more(const struct tls_client *client)
{
    (void)client;
    return false;
}

#endif

/* TLS through OpenSSL; see tls.h.

   OpenSSL reaches the socket through functions of ours. They never raise a signal. They note when the socket has run
   dry, which tells a record that has come in part from one that only waits to be decrypted. And they keep what the
   socket does not take of a record, while OpenSSL believes it sent: it breaks the connection of a peer that changes its
   keys while a record of its own is unfinished (3.0.19: "bad length"), and if we did not read meanwhile, both sides
   could wait for each other. A read takes in as much as the socket has, header and record at once.

   OpenSSL keeps a queue of errors per thread. It is empty between the calls of this file, so that what is found in it
   belongs to the call that failed. */
#include "net/tls.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    HANDSHAKE_STEPS_MAX = 32, /* messages handled without the socket having been looked at */
    READ_STEPS_MAX = 64,      /* records of one read */
    REST_MAX = 64 * 1024,     /* bytes kept for the socket: a record, and answers to new keys of the peer's */
};

struct tls_context {
    _Atomic size_t references;
    SSL_CTX *ssl;
    BIO_METHOD *to_socket;
};

struct tls {
    struct tls_context *context; /* a reference */
    SSL *ssl;
    int fd;
    bool is_dry;           /* the last read ended because the socket had nothing more */
    bool is_at_end;        /* the peer has hung up */
    bool is_in_order;      /* the handshake is complete, and nothing has gone wrong since */
    enum tls_status ended; /* what the next read has to tell, else TLS_DONE; it was found behind data */
    char *rest;            /* encrypted bytes that go out before all others; NULL: none */
    size_t rest_len;
    size_t rest_sent;  /* of them */
    size_t unreported; /* bytes of data in the record that they end, which tls_write has yet to report as sent */
};

bool tls_is_available(void)
{
    return true;
}

/* --- the way to the socket --- */

static int socket_read(BIO *bio, char *to, size_t room, size_t *got)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t count = recv(tls->fd, to, room, 0);
    *got = count > 0 ? (size_t)count : 0;
    if (count > 0)
        return 1;
    if (count == 0) {
        tls->is_at_end = true;
    } else if (errno == EAGAIN || errno == EINTR) {
        tls->is_dry = true;
        BIO_set_retry_read(bio);
    }
    return 0;
}

/* Puts bytes behind the rest; false when there is no memory. */
static bool keep(struct tls *tls, const char *from, size_t len)
{
    char *grown = mem_realloc(tls->rest, tls->rest_len + len);
    if (grown == NULL)
        return false;
    memcpy(grown + tls->rest_len, from, len);
    tls->rest = grown;
    tls->rest_len += len;
    return true;
}

/* Sends the rest, if there is one: TLS_DONE when there is none any more, TLS_WANTS_WRITE or TLS_BROKEN. */
static enum tls_status send_rest(struct tls *tls)
{
    if (likely(tls->rest == NULL))
        return TLS_DONE;
    ssize_t count = send(tls->fd, tls->rest + tls->rest_sent, tls->rest_len - tls->rest_sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        tls->is_in_order = false;
        return TLS_BROKEN;
    }
    tls->rest_sent += count > 0 ? (size_t)count : 0;
    if (tls->rest_sent < tls->rest_len)
        return TLS_WANTS_WRITE;
    mem_free(tls->rest);
    tls->rest = NULL;
    tls->rest_len = tls->rest_sent = 0;
    return TLS_DONE;
}

/* During the handshake nothing is kept: OpenSSL itself waits for the socket then. */
static int socket_write(BIO *bio, const char *from, size_t len, size_t *sent)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *sent = 0;
    if (likely(tls->rest == NULL)) {
        ssize_t count = send(tls->fd, from, len, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return 0;
        *sent = count > 0 ? (size_t)count : 0;
    }
    size_t left = len - *sent;
    if (left > 0 && tls->is_in_order && tls->rest_len + left <= REST_MAX) {
        if (!keep(tls, from + *sent, left))
            return 0;
        *sent = len;
    }
    if (*sent == 0)
        BIO_set_retry_write(bio);
    return *sent > 0;
}

static long socket_control(BIO *bio, int what, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct tls *tls = BIO_get_data(bio);
    if (what == BIO_CTRL_EOF)
        return tls->is_at_end;
    return what == BIO_CTRL_FLUSH; /* nothing is held back */
}

static BIO_METHOD *make_way_to_socket(void)
{
    /* Without an index of its own, which OpenSSL has only some hundred of per process. */
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "larder socket");
    if (method != NULL && BIO_meth_set_read_ex(method, socket_read) && BIO_meth_set_write_ex(method, socket_write) &&
        BIO_meth_set_ctrl(method, socket_control))
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* --- contexts --- */

/* The parameters that are texts. */
enum setting {
    CERT_FILE,
    KEY_FILE,
    KEY_FILE_PASS,
    DH_PARAMS_FILE,
    CA_CERT_FILE,
    CA_CERT_DIR,
    PROTOCOLS,
    CIPHERS,
    CIPHERSUITES,
    SETTINGS,
};

/* Copies that a context is made from; an unset one is NULL. */
struct settings {
    char *text[SETTINGS];
};

static void free_settings(struct settings *settings)
{
    char *pass = settings->text[KEY_FILE_PASS];
    if (pass != NULL)
        OPENSSL_cleanse(pass, strlen(pass));
    for (size_t i = 0; i < SETTINGS; i++)
        mem_free(settings->text[i]);
}

/* False when there is no memory; to be freed in any case. */
static bool copy_settings(struct config *config, struct settings *settings)
{
    const struct cfg_text *fields[SETTINGS] = {
        [CERT_FILE] = &config->tls_cert_file,         [KEY_FILE] = &config->tls_key_file,
        [KEY_FILE_PASS] = &config->tls_key_file_pass, [DH_PARAMS_FILE] = &config->tls_dh_params_file,
        [CA_CERT_FILE] = &config->tls_ca_cert_file,   [CA_CERT_DIR] = &config->tls_ca_cert_dir,
        [PROTOCOLS] = &config->tls_protocols,         [CIPHERS] = &config->tls_ciphers,
        [CIPHERSUITES] = &config->tls_ciphersuites,
    };
    *settings = (struct settings){0};
    for (size_t i = 0; i < SETTINGS; i++) {
        if (cfg_text_is_empty(config, fields[i]))
            continue;
        settings->text[i] = cfg_duplicate_text(config, fields[i]);
        if (settings->text[i] == NULL)
            return false;
    }
    return true;
}

static bool fail(char error[TLS_ERROR_SIZE], const char *format, ...) PRINTF_LIKE(2, 3);
static bool fail(char error[TLS_ERROR_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, TLS_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

/* What OpenSSL says about the call that failed. */
struct reason {
    char text[TLS_ERROR_SIZE];
};

static struct reason find_reason(void)
{
    struct reason reason;
    ERR_error_string_n(ERR_get_error(), reason.text, sizeof(reason.text));
    ERR_clear_error();
    return reason;
}

/* Without a password the answer is none: OpenSSL would ask at the terminal. */
static int give_password(char *to, int size, int is_for_writing, void *password)
{
    (void)is_for_writing;
    size_t len = password != NULL ? strlen(password) : 0;
    if (len == 0 || len > (size_t)size)
        return -1;
    memcpy(to, password, len);
    return (int)len;
}

static bool load_certificate(SSL_CTX *ssl, const struct settings *settings, char *error)
{
    const char *cert = settings->text[CERT_FILE];
    const char *key = settings->text[KEY_FILE];
    if (cert == NULL)
        return fail(error, "No tls-cert-file configured!");
    if (key == NULL)
        return fail(error, "No tls-key-file configured!");
    SSL_CTX_set_default_passwd_cb(ssl, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, settings->text[KEY_FILE_PASS]);
    bool has_cert = SSL_CTX_use_certificate_chain_file(ssl, cert) > 0;
    bool has_key = has_cert && SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) > 0;
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
    if (!has_cert)
        return fail(error, "Failed to load certificate: %s: %s", cert, find_reason().text);
    if (!has_key)
        return fail(error, "Failed to load private key: %s: %s", key, find_reason().text);
    return true;
}

static bool set_trust(SSL_CTX *ssl, struct config *config, const struct settings *settings, char *error)
{
    const char *file = settings->text[CA_CERT_FILE];
    const char *folder = settings->text[CA_CERT_DIR];
    int auth = CFG_READ(config, tls_auth_clients);
    bool needs_trust = auth != CFG_TLS_AUTH_NO || CFG_READ(config, tls_cluster) || CFG_READ(config, tls_replication);
    if (file == NULL && folder == NULL && needs_trust)
        return fail(error, "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, "
                           "tls-replication or tls-auth-clients are enabled!");
    if ((file != NULL || folder != NULL) && !SSL_CTX_load_verify_locations(ssl, file, folder))
        return fail(error, "Failed to configure CA certificate(s) file/directory: %s", find_reason().text);
    static const int modes[] = {
        [CFG_TLS_AUTH_NO] = SSL_VERIFY_NONE,
        [CFG_TLS_AUTH_YES] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        [CFG_TLS_AUTH_OPTIONAL] = SSL_VERIFY_PEER,
    };
    SSL_CTX_set_verify(ssl, modes[auth], NULL);
    return true;
}

/* The versions that may be spoken, and the option that forbids each. */
static const struct version {
    const char *name;
    uint64_t forbids;
    bool is_default;
} versions[] = {
    {"TLSv1", SSL_OP_NO_TLSv1, false},
    {"TLSv1.1", SSL_OP_NO_TLSv1_1, false},
    {"TLSv1.2", SSL_OP_NO_TLSv1_2, true},
    {"TLSv1.3", SSL_OP_NO_TLSv1_3, true},
};

/* Takes the option that forbids this version off `forbidden`; false when there is no such version. */
static bool allow_version(const char *name, size_t len, uint64_t *forbidden)
{
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        if (strncasecmp(name, versions[i].name, len) != 0 || versions[i].name[len] != '\0')
            continue;
        *forbidden &= ~versions[i].forbids;
        return true;
    }
    return false;
}

static bool allow_versions(const char *names, uint64_t *forbidden)
{
    for (const char *at = names + strspn(names, " "); *at != '\0'; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        if (!allow_version(at, len, forbidden))
            return false;
        at += len;
    }
    return true;
}

static bool set_protocols(SSL_CTX *ssl, const char *names, char *error)
{
    uint64_t all = 0, forbidden = 0;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        all |= versions[i].forbids;
        forbidden |= names != NULL || !versions[i].is_default ? versions[i].forbids : 0;
    }
    if ((names != NULL && !allow_versions(names, &forbidden)) || forbidden == all)
        return fail(error, "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and "
                           "'TLSv1.3'.");
    SSL_CTX_set_min_proto_version(ssl, TLS1_VERSION); /* in place of the system's */
    SSL_CTX_set_max_proto_version(ssl, 0);
    SSL_CTX_set_options(ssl, forbidden);
    return true;
}

static bool set_ciphers(SSL_CTX *ssl, struct config *config, const struct settings *settings, char *error)
{
    const char *ciphers = settings->text[CIPHERS];
    const char *suites = settings->text[CIPHERSUITES];
    if (ciphers != NULL && !SSL_CTX_set_cipher_list(ssl, ciphers))
        return fail(error, "Failed to configure ciphers: %s", ciphers);
    if (suites != NULL && !SSL_CTX_set_ciphersuites(ssl, suites))
        return fail(error, "Failed to configure ciphersuites: %s", suites);
    if (CFG_READ(config, tls_prefer_server_ciphers))
        SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return true;
}

/* Parameters of a Diffie-Hellman exchange for TLS 1.2; without a file OpenSSL chooses some as strong as the key. */
static bool set_dh_parameters(SSL_CTX *ssl, const char *path, char *error)
{
    if (path == NULL) {
        SSL_CTX_set_dh_auto(ssl, 1);
        return true;
    }
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL)
        return fail(error, "Failed to load %s: %s", path, find_reason().text);
    EVP_PKEY *key = PEM_read_bio_Parameters(file, NULL);
    BIO_free(file);
    if (key != NULL && EVP_PKEY_is_a(key, "DH") && SSL_CTX_set0_tmp_dh_pkey(ssl, key) == 1)
        return true; /* it has the key now */
    EVP_PKEY_free(key);
    return fail(error, "%s: failed to read DH params.", path);
}

/* Sessions that returning clients may take up again, from a cache or from tickets that they bring along. A new context
   knows neither: whoever returns after a reload is looked at anew. */
static void set_session_caching(SSL_CTX *ssl, struct config *config)
{
    static const unsigned char name[] = "larder";
    if (!CFG_READ(config, tls_session_caching)) {
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl, 0);
        return;
    }
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(ssl, CFG_READ(config, tls_session_cache_size));
    SSL_CTX_set_timeout(ssl, CFG_READ(config, tls_session_cache_timeout_s));
    SSL_CTX_set_session_id_context(ssl, name, sizeof(name) - 1);
}

static void set_manners(SSL_CTX *ssl)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    /* A stream without data in flight holds no buffers; a write ends with each record, and may be repeated from where
       the bytes lie then; a read ends with each record too, so that no peer can keep it from returning. */
    SSL_CTX_set_mode(ssl,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ssl, 1);
}

static bool configure(SSL_CTX *ssl, struct config *config, char *error)
{
    struct settings settings;
    set_manners(ssl);
    set_session_caching(ssl, config);
    bool is_fine = (copy_settings(config, &settings) || fail(error, "out of memory")) &&
                   load_certificate(ssl, &settings, error) && set_trust(ssl, config, &settings, error) &&
                   set_protocols(ssl, settings.text[PROTOCOLS], error) && set_ciphers(ssl, config, &settings, error) &&
                   set_dh_parameters(ssl, settings.text[DH_PARAMS_FILE], error);
    free_settings(&settings);
    return is_fine;
}

struct tls_context *tls_context_open(struct config *config, char error[TLS_ERROR_SIZE])
{
    struct tls_context *context = mem_alloc_zeroed(sizeof(*context));
    if (context == NULL) {
        fail(error, "out of memory");
        return NULL;
    }
    ERR_clear_error(); /* a program's own thread may have some of its own */
    atomic_init(&context->references, 1);
    context->to_socket = make_way_to_socket();
    context->ssl = context->to_socket != NULL ? SSL_CTX_new(TLS_server_method()) : NULL;
    bool is_fine =
        context->ssl != NULL ? configure(context->ssl, config, error) : fail(error, "%s", find_reason().text);
    ERR_clear_error();
    if (is_fine)
        return context;
    tls_context_drop(context);
    return NULL;
}

void tls_context_drop(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->to_socket);
    mem_free(context);
}

/* --- streams --- */

struct tls *tls_open(struct tls_context *context, int fd)
{
    struct tls *tls = mem_alloc_zeroed(sizeof(*tls));
    if (tls == NULL)
        return NULL;
    tls->fd = fd;
    tls->ssl = SSL_new(context->ssl);
    BIO *bio = tls->ssl != NULL ? BIO_new(context->to_socket) : NULL;
    if (bio == NULL) {
        SSL_free(tls->ssl);
        mem_free(tls);
        ERR_clear_error();
        return NULL;
    }
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    tls->context = context;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_close(struct tls *tls)
{
    if (tls->is_in_order)
        SSL_shutdown(tls->ssl); /* the peer's own goodbye is not waited for */
    SSL_free(tls->ssl);
    ERR_clear_error();
    tls_context_drop(tls->context);
    mem_free(tls->rest);
    mem_free(tls);
}

/* Why a call of OpenSSL's returned without success. The thread's errors stay for find_reason when it is TLS_BROKEN. */
static enum tls_status status_of(struct tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        tls->is_in_order = false;
        return TLS_BROKEN;
    }
}

/* Does OpenSSL hold bytes that it has not come to yet, and is not itself waiting to be completed? */
static bool has_unread(const struct tls *tls)
{
    return !tls->is_dry && SSL_has_pending(tls->ssl);
}

enum tls_status tls_shake_hands(struct tls *tls, char error[TLS_ERROR_SIZE])
{
    assert(!tls->is_in_order && ERR_peek_error() == 0);
    enum tls_status status;
    unsigned steps = 0;
    tls->is_dry = false;
    do {
        errno = 0;
        int result = SSL_do_handshake(tls->ssl);
        status = result == 1 ? TLS_DONE : status_of(tls, result);
    } while (status == TLS_WANTS_READ && has_unread(tls) && ++steps < HANDSHAKE_STEPS_MAX);
    tls->is_in_order = status == TLS_DONE;
    if (status == TLS_ENDED || steps == HANDSHAKE_STEPS_MAX)
        status = TLS_BROKEN;
    if (status == TLS_BROKEN)
        snprintf(error, TLS_ERROR_SIZE, "%s",
                 ERR_peek_error() == 0 && errno != 0 ? strerror(errno) : find_reason().text);
    ERR_clear_error(); /* the search for a certificate's issuer leaves some although it succeeds */
    return status;
}

enum tls_status tls_read(struct tls *tls, char *to, size_t room, size_t *got)
{
    assert(ERR_peek_error() == 0);
    *got = 0;
    if (unlikely(send_rest(tls) == TLS_BROKEN))
        tls->ended = TLS_BROKEN;
    if (tls->ended != TLS_DONE)
        return tls->ended;
    tls->is_dry = false;
    for (unsigned step = 0; step < READ_STEPS_MAX && *got < room; step++) {
        size_t part = 0;
        int result = SSL_read_ex(tls->ssl, to + *got, room - *got, &part);
        *got += part;
        enum tls_status status = result == 1 ? TLS_DONE : status_of(tls, result);
        if ((status == TLS_DONE || status == TLS_WANTS_READ) && has_unread(tls))
            continue;
        if (status == TLS_DONE || status == TLS_WANTS_READ || status == TLS_WANTS_WRITE)
            return status;
        ERR_clear_error();
        tls->ended = status;
        return *got > 0 ? TLS_DONE : status;
    }
    return TLS_DONE;
}

bool tls_has_input(const struct tls *tls)
{
    return tls->ended != TLS_DONE || has_unread(tls);
}

/* Copies from the beginning of the pieces until a record is full; returns its length. */
static size_t fill_record(char record[TLS_RECORD_MAX], const struct iovec *pieces, int count)
{
    size_t len = 0;
    for (int i = 0; i < count && len < TLS_RECORD_MAX; i++) {
        size_t room = TLS_RECORD_MAX - len;
        size_t step = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        memcpy(record + len, pieces[i].iov_base, step);
        len += step;
    }
    return len;
}

/* Encrypts and sends a record; *written is how much data is in it with TLS_DONE. */
static enum tls_status write_record(struct tls *tls, const struct iovec *pieces, int count, size_t *written)
{
    char record[TLS_RECORD_MAX];
    const char *from = pieces[0].iov_base;
    size_t len = pieces[0].iov_len;
    if (len >= TLS_RECORD_MAX) {
        len = TLS_RECORD_MAX;
    } else if (count > 1) {
        len = fill_record(record, pieces, count);
        from = record;
    }
    int result = SSL_write_ex(tls->ssl, from, len, written);
    if (result == 1)
        return TLS_DONE;
    enum tls_status status = status_of(tls, result);
    ERR_clear_error();
    return status == TLS_ENDED ? TLS_BROKEN : status;
}

enum tls_status tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *sent)
{
    assert(ERR_peek_error() == 0);
    *sent = 0;
    enum tls_status status = send_rest(tls);
    if (status == TLS_DONE && tls->unreported == 0) {
        status = write_record(tls, pieces, count, &tls->unreported);
        if (status == TLS_DONE && unlikely(tls->rest != NULL))
            status = TLS_WANTS_WRITE;
    }
    if (status == TLS_DONE) {
        *sent = tls->unreported;
        tls->unreported = 0;
    }
    return status;
}

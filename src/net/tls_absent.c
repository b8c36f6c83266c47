/* In place of tls.c where a build has no OpenSSL: TLS is refused where it is configured; see tls.h. */
#include "net/tls.h"

#include <stdio.h>

bool tls_is_available(void)
{
    return false;
}

struct tls_context *tls_context_open(struct config *config, char error[TLS_ERROR_SIZE])
{
    (void)config;
    snprintf(error, TLS_ERROR_SIZE, "This Larder was built without TLS; tls-port must be 0.");
    return NULL;
}

/* Without a context there is no stream. */

void tls_context_drop(struct tls_context *context)
{
    assert(context == NULL);
    (void)context;
}

struct tls *tls_open(struct tls_context *context, int fd)
{
    (void)context;
    (void)fd;
    return NULL;
}

void tls_close(struct tls *tls)
{
    assert(tls == NULL);
    (void)tls;
}

enum tls_status tls_shake_hands(struct tls *tls, char error[TLS_ERROR_SIZE])
{
    (void)tls;
    error[0] = '\0';
    return TLS_BROKEN;
}

enum tls_status tls_read(struct tls *tls, char *to, size_t room, size_t *got)
{
    (void)tls;
    (void)to;
    (void)room;
    *got = 0;
    return TLS_BROKEN;
}

bool tls_has_input(const struct tls *tls)
{
    (void)tls;
    return false;
}

enum tls_status tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *sent)
{
    (void)tls;
    (void)pieces;
    (void)count;
    *sent = 0;
    return TLS_BROKEN;
}

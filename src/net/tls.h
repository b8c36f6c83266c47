/* TLS on a socket, through OpenSSL, which no other file knows. A build without OpenSSL has tls_absent.c instead: there
   no context can be opened, so that nothing else of this is ever called.

   A context is what a listener accepts with: certificate, whom to trust, protocols, ciphers. It never changes; a new
   configuration is a new context, and connections keep the one that they began with.

   Nothing here waits for the peer: what cannot go on says what the socket has to be ready for. No call raises SIGPIPE.
   A stream is used by one thread at a time; contexts are shared by all. Between calls a stream holds no buffers, unless
   a record has come in part or could be sent in part only. */
#ifndef LARDER_NET_TLS_H
#define LARDER_NET_TLS_H

#include "engine/config.h"

#include <sys/uio.h>

struct tls_context;
struct tls; /* a stream */

enum { TLS_ERROR_SIZE = 512, TLS_RECORD_MAX = 16 * 1024 /* bytes of data */ };

enum tls_status {
    TLS_DONE,
    TLS_WANTS_READ,  /* goes on when the socket is readable */
    TLS_WANTS_WRITE, /* goes on when the socket is writable */
    TLS_ENDED,       /* the peer has said goodbye, or hung up */
    TLS_BROKEN,      /* nothing more can be received or sent */
};

/* Does this build have TLS? */
bool tls_is_available(void);

/* A context as the parameters tls-* say, with one reference. NULL with the reason in Redis's words. */
MUST_USE struct tls_context *tls_context_open(struct config *config, char error[TLS_ERROR_SIZE]);
/* Gives a reference back; NULL is allowed. Any thread. */
void tls_context_drop(struct tls_context *context);

/* The server's side of a stream on an accepted, non-blocking socket, which stays the caller's. It holds a reference to
   the context. NULL: out of memory. */
MUST_USE struct tls *tls_open(struct tls_context *context, int fd);
/* Says goodbye to the peer, if the stream is in order and the socket takes it; the socket is to be closed after. */
void tls_close(struct tls *tls);

/* A step of the handshake: TLS_DONE when it is complete, TLS_BROKEN with the reason when it has failed. */
MUST_USE enum tls_status tls_shake_hands(struct tls *tls, char error[TLS_ERROR_SIZE]);

/* The rest is for streams whose handshake is complete. */

/* Reads up to `room` bytes. *got of them are there whatever the status, which says what the next call needs; with
   TLS_DONE it may have more at once: tls_has_input tells. TLS_ENDED and TLS_BROKEN come without data. */
MUST_USE enum tls_status tls_read(struct tls *tls, char *to, size_t room, size_t *got);
/* After TLS_DONE of tls_read: has more been received than it gave? The socket need not be readable for that. */
MUST_USE bool tls_has_input(const struct tls *tls);

/* Sends one record with bytes from the beginning of these pieces, *sent of them with TLS_DONE, else none. After another
   status the next call must begin with the same bytes; pieces may have been added, and may lie elsewhere. */
MUST_USE enum tls_status tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *sent);

#endif

/* A connection: a session carried by a socket. It belongs to one worker, which alone touches it, except for
   connection_interrupt. An idle connection holds no buffers: input is read into the worker's arena and kept in a buffer
   of the connection's own only while a request is incomplete (or held back); output exists only until it is sent. */
#ifndef LARDER_NET_CONNECTION_H
#define LARDER_NET_CONNECTION_H

#include "base/mailbox.h"
#include "engine/call.h"
#include "net/input.h"
#include "net/tls.h"

struct worker;

enum mail_kind { MAIL_ARRIVAL, MAIL_INTERRUPT };

/* What is sent to a worker's mailbox. */
struct worker_mail {
    struct mail mail;
    enum mail_kind kind;
};

struct connection {
    struct session session; /* first: a session of this transport is its connection */
    struct worker *worker;
    struct list in_worker;       /* worker->connections */
    struct list in_waiting;      /* worker->held or worker->ready */
    struct list in_unread;       /* worker->unread */
    struct tls *tls;             /* NULL: plain TCP, or a Unix socket */
    const char *farewell;        /* all that is said to this client when the handshake is done; NULL: it is served */
    struct input *input;         /* NULL: nothing waits */
    struct input *held_input;    /* requests of the present batch that must wait, in front of `input`; else NULL.
                                    While the session is held, nothing is read */
    char *refusal;               /* a protocol error to be answered behind the batch's replies; else NULL */
    size_t consumed;             /* bytes of `input` that the requests of the present batch take up */
    int64_t soft_limit_since_ms; /* since when the output has been above the soft limit; 0: it is not */
    uint32_t interest;           /* what the reactor was told */
    uint8_t read_waits_for;      /* REACTOR_READ; with TLS it may be REACTOR_WRITE */
    uint8_t write_waits_for;     /* REACTOR_WRITE; with TLS it may be REACTOR_READ */
    bool is_shaking_hands;       /* TLS: nothing is read yet, and there is nothing to send */
    bool is_deferred;            /* its input has further requests, to be parsed when the present ones have run */
    bool is_broken;              /* the peer is gone or must go: close without sending more */
    bool is_closed;              /* waits for its interrupt mail to arrive before it is freed */
    _Atomic bool is_interrupted; /* its mail is on the way; set under the registry's lock */
    struct worker_mail arrival;
    struct worker_mail interrupt;
};

extern const struct transport connection_transport;

/* A connection for an accepted socket, which it owns from now on, in the protocol of these encoders; NULL when there is
 * no memory. Not yet registered. */
MUST_USE struct connection *connection_new(struct larder *engine, struct out_pool *pool, int fd,
                                           const struct reply_encoder *const *encoders);

/* Before it starts: it is to speak TLS. False when there is no memory. */
MUST_USE bool connection_secure(struct connection *connection, struct tls_context *context);

/* On its worker: registers it and starts reading. False when the system refuses. */
MUST_USE bool connection_start(struct connection *connection, struct worker *worker);

/* Goes on with the TLS handshake as far as the socket lets it; when that is complete, is_shaking_hands is false. Sets
   is_broken when the connection must be closed. */
void connection_shake_hands(struct connection *connection);
/* The handshake has failed: sets is_broken and says so. */
void connection_fail_handshake(struct connection *connection, const char *reason);

/* With TLS: reads up to `room` bytes and returns their number; sets is_broken at the end. What the worker has to come
   back for puts the connection on its list `unread`. */
MUST_USE size_t connection_read_secure(struct connection *connection, char *to, size_t room);

/* Sends what can be sent, what waits in the inbox included, and watches for the rest; sets is_broken when the
   connection must be closed. */
void connection_flush(struct connection *connection);

/* Says how much memory its buffers hold, for CLIENT LIST and the limits on clients; where that is too much for all
   clients together, some are interrupted, be it this one. */
void connection_publish(struct connection *connection);

/* The client has let too much output pile up: sets is_broken, says so and counts it. */
void connection_cut_off(struct connection *connection);

/* Closes and frees it, now or when its interrupt mail has arrived. */
void connection_close(struct connection *connection);

/* The interrupt mail arrived: frees a closed connection; true when it is still alive. */
bool connection_take_interrupt(struct connection *connection);

/* Tells the reactor what the connection waits for now. */
void connection_update_interest(struct connection *connection);

static inline struct connection *connection_of(struct session *session)
{
    return CONTAINER_OF(session, struct connection, session);
}

#endif

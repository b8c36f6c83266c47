/* Listening sockets: opening them as bind, port and unixsocket say, and taking new connections from them. */
#ifndef LARDER_NET_LISTENER_H
#define LARDER_NET_LISTENER_H

#include "base/log.h"
#include "net/connection.h"

enum { LISTENER_ERROR_SIZE = 512, LISTENERS_MAX = 3 * CFG_BIND_MAX + 2 };

/* What is listened for; LISTENER_PORTS of them have a port, and may be moved while they serve. */
enum listener_kind {
    LISTENER_TCP,
    LISTENER_TLS,
    LISTENER_GIBSON,
    LISTENER_PORTS,
    LISTENER_UNIX = LISTENER_PORTS,
    LISTENER_GIBSON_UNIX,
};

static inline bool listener_is_unix(enum listener_kind kind)
{
    return kind >= LISTENER_PORTS;
}

static inline bool listener_is_for_gibson(enum listener_kind kind)
{
    return kind == LISTENER_GIBSON || kind == LISTENER_GIBSON_UNIX;
}

struct listener {
    int fd;
    enum listener_kind kind;
    bool is_watched; /* worker 0's reactor knows it */
    char *path;      /* of a Unix socket, to be removed when the set is closed; else NULL */
};

struct listener_set {
    struct listener items[LISTENERS_MAX];
    size_t count;
};

/* Opens TCP sockets, of a kind that has a port, for the addresses (as in the directive bind; "*" and
   "::*" mean all, a leading "-" that the machine may lack it) and port; port 0 opens none, -1 any that is free. The set
   is appended to, and *bound is the port that was bound, 0 or less when none was. False with a message when an address
   cannot be served. */
MUST_USE bool listener_open_tcp(struct listener_set *set, enum listener_kind kind, const char *const *addresses,
                                size_t address_count, int port, int backlog, int *bound, const struct log *log,
                                char error[LISTENER_ERROR_SIZE]);
/* A Unix socket, of a kind that is one, with these permissions (0: as the umask says); an old socket file is replaced.
 */
MUST_USE bool listener_open_unix(struct listener_set *set, enum listener_kind kind, const char *path,
                                 unsigned permissions, int backlog, char error[LISTENER_ERROR_SIZE]);
void listener_close_all(struct listener_set *set);

/* The next waiting connection as a non-blocking socket, -1 when there is none. */
int listener_accept(const struct listener *listener);

/* Fills in the fd, addresses and is_local of a session that came through this listener, and sets the socket's options.
 */
void listener_describe(const struct listener *listener, struct session *session, int fd, int keepalive_s);

#endif

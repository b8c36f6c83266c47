/* Listening sockets; see listener.h. */
#include "net/listener.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void add(struct listener_set *set, int fd, enum listener_kind kind)
{
    assert(set->count < LISTENERS_MAX);
    set->items[set->count++] = (struct listener){.fd = fd, .kind = kind};
}

/* A bound and listening socket for a resolved address; -1 with errno. */
static int open_socket(const struct addrinfo *address, int backlog)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, backlog) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* An address of either family. */
union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int port_of(int fd)
{
    union socket_address address = {.v6 = {.sin6_family = AF_UNSPEC}};
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* Does this error say that the machine has no such address family or address, rather than that the port is taken? */
static bool is_unavailable(int error)
{
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == EPFNOSUPPORT || error == EPROTONOSUPPORT ||
           error == ESOCKTNOSUPPORT || error == ENOPROTOOPT;
}

/* Opens one address; *bound is the port to use, -1 for any, and becomes the port used. Returns false with errno. */
static bool open_address(struct listener_set *set, enum listener_kind kind, const char *host, int backlog, int *bound)
{
    const char *node = strcmp(host, "*") == 0 ? "0.0.0.0" : strcmp(host, "::*") == 0 ? "::" : host;
    char service[16];
    snprintf(service, sizeof(service), "%d", *bound > 0 ? *bound : 0);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses = NULL;
    if (getaddrinfo(node, service, &hints, &addresses) != 0) {
        errno = EADDRNOTAVAIL;
        return false;
    }
    int fd = -1;
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *address = addresses; address != NULL && fd < 0; address = address->ai_next) {
        fd = open_socket(address, backlog);
        error = errno;
    }
    freeaddrinfo(addresses);
    if (fd < 0) {
        errno = error;
        return false;
    }
    *bound = port_of(fd);
    add(set, fd, kind);
    return true;
}

bool listener_open_tcp(struct listener_set *set, enum listener_kind kind, const char *const *addresses,
                       size_t address_count, int port, int backlog, int *bound, const struct log *log,
                       char error[LISTENER_ERROR_SIZE])
{
    assert(kind != LISTENER_UNIX);
    *bound = port;
    for (size_t i = 0; port != 0 && i < address_count; i++) {
        bool is_optional = addresses[i][0] == '-';
        const char *host = addresses[i] + is_optional;
        if (open_address(set, kind, host, backlog, bound))
            continue;
        int reason = errno;
        log_printf(log, LOG_WARNING_LEVEL, "Warning: Could not create server TCP listening socket %s:%d: %s", host,
                   *bound > 0 ? *bound : 0, strerror(reason));
        if (is_optional && is_unavailable(reason))
            continue;
        snprintf(error, LISTENER_ERROR_SIZE, "%s:%d: %s", host, port, strerror(reason));
        return false;
    }
    return true;
}

bool listener_open_unix(struct listener_set *set, const char *path, unsigned permissions, int backlog,
                        char error[LISTENER_ERROR_SIZE])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(error, LISTENER_ERROR_SIZE, "%.100s...: the path of a Unix socket has at most %zu bytes", path,
                 sizeof(address.sun_path) - 1);
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    unlink(path); /* a socket left behind by a server that was killed */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                   (permissions == 0 || chmod(path, (mode_t)permissions) == 0) && listen(fd, backlog) == 0;
    char *kept = is_open ? mem_strdup(path) : NULL;
    if (kept == NULL) {
        snprintf(error, LISTENER_ERROR_SIZE, "%s: %s", path, is_open ? "out of memory" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    set->unix_path = kept;
    add(set, fd, LISTENER_UNIX);
    return true;
}

void listener_close_all(struct listener_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        close(set->items[i].fd);
    if (set->unix_path != NULL)
        unlink(set->unix_path);
    mem_free(set->unix_path);
    *set = (struct listener_set){0};
}

int listener_accept(const struct listener *listener)
{
    int fd;
    do {
        fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd;
}

/* "127.0.0.1:6379", "[::1]:6379", and whether the address is the machine's own. */
static void describe_address(const union socket_address *address, char to[SESSION_ADDRESS_SIZE], bool *is_loopback)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
        snprintf(to, SESSION_ADDRESS_SIZE, "%s:%d", host, ntohs(address->v4.sin_port));
        *is_loopback = ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    } else if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        snprintf(to, SESSION_ADDRESS_SIZE, "[%s]:%d", host, ntohs(address->v6.sin6_port));
        *is_loopback = IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    } else {
        snprintf(to, SESSION_ADDRESS_SIZE, "?:0");
        *is_loopback = false;
    }
}

static void set_tcp_options(int fd, int keepalive_s)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (keepalive_s <= 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_KEEPIDLE
    int probe_s = keepalive_s / 3 > 0 ? keepalive_s / 3 : 1; /* three probes within one more interval */
    int probes = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_s, sizeof(keepalive_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof(probe_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
#endif
}

void listener_describe(struct session *session, int fd, bool is_unix, const char *unix_path, int keepalive_s)
{
    session->fd = fd;
    session->is_unix = is_unix;
    if (is_unix) {
        snprintf(session->address, sizeof(session->address), "%s:0", unix_path);
        snprintf(session->local_address, sizeof(session->local_address), "%s:0", unix_path);
        session->is_local = true;
        return;
    }
    union socket_address address = {.v6 = {.sin6_family = AF_UNSPEC}};
    socklen_t len = sizeof(address);
    bool is_own_loopback;
    getpeername(fd, &address.any, &len);
    describe_address(&address, session->address, &session->is_local);
    len = sizeof(address);
    getsockname(fd, &address.any, &len);
    describe_address(&address, session->local_address, &is_own_loopback);
    set_tcp_options(fd, keepalive_s);
}

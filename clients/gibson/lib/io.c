/* Sockets. All are non-blocking; every wait is a poll that a signal does not shorten or lengthen. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Writing to a closed connection is an error and no SIGPIPE: Linux has a flag for the call, macOS one for the socket.
 */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the socket is ready for `events`, or has failed: the next call on it tells. */
static int wait_until_ready(int fd, short events, int timeout_ms)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    struct pollfd socket = {.fd = fd, .events = events};
    for (int left_ms = timeout_ms > 0 ? timeout_ms : -1;;) {
        int ready = poll(&socket, 1, left_ms);
        if (ready > 0)
            return 0;
        if (ready == 0)
            return ETIMEDOUT;
        if (errno != EINTR)
            return errno;
        if (timeout_ms > 0) {
            int64_t rest_ms = deadline_ms - now_ms();
            left_ms = rest_ms > 0 ? (int)rest_ms : 0;
        }
    }
}

/* --- connecting --- */

static int set_flag(int fd, int get, int set, int flag)
{
    int flags = fcntl(fd, get);
    return flags == -1 || fcntl(fd, set, flags | flag) == -1 ? errno : 0;
}

static int open_socket(int family, int *fd)
{
    *fd = socket(family, SOCK_STREAM, 0);
    if (*fd == -1) {
        int error = errno;
        gbi_set_error("Unable to create SOCK_STREAM socket: %d", error);
        return error;
    }
#ifdef SO_NOSIGPIPE
    setsockopt(*fd, SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
    return set_flag(*fd, F_GETFD, F_SETFD, FD_CLOEXEC);
}

static int describe(int error)
{
    if (error != 0)
        gbi_set_error("( %d ) %s", error, strerror(error));
    return error;
}

static void close_unless(int error, int *fd)
{
    if (error == 0 || *fd == -1)
        return;
    close(*fd);
    *fd = -1;
}

/* Starts to connect without blocking, and waits for the outcome. */
static int connect_in_time(int fd, const struct sockaddr *address, socklen_t len, int timeout_ms)
{
    int error = set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK);
    if (error != 0)
        return error;
    if (connect(fd, address, len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    error = wait_until_ready(fd, POLLOUT, timeout_ms);
    socklen_t size = sizeof(error);
    if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
        return errno;
    return error;
}

static int connect_to_address(const struct addrinfo *address, int timeout_ms, int *fd)
{
    int error = open_socket(AF_INET, fd);
    if (*fd == -1)
        return error;
    if (error == 0)
        error = connect_in_time(*fd, address->ai_addr, address->ai_addrlen, timeout_ms);
    if (error == 0)
        setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* slower without, not wrong */
    close_unless(error, fd);
    return describe(error);
}

int gbi_connect_tcp(const char *host, int port, int timeout_ms, int *fd)
{
    *fd = -1;
    if (port < 1 || port > 65535)
        return describe(EINVAL);
    char service[8];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses;
    int unknown = getaddrinfo(host, service, &hints, &addresses);
    if (unknown != 0) {
        gbi_set_error("( %d ) %s", unknown, gai_strerror(unknown));
        return -1;
    }
    int error = -1;
    for (const struct addrinfo *address = addresses; address != NULL && error != 0; address = address->ai_next)
        error = connect_to_address(address, timeout_ms, fd);
    freeaddrinfo(addresses);
    return error;
}

/* Connecting to a Unix socket waits only while the server's queue is full, and for that nothing can be polled: a
   blocking connect with a limit on its time does it. */
static int connect_unix_in_time(int fd, const struct sockaddr_un *address, int timeout_ms)
{
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
    if (timeout_ms > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == -1)
        return errno;
    while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == -1)
        if (errno != EINTR)
            return errno == EAGAIN ? ETIMEDOUT : errno;
    return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK);
}

int gbi_connect_unix(const char *path, int timeout_ms, int *fd)
{
    *fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path))
        return describe(ENAMETOOLONG);
    memcpy(address.sun_path, path, len + 1);
    int error = open_socket(AF_UNIX, fd);
    if (*fd == -1)
        return error;
    if (error == 0)
        error = connect_unix_in_time(*fd, &address, timeout_ms);
    close_unless(error, fd);
    return describe(error);
}

/* --- talking --- */

int gbi_send_all(int fd, const unsigned char *data, size_t len, int timeout_ms)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            data += sent;
            len -= (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return errno;
        int error = wait_until_ready(fd, POLLOUT, timeout_ms);
        if (error != 0)
            return error;
    }
    return 0;
}

int gbi_receive_some(int fd, unsigned char *at, size_t room, int timeout_ms, size_t *received)
{
    for (;;) {
        int error = wait_until_ready(fd, POLLIN, timeout_ms);
        if (error != 0)
            return error;
        ssize_t got = recv(fd, at, room, 0);
        if (got > 0) {
            *received = (size_t)got;
            return 0;
        }
        if (got == 0)
            return ECONNRESET;
        if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
            return errno;
    }
}

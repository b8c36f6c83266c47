/* A Gibson client with a test at the other end of its connection. The test writes the reply first, lets the client run
   its command, and reads the request afterwards: both fit into the socket's buffers. In a connection of packets each
   write is what one receive of the client gets. */
#ifndef LARDER_TESTS_GIBSON_PEER_H
#define LARDER_TESTS_GIBSON_PEER_H

#include "gibson.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- allocations that fail: the linker sends the library's and the test's here --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

static int allocations_left = -1; /* so many succeed and then one fails; -1: all succeed */

static bool allocation_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(at, size);
}

/* --- the peer --- */

enum { PEER_TIMEOUT_MS = 5000, PEER_SHORT_MS = 30 };

struct peer {
    gbClient client;
    int fd; /* the server's end */
};

static inline void peer_open(struct peer *peer, int type)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    peer->client = (gbClient){.fd = fds[0], .timeout = PEER_TIMEOUT_MS};
    GB_INIT_BUFFER(peer->client.request);
    GB_INIT_BUFFER(peer->client.reply);
    peer->fd = fds[1];
}

static inline void peer_hang_up(struct peer *peer)
{
    if (peer->fd != -1)
        close(peer->fd);
    peer->fd = -1;
}

static inline void peer_close(struct peer *peer)
{
    peer_hang_up(peer);
    gb_disconnect(&peer->client);
}

static inline void peer_write(struct peer *peer, const void *bytes, size_t size)
{
    assert_int_equal(write(peer->fd, bytes, size), size);
}

/* The bytes of a reply being made. */
struct bytes_made {
    unsigned char at[4096];
    size_t size;
};

static inline void make_bytes(struct bytes_made *made, const void *bytes, size_t size)
{
    assert_true(size <= sizeof(made->at) - made->size);
    if (size > 0)
        memcpy(made->at + made->size, bytes, size);
    made->size += size;
}

static inline void make_number(struct bytes_made *made, uint64_t number, size_t size)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    make_bytes(made, bytes, size);
}

static inline void make_header(struct bytes_made *made, int code, int encoding, uint32_t size)
{
    make_number(made, (uint64_t)code, 2);
    make_number(made, (uint64_t)encoding, 1);
    make_number(made, size, 4);
}

static inline struct bytes_made made_reply(int code, int encoding, const void *data, size_t size)
{
    struct bytes_made made = {.size = 0};
    make_header(&made, code, encoding, (uint32_t)size);
    make_bytes(&made, data, size);
    return made;
}

static inline struct bytes_made made_ok(void)
{
    return made_reply(REPL_OK, GB_ENC_PLAIN, "", 1);
}

static inline struct bytes_made made_value(const char *text)
{
    return made_reply(REPL_VAL, GB_ENC_PLAIN, text, strlen(text));
}

static inline void make_entry(struct bytes_made *made, const char *key, int encoding, const void *value, size_t size)
{
    make_number(made, strlen(key), 4);
    make_bytes(made, key, strlen(key));
    make_number(made, (uint64_t)encoding, 1);
    make_number(made, size, 4);
    make_bytes(made, value, size);
}

static inline void peer_reply(struct peer *peer, struct bytes_made made)
{
    peer_write(peer, made.at, made.size);
}

/* The last error of this thread. */
static inline const char *last_error(void)
{
    static char text[1024];
    gb_getlasterror(text, sizeof(text));
    return text;
}

#endif

/* The client: connecting, and one function per command. All commands are the same exchange: the arguments joined by
   spaces go out behind the length and the operator, and one reply comes back. The connection is in step with the server
   before and after each; an exchange that breaks off closes it, since nobody could tell its late reply from the next.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LENGTH_SIZE = 4, OPCODE_SIZE = 2, NUMBER_TEXT_SIZE = 12, DEFAULT_PORT = 10128 };

static const char default_address[] = "127.0.0.1";
static const char default_socket[] = "/var/run/gibson.sock";

/* --- connecting --- */

static int start(gbClient *c, const char *address, int port, int timeout)
{
    *c = (gbClient){.fd = -1, .port = port, .timeout = timeout};
    size_t len = strlen(address);
    if (len >= sizeof(c->address)) {
        gbi_set_error("( %d ) %s", ENAMETOOLONG, strerror(ENAMETOOLONG));
        return ENAMETOOLONG;
    }
    memcpy(c->address, address, len + 1);
    return 0;
}

/* The buffers come with the connection; without it there is nothing to free. */
static int finish_connecting(gbClient *c, int error)
{
    if (error == 0 && (gbi_buffer_init(&c->request) != 0 || gbi_buffer_init(&c->reply) != 0)) {
        error = ENOMEM;
        gb_disconnect(c);
        gbi_set_error("( %d ) %s", error, strerror(error));
    }
    c->error = error;
    return error;
}

int gb_tcp_connect(gbClient *c, const char *address, int port, int timeout)
{
    if (address == NULL || *address == '\0')
        address = default_address;
    int error = start(c, address, port != 0 ? port : DEFAULT_PORT, timeout);
    if (error == 0)
        error = gbi_connect_tcp(c->address, c->port, timeout, &c->fd);
    return finish_connecting(c, error);
}

int gb_unix_connect(gbClient *c, const char *socket, int timeout)
{
    if (socket == NULL || *socket == '\0')
        socket = default_socket;
    int error = start(c, socket, -1, timeout);
    if (error == 0)
        error = gbi_connect_unix(c->address, timeout, &c->fd);
    return finish_connecting(c, error);
}

static void close_connection(gbClient *c)
{
    if (c->fd != -1)
        close(c->fd);
    c->fd = -1;
}

void gb_disconnect(gbClient *c)
{
    close_connection(c);
    gbi_buffer_free(&c->request);
    gbi_buffer_free(&c->reply);
    c->port = c->error = -1;
}

/* --- the exchange --- */

/* An argument of a command. */
struct arg {
    const char *at;
    int len;
};

/* Writes the request into c->request. */
static int compose(gbClient *c, int opcode, int argc, const struct arg *args)
{
    size_t size = LENGTH_SIZE + OPCODE_SIZE;
    for (int i = 0; i < argc; i++) {
        if (args[i].len < 0 || (args[i].at == NULL && args[i].len > 0))
            return EINVAL;
        size += (size_t)args[i].len + (i > 0);
    }
    int error = gbi_buffer_reserve(&c->request, size);
    if (error != 0)
        return error;
    unsigned char *at = c->request.buffer;
    gbi_write_u32(at, (uint32_t)(size - LENGTH_SIZE));
    at[LENGTH_SIZE] = (unsigned char)opcode;
    at[LENGTH_SIZE + 1] = 0;
    at += LENGTH_SIZE + OPCODE_SIZE;
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            *at++ = ' ';
        if (args[i].len > 0)
            memcpy(at, args[i].at, (size_t)args[i].len);
        at += args[i].len;
    }
    c->request.code = (short)opcode;
    c->request.size = (uint32_t)size;
    return 0;
}

/* Receives the header, and what comes with it of the data: *received bytes at the beginning of the buffer. */
static int receive_header(gbClient *c, size_t *received)
{
    gbBuffer *reply = &c->reply;
    int error = gbi_buffer_reserve(reply, GB_DEFAULT_BUFFER_SIZE);
    size_t have = 0;
    while (error == 0 && have < GBI_HEADER_SIZE) {
        size_t more = 0;
        error = gbi_receive_some(c->fd, reply->buffer + have, reply->rsize - have, c->timeout, &more);
        have += more;
    }
    if (error != 0)
        return error;
    gbBuffer header = {0};
    if (!gbi_decode_header(reply->buffer, &header))
        return EPROTO;
    *received = have - GBI_HEADER_SIZE;
    if (*received > header.size)
        return EPROTO;
    memmove(reply->buffer, reply->buffer + GBI_HEADER_SIZE, *received);
    reply->code = header.code;
    reply->encoding = header.encoding;
    reply->size = header.size;
    return 0;
}

/* Receives a whole reply. Memory grows with what has arrived, not with what was announced. */
static int receive_reply(gbClient *c)
{
    gbBuffer *reply = &c->reply;
    size_t have = 0;
    int error = receive_header(c, &have);
    while (error == 0 && have < reply->size) {
        size_t more = 0;
        error = gbi_buffer_reserve(reply, have + 1);
        size_t room = reply->rsize - have;
        if (room > reply->size - have)
            room = reply->size - have;
        if (error == 0)
            error = gbi_receive_some(c->fd, reply->buffer + have, room, c->timeout, &more);
        have += more;
    }
    if (error == 0)
        error = gbi_buffer_reserve(reply, have + 1); /* for the NUL */
    if (error != 0)
        return error;
    reply->buffer[have] = '\0';
    return reply->code == REPL_KVAL && !gbi_is_list(reply->buffer, reply->size) ? EPROTO : 0;
}

/* No reply came: nothing of an earlier one may be taken for it. */
static int fail(gbClient *c, int error)
{
    gbi_set_error(error == ETIMEDOUT ? "I/O operation timeout or error: %d" : "I/O operation error: %d", error);
    c->reply.code = REPL_ERR;
    c->reply.encoding = GB_ENC_PLAIN;
    c->reply.size = 0;
    if (c->reply.buffer != NULL)
        c->reply.buffer[0] = '\0';
    c->error = -1;
    return -1;
}

/* Runs a command: the whole API comes down to this. */
static int run(gbClient *c, int opcode, int expected, int argc, const struct arg *args)
{
    if (c->fd == -1)
        return fail(c, ENOTCONN);
    int error = compose(c, opcode, argc, args);
    if (error != 0)
        return fail(c, error);
    error = gbi_send_all(c->fd, c->request.buffer, c->request.size, c->timeout);
    if (error == 0)
        error = receive_reply(c);
    if (error != 0) {
        close_connection(c);
        return fail(c, error);
    }
    c->error = c->reply.code == expected ? 0 : c->reply.code;
    return c->error;
}

static struct arg number_arg(int number, char text[NUMBER_TEXT_SIZE])
{
    return (struct arg){text, snprintf(text, NUMBER_TEXT_SIZE, "%d", number)};
}

/* --- commands, by the shape of their arguments --- */

static int run_key(gbClient *c, int opcode, int expected, const char *key, int klen)
{
    const struct arg args[] = {{key, klen}};
    return run(c, opcode, expected, 1, args);
}

static int run_key_number(gbClient *c, int opcode, int expected, const char *key, int klen, int number)
{
    char text[NUMBER_TEXT_SIZE];
    const struct arg args[] = {{key, klen}, number_arg(number, text)};
    return run(c, opcode, expected, 2, args);
}

static int run_key_bytes(gbClient *c, int opcode, const char *key, int klen, const char *bytes, int len)
{
    const struct arg args[] = {{key, klen}, {bytes, len}};
    return run(c, opcode, REPL_VAL, 2, args);
}

int gb_set(gbClient *c, const char *key, int klen, const char *value, int vlen, int ttl)
{
    char text[NUMBER_TEXT_SIZE];
    const struct arg args[] = {number_arg(ttl, text), {key, klen}, {value, vlen}};
    return run(c, OP_SET, REPL_VAL, 3, args);
}

int gb_ttl(gbClient *c, const char *key, int klen, int ttl)
{
    return run_key_number(c, OP_TTL, REPL_OK, key, klen, ttl);
}

int gb_get(gbClient *c, const char *key, int klen)
{
    return run_key(c, OP_GET, REPL_VAL, key, klen);
}

int gb_del(gbClient *c, const char *key, int klen)
{
    return run_key(c, OP_DEL, REPL_OK, key, klen);
}

int gb_inc(gbClient *c, const char *key, int klen)
{
    return run_key(c, OP_INC, REPL_VAL, key, klen);
}

int gb_dec(gbClient *c, const char *key, int klen)
{
    return run_key(c, OP_DEC, REPL_VAL, key, klen);
}

int gb_lock(gbClient *c, const char *key, int klen, int time)
{
    return run_key_number(c, OP_LOCK, REPL_OK, key, klen, time);
}

int gb_unlock(gbClient *c, const char *key, int klen)
{
    return run_key(c, OP_UNLOCK, REPL_OK, key, klen);
}

int gb_meta(gbClient *c, const char *key, int klen, const char *meta, int mlen)
{
    return run_key_bytes(c, OP_META, key, klen, meta, mlen);
}

int gb_mset(gbClient *c, const char *expr, int elen, const char *value, int vlen)
{
    return run_key_bytes(c, OP_MSET, expr, elen, value, vlen);
}

int gb_mttl(gbClient *c, const char *expr, int elen, int ttl)
{
    return run_key_number(c, OP_MTTL, REPL_VAL, expr, elen, ttl);
}

int gb_mget(gbClient *c, const char *expr, int elen)
{
    return run_key(c, OP_MGET, REPL_KVAL, expr, elen);
}

int gb_mdel(gbClient *c, const char *expr, int elen)
{
    return run_key(c, OP_MDEL, REPL_VAL, expr, elen);
}

int gb_minc(gbClient *c, const char *expr, int elen)
{
    return run_key(c, OP_MINC, REPL_VAL, expr, elen);
}

int gb_mdec(gbClient *c, const char *expr, int elen)
{
    return run_key(c, OP_MDEC, REPL_VAL, expr, elen);
}

int gb_mlock(gbClient *c, const char *expr, int elen, int time)
{
    return run_key_number(c, OP_MLOCK, REPL_VAL, expr, elen, time);
}

int gb_munlock(gbClient *c, const char *expr, int elen)
{
    return run_key(c, OP_MUNLOCK, REPL_VAL, expr, elen);
}

int gb_count(gbClient *c, const char *expr, int elen)
{
    return run_key(c, OP_COUNT, REPL_VAL, expr, elen);
}

int gb_keys(gbClient *c, const char *expr, int elen)
{
    return run_key(c, OP_KEYS, REPL_KVAL, expr, elen);
}

int gb_stats(gbClient *c)
{
    return run(c, OP_STATS, REPL_KVAL, 0, NULL);
}

int gb_ping(gbClient *c)
{
    return run(c, OP_PING, REPL_OK, 0, NULL);
}

int gb_quit(gbClient *c)
{
    return run(c, OP_END, REPL_OK, 0, NULL);
}

/*
 * The load generator: one thread that keeps many RESP connections busy and says how the server answered.
 *
 * It must never be what limits a measurement, so each connection owns a batch of requests built once, in which only the
 * digits of the keys change, and replies are read in place from one shared buffer. It also never trusts the server:
 * every reply must have the kind, the size and, for GET, the content that the request asked for. Values carry their
 * key's digits (see struct shape), so a server that mixes up its replies fails here instead of looking fast.
 *
 * A batch is `--pipeline` requests written at once; the next one follows when the last reply is in. Latency runs from
 * the batch's write to each of its replies. With `--rate` batches have a timetable, and latency runs from the time in
 * the table: a stalled server is charged for the requests that had to wait for it, not only for those it had accepted.
 *
 * Nothing here is shared with the server, so that a mistake cannot hide by being made on both sides.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "load_noise.h"
#include "load_options.h"
#include "load_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    KEY_DIGITS = 18,           /* "key:" and eighteen digits: 22 bytes */
    KEY_BYTES = 22,            /* of the whole key */
    DEADLINE_DIGITS = 13,      /* milliseconds since 1970, as far as TIME_MS_MIN and _MAX go */
    MSET_PAIRS = 10,           /* keys in one MSET */
    LINE_BYTES_MAX = 1024,     /* of a reply line; an error text is the longest */
    READ_BYTES = 256 * 1024,   /* asked for at once */
    EVENTS_MAX = 256,          /* taken from the kernel at once */
    SILENCE_S_MAX = 30,        /* without any reply, before giving up */
    SPIN_NS = 200 * 1000,      /* sleep is too coarse for a due time that is closer than this */
    ZIPF_SAMPLES = 1024 * 1024 /* drawn in advance; a power of two */
};

#define NS_PER_S UINT64_C(1000000000)

/*
 * One request as bytes, and where the parts lie that differ from request to request. A value begins with the last
 * digits of its key (as many as fit, up to all 18) and goes on with filler.
 */
struct shape {
    char *bytes;
    size_t len;
    unsigned keys;               /* in one request */
    size_t key_end[MSET_PAIRS];  /* offset just after the key's last digit */
    size_t value_at[MSET_PAIRS]; /* offset of the value's first digit */
    unsigned value_digits;       /* of the key that stand in its value; 0: the request has no value */
    size_t deadline_end;         /* offset just after the deadline's last digit; 0: none */
    unsigned varying_digits;     /* of a key; those before them are zero in the whole key space */
};

/* Latencies in nanoseconds: exact below 256, then 128 steps to each doubling, so that a figure is off by under 1 %. */
struct histogram {
    uint64_t counts[256 + 56 * 128];
    uint64_t total;
    uint64_t max_ns; /* exact */
};

/* A connection. Invariant: answered <= batch, and the bytes of out stay as sent until the last reply to them is in. */
struct conn {
    int fd;
    struct tls_client *tls; /* NULL: plain */
    bool is_write_blocked;  /* registered for EPOLLOUT: the kernel took only a part of out */
    unsigned batch;         /* requests in out that await their replies; 0: resting */
    unsigned answered;      /* of them */
    uint64_t since_ns;      /* what latency is counted from */
    size_t sent;            /* bytes of the batch that the kernel has taken */
    char *out;              /* pipeline requests */
    char *rest;             /* beginning of a reply whose end has not come yet */
    size_t rest_len;
};

struct load {
    struct options options;
    struct shape shape;
    struct conn *conns;
    struct conn **resting;  /* ring of connections without a batch; only used with a timetable */
    uint64_t resting_first; /* counts connections taken from the ring */
    uint64_t resting_last;  /* counts connections put in */
    uint64_t busy;          /* connections with a batch */
    uint64_t issued;        /* requests handed to connections */
    uint64_t answered;      /* replies received */
    uint64_t errors;        /* of them, error replies */
    uint64_t misses;        /* of them, GETs of a key that was not there */
    char first_error[LINE_BYTES_MAX];
    uint64_t start_ns;
    uint64_t stop_ns; /* no batch starts from here on; UINT64_MAX: no limit of time */
    uint64_t last_reply_ns;
    uint64_t late_ns_max; /* how far the generator itself fell behind the timetable with a connection free */
    uint64_t random;
    uint64_t next_sequential; /* below options.keys */
    uint32_t *zipf;           /* ZIPF_SAMPLES key numbers; NULL unless that is the distribution */
    uint64_t zipf_next;
    const char *expected; /* the whole reply, where it is always the same; NULL: depends */
    size_t expected_len;
    size_t reply_bytes_max; /* of any reply that is not a protocol error */
    int epoll_fd;
    char *buffer; /* reply_bytes_max + READ_BYTES; no content between two reads */
    struct histogram latencies;
    struct noise *noise;         /* NULL: not watched */
    uint64_t undisturbed_ns_max; /* longest latency without the waiting that noise tells of */
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("out of memory");
    return memory;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- Latencies --- */

static unsigned histogram_slot(uint64_t ns)
{
    if (ns < 256)
        return (unsigned)ns;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(ns);
    return 256 + (exponent - 8) * 128 + (unsigned)((ns >> (exponent - 7)) & 127);
}

/* The largest latency that falls into the slot. */
static uint64_t histogram_slot_ns(unsigned slot)
{
    if (slot < 256)
        return slot;
    unsigned exponent = 8 + (slot - 256) / 128;
    uint64_t mantissa = 128 + (slot - 256) % 128;
    return ((mantissa + 1) << (exponent - 7)) - 1;
}

static void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[histogram_slot(ns)]++;
    histogram->total++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

/* The latency in microseconds that the given share of the requests did not exceed. */
static double histogram_percentile_us(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * share);
    if ((double)wanted < (double)histogram->total * share)
        wanted++;
    uint64_t seen = 0;
    for (unsigned slot = 0; slot < sizeof histogram->counts / sizeof histogram->counts[0]; slot++) {
        seen += histogram->counts[slot];
        if (seen >= wanted && seen > 0) {
            uint64_t ns = histogram_slot_ns(slot);
            return (double)(ns < histogram->max_ns ? ns : histogram->max_ns) / 1e3;
        }
    }
    return (double)histogram->max_ns / 1e3;
}

/* --- Keys --- */

/* splitmix64: one multiplication chain per number, and any seed will do. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)random_next(state) * limit) >> 64);
}

/*
 * Draws key numbers by Zipf's law (the key of rank r is asked for 1/r as often as the first), all in advance: a draw is
 * a binary search, too slow for the loop. Ranks are scattered over the key space, or popular keys would be neighbours.
 */
static uint32_t *zipf_samples(uint64_t keys, uint64_t seed)
{
    if (keys > UINT32_MAX)
        die("--distribution zipf takes at most %" PRIu32 " keys", UINT32_MAX);
    double *cumulated = allocate(keys, sizeof *cumulated);
    double sum = 0;
    for (uint64_t rank = 0; rank < keys; rank++) {
        sum += 1.0 / (double)(rank + 1);
        cumulated[rank] = sum;
    }
    uint32_t *samples = allocate(ZIPF_SAMPLES, sizeof *samples);
    for (size_t i = 0; i < ZIPF_SAMPLES; i++) {
        double wanted = (double)(random_next(&seed) >> 11) / 9007199254740992.0 * sum; /* 2^53 */
        uint64_t low = 0, high = keys - 1;
        while (low < high) {
            uint64_t middle = low + (high - low) / 2;
            if (cumulated[middle] > wanted)
                high = middle;
            else
                low = middle + 1;
        }
        uint64_t scatter = low;
        samples[i] = (uint32_t)random_below(&scatter, keys);
    }
    free(cumulated);
    return samples;
}

static uint64_t next_key(struct load *load)
{
    uint64_t offset;
    switch (load->options.distribution) {
    case DIST_SEQUENTIAL:
        offset = load->next_sequential;
        load->next_sequential = offset + 1 == load->options.keys ? 0 : offset + 1;
        break;
    case DIST_ZIPF:
        offset = load->zipf[load->zipf_next++ % ZIPF_SAMPLES];
        break;
    default:
        offset = random_below(&load->random, load->options.keys);
    }
    return load->options.first_key + offset;
}

/* --- Requests --- */

/* Writes the last `digits` decimal digits of number so that they end just before `end`. */
static void put_digits(char *end, unsigned digits, uint64_t number)
{
    while (digits-- > 0) {
        *--end = (char)('0' + number % 10);
        number /= 10;
    }
}

static unsigned count_digits(uint64_t number)
{
    unsigned digits = 1;
    while (number /= 10)
        digits++;
    return digits;
}

static void shape_text(struct shape *shape, const char *text)
{
    size_t len = strlen(text);
    memcpy(shape->bytes + shape->len, text, len);
    shape->len += len;
}

static void shape_key(struct shape *shape, unsigned index)
{
    shape_text(shape, "$22\r\nkey:000000000000000000\r\n");
    shape->key_end[index] = shape->len - 2;
}

static void shape_value(struct shape *shape, unsigned index, size_t value_bytes)
{
    char header[32];
    snprintf(header, sizeof header, "$%zu\r\n", value_bytes);
    shape_text(shape, header);
    shape->value_at[index] = shape->len;
    memset(shape->bytes + shape->len, 'x', value_bytes);
    memset(shape->bytes + shape->len, '0', shape->value_digits);
    shape->len += value_bytes;
    shape_text(shape, "\r\n");
}

static void shape_deadline(struct shape *shape)
{
    shape_text(shape, "$4\r\nPXAT\r\n$13\r\n0000000000000\r\n");
    shape->deadline_end = shape->len - 2;
}

static struct shape make_shape(const struct options *options)
{
    struct shape shape = {.keys = 1};
    shape.bytes = allocate(1, 128 + MSET_PAIRS * (64 + options->value_bytes));
    shape.varying_digits = count_digits(options->first_key + options->keys - 1);
    if (options->command == CMD_SET || options->command == CMD_MSET)
        shape.value_digits = options->value_bytes < KEY_DIGITS ? (unsigned)options->value_bytes : KEY_DIGITS;
    switch (options->command) {
    case CMD_GET:
        shape_text(&shape, "*2\r\n$3\r\nGET\r\n");
        shape_key(&shape, 0);
        break;
    case CMD_SET:
        shape_text(&shape, options->deadline_ms ? "*5\r\n$3\r\nSET\r\n" : "*3\r\n$3\r\nSET\r\n");
        shape_key(&shape, 0);
        shape_value(&shape, 0, options->value_bytes);
        if (options->deadline_ms)
            shape_deadline(&shape);
        break;
    case CMD_INCR:
        shape_text(&shape, "*2\r\n$4\r\nINCR\r\n");
        shape_key(&shape, 0);
        break;
    case CMD_MSET:
        shape_text(&shape, "*21\r\n$4\r\nMSET\r\n");
        shape.keys = MSET_PAIRS;
        for (unsigned i = 0; i < MSET_PAIRS; i++) {
            shape_key(&shape, i);
            shape_value(&shape, i, options->value_bytes);
        }
        break;
    case CMD_PING:
        shape_text(&shape, "*1\r\n$4\r\nPING\r\n");
        shape.keys = 0;
        break;
    }
    return shape;
}

/* Gives the request at `bytes`, a copy of the shape, its keys and what follows from them. */
static void fill_request(struct load *load, char *bytes)
{
    const struct shape *shape = &load->shape;
    for (unsigned i = 0; i < shape->keys; i++) {
        uint64_t key = next_key(load);
        char *key_end = bytes + shape->key_end[i];
        put_digits(key_end, shape->varying_digits, key);
        memcpy(bytes + shape->value_at[i], key_end - shape->value_digits, shape->value_digits);
        if (shape->deadline_end) {
            uint64_t spread = load->options.deadline_spread_ms ? key % load->options.deadline_spread_ms : 0;
            put_digits(bytes + shape->deadline_end, DEADLINE_DIGITS, load->options.deadline_ms + spread);
        }
    }
}

/* --- Connections --- */

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        die("the path of the socket is too long: %s", path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("cannot connect to %s: %s", path, strerror(errno));
    return fd;
}

static int connect_tcp(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
        die("cannot connect: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Opens `count` connections into fds. */
static void connect_all(const struct options *options, int *fds, uint64_t count)
{
    struct addrinfo *address = NULL;
    if (!options->unix_path) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        char port[8];
        snprintf(port, sizeof port, "%" PRIu64, options->port);
        int failure = getaddrinfo(options->host, port, &hints, &address);
        if (failure)
            die("%s: %s", options->host, gai_strerror(failure));
    }
    for (uint64_t i = 0; i < count; i++)
        fds[i] = address ? connect_tcp(address) : connect_unix(options->unix_path);
    if (address)
        freeaddrinfo(address);
}

/* As send and recv, through TLS where the connection has it. */
static ssize_t conn_send(int fd, struct tls_client *tls, const char *from, size_t len)
{
    return tls ? tls_send(tls, from, len) : send(fd, from, len, MSG_NOSIGNAL);
}

static ssize_t conn_receive(int fd, struct tls_client *tls, char *to, size_t room)
{
    return tls ? tls_receive(tls, to, room) : recv(fd, to, room, 0);
}

/* Makes room for that many descriptors beside the few that every program has. */
static void allow_descriptors(uint64_t count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t wanted = (rlim_t)count + 16;
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("%" PRIu64 " connections are more than the limit of open files allows", count);
}

static void open_conns(struct load *load)
{
    const struct options *options = &load->options;
    int *fds = allocate(options->connections, sizeof *fds);
    allow_descriptors(options->connections);
    connect_all(options, fds, options->connections);
    load->conns = allocate(options->connections, sizeof *load->conns);
    load->resting = allocate(options->connections, sizeof *load->resting);
    for (uint64_t i = 0; i < options->connections; i++) {
        struct conn *conn = &load->conns[i];
        conn->fd = fds[i];
        conn->tls = options->uses_tls ? tls_connect(conn->fd) : NULL;
        conn->rest = allocate(1, load->reply_bytes_max);
        conn->out = allocate(options->pipeline, load->shape.len);
        for (uint64_t j = 0; j < options->pipeline; j++)
            memcpy(conn->out + j * load->shape.len, load->shape.bytes, load->shape.len);
        fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL) | O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
        if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) < 0)
            die("epoll_ctl: %s", strerror(errno));
    }
    free(fds);
}

/* --- Sending --- */

static void watch_writable(struct load *load, struct conn *conn, bool is_blocked)
{
    if (conn->is_write_blocked == is_blocked)
        return;
    conn->is_write_blocked = is_blocked;
    struct epoll_event event = {.events = is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void send_batch(struct load *load, struct conn *conn)
{
    size_t len = conn->batch * load->shape.len;
    while (conn->sent < len) {
        ssize_t took = conn_send(conn->fd, conn->tls, conn->out + conn->sent, len - conn->sent);
        if (took >= 0)
            conn->sent += (size_t)took;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            die("cannot send: %s", strerror(errno));
    }
    watch_writable(load, conn, conn->sent < len);
}

/* How many requests the next batch has; 0: the work is done. */
static unsigned next_batch_size(const struct load *load, uint64_t now)
{
    if (now >= load->stop_ns)
        return 0;
    uint64_t left = load->options.requests ? load->options.requests - load->issued : UINT64_MAX;
    return (unsigned)(left < load->options.pipeline ? left : load->options.pipeline);
}

/* Starts a batch of `size` requests on a connection that has none. A timetable gives since_ns, otherwise 0: now. */
static void start_batch(struct load *load, struct conn *conn, unsigned size, uint64_t since_ns)
{
    for (unsigned i = 0; i < size; i++)
        fill_request(load, conn->out + i * load->shape.len);
    conn->batch = size;
    conn->answered = 0;
    conn->sent = 0;
    conn->since_ns = since_ns ? since_ns : now_ns();
    load->issued += size;
    load->busy++;
    send_batch(load, conn);
}

/* --- Replies --- */

/* Dies with the beginning of what the server sent. */
__attribute__((noreturn)) static void die_of_reply(const char *why, const char *at, size_t len)
{
    char shown[256];
    size_t used = 0;
    for (size_t i = 0; i < len && i < 60; i++) {
        unsigned char byte = (unsigned char)at[i];
        if (byte >= ' ' && byte < 127)
            shown[used++] = (char)byte;
        else
            used += (size_t)snprintf(shown + used, sizeof shown - used, "\\x%02x", byte);
    }
    shown[used] = '\0';
    die("protocol error: %s: %s", why, shown);
}

static void count_error(struct load *load, const char *line, size_t len)
{
    if (load->errors++ == 0)
        snprintf(load->first_error, sizeof load->first_error, "%.*s", (int)len, line);
}

/* A bulk length as RESP2 writes it, of a line without its end; -1 is a null. */
static int64_t bulk_length(const char *line, size_t len)
{
    if (len == 3 && memcmp(line, "$-1", 3) == 0)
        return -1;
    int64_t number = 0;
    if (len < 2 || len > 10)
        die_of_reply("not a bulk length", line, len);
    for (size_t i = 1; i < len; i++) {
        if (line[i] < '0' || line[i] > '9')
            die_of_reply("not a bulk length", line, len);
        number = number * 10 + (line[i] - '0');
    }
    return number;
}

static void check_integer(const char *line, size_t len)
{
    size_t digits_at = len > 1 && line[1] == '-' ? 2 : 1;
    bool is_integer = len > digits_at;
    for (size_t i = digits_at; i < len; i++)
        is_integer = is_integer && line[i] >= '0' && line[i] <= '9';
    if (!is_integer)
        die_of_reply("not an integer", line, len);
}

/* The reply to a GET, of which the line is complete. Returns its bytes; 0: the end has not come. */
static size_t take_value(struct load *load, const struct conn *conn, const char *at, size_t len, size_t line_len)
{
    int64_t length = bulk_length(at, line_len);
    if (length < 0) {
        load->misses++;
        return line_len + 2;
    }
    size_t value_bytes = (size_t)length;
    if (value_bytes != load->options.value_bytes)
        die_of_reply("the value has not the size that --value-size says", at, len);
    const char *value = at + line_len + 2;
    if (len < line_len + 2 + value_bytes + 2)
        return 0;
    if (memcmp(value + value_bytes, "\r\n", 2) != 0)
        die_of_reply("a value without its end", at, len);
    const char *key_end = conn->out + conn->answered * load->shape.len + load->shape.key_end[0];
    size_t digits = value_bytes < KEY_DIGITS ? value_bytes : KEY_DIGITS;
    if (memcmp(value, key_end - digits, digits) != 0) {
        fprintf(stderr, "load: asked for %.*s\n", KEY_BYTES, key_end - KEY_BYTES);
        die_of_reply("the value is not the one this program stored under the key", at, len);
    }
    return line_len + 2 + value_bytes + 2;
}

/* Takes one reply from the `len` bytes at `at`. Returns its bytes; 0: the end has not come. */
static size_t take_reply(struct load *load, const struct conn *conn, const char *at, size_t len)
{
    if (load->expected && len >= load->expected_len && memcmp(at, load->expected, load->expected_len) == 0)
        return load->expected_len;
    const char *newline = memchr(at, '\n', len < LINE_BYTES_MAX ? len : LINE_BYTES_MAX);
    if (!newline) {
        if (len >= LINE_BYTES_MAX)
            die_of_reply("a line without end", at, len);
        return 0;
    }
    if (newline == at || newline[-1] != '\r')
        die_of_reply("a line that does not end in CR LF", at, len);
    size_t line_len = (size_t)(newline - at) - 1;
    if (at[0] == '-')
        count_error(load, at + 1, line_len - 1);
    else if (at[0] == '$' && load->options.command == CMD_GET)
        return take_value(load, conn, at, len, line_len);
    else if (at[0] == ':' && load->options.command == CMD_INCR)
        check_integer(at, line_len);
    else
        die_of_reply("not the kind of reply that was asked for", at, len);
    return line_len + 2;
}

static void count_reply(struct load *load, struct conn *conn, uint64_t now)
{
    uint64_t latency_ns = now - conn->since_ns;
    conn->answered++;
    load->answered++;
    histogram_add(&load->latencies, latency_ns);
    if (!load->noise || latency_ns <= load->undisturbed_ns_max)
        return;
    noise_sample(load->noise, now, 1);
    uint64_t noise_ns = noise_since(load->noise, conn->since_ns);
    if (latency_ns > noise_ns && latency_ns - noise_ns > load->undisturbed_ns_max)
        load->undisturbed_ns_max = latency_ns - noise_ns;
}

/* Reads what has come and counts the replies in it. */
static void receive(struct load *load, struct conn *conn)
{
    memcpy(load->buffer, conn->rest, conn->rest_len);
    ssize_t got = conn_receive(conn->fd, conn->tls, load->buffer + conn->rest_len, READ_BYTES);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0)
        die("cannot receive: %s", strerror(errno));
    if (got == 0)
        die("the server closed a connection%s%s", load->errors ? " after the error: " : "", load->first_error);
    uint64_t now = now_ns();
    const char *at = load->buffer;
    size_t left = conn->rest_len + (size_t)got;
    while (left > 0) {
        if (conn->answered == conn->batch)
            die_of_reply("more replies than requests", at, left);
        size_t len = take_reply(load, conn, at, left);
        if (len == 0)
            break;
        at += len;
        left -= len;
        count_reply(load, conn, now);
    }
    memcpy(conn->rest, at, left);
    conn->rest_len = left;
    load->last_reply_ns = now;
}

/* --- The loop --- */

/* When the next batch of the timetable is due. */
static uint64_t due_ns(const struct load *load)
{
    return load->start_ns + (uint64_t)((double)load->issued * 1e9 / load->options.rate);
}

static bool has_resting(const struct load *load)
{
    return load->resting_first != load->resting_last;
}

static void rest(struct load *load, struct conn *conn)
{
    load->resting[load->resting_last++ % load->options.connections] = conn;
}

/* Starts the batches that are due, the longest resting connection first. Returns whether more will become due. */
static bool keep_timetable(struct load *load, bool was_waiting)
{
    for (;;) {
        uint64_t due = due_ns(load);
        unsigned size = next_batch_size(load, due);
        if (size == 0)
            return false;
        uint64_t now = now_ns();
        if (now < due || !has_resting(load))
            return true;
        if (was_waiting && now - due > load->late_ns_max)
            load->late_ns_max = now - due;
        start_batch(load, load->resting[load->resting_first++ % load->options.connections], size, due);
    }
}

/* A connection has something to read or room to write; starts its next batch when the last one is answered. */
static void handle_event(struct load *load, const struct epoll_event *event)
{
    struct conn *conn = event->data.ptr;
    if (event->events & EPOLLOUT)
        send_batch(load, conn);
    if (!(event->events & ~(uint32_t)EPOLLOUT))
        return;
    do {
        receive(load, conn);
    } while (conn->tls && tls_has_more(conn->tls));
    if (conn->batch == 0 || conn->answered < conn->batch)
        return;
    conn->batch = conn->answered = 0;
    load->busy--;
    if (load->options.rate > 0) {
        rest(load, conn);
        return;
    }
    unsigned size = next_batch_size(load, load->last_reply_ns);
    if (size > 0)
        start_batch(load, conn, size, 0);
}

/* Waits for events, at most until the next batch of the timetable is due. Returns how many came. */
static int wait_for_events(struct load *load, struct epoll_event *events, bool awaits_due)
{
    uint64_t wait_ns = NS_PER_S;
    if (awaits_due) {
        uint64_t now = now_ns(), due = due_ns(load);
        wait_ns = due > now + SPIN_NS ? due - now - SPIN_NS : 0;
        if (wait_ns > NS_PER_S)
            wait_ns = NS_PER_S;
    }
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int count = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        die("epoll_pwait2: %s", strerror(errno));
    return count < 0 ? 0 : count;
}

static void begin(struct load *load)
{
    if (load->options.server_pid)
        load->noise = noise_watch(load->options.server_pid, now_ns());
    load->start_ns = load->last_reply_ns = now_ns();
    load->stop_ns = load->options.seconds > 0 ? load->start_ns + (uint64_t)(load->options.seconds * 1e9) : UINT64_MAX;
    for (uint64_t i = 0; i < load->options.connections; i++) {
        if (load->options.rate > 0) {
            rest(load, &load->conns[i]);
            continue;
        }
        unsigned size = next_batch_size(load, load->start_ns);
        if (size > 0)
            start_batch(load, &load->conns[i], size, 0);
    }
}

static void run(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    bool has_timetable = load->options.rate > 0;
    bool is_more_due = has_timetable;
    begin(load);
    while (load->busy > 0 || is_more_due) {
        bool awaits_due = is_more_due && has_resting(load);
        int count = wait_for_events(load, events, awaits_due);
        if (load->noise)
            noise_sample(load->noise, now_ns(), NOISE_INTERVAL_NS);
        if (count == 0 && load->busy > 0 && now_ns() > load->last_reply_ns + SILENCE_S_MAX * NS_PER_S)
            die("no reply for %d seconds", SILENCE_S_MAX);
        for (int i = 0; i < count; i++)
            handle_event(load, &events[i]);
        if (has_timetable)
            is_more_due = keep_timetable(load, awaits_due);
    }
}

static double own_cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void report(const struct load *load, double cpu_seconds)
{
    const struct histogram *latencies = &load->latencies;
    double seconds = (double)(load->last_reply_ns - load->start_ns) / 1e9;
    printf("{\"requests\": %" PRIu64 ", \"seconds\": %.6f, \"requests_per_second\": %.1f, ", load->answered, seconds,
           seconds > 0 ? (double)load->answered / seconds : 0.0);
    printf("\"latency_us\": {\"p50\": %.3f, \"p95\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"p99.99\": %.3f, "
           "\"max\": %.3f}, ",
           histogram_percentile_us(latencies, 0.50), histogram_percentile_us(latencies, 0.95),
           histogram_percentile_us(latencies, 0.99), histogram_percentile_us(latencies, 0.999),
           histogram_percentile_us(latencies, 0.9999), (double)latencies->max_ns / 1e3);
    printf("\"errors\": %" PRIu64 ", \"misses\": %" PRIu64 ", \"generator_cpu_seconds\": %.6f, "
           "\"generator_late_us_max\": %.3f",
           load->errors, load->misses, cpu_seconds, (double)load->late_ns_max / 1e3);
    if (load->noise)
        printf(", \"undisturbed_us_max\": %.3f", (double)load->undisturbed_ns_max / 1e3);
    puts("}");
}

static int generate(const struct options *options)
{
    struct load *load = allocate(1, sizeof *load);
    load->options = *options;
    load->shape = make_shape(options);
    load->random = options->seed;
    if (options->distribution == DIST_ZIPF)
        load->zipf = zipf_samples(options->keys, options->seed);
    if (options->command == CMD_SET || options->command == CMD_MSET)
        load->expected = "+OK\r\n";
    else if (options->command == CMD_PING)
        load->expected = "+PONG\r\n";
    load->expected_len = load->expected ? strlen(load->expected) : 0;
    load->reply_bytes_max = LINE_BYTES_MAX + options->value_bytes + 2;
    load->buffer = allocate(1, load->reply_bytes_max + READ_BYTES);
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
    open_conns(load);
    double cpu_before = own_cpu_seconds();
    run(load);
    report(load, own_cpu_seconds() - cpu_before);
    if (load->errors)
        die("%" PRIu64 " error replies, the first: %s", load->errors, load->first_error);
    return 0;
}

/* --- Idle connections --- */

/* Holds connections, each of which has proved to be served, until stdin ends. */
static int hold_idle(const struct options *options)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n", pong[] = "+PONG\r\n";
    int *fds = allocate(options->idle, sizeof *fds);
    allow_descriptors(options->idle);
    connect_all(options, fds, options->idle);
    for (uint64_t i = 0; i < options->idle; i++) {
        char reply[LINE_BYTES_MAX];
        size_t len = 0;
        struct tls_client *tls = options->uses_tls ? tls_connect(fds[i]) : NULL;
        if (conn_send(fds[i], tls, ping, strlen(ping)) != (ssize_t)strlen(ping))
            die("cannot send: %s", strerror(errno));
        while (len < sizeof reply && !memchr(reply, '\n', len)) {
            ssize_t got = conn_receive(fds[i], tls, reply + len, sizeof reply - len);
            if (got <= 0)
                die("connection %" PRIu64 " of %" PRIu64 " got no reply", i + 1, options->idle);
            len += (size_t)got;
        }
        if (len != strlen(pong) || memcmp(reply, pong, len) != 0)
            die_of_reply("not the reply to a PING", reply, len);
    }
    puts("ready");
    fflush(stdout);
    char ignored[256];
    while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
        continue;
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    return options.idle ? hold_idle(&options) : generate(&options);
}

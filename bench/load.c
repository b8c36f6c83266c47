/*
 * The load generator: one thread that keeps many connections busy, in RESP or Gibson's protocol, and says how the
 * server answered.
 *
 * It must never be what limits a measurement, so each connection owns a batch of requests built once, in which only the
 * digits of the keys change, and replies are read in place from one shared buffer. It also never trusts the server:
 * every reply is checked against its request (see load_wire.h), so that a server that mixes up its replies fails here
 * instead of looking fast.
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
#include "load_latency.h"
#include "load_noise.h"
#include "load_options.h"
#include "load_tls.h"
#include "load_wire.h"

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
    READ_BYTES = 256 * 1024,   /* asked for at once */
    EVENTS_MAX = 256,          /* taken from the kernel at once */
    SILENCE_S_MAX = 30,        /* without any reply, before giving up */
    SPIN_NS = 200 * 1000,      /* sleep is too coarse for a due time that is closer than this */
    ZIPF_SAMPLES = 1024 * 1024 /* drawn in advance; a power of two */
};

#define NS_PER_S UINT64_C(1000000000)

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
    struct tally tally;     /* what they said */
    uint64_t start_ns;
    uint64_t stop_ns; /* no batch starts from here on; UINT64_MAX: no limit of time */
    uint64_t last_reply_ns;
    uint64_t late_ns_max; /* how far the generator itself fell behind the timetable with a connection free */
    uint64_t random;
    uint64_t next_sequential; /* below options.keys */
    uint32_t *zipf;           /* ZIPF_SAMPLES key numbers; NULL unless that is the distribution */
    uint64_t zipf_next;
    int epoll_fd;
    char *buffer; /* shape.reply_bytes_max + READ_BYTES; no content between two reads */
    struct histogram latencies;
    struct noise *noise;         /* NULL: not watched */
    uint64_t undisturbed_ns_max; /* longest latency without the waiting that noise tells of */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
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

/* Gives the request at `bytes`, a copy of the shape, its keys. */
static void fill_request(struct load *load, char *bytes)
{
    for (unsigned i = 0; i < load->shape.keys; i++)
        put_key(&load->shape, bytes, i, next_key(load));
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
        conn->rest = allocate(1, load->shape.reply_bytes_max);
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

/* --- Receiving --- */

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
        die("the server closed a connection%s%s", load->tally.errors ? " after the error: " : "",
            load->tally.first_error);
    uint64_t now = now_ns();
    const char *at = load->buffer;
    size_t left = conn->rest_len + (size_t)got;
    while (left > 0) {
        if (conn->answered == conn->batch)
            die_of_reply("more replies than requests", at, left);
        const char *request = conn->out + conn->answered * load->shape.len;
        size_t len = take_reply(&load->shape, &load->tally, request, at, left);
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
           load->tally.errors, load->tally.misses, cpu_seconds, (double)load->late_ns_max / 1e3);
    if (load->noise)
        printf(", \"undisturbed_us_max\": %.3f", (double)load->undisturbed_ns_max / 1e3);
    puts("}");
}

static int generate(const struct options *options)
{
    struct load *load = allocate(1, sizeof *load);
    load->options = *options;
    load->shape = make_shape(&load->options);
    load->random = options->seed;
    if (options->distribution == DIST_ZIPF)
        load->zipf = zipf_samples(options->keys, options->seed);
    load->buffer = allocate(1, load->shape.reply_bytes_max + READ_BYTES);
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
    open_conns(load);
    double cpu_before = own_cpu_seconds();
    run(load);
    report(load, own_cpu_seconds() - cpu_before);
    if (load->tally.errors)
        die("%" PRIu64 " error replies, the first: %s", load->tally.errors, load->tally.first_error);
    return 0;
}

/* --- Idle connections --- */

/* Holds connections, each of which has proved to be served, until stdin ends. */
static int hold_idle(const struct options *options)
{
    struct options pings = *options;
    pings.command = CMD_PING;
    struct shape ping = make_shape(&pings);
    int *fds = allocate(options->idle, sizeof *fds);
    allow_descriptors(options->idle);
    connect_all(options, fds, options->idle);
    for (uint64_t i = 0; i < options->idle; i++) {
        char reply[LINE_BYTES_MAX];
        size_t len = 0;
        struct tls_client *tls = options->uses_tls ? tls_connect(fds[i]) : NULL;
        if (conn_send(fds[i], tls, ping.bytes, ping.len) != (ssize_t)ping.len)
            die("cannot send: %s", strerror(errno));
        while (len < ping.expected_len) {
            ssize_t got = conn_receive(fds[i], tls, reply + len, sizeof reply - len);
            if (got <= 0)
                die("connection %" PRIu64 " of %" PRIu64 " got no reply", i + 1, options->idle);
            len += (size_t)got;
        }
        if (len != ping.expected_len || memcmp(reply, ping.expected, len) != 0)
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

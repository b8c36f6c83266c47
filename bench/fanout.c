/*
 * One publisher and many subscribers on one channel: how fast messages get to all of them.
 *
 * The publisher is `--window` messages ahead of the slowest subscriber at most: the next message is published when an
 * earlier one has arrived everywhere, so no backlog builds up at the server, and a server that leaves one subscriber
 * waiting gains nothing by it. Every byte is checked: each subscriber must receive each message once and in order, and
 * the server must say that each reached all of them.
 *
 * With `--wait 1` it says "ready" when all have subscribed and begins at the next line of its input, so that whoever
 * measures the server can leave the preparations out. As in load.c, nothing is shared with the server.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
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

#include <arpa/inet.h>

enum {
    NUMBER_DIGITS = 16, /* each message begins with its number */
    MESSAGE_MAX = 64 * 1024,
    WINDOW_MAX = 1024,
    SUBSCRIBERS_MAX = 100000,
    EVENTS_MAX = 256,
    READ_BYTES = 256 * 1024,
    SILENCE_S_MAX = 30,
    LATENCIES_MAX = 1 << 20, /* kept: the first so many messages */
};

#define NS_PER_S UINT64_C(1000000000)

struct options {
    int port;
    const char *unix_path; /* NULL: TCP */
    unsigned subscribers;
    unsigned window; /* messages */
    unsigned size;   /* bytes of a message */
    double seconds;
    bool waits;
};

struct subscriber {
    int fd;
    uint64_t received; /* whole messages */
    size_t pending;    /* bytes of the next one that were received and checked */
};

static char frame[MESSAGE_MAX + 256]; /* a message as subscribers receive it; the number differs */
static size_t frame_len;
static size_t number_at; /* in frame */
static char buffer[READ_BYTES];

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fanout: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static double parse_number(const char *name, const char *text, double min, double max)
{
    char *end;
    double number = strtod(text, &end);
    if (*end || end == text || !(number >= min && number <= max))
        die("%s takes a number from %g to %g, not '%s'", name, min, max, text);
    return number;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.port = 6379, .subscribers = 1000, .window = 1, .size = 100, .seconds = 2};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i];
        if (i + 1 == argc)
            die("%s takes a value (--port, --unix, --subscribers, --window, --size, --seconds, --wait)", name);
        const char *text = argv[i + 1];
        if (strcmp(name, "--port") == 0)
            options.port = (int)parse_number(name, text, 1, 65535);
        else if (strcmp(name, "--unix") == 0)
            options.unix_path = text;
        else if (strcmp(name, "--host") == 0)
            continue; /* the loopback interface, always */
        else if (strcmp(name, "--subscribers") == 0)
            options.subscribers = (unsigned)parse_number(name, text, 1, SUBSCRIBERS_MAX);
        else if (strcmp(name, "--window") == 0)
            options.window = (unsigned)parse_number(name, text, 1, WINDOW_MAX);
        else if (strcmp(name, "--size") == 0)
            options.size = (unsigned)parse_number(name, text, NUMBER_DIGITS, MESSAGE_MAX);
        else if (strcmp(name, "--seconds") == 0)
            options.seconds = parse_number(name, text, 0.01, 3600);
        else if (strcmp(name, "--wait") == 0)
            options.waits = parse_number(name, text, 0, 1) > 0;
        else
            die("'%s' is not an option", name);
    }
    return options;
}

static int connect_one(const struct options *options)
{
    int fd;
    int result;
    if (options->unix_path != NULL) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", options->unix_path);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        result = connect(fd, (struct sockaddr *)&address, sizeof(address));
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        result = connect(fd, (struct sockaddr *)&address, sizeof(address));
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (fd < 0 || result != 0)
        die("cannot connect: %s", strerror(errno));
    return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            die("cannot send: %s", strerror(errno));
        data += sent;
        len -= (size_t)sent;
    }
}

static void expect(int fd, const char *text)
{
    char got[256];
    size_t len = strlen(text);
    for (size_t have = 0; have < len;) {
        ssize_t received = recv(fd, got + have, len - have, 0);
        if (received <= 0)
            die("the server closed the connection");
        have += (size_t)received;
    }
    if (memcmp(got, text, len) != 0)
        die("the server answered otherwise than expected: %.*s", (int)len, got);
}

static void put_number(char *at, uint64_t number)
{
    for (int i = NUMBER_DIGITS - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
}

/* The request that publishes; where its message begins is returned. */
static size_t make_request(char *request, size_t room, const struct options *options, size_t *len)
{
    size_t head = (size_t)snprintf(request, room, "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$%u\r\n", options->size);
    memset(request + head, 'x', options->size);
    memcpy(request + head + options->size, "\r\n", 2);
    *len = head + options->size + 2;
    return head;
}

static void make_frame(const struct options *options)
{
    number_at =
        (size_t)snprintf(frame, sizeof(frame), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$%u\r\n", options->size);
    memset(frame + number_at, 'x', options->size);
    memcpy(frame + number_at + options->size, "\r\n", 2);
    frame_len = number_at + options->size + 2;
}

struct run {
    struct options options;
    struct subscriber *subscribers;
    int publisher;
    int epoll;
    uint64_t published;
    uint64_t replied;
    uint64_t complete;                /* the first so many messages have arrived everywhere */
    unsigned arrived[WINDOW_MAX];     /* at how many subscribers, by message number modulo the window */
    uint64_t published_ns[WINDOW_MAX];
    uint32_t *latencies_us; /* from the publishing to the last arrival */
    char reply[32];         /* what each PUBLISH must be answered with */
    size_t reply_len;
    size_t reply_pending;
    uint64_t last_event_ns;
};

static void open_all(struct run *run)
{
    const struct options *options = &run->options;
    run->subscribers = calloc(options->subscribers, sizeof(*run->subscribers));
    run->latencies_us = calloc(LATENCIES_MAX, sizeof(*run->latencies_us));
    run->epoll = epoll_create1(0);
    if (run->subscribers == NULL || run->latencies_us == NULL || run->epoll < 0)
        die("no memory");
    for (unsigned i = 0; i < options->subscribers; i++) {
        struct subscriber *subscriber = &run->subscribers[i];
        subscriber->fd = connect_one(options);
        send_all(subscriber->fd, "SUBSCRIBE news\r\n", 16);
        expect(subscriber->fd, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
        fcntl(subscriber->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = subscriber};
        epoll_ctl(run->epoll, EPOLL_CTL_ADD, subscriber->fd, &event);
    }
    run->publisher = connect_one(options);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(run->epoll, EPOLL_CTL_ADD, run->publisher, &event);
    run->reply_len = (size_t)snprintf(run->reply, sizeof(run->reply), ":%u\r\n", options->subscribers);
}

/* Publishes what the window allows, in one write. */
static void publish(struct run *run)
{
    static char requests[WINDOW_MAX * 1024];
    const struct options *options = &run->options;
    size_t used = 0;
    uint64_t now = now_ns();
    while (run->published - run->complete < options->window) {
        char *request = requests + used;
        size_t len;
        if (sizeof(requests) - used < options->size + 128U) {
            if (used == 0)
                die("a message of %u bytes is too long", options->size);
            break;
        }
        size_t head = make_request(request, sizeof(requests) - used, options, &len);
        put_number(request + head, run->published);
        run->arrived[run->published % options->window] = 0;
        run->published_ns[run->published % options->window] = now;
        run->published++;
        used += len;
    }
    send_all(run->publisher, requests, used);
}

static void read_replies(struct run *run)
{
    ssize_t got = recv(run->publisher, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got <= 0)
        die("the publisher lost its connection");
    for (ssize_t i = 0; i < got; i++) {
        if (buffer[i] != run->reply[run->reply_pending])
            die("PUBLISH was answered otherwise than by %.*s: %.*s", (int)run->reply_len - 2, run->reply, (int)got,
                buffer);
        if (++run->reply_pending == run->reply_len) {
            run->reply_pending = 0;
            run->replied++;
        }
    }
}

/* Checks a run of bytes of the message that the subscriber is receiving. */
static void check(const struct subscriber *subscriber, const char *data, size_t len)
{
    char number[NUMBER_DIGITS];
    size_t begin = subscriber->pending;
    size_t end = begin + len;
    size_t number_end = number_at + NUMBER_DIGITS;
    bool is_right = true;
    if (begin < number_at)
        is_right &= memcmp(frame + begin, data, (end < number_at ? end : number_at) - begin) == 0;
    if (begin < number_end && end > number_at) {
        size_t from = begin > number_at ? begin : number_at;
        size_t to = end < number_end ? end : number_end;
        put_number(number, subscriber->received);
        is_right &= memcmp(number + (from - number_at), data + (from - begin), to - from) == 0;
    }
    if (end > number_end) {
        size_t from = begin > number_end ? begin : number_end;
        is_right &= memcmp(frame + from, data + (from - begin), end - from) == 0;
    }
    if (!is_right)
        die("a subscriber received something else than message %" PRIu64, subscriber->received);
}

/* A message has arrived at one more subscriber. */
static void count_arrival(struct run *run, uint64_t number, uint64_t now)
{
    if (number >= run->published)
        die("message %" PRIu64 " arrived before it was published", number);
    unsigned slot = (unsigned)(number % run->options.window);
    if (++run->arrived[slot] < run->options.subscribers)
        return;
    if (run->complete < LATENCIES_MAX)
        run->latencies_us[run->complete] = (uint32_t)((now - run->published_ns[slot]) / 1000);
    run->complete++; /* in order: who has this one has those before it */
}

static void read_messages(struct run *run, struct subscriber *subscriber, uint64_t now)
{
    ssize_t got = recv(subscriber->fd, buffer, sizeof(buffer), 0);
    if (got <= 0)
        die("a subscriber lost its connection after %" PRIu64 " messages", subscriber->received);
    for (size_t at = 0; at < (size_t)got;) {
        size_t step = frame_len - subscriber->pending;
        if (step > (size_t)got - at)
            step = (size_t)got - at;
        check(subscriber, buffer + at, step);
        subscriber->pending += step;
        at += step;
        if (subscriber->pending == frame_len) {
            subscriber->pending = 0;
            count_arrival(run, subscriber->received++, now);
        }
    }
}

static void turn(struct run *run)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(run->epoll, events, EVENTS_MAX, 1000);
    uint64_t now = now_ns();
    if (count > 0)
        run->last_event_ns = now;
    else if (now - run->last_event_ns > SILENCE_S_MAX * NS_PER_S)
        die("nothing has come for %d seconds", SILENCE_S_MAX);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL)
            read_replies(run);
        else
            read_messages(run, events[i].data.ptr, now);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(struct run *run, double seconds)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    size_t kept = run->complete < LATENCIES_MAX ? (size_t)run->complete : LATENCIES_MAX;
    qsort(run->latencies_us, kept, sizeof(*run->latencies_us), compare);
    uint64_t deliveries = run->complete * run->options.subscribers;
    printf("{\"messages\": %" PRIu64 ", \"deliveries\": %" PRIu64 ", \"seconds\": %.6f, \"deliveries_per_second\": %.1f, "
           "\"last_arrival_us\": {\"p50\": %u, \"p99\": %u}, \"generator_cpu_seconds\": %.6f}\n",
           run->complete, deliveries, seconds, (double)deliveries / seconds, kept ? run->latencies_us[kept / 2] : 0,
           kept ? run->latencies_us[kept * 99 / 100] : 0, cpu);
}

int main(int argc, char **argv)
{
    static struct run run;
    run.options = parse_options(argc, argv);
    make_frame(&run.options);
    open_all(&run);
    if (run.options.waits) {
        puts("ready");
        fflush(stdout);
        if (getchar() == EOF)
            return 1;
    }
    uint64_t start = run.last_event_ns = now_ns();
    uint64_t end = start + (uint64_t)(run.options.seconds * 1e9);
    while (now_ns() < end || run.complete < run.published || run.replied < run.published) {
        if (now_ns() < end && run.published - run.complete < run.options.window)
            publish(&run);
        turn(&run);
    }
    report(&run, (double)(now_ns() - start) / 1e9);
    return 0;
}

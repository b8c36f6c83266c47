/* A program that embeds Larder, for the soak test: one engine that is served over TCP and a Unix socket, and used from
   inside at the same time. Two more Unix sockets are bridges to the inside, so that the test's actors, in another
   process, reach it like anything else:

       memory.sock   each connection is one of Larder's connections in memory; bytes pass both ways
       session.sock  each connection is a session of the program's own: requests come in as RESP, each is run by
                     larder_command_resp and answered; messages for the session are taken and dropped

   Usage: soak-host FOLDER THREADS CONFIG-FILE. Prints its port when it is ready, ends on SIGTERM. */
#include "larder.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, POLL_MS = 5, BRIDGES_MAX = 1024, WORDS_MAX = 1 << 20 };

struct host {
    larder *engine;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fds[BRIDGES_MAX]; /* lock: of bridges that are open; -1: free */
    size_t open;          /* lock */
    bool is_stopping;     /* lock */
};

struct bridge {
    struct host *host;
    int fd;
    void (*run)(struct bridge *bridge);
};

static void fail(const char *what)
{
    fprintf(stderr, "soak-host: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- Connections in memory ---- */

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* False when the engine has closed the connection, or the client is gone. */
static bool pass_replies(int fd, larder_connection *connection, char *buffer)
{
    ptrdiff_t got;
    while ((got = larder_connection_read(connection, buffer, BUFFER_SIZE)) > 0)
        if (!send_all(fd, buffer, (size_t)got))
            return false;
    return got == 0;
}

static bool pass_requests(int fd, larder_connection *connection, char *buffer)
{
    ssize_t got = recv(fd, buffer, BUFFER_SIZE, 0);
    return got > 0 && larder_connection_write(connection, buffer, (size_t)got) == 0;
}

static void run_memory_bridge(struct bridge *bridge)
{
    char *buffer = malloc(BUFFER_SIZE);
    larder_connection *connection = larder_connect(bridge->host->engine);
    bool goes_on = buffer != NULL && connection != NULL;
    while (goes_on) {
        struct pollfd poller = {.fd = bridge->fd, .events = POLLIN};
        if (poll(&poller, 1, POLL_MS) > 0)
            goes_on = pass_requests(bridge->fd, connection, buffer);
        goes_on = pass_replies(bridge->fd, connection, buffer) && goes_on;
    }
    larder_disconnect(connection);
    free(buffer);
}

/* ---- Sessions ---- */

struct words {
    size_t count;
    char **at;
    size_t *lens;
};

static void free_words(struct words *words)
{
    for (size_t i = 0; words->at != NULL && i < words->count; i++)
        free(words->at[i]);
    free(words->at);
    free(words->lens);
}

static bool read_number(FILE *from, char type, size_t most, size_t *number)
{
    char line[32];
    if (fgets(line, sizeof(line), from) == NULL || line[0] != type)
        return false;
    *number = strtoul(line + 1, NULL, 10);
    return *number <= most;
}

static bool read_word(FILE *from, char **word, size_t *len)
{
    const size_t most = (size_t)1 << 30;
    if (!read_number(from, '$', most, len))
        return false;
    *word = malloc(*len + 2);
    return *word != NULL && fread(*word, 1, *len + 2, from) == *len + 2;
}

/* A request as clients send it: an array of bulk strings. False at the end of the stream. */
static bool read_words(FILE *from, struct words *words)
{
    *words = (struct words){0};
    size_t count;
    if (!read_number(from, '*', WORDS_MAX, &count) || count == 0)
        return false;
    words->at = calloc(count, sizeof(*words->at));
    words->lens = calloc(count, sizeof(*words->lens));
    bool is_whole = words->at != NULL && words->lens != NULL;
    for (; is_whole && words->count < count; words->count++)
        is_whole = read_word(from, &words->at[words->count], &words->lens[words->count]);
    return is_whole;
}

static bool answer(int fd, larder_session *session, const struct words *words)
{
    size_t len;
    const char *reply = larder_command_resp(session, words->count, (const char *const *)words->at, words->lens, &len);
    return reply != NULL && send_all(fd, reply, len);
}

static void note_push(void *context)
{
    atomic_fetch_add((_Atomic long *)context, 1);
}

static void run_session_bridge(struct bridge *bridge)
{
    _Atomic long wakes = 0;
    FILE *from = fdopen(dup(bridge->fd), "rb");
    larder_session *session = larder_session_open(bridge->host->engine);
    bool goes_on = from != NULL && session != NULL;
    if (goes_on)
        larder_session_on_push(session, note_push, &wakes);
    while (goes_on) {
        struct words words;
        goes_on = read_words(from, &words) && answer(bridge->fd, session, &words);
        free_words(&words);
        larder_reply *push;
        while (goes_on && (push = larder_session_push(session)) != NULL)
            larder_reply_free(push);
    }
    larder_session_close(session);
    if (from != NULL)
        fclose(from);
}

/* ---- Bridges ---- */

/* Takes a place for the bridge, unless there is none or the program is about to end. */
static bool enter(struct host *host, int fd)
{
    bool is_in = false;
    pthread_mutex_lock(&host->lock);
    for (size_t i = 0; !is_in && !host->is_stopping && i < BRIDGES_MAX; i++) {
        is_in = host->fds[i] < 0;
        if (is_in)
            host->fds[i] = fd;
    }
    host->open += is_in;
    pthread_mutex_unlock(&host->lock);
    return is_in;
}

static void leave(struct host *host, int fd)
{
    pthread_mutex_lock(&host->lock);
    for (size_t i = 0; i < BRIDGES_MAX; i++)
        if (host->fds[i] == fd)
            host->fds[i] = -1;
    close(fd);
    host->open--;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}

static void *run_bridge(void *argument)
{
    struct bridge *bridge = argument;
    bridge->run(bridge);
    leave(bridge->host, bridge->fd);
    free(bridge);
    return NULL;
}

struct door {
    struct host *host;
    int fd;
    void (*run)(struct bridge *bridge);
    pthread_t thread;
};

/* Lets clients in until the socket is shut down. */
static void *keep_door(void *argument)
{
    struct door *door = argument;
    int fd;
    while ((fd = accept(door->fd, NULL, NULL)) >= 0) {
        struct bridge *bridge = malloc(sizeof(*bridge));
        pthread_t thread;
        if (bridge == NULL || !enter(door->host, fd)) {
            free(bridge);
            close(fd);
            continue;
        }
        *bridge = (struct bridge){.host = door->host, .fd = fd, .run = door->run};
        if (pthread_create(&thread, NULL, run_bridge, bridge) != 0)
            fail("pthread_create");
        pthread_detach(thread);
    }
    return NULL;
}

static void open_door(struct door *door, const char *folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
    door->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (door->fd < 0 || bind(door->fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(door->fd, 128) != 0)
        fail(address.sun_path);
    if (pthread_create(&door->thread, NULL, keep_door, door) != 0)
        fail("pthread_create");
}

static void close_door(struct door *door)
{
    shutdown(door->fd, SHUT_RDWR);
    pthread_join(door->thread, NULL);
    close(door->fd);
}

/* Ends what is still under way, and waits for it. */
static void close_bridges(struct host *host)
{
    pthread_mutex_lock(&host->lock);
    host->is_stopping = true;
    for (size_t i = 0; i < BRIDGES_MAX; i++)
        if (host->fds[i] >= 0)
            shutdown(host->fds[i], SHUT_RDWR);
    while (host->open > 0)
        pthread_cond_wait(&host->changed, &host->lock);
    pthread_mutex_unlock(&host->lock);
}

/* ---- The program ---- */

static char *read_file(const char *path)
{
    enum { most = 64 * 1024 };
    char *text = calloc(1, most);
    FILE *file = fopen(path, "r");
    if (text == NULL || file == NULL)
        fail(path);
    size_t len = fread(text, 1, most - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static void log_line(void *context, int level, const char *line)
{
    (void)context;
    if (level >= LARDER_LOG_NOTICE)
        fprintf(stderr, "%s\n", line);
}

static void serve(struct host *host, const char *folder)
{
    char error[512] = "";
    char path[256];
    snprintf(path, sizeof(path), "%s/s.sock", folder);
    larder_serve_options options = {.unixsocket = path};
    if (larder_serve(host->engine, &options, error, sizeof(error)) != 0) {
        fprintf(stderr, "soak-host: %s\n", error);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: soak-host FOLDER THREADS CONFIG-FILE\n");
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    char error[512] = "";
    char *config = read_file(argv[3]);
    struct host host = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    memset(host.fds, -1, sizeof(host.fds));
    larder_options options = {.threads = strtoul(argv[2], NULL, 10), .config = config, .log = log_line};
    host.engine = larder_open(&options, error, sizeof(error));
    if (host.engine == NULL) {
        fprintf(stderr, "soak-host: %s\n", error);
        return 1;
    }
    serve(&host, argv[1]);
    struct door memory = {.host = &host, .run = run_memory_bridge};
    struct door session = {.host = &host, .run = run_session_bridge};
    open_door(&memory, argv[1], "memory.sock");
    open_door(&session, argv[1], "session.sock");
    printf("port %d: Ready to accept connections\n", larder_port(host.engine));
    fflush(stdout);

    int received;
    sigwait(&signals, &received);
    close_door(&memory);
    close_door(&session);
    close_bridges(&host);
    larder_close(host.engine);
    free(config);
    return 0;
}

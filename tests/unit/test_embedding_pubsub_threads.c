/* Publish and subscribe on many threads at once: several publish, others subscribe and unsubscribe meanwhile, by
   sessions and by connections in memory. Nothing is lost or received twice, each publisher's messages arrive in its
   order, all subscribers of a channel see one order, and nothing arrives after the end of a subscription was confirmed.
   The thread sanitizer watches. */
#include "embedding.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    PUBLISHERS = 3,
    LISTENERS = 4, /* every other one on a connection in memory */
    STEADY = 2,    /* that subscribe once, to everything: one to the channels, one by a pattern */
    CHANNELS = 4,
    MESSAGES = 2000, /* of each publisher */
    READ_SIZE = 64 * 1024,
};

/* cmocka's assertions are for the main thread. */
#define DEMAND(condition)                                                      \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "# not so: %s (line %d)\n", #condition, __LINE__); \
            abort();                                                           \
        }                                                                      \
    } while (0)

struct shared {
    larder *engine;
    atomic_bool is_over;  /* nothing is published any more */
    atomic_llong counted; /* receivers, as the replies to PUBLISH say */
    atomic_llong received;
    atomic_int ready; /* steady listeners that have subscribed */
};

/* What a message says of itself. */
struct stamp {
    int publisher;
    int number;
};

/* A participant; only its own thread touches it. */
struct party {
    struct shared *shared;
    int index;
    struct random random;
    larder_session *session; /* of a listener: one of the two */
    larder_connection *connection;
    bool is_subscribed[CHANNELS];
    bool is_subscribed_to_pattern;
    int last[2][PUBLISHERS];      /* number of the last message of each publisher, by channel and by pattern */
    struct stamp *seen[CHANNELS]; /* steady listeners: everything, in order */
    int seen_count[CHANNELS];
    char *input; /* of a connection: bytes of a message that is not complete */
    size_t input_len;
};

static void publish_all(struct party *self)
{
    for (int number = 1; number <= MESSAGES; number++) {
        char channel[8];
        char payload[32];
        snprintf(channel, sizeof(channel), "c%d", (int)between(&self->random, 0, CHANNELS - 1));
        snprintf(payload, sizeof(payload), "%d %d", self->index, number);
        larder_reply *reply = larder_command(self->session, "PUBLISH", channel, payload, NULL);
        DEMAND(reply->type == LARDER_INTEGER);
        atomic_fetch_add(&self->shared->counted, reply->integer);
        larder_reply_free(reply);
    }
}

static void *publisher(void *context)
{
    struct party *self = context;
    while (atomic_load(&self->shared->ready) < STEADY)
        sched_yield();
    publish_all(self);
    return NULL;
}

/* ---- Receiving ---- */

static void take_message(struct party *self, bool is_pattern, const char *channel, const char *payload)
{
    struct stamp stamp;
    int channel_index = channel[1] - '0';
    DEMAND(sscanf(payload, "%d %d", &stamp.publisher, &stamp.number) == 2);
    DEMAND(channel_index >= 0 && channel_index <= CHANNELS - 1);
    DEMAND(is_pattern ? self->is_subscribed_to_pattern : self->is_subscribed[channel_index]);
    int *last = &self->last[is_pattern][stamp.publisher];
    int *other = &self->last[!is_pattern][stamp.publisher];
    DEMAND(stamp.number > *last);   /* once, and in its order */
    DEMAND(stamp.number >= *other); /* in which the other kind is no exception */
    *last = stamp.number;
    atomic_fetch_add(&self->shared->received, 1);
    if (self->seen[channel_index] != NULL)
        self->seen[channel_index][self->seen_count[channel_index]++] = stamp;
}

/* The words of a message or confirmation. */
static void take_words(struct party *self, const char *const *words, size_t count)
{
    if (count == 4) {
        DEMAND(strcmp(words[0], "pmessage") == 0);
        take_message(self, true, words[2], words[3]);
        return;
    }
    DEMAND(count == 3);
    if (strcmp(words[0], "message") == 0)
        take_message(self, false, words[1], words[2]);
    else if (strcmp(words[0], "psubscribe") == 0)
        self->is_subscribed_to_pattern = true;
    else if (strcmp(words[0], "punsubscribe") == 0)
        self->is_subscribed_to_pattern = false;
    else if (strcmp(words[0], "subscribe") == 0)
        self->is_subscribed[words[1][1] - '0'] = true;
    else if (strcmp(words[0], "unsubscribe") == 0)
        self->is_subscribed[words[1][1] - '0'] = false;
    else
        DEMAND(!"a message or confirmation");
}

static void take_reply(struct party *self, larder_reply *reply)
{
    const char *words[4] = {NULL};
    DEMAND(reply->type == LARDER_PUSH);
    DEMAND(reply->count >= 3 && reply->count <= 4);
    for (size_t i = 0; i < reply->count; i++)
        words[i] = reply->elements[i].text;
    take_words(self, words, reply->count);
    larder_reply_free(reply);
}

static void read_session(struct party *self)
{
    larder_reply *reply;
    while ((reply = larder_session_push(self->session)) != NULL)
        take_reply(self, reply);
}

/* Takes one frame of bulk strings (the last may be a number) from the input; its length, 0 if it is not complete. It is
   cut into terminated words in place. */
static size_t take_frame(struct party *self, char *at)
{
    char *start = at;
    char *words[4];
    int count = 0;
    int read = 0;
    if (strchr(at, '\n') == NULL || sscanf(at, "*%d\r\n%n", &count, &read) != 1)
        return 0;
    DEMAND(count >= 3 && count <= 4);
    size_t lens[4];
    at += read;
    for (int i = 0; i < count; i++) {
        char *end = strchr(at, '\n');
        if (end == NULL)
            return 0;
        bool is_number = *at == ':';
        words[i] = is_number ? at + 1 : end + 1;
        lens[i] = is_number ? (size_t)(end - 1 - words[i]) : strtoul(at + 1, NULL, 10);
        at = is_number ? end + 1 : words[i] + lens[i] + 2;
        if (at > self->input + self->input_len)
            return 0;
    }
    for (int i = 0; i < count; i++)
        words[i][lens[i]] = '\0';
    take_words(self, (const char *const *)words, (size_t)count);
    return (size_t)(at - start);
}

static void read_connection(struct party *self)
{
    ptrdiff_t got;
    while ((got = larder_connection_read(self->connection, self->input + self->input_len,
                                         READ_SIZE - self->input_len)) > 0) {
        self->input_len += (size_t)got;
        self->input[self->input_len] = '\0';
        size_t used = 0;
        for (size_t len; (len = take_frame(self, self->input + used)) > 0;)
            used += len;
        memmove(self->input, self->input + used, self->input_len - used + 1);
        self->input_len -= used;
    }
    DEMAND(got == 0);
}

static void read_all(struct party *self)
{
    if (self->session != NULL)
        read_session(self);
    else
        read_connection(self);
}

/* ---- Subscribing ---- */

static void say(struct party *self, const char *verb, const char *name)
{
    if (self->connection != NULL) {
        char line[64];
        snprintf(line, sizeof(line), "%s %s\r\n", verb, name);
        DEMAND(larder_connection_write(self->connection, line, strlen(line)) == 0);
        return;
    }
    larder_reply *reply = larder_command(self->session, verb, name, NULL);
    read_session(self); /* what came before the end of the subscription */
    take_reply(self, reply);
}

static void change_something(struct party *self)
{
    char channel[8];
    int index = (int)between(&self->random, 0, CHANNELS - 1);
    snprintf(channel, sizeof(channel), "c%d", index);
    bool goes = one_in(&self->random, 2);
    /* a session's messages may come before its confirmation is taken */
    if (one_in(&self->random, 3)) {
        if (goes && self->session != NULL)
            self->is_subscribed_to_pattern = true;
        say(self, goes ? "PSUBSCRIBE" : "PUNSUBSCRIBE", "c*");
    } else {
        if (goes && self->session != NULL)
            self->is_subscribed[index] = true;
        say(self, goes ? "SUBSCRIBE" : "UNSUBSCRIBE", channel);
    }
}

static void *listener(void *context)
{
    struct party *self = context;
    while (!atomic_load(&self->shared->is_over)) {
        change_something(self);
        for (size_t i = between(&self->random, 0, 20); i > 0; i--)
            read_all(self);
    }
    read_all(self);
    return NULL;
}

static void *steady_listener(void *context)
{
    struct party *self = context;
    for (int i = 0; i < CHANNELS && self->index % 2 == 0; i++) {
        char channel[8];
        snprintf(channel, sizeof(channel), "c%d", i);
        say(self, "SUBSCRIBE", channel);
    }
    if (self->index % 2 != 0)
        say(self, "PSUBSCRIBE", "c?");
    atomic_fetch_add(&self->shared->ready, 1);
    while (!atomic_load(&self->shared->is_over))
        read_all(self);
    read_all(self);
    return NULL;
}

/* Comes, subscribes, and goes without having read: on channels of its own, since it spoils the count. */
static void *passer_by(void *context)
{
    struct party *self = context;
    while (!atomic_load(&self->shared->is_over)) {
        larder_session *session = larder_session_open(self->shared->engine);
        larder_connection *connection = larder_connect(self->shared->engine);
        DEMAND(session != NULL && connection != NULL);
        larder_reply_free(larder_command(session, "SUBSCRIBE", "d0", "d1", "d2", NULL));
        static const char hello[] = "SUBSCRIBE d0 d1\r\nPSUBSCRIBE d* d?\r\nSSUBSCRIBE d0\r\n";
        static const char goodbye[] = "UNSUBSCRIBE\r\nRESET\r\n";
        DEMAND(larder_connection_write(connection, hello, sizeof(hello) - 1) == 0);
        larder_reply_free(larder_command(self->session, "PUBLISH", "d0", "x", NULL));
        if (one_in(&self->random, 2))
            DEMAND(larder_connection_write(connection, goodbye, sizeof(goodbye) - 1) == 0);
        larder_session_close(session);
        larder_disconnect(connection);
    }
    return NULL;
}

static void *passing_publisher(void *context)
{
    struct party *self = context;
    while (!atomic_load(&self->shared->is_over)) {
        larder_reply_free(larder_command(self->session, "PUBLISH", "d1", "x", NULL));
        larder_reply_free(larder_command(self->session, "SPUBLISH", "d0", "x", NULL));
        larder_reply_free(larder_command(self->session, "PUBSUB", "CHANNELS", NULL));
    }
    return NULL;
}

/* ---- All together ---- */

static void start(struct party *party, struct shared *shared, int index, struct random *random, bool has_connection)
{
    *party = (struct party){.shared = shared, .index = index};
    random_seed(&party->random, random_next(random));
    if (has_connection)
        party->connection = open_connection(shared->engine);
    else
        party->session = open_session(shared->engine);
    party->input = test_malloc(READ_SIZE + 1);
}

static void finish(struct party *party)
{
    assert_int_equal(party->input_len, 0);
    test_free(party->input);
    for (int i = 0; i < CHANNELS; i++)
        test_free(party->seen[i]);
    if (party->session != NULL)
        larder_session_close(party->session);
    larder_disconnect(party->connection);
}

/* Both steady listeners have everything, in the same order. */
static void compare_orders(const struct party *a, const struct party *b)
{
    int sum = 0;
    for (int i = 0; i < CHANNELS; i++) {
        assert_int_equal(a->seen_count[i], b->seen_count[i]);
        assert_memory_equal(a->seen[i], b->seen[i], (size_t)a->seen_count[i] * sizeof(struct stamp));
        sum += a->seen_count[i];
    }
    assert_int_equal(sum, PUBLISHERS * MESSAGES);
}

static void everybody_receives_everything_once_and_in_order(void **state)
{
    (void)state;
    enum { ALL = PUBLISHERS + LISTENERS + STEADY + 2 };
    struct random random = property_start(__func__);
    struct shared shared = {.engine = open_engine(&(larder_options){.threads = 4})};
    struct party parties[ALL];
    pthread_t threads[ALL];
    void *(*const roles[ALL])(void *) = {
        publisher, publisher,       publisher,       listener,  listener,          listener,
        listener,  steady_listener, steady_listener, passer_by, passing_publisher,
    };
    for (int i = 0; i < ALL; i++) {
        start(&parties[i], &shared, i, &random, (roles[i] == listener || roles[i] == steady_listener) && i % 2 == 0);
        for (int j = 0; j < CHANNELS && roles[i] == steady_listener; j++)
            parties[i].seen[j] = test_calloc(PUBLISHERS * MESSAGES, sizeof(struct stamp));
    }
    for (int i = 0; i < ALL; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, roles[i], &parties[i]), 0);
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&shared.is_over, true);
    for (int i = PUBLISHERS; i < ALL; i++)
        pthread_join(threads[i], NULL);
    print_message("# %lld received\n", atomic_load(&shared.received));
    assert_int_equal(atomic_load(&shared.received), atomic_load(&shared.counted));
    compare_orders(&parties[PUBLISHERS + LISTENERS], &parties[PUBLISHERS + LISTENERS + 1]);
    for (int i = 0; i < ALL; i++)
        finish(&parties[i]);
    larder_close(shared.engine); /* which asserts that no subscription is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_receives_everything_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

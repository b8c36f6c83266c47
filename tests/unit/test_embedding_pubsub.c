/* Publish and subscribe inside a program: what sessions and connections in memory receive, against a naive model; what
   happens to those who do not read, and when memory runs out. The same with many threads is in
   test_embedding_pubsub_threads.c. */
#include "embedding.h"

#include "base/mem.h"

/* The oldest message of a session, as one line of words: "message news hi"; a missing one is "". */
static const char *next_message(larder_session *session)
{
    static char line[256];
    line[0] = '\0';
    larder_reply *reply = larder_session_push(session);
    if (reply == NULL)
        return line;
    size_t len = 0;
    if (reply->count == 0)
        snprintf(line, sizeof(line), "%s", reply->text);
    for (size_t i = 0; i < reply->count; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s", i > 0 ? " " : "", reply->elements[i].text);
    larder_reply_free(reply);
    return line;
}

/* A command whose reply is a push of three: the last is a number. */
static void check_confirmation(larder_reply *reply, const char *verb, const char *name, int64_t count)
{
    assert_non_null(reply);
    assert_int_equal(reply->type, LARDER_PUSH);
    assert_int_equal(reply->count, 3);
    assert_string_equal(reply->elements[0].text, verb);
    if (name != NULL)
        assert_string_equal(reply->elements[1].text, name);
    else
        assert_int_equal(reply->elements[1].type, LARDER_NIL);
    assert_int_equal(reply->elements[2].integer, count);
    larder_reply_free(reply);
}

#define assert_confirmed(session, verb, name, count, ...) \
    check_confirmation(larder_command(session, __VA_ARGS__, NULL), verb, name, count)

/* ---- Sessions ---- */

static void messages_wait_until_they_are_asked_for(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *listener = open_session(engine);
    larder_session *speaker = open_session(engine);
    assert_confirmed(listener, "subscribe", "news", 1, "SUBSCRIBE", "news");
    assert_confirmed(listener, "psubscribe", "n*", 2, "PSUBSCRIBE", "n*");
    assert_confirmed(listener, "ssubscribe", "news", 1, "SSUBSCRIBE", "news");
    assert_string_equal(next_message(listener), "");
    assert_integer(speaker, 2, "PUBLISH", "news", "one");
    assert_integer(speaker, 1, "SPUBLISH", "news", "two");
    assert_integer(speaker, 1, "PUBLISH", "nothing", "three");
    assert_integer(speaker, 0, "PUBLISH", "other", "four");
    assert_status(listener, "OK", "SET", "k", "v"); /* replies and messages are not mixed */
    assert_integer(listener, 2, "PUBLISH", "news", "mine");
    assert_string(listener, "v", "GET", "k");
    assert_string_equal(next_message(listener), "message news one");
    assert_string_equal(next_message(listener), "pmessage n* news one");
    assert_string_equal(next_message(listener), "smessage news two");
    assert_string_equal(next_message(listener), "pmessage n* nothing three");
    assert_string(listener, "v", "GET", "k");
    assert_string_equal(next_message(listener), "message news mine");
    assert_string_equal(next_message(listener), "pmessage n* news mine");
    assert_string_equal(next_message(listener), "");
    larder_session_close(listener);
    assert_integer(speaker, 0, "PUBLISH", "news", "to nobody");
    larder_session_close(speaker);
    larder_close(engine);
}

static void several_confirmations_are_answered_with_the_last(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    assert_confirmed(session, "subscribe", "c", 3, "SUBSCRIBE", "a", "b", "c");
    const char *words[] = {"SUBSCRIBE", "d", "e"};
    size_t len;
    const char *resp = larder_command_resp(session, 3, words, NULL, &len);
    const char expected[] = ">3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:4\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\ne\r\n:5\r\n";
    assert_int_equal(len, sizeof(expected) - 1);
    assert_memory_equal(resp, expected, len);
    assert_confirmed(session, "unsubscribe", "e", 0, "UNSUBSCRIBE");
    assert_confirmed(session, "unsubscribe", NULL, 0, "UNSUBSCRIBE");
    assert_confirmed(session, "punsubscribe", "x", 0, "PUNSUBSCRIBE", "x");
    larder_session_close(session);
    larder_close(engine);
}

static void what_came_before_unsubscribe_can_be_asked_for_after_it(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    assert_confirmed(session, "subscribe", "a", 1, "SUBSCRIBE", "a");
    assert_integer(session, 1, "PUBLISH", "a", "before");
    assert_confirmed(session, "unsubscribe", "a", 0, "UNSUBSCRIBE", "a");
    assert_integer(session, 0, "PUBLISH", "a", "after");
    assert_string_equal(next_message(session), "message a before");
    assert_string_equal(next_message(session), "");
    assert_confirmed(session, "subscribe", "a", 1, "SUBSCRIBE", "a");
    assert_status(session, "RESET", "RESET");
    assert_integer(session, 0, "PUBLISH", "a", "after");
    assert_string_equal(next_message(session), "");
    larder_session_close(session);
    larder_close(engine);
}

static void after_hello_2_a_session_is_a_subscriber_of_resp2(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_reply_free(larder_command(session, "HELLO", "2", NULL));
    larder_reply *reply = larder_command(session, "SUBSCRIBE", "a", NULL);
    assert_int_equal(reply->type, LARDER_ARRAY);
    larder_reply_free(reply);
    assert_error(session,
                 "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                 "this context",
                 "GET", "k");
    assert_status(session, "RESET", "RESET");
    assert_nil(session, "GET", "k");
    larder_session_close(session);
    larder_close(engine);
}

static void who_leaves_too_much_unread_loses_its_subscriptions_and_nothing_else(void **state)
{
    (void)state;
    larder *engine = open_configured("client-output-buffer-limit pubsub 100kb 0 0");
    larder_session *lazy = open_session(engine);
    larder_session *eager = open_session(engine);
    larder_session *speaker = open_session(engine);
    char payload[1001] = "";
    memset(payload, 'x', sizeof(payload) - 1);
    assert_confirmed(lazy, "subscribe", "b", 2, "SUBSCRIBE", "a", "b");
    assert_confirmed(eager, "subscribe", "a", 1, "SUBSCRIBE", "a");
    int64_t to_both = 0;
    for (int i = 0; i < 1000; i++) {
        larder_reply *reply = larder_command(speaker, "PUBLISH", "a", payload, NULL);
        to_both += reply->integer == 2;
        assert_int_equal(reply->integer, to_both > i ? 2 : 1);
        larder_reply_free(reply);
        larder_reply *message = larder_session_push(eager);
        assert_non_null(message);
        assert_int_equal(message->elements[2].len, sizeof(payload) - 1);
        larder_reply_free(message);
    }
    assert_in_range(to_both, 90, 102);
    assert_nil(lazy, "GET", "k"); /* it works on */
    assert_true(strncmp(next_message(lazy), "LOST ", 5) == 0);
    assert_string_equal(next_message(lazy), "");
    assert_integer(speaker, 0, "PUBLISH", "b", "x");
    assert_confirmed(lazy, "subscribe", "a", 1, "SUBSCRIBE", "a");
    assert_integer(speaker, 2, "PUBLISH", "a", "again");
    assert_string_equal(next_message(lazy), "message a again");
    larder_session_close(lazy);
    larder_session_close(eager);
    larder_session_close(speaker);
    larder_close(engine);
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static void the_program_is_woken_when_something_begins_to_wait(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *listener = open_session(engine);
    larder_session *speaker = open_session(engine);
    int calls = 0;
    larder_session_on_push(listener, count_call, &calls);
    assert_confirmed(listener, "subscribe", "a", 1, "SUBSCRIBE", "a");
    assert_int_equal(calls, 0);
    assert_integer(speaker, 1, "PUBLISH", "a", "1");
    assert_int_equal(calls, 1);
    assert_integer(speaker, 1, "PUBLISH", "a", "2");
    assert_int_equal(calls, 1); /* it was waiting already */
    while (*next_message(listener) != '\0')
        continue;
    assert_integer(speaker, 1, "PUBLISH", "a", "3");
    assert_int_equal(calls, 2);
    int others = 0;
    larder_session_on_push(listener, count_call, &others);
    assert_int_equal(others, 1); /* as 3 waits */
    larder_session_on_push(listener, NULL, NULL);
    while (*next_message(listener) != '\0')
        continue;
    assert_integer(speaker, 1, "PUBLISH", "a", "4");
    assert_int_equal(calls + others, 3);
    larder_session_close(listener);
    larder_session_close(speaker);
    larder_close(engine);
}

/* ---- Connections in memory ---- */

static void a_connection_that_does_not_read_is_closed_at_its_limit(void **state)
{
    (void)state;
    larder *engine = open_configured("client-output-buffer-limit pubsub 100kb 0 0");
    larder_session *speaker = open_session(engine);
    larder_connection *connection = open_connection(engine);
    write_text(connection, "SUBSCRIBE a\r\n");
    assert_received(connection, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    char payload[1001] = "";
    memset(payload, 'x', sizeof(payload) - 1);
    for (int i = 0; i < 200; i++) {
        larder_reply_free(larder_command(speaker, "PUBLISH", "a", payload, NULL));
        /* asking, without reading: what waits in the output counts as well */
        assert_true(larder_connection_pending(connection) <= 110 * 1024);
    }
    assert_closed(connection);
    assert_integer(speaker, 0, "PUBLISH", "a", payload);
    larder_disconnect(connection);
    larder_session_close(speaker);
    larder_close(engine);
}

/* More waits than is put out in passing, so that the request itself has to see to the rest. */
static void messages_stand_before_the_error_of_a_later_request(void **state)
{
    (void)state;
    enum { MESSAGES = 10, LEN = 20 * 1024 };
    static const struct {
        const char *request, *error;
    } refused[] = {
        {"NOSUCH\r\n", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
        {"CLIENT NOSUCH\r\n", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n"},
        {"GET\r\n", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"DBSIZE\r\n", "-NOPERM User default has no permissions to run the 'dbsize' command\r\n"},
        {"PUBLISH\r\n", "-ERR wrong number of arguments for 'publish' command\r\n"},
        {"GET k\r\n", "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
                      "allowed in this context\r\n"},
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
    };
    larder *engine = open_engine(NULL);
    larder_session *speaker = open_session(engine);
    assert_status(speaker, "OK", "ACL", "SETUSER", "default", "-dbsize");
    char *payload = test_malloc(LEN + 1);
    memset(payload, 'x', LEN);
    payload[LEN] = '\0';
    char *received = test_malloc(2 * MESSAGES * LEN);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        larder_connection *connection = open_connection(engine);
        write_text(connection, "SUBSCRIBE a\r\n");
        assert_received(connection, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
        for (int j = 0; j < MESSAGES; j++)
            assert_integer(speaker, 1, "PUBLISH", "a", payload);
        write_text(connection, refused[i].request);
        ptrdiff_t len = larder_connection_read(connection, received, 2 * MESSAGES * LEN);
        size_t error_len = strlen(refused[i].error);
        assert_in_range(len, MESSAGES * LEN + error_len, MESSAGES * (LEN + 64) + error_len);
        assert_memory_equal(received + len - error_len, refused[i].error, error_len);
        larder_disconnect(connection);
    }
    test_free(received);
    test_free(payload);
    larder_session_close(speaker);
    larder_close(engine);
}

static void a_message_is_stored_once_however_many_leave_it_unread(void **state)
{
    (void)state;
    enum { LISTENERS = 1000, LEN = 100 * 1024 };
    larder *engine = open_engine(NULL);
    larder_session *speaker = open_session(engine);
    larder_connection **listeners = test_malloc(LISTENERS * sizeof(*listeners));
    char *payload = test_malloc(LEN + 1);
    memset(payload, 'x', LEN);
    payload[LEN] = '\0';
    for (int i = 0; i < LISTENERS; i++) {
        char received[128];
        listeners[i] = open_connection(engine);
        write_text(listeners[i], i % 2 == 0 ? "SUBSCRIBE a\r\n" : "PSUBSCRIBE *\r\n");
        assert_true(larder_connection_read(listeners[i], received, sizeof(received)) > 0);
    }
    larder_reply_free(larder_command(speaker, "PUBLISH", "a", "warm up", NULL));
    char *received = test_malloc(LEN + 128);
    for (int i = 0; i < LISTENERS; i++)
        assert_true(larder_connection_read(listeners[i], received, LEN + 128) > 0);
    size_t before = mem_live_bytes();
    assert_integer(speaker, LISTENERS, "PUBLISH", "a", payload);
    size_t delivered = mem_live_bytes();
    for (int i = 0; i < LISTENERS; i++)
        assert_true(larder_connection_pending(listeners[i]) > LEN);
    size_t put_out = mem_live_bytes();
    print_message("# 1,000 readers of 100 KiB wait: %zu bytes; with it in their output: %zu bytes\n",
                  delivered - before, put_out - before);
    assert_in_range(delivered - before, LEN, LEN + LISTENERS * 64);
    assert_in_range(put_out - before, LEN, LEN + LISTENERS * 512);
    for (int i = 0; i < LISTENERS; i++) {
        assert_true(larder_connection_read(listeners[i], received, LEN + 128) > LEN);
        larder_disconnect(listeners[i]);
    }
    test_free(received);
    test_free(payload);
    test_free(listeners);
    larder_session_close(speaker);
    larder_close(engine);
}

/* ---- Against a model ---- */

enum { CLIENTS = 6, NAMES = 6, KINDS = 3, EXPECTED_MAX = 64 * 1024 };

static const char *const topic_names[KINDS][NAMES] = {
    {"a", "ab", "abc", "b", "", "longer than the others"},
    {"*", "a*", "?b*", "[^b]*", "a", "no?"},
    {"a", "ab", "abc", "b", "", "longer than the others"},
};
static const char *const subscribe_verbs[KINDS] = {"subscribe", "psubscribe", "ssubscribe"};
static const char *const unsubscribe_verbs[KINDS] = {"unsubscribe", "punsubscribe", "sunsubscribe"};

/* What each pattern above matches of the channels above. */
static const bool matches[NAMES][NAMES] = {
    {true, true, true, true, false, true},     {true, true, true, false, false, false},
    {false, true, true, false, false, false},  {true, true, true, false, false, true},
    {true, false, false, false, false, false}, {false, false, false, false, false, false},
};

struct client {
    larder_connection *connection;
    int protocol;
    uint64_t since[KINDS][NAMES]; /* when it subscribed, 0: it does not */
    char expected[EXPECTED_MAX];
    size_t len;
};

struct model {
    larder *engine;
    larder_session *speaker;
    struct client clients[CLIENTS];
    uint64_t pattern_since[NAMES]; /* when the pattern got its first subscriber; 0: it has none */
    uint64_t now;
};

static void expect_format(struct client *client, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(client->expected + client->len, EXPECTED_MAX - client->len, format, arguments);
    va_end(arguments);
    assert_true(written >= 0 && (size_t)written < EXPECTED_MAX - client->len);
    client->len += (size_t)written;
}

static void expect_push(struct client *client, int count)
{
    expect_format(client, "%c%d\r\n", client->protocol == 3 ? '>' : '*', count);
}

static void expect_bulk(struct client *client, const char *text)
{
    expect_format(client, "$%zu\r\n%s\r\n", strlen(text), text);
}

static int count_of(const struct client *client, int kind)
{
    int count = 0;
    for (int i = 0; i < NAMES; i++)
        count += client->since[kind][i] != 0;
    return count;
}

/* As a confirmation counts. */
static int counted(const struct client *client, int kind)
{
    return kind == 2 ? count_of(client, 2) : count_of(client, 0) + count_of(client, 1);
}

static bool is_subscribed(const struct client *client)
{
    return count_of(client, 0) + count_of(client, 1) + count_of(client, 2) > 0;
}

/* Patterns are tried in the order in which they came to be there. */
static void settle_patterns(struct model *model)
{
    for (int i = 0; i < NAMES; i++) {
        bool is_used = false;
        for (int j = 0; j < CLIENTS; j++)
            is_used |= model->clients[j].since[1][i] != 0;
        if (!is_used)
            model->pattern_since[i] = 0;
        else if (model->pattern_since[i] == 0)
            model->pattern_since[i] = ++model->now;
    }
}

static void expect_confirmation(struct client *client, const char *verb, int kind, int name)
{
    expect_push(client, 3);
    expect_bulk(client, verb);
    if (name >= 0)
        expect_bulk(client, topic_names[kind][name]);
    else
        expect_format(client, client->protocol == 3 ? "_\r\n" : "$-1\r\n");
    expect_format(client, ":%d\r\n", counted(client, kind));
}

static void send_words(struct client *client, const char *verb, const char *name)
{
    char request[128];
    if (name != NULL)
        snprintf(request, sizeof(request), "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(verb), verb, strlen(name),
                 name);
    else
        snprintf(request, sizeof(request), "*1\r\n$%zu\r\n%s\r\n", strlen(verb), verb);
    write_text(client->connection, request);
}

static void subscribe_randomly(struct model *model, struct client *client, struct random *random)
{
    int kind = (int)between(random, 0, KINDS - 1);
    int name = (int)between(random, 0, NAMES - 1);
    if (client->since[kind][name] == 0)
        client->since[kind][name] = ++model->now;
    settle_patterns(model);
    send_words(client, subscribe_verbs[kind], topic_names[kind][name]);
    expect_confirmation(client, subscribe_verbs[kind], kind, name);
}

static void unsubscribe_randomly(struct model *model, struct client *client, struct random *random)
{
    int kind = (int)between(random, 0, KINDS - 1);
    int name = (int)between(random, 0, NAMES - 1);
    client->since[kind][name] = 0;
    settle_patterns(model);
    send_words(client, unsubscribe_verbs[kind], topic_names[kind][name]);
    expect_confirmation(client, unsubscribe_verbs[kind], kind, name);
}

/* Its oldest subscription of this kind, -1 without one. */
static int oldest_of(const struct client *client, int kind)
{
    int oldest = -1;
    for (int i = 0; i < NAMES; i++)
        if (client->since[kind][i] != 0 && (oldest < 0 || client->since[kind][i] < client->since[kind][oldest]))
            oldest = i;
    return oldest;
}

static void unsubscribe_from_all(struct model *model, struct client *client, struct random *random)
{
    int kind = (int)between(random, 0, KINDS - 1);
    int name = oldest_of(client, kind);
    send_words(client, unsubscribe_verbs[kind], NULL);
    if (name < 0)
        expect_confirmation(client, unsubscribe_verbs[kind], kind, -1);
    for (; name >= 0; name = oldest_of(client, kind)) {
        client->since[kind][name] = 0;
        expect_confirmation(client, unsubscribe_verbs[kind], kind, name);
    }
    settle_patterns(model);
}

static void expect_message(struct client *client, int kind, const char *pattern, const char *channel,
                           const char *payload)
{
    static const char *const verbs[KINDS] = {"message", "pmessage", "smessage"};
    expect_push(client, pattern != NULL ? 4 : 3);
    expect_bulk(client, verbs[kind]);
    if (pattern != NULL)
        expect_bulk(client, pattern);
    expect_bulk(client, channel);
    expect_bulk(client, payload);
}

static int expect_in_patterns(struct model *model, int channel, const char *payload)
{
    int receivers = 0;
    uint64_t done = 0;
    for (;;) {
        int next = -1;
        for (int i = 0; i < NAMES; i++)
            if (model->pattern_since[i] > done && (next < 0 || model->pattern_since[i] < model->pattern_since[next]))
                next = i;
        if (next < 0)
            return receivers;
        done = model->pattern_since[next];
        for (int i = 0; i < CLIENTS && matches[next][channel]; i++) {
            struct client *client = &model->clients[i];
            if (client->since[1][next] == 0)
                continue;
            expect_message(client, 1, topic_names[1][next], topic_names[0][channel], payload);
            receivers++;
        }
    }
}

static void publish_randomly(struct model *model, struct random *random)
{
    char payload[16];
    snprintf(payload, sizeof(payload), "%llu", (unsigned long long)++model->now);
    int kind = one_in(random, 3) ? 2 : 0;
    int channel = (int)between(random, 0, NAMES - 1);
    int receivers = 0;
    for (int i = 0; i < CLIENTS; i++) {
        if (model->clients[i].since[kind][channel] == 0)
            continue;
        expect_message(&model->clients[i], kind, NULL, topic_names[kind][channel], payload);
        receivers++;
    }
    if (kind == 0)
        receivers += expect_in_patterns(model, channel, payload);
    assert_integer(model->speaker, receivers, kind == 0 ? "PUBLISH" : "SPUBLISH", topic_names[kind][channel], payload);
}

static void begin_anew(struct model *model, struct client *client, struct random *random)
{
    client->protocol = one_in(random, 2) ? 2 : 3;
    memset(client->since, 0, sizeof(client->since));
    settle_patterns(model);
    if (client->connection != NULL && one_in(random, 2)) {
        write_text(client->connection, "RESET\r\n");
        expect_format(client, "+RESET\r\n");
    } else {
        larder_disconnect(client->connection);
        client->connection = open_connection(model->engine);
        client->len = 0; /* what it did not read is lost */
    }
    if (client->protocol == 3)
        write_text(client->connection, "HELLO 3\r\n");
}

/* What the greeting of HELLO says is not looked at. */
static void check_client(struct client *client)
{
    static char received[2 * EXPECTED_MAX];
    ptrdiff_t len = larder_connection_read(client->connection, received, sizeof(received) - 1);
    assert_true(len >= 0);
    received[len] = '\0';
    char *greeting;
    while ((greeting = strstr(received, "%7\r\n")) != NULL) {
        char *end = strstr(greeting, "*0\r\n");
        assert_non_null(end);
        memmove(greeting, end + 4, strlen(end + 4) + 1);
    }
    client->expected[client->len] = '\0';
    if (strcmp(received, client->expected) != 0)
        fail_msg("received\n%s\nnot\n%s", received, client->expected);
    client->len = 0;
}

static void check_totals(struct model *model)
{
    int patterns = 0;
    for (int name = 0; name < NAMES; name++) {
        patterns += model->pattern_since[name] != 0;
        for (int kind = 0; kind < KINDS; kind += 2) {
            int subscribers = 0;
            for (int i = 0; i < CLIENTS; i++)
                subscribers += model->clients[i].since[kind][name] != 0;
            larder_reply *reply = larder_command(model->speaker, "PUBSUB", kind == 0 ? "NUMSUB" : "SHARDNUMSUB",
                                                 topic_names[kind][name], NULL);
            assert_int_equal(reply->elements[1].integer, subscribers);
            larder_reply_free(reply);
        }
    }
    assert_integer(model->speaker, patterns, "PUBSUB", "NUMPAT");
}

static void clients_receive_what_a_model_says(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct model *model = test_calloc(1, sizeof(*model));
    model->engine = open_engine(NULL);
    model->speaker = open_session(model->engine);
    for (int i = 0; i < CLIENTS; i++)
        begin_anew(model, &model->clients[i], &random);
    for (int step = 0; step < 20000; step++) {
        struct client *client = &model->clients[between(&random, 0, CLIENTS - 1)];
        switch (between(&random, 0, 9)) {
        case 0:
        case 1:
        case 2:
            subscribe_randomly(model, client, &random);
            break;
        case 3:
            unsubscribe_randomly(model, client, &random);
            break;
        case 4:
            if (one_in(&random, 4))
                unsubscribe_from_all(model, client, &random);
            else if (one_in(&random, 10))
                begin_anew(model, client, &random);
            else if (client->protocol == 3 || !is_subscribed(client))
                write_text(client->connection, "PING\r\n"), expect_format(client, "+PONG\r\n");
            break;
        default:
            publish_randomly(model, &random);
        }
        if (one_in(&random, 5))
            check_client(client);
        if (one_in(&random, 500))
            check_totals(model);
    }
    for (int i = 0; i < CLIENTS; i++) {
        check_client(&model->clients[i]);
        larder_disconnect(model->clients[i].connection);
    }
    assert_integer(model->speaker, 0, "PUBSUB", "NUMPAT");
    larder_session_close(model->speaker);
    larder_close(model->engine);
    test_free(model);
}

/* ---- Without memory ---- */

static void subscribing_without_memory_changes_nothing(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_session *speaker = open_session(engine);
    static const char *const verbs[] = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        bool is_done = false;
        for (long allowed = 0; !is_done; allowed++) {
            assert_true(allowed < 30);
            mem_fail_after(allowed);
            larder_reply *reply = larder_command(session, verbs[i], "a", NULL);
            mem_fail_after(-1);
            is_done = reply != NULL && reply->type == LARDER_PUSH;
            if (reply != NULL && !is_done)
                assert_string_equal(reply->text, "OOM out of memory");
            bool is_subscribed = !is_done && reply == NULL; /* done, but there was no memory for saying so */
            larder_reply_free(reply);
            larder_reply *count = larder_command(speaker, i == 2 ? "SPUBLISH" : "PUBLISH", "a", "x", NULL);
            if (!is_subscribed)
                assert_int_equal(count->integer, is_done ? 1 : 0);
            larder_reply_free(count);
            while (*next_message(session) != '\0')
                continue;
            if (is_subscribed || is_done)
                assert_status(session, "RESET", "RESET"),
                    larder_reply_free(larder_command(session, "HELLO", "3", NULL));
        }
    }
    larder_session_close(session);
    larder_session_close(speaker);
    larder_close(engine);
}

static void publishing_without_memory_is_an_error_or_ends_the_subscription(void **state)
{
    (void)state;
    enum { LONG = 20 * 1024 };
    larder *engine = open_engine(NULL);
    larder_session *speaker = open_session(engine);
    char *payload = test_malloc(LONG + 1);
    memset(payload, 'x', LONG);
    payload[LONG] = '\0';
    int64_t received = 0;
    for (long allowed = 0; received != 2; allowed++) {
        assert_true(allowed < 40);
        larder_session *session = open_session(engine);
        larder_session *other = open_session(engine);
        assert_confirmed(session, "subscribe", "a", 1, "SUBSCRIBE", "a");
        assert_confirmed(other, "psubscribe", "*", 1, "PSUBSCRIBE", "*");
        mem_fail_after(allowed);
        larder_reply *reply = larder_command(speaker, "PUBLISH", "a", payload, NULL);
        mem_fail_after(-1);
        int64_t messages = 0;
        for (larder_session **one = (larder_session *[]){session, other, NULL}; *one != NULL; one++) {
            larder_reply *message = larder_session_push(*one);
            bool is_message = message != NULL && message->count >= 3;
            if (is_message)
                assert_int_equal(message->elements[message->count - 1].len, LONG);
            else if (message != NULL)
                assert_int_equal(message->type, LARDER_ERROR);
            messages += is_message;
            larder_reply_free(message);
        }
        if (reply != NULL && reply->type == LARDER_INTEGER) {
            received = reply->integer;
            assert_int_equal(messages, received); /* the count is exact */
        }
        larder_reply_free(reply);
        larder_session_close(session);
        larder_session_close(other);
    }
    test_free(payload);
    larder_session_close(speaker);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_wait_until_they_are_asked_for),
        cmocka_unit_test(several_confirmations_are_answered_with_the_last),
        cmocka_unit_test(what_came_before_unsubscribe_can_be_asked_for_after_it),
        cmocka_unit_test(after_hello_2_a_session_is_a_subscriber_of_resp2),
        cmocka_unit_test(who_leaves_too_much_unread_loses_its_subscriptions_and_nothing_else),
        cmocka_unit_test(the_program_is_woken_when_something_begins_to_wait),
        cmocka_unit_test(a_connection_that_does_not_read_is_closed_at_its_limit),
        cmocka_unit_test(messages_stand_before_the_error_of_a_later_request),
        cmocka_unit_test(a_message_is_stored_once_however_many_leave_it_unread),
        cmocka_unit_test(clients_receive_what_a_model_says),
        cmocka_unit_test(subscribing_without_memory_changes_nothing),
        cmocka_unit_test(publishing_without_memory_is_an_error_or_ends_the_subscription),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

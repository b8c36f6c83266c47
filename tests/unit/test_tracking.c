/* CLIENT TRACKING on many threads: each keeps copies of what it reads and believes what it is told; when all is quiet,
   every copy must be what the engine has. And what happens when memory runs out, when sessions close, and when there
   are more keys than may be remembered. */
#include "embedding.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <pthread.h>

enum {
    THREADS = 4,
    KEYS = 60,
    DATABASES = 2,
    ROUNDS = 40,
    ACTIONS = 300, /* of each thread in each round */
    TEXT_SIZE = 64,
};

static size_t sum_of(const _Atomic size_t *sum)
{
    return atomic_load(sum);
}

/* What threads assert with: a failure there can't be one of cmocka's. */
#define MUST(condition)                                                               \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "# %s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

static void must_reply(larder_session *session, const char *text, const char *const words[], size_t count)
{
    larder_reply *reply = larder_command_argv(session, count, words, NULL);
    MUST(reply != NULL && reply->type == LARDER_STATUS && strcmp(reply->text, text) == 0);
    larder_reply_free(reply);
}

#define MUST_STATUS(session, text, ...) \
    must_reply(session, text, (const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* A client that keeps copies. */
struct keeper {
    larder *engine;
    struct random random;
    pthread_barrier_t *barrier;
    larder_session *session;  /* what reads */
    larder_session *receiver; /* what is told: the same, or the one that it redirects to */
    int database;
    bool is_noloop;               /* forgets by itself what it changes */
    bool is_choosy;               /* only what it says CLIENT CACHING YES for is remembered */
    char copies[KEYS][TEXT_SIZE]; /* "": none, "-": there is no such key, else '=' and the value */
    size_t told;
    size_t kept;
};

static void name_key(size_t key, char name[TEXT_SIZE])
{
    snprintf(name, TEXT_SIZE, "%s:%zu", key % 3 == 0 ? "fruit" : "tree", key);
}

static void forget_everything(struct keeper *keeper)
{
    memset(keeper->copies, 0, sizeof(keeper->copies));
}

static void forget_name(struct keeper *keeper, const char *name)
{
    char known[TEXT_SIZE];
    for (size_t key = 0; key < KEYS; key++) {
        name_key(key, known);
        if (strcmp(known, name) == 0)
            keeper->copies[key][0] = '\0';
    }
}

/* Believes everything that it has been told so far. */
static void listen(struct keeper *keeper)
{
    larder_reply *push;
    while ((push = larder_session_push(keeper->receiver)) != NULL) {
        MUST(push->type == LARDER_PUSH);
        MUST(strcmp(push->elements[0].text, "invalidate") == 0);
        const larder_reply *names = &push->elements[1];
        if (names->type == LARDER_NIL)
            forget_everything(keeper);
        for (size_t i = 0; i < names->count; i++)
            forget_name(keeper, names->elements[i].text);
        keeper->told++;
        larder_reply_free(push);
    }
}

static void copy_value(char copy[TEXT_SIZE], const larder_reply *value)
{
    if (value->type == LARDER_STRING)
        snprintf(copy, TEXT_SIZE, "=%.*s", TEXT_SIZE - 2, value->text);
    else
        snprintf(copy, TEXT_SIZE, "-");
}

static void read_one(struct keeper *keeper, size_t key)
{
    char name[TEXT_SIZE];
    name_key(key, name);
    if (keeper->is_choosy)
        MUST_STATUS(keeper->session, "OK", "CLIENT", "CACHING", "YES");
    larder_reply *reply = larder_command(keeper->session, "GET", name, NULL);
    MUST(reply != NULL);
    copy_value(keeper->copies[key], reply);
    larder_reply_free(reply);
    keeper->kept++;
}

static void read_two(struct keeper *keeper, size_t key, size_t other, bool is_transaction)
{
    char name[TEXT_SIZE];
    char other_name[TEXT_SIZE];
    name_key(key, name);
    name_key(other, other_name);
    if (keeper->is_choosy)
        MUST_STATUS(keeper->session, "OK", "CLIENT", "CACHING", "YES");
    if (is_transaction) {
        MUST_STATUS(keeper->session, "OK", "MULTI");
        MUST_STATUS(keeper->session, "QUEUED", "GET", name);
        MUST_STATUS(keeper->session, "QUEUED", "GET", other_name);
    }
    larder_reply *reply = is_transaction ? larder_command(keeper->session, "EXEC", NULL)
                                         : larder_command(keeper->session, "MGET", name, other_name, NULL);
    MUST(reply != NULL);
    MUST(reply->count == 2);
    copy_value(keeper->copies[key], &reply->elements[0]);
    copy_value(keeper->copies[other], &reply->elements[1]);
    larder_reply_free(reply);
}

static void run(struct keeper *keeper, const char *a, const char *b, const char *c, const char *d, const char *e)
{
    larder_reply *reply = larder_command(keeper->session, a, b, c, d, e, NULL);
    MUST(reply != NULL);
    if (reply->type == LARDER_ERROR) /* of those that happen */
        MUST(strstr(reply->text, "no such key") != NULL || strstr(reply->text, "not an integer") != NULL);
    larder_reply_free(reply);
}

static void change(struct keeper *keeper, size_t key, size_t other)
{
    char name[TEXT_SIZE];
    char other_name[TEXT_SIZE];
    char number[TEXT_SIZE];
    name_key(key, name);
    name_key(other, other_name);
    snprintf(number, sizeof(number), "%u", (unsigned)between(&keeper->random, 0, 1000000));
    switch (random_below(&keeper->random, 14)) {
    case 0:
        run(keeper, "DEL", name, other_name, NULL, NULL);
        break;
    case 1:
        run(keeper, "INCR", name, NULL, NULL, NULL);
        break;
    case 2:
        run(keeper, "SET", name, number, "PX", "20");
        break;
    case 3:
        run(keeper, "PEXPIRE", name, "10", NULL, NULL);
        break;
    case 4:
        run(keeper, "RENAME", name, other_name, NULL, NULL);
        break;
    case 5:
        run(keeper, "COPY", name, other_name, "REPLACE", NULL);
        break;
    case 6:
        run(keeper, "MSET", name, number, other_name, number);
        break;
    case 7:
        run(keeper, "GETDEL", name, NULL, NULL, NULL);
        break;
    case 8:
        run(keeper, "MOVE", name, keeper->database == 0 ? "1" : "0", NULL, NULL);
        break;
    case 9:
        run(keeper, "MULTI", NULL, NULL, NULL, NULL);
        run(keeper, "SET", name, number, NULL, NULL);
        run(keeper, "DEL", other_name, NULL, NULL, NULL);
        run(keeper, "EXEC", NULL, NULL, NULL, NULL);
        break;
    default:
        run(keeper, "SET", name, number, NULL, NULL);
        break;
    }
    if (keeper->is_noloop) {
        keeper->copies[key][0] = '\0';
        keeper->copies[other][0] = '\0';
    }
}

static void change_everything(struct keeper *keeper)
{
    static const char *const lines[][3] = {{"FLUSHDB"}, {"FLUSHALL"}, {"SWAPDB", "0", "1"}};
    const char *const *line = lines[random_below(&keeper->random, COUNT_OF(lines))];
    run(keeper, line[0], line[1], line[2], NULL, NULL);
}

static void act(struct keeper *keeper)
{
    size_t key = between(&keeper->random, 0, KEYS - 1);
    size_t other = (key + between(&keeper->random, 1, KEYS - 1)) % KEYS;
    if (one_in(&keeper->random, 300))
        change_everything(keeper);
    else if (one_in(&keeper->random, 4))
        change(keeper, key, other);
    else if (one_in(&keeper->random, 5))
        read_two(keeper, key, other, one_in(&keeper->random, 2));
    else
        read_one(keeper, key);
    if (one_in(&keeper->random, 3))
        listen(keeper);
}

/* ---- Opening and closing ---- */

static void select_database(larder_session *session, int database)
{
    MUST_STATUS(session, "OK", "SELECT", database == 0 ? "0" : "1");
}

static const char *const manners[][7] = {
    {NULL}, {"NOLOOP"}, {"OPTIN"}, {"BCAST"}, {"BCAST", "PREFIX", "fru", "PREFIX", "tree:", "NOLOOP"},
};

static void track(struct keeper *keeper)
{
    enum { words_max = 16 };
    const char *words[words_max] = {"CLIENT", "TRACKING", "ON"};
    size_t count = 3;
    char id[TEXT_SIZE];
    for (const char *const *word = manners[random_below(&keeper->random, COUNT_OF(manners))]; *word != NULL; word++) {
        words[count++] = *word;
        keeper->is_noloop |= strcmp(*word, "NOLOOP") == 0;
        keeper->is_choosy |= strcmp(*word, "OPTIN") == 0;
    }
    if (keeper->receiver != keeper->session || one_in(&keeper->random, 2)) {
        larder_reply *reply = larder_command(keeper->receiver, "CLIENT", "ID", NULL);
        MUST(reply != NULL && reply->type == LARDER_INTEGER);
        snprintf(id, sizeof(id), "%lld", (long long)reply->integer);
        larder_reply_free(reply);
        words[count++] = "REDIRECT";
        words[count++] = id;
    }
    must_reply(keeper->session, "OK", words, count);
}

static void open_keeper(struct keeper *keeper)
{
    keeper->is_noloop = keeper->is_choosy = false;
    keeper->session = larder_session_open(keeper->engine);
    keeper->receiver = one_in(&keeper->random, 2) ? keeper->session : larder_session_open(keeper->engine);
    select_database(keeper->session, keeper->database);
    track(keeper);
    forget_everything(keeper);
}

static void close_keeper(struct keeper *keeper)
{
    larder_session_close(keeper->session);
    if (keeper->receiver != keeper->session)
        larder_session_close(keeper->receiver);
}

static void compare_copies(struct keeper *keeper)
{
    larder_session *session = larder_session_open(keeper->engine);
    select_database(session, keeper->database);
    for (size_t key = 0; key < KEYS; key++) {
        char name[TEXT_SIZE];
        char present[TEXT_SIZE];
        name_key(key, name);
        larder_reply *reply = larder_command(session, "GET", name, NULL);
        copy_value(present, reply);
        larder_reply_free(reply);
        if (keeper->copies[key][0] != '\0' && strcmp(keeper->copies[key], present) != 0) {
            fprintf(stderr, "# a stale copy of %s: %s, not %s\n", name, keeper->copies[key], present);
            abort();
        }
    }
    larder_session_close(session);
}

/* ---- All together ---- */

static void *keep(void *argument)
{
    struct keeper *keeper = argument;
    open_keeper(keeper);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ACTIONS; i++)
            act(keeper);
        pthread_barrier_wait(keeper->barrier); /* all is quiet, and time passes */
        pthread_barrier_wait(keeper->barrier);
        listen(keeper);
        compare_copies(keeper);
        pthread_barrier_wait(keeper->barrier);
        if (one_in(&keeper->random, 3)) {
            close_keeper(keeper);
            open_keeper(keeper);
        }
    }
    close_keeper(keeper);
    return NULL;
}

static void check_that_all_is_forgotten(larder *engine)
{
    const struct tracking *tracking = &engine->tracking;
    for (int i = 0; i < 1000 && sum_of(&tracking->keys) > 0; i++)
        larder_upkeep(engine);
    assert_int_equal(sum_of(&tracking->keys), 0);
    assert_int_equal(sum_of(&tracking->items), 0);
    assert_int_equal(sum_of(&tracking->bytes), 0);
    assert_int_equal(sum_of(&tracking->clients), 0);
    assert_int_equal(sum_of(&tracking->prefixes), 0);
    for (size_t i = 0; i < engine->keyspace.shard_count; i++)
        assert_int_equal(tracking->tables[i].keys.used, 0);
}

/* Time passes, and all that has expired is gone: a look at it is enough. */
static void pass_time(larder *engine)
{
    ks_lock_all(&engine->keyspace);
    tracking_check(engine);
    ks_unlock_all(&engine->keyspace);
    larder_advance(engine, 15 * 1000);
    larder_upkeep(engine);
    larder_session *session = open_session(engine);
    for (int database = 0; database < DATABASES; database++) {
        assert_status(session, "OK", "SELECT", database == 0 ? "0" : "1");
        for (size_t key = 0; key < KEYS; key++) {
            char name[TEXT_SIZE];
            name_key(key, name);
            larder_reply_free(larder_command(session, "GET", name, NULL));
        }
    }
    larder_session_close(session);
}

static void keep_copies(struct random *random, const char *config)
{
    larder *engine = open_engine(&(larder_options){.threads = THREADS, .config = config});
    larder_freeze(engine);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    static struct keeper keepers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        keepers[i] = (struct keeper){.engine = engine, .barrier = &barrier, .database = i % DATABASES};
        random_seed(&keepers[i].random, random_next(random));
        pthread_create(&threads[i], NULL, keep, &keepers[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        pass_time(engine);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(keepers[i].told > 0 && keepers[i].kept > 0);
    }
    pthread_barrier_destroy(&barrier);
    check_that_all_is_forgotten(engine);
    larder_close(engine);
}

static void copies_are_never_stale_for_good(void **state)
{
    struct random random = property_start(__func__);
    keep_copies(&random, NULL);
}

static void copies_are_never_stale_for_good_in_a_small_table(void **state)
{
    struct random random = property_start(__func__);
    keep_copies(&random, "tracking-table-max-keys 20");
}

/* ---- Limits ---- */

static void read_keys(larder_session *session, const char *prefix, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[TEXT_SIZE];
        snprintf(name, sizeof(name), "%s%zu", prefix, i);
        assert_nil(session, "GET", name);
    }
}

static size_t count_pushes(larder_session *session)
{
    size_t count = 0;
    larder_reply *push;
    for (; (push = larder_session_push(session)) != NULL; count++) {
        assert_int_equal(push->type, LARDER_PUSH);
        larder_reply_free(push);
    }
    return count;
}

static void what_is_remembered_keeps_to_its_limit_and_the_rest_is_told(void **state)
{
    enum { allowed = 1000, read = 5000 };
    larder *engine = open_configured("tracking-table-max-keys 1000");
    const struct tracking *tracking = &engine->tracking;
    larder_session *session = open_session(engine);
    assert_status(session, "OK", "CLIENT", "TRACKING", "ON");
    read_keys(session, "k", read);
    larder_upkeep(engine);
    assert_true(sum_of(&tracking->keys) <= allowed && sum_of(&tracking->keys) > allowed / 2);
    assert_int_equal(count_pushes(session), read - sum_of(&tracking->keys));
    assert_status(session, "OK", "CONFIG", "SET", "tracking-table-max-keys", "10");
    for (int i = 0; i < 100; i++)
        larder_upkeep(engine);
    assert_int_equal(sum_of(&tracking->keys), 10);
    larder_session_close(session);
    check_that_all_is_forgotten(engine);
    larder_close(engine);
}

/* As many keys as are allowed, but with names and readers that take more memory than that many should. */
static void what_is_remembered_is_bounded_in_memory_too(void **state)
{
    enum { sessions = 40, name_len = 4000 };
    larder *engine = open_configured("tracking-table-max-keys 2000");
    const struct tracking *tracking = &engine->tracking;
    larder_session *session = open_session(engine);
    assert_status(session, "OK", "CLIENT", "TRACKING", "ON");
    char *name = malloc(name_len + 100);
    memset(name, 'n', name_len);
    for (int i = 0; i < 1500; i++) {
        snprintf(name + name_len, 100, "%d", i);
        assert_nil(session, "GET", name);
    }
    larder_upkeep(engine);
    assert_true(sum_of(&tracking->bytes) <= sum_of(&tracking->max_bytes));
    assert_true(sum_of(&tracking->keys) < 1500);
    assert_int_equal(count_pushes(session), 1500 - sum_of(&tracking->keys));
    memset(name, 'n', name_len + 99);
    name[name_len + 99] = '\0'; /* too long to be remembered at all */
    assert_nil(session, "GET", name);
    assert_int_equal(count_pushes(session), 1);
    free(name);
    larder_session_close(session);
    larder_close(engine);
}

static void many_readers_of_a_key_are_each_told_once(void **state)
{
    enum { readers = 300 };
    larder *engine = open_engine(&(larder_options){.threads = 2});
    const struct tracking *tracking = &engine->tracking;
    larder_session *sessions[readers];
    larder_session *writer = open_session(engine);
    for (int i = 0; i < readers; i++) {
        sessions[i] = open_session(engine);
        assert_status(sessions[i], "OK", "CLIENT", "TRACKING", "ON");
        read_keys(sessions[i], "k", 1);
        read_keys(sessions[i], "k", 1);
        read_keys(sessions[i], "l", 1);
        assert_int_equal(sum_of(&tracking->items), 2 * (i + 1));
    }
    assert_int_equal(sum_of(&tracking->keys), 2);
    assert_status(writer, "OK", "SET", "k0", "v");
    assert_int_equal(sum_of(&tracking->items), readers);
    assert_status(writer, "OK", "SET", "k0", "w");
    for (int i = 0; i < readers; i++) {
        assert_int_equal(count_pushes(sessions[i]), 1);
        if (i % 3 > 0)
            larder_session_close(sessions[i]);
    }
    for (int i = 0; i < 10; i++)
        larder_upkeep(engine);
    assert_int_equal(sum_of(&tracking->items), readers / 3); /* the closed ones have been swept away */
    assert_status(writer, "OK", "SET", "l0", "v");
    for (int i = 0; i < readers; i += 3) {
        assert_int_equal(count_pushes(sessions[i]), 1);
        larder_session_close(sessions[i]);
    }
    larder_session_close(writer);
    check_that_all_is_forgotten(engine);
    larder_close(engine);
}

/* ---- Batches ---- */

static struct session *inner_session(larder *engine, larder_session *session)
{
    larder_reply *reply = larder_command(session, "CLIENT", "ID", NULL);
    struct session *found = session_find(&engine->sessions, reply->integer);
    larder_reply_free(reply);
    assert_non_null(found);
    return found;
}

/* The oldest push of a session names these keys, and no other push waits. */
static void check_push(larder_session *session, const char *names)
{
    char told[TEXT_SIZE] = "";
    larder_reply *push = larder_session_push(session);
    if (push != NULL)
        for (size_t i = 0; i < push->elements[1].count; i++)
            snprintf(told + strlen(told), sizeof(told) - strlen(told), " %s", push->elements[1].elements[i].text);
    assert_string_equal(told, names);
    larder_reply_free(push);
    assert_int_equal(count_pushes(session), 0);
}

static void a_batch_of_changes_is_told_at_once_each_key_once(void **state)
{
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_session *quiet = open_session(engine);
    larder_session *writer = open_session(engine);
    const struct session *by_quiet = inner_session(engine, quiet);
    const struct session *by_writer = inner_session(engine, writer);
    assert_status(session, "OK", "CLIENT", "TRACKING", "ON", "BCAST");
    assert_status(quiet, "OK", "CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP");
    tracking_note_change(engine, BYTES("b"), by_writer);
    tracking_note_change(engine, BYTES("own"), by_quiet);
    tracking_note_change(engine, BYTES("a"), NULL);
    tracking_note_change(engine, BYTES("both"), by_quiet);
    tracking_note_change(engine, BYTES("both"), by_writer);
    tracking_note_change(engine, BYTES("b"), by_writer);
    tracking_note_change(engine, BYTES("own"), by_quiet);
    assert_int_equal(count_pushes(session), 0);
    tracking_broadcast(engine);
    check_push(session, " a b both own");
    check_push(quiet, " a b both");
    tracking_note_change(engine, BYTES("own"), by_quiet);
    tracking_broadcast(engine);
    check_push(session, " own");
    check_push(quiet, "");
    larder_session_close(session);
    larder_session_close(quiet);
    larder_session_close(writer);
    check_that_all_is_forgotten(engine);
    larder_close(engine);
}

/* ---- When memory runs out ---- */

enum { MOST_ALLOCATIONS = 1000 };

/* The session has been told of something: a push, or that it has lost some. */
static bool has_been_told(larder_session *session)
{
    larder_reply *push = larder_session_push(session);
    bool is_told = push != NULL;
    larder_reply_free(push);
    return is_told;
}

static larder_session *open_tracking(larder *engine, bool is_broadcast)
{
    larder_session *session = open_session(engine);
    if (is_broadcast)
        assert_status(session, "OK", "CLIENT", "TRACKING", "ON", "BCAST");
    else
        assert_status(session, "OK", "CLIENT", "TRACKING", "ON");
    return session;
}

/* Whatever could not be remembered when the key was read, the reader hears of its change. */
static void a_reading_that_finds_no_memory_is_not_forgotten(void **state)
{
    larder *engine = open_engine(NULL);
    larder_session *writer = open_session(engine);
    bool has_succeeded = false;
    for (long allowed = 0; !has_succeeded && allowed < MOST_ALLOCATIONS; allowed++) {
        larder_session *session = open_tracking(engine, false);
        mem_fail_after(allowed);
        larder_reply *reply = larder_command(session, "GET", "k", NULL);
        mem_fail_after(-1);
        has_succeeded = reply != NULL && !has_been_told(session);
        assert_status(writer, "OK", "SET", "k", "v");
        if (has_succeeded)
            assert_true(has_been_told(session));
        larder_reply_free(reply);
        larder_session_close(session);
    }
    assert_true(has_succeeded);
    larder_session_close(writer);
    check_that_all_is_forgotten(engine);
    larder_close(engine);
}

static void count_wake(void *context)
{
    ++*(size_t *)context;
}

static larder_reply *push_within(larder_session *session, long allocations)
{
    mem_fail_after(allocations);
    larder_reply *push = larder_session_push(session);
    mem_fail_after(-1);
    return push;
}

/* What is delivered reaches the program, or it learns that something did not, however often memory runs out. */
static void a_push_that_finds_no_memory_is_not_forgotten(void **state)
{
    larder *engine = open_engine(NULL);
    larder_session *writer = open_session(engine);
    bool has_arrived = false;
    for (long allowed = 0; !has_arrived && allowed < MOST_ALLOCATIONS; allowed++) {
        larder_session *session = open_tracking(engine, false);
        assert_integer(session, 0, "EXISTS", "k");
        assert_status(writer, "OK", "SET", "k", "v");
        larder_reply *push = push_within(session, allowed);
        has_arrived = push != NULL;
        size_t wakes = 0;
        larder_session_on_push(session, count_wake, &wakes);
        larder_session_on_push(session, NULL, NULL);
        assert_int_equal(wakes, has_arrived ? 0 : 1);
        for (long some = 0; push == NULL && some < MOST_ALLOCATIONS; some++)
            push = push_within(session, some);
        assert_non_null(push);
        assert_int_equal(push->type, has_arrived ? LARDER_PUSH : LARDER_ERROR);
        assert_true(has_arrived || strncmp(push->text, "LOST ", 5) == 0);
        larder_reply_free(push);
        assert_false(has_been_told(session));
        assert_integer(writer, 1, "DEL", "k");
        larder_session_close(session);
    }
    assert_true(has_arrived);
    larder_session_close(writer);
    larder_close(engine);
}

/* A change that took effect is heard of, whatever memory there was to tell of it. */
static void check_changing(bool is_broadcast)
{
    larder *engine = open_engine(NULL);
    larder_session *writer = open_session(engine);
    assert_status(writer, "OK", "SET", "k", "0");
    bool has_succeeded = false;
    size_t done = 0;
    for (long allowed = 0; !has_succeeded && allowed < MOST_ALLOCATIONS; allowed++) {
        larder_session *session = open_tracking(engine, is_broadcast);
        larder_reply *before = larder_command(session, "GET", "k", NULL);
        mem_fail_after(allowed);
        larder_reply *reply = larder_command(writer, "INCR", "k", NULL);
        mem_fail_after(-1);
        has_succeeded = reply != NULL && reply->type == LARDER_INTEGER;
        larder_reply *after = larder_command(writer, "GET", "k", NULL);
        bool has_changed = strcmp(before->text, after->text) != 0;
        assert_true(has_changed || !has_succeeded);
        if (has_changed)
            assert_true(has_been_told(session));
        done += has_changed;
        larder_reply_free(before);
        larder_reply_free(reply);
        larder_reply_free(after);
        larder_session_close(session);
        has_succeeded = has_succeeded && allowed > 20; /* the first success may have lost the telling */
    }
    assert_true(has_succeeded && done > 1);
    larder_session_close(writer);
    check_that_all_is_forgotten(engine);
    larder_close(engine);
}

static void a_change_that_finds_no_memory_is_told_all_the_same(void **state)
{
    check_changing(false);
    check_changing(true);
}

static void turning_on_happens_or_is_refused(void **state)
{
    larder *engine = open_engine(NULL);
    larder_session *session = open_session(engine);
    larder_session *writer = open_session(engine);
    bool is_on = false;
    for (long allowed = 0; !is_on && allowed < MOST_ALLOCATIONS; allowed++) {
        mem_fail_after(allowed);
        larder_reply *reply =
            larder_command(session, "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "one", "PREFIX", "two", NULL);
        mem_fail_after(-1);
        is_on = reply != NULL && reply->type == LARDER_STATUS;
        larder_reply_free(reply);
        assert_status(writer, "OK", "SET", "one:1", "v");
        if (!is_on && sum_of(&engine->tracking.clients) == 0) {
            assert_false(has_been_told(session));
            assert_int_equal(sum_of(&engine->tracking.prefixes), 0);
        } else {
            is_on = true; /* the reply alone was lost */
        }
    }
    assert_true(is_on && has_been_told(session));
    assert_int_equal(sum_of(&engine->tracking.prefixes), 2);
    larder_session_close(session);
    larder_session_close(writer);
    check_that_all_is_forgotten(engine);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_never_stale_for_good),
        cmocka_unit_test(copies_are_never_stale_for_good_in_a_small_table),
        cmocka_unit_test(what_is_remembered_keeps_to_its_limit_and_the_rest_is_told),
        cmocka_unit_test(what_is_remembered_is_bounded_in_memory_too),
        cmocka_unit_test(many_readers_of_a_key_are_each_told_once),
        cmocka_unit_test(a_batch_of_changes_is_told_at_once_each_key_once),
        cmocka_unit_test(a_reading_that_finds_no_memory_is_not_forgotten),
        cmocka_unit_test(a_push_that_finds_no_memory_is_not_forgotten),
        cmocka_unit_test(a_change_that_finds_no_memory_is_told_all_the_same),
        cmocka_unit_test(turning_on_happens_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

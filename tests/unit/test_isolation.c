/* Transactions on several threads: nobody ever sees a part of one, whatever else goes on. Amounts are moved between
   random accounts, by MULTI alone and by WATCH, in sessions of the program and over connections in memory, while
   readers check that the sum never changes and others walk over, empty, exchange and measure whole databases. Every
   lock of the engine is taken in every combination, so that a wrong order ends in a deadlock; the alarm says so. */
#include "embedding.h"

#include "engine/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
    ACCOUNTS = 24,
    AMOUNT = 1000, /* on each account at first */
    MOVES = 8000,  /* by each mover */
    PATIENCE_S = 240,
};

struct bank {
    larder *engine;
    uint64_t seed;
    char names[ACCOUNTS][16];
    _Atomic int movers; /* still at work; the others stop when there are none left */
    _Atomic long refused;
    _Atomic long checked;
};

struct worker {
    struct bank *bank;
    struct random random;
    void (*work)(struct worker *worker, larder_session *session);
    pthread_t thread;
};

static bool goes_on(const struct worker *worker)
{
    return atomic_load(&worker->bank->movers) > 0;
}

static const char *any_account(struct worker *worker)
{
    return worker->bank->names[random_below(&worker->random, ACCOUNTS)];
}

/* The tests' assertions must not be used on other threads; these end the process. */
#define REQUIRE(condition)                                                  \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: " #condition "\n", __FILE__, __LINE__); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static void require_status(larder_reply *reply, const char *text)
{
    REQUIRE(reply != NULL && reply->type == LARDER_STATUS && strcmp(reply->text, text) == 0);
    larder_reply_free(reply);
}

/* ---- Movers ---- */

static void move_blindly(struct worker *worker, larder_session *session)
{
    for (int i = 0; i < MOVES; i++) {
        char amount[16];
        snprintf(amount, sizeof(amount), "%zu", between(&worker->random, 1, 100));
        require_status(larder_command(session, "MULTI", NULL), "OK");
        require_status(larder_command(session, "DECRBY", any_account(worker), amount, NULL), "QUEUED");
        require_status(larder_command(session, "INCRBY", any_account(worker), amount, NULL), "QUEUED");
        larder_reply *reply = larder_command(session, "EXEC", NULL);
        REQUIRE(reply != NULL && reply->type == LARDER_ARRAY && reply->count == 2);
        larder_reply_free(reply);
    }
}

static long read_amount(larder_session *session, const char *account)
{
    larder_reply *reply = larder_command(session, "GET", account, NULL);
    REQUIRE(reply != NULL && reply->type == LARDER_STRING);
    long amount = atol(reply->text);
    larder_reply_free(reply);
    return amount;
}

/* Reads first, and writes what it computed only if nobody came in between. */
static bool try_to_move(struct worker *worker, larder_session *session)
{
    const char *from = any_account(worker);
    const char *to = any_account(worker);
    if (from == to)
        return true;
    long amount = (long)between(&worker->random, 1, 100);
    char from_text[24];
    char to_text[24];
    require_status(larder_command(session, "WATCH", from, to, NULL), "OK");
    snprintf(from_text, sizeof(from_text), "%ld", read_amount(session, from) - amount);
    snprintf(to_text, sizeof(to_text), "%ld", read_amount(session, to) + amount);
    require_status(larder_command(session, "MULTI", NULL), "OK");
    require_status(larder_command(session, "SET", from, from_text, NULL), "QUEUED");
    require_status(larder_command(session, "SET", to, to_text, NULL), "QUEUED");
    larder_reply *reply = larder_command(session, "EXEC", NULL);
    REQUIRE(reply != NULL && (reply->type == LARDER_ARRAY || reply->type == LARDER_NIL));
    bool is_done = reply->type == LARDER_ARRAY;
    larder_reply_free(reply);
    return is_done;
}

static void move_carefully(struct worker *worker, larder_session *session)
{
    for (int i = 0; i < MOVES; i++)
        while (!try_to_move(worker, session))
            atomic_fetch_add(&worker->bank->refused, 1);
}

/* The same as move_blindly in one write over a connection, the accounts renamed on the way. */
static void move_over_a_connection(struct worker *worker, larder_session *session)
{
    (void)session;
    larder_connection *connection = larder_connect(worker->bank->engine);
    REQUIRE(connection != NULL);
    for (int i = 0; i < MOVES; i++) {
        char request[256];
        char reply[256];
        const char *from = any_account(worker);
        const char *to = any_account(worker);
        size_t amount = between(&worker->random, 1, 100);
        int len = snprintf(
            request, sizeof(request),
            "MULTI\r\nRENAME %s held:%p\r\nDECRBY held:%p %zu\r\nRENAME held:%p %s\r\nINCRBY %s %zu\r\nEXEC\r\n", from,
            (void *)worker, (void *)worker, amount, (void *)worker, from, to, amount);
        REQUIRE(larder_connection_write(connection, request, (size_t)len) == 0);
        ptrdiff_t got = larder_connection_read(connection, reply, sizeof(reply) - 1);
        REQUIRE(got > 0);
        reply[got] = '\0';
        REQUIRE(strstr(reply, "QUEUED\r\n*4\r\n+OK\r\n:") != NULL);
    }
    larder_disconnect(connection);
}

/* ---- Readers ---- */

static void check_sum(struct bank *bank, const larder_reply *reply, size_t nesting)
{
    const larder_reply *amounts = nesting > 0 ? &reply->elements[0] : reply;
    long sum = 0;
    REQUIRE(amounts->type == LARDER_ARRAY && amounts->count == ACCOUNTS);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        REQUIRE(amounts->elements[i].type == LARDER_STRING);
        sum += atol(amounts->elements[i].text);
    }
    REQUIRE(sum == (long)ACCOUNTS * AMOUNT);
    atomic_fetch_add(&bank->checked, 1);
}

static larder_reply *read_all(struct bank *bank, larder_session *session)
{
    const char *words[ACCOUNTS + 1] = {"MGET"};
    for (size_t i = 0; i < ACCOUNTS; i++)
        words[i + 1] = bank->names[i];
    return larder_command_argv(session, ACCOUNTS + 1, words, NULL);
}

static void read_by_mget(struct worker *worker, larder_session *session)
{
    while (goes_on(worker)) {
        larder_reply *reply = read_all(worker->bank, session);
        check_sum(worker->bank, reply, 0);
        larder_reply_free(reply);
    }
}

static void read_in_transactions(struct worker *worker, larder_session *session)
{
    while (goes_on(worker)) {
        require_status(larder_command(session, "MULTI", NULL), "OK");
        for (size_t i = 0; i < ACCOUNTS; i++)
            require_status(larder_command(session, "GET", worker->bank->names[i], NULL), "QUEUED");
        larder_reply *reply = larder_command(session, "EXEC", NULL);
        check_sum(worker->bank, reply, 0);
        larder_reply_free(reply);
    }
}

/* With a command in the transaction that visits all shards. */
static void read_beside_visits(struct worker *worker, larder_session *session)
{
    static const char *const visits[] = {"DBSIZE", "RANDOMKEY", "INFO"};
    while (goes_on(worker)) {
        require_status(larder_command(session, "MULTI", NULL), "OK");
        require_status(read_all(worker->bank, session), "QUEUED");
        require_status(larder_command(session, visits[random_below(&worker->random, COUNT_OF(visits))], NULL),
                       "QUEUED");
        larder_reply *reply = larder_command(session, "EXEC", NULL);
        REQUIRE(reply != NULL && reply->count == 2);
        check_sum(worker->bank, reply, 1);
        larder_reply_free(reply);
    }
}

/* ---- Those who come across ---- */

static void disturb(struct worker *worker, larder_session *session)
{
    static const char *const lines[][5] = {
        {"SCAN", "0", "COUNT", "1000"},
        {"KEYS", "*"},
        {"DBSIZE"},
        {"INFO", "everything"},
        {"RANDOMKEY"},
        {"MEMORY", "STATS"},
        {"CLIENT", "LIST"},
        {"CONFIG", "GET", "*"},
        {"CONFIG", "RESETSTAT"},
        {"SWAPDB", "2", "3"},
        {"SELECT", "2"},
        {"SET", "other", "v", "PX", "1"},
        {"FLUSHDB"},
        {"SELECT", "3"},
        {"FLUSHDB", "ASYNC"},
        {"WATCH", "other"},
        {"MULTI"},
        {"EXEC"},
        {"DISCARD"},
        {"MSET", "x", "1", "y", "2"},
        {"CONFIG", "SET", "hz", "50"},
        {"COPY", "x", "z", "DB", "2"},
        {"UNWATCH"},
        {"MEMORY", "DOCTOR"},
    };
    larder_reply_free(larder_command(session, "SELECT", "2", NULL));
    while (goes_on(worker)) {
        const char *const *line = lines[random_below(&worker->random, COUNT_OF(lines))];
        size_t argc = 0;
        while (argc < COUNT_OF(lines[0]) && line[argc] != NULL)
            argc++;
        larder_reply_free(larder_command_argv(session, argc, line, NULL));
    }
}

static void keep_up(struct worker *worker, larder_session *session)
{
    (void)session;
    while (goes_on(worker))
        larder_upkeep(worker->bank->engine);
}

/* ---- All together ---- */

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    struct bank *bank = worker->bank;
    larder_session *session = larder_session_open(bank->engine);
    REQUIRE(session != NULL);
    worker->work(worker, session);
    larder_session_close(session);
    if (worker->work == move_blindly || worker->work == move_carefully || worker->work == move_over_a_connection)
        atomic_fetch_sub(&bank->movers, 1);
    return NULL;
}

static void open_accounts(struct bank *bank)
{
    larder_session *session = open_session(bank->engine);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        snprintf(bank->names[i], sizeof(bank->names[i]), "account:%zu", i);
        assert_status(session, "OK", "SET", bank->names[i], "1000");
    }
    larder_session_close(session);
}

static void run_all(struct bank *bank, struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        workers[i].bank = bank;
        random_seed(&workers[i].random, bank->seed + i);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void nobody_sees_a_part_of_a_transaction(void **state)
{
    (void)state;
    struct random random = property_start("nobody_sees_a_part_of_a_transaction");
    struct bank bank = {
        .engine = open_engine(&(larder_options){.threads = 4}), .seed = random_next(&random), .movers = 4};
    struct worker workers[] = {
        {.work = move_blindly},
        {.work = move_carefully},
        {.work = move_carefully},
        {.work = move_over_a_connection},
        {.work = read_by_mget},
        {.work = read_in_transactions},
        {.work = read_beside_visits},
        {.work = disturb},
        {.work = disturb},
        {.work = keep_up},
    };
    open_accounts(&bank);
    alarm(PATIENCE_S);
    run_all(&bank, workers, COUNT_OF(workers));
    alarm(0);
    larder_session *session = open_session(bank.engine);
    larder_reply *reply = read_all(&bank, session);
    check_sum(&bank, reply, 0);
    larder_reply_free(reply);
    printf("# %ld sums checked, %ld moves begun again\n", atomic_load(&bank.checked), atomic_load(&bank.refused));
    assert_true(atomic_load(&bank.checked) > 10);
    larder_session_close(session);
    ks_check(&bank.engine->keyspace);
    larder_close(bank.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_sees_a_part_of_a_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The guard against deadlocks: what breaks the rules of locking stops in debug builds, and every command of the table
   keeps them, alone and inside a transaction. */
#include "embedding.h"

#include "engine/engine.h"
#include "keyspace/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHARDS = 8 };

/* ---- What is stopped ---- */

static void takes_shards_downwards(struct keyspace *ks)
{
    ks_lock(ks, &ks->shards[3]);
    ks_lock(ks, &ks->shards[1]);
}

static void takes_a_shard_twice(struct keyspace *ks)
{
    ks_lock(ks, &ks->shards[3]);
    ks_lock(ks, &ks->shards[3]);
}

static void visits_others_while_one_is_held(struct keyspace *ks)
{
    ks_lock(ks, &ks->shards[SHARDS - 1]);
    (void)ks_measure(ks, KS_ALL_DBS);
}

static void visits_unannounced(struct keyspace *ks)
{
    guard_allow_visits(false);
    (void)ks_measure(ks, KS_ALL_DBS);
}

/* Runs it in a process of its own; the signal that ended it, 0: it got through. */
static int signal_of(void (*breach)(struct keyspace *ks))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct keyspace ks;
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDERR_FILENO); /* the assertion's message is no news */
        signal(SIGABRT, SIG_DFL);
        if (ks_init(&ks, SHARDS, true, 1) != KS_OK)
            _exit(1);
        breach(&ks);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void what_could_deadlock_is_stopped(void **state)
{
    (void)state;
    assert_int_equal(signal_of(takes_shards_downwards), SIGABRT);
    assert_int_equal(signal_of(takes_a_shard_twice), SIGABRT);
    assert_int_equal(signal_of(visits_others_while_one_is_held), SIGABRT);
    assert_int_equal(signal_of(visits_unannounced), SIGABRT);
}

static void visits_by_a_thread_that_holds_all_are_allowed(void **state)
{
    (void)state;
    struct keyspace ks;
    assert_int_equal(ks_init(&ks, SHARDS, true, 1), KS_OK);
    ks_lock_all(&ks);
    assert_int_equal(ks_measure(&ks, KS_ALL_DBS).keys, 0);
    ks_unlock_all(&ks);
    assert_int_equal(ks_measure(&ks, KS_ALL_DBS).keys, 0);
    assert_true(guard_is_clear());
    ks_free(&ks);
}

/* ---- The command table ---- */

/* The dispatcher locks the keys' shards, or all, or leaves it to the handler: one of these. */
static void a_row_says_one_thing_about_shards(void **state)
{
    (void)state;
    larder *engine = open_engine(NULL);
    const struct command_table *table = &engine->commands;
    for (size_t i = 0; i < table->row_count; i++) {
        const struct command *command = table->rows[i].command;
        bool has_keys = command->keys != NULL;
        bool takes_all = command->flags & CMD_ALL_SHARDS;
        bool visits = command->flags & CMD_VISITS_SHARDS;
        if (has_keys + takes_all + visits > 1)
            fail_msg("%s: keys %d, all shards %d, visits %d", command->name, has_keys, takes_all, visits);
    }
    larder_close(engine);
}

enum { WORDS_MAX = 12 };

/* Runs the words alone, then behind a write to another key in a transaction. What is replied does not matter here. */
static void run_both_ways(larder *engine, size_t argc, const char *const *words)
{
    larder_session *session = open_session(engine);
    larder_reply_free(larder_command_argv(session, argc, words, NULL));
    larder_session_close(session);

    session = open_session(engine);
    assert_status(session, "OK", "MULTI");
    assert_status(session, "QUEUED", "SET", "elsewhere", "1");
    larder_reply_free(larder_command_argv(session, argc, words, NULL));
    larder_reply_free(larder_command(session, "EXEC", NULL));
    larder_session_close(session);
}

static void run_with_any_words(larder *engine, struct random *random, const struct command_row *row)
{
    static const char *const any[] = {"a", "b", "0", "1", "2", "x", "*"};
    const char *words[WORDS_MAX];
    size_t named = 0;
    if (row->container != NULL)
        words[named++] = row->container->name;
    words[named++] = row->command->name;
    size_t least = (size_t)abs(row->command->arity);
    for (size_t argc = least < named ? named : least; argc < least + 4 && argc <= WORDS_MAX; argc++) {
        for (size_t i = named; i < argc; i++)
            words[i] = any[random_below(random, COUNT_OF(any))];
        run_both_ways(engine, argc, words);
    }
}

/* In a debug build a command that locks what its row does not announce ends the process. */
static void every_command_locks_what_it_announces(void **state)
{
    (void)state;
    struct random random = property_start("every_command_locks_what_it_announces");
    larder *engine = open_engine(&(larder_options){.threads = 4, .config = "enable-debug-command yes"});
    larder_session *session = open_session(engine);
    const struct command_table *table = &engine->commands;
    for (size_t i = 0; i < table->row_count; i++) {
        larder_reply_free(larder_command(session, "FLUSHALL", NULL)); /* with what was locked */
        assert_status(session, "OK", "MSET", "a", "1", "b", "2", "elsewhere", "3", "0", "4");
        if (table->rows[i].command->run != NULL)
            for (int round = 0; round < 3; round++)
                run_with_any_words(engine, &random, &table->rows[i]);
    }
    larder_session_close(session);
    larder_close(engine);
}

/* Words that random ones hardly hit. */
static void commands_with_special_words_lock_what_they_announce(void **state)
{
    (void)state;
    static const char *const lines[][6] = {
        {"DEBUG", "HTSTATS", "0"},
        {"DEBUG", "OBJECT", "a"},
        {"DEBUG", "POPULATE", "100"},
        {"CONFIG", "SET", "maxmemory", "100mb"},
        {"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"},
        {"CONFIG", "SET", "maxmemory", "0"},
        {"CONFIG", "SET", "maxmemory-policy", "noeviction"},
        {"CONFIG", "SET", "requirepass", "x"},
        {"CONFIG", "RESETSTAT"},
        {"INFO", "everything"},
        {"SCAN", "0", "COUNT", "1000"},
        {"COPY", "a", "c", "DB", "1"},
        {"CLIENT", "KILL", "TYPE", "normal"},
        {"MEMORY", "STATS"},
        {"OBJECT", "ENCODING", "a"},
    };
    larder *engine = open_engine(&(larder_options){.threads = 4, .config = "enable-debug-command yes"});
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        size_t argc = 0;
        while (argc < COUNT_OF(lines[i]) && lines[i][argc] != NULL)
            argc++;
        run_both_ways(engine, argc, lines[i]);
    }
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_deadlock_is_stopped),
        cmocka_unit_test(visits_by_a_thread_that_holds_all_are_allowed),
        cmocka_unit_test(a_row_says_one_thing_about_shards),
        cmocka_unit_test(every_command_locks_what_it_announces),
        cmocka_unit_test(commands_with_special_words_lock_what_they_announce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* WATCH against a naive model: several sessions, two databases, deadlines, dead keys that lie about (during a pause,
   or without active expiry), whole databases emptied and exchanged. The model knows of each key whether it is there
   and until when; EXEC must refuse exactly when a watched key was changed, or died, since it is watched. */
#include "embedding.h"

#include "engine/engine.h"

enum { SESSIONS = 4, DBS = 2, KEYS = 6, STEPS = 20000 };
#define FOREVER INT64_MAX

struct place {
    bool is_there;
    int64_t deadline_ms;
};

struct client {
    larder_session *session;
    size_t db;
    bool watches[DBS][KEYS];
    bool is_touched;
};

struct world {
    larder *engine;
    struct random random;
    int64_t now_ms;
    struct place places[DBS][KEYS];
    struct client clients[SESSIONS];
};

static const char *const names[KEYS] = {"a", "b", "c", "d", "e", "f"};

/* ---- The model ---- */

static void touch(struct world *world, size_t db, size_t key)
{
    for (size_t i = 0; i < SESSIONS; i++)
        world->clients[i].is_touched |= world->clients[i].watches[db][key];
}

static void put(struct world *world, size_t db, size_t key, bool is_there, int64_t deadline_ms)
{
    world->places[db][key] = (struct place){is_there, deadline_ms};
    touch(world, db, key);
}

/* Keys whose deadline comes die at that moment, whoever notices when. */
static void pass_time(struct world *world, int64_t by_ms)
{
    world->now_ms += by_ms;
    larder_advance(world->engine, by_ms * 1000);
    for (size_t db = 0; db < DBS; db++)
        for (size_t key = 0; key < KEYS; key++) {
            struct place *place = &world->places[db][key];
            if (place->is_there && place->deadline_ms <= world->now_ms)
                put(world, db, key, false, FOREVER);
        }
}

static void forget_watches(struct client *client)
{
    memset(client->watches, 0, sizeof(client->watches));
    client->is_touched = false;
}

/* ---- Steps: each does the same in the engine and in the model ---- */

static struct client *any_client(struct world *world)
{
    return &world->clients[random_below(&world->random, SESSIONS)];
}

static size_t any_key(struct world *world)
{
    return random_below(&world->random, KEYS);
}

static void step_watch(struct world *world)
{
    struct client *client = any_client(world);
    size_t first = any_key(world);
    size_t second = any_key(world);
    assert_status(client->session, "OK", "WATCH", names[first], names[second]);
    client->watches[client->db][first] = true;
    client->watches[client->db][second] = true;
}

static void step_unwatch(struct world *world)
{
    struct client *client = any_client(world);
    if (one_in(&world->random, 2))
        assert_status(client->session, "OK", "UNWATCH");
    else {
        assert_status(client->session, "OK", "MULTI");
        assert_status(client->session, "OK", "DISCARD");
    }
    forget_watches(client);
}

static void step_exec(struct world *world)
{
    struct client *client = any_client(world);
    assert_status(client->session, "OK", "MULTI");
    assert_status(client->session, "QUEUED", "PING");
    if (client->is_touched)
        assert_nil(client->session, "EXEC");
    else
        CHECK_COMMAND(client->session, LARDER_ARRAY, NULL, 0, "EXEC");
    forget_watches(client);
}

static void step_select(struct world *world)
{
    struct client *client = any_client(world);
    client->db = random_below(&world->random, DBS);
    assert_status(client->session, "OK", "SELECT", client->db == 0 ? "0" : "1");
}

static void step_set(struct world *world)
{
    struct client *client = any_client(world);
    size_t key = any_key(world);
    char deadline[24];
    if (one_in(&world->random, 2)) {
        assert_status(client->session, "OK", "SET", names[key], "v");
        put(world, client->db, key, true, FOREVER);
        return;
    }
    int64_t deadline_ms = world->now_ms + (int64_t)between(&world->random, 0, 50) - 5;
    snprintf(deadline, sizeof(deadline), "%lld", (long long)deadline_ms);
    assert_status(client->session, "OK", "SET", names[key], "v", "PXAT", deadline);
    put(world, client->db, key, deadline_ms > world->now_ms, deadline_ms);
}

static void step_append(struct world *world)
{
    struct client *client = any_client(world);
    size_t key = any_key(world);
    const struct place *place = &world->places[client->db][key];
    larder_reply_free(larder_command(client->session, "APPEND", names[key], "x", NULL));
    put(world, client->db, key, true, place->is_there ? place->deadline_ms : FOREVER);
}

static void step_delete(struct world *world)
{
    struct client *client = any_client(world);
    size_t key = any_key(world);
    bool is_there = world->places[client->db][key].is_there;
    assert_integer(client->session, is_there, "DEL", names[key]);
    if (is_there)
        put(world, client->db, key, false, FOREVER);
}

static void step_expire(struct world *world)
{
    struct client *client = any_client(world);
    size_t key = any_key(world);
    struct place place = world->places[client->db][key];
    char timeout[24];
    if (one_in(&world->random, 3)) {
        bool had_one = place.is_there && place.deadline_ms != FOREVER;
        assert_integer(client->session, had_one, "PERSIST", names[key]);
        if (had_one)
            put(world, client->db, key, true, FOREVER);
        return;
    }
    int64_t timeout_ms = (int64_t)between(&world->random, 0, 50) - 5;
    snprintf(timeout, sizeof(timeout), "%lld", (long long)timeout_ms);
    assert_integer(client->session, place.is_there, "PEXPIRE", names[key], timeout);
    if (place.is_there)
        put(world, client->db, key, timeout_ms > 0, world->now_ms + timeout_ms);
}

static void step_rename(struct world *world)
{
    struct client *client = any_client(world);
    size_t from = any_key(world);
    size_t to = any_key(world);
    struct place place = world->places[client->db][from];
    larder_reply_free(larder_command(client->session, "RENAME", names[from], names[to], NULL));
    if (!place.is_there || from == to)
        return;
    put(world, client->db, from, false, FOREVER);
    put(world, client->db, to, true, place.deadline_ms);
}

static void step_copy(struct world *world)
{
    struct client *client = any_client(world);
    size_t key = any_key(world);
    size_t other = !client->db;
    struct place place = world->places[client->db][key];
    const char *db = other == 0 ? "0" : "1";
    if (one_in(&world->random, 2)) {
        assert_integer(client->session, place.is_there, "COPY", names[key], names[key], "DB", db, "REPLACE");
        if (place.is_there)
            put(world, other, key, true, place.deadline_ms);
        return;
    }
    bool is_free = !world->places[other][key].is_there;
    assert_integer(client->session, place.is_there && is_free, "MOVE", names[key], db);
    if (place.is_there && is_free) {
        put(world, client->db, key, false, FOREVER);
        put(world, other, key, true, place.deadline_ms);
    }
}

static void step_databases(struct world *world)
{
    struct client *client = any_client(world);
    bool is_swap = one_in(&world->random, 2);
    if (is_swap)
        assert_status(client->session, "OK", "SWAPDB", "0", "1");
    else
        assert_status(client->session, "OK", "FLUSHDB");
    for (size_t key = 0; key < KEYS; key++) {
        struct place here = world->places[client->db][key];
        struct place there = world->places[!client->db][key];
        if (!here.is_there && !(is_swap && there.is_there))
            continue;
        put(world, client->db, key, is_swap && there.is_there, there.deadline_ms);
        if (is_swap)
            put(world, !client->db, key, here.is_there, here.deadline_ms);
    }
}

/* What decides when dead keys are removed must not be seen. */
static void step_upkeep(struct world *world)
{
    larder_session *session = any_client(world)->session;
    switch (random_below(&world->random, 4)) {
    case 0:
        assert_status(session, "OK", "CLIENT", "PAUSE", "30", "WRITE");
        break;
    case 1:
        assert_status(session, "OK", "CLIENT", "UNPAUSE");
        break;
    case 2:
        assert_status(session, "OK", "DEBUG", "SET-ACTIVE-EXPIRE", one_in(&world->random, 2) ? "1" : "0");
        break;
    default:
        larder_upkeep(world->engine);
    }
}

static void step_time(struct world *world)
{
    pass_time(world, (int64_t)between(&world->random, 1, 20));
}

static void step(struct world *world)
{
    static void (*const steps[])(struct world *) = {
        step_watch,  step_watch,  step_exec,   step_unwatch, step_select, step_set,
        step_append, step_set,    step_delete, step_expire,  step_rename, step_copy,
        step_time,   step_upkeep, step_watch,  step_exec,    step_expire, step_databases,
    };
    steps[random_below(&world->random, COUNT_OF(steps))](world);
}

/* ---- Start and end ---- */

static void check_nothing_is_watched(larder *engine)
{
    for (size_t i = 0; i < engine->keyspace.shard_count; i++) {
        assert_int_equal(engine->watches[i].keys.used, 0);
        assert_int_equal(engine->keyspace.shards[i].interest & INTEREST_WATCH, 0);
    }
    for (struct list *link = engine->sessions.sessions.next; link != &engine->sessions.sessions; link = link->next)
        assert_int_equal(CONTAINER_OF(link, struct session, in_registry)->multi_bytes, 0);
}

static void check_against_model(size_t threads)
{
    struct world world = {.random = property_start("exec_refuses_exactly_when_a_watched_key_changed")};
    world.engine = open_engine(&(larder_options){.threads = threads, .config = "enable-debug-command yes"});
    larder_freeze(world.engine);
    world.now_ms = larder_now(world.engine) / 1000;
    for (size_t i = 0; i < SESSIONS; i++)
        world.clients[i].session = open_session(world.engine);
    for (int i = 0; i < STEPS; i++)
        step(&world);
    for (size_t i = 0; i < SESSIONS / 2; i++)
        assert_status(world.clients[i].session, "OK", "UNWATCH");
    for (size_t i = SESSIONS / 2; i < SESSIONS; i++) /* closing forgets as well */
        larder_session_close(world.clients[i].session);
    check_nothing_is_watched(world.engine);
    for (size_t i = 0; i < SESSIONS / 2; i++)
        larder_session_close(world.clients[i].session);
    larder_close(world.engine);
}

static void exec_refuses_exactly_when_a_watched_key_changed(void **state)
{
    (void)state;
    check_against_model(1);
    check_against_model(4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exec_refuses_exactly_when_a_watched_key_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

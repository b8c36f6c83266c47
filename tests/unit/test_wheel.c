/* The timing wheel against a model: nodes that know their deadline, and a clock that the test moves. */
#include "property.h"

#include "structs/wheel.h"

#include <string.h>

enum { NODES = 1500 };

struct timer {
    struct wheel_node node;
    bool is_in;
};

struct world {
    struct wheel wheel;
    struct timer *timers;
    size_t in;
    size_t handed_out;
    int64_t now_ms;
    struct random random;
    bool adds_again; /* the callback puts some of the nodes back */
};

/* Deadlines at every distance that the wheel treats differently: due already, fine slots, each coarse level, beyond its
   reach, and the end of time. */
static int64_t draw_deadline(struct world *world)
{
    int64_t distance = (int64_t)(random_next(&world->random) >> between(&world->random, 16, 63));
    switch (random_below(&world->random, 16)) {
    case 0:
        return world->now_ms > distance ? world->now_ms - distance : 0;
    case 1:
        return INT64_MAX - 1 - distance;
    case 2:
        return (world->now_ms / WHEEL_TICK_MS + distance % 5000) * WHEEL_TICK_MS; /* exactly on a tick */
    default:
        return world->now_ms + distance;
    }
}

static void add(struct world *world, struct timer *timer, int64_t deadline_ms)
{
    wheel_add(&world->wheel, &timer->node, deadline_ms);
    timer->is_in = true;
    world->in++;
}

static void take_due(void *context, struct wheel_node *node)
{
    struct world *world = context;
    struct timer *timer = CONTAINER_OF(node, struct timer, node);
    assert_true(timer->is_in);
    assert_true(node->deadline_ms <= world->now_ms); /* never early */
    assert_true(list_is_empty(&node->link));
    timer->is_in = false;
    world->in--;
    world->handed_out++;
    if (world->adds_again && one_in(&world->random, 4))
        add(world, timer, draw_deadline(world));
}

static void world_open(struct world *world, const char *test, int64_t now_ms)
{
    memset(world, 0, sizeof(*world));
    world->random = property_start(test);
    world->now_ms = now_ms;
    world->timers = test_calloc(NODES, sizeof(*world->timers));
    wheel_init(&world->wheel, now_ms);
}

static void world_close(struct world *world)
{
    for (size_t i = 0; i < NODES; i++)
        if (world->timers[i].is_in)
            wheel_remove(&world->timers[i].node);
    test_free(world->timers);
}

/* Advances with this budget a call until nothing is left to do now. Each node is dealt once per coarse level at most,
   so the number of calls is bounded. */
static void advance_all(struct world *world, size_t budget)
{
    size_t most = (WHEEL_COARSE_LEVELS + 3) * (world->in + world->in / 2) / budget + 16;
    for (size_t calls = 0;; calls++) {
        assert_true(calls <= most);
        size_t before = world->handed_out;
        size_t left = wheel_advance(&world->wheel, world->now_ms, budget, take_due, world);
        assert_true(left <= budget);
        assert_true(world->handed_out - before <= budget - left);
        if (left > 0)
            return;
    }
}

/* After a complete advance nothing is left whose tick, the deadline rounded up, has come. */
static void check_nothing_is_late(const struct world *world)
{
    int64_t latest = world->now_ms / WHEEL_TICK_MS * WHEEL_TICK_MS;
    for (size_t i = 0; i < NODES; i++)
        assert_false(world->timers[i].is_in && world->timers[i].node.deadline_ms <= latest);
}

static void change_something(struct world *world)
{
    struct timer *timer = &world->timers[random_below(&world->random, NODES)];
    if (!timer->is_in) {
        add(world, timer, draw_deadline(world));
    } else if (one_in(&world->random, 3)) {
        wheel_remove(&timer->node);
        timer->is_in = false;
        world->in--;
    }
}

static int64_t draw_step(struct world *world)
{
    return (int64_t)(random_next(&world->random) >> between(&world->random, 36, 63));
}

/* Random additions, removals and steps of the clock from a millisecond to days. */
static void run(struct world *world, size_t rounds, bool goes_back)
{
    for (size_t i = 0; i < rounds; i++) {
        for (size_t changes = between(&world->random, 0, 60); changes > 0; changes--)
            change_something(world);
        int64_t step = draw_step(world);
        if (goes_back && one_in(&world->random, 5))
            world->now_ms = step < world->now_ms ? world->now_ms - step : 0;
        else
            world->now_ms += step;
        if (one_in(&world->random, 3)) /* a call that may not finish, with changes before the next */
            wheel_advance(&world->wheel, world->now_ms, between(&world->random, 1, 5), take_due, world);
        else {
            advance_all(world, between(&world->random, 1, 200));
            check_nothing_is_late(world);
        }
    }
    advance_all(world, 1);
    check_nothing_is_late(world);
}

static const int64_t today_ms = 1700000000000;

static void hands_out_every_node_within_a_tick_and_never_early(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, today_ms);
    run(&world, 3000, false);
    world_close(&world);
    world_open(&world, __func__, 0);
    run(&world, 3000, false);
    world_close(&world);
}

static void the_callback_may_add_nodes(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, today_ms);
    world.adds_again = true;
    for (size_t i = 0; i < 1000; i++) {
        for (size_t changes = between(&world.random, 0, 60); changes > 0; changes--)
            change_something(&world);
        world.now_ms += draw_step(&world);
        size_t left = wheel_advance(&world.wheel, world.now_ms, 100, take_due, &world);
        assert_true(left <= 100);
    }
    world.adds_again = false;
    advance_all(&world, 100);
    check_nothing_is_late(&world);
    world_close(&world);
}

static void keeps_its_promise_when_the_clock_goes_back(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, today_ms);
    run(&world, 3000, true);
    world_close(&world);
}

/* Every deadline from one tick to sixty years ahead, each met by a clock that jumps straight to it, and to just before.
 */
static void jumps_of_years_are_exact(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, today_ms);
    const int64_t year_ms = 365LL * 24 * 3600 * 1000;
    for (int64_t distance = WHEEL_TICK_MS; distance < 60 * year_ms; distance = distance * 5 / 4 + 1) {
        int64_t deadline = (today_ms + distance) / WHEEL_TICK_MS * WHEEL_TICK_MS;
        world.now_ms = today_ms;
        wheel_init(&world.wheel, world.now_ms);
        add(&world, &world.timers[0], deadline);
        world.now_ms = deadline - 1;
        advance_all(&world, 3);
        assert_true(world.timers[0].is_in);
        world.now_ms = deadline;
        advance_all(&world, 3);
        assert_false(world.timers[0].is_in);
    }
    world_close(&world);
}

/* The clock moves by steps too small to be taken for a jump, so every level of the wheel deals its slots in turn. */
static void a_steady_clock_meets_far_deadlines(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, today_ms);
    const int64_t span_ms = 64LL * 64 * 64 * WHEEL_TICK_MS * 3; /* three slots of the third coarse level */
    for (size_t i = 0; i < NODES; i++)
        add(&world, &world.timers[i], today_ms + (int64_t)random_below(&world.random, (uint64_t)span_ms));
    while (world.now_ms < today_ms + span_ms) {
        world.now_ms += (int64_t)between(&world.random, 1, 60000);
        advance_all(&world, 64);
        check_nothing_is_late(&world);
    }
    assert_int_equal(world.in, 0);
    world_close(&world);
}

/* Also where the highest digit is about to wrap around, as it does every 35 years. */
static void far_deadlines_cost_almost_nothing_until_they_are_near(void **state)
{
    (void)state;
    struct world world;
    const int64_t wrap_ms = (1LL << (WHEEL_SLOT_BITS * (WHEEL_COARSE_LEVELS + 1))) * WHEEL_TICK_MS;
    const int64_t hour_ms = 3600 * 1000;
    world_open(&world, __func__, 2 * wrap_ms - 2 * hour_ms);
    for (size_t i = 0; i < NODES; i++)
        add(&world, &world.timers[i], 2 * wrap_ms + (int64_t)(i + 1) * 100 * hour_ms);
    size_t used = 0;
    for (const int64_t end_ms = world.now_ms + hour_ms; world.now_ms < end_ms; world.now_ms += 20000)
        used += 10 * NODES - wheel_advance(&world.wheel, world.now_ms, 10 * NODES, take_due, &world);
    assert_true(used <= 2 * NODES);
    world_close(&world);
}

static void a_budget_of_one_handles_one_node(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, today_ms);
    for (size_t i = 0; i < NODES; i++)
        add(&world, &world.timers[i], today_ms - 1);
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(wheel_advance(&world.wheel, world.now_ms, 1, take_due, &world), 0);
        assert_int_equal(world.handed_out, i + 1);
    }
    assert_int_equal(wheel_advance(&world.wheel, world.now_ms, 1, take_due, &world), 1);
    world_close(&world);
}

static void a_node_moved_in_memory_is_still_handed_out(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, today_ms);
    enum { half = NODES / 2 };
    for (size_t i = 0; i < half; i++)
        add(&world, &world.timers[i], draw_deadline(&world));
    for (size_t i = 0; i < half; i++) {
        struct timer *moved = &world.timers[half + i];
        *moved = world.timers[i];
        wheel_relocated(&moved->node);
        world.timers[i].is_in = false;
        memset(&world.timers[i].node, 0xff, sizeof(world.timers[i].node));
    }
    world.now_ms = INT64_MAX / 2;
    advance_all(&world, 100);
    check_nothing_is_late(&world);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_every_node_within_a_tick_and_never_early),
        cmocka_unit_test(the_callback_may_add_nodes),
        cmocka_unit_test(keeps_its_promise_when_the_clock_goes_back),
        cmocka_unit_test(jumps_of_years_are_exact),
        cmocka_unit_test(a_steady_clock_meets_far_deadlines),
        cmocka_unit_test(far_deadlines_cost_almost_nothing_until_they_are_near),
        cmocka_unit_test(a_budget_of_one_handles_one_node),
        cmocka_unit_test(a_node_moved_in_memory_is_still_handed_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

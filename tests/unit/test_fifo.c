/* The queue of items against a model: the numbers that were pushed and not yet taken are those in between. */
#include "property.h"

#include "base/mem.h"
#include "structs/fifo.h"

#include <string.h>

struct world {
    struct fifo fifo;
    uint64_t first; /* the item that stands in front */
    uint64_t next;  /* the item that is pushed next */
    struct random random;
};

static void expect_next(void *context, uint64_t item)
{
    uint64_t *expected = context;
    assert_true(item == (*expected)++);
}

static void check(struct world *world)
{
    assert_int_equal(world->fifo.count, world->next - world->first);
    assert_int_equal(world->fifo.bytes == 0, world->fifo.count == 0);
    uint64_t expected = world->first;
    fifo_visit(&world->fifo, expect_next, &expected);
    assert_true(expected == world->next);
}

static void push(struct world *world, bool is_memory_short)
{
    if (is_memory_short && one_in(&world->random, 2))
        mem_fail_after(0);
    if (fifo_push(&world->fifo, world->next))
        world->next++;
    else
        assert_true(is_memory_short);
    mem_fail_after(-1);
}

static void take(struct world *world)
{
    if (world->fifo.count == 0)
        return;
    assert_true(fifo_front(&world->fifo) == world->first);
    fifo_drop_front(&world->fifo);
    world->first++;
}

static void run(const char *test, bool is_memory_short)
{
    struct world world = {.random = property_start(test)};
    for (int round = 0; round < 200; round++) {
        bool is_growing = one_in(&world.random, 2);
        for (size_t i = between(&world.random, 1, 1500); i > 0; i--) {
            if (is_growing == !one_in(&world.random, 4))
                push(&world, is_memory_short);
            else
                take(&world);
        }
        check(&world);
    }
    fifo_clear(&world.fifo, SIZE_MAX);
    assert_int_equal(world.fifo.bytes, 0);
}

static void first_in_is_first_out(void **state)
{
    (void)state;
    run(__func__, false);
}

static void without_memory_nothing_is_pushed_and_nothing_lost(void **state)
{
    (void)state;
    run(__func__, true);
}

static void it_is_forgotten_in_portions(void **state)
{
    (void)state;
    struct fifo fifo = {0};
    for (uint64_t i = 0; i < 10000; i++)
        assert_true(fifo_push(&fifo, i));
    assert_true(fifo.bytes < 10000 * 9);
    int portions = 1;
    for (; !fifo_clear(&fifo, 3); portions++)
        assert_true(fifo.count > 0);
    assert_true(portions >= 10000 / 510 / 3);
    assert_int_equal(fifo.count, 0);
    assert_int_equal(fifo.bytes, 0);
    assert_true(fifo_push(&fifo, 7)); /* and is as good as new */
    assert_true(fifo_front(&fifo) == 7);
    fifo_clear(&fifo, SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_is_first_out),
        cmocka_unit_test(without_memory_nothing_is_pushed_and_nothing_lost),
        cmocka_unit_test(it_is_forgotten_in_portions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

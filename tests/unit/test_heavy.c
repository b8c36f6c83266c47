/* Heavy names against exact sums. */
#include "property.h"

#include "base/mem.h"
#include "structs/heavy.h"

#include <string.h>

enum { NAMES = 2000, NAME_SIZE = 32 };

/* Names "name:<i>", whose hash is made from the number, and their true weights. */
struct world {
    struct heavy heavy;
    uint64_t weights[NAMES];
    uint64_t total;
    struct random random;
};

static uint64_t hash_of(size_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15;
}

static void add(struct world *world, size_t i, uint64_t weight)
{
    char name[NAME_SIZE];
    int len = snprintf(name, sizeof(name), "name:%zu", i);
    heavy_add(&world->heavy, hash_of(i), (bytes){name, (size_t)len}, weight);
    world->weights[i] += weight;
    world->total += weight;
}

/* The number of the name in a place. */
static size_t name_in(const struct world *world, size_t place)
{
    const struct heavy_name *name = &world->heavy.names[place];
    char text[NAME_SIZE] = "";
    assert_in_range(name->len, strlen("name:") + 1, sizeof(text) - 1);
    memcpy(text, name->at, name->len);
    assert_memory_equal(text, "name:", 5);
    size_t i = strtoul(text + 5, NULL, 10);
    assert_int_equal(world->heavy.hashes[place], hash_of(i));
    return i;
}

static int open_world(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof(world));
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    heavy_free(&((struct world *)*state)->heavy);
    return 0;
}

static void weights_are_exact_while_there_is_a_place_for_each(void **state)
{
    struct world *world = *state;
    world->random = property_start(__func__);
    for (int i = 0; i < 20000; i++)
        add(world, between(&world->random, 0, HEAVY_PLACES - 1), between(&world->random, 0, 1000));
    assert_in_range(world->heavy.used, 1, HEAVY_PLACES);
    for (size_t place = 0; place < world->heavy.used; place++)
        assert_int_equal(heavy_weight(&world->heavy, place), world->weights[name_in(world, place)]);
}

/* Few names with most of the weight, in a stream of many others. */
static void heavy_names_are_found_and_none_is_told_too_heavy(void **state)
{
    struct world *world = *state;
    world->random = property_start(__func__);
    for (int i = 0; i < 200000; i++) {
        size_t most = one_in(&world->random, 2) ? 20 : NAMES;
        add(world, between(&world->random, 0, most - 1), between(&world->random, 1, 100));
    }
    bool is_found[NAMES] = {false};
    for (size_t place = 0; place < world->heavy.used; place++) {
        size_t name = name_in(world, place);
        assert_false(is_found[name]);
        is_found[name] = true;
        assert_true(heavy_weight(&world->heavy, place) <= world->weights[name]);
        assert_true(world->heavy.weights[place] >= world->weights[name]);
    }
    for (size_t i = 0; i < NAMES; i++)
        assert_true(is_found[i] || world->weights[i] <= world->total / HEAVY_PLACES);
}

static void long_names_are_cut_and_memory_is_bounded(void **state)
{
    struct world *world = *state;
    static char name[3 * HEAVY_NAME_MAX];
    memset(name, 'x', sizeof(name));
    for (size_t i = 0; i < 1000; i++)
        heavy_add(&world->heavy, hash_of(i), (bytes){name, i % 2 ? sizeof(name) : 0}, i);
    for (size_t place = 0; place < HEAVY_PLACES; place++)
        assert_true(world->heavy.names[place].len == HEAVY_NAME_MAX || world->heavy.names[place].len == 0);
    assert_true(heavy_memory(&world->heavy) < sizeof(struct heavy) + (size_t)HEAVY_PLACES * 2 * HEAVY_NAME_MAX);
}

static void without_memory_a_new_name_is_left_out(void **state)
{
    struct world *world = *state;
    add(world, 0, 5);
    mem_fail_after(0);
    heavy_add(&world->heavy, hash_of(1), BYTES("name:1"), 7);
    add(world, 0, 5);
    mem_fail_after(-1);
    assert_int_equal(world->heavy.used, 1);
    assert_int_equal(heavy_weight(&world->heavy, 0), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(weights_are_exact_while_there_is_a_place_for_each, open_world, close_world),
        cmocka_unit_test_setup_teardown(heavy_names_are_found_and_none_is_told_too_heavy, open_world, close_world),
        cmocka_unit_test_setup_teardown(long_names_are_cut_and_memory_is_bounded, open_world, close_world),
        cmocka_unit_test_setup_teardown(without_memory_a_new_name_is_left_out, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

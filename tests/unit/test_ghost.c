/* Ghosts: what went lately is remembered, what went long ago is not, and the figures that the policy learns from are
   right. */
#include "property.h"

#include "base/mem.h"
#include "structs/ghost.h"

#include <string.h>

enum { WINDOW = 7000, OTHER_WINDOW = 2500 };

static void add_many(struct ghosts *ghosts, int kind, struct random *random, uint64_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hashes[i] = random_next(random);
        ghosts_add(ghosts, kind, hashes[i]);
    }
}

/* How many of these are remembered as of this kind; they are forgotten with that. */
static size_t take_many(struct ghosts *ghosts, int kind, const uint64_t *hashes, size_t count)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        int found = ghosts_take(ghosts, hashes[i]);
        assert_true(found == kind || found == GHOST_NONE);
        taken += found == kind;
    }
    return taken;
}

static void the_last_that_went_are_remembered_and_no_others(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct ghosts ghosts = {0};
    ghosts_size(&ghosts, WINDOW, OTHER_WINDOW);
    static uint64_t old[2 * WINDOW];
    static uint64_t young[WINDOW - WINDOW / GHOST_STEPS - 1]; /* the first step of the window may be past */
    static uint64_t others[OTHER_WINDOW];
    add_many(&ghosts, 1, &random, others, COUNT_OF(others) - COUNT_OF(others) / GHOST_STEPS - 1);
    add_many(&ghosts, 0, &random, old, COUNT_OF(old));
    add_many(&ghosts, 0, &random, young, COUNT_OF(young));
    size_t remembered = take_many(&ghosts, 0, young, COUNT_OF(young));
    assert_true(remembered > COUNT_OF(young) * 9 / 10); /* a full line may lose some before their time */
    assert_int_equal(take_many(&ghosts, 0, young, COUNT_OF(young)), 0);
    assert_true(take_many(&ghosts, 0, old, COUNT_OF(old)) <= WINDOW / GHOST_STEPS + 1);
    size_t other = take_many(&ghosts, 1, others, COUNT_OF(others) - COUNT_OF(others) / GHOST_STEPS - 1);
    assert_true(other > COUNT_OF(others) * 8 / 10); /* each kind has a time of its own */
    ghosts_free(&ghosts);
}

static void what_never_went_is_hardly_ever_found(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct ghosts ghosts = {0};
    ghosts_size(&ghosts, WINDOW, OTHER_WINDOW);
    static uint64_t hashes[WINDOW];
    add_many(&ghosts, 0, &random, hashes, WINDOW);
    size_t found = 0;
    for (int i = 0; i < 1000000; i++)
        found += ghosts_take(&ghosts, random_next(&random)) != GHOST_NONE;
    assert_true(found < 20); /* about two are expected */
    ghosts_free(&ghosts);
}

/* For a long time, with windows that change, in tables that are nearly empty and overfull: the count of what is known is
   that of what can be found. */
static void the_count_is_that_of_what_can_be_found(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    for (int round = 0; round < 20; round++) {
        struct ghosts ghosts = {0};
        static uint64_t hashes[2][20000];
        size_t windows[2] = {between(&random, 0, one_in(&random, 2) ? 40 : 3000), between(&random, 0, 500)};
        size_t count[2] = {0, 0};
        ghosts_size(&ghosts, windows[0], windows[1]);
        for (int i = 0; i < 20000; i++) {
            int kind = one_in(&random, 5);
            hashes[kind][count[kind]] = random_next(&random);
            ghosts_add(&ghosts, kind, hashes[kind][count[kind]++]);
            size_t back = between(&random, 0, count[0]);
            if (back < count[0])
                ghosts_take(&ghosts, hashes[0][back]);
            if (one_in(&random, 20))
                ghosts_size(&ghosts, windows[0] + random_below(&random, 3), windows[1] + random_below(&random, 3));
        }
        for (int kind = 0; kind < 2; kind++) {
            size_t known = ghosts.kinds[kind].known;
            assert_true(known <= windows[kind] + windows[kind] / 16 + GHOST_STEPS + 2);
            assert_int_equal(take_many(&ghosts, kind, hashes[kind], count[kind]), known);
            assert_int_equal(ghosts.kinds[kind].known, 0);
        }
        ghosts_free(&ghosts);
        assert_int_equal(ghosts.bytes, 0);
    }
}

static void memory_follows_the_windows(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct ghosts ghosts = {0};
    enum { large = 500000 };
    ghosts_size(&ghosts, large, 0);
    size_t empty = ghosts.bytes;
    assert_true(empty < large / 50);
    for (int i = 0; i < large; i++)
        ghosts_add(&ghosts, 0, random_next(&random));
    assert_true(ghosts.bytes < large * 6);
    int steps = 0;
    for (size_t bytes = SIZE_MAX; ghosts.bytes < bytes; steps++) {
        bytes = ghosts.bytes;
        ghosts_size(&ghosts, 1000, 0);
    }
    assert_true(steps > 5); /* in portions */
    assert_true(ghosts.bytes < 3 * 4096 + empty);
    ghosts_free(&ghosts);
}

static void without_memory_nothing_is_remembered(void **state)
{
    (void)state;
    struct ghosts ghosts = {0};
    assert_int_equal(ghosts_take(&ghosts, 1), GHOST_NONE);
    ghosts_add(&ghosts, 0, 1);
    mem_fail_after(0);
    ghosts_size(&ghosts, 1000, 1000);
    ghosts_add(&ghosts, 0, 1);
    mem_fail_after(-1);
    assert_int_equal(ghosts_take(&ghosts, 1), GHOST_NONE);
    ghosts_size(&ghosts, 1000, 1000);
    mem_fail_after(0);
    ghosts_add(&ghosts, 0, 1);
    mem_fail_after(-1);
    assert_int_equal(ghosts_take(&ghosts, 1), GHOST_NONE);
    ghosts_add(&ghosts, 0, 1);
    assert_int_equal(ghosts_take(&ghosts, 1), 0);
    ghosts_free(&ghosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_that_went_are_remembered_and_no_others),
        cmocka_unit_test(what_never_went_is_hardly_ever_found),
        cmocka_unit_test(the_count_is_that_of_what_can_be_found),
        cmocka_unit_test(memory_follows_the_windows),
        cmocka_unit_test(without_memory_nothing_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

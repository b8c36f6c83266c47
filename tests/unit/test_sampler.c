/* Rates: over the samples that there are, at most a ring of them, and never below 0. */
#include "engine/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* As sampler_run does it, with counters and times of the test's own. */
static void take(struct sampler *sampler, int64_t at_s, uint64_t commands)
{
    sampler->ring[sampler->taken++ % SAMPLER_RING] = (struct sample){
        .at_ns = at_s * 1000000000LL,
        .commands = commands,
        .input_bytes = 10 * commands,
        .output_bytes = 100 * commands,
    };
}

static int open_sampler(void **state)
{
    static struct sampler sampler;
    sampler_init(&sampler);
    *state = &sampler;
    return 0;
}

static int close_sampler(void **state)
{
    sampler_free(*state);
    return 0;
}

static void assert_rate(struct sampler *sampler, double commands)
{
    struct rates rates = sampler_rates(sampler);
    assert_true(rates.commands == commands);
    assert_true(rates.input_bytes == 10 * commands);
    assert_true(rates.output_bytes == 100 * commands);
}

static void fewer_than_two_samples_give_no_rate(void **state)
{
    struct sampler *sampler = *state;
    assert_rate(sampler, 0);
    take(sampler, 1, 1000);
    assert_rate(sampler, 0);
}

static void a_rate_spans_the_samples_that_are_kept(void **state)
{
    struct sampler *sampler = *state;
    take(sampler, 0, 0);
    take(sampler, 2, 500);
    assert_rate(sampler, 250);
    /* then twice as fast, until nothing older is left in the ring */
    for (int i = 1; i < SAMPLER_RING; i++)
        take(sampler, 2 + i, 500 + 500 * (uint64_t)i);
    assert_rate(sampler, 500);
}

static void a_reset_starts_rates_anew(void **state)
{
    struct sampler *sampler = *state;
    take(sampler, 0, 0);
    take(sampler, 1, 700);
    sampler_reset(sampler);
    assert_rate(sampler, 0);
    take(sampler, 2, 0);
    take(sampler, 3, 30);
    assert_rate(sampler, 30);
}

static void counters_that_went_back_count_as_nothing(void **state)
{
    struct sampler *sampler = *state;
    take(sampler, 0, 900);
    take(sampler, 1, 100);
    assert_rate(sampler, 0);
}

static void the_peak_only_grows(void **state)
{
    struct sampler *sampler = *state;
    assert_int_equal(sampler_note_memory(sampler, 100), 100);
    assert_int_equal(sampler_note_memory(sampler, 50), 100);
    sampler_reset(sampler);
    assert_int_equal(sampler_note_memory(sampler, 70), 100);
    assert_int_equal(sampler_note_memory(sampler, 101), 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fewer_than_two_samples_give_no_rate, open_sampler, close_sampler),
        cmocka_unit_test_setup_teardown(a_rate_spans_the_samples_that_are_kept, open_sampler, close_sampler),
        cmocka_unit_test_setup_teardown(a_reset_starts_rates_anew, open_sampler, close_sampler),
        cmocka_unit_test_setup_teardown(counters_that_went_back_count_as_nothing, open_sampler, close_sampler),
        cmocka_unit_test_setup_teardown(the_peak_only_grows, open_sampler, close_sampler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

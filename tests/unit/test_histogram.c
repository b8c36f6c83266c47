/* The histogram against a sorted list of the same values. */
#include "property.h"

#include "structs/histogram.h"

#include <string.h>

enum { VALUES = 5000 };

/* Of every length, up to beyond what is told apart. */
static uint64_t draw_value(struct random *random)
{
    return random_next(random) >> between(random, 24, 63);
}

static void buckets_follow_each_other_without_a_gap(void **state)
{
    assert_int_equal(histogram_lowest(0), 0);
    for (size_t i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        uint64_t width = histogram_highest(i) - histogram_lowest(i) + 1;
        assert_int_equal(histogram_highest(i) + 1, histogram_lowest(i + 1));
        assert_true(width == 1 || width * (1 << HISTOGRAM_STEP_BITS) <= histogram_lowest(i));
    }
    assert_int_equal(histogram_highest(HISTOGRAM_BUCKETS - 1), (1ULL << HISTOGRAM_MAX_BITS) - 1);
}

static void a_value_lies_in_its_bucket(void **state)
{
    struct random random = property_start(__func__);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = draw_value(&random);
        size_t bucket = histogram_bucket(value);
        assert_true(bucket < HISTOGRAM_BUCKETS);
        assert_true(histogram_lowest(bucket) <= value);
        assert_true(value <= histogram_highest(bucket) || bucket == HISTOGRAM_BUCKETS - 1);
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles_and_counts_are_those_of_the_values(void **state)
{
    struct random random = property_start(__func__);
    static struct histogram histogram;
    static uint64_t values[VALUES];
    memset(&histogram, 0, sizeof(histogram));
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = draw_value(&random);
        histogram_add(&histogram, values[i], 1);
    }
    qsort(values, VALUES, sizeof(*values), compare);
    assert_int_equal(histogram_total(&histogram), VALUES);
    for (int i = 0; i < 1000; i++) {
        size_t place = between(&random, 0, VALUES - 1);
        uint64_t told = histogram_percentile(&histogram, 100.0 * (double)(place + 1) / VALUES);
        assert_int_equal(histogram_bucket(told), histogram_bucket(values[place]));
        uint64_t up_to = histogram_up_to(&histogram, values[place]);
        assert_true(up_to > place); /* itself and those before it, and the rest of its bucket */
        assert_true(up_to == VALUES || histogram_bucket(values[up_to]) > histogram_bucket(values[place]));
    }
    assert_int_equal(histogram_percentile(&histogram, 0), histogram_highest(histogram_bucket(values[0])));
    assert_int_equal(histogram_bucket(histogram_percentile(&histogram, 100)), histogram_bucket(values[VALUES - 1]));
}

/* What was subtracted first and merged later makes up for it: that is how statistics are reset while others count. */
static void merging_and_subtracting_cancel_out(void **state)
{
    struct random random = property_start(__func__);
    static struct histogram sum;
    static struct histogram part;
    static struct histogram expected;
    memset(&sum, 0, sizeof(sum));
    memset(&part, 0, sizeof(part));
    memset(&expected, 0, sizeof(expected));
    for (int i = 0; i < VALUES; i++)
        histogram_add(&part, draw_value(&random), between(&random, 1, 100));
    histogram_subtract(&sum, &part);
    for (int i = 0; i < VALUES; i++) {
        uint64_t value = draw_value(&random);
        uint64_t times = between(&random, 1, 100);
        histogram_add(&part, value, times);
        histogram_add(&expected, value, times);
    }
    histogram_merge(&sum, &part);
    assert_memory_equal(&sum, &expected, sizeof(sum));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other_without_a_gap),
        cmocka_unit_test(a_value_lies_in_its_bucket),
        cmocka_unit_test(percentiles_and_counts_are_those_of_the_values),
        cmocka_unit_test(merging_and_subtracting_cancel_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Histograms against a sorted list of the values themselves. */
#include "structs/histogram.h"

#include "property.h"

#include <string.h>

enum { VALUES = 2000, ROUNDS = 50 };

static const uint64_t limit = 1ULL << HISTOGRAM_MAX_BITS;

/* Any magnitude is as likely as any other. */
static uint64_t random_value(struct random *random)
{
    return random_next(random) >> between(random, 64 - HISTOGRAM_MAX_BITS, 63);
}

static void buckets_follow_each_other_without_gaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        assert_int_equal(histogram_bucket(histogram_lowest(i)), i);
        assert_int_equal(histogram_bucket(histogram_highest(i)), i);
        assert_int_equal(histogram_lowest(i + 1), histogram_highest(i) + 1);
        /* known to within a sixteenth */
        assert_true((histogram_highest(i) - histogram_lowest(i)) * 16 <= histogram_lowest(i));
    }
    assert_int_equal(histogram_lowest(0), 0);
    assert_int_equal(histogram_highest(HISTOGRAM_BUCKETS - 1), limit - 1);
}

static void longer_values_count_as_the_longest(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket(limit), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void check(const struct histogram *histogram, uint64_t *values, size_t count, struct random *random)
{
    qsort(values, count, sizeof(*values), compare);
    assert_int_equal(histogram_total(histogram), count);
    for (int i = 0; i < 100; i++) {
        uint64_t border = histogram_highest(histogram_bucket(random_value(random)));
        size_t up_to = 0;
        while (up_to < count && values[up_to] <= border)
            up_to++;
        assert_int_equal(histogram_up_to(histogram, border), up_to);
        /* in thousandths, so that the model's rounding is exact */
        size_t thousandths = between(random, 0, 1000);
        size_t rank = (thousandths * count + 500) / 1000;
        rank = rank == 0 ? 1 : rank;
        uint64_t expected = count == 0 ? 0 : histogram_highest(histogram_bucket(values[rank - 1]));
        uint64_t found = histogram_percentile(histogram, (double)thousandths / 10);
        bool is_tie = (thousandths * count + 500) % 1000 == 0; /* either neighbour, as floating point has it */
        if (!is_tie)
            assert_int_equal(found, expected);
    }
}

static void figures_are_those_of_the_sorted_values(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    uint64_t *values = test_malloc(VALUES * sizeof(*values));
    struct histogram *sum = test_calloc(1, sizeof(*sum)), *part = test_calloc(1, sizeof(*part));
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = between(&random, 0, VALUES), kept = between(&random, 0, count);
        memset(sum, 0, sizeof(*sum));
        memset(part, 0, sizeof(*part));
        for (size_t i = 0; i < count; i++) {
            values[i] = random_value(&random);
            histogram_add(i < kept ? sum : part, values[i], 1);
        }
        /* what is taken away before it is there counts as soon as it comes */
        bool is_early = one_in(&random, 2);
        if (is_early)
            histogram_subtract(sum, part);
        histogram_merge(sum, part);
        if (is_early)
            histogram_merge(sum, part);
        check(sum, values, count, &random);
        histogram_subtract(sum, part);
        assert_int_equal(histogram_total(sum), kept);
    }
    test_free(values);
    test_free(sum);
    test_free(part);
}

static void an_empty_histogram_has_no_percentiles(void **state)
{
    (void)state;
    static struct histogram empty;
    assert_int_equal(histogram_total(&empty), 0);
    assert_int_equal(histogram_percentile(&empty, 50), 0);
}

static void a_value_may_come_many_times(void **state)
{
    (void)state;
    static struct histogram histogram;
    histogram_add(&histogram, 7, 1000000);
    histogram_add(&histogram, 9, 1);
    assert_int_equal(histogram_total(&histogram), 1000001);
    assert_int_equal(histogram_percentile(&histogram, 99.9), 7);
    assert_int_equal(histogram_percentile(&histogram, 100), 9);
    assert_int_equal(histogram_up_to(&histogram, 8), 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other_without_gaps),
        cmocka_unit_test(longer_values_count_as_the_longest),
        cmocka_unit_test(figures_are_those_of_the_sorted_values),
        cmocka_unit_test(an_empty_histogram_has_no_percentiles),
        cmocka_unit_test(a_value_may_come_many_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

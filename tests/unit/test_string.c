/* Strings as values: encodings, ranges, sums, and the longest common subsequence, held against plain models on random
   input. */
#include "property.h"

#include "base/mem.h"
#include "values/string.h"

#include <inttypes.h>

static void an_integer_in_its_only_form_is_int(void **state)
{
    (void)state;
    const char *integers[] = {"0", "7", "-7", "10", "9223372036854775807", "-9223372036854775808"};
    for (size_t i = 0; i < COUNT_OF(integers); i++)
        assert_int_equal(string_encoding_of(bytes_of(integers[i])), STRING_INT);
    const char *others[] = {"",
                            "-",
                            "-0",
                            "007",
                            "+7",
                            " 7",
                            "7 ",
                            "1.0",
                            "1e3",
                            "0x1",
                            "--1",
                            "9223372036854775808",
                            "-9223372036854775809",
                            "18446744073709551616"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(string_encoding_of(bytes_of(others[i])), STRING_EMBSTR);
    assert_int_equal(string_encoding_of((bytes){"7\0", 2}), STRING_EMBSTR);
}

static void every_integer_written_out_is_int_and_one_byte_more_is_not(void **state)
{
    (void)state;
    struct random random = property_start("every_integer_written_out_is_int_and_one_byte_more_is_not");
    for (int i = 0; i < 20000; i++) {
        char text[32];
        int64_t number = (int64_t)(random_next(&random) >> random_below(&random, 64));
        if (one_in(&random, 2))
            number = (int64_t) - (uint64_t)number;
        int len = snprintf(text, sizeof(text), "%" PRId64 "x", number);
        assert_int_equal(string_encoding_of((bytes){text, (size_t)len - 1}), STRING_INT);
        assert_int_equal(string_encoding_of((bytes){text, (size_t)len}), STRING_EMBSTR);
    }
}

static void text_is_embedded_up_to_44_bytes(void **state)
{
    (void)state;
    const char text[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    assert_int_equal(string_encoding_of((bytes){text, 44}), STRING_EMBSTR);
    assert_int_equal(string_encoding_of((bytes){text, 45}), STRING_RAW);
    assert_int_equal(string_encoding_of_text(0), STRING_EMBSTR);
    assert_int_equal(string_encoding_of_text(44), STRING_EMBSTR);
    assert_int_equal(string_encoding_of_text(45), STRING_RAW);
}

static void expect_range(size_t len, int64_t start, int64_t end, size_t first, size_t count)
{
    size_t got_first;
    size_t got_count;
    string_range(len, start, end, &got_first, &got_count);
    assert_int_equal(got_count, count);
    if (count > 0)
        assert_int_equal(got_first, first);
}

static void a_range_is_cut_to_the_string(void **state)
{
    (void)state;
    expect_range(11, 0, 3, 0, 4);
    expect_range(11, 0, -1, 0, 11);
    expect_range(11, -4, -1, 7, 4);
    expect_range(11, 5, 3, 0, 0);
    expect_range(11, 5, 5000, 5, 6);
    expect_range(11, -5000, 10000, 0, 11);
    expect_range(11, 11, 20, 0, 0);
    expect_range(0, 0, -1, 0, 0);
    expect_range(11, INT64_MIN, INT64_MAX, 0, 11);
    expect_range(11, INT64_MAX, INT64_MIN, 0, 0);
}

static void a_range_wholly_before_the_string_is_its_first_byte_as_in_redis(void **state)
{
    (void)state;
    expect_range(11, 0, -100, 0, 1);
    expect_range(11, -100, -99, 0, 1);
    expect_range(11, -100, -100, 0, 1);
    expect_range(11, -100, -101, 0, 0);
    expect_range(11, INT64_MIN, INT64_MIN, 0, 1);
}

static void a_range_never_leaves_the_string(void **state)
{
    (void)state;
    struct random random = property_start("a_range_never_leaves_the_string");
    for (int i = 0; i < 20000; i++) {
        size_t len = random_below(&random, 20);
        int64_t start = (int64_t)random_below(&random, 60) - 30;
        int64_t end = (int64_t)random_below(&random, 60) - 30;
        size_t first;
        size_t count;
        string_range(len, start, end, &first, &count);
        assert_true(first + count <= len);
        size_t expected = 0; /* of the positions from `start` to `end`, those in the string */
        int64_t size = (int64_t)len;
        int64_t from = start < 0 ? start + size : start;
        int64_t to = end < 0 ? end + size : end;
        for (int64_t at = from; at <= to; at++)
            expected += at >= 0 && at < size;
        if (to >= 0) /* before the string, see above */
            assert_int_equal(count, expected);
    }
}

static void integers_are_added_or_refused(void **state)
{
    (void)state;
    int64_t sum;
    assert_int_equal(string_add_integer(BYTES("10"), -11, &sum), SUM_OK);
    assert_int_equal(sum, -1);
    assert_int_equal(string_add_integer(BYTES(" 10"), 1, &sum), SUM_NOT_A_NUMBER);
    assert_int_equal(string_add_integer(BYTES(""), 1, &sum), SUM_NOT_A_NUMBER);
    assert_int_equal(string_add_integer(BYTES("9223372036854775807"), 1, &sum), SUM_OUT_OF_RANGE);
    assert_int_equal(string_add_integer(BYTES("-9223372036854775808"), -1, &sum), SUM_OUT_OF_RANGE);
    assert_int_equal(string_add_integer(BYTES("-1"), INT64_MIN, &sum), SUM_OUT_OF_RANGE);
    assert_int_equal(string_add_integer(BYTES("9223372036854775807"), INT64_MIN, &sum), SUM_OK);
    assert_int_equal(sum, -1);
}

static void integer_sums_agree_with_wider_arithmetic(void **state)
{
    (void)state;
    struct random random = property_start("integer_sums_agree_with_wider_arithmetic");
    for (int i = 0; i < 20000; i++) {
        int64_t a = (int64_t)random_next(&random) >> random_below(&random, 4);
        int64_t b = (int64_t)random_next(&random) >> random_below(&random, 4);
        char text[32];
        int len = snprintf(text, sizeof(text), "%" PRId64, a);
        __int128 expected = (__int128)a + b;
        int64_t sum;
        enum string_sum result = string_add_integer((bytes){text, (size_t)len}, b, &sum);
        bool fits = expected >= INT64_MIN && expected <= INT64_MAX;
        assert_int_equal(result, fits ? SUM_OK : SUM_OUT_OF_RANGE);
        if (fits)
            assert_true(sum == (int64_t)expected);
    }
}

static void expect_float(const char *value, const char *by, const char *sum)
{
    char text[NUM_LONG_DOUBLE_SIZE];
    size_t len;
    assert_int_equal(string_add_float(bytes_of(value), bytes_of(by), text, &len), SUM_OK);
    assert_int_equal(len, strlen(sum));
    assert_memory_equal(text, sum, len);
}

static void floats_are_written_without_exponent_or_trailing_zeros(void **state)
{
    (void)state;
    expect_float("10", "0.1", "10.1");
    expect_float("10.1", "1e-20", "10.1");
    expect_float("1", "1", "2");
    expect_float("-0", "0", "0");
    expect_float("3.5", "-3.5", "0");
    expect_float("0x10", "0.5", "16.5");
    expect_float("5.0e3", "2.0e2", "5200");
    expect_float("2", "1e60", "999999999999999999999373423426722168652130621984886772203520");
}

static void a_float_sum_must_be_a_finite_number(void **state)
{
    (void)state;
    char text[NUM_LONG_DOUBLE_SIZE];
    size_t len;
    assert_int_equal(string_add_float(BYTES("1"), BYTES("nan"), text, &len), SUM_NOT_A_NUMBER);
    assert_int_equal(string_add_float(BYTES("1"), BYTES(" 1"), text, &len), SUM_NOT_A_NUMBER);
    assert_int_equal(string_add_float(BYTES("abc"), BYTES("1"), text, &len), SUM_NOT_A_NUMBER);
    assert_int_equal(string_add_float(BYTES(""), BYTES("1"), text, &len), SUM_NOT_A_NUMBER);
    assert_int_equal(string_add_float(BYTES("1"), BYTES("inf"), text, &len), SUM_OUT_OF_RANGE);
    assert_int_equal(string_add_float(BYTES("inf"), BYTES("-inf"), text, &len), SUM_OUT_OF_RANGE);
}

/* The plain method: a matrix of lengths, and the walk back that decides as Redis does. */
struct model {
    uint32_t *lengths;
    size_t columns;
    size_t range_count;
    struct lcs_range ranges[1024];
};

static uint32_t *length_at(struct model *model, size_t i, size_t j)
{
    return &model->lengths[i * model->columns + j];
}

static void fill_model(struct model *model, bytes a, bytes b)
{
    model->columns = b.len + 1;
    model->lengths = calloc((a.len + 1) * model->columns, sizeof(*model->lengths));
    assert_non_null(model->lengths);
    for (size_t i = 1; i <= a.len; i++) {
        for (size_t j = 1; j <= b.len; j++) {
            uint32_t up = *length_at(model, i - 1, j);
            uint32_t left = *length_at(model, i, j - 1);
            bool is_equal = a.at[i - 1] == b.at[j - 1];
            *length_at(model, i, j) = is_equal ? *length_at(model, i - 1, j - 1) + 1 : up > left ? up : left;
        }
    }
    model->range_count = 0;
    size_t i = a.len;
    size_t j = b.len;
    bool is_adjacent = false;
    while (i > 0 && j > 0) {
        if (a.at[i - 1] == b.at[j - 1]) {
            i--;
            j--;
            if (!is_adjacent) {
                assert_true(model->range_count < COUNT_OF(model->ranges));
                model->ranges[model->range_count++] = (struct lcs_range){.len = 0};
            }
            struct lcs_range *range = &model->ranges[model->range_count - 1];
            *range = (struct lcs_range){.a_start = i, .b_start = j, .len = range->len + 1};
            is_adjacent = true;
        } else {
            is_adjacent = false;
            if (*length_at(model, i - 1, j) > *length_at(model, i, j - 1))
                i--;
            else
                j--;
        }
    }
}

static void compare_with_model(bytes a, bytes b)
{
    struct model model;
    fill_model(&model, a, b);
    size_t len = *length_at(&model, a.len, b.len);
    free(model.lengths);

    struct lcs lcs;
    assert_true(lcs_init(&lcs, a, b, true));
    assert_int_equal(lcs.len, len);
    lcs_free(&lcs);

    assert_true(lcs_init(&lcs, a, b, false));
    assert_int_equal(lcs.len, len);
    struct lcs_range range;
    for (size_t i = 0; i < model.range_count; i++) {
        assert_true(lcs_next_range(&lcs, &range));
        assert_int_equal(range.a_start, model.ranges[i].a_start);
        assert_int_equal(range.b_start, model.ranges[i].b_start);
        assert_int_equal(range.len, model.ranges[i].len);
    }
    assert_false(lcs_next_range(&lcs, &range));
    lcs_free(&lcs);

    char *text = malloc(len + 1);
    assert_non_null(text);
    size_t end = len;
    for (size_t i = 0; i < model.range_count; i++) {
        end -= model.ranges[i].len;
        memcpy(text + end, a.at + model.ranges[i].a_start, model.ranges[i].len);
    }
    assert_int_equal(end, 0);
    assert_true(lcs_init(&lcs, a, b, false));
    bytes got = lcs_text(&lcs);
    assert_true(bytes_equal(got, (bytes){text, len}));
    lcs_free(&lcs);
    free(text);
}

static void lcs_agrees_with_the_matrix_of_lengths(void **state)
{
    (void)state;
    struct random random = property_start("lcs_agrees_with_the_matrix_of_lengths");
    static char a[300];
    static char b[300];
    for (int round = 0; round < 3000; round++) {
        size_t most = round % 4 == 0 ? sizeof(a) : 1 + random_below(&random, 80);
        bytes left = {a, random_below(&random, most + 1)};
        bytes right = {b, random_below(&random, most + 1)};
        size_t letters = 1 + random_below(&random, round % 3 == 0 ? 256 : 4);
        for (size_t i = 0; i < left.len; i++)
            a[i] = (char)random_below(&random, letters);
        for (size_t i = 0; i < right.len; i++)
            b[i] = (char)random_below(&random, letters);
        compare_with_model(left, right);
    }
}

static void lcs_agrees_around_the_edges_of_words(void **state)
{
    (void)state;
    struct random random = property_start("lcs_agrees_around_the_edges_of_words");
    static const size_t lengths[] = {0, 1, 2, 63, 64, 65, 127, 128, 129};
    char a[129];
    char b[129];
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        for (size_t j = 0; j < COUNT_OF(lengths); j++) {
            memset(a, 'x', sizeof(a));
            memset(b, 'x', sizeof(b));
            compare_with_model((bytes){a, lengths[i]}, (bytes){b, lengths[j]});
            for (size_t k = 0; k < sizeof(b); k++)
                b[k] = "xy"[random_below(&random, 2)];
            compare_with_model((bytes){a, lengths[i]}, (bytes){b, lengths[j]});
        }
    }
}

static void lcs_of_the_well_known_example(void **state)
{
    (void)state;
    struct lcs lcs;
    assert_true(lcs_init(&lcs, BYTES("ohmytext"), BYTES("mynewtext"), false));
    assert_true(bytes_equal(lcs_text(&lcs), BYTES("mytext")));
    lcs_free(&lcs);
}

static void lcs_without_memory_is_refused(void **state)
{
    (void)state;
    struct lcs lcs;
    mem_fail_after(0);
    bool is_done = lcs_init(&lcs, BYTES("abc"), BYTES("bcd"), false);
    mem_fail_after(-1);
    assert_false(is_done);
}

static void lcs_is_measured_by_the_matrix_that_redis_would_take(void **state)
{
    (void)state;
    assert_true(lcs_redis_bytes(0, 0) == 4);
    assert_true(lcs_redis_bytes(11583, 11585) == 536848896);
    assert_true(lcs_redis_bytes(SIZE_MAX - 1, 1) == UINT64_MAX);
    assert_true(lcs_redis_bytes(SIZE_MAX / 2, SIZE_MAX / 2) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_integer_in_its_only_form_is_int),
        cmocka_unit_test(every_integer_written_out_is_int_and_one_byte_more_is_not),
        cmocka_unit_test(text_is_embedded_up_to_44_bytes),
        cmocka_unit_test(a_range_is_cut_to_the_string),
        cmocka_unit_test(a_range_wholly_before_the_string_is_its_first_byte_as_in_redis),
        cmocka_unit_test(a_range_never_leaves_the_string),
        cmocka_unit_test(integers_are_added_or_refused),
        cmocka_unit_test(integer_sums_agree_with_wider_arithmetic),
        cmocka_unit_test(floats_are_written_without_exponent_or_trailing_zeros),
        cmocka_unit_test(a_float_sum_must_be_a_finite_number),
        cmocka_unit_test(lcs_agrees_with_the_matrix_of_lengths),
        cmocka_unit_test(lcs_agrees_around_the_edges_of_words),
        cmocka_unit_test(lcs_of_the_well_known_example),
        cmocka_unit_test(lcs_without_memory_is_refused),
        cmocka_unit_test(lcs_is_measured_by_the_matrix_that_redis_would_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Words in quotes, growing texts and amounts of memory. */
#include "base/split.h"
#include "base/units.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Splits and compares; `expected` ends with NULL. */
static void check_words(const char *line, const char *const *expected)
{
    struct split split;
    if (split_line(bytes_of(line), &split) != SPLIT_OK)
        fail_msg("refused: %s", line);
    size_t count = 0;
    for (; expected[count]; count++) {
        if (count >= split.count || !bytes_equal(split.words[count], bytes_of(expected[count])))
            fail_msg("word %zu of: %s", count, line);
    }
    assert_int_equal(split.count, count);
    split_free(&split);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_WORDS ((const char *const[]){NULL})

static void words_are_separated_by_white_space(void **state)
{
    (void)state;
    check_words("a bc  d", WORDS("a", "bc", "d"));
    check_words("\t a \v\f b \r\n", WORDS("a", "b"));
    check_words("", NO_WORDS);
    check_words("   ", NO_WORDS);
}

static void double_quotes_keep_blanks_and_know_escapes(void **state)
{
    (void)state;
    check_words("\"a b\" c", WORDS("a b", "c"));
    check_words("\"\\n\\r\\t\\b\\a\"", WORDS("\n\r\t\b\a"));
    check_words("\"\\x41\\x6a\\x6A\"", WORDS("Ajj"));
    check_words("\"\\q\\\"\\\\\"", WORDS("q\"\\"));
    check_words("\"\\x4\\xzz\"", WORDS("x4xzz"));
    check_words("\"\"", WORDS(""));
}

static void single_quotes_know_only_the_quote_itself(void **state)
{
    (void)state;
    check_words("'a b' c", WORDS("a b", "c"));
    check_words("'\\n\\'\"'", WORDS("\\n'\""));
    check_words("''", WORDS(""));
}

static void quotes_may_open_inside_a_word(void **state)
{
    (void)state;
    check_words("foo\"b r\"", WORDS("foob r"));
    check_words("foo'b r' x", WORDS("foob r", "x"));
}

static void unbalanced_quotes_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {"\"",   "'",          "\"a",     "a'",   "\"a\"b",
                                        "'a'b", "\"a\"\"b\"", "\"a\\\"", "\"\\", "'\\'"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct split split;
        if (split_line(bytes_of(lines[i]), &split) != SPLIT_UNBALANCED_QUOTES)
            fail_msg("accepted: %s", lines[i]);
    }
}

static void zero_bytes_stay_in_their_word(void **state)
{
    (void)state;
    struct split split;
    assert_int_equal(split_line(BYTES("a\0b \"\\x00\""), &split), SPLIT_OK);
    assert_int_equal(split.count, 2);
    assert_true(bytes_equal(split.words[0], BYTES("a\0b")));
    assert_true(bytes_equal(split.words[1], BYTES("\0")));
    split_free(&split);
}

static void quoted_text_has_the_known_form(void **state)
{
    (void)state;
    struct text text = {0};
    split_append_quoted(&text, BYTES("a\"\\\n\r\t\a\b \x01\xff~"));
    assert_string_equal(text.at, "\"a\\\"\\\\\\n\\r\\t\\a\\b \\x01\\xff~\"");
    text_free(&text);
}

static void quoting_and_splitting_gives_back_any_bytes(void **state)
{
    (void)state;
    unsigned seed = 4711;
    print_message("# seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 20000; round++) {
        char raw[32];
        size_t len = (size_t)rand() % sizeof(raw);
        for (size_t i = 0; i < len; i++)
            raw[i] = (char)(rand() % 3 ? rand() % 256 : "\"'\\ x"[rand() % 5]);
        struct text quoted = {0};
        struct split split;
        split_append_quoted(&quoted, (bytes){raw, len});
        assert_int_equal(split_line(text_bytes(&quoted), &split), SPLIT_OK);
        assert_int_equal(split.count, 1);
        assert_true(bytes_equal(split.words[0], (bytes){raw, len}));
        split_free(&split);
        text_free(&quoted);
    }
}

static void a_text_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct text text = {0};
    for (int i = 0; i < 1000; i++)
        text_append_format(&text, "%d,", i % 10);
    assert_int_equal(text.len, 2000);
    assert_int_equal(strlen(text.at), 2000);
    text_clear(&text);
    text_append_char(&text, 'x');
    assert_string_equal(text.at, "x");
    assert_false(text.is_cut);
    text_free(&text);
}

static void amounts_of_memory_have_two_kinds_of_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned long long bytes;
    } examples[] = {
        {"0", 0},
        {"17", 17},
        {"5b", 5},
        {"1k", 1000},
        {"1kb", 1024},
        {"2M", 2000000},
        {"2MB", 2097152},
        {"1g", 1000000000},
        {"1Gb", 1073741824},
        {"007", 7},
        {"", 0},
        {"kb", 0},
        {"18446744073709551615", ULLONG_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        unsigned long long bytes_count;
        if (!units_parse_bytes(bytes_of(examples[i].text), &bytes_count) || bytes_count != examples[i].bytes)
            fail_msg("amount %s", examples[i].text);
    }
}

static void an_amount_too_large_to_count_is_the_largest(void **state)
{
    (void)state;
    unsigned long long bytes_count;
    assert_true(units_parse_bytes(BYTES("99999999999999999999999999"), &bytes_count));
    assert_true(bytes_count == ULLONG_MAX);
    assert_true(units_parse_bytes(BYTES("17179869184gb"), &bytes_count));
    assert_true(bytes_count == ULLONG_MAX);
}

static void what_is_no_amount_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"-1", "+1", " 1", "1 ", "1.5gb", "1tb", "x", "1kbb", "5%", "0x10"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        unsigned long long bytes_count;
        if (units_parse_bytes(bytes_of(texts[i]), &bytes_count))
            fail_msg("accepted %s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_separated_by_white_space),
        cmocka_unit_test(double_quotes_keep_blanks_and_know_escapes),
        cmocka_unit_test(single_quotes_know_only_the_quote_itself),
        cmocka_unit_test(quotes_may_open_inside_a_word),
        cmocka_unit_test(unbalanced_quotes_are_refused),
        cmocka_unit_test(zero_bytes_stay_in_their_word),
        cmocka_unit_test(quoted_text_has_the_known_form),
        cmocka_unit_test(quoting_and_splitting_gives_back_any_bytes),
        cmocka_unit_test(a_text_grows_and_stays_terminated),
        cmocka_unit_test(amounts_of_memory_have_two_kinds_of_units),
        cmocka_unit_test(an_amount_too_large_to_count_is_the_largest),
        cmocka_unit_test(what_is_no_amount_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

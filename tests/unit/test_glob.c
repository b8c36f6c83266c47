/* Glob patterns: what they match, and what hostile ones cost. */
#include "base/glob.h"

#include "base/common.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct example {
    const char *pattern;
    const char *text;
    bool is_match;
};

static void check(const struct example *examples, size_t count, bool ignore_case)
{
    for (size_t i = 0; i < count; i++)
        if (glob_match(bytes_of(examples[i].pattern), bytes_of(examples[i].text), ignore_case) != examples[i].is_match)
            fail_msg("pattern %s, text %s", examples[i].pattern, examples[i].text);
}

static void stars_match_any_run_of_bytes(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"*", "", true},         {"**", "", true},         {"*", "abc", true},    {"a*c", "abc", true},
        {"a*c", "ac", true},     {"a*c", "acd", false},    {"*c", "abcbc", true}, {"a*b*c", "aXbYc", true},
        {"a*b*c", "acb", false}, {"?*", "", false},        {"?*", "a", true},     {"*?*?*", "a", false},
        {"", "", true},          {"", "a", false},         {"abc", "abc", true},  {"abc", "abcd", false},
        {"abcd", "abc", false},  {"*a*b", "xaxaxb", true}, {"a*a", "a", false},   {"*aab", "aaaab", true},
    };
    check(examples, COUNT_OF(examples), false);
}

static void classes_know_ranges_negation_and_escapes(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"[abc]", "b", true},   {"[abc]", "d", false},  {"[^abc]", "d", true}, {"[^abc]", "b", false},
        {"[a-c]x", "bx", true}, {"[z-a]", "m", true},   {"[\\]]", "]", true},  {"[\\a-c]", "b", false},
        {"[--0]", ".", true},   {"a*[b]", "axb", true}, {"[]", "a", false},    {"[]a]", "]", false},
        {"[^]", "a", true},     {"[a-]b]", "a", true},  {"[a-]", "-", false},  {"[a]", "", false},
    };
    check(examples, COUNT_OF(examples), false);
}

static void an_unfinished_class_reaches_to_the_end(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"[a", "a", true},   {"[a", "b", false}, {"[a-", "-", true},  {"[^a", "b", true},
        {"[a-z", "c", true}, {"[", "a", false},  {"[\\", "\\", true}, {"a*[b", "axb", true},
    };
    check(examples, COUNT_OF(examples), false);
}

static void a_backslash_makes_the_next_character_plain(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"\\*", "*", true}, {"\\*", "a", false}, {"a\\?", "a?", true}, {"a\\", "a\\", true}, {"\\\\", "\\", true},
    };
    check(examples, COUNT_OF(examples), false);
}

static void case_is_ignored_on_request_only(void **state)
{
    (void)state;
    static const struct example folded[] = {{"MAX*", "maxmemory", true}, {"[A-C]", "b", true}, {"a", "A", true}};
    static const struct example exact[] = {{"MAX*", "maxmemory", false}, {"[A-C]", "b", false}, {"a", "A", false}};
    check(folded, COUNT_OF(folded), true);
    check(exact, COUNT_OF(exact), false);
}

static void zero_bytes_are_ordinary(void **state)
{
    (void)state;
    assert_true(glob_match(BYTES("a\0*"), BYTES("a\0b"), false));
    assert_false(glob_match(BYTES("a\0c"), BYTES("a\0b"), false));
}

/* Backtracking over every star would take longer than the universe has. */
static void a_hostile_pattern_ends_soon(void **state)
{
    (void)state;
    char pattern[201], text[2001];
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "a*", 2);
    memcpy(pattern + 199, "b", 2);
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(glob_match(bytes_of(pattern), bytes_of(text), false));
}

/* The definition itself, exponential and short. */
static bool naive_match(const char *pattern, const char *text)
{
    if (*pattern == '*')
        return naive_match(pattern + 1, text) || (*text && naive_match(pattern, text + 1));
    if (*pattern == '\0' || *text == '\0')
        return *pattern == *text;
    return (*pattern == '?' || *pattern == *text) && naive_match(pattern + 1, text + 1);
}

static void random_patterns_match_as_their_definition_says(void **state)
{
    (void)state;
    unsigned seed = 20240807;
    print_message("# seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 100000; round++) {
        char pattern[8], text[10];
        size_t pattern_len = (size_t)rand() % sizeof(pattern), text_len = (size_t)rand() % sizeof(text);
        for (size_t i = 0; i < pattern_len; i++)
            pattern[i] = "ab?*"[rand() % 4];
        for (size_t i = 0; i < text_len; i++)
            text[i] = "ab"[rand() % 2];
        pattern[pattern_len] = text[text_len] = '\0';
        if (glob_match(bytes_of(pattern), bytes_of(text), false) != naive_match(pattern, text))
            fail_msg("pattern %s, text %s", pattern, text);
    }
}

static void a_plain_name_is_no_pattern(void **state)
{
    (void)state;
    assert_false(glob_is_pattern(BYTES("maxmemory")));
    assert_true(glob_is_pattern(BYTES("max*")));
    assert_true(glob_is_pattern(BYTES("d?r")));
    assert_true(glob_is_pattern(BYTES("d[i]r")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stars_match_any_run_of_bytes),
        cmocka_unit_test(classes_know_ranges_negation_and_escapes),
        cmocka_unit_test(an_unfinished_class_reaches_to_the_end),
        cmocka_unit_test(a_backslash_makes_the_next_character_plain),
        cmocka_unit_test(case_is_ignored_on_request_only),
        cmocka_unit_test(zero_bytes_are_ordinary),
        cmocka_unit_test(a_hostile_pattern_ends_soon),
        cmocka_unit_test(random_patterns_match_as_their_definition_says),
        cmocka_unit_test(a_plain_name_is_no_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

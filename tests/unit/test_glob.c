/* Glob patterns: what they match, and what hostile ones cost. */
#include "base/glob.h"

#include "property.h"

#include <stdio.h>
#include <string.h>

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

static char *repeat(const char *unit, size_t count)
{
    size_t len = strlen(unit);
    char *text = test_malloc(len * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, unit, len);
    text[len * count] = '\0';
    return text;
}

static char *join(const char *front, const char *middle, const char *back)
{
    size_t size = strlen(front) + strlen(middle) + strlen(back) + 1;
    char *text = test_malloc(size);
    snprintf(text, size, "%s%s%s", front, middle, back);
    return text;
}

/* Each of them would take minutes if the parts of a pattern were tried at every byte of the text. */
static void no_pattern_takes_longer_than_the_text_is_long(void **state)
{
    (void)state;
    enum { LEN = 1 << 17 };
    static const struct {
        const char *front, *unit, *back;
        bool is_match;
    } patterns[] = {
        {"*", "a", "b*", false}, /* found in linear time */
        {"*", "a", "*", true},     {"*", "*", "", true},     {"*", "a*", "", true},
        {"*b", "*b", "", false},   {"*?", "a", "b*", false}, /* given up */
        {"*", "?", "b*", false},   {"*[", "b", "]c", false}, {"*[", "a", "]b*", false},
        {"*", "\\a", "b*", false}, {"[", "b", "", false}, /* a class longer than what it may take */
    };
    char *text = repeat("a", LEN);
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        char *middle = repeat(patterns[i].unit, LEN / 2 / strlen(patterns[i].unit));
        char *pattern = join(patterns[i].front, middle, patterns[i].back);
        bool is_match = glob_match(bytes_of(pattern), bytes_of(text), false);
        bool is_short_match = glob_match(bytes_of(pattern), BYTES("x"), false);
        if (is_match != patterns[i].is_match || is_short_match)
            fail_msg("%s%s...%s", patterns[i].front, patterns[i].unit, patterns[i].back);
        test_free(middle);
        test_free(pattern);
    }
    test_free(text);
}

/* The promise of glob.h: with parts of up to 256 bytes every answer is right, however unlucky they are. */
static void parts_of_256_bytes_are_never_given_up(void **state)
{
    (void)state;
    enum { LEN = 100 * 1000 };
    char *many = repeat("a", LEN), *few = repeat("?", 254);
    char *text = join(many, "b", "b");
    char *part = join("*", few, "bb*");
    char *class = join("*[^", few, "]*");
    char *tail = join(class, "[b]b", "");
    assert_true(glob_match(bytes_of(part), bytes_of(text), false));
    assert_false(glob_match(bytes_of(part), bytes_of(many), false));
    assert_true(glob_match(bytes_of(class), bytes_of(many), false));
    assert_true(glob_match(bytes_of(tail), bytes_of(text), false));
    assert_false(glob_match(bytes_of(tail), bytes_of(many), false));
    char *made[] = {many, few, text, part, class, tail};
    for (size_t i = 0; i < COUNT_OF(made); i++)
        test_free(made[i]);
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

static bool naive_class_matches(const char **pattern, char c)
{
    const char *at = *pattern;
    bool is_negated = *at == '^', is_found = false;
    at += is_negated;
    while (*at != '\0' && *at != ']') {
        if (at[0] == '\\' && at[1] != '\0') {
            is_found |= at[1] == c;
            at += 2;
        } else if (at[1] == '-' && at[2] != '\0') {
            is_found |= (at[0] <= c && c <= at[2]) || (at[2] <= c && c <= at[0]);
            at += 3;
        } else {
            is_found |= *at++ == c;
        }
    }
    *pattern = at + (*at == ']');
    return is_found != is_negated;
}

/* The definition itself, exponential and short. */
static bool naive_match(const char *pattern, const char *text)
{
    if (*pattern == '*')
        return naive_match(pattern + 1, text) || (*text && naive_match(pattern, text + 1));
    if (*pattern == '\0' || *text == '\0')
        return *pattern == *text;
    if (*pattern == '[') {
        pattern++;
        return naive_class_matches(&pattern, *text) && naive_match(pattern, text + 1);
    }
    if (*pattern == '?')
        return naive_match(pattern + 1, text + 1);
    pattern += pattern[0] == '\\' && pattern[1] != '\0';
    return *pattern == *text && naive_match(pattern + 1, text + 1);
}

static void random_patterns_match_as_their_definition_says(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    static const char *const alphabets[][2] = {{"ab?*", "ab"}, {"ab*", "ab"}, {"abc?*[]^-\\", "abc]-\\"}};
    size_t matches = 0;
    for (int round = 0; round < 600000; round++) {
        const char *const *letters = alphabets[round % 3];
        char pattern[9], text[11];
        size_t pattern_len = random_below(&random, sizeof(pattern)), text_len = random_below(&random, sizeof(text));
        for (size_t i = 0; i < pattern_len; i++)
            pattern[i] = letters[0][random_below(&random, strlen(letters[0]))];
        for (size_t i = 0; i < text_len; i++)
            text[i] = letters[1][random_below(&random, strlen(letters[1]))];
        pattern[pattern_len] = text[text_len] = '\0';
        bool is_match = naive_match(pattern, text);
        if (glob_match(bytes_of(pattern), bytes_of(text), false) != is_match)
            fail_msg("pattern %s, text %s", pattern, text);
        if (glob_match(bytes_of(pattern), bytes_of(text), true) != is_match)
            fail_msg("pattern %s, text %s, ignoring case", pattern, text);
        matches += is_match;
    }
    print_message("# %zu matches\n", matches);
    assert_true(matches > 10000);
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
        cmocka_unit_test(no_pattern_takes_longer_than_the_text_is_long),
        cmocka_unit_test(parts_of_256_bytes_are_never_given_up),
        cmocka_unit_test(a_hostile_pattern_ends_soon),
        cmocka_unit_test(random_patterns_match_as_their_definition_says),
        cmocka_unit_test(a_plain_name_is_no_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

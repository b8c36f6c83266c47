/* Growing text: what is appended stands there, in order and terminated, until memory or the limit ends; then the text
   says so and stays as it was. */
#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_text(const struct text *text, const char *expected)
{
    assert_int_equal(text->len, strlen(expected));
    assert_string_equal(text->at, expected);
}

static void pieces_follow_each_other(void **state)
{
    (void)state;
    struct text text = {0};
    text_append(&text, BYTES("one "));
    text_append_format(&text, "%d %s", 2, "three");
    text_append_char(&text, '!');
    text_append(&text, (bytes){NULL, 0});
    assert_text(&text, "one 2 three!");
    assert_false(text.is_cut);
    text_free(&text);
    assert_null(text.at);
}

/* Formatting writes into the room that is there before it knows whether that suffices: every boundary is crossed here.
 */
static void formatting_fits_at_every_length(void **state)
{
    (void)state;
    char expected[600];
    for (int before = 0; before < 300; before++) {
        struct text text = {0};
        for (int i = 0; i < before; i++)
            text_append_char(&text, 'a');
        text_append_format(&text, "%0*d", before + 1, 7);
        memset(expected, 'a', (size_t)before);
        memset(expected + before, '0', (size_t)before);
        memcpy(expected + 2 * before, "7", 2);
        assert_text(&text, expected);
        text_free(&text);
    }
}

static void any_bytes_can_be_appended(void **state)
{
    (void)state;
    struct text text = {0};
    text_append(&text, (bytes){"a\0b", 3});
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.at, "a\0b\0", 4);
    text_free(&text);
}

static void the_limit_is_reached_but_not_passed(void **state)
{
    (void)state;
    struct text text = {.limit = 5};
    text_append(&text, BYTES("12345"));
    assert_false(text.is_cut);
    text_append_char(&text, '6');
    assert_true(text.is_cut);
    assert_text(&text, "12345");
    text_append_format(&text, "%s", "");
    text_append_format(&text, "%s", "much more than there is room for");
    assert_text(&text, "12345");
    text_clear(&text);
    text_append(&text, BYTES("54321"));
    assert_false(text.is_cut);
    assert_text(&text, "54321");
    text_free(&text);
    assert_int_equal(text.limit, 5);
}

static void without_memory_the_text_stays_as_it_was(void **state)
{
    (void)state;
    struct text text = {0};
    mem_fail_after(1);
    text_append(&text, BYTES("kept"));
    for (int i = 0; i < 1000; i++)
        text_append_format(&text, "%d", i % 10);
    mem_fail_after(-1);
    assert_true(text.is_cut);
    assert_memory_equal(text.at, "kept0123", 8);
    assert_int_equal(strlen(text.at), text.len);
    size_t len = text.len;
    text_append(&text, BYTES("late"));
    assert_int_equal(text.len, len);
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_follow_each_other),
        cmocka_unit_test(formatting_fits_at_every_length),
        cmocka_unit_test(any_bytes_can_be_appended),
        cmocka_unit_test(the_limit_is_reached_but_not_passed),
        cmocka_unit_test(without_memory_the_text_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

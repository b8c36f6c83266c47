/* The compressed form of strings: what goes in comes out, it is small or it is not made, and no bytes that pretend to
   be one make expanding touch memory that is not its own. */
#include "property.h"

#include "base/mem.h"
#include "values/compressed.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 70000 };

/* Memory of which the last byte stands before a page that nobody may touch, so that one byte too many is one too many
   for the processor, too: the library is not built with our sanitizers. */
struct fenced {
    char *pages;
    size_t size; /* bytes that may be touched */
};

static struct fenced fence(size_t at_least)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (at_least + page - 1) / page * page;
    char *pages = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + size, page, PROT_NONE), 0);
    return (struct fenced){pages, size};
}

static void unfence(struct fenced fenced)
{
    munmap(fenced.pages, fenced.size + (size_t)sysconf(_SC_PAGESIZE));
}

/* The last `len` bytes before the fence. */
static char *before_fence(struct fenced fenced, size_t len)
{
    return fenced.pages + fenced.size - len;
}

/* Texts of a few words, runs of one byte, noise, and one behind the other. */
static size_t draw_value(struct random *random, char *value)
{
    static const char *const words[] = {"name", "\":\"", "value", "0,0,", "\0\0\0", "larder", "{\"id\":"};
    size_t len = one_in(random, 2) ? between(random, 0, 300) : between(random, 0, MOST);
    size_t at = 0;
    while (at < len) {
        size_t until = at + between(random, 1, len - at);
        unsigned kind = (unsigned)random_below(random, 3);
        char byte = (char)random_next(random);
        while (at < until) {
            const char *word = words[random_below(random, COUNT_OF(words))];
            size_t step = kind == 0 ? strlen(word) : 1;
            step = step > 0 ? step : 1;
            step = step < until - at ? step : until - at;
            if (kind == 0)
                memcpy(value + at, word, step);
            else
                value[at] = kind == 1 ? byte : (char)random_next(random);
            at += step;
        }
    }
    return len;
}

static void a_value_comes_back_as_it_was(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    char *value = test_malloc(MOST);
    struct fenced form = fence(MOST);
    struct fenced expanded = fence(MOST);
    size_t made = 0;
    for (int i = 0; i < 3000; i++) {
        size_t value_len = draw_value(&random, value);
        size_t len;
        char *compressed = compressed_make((bytes){value, value_len}, &len);
        if (compressed == NULL)
            continue;
        made++;
        assert_true(len > COMPRESSED_HEADER && 8 * len <= 7 * value_len);
        assert_in_range(compressed_saved_percent(value_len, len), 12, 100);
        char *at = before_fence(form, len);
        memcpy(at, compressed, len);
        mem_free(compressed);
        assert_int_equal(compressed_value_len((bytes){at, len}), value_len);
        char *to = before_fence(expanded, value_len);
        assert_true(compressed_expand((bytes){at, len}, to));
        assert_memory_equal(to, value, value_len);
    }
    assert_true(made > 500);
    unfence(form);
    unfence(expanded);
    test_free(value);
}

static void what_does_not_compress_has_no_compressed_form(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    char *value = test_malloc(MOST);
    size_t len;
    for (size_t i = 0; i < MOST; i++)
        value[i] = (char)random_next(&random);
    assert_null(compressed_make((bytes){value, MOST}, &len));
    for (size_t i = 0; i < 300; i++)
        assert_null(compressed_make((bytes){value, i}, &len));
    memset(value, 'x', MOST);
    for (size_t i = 0; i < 12; i++)
        assert_null(compressed_make((bytes){value, i}, &len)); /* too short to gain anything */
    test_free(value);
}

static void a_value_has_a_compressed_form_up_to_the_limit(void **state)
{
    (void)state;
    char *value = test_calloc(COMPRESSED_VALUE_MAX + 1, 1);
    size_t len;
    assert_null(compressed_make((bytes){value, COMPRESSED_VALUE_MAX + 1}, &len));
    char *compressed = compressed_make((bytes){value, COMPRESSED_VALUE_MAX}, &len);
    assert_non_null(compressed);
    assert_in_range(len, 1, COMPRESSED_VALUE_MAX / 100);
    value[0] = 'x';
    assert_true(compressed_expand((bytes){compressed, len}, value));
    assert_int_equal(value[0], 0);
    mem_free(compressed);
    test_free(value);
}

static void without_memory_there_is_no_compressed_form(void **state)
{
    (void)state;
    char value[1000] = {0};
    size_t len;
    mem_fail_after(0);
    assert_null(compressed_make((bytes){value, sizeof(value)}, &len));
    mem_fail_after(-1);
}

/* Noise, and forms of real values that were bent or cut: whatever it says, nothing beyond the fences is touched, and
   what it takes for intact has the length that it says. */
static void bytes_that_are_no_compressed_form_do_no_harm(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    char *value = test_malloc(MOST);
    struct fenced form = fence(MOST);
    struct fenced expanded = fence(MOST);
    size_t refused = 0;
    for (int i = 0; i < 20000; i++) {
        size_t value_len = draw_value(&random, value);
        size_t len = between(&random, COMPRESSED_HEADER + 1, 300);
        char *compressed = one_in(&random, 4) ? NULL : compressed_make((bytes){value, value_len}, &len);
        char *at = before_fence(form, len);
        if (compressed != NULL) {
            memcpy(at, compressed, len);
        } else {
            for (size_t j = 0; j < len; j++)
                at[j] = (char)random_next(&random);
            value_len = between(&random, 0, MOST);
        }
        mem_free(compressed);
        for (size_t bent = between(&random, 0, 3); bent > 0; bent--)
            at[between(&random, COMPRESSED_HEADER, len - 1)] = (char)random_next(&random);
        size_t cut = one_in(&random, 2) ? 0 : between(&random, 0, len - COMPRESSED_HEADER - 1);
        memmove(at + cut, at, len - cut);
        at += cut;
        len -= cut;
        if (one_in(&random, 4))
            value_len = between(&random, 0, MOST);
        uint32_t header = (uint32_t)value_len;
        memcpy(at, &header, sizeof(header));
        refused += !compressed_expand((bytes){at, len}, before_fence(expanded, value_len));
    }
    assert_in_range(refused, 5000, 20000);
    unfence(form);
    unfence(expanded);
    test_free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_comes_back_as_it_was),
        cmocka_unit_test(what_does_not_compress_has_no_compressed_form),
        cmocka_unit_test(a_value_has_a_compressed_form_up_to_the_limit),
        cmocka_unit_test(without_memory_there_is_no_compressed_form),
        cmocka_unit_test(bytes_that_are_no_compressed_form_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

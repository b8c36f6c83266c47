/* Stems against a model: an array of strings that is asked one by one. */
#include "property.h"

#include "base/mem.h"
#include "structs/stems.h"

#include <string.h>

enum { STEMS_MAX = 300, LEN_MAX = 12, OPERATIONS = 20000 };

struct model {
    struct stems stems;
    char texts[STEMS_MAX][LEN_MAX + 1]; /* its pointer is the stem's item */
    size_t lens[STEMS_MAX];
    bool is_in[STEMS_MAX];
    size_t count;
};

static bytes text_of(const struct model *model, size_t i)
{
    return (bytes){model->texts[i], model->lens[i]};
}

/* Few letters, zero and the highest byte among them, so that stems begin alike, and some are empty. */
static bytes draw_text(struct random *random, char text[LEN_MAX])
{
    static const char letters[] = {'a', 'b', '\0', '\xff'};
    size_t len = between(random, 0, LEN_MAX);
    size_t variety = between(random, 1, sizeof(letters));
    for (size_t i = 0; i < len; i++)
        text[i] = letters[random_below(random, variety)];
    return (bytes){text, len};
}

static size_t model_find(const struct model *model, bytes text)
{
    for (size_t i = 0; i < STEMS_MAX; i++)
        if (model->is_in[i] && bytes_equal(text_of(model, i), text))
            return i;
    return STEMS_MAX;
}

static void model_insert(struct model *model, bytes text, bool may_fail)
{
    size_t i = 0;
    while (i < STEMS_MAX && model->is_in[i])
        i++;
    if (i == STEMS_MAX || model_find(model, text) < STEMS_MAX)
        return;
    memcpy(model->texts[i], text.at, text.len);
    model->lens[i] = text.len;
    bool is_done = stems_insert(&model->stems, text, model->texts[i]);
    assert_true(is_done || may_fail);
    model->is_in[i] = is_done;
    model->count += is_done;
}

static void model_remove(struct model *model, size_t i)
{
    stems_remove(&model->stems, text_of(model, i));
    model->is_in[i] = false;
    model->count--;
}

struct matches {
    const void *items[LEN_MAX + 2];
    size_t count;
};

static void note_match(void *context, void *item)
{
    struct matches *matches = context;
    assert_true(matches->count < COUNT_OF(matches->items));
    matches->items[matches->count++] = item;
}

/* The stems that a text begins with, the shortest first: one for each of its lengths at most. */
static void compare_matches(const struct model *model, bytes text)
{
    struct matches found = {0};
    stems_match(&model->stems, text, note_match, &found);
    size_t expected = 0;
    for (size_t len = 0; len <= text.len; len++) {
        size_t i = model_find(model, (bytes){text.at, len});
        if (i < STEMS_MAX)
            assert_ptr_equal(found.items[expected++], model->texts[i]);
    }
    assert_int_equal(found.count, expected);
}

static void compare(const struct model *model, bytes text)
{
    size_t i = model_find(model, text);
    assert_ptr_equal(stems_find(&model->stems, text), i < STEMS_MAX ? model->texts[i] : NULL);
    assert_int_equal(model->stems.count, model->count);
    compare_matches(model, text);
}

static void empty(struct model *model)
{
    for (size_t i = 0; i < STEMS_MAX; i++)
        if (model->is_in[i])
            model_remove(model, i);
    assert_null(model->stems.root);
}

static void run_random(struct random *random, struct model *model, bool is_short_of_memory)
{
    char text[LEN_MAX];
    for (int i = 0; i < OPERATIONS; i++) {
        size_t at = random_below(random, STEMS_MAX);
        if (is_short_of_memory)
            mem_fail_after((long)random_below(random, 4));
        if (one_in(random, 3) && model->is_in[at])
            model_remove(model, at);
        else
            model_insert(model, draw_text(random, text), is_short_of_memory);
        mem_fail_after(-1);
        compare(model, draw_text(random, text));
        if (one_in(random, 50))
            stems_check(&model->stems);
        if (one_in(random, 2000))
            empty(model);
    }
    empty(model);
}

static void stems_agree_with_a_list_of_strings(void **state)
{
    struct random random = property_start(__func__);
    static struct model model;
    memset(&model, 0, sizeof(model));
    run_random(&random, &model, false);
}

static void a_failed_insertion_changes_nothing_and_removal_needs_no_memory(void **state)
{
    struct random random = property_start(__func__);
    static struct model model;
    memset(&model, 0, sizeof(model));
    run_random(&random, &model, true);
}

/* A node may have a child for every byte. */
static void every_first_byte_has_its_place(void **state)
{
    struct stems stems = {0};
    char texts[256][2];
    for (int i = 0; i < 256; i++) {
        texts[i][0] = 'x';
        texts[i][1] = (char)(i * 37);
        assert_true(stems_insert(&stems, (bytes){texts[i], 2}, texts[i]));
    }
    stems_check(&stems);
    for (int i = 0; i < 256; i++)
        assert_ptr_equal(stems_find(&stems, (bytes){texts[i], 2}), texts[i]);
    for (int i = 0; i < 256; i++)
        stems_remove(&stems, (bytes){texts[i], 2});
    assert_null(stems.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stems_agree_with_a_list_of_strings),
        cmocka_unit_test(a_failed_insertion_changes_nothing_and_removal_needs_no_memory),
        cmocka_unit_test(every_first_byte_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

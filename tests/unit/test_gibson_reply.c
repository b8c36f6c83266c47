/* libgibsonclient: numbers and lists, against what was encoded. */
#include "gibson_peer.h"
#include "property.h"

enum { MOST_ENTRIES = 12, LONGEST_TEXT = 40, ROUNDS = 2000 };

/* --- numbers --- */

static long number_of(const void *bytes, uint32_t size)
{
    gbBuffer buffer = {.encoding = GB_ENC_NUMBER, .buffer = (unsigned char *)bytes, .rsize = size, .size = size};
    return gb_reply_number(&buffer);
}

static void numbers_are_read_by_their_size(void **state)
{
    (void)state;
    assert_int_equal(number_of("\x7f", 1), 127);
    assert_int_equal(number_of("\x80", 1), -128);
    assert_int_equal(number_of("\x34\x12", 2), 0x1234);
    assert_int_equal(number_of("\xfe\xff", 2), -2);
    assert_int_equal(number_of("\x78\x56\x34\x12", 4), 0x12345678);
    assert_int_equal(number_of("\xff\xff\xff\xff", 4), -1);
    assert_true(number_of("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) == INT64_MAX);
    assert_true(number_of("\0\0\0\0\0\0\0\x80", 8) == INT64_MIN);
    assert_int_equal(number_of("\x05\0\0\0\0\0\0\0\x09", 9), 5);
}

static void sizes_that_no_number_has_read_as_0_and_nothing_beyond_them_is_read(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 3, 5, 6, 7};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *exact = malloc(sizes[i] + 1);
        assert_non_null(exact);
        memset(exact, 0xff, sizes[i] + 1);
        assert_int_equal(number_of(exact + 1, sizes[i]), 0); /* ends where the allocation does */
        free(exact);
    }
    assert_int_equal(number_of(NULL, 8), 0);
}

/* --- lists --- */

struct model_entry {
    char key[LONGEST_TEXT + 1];
    int encoding;
    unsigned char value[LONGEST_TEXT];
    size_t value_size;
};

struct model {
    struct model_entry entries[MOST_ENTRIES];
    size_t count;
};

static void draw_list(struct random *random, struct model *model)
{
    model->count = between(random, 0, MOST_ENTRIES);
    for (size_t i = 0; i < model->count; i++) {
        struct model_entry *entry = &model->entries[i];
        size_t key_size = between(random, 0, LONGEST_TEXT);
        for (size_t at = 0; at < key_size; at++)
            entry->key[at] = (char)between(random, 1, 255);
        entry->key[key_size] = '\0';
        entry->encoding = (int)between(random, 0, 2);
        entry->value_size = between(random, 0, LONGEST_TEXT);
        for (size_t at = 0; at < entry->value_size; at++)
            entry->value[at] = (unsigned char)between(random, 0, 255);
    }
}

static struct bytes_made encode_list(const struct model *model)
{
    struct bytes_made made = {.size = 0};
    make_number(&made, model->count, 4);
    for (size_t i = 0; i < model->count; i++) {
        const struct model_entry *entry = &model->entries[i];
        make_entry(&made, entry->key, entry->encoding, entry->value, entry->value_size);
    }
    return made;
}

/* A client whose last reply was a list of exactly these bytes, in an allocation that ends with them. */
static gbClient client_with_list(const unsigned char *bytes, size_t size)
{
    gbClient client = {.fd = -1};
    client.reply.code = REPL_KVAL;
    client.reply.buffer = malloc(size > 0 ? size : 1);
    assert_non_null(client.reply.buffer);
    memcpy(client.reply.buffer, bytes, size);
    client.reply.rsize = client.reply.size = (uint32_t)size;
    return client;
}

static void check_is_empty(const gbMultiBuffer *list)
{
    assert_int_equal(list->count, 0);
    assert_null(list->keys);
    assert_null(list->values);
}

static void lists_are_decoded_as_they_were_encoded(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct model model;
    for (int round = 0; round < ROUNDS; round++) {
        draw_list(&random, &model);
        struct bytes_made bytes = encode_list(&model);
        gbClient client = client_with_list(bytes.at, bytes.size);
        gbMultiBuffer list;
        gb_reply_multi(&client, &list);
        assert_int_equal(list.count, model.count);
        for (size_t i = 0; i < model.count; i++) {
            assert_string_equal(list.keys[i], model.entries[i].key);
            assert_int_equal(list.values[i].encoding, model.entries[i].encoding);
            assert_int_equal(list.values[i].size, model.entries[i].value_size);
            assert_true(list.values[i].rsize > list.values[i].size);
            assert_memory_equal(list.values[i].buffer, model.entries[i].value, model.entries[i].value_size);
            assert_int_equal(list.values[i].buffer[model.entries[i].value_size], '\0');
        }
        gb_reply_multi_free(&list);
        check_is_empty(&list);
        gb_reply_multi_free(&list);
        gb_disconnect(&client);
    }
}

static void a_list_cut_short_anywhere_is_empty(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct model model;
    for (int round = 0; round < ROUNDS / 100; round++) {
        draw_list(&random, &model);
        struct bytes_made bytes = encode_list(&model);
        for (size_t size = 0; size < bytes.size; size++) {
            gbClient client = client_with_list(bytes.at, size);
            gbMultiBuffer list;
            gb_reply_multi(&client, &list);
            check_is_empty(&list);
            gb_disconnect(&client);
        }
    }
}

static void lengths_that_lie_are_noticed(void **state)
{
    (void)state;
    static const uint32_t lies[] = {4, 0xff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    struct model model = {.count = 1, .entries = {{.key = "foo", .value = "bar", .value_size = 3}}};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        static const size_t lengths_at[] = {0, 4, 12}; /* of the list, the key, the value */
        for (size_t j = 0; j < 3; j++) {
            struct bytes_made bytes = encode_list(&model);
            struct bytes_made lie = {.size = 0};
            make_number(&lie, lies[i], 4);
            memcpy(bytes.at + lengths_at[j], lie.at, 4);
            gbClient client = client_with_list(bytes.at, bytes.size);
            gbMultiBuffer list;
            gb_reply_multi(&client, &list);
            check_is_empty(&list);
            gb_disconnect(&client);
        }
    }
}

static void what_is_no_list_decodes_as_an_empty_one(void **state)
{
    (void)state;
    struct model model = {.count = 1, .entries = {{.key = "foo", .value = "bar", .value_size = 3}}};
    struct bytes_made bytes = encode_list(&model);
    gbClient client = client_with_list(bytes.at, bytes.size);
    client.reply.code = REPL_VAL;
    gbMultiBuffer list;
    gb_reply_multi(&client, &list);
    check_is_empty(&list);
    assert_string_equal(last_error(), "( 71 ) the last reply is not a list");
    gb_disconnect(&client);
    gb_reply_multi(&client, &list);
    check_is_empty(&list);
}

static void without_memory_a_list_is_empty_and_nothing_leaks(void **state)
{
    (void)state;
    struct model model = {.count = 3, .entries = {{.key = "a"}, {.key = "b"}, {.key = "c"}}};
    struct bytes_made bytes = encode_list(&model);
    gbClient client = client_with_list(bytes.at, bytes.size);
    int failures = 0;
    for (;; failures++) {
        gbMultiBuffer list;
        allocations_left = failures;
        gb_reply_multi(&client, &list);
        bool has_failed = allocations_left == -1;
        allocations_left = -1;
        if (!has_failed) {
            assert_int_equal(list.count, 3);
            gb_reply_multi_free(&list);
            break;
        }
        check_is_empty(&list);
        assert_string_equal(last_error(), "( 12 ) out of memory");
    }
    assert_int_equal(failures, 8); /* two arrays, three keys, three values */
    gb_disconnect(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_by_their_size),
        cmocka_unit_test(sizes_that_no_number_has_read_as_0_and_nothing_beyond_them_is_read),
        cmocka_unit_test(lists_are_decoded_as_they_were_encoded),
        cmocka_unit_test(a_list_cut_short_anywhere_is_empty),
        cmocka_unit_test(lengths_that_lie_are_noticed),
        cmocka_unit_test(what_is_no_list_decodes_as_an_empty_one),
        cmocka_unit_test(without_memory_a_list_is_empty_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Input that waits: what was parsed of a request stays valid while its bytes move, grow and are joined by others. */
#include "property.h"

#include "base/mem.h"
#include "net/input.h"

#include <string.h>

static const struct resp_limits limits = {.max_bulk_len = 512 * 1024 * 1024};

static enum resp_status parse_on(struct input *input, struct resp_args *args)
{
    char error[RESP_ERROR_SIZE];
    return resp_parse(&input->state, input->data, input->len, args, &limits, error);
}

static void check_words(const struct resp_args *args, size_t count, const char *const *words)
{
    assert_int_equal(args->count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(bytes_equal(args->items[i], bytes_of(words[i])));
}

static void input_exists_from_the_first_byte_to_the_last(void **state)
{
    struct input *input = NULL;
    assert_int_equal(input_bytes(input), 0);
    assert_true(input_append(&input, BYTES("abc")));
    assert_non_null(input);
    assert_int_equal(input->len, 3);
    assert_int_equal(input->state.position, 0);
    assert_int_equal(input_bytes(input), 3);
    input_consume(&input, 2);
    assert_int_equal(input->len, 1);
    assert_memory_equal(input->data, "c", 1);
    input_consume(&input, 0);
    assert_int_equal(input->len, 1);
    input_consume(&input, 1);
    assert_null(input);
    input_free(&input);
}

static void room_is_there_after_it_was_reserved(void **state)
{
    struct input *input = NULL;
    size_t filled = 0;
    for (size_t room = 1; room < 1000000; room = room * 3 + 1) {
        assert_true(input_reserve(&input, room));
        assert_true(input->capacity - input->len >= room);
        assert_int_equal(input->len, filled);
        for (size_t i = 0; i < filled; i++)
            assert_int_equal(input->data[i], 'x');
        memset(input->data + input->len, 'x', room);
        input->len += room;
        filled += room;
    }
    input_free(&input);
    assert_null(input);
}

/* Arguments found early in a long request are slices of a block that moves many times. */
static void what_was_parsed_survives_every_growth(void **state)
{
    struct input *input = NULL;
    assert_true(input_append(&input, BYTES("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100000\r\n")));
    assert_int_equal(parse_on(input, &input->args), RESP_MORE);
    const char *first = input->args.items[0].at;
    bool has_moved = false;
    for (size_t i = 0; i < 100000 + 2; i += 9) {
        assert_true(input_append(&input, (bytes){"vvvvvvvvv", i + 9 < 100002 ? 9 : 100002 - i}));
        has_moved |= input->args.items[0].at != first;
        assert_int_equal(parse_on(input, &input->args), i + 9 < 100002 ? RESP_MORE : RESP_REQUEST);
    }
    assert_true(has_moved);
    assert_int_equal(input->args.count, 3);
    assert_true(bytes_equal(input->args.items[0], BYTES("SET")));
    assert_true(bytes_equal(input->args.items[1], BYTES("key")));
    assert_int_equal(input->args.items[2].len, 100000);
    assert_ptr_equal(input->args.items[2].at, input->data + input->state.position - 2 - 100000);
    input_free(&input);
}

/* As a worker does it: requests parsed in a block that they share with others; the unfinished one moves out. */
static void progress_kept_from_another_block_goes_on(void **state)
{
    char arena[] = "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nva";
    struct resp_args args = {0};
    struct resp_state parse_state = {0};
    char error[RESP_ERROR_SIZE];
    assert_int_equal(resp_parse(&parse_state, arena, sizeof(arena) - 1, &args, &limits, error), RESP_REQUEST);
    size_t consumed = parse_state.position;
    size_t first = args.count;
    parse_state = (struct resp_state){0};
    assert_int_equal(resp_parse(&parse_state, arena + consumed, sizeof(arena) - 1 - consumed, &args, &limits, error),
                     RESP_MORE);
    struct input *input = NULL;
    assert_true(input_append(&input, (bytes){arena + consumed, sizeof(arena) - 1 - consumed}));
    assert_true(input_keep_progress(input, &parse_state, &args, first, arena + consumed));
    check_words(&args, 1, (const char *const[]){"PING"});
    memset(arena, '?', sizeof(arena)); /* the block is used for others now */

    assert_true(input_append(&input, BYTES("lue\r\n")));
    assert_int_equal(parse_on(input, &input->args), RESP_REQUEST);
    check_words(&input->args, 3, (const char *const[]){"SET", "k", "value"});
    assert_int_equal(input->state.position, input->len);
    resp_args_free(&args);
    input_free(&input);
}

/* The same when the finished requests in front lie in the input itself and are dropped afterwards. */
static void progress_belongs_to_what_is_left_after_consuming(void **state)
{
    struct input *input = NULL;
    struct resp_args args = {0};
    assert_true(input_append(&input, BYTES("*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nh")));
    assert_int_equal(parse_on(input, &args), RESP_REQUEST);
    size_t consumed = input->state.position;
    size_t first = args.count;
    struct resp_state next = {0};
    char error[RESP_ERROR_SIZE];
    assert_int_equal(resp_parse(&next, input->data + consumed, input->len - consumed, &args, &limits, error),
                     RESP_MORE);
    assert_true(input_keep_progress(input, &next, &args, first, input->data + consumed));
    check_words(&args, 1, (const char *const[]){"PING"}); /* not moved yet: the requests in front still have to run */
    input_consume(&input, consumed);
    assert_true(input_append(&input, BYTES("i\r\n")));
    assert_int_equal(parse_on(input, &input->args), RESP_REQUEST);
    check_words(&input->args, 2, (const char *const[]){"ECHO", "hi"});
    resp_args_free(&args);
    input_free(&input);
}

static void an_appended_request_is_parsed_as_it_was_given(void **state)
{
    struct random random = property_start(__func__);
    char data[300];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)random_next(&random);
    for (int i = 0; i < 200; i++) {
        bytes words[20];
        size_t count = between(&random, 1, COUNT_OF(words));
        for (size_t j = 0; j < count; j++) {
            size_t len = between(&random, 0, one_in(&random, 3) ? sizeof(data) : 5);
            words[j] = (bytes){data + random_below(&random, sizeof(data) - len + 1), len};
        }
        struct input *input = NULL;
        assert_true(input_append_request(&input, words, count));
        assert_int_equal(parse_on(input, &input->args), RESP_REQUEST);
        assert_int_equal(input->state.position, input->len);
        assert_int_equal(input->args.count, count);
        for (size_t j = 0; j < count; j++)
            assert_true(bytes_equal(input->args.items[j], words[j]));
        input_free(&input);
    }
}

/* A connection must not hold the memory of its largest request until it closes. */
static void a_large_request_leaves_no_large_block_behind(void **state)
{
    enum { large = 8 * 1024 * 1024 };
    struct input *input = NULL;
    assert_true(input_reserve(&input, large));
    memset(input->data, 'x', large);
    input->len = large;
    assert_true(input_append(&input, BYTES("*2\r\n$4\r\nECHO\r\n$2\r\nh")));
    struct resp_args args = {0};
    struct resp_state next = {0};
    char error[RESP_ERROR_SIZE];
    assert_int_equal(resp_parse(&next, input->data + large, input->len - large, &args, &limits, error), RESP_MORE);
    assert_true(input_keep_progress(input, &next, &args, 0, input->data + large));
    input_consume(&input, large);
    assert_true(input->capacity < large / 8);
    check_words(&input->args, 1, (const char *const[]){"ECHO"});
    assert_true(input_append(&input, BYTES("i\r\n")));
    assert_int_equal(parse_on(input, &input->args), RESP_REQUEST);
    check_words(&input->args, 2, (const char *const[]){"ECHO", "hi"});
    resp_args_free(&args);
    input_free(&input);
}

/* The limit on a client's input is about what it sent, not about how the block happened to grow. */
static void bytes_and_arguments_count_but_not_the_room_for_more(void **state)
{
    struct input *input = NULL;
    assert_true(input_reserve(&input, 100000));
    assert_int_equal(input_bytes(input), 0);
    assert_true(input_append(&input, BYTES("x")));
    assert_int_equal(input_bytes(input), 1);
    for (int i = 0; i < 1000; i++)
        assert_true(resp_args_add(&input->args, (bytes){input->data, 1}));
    assert_int_equal(input_bytes(input), 1 + 1000 * sizeof(bytes));
    input_free(&input);
}

static void without_memory_the_input_stays_as_it_was(void **state)
{
    struct input *input = NULL;
    mem_fail_after(0);
    assert_false(input_append(&input, BYTES("x")));
    assert_null(input);
    mem_fail_after(-1);
    assert_true(input_append(&input, BYTES("*1\r\n")));
    assert_int_equal(parse_on(input, &input->args), RESP_MORE);
    size_t room = input->capacity - input->len + 1;
    mem_fail_after(0);
    assert_false(input_reserve(&input, room));
    mem_fail_after(-1);
    assert_memory_equal(input->data, "*1\r\n", 4);
    assert_int_equal(input->len, 4);
    assert_true(input->state.has_count);
    input_free(&input);

    bytes words[] = {BYTES("SET"), BYTES("key"), BYTES("a value that does not fit into the first block")};
    assert_true(input_append_request(&input, words, COUNT_OF(words)));
    size_t whole = input->len;
    input_free(&input);
    bool is_done = false;
    for (long allowed = 0; !is_done; allowed++) {
        mem_fail_after(allowed);
        is_done = input_append_request(&input, words, COUNT_OF(words));
        mem_fail_after(-1);
        assert_int_equal(is_done, input != NULL && input->len == whole);
        input_free(&input);
    }
}

/* A stream of numbered requests in random pieces, kept, parsed and consumed as a connection in memory does. */
static void random_pieces_lose_and_reorder_nothing(void **state)
{
    struct random random = property_start(__func__);
    for (int round = 0; round < 50; round++) {
        struct input *stream = NULL;
        size_t requests = between(&random, 1, 60);
        for (size_t i = 0; i < requests; i++) {
            char number[16];
            int len = snprintf(number, sizeof(number), "%zu", i);
            char *filler = calloc(1, 40000);
            assert_non_null(filler);
            size_t filler_len = one_in(&random, 8) ? between(&random, 10000, 40000) : between(&random, 0, 60);
            bytes words[] = {{number, (size_t)len}, {filler, filler_len}};
            assert_true(input_append_request(&stream, words, COUNT_OF(words)));
            free(filler);
        }
        struct input *input = NULL;
        size_t found = 0;
        for (size_t at = 0; at < stream->len;) {
            size_t len = between(&random, 1, one_in(&random, 3) ? 20000 : 50);
            len = len < stream->len - at ? len : stream->len - at;
            assert_true(input_append(&input, (bytes){stream->data + at, len}));
            at += len;
            size_t consumed = 0;
            for (;;) {
                char error[RESP_ERROR_SIZE];
                enum resp_status status = resp_parse(&input->state, input->data + consumed, input->len - consumed,
                                                     &input->args, &limits, error);
                if (status != RESP_REQUEST) {
                    assert_int_equal(status, RESP_MORE);
                    break;
                }
                char number[16];
                snprintf(number, sizeof(number), "%zu", found++);
                assert_true(bytes_equal(input->args.items[0], bytes_of(number)));
                consumed += input->state.position;
                input->args.count = 0;
                input->state = (struct resp_state){0};
            }
            resp_args_rebase(&input->args, input->data + consumed, input->data);
            input_consume(&input, consumed);
        }
        assert_null(input);
        assert_int_equal(found, requests);
        input_free(&stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_exists_from_the_first_byte_to_the_last),
        cmocka_unit_test(room_is_there_after_it_was_reserved),
        cmocka_unit_test(what_was_parsed_survives_every_growth),
        cmocka_unit_test(progress_kept_from_another_block_goes_on),
        cmocka_unit_test(progress_belongs_to_what_is_left_after_consuming),
        cmocka_unit_test(an_appended_request_is_parsed_as_it_was_given),
        cmocka_unit_test(a_large_request_leaves_no_large_block_behind),
        cmocka_unit_test(bytes_and_arguments_count_but_not_the_room_for_more),
        cmocka_unit_test(without_memory_the_input_stays_as_it_was),
        cmocka_unit_test(random_pieces_lose_and_reorder_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

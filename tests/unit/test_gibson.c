/* Gibson frames: requests however they were cut on their way, and what becomes of a list that cannot be completed. */
#include "embedding.h"

#include "engine/engine.h"
#include "protocol/gibson.h"

#include <sys/mman.h>

static const struct gibson_limits limits = {.max_request = 64, .max_key = 8, .max_value = 16};

enum { STREAMS = 2000, PAYLOAD_MAX = 40 };

/* A frame with a payload of a few letters, blanks and zeros: mostly one that can be parsed. */
static size_t write_frame(struct random *random, char *frame)
{
    static const char letters[] = {'a', 'b', '1', ' ', ' ', '\0'};
    size_t len = between(random, 0, PAYLOAD_MAX);
    memset(frame, 0, GIBSON_SIZE_BYTES + GIBSON_OPCODE_BYTES);
    frame[0] = (char)(GIBSON_OPCODE_BYTES + len);
    frame[GIBSON_SIZE_BYTES] = (char)between(random, 1, 21);
    for (size_t i = 0; i < len; i++)
        frame[GIBSON_SIZE_BYTES + GIBSON_OPCODE_BYTES + i] = letters[between(random, 0, sizeof(letters) - 1)];
    return GIBSON_SIZE_BYTES + GIBSON_OPCODE_BYTES + len;
}

/* Parses what of a frame has arrived, in a block of exactly that size. */
static enum resp_status parse_part(const char *frame, size_t len, struct resp_args *args, size_t *frame_len)
{
    char *part = malloc(len > 0 ? len : 1);
    assert_non_null(part);
    memcpy(part, frame, len);
    enum resp_status status = gibson_parse(part, len, args, &limits, frame_len);
    if (status == RESP_MORE) {
        assert_true(gibson_needed(part, len) > len);
        assert_int_equal(args->count, 0);
    }
    free(part);
    return status;
}

static void a_frame_is_a_request_when_its_last_byte_has_come(void **state)
{
    struct random random = property_start(__func__);
    char frame[GIBSON_SIZE_BYTES + GIBSON_OPCODE_BYTES + PAYLOAD_MAX];
    for (int i = 0; i < STREAMS; i++) {
        struct resp_args args = {0};
        size_t frame_len;
        size_t len = write_frame(&random, frame);
        for (size_t arrived = 0; arrived < len; arrived++) {
            assert_int_equal(parse_part(frame, arrived, &args, &frame_len), RESP_MORE);
            assert_true(gibson_needed(frame, arrived) <= len);
        }
        assert_int_equal(gibson_parse(frame, len, &args, &limits, &frame_len), RESP_REQUEST);
        assert_int_equal(frame_len, len);
        assert_true(args.count >= 2 && args.count <= GIBSON_ARGS_MAX);
        resp_args_free(&args);
    }
}

/* Memory for a value can run out when the list has begun; the client must not take the error for a part of it. */
static void an_error_within_a_list_costs_the_client_its_connection(void **state)
{
    const struct reply_encoder *encoder = gibson_encoders[2];
    struct out_pool pool = {0};
    struct out out;
    out_init(&out, &pool);
    struct out_chunk *begun = encoder->begin(&out);
    encoder->bulk(&out, BYTES("key"));
    assert_false(out.failed);
    encoder->error(&out, BYTES("OOM out of memory"));
    encoder->end_map(&out, begun, 1);
    assert_true(out.failed);
    out_clear(&out);
    encoder->error(&out, BYTES("OOM out of memory"));
    assert_false(out.failed);
    assert_int_equal(out_pending(&out), 8);
    out_clear(&out);
    out_pool_free(&pool);
}

/* Both protocols can be configured to let more pass than that; the pages are never touched, so they cost nothing. */
static void a_value_beyond_what_an_entry_takes_is_refused(void **state)
{
    const size_t len = (size_t)KS_VALUE_MAX + 1;
    const char *text = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    char *value = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(value != MAP_FAILED);
    larder *engine = open_configured("proto-max-bulk-len 1gb");
    larder_session *session = open_session(engine);
    assert_status(session, "OK", "SET", "key", "small");
    const char *const set[] = {"GIBSON", "SET", "0", "key", value};
    const char *const mset[] = {"GIBSON", "MSET", "k", value};
    const char *const prefix_set[] = {"PREFIX", "SET", "k", value};
    check_reply(larder_command_argv(session, 5, set, (size_t[]){6, 3, 1, 3, len}), LARDER_ERROR, text, 0, __FILE__,
                __LINE__);
    check_reply(larder_command_argv(session, 4, mset, (size_t[]){6, 4, 1, len}), LARDER_ERROR, text, 0, __FILE__,
                __LINE__);
    check_reply(larder_command_argv(session, 4, prefix_set, (size_t[]){6, 3, 1, len}), LARDER_ERROR, text, 0, __FILE__,
                __LINE__);
    assert_string(session, "small", "GET", "key");
    larder_session_close(session);
    larder_close(engine);
    munmap(value, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_a_request_when_its_last_byte_has_come),
        cmocka_unit_test(an_error_within_a_list_costs_the_client_its_connection),
        cmocka_unit_test(a_value_beyond_what_an_entry_takes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

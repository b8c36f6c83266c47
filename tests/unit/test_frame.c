/* Frames: one encoding for receivers of both protocol versions, long payloads shared, and nothing leaked when memory
 * runs out. */
#include "property.h"

#include "base/mem.h"
#include "engine/frame.h"
#include "protocol/resp.h"

/* What the frame reads as in this version, in memory of the test's own. */
static bytes text_of(struct frame frame, int protocol, size_t *blobs)
{
    struct out_pool pool = {0};
    struct out out;
    out_init(&out, &pool);
    frame_append(frame, protocol, &out);
    assert_false(out.failed);
    size_t len = out_pending(&out);
    char *text = test_malloc(len + 1);
    size_t at = 0;
    *blobs = 0;
    struct iovec vector[16];
    int count = out_vector(&out, vector, 16);
    for (int i = 0; i < count; i++) {
        memcpy(text + at, vector[i].iov_base, vector[i].iov_len);
        at += vector[i].iov_len;
    }
    for (const struct out_chunk *chunk = out.head; chunk != NULL; chunk = chunk->next)
        *blobs += chunk->blob != NULL;
    assert_int_equal(at, len);
    out_clear(&out);
    out_pool_free(&pool);
    return (bytes){text, len};
}

static void check_text(struct frame frame, int protocol, const char *expected)
{
    size_t blobs;
    assert_non_null(frame.text);
    bytes text = text_of(frame, protocol, &blobs);
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.at, expected, text.len);
    test_free((char *)text.at);
}

/* And gives the frame back. */
static void check_frame(struct frame frame, const char *resp2, const char *resp3)
{
    check_text(frame, 2, resp2);
    check_text(frame, 3, resp3);
    frame_drop(frame);
}

static void a_message_is_an_array_in_resp2_and_a_push_in_resp3(void **state)
{
    (void)state;
    const bytes words[] = {BYTES("pmessage"), BYTES("a*"), BYTES("")};
    check_frame(frame_message(resp_encoders, words, 3, BYTES("hi\r\n"), NULL),
                "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$0\r\n\r\n$4\r\nhi\r\n\r\n",
                ">4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$0\r\n\r\n$4\r\nhi\r\n\r\n");
    check_frame(frame_message(resp_encoders, words, 1, BYTES(""), NULL), "*2\r\n$8\r\npmessage\r\n$0\r\n\r\n",
                ">2\r\n$8\r\npmessage\r\n$0\r\n\r\n");
}

static void each_kind_of_frame_reads_as_redis_writes_it(void **state)
{
    (void)state;
    const bytes keys[] = {BYTES("k1"), BYTES("")};
    check_frame(frame_line(resp_encoders, BYTES("1.5 [0 lua] \"GET\"")), "+1.5 [0 lua] \"GET\"\r\n",
                "+1.5 [0 lua] \"GET\"\r\n");
    check_frame(frame_invalidation(resp_encoders, keys, 2),
                "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*2\r\n$2\r\nk1\r\n$0\r\n\r\n",
                ">2\r\n$10\r\ninvalidate\r\n*2\r\n$2\r\nk1\r\n$0\r\n\r\n");
    check_frame(frame_invalidation(resp_encoders, NULL, 0),
                "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n", ">2\r\n$10\r\ninvalidate\r\n_\r\n");
    check_frame(frame_redirect_broken(resp_encoders, 42), "*2\r\n$21\r\ntracking-redir-broken\r\n:42\r\n",
                ">2\r\n$21\r\ntracking-redir-broken\r\n:42\r\n");
}

static void a_long_payload_is_shared_by_all_who_send_it(void **state)
{
    (void)state;
    enum { LEN = 100 * 1024 };
    struct blob *payload = blob_new(LEN);
    assert_non_null(payload);
    payload->len = LEN;
    memset(payload->data, 'x', LEN);
    const bytes words[] = {BYTES("message"), BYTES("news")};
    struct frame one = frame_message(resp_encoders, words, 2, (bytes){0}, payload);
    struct frame other = frame_message(resp_encoders, words, 1, (bytes){0}, payload);
    assert_non_null(one.text);
    assert_ptr_equal(one.payload, payload);
    assert_ptr_equal(other.payload, payload);
    assert_true(one.text->capacity < 512);
    for (int protocol = 2; protocol <= 3; protocol++) {
        static const char head[] = "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$102400\r\n";
        size_t blobs;
        bytes text = text_of(one, protocol, &blobs);
        assert_int_equal(blobs, 4); /* nothing was copied */
        assert_int_equal(text.len, sizeof(head) - 1 + LEN + 2);
        assert_int_equal(text.at[0], protocol == 2 ? '*' : '>');
        assert_memory_equal(text.at + 1, head + 1, sizeof(head) - 2);
        assert_memory_equal(text.at + sizeof(head) - 1, payload->data, LEN);
        assert_memory_equal(text.at + sizeof(head) - 1 + LEN, "\r\n", 2);
        test_free((char *)text.at);
    }
    assert_int_equal(frame_bytes(one), one.text->len + LEN);
    frame_drop(one);
    frame_drop(other);
    assert_true(blob_is_sole(payload));
    blob_drop(payload);
}

static void a_long_name_is_not_copied_either(void **state)
{
    (void)state;
    enum { LEN = REPLY_BLOB_MIN };
    char *name = test_malloc(LEN);
    memset(name, 'n', LEN);
    const bytes words[] = {BYTES("message"), {name, LEN}};
    struct frame frame = frame_message(resp_encoders, words, 2, BYTES("x"), NULL);
    assert_non_null(frame.text);
    size_t blobs;
    bytes text = text_of(frame, 2, &blobs);
    assert_int_equal(blobs, 2);
    assert_memory_equal(text.at + text.len - 7, "$1\r\nx\r\n", 7);
    test_free((char *)text.at);
    test_free(name);
    frame_drop(frame);
}

static void without_memory_there_is_no_frame(void **state)
{
    (void)state;
    struct blob *payload = blob_of((bytes){NULL, 0});
    assert_non_null(payload);
    payload->len = payload->capacity;
    const bytes words[] = {BYTES("message"), BYTES("news")};
    bool is_made = false;
    for (long allowed = 0; !is_made; allowed++) {
        assert_true(allowed < 10);
        mem_fail_after(allowed);
        struct frame frame = frame_message(resp_encoders, words, 2, (bytes){0}, payload);
        mem_fail_after(-1);
        is_made = frame.text != NULL;
        if (!is_made)
            assert_null(frame.payload);
        frame_drop(frame);
    }
    assert_true(blob_is_sole(payload));
    blob_drop(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_an_array_in_resp2_and_a_push_in_resp3),
        cmocka_unit_test(each_kind_of_frame_reads_as_redis_writes_it),
        cmocka_unit_test(a_long_payload_is_shared_by_all_who_send_it),
        cmocka_unit_test(a_long_name_is_not_copied_either),
        cmocka_unit_test(without_memory_there_is_no_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Fuzzes Gibson's protocol from the frames to the replies, on an engine of its own with a frozen clock: the input is a
   stream of frames, of which the first byte says how far the clock moves between two. What the parser sees lies in a
   block of exactly the size that has arrived. Every request, written as a frame again, is read as the same request;
   every reply is well-formed; and the keyspace keeps its invariants. */
#include "base/mem.h"
#include "engine/call.h"
#include "larder.h"
#include "protocol/protocol.h"

#include <stdlib.h>

enum { MAX_INPUT = 8 * 1024, CODES = 8, HEADER = 7, STEP_US = 100 * 1000 };

static void must(bool is_right)
{
    if (!is_right)
        abort();
}

/* ---- Requests ---- */

/* The same words come of the frame that they are written as, however they were cut when they came. */
static void check_round_trip(const struct resp_args *args)
{
    static const struct gibson_limits no_limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    struct resp_args again = {0};
    size_t size = gibson_frame(args->items, args->count, NULL), frame_len;
    char *frame = malloc(size);
    must(frame != NULL && gibson_frame(args->items, args->count, frame) == size);
    must(gibson_needed(frame, size) == size);
    must(gibson_parse(frame, size, &again, &no_limits, &frame_len) == RESP_REQUEST && frame_len == size);
    must(again.count == args->count);
    for (size_t i = 0; i < args->count; i++)
        must(bytes_equal(again.items[i], args->items[i]));
    resp_args_free(&again);
    free(frame);
}

/* ---- Replies ---- */

struct reader {
    const unsigned char *at;
    size_t left;
};

static uint64_t read_number(struct reader *reader, size_t size)
{
    uint64_t value = 0;
    must(reader->left >= size);
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += size;
    reader->left -= size;
    return value;
}

static void skip(struct reader *reader, size_t size)
{
    must(reader->left >= size);
    reader->at += size;
    reader->left -= size;
}

static void check_value(struct reader *reader, uint64_t encoding, size_t size)
{
    must(encoding == 0 || (encoding == 2 && size == 8));
    skip(reader, size);
}

static void check_list(struct reader list)
{
    uint64_t count = read_number(&list, 4);
    must(count > 0);
    for (uint64_t i = 0; i < count; i++) {
        skip(&list, read_number(&list, 4));
        uint64_t encoding = read_number(&list, 1);
        check_value(&list, encoding, read_number(&list, 4));
    }
    must(list.left == 0);
}

static void check_reply(struct reader *reader)
{
    uint64_t code = read_number(reader, 2), encoding = read_number(reader, 1), size = read_number(reader, 4);
    must(code < CODES && size <= reader->left);
    if (code < 6)
        must(encoding == 0 && size == 1 && *reader->at == 0);
    if (code == 7)
        check_list((struct reader){reader->at, size});
    check_value(reader, encoding, size);
}

/* The output is one reply, or nothing where the connection is to end. */
static void check_output(struct session *session)
{
    size_t len = out_pending(&session->out), copied = 0;
    unsigned char *text = malloc(len + 1);
    must(text != NULL && !session->out.failed);
    while (!out_is_empty(&session->out)) {
        struct iovec piece;
        if (out_vector(&session->out, &piece, 1) == 0)
            break;
        memcpy(text + copied, piece.iov_base, piece.iov_len);
        copied += piece.iov_len;
        out_sent(&session->out, piece.iov_len);
    }
    must(copied == len);
    struct reader reader = {text, len};
    if (len > 0)
        check_reply(&reader);
    must(reader.left == 0 && (len > 0 || session->close_after_reply));
    out_clear(&session->out);
    free(text);
}

/* ---- The engine ---- */

static void ignore_interrupt(struct session *session)
{
    (void)session;
}

static const struct transport transport = {.interrupt = ignore_interrupt};

/* Runs the first frame and returns its bytes; *is_over: there is none, or it was the last. */
static size_t run_frame(struct session *session, const char *input, size_t len, bool *is_over)
{
    struct resp_state state = {0};
    struct resp_args args = {0};
    struct request request;
    struct request by_words; /* as it would be found by its words, which the number stands for */
    char error[RESP_ERROR_SIZE];
    struct resp_limits limits = resp_limits_of(session);
    enum resp_status status = protocol_parse(session, &state, (char *)(uintptr_t)input, len, &args, &limits, error);
    if (status == RESP_REQUEST) {
        check_round_trip(&args);
        request_prepare(session->engine, args.items, args.count, state.command, &request);
        request_prepare(session->engine, args.items, args.count, 0, &by_words);
        must(request.command == by_words.command && request.container == by_words.container);
        must(request.number == by_words.number && request.hash == by_words.hash);
        must(request_run(session, &request) == RUN_DONE);
        check_output(session);
    } else {
        must(args.count == 0);
        must(status == RESP_BROKEN || gibson_needed(input, len) > len);
    }
    resp_args_free(&args);
    *is_over = status != RESP_REQUEST || session->close_after_reply;
    return state.position;
}

static void run_stream(struct session *session, const uint8_t *data, size_t size, int64_t step_us)
{
    bool is_over = false;
    while (size > 0 && !is_over) {
        char *block = malloc(size);
        must(block != NULL);
        memcpy(block, data, size);
        executor_tick(session->executor);
        size_t used = run_frame(session, block, size, &is_over);
        free(block);
        data += used;
        size -= used;
        larder_advance(session->engine, step_us);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char config[] = "maxmemory 4mb\ngibson-max-key-size 8\ngibson-max-value-size 200\n"
                                 "gibson-compression 40\ngibson-max-response-size 2kb\ngibson-max-request-size 4kb\n";
    struct executor executor;
    struct session session;
    struct out_pool pool = {0};
    if (size < 1 || size > MAX_INPUT)
        return 0;
    larder *engine = larder_open(&(larder_options){.threads = 2, .config = config}, NULL, 0);
    must(engine != NULL);
    larder_freeze(engine);
    gibson_open(engine);
    memset(&session, 0, sizeof(session));
    must(executor_init(&executor, engine));
    session_open(&session, engine, &transport, gibson_encoders, &pool);
    session.executor = &executor;
    session_register(&session);
    run_stream(&session, data + 1, size - 1, (int64_t)data[0] * STEP_US);
    executor_settle(&executor);
    session_close(&session);
    executor_free(&executor);
    out_pool_free(&pool);
    larder_upkeep(engine);
    ks_check(&engine->keyspace);
    larder_close(engine);
    return 0;
}

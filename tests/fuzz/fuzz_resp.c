/* Fuzzes the request parser: the input is parsed once in one piece and once in pieces of the sizes that its first bytes
   say. Both must find the same requests and end in the same way; nothing may be read outside the input. */
#include "base/mem.h"
#include "protocol/resp.h"

#include <stdlib.h>

enum { MAX_INPUT = 64 * 1024 };

/* What a parse found: the arguments of all requests after each other, with a mark behind each request. */
struct found {
    char *text;
    size_t len;
    size_t capacity;
    enum resp_status end;
};

static void note(struct found *found, const void *at, size_t len)
{
    if (found->len + len > found->capacity) {
        found->capacity = 2 * (found->len + len);
        found->text = realloc(found->text, found->capacity);
        if (found->text == NULL)
            abort();
    }
    if (len > 0)
        memcpy(found->text + found->len, at, len);
    found->len += len;
}

static void note_request(struct found *found, const struct resp_args *args)
{
    for (size_t i = 0; i < args->count; i++) {
        note(found, &args->items[i].len, sizeof(args->items[i].len));
        note(found, args->items[i].at, args->items[i].len);
    }
    note(found, "|", 1);
}

/* Parses `len` bytes, letting the parser see `step` more of them each time. The input lies in a block of exactly its size. */
static struct found parse_in_steps(const uint8_t *data, size_t len, size_t step, bool is_unauthenticated)
{
    struct found found = {.end = RESP_MORE};
    struct resp_limits limits = {.max_bulk_len = MAX_INPUT, .is_unauthenticated = is_unauthenticated};
    struct resp_state state = {0};
    struct resp_args args = {0};
    char *input = malloc(len > 0 ? len : 1);
    if (input == NULL)
        abort();
    if (len > 0)
        memcpy(input, data, len);
    size_t start = 0;
    size_t seen = step < len ? step : len;
    for (;;) {
        char error[RESP_ERROR_SIZE];
        enum resp_status status = resp_parse(&state, input + start, seen - start, &args, &limits, error);
        if (status == RESP_MORE) {
            if (resp_needed(&state, seen - start) <= seen - start)
                abort();
            if (seen == len)
                break;
            seen = seen + step < len ? seen + step : len;
            continue;
        }
        found.end = status;
        if (status == RESP_BROKEN || status == RESP_NO_MEMORY)
            break;
        if (status == RESP_REQUEST)
            note_request(&found, &args);
        start += state.position;
        args.count = 0;
        state = (struct resp_state){0};
    }
    resp_args_free(&args);
    free(input);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2 || len > MAX_INPUT)
        return 0;
    size_t step = 1 + data[0];
    bool is_unauthenticated = data[1] & 1;
    struct found whole = parse_in_steps(data + 2, len - 2, len, is_unauthenticated);
    struct found pieces = parse_in_steps(data + 2, len - 2, step, is_unauthenticated);
    if (whole.end != pieces.end || whole.len != pieces.len || (whole.len > 0 && memcmp(whole.text, pieces.text, whole.len) != 0))
        abort();
    free(whole.text);
    free(pieces.text);
    return 0;
}

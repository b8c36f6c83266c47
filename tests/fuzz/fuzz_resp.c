/* Fuzzes the request parser: the input is parsed once in one piece and once in pieces of the sizes that its first bytes
   say. Both must find the same requests and end in the same way. What the parser sees lies in a block of exactly the
   size that has arrived, so that it is noticed when it reads further. */
#include "base/mem.h"
#include "protocol/resp.h"

#include <stdlib.h>

enum { MAX_INPUT = 8 * 1024, STEPS = 3, HEADER = STEPS + 1 };

/* What a parse found: the arguments of all requests after each other, with a mark behind each request. */
struct found {
    char *text;
    size_t len;
    size_t capacity;
    enum resp_status end;
    char error[RESP_ERROR_SIZE];
};

static void *must_have(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void note(struct found *found, const void *at, size_t len)
{
    if (found->len + len > found->capacity) {
        found->capacity = 2 * (found->len + len);
        found->text = must_have(realloc(found->text, found->capacity));
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

/* What has arrived and is not done with. */
struct arrived {
    char *input;
    size_t len;
    struct resp_state state;
    struct resp_args args;
};

/* Drops `done` bytes and adds a piece: all of it moves to another block. */
static void move(struct arrived *arrived, size_t done, const uint8_t *piece, size_t piece_len)
{
    size_t kept = arrived->len - done;
    const char *from = done > 0 ? arrived->input + done : arrived->input; /* NULL in the beginning */
    char *moved = must_have(malloc(kept + piece_len > 0 ? kept + piece_len : 1));
    if (kept > 0)
        memcpy(moved, from, kept);
    if (piece_len > 0)
        memcpy(moved + kept, piece, piece_len);
    resp_args_rebase(&arrived->args, from, moved);
    free(arrived->input);
    arrived->input = moved;
    arrived->len = kept + piece_len;
}

/* Parses what is there; false when that was the end. */
static bool parse_arrived(struct arrived *arrived, const struct resp_limits *limits, struct found *found)
{
    for (;;) {
        found->end = resp_parse(&arrived->state, arrived->input, arrived->len, &arrived->args, limits, found->error);
        switch (found->end) {
        case RESP_MORE:
            if (resp_needed(&arrived->state, arrived->len) <= arrived->len)
                abort();
            return true;
        case RESP_REQUEST:
            note_request(found, &arrived->args);
            break;
        case RESP_NOTHING:
            break;
        case RESP_BROKEN:
        case RESP_NO_MEMORY:
            return false;
        }
        if (arrived->state.position == 0 || arrived->state.position > arrived->len)
            abort();
        arrived->args.count = 0;
        move(arrived, arrived->state.position, NULL, 0);
        arrived->state = (struct resp_state){0};
    }
}

/* Lets the input arrive in pieces of these sizes, over and over. */
static struct found parse_in_pieces(const uint8_t *data, size_t len, const size_t sizes[STEPS], bool is_unauthenticated)
{
    struct found found = {.end = RESP_MORE};
    struct resp_limits limits = {.max_bulk_len = MAX_INPUT, .is_unauthenticated = is_unauthenticated};
    struct arrived arrived = {0};
    size_t seen = 0;
    for (size_t i = 0; seen < len; i++) {
        size_t size = sizes[i % STEPS] < len - seen ? sizes[i % STEPS] : len - seen;
        move(&arrived, 0, data + seen, size);
        seen += size;
        if (!parse_arrived(&arrived, &limits, &found))
            break;
    }
    resp_args_free(&arrived.args);
    free(arrived.input);
    return found;
}

static void must_be_equal(const struct found *a, const struct found *b)
{
    if (a->end != b->end || a->len != b->len || (a->len > 0 && memcmp(a->text, b->text, a->len) != 0))
        abort();
    if (a->end == RESP_BROKEN && strcmp(a->error, b->error) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < HEADER || len > MAX_INPUT)
        return 0;
    const size_t all[STEPS] = {len, len, len};
    size_t sizes[STEPS];
    for (size_t i = 0; i < STEPS; i++)
        sizes[i] = 1 + (size_t)data[i];
    bool is_unauthenticated = data[STEPS] & 1;
    struct found whole = parse_in_pieces(data + HEADER, len - HEADER, all, is_unauthenticated);
    struct found pieces = parse_in_pieces(data + HEADER, len - HEADER, sizes, is_unauthenticated);
    must_be_equal(&whole, &pieces);
    free(whole.text);
    free(pieces.text);
    return 0;
}

/* Requests in RESP: arrays of bulk strings, and inline commands; see resp.h. The limits and the texts of errors are
   Redis's; so is its leniency: the byte after a CR, and the two bytes after an argument, are skipped unseen. */
#include "protocol/resp.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/split.h"

#include <stdio.h>

void resp_args_free(struct resp_args *args)
{
    mem_free(args->items);
    *args = (struct resp_args){0};
}

void resp_args_rebase(struct resp_args *args, const char *from, const char *to)
{
    for (size_t i = 0; i < args->count; i++)
        args->items[i].at = to + (args->items[i].at - from);
}

bool resp_args_grow(struct resp_args *args)
{
    size_t capacity = args->capacity == 0 ? 16 : 2 * args->capacity;
    bytes *items = mem_realloc(args->items, capacity * sizeof(*items));
    if (items == NULL)
        return false;
    args->items = items;
    args->capacity = capacity;
    return true;
}

bool resp_args_move(struct resp_args *to, struct resp_args *from, size_t first)
{
    for (size_t i = first; i < from->count; i++)
        if (!resp_args_add(to, from->items[i]))
            return false;
    from->count = first;
    return true;
}

static enum resp_status broken(char error[RESP_ERROR_SIZE], const char *text)
{
    snprintf(error, RESP_ERROR_SIZE, "%s", text);
    return RESP_BROKEN;
}

/* Finds the end of the line that begins at the state's position. RESP_REQUEST: found, `line` excludes the terminator.
 */
static enum resp_status find_line(struct resp_state *state, const char *input, size_t len, char end, bytes *line,
                                  const char *too_long, char error[RESP_ERROR_SIZE])
{
    const char *start = input + state->position;
    size_t have = len - state->position;
    const char *found = have > state->scanned ? memchr(start + state->scanned, end, have - state->scanned) : NULL;
    if (found == NULL) {
        state->scanned = have;
        return have > RESP_LINE_MAX ? broken(error, too_long) : RESP_MORE;
    }
    *line = (bytes){start, (size_t)(found - start)};
    if (end == '\r' && line->len + 2 > have)
        return RESP_MORE; /* the line feed is still to come */
    return RESP_REQUEST;
}

/* Writes the words of a line over the line itself, which is never shorter than they are, and adds them as arguments. */
static bool keep_words(const struct split *split, char *line, struct resp_args *args)
{
    for (size_t i = 0; i < split->count; i++) {
        bytes word = split->words[i];
        if (word.len > 0)
            memcpy(line, word.at, word.len);
        if (!resp_args_add(args, (bytes){line, word.len}))
            return false;
        line += word.len;
    }
    return true;
}

static enum resp_status parse_inline(struct resp_state *state, char *input, size_t len, struct resp_args *args,
                                     char error[RESP_ERROR_SIZE])
{
    bytes line;
    enum resp_status status = find_line(state, input, len, '\n', &line, "too big inline request", error);
    if (status != RESP_REQUEST)
        return status;
    char *start = input + state->position;
    size_t line_len = line.len;
    state->position += line.len + 1;
    if (line_len > 0 && start[line_len - 1] == '\r')
        line_len--;
    struct split split;
    switch (split_line((bytes){start, line_len}, &split)) {
    case SPLIT_UNBALANCED_QUOTES:
        return broken(error, "unbalanced quotes in request");
    case SPLIT_OUT_OF_MEMORY:
        return RESP_NO_MEMORY;
    case SPLIT_OK:
        break;
    }
    bool has_words = split.count > 0;
    bool is_kept = keep_words(&split, start, args);
    split_free(&split);
    if (!is_kept)
        return RESP_NO_MEMORY;
    return has_words ? RESP_REQUEST : RESP_NOTHING;
}

static enum resp_status parse_count(struct resp_state *state, char *input, size_t len, const struct resp_limits *limits,
                                    char error[RESP_ERROR_SIZE])
{
    bytes line;
    enum resp_status status = find_line(state, input, len, '\r', &line, "too big mbulk count string", error);
    if (status != RESP_REQUEST)
        return status;
    int64_t count;
    if (!num_parse_int64((bytes){line.at + 1, line.len - 1}, &count) || count > INT32_MAX)
        return broken(error, "invalid multibulk length");
    if (limits->is_unauthenticated && count > RESP_UNAUTHENTICATED_ARGS)
        return broken(error, "unauthenticated multibulk length");
    state->position += line.len + 2;
    state->scanned = 0;
    state->args_left = count;
    state->has_count = true;
    return count <= 0 ? RESP_NOTHING : RESP_REQUEST;
}

static enum resp_status parse_bulk_len(struct resp_state *state, char *input, size_t len,
                                       const struct resp_limits *limits, char error[RESP_ERROR_SIZE])
{
    bytes line;
    enum resp_status status = find_line(state, input, len, '\r', &line, "too big bulk count string", error);
    if (status != RESP_REQUEST)
        return status;
    if (line.at[0] != '$') {
        char got = line.at[0] == '\n' || line.at[0] == '\r' ? ' ' : line.at[0]; /* an error is one line */
        snprintf(error, RESP_ERROR_SIZE, "expected '$', got '%c'", got);
        return RESP_BROKEN;
    }
    int64_t bulk_len;
    if (!num_parse_int64((bytes){line.at + 1, line.len - 1}, &bulk_len) || bulk_len < 0 ||
        bulk_len > limits->max_bulk_len)
        return broken(error, "invalid bulk length");
    if (limits->is_unauthenticated && bulk_len > RESP_UNAUTHENTICATED_BULK)
        return broken(error, "unauthenticated bulk length");
    state->position += line.len + 2;
    state->scanned = 0;
    state->bulk_len = bulk_len;
    state->has_bulk_len = true;
    return RESP_REQUEST;
}

/* The usual argument, "$<up to 9 digits>\r\n<data>\r\n" and all of it there: its end, or NULL to parse it step by step.
 */
static char *parse_whole_argument(char *at, const char *end, int64_t max_len, bytes *argument)
{
    if (end - at < 6 || at[0] != '$' || at[1] < '0' || at[1] > '9' || (at[1] == '0' && at[2] != '\r'))
        return NULL;
    int64_t len = at[1] - '0';
    char *digit = at + 2;
    for (; digit < end && *digit >= '0' && *digit <= '9' && digit < at + 10; digit++)
        len = len * 10 + (*digit - '0');
    if (end - digit < len + 4 || digit[0] != '\r' || len > max_len)
        return NULL;
    *argument = (bytes){digit + 2, (size_t)len};
    return digit + 2 + len + 2;
}

static enum resp_status parse_arguments(struct resp_state *state, char *input, size_t len, struct resp_args *args,
                                        const struct resp_limits *limits, char error[RESP_ERROR_SIZE])
{
    int64_t max_len = limits->is_unauthenticated ? RESP_UNAUTHENTICATED_BULK : limits->max_bulk_len;
    while (state->args_left > 0) {
        bytes argument;
        char *next = state->has_bulk_len || state->scanned > 0
                         ? NULL
                         : parse_whole_argument(input + state->position, input + len, max_len, &argument);
        if (unlikely(next == NULL)) {
            if (!state->has_bulk_len) {
                enum resp_status status = parse_bulk_len(state, input, len, limits, error);
                if (status != RESP_REQUEST)
                    return status;
            }
            size_t size = (size_t)state->bulk_len + 2;
            if (len - state->position < size)
                return RESP_MORE;
            argument = (bytes){input + state->position, (size_t)state->bulk_len};
            next = input + state->position + size;
        }
        if (!resp_args_add(args, argument))
            return RESP_NO_MEMORY;
        state->position = (size_t)(next - input);
        state->has_bulk_len = false;
        state->args_left--;
    }
    return RESP_REQUEST;
}

enum resp_status resp_parse(struct resp_state *state, char *input, size_t len, struct resp_args *args,
                            const struct resp_limits *limits, char error[RESP_ERROR_SIZE])
{
    if (len == 0)
        return RESP_MORE;
    if (input[0] != '*')
        return parse_inline(state, input, len, args, error);
    if (!state->has_count) {
        enum resp_status status = parse_count(state, input, len, limits, error);
        if (status != RESP_REQUEST)
            return status;
    }
    return parse_arguments(state, input, len, args, limits, error);
}

size_t resp_needed(const struct resp_state *state, size_t len)
{
    return state->has_bulk_len ? state->position + (size_t)state->bulk_len + 2 : len + 1;
}

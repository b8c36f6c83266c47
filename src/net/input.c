/* Input that waits; see input.h. */
#include "net/input.h"

#include "base/mem.h"
#include "base/num.h"

enum { KEPT_CAPACITY = 64 * 1024 }; /* bytes; a larger block that is almost empty is exchanged for a small one */

void input_free(struct input **input)
{
    if (*input == NULL)
        return;
    resp_args_free(&(*input)->args);
    mem_free(*input);
    *input = NULL;
}

/* Moves the input, if there is one, to a block with room for `capacity` bytes in all. */
static bool move(struct input **input, size_t capacity)
{
    struct input *old = *input;
    struct input *moved = mem_alloc(sizeof(*moved) + capacity);
    if (moved == NULL)
        return false;
    if (old == NULL) {
        *moved = (struct input){0};
    } else {
        memcpy(moved, old, sizeof(*old) + old->len);
        resp_args_rebase(&moved->args, old->data, moved->data);
        mem_free(old);
    }
    moved->capacity = mem_size(moved) - sizeof(*moved);
    *input = moved;
    return true;
}

bool input_reserve(struct input **input, size_t room)
{
    const struct input *old = *input;
    size_t len = old != NULL ? old->len : 0;
    if (old != NULL && old->capacity - len >= room)
        return true;
    return move(input, len + room > 2 * len ? len + room : 2 * len);
}

bool input_append(struct input **input, bytes data)
{
    if (!input_reserve(input, data.len))
        return false;
    if (data.len > 0)
        memcpy((*input)->data + (*input)->len, data.at, data.len);
    (*input)->len += data.len;
    return true;
}

static bool append_header(struct input **input, char type, size_t number)
{
    char header[1 + NUM_INTEGER_SIZE + 2];
    header[0] = type;
    size_t len = 1 + num_format_uint64(header + 1, number);
    header[len++] = '\r';
    header[len++] = '\n';
    return input_append(input, (bytes){header, len});
}

bool input_append_request(struct input **input, const bytes *argv, size_t argc)
{
    bool is_done = append_header(input, '*', argc);
    for (size_t i = 0; i < argc && is_done; i++)
        is_done = append_header(input, '$', argv[i].len) && input_append(input, argv[i]) &&
                  input_append(input, BYTES("\r\n"));
    return is_done;
}

bool input_append_frame(struct input **input, const bytes *argv, size_t argc)
{
    size_t size = gibson_frame(argv, argc, NULL);
    if (!input_reserve(input, size))
        return false;
    gibson_frame(argv, argc, (*input)->data + (*input)->len);
    (*input)->len += size;
    return true;
}

bool input_keep_progress(struct input *input, const struct resp_state *state, struct resp_args *args, size_t first,
                         const char *start)
{
    assert(input->args.count == 0);
    if (!resp_args_move(&input->args, args, first))
        return false;
    resp_args_rebase(&input->args, start, input->data);
    input->state = *state;
    return true;
}

void input_consume(struct input **input, size_t count)
{
    struct input *kept = *input;
    if (count == kept->len) {
        input_free(input);
        return;
    }
    if (count == 0)
        return;
    memmove(kept->data, kept->data + count, kept->len - count);
    kept->len -= count;
    if (kept->capacity > KEPT_CAPACITY && kept->len < kept->capacity / 4) {
        bool is_moved = move(input, kept->len);
        (void)is_moved; /* else the large block stays for now */
    }
}

size_t input_bytes(const struct input *input)
{
    return input == NULL ? 0 : input->len + input->args.count * sizeof(bytes);
}

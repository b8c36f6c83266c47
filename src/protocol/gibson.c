/* Gibson frames; see gibson.h. */
#include "protocol/gibson.h"

#include "base/num.h"

/* ---- Requests ---- */

/* What a payload consists of, in order. */
enum part { PART_END, PART_TOKEN, PART_REST, PART_OPTIONAL /* as REST */ };

enum { OPCODE_END = 255 };

struct operation {
    uint16_t opcode;
    bytes name;
    enum part parts[3];
};

/* By opcode; the last one has a number of its own. */
static const struct operation operations[] = {
    {1, BYTES("set"), {PART_TOKEN, PART_TOKEN, PART_REST}},
    {2, BYTES("ttl"), {PART_TOKEN, PART_REST}},
    {3, BYTES("get"), {PART_TOKEN}},
    {4, BYTES("del"), {PART_TOKEN}},
    {5, BYTES("inc"), {PART_TOKEN}},
    {6, BYTES("dec"), {PART_TOKEN}},
    {7, BYTES("lock"), {PART_TOKEN, PART_REST}},
    {8, BYTES("unlock"), {PART_TOKEN}},
    {9, BYTES("mset"), {PART_TOKEN, PART_REST}},
    {10, BYTES("mttl"), {PART_TOKEN, PART_REST}},
    {11, BYTES("mget"), {PART_TOKEN, PART_OPTIONAL}},
    {12, BYTES("mdel"), {PART_TOKEN}},
    {13, BYTES("minc"), {PART_TOKEN}},
    {14, BYTES("mdec"), {PART_TOKEN}},
    {15, BYTES("mlock"), {PART_TOKEN, PART_REST}},
    {16, BYTES("munlock"), {PART_TOKEN}},
    {17, BYTES("count"), {PART_TOKEN}},
    {18, BYTES("stats"), {PART_END}},
    {19, BYTES("ping"), {PART_END}},
    {20, BYTES("meta"), {PART_TOKEN, PART_REST}},
    {21, BYTES("keys"), {PART_TOKEN}},
    {OPCODE_END, BYTES("end"), {PART_END}},
};

static const struct operation *operation_of_code(uint16_t opcode)
{
    size_t i = opcode == OPCODE_END ? COUNT_OF(operations) - 1 : (size_t)opcode - 1;
    return i < COUNT_OF(operations) && operations[i].opcode == opcode ? &operations[i] : NULL;
}

static const struct operation *operation_of_name(bytes name)
{
    for (size_t i = 0; i < COUNT_OF(operations); i++)
        if (bytes_equal(name, operations[i].name))
            return &operations[i];
    return NULL;
}

static uint16_t read_u16(const char *at)
{
    const unsigned char *from = (const unsigned char *)at;
    return (uint16_t)(from[0] | from[1] << 8);
}

static uint32_t read_u32(const char *at)
{
    return read_u16(at) | (uint32_t)read_u16(at + 2) << 16;
}

static char *write_little_endian(char *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        *to++ = (char)(value >> (8 * i));
    return to;
}

size_t gibson_operator(const char *frame)
{
    return (size_t)(operation_of_code(read_u16(frame + GIBSON_SIZE_BYTES)) - operations);
}

bytes gibson_operator_name(size_t index)
{
    return operations[index].name;
}

/* Takes a token off the payload: up to a space, which is dropped, or the byte behind the longest key. */
static bytes take_token(bytes *payload, size_t most)
{
    const char *space = payload->len > 0 ? memchr(payload->at, ' ', payload->len) : NULL;
    size_t len = space != NULL ? (size_t)(space - payload->at) : payload->len;
    if (len > most)
        len = most;
    bytes token = {payload->at, len};
    size_t used = len < payload->len ? len + 1 : len;
    *payload = (bytes){payload->at + used, payload->len - used};
    return token;
}

/* Adds what the payload has of the operation's parts, up to one that is missing or empty, to words for which there is
   room; returns their end. An optional part counts as given when there is a space for it. */
static bytes *add_parts(const struct operation *operation, bytes payload, bytes *word,
                        const struct gibson_limits *limits)
{
    for (size_t i = 0; i < COUNT_OF(operation->parts) && operation->parts[i] != PART_END; i++) {
        bool is_optional = operation->parts[i] == PART_OPTIONAL;
        bool has_space = i > 0 && payload.at > word[-1].at + word[-1].len;
        bytes part = payload;
        if (operation->parts[i] == PART_TOKEN)
            part = take_token(&payload, limits->max_key);
        else if (part.len > limits->max_value)
            part.len = limits->max_value;
        if (part.len == 0 && !(is_optional && has_space))
            return word;
        *word++ = part;
    }
    return word;
}

enum resp_status gibson_parse(const char *input, size_t len, struct resp_args *args, const struct gibson_limits *limits,
                              size_t *frame_len)
{
    *frame_len = 0;
    if (len <= GIBSON_SIZE_BYTES)
        return RESP_MORE;
    uint32_t size = read_u32(input);
    if (size < GIBSON_OPCODE_BYTES || size > limits->max_request)
        return RESP_BROKEN;
    if (len < GIBSON_SIZE_BYTES + (size_t)size)
        return RESP_MORE;
    *frame_len = GIBSON_SIZE_BYTES + (size_t)size;
    const char *opcode = input + GIBSON_SIZE_BYTES;
    const struct operation *operation = operation_of_code(read_u16(opcode));
    if (operation == NULL)
        return RESP_BROKEN;
    bytes payload = {opcode + GIBSON_OPCODE_BYTES, size - GIBSON_OPCODE_BYTES};
    if (unlikely(args->capacity - args->count < GIBSON_ARGS_MAX) && !resp_args_grow(args))
        return RESP_NO_MEMORY;
    bytes *word = args->items + args->count;
    *word++ = BYTES("gibson");
    *word++ = operation->name;
    args->count = (size_t)(add_parts(operation, payload, word, limits) - args->items);
    return RESP_REQUEST;
}

size_t gibson_needed(const char *input, size_t len)
{
    size_t size = len < GIBSON_SIZE_BYTES ? 0 : (size_t)read_u32(input);
    return GIBSON_SIZE_BYTES + (size > 0 ? size : 1); /* a size is looked at when something follows it */
}

size_t gibson_frame(const bytes *argv, size_t argc, char *to)
{
    size_t size = GIBSON_OPCODE_BYTES;
    for (size_t i = 2; i < argc; i++)
        size += argv[i].len + (i > 2);
    if (to == NULL)
        return GIBSON_SIZE_BYTES + size;
    to = write_little_endian(to, size, GIBSON_SIZE_BYTES);
    to = write_little_endian(to, operation_of_name(argv[1])->opcode, GIBSON_OPCODE_BYTES);
    for (size_t i = 2; i < argc; i++) {
        if (i > 2)
            *to++ = ' ';
        memcpy(to, argv[i].at, argv[i].len);
        to += argv[i].len;
    }
    return GIBSON_SIZE_BYTES + size;
}

/* ---- Replies ---- */

enum reply_code {
    REPLY_ERROR = 0,
    REPLY_NOT_FOUND = 1,
    REPLY_NAN = 2,
    REPLY_MEMORY = 3,
    REPLY_LOCKED = 4,
    REPLY_OK = 5,
    REPLY_VALUE = 6,
    REPLY_LIST = 7,
};

enum { NO_REPLY = -1 };

enum encoding { ENCODING_PLAIN = 0, ENCODING_NUMBER = 2 };

enum { FRAME_HEADER = 7, NUMBER_SIZE = 8, GIBSON_COUNT_BYTES = 4 };

static char *write_header(char *to, enum reply_code code, enum encoding encoding, size_t size)
{
    to = write_little_endian(to, code, 2);
    *to++ = (char)encoding;
    return write_little_endian(to, size, 4);
}

/* A reply that is only a code has one zero byte of data. */
static void put_code(struct out *out, enum reply_code code)
{
    char *at = out_reserve(out, FRAME_HEADER + 1);
    if (at == NULL)
        return;
    at = write_header(at, code, ENCODING_PLAIN, 1);
    *at++ = '\0';
    out_commit(out, at);
}

/* Writes what stands in front of `size` bytes of data, as a reply, or as the next key or value of a list, and gives
   room for `room` bytes behind it, to be committed. NULL when memory ran out. */
static char *begin_data(struct out *out, enum encoding encoding, size_t size, size_t room)
{
    char *at = out_reserve(out, FRAME_HEADER + room);
    if (at == NULL)
        return NULL;
    if (likely(out->element == OUT_NO_ELEMENT))
        return write_header(at, REPLY_VALUE, encoding, size);
    if (out->element == OUT_VALUE)
        *at++ = (char)encoding;
    out->element = out->element == OUT_KEY ? OUT_VALUE : OUT_KEY;
    return write_little_endian(at, size, 4);
}

static void gibson_put_bulk(struct out *out, bytes data)
{
    enum { contiguous_max = 8 * 1024 };
    bool is_contiguous = data.len <= contiguous_max;
    char *at = begin_data(out, ENCODING_PLAIN, data.len, is_contiguous ? data.len : 0);
    if (at == NULL)
        return;
    if (is_contiguous && data.len > 0) {
        memcpy(at, data.at, data.len);
        at += data.len;
    }
    out_commit(out, at);
    if (!is_contiguous)
        out_append(out, data);
}

static void gibson_put_blob(struct out *out, struct blob *blob, size_t start, size_t len)
{
    char *at = begin_data(out, ENCODING_PLAIN, len, 0);
    if (at == NULL)
        return;
    out_commit(out, at);
    out_append_blob(out, blob, start, len);
}

static void gibson_put_integer(struct out *out, int64_t value)
{
    char *at = begin_data(out, ENCODING_NUMBER, NUMBER_SIZE, NUMBER_SIZE);
    if (at != NULL)
        out_commit(out, write_little_endian(at, (uint64_t)value, NUMBER_SIZE));
}

static void gibson_put_status(struct out *out, bytes text)
{
    (void)text;
    put_code(out, REPLY_OK);
}

/* Within a list there is no place for an error: the client loses its connection. */
static void gibson_put_error(struct out *out, bytes text)
{
    static const struct {
        const char *word;
        int code; /* enum reply_code */
    } codes[] = {
        {"TOOLARGE ", NO_REPLY}, {"NOTFOUND ", REPLY_NOT_FOUND}, {"NAN ", REPLY_NAN},
        {"OOM ", REPLY_MEMORY},  {"LOCKED ", REPLY_LOCKED},
    };
    int code = REPLY_ERROR;
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (text.len >= strlen(codes[i].word) && memcmp(text.at, codes[i].word, strlen(codes[i].word)) == 0)
            code = codes[i].code;
    if (out->element != OUT_NO_ELEMENT)
        out->failed = true;
    else if (code != NO_REPLY)
        put_code(out, (enum reply_code)code);
}

static void gibson_put_null(struct out *out)
{
    put_code(out, REPLY_NOT_FOUND);
}

static void gibson_put_boolean(struct out *out, bool value)
{
    gibson_put_integer(out, value);
}

static void gibson_put_real(struct out *out, double value)
{
    char text[NUM_DOUBLE_SIZE];
    gibson_put_bulk(out, (bytes){text, num_format_double(text, value)});
}

static void gibson_put_verbatim(struct out *out, const char format[4], bytes text)
{
    (void)format;
    gibson_put_bulk(out, text);
}

/* The protocol has lists of pairs only, and their size stands in front: they are begun and ended. */
static void gibson_put_aggregate(struct out *out, size_t count)
{
    (void)count;
    put_code(out, REPLY_ERROR);
}

/* Until the list ends its gap holds what was in the output before it. */
static struct out_chunk *gibson_begin(struct out *out)
{
    size_t before = out_pending(out);
    struct out_chunk *gap = out_gap(out);
    if (gap != NULL)
        memcpy(gap->data, &before, sizeof(before));
    out->element = OUT_KEY;
    return gap;
}

static void gibson_end_map(struct out *out, struct out_chunk *begun, size_t pairs)
{
    char header[FRAME_HEADER + GIBSON_COUNT_BYTES];
    size_t before;
    out->element = OUT_NO_ELEMENT;
    if (begun == NULL)
        return;
    memcpy(&before, begun->data, sizeof(before));
    size_t size = GIBSON_COUNT_BYTES + (out_pending(out) - before);
    write_little_endian(write_header(header, REPLY_LIST, ENCODING_PLAIN, size), pairs, GIBSON_COUNT_BYTES);
    out_fill(out, begun, (bytes){header, sizeof(header)});
}

static void gibson_end_array(struct out *out, struct out_chunk *begun, size_t count)
{
    gibson_end_map(out, begun, count / 2);
}

static const struct reply_encoder gibson_encoder = {
    .status = gibson_put_status,
    .error = gibson_put_error,
    .integer = gibson_put_integer,
    .bulk = gibson_put_bulk,
    .blob = gibson_put_blob,
    .null = gibson_put_null,
    .null_array = gibson_put_null,
    .boolean = gibson_put_boolean,
    .real = gibson_put_real,
    .big_number = gibson_put_bulk,
    .verbatim = gibson_put_verbatim,
    .array = gibson_put_aggregate,
    .map = gibson_put_aggregate,
    .set = gibson_put_aggregate,
    .push = gibson_put_aggregate,
    .attribute = gibson_put_aggregate,
    .begin = gibson_begin,
    .end_array = gibson_end_array,
    .end_map = gibson_end_map,
    .end_set = gibson_end_array,
};

const struct reply_encoder *const gibson_encoders[4] = {[2] = &gibson_encoder, [3] = &gibson_encoder};

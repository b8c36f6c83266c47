/*
 * Requests and replies of RESP2, and of Gibson's binary protocol: a request is its size (u32: of what follows), an
 * opcode (i16) and words with a space between them; a reply is a code (i16), an encoding (u8), a size (u32) and data.
 * All these numbers are little-endian.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "load_wire.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    KEY_DIGITS = 18,     /* "key:" and eighteen digits: 22 bytes */
    KEY_BYTES = 22,      /* of the whole key */
    DEADLINE_DIGITS = 13 /* milliseconds since 1970, as far as TIME_MS_MIN and _MAX go */
};

/* Gibson's */
enum {
    GIBSON_SIZE_BYTES = 4,   /* of a request's size */
    GIBSON_OPCODE_BYTES = 2, /* of its opcode */
    GIBSON_REPLY_HEADER = 7, /* bytes in front of a reply's data */
    GIBSON_NUMBER_BYTES = 8, /* of a number as a value */
    GIBSON_NOT_FOUND = 1,    /* reply codes; those up to OK have one zero byte of data */
    GIBSON_OK = 5,
    GIBSON_VALUE = 6,
    GIBSON_PLAIN = 0, /* encodings */
    GIBSON_NUMBER = 2,
};

/* --- Requests --- */

/* Writes the last `digits` decimal digits of number so that they end just before `end`. */
static void put_digits(char *end, unsigned digits, uint64_t number)
{
    while (digits-- > 0) {
        *--end = (char)('0' + number % 10);
        number /= 10;
    }
}

static unsigned count_digits(uint64_t number)
{
    unsigned digits = 1;
    while (number /= 10)
        digits++;
    return digits;
}

static void shape_text(struct shape *shape, const char *text)
{
    size_t len = strlen(text);
    memcpy(shape->bytes + shape->len, text, len);
    shape->len += len;
}

/* A key and a value, with nothing around them. */
static void shape_key(struct shape *shape, unsigned index)
{
    shape_text(shape, "key:000000000000000000");
    shape->key_end[index] = shape->len;
}

static void shape_value(struct shape *shape, unsigned index)
{
    size_t value_bytes = shape->options->value_bytes;
    shape->value_at[index] = shape->len;
    memset(shape->bytes + shape->len, 'x', value_bytes);
    memset(shape->bytes + shape->len, '0', shape->value_digits);
    shape->len += value_bytes;
}

static void shape_bulk_key(struct shape *shape, unsigned index)
{
    shape_text(shape, "$22\r\n");
    shape_key(shape, index);
    shape_text(shape, "\r\n");
}

static void shape_bulk_value(struct shape *shape, unsigned index)
{
    char header[32];
    snprintf(header, sizeof header, "$%" PRIu64 "\r\n", shape->options->value_bytes);
    shape_text(shape, header);
    shape_value(shape, index);
    shape_text(shape, "\r\n");
}

static void shape_deadline(struct shape *shape)
{
    shape_text(shape, "$4\r\nPXAT\r\n$13\r\n0000000000000\r\n");
    shape->deadline_end = shape->len - 2;
}

static void shape_resp(struct shape *shape)
{
    switch (shape->options->command) {
    case CMD_GET:
        shape_text(shape, "*2\r\n$3\r\nGET\r\n");
        shape_bulk_key(shape, 0);
        break;
    case CMD_SET:
        shape_text(shape, shape->options->deadline_ms ? "*5\r\n$3\r\nSET\r\n" : "*3\r\n$3\r\nSET\r\n");
        shape_bulk_key(shape, 0);
        shape_bulk_value(shape, 0);
        if (shape->options->deadline_ms)
            shape_deadline(shape);
        break;
    case CMD_INCR:
        shape_text(shape, "*2\r\n$4\r\nINCR\r\n");
        shape_bulk_key(shape, 0);
        break;
    case CMD_MSET:
        shape_text(shape, "*21\r\n$4\r\nMSET\r\n");
        for (unsigned i = 0; i < MSET_PAIRS; i++) {
            shape_bulk_key(shape, i);
            shape_bulk_value(shape, i);
        }
        break;
    case CMD_PING:
        shape_text(shape, "*1\r\n$4\r\nPING\r\n");
        break;
    }
}

static void expect_resp(struct shape *shape)
{
    switch (shape->options->command) {
    case CMD_SET:
    case CMD_MSET:
        shape->expected = "+OK\r\n";
        break;
    case CMD_PING:
        shape->expected = "+PONG\r\n";
        break;
    default:
        return;
    }
    shape->expected_len = strlen(shape->expected);
}

static void put_number(char *at, unsigned bytes, uint64_t number)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (char)(number >> (8 * i));
}

static uint64_t get_number(const char *at, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++)
        number |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return number;
}

static void shape_gibson(struct shape *shape)
{
    static const uint16_t opcodes[] = {[CMD_GET] = 3, [CMD_SET] = 1, [CMD_INCR] = 5, [CMD_PING] = 19};
    unsigned command = shape->options->command;
    put_number(shape->bytes + GIBSON_SIZE_BYTES, GIBSON_OPCODE_BYTES, opcodes[command]);
    shape->len = GIBSON_SIZE_BYTES + GIBSON_OPCODE_BYTES;
    if (command == CMD_SET)
        shape_text(shape, "0 "); /* no time to live */
    if (command != CMD_PING)
        shape_key(shape, 0);
    if (command == CMD_SET) {
        shape_text(shape, " ");
        shape_value(shape, 0);
    }
    put_number(shape->bytes, GIBSON_SIZE_BYTES, shape->len - GIBSON_SIZE_BYTES);
}

static void expect_gibson(struct shape *shape)
{
    static const char ok[GIBSON_REPLY_HEADER + 1] = {GIBSON_OK, 0, GIBSON_PLAIN, 1};
    if (shape->options->command != CMD_PING)
        return;
    shape->expected = ok;
    shape->expected_len = sizeof ok;
}

struct shape make_shape(const struct options *options)
{
    struct shape shape = {.options = options, .keys = 1};
    shape.bytes = allocate(1, 128 + MSET_PAIRS * (64 + options->value_bytes));
    shape.varying_digits = count_digits(options->first_key + options->keys - 1);
    if (options->command == CMD_MSET)
        shape.keys = MSET_PAIRS;
    else if (options->command == CMD_PING)
        shape.keys = 0;
    if (options->command == CMD_SET || options->command == CMD_MSET)
        shape.value_digits = options->value_bytes < KEY_DIGITS ? (unsigned)options->value_bytes : KEY_DIGITS;
    if (options->protocol == PROTOCOL_GIBSON) {
        shape_gibson(&shape);
        expect_gibson(&shape);
    } else {
        shape_resp(&shape);
        expect_resp(&shape);
    }
    shape.reply_bytes_max = LINE_BYTES_MAX + options->value_bytes + 2;
    return shape;
}

void put_key(const struct shape *shape, char *request, unsigned index, uint64_t key)
{
    const struct options *options = shape->options;
    char *key_end = request + shape->key_end[index];
    put_digits(key_end, shape->varying_digits, key);
    memcpy(request + shape->value_at[index], key_end - shape->value_digits, shape->value_digits);
    if (shape->deadline_end) {
        uint64_t spread = options->deadline_spread_ms ? key % options->deadline_spread_ms : 0;
        put_digits(request + shape->deadline_end, DEADLINE_DIGITS, options->deadline_ms + spread);
    }
}

/* --- Replies --- */

void die_of_reply(const char *why, const char *at, size_t len)
{
    char shown[256];
    size_t used = 0;
    for (size_t i = 0; i < len && i < 60; i++) {
        unsigned char byte = (unsigned char)at[i];
        if (byte >= ' ' && byte < 127)
            shown[used++] = (char)byte;
        else
            used += (size_t)snprintf(shown + used, sizeof shown - used, "\\x%02x", byte);
    }
    shown[used] = '\0';
    die("protocol error: %s: %s", why, shown);
}

static void count_error(struct tally *tally, const char *text, size_t len)
{
    if (tally->errors++ == 0)
        snprintf(tally->first_error, sizeof tally->first_error, "%.*s", (int)len, text);
}

/* Dies unless `value`, of value_bytes, begins as values under the request's key do; the reply is at `at`. */
static void check_value(const struct shape *shape, const char *request, const char *value, const char *at, size_t len)
{
    size_t value_bytes = shape->options->value_bytes;
    const char *key_end = request + shape->key_end[0];
    size_t digits = value_bytes < KEY_DIGITS ? value_bytes : KEY_DIGITS;
    if (memcmp(value, key_end - digits, digits) == 0)
        return;
    fprintf(stderr, "load: asked for %.*s\n", KEY_BYTES, key_end - KEY_BYTES);
    die_of_reply("the value is not the one this program stored under the key", at, len);
}

/* A bulk length as RESP2 writes it, of a line without its end; -1 is a null. */
static int64_t bulk_length(const char *line, size_t len)
{
    if (len == 3 && memcmp(line, "$-1", 3) == 0)
        return -1;
    int64_t number = 0;
    if (len < 2 || len > 10)
        die_of_reply("not a bulk length", line, len);
    for (size_t i = 1; i < len; i++) {
        if (line[i] < '0' || line[i] > '9')
            die_of_reply("not a bulk length", line, len);
        number = number * 10 + (line[i] - '0');
    }
    return number;
}

static void check_integer(const char *line, size_t len)
{
    size_t digits_at = len > 1 && line[1] == '-' ? 2 : 1;
    bool is_integer = len > digits_at;
    for (size_t i = digits_at; i < len; i++)
        is_integer = is_integer && line[i] >= '0' && line[i] <= '9';
    if (!is_integer)
        die_of_reply("not an integer", line, len);
}

/* The reply to a GET, of which the line is complete. Returns its bytes; 0: the end has not come. */
static size_t take_value(const struct shape *shape, struct tally *tally, const char *request, const char *at,
                         size_t len, size_t line_len)
{
    int64_t length = bulk_length(at, line_len);
    if (length < 0) {
        tally->misses++;
        return line_len + 2;
    }
    size_t value_bytes = (size_t)length;
    if (value_bytes != shape->options->value_bytes)
        die_of_reply("the value has not the size that --value-size says", at, len);
    const char *value = at + line_len + 2;
    if (len < line_len + 2 + value_bytes + 2)
        return 0;
    if (memcmp(value + value_bytes, "\r\n", 2) != 0)
        die_of_reply("a value without its end", at, len);
    check_value(shape, request, value, at, len);
    return line_len + 2 + value_bytes + 2;
}

static size_t take_resp(const struct shape *shape, struct tally *tally, const char *request, const char *at, size_t len)
{
    const char *newline = memchr(at, '\n', len < LINE_BYTES_MAX ? len : LINE_BYTES_MAX);
    if (!newline) {
        if (len >= LINE_BYTES_MAX)
            die_of_reply("a line without end", at, len);
        return 0;
    }
    if (newline == at || newline[-1] != '\r')
        die_of_reply("a line that does not end in CR LF", at, len);
    size_t line_len = (size_t)(newline - at) - 1;
    if (at[0] == '-')
        count_error(tally, at + 1, line_len - 1);
    else if (at[0] == '$' && shape->options->command == CMD_GET)
        return take_value(shape, tally, request, at, len, line_len);
    else if (at[0] == ':' && shape->options->command == CMD_INCR)
        check_integer(at, line_len);
    else
        die_of_reply("not the kind of reply that was asked for", at, len);
    return line_len + 2;
}

/* A reply of Gibson's that is only a code. */
static void take_code(const struct shape *shape, struct tally *tally, unsigned code, const char *at, size_t len)
{
    static const char *const names[GIBSON_OK] = {"ERR", "NOT_FOUND", "NAN", "MEM", "LOCKED"};
    if (at[GIBSON_REPLY_HEADER] != '\0')
        die_of_reply("a code with other data than a zero", at, len);
    if (code == GIBSON_OK)
        die_of_reply("not the kind of reply that was asked for", at, len);
    if (code == GIBSON_NOT_FOUND && shape->options->command == CMD_GET)
        tally->misses++;
    else
        count_error(tally, names[code], strlen(names[code]));
}

/* The whole value that Gibson answers a SET or GET with. */
static void take_plain(const struct shape *shape, const char *request, const char *at, size_t len)
{
    const char *value = at + GIBSON_REPLY_HEADER;
    check_value(shape, request, value, at, len);
    if (shape->options->command == CMD_SET &&
        memcmp(value, request + shape->value_at[0], shape->options->value_bytes) != 0)
        die_of_reply("not the value that was sent", at, len);
}

static size_t take_gibson(const struct shape *shape, struct tally *tally, const char *request, const char *at,
                          size_t len)
{
    if (len < GIBSON_REPLY_HEADER)
        return 0;
    unsigned code = (unsigned)get_number(at, 2);
    unsigned encoding = (unsigned char)at[2];
    size_t size = get_number(at + 3, 4);
    bool is_number = shape->options->command == CMD_INCR;
    if (code > GIBSON_VALUE || (code == GIBSON_VALUE && shape->options->command == CMD_PING))
        die_of_reply("not the kind of reply that was asked for", at, len);
    if (encoding != (code == GIBSON_VALUE && is_number ? GIBSON_NUMBER : GIBSON_PLAIN))
        die_of_reply("not the encoding of what was asked for", at, len);
    if (code < GIBSON_VALUE && size != 1)
        die_of_reply("a code with more or less than one byte of data", at, len);
    if (code == GIBSON_VALUE && size != (is_number ? GIBSON_NUMBER_BYTES : shape->options->value_bytes))
        die_of_reply("the value has not the size that --value-size says", at, len);
    if (len < GIBSON_REPLY_HEADER + size)
        return 0;
    if (code < GIBSON_VALUE)
        take_code(shape, tally, code, at, len);
    else if (!is_number)
        take_plain(shape, request, at, len);
    return GIBSON_REPLY_HEADER + size;
}

size_t take_reply(const struct shape *shape, struct tally *tally, const char *request, const char *at, size_t len)
{
    if (shape->expected && len >= shape->expected_len && memcmp(at, shape->expected, shape->expected_len) == 0)
        return shape->expected_len;
    return shape->options->protocol == PROTOCOL_GIBSON ? take_gibson(shape, tally, request, at, len)
                                                       : take_resp(shape, tally, request, at, len);
}

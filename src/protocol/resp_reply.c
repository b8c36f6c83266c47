/* Replies in RESP2 and RESP3. The two differ only in the types that RESP2 lacks, which it sends as the nearest older
 * one. */
#include "base/num.h"
#include "protocol/resp.h"

enum { HEADER_MAX = 1 + NUM_INTEGER_SIZE + 2 }; /* type, number, CRLF */

static char *put_header(char *at, char type, uint64_t number)
{
    *at++ = type;
    at += num_format_uint64(at, number);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static void append_header(struct out *out, char type, uint64_t number)
{
    char *at = out_reserve(out, HEADER_MAX);
    if (at != NULL)
        out_commit(out, put_header(at, type, number));
}

static void append_line(struct out *out, char type, bytes text)
{
    char *at = out_reserve(out, 1);
    if (at == NULL)
        return;
    *at = type;
    out_commit(out, at + 1);
    out_append(out, text);
    out_append(out, BYTES("\r\n"));
}

static void resp_put_status(struct out *out, bytes text)
{
    append_line(out, '+', text);
}

static void resp_put_error(struct out *out, bytes text)
{
    append_line(out, '-', text);
}

static void resp_put_integer(struct out *out, int64_t value)
{
    char *at = out_reserve(out, HEADER_MAX);
    if (at == NULL)
        return;
    *at++ = ':';
    at += num_format_int64(at, value);
    *at++ = '\r';
    *at++ = '\n';
    out_commit(out, at);
}

static void resp_put_bulk(struct out *out, bytes data)
{
    enum { contiguous_max = 8 * 1024 };
    if (unlikely(data.len > contiguous_max)) {
        append_header(out, '$', data.len);
        out_append(out, data);
        out_append(out, BYTES("\r\n"));
        return;
    }
    char *at = out_reserve(out, HEADER_MAX + data.len + 2);
    if (at == NULL)
        return;
    at = put_header(at, '$', data.len);
    if (data.len > 0)
        memcpy(at, data.at, data.len);
    at += data.len;
    *at++ = '\r';
    *at++ = '\n';
    out_commit(out, at);
}

static void resp_put_blob(struct out *out, struct blob *blob, size_t start, size_t len)
{
    append_header(out, '$', len);
    out_append_blob(out, blob, start, len);
    out_append(out, BYTES("\r\n"));
}

static void resp2_put_null(struct out *out)
{
    out_append(out, BYTES("$-1\r\n"));
}

static void resp2_put_null_array(struct out *out)
{
    out_append(out, BYTES("*-1\r\n"));
}

static void resp3_put_null(struct out *out)
{
    out_append(out, BYTES("_\r\n"));
}

static void resp2_put_boolean(struct out *out, bool value)
{
    resp_put_integer(out, value);
}

static void resp3_put_boolean(struct out *out, bool value)
{
    out_append(out, value ? BYTES("#t\r\n") : BYTES("#f\r\n"));
}

static void resp2_put_real(struct out *out, double value)
{
    char text[NUM_DOUBLE_SIZE];
    resp_put_bulk(out, (bytes){text, num_format_double(text, value)});
}

static void resp3_put_real(struct out *out, double value)
{
    char text[NUM_DOUBLE_SIZE];
    append_line(out, ',', (bytes){text, num_format_double(text, value)});
}

static void resp3_put_big_number(struct out *out, bytes digits)
{
    append_line(out, '(', digits);
}

static void resp2_put_verbatim(struct out *out, const char format[4], bytes text)
{
    (void)format;
    resp_put_bulk(out, text);
}

static void resp3_put_verbatim(struct out *out, const char format[4], bytes text)
{
    append_header(out, '=', text.len + 4);
    out_append(out, (bytes){format, 3});
    out_append(out, BYTES(":"));
    out_append(out, text);
    out_append(out, BYTES("\r\n"));
}

static void resp_put_array(struct out *out, size_t count)
{
    append_header(out, '*', count);
}

static void resp2_put_map(struct out *out, size_t pairs)
{
    append_header(out, '*', 2 * (uint64_t)pairs);
}

static void resp3_put_map(struct out *out, size_t pairs)
{
    append_header(out, '%', pairs);
}

static void resp3_put_set(struct out *out, size_t count)
{
    append_header(out, '~', count);
}

static void resp3_put_push(struct out *out, size_t count)
{
    append_header(out, '>', count);
}

static void resp3_put_attribute(struct out *out, size_t pairs)
{
    append_header(out, '|', pairs);
}

static void fill(struct out *out, struct out_chunk *begun, char type, uint64_t number)
{
    char header[HEADER_MAX];
    if (begun != NULL)
        out_fill(out, begun, (bytes){header, (size_t)(put_header(header, type, number) - header)});
}

static void resp_end_array(struct out *out, struct out_chunk *begun, size_t count)
{
    fill(out, begun, '*', count);
}

static void resp2_end_map(struct out *out, struct out_chunk *begun, size_t pairs)
{
    fill(out, begun, '*', 2 * (uint64_t)pairs);
}

static void resp3_end_map(struct out *out, struct out_chunk *begun, size_t pairs)
{
    fill(out, begun, '%', pairs);
}

static void resp3_end_set(struct out *out, struct out_chunk *begun, size_t count)
{
    fill(out, begun, '~', count);
}

static const struct reply_encoder resp2_encoder = {
    .status = resp_put_status,
    .error = resp_put_error,
    .integer = resp_put_integer,
    .bulk = resp_put_bulk,
    .blob = resp_put_blob,
    .null = resp2_put_null,
    .null_array = resp2_put_null_array,
    .boolean = resp2_put_boolean,
    .real = resp2_put_real,
    .big_number = resp_put_bulk,
    .verbatim = resp2_put_verbatim,
    .array = resp_put_array,
    .map = resp2_put_map,
    .set = resp_put_array,
    .push = resp_put_array,
    .attribute = resp2_put_map,
    .begin = out_gap,
    .end_array = resp_end_array,
    .end_map = resp2_end_map,
    .end_set = resp_end_array,
};

static const struct reply_encoder resp3_encoder = {
    .status = resp_put_status,
    .error = resp_put_error,
    .integer = resp_put_integer,
    .bulk = resp_put_bulk,
    .blob = resp_put_blob,
    .null = resp3_put_null,
    .null_array = resp3_put_null,
    .boolean = resp3_put_boolean,
    .real = resp3_put_real,
    .big_number = resp3_put_big_number,
    .verbatim = resp3_put_verbatim,
    .array = resp_put_array,
    .map = resp3_put_map,
    .set = resp3_put_set,
    .push = resp3_put_push,
    .attribute = resp3_put_attribute,
    .begin = out_gap,
    .end_array = resp_end_array,
    .end_map = resp3_end_map,
    .end_set = resp3_end_set,
};

const struct reply_encoder *const resp_encoders[4] = {[2] = &resp2_encoder, [3] = &resp3_encoder};

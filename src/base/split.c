/* Words in a line of text; see split.h. Unquoting only ever shortens, so that all words of a line fit into one block of
   the line's length; how many there are is bounded by every second byte being a blank. */
#include "base/split.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>

/* Where the scan stands. */
struct scan {
    const char *at;  /* the next byte of the line */
    const char *end; /* behind the line */
    char *to;        /* where the next byte of a word goes */
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = bytes_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char escaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* Whether a word may end here: behind a closing quote nothing else is allowed. */
static bool is_at_boundary(const struct scan *scan)
{
    return scan->at == scan->end || split_is_space(*scan->at);
}

/* From behind an opening double quote to behind the closing one. */
static bool scan_double_quotes(struct scan *scan)
{
    while (scan->at < scan->end) {
        size_t left = (size_t)(scan->end - scan->at);
        const char *at = scan->at;
        if (*at == '"') {
            scan->at++;
            return is_at_boundary(scan);
        }
        if (left >= 4 && at[0] == '\\' && at[1] == 'x' && hex_digit(at[2]) >= 0 && hex_digit(at[3]) >= 0) {
            *scan->to++ = (char)(hex_digit(at[2]) * 16 + hex_digit(at[3]));
            scan->at += 4;
        } else if (left >= 2 && at[0] == '\\') {
            *scan->to++ = escaped(at[1]);
            scan->at += 2;
        } else {
            *scan->to++ = *at;
            scan->at++;
        }
    }
    return false;
}

/* From behind an opening single quote to behind the closing one. */
static bool scan_single_quotes(struct scan *scan)
{
    while (scan->at < scan->end) {
        if (scan->at[0] == '\'') {
            scan->at++;
            return is_at_boundary(scan);
        }
        if (scan->at[0] == '\\' && scan->end - scan->at >= 2 && scan->at[1] == '\'')
            scan->at++;
        *scan->to++ = *scan->at++;
    }
    return false;
}

/* What ends a word. Form feed and vertical tab separate words only between them, and behind a closing quote. */
static bool ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One word, from its first byte to the white space behind it. A quoted part ends it. */
static bool scan_word(struct scan *scan)
{
    while (scan->at < scan->end && !ends_word(*scan->at)) {
        char c = *scan->at++;
        if (c == '"')
            return scan_double_quotes(scan);
        if (c == '\'')
            return scan_single_quotes(scan);
        *scan->to++ = c;
    }
    return true;
}

static enum split_status scan_line(struct scan *scan, struct split *out)
{
    for (;;) {
        while (scan->at < scan->end && split_is_space(*scan->at))
            scan->at++;
        if (scan->at == scan->end)
            return SPLIT_OK;
        char *word = scan->to;
        if (!scan_word(scan))
            return SPLIT_UNBALANCED_QUOTES;
        out->words[out->count++] = (bytes){word, (size_t)(scan->to - word)};
    }
}

enum split_status split_line(bytes line, struct split *out)
{
    *out = (struct split){0};
    if (line.len == 0)
        return SPLIT_OK;
    if (line.len >= SIZE_MAX / sizeof(bytes))
        return SPLIT_OUT_OF_MEMORY;
    out->words = mem_alloc((line.len / 2 + 1) * sizeof(bytes));
    out->memory = mem_alloc(line.len);
    if (!out->words || !out->memory) {
        split_free(out);
        return SPLIT_OUT_OF_MEMORY;
    }
    struct scan scan = {.at = line.at, .end = line.at + line.len, .to = out->memory};
    enum split_status status = scan_line(&scan, out);
    if (status != SPLIT_OK)
        split_free(out);
    return status;
}

void split_free(struct split *split)
{
    mem_free(split->words);
    mem_free(split->memory);
    *split = (struct split){0};
}

/* The letter that stands for a control character behind a backslash, or 0. */
static char escape_letter(char c)
{
    switch (c) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\a':
        return 'a';
    case '\\':
    case '"':
        return c;
    default:
        return 0;
    }
}

void split_append_quoted(struct text *text, bytes raw)
{
    text_append_char(text, '"');
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        char letter = escape_letter(c);
        if (letter)
            text_append_format(text, "\\%c", letter);
        else if (c >= ' ' && c <= '~')
            text_append_char(text, c);
        else
            text_append_format(text, "\\x%02x", (unsigned)(unsigned char)c);
    }
    text_append_char(text, '"');
}

void split_append_word(struct text *text, bytes raw)
{
    bool is_plain = raw.len > 0;
    for (size_t i = 0; i < raw.len; i++)
        is_plain &= raw.at[i] > ' ' && raw.at[i] <= '~' && !strchr("\"'\\", raw.at[i]);
    if (is_plain)
        text_append(text, raw);
    else
        split_append_quoted(text, raw);
}

/* A growing piece of text; see text.h. */
#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_FIRST_ROOM = 64 };

/* Makes place for `more` bytes and a terminator. */
static bool reserve(struct text *text, size_t more)
{
    if (text->is_cut)
        return false;
    if (text->room > text->len && text->room - text->len > more)
        return true;
    if (more >= SIZE_MAX / 4 || text->len >= SIZE_MAX / 4) {
        text->is_cut = true;
        return false;
    }
    size_t room = text->room ? text->room : TEXT_FIRST_ROOM;
    while (room <= text->len + more)
        room *= 2;
    char *at = realloc(text->at, room);
    if (!at) {
        text->is_cut = true;
        return false;
    }
    text->at = at;
    text->room = room;
    return true;
}

void text_append(struct text *text, bytes more)
{
    if (!reserve(text, more.len))
        return;
    if (more.len)
        memcpy(text->at + text->len, more.at, more.len);
    text->len += more.len;
    text->at[text->len] = '\0';
}

void text_append_char(struct text *text, char c)
{
    text_append(text, (bytes){&c, 1});
}

void text_append_format(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0 || !reserve(text, (size_t)len))
        return;
    va_start(arguments, format);
    vsnprintf(text->at + text->len, (size_t)len + 1, format, arguments);
    va_end(arguments);
    text->len += (size_t)len;
}

void text_clear(struct text *text)
{
    text->len = 0;
    text->is_cut = false;
    if (text->at)
        text->at[0] = '\0';
}

void text_free(struct text *text)
{
    free(text->at);
    *text = (struct text){0};
}

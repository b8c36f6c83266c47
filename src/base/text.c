/* A growing piece of text; see text.h. */
#include "base/text.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

enum { FIRST_ROOM = 128 }; /* bytes of the first allocation; each further one doubles */

/* Makes place for `more` bytes and a terminator. */
static bool reserve(struct text *text, size_t more)
{
    if (text->is_cut)
        return false;
    if (text->limit > 0 && more > text->limit - text->len) {
        text->is_cut = true;
        return false;
    }
    if (more < text->room - text->len)
        return true;
    size_t room = text->room > 0 ? text->room : FIRST_ROOM;
    while (room <= SIZE_MAX / 2 && room - text->len <= more)
        room *= 2;
    char *at = room - text->len > more ? mem_realloc(text->at, room) : NULL;
    if (at == NULL) {
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
    if (more.len > 0)
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
    size_t space = text->room - text->len;
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(space > 0 ? text->at + text->len : NULL, space, format, arguments);
    va_end(arguments);
    bool has_fitted = len >= 0 && (size_t)len < space;
    if (len < 0 || !reserve(text, (size_t)len)) {
        if (text->at != NULL)
            text->at[text->len] = '\0'; /* the attempt may have written over the terminator */
        return;
    }
    if (!has_fitted) {
        va_start(arguments, format);
        vsnprintf(text->at + text->len, (size_t)len + 1, format, arguments);
        va_end(arguments);
    }
    text->len += (size_t)len;
}

void text_clear(struct text *text)
{
    text->len = 0;
    text->is_cut = false;
    if (text->at != NULL)
        text->at[0] = '\0';
}

void text_free(struct text *text)
{
    mem_free(text->at);
    *text = (struct text){.limit = text->limit};
}

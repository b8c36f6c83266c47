/* A growing piece of text. Appending never fails visibly: when memory runs out the text remembers it (`is_cut`) and
   ignores what follows, so that a caller checks once, at the end. A zeroed structure is an empty text. */
#ifndef LARDER_BASE_TEXT_H
#define LARDER_BASE_TEXT_H

#include "base/bytes.h"
#include "base/common.h"

struct text {
    char *at;    /* owned, terminated by a zero byte; NULL while nothing was appended */
    size_t len;  /* bytes, without the terminator */
    size_t room; /* bytes allocated */
    bool is_cut; /* memory ran out: the text lacks its end */
};

void text_append(struct text *text, bytes more);
void text_append_char(struct text *text, char c);
void text_append_format(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* Back to empty, keeping the memory for the next use. */
void text_clear(struct text *text);
void text_free(struct text *text);

static inline bytes text_bytes(const struct text *text)
{
    return (bytes){text->at, text->len};
}

#endif

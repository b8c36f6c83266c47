/* Words in one line of text, with quotes: the rule that inline commands, configuration files and the command line
   share. Words are separated by white space. Double quotes keep white space and know \n \r \t \b \a, \xHH and \ before
   any other character; single quotes know \' alone. Quotes may open inside a word, but what follows a closing quote
   must be white space or the end. */
#ifndef LARDER_BASE_SPLIT_H
#define LARDER_BASE_SPLIT_H

#include "base/text.h"

enum split_status {
    SPLIT_OK,
    SPLIT_UNBALANCED_QUOTES, /* an open quote, or one closed in front of another character */
    SPLIT_OUT_OF_MEMORY,
};

/* The words of a line; they own their memory until split_free. A zeroed structure has none. */
struct split {
    bytes *words;
    size_t count;
    char *memory; /* what the words point into */
};

/* Splits a line. `out` needs split_free afterwards only when the result is SPLIT_OK. An empty line has no words. */
MUST_USE enum split_status split_line(bytes line, struct split *out);
void split_free(struct split *split);

/* Appends `raw` in double quotes, so that split_line gives back the same bytes whatever they are. */
void split_append_quoted(struct text *text, bytes raw);

/* Appends `raw` as it is where that reads back as one word, else in quotes. */
void split_append_word(struct text *text, bytes raw);

/* White space as it separates words: blank, \t \n \v \f \r. */
static inline bool split_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#endif

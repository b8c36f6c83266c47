/* Lines from standard input: edited and with a history at a terminal if there was a line editor to build with, else as
   they come. */
#ifndef GIBSON_CLI_LINES_H
#define GIBSON_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

enum { LINES_REMEMBERED = 1000 };

/* Where lines come from, and those of this and earlier times; zero before lines_open. */
struct lines {
    bool is_terminal;                /* somebody types, and wants a prompt */
    char *history[LINES_REMEMBERED]; /* a ring; without a line editor it stays empty */
    size_t count;                    /* lines ever remembered: the next goes to count % LINES_REMEMBERED */
};

void lines_open(struct lines *lines, bool is_terminal);

/* The next line without its end, to be freed; NULL at the end of the input. The prompt is shown to terminals only. */
char *lines_read(struct lines *lines, const char *prompt);

/* Stores the history in $HOME/.gibson_history and forgets it. */
void lines_close(struct lines *lines);

#endif

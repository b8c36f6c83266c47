/* The server's command line, read as redis-server reads its own:

       larder-server [file | -] [--name value ...] ... [-]

   The first word is a configuration file unless it starts with a dash; a lone dash in first or last place stands for
   standard input. An option takes the words up to the next one that starts with `--`; the word right behind an option
   is always its value, even if it starts with `--`. A word may hold option and value together ("--port 6380"). `--save`
   alone means `--save ""`. What comes out is text in the form of a configuration file, which is read after the file, so
   that an option wins over the file and is refused in the same words.

   Nothing here writes to standard output or ends the process. */
#ifndef LARDER_SERVER_COMMAND_LINE_H
#define LARDER_SERVER_COMMAND_LINE_H

#include "engine/config_file.h"

enum command_line_action {
    COMMAND_LINE_RUN,     /* read the configuration and start */
    COMMAND_LINE_VERSION, /* print the version and end */
    COMMAND_LINE_HELP,    /* print `help` and end */
    COMMAND_LINE_REFUSE,  /* print `refusal` and end with an error */
};

struct command_line {
    enum command_line_action action;
    const char *file;          /* a word of argv; NULL: no file */
    bool reads_standard_input; /* after the file */
    struct text options;       /* one line for each option */
    const char *refusal;       /* REFUSE: why */
    const char *help;          /* HELP */
    struct text message;       /* where these two are, if they are no constants */
    struct text warning;       /* to be printed before anything else, if it is not empty */
};

/* Reads the words; argv[0] is the program. `out` needs command_line_free whatever came out. */
void command_line_parse(int argc, char *const *argv, struct command_line *out);
void command_line_free(struct command_line *line);

/* Reads the file, standard input and the options, in this order, and checks whether it all fits together. False:
   `error` says what was refused. Hooks that are registered already run line by line: a server whose `dir` means chdir
   registers that one first, so that relative paths further down are relative to it, and makes the file's path absolute
   before, for CONFIG REWRITE. */
MUST_USE bool command_line_load(const struct command_line *line, struct config *config, const char *product,
                                struct cfg_file_error *error);

#endif

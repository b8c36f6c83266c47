/* Configuration files: reading them at start, and writing changes back into them. The format is redis.conf's: one
   parameter to a line, `#` in front of a comment, quotes as in base/split.h; later lines win. Beside parameters there
   are directives: `include` reads other files in place, `rename-command` and `user` are collected in the
   configuration.

   Nothing here writes to standard output or ends the process: errors come back as text. */
#ifndef LARDER_ENGINE_CONFIG_FILE_H
#define LARDER_ENGINE_CONFIG_FILE_H

#include "engine/config.h"

enum {
    CFG_FILE_SIZE_MAX = 4 * 1024 * 1024, /* bytes of one file */
    CFG_FILE_DEPTH_MAX = 16,             /* files that include each other */
    CFG_FILE_ERROR_SIZE = 4096,          /* an error with its terminator; longer ones are cut */
};

/* What a server prints before it gives up, of several lines: where, the line as it stands there, and why. For those who
   say it in their own words: the number of the line, 0 when it is not about one, and the reason alone. */
struct cfg_file_error {
    char text[CFG_FILE_ERROR_SIZE];
    size_t line_number;
    char reason[CFG_ERROR_SIZE];
};

/* Text to read, and what to say about it in an error. */
struct cfg_file_source {
    bytes text;
    const char *name;    /* where it is from: a path, "the command line" */
    const char *product; /* who is reading: "Larder 0.1.0" */
    bool may_include;    /* whether it may name other files to be read */
    bool is_rewritten;   /* it is the file that CONFIG REWRITE writes */
};

/* Sets the parameters of a text, line by line, with the hooks that are registered by then. False: `error` tells the
   first line that was refused; the lines before it are in force. */
MUST_USE bool cfg_file_load_text(struct config *config, const struct cfg_file_source *source,
                                 struct cfg_file_error *error);

/* The same for a file, or for standard input when the path is "-". */
MUST_USE bool cfg_file_load(struct config *config, const char *path, const char *product, struct cfg_file_error *error);

/* An error that belongs to no line, in the same form. */
void cfg_file_fail(struct cfg_file_error *error, const char *product, const char *reason);

/* A file's whole content, or standard input's for "-", to be freed by the caller. False: `errno` says why; EFBIG stands
   for more than CFG_FILE_SIZE_MAX. */
MUST_USE bool cfg_file_read(const char *path, struct text *out);

/* Takes the next line off a text, without white space around it. False: there was none left. */
bool cfg_file_next_line(bytes *rest, bytes *line);

/* Whether a line that starts with this name belongs into a file although it is no parameter. */
bool cfg_file_is_directive(bytes name);

/* CONFIG REWRITE: brings a file up to date. Comments, order and directives stay. A parameter that the file has is
   changed where it stands; others are added at the end, if they are not at their defaults. What a parameter needs no
   longer becomes a blank line, and blank lines in a row become one. The new file takes the place of the old one in one
   step and keeps its mode; a link stays a link. `path` may be NULL or empty: the server has no file. False: the file is
   as before, and `error` says why in Redis's words. */
MUST_USE bool cfg_file_rewrite(struct config *config, const char *path, struct cfg_error *error);

#endif

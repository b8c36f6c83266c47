/* The server's log: lines in Redis's format, to a file, the standard output or syslog, as logfile and syslog-enabled
 * say. */
#ifndef LARDER_SERVER_LOG_FILE_H
#define LARDER_SERVER_LOG_FILE_H

#include "engine/config.h"

struct log_file {
    struct config *config; /* logfile is read with each line, so that the file may be moved away and is made anew */
    bool is_running;       /* the server is past its start: lines are marked M, else C, as Redis's are */
    bool is_quiet;         /* daemonized without a log file: there is nobody to read */
};

/* A log_fn; the context is a struct log_file. */
void log_file_write(void *context, int level, const char *line);

#endif

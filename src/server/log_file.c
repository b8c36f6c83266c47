/* The server's log; see log_file.h. A line is one write, so lines of several threads do not mix. */
#include "server/log_file.h"

#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const char level_marks[] = ".-*#";
static const int syslog_levels[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};

/* "1234:M 21 Nov 2026 03:20:08.123 * " */
static size_t format_head(char *to, size_t size, char role, int level)
{
    struct timeval now;
    struct tm parts;
    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &parts);
    char date[64];
    strftime(date, sizeof(date), "%d %b %Y %H:%M:%S", &parts);
    int len = snprintf(to, size, "%d:%c %s.%03d %c ", (int)getpid(), role, date, (int)(now.tv_usec / 1000),
                       level_marks[level]);
    return len < 0 ? 0 : (size_t)len;
}

void log_file_write(void *context, int level, const char *line)
{
    const struct log_file *log = context;
    if (level < LOG_DEBUG_LEVEL || level > LOG_WARNING_LEVEL)
        level = LOG_WARNING_LEVEL;
    char text[LOG_LINE_MAX + 128];
    size_t len = format_head(text, sizeof(text), log->is_running ? 'M' : 'C', level);
    int rest = snprintf(text + len, sizeof(text) - len, "%s\n", line);
    len += rest < 0 ? 0 : (size_t)rest;

    char path[PATH_MAX];
    if (cfg_copy_text(log->config, &log->config->logfile, path, sizeof(path)) > 0) {
        int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0) {
            ssize_t written = write(fd, text, len);
            (void)written;
            close(fd);
        }
    } else if (!log->is_quiet) {
        ssize_t written = write(STDOUT_FILENO, text, len);
        (void)written;
    }
    if (CFG_READ(log->config, syslog_enabled))
        syslog(syslog_levels[level], "%s", line);
}

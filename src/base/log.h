/* Log lines: formatted here, written wherever the owner of the engine wants them (its callback). */
#ifndef LARDER_BASE_LOG_H
#define LARDER_BASE_LOG_H

#include "base/common.h"

#include <stdatomic.h>

/* Redis's levels. The numbers are part of the public API. */
enum log_level { LOG_DEBUG_LEVEL = 0, LOG_VERBOSE_LEVEL = 1, LOG_NOTICE_LEVEL = 2, LOG_WARNING_LEVEL = 3 };

enum { LOG_LINE_MAX = 1024 }; /* bytes of a line, longer ones are cut */

/* Receives one line without its newline; called on any thread, possibly at the same time. */
typedef void log_fn(void *context, int level, const char *line);

struct log {
    _Atomic int min_level; /* lines below are dropped before they are formatted */
    log_fn *write;         /* NULL: no log */
    void *context;
};

void log_printf(const struct log *log, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);

#endif

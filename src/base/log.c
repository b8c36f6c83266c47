/* Log lines; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void log_printf(const struct log *log, enum log_level level, const char *format, ...)
{
    if (log->write == NULL || (int)level < atomic_load_explicit(&log->min_level, memory_order_relaxed))
        return;
    char line[LOG_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log->write(log->context, level, line);
}

/* The text of the last failure. The API has no handle to keep it in (connecting may fail before there is a client), so
   it belongs to the thread, as errno does. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[1024];

void gbi_set_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof(last_error), format, arguments);
    va_end(arguments);
}

void gb_getlasterror(char *buf, size_t n)
{
    if (n == 0)
        return;
    size_t len = strnlen(last_error, sizeof(last_error) - 1);
    if (len > n - 1)
        len = n - 1;
    memcpy(buf, last_error, len);
    buf[len] = '\0';
}

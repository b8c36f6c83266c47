/* The crash report; see crash.h. In the handler only functions that are safe in a signal handler are called;
   backtrace() is called once beforehand, because its first call loads a library. The handler's data is static: signals
   belong to the process, and so to the server's main program alone. */
#include "server/crash.h"

#include "engine/engine.h"

#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES_MAX = 100 };

static char report_path[PATH_MAX];

static void put(int fd, const char *text)
{
    ssize_t written = write(fd, text, strlen(text));
    (void)written;
}

static void put_number(int fd, unsigned long number, unsigned base)
{
    char digits[32];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    put(fd, digits + at);
}

static const char *name_of(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    default:
        return "SIGABRT";
    }
}

static void report(int number, siginfo_t *info, void *machine_context)
{
    (void)machine_context;
    int fd = STDOUT_FILENO;
    if (report_path[0] != '\0') {
        int file = open(report_path, O_WRONLY | O_APPEND | O_CREAT, 0644);
        fd = file >= 0 ? file : fd;
    }
    put(fd, "\n=== LARDER BUG REPORT START ===\nLarder " LARDER_VERSION " crashed by signal: ");
    put_number(fd, (unsigned long)number, 10);
    put(fd, " (");
    put(fd, name_of(number));
    put(fd, "), process ");
    put_number(fd, (unsigned long)getpid(), 10);
    put(fd, ", at address 0x");
    put_number(fd, (unsigned long)info->si_addr, 16);
    put(fd, "\n--- STACK TRACE\n");
    void *frames[FRAMES_MAX];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), fd);
    put(fd, "=== LARDER BUG REPORT END ===\n");
    raise(number); /* the handler was reset when it was entered, so this ends the process, with a core if the system
                      wants one */
}

void crash_install(struct config *config)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    cfg_copy_text(config, &config->logfile, report_path, sizeof(report_path));
    void *frame;
    backtrace(&frame, 1);
    struct sigaction action = {.sa_sigaction = report, .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER)};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        sigaction(signals[i], &action, NULL);
}

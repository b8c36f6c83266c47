/* The crash report: what the server writes to its log when it dies of a signal, so that the cause can be found. */
#ifndef LARDER_SERVER_CRASH_H
#define LARDER_SERVER_CRASH_H

#include "engine/config.h"

/* Installs handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT that write a report (to the log file as it is named
   now, else to the standard output) and let the signal take its course. Main thread, once. */
void crash_install(struct config *config);

#endif

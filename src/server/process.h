/* The server as a process of its system: in the background, under a supervisor, with a pid file and limits. */
#ifndef LARDER_SERVER_PROCESS_H
#define LARDER_SERVER_PROCESS_H

#include "base/log.h"
#include "engine/config.h"

/* Goes to the background: the caller continues as the child, in a session of its own, with /dev/null as standard
   streams. False when the system refuses. */
MUST_USE bool process_daemonize(void);

/* Writes and removes the pid file, where one is configured; a daemon has one by default. */
void process_write_pid_file(struct config *config, const struct log *log);
void process_remove_pid_file(struct config *config);

/* Raises the limit of open files to what maxclients needs; where the system does not allow that, lowers maxclients. */
void process_raise_file_limit(struct config *config, const struct log *log);

/* Transparent huge pages and the out-of-memory killer's score, as configured. */
void process_set_memory_policy(struct config *config, const struct log *log);

/* Tells a supervisor (systemd, upstart) that the server is ready, or stopping. */
void process_notify_ready(struct config *config);
void process_notify_stopping(struct config *config);

/* Must the server run in the foreground because a supervisor started it? */
bool process_is_supervised(struct config *config);

#endif

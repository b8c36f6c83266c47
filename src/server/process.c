/* The server as a process; see process.h. */
#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { RESERVED_FILES = 32 }; /* descriptors that are not clients: listeners, event loops, files */

bool process_daemonize(void)
{
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child > 0)
        _exit(0);
    setsid();
    int null = open("/dev/null", O_RDWR);
    if (null < 0)
        return false;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
    return true;
}

/* The pid file's path; false when there is to be none. */
static bool pid_file_path(struct config *config, char path[PATH_MAX])
{
    if (cfg_copy_text(config, &config->pidfile, path, PATH_MAX) > 0)
        return true;
    snprintf(path, PATH_MAX, "/var/run/larder.pid");
    return CFG_READ(config, daemonize);
}

void process_write_pid_file(struct config *config, const struct log *log)
{
    char path[PATH_MAX];
    if (!pid_file_path(config, path))
        return;
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        log_printf(log, LOG_WARNING_LEVEL, "Failed to write PID file %s: %s", path, strerror(errno));
        return;
    }
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
}

void process_remove_pid_file(struct config *config)
{
    char path[PATH_MAX];
    if (pid_file_path(config, path))
        unlink(path);
}

void process_raise_file_limit(struct config *config, const struct log *log)
{
    rlim_t wanted = (rlim_t)CFG_READ(config, maxclients) + RESERVED_FILES;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    rlim_t soft = limit.rlim_cur;
    struct rlimit raised = {.rlim_cur = wanted, .rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return;
    raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        soft = limit.rlim_max;
    if (soft >= wanted)
        return;
    long long clients = soft > RESERVED_FILES ? (long long)(soft - RESERVED_FILES) : 1;
    log_printf(log, LOG_WARNING_LEVEL,
               "The system allows %llu open files, %llu are needed for maxclients: it has been reduced to %lld.",
               (unsigned long long)soft, (unsigned long long)wanted, clients);
    atomic_store_explicit(&config->maxclients, clients, memory_order_relaxed);
}

static void set_oom_score(struct config *config, const struct log *log)
{
    int mode = CFG_READ(config, oom_score_adj);
    if (mode == CFG_OOM_NO)
        return;
    FILE *file = fopen("/proc/self/oom_score_adj", "r+e");
    int base = 0;
    bool is_set = file != NULL && (mode == CFG_OOM_ABSOLUTE || fscanf(file, "%d", &base) == 1);
    if (is_set) {
        rewind(file);
        is_set = fprintf(file, "%d\n", base + cfg_oom_scores(config).at[0]) > 0;
    }
    if (file != NULL)
        is_set &= fclose(file) == 0;
    if (!is_set)
        log_printf(log, LOG_WARNING_LEVEL, "Unable to write oom_score_adj: %s", strerror(errno));
}

void process_set_memory_policy(struct config *config, const struct log *log)
{
#ifdef PR_SET_THP_DISABLE
    if (CFG_READ(config, disable_thp))
        prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
#endif
    set_oom_score(config, log);
}

/* The socket on which systemd waits for news; NULL: it is not the supervisor. */
static const char *systemd_socket(struct config *config)
{
    int mode = CFG_READ(config, supervised);
    return mode == CFG_SUPERVISED_SYSTEMD || mode == CFG_SUPERVISED_AUTO ? getenv("NOTIFY_SOCKET") : NULL;
}

static bool is_upstart(struct config *config)
{
    int mode = CFG_READ(config, supervised);
    return (mode == CFG_SUPERVISED_UPSTART || mode == CFG_SUPERVISED_AUTO) && getenv("UPSTART_JOB") != NULL;
}

bool process_is_supervised(struct config *config)
{
    return systemd_socket(config) != NULL || is_upstart(config);
}

/* systemd's notification protocol: a datagram to the socket that it named (sd_notify(3)). */
static void notify_systemd(const char *path, const char *message)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract name space */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address, address_len);
    (void)sent;
    close(fd);
}

void process_notify_ready(struct config *config)
{
    const char *socket_path = systemd_socket(config);
    if (socket_path != NULL)
        notify_systemd(socket_path, "STATUS=Ready to accept connections\nREADY=1\n");
    if (is_upstart(config))
        raise(SIGSTOP); /* what upstart waits for */
}

void process_notify_stopping(struct config *config)
{
    const char *socket_path = systemd_socket(config);
    if (socket_path != NULL)
        notify_systemd(socket_path, "STOPPING=1\n");
}

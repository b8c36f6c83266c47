/* larder-server: reads its options, opens one engine, serves it until it is told to stop. Signals, the standard streams
   and the exit status belong to this file alone. The main thread only waits: signal handlers and a client's SHUTDOWN
   write a byte into a pipe, which it reads. */
#include "base/mem.h"
#include "commands/client.h"
#include "commands/commands.h"
#include "engine/acl_file.h"
#include "engine/engine.h"
#include "net/net.h"
#include "server/command_line.h"
#include "server/crash.h"
#include "server/gibson_line.h"
#include "server/log_file.h"
#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#define PRODUCT "Larder " LARDER_VERSION

enum stop_reason { STOP_SIGTERM = 'T', STOP_SIGINT = 'I', STOP_BY_CLIENT = 'C' };

/* The write end of the pipe, for signal handlers; a second SIGINT ends the process at once. */
static int stop_pipe = -1;
static volatile sig_atomic_t interrupts;

struct server {
    struct config config;
    struct log_file log;
    struct larder engine;
    char config_file[PATH_MAX];
    char executable[PATH_MAX];
    char syslog_ident[256]; /* openlog keeps the pointer */
    int stop_pipe[2];
};

static void ask_to_stop(char reason)
{
    int saved = errno;
    ssize_t written = write(stop_pipe, &reason, 1);
    (void)written;
    errno = saved;
}

static void on_signal(int number)
{
    if (number == SIGINT && ++interrupts > 1)
        _exit(1);
    ask_to_stop(number == SIGINT ? STOP_SIGINT : STOP_SIGTERM);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

static bool on_client_shutdown(void *context, struct larder *engine)
{
    (void)context;
    (void)engine;
    ask_to_stop(STOP_BY_CLIENT);
    return true;
}

static bool on_rewrite(void *context, struct larder *engine, char *error, size_t size)
{
    struct server *server = context;
    struct cfg_error reason;
    if (cfg_file_rewrite(engine->config, server->config_file, &reason))
        return true;
    snprintf(error, size, "%s", reason.text);
    return false;
}

/* --- hooks: parameters that act when they change --- */

static bool on_dir(struct config *config, void *context, struct cfg_error *error)
{
    (void)context;
    char path[PATH_MAX];
    cfg_copy_text(config, &config->dir, path, sizeof(path));
    if (chdir(path) == 0)
        return true;
    snprintf(error->text, sizeof(error->text), "%s", strerror(errno));
    return false;
}

static bool on_maxclients(struct config *config, void *context, struct cfg_error *error)
{
    struct larder *engine = context;
    long long wanted = CFG_READ(config, maxclients);
    process_raise_file_limit(config, &engine->log);
    if (CFG_READ(config, maxclients) == wanted)
        return true;
    snprintf(error->text, sizeof(error->text),
             "The operating system is not able to handle the specified number of clients, try with %lld",
             CFG_READ(config, maxclients));
    return false;
}

/* --- start and stop --- */

static size_t thread_count(struct config *config)
{
    size_t threads = (size_t)CFG_READ(config, threads);
    if (threads > 0)
        return threads;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (size_t)cores : 1;
}

static bool open_engine(struct server *server)
{
    struct engine_options options = {
        .threads = thread_count(&server->config),
        .families = command_families,
        .describe_client = client_describe,
        .log = log_file_write,
        .log_context = &server->log,
    };
    if (!engine_init(&server->engine, &options, &server->config)) {
        fputs("larder-server: out of memory\n", stderr);
        return false;
    }
    server->engine.host = (struct host){
        .context = server,
        .rewrite_config = on_rewrite,
        .shutdown = on_client_shutdown,
        .config_file = server->config_file,
        .executable = server->executable,
    };
    return true;
}

static void announce(struct server *server, const struct command_line *line)
{
    struct log *log = &server->engine.log;
    log_printf(log, LOG_NOTICE_LEVEL, "Larder is starting");
    log_printf(log, LOG_NOTICE_LEVEL, "Larder version=%s, bits=%d, threads=%zu, pid=%d, just started", LARDER_VERSION,
               (int)(sizeof(void *) * CHAR_BIT), thread_count(&server->config), (int)getpid());
    if (line->file == NULL && !line->reads_standard_input)
        log_printf(log, LOG_WARNING_LEVEL,
                   "No config file given, using the defaults. To give one: larder-server /path/to/larder.conf");
    else
        log_printf(log, LOG_NOTICE_LEVEL, "Configuration loaded");
}

static void announce_ready(struct server *server)
{
    struct log *log = &server->engine.log;
    int port = atomic_load_explicit(&server->engine.tcp_port, memory_order_relaxed);
    int tls_port = atomic_load_explicit(&server->engine.tls_port, memory_order_relaxed);
    log_printf(log, LOG_NOTICE_LEVEL, "Running mode=standalone, port=%d.", port > 0 ? port : tls_port);
    log_printf(log, LOG_NOTICE_LEVEL, "Server initialized");
    if (port > 0)
        log_printf(log, LOG_NOTICE_LEVEL, "Ready to accept connections tcp");
    if (tls_port > 0)
        log_printf(log, LOG_NOTICE_LEVEL, "Ready to accept connections tls");
    if (!cfg_text_is_empty(&server->config, &server->config.unixsocket))
        log_printf(log, LOG_NOTICE_LEVEL, "Ready to accept connections unix");
    process_notify_ready(&server->config);
}

static void wait_for_stop(struct server *server)
{
    struct log *log = &server->engine.log;
    char reason;
    while (read(server->stop_pipe[0], &reason, 1) != 1)
        continue;
    if (reason == STOP_SIGTERM)
        log_printf(log, LOG_WARNING_LEVEL, "Received SIGTERM scheduling shutdown...");
    else if (reason == STOP_SIGINT)
        log_printf(log, LOG_WARNING_LEVEL, "Received SIGINT scheduling shutdown...");
    log_printf(log, LOG_NOTICE_LEVEL, "User requested shutdown...");
}

static void log_failure(const struct log *log, const struct net_failure *failure)
{
    switch (failure->at) {
    case NET_FAILED_PORT:
        log_printf(log, LOG_WARNING_LEVEL, "Failed listening on port %d (tcp), aborting.", failure->port);
        break;
    case NET_FAILED_TLS_PORT:
        log_printf(log, LOG_WARNING_LEVEL, "Failed listening on port %d (tls), aborting.", failure->port);
        break;
    case NET_FAILED_GIBSON_PORT:
        log_printf(log, LOG_WARNING_LEVEL, "Failed listening on port %d (gibson), aborting.", failure->port);
        break;
    case NET_FAILED_TLS:
        log_printf(log, LOG_WARNING_LEVEL, "Failed to configure TLS. Check logs for more info.");
        break;
    case NET_FAILED_OTHERWISE:
        log_printf(log, LOG_WARNING_LEVEL, "Failed to start: %s", failure->reason);
        break;
    }
}

static int serve(struct server *server)
{
    struct log *log = &server->engine.log;
    struct net_options options = {.workers = thread_count(&server->config)};
    struct net_failure failure;
    struct net *net = net_start(&server->engine, &options, &failure);
    if (net == NULL) {
        log_failure(log, &failure);
        return 1;
    }
    announce_ready(server);
    wait_for_stop(server);
    process_notify_stopping(&server->config);
    net_stop(net);
    process_remove_pid_file(&server->config);
    log_printf(log, LOG_WARNING_LEVEL, "Larder is now ready to exit, bye bye...");
    return 0;
}

static bool go_to_background(struct server *server)
{
    if (!CFG_READ(&server->config, daemonize) || process_is_supervised(&server->config))
        return true;
    if (!process_daemonize()) {
        fprintf(stderr, "larder-server: cannot go to the background: %s\n", strerror(errno));
        return false;
    }
    server->log.is_quiet = true;
    return true;
}

static void open_syslog(struct server *server)
{
    static const int facilities[] = {
        [CFG_SYSLOG_USER] = LOG_USER,     [CFG_SYSLOG_LOCAL0] = LOG_LOCAL0, [CFG_SYSLOG_LOCAL1] = LOG_LOCAL1,
        [CFG_SYSLOG_LOCAL2] = LOG_LOCAL2, [CFG_SYSLOG_LOCAL3] = LOG_LOCAL3, [CFG_SYSLOG_LOCAL4] = LOG_LOCAL4,
        [CFG_SYSLOG_LOCAL5] = LOG_LOCAL5, [CFG_SYSLOG_LOCAL6] = LOG_LOCAL6, [CFG_SYSLOG_LOCAL7] = LOG_LOCAL7,
    };
    if (!CFG_READ(&server->config, syslog_enabled))
        return;
    cfg_copy_text(&server->config, &server->config.syslog_ident, server->syslog_ident, sizeof(server->syslog_ident));
    openlog(server->syslog_ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT,
            facilities[CFG_READ(&server->config, syslog_facility)]);
}

static bool start_users(struct server *server)
{
    struct text error = {0};
    bool is_started = acl_start(&server->engine, &error);
    if (!is_started)
        log_printf(&server->engine.log, LOG_WARNING_LEVEL, "Aborting Larder startup because of ACL errors: %s",
                   error.at != NULL ? error.at : "out of memory");
    text_free(&error);
    return is_started;
}

/* Everything between opening the engine and closing it. */
static int start_and_serve(struct server *server, const struct command_line *line)
{
    if (!cfg_on_change(&server->config, "maxclients", on_maxclients, &server->engine) || !go_to_background(server))
        return 1;
    open_syslog(server);
    if (CFG_READ(&server->config, crash_log_enabled))
        crash_install(&server->config);
    announce(server, line);
    if (!start_users(server))
        return 1;
    if (CFG_READ(&server->config, daemonize) || !cfg_text_is_empty(&server->config, &server->config.pidfile))
        process_write_pid_file(&server->config, &server->engine.log);
    process_raise_file_limit(&server->config, &server->engine.log);
    process_set_memory_policy(&server->config, &server->engine.log);
    install_signals();
    server->log.is_running = true;
    return serve(server);
}

static int run(struct server *server, const struct command_line *line)
{
    if (!open_engine(server))
        return 1;
    int status = start_and_serve(server, line);
    engine_free(&server->engine);
    closelog();
    return status;
}

static void find_paths(struct server *server, const struct command_line *line)
{
    if (line->file != NULL && strcmp(line->file, "-") != 0 && realpath(line->file, server->config_file) == NULL)
        server->config_file[0] = '\0';
    ssize_t len = readlink("/proc/self/exe", server->executable, sizeof(server->executable) - 1);
    server->executable[len > 0 ? len : 0] = '\0';
}

/* Reads the configuration. Renamings are tried on a table of their own, so that a bad one is refused where it stands.
 */
static bool load(struct server *server, const struct command_line *line)
{
    struct command_table table;
    if (!command_table_init(&table, command_families)) {
        fputs("larder-server: out of memory\n", stderr);
        return false;
    }
    server->config.check_rename = command_rename;
    server->config.check_rename_context = &table;
    server->config.check_user = acl_check_user_line;
    server->config.check_user_context = &table;
    struct cfg_file_error error;
    bool is_loaded = command_line_load(line, &server->config, PRODUCT, &error);
    if (!is_loaded)
        fputs(error.text, stderr);
    server->config.check_rename = NULL;
    server->config.check_user = NULL;
    command_table_free(&table);
    return is_loaded;
}

/* Reads the configuration into a server made for it, and runs that. */
static int configure_and_run(const struct command_line *line)
{
    struct server *server = mem_alloc_zeroed(sizeof(*server));
    if (server == NULL || !cfg_init(&server->config)) {
        fprintf(stderr, "larder-server: cannot start: %s\n", strerror(errno));
        mem_free(server);
        return 1;
    }
    int status = 1;
    if (pipe2(server->stop_pipe, O_CLOEXEC) != 0) {
        fprintf(stderr, "larder-server: cannot start: %s\n", strerror(errno));
    } else {
        stop_pipe = server->stop_pipe[1];
        server->log.config = &server->config;
        find_paths(server, line);
        if (cfg_on_change(&server->config, "dir", on_dir, NULL) && load(server, line))
            status = run(server, line);
    }
    cfg_free(&server->config);
    mem_free(server);
    return status;
}

int main(int argc, char **argv)
{
    struct command_line line;
    if (gibson_line_is_meant(argc, argv))
        gibson_line_parse(argc, argv, &line);
    else
        command_line_parse(argc, argv, &line);
    if (line.warning.len > 0)
        fputs(line.warning.at, stderr);
    int status = 0;
    switch (line.action) {
    case COMMAND_LINE_VERSION:
        printf("Larder server v=%s compatible=%s malloc=%s tls=%s lz4=%s bits=%d\n", LARDER_VERSION,
               LARDER_REDIS_VERSION, mem_allocator_name(), LARDER_TLS, LARDER_LZ4, (int)(sizeof(void *) * CHAR_BIT));
        break;
    case COMMAND_LINE_HELP:
        fputs(line.help, stdout);
        break;
    case COMMAND_LINE_REFUSE:
        fprintf(stderr, "%s\n", line.refusal);
        status = 1;
        break;
    case COMMAND_LINE_RUN:
        status = configure_and_run(&line);
        break;
    }
    command_line_free(&line);
    return status;
}

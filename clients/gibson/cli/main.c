/* gibson-cli: a Gibson server from the command line, one request per line of standard input. */
#include "commands.h"
#include "lines.h"

#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { DEFAULT_PORT = 10128, DEFAULT_TIMEOUT_MS = 1000, LARGEST_PORT = 65535 };

static const char default_address[] = "127.0.0.1";
static const char default_socket[] = "/var/run/gibson.sock";

static void print_usage(FILE *to)
{
    fprintf(to,
            "Usage: gibson-cli [options]\n"
            "  -h, --help          this text\n"
            "  -a, --address ADDR  connect to this host (default %s)\n"
            "  -p, --port PORT     connect to this port (default %d)\n"
            "  -u, --unix PATH     connect to this Unix socket (default %s, unless -a or -p is given)\n"
            "  -t, --timeout MS    wait at most so long for the server (default %d)\n"
            "Commands are read from standard input; :help lists them.\n",
            default_address, DEFAULT_PORT, default_socket, DEFAULT_TIMEOUT_MS);
}

static _Noreturn void refuse(void)
{
    print_usage(stderr);
    exit(EXIT_FAILURE);
}

static int parse_positive(const char *text, long largest)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 1 || number > largest)
        refuse();
    return (int)number;
}

/* A path given with -u wins over an address, an address or a port over the default path; -u "" is none. */
static struct server parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},          {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},    {"unix", required_argument, NULL, 'u'},
        {"timeout", required_argument, NULL, 't'}, {0}};
    struct server server = {default_address, DEFAULT_PORT, default_socket, DEFAULT_TIMEOUT_MS};
    const char *path = NULL;
    for (int option; (option = getopt_long(argc, argv, "ha:p:u:t:", options, NULL)) != -1;) {
        switch (option) {
        case 'h':
            print_usage(stdout);
            exit(EXIT_SUCCESS);
        case 'a':
            server.address = optarg;
            server.socket = NULL;
            break;
        case 'p':
            server.port = parse_positive(optarg, LARGEST_PORT);
            server.socket = NULL;
            break;
        case 'u':
            path = optarg;
            break;
        case 't':
            server.timeout_ms = parse_positive(optarg, INT_MAX);
            break;
        default:
            refuse();
        }
    }
    if (optind < argc)
        refuse();
    if (path != NULL)
        server.socket = *path != '\0' ? path : NULL;
    return server;
}

static void print_help(void)
{
    commands_print_help();
    puts("  :help or :h\n  :quit or :q");
}

/* False when the line asks to leave. */
static bool handle(const struct server *server, char *line)
{
    line += strspn(line, " \t\r");
    line[strcspn(line, "\r")] = '\0';
    if (*line == '\0')
        return true;
    if (strcmp(line, ":quit") == 0 || strcmp(line, ":q") == 0)
        return false;
    if (strcmp(line, ":help") == 0 || strcmp(line, ":h") == 0)
        print_help();
    else
        commands_run(server, line);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    struct server server = parse_options(argc, argv);
    bool is_terminal = isatty(STDIN_FILENO);
    char prompt[320] = "local> ";
    if (server.socket == NULL)
        snprintf(prompt, sizeof(prompt), "%s:%d> ", server.address, server.port);
    if (is_terminal)
        puts("Type :help or :h for the commands, :quit or :q to leave.");

    struct lines lines = {0};
    lines_open(&lines, is_terminal);
    bool is_going_on = true;
    while (is_going_on) {
        char *line = lines_read(&lines, prompt);
        if (line == NULL) {
            if (is_terminal)
                putchar('\n');
            break;
        }
        is_going_on = handle(&server, line);
        free(line);
    }
    lines_close(&lines);
    return EXIT_SUCCESS;
}

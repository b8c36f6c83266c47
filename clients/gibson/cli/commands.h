/* What can be typed: a line is split into words, the first is looked up in the table of operators, the request is made
   on a connection of its own, and the reply is printed. */
#ifndef GIBSON_CLI_COMMANDS_H
#define GIBSON_CLI_COMMANDS_H

/* Where the server is. */
struct server {
    const char *address;
    int port;
    const char *socket; /* NULL: address and port count */
    int timeout_ms;
};

/* Runs a line, which is not empty, and prints the outcome on standard output. Changes the line. */
void commands_run(const struct server *server, char *line);

/* Prints the syntax of all operators. */
void commands_print_help(void);

#endif

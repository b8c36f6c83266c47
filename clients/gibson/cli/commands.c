/* The table of operators and running one. Operators of the same form of arguments share a form of library function, so
   a row is a name, its syntax and the function; nothing else knows an operator by name. */
#include "commands.h"

#include "gibson.h"
#include "print.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_ARGUMENTS = 3, LONGEST_WORD = 254 };

static const char blanks[] = " \t\r\n";

enum form { FORM_NONE, FORM_KEY, FORM_KEY_NUMBER, FORM_KEY_WORD, FORM_SET };

static const int arguments_of[] = {
    [FORM_NONE] = 0, [FORM_KEY] = 1, [FORM_KEY_NUMBER] = 2, [FORM_KEY_WORD] = 2, [FORM_SET] = 3};

/* No name begins with another: a word is matched by its leading letters. */
static const struct command {
    const char *name;
    const char *syntax;
    enum form form; /* says which of the functions is set */
    union {
        int (*none)(gbClient *);
        int (*key)(gbClient *, const char *, int);
        int (*key_number)(gbClient *, const char *, int, int);
        int (*key_word)(gbClient *, const char *, int, const char *, int);
        int (*set)(gbClient *, const char *, int, const char *, int, int);
    };
} commands[] = {
    {"set", "SET <ttl> <key> <value>", FORM_SET, .set = gb_set},
    {"ttl", "TTL <key> <ttl>", FORM_KEY_NUMBER, .key_number = gb_ttl},
    {"get", "GET <key>", FORM_KEY, .key = gb_get},
    {"del", "DEL <key>", FORM_KEY, .key = gb_del},
    {"inc", "INC <key>", FORM_KEY, .key = gb_inc},
    {"dec", "DEC <key>", FORM_KEY, .key = gb_dec},
    {"lock", "LOCK <key> <time>", FORM_KEY_NUMBER, .key_number = gb_lock},
    {"unlock", "UNLOCK <key>", FORM_KEY, .key = gb_unlock},
    {"mset", "MSET <prefix> <value>", FORM_KEY_WORD, .key_word = gb_mset},
    {"mttl", "MTTL <prefix> <ttl>", FORM_KEY_NUMBER, .key_number = gb_mttl},
    {"mget", "MGET <prefix>", FORM_KEY, .key = gb_mget},
    {"mdel", "MDEL <prefix>", FORM_KEY, .key = gb_mdel},
    {"minc", "MINC <prefix>", FORM_KEY, .key = gb_minc},
    {"mdec", "MDEC <prefix>", FORM_KEY, .key = gb_mdec},
    {"mlock", "MLOCK <prefix> <time>", FORM_KEY_NUMBER, .key_number = gb_mlock},
    {"munlock", "MUNLOCK <prefix>", FORM_KEY, .key = gb_munlock},
    {"count", "COUNT <prefix>", FORM_KEY, .key = gb_count},
    {"stats", "STATS", FORM_NONE, .none = gb_stats},
    {"ping", "PING", FORM_NONE, .none = gb_ping},
    {"meta", "META <key> size|encoding|access|created|ttl|left|lock", FORM_KEY_WORD, .key_word = gb_meta},
    {"keys", "KEYS <prefix>", FORM_KEY, .key = gb_keys},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

void commands_print_help(void)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %s\n", commands[i].syntax);
    puts("Times are in seconds; a ttl of 0 is none, a lock of -1 is for ever.");
}

static const struct command *find(const char *word)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strncasecmp(word, commands[i].name, strlen(commands[i].name)) == 0)
            return &commands[i];
    return NULL;
}

struct word {
    const char *at;
    int len;
};

/* The arguments of a command; `number` belongs to the forms that have one. */
struct arguments {
    struct word words[MOST_ARGUMENTS];
    int number;
};

static bool parse_number(struct word word, int *number)
{
    char *end;
    errno = 0;
    long value = strtol(word.at, &end, 10);
    *number = (int)value;
    return *end == '\0' && errno == 0 && value >= INT_MIN && value <= INT_MAX;
}

/* Takes exactly the words that the command's form has from the rest of the line. */
static bool parse_arguments(const struct command *command, char *rest, struct arguments *arguments)
{
    *arguments = (struct arguments){.words = {{"", 0}, {"", 0}, {"", 0}}};
    char *position = rest;
    int count = 0;
    for (char *word; (word = strtok_r(NULL, blanks, &position)) != NULL; count++) {
        size_t len = strlen(word);
        if (count == arguments_of[command->form] || len > LONGEST_WORD)
            return false;
        arguments->words[count] = (struct word){word, (int)len};
    }
    if (count != arguments_of[command->form])
        return false;
    if (command->form == FORM_SET)
        return parse_number(arguments->words[0], &arguments->number);
    if (command->form == FORM_KEY_NUMBER)
        return parse_number(arguments->words[1], &arguments->number);
    return true;
}

static int call(const struct command *command, gbClient *client, const struct arguments *arguments)
{
    const struct word *words = arguments->words;
    switch (command->form) {
    case FORM_NONE:
        return command->none(client);
    case FORM_KEY:
        return command->key(client, words[0].at, words[0].len);
    case FORM_KEY_NUMBER:
        return command->key_number(client, words[0].at, words[0].len, arguments->number);
    case FORM_KEY_WORD:
        return command->key_word(client, words[0].at, words[0].len, words[1].at, words[1].len);
    case FORM_SET:
        return command->set(client, words[1].at, words[1].len, words[2].at, words[2].len, arguments->number);
    }
    return -1;
}

static int connect_to(const struct server *server, gbClient *client)
{
    if (server->socket != NULL)
        return gb_unix_connect(client, server->socket, server->timeout_ms);
    return gb_tcp_connect(client, server->address, server->port, server->timeout_ms);
}

void commands_run(const struct server *server, char *line)
{
    char *rest;
    const char *name = strtok_r(line, blanks, &rest);
    const struct command *command = name != NULL ? find(name) : NULL;
    struct arguments arguments;
    if (command == NULL) {
        puts("? Unknown command");
        return;
    }
    if (!parse_arguments(command, rest, &arguments)) {
        printf("ERROR: Invalid parameters, correct syntax is:\n  %s\n", command->syntax);
        return;
    }
    gbClient client;
    if (connect_to(server, &client) != 0) {
        puts("ERROR: Could not connect to Gibson instance.");
        return;
    }
    if (call(command, &client, &arguments) == -1)
        print_failure();
    else
        print_reply(&client);
    gb_disconnect(&client);
}

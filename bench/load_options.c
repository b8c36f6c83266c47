/*
 * The load generator's command line: one table of options, from which parsing, checking and the help all follow.
 */
#include "load_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const command_names[] = {"get", "set", "incr", "mset", "ping", NULL};
static const char *const protocol_names[] = {"resp", "gibson", NULL};
static const char *const distribution_names[] = {"uniform", "sequential", "zipf", NULL};

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("out of memory");
    return memory;
}

enum option_kind { OPTION_TEXT, OPTION_COUNT, OPTION_REAL, OPTION_WORD, OPTION_FLAG };

/* An option of the command line: where its value goes, what it may be, and its line of the help. */
struct option_rule {
    const char *name;
    enum option_kind kind;
    size_t offset;            /* of its field in struct options */
    uint64_t min, max;        /* counts only */
    const char *const *words; /* words only; the field becomes the index */
    const char *help;
};

#define FIELD(name) offsetof(struct options, name)
#define PORT_MAX 65535
#define PID_MAX 4194304
#define SPREAD_MS_MAX UINT64_C(100000000000)

static const struct option_rule rules[] = {
    {"host", OPTION_TEXT, FIELD(host), 0, 0, NULL, "server's name or address (127.0.0.1)"},
    {"port", OPTION_COUNT, FIELD(port), 1, PORT_MAX, NULL, "server's TCP port (6379)"},
    {"unix", OPTION_TEXT, FIELD(unix_path), 0, 0, NULL, "server's Unix socket, instead of TCP"},
    {"tls", OPTION_FLAG, FIELD(uses_tls), 0, 0, NULL, "TLS 1.3 with AES-256-GCM; any certificate will do"},
    {"protocol", OPTION_WORD, FIELD(protocol), 0, 0, protocol_names, "resp or gibson (resp)"},
    {"connections", OPTION_COUNT, FIELD(connections), 1, CONNECTIONS_MAX, NULL, "connections kept busy (50)"},
    {"pipeline", OPTION_COUNT, FIELD(pipeline), 1, PIPELINE_MAX, NULL, "requests written at once on a connection (1)"},
    {"requests", OPTION_COUNT, FIELD(requests), 1, UINT64_MAX / 2, NULL, "stop after so many requests (100000)"},
    {"seconds", OPTION_REAL, FIELD(seconds), 0, 0, NULL, "stop after so long"},
    {"command", OPTION_WORD, FIELD(command), 0, 0, command_names, "get, set, incr, mset (of 10 keys) or ping (get)"},
    {"keys", OPTION_COUNT, FIELD(keys), 1, KEYS_MAX, NULL, "size of the key space (100000)"},
    {"first-key", OPTION_COUNT, FIELD(first_key), 0, KEYS_MAX, NULL, "number of its first key (0)"},
    {"value-size", OPTION_COUNT, FIELD(value_bytes), 0, VALUE_BYTES_MAX, NULL, "bytes of a value (100)"},
    {"distribution", OPTION_WORD, FIELD(distribution), 0, 0, distribution_names,
     "of the keys: uniform, sequential or zipf (uniform)"},
    {"seed", OPTION_COUNT, FIELD(seed), 0, UINT64_MAX / 2, NULL, "of the random keys (1)"},
    {"rate", OPTION_REAL, FIELD(rate), 0, 0, NULL,
     "requests a second by timetable; latency then counts from the time in it"},
    {"deadline-ms", OPTION_COUNT, FIELD(deadline_ms), TIME_MS_MIN, TIME_MS_MAX, NULL,
     "set with PXAT, milliseconds since 1970"},
    {"deadline-spread-ms", OPTION_COUNT, FIELD(deadline_spread_ms), 1, SPREAD_MS_MAX, NULL,
     "deadlines lie evenly in so long after that"},
    {"populate", OPTION_FLAG, FIELD(populates), 0, 0, NULL, "set every key once, in order"},
    {"server-pid", OPTION_COUNT, FIELD(server_pid), 1, PID_MAX, NULL,
     "also report the longest wait without the time that other programs held the cores"},
    {"idle", OPTION_COUNT, FIELD(idle), 1, CONNECTIONS_MAX, NULL,
     "only hold so many connections: say \"ready\", wait for the end of stdin"},
};

enum { RULES = sizeof rules / sizeof rules[0] };

static void print_help(void)
{
    puts("usage: load [options]");
    for (unsigned i = 0; i < RULES; i++)
        printf("  --%-20s %s\n", rules[i].name, rules[i].help);
}

static uint64_t parse_count(const struct option_rule *rule, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || number < rule->min || number > rule->max)
        die("--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'", rule->name, rule->min, rule->max, text);
    return number;
}

static double parse_real(const struct option_rule *rule, const char *text)
{
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (errno || *end || end == text || !(number > 0 && number < 1e9))
        die("--%s takes a number above 0, not '%s'", rule->name, text);
    return number;
}

static unsigned parse_word(const struct option_rule *rule, const char *text)
{
    for (unsigned i = 0; rule->words[i]; i++)
        if (strcmp(rule->words[i], text) == 0)
            return i;
    die("--%s does not know '%s'", rule->name, text);
}

static void apply_rule(struct options *options, const struct option_rule *rule, const char *text)
{
    void *field = (char *)options + rule->offset;
    switch (rule->kind) {
    case OPTION_TEXT:
        *(const char **)field = text;
        break;
    case OPTION_COUNT:
        *(uint64_t *)field = parse_count(rule, text);
        break;
    case OPTION_REAL:
        *(double *)field = parse_real(rule, text);
        break;
    case OPTION_WORD:
        *(unsigned *)field = parse_word(rule, text);
        break;
    case OPTION_FLAG:
        *(bool *)field = true;
        break;
    }
}

static const struct option_rule *find_rule(const char *word)
{
    for (unsigned i = 0; i < RULES; i++)
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, rules[i].name) == 0)
            return &rules[i];
    die("'%s' is not an option; --help lists them", word);
}

struct options parse_options(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1",
                              .port = 6379,
                              .connections = 50,
                              .pipeline = 1,
                              .keys = 100000,
                              .value_bytes = 100,
                              .seed = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            exit(0);
        }
        const struct option_rule *rule = find_rule(argv[i]);
        bool takes_value = rule->kind != OPTION_FLAG;
        if (takes_value && i + 1 == argc)
            die("--%s takes a value", rule->name);
        apply_rule(&options, rule, takes_value ? argv[++i] : NULL);
    }
    if (options.populates) {
        options.command = CMD_SET;
        options.distribution = DIST_SEQUENTIAL;
        options.requests = options.keys;
        options.seconds = 0;
    }
    if (options.requests == 0 && options.seconds == 0)
        options.requests = 100000;
    if (options.deadline_ms && options.command != CMD_SET)
        die("--deadline-ms goes with --command set");
    if (options.protocol == PROTOCOL_GIBSON && (options.command == CMD_MSET || options.deadline_ms))
        die("--command mset and --deadline-ms go with --protocol resp");
    return options;
}

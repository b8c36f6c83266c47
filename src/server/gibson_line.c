/* Gibson's command line and configuration file; see gibson_line.h. */
#include "server/gibson_line.h"

#include "base/mem.h"
#include "base/split.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_FILE "/etc/gibson/gibson.conf"

enum kind {
    KIND_WORD,
    KIND_INTEGER,
    KIND_SIZE, /* bytes: an integer with a unit b, k, m or g */
    KIND_TIME, /* seconds: an integer with a unit s, m, h or d */
};

enum option {
    OPTION_LOGFILE,
    OPTION_LOGLEVEL,
    OPTION_UNIX_SOCKET,
    OPTION_ADDRESS,
    OPTION_PORT,
    OPTION_DAEMONIZE,
    OPTION_PIDFILE,
    OPTION_MAX_MEMORY,
    OPTION_NUMBERS, /* from here on: numbers that are a parameter here */
};

static const struct known_option {
    const char *name;
    enum kind kind;
    const char *usual;     /* the default, as it would be written */
    const char *parameter; /* whose value the number is; NULL: it means something else, or nothing */
    long long least;       /* that the parameter takes */
    const char *help;
} known[] = {
    [OPTION_LOGFILE] = {"logfile", KIND_WORD, "/dev/stdout", NULL, 0, "file to log to"},
    [OPTION_LOGLEVEL] = {"loglevel", KIND_INTEGER, "1", NULL, 0, "0 debug, 1 info, 2 warning, 3 error"},
    [OPTION_UNIX_SOCKET] = {"unix_socket", KIND_WORD, NULL, NULL, 0, "path of a Unix socket, instead of TCP"},
    [OPTION_ADDRESS] = {"address", KIND_WORD, "127.0.0.1", NULL, 0, "IPv4 address to listen on"},
    [OPTION_PORT] = {"port", KIND_INTEGER, "10128", NULL, 0, "TCP port"},
    [OPTION_DAEMONIZE] = {"daemonize", KIND_INTEGER, "0", NULL, 0, "1: go to the background"},
    [OPTION_PIDFILE] = {"pidfile", KIND_WORD, "/var/run/gibson.pid", NULL, 0, "file for the process id"},
    [OPTION_MAX_MEMORY] = {"max_memory", KIND_SIZE, "2G", NULL, 0, "memory that items may take"},
    [OPTION_NUMBERS] = {"max_item_ttl", KIND_INTEGER, "2592000", "gibson-max-item-ttl", 1,
                        "longest time to live, in seconds"},
    {"max_idletime", KIND_INTEGER, "1", "tcp-keepalive", 0, "seconds of silence before TCP probes a client"},
    {"max_clients", KIND_INTEGER, "1024", "maxclients", 1, "clients at a time"},
    {"max_request_size", KIND_SIZE, "4M", "gibson-max-request-size", 2, "bytes of a request"},
    {"max_key_size", KIND_SIZE, "512", "gibson-max-key-size", 1, "bytes of a key"},
    {"max_value_size", KIND_SIZE, "4096", "gibson-max-value-size", 1, "bytes of a value"},
    {"max_response_size", KIND_SIZE, "40960000", "gibson-max-response-size", 0, "bytes of a list"},
    {"gc_ratio", KIND_TIME, "15m", "gibson-gc-ratio", 1, "items unused for so long go when memory is short"},
    {"compression", KIND_SIZE, "40960", "gibson-compression", 1, "longer values are compressed"},
    {"max_mem_cron", KIND_TIME, "15", "gibson-max-mem-cron", 1, "seconds between looking for unused items"},
    {"logflushrate", KIND_INTEGER, "1", NULL, 0, "ignored: every line is written at once"},
    {"cron_period", KIND_INTEGER, "100", NULL, 0, "ignored: what is due is done in time"},
    {"expired_cron", KIND_TIME, "5", NULL, 0, "ignored: items go when their time has come"},
};

enum { KNOWN = COUNT_OF(known) };

/* What was read: the words in force, from the file or the command line. */
struct reading {
    char *words[KNOWN]; /* NULL: the default */
    struct command_line *out;
};

static void refuse(struct command_line *out, const char *format, const char *a, const char *b)
{
    text_append_format(&out->message, format, a, b);
    out->action = COMMAND_LINE_REFUSE;
    out->refusal = out->message.at != NULL ? out->message.at : "out of memory";
}

static bool keep(struct reading *reading, size_t option, bytes word)
{
    char *copy = mem_alloc(word.len + 1);
    if (copy == NULL) {
        refuse(reading->out, "out of memory%s%s", "", "");
        return false;
    }
    memcpy(copy, word.at, word.len);
    copy[word.len] = '\0';
    mem_free(reading->words[option]);
    reading->words[option] = copy;
    return true;
}

static size_t find_option(bytes name)
{
    size_t option = 0;
    while (option < KNOWN && !bytes_equal(name, bytes_of(known[option].name)))
        option++;
    return option;
}

/* ---- The file ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes the next word off a line; an empty one at its end. */
static bytes take_word(const char **at)
{
    while (is_blank(**at))
        (*at)++;
    const char *start = *at;
    while (**at != '\0' && !is_blank(**at))
        (*at)++;
    return (bytes){start, (size_t)(*at - start)};
}

static bool read_line(struct reading *reading, const char *line, const char *file, size_t number)
{
    const char *at = line;
    bytes name = take_word(&at);
    bytes value = take_word(&at);
    if (name.len == 0 || line[0] == '#')
        return true;
    if (value.len == 0) {
        char text[32];
        snprintf(text, sizeof(text), "%zu", number);
        refuse(reading->out, "Error on line %s of %s, unexpected end of line.", text, file);
        return false;
    }
    size_t option = find_option(name);
    return option == KNOWN || keep(reading, option, value);
}

static bool read_file(struct reading *reading, const char *file)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        refuse(reading->out, "Could not open the configuration file %s: %s", file, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t capacity = 0, number = 0;
    bool is_fine = true;
    while (is_fine && getline(&line, &capacity, stream) >= 0)
        is_fine = read_line(reading, line, file, ++number);
    free(line); /* getline's */
    fclose(stream);
    return is_fine;
}

/* ---- The command line ---- */

/* The value of an option, which is a word of its own or follows a "="; NULL, and it was refused, when there is none. */
static const char *value_of(struct reading *reading, int argc, char *const *argv, int *i)
{
    const char *equals = strchr(argv[*i], '=');
    if (equals != NULL)
        return equals + 1;
    if (*i + 1 < argc)
        return argv[++*i];
    refuse(reading->out, "option '%s' requires a value%s", argv[*i], "");
    return NULL;
}

static bool is_file_option(const char *word)
{
    return strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0 ||
           strncmp(word, "--config=", strlen("--config=")) == 0;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

/* Finds the file's name, which is read before any option counts. False: nothing is to be read. */
static bool find_file(struct reading *reading, int argc, char *const *argv, const char **file)
{
    for (int i = 1; i < argc; i++) {
        if (asks_for_help(argv[i])) {
            reading->out->action = COMMAND_LINE_HELP;
            return false;
        }
        if (is_file_option(argv[i]) && (*file = value_of(reading, argc, argv, &i)) == NULL)
            return false;
    }
    return true;
}

static bool read_options(struct reading *reading, int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strncmp(word, "--", 2) != 0 && strcmp(word, "-c") != 0) {
            refuse(reading->out, "unknown option '%s'; --help lists them%s", word, "");
            return false;
        }
        const char *value = value_of(reading, argc, argv, &i);
        if (value == NULL)
            return false;
        if (is_file_option(word))
            continue;
        size_t option = find_option((bytes){word + 2, strcspn(word + 2, "=")});
        if (option == KNOWN) {
            refuse(reading->out, "unknown option '%s'; --help lists them%s", word, "");
            return false;
        }
        if (!keep(reading, option, bytes_of(value)))
            return false;
    }
    return true;
}

/* ---- Values ---- */

/* What a unit multiplies by; 0: it is none of this kind. */
static long long unit_factor(enum kind kind, char unit)
{
    static const char sizes[] = "bkmg", times[] = "smhd";
    static const long long seconds[] = {1, 60, 3600, 86400};
    char lower = (char)(unit >= 'A' && unit <= 'Z' ? unit - 'A' + 'a' : unit);
    const char *at = strchr(kind == KIND_SIZE ? sizes : times, lower);
    if (kind == KIND_INTEGER || at == NULL || lower == '\0')
        return 0;
    return kind == KIND_SIZE ? 1LL << (10 * (at - sizes)) : seconds[at - times];
}

static bool parse_number(const char *text, enum kind kind, long long *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    long long factor = 1;
    if (end == text || errno != 0)
        return false;
    if (*end != '\0')
        factor = unit_factor(kind, *end++);
    return factor != 0 && *end == '\0' && !__builtin_mul_overflow(value, factor, number);
}

static const char *word_of(const struct reading *reading, size_t option)
{
    return reading->words[option] != NULL ? reading->words[option] : known[option].usual;
}

static long long number_of(const struct reading *reading, size_t option)
{
    long long number = 0;
    bool is_read = parse_number(word_of(reading, option), known[option].kind, &number) ||
                   parse_number(known[option].usual, known[option].kind, &number);
    assert(is_read);
    (void)is_read;
    return number;
}

/* ---- Parameters ---- */

static void put(struct reading *reading, const char *parameter, const char *value)
{
    struct text *options = &reading->out->options;
    text_append(options, bytes_of(parameter));
    text_append_char(options, ' ');
    split_append_quoted(options, bytes_of(value));
    text_append_char(options, '\n');
}

static void put_number(struct reading *reading, const char *parameter, long long number)
{
    text_append_format(&reading->out->options, "%s %lld\n", parameter, number);
}

static void put_log(struct reading *reading)
{
    static const char *const levels[] = {"debug", "notice", "warning"};
    long long level = number_of(reading, OPTION_LOGLEVEL);
    const char *file = word_of(reading, OPTION_LOGFILE);
    put(reading, "logfile", strcmp(file, known[OPTION_LOGFILE].usual) == 0 ? "" : file);
    put(reading, "loglevel", levels[level < 0 ? 0 : level > 2 ? 2 : level]);
}

/* False when the address is none, which has been refused. */
static bool put_place(struct reading *reading)
{
    const char *path = word_of(reading, OPTION_UNIX_SOCKET);
    const char *address = word_of(reading, OPTION_ADDRESS);
    long long port = number_of(reading, OPTION_PORT);
    struct in_addr ignored;
    if (path != NULL) {
        put(reading, "gibson-unixsocket", path);
        put(reading, "unixsocketperm", "777");
        return true;
    }
    if (inet_pton(AF_INET, address, &ignored) != 1) {
        refuse(reading->out, "address '%s' is no IPv4 address%s", address, "");
        return false;
    }
    if (port < 1 || port > USHRT_MAX) {
        refuse(reading->out, "port '%s' is not between 1 and 65535%s", word_of(reading, OPTION_PORT), "");
        return false;
    }
    put(reading, "bind", address);
    put_number(reading, "gibson-port", port);
    return true;
}

/* More than the machine has becomes half of what it has. */
static void put_memory(struct reading *reading)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    long long limit = number_of(reading, OPTION_MAX_MEMORY);
    if (pages > 0 && page_bytes > 0 && limit / page_bytes > pages) {
        limit = (long long)pages * page_bytes / 2;
        text_append_format(&reading->out->warning,
                           "max_memory is more than this machine has: lowered to half of that, %lld bytes\n", limit);
    }
    put_number(reading, "maxmemory", limit > 0 ? limit : 0);
}

static void put_all(struct reading *reading)
{
    put_log(reading);
    if (!put_place(reading))
        return;
    put(reading, "daemonize", number_of(reading, OPTION_DAEMONIZE) != 0 ? "yes" : "no");
    put(reading, "pidfile", word_of(reading, OPTION_PIDFILE));
    put_memory(reading);
    for (size_t i = OPTION_NUMBERS; i < KNOWN; i++) {
        long long number = known[i].parameter != NULL ? number_of(reading, i) : 0;
        number = number < known[i].least ? known[i].least : number > INT_MAX ? INT_MAX : number;
        if (known[i].parameter != NULL)
            put_number(reading, known[i].parameter, number);
    }
    put(reading, "port", "0");
    put(reading, "protected-mode", "no");
    put(reading, "save", "");
    if (reading->out->options.is_cut)
        refuse(reading->out, "out of memory%s%s", "", "");
}

static void write_help(struct command_line *out)
{
    text_append_format(&out->message, "gibson (Larder %s)\n\n    gibson [-c FILE] [--OPTION VALUE] ...\n\n",
                       LARDER_VERSION);
    text_append_format(&out->message, "    -h, --help            this text\n");
    text_append_format(&out->message, "    -c, --config FILE     configuration file (default: %s)\n", DEFAULT_FILE);
    for (size_t i = 0; i < KNOWN; i++)
        text_append_format(&out->message, "    --%-20s%s (default: %s)\n", known[i].name, known[i].help,
                           known[i].usual != NULL ? known[i].usual : "none");
    out->help = out->message.at != NULL ? out->message.at : "";
}

bool gibson_line_is_meant(int argc, char *const *argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "";
    return strcmp(name, "gibson") == 0 || (argc > 1 && is_file_option(argv[1]));
}

void gibson_line_parse(int argc, char *const *argv, struct command_line *out)
{
    struct reading reading = {.out = out};
    const char *file = DEFAULT_FILE;
    *out = (struct command_line){0};
    if (find_file(&reading, argc, argv, &file) && read_file(&reading, file) && read_options(&reading, argc, argv))
        put_all(&reading);
    if (out->action == COMMAND_LINE_HELP)
        write_help(out);
    for (size_t i = 0; i < KNOWN; i++)
        mem_free(reading.words[i]);
}

/* The server's command line; see command_line.h. */
#include "server/command_line.h"

#include "base/split.h"

#include <strings.h>

static const char usage[] = "Usage: larder-server [/path/to/redis.conf] [options] [-]\n"
                            "       larder-server - (read config from stdin)\n"
                            "       larder-server -v or --version\n"
                            "       larder-server -h or --help\n"
                            "\n"
                            "Every line of a configuration file can be given as an option:\n"
                            "       larder-server --port 7777 --threads 4\n"
                            "       larder-server /etc/larder.conf --save 900 1 --loglevel verbose\n"
                            "       echo 'maxmemory 128mb' | larder-server -\n";

/* Asks for something else than a server. Only the first word can, except for --sentinel. */
static enum command_line_action first_word_action(const char *word, struct command_line *out)
{
    if (strcmp(word, "-v") == 0 || strcmp(word, "--version") == 0)
        return COMMAND_LINE_VERSION;
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
        return COMMAND_LINE_HELP;
    if (strcmp(word, "--test-memory") == 0) {
        out->refusal = "--test-memory is not available; use a memory test of the system, such as memtester";
        return COMMAND_LINE_REFUSE;
    }
    if (strcmp(word, "--check-system") == 0) {
        out->refusal = "--check-system is not available";
        return COMMAND_LINE_REFUSE;
    }
    return COMMAND_LINE_RUN;
}

static bool asks_for_sentinel(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--sentinel") == 0)
            return true;
    return false;
}

static bool starts_option(const char *word)
{
    return word[0] == '-' && word[1] == '-';
}

/* Whether a word is an option's name alone, so that its value is still to come. */
static bool is_bare_option(const char *word)
{
    struct split split = {0};
    bool is_bare = split_line(bytes_of(word), &split) == SPLIT_OK && split.count == 1;
    split_free(&split);
    return is_bare;
}

/* Adds the option that starts at words[0], with its words. Returns how many words it took. */
static int add_option(char *const *words, int count, struct text *options)
{
    int taken = 0;
    bool wants_value = false;
    if (options->len)
        text_append_char(options, '\n');
    if (starts_option(words[0])) {
        text_append(options, bytes_of(words[0] + 2));
        text_append_char(options, ' ');
        wants_value = is_bare_option(words[0]);
        taken = 1;
        /* Scripts pass an empty list of save points unquoted: `--save --port 6380`. */
        if (strcasecmp(words[0], "--save") == 0 && (taken == count || starts_option(words[taken]))) {
            text_append(options, BYTES("\"\""));
            return taken;
        }
    }
    for (; taken < count && (wants_value || !starts_option(words[taken])); taken++) {
        split_append_quoted(options, bytes_of(words[taken]));
        text_append_char(options, ' ');
        wants_value = false;
    }
    return taken;
}

void command_line_parse(int argc, char *const *argv, struct command_line *out)
{
    *out = (struct command_line){.help = usage};
    if (argc < 2)
        return;
    out->action = first_word_action(argv[1], out);
    if (out->action == COMMAND_LINE_RUN && asks_for_sentinel(argc, argv)) {
        out->action = COMMAND_LINE_REFUSE;
        out->refusal = "Sentinel mode is not available: a Redis Sentinel can watch this server instead";
    }
    if (out->action != COMMAND_LINE_RUN)
        return;

    int first = 1, end = argc;
    if (strcmp(argv[end - 1], "-") == 0) {
        out->reads_standard_input = true;
        end--;
    }
    if (first < end && strcmp(argv[first], "-") == 0) {
        out->reads_standard_input = true;
        first++;
    } else if (first < end && argv[first][0] != '-') {
        out->file = argv[first++];
    }
    while (first < end)
        first += add_option(argv + first, end - first, &out->options);
    if (out->options.is_cut) {
        out->action = COMMAND_LINE_REFUSE;
        out->refusal = "out of memory";
    }
}

void command_line_free(struct command_line *line)
{
    text_free(&line->options);
    text_free(&line->message);
    text_free(&line->warning);
}

bool command_line_load(const struct command_line *line, struct config *config, const char *product,
                       struct cfg_file_error *error)
{
    if (line->file && !cfg_file_load(config, line->file, product, error))
        return false;
    if (line->reads_standard_input && !cfg_file_load(config, "-", product, error))
        return false;
    struct cfg_file_source options = {
        .text = text_bytes(&line->options),
        .name = "the command line",
        .product = product,
        .may_include = true,
    };
    if (!cfg_file_load_text(config, &options, error))
        return false;
    struct cfg_error reason;
    if (!cfg_check(config, &reason)) {
        cfg_file_fail(error, product, reason.text);
        return false;
    }
    return true;
}

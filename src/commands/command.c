/* COMMAND: the command table told to clients, in the structure that Redis gives it. Nothing here knows a command by
   name: whatever is answered stands in the rows. */
#include "base/glob.h"
#include "commands/commands.h"
#include "engine/call.h"

enum { FULL_NAME_SIZE = 128 };

/* ---- Words for bits ---- */

static const struct command_bit_name flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_ASKING, "asking"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_ALLOW_BUSY, "allow_busy"},
};

static const struct command_bit_name key_flag_names[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_NOT_KEY, "not_key"},
    {KEY_INCOMPLETE, "incomplete"},
    {KEY_VARIABLE_FLAGS, "variable_flags"},
};

static const struct command_bit_name argument_flag_names[] = {
    {ARG_OPTIONAL, "optional"},
    {ARG_MULTIPLE, "multiple"},
    {ARG_MULTIPLE_TOKEN, "multiple_token"},
};

static size_t count_bits(uint32_t bits, const struct command_bit_name *names, size_t name_count)
{
    size_t count = 0;
    for (size_t i = 0; i < name_count; i++)
        count += (bits & names[i].bit) != 0;
    return count;
}

static void reply_bits(struct call *call, uint32_t bits, const struct command_bit_name *names, size_t name_count)
{
    for (size_t i = 0; i < name_count; i++)
        if (bits & names[i].bit)
            reply_status(call, names[i].name);
}

/* A set of the words for these bits. */
#define REPLY_BIT_SET(call, bits, names)                           \
    do {                                                           \
        reply_set(call, count_bits(bits, names, COUNT_OF(names))); \
        reply_bits(call, bits, names, COUNT_OF(names));            \
    } while (0)

/* ---- Walking the table ---- */

/* A command, and the one that it is a subcommand of (or NULL). */
struct found {
    const struct command *container;
    const struct command *command;
};

/* The command in slot `i` of the engine's table; NULL where there is none. */
static const struct command *command_at(const struct call *call, size_t i)
{
    return call->engine->commands.slots[i].command;
}

static size_t slot_count(const struct call *call)
{
    return call->engine->commands.slot_count;
}

static size_t count_subcommands(const struct command *command)
{
    size_t count = 0;
    while (command->subcommands != NULL && command->subcommands[count].name != NULL)
        count++;
    return count;
}

/* The command of a name like "get" or "client|list"; found.command is NULL when there is none. */
static struct found find_by_full_name(const struct call *call, bytes name)
{
    uint32_t number;
    if (!command_find_full_name(&call->engine->commands, name, &number))
        return (struct found){0};
    const struct command_row *row = &call->engine->commands.rows[number];
    return (struct found){row->container, row->command};
}

static void reply_full_name(struct call *call, struct found found)
{
    char name[FULL_NAME_SIZE];
    size_t len = command_full_name(found.container, found.command, name, sizeof(name));
    reply_bulk(call, (bytes){name, len});
}

static void reply_field_text(struct call *call, const char *field, const char *text)
{
    if (text == NULL)
        return;
    reply_bulk_text(call, field);
    reply_bulk_text(call, text);
}

static void reply_field_integer(struct call *call, const char *field, int64_t value)
{
    reply_bulk_text(call, field);
    reply_integer(call, value);
}

/* ---- COMMAND INFO ---- */

static size_t count_specs(const struct command *command)
{
    size_t count = 0;
    while (command->keys != NULL && command->keys[count].flags != 0)
        count++;
    return count;
}

/* First key, last key and step, as clients that know no key specifications expect them. */
struct legacy_range {
    int first;
    int last;
    int step;
};

static bool is_plain_range(const struct key_spec *spec)
{
    return spec->begin == KEYS_BEGIN_AT_INDEX && spec->find == KEYS_IN_RANGE;
}

/* A last key counted from the end is beyond any counted from the front. */
static int later_key(int a, int b)
{
    return (unsigned)a > (unsigned)b ? a : b;
}

/* A single range as it is; of several, those that follow each other without a gap taken together. */
static struct legacy_range legacy_range(const struct command *command)
{
    struct legacy_range range = {0};
    size_t count = count_specs(command);
    for (size_t i = 0; i < count; i++) {
        const struct key_spec *spec = &command->keys[i];
        if (!is_plain_range(spec))
            continue;
        int last = spec->last >= 0 ? spec->index + spec->last : spec->last;
        if (count == 1)
            return (struct legacy_range){spec->index, last, spec->step};
        if (spec->step != 1 || (range.step != 0 && range.last != spec->index - 1))
            continue;
        range.first = range.step != 0 && range.first < spec->index ? range.first : spec->index;
        range.last = later_key(range.last, last);
        range.step = 1;
    }
    return range;
}

static void reply_begin_search(struct call *call, const struct key_spec *spec)
{
    static const char *const types[] = {"index", "keyword", "unknown"};
    reply_bulk_text(call, "begin_search");
    reply_map(call, 2);
    reply_field_text(call, "type", types[spec->begin]);
    reply_bulk_text(call, "spec");
    if (spec->begin == KEYS_BEGIN_AT_INDEX) {
        reply_map(call, 1);
        reply_field_integer(call, "index", spec->index);
    } else if (spec->begin == KEYS_BEGIN_AT_KEYWORD) {
        reply_map(call, 2);
        reply_field_text(call, "keyword", spec->keyword);
        reply_field_integer(call, "startfrom", spec->start_from);
    } else {
        reply_map(call, 0);
    }
}

static void reply_find_keys(struct call *call, const struct key_spec *spec)
{
    static const char *const types[] = {"range", "keynum", "unknown"};
    reply_bulk_text(call, "find_keys");
    reply_map(call, 2);
    reply_field_text(call, "type", types[spec->find]);
    reply_bulk_text(call, "spec");
    if (spec->find == KEYS_IN_RANGE) {
        reply_map(call, 3);
        reply_field_integer(call, "lastkey", spec->last);
        reply_field_integer(call, "keystep", spec->step);
        reply_field_integer(call, "limit", spec->limit);
    } else if (spec->find == KEYS_BY_NUMBER) {
        reply_map(call, 3);
        reply_field_integer(call, "keynumidx", spec->number_index);
        reply_field_integer(call, "firstkey", spec->first);
        reply_field_integer(call, "keystep", spec->step);
    } else {
        reply_map(call, 0);
    }
}

static void reply_key_specs(struct call *call, const struct command *command)
{
    size_t count = count_specs(command);
    reply_set(call, count);
    for (size_t i = 0; i < count; i++) {
        const struct key_spec *spec = &command->keys[i];
        reply_map(call, spec->notes != NULL ? 4 : 3);
        reply_field_text(call, "notes", spec->notes);
        reply_bulk_text(call, "flags");
        REPLY_BIT_SET(call, spec->flags, key_flag_names);
        reply_begin_search(call, spec);
        reply_find_keys(call, spec);
    }
}

static void reply_flags(struct call *call, const struct command *command)
{
    bool has_movable_keys = command_has_movable_keys(command);
    reply_set(call, count_bits(command->flags, flag_names, COUNT_OF(flag_names)) + has_movable_keys);
    reply_bits(call, command->flags, flag_names, COUNT_OF(flag_names));
    if (has_movable_keys)
        reply_status(call, "movablekeys");
}

static void reply_tips(struct call *call, const struct command *command)
{
    size_t count = 0;
    while (command->tips != NULL && command->tips[count] != NULL)
        count++;
    reply_set(call, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_text(call, command->tips[i]);
}

static void reply_info(struct call *call, struct found found)
{
    const struct command *command = found.command;
    if (command == NULL) {
        reply_null(call);
        return;
    }
    struct legacy_range range = legacy_range(command);
    size_t subcommands = count_subcommands(command);
    reply_array(call, 10);
    reply_full_name(call, found);
    reply_integer(call, command->arity);
    reply_flags(call, command);
    reply_integer(call, range.first);
    reply_integer(call, range.last);
    reply_integer(call, range.step);
    REPLY_BIT_SET(call, command_acl_categories(command), command_category_names);
    reply_tips(call, command);
    reply_key_specs(call, command);
    reply_array(call, subcommands);
    for (size_t i = 0; i < subcommands; i++)
        reply_info(call, (struct found){command, &command->subcommands[i]});
}

/* COMMAND: about all commands, in no order. */
static void cmd_command(struct call *call)
{
    reply_array(call, call->engine->commands.used);
    for (size_t i = 0; i < slot_count(call); i++)
        if (command_at(call, i) != NULL)
            reply_info(call, (struct found){NULL, command_at(call, i)});
}

/* COMMAND INFO [name ...]: about these, null in the place of one that does not exist; without names, about all. */
static void cmd_command_info(struct call *call)
{
    if (call->argc == 2) {
        cmd_command(call);
        return;
    }
    reply_array(call, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++)
        reply_info(call, find_by_full_name(call, ARG(i)));
}

/* COMMAND COUNT */
static void cmd_command_count(struct call *call)
{
    reply_integer(call, (int64_t)call->engine->commands.used);
}

/* ---- COMMAND DOCS ---- */

static size_t count_arguments(const struct command_argument *arguments)
{
    size_t count = 0;
    while (arguments != NULL && arguments[count].name != NULL)
        count++;
    return count;
}

static void reply_arguments(struct call *call, const struct command_argument *arguments);

static void reply_argument(struct call *call, const struct command_argument *argument)
{
    static const char *const types[] = {"string",    "integer",    "double", "key",  "pattern",
                                        "unix-time", "pure-token", "oneof",  "block"};
    bool has_parts = argument->type == ARG_ONEOF || argument->type == ARG_BLOCK;
    bool has_key_spec = argument->type == ARG_KEY || argument->key_spec > 0;
    const char *display = argument->display != NULL ? argument->display : argument->name;
    reply_map(call, 3U + has_key_spec + (argument->token != NULL) + (argument->since != NULL) +
                        (argument->deprecated_since != NULL) + (argument->flags != 0));
    reply_field_text(call, "name", argument->name);
    reply_field_text(call, "type", types[argument->type]);
    if (!has_parts)
        reply_field_text(call, "display_text", display);
    if (has_key_spec)
        reply_field_integer(call, "key_spec_index", argument->key_spec);
    reply_field_text(call, "token", argument->token);
    reply_field_text(call, "since", argument->since);
    reply_field_text(call, "deprecated_since", argument->deprecated_since);
    if (argument->flags != 0) {
        reply_bulk_text(call, "flags");
        REPLY_BIT_SET(call, argument->flags, argument_flag_names);
    }
    if (has_parts) {
        reply_bulk_text(call, "arguments");
        reply_arguments(call, argument->arguments);
    }
}

/* The tables nest three or four deep, so the recursion does. */
static void reply_arguments(struct call *call, const struct command_argument *arguments)
{
    size_t count = count_arguments(arguments);
    reply_array(call, count);
    for (size_t i = 0; i < count; i++)
        reply_argument(call, &arguments[i]);
}

static void reply_history(struct call *call, const struct command_history *history)
{
    size_t count = 0;
    while (history[count].since != NULL)
        count++;
    reply_bulk_text(call, "history");
    reply_set(call, count);
    for (size_t i = 0; i < count; i++) {
        reply_array(call, 2);
        reply_bulk_text(call, history[i].since);
        reply_bulk_text(call, history[i].change);
    }
}

static void reply_doc_flags(struct call *call, const struct command *command)
{
    bool is_deprecated = command->deprecated_since != NULL;
    reply_bulk_text(call, "doc_flags");
    reply_set(call, (size_t)is_deprecated + command->is_system);
    if (is_deprecated)
        reply_status(call, "deprecated");
    if (command->is_system)
        reply_status(call, "syscmd");
}

/* A name and what is to be said about it: two elements of the map that was announced. */
static void reply_docs(struct call *call, struct found found)
{
    const struct command *command = found.command;
    size_t subcommands = count_subcommands(command);
    bool has_doc_flags = command->deprecated_since != NULL || command->is_system;
    reply_full_name(call, found);
    reply_map(call, 3U + (command->complexity != NULL) + has_doc_flags + (command->deprecated_since != NULL) +
                        (command->replaced_by != NULL) + (command->history != NULL) + (command->arguments != NULL) +
                        (subcommands > 0));
    reply_field_text(call, "summary", command->summary);
    reply_field_text(call, "since", command->since);
    reply_field_text(call, "group", command->group);
    reply_field_text(call, "complexity", command->complexity);
    if (has_doc_flags)
        reply_doc_flags(call, command);
    reply_field_text(call, "deprecated_since", command->deprecated_since);
    reply_field_text(call, "replaced_by", command->replaced_by);
    if (command->history != NULL)
        reply_history(call, command->history);
    if (command->arguments != NULL) {
        reply_bulk_text(call, "arguments");
        reply_arguments(call, command->arguments);
    }
    if (subcommands > 0) {
        reply_bulk_text(call, "subcommands");
        reply_map(call, subcommands);
        for (size_t i = 0; i < subcommands; i++)
            reply_docs(call, (struct found){command, &command->subcommands[i]});
    }
}

/* COMMAND DOCS [name ...]: names that do not exist are left out; without names, all commands. */
static void cmd_command_docs(struct call *call)
{
    if (call->argc == 2) {
        reply_map(call, call->engine->commands.used);
        for (size_t i = 0; i < slot_count(call); i++)
            if (command_at(call, i) != NULL)
                reply_docs(call, (struct found){NULL, command_at(call, i)});
        return;
    }
    size_t count = 0;
    for (size_t i = 2; i < call->argc; i++)
        count += find_by_full_name(call, ARG(i)).command != NULL;
    reply_map(call, count);
    for (size_t i = 2; i < call->argc; i++) {
        struct found found = find_by_full_name(call, ARG(i));
        if (found.command != NULL)
            reply_docs(call, found);
    }
}

/* ---- COMMAND LIST ---- */

/* Which commands are listed. */
struct list_filter {
    bool by_pattern;
    bytes pattern;
    bool by_category;
    uint32_t category; /* 0: an unknown one, which no command has */
    bool by_module;    /* no command comes from a module */
};

/* FILTERBY MODULE name | ACLCAT category | PATTERN pattern, or nothing. */
static bool parse_list_filter(struct call *call, struct list_filter *filter)
{
    *filter = (struct list_filter){0};
    if (call->argc == 2)
        return true;
    if (call->argc == 5 && call_is_word(call, 2, "filterby")) {
        filter->by_module = call_is_word(call, 3, "module");
        filter->by_category = call_is_word(call, 3, "aclcat");
        filter->by_pattern = call_is_word(call, 3, "pattern");
        filter->pattern = ARG(4);
        filter->category = command_category_by_name(ARG(4));
        if (filter->by_module || filter->by_category || filter->by_pattern)
            return true;
    }
    reply_syntax_error(call);
    return false;
}

static bool is_listed(const struct list_filter *filter, struct found found)
{
    char name[FULL_NAME_SIZE];
    if (filter->by_module)
        return false;
    if (filter->by_category)
        return (command_acl_categories(found.command) & filter->category) != 0;
    if (!filter->by_pattern)
        return true;
    size_t len = command_full_name(found.container, found.command, name, sizeof(name));
    return glob_match(filter->pattern, (bytes){name, len}, true);
}

/* The name of a command and those of its subcommands, where they pass the filter; returns how many. */
static size_t list_names(struct call *call, const struct list_filter *filter, struct found found)
{
    size_t count = 0;
    if (is_listed(filter, found)) {
        reply_full_name(call, found);
        count++;
    }
    for (size_t i = 0; i < count_subcommands(found.command); i++)
        count += list_names(call, filter, (struct found){found.command, &found.command->subcommands[i]});
    return count;
}

/* COMMAND LIST [FILTERBY ...]: the names of commands and subcommands. */
static void cmd_command_list(struct call *call)
{
    struct list_filter filter;
    if (!parse_list_filter(call, &filter))
        return;
    struct out_chunk *begun = reply_begin(call);
    size_t count = 0;
    for (size_t i = 0; i < slot_count(call); i++)
        if (command_at(call, i) != NULL)
            count += list_names(call, &filter, (struct found){NULL, command_at(call, i)});
    reply_end_array(call, begun, count);
}

/* ---- COMMAND GETKEYS ---- */

static bool has_keys(const struct command *command)
{
    for (size_t i = 0; i < count_specs(command); i++)
        if (!(command->keys[i].flags & KEY_NOT_KEY))
            return true;
    return false;
}

/* Finds the command that the arguments from argv[2] on would run, behind FENCE if that is in front, and which of them
   (*first) is its name; NULL when the error has been replied. */
static const struct command *command_to_be_run(struct call *call, size_t *first)
{
    const struct command_table *table = &call->engine->commands;
    const struct command *command = command_find(table, ARG(2));
    *first = 2;
    if (command != NULL && (command->flags & CMD_FENCES) && call->argc > *first + FENCE_WORDS) {
        *first += FENCE_WORDS;
        command = command_find(table, ARG(*first));
    }
    if (command != NULL && command->subcommands != NULL && call->argc > *first + 1)
        command = command_find_subcommand(command, ARG(*first + 1));
    const char *error = NULL;
    if (command == NULL)
        error = "ERR Invalid command specified";
    else if (!has_keys(command))
        error = "ERR The command has no key arguments";
    else if (!command_arity_fits(command, call->argc - *first))
        error = "ERR Invalid number of arguments specified for command";
    if (error == NULL)
        return command;
    reply_error(call, error);
    return NULL;
}

static void reply_key(struct call *call, bytes key, uint16_t flags, bool with_flags)
{
    if (with_flags)
        reply_array(call, 2);
    reply_bulk(call, key);
    if (with_flags)
        REPLY_BIT_SET(call, flags, key_flag_names);
}

static void reply_keys(struct call *call, bool with_flags)
{
    size_t first;
    const struct command *command = command_to_be_run(call, &first);
    if (command == NULL)
        return;
    const bytes *argv = call->argv + first;
    size_t argc = call->argc - first;
    struct key_range ranges[KEY_RANGES_MAX];
    int range_count = command_keys(command, argv, argc, ranges);
    size_t count = 0;
    for (int i = 0; i < range_count; i++)
        count += ranges[i].spec->flags & KEY_NOT_KEY ? 0 : ranges[i].count;
    if (count == 0 && !(command->flags & CMD_NO_MANDATORY_KEYS)) {
        reply_error(call, "ERR Invalid arguments specified for command");
        return;
    }
    reply_array(call, count);
    for (int i = 0; i < range_count; i++) {
        const struct key_spec *spec = ranges[i].spec;
        uint16_t flags = spec->flags_of != NULL ? spec->flags_of(argv, argc) : spec->flags;
        for (size_t j = 0; j < ranges[i].count && !(spec->flags & KEY_NOT_KEY); j++)
            reply_key(call, argv[ranges[i].first + j * ranges[i].step], flags, with_flags);
    }
}

/* COMMAND GETKEYS command [arg ...]: which of the arguments are keys. */
static void cmd_command_getkeys(struct call *call)
{
    reply_keys(call, false);
}

/* COMMAND GETKEYSANDFLAGS command [arg ...]: the same, with what the command does to each. */
static void cmd_command_getkeysandflags(struct call *call)
{
    reply_keys(call, true);
}

static void cmd_command_help(struct call *call)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    The facts about all commands.",
        "COUNT",
        "    How many commands there are.",
        "DOCS [<command-name> ...]",
        "    The documentation of these commands, or of all.",
        "GETKEYS <full-command>",
        "    The keys among the words of a command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Those keys, with what the command does to them.",
        "INFO [<command-name> ...]",
        "    The facts about these commands, or about all.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    The names of the commands, or of those that match.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows ---- */

static const struct command_argument names_arguments[] = {
    {.name = "command-name", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const struct command_argument full_command_arguments[] = {
    {.name = "command", .type = ARG_STRING},
    {.name = "arg", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const struct command_argument filter_arguments[] = {
    {.name = "module-name", .type = ARG_STRING, .token = "MODULE"},
    {.name = "category", .type = ARG_STRING, .token = "ACLCAT"},
    {.name = "pattern", .type = ARG_PATTERN, .token = "PATTERN"},
    {0},
};
static const struct command_argument list_arguments[] = {
    {.name = "filterby", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .token = "FILTERBY", .arguments = filter_arguments},
    {0},
};

static const struct command_history info_history[] = {
    {"7.0.0", "Without names, it answers for all commands."},
    {0},
};

static const char *const unordered_tips[] = {"nondeterministic_output_order", NULL};

/* What all rows here share. */
#define COMMAND_ROW .flags = CMD_LOADING | CMD_STALE, .categories = ACL_CONNECTION, .group = "server"

static const struct command command_subcommands[] = {
    {
        COMMAND_ROW,
        .name = "count",
        .run = cmd_command_count,
        .arity = 2,
        .summary = "Counts the commands.",
        .since = "2.8.13",
        .complexity = "O(1)",
    },
    {
        COMMAND_ROW,
        .name = "docs",
        .run = cmd_command_docs,
        .arity = -2,
        .tips = unordered_tips,
        .summary = "Gives the documentation of commands.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of commands to look up",
        .arguments = names_arguments,
    },
    {
        COMMAND_ROW,
        .name = "getkeys",
        .run = cmd_command_getkeys,
        .arity = -4,
        .summary = "Finds the keys among the words of a command.",
        .since = "2.8.13",
        .complexity = "O(N) where N is the number of arguments to the command",
        .arguments = full_command_arguments,
    },
    {
        COMMAND_ROW,
        .name = "getkeysandflags",
        .run = cmd_command_getkeysandflags,
        .arity = -4,
        .summary = "Finds the keys among the words of a command, and tells what it does to them.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of arguments to the command",
        .arguments = full_command_arguments,
    },
    {
        COMMAND_ROW,
        .name = "help",
        .run = cmd_command_help,
        .arity = 2,
        .summary = "Explains the subcommands.",
        .since = "5.0.0",
        .complexity = "O(1)",
    },
    {
        COMMAND_ROW,
        .name = "info",
        .run = cmd_command_info,
        .arity = -2,
        .tips = unordered_tips,
        .summary = "Gives the facts about some commands, or about all.",
        .since = "2.8.13",
        .complexity = "O(N) where N is the number of commands to look up",
        .history = info_history,
        .arguments = names_arguments,
    },
    {
        COMMAND_ROW,
        .name = "list",
        .run = cmd_command_list,
        .arity = -2,
        .tips = unordered_tips,
        .summary = "Lists the names of the commands.",
        .since = "7.0.0",
        .complexity = "O(N) where N is the total number of Redis commands",
        .arguments = list_arguments,
    },
    {0},
};

const struct command command_commands[] = {
    {
        COMMAND_ROW,
        .name = "command",
        .run = cmd_command,
        .arity = -1,
        .tips = unordered_tips,
        .subcommands = command_subcommands,
        .summary = "Gives the facts about all commands.",
        .since = "2.8.13",
        .complexity = "O(N) where N is the total number of Redis commands",
    },
    {0},
};

/* The rows of the command table for ACL; the handlers are in acl.c. */
#include "commands/acl.h"
#include "commands/commands.h"

static const struct command_argument username_argument[] = {{.name = "username", .type = ARG_STRING}, {0}};
static const struct command_argument usernames_argument[] = {
    {.name = "username", .type = ARG_STRING, .flags = ARG_MULTIPLE},
    {0},
};
static const struct command_argument category_argument[] = {
    {.name = "category", .type = ARG_STRING, .flags = ARG_OPTIONAL},
    {0},
};
static const struct command_argument dryrun_arguments[] = {
    {.name = "username", .type = ARG_STRING},
    {.name = "command", .type = ARG_STRING},
    {.name = "arg", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};
static const struct command_argument bits_argument[] = {
    {.name = "bits", .type = ARG_INTEGER, .flags = ARG_OPTIONAL},
    {0},
};
static const struct command_argument log_operations[] = {
    {.name = "count", .type = ARG_INTEGER},
    {.name = "reset", .type = ARG_PURE_TOKEN, .token = "RESET"},
    {0},
};
static const struct command_argument log_arguments[] = {
    {.name = "operation", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = log_operations},
    {0},
};
static const struct command_argument setuser_arguments[] = {
    {.name = "username", .type = ARG_STRING},
    {.name = "rule", .type = ARG_STRING, .flags = ARG_OPTIONAL | ARG_MULTIPLE},
    {0},
};

static const struct command_history getuser_history[] = {
    {"6.2.0", "Patterns of channels are given, too."},
    {"7.0.0", "Selectors are given; key and channel patterns are told as rules instead of lists."},
    {0},
};
static const struct command_history log_history[] = {
    {"7.2.0", "Entries have a number, and the times at which they were made and last counted up."},
    {0},
};
static const struct command_history setuser_history[] = {
    {"6.2.0", "Patterns of channels."},
    {"7.0.0", "Selectors, and keys that may be read or written only."},
    {0},
};

#define ADMINISTRATION (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)

/* Rules may be passwords, and whose they are is nobody's business either. */
static bool hides_user_and_rules(const bytes *argv, size_t argc, size_t argument)
{
    (void)argv;
    (void)argc;
    return argument >= 2;
}

static const struct command acl_subcommands[] = {
    {
        .name = "cat",
        .run = cmd_acl_cat,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Lists the categories of commands, or the commands of one of them.",
        .since = "6.0.0",
        .complexity = "O(1) since the categories and commands are a fixed set.",
        .arguments = category_argument,
    },
    {
        .name = "deluser",
        .run = cmd_acl_deluser,
        .arity = -3,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Deletes users and closes their connections.",
        .since = "6.0.0",
        .complexity = "O(1) amortized time considering the typical user.",
        .arguments = usernames_argument,
    },
    {
        .name = "dryrun",
        .run = cmd_acl_dryrun,
        .arity = -4,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Tells whether a user may run a command, without running it.",
        .since = "7.0.0",
        .complexity = "O(1).",
        .arguments = dryrun_arguments,
    },
    {
        .name = "genpass",
        .run = cmd_acl_genpass,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Makes up a password that cannot be guessed.",
        .since = "6.0.0",
        .complexity = "O(1)",
        .arguments = bits_argument,
    },
    {
        .name = "getuser",
        .run = cmd_acl_getuser,
        .arity = 3,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Gives the rules of a user.",
        .since = "6.0.0",
        .complexity = "O(N). Where N is the number of password, command and pattern rules that the user has.",
        .history = getuser_history,
        .arguments = username_argument,
    },
    {
        .name = "help",
        .run = cmd_acl_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Describes the subcommands.",
        .since = "6.0.0",
        .complexity = "O(1)",
    },
    {
        .name = "list",
        .run = cmd_acl_list,
        .arity = 2,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Lists all users with their rules, in the form of an ACL file.",
        .since = "6.0.0",
        .complexity = "O(N). Where N is the number of configured users.",
    },
    {
        .name = "load",
        .run = cmd_acl_load,
        .arity = 2,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Reads the ACL file again.",
        .since = "6.0.0",
        .complexity = "O(N). Where N is the number of configured users.",
    },
    {
        .name = "log",
        .run = cmd_acl_log,
        .arity = -2,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Shows what the ACL has refused lately.",
        .since = "6.0.0",
        .complexity = "O(N) with N being the number of entries shown.",
        .history = log_history,
        .arguments = log_arguments,
    },
    {
        .name = "save",
        .run = cmd_acl_save,
        .arity = 2,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Writes all users into the ACL file.",
        .since = "6.0.0",
        .complexity = "O(N). Where N is the number of configured users.",
    },
    {
        .name = "setuser",
        .run = cmd_acl_setuser,
        .arity = -3,
        .flags = ADMINISTRATION,
        .hides = hides_user_and_rules,
        .group = "server",
        .summary = "Creates a user or changes its rules.",
        .since = "6.0.0",
        .complexity = "O(N). Where N is the number of rules provided.",
        .history = setuser_history,
        .arguments = setuser_arguments,
    },
    {
        .name = "users",
        .run = cmd_acl_users,
        .arity = 2,
        .flags = ADMINISTRATION,
        .group = "server",
        .summary = "Lists the names of all users.",
        .since = "6.0.0",
        .complexity = "O(N). Where N is the number of configured users.",
    },
    {
        .name = "whoami",
        .run = cmd_acl_whoami,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = "server",
        .summary = "Tells which user the connection is logged in as.",
        .since = "6.0.0",
        .complexity = "O(1)",
    },
    {0},
};

const struct command acl_commands[] = {
    {
        .name = "acl",
        .arity = -2,
        .subcommands = acl_subcommands,
        .group = "server",
        .summary = "Commands on users and what they may do.",
        .since = "6.0.0",
        .complexity = "Depends on subcommand.",
    },
    {0},
};

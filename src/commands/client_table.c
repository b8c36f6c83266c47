/* The rows of the command table for CLIENT's subcommands; their handlers are in client.c. */
#include "commands/client.h"

#define ON_OFF                                                \
    {.name = "on", .type = ARG_PURE_TOKEN, .token = "ON"},    \
    {                                                         \
        .name = "off", .type = ARG_PURE_TOKEN, .token = "OFF" \
    }

static const struct command_argument on_off[] = {ON_OFF, {0}};
static const struct command_argument switch_arguments[] = {
    {.name = "enabled", .type = ARG_ONEOF, .arguments = on_off},
    {0},
};
static const struct command_argument reply_modes[] = {
    ON_OFF,
    {.name = "skip", .type = ARG_PURE_TOKEN, .token = "SKIP"},
    {0},
};
static const struct command_argument reply_arguments[] = {
    {.name = "action", .type = ARG_ONEOF, .arguments = reply_modes},
    {0},
};

static const struct command_argument kill_types[] = {
    {.name = "normal", .type = ARG_PURE_TOKEN, .token = "NORMAL"},
    {.name = "master", .type = ARG_PURE_TOKEN, .token = "MASTER", .since = "3.2.0"},
    {.name = "slave", .type = ARG_PURE_TOKEN, .token = "SLAVE"},
    {.name = "replica", .type = ARG_PURE_TOKEN, .token = "REPLICA", .since = "5.0.0"},
    {.name = "pubsub", .type = ARG_PURE_TOKEN, .token = "PUBSUB"},
    {0},
};
static const struct command_argument yes_no[] = {
    {.name = "yes", .type = ARG_PURE_TOKEN, .token = "YES"},
    {.name = "no", .type = ARG_PURE_TOKEN, .token = "NO"},
    {0},
};
static const struct command_argument kill_filters[] = {
    {.name = "client-id", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "ID", .since = "2.8.12"},
    {.name = "client-type",
     .type = ARG_ONEOF,
     .flags = ARG_OPTIONAL,
     .token = "TYPE",
     .since = "2.8.12",
     .arguments = kill_types},
    {.name = "username", .type = ARG_STRING, .flags = ARG_OPTIONAL, .token = "USER"},
    {.name = "addr", .type = ARG_STRING, .flags = ARG_OPTIONAL, .token = "ADDR", .display = "ip:port"},
    {.name = "laddr",
     .type = ARG_STRING,
     .flags = ARG_OPTIONAL,
     .token = "LADDR",
     .display = "ip:port",
     .since = "6.2.0"},
    {.name = "skipme", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .token = "SKIPME", .arguments = yes_no},
    {.name = "maxage", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "MAXAGE", .since = "7.4.0"},
    {0},
};
static const struct command_argument kill_forms[] = {
    {.name = "old-format", .type = ARG_STRING, .display = "ip:port", .deprecated_since = "2.8.12"},
    {.name = "new-format", .type = ARG_ONEOF, .flags = ARG_MULTIPLE, .arguments = kill_filters},
    {0},
};
static const struct command_argument kill_arguments[] = {
    {.name = "filter", .type = ARG_ONEOF, .arguments = kill_forms},
    {0},
};

static const struct command_argument list_types[] = {
    {.name = "normal", .type = ARG_PURE_TOKEN, .token = "NORMAL"},
    {.name = "master", .type = ARG_PURE_TOKEN, .token = "MASTER"},
    {.name = "replica", .type = ARG_PURE_TOKEN, .token = "REPLICA"},
    {.name = "pubsub", .type = ARG_PURE_TOKEN, .token = "PUBSUB"},
    {0},
};
static const struct command_argument list_arguments[] = {
    {.name = "client-type",
     .type = ARG_ONEOF,
     .flags = ARG_OPTIONAL,
     .token = "TYPE",
     .since = "5.0.0",
     .arguments = list_types},
    {.name = "client-id", .type = ARG_INTEGER, .flags = ARG_OPTIONAL | ARG_MULTIPLE, .token = "ID", .since = "6.2.0"},
    {0},
};

static const struct command_argument pause_modes[] = {
    {.name = "write", .type = ARG_PURE_TOKEN, .token = "WRITE"},
    {.name = "all", .type = ARG_PURE_TOKEN, .token = "ALL"},
    {0},
};
static const struct command_argument pause_arguments[] = {
    {.name = "timeout", .type = ARG_INTEGER},
    {.name = "mode", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .since = "6.2.0", .arguments = pause_modes},
    {0},
};

static const struct command_argument unblock_reasons[] = {
    {.name = "timeout", .type = ARG_PURE_TOKEN, .token = "TIMEOUT"},
    {.name = "error", .type = ARG_PURE_TOKEN, .token = "ERROR"},
    {0},
};
static const struct command_argument unblock_arguments[] = {
    {.name = "client-id", .type = ARG_INTEGER},
    {.name = "unblock-type", .type = ARG_ONEOF, .flags = ARG_OPTIONAL, .arguments = unblock_reasons},
    {0},
};

static const struct command_argument setinfo_attributes[] = {
    {.name = "libname", .type = ARG_STRING, .token = "LIB-NAME"},
    {.name = "libver", .type = ARG_STRING, .token = "LIB-VER"},
    {0},
};
static const struct command_argument setinfo_arguments[] = {
    {.name = "attr", .type = ARG_ONEOF, .arguments = setinfo_attributes},
    {0},
};
static const struct command_argument setname_arguments[] = {{.name = "connection-name", .type = ARG_STRING}, {0}};

static const struct command_argument caching_arguments[] = {
    {.name = "mode", .type = ARG_ONEOF, .arguments = yes_no},
    {0},
};
static const struct command_argument tracking_arguments[] = {
    {.name = "status", .type = ARG_ONEOF, .arguments = on_off},
    {.name = "client-id", .type = ARG_INTEGER, .flags = ARG_OPTIONAL, .token = "REDIRECT"},
    {.name = "prefix",
     .type = ARG_STRING,
     .flags = ARG_OPTIONAL | ARG_MULTIPLE | ARG_MULTIPLE_TOKEN,
     .token = "PREFIX"},
    {.name = "bcast", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "BCAST"},
    {.name = "optin", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "OPTIN"},
    {.name = "optout", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "OPTOUT"},
    {.name = "noloop", .type = ARG_PURE_TOKEN, .flags = ARG_OPTIONAL, .token = "NOLOOP"},
    {0},
};

static const struct command_history kill_history[] = {
    {"2.8.12", "The form with filters."},
    {"2.8.12", "The filter `ID`."},
    {"3.2.0", "The type `master`."},
    {"5.0.0", "The type `replica`, of which `slave` remains another name."},
    {"6.2.0", "The filter `LADDR`."},
    {"7.4.0", "The filter `MAXAGE`."},
    {0},
};
static const struct command_history list_history[] = {
    {"2.8.12", "The field `id`."},
    {"5.0.0", "The option `TYPE`."},
    {"6.0.0", "The field `user`."},
    {"6.2.0", "The fields `argv-mem`, `tot-mem`, `laddr` and `redir`, and the option `ID`."},
    {"7.0.0", "The fields `resp`, `multi-mem`, `rbs` and `rbp`."},
    {"7.0.3", "The field `ssub`."},
    {0},
};
static const struct command_history pause_history[] = {
    {"6.2.0", "The option `mode`, to hold back nothing but writes."},
    {0},
};

static const char *const varying_tips[] = {"nondeterministic_output", NULL};
static const char *const all_nodes_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded", NULL};

#define ABOUT_ONESELF (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define ABOUT_OTHERS (ABOUT_ONESELF | CMD_ADMIN)

/* What all rows here share. */
#define CLIENT_ROW .categories = ACL_CONNECTION, .group = "connection"

const struct command client_subcommands[] = {
    {
        CLIENT_ROW,
        .name = "caching",
        .run = cmd_client_caching,
        .arity = 3,
        .flags = ABOUT_ONESELF,
        .summary = "Makes the next command an exception to what tracking remembers.",
        .since = "6.0.0",
        .complexity = "O(1)",
        .arguments = caching_arguments,
    },
    {
        CLIENT_ROW,
        .name = "getname",
        .run = cmd_client_getname,
        .arity = 2,
        .flags = ABOUT_ONESELF,
        .summary = "Tells the name of the connection.",
        .since = "2.6.9",
        .complexity = "O(1)",
    },
    {
        CLIENT_ROW,
        .name = "getredir",
        .run = cmd_client_getredir,
        .arity = 2,
        .flags = ABOUT_ONESELF,
        .summary = "Tells which connection receives the invalidations instead.",
        .since = "6.0.0",
        .complexity = "O(1)",
    },
    {
        CLIENT_ROW,
        .name = "help",
        .run = cmd_client_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .summary = "Explains the subcommands.",
        .since = "5.0.0",
        .complexity = "O(1)",
    },
    {
        CLIENT_ROW,
        .name = "id",
        .run = cmd_client_id,
        .arity = 2,
        .flags = ABOUT_ONESELF,
        .summary = "Tells the number of the connection.",
        .since = "5.0.0",
        .complexity = "O(1)",
    },
    {
        CLIENT_ROW,
        .name = "info",
        .run = cmd_client_info,
        .arity = 2,
        .flags = ABOUT_ONESELF,
        .tips = varying_tips,
        .summary = "Describes the connection.",
        .since = "6.2.0",
        .complexity = "O(1)",
    },
    {
        CLIENT_ROW,
        .name = "kill",
        .run = cmd_client_kill,
        .arity = -3,
        .flags = ABOUT_OTHERS,
        .summary = "Closes connections.",
        .since = "2.4.0",
        .complexity = "O(N) where N is the number of client connections",
        .history = kill_history,
        .arguments = kill_arguments,
    },
    {
        CLIENT_ROW,
        .name = "list",
        .run = cmd_client_list,
        .arity = -2,
        .flags = ABOUT_OTHERS,
        .tips = varying_tips,
        .summary = "Describes all open connections.",
        .since = "2.4.0",
        .complexity = "O(N) where N is the number of client connections",
        .history = list_history,
        .arguments = list_arguments,
    },
    {
        CLIENT_ROW,
        .name = "no-evict",
        .run = cmd_client_no_evict,
        .arity = 3,
        .flags = ABOUT_OTHERS,
        .summary = "Protects the connection from being closed to win memory back.",
        .since = "7.0.0",
        .complexity = "O(1)",
        .arguments = switch_arguments,
    },
    {
        CLIENT_ROW,
        .name = "no-touch",
        .run = cmd_client_no_touch,
        .arity = 3,
        .flags = ABOUT_ONESELF,
        .summary = "Decides whether the connection's commands count as uses of the keys.",
        .since = "7.2.0",
        .complexity = "O(1)",
        .arguments = switch_arguments,
    },
    {
        CLIENT_ROW,
        .name = "pause",
        .run = cmd_client_pause,
        .arity = -3,
        .flags = ABOUT_OTHERS,
        .summary = "Holds the clients' commands back for a time.",
        .since = "2.9.50",
        .complexity = "O(1)",
        .history = pause_history,
        .arguments = pause_arguments,
    },
    {
        CLIENT_ROW,
        .name = "reply",
        .run = cmd_client_reply,
        .arity = 3,
        .flags = ABOUT_ONESELF,
        .summary = "Decides whether the server answers.",
        .since = "3.2.0",
        .complexity = "O(1)",
        .arguments = reply_arguments,
    },
    {
        CLIENT_ROW,
        .name = "setinfo",
        .run = cmd_client_setinfo,
        .arity = 4,
        .flags = ABOUT_ONESELF,
        .tips = all_nodes_tips,
        .summary = "Says which client library is at the other end.",
        .since = "7.2.0",
        .complexity = "O(1)",
        .arguments = setinfo_arguments,
    },
    {
        CLIENT_ROW,
        .name = "setname",
        .run = cmd_client_setname,
        .arity = 3,
        .flags = ABOUT_ONESELF,
        .tips = all_nodes_tips,
        .summary = "Names the connection.",
        .since = "2.6.9",
        .complexity = "O(1)",
        .arguments = setname_arguments,
    },
    {
        CLIENT_ROW,
        .name = "tracking",
        .run = cmd_client_tracking,
        .arity = -3,
        .flags = ABOUT_ONESELF,
        .summary = "Has the server tell when keys change that the client may have copies of.",
        .since = "6.0.0",
        .complexity = "O(1), and O(log N) for each prefix where N is the number of them.",
        .arguments = tracking_arguments,
    },
    {
        CLIENT_ROW,
        .name = "trackinginfo",
        .run = cmd_client_trackinginfo,
        .arity = 2,
        .flags = ABOUT_ONESELF,
        .summary = "Tells what the connection tracks, and how.",
        .since = "6.2.0",
        .complexity = "O(1)",
    },
    {
        CLIENT_ROW,
        .name = "unblock",
        .run = cmd_client_unblock,
        .arity = -3,
        .flags = ABOUT_OTHERS,
        .summary = "Lets a client go on that waits in a blocking command.",
        .since = "5.0.0",
        .complexity = "O(log N) where N is the number of client connections",
        .arguments = unblock_arguments,
    },
    {
        CLIENT_ROW,
        .name = "unpause",
        .run = cmd_client_unpause,
        .arity = 2,
        .flags = ABOUT_OTHERS,
        .summary = "Ends the time for which commands are held back.",
        .since = "6.2.0",
        .complexity = "O(N) Where N is the number of paused clients",
    },
    {0},
};

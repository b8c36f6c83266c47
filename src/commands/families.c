/* The list of command families; see commands.h. */
#include "commands/commands.h"

const struct command *const command_families[] = {
    string_commands,   key_commands,        expire_commands,      scan_commands,    object_commands,
    database_commands, connection_commands, transaction_commands, lock_commands,    acl_commands,
    pubsub_commands,   prefix_commands,     gibson_commands,      server_commands,  slowlog_commands,
    latency_commands,  hotkeys_commands,    config_commands,      command_commands, NULL,
};

/* The families of commands. Each file of this folder holds one family: its handlers, and its rows of the command table
   in an array that ends with a row without a name. */
#ifndef LARDER_COMMANDS_COMMANDS_H
#define LARDER_COMMANDS_COMMANDS_H

#include "engine/command.h"

extern const struct command acl_commands[];
extern const struct command string_commands[];
extern const struct command key_commands[];
extern const struct command database_commands[];
extern const struct command expire_commands[];
extern const struct command object_commands[];
extern const struct command scan_commands[];
extern const struct command connection_commands[];
extern const struct command transaction_commands[];
extern const struct command gibson_commands[];
extern const struct command lock_commands[];
extern const struct command prefix_commands[];
extern const struct command pubsub_commands[];
extern const struct command server_commands[];
extern const struct command slowlog_commands[];
extern const struct command latency_commands[];
extern const struct command hotkeys_commands[];
extern const struct command config_commands[];
extern const struct command command_commands[];

/* All of them, NULL-terminated: what an engine is opened with. */
extern const struct command *const command_families[];

#endif

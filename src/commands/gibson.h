/* The GIBSON subcommands' handlers, for the rows in gibson_table.c. */
#ifndef LARDER_COMMANDS_GIBSON_H
#define LARDER_COMMANDS_GIBSON_H

#include "engine/call.h"

command_fn cmd_gibson_count;
command_fn cmd_gibson_dec;
command_fn cmd_gibson_del;
command_fn cmd_gibson_end;
command_fn cmd_gibson_get;
command_fn cmd_gibson_inc;
command_fn cmd_gibson_keys;
command_fn cmd_gibson_lock;
command_fn cmd_gibson_mdec;
command_fn cmd_gibson_mdel;
command_fn cmd_gibson_meta;
command_fn cmd_gibson_mget;
command_fn cmd_gibson_minc;
command_fn cmd_gibson_mlock;
command_fn cmd_gibson_mset;
command_fn cmd_gibson_mttl;
command_fn cmd_gibson_munlock;
command_fn cmd_gibson_ping;
command_fn cmd_gibson_set;
command_fn cmd_gibson_stats;
command_fn cmd_gibson_ttl;
command_fn cmd_gibson_unlock;

#endif

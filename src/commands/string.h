/* The string commands' handlers, for the rows in string_table.c. */
#ifndef LARDER_COMMANDS_STRING_H
#define LARDER_COMMANDS_STRING_H

#include "engine/command.h"

command_fn cmd_append;
command_fn cmd_decr;
command_fn cmd_decrby;
command_fn cmd_delifeq;
command_fn cmd_get;
command_fn cmd_getdel;
command_fn cmd_getex;
command_fn cmd_getrange;
command_fn cmd_getset;
command_fn cmd_incr;
command_fn cmd_incrby;
command_fn cmd_incrbyfloat;
command_fn cmd_lcs;
command_fn cmd_mget;
command_fn cmd_mset;
command_fn cmd_msetex;
command_fn cmd_msetnx;
command_fn cmd_psetex;
command_fn cmd_set;
command_fn cmd_setex;
command_fn cmd_setnx;
command_fn cmd_setrange;
command_fn cmd_strlen;

#endif

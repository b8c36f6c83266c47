/* The PREFIX subcommands' handlers, for the rows in prefix_table.c. */
#ifndef LARDER_COMMANDS_PREFIX_H
#define LARDER_COMMANDS_PREFIX_H

#include "commands/listing.h"

command_fn cmd_prefix_count;
command_fn cmd_prefix_decr;
command_fn cmd_prefix_del;
command_fn cmd_prefix_expire;
command_fn cmd_prefix_get;
command_fn cmd_prefix_incr;
command_fn cmd_prefix_keys;
command_fn cmd_prefix_memory;
command_fn cmd_prefix_persist;
command_fn cmd_prefix_set;
command_fn cmd_prefix_top;

/* Whoever can be kept waiting was, before it came here; for others the prefix index is built now. */
void prefix_ensure_index(struct call *call);
/* As listing_collect, with the index if it may be there; on failure the error has been replied. */
MUST_USE bool prefix_collect(struct call *call, struct listing *listing, const struct listing_query *query);

#endif

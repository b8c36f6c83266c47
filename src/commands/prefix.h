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
command_fn cmd_prefix_lock;
command_fn cmd_prefix_memory;
command_fn cmd_prefix_persist;
command_fn cmd_prefix_set;
command_fn cmd_prefix_top;
command_fn cmd_prefix_unlock;

/* Whoever can be kept waiting was, before it came here; for others the prefix index is built now. */
void prefix_ensure_index(struct call *call);
/* As listing_collect, with the index if it may be there; on failure the error has been replied. */
MUST_USE bool prefix_collect(struct call *call, struct listing *listing, const struct listing_query *query);

/* The reply is how many keys the query finds. */
void prefix_reply_count(struct call *call, const struct listing_query *query);

/* A string that was listed with its value. */
void prefix_reply_string(struct call *call, const struct listed *listed);

/* A change of one key; false when it does not count as changed. On failure the error has been replied. */
typedef bool prefix_change_fn(struct call *call, struct ks_key *key, void *context);
/* Changes every key of the prefix in the call's third word, all shards being held, and says how many were. Locked keys
   are left out, unless the command spares locks. `access`: enum key_flag, what the change is. False when an error has
   been replied. */
MUST_USE bool prefix_change_all(struct call *call, unsigned access, prefix_change_fn *change, void *context,
                                int64_t *changed);

/* May the call do this (`access`: enum key_flag) to all keys of a listing, which is at its beginning and was collected
   with this limit? All or nothing: if not, the error has been replied. */
MUST_USE bool prefix_may_touch_all(struct call *call, struct listing *listing, size_t limit, unsigned access);

#endif

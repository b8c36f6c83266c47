/* What the CLIENT commands share with their neighbours: the rows of their table, and the rules for names. */
#ifndef LARDER_COMMANDS_CLIENT_H
#define LARDER_COMMANDS_CLIENT_H

#include "engine/call.h"

extern const struct command client_subcommands[];

void cmd_client_caching(struct call *call);
void cmd_client_getname(struct call *call);
void cmd_client_getredir(struct call *call);
void cmd_client_help(struct call *call);
void cmd_client_id(struct call *call);
void cmd_client_info(struct call *call);
void cmd_client_kill(struct call *call);
void cmd_client_list(struct call *call);
void cmd_client_no_evict(struct call *call);
void cmd_client_no_touch(struct call *call);
void cmd_client_pause(struct call *call);
void cmd_client_reply(struct call *call);
void cmd_client_setinfo(struct call *call);
void cmd_client_setname(struct call *call);
void cmd_client_tracking(struct call *call);
void cmd_client_trackinginfo(struct call *call);
void cmd_client_unblock(struct call *call);
void cmd_client_unpause(struct call *call);

/* May a client have this name? If not, the error has been replied. */
bool client_check_name(struct call *call, bytes name);

/* How much of an argument an error text quotes, for printf's "%.*s". */
static inline size_t quoted_length(bytes argument)
{
    const size_t most = 512;
    return argument.len < most ? argument.len : most;
}

/* Appends a session's line of CLIENT LIST, without its newline (a describe_client_fn). */
void client_describe(struct text *text, const struct session *session, int64_t now_ms);

#endif

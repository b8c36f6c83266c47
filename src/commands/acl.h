/* What the files of the ACL command share: its handlers, and the rows of its table. */
#ifndef LARDER_COMMANDS_ACL_H
#define LARDER_COMMANDS_ACL_H

#include "engine/call.h"

void cmd_acl_cat(struct call *call);
void cmd_acl_deluser(struct call *call);
void cmd_acl_dryrun(struct call *call);
void cmd_acl_genpass(struct call *call);
void cmd_acl_getuser(struct call *call);
void cmd_acl_help(struct call *call);
void cmd_acl_list(struct call *call);
void cmd_acl_load(struct call *call);
void cmd_acl_log(struct call *call);
void cmd_acl_save(struct call *call);
void cmd_acl_setuser(struct call *call);
void cmd_acl_users(struct call *call);
void cmd_acl_whoami(struct call *call);

#endif

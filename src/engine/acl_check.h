/* Do these rules permit that? Pure questions about rules, which ask no session and change nothing. */
#ifndef LARDER_ENGINE_ACL_CHECK_H
#define LARDER_ENGINE_ACL_CHECK_H

#include "engine/acl_rules.h"

/* What is refused. The later, the closer the request came to being permitted: that is what is told when several
   selectors refuse it for several reasons. */
enum acl_verdict { ACL_PERMITTED, ACL_DENIED_COMMAND, ACL_DENIED_KEY, ACL_DENIED_CHANNEL };

struct acl_answer {
    enum acl_verdict verdict;
    size_t argument; /* the key or channel that is refused */
};

/* A command with its arguments, found and of the right number. */
struct acl_question {
    const struct command *command;
    uint32_t number; /* its, in the table that the rules were made for */
    const bytes *argv;
    size_t argc;
};

struct acl_answer acl_check(const struct acl_rules *rules, const struct acl_question *question);

/* Of a command that visits keys which its arguments do not name: may it do this to a key? `flags`: enum key_flag. */
bool acl_check_key(const struct acl_rules *rules, const struct acl_question *question, bytes key, unsigned flags);

/* The same, for whatever it does to whatever key. */
bool acl_check_all_keys(const struct acl_rules *rules, const struct acl_question *question);

/* May its user be subscribed to a channel, or to a pattern? */
bool acl_check_channel(const struct acl_rules *rules, bytes channel, bool is_pattern);

/* Is there nothing that these rules forbid? */
bool acl_permits_everything(const struct acl_rules *rules);

#endif

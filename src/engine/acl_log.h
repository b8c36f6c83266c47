/* The ACL log: what was refused lately, newest first, for ACL LOG. Equal refusals within a minute are one entry that
   counts them, so that somebody who tries again and again does not push the others out. At most `acllog-max-len`
   entries of a few KiB. */
#ifndef LARDER_ENGINE_ACL_LOG_H
#define LARDER_ENGINE_ACL_LOG_H

#include "base/bytes.h"
#include "base/list.h"
#include "base/lock.h"

#include <stdint.h>

enum acl_reason { ACL_REASON_COMMAND, ACL_REASON_KEY, ACL_REASON_CHANNEL, ACL_REASON_AUTH };

/* Where the command stood. */
enum acl_context { ACL_CONTEXT_TOPLEVEL, ACL_CONTEXT_MULTI };

/* What was refused. */
struct acl_refusal {
    enum acl_reason reason;
    enum acl_context context;
    bytes object; /* the command, key or channel; for a failed login the command that tried it */
    bytes user;
    bytes client; /* its line of CLIENT LIST */
};

struct acl_log_entry {
    struct list in_log;
    uint64_t id;
    uint64_t count;
    int64_t created_ms;
    int64_t updated_ms;
    struct acl_refusal refusal; /* its texts are the entry's own, cut where they are long */
};

struct acl_log {
    struct lock lock;
    struct list entries; /* lock: oldest first */
    size_t count;        /* lock */
    uint64_t next_id;    /* lock */
};

void acl_log_init(struct acl_log *log);
void acl_log_free(struct acl_log *log);

/* Any thread. Keeps at most `limit` entries; without memory the refusal goes unrecorded. */
void acl_log_add(struct acl_log *log, const struct acl_refusal *refusal, int64_t now_ms, size_t limit);
void acl_log_reset(struct acl_log *log);
/* Visits up to `count` entries, newest first, while nothing is added; says beforehand how many. */
void acl_log_visit(struct acl_log *log, size_t count, void (*begin)(void *context, size_t count),
                   void (*visit)(void *context, const struct acl_log_entry *entry), void *context);

#endif

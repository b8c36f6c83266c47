/* The ACL: the users of an engine, what each may do, and the sessions that are logged in as them.

   A user is an object that sessions refer to; its rules (acl_rules.h) are replaced, never changed. Every change of any
   user raises the generation. A session keeps the rules of its user as of a generation, and looks again when that is
   not the present one; one that may do everything notes the generation as its free pass, so that its requests cost one
   comparison. A change therefore holds from each session's next command on.

   Who deletes a user marks it as gone and closes its sessions; one that was just logging in finds the mark when it is
   that user, however the two threads met.

   Sessions of the program's own have no user and may do everything, until they log in as somebody.

   A session whose subscriptions are not permitted any more is closed by whoever changed the rules, before that command
   is answered. One that is just subscribing, permitted by the rules of before, sees the generation when it is done.

   Locks: `lock` protects the table of users and their rules, is taken for moments only, and no other is taken while it
   is held; so it may be taken whatever else is locked. `file_lock` serialises ACL LOAD and SAVE and is taken before
   it. */
#ifndef LARDER_ENGINE_ACL_H
#define LARDER_ENGINE_ACL_H

#include "engine/acl_log.h"
#include "engine/acl_rules.h"

#include <stdatomic.h>

struct call;
struct larder;
struct session;

struct acl_user {
    _Atomic uint32_t references; /* the table's, and one for each session that is logged in as it */
    _Atomic bool is_gone;        /* deleted; set under the lock */
    struct acl_rules *rules;     /* lock: a reference */
    bytes name;                  /* constant; terminated */
};

struct acl {
    _Atomic uint64_t generation;    /* never 0; raised under the lock, after what it stands for */
    _Atomic unsigned default_flags; /* enum acl_user_flag of the default user; set under the lock */
    struct acl_user *default_user;  /* constant */
    char distance[64];              /* between what every request reads and what logins write */
    struct lock lock;
    struct acl_user **users;              /* lock: references, by name */
    size_t user_count;                    /* lock */
    size_t user_room;                     /* lock */
    struct acl_rules *before_requirepass; /* lock: the default user's, before requirepass last changed; may be NULL */
    struct acl_rules *by_requirepass;     /* lock: those that it then got; may be NULL */
    uint64_t started_generation;          /* constant: when all files had been read */
    struct lock file_lock;
    struct acl_log log; /* has its own lock */
};

/* With the default user, whose password is requirepass. False when there is no memory. */
MUST_USE bool acl_init(struct larder *engine);
/* All sessions are closed. */
void acl_free(struct larder *engine);

/* What rules are read against at this moment. */
struct acl_grammar acl_grammar_of(const struct larder *engine);
/* Warns of rules that should not be used any more, where there were some (acl_grammar.deprecated), and forgets them. */
void acl_warn(const struct larder *engine, struct text *deprecated);
enum { ACL_WARNING_MAX = 512 }; /* bytes of such rules that a warning quotes */

/* ---- Users ---- */

/* A reference to a user; NULL: there is none of that name. */
struct acl_user *acl_find_user(struct larder *engine, bytes name);
struct acl_user *acl_user_keep(struct acl_user *user);
void acl_user_drop(struct acl_user *user); /* NULL is allowed */
/* A reference to its rules as they are now. */
struct acl_rules *acl_user_rules(struct larder *engine, struct acl_user *user);

/* May a user have this name? */
bool acl_is_name(bytes name);

/* Changes a user, or creates it; all modifiers hold or none. On failure *culprit is the modifier at fault, in memory of
   `modifiers`. `self` (may be NULL) runs the command, and is closed behind its reply if its subscriptions are not
   permitted any more; so are others, at once. */
MUST_USE enum acl_fault acl_set_user(struct larder *engine, bytes name, struct acl_modifiers *modifiers, bytes *culprit,
                                     struct session *self);
/* Deletes the users of these names, the default user excepted, and closes their sessions, `self` behind its reply.
   Returns how many there were. */
size_t acl_delete_users(struct larder *engine, const bytes *names, size_t count, struct session *self);

/* The order of names. */
int acl_compare_names(bytes a, bytes b);
/* Visits all users by name, under the lock. */
void acl_visit(struct larder *engine, void (*visit)(void *context, const struct acl_user *user), void *context);

/* A user on its way into the table. */
struct acl_draft {
    bytes name;
    size_t line_number;      /* of the file it stands in */
    struct acl_rules *rules; /* a reference */
};
/* Puts these users, in the order of their names, which differ, in the place of all others; a default user that is not
   among them is as before anybody changed it. Sessions of users that are gone are closed, `self` behind its reply.
   Takes the references of those that it put in place, whose rules are NULL then. False: no memory, and nothing has
   changed. */
MUST_USE bool acl_replace_users(struct larder *engine, struct acl_draft *drafts, size_t count, struct session *self);

/* ---- Sessions ---- */

/* A new session: the default user's, let in if that needs no password; one of the program's own may do everything. */
void acl_enter(struct session *session);
/* Gives up what acl_enter and logins took. */
void acl_leave(struct session *session);
/* Logs in; false when name and password do not fit, or the user is off, and everything is as before. False also when
   the user is deleted meanwhile; then the session is nobody any more, and closed if it is a client's. `call` is the
   command that tries it. */
MUST_USE bool acl_log_in(struct call *call, bytes name, bytes password);

/* May the session's commands run at all: has it logged in, or is nobody asked to? */
bool acl_lets_in(const struct session *session);
/* Does the default user take any password, which is no protection? */
bool acl_is_open(const struct larder *engine);

/* The long way of asking whether a call may run: if not, the error has been replied and the refusal is in the log. The
   call was resolved. One that is barred by MULTI is let through, as there is another reason to refuse it. */
bool acl_permits(struct call *call);
/* The same of a call that EXEC is about to run, which was permitted when it was queued. */
bool acl_still_permits(struct call *call);

/* A command that visits keys which its arguments do not name: may it do this (`flags`: enum key_flag) to a key? */
bool acl_may_touch_key(struct call *call, bytes key, unsigned flags);
/* Whatever it is, to whatever key? */
bool acl_may_touch_all_keys(struct call *call);
/* It may not: counts and logs that, and replies the error. */
void acl_refuse_key(struct call *call, bytes key);

/* Behind a command of a session with subscriptions: if rules changed while it ran, what it subscribed to may not be
   permitted any more. */
void acl_conclude(struct session *session);

#endif

/* Users in files: `user` lines of the configuration, and the ACL file that `aclfile` names, with one user a line:

       user alice on #<digest> ~cache:* -@all +@read

   Words are separated by single blanks; quotes mean something inside selectors only. Reading a file is all or nothing,
   and names every line at fault. */
#ifndef LARDER_ENGINE_ACL_FILE_H
#define LARDER_ENGINE_ACL_FILE_H

#include "engine/acl.h"
#include "engine/config.h"

/* The users that the configuration asks for, once it is complete and before anybody logs in. False: `error` says why.
 */
MUST_USE bool acl_start(struct larder *engine, struct text *error);

/* Does the configuration name an ACL file? */
bool acl_has_file(const struct larder *engine);
/* ACL LOAD: the file's users take the place of all others. False: nothing changed, and `error` says why. `self` is
   closed behind its reply, if it must be. */
MUST_USE bool acl_load(struct larder *engine, struct session *self, struct text *error);
/* The same with what stands in a file of this name. */
MUST_USE bool acl_load_text(struct larder *engine, const char *path, bytes content, struct session *self,
                            struct text *error);
/* ACL SAVE: the file is replaced in one step. False: it is as before, and `errno` says why. */
MUST_USE bool acl_save(struct larder *engine);
/* Appends what it writes. */
void acl_to_text(struct larder *engine, struct text *content);

/* A cfg_user_check_fn; the context is a table of commands (struct command_table). */
bool acl_check_user_line(void *context, const bytes *words, size_t count, struct cfg_error *error);
/* A cfg_list_users_fn; the context is the engine. */
enum cfg_users_fate acl_list_user_lines(void *context, cfg_line_fn *line, void *line_context, struct cfg_error *error);

#endif

/* What a user may do, and how it proves who it is: the rules that ACL SETUSER, user lines and ACL files write.

   Rules are built by applying modifiers ("on", "+get", "~cache:*", "(+set ~tmp:*)") one after another to an object that
   nobody else sees yet. Once published they never change: whoever holds a reference may read them on any thread without
   a lock, and a change of the user publishes other rules in their place.

   A request is permitted when one selector permits all of it: the command, its keys and its channels. The first
   selector is the root, which modifiers outside parentheses are about. */
#ifndef LARDER_ENGINE_ACL_RULES_H
#define LARDER_ENGINE_ACL_RULES_H

#include "base/text.h"
#include "engine/acl_list.h"
#include "engine/command.h"

struct sha256;

enum acl_user_flag {
    ACL_USER_ON = 1 << 0,                    /* may log in */
    ACL_USER_NOPASS = 1 << 1,                /* any password is right; there are no others */
    ACL_USER_SANITIZE_PAYLOAD = 1 << 2,      /* remembered for RESTORE */
    ACL_USER_SKIP_SANITIZE_PAYLOAD = 1 << 3, /* the opposite */
};

enum acl_selector_flag {
    ACL_ALL_KEYS = 1 << 0,        /* there are no key patterns */
    ACL_ALL_CHANNELS = 1 << 1,    /* there are no channel patterns */
    ACL_FUTURE_COMMANDS = 1 << 2, /* began with all commands, not with none: what is not known yet is permitted */
};

/* Of a key pattern. */
enum acl_access { ACL_MAY_READ = 1 << 0, ACL_MAY_WRITE = 1 << 1 };

enum { ACL_COMMAND_WORDS = COMMAND_ROWS_MAX / 64 };

struct acl_selector {
    unsigned flags;                       /* enum acl_selector_flag */
    uint64_t commands[ACL_COMMAND_WORDS]; /* by number: permitted with whatever arguments */
    struct acl_list first_arguments;      /* permit a command with this argument in front; tag: the command's number */
    struct acl_list keys;                 /* patterns; tag: enum acl_access, never 0 */
    struct acl_list channels;             /* patterns */
    struct acl_list steps;                /* changes since all commands or none were permitted: "@read", "config|get" in
                                             lower case, for telling the rules as they were written; tag: permitted */
};

struct acl_rules {
    _Atomic uint32_t references;
    unsigned flags;            /* enum acl_user_flag */
    struct acl_list passwords; /* their SHA-256 digests */
    struct acl_selector *selectors;
    size_t selector_count; /* at least 1: the root */
};

/* What modifiers are read against. */
struct acl_grammar {
    const struct command_table *commands; /* names are those of the rows, whatever they were renamed to */
    bool opens_channels;                  /* acl-pubsub-default: new selectors permit all channels */
    struct text *deprecated;              /* is told what should not be used any more; NULL: nobody is */
};

/* The rules of a user just created: off, no password, nothing permitted. One reference; NULL: no memory. */
MUST_USE struct acl_rules *acl_rules_new(const struct acl_grammar *grammar);
/* Those of the default user before anybody changed them: on, any password, everything permitted. */
MUST_USE struct acl_rules *acl_rules_new_default(const struct acl_grammar *grammar);
/* The same rules, to be changed. NULL: no memory. */
MUST_USE struct acl_rules *acl_rules_copy(const struct acl_rules *rules);

struct acl_rules *acl_rules_keep(struct acl_rules *rules);
void acl_rules_drop(struct acl_rules *rules); /* NULL is allowed */

/* ---- Modifiers ---- */

/* Why a modifier is refused. */
enum acl_fault {
    ACL_FINE,
    ACL_SYNTAX,
    ACL_UNKNOWN,          /* no such command or category */
    ACL_UNKNOWN_FIRST,    /* a first argument of a subcommand */
    ACL_USELESS_KEY,      /* a pattern beside "all keys" */
    ACL_USELESS_CHANNEL,  /* a pattern beside "all channels" */
    ACL_MISSING_PASSWORD, /* to be removed */
    ACL_BAD_HASH,
    ACL_UNMATCHED, /* parenthesis */
    ACL_NO_MEMORY,
};

/* In Redis's words. */
const char *acl_fault_text(enum acl_fault fault);

/* Applies one modifier, a whole selector in parentheses being one. On failure the rules may have changed in part: they
   are to be dropped. */
MUST_USE enum acl_fault acl_rules_apply(struct acl_rules *rules, bytes modifier, const struct acl_grammar *grammar);

/* The modifiers in a list of words: a selector may extend over several. Zeroed, but for the words. */
struct acl_modifiers {
    const bytes *words;
    size_t count;
    size_t next;        /* the word to be read next */
    struct text joined; /* memory of a modifier that was several words */
};

/* The next modifier; false at the end. Valid until the next call. ACL_UNMATCHED leaves the word that opened a selector
   in *modifier; ACL_NO_MEMORY. */
MUST_USE bool acl_next_modifier(struct acl_modifiers *modifiers, bytes *modifier, enum acl_fault *fault);
void acl_modifiers_free(struct acl_modifiers *modifiers);

/* Applies all words. On failure *culprit is the modifier at fault, in memory of `modifiers`. */
MUST_USE enum acl_fault acl_rules_apply_all(struct acl_rules *rules, struct acl_modifiers *modifiers,
                                            const struct acl_grammar *grammar, bytes *culprit);

/* May a user, or anything in a rule, be written like this? Neither white space nor zero bytes. */
bool acl_is_word(bytes text);

/* ---- Passwords ---- */

/* Is the password of this digest right, for a user that is on? Takes the same time whichever of them it is. */
bool acl_rules_accept_password(const struct acl_rules *rules, const struct sha256 *digest);
/* This password alone, or none at all when it is empty: requirepass. */
MUST_USE bool acl_rules_set_password(struct acl_rules *rules, bytes password);

/* ---- Rules as text ---- */

enum acl_form {
    ACL_FORM_LIST,   /* ACL LIST and ACL files: words between blanks, nothing quoted outside selectors */
    ACL_FORM_CONFIG, /* a line of a configuration file, whose words may need quotes */
};

/* Appends what follows the user's name: applied to a new user, it gives the same rules. */
void acl_rules_describe(const struct acl_rules *rules, enum acl_form form, struct text *out);
/* The words of ACL GETUSER for the user's flags, NULL-terminated. */
enum { ACL_USER_FLAGS_MAX = 4 };
size_t acl_rules_flags(const struct acl_rules *rules, const char *names[ACL_USER_FLAGS_MAX]);
/* The three texts of ACL GETUSER. */
void acl_describe_commands(const struct acl_selector *selector, struct text *out);
void acl_describe_keys(const struct acl_selector *selector, struct text *out);
void acl_describe_channels(const struct acl_selector *selector, struct text *out);

#endif

/* ACL: users and their rules as administrators see and change them. What a rule means is known to engine/acl*.h; this
   file speaks about it. */
#include "commands/acl.h"

#include "base/num.h"
#include "base/sha256.h"
#include "commands/client.h"
#include "engine/acl_check.h"
#include "engine/acl_file.h"

#include <errno.h>

enum { NAME_SIZE = 2 * COMMAND_NAME_SIZE };

/* How much of an argument an error quotes: as text functions would see it, up to a zero. */
static int quoted_text_length(bytes argument)
{
    size_t len = quoted_length(argument);
    const char *zero = len > 0 ? memchr(argument.at, '\0', len) : NULL;
    return (int)(zero != NULL ? (size_t)(zero - argument.at) : len);
}

/* Replies a text and frees it. */
static void reply_text(struct call *call, struct text *text)
{
    if (text->is_cut)
        call->session->out.failed = true; /* half a reply cannot be taken back */
    reply_bulk(call, text_bytes(text));
    text_free(text);
}

/* ---- Changing users ---- */

static void reply_fault(struct call *call, enum acl_fault fault, bytes culprit)
{
    if (fault == ACL_NO_MEMORY)
        reply_no_memory(call);
    else if (fault == ACL_UNMATCHED)
        reply_error_format(call, "ERR Unmatched parenthesis in acl selector starting at '%.*s'.",
                           quoted_text_length(culprit), culprit.at);
    else
        reply_error_format(call, "ERR Error in ACL SETUSER modifier '%.*s': %s", quoted_text_length(culprit),
                           culprit.at, acl_fault_text(fault));
}

/* ACL SETUSER username [rule ...]: creates the user, or changes it; all the rules hold, or none. */
void cmd_acl_setuser(struct call *call)
{
    if (!acl_is_name(ARG(2))) {
        reply_error(call, "ERR Usernames can't contain spaces or null characters");
        return;
    }
    struct acl_modifiers modifiers = {.words = &ARG(3), .count = call->argc - 3};
    bytes culprit = {NULL, 0};
    enum acl_fault fault = acl_set_user(call->engine, ARG(2), &modifiers, &culprit, call->session);
    if (fault == ACL_FINE)
        reply_ok(call);
    else
        reply_fault(call, fault, culprit);
    acl_modifiers_free(&modifiers);
}

/* ACL DELUSER username [username ...]: deletes users and closes their connections. Reply: how many there were. */
void cmd_acl_deluser(struct call *call)
{
    for (size_t i = 2; i < call->argc; i++) {
        if (bytes_equal(ARG(i), BYTES("default"))) {
            reply_error(call, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    reply_integer(call, (int64_t)acl_delete_users(call->engine, &ARG(2), call->argc - 2, call->session));
}

/* ---- Looking at users ---- */

static void reply_selector(struct call *call, const struct acl_selector *selector)
{
    static const struct {
        const char *name;
        void (*describe)(const struct acl_selector *selector, struct text *out);
    } parts[] = {
        {"commands", acl_describe_commands},
        {"keys", acl_describe_keys},
        {"channels", acl_describe_channels},
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct text text = {0};
        parts[i].describe(selector, &text);
        reply_bulk_text(call, parts[i].name);
        reply_text(call, &text);
    }
}

static void reply_flags(struct call *call, const struct acl_rules *rules)
{
    const char *names[ACL_USER_FLAGS_MAX];
    size_t count = acl_rules_flags(rules, names);
    reply_bulk_text(call, "flags");
    reply_set(call, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_text(call, names[i]);
}

static void reply_passwords(struct call *call, const struct acl_rules *rules)
{
    reply_bulk_text(call, "passwords");
    reply_array(call, rules->passwords.count);
    for (size_t i = 0; i < rules->passwords.count; i++) {
        struct sha256 digest;
        char hex[SHA256_HEX_SIZE];
        memcpy(digest.bytes, acl_list_text(&rules->passwords, i).at, SHA256_SIZE);
        sha256_to_hex(&digest, hex);
        reply_bulk(call, (bytes){hex, sizeof(hex)});
    }
}

static void reply_rules(struct call *call, const struct acl_rules *rules)
{
    enum { fields = 6, selector_fields = 3 };
    reply_map(call, fields);
    reply_flags(call, rules);
    reply_passwords(call, rules);
    reply_selector(call, &rules->selectors[0]);
    reply_bulk_text(call, "selectors");
    reply_array(call, rules->selector_count - 1);
    for (size_t i = 1; i < rules->selector_count; i++) {
        reply_map(call, selector_fields);
        reply_selector(call, &rules->selectors[i]);
    }
}

/* ACL GETUSER username: its rules; null when there is no such user. */
void cmd_acl_getuser(struct call *call)
{
    struct acl_user *user = acl_find_user(call->engine, ARG(2));
    if (user == NULL) {
        reply_null(call);
        return;
    }
    struct acl_rules *rules = acl_user_rules(call->engine, user);
    reply_rules(call, rules);
    acl_rules_drop(rules);
    acl_user_drop(user);
}

/* Users being replied. */
struct listing {
    struct call *call;
    size_t count;
};

static void reply_line(void *context, const struct acl_user *user)
{
    struct listing *listing = context;
    struct text line = {0};
    text_append_format(&line, "user %s ", user->name.at);
    acl_rules_describe(user->rules, ACL_FORM_LIST, &line);
    reply_text(listing->call, &line);
    listing->count++;
}

static void reply_name(void *context, const struct acl_user *user)
{
    struct listing *listing = context;
    reply_bulk(listing->call, user->name);
    listing->count++;
}

static void reply_users(struct call *call, void (*reply_one)(void *context, const struct acl_user *user))
{
    struct listing listing = {.call = call};
    struct out_chunk *begun = reply_begin(call);
    acl_visit(call->engine, reply_one, &listing);
    reply_end_array(call, begun, listing.count);
}

/* ACL LIST: all users with their rules, each as a line of an ACL file. */
void cmd_acl_list(struct call *call)
{
    reply_users(call, reply_line);
}

/* ACL USERS: the names of all users. */
void cmd_acl_users(struct call *call)
{
    reply_users(call, reply_name);
}

/* ACL WHOAMI: the user that the connection is logged in as; null: a session of the program's own, which is nobody. */
void cmd_acl_whoami(struct call *call)
{
    const struct acl_user *user = atomic_load_explicit(&call->session->user, memory_order_relaxed);
    if (user != NULL)
        reply_bulk(call, user->name);
    else
        reply_null(call);
}

/* ---- Trying ---- */

/* The command that the arguments from argv[first] on would run; false when the error has been replied. */
static bool find_question(struct call *call, size_t first, struct acl_question *question, char name[NAME_SIZE])
{
    const struct command *container = NULL;
    size_t argc = call->argc - first;
    uint32_t number = 0;
    const struct command *command = command_find_numbered(&call->engine->commands, ARG(first), &number);
    if (command != NULL && command->subcommands != NULL && argc > 1) {
        container = command;
        command = command_find_subcommand(container, ARG(first + 1));
        if (command != NULL)
            number = command_subnumber(number, container, command);
    }
    if (command == NULL) {
        reply_error_format(call, "ERR Command '%.*s' not found", quoted_text_length(ARG(first)), ARG(first).at);
        return false;
    }
    command_full_name(container, command, name, NAME_SIZE);
    if (!command_arity_fits(command, argc)) {
        reply_error_format(call, "ERR wrong number of arguments for '%s' command", name);
        return false;
    }
    *question = (struct acl_question){.command = command, .number = number, .argv = &ARG(first), .argc = argc};
    return true;
}

static void reply_answer(struct call *call, const struct acl_question *question, const struct acl_answer *answer,
                         const char *name)
{
    struct text text = {0};
    bytes argument = question->argv[answer->argument];
    text_append_format(&text, "User %.*s has no permissions to ", (int)ARG(2).len, ARG(2).at);
    if (answer->verdict == ACL_DENIED_COMMAND) {
        text_append_format(&text, "run the '%s' command", name);
    } else {
        text_append(&text, BYTES("access the '"));
        text_append(&text, argument);
        text_append(&text, answer->verdict == ACL_DENIED_KEY ? BYTES("' key") : BYTES("' channel"));
    }
    reply_text(call, &text);
}

/* Might these rules' user run what stands in the arguments from argv[first] on? If so nothing has been replied, and
 *command is what it would be. */
static bool is_allowed(struct call *call, const struct acl_rules *rules, size_t first, const struct command **command)
{
    struct acl_question question;
    char name[NAME_SIZE];
    if (!find_question(call, first, &question, name))
        return false;
    struct acl_answer answer = acl_check(rules, &question);
    *command = question.command;
    if (answer.verdict == ACL_PERMITTED)
        return true;
    reply_answer(call, &question, &answer, name);
    return false;
}

/* ACL DRYRUN username command [arg ...]: might that user run it? OK, or why not. */
void cmd_acl_dryrun(struct call *call)
{
    struct acl_user *user = acl_find_user(call->engine, ARG(2));
    if (user == NULL) {
        reply_error_format(call, "ERR User '%.*s' not found", quoted_text_length(ARG(2)), ARG(2).at);
        return;
    }
    struct acl_rules *rules = acl_user_rules(call->engine, user);
    const struct command *command;
    bool is_fine = is_allowed(call, rules, 3, &command);
    if (is_fine && (command->flags & CMD_FENCES))
        is_fine = is_allowed(call, rules, 3 + FENCE_WORDS, &command);
    if (is_fine)
        reply_ok(call);
    acl_rules_drop(rules);
    acl_user_drop(user);
}

/* ---- Categories and passwords ---- */

static void reply_categories(struct call *call)
{
    reply_array(call, COMMAND_CATEGORY_COUNT);
    for (size_t i = 0; i < COMMAND_CATEGORY_COUNT; i++)
        reply_bulk_text(call, command_category_names[i].name + 1);
}

/* ACL CAT [category]: the categories, or the commands and subcommands of one. */
void cmd_acl_cat(struct call *call)
{
    if (call->argc > 3) {
        reply_subcommand_error(call);
        return;
    }
    if (call->argc == 2) {
        reply_categories(call);
        return;
    }
    uint32_t category = command_category_by_name(ARG(2));
    if (category == 0) {
        const int most = 128;
        int len = quoted_text_length(ARG(2));
        reply_error_format(call, "ERR Unknown category '%.*s'", len < most ? len : most, ARG(2).at);
        return;
    }
    const struct command_table *table = &call->engine->commands;
    struct out_chunk *begun = reply_begin(call);
    size_t count = 0;
    for (size_t i = 0; i < table->row_count; i++) {
        const struct command_row *row = &table->rows[i];
        char name[NAME_SIZE];
        if (!(command_acl_categories(row->command) & category))
            continue;
        size_t len = command_full_name(row->container, row->command, name, sizeof(name));
        reply_bulk(call, (bytes){name, len});
        count++;
    }
    reply_end_array(call, begun, count);
}

/* ACL GENPASS [bits]: a password that nobody can guess, in hexadecimal digits. */
void cmd_acl_genpass(struct call *call)
{
    enum { bits_usual = 256, bits_max = 4096, bits_per_digit = 4 };
    int64_t bits = bits_usual;
    if (call->argc > 3) {
        reply_subcommand_error(call);
        return;
    }
    if (call->argc == 3 && !call_integer(call, 2, &bits))
        return;
    if (bits <= 0 || bits > bits_max) {
        reply_error_format(call,
                           "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
                           "number up to %d",
                           bits_max);
        return;
    }
    char text[bits_max / bits_per_digit + 1];
    size_t len = ((size_t)bits + bits_per_digit - 1) / bits_per_digit;
    random_hex(text, len);
    reply_bulk(call, (bytes){text, len});
}

/* ---- The log ---- */

static void begin_log(void *context, size_t count)
{
    reply_array(context, count);
}

static void reply_entry(void *context, const struct acl_log_entry *entry)
{
    static const char *const reasons[] = {
        [ACL_REASON_COMMAND] = "command",
        [ACL_REASON_KEY] = "key",
        [ACL_REASON_CHANNEL] = "channel",
        [ACL_REASON_AUTH] = "auth",
    };
    static const char *const contexts[] = {[ACL_CONTEXT_TOPLEVEL] = "toplevel", [ACL_CONTEXT_MULTI] = "multi"};
    enum { fields = 10 };
    struct call *call = context;
    reply_map(call, fields);
    reply_bulk_text(call, "count");
    reply_integer(call, (int64_t)entry->count);
    reply_bulk_text(call, "reason");
    reply_bulk_text(call, reasons[entry->refusal.reason]);
    reply_bulk_text(call, "context");
    reply_bulk_text(call, contexts[entry->refusal.context]);
    reply_bulk_text(call, "object");
    reply_bulk(call, entry->refusal.object);
    reply_bulk_text(call, "username");
    reply_bulk(call, entry->refusal.user);
    reply_bulk_text(call, "age-seconds");
    reply_real(call, (double)(call->now_ms - entry->updated_ms) / 1000);
    reply_bulk_text(call, "client-info");
    reply_bulk(call, entry->refusal.client);
    reply_bulk_text(call, "entry-id");
    reply_integer(call, (int64_t)entry->id);
    reply_bulk_text(call, "timestamp-created");
    reply_integer(call, entry->created_ms);
    reply_bulk_text(call, "timestamp-last-updated");
    reply_integer(call, entry->updated_ms);
}

/* ACL LOG [count | RESET]: the latest refusals (10 of them), newest first. */
void cmd_acl_log(struct call *call)
{
    int64_t count = 10;
    if (call->argc > 3) {
        reply_subcommand_error(call);
        return;
    }
    if (call->argc == 3 && call_is_word(call, 2, "reset")) {
        acl_log_reset(&call->engine->acl.log);
        reply_ok(call);
        return;
    }
    if (call->argc == 3 && !call_integer(call, 2, &count))
        return;
    acl_log_visit(&call->engine->acl.log, count > 0 ? (size_t)count : 0, begin_log, reply_entry, call);
}

/* ---- The file ---- */

static bool has_file(struct call *call)
{
    if (acl_has_file(call->engine))
        return true;
    reply_error(call,
                "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the "
                "ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file "
                "set) in order to store users in the Redis configuration.");
    return false;
}

/* ACL LOAD: the users of the ACL file take the place of all others, unless something is wrong with it. */
void cmd_acl_load(struct call *call)
{
    struct text error = {0};
    if (!has_file(call))
        return;
    if (acl_load(call->engine, call->session, &error))
        reply_ok(call);
    else if (error.at == NULL)
        reply_no_memory(call);
    else
        reply_error_format(call, "ERR %s", error.at);
    text_free(&error);
}

/* ACL SAVE: writes all users into the ACL file. */
void cmd_acl_save(struct call *call)
{
    if (!has_file(call))
        return;
    if (acl_save(call->engine)) {
        reply_ok(call);
        return;
    }
    log_printf(&call->engine->log, LOG_WARNING_LEVEL, "Writing the ACL file for ACL SAVE: %s", strerror(errno));
    reply_error(call,
                "ERR There was an error trying to save the ACLs. Please check the server logs for more information");
}

void cmd_acl_help(struct call *call)
{
    static const char *const lines[] = {
        "CAT [<category>]",
        "    Lists the categories of commands, or the commands of one of them.",
        "DELUSER <username> [<username> ...]",
        "    Deletes users and closes their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Tells whether the user may run the command, without running it.",
        "GETUSER <username>",
        "    Gives the rules of a user.",
        "GENPASS [<bits>]",
        "    Makes up a password of 256 bits, or of as many as asked for.",
        "LIST",
        "    Lists all users with their rules, in the form of an ACL file.",
        "LOAD",
        "    Reads the ACL file again.",
        "LOG [<count> | RESET]",
        "    Shows what was refused lately, or forgets it.",
        "SAVE",
        "    Writes all users into the ACL file.",
        "SETUSER <username> [<rule> ...]",
        "    Creates a user or changes its rules.",
        "USERS",
        "    Lists the names of all users.",
        "WHOAMI",
        "    Tells which user this connection is.",
        NULL,
    };
    reply_help(call, lines);
}

/* Users in files; see acl_file.h. */
#include "engine/acl_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/split.h"
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FILE_SIZE_MAX = 64 * 1024 * 1024, /* bytes of an ACL file */
    FILE_MODE = 0600,                 /* of a new one */
    SHOWN_MAX = 128,                  /* bytes of a name or a modifier in an error */
};

static int shown(bytes text)
{
    return (int)(text.len < SHOWN_MAX ? text.len : SHOWN_MAX);
}

/* ---- ACL files ---- */

/* The users of a file on their way into the table. */
struct reading {
    struct acl_grammar grammar;
    const char *path;
    size_t line_number;
    struct acl_draft *drafts; /* in the order of the file, then by name */
    size_t count;
    size_t room;
    bytes *words; /* of the present line */
    size_t word_room;
    struct text *faults;
    bool is_cut; /* memory ran out */
};

static bool make_draft_room(struct reading *reading)
{
    if (reading->count < reading->room)
        return true;
    size_t room = reading->room ? 2 * reading->room : 16;
    struct acl_draft *drafts = mem_realloc(reading->drafts, room * sizeof(*drafts));
    if (drafts == NULL)
        return false;
    reading->drafts = drafts;
    reading->room = room;
    return true;
}

static bool make_word_room(struct reading *reading, size_t count)
{
    if (count <= reading->word_room)
        return true;
    bytes *words = mem_realloc(reading->words, 2 * count * sizeof(*words));
    if (words == NULL)
        return false;
    reading->words = words;
    reading->word_room = 2 * count;
    return true;
}

/* Every blank ends a word, which may be empty. Returns the number of words; 0: no memory. */
static size_t split_words(struct reading *reading, bytes line)
{
    size_t count = 0;
    for (;;) {
        const char *blank = memchr(line.at, ' ', line.len);
        bytes word = {line.at, blank != NULL ? (size_t)(blank - line.at) : line.len};
        if (!make_word_room(reading, count + 1))
            return 0;
        reading->words[count++] = word;
        if (blank == NULL)
            return count;
        line = (bytes){blank + 1, line.len - word.len - 1};
    }
}

static bytes trim(bytes word, const char *blanks)
{
    while (word.len > 0 && strchr(blanks, word.at[0]) != NULL)
        word = (bytes){word.at + 1, word.len - 1};
    while (word.len > 0 && strchr(blanks, word.at[word.len - 1]) != NULL)
        word.len--;
    return word;
}

/* A fault of the present line. Only names of commands are repeated: anything else could be a password. */
static void report(struct reading *reading, enum acl_fault fault, bytes modifier)
{
    text_append_format(reading->faults, "%s:%zu: ", reading->path, reading->line_number);
    if (fault == ACL_UNKNOWN)
        text_append_format(reading->faults, "Error in applying operation '%.*s': ", shown(modifier), modifier.at);
    text_append_format(reading->faults, "%s. ", acl_fault_text(fault));
}

/* Applies the words of a line. All unknown commands are reported, as the file may have been written for a server that
   has others; of other faults the first, since those behind it may follow from it. */
static bool apply_words(struct reading *reading, struct acl_rules *rules, size_t word_count)
{
    struct acl_modifiers modifiers = {.words = reading->words + 2, .count = word_count - 2};
    bool is_right = true;
    bool has_fault = false;
    bytes modifier;
    enum acl_fault fault;
    while (acl_next_modifier(&modifiers, &modifier, &fault)) {
        modifier = trim(modifier, "\t\r\n");
        if (fault == ACL_FINE)
            fault = acl_rules_apply(rules, modifier, &reading->grammar);
        reading->is_cut |= fault == ACL_NO_MEMORY;
        if (fault == ACL_UNKNOWN || (fault != ACL_FINE && !has_fault))
            report(reading, fault, modifier);
        has_fault |= fault != ACL_FINE && fault != ACL_UNKNOWN;
        is_right &= fault == ACL_FINE;
    }
    acl_modifiers_free(&modifiers);
    return is_right;
}

/* Makes a draft of a line. */
static void read_user(struct reading *reading, size_t word_count)
{
    bytes name = reading->words[1];
    if (!acl_is_name(name)) {
        text_append_format(reading->faults, "%s:%zu: username '%.*s' contains invalid characters. ", reading->path,
                           reading->line_number, shown(name), name.at);
        return;
    }
    struct acl_rules *rules = make_draft_room(reading) ? acl_rules_new(&reading->grammar) : NULL;
    if (rules == NULL)
        reading->is_cut = true;
    else if (apply_words(reading, rules, word_count))
        reading->drafts[reading->count++] =
            (struct acl_draft){.name = name, .rules = rules, .line_number = reading->line_number};
    else
        acl_rules_drop(rules);
}

static void read_line(struct reading *reading, bytes line)
{
    line = trim(line, " \t\r\n");
    if (line.len == 0)
        return;
    size_t count = split_words(reading, line);
    if (count == 0)
        reading->is_cut = true;
    else if (count < 2 || !bytes_equal(reading->words[0], BYTES("user")))
        text_append_format(reading->faults, "%s:%zu should start with user keyword followed by the username. ",
                           reading->path, reading->line_number);
    else
        read_user(reading, count);
}

static int compare_drafts(const void *a, const void *b)
{
    const struct acl_draft *x = a;
    const struct acl_draft *y = b;
    int order = acl_compare_names(x->name, y->name);
    return order != 0 ? order : (x->line_number > y->line_number) - (x->line_number < y->line_number);
}

/* Brings the drafts into order, and finds those that are about one user. */
static void sort_drafts(struct reading *reading)
{
    if (reading->count > 0)
        qsort(reading->drafts, reading->count, sizeof(*reading->drafts), compare_drafts);
    for (size_t i = 1; i < reading->count; i++)
        if (bytes_equal(reading->drafts[i - 1].name, reading->drafts[i].name))
            text_append_format(reading->faults, "%s:%zu: Duplicate user '%.*s' found. ", reading->path,
                               reading->drafts[i].line_number, shown(reading->drafts[i].name),
                               reading->drafts[i].name.at);
}

static void read_lines(struct reading *reading, bytes content)
{
    while (content.len > 0) {
        const char *newline = memchr(content.at, '\n', content.len);
        bytes line = {content.at, newline != NULL ? (size_t)(newline - content.at) : content.len};
        reading->line_number++;
        read_line(reading, line);
        size_t taken = line.len + (newline != NULL);
        content = (bytes){content.at + taken, content.len - taken};
    }
    sort_drafts(reading);
}

static void free_reading(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        acl_rules_drop(reading->drafts[i].rules);
    mem_free(reading->drafts);
    mem_free(reading->words);
}

bool acl_load_text(struct larder *engine, const char *path, bytes content, struct session *self, struct text *error)
{
    struct text deprecated = {.limit = ACL_WARNING_MAX};
    struct reading reading = {.grammar = acl_grammar_of(engine), .path = path, .faults = error};
    reading.grammar.deprecated = &deprecated;
    read_lines(&reading, content);
    acl_warn(engine, &deprecated);
    bool is_right = error->len == 0 && !error->is_cut && !reading.is_cut;
    if (is_right && !acl_replace_users(engine, reading.drafts, reading.count, self))
        reading.is_cut = true;
    if (reading.is_cut)
        text_append_format(error, "%s: out of memory. ", path);
    if (!is_right)
        text_append(error, BYTES("WARNING: ACL errors detected, no change to the previously active ACL rules was "
                                 "performed"));
    free_reading(&reading);
    return is_right && !reading.is_cut;
}

/* ---- The file of an engine ---- */

bool acl_has_file(const struct larder *engine)
{
    return !cfg_text_is_empty(engine->config, &engine->config->aclfile);
}

/* Where the file is: a relative path starts at `dir`. */
static void append_path(const struct larder *engine, const char *path, struct text *out)
{
    struct config *config = engine->config;
    char *directory = path[0] != '/' ? cfg_duplicate_text(config, &config->dir) : NULL;
    if (directory != NULL)
        text_append_format(out, "%s/", directory);
    mem_free(directory);
    text_append(out, bytes_of(path));
}

/* The ACL file: as it is called, and where it is. False: no memory. */
static bool find_file(const struct larder *engine, char **name, struct text *path)
{
    *name = cfg_duplicate_text(engine->config, &engine->config->aclfile);
    if (*name != NULL)
        append_path(engine, *name, path);
    if (*name != NULL && !path->is_cut)
        return true;
    mem_free(*name);
    text_free(path);
    errno = ENOMEM;
    return false;
}

bool acl_load(struct larder *engine, struct session *self, struct text *error)
{
    struct text path = {0}, content = {0};
    char *name;
    if (!find_file(engine, &name, &path)) {
        text_append(error, BYTES("out of memory"));
        return false;
    }
    lock_take(&engine->acl.file_lock);
    bool is_loaded = false;
    if (!file_read(path.at, FILE_SIZE_MAX, &content))
        text_append_format(error, "Error loading ACLs, opening file '%s': %s", name, strerror(errno));
    else
        is_loaded = acl_load_text(engine, name, text_bytes(&content), self, error);
    lock_give(&engine->acl.file_lock);
    secret_wipe(content.at, content.len); /* it may hold passwords */
    text_free(&content);
    text_free(&path);
    mem_free(name);
    return is_loaded;
}

static void append_user(void *context, const struct acl_user *user)
{
    struct text *content = context;
    text_append_format(content, "user %s ", user->name.at);
    acl_rules_describe(user->rules, ACL_FORM_LIST, content);
    text_append_char(content, '\n');
}

void acl_to_text(struct larder *engine, struct text *content)
{
    acl_visit(engine, append_user, content);
}

bool acl_save(struct larder *engine)
{
    struct text path = {0}, content = {0};
    char *name;
    if (!find_file(engine, &name, &path))
        return false;
    lock_take(&engine->acl.file_lock);
    acl_to_text(engine, &content);
    errno = ENOMEM;
    bool is_saved = !content.is_cut && file_replace(path.at, text_bytes(&content), FILE_MODE);
    int reason = errno;
    lock_give(&engine->acl.file_lock);
    text_free(&content);
    text_free(&path);
    mem_free(name);
    errno = reason;
    return is_saved;
}

/* ---- Lines of the configuration ---- */

bool acl_check_user_line(void *context, const bytes *words, size_t count, struct cfg_error *error)
{
    struct acl_grammar grammar = {.commands = context};
    if (!acl_is_name(words[1])) {
        snprintf(error->text, sizeof(error->text), "Spaces not allowed in ACL usernames");
        return false;
    }
    struct acl_rules *rules = acl_rules_new(&grammar);
    struct acl_modifiers modifiers = {.words = words + 2, .count = count - 2};
    bytes culprit = words[1];
    enum acl_fault fault = ACL_NO_MEMORY;
    if (rules != NULL)
        fault = acl_rules_apply_all(rules, &modifiers, &grammar, &culprit);
    if (fault != ACL_FINE)
        snprintf(error->text, sizeof(error->text), "Error in user declaration '%.*s': %s", shown(culprit), culprit.at,
                 acl_fault_text(fault));
    acl_modifiers_free(&modifiers);
    acl_rules_drop(rules);
    return fault == ACL_FINE;
}

/* Makes a user of its line, which was checked when it was read: but what it says may have come to mean something else
   since, by acl-pubsub-default. */
static bool make_user(struct larder *engine, const struct cfg_user *user, struct text *error)
{
    struct split split;
    bytes name = {user->name.at, user->name.len};
    if (split_line((bytes){user->line.at, user->line.len}, &split) != SPLIT_OK) {
        text_append(error, BYTES("out of memory"));
        return false;
    }
    split.words[1] = BYTES("reset"); /* in the place of the name: the default user is there already */
    struct acl_modifiers modifiers = {.words = split.words + 1, .count = split.count - 1};
    bytes culprit = name;
    enum acl_fault fault = acl_set_user(engine, name, &modifiers, &culprit, NULL);
    if (fault != ACL_FINE)
        text_append_format(error, "Error loading ACL rule '%.*s' for the user named '%.*s': %s", shown(culprit),
                           culprit.at, shown(name), name.at, acl_fault_text(fault));
    acl_modifiers_free(&modifiers);
    split_free(&split);
    return fault == ACL_FINE;
}

static void warn_if_off(struct larder *engine, bytes name)
{
    struct acl_user *user = acl_find_user(engine, name);
    struct acl_rules *rules = acl_user_rules(engine, user);
    if (!(rules->flags & ACL_USER_ON))
        log_printf(
            &engine->log, LOG_NOTICE_LEVEL,
            "The user '%s' is disabled (there is no 'on' modifier in the user description). Make sure this is not "
            "a configuration error.",
            user->name.at);
    acl_rules_drop(rules);
    acl_user_drop(user);
}

static bool make_users(struct larder *engine, struct text *error)
{
    const struct config *config = engine->config;
    for (size_t i = 0; i < config->user_count; i++) {
        if (!make_user(engine, &config->users[i], error))
            return false;
        warn_if_off(engine, (bytes){config->users[i].name.at, config->users[i].name.len});
    }
    return true;
}

bool acl_start(struct larder *engine, struct text *error)
{
    struct config *config = engine->config;
    bool has_file = acl_has_file(engine);
    if (has_file && config->user_count > 0) {
        text_append(error, BYTES("Configuring Larder with users defined in the configuration file and at the same time "
                                 "setting an ACL file path is invalid. This setup is very likely to lead to "
                                 "configuration errors and security holes, please define either an ACL file or declare "
                                 "users directly in the configuration file, but not both."));
        return false;
    }
    if (has_file && !cfg_text_is_empty(config, &config->requirepass))
        log_printf(&engine->log, LOG_WARNING_LEVEL,
                   "requirepass is ignored: the ACL file says how the default user proves who it is.");
    bool is_right = has_file ? acl_load(engine, NULL, error) : make_users(engine, error);
    cfg_forget_users(config);
    engine->acl.started_generation = atomic_load_explicit(&engine->acl.generation, memory_order_relaxed);
    return is_right;
}

/* ---- CONFIG REWRITE ---- */

/* Lines on their way to the caller. */
struct writing {
    struct larder *engine;
    cfg_line_fn *line;
    void *line_context;
    struct acl_rules *usual; /* the default user's, if nobody but requirepass has changed it */
    bool is_cut;             /* memory ran out */
};

static bool is_same(const struct acl_rules *a, const struct acl_rules *b, bool *is_cut)
{
    struct text x = {0}, y = {0};
    acl_rules_describe(a, ACL_FORM_CONFIG, &x);
    acl_rules_describe(b, ACL_FORM_CONFIG, &y);
    *is_cut |= x.is_cut || y.is_cut;
    bool is_same = bytes_equal(text_bytes(&x), text_bytes(&y));
    text_free(&x);
    text_free(&y);
    return is_same;
}

/* The default user's line is not needed while it says what holds without it. */
static void write_user(void *context, const struct acl_user *user)
{
    struct writing *writing = context;
    struct text line = {0};
    text_append(&line, BYTES("user "));
    split_append_word(&line, user->name);
    text_append_char(&line, ' ');
    acl_rules_describe(user->rules, ACL_FORM_CONFIG, &line);
    writing->is_cut |= line.is_cut;
    bool is_usual = user == writing->engine->acl.default_user && is_same(user->rules, writing->usual, &writing->is_cut);
    if (!writing->is_cut)
        writing->line(writing->line_context, text_bytes(&line), !is_usual);
    text_free(&line);
}

static struct acl_rules *usual_default_rules(struct larder *engine)
{
    struct config *config = engine->config;
    struct acl_grammar grammar = acl_grammar_of(engine);
    struct acl_rules *rules = acl_rules_new_default(&grammar);
    char *password = cfg_duplicate_text(config, &config->requirepass);
    size_t len = cfg_copy_text(config, &config->requirepass, NULL, 0);
    if (rules == NULL || password == NULL || !acl_rules_set_password(rules, (bytes){password, len})) {
        acl_rules_drop(rules);
        rules = NULL;
    }
    if (password != NULL)
        secret_wipe(password, len);
    mem_free(password);
    return rules;
}

enum cfg_users_fate acl_list_user_lines(void *context, cfg_line_fn *line, void *line_context, struct cfg_error *error)
{
    struct larder *engine = context;
    if (acl_has_file(engine))
        return CFG_USERS_ARE_WRITTEN; /* none: they are in the other file */
    if (engine->config->has_foreign_users) {
        if (atomic_load_explicit(&engine->acl.generation, memory_order_relaxed) == engine->acl.started_generation)
            return CFG_USERS_STAY;
        snprintf(
            error->text, sizeof(error->text),
            "Rewriting config file: users have changed that are declared in an included file or on the command line");
        return CFG_USERS_ARE_REFUSED;
    }
    struct writing writing = {.engine = engine, .line = line, .line_context = line_context};
    writing.usual = usual_default_rules(engine);
    if (writing.usual != NULL)
        acl_visit(engine, write_user, &writing);
    bool is_written = writing.usual != NULL && !writing.is_cut;
    acl_rules_drop(writing.usual);
    if (is_written)
        return CFG_USERS_ARE_WRITTEN;
    snprintf(error->text, sizeof(error->text), "Rewriting config file: %s", strerror(ENOMEM));
    return CFG_USERS_ARE_REFUSED;
}

/* The configuration of an engine: finding parameters, changing them together with their hooks, reading them; see
   config.h. A change has three steps. All values are read from their words first; then they are exchanged with the
   fields, all at once as far as texts and lists are concerned; then the hooks are asked. What is left over from the
   exchange are the old values, so that undoing a change needs no memory and cannot fail. */
#include "base/glob.h"
#include "base/lz4.h"
#include "base/mem.h"
#include "engine/config_row.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct cfg_hook {
    struct cfg_hook *next;
    const struct cfg_row *row;
    cfg_change_fn *changed;
    void *context;
    bool was_called; /* change_lock: in the change that is under way */
};

/* One parameter of a change under way. */
struct change {
    const struct cfg_row *row;
    const char *name;      /* the name or alias it was called by, of the table */
    bytes words;           /* CONFIG SET: the value */
    union cfg_value value; /* the new value; after the exchange the old one */
    bool is_different;     /* from the value before */
};

void cfg_fail(struct cfg_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
}

/* ---- Start and end ---- */

static void free_rows(struct config *config, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        union cfg_value nothing = {0};
        cfg_value_exchange(config, &cfg_rows[i], &nothing);
        cfg_value_free(&cfg_rows[i], &nothing);
    }
    lock_free(&config->lock);
    lock_free(&config->change_lock);
}

bool cfg_init(struct config *config)
{
    memset(config, 0, sizeof(*config));
    lock_init(&config->change_lock);
    lock_init(&config->lock);
    for (size_t i = 0; i < cfg_row_count; i++) {
        bytes words = bytes_of(cfg_rows[i].default_text);
        union cfg_value value;
        struct cfg_error ignored;
        if (!cfg_value_parse(config, &cfg_rows[i], &words, 1, CFG_FROM_SET, &value, &ignored)) {
            free_rows(config, i);
            return false;
        }
        cfg_value_exchange(config, &cfg_rows[i], &value);
    }
    return true;
}

void cfg_free(struct config *config)
{
    while (config->hooks) {
        struct cfg_hook *hook = config->hooks;
        config->hooks = hook->next;
        mem_free(hook);
    }
    for (size_t i = 0; i < config->rename_count; i++) {
        mem_free(config->renames[i].from.at);
        mem_free(config->renames[i].to.at);
    }
    mem_free(config->renames);
    cfg_forget_users(config);
    free_rows(config, cfg_row_count);
}

/* ---- Parameters ---- */

/* Finds a parameter, and which of its two names was meant. */
static const struct cfg_row *find_row(bytes name, const char **found_name)
{
    for (size_t i = 0; i < cfg_row_count; i++) {
        const struct cfg_row *row = &cfg_rows[i];
        if (bytes_equal_nocase(name, bytes_of(row->name)))
            *found_name = row->name;
        else if (row->alias && bytes_equal_nocase(name, bytes_of(row->alias)))
            *found_name = row->alias;
        else
            continue;
        return row;
    }
    return NULL;
}

const struct cfg_row *cfg_lookup(bytes name)
{
    const char *ignored;
    return find_row(name, &ignored);
}

const char *cfg_name(const struct cfg_row *row)
{
    return row->name;
}

bool cfg_is_sensitive(const struct cfg_row *row)
{
    return row->flags & CFG_SENSITIVE;
}

bool cfg_is_immutable(const struct cfg_row *row)
{
    return row->flags & CFG_IMMUTABLE;
}

size_t cfg_count(void)
{
    return cfg_row_count;
}

const struct cfg_row *cfg_at(size_t index)
{
    assert(index < cfg_row_count);
    return &cfg_rows[index];
}

/* ---- Changing ---- */

static bool has_hook(const struct config *config, const struct cfg_row *row)
{
    for (const struct cfg_hook *hook = config->hooks; hook; hook = hook->next)
        if (hook->row == row)
            return true;
    return false;
}

/* Exchanges the value of one parameter with its field; whether that makes a difference matters to hooks only. */
static void exchange(struct config *config, struct change *change)
{
    struct text before = {0}, after = {0};
    bool is_watched = has_hook(config, change->row);
    if (is_watched)
        cfg_value_format(config, change->row, &before);
    cfg_value_exchange(config, change->row, &change->value);
    if (is_watched) {
        cfg_value_format(config, change->row, &after);
        change->is_different = (change->row->flags & CFG_REAPPLIED) || before.is_cut || after.is_cut ||
                               !bytes_equal(text_bytes(&before), text_bytes(&after));
    }
    text_free(&before);
    text_free(&after);
}

/* A second exchange puts the old values back; backwards, since one parameter may occur under both of its names. */
static void exchange_back(struct config *config, struct change *changes, size_t count)
{
    lock_take(&config->lock);
    for (size_t i = count; i-- > 0;)
        cfg_value_exchange(config, changes[i].row, &changes[i].value);
    lock_give(&config->lock);
}

/* The same function with the same context counts as one hook, however many names it is registered for. */
static bool was_called(const struct config *config, const struct cfg_hook *hook)
{
    for (const struct cfg_hook *other = config->hooks; other; other = other->next)
        if (other->was_called && other->changed == hook->changed && other->context == hook->context)
            return true;
    return false;
}

static bool call_hooks_of(struct config *config, const struct change *change, struct cfg_error *error)
{
    for (struct cfg_hook *hook = config->hooks; hook; hook = hook->next) {
        if (hook->row != change->row || was_called(config, hook))
            continue;
        hook->was_called = true;
        if (!hook->changed(config, hook->context, error))
            return false;
    }
    return true;
}

/* Ends a change: forgets which hooks were called, and calls them once more when it was undone. */
static void finish_hooks(struct config *config, bool is_undone)
{
    config->is_undoing = is_undone;
    for (struct cfg_hook *hook = config->hooks; hook; hook = hook->next) {
        struct cfg_error ignored; /* the values before were agreed to; there is nothing left to fall back on */
        if (is_undone && hook->was_called)
            hook->changed(config, hook->context, &ignored);
        hook->was_called = false;
    }
    config->is_undoing = false;
}

/* Puts parsed values in place and asks the hooks. On failure everything is as before and *failed is the change whose
   hook refused. Either way the values are freed. Caller holds change_lock. */
static bool commit(struct config *config, struct change *changes, size_t count, const struct change **failed,
                   struct cfg_error *error)
{
    lock_take(&config->lock);
    for (size_t i = 0; i < count; i++)
        exchange(config, &changes[i]);
    lock_give(&config->lock);

    *failed = NULL;
    for (size_t i = 0; i < count && !*failed; i++)
        if (changes[i].is_different && !call_hooks_of(config, &changes[i], error))
            *failed = &changes[i];
    if (*failed)
        exchange_back(config, changes, count);
    finish_hooks(config, *failed != NULL);

    for (size_t i = 0; i < count; i++)
        cfg_value_free(changes[i].row, &changes[i].value);
    return !*failed;
}

bool cfg_set_one(struct config *config, const bytes *argv, size_t argc, struct cfg_error *error)
{
    struct change change = {0};
    change.row = argc ? find_row(argv[0], &change.name) : NULL;
    if (!change.row) {
        cfg_fail(error, "Bad directive or wrong number of arguments");
        return false;
    }
    lock_take(&config->change_lock);
    const struct change *failed;
    bool is_fine = cfg_value_parse(config, change.row, argv + 1, argc - 1, CFG_FROM_LINE, &change.value, error) &&
                   commit(config, &change, 1, &failed, error);
    if (is_fine && change.row->kind == CFG_KIND_SAVE_POINTS)
        config->save_was_given = true;
    lock_give(&config->change_lock);
    return is_fine;
}

static void fail_for(struct cfg_error *error, const char *name, const char *reason)
{
    cfg_fail(error, "CONFIG SET failed (possibly related to argument '%s') - %s", name, reason);
}

/* Whether CONFIG SET may touch this parameter at all. `change` is the one that follows `count` others. */
static bool may_change(const struct config *config, const struct change *changes, size_t count, bool caller_is_local,
                       struct cfg_error *error)
{
    const struct change *change = &changes[count];
    int permission = CFG_READ(config, enable_protected_configs);
    bool is_open = permission == CFG_ALLOW_YES || (permission == CFG_ALLOW_LOCAL && caller_is_local);
    const char *refusal = NULL;
    if (change->row->flags & CFG_IMMUTABLE)
        refusal = "can't set immutable config";
    else if ((change->row->flags & CFG_PROTECTED) && !is_open)
        refusal = "can't set protected config";
    for (size_t i = 0; i < count && !refusal; i++)
        if (changes[i].name == change->name)
            refusal = "duplicate parameter";
    if (refusal)
        fail_for(error, change->name, refusal);
    return !refusal;
}

/* Finds and checks all names before any value is looked at. */
static bool find_changes(const struct config *config, struct change *changes, size_t count, const bytes *argv,
                         bool caller_is_local, struct cfg_error *error)
{
    for (size_t i = 0; i < count; i++) {
        bytes name = argv[2 * i];
        changes[i].row = find_row(name, &changes[i].name);
        changes[i].words = argv[2 * i + 1];
        if (!changes[i].row) {
            cfg_fail(error, "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                     (int)(name.len < CFG_ERROR_SIZE ? name.len : CFG_ERROR_SIZE), name.at);
            return false;
        }
        if (!may_change(config, changes, i, caller_is_local, error))
            return false;
    }
    return true;
}

/* Reads all values. On failure none is left to free. Caller holds change_lock. */
static bool parse_changes(const struct config *config, struct change *changes, size_t count, struct cfg_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct cfg_error reason;
        if (cfg_value_parse(config, changes[i].row, &changes[i].words, 1, CFG_FROM_SET, &changes[i].value, &reason))
            continue;
        fail_for(error, changes[i].name, reason.text);
        while (i-- > 0)
            cfg_value_free(changes[i].row, &changes[i].value);
        return false;
    }
    return true;
}

bool cfg_set_many(struct config *config, const bytes *argv, size_t argc, bool caller_is_local, struct cfg_error *error)
{
    if (argc == 0 || argc % 2) {
        cfg_fail(error, "syntax error");
        return false;
    }
    /* Each name once: whatever is longer has a duplicate or an unknown name in its first part. */
    size_t count = argc / 2 <= 2 * cfg_row_count ? argc / 2 : 2 * cfg_row_count + 1;
    struct change *changes = mem_alloc_zeroed(count * sizeof(*changes));
    if (!changes) {
        cfg_fail(error, "out of memory");
        return false;
    }
    bool is_fine = find_changes(config, changes, count, argv, caller_is_local, error);
    if (is_fine) {
        lock_take(&config->change_lock);
        const struct change *failed;
        struct cfg_error reason = {0};
        is_fine = parse_changes(config, changes, count, error);
        if (is_fine && !commit(config, changes, count, &failed, &reason)) {
            fail_for(error, failed->name, reason.text);
            is_fine = false;
        }
        lock_give(&config->change_lock);
    }
    mem_free(changes);
    return is_fine;
}

bool cfg_on_change(struct config *config, const char *name, cfg_change_fn *changed, void *context)
{
    struct cfg_hook *hook = mem_alloc(sizeof(*hook));
    if (!hook)
        return false;
    *hook = (struct cfg_hook){.row = cfg_lookup(bytes_of(name)), .changed = changed, .context = context};
    assert(hook->row);
    lock_take(&config->change_lock);
    struct cfg_hook **end = &config->hooks;
    while (*end)
        end = &(*end)->next;
    *end = hook;
    lock_give(&config->change_lock);
    return true;
}

void cfg_off_change(struct config *config, cfg_change_fn *changed, void *context)
{
    lock_take(&config->change_lock);
    struct cfg_hook **at = &config->hooks;
    while (*at) {
        struct cfg_hook *hook = *at;
        if (hook->changed == changed && hook->context == context) {
            *at = hook->next;
            mem_free(hook);
        } else {
            at = &hook->next;
        }
    }
    lock_give(&config->change_lock);
}

static bool make_room_for_rename(struct config *config)
{
    if (config->rename_count < config->rename_room)
        return true;
    size_t room = config->rename_room ? config->rename_room * 2 : 8;
    struct cfg_rename *renames = mem_realloc(config->renames, room * sizeof(*renames));
    if (!renames)
        return false;
    config->renames = renames;
    config->rename_room = room;
    return true;
}

bool cfg_add_rename(struct config *config, bytes from, bytes to, struct cfg_error *error)
{
    if (config->rename_count == CFG_RENAMES_MAX) {
        cfg_fail(error, "Too many rename-command directives");
        return false;
    }
    const char *reason = NULL;
    if (config->check_rename != NULL)
        reason = config->check_rename(config->check_rename_context, from, to);
    if (reason != NULL) {
        cfg_fail(error, "%s", reason);
        return false;
    }
    struct cfg_rename rename = {0};
    if (!make_room_for_rename(config) || !cfg_text_make(&rename.from, from) || !cfg_text_make(&rename.to, to)) {
        mem_free(rename.from.at);
        cfg_fail(error, "out of memory");
        return false;
    }
    config->renames[config->rename_count++] = rename;
    return true;
}

bool cfg_check(struct config *config, struct cfg_error *error)
{
    if (CFG_READ(config, cluster_enabled) && cfg_master(config).host[0]) {
        cfg_fail(error, "replicaof directive not allowed in cluster mode");
        return false;
    }
    if (CFG_READ(config, compression_threshold) > 0 && !lz4_is_available()) {
        cfg_fail(error, "This Larder was built without LZ4; compression-threshold must be 0.");
        return false;
    }
    return true;
}

void cfg_freeze(struct config *config)
{
    lock_take(&config->change_lock);
}

void cfg_thaw(struct config *config)
{
    lock_give(&config->change_lock);
}

/* ---- Reading ---- */

void cfg_value_to_text(struct config *config, const struct cfg_row *row, struct text *out)
{
    lock_take(&config->lock);
    cfg_value_format(config, row, out);
    lock_give(&config->lock);
}

/* CONFIG GET under way. Each row has two places in `was_given`: its name and its alias. */
struct search {
    struct config *config;
    cfg_each_fn *each;
    void *context;
    bool *was_given;
    struct text value;
    bool is_cut;
};

static void give(struct search *search, const struct cfg_row *row, bool is_alias, bytes name)
{
    bool *was_given = &search->was_given[2 * (row - cfg_rows) + is_alias];
    if (*was_given)
        return;
    *was_given = true;
    text_clear(&search->value);
    cfg_value_to_text(search->config, row, &search->value);
    if (search->value.is_cut)
        search->is_cut = true;
    else
        search->each(search->context, name, text_bytes(&search->value));
}

static void give_matches(struct search *search, bytes pattern)
{
    for (size_t i = 0; i < cfg_row_count; i++) {
        const struct cfg_row *row = &cfg_rows[i];
        if (row->flags & CFG_HIDDEN)
            continue;
        if (glob_match(pattern, bytes_of(row->name), true))
            give(search, row, false, bytes_of(row->name));
        if (row->alias && glob_match(pattern, bytes_of(row->alias), true))
            give(search, row, true, bytes_of(row->alias));
    }
}

bool cfg_get(struct config *config, const bytes *patterns, size_t pattern_count, cfg_each_fn *each, void *context)
{
    struct search search = {.config = config, .each = each, .context = context};
    search.was_given = mem_alloc_zeroed(2 * cfg_row_count * sizeof(bool));
    if (!search.was_given)
        return false;
    for (size_t i = 0; i < pattern_count; i++) {
        const char *name;
        const struct cfg_row *row;
        if (glob_is_pattern(patterns[i]))
            give_matches(&search, patterns[i]);
        else if ((row = find_row(patterns[i], &name)))
            give(&search, row, name == row->alias, patterns[i]);
    }
    text_free(&search.value);
    mem_free(search.was_given);
    return !search.is_cut;
}

size_t cfg_copy_text(struct config *config, const struct cfg_text *text, char *to, size_t to_size)
{
    lock_take(&config->lock);
    size_t len = text->len;
    if (to_size) {
        size_t part = len < to_size ? len : to_size - 1;
        if (part)
            memcpy(to, text->at, part);
        to[part] = '\0';
    }
    lock_give(&config->lock);
    return len;
}

char *cfg_duplicate_text(struct config *config, const struct cfg_text *text)
{
    struct cfg_text copy;
    lock_take(&config->lock);
    bool is_fine = cfg_text_make(&copy, (bytes){text->at, text->len});
    lock_give(&config->lock);
    return is_fine ? copy.at : NULL;
}

bool cfg_text_is_empty(struct config *config, const struct cfg_text *text)
{
    return cfg_copy_text(config, text, NULL, 0) == 0;
}

bool cfg_text_equals(struct config *config, const struct cfg_text *text, bytes other)
{
    lock_take(&config->lock);
    unsigned char difference = text->len != other.len;
    for (size_t i = 0; i < other.len; i++)
        difference |= (unsigned char)(other.at[i] ^ (i < text->len ? text->at[i] : 0));
    lock_give(&config->lock);
    return difference == 0;
}

void cfg_free_addresses(struct cfg_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        mem_free(addresses->at[i].at);
    addresses->count = 0;
}

bool cfg_copy_bind(struct config *config, struct cfg_addresses *to)
{
    bool is_fine = true;
    to->count = 0;
    lock_take(&config->lock);
    for (size_t i = 0; i < config->bind.count && is_fine; i++) {
        const struct cfg_text *address = &config->bind.at[i];
        is_fine = cfg_text_make(&to->at[i], (bytes){address->at, address->len});
        to->count += is_fine;
    }
    lock_give(&config->lock);
    if (!is_fine)
        cfg_free_addresses(to);
    return is_fine;
}

struct cfg_output_limit cfg_output_limit(struct config *config, enum cfg_client_class class)
{
    lock_take(&config->lock);
    struct cfg_output_limit limit = config->client_output_buffer_limit.at[class];
    lock_give(&config->lock);
    return limit;
}

void cfg_copy_save_points(struct config *config, struct cfg_save_points *to)
{
    lock_take(&config->lock);
    *to = config->save;
    lock_give(&config->lock);
}

void cfg_copy_percentiles(struct config *config, struct cfg_percentiles *to)
{
    lock_take(&config->lock);
    *to = config->latency_tracking_info_percentiles;
    lock_give(&config->lock);
}

struct cfg_oom_scores cfg_oom_scores(struct config *config)
{
    lock_take(&config->lock);
    struct cfg_oom_scores scores = config->oom_score_adj_values;
    lock_give(&config->lock);
    return scores;
}

struct cfg_master cfg_master(struct config *config)
{
    lock_take(&config->lock);
    struct cfg_master master = config->replicaof;
    lock_give(&config->lock);
    return master;
}

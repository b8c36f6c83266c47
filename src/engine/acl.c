/* Users: the table of them, and how they change; see acl.h. */
#include "engine/acl.h"

#include "base/mem.h"
#include "base/secret.h"
#include "engine/acl_check.h"
#include "engine/acl_file.h"
#include "engine/engine.h"

#include <stdio.h>

struct acl_grammar acl_grammar_of(const struct larder *engine)
{
    return (struct acl_grammar){
        .commands = &engine->commands,
        .opens_channels = CFG_READ(engine->config, acl_pubsub_default) == CFG_PUBSUB_ALLCHANNELS,
    };
}

void acl_warn(const struct larder *engine, struct text *deprecated)
{
    if (deprecated->len > 0)
        log_printf(
            &engine->log, LOG_WARNING_LEVEL,
            "Deprecation warning: Allowing a first arg of an otherwise blocked command is a misuse of ACL and may "
            "get disabled in the future (offender: %s)",
            deprecated->at);
    text_free(deprecated);
}

/* ---- Single users ---- */

static struct acl_user *user_new(bytes name, struct acl_rules *rules)
{
    struct acl_user *user = mem_alloc(sizeof(*user) + name.len + 1);
    if (user == NULL)
        return NULL;
    char *copy = (char *)(user + 1);
    if (name.len > 0)
        memcpy(copy, name.at, name.len);
    copy[name.len] = '\0';
    *user = (struct acl_user){.rules = rules, .name = {copy, name.len}};
    atomic_init(&user->references, 1);
    atomic_init(&user->is_gone, false);
    return user;
}

struct acl_user *acl_user_keep(struct acl_user *user)
{
    atomic_fetch_add_explicit(&user->references, 1, memory_order_relaxed);
    return user;
}

void acl_user_drop(struct acl_user *user)
{
    if (user == NULL || atomic_fetch_sub_explicit(&user->references, 1, memory_order_acq_rel) > 1)
        return;
    acl_rules_drop(user->rules);
    mem_free(user);
}

bool acl_is_name(bytes name)
{
    return acl_is_word(name);
}

/* ---- The table; the lock is held ---- */

int acl_compare_names(bytes a, bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.at, b.at, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where a user of this name stands, or would stand. */
static size_t find_place(const struct acl *acl, bytes name)
{
    size_t low = 0;
    size_t high = acl->user_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (acl_compare_names(acl->users[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct acl_user *find(const struct acl *acl, bytes name)
{
    size_t place = find_place(acl, name);
    bool is_found = place < acl->user_count && bytes_equal(acl->users[place]->name, name);
    return is_found ? acl->users[place] : NULL;
}

static bool make_room(struct acl *acl)
{
    if (acl->user_count < acl->user_room)
        return true;
    size_t room = acl->user_room > 0 ? 2 * acl->user_room : 8;
    struct acl_user **users = mem_realloc(acl->users, room * sizeof(*users));
    if (users == NULL)
        return false;
    acl->users = users;
    acl->user_room = room;
    return true;
}

/* Takes the references; false when there is no memory, and takes nothing. */
static bool insert(struct acl *acl, bytes name, struct acl_rules *rules)
{
    struct acl_user *user = make_room(acl) ? user_new(name, rules) : NULL;
    if (user == NULL)
        return false;
    size_t place = find_place(acl, name);
    memmove(acl->users + place + 1, acl->users + place, (acl->user_count - place) * sizeof(struct acl_user *));
    acl->users[place] = user;
    acl->user_count++;
    return true;
}

/* From now on these are the user's rules; takes the reference. */
static void replace_rules(struct acl_user *user, struct acl_rules *rules)
{
    acl_rules_drop(user->rules);
    user->rules = rules;
}

/* Tells every session that something has changed. */
static void publish(struct acl *acl)
{
    atomic_store_explicit(&acl->default_flags, acl->default_user->rules->flags, memory_order_relaxed);
    atomic_fetch_add_explicit(&acl->generation, 1, memory_order_release);
}

/* ---- Looking ---- */

struct acl_user *acl_find_user(struct larder *engine, bytes name)
{
    lock_take(&engine->acl.lock);
    struct acl_user *user = find(&engine->acl, name);
    if (user != NULL)
        acl_user_keep(user);
    lock_give(&engine->acl.lock);
    return user;
}

struct acl_rules *acl_user_rules(struct larder *engine, struct acl_user *user)
{
    lock_take(&engine->acl.lock);
    struct acl_rules *rules = acl_rules_keep(user->rules);
    lock_give(&engine->acl.lock);
    return rules;
}

void acl_visit(struct larder *engine, void (*visit)(void *context, const struct acl_user *user), void *context)
{
    lock_take(&engine->acl.lock);
    for (size_t i = 0; i < engine->acl.user_count; i++)
        visit(context, engine->acl.users[i]);
    lock_give(&engine->acl.lock);
}

bool acl_is_open(const struct larder *engine)
{
    unsigned flags = atomic_load_explicit(&engine->acl.default_flags, memory_order_relaxed);
    return flags & ACL_USER_NOPASS;
}

/* ---- Changing ---- */

/* The registry is locked. */
static void close_session(struct session *session, const struct session *self)
{
    if (session == self) {
        session->close_after_reply = true;
    } else {
        atomic_store_explicit(&session->must_close, true, memory_order_release);
        session->transport->interrupt(session);
    }
}

/* Closes the sessions of users that are gone. Sessions of the program's own find out with their next command. */
static void close_orphans(struct larder *engine, struct session *self)
{
    struct session_registry *registry = &engine->sessions;
    lock_take(&registry->lock);
    for (struct session *session = NULL; (session = session_next_client(registry, session)) != NULL;) {
        struct acl_user *user = atomic_load_explicit(&session->user, memory_order_relaxed);
        if (user == NULL || !atomic_load_explicit(&user->is_gone, memory_order_relaxed))
            continue;
        close_session(session, self);
    }
    lock_give(&registry->lock);
}

/* Subscriptions being looked through. */
struct patrol {
    struct larder *engine;
    const struct acl_user *user; /* whose rules have changed; NULL: perhaps everybody's */
    struct session *self;
};

/* The registry is locked, so the session's user is there. */
static void patrol_subscription(void *context, struct session *session, enum topic_kind kind, bytes name)
{
    const struct patrol *patrol = context;
    struct acl_user *user = atomic_load_explicit(&session->user, memory_order_relaxed);
    if (user == NULL || (patrol->user != NULL && user != patrol->user) || !session->transport->is_network)
        return;
    struct acl_rules *rules = acl_user_rules(patrol->engine, user);
    if (!acl_check_channel(rules, name, kind == TOPIC_PATTERN))
        close_session(session, patrol->self);
    acl_rules_drop(rules);
}

/* Closes the sessions with subscriptions that are not permitted any more. */
static void close_listeners(struct larder *engine, const struct acl_user *user, struct session *self)
{
    struct patrol patrol = {.engine = engine, .user = user, .self = self};
    size_t topics = 0;
    for (enum topic_kind kind = 0; kind < TOPIC_KINDS; kind++)
        topics += pubsub_topics(&engine->pubsub, kind);
    if (topics == 0)
        return;
    lock_take(&engine->sessions.lock);
    pubsub_visit_subscriptions(engine, patrol_subscription, &patrol);
    lock_give(&engine->sessions.lock);
}

/* Is a channel of the rules of before at the same place of those that were made from a copy of them? Then it is the
   same text, not only an equal one; so this spares comparing all with all unless channels were taken away. */
static bool stands_in_place(const struct acl_rules *after, size_t selector, size_t channel, const struct blob *text)
{
    if (selector >= after->selector_count)
        return false;
    const struct acl_list *channels = &after->selectors[selector].channels;
    return channel < channels->count && channels->items[channel].text == text;
}

/* May a session be subscribed to something that `after` does not permit, since `before` did? */
static bool loses_channels(const struct acl_rules *before, const struct acl_rules *after)
{
    for (size_t i = 0; i < after->selector_count; i++)
        if (after->selectors[i].flags & ACL_ALL_CHANNELS)
            return false;
    for (size_t i = 0; i < before->selector_count; i++) {
        const struct acl_selector *selector = &before->selectors[i];
        if (selector->flags & ACL_ALL_CHANNELS)
            return true;
        for (size_t j = 0; j < selector->channels.count; j++)
            if (!stands_in_place(after, i, j, selector->channels.items[j].text) &&
                !acl_check_channel(after, acl_list_text(&selector->channels, j), true))
                return true;
    }
    return false;
}

/* Under the lock. *listener is a reference to the user, if sessions may have lost channels by that; else NULL. */
static enum acl_fault change_user(struct acl *acl, const struct acl_grammar *grammar, bytes name,
                                  struct acl_modifiers *modifiers, bytes *culprit, struct acl_user **listener)
{
    struct acl_user *user = find(acl, name);
    struct acl_rules *rules = user != NULL ? acl_rules_copy(user->rules) : acl_rules_new(grammar);
    if (rules == NULL)
        return ACL_NO_MEMORY;
    enum acl_fault fault = acl_rules_apply_all(rules, modifiers, grammar, culprit);
    if (fault == ACL_FINE && user == NULL && !insert(acl, name, rules))
        fault = ACL_NO_MEMORY;
    if (fault != ACL_FINE) {
        acl_rules_drop(rules);
        return fault;
    }
    if (user != NULL) {
        *listener = loses_channels(user->rules, rules) ? acl_user_keep(user) : NULL;
        replace_rules(user, rules);
    }
    publish(acl);
    return ACL_FINE;
}

enum acl_fault acl_set_user(struct larder *engine, bytes name, struct acl_modifiers *modifiers, bytes *culprit,
                            struct session *self)
{
    struct acl_user *listener = NULL;
    struct text deprecated = {.limit = ACL_WARNING_MAX};
    struct acl_grammar grammar = acl_grammar_of(engine);
    grammar.deprecated = &deprecated;
    lock_take(&engine->acl.lock);
    enum acl_fault fault = change_user(&engine->acl, &grammar, name, modifiers, culprit, &listener);
    lock_give(&engine->acl.lock);
    acl_warn(engine, &deprecated);
    if (listener != NULL)
        close_listeners(engine, listener, self);
    acl_user_drop(listener);
    return fault;
}

/* Takes the user in this place out of the table. */
static void remove_user(struct acl *acl, size_t place)
{
    struct acl_user *user = acl->users[place];
    atomic_store_explicit(&user->is_gone, true, memory_order_relaxed);
    acl->user_count--;
    memmove(acl->users + place, acl->users + place + 1, (acl->user_count - place) * sizeof(struct acl_user *));
    acl_user_drop(user);
}

size_t acl_delete_users(struct larder *engine, const bytes *names, size_t count, struct session *self)
{
    struct acl *acl = &engine->acl;
    size_t deleted = 0;
    lock_take(&acl->lock);
    for (size_t i = 0; i < count; i++) {
        struct acl_user *user = find(acl, names[i]);
        if (user == NULL || user == acl->default_user)
            continue;
        remove_user(acl, find_place(acl, names[i]));
        deleted++;
    }
    if (deleted > 0)
        publish(acl);
    lock_give(&acl->lock);
    if (deleted > 0)
        close_orphans(engine, self);
    return deleted;
}

/* ---- Replacing all ---- */

static struct acl_draft *find_draft(struct acl_draft *drafts, size_t count, bytes name)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = acl_compare_names(drafts[middle].name, name);
        if (order == 0)
            return &drafts[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* A table of the drafts' users: those there are already, and new ones without rules. NULL when there is no memory. The
   default user is among them in any case. */
static struct acl_user **make_table(const struct acl *acl, const struct acl_draft *drafts, size_t count,
                                    size_t *user_count)
{
    struct acl_user **users = mem_alloc((count + 1) * sizeof(struct acl_user *));
    if (users == NULL)
        return NULL;
    bytes default_name = acl->default_user->name;
    bool has_default = false;
    size_t made = 0;
    for (size_t i = 0; i <= count; i++) {
        int order = i < count ? acl_compare_names(drafts[i].name, default_name) : 1;
        if (order >= 0 && !has_default) {
            users[made++] = acl_user_keep(acl->default_user);
            has_default = true;
        }
        if (i == count || order == 0)
            continue;
        struct acl_user *user = find(acl, drafts[i].name);
        users[made] = user != NULL ? acl_user_keep(user) : user_new(drafts[i].name, NULL);
        if (users[made] != NULL) {
            made++;
            continue;
        }
        while (made > 0)
            acl_user_drop(users[--made]);
        mem_free(users);
        return NULL;
    }
    *user_count = made;
    return users;
}

/* The new table takes the old one's place. A user that is in both is held by one more reference for a moment. */
static void exchange_table(struct acl *acl, struct acl_user **users, size_t count, struct acl_draft *drafts,
                           size_t draft_count)
{
    for (size_t i = 0; i < acl->user_count; i++) {
        struct acl_user *user = acl->users[i];
        if (user != acl->default_user && find_draft(drafts, draft_count, user->name) == NULL)
            atomic_store_explicit(&user->is_gone, true, memory_order_relaxed);
        acl_user_drop(user);
    }
    mem_free(acl->users);
    acl->users = users;
    acl->user_count = count;
    acl->user_room = draft_count + 1;
    for (size_t i = 0; i < count; i++) {
        struct acl_draft *draft = find_draft(drafts, draft_count, users[i]->name);
        if (draft == NULL)
            continue;
        replace_rules(users[i], draft->rules);
        draft->rules = NULL;
    }
}

static bool replace_all(struct larder *engine, struct acl_draft *drafts, size_t count)
{
    struct acl *acl = &engine->acl;
    struct acl_grammar grammar = acl_grammar_of(engine);
    struct acl_rules *default_rules = NULL;
    if (find_draft(drafts, count, acl->default_user->name) == NULL) {
        default_rules = acl_rules_new_default(&grammar);
        if (default_rules == NULL)
            return false;
    }
    size_t user_count;
    struct acl_user **users = make_table(acl, drafts, count, &user_count);
    if (users == NULL) {
        acl_rules_drop(default_rules);
        return false;
    }
    exchange_table(acl, users, user_count, drafts, count);
    if (default_rules != NULL)
        replace_rules(acl->default_user, default_rules);
    publish(acl);
    return true;
}

bool acl_replace_users(struct larder *engine, struct acl_draft *drafts, size_t count, struct session *self)
{
    lock_take(&engine->acl.lock);
    bool is_replaced = replace_all(engine, drafts, count);
    lock_give(&engine->acl.lock);
    if (is_replaced) {
        close_orphans(engine, self);
        close_listeners(engine, NULL, self);
    }
    return is_replaced;
}

/* ---- Start and end ---- */

/* These are the default user's rules now, and those were so before requirepass changed; takes both references.
 */
static void set_default_rules(struct acl *acl, struct acl_rules *rules, struct acl_rules *before)
{
    replace_rules(acl->default_user, rules);
    acl_rules_drop(acl->before_requirepass);
    acl_rules_drop(acl->by_requirepass);
    acl->before_requirepass = before;
    acl->by_requirepass = acl_rules_keep(rules);
    publish(acl);
}

/* Gives the default user this one password, or none. */
static bool set_default_password(struct acl *acl, bytes password)
{
    struct acl_rules *rules = acl_rules_copy(acl->default_user->rules);
    if (rules == NULL || !acl_rules_set_password(rules, password)) {
        acl_rules_drop(rules);
        return false;
    }
    set_default_rules(acl, rules, acl_rules_keep(acl->default_user->rules));
    return true;
}

/* A change of requirepass is taken back: so is what it did, unless somebody has changed the user since. (Setting the
   former password again would forget others that the user had, or let everybody in.) */
static void take_back_password(struct acl *acl)
{
    if (acl->before_requirepass != NULL && acl->by_requirepass == acl->default_user->rules)
        set_default_rules(acl, acl_rules_keep(acl->before_requirepass), NULL);
}

/* requirepass changed: it is the default user's password. */
static bool follow_requirepass(struct config *config, void *context, struct cfg_error *error)
{
    struct acl *acl = &((struct larder *)context)->acl;
    size_t len = cfg_copy_text(config, &config->requirepass, NULL, 0);
    char *password = cfg_duplicate_text(config, &config->requirepass);
    bool is_set = password != NULL;
    lock_take(&acl->lock);
    if (config->is_undoing)
        take_back_password(acl);
    else
        is_set = is_set && set_default_password(acl, (bytes){password, len});
    lock_give(&acl->lock);
    if (!is_set)
        snprintf(error->text, sizeof(error->text), "out of memory");
    if (password != NULL)
        secret_wipe(password, len);
    mem_free(password);
    return is_set;
}

static bool add_default_user(struct larder *engine)
{
    struct acl *acl = &engine->acl;
    struct acl_grammar grammar = acl_grammar_of(engine);
    struct acl_rules *rules = acl_rules_new_default(&grammar);
    if (rules == NULL)
        return false;
    if (!insert(acl, BYTES("default"), rules)) {
        acl_rules_drop(rules);
        return false;
    }
    acl->default_user = acl->users[0];
    publish(acl);
    return true;
}

bool acl_init(struct larder *engine)
{
    struct acl *acl = &engine->acl;
    struct config *config = engine->config;
    struct cfg_error error;
    lock_init(&acl->lock);
    lock_init(&acl->file_lock);
    acl_log_init(&acl->log);
    bool is_ready = add_default_user(engine);
    if (is_ready && !cfg_text_is_empty(config, &config->requirepass))
        is_ready = follow_requirepass(config, engine, &error);
    is_ready = is_ready && cfg_on_change(config, "requirepass", follow_requirepass, engine);
    if (!is_ready) {
        acl_free(engine);
        return false;
    }
    config->list_users = acl_list_user_lines;
    config->list_users_context = engine;
    return true;
}

void acl_free(struct larder *engine)
{
    struct acl *acl = &engine->acl;
    cfg_off_change(engine->config, follow_requirepass, engine);
    engine->config->list_users = NULL;
    for (size_t i = 0; i < acl->user_count; i++)
        acl_user_drop(acl->users[i]);
    mem_free(acl->users);
    acl_rules_drop(acl->before_requirepass);
    acl_rules_drop(acl->by_requirepass);
    acl_log_free(&acl->log);
    lock_free(&acl->lock);
    lock_free(&acl->file_lock);
}

/* What sessions have to do with users: who they are logged in as, and whether their commands may run; see acl.h. */
#include "engine/acl.h"

#include "base/mem.h"
#include "base/sha256.h"
#include "base/text.h"
#include "engine/acl_check.h"
#include "engine/dispatch.h"

/* ---- Being somebody ---- */

static struct acl_user *user_of(const struct session *session)
{
    return atomic_load_explicit(&session->user, memory_order_relaxed);
}

/* The session is another user's from now on; takes the reference. Others that look at it do so under the registry's
   lock. */
static void become(struct session *session, struct acl_user *user, bool is_authenticated)
{
    struct lock *lock = &session->engine->sessions.lock;
    struct acl_user *old = user_of(session);
    lock_take(lock);
    atomic_store_explicit(&session->user, user, memory_order_relaxed);
    lock_give(lock);
    acl_user_drop(old);
    acl_rules_drop(session->rules);
    session->rules = NULL;
    session->rules_generation = session->free_pass = 0;
    session->is_authenticated = is_authenticated;
}

static bool is_default_user_let_in(const struct larder *engine)
{
    const unsigned needed = ACL_USER_ON | ACL_USER_NOPASS;
    return (atomic_load_explicit(&engine->acl.default_flags, memory_order_relaxed) & needed) == needed;
}

void acl_enter(struct session *session)
{
    struct larder *engine = session->engine;
    if (session->transport->is_network)
        become(session, acl_user_keep(engine->acl.default_user), is_default_user_let_in(engine));
    else
        become(session, NULL, true);
}

void acl_leave(struct session *session)
{
    become(session, NULL, false);
}

bool acl_lets_in(const struct session *session)
{
    return session->is_authenticated || is_default_user_let_in(session->engine);
}

/* ---- Refusing ---- */

/* The client's line names the command that it tried. */
static void show_command(const struct call *call)
{
    if (!(call->session->modes & MODE_EXEC))
        session_note_command(call->session, call->command, call->container);
}

static void log_refusal(struct call *call, enum acl_reason reason, bytes object, bytes user)
{
    struct larder *engine = call->engine;
    struct text client = {0};
    show_command(call);
    if (engine->describe_client != NULL)
        engine->describe_client(&client, call->session, call->now_ms);
    bool is_in_multi = (call->session->modes & (MODE_MULTI | MODE_EXEC)) != 0;
    struct acl_refusal refusal = {
        .reason = reason,
        .context = is_in_multi ? ACL_CONTEXT_MULTI : ACL_CONTEXT_TOPLEVEL,
        .object = object,
        .user = user,
        .client = text_bytes(&client),
    };
    long long limit = CFG_READ(engine->config, acllog_max_len);
    acl_log_add(&engine->acl.log, &refusal, call->now_ms, (size_t)limit);
    text_free(&client);
}

static void record_key(struct call *call, bytes key)
{
    stat_add(&call->executor->stats.acl_denied_keys, 1);
    log_refusal(call, ACL_REASON_KEY, key, user_of(call->session)->name);
}

/* Counts and logs what was refused. */
static void record(struct call *call, const struct acl_answer *answer)
{
    struct executor_stats *stats = &call->executor->stats;
    const struct acl_user *user = user_of(call->session);
    char name[2 * COMMAND_NAME_SIZE];
    switch (answer->verdict) {
    case ACL_DENIED_KEY:
        record_key(call, ARG(answer->argument));
        break;
    case ACL_DENIED_CHANNEL:
        stat_add(&stats->acl_denied_channels, 1);
        log_refusal(call, ACL_REASON_CHANNEL, ARG(answer->argument), user->name);
        break;
    default:
        stat_add(&stats->acl_denied_commands, 1);
        command_full_name(call->container, call->command, name, sizeof(name));
        log_refusal(call, ACL_REASON_COMMAND, bytes_of(name), user->name);
    }
}

static void reply_refusal(struct call *call, const struct acl_answer *answer)
{
    char name[2 * COMMAND_NAME_SIZE];
    switch (answer->verdict) {
    case ACL_DENIED_KEY:
        reply_error(call, "NOPERM No permissions to access a key");
        break;
    case ACL_DENIED_CHANNEL:
        reply_error(call, "NOPERM No permissions to access a channel");
        break;
    default:
        command_full_name(call->container, call->command, name, sizeof(name));
        reply_error_format(call, "NOPERM User %s has no permissions to run the '%s' command",
                           user_of(call->session)->name.at, name);
    }
}

static void reply_change_of_mind(struct call *call, const struct acl_answer *answer)
{
    const char *reason = "no permission to execute the command or subcommand";
    if (answer->verdict == ACL_DENIED_KEY)
        reason = "no permission to touch the specified keys";
    else if (answer->verdict == ACL_DENIED_CHANNEL)
        reason = "no permission to access one of the channels used as arguments";
    reply_error_format(
        call,
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
        "This command is no longer allowed for the following reason: %s",
        reason);
}

/* ---- Asking ---- */

/* The session's user was deleted: it is nobody any more, and a client from outside is sent away. */
static void log_out(struct session *session)
{
    become(session, acl_user_keep(session->engine->acl.default_user), false);
    if (session->transport->is_network)
        atomic_store_explicit(&session->must_close, true, memory_order_relaxed);
}

static void check_subscription(void *context, struct session *session, enum topic_kind kind, bytes name)
{
    bool *is_permitted = context;
    *is_permitted &= acl_check_channel(session->rules, name, kind == TOPIC_PATTERN);
}

/* The session has other rules than before, and subscriptions: it is closed if they are not permitted any more. Whoever
   changed the rules has done so already, unless the session was just subscribing; one of the program's own is not
   closed, but loses them all. */
static void check_subscriptions(struct session *session)
{
    bool is_permitted = true;
    pubsub_visit_own(session, check_subscription, &is_permitted);
    if (!is_permitted && session->transport->is_network)
        atomic_store_explicit(&session->must_close, true, memory_order_relaxed);
    else if (!is_permitted)
        pubsub_unsubscribe_all(session);
}

/* Takes the rules of the session's user as they are at this moment. */
static void look_again(struct session *session)
{
    struct acl *acl = &session->engine->acl;
    struct acl_user *user = user_of(session);
    lock_take(&acl->lock);
    if (user != NULL && atomic_load_explicit(&user->is_gone, memory_order_relaxed)) {
        lock_give(&acl->lock);
        log_out(session);
        user = acl->default_user; /* which stays */
        lock_take(&acl->lock);
    }
    struct acl_rules *old = session->rules;
    session->rules_generation = atomic_load_explicit(&acl->generation, memory_order_relaxed);
    session->rules = user != NULL ? acl_rules_keep(user->rules) : NULL;
    bool is_let_in = acl_lets_in(session);
    lock_give(&acl->lock);
    if ((session->modes & MODE_SUBSCRIBED) && old != NULL && session->rules != old)
        check_subscriptions(session);
    acl_rules_drop(old);
    bool may_do_everything = user == NULL || acl_permits_everything(session->rules);
    session->free_pass = is_let_in && may_do_everything ? session->rules_generation : 0;
}

/* Brings what the session knows of its user up to date; true when nothing is forbidden to it. */
static bool is_free(struct session *session)
{
    uint64_t generation = atomic_load_explicit(&session->engine->acl.generation, memory_order_acquire);
    if (session->rules_generation != generation)
        look_again(session);
    return session->free_pass == session->rules_generation;
}

void acl_conclude(struct session *session)
{
    is_free(session);
}

static struct acl_question question_of(const struct call *call)
{
    return (struct acl_question){
        .command = call->command,
        .number = call->number,
        .argv = call->argv,
        .argc = call->argc,
    };
}

bool acl_permits(struct call *call)
{
    if (is_free(call->session))
        return true;
    if (!acl_lets_in(call->session) && !(call_flags(call) & CMD_NO_AUTH)) {
        reply_error(call, "NOAUTH Authentication required.");
        return false;
    }
    if (call_is_barred_by_multi(call))
        return true; /* it is refused for that, and no word of it in the log */
    struct acl_question question = question_of(call);
    struct acl_answer answer = acl_check(call->session->rules, &question);
    if (answer.verdict == ACL_PERMITTED)
        return true;
    record(call, &answer);
    reply_refusal(call, &answer);
    return false;
}

bool acl_still_permits(struct call *call)
{
    if (is_free(call->session))
        return true;
    struct acl_question question = question_of(call);
    struct acl_answer answer = {.verdict = ACL_DENIED_COMMAND};
    if (acl_lets_in(call->session))
        answer = acl_check(call->session->rules, &question);
    if (answer.verdict == ACL_PERMITTED)
        return true;
    record(call, &answer);
    reply_change_of_mind(call, &answer);
    return false;
}

bool acl_may_touch_key(struct call *call, bytes key, unsigned flags)
{
    struct acl_question question = question_of(call);
    return is_free(call->session) || acl_check_key(call->session->rules, &question, key, flags);
}

bool acl_may_touch_all_keys(struct call *call)
{
    struct acl_question question = question_of(call);
    return is_free(call->session) || acl_check_all_keys(call->session->rules, &question);
}

void acl_refuse_key(struct call *call, bytes key)
{
    const struct acl_answer answer = {.verdict = ACL_DENIED_KEY};
    record_key(call, key);
    reply_refusal(call, &answer);
}

/* ---- Logging in ---- */

/* Takes the reference. Who deletes the user meanwhile closes the sessions that are it by then, or has marked it before
   this one is it. */
static bool become_if_there(struct session *session, struct acl_user *user)
{
    become(session, user, true);
    if (!atomic_load_explicit(&user->is_gone, memory_order_relaxed))
        return true;
    log_out(session);
    return false;
}

bool acl_log_in(struct call *call, bytes name, bytes password)
{
    struct sha256 digest;
    sha256(password, &digest); /* whether there is such a user does not show in the time that it takes */
    struct acl_user *user = acl_find_user(call->engine, name);
    struct acl_rules *rules = user != NULL ? acl_user_rules(call->engine, user) : NULL;
    bool is_right = rules != NULL && acl_rules_accept_password(rules, &digest);
    acl_rules_drop(rules);
    if (is_right && become_if_there(call->session, user))
        return true;
    if (!is_right)
        acl_user_drop(user);
    stat_add(&call->executor->stats.acl_denied_logins, 1);
    log_refusal(call, ACL_REASON_AUTH, ARG(0), name);
    return false;
}

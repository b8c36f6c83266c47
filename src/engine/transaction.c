/* Transactions; see transaction.h. */
#include "engine/transaction.h"

#include "base/mem.h"
#include "engine/dispatch.h"
#include "engine/forecast.h"

/* One allocation: the words' slices, then their bytes. */
struct queued_call {
    struct queued_call *next;
    const struct command *command;
    const struct command *container;
    uint32_t number; /* the command's */
    uint64_t fence;  /* the token that FENCE gave, else 0 */
    size_t argc;
    const bytes *argv; /* within `words` */
    bytes words[];     /* as they were sent */
};

bool transaction_begin(struct session *session)
{
    session->transaction = mem_alloc_zeroed(sizeof(*session->transaction));
    if (session->transaction == NULL)
        return false;
    session->modes |= MODE_MULTI;
    atomic_store_explicit(&session->queued, 0, memory_order_relaxed);
    return true;
}

bool transaction_lets_through(const struct call *call)
{
    return call->command->flags & CMD_TRANSACTION;
}

static struct queued_call *copy_call(const struct call *call)
{
    size_t count = call_sent_words(call);
    size_t size = sizeof(struct queued_call) + count * sizeof(bytes);
    for (size_t i = 0; i < count; i++)
        size += call_sent_word(call, i).len;
    struct queued_call *copy = mem_alloc(size);
    if (copy == NULL)
        return NULL;
    *copy = (struct queued_call){.command = call->command,
                                 .container = call->container,
                                 .number = call->number,
                                 .fence = call->fence,
                                 .argc = call->argc,
                                 .argv = copy->words + call_words_in_front(call)};
    char *at = (char *)(copy->words + count);
    for (size_t i = 0; i < count; i++) {
        bytes word = call_sent_word(call, i);
        if (word.len > 0)
            memcpy(at, word.at, word.len);
        copy->words[i] = (bytes){at, word.len};
        at += word.len;
    }
    return copy;
}

/* Will EXEC run nothing, whatever else is queued? */
static bool is_futile(const struct session *session)
{
    return session->transaction->is_spoiled || atomic_load_explicit(&session->is_touched, memory_order_relaxed);
}

void transaction_queue(struct call *call)
{
    struct transaction *transaction = call->session->transaction;
    if (is_futile(call->session)) {
        reply_status(call, "QUEUED");
        return;
    }
    struct queued_call *copy = copy_call(call);
    if (copy == NULL) {
        transaction->is_spoiled = true;
        reply_no_memory(call);
        return;
    }
    if (transaction->last != NULL)
        transaction->last->next = copy;
    else
        transaction->first = copy;
    transaction->last = copy;
    transaction->count++;
    session_count_multi(call->session, mem_size(copy));
    transaction->flags |= call_flags(call);
    atomic_store_explicit(&call->session->queued, (int)transaction->count, memory_order_relaxed);
    reply_status(call, "QUEUED");
}

void transaction_spoil(struct session *session)
{
    if (session->transaction != NULL)
        session->transaction->is_spoiled = true;
}

uint32_t transaction_flags(const struct session *session)
{
    return session->transaction != NULL ? session->transaction->flags : 0;
}

static void free_queue(struct session *session, struct transaction *transaction)
{
    while (transaction->first != NULL) {
        struct queued_call *next = transaction->first->next;
        session_count_multi(session, -mem_size(transaction->first));
        mem_free(transaction->first);
        transaction->first = next;
    }
    mem_free(transaction);
    atomic_store_explicit(&session->queued, -1, memory_order_relaxed);
}

/* The session is outside MULTI; what was queued is the caller's now. */
static struct transaction *take_queue(struct session *session)
{
    struct transaction *transaction = session->transaction;
    session->transaction = NULL;
    session->modes &= ~(unsigned)MODE_MULTI;
    return transaction;
}

void transaction_drop(struct session *session)
{
    watch_clear(session);
    if (session->transaction != NULL)
        free_queue(session, take_queue(session));
}

static struct call nested_call(const struct call *exec, const struct queued_call *queued)
{
    struct call call = *exec;
    call.command = queued->command;
    call.container = queued->container;
    call.number = queued->number;
    call.argv = queued->argv;
    call.fence = queued->fence;
    call.argc = queued->argc;
    call.keys.count = 0;
    call.failed = false;
    return call;
}

size_t transaction_count_new_keys(struct call *exec)
{
    size_t count = 0;
    for (const struct queued_call *queued = exec->session->transaction->first; queued != NULL; queued = queued->next) {
        struct call call = nested_call(exec, queued);
        count += call_count_new_keys(&call);
    }
    return count;
}

static bool has_growth(const struct transaction *transaction)
{
    const struct queued_call *queued = transaction->first;
    while (queued != NULL && queued->command->growth == NULL)
        queued = queued->next;
    return queued != NULL;
}

size_t transaction_growth(struct call *exec)
{
    const struct transaction *transaction = exec->session->transaction;
    if (!has_growth(transaction))
        return 0;
    struct forecast forecast = {.db = call_db(exec)};
    size_t growth = 0;
    for (const struct queued_call *queued = transaction->first; queued != NULL; queued = queued->next) {
        struct call call = nested_call(exec, queued);
        if (queued->command->growth != NULL)
            growth += queued->command->growth(&call, &forecast);
        else
            forecast_run(&forecast, &call);
    }
    bool is_known = !forecast.has_no_memory;
    forecast_free(&forecast);
    return is_known ? growth : GROWTH_UNKNOWN;
}

/* Does a call ask for all shards: by its flag, because it visits them one by one, or as its keys can't be told? */
static void add_shards_of_call(struct call *call, bool *needs_all)
{
    if (call_flags(call) & (CMD_ALL_SHARDS | CMD_VISITS_SHARDS))
        *needs_all = true;
    else if (call->command->keys != NULL)
        *needs_all |= !call_add_shards(call);
}

/* Collects in the executor's set the shards that EXEC is to lock. */
static void collect_shards(struct call *exec, const struct transaction *transaction)
{
    struct session *session = exec->session;
    bool needs_all = false;
    shard_set_clear(exec->executor);
    for (const struct queued_call *queued = transaction->first; queued != NULL && !needs_all; queued = queued->next) {
        struct call call = nested_call(exec, queued);
        add_shards_of_call(&call, &needs_all);
    }
    for (struct list *link = session->watches.next; link != &session->watches; link = link->next)
        shard_set_add(exec->executor, watch_shard(CONTAINER_OF(link, struct watch, in_session)));
    if (needs_all)
        shard_set_fill(exec->executor);
}

/* The shards of all watched keys are locked: was one of them touched? */
static bool is_touched(const struct call *call)
{
    const struct session *session = call->session;
    if (atomic_load_explicit(&session->is_touched, memory_order_relaxed))
        return true;
    for (const struct list *link = session->watches.next; link != &session->watches; link = link->next)
        if (watch_is_overdue(CONTAINER_OF(link, struct watch, in_session), call->now_ms))
            return true;
    return false;
}

static void run_queue(struct call *exec, const struct transaction *transaction)
{
    exec->session->modes |= MODE_EXEC;
    reply_array(exec, transaction->count);
    for (const struct queued_call *queued = transaction->first; queued != NULL; queued = queued->next) {
        struct call call = nested_call(exec, queued);
        if (acl_still_permits(&call))
            call_run_nested(&call);
    }
    exec->session->modes &= ~(unsigned)MODE_EXEC;
}

void transaction_run(struct call *call)
{
    struct session *session = call->session;
    struct transaction *transaction = take_queue(session);
    if (transaction->is_spoiled) {
        watch_clear(session);
        reply_error(call, "EXECABORT Transaction discarded because of previous errors.");
    } else {
        collect_shards(call, transaction);
        shard_set_lock(call->executor);
        bool was_touched = is_touched(call);
        watch_clear(session);
        if (was_touched)
            reply_null_array(call);
        else
            run_queue(call, transaction);
        shard_set_unlock(call->executor);
    }
    free_queue(session, transaction);
    executor_give_back_room(call->executor);
}

/* In-process sessions: commands as function calls; see larder.h. */
#include "api/instance.h"

#include "base/mem.h"

#include <stdarg.h>

enum { WORDS_ON_STACK = 32 };

struct larder_session {
    struct session session;
    struct executor executor;
    struct out_pool pool;
    char *flat; /* a reply that was not in one piece */
    size_t flat_capacity;
    struct lock wake_lock;
    void (*wake)(void *context); /* wake_lock; NULL: none */
    void *wake_context;          /* wake_lock */
};

/* Something came into the inbox, or so much that nothing more is taken (must_close; CLIENT KILL means clients only). */
static void wake_program(struct session *session)
{
    larder_session *self = CONTAINER_OF(session, larder_session, session);
    lock_take(&self->wake_lock);
    if (self->wake != NULL)
        self->wake(self->wake_context);
    lock_give(&self->wake_lock);
}

static const struct transport in_process_transport = {.interrupt = wake_program, .keeps_inbox = true};

larder_session *larder_session_open(larder *engine)
{
    if (!instance_is_free(instance_of(engine)))
        return NULL;
    larder_session *self = mem_alloc_zeroed(sizeof(*self));
    if (self == NULL)
        return NULL;
    if (!executor_init(&self->executor, engine)) {
        mem_free(self);
        return NULL;
    }
    lock_init(&self->wake_lock);
    session_open(&self->session, engine, &in_process_transport, resp_encoders, &self->pool);
    self->session.executor = &self->executor;
    session_set_protocol(&self->session, 3);
    session_register(&self->session);
    return self;
}

void larder_session_close(larder_session *self)
{
    if (self == NULL)
        return;
    session_close(&self->session);
    lock_free(&self->wake_lock);
    executor_free(&self->executor);
    out_pool_free(&self->pool);
    mem_free(self->flat);
    mem_free(self);
}

/* Runs a command and leaves the reply in the session's output. False when memory ran out. */
static bool run(larder_session *self, const bytes *argv, size_t argc)
{
    struct session *session = &self->session;
    struct instance *instance = instance_of(session->engine);
    struct request request;
    request_prepare(session->engine, argv, argc, 0, &request);
    if (request.has_hash) /* the bucket comes while the rest is looked after */
        ks_prefetch(&session->engine->keyspace, atomic_load_explicit(&session->db, memory_order_relaxed), request.hash);
    out_rewind(&session->out);
    executor_tick(&self->executor);
    if (unlikely(!instance_is_free(instance))) {
        session->encoder->error(&session->out, BYTES("ERR the engine has one thread, which is serving it"));
        return !session->out.failed;
    }
    instance_upkeep(instance, &self->executor);
    session_note_use(session, self->executor.now_ms);
    enum run_result result = request_run(session, &request);
    assert(result == RUN_DONE); /* only network clients are held back */
    (void)result;
    executor_settle(&self->executor);
    return !session->out.failed;
}

/* The words as slices: in `words` if there is room, else in memory of their own, which is returned in *owned. */
static bytes *make_words(bytes words[WORDS_ON_STACK], bytes **owned, size_t argc, const char *const *argv,
                         const size_t *lens)
{
    *owned = NULL;
    if (argc > WORDS_ON_STACK) {
        words = *owned = argc > SIZE_MAX / sizeof(bytes) ? NULL : mem_alloc(argc * sizeof(bytes));
        if (words == NULL)
            return NULL;
    }
    for (size_t i = 0; i < argc; i++)
        words[i] = lens != NULL ? (bytes){argv[i], lens[i]} : bytes_of(argv[i]);
    return words;
}

/* Runs the words; the reply in one piece, valid until the next command. at is NULL when memory ran out. */
static bytes run_words(larder_session *self, size_t argc, const char *const *argv, const size_t *lens)
{
    const bytes failed = {NULL, 0};
    bytes on_stack[WORDS_ON_STACK];
    bytes *owned;
    bytes *words = make_words(on_stack, &owned, argc, argv, lens);
    if (argc == 0 || words == NULL)
        return failed;
    bool is_done = run(self, words, argc);
    mem_free(owned);
    return is_done ? out_flatten(&self->session.out, &self->flat, &self->flat_capacity) : failed;
}

larder_reply *larder_command_argv(larder_session *self, size_t argc, const char *const *argv, const size_t *lens)
{
    bytes resp = run_words(self, argc, argv, lens);
    return resp.at != NULL ? tree_build(resp) : NULL;
}

const char *larder_command_resp(larder_session *self, size_t argc, const char *const *argv, const size_t *lens,
                                size_t *len)
{
    bytes resp = run_words(self, argc, argv, lens);
    *len = resp.len;
    return resp.at;
}

larder_reply *larder_command(larder_session *self, const char *name, ...)
{
    va_list arguments;
    va_start(arguments, name);
    size_t argc = 1;
    while (va_arg(arguments, const char *) != NULL)
        argc++;
    va_end(arguments);

    const char *on_stack[WORDS_ON_STACK];
    const char **owned = argc > WORDS_ON_STACK ? mem_alloc(argc * sizeof(*owned)) : NULL;
    const char **words = argc > WORDS_ON_STACK ? owned : on_stack;
    if (words == NULL)
        return NULL;
    words[0] = name;
    va_start(arguments, name);
    for (size_t i = 1; i < argc; i++)
        words[i] = va_arg(arguments, const char *);
    va_end(arguments);
    larder_reply *reply = larder_command_argv(self, argc, words, NULL);
    mem_free(owned);
    return reply;
}

/* ---- Messages ---- */

void larder_session_on_push(larder_session *self, void (*wake)(void *context), void *context)
{
    lock_take(&self->wake_lock);
    self->wake = wake;
    self->wake_context = context;
    lock_give(&self->wake_lock);
    struct session *session = &self->session;
    bool has_lost = atomic_load_explicit(&session->must_close, memory_order_relaxed);
    if (wake != NULL && (has_lost || !inbox_is_empty(&session->inbox)))
        wake(context);
}

/* The program let too much pile up, or there was no memory for what it was to be told: where a client would be
   disconnected, a session loses its subscriptions, and tracking is off. */
static void give_up_listening(struct session *session)
{
    pubsub_unsubscribe_all(session);
    tracking_turn_off(session);
    inbox_clear(&session->inbox);
    session->modes &= ~(unsigned)MODE_LEAVES;
    atomic_store_explicit(&session->must_close, false, memory_order_relaxed);
}

larder_reply *larder_session_push(larder_session *self)
{
    struct session *session = &self->session;
    if (!instance_is_free(instance_of(session->engine)))
        return NULL;
    out_rewind(&session->out);
    if (atomic_load_explicit(&session->must_close, memory_order_relaxed)) {
        give_up_listening(session);
        session->encoders[3]->error(&session->out,
                                    BYTES("LOST messages, as too many were left unread or memory ran out: all "
                                          "subscriptions have ended, and tracking is off"));
    } else if (!inbox_put_one(session)) {
        return NULL;
    }
    bytes resp = session->out.failed ? (bytes){NULL, 0} : out_flatten(&session->out, &self->flat, &self->flat_capacity);
    larder_reply *reply = resp.at != NULL ? tree_build(resp) : NULL;
    if (reply == NULL)
        inbox_condemn(session); /* what was taken is lost: the next call says so */
    return reply;
}

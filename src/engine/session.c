/* Sessions and their registry; see session.h. */
#include "engine/session.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/monitor.h"
#include "engine/tracking.h"
#include "engine/transaction.h"

void session_registry_init(struct session_registry *registry)
{
    lock_init(&registry->lock);
    list_init(&registry->sessions);
    registry->network_count = 0;
    atomic_init(&registry->last_id, 0);
}

/* The encoder that protocol and CLIENT REPLY call for. */
static void choose_encoder(struct session *session)
{
    bool is_silent = session->client_reply == CLIENT_REPLY_OFF || session->client_reply == CLIENT_REPLY_SKIPPING;
    int protocol = atomic_load_explicit(&session->protocol, memory_order_relaxed);
    session->encoder = is_silent ? &reply_encoder_silent : session->encoders[protocol];
}

/* In RESP2 a session without subscriptions is sent nothing but replies, so what came for RESP3 goes before. */
void session_set_protocol(struct session *session, int protocol)
{
    struct tracker *held = tracking_hold(session);
    if ((session_modes(session) & MODES_LISTENING) && !(session_modes(session) & MODE_EXEC))
        inbox_settle(session);
    atomic_store_explicit(&session->protocol, protocol, memory_order_relaxed);
    tracking_release(held);
    choose_encoder(session);
}

void session_set_client_reply(struct session *session, enum client_reply mode)
{
    session->client_reply = mode;
    if (mode >= CLIENT_REPLY_SKIP_NEXT)
        session->modes |= MODE_SKIPS;
    else
        session->modes &= ~(unsigned)MODE_SKIPS;
    choose_encoder(session);
}

void session_open(struct session *session, struct larder *engine, const struct transport *transport,
                  const struct reply_encoder *const *encoders, struct out_pool *pool)
{
    struct session_registry *registry = &engine->sessions;
    memset(session, 0, sizeof(*session));
    session->id = atomic_fetch_add_explicit(&registry->last_id, 1, memory_order_relaxed) + 1;
    session->engine = engine;
    session->transport = transport;
    session->encoders = encoders;
    session->created_ms = clock_now_us(&engine->clock) / 1000;
    session->fd = -1;
    session->is_local = true;
    atomic_init(&session->last_use_ms, session->created_ms);
    out_init(&session->out, pool);
    session->out.ceiling = transport->is_network ? SESSION_OUTPUT_CEILING : 0;
    session_set_protocol(session, 2);
    list_init(&session->in_registry);
    list_init(&session->watches);
    list_init(&session->in_monitors);
    atomic_init(&session->queued, -1);
    acl_enter(session);
}

void session_register(struct session *session)
{
    struct session_registry *registry = &session->engine->sessions;
    lock_take(&registry->lock);
    list_append(&registry->sessions, &session->in_registry);
    registry->network_count += session->transport->is_network;
    lock_give(&registry->lock);
}

void session_close(struct session *session)
{
    transaction_drop(session);
    monitor_leave(session);
    pubsub_unsubscribe_all(session);
    struct session_registry *registry = &session->engine->sessions;
    lock_take(&registry->lock);
    if (!list_is_empty(&session->in_registry)) {
        list_remove(&session->in_registry);
        registry->network_count -= session->transport->is_network;
    }
    lock_give(&registry->lock);
    tracking_close(session);
    acl_leave(session);
    inbox_clear(&session->inbox);
    out_clear(&session->out);
    mem_free(session->name);
    mem_free(session->lib_name);
    mem_free(session->lib_version);
    session->name = session->lib_name = session->lib_version = NULL;
}

bool session_set_text(struct session *session, char **field, bytes text)
{
    char *copy = NULL;
    if (text.len > 0) {
        copy = mem_copy(text.at, text.len);
        if (copy == NULL)
            return false;
    }
    struct session_registry *registry = &session->engine->sessions;
    lock_take(&registry->lock);
    char *old = *field;
    *field = copy;
    lock_give(&registry->lock);
    mem_free(old);
    return true;
}

void session_reset(struct session *session)
{
    transaction_drop(session);
    monitor_leave(session);
    pubsub_unsubscribe_all(session);
    tracking_turn_off(session);
    atomic_store_explicit(&session->db, 0, memory_order_relaxed);
    atomic_store_explicit(&session->no_evict, false, memory_order_relaxed);
    atomic_store_explicit(&session->no_touch, false, memory_order_relaxed);
    if (session->client_reply != CLIENT_REPLY_SKIPPING) /* SKIP holds for whatever command is next */
        session_set_client_reply(session, CLIENT_REPLY_ON);
    acl_enter(session);
    session_set_protocol(session, 2);
    bool is_cleared = session_set_text(session, &session->name, (bytes){NULL, 0});
    assert(is_cleared); /* it takes no memory */
    (void)is_cleared;
}

struct session *session_next_client(struct session_registry *registry, struct session *session)
{
    struct list *link = session != NULL ? session->in_registry.next : registry->sessions.next;
    for (; link != &registry->sessions; link = link->next) {
        session = CONTAINER_OF(link, struct session, in_registry);
        if (session->transport->is_network && !atomic_load_explicit(&session->must_close, memory_order_relaxed))
            return session;
    }
    return NULL;
}

struct session *session_find(struct session_registry *registry, int64_t id)
{
    for (struct list *link = registry->sessions.next; link != &registry->sessions; link = link->next) {
        struct session *session = CONTAINER_OF(link, struct session, in_registry);
        if ((int64_t)session->id == id)
            return atomic_load_explicit(&session->must_close, memory_order_relaxed) ? NULL : session;
    }
    return NULL;
}

size_t session_output_memory(const struct session *session)
{
    return atomic_load_explicit(&session->out_bytes, memory_order_relaxed) +
           atomic_load_explicit(&session->inbox.bytes, memory_order_relaxed);
}

size_t session_memory(const struct session *session)
{
    return sizeof(*session) + atomic_load_explicit(&session->query_capacity, memory_order_relaxed) +
           atomic_load_explicit(&session->multi_bytes, memory_order_relaxed) + session_output_memory(session) +
           atomic_load_explicit(&session->subscribed_bytes, memory_order_relaxed) + tracking_prefix_bytes(session);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

struct session_figures session_measure(struct session_registry *registry)
{
    const struct larder *engine = CONTAINER_OF(registry, struct larder, sessions);
    struct session_figures figures = {.memory = tracking_bytes(engine)};
    lock_take(&registry->lock);
    for (struct session *session = NULL; (session = session_next_client(registry, session)) != NULL;) {
        size_t input = atomic_load_explicit(&session->query_capacity, memory_order_relaxed);
        size_t output = session_output_memory(session);
        figures.count++;
        figures.memory += session_memory(session);
        figures.held += session_is_held(session);
        figures.watching += atomic_load_explicit(&session->watched, memory_order_relaxed) > 0;
        figures.max_input = larger(figures.max_input, input);
        figures.max_output = larger(figures.max_output, output);
        figures.subscribed += pubsub_count_all(session) > 0;
    }
    lock_give(&registry->lock);
    return figures;
}

/* Closing the largest clients; see client_limit.h. */
#include "engine/client_limit.h"

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/inbox.h"

enum {
    CLOSED_AT_ONCE = 32,
    INTERVAL_MS = 100,
    LOOKS_PER_LIMIT = 16, /* a look is due when clients have grown by such a part of the limit */
};

/* The largest clients that may be closed, in descending order. */
struct largest {
    size_t count;
    struct session *sessions[CLOSED_AT_ONCE];
    size_t bytes[CLOSED_AT_ONCE];
};

void client_limit_follow(struct larder *engine)
{
    int64_t configured = CFG_READ(engine->config, maxmemory_clients);
    size_t bytes =
        configured >= 0 ? (size_t)configured : (size_t)CFG_READ(engine->config, maxmemory) / 100 * (size_t)-configured;
    atomic_store_explicit(&engine->client_limit.bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&engine->client_limit.due_ns, 0, memory_order_relaxed);
}

size_t client_limit_bytes(const struct larder *engine)
{
    size_t bytes = atomic_load_explicit(&engine->client_limit.bytes, memory_order_relaxed);
    return bytes > 0 ? bytes : SIZE_MAX;
}

static void consider(struct largest *largest, struct session *session, size_t bytes)
{
    size_t place = largest->count;
    if (place == CLOSED_AT_ONCE) {
        if (bytes <= largest->bytes[place - 1])
            return;
        place--;
    } else {
        largest->count++;
    }
    for (; place > 0 && largest->bytes[place - 1] < bytes; place--) {
        largest->sessions[place] = largest->sessions[place - 1];
        largest->bytes[place] = largest->bytes[place - 1];
    }
    largest->sessions[place] = session;
    largest->bytes[place] = bytes;
}

/* The memory of all clients; under the registry's lock. */
static size_t add_up(struct session_registry *registry, struct largest *largest)
{
    size_t sum = 0;
    for (struct session *session = NULL; (session = session_next_client(registry, session)) != NULL;) {
        size_t bytes = session_memory(session);
        sum += bytes;
        if (!atomic_load_explicit(&session->no_evict, memory_order_relaxed))
            consider(largest, session, bytes);
    }
    return sum;
}

/* What is said of a client that was closed, which may be gone by then. */
struct farewell {
    uint64_t id;
    size_t bytes;
    char address[SESSION_ADDRESS_SIZE];
};

/* Closes the largest clients while there is more than the limit, and tells how much there is then; under the registry's
   lock. */
static size_t close_largest(const struct largest *largest, size_t sum, size_t limit, struct farewell *closed,
                            size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < largest->count && sum > limit; i++) {
        struct session *session = largest->sessions[i];
        sum -= largest->bytes[i];
        if (!inbox_condemn(session))
            continue;
        struct farewell *farewell = &closed[(*count)++];
        farewell->id = session->id;
        farewell->bytes = largest->bytes[i];
        memcpy(farewell->address, session->address, sizeof(farewell->address));
    }
    return sum;
}

static void look(struct larder *engine)
{
    struct client_limit *self = &engine->client_limit;
    size_t limit = client_limit_bytes(engine);
    struct largest largest = {.count = 0};
    struct farewell closed[CLOSED_AT_ONCE];
    size_t count;
    atomic_store_explicit(&self->grown, 0, memory_order_relaxed);
    lock_take(&engine->sessions.lock);
    size_t sum = add_up(&engine->sessions, &largest);
    sum = close_largest(&largest, sum, limit, closed, &count);
    atomic_fetch_add_explicit(&self->closed, count, memory_order_relaxed); /* who misses them finds them counted */
    lock_give(&engine->sessions.lock);
    for (size_t i = 0; i < count; i++)
        log_printf(&engine->log, LOG_NOTICE_LEVEL, "Evicting client: id=%llu addr=%s tot-mem=%zu",
                   (unsigned long long)closed[i].id, closed[i].address, closed[i].bytes);
    if (sum > limit && largest.count == CLOSED_AT_ONCE) /* there are more that may go: soon */
        atomic_store_explicit(&self->due_ns, 0, memory_order_relaxed);
}

/* A client's buffers have grown by so much. */
static void note(struct larder *engine, size_t grown)
{
    struct client_limit *self = &engine->client_limit;
    size_t limit = atomic_load_explicit(&self->bytes, memory_order_relaxed);
    if (limit > 0 &&
        atomic_fetch_add_explicit(&self->grown, grown, memory_order_relaxed) + grown > limit / LOOKS_PER_LIMIT)
        look(engine);
}

/* Returns by how much the figure has grown. */
static size_t publish(_Atomic size_t *figure, size_t value)
{
    size_t old = atomic_load_explicit(figure, memory_order_relaxed);
    if (old != value)
        atomic_store_explicit(figure, value, memory_order_relaxed);
    return value > old ? value - old : 0;
}

void client_limit_publish(struct session *session, size_t query_bytes, size_t query_capacity)
{
    (void)publish(&session->query_bytes, query_bytes);
    size_t grown =
        publish(&session->out_bytes, session->out.owned_bytes) + publish(&session->query_capacity, query_capacity);
    if (unlikely(grown > 0))
        note(session->engine, grown);
}

void client_limit_upkeep(struct larder *engine)
{
    struct client_limit *self = &engine->client_limit;
    if (atomic_load_explicit(&self->bytes, memory_order_relaxed) == 0)
        return;
    int64_t now_ns = clock_monotonic_ns();
    int64_t due_ns = atomic_load_explicit(&self->due_ns, memory_order_relaxed);
    if (now_ns >= due_ns &&
        atomic_compare_exchange_strong_explicit(&self->due_ns, &due_ns, now_ns + INTERVAL_MS * 1000000LL,
                                                memory_order_relaxed, memory_order_relaxed))
        look(engine);
}

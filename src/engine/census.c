/* The census; see census.h. What a new feature keeps for a client is a line here. */
#include "engine/census.h"

#include "engine/engine.h"

static void add(struct census *census, const char *what, size_t count)
{
    assert(census->count < CENSUS_MAX);
    census->items[census->count++] = (struct census_item){what, count};
}

/* What sessions hold, all of them together. */
struct session_sums {
    size_t sessions;
    size_t watches;
    size_t multi_bytes;
    size_t subscriptions;
    size_t subscribed_bytes;
    size_t inbox_bytes;
};

static struct session_sums sum_sessions(struct session_registry *registry)
{
    struct session_sums sums = {0};
    lock_take(&registry->lock);
    for (const struct list *link = registry->sessions.next; link != &registry->sessions; link = link->next) {
        const struct session *session = CONTAINER_OF(link, struct session, in_registry);
        sums.sessions++;
        sums.watches += atomic_load_explicit(&session->watched, memory_order_relaxed);
        sums.multi_bytes += atomic_load_explicit(&session->multi_bytes, memory_order_relaxed);
        sums.subscriptions += pubsub_count_all(session);
        sums.subscribed_bytes += atomic_load_explicit(&session->subscribed_bytes, memory_order_relaxed);
        sums.inbox_bytes += atomic_load_explicit(&session->inbox.bytes, memory_order_relaxed);
    }
    lock_give(&registry->lock);
    return sums;
}

static size_t count_executors(struct larder *engine)
{
    size_t count = 0;
    lock_take(&engine->executors_lock);
    for (const struct list *link = engine->executors.next; link != &engine->executors; link = link->next)
        count++;
    lock_give(&engine->executors_lock);
    return count;
}

void census_take(struct larder *engine, struct census *census)
{
    struct keyspace *ks = &engine->keyspace;
    struct ks_figures data = ks_measure(ks, KS_ALL_DBS);
    struct session_sums sums = sum_sessions(&engine->sessions);
    ks_check(ks);
    watch_check(engine);
    census->count = 0;
    add(census, "keys", data.keys);
    add(census, "entry-bytes", data.entry_bytes);
    add(census, "table-bytes", data.table_bytes);
    add(census, "garbage-bytes", atomic_load_explicit(&ks->garbage_bytes, memory_order_relaxed));
    add(census, "reserved-bytes", atomic_load_explicit(&engine->room.reserved_bytes, memory_order_relaxed));
    add(census, "sessions", sums.sessions);
    add(census, "executors", count_executors(engine));
    add(census, "watched-keys", atomic_load_explicit(&engine->watched_keys, memory_order_relaxed));
    add(census, "watches", sums.watches);
    add(census, "multi-bytes", sums.multi_bytes);
    add(census, "channels", pubsub_topics(&engine->pubsub, TOPIC_CHANNEL));
    add(census, "patterns", pubsub_topics(&engine->pubsub, TOPIC_PATTERN));
    add(census, "shard-channels", pubsub_topics(&engine->pubsub, TOPIC_SHARD_CHANNEL));
    add(census, "subscriptions", sums.subscriptions);
    add(census, "subscribed-bytes", sums.subscribed_bytes);
    add(census, "inbox-bytes", sums.inbox_bytes);
}

/* Publish and subscribe; see pubsub.h. Invariants: a topic exists exactly while it has subscriptions; a subscription is
   in the table of its topic, on the topic's list, and on a list of its session; a session has lists exactly while it
   has subscriptions. */
#include "engine/pubsub.h"

#include "base/glob.h"
#include "base/mem.h"
#include "engine/engine.h"

/* What can be subscribed to. */
struct topic {
    struct list subscriptions; /* the table's lock */
    struct list in_order;      /* patterns_lock: of a pattern, in patterns_in_order */
    size_t count;              /* the table's lock: of subscriptions */
    uint64_t hash;             /* constant from here on */
    enum topic_kind kind;
    struct blob *name;
};

struct subscription {
    struct list in_topic;   /* the table's lock */
    struct list in_session; /* owner of the session */
    struct session *session;
    struct topic *topic;
};

/* All of one session; owner of the session only. */
struct subscriptions {
    struct list by_kind[TOPIC_KINDS]; /* oldest first */
};

static uint64_t hash_of_topic(const void *context, const void *item)
{
    (void)context;
    return ((const struct topic *)item)->hash;
}

/* Of the subscription of a session to a topic. Numbers of sessions follow one another: an odd factor spreads them. */
static uint64_t mix(const struct topic *topic, const struct session *session)
{
    return topic->hash ^ session->id * 0x9e3779b97f4a7c15ULL;
}

static uint64_t hash_of_subscription(const void *context, const void *item)
{
    (void)context;
    const struct subscription *subscription = item;
    return mix(subscription->topic, subscription->session);
}

bool pubsub_init(struct pubsub *pubsub)
{
    memset(pubsub, 0, sizeof(*pubsub));
    pubsub->stripes = mem_alloc_aligned(PUBSUB_STRIPES * sizeof(*pubsub->stripes), 64);
    if (pubsub->stripes == NULL)
        return false;
    memset(pubsub->stripes, 0, PUBSUB_STRIPES * sizeof(*pubsub->stripes));
    for (size_t i = 0; i < PUBSUB_STRIPES; i++)
        lock_init(&pubsub->stripes[i].lock);
    rwlock_init(&pubsub->patterns_lock);
    list_init(&pubsub->patterns_in_order);
    return true;
}

static void free_table(struct topic_table *table)
{
    assert(table->topics.used == 0 && table->subscriptions.used == 0);
    ht_free(&table->topics);
    ht_free(&table->subscriptions);
}

void pubsub_free(struct pubsub *pubsub)
{
    for (size_t i = 0; i < PUBSUB_STRIPES; i++) {
        free_table(&pubsub->stripes[i].table);
        lock_free(&pubsub->stripes[i].lock);
    }
    mem_free(pubsub->stripes);
    free_table(&pubsub->patterns);
    rwlock_free(&pubsub->patterns_lock);
}

/* ---- Topics ---- */

/* The low bits choose a bucket within the stripe's table. */
static struct pubsub_stripe *stripe_of(struct pubsub *pubsub, uint64_t hash)
{
    return &pubsub->stripes[(hash >> 32) % PUBSUB_STRIPES];
}

/* Locks the table that a topic belongs to. */
static struct topic_table *lock_table(struct pubsub *pubsub, enum topic_kind kind, uint64_t hash)
{
    if (kind == TOPIC_PATTERN) {
        rwlock_take_write(&pubsub->patterns_lock);
        return &pubsub->patterns;
    }
    struct pubsub_stripe *stripe = stripe_of(pubsub, hash);
    lock_take(&stripe->lock);
    return &stripe->table;
}

static void unlock_table(struct pubsub *pubsub, enum topic_kind kind, uint64_t hash)
{
    if (kind == TOPIC_PATTERN)
        rwlock_give(&pubsub->patterns_lock);
    else
        lock_give(&stripe_of(pubsub, hash)->lock);
}

static bool is_named(const struct topic *topic, enum topic_kind kind, bytes name)
{
    return topic->kind == kind && bytes_equal(blob_bytes(topic->name), name);
}

/* Locked. */
static struct topic *find_topic(const struct topic_table *table, enum topic_kind kind, bytes name, uint64_t hash)
{
    struct ht_probe probe = ht_probe(&table->topics, hash);
    struct topic *topic;
    while ((topic = ht_probe_next(&probe)) != NULL && !is_named(topic, kind, name))
        continue;
    return topic;
}

static void free_topic(struct topic *topic)
{
    if (topic->name != NULL)
        blob_drop(topic->name);
    mem_free(topic);
}

static struct topic *new_topic(enum topic_kind kind, bytes name, uint64_t hash)
{
    struct topic *topic = mem_alloc_zeroed(sizeof(*topic));
    if (topic == NULL)
        return NULL;
    list_init(&topic->subscriptions);
    list_init(&topic->in_order);
    topic->kind = kind;
    topic->hash = hash;
    topic->name = blob_of(name);
    if (topic->name != NULL)
        return topic;
    free_topic(topic);
    return NULL;
}

/* Locked. A topic to subscribe to, made if it is not there; NULL when there is no memory. */
static struct topic *need_topic(struct pubsub *pubsub, struct topic_table *table, enum topic_kind kind, bytes name,
                                uint64_t hash)
{
    struct topic *topic = find_topic(table, kind, name, hash);
    if (topic != NULL)
        return topic;
    topic = new_topic(kind, name, hash);
    if (topic == NULL)
        return NULL;
    if (!ht_insert(&table->topics, hash, topic, hash_of_topic, NULL)) {
        free_topic(topic);
        return NULL;
    }
    if (kind == TOPIC_PATTERN)
        list_append(&pubsub->patterns_in_order, &topic->in_order);
    atomic_fetch_add_explicit(&pubsub->topics[kind], 1, memory_order_relaxed);
    return topic;
}

/* Locked. Takes a topic away that nobody subscribes to. */
static void remove_topic(struct pubsub *pubsub, struct topic_table *table, struct topic *topic)
{
    struct ht_probe probe = ht_probe(&table->topics, topic->hash);
    while (ht_probe_next(&probe) != topic)
        continue;
    ht_remove(&table->topics, &probe, hash_of_topic, NULL);
    list_remove(&topic->in_order);
    atomic_fetch_sub_explicit(&pubsub->topics[topic->kind], 1, memory_order_relaxed);
    free_topic(topic);
}

/* ---- Subscriptions ---- */

/* Locked. The probe stands at the subscription that is found. */
static struct subscription *find_subscription(const struct topic_table *table, const struct topic *topic,
                                              const struct session *session, struct ht_probe *probe)
{
    *probe = ht_probe(&table->subscriptions, mix(topic, session));
    struct subscription *found;
    while ((found = ht_probe_next(probe)) != NULL && (found->topic != topic || found->session != session))
        continue;
    return found;
}

/* Locked. NULL when there is no memory. */
static struct subscription *add_subscription(struct topic_table *table, struct topic *topic, struct session *session)
{
    struct subscription *added = mem_alloc(sizeof(*added));
    if (added == NULL)
        return NULL;
    added->session = session;
    added->topic = topic;
    if (!ht_insert(&table->subscriptions, mix(topic, session), added, hash_of_subscription, NULL)) {
        mem_free(added);
        return NULL;
    }
    list_append(&topic->subscriptions, &added->in_topic);
    topic->count++;
    return added;
}

static size_t subscription_bytes(bytes name)
{
    return sizeof(struct subscription) + sizeof(struct topic) + name.len;
}

/* The session is about to have its first subscription. False when there is no memory. */
static bool begin_listening(struct session *session)
{
    struct subscriptions *subscriptions = mem_alloc(sizeof(*subscriptions));
    if (subscriptions == NULL)
        return false;
    for (size_t kind = 0; kind < TOPIC_KINDS; kind++)
        list_init(&subscriptions->by_kind[kind]);
    session->subscriptions = subscriptions;
    session->modes |= MODE_SUBSCRIBED;
    atomic_store_explicit(&session->output_class, CFG_CLASS_PUBSUB, memory_order_relaxed);
    return true;
}

static void end_listening_if_last(struct session *session)
{
    if (pubsub_count_all(session) > 0)
        return;
    mem_free(session->subscriptions);
    session->subscriptions = NULL;
    session->modes = (session->modes & ~(unsigned)MODE_SUBSCRIBED) | MODE_LEAVES;
    atomic_store_explicit(&session->output_class, CFG_CLASS_NORMAL, memory_order_relaxed);
}

bool pubsub_subscribe(struct session *session, enum topic_kind kind, bytes name)
{
    if (session->subscriptions == NULL && !begin_listening(session))
        return false;
    struct pubsub *pubsub = &session->engine->pubsub;
    uint64_t hash = ks_hash(&session->engine->keyspace, name);
    struct ht_probe probe;
    struct subscription *added = NULL;
    struct topic_table *table = lock_table(pubsub, kind, hash);
    struct topic *topic = need_topic(pubsub, table, kind, name, hash);
    bool is_there = topic != NULL && find_subscription(table, topic, session, &probe) != NULL;
    if (topic != NULL && !is_there)
        added = add_subscription(table, topic, session);
    if (topic != NULL && topic->count == 0)
        remove_topic(pubsub, table, topic);
    unlock_table(pubsub, kind, hash);
    if (added != NULL) {
        list_append(&session->subscriptions->by_kind[kind], &added->in_session);
        atomic_fetch_add_explicit(&session->subscribed[kind], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&session->subscribed_bytes, subscription_bytes(name), memory_order_relaxed);
    }
    end_listening_if_last(session);
    return is_there || added != NULL;
}

/* Takes the session's subscription out of its topic; NULL when there is none. */
static struct subscription *take_subscription(struct session *session, enum topic_kind kind, bytes name)
{
    struct pubsub *pubsub = &session->engine->pubsub;
    uint64_t hash = ks_hash(&session->engine->keyspace, name);
    struct ht_probe probe;
    struct topic_table *table = lock_table(pubsub, kind, hash);
    struct topic *topic = find_topic(table, kind, name, hash);
    struct subscription *found = topic != NULL ? find_subscription(table, topic, session, &probe) : NULL;
    if (found != NULL) {
        ht_remove(&table->subscriptions, &probe, hash_of_subscription, NULL);
        list_remove(&found->in_topic);
        if (--topic->count == 0)
            remove_topic(pubsub, table, topic);
    }
    unlock_table(pubsub, kind, hash);
    return found;
}

void pubsub_unsubscribe(struct session *session, enum topic_kind kind, bytes name)
{
    if (session->subscriptions == NULL)
        return;
    struct subscription *found = take_subscription(session, kind, name);
    if (found == NULL)
        return;
    list_remove(&found->in_session);
    mem_free(found);
    atomic_fetch_sub_explicit(&session->subscribed[kind], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&session->subscribed_bytes, subscription_bytes(name), memory_order_relaxed);
    end_listening_if_last(session);
}

struct blob *pubsub_oldest(const struct session *session, enum topic_kind kind)
{
    if (session->subscriptions == NULL || list_is_empty(&session->subscriptions->by_kind[kind]))
        return NULL;
    struct list *first = session->subscriptions->by_kind[kind].next;
    return blob_keep(CONTAINER_OF(first, struct subscription, in_session)->topic->name);
}

void pubsub_unsubscribe_all(struct session *session)
{
    struct blob *name;
    for (enum topic_kind kind = 0; kind < TOPIC_KINDS; kind++) {
        while ((name = pubsub_oldest(session, kind)) != NULL) {
            pubsub_unsubscribe(session, kind, blob_bytes(name));
            blob_drop(name);
        }
    }
}

size_t pubsub_count(const struct session *session, enum topic_kind kind)
{
    return atomic_load_explicit(&session->subscribed[kind], memory_order_relaxed);
}

size_t pubsub_count_all(const struct session *session)
{
    size_t count = 0;
    for (enum topic_kind kind = 0; kind < TOPIC_KINDS; kind++)
        count += pubsub_count(session, kind);
    return count;
}

/* ---- Publishing ---- */

bool pubsub_matches(bytes pattern, bytes channel)
{
    return channel.len > 0 ? glob_match(pattern, channel, false) : pattern.len == 0;
}

/* A message on its way. Its frames are made when the first receiver is found: most events reach nobody. */
struct publication {
    bytes channel;
    bytes payload;
    struct blob *long_payload; /* the payload again, once that is needed and it is long; else NULL */
    size_t receivers;
    bool has_failed; /* there was no memory */
};

static struct frame make_frame(struct publication *publication, const struct topic *topic, frame_encoders encoders)
{
    static const bytes verbs[] = {
        [TOPIC_CHANNEL] = {"message", 7},
        [TOPIC_PATTERN] = {"pmessage", 8},
        [TOPIC_SHARD_CHANNEL] = {"smessage", 8},
    };
    if (publication->payload.len >= REPLY_BLOB_MIN && publication->long_payload == NULL) {
        publication->long_payload = blob_of(publication->payload);
        if (publication->long_payload == NULL)
            return (struct frame){0};
    }
    bytes words[3];
    size_t count = 0;
    words[count++] = verbs[topic->kind];
    if (topic->kind == TOPIC_PATTERN)
        words[count++] = blob_bytes(topic->name);
    words[count++] = publication->channel;
    return frame_message(encoders, words, count, publication->payload, publication->long_payload);
}

/* Locked. To all who subscribe to this topic. */
static void deliver(struct publication *publication, const struct topic *topic)
{
    const struct list *link = topic->subscriptions.next;
    const struct session *first = CONTAINER_OF(link, struct subscription, in_topic)->session;
    struct frame frame = make_frame(publication, topic, first->encoders);
    if (frame.text == NULL) {
        publication->has_failed = true;
        return;
    }
    for (; link != &topic->subscriptions; link = link->next)
        publication->receivers += inbox_deliver(CONTAINER_OF(link, struct subscription, in_topic)->session, frame);
    frame_drop(frame);
}

static void deliver_to_patterns(struct publication *publication, struct pubsub *pubsub)
{
    rwlock_take_read(&pubsub->patterns_lock);
    const struct list *end = &pubsub->patterns_in_order;
    for (const struct list *link = end->next; link != end; link = link->next) {
        const struct topic *topic = CONTAINER_OF(link, struct topic, in_order);
        if (pubsub_matches(blob_bytes(topic->name), publication->channel))
            deliver(publication, topic);
    }
    rwlock_give(&pubsub->patterns_lock);
}

bool pubsub_publish(struct larder *engine, enum topic_kind kind, bytes channel, bytes payload, size_t *receivers)
{
    struct pubsub *pubsub = &engine->pubsub;
    struct publication publication = {.channel = channel, .payload = payload};
    uint64_t hash = ks_hash(&engine->keyspace, channel);
    struct topic_table *table = lock_table(pubsub, kind, hash);
    const struct topic *topic = find_topic(table, kind, channel, hash);
    if (topic != NULL)
        deliver(&publication, topic);
    if (kind == TOPIC_CHANNEL && pubsub_topics(pubsub, TOPIC_PATTERN) > 0)
        deliver_to_patterns(&publication, pubsub);
    unlock_table(pubsub, kind, hash);
    if (publication.long_payload != NULL)
        blob_drop(publication.long_payload);
    *receivers = publication.receivers;
    return !publication.has_failed;
}

/* ---- Looking ---- */

size_t pubsub_subscribers(struct larder *engine, enum topic_kind kind, bytes name)
{
    struct pubsub *pubsub = &engine->pubsub;
    uint64_t hash = ks_hash(&engine->keyspace, name);
    struct topic_table *table = lock_table(pubsub, kind, hash);
    const struct topic *topic = find_topic(table, kind, name, hash);
    size_t count = topic != NULL ? topic->count : 0;
    unlock_table(pubsub, kind, hash);
    return count;
}

struct visiting {
    enum topic_kind kind;
    void (*visit)(void *context, bytes name);
    void *context;
};

static void visit_topic(void *context, void *item)
{
    const struct visiting *visiting = context;
    const struct topic *topic = item;
    if (topic->kind == visiting->kind)
        visiting->visit(visiting->context, blob_bytes(topic->name));
}

void pubsub_visit(struct larder *engine, enum topic_kind kind, void (*visit)(void *context, bytes name), void *context)
{
    struct visiting visiting = {.kind = kind, .visit = visit, .context = context};
    for (size_t i = 0; i < PUBSUB_STRIPES; i++) {
        struct pubsub_stripe *stripe = &engine->pubsub.stripes[i];
        lock_take(&stripe->lock);
        uint64_t cursor = 0;
        do {
            cursor = ht_scan(&stripe->table.topics, cursor, visit_topic, &visiting);
        } while (cursor != 0);
        lock_give(&stripe->lock);
    }
}

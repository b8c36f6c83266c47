/* Publish and subscribe: who listens to which channel, and the delivery of messages to them.

   Channels, and the shard channels that live beside them under the same names, are found in one of many stripes by the
   hash of their name; a stripe's lock is held while a message is delivered, so that all subscribers of a channel
   receive its messages in one order. Patterns stand in a list of their own under a lock that publishers only read-lock,
   and not even that while there are none. A subscription belongs to its session's owner, who alone makes and ends it;
   publishers see it under the lock of what it subscribes to.

   Order of locks: shards, then one stripe, then the patterns, then what a delivery takes. So a message may be published
   while shards are locked, and nothing here locks a shard. */
#ifndef LARDER_ENGINE_PUBSUB_H
#define LARDER_ENGINE_PUBSUB_H

#include "base/blob.h"
#include "base/bytes.h"
#include "base/common.h"
#include "base/list.h"
#include "base/lock.h"
#include "structs/ht.h"

struct larder;
struct session;
struct subscriptions;

enum topic_kind { TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD_CHANNEL, TOPIC_KINDS };

enum { PUBSUB_STRIPES = 64 };

/* Topics (channels, shard channels, patterns) that have subscribers, and their subscriptions. */
struct topic_table {
    struct ht topics;        /* by the hash of the name */
    struct ht subscriptions; /* by that and the session's number */
};

/* Some of the channels. */
struct pubsub_stripe {
    struct lock lock;
    struct topic_table table; /* lock */
} __attribute__((aligned(64)));

struct pubsub {
    struct pubsub_stripe *stripes; /* PUBSUB_STRIPES of them */
    struct rwlock patterns_lock;
    struct topic_table patterns;        /* patterns_lock */
    struct list patterns_in_order;      /* patterns_lock: its topics, oldest first */
    _Atomic size_t topics[TOPIC_KINDS]; /* how many of each kind there are */
};

/* False when there is no memory. */
MUST_USE bool pubsub_init(struct pubsub *pubsub);
/* Without subscribers. */
void pubsub_free(struct pubsub *pubsub);

/* The owner of the session. Subscribing twice is once. False when there is no memory. */
MUST_USE bool pubsub_subscribe(struct session *session, enum topic_kind kind, bytes name);
/* The owner of the session. When it returns, nobody delivers for this subscription any more; what was delivered before
   waits in the inbox. Without that subscription nothing happens. */
void pubsub_unsubscribe(struct session *session, enum topic_kind kind, bytes name);
void pubsub_unsubscribe_all(struct session *session);
/* The owner of the session. The name of its oldest subscription of this kind, a reference; NULL: it has none. */
struct blob *pubsub_oldest(const struct session *session, enum topic_kind kind);

/* Any thread: how many subscriptions the session has, of one kind, and of all. */
size_t pubsub_count(const struct session *session, enum topic_kind kind);
size_t pubsub_count_all(const struct session *session);

/* Does a pattern match the name of a channel? As in Redis not even `*` matches the empty name. */
bool pubsub_matches(bytes pattern, bytes channel);

/* Any thread, holding no stripe. Delivers a message on a channel or shard channel (and, of a channel, to those whose
   pattern matches it); `receivers` is to how many. False when there was no memory for it to reach all of them. */
bool pubsub_publish(struct larder *engine, enum topic_kind kind, bytes channel, bytes payload, size_t *receivers);

/* Any thread. Would a message on whatever channel reach nobody? */
static inline bool pubsub_is_deserted(const struct pubsub *pubsub)
{
    return atomic_load_explicit(&pubsub->topics[TOPIC_CHANNEL], memory_order_relaxed) == 0 &&
           atomic_load_explicit(&pubsub->topics[TOPIC_PATTERN], memory_order_relaxed) == 0;
}

/* Any thread: channels with subscribers, or shard channels, or patterns. */
static inline size_t pubsub_topics(const struct pubsub *pubsub, enum topic_kind kind)
{
    return atomic_load_explicit(&pubsub->topics[kind], memory_order_relaxed);
}

/* Any thread: how many sessions subscribe to this channel or shard channel. */
size_t pubsub_subscribers(struct larder *engine, enum topic_kind kind, bytes name);
/* Any thread: visits the names of channels or shard channels with subscribers, under the lock of their stripe. */
void pubsub_visit(struct larder *engine, enum topic_kind kind, void (*visit)(void *context, bytes name), void *context);

#endif

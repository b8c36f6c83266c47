/* Keyspace notifications: what happens to keys, published as messages. `notify-keyspace-events` says which classes of
   events are wanted, and in which form: on a channel named after the key (__keyspace@0__:key, the event as message),
   on one named after the event (__keyevent@0__:event, the key as message), or both.

   An event is published while the key's shard is locked, by the thread that brings it about, so that subscribers learn
   of a key's events in the order in which they happened. An event for which there is no memory is lost. */
#ifndef LARDER_ENGINE_NOTIFY_H
#define LARDER_ENGINE_NOTIFY_H

#include "base/bytes.h"
#include "engine/config.h"

struct larder;

/* Does notify-keyspace-events ask for anything: for a class of events, in some form? */
static inline bool notify_asks_for_events(int events)
{
    const int forms = CFG_NOTIFY_KEYSPACE | CFG_NOTIFY_KEYEVENT;
    return (events & forms) != 0 && (events & ~forms) != 0;
}

/* Publishes an event, if its class is wanted. */
void notify_event(struct larder *engine, enum cfg_notify class, const char *event, size_t db, bytes key);

#endif

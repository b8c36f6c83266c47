/* Keyspace notifications; see notify.h. */
#include "engine/notify.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <stdio.h>

enum { PREFIX_SIZE = 48 }; /* "__keyspace@", a number, "__:" */

/* Publishes on the channel that is this prefix and this name. */
static void publish(struct larder *engine, const char *prefix, bytes name, bytes message)
{
    char on_stack[256];
    size_t prefix_len = strlen(prefix);
    size_t len = prefix_len + name.len;
    char *channel = len <= sizeof(on_stack) ? on_stack : mem_alloc(len);
    if (channel == NULL)
        return;
    memcpy(channel, prefix, prefix_len);
    if (name.len > 0)
        memcpy(channel + prefix_len, name.at, name.len);
    size_t receivers;
    bool is_whole = pubsub_publish(engine, TOPIC_CHANNEL, (bytes){channel, len}, message, &receivers);
    (void)is_whole; /* nobody waits for an answer */
    if (channel != on_stack)
        mem_free(channel);
}

void notify_event(struct larder *engine, enum cfg_notify class, const char *event, size_t db, bytes key)
{
    int wanted = atomic_load_explicit(&engine->notified_events, memory_order_relaxed);
    if (!(wanted & (int)class) || pubsub_is_deserted(&engine->pubsub))
        return;
    char prefix[PREFIX_SIZE];
    if (wanted & CFG_NOTIFY_KEYSPACE) {
        snprintf(prefix, sizeof(prefix), "__keyspace@%zu__:", db);
        publish(engine, prefix, key, bytes_of(event));
    }
    if (wanted & CFG_NOTIFY_KEYEVENT) {
        snprintf(prefix, sizeof(prefix), "__keyevent@%zu__:", db);
        publish(engine, prefix, bytes_of(event), key);
    }
}

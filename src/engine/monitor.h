/* MONITOR: sessions that are sent a line for every command that runs. Whoever runs a command delivers the line, under
   the locks of the command's shards, to all monitors' inboxes: so lines of commands on the same keys come in the order
   in which they ran, and every monitor sees the same order. A monitor that reads too slowly is closed by its output
   limit; nobody waits for it. While there is one, GATE_MONITOR is set. */
#ifndef LARDER_ENGINE_MONITOR_H
#define LARDER_ENGINE_MONITOR_H

#include "base/list.h"
#include "base/lock.h"
#include "engine/frame.h"

#include <stddef.h>

struct call;
struct session;

struct monitors {
    struct lock lock;     /* taken after shards' locks, and held while lines are delivered */
    struct list sessions; /* lock */
    /* In which their lines are written: monitors speak one protocol, in its versions, whatever others speak. NULL
       before the first came. */
    _Atomic(frame_encoders) encoders;
};

void monitors_init(struct monitors *monitors);
void monitors_free(struct monitors *monitors);

/* The owner of the session. It is sent lines from now on; not any more. */
void monitor_join(struct session *session);
void monitor_leave(struct session *session);

size_t monitors_count(struct monitors *monitors);

/* A call has run: tells the monitors, unless it is one that they must not see. */
void monitor_tell(const struct call *call);

#endif

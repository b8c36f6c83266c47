/* The seam to the system's event interface: who may read, who may write, who was woken. One reactor per worker; other
   threads may wake it, and add and remove descriptors. reactor_epoll.c is the backend; another one needs only these
   functions. */
#ifndef LARDER_NET_REACTOR_H
#define LARDER_NET_REACTOR_H

#include "base/common.h"

#include <stdbool.h>

struct reactor {
    int poll_fd;
    int wake_fd;
};

enum reactor_interest {
    REACTOR_READ = 1,
    REACTOR_WRITE = 2,
    REACTOR_HANG_UP = 4, /* nothing but the end of the stream, with or without data in front of it: as readable */
};

struct reactor_event {
    void *owner;      /* as given to reactor_add; NULL for a wake-up */
    bool is_readable; /* data, end of stream, or an error to be found by reading */
    bool is_writable;
};

MUST_USE bool reactor_init(struct reactor *reactor);
void reactor_free(struct reactor *reactor);

/* Level-triggered interest in a descriptor; false with errno when the system refuses. */
MUST_USE bool reactor_add(struct reactor *reactor, int fd, unsigned interest, void *owner);
void reactor_change(struct reactor *reactor, int fd, unsigned interest, void *owner);
void reactor_remove(struct reactor *reactor, int fd);

/* Waits for at most `timeout_ms` and fills in up to `max` events; returns their number. */
int reactor_wait(struct reactor *reactor, struct reactor_event *events, int max, int timeout_ms);

/* Any thread: makes a wait return, the present one or the next. */
void reactor_wake(struct reactor *reactor);

#endif

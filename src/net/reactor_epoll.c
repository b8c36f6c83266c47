/* The reactor on Linux's epoll, woken through an eventfd; see reactor.h. */
#include "net/reactor.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BATCH_MAX = 256 };

static struct epoll_event make_event(unsigned interest, void *owner)
{
    struct epoll_event event = {.data.ptr = owner};
    if (interest & REACTOR_READ)
        event.events |= EPOLLIN;
    if (interest & REACTOR_WRITE)
        event.events |= EPOLLOUT;
    if (interest & REACTOR_HANG_UP)
        event.events |= EPOLLRDHUP;
    return event;
}

bool reactor_add(struct reactor *reactor, int fd, unsigned interest, void *owner)
{
    struct epoll_event event = make_event(interest, owner);
    return epoll_ctl(reactor->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void reactor_change(struct reactor *reactor, int fd, unsigned interest, void *owner)
{
    struct epoll_event event = make_event(interest, owner);
    epoll_ctl(reactor->poll_fd, EPOLL_CTL_MOD, fd, &event);
}

void reactor_remove(struct reactor *reactor, int fd)
{
    epoll_ctl(reactor->poll_fd, EPOLL_CTL_DEL, fd, NULL);
}

bool reactor_init(struct reactor *reactor)
{
    reactor->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    reactor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reactor->poll_fd >= 0 && reactor->wake_fd >= 0 && reactor_add(reactor, reactor->wake_fd, REACTOR_READ, NULL))
        return true;
    reactor_free(reactor);
    return false;
}

void reactor_free(struct reactor *reactor)
{
    if (reactor->poll_fd >= 0)
        close(reactor->poll_fd);
    if (reactor->wake_fd >= 0)
        close(reactor->wake_fd);
}

static void drain_wake_ups(const struct reactor *reactor)
{
    uint64_t count;
    ssize_t got = read(reactor->wake_fd, &count, sizeof(count));
    (void)got; /* nothing there is fine: somebody else's wake-up was taken together with this one */
}

int reactor_wait(struct reactor *reactor, struct reactor_event *events, int max, int timeout_ms)
{
    struct epoll_event ready[BATCH_MAX];
    int count = epoll_wait(reactor->poll_fd, ready, max < BATCH_MAX ? max : BATCH_MAX, timeout_ms);
    for (int i = 0; i < count; i++) {
        unsigned what = ready[i].events;
        events[i] = (struct reactor_event){
            .owner = ready[i].data.ptr,
            .is_readable = what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR),
            .is_writable = what & (EPOLLOUT | EPOLLHUP | EPOLLERR),
        };
        if (events[i].owner == NULL)
            drain_wake_ups(reactor);
    }
    return count < 0 ? 0 : count;
}

void reactor_wake(struct reactor *reactor)
{
    uint64_t one = 1;
    ssize_t written = write(reactor->wake_fd, &one, sizeof(one));
    (void)written; /* full means that a wake-up is pending already */
}

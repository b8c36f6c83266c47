/* A lock-free queue with many producers and one consumer: how threads hand work to a worker. Producers push onto a
   stack with one compare-and-swap (Treiber, 1986); the consumer takes the whole stack at once and reverses it, which
   keeps each producer's order and leaves no room for the ABA problem. */
#ifndef LARDER_BASE_MAILBOX_H
#define LARDER_BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Lives inside the message, which belongs to the mailbox from push to take. */
struct mail {
    struct mail *next;
};

struct mailbox {
    _Atomic(struct mail *) newest;
};

static inline void mailbox_init(struct mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
}

/* Any thread. True when the mailbox was empty before: then the consumer must be woken. */
static inline bool mailbox_push(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, mail, memory_order_release,
                                                    memory_order_relaxed));
    return newest == NULL;
}

/* The consumer only: is there nothing to take? */
static inline bool mailbox_is_empty(const struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->newest, memory_order_acquire) == NULL;
}

/* The consumer only: everything pushed so far, oldest first, chained by `next`; NULL when there is nothing. */
static inline struct mail *mailbox_take(struct mailbox *mailbox)
{
    struct mail *mail = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (mail != NULL) {
        struct mail *next = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = next;
    }
    return oldest;
}

#endif

/* A mutual-exclusion lock: a thin name over the system's mutex, adaptive where the platform has it (the sections are
   short, so a waiter does better to spin a little before it sleeps). */
#ifndef LARDER_BASE_LOCK_H
#define LARDER_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>

struct lock {
    pthread_mutex_t mutex;
};

static inline void lock_init(struct lock *lock)
{
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&lock->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
#else
    pthread_mutex_init(&lock->mutex, NULL);
#endif
}

static inline void lock_free(struct lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static inline void lock_take(struct lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

/* Takes the lock if nobody has it. */
static inline bool lock_try(struct lock *lock)
{
    return pthread_mutex_trylock(&lock->mutex) == 0;
}

static inline void lock_give(struct lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

#endif

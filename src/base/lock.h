/* Locks: thin names over the system's. The mutual-exclusion lock is adaptive where the platform has it (the sections
   are short, so a waiter does better to spin a little before it sleeps). */
#ifndef LARDER_BASE_LOCK_H
#define LARDER_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

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

/* A lock that many readers may hold at the same time, or one writer. A waiting writer goes first, so that readers who
   come all the time cannot keep it out; so no thread may read-lock it twice. */
struct rwlock {
    pthread_rwlock_t system;
};

static inline void rwlock_init(struct rwlock *lock)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
#ifdef __GLIBC__ /* elsewhere it is so by default */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    pthread_rwlock_init(&lock->system, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

static inline void rwlock_free(struct rwlock *lock)
{
    pthread_rwlock_destroy(&lock->system);
}

static inline void rwlock_take_read(struct rwlock *lock)
{
    pthread_rwlock_rdlock(&lock->system);
}

static inline void rwlock_take_write(struct rwlock *lock)
{
    pthread_rwlock_wrlock(&lock->system);
}

static inline void rwlock_give(struct rwlock *lock)
{
    pthread_rwlock_unlock(&lock->system);
}

/* What tells the calling thread from all others that are there; never 0. */
static inline uintptr_t lock_self(void)
{
#if defined(__GNUC__) && !defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
    return (uintptr_t)__builtin_thread_pointer(); /* one instruction, where pthread_self is a call */
#else
    return (uintptr_t)pthread_self();
#endif
}

#endif

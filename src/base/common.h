/* Words that every floor shares: branch hints, attributes, and the assertion macro. An assert states an invariant of
   Larder's own; input from outside is checked with code, never with an assert. */
#ifndef LARDER_BASE_COMMON_H
#define LARDER_BASE_COMMON_H

#include <assert.h>

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* An invariant that the compiler may rely on as well: checked in debug builds, assumed in others. */
#ifdef NDEBUG
#define assume(condition) ((condition) ? (void)0 : __builtin_unreachable())
#else
#define assume(condition) assert(condition)
#endif

/* A function on the path of every request; and one for rare cases, which keeps its caller small. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The structure that holds `member` at address `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif

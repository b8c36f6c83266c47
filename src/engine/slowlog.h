/* The slow log: calls whose handler took slowlog-log-slower-than or longer, the newest slowlog-max-len of them. Entries
   do not change once they are made; a reader takes references to them under the lock and looks at them outside of it,
   so that nobody waits for a reader. */
#ifndef LARDER_ENGINE_SLOWLOG_H
#define LARDER_ENGINE_SLOWLOG_H

#include "base/bytes.h"
#include "base/common.h"
#include "base/list.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdint.h>

struct call;
struct config;

enum {
    SLOWLOG_WORDS_MAX = 32, /* of a call; the last says how many more there were */
    SLOWLOG_WORD_MAX = 128, /* bytes of a word; what is cut off is told */
    SLOWLOG_NOTE_SIZE = 40, /* "... (18446744073709551615 more arguments)" */
};

struct slow_call {
    struct list in_log; /* the log's lock */
    _Atomic uint32_t references;
    uint64_t id;
    int64_t at_s; /* since the epoch */
    uint64_t duration_us;
    bytes address;
    bytes client_name;
    size_t argc;
    bytes argv[]; /* cut and redacted; the bytes lie behind */
};

struct slowlog {
    _Atomic uint64_t threshold_ns; /* UINT64_MAX: nothing is logged */
    struct lock lock;
    struct list calls; /* lock: oldest first */
    size_t count;      /* lock */
    size_t bytes;      /* lock: memory of the entries */
    uint64_t last_id;  /* lock: ids grow for ever, over resets too; the first is 0 */
};

void slowlog_init(struct slowlog *log);
void slowlog_free(struct slowlog *log);

/* The configuration has changed. */
void slowlog_configure(struct slowlog *log, struct config *config);

static inline bool slowlog_wants(const struct slowlog *log, uint64_t duration_ns)
{
    return duration_ns >= atomic_load_explicit(&log->threshold_ns, memory_order_relaxed);
}

/* Logs a call that has run. Without memory it is not logged. */
void slowlog_add(struct slowlog *log, const struct call *call, uint64_t duration_ns);

/* Up to `most` entries, newest first, each with a reference for the caller; *count of them. NULL when there is no
   memory; otherwise to be given to slowlog_give_back. */
MUST_USE struct slow_call **slowlog_take(struct slowlog *log, size_t most, size_t *count);
void slowlog_give_back(struct slow_call **calls, size_t count);

size_t slowlog_length(struct slowlog *log);
size_t slowlog_memory(struct slowlog *log);
void slowlog_reset(struct slowlog *log);

#endif

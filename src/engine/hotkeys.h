/* Hot keys: which keys cost the most processor time and the most bytes on the network, while somebody wants to know
   (HOTKEYS START). What a command costs is shared out evenly among its keys. A key belongs to one of some stripes by
   its hash; each stripe has its own lock and its own lists of heavy keys, so threads seldom meet. While keys are
   tracked, GATE_HOTKEYS is set; a call on its way at the moment when that changes may count or not. Memory is bounded:
   two lists a stripe, of fixed length, with names of bounded length. */
#ifndef LARDER_ENGINE_HOTKEYS_H
#define LARDER_ENGINE_HOTKEYS_H

#include "base/lock.h"
#include "structs/heavy.h"

#include <stdatomic.h>
#include <stdbool.h>

struct call;
struct larder;

enum hotkeys_metric { HOTKEYS_CPU, HOTKEYS_NET, HOTKEYS_METRICS };

enum { HOTKEYS_STRIPES = 16, HOTKEYS_COUNT_MAX = 64, HOTKEYS_COUNT_DEFAULT = 10 };

struct hotkeys_options {
    bool metrics[HOTKEYS_METRICS];
    size_t count;       /* keys to be told, at most HOTKEYS_COUNT_MAX */
    int64_t duration_s; /* 0: until HOTKEYS STOP */
    uint64_t ratio;     /* one key in so many is looked at */
};

struct hotkeys_stripe {
    struct lock lock;
    struct heavy *lists[HOTKEYS_METRICS]; /* lock: NULL: not tracked */
    uint64_t sums[HOTKEYS_METRICS];       /* lock: nanoseconds and bytes of all commands, with or without keys */
};

/* Of the whole process and engine, at one moment. */
struct hotkeys_usage {
    int64_t user_ms;
    int64_t system_ms;
    uint64_t net_bytes;
};

struct hotkeys {
    struct lock lock;               /* taken before a stripe's, after shards' */
    bool is_known;                  /* lock: there is something to tell */
    bool is_active;                 /* lock */
    struct hotkeys_options options; /* lock to write, constant while is_active */
    int64_t started_ms;             /* lock, like the following; of the engine's clock */
    int64_t stopped_ms;             /* valid unless is_active */
    struct hotkeys_usage at_start;
    struct hotkeys_usage at_stop;
    _Atomic int64_t ends_ms; /* of the engine's clock: tracking stops then */
    _Atomic uint64_t ratio;
    struct hotkeys_stripe stripes[HOTKEYS_STRIPES];
};

void hotkeys_init(struct hotkeys *hotkeys);
void hotkeys_free(struct hotkeys *hotkeys);

enum hotkeys_status { HOTKEYS_OK, HOTKEYS_IN_PROGRESS, HOTKEYS_NOT_ACTIVE, HOTKEYS_NO_MEMORY };

bool hotkeys_is_active(struct larder *engine, int64_t now_ms);

/* Forgets what an earlier tracking found and begins a new one. */
MUST_USE enum hotkeys_status hotkeys_start(struct larder *engine, const struct hotkeys_options *options,
                                           int64_t now_ms);
/* What was found stays. */
enum hotkeys_status hotkeys_stop(struct larder *engine, int64_t now_ms);
/* Forgets it. Not while tracking is active. */
enum hotkeys_status hotkeys_reset(struct larder *engine, int64_t now_ms);

/* A call has run, under the locks of its shards: it took so long and so many bytes, both ways. */
void hotkeys_note(const struct call *call, uint64_t time_ns, uint64_t net_bytes);

struct hot_key {
    bytes name; /* in the report's memory */
    uint64_t weight;
};

/* What is known now. */
struct hotkeys_report {
    bool is_active;
    struct hotkeys_options options;
    int64_t started_ms;
    int64_t duration_ms;
    struct hotkeys_usage usage; /* since the start */
    uint64_t sums[HOTKEYS_METRICS];
    struct hot_key keys[HOTKEYS_METRICS][HOTKEYS_COUNT_MAX]; /* heaviest first */
    size_t counts[HOTKEYS_METRICS];
    char *memory; /* of the names */
};

/* NOT_ACTIVE: there is nothing to tell. On OK the report's memory is to be freed with mem_free. */
MUST_USE enum hotkeys_status hotkeys_tell(struct larder *engine, int64_t now_ms, struct hotkeys_report *report);

size_t hotkeys_memory(struct hotkeys *hotkeys);

#endif

/* Gibson's way of making room: when memory is short, every item that was not used for `gibson-gc-ratio` seconds goes,
   looked for every `gibson-max-mem-cron` seconds, locked or not. It works beside maxmemory-policy. */
#ifndef LARDER_ENGINE_IDLE_H
#define LARDER_ENGINE_IDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct larder;

/* A part of the upkeep, on any thread: for the shards [first, first + count). True when there is more to do at once. */
bool idle_upkeep(struct larder *engine, size_t first_shard, size_t shard_count, int64_t now_ms, size_t budget);

#endif

/* What the files of the server family share: handlers whose rows stand in server.c, and the server's figures on memory,
   which INFO and MEMORY both tell. */
#ifndef LARDER_COMMANDS_SERVER_H
#define LARDER_COMMANDS_SERVER_H

#include "engine/call.h"

extern const struct command memory_subcommands[];

void cmd_debug(struct call *call);
void cmd_info(struct call *call);

/* Where the memory is, in bytes. */
struct memory_figures {
    size_t used;     /* all that is counted: the sum of the next five */
    size_t entries;  /* keys and values */
    size_t tables;   /* hash tables and timing wheels */
    size_t eviction; /* queues and ghosts of allkeys-s3fifo */
    size_t flushed;  /* of flushed databases, not given back yet */
    size_t clients;  /* sessions with their input and output */
    size_t peak;     /* the most that was ever seen in use */
    size_t resident; /* of the whole process, as the system sees it; 0: unknown */
    size_t keys;
};

/* Locks shards and the registry of sessions, one after the other. */
struct memory_figures memory_measure(struct larder *engine);

/* resident / used, and the bytes between the two; 0 where one of them is unknown. */
double memory_fragmentation(const struct memory_figures *figures);
int64_t memory_fragmentation_bytes(const struct memory_figures *figures);
/* The part that is data, in percent of what is used. */
double memory_dataset_percent(const struct memory_figures *figures);
/* What is used now, in percent of the peak. */
double memory_peak_percent(const struct memory_figures *figures);

#endif

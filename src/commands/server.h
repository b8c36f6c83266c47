/* What the files of the server family share: handlers whose rows stand in server.c, and the server's figures on memory,
   which INFO and MEMORY both tell. */
#ifndef LARDER_COMMANDS_SERVER_H
#define LARDER_COMMANDS_SERVER_H

#include "base/text.h"
#include "engine/call.h"
#include "engine/footprint.h"

extern const struct command memory_subcommands[];

void cmd_debug(struct call *call);
void cmd_info(struct call *call);

/* Sections of INFO. */
void info_write_commandstats(struct larder *engine, struct text *text);
void info_write_keysizes(struct larder *engine, struct text *text);
void info_write_errorstats(struct larder *engine, struct text *text);
void info_write_latencystats(struct larder *engine, struct text *text);

/* Where the memory is, in bytes. */
struct memory_figures {
    struct footprint parts;
    size_t used;      /* their sum */
    size_t peak;      /* the most that was ever seen in use */
    size_t allocated; /* handed out by the allocator; where it does not tell, what is used */
    size_t active;    /* taken by the allocator from the system; 0: unknown */
    size_t resident;  /* of the whole process, as the system sees it; 0: unknown */
};

/* Locks shards and the registry of sessions, one after the other. */
struct memory_figures memory_measure(struct larder *engine);

/* Bytes of memory in this machine, 0 where the system does not tell. */
size_t server_system_memory(void);

/* Two figures that should be close: what the larger is to the smaller, and how many bytes it is more. Both 0 where one
   of them is unknown. */
double memory_ratio(size_t larger, size_t smaller);
int64_t memory_difference(size_t larger, size_t smaller);

/* The part that is data, in percent of what is used. */
double memory_dataset_percent(const struct memory_figures *figures);
/* What is used now, in percent of the peak. */
double memory_peak_percent(const struct memory_figures *figures);

#endif

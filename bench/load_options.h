/*
 * What the load generator's command line asks for. The numbers have been checked against the limits below, so that the
 * generator multiplies them without fear.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_MAX UINT64_C(1000000000000)
#define VALUE_BYTES_MAX (64u * 1024 * 1024)
#define CONNECTIONS_MAX 1000000
#define PIPELINE_MAX 100000
#define TIME_MS_MIN UINT64_C(1000000000000) /* the first of thirteen digits */
#define TIME_MS_MAX UINT64_C(9000000000000) /* with any spread still thirteen digits */

enum command { CMD_GET, CMD_SET, CMD_INCR, CMD_MSET, CMD_PING };
enum protocol { PROTOCOL_RESP, PROTOCOL_GIBSON };
enum distribution { DIST_UNIFORM, DIST_SEQUENTIAL, DIST_ZIPF };

struct options {
    const char *host;
    uint64_t port;
    const char *unix_path; /* NULL: TCP */
    uint64_t connections;
    uint64_t pipeline;  /* requests in a batch */
    uint64_t requests;  /* 0: until the time is up */
    double seconds;     /* 0: until the requests are done */
    double rate;        /* requests a second by timetable; 0: as fast as the replies come */
    uint64_t keys;      /* size of the key space */
    uint64_t first_key; /* number of its first key */
    uint64_t value_bytes;
    uint64_t deadline_ms;        /* SET ... PXAT this; 0: no deadline */
    uint64_t deadline_spread_ms; /* deadlines cover this long from deadline_ms on, evenly */
    uint64_t seed;
    uint64_t server_pid;   /* also tell the longest wait without what other programs took; 0: do not */
    uint64_t idle;         /* hold this many connections and do nothing */
    unsigned protocol;     /* enum protocol */
    unsigned command;      /* enum command; Gibson has no CMD_MSET, and no deadlines */
    unsigned distribution; /* enum distribution */
    bool uses_tls;
    bool populates; /* every key once; parse_options sets the fields above accordingly */
};

/* Ends the program with the text on stderr and exit code 1, as every failure of the generator does. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* Zeroed memory; never NULL. */
void *allocate(size_t count, size_t size);

/* Reads the command line; --help and mistakes end the program. */
struct options parse_options(int argc, char **argv);

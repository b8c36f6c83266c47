/* What the commands of a transaction will have written by the time that each of them runs, as far as room for it is
   concerned: EXEC is told beforehand whether there is enough for all of them (transaction_growth). Commands ask and
   tell in their order. The forecast is of too much rather than too little; where it can't tell in which database a
   value will be, the largest under that name in any of them counts. What other clients change before EXEC has its locks
   is not foreseen. It belongs to one thread, and the names in it belong to the queue. */
#ifndef LARDER_ENGINE_FORECAST_H
#define LARDER_ENGINE_FORECAST_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct call;

/* A value as it will be. Zeroed: there is none. */
struct forecast_value {
    size_t len;      /* of the string, at most */
    size_t capacity; /* at least so many bytes it can have where it is; 0: whatever changes it moves it */
    size_t bytes;    /* of memory, at most */
    bool exists;     /* perhaps */
    bool is_exact;   /* it exists, and the length is not only a bound: only then can it be told when it has to move */
};

struct forecast_key {
    bytes name; /* at is NULL: a free place */
    size_t db;
    struct forecast_value value;
};

/* Zeroed memory, but for the database, is an empty forecast. */
struct forecast {
    struct forecast_key *keys; /* by the name's hash, open addressing; a third at least is free */
    size_t count;
    size_t places;      /* a power of two, or 0 */
    size_t db;          /* that will be selected */
    size_t all_len;     /* any value may have become so long: a command wrote to keys that it does not name */
    bool has_lost_dbs;  /* any value may have gone, or to another database */
    bool has_no_memory; /* and is worth nothing */
};

/* The value under a key of this name, of the selected database. No shard may be locked. Without a forecast (NULL), as
   it is now. */
struct forecast_value forecast_look(const struct forecast *forecast, struct call *call, bytes name);

/* These do nothing without a forecast. */

/* The key, of the selected database, will have this value. */
void forecast_put(struct forecast *forecast, struct call *call, bytes name, struct forecast_value value);
/* Every key with this prefix may have a value of so many bytes; returns how many of them are in the forecast. */
size_t forecast_put_all(struct forecast *forecast, bytes prefix, size_t len);
/* Values will have gone from one database to another, or altogether. */
void forecast_lose_dbs(struct forecast *forecast);

/* A command runs that adds no more than its words. */
void forecast_run(struct forecast *forecast, struct call *call);

void forecast_free(struct forecast *forecast);

#endif

/* The keys of a prefix in order, copied out of their shards one shard after the other, so that no lock is held while
   they are looked at. Each shard gives a run that is in order; listing_next merges the runs.

   With a limit a shard gives only about its share at first, and more when its run ends too early, so that a page costs
   what it holds, however many shards there are. */
#ifndef LARDER_COMMANDS_LISTING_H
#define LARDER_COMMANDS_LISTING_H

#include "engine/call.h"

/* What is listed of each key beside its name. */
enum listing_kind {
    LISTING_KEYS,
    LISTING_VALUES, /* strings only, with their values */
    LISTING_SIZES,  /* the memory of each entry */
};

struct listing_query {
    enum listing_kind kind;
    bytes prefix;
    const bytes *after; /* NULL: from the beginning */
    size_t limit;       /* keys; SIZE_MAX: all */
    size_t most_bytes;  /* of keys and what is stored: larger lists are given up; 0: none is */
    bool is_use;        /* each key listed was used, as if it had been read */
    bool is_view;       /* keys that the session's user may do nothing with are left out */
};

struct listed {
    bytes key;
    bytes stored;       /* what is stored of a string */
    struct blob *blob;  /* that holds it, if it is long, else NULL; the listing's */
    bool is_compressed; /* it is the string's compressed form */
    size_t size;        /* bytes of memory, where they were asked for */
    bool is_number;     /* LISTING_VALUES: Gibson's encoding NUMBER; the string is that of an integer */
};

struct listing_run {
    char *at; /* records, see listing.c */
    size_t len;
    size_t capacity;
    size_t next; /* where the record stands that is next in the merge */
    size_t last; /* where the last one stands, if there is any */
    size_t count;
    bool has_more; /* the shard may have further keys */
};

struct listing {
    struct listing_run *runs; /* by shard */
    size_t run_count;
    size_t *heap; /* runs that have a record left, the one with the least key first */
    size_t heap_count;
    size_t left;       /* records that listing_next will still give */
    size_t bytes;      /* of all records, as for most_bytes */
    bool is_too_large; /* there are more than the query's most_bytes, and nothing was listed */
};

/* Collects from the session's database. On failure there is no memory, and nothing to free. The caller holds no shard's
   lock, or all of them. */
MUST_USE bool listing_collect(struct listing *listing, struct call *call, const struct listing_query *query);
/* The next key in order; false at the end. Valid until listing_free. */
bool listing_next(struct listing *listing, struct listed *listed);
/* Back to the first key; `limit` is the query's. */
void listing_rewind(struct listing *listing, size_t limit);
void listing_free(struct listing *listing);

#endif

/* Storing whole strings: this is where it is decided whether they are stored compressed. The shards are locked, and the
   compressing is done under their lock, as commands run: COMPRESSED_VALUE_MAX bounds it. */
#ifndef LARDER_ENGINE_STORE_H
#define LARDER_ENGINE_STORE_H

#include "engine/call.h"

/* The present setting of compression-threshold: strings longer than this are to be compressed. */
static inline size_t store_threshold(const struct call *call)
{
    return atomic_load_explicit(&call->engine->compression_threshold, memory_order_relaxed);
}

/* Would a string of `len` bytes and `more` be longer than proto-max-bulk-len, or than an entry takes? Then the error
   has been replied. */
MUST_USE bool store_exceeds_limit(struct call *call, uint64_t len, uint64_t more);

/* The same of a value as sent, which is no longer than its protocol allows; but that may be more than an entry takes.
 */
MUST_USE static inline bool store_is_too_long(struct call *call, bytes value)
{
    return unlikely(value.len > KS_VALUE_MAX) && store_exceeds_limit(call, value.len, 0);
}

/* A string that is about to be stored under one key, or under many. */
struct new_string {
    bytes value; /* the caller's */
    enum string_encoding encoding;
    char *compressed; /* its compressed form; NULL: it is stored as it is */
    size_t compressed_len;
};

/* Compresses the string, once for all keys, if it is longer than `threshold` and that is worth it. Needs no lock. To be
   ended by store_end. */
void store_begin(struct call *call, struct new_string *string, bytes value, enum string_encoding encoding,
                 size_t threshold);
void store_end(struct new_string *string);

/* The key becomes this string; as ks_put_string. */
MUST_USE enum ks_status store_put(struct call *call, struct ks_key *key, const struct new_string *string,
                                  int64_t deadline_ms);

/* The same with an item of these contents; as ks_put_item. */
MUST_USE enum ks_status store_put_item(struct call *call, struct ks_key *key, const struct new_string *string,
                                       int64_t deadline_ms, struct item item);

/* All of these in one: the slow path of store_string. */
MUST_USE enum ks_status store_compressed(struct call *call, struct ks_key *key, bytes value,
                                         enum string_encoding encoding, size_t threshold, int64_t deadline_ms);

/* The key becomes this string, compressed if it is longer than `threshold` and that is worth it; otherwise as
   ks_put_string. */
MUST_USE static inline enum ks_status store_string(struct call *call, struct ks_key *key, bytes value,
                                                   enum string_encoding encoding, size_t threshold, int64_t deadline_ms)
{
    if (unlikely(value.len > threshold))
        return store_compressed(call, key, value, encoding, threshold, deadline_ms);
    return ks_put_string(key, value, encoding, deadline_ms, call->now_ms);
}

#endif

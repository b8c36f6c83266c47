/* Storing whole strings; see store.h. */
#include "engine/store.h"

#include "base/mem.h"
#include "keyspace/item.h"

bool store_exceeds_limit(struct call *call, uint64_t len, uint64_t more)
{
    uint64_t limit = (uint64_t)CFG_READ(call->engine->config, proto_max_bulk_len);
    if (limit > KS_VALUE_MAX)
        limit = KS_VALUE_MAX;
    if (likely(more <= limit && len <= limit - more))
        return false;
    reply_error(call, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return true;
}

void store_begin(struct call *call, struct new_string *string, bytes value, enum string_encoding encoding,
                 size_t threshold)
{
    *string = (struct new_string){.value = value, .encoding = encoding};
    if (value.len > threshold)
        string->compressed = compressed_make(value, &string->compressed_len);
    if (string->compressed == NULL)
        return;
    struct executor_stats *stats = &call->executor->stats;
    stat_add(&stats->compressions, 1);
    stat_add(&stats->compressions_saved_percents, compressed_saved_percent(value.len, string->compressed_len));
}

void store_end(struct new_string *string)
{
    mem_free(string->compressed);
}

enum ks_status store_put(struct call *call, struct ks_key *key, const struct new_string *string, int64_t deadline_ms)
{
    if (string->compressed == NULL)
        return ks_put_string(key, string->value, string->encoding, deadline_ms, call->now_ms);
    bytes compressed = {string->compressed, string->compressed_len};
    return ks_put_compressed(key, compressed, string->encoding, deadline_ms, call->now_ms);
}

enum ks_status store_put_item(struct call *call, struct ks_key *key, const struct new_string *string,
                              int64_t deadline_ms, struct item item)
{
    bool is_compressed = string->compressed != NULL;
    bytes stored = is_compressed ? (bytes){string->compressed, string->compressed_len} : string->value;
    return ks_put_item(key, stored, is_compressed, string->encoding, deadline_ms, call->now_ms, item);
}

enum ks_status store_compressed(struct call *call, struct ks_key *key, bytes value, enum string_encoding encoding,
                                size_t threshold, int64_t deadline_ms)
{
    struct new_string string;
    store_begin(call, &string, value, encoding, threshold);
    enum ks_status status = store_put(call, key, &string, deadline_ms);
    store_end(&string);
    return status;
}

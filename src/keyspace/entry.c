/* Entries; see entry.h. */
#include "keyspace/entry.h"

#include "base/mem.h"

const char *entry_type_name(const struct entry *entry)
{
    static const char *const names[] = {[TYPE_STRING] = "string"};
    return names[entry->type];
}

const char *entry_encoding_name(const struct entry *entry)
{
    static const char *const names[] = {[STRING_EMBSTR] = "embstr", [STRING_RAW] = "raw", [STRING_INT] = "int"};
    return names[entry->encoding];
}

bytes entry_key_behind(const struct entry *entry)
{
    size_t prefix = entry_prefix_size(entry->flags);
    uint64_t len = entry->key_len;
    if (entry->flags & ENTRY_HAS_LONG_KEY)
        memcpy(&len, entry->data + prefix - 8, sizeof(len));
    return (bytes){entry->data + prefix, (size_t)len};
}

bytes entry_string_behind(const struct entry *entry)
{
    if (entry->flags & ENTRY_IS_BOXED)
        return blob_bytes(entry_blob(entry));
    bytes key = entry_key(entry);
    return (bytes){key.at + key.len, entry->inline_len};
}

size_t entry_bytes(const struct entry *entry)
{
    size_t size = mem_size(entry);
    if (entry->flags & ENTRY_IS_BOXED)
        size += mem_size(entry_blob(entry));
    return size;
}

struct entry *entry_new(unsigned flags, bytes key, size_t inline_len)
{
    assert(inline_len <= ENTRY_INLINE_MAX);
    if (key.len > ENTRY_SHORT_KEY_MAX)
        flags |= ENTRY_HAS_LONG_KEY;
    size_t prefix = entry_prefix_size(flags);
    struct entry *entry = mem_alloc(sizeof(*entry) + prefix + key.len + inline_len);
    if (entry == NULL)
        return NULL;
    *entry = (struct entry){
        .flags = (uint8_t)flags,
        .key_len = (uint8_t)key.len,
        .inline_len = (uint16_t)inline_len,
    };
    if (flags & ENTRY_HAS_LONG_KEY) {
        uint64_t len = key.len;
        memcpy(entry->data + prefix - 8, &len, sizeof(len));
    }
    if (key.len > 0)
        memcpy(entry->data + prefix, key.at, key.len);
    return entry;
}

void entry_free(struct entry *entry)
{
    if (entry->flags & ENTRY_IS_BOXED)
        blob_drop(entry_blob(entry));
    mem_free(entry);
}

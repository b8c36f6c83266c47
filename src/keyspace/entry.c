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

#define PREFIX_SIZE(flags) \
    (ENTRY_NODES_SIZE(flags) + ((flags)&ENTRY_IS_BOXED ? 8 : 0) + ((flags)&ENTRY_HAS_LONG_KEY ? 8 : 0))
#define PREFIX_SIZES_4(flags) \
    PREFIX_SIZE(flags), PREFIX_SIZE((flags) + 1), PREFIX_SIZE((flags) + 2), PREFIX_SIZE((flags) + 3)
#define PREFIX_SIZES_16(flags) \
    PREFIX_SIZES_4(flags), PREFIX_SIZES_4((flags) + 4), PREFIX_SIZES_4((flags) + 8), PREFIX_SIZES_4((flags) + 12)

const uint8_t entry_prefix_sizes[ENTRY_PREFIXES] = {PREFIX_SIZES_16(0), PREFIX_SIZES_16(16), PREFIX_SIZES_16(32),
                                                    PREFIX_SIZES_16(48)};
_Static_assert((int)ENTRY_PREFIX_FLAGS < (int)ENTRY_PREFIXES, "every flag of the prefix counts");

bytes entry_long_key(const struct entry *entry)
{
    size_t prefix = entry_prefix_size(entry->flags);
    uint64_t len;
    memcpy(&len, entry->data + prefix - 8, sizeof(len));
    return (bytes){entry->data + prefix, (size_t)len};
}

bytes entry_stored_apart(const struct entry *entry)
{
    if (entry->flags & ENTRY_IS_BOXED)
        return blob_bytes(entry_stored_blob(entry));
    bytes key = entry_key(entry);
    return (bytes){key.at + key.len, entry->inline_len};
}

size_t entry_string_len_apart(const struct entry *entry)
{
    bytes stored = entry_stored(entry);
    return entry_is_compressed(entry) ? compressed_value_len(stored) : stored.len;
}

bool view_expand(struct string_view *view, bytes compressed)
{
    size_t len = compressed_value_len(compressed);
    char *expanded = mem_alloc(len);
    *view = VIEW_OF(BYTES(""));
    if (expanded == NULL)
        return false;
    *view = (struct string_view){.value = {expanded, len}, .expanded = expanded};
    bool is_intact = compressed_expand(compressed, expanded);
    assert(is_intact);
    if (is_intact)
        return true;
    mem_free(expanded); /* the memory is damaged: at least nothing is made up */
    *view = VIEW_OF(BYTES(""));
    return false;
}

void view_free(struct string_view *view)
{
    mem_free(view->expanded);
}

size_t entry_bytes(const struct entry *entry)
{
    size_t size = mem_size(entry);
    if (entry->flags & ENTRY_IS_BOXED)
        size += mem_size(entry_stored_blob(entry));
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
        blob_drop(entry_stored_blob(entry));
    mem_free(entry);
}

/* An entry: one key with its value, in one allocation.

       +--------+---------------+------------+------------+-----------+-----------------+-----+--------------+
       | header | deadline node | rank       | item       | box       | long key length | key | inline value |
       | 8      | 24, if any    | 24, if any | 24, if any | 8, if any | 8, if any       |     | if not boxed |
       +--------+---------------+------------+------------+-----------+-----------------+-----+--------------+

   The header says which optional parts are there. A short string lies inline behind the key; a longer one, or any other
   type, hangs off the box. Entries are owned by their shard and read or changed only under its lock; a change that
   needs another size makes a new entry, so pointers to entries are valid no longer than the lock is held.

   A string may be stored compressed (values/compressed.h), inline or boxed. So there are two ways to its bytes: who
   wants the string opens a view of it, which expands it if need be; who wants what is stored says so by name. */
#ifndef LARDER_KEYSPACE_ENTRY_H
#define LARDER_KEYSPACE_ENTRY_H

#include "base/blob.h"
#include "base/bytes.h"
#include "structs/wheel.h"
#include "values/compressed.h"
#include "values/string.h"

#include <stdint.h>

enum value_type { TYPE_STRING = 0, VALUE_TYPES };

enum entry_flag {
    ENTRY_HAS_DEADLINE = 1 << 0,
    ENTRY_IS_BOXED = 1 << 1,
    ENTRY_HAS_LONG_KEY = 1 << 2, /* the key's length does not fit the header */
    ENTRY_HAS_RANK = 1 << 3,     /* stands in the order of use that a bound on the number of keys needs, see rank.c */
    ENTRY_IS_QUEUED = 1 << 4,    /* stands in a queue, which the access bits name, see s3fifo.c */
    ENTRY_HAS_ITEM = 1 << 5,     /* was locked, or written by a Gibson client, see item.h */
    /* what is stored is the string's compressed form, which never changes */
    ENTRY_IS_COMPRESSED = 1 << 6,

    /* of these depends what stands in front of the key */
    ENTRY_PREFIX_FLAGS = ENTRY_HAS_DEADLINE | ENTRY_IS_BOXED | ENTRY_HAS_LONG_KEY | ENTRY_HAS_RANK | ENTRY_HAS_ITEM,
};

enum {
    ENTRY_INLINE_MAX = 1024, /* bytes of an inline value */
    ENTRY_SHORT_KEY_MAX = 255,
};

struct entry {
    uint8_t type : 4;     /* enum value_type */
    uint8_t encoding : 4; /* enum string_encoding, of the string, however it is stored */
    uint8_t flags;        /* enum entry_flag */
    uint8_t key_len;      /* bytes, unless ENTRY_HAS_LONG_KEY */
    uint8_t access[3];    /* recency or frequency of use, see keyspace.h */
    uint16_t inline_len;  /* bytes of the inline value, unless ENTRY_IS_BOXED */
    char data[];
};

/* An entry's place in its database's order of use. */
struct rank {
    struct list link;
    uint64_t stamp : 56; /* of the last use, from the keyspace's one counter: the order across shards and databases */
    uint64_t offset : 8; /* of the rank in its entry */
};

/* What is kept of a key that was locked, or that a Gibson client wrote, beside its value. */
struct item {
    int64_t time_ms;           /* since the epoch: of the lock; of Gibson's last SET, TTL or LOCK if that was later */
    int64_t lock_s;            /* how long it is locked from then on; 0 or less: not, but for ITEM_LOCKED_FOREVER */
    uint64_t token : 62;       /* of the lock: who knows it may write */
    uint64_t is_number : 1;    /* Gibson's encoding NUMBER: the value is an integer that INC or DEC made */
    uint64_t has_zero_ttl : 1; /* Gibson tells a time to live of 0 from none; neither has a deadline */
};
enum { ITEM_LOCKED_FOREVER = -1 };
#define ITEM_TOKEN_MASK ((UINT64_C(1) << 62) - 1)

/* Size of the deadline node, the rank and the item, by flags. */
#define ENTRY_NODES_SIZE(flags)                                     \
    (((flags)&ENTRY_HAS_DEADLINE ? sizeof(struct wheel_node) : 0) + \
     ((flags)&ENTRY_HAS_RANK ? sizeof(struct rank) : 0) + ((flags)&ENTRY_HAS_ITEM ? sizeof(struct item) : 0))

/* Size of the optional parts in front of the key, by flags: looked up, as every access to a key or a value needs it and
   branches would be guessed wrong where keys with and without a deadline lie side by side. */
enum { ENTRY_PREFIXES = 64 };
extern const uint8_t entry_prefix_sizes[ENTRY_PREFIXES];
static inline size_t entry_prefix_size(unsigned flags)
{
    return entry_prefix_sizes[flags % ENTRY_PREFIXES];
}

static inline struct wheel_node *entry_deadline_node(struct entry *entry)
{
    return (struct wheel_node *)(void *)entry->data;
}

static inline struct entry *entry_of_deadline_node(struct wheel_node *node)
{
    return (struct entry *)(void *)((char *)node - offsetof(struct entry, data));
}

static inline struct rank *entry_rank(struct entry *entry)
{
    size_t offset = entry->flags & ENTRY_HAS_DEADLINE ? sizeof(struct wheel_node) : 0;
    return (struct rank *)(void *)(entry->data + offset);
}

static inline struct entry *entry_of_rank(struct rank *rank)
{
    return (struct entry *)(void *)((char *)rank - rank->offset);
}

/* NULL: it has none. */
static inline struct item *entry_item(const struct entry *entry)
{
    if (likely(!(entry->flags & ENTRY_HAS_ITEM)))
        return NULL;
    return (struct item *)(uintptr_t)(entry->data + ENTRY_NODES_SIZE(entry->flags) - sizeof(struct item));
}

/* Has it Gibson's encoding NUMBER? */
static inline bool entry_is_number(const struct entry *entry)
{
    const struct item *item = entry_item(entry);
    return item != NULL && item->is_number;
}

/* The box's content: a blob for strings. */
static inline void **entry_box(const struct entry *entry)
{
    return (void **)(uintptr_t)(entry->data + ENTRY_NODES_SIZE(entry->flags));
}

/* The same as the functions below, for entries whose header does not tell the length. */
bytes entry_long_key(const struct entry *entry);
bytes entry_stored_apart(const struct entry *entry);
size_t entry_string_len_apart(const struct entry *entry);

static inline bytes entry_key(const struct entry *entry)
{
    if (unlikely(entry->flags & ENTRY_HAS_LONG_KEY))
        return entry_long_key(entry);
    return (bytes){entry->data + entry_prefix_size(entry->flags), entry->key_len};
}

static inline bool entry_is_compressed(const struct entry *entry)
{
    return unlikely(entry->flags & ENTRY_IS_COMPRESSED);
}

/* What is stored of a string: itself, or its compressed form. Valid while the lock is held and the entry unchanged. */
static inline bytes entry_stored(const struct entry *entry)
{
    if (unlikely(entry->flags & (ENTRY_IS_BOXED | ENTRY_HAS_LONG_KEY)))
        return entry_stored_apart(entry);
    return (bytes){entry->data + entry_prefix_size(entry->flags) + entry->key_len, entry->inline_len};
}

/* The blob that holds what is stored, of a boxed string. */
static inline struct blob *entry_stored_blob(const struct entry *entry)
{
    return *entry_box(entry);
}

/* Bytes of a string. */
static inline size_t entry_string_len(const struct entry *entry)
{
    if (unlikely(entry->flags & (ENTRY_IS_BOXED | ENTRY_IS_COMPRESSED)))
        return entry_string_len_apart(entry);
    return entry->inline_len;
}

/* A string to be read. Its bytes lie in the entry, and are valid as long as what is stored, or were expanded into
   memory of the view's own. */
struct string_view {
    bytes value;
    char *expanded; /* NULL: they lie in the entry */
};

/* A view of a string that has no entry. */
#define VIEW_OF(slice) ((struct string_view){.value = (slice)})

/* The same as below for compressed strings. */
MUST_USE bool view_expand(struct string_view *view, bytes compressed);
void view_free(struct string_view *view);

/* Opens a view of a string, to be closed by its reader. False when there is no memory; then there is nothing to close,
   but closing does no harm. */
MUST_USE static inline bool view_open(struct string_view *view, const struct entry *entry)
{
    view->value = entry_stored(entry);
    view->expanded = NULL;
    return likely(!entry_is_compressed(entry)) || view_expand(view, view->value);
}

static inline void view_close(struct string_view *view)
{
    if (unlikely(view->expanded != NULL))
        view_free(view);
}

/* Milliseconds since the epoch; NO_DEADLINE when the entry has none. */
#define NO_DEADLINE INT64_MAX
static inline int64_t entry_deadline_ms(const struct entry *entry)
{
    if (likely(!(entry->flags & ENTRY_HAS_DEADLINE)))
        return NO_DEADLINE;
    return ((const struct wheel_node *)(const void *)entry->data)->deadline_ms;
}

/* What TYPE and OBJECT ENCODING call it. */
const char *entry_type_name(const struct entry *entry);
const char *entry_encoding_name(const struct entry *entry);

/* Bytes of a string; elements of any other value. */
static inline size_t entry_size(const struct entry *entry)
{
    return entry_string_len(entry);
}

/* Memory of the entry and its value as the allocator counts it. */
size_t entry_bytes(const struct entry *entry);

/* A new entry with these flags, for this key, with room for `inline_len` bytes behind it; header filled, deadline node
   and box not yet. NULL when there is no memory. */
MUST_USE struct entry *entry_new(unsigned flags, bytes key, size_t inline_len);

/* Frees the entry and gives its value back. It must be in no table and no wheel. */
void entry_free(struct entry *entry);

#endif

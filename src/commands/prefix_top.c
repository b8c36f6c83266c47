/* PREFIX MEMORY and PREFIX TOP: where the keys and the memory are. The keys of a prefix fall into groups by their next
   segment, which ends with the separator; those into groups by the one after it, and so on. As the keys come in order,
   the groups of all depths are found in one pass: a key goes on with the open groups that it begins with, and closes
   the others. */
#include "base/mem.h"
#include "commands/prefix.h"

#include <stdlib.h>

enum { DEPTH_MAX = 16 };

/* PREFIX MEMORY prefix: bytes of the keys and values, as the allocator counts them. */
void cmd_prefix_memory(struct call *call)
{
    struct listing_query query = {.prefix = ARG(2), .limit = SIZE_MAX, .kind = LISTING_SIZES, .is_view = true};
    struct listing listing;
    struct listed listed;
    size_t sum = 0;
    if (!prefix_collect(call, &listing, &query))
        return;
    while (listing_next(&listing, &listed))
        sum += listed.size;
    listing_free(&listing);
    reply_integer(call, (int64_t)sum);
}

/* Keys that agree up to the end of a segment. */
struct group {
    bytes name; /* what they have in common, or the whole key if no separator follows */
    size_t keys;
    size_t bytes;
    size_t children; /* groups of the next depth; they follow, each with its own */
    size_t span;     /* this group and all below */
};

struct top {
    bytes prefix;
    bytes separator;
    size_t depth;
    struct group *groups; /* in order: a group stands before those below it */
    size_t count;
    size_t capacity;
    size_t roots;
    size_t open[DEPTH_MAX]; /* the last group of each depth, as far as it can still grow */
    size_t open_count;
};

static bool parse_top(struct call *call, struct top *top)
{
    *top = (struct top){.separator = BYTES(":"), .depth = 1};
    size_t i = 2;
    if (call->argc % 2 == 1) /* options come in pairs, so this is the prefix */
        top->prefix = ARG(i++);
    for (; i < call->argc; i += 2) {
        int64_t depth;
        if (call_is_word(call, i, "depth")) {
            if (!call_integer(call, i + 1, &depth))
                return false;
            if (depth < 1 || depth > DEPTH_MAX) {
                reply_error_format(call, "ERR DEPTH must be between 1 and %d", DEPTH_MAX);
                return false;
            }
            top->depth = (size_t)depth;
        } else if (call_is_word(call, i, "separator") && ARG(i + 1).len > 0) {
            top->separator = ARG(i + 1);
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* How much of the key is in common within a group that begins behind `from`: up to the next separator, or all of it. */
static size_t segment_end(const struct top *top, bytes key, size_t from)
{
    const char *found =
        from < key.len ? memmem(key.at + from, key.len - from, top->separator.at, top->separator.len) : NULL;
    return found != NULL ? (size_t)(found - key.at) + top->separator.len : key.len;
}

/* A group is done: it counts for the one above. */
static void close_group(struct top *top)
{
    struct group *group = &top->groups[top->open[--top->open_count]];
    group->span = top->count - top->open[top->open_count];
}

static bool open_group(struct top *top, bytes name)
{
    if (top->count == top->capacity) {
        size_t capacity = top->capacity > 0 ? 2 * top->capacity : 64;
        struct group *grown = mem_realloc(top->groups, capacity * sizeof(*grown));
        if (grown == NULL)
            return false;
        top->groups = grown;
        top->capacity = capacity;
    }
    if (top->open_count > 0)
        top->groups[top->open[top->open_count - 1]].children++;
    else
        top->roots++;
    top->open[top->open_count++] = top->count;
    top->groups[top->count++] = (struct group){.name = name};
    return true;
}

/* Is the key in the group of this name? A name that ends with no separator is a whole key, alone in its group. */
static bool is_in(bytes key, size_t end, bytes name)
{
    return end == name.len && memcmp(key.at, name.at, end) == 0;
}

static bool add_key(struct top *top, bytes key, size_t size)
{
    size_t end = top->prefix.len;
    for (size_t level = 0; level < top->depth && (level == 0 || end < key.len); level++) {
        end = segment_end(top, key, end);
        bool goes_on = level < top->open_count && is_in(key, end, top->groups[top->open[level]].name);
        while (!goes_on && top->open_count > level)
            close_group(top);
        if (!goes_on && !open_group(top, (bytes){key.at, end}))
            return false;
        top->groups[top->open[level]].keys++;
        top->groups[top->open[level]].bytes += size;
        if (level + 1 == top->depth || end == key.len)
            while (top->open_count > level + 1)
                close_group(top);
    }
    return true;
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *x = *(const struct group *const *)a;
    const struct group *y = *(const struct group *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x > y) - (x < y); /* they stand in the order of their names */
}

/* The largest first. `sorted` has room for all groups from `first` on. */
static void reply_groups(struct call *call, const struct group *first, size_t count, const struct group **sorted)
{
    const struct group *group = first;
    for (size_t i = 0; i < count; i++, group += group->span)
        sorted[i] = group;
    qsort(sorted, count, sizeof(*sorted), compare_groups);
    reply_array(call, count);
    for (size_t i = 0; i < count; i++) {
        reply_array(call, 4);
        reply_bulk(call, sorted[i]->name);
        reply_integer(call, (int64_t)sorted[i]->keys);
        reply_integer(call, (int64_t)sorted[i]->bytes);
        reply_groups(call, sorted[i] + 1, sorted[i]->children, sorted + count);
    }
}

static void reply_top(struct call *call, struct top *top, struct listing *listing)
{
    struct listed listed;
    bool is_done = true;
    while (is_done && listing_next(listing, &listed))
        is_done = add_key(top, listed.key, listed.size);
    while (top->open_count > 0)
        close_group(top);
    const struct group **sorted = is_done ? mem_alloc((top->count + 1) * sizeof(*sorted)) : NULL;
    if (sorted != NULL)
        reply_groups(call, top->groups, top->roots, sorted);
    else
        reply_no_memory(call);
    mem_free(sorted);
    mem_free(top->groups);
}

/* PREFIX TOP [prefix] [DEPTH n] [SEPARATOR text]: the groups of keys by their next segment, each as its name, keys,
   bytes, and the groups within it (none at the last depth); the largest first. */
void cmd_prefix_top(struct call *call)
{
    struct top top;
    struct listing listing;
    if (!parse_top(call, &top))
        return;
    struct listing_query query = {.prefix = top.prefix, .limit = SIZE_MAX, .kind = LISTING_SIZES, .is_view = true};
    if (!prefix_collect(call, &listing, &query))
        return;
    reply_top(call, &top, &listing);
    listing_free(&listing);
}

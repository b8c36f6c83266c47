/* The ordered prefix index; see art.h. There is one form of node, with its children sorted by byte in an array that
   grows and shrinks through a few capacities. Nodes of fan-out below 17 are most of any tree; for the few large ones a
   binary search over 256 bytes at most is as good as an index table.

   Where a key ends at a node's byte, it is the node's first child and has no byte; a `symbol` is the byte, or END. */
#include "structs/art.h"

#include "base/mem.h"

#include <stddef.h>
#include <string.h>

enum { END = -1 };

struct art_node {
    uint32_t depth;   /* bytes that all keys below have in common; the next one tells the children apart */
    uint32_t items;   /* below this node */
    uint16_t count;   /* children, at least 2 */
    uint8_t capacity; /* index into capacities[] */
    bool has_end;     /* the first child is the key that ends here */
    uint8_t bytes[];  /* of the children, ascending; children follow, see children_of */
};

/* Numbers of children whose nodes fill the allocator's blocks well: 32, 48, 80, 96, 128, 160, 192, 320, ... bytes. */
static const uint16_t capacities[] = {2, 4, 6, 8, 12, 16, 20, 32, 48, 80, 128, 200, 257};

static size_t bytes_size(unsigned capacity)
{
    size_t unpadded = offsetof(struct art_node, bytes) + capacities[capacity];
    return (unpadded + sizeof(uintptr_t) - 1) & ~(sizeof(uintptr_t) - 1);
}

static size_t node_size(unsigned capacity)
{
    return bytes_size(capacity) + capacities[capacity] * sizeof(uintptr_t);
}

static uintptr_t *children_of(const struct art_node *node)
{
    return (uintptr_t *)((uintptr_t)node + bytes_size(node->capacity));
}

static bool is_node(uintptr_t child)
{
    return child & 1;
}

static struct art_node *node_of(uintptr_t child)
{
    return (struct art_node *)(child & ~(uintptr_t)1);
}

static uintptr_t child_of_node(const struct art_node *node)
{
    return (uintptr_t)node | 1;
}

static void *item_of(uintptr_t child)
{
    return (void *)child;
}

static size_t items_below(uintptr_t child)
{
    return is_node(child) ? node_of(child)->items : 1;
}

/* What tells a key from others at this depth, which is at most its length. */
static int symbol_at(bytes key, size_t depth)
{
    return depth < key.len ? (unsigned char)key.at[depth] : END;
}

static int symbol_of_child(const struct art_node *node, unsigned index)
{
    return node->has_end && index == 0 ? END : node->bytes[index];
}

/* The first child whose symbol is not below this one; node->count when there is none. */
static unsigned lower_bound(const struct art_node *node, int symbol)
{
    unsigned low = node->has_end;
    if (symbol == END)
        return 0;
    unsigned high = node->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (node->bytes[middle] < symbol)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The child of this symbol, NULL when there is none. */
static uintptr_t *find_child(const struct art_node *node, int symbol)
{
    unsigned index = lower_bound(node, symbol);
    return index < node->count && symbol_of_child(node, index) == symbol ? &children_of(node)[index] : NULL;
}

/* The first item in order. The walk is no longer than the item's key. */
static void *first_item(uintptr_t child)
{
    while (is_node(child))
        child = children_of(node_of(child))[0];
    return item_of(child);
}

/* ---- Nodes ---- */

static struct art_node *new_node(struct art *art, unsigned capacity)
{
    struct art_node *node = mem_alloc(node_size(capacity));
    if (node == NULL)
        return NULL;
    art->bytes += mem_size(node);
    node->capacity = (uint8_t)capacity;
    return node;
}

static void free_node(struct art *art, struct art_node *node)
{
    art->bytes -= mem_size(node);
    mem_free(node);
}

/* Gives the node behind this child another capacity that its children fit; NULL when there is no memory. */
static struct art_node *resize(struct art *art, uintptr_t *child, unsigned capacity)
{
    struct art_node *old = node_of(*child);
    struct art_node *node = new_node(art, capacity);
    if (node == NULL)
        return NULL;
    memcpy(node, old, offsetof(struct art_node, bytes) + old->count);
    node->capacity = (uint8_t)capacity;
    memcpy(children_of(node), children_of(old), old->count * sizeof(uintptr_t));
    free_node(art, old);
    *child = child_of_node(node);
    return node;
}

/* Adds a child to the node behind `at`. */
static bool add_child(struct art *art, uintptr_t *at, int symbol, uintptr_t child)
{
    struct art_node *node = node_of(*at);
    if (node->count == capacities[node->capacity] && (node = resize(art, at, node->capacity + 1U)) == NULL)
        return false;
    unsigned index = lower_bound(node, symbol);
    uintptr_t *children = children_of(node);
    memmove(node->bytes + index + 1, node->bytes + index, node->count - index);
    memmove(children + index + 1, children + index, (node->count - index) * sizeof(*children));
    node->bytes[index] = symbol == END ? 0 : (uint8_t)symbol;
    children[index] = child;
    node->has_end |= symbol == END;
    node->count++;
    return true;
}

/* Takes a child out of the node behind `at`. A node of a single child gives its place to it; one that is much too
   large shrinks, if memory allows. */
static void remove_child(struct art *art, uintptr_t *at, unsigned index)
{
    struct art_node *node = node_of(*at);
    uintptr_t *children = children_of(node);
    node->has_end &= index != 0;
    node->count--;
    memmove(node->bytes + index, node->bytes + index + 1, node->count - index);
    memmove(children + index, children + index + 1, (node->count - index) * sizeof(*children));
    if (node->count == 1) {
        *at = children[0];
        free_node(art, node);
    } else if (node->capacity >= 2 && node->count <= capacities[node->capacity - 2]) {
        (void)resize(art, at, node->capacity - 1U);
    }
}

/* ---- Descending ---- */

/* An item of the subtree that shares with the key all that any item of it shares: where the key's path ends, or any
   item below that point. */
static void *representative(uintptr_t child, bytes key)
{
    while (is_node(child)) {
        const struct art_node *node = node_of(child);
        uintptr_t *next = node->depth <= key.len ? find_child(node, symbol_at(key, node->depth)) : NULL;
        if (next == NULL)
            return first_item(child);
        child = *next;
    }
    return item_of(child);
}

static size_t common_prefix(bytes a, bytes b)
{
    size_t most = a.len < b.len ? a.len : b.len;
    size_t len = 0;
    while (len < most && a.at[len] == b.at[len])
        len++;
    return len;
}

static bool begins_with(bytes key, bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.at, prefix.at, prefix.len) == 0);
}

/* Where the key leaves the tree, whose items share `common` bytes with it at most: the child that a node of that depth
   is to stand at, or stands at. The counts on the way there change by `change`. */
static uintptr_t *walk_to(struct art *art, bytes key, size_t common, int change)
{
    uintptr_t *at = &art->root;
    while (is_node(*at) && node_of(*at)->depth < common) {
        struct art_node *node = node_of(*at);
        node->items += (uint32_t)change;
        at = find_child(node, symbol_at(key, node->depth));
        assert(at != NULL);
    }
    return at;
}

/* Puts a new node of this depth in front of what stands at `at`, with the item beside it. */
static bool branch_off(struct art *art, uintptr_t *at, size_t depth, int old_symbol, int symbol, void *item)
{
    struct art_node *node = new_node(art, 0);
    if (node == NULL)
        return false;
    unsigned new_index = symbol > old_symbol;
    node->depth = (uint32_t)depth;
    node->items = (uint32_t)items_below(*at) + 1;
    node->count = 2;
    node->has_end = symbol == END || old_symbol == END;
    node->bytes[new_index] = symbol == END ? 0 : (uint8_t)symbol;
    node->bytes[!new_index] = old_symbol == END ? 0 : (uint8_t)old_symbol;
    children_of(node)[new_index] = (uintptr_t)item;
    children_of(node)[!new_index] = *at;
    *at = child_of_node(node);
    return true;
}

bool art_insert(struct art *art, void *item)
{
    assert(item != NULL && !is_node((uintptr_t)item));
    if (art->items == UINT32_MAX)
        return false;
    if (art->root == 0) {
        art->root = (uintptr_t)item;
        art->items = 1;
        return true;
    }
    bytes key = art->key_of(item);
    bytes other = art->key_of(representative(art->root, key));
    size_t common = common_prefix(key, other);
    int symbol = symbol_at(key, common);
    assert(symbol != symbol_at(other, common)); /* else it is in the tree */
    if (common > UINT32_MAX)
        return false;
    uintptr_t *at = walk_to(art, key, common, 1);
    bool is_done;
    if (is_node(*at) && node_of(*at)->depth == common) {
        is_done = add_child(art, at, symbol, (uintptr_t)item);
        if (is_done)
            node_of(*at)->items++;
    } else {
        is_done = branch_off(art, at, common, symbol_at(other, common), symbol, item);
    }
    if (is_done)
        art->items++;
    else
        walk_to(art, key, common, -1);
    return is_done;
}

/* Where the item stands. */
static uintptr_t *place_of(struct art *art, const void *item)
{
    bytes key = art->key_of(item);
    uintptr_t *at = &art->root;
    while (is_node(*at)) {
        const struct art_node *node = node_of(*at);
        at = find_child(node, symbol_at(key, node->depth));
        assert(at != NULL);
    }
    assert(*at == (uintptr_t)item);
    return at;
}

void art_remove(struct art *art, void *item)
{
    bytes key = art->key_of(item);
    uintptr_t *parent = NULL;
    uintptr_t *at = &art->root;
    while (is_node(*at)) {
        struct art_node *node = node_of(*at);
        node->items--;
        parent = at;
        at = find_child(node, symbol_at(key, node->depth));
        assert(at != NULL);
    }
    assert(*at == (uintptr_t)item);
    art->items--;
    if (parent == NULL)
        art->root = 0;
    else
        remove_child(art, parent, (unsigned)(at - children_of(node_of(*parent))));
}

void art_replace(struct art *art, const void *old, void *item)
{
    *place_of(art, old) = (uintptr_t)item;
}

void *art_find(const struct art *art, bytes key)
{
    if (art->root == 0)
        return NULL;
    void *item = representative(art->root, key);
    return bytes_equal(art->key_of(item), key) ? item : NULL;
}

/* The subtree of all keys with this prefix, 0 when there are none. */
static uintptr_t subtree(const struct art *art, bytes prefix)
{
    uintptr_t child = art->root;
    if (child == 0)
        return 0;
    while (is_node(child) && node_of(child)->depth < prefix.len) {
        const uintptr_t *next = find_child(node_of(child), symbol_at(prefix, node_of(child)->depth));
        if (next == NULL)
            return 0;
        child = *next;
    }
    return begins_with(art->key_of(first_item(child)), prefix) ? child : 0;
}

size_t art_count(const struct art *art, bytes prefix)
{
    uintptr_t child = subtree(art, prefix);
    return child != 0 ? items_below(child) : 0;
}

/* ---- Walking in order ---- */

enum { FRAMES_INLINE = 48 };

/* Where a walk stands in a node that it has entered. */
struct frame {
    const struct art_node *node;
    unsigned next; /* child to go on with */
};

/* The nodes that a walk has entered and not finished, outermost first. */
struct walk {
    struct frame *frames;
    size_t count;
    size_t capacity;
    struct frame at_hand[FRAMES_INLINE];
};

static bool enter(struct walk *walk, const struct art_node *node, unsigned next)
{
    if (walk->count == walk->capacity) {
        bool is_at_hand = walk->frames == walk->at_hand;
        struct frame *grown = mem_realloc(is_at_hand ? NULL : walk->frames, 2 * walk->capacity * sizeof(*walk->frames));
        if (grown == NULL)
            return false;
        if (is_at_hand)
            memcpy(grown, walk->at_hand, sizeof(walk->at_hand));
        walk->frames = grown;
        walk->capacity *= 2;
    }
    walk->frames[walk->count++] = (struct frame){.node = node, .next = next};
    return true;
}

/* Enters what stands at `child` so that the walk goes on behind the key `after`. *item is an item to be visited first,
 * or NULL. */
static bool seek(struct walk *walk, const struct art *art, uintptr_t child, bytes after, void **item)
{
    bytes other = art->key_of(representative(child, after));
    size_t common = common_prefix(after, other);
    int symbol = symbol_at(after, common);
    *item = NULL;
    while (is_node(child) && node_of(child)->depth <= common) {
        const struct art_node *node = node_of(child);
        int here = symbol_at(after, node->depth);
        unsigned index = lower_bound(node, here);
        bool is_on_path = index < node->count && symbol_of_child(node, index) == here;
        if (!enter(walk, node, index + is_on_path))
            return false;
        if (!is_on_path)
            return true;
        child = children_of(node)[index];
    }
    if (symbol_at(other, common) <= symbol)
        return true; /* all of it comes before `after`, or is it */
    if (is_node(child))
        return enter(walk, node_of(child), 0);
    *item = item_of(child);
    return true;
}

/* Visits what is left of the nodes entered. */
static bool go_on(struct walk *walk, art_visit_fn *visit, void *context)
{
    while (walk->count > 0) {
        struct frame *frame = &walk->frames[walk->count - 1];
        if (frame->next == frame->node->count) {
            walk->count--;
            continue;
        }
        uintptr_t child = children_of(frame->node)[frame->next++];
        if (frame->next < frame->node->count)
            __builtin_prefetch((const void *)(children_of(frame->node)[frame->next] & ~(uintptr_t)1));
        if (!is_node(child)) {
            if (!visit(context, item_of(child)))
                return true;
        } else if (!enter(walk, node_of(child), 0)) {
            return false;
        }
    }
    return true;
}

static int compare(bytes a, bytes b)
{
    size_t common = common_prefix(a, b);
    int x = symbol_at(a, common);
    int y = symbol_at(b, common);
    return (x > y) - (x < y);
}

bool art_visit(const struct art *art, bytes prefix, const bytes *after, art_visit_fn *visit, void *context)
{
    uintptr_t child = subtree(art, prefix);
    if (child == 0)
        return true;
    bool is_inside = after != NULL && begins_with(*after, prefix);
    if (after != NULL && !is_inside && compare(*after, prefix) > 0)
        return true;
    struct walk walk = {.frames = walk.at_hand, .capacity = FRAMES_INLINE};
    void *item = NULL;
    bool is_done;
    if (is_inside)
        is_done = seek(&walk, art, child, *after, &item);
    else if (is_node(child))
        is_done = enter(&walk, node_of(child), 0);
    else
        is_done = true, item = item_of(child);
    if (is_done && (item == NULL || visit(context, item)))
        is_done = go_on(&walk, visit, context);
    if (walk.frames != walk.at_hand)
        mem_free(walk.frames);
    return is_done;
}

/* ---- Freeing ---- */

_Static_assert(offsetof(struct art_node, count) >= sizeof(void *), "a chained node keeps its count");

/* Nodes that wait to be freed are chained through their first bytes. */
static void push_garbage(struct art_garbage *garbage, struct art_node *node)
{
    memcpy(node, &garbage->nodes, sizeof(garbage->nodes));
    garbage->nodes = node;
}

static struct art_node *pop_garbage(struct art_garbage *garbage)
{
    struct art_node *node = garbage->nodes;
    memcpy(&garbage->nodes, node, sizeof(garbage->nodes));
    return node;
}

void art_discard(struct art *art, struct art_garbage *garbage)
{
    if (is_node(art->root))
        push_garbage(garbage, node_of(art->root));
    garbage->bytes += art->bytes;
    art_init(art, art->key_of);
}

bool art_reclaim(struct art_garbage *garbage, size_t count)
{
    for (; garbage->nodes != NULL && count > 0; count--) {
        struct art_node *node = pop_garbage(garbage);
        for (unsigned i = 0; i < node->count; i++)
            if (is_node(children_of(node)[i]))
                push_garbage(garbage, node_of(children_of(node)[i]));
        garbage->bytes -= mem_size(node);
        mem_free(node);
    }
    return garbage->nodes == NULL;
}

/* ---- Checking ---- */

struct check {
    const struct art *art;
    size_t bytes;
};

static size_t check_child(struct check *check, uintptr_t child, size_t above)
{
    if (!is_node(child))
        return 1;
    const struct art_node *node = node_of(child);
    bytes first = check->art->key_of(first_item(child));
    size_t items = 0;
    check->bytes += mem_size(node);
    assert(node->depth >= above && node->count >= 2 && node->count <= capacities[node->capacity]);
    (void)above;
    (void)first;
    for (unsigned i = 0; i < node->count; i++) {
        uintptr_t below = children_of(node)[i];
        bytes key = check->art->key_of(first_item(below));
        assert(common_prefix(first, key) >= node->depth);
        assert(symbol_at(key, node->depth) == symbol_of_child(node, i));
        assert(i == 0 || symbol_of_child(node, i - 1) < symbol_of_child(node, i));
        (void)key;
        items += check_child(check, below, (size_t)node->depth + 1);
    }
    assert(items == node->items);
    return items;
}

void art_check(const struct art *art)
{
    struct check check = {.art = art};
    size_t items = art->root != 0 ? check_child(&check, art->root, 0) : 0;
    assert(items == art->items && check.bytes == art->bytes);
    (void)items;
}

/* Which stems a text begins with; see stems.h. Invariant: a node without an item has children (the root may have none),
   and it has at least two unless there was no memory to join it with its only one. Siblings differ in their first
   byte. */
#include "structs/stems.h"

#include "base/mem.h"

enum { CHILDREN_MAX = 256 };

struct stem_node {
    void *item;                  /* NULL: no stem ends here */
    struct stem_node **children; /* sorted by the first byte of their labels; NULL: none */
    size_t child_count;
    size_t len;
    char label[]; /* what this node adds to its parent's string; the root's is empty */
};

static struct stem_node *node_new(bytes label, void *item)
{
    struct stem_node *node = mem_alloc(sizeof(*node) + label.len);
    if (node == NULL)
        return NULL;
    *node = (struct stem_node){.item = item, .len = label.len};
    if (label.len > 0)
        memcpy(node->label, label.at, label.len);
    return node;
}

static void node_free(struct stem_node *node)
{
    mem_free(node->children);
    mem_free(node);
}

static bytes rest_of(bytes text, size_t from)
{
    return (bytes){text.at + from, text.len - from};
}

/* How many bytes the node's label and the text have in common at their beginnings. */
static size_t common_len(const struct stem_node *node, bytes text)
{
    size_t most = node->len < text.len ? node->len : text.len;
    size_t len = 0;
    while (len < most && node->label[len] == text.at[len])
        len++;
    return len;
}

/* Where the child with this first byte stands, or would stand. */
static size_t child_place(const struct stem_node *node, char first)
{
    size_t low = 0;
    size_t high = node->child_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((unsigned char)node->children[middle]->label[0] < (unsigned char)first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The link to the child that goes on with the text, which is not empty; NULL: there is none. */
static struct stem_node **child_link(const struct stem_node *node, bytes text)
{
    size_t place = child_place(node, text.at[0]);
    bool is_there = place < node->child_count && node->children[place]->label[0] == text.at[0];
    return is_there ? &node->children[place] : NULL;
}

static bool add_child(struct stem_node *node, struct stem_node *child)
{
    assert(node->child_count < CHILDREN_MAX);
    size_t count = node->child_count;
    struct stem_node **children = mem_realloc(node->children, (count + 1) * sizeof(struct stem_node *));
    if (children == NULL)
        return false;
    node->children = children;
    size_t place = child_place(node, child->label[0]);
    memmove(children + place + 1, children + place, (count - place) * sizeof(struct stem_node *));
    children[place] = child;
    node->child_count++;
    return true;
}

static void remove_child(struct stem_node *node, struct stem_node **link)
{
    size_t place = (size_t)(link - node->children);
    node->child_count--;
    memmove(link, link + 1, (node->child_count - place) * sizeof(struct stem_node *));
    if (node->child_count == 0) {
        mem_free(node->children);
        node->children = NULL;
    }
}

void *stems_find(const struct stems *stems, bytes text)
{
    const struct stem_node *node = stems->root;
    while (node != NULL && text.len > 0) {
        struct stem_node **link = child_link(node, text);
        if (link == NULL || common_len(*link, text) < (*link)->len)
            return NULL;
        node = *link;
        text = rest_of(text, node->len);
    }
    return node != NULL ? node->item : NULL;
}

static bool add_leaf(struct stem_node *node, bytes label, void *item)
{
    struct stem_node *leaf = node_new(label, item);
    if (leaf == NULL)
        return false;
    if (add_child(node, leaf))
        return true;
    node_free(leaf);
    return false;
}

/* Parts the label of the node that the link points at behind its first `len` bytes: a new node has them, and below it
   stand the old one and, unless it ends there, the rest of the text. */
static bool split(struct stem_node **link, size_t len, bytes rest, void *item)
{
    struct stem_node *lower = *link;
    struct stem_node *upper = node_new((bytes){lower->label, len}, rest.len == 0 ? item : NULL);
    struct stem_node *leaf = rest.len > 0 ? node_new(rest, item) : NULL;
    struct stem_node **children = mem_alloc(2 * sizeof(struct stem_node *));
    if (upper == NULL || children == NULL || (rest.len > 0 && leaf == NULL)) {
        mem_free(children);
        mem_free(leaf);
        mem_free(upper);
        return false;
    }
    lower->len -= len;
    memmove(lower->label, lower->label + len, lower->len);
    upper->children = children;
    upper->child_count = leaf != NULL ? 2 : 1;
    size_t leaf_place = leaf != NULL && (unsigned char)leaf->label[0] < (unsigned char)lower->label[0] ? 0 : 1;
    if (leaf != NULL)
        children[leaf_place] = leaf;
    children[1 - leaf_place] = lower;
    *link = upper;
    return true;
}

static bool insert_below(struct stem_node *node, bytes text, void *item)
{
    while (text.len > 0) {
        struct stem_node **link = child_link(node, text);
        if (link == NULL)
            return add_leaf(node, text, item);
        size_t len = common_len(*link, text);
        if (len < (*link)->len)
            return split(link, len, rest_of(text, len), item);
        node = *link;
        text = rest_of(text, len);
    }
    assert(node->item == NULL);
    node->item = item;
    return true;
}

bool stems_insert(struct stems *stems, bytes text, void *item)
{
    assert(item != NULL);
    if (stems->root == NULL && (stems->root = node_new((bytes){"", 0}, NULL)) == NULL)
        return false;
    if (!insert_below(stems->root, text, item)) {
        if (stems->count == 0) {
            node_free(stems->root);
            stems->root = NULL;
        }
        return false;
    }
    stems->count++;
    return true;
}

/* Makes one of a node without an item and its only child, if there is memory for it. */
static void join(struct stem_node **link)
{
    struct stem_node *upper = *link;
    if (upper->item != NULL || upper->child_count != 1)
        return;
    struct stem_node *lower = upper->children[0];
    struct stem_node *joined = mem_alloc(sizeof(*joined) + upper->len + lower->len);
    if (joined == NULL)
        return;
    *joined = *lower;
    joined->len = upper->len + lower->len;
    memcpy(joined->label, upper->label, upper->len);
    memcpy(joined->label + upper->len, lower->label, lower->len);
    mem_free(lower); /* its children went along */
    node_free(upper);
    *link = joined;
}

/* Frees a leaf and the nodes without item or other children that lead to it. */
static void free_branch(struct stem_node *node)
{
    while (node != NULL) {
        struct stem_node *child = node->child_count > 0 ? node->children[0] : NULL;
        assert(node->item == NULL && node->child_count <= 1);
        node_free(node);
        node = child;
    }
}

void stems_remove(struct stems *stems, bytes text)
{
    struct stem_node **link = &stems->root;
    struct stem_node **trunk = link;  /* the last node on the way that stays in any case */
    struct stem_node **branch = NULL; /* its child on the way */
    while (text.len > 0) {
        struct stem_node *node = *link;
        struct stem_node **next = child_link(node, text);
        assert(next != NULL && common_len(*next, text) == (*next)->len);
        if (link == &stems->root || node->item != NULL || node->child_count > 1) {
            trunk = link;
            branch = next;
        }
        link = next;
        text = rest_of(text, (*link)->len);
    }
    struct stem_node *node = *link;
    assert(node->item != NULL);
    node->item = NULL;
    stems->count--;
    if (branch != NULL && node->child_count == 0) {
        struct stem_node *cut = *branch;
        remove_child(*trunk, branch);
        free_branch(cut);
        link = trunk;
    }
    if (link != &stems->root)
        join(link);
    if (stems->count == 0) {
        assert(stems->root->child_count == 0);
        node_free(stems->root);
        stems->root = NULL;
    }
}

void stems_match(const struct stems *stems, bytes text, stems_visit_fn *visit, void *context)
{
    const struct stem_node *node = stems->root;
    while (node != NULL) {
        if (node->item != NULL)
            visit(context, node->item);
        struct stem_node **link = text.len > 0 ? child_link(node, text) : NULL;
        if (link == NULL || common_len(*link, text) < (*link)->len)
            return;
        node = *link;
        text = rest_of(text, node->len);
    }
}

static size_t check_node(const struct stem_node *node)
{
    size_t items = node->item != NULL;
    for (size_t i = 0; i < node->child_count; i++) {
        const struct stem_node *child = node->children[i];
        assert(child->len > 0 && (child->item != NULL || child->child_count > 0));
        assert(i == 0 || (unsigned char)node->children[i - 1]->label[0] < (unsigned char)child->label[0]);
        items += check_node(child);
    }
    return items;
}

void stems_check(const struct stems *stems)
{
    size_t items = stems->root != NULL ? check_node(stems->root) : 0;
    assert(items == stems->count && (stems->root == NULL) == (stems->count == 0));
    (void)items;
}

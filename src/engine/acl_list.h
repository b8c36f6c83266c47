/* A list of short texts, each with a tag: what the rules of a user are made of (patterns, digests of passwords, names
   of commands). Texts are shared between the copies of a list, so that copying costs no more than the list itself. */
#ifndef LARDER_ENGINE_ACL_LIST_H
#define LARDER_ENGINE_ACL_LIST_H

#include "base/blob.h"

struct acl_item {
    struct blob *text; /* a reference */
    uint32_t tag;      /* the owner of the list says what it means */
};

/* In the order of adding. Zeroed memory is an empty list. */
struct acl_list {
    struct acl_item *items;
    size_t count;
    size_t room;
};

/* An empty list becomes like another; false when there is no memory, and it is empty still. */
MUST_USE bool acl_list_copy(struct acl_list *to, const struct acl_list *from);
/* Back to empty. */
void acl_list_clear(struct acl_list *list);

/* At the end; false when there is no memory. */
MUST_USE bool acl_list_add(struct acl_list *list, bytes text, uint32_t tag);
void acl_list_remove(struct acl_list *list, size_t index);

static inline bytes acl_list_text(const struct acl_list *list, size_t index)
{
    return blob_bytes(list->items[index].text);
}

#endif

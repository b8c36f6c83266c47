/* Lists of tagged texts; see acl_list.h. */
#include "engine/acl_list.h"

#include "base/mem.h"

bool acl_list_copy(struct acl_list *to, const struct acl_list *from)
{
    if (from->count == 0)
        return true;
    to->items = mem_alloc(from->count * sizeof(*to->items));
    if (to->items == NULL)
        return false;
    to->room = to->count = from->count;
    memcpy(to->items, from->items, from->count * sizeof(*to->items));
    for (size_t i = 0; i < to->count; i++)
        blob_keep(to->items[i].text);
    return true;
}

void acl_list_clear(struct acl_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        blob_drop(list->items[i].text);
    mem_free(list->items);
    *list = (struct acl_list){0};
}

static bool make_room(struct acl_list *list)
{
    if (list->count < list->room)
        return true;
    size_t room = list->room > 0 ? 2 * list->room : 4;
    struct acl_item *items = mem_realloc(list->items, room * sizeof(*items));
    if (items == NULL)
        return false;
    list->items = items;
    list->room = room;
    return true;
}

bool acl_list_add(struct acl_list *list, bytes text, uint32_t tag)
{
    struct blob *blob = make_room(list) ? blob_new(text.len) : NULL;
    if (blob == NULL)
        return false;
    if (text.len > 0)
        memcpy(blob->data, text.at, text.len);
    blob->len = text.len;
    list->items[list->count++] = (struct acl_item){.text = blob, .tag = tag};
    return true;
}

void acl_list_remove(struct acl_list *list, size_t index)
{
    blob_drop(list->items[index].text);
    memmove(list->items + index, list->items + index + 1, (list->count - index - 1) * sizeof(*list->items));
    list->count--;
}

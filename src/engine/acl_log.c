/* The log of refusals; see acl_log.h. */
#include "engine/acl_log.h"

#include "base/common.h"
#include "base/mem.h"

enum {
    GROUPED_MS = 60000, /* equal refusals as near as this are one entry */
    LOOKED_AT = 10,     /* of the newest entries, when an equal one is looked for */
    TEXT_MAX = 1024,    /* bytes of an object or a user that are kept: clients choose them */
};

void acl_log_init(struct acl_log *log)
{
    lock_init(&log->lock);
    list_init(&log->entries);
    log->count = 0;
    log->next_id = 0;
}

static struct acl_log_entry *entry_of(struct list *link)
{
    return CONTAINER_OF(link, struct acl_log_entry, in_log);
}

static void remove_entry(struct acl_log *log, struct acl_log_entry *entry)
{
    list_remove(&entry->in_log);
    log->count--;
    mem_free((char *)entry->refusal.client.at);
    mem_free(entry);
}

static void trim(struct acl_log *log, size_t limit)
{
    while (log->count > limit)
        remove_entry(log, entry_of(log->entries.next));
}

void acl_log_reset(struct acl_log *log)
{
    lock_take(&log->lock);
    trim(log, 0);
    lock_give(&log->lock);
}

void acl_log_free(struct acl_log *log)
{
    trim(log, 0);
    lock_free(&log->lock);
}

static bytes cut(bytes text)
{
    return (bytes){text.at, text.len < TEXT_MAX ? text.len : TEXT_MAX};
}

static bool is_equal(const struct acl_refusal *a, const struct acl_refusal *b)
{
    return a->reason == b->reason && a->context == b->context && bytes_equal(a->user, cut(b->user)) &&
           bytes_equal(a->object, cut(b->object));
}

static struct acl_log_entry *find_equal(struct acl_log *log, const struct acl_refusal *refusal, int64_t now_ms)
{
    struct list *link = log->entries.prev;
    for (int i = 0; i < LOOKED_AT && link != &log->entries; i++, link = link->prev) {
        struct acl_log_entry *entry = entry_of(link);
        int64_t distance_ms = now_ms - entry->updated_ms;
        if (is_equal(&entry->refusal, refusal) && distance_ms <= GROUPED_MS && distance_ms >= -GROUPED_MS)
            return entry;
    }
    return NULL;
}

/* Copies a text to the end of an entry's memory. */
static bytes put(char **to, bytes text)
{
    bytes copy = {*to, text.len};
    if (text.len > 0)
        memcpy(*to, text.at, text.len);
    *to += text.len;
    return copy;
}

/* A fresh entry behind the others, which holds its texts but that of the client. */
static struct acl_log_entry *new_entry(struct acl_log *log, const struct acl_refusal *refusal, int64_t now_ms)
{
    bytes object = cut(refusal->object);
    bytes user = cut(refusal->user);
    struct acl_log_entry *entry = mem_alloc(sizeof(*entry) + object.len + user.len);
    if (entry == NULL)
        return NULL;
    char *at = (char *)(entry + 1);
    *entry = (struct acl_log_entry){.id = log->next_id++, .created_ms = now_ms};
    entry->refusal = *refusal;
    entry->refusal.object = put(&at, object);
    entry->refusal.user = put(&at, user);
    entry->refusal.client = (bytes){NULL, 0};
    list_init(&entry->in_log);
    log->count++;
    return entry;
}

void acl_log_add(struct acl_log *log, const struct acl_refusal *refusal, int64_t now_ms, size_t limit)
{
    char *client = mem_copy(refusal->client.at, refusal->client.len);
    lock_take(&log->lock);
    struct acl_log_entry *entry = client != NULL ? find_equal(log, refusal, now_ms) : NULL;
    if (entry == NULL && client != NULL && limit > 0)
        entry = new_entry(log, refusal, now_ms);
    if (entry != NULL) {
        entry->count++;
        entry->updated_ms = now_ms;
        mem_free((char *)entry->refusal.client.at);
        entry->refusal.client = (bytes){client, refusal->client.len};
        list_remove(&entry->in_log);
        list_append(&log->entries, &entry->in_log);
        client = NULL;
    }
    trim(log, limit);
    lock_give(&log->lock);
    mem_free(client);
}

void acl_log_visit(struct acl_log *log, size_t count, void (*begin)(void *context, size_t count),
                   void (*visit)(void *context, const struct acl_log_entry *entry), void *context)
{
    lock_take(&log->lock);
    count = count < log->count ? count : log->count;
    begin(context, count);
    struct list *link = log->entries.prev;
    for (size_t i = 0; i < count; i++, link = link->prev)
        visit(context, entry_of(link));
    lock_give(&log->lock);
}

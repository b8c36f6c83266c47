/* Decoding replies. A reply is a header (code of 2 bytes, encoding of 1, size of 4) and data; a list (REPL_KVAL) is a
   number of entries and then the entries: size and bytes of the key, encoding, size and bytes of the value. All
   integers have their lowest byte first. The bytes come from the network: every length is checked against what is
   really there before it is used, and no allocation is larger than the data justifies. */
#include "internal.h"

#include <errno.h>
#include <string.h>

enum { SIZE_BYTES = 4, SMALLEST_ENTRY = SIZE_BYTES + 1 + SIZE_BYTES };

static uint64_t read_little_endian(const unsigned char *at, size_t size)
{
    uint64_t number = 0;
    for (size_t i = size; i > 0; i--)
        number = number << 8 | at[i - 1];
    return number;
}

uint32_t gbi_read_u32(const unsigned char *at)
{
    return (uint32_t)read_little_endian(at, SIZE_BYTES);
}

void gbi_write_u32(unsigned char *at, uint32_t number)
{
    for (int i = 0; i < SIZE_BYTES; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

bool gbi_decode_header(const unsigned char header[GBI_HEADER_SIZE], gbBuffer *reply)
{
    uint64_t code = read_little_endian(header, 2);
    uint32_t size = gbi_read_u32(header + 3);
    if (code > REPL_KVAL || size > GB_MAX_REPLY_SIZE)
        return false;
    reply->code = (short)code;
    reply->encoding = header[2];
    reply->size = size;
    return true;
}

/* --- lists --- */

bool gbi_list_start(struct gbi_list *list, const unsigned char *data, size_t size)
{
    if (size < SIZE_BYTES)
        return false;
    list->left = gbi_read_u32(data);
    list->at = data + SIZE_BYTES;
    list->end = data + size;
    return list->left <= (size - SIZE_BYTES) / SMALLEST_ENTRY;
}

/* Takes a size and as many bytes off the list. */
static bool take_sized(struct gbi_list *list, const unsigned char **bytes, uint32_t *size)
{
    if ((size_t)(list->end - list->at) < SIZE_BYTES)
        return false;
    *size = gbi_read_u32(list->at);
    *bytes = list->at + SIZE_BYTES;
    if (*size > (size_t)(list->end - *bytes))
        return false;
    list->at = *bytes + *size;
    return true;
}

bool gbi_list_next(struct gbi_list *list, struct gbi_entry *entry)
{
    if (!take_sized(list, &entry->key, &entry->key_size) || list->at == list->end)
        return false;
    entry->encoding = *list->at++;
    if (!take_sized(list, &entry->value, &entry->value_size))
        return false;
    list->left--;
    return true;
}

bool gbi_is_list(const unsigned char *data, size_t size)
{
    struct gbi_list list;
    struct gbi_entry entry;
    if (!gbi_list_start(&list, data, size))
        return false;
    while (list.left > 0)
        if (!gbi_list_next(&list, &entry))
            return false;
    return list.at == list.end;
}

/* --- what programs ask of a reply --- */

const unsigned char *gb_reply_raw(gbClient *c)
{
    return c->reply.buffer;
}

long gb_reply_number(gbBuffer *b)
{
    if (b->buffer == NULL)
        return 0;
    switch (b->size) {
    case 0:
    case 3:
    case 5:
    case 6:
    case 7:
        return 0;
    case 1:
        return (int8_t)b->buffer[0];
    case 2:
        return (int16_t)read_little_endian(b->buffer, 2);
    case 4:
        return (int32_t)read_little_endian(b->buffer, 4);
    default:
        return (long)read_little_endian(b->buffer, GBI_NUMBER_SIZE);
    }
}

/* A copy with a NUL after it. */
static unsigned char *copy_terminated(const unsigned char *bytes, size_t size)
{
    unsigned char *copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

static bool copy_entry(gbMultiBuffer *b, const struct gbi_entry *entry)
{
    char *key = (char *)copy_terminated(entry->key, entry->key_size);
    unsigned char *value = copy_terminated(entry->value, entry->value_size);
    if (key == NULL || value == NULL) {
        free(key);
        free(value);
        return false;
    }
    b->keys[b->count] = key;
    b->values[b->count] = (gbBuffer){
        .encoding = entry->encoding, .buffer = value, .rsize = entry->value_size + 1, .size = entry->value_size};
    b->count++;
    return true;
}

static int copy_list(gbMultiBuffer *b, const gbBuffer *reply)
{
    struct gbi_list list;
    struct gbi_entry entry;
    if (reply->code != REPL_KVAL || !gbi_list_start(&list, reply->buffer, reply->size))
        return EPROTO;
    if (list.left == 0)
        return 0;
    b->keys = calloc(list.left, sizeof(*b->keys));
    b->values = calloc(list.left, sizeof(*b->values));
    if (b->keys == NULL || b->values == NULL)
        return ENOMEM;
    while (list.left > 0) {
        if (!gbi_list_next(&list, &entry))
            return EPROTO;
        if (!copy_entry(b, &entry))
            return ENOMEM;
    }
    return 0;
}

void gb_reply_multi(gbClient *c, gbMultiBuffer *b)
{
    *b = (gbMultiBuffer){0};
    int error = copy_list(b, &c->reply);
    if (error == 0)
        return;
    gb_reply_multi_free(b);
    gbi_set_error("( %d ) %s", error, error == ENOMEM ? "out of memory" : "the last reply is not a list");
}

void gb_reply_multi_free(gbMultiBuffer *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        free(b->keys[i]);
        free(b->values[i].buffer);
    }
    free(b->keys);
    free(b->values);
    *b = (gbMultiBuffer){0};
}

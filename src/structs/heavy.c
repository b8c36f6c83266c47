/* Heavy names; see heavy.h. Places are looked for one after the other: there are few, and their hashes lie together. */
#include "structs/heavy.h"

#include "base/mem.h"

void heavy_free(struct heavy *heavy)
{
    for (size_t i = 0; i < HEAVY_PLACES; i++)
        mem_free(heavy->names[i].at);
    *heavy = (struct heavy){0};
}

/* The place of this hash, or HEAVY_PLACES. */
static size_t find(const struct heavy *heavy, uint64_t hash)
{
    for (size_t i = 0; i < heavy->used; i++)
        if (heavy->hashes[i] == hash)
            return i;
    return HEAVY_PLACES;
}

static size_t lightest(const struct heavy *heavy)
{
    size_t least = 0;
    for (size_t i = 1; i < heavy->used; i++)
        if (heavy->weights[i] < heavy->weights[least])
            least = i;
    return least;
}

static bool set_name(struct heavy_name *to, bytes name)
{
    size_t len = name.len < HEAVY_NAME_MAX ? name.len : HEAVY_NAME_MAX;
    if (len > to->room || to->at == NULL) {
        char *at = mem_realloc(to->at, len > 0 ? len : 1);
        if (at == NULL)
            return false;
        to->at = at;
        to->room = (uint16_t)len;
    }
    if (len > 0)
        memcpy(to->at, name.at, len);
    to->len = (uint16_t)len;
    return true;
}

void heavy_add(struct heavy *heavy, uint64_t hash, bytes name, uint64_t weight)
{
    size_t place = find(heavy, hash);
    if (place < HEAVY_PLACES) {
        heavy->weights[place] += weight;
        return;
    }
    bool is_full = heavy->used == HEAVY_PLACES;
    place = is_full ? lightest(heavy) : heavy->used;
    if (!set_name(&heavy->names[place], name))
        return;
    heavy->errors[place] = is_full ? heavy->weights[place] : 0;
    heavy->weights[place] = heavy->errors[place] + weight;
    heavy->hashes[place] = hash;
    heavy->used += !is_full;
}

size_t heavy_memory(const struct heavy *heavy)
{
    size_t bytes = sizeof(*heavy);
    for (size_t i = 0; i < HEAVY_PLACES; i++)
        bytes += mem_size(heavy->names[i].at);
    return bytes;
}

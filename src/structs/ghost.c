/* Ghosts; see ghost.h. A slot: 24 bits of fingerprint, 7 of the step's number, 1 of the kind; 0 is an empty slot. A
   window has at most GHOST_STEPS steps and the number's 7 bits count four times as many. Before a slot that is too old
   could be taken for young it is scrubbed: every step scrubs a part of the table. */
#include "structs/ghost.h"

#include "base/mem.h"

#include <string.h>

enum {
    BUCKET_SLOTS = 16,    /* one cache line */
    SEGMENT_BUCKETS = 64, /* allocated 4 KiB at a time */
    SEGMENT_LOAD = 800,   /* fingerprints per segment of 1,024 slots: few buckets overflow before their time */
    STEP_MASK = 127,
    SCRUB_STEPS = 64,       /* in which the whole table is scrubbed once */
    SEGMENTS_FREED_MAX = 64 /* at once, when the table shrinks */
};

struct ghost_segment {
    uint32_t slots[SEGMENT_BUCKETS][BUCKET_SLOTS];
} __attribute__((aligned(64)));

/* Where a hash belongs. Its high bits may be the same for all (they choose the shard), so they are mixed first. */
struct place {
    size_t segment;
    size_t bucket;
    uint32_t fingerprint; /* in its place in a slot; not 0 */
};

static struct place place_of(const struct ghosts *ghosts, uint64_t hash)
{
    uint64_t mixed = hash * 0x9e3779b97f4a7c15ULL;
    uint64_t bucket = ((mixed >> 32) * (ghosts->segment_count * SEGMENT_BUCKETS)) >> 32;
    return (struct place){
        .segment = (size_t)bucket / SEGMENT_BUCKETS,
        .bucket = (size_t)bucket % SEGMENT_BUCKETS,
        .fingerprint = ((uint32_t)hash | 1U) << 8,
    };
}

static int slot_kind(uint32_t slot)
{
    return (int)(slot & 1U);
}

static uint32_t slot_age(const struct ghosts *ghosts, uint32_t slot)
{
    return (ghosts->kinds[slot_kind(slot)].step - (slot >> 1)) & STEP_MASK;
}

static bool is_known(const struct ghosts *ghosts, uint32_t slot)
{
    return slot != 0 && slot_age(ghosts, slot) < ghosts->kinds[slot_kind(slot)].steps;
}

/* Empties a slot. */
static void forget(struct ghosts *ghosts, uint32_t *slot)
{
    struct ghost_kind *kind = &ghosts->kinds[slot_kind(*slot)];
    if (*slot != 0 && slot_age(ghosts, *slot) < GHOST_STEPS)
        kind->made[(kind->step - slot_age(ghosts, *slot)) % GHOST_STEPS]--;
    if (is_known(ghosts, *slot))
        kind->known--;
    *slot = 0;
}

/* The slot for a new fingerprint: an empty one, or the oldest. */
static uint32_t *choose_slot(const struct ghosts *ghosts, uint32_t *bucket)
{
    uint32_t *chosen = NULL;
    for (uint32_t *slot = bucket; slot < bucket + BUCKET_SLOTS; slot++) {
        if (!is_known(ghosts, *slot))
            return slot;
        if (chosen == NULL || slot_age(ghosts, *slot) > slot_age(ghosts, *chosen))
            chosen = slot;
    }
    return chosen;
}

/* Empties the slots of one kind in a bucket that are too old. */
static void scrub(struct ghosts *ghosts, int which, size_t bucket)
{
    struct ghost_segment *segment = ghosts->segments[bucket / SEGMENT_BUCKETS];
    if (segment == NULL)
        return;
    uint32_t *slots = segment->slots[bucket % SEGMENT_BUCKETS];
    for (uint32_t *slot = slots; slot < slots + BUCKET_SLOTS; slot++)
        if (slot_kind(*slot) == which && slot_age(ghosts, *slot) >= GHOST_STEPS)
            *slot = 0;
}

/* What was made in the window's first step is too old from now on, and a part of the table is scrubbed. */
static void begin_step(struct ghosts *ghosts, int which)
{
    struct ghost_kind *kind = &ghosts->kinds[which];
    kind->step++;
    kind->in_step = 0;
    kind->known -= kind->made[(kind->step - kind->steps) % GHOST_STEPS];
    kind->made[kind->step % GHOST_STEPS] = 0;
    size_t buckets = ghosts->segment_count * SEGMENT_BUCKETS;
    for (size_t count = buckets / SCRUB_STEPS + 1; count > 0; count--) {
        kind->scrubbed = kind->scrubbed < buckets ? kind->scrubbed : 0;
        scrub(ghosts, which, kind->scrubbed++);
    }
}

void ghosts_add(struct ghosts *ghosts, int which, uint64_t hash)
{
    struct ghost_kind *kind = &ghosts->kinds[which];
    if (ghosts->segment_count == 0 || kind->steps == 0)
        return;
    struct place place = place_of(ghosts, hash);
    struct ghost_segment **segment = &ghosts->segments[place.segment];
    if (*segment == NULL) {
        *segment = mem_alloc_aligned(sizeof(**segment), sizeof(uint32_t) * BUCKET_SLOTS);
        if (*segment == NULL)
            return;
        memset(*segment, 0, sizeof(**segment));
        ghosts->bytes += mem_size(*segment);
    }
    if (kind->in_step >= kind->step_len)
        begin_step(ghosts, which);
    uint32_t *slot = choose_slot(ghosts, (*segment)->slots[place.bucket]);
    forget(ghosts, slot);
    *slot = place.fingerprint | (kind->step & STEP_MASK) << 1 | (uint32_t)which;
    kind->in_step++;
    kind->made[kind->step % GHOST_STEPS]++;
    kind->known++;
}

int ghosts_take(struct ghosts *ghosts, uint64_t hash)
{
    if (ghosts->segment_count == 0)
        return GHOST_NONE;
    struct place place = place_of(ghosts, hash);
    struct ghost_segment *segment = ghosts->segments[place.segment];
    if (segment == NULL)
        return GHOST_NONE;
    uint32_t *bucket = segment->slots[place.bucket];
    for (uint32_t *slot = bucket; slot < bucket + BUCKET_SLOTS; slot++) {
        if ((*slot & ~0xffU) != place.fingerprint || !is_known(ghosts, *slot))
            continue;
        int kind = slot_kind(*slot);
        forget(ghosts, slot);
        return kind;
    }
    return GHOST_NONE;
}

/* Makes the array long enough; false when there is no memory. */
static bool ensure_capacity(struct ghosts *ghosts, size_t segments)
{
    if (segments <= ghosts->segment_capacity)
        return true;
    size_t old_bytes = mem_size(ghosts->segments);
    struct ghost_segment **array = mem_realloc(ghosts->segments, segments * sizeof(struct ghost_segment *));
    if (array == NULL)
        return false;
    ghosts->bytes += mem_size(array) - old_bytes;
    memset(array + ghosts->segment_capacity, 0, (segments - ghosts->segment_capacity) * sizeof(struct ghost_segment *));
    ghosts->segments = array;
    ghosts->segment_capacity = segments;
    return true;
}

static void free_segments(struct ghosts *ghosts, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        ghosts->bytes -= mem_size(ghosts->segments[i]);
        mem_free(ghosts->segments[i]);
        ghosts->segments[i] = NULL;
    }
}

/* Hashes belong elsewhere in a table of another size: what was remembered is not found again, and overwritten. */
static void resize_table(struct ghosts *ghosts, size_t fingerprints)
{
    size_t want = fingerprints / SEGMENT_LOAD + 1;
    size_t have = ghosts->segment_count;
    bool is_fitting = want * 4 <= have * 5 && want * 2 >= have;
    if (is_fitting || !ensure_capacity(ghosts, want))
        return;
    if (want + SEGMENTS_FREED_MAX < have)
        want = have - SEGMENTS_FREED_MAX; /* the rest next time: nobody shall wait for it */
    if (want < have)
        free_segments(ghosts, want, have);
    ghosts->segment_count = want;
}

/* Only a tiny window has fewer steps than others; then more or fewer of them may come to lie in it. */
static void set_window(struct ghost_kind *kind, size_t window)
{
    size_t steps = window < GHOST_STEPS ? window : GHOST_STEPS;
    if (unlikely(steps != kind->steps)) {
        kind->steps = steps;
        kind->known = 0;
        for (size_t age = 0; age < steps; age++)
            kind->known += kind->made[(kind->step - age) % GHOST_STEPS];
    }
    kind->step_len = steps > 0 ? (window + steps - 1) / steps : 0;
}

void ghosts_size(struct ghosts *ghosts, size_t first_window, size_t second_window)
{
    resize_table(ghosts, first_window + second_window);
    set_window(&ghosts->kinds[0], first_window);
    set_window(&ghosts->kinds[1], second_window);
}

void ghosts_free(struct ghosts *ghosts)
{
    free_segments(ghosts, 0, ghosts->segment_count);
    mem_free(ghosts->segments);
    memset(ghosts, 0, sizeof(*ghosts));
}

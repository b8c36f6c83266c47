/* The timing wheel; see wheel.h. Let `block` be the tick's number without its low six bits. The wheel deals one block
   ahead: blocks up to block(tick) + 1 lie in fine slots, later ones in the coarse level of the highest digit (base 64)
   in which they differ from that block. */
#include "structs/wheel.h"

#include "base/common.h"

enum { MAX_STEPS = WHEEL_SLOTS * WHEEL_SLOTS }; /* ticks: a longer jump deals everything anew instead */

static const int64_t max_block_distance = (int64_t)1 << (WHEEL_COARSE_LEVELS * WHEEL_SLOT_BITS);

void wheel_init(struct wheel *wheel, int64_t now_ms)
{
    wheel->tick = now_ms / WHEEL_TICK_MS;
    list_init(&wheel->due);
    list_init(&wheel->dealing);
    for (size_t i = 0; i < COUNT_OF(wheel->fine); i++)
        list_init(&wheel->fine[i]);
    for (int level = 0; level < WHEEL_COARSE_LEVELS; level++)
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->coarse[level][slot]);
}

/* The last block that lies in fine slots. */
static int64_t dealt_block(const struct wheel *wheel)
{
    return (wheel->tick >> WHEEL_SLOT_BITS) + 1;
}

/* The list that a deadline belongs to now. */
static struct list *place_for(struct wheel *wheel, int64_t deadline_ms)
{
    int64_t tick = deadline_ms / WHEEL_TICK_MS + (deadline_ms % WHEEL_TICK_MS > 0); /* rounded up: never early */
    if (tick <= wheel->tick)
        return &wheel->due;
    int64_t block = tick >> WHEEL_SLOT_BITS;
    int64_t dealt = dealt_block(wheel);
    if (block <= dealt)
        return &wheel->fine[tick & (2 * WHEEL_SLOTS - 1)];
    if (block - dealt >= max_block_distance)
        block = dealt + max_block_distance - 1;
    int level = (63 - __builtin_clzll((uint64_t)(block ^ dealt))) / WHEEL_SLOT_BITS;
    if (level >= WHEEL_COARSE_LEVELS)
        level = WHEEL_COARSE_LEVELS - 1; /* in reach, but beyond the carry of the last digit: its slot comes round */
    return &wheel->coarse[level][(block >> (level * WHEEL_SLOT_BITS)) & (WHEEL_SLOTS - 1)];
}

void wheel_add(struct wheel *wheel, struct wheel_node *node, int64_t deadline_ms)
{
    node->deadline_ms = deadline_ms;
    list_append(place_for(wheel, deadline_ms), &node->link);
}

/* The tick entered a new block: take the nodes of the block after it, and of every coarser slot that begins there. */
static void collect_next_block(struct wheel *wheel)
{
    int64_t block = dealt_block(wheel);
    for (int level = 0; level < WHEEL_COARSE_LEVELS; level++) {
        int64_t digit = (block >> (level * WHEEL_SLOT_BITS)) & (WHEEL_SLOTS - 1);
        list_take_all(&wheel->dealing, &wheel->coarse[level][digit]);
        if (digit != 0)
            break;
    }
}

static struct wheel_node *first_node(struct list *list)
{
    struct list *link = list->next;
    __builtin_prefetch(link->next);
    list_remove(link);
    return CONTAINER_OF(link, struct wheel_node, link);
}

/* Deals and hands out what has been collected, within the budget. */
static size_t work_off(struct wheel *wheel, size_t budget, wheel_due_fn *due, void *context)
{
    for (; budget > 0 && !list_is_empty(&wheel->dealing); budget--) {
        struct wheel_node *node = first_node(&wheel->dealing);
        list_append(place_for(wheel, node->deadline_ms), &node->link);
    }
    for (; budget > 0 && !list_is_empty(&wheel->due); budget--)
        due(context, first_node(&wheel->due));
    return budget;
}

void wheel_visit_present(const struct wheel *wheel, wheel_due_fn *visit, void *context)
{
    const struct list *slot = &wheel->fine[(wheel->tick + 1) & (2 * WHEEL_SLOTS - 1)];
    for (struct list *link = slot->next; link != slot; link = link->next)
        visit(context, CONTAINER_OF(link, struct wheel_node, link));
}

/* Puts every node up for dealing anew, as seen from `tick`: after a jump too far to step over, and when the clock went
   back, so that nothing stands in a slot that was passed. */
static void rebase(struct wheel *wheel, int64_t tick)
{
    list_take_all(&wheel->dealing, &wheel->due);
    for (size_t i = 0; i < COUNT_OF(wheel->fine); i++)
        list_take_all(&wheel->dealing, &wheel->fine[i]);
    for (int level = 0; level < WHEEL_COARSE_LEVELS; level++)
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            list_take_all(&wheel->dealing, &wheel->coarse[level][slot]);
    wheel->tick = tick;
}

size_t wheel_advance(struct wheel *wheel, int64_t now_ms, size_t budget, wheel_due_fn *due, void *context)
{
    int64_t target = now_ms / WHEEL_TICK_MS;
    if (target < wheel->tick || target - wheel->tick > MAX_STEPS)
        rebase(wheel, target);
    budget = work_off(wheel, budget, due, context);
    while (wheel->tick < target && budget > 0) {
        wheel->tick++;
        if ((wheel->tick & (WHEEL_SLOTS - 1)) == 0)
            collect_next_block(wheel);
        list_take_all(&wheel->due, &wheel->fine[wheel->tick & (2 * WHEEL_SLOTS - 1)]);
        budget = work_off(wheel, budget, due, context);
    }
    return budget;
}

/* Visits up to `count` nodes of a list, which then stand at its end; returns how many. */
static size_t visit_some(struct list *list, size_t count, wheel_visit_fn *visit, void *context)
{
    size_t visited = 0;
    const struct list *first = list->next;
    while (visited < count && !list_is_empty(list) && (visited == 0 || list->next != first)) {
        struct list *link = list->next;
        list_remove(link);
        list_append(list, link);
        visit(context, CONTAINER_OF(link, struct wheel_node, link));
        visited++;
    }
    return visited;
}

/* The first list with nodes in the order of time, of those whose nodes have their place. */
static struct list *soonest_slot(struct wheel *wheel)
{
    if (!list_is_empty(&wheel->due))
        return &wheel->due;
    for (int64_t i = 1; i < 2 * WHEEL_SLOTS; i++) {
        struct list *slot = &wheel->fine[(wheel->tick + i) & (2 * WHEEL_SLOTS - 1)];
        if (!list_is_empty(slot))
            return slot;
    }
    int64_t block = dealt_block(wheel);
    for (int level = 0; level < WHEEL_COARSE_LEVELS; level++)
        for (int64_t i = 1; i <= WHEEL_SLOTS; i++) {
            int64_t digit = ((block >> (level * WHEEL_SLOT_BITS)) + i) & (WHEEL_SLOTS - 1);
            if (!list_is_empty(&wheel->coarse[level][digit]))
                return &wheel->coarse[level][digit];
        }
    return NULL;
}

void wheel_visit_soonest(struct wheel *wheel, size_t count, wheel_visit_fn *visit, void *context)
{
    visit_some(&wheel->dealing, count, visit, context);
    struct list *slot = soonest_slot(wheel);
    if (slot != NULL)
        visit_some(slot, count, visit, context);
}

enum { LIST_COUNT = 2 + 2 * WHEEL_SLOTS + WHEEL_COARSE_LEVELS * WHEEL_SLOTS };

static struct list *list_at(struct wheel *wheel, size_t index)
{
    if (index < 2)
        return index == 0 ? &wheel->due : &wheel->dealing;
    index -= 2;
    if (index < COUNT_OF(wheel->fine))
        return &wheel->fine[index];
    index -= COUNT_OF(wheel->fine);
    return &wheel->coarse[index / WHEEL_SLOTS][index % WHEEL_SLOTS];
}

void wheel_sample(struct wheel *wheel, size_t count, uint64_t random, wheel_visit_fn *visit, void *context)
{
    size_t start = (size_t)(random % LIST_COUNT);
    for (size_t i = 0; i < LIST_COUNT && count > 0; i++)
        count -= visit_some(list_at(wheel, (start + i) % LIST_COUNT), count, visit, context);
}

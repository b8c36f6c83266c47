/* The hash table against a model: an array of items that know whether they should be in the table. Items are fakes with
   a chosen hash, so that collisions, long chains and every window of hash bits occur. */
#include "property.h"

#include "base/mem.h"
#include "structs/ht.h"

#include <string.h>

struct item {
    uint64_t hash;
    bool is_in;
    bool is_permanent;
    unsigned visits;
};

/* The items of a test, and the table that should hold those that are in. */
struct world {
    struct ht table;
    struct item *items;
    size_t count;
    size_t in;
    size_t hash_calls;
    struct random random;
};

static uint64_t hash_of(const void *context, const void *item)
{
    ((struct world *)(uintptr_t)context)->hash_calls++;
    return ((const struct item *)item)->hash;
}

enum hash_kind { HASH_UNIFORM, HASH_FEW_VALUES, HASH_SAME_LOW_BITS };

static uint64_t draw_hash(struct random *random, enum hash_kind kind)
{
    uint64_t hash = random_next(random);
    switch (kind) {
    case HASH_FEW_VALUES:
        return hash % 5 * 0x9e3779b97f4a7c15ULL;
    case HASH_SAME_LOW_BITS:
        return hash << 12;
    default:
        return hash;
    }
}

static void world_open(struct world *world, const char *test, size_t count, enum hash_kind kind)
{
    memset(world, 0, sizeof(*world));
    world->random = property_start(test);
    world->count = count;
    world->items = test_calloc(count, sizeof(*world->items));
    for (size_t i = 0; i < count; i++)
        world->items[i].hash = draw_hash(&world->random, kind);
}

static void world_close(struct world *world)
{
    ht_free(&world->table);
    assert_null(atomic_load(&world->table.directory));
    assert_int_equal(world->table.bytes, 0);
    test_free(world->items);
}

static struct ht_probe find(struct ht *table, const struct item *item, bool *is_found)
{
    struct ht_probe probe = ht_probe(table, item->hash);
    void *candidate;
    while ((candidate = ht_probe_next(&probe)) != NULL && candidate != item)
        continue;
    *is_found = candidate != NULL;
    return probe;
}

static bool insert(struct world *world, struct item *item)
{
    if (!ht_insert(&world->table, item->hash, item, hash_of, world))
        return false;
    item->is_in = true;
    world->in++;
    return true;
}

static void take_out(struct world *world, struct item *item)
{
    bool is_found;
    struct ht_probe probe = find(&world->table, item, &is_found);
    assert_true(is_found);
    ht_remove(&world->table, &probe, hash_of, world);
    item->is_in = false;
    world->in--;
}

static struct item *any_item(struct world *world)
{
    return &world->items[random_below(&world->random, world->count)];
}

/* Every item is found exactly when it should be, and the table's own invariants hold. */
static void check(struct world *world)
{
    assert_int_equal(world->table.used, world->in);
    for (size_t i = 0; i < world->count; i++) {
        bool is_found;
        find(&world->table, &world->items[i], &is_found);
        assert_int_equal(is_found, world->items[i].is_in);
    }
    ht_check(&world->table, hash_of, world);
}

/* Random operations while the table is driven up and down between nearly empty and nearly full. */
static void run_operations(struct world *world, size_t operations, bool is_memory_short)
{
    size_t target = 0;
    for (size_t i = 0; i < operations; i++) {
        if (i % 2048 == 0)
            target = random_below(&world->random, world->count);
        struct item *item = any_item(world);
        bool should_grow = one_in(&world->random, 4) ? one_in(&world->random, 2) : world->in < target;
        if (is_memory_short)
            mem_fail_after((long)random_below(&world->random, 4));
        size_t bytes = world->table.bytes;
        if (should_grow && !item->is_in) {
            bool is_inserted = insert(world, item);
            assert_true(is_inserted || is_memory_short);
            if (!is_inserted)
                assert_true(world->table.bytes >= bytes); /* a segment may have been made, nothing may be lost */
        } else if (!should_grow && item->is_in) {
            take_out(world, item);
        }
        mem_fail_after(-1);
        bool is_found;
        find(&world->table, item, &is_found);
        assert_int_equal(is_found, item->is_in);
        if (i % 4096 == 0)
            check(world);
    }
    check(world);
}

static void finds_exactly_what_was_inserted_and_not_removed(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 20000, HASH_UNIFORM);
    run_operations(&world, 200000, false);
    world_close(&world);
}

static void stays_correct_when_hashes_collide(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 300, HASH_FEW_VALUES);
    run_operations(&world, 40000, false);
    world_close(&world);
    world_open(&world, __func__, 2000, HASH_SAME_LOW_BITS);
    run_operations(&world, 20000, false);
    world_close(&world);
}

static void a_failed_insertion_changes_nothing_and_removal_never_fails(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 5000, HASH_UNIFORM);
    run_operations(&world, 100000, true);
    world_close(&world);
    world_open(&world, __func__, 200, HASH_FEW_VALUES);
    run_operations(&world, 30000, true);
    world_close(&world);
}

/* More than sixteen doublings up, so that the window of hash bits moves twice, and down again; the items themselves are
   touched only when it moves. */
static void the_window_of_hash_bits_moves_with_the_table(void **state)
{
    (void)state;
    enum { items = 450000 };
    struct world world;
    world_open(&world, __func__, items, HASH_UNIFORM);
    size_t next_check = 100;
    for (size_t i = 0; i < items; i++) {
        assert_true(insert(&world, &world.items[i]));
        if (i == next_check) {
            ht_check(&world.table, hash_of, &world);
            next_check *= 2;
        }
    }
    assert_true(atomic_load(&world.table.bucket_count) > 1 << 16);
    check(&world);

    world.hash_calls = 0;
    for (size_t i = items; i-- > 0;) {
        take_out(&world, &world.items[i]);
        if (i == next_check / 2) {
            size_t calls = world.hash_calls;
            check(&world);
            world.hash_calls = calls;
            next_check /= 2;
        }
    }
    assert_true(world.hash_calls < 2 * items);
    assert_int_equal(world.table.used, 0);
    assert_int_equal(atomic_load(&world.table.bucket_count), 1);
    world_close(&world);
}

static void a_replaced_item_is_found_in_its_place(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 4000, HASH_UNIFORM);
    size_t half = world.count / 2;
    for (size_t i = 0; i < half; i++)
        assert_true(insert(&world, &world.items[i]));
    for (size_t i = 0; i < half; i++) {
        struct item *old = &world.items[i];
        struct item *new = &world.items[half + i];
        bool is_found;
        struct ht_probe probe = find(&world.table, old, &is_found);
        assert_true(is_found);
        new->hash = old->hash;
        ht_replace(&probe, new);
        new->is_in = true;
        old->is_in = false;
    }
    check(&world);
    world_close(&world);
}

static void count_visit(void *context, void *item)
{
    struct world *world = context;
    struct item *seen = item;
    assert_true(seen >= world->items && seen < world->items + world->count);
    assert_true(seen->is_in);
    seen->visits++;
}

static void forget_visits(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        world->items[i].visits = 0;
}

static void a_scan_of_a_table_at_rest_visits_every_item_once(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 3000, HASH_UNIFORM);
    for (size_t i = 0; i < world.count; i++) {
        assert_true(insert(&world, &world.items[i]));
        if (i % 97 != 0)
            continue;
        forget_visits(&world);
        uint64_t cursor = 0;
        size_t steps = 0;
        do {
            cursor = ht_scan(&world.table, cursor, count_visit, &world);
            steps++;
        } while (cursor != 0);
        assert_int_equal(steps, atomic_load(&world.table.bucket_count));
        for (size_t j = 0; j < world.count; j++)
            assert_int_equal(world.items[j].visits, world.items[j].is_in);
    }
    world_close(&world);
}

/* Between two steps of a scan the table grows or shrinks by a good part of its size. */
static void disturb(struct world *world)
{
    size_t target = one_in(&world->random, 8) ? random_below(&world->random, world->count) : world->in;
    size_t changes = between(&world->random, 0, 40) + (target > world->in ? target - world->in : world->in - target);
    for (size_t i = 0; i < changes; i++) {
        struct item *item = any_item(world);
        if (item->is_permanent)
            continue;
        if (item->is_in && (world->in > target || one_in(&world->random, 2)))
            take_out(world, item);
        else if (!item->is_in && (world->in <= target || one_in(&world->random, 2)))
            assert_true(insert(world, item));
    }
}

static void a_scan_misses_nothing_while_the_table_grows_and_shrinks(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 6000, HASH_UNIFORM);
    for (size_t i = 0; i < world.count; i += 10) {
        world.items[i].is_permanent = true;
        assert_true(insert(&world, &world.items[i]));
    }
    for (int round = 0; round < 20; round++) {
        forget_visits(&world);
        uint64_t cursor = 0;
        size_t steps = 0;
        do {
            cursor = ht_scan(&world.table, cursor, count_visit, &world);
            disturb(&world);
            steps++;
        } while (cursor != 0);
        assert_true(steps <= 8 * world.count); /* the walk moves forward whatever happens */
        for (size_t i = 0; i < world.count; i++)
            if (world.items[i].is_permanent)
                assert_true(world.items[i].visits > 0);
    }
    check(&world);
    world_close(&world);
}

static void a_scan_from_any_cursor_ends(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1000, HASH_UNIFORM);
    for (size_t i = 0; i < world.count; i++)
        assert_true(insert(&world, &world.items[i]));
    for (int round = 0; round < 1000; round++) {
        uint64_t cursor = round == 0 ? UINT64_MAX : random_next(&world.random);
        size_t steps = 0;
        do {
            cursor = ht_scan(&world.table, cursor, count_visit, &world);
            steps++;
        } while (cursor != 0);
        assert_true(steps <= atomic_load(&world.table.bucket_count));
    }
    world_close(&world);
}

static uint64_t draw(void *context)
{
    return random_next(context);
}

/* Pearson's test: the statistic of n items has mean n - 1 and variance 2 (n - 1); eight deviations do not happen. */
static void random_items_are_drawn_uniformly(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1000, HASH_UNIFORM);
    assert_null(ht_random(&world.table, draw, &world.random));
    for (size_t i = 0; i < world.count; i++)
        assert_true(insert(&world, &world.items[i]));
    enum { draws_per_item = 200 };
    for (size_t i = 0; i < world.count * draws_per_item; i++)
        count_visit(&world, ht_random(&world.table, draw, &world.random));
    double statistic = 0;
    for (size_t i = 0; i < world.count; i++) {
        double difference = (double)world.items[i].visits - draws_per_item;
        statistic += difference * difference / draws_per_item;
    }
    double mean = (double)world.count - 1;
    assert_true((statistic - mean) * (statistic - mean) < 64 * 2 * mean);
    world_close(&world);
}

static void take_drained(void *context, void *item)
{
    count_visit(context, item);
    ((struct item *)item)->is_in = false;
}

static void a_detached_table_is_drained_in_portions(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 5000, HASH_UNIFORM);
    struct ht nothing = {.used = 0};
    assert_true(ht_detach(&world.table, &nothing));
    for (int round = 0; round < 4; round++) {
        forget_visits(&world);
        for (size_t i = 0; i < world.count; i++)
            assert_true(insert(&world, &world.items[i]));
        struct ht aside = {.used = 0};
        mem_fail_after(0);
        assert_false(ht_detach(&world.table, &aside));
        mem_fail_after(-1);
        check(&world);
        assert_true(ht_detach(&world.table, &aside));
        assert_int_equal(world.table.used, 0);
        assert_int_equal(aside.used, world.count);
        ht_check(&aside, hash_of, &world);
        ht_prefetch(&world.table, world.items[0].hash); /* must stay safe: workers do it without a lock */

        /* the emptied table is of use again while the old content is freed */
        struct item newcomer = {.hash = random_next(&world.random)};
        assert_true(ht_insert(&world.table, newcomer.hash, &newcomer, hash_of, &world));
        size_t left = world.count;
        bool is_done;
        do {
            is_done = ht_drain(&aside, 100, take_drained, &world);
            assert_true(left - aside.used <= 100 + 64 || is_done);
            left = aside.used;
        } while (!is_done);
        assert_int_equal(left, 0);
        assert_int_equal(aside.bytes, 0);
        for (size_t i = 0; i < world.count; i++)
            assert_int_equal(world.items[i].visits, 1);
        bool is_found;
        struct ht_probe probe = find(&world.table, &newcomer, &is_found);
        assert_true(is_found);
        ht_remove(&world.table, &probe, hash_of, &world);
        world.in = 0;
    }
    world_close(&world);
}

/* A miss among many items compares almost nothing: 16 bits of hash are checked first. */
static void a_miss_meets_almost_no_candidates(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 20000, HASH_UNIFORM);
    for (size_t i = 0; i < world.count; i++)
        assert_true(insert(&world, &world.items[i]));
    size_t candidates = 0;
    enum { misses = 50000 };
    for (size_t i = 0; i < misses; i++) {
        struct ht_probe probe = ht_probe(&world.table, random_next(&world.random));
        while (ht_probe_next(&probe) != NULL)
            candidates++;
    }
    assert_true(candidates < misses / 20);
    world_close(&world);
}

/* Eight slots of 8 bytes for six items, and little beside them. */
static void memory_follows_the_number_of_items(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 100000, HASH_UNIFORM);
    for (size_t i = 0; i < world.count; i++)
        assert_true(insert(&world, &world.items[i]));
    assert_true(world.table.bytes < world.count * 14);
    for (size_t i = 100; i < world.count; i++)
        take_out(&world, &world.items[i]);
    assert_true(world.table.bytes < 64 * 1024);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_exactly_what_was_inserted_and_not_removed),
        cmocka_unit_test(stays_correct_when_hashes_collide),
        cmocka_unit_test(a_failed_insertion_changes_nothing_and_removal_never_fails),
        cmocka_unit_test(the_window_of_hash_bits_moves_with_the_table),
        cmocka_unit_test(a_replaced_item_is_found_in_its_place),
        cmocka_unit_test(a_scan_of_a_table_at_rest_visits_every_item_once),
        cmocka_unit_test(a_scan_misses_nothing_while_the_table_grows_and_shrinks),
        cmocka_unit_test(a_scan_from_any_cursor_ends),
        cmocka_unit_test(random_items_are_drawn_uniformly),
        cmocka_unit_test(a_detached_table_is_drained_in_portions),
        cmocka_unit_test(a_miss_meets_almost_no_candidates),
        cmocka_unit_test(memory_follows_the_number_of_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

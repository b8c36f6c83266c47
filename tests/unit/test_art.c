/* The prefix index against a sorted array: random keys of every nasty kind (empty, binary, nested, very long, dense).
 */
#include "property.h"

#include "base/mem.h"
#include "structs/art.h"

#include <string.h>

enum { KEYS_MAX = 3000, LONG_KEY = 20000 };

struct item {
    size_t len;
    char key[];
};

static bytes key_of(const void *item)
{
    const struct item *self = item;
    return (bytes){self->key, self->len};
}

struct world {
    struct art art;
    struct item **sorted; /* the model */
    size_t count;
    struct random random;
};

static int compare(bytes a, bytes b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least > 0 ? memcmp(a.at, b.at, least) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The first of the model that is not below the key. */
static size_t lower_bound(const struct world *world, bytes key)
{
    size_t low = 0;
    size_t high = world->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(key_of(world->sorted[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool begins_with(bytes key, bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.at, prefix.at, prefix.len) == 0);
}

/* A key of a random kind into `buffer`; small alphabets make prefixes of each other likely. */
static bytes draw_key(struct world *world, char buffer[LONG_KEY])
{
    struct random *random = &world->random;
    size_t len;
    switch (random_below(random, 8)) {
    case 0: /* nested */
        len = between(random, 0, 300);
        memset(buffer, 'a', len);
        break;
    case 1: /* dense binary: every fan-out up to 257 */
        len = between(random, 0, 2);
        for (size_t i = 0; i < len; i++)
            buffer[i] = (char)random_next(random);
        break;
    case 2: /* long, different at the end or in the middle */
        len = between(random, LONG_KEY - 3, LONG_KEY);
        memset(buffer, 'x', len);
        if (one_in(random, 2))
            buffer[between(random, 0, len - 1)] = 'y';
        break;
    case 3: /* zeros and high bytes */
        len = between(random, 0, 6);
        for (size_t i = 0; i < len; i++)
            buffer[i] = one_in(random, 2) ? '\0' : '\xff';
        break;
    default:
        len = (size_t)snprintf(buffer, LONG_KEY, "user:%03u:%c", (unsigned)random_below(random, 300),
                               (char)between(random, 'a', 'f'));
        if (one_in(random, 3))
            len = between(random, 0, len);
    }
    return (bytes){buffer, len};
}

static struct item *make_item(bytes key)
{
    struct item *item = malloc(sizeof(*item) + key.len);
    item->len = key.len;
    memcpy(item->key, key.at, key.len);
    return item;
}

static void insert_or_remove(struct world *world, bytes key, bool prefers_insert)
{
    size_t at = lower_bound(world, key);
    bool exists = at < world->count && compare(key_of(world->sorted[at]), key) == 0;
    assert_ptr_equal(art_find(&world->art, key), exists ? world->sorted[at] : NULL);
    if (exists && !prefers_insert) {
        struct item *item = world->sorted[at];
        art_remove(&world->art, item);
        free(item);
        memmove(world->sorted + at, world->sorted + at + 1, (--world->count - at) * sizeof(struct item *));
    } else if (exists) {
        struct item *item = make_item(key);
        art_replace(&world->art, world->sorted[at], item);
        free(world->sorted[at]);
        world->sorted[at] = item;
    } else if (world->count < KEYS_MAX) {
        struct item *item = make_item(key);
        assert_true(art_insert(&world->art, item));
        memmove(world->sorted + at + 1, world->sorted + at, (world->count++ - at) * sizeof(struct item *));
        world->sorted[at] = item;
    }
}

struct expected {
    const struct world *world;
    size_t next;
    size_t limit;
    size_t seen;
};

static bool expect_next(void *context, void *item)
{
    struct expected *expected = context;
    assert_true(expected->next < expected->world->count);
    assert_ptr_equal(item, expected->world->sorted[expected->next]);
    expected->next++;
    expected->seen++;
    return expected->seen < expected->limit;
}

static size_t matches_from(const struct world *world, size_t at, bytes prefix)
{
    size_t count = 0;
    while (at + count < world->count && begins_with(key_of(world->sorted[at + count]), prefix))
        count++;
    return count;
}

static void look_at(struct world *world, bytes prefix, bytes after)
{
    size_t at = lower_bound(world, prefix);
    assert_int_equal(art_count(&world->art, prefix), matches_from(world, at, prefix));

    struct expected all = {.world = world, .next = at, .limit = SIZE_MAX};
    assert_true(art_visit(&world->art, prefix, NULL, expect_next, &all));
    assert_int_equal(all.seen, matches_from(world, at, prefix));

    size_t behind = lower_bound(world, after);
    behind += behind < world->count && compare(key_of(world->sorted[behind]), after) == 0;
    size_t from = behind > at ? behind : at;
    size_t rest = matches_from(world, from, prefix);
    struct expected some = {.world = world, .next = from, .limit = between(&world->random, 1, 40)};
    assert_true(art_visit(&world->art, prefix, &after, expect_next, &some));
    assert_int_equal(some.seen, rest < some.limit ? rest : some.limit);
}

static void start(struct world *world, const char *name)
{
    *world = (struct world){.random = property_start(name)};
    art_init(&world->art, key_of);
    world->sorted = malloc(KEYS_MAX * sizeof(*world->sorted));
}

static void finish(struct world *world)
{
    while (world->count > 0) {
        art_remove(&world->art, world->sorted[world->count - 1]);
        free(world->sorted[--world->count]);
    }
    art_check(&world->art);
    assert_int_equal(world->art.bytes, 0);
    free(world->sorted);
}

static void behaves_like_a_sorted_array(void **state)
{
    struct world world;
    static char key_buffer[LONG_KEY];
    static char after_buffer[LONG_KEY];
    start(&world, __func__);
    for (size_t round = 0; round < 20; round++) {
        bool grows = one_in(&world.random, 2) || world.count < 100;
        size_t operations = between(&world.random, 1, 1500);
        for (size_t i = 0; i < operations; i++)
            insert_or_remove(&world, draw_key(&world, key_buffer), grows);
        art_check(&world.art);
        assert_int_equal(world.art.items, world.count);
        for (size_t i = 0; i < 60; i++)
            look_at(&world, draw_key(&world, key_buffer), draw_key(&world, after_buffer));
    }
    finish(&world);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    struct world world;
    static char buffer[LONG_KEY];
    start(&world, __func__);
    for (size_t i = 0; i < 4000; i++) {
        bytes key = draw_key(&world, buffer);
        size_t at = lower_bound(&world, key);
        if (at < world.count && compare(key_of(world.sorted[at]), key) == 0)
            continue;
        struct item *item = make_item(key);
        mem_fail_after(0);
        bool is_in = art_insert(&world.art, item);
        mem_fail_after(-1);
        if (is_in)
            art_remove(&world.art, item);
        free(item);
        insert_or_remove(&world, key, true);
        if (i % 400 == 0)
            art_check(&world.art);
    }
    finish(&world);
}

static void a_discarded_tree_is_freed_in_portions(void **state)
{
    struct world world;
    static char buffer[LONG_KEY];
    struct art_garbage garbage = {0};
    start(&world, __func__);
    for (size_t i = 0; i < 5000; i++)
        insert_or_remove(&world, draw_key(&world, buffer), true);
    art_discard(&world.art, &garbage);
    assert_int_equal(world.art.items, 0);
    assert_int_equal(art_count(&world.art, (bytes){"", 0}), 0);
    size_t steps = 0;
    while (!art_reclaim(&garbage, 10))
        steps++;
    assert_true(steps > 10);
    assert_int_equal(garbage.bytes, 0);
    while (world.count > 0)
        free(world.sorted[--world.count]);
    free(world.sorted);
}

static void keys_of_users_and_profiles_take_little_memory(void **state)
{
    enum { users = 100000, profiles = 10, shards = 16 };
    struct art arts[shards];
    struct random random = property_start(__func__);
    struct item **items = malloc(users * profiles * sizeof(*items));
    for (size_t i = 0; i < shards; i++)
        art_init(&arts[i], key_of);
    for (size_t i = 0; i < (size_t)users * profiles; i++) {
        char key[32];
        int len = snprintf(key, sizeof(key), "user:%06zu:profile:%zu", i / profiles, i % profiles);
        items[i] = make_item((bytes){key, (size_t)len});
        assert_true(art_insert(&arts[random_below(&random, shards)], items[i]));
    }
    size_t sum = 0;
    struct art_garbage garbage = {0};
    for (size_t i = 0; i < shards; i++) {
        sum += arts[i].bytes;
        art_discard(&arts[i], &garbage);
    }
    printf("# %.1f bytes a key\n", (double)sum / (users * profiles));
    assert_true(sum <= 30UL * users * profiles);
    assert_true(art_reclaim(&garbage, SIZE_MAX));
    for (size_t i = 0; i < (size_t)users * profiles; i++)
        free(items[i]);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_a_sorted_array),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
        cmocka_unit_test(a_discarded_tree_is_freed_in_portions),
        cmocka_unit_test(keys_of_users_and_profiles_take_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

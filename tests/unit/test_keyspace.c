/* The keyspace against a model: for every key of every database its value, encoding and deadline. Keys are short, empty
   and longer than a header can say; values inline and boxed, compressed or not; deadlines near and far; memory runs out
   at random. */
#include "property.h"

#include "base/mem.h"
#include "keyspace/evict.h"
#include "keyspace/prefix.h"

#include <pthread.h>
#include <string.h>

enum { DBS = 3, KEYS = 400, VALUE_MAX = 3000, LONG_KEY = 700 };

/* What a key should be. */
struct expected {
    bool exists;
    bool is_compressed;
    enum string_encoding encoding;
    int64_t deadline_ms;
    size_t len;
    char value[VALUE_MAX];
};

struct world {
    struct keyspace ks;
    char *names[KEYS];
    size_t name_lens[KEYS];
    struct expected *model; /* DBS * KEYS */
    bool is_memory_short;
    struct ks_rule rule; /* by which a key is just being evicted */
    bool is_evicting;    /* keys are evicted, and how is changed again and again */
    int64_t now_ms;      /* a whole number of the wheel's ticks */
    struct random random;
    size_t visited;
};

static const int64_t start_ms = 1700000000000 / WHEEL_TICK_MS * WHEEL_TICK_MS;

static struct expected *expected(struct world *world, size_t db, size_t i)
{
    return &world->model[db * KEYS + i];
}

/* A key past its deadline is no key, whether its memory was given back or not. */
static bool lives(const struct world *world, const struct expected *e)
{
    return e->exists && e->deadline_ms > world->now_ms;
}

static void make_name(struct world *world, size_t i)
{
    size_t len = i == 0 ? 0 : i % 50 == 0 ? LONG_KEY : i % 51 == 0 ? ENTRY_SHORT_KEY_MAX + (i / 51) % 2 : 4 + i % 30;
    char *name = test_calloc(len + 1, 1);
    for (size_t at = 0; at < len; at++)
        name[at] = (char)(i >> (at % 4 * 8));
    world->names[i] = name;
    world->name_lens[i] = len;
}

static void world_open(struct world *world, const char *test, size_t shards, bool is_locking)
{
    memset(world, 0, sizeof(*world));
    world->random = property_start(test);
    world->now_ms = start_ms;
    world->model = test_calloc(DBS * KEYS, sizeof(*world->model));
    for (size_t i = 0; i < KEYS; i++)
        make_name(world, i);
    assert_int_equal(ks_init(&world->ks, shards, is_locking, DBS), KS_OK);
    atomic_store(&world->ks.access.log_factor, 10);
    atomic_store(&world->ks.access.decay_minutes, 1);
}

static void world_close(struct world *world)
{
    ks_free(&world->ks);
    for (size_t i = 0; i < KEYS; i++)
        test_free(world->names[i]);
    test_free(world->model);
}

static bytes name_of(const struct world *world, size_t i)
{
    return (bytes){world->names[i], world->name_lens[i]};
}

static void assert_string(const struct entry *entry, bytes value)
{
    struct string_view view;
    assert_int_equal(entry_string_len(entry), value.len);
    assert_true(view_open(&view, entry));
    assert_true(bytes_equal(view.value, value));
    view_close(&view);
}

/* Looks a key up; all shards are locked. What is found must be what the model says. */
static struct ks_key look_up(struct world *world, size_t db, size_t i)
{
    bytes name = name_of(world, i);
    struct ks_key key = ks_find(&world->ks, db, name, ks_hash(&world->ks, name), world->now_ms);
    const struct expected *e = expected(world, db, i);
    assert_int_equal(key.entry != NULL, lives(world, e));
    if (key.entry == NULL)
        return key;
    assert_true(bytes_equal(entry_key(key.entry), name));
    assert_string(key.entry, (bytes){e->value, e->len});
    assert_int_equal(entry_is_compressed(key.entry), e->is_compressed);
    assert_int_equal(key.entry->encoding, e->encoding);
    assert_int_equal(key.entry->type, TYPE_STRING);
    assert_true(entry_deadline_ms(key.entry) == e->deadline_ms);
    return key;
}

static void scarce(struct world *world)
{
    if (world->is_memory_short && one_in(&world->random, 2))
        mem_fail_after((long)random_below(&world->random, 4));
}

/* The outcome of an operation that may run out of memory: did it happen? */
static bool succeeded(struct world *world, enum ks_status status)
{
    mem_fail_after(-1);
    assert_true(status == KS_OK || world->is_memory_short);
    return status == KS_OK;
}

static size_t draw_len(struct world *world)
{
    switch (random_below(&world->random, 6)) {
    case 0:
        return 0;
    case 1:
        return between(&world->random, ENTRY_INLINE_MAX - 2, ENTRY_INLINE_MAX + 2);
    case 2:
        return between(&world->random, 0, VALUE_MAX);
    default:
        return between(&world->random, 1, 100);
    }
}

/* Near ones often, so that keys expire during a test; some exactly at a time that the test's clock will show. */
static int64_t draw_deadline(struct world *world)
{
    switch (random_below(&world->random, 8)) {
    case 0:
        return NO_DEADLINE - 1 - (int64_t)random_below(&world->random, 1000);
    case 1:
    case 2:
        return world->now_ms + (int64_t)between(&world->random, 1, 4) * WHEEL_TICK_MS;
    default:
        return world->now_ms + 1 + (int64_t)(random_next(&world->random) >> between(&world->random, 40, 60));
    }
}

/* Of one byte, or all at random, or a mixture, so that values compress very well, not at all, or to all sizes between.
 */
static void draw_value(struct world *world, char *value, size_t len)
{
    memset(value, (int)random_below(&world->random, 256), len);
    size_t random = one_in(&world->random, 2) ? 0 : one_in(&world->random, 2) ? len : between(&world->random, 0, len);
    for (size_t i = 0; i < random; i++)
        value[i] = (char)random_next(&world->random);
}

/* Half of the time as a compressed value, where the value has that form. */
static enum ks_status put_in_some_form(struct world *world, struct ks_key *key, bytes value,
                                       enum string_encoding encoding, int64_t deadline_ms, bool *is_compressed)
{
    size_t len;
    char *compressed = one_in(&world->random, 2) ? compressed_make(value, &len) : NULL;
    *is_compressed = compressed != NULL;
    if (compressed == NULL)
        return ks_put_string(key, value, encoding, deadline_ms, world->now_ms);
    assert_true(8 * len <= 7 * value.len);
    enum ks_status status = ks_put_compressed(key, (bytes){compressed, len}, encoding, deadline_ms, world->now_ms);
    mem_free(compressed);
    return status;
}

static void put(struct world *world, size_t db, size_t i)
{
    struct ks_key key = look_up(world, db, i);
    struct expected *e = expected(world, db, i);
    char value[VALUE_MAX];
    size_t len = draw_len(world);
    draw_value(world, value, len);
    bool is_compressed;
    enum string_encoding encoding = (enum string_encoding)random_below(&world->random, 3);
    bool existed = lives(world, e);
    int64_t deadline_ms = one_in(&world->random, 3)   ? KEEP_DEADLINE
                          : one_in(&world->random, 2) ? NO_DEADLINE
                                                      : draw_deadline(world);
    scarce(world);
    if (!succeeded(world, put_in_some_form(world, &key, (bytes){value, len}, encoding, deadline_ms, &is_compressed)))
        return;
    if (deadline_ms == KEEP_DEADLINE)
        deadline_ms = existed ? e->deadline_ms : NO_DEADLINE;
    *e = (struct expected){
        .exists = true, .is_compressed = is_compressed, .encoding = encoding, .deadline_ms = deadline_ms, .len = len};
    memcpy(e->value, value, len);
}

static void resize(struct world *world, size_t db, size_t i)
{
    struct ks_key key = look_up(world, db, i);
    struct expected *e = expected(world, db, i);
    if (!lives(world, e))
        *e = (struct expected){.deadline_ms = NO_DEADLINE};
    size_t len = draw_len(world);
    char *data;
    scarce(world);
    if (!succeeded(world, ks_resize_string(&key, len, world->now_ms, &data)))
        return;
    e->exists = true;
    e->is_compressed = false;
    e->encoding = STRING_RAW;
    if (len > e->len)
        memset(e->value + e->len, 0, len - e->len);
    e->len = len;
    assert_memory_equal(data, e->value, len);
    memset(data, 'x', len < 3 ? len : 3);
    memset(e->value, 'x', len < 3 ? len : 3);
}

static void set_deadline(struct world *world, size_t db, size_t i)
{
    struct ks_key key = look_up(world, db, i);
    if (key.entry == NULL)
        return;
    int64_t deadline_ms = one_in(&world->random, 3) ? NO_DEADLINE : draw_deadline(world);
    scarce(world);
    if (succeeded(world, ks_set_deadline(&key, deadline_ms, world->now_ms)))
        expected(world, db, i)->deadline_ms = deadline_ms;
}

static void delete_key(struct world *world, size_t db, size_t i)
{
    struct ks_key key = look_up(world, db, i);
    if (key.entry == NULL)
        return;
    scarce(world); /* deleting needs no memory */
    ks_delete(&key);
    mem_fail_after(-1);
    expected(world, db, i)->exists = false;
}

static void copy_or_move(struct world *world, size_t db, size_t i)
{
    size_t to_db = (size_t)random_below(&world->random, DBS);
    size_t to_i = one_in(&world->random, 3) ? i : (size_t)random_below(&world->random, KEYS);
    if (to_db == db && to_i == i)
        return;
    struct ks_key from = look_up(world, db, i);
    struct ks_key to = look_up(world, to_db, to_i);
    if (from.entry == NULL)
        return;
    bool is_move = one_in(&world->random, 2);
    scarce(world);
    if (!succeeded(world, is_move ? ks_move(&from, &to) : ks_copy(&from, &to, world->now_ms)))
        return;
    *expected(world, to_db, to_i) = *expected(world, db, i);
    if (is_move)
        expected(world, db, i)->exists = false;
    assert_int_equal(from.entry == NULL, is_move);
}

static void flush(struct world *world, size_t db)
{
    scarce(world); /* neither does flushing */
    for (size_t i = 0; i < world->ks.shard_count; i++)
        ks_flush(&world->ks, &world->ks.shards[i], db);
    mem_fail_after(-1);
    for (size_t i = 0; i < KEYS; i++)
        expected(world, db, i)->exists = false;
}

static void swap(struct world *world, size_t a, size_t b)
{
    for (size_t i = 0; i < world->ks.shard_count; i++)
        ks_swap(&world->ks, &world->ks.shards[i], a, b);
    for (size_t i = 0; i < KEYS && a != b; i++) {
        struct expected saved = *expected(world, a, i);
        *expected(world, a, i) = *expected(world, b, i);
        *expected(world, b, i) = saved;
    }
}

/* A key goes by itself: it must be there, and nothing may be evicted that the rule spares. */
static void see_removed(void *context, struct shard *shard, size_t db, const struct entry *entry, uint64_t hash,
                        enum ks_removal why)
{
    struct world *world = context;
    assert_true(ks_is_locked(shard));
    assert_true(hash == ks_hash(&world->ks, entry_key(entry)));
    for (size_t i = 0; i < KEYS; i++) {
        struct expected *e = expected(world, db, i);
        if (!e->exists || !bytes_equal(name_of(world, i), entry_key(entry)))
            continue;
        assert_true(why == KS_EXPIRED ? e->deadline_ms <= world->now_ms
                                      : !world->rule.is_volatile || e->deadline_ms != NO_DEADLINE);
        e->exists = false;
        return;
    }
    fail_msg("a key was removed that is not there");
}

/* Evicts by any rule, whatever uses are remembered for. */
static void evict_something(struct world *world)
{
    struct shard *shard = &world->ks.shards[random_below(&world->random, world->ks.shard_count)];
    world->rule = (struct ks_rule){
        .choice = (enum ks_choice)between(&world->random, KS_CHOOSE_LRU, KS_CHOOSE_S3FIFO),
        .samples = (int)between(&world->random, 1, 20),
    };
    if (world->rule.choice != KS_CHOOSE_S3FIFO)
        world->rule.is_volatile = world->rule.choice == KS_CHOOSE_TTL || one_in(&world->random, 2);
    scarce(world); /* evicting needs no memory */
    enum ks_evicted result;
    do {
        result = ks_evict(&world->ks, shard, &world->rule, world->now_ms);
    } while (result == KS_EVICTED_NOT_YET);
    mem_fail_after(-1);
    size_t candidates = 0;
    for (size_t db = 0; db < DBS; db++)
        candidates += world->rule.is_volatile ? shard->dbs[db].with_deadline : shard->dbs[db].keys.used;
    assert_true(result == KS_EVICTED_ONE || candidates == 0);
    world->rule = (struct ks_rule){0};
    if (one_in(&world->random, 10))
        (void)!ks_evict_oldest(&world->ks, one_in(&world->random, 2));
}

static void change_order(struct world *world)
{
    struct keyspace *ks = &world->ks;
    switch (random_below(&world->random, 5)) {
    case 0:
        atomic_store(&ks->access.kind, (int)between(&world->random, ACCESS_TIME, ACCESS_QUEUE));
        break;
    case 1:
        atomic_store(&ks->is_bounded, false);
        break;
    case 2:
        ks_unlock_all(ks);
        ks_start_bound(ks);
        ks_lock_all(ks);
        break;
    case 3:
        atomic_store(&ks->is_metered, false);
        break;
    default:
        ks_start_meter(ks);
        break;
    }
}

/* The counts that only exist while they are asked for. */
static void check_counts(struct world *world)
{
    struct keyspace *ks = &world->ks;
    struct ks_figures figures = ks_measure(ks, KS_ALL_DBS);
    if (atomic_load(&ks->is_bounded))
        assert_int_equal(ks_keys_and_places(ks), figures.keys);
    if (atomic_load(&ks->is_metered))
        assert_int_equal(ks_metered_bytes(ks), figures.entry_bytes + figures.table_bytes + figures.prefix_bytes +
                                                   figures.eviction_bytes + atomic_load(&ks->garbage_bytes));
}

static void evict_or_order(struct world *world)
{
    size_t shard = (size_t)random_below(&world->random, world->ks.shard_count);
    if (one_in(&world->random, 50))
        change_order(world);
    if (one_in(&world->random, 2))
        evict_something(world);
    struct ks_key key = look_up(world, (size_t)random_below(&world->random, DBS), random_below(&world->random, KEYS));
    scarce(world); /* a use without a rank takes memory, and is a use if there is none */
    if (key.entry != NULL)
        ks_touch(&key, world->now_ms);
    mem_fail_after(-1);
    if (one_in(&world->random, 4))
        ks_order(&world->ks, &world->ks.shards[shard], between(&world->random, 1, 50), world->now_ms);
    check_counts(world);
}

static void change_something(struct world *world)
{
    if (world->is_evicting && one_in(&world->random, 3))
        evict_or_order(world);
    size_t db = (size_t)random_below(&world->random, DBS);
    size_t i = (size_t)random_below(&world->random, KEYS);
    switch (random_below(&world->random, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        put(world, db, i);
        break;
    case 4:
        resize(world, db, i);
        break;
    case 5:
    case 6:
        set_deadline(world, db, i);
        break;
    case 7:
        delete_key(world, db, i);
        break;
    case 8:
    case 9:
        copy_or_move(world, db, i);
        break;
    case 10:
        if (one_in(&world->random, 30))
            flush(world, db);
        break;
    default:
        if (one_in(&world->random, 20))
            swap(world, db, (size_t)random_below(&world->random, DBS));
        break;
    }
}

/* Expires everything that is due, in portions. */
static void expire_all(struct world *world)
{
    for (size_t i = 0; i < world->ks.shard_count; i++)
        while (ks_expire(&world->ks, &world->ks.shards[i], world->now_ms, 7) == 0)
            continue;
    for (size_t i = 0; i < DBS * KEYS; i++)
        if (!lives(world, &world->model[i]))
            world->model[i].exists = false;
}

static void count_entry(void *context, void *item)
{
    struct world *world = context;
    world->visited++;
    (void)item;
}

/* Every figure, counted from the model. Nothing in the keyspace may be past its deadline. */
static void check_figures(struct world *world)
{
    for (size_t db = 0; db < DBS; db++) {
        size_t keys = 0;
        size_t with_deadline = 0;
        size_t compressed = 0;
        __int128 sum = 0;
        for (size_t i = 0; i < KEYS; i++) {
            const struct expected *e = expected(world, db, i);
            keys += e->exists;
            compressed += e->exists && e->is_compressed;
            if (e->exists && e->deadline_ms != NO_DEADLINE) {
                with_deadline++;
                sum += e->deadline_ms;
            }
        }
        struct ks_figures figures = ks_measure(&world->ks, (int)db);
        assert_int_equal(figures.keys, keys);
        assert_int_equal(figures.with_deadline, with_deadline);
        assert_int_equal(figures.compressed, compressed);
        assert_true(figures.deadline_sum_ms == sum);
        world->visited = 0;
        for (size_t i = 0; i < world->ks.shard_count; i++)
            ks_visit_shard(&world->ks, &world->ks.shards[i], db, count_entry, world);
        assert_int_equal(world->visited, keys);
    }
}

/* The prefix index, complete, half built or absent: a walk in order, behind a key, that ends early. */
struct prefix_walk {
    const struct world *world;
    size_t db;
    bytes prefix;
    bytes after;
    bytes last; /* the entry visited before; at is NULL before the first */
    size_t left;
    size_t visited;
};

static int compare_names(bytes a, bytes b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least > 0 ? memcmp(a.at, b.at, least) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool begins_with(bytes name, bytes prefix)
{
    return name.len >= prefix.len && (prefix.len == 0 || memcmp(name.at, prefix.at, prefix.len) == 0);
}

static bool walk_on(void *context, void *item)
{
    struct prefix_walk *walk = context;
    bytes name = entry_key(item);
    assert_true(begins_with(name, walk->prefix) && compare_names(name, walk->after) > 0);
    assert_true(walk->last.at == NULL || compare_names(name, walk->last) > 0);
    walk->last = name;
    walk->visited++;
    return --walk->left > 0;
}

/* All shards are locked and nothing is past its deadline. */
static void check_prefix(struct world *world, size_t db)
{
    bytes name = name_of(world, (size_t)random_below(&world->random, KEYS));
    bytes prefix = {name.at, between(&world->random, 0, name.len)};
    bytes after = name_of(world, (size_t)random_below(&world->random, KEYS));
    size_t expected_count = 0;
    size_t expected_behind = 0;
    for (size_t i = 0; i < KEYS; i++) {
        bool matches = expected(world, db, i)->exists && begins_with(name_of(world, i), prefix);
        expected_count += matches;
        expected_behind += matches && compare_names(name_of(world, i), after) > 0;
    }
    size_t count = 0;
    size_t behind = 0;
    size_t limit = one_in(&world->random, 2) ? SIZE_MAX : between(&world->random, 1, 5);
    for (size_t i = 0; i < world->ks.shard_count; i++) {
        struct prefix_walk walk = {.world = world, .db = db, .prefix = prefix, .after = after, .left = limit};
        count += ks_count_prefix(&world->ks.shards[i], db, prefix, world->now_ms);
        assert_int_equal(ks_visit_prefix(&world->ks.shards[i], db, prefix, &after, walk_on, &walk), KS_OK);
        assert_true(walk.visited <= limit);
        behind += walk.visited;
    }
    assert_int_equal(count, expected_count);
    if (limit == SIZE_MAX)
        assert_int_equal(behind, expected_behind);
}

/* Wants the index or not, and goes on with building or dropping it. */
static void work_on_prefixes(struct world *world)
{
    if (one_in(&world->random, 4))
        ks_want_prefixes(&world->ks, one_in(&world->random, 3) ? false : true);
    for (size_t i = 0; i < world->ks.shard_count; i++) {
        scarce(world);
        (void)succeeded(world, ks_build_prefixes(&world->ks, &world->ks.shards[i], between(&world->random, 0, 40)));
    }
}

static void check(struct world *world)
{
    ks_lock_all(&world->ks);
    expire_all(world);
    ks_unlock_all(&world->ks);
    ks_check(&world->ks);
    check_figures(world);
    ks_lock_all(&world->ks);
    for (size_t db = 0; db < DBS; db++)
        for (size_t i = 0; i < KEYS; i++)
            look_up(world, db, i);
    for (size_t i = 0; i < 10; i++)
        check_prefix(world, (size_t)random_below(&world->random, DBS));
    ks_unlock_all(&world->ks);
}

static void pass_time(struct world *world)
{
    world->now_ms += WHEEL_TICK_MS * (int64_t)(random_next(&world->random) >> between(&world->random, 48, 63));
}

static void run(struct world *world, size_t batches)
{
    for (size_t batch = 0; batch < batches; batch++) {
        ks_lock_all(&world->ks);
        for (size_t i = between(&world->random, 1, 400); i > 0; i--) {
            if (one_in(&world->random, 20)) /* keys past their deadline are met before they are expired */
                pass_time(world);
            change_something(world);
            if (one_in(&world->random, 50))
                work_on_prefixes(world);
        }
        pass_time(world);
        if (one_in(&world->random, 2))
            ks_expire(&world->ks, &world->ks.shards[0], world->now_ms, between(&world->random, 1, 20));
        ks_unlock_all(&world->ks);
        ks_reclaim(&world->ks, between(&world->random, 1, 50));
        check(world);
    }
    while (!ks_reclaim(&world->ks, 100))
        continue;
    assert_int_equal(atomic_load(&world->ks.garbage_bytes), 0);
}

static void holds_what_the_model_holds_in_one_shard(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1, false);
    run(&world, 200);
    world_close(&world);
}

static void holds_what_the_model_holds_in_many_shards(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 16, true);
    run(&world, 200);
    world_close(&world);
}

static void running_out_of_memory_leaves_everything_as_it_was(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 4, true);
    world.is_memory_short = true;
    run(&world, 200);
    world_close(&world);
}

static void evicting_world(struct world *world, const char *test, size_t shards)
{
    world_open(world, test, shards, shards > 1);
    world->ks.observer = (struct ks_observer){.removed = see_removed, .context = world};
    world->is_evicting = true;
}

static void eviction_takes_nothing_but_what_it_says_in_one_shard(void **state)
{
    (void)state;
    struct world world;
    evicting_world(&world, __func__, 1);
    run(&world, 200);
    world_close(&world);
}

static void eviction_takes_nothing_but_what_it_says_in_many_shards(void **state)
{
    (void)state;
    struct world world;
    evicting_world(&world, __func__, 16);
    run(&world, 200);
    world_close(&world);
}

static void eviction_works_without_memory(void **state)
{
    (void)state;
    struct world world;
    evicting_world(&world, __func__, 4);
    world.is_memory_short = true;
    run(&world, 200);
    world_close(&world);
}

/* Fills the first database with all keys, without deadlines. */
static void fill(struct world *world)
{
    ks_lock_all(&world->ks);
    for (size_t i = 0; i < KEYS; i++) {
        struct ks_key key = look_up(world, 0, i);
        assert_int_equal(ks_put_string(&key, BYTES("v"), STRING_EMBSTR, NO_DEADLINE, world->now_ms), KS_OK);
        *expected(world, 0, i) = (struct expected){.exists = true, .deadline_ms = NO_DEADLINE, .len = 1, .value = "v"};
    }
    ks_unlock_all(&world->ks);
}

static void a_scan_visits_every_key_once_within_its_budget(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 32, true);
    for (int round = 0; round < 2; round++) { /* empty first, then full */
        for (size_t entries = 1; entries < 2 * KEYS; entries = entries * 3 / 2 + 1) {
            uint64_t cursor = 0;
            world.visited = 0;
            do {
                struct ks_scan_budget budget = {.entries = entries, .buckets = between(&world.random, 1, 100)};
                size_t buckets = budget.buckets;
                size_t before = world.visited;
                cursor = ks_scan(&world.ks, 0, cursor, &budget, count_entry, &world);
                assert_true(budget.buckets <= buckets);
                assert_int_equal(budget.entries,
                                 world.visited - before < entries ? entries - (world.visited - before) : 0);
            } while (cursor != 0);
            assert_int_equal(world.visited, round == 0 ? 0 : KEYS);
        }
        fill(&world);
    }
    world_close(&world);
}

static void a_scan_of_few_keys_is_not_charged_for_empty_shards(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 32, true);
    ks_lock_all(&world.ks);
    put(&world, 0, 1);
    put(&world, 0, 2);
    ks_unlock_all(&world.ks);
    struct ks_scan_budget budget = {.entries = 10, .buckets = 3};
    uint64_t cursor = 0;
    do {
        cursor = ks_scan(&world.ks, 0, cursor, &budget, count_entry, &world);
    } while (cursor != 0);
    assert_int_equal(world.visited, 2);
    assert_true(budget.buckets > 0);
    world_close(&world);
}

static size_t name_index(const struct world *world, bytes name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (bytes_equal(name_of(world, i), name))
            return i;
    fail_msg("a key that was never stored");
    return 0;
}

struct draws {
    struct world *world;
    unsigned counts[KEYS];
};

static void count_draw(void *context, void *item)
{
    struct draws *draws = context;
    draws->counts[name_index(draws->world, entry_key(item))]++;
}

static void a_random_key_is_any_key_that_lives(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 8, true);
    struct draws draws = {.world = &world};
    assert_false(ks_random(&world.ks, 0, &world.random, world.now_ms, count_draw, &draws));
    fill(&world);
    ks_lock_all(&world.ks);
    for (size_t i = 0; i < KEYS; i += 2) {
        struct ks_key key = look_up(&world, 0, i);
        assert_int_equal(ks_set_deadline(&key, world.now_ms + 5, world.now_ms), KS_OK);
    }
    ks_unlock_all(&world.ks);
    world.now_ms += WHEEL_TICK_MS;
    for (size_t i = 0; i < 100 * KEYS; i++)
        assert_true(ks_random(&world.ks, 0, &world.random, world.now_ms, count_draw, &draws));
    for (size_t i = 0; i < KEYS; i++) {
        if (i % 2 == 0)
            assert_int_equal(draws.counts[i], 0);
        else
            assert_in_range(draws.counts[i], 100, 320); /* 200 expected, deviation 14 */
    }
    assert_int_equal(ks_measure(&world.ks, KS_ALL_DBS).keys, KEYS / 2);
    assert_false(ks_random(&world.ks, 1, &world.random, world.now_ms, count_draw, &draws));
    world_close(&world);
}

static void keys_that_expire_are_counted_once(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 2, true);
    fill(&world);
    ks_lock_all(&world.ks);
    for (size_t i = 0; i < KEYS; i++) {
        struct ks_key key = look_up(&world, 0, i);
        assert_int_equal(ks_set_deadline(&key, world.now_ms + 1, world.now_ms), KS_OK);
        expected(&world, 0, i)->deadline_ms = world.now_ms + 1;
    }
    world.now_ms += WHEEL_TICK_MS;
    for (size_t i = 0; i < KEYS; i += 4)
        assert_null(look_up(&world, 0, i).entry);
    expire_all(&world);
    ks_unlock_all(&world.ks);
    assert_int_equal(ks_measure(&world.ks, 0).expired, KEYS);
    ks_reset_counters(&world.ks);
    assert_int_equal(ks_measure(&world.ks, 0).expired, 0);
    check(&world);
    world_close(&world);
}

static void a_flush_is_given_back_in_portions(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1, false);
    fill(&world);
    ks_lock_all(&world.ks);
    flush(&world, 0);
    ks_unlock_all(&world.ks);
    assert_int_equal(ks_measure(&world.ks, 0).keys, 0);
    assert_true(atomic_load(&world.ks.garbage_bytes) > 0);
    size_t portions = 0;
    while (!ks_reclaim(&world.ks, 20))
        portions++;
    assert_in_range(portions, KEYS / 100, KEYS / 20 + 1);
    assert_int_equal(atomic_load(&world.ks.garbage_bytes), 0);
    world_close(&world);
}

/* Each is too small to be put aside by itself. */
static void a_flush_of_long_values_is_given_back_by_their_bytes(void **state)
{
    (void)state;
    enum { keys = 400, long_value = 100 * 1000, portion = 50, entries_at_once = 16 };
    struct world world;
    world_open(&world, __func__, 1, false);
    ks_lock_all(&world.ks);
    for (size_t i = 0; i < keys; i++) {
        char *data;
        struct ks_key key = look_up(&world, 0, i);
        assert_int_equal(ks_resize_string(&key, long_value, world.now_ms, &data), KS_OK);
    }
    flush(&world, 0);
    ks_unlock_all(&world.ks);
    for (bool is_gone = false; !is_gone;) {
        size_t before = atomic_load(&world.ks.garbage_bytes);
        is_gone = ks_reclaim(&world.ks, portion);
        size_t freed = before - atomic_load(&world.ks.garbage_bytes);
        assert_true(freed < portion * 4096 + entries_at_once * (long_value + 1000));
    }
    world_close(&world);
}

static void a_large_value_is_shared_by_its_copy_and_changed_apart(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1, false);
    ks_lock_all(&world.ks);
    static const char value[2000] = {'a'};
    struct ks_key from = look_up(&world, 0, 1);
    assert_int_equal(ks_put_string(&from, (bytes){value, sizeof(value)}, STRING_RAW, NO_DEADLINE, world.now_ms), KS_OK);
    bytes to_name = name_of(&world, 2);
    struct ks_key to = ks_find(&world.ks, 0, to_name, ks_hash(&world.ks, to_name), world.now_ms);
    assert_int_equal(ks_copy(&from, &to, world.now_ms), KS_OK);
    assert_ptr_equal(entry_stored_blob(from.entry), entry_stored_blob(to.entry));
    char *data;
    assert_int_equal(ks_resize_string(&to, sizeof(value), world.now_ms, &data), KS_OK);
    data[0] = 'b';
    assert_string(from.entry, (bytes){value, sizeof(value)});
    ks_unlock_all(&world.ks);
    world_close(&world);
}

/* Recency: seconds since the last use. Frequency: starts at 5, grows with use, falls with time, and goes with the key.
 */
static void use_is_remembered(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1, false);
    ks_lock_all(&world.ks);
    put(&world, 0, 1);
    expected(&world, 0, 1)->deadline_ms = NO_DEADLINE;
    bytes name = name_of(&world, 1);
    uint64_t hash = ks_hash(&world.ks, name);
    struct ks_key key = ks_find(&world.ks, 0, name, hash, world.now_ms);
    assert_int_equal(ks_set_deadline(&key, NO_DEADLINE, world.now_ms), KS_OK);
    assert_int_equal(ks_idle_seconds(&key, world.now_ms + 100000), 100);
    ks_touch(&key, world.now_ms + 60000);
    assert_int_equal(ks_idle_seconds(&key, world.now_ms + 100000), 40);

    atomic_store(&world.ks.access.kind, ACCESS_FREQUENCY);
    ks_delete(&key);
    assert_int_equal(ks_put_string(&key, BYTES("v"), STRING_EMBSTR, NO_DEADLINE, world.now_ms), KS_OK);
    assert_int_equal(ks_frequency(&key, world.now_ms), 5);
    atomic_store(&world.ks.access.log_factor, 0); /* every use counts */
    for (int i = 0; i < 20; i++)
        ks_touch(&key, world.now_ms);
    assert_int_equal(ks_frequency(&key, world.now_ms), 25);
    assert_int_equal(ks_frequency(&key, world.now_ms + 10 * 60000), 15);
    assert_int_equal(ks_frequency(&key, world.now_ms + 100 * 60000), 0);

    bytes to_name = name_of(&world, 2);
    struct ks_key to = ks_find(&world.ks, 0, to_name, ks_hash(&world.ks, to_name), world.now_ms);
    assert_int_equal(ks_copy(&key, &to, world.now_ms), KS_OK);
    assert_int_equal(ks_frequency(&to, world.now_ms), 5);
    assert_int_equal(ks_move(&key, &to), KS_OK);
    assert_int_equal(ks_frequency(&to, world.now_ms), 25);
    ks_unlock_all(&world.ks);
    world_close(&world);
}

static void a_value_that_shrank_gives_memory_back(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1, false);
    ks_lock_all(&world.ks);
    static const char value[1000];
    struct ks_key key = look_up(&world, 0, 1);
    assert_int_equal(ks_put_string(&key, (bytes){value, sizeof(value)}, STRING_RAW, NO_DEADLINE, world.now_ms), KS_OK);
    assert_true(key.db->entry_bytes > 1000);
    assert_int_equal(ks_put_string(&key, (bytes){value, 10}, STRING_RAW, NO_DEADLINE, world.now_ms), KS_OK);
    assert_true(key.db->entry_bytes < 200);
    ks_unlock_all(&world.ks);
    world_close(&world);
}

/* 64 MiB in portions of 1 MiB: deleting puts the value aside, and each portion is a step of its own. */
static void a_large_value_is_given_back_in_portions(void **state)
{
    (void)state;
    enum { large = 64 * 1024 * 1024, pages = 256 };
    struct world world;
    world_open(&world, __func__, 1, false);
    ks_lock_all(&world.ks);
    struct ks_key key = look_up(&world, 0, 1);
    char *data;
    assert_int_equal(ks_resize_string(&key, large, world.now_ms, &data), KS_OK);
    assert_true(key.db->entry_bytes >= large);
    ks_delete(&key);
    assert_int_equal(key.db->entry_bytes, 0);
    assert_true(atomic_load(&world.ks.garbage_bytes) >= large);
    ks_unlock_all(&world.ks);
    int portions = 0;
    while (!ks_reclaim(&world.ks, pages))
        portions++;
    assert_true(portions >= 60);
    assert_int_equal(atomic_load(&world.ks.garbage_bytes), 0);
    world_close(&world);
}

struct prefetching {
    const struct keyspace *ks;
    _Atomic bool must_stop;
};

static void *prefetch_forever(void *context)
{
    struct prefetching *prefetching = context;
    for (uint64_t i = 1; !atomic_load_explicit(&prefetching->must_stop, memory_order_relaxed); i++)
        ks_prefetch(prefetching->ks, i % DBS, i * 0x9e3779b97f4a7c15ULL);
    return NULL;
}

/* The sanitizers watch: one thread prefetches all the time while tables grow, shrink, are flushed and swapped. */
static void prefetching_needs_no_lock(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 2, true);
    world.is_memory_short = true;
    struct prefetching prefetching = {.ks = &world.ks};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, prefetch_forever, &prefetching), 0);
    for (int round = 0; round < 20; round++) {
        ks_lock_all(&world.ks);
        for (size_t i = 0; i < 2000; i++)
            change_something(&world);
        flush(&world, (size_t)round % DBS);
        swap(&world, (size_t)round % DBS, 0);
        ks_unlock_all(&world.ks);
        ks_reclaim(&world.ks, 1000);
    }
    atomic_store(&prefetching.must_stop, true);
    pthread_join(thread, NULL);
    check(&world);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_the_model_holds_in_one_shard),
        cmocka_unit_test(holds_what_the_model_holds_in_many_shards),
        cmocka_unit_test(running_out_of_memory_leaves_everything_as_it_was),
        cmocka_unit_test(eviction_takes_nothing_but_what_it_says_in_one_shard),
        cmocka_unit_test(eviction_takes_nothing_but_what_it_says_in_many_shards),
        cmocka_unit_test(eviction_works_without_memory),
        cmocka_unit_test(a_scan_visits_every_key_once_within_its_budget),
        cmocka_unit_test(a_scan_of_few_keys_is_not_charged_for_empty_shards),
        cmocka_unit_test(a_random_key_is_any_key_that_lives),
        cmocka_unit_test(keys_that_expire_are_counted_once),
        cmocka_unit_test(a_flush_is_given_back_in_portions),
        cmocka_unit_test(a_flush_of_long_values_is_given_back_by_their_bytes),
        cmocka_unit_test(a_large_value_is_shared_by_its_copy_and_changed_apart),
        cmocka_unit_test(use_is_remembered),
        cmocka_unit_test(a_value_that_shrank_gives_memory_back),
        cmocka_unit_test(a_large_value_is_given_back_in_portions),
        cmocka_unit_test(prefetching_needs_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

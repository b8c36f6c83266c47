/* Eviction against naive models: S3-FIFO key by key, the bound on keys in exact order of use over many shards, and what
   each of Redis's rules may and may not take. Sampled rules are made exact by samples as large as the shard. */
#include "property.h"

#include "base/mem.h"
#include "keyspace/evict.h"
#include "structs/ghost.h"

#include <pthread.h>
#include <string.h>

enum { DBS = 3, KEYS = 600, NOBODY = -1 };

static const int64_t start_ms = 1700000000000;

struct world {
    struct keyspace ks;
    struct random random;
    int64_t now_ms;
    int evicted_db; /* the key that went last, NOBODY: none has since it was reset */
    int evicted_key;
};

static void make_name(char name[16], int key)
{
    snprintf(name, 16, "key:%d", key);
}

static void note_removed(void *context, struct shard *shard, size_t db, const struct entry *entry, uint64_t hash,
                         enum ks_removal why)
{
    struct world *world = context;
    assert_true(ks_is_locked(shard) && why == KS_EVICTED && hash == ks_hash(&world->ks, entry_key(entry)));
    assert_int_equal(world->evicted_key, NOBODY);
    char name[16] = "";
    memcpy(name, entry_key(entry).at, entry_key(entry).len);
    world->evicted_db = (int)db;
    world->evicted_key = atoi(name + 4);
}

static void world_open(struct world *world, const char *test, size_t shards, enum access_kind kind)
{
    memset(world, 0, sizeof(*world));
    world->random = property_start(test);
    world->now_ms = start_ms;
    world->evicted_key = NOBODY;
    assert_int_equal(ks_init(&world->ks, shards, shards > 1, DBS), KS_OK);
    world->ks.observer = (struct ks_observer){.removed = note_removed, .context = world};
    atomic_store(&world->ks.access.kind, (int)kind);
    atomic_store(&world->ks.access.log_factor, 0);
    atomic_store(&world->ks.access.decay_minutes, 1);
}

static void world_close(struct world *world)
{
    ks_check(&world->ks);
    ks_free(&world->ks);
}

/* All shards are locked. The name must live as long as the result. */
static struct ks_key find(struct world *world, int db, int key, char name[16])
{
    make_name(name, key);
    bytes slice = bytes_of(name);
    return ks_find(&world->ks, (size_t)db, slice, ks_hash(&world->ks, slice), world->now_ms);
}

static bool put(struct world *world, int db, int key, int64_t deadline_ms)
{
    static const char value[40];
    char name[16];
    struct ks_key found = find(world, db, key, name);
    bool is_new = found.entry == NULL;
    if (!is_new)
        ks_touch(&found, world->now_ms);
    bytes slice = {value, (size_t)random_below(&world->random, sizeof(value))};
    assert_int_equal(ks_put_string(&found, slice, STRING_RAW, deadline_ms, world->now_ms), KS_OK);
    return is_new;
}

static bool touch(struct world *world, int db, int key)
{
    char name[16];
    struct ks_key found = find(world, db, key, name);
    if (found.entry != NULL)
        ks_touch(&found, world->now_ms);
    return found.entry != NULL;
}

static bool delete_key(struct world *world, int db, int key)
{
    char name[16];
    struct ks_key found = find(world, db, key, name);
    bool was_there = found.entry != NULL;
    if (was_there)
        ks_delete(&found);
    return was_there;
}

/* Evicts by a rule and says whether a key went. */
static bool evict(struct world *world, struct shard *shard, const struct ks_rule *rule)
{
    enum ks_evicted result;
    world->evicted_key = NOBODY;
    do {
        result = ks_evict(&world->ks, shard, rule, world->now_ms);
    } while (result == KS_EVICTED_NOT_YET);
    assert_int_equal(result == KS_EVICTED_ONE, world->evicted_key != NOBODY);
    return result == KS_EVICTED_ONE;
}

/* ---- S3-FIFO ---- */

enum line { OUTSIDE, SMALL, MAIN };

/* What s3fifo.c says of itself, with lists in place of items and tickets. Only the ghosts are the real ones. */
struct model {
    struct slot {
        enum line line;
        int uses;
        uint64_t order; /* in its line */
    } slots[DBS][KEYS];
    size_t count[3];
    uint64_t next_order;
    size_t full_keys;
    double small_share;
    struct ghosts ghosts;
};

static size_t model_keys(const struct model *model)
{
    return model->count[SMALL] + model->count[MAIN];
}

static bool model_small_is_full(const struct model *model)
{
    size_t most = (size_t)(model->small_share * (double)model_keys(model));
    return model->count[SMALL] >= (most > 0 ? most : 1);
}

static void model_enter(struct model *model, struct slot *slot, enum line line, int uses)
{
    *slot = (struct slot){.line = line, .uses = uses, .order = ++model->next_order};
    model->count[line]++;
}

static void model_leave(struct model *model, struct slot *slot)
{
    model->count[slot->line]--;
    slot->line = OUTSIDE;
}

static double model_weight(size_t others, size_t own)
{
    double ratio = (double)others / (own > 0 ? (double)own : 1);
    return ratio < 1 ? 1 : ratio > 16 ? 16 : ratio;
}

static void model_admit(struct model *model, struct slot *slot, uint64_t hash)
{
    int ghost = ghosts_take(&model->ghosts, hash);
    size_t keys = model_keys(model);
    double one = 1.0 / (double)(keys > 0 ? keys : 1);
    size_t known[2] = {model->ghosts.kinds[0].known, model->ghosts.kinds[1].known};
    if (ghost == 0)
        model->small_share += model_weight(known[1], known[0]) * one;
    if (ghost == 1)
        model->small_share -= model_weight(known[0], known[1]) * one;
    if (ghost != GHOST_NONE && model->small_share > 0.9)
        model->small_share = 0.9;
    if (ghost != GHOST_NONE && model->small_share < 0.01)
        model->small_share = 0.01;
    bool is_filling = model->full_keys == 0 || keys + keys / 8 < model->full_keys;
    bool is_for_main = ghost != GHOST_NONE || (is_filling && model_small_is_full(model));
    model_enter(model, slot, is_for_main ? MAIN : SMALL, 0);
}

static struct slot *model_front(struct model *model, enum line line)
{
    struct slot *front = NULL;
    for (struct slot *slot = model->slots[0]; slot < model->slots[0] + DBS * KEYS; slot++)
        if (slot->line == line && (front == NULL || slot->order < front->order))
            front = slot;
    return front;
}

/* The slot that goes; it has left the model. */
static struct slot *model_evict(struct model *model, const struct keyspace *ks)
{
    double keys = (double)model_keys(model);
    model->full_keys = model_keys(model);
    ghosts_size(&model->ghosts, (size_t)(0.7 * keys) + 1, (size_t)(0.25 * keys) + 1);
    for (int examined = 0;; examined++) {
        enum line line = model_small_is_full(model) || model->count[MAIN] == 0 ? SMALL : MAIN;
        struct slot *slot = model_front(model, line);
        bool is_spared = examined < 32 && (line == SMALL ? slot->uses >= 2 : slot->uses > 0);
        int uses = line == SMALL ? 0 : slot->uses - 1;
        model_leave(model, slot);
        if (is_spared) {
            model_enter(model, slot, MAIN, uses);
            continue;
        }
        char name[16];
        make_name(name, (int)((slot - model->slots[0]) % KEYS));
        ghosts_add(&model->ghosts, line == SMALL ? 0 : 1, ks_hash(ks, bytes_of(name)));
        return slot;
    }
}

static void s3_put(struct world *world, struct model *model, int db, int key)
{
    char name[16];
    make_name(name, key);
    struct slot *slot = &model->slots[db][key];
    if (put(world, db, key, one_in(&world->random, 10) ? world->now_ms + 1000000 : NO_DEADLINE))
        model_admit(model, slot, ks_hash(&world->ks, bytes_of(name)));
    else
        slot->uses += slot->uses < 2;
}

static void s3_move(struct world *world, struct model *model, int db, int key, int to_db, int to_key)
{
    char name[16];
    char to_name[16];
    if ((db == to_db && key == to_key) || model->slots[db][key].line == OUTSIDE)
        return;
    struct ks_key from = find(world, db, key, name);
    struct ks_key to = find(world, to_db, to_key, to_name);
    assert_int_equal(ks_move(&from, &to), KS_OK);
    struct slot *slot = &model->slots[to_db][to_key];
    if (slot->line == OUTSIDE)
        model_admit(model, slot, to.hash);
    slot->uses = model->slots[db][key].uses;
    model_leave(model, &model->slots[db][key]);
}

static void s3_flush(struct world *world, struct model *model, int db)
{
    ks_flush(&world->ks, &world->ks.shards[0], (size_t)db);
    for (int key = 0; key < KEYS; key++)
        if (model->slots[db][key].line != OUTSIDE)
            model_leave(model, &model->slots[db][key]);
}

static void s3_swap(struct world *world, struct model *model, int a, int b)
{
    ks_swap(&world->ks, &world->ks.shards[0], (size_t)a, (size_t)b);
    for (int key = 0; key < KEYS && a != b; key++) {
        struct slot saved = model->slots[a][key];
        model->slots[a][key] = model->slots[b][key];
        model->slots[b][key] = saved;
    }
}

static void s3_change(struct world *world, struct model *model)
{
    int db = one_in(&world->random, 4) ? (int)random_below(&world->random, DBS) : 0;
    /* some keys far more often than others */
    int key = (int)random_below(&world->random, 1 + random_below(&world->random, KEYS));
    switch (random_below(&world->random, 40)) {
    case 0:
    case 1:
        if (delete_key(world, db, key))
            model_leave(model, &model->slots[db][key]);
        break;
    case 2:
        s3_move(world, model, db, key, (int)random_below(&world->random, DBS), (int)random_below(&world->random, KEYS));
        break;
    case 3:
        if (one_in(&world->random, 100))
            s3_flush(world, model, db);
        if (one_in(&world->random, 30))
            s3_swap(world, model, db, (int)random_below(&world->random, DBS));
        break;
    default:
        if (one_in(&world->random, 2))
            s3_put(world, model, db, key);
        else if (touch(world, db, key))
            model->slots[db][key].uses += model->slots[db][key].uses < 2;
    }
}

static void s3fifo_takes_what_the_model_takes(void **state)
{
    (void)state;
    static const struct ks_rule rule = {.choice = KS_CHOOSE_S3FIFO};
    struct world world;
    world_open(&world, __func__, 1, ACCESS_QUEUE);
    struct model *model = test_calloc(1, sizeof(*model));
    model->small_share = 0.1;
    ks_lock_all(&world.ks);
    while (!ks_order(&world.ks, &world.ks.shards[0], 100, world.now_ms))
        continue;
    size_t evicted = 0;
    for (int i = 0; i < 60000; i++) {
        size_t keys_max = i < 30000 ? 250 : 100;
        s3_change(&world, model);
        while (model_keys(model) > keys_max) {
            assert_true(evict(&world, &world.ks.shards[0], &rule));
            struct slot *slot = model_evict(model, &world.ks);
            assert_true(slot == &model->slots[world.evicted_db][world.evicted_key]);
            evicted++;
        }
        if (i % 5000 == 0)
            ks_check(&world.ks);
    }
    assert_true(evicted > 5000);
    struct ks_eviction_figures figures = ks_measure_eviction(&world.ks);
    assert_int_equal(figures.evicted[KS_CHOOSE_S3FIFO], evicted);
    assert_int_equal(figures.queued[0], model->count[SMALL]);
    assert_int_equal(figures.queued[1], model->count[MAIN]);
    assert_true(figures.small_share == model->small_share);
    assert_true(figures.ghost_hits[0] > 100 && figures.ghost_hits[1] > 10);
    ks_unlock_all(&world.ks);
    ghosts_free(&model->ghosts);
    test_free(model);
    world_close(&world);
}

/* A key that is deleted and set again and again leaves an item each time; they must not add up. */
static void stale_items_do_not_add_up(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1, ACCESS_QUEUE);
    ks_lock_all(&world.ks);
    while (!ks_order(&world.ks, &world.ks.shards[0], 100, world.now_ms))
        continue;
    for (int key = 0; key < 500; key++)
        put(&world, 0, key, NO_DEADLINE);
    size_t most = 0;
    for (int i = 0; i < 100000; i++) {
        delete_key(&world, 0, 550);
        put(&world, 0, 550, NO_DEADLINE);
        size_t bytes = ks_measure_eviction(&world.ks).state_bytes;
        most = bytes > most ? bytes : most;
    }
    assert_true(most < 32 * 1024);
    ks_unlock_all(&world.ks);
    world_close(&world);
}

/* Keys that were there before the policy was chosen are evicted by it like others, and keys outlive that it is given
   up; each step of the change is small. */
static void policies_change_while_there_are_keys(void **state)
{
    (void)state;
    static const struct ks_rule rule = {.choice = KS_CHOOSE_S3FIFO};
    struct world world;
    world_open(&world, __func__, 1, ACCESS_TIME);
    struct shard *shard = &world.ks.shards[0];
    ks_lock_all(&world.ks);
    for (int key = 0; key < KEYS; key++)
        put(&world, key % DBS, key, NO_DEADLINE);
    for (int round = 0; round < 3; round++) {
        int steps = 0;
        atomic_store(&world.ks.access.kind, ACCESS_QUEUE);
        for (; !ks_order(&world.ks, shard, 10, world.now_ms); steps++)
            continue;
        assert_true(steps >= KEYS / 40);
        struct ks_eviction_figures figures = ks_measure_eviction(&world.ks);
        assert_int_equal(figures.queued[0] + figures.queued[1], KEYS - 100 * round);
        for (int i = 0; i < 100; i++)
            assert_true(evict(&world, shard, &rule));
        atomic_store(&world.ks.access.kind, round == 1 ? ACCESS_FREQUENCY : ACCESS_TIME);
        if (round < 2) /* and once it comes back before it is gone */
            while (!ks_order(&world.ks, shard, 10, world.now_ms))
                continue;
        else
            ks_order(&world.ks, shard, 10, world.now_ms);
        ks_check(&world.ks);
    }
    atomic_store(&world.ks.access.kind, ACCESS_QUEUE);
    size_t left = 0;
    while (evict(&world, shard, &rule))
        left++;
    assert_int_equal(left, KEYS - 300);
    ks_unlock_all(&world.ks);
    world_close(&world);
}

/* ---- The bound on keys ---- */

static void the_bound_takes_the_least_recently_used_of_all_shards(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 16, ACCESS_TIME);
    uint64_t *used_at = test_calloc(DBS * KEYS, sizeof(*used_at)); /* 0: not there */
    uint64_t uses = 0;
    size_t keys = 0;
    ks_start_bound(&world.ks);
    for (int i = 0; i < 30000; i++) {
        int db = (int)random_below(&world.random, DBS);
        int key = (int)random_below(&world.random, KEYS);
        uint64_t *last = &used_at[db * KEYS + key];
        ks_lock_all(&world.ks);
        if (one_in(&world.random, 20)) {
            keys -= delete_key(&world, db, key);
            *last = 0;
        } else if (one_in(&world.random, 2)) {
            keys += put(&world, db, key, one_in(&world.random, 9) ? start_ms + 1000000 : KEEP_DEADLINE);
            *last = ++uses;
        } else if (touch(&world, db, key)) {
            *last = ++uses;
        }
        ks_unlock_all(&world.ks);
        assert_int_equal(ks_keys_and_places(&world.ks), keys);
        while (keys > 300) {
            world.evicted_key = NOBODY;
            assert_int_equal(ks_evict_oldest(&world.ks, false), KS_EVICTED_ONE);
            keys--;
            uint64_t *evicted = &used_at[world.evicted_db * KEYS + world.evicted_key];
            for (int j = 0; j < DBS * KEYS; j++)
                assert_true(used_at[j] == 0 || *evicted <= used_at[j]);
            *evicted = 0;
        }
    }
    assert_int_equal(ks_measure_eviction(&world.ks).evicted[KS_CHOOSE_OLDEST] > 3000, true);
    test_free(used_at);
    world_close(&world);
}

/* Keys that nobody used since the bound was set go first, whatever shard they are in; then the others, in order. */
static void keys_from_before_the_bound_go_first(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 8, ACCESS_TIME);
    ks_lock_all(&world.ks);
    for (int key = 0; key < 400; key++)
        put(&world, key % DBS, key, NO_DEADLINE);
    ks_unlock_all(&world.ks);
    ks_start_bound(&world.ks);
    ks_lock_all(&world.ks);
    for (int key = 100; key < 300; key += 2)
        touch(&world, key % DBS, key);
    for (int key = 400; key < 500; key++)
        put(&world, key % DBS, key, NO_DEADLINE);
    ks_unlock_all(&world.ks);
    assert_int_equal(ks_keys_and_places(&world.ks), 500);
    int expected = 100;
    for (int i = 0; i < 500; i++) {
        world.evicted_key = NOBODY;
        enum ks_evicted result;
        while ((result = ks_evict_oldest(&world.ks, false)) == KS_EVICTED_NOT_YET)
            continue;
        assert_int_equal(result, KS_EVICTED_ONE);
        bool was_used = world.evicted_key >= 400 ||
                        (world.evicted_key >= 100 && world.evicted_key < 300 && world.evicted_key % 2 == 0);
        assert_int_equal(was_used, i >= 300);
        if (was_used) {
            assert_int_equal(world.evicted_key, expected);
            expected += expected < 298 ? 2 : expected == 298 ? 102 : 1;
        }
    }
    assert_int_equal(ks_evict_oldest(&world.ks, false), KS_EVICTED_NONE);
    assert_int_equal(ks_keys_and_places(&world.ks), 0);
    world_close(&world);
}

static void locked_shards_give_up_their_own_oldest(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 4, ACCESS_TIME);
    ks_start_bound(&world.ks);
    ks_lock_all(&world.ks);
    for (int key = 0; key < 100; key++)
        put(&world, 0, key, NO_DEADLINE);
    ks_unlock_all(&world.ks);
    struct shard *shard = &world.ks.shards[2];
    size_t count = shard->dbs[0].keys.used;
    ks_lock(&world.ks, shard);
    for (int last = -1; count > 0; count--) {
        world.evicted_key = NOBODY;
        assert_int_equal(ks_evict_oldest(&world.ks, true), KS_EVICTED_ONE);
        assert_true(world.evicted_key > last);
        last = world.evicted_key;
        assert_int_equal(shard->dbs[0].keys.used, count - 1);
    }
    assert_int_equal(ks_evict_oldest(&world.ks, true), KS_EVICTED_NONE);
    ks_unlock(&world.ks, shard);
    world_close(&world);
}

struct reserving {
    struct keyspace *ks;
    _Atomic size_t *held;
    size_t most;
    _Atomic bool *was_exceeded;
};

/* Reserves, pretends to hold keys, and gives them back, as commands do that add and delete. */
static void *reserve(void *context)
{
    struct reserving *reserving = context;
    for (size_t i = 0; i < 100000; i++) {
        size_t count = 1 + i % 3;
        if (!ks_reserve_keys(reserving->ks, count, reserving->most))
            continue;
        if (atomic_fetch_add(reserving->held, count) + count > reserving->most)
            atomic_store(reserving->was_exceeded, true);
        atomic_fetch_sub(reserving->held, count);
        ks_unreserve_keys(reserving->ks, count);
    }
    return NULL;
}

static void places_are_never_more_than_the_bound(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 8, ACCESS_TIME);
    ks_start_bound(&world.ks);
    _Atomic size_t held = 0;
    _Atomic bool was_exceeded = false;
    struct reserving reserving = {.ks = &world.ks, .held = &held, .most = 5, .was_exceeded = &was_exceeded};
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_create(&threads[i], NULL, reserve, &reserving);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_false(was_exceeded);
    assert_int_equal(ks_keys_and_places(&world.ks), 0);
    assert_true(ks_reserve_keys(&world.ks, 5, 5));
    assert_false(ks_reserve_keys(&world.ks, 1, 5));
    ks_settle_keys(&world.ks, 3, 5); /* of five places three became keys */
    assert_true(ks_reserve_keys(&world.ks, 2, 5));
    assert_false(ks_reserve_keys(&world.ks, 1, 5));
    ks_unreserve_keys(&world.ks, 2);
    assert_int_equal(ks_keys_and_places(&world.ks), 3);
    world_close(&world);
}

/* ---- Samples ---- */

/* Keys 0 to 63 with distinct times of use, uses and deadlines; keys with odd numbers have no deadline. */
static void fill_sampled(struct world *world, enum ks_choice choice, int order[64])
{
    for (int i = 0; i < 64; i++)
        order[i] = i;
    for (int i = 63; i > 0; i--) {
        int j = (int)random_below(&world->random, (uint64_t)i + 1);
        int saved = order[i];
        order[i] = order[j];
        order[j] = saved;
    }
    for (int i = 0; i < 64; i++) {
        int64_t deadline_ms = start_ms + 10000000 + (int64_t)i * 60000;
        put(world, order[i] % DBS, order[i], order[i] % 2 == 0 ? deadline_ms : NO_DEADLINE);
        if (choice == KS_CHOOSE_LRU)
            world->now_ms += 1000;
        for (int use = 0; choice == KS_CHOOSE_LFU && use < i; use++)
            touch(world, order[i] % DBS, order[i]);
    }
}

static void expect_order(enum ks_choice choice, bool is_volatile, const char *test)
{
    struct world world;
    world_open(&world, test, 1, choice == KS_CHOOSE_LFU ? ACCESS_FREQUENCY : ACCESS_TIME);
    const struct ks_rule rule = {.choice = choice, .is_volatile = is_volatile, .samples = 500};
    ks_lock_all(&world.ks);
    int order[64];
    fill_sampled(&world, choice, order);
    for (int i = 0; i < 64; i++) {
        if (is_volatile && order[i] % 2 != 0)
            continue;
        assert_true(evict(&world, &world.ks.shards[0], &rule));
        assert_int_equal(world.evicted_key, order[i]);
        assert_int_equal(world.evicted_db, order[i] % DBS);
    }
    assert_false(evict(&world, &world.ks.shards[0], &rule));
    ks_unlock_all(&world.ks);
    world_close(&world);
}

static void lru_takes_the_longest_unused_of_its_sample(void **state)
{
    (void)state;
    expect_order(KS_CHOOSE_LRU, false, __func__);
    expect_order(KS_CHOOSE_LRU, true, __func__);
}

static void lfu_takes_the_least_used_of_its_sample(void **state)
{
    (void)state;
    expect_order(KS_CHOOSE_LFU, false, __func__);
    expect_order(KS_CHOOSE_LFU, true, __func__);
}

static void ttl_takes_the_nearest_deadline(void **state)
{
    (void)state;
    expect_order(KS_CHOOSE_TTL, true, __func__);
}

/* Of a hundred keys with a deadline among ten thousand without: they are found, and nothing else is taken. */
static void rare_keys_with_a_deadline_are_found(void **state)
{
    (void)state;
    for (enum ks_choice choice = KS_CHOOSE_LRU; choice <= KS_CHOOSE_TTL; choice++) {
        struct world world;
        world_open(&world, __func__, 1, choice == KS_CHOOSE_LFU ? ACCESS_FREQUENCY : ACCESS_TIME);
        const struct ks_rule rule = {.choice = choice, .is_volatile = true, .samples = 5};
        ks_lock_all(&world.ks);
        for (int key = 0; key < 10000; key++)
            put(&world, 0, key, key % 100 == 0 ? start_ms + 1000 + (int64_t)key * key : NO_DEADLINE);
        for (int i = 0; i < 100; i++) {
            assert_int_equal(ks_evict(&world.ks, &world.ks.shards[0], &rule, world.now_ms), KS_EVICTED_ONE);
            assert_int_equal(world.evicted_key % 100, 0);
            world.evicted_key = NOBODY;
        }
        assert_int_equal(ks_evict(&world.ks, &world.ks.shards[0], &rule, world.now_ms), KS_EVICTED_NONE);
        assert_int_equal(ks_measure(&world.ks, 0).keys, 9900);
        ks_unlock_all(&world.ks);
        world_close(&world);
    }
}

/* A key that was used after it had been sampled is not taken in place of one that was not. */
static void a_use_takes_a_key_out_of_the_sample(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, __func__, 1, ACCESS_TIME);
    const struct ks_rule rule = {.choice = KS_CHOOSE_LRU, .samples = 500};
    ks_lock_all(&world.ks);
    for (int key = 0; key < 20; key++) {
        put(&world, 0, key, NO_DEADLINE);
        world.now_ms += 1000;
    }
    assert_true(evict(&world, &world.ks.shards[0], &rule));
    assert_int_equal(world.evicted_key, 0);
    for (int key = 1; key < 10; key++)
        touch(&world, 0, key);
    assert_true(evict(&world, &world.ks.shards[0], &rule));
    assert_int_equal(world.evicted_key, 10);
    ks_unlock_all(&world.ks);
    world_close(&world);
}

static void random_takes_any_key_of_any_database(void **state)
{
    (void)state;
    const struct ks_rule rule = {.choice = KS_CHOOSE_RANDOM, .samples = 5};
    struct world world;
    world_open(&world, __func__, 1, ACCESS_TIME);
    unsigned taken[40] = {0};
    ks_lock_all(&world.ks);
    for (int round = 0; round < 4000; round++) {
        for (int key = 0; key < 40; key++)
            put(&world, key < 30 ? 0 : 2, key, NO_DEADLINE);
        assert_true(evict(&world, &world.ks.shards[0], &rule));
        taken[world.evicted_key]++;
    }
    for (int key = 0; key < 40; key++)
        assert_in_range(taken[key], 50, 170); /* 100 expected, deviation 10 */
    ks_unlock_all(&world.ks);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s3fifo_takes_what_the_model_takes),
        cmocka_unit_test(stale_items_do_not_add_up),
        cmocka_unit_test(policies_change_while_there_are_keys),
        cmocka_unit_test(the_bound_takes_the_least_recently_used_of_all_shards),
        cmocka_unit_test(keys_from_before_the_bound_go_first),
        cmocka_unit_test(locked_shards_give_up_their_own_oldest),
        cmocka_unit_test(places_are_never_more_than_the_bound),
        cmocka_unit_test(lru_takes_the_longest_unused_of_its_sample),
        cmocka_unit_test(lfu_takes_the_least_used_of_its_sample),
        cmocka_unit_test(ttl_takes_the_nearest_deadline),
        cmocka_unit_test(rare_keys_with_a_deadline_are_found),
        cmocka_unit_test(a_use_takes_a_key_out_of_the_sample),
        cmocka_unit_test(random_takes_any_key_of_any_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The ground floor: numbers and text, hashing, output chains, mailboxes, lists, random numbers, the clock, blobs. */
#include "property.h"

#include "base/blob.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/out.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* ---- Numbers ---- */

static void integers_read_back_as_they_were_written(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = random_next(&random) >> random_below(&random, 64);
        if (i < 100)
            value = (uint64_t)(i - 50);
        char text[NUM_INTEGER_SIZE];
        char naive[32];
        uint64_t back;
        int64_t signed_back;
        size_t len = num_format_uint64(text, value);
        assert_int_equal(len, snprintf(naive, sizeof(naive), "%" PRIu64, value));
        assert_memory_equal(text, naive, len);
        assert_int_equal(num_digits(value), len);
        assert_true(num_parse_uint64((bytes){text, len}, &back));
        assert_true(back == value);
        len = num_format_int64(text, (int64_t)value);
        assert_int_equal(len, snprintf(naive, sizeof(naive), "%" PRId64, (int64_t)value));
        assert_memory_equal(text, naive, len);
        assert_true(num_parse_int64((bytes){text, len}, &signed_back));
        assert_true(signed_back == (int64_t)value);
    }
}

static void only_canonical_integers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_signed;
        bool is_unsigned;
    } cases[] = {
        {"0", true, true},
        {"-1", true, false},
        {"9223372036854775807", true, true},
        {"-9223372036854775808", true, false},
        {"9223372036854775808", false, true},
        {"-9223372036854775809", false, false},
        {"18446744073709551615", false, true},
        {"18446744073709551616", false, false},
        {"99999999999999999999", false, false},
        {"184467440737095516150", false, false},
        {"", false, false},
        {"-", false, false},
        {"--1", false, false},
        {"-0", false, false},
        {"00", false, false},
        {"01", false, false},
        {"-01", false, false},
        {"+1", false, false},
        {" 1", false, false},
        {"1 ", false, false},
        {"1a", false, false},
        {"0x10", false, false},
        {"1.0", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value;
        uint64_t magnitude;
        assert_int_equal(num_parse_int64(bytes_of(cases[i].text), &value), cases[i].is_signed);
        assert_int_equal(num_parse_uint64(bytes_of(cases[i].text), &magnitude), cases[i].is_unsigned);
    }
    int64_t value;
    assert_false(num_parse_int64((bytes){"1\0", 2}, &value));
    assert_false(num_parse_int64((bytes){NULL, 0}, &value));
}

static void doubles_read_back_exactly(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_next(&random);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 3 == 0)
            value = (double)(int64_t)bits / 1000;
        else if (i % 3 == 1)
            value = (double)((int64_t)bits >> random_below(&random, 64));
        if (isnan(value) || fpclassify(value) == FP_SUBNORMAL)
            continue;
        char text[NUM_DOUBLE_SIZE];
        size_t len = num_format_double(text, value);
        assert_true(len <= NUM_DOUBLE_SIZE);
        double back;
        assert_true(num_parse_double((bytes){text, len}, &back));
        assert_memory_equal(&back, &value, sizeof(value));
    }
}

static void assert_double_text(double value, const char *expected)
{
    char text[NUM_DOUBLE_SIZE];
    size_t len = num_format_double(text, value);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

static void assert_long_double_text(long double value, const char *expected)
{
    char text[NUM_LONG_DOUBLE_SIZE];
    size_t len = num_format_long_double(text, value);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

static void floating_point_texts_have_redis_forms(void **state)
{
    (void)state;
    assert_double_text(0, "0");
    assert_double_text(-0.0, "-0");
    assert_double_text(0.1, "0.1");
    assert_double_text(3, "3");
    assert_double_text(-1234567, "-1234567");
    assert_double_text(1e17, "1e+17");
    assert_double_text(1.0 / 3, "0.3333333333333333");
    assert_double_text(INFINITY, "inf");
    assert_double_text(-INFINITY, "-inf");
    assert_double_text(NAN, "nan");
    assert_long_double_text(3, "3");
    assert_long_double_text(10.5L, "10.5");
    assert_long_double_text(-0.0L, "0");
    assert_long_double_text(5.0e3L, "5000");
    assert_long_double_text(0.1L + 0.2L, "0.3");
    assert_long_double_text(-1e-20L, "0");
    assert_long_double_text(1e20L, "100000000000000000000");
    assert_long_double_text(INFINITY, "inf");

    long double largest;
    double value;
    assert_true(num_parse_long_double(BYTES("1e4932"), &largest));
    char text[NUM_LONG_DOUBLE_SIZE];
    assert_int_equal(num_format_long_double(text, largest), 4933);
    static const char *const refused[] = {"", " 1", "1 ", "nan", "1e5000", "1x", "--1", "\n1", "1e"};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_false(num_parse_long_double(bytes_of(refused[i]), &largest));
        assert_false(num_parse_double(bytes_of(refused[i]), &value));
    }
    assert_false(num_parse_double((bytes){"1\0", 2}, &value));
    assert_true(num_parse_double(BYTES("-inf"), &value) && isinf(value));
    assert_true(num_parse_double(BYTES("0x1p4"), &value) && value == 16);
}

/* ---- Hashing ---- */

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* SipHash-c-d, one step at a time as the paper describes it. */
static uint64_t plain_siphash(int c, int d, uint64_t k0, uint64_t k1, const unsigned char *data, size_t len)
{
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    size_t words = len / 8 + 1;
    for (size_t i = 0; i <= words; i++) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8 && i * 8 + j < len; j++)
            word |= (uint64_t)data[i * 8 + j] << (8 * j);
        if (i == words - 1)
            word |= (uint64_t)len << 56;
        bool is_end = i == words;
        if (is_end)
            v[2] ^= 0xff;
        else
            v[3] ^= word;
        for (int round = 0; round < (is_end ? d : c); round++) {
            v[0] += v[1];
            v[2] += v[3];
            v[1] = rotate(v[1], 13) ^ v[0];
            v[3] = rotate(v[3], 16) ^ v[2];
            v[0] = rotate(v[0], 32);
            v[2] += v[1];
            v[0] += v[3];
            v[1] = rotate(v[1], 17) ^ v[2];
            v[3] = rotate(v[3], 21) ^ v[0];
            v[2] = rotate(v[2], 32);
        }
        if (!is_end)
            v[0] ^= word;
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void the_hash_is_siphash_1_3(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    unsigned char data[256];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)i;
    /* the paper's own vector (key 00..0f, message 00..0e) vouches for the plain version */
    assert_true(plain_siphash(2, 4, 0x0706050403020100, 0x0f0e0d0c0b0a0908, data, 15) == 0xa129ca6149be45e5);
    for (int i = 0; i < 20000; i++) {
        struct hash_key key = {{random_next(&random), random_next(&random)}};
        size_t start = random_below(&random, 9); /* unaligned, too */
        size_t len = random_below(&random, i % 2 == 0 ? 20 : sizeof(data) - 9);
        data[random_below(&random, sizeof(data))] = (unsigned char)random_next(&random);
        assert_true(hash_bytes(&key, (bytes){(char *)data + start, len}) ==
                    plain_siphash(1, 3, key.word[0], key.word[1], data + start, len));
    }
}

/* ---- Output chains ---- */

enum { OUT_MODEL_MAX = 4 * 1024 * 1024, OUT_BLOBS = 4, OUT_BLOB_LEN = 40000 };

/* What should still be sent: bytes [sent, end) of the model. */
struct out_world {
    struct out_pool pool;
    struct out out;
    char *model;
    size_t sent;
    size_t end;
    struct blob *blobs[OUT_BLOBS];
    struct random random;
};

static void out_expect(struct out_world *world, const char *at, size_t len)
{
    assert_true(world->end + len <= OUT_MODEL_MAX);
    memcpy(world->model + world->end, at, len);
    world->end += len;
}

static void out_check(struct out_world *world)
{
    assert_int_equal(out_pending(&world->out), world->end - world->sent);
    struct iovec vector[2000];
    int count = out_vector(&world->out, vector, COUNT_OF(vector));
    const char *at = world->model + world->sent;
    for (int i = 0; i < count; i++) {
        assert_true(vector[i].iov_len > 0);
        assert_memory_equal(vector[i].iov_base, at, vector[i].iov_len);
        at += vector[i].iov_len;
    }
    if (count < (int)COUNT_OF(vector))
        assert_ptr_equal(at, world->model + world->end);
}

static size_t draw_size(struct random *random)
{
    switch (random_below(random, 10)) {
    case 0:
        return between(random, 0, 3 * OUT_CHUNK_SIZE);
    case 1:
        return OUT_CHUNK_SIZE - sizeof(struct out_chunk) + between(random, 0, 2) - 1;
    default:
        return between(random, 0, 200);
    }
}

static void out_write_something(struct out_world *world, struct out *to)
{
    static char data[3 * OUT_CHUNK_SIZE];
    size_t len = draw_size(&world->random);
    memset(data, (int)random_below(&world->random, 256), len);
    switch (random_below(&world->random, 4)) {
    case 0: {
        char *at = out_reserve(to, len + 1);
        assert_non_null(at);
        memcpy(at, data, len);
        out_commit(to, at + len);
        break;
    }
    case 1: {
        struct blob *blob = world->blobs[random_below(&world->random, OUT_BLOBS)];
        size_t start = random_below(&world->random, OUT_BLOB_LEN);
        len = random_below(&world->random, OUT_BLOB_LEN - start + 1);
        out_append_blob(to, blob, start, len);
        out_expect(world, blob->data + start, len);
        return;
    }
    case 2: {
        struct out_chunk *gap = out_gap(to);
        assert_non_null(gap);
        size_t gap_at = world->end;
        size_t gap_len = between(&world->random, 0, OUT_GAP_SIZE);
        world->end += gap_len;
        out_append(to, (bytes){data, len});
        out_expect(world, data, len);
        memset(world->model + gap_at, 'g', gap_len);
        out_fill(to, gap, (bytes){world->model + gap_at, gap_len});
        return;
    }
    default:
        out_append(to, (bytes){data, len});
        break;
    }
    out_expect(world, data, len);
}

static void out_open(struct out_world *world, const char *test)
{
    memset(world, 0, sizeof(*world));
    world->random = property_start(test);
    world->model = test_calloc(OUT_MODEL_MAX, 1);
    out_init(&world->out, &world->pool);
    for (int i = 0; i < OUT_BLOBS; i++) {
        world->blobs[i] = blob_new(OUT_BLOB_LEN);
        world->blobs[i]->len = OUT_BLOB_LEN;
        for (size_t at = 0; at < OUT_BLOB_LEN; at++)
            world->blobs[i]->data[at] = (char)(at * 7 + (size_t)i);
    }
}

static void out_close(struct out_world *world)
{
    out_clear(&world->out);
    assert_int_equal(world->out.owned_bytes, 0);
    for (int i = 0; i < OUT_BLOBS; i++) {
        assert_true(blob_is_sole(world->blobs[i])); /* every reference was given back */
        blob_drop(world->blobs[i]);
    }
    assert_true(world->pool.count <= OUT_POOL_MAX);
    out_pool_free(&world->pool);
    test_free(world->model);
}

static void output_arrives_in_order_and_complete(void **state)
{
    (void)state;
    struct out_world world;
    out_open(&world, __func__);
    for (int i = 0; i < 4000 && world.end < OUT_MODEL_MAX - 200000; i++) {
        if (one_in(&world.random, 5)) {
            struct out aside;
            out_init(&aside, &world.pool);
            for (size_t writes = between(&world.random, 0, 4); writes > 0; writes--)
                out_write_something(&world, &aside);
            out_join(&world.out, &aside);
            assert_true(out_is_empty(&aside));
            assert_int_equal(aside.owned_bytes, 0);
        } else {
            out_write_something(&world, &world.out);
        }
        if (one_in(&world.random, 3)) {
            size_t len = random_below(&world.random, world.end - world.sent + 1);
            out_sent(&world.out, len);
            world.sent += len;
        }
        if (one_in(&world.random, 4))
            out_check(&world);
    }
    out_check(&world);
    out_sent(&world.out, world.end - world.sent);
    world.sent = world.end;
    out_check(&world);
    assert_false(world.out.failed);
    assert_true(out_is_empty(&world.out)); /* what has nothing to send holds no memory */
    out_write_something(&world, &world.out);
    out_check(&world);
    out_close(&world);
}

/* Replaced values that nobody has but the output are memory of its client's; a value sent many times is there once. */
static void blobs_count_for_what_the_output_keeps_alive(void **state)
{
    (void)state;
    enum { size = 1024 * 1024, replaced = 20, repeated = 1000 };
    struct out_pool pool = {0};
    struct out out;
    out_init(&out, &pool);
    for (int i = 0; i < replaced; i++) {
        struct blob *blob = blob_new(size);
        assert_non_null(blob);
        out_append_blob(&out, blob, 0, size);
        blob_drop(blob);
    }
    size_t held_bytes = out.owned_bytes;
    assert_true(held_bytes >= replaced * size / 2);
    struct blob *blob = blob_new(size);
    assert_non_null(blob);
    for (int i = 0; i < repeated; i++)
        out_append_blob(&out, blob, 0, size);
    blob_drop(blob);
    assert_true(out.owned_bytes - held_bytes < 10 * size);
    out_sent(&out, out_pending(&out) - 1);
    assert_true(out.owned_bytes > 0);
    out_sent(&out, 1);
    assert_int_equal(out.owned_bytes, 0);
    assert_true(out_is_empty(&out));
    out_pool_free(&pool);
}

static void output_says_when_memory_ran_out(void **state)
{
    (void)state;
    struct out_world world;
    out_open(&world, __func__);
    for (int kind = 0; kind < 4; kind++) {
        mem_fail_after(0);
        if (kind == 0)
            out_append(&world.out, BYTES("x"));
        else if (kind == 1)
            out_append_blob(&world.out, world.blobs[0], 0, 1);
        else if (kind == 2)
            assert_null(out_gap(&world.out));
        else
            assert_null(out_reserve(&world.out, SIZE_MAX));
        mem_fail_after(-1);
        assert_true(world.out.failed);
        assert_int_equal(out_pending(&world.out), 0);
        out_clear(&world.out);
        assert_false(world.out.failed);
    }
    out_close(&world);
}

/* ---- Mailboxes ---- */

enum { PRODUCERS = 4, MAILS_EACH = 50000 };

struct numbered_mail {
    struct mail mail;
    int producer;
    int number;
};

struct producer {
    struct mailbox *mailbox;
    struct numbered_mail *mails;
    _Atomic int *wakes;
};

static void *produce(void *context)
{
    struct producer *producer = context;
    for (int i = 0; i < MAILS_EACH; i++)
        if (mailbox_push(producer->mailbox, &producer->mails[i].mail))
            atomic_fetch_add(producer->wakes, 1);
    return NULL;
}

static void mail_of_each_producer_arrives_in_its_order(void **state)
{
    (void)state;
    struct mailbox mailbox;
    mailbox_init(&mailbox);
    _Atomic int wakes = 0;
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&mailbox, test_calloc(MAILS_EACH, sizeof(struct numbered_mail)), &wakes};
        for (int j = 0; j < MAILS_EACH; j++)
            producers[i].mails[j] = (struct numbered_mail){.producer = i, .number = j};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    int next[PRODUCERS] = {0};
    int takes = 0;
    for (int taken = 0; taken < PRODUCERS * MAILS_EACH;) {
        struct mail *mail = mailbox_take(&mailbox);
        takes += mail != NULL;
        for (; mail != NULL; mail = mail->next, taken++) {
            struct numbered_mail *numbered = CONTAINER_OF(mail, struct numbered_mail, mail);
            assert_int_equal(numbered->number, next[numbered->producer]++);
        }
        sched_yield();
    }
    assert_null(mailbox_take(&mailbox));
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        test_free(producers[i].mails);
    }
    assert_int_equal(wakes, takes); /* the consumer is woken exactly once for each time it finds something */
}

/* ---- Lists ---- */

struct link {
    struct list list;
    int in; /* which list, -1: none */
};

enum { LINKS = 60, LISTS = 3 };

struct list_world {
    struct list lists[LISTS];
    struct link links[LINKS];
    struct link *model[LISTS][LINKS];
    size_t lens[LISTS];
};

static void model_remove(struct list_world *world, struct link *link)
{
    if (link->in < 0)
        return;
    struct link **model = world->model[link->in];
    size_t *len = &world->lens[link->in];
    for (size_t i = 0; i < *len; i++) {
        if (model[i] == link) {
            memmove(&model[i], &model[i + 1], (*len - i - 1) * sizeof(*model));
            (*len)--;
            break;
        }
    }
    link->in = -1;
}

static void model_append(struct list_world *world, struct link *link, int to)
{
    world->model[to][world->lens[to]++] = link;
    link->in = to;
}

static void check_lists(const struct list_world *world)
{
    for (int i = 0; i < LISTS; i++) {
        const struct list *at = &world->lists[i];
        assert_int_equal(list_is_empty(at), world->lens[i] == 0);
        for (size_t j = 0; j < world->lens[i]; j++) {
            assert_ptr_equal(at->next->prev, at);
            at = at->next;
            assert_ptr_equal(at, &world->model[i][j]->list);
        }
        assert_ptr_equal(at->next, &world->lists[i]);
    }
}

static void lists_keep_their_order(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    struct list_world world;
    memset(&world, 0, sizeof(world));
    for (int i = 0; i < LISTS; i++)
        list_init(&world.lists[i]);
    for (int i = 0; i < LINKS; i++) {
        list_init(&world.links[i].list);
        world.links[i].in = -1;
    }
    for (int i = 0; i < 20000; i++) {
        struct link *link = &world.links[random_below(&random, LINKS)];
        int to = (int)random_below(&random, LISTS);
        if (one_in(&random, 50)) {
            int from = (to + 1) % LISTS;
            list_take_all(&world.lists[to], &world.lists[from]);
            while (world.lens[from] > 0) {
                struct link *first = world.model[from][0];
                model_remove(&world, first);
                model_append(&world, first, to);
            }
        } else {
            list_remove(&link->list); /* harmless for those in no list */
            model_remove(&world, link);
            if (one_in(&random, 2)) {
                list_append(&world.lists[to], &link->list);
                model_append(&world, link, to);
            }
        }
        check_lists(&world);
    }
}

/* ---- Random numbers ---- */

static void random_numbers_repeat_by_seed_and_stay_in_bounds(void **state)
{
    (void)state;
    struct random random = property_start(__func__);
    uint64_t seed = random_next(&random);
    struct random a;
    struct random b;
    random_seed(&a, seed);
    random_seed(&b, seed);
    for (int i = 0; i < 1000; i++)
        assert_true(random_next(&a) == random_next(&b));
    random_seed(&b, seed + 1);
    assert_true(random_next(&a) != random_next(&b));

    unsigned counts[7] = {0};
    for (int i = 0; i < 70000; i++)
        counts[random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9000, 11000); /* 10000 expected, deviation 93 */
    for (int i = 0; i < 1000; i++) {
        uint64_t bound = 1 + (random_next(&random) >> random_below(&random, 64));
        assert_true(bound == 0 || random_below(&random, bound) < bound);
    }
}

static void secrets_differ(void **state)
{
    (void)state;
    char a[41];
    char b[41];
    random_hex(a, 40);
    random_hex(b, 40);
    assert_int_equal(strspn(a, "0123456789abcdef"), 40);
    assert_int_equal(a[40], '\0');
    assert_string_not_equal(a, b);
    unsigned char large[1000] = {0}; /* more than the system gives at once */
    random_secure(large, sizeof(large));
    unsigned zeros = 0;
    for (size_t i = 0; i < sizeof(large); i++)
        zeros += large[i] == 0;
    assert_true(zeros < 50);
}

/* ---- The clock ---- */

static int64_t system_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void assert_about(int64_t value_us, int64_t expected_us)
{
    assert_true(value_us >= expected_us - 1000 && value_us < expected_us + 60 * 1000000);
}

static void a_frozen_clock_moves_only_when_told(void **state)
{
    (void)state;
    struct clock clock;
    clock_init(&clock);
    assert_false(clock_is_frozen(&clock));
    assert_about(clock_now_us(&clock), system_us());

    clock_freeze(&clock);
    int64_t frozen = clock_now_us(&clock);
    assert_about(frozen, system_us() - 1000000);
    clock_freeze(&clock); /* twice is once */
    assert_true(clock_now_us(&clock) == frozen);
    clock_advance(&clock, 5000000);
    assert_true(clock_now_us(&clock) == frozen + 5000000);
    clock_advance(&clock, -1);
    assert_true(clock_now_us(&clock) == frozen + 4999999);
    clock_set(&clock, 42);
    assert_true(clock_now_us(&clock) == 42);

    clock_resume(&clock); /* runs on from where it stood */
    assert_false(clock_is_frozen(&clock));
    assert_about(clock_now_us(&clock), 42);
    clock_resume(&clock);
    clock_advance(&clock, 3600LL * 1000000);
    assert_about(clock_now_us(&clock), 3600LL * 1000000);
    clock_set(&clock, 1000000000000);
    assert_about(clock_now_us(&clock), 1000000000000);
    assert_true(clock_monotonic_ns() <= clock_monotonic_ns());
}

/* ---- Memory and blobs ---- */

static void blobs_live_as_long_as_a_reference(void **state)
{
    (void)state;
    struct blob *blob = blob_new(100);
    assert_non_null(blob);
    assert_int_equal(blob->len, 0);
    assert_true(blob->capacity >= 100);
    memset(blob->data, 'x', blob->capacity);
    assert_true(blob_is_sole(blob));
    assert_ptr_equal(blob_keep(blob), blob);
    assert_false(blob_is_sole(blob));
    blob_drop(blob);
    assert_true(blob_is_sole(blob));
    blob_drop(blob);
    assert_null(blob_new(SIZE_MAX));
    mem_fail_after(0);
    assert_null(blob_new(1));
    mem_fail_after(-1);
}

static void memory_fails_where_a_test_asks_for_it(void **state)
{
    (void)state;
    mem_fail_after(2);
    void *a = mem_alloc(1);
    void *b = mem_alloc_aligned(100, 64);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal((uintptr_t)b % 64, 0);
    assert_null(mem_alloc(1));
    assert_null(mem_alloc_zeroed(1));
    assert_null(mem_realloc(a, 1000)); /* and the old block stays */
    mem_fail_after(-1);
    assert_true(mem_size(a) >= 1);
    assert_true(mem_size(b) >= 100);
    assert_int_equal(mem_size(NULL), 0);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_read_back_as_they_were_written),
        cmocka_unit_test(only_canonical_integers_are_read),
        cmocka_unit_test(doubles_read_back_exactly),
        cmocka_unit_test(floating_point_texts_have_redis_forms),
        cmocka_unit_test(the_hash_is_siphash_1_3),
        cmocka_unit_test(output_arrives_in_order_and_complete),
        cmocka_unit_test(blobs_count_for_what_the_output_keeps_alive),
        cmocka_unit_test(output_says_when_memory_ran_out),
        cmocka_unit_test(mail_of_each_producer_arrives_in_its_order),
        cmocka_unit_test(lists_keep_their_order),
        cmocka_unit_test(random_numbers_repeat_by_seed_and_stay_in_bounds),
        cmocka_unit_test(secrets_differ),
        cmocka_unit_test(a_frozen_clock_moves_only_when_told),
        cmocka_unit_test(blobs_live_as_long_as_a_reference),
        cmocka_unit_test(memory_fails_where_a_test_asks_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

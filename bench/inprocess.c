/* How long a GET and a SET take as function calls: the median over rounds, nanoseconds of this thread's CPU time, once
   over a thousand keys, which stay in the processor's caches, and once over a hundred thousand, which do not. One JSON
   object. */
#include <larder.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CACHED_KEYS = 1000, KEYS = 100000, CALLS = 1000000, ROUNDS = 5, VALUE_LEN = 100, KEY_LEN = 22 };

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct load {
    larder_session *session;
    char (*keys)[KEY_LEN + 1];
    char value[VALUE_LEN + 1];
    unsigned key_count; /* of those, so many are used */
    unsigned position;
};

typedef void run_fn(struct load *load, const char *key);

static void get_tree(struct load *load, const char *key)
{
    const char *argv[] = {"GET", key};
    const size_t lens[] = {3, KEY_LEN};
    larder_reply_free(larder_command_argv(load->session, 2, argv, lens));
}

static void get_resp(struct load *load, const char *key)
{
    const char *argv[] = {"GET", key};
    const size_t lens[] = {3, KEY_LEN};
    size_t len;
    if (larder_command_resp(load->session, 2, argv, lens, &len) == NULL)
        abort();
}

static void set(struct load *load, const char *key)
{
    const char *argv[] = {"SET", key, load->value};
    const size_t lens[] = {3, KEY_LEN, VALUE_LEN};
    larder_reply_free(larder_command_argv(load->session, 3, argv, lens));
}

static double measure(struct load *load, run_fn *run)
{
    double rounds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_ns();
        for (int i = 0; i < CALLS; i++) {
            load->position = (load->position * 1664525U + 1013904223U);
            run(load, load->keys[(load->position >> 8) % load->key_count]);
        }
        rounds[round] = (cpu_ns() - start) / CALLS;
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    return rounds[ROUNDS / 2];
}

int main(void)
{
    larder *engine = larder_open(&(larder_options){.threads = 1}, NULL, 0);
    struct load load = {.session = engine != NULL ? larder_session_open(engine) : NULL,
                        .keys = calloc(KEYS, sizeof(*load.keys))};
    if (load.session == NULL || load.keys == NULL)
        return 1;
    memset(load.value, 'x', VALUE_LEN);
    for (int i = 0; i < KEYS; i++) {
        snprintf(load.keys[i], sizeof(load.keys[i]), "key:%018d", i);
        set(&load, load.keys[i]);
    }
    load.key_count = CACHED_KEYS;
    printf("{\"get_ns\": %.1f, \"get_resp_ns\": %.1f, \"set_ns\": %.1f, ", measure(&load, get_tree),
           measure(&load, get_resp), measure(&load, set));
    load.key_count = KEYS;
    printf("\"get_uncached_ns\": %.1f, \"set_uncached_ns\": %.1f}\n", measure(&load, get_tree), measure(&load, set));
    larder_session_close(load.session);
    larder_close(engine);
    free(load.keys);
    return 0;
}

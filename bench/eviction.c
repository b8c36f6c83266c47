/* How often a cache of so many keys has what is asked for: eviction policies on a trace. Reads object numbers (32 bits
   each, native order) from a file and runs it once for every "policy:keys" on the command line. Prints one JSON object
   a line.

   Redis's policies and allkeys-s3fifo are Larder's own: an engine in the process, on which each request is a GET, and a
   SET where that missed, after the engine's eviction has made room when there are as many keys as there may be. The
   engine's clock goes on by a fixed time with each request. lru, sieve and s3fifo are the models of their papers. */
#include "api/instance.h"
#include "eviction_models.h"
#include "keyspace/evict.h"

#include <larder.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct trace {
    uint32_t *objects; /* in the order in which they are asked for */
    size_t count;
    size_t object_count;
};

struct policy {
    const char *name;
    const char *configured; /* maxmemory-policy; NULL: a model */
    enum ks_choice choice;
    enum model_kind model;
};

static const struct policy policies[] = {
    {.name = "allkeys-lru", .configured = "allkeys-lru", .choice = KS_CHOOSE_LRU},
    {.name = "allkeys-lfu", .configured = "allkeys-lfu", .choice = KS_CHOOSE_LFU},
    {.name = "allkeys-random", .configured = "allkeys-random", .choice = KS_CHOOSE_RANDOM},
    {.name = "allkeys-s3fifo", .configured = "allkeys-s3fifo", .choice = KS_CHOOSE_S3FIFO},
    {.name = "lru", .model = MODEL_LRU},
    {.name = "sieve", .model = MODEL_SIEVE},
    {.name = "s3fifo", .model = MODEL_S3FIFO},
};

static void fail(const char *what)
{
    fprintf(stderr, "eviction: %s\n", what);
    exit(1);
}

static struct trace read_trace(const char *path)
{
    struct trace trace = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail("cannot read the trace");
    trace.count = (size_t)ftell(file) / sizeof(uint32_t);
    rewind(file);
    trace.objects = malloc(trace.count * sizeof(uint32_t));
    if (trace.objects == NULL || fread(trace.objects, sizeof(uint32_t), trace.count, file) != trace.count)
        fail("cannot read the trace");
    fclose(file);
    for (size_t i = 0; i < trace.count; i++)
        if (trace.objects[i] >= trace.object_count)
            trace.object_count = (size_t)trace.objects[i] + 1;
    return trace;
}

static size_t run_model(const struct trace *trace, enum model_kind kind, size_t keys)
{
    size_t hits = 0;
    struct model *model = model_new(kind, keys, trace->object_count);
    if (model == NULL)
        fail("no memory");
    for (size_t i = 0; i < trace->count; i++)
        hits += model_access(model, trace->objects[i]);
    model_free(model);
    return hits;
}

/* ---- Larder ---- */

struct cache {
    larder *engine;
    larder_session *session;
    struct keyspace *keyspace;
    struct ks_rule rule;
    size_t keys_max;
};

static larder *open_engine(const char *policy)
{
    char config[128];
    snprintf(config, sizeof(config), "maxmemory-policy %s\n", policy);
    larder *engine = larder_open(&(larder_options){.threads = 1, .config = config}, NULL, 0);
    if (engine == NULL)
        fail("no engine");
    larder_freeze(engine);
    return engine;
}

/* True when the reply is the value, false when it is null. */
static bool get(struct cache *cache, const char *key, size_t len)
{
    size_t reply_len;
    const char *reply =
        larder_command_resp(cache->session, 2, (const char *[]){"GET", key}, (size_t[]){3, len}, &reply_len);
    return reply != NULL && reply[0] == '$';
}

static void make_room(struct cache *cache)
{
    struct shard *shard = &cache->keyspace->shards[0]; /* one thread, one shard */
    int64_t now_ms = larder_now(cache->engine) / 1000;
    ks_lock(cache->keyspace, shard);
    while (shard->dbs[0].keys.used >= cache->keys_max)
        if (ks_evict(cache->keyspace, shard, &cache->rule, now_ms) == KS_EVICTED_NONE)
            fail("nothing to evict");
    ks_unlock(cache->keyspace, shard);
}

static void set(struct cache *cache, const char *key, size_t len)
{
    size_t reply_len;
    make_room(cache);
    const char *reply = larder_command_resp(cache->session, 3, (const char *[]){"SET", key, "value"},
                                            (size_t[]){3, len, 5}, &reply_len);
    if (reply == NULL || reply[0] != '+')
        fail("SET failed");
}

static size_t run_larder(const struct trace *trace, const struct policy *policy, size_t keys, int64_t request_us)
{
    larder *engine = open_engine(policy->configured);
    struct cache cache = {
        .engine = engine,
        .session = larder_session_open(engine),
        .keyspace = &engine->keyspace,
        .rule = {.choice = policy->choice, .samples = 5},
        .keys_max = keys,
    };
    if (cache.session == NULL)
        fail("no session");
    size_t hits = 0;
    for (size_t i = 0; i < trace->count; i++) {
        char key[16];
        size_t len = (size_t)snprintf(key, sizeof(key), "object:%u", trace->objects[i]);
        larder_advance(engine, request_us);
        if (get(&cache, key, len))
            hits++;
        else
            set(&cache, key, len);
    }
    larder_session_close(cache.session);
    larder_close(engine);
    return hits;
}

static const struct policy *find_policy(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(policies); i++)
        if (strlen(policies[i].name) == len && memcmp(policies[i].name, name, len) == 0)
            return &policies[i];
    fail("unknown policy");
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        fail("usage: eviction TRACE MICROSECONDS_A_REQUEST POLICY:KEYS ...");
    struct trace trace = read_trace(argv[1]);
    int64_t request_us = atoll(argv[2]);
    for (int i = 3; i < argc; i++) {
        const char *colon = strchr(argv[i], ':');
        if (colon == NULL)
            fail("not policy:keys");
        const struct policy *policy = find_policy(argv[i], (size_t)(colon - argv[i]));
        size_t keys = strtoul(colon + 1, NULL, 10);
        clock_t start = clock();
        size_t hits = policy->configured != NULL ? run_larder(&trace, policy, keys, request_us)
                                                 : run_model(&trace, policy->model, keys);
        printf("{\"policy\": \"%s\", \"keys\": %zu, \"requests\": %zu, \"hits\": %zu, \"seconds\": %.3f}\n",
               policy->name, keys, trace.count, hits, (double)(clock() - start) / CLOCKS_PER_SEC);
        fflush(stdout);
    }
    free(trace.objects);
    return 0;
}

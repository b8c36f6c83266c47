/* Eviction policies; see eviction_models.h. Queues are doubly linked lists through arrays indexed by object. */
#include "eviction_models.h"

#include <stdlib.h>

enum { NOBODY = -1, USES_MAX = 3, USES_FOR_MAIN = 2 };
enum place { OUTSIDE, IN_SMALL, IN_MAIN };

struct queue {
    int64_t newest;
    int64_t oldest;
    size_t count;
};

struct node {
    int64_t newer; /* towards the newest */
    int64_t older;
    uint8_t place; /* enum place; of the two other models' only queue: IN_MAIN */
    uint8_t uses;
    uint64_t ghost_at; /* when it last left a ghost, in ghosts made; 0: none */
};

struct model {
    enum model_kind kind;
    size_t capacity;
    struct node *nodes;
    struct queue small;
    struct queue main;
    int64_t hand; /* SIEVE's, NOBODY: at the oldest */
    uint64_t ghosts_made;
};

struct model *model_new(enum model_kind kind, size_t capacity, size_t objects)
{
    struct model *model = calloc(1, sizeof(*model));
    struct node *nodes = calloc(objects, sizeof(*nodes));
    if (model == NULL || nodes == NULL) {
        free(model);
        free(nodes);
        return NULL;
    }
    *model = (struct model){.kind = kind, .capacity = capacity, .nodes = nodes, .hand = NOBODY};
    model->small = model->main = (struct queue){.newest = NOBODY, .oldest = NOBODY};
    return model;
}

void model_free(struct model *model)
{
    if (model != NULL)
        free(model->nodes);
    free(model);
}

static void put_newest(struct model *model, struct queue *queue, int64_t object)
{
    struct node *node = &model->nodes[object];
    node->newer = NOBODY;
    node->older = queue->newest;
    if (queue->newest != NOBODY)
        model->nodes[queue->newest].newer = object;
    else
        queue->oldest = object;
    queue->newest = object;
    queue->count++;
    node->place = queue == &model->small ? IN_SMALL : IN_MAIN;
}

static void take_out(struct model *model, struct queue *queue, int64_t object)
{
    struct node *node = &model->nodes[object];
    if (node->newer != NOBODY)
        model->nodes[node->newer].older = node->older;
    else
        queue->newest = node->older;
    if (node->older != NOBODY)
        model->nodes[node->older].newer = node->newer;
    else
        queue->oldest = node->newer;
    queue->count--;
    node->place = OUTSIDE;
}

/* ---- LRU ---- */

static void lru_evict(struct model *model)
{
    take_out(model, &model->main, model->main.oldest);
}

static void lru_hit(struct model *model, int64_t object)
{
    take_out(model, &model->main, object);
    put_newest(model, &model->main, object);
}

/* ---- SIEVE ---- */

static void sieve_evict(struct model *model)
{
    int64_t object = model->hand != NOBODY ? model->hand : model->main.oldest;
    while (model->nodes[object].uses > 0) {
        model->nodes[object].uses = 0;
        object = model->nodes[object].newer != NOBODY ? model->nodes[object].newer : model->main.oldest;
    }
    model->hand = model->nodes[object].newer;
    take_out(model, &model->main, object);
}

/* ---- S3-FIFO ---- */

static size_t small_capacity(const struct model *model)
{
    return model->capacity / 10 > 0 ? model->capacity / 10 : 1;
}

static bool has_ghost(const struct model *model, int64_t object)
{
    uint64_t made_at = model->nodes[object].ghost_at;
    size_t ghosts = model->capacity - small_capacity(model);
    return made_at > 0 && model->ghosts_made - made_at < (ghosts > 0 ? ghosts : 1);
}

static bool s3_evict_main(struct model *model)
{
    while (model->main.count > 0) {
        int64_t object = model->main.oldest;
        take_out(model, &model->main, object);
        if (model->nodes[object].uses == 0)
            return true;
        model->nodes[object].uses--;
        put_newest(model, &model->main, object);
    }
    return false;
}

/* Promotes from the small queue's end; true when one went for good. */
static bool s3_evict_small(struct model *model)
{
    while (model->small.count > 0) {
        int64_t object = model->small.oldest;
        take_out(model, &model->small, object);
        if (model->nodes[object].uses < USES_FOR_MAIN) {
            model->nodes[object].ghost_at = ++model->ghosts_made;
            return true;
        }
        model->nodes[object].uses = 0;
        put_newest(model, &model->main, object);
        if (model->main.count > model->capacity - small_capacity(model))
            return s3_evict_main(model);
    }
    return false;
}

static void s3_evict(struct model *model)
{
    if (model->small.count >= small_capacity(model) && s3_evict_small(model))
        return;
    if (!s3_evict_main(model))
        s3_evict_small(model);
}

/* ---- All ---- */

static void evict(struct model *model)
{
    if (model->kind == MODEL_LRU)
        lru_evict(model);
    else if (model->kind == MODEL_SIEVE)
        sieve_evict(model);
    else
        s3_evict(model);
}

bool model_access(struct model *model, uint32_t object)
{
    struct node *node = &model->nodes[object];
    if (node->place != OUTSIDE) {
        if (node->uses < USES_MAX)
            node->uses++;
        if (model->kind == MODEL_LRU)
            lru_hit(model, object);
        return true;
    }
    if (model->small.count + model->main.count >= model->capacity)
        evict(model);
    node->uses = 0;
    bool is_for_main = model->kind != MODEL_S3FIFO || has_ghost(model, object);
    put_newest(model, is_for_main ? &model->main : &model->small, object);
    node->ghost_at = 0;
    return false;
}

/* Engines for programs: opening, serving, time; see larder.h. */
#include "api/instance.h"

#include "base/mem.h"
#include "commands/commands.h"
#include "engine/config_file.h"

#include <stdio.h>
#include <unistd.h>

enum {
    UPKEEP_INTERVAL_MS = 16,
    UPKEEP_BUDGET = 64, /* nodes per shard that a command's thread handles in passing */
};

const char *larder_version(void)
{
    return LARDER_VERSION;
}

static void say(char *error, size_t size, const char *text)
{
    if (error != NULL && size > 0)
        snprintf(error, size, "%s", text);
}

static bool shut_down(void *context, struct larder *engine)
{
    (void)engine;
    struct instance *instance = context;
    if (instance->on_shutdown == NULL)
        return false;
    instance->on_shutdown(instance->shutdown_context);
    return true;
}

static size_t threads_for(const larder_options *options)
{
    if (options->threads > 0)
        return options->threads;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 2 ? (size_t)cores : 2;
}

/* Fills in the configuration: not listening, unless the program's lines say otherwise. */
static bool configure(struct config *config, const larder_options *options, struct cfg_error *error)
{
    const bytes no_port[] = {BYTES("port"), BYTES("0")};
    if (!cfg_set_one(config, no_port, 2, error))
        return false;
    if (options->config == NULL)
        return cfg_check(config, error);
    struct cfg_file_source source = {
        .text = bytes_of(options->config),
        .name = "options.config",
        .product = "Larder " LARDER_VERSION,
    };
    struct command_table table; /* for trying renamings, so that a bad one is refused where it stands */
    if (!command_table_init(&table, command_families))
        return false;
    config->check_rename = command_rename;
    config->check_rename_context = &table;
    struct cfg_file_error file_error;
    bool is_loaded = cfg_file_load_text(config, &source, &file_error);
    config->check_rename = NULL;
    command_table_free(&table);
    if (is_loaded)
        return cfg_check(config, error);
    snprintf(error->text, sizeof(error->text), "options.config, line %zu: %.*s", file_error.line_number,
             (int)sizeof(error->text) - 64, file_error.reason);
    return false;
}

static bool set_up(struct instance *instance, const larder_options *options, char *error, size_t error_size)
{
    struct cfg_error cfg_error = {"out of memory"};
    if (!cfg_init(&instance->config)) {
        say(error, error_size, cfg_error.text);
        return false;
    }
    struct engine_options engine_options = {
        .threads = instance->threads,
        .families = command_families,
        .log = options->log,
        .log_context = options->log_context,
    };
    if (configure(&instance->config, options, &cfg_error) &&
        engine_init(&instance->engine, &engine_options, &instance->config))
        return true;
    say(error, error_size, cfg_error.text);
    cfg_free(&instance->config);
    return false;
}

larder *larder_open(const larder_options *options, char *error, size_t error_size)
{
    static const larder_options defaults;
    options = options != NULL ? options : &defaults;
    struct instance *instance = mem_alloc_zeroed(sizeof(*instance));
    if (instance == NULL) {
        say(error, error_size, "out of memory");
        return NULL;
    }
    instance->threads = threads_for(options);
    if (!set_up(instance, options, error, error_size)) {
        mem_free(instance);
        return NULL;
    }
    instance->on_shutdown = options->on_shutdown;
    instance->shutdown_context = options->shutdown_context;
    instance->engine.host = (struct host){.context = instance, .shutdown = shut_down};
    lock_init(&instance->serve_lock);
    return &instance->engine;
}

void larder_close(larder *engine)
{
    struct instance *instance = instance_of(engine);
    larder_stop(engine);
    engine_free(engine);
    cfg_free(&instance->config);
    lock_free(&instance->serve_lock);
    mem_free(instance);
}

static bool set_parameter(struct config *config, const char *name, const char *value, char *error, size_t error_size)
{
    const bytes line[] = {bytes_of(name), bytes_of(value)};
    struct cfg_error cfg_error;
    if (cfg_set_one(config, line, 2, &cfg_error))
        return true;
    say(error, error_size, cfg_error.text);
    return false;
}

/* Puts the options into the configuration, where CONFIG GET shows them. */
static bool set_listening(struct instance *instance, const larder_serve_options *options, char *error,
                          size_t error_size)
{
    struct config *config = &instance->config;
    char port[16];
    snprintf(port, sizeof(port), "%d", options->port > 0 ? options->port : 0);
    return set_parameter(config, "port", port, error, error_size) &&
           set_parameter(config, "bind", options->bind != NULL ? options->bind : "127.0.0.1", error, error_size) &&
           set_parameter(config, "unixsocket", options->unixsocket != NULL ? options->unixsocket : "", error,
                         error_size);
}

static struct net *start(struct instance *instance, const larder_serve_options *options, char *error, size_t error_size)
{
    if (!set_listening(instance, options, error, error_size))
        return NULL;
    size_t workers =
        options->workers > 0 && options->workers < instance->threads ? options->workers : instance->threads;
    struct net_options net_options = {.workers = workers, .any_port = options->port == 0};
    struct net_failure failure;
    struct net *net = net_start(&instance->engine, &net_options, &failure);
    if (net == NULL)
        say(error, error_size, failure.reason);
    return net;
}

int larder_serve(larder *engine, const larder_serve_options *options, char *error, size_t error_size)
{
    static const larder_serve_options defaults;
    struct instance *instance = instance_of(engine);
    bool is_started = false;
    lock_take(&instance->serve_lock);
    if (instance->net != NULL) {
        say(error, error_size, "it is being served already");
    } else {
        atomic_store_explicit(&instance->is_served, true, memory_order_release);
        instance->net = start(instance, options != NULL ? options : &defaults, error, error_size);
        is_started = instance->net != NULL;
        atomic_store_explicit(&instance->is_served, is_started, memory_order_release);
    }
    lock_give(&instance->serve_lock);
    return is_started ? 0 : -1;
}

void larder_stop(larder *engine)
{
    struct instance *instance = instance_of(engine);
    lock_take(&instance->serve_lock);
    if (instance->net != NULL) {
        net_stop(instance->net);
        instance->net = NULL;
        atomic_store_explicit(&instance->is_served, false, memory_order_release);
    }
    lock_give(&instance->serve_lock);
}

int larder_port(larder *engine)
{
    return atomic_load_explicit(&engine->tcp_port, memory_order_relaxed);
}

int64_t larder_now(larder *engine)
{
    return clock_now_us(&engine->clock);
}

void larder_freeze(larder *engine)
{
    clock_freeze(&engine->clock);
}

void larder_resume(larder *engine)
{
    clock_resume(&engine->clock);
    engine_wake_workers(engine);
}

void larder_set_time(larder *engine, int64_t now_us)
{
    clock_set(&engine->clock, now_us);
    engine_wake_workers(engine);
}

void larder_advance(larder *engine, int64_t by_us)
{
    clock_advance(&engine->clock, by_us);
    engine_wake_workers(engine);
}

void larder_upkeep(larder *engine)
{
    struct instance *instance = instance_of(engine);
    if (!instance_is_free(instance))
        return; /* its worker does it */
    while (engine_upkeep(engine, 0, engine->keyspace.shard_count, clock_now_us(&engine->clock) / 1000, SIZE_MAX))
        continue;
}

/* What a step left over is gone on with at the next command, and so is flushed memory: with a clock that stands still
   the interval never ends. */
void instance_upkeep(struct instance *instance, const struct executor *executor)
{
    struct keyspace *ks = &instance->engine.keyspace;
    int64_t now_ms = executor->now_ms;
    int64_t last_ms = atomic_load_explicit(&instance->last_upkeep_ms, memory_order_relaxed);
    bool is_due = now_ms - last_ms >= UPKEEP_INTERVAL_MS || now_ms < last_ms ||
                  atomic_load_explicit(&instance->has_more_upkeep, memory_order_relaxed);
    bool has_garbage = atomic_load_explicit(&ks->garbage_bytes, memory_order_relaxed) > 0;
    if (likely(!is_due) && likely(!has_garbage))
        return;
    if (atomic_load_explicit(&instance->is_served, memory_order_relaxed))
        return;
    if (!is_due) {
        ks_reclaim(ks, UPKEEP_BUDGET);
    } else if (atomic_compare_exchange_strong_explicit(&instance->last_upkeep_ms, &last_ms, now_ms,
                                                       memory_order_relaxed, memory_order_relaxed)) {
        bool has_more = engine_upkeep(&instance->engine, 0, ks->shard_count, now_ms, UPKEEP_BUDGET);
        atomic_store_explicit(&instance->has_more_upkeep, has_more, memory_order_relaxed);
    }
}

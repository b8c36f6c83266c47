/* The latency monitor; see latency.h. */
#include "engine/latency.h"

#include "base/mem.h"
#include "engine/config.h"

static const uint64_t ms_in_ns = 1000 * 1000;

void latency_init(struct latency *latency)
{
    *latency = (struct latency){0};
    atomic_init(&latency->threshold_ns, UINT64_MAX);
    lock_init(&latency->lock);
}

void latency_free(struct latency *latency)
{
    for (size_t i = 0; i < LATENCY_EVENTS; i++)
        mem_free(latency->series[i]);
    lock_free(&latency->lock);
}

void latency_configure(struct latency *latency, struct config *config)
{
    long long threshold_ms = CFG_READ(config, latency_monitor_threshold_ms);
    bool is_off = threshold_ms <= 0 || (uint64_t)threshold_ms > UINT64_MAX / ms_in_ns;
    atomic_store_explicit(&latency->threshold_ns, is_off ? UINT64_MAX : (uint64_t)threshold_ms * ms_in_ns,
                          memory_order_relaxed);
}

/* Locked. Of what falls into one second, the worst is kept. */
static void add_sample(struct latency_series *series, int64_t at_s, uint32_t ms)
{
    struct latency_sample *last = &series->samples[(series->taken + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
    if (ms > series->worst_ms)
        series->worst_ms = ms;
    if (series->taken > 0 && last->at_s == at_s) {
        if (ms > last->ms)
            last->ms = ms;
        return;
    }
    series->samples[series->taken++ % LATENCY_SAMPLES] = (struct latency_sample){.at_s = at_s, .ms = ms};
}

void latency_note(struct latency *latency, enum latency_event event, int64_t at_s, uint64_t duration_ns)
{
    if (!latency_wants(latency, duration_ns))
        return;
    uint64_t ms = duration_ns / ms_in_ns;
    lock_take(&latency->lock);
    if (latency->series[event] == NULL)
        latency->series[event] = mem_alloc_zeroed(sizeof(struct latency_series));
    if (latency->series[event] != NULL)
        add_sample(latency->series[event], at_s, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
    lock_give(&latency->lock);
}

const char *latency_event_name(enum latency_event event)
{
    static const char *const names[LATENCY_EVENTS] = {
        [LATENCY_COMMAND] = "command",
        [LATENCY_FAST_COMMAND] = "fast-command",
        [LATENCY_EXPIRE_CYCLE] = "expire-cycle",
        [LATENCY_EVICTION_CYCLE] = "eviction-cycle",
    };
    return names[event];
}

bool latency_copy(struct latency *latency, enum latency_event event, struct latency_series *to)
{
    lock_take(&latency->lock);
    bool is_known = latency->series[event] != NULL;
    if (is_known)
        *to = *latency->series[event];
    lock_give(&latency->lock);
    return is_known;
}

size_t latency_count(const struct latency_series *series)
{
    return series->taken < LATENCY_SAMPLES ? (size_t)series->taken : LATENCY_SAMPLES;
}

const struct latency_sample *latency_at(const struct latency_series *series, size_t i)
{
    uint64_t first = series->taken - latency_count(series);
    return &series->samples[(first + i) % LATENCY_SAMPLES];
}

bool latency_reset(struct latency *latency, enum latency_event event)
{
    lock_take(&latency->lock);
    struct latency_series *series = latency->series[event];
    latency->series[event] = NULL;
    lock_give(&latency->lock);
    mem_free(series);
    return series != NULL;
}

size_t latency_memory(struct latency *latency)
{
    size_t bytes = 0;
    lock_take(&latency->lock);
    for (size_t i = 0; i < LATENCY_EVENTS; i++)
        bytes += mem_size(latency->series[i]);
    lock_give(&latency->lock);
    return bytes;
}

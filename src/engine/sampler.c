/* Rates and peaks; see sampler.h. */
#include "engine/sampler.h"

#include "engine/engine.h"
#include "engine/footprint.h"

void sampler_init(struct sampler *sampler)
{
    atomic_init(&sampler->due_ns, 0);
    lock_init(&sampler->lock);
    sampler->taken = 0;
    sampler->peak_bytes = 0;
}

void sampler_free(struct sampler *sampler)
{
    lock_free(&sampler->lock);
}

/* Is it this thread's turn? Of several that come at the same time, one is chosen. */
static bool claim(struct sampler *sampler, int64_t now_ns)
{
    int64_t due_ns = atomic_load_explicit(&sampler->due_ns, memory_order_relaxed);
    return now_ns >= due_ns &&
           atomic_compare_exchange_strong_explicit(&sampler->due_ns, &due_ns, now_ns + SAMPLER_INTERVAL_MS * 1000000LL,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static void note_footprint(struct larder *engine)
{
    struct footprint footprint = footprint_measure(engine);
    sampler_note_memory(&engine->sampler, footprint_sum(&footprint));
}

void sampler_run(struct larder *engine)
{
    struct sampler *sampler = &engine->sampler;
    int64_t now_ns = clock_monotonic_ns();
    if (!claim(sampler, now_ns))
        return;
    struct executor_stats stats = engine_stats(engine);
    struct sample sample = {
        .at_ns = now_ns,
        .commands = command_stats_calls(engine),
        .input_bytes = atomic_load_explicit(&stats.input_bytes, memory_order_relaxed),
        .output_bytes = atomic_load_explicit(&stats.output_bytes, memory_order_relaxed),
    };
    lock_take(&sampler->lock);
    uint64_t number = sampler->taken++;
    sampler->ring[number % SAMPLER_RING] = sample;
    lock_give(&sampler->lock);
    if (number % SAMPLER_MEMORY_EVERY == 0)
        note_footprint(engine);
}

void sampler_reset(struct sampler *sampler)
{
    lock_take(&sampler->lock);
    sampler->taken = 0;
    lock_give(&sampler->lock);
}

/* A reset may fall between two samples; what runs backwards then counts as nothing. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
    return after > before ? (double)(after - before) / seconds : 0;
}

struct rates sampler_rates(struct sampler *sampler)
{
    struct rates rates = {0};
    lock_take(&sampler->lock);
    uint64_t taken = sampler->taken;
    if (taken >= 2) {
        const struct sample *newest = &sampler->ring[(taken - 1) % SAMPLER_RING];
        const struct sample *oldest = &sampler->ring[taken > SAMPLER_RING ? taken % SAMPLER_RING : 0];
        double seconds = (double)(newest->at_ns - oldest->at_ns) / 1e9;
        rates.commands = rate(oldest->commands, newest->commands, seconds);
        rates.input_bytes = rate(oldest->input_bytes, newest->input_bytes, seconds);
        rates.output_bytes = rate(oldest->output_bytes, newest->output_bytes, seconds);
    }
    lock_give(&sampler->lock);
    return rates;
}

size_t sampler_note_memory(struct sampler *sampler, size_t used_bytes)
{
    lock_take(&sampler->lock);
    if (used_bytes > sampler->peak_bytes)
        sampler->peak_bytes = used_bytes;
    size_t peak_bytes = sampler->peak_bytes;
    lock_give(&sampler->lock);
    return peak_bytes;
}

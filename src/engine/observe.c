/* A handler run with a watch in the hand: its time goes into the command's counters, into the slow log and the latency
   monitor if it was long, and the monitors are told. Everything here happens under the locks that the handler ran
   under, so it never waits for anybody but other threads doing the same. */
#include "base/num.h"
#include "engine/dispatch.h"

/* May calls of this command go untimed when they are short? */
static bool is_sampled(const struct call *call)
{
    return call->command->flags & (CMD_FAST | CMD_BRIEF);
}

static void note_time(const struct call *call, struct command_stats *stats, uint64_t time_ns)
{
    bool stands_for_others =
        is_sampled(call) && command_stats_is_due(stats) && command_is_brief(call->argv, call->argc);
    command_stats_time(stats, time_ns, stands_for_others ? TIMED_FOR_OTHERS : TIMED_FOR_ITSELF,
                       CFG_READ(call->engine->config, latency_tracking));
}

/* Those who want to know of slow calls only. */
static void note_slowness(const struct call *call, uint64_t time_ns)
{
    struct larder *engine = call->engine;
    if (unlikely(slowlog_wants(&engine->slowlog, time_ns)) && !(call->command->flags & CMD_SKIP_SLOWLOG))
        slowlog_add(&engine->slowlog, call, time_ns);
    if (unlikely(latency_wants(&engine->latency, time_ns)))
        latency_note(&engine->latency, call->command->flags & CMD_FAST ? LATENCY_FAST_COMMAND : LATENCY_COMMAND,
                     call->now_ms / 1000, time_ns);
}

/* Bytes of the request as clients send it: "*3\r\n$3\r\nSET\r\n..." */
static size_t request_bytes(const struct call *call)
{
    enum { HEADER_BYTES = 3, WORD_BYTES = 5 }; /* without the numbers */
    size_t words = call_sent_words(call);
    size_t bytes = HEADER_BYTES + num_digits(words);
    for (size_t i = 0; i < words; i++)
        bytes += WORD_BYTES + num_digits(call_sent_word(call, i).len) + call_sent_word(call, i).len;
    return bytes;
}

/* What EXEC costs is noted with the commands that it runs. */
static void note_keys(const struct call *call, uint64_t time_ns, size_t pending_before)
{
    if (call->command->flags & CMD_RUNS_QUEUE)
        return;
    size_t pending = out_pending(&call->session->out);
    size_t reply_bytes = pending > pending_before ? pending - pending_before : 0;
    hotkeys_note(call, time_ns, request_bytes(call) + reply_bytes);
}

void observe_run(struct call *call, struct command_stats *stats, unsigned gates, struct shard *only, bool has_keys)
{
    const struct stopwatch *stopwatch = &call->engine->stopwatch;
    size_t pending_before = out_pending(&call->session->out);
    uint64_t from = stopwatch_ticks(stopwatch);
    call_run_with_shards(call, only, has_keys);
    uint64_t time_ns = stopwatch_ns(stopwatch, from, stopwatch_ticks(stopwatch));
    note_time(call, stats, time_ns);
    note_slowness(call, time_ns);
    if (unlikely(gates & GATE_HOTKEYS))
        note_keys(call, time_ns, pending_before);
    if (unlikely(gates & GATE_MONITOR))
        monitor_tell(call);
}

/* What the engine measures about itself: times that stand for others, sums over sessions that come and go, spikes, slow
   calls, hot keys; alone, through the embedding API, and without memory. */
#include "embedding.h"

#include "base/mem.h"
#include "base/stopwatch.h"
#include "engine/engine.h"

#include <pthread.h>

/* ---- The stopwatch ---- */

/* Both clocks over the same stretch of time; an interruption between two readings makes them differ, so the best of a
   few attempts counts. */
static void the_stopwatch_agrees_with_the_clock(void **state)
{
    struct stopwatch stopwatch;
    stopwatch_init(&stopwatch);
    double best = 1;
    for (int i = 0; i < 20 && best > 0.005; i++) {
        int64_t from_ns = clock_monotonic_ns();
        uint64_t from = stopwatch_ticks(&stopwatch);
        while (clock_monotonic_ns() - from_ns < 2000000)
            continue;
        double told_ns = (double)stopwatch_ns(&stopwatch, from, stopwatch_ticks(&stopwatch));
        double true_ns = (double)(clock_monotonic_ns() - from_ns);
        double error = told_ns > true_ns ? told_ns / true_ns - 1 : true_ns / told_ns - 1;
        best = error < best ? error : best;
    }
    assert_true(best <= 0.005);
    assert_int_equal(stopwatch_ns(&stopwatch, 5, 4), 0);
}

/* ---- Times of commands ---- */

/* As the dispatcher does it with a fast command; returns how often the clock was read. */
static size_t run_calls(struct command_stats *stats, size_t count, uint64_t time_ns)
{
    size_t timed = 0;
    for (size_t i = 0; i < count; i++) {
        if (command_stats_is_due(stats)) {
            command_stats_time(stats, time_ns, TIMED_FOR_OTHERS, true);
            timed++;
        }
        stats->calls++;
    }
    return timed;
}

static void times_stand_for_the_calls_between_them(void **state)
{
    struct random random = property_start(__func__);
    for (int round = 0; round < 200; round++) {
        struct command_stats stats = {.exact_left = STATS_TIMED_EXACTLY};
        size_t count = between(&random, 1, 20000);
        size_t large = 0;
        size_t timed = 0;
        for (size_t done = 0; done < count;) {
            size_t some = between(&random, 1, count - done);
            timed += run_calls(&stats, some, 100);
            done += some;
            if (one_in(&random, 2)) { /* one that stands for itself: its time is not taken for that of others */
                command_stats_time(&stats, 1000000, TIMED_FOR_ITSELF, true);
                stats.calls++;
                large++;
            }
        }
        assert_true(stats.timed <= stats.calls && stats.calls - stats.timed < STATS_TIMED_EVERY);
        assert_int_equal(stats.time_ns, (stats.timed - large) * 100 + large * 1000000);
        assert_int_equal(histogram_total(stats.times), stats.timed);
        if (count <= STATS_TIMED_EXACTLY)
            assert_int_equal(stats.timed, stats.calls);
        assert_true(timed <= STATS_TIMED_EXACTLY + count / STATS_TIMED_EVERY + large + 1);
        mem_free(stats.times);
    }
}

static void figures_are_scaled_without_overflow(void **state)
{
    const struct command_figures half = {.calls = UINT64_MAX, .timed = UINT64_MAX / 2};
    assert_int_equal(command_figures_scale(&half, 1000), 2000);
    const struct command_figures none = {.calls = 10};
    assert_int_equal(command_figures_scale(&none, 1000), 0);
}

/* ---- Sums ---- */

enum { SESSIONS = 8, KINDS = 4 };

struct counted {
    const char *line; /* of INFO commandstats */
    const char *words[4];
    uint64_t calls;
    uint64_t rejected;
    uint64_t failed;
};

/* A number behind `name` in a text; 0 where it is not there. */
static uint64_t number_in(const char *text, const char *line, const char *name)
{
    const char *at = strstr(text, line);
    const char *end = at != NULL ? strchr(at, '\n') : NULL;
    at = at != NULL ? strstr(at, name) : NULL;
    return at != NULL && at < end ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static larder_reply *info(larder_session *session, const char *section)
{
    larder_reply *reply = larder_command(session, "INFO", section, NULL);
    assert_non_null(reply);
    assert_non_null(reply->text);
    return reply;
}

static void check_counts(larder_session *session, const struct counted *counted)
{
    larder_reply *reply = info(session, "commandstats");
    for (size_t i = 0; i < KINDS; i++) {
        assert_int_equal(number_in(reply->text, counted[i].line, "calls="), counted[i].calls);
        assert_int_equal(number_in(reply->text, counted[i].line, "rejected_calls="), counted[i].rejected);
        assert_int_equal(number_in(reply->text, counted[i].line, "failed_calls="), counted[i].failed);
    }
    larder_reply_free(reply);
}

/* Sessions come and go, counters are reset in between: INFO always shows what has run since the last reset. */
static void commands_are_counted_over_all_sessions_past_and_present(void **state)
{
    struct random random = property_start(__func__);
    struct counted counted[KINDS] = {
        {.line = "cmdstat_get:", .words = {"GET", "key"}},
        {.line = "cmdstat_set:", .words = {"SET", "key", "value"}},
        {.line = "cmdstat_incr:", .words = {"INCR", "word"}, .failed = 1},
        {.line = "cmdstat_object|encoding:", .words = {"OBJECT", "ENCODING"}, .rejected = 1},
    };
    bool fails[KINDS];
    bool is_refused[KINDS];
    for (size_t i = 0; i < KINDS; i++) {
        fails[i] = counted[i].failed > 0;
        is_refused[i] = counted[i].rejected > 0;
        counted[i].failed = counted[i].rejected = 0;
    }
    larder *engine = open_configured("");
    larder_session *observer = open_session(engine);
    larder_session *sessions[SESSIONS] = {NULL};
    assert_status(observer, "OK", "SET", "word", "no number");
    counted[1].calls++;
    for (int round = 0; round < 3000; round++) {
        size_t i = between(&random, 0, SESSIONS - 1);
        size_t kind = between(&random, 0, KINDS - 1);
        if (sessions[i] == NULL)
            sessions[i] = open_session(engine);
        larder_reply *reply =
            larder_command(sessions[i], counted[kind].words[0], counted[kind].words[1], counted[kind].words[2], NULL);
        assert_int_equal(reply->type == LARDER_ERROR, fails[kind] || is_refused[kind]);
        larder_reply_free(reply);
        counted[kind].calls += !is_refused[kind];
        counted[kind].rejected += is_refused[kind];
        counted[kind].failed += fails[kind];
        if (one_in(&random, 20)) {
            larder_session_close(sessions[i]);
            sessions[i] = NULL;
        }
        if (one_in(&random, 100))
            check_counts(observer, counted);
        if (one_in(&random, 300)) {
            assert_status(observer, "OK", "CONFIG", "RESETSTAT");
            for (size_t k = 0; k < KINDS; k++)
                counted[k].calls = counted[k].failed = counted[k].rejected = 0;
        }
    }
    check_counts(observer, counted);
    for (size_t i = 0; i < SESSIONS; i++)
        larder_session_close(sessions[i]);
    check_counts(observer, counted);
    larder_session_close(observer);
    larder_close(engine);
}

/* However many codes clients make up, there are lines for some of them only, and none is lost. */
static void error_codes_are_bounded_and_all_errors_counted(void **state)
{
    enum { CODES = 300 };
    larder *engine = open_configured("enable-debug-command yes");
    larder_session *session = open_session(engine);
    for (int i = 0; i < CODES; i++) {
        char text[64];
        snprintf(text, sizeof(text), "CODE%d made up", i % 2 ? i : 0);
        larder_reply_free(larder_command(session, "DEBUG", "ERROR", text, NULL));
    }
    larder_reply *reply = info(session, "errorstats");
    size_t lines = 0;
    uint64_t sum = 0;
    for (const char *at = reply->text; (at = strstr(at, "errorstat_")) != NULL; at++) {
        lines++;
        sum += number_in(at, "errorstat_", "count=");
    }
    assert_int_equal(lines, ERROR_CODES_MAX + 1); /* and one for the rest */
    assert_int_equal(sum, CODES);
    assert_int_equal(number_in(reply->text, "errorstat_CODE0:", "count="), CODES / 2);
    larder_reply_free(reply);
    assert_status(session, "OK", "CONFIG", "RESETSTAT");
    reply = info(session, "errorstats");
    assert_null(strstr(reply->text, "errorstat_"));
    larder_reply_free(reply);
    larder_session_close(session);
    larder_close(engine);
}

/* ---- The latency monitor ---- */

static const uint64_t ms = 1000000;

static struct latency *make_latency(long long threshold_ms)
{
    static struct latency latency;
    static struct config config;
    atomic_init(&config.latency_monitor_threshold_ms, threshold_ms);
    latency_init(&latency);
    latency_configure(&latency, &config);
    return &latency;
}

static void spikes_of_one_second_are_one_sample(void **state)
{
    struct latency *latency = make_latency(10);
    struct latency_series series;
    assert_false(latency_copy(latency, LATENCY_COMMAND, &series));
    latency_note(latency, LATENCY_COMMAND, 100, 10 * ms - 1);
    assert_false(latency_copy(latency, LATENCY_COMMAND, &series));
    latency_note(latency, LATENCY_COMMAND, 100, 20 * ms);
    latency_note(latency, LATENCY_COMMAND, 100, 10 * ms);
    latency_note(latency, LATENCY_COMMAND, 101, 15 * ms);
    latency_note(latency, LATENCY_COMMAND, 101, 17 * ms);
    assert_true(latency_copy(latency, LATENCY_COMMAND, &series));
    assert_int_equal(latency_count(&series), 2);
    assert_int_equal(latency_at(&series, 0)->ms, 20);
    assert_int_equal(latency_at(&series, 1)->at_s, 101);
    assert_int_equal(latency_at(&series, 1)->ms, 17);
    assert_int_equal(series.worst_ms, 20);
    assert_false(latency_copy(latency, LATENCY_FAST_COMMAND, &series));
    latency_free(latency);
}

static void the_newest_samples_are_kept_and_the_worst_is_remembered(void **state)
{
    struct latency *latency = make_latency(1);
    struct latency_series series;
    for (int i = 0; i < 3 * LATENCY_SAMPLES; i++)
        latency_note(latency, LATENCY_EXPIRE_CYCLE, i, (uint64_t)(i == 5 ? 1000000 : 1 + i) * ms);
    assert_true(latency_copy(latency, LATENCY_EXPIRE_CYCLE, &series));
    assert_int_equal(latency_count(&series), LATENCY_SAMPLES);
    for (size_t i = 0; i < LATENCY_SAMPLES; i++)
        assert_int_equal(latency_at(&series, i)->at_s, 2 * LATENCY_SAMPLES + (int64_t)i);
    assert_int_equal(series.worst_ms, 1000000);
    assert_true(latency_reset(latency, LATENCY_EXPIRE_CYCLE));
    assert_false(latency_reset(latency, LATENCY_EXPIRE_CYCLE));
    assert_int_equal(latency_memory(latency), 0);
    latency_free(latency);
}

static void a_monitor_that_is_off_notes_nothing(void **state)
{
    struct latency *latency = make_latency(0);
    struct stopwatch stopwatch;
    struct latency_series series;
    stopwatch_init(&stopwatch);
    assert_int_equal(latency_begin(latency, &stopwatch), 0);
    latency_note(latency, LATENCY_COMMAND, 1, UINT64_MAX - 1);
    assert_false(latency_copy(latency, LATENCY_COMMAND, &series));
    latency_free(latency);
}

/* ---- MONITOR ---- */

enum {
    MEETINGS = 20000,    /* trials that are to meet the owner at work */
    TRIALS_MAX = 200000, /* on a machine on which the two never run at the same time */
    TOGGLES = 32,        /* in a trial */
};

/* A session whose owner enters and leaves MONITOR all the time, while another thread says that others may deliver to it
   (as CLIENT TRACKING REDIRECT does), takes that back, and so on; nobody else changes that bit. */
struct leaving {
    struct session *session;
    _Atomic unsigned rounds; /* of the owner */
    _Atomic bool is_over;
    size_t lost;
};

static void *say_that_it_listens(void *context)
{
    struct leaving *leaving = context;
    _Atomic unsigned *modes = &leaving->session->modes;
    size_t met = 0;
    for (int trial = 0; trial < TRIALS_MAX && met < MEETINGS; trial++) {
        unsigned round = atomic_load(&leaving->rounds);
        for (int i = 0; i < TOGGLES; i++) {
            unsigned before = atomic_fetch_or_explicit(modes, MODE_LISTENS, memory_order_relaxed);
            for (volatile int delay = i; delay > 0;) /* the owner may be in the middle of something */
                delay--;
            unsigned after = atomic_fetch_and_explicit(modes, ~(unsigned)MODE_LISTENS, memory_order_relaxed);
            leaving->lost += (before & MODE_LISTENS) || !(after & MODE_LISTENS);
        }
        met += atomic_load(&leaving->rounds) != round;
    }
    atomic_store(&leaving->is_over, true);
    return NULL;
}

static void leaving_monitor_loses_nothing_that_other_threads_say_of_the_session(void **state)
{
    larder *engine = open_engine(&(larder_options){.threads = 2});
    larder_session *opened = open_session(engine);
    larder_reply *id = larder_command(opened, "CLIENT", "ID", NULL);
    struct leaving leaving = {0};
    lock_take(&engine->sessions.lock);
    leaving.session = session_find(&engine->sessions, id->integer);
    lock_give(&engine->sessions.lock);
    assert_non_null(leaving.session);
    larder_reply_free(id);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, say_that_it_listens, &leaving), 0);
    while (!atomic_load(&leaving.is_over)) {
        monitor_join(leaving.session);
        monitor_leave(leaving.session);
        atomic_fetch_add(&leaving.rounds, 1);
    }
    pthread_join(thread, NULL);
    assert_int_equal(leaving.lost, 0);
    assert_int_equal(session_modes(leaving.session), MODE_LEAVES);
    larder_session_close(opened);
    larder_close(engine);
}

/* ---- Hot keys ---- */

enum { WRITERS = 4, WRITES = 2000, HOT_KEYS = 5 };

static void *write_hot_keys(void *context)
{
    larder_session *session = larder_session_open(context);
    for (int i = 0; i < WRITES; i++) {
        char key[16];
        snprintf(key, sizeof(key), "shared:%d", i % HOT_KEYS);
        larder_reply_free(larder_command(session, "SET", key, "value", NULL));
    }
    larder_session_close(session);
    return NULL;
}

/* The value of a field in a report, which is an array of one map. */
static const larder_reply *field_of(const larder_reply *report, const char *name)
{
    assert_int_equal(report->count, 1);
    const larder_reply *fields = &report->elements[0];
    for (size_t i = 0; i + 1 < fields->count; i += 2)
        if (strcmp(fields->elements[i].text, name) == 0)
            return &fields->elements[i + 1];
    fail_msg("no field %s", name);
    return NULL;
}

static void costs_of_keys_add_up_over_threads(void **state)
{
    static const char set[] = "*3\r\n$3\r\nSET\r\n$8\r\nshared:0\r\n$5\r\nvalue\r\n+OK\r\n"; /* and the reply */
    const int64_t bytes_each = (int64_t)strlen(set) * WRITERS * WRITES / HOT_KEYS;
    larder *engine = open_engine(&(larder_options){.threads = WRITERS});
    larder_session *observer = open_session(engine);
    pthread_t threads[WRITERS];
    assert_status(observer, "OK", "HOTKEYS", "START", "METRICS", "2", "CPU", "NET");
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_hot_keys, engine), 0);
    larder_reply_free(larder_command(observer, "INFO", "memory", NULL)); /* asks for the lists' memory */
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_status(observer, "OK", "HOTKEYS", "STOP");
    assert_status(observer, "OK", "SET", "shared:0", "too late");
    larder_reply *report = larder_command(observer, "HOTKEYS", "GET", NULL);
    const larder_reply *keys = field_of(report, "by-net-bytes");
    assert_int_equal(keys->count, 2 * HOT_KEYS);
    for (size_t i = 0; i < HOT_KEYS; i++)
        assert_int_equal(keys->elements[2 * i + 1].integer, bytes_each);
    assert_true(field_of(report, "net-bytes-all-commands-all-slots")->integer > bytes_each * HOT_KEYS); /* and INFO */
    const larder_reply *times = field_of(report, "by-cpu-time-us");
    int64_t time_us = 0;
    for (size_t i = 0; i < times->count / 2; i++)
        time_us += times->elements[2 * i + 1].integer;
    assert_in_range(time_us, 1, field_of(report, "all-commands-all-slots-us")->integer);
    larder_reply_free(report);
    larder_session_close(observer);
    larder_close(engine);
}

/* ---- Without memory ---- */

/* Each request is tried with the first, the second, ... allocation failing, until all pass: none may crash or lose the
   session, whatever it replies. */
static void observing_survives_without_memory(void **state)
{
    static const char *const requests[][4] = {
        {"ECHO", "logged"},
        {"GET", "key"},
        {"SLOWLOG", "GET"},
        {"SLOWLOG", "RESET"},
        {"LATENCY", "HISTOGRAM"},
        {"LATENCY", "DOCTOR"},
        {"LATENCY", "GRAPH", "command"},
        {"INFO", "everything"},
        {"MEMORY", "STATS"},
        {"CONFIG", "RESETSTAT"},
        {"HOTKEYS", "GET"},
        {"NONSENSE"},
    };
    larder *engine = open_configured("slowlog-log-slower-than 0\nlatency-monitor-threshold 1");
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        for (long allowed = 0; allowed < 60; allowed++) {
            larder_session *session = open_session(engine);
            larder_reply_free(larder_command(session, "HOTKEYS", "START", "METRICS", "1", "CPU", NULL));
            mem_fail_after(allowed);
            larder_reply_free(larder_command(session, requests[i][0], requests[i][1], requests[i][2], NULL));
            mem_fail_after(-1);
            larder_reply_free(larder_command(session, "HOTKEYS", "STOP", NULL));
            assert_status(session, "PONG", "PING");
            larder_session_close(session);
        }
    }
    larder_close(engine);
}

/* Started with ever more memory: as long as it does not suffice for all lists, nothing is tracked, and those that were
   made until then are freed. (Then it may not suffice for the reply.) */
static void starting_to_track_hot_keys_needs_memory_for_all_of_it(void **state)
{
    larder *engine = open_configured("");
    larder_session *session = open_session(engine);
    size_t refusals = 0;
    for (bool has_started = false; !has_started;) {
        mem_fail_after((long)refusals);
        larder_reply_free(larder_command(session, "HOTKEYS", "START", "METRICS", "2", "CPU", "NET", NULL));
        mem_fail_after(-1);
        larder_reply *report = larder_command(session, "HOTKEYS", "GET", NULL);
        assert_non_null(report);
        has_started = report->type == LARDER_ARRAY;
        refusals += report->type == LARDER_NIL;
        larder_reply_free(report);
        assert_true(refusals < 1000);
    }
    assert_true(refusals >= HOTKEYS_STRIPES * HOTKEYS_METRICS);
    assert_status(session, "OK", "HOTKEYS", "STOP");
    assert_status(session, "OK", "HOTKEYS", "RESET");
    larder_session_close(session);
    larder_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stopwatch_agrees_with_the_clock),
        cmocka_unit_test(times_stand_for_the_calls_between_them),
        cmocka_unit_test(figures_are_scaled_without_overflow),
        cmocka_unit_test(commands_are_counted_over_all_sessions_past_and_present),
        cmocka_unit_test(error_codes_are_bounded_and_all_errors_counted),
        cmocka_unit_test(spikes_of_one_second_are_one_sample),
        cmocka_unit_test(the_newest_samples_are_kept_and_the_worst_is_remembered),
        cmocka_unit_test(a_monitor_that_is_off_notes_nothing),
        cmocka_unit_test(leaving_monitor_loses_nothing_that_other_threads_say_of_the_session),
        cmocka_unit_test(costs_of_keys_add_up_over_threads),
        cmocka_unit_test(observing_survives_without_memory),
        cmocka_unit_test(starting_to_track_hot_keys_needs_memory_for_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The slow log; see slowlog.h. */
#include "engine/slowlog.h"

#include "base/mem.h"
#include "engine/call.h"

#include <stdio.h>

void slowlog_init(struct slowlog *log)
{
    lock_init(&log->lock);
    list_init(&log->calls);
    atomic_init(&log->threshold_ns, UINT64_MAX);
    log->count = log->bytes = 0;
    log->last_id = UINT64_MAX;
}

static void drop(struct slow_call *slow)
{
    if (atomic_fetch_sub_explicit(&slow->references, 1, memory_order_acq_rel) == 1)
        mem_free(slow);
}

static void drop_all(struct list *calls)
{
    while (!list_is_empty(calls)) {
        struct slow_call *slow = CONTAINER_OF(calls->next, struct slow_call, in_log);
        list_remove(&slow->in_log);
        drop(slow);
    }
}

void slowlog_free(struct slowlog *log)
{
    drop_all(&log->calls);
    lock_free(&log->lock);
}

void slowlog_configure(struct slowlog *log, struct config *config)
{
    long long threshold_us = CFG_READ(config, slowlog_log_slower_than_us);
    bool is_off = threshold_us < 0 || (uint64_t)threshold_us > UINT64_MAX / 1000;
    atomic_store_explicit(&log->threshold_ns, is_off ? UINT64_MAX : (uint64_t)threshold_us * 1000,
                          memory_order_relaxed);
}

/* ---- Making an entry ---- */

/* A word as it is shown: its beginning, and a note on what is left out. */
struct shown_word {
    bytes word;
    size_t note_len;
    char note[SLOWLOG_NOTE_SIZE];
};

static struct shown_word show_word(const struct call *call, size_t number)
{
    struct shown_word shown = {.word = call_shown_word(call, number)};
    size_t len = shown.word.len;
    if (len > SLOWLOG_WORD_MAX) {
        shown.word.len = SLOWLOG_WORD_MAX;
        shown.note_len =
            (size_t)snprintf(shown.note, sizeof(shown.note), "... (%zu more bytes)", len - SLOWLOG_WORD_MAX);
    }
    return shown;
}

/* In place of the words that are too many. */
static struct shown_word show_rest(size_t count)
{
    struct shown_word shown = {.word = {"", 0}};
    shown.note_len = (size_t)snprintf(shown.note, sizeof(shown.note), "... (%zu more arguments)", count);
    return shown;
}

/* All that an entry is made of. */
struct draft {
    size_t argc;
    struct shown_word words[SLOWLOG_WORDS_MAX];
    bytes address;
    bytes client_name;
    size_t bytes;
};

static void draw_up(struct draft *draft, const struct call *call)
{
    size_t words = call_sent_words(call);
    bool is_cut = words > SLOWLOG_WORDS_MAX;
    draft->argc = is_cut ? SLOWLOG_WORDS_MAX : words;
    for (size_t i = 0; i < draft->argc; i++)
        draft->words[i] = is_cut && i == draft->argc - 1 ? show_rest(words - i) : show_word(call, i);
    const char *name = call->session->name; /* only the session's owner, which this is, changes it */
    draft->client_name = name != NULL ? bytes_of(name) : (bytes){"", 0};
    draft->address = bytes_of(call->session->address);
    draft->bytes = sizeof(struct slow_call) + draft->argc * sizeof(bytes) + draft->address.len + draft->client_name.len;
    for (size_t i = 0; i < draft->argc; i++)
        draft->bytes += draft->words[i].word.len + draft->words[i].note_len;
}

/* Copies to `at`, which moves on. */
static bytes put(char **at, bytes from)
{
    bytes copy = {*at, from.len};
    if (from.len > 0)
        memcpy(*at, from.at, from.len);
    *at += from.len;
    return copy;
}

static struct slow_call *make_entry(const struct call *call, uint64_t duration_ns)
{
    struct draft draft;
    draw_up(&draft, call);
    struct slow_call *slow = mem_alloc(draft.bytes);
    if (slow == NULL)
        return NULL;
    atomic_init(&slow->references, 1);
    list_init(&slow->in_log);
    slow->at_s = call->now_ms / 1000;
    slow->duration_us = duration_ns / 1000;
    slow->argc = draft.argc;
    char *at = (char *)(slow->argv + draft.argc);
    slow->address = put(&at, draft.address);
    slow->client_name = put(&at, draft.client_name);
    for (size_t i = 0; i < draft.argc; i++) {
        slow->argv[i] = put(&at, draft.words[i].word);
        slow->argv[i].len += put(&at, (bytes){draft.words[i].note, draft.words[i].note_len}).len;
    }
    return slow;
}

/* ---- The log ---- */

void slowlog_add(struct slowlog *log, const struct call *call, uint64_t duration_ns)
{
    struct slow_call *slow = make_entry(call, duration_ns);
    if (slow == NULL)
        return;
    size_t max_len = (size_t)CFG_READ(call->engine->config, slowlog_max_len);
    struct list dropped;
    list_init(&dropped);
    lock_take(&log->lock);
    slow->id = ++log->last_id;
    list_append(&log->calls, &slow->in_log);
    log->bytes += mem_size(slow);
    for (log->count++; log->count > max_len; log->count--) {
        struct slow_call *oldest = CONTAINER_OF(log->calls.next, struct slow_call, in_log);
        log->bytes -= mem_size(oldest);
        list_remove(&oldest->in_log);
        list_append(&dropped, &oldest->in_log);
    }
    lock_give(&log->lock);
    drop_all(&dropped);
}

struct slow_call **slowlog_take(struct slowlog *log, size_t most, size_t *count)
{
    lock_take(&log->lock);
    *count = most < log->count ? most : log->count;
    struct slow_call **calls = mem_alloc((*count + 1) * sizeof(struct slow_call *));
    struct list *link = log->calls.prev;
    for (size_t i = 0; calls != NULL && i < *count; i++, link = link->prev) {
        calls[i] = CONTAINER_OF(link, struct slow_call, in_log);
        atomic_fetch_add_explicit(&calls[i]->references, 1, memory_order_relaxed);
    }
    lock_give(&log->lock);
    return calls;
}

void slowlog_give_back(struct slow_call **calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        drop(calls[i]);
    mem_free(calls);
}

size_t slowlog_length(struct slowlog *log)
{
    lock_take(&log->lock);
    size_t count = log->count;
    lock_give(&log->lock);
    return count;
}

size_t slowlog_memory(struct slowlog *log)
{
    lock_take(&log->lock);
    size_t bytes = log->bytes;
    lock_give(&log->lock);
    return bytes;
}

void slowlog_reset(struct slowlog *log)
{
    struct list dropped;
    list_init(&dropped);
    lock_take(&log->lock);
    list_take_all(&dropped, &log->calls);
    log->count = log->bytes = 0;
    lock_give(&log->lock);
    drop_all(&dropped);
}

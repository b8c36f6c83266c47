/* LCS: the longest common subsequence of two strings, which values/string.h finds. */
#include "commands/string.h"
#include "engine/call.h"
#include "values/string.h"

struct lcs_options {
    bool wants_length;
    bool wants_ranges;
    bool wants_lengths_of_ranges;
    int64_t min_range_len; /* at least 0 */
};

static bool parse_lcs_options(struct call *call, struct lcs_options *options)
{
    *options = (struct lcs_options){0};
    for (size_t i = 3; i < call->argc; i++) {
        if (call_is_word(call, i, "IDX")) {
            options->wants_ranges = true;
        } else if (call_is_word(call, i, "LEN")) {
            options->wants_length = true;
        } else if (call_is_word(call, i, "WITHMATCHLEN")) {
            options->wants_lengths_of_ranges = true;
        } else if (call_is_word(call, i, "MINMATCHLEN") && i + 1 < call->argc) {
            if (!call_integer(call, ++i, &options->min_range_len))
                return false;
            if (options->min_range_len < 0)
                options->min_range_len = 0;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    if (!options->wants_ranges || !options->wants_length)
        return true;
    reply_error(call, "ERR If you want both the length and indexes, please just use IDX.");
    return false;
}

/* Looks up the two strings; a missing key counts as an empty one. Both must be strings, or that is the reply. */
static bool find_lcs_strings(struct call *call, struct ks_key *a, struct ks_key *b)
{
    call_key_read(call, 1, TYPE_ANY, a);
    call_key_read(call, 2, TYPE_ANY, b);
    if (bytes_equal(a->name, b->name))
        *a = *b; /* the second use of a key may give it another entry */
    if ((a->entry == NULL || a->entry->type == TYPE_STRING) && (b->entry == NULL || b->entry->type == TYPE_STRING))
        return true;
    reply_error(call, "ERR The specified keys must contain string values");
    return false;
}

static void reply_bounds(struct call *call, size_t start, size_t len)
{
    reply_array(call, 2);
    reply_integer(call, (int64_t)start);
    reply_integer(call, (int64_t)(start + len - 1));
}

static void reply_lcs_ranges(struct call *call, struct lcs *lcs, const struct lcs_options *options)
{
    reply_map(call, 2);
    reply_bulk_text(call, "matches");
    struct out_chunk *begun = reply_begin(call);
    size_t count = 0;
    struct lcs_range range;
    while (lcs_next_range(lcs, &range)) {
        if ((uint64_t)range.len < (uint64_t)options->min_range_len)
            continue;
        count++;
        reply_array(call, options->wants_lengths_of_ranges ? 3 : 2);
        reply_bounds(call, range.a_start, range.len);
        reply_bounds(call, range.b_start, range.len);
        if (options->wants_lengths_of_ranges)
            reply_integer(call, (int64_t)range.len);
    }
    reply_end_array(call, begun, count);
    reply_bulk_text(call, "len");
    reply_integer(call, (int64_t)lcs->len);
}

static void reply_lcs(struct call *call, bytes a, bytes b, const struct lcs_options *options)
{
    uint64_t max_len = (uint64_t)CFG_READ(call->engine->config, proto_max_bulk_len);
    struct lcs lcs;
    if (lcs_redis_bytes(a.len, b.len) > max_len) {
        reply_error(call, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    } else if (!lcs_init(&lcs, a, b, options->wants_length)) {
        reply_error(call, "ERR Insufficient memory, failed allocating transient memory for LCS");
    } else {
        if (options->wants_length)
            reply_integer(call, (int64_t)lcs.len);
        else if (options->wants_ranges)
            reply_lcs_ranges(call, &lcs, options);
        else
            reply_bulk(call, lcs_text(&lcs));
        lcs_free(&lcs);
    }
}

/* LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]. The types are checked before the options. */
void cmd_lcs(struct call *call)
{
    struct ks_key a;
    struct ks_key b;
    struct lcs_options options;
    if (!find_lcs_strings(call, &a, &b) || !parse_lcs_options(call, &options))
        return;
    struct string_view view_of_a;
    struct string_view view_of_b;
    if (call_open_string(call, &a, BYTES(""), &view_of_a)) {
        if (call_open_string(call, &b, BYTES(""), &view_of_b)) {
            reply_lcs(call, view_of_a.value, view_of_b.value, &options);
            view_close(&view_of_b);
        }
        view_close(&view_of_a);
    }
}

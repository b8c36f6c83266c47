/* CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR: clients that keep copies of what they read. What is remembered, and
   how they are told, is the engine's (engine/tracking.h). */
#include "engine/tracking.h"

#include "base/mem.h"
#include "commands/client.h"

/* What the words ask for. */
struct tracking_words {
    unsigned flags;         /* enum tracking_flag */
    struct tracker *target; /* of REDIRECT, a reference; NULL: none was named */
    bytes *prefixes;        /* NULL: none */
    size_t prefix_count;
};

/* REDIRECT client-id; on failure the error has been replied. */
static bool parse_redirect(struct call *call, size_t argument, struct tracking_words *words)
{
    int64_t id;
    if (words->target != NULL) {
        reply_error(call, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!call_integer(call, argument, &id))
        return false;
    enum target_status status = tracking_find_target(call->session, id, &words->target);
    if (status == TARGET_MISSING)
        reply_error(call, "ERR The client ID you want redirect to does not exist");
    else if (status == TARGET_NO_MEMORY)
        reply_no_memory(call);
    return status == TARGET_FOUND;
}

/* PREFIX prefix. There is room for as many as there are arguments. */
static bool parse_prefix(struct call *call, size_t argument, struct tracking_words *words)
{
    if (words->prefixes == NULL)
        words->prefixes = mem_alloc(call->argc * sizeof(bytes));
    if (words->prefixes == NULL) {
        reply_no_memory(call);
        return false;
    }
    words->prefixes[words->prefix_count++] = ARG(argument);
    return true;
}

static bool parse_words(struct call *call, struct tracking_words *words)
{
    static const struct {
        const char *word;
        enum tracking_flag flag;
    } options[] = {
        {"bcast", TRACKING_BCAST},
        {"optin", TRACKING_OPTIN},
        {"optout", TRACKING_OPTOUT},
        {"noloop", TRACKING_NOLOOP},
    };
    for (size_t i = 3; i < call->argc; i++) {
        bool has_value = i + 1 < call->argc;
        if (call_is_word(call, i, "redirect") && has_value) {
            if (!parse_redirect(call, ++i, words))
                return false;
            continue;
        }
        if (call_is_word(call, i, "prefix") && has_value) {
            if (!parse_prefix(call, ++i, words))
                return false;
            continue;
        }
        size_t option = 0;
        while (option < COUNT_OF(options) && !call_is_word(call, i, options[option].word))
            option++;
        if (option == COUNT_OF(options)) {
            reply_syntax_error(call);
            return false;
        }
        words->flags |= options[option].flag;
    }
    return true;
}

/* What is wrong with these options, for a session that has those already; NULL: nothing. */
static const char *find_conflict(const struct tracking_words *words, unsigned present)
{
    unsigned flags = words->flags;
    if (words->prefix_count > 0 && !(flags & TRACKING_BCAST))
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if ((present & TRACKING_ON) && ((flags ^ present) & TRACKING_BCAST))
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling "
               "it with a different mode.";
    if ((flags & TRACKING_BCAST) && (flags & (TRACKING_OPTIN | TRACKING_OPTOUT)))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if ((flags & TRACKING_OPTIN) && (flags & TRACKING_OPTOUT))
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (((flags & TRACKING_OPTIN) && (present & TRACKING_OPTOUT)) ||
        ((flags & TRACKING_OPTOUT) && (present & TRACKING_OPTIN)))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling "
               "it with a different mode.";
    return NULL;
}

/* The prefixes must not overlap, nor take more memory than what a client may have waiting; on failure the error has
   been replied. */
static bool check_prefixes(struct call *call, const struct tracking_words *words)
{
    struct prefix_overlap overlap;
    switch (tracking_check_prefixes(call->session, words->prefixes, words->prefix_count, &overlap)) {
    case PREFIXES_FINE:
        break;
    case PREFIXES_OVERLAP:
        reply_error_format(call,
                           "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client must not "
                           "overlap.",
                           (int)quoted_length(overlap.prefix), overlap.prefix.at,
                           overlap.is_present ? "an existing" : "another provided", (int)quoted_length(overlap.other),
                           overlap.other.at);
        return false;
    case PREFIXES_NO_MEMORY:
        reply_no_memory(call);
        return false;
    }
    size_t sum = tracking_prefix_bytes(call->session);
    for (size_t i = 0; i < words->prefix_count; i++)
        sum += words->prefixes[i].len;
    if (sum <= (size_t)CFG_READ(call->engine->config, client_query_buffer_limit))
        return true;
    reply_error(call, "ERR The prefixes of a client must not take more memory than client-query-buffer-limit");
    return false;
}

static void turn_on(struct call *call, struct tracking_words *words)
{
    const char *conflict = find_conflict(words, tracking_flags(call->session));
    if (conflict != NULL) {
        reply_error(call, conflict);
        return;
    }
    if (!check_prefixes(call, words))
        return;
    const struct tracking_options options = {
        .flags = words->flags,
        .target = words->target,
        .prefixes = words->prefixes,
        .prefix_count = words->prefix_count,
    };
    if (!tracking_turn_on(call->session, &options)) {
        reply_no_memory(call);
        return;
    }
    words->target = NULL;
    reply_ok(call);
}

/* CLIENT TRACKING ON | OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
 */
void cmd_client_tracking(struct call *call)
{
    struct tracking_words words = {0};
    if (parse_words(call, &words)) {
        if (call_is_word(call, 2, "on")) {
            turn_on(call, &words);
        } else if (call_is_word(call, 2, "off")) {
            tracking_turn_off(call->session);
            reply_ok(call);
        } else {
            reply_syntax_error(call);
        }
    }
    tracker_drop(words.target);
    mem_free(words.prefixes);
}

/* CLIENT CACHING YES | NO: what the next command reads is remembered in spite of OPTIN, or not in spite of OPTOUT. */
void cmd_client_caching(struct call *call)
{
    unsigned flags = tracking_flags(call->session);
    bool is_yes = call_is_word(call, 2, "yes");
    if (!(flags & TRACKING_ON)) {
        reply_error(call,
                    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT "
                    "mode enabled");
    } else if (!is_yes && !call_is_word(call, 2, "no")) {
        reply_syntax_error(call);
    } else if (is_yes && !(flags & TRACKING_OPTIN)) {
        reply_error(call, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    } else if (!is_yes && !(flags & TRACKING_OPTOUT)) {
        reply_error(call, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    } else {
        tracking_except_next(call->session);
        reply_ok(call);
    }
}

/* CLIENT GETREDIR: who receives the invalidations instead; 0: nobody, -1: there are none. */
void cmd_client_getredir(struct call *call)
{
    reply_integer(call, tracking_redirection(call->session));
}

static size_t reply_flag(struct call *call, bool is_set, const char *name)
{
    if (is_set)
        reply_bulk_text(call, name);
    return is_set;
}

static void reply_flags(struct call *call, unsigned flags)
{
    struct out_chunk *begun = reply_begin(call);
    size_t count = reply_flag(call, !(flags & TRACKING_ON), "off");
    count += reply_flag(call, flags & TRACKING_ON, "on");
    count += reply_flag(call, flags & TRACKING_BCAST, "bcast");
    count += reply_flag(call, flags & TRACKING_OPTIN, "optin");
    count += reply_flag(call, (flags & TRACKING_OPTIN) && (flags & TRACKING_CACHING), "caching-yes");
    count += reply_flag(call, flags & TRACKING_OPTOUT, "optout");
    count += reply_flag(call, (flags & TRACKING_OPTOUT) && (flags & TRACKING_CACHING), "caching-no");
    count += reply_flag(call, flags & TRACKING_NOLOOP, "noloop");
    count += reply_flag(call, flags & TRACKING_BROKEN, "broken_redirect");
    reply_end_set(call, begun, count);
}

/* CLIENT TRACKINGINFO */
void cmd_client_trackinginfo(struct call *call)
{
    const struct session *session = call->session;
    reply_map(call, 3);
    reply_bulk_text(call, "flags");
    reply_flags(call, tracking_flags(session));
    reply_bulk_text(call, "redirect");
    reply_integer(call, tracking_redirection(session));
    reply_bulk_text(call, "prefixes");
    size_t count = tracking_prefix_count(session);
    reply_array(call, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk(call, tracking_prefix(session, i));
}

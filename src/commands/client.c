/* CLIENT: what a client says about itself, and the commands that look at all clients, close them or hold them back.
   Other sessions are seen through the registry alone, under its lock, and only their atomic fields and the texts that
   the lock protects are read; a session is closed by telling its transport, never from here. */
#include "commands/client.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"

#include <stdlib.h>

enum {
    LIST_MAX = 512 * 1024 * 1024, /* bytes of a reply at most; CLIENT LIST's text is bounded by the number of clients */
    NAME_MAX_BYTES = 4096,        /* of a client's name and its library's: they are in each line of it, and in logs */
};

/* What may stand in a name: it must fit between two spaces of CLIENT LIST. */
static bool is_plain_text(bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '!' || text.at[i] > '~')
            return false;
    return true;
}

bool client_check_name(struct call *call, bytes name)
{
    if (name.len > NAME_MAX_BYTES) {
        reply_error_format(call, "ERR Client names cannot be longer than %d bytes.", NAME_MAX_BYTES);
        return false;
    }
    if (is_plain_text(name))
        return true;
    reply_error(call, "ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
}

/* ---- About oneself ---- */

/* CLIENT ID: the number of this connection, never used twice. */
void cmd_client_id(struct call *call)
{
    reply_integer(call, (int64_t)call->session->id);
}

/* CLIENT GETNAME: the name, or null. Only the owner changes it, so the owner needs no lock to read it. */
void cmd_client_getname(struct call *call)
{
    const char *name = call->session->name;
    if (name != NULL)
        reply_bulk_text(call, name);
    else
        reply_null(call);
}

static void set_text(struct call *call, char **field, bytes text)
{
    if (session_set_text(call->session, field, text))
        reply_ok(call);
    else
        reply_no_memory(call);
}

/* CLIENT SETNAME name: an empty one takes the name away. */
void cmd_client_setname(struct call *call)
{
    if (client_check_name(call, ARG(2)))
        set_text(call, &call->session->name, ARG(2));
}

/* CLIENT SETINFO LIB-NAME name | LIB-VER version: which client library this is. */
void cmd_client_setinfo(struct call *call)
{
    struct session *session = call->session;
    char **field;
    if (call_is_word(call, 2, "lib-name")) {
        field = &session->lib_name;
    } else if (call_is_word(call, 2, "lib-ver")) {
        field = &session->lib_version;
    } else {
        reply_error_format(call, "ERR Unrecognized option '%.*s'", (int)quoted_length(ARG(2)), ARG(2).at);
        return;
    }
    if (ARG(3).len > NAME_MAX_BYTES) {
        reply_error_format(call, "ERR %.*s cannot be longer than %d bytes.", (int)ARG(2).len, ARG(2).at,
                           NAME_MAX_BYTES);
        return;
    }
    if (!is_plain_text(ARG(3))) {
        reply_error_format(call, "ERR %.*s cannot contain spaces, newlines or special characters.", (int)ARG(2).len,
                           ARG(2).at);
        return;
    }
    set_text(call, field, ARG(3));
}

/* CLIENT REPLY ON | OFF | SKIP */
void cmd_client_reply(struct call *call)
{
    struct session *session = call->session;
    if (call_is_word(call, 2, "on")) {
        if (session->client_reply != CLIENT_REPLY_SKIP_NEXT) /* SKIP before it in one EXEC: that still holds */
            session_set_client_reply(session, CLIENT_REPLY_ON);
        reply_ok(call);
    } else if (call_is_word(call, 2, "off")) {
        session_set_client_reply(session, CLIENT_REPLY_OFF);
    } else if (call_is_word(call, 2, "skip")) {
        if (session->client_reply != CLIENT_REPLY_OFF)
            session_set_client_reply(session, CLIENT_REPLY_SKIP_NEXT);
    } else {
        reply_syntax_error(call);
    }
}

static void set_switch(struct call *call, _Atomic bool *to)
{
    bool is_on = call_is_word(call, 2, "on");
    if (!is_on && !call_is_word(call, 2, "off")) {
        reply_syntax_error(call);
        return;
    }
    atomic_store_explicit(to, is_on, memory_order_relaxed);
    reply_ok(call);
}

/* CLIENT NO-EVICT ON | OFF: this client is not closed to win memory back. */
void cmd_client_no_evict(struct call *call)
{
    set_switch(call, &call->session->no_evict);
}

/* CLIENT NO-TOUCH ON | OFF: this client's commands do not count as uses of the keys. */
void cmd_client_no_touch(struct call *call)
{
    set_switch(call, &call->session->no_touch);
}

/* ---- Looking at clients ---- */

enum client_type { CLIENT_UNKNOWN, CLIENT_NORMAL, CLIENT_MASTER, CLIENT_REPLICA, CLIENT_PUBSUB };

static enum client_type type_by_name(bytes name)
{
    static const struct {
        const char *name;
        enum client_type type;
    } types[] = {
        {"normal", CLIENT_NORMAL}, {"slave", CLIENT_REPLICA}, {"replica", CLIENT_REPLICA},
        {"pubsub", CLIENT_PUBSUB}, {"master", CLIENT_MASTER},
    };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (bytes_equal_nocase(name, bytes_of(types[i].name)))
            return types[i].type;
    return CLIENT_UNKNOWN;
}

/* There are no others yet that the engine knows of: it has no replication. */
static enum client_type type_of(const struct session *session)
{
    return pubsub_count_all(session) > 0 ? CLIENT_PUBSUB : CLIENT_NORMAL;
}

/* A type named by an argument; on failure the error has been replied. */
static bool type_argument(struct call *call, size_t argument, enum client_type *type)
{
    *type = type_by_name(ARG(argument));
    if (*type != CLIENT_UNKNOWN)
        return true;
    reply_error_format(call, "ERR Unknown client type '%.*s'", (int)quoted_length(ARG(argument)), ARG(argument).at);
    return false;
}

enum { FLAGS_SIZE = 16 };

/* The letters that apply, in Redis's order. */
static void format_flags(const struct session *session, char flags[FLAGS_SIZE])
{
    unsigned modes = session_modes(session);
    unsigned tracking = tracking_flags(session);
    const struct {
        bool applies;
        char letter;
    } letters[] = {
        {atomic_load_explicit(&session->is_monitor, memory_order_relaxed), 'O'},
        {pubsub_count_all(session) > 0, 'P'},
        {modes & (MODE_MULTI | MODE_EXEC), 'x'},
        {session_is_held(session), 'b'},
        {tracking & TRACKING_ON, 't'},
        {tracking & TRACKING_BROKEN, 'R'},
        {tracking & TRACKING_BCAST, 'B'},
        {atomic_load_explicit(&session->is_touched, memory_order_relaxed), 'd'},
        {session->is_unix, 'U'},
        {atomic_load_explicit(&session->no_evict, memory_order_relaxed), 'e'},
        {atomic_load_explicit(&session->no_touch, memory_order_relaxed), 'T'},
    };
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        if (letters[i].applies)
            flags[count++] = letters[i].letter;
    if (count == 0)
        flags[count++] = 'N';
    flags[count] = '\0';
}

/* The name of the command that the session ran last. The two fields are written one after the other, so they are taken
   together only if they belong together. */
static void format_last_command(const struct session *session, char *name, size_t size)
{
    const struct command *command = atomic_load_explicit(&session->last_command, memory_order_relaxed);
    const struct command *container = atomic_load_explicit(&session->last_container, memory_order_relaxed);
    if (command == NULL) {
        command_full_name(NULL, &(struct command){.name = "NULL"}, name, size);
        return;
    }
    if (container != NULL && command_find_subcommand(container, bytes_of(command->name)) != command)
        container = NULL;
    command_full_name(container, command, name, size);
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* Under the registry's lock. */
static const char *user_name(const struct session *session)
{
    const struct acl_user *user = atomic_load_explicit(&session->user, memory_order_relaxed);
    return user != NULL ? user->name.at : "(superuser)";
}

/* Appends one client's line; under the registry's lock. Arguments are slices of the input and replies go to the
   transport as they are, so what Redis counts for copies of them is 0. */
static void describe(struct text *text, const struct session *session, int64_t now_ms)
{
    char flags[FLAGS_SIZE];
    char command[128];
    format_flags(session, flags);
    format_last_command(session, command, sizeof(command));
    size_t query = atomic_load_explicit(&session->query_bytes, memory_order_relaxed);
    size_t capacity = atomic_load_explicit(&session->query_capacity, memory_order_relaxed);
    size_t out_bytes = session_output_memory(session);
    text_append_format(text, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=%u ",
                       (unsigned long long)session->id, session->address, session->local_address, session->fd,
                       or_empty(session->name), (long long)(now_ms - session->created_ms) / 1000,
                       (long long)(now_ms - atomic_load_explicit(&session->last_use_ms, memory_order_relaxed)) / 1000,
                       flags, (unsigned)atomic_load_explicit(&session->db, memory_order_relaxed));
    text_append_format(
        text,
        "sub=%zu psub=%zu ssub=%zu multi=%d qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu rbs=0 rbp=0 obl=0 oll=%zu "
        "omem=%zu tot-mem=%zu events=%s cmd=%s user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
        pubsub_count(session, TOPIC_CHANNEL), pubsub_count(session, TOPIC_PATTERN),
        pubsub_count(session, TOPIC_SHARD_CHANNEL), atomic_load_explicit(&session->queued, memory_order_relaxed), query,
        capacity > query ? capacity - query : 0, atomic_load_explicit(&session->multi_bytes, memory_order_relaxed),
        atomic_load_explicit(&session->out_chunks, memory_order_relaxed), out_bytes, session_memory(session),
        out_bytes > 0 ? "rw" : "r", command, user_name(session), (long long)tracking_redirection(session),
        atomic_load_explicit(&session->protocol, memory_order_relaxed), or_empty(session->lib_name),
        or_empty(session->lib_version));
}

void client_describe(struct text *text, const struct session *session, int64_t now_ms)
{
    struct lock *lock = &session->engine->sessions.lock;
    lock_take(lock);
    describe(text, session, now_ms);
    lock_give(lock);
    if (text->len > 0)
        text->len--;
}

/* Replies a text and frees it. */
static void reply_text(struct call *call, struct text *text)
{
    if (text->is_cut)
        reply_no_memory(call);
    else
        reply_verbatim(call, text_bytes(text));
    text_free(text);
}

/* CLIENT INFO: the line that CLIENT LIST has for this client. */
void cmd_client_info(struct call *call)
{
    struct text text = {.limit = LIST_MAX};
    lock_take(&call->engine->sessions.lock);
    describe(&text, call->session, call->now_ms);
    lock_give(&call->engine->sessions.lock);
    reply_text(call, &text);
}

static void list_type(struct call *call, struct text *text, enum client_type type)
{
    struct session_registry *registry = &call->engine->sessions;
    lock_take(&registry->lock);
    for (struct session *session = NULL; (session = session_next_client(registry, session)) != NULL;)
        if (type == CLIENT_UNKNOWN || type_of(session) == type)
            describe(text, session, call->now_ms);
    lock_give(&registry->lock);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = (*(const struct session *const *)a)->id;
    uint64_t y = (*(const struct session *const *)b)->id;
    return (x > y) - (x < y);
}

static int compare_with_id(const void *id, const void *client)
{
    uint64_t wanted = *(const uint64_t *)id;
    uint64_t other = (*(const struct session *const *)client)->id;
    return (wanted > other) - (wanted < other);
}

/* All clients, sorted by id, with the registry locked; NULL when there is no memory. */
static const struct session **sort_clients(struct session_registry *registry, size_t *count)
{
    const struct session **clients = mem_alloc((registry->network_count + 1) * sizeof(*clients));
    struct session *session = NULL;
    *count = 0;
    while (clients != NULL && (session = session_next_client(registry, session)) != NULL)
        clients[(*count)++] = session;
    if (clients != NULL)
        qsort(clients, *count, sizeof(*clients), compare_ids);
    return clients;
}

/* The clients whose ids are the arguments from `first` on, in that order; on failure the error has been replied. */
static bool list_ids(struct call *call, struct text *text, size_t first)
{
    struct session_registry *registry = &call->engine->sessions;
    lock_take(&registry->lock);
    size_t count;
    const struct session **clients = sort_clients(registry, &count);
    bool is_fine = clients != NULL;
    if (!is_fine)
        reply_no_memory(call);
    for (size_t i = first; is_fine && i < call->argc; i++) {
        int64_t id;
        is_fine = num_parse_int64(ARG(i), &id);
        if (!is_fine) {
            reply_error(call, "ERR Invalid client ID");
            break;
        }
        uint64_t wanted = (uint64_t)id;
        const struct session **found = bsearch(&wanted, clients, count, sizeof(*clients), compare_with_id);
        if (found != NULL)
            describe(text, *found, call->now_ms);
    }
    lock_give(&registry->lock);
    mem_free(clients);
    return is_fine;
}

/* CLIENT LIST [TYPE type] | [ID id [id ...]]: a line for each client. */
void cmd_client_list(struct call *call)
{
    struct text text = {.limit = LIST_MAX};
    enum client_type type = CLIENT_UNKNOWN;
    if (call->argc > 3 && call_is_word(call, 2, "id")) {
        if (!list_ids(call, &text, 3)) {
            text_free(&text);
            return;
        }
    } else if (call->argc == 2) {
        list_type(call, &text, type);
    } else if (call->argc == 4 && call_is_word(call, 2, "type")) {
        if (!type_argument(call, 3, &type))
            return;
        list_type(call, &text, type);
    } else {
        reply_syntax_error(call);
        return;
    }
    reply_text(call, &text);
}

/* ---- Closing clients ---- */

/* Which clients are meant; what is not asked for is NULL, 0 or CLIENT_UNKNOWN. */
struct kill_filter {
    const bytes *address;
    const bytes *local_address;
    int64_t id;
    int64_t age_s; /* the least */
    enum client_type type;
    struct acl_user *user; /* a reference */
    bool skips_me;
};

static bool id_argument(struct call *call, size_t argument, int64_t *id)
{
    if (num_parse_int64(ARG(argument), id) && *id >= 1)
        return true;
    reply_error(call, "ERR client-id should be greater than 0");
    return false;
}

static bool user_argument(struct call *call, size_t argument, struct acl_user **user)
{
    acl_user_drop(*user);
    *user = acl_find_user(call->engine, ARG(argument));
    if (*user != NULL)
        return true;
    reply_error_format(call, "ERR No such user '%.*s'", (int)quoted_length(ARG(argument)), ARG(argument).at);
    return false;
}

/* As in Redis 7.4. */
static bool age_argument(struct call *call, size_t argument, int64_t *age_s)
{
    const char *error = NULL;
    if (!num_parse_int64(ARG(argument), age_s))
        error = "ERR maxage is not an integer or out of range";
    else if (*age_s <= 0)
        error = "ERR maxage should be greater than 0";
    if (error != NULL)
        reply_error(call, error);
    return error == NULL;
}

static bool skip_argument(struct call *call, size_t argument, bool *skips_me)
{
    *skips_me = call_is_word(call, argument, "yes");
    if (*skips_me || call_is_word(call, argument, "no"))
        return true;
    reply_syntax_error(call);
    return false;
}

/* One option with its value; on failure the error has been replied. */
static bool parse_kill_option(struct call *call, size_t i, struct kill_filter *filter)
{
    if (call_is_word(call, i, "id"))
        return id_argument(call, i + 1, &filter->id);
    if (call_is_word(call, i, "type"))
        return type_argument(call, i + 1, &filter->type);
    if (call_is_word(call, i, "user"))
        return user_argument(call, i + 1, &filter->user);
    if (call_is_word(call, i, "maxage"))
        return age_argument(call, i + 1, &filter->age_s);
    if (call_is_word(call, i, "skipme"))
        return skip_argument(call, i + 1, &filter->skips_me);
    if (call_is_word(call, i, "addr")) {
        filter->address = &ARG(i + 1);
        return true;
    }
    if (call_is_word(call, i, "laddr")) {
        filter->local_address = &ARG(i + 1);
        return true;
    }
    reply_syntax_error(call);
    return false;
}

static bool parse_kill(struct call *call, struct kill_filter *filter)
{
    *filter = (struct kill_filter){.skips_me = true};
    for (size_t i = 2; i < call->argc; i += 2) {
        if (i + 1 == call->argc) {
            reply_syntax_error(call);
            return false;
        }
        if (!parse_kill_option(call, i, filter))
            return false;
    }
    return true;
}

static bool is_meant(const struct kill_filter *filter, const struct session *session, int64_t now_ms)
{
    if (filter->address != NULL && !bytes_equal(*filter->address, bytes_of(session->address)))
        return false;
    if (filter->local_address != NULL && !bytes_equal(*filter->local_address, bytes_of(session->local_address)))
        return false;
    if (filter->type != CLIENT_UNKNOWN && type_of(session) != filter->type)
        return false;
    if (filter->user != NULL && atomic_load_explicit(&session->user, memory_order_relaxed) != filter->user)
        return false;
    if ((now_ms - session->created_ms) / 1000 < filter->age_s)
        return false;
    return filter->id == 0 || (int64_t)session->id == filter->id;
}

/* Closes the clients that are meant, oneself after the reply; returns how many. */
static int64_t kill_clients(struct call *call, const struct kill_filter *filter)
{
    struct session_registry *registry = &call->engine->sessions;
    int64_t killed = 0;
    lock_take(&registry->lock);
    for (struct session *session = NULL; (session = session_next_client(registry, session)) != NULL;) {
        bool is_me = session == call->session;
        if (!is_meant(filter, session, call->now_ms) || (is_me && filter->skips_me))
            continue;
        killed++;
        if (is_me) {
            session->close_after_reply = true;
        } else {
            atomic_store_explicit(&session->must_close, true, memory_order_release);
            session->transport->interrupt(session);
        }
    }
    lock_give(&registry->lock);
    return killed;
}

/* CLIENT KILL address, replied with OK or an error; or CLIENT KILL filter value [filter value ...], with a number. */
void cmd_client_kill(struct call *call)
{
    struct kill_filter filter = {0};
    if (call->argc == 3) {
        filter.address = &ARG(2);
        if (kill_clients(call, &filter) > 0)
            reply_ok(call);
        else
            reply_error(call, "ERR No such client");
        return;
    }
    if (parse_kill(call, &filter))
        reply_integer(call, kill_clients(call, &filter));
    acl_user_drop(filter.user);
}

/* CLIENT UNBLOCK client-id [TIMEOUT | ERROR]. No command blocks, so there is nobody to unblock: 0. */
void cmd_client_unblock(struct call *call)
{
    int64_t id;
    if (call->argc > 4) {
        reply_subcommand_error(call);
    } else if (call->argc == 4 && !call_is_word(call, 3, "timeout") && !call_is_word(call, 3, "error")) {
        reply_error(call, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    } else if (call_integer(call, 2, &id)) {
        reply_integer(call, 0);
    }
}

/* ---- Holding clients back ---- */

/* A timeout in milliseconds, as a time of the engine's clock; 0 stays 0. */
static bool timeout_argument(struct call *call, size_t argument, int64_t *until_ms)
{
    int64_t timeout_ms;
    const char *error = NULL;
    if (!num_parse_int64(ARG(argument), &timeout_ms))
        error = "ERR timeout is not an integer or out of range";
    else if (timeout_ms < 0)
        error = "ERR timeout is negative";
    else if (timeout_ms > INT64_MAX - call->now_ms)
        error = "ERR timeout is out of range";
    if (error != NULL) {
        reply_error(call, error);
        return false;
    }
    *until_ms = timeout_ms > 0 ? call->now_ms + timeout_ms : 0;
    return true;
}

/* Mode and time belong together, so those who change them take the registry's lock; the dispatcher reads both without
   it, and may for an instant see the new time with the old mode. */
static void pause_clients(struct call *call, int mode, int64_t until_ms)
{
    struct larder *engine = call->engine;
    lock_take(&engine->sessions.lock);
    if (engine_is_paused(engine, call->now_ms)) {
        int present = atomic_load_explicit(&engine->pause_mode, memory_order_relaxed);
        int64_t present_until_ms = atomic_load_explicit(&engine->pause_until_ms, memory_order_relaxed);
        mode = mode > present ? mode : present;
        until_ms = until_ms > present_until_ms ? until_ms : present_until_ms;
    }
    atomic_store_explicit(&engine->pause_until_ms, until_ms, memory_order_relaxed);
    atomic_store_explicit(&engine->pause_mode, mode, memory_order_relaxed);
    engine_set_gate(engine, GATE_PAUSE, true);
    lock_give(&engine->sessions.lock);
}

/* CLIENT PAUSE timeout-ms [WRITE | ALL]: a pause that is on already is never shortened or weakened. */
void cmd_client_pause(struct call *call)
{
    int mode = PAUSE_ALL;
    int64_t until_ms;
    if (call->argc > 4) {
        reply_subcommand_error(call);
        return;
    }
    if (call->argc == 4) {
        mode = call_is_word(call, 3, "write") ? PAUSE_WRITES : PAUSE_ALL;
        if (mode == PAUSE_ALL && !call_is_word(call, 3, "all")) {
            reply_error(call, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    }
    if (!timeout_argument(call, 2, &until_ms))
        return;
    pause_clients(call, mode, until_ms);
    reply_ok(call);
}

/* CLIENT UNPAUSE: ends a pause at once. */
void cmd_client_unpause(struct call *call)
{
    struct larder *engine = call->engine;
    lock_take(&engine->sessions.lock);
    atomic_store_explicit(&engine->pause_mode, PAUSE_NONE, memory_order_relaxed);
    atomic_store_explicit(&engine->pause_until_ms, 0, memory_order_relaxed);
    engine_set_gate(engine, GATE_PAUSE, false);
    lock_give(&engine->sessions.lock);
    engine_wake_workers(engine);
    reply_ok(call);
}

void cmd_client_help(struct call *call)
{
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Let tracking remember what the next command reads, or not (OPTIN, OPTOUT).",
        "GETNAME",
        "    The name of this connection.",
        "GETREDIR",
        "    Which connection receives the invalidations instead of this one.",
        "ID",
        "    The number of this connection.",
        "INFO",
        "    The line of CLIENT LIST about this connection.",
        "KILL <ip:port>",
        "    Close the connection from that address.",
        "KILL <filter> <value> [<filter> <value> [...]]",
        "    Close the connections that pass all filters:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      come from that address",
        "    * ID <client-id>",
        "      have that number",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      arrived at that address of the server",
        "    * MAXAGE <seconds>",
        "      have been there for that long",
        "    * SKIPME (YES|NO)",
        "      leave this connection out (default: yes)",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      are of that type",
        "    * USER <username>",
        "      authenticated as that user",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)|ID <client-id> [...]]",
        "    A line for each client, or for those of a type, or for those numbers.",
        "NO-EVICT (ON|OFF)",
        "    Do not close this connection to win memory back.",
        "NO-TOUCH (ON|OFF)",
        "    Do not count this connection's commands as uses of the keys.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold back all clients, or their writes, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Answer every command, none, or all but the next.",
        "SETINFO (LIB-NAME|LIB-VER) <text>",
        "    Say which client library this is.",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKING (ON|OFF) [REDIRECT <client-id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Be told when keys change that this connection may have copies of.",
        "TRACKINGINFO",
        "    What this connection tracks, and how.",
        "UNBLOCK <client-id> [TIMEOUT|ERROR]",
        "    Make a waiting client go on.",
        "UNPAUSE",
        "    End a pause.",
        NULL,
    };
    reply_help(call, lines);
}

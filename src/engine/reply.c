/* Replies; see reply.h. Thin words over the session's encoder, and the errors that many handlers share. */
#include "engine/reply.h"

#include "base/num.h"
#include "engine/call.h"

#include <stdarg.h>
#include <stdio.h>

enum { ERROR_MAX = 1024 }; /* bytes of an error reply, longer ones are cut */

#define ENCODE(call, function, ...) ((call)->session->encoder->function(&(call)->session->out, ##__VA_ARGS__))

void reply_status(struct call *call, const char *text)
{
    ENCODE(call, status, bytes_of(text));
}

void reply_ok(struct call *call)
{
    ENCODE(call, status, BYTES("OK"));
}

void reply_integer(struct call *call, int64_t value)
{
    ENCODE(call, integer, value);
}

void reply_bulk(struct call *call, bytes data)
{
    ENCODE(call, bulk, data);
}

void reply_blob(struct call *call, struct blob *blob, size_t start, size_t len)
{
    if (len >= REPLY_BLOB_MIN)
        ENCODE(call, blob, blob, start, len);
    else
        ENCODE(call, bulk, (bytes){blob->data + start, len});
}

void reply_bulk_text(struct call *call, const char *text)
{
    ENCODE(call, bulk, bytes_of(text));
}

void reply_bulk_integer(struct call *call, int64_t value)
{
    char text[NUM_INTEGER_SIZE];
    ENCODE(call, bulk, (bytes){text, num_format_int64(text, value)});
}

void reply_null(struct call *call)
{
    ENCODE(call, null);
}

void reply_null_array(struct call *call)
{
    ENCODE(call, null_array);
}

void reply_boolean(struct call *call, bool value)
{
    ENCODE(call, boolean, value);
}

void reply_real(struct call *call, double value)
{
    ENCODE(call, real, value);
}

void reply_verbatim(struct call *call, bytes text)
{
    ENCODE(call, verbatim, "txt", text);
}

void reply_array(struct call *call, size_t count)
{
    ENCODE(call, array, count);
}

void reply_map(struct call *call, size_t pairs)
{
    ENCODE(call, map, pairs);
}

void reply_set(struct call *call, size_t count)
{
    ENCODE(call, set, count);
}

void reply_push(struct call *call, size_t count)
{
    ENCODE(call, push, count);
}

struct out_chunk *reply_begin(struct call *call)
{
    return ENCODE(call, begin);
}

void reply_end_array(struct call *call, struct out_chunk *begun, size_t count)
{
    ENCODE(call, end_array, begun, count);
}

void reply_end_map(struct call *call, struct out_chunk *begun, size_t pairs)
{
    ENCODE(call, end_map, begun, pairs);
}

void reply_end_set(struct call *call, struct out_chunk *begun, size_t count)
{
    ENCODE(call, end_set, begun, count);
}

/* An EXEC that is refused ends the transaction, and says so. */
static bool is_refused_exec(const struct call *call)
{
    return call->command != NULL && (call->command->flags & CMD_RUNS_QUEUE) && !call->is_running;
}

/* The error for EXEC when its refusal is `text`, without the plain code; returns its length. */
static size_t word_exec_abort(char abort[ERROR_MAX], const char *text, size_t len)
{
    static const char code[] = "ERR ";
    size_t skipped = len >= strlen(code) && memcmp(text, code, strlen(code)) == 0 ? strlen(code) : 0;
    int written = snprintf(abort, ERROR_MAX, "EXECABORT Transaction discarded because of: %.*s", (int)(len - skipped),
                           text + skipped);
    return written < ERROR_MAX ? (size_t)written : ERROR_MAX - 1;
}

static void send_error(struct call *call, char *text, size_t len)
{
    char abort[ERROR_MAX];
    if (is_refused_exec(call)) {
        len = word_exec_abort(abort, text, len);
        text = abort;
    }
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    ENCODE(call, error, (bytes){text, len});
    call->failed = true;
    stat_add(&call->executor->stats.error_replies, 1);
    error_stats_count(&call->executor->errors, (bytes){text, len});
}

void reply_error(struct call *call, const char *text)
{
    reply_error_format(call, "%s", text);
}

void reply_error_format(struct call *call, const char *format, ...)
{
    char text[ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    size_t len = written < 0 ? 0 : (size_t)written;
    send_error(call, text, len < sizeof(text) ? len : sizeof(text) - 1);
}

void reply_syntax_error(struct call *call)
{
    reply_error(call, "ERR syntax error");
}

void reply_wrong_type(struct call *call)
{
    reply_error(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void reply_no_memory(struct call *call)
{
    reply_error(call, "OOM out of memory");
}

void reply_arity_error(struct call *call)
{
    char name[128];
    command_full_name(call->container, call->command, name, sizeof(name));
    reply_error_format(call, "ERR wrong number of arguments for '%s' command", name);
}

/* The name of the command that has the subcommands, in capitals. */
static void container_name(const struct call *call, char name[COMMAND_NAME_SIZE])
{
    command_upper_name(call->container != NULL ? call->container : call->command, name);
}

void reply_subcommand_error(struct call *call)
{
    char container[COMMAND_NAME_SIZE];
    container_name(call, container);
    bytes word = call->argc > 1 ? ARG(1) : ARG(0);
    int len = word.len < 128 ? (int)word.len : 128;
    reply_error_format(call, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.", len,
                       word.at, container);
}

void reply_help(struct call *call, const char *const *lines)
{
    size_t count = 0;
    while (lines[count] != NULL)
        count++;
    char head[160];
    char name[COMMAND_NAME_SIZE];
    container_name(call, name);
    snprintf(head, sizeof(head), "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_array(call, count + 3);
    reply_status(call, head);
    for (size_t i = 0; i < count; i++)
        reply_status(call, lines[i]);
    reply_status(call, "HELP");
    reply_status(call, "    Prints this help.");
}

bool call_open_string(struct call *call, const struct ks_key *key, bytes otherwise, struct string_view *view)
{
    *view = VIEW_OF(otherwise);
    if (key->entry == NULL || likely(view_open(view, key->entry)))
        return true;
    reply_no_memory(call);
    return false;
}

void reply_string(struct call *call, const struct entry *entry)
{
    reply_string_range(call, entry, 0, entry_string_len(entry));
}

void reply_compressed(struct call *call, bytes compressed, size_t start, size_t len)
{
    struct string_view view;
    if (call->session->out.failed) /* the client is lost: spare the work */
        return;
    if (!view_expand(&view, compressed)) {
        reply_no_memory(call);
        return;
    }
    ENCODE(call, bulk, (bytes){view.value.at + start, len});
    view_close(&view);
}

void reply_string_range(struct call *call, const struct entry *entry, size_t start, size_t len)
{
    if (likely(!(entry->flags & (ENTRY_IS_BOXED | ENTRY_IS_COMPRESSED))))
        ENCODE(call, bulk, (bytes){entry_stored(entry).at + start, len});
    else if (entry_is_compressed(entry))
        reply_compressed(call, entry_stored(entry), start, len);
    else
        reply_blob(call, entry_stored_blob(entry), start, len);
}

static void silent_text(struct out *out, bytes text)
{
    (void)out;
    (void)text;
}

static void silent_integer(struct out *out, int64_t value)
{
    (void)out;
    (void)value;
}

static void silent_blob(struct out *out, struct blob *blob, size_t start, size_t len)
{
    (void)out;
    (void)blob;
    (void)start;
    (void)len;
}

static void silent_null(struct out *out)
{
    (void)out;
}

static void silent_boolean(struct out *out, bool value)
{
    (void)out;
    (void)value;
}

static void silent_real(struct out *out, double value)
{
    (void)out;
    (void)value;
}

static void silent_verbatim(struct out *out, const char format[4], bytes text)
{
    (void)out;
    (void)format;
    (void)text;
}

static void silent_count(struct out *out, size_t count)
{
    (void)out;
    (void)count;
}

static struct out_chunk *silent_begin(struct out *out)
{
    (void)out;
    return NULL;
}

static void silent_end(struct out *out, struct out_chunk *begun, size_t count)
{
    (void)out;
    (void)begun;
    (void)count;
}

const struct reply_encoder reply_encoder_silent = {
    .status = silent_text,
    .error = silent_text,
    .integer = silent_integer,
    .bulk = silent_text,
    .blob = silent_blob,
    .null = silent_null,
    .null_array = silent_null,
    .boolean = silent_boolean,
    .real = silent_real,
    .big_number = silent_text,
    .verbatim = silent_verbatim,
    .array = silent_count,
    .map = silent_count,
    .set = silent_count,
    .push = silent_count,
    .attribute = silent_count,
    .begin = silent_begin,
    .end_array = silent_end,
    .end_map = silent_end,
    .end_set = silent_end,
};

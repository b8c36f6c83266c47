/* Fuzzes the arguments of commands: the input is a stream of requests for a connection in memory, on an engine of its
   own with a frozen clock. Two bytes in front say where the stream is cut, whether values are compressed (if the first
   is odd), and how far the clock moves in between. Whatever the requests are, the replies are well-formed RESP and the
   keyspace keeps its invariants. */
#include "base/lz4.h"
#include "base/num.h"
#include "engine/engine.h"
#include "larder.h"

#include <stdlib.h>

enum { MAX_INPUT = 16 * 1024, HEADER = 2 };

static void on_shutdown(void *context)
{
    (void)context;
}

/* --- replies --- */

struct reader {
    const char *at;
    const char *end;
};

static bytes read_line(struct reader *reader)
{
    const char *start = reader->at;
    for (const char *at = start; at + 1 < reader->end; at++) {
        if (*at == '\n')
            abort();
        if (*at != '\r')
            continue;
        if (at[1] != '\n')
            abort();
        reader->at = at + 2;
        return (bytes){start, (size_t)(at - start)};
    }
    abort();
}

static int64_t read_number(bytes line)
{
    int64_t number;
    if (!num_parse_int64(line, &number))
        abort();
    return number;
}

static void read_bulk(struct reader *reader, int64_t len)
{
    if (len == -1)
        return;
    if (len < 0 || reader->end - reader->at < len + 2 || memcmp(reader->at + len, "\r\n", 2) != 0)
        abort();
    reader->at += len + 2;
}

/* Reads one element; returns how many elements follow that belong to it. */
static int64_t read_element(struct reader *reader)
{
    char type = *reader->at++;
    bytes line = read_line(reader);
    switch (type) {
    case '+':
    case '-':
    case ',':
    case '(':
        return 0;
    case ':':
        read_number(line);
        return 0;
    case '_':
        if (line.len != 0)
            abort();
        return 0;
    case '#':
        if (line.len != 1 || (line.at[0] != 't' && line.at[0] != 'f'))
            abort();
        return 0;
    case '$':
    case '=':
        read_bulk(reader, read_number(line));
        return 0;
    case '*':
    case '~':
    case '>': {
        int64_t count = read_number(line);
        return count == -1 ? 0 : count;
    }
    case '%':
    case '|':
        return 2 * read_number(line);
    default:
        abort();
    }
}

static void check_replies(const char *at, size_t len)
{
    struct reader reader = {at, at + len};
    int64_t missing = 0;
    while (reader.at < reader.end) {
        if (missing > 0)
            missing--;
        missing += read_element(&reader);
    }
    if (missing != 0)
        abort();
}

/* --- the conversation --- */

struct replies {
    char *at;
    size_t len;
};

static void read_all(larder_connection *connection, struct replies *replies)
{
    size_t pending = larder_connection_pending(connection);
    replies->at = realloc(replies->at, replies->len + pending + 1);
    if (replies->at == NULL)
        abort();
    ptrdiff_t got = larder_connection_read(connection, replies->at + replies->len, pending + 1);
    if (got > 0)
        replies->len += (size_t)got;
}

/* Lifting the limit on values would show how much memory there is, and nothing else. */
static bool lifts_the_limit(const uint8_t *data, size_t len)
{
    static const char name[] = "proto-max-bulk-len";
    const bytes wanted = {name, sizeof(name) - 1};
    for (size_t i = 0; i + wanted.len <= len; i++)
        if (bytes_equal_nocase((bytes){(const char *)data + i, wanted.len}, wanted))
            return true;
    return false;
}

static void converse(larder *engine, const uint8_t *data, size_t len, size_t cut, int64_t advance_us)
{
    struct replies replies = {0};
    larder_connection *connection = larder_connect(engine);
    if (connection == NULL)
        abort();
    larder_connection_write(connection, data, cut);
    read_all(connection, &replies);
    larder_advance(engine, advance_us);
    larder_connection_write(connection, data + cut, len - cut);
    read_all(connection, &replies);
    larder_disconnect(connection);
    check_replies(replies.at, replies.len);
    free(replies.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < HEADER || len > MAX_INPUT || lifts_the_limit(data, len))
        return 0;
    larder_options options = {
        .threads = 2,
        .config = data[0] % 2 == 1 && lz4_is_available() ? "proto-max-bulk-len 1mb\ncompression-threshold 8\n"
                                                         : "proto-max-bulk-len 1mb\n",
        .on_shutdown = on_shutdown,
    };
    larder *engine = larder_open(&options, NULL, 0);
    if (engine == NULL)
        abort();
    larder_freeze(engine);
    size_t stream_len = len - HEADER;
    size_t cut = stream_len * data[0] / 256;
    int64_t advance_us = (int64_t)1 << (data[1] % 48); /* up to nine years */
    converse(engine, data + HEADER, stream_len, cut, advance_us);
    larder_upkeep(engine);
    ks_check(&engine->keyspace);
    larder_close(engine);
    return 0;
}

/* What the tests of the embedding API share: engines and sessions that open or else, and commands whose reply is
   checked in one line, reported at the line that asked. */
#ifndef LARDER_TESTS_EMBEDDING_H
#define LARDER_TESTS_EMBEDDING_H

#include "property.h"

#include "larder.h"

#include <string.h>
#include <unistd.h>

enum { ERROR_SIZE = 512, SECOND_US = 1000000 };

static inline larder *open_engine(const larder_options *options)
{
    char error[ERROR_SIZE] = "";
    larder *engine = larder_open(options, error, sizeof(error));
    if (engine == NULL)
        fail_msg("larder_open: %s", error);
    return engine;
}

static inline larder *open_configured(const char *config)
{
    return open_engine(&(larder_options){.config = config});
}

static inline larder_session *open_session(larder *engine)
{
    larder_session *session = larder_session_open(engine);
    assert_non_null(session);
    return session;
}

/* Checks a reply and frees it. NULL text: any will do. */
static inline void check_reply(larder_reply *reply, larder_type type, const char *text, int64_t integer,
                               const char *file, int line)
{
    bool is_right = false;
    if (reply == NULL)
        print_error("# no reply\n");
    else if (reply->type != type)
        print_error("# a reply of type %d, not %d: %s\n", reply->type, type, reply->text ? reply->text : "");
    else if (text != NULL && (reply->text == NULL || strcmp(reply->text, text) != 0))
        print_error("# \"%s\", not \"%s\"\n", reply->text ? reply->text : "(none)", text);
    else if (reply->integer != integer)
        print_error("# %lld, not %lld\n", (long long)reply->integer, (long long)integer);
    else
        is_right = true;
    larder_reply_free(reply);
    if (!is_right)
        _fail(file, line);
}

#define CHECK_COMMAND(session, type, text, integer, ...) \
    check_reply(larder_command(session, __VA_ARGS__, NULL), type, text, integer, __FILE__, __LINE__)

#define assert_status(session, text, ...) CHECK_COMMAND(session, LARDER_STATUS, text, 0, __VA_ARGS__)
#define assert_string(session, text, ...) CHECK_COMMAND(session, LARDER_STRING, text, 0, __VA_ARGS__)
#define assert_error(session, text, ...) CHECK_COMMAND(session, LARDER_ERROR, text, 0, __VA_ARGS__)
#define assert_nil(session, ...) CHECK_COMMAND(session, LARDER_NIL, NULL, 0, __VA_ARGS__)
#define assert_integer(session, number, ...) CHECK_COMMAND(session, LARDER_INTEGER, NULL, number, __VA_ARGS__)

/* ---- Sockets ---- */

#define FOLDER_TEMPLATE "/tmp/larder-test-XXXXXX"

/* A folder of the test's own, and the path of a socket to be in it. */
static inline void make_folder(char folder[sizeof(FOLDER_TEMPLATE)], char *path, size_t size)
{
    assert_non_null(mkdtemp(folder));
    snprintf(path, size, "%s/s", folder);
}

/* ---- Connections in memory ---- */

static inline larder_connection *open_connection(larder *engine)
{
    larder_connection *connection = larder_connect(engine);
    assert_non_null(connection);
    return connection;
}

static inline void write_text(larder_connection *connection, const char *text)
{
    assert_int_equal(larder_connection_write(connection, text, strlen(text)), 0);
}

/* Everything that has been answered so far is this text. */
static inline void check_received(larder_connection *connection, const char *text, const char *file, int line)
{
    char received[4096];
    ptrdiff_t len = larder_connection_read(connection, received, sizeof(received));
    if (len == (ptrdiff_t)strlen(text) && memcmp(received, text, (size_t)len) == 0)
        return;
    print_error("# received %td bytes: %.*s\n", len, len > 0 ? (int)len : 0, received);
    _fail(file, line);
}

#define assert_received(connection, text) check_received(connection, text, __FILE__, __LINE__)

static inline void assert_closed(larder_connection *connection)
{
    char byte;
    assert_int_equal(larder_connection_read(connection, &byte, 1), -1);
    assert_int_equal(larder_connection_write(connection, "PING\r\n", 6), -1);
}

#endif

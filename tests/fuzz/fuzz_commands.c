/* Fuzzes the arguments of commands: the input is a stream of requests for a connection in memory, on an engine that lives as
   long as the process, with its clock frozen. After each input the keyspace is emptied, so that inputs stay independent. */
#include "larder.h"

#include <stdlib.h>

enum { MAX_INPUT = 16 * 1024 };

static larder *engine;

static void on_shutdown(void *context)
{
    (void)context;
}

static void read_all(larder_connection *connection)
{
    char buffer[4096];
    while (larder_connection_read(connection, buffer, sizeof(buffer)) > 0)
        continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > MAX_INPUT)
        return 0;
    if (engine == NULL) {
        /* small limits, so that no input can ask for much memory; DEBUG stays off, as it may sleep */
        larder_options options = {
            .threads = 2,
            .config = "proto-max-bulk-len 1mb\nclient-query-buffer-limit 1mb\n",
            .on_shutdown = on_shutdown,
        };
        engine = larder_open(&options, NULL, 0);
        if (engine == NULL)
            abort();
        larder_freeze(engine);
    }
    larder_connection *connection = larder_connect(engine);
    larder_connection_write(connection, data, len);
    read_all(connection);
    larder_disconnect(connection);

    larder_session *session = larder_session_open(engine);
    larder_reply_free(larder_command(session, "CLIENT", "UNPAUSE", NULL));
    larder_reply_free(larder_command(session, "CONFIG", "SET", "requirepass", "", "proto-max-bulk-len", "1mb", NULL));
    larder_reply_free(larder_command(session, "FLUSHALL", NULL));
    larder_session_close(session);
    larder_upkeep(engine);
    return 0;
}

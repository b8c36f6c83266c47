/* What transports that speak RESP have in common: the limits for a session's requests, and the answer to a broken one.
 */
#include "engine/engine.h"
#include "protocol/resp.h"

#include <stdio.h>

struct resp_limits resp_limits_of(const struct session *session)
{
    return (struct resp_limits){
        .max_bulk_len = CFG_READ(session->engine->config, proto_max_bulk_len),
        .is_unauthenticated = !acl_lets_in(session),
    };
}

void resp_refuse(struct session *session, const char *text)
{
    if (session_modes(session) & MODES_LISTENING)
        inbox_settle(session);
    char line[RESP_ERROR_SIZE + 32];
    int len = snprintf(line, sizeof(line), "ERR Protocol error: %s", text);
    session->encoder->error(&session->out, (bytes){line, (size_t)len});
    stat_add(&session->executor->stats.error_replies, 1);
}

/* The protocols that a session may speak, for transports that carry either: bytes to requests, and back. Which of them
   it is was said when the session was opened, by its encoders. */
#ifndef LARDER_PROTOCOL_PROTOCOL_H
#define LARDER_PROTOCOL_PROTOCOL_H

#include "engine/engine.h"
#include "protocol/gibson.h"
#include "protocol/resp.h"

static inline bool session_speaks_gibson(const struct session *session)
{
    return session->encoders == gibson_encoders;
}

/* Parses the request that begins at input[0], as resp_parse does; `limits` are those of resp_limits_of. */
static inline enum resp_status protocol_parse(const struct session *session, struct resp_state *state, char *input,
                                              size_t len, struct resp_args *args, const struct resp_limits *limits,
                                              char error[RESP_ERROR_SIZE])
{
    if (unlikely(session_speaks_gibson(session))) {
        error[0] = '\0'; /* it has been logged, and is not answered */
        return gibson_parse_for(session, state, input, len, args);
    }
    return resp_parse(state, input, len, args, limits, error);
}

/* After RESP_MORE: the least total length of input with which parsing can go on. */
static inline size_t protocol_needed(const struct session *session, const struct resp_state *state, const char *input,
                                     size_t len)
{
    return session_speaks_gibson(session) ? gibson_needed(input, len) : resp_needed(state, len);
}

/* Answers a request that broke the protocol, where that has an answer to it; the caller ends the connection. */
static inline void protocol_refuse(struct session *session, const char *text)
{
    if (!session_speaks_gibson(session))
        resp_refuse(session, text);
}

#endif

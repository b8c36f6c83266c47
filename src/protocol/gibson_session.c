/* What transports that speak Gibson's protocol have in common: requests under the limits that hold for a session. */
#include "engine/engine.h"
#include "protocol/gibson.h"

#include <stdio.h>

static struct gibson_limits limits_of(const struct config *config)
{
    return (struct gibson_limits){
        .max_request = (size_t)CFG_READ(config, gibson_max_request_size),
        .max_key = (size_t)CFG_READ(config, gibson_max_key_size),
        .max_value = (size_t)CFG_READ(config, gibson_max_value_size),
    };
}

enum resp_status gibson_parse_for(const struct session *session, struct resp_state *state, const char *input,
                                  size_t len, struct resp_args *args, char error[RESP_ERROR_SIZE])
{
    struct gibson_limits limits = limits_of(session->engine->config);
    enum resp_status status = gibson_parse(input, len, args, &limits, &state->position);
    bool has_form = status == RESP_REQUEST || (status == RESP_BROKEN && state->position > 0);
    if (has_form)
        stat_add(&session->executor->stats.gibson_requests, 1);
    if (likely(status != RESP_BROKEN))
        return status;
    snprintf(error, RESP_ERROR_SIZE, has_form ? "unknown operator" : "impossible size of a request");
    log_printf(&session->engine->log, LOG_WARNING_LEVEL, "Closing Gibson client id=%llu addr=%s: %s",
               (unsigned long long)session->id, session->address, error);
    return status;
}

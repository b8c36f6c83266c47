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

void gibson_open(struct larder *engine)
{
    for (size_t i = 0; i < GIBSON_OPERATORS; i++) {
        char name[32];
        bytes operator= gibson_operator_name(i);
        int len = snprintf(name, sizeof(name), "gibson|%.*s", (int)operator.len, operator.at);
        uint32_t number = 0;
        bool is_there = command_find_own(&engine->commands, (bytes){name, (size_t)len}, &number);
        assert(is_there);
        engine->gibson_commands[i] = (uint16_t)(is_there ? number : 0);
    }
}

enum { DUMP_BYTES = 255 }; /* of a frame in the log */

static void log_broken(const struct session *session, const char *reason, bytes frame)
{
    char dump[3 * DUMP_BYTES + 1] = "";
    size_t count = frame.len < DUMP_BYTES ? frame.len : DUMP_BYTES;
    for (size_t i = 0; i < count; i++)
        snprintf(dump + 3 * i, 4, " %02x", (unsigned char)frame.at[i]);
    log_printf(&session->engine->log, LOG_WARNING_LEVEL, "Closing Gibson client id=%llu addr=%s: %s:%s",
               (unsigned long long)session->id, session->address, reason, dump);
}

enum resp_status gibson_parse_for(const struct session *session, struct resp_state *state, const char *input,
                                  size_t len, struct resp_args *args)
{
    struct gibson_limits limits = limits_of(session->engine->config);
    enum resp_status status = gibson_parse(input, len, args, &limits, &state->position);
    bool has_form = state->position > 0;
    if (likely(status == RESP_REQUEST))
        state->command = session->engine->gibson_commands[gibson_operator(input)];
    if (has_form)
        stat_add(&session->executor->stats.gibson_requests, 1);
    if (unlikely(status == RESP_BROKEN))
        log_broken(session, has_form ? "unknown operator" : "impossible size",
                   (bytes){input, has_form ? state->position : GIBSON_SIZE_BYTES});
    return status;
}

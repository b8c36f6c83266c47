/* Commands about the connection itself: who is there, which protocol, which database. CLIENT, which looks at other
   connections too, has a file of its own. */
#include "base/num.h"
#include "commands/client.h"
#include "commands/commands.h"
#include "commands/growth.h"
#include "engine/call.h"

/* In RESP2 a client with subscriptions gets an answer in the form of a message. */
static void reply_pong_message(struct call *call)
{
    reply_array(call, 2);
    reply_bulk_text(call, "pong");
    reply_bulk(call, call->argc == 2 ? ARG(1) : BYTES(""));
}

/* PING [message]: PONG, or the message given back. */
static void cmd_ping(struct call *call)
{
    const struct session *session = call->session;
    if (call->argc > 2)
        reply_arity_error(call);
    else if ((session_modes(session) & MODE_SUBSCRIBED) &&
             atomic_load_explicit(&session->protocol, memory_order_relaxed) == 2)
        reply_pong_message(call);
    else if (call->argc == 2)
        reply_bulk(call, ARG(1));
    else
        reply_status(call, "PONG");
}

/* ECHO message: gives it back. */
static void cmd_echo(struct call *call)
{
    reply_bulk(call, ARG(1));
}

/* QUIT: says OK and closes. */
static void cmd_quit(struct call *call)
{
    reply_ok(call);
    call->session->close_after_reply = true;
}

/* RESET: the connection is as if it were new. */
static void cmd_reset(struct call *call)
{
    session_reset(call->session);
    reply_status(call, "RESET");
}

/* SELECT index: the commands that follow work on that database. */
static void cmd_select(struct call *call)
{
    size_t db;
    if (!call_database(call, 1, &db))
        return;
    atomic_store_explicit(&call->session->db, (uint32_t)db, memory_order_relaxed);
    reply_ok(call);
}

/* Lets the session in as a user, or replies why not. */
static bool authenticate(struct call *call, bytes user, bytes password)
{
    if (acl_log_in(call, user, password))
        return true;
    reply_error(call, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

static bool hides_all(const bytes *argv, size_t argc, size_t argument)
{
    (void)argv;
    (void)argc;
    return argument > 0;
}

/* AUTH [username] password */
static void cmd_auth(struct call *call)
{
    if (call->argc > 3) {
        reply_syntax_error(call);
        return;
    }
    if (call->argc == 2 && acl_is_open(call->engine)) {
        reply_error(call,
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure "
                    "your configuration is correct?");
        return;
    }
    bytes user = call->argc == 3 ? ARG(1) : BYTES("default");
    if (authenticate(call, user, ARG(call->argc - 1)))
        reply_ok(call);
}

/* The two words behind AUTH. */
static bool hides_credentials(const bytes *argv, size_t argc, size_t argument)
{
    for (size_t i = 2; i < argc && i < argument; i++) {
        if (bytes_equal_nocase(argv[i], BYTES("auth"))) {
            if (argument <= i + 2)
                return true;
            i += 2;
        } else if (bytes_equal_nocase(argv[i], BYTES("setname"))) {
            i++;
        }
    }
    return false;
}

struct hello_options {
    int64_t protocol; /* 0: as it is */
    bool has_auth;
    bytes user;
    bytes password;
    bool has_name;
    bytes name;
};

static bool parse_hello(struct call *call, struct hello_options *options)
{
    *options = (struct hello_options){0};
    if (call->argc == 1)
        return true;
    if (!num_parse_int64(ARG(1), &options->protocol)) {
        reply_error(call, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (options->protocol < 2 || options->protocol > 3) {
        reply_error(call, "NOPROTO unsupported protocol version");
        return false;
    }
    for (size_t i = 2; i < call->argc; i++) {
        size_t following = call->argc - 1 - i;
        if (call_is_word(call, i, "auth") && following >= 2) {
            options->has_auth = true;
            options->user = ARG(++i);
            options->password = ARG(++i);
        } else if (call_is_word(call, i, "setname") && following >= 1) {
            options->has_name = true;
            options->name = ARG(++i);
            if (!client_check_name(call, options->name))
                return false;
        } else {
            reply_error_format(call, "ERR Syntax error in HELLO option '%.*s'", (int)quoted_length(ARG(i)), ARG(i).at);
            return false;
        }
    }
    return true;
}

static void reply_greeting(struct call *call)
{
    int protocol = atomic_load_explicit(&call->session->protocol, memory_order_relaxed);
    reply_map(call, 7);
    reply_bulk_text(call, "server");
    reply_bulk_text(call, "redis");
    reply_bulk_text(call, "version");
    reply_bulk_text(call, LARDER_REDIS_VERSION);
    reply_bulk_text(call, "proto");
    reply_integer(call, protocol);
    reply_bulk_text(call, "id");
    reply_integer(call, (int64_t)call->session->id);
    reply_bulk_text(call, "mode");
    reply_bulk_text(call, "standalone");
    reply_bulk_text(call, "role");
    reply_bulk_text(call, "master");
    reply_bulk_text(call, "modules");
    reply_array(call, 0);
}

/* HELLO [protover [AUTH username password] [SETNAME clientname]]: the handshake; everything in it or nothing. */
static void cmd_hello(struct call *call)
{
    struct hello_options options;
    if (!parse_hello(call, &options))
        return;
    if (options.has_auth && !authenticate(call, options.user, options.password))
        return;
    if (!acl_lets_in(call->session)) {
        reply_error(call,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> "
                    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
                    "version at the same time");
        return;
    }
    if (options.has_name && !session_set_text(call->session, &call->session->name, options.name)) {
        reply_no_memory(call);
        return;
    }
    if (options.protocol != 0)
        session_set_protocol(call->session, (int)options.protocol);
    reply_greeting(call);
}

static const struct command_argument message_argument[] = {{.name = "message", .type = ARG_STRING}, {0}};
static const struct command_argument optional_message[] = {
    {.name = "message", .type = ARG_STRING, .flags = ARG_OPTIONAL},
    {0},
};
static const struct command_argument select_arguments[] = {{.name = "index", .type = ARG_INTEGER}, {0}};
static const struct command_argument auth_arguments[] = {
    {.name = "username", .type = ARG_STRING, .flags = ARG_OPTIONAL, .since = "6.0.0"},
    {.name = "password", .type = ARG_STRING},
    {0},
};
static const struct command_argument hello_auth_arguments[] = {
    {.name = "username", .type = ARG_STRING},
    {.name = "password", .type = ARG_STRING},
    {0},
};
static const struct command_argument hello_block_arguments[] = {
    {.name = "protover", .type = ARG_INTEGER},
    {.name = "auth", .type = ARG_BLOCK, .flags = ARG_OPTIONAL, .token = "AUTH", .arguments = hello_auth_arguments},
    {.name = "clientname", .type = ARG_STRING, .flags = ARG_OPTIONAL, .token = "SETNAME"},
    {0},
};
static const struct command_argument hello_arguments[] = {
    {.name = "arguments", .type = ARG_BLOCK, .flags = ARG_OPTIONAL, .arguments = hello_block_arguments},
    {0},
};

static const struct command_history auth_history[] = {
    {"6.0.0", "A user name may precede the password."},
    {0},
};
static const struct command_history hello_history[] = {
    {"6.2.0", "The protocol version may be left out: then only the state of the connection is reported."},
    {0},
};

static const char *const ping_tips[] = {"request_policy:all_shards", "response_policy:all_succeeded", NULL};

/* What the commands have in common that must work before, or instead of, authentication. */
#define HANDSHAKE (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY)

const struct command connection_commands[] = {
    {
        .name = "auth",
        .run = cmd_auth,
        .hides = hides_all,
        .arity = -2,
        .flags = HANDSHAKE,
        .categories = ACL_CONNECTION,
        .group = "connection",
        .summary = "Identifies the client by a password, or by a user name and password.",
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of passwords defined for the user",
        .history = auth_history,
        .arguments = auth_arguments,
    },
    {
        .name = "client",
        .arity = -2,
        .subcommands = client_subcommands,
        .group = "connection",
        .summary = "The commands about clients.",
        .since = "2.4.0",
        .complexity = "Depends on subcommand.",
    },
    {
        .name = "echo",
        .run = cmd_echo,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .categories = ACL_CONNECTION,
        .group = "connection",
        .summary = "Gives a message back.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = message_argument,
    },
    {
        .name = "hello",
        .run = cmd_hello,
        .hides = hides_credentials,
        .arity = -1,
        .flags = HANDSHAKE,
        .categories = ACL_CONNECTION,
        .group = "connection",
        .summary = "Opens the conversation: protocol version, authentication and name in one.",
        .since = "6.0.0",
        .complexity = "O(1)",
        .history = hello_history,
        .arguments = hello_arguments,
    },
    {
        .name = "ping",
        .run = cmd_ping,
        .arity = -1,
        .flags = CMD_FAST | CMD_SUBSCRIBER,
        .categories = ACL_CONNECTION,
        .tips = ping_tips,
        .group = "connection",
        .summary = "Asks whether the server is there.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = optional_message,
    },
    {
        .name = "quit",
        .run = cmd_quit,
        .arity = -1,
        .flags = HANDSHAKE | CMD_TRANSACTION | CMD_LEAVES_MULTI | CMD_SUBSCRIBER,
        .categories = ACL_CONNECTION,
        .group = "connection",
        .summary = "Closes the connection.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .deprecated_since = "7.2.0",
        .replaced_by = "just closing the connection",
    },
    {
        .name = "reset",
        .run = cmd_reset,
        .arity = 1,
        .flags = HANDSHAKE | CMD_TRANSACTION | CMD_LEAVES_MULTI | CMD_SUBSCRIBER | CMD_VISITS_SHARDS,
        .categories = ACL_CONNECTION,
        .group = "connection",
        .summary = "Brings the connection back to the state of a new one.",
        .since = "6.2.0",
        .complexity = "O(1)",
    },
    {
        .name = "select",
        .run = cmd_select,
        .growth = growth_of_select,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .categories = ACL_CONNECTION,
        .group = "connection",
        .summary = "Chooses the database that the connection works on.",
        .since = "1.0.0",
        .complexity = "O(1)",
        .arguments = select_arguments,
    },
    {0},
};

/* Users and sessions in one engine: who is let in, when changes of users hold, what is logged; on one thread and on
   many. */
#include "embedding.h"

#include "engine/engine.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

static int make_engine(void **state)
{
    *state = open_engine(&(larder_options){.threads = 8});
    return 0;
}

static int drop_engine(void **state)
{
    larder_close(*state);
    return 0;
}

/* Sends a request of plain words and drops what was answered before. */
static void send_words(larder_connection *connection, const char *text)
{
    char rest[4096];
    while (larder_connection_read(connection, rest, sizeof(rest)) > 0)
        continue;
    write_text(connection, text);
    write_text(connection, "\r\n");
}

#define assert_answer(connection, text, answer) (send_words(connection, text), assert_received(connection, answer))

/* ---- Who is who ---- */

static void sessions_of_the_program_may_do_everything(void **state)
{
    larder_session *session = open_session(*state);
    assert_nil(session, "ACL", "WHOAMI");
    assert_status(session, "OK", "ACL", "SETUSER", "default", "off", "resetpass", "-@all");
    assert_status(session, "OK", "SET", "a", "b");
    assert_status(session, "OK", "MULTI");
    assert_status(session, "QUEUED", "GET", "a");
    larder_reply_free(larder_command(session, "EXEC", NULL));
    larder_session_close(session);
}

static void sessions_of_the_program_may_log_in_as_somebody(void **state)
{
    larder_session *session = open_session(*state);
    assert_status(session, "OK", "ACL", "SETUSER", "u", "on", ">pw", "~a*", "+get", "+acl|whoami");
    assert_error(session, "WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "u", "no");
    assert_nil(session, "ACL", "WHOAMI");
    assert_status(session, "OK", "AUTH", "u", "pw");
    assert_string(session, "u", "ACL", "WHOAMI");
    assert_nil(session, "GET", "a1");
    assert_error(session, "NOPERM No permissions to access a key", "GET", "b");
    assert_error(session, "NOPERM User u has no permissions to run the 'set' command", "SET", "a", "x");
    assert_status(session, "RESET", "RESET");
    assert_nil(session, "ACL", "WHOAMI");
    assert_status(session, "OK", "SET", "a", "x");
    larder_session_close(session);
}

static void clients_are_the_default_user(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *before = open_connection(*state);
    assert_answer(before, "ACL WHOAMI", "$7\r\ndefault\r\n");
    assert_status(admin, "OK", "CONFIG", "SET", "requirepass", "pw");
    larder_connection *after = open_connection(*state);
    assert_answer(before, "ECHO in", "$2\r\nin\r\n");
    assert_answer(after, "ECHO out", "-NOAUTH Authentication required.\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "default", "nopass");
    assert_answer(after, "ECHO in", "$2\r\nin\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "default", "off");
    assert_answer(after, "ECHO out", "-NOAUTH Authentication required.\r\n");
    assert_answer(before, "ECHO in", "$2\r\nin\r\n");
    larder_disconnect(before);
    larder_disconnect(after);
    larder_session_close(admin);
}

/* ---- Changes ---- */

static void changes_hold_from_the_next_command_on(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "GET a", "$-1\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "-get");
    assert_answer(client, "GET a", "-NOPERM User u has no permissions to run the 'get' command\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "+get", "resetkeys", "~b");
    assert_answer(client, "GET a", "-NOPERM No permissions to access a key\r\n");
    assert_answer(client, "GET b", "$-1\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "somebody-else", "on");
    assert_answer(client, "GET b", "$-1\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "off");
    assert_answer(client, "GET b", "$-1\r\n"); /* who is in stays in */
    larder_disconnect(client);
    larder_session_close(admin);
}

static void a_refused_change_changes_nothing(void **state)
{
    larder_session *admin = open_session(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "+get", "~*");
    assert_error(admin, "ERR Error in ACL SETUSER modifier '+bogus': Unknown command or category name in ACL", "ACL",
                 "SETUSER", "u", "-@all", "off", "+bogus");
    assert_status(admin, "OK", "ACL", "DRYRUN", "u", "get", "a");
    assert_error(admin, "ERR Error in ACL SETUSER modifier 'x': Syntax error", "ACL", "SETUSER", "new", "on", "x");
    assert_nil(admin, "ACL", "GETUSER", "new");
    larder_session_close(admin);
}

static void clients_of_a_deleted_user_are_sent_away(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    larder_connection *other = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_integer(admin, 1, "ACL", "DELUSER", "u", "nobody");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all"); /* another of that name */
    assert_closed(client);
    assert_answer(other, "PING", "+PONG\r\n");
    larder_disconnect(client);
    larder_disconnect(other);
    larder_session_close(admin);
}

static void who_deletes_itself_gets_the_reply(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "ACL DELUSER u", ":1\r\n");
    assert_closed(client);
    larder_disconnect(client);
    larder_session_close(admin);
}

static void a_session_of_the_program_whose_user_is_deleted_is_nobody(void **state)
{
    larder_session *admin = open_session(*state);
    larder_session *session = open_session(*state);
    assert_status(admin, "OK", "CONFIG", "SET", "requirepass", "pw");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all");
    assert_status(session, "OK", "AUTH", "u", "x");
    assert_status(session, "OK", "SET", "a", "b");
    assert_integer(admin, 1, "ACL", "DELUSER", "u");
    assert_error(session, "NOAUTH Authentication required.", "GET", "a");
    assert_status(session, "OK", "AUTH", "pw");
    assert_string(session, "b", "GET", "a");
    larder_session_close(session);
    larder_session_close(admin);
}

/* CONFIG SET of several parameters is all or nothing, and passwords that ACL SETUSER gave survive a failed one. */
static void a_password_that_is_taken_back_leaves_the_user_as_it_was(void **state)
{
    larder *engine = open_engine(NULL);
    larder_session *admin = open_session(engine);
    assert_int_equal(larder_serve(engine, NULL, NULL, 0), 0);
    char port[16];
    snprintf(port, sizeof(port), "%d", larder_port(engine));
    assert_status(admin, "OK", "ACL", "SETUSER", "default", "resetpass", ">kept");
    larder_reply *reply = larder_command(admin, "CONFIG", "SET", "requirepass", "new", "bind", "256.0.0.1", NULL);
    assert_int_equal(reply->type, LARDER_ERROR);
    larder_reply_free(reply);
    larder_connection *client = open_connection(engine);
    assert_answer(client, "PING", "-NOAUTH Authentication required.\r\n");
    assert_answer(client, "AUTH new", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_answer(client, "AUTH kept", "+OK\r\n");
    larder_disconnect(client);
    larder_session_close(admin);
    larder_close(engine);
}

/* ---- Transactions ---- */

static void transactions_are_checked_when_queued_and_when_run(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~a", "+get", "+set", "+multi", "+exec");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "MULTI", "+OK\r\n");
    assert_answer(client, "GET b", "-NOPERM No permissions to access a key\r\n");
    assert_answer(client, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_answer(client, "MULTI", "+OK\r\n");
    assert_answer(client, "SET a 1", "+QUEUED\r\n");
    assert_answer(client, "GET a", "+QUEUED\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "-set");
    assert_answer(client, "EXEC",
                  "*2\r\n-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
                  "call. This command is no longer allowed for the following reason: no permission to execute the "
                  "command or subcommand\r\n$-1\r\n");
    larder_disconnect(client);
    larder_session_close(admin);
}

/* A transaction may change the rules that hold for the rest of it. */
static void rules_that_a_transaction_changes_hold_within_it(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "MULTI", "+OK\r\n");
    assert_answer(client, "ACL SETUSER u -get", "+QUEUED\r\n");
    assert_answer(client, "GET a", "+QUEUED\r\n");
    assert_answer(client, "EXEC",
                  "*2\r\n+OK\r\n-NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
                  "EXEC call. This command is no longer allowed for the following reason: no permission to execute "
                  "the command or subcommand\r\n");
    larder_disconnect(client);
    larder_session_close(admin);
}

/* ---- Keys that are not named ---- */

static void prefix_commands_need_the_right_to_every_key(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "MSET", "a:1", "x", "a:2", "y", "b:1", "z", "r:1", "w");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~a:*", "%R~r:*", "+prefix", "+acl|whoami");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "PREFIX GET a:", "*4\r\n$3\r\na:1\r\n$1\r\nx\r\n$3\r\na:2\r\n$1\r\ny\r\n");
    assert_answer(client, "PREFIX GET b:", "-NOPERM No permissions to access a key\r\n");
    assert_answer(client, "PREFIX GET r:", "*2\r\n$3\r\nr:1\r\n$1\r\nw\r\n");
    assert_answer(client, "PREFIX DEL r:", "-NOPERM No permissions to access a key\r\n");
    assert_answer(client, "PREFIX SET \"\" x", "-NOPERM No permissions to access a key\r\n");
    assert_string(admin, "x", "GET", "a:1"); /* all or nothing */
    assert_answer(client, "PREFIX GET \"\" LIMIT 2", "*4\r\n$3\r\na:1\r\n$1\r\nx\r\n$3\r\na:2\r\n$1\r\ny\r\n");
    assert_answer(client, "PREFIX EXPIRE r: 10", "-NOPERM No permissions to access a key\r\n");
    assert_answer(client, "PREFIX DEL a:", ":2\r\n");
    assert_integer(admin, 2, "DBSIZE");
    larder_disconnect(client);
    larder_session_close(admin);
}

static void prefix_commands_show_no_key_that_the_user_may_do_nothing_with(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "MSET", "a:1", "x", "a:2", "y", "b:1", "z", "r:1", "w");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~a:*", "%R~r:*", "+prefix", "+gibson");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "PREFIX COUNT b:", ":0\r\n");
    assert_answer(client, "PREFIX COUNT \"\"", ":3\r\n");
    assert_answer(client, "PREFIX KEYS \"\"", "*3\r\n$3\r\na:1\r\n$3\r\na:2\r\n$3\r\nr:1\r\n");
    assert_answer(client, "PREFIX KEYS \"\" AFTER a:2 LIMIT 1", "*1\r\n$3\r\nr:1\r\n");
    assert_answer(client, "PREFIX MEMORY b:", ":0\r\n");
    assert_answer(client, "PREFIX TOP b:", "*0\r\n");
    assert_answer(client, "GIBSON COUNT \"\"", ":3\r\n");
    assert_answer(client, "GIBSON KEYS b:", "$-1\r\n");
    assert_answer(client, "GIBSON KEYS r:", "*2\r\n$1\r\n0\r\n$3\r\nr:1\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "~*");
    assert_answer(client, "PREFIX COUNT \"\"", ":4\r\n");
    larder_disconnect(client);
    larder_session_close(admin);
}

static void who_may_not_say_fence_may_run_nothing_behind_it(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "MSET", "a", "x", "b", "x");
    assert_integer(admin, 1, "LOCK", "a", "100", "TOKEN");
    assert_integer(admin, 2, "LOCK", "b", "100", "TOKEN");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~a", "+@all", "-fence");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "FENCE 1 SET a y", "-NOPERM User u has no permissions to run the 'fence' command\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "+fence", "-append");
    assert_answer(client, "FENCE 1 SET a y", "+OK\r\n");
    assert_answer(client, "FENCE 1 APPEND a y", "-NOPERM User u has no permissions to run the 'append' command\r\n");
    assert_answer(client, "FENCE 2 SET b y", "-NOPERM No permissions to access a key\r\n");
    assert_status(admin, "OK", "ACL", "DRYRUN", "u", "FENCE", "1", "SET", "a", "y");
    assert_string(admin, "User u has no permissions to access the 'b' key", "ACL", "DRYRUN", "u", "FENCE", "1", "SET",
                  "b", "y");
    assert_string(admin, "User u has no permissions to run the 'append' command", "ACL", "DRYRUN", "u", "FENCE", "1",
                  "APPEND", "a", "y");
    assert_error(admin, "ERR Command 'nosuch' not found", "ACL", "DRYRUN", "u", "FENCE", "1", "nosuch");
    larder_disconnect(client);
    larder_session_close(admin);
}

/* ---- Subscribers ---- */

static void subscribers_that_lose_a_channel_are_closed_at_once(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *loses = open_connection(*state);
    larder_connection *keeps = open_connection(*state);
    larder_connection *pattern = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "&*", "+@all");
    larder_connection *const all[] = {loses, keeps, pattern};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        assert_answer(all[i], "AUTH u x", "+OK\r\n");
    send_words(loses, "SUBSCRIBE a1 b");
    send_words(keeps, "SUBSCRIBE a1");
    send_words(pattern, "PSUBSCRIBE a1*");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "resetchannels", "&a*");
    assert_closed(loses);
    assert_closed(pattern);
    assert_integer(admin, 1, "PUBLISH", "a1", "m");
    larder_disconnect(loses);
    larder_disconnect(keeps);
    larder_disconnect(pattern);
    larder_session_close(admin);
}

/* Channels of the user itself and of a selector, which are taken away in several ways. */
static void subscribers_stay_while_a_selector_permits_their_channel(void **state)
{
    static const struct {
        const char *rules[3];
        bool loses;
    } changes[] = {
        {{">pw", "+get", "~k"}, false},
        {{"&d", "(&e +subscribe)", "(&f)"}, false},
        {{"resetchannels", "&c", "&a"}, false},
        {{"clearselectors", "&c", "&b"}, false},
        {{"clearselectors", "(&x)", "(&c)"}, true},
        {{"resetchannels", "&b", "&c"}, true},
    };
    larder_session *admin = open_session(*state);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        larder_connection *client = open_connection(*state);
        const char *const *rules = changes[i].rules;
        assert_status(admin, "OK", "ACL", "SETUSER", "u", "reset", "on", "nopass", "&a", "&c", "+@all",
                      "(&b +subscribe)");
        assert_answer(client, "AUTH u x", "+OK\r\n");
        send_words(client, "SUBSCRIBE a");
        send_words(client, "SUBSCRIBE b");
        assert_status(admin, "OK", "ACL", "SETUSER", "u", rules[0], rules[1], rules[2]);
        assert_integer(admin, changes[i].loses ? 0 : 1, "PUBLISH", "a", "m");
        larder_disconnect(client);
    }
    larder_session_close(admin);
}

static void channels_are_checked_by_name_and_patterns_by_their_text(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "&a*", "+@pubsub");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    assert_answer(client, "PUBLISH a1 m", ":0\r\n");
    assert_answer(client, "PUBLISH b m", "-NOPERM No permissions to access a channel\r\n");
    assert_answer(client, "PSUBSCRIBE a1*", "-NOPERM No permissions to access a channel\r\n");
    assert_answer(client, "PSUBSCRIBE a*", "*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n");
    assert_answer(client, "SUBSCRIBE a1 b", "-NOPERM No permissions to access a channel\r\n");
    larder_disconnect(client);
    larder_session_close(admin);
}

/* Nobody closes a session of the program's own: it loses its subscriptions instead, when it runs its next command. */
static void a_session_of_the_program_that_loses_a_channel_loses_its_subscriptions(void **state)
{
    larder_session *admin = open_session(*state);
    larder_session *session = open_session(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "&*", "+@all");
    assert_status(session, "OK", "AUTH", "u", "x");
    larder_reply_free(larder_command(session, "SUBSCRIBE", "a", NULL));
    larder_reply_free(larder_command(session, "SUBSCRIBE", "b", NULL));
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "resetchannels", "&a");
    assert_integer(admin, 1, "PUBLISH", "b", "m");
    assert_status(session, "PONG", "PING");
    assert_integer(admin, 0, "PUBLISH", "b", "m");
    assert_integer(admin, 0, "PUBLISH", "a", "m");
    larder_session_close(session);
    larder_session_close(admin);
}

/* ---- The log ---- */

static const larder_reply *field(const larder_reply *entry, const char *name)
{
    for (size_t i = 0; i < entry->count; i += 2)
        if (strcmp(entry->elements[i].text, name) == 0)
            return &entry->elements[i + 1];
    fail_msg("no field %s", name);
    return NULL;
}

static void refusals_within_a_minute_are_counted_together(void **state)
{
    larder *engine = *state;
    larder_session *admin = open_session(engine);
    larder_connection *client = open_connection(engine);
    larder_freeze(engine);
    int64_t start_ms = larder_now(engine) / 1000;
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "~*", "-@all");
    assert_answer(client, "AUTH u x", "+OK\r\n");
    send_words(client, "GET a");
    larder_advance(engine, 60LL * SECOND_US);
    send_words(client, "GET b");
    larder_advance(engine, 500000);
    larder_reply *log = larder_command(admin, "ACL", "LOG", NULL);
    assert_int_equal(log->count, 1);
    const larder_reply *entry = &log->elements[0];
    assert_int_equal(field(entry, "count")->integer, 2);
    assert_string_equal(field(entry, "reason")->text, "command");
    assert_string_equal(field(entry, "context")->text, "toplevel");
    assert_string_equal(field(entry, "object")->text, "get");
    assert_string_equal(field(entry, "username")->text, "u");
    assert_string_equal(field(entry, "age-seconds")->text, "0.5");
    assert_non_null(strstr(field(entry, "client-info")->text, " cmd=get user=u "));
    assert_int_equal(field(entry, "entry-id")->integer, 0);
    assert_int_equal(field(entry, "timestamp-created")->integer, start_ms);
    assert_int_equal(field(entry, "timestamp-last-updated")->integer, start_ms + 60000);
    larder_reply_free(log);
    larder_advance(engine, 60LL * SECOND_US);
    send_words(client, "GET c");
    log = larder_command(admin, "ACL", "LOG", NULL);
    assert_int_equal(log->count, 2);
    assert_int_equal(field(&log->elements[0], "entry-id")->integer, 1);
    larder_reply_free(log);
    larder_resume(engine);
    larder_disconnect(client);
    larder_session_close(admin);
}

static void the_log_holds_no_more_than_it_may(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_status(admin, "OK", "CONFIG", "SET", "acllog-max-len", "20");
    char request[8192];
    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof(request), "AUTH user-%d-%05000d x", i, 0);
        send_words(client, request);
    }
    larder_reply *log = larder_command(admin, "ACL", "LOG", "1000", NULL);
    assert_int_equal(log->count, 20);
    assert_int_equal(field(&log->elements[0], "username")->len, 1024);
    assert_memory_equal(field(&log->elements[0], "username")->text, "user-99-", 8);
    larder_reply_free(log);
    assert_status(admin, "OK", "CONFIG", "SET", "acllog-max-len", "0");
    send_words(client, "AUTH one-more x");
    log = larder_command(admin, "ACL", "LOG", "1000", NULL);
    assert_int_equal(log->count, 0);
    larder_reply_free(log);
    larder_disconnect(client);
    larder_session_close(admin);
}

/* ---- Files ---- */

static char folder[] = FOLDER_TEMPLATE;
static char path[sizeof(folder) + 16];

static int make_file_engine(void **state)
{
    char config[256];
    snprintf(folder, sizeof(folder), "%s", FOLDER_TEMPLATE);
    make_folder(folder, path, sizeof(path));
    FILE *file = fopen(path, "w");
    fputs("user default on nopass ~* &* +@all\nuser u on >pw ~a +get\n", file);
    fclose(file);
    snprintf(config, sizeof(config), "dir %s\naclfile s", folder); /* relative to dir */
    *state = open_configured(config);
    return 0;
}

static int drop_file_engine(void **state)
{
    larder_close(*state);
    unlink(path);
    return rmdir(folder);
}

static void users_are_loaded_and_saved(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *client = open_connection(*state);
    assert_answer(client, "AUTH u pw", "+OK\r\n");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "~b");
    assert_status(admin, "OK", "ACL", "SETUSER", "v", ">secret");
    assert_status(admin, "OK", "ACL", "SAVE");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "~c");
    assert_integer(admin, 1, "ACL", "DELUSER", "v");
    assert_answer(client, "GET c", "$-1\r\n");
    assert_status(admin, "OK", "ACL", "LOAD");
    assert_answer(client, "GET c", "-NOPERM No permissions to access a key\r\n"); /* it stays, with its former rules */
    assert_answer(client, "GET b", "$-1\r\n");
    larder_reply *users = larder_command(admin, "ACL", "USERS", NULL);
    assert_int_equal(users->count, 3);
    larder_reply_free(users);
    char content[1024];
    FILE *file = fopen(path, "r");
    content[fread(content, 1, sizeof(content) - 1, file)] = '\0';
    fclose(file);
    assert_null(strstr(content, "secret"));
    larder_disconnect(client);
    larder_session_close(admin);
}

static void loading_sends_away_only_whom_it_concerns(void **state)
{
    larder_session *admin = open_session(*state);
    larder_connection *stays = open_connection(*state);
    larder_connection *goes = open_connection(*state);
    larder_connection *listens = open_connection(*state);
    larder_connection *self = open_connection(*state);
    assert_status(admin, "OK", "ACL", "SETUSER", "gone", "on", "nopass", "~*", "+@all");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "&*", "+subscribe", "+acl|load");
    assert_answer(stays, "AUTH u pw", "+OK\r\n");
    assert_answer(goes, "AUTH gone x", "+OK\r\n");
    assert_answer(listens, "AUTH u pw", "+OK\r\n");
    assert_answer(self, "AUTH gone x", "+OK\r\n");
    send_words(listens, "SUBSCRIBE c");
    assert_answer(self, "ACL LOAD", "+OK\r\n");
    assert_closed(self);
    assert_closed(goes);
    assert_closed(listens);
    assert_answer(stays, "GET a", "$-1\r\n");
    larder_disconnect(stays);
    larder_disconnect(goes);
    larder_disconnect(listens);
    larder_disconnect(self);
    larder_session_close(admin);
}

static void a_faulty_file_changes_nothing(void **state)
{
    larder_session *admin = open_session(*state);
    FILE *file = fopen(path, "w");
    fputs("user u on\nuser v on +bogus\n", file);
    fclose(file);
    assert_error(admin,
                 "ERR s:2: Error in applying operation '+bogus': Unknown command or category name in ACL. WARNING: ACL "
                 "errors detected, no change to the previously active ACL rules was performed",
                 "ACL", "LOAD");
    assert_status(admin, "OK", "ACL", "DRYRUN", "u", "get", "a");
    larder_session_close(admin);
}

static void an_engine_with_faulty_users_does_not_open(void **state)
{
    static const struct {
        const char *config;
        const char *error;
    } cases[] = {
        {"aclfile /nonexistent/file",
         "Error loading ACLs, opening file '/nonexistent/file': No such file or directory"},
        {"\nuser u +bogus",
         "options.config, line 2: Error in user declaration '+bogus': Unknown command or category name in ACL"},
        {"user u on\nuser u off",
         "options.config, line 2: Error in user declaration 'u': Duplicate user found. A user can "
         "only be defined once in config files"},
        {"user \"a b\" on", "options.config, line 1: Spaces not allowed in ACL usernames"},
        {"user u (+get", "options.config, line 1: Error in user declaration '(+get': Unmatched parenthesis in selector "
                         "definition"},
        {"user u &a\nacl-pubsub-default allchannels", "Error loading ACL rule '&a' for the user named 'u': Adding a "
                                                      "pattern after the * pattern (or the 'allchannels' "
                                                      "flag) is not valid and does not have any effect. Try "
                                                      "'resetchannels' to start with an empty list of channels"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char error[ERROR_SIZE] = "";
        assert_null(larder_open(&(larder_options){.config = cases[i].config}, error, sizeof(error)));
        assert_string_equal(error, cases[i].error);
    }
}

static void user_lines_make_users(void **state)
{
    larder *engine = open_configured("requirepass foo\nuser u on \">a b\" ~x '(+get ~y)' +get\nuser default off");
    larder_connection *client = open_connection(engine);
    assert_answer(client, "AUTH foo", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_answer(client, "AUTH u \"a b\"", "+OK\r\n");
    assert_answer(client, "GET y", "$-1\r\n");
    assert_answer(client, "GET z", "-NOPERM No permissions to access a key\r\n");
    assert_int_equal(((struct larder *)engine)->config->user_count, 0); /* their lines, with passwords, are forgotten */
    larder_disconnect(client);
    larder_close(engine);
}

/* ---- Two threads, step by step ---- */

/* What one thread does while the test holds a lock that it will come to. */
struct step {
    larder *engine;
    larder_connection *connection;
    const char *request;
};

/* Whether the connection is closed by that shows afterwards. */
static void *send_request(void *context)
{
    const struct step *step = context;
    larder_connection_write(step->connection, step->request, strlen(step->request));
    return NULL;
}

static void *delete_u(void *context)
{
    const struct step *step = context;
    const bytes name = BYTES("u");
    acl_delete_users(step->engine, &name, 1, NULL);
    return NULL;
}

/* A session by its number; the connection or session stays open meanwhile. */
static struct session *session_of(larder *engine, uint64_t id)
{
    lock_take(&engine->sessions.lock);
    struct session *session = session_find(&engine->sessions, (int64_t)id);
    lock_give(&engine->sessions.lock);
    assert_non_null(session);
    return session;
}

static uint64_t id_of_connection(larder_connection *connection)
{
    char reply[64] = "";
    send_words(connection, "CLIENT ID");
    assert_true(larder_connection_read(connection, reply, sizeof(reply) - 1) > 0);
    assert_int_equal(reply[0], ':');
    return strtoull(reply + 1, NULL, 10);
}

/* Its SUBSCRIBE was permitted; before it is in force the permission is taken away, by one who does not find it yet. */
static void who_subscribes_while_the_channel_is_taken_away_is_closed(void **state)
{
    larder *engine = *state;
    larder_session *admin = open_session(engine);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "+@all", "&p");
    larder_connection *client = open_connection(engine);
    struct session *session = session_of(engine, id_of_connection(client));
    assert_answer(client, "AUTH u x", "+OK\r\n");
    struct step step = {.connection = client, .request = "PSUBSCRIBE p\r\n"};
    pthread_t thread;
    rwlock_take_write(&engine->pubsub.patterns_lock);
    assert_int_equal(pthread_create(&thread, NULL, send_request, &step), 0);
    while (!(session_modes(session) & MODE_SUBSCRIBED)) /* set between the permission and the lock */
        sched_yield();
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "resetchannels");
    assert_false(atomic_load(&session->must_close));
    rwlock_give(&engine->pubsub.patterns_lock);
    pthread_join(thread, NULL);
    assert_closed(client);
    larder_disconnect(client);
    assert_int_equal(pubsub_topics(&engine->pubsub, TOPIC_PATTERN), 0);
    larder_session_close(admin);
}

/* The same of a session of the program's own, which can't be closed by others. */
struct own_step {
    larder_session *session;
    larder_reply *reply;
};

static void *subscribe(void *context)
{
    struct own_step *step = context;
    step->reply = larder_command(step->session, "PSUBSCRIBE", "p", NULL);
    return NULL;
}

static void a_session_of_the_program_loses_what_it_subscribes_to_meanwhile(void **state)
{
    larder *engine = *state;
    larder_session *admin = open_session(engine);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "+@all", "&p");
    struct own_step step = {.session = open_session(engine)};
    larder_reply *id = larder_command(step.session, "CLIENT", "ID", NULL);
    struct session *session = session_of(engine, (uint64_t)id->integer);
    larder_reply_free(id);
    assert_status(step.session, "OK", "AUTH", "u", "x");
    pthread_t thread;
    rwlock_take_write(&engine->pubsub.patterns_lock);
    assert_int_equal(pthread_create(&thread, NULL, subscribe, &step), 0);
    while (!(session_modes(session) & MODE_SUBSCRIBED))
        sched_yield();
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "resetchannels");
    rwlock_give(&engine->pubsub.patterns_lock);
    pthread_join(thread, NULL);
    larder_reply_free(step.reply);
    assert_int_equal(pubsub_count_all(session), 0);
    assert_integer(admin, 0, "PUBLISH", "p", "unheard");
    larder_session_close(step.session);
    larder_session_close(admin);
}

/* The password was right; before the session is that user, the user is deleted. Whichever of the two then comes first,
   the client is not let in. */
static void a_login_that_meets_the_deletion_of_its_user_fails(void **state)
{
    larder *engine = *state;
    larder_session *admin = open_session(engine);
    larder_freeze(engine); /* so that no upkeep comes in between, which asks all sessions for their memory */
    for (int round = 0; round < 200; round++) {
        assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", "nopass", "+@all");
        larder_connection *client = open_connection(engine);
        struct step step = {.engine = engine, .connection = client, .request = "AUTH u x\r\n"};
        struct acl_user *user = acl_find_user(engine, BYTES("u"));
        pthread_t login, deletion;
        lock_take(&engine->sessions.lock);
        assert_int_equal(pthread_create(&login, NULL, send_request, &step), 0);
        while (atomic_load(&user->references) < 3) /* the table's, ours, and that of who logs in */
            sched_yield();
        assert_int_equal(pthread_create(&deletion, NULL, delete_u, &step), 0);
        while (!atomic_load(&user->is_gone))
            sched_yield();
        lock_give(&engine->sessions.lock);
        pthread_join(login, NULL);
        pthread_join(deletion, NULL);
        assert_closed(client);
        larder_disconnect(client);
        assert_int_equal(atomic_load(&user->references), 1);
        acl_user_drop(user);
    }
    larder_session_close(admin);
}

/* ---- Warnings ---- */

struct warnings {
    larder *engine;
    char text[1024];
    bool is_locked; /* the users were, when it was warned */
};

static void note_warning(void *context, int level, const char *line)
{
    struct warnings *warnings = context;
    if (level != LARDER_LOG_WARNING || warnings->engine == NULL)
        return;
    size_t len = strlen(warnings->text);
    snprintf(warnings->text + len, sizeof(warnings->text) - len, "%s\n", line);
    if (lock_try(&warnings->engine->acl.lock))
        lock_give(&warnings->engine->acl.lock);
    else
        warnings->is_locked = true;
}

static void first_arguments_are_warned_of_without_stopping_anybody(void **state)
{
    struct warnings warnings = {0};
    larder *engine = warnings.engine = open_engine(&(larder_options){.log = note_warning, .log_context = &warnings});
    larder_session *admin = open_session(engine);
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "+get", "+config|get");
    assert_string_equal(warnings.text, "");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "+select|0", "(+get|a ~b)");
    assert_non_null(strstr(warnings.text, "(offender: +select|0 +get|a)\n"));
    assert_false(warnings.is_locked);
    larder_session_close(admin);
    warnings.engine = NULL;
    larder_close(engine);
}

/* ---- Many threads ---- */

enum { CLIENTS = 4, ROUNDS = 8000 };

/* The administrator's side of a race: whether users may touch "k" just now. It is odd while a change is under way. */
struct race {
    larder *engine;
    _Atomic unsigned version; /* of the rules: permitted when version % 4 == 0, forbidden when it is 2 */
    _Atomic bool is_over;
    _Atomic unsigned permitted, refused;
};

/* A command that began and ended while the rules were the same was answered by them. */
static void *race_client(void *context)
{
    struct race *race = context;
    larder_session *session = larder_session_open(race->engine);
    larder_reply_free(larder_command(session, "AUTH", "u", "pw", NULL));
    while (!atomic_load(&race->is_over)) {
        unsigned before = atomic_load(&race->version);
        larder_reply *reply = larder_command(session, "GET", "k", NULL);
        unsigned after = atomic_load(&race->version);
        bool is_refused = reply->type == LARDER_ERROR;
        if (before == after && before % 4 == 0 && is_refused)
            abort(); /* not permitted what was */
        if (before == after && before % 4 == 2 && !is_refused)
            abort(); /* permitted what was not */
        atomic_fetch_add(is_refused ? &race->refused : &race->permitted, 1);
        larder_reply_free(reply);
    }
    larder_session_close(session);
    return NULL;
}

static void a_change_of_rules_holds_on_all_threads_when_it_is_answered(void **state)
{
    struct race race = {.engine = *state};
    larder_session *admin = open_session(*state);
    pthread_t threads[CLIENTS];
    assert_status(admin, "OK", "CONFIG", "SET", "requirepass", "secret");
    assert_status(admin, "OK", "ACL", "SETUSER", "u", "on", ">pw", "+get", "+auth", "~k");
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_client, &race), 0);
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&race.version, 1);
        assert_status(admin, "OK", "ACL", "SETUSER", "u", i % 2 == 0 ? "resetkeys" : "~k");
        atomic_fetch_add(&race.version, 1);
        if (i % 64 == 63) { /* users come and go meanwhile */
            assert_status(admin, "OK", "ACL", "SETUSER", "other", "on", ">x", "+@all");
            assert_integer(admin, 1, "ACL", "DELUSER", "other");
        }
    }
    atomic_store(&race.is_over, true);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&race.permitted) > 0 && atomic_load(&race.refused) > 0);
    larder_session_close(admin);
}

/* Logs in and out, runs and subscribes, as users that others change, delete and make again. */
static void *crowd_client(void *context)
{
    struct race *race = context;
    static const char *const requests[] = {
        "AUTH u0 pw\r\n",    "AUTH u1 pw\r\n",   "AUTH u1 wrong\r\n", "GET k\r\n",       "SET k v\r\n",
        "SUBSCRIBE c d\r\n", "PSUBSCRIBE *\r\n", "UNSUBSCRIBE\r\n",   "PUBLISH c m\r\n", "RESET\r\n",
        "MULTI\r\n",         "EXEC\r\n",         "CLIENT LIST\r\n",   "ACL LOG 3\r\n",   "ACL WHOAMI\r\n",
        "PREFIX GET k\r\n",  "PING\r\n",         "ACL LIST\r\n",
    };
    struct random random;
    random_seed(&random, (uint64_t)(uintptr_t)&random);
    larder_connection *connection = larder_connect(race->engine);
    char buffer[65536];
    while (!atomic_load(&race->is_over)) {
        const char *request = requests[random_below(&random, COUNT_OF(requests))];
        bool is_closed = larder_connection_write(connection, request, strlen(request)) != 0;
        ptrdiff_t len;
        while ((len = larder_connection_read(connection, buffer, sizeof(buffer))) > 0)
            continue;
        if (!is_closed && len == 0)
            continue;
        larder_disconnect(connection);
        connection = larder_connect(race->engine);
    }
    larder_disconnect(connection);
    return NULL;
}

static void users_may_come_and_go_while_they_are_in_use(void **state)
{
    struct race race = {.engine = *state};
    larder_session *admin = open_session(*state);
    pthread_t threads[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_client, &race), 0);
    struct random random = property_start("users_may_come_and_go_while_they_are_in_use");
    static const char *const rules[] = {"~*", "resetkeys", "&*",        "resetchannels", "&c", "+@all", "-@all",
                                        "on", "+@pubsub",  "(+get ~k)", "clearselectors"};
    for (int i = 0; i < ROUNDS; i++) {
        const char *user = one_in(&random, 2) ? "u0" : "u1";
        const char *rule = rules[random_below(&random, COUNT_OF(rules))];
        larder_reply *reply = one_in(&random, 6)
                                  ? larder_command(admin, "ACL", "DELUSER", user, NULL)
                                  : larder_command(admin, "ACL", "SETUSER", user, "on", ">pw", rule, NULL);
        assert_non_null(reply); /* an error if it adds "&c" to "&*" */
        larder_reply_free(reply);
        reply = one_in(&random, 10)
                    ? larder_command(admin, "CONFIG", "SET", "requirepass", one_in(&random, 2) ? "" : "x", NULL)
                    : larder_command(admin, "PUBLISH", "d", "message", NULL);
        larder_reply_free(reply);
    }
    atomic_store(&race.is_over, true);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    larder_session_close(admin);
}

int main(void)
{
#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, make_engine, drop_engine)
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, make_file_engine, drop_file_engine)
    const struct CMUnitTest tests[] = {
        WITH_ENGINE(sessions_of_the_program_may_do_everything),
        WITH_ENGINE(sessions_of_the_program_may_log_in_as_somebody),
        WITH_ENGINE(clients_are_the_default_user),
        WITH_ENGINE(changes_hold_from_the_next_command_on),
        WITH_ENGINE(a_refused_change_changes_nothing),
        WITH_ENGINE(clients_of_a_deleted_user_are_sent_away),
        WITH_ENGINE(who_deletes_itself_gets_the_reply),
        WITH_ENGINE(a_session_of_the_program_whose_user_is_deleted_is_nobody),
        cmocka_unit_test(a_password_that_is_taken_back_leaves_the_user_as_it_was),
        WITH_ENGINE(transactions_are_checked_when_queued_and_when_run),
        WITH_ENGINE(rules_that_a_transaction_changes_hold_within_it),
        WITH_ENGINE(prefix_commands_need_the_right_to_every_key),
        WITH_ENGINE(prefix_commands_show_no_key_that_the_user_may_do_nothing_with),
        WITH_ENGINE(who_may_not_say_fence_may_run_nothing_behind_it),
        WITH_ENGINE(subscribers_that_lose_a_channel_are_closed_at_once),
        WITH_ENGINE(a_session_of_the_program_that_loses_a_channel_loses_its_subscriptions),
        WITH_ENGINE(subscribers_stay_while_a_selector_permits_their_channel),
        WITH_ENGINE(channels_are_checked_by_name_and_patterns_by_their_text),
        WITH_ENGINE(refusals_within_a_minute_are_counted_together),
        WITH_ENGINE(the_log_holds_no_more_than_it_may),
        WITH_FILE(users_are_loaded_and_saved),
        WITH_FILE(loading_sends_away_only_whom_it_concerns),
        WITH_FILE(a_faulty_file_changes_nothing),
        cmocka_unit_test(an_engine_with_faulty_users_does_not_open),
        cmocka_unit_test(user_lines_make_users),
        WITH_ENGINE(who_subscribes_while_the_channel_is_taken_away_is_closed),
        WITH_ENGINE(a_session_of_the_program_loses_what_it_subscribes_to_meanwhile),
        WITH_ENGINE(a_login_that_meets_the_deletion_of_its_user_fails),
        cmocka_unit_test(first_arguments_are_warned_of_without_stopping_anybody),
        WITH_ENGINE(a_change_of_rules_holds_on_all_threads_when_it_is_answered),
        WITH_ENGINE(users_may_come_and_go_while_they_are_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

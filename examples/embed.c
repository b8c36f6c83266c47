/* Two engines in one process: one used by function calls alone, the other served on a port to anybody who speaks RESP.
 */
#include <larder.h>

#include <stdio.h>
#include <stdlib.h>

static void check(int is_fine, const char *what)
{
    if (is_fine)
        return;
    fprintf(stderr, "embed: %s\n", what);
    exit(1);
}

static void print_get(larder_session *session, const char *key)
{
    larder_reply *reply = larder_command(session, "GET", key, NULL);
    check(reply != NULL, "out of memory");
    printf("%s = %s\n", key, reply->type == LARDER_STRING ? reply->text : "(nil)");
    larder_reply_free(reply);
}

int main(void)
{
    char error[256];

    larder *cache = larder_open(NULL, error, sizeof(error));
    check(cache != NULL, error);
    larder_session *session = larder_session_open(cache);
    check(session != NULL, "out of memory");

    larder_freeze(cache); /* time stands still until we say otherwise */
    larder_reply_free(larder_command(session, "SET", "greeting", "hello", "EX", "60", NULL));
    print_get(session, "greeting");
    larder_advance(cache, 61 * 1000000LL);
    print_get(session, "greeting");

    larder *server = larder_open(&(larder_options){.config = "databases 4"}, error, sizeof(error));
    check(server != NULL, error);
    check(larder_serve(server, NULL, error, sizeof(error)) == 0, error);
    printf("the second engine serves port %d\n", larder_port(server));

    larder_stop(server);
    larder_close(server);
    larder_session_close(session);
    larder_close(cache);
    return 0;
}

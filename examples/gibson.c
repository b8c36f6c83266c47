/* A client of a Gibson server: gibson [PATH OF ITS UNIX SOCKET], else the server is at 127.0.0.1:10128. */
#include <gibson.h>

#include <stdio.h>
#include <string.h>

static int report(const char *what)
{
    char error[1024];
    gb_getlasterror(error, sizeof(error));
    fprintf(stderr, "gibson: %s: %s\n", what, error);
    return 1;
}

static int set(gbClient *client, const char *key, const char *value, int ttl)
{
    return gb_set(client, key, (int)strlen(key), value, (int)strlen(value), ttl);
}

int main(int argc, char **argv)
{
    gbClient client;
    int error = argc > 1 ? gb_unix_connect(&client, argv[1], 5000) : gb_tcp_connect(&client, NULL, 0, 5000);
    if (error != 0)
        return report("can not connect");

    if (set(&client, "user:42:name", "Ada", 60) != 0 || set(&client, "user:42:visits", "7", 60) != 0)
        return report("can not set");
    if (gb_inc(&client, "user:42:visits", 14) == 0)
        printf("visits: %ld\n", gb_reply_number(&client.reply));

    if (gb_mget(&client, "user:42:", 8) == 0) {
        gbMultiBuffer items;
        gb_reply_multi(&client, &items);
        for (uint32_t i = 0; i < items.count; i++) {
            if (items.values[i].encoding == GB_ENC_NUMBER)
                printf("%s = %ld\n", items.keys[i], gb_reply_number(&items.values[i]));
            else
                printf("%s = %.*s\n", items.keys[i], (int)items.values[i].size, (char *)items.values[i].buffer);
        }
        gb_reply_multi_free(&items);
    }

    if (gb_mdel(&client, "user:42:", 8) == 0)
        printf("deleted: %ld\n", gb_reply_number(&client.reply));
    if (gb_get(&client, "user:42:name", 12) == REPL_ERR_NOT_FOUND)
        printf("gone\n");
    gb_disconnect(&client);
    return 0;
}

/* Fuzzes what libgibsonclient makes of a server's bytes: the input is all that a server ever sends, and commands of
   each kind are run until the connection fails, as it does at the latest when the input ends. Whatever came, a reply
   that was accepted is consistent with itself. */
#include "gibson.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_INPUT = 64 * 1024, TIMEOUT_MS = 1000 };

static void check(bool is_fine)
{
    if (!is_fine)
        abort();
}

static void check_list(gbClient *client)
{
    gbMultiBuffer list;
    gb_reply_multi(client, &list);
    uint64_t size = 4;
    for (uint32_t i = 0; i < list.count; i++) {
        gbBuffer *value = &list.values[i];
        check(value->rsize > value->size && value->buffer[value->size] == '\0');
        size_t key_size = 0;
        while (list.keys[i][key_size] != '\0')
            key_size++;
        size += 4 + key_size + 1 + 4 + value->size;
        gb_reply_number(value);
    }
    check(list.count == 0 || size <= client->reply.size);
    gb_reply_multi_free(&list);
}

/* Looks at a reply as a program would, and beyond. */
static void check_reply(gbClient *client)
{
    const gbBuffer *reply = &client->reply;
    check(reply->code >= REPL_ERR && reply->code <= REPL_KVAL);
    check(reply->size < reply->rsize && gb_reply_raw(client)[reply->size] == '\0');
    check(reply->rsize <= 4 * MAX_INPUT);
    gb_reply_number(&client->reply);
    check_list(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int fds[2];
    if (len > MAX_INPUT)
        return 0;
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    check(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    check(write(fds[1], data, len) == (ssize_t)len);
    check(shutdown(fds[1], SHUT_WR) == 0);

    gbClient client = {.fd = fds[0], .timeout = TIMEOUT_MS};
    for (int turn = 0; client.fd != -1; turn++) {
        int outcome = turn % 3 == 0   ? gb_mget(&client, "key", 3)
                      : turn % 3 == 1 ? gb_get(&client, "key", 3)
                                      : gb_ping(&client);
        check(outcome == client.error);
        if (outcome == -1)
            check(client.fd == -1 && client.reply.size == 0 && client.reply.code == REPL_ERR);
        else
            check_reply(&client);
    }
    gb_disconnect(&client);
    close(fds[1]);
    return 0;
}

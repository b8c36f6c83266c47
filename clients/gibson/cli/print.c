#include "print.h"

#include <stdio.h>

/* What is not printable ASCII becomes a blank and two hexadecimal digits. */
static void print_bytes(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] >= ' ' && bytes[i] <= '~')
            putchar(bytes[i]);
        else
            printf(" %02X", bytes[i]);
    }
}

static void print_value(gbBuffer *value)
{
    if (value->encoding == GB_ENC_NUMBER) {
        printf("<NUMBER> %ld\n", gb_reply_number(value));
        return;
    }
    fputs("<STRING> ", stdout);
    print_bytes(value->buffer, value->size);
    putchar('\n');
}

static void print_list(gbClient *client)
{
    gbMultiBuffer list;
    gb_reply_multi(client, &list);
    for (uint32_t i = 0; i < list.count; i++) {
        for (const char *at = list.keys[i]; *at != '\0'; at++)
            print_bytes((const unsigned char *)at, 1);
        fputs(" => ", stdout);
        print_value(&list.values[i]);
    }
    gb_reply_multi_free(&list);
}

void print_reply(gbClient *client)
{
    static const char *const names[] = {"REPL_ERR",     "REPL_ERR_NOT_FOUND", "REPL_ERR_NAN",
                                        "REPL_ERR_MEM", "REPL_ERR_LOCKED",    "REPL_OK"};
    switch (client->reply.code) {
    case REPL_VAL:
        print_value(&client->reply);
        return;
    case REPL_KVAL:
        print_list(client);
        return;
    default:
        printf("<%s>\n", names[client->reply.code]);
    }
}

void print_failure(void)
{
    char text[1024];
    gb_getlasterror(text, sizeof(text));
    printf("ERROR: %s\n", text);
}

/* libgibsonclient: a client of Gibson cache servers, in C and C++.

   A gbClient is one connection. Connect it with gb_tcp_connect or gb_unix_connect, issue commands one after another,
   end with gb_disconnect. Every command sends one request and waits for its reply, which lies in `reply` until the next
   command.

   What commands return: 0 when the server answered with the kind of reply that belongs to the command; else the reply's
   code; -1 when there was no reply at all (then gb_getlasterror says why). REPL_ERR, the code of a request that the
   server could not understand, is 0 too: where that can happen, look at reply.code. The returned value is also left in
   `error`.

   After a failure of the connection, a timeout included, it is closed (fd is -1) and every further command returns -1:
   an answer that comes late can not be taken for the answer to another request. gb_disconnect still has to be called.

   Keys, prefixes and values are bytes with a length; the server ends a key at the first space. Lengths below 0 and
   requests of more than 4 GiB are refused with -1, and the connection lives on.

   Threads: a gbClient belongs to one thread at a time; different ones are independent. gb_getlasterror speaks of the
   calling thread. A connection to a server that has gone away raises no SIGPIPE. */
#ifndef GIBSON_H
#define GIBSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GB_PUBLIC __attribute__((visibility("default")))
#else
#define GB_PUBLIC
#endif

/* Operators of the protocol. */
#define OP_SET 1
#define OP_TTL 2
#define OP_GET 3
#define OP_DEL 4
#define OP_INC 5
#define OP_DEC 6
#define OP_LOCK 7
#define OP_UNLOCK 8
#define OP_MSET 9
#define OP_MTTL 10
#define OP_MGET 11
#define OP_MDEL 12
#define OP_MINC 13
#define OP_MDEC 14
#define OP_MLOCK 15
#define OP_MUNLOCK 16
#define OP_COUNT 17
#define OP_STATS 18
#define OP_PING 19
#define OP_META 20
#define OP_KEYS 21
#define OP_END 255

/* Codes of replies. */
#define REPL_ERR 0           /* the request's syntax, or an unknown field of META */
#define REPL_ERR_NOT_FOUND 1 /* no such key; nothing that the prefix matches, or nothing that the command affected */
#define REPL_ERR_NAN 2       /* a number was expected */
#define REPL_ERR_MEM 3       /* the server is over its limit of memory */
#define REPL_ERR_LOCKED 4    /* the item is locked */
#define REPL_OK 5            /* done; no data */
#define REPL_VAL 6           /* one value */
#define REPL_KVAL 7          /* keys with their values */

/* Encodings of values. */
#define GB_ENC_PLAIN 0x00  /* bytes */
#define GB_ENC_LZF 0x01    /* never sent: META says it of values that the server stores compressed */
#define GB_ENC_NUMBER 0x02 /* a signed integer of 1, 2, 4 or 8 bytes, the lowest first; gb_reply_number reads it */

#define GB_DEFAULT_BUFFER_SIZE 65535

/* The largest reply that is taken; memory for it is reserved only as it arrives. */
#define GB_MAX_REPLY_SIZE (512U * 1024U * 1024U)

typedef unsigned char gbEncoding;

/* Data of a request, a reply or a value in a list. */
typedef struct gbBuffer {
    short code;            /* of a reply: REPL_*; of a request: OP_* */
    gbEncoding encoding;   /* GB_ENC_* */
    unsigned char *buffer; /* from malloc; in replies and lists a NUL follows the data */
    uint32_t rsize;        /* bytes that were allocated */
    uint32_t size;         /* bytes of data */
} gbBuffer;

/* A list of keys and values, allocated by gb_reply_multi, freed by gb_reply_multi_free. */
typedef struct gbMultiBuffer {
    uint32_t count;
    char **keys; /* NUL-terminated; a key that holds a NUL seems to end there */
    gbBuffer *values;
} gbMultiBuffer;

/* A connection. Commands write all fields; the buffers keep the size of the largest request and reply so far. */
typedef struct gbClient {
    int fd;            /* -1 when not connected; non-blocking */
    char address[255]; /* as given: host, or path of the socket */
    int port;          /* -1 for a Unix socket */
    int timeout;       /* milliseconds that each wait for the server may take; 0 or less: without limit */
    int error;         /* what the last call returned */
    gbBuffer request;
    gbBuffer reply;
} gbClient;

/* Allocates the default size for a buffer (a gbBuffer, not a pointer to one); the buffer is NULL if memory lacks. */
#define GB_INIT_BUFFER(b)                                                       \
    do {                                                                        \
        (b).code = 0;                                                           \
        (b).encoding = GB_ENC_PLAIN;                                            \
        (b).buffer = (unsigned char *)malloc(GB_DEFAULT_BUFFER_SIZE);           \
        (b).rsize = (b).size = (b).buffer != NULL ? GB_DEFAULT_BUFFER_SIZE : 0; \
    } while (0)

/* Connect. They return 0, an errno value, or -1 when the name of a host is not known. Whatever the client held before
   is overwritten: gb_disconnect first. `timeout` bounds connecting to each of the host's addresses (IPv4; looking its
   name up is not bounded) and then each wait for the server. NULL or "" for `address` means 127.0.0.1, 0 for `port`
   10128, NULL or "" for `socket` /var/run/gibson.sock. */
GB_PUBLIC int gb_tcp_connect(gbClient *c, const char *address, int port, int timeout);
GB_PUBLIC int gb_unix_connect(gbClient *c, const char *socket, int timeout);

/* One item. In seconds: `ttl` (gb_set: 0 or less for none) and `time` (-1: for ever). Success is REPL_VAL for gb_set
   (the value as stored), gb_get, gb_inc, gb_dec (the new value) and gb_meta, else REPL_OK. */
GB_PUBLIC int gb_set(gbClient *c, const char *key, int klen, const char *value, int vlen, int ttl);
GB_PUBLIC int gb_ttl(gbClient *c, const char *key, int klen, int ttl);
GB_PUBLIC int gb_get(gbClient *c, const char *key, int klen);
GB_PUBLIC int gb_del(gbClient *c, const char *key, int klen);
GB_PUBLIC int gb_inc(gbClient *c, const char *key, int klen);
GB_PUBLIC int gb_dec(gbClient *c, const char *key, int klen);
GB_PUBLIC int gb_lock(gbClient *c, const char *key, int klen, int time);
GB_PUBLIC int gb_unlock(gbClient *c, const char *key, int klen);

/* `meta` is size, encoding, access, created, ttl, left or lock. */
GB_PUBLIC int gb_meta(gbClient *c, const char *key, int klen, const char *meta, int mlen);

/* All items whose keys start with `expr`. Success is REPL_VAL with the number of items, but REPL_KVAL for gb_mget (key
   to value) and gb_keys ("0", "1" and so on to key). gb_mget takes a limit as part of its expression: "prefix 10". */
GB_PUBLIC int gb_mset(gbClient *c, const char *expr, int elen, const char *value, int vlen);
GB_PUBLIC int gb_mttl(gbClient *c, const char *expr, int elen, int ttl);
GB_PUBLIC int gb_mget(gbClient *c, const char *expr, int elen);
GB_PUBLIC int gb_mdel(gbClient *c, const char *expr, int elen);
GB_PUBLIC int gb_minc(gbClient *c, const char *expr, int elen);
GB_PUBLIC int gb_mdec(gbClient *c, const char *expr, int elen);
GB_PUBLIC int gb_mlock(gbClient *c, const char *expr, int elen, int time);
GB_PUBLIC int gb_munlock(gbClient *c, const char *expr, int elen);
GB_PUBLIC int gb_count(gbClient *c, const char *expr, int elen);
GB_PUBLIC int gb_keys(gbClient *c, const char *expr, int elen);

/* The server. gb_stats succeeds with REPL_KVAL, the others with REPL_OK; after gb_quit the server closes the
   connection, and gb_disconnect is to follow. */
GB_PUBLIC int gb_stats(gbClient *c);
GB_PUBLIC int gb_ping(gbClient *c);
GB_PUBLIC int gb_quit(gbClient *c);

/* The data of the last reply, valid until the next call for this client; its length is c->reply.size. */
GB_PUBLIC const unsigned char *gb_reply_raw(gbClient *c);

/* The number in a reply or in a value of a list; 0 if its size is none that numbers have (1, 2, 4, 8 and more: the
   first 8 bytes). */
GB_PUBLIC long gb_reply_number(gbBuffer *b);

/* Decodes the last reply if it was a list; else, or if memory lacks, the result is empty (gb_getlasterror). Each value
   has a buffer of its own that is as large as the value needs. */
GB_PUBLIC void gb_reply_multi(gbClient *c, gbMultiBuffer *b);
GB_PUBLIC void gb_reply_multi_free(gbMultiBuffer *b);

/* Closes without a word to the server and frees the buffers; fd, port and error are -1 then. Harmless when repeated,
   and after connecting failed. */
GB_PUBLIC void gb_disconnect(gbClient *c);

/* Why the last call of this thread that failed did: at most n - 1 bytes and a NUL; "" if none did. */
GB_PUBLIC void gb_getlasterror(char *buf, size_t n);

#ifdef __cplusplus
}
#endif

#endif

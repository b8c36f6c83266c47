/* What the files of the library share. Functions that can fail return 0 or an errno value. The names begin with gbi_:
   in the static library they are visible to the program. */
#ifndef GBI_INTERNAL_H
#define GBI_INTERNAL_H

#include "gibson.h"

#include <stdbool.h>

/* --- last_error.c --- */

/* Sets the text that gb_getlasterror gives in this thread. */
void gbi_set_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- io.c: a non-blocking socket, and waits bounded by timeout_ms each (0 or less: without limit) --- */

/* Connects a new socket and stores it in *fd; on failure *fd is -1. */
int gbi_connect_tcp(const char *host, int port, int timeout_ms, int *fd);
int gbi_connect_unix(const char *path, int timeout_ms, int *fd);

int gbi_send_all(int fd, const unsigned char *data, size_t len, int timeout_ms);

/* Receives between 1 and `room` bytes. The end of the stream is ECONNRESET. */
int gbi_receive_some(int fd, unsigned char *at, size_t room, int timeout_ms, size_t *received);

/* --- buffer.c --- */

/* An empty buffer of the default size. */
int gbi_buffer_init(gbBuffer *buffer);
void gbi_buffer_free(gbBuffer *buffer);

/* Makes room for `size` bytes, at least doubling so that growing in steps stays cheap. On failure nothing changed. */
int gbi_buffer_reserve(gbBuffer *buffer, size_t size);

/* --- reply.c: the bytes of replies; nothing here reads past the lengths it is given, whatever the bytes say --- */

enum { GBI_HEADER_SIZE = 7, GBI_NUMBER_SIZE = 8 };

uint32_t gbi_read_u32(const unsigned char *at);
void gbi_write_u32(unsigned char *at, uint32_t number);

/* Takes the header of a reply apart into code, encoding and size; false if no server would send it. */
bool gbi_decode_header(const unsigned char header[GBI_HEADER_SIZE], gbBuffer *reply);

/* A list being walked: `left` entries between `at` and `end`. */
struct gbi_list {
    const unsigned char *at;
    const unsigned char *end;
    uint32_t left;
};

/* An entry, lying in the list's bytes. */
struct gbi_entry {
    const unsigned char *key;
    uint32_t key_size;
    gbEncoding encoding;
    const unsigned char *value;
    uint32_t value_size;
};

/* Starts a walk; false if the data can not hold as many entries as it announces. */
bool gbi_list_start(struct gbi_list *list, const unsigned char *data, size_t size);

/* Takes the next entry off a list that has some left; false if it is cut short. */
bool gbi_list_next(struct gbi_list *list, struct gbi_entry *entry);

/* True if the data is a list: as many entries as it announces, and nothing after them. */
bool gbi_is_list(const unsigned char *data, size_t size);

#endif

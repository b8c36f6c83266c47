/*
 * The generator's side of TLS. The servers' certificate is not looked at: what is measured is the price of a request,
 * not of trust. One cipher only, so that no two servers can choose differently.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls_client; /* TLS on one connection */

/* Shakes hands on a connected socket that blocks. Ends the program if that fails, or if it was built without TLS. */
struct tls_client *tls_connect(int fd);

/* As send and recv on a socket that does not block; EAGAIN stands for whatever the protocol has to wait for. A read
   takes everything that has come, as far as it fits. */
ssize_t tls_send(struct tls_client *client, const char *from, size_t len);
ssize_t tls_receive(struct tls_client *client, char *to, size_t room);
/* Did something not fit? The socket does not tell. */
bool tls_has_more(const struct tls_client *client);

/* Replies as text. Whatever bytes come from the server, only printable ones reach the terminal as they are. */
#ifndef GIBSON_CLI_PRINT_H
#define GIBSON_CLI_PRINT_H

#include "gibson.h"

/* Prints the last reply. */
void print_reply(gbClient *client);

/* Prints why there was none. */
void print_failure(void);

#endif

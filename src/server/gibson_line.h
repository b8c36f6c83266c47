/* The command line and the configuration file of a Gibson server, turned into the parameters of this one:

       gibson [-c FILE] [--OPTION VALUE] ...        larder-server -c FILE [--OPTION VALUE] ...

   The file, /etc/gibson/gibson.conf if none is named, has lines of an option and a word; an option of the command line
   wins over it. Options that it does not know, and those that have no meaning here, are ignored, and a number that
   cannot be read leaves the default, as there. What is served is Gibson's protocol alone. */
#ifndef LARDER_SERVER_GIBSON_LINE_H
#define LARDER_SERVER_GIBSON_LINE_H

#include "server/command_line.h"

/* Is this a Gibson server's command line? It is, if the program goes by that name, or the first word is its option for
   a file. */
MUST_USE bool gibson_line_is_meant(int argc, char *const *argv);

/* As command_line_parse, but reads the file as well. */
void gibson_line_parse(int argc, char *const *argv, struct command_line *out);

#endif

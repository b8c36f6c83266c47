/* What commands may add to memory beside their words, for their rows in the command table (engine/room.h asks). */
#ifndef LARDER_COMMANDS_GROWTH_H
#define LARDER_COMMANDS_GROWTH_H

#include "engine/command.h"

command_growth_fn growth_of_append;
command_growth_fn growth_of_copy;
command_growth_fn growth_of_prefix_set; /* and of Gibson's MSET: the same words in the same places */
command_growth_fn growth_of_setrange;

/* These add nothing, but what is forecast of the commands behind them in a transaction hangs on them. */
command_growth_fn growth_of_move;
command_growth_fn growth_of_select;

#endif

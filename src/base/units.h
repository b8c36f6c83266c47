/* Amounts of memory as people write them: 100, 1k, 1kb, 5MB, 2g. k, m and g are powers of 1000, with a b powers of
   1024. */
#ifndef LARDER_BASE_UNITS_H
#define LARDER_BASE_UNITS_H

#include "base/bytes.h"
#include "base/common.h"

/* Reads a whole text. As in Redis a missing number is 0; what does not fit is the largest number there is, so that a
   limit behind it refuses it. False: no amount, or a negative one. */
MUST_USE bool units_parse_bytes(bytes text, unsigned long long *out);

#endif

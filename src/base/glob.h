/* Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET understand them: `*`, `?`, `[abc]`, `[^abc]`, `[a-z]`, and `\`
   before a character that is to stand for itself. Any bytes may occur in both, zeros included. */
#ifndef LARDER_BASE_GLOB_H
#define LARDER_BASE_GLOB_H

#include "base/bytes.h"

/* Whether `pattern` matches the whole of `text`; `ignore_case` folds ASCII letters. A `[` without its `]` is a class
   that reaches to the end of the pattern; a range may be written backwards. Allocates nothing and does not recurse. It
   takes at most some hundred steps for each byte of text, however long the pattern is, so that none can stall a server;
   what would take more does not match. That cannot be when all between two stars is plain text, or is no longer than
   256 bytes, and there are less than 16,000 stars in a row. */
bool glob_match(bytes pattern, bytes text, bool ignore_case);

/* What every text that matches begins with: the pattern up to its first character with a meaning beyond itself. */
bytes glob_literal_prefix(bytes pattern);

/* Whether the pattern has a character with a meaning beyond itself: a plain name can be looked up instead. */
bool glob_is_pattern(bytes text);

#endif

/* Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET understand them: `*`, `?`, `[abc]`, `[^abc]`, `[a-z]`, and `\`
   before a character that is to stand for itself. Any bytes may occur in both, zeros included. */
#ifndef LARDER_BASE_GLOB_H
#define LARDER_BASE_GLOB_H

#include "base/bytes.h"

/* Whether `pattern` matches the whole of `text`; `ignore_case` folds ASCII letters. A `[` without its `]` is a class
   that reaches to the end of the pattern; a range may be written backwards. Allocates nothing, does not recurse, and
   takes at most about pattern.len * text.len steps, so that no pattern can be used to stall a server. */
bool glob_match(bytes pattern, bytes text, bool ignore_case);

/* What every text that matches begins with: the pattern up to its first character with a meaning beyond itself. */
bytes glob_literal_prefix(bytes pattern);

/* Whether the pattern has a character with a meaning beyond itself: a plain name can be looked up instead. */
bool glob_is_pattern(bytes text);

#endif

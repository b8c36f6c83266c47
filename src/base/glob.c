/* Glob patterns; see glob.h. When a `*` has been passed and the rest does not fit, only the last `*` is tried again,
   one byte further on: an earlier one cannot help, since whatever it would take, the last one can take as well. */
#include "base/glob.h"

static unsigned char fold(char c, bool ignore_case)
{
    return (unsigned char)(ignore_case ? bytes_lower(c) : c);
}

/* Matches the class that starts after the `[` at pattern[*at - 1] against `c`; moves *at behind the class. */
static bool class_matches(bytes pattern, size_t *at, char c, bool ignore_case)
{
    const unsigned char wanted = fold(c, ignore_case);
    size_t i = *at;
    bool is_negated = i < pattern.len && pattern.at[i] == '^';
    bool is_found = false;
    if (is_negated)
        i++;
    while (i < pattern.len && pattern.at[i] != ']') {
        if (pattern.at[i] == '\\' && i + 1 < pattern.len) {
            is_found |= pattern.at[i + 1] == c;
            i += 2;
        } else if (i + 2 < pattern.len && pattern.at[i + 1] == '-') {
            unsigned char first = fold(pattern.at[i], ignore_case);
            unsigned char last = fold(pattern.at[i + 2], ignore_case);
            is_found |= first <= last ? first <= wanted && wanted <= last : last <= wanted && wanted <= first;
            i += 3;
        } else {
            is_found |= fold(pattern.at[i], ignore_case) == wanted;
            i++;
        }
    }
    *at = i < pattern.len ? i + 1 : i;
    return is_found != is_negated;
}

/* Matches one element other than `*` at pattern[*at] against `c`; moves *at behind the element. */
static bool element_matches(bytes pattern, size_t *at, char c, bool ignore_case)
{
    char element = pattern.at[(*at)++];
    if (element == '?')
        return true;
    if (element == '[')
        return class_matches(pattern, at, c, ignore_case);
    if (element == '\\' && *at < pattern.len)
        element = pattern.at[(*at)++];
    return fold(element, ignore_case) == fold(c, ignore_case);
}

bool glob_match(bytes pattern, bytes text, bool ignore_case)
{
    size_t p = 0, t = 0;
    bool has_star = false;
    size_t after_star = 0; /* in the pattern: where to go on behind the last star */
    size_t star_end = 0;   /* in the text: how far that star reaches so far */
    for (;;) {
        if (p < pattern.len && pattern.at[p] == '*') {
            has_star = true;
            after_star = ++p;
            star_end = t;
            continue;
        }
        if (t == text.len)
            return p == pattern.len;
        if (p < pattern.len && element_matches(pattern, &p, text.at[t], ignore_case)) {
            t++;
            continue;
        }
        if (!has_star || after_star == pattern.len)
            return has_star;
        p = after_star;
        t = ++star_end;
    }
}

bool glob_is_pattern(bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '*' || text.at[i] == '?' || text.at[i] == '[')
            return true;
    return false;
}

bytes glob_literal_prefix(bytes pattern)
{
    size_t len = 0;
    while (len < pattern.len && strchr("*?[\\", pattern.at[len]) == NULL)
        len++;
    return (bytes){pattern.at, len};
}

/* Glob patterns; see glob.h. Stars divide a pattern into parts. The first stands at the beginning of the text, the last
   at its end, and each of the others is found as far to the left as it goes: one further to the right cannot help those
   behind it. An element other than `*` takes exactly one byte of text, so that a part is as long as what it matches.

   A part of plain text is searched for in linear time. One with `?` or `[` is tried byte by byte of the text, which may
   take its length for each; so may a class. That is what the number of steps bounds: the bytes of the pattern that are
   looked at, each time they are. */
#include "base/glob.h"

enum { STEPS_PER_BYTE = 512, STEPS_AT_LEAST = 16 * 1024 };

struct match {
    bytes pattern;
    bytes text;
    size_t steps; /* that may still be taken; 0: it does not match */
    bool ignore_case;
};

/* What stands between two stars. */
struct part {
    size_t begin, end; /* in the pattern */
    size_t count;      /* elements */
    bool is_plain;     /* its bytes stand for themselves */
};

static unsigned char fold(char c, bool ignore_case)
{
    return (unsigned char)(ignore_case ? bytes_lower(c) : c);
}

static void spend(struct match *match, size_t steps)
{
    match->steps -= steps < match->steps ? steps : match->steps;
}

/* Matches the class that starts after the `[` at pattern[*at - 1] against `c`; moves *at behind the class. */
static bool class_matches(struct match *match, size_t *at, char c)
{
    const bytes pattern = match->pattern;
    const unsigned char wanted = fold(c, match->ignore_case);
    size_t begin = *at, i = begin;
    bool is_negated = i < pattern.len && pattern.at[i] == '^';
    bool is_found = false;
    if (is_negated)
        i++;
    while (i < pattern.len && pattern.at[i] != ']' && i - begin <= match->steps) {
        if (pattern.at[i] == '\\' && i + 1 < pattern.len) {
            is_found |= pattern.at[i + 1] == c;
            i += 2;
        } else if (i + 2 < pattern.len && pattern.at[i + 1] == '-') {
            unsigned char first = fold(pattern.at[i], match->ignore_case);
            unsigned char last = fold(pattern.at[i + 2], match->ignore_case);
            is_found |= first <= last ? first <= wanted && wanted <= last : last <= wanted && wanted <= first;
            i += 3;
        } else {
            is_found |= fold(pattern.at[i], match->ignore_case) == wanted;
            i++;
        }
    }
    spend(match, i - begin);
    *at = i < pattern.len ? i + 1 : i;
    return is_found != is_negated;
}

/* Matches one element other than `*` at pattern[*at] against `c`; moves *at behind the element. */
static bool element_matches(struct match *match, size_t *at, char c)
{
    char element = match->pattern.at[(*at)++];
    spend(match, 1);
    if (element == '?')
        return true;
    if (element == '[')
        return class_matches(match, at, c);
    if (element == '\\' && *at < match->pattern.len)
        element = match->pattern.at[(*at)++];
    return fold(element, match->ignore_case) == fold(c, match->ignore_case);
}

static bool is_plain(char element)
{
    return element != '*' && element != '?' && element != '[' && element != '\\';
}

static bool is_star(const struct match *match, size_t at)
{
    return at < match->pattern.len && match->pattern.at[at] == '*';
}

/* The part of the pattern that begins at `begin`; false if it has more elements than `most`. */
static bool measure_part(struct match *match, size_t begin, size_t most, struct part *part)
{
    *part = (struct part){.begin = begin, .end = begin, .is_plain = !match->ignore_case};
    while (part->end < match->pattern.len && !is_star(match, part->end)) {
        if (part->count++ == most || match->steps == 0)
            return false;
        part->is_plain &= is_plain(match->pattern.at[part->end]);
        (void)element_matches(match, &part->end, 0);
    }
    return true;
}

/* Does the part match at text[t]? There is enough text for it. */
static bool part_matches(struct match *match, const struct part *part, size_t t)
{
    for (size_t p = part->begin; p < part->end; t++)
        if (!element_matches(match, &p, match->text.at[t]))
            return false;
    return match->steps > 0;
}

/* The first place in the text, from text[*t] on, where the part matches; moves *t behind it. */
static bool find_part(struct match *match, const struct part *part, size_t *t)
{
    const bytes text = match->text;
    if (part->is_plain) {
        const char *found = memmem(text.at + *t, text.len - *t, match->pattern.at + part->begin, part->count);
        if (found == NULL)
            return false;
        *t = (size_t)(found - text.at) + part->count;
        return true;
    }
    while (match->steps > 0 && text.len - *t >= part->count && !part_matches(match, part, *t))
        ++*t;
    if (match->steps == 0 || text.len - *t < part->count)
        return false;
    *t += part->count;
    return true;
}

/* The rest of a match, from the star at pattern[p] and from text[t] on. */
static bool match_rest(struct match *match, size_t p, size_t t)
{
    for (;;) {
        struct part part;
        for (; is_star(match, p) && match->steps > 0; p++)
            spend(match, 1);
        if (match->steps == 0 || p == match->pattern.len)
            return match->steps > 0;
        if (!measure_part(match, p, match->text.len - t, &part))
            return false;
        if (part.end == match->pattern.len)
            return part_matches(match, &part, match->text.len - part.count);
        if (!find_part(match, &part, &t))
            return false;
        p = part.end;
    }
}

bool glob_match(bytes pattern, bytes text, bool ignore_case)
{
    struct match match = {.pattern = pattern, .text = text, .ignore_case = ignore_case};
    match.steps = STEPS_AT_LEAST + STEPS_PER_BYTE * text.len;
    size_t p = 0;
    while (p < pattern.len && p < text.len && pattern.at[p] == text.at[p] && is_plain(pattern.at[p]))
        p++;
    size_t t = p;
    for (; p < pattern.len && pattern.at[p] != '*'; t++)
        if (t == text.len || !element_matches(&match, &p, text.at[t]))
            return false;
    if (p == pattern.len)
        return t == text.len && match.steps > 0;
    return match_rest(&match, p, t);
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

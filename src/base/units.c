/* Amounts of memory; see units.h. */
#include "base/units.h"

#include <limits.h>

static const struct unit {
    bytes name;
    unsigned long long factor;
} units[] = {
    {{"", 0}, 1},
    {{"b", 1}, 1},
    {{"k", 1}, 1000},
    {{"kb", 2}, 1024},
    {{"m", 1}, 1000ull * 1000},
    {{"mb", 2}, 1024ull * 1024},
    {{"g", 1}, 1000ull * 1000 * 1000},
    {{"gb", 2}, 1024ull * 1024 * 1024},
};

bool units_parse_bytes(bytes text, unsigned long long *out)
{
    unsigned long long count = 0;
    size_t digits = 0;
    for (; digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9'; digits++) {
        unsigned long long digit = (unsigned long long)(text.at[digits] - '0');
        if (__builtin_mul_overflow(count, 10, &count) || __builtin_add_overflow(count, digit, &count))
            count = ULLONG_MAX;
    }
    bytes name = {digits == text.len ? "" : text.at + digits, text.len - digits};
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (!bytes_equal_nocase(name, units[i].name))
            continue;
        if (__builtin_mul_overflow(count, units[i].factor, out))
            *out = ULLONG_MAX;
        return true;
    }
    return false;
}

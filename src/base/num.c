/* Numbers and text; see num.h. */
#include "base/num.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char digit_pairs[201] = "0001020304050607080910111213141516171819"
                                     "2021222324252627282930313233343536373839"
                                     "4041424344454647484950515253545556575859"
                                     "6061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899";

unsigned num_digits(uint64_t value)
{
    unsigned digits = 1;
    for (;;) {
        if (value < 10)
            return digits;
        if (value < 100)
            return digits + 1;
        if (value < 1000)
            return digits + 2;
        if (value < 10000)
            return digits + 3;
        value /= 10000;
        digits += 4;
    }
}

size_t num_format_uint64(char *to, uint64_t value)
{
    unsigned digits = num_digits(value);
    char *at = to + digits;
    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(at - 2, digit_pairs + value * 2, 2);
    else
        at[-1] = (char)('0' + value);
    return digits;
}

size_t num_format_int64(char *to, int64_t value)
{
    if (value >= 0)
        return num_format_uint64(to, (uint64_t)value);
    *to = '-';
    return 1 + num_format_uint64(to + 1, -(uint64_t)value);
}

bool num_parse_uint64(bytes text, uint64_t *out)
{
    if (text.len == 0 || text.len > NUM_INTEGER_SIZE)
        return false;
    if (text.at[0] == '0') {
        *out = 0;
        return text.len == 1;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.at[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool num_parse_int64(bytes text, int64_t *out)
{
    bool is_negative = text.len > 0 && text.at[0] == '-';
    if (is_negative) {
        text.at++;
        text.len--;
    }
    uint64_t magnitude;
    if (!num_parse_uint64(text, &magnitude))
        return false;
    if (is_negative) {
        if (magnitude == 0 || magnitude > (uint64_t)INT64_MAX + 1)
            return false;
        *out = (int64_t)(-magnitude);
        return true;
    }
    if (magnitude > (uint64_t)INT64_MAX)
        return false;
    *out = (int64_t)magnitude;
    return true;
}

/* A terminated copy in `to` for the C library's parsers; false when it cannot be a number. */
static bool copy_number(char *to, size_t size, bytes text)
{
    if (text.len == 0 || text.len >= size || text.at[0] == ' ' || (text.at[0] >= '\t' && text.at[0] <= '\r'))
        return false;
    if (memchr(text.at, '\0', text.len) != NULL)
        return false;
    memcpy(to, text.at, text.len);
    to[text.len] = '\0';
    return true;
}

bool num_parse_long_double(bytes text, long double *out)
{
    char copy[NUM_LONG_DOUBLE_SIZE];
    if (!copy_number(copy, sizeof(copy), text))
        return false;
    char *end;
    errno = 0;
    long double value = strtold(copy, &end);
    if (end != copy + text.len || isnan(value))
        return false;
    if (errno == ERANGE && (value == HUGE_VALL || value == -HUGE_VALL || fpclassify(value) == FP_ZERO))
        return false;
    *out = value;
    return true;
}

bool num_parse_double(bytes text, double *out)
{
    char copy[NUM_LONG_DOUBLE_SIZE];
    if (!copy_number(copy, sizeof(copy), text))
        return false;
    char *end;
    errno = 0;
    double value = strtod(copy, &end);
    if (end != copy + text.len || isnan(value))
        return false;
    if (errno == ERANGE && (value == HUGE_VAL || value == -HUGE_VAL || fpclassify(value) == FP_ZERO))
        return false;
    *out = value;
    return true;
}

size_t num_format_double(char *to, double value)
{
    if (isnan(value)) {
        memcpy(to, "nan", 3);
        return 3;
    }
    if (isinf(value)) {
        const char *text = value < 0 ? "-inf" : "inf";
        memcpy(to, text, strlen(text));
        return strlen(text);
    }
    if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value)))
        return num_format_int64(to, (int64_t)value);
    char text[NUM_DOUBLE_SIZE + 1];
    int len = 0;
    for (int precision = 15; precision <= 17; precision++) {
        len = snprintf(text, sizeof(text), "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    memcpy(to, text, (size_t)len);
    return (size_t)len;
}

size_t num_format_long_double(char *to, long double value)
{
    if (isinf(value)) {
        const char *text = value > 0 ? "inf" : "-inf";
        memcpy(to, text, strlen(text));
        return strlen(text);
    }
    int written = snprintf(to, NUM_LONG_DOUBLE_SIZE, "%.17Lf", value);
    size_t len = (size_t)written;
    if (memchr(to, '.', len) != NULL) {
        while (to[len - 1] == '0')
            len--;
        if (to[len - 1] == '.')
            len--;
    }
    if (len == 2 && to[0] == '-' && to[1] == '0') {
        to[0] = '0';
        len = 1;
    }
    return len;
}

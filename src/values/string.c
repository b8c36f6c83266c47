/* Strings as values; see string.h.

   The longest common subsequence is found with whole words of bits instead of a matrix of lengths (after Crochemore,
   Iliopoulos, Pinzon and Reid, "A fast and practical bit-vector algorithm for the longest common subsequence problem",
   2001). With L(i, j) the length for the first i bytes of a and the first j of b, neighbours differ by 0 or 1. One row
   of bits says for one prefix of the shorter string, the rows, where L stays equal along the longer one, the columns;
   the next row follows from it by an addition whose carries are the differences between the two rows. For two strings
   of 11.5 KB, the most that Redis's default limit lets through, a matrix of lengths takes 512 MB and 360 ms, this takes
   17 MB and 10 ms; it matters because the shards of both keys are locked meanwhile.

   Walking back through the lengths, Redis drops a byte of a when L(i - 1, j) > L(i, j - 1), and otherwise one of b.
   Where the bytes differ, at least one of the two equals L(i, j), so that the question is whether L(i, j) rises above
   L(i, j - 1). This one bit for every i and j is all that is remembered, in `rises`. */
#include "values/string.h"

#include "base/mem.h"

#include <math.h>

enum { WORD_BITS = 64, BYTE_VALUES = 256 };

enum string_encoding string_encoding_of_text(size_t len)
{
    return len <= STRING_EMBSTR_MAX ? STRING_EMBSTR : STRING_RAW;
}

enum string_encoding string_encoding_of(bytes value)
{
    int64_t number;
    if (value.len <= NUM_INTEGER_SIZE && num_parse_int64(value, &number))
        return STRING_INT;
    return string_encoding_of_text(value.len);
}

/* A position counted from the end is turned into one from the beginning, which is 0 at least. */
static uint64_t absolute_position(size_t len, int64_t position)
{
    if (position >= 0)
        return (uint64_t)position;
    uint64_t back = -(uint64_t)position;
    return back < len ? len - back : 0;
}

void string_range(size_t len, int64_t start, int64_t end, size_t *first, size_t *count)
{
    *first = 0;
    *count = 0;
    if (len == 0 || (start < 0 && end < 0 && start > end)) /* else both could be cut to the first byte */
        return;
    uint64_t from = absolute_position(len, start);
    uint64_t to = absolute_position(len, end);
    if (to >= len)
        to = len - 1;
    if (from > to)
        return;
    *first = (size_t)from;
    *count = (size_t)(to - from) + 1;
}

enum string_sum string_add_integer(bytes value, int64_t by, int64_t *sum)
{
    int64_t number;
    if (!num_parse_int64(value, &number))
        return SUM_NOT_A_NUMBER;
    return __builtin_add_overflow(number, by, sum) ? SUM_OUT_OF_RANGE : SUM_OK;
}

enum string_sum string_add_float(bytes value, bytes by, char *text, size_t *len)
{
    long double number;
    long double increment;
    if (!num_parse_long_double(value, &number) || !num_parse_long_double(by, &increment))
        return SUM_NOT_A_NUMBER;
    long double sum = number + increment;
    if (!isfinite(sum))
        return SUM_OUT_OF_RANGE;
    *len = num_format_long_double(text, sum);
    return SUM_OK;
}

uint64_t lcs_redis_bytes(size_t a_len, size_t b_len)
{
    uint64_t bytes_needed;
    if (__builtin_mul_overflow((uint64_t)a_len + 1, (uint64_t)b_len + 1, &bytes_needed) ||
        __builtin_mul_overflow(bytes_needed, sizeof(uint32_t), &bytes_needed))
        return UINT64_MAX;
    return bytes_needed;
}

static bytes lcs_rows(const struct lcs *lcs)
{
    return lcs->b_is_longer ? lcs->a : lcs->b;
}

static bytes lcs_columns(const struct lcs *lcs)
{
    return lcs->b_is_longer ? lcs->b : lcs->a;
}

/* For every byte that occurs in the rows, a row of bits that are set where the columns have the same byte. */
struct lcs_masks {
    uint64_t *of_byte[BYTE_VALUES]; /* NULL: in no row */
};

/* Gives every byte of the rows a number, from 0 on; returns how many there are. */
static size_t number_bytes(bytes rows, uint16_t number_of[BYTE_VALUES])
{
    size_t count = 0;
    memset(number_of, 0xff, BYTE_VALUES * sizeof(*number_of));
    for (size_t i = 0; i < rows.len && count < BYTE_VALUES; i++) {
        uint16_t *number = &number_of[(unsigned char)rows.at[i]];
        if (*number == UINT16_MAX)
            *number = (uint16_t)count++;
    }
    return count;
}

/* `bits` are zero. */
static void fill_masks(struct lcs_masks *masks, uint64_t *bits, size_t row_words, bytes columns,
                       const uint16_t number_of[BYTE_VALUES])
{
    for (size_t byte = 0; byte < BYTE_VALUES; byte++)
        masks->of_byte[byte] = number_of[byte] == UINT16_MAX ? NULL : bits + number_of[byte] * row_words;
    for (size_t i = 0; i < columns.len; i++) {
        uint64_t *mask = masks->of_byte[(unsigned char)columns.at[i]];
        if (mask != NULL)
            mask[i / WORD_BITS] |= 1ULL << (i % WORD_BITS);
    }
}

/* From one row to the next. `level` has a bit set where L stays level along the columns; `carries`, if not NULL, gets
   one where L rises from the old row to the new one. */
static void next_row(uint64_t *level, const uint64_t *mask, size_t words, uint64_t *carries)
{
    bool carry = false;
    for (size_t i = 0; i < words; i++) {
        uint64_t old = level[i];
        uint64_t hits = old & mask[i];
        uint64_t sum;
        bool overflow = __builtin_add_overflow(old, hits, &sum);
        carry = __builtin_add_overflow(sum, (uint64_t)carry, &sum) || overflow;
        level[i] = sum | (old & ~mask[i]);
        if (carries != NULL)
            carries[i] = hits | (old & ~sum);
    }
}

static void fill_rises(struct lcs *lcs, uint64_t *level, const struct lcs_masks *masks)
{
    bytes rows = lcs_rows(lcs);
    size_t words = lcs->row_words;
    memset(level, 0xff, words * sizeof(*level));
    for (size_t i = 0; i < rows.len; i++) {
        const uint64_t *mask = masks->of_byte[(unsigned char)rows.at[i]];
        uint64_t *rises = lcs->rises != NULL ? lcs->rises + i * words : NULL;
        next_row(level, mask, words, lcs->b_is_longer ? NULL : rises);
        /* the step from j - 1 to j goes along the columns when those are the bytes of b */
        for (size_t j = 0; lcs->b_is_longer && rises != NULL && j < words; j++)
            rises[j] = ~level[j];
    }
    for (size_t j = 0; j < words; j++)
        lcs->len += (size_t)__builtin_popcountll(~level[j]); /* bits beyond the columns stay level */
}

bool lcs_init(struct lcs *lcs, bytes a, bytes b, bool only_length)
{
    *lcs = (struct lcs){.a = a, .b = b, .a_left = a.len, .b_left = b.len, .b_is_longer = b.len > a.len};
    if (a.len == 0 || b.len == 0)
        return true;
    bytes rows = lcs_rows(lcs);
    size_t words = (lcs_columns(lcs).len - 1) / WORD_BITS + 1;
    uint16_t number_of[BYTE_VALUES];
    size_t mask_words = number_bytes(rows, number_of) * words;
    size_t rise_words;
    size_t all_words;
    if (__builtin_mul_overflow(only_length ? 0 : rows.len, words, &rise_words) ||
        __builtin_add_overflow(mask_words + words + rows.len / sizeof(uint64_t) + 1, rise_words, &all_words) ||
        all_words > SIZE_MAX / sizeof(uint64_t))
        return false;

    uint64_t *memory = mem_alloc(all_words * sizeof(*memory));
    if (memory == NULL)
        return false;
    uint64_t *level = memory + mask_words;
    uint64_t *rises = level + words;
    memset(memory, 0, mask_words * sizeof(*memory));
    lcs->memory = memory;
    lcs->row_words = words;
    lcs->rises = only_length ? NULL : rises;
    lcs->text = (char *)(rises + rise_words);
    struct lcs_masks masks;
    fill_masks(&masks, memory, words, lcs_columns(lcs), number_of);
    fill_rises(lcs, level, &masks);
    return true;
}

void lcs_free(struct lcs *lcs)
{
    mem_free(lcs->memory);
}

/* Is L(i, j) above L(i, j - 1)? */
static bool rises_at(const struct lcs *lcs, size_t i, size_t j)
{
    assert(lcs->rises != NULL);
    size_t row = lcs->b_is_longer ? i - 1 : j - 1;
    size_t column = lcs->b_is_longer ? j - 1 : i - 1;
    return lcs->rises[row * lcs->row_words + column / WORD_BITS] >> (column % WORD_BITS) & 1;
}

bool lcs_next_range(struct lcs *lcs, struct lcs_range *range)
{
    size_t i = lcs->a_left;
    size_t j = lcs->b_left;
    while (i > 0 && j > 0 && lcs->a.at[i - 1] != lcs->b.at[j - 1]) {
        if (rises_at(lcs, i, j))
            i--;
        else
            j--;
    }
    size_t len = 0;
    while (len < i && len < j && lcs->a.at[i - len - 1] == lcs->b.at[j - len - 1])
        len++;
    lcs->a_left = i - len;
    lcs->b_left = j - len;
    *range = (struct lcs_range){.a_start = lcs->a_left, .b_start = lcs->b_left, .len = len};
    return len > 0;
}

bytes lcs_text(struct lcs *lcs)
{
    if (lcs->len == 0)
        return BYTES("");
    char *at = lcs->text + lcs->len;
    struct lcs_range range;
    while (lcs_next_range(lcs, &range)) {
        at -= range.len;
        memcpy(at, lcs->a.at + range.a_start, range.len);
    }
    assert(at == lcs->text);
    return (bytes){lcs->text, lcs->len};
}

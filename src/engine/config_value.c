/* Values of parameters: from words to a value, into its field, and back to text. A value is read completely before
   anything is changed, so that CONFIG SET can exchange all of its values at once and change them back without needing
   memory. */
#include "base/mem.h"
#include "base/num.h"
#include "base/units.h"
#include "engine/config_row.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the words of one value are read from and into. */
struct reading {
    const struct config *config;
    const struct cfg_row *row;
    const bytes *words;
    size_t count;
    enum cfg_origin origin;
    struct cfg_error *error;
};

static bool refuse(const struct reading *reading, const char *text)
{
    cfg_fail(reading->error, "%s", text);
    return false;
}

static bool refuse_memory(const struct reading *reading)
{
    return refuse(reading, "out of memory");
}

/* ---- Numbers ---- */

/* An integer as strtoll reads it: leading blanks and a sign are fine, nothing at all is 0. Lists of numbers and octal
   numbers are read in this way, single numbers are not. */
static bool parse_loose(bytes text, int base, long long *out)
{
    char copy[64];
    if (text.len >= sizeof(copy))
        return false;
    if (text.len)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    char *end;
    errno = 0;
    *out = strtoll(copy, &end, base);
    return errno == 0 && end == copy + text.len;
}

static bool parse_percent(const struct reading *reading, bytes digits, long long *out)
{
    int64_t percent;
    if (!num_parse_int64(digits, &percent) || percent < 0)
        return refuse(reading, "argument must be a memory or percent value");
    if (percent > 100)
        return refuse(reading, "percentage argument must be less or equal to 100");
    *out = -percent;
    return true;
}

static bool parse_memory(const struct reading *reading, long long *out)
{
    const struct cfg_row *row = reading->row;
    bytes word = reading->words[0];
    if (row->kind == CFG_KIND_PERCENT && word.len && word.at[word.len - 1] == '%')
        return parse_percent(reading, (bytes){word.at, word.len - 1}, out);
    unsigned long long amount;
    if (!units_parse_bytes(word, &amount))
        return refuse(reading, row->kind == CFG_KIND_PERCENT ? "argument must be a memory or percent value"
                                                             : "argument must be a memory value");
    if (amount > (unsigned long long)row->highest) {
        cfg_fail(reading->error, "argument must be between %lld and %lld inclusive", row->lowest, row->highest);
        return false;
    }
    *out = (long long)amount;
    return true;
}

static bool parse_number_word(const struct reading *reading, long long *out)
{
    bytes word = reading->words[0];
    int64_t number;
    switch (reading->row->kind) {
    case CFG_KIND_OCTAL:
        return parse_loose(word, 8, out) || refuse(reading, "argument couldn't be parsed as an octal number");
    case CFG_KIND_MEMORY:
    case CFG_KIND_PERCENT:
        return parse_memory(reading, out);
    default:
        if (!num_parse_int64(word, &number))
            return refuse(reading, "argument couldn't be parsed into an integer");
        *out = number;
        return true;
    }
}

static bool parse_number(const struct reading *reading, union cfg_value *out)
{
    const struct cfg_row *row = reading->row;
    long long number;
    if (!parse_number_word(reading, &number))
        return false;
    if (number < row->lowest || number > row->highest) {
        cfg_fail(reading->error,
                 row->kind == CFG_KIND_OCTAL ? "argument must be between %llo and %llo inclusive"
                                             : "argument must be between %lld and %lld inclusive",
                 row->lowest, row->highest);
        return false;
    }
    if (row->floor != row->ceiling)
        number = number < row->floor ? row->floor : number > row->ceiling ? row->ceiling : number;
    out->number = number;
    return true;
}

static bool parse_size(const struct reading *reading, union cfg_value *out)
{
    return units_parse_bytes(reading->words[0], &out->size) || refuse(reading, "argument must be a memory value");
}

/* ---- Words ---- */

static bool parse_flag(const struct reading *reading, union cfg_value *out)
{
    out->flag = bytes_equal_nocase(reading->words[0], BYTES("yes"));
    if (!out->flag && !bytes_equal_nocase(reading->words[0], BYTES("no")))
        return refuse(reading, "argument must be 'yes' or 'no'");
    return true;
}

static bool refuse_choice(const struct reading *reading)
{
    struct text list = {0};
    const struct cfg_choice_word *choice = reading->row->choices;
    for (const char *comma = ""; choice->word; choice++, comma = ", ")
        text_append_format(&list, "%s%s", comma, choice->word);
    cfg_fail(reading->error, "argument(s) must be one of the following: %s", list.at ? list.at : "");
    text_free(&list);
    return false;
}

static const struct cfg_choice_word *find_choice(const struct cfg_row *row, bytes word)
{
    const struct cfg_choice_word *choice = row->choices;
    while (choice->word && !bytes_equal_nocase(word, bytes_of(choice->word)))
        choice++;
    return choice->word ? choice : NULL;
}

static bool parse_choice(const struct reading *reading, union cfg_value *out)
{
    const struct cfg_choice_word *choice = find_choice(reading->row, reading->words[0]);
    if (!choice)
        return refuse_choice(reading);
    out->choice = choice->value;
    return true;
}

static bool parse_bits(const struct reading *reading, union cfg_value *out)
{
    if (reading->count == 0)
        return refuse_choice(reading);
    out->choice = 0;
    for (size_t i = 0; i < reading->count; i++) {
        const struct cfg_choice_word *choice = find_choice(reading->row, reading->words[i]);
        if (!choice)
            return refuse_choice(reading);
        out->choice |= choice->value;
    }
    const char *refusal = reading->row->check_bits ? reading->row->check_bits(out->choice) : NULL;
    return !refusal || refuse(reading, refusal);
}

/* ---- Notification classes ---- */

/* In the order in which they are given back. The letters up to the gap are what "A" stands for. */
static const struct event_letter {
    char letter;
    int bit;
} event_letters[] = {
    {'g', CFG_NOTIFY_GENERIC}, {'$', CFG_NOTIFY_STRING},   {'l', CFG_NOTIFY_LIST},     {'s', CFG_NOTIFY_SET},
    {'h', CFG_NOTIFY_HASH},    {'z', CFG_NOTIFY_ZSET},     {'x', CFG_NOTIFY_EXPIRED},  {'e', CFG_NOTIFY_EVICTED},
    {'t', CFG_NOTIFY_STREAM},  {'d', CFG_NOTIFY_MODULE},

    {'n', CFG_NOTIFY_NEW},     {'K', CFG_NOTIFY_KEYSPACE}, {'E', CFG_NOTIFY_KEYEVENT}, {'m', CFG_NOTIFY_KEY_MISS},
};

static int event_bits(char letter)
{
    if (letter == 'A')
        return CFG_NOTIFY_ALL;
    for (size_t i = 0; i < COUNT_OF(event_letters); i++)
        if (event_letters[i].letter == letter)
            return event_letters[i].bit;
    return 0;
}

static bool parse_events(const struct reading *reading, union cfg_value *out)
{
    bytes letters = reading->words[0];
    out->choice = 0;
    for (size_t i = 0; i < letters.len; i++) {
        int bits = event_bits(letters.at[i]);
        if (bits == 0)
            return refuse(reading, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        out->choice |= bits;
    }
    return true;
}

static void format_events(int bits, struct text *out)
{
    if ((bits & CFG_NOTIFY_ALL) == CFG_NOTIFY_ALL) {
        text_append_char(out, 'A');
        bits &= ~CFG_NOTIFY_ALL;
    }
    for (size_t i = 0; i < COUNT_OF(event_letters); i++)
        if (bits & event_letters[i].bit)
            text_append_char(out, event_letters[i].letter);
}

/* ---- Texts ---- */

bool cfg_text_make(struct cfg_text *out, bytes from)
{
    out->at = mem_alloc(from.len + 1);
    if (!out->at)
        return false;
    if (from.len)
        memcpy(out->at, from.at, from.len);
    out->at[from.len] = '\0';
    out->len = from.len;
    return true;
}

static bool parse_text(const struct reading *reading, union cfg_value *out)
{
    const struct cfg_row *row = reading->row;
    bytes word = reading->words[0];
    if (!(row->flags & CFG_BINARY) && word.len && memchr(word.at, '\0', word.len))
        return refuse(reading, "argument must not contain a zero byte");
    const char *refusal = row->check_text ? row->check_text(word) : NULL;
    if (refusal)
        return refuse(reading, refusal);
    return cfg_text_make(&out->text, word) || refuse_memory(reading);
}

/* Is the path a directory that may be worked in? False with errno. Asked through its "." entry: a file has none. */
static bool can_be_entered(const char *path)
{
    char inside[PATH_MAX + sizeof("/.")];
    snprintf(inside, sizeof(inside), "%s/.", path);
    return access(inside, X_OK) == 0;
}

/* A directory is kept as an absolute path and must be one that can be entered: relative paths of other files are
   relative to it, whatever the process's own working directory is. */
static bool parse_directory(const struct reading *reading, union cfg_value *out)
{
    if (!parse_text(reading, out))
        return false;
    char path[PATH_MAX];
    bool exists = realpath(out->text.at, path) != NULL;
    mem_free(out->text.at);
    out->text = (struct cfg_text){0};
    if (!exists || !can_be_entered(path))
        return refuse(reading, strerror(errno));
    return cfg_text_make(&out->text, bytes_of(path)) || refuse_memory(reading);
}

/* ---- Lists ---- */

static bool is_single_empty_word(const struct reading *reading)
{
    return reading->count == 1 && reading->words[0].len == 0;
}

static bool parse_addresses(const struct reading *reading, union cfg_value *out)
{
    struct cfg_addresses *addresses = &out->addresses;
    addresses->count = 0;
    if (reading->count > CFG_BIND_MAX)
        return refuse(reading, "Too many bind addresses specified.");
    if (is_single_empty_word(reading))
        return true;
    for (size_t i = 0; i < reading->count; i++) {
        if (!cfg_text_make(&addresses->at[i], reading->words[i])) {
            cfg_free_addresses(addresses);
            return refuse_memory(reading);
        }
        addresses->count++;
    }
    return true;
}

static bool parse_save_points(const struct reading *reading, union cfg_value *out)
{
    static const char refusal[] = "Invalid save parameters";
    struct cfg_save_points *points = &out->save_points;
    points->count = 0;
    if (is_single_empty_word(reading) || reading->count == 0)
        return true;
    if (reading->count % 2)
        return refuse(reading, refusal);
    if (reading->origin == CFG_FROM_LINE && reading->config->save_was_given)
        *points = *CFG_CONST_FIELD(reading->config, reading->row, struct cfg_save_points);
    for (size_t i = 0; i < reading->count; i += 2) {
        long long seconds, changes;
        if (!parse_loose(reading->words[i], 10, &seconds) || !parse_loose(reading->words[i + 1], 10, &changes) ||
            seconds < 1 || changes < 0 || changes > INT_MAX)
            return refuse(reading, refusal);
        if (points->count == CFG_SAVE_POINTS_MAX)
            return refuse(reading, "Too many save parameters");
        points->at[points->count++] = (struct cfg_save_point){seconds, (int)changes};
    }
    return true;
}

/* The client class of this name; "slave" is the old name of "replica". */
static bool find_client_class(bytes name, size_t *out)
{
    static const struct {
        const char *name;
        enum cfg_client_class class;
    } classes[] = {
        {"normal", CFG_CLASS_NORMAL},
        {"slave", CFG_CLASS_REPLICA},
        {"replica", CFG_CLASS_REPLICA},
        {"pubsub", CFG_CLASS_PUBSUB},
    };
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (bytes_equal_nocase(name, bytes_of(classes[i].name))) {
            *out = classes[i].class;
            return true;
        }
    return false;
}

static bool parse_output_limits(const struct reading *reading, union cfg_value *out)
{
    if (reading->count % 4)
        return refuse(reading, "Wrong number of arguments in buffer limit configuration.");
    struct cfg_output_limits *limits = &out->output_limits;
    *limits = *CFG_CONST_FIELD(reading->config, reading->row, struct cfg_output_limits);
    for (size_t i = 0; i < reading->count; i += 4) {
        const bytes *words = reading->words + i;
        struct cfg_output_limit limit;
        size_t class;
        if (!find_client_class(words[0], &class))
            return refuse(reading, "Invalid client class specified in buffer limit configuration.");
        if (!units_parse_bytes(words[1], &limit.hard_bytes) || !units_parse_bytes(words[2], &limit.soft_bytes) ||
            !parse_loose(words[3], 10, &limit.soft_seconds) || limit.soft_seconds < 0)
            return refuse(reading, "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        limits->at[class] = limit;
    }
    return true;
}

static bool parse_oom_scores(const struct reading *reading, union cfg_value *out)
{
    struct cfg_oom_scores *scores = &out->oom_scores;
    if (reading->count != COUNT_OF(scores->at))
        return refuse(reading, "wrong number of arguments");
    for (size_t i = 0; i < COUNT_OF(scores->at); i++) {
        long long score;
        if (!parse_loose(reading->words[i], 10, &score) || score < -2000 || score > 2000)
            return refuse(reading, "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
        scores->at[i] = (int)score;
    }
    return true;
}

static bool parse_percentiles(const struct reading *reading, union cfg_value *out)
{
    struct cfg_percentiles *percentiles = &out->percentiles;
    percentiles->count = 0;
    if (is_single_empty_word(reading))
        return true;
    if (reading->count > CFG_PERCENTILES_MAX)
        return refuse(reading, "Too many latency-tracking-info-percentiles parameters");
    for (size_t i = 0; i < reading->count; i++) {
        double percentile;
        if (!num_parse_double(reading->words[i], &percentile))
            return refuse(reading, "Invalid latency-tracking-info-percentiles parameters");
        if (percentile < 0 || percentile > 100)
            return refuse(reading, "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
        percentiles->at[percentiles->count++] = percentile;
    }
    return true;
}

static bool parse_master(const struct reading *reading, union cfg_value *out)
{
    struct cfg_master *master = &out->master;
    *master = (struct cfg_master){0};
    if (reading->origin == CFG_FROM_SET && reading->count == 0)
        return true;
    if (reading->count != 2)
        return refuse(reading, "wrong number of arguments");
    bytes host = reading->words[0];
    if (bytes_equal_nocase(host, BYTES("no")) && bytes_equal_nocase(reading->words[1], BYTES("one")))
        return true;
    long long port;
    if (!parse_loose(reading->words[1], 10, &port) || port < 0 || port > 65535)
        return refuse(reading, "Invalid master port");
    if (host.len == 0 || host.len >= CFG_HOST_SIZE || memchr(host.at, '\0', host.len))
        return refuse(reading, "Invalid master host");
    memcpy(master->host, host.at, host.len);
    master->port = (int)port;
    return true;
}

/* ---- From words to a value ---- */

static bool parse_kind(const struct reading *reading, union cfg_value *out)
{
    switch (reading->row->kind) {
    case CFG_KIND_FLAG:
        return parse_flag(reading, out);
    case CFG_KIND_CHOICE:
        return parse_choice(reading, out);
    case CFG_KIND_BITS:
        return parse_bits(reading, out);
    case CFG_KIND_NUMBER:
    case CFG_KIND_OCTAL:
    case CFG_KIND_MEMORY:
    case CFG_KIND_PERCENT:
        return parse_number(reading, out);
    case CFG_KIND_SIZE:
        return parse_size(reading, out);
    case CFG_KIND_TEXT:
        return parse_text(reading, out);
    case CFG_KIND_DIRECTORY:
        return parse_directory(reading, out);
    case CFG_KIND_EVENTS:
        return parse_events(reading, out);
    case CFG_KIND_ADDRESSES:
        return parse_addresses(reading, out);
    case CFG_KIND_SAVE_POINTS:
        return parse_save_points(reading, out);
    case CFG_KIND_OUTPUT_LIMITS:
        return parse_output_limits(reading, out);
    case CFG_KIND_OOM_SCORES:
        return parse_oom_scores(reading, out);
    case CFG_KIND_PERCENTILES:
        return parse_percentiles(reading, out);
    case CFG_KIND_MASTER:
        return parse_master(reading, out);
    }
    return false;
}

/* Cuts a word at every blank; two blanks in a row have an empty word between them. NULL: out of memory. */
static bytes *split_at_blanks(bytes word, size_t *count)
{
    size_t blanks = 0;
    for (size_t i = 0; i < word.len; i++)
        blanks += word.at[i] == ' ';
    bytes *parts = mem_alloc((blanks + 1) * sizeof(bytes));
    if (!parts)
        return NULL;
    *count = 0;
    size_t start = 0;
    for (size_t i = 0; i <= word.len && word.len; i++)
        if (i == word.len || word.at[i] == ' ') {
            parts[(*count)++] = (bytes){word.at + start, i - start};
            start = i + 1;
        }
    return parts;
}

bool cfg_value_parse(const struct config *config, const struct cfg_row *row, const bytes *words, size_t word_count,
                     enum cfg_origin origin, union cfg_value *out, struct cfg_error *error)
{
    struct reading reading = {config, row, words, word_count, origin, error};
    if (!(row->flags & CFG_MULTI_WORD)) {
        if (word_count != 1)
            return refuse(&reading, "wrong number of arguments");
        return parse_kind(&reading, out);
    }
    bool is_one_word = word_count == 1 && (words[0].len || origin == CFG_FROM_SET);
    if (!is_one_word)
        return parse_kind(&reading, out);
    bytes *parts = split_at_blanks(words[0], &reading.count);
    if (!parts)
        return refuse_memory(&reading);
    reading.words = parts;
    bool is_fine = parse_kind(&reading, out);
    mem_free(parts);
    return is_fine;
}

/* ---- Into the field ---- */

#define EXCHANGE_PLAIN(type, member)                \
    do {                                            \
        type *field = CFG_FIELD(config, row, type); \
        type old = *field;                          \
        *field = value->member;                     \
        value->member = old;                        \
    } while (0)

#define EXCHANGE_ATOMIC(type, member) \
    value->member = atomic_exchange_explicit(CFG_FIELD(config, row, type), value->member, memory_order_relaxed)

void cfg_value_exchange(struct config *config, const struct cfg_row *row, union cfg_value *value)
{
    switch (row->kind) {
    case CFG_KIND_FLAG:
        EXCHANGE_ATOMIC(cfg_flag, flag);
        break;
    case CFG_KIND_CHOICE:
    case CFG_KIND_BITS:
    case CFG_KIND_EVENTS:
        EXCHANGE_ATOMIC(cfg_choice, choice);
        break;
    case CFG_KIND_NUMBER:
    case CFG_KIND_OCTAL:
    case CFG_KIND_MEMORY:
    case CFG_KIND_PERCENT:
        EXCHANGE_ATOMIC(cfg_number, number);
        break;
    case CFG_KIND_SIZE:
        EXCHANGE_ATOMIC(cfg_size, size);
        break;
    case CFG_KIND_TEXT:
    case CFG_KIND_DIRECTORY:
        EXCHANGE_PLAIN(struct cfg_text, text);
        break;
    case CFG_KIND_ADDRESSES:
        EXCHANGE_PLAIN(struct cfg_addresses, addresses);
        break;
    case CFG_KIND_SAVE_POINTS:
        EXCHANGE_PLAIN(struct cfg_save_points, save_points);
        break;
    case CFG_KIND_OUTPUT_LIMITS:
        EXCHANGE_PLAIN(struct cfg_output_limits, output_limits);
        break;
    case CFG_KIND_OOM_SCORES:
        EXCHANGE_PLAIN(struct cfg_oom_scores, oom_scores);
        break;
    case CFG_KIND_PERCENTILES:
        EXCHANGE_PLAIN(struct cfg_percentiles, percentiles);
        break;
    case CFG_KIND_MASTER:
        EXCHANGE_PLAIN(struct cfg_master, master);
        break;
    }
}

void cfg_value_free(const struct cfg_row *row, union cfg_value *value)
{
    if (row->kind == CFG_KIND_TEXT || row->kind == CFG_KIND_DIRECTORY) {
        mem_free(value->text.at);
        value->text = (struct cfg_text){0};
    } else if (row->kind == CFG_KIND_ADDRESSES) {
        cfg_free_addresses(&value->addresses);
    }
}

/* ---- Back to text ---- */

static void format_choice(const struct cfg_row *row, int value, struct text *out)
{
    for (const struct cfg_choice_word *choice = row->choices; choice->word; choice++)
        if (choice->value == value) {
            text_append(out, bytes_of(choice->word));
            return;
        }
    assert(!"a choice has a word for every value that its field can hold");
}

static void format_bits(const struct cfg_row *row, int bits, struct text *out)
{
    if (bits == 0) {
        format_choice(row, 0, out);
        return;
    }
    const char *blank = "";
    for (const struct cfg_choice_word *choice = row->choices; choice->word; choice++)
        if (bits & choice->value) {
            text_append_format(out, "%s%s", blank, choice->word);
            blank = " ";
        }
}

static void format_addresses(const struct cfg_addresses *addresses, struct text *out)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (i)
            text_append_char(out, ' ');
        text_append(out, (bytes){addresses->at[i].at, addresses->at[i].len});
    }
}

static void format_save_points(const struct cfg_save_points *points, struct text *out)
{
    for (size_t i = 0; i < points->count; i++)
        text_append_format(out, "%s%lld %d", i ? " " : "", points->at[i].seconds, points->at[i].changes);
}

/* The class of replicas keeps its old name here, since that is what clients look for. */
static void format_output_limits(const struct cfg_output_limits *limits, struct text *out)
{
    static const char *const names[CFG_CLASS_COUNT] = {"normal", "slave", "pubsub"};
    for (size_t i = 0; i < CFG_CLASS_COUNT; i++)
        text_append_format(out, "%s%s %llu %llu %lld", i ? " " : "", names[i], limits->at[i].hard_bytes,
                           limits->at[i].soft_bytes, limits->at[i].soft_seconds);
}

/* At most six decimals, without zeros at the end. */
static void format_percentile(double percentile, struct text *out)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%f", percentile);
    while (len > 0 && digits[len - 1] == '0')
        len--;
    if (len > 0 && digits[len - 1] == '.')
        len--;
    text_append(out, (bytes){digits, (size_t)len});
}

static void format_percentiles(const struct cfg_percentiles *percentiles, struct text *out)
{
    for (size_t i = 0; i < percentiles->count; i++) {
        if (i)
            text_append_char(out, ' ');
        format_percentile(percentiles->at[i], out);
    }
}

static void format_number(const struct cfg_row *row, long long number, struct text *out)
{
    if (row->kind == CFG_KIND_OCTAL)
        text_append_format(out, "%llo", (unsigned long long)number);
    else if (row->kind == CFG_KIND_PERCENT && number < 0)
        text_append_format(out, "%lld%%", -number);
    else
        text_append_format(out, "%lld", number);
}

void cfg_value_format(const struct config *config, const struct cfg_row *row, struct text *out)
{
    const struct cfg_text *text;
    const struct cfg_oom_scores *scores;
    const struct cfg_master *master;
    switch (row->kind) {
    case CFG_KIND_FLAG:
        text_append(out, *CFG_CONST_FIELD(config, row, cfg_flag) ? BYTES("yes") : BYTES("no"));
        break;
    case CFG_KIND_CHOICE:
        format_choice(row, *CFG_CONST_FIELD(config, row, cfg_choice), out);
        break;
    case CFG_KIND_BITS:
        format_bits(row, *CFG_CONST_FIELD(config, row, cfg_choice), out);
        break;
    case CFG_KIND_EVENTS:
        format_events(*CFG_CONST_FIELD(config, row, cfg_choice), out);
        break;
    case CFG_KIND_NUMBER:
    case CFG_KIND_OCTAL:
    case CFG_KIND_MEMORY:
    case CFG_KIND_PERCENT:
        format_number(row, *CFG_CONST_FIELD(config, row, cfg_number), out);
        break;
    case CFG_KIND_SIZE:
        text_append_format(out, "%llu", *CFG_CONST_FIELD(config, row, cfg_size));
        break;
    case CFG_KIND_TEXT:
    case CFG_KIND_DIRECTORY:
        text = CFG_CONST_FIELD(config, row, struct cfg_text);
        text_append(out, (bytes){text->at, text->len});
        break;
    case CFG_KIND_ADDRESSES:
        format_addresses(CFG_CONST_FIELD(config, row, struct cfg_addresses), out);
        break;
    case CFG_KIND_SAVE_POINTS:
        format_save_points(CFG_CONST_FIELD(config, row, struct cfg_save_points), out);
        break;
    case CFG_KIND_OUTPUT_LIMITS:
        format_output_limits(CFG_CONST_FIELD(config, row, struct cfg_output_limits), out);
        break;
    case CFG_KIND_OOM_SCORES:
        scores = CFG_CONST_FIELD(config, row, struct cfg_oom_scores);
        text_append_format(out, "%d %d %d", scores->at[0], scores->at[1], scores->at[2]);
        break;
    case CFG_KIND_PERCENTILES:
        format_percentiles(CFG_CONST_FIELD(config, row, struct cfg_percentiles), out);
        break;
    case CFG_KIND_MASTER:
        master = CFG_CONST_FIELD(config, row, struct cfg_master);
        if (master->host[0])
            text_append_format(out, "%s %d", master->host, master->port);
        break;
    }
}

void cfg_format_memory(struct text *out, unsigned long long bytes_count)
{
    static const struct {
        const char *name;
        unsigned long long size;
    } units[] = {{"gb", 1ull << 30}, {"mb", 1ull << 20}, {"kb", 1ull << 10}};
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (bytes_count && bytes_count % units[i].size == 0) {
            text_append_format(out, "%llu%s", bytes_count / units[i].size, units[i].name);
            return;
        }
    text_append_format(out, "%llu", bytes_count);
}

/* Parameters as lines of a configuration file, for CONFIG REWRITE. A line is written so that reading it gives the same
   value back; what people like to read (512mb, one line for each save point) comes first where there is a choice. */
#include "base/split.h"
#include "engine/config_row.h"

/* Lines on their way to the caller. */
struct writing {
    struct config *config;
    const struct cfg_row *row;
    cfg_line_fn *line;
    void *context;
    struct text text; /* the line being written */
    bool is_cut;      /* memory ran out in one of them */
};

static void start_line(struct writing *writing)
{
    text_clear(&writing->text);
    text_append_format(&writing->text, "%s ", writing->row->name);
}

static void end_line(struct writing *writing, bool is_needed)
{
    if (writing->text.is_cut)
        writing->is_cut = true;
    else
        writing->line(writing->context, text_bytes(&writing->text), is_needed);
}

static bool is_default(struct writing *writing)
{
    struct text value = {0};
    cfg_value_format(writing->config, writing->row, &value);
    bool is_same = !value.is_cut && bytes_equal(text_bytes(&value), bytes_of(writing->row->default_text));
    text_free(&value);
    return is_same;
}

static void write_save_points(struct writing *writing)
{
    const struct cfg_save_points *points = CFG_CONST_FIELD(writing->config, writing->row, struct cfg_save_points);
    for (size_t i = 0; i < points->count; i++) {
        start_line(writing);
        text_append_format(&writing->text, "%lld %d", points->at[i].seconds, points->at[i].changes);
        end_line(writing, true);
    }
    if (points->count == 0) {
        start_line(writing);
        text_append(&writing->text, BYTES("\"\""));
        end_line(writing, true);
    }
}

static bool is_same_limit(const struct cfg_output_limit *a, const struct cfg_output_limit *b)
{
    return a->hard_bytes == b->hard_bytes && a->soft_bytes == b->soft_bytes && a->soft_seconds == b->soft_seconds;
}

/* One line for each class, needed when that class is not at its default. */
static void write_output_limits(struct writing *writing)
{
    static const char *const names[CFG_CLASS_COUNT] = {"normal", "replica", "pubsub"};
    const struct cfg_output_limits *limits = CFG_CONST_FIELD(writing->config, writing->row, struct cfg_output_limits);
    bytes words = bytes_of(writing->row->default_text);
    union cfg_value usual;
    struct cfg_error ignored;
    if (!cfg_value_parse(writing->config, writing->row, &words, 1, CFG_FROM_SET, &usual, &ignored)) {
        writing->is_cut = true;
        return;
    }
    for (size_t i = 0; i < CFG_CLASS_COUNT; i++) {
        const struct cfg_output_limit *limit = &limits->at[i];
        start_line(writing);
        text_append_format(&writing->text, "%s ", names[i]);
        cfg_format_memory(&writing->text, limit->hard_bytes);
        text_append_char(&writing->text, ' ');
        cfg_format_memory(&writing->text, limit->soft_bytes);
        text_append_format(&writing->text, " %lld", limit->soft_seconds);
        end_line(writing, !is_same_limit(limit, &usual.output_limits.at[i]));
    }
}

static void append_addresses(struct writing *writing)
{
    const struct cfg_addresses *addresses = CFG_CONST_FIELD(writing->config, writing->row, struct cfg_addresses);
    for (size_t i = 0; i < addresses->count; i++) {
        if (i)
            text_append_char(&writing->text, ' ');
        split_append_word(&writing->text, (bytes){addresses->at[i].at, addresses->at[i].len});
    }
    if (addresses->count == 0)
        text_append(&writing->text, BYTES("\"\""));
}

static void append_master(struct writing *writing)
{
    const struct cfg_master *master = CFG_CONST_FIELD(writing->config, writing->row, struct cfg_master);
    split_append_word(&writing->text, bytes_of(master->host));
    text_append_format(&writing->text, " %d", master->port);
}

/* The value of a parameter that takes one line. */
static void append_value(struct writing *writing)
{
    const struct cfg_row *row = writing->row;
    size_t before = writing->text.len;
    const struct cfg_text *text;
    long long number;
    switch (row->kind) {
    case CFG_KIND_TEXT:
    case CFG_KIND_DIRECTORY:
        text = CFG_CONST_FIELD(writing->config, row, struct cfg_text);
        split_append_quoted(&writing->text, (bytes){text->at, text->len});
        break;
    case CFG_KIND_EVENTS:
        text_append_char(&writing->text, '"');
        cfg_value_format(writing->config, row, &writing->text);
        text_append_char(&writing->text, '"');
        break;
    case CFG_KIND_MEMORY:
    case CFG_KIND_PERCENT:
        number = *CFG_CONST_FIELD(writing->config, row, cfg_number);
        if (number >= 0)
            cfg_format_memory(&writing->text, (unsigned long long)number);
        else
            cfg_value_format(writing->config, row, &writing->text);
        break;
    case CFG_KIND_SIZE:
        cfg_format_memory(&writing->text, *CFG_CONST_FIELD(writing->config, row, cfg_size));
        break;
    case CFG_KIND_ADDRESSES:
        append_addresses(writing);
        break;
    case CFG_KIND_MASTER:
        append_master(writing);
        break;
    default:
        cfg_value_format(writing->config, row, &writing->text);
        if (writing->text.len == before)
            text_append(&writing->text, BYTES("\"\""));
    }
}

/* Whether there is nothing to write: the value says "none", for which a file has no word. */
static bool is_unset(const struct writing *writing)
{
    const struct cfg_row *row = writing->row;
    if (row->kind == CFG_KIND_MASTER)
        return !CFG_CONST_FIELD(writing->config, row, struct cfg_master)->host[0];
    return (row->flags & CFG_EMPTY_IS_UNSET) && CFG_CONST_FIELD(writing->config, row, struct cfg_text)->len == 0;
}

static void write_lines(struct writing *writing)
{
    if (is_unset(writing))
        return;
    if (writing->row->kind == CFG_KIND_SAVE_POINTS) {
        write_save_points(writing);
    } else if (writing->row->kind == CFG_KIND_OUTPUT_LIMITS) {
        write_output_limits(writing);
    } else {
        start_line(writing);
        append_value(writing);
        end_line(writing, (writing->row->flags & CFG_ALWAYS_WRITTEN) || !is_default(writing));
    }
}

bool cfg_rewrite_lines(struct config *config, const struct cfg_row *row, cfg_line_fn *line, void *context)
{
    struct writing writing = {.config = config, .row = row, .line = line, .context = context};
    lock_take(&config->lock);
    write_lines(&writing);
    lock_give(&config->lock);
    text_free(&writing.text);
    return !writing.is_cut;
}

/* Reading configuration files; see config_file.h. */
#include "engine/config_file.h"

#include "base/file.h"
#include "base/glob.h"
#include "base/split.h"

#include <errno.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>

/* A text that is being read, and how it was come by. */
struct loading {
    struct config *config;
    const struct cfg_file_source *source;
    struct cfg_file_error *error; /* of the whole */
    size_t line_number;
    bytes line;
    unsigned depth; /* files that include this one */
};

static bool load_source(struct config *config, const struct cfg_file_source *source, unsigned depth,
                        struct cfg_file_error *error);

void cfg_file_fail(struct cfg_file_error *error, const char *product, const char *reason)
{
    snprintf(error->text, sizeof(error->text), "\n*** FATAL CONFIG FILE ERROR (%s) ***\n%s\n", product, reason);
    snprintf(error->reason, sizeof(error->reason), "%s", reason);
    error->line_number = 0;
}

/* Refuses the line that is being read. */
static bool refuse_line(const struct loading *loading, const char *reason)
{
    enum { SHOWN_MAX = 1024 };
    bytes line = loading->line;
    struct cfg_file_error *error = loading->error;
    snprintf(error->reason, sizeof(error->reason), "%s", reason);
    error->line_number = loading->line_number;
    snprintf(
        error->text, sizeof(error->text),
        "\n*** FATAL CONFIG FILE ERROR (%s) ***\nReading the configuration file, at line %zu of %s\n>>> '%.*s'\n%s\n",
        loading->source->product, loading->line_number, loading->source->name,
        (int)(line.len < SHOWN_MAX ? line.len : SHOWN_MAX), line.at, reason);
    return false;
}

/* ---- Files ---- */

bool cfg_file_read(const char *path, struct text *out)
{
    return file_read(path, CFG_FILE_SIZE_MAX, out);
}

static void say_unreadable(const char *path, int reason, struct cfg_error *out)
{
    snprintf(out->text, sizeof(out->text), "Fatal error, can't open config file '%s': %s", path, strerror(reason));
}

bool cfg_file_next_line(bytes *rest, bytes *line)
{
    static const char blanks[] = " \t\r\n";
    if (rest->len == 0)
        return false;
    const char *newline = memchr(rest->at, '\n', rest->len);
    *line = (bytes){rest->at, newline ? (size_t)(newline - rest->at) : rest->len};
    size_t taken = line->len + (newline != NULL);
    *rest = (bytes){rest->at + taken, rest->len - taken};
    while (line->len && memchr(blanks, line->at[0], sizeof(blanks) - 1))
        *line = (bytes){line->at + 1, line->len - 1};
    while (line->len && memchr(blanks, line->at[line->len - 1], sizeof(blanks) - 1))
        line->len--;
    return true;
}

/* ---- Directives ---- */

static bool include_file(const struct loading *loading, const char *path)
{
    struct cfg_error reason;
    struct text content = {0};
    if (loading->depth + 1 == CFG_FILE_DEPTH_MAX)
        return refuse_line(loading, "Too many levels of include");
    if (!cfg_file_read(path, &content)) {
        say_unreadable(path, errno, &reason);
        return refuse_line(loading, reason.text);
    }
    struct cfg_file_source source = *loading->source;
    source.text = text_bytes(&content);
    source.name = path;
    source.is_rewritten = false;
    bool is_fine = load_source(loading->config, &source, loading->depth + 1, loading->error);
    text_free(&content);
    return is_fine;
}

/* A pattern that matches nothing includes nothing; a plain name must exist. */
static bool include_matches(const struct loading *loading, const char *pattern)
{
    glob_t matches = {0};
    int status = glob(pattern, 0, NULL, &matches);
    bool is_fine = true;
    if (status == GLOB_NOSPACE)
        is_fine = refuse_line(loading, "out of memory");
    for (size_t i = 0; status == 0 && is_fine && i < matches.gl_pathc; i++)
        is_fine = include_file(loading, matches.gl_pathv[i]);
    globfree(&matches);
    return is_fine;
}

static bool read_include(const struct loading *loading, const bytes *words, size_t count)
{
    (void)count;
    if (!loading->source->may_include)
        return refuse_line(loading, "include is not allowed here");
    if (words[1].len && memchr(words[1].at, '\0', words[1].len))
        return refuse_line(loading, "argument must not contain a zero byte");
    struct text path = {0};
    text_append(&path, words[1]);
    bool is_fine = path.is_cut                 ? refuse_line(loading, "out of memory")
                   : glob_is_pattern(words[1]) ? include_matches(loading, path.at)
                                               : include_file(loading, path.at);
    text_free(&path);
    return is_fine;
}

static bool read_rename(const struct loading *loading, const bytes *words, size_t count)
{
    (void)count;
    struct cfg_error reason;
    return cfg_add_rename(loading->config, words[1], words[2], &reason) || refuse_line(loading, reason.text);
}

static bool read_user(const struct loading *loading, const bytes *words, size_t count)
{
    struct cfg_error reason;
    loading->config->has_foreign_users |= !loading->source->is_rewritten;
    return cfg_add_user(loading->config, loading->line, words, count, &reason) || refuse_line(loading, reason.text);
}

static bool refuse_module(const struct loading *loading, const bytes *words, size_t count)
{
    (void)words;
    (void)count;
    return refuse_line(loading, "Modules are not supported");
}

static bool refuse_sentinel(const struct loading *loading, const bytes *words, size_t count)
{
    (void)words;
    (void)count;
    return refuse_line(loading, "sentinel directive while not in sentinel mode");
}

/* Redis knew these once and still reads them. */
static bool ignore(const struct loading *loading, const bytes *words, size_t count)
{
    (void)loading;
    (void)words;
    (void)count;
    return true;
}

static const struct directive {
    const char *name;
    size_t least_words, most_words; /* the name included */
    bool (*read)(const struct loading *loading, const bytes *words, size_t count);
    bool is_kept; /* by CONFIG REWRITE */
} directives[] = {
    {"include", 2, 2, read_include, true},
    {"rename-command", 3, 3, read_rename, true},
    {"user", 2, SIZE_MAX, read_user, true},
    {"loadmodule", 2, SIZE_MAX, refuse_module, true},
    {"sentinel", 2, SIZE_MAX, refuse_sentinel, false},
    {"list-max-ziplist-entries", 2, 2, ignore, false},
    {"list-max-ziplist-value", 2, 2, ignore, false},
    {"lua-replicate-commands", 2, 2, ignore, false},
};

static const struct directive *find_directive(bytes name)
{
    for (size_t i = 0; i < COUNT_OF(directives); i++)
        if (bytes_equal_nocase(name, bytes_of(directives[i].name)))
            return &directives[i];
    return NULL;
}

bool cfg_file_is_directive(bytes name)
{
    const struct directive *directive = find_directive(name);
    return directive && directive->is_kept;
}

/* ---- Lines ---- */

static bool read_words(const struct loading *loading, const bytes *words, size_t count)
{
    const struct directive *directive = find_directive(words[0]);
    if (directive && count >= directive->least_words && count <= directive->most_words)
        return directive->read(loading, words, count);
    /* A dot is in the names of modules' parameters and in no others. */
    if (words[0].len && memchr(words[0].at, '.', words[0].len))
        return refuse_line(loading, count == 1 ? "Module config specified without value"
                                               : "Module Configuration detected without loadmodule directive or no "
                                                 "ApplyConfig call: aborting");
    struct cfg_error reason;
    return cfg_set_one(loading->config, words, count, &reason) || refuse_line(loading, reason.text);
}

static bool read_line(const struct loading *loading)
{
    if (loading->line.len == 0 || loading->line.at[0] == '#')
        return true;
    struct split split;
    switch (split_line(loading->line, &split)) {
    case SPLIT_OUT_OF_MEMORY:
        return refuse_line(loading, "out of memory");
    case SPLIT_UNBALANCED_QUOTES:
        return refuse_line(loading, "Unbalanced quotes in configuration line");
    case SPLIT_OK:
        break;
    }
    bool is_fine = split.count == 0 || read_words(loading, split.words, split.count);
    split_free(&split);
    return is_fine;
}

static bool load_source(struct config *config, const struct cfg_file_source *source, unsigned depth,
                        struct cfg_file_error *error)
{
    struct loading loading = {.config = config, .source = source, .error = error, .depth = depth};
    bytes rest = source->text;
    while (cfg_file_next_line(&rest, &loading.line)) {
        loading.line_number++;
        if (!read_line(&loading))
            return false;
    }
    return true;
}

bool cfg_file_load_text(struct config *config, const struct cfg_file_source *source, struct cfg_file_error *error)
{
    return load_source(config, source, 0, error);
}

bool cfg_file_load(struct config *config, const char *path, const char *product, struct cfg_file_error *error)
{
    struct text content = {0};
    if (!cfg_file_read(path, &content)) {
        struct cfg_error reason;
        say_unreadable(path, errno, &reason);
        cfg_file_fail(error, product, reason.text);
        return false;
    }
    struct cfg_file_source source = {
        .text = text_bytes(&content),
        .name = strcmp(path, "-") == 0 ? "standard input" : path,
        .product = product,
        .may_include = true,
        .is_rewritten = strcmp(path, "-") != 0,
    };
    bool is_fine = load_source(config, &source, 0, error);
    text_free(&content);
    return is_fine;
}

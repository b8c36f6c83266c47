/* Fuzzes the reader of configuration files: any text is either refused with an error or sets parameters, and whatever
   it sets can be written as lines that are accepted again and mean the same. Files are out of its reach. */
#include "engine/config_file.h"

#include <stdlib.h>

static const char product[] = "Larder";

static void append_line(void *context, bytes line, bool is_needed)
{
    struct text *lines = context;
    (void)is_needed;
    text_append(lines, line);
    text_append_char(lines, '\n');
}

static bool load(struct config *config, bytes text, struct cfg_file_error *error)
{
    struct cfg_file_source source = {.text = text, .name = "fuzz", .product = product, .may_include = false};
    return cfg_file_load_text(config, &source, error);
}

/* Everything that CONFIG REWRITE would write for a configuration. */
static void write_lines(struct config *config, struct text *out)
{
    for (size_t i = 0; i < cfg_count(); i++)
        if (!cfg_rewrite_lines(config, cfg_at(i), append_line, out))
            abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct config config, again;
    struct cfg_file_error error;
    if (!cfg_init(&config))
        return 0;
    if (!load(&config, (bytes){(const char *)data, size}, &error)) {
        if (error.text[0] == '\0')
            abort();
        cfg_free(&config);
        return 0;
    }
    struct text first = {0}, second = {0};
    if (!cfg_init(&again))
        abort();
    write_lines(&config, &first);
    if (!load(&again, text_bytes(&first), &error))
        abort();
    write_lines(&again, &second);
    if (!bytes_equal(text_bytes(&first), text_bytes(&second)))
        abort();
    text_free(&first);
    text_free(&second);
    cfg_free(&config);
    cfg_free(&again);
    return 0;
}

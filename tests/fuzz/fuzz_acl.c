/* Fuzzes the readers of users: any text is either refused with an error, or makes users; and those, told as an ACL file
   and as lines of a configuration file, are read back as the same. Files are out of its reach. */
#include "commands/commands.h"
#include "engine/acl_file.h"
#include "engine/config_file.h"
#include "engine/engine.h"

#include <stdlib.h>

static struct config config;
static struct larder engine;

static void start(void)
{
    const struct engine_options options = {.threads = 1, .families = command_families};
    if (!cfg_init(&config) || !engine_init(&engine, &options, &config))
        abort();
}

static bool load(bytes text)
{
    struct text error = {0};
    bool is_loaded = acl_load_text(&engine, "fuzz", text, NULL, &error);
    if (is_loaded != (error.len == 0))
        abort();
    text_free(&error);
    return is_loaded;
}

static void append_line(void *context, bytes line, bool is_needed)
{
    struct text *lines = context;
    (void)is_needed;
    text_append(lines, line);
    text_append_char(lines, '\n');
}

/* Makes an engine of configuration lines and tells its users as an ACL file. */
static void retell(bytes lines, struct text *told)
{
    struct config other_config;
    struct larder other;
    struct cfg_file_error error;
    struct text refusal = {0};
    const struct engine_options options = {.threads = 1, .families = command_families};
    struct cfg_file_source source = {.text = lines, .name = "fuzz", .product = "Larder"};
    if (!cfg_init(&other_config))
        abort();
    other_config.check_user = acl_check_user_line;
    other_config.check_user_context = &engine.commands;
    if (!cfg_file_load_text(&other_config, &source, &error) || !engine_init(&other, &options, &other_config) ||
        !acl_start(&other, &refusal))
        abort();
    acl_to_text(&other, told);
    engine_free(&other);
    cfg_free(&other_config);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (engine.config == NULL)
        start();
    if (!load((bytes){(const char *)data, size}))
        return 0;
    struct text first = {0}, second = {0}, third = {0}, lines = {0};
    struct cfg_error error;
    acl_to_text(&engine, &first);
    if (acl_list_user_lines(&engine, append_line, &lines, &error) != CFG_USERS_ARE_WRITTEN)
        abort();
    if (!load(text_bytes(&first)))
        abort();
    acl_to_text(&engine, &second);
    retell(text_bytes(&lines), &third);
    if (!bytes_equal(text_bytes(&first), text_bytes(&second)) || !bytes_equal(text_bytes(&first), text_bytes(&third)))
        abort();
    text_free(&first);
    text_free(&second);
    text_free(&third);
    text_free(&lines);
    return 0;
}

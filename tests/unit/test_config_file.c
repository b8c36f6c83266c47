/* Configuration files: reading them, the errors they cause, and CONFIG REWRITE. */
#include "base/mem.h"
#include "engine/config_file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A configuration and a directory of its own for files. */
struct place {
    struct config config;
    char directory[64];
    char path[128]; /* the last one that was asked for */
};

/* The directory has no directories in it. */
static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(directory), entry->d_name, 0), 0);
    closedir(directory);
    assert_int_equal(rmdir(path), 0);
}

static int open_place(void **state)
{
    struct place *place = mem_alloc_zeroed(1 * sizeof(*place));
    *state = place;
    if (!place || !cfg_init(&place->config))
        return -1;
    snprintf(place->directory, sizeof(place->directory), "/tmp/test_config_file.XXXXXX");
    return mkdtemp(place->directory) ? 0 : -1;
}

static int close_place(void **state)
{
    struct place *place = *state;
    remove_directory(place->directory);
    cfg_free(&place->config);
    mem_free(place);
    return 0;
}

static const char *path_of(struct place *place, const char *name)
{
    snprintf(place->path, sizeof(place->path), "%s/%s", place->directory, name);
    return place->path;
}

static const char *write_file(struct place *place, const char *name, const char *content)
{
    FILE *file = fopen(path_of(place, name), "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
    return place->path;
}

static bool load_text(struct place *place, bytes text, struct cfg_file_error *error)
{
    struct cfg_file_source source = {.text = text, .name = "a.conf", .product = "Larder 1.2.3", .may_include = true};
    return cfg_file_load_text(&place->config, &source, error);
}

static void expect_loaded(struct place *place, const char *text)
{
    struct cfg_file_error error;
    if (!load_text(place, bytes_of(text), &error))
        fail_msg("%s", error.text);
}

/* The whole error is the known form around a line and a reason. */
static void expect_refused(struct place *place, const char *text, unsigned line_number, const char *line,
                           const char *reason)
{
    struct cfg_file_error error, expected;
    assert_false(load_text(place, bytes_of(text), &error));
    snprintf(expected.text, sizeof(expected.text),
             "\n*** FATAL CONFIG FILE ERROR (Larder 1.2.3) ***\n"
             "Reading the configuration file, at line %u of a.conf\n>>> '%s'\n%s\n",
             line_number, line, reason);
    assert_string_equal(error.text, expected.text);
}

static void expect_parameter(struct place *place, const char *name, const char *value)
{
    struct text text = {0};
    cfg_value_to_text(&place->config, cfg_lookup(bytes_of(name)), &text);
    assert_string_equal(text.at ? text.at : "", value);
    text_free(&text);
}

static void set(struct place *place, const char *name, const char *value)
{
    struct cfg_error error;
    bytes argv[] = {bytes_of(name), bytes_of(value)};
    assert_true(cfg_set_many(&place->config, argv, COUNT_OF(argv), false, &error));
}

/* ---- Reading ---- */

static void comments_blanks_case_and_quotes_are_understood(void **state)
{
    expect_loaded(*state, "# comment\n\n   \t\n  # indented\nTIMEOUT 5\n\t hz   20 \r\n"
                          "masterauth \"a b\\x21\"\nlogfile 'x y'");
    expect_parameter(*state, "timeout", "5");
    expect_parameter(*state, "hz", "20");
    expect_parameter(*state, "masterauth", "a b!");
    expect_parameter(*state, "logfile", "x y");
}

static void later_lines_win(void **state)
{
    expect_loaded(*state, "timeout 5\nslave-priority 3\ntimeout 6\nreplica-priority 4\n");
    expect_parameter(*state, "timeout", "6");
    expect_parameter(*state, "replica-priority", "4");
}

static void save_lines_add_up(void **state)
{
    expect_loaded(*state, "save 900 1\nsave 10 2\n");
    expect_parameter(*state, "save", "900 1 10 2");
}

static void a_refused_line_is_named_with_its_place_and_reason(void **state)
{
    expect_refused(*state, "\n# c\n foo  bar \n", 3, "foo  bar", "Bad directive or wrong number of arguments");
    expect_refused(*state, "timeout 5\nport", 2, "port", "wrong number of arguments");
    expect_refused(*state, "port 1 2", 1, "port 1 2", "wrong number of arguments");
    expect_refused(*state, "timeout abc", 1, "timeout abc", "argument couldn't be parsed into an integer");
    expect_refused(*state, "timeout \"5", 1, "timeout \"5", "Unbalanced quotes in configuration line");
    expect_refused(*state, "port 1 #x", 1, "port 1 #x", "wrong number of arguments");
    expect_refused(*state, "\"\"", 1, "\"\"", "Bad directive or wrong number of arguments");
    expect_refused(*state, "include", 1, "include", "Bad directive or wrong number of arguments");
    expect_refused(*state, "rename-command GET", 1, "rename-command GET", "Bad directive or wrong number of arguments");
    expect_refused(*state, "sentinel monitor x", 1, "sentinel monitor x",
                   "sentinel directive while not in sentinel mode");
    expect_refused(*state, "a.b", 1, "a.b", "Module config specified without value");
}

static void modules_are_refused_by_name(void **state)
{
    expect_refused(*state, "loadmodule /x.so", 1, "loadmodule /x.so", "Modules are not supported");
}

static void users_are_collected_once_each(void **state)
{
    struct place *place = *state;
    expect_loaded(place, "user a on\nUSER  b \">x y\" +get\n");
    assert_int_equal(place->config.user_count, 2);
    assert_string_equal(place->config.users[1].name.at, "b");
    assert_string_equal(place->config.users[1].line.at, "USER  b \">x y\" +get");
    expect_refused(
        place, "timeout 5\nuser a off", 2, "user a off",
        "Error in user declaration 'a': Duplicate user found. A user can only be defined once in config files");
    expect_refused(place, "user", 1, "user", "Bad directive or wrong number of arguments");
    cfg_forget_users(&place->config);
    assert_int_equal(place->config.user_count, 0);
}

/* Accepts the users whose first rule is "on". */
static bool check_user(void *context, const bytes *words, size_t count, struct cfg_error *error)
{
    *(size_t *)context += 1;
    if (count > 2 && bytes_equal(words[2], BYTES("on")))
        return true;
    snprintf(error->text, sizeof(error->text), "not that one");
    return false;
}

static void users_are_checked_where_they_stand(void **state)
{
    struct place *place = *state;
    size_t checked = 0;
    place->config.check_user = check_user;
    place->config.check_user_context = &checked;
    expect_refused(place, "user a on\n\nuser b off", 3, "user b off", "not that one");
    assert_int_equal(checked, 2);
    assert_int_equal(place->config.user_count, 1);
}

static void users_of_other_files_are_remembered_to_be_foreign(void **state)
{
    struct place *place = *state;
    struct cfg_file_error error;
    assert_true(cfg_file_load(&place->config, write_file(place, "a.conf", "user a on\n"), "Larder", &error));
    assert_false(place->config.has_foreign_users);
    char text[256];
    write_file(place, "b.conf", "user b on\n");
    snprintf(text, sizeof(text), "include %s\n", place->path);
    assert_true(cfg_file_load(&place->config, write_file(place, "c.conf", text), "Larder", &error));
    assert_true(place->config.has_foreign_users);
}

static void names_that_redis_gave_up_are_ignored(void **state)
{
    expect_loaded(*state, "list-max-ziplist-entries 5\nlist-max-ziplist-value 5\nlua-replicate-commands yes\n");
}

static void renames_are_collected_in_order(void **state)
{
    struct place *place = *state;
    expect_loaded(place, "rename-command GET XGET\nrename-command FLUSHALL \"\"\n");
    assert_int_equal(place->config.rename_count, 2);
    assert_string_equal(place->config.renames[1].from.at, "FLUSHALL");
    assert_string_equal(place->config.renames[1].to.at, "");
}

static void an_include_is_read_in_its_place(void **state)
{
    struct place *place = *state;
    char text[256];
    write_file(place, "b.conf", "timeout 6\nhz 30\n");
    snprintf(text, sizeof(text), "hz 20\ninclude %s\ntimeout 7\n", place->path);
    expect_loaded(place, text);
    expect_parameter(place, "hz", "30");
    expect_parameter(place, "timeout", "7");
}

static void an_include_pattern_reads_all_matches_or_none(void **state)
{
    struct place *place = *state;
    char text[256];
    write_file(place, "1.conf", "timeout 1\nhz 11");
    write_file(place, "2.conf", "timeout 2\n");
    snprintf(text, sizeof(text), "include %s\ninclude %s/none*\n", path_of(place, "*.conf"), place->directory);
    expect_loaded(place, text);
    expect_parameter(place, "timeout", "2");
    expect_parameter(place, "hz", "11");
}

static void an_error_in_an_included_file_names_that_file(void **state)
{
    struct place *place = *state;
    struct cfg_file_error error;
    char text[256], expected[256];
    write_file(place, "b.conf", "hz 10\nfoo\n");
    snprintf(text, sizeof(text), "include %s\n", place->path);
    snprintf(expected, sizeof(expected), "at line 2 of %s\n>>> 'foo'\n", place->path);
    assert_false(load_text(place, bytes_of(text), &error));
    assert_non_null(strstr(error.text, expected));
}

static void a_missing_file_is_told(void **state)
{
    struct place *place = *state;
    struct cfg_file_error error;
    assert_false(cfg_file_load(&place->config, "/nonexistent", "Larder 1.2.3", &error));
    assert_string_equal(error.text, "\n*** FATAL CONFIG FILE ERROR (Larder 1.2.3) ***\n"
                                    "Fatal error, can't open config file '/nonexistent': No such file or directory\n");
    expect_refused(place, "include /nonexistent", 1, "include /nonexistent",
                   "Fatal error, can't open config file '/nonexistent': No such file or directory");
}

static void files_that_include_each_other_end_with_an_error(void **state)
{
    struct place *place = *state;
    struct cfg_file_error error;
    char text[256];
    snprintf(text, sizeof(text), "include %s\n", path_of(place, "loop.conf"));
    write_file(place, "loop.conf", text);
    assert_false(cfg_file_load(&place->config, place->path, "Larder 1.2.3", &error));
    assert_non_null(strstr(error.text, "Too many levels of include"));
}

static void a_file_over_the_size_limit_is_refused(void **state)
{
    struct place *place = *state;
    struct cfg_file_error error;
    write_file(place, "big.conf", "");
    assert_int_equal(truncate(place->path, CFG_FILE_SIZE_MAX + 1), 0);
    assert_false(cfg_file_load(&place->config, place->path, "Larder 1.2.3", &error));
    assert_non_null(strstr(error.text, "File too large"));
}

static void a_text_may_be_kept_from_reading_files(void **state)
{
    struct place *place = *state;
    struct cfg_file_error error;
    struct cfg_file_source source = {.text = BYTES("include /etc/passwd"), .name = "text", .product = "Larder"};
    assert_false(cfg_file_load_text(&place->config, &source, &error));
    assert_non_null(strstr(error.text, "include is not allowed here"));
}

/* ---- CONFIG REWRITE ---- */

/* Loads a file, runs `change`, rewrites it and compares what it holds then. The lines that are always written, of `dir`
   and percentiles, are expected where `expected` has a %s. */
static void expect_rewritten(struct place *place, const char *before, void (*change)(struct place *),
                             const char *expected)
{
    static const char always[] = "latency-tracking-info-percentiles 50 99 99.9";
    struct cfg_file_error file_error;
    struct cfg_error error;
    char path[128];
    snprintf(path, sizeof(path), "%s", write_file(place, "a.conf", before));
    if (!cfg_file_load(&place->config, path, "Larder", &file_error))
        fail_msg("%s", file_error.text);
    set(place, "timeout", "5");
    if (change)
        change(place);
    if (!cfg_file_rewrite(&place->config, path, &error))
        fail_msg("%s", error.text);

    struct text content = {0}, directory = {0}, all = {0};
    assert_true(cfg_file_read(path, &content));
    cfg_value_to_text(&place->config, cfg_lookup(BYTES("dir")), &directory);
    const char *mark = strstr(expected, "%s");
    text_append(&all, mark ? (bytes){expected, (size_t)(mark - expected)} : bytes_of(expected));
    if (mark)
        text_append_format(&all, "dir \"%s\"\n%s%s", directory.at, always, mark + 2);
    assert_string_equal(content.at, all.at);
    text_free(&content);
    text_free(&directory);
    text_free(&all);
}

static void change_some(struct place *place)
{
    set(place, "timeout", "9");
    set(place, "save", "60 5");
    set(place, "requirepass", "");
    set(place, "slave-priority", "7");
}

static void a_rewrite_keeps_comments_and_changes_lines_in_place(void **state)
{
    expect_rewritten(*state,
                     "# hi\ntimeout 5\n  # indented\n\n\nTimeout 6\nsave 1 2\nslave-priority 5\nsave 3 4\n"
                     "hz 10\nmaxmemory 1073741824\nrename-command GET XGET\nrequirepass x\nlogfile \"\"\n",
                     change_some,
                     "# hi\ntimeout 9\n# indented\n\nsave 60 5\nreplica-priority 7\n\nhz 10\nmaxmemory 1gb\n"
                     "rename-command GET XGET\n\nlogfile \"\"\n\n# Generated by CONFIG REWRITE\n%s\n");
}

static void a_rewrite_adds_what_is_not_default_once(void **state)
{
    expect_rewritten(*state, "save \"\"\ntimeout 5\n# Generated by CONFIG REWRITE\nhz 11", NULL,
                     "save \"\"\ntimeout 5\n# Generated by CONFIG REWRITE\nhz 11\n%s\n");
    struct place *place = *state;
    struct text content = {0};
    struct cfg_error error;
    assert_true(cfg_file_rewrite(&place->config, path_of(place, "a.conf"), &error));
    assert_true(cfg_file_read(place->path, &content));
    assert_null(strstr(strstr(content.at, "# Generated") + 1, "# Generated"));
    text_free(&content);
}

static void change_save_points(struct place *place)
{
    set(place, "save", "1 1 2 2");
    set(place, "client-output-buffer-limit", "pubsub 1mb 2kb 3");
}

static void a_parameter_of_several_lines_takes_its_old_places_first(void **state)
{
    expect_rewritten(*state, "save 9 9\ntimeout 5\nclient-output-buffer-limit normal 1 2 3\n", change_save_points,
                     "save 1 1\ntimeout 5\nclient-output-buffer-limit normal 1 2 3\n\n"
                     "# Generated by CONFIG REWRITE\nclient-output-buffer-limit pubsub 1mb 2kb 3\n%s\nsave 2 2\n");
}

static enum cfg_users_fate list_two_users(void *context, cfg_line_fn *line, void *line_context, struct cfg_error *error)
{
    line(line_context, BYTES("user a new"), true);
    line(line_context, BYTES("user c new"), *(bool *)context);
    return CFG_USERS_ARE_WRITTEN;
}

static bool is_second_needed;

static void need_both_users(struct place *place)
{
    place->config.list_users = list_two_users;
    place->config.list_users_context = &is_second_needed;
    is_second_needed = true;
}

static void need_one_user(struct place *place)
{
    need_both_users(place);
    is_second_needed = false;
}

static void users_take_their_old_places_first(void **state)
{
    expect_rewritten(*state, "user a on\ntimeout 5\nUser b on\nuser d on\nsave \"\"\n", need_both_users,
                     "user a new\ntimeout 5\nuser c new\n\nsave \"\"\n\n# Generated by CONFIG REWRITE\n%s\n");
}

static void a_user_that_is_not_needed_is_written_only_where_one_stood(void **state)
{
    expect_rewritten(*state, "save \"\"\ntimeout 5\n", need_one_user,
                     "save \"\"\ntimeout 5\n\n# Generated by CONFIG REWRITE\n%s\nuser a new\n");
}

static void users_stay_where_nobody_can_tell_them(void **state)
{
    expect_rewritten(*state, "user a on\ntimeout 5\nsave \"\"\n", NULL,
                     "user a on\ntimeout 5\nsave \"\"\n\n# Generated by CONFIG REWRITE\n%s\n");
}

static enum cfg_users_fate refuse_users(void *context, cfg_line_fn *line, void *line_context, struct cfg_error *error)
{
    snprintf(error->text, sizeof(error->text), "no users");
    return CFG_USERS_ARE_REFUSED;
}

static void a_rewrite_that_cannot_tell_the_users_leaves_the_file(void **state)
{
    struct place *place = *state;
    struct cfg_error error;
    struct text content = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s", write_file(place, "a.conf", "timeout 5\n"));
    place->config.list_users = refuse_users;
    assert_false(cfg_file_rewrite(&place->config, path, &error));
    assert_string_equal(error.text, "no users");
    assert_true(cfg_file_read(path, &content));
    assert_string_equal(content.at, "timeout 5\n");
    text_free(&content);
}

static void a_line_that_would_be_refused_becomes_a_comment(void **state)
{
    expect_rewritten(*state, "list-max-ziplist-entries 5\nsave \"\"\ntimeout 5\n", NULL,
                     "# ??? list-max-ziplist-entries 5\nsave \"\"\ntimeout 5\n\n"
                     "# Generated by CONFIG REWRITE\n%s\n");
}

static void a_second_rewrite_changes_nothing(void **state)
{
    struct place *place = *state;
    struct text first = {0}, second = {0};
    struct cfg_error error;
    write_file(place, "a.conf", "timeout 5\n\n\n# c\nbind 127.0.0.1\n\n");
    char path[128];
    snprintf(path, sizeof(path), "%s", place->path);
    assert_true(cfg_file_rewrite(&place->config, path, &error));
    assert_true(cfg_file_read(path, &first));
    assert_true(cfg_file_rewrite(&place->config, path, &error));
    assert_true(cfg_file_read(path, &second));
    assert_string_equal(first.at, second.at);
    text_free(&first);
    text_free(&second);
}

/* Values with something to quote, one of each kind. */
static void set_everything(struct place *place)
{
    static const char *const values[][2] = {
        {"masterauth", "a \"b\" \\ \n'x'"},
        {"maxmemory", "3gb"},
        {"maxmemory-clients", "5%"},
        {"hll-sparse-max-bytes", "1025"},
        {"shutdown-on-sigint", "nosave now"},
        {"latency-tracking-info-percentiles", "50 99.5"},
        {"client-output-buffer-limit", "pubsub 1mb 2kb 3 normal 7 8 9"},
        {"oom-score-adj-values", "-1 2 3"},
        {"notify-keyspace-events", "An"},
        {"bind", "127.0.0.1 -::1"},
        {"save", "5 5 6 6"},
        {"loglevel", "nothing"},
        {"rdb-key-save-delay", "-5"},
        {"list-max-ziplist-size", "-5"},
        {"tls-ciphers", "A:B !C"},
        {"maxkeys", "1000"},
        {"proc-title-template", "{title} \"{port}\""},
    };
    for (size_t i = 0; i < COUNT_OF(values); i++)
        set(place, values[i][0], values[i][1]);
}

static void a_rewritten_file_gives_back_every_value(void **state)
{
    struct place *place = *state;
    struct config again;
    struct cfg_error error;
    struct cfg_file_error file_error;
    expect_loaded(place, "unixsocketperm 700\nreplicaof host 6380\nunixsocket \"/tmp/a b\"\nthreads 3\n");
    set_everything(place);
    assert_true(cfg_file_rewrite(&place->config, path_of(place, "new.conf"), &error));
    assert_true(cfg_init(&again));
    if (!cfg_file_load(&again, place->path, "Larder", &file_error))
        fail_msg("%s", file_error.text);
    for (size_t i = 0; i < cfg_count(); i++) {
        struct text mine = {0}, read = {0};
        cfg_value_to_text(&place->config, cfg_at(i), &mine);
        cfg_value_to_text(&again, cfg_at(i), &read);
        if (!bytes_equal(text_bytes(&mine), text_bytes(&read)))
            fail_msg("%s: %s became %s", cfg_name(cfg_at(i)), mine.at, read.at);
        text_free(&mine);
        text_free(&read);
    }
    cfg_free(&again);
}

static void a_rewrite_keeps_the_mode_and_the_link(void **state)
{
    struct place *place = *state;
    struct cfg_error error;
    struct stat status;
    char link_path[128];
    write_file(place, "a.conf", "timeout 5\n");
    assert_int_equal(chmod(place->path, 0600), 0);
    snprintf(link_path, sizeof(link_path), "%s/link.conf", place->directory);
    assert_int_equal(symlink("a.conf", link_path), 0);
    set(place, "timeout", "6");
    assert_true(cfg_file_rewrite(&place->config, link_path, &error));
    assert_int_equal(lstat(link_path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    struct text content = {0};
    assert_true(cfg_file_read(place->path, &content));
    assert_non_null(strstr(content.at, "timeout 6\n"));
    text_free(&content);
}

static void a_rewrite_without_a_file_or_a_place_for_it_fails(void **state)
{
    struct place *place = *state;
    struct cfg_error error;
    assert_false(cfg_file_rewrite(&place->config, NULL, &error));
    assert_string_equal(error.text, "The server is running without a config file");
    assert_false(cfg_file_rewrite(&place->config, path_of(place, "none/a.conf"), &error));
    assert_string_equal(error.text, "Rewriting config file: No such file or directory");
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(comments_blanks_case_and_quotes_are_understood),
        FILE_TEST(later_lines_win),
        FILE_TEST(save_lines_add_up),
        FILE_TEST(a_refused_line_is_named_with_its_place_and_reason),
        FILE_TEST(modules_are_refused_by_name),
        FILE_TEST(users_are_collected_once_each),
        FILE_TEST(users_are_checked_where_they_stand),
        FILE_TEST(users_of_other_files_are_remembered_to_be_foreign),
        FILE_TEST(names_that_redis_gave_up_are_ignored),
        FILE_TEST(renames_are_collected_in_order),
        FILE_TEST(an_include_is_read_in_its_place),
        FILE_TEST(an_include_pattern_reads_all_matches_or_none),
        FILE_TEST(an_error_in_an_included_file_names_that_file),
        FILE_TEST(a_missing_file_is_told),
        FILE_TEST(files_that_include_each_other_end_with_an_error),
        FILE_TEST(a_file_over_the_size_limit_is_refused),
        FILE_TEST(a_text_may_be_kept_from_reading_files),
        FILE_TEST(a_rewrite_keeps_comments_and_changes_lines_in_place),
        FILE_TEST(a_rewrite_adds_what_is_not_default_once),
        FILE_TEST(a_parameter_of_several_lines_takes_its_old_places_first),
        FILE_TEST(users_take_their_old_places_first),
        FILE_TEST(a_user_that_is_not_needed_is_written_only_where_one_stood),
        FILE_TEST(users_stay_where_nobody_can_tell_them),
        FILE_TEST(a_rewrite_that_cannot_tell_the_users_leaves_the_file),
        FILE_TEST(a_line_that_would_be_refused_becomes_a_comment),
        FILE_TEST(a_second_rewrite_changes_nothing),
        FILE_TEST(a_rewritten_file_gives_back_every_value),
        FILE_TEST(a_rewrite_keeps_the_mode_and_the_link),
        FILE_TEST(a_rewrite_without_a_file_or_a_place_for_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The command line: which words belong to which option, and what is asked for. */
#include "server/command_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGV(...) ((const char *const[]){"larder-server", __VA_ARGS__, NULL})

static enum command_line_action parse(const char *const *argv, struct command_line *out)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    command_line_parse(argc, (char *const *)argv, out);
    return out->action;
}

static void expect_options(const char *const *argv, const char *options)
{
    struct command_line line;
    assert_int_equal(parse(argv, &line), COMMAND_LINE_RUN);
    assert_string_equal(line.options.at ? line.options.at : "", options);
    command_line_free(&line);
}

/* Reads the words into a configuration; returns the error, or NULL. To be freed by the caller. */
static char *load(const char *const *argv, struct config *config)
{
    struct command_line line;
    struct cfg_file_error error;
    assert_int_equal(parse(argv, &line), COMMAND_LINE_RUN);
    assert_true(cfg_init(config));
    bool is_fine = command_line_load(&line, config, "Larder 1.2.3", &error);
    command_line_free(&line);
    return is_fine ? NULL : strdup(error.text);
}

static void an_option_takes_the_words_up_to_the_next_option(void **state)
{
    (void)state;
    expect_options(ARGV("--port", "6380", "--save", "900", "1"), "port \"6380\" \nsave \"900\" \"1\" ");
    expect_options(ARGV("--bind", "127.0.0.1", "-::1", "--hz", "5"), "bind \"127.0.0.1\" \"-::1\" \nhz \"5\" ");
}

static void the_word_behind_an_option_is_its_value_whatever_it_starts_with(void **state)
{
    (void)state;
    expect_options(ARGV("--requirepass", "--secret", "--hz", "5"), "requirepass \"--secret\" \nhz \"5\" ");
    expect_options(ARGV("--requirepass", "--"), "requirepass \"--\" ");
    expect_options(ARGV("--timeout", "--hz", "7"), "timeout \"--hz\" \"7\" ");
}

static void option_and_value_may_be_one_word(void **state)
{
    (void)state;
    expect_options(ARGV("--port 6380", "--hz", "5"), "port 6380 \nhz \"5\" ");
    expect_options(ARGV("--port 6380", "--hz 5"), "port 6380 \nhz 5 ");
    expect_options(ARGV("--timeout ", "6"), "timeout  \"6\" ");
    expect_options(ARGV("--timeout", "--hz 20"), "timeout \"--hz 20\" ");
}

static void save_without_a_value_saves_nothing(void **state)
{
    (void)state;
    expect_options(ARGV("--save"), "save \"\"");
    expect_options(ARGV("--save", "--timeout", "7"), "save \"\"\ntimeout \"7\" ");
    expect_options(ARGV("--save", "", "--timeout", "7"), "save \"\" \ntimeout \"7\" ");
}

static void a_lone_double_dash_is_an_option_without_a_name(void **state)
{
    (void)state;
    expect_options(ARGV("--hz", "5", "--", "timeout", "7"), "hz \"5\" \n \"timeout\" \"7\" ");
    expect_options(ARGV("--hz", "5", "--"), "hz \"5\" \n ");
}

static void values_are_quoted_so_that_any_bytes_arrive(void **state)
{
    (void)state;
    struct config config;
    char *error = load(ARGV("--masterauth", "a\"b\\c\n d'"), &config);
    assert_null(error);
    assert_true(cfg_text_equals(&config, &config.masterauth, BYTES("a\"b\\c\n d'")));
    cfg_free(&config);
}

static void the_first_word_without_a_dash_is_the_file(void **state)
{
    (void)state;
    struct command_line line;
    parse(ARGV("redis.conf", "--port", "1"), &line);
    assert_string_equal(line.file, "redis.conf");
    assert_false(line.reads_standard_input);
    assert_string_equal(line.options.at, "port \"1\" ");
    command_line_free(&line);

    parse(ARGV("--unixsocket", "a", "redis.conf"), &line);
    assert_null(line.file);
    assert_string_equal(line.options.at, "unixsocket \"a\" \"redis.conf\" ");
    command_line_free(&line);

    parse(ARGV("-x"), &line);
    assert_null(line.file);
    assert_string_equal(line.options.at, "\"-x\" ");
    command_line_free(&line);
}

static void a_dash_in_first_or_last_place_is_standard_input(void **state)
{
    (void)state;
    struct command_line line;
    const char *const *examples[] = {ARGV("-"), ARGV("-", "--hz", "5"), ARGV("--hz", "5", "-"),
                                     ARGV("-", "--hz", "5", "-")};
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        assert_int_equal(parse(examples[i], &line), COMMAND_LINE_RUN);
        assert_true(line.reads_standard_input);
        assert_null(line.file);
        assert_string_equal(line.options.at ? line.options.at : "", i ? "hz \"5\" " : "");
        command_line_free(&line);
    }
    parse(ARGV("a.conf", "-"), &line);
    assert_true(line.reads_standard_input);
    assert_string_equal(line.file, "a.conf");
    command_line_free(&line);
}

static void no_words_run_with_defaults(void **state)
{
    (void)state;
    struct command_line line;
    assert_int_equal(parse((const char *const[]){"larder-server", NULL}, &line), COMMAND_LINE_RUN);
    assert_null(line.file);
    assert_int_equal(line.options.len, 0);
    command_line_free(&line);
}

static void version_and_help_are_asked_for_in_first_place(void **state)
{
    (void)state;
    struct command_line line;
    assert_int_equal(parse(ARGV("-v"), &line), COMMAND_LINE_VERSION);
    assert_int_equal(parse(ARGV("--version", "x"), &line), COMMAND_LINE_VERSION);
    assert_int_equal(parse(ARGV("-h"), &line), COMMAND_LINE_HELP);
    assert_int_equal(parse(ARGV("--help"), &line), COMMAND_LINE_HELP);
    expect_options(ARGV("--hz", "5", "--help"), "hz \"5\" \nhelp ");
}

static void what_does_not_exist_here_is_refused_with_a_reason(void **state)
{
    (void)state;
    const char *const *examples[] = {ARGV("--test-memory", "5"), ARGV("--check-system"), ARGV("--sentinel"),
                                     ARGV("a.conf", "--sentinel")};
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct command_line line;
        assert_int_equal(parse(examples[i], &line), COMMAND_LINE_REFUSE);
        assert_true(strlen(line.refusal) > 0);
        command_line_free(&line);
    }
}

static void a_refused_option_is_told_like_a_line_of_a_file(void **state)
{
    (void)state;
    struct config config;
    char *error = load(ARGV("--port", "1", "--foo", "bar"), &config);
    assert_string_equal(error, "\n*** FATAL CONFIG FILE ERROR (Larder 1.2.3) ***\n"
                               "Reading the configuration file, at line 2 of the command line\n"
                               ">>> 'foo \"bar\"'\nBad directive or wrong number of arguments\n");
    free(error);
    cfg_free(&config);
}

static void options_that_do_not_fit_together_are_refused(void **state)
{
    (void)state;
    struct config config;
    char *error = load(ARGV("--cluster-enabled", "yes", "--replicaof", "host", "1"), &config);
    assert_string_equal(error, "\n*** FATAL CONFIG FILE ERROR (Larder 1.2.3) ***\n"
                               "replicaof directive not allowed in cluster mode\n");
    free(error);
    cfg_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_takes_the_words_up_to_the_next_option),
        cmocka_unit_test(the_word_behind_an_option_is_its_value_whatever_it_starts_with),
        cmocka_unit_test(option_and_value_may_be_one_word),
        cmocka_unit_test(save_without_a_value_saves_nothing),
        cmocka_unit_test(a_lone_double_dash_is_an_option_without_a_name),
        cmocka_unit_test(values_are_quoted_so_that_any_bytes_arrive),
        cmocka_unit_test(the_first_word_without_a_dash_is_the_file),
        cmocka_unit_test(a_dash_in_first_or_last_place_is_standard_input),
        cmocka_unit_test(no_words_run_with_defaults),
        cmocka_unit_test(version_and_help_are_asked_for_in_first_place),
        cmocka_unit_test(what_does_not_exist_here_is_refused_with_a_reason),
        cmocka_unit_test(a_refused_option_is_told_like_a_line_of_a_file),
        cmocka_unit_test(options_that_do_not_fit_together_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

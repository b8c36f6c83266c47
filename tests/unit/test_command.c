/* The command table of an engine: every row has a number of its own, which renaming does not change. */
#include "engine/command.h"

#include "commands/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int open_table(void **state)
{
    static struct command_table table;
    *state = &table;
    return command_table_init(&table, command_families) ? 0 : -1;
}

static int close_table(void **state)
{
    command_table_free(*state);
    return 0;
}

static void every_row_has_a_number_of_its_own(void **state)
{
    const struct command_table *table = *state;
    assert_in_range(table->row_count, table->used, COMMAND_ROWS_MAX);
    for (size_t i = 0; i < table->row_count; i++)
        assert_int_equal(command_number(table, table->rows[i].container, table->rows[i].command), i);
}

static void commands_and_subcommands_are_found_with_their_numbers(void **state)
{
    const struct command_table *table = *state;
    for (size_t i = 0; i < table->row_count; i++) {
        const struct command_row *row = &table->rows[i];
        const struct command *first = row->container != NULL ? row->container : row->command;
        uint32_t number = UINT32_MAX;
        assert_ptr_equal(command_find_numbered(table, bytes_of(first->name), &number), first);
        if (row->container != NULL) {
            const struct command *found = command_find_subcommand(first, bytes_of(row->command->name));
            assert_ptr_equal(found, row->command);
            uint32_t of_container = number;
            number = command_subnumber(number, first, found);
            uint32_t same = UINT32_MAX;
            assert_ptr_equal(command_find_subnumbered(table, of_container, bytes_of(found->name), &same), found);
            assert_int_equal(same, number);
        }
        assert_int_equal(number, i);
    }
}

static void only_a_subcommands_own_name_in_any_case_finds_it(void **state)
{
    const struct command_table *table = *state;
    uint32_t gibson;
    uint32_t client;
    uint32_t get = 0;
    uint32_t number = 12345;
    assert_non_null(command_find_numbered(table, BYTES("gibson"), &gibson));
    assert_non_null(command_find_numbered(table, BYTES("client"), &client));
    const struct command *command = command_find_subnumbered(table, gibson, BYTES("gEt"), &get);
    assert_string_equal(command->name, "get");
    assert_ptr_equal(table->rows[get].command, command);
    assert_string_equal(command_find_subnumbered(table, client, BYTES("NO-evict"), &get)->name, "no-evict");
    static const char *const others[] = {"", "g", "gett", "ge", "g\x05t", "noevict", "no\revict", "no-evict ", "list"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_null(command_find_subnumbered(table, gibson, bytes_of(others[i]), &number));
    assert_null(command_find_subnumbered(table, client, BYTES("no\revict"), &number));
    assert_null(command_find_subnumbered(table, client, BYTES("killkill"), &number)); /* letters alone are not enough */
    assert_null(command_find_subnumbered(table, client, BYTES("tracXking"), &number));
    assert_null(command_find_subnumbered(table, client, BYTES("get"), &number)); /* another container's */
    assert_null(command_find_subnumbered(table, get, BYTES("get"), &number));    /* a subcommand has none */
    assert_int_equal(number, 12345);
}

static void a_container_has_its_own_subcommands_and_no_others(void **state)
{
    const struct command_table *table = *state;
    for (uint32_t container = 0; container < table->row_count; container++) {
        for (uint32_t i = 0; i < table->row_count; i++) {
            bytes name = bytes_of(table->rows[i].command->name);
            uint32_t number = UINT32_MAX;
            const struct command *found = command_find_subnumbered(table, container, name, &number);
            assert_ptr_equal(found, command_find_subcommand(table->rows[container].command, name));
            assert_true(found == NULL ? number == UINT32_MAX : table->rows[number].command == found);
        }
    }
}

static void a_command_that_does_not_exist_has_no_number(void **state)
{
    const struct command_table *table = *state;
    uint32_t number = 12345;
    assert_null(command_find_numbered(table, BYTES("nonsense"), &number));
    assert_int_equal(number, 12345);
}

static void a_renamed_command_keeps_its_number(void **state)
{
    struct command_table *table = *state;
    uint32_t before = 0;
    uint32_t after = 0;
    const struct command *config = command_find_numbered(table, BYTES("config"), &before);
    assert_null(command_rename(table, BYTES("config"), BYTES("settings")));
    assert_null(command_find(table, BYTES("config")));
    assert_ptr_equal(command_find_numbered(table, BYTES("SETTINGS"), &after), config);
    assert_int_equal(after, before);
    assert_null(command_rename(table, BYTES("settings"), BYTES("")));
    assert_int_equal(command_number(table, NULL, config), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_row_has_a_number_of_its_own, open_table, close_table),
        cmocka_unit_test_setup_teardown(commands_and_subcommands_are_found_with_their_numbers, open_table, close_table),
        cmocka_unit_test_setup_teardown(only_a_subcommands_own_name_in_any_case_finds_it, open_table, close_table),
        cmocka_unit_test_setup_teardown(a_container_has_its_own_subcommands_and_no_others, open_table, close_table),
        cmocka_unit_test_setup_teardown(a_command_that_does_not_exist_has_no_number, open_table, close_table),
        cmocka_unit_test_setup_teardown(a_renamed_command_keeps_its_number, open_table, close_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The command table at work: finding commands by name, and keys among arguments; see command.h. */
#include "engine/command.h"

#include "base/mem.h"
#include "base/num.h"

#include <stdio.h>

enum { NAME_MAX_LEN = 64 }; /* of a command: longer words name none */

const struct command_bit_name command_category_names[COMMAND_CATEGORY_COUNT] = {
    {ACL_KEYSPACE, "@keyspace"},
    {ACL_READ, "@read"},
    {ACL_WRITE, "@write"},
    {ACL_SET, "@set"},
    {ACL_SORTEDSET, "@sortedset"},
    {ACL_LIST, "@list"},
    {ACL_HASH, "@hash"},
    {ACL_STRING, "@string"},
    {ACL_BITMAP, "@bitmap"},
    {ACL_HYPERLOGLOG, "@hyperloglog"},
    {ACL_GEO, "@geo"},
    {ACL_STREAM, "@stream"},
    {ACL_PUBSUB, "@pubsub"},
    {ACL_ADMIN, "@admin"},
    {ACL_FAST, "@fast"},
    {ACL_SLOW, "@slow"},
    {ACL_BLOCKING, "@blocking"},
    {ACL_DANGEROUS, "@dangerous"},
    {ACL_CONNECTION, "@connection"},
    {ACL_TRANSACTION, "@transaction"},
    {ACL_SCRIPTING, "@scripting"},
};

uint32_t command_category_by_name(bytes name)
{
    for (size_t i = 0; i < COMMAND_CATEGORY_COUNT; i++)
        if (bytes_equal_nocase(name, bytes_of(command_category_names[i].name + 1)))
            return command_category_names[i].bit;
    return 0;
}

uint32_t command_acl_categories(const struct command *command)
{
    uint32_t categories = command->categories;
    if (command->flags & CMD_WRITE)
        categories |= ACL_WRITE;
    if ((command->flags & CMD_READONLY) && !(command->categories & ACL_SCRIPTING))
        categories |= ACL_READ;
    if (command->flags & CMD_ADMIN)
        categories |= ACL_ADMIN | ACL_DANGEROUS;
    if (command->flags & CMD_PUBSUB)
        categories |= ACL_PUBSUB;
    if (command->flags & CMD_BLOCKING)
        categories |= ACL_BLOCKING;
    categories |= command->flags & CMD_FAST ? ACL_FAST : ACL_SLOW;
    return categories;
}

size_t command_full_name(const struct command *container, const struct command *command, char *text, size_t size)
{
    int len = container == NULL ? snprintf(text, size, "%s", command->name)
                                : snprintf(text, size, "%s|%s", container->name, command->name);
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

void command_upper_name(const struct command *command, char name[COMMAND_NAME_SIZE])
{
    size_t len = 0;
    for (const char *at = command->name; *at != '\0' && len < COMMAND_NAME_SIZE - 1; at++)
        name[len++] = (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
    name[len] = '\0';
}

enum { PLAIN_MAX = 8 }; /* letters that fit into one word */

/* The first and the last four letters of a name in one word, in lower case. With the length they make up a whole name
   of up to eight letters; other characters may have become the same. */
static uint64_t letters_of(bytes name)
{
    const uint64_t lower = 0x2020202020202020;
    if (likely(name.len >= 4)) {
        uint32_t first;
        uint32_t last;
        memcpy(&first, name.at, sizeof(first));
        memcpy(&last, name.at + name.len - sizeof(last), sizeof(last));
        return (first | (uint64_t)last << 32) | lower;
    }
    if (unlikely(name.len == 0))
        return 0;
    const unsigned char *at = (const unsigned char *)name.at;
    return (at[0] | (uint64_t)at[name.len / 2] << 8 | (uint64_t)at[name.len - 1] << 16) | lower;
}

static bool is_letter(char c)
{
    return bytes_lower(c) >= 'a' && bytes_lower(c) <= 'z';
}

static bool is_plain(bytes name)
{
    bool is_plain = name.len <= PLAIN_MAX;
    for (size_t i = 0; i < name.len; i++)
        is_plain &= is_letter(name.at[i]);
    return is_plain;
}

static bool is_name_of(const struct command_slot *slot, bytes name, uint64_t letters)
{
    return slot->letters == letters && slot->name_len == name.len &&
           (likely(slot->is_plain) || bytes_equal_nocase((bytes){slot->name, slot->name_len}, name));
}

/* Names are few and known beforehand, so nobody can flood these tables: multiplying is hash enough. What tells names of
   the same letters apart must lie in low bits: those the product carries upwards. */
static size_t hash_name(uint64_t letters, uint64_t other)
{
    return (size_t)((letters ^ other) * 0x9e3779b97f4a7c15 >> 32);
}

static struct command_slot *find_slot(const struct command_table *table, bytes name)
{
    uint64_t letters = letters_of(name);
    size_t i = hash_name(letters, name.len) & (table->slot_count - 1);
    for (;; i = (i + 1) & (table->slot_count - 1)) {
        struct command_slot *slot = &table->slots[i];
        if (slot->name == NULL || likely(is_name_of(slot, name, letters)))
            return slot;
    }
}

static bool add_slot(struct command_table *table, bytes name, const struct command *command, uint32_t number)
{
    struct command_slot *slot = find_slot(table, name);
    if (slot->name != NULL)
        return false;
    slot->name = mem_copy(name.at, name.len);
    if (slot->name == NULL)
        return false;
    slot->name_len = (uint16_t)name.len;
    slot->letters = letters_of(name);
    slot->is_plain = is_plain(name);
    slot->number = number;
    slot->command = command;
    for (size_t i = 0; i < name.len; i++)
        slot->name[i] = bytes_lower(slot->name[i]);
    table->used++;
    return true;
}

/* How many commands there are, and how many rows with their subcommands. */
static void count_rows(const struct command *const *families, size_t *commands, size_t *rows)
{
    *commands = *rows = 0;
    for (const struct command *const *family = families; *family != NULL; family++) {
        for (const struct command *command = *family; command->name != NULL; command++) {
            ++*commands;
            ++*rows;
            for (const struct command *sub = command->subcommands; sub != NULL && sub->name != NULL; sub++)
                ++*rows;
        }
    }
}

static void add_row(struct command_table *table, const struct command *container, const struct command *command)
{
    bytes name = bytes_of(command->name);
    table->rows[table->row_count++] = (struct command_row){
        .container = container,
        .command = command,
        .letters = letters_of(name),
        .name_len = (uint16_t)name.len,
        .is_plain = is_plain(name),
    };
}

static bool is_name_of_row(const struct command_row *row, bytes name, uint64_t letters)
{
    return row->letters == letters && row->name_len == name.len &&
           (likely(row->is_plain) || bytes_equal_nocase(bytes_of(row->command->name), name));
}

/* The place of a container's subcommand of this name, or the free one where it would be. */
static uint16_t *find_place(const struct command_table *table, uint32_t container_number, bytes name)
{
    const struct command *container = table->rows[container_number].command;
    uint64_t letters = letters_of(name);
    size_t i = hash_name(letters, (uint64_t)container_number << 8) & (table->subcommand_slots - 1);
    for (;; i = (i + 1) & (table->subcommand_slots - 1)) {
        uint16_t *place = &table->subcommands[i];
        const struct command_row *row = &table->rows[*place];
        if (*place == 0 || (likely(row->container == container) && likely(is_name_of_row(row, name, letters))))
            return place;
    }
}

/* Gives a command and its subcommands the next numbers, and the command its slot. */
static bool add_command(struct command_table *table, const struct command *command)
{
    uint32_t number = (uint32_t)table->row_count;
    add_row(table, NULL, command);
    for (const struct command *sub = command->subcommands; sub != NULL && sub->name != NULL; sub++) {
        *find_place(table, number, bytes_of(sub->name)) = (uint16_t)table->row_count;
        add_row(table, command, sub);
    }
    return add_slot(table, bytes_of(command->name), command, number);
}

bool command_table_init(struct command_table *table, const struct command *const *families)
{
    size_t commands;
    size_t rows;
    count_rows(families, &commands, &rows);
    assert(rows <= COMMAND_ROWS_MAX);
    *table = (struct command_table){.slot_count = 64};
    while (table->slot_count < 4 * commands)
        table->slot_count *= 2;
    table->slots = mem_alloc_zeroed(table->slot_count * sizeof(*table->slots));
    table->rows = mem_alloc((rows + 1) * sizeof(*table->rows));
    table->subcommand_slots = 64;
    while (table->subcommand_slots < 2 * rows)
        table->subcommand_slots *= 2;
    table->subcommands = mem_alloc_zeroed(table->subcommand_slots * sizeof(*table->subcommands));
    bool is_filled = table->slots != NULL && table->rows != NULL && table->subcommands != NULL;
    for (const struct command *const *family = families; is_filled && *family != NULL; family++)
        for (const struct command *command = *family; is_filled && command->name != NULL; command++)
            is_filled = add_command(table, command);
    if (!is_filled)
        command_table_free(table);
    return is_filled;
}

void command_table_free(struct command_table *table)
{
    for (size_t i = 0; table->slots != NULL && i < table->slot_count; i++)
        mem_free(table->slots[i].name);
    mem_free(table->slots);
    mem_free(table->rows);
    mem_free(table->subcommands);
    *table = (struct command_table){0};
}

const struct command *command_find_numbered(const struct command_table *table, bytes name, uint32_t *number)
{
    if (unlikely(name.len > NAME_MAX_LEN))
        return NULL;
    const struct command_slot *slot = find_slot(table, name);
    if (likely(slot->command != NULL))
        *number = slot->number;
    return slot->command;
}

const struct command *command_find(const struct command_table *table, bytes name)
{
    uint32_t number;
    return command_find_numbered(table, name, &number);
}

bool command_find_full_name(const struct command_table *table, bytes name, uint32_t *number)
{
    const char *bar = name.len > 0 ? memchr(name.at, '|', name.len) : NULL;
    bytes first = {name.at, bar != NULL ? (size_t)(bar - name.at) : name.len};
    const struct command *command = command_find_numbered(table, first, number);
    if (command == NULL || bar == NULL)
        return command != NULL;
    return command_find_subnumbered(table, *number, (bytes){bar + 1, name.len - first.len - 1}, number) != NULL;
}

uint32_t command_number(const struct command_table *table, const struct command *container,
                        const struct command *command)
{
    for (size_t i = 0; i < table->row_count; i++)
        if (table->rows[i].command == command && table->rows[i].container == container)
            return (uint32_t)i;
    assert(false);
    return 0;
}

/* Is this the name of a row, with that of its container in front? */
static bool is_named(const struct command_row *row, bytes name)
{
    if (row->container == NULL)
        return bytes_equal_nocase(bytes_of(row->command->name), name);
    size_t len = strlen(row->container->name);
    return name.len > len && name.at[len] == '|' &&
           bytes_equal_nocase((bytes){name.at, len}, bytes_of(row->container->name)) &&
           bytes_equal_nocase((bytes){name.at + len + 1, name.len - len - 1}, bytes_of(row->command->name));
}

bool command_find_own(const struct command_table *table, bytes name, uint32_t *number)
{
    uint32_t guess = 0; /* most commands have the name of their row */
    if (command_find_numbered(table, name, &guess) != NULL && is_named(&table->rows[guess], name)) {
        *number = guess;
        return true;
    }
    for (size_t i = 0; i < table->row_count; i++) {
        if (is_named(&table->rows[i], name)) {
            *number = (uint32_t)i;
            return true;
        }
    }
    return false;
}

const struct command *command_find_subcommand(const struct command *container, bytes name)
{
    for (const struct command *command = container->subcommands; command != NULL && command->name != NULL; command++)
        if (bytes_equal_nocase(bytes_of(command->name), name))
            return command;
    return NULL;
}

const struct command *command_find_subnumbered(const struct command_table *table, uint32_t container_number, bytes name,
                                               uint32_t *number)
{
    uint32_t found = *find_place(table, container_number, name);
    if (found == 0)
        return NULL;
    *number = found;
    return table->rows[found].command;
}

/* Takes a slot out and closes the gap: later slots of the same run move up. */
static void remove_slot(struct command_table *table, struct command_slot *slot)
{
    mem_free(slot->name);
    *slot = (struct command_slot){0};
    table->used--;
    size_t i = (size_t)(slot - table->slots);
    for (;;) {
        i = (i + 1) & (table->slot_count - 1);
        struct command_slot moved = table->slots[i];
        if (moved.name == NULL)
            return;
        table->slots[i] = (struct command_slot){0};
        *find_slot(table, (bytes){moved.name, moved.name_len}) = moved;
    }
}

const char *command_rename(void *context, bytes from, bytes to)
{
    struct command_table *table = context;
    struct command_slot *slot = from.len <= NAME_MAX_LEN ? find_slot(table, from) : NULL;
    if (slot == NULL || slot->name == NULL)
        return "No such command in rename-command";
    if (to.len > NAME_MAX_LEN)
        return "Target command name is too long";
    if (to.len > 0 && find_slot(table, to)->name != NULL)
        return "Target command name already exists";
    if (to.len > 0 && !add_slot(table, to, slot->command, slot->number))
        return "out of memory";
    remove_slot(table, find_slot(table, from));
    return NULL;
}

/* Where a specification's keys, or their count, begin; 0: nowhere. */
static size_t find_begin(const struct key_spec *spec, const bytes *argv, size_t argc)
{
    if (spec->begin == KEYS_BEGIN_AT_INDEX)
        return (size_t)spec->index;
    if (spec->begin != KEYS_BEGIN_AT_KEYWORD)
        return 0;
    bytes keyword = bytes_of(spec->keyword);
    if (spec->start_from > 0) {
        for (size_t i = (size_t)spec->start_from; i + 1 < argc; i++)
            if (bytes_equal_nocase(argv[i], keyword))
                return i + 1;
        return 0;
    }
    for (size_t back = (size_t)-spec->start_from; back < argc; back++)
        if (bytes_equal_nocase(argv[argc - back], keyword) && back > 1)
            return argc - back + 1;
    return 0;
}

/* The range of one specification; false when the arguments do not fit it. A count of 0 is no error here. */
static bool find_range(const struct key_spec *spec, size_t begin, const bytes *argv, size_t argc,
                       struct key_range *range)
{
    size_t step = (size_t)spec->step;
    if (spec->find == KEYS_IN_RANGE) {
        size_t last;
        if (spec->last >= 0)
            last = begin + (size_t)spec->last;
        else if (spec->last == -1 && spec->limit > 1)
            last = begin + (argc - begin) / (size_t)spec->limit - 1;
        else
            last = argc - (size_t)-spec->last;
        if (last >= argc || last + 1 < begin + 1)
            return false;
        *range = (struct key_range){.first = begin, .count = (last - begin) / step + 1, .step = step, .spec = spec};
        return true;
    }
    size_t number_at = begin + (size_t)spec->number_index;
    int64_t count;
    if (number_at >= argc || !num_parse_int64(argv[number_at], &count) || count < 0)
        return false;
    size_t first = begin + (size_t)spec->first;
    if (count > 0 && (first >= argc || (uint64_t)count > (argc - first + step - 1) / step))
        return false;
    *range = (struct key_range){.first = first, .count = (size_t)count, .step = step, .spec = spec};
    return true;
}

int command_keys(const struct command *command, const bytes *argv, size_t argc, struct key_range ranges[KEY_RANGES_MAX])
{
    int found = 0;
    for (const struct key_spec *spec = command->keys; spec != NULL && spec->flags != 0; spec++) {
        if (spec->find == KEYS_FIND_UNKNOWN)
            return -1;
        size_t begin = find_begin(spec, argv, argc);
        if (begin == 0)
            continue; /* an optional keyword that is not there */
        if (found == KEY_RANGES_MAX || !find_range(spec, begin, argv, argc, &ranges[found]))
            return -1;
        found++;
    }
    return found;
}

bool command_has_movable_keys(const struct command *command)
{
    for (const struct key_spec *spec = command->keys; spec != NULL && spec->flags != 0; spec++)
        if (spec->begin != KEYS_BEGIN_AT_INDEX || spec->find != KEYS_IN_RANGE || (spec->flags & KEY_INCOMPLETE))
            return true;
    return false;
}

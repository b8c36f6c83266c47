/* The rules of a user: their life, their passwords, and the modifiers that change them; see acl_rules.h. */
#include "engine/acl_rules.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/sha256.h"
#include "base/split.h"

const char *acl_fault_text(enum acl_fault fault)
{
    switch (fault) {
    case ACL_FINE:
        return "OK";
    case ACL_SYNTAX:
        return "Syntax error";
    case ACL_UNKNOWN:
        return "Unknown command or category name in ACL";
    case ACL_UNKNOWN_FIRST:
        return "Allowing first-arg of a subcommand is not supported";
    case ACL_USELESS_KEY:
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any "
               "effect. "
               "Try 'resetkeys' to start with an empty list of patterns";
    case ACL_USELESS_CHANNEL:
        return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any "
               "effect. Try 'resetchannels' to start with an empty list of channels";
    case ACL_MISSING_PASSWORD:
        return "The password you are trying to remove from the user does not exist";
    case ACL_BAD_HASH:
        return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
    case ACL_UNMATCHED:
        return "Unmatched parenthesis in selector definition";
    case ACL_NO_MEMORY:
        return "out of memory";
    }
    return "";
}

static enum acl_fault or_no_memory(bool is_done)
{
    return is_done ? ACL_FINE : ACL_NO_MEMORY;
}

/* ---- Life ---- */

static void selector_init(struct acl_selector *selector, const struct acl_grammar *grammar)
{
    *selector = (struct acl_selector){.flags = grammar->opens_channels ? ACL_ALL_CHANNELS : 0};
}

static void selector_clear(struct acl_selector *selector)
{
    acl_list_clear(&selector->first_arguments);
    acl_list_clear(&selector->keys);
    acl_list_clear(&selector->channels);
    acl_list_clear(&selector->steps);
}

static bool selector_copy(struct acl_selector *to, const struct acl_selector *from)
{
    *to = (struct acl_selector){.flags = from->flags};
    memcpy(to->commands, from->commands, sizeof(to->commands));
    bool is_whole = acl_list_copy(&to->first_arguments, &from->first_arguments) &&
                    acl_list_copy(&to->keys, &from->keys) && acl_list_copy(&to->channels, &from->channels) &&
                    acl_list_copy(&to->steps, &from->steps);
    if (!is_whole)
        selector_clear(to);
    return is_whole;
}

/* Rules without flags and selectors, with room for some. */
static struct acl_rules *new_rules(size_t selector_room)
{
    struct acl_rules *rules = mem_alloc_zeroed(sizeof(*rules));
    if (rules == NULL)
        return NULL;
    rules->selectors = mem_alloc(selector_room * sizeof(*rules->selectors));
    if (rules->selectors == NULL) {
        mem_free(rules);
        return NULL;
    }
    atomic_init(&rules->references, 1);
    return rules;
}

struct acl_rules *acl_rules_new(const struct acl_grammar *grammar)
{
    struct acl_rules *rules = new_rules(1);
    if (rules == NULL)
        return NULL;
    rules->flags = ACL_USER_SANITIZE_PAYLOAD;
    selector_init(&rules->selectors[0], grammar);
    rules->selector_count = 1;
    return rules;
}

struct acl_rules *acl_rules_copy(const struct acl_rules *rules)
{
    struct acl_rules *copy = new_rules(rules->selector_count);
    if (copy == NULL)
        return NULL;
    copy->flags = rules->flags;
    bool is_whole = acl_list_copy(&copy->passwords, &rules->passwords);
    for (size_t i = 0; is_whole && i < rules->selector_count; i++) {
        is_whole = selector_copy(&copy->selectors[i], &rules->selectors[i]);
        copy->selector_count += is_whole;
    }
    if (!is_whole) {
        acl_rules_drop(copy);
        return NULL;
    }
    return copy;
}

struct acl_rules *acl_rules_keep(struct acl_rules *rules)
{
    atomic_fetch_add_explicit(&rules->references, 1, memory_order_relaxed);
    return rules;
}

void acl_rules_drop(struct acl_rules *rules)
{
    if (rules == NULL || atomic_fetch_sub_explicit(&rules->references, 1, memory_order_acq_rel) > 1)
        return;
    acl_list_clear(&rules->passwords);
    for (size_t i = 0; i < rules->selector_count; i++)
        selector_clear(&rules->selectors[i]);
    mem_free(rules->selectors);
    mem_free(rules);
}

/* ---- Commands ---- */

static void permit_number(struct acl_selector *selector, uint32_t number, bool is_permitted)
{
    uint64_t bit = 1ULL << (number % 64);
    if (is_permitted)
        selector->commands[number / 64] |= bit;
    else
        selector->commands[number / 64] &= ~bit;
}

static void forget_first_arguments(struct acl_selector *selector, uint32_t number)
{
    for (size_t i = selector->first_arguments.count; i-- > 0;)
        if (selector->first_arguments.items[i].tag == number)
            acl_list_remove(&selector->first_arguments, i);
}

/* A command with all its subcommands, or a subcommand. */
static void permit_row(struct acl_selector *selector, const struct command_table *table, uint32_t number,
                       bool is_permitted)
{
    const struct command_row *row = &table->rows[number];
    permit_number(selector, number, is_permitted);
    forget_first_arguments(selector, number);
    for (uint32_t i = number + 1; row->container == NULL && i < table->row_count; i++) {
        if (table->rows[i].container != row->command)
            break;
        permit_number(selector, i, is_permitted);
    }
}

static void permit_all(struct acl_selector *selector, bool is_permitted)
{
    memset(selector->commands, is_permitted ? 0xff : 0, sizeof(selector->commands));
    selector->flags &= ~(unsigned)ACL_FUTURE_COMMANDS;
    selector->flags |= is_permitted ? ACL_FUTURE_COMMANDS : 0;
    acl_list_clear(&selector->first_arguments);
    acl_list_clear(&selector->steps);
}

/* Remembers a change; what it makes pointless, about the same name or its subcommands, is forgotten. */
static bool add_step(struct acl_selector *selector, bytes name, bool is_permitted)
{
    struct acl_list *steps = &selector->steps;
    for (size_t i = steps->count; i-- > 0;) {
        bytes old = acl_list_text(steps, i);
        bool is_about_it = old.len >= name.len && bytes_equal_nocase((bytes){old.at, name.len}, name) &&
                           (old.len == name.len || old.at[name.len] == '|');
        if (is_about_it)
            acl_list_remove(steps, i);
    }
    if (!acl_list_add(steps, name, is_permitted))
        return false;
    struct blob *added = steps->items[steps->count - 1].text;
    for (size_t i = 0; i < added->len; i++)
        added->data[i] = bytes_lower(added->data[i]);
    return true;
}

static enum acl_fault permit_category(struct acl_selector *selector, bytes name, bool is_permitted,
                                      const struct acl_grammar *grammar)
{
    if (bytes_equal_nocase(name, BYTES("@all"))) {
        permit_all(selector, is_permitted);
        return ACL_FINE;
    }
    uint32_t category = command_category_by_name((bytes){name.at + 1, name.len - 1});
    if (category == 0)
        return ACL_UNKNOWN;
    for (uint32_t i = 0; i < grammar->commands->row_count; i++)
        if (command_acl_categories(grammar->commands->rows[i].command) & category)
            permit_row(selector, grammar->commands, i, is_permitted);
    return or_no_memory(add_step(selector, name, is_permitted));
}

static bool add_first_argument(struct acl_selector *selector, uint32_t number, bytes argument)
{
    struct acl_list *list = &selector->first_arguments;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].tag == number && bytes_equal_nocase(acl_list_text(list, i), argument))
            return true;
    return acl_list_add(list, argument, number);
}

/* "+select|0": permits a command with this word behind it. What is permitted like that cannot be forbidden, and a
   command that has subcommands is permitted by those. */
static enum acl_fault permit_first_argument(struct acl_selector *selector, bytes name,
                                            const struct acl_grammar *grammar)
{
    size_t split = name.len;
    while (split > 0 && name.at[split - 1] != '|')
        split--;
    if (split == 0)
        return ACL_UNKNOWN;
    uint32_t number;
    bytes argument = {name.at + split, name.len - split};
    if (!command_find_own(grammar->commands, (bytes){name.at, split - 1}, &number))
        return ACL_UNKNOWN;
    if (grammar->commands->rows[number].container != NULL)
        return ACL_UNKNOWN_FIRST;
    if (argument.len == 0)
        return ACL_SYNTAX;
    if (grammar->commands->rows[number].command->subcommands != NULL)
        return ACL_UNKNOWN;
    if (!acl_is_word(argument))
        return ACL_SYNTAX;
    if (grammar->deprecated != NULL)
        text_append_format(grammar->deprecated, "%s+%.*s", grammar->deprecated->len > 0 ? " " : "",
                           (int)(name.len < 128 ? name.len : 128), name.at);
    return or_no_memory(add_step(selector, name, true) && add_first_argument(selector, number, argument));
}

static enum acl_fault permit_command(struct acl_selector *selector, bytes name, bool is_permitted,
                                     const struct acl_grammar *grammar)
{
    uint32_t number;
    if (command_find_own(grammar->commands, name, &number)) {
        permit_row(selector, grammar->commands, number, is_permitted);
        return or_no_memory(add_step(selector, name, is_permitted));
    }
    return is_permitted ? permit_first_argument(selector, name, grammar) : ACL_UNKNOWN;
}

/* ---- Keys and channels ---- */

bool acl_is_word(bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (split_is_space(text.at[i]) || text.at[i] == '\0')
            return false;
    return true;
}

/* Adds a pattern; one that is there already gains the tag's bits. */
static enum acl_fault add_pattern(struct acl_list *list, bytes pattern, uint32_t tag)
{
    if (!acl_is_word(pattern))
        return ACL_SYNTAX;
    for (size_t i = 0; i < list->count; i++) {
        if (bytes_equal(acl_list_text(list, i), pattern)) {
            list->items[i].tag |= tag;
            return ACL_FINE;
        }
    }
    return or_no_memory(acl_list_add(list, pattern, tag));
}

/* "~pattern", or "%R~pattern", "%W~pattern", "%RW~pattern" */
static enum acl_fault add_key(struct acl_selector *selector, bytes modifier)
{
    if (selector->flags & ACL_ALL_KEYS)
        return ACL_USELESS_KEY;
    uint32_t access = 0;
    size_t at = 0;
    if (modifier.at[0] == '~')
        access = ACL_MAY_READ | ACL_MAY_WRITE;
    else
        for (at = 1; at < modifier.len && modifier.at[at] != '~'; at++) {
            char letter = bytes_lower(modifier.at[at]);
            uint32_t more = letter == 'r' ? ACL_MAY_READ : letter == 'w' ? ACL_MAY_WRITE : 0;
            if (more == 0 || (access & more))
                return ACL_SYNTAX;
            access |= more;
        }
    if (access == 0)
        return ACL_SYNTAX;
    size_t start = at < modifier.len ? at + 1 : at;
    return add_pattern(&selector->keys, (bytes){modifier.at + start, modifier.len - start}, access);
}

static enum acl_fault add_channel(struct acl_selector *selector, bytes pattern)
{
    if (selector->flags & ACL_ALL_CHANNELS)
        return ACL_USELESS_CHANNEL;
    return add_pattern(&selector->channels, pattern, 0);
}

static void set_all_keys(struct acl_selector *selector, bool is_all)
{
    selector->flags &= ~(unsigned)ACL_ALL_KEYS;
    selector->flags |= is_all ? ACL_ALL_KEYS : 0;
    acl_list_clear(&selector->keys);
}

static void set_all_channels(struct acl_selector *selector, bool is_all)
{
    selector->flags &= ~(unsigned)ACL_ALL_CHANNELS;
    selector->flags |= is_all ? ACL_ALL_CHANNELS : 0;
    acl_list_clear(&selector->channels);
}

/* ---- Selectors ---- */

static bool is_word(bytes modifier, const char *word)
{
    return bytes_equal_nocase(modifier, bytes_of(word));
}

/* The modifiers that are one word, and may stand in a selector. False: it is none of them. */
static bool apply_selector_word(struct acl_selector *selector, bytes modifier)
{
    if (is_word(modifier, "allkeys") || bytes_equal(modifier, BYTES("~*")))
        set_all_keys(selector, true);
    else if (is_word(modifier, "resetkeys"))
        set_all_keys(selector, false);
    else if (is_word(modifier, "allchannels") || bytes_equal(modifier, BYTES("&*")))
        set_all_channels(selector, true);
    else if (is_word(modifier, "resetchannels"))
        set_all_channels(selector, false);
    else if (is_word(modifier, "allcommands"))
        permit_all(selector, true);
    else if (is_word(modifier, "nocommands"))
        permit_all(selector, false);
    else
        return false;
    return true;
}

static enum acl_fault apply_to_selector(struct acl_selector *selector, bytes modifier,
                                        const struct acl_grammar *grammar)
{
    if (modifier.len == 0)
        return ACL_SYNTAX;
    if (apply_selector_word(selector, modifier))
        return ACL_FINE;
    bytes rest = {modifier.at + 1, modifier.len - 1};
    switch (modifier.at[0]) {
    case '~':
    case '%':
        return add_key(selector, modifier);
    case '&':
        return add_channel(selector, rest);
    case '+':
    case '-':
        if (rest.len > 0 && rest.at[0] == '@')
            return permit_category(selector, rest, modifier.at[0] == '+', grammar);
        return permit_command(selector, rest, modifier.at[0] == '+', grammar);
    default:
        return ACL_SYNTAX;
    }
}

static struct acl_selector *add_selector(struct acl_rules *rules, const struct acl_grammar *grammar)
{
    size_t count = rules->selector_count;
    struct acl_selector *selectors = mem_realloc(rules->selectors, (count + 1) * sizeof(*selectors));
    if (selectors == NULL)
        return NULL;
    rules->selectors = selectors;
    rules->selector_count++;
    selector_init(&selectors[count], grammar);
    return &selectors[count];
}

/* "(modifier modifier ...)", with quotes as in a configuration file. */
static enum acl_fault apply_selector(struct acl_rules *rules, bytes modifier, const struct acl_grammar *grammar)
{
    if (modifier.len < 2 || modifier.at[modifier.len - 1] != ')')
        return ACL_SYNTAX;
    struct split split;
    switch (split_line((bytes){modifier.at + 1, modifier.len - 2}, &split)) {
    case SPLIT_OUT_OF_MEMORY:
        return ACL_NO_MEMORY;
    case SPLIT_UNBALANCED_QUOTES:
        return ACL_SYNTAX;
    case SPLIT_OK:
        break;
    }
    struct acl_selector *selector = add_selector(rules, grammar);
    enum acl_fault fault = or_no_memory(selector != NULL);
    for (size_t i = 0; fault == ACL_FINE && i < split.count; i++)
        fault = apply_to_selector(selector, split.words[i], grammar);
    split_free(&split);
    return fault;
}

static void clear_selectors(struct acl_rules *rules)
{
    while (rules->selector_count > 1)
        selector_clear(&rules->selectors[--rules->selector_count]);
}

/* ---- Passwords ---- */

static bytes digest_bytes(const struct sha256 *digest)
{
    return (bytes){(const char *)digest->bytes, SHA256_SIZE};
}

/* The place of a password among the user's, -1 when it is none; always looks at all of them. */
static ptrdiff_t find_password(const struct acl_rules *rules, const struct sha256 *digest)
{
    ptrdiff_t found = -1;
    for (size_t i = 0; i < rules->passwords.count; i++)
        if (secret_equal(acl_list_text(&rules->passwords, i).at, digest->bytes, SHA256_SIZE))
            found = (ptrdiff_t)i;
    return found;
}

static enum acl_fault add_password(struct acl_rules *rules, const struct sha256 *digest)
{
    rules->flags &= ~(unsigned)ACL_USER_NOPASS;
    return or_no_memory(find_password(rules, digest) >= 0 || acl_list_add(&rules->passwords, digest_bytes(digest), 0));
}

static enum acl_fault remove_password(struct acl_rules *rules, const struct sha256 *digest)
{
    ptrdiff_t index = find_password(rules, digest);
    if (index < 0)
        return ACL_MISSING_PASSWORD;
    acl_list_remove(&rules->passwords, (size_t)index);
    return ACL_FINE;
}

static void reset_passwords(struct acl_rules *rules, bool takes_any)
{
    rules->flags &= ~(unsigned)ACL_USER_NOPASS;
    rules->flags |= takes_any ? ACL_USER_NOPASS : 0;
    acl_list_clear(&rules->passwords);
}

/* ">password", "<password", "#digest", "!digest" */
static enum acl_fault apply_password(struct acl_rules *rules, bytes modifier)
{
    struct sha256 digest;
    bytes rest = {modifier.at + 1, modifier.len - 1};
    if (modifier.at[0] == '>' || modifier.at[0] == '<')
        sha256(rest, &digest);
    else if (!sha256_from_hex(rest, &digest))
        return ACL_BAD_HASH;
    return modifier.at[0] == '>' || modifier.at[0] == '#' ? add_password(rules, &digest)
                                                          : remove_password(rules, &digest);
}

bool acl_rules_accept_password(const struct acl_rules *rules, const struct sha256 *digest)
{
    bool is_right = find_password(rules, digest) >= 0;
    return (rules->flags & ACL_USER_ON) && (is_right || (rules->flags & ACL_USER_NOPASS));
}

bool acl_rules_set_password(struct acl_rules *rules, bytes password)
{
    reset_passwords(rules, password.len == 0);
    struct sha256 digest;
    sha256(password, &digest);
    return password.len == 0 || add_password(rules, &digest) == ACL_FINE;
}

/* ---- Users ---- */

static void set_flag(struct acl_rules *rules, unsigned flag, unsigned instead_of)
{
    rules->flags = (rules->flags & ~instead_of) | flag;
}

static void reset(struct acl_rules *rules, const struct acl_grammar *grammar)
{
    reset_passwords(rules, false);
    clear_selectors(rules);
    selector_clear(&rules->selectors[0]);
    selector_init(&rules->selectors[0], grammar);
    rules->flags = ACL_USER_SANITIZE_PAYLOAD;
}

/* The modifiers that are one word and concern the user. False: it is none of them. */
static bool apply_user_word(struct acl_rules *rules, bytes modifier, const struct acl_grammar *grammar)
{
    if (is_word(modifier, "on"))
        set_flag(rules, ACL_USER_ON, 0);
    else if (is_word(modifier, "off"))
        set_flag(rules, 0, ACL_USER_ON);
    else if (is_word(modifier, "nopass"))
        reset_passwords(rules, true);
    else if (is_word(modifier, "resetpass"))
        reset_passwords(rules, false);
    else if (is_word(modifier, "sanitize-payload"))
        set_flag(rules, ACL_USER_SANITIZE_PAYLOAD, ACL_USER_SKIP_SANITIZE_PAYLOAD);
    else if (is_word(modifier, "skip-sanitize-payload"))
        set_flag(rules, ACL_USER_SKIP_SANITIZE_PAYLOAD, ACL_USER_SANITIZE_PAYLOAD);
    else if (is_word(modifier, "clearselectors"))
        clear_selectors(rules);
    else if (is_word(modifier, "reset"))
        reset(rules, grammar);
    else
        return false;
    return true;
}

enum acl_fault acl_rules_apply(struct acl_rules *rules, bytes modifier, const struct acl_grammar *grammar)
{
    if (modifier.len == 0 || apply_user_word(rules, modifier, grammar))
        return ACL_FINE;
    if (memchr("><#!", modifier.at[0], 4) != NULL)
        return apply_password(rules, modifier);
    if (modifier.at[0] == '(')
        return apply_selector(rules, modifier, grammar);
    return apply_to_selector(&rules->selectors[0], modifier, grammar);
}

struct acl_rules *acl_rules_new_default(const struct acl_grammar *grammar)
{
    struct acl_rules *rules = acl_rules_new(grammar);
    if (rules == NULL)
        return NULL;
    rules->flags |= ACL_USER_ON | ACL_USER_NOPASS;
    permit_all(&rules->selectors[0], true);
    set_all_keys(&rules->selectors[0], true);
    set_all_channels(&rules->selectors[0], true);
    return rules;
}

/* ---- Words ---- */

static bool ends_selector(bytes word)
{
    return word.len > 0 && word.at[word.len - 1] == ')';
}

/* Joins the words of a selector that began with word `first`; the fault tells whether it ends. */
static enum acl_fault join_selector(struct acl_modifiers *modifiers, size_t first)
{
    struct text *joined = &modifiers->joined;
    text_clear(joined);
    for (size_t i = first; i < modifiers->count; i++) {
        if (i > first)
            text_append_char(joined, ' ');
        text_append(joined, modifiers->words[i]);
        if (joined->is_cut)
            return ACL_NO_MEMORY;
        if (ends_selector(modifiers->words[i])) {
            modifiers->next = i + 1;
            return ACL_FINE;
        }
    }
    return ACL_UNMATCHED;
}

bool acl_next_modifier(struct acl_modifiers *modifiers, bytes *modifier, enum acl_fault *fault)
{
    *fault = ACL_FINE;
    if (modifiers->next == modifiers->count)
        return false;
    size_t first = modifiers->next++;
    *modifier = modifiers->words[first];
    if (modifier->len == 0 || modifier->at[0] != '(' || ends_selector(*modifier))
        return true;
    *fault = join_selector(modifiers, first);
    if (*fault == ACL_FINE)
        *modifier = text_bytes(&modifiers->joined);
    else
        modifiers->next = modifiers->count;
    return true;
}

void acl_modifiers_free(struct acl_modifiers *modifiers)
{
    text_free(&modifiers->joined);
}

/* A selector without an end is found before any other fault. */
static enum acl_fault check_selectors(struct acl_modifiers *modifiers, bytes *culprit)
{
    enum acl_fault fault = ACL_FINE;
    while (fault == ACL_FINE && acl_next_modifier(modifiers, culprit, &fault))
        continue;
    modifiers->next = 0;
    return fault;
}

enum acl_fault acl_rules_apply_all(struct acl_rules *rules, struct acl_modifiers *modifiers,
                                   const struct acl_grammar *grammar, bytes *culprit)
{
    enum acl_fault fault = check_selectors(modifiers, culprit);
    while (fault == ACL_FINE && acl_next_modifier(modifiers, culprit, &fault))
        fault = acl_rules_apply(rules, *culprit, grammar);
    return fault;
}

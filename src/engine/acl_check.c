/* Questions about rules; see acl_check.h. */
#include "engine/acl_check.h"

#include "base/glob.h"

/* A question with its keys, which are looked for when the first selector asks. */
struct asking {
    const struct acl_question *question;
    struct key_range ranges[KEY_RANGES_MAX];
    int range_count;
    bool has_ranges;
};

/* ---- Commands ---- */

static bool has_first_argument(const struct acl_selector *selector, const struct acl_question *question)
{
    const struct acl_list *list = &selector->first_arguments;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].tag == question->number && question->argc > 1 &&
            bytes_equal_nocase(acl_list_text(list, i), question->argv[1]))
            return true;
    return false;
}

static bool permits_command(const struct acl_selector *selector, const struct acl_question *question)
{
    bool is_permitted = selector->commands[question->number / 64] >> (question->number % 64) & 1;
    return is_permitted || (question->command->flags & CMD_NO_AUTH) || has_first_argument(selector, question);
}

/* ---- Keys ---- */

static uint32_t access_of(unsigned flags)
{
    return (flags & KEY_ACCESS ? ACL_MAY_READ : 0) |
           (flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE) ? ACL_MAY_WRITE : 0);
}

static bool permits_key(const struct acl_selector *selector, bytes key, unsigned flags)
{
    if (selector->flags & ACL_ALL_KEYS)
        return true;
    uint32_t access = access_of(flags);
    for (size_t i = 0; i < selector->keys.count; i++)
        if ((selector->keys.items[i].tag & access) == access &&
            glob_match(acl_list_text(&selector->keys, i), key, false))
            return true;
    return false;
}

/* Arguments among which the keys cannot be found are the handler's to refuse: it gets no keys. */
static void find_ranges(struct asking *asking)
{
    if (asking->has_ranges)
        return;
    const struct acl_question *question = asking->question;
    asking->has_ranges = true;
    asking->range_count = command_keys(question->command, question->argv, question->argc, asking->ranges);
}

static unsigned flags_of(const struct key_spec *spec, const struct acl_question *question)
{
    if ((spec->flags & KEY_VARIABLE_FLAGS) && spec->flags_of != NULL)
        return spec->flags_of(question->argv, question->argc);
    return spec->flags;
}

/* The first key that the selector refuses; 0: it permits all of them. */
static size_t refused_key(const struct acl_selector *selector, struct asking *asking)
{
    const struct acl_question *question = asking->question;
    if ((selector->flags & ACL_ALL_KEYS) || question->command->keys == NULL)
        return 0;
    find_ranges(asking);
    for (int i = 0; i < asking->range_count; i++) {
        const struct key_range *range = &asking->ranges[i];
        if (range->spec->flags & KEY_NOT_KEY)
            continue;
        unsigned flags = flags_of(range->spec, question);
        for (size_t j = 0; j < range->count; j++) {
            size_t argument = range->first + j * range->step;
            if (!permits_key(selector, question->argv[argument], flags))
                return argument;
        }
    }
    return 0;
}

/* ---- Channels ---- */

/* A pattern is permitted when it stands among those of the selector: what it matches could be anything. */
static bool permits_channel(const struct acl_selector *selector, bytes channel, bool is_pattern)
{
    if (selector->flags & ACL_ALL_CHANNELS)
        return true;
    for (size_t i = 0; i < selector->channels.count; i++) {
        bytes permitted = acl_list_text(&selector->channels, i);
        if (is_pattern ? bytes_equal(permitted, channel) : glob_match(permitted, channel, false))
            return true;
    }
    return false;
}

/* The first channel that the selector refuses; 0: it permits all of them. */
static size_t refused_channel(const struct acl_selector *selector, const struct acl_question *question)
{
    const struct channel_spec *spec = question->command->channels;
    if (spec == NULL || spec->use == CHANNELS_UNSUBSCRIBE || (selector->flags & ACL_ALL_CHANNELS))
        return 0;
    size_t end = spec->count > 0 ? (size_t)spec->first + spec->count : question->argc;
    for (size_t i = spec->first; i < end && i < question->argc; i++)
        if (!permits_channel(selector, question->argv[i], spec->is_pattern))
            return i;
    return 0;
}

/* ---- Answers ---- */

static struct acl_answer ask_selector(const struct acl_selector *selector, struct asking *asking)
{
    if (!permits_command(selector, asking->question))
        return (struct acl_answer){.verdict = ACL_DENIED_COMMAND};
    size_t argument = refused_key(selector, asking);
    if (argument > 0)
        return (struct acl_answer){.verdict = ACL_DENIED_KEY, .argument = argument};
    argument = refused_channel(selector, asking->question);
    if (argument > 0)
        return (struct acl_answer){.verdict = ACL_DENIED_CHANNEL, .argument = argument};
    return (struct acl_answer){.verdict = ACL_PERMITTED};
}

/* Came `answer` closer to permitting than `best`? */
static bool is_closer(const struct acl_answer *answer, const struct acl_answer *best)
{
    return answer->verdict > best->verdict || (answer->verdict == best->verdict && answer->argument > best->argument);
}

struct acl_answer acl_check(const struct acl_rules *rules, const struct acl_question *question)
{
    struct asking asking;
    asking.question = question;
    asking.has_ranges = false;
    struct acl_answer best = {.verdict = ACL_DENIED_COMMAND};
    for (size_t i = 0; i < rules->selector_count; i++) {
        struct acl_answer answer = ask_selector(&rules->selectors[i], &asking);
        if (answer.verdict == ACL_PERMITTED)
            return answer;
        if (is_closer(&answer, &best))
            best = answer;
    }
    return best;
}

bool acl_check_key(const struct acl_rules *rules, const struct acl_question *question, bytes key, unsigned flags)
{
    for (size_t i = 0; i < rules->selector_count; i++)
        if (permits_command(&rules->selectors[i], question) && permits_key(&rules->selectors[i], key, flags))
            return true;
    return false;
}

bool acl_check_all_keys(const struct acl_rules *rules, const struct acl_question *question)
{
    for (size_t i = 0; i < rules->selector_count; i++)
        if ((rules->selectors[i].flags & ACL_ALL_KEYS) && permits_command(&rules->selectors[i], question))
            return true;
    return false;
}

bool acl_check_channel(const struct acl_rules *rules, bytes channel, bool is_pattern)
{
    for (size_t i = 0; i < rules->selector_count; i++)
        if (permits_channel(&rules->selectors[i], channel, is_pattern))
            return true;
    return false;
}

bool acl_permits_everything(const struct acl_rules *rules)
{
    const unsigned all = ACL_ALL_KEYS | ACL_ALL_CHANNELS | ACL_FUTURE_COMMANDS;
    for (size_t i = 0; i < rules->selector_count; i++) {
        const struct acl_selector *selector = &rules->selectors[i];
        uint64_t common = selector->commands[0];
        for (size_t word = 1; word < ACL_COMMAND_WORDS; word++)
            common &= selector->commands[word];
        if ((selector->flags & all) == all && common == UINT64_MAX)
            return true;
    }
    return false;
}

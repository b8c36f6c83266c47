/* The rules of users: what modifiers make of them, what they permit, how they are told. Random users are compared with
   a naive model, which keeps the permission of each command in an array and all patterns in lists. */
#include "property.h"

#include "base/glob.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/split.h"
#include "commands/commands.h"
#include "engine/acl_check.h"

static struct command_table table;

static struct acl_grammar grammar(void)
{
    return (struct acl_grammar){.commands = &table};
}

static int open_table(void **state)
{
    return command_table_init(&table, command_families) ? 0 : -1;
}

static int close_table(void **state)
{
    command_table_free(&table);
    return 0;
}

/* A user made of modifiers that must be accepted, NULL-terminated. */
static struct acl_rules *make(const char *const *modifiers)
{
    struct acl_grammar words = grammar();
    struct acl_rules *rules = acl_rules_new(&words);
    for (; *modifiers != NULL; modifiers++)
        if (acl_rules_apply(rules, bytes_of(*modifiers), &words) != ACL_FINE)
            fail_msg("refused: %s", *modifiers);
    return rules;
}

#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

static void assert_commands(const struct acl_rules *rules, const char *expected)
{
    struct text text = {0};
    acl_describe_commands(&rules->selectors[0], &text);
    assert_string_equal(text.at, expected);
    text_free(&text);
}

/* The words of a question, the first of which may be "command|subcommand". */
static struct acl_question question(const char *name, const bytes *argv, size_t argc)
{
    uint32_t number;
    if (!command_find_own(&table, bytes_of(name), &number))
        fail_msg("no command %s", name);
    return (struct acl_question){.command = table.rows[number].command, .number = number, .argv = argv, .argc = argc};
}

static struct acl_answer ask(const struct acl_rules *rules, const char *name, const char *argument)
{
    const bytes argv[] = {bytes_of(name), bytes_of(argument)};
    struct acl_question asked = question(name, argv, COUNT_OF(argv));
    return acl_check(rules, &asked);
}

/* ---- As it was written ---- */

/* What Redis 7.2 tells of these modifiers, one after another. */
static void changes_of_commands_are_told_as_they_were_made(void **state)
{
    static const struct {
        const char *modifiers[12];
        const char *told;
    } cases[] = {
        {{NULL}, "-@all"},
        {{"+@all", "-@hash", "-@slow", "+get"}, "+@all -@hash -@slow +get"},
        {{"+@all", "-@hash", "-@slow", "+get", "-@hash"}, "+@all -@slow +get -@hash"},
        {{"+@all", "-@hash", "-@slow", "+get", "+@hash"}, "+@all -@slow +get +@hash"},
        {{"-@hash", "+get", "+@all"}, "+@all"},
        {{"+@all", "+get", "-@all"}, "-@all"},
        {{"+get", "allcommands"}, "+@all"},
        {{"+get", "nocommands"}, "-@all"},
        {{"+@HASH", "+@hash", "+@HaSh"}, "-@all +@hash"},
        {{"+GET", "+get", "+gEt"}, "-@all +get"},
        {{"+@hash", "+@slow", "+@set", "+@set", "+@slow", "+@hash"}, "-@all +@set +@slow +@hash"},
        {{"+get", "-set", "+set", "-get"}, "-@all +set -get"},
        {{"+client|list", "+client|list", "+config|get", "+config", "+acl|list", "-acl"},
         "-@all +client|list +config -acl"},
        {{"+select|0", "+select|0", "+get"}, "-@all +select|0 +get"},
        {{"+select|0", "+select"}, "-@all +select"},
        {{"+select|ABC"}, "-@all +select|abc"},
        {{"-@dangerous"}, "-@all -@dangerous"},
        {{"+config", "+config|get", "-config|set", "+config"}, "-@all +config"},
        {{"+config", "-config|set"}, "-@all +config -config|set"},
        {{"+get", "+getset", "+get"}, "-@all +getset +get"},
        {{"+@all", "-get", "+get"}, "+@all +get"},
        {{"+@all", "+get"}, "+@all +get"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct acl_rules *rules = make(cases[i].modifiers);
        assert_commands(rules, cases[i].told);
        acl_rules_drop(rules);
    }
}

static void assert_told(const struct acl_rules *rules, enum acl_form form, const char *expected)
{
    struct text text = {0};
    acl_rules_describe(rules, form, &text);
    assert_string_equal(text.at, expected);
    text_free(&text);
}

static void users_are_told_in_the_order_of_redis(void **state)
{
    struct acl_grammar words = grammar();
    struct acl_rules *rules = acl_rules_new_default(&words);
    assert_told(rules, ACL_FORM_LIST, "on nopass sanitize-payload ~* &* +@all");
    acl_rules_drop(rules);
    rules = MAKE("%RW~*", "~a"); /* what Redis tells of this, it does not read back */
    assert_told(rules, ACL_FORM_LIST, "off sanitize-payload %RW~* ~a resetchannels -@all");
    acl_rules_drop(rules);
    rules = MAKE(">foo", "&c", "&d", "%R~r", "~a", "%W~w", "+get", "on", "(+set ~b)", "()", "skip-sanitize-payload");
    assert_told(
        rules, ACL_FORM_LIST,
        "on skip-sanitize-payload #2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae %R~r ~a %W~w "
        "resetchannels &c &d -@all +get (~b resetchannels -@all +set) (resetchannels -@all)");
    acl_rules_drop(rules);
}

static void words_that_would_read_otherwise_are_quoted(void **state)
{
    struct acl_rules *rules = MAKE("~a\"b", "&\\", "(\"~a)\" &'x')");
    assert_told(rules, ACL_FORM_LIST,
                "off sanitize-payload ~a\"b resetchannels &\\ -@all (\"~a)\" resetchannels &x -@all)");
    assert_told(
        rules, ACL_FORM_CONFIG,
        "off sanitize-payload \"~a\\\"b\" resetchannels \"&\\\\\" -@all \"(\\\"~a)\\\" resetchannels &x -@all)\"");
    acl_rules_drop(rules);
}

/* ---- A model ---- */

enum { PATTERNS_MAX = 200, SELECTORS_MAX = 8 };

struct model_pattern {
    char text[32];
    uint32_t tag; /* access of a key, number of a command */
};

struct model_selector {
    bool commands[COMMAND_ROWS_MAX];
    struct model_pattern firsts[PATTERNS_MAX];
    size_t first_count;
    struct model_pattern keys[PATTERNS_MAX];
    size_t key_count;
    struct model_pattern channels[PATTERNS_MAX];
    size_t channel_count;
    bool all_keys, all_channels;
};

struct model {
    struct model_selector selectors[SELECTORS_MAX];
    size_t count;
};

static bool is_in_category(size_t row, uint32_t category)
{
    return command_acl_categories(table.rows[row].command) & category;
}

static void model_permit(struct model_selector *selector, size_t row, bool is_permitted)
{
    for (size_t i = 0; i < table.row_count; i++)
        if (i == row || (table.rows[row].container == NULL && table.rows[i].container == table.rows[row].command))
            selector->commands[i] = is_permitted;
    size_t kept = 0;
    for (size_t i = 0; i < selector->first_count; i++)
        if (selector->firsts[i].tag != row)
            selector->firsts[kept++] = selector->firsts[i];
    selector->first_count = kept;
}

static void model_add(struct model_pattern *patterns, size_t *count, const char *text, uint32_t tag)
{
    struct model_pattern *pattern = &patterns[(*count)++];
    assert_true(*count < PATTERNS_MAX);
    snprintf(pattern->text, sizeof(pattern->text), "%s", text);
    pattern->tag = tag;
}

static const char *const some_patterns[] = {"a*",   "b",  "?b", "[ab]c", "*",   "",
                                            "a\\*", "\"", "a)", "(b",    "'c'", "\xff\x01"};
static const char *const some_words[] = {"a",  "b",  "ab", "bc", "ac",  "c",       "",
                                         "a*", "\"", "a)", "(b", "'c'", "\xff\x01"};
static const char *const some_firsts[] = {"a", "b", "ab"};

static const char *pick(struct random *random, const char *const *texts, size_t count)
{
    return texts[random_below(random, count)];
}

/* One modifier of a selector, applied to the model and put into `text`; false: the model has no place for it. */
static bool random_modifier(struct random *random, struct model_selector *model, char *text, size_t size)
{
    char name[64];
    size_t row = random_below(random, table.row_count);
    bool is_plus = one_in(random, 2);
    const char *pattern = pick(random, some_patterns, COUNT_OF(some_patterns));
    command_full_name(table.rows[row].container, table.rows[row].command, name, sizeof(name));
    switch (random_below(random, 10)) {
    case 0:
    case 1:
        snprintf(text, size, "%c%s", is_plus ? '+' : '-', name);
        model_permit(model, row, is_plus);
        return true;
    case 2: {
        size_t category = random_below(random, COMMAND_CATEGORY_COUNT);
        snprintf(text, size, "%c%s", is_plus ? '+' : '-', command_category_names[category].name);
        for (size_t i = 0; i < table.row_count; i++)
            if (is_in_category(i, command_category_names[category].bit))
                model_permit(model, i, is_plus);
        return true;
    }
    case 3:
        snprintf(text, size, "%s", is_plus ? "+@all" : "nocommands");
        for (size_t i = 0; i < table.row_count; i++)
            model_permit(model, i, is_plus);
        return true;
    case 4:
        if (table.rows[row].container != NULL || table.rows[row].command->subcommands != NULL)
            return false;
        pattern = pick(random, some_firsts, COUNT_OF(some_firsts));
        snprintf(text, size, "+%s|%s", name, pattern);
        model_add(model->firsts, &model->first_count, pattern, (uint32_t)row);
        return true;
    case 5:
    case 6: {
        static const char *const prefixes[] = {"", "%R", "%W", "%RW"};
        size_t access = random_below(random, 4);
        if (model->all_keys || (strcmp(pattern, "*") == 0 && access == 0))
            return false;
        snprintf(text, size, "%s~%s", prefixes[access], pattern);
        model_add(model->keys, &model->key_count, pattern, access == 0 ? 3 : (uint32_t)access);
        return true;
    }
    case 7:
        model->all_keys = is_plus;
        model->key_count = 0;
        snprintf(text, size, "%s", is_plus ? "~*" : "resetkeys");
        return true;
    case 8:
        model->all_channels = is_plus;
        model->channel_count = 0;
        snprintf(text, size, "%s", is_plus ? "allchannels" : "resetchannels");
        return true;
    default:
        if (model->all_channels || strcmp(pattern, "*") == 0)
            return false;
        snprintf(text, size, "&%s", pattern);
        model_add(model->channels, &model->channel_count, pattern, 0);
        return true;
    }
}

/* Applies some modifiers to the model; joined by blanks they are the text of a selector. */
static void random_selector(struct random *random, struct model_selector *model, struct text *text)
{
    memset(model, 0, sizeof(*model));
    text_append_char(text, '(');
    for (size_t i = between(random, 0, 6); i > 0; i--) {
        char modifier[96];
        if (!random_modifier(random, model, modifier, sizeof(modifier)))
            continue;
        split_append_quoted(text, bytes_of(modifier));
        text_append_char(text, ' ');
    }
    text_append_char(text, ')');
}

static void random_step(struct random *random, struct model *model, struct acl_rules *rules)
{
    struct acl_grammar words = grammar();
    if (one_in(random, 6) && model->count < SELECTORS_MAX) {
        struct text text = {0};
        random_selector(random, &model->selectors[model->count++], &text);
        assert_int_equal(acl_rules_apply(rules, text_bytes(&text), &words), ACL_FINE);
        text_free(&text);
    } else if (one_in(random, 30)) {
        model->count = 1;
        assert_int_equal(acl_rules_apply(rules, BYTES("clearselectors"), &words), ACL_FINE);
    } else {
        char modifier[96];
        if (random_modifier(random, &model->selectors[0], modifier, sizeof(modifier)) &&
            acl_rules_apply(rules, bytes_of(modifier), &words) != ACL_FINE)
            fail_msg("refused: %s", modifier);
    }
}

static bool model_permits_key(const struct model_selector *selector, bytes key, unsigned flags)
{
    bool reads = flags & KEY_ACCESS;
    bool writes = flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE);
    bool is_permitted = selector->all_keys;
    for (size_t i = 0; i < selector->key_count; i++) {
        /* a pattern that was given several times has the rights of all of them */
        uint32_t access = 0;
        for (size_t j = 0; j < selector->key_count; j++)
            if (strcmp(selector->keys[i].text, selector->keys[j].text) == 0)
                access |= selector->keys[j].tag;
        is_permitted |= glob_match(bytes_of(selector->keys[i].text), key, false) &&
                        (!reads || (access & ACL_MAY_READ)) && (!writes || (access & ACL_MAY_WRITE));
    }
    return is_permitted;
}

static bool model_permits(const struct model_selector *selector, const struct acl_question *asked)
{
    bool is_permitted = selector->commands[asked->number] || (asked->command->flags & CMD_NO_AUTH);
    for (size_t i = 0; i < selector->first_count; i++)
        is_permitted |= selector->firsts[i].tag == asked->number && asked->argc > 1 &&
                        bytes_equal(bytes_of(selector->firsts[i].text), asked->argv[1]);
    struct key_range ranges[KEY_RANGES_MAX];
    int count = command_keys(asked->command, asked->argv, asked->argc, ranges);
    for (int i = 0; i < count; i++) {
        const struct key_spec *spec = ranges[i].spec;
        unsigned flags = spec->flags & KEY_VARIABLE_FLAGS && spec->flags_of != NULL
                             ? spec->flags_of(asked->argv, asked->argc)
                             : spec->flags;
        for (size_t j = 0; j < ranges[i].count && !(spec->flags & KEY_NOT_KEY); j++)
            is_permitted &= model_permits_key(selector, asked->argv[ranges[i].first + j * ranges[i].step], flags);
    }
    const struct channel_spec *channels = asked->command->channels;
    if (channels == NULL || channels->use == CHANNELS_UNSUBSCRIBE || selector->all_channels)
        return is_permitted;
    for (size_t i = channels->first;
         i < asked->argc && (channels->count == 0 || i < (size_t)channels->first + channels->count); i++) {
        bool is_listed = false;
        for (size_t j = 0; j < selector->channel_count; j++) {
            bytes pattern = bytes_of(selector->channels[j].text);
            is_listed |= channels->is_pattern ? bytes_equal(pattern, asked->argv[i])
                                              : glob_match(pattern, asked->argv[i], false);
        }
        is_permitted &= is_listed;
    }
    return is_permitted;
}

/* A random command with random arguments of a fitting number. */
static struct acl_question random_question(struct random *random, bytes argv[8])
{
    for (;;) {
        uint32_t number = (uint32_t)random_below(random, table.row_count);
        const struct command *command = table.rows[number].command;
        size_t argc = between(random, 1, 7);
        if (!command_arity_fits(command, argc))
            continue;
        for (size_t i = 0; i < argc; i++)
            argv[i] = bytes_of(pick(random, some_words, COUNT_OF(some_words)));
        return (struct acl_question){.command = command, .number = number, .argv = argv, .argc = argc};
    }
}

static bool is_permitted(const struct acl_rules *rules, const struct acl_question *asked)
{
    return acl_check(rules, asked).verdict == ACL_PERMITTED;
}

static void compare_with_model(struct random *random, const struct model *model, const struct acl_rules *rules)
{
    for (int i = 0; i < 40; i++) {
        bytes argv[8];
        struct acl_question asked = random_question(random, argv);
        bool expected = false;
        for (size_t j = 0; j < model->count; j++)
            expected |= model_permits(&model->selectors[j], &asked);
        if (is_permitted(rules, &asked) != expected)
            fail_msg("%s with %zu words: %spermitted", asked.command->name, asked.argc, expected ? "not " : "");
    }
}

/* Reads rules back from their text. */
static struct acl_rules *read_back(const struct acl_rules *rules, enum acl_form form)
{
    struct acl_grammar words = grammar();
    struct text text = {0};
    struct split split = {0};
    bytes parts[256];
    struct acl_modifiers modifiers = {.words = parts};
    acl_rules_describe(rules, form, &text);
    if (form == ACL_FORM_CONFIG) {
        assert_int_equal(split_line(text_bytes(&text), &split), SPLIT_OK);
        modifiers.words = split.words;
        modifiers.count = split.count;
    } else {
        bytes rest = text_bytes(&text);
        while (rest.len > 0) {
            const char *blank = memchr(rest.at, ' ', rest.len);
            size_t len = blank != NULL ? (size_t)(blank - rest.at) : rest.len;
            assert_true(modifiers.count < COUNT_OF(parts));
            parts[modifiers.count++] = (bytes){rest.at, len};
            rest = (bytes){rest.at + len + (blank != NULL), rest.len - len - (blank != NULL)};
        }
    }
    bytes culprit;
    struct acl_rules *again = acl_rules_new(&words);
    if (acl_rules_apply_all(again, &modifiers, &words, &culprit) != ACL_FINE)
        fail_msg("%s\nrefused: %.*s", text.at, (int)culprit.len, culprit.at);
    acl_modifiers_free(&modifiers);
    split_free(&split);
    text_free(&text);
    return again;
}

static void assert_same(struct random *random, const struct acl_rules *a, const struct acl_rules *b)
{
    struct text x = {0}, y = {0};
    acl_rules_describe(a, ACL_FORM_LIST, &x);
    acl_rules_describe(b, ACL_FORM_LIST, &y);
    assert_string_equal(x.at, y.at);
    text_free(&x);
    text_free(&y);
    for (int i = 0; i < 20; i++) {
        bytes argv[8];
        struct acl_question asked = random_question(random, argv);
        assert_int_equal(is_permitted(a, &asked), is_permitted(b, &asked));
    }
}

static void random_rules_permit_what_a_naive_model_permits(void **state)
{
    struct random random = property_start("random_rules_permit_what_a_naive_model_permits");
    static struct model model;
    for (int user = 0; user < 60; user++) {
        struct acl_grammar words = grammar();
        struct acl_rules *rules = acl_rules_new(&words);
        memset(&model, 0, sizeof(model));
        model.count = 1;
        for (size_t step = between(&random, 1, 60); step > 0; step--) {
            random_step(&random, &model, rules);
            compare_with_model(&random, &model, rules);
        }
        acl_rules_drop(rules);
    }
}

static void told_rules_read_back_as_the_same(void **state)
{
    struct random random = property_start("told_rules_read_back_as_the_same");
    static struct model model;
    for (int user = 0; user < 150; user++) {
        struct acl_grammar words = grammar();
        struct acl_rules *rules = acl_rules_new(&words);
        memset(&model, 0, sizeof(model));
        model.count = 1;
        for (size_t step = between(&random, 1, 30); step > 0; step--)
            random_step(&random, &model, rules);
        struct acl_rules *copies[] = {
            acl_rules_copy(rules),
            read_back(rules, ACL_FORM_LIST),
            read_back(rules, ACL_FORM_CONFIG),
        };
        for (size_t i = 0; i < COUNT_OF(copies); i++) {
            assert_non_null(copies[i]);
            assert_same(&random, rules, copies[i]);
            acl_rules_drop(copies[i]);
        }
        acl_rules_drop(rules);
    }
}

static void any_bytes_are_read_or_refused(void **state)
{
    struct random random = property_start("any_bytes_are_read_or_refused");
    static const char letters[] = "+-@~%RW&()|*<>#!get \"'\\\t\n\0on";
    for (int user = 0; user < 3000; user++) {
        struct acl_grammar words = grammar();
        struct acl_rules *rules = acl_rules_new(&words);
        enum acl_fault fault = ACL_FINE;
        while (fault == ACL_FINE && !one_in(&random, 8)) {
            char modifier[24];
            size_t len = between(&random, 0, sizeof(modifier));
            for (size_t i = 0; i < len; i++)
                modifier[i] = letters[random_below(&random, sizeof(letters))];
            fault = acl_rules_apply(rules, (bytes){modifier, len}, &words);
        }
        if (fault == ACL_FINE) {
            struct acl_rules *again = read_back(rules, ACL_FORM_LIST);
            assert_same(&random, rules, again);
            acl_rules_drop(again);
        }
        acl_rules_drop(rules);
    }
}

/* ---- Single promises ---- */

static void the_closest_refusal_is_told(void **state)
{
    struct acl_rules *rules = MAKE("+get", "~a", "(+publish &x)", "(+publish ~a)");
    assert_int_equal(ask(rules, "set", "a").verdict, ACL_DENIED_COMMAND);
    struct acl_answer answer = ask(rules, "get", "b");
    assert_int_equal(answer.verdict, ACL_DENIED_KEY);
    assert_int_equal(answer.argument, 1);
    acl_rules_drop(rules);
}

static void commands_before_authentication_need_no_permission(void **state)
{
    struct acl_rules *rules = MAKE("-@all");
    assert_int_equal(ask(rules, "auth", "x").verdict, ACL_PERMITTED);
    assert_int_equal(ask(rules, "reset", "x").verdict, ACL_PERMITTED);
    assert_int_equal(ask(rules, "ping", "x").verdict, ACL_DENIED_COMMAND);
    acl_rules_drop(rules);
}

static void only_who_may_do_everything_gets_a_free_pass(void **state)
{
    static const struct {
        const char *modifiers[6];
        bool expected;
    } cases[] = {
        {{"~*", "&*", "+@all"}, true},
        {{"~*", "&*"}, false},
        {{"~*", "+@all"}, false},
        {{"&*", "+@all"}, false},
        {{"~*", "&*", "+@all", "-get"}, false},
        {{"~*", "&*", "+@all", "-acl|list"}, false},
        {{"~*", "&*", "+@all", "-get", "+get"}, true},
        {{"%R~*", "&*", "+@all"}, false},
        {{"(~* &* +@all)"}, true},
        {{"~*", "(&* +@all)"}, false},
        {{"~*", "&*", "+@read", "+@write"}, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct acl_rules *rules = make(cases[i].modifiers);
        assert_int_equal(acl_permits_everything(rules), cases[i].expected);
        acl_rules_drop(rules);
    }
}

static void keys_that_are_visited_need_the_right_to_what_is_done(void **state)
{
    struct acl_rules *rules = MAKE("%R~r*", "%W~w*", "+get", "(+set ~s*)");
    const bytes argv[] = {BYTES("get"), BYTES("x")};
    struct acl_question get = question("get", argv, 2);
    struct acl_question set = question("set", argv, 2);
    struct acl_question del = question("del", argv, 2);
    assert_true(acl_check_key(rules, &get, BYTES("r1"), KEY_ACCESS));
    assert_false(acl_check_key(rules, &get, BYTES("r1"), KEY_UPDATE));
    assert_false(acl_check_key(rules, &get, BYTES("w1"), KEY_ACCESS));
    assert_true(acl_check_key(rules, &get, BYTES("w1"), KEY_DELETE));
    assert_true(acl_check_key(rules, &get, BYTES("w1"), 0));
    assert_false(acl_check_key(rules, &get, BYTES("s1"), KEY_ACCESS)); /* of the other selector */
    assert_true(acl_check_key(rules, &set, BYTES("s1"), KEY_ACCESS | KEY_UPDATE));
    assert_false(acl_check_key(rules, &del, BYTES("w1"), KEY_DELETE));
    assert_false(acl_check_all_keys(rules, &get));
    acl_rules_drop(rules);
    rules = MAKE("+get", "~a", "(~* +set)");
    assert_false(acl_check_all_keys(rules, &get));
    assert_true(acl_check_all_keys(rules, &set));
    acl_rules_drop(rules);
}

static void passwords_are_kept_as_digests(void **state)
{
    struct acl_rules *rules = MAKE("on", ">secret", ">other");
    struct sha256 digest;
    sha256(BYTES("secret"), &digest);
    assert_true(acl_rules_accept_password(rules, &digest));
    sha256(BYTES("wrong"), &digest);
    assert_false(acl_rules_accept_password(rules, &digest));
    for (size_t i = 0; i < rules->passwords.count; i++)
        assert_int_equal(acl_list_text(&rules->passwords, i).len, SHA256_SIZE);
    acl_rules_drop(rules);
    rules = MAKE(">secret", "nopass");
    assert_false(acl_rules_accept_password(rules, &digest)); /* off */
    acl_rules_drop(rules);
    rules = MAKE("on", "nopass");
    assert_true(acl_rules_accept_password(rules, &digest));
    assert_true(acl_rules_set_password(rules, BYTES("wrong")));
    assert_true(acl_rules_accept_password(rules, &digest));
    sha256(BYTES("secret"), &digest);
    assert_false(acl_rules_accept_password(rules, &digest));
    assert_true(acl_rules_set_password(rules, (bytes){NULL, 0}));
    assert_true(acl_rules_accept_password(rules, &digest));
    acl_rules_drop(rules);
}

static void renamed_commands_keep_their_names_in_rules(void **state)
{
    assert_null(command_rename(&table, BYTES("get"), BYTES("fetch")));
    assert_null(command_rename(&table, BYTES("config"), BYTES("")));
    struct acl_rules *rules = MAKE("+get", "+config|get");
    assert_commands(rules, "-@all +get +config|get");
    struct acl_grammar words = grammar();
    assert_int_equal(acl_rules_apply(rules, BYTES("+fetch"), &words), ACL_UNKNOWN);
    acl_rules_drop(rules);
}

/* Every allocation fails once, at any place: that is an answer, and nothing is lost. */
static void running_out_of_memory_is_an_answer(void **state)
{
    static const char *const modifiers[] = {
        "on", ">a",   ">b",   "~a",     "~b",        "%R~c",         "~d",      "~e",          "&x",
        "&y", "+get", "-set", "+@read", "+select|0", "(+get ~a &b)", "(-@all)", "+config|get", ">c",
    };
    struct acl_grammar words = grammar();
    bool is_done = false;
    for (long allowed = 0; !is_done; allowed++) {
        mem_fail_after(allowed);
        struct acl_rules *rules = acl_rules_new(&words);
        enum acl_fault fault = rules != NULL ? ACL_FINE : ACL_NO_MEMORY;
        for (size_t i = 0; fault == ACL_FINE && i < COUNT_OF(modifiers); i++)
            fault = acl_rules_apply(rules, bytes_of(modifiers[i]), &words);
        struct acl_rules *copy = fault == ACL_FINE ? acl_rules_copy(rules) : NULL;
        is_done = copy != NULL;
        assert_true(fault == ACL_FINE || fault == ACL_NO_MEMORY);
        mem_fail_after(-1);
        acl_rules_drop(copy);
        acl_rules_drop(rules);
        assert_true(allowed < 10000);
    }
}

static void words_of_a_selector_are_joined(void **state)
{
    static const char *const texts[] = {"on", "(+get", "~a)", "", "()", "(", "x"};
    bytes words[COUNT_OF(texts)];
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        words[i] = bytes_of(texts[i]);
    struct acl_modifiers modifiers = {.words = words, .count = COUNT_OF(words)};
    static const char *const expected[] = {"on", "(+get ~a)", "", "()"};
    bytes modifier;
    enum acl_fault fault;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(acl_next_modifier(&modifiers, &modifier, &fault));
        assert_int_equal(fault, ACL_FINE);
        assert_int_equal(modifier.len, strlen(expected[i]));
        assert_memory_equal(modifier.at, expected[i], modifier.len);
    }
    assert_true(acl_next_modifier(&modifiers, &modifier, &fault));
    assert_int_equal(fault, ACL_UNMATCHED);
    assert_int_equal(modifier.len, 1);
    assert_false(acl_next_modifier(&modifiers, &modifier, &fault));
    acl_modifiers_free(&modifiers);
}

/* What a command does with channels stands in its row; one that forgot to say so would be open to everybody. */
static void every_command_with_channels_says_so(void **state)
{
    static const char *const names[] = {"publish", "spublish", "subscribe", "psubscribe", "ssubscribe"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        uint32_t number;
        assert_true(command_find_own(&table, bytes_of(names[i]), &number));
        const struct channel_spec *spec = table.rows[number].command->channels;
        assert_non_null(spec);
        assert_true(spec->use != CHANNELS_UNSUBSCRIBE && spec->first == 1);
        assert_int_equal(spec->is_pattern, strcmp(names[i], "psubscribe") == 0);
    }
}

int main(void)
{
#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, open_table, close_table)
    const struct CMUnitTest tests[] = {
        WITH_TABLE(changes_of_commands_are_told_as_they_were_made),
        WITH_TABLE(users_are_told_in_the_order_of_redis),
        WITH_TABLE(words_that_would_read_otherwise_are_quoted),
        WITH_TABLE(random_rules_permit_what_a_naive_model_permits),
        WITH_TABLE(told_rules_read_back_as_the_same),
        WITH_TABLE(any_bytes_are_read_or_refused),
        WITH_TABLE(the_closest_refusal_is_told),
        WITH_TABLE(commands_before_authentication_need_no_permission),
        WITH_TABLE(only_who_may_do_everything_gets_a_free_pass),
        WITH_TABLE(keys_that_are_visited_need_the_right_to_what_is_done),
        WITH_TABLE(passwords_are_kept_as_digests),
        WITH_TABLE(renamed_commands_keep_their_names_in_rules),
        WITH_TABLE(running_out_of_memory_is_an_answer),
        WITH_TABLE(words_of_a_selector_are_joined),
        WITH_TABLE(every_command_with_channels_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rules as text, in the form in which they are read; see acl_rules.h. Text is made so that reading it gives the same
   rules, whatever bytes a pattern holds. */
#include "engine/acl_rules.h"

#include "base/sha256.h"
#include "base/split.h"

/* Puts a blank in front of everything but the first word. */
static void separate(struct text *out, size_t start)
{
    if (out->len > start)
        text_append_char(out, ' ');
}

void acl_describe_commands(const struct acl_selector *selector, struct text *out)
{
    text_append(out, selector->flags & ACL_FUTURE_COMMANDS ? BYTES("+@all") : BYTES("-@all"));
    for (size_t i = 0; i < selector->steps.count; i++) {
        text_append(out, selector->steps.items[i].tag ? BYTES(" +") : BYTES(" -"));
        text_append(out, acl_list_text(&selector->steps, i));
    }
}

/* "~*" stands for all keys, beside which no pattern is read: the pattern "*" is told otherwise. */
static const char *key_prefix(bytes pattern, uint32_t access)
{
    if (access == ACL_MAY_READ)
        return "%R~";
    if (access == ACL_MAY_WRITE)
        return "%W~";
    return bytes_equal(pattern, BYTES("*")) ? "%RW~" : "~";
}

void acl_describe_keys(const struct acl_selector *selector, struct text *out)
{
    size_t start = out->len;
    if (selector->flags & ACL_ALL_KEYS)
        text_append(out, BYTES("~*"));
    for (size_t i = 0; i < selector->keys.count; i++) {
        separate(out, start);
        bytes pattern = acl_list_text(&selector->keys, i);
        text_append(out, bytes_of(key_prefix(pattern, selector->keys.items[i].tag)));
        text_append(out, pattern);
    }
}

void acl_describe_channels(const struct acl_selector *selector, struct text *out)
{
    size_t start = out->len;
    if (selector->flags & ACL_ALL_CHANNELS)
        text_append(out, BYTES("&*"));
    for (size_t i = 0; i < selector->channels.count; i++) {
        separate(out, start);
        text_append_char(out, '&');
        text_append(out, acl_list_text(&selector->channels, i));
    }
}

/* All of a selector, as modifiers between blanks. */
static void describe_selector(const struct acl_selector *selector, struct text *out)
{
    size_t start = out->len;
    acl_describe_keys(selector, out);
    separate(out, start);
    if (!(selector->flags & ACL_ALL_CHANNELS))
        text_append(out, selector->channels.count > 0 ? BYTES("resetchannels ") : BYTES("resetchannels"));
    acl_describe_channels(selector, out);
    text_append_char(out, ' ');
    acl_describe_commands(selector, out);
}

/* Copies words between blanks, those in quotes that need them; one that ends like a selector does, too, if it stands in
   one. */
static void quote_words(bytes words, bool is_selector, struct text *out)
{
    while (words.len > 0) {
        const char *blank = memchr(words.at, ' ', words.len);
        bytes word = {words.at, blank != NULL ? (size_t)(blank - words.at) : words.len};
        if (is_selector && word.at[word.len - 1] == ')')
            split_append_quoted(out, word);
        else
            split_append_word(out, word);
        if (blank != NULL)
            text_append_char(out, ' ');
        size_t taken = word.len + (blank != NULL);
        words = (bytes){words.at + taken, words.len - taken};
    }
}

/* " (...)": quotes inside a selector are part of its language, those around it are the file's. */
static void append_selector(const struct acl_selector *selector, enum acl_form form, struct text *out)
{
    struct text plain = {0}, quoted = {0};
    describe_selector(selector, &plain);
    text_append_char(&quoted, '(');
    quote_words(text_bytes(&plain), true, &quoted);
    text_append_char(&quoted, ')');
    bool needs_quotes = form == ACL_FORM_CONFIG && quoted.len != plain.len + 2;
    text_append_char(out, ' ');
    if (needs_quotes)
        split_append_quoted(out, text_bytes(&quoted));
    else
        text_append(out, text_bytes(&quoted));
    out->is_cut |= plain.is_cut || quoted.is_cut;
    text_free(&plain);
    text_free(&quoted);
}

static void append_root(const struct acl_selector *root, enum acl_form form, struct text *out)
{
    struct text plain = {0};
    describe_selector(root, &plain);
    if (form == ACL_FORM_CONFIG)
        quote_words(text_bytes(&plain), false, out);
    else
        text_append(out, text_bytes(&plain));
    out->is_cut |= plain.is_cut;
    text_free(&plain);
}

size_t acl_rules_flags(const struct acl_rules *rules, const char *names[ACL_USER_FLAGS_MAX])
{
    size_t count = 0;
    names[count++] = rules->flags & ACL_USER_ON ? "on" : "off";
    if (rules->flags & ACL_USER_NOPASS)
        names[count++] = "nopass";
    if (rules->flags & ACL_USER_SKIP_SANITIZE_PAYLOAD)
        names[count++] = "skip-sanitize-payload";
    if (rules->flags & ACL_USER_SANITIZE_PAYLOAD)
        names[count++] = "sanitize-payload";
    return count;
}

void acl_rules_describe(const struct acl_rules *rules, enum acl_form form, struct text *out)
{
    const char *flags[ACL_USER_FLAGS_MAX];
    size_t flag_count = acl_rules_flags(rules, flags);
    for (size_t i = 0; i < flag_count; i++)
        text_append_format(out, "%s ", flags[i]);
    for (size_t i = 0; i < rules->passwords.count; i++) {
        struct sha256 digest;
        char hex[SHA256_HEX_SIZE];
        memcpy(digest.bytes, acl_list_text(&rules->passwords, i).at, SHA256_SIZE);
        sha256_to_hex(&digest, hex);
        text_append_char(out, '#');
        text_append(out, (bytes){hex, sizeof(hex)});
        text_append_char(out, ' ');
    }
    append_root(&rules->selectors[0], form, out);
    for (size_t i = 1; i < rules->selector_count; i++)
        append_selector(&rules->selectors[i], form, out);
}

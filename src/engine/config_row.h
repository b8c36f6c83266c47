/* The inside of the configuration, for its own files only: what a row of the table says, and the values on their way
   between text and field. config_table.c holds the rows, config_value.c turns text into values and back, config.c does
   the rest. */
#ifndef LARDER_ENGINE_CONFIG_ROW_H
#define LARDER_ENGINE_CONFIG_ROW_H

#include "engine/config.h"

/* How a value is written, and the type of its field. */
enum cfg_kind {
    CFG_KIND_FLAG,          /* cfg_flag: yes, no */
    CFG_KIND_CHOICE,        /* cfg_choice: one word of `choices` */
    CFG_KIND_BITS,          /* cfg_choice: words of `choices`, each a bit; a word of value 0 stands for none */
    CFG_KIND_NUMBER,        /* cfg_number: decimal */
    CFG_KIND_OCTAL,         /* cfg_number: octal */
    CFG_KIND_MEMORY,        /* cfg_number: with kb, mb, gb */
    CFG_KIND_PERCENT,       /* cfg_number: memory, or 0% to 100%, kept as 0 to -100 */
    CFG_KIND_SIZE,          /* cfg_size: with kb, mb, gb */
    CFG_KIND_TEXT,          /* cfg_text */
    CFG_KIND_DIRECTORY,     /* cfg_text: made absolute */
    CFG_KIND_EVENTS,        /* cfg_choice: letters of enum cfg_notify */
    CFG_KIND_ADDRESSES,     /* cfg_addresses */
    CFG_KIND_SAVE_POINTS,   /* cfg_save_points: seconds changes ... */
    CFG_KIND_OUTPUT_LIMITS, /* cfg_output_limits: class hard soft seconds ... */
    CFG_KIND_OOM_SCORES,    /* cfg_oom_scores: three numbers */
    CFG_KIND_PERCENTILES,   /* cfg_percentiles */
    CFG_KIND_MASTER,        /* cfg_master: host port, or no one */
};

enum cfg_row_flag {
    CFG_IMMUTABLE = 1 << 0,      /* set at start only */
    CFG_SENSITIVE = 1 << 1,      /* must not be logged */
    CFG_HIDDEN = 1 << 2,         /* CONFIG GET gives it when asked by its full name only */
    CFG_PROTECTED = 1 << 3,      /* CONFIG SET needs enable-protected-configs */
    CFG_MULTI_WORD = 1 << 4,     /* takes several words */
    CFG_EMPTY_IS_UNSET = 1 << 5, /* an empty text is not written to the file */
    CFG_ALWAYS_WRITTEN = 1 << 6, /* written to the file even when it is the default */
    CFG_REAPPLIED = 1 << 7,      /* names a file whose content may have changed: hooks run for the same value too */
    CFG_BINARY = 1 << 8,         /* a text that may hold zero bytes */
};

struct cfg_choice_word {
    const char *word; /* NULL ends the list; of several words for one value the first is given back */
    int value;
};

struct cfg_row {
    const char *name;
    const char *alias; /* NULL: none */
    enum cfg_kind kind;
    unsigned flags;                        /* bits of enum cfg_row_flag */
    size_t offset;                         /* of the field in struct config */
    const char *default_text;              /* in CONFIG GET's form */
    long long lowest, highest;             /* kinds over cfg_number: outside is refused */
    long long floor, ceiling;              /* kinds over cfg_number: outside is moved here; both 0: nothing is */
    const struct cfg_choice_word *choices; /* CHOICE, BITS */
    const char *(*check_text)(bytes text); /* TEXT: why it is refused, or NULL */
    const char *(*check_bits)(int bits);   /* BITS: why they are refused, or NULL */
};

extern const struct cfg_row cfg_rows[];
extern const size_t cfg_row_count;

/* A value outside of its field. It owns its texts. */
union cfg_value {
    bool flag;
    int choice;
    long long number;
    unsigned long long size;
    struct cfg_text text;
    struct cfg_addresses addresses;
    struct cfg_save_points save_points;
    struct cfg_output_limits output_limits;
    struct cfg_oom_scores oom_scores;
    struct cfg_percentiles percentiles;
    struct cfg_master master;
};

/* Why the words are being read. */
enum cfg_origin {
    CFG_FROM_LINE, /* of a file: save points add up */
    CFG_FROM_SET,  /* CONFIG SET: the words are the whole value */
};

/* Reads the words after the name into `out`, which is owned by the caller on success. Changes nothing in the
   configuration, but looks at present values where words change a part only. Caller holds either lock. */
MUST_USE bool cfg_value_parse(const struct config *config, const struct cfg_row *row, const bytes *words,
                              size_t word_count, enum cfg_origin origin, union cfg_value *out, struct cfg_error *error);
/* Exchanges the field's value with this one. Caller holds both locks. */
void cfg_value_exchange(struct config *config, const struct cfg_row *row, union cfg_value *value);
/* Frees what the value owns; the value of a field that was exchanged is the old one. */
void cfg_value_free(const struct cfg_row *row, union cfg_value *value);
/* Appends the field's value in CONFIG GET's form. Caller holds either lock. */
void cfg_value_format(const struct config *config, const struct cfg_row *row, struct text *out);
/* Appends a number of bytes in the form of a configuration file: 512mb, 1500. */
void cfg_format_memory(struct text *out, unsigned long long bytes_count);

/* Fresh, terminated memory with the same bytes. False: out of memory. */
MUST_USE bool cfg_text_make(struct cfg_text *to, bytes from);

void cfg_fail(struct cfg_error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* The field of a row. */
#define CFG_FIELD(config, row, type) ((type *)(void *)((char *)(config) + (row)->offset))
#define CFG_CONST_FIELD(config, row, type) ((const type *)(const void *)((const char *)(config) + (row)->offset))

#endif

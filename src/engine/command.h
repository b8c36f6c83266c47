/* The command table: what is known about a command, said once. Dispatch (arity, keys to lock), COMMAND and its
   subcommands, the ACL, the command line's hints and the reference pages are all produced from these rows. Rows are
   constants; they stand beside their handlers in src/commands/. */
#ifndef LARDER_ENGINE_COMMAND_H
#define LARDER_ENGINE_COMMAND_H

#include "base/bytes.h"
#include "base/common.h"

#include <stdint.h>

struct call;
struct forecast;

/* Runs a command: arguments from call->argv, the reply through reply_*(). The keys' shards are locked. */
typedef void command_fn(struct call *call);

/* Redis's flags as COMMAND INFO shows them, then those that concern only the dispatcher. */
enum command_flag {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7,
    CMD_STALE = 1 << 8,
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_ASKING = 1 << 11,
    CMD_FAST = 1 << 12,
    CMD_NO_AUTH = 1 << 13,
    CMD_MAY_REPLICATE = 1 << 14,
    CMD_NO_ASYNC_LOADING = 1 << 15,
    CMD_NO_MULTI = 1 << 16,
    CMD_NO_MANDATORY_KEYS = 1 << 17,
    CMD_ALLOW_BUSY = 1 << 18,
    CMD_TOUCHES_ARBITRARY_KEYS = 1 << 19, /* shown as no flag, but as ACL and tip facts need it */

    CMD_ALL_SHARDS = 1 << 24,    /* runs with every shard locked */
    CMD_PROTECTED = 1 << 25,     /* refused unless enable-debug-command allows it */
    CMD_TRANSACTION = 1 << 27,   /* run at once inside MULTI, where others are queued */
    CMD_RUNS_QUEUE = 1 << 28,    /* EXEC: does what the queued commands do */
    CMD_FENCES = 1 << 26,        /* FENCE: the command behind the token is run */
    CMD_SPARES_LOCKS = 1 << 23,  /* a write that locked keys do not refuse */
    CMD_BY_PREFIX = 1 << 21,     /* waits for the prefix index where a client can be kept waiting */
    CMD_VISITS_SHARDS = 1 << 29, /* locks shards itself, one at a time: EXEC holds them all for it */
    CMD_SUBSCRIBER = 1 << 30,    /* a RESP2 client with subscriptions may say it */
    CMD_LEAVES_MULTI = 1 << 20,  /* ends a transaction: possible inside MULTI even when memory is short */
    CMD_BRIEF = 1 << 22,         /* as quick as the fast ones, though Redis does not call it so */
};

/* ACL categories in Redis's order (ACL CAT). Those that follow from the flags (read, write, fast, slow, dangerous for
   admin) are added by command_acl_categories(). */
enum acl_category {
    ACL_KEYSPACE = 1 << 0,
    ACL_READ = 1 << 1,
    ACL_WRITE = 1 << 2,
    ACL_SET = 1 << 3,
    ACL_SORTEDSET = 1 << 4,
    ACL_LIST = 1 << 5,
    ACL_HASH = 1 << 6,
    ACL_STRING = 1 << 7,
    ACL_BITMAP = 1 << 8,
    ACL_HYPERLOGLOG = 1 << 9,
    ACL_GEO = 1 << 10,
    ACL_STREAM = 1 << 11,
    ACL_PUBSUB = 1 << 12,
    ACL_ADMIN = 1 << 13,
    ACL_FAST = 1 << 14,
    ACL_SLOW = 1 << 15,
    ACL_BLOCKING = 1 << 16,
    ACL_DANGEROUS = 1 << 17,
    ACL_CONNECTION = 1 << 18,
    ACL_TRANSACTION = 1 << 19,
    ACL_SCRIPTING = 1 << 20,
};

/* What a command does with the keys of a key specification. */
enum key_flag {
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE_FLAGS = 1 << 10,
};

enum key_begin { KEYS_BEGIN_AT_INDEX, KEYS_BEGIN_AT_KEYWORD, KEYS_BEGIN_UNKNOWN };
enum key_find { KEYS_IN_RANGE, KEYS_BY_NUMBER, KEYS_FIND_UNKNOWN };

/* Where keys stand among the arguments: Redis 7's key specifications (index 0 is the command's name). */
struct key_spec {
    uint16_t flags;      /* enum key_flag; 0: end of the list */
    uint8_t begin;       /* enum key_begin */
    uint8_t find;        /* enum key_find */
    int index;           /* AT_INDEX: of the first key (or of the count) */
    const char *keyword; /* AT_KEYWORD: keys follow this word */
    int start_from;      /* AT_KEYWORD: where the search begins; negative: backwards from the end */
    int last;            /* IN_RANGE: the last key, relative to the first; negative: relative to the last argument */
    int step;            /* both */
    int limit;           /* IN_RANGE with last = -1: keys end at 1/limit of the arguments; 0, 1: no limit */
    int number_index;    /* BY_NUMBER: where the count stands, relative to the beginning */
    int first;           /* BY_NUMBER: where the first key stands, relative to the beginning */
    const char *notes;
    /* With KEY_VARIABLE_FLAGS: the flags that hold for these arguments. NULL: those above, whatever the arguments. */
    uint16_t (*flags_of)(const bytes *argv, size_t argc);
};

enum argument_type {
    ARG_STRING,
    ARG_INTEGER,
    ARG_DOUBLE,
    ARG_KEY,
    ARG_PATTERN,
    ARG_UNIX_TIME,
    ARG_PURE_TOKEN,
    ARG_ONEOF,
    ARG_BLOCK,
};

enum argument_flag { ARG_OPTIONAL = 1 << 0, ARG_MULTIPLE = 1 << 1, ARG_MULTIPLE_TOKEN = 1 << 2 };

/* An argument for the documentation (COMMAND DOCS); nothing parses by it. */
struct command_argument {
    const char *name; /* NULL: end of the list */
    uint8_t type;     /* enum argument_type */
    uint8_t flags;    /* enum argument_flag */
    int8_t key_spec;  /* index of the key specification that a key argument belongs to */
    const char *token;
    const char *display; /* NULL: the name */
    const char *since;
    const char *deprecated_since;
    const struct command_argument *arguments; /* of a oneof or block */
};

/* What a command does with channels, for the ACL: with its arguments from `first` on, `count` of them (0: all that
   there are). Who unsubscribes needs no permission. */
enum channel_use { CHANNELS_PUBLISH, CHANNELS_SUBSCRIBE, CHANNELS_UNSUBSCRIBE };
struct channel_spec {
    uint8_t use; /* enum channel_use */
    bool is_pattern;
    uint16_t first;
    uint16_t count;
};

struct command_history {
    const char *since; /* NULL: end of the list */
    const char *change;
};

/* Must this argument be kept out of MONITOR and the slow log? Arguments are as many as the arity asks for. */
typedef bool command_hides_fn(const bytes *argv, size_t argc, size_t argument);

/* Bytes by which a call may make its value larger than its words say. No shard is locked, and arguments may be wrong:
   what could only fail adds nothing. In a transaction, the forecast tells what was written before, and is told what
   this call will have written; else it is NULL. */
typedef size_t command_growth_fn(struct call *call, struct forecast *forecast);

struct command {
    const char *name;                    /* lower case, a subcommand's without its container; NULL: end of the list */
    command_fn *run;                     /* NULL: a container that does nothing without a subcommand */
    int arity;                           /* words, the name included; negative: at least that many */
    uint32_t flags;                      /* enum command_flag */
    uint32_t categories;                 /* enum acl_category, those not derived from the flags */
    const struct key_spec *keys;         /* NULL: none */
    command_hides_fn *hides;             /* NULL: it has no secrets */
    command_growth_fn *growth;           /* NULL: what it may add stands in its words (forecast_run) */
    const struct channel_spec *channels; /* NULL: none */
    const char *const *tips;             /* NULL-terminated, or NULL */
    const struct command *subcommands;

    const char *group; /* as Redis groups its documentation: "string", "generic", "connection", "server" */
    const char *summary;
    const char *since;
    const char *complexity;
    bool is_system;               /* documented as for the system's own use (COMMAND DOCS: syscmd) */
    const char *deprecated_since; /* NULL: not deprecated */
    const char *replaced_by;
    const struct command_history *history;
    const struct command_argument *arguments;
};

/* Categories with those derived from flags as Redis derives them. */
uint32_t command_acl_categories(const struct command *command);
/* The categories in Redis's order, with an @ in front of their names. */
struct command_bit_name {
    uint32_t bit;
    const char *name;
};
enum { COMMAND_CATEGORY_COUNT = 21 };
extern const struct command_bit_name command_category_names[COMMAND_CATEGORY_COUNT];
/* The category of this name (without the @), in any case; 0: there is none. */
uint32_t command_category_by_name(bytes name);
/* Its name as Redis gives it in lower case ("get", "client|list") into `text`; the container is NULL for plain
 * commands. */
size_t command_full_name(const struct command *container, const struct command *command, char *text, size_t size);

/* Its name in capitals, as messages to people give it. */
enum { COMMAND_NAME_SIZE = 64 };
void command_upper_name(const struct command *command, char name[COMMAND_NAME_SIZE]);

/* The commands of an engine by name; renaming makes it a thing of each engine.

   Every row has a number there, for what is kept by command (permissions, counters): rows are numbered from 0 in the
   order of the families, each command followed by its subcommands. A row keeps its number whatever it is renamed to,
   and when it is removed. */
enum { COMMAND_ROWS_MAX = 1024 };

struct command_row {
    const struct command *container; /* NULL: a command of its own */
    const struct command *command;
    uint64_t letters; /* of the command's name in the row, see command.c */
    uint16_t name_len;
    bool is_plain; /* as in a slot */
};
struct command_slot {
    uint64_t letters; /* of the name, see command.c */
    char *name;       /* as clients call it, lower case */
    const struct command *command;
    uint32_t number;
    uint16_t name_len;
    bool is_plain; /* the name is up to eight letters and nothing else */
};
struct command_table {
    struct command_slot *slots; /* open addressing, a power of two of them, at most half full */
    size_t slot_count;
    size_t used;
    struct command_row *rows; /* by number */
    size_t row_count;         /* at most COMMAND_ROWS_MAX */
    uint16_t *subcommands;    /* numbers of subcommands' rows by name and container, 0: free; open addressing */
    size_t subcommand_slots;  /* a power of two, at most half of them used */
};

/* `families` is NULL-terminated; each family ends with a row without a name. False when there is no memory. */
MUST_USE bool command_table_init(struct command_table *table, const struct command *const *families);
void command_table_free(struct command_table *table);

/* A command by its name in any case, NULL when there is none. */
const struct command *command_find(const struct command_table *table, bytes name);
const struct command *command_find_subcommand(const struct command *container, bytes name);
/* The same with its number, which is left alone when there is no such command. */
const struct command *command_find_numbered(const struct command_table *table, bytes name, uint32_t *number);

/* A subcommand of the command with that number, in the same way; NULL: there is none. */
const struct command *command_find_subnumbered(const struct command_table *table, uint32_t container_number, bytes name,
                                               uint32_t *number);

/* The number of a command by a name like "get" or "client|list"; false when there is none. */
MUST_USE bool command_find_full_name(const struct command_table *table, bytes name, uint32_t *number);

/* The number of a subcommand, from that of its container. */
static inline uint32_t command_subnumber(uint32_t container_number, const struct command *container,
                                         const struct command *subcommand)
{
    return container_number + 1 + (uint32_t)(subcommand - container->subcommands);
}

/* The number of a row (the container is NULL for plain commands); looks at all of them. The row is one of the table's.
 */
uint32_t command_number(const struct command_table *table, const struct command *container,
                        const struct command *command);

/* The number of a command or subcommand ("config|get") by the name that its row gives it, whatever it was renamed to.
   False: there is none. */
MUST_USE bool command_find_own(const struct command_table *table, bytes name, uint32_t *number);

/* rename-command: an empty new name removes. Before the table is used. Returns NULL, or Redis's words for why not:
   `from` does not exist, `to` is taken; or "out of memory". The table comes as a void pointer so that this can be a
   cfg_rename_check_fn. */
const char *command_rename(void *table, bytes from, bytes to);

/* A run of keys among the arguments: first, first + step, ... */
struct key_range {
    size_t first;
    size_t count;
    size_t step;
    const struct key_spec *spec;
};

enum { KEY_RANGES_MAX = 8 };

/* The keys that these arguments name; returns the number of ranges, -1 when the arguments do not fit the specifications
   (COMMAND GETKEYS answers an error; dispatch leaves the error to the handler and locks nothing). argc satisfies the
   arity. */
int command_keys(const struct command *command, const bytes *argv, size_t argc,
                 struct key_range ranges[KEY_RANGES_MAX]);

/* Do the number and place of its keys depend on other arguments? (Redis's movablekeys) */
bool command_has_movable_keys(const struct command *command);

/* Does this number of words satisfy the command's arity? */
static inline bool command_arity_fits(const struct command *command, size_t argc)
{
    return command->arity >= 0 ? argc == (size_t)command->arity : argc >= (size_t)-command->arity;
}

#endif

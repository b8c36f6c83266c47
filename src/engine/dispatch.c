/* From a request to its handler. The invariant: while a handler runs, the shards of every key that the command table
   names for it are locked, in ascending order of their numbers, and no others. Everything that could refuse the request
   has been asked before, in Redis's order: does the command exist, is the number of words right, may this client say
   it. */
#include "engine/dispatch.h"

#include "base/mem.h"
#include "base/num.h"
#include "engine/locks.h"
#include "engine/room.h"
#include "engine/transaction.h"

/* A command whose keys are one, at a fixed place, can be hashed before anything else is known. */
static bool has_fixed_first_key(const struct command *command)
{
    const struct key_spec *spec = command->keys;
    return spec != NULL && spec->begin == KEYS_BEGIN_AT_INDEX && spec->find == KEYS_IN_RANGE &&
           !(spec->flags & KEY_NOT_KEY);
}

/* Finds the request's command by its first words: the subcommand, when the command has such a one. */
static const struct command *find_command(const struct command_table *table, struct request *request)
{
    request->command = command_find_numbered(table, request->argv[0], &request->number);
    if (request->command == NULL || likely(request->command->keys != NULL))
        return request->command;
    const struct command *container = request->command;
    const struct command *subcommand = NULL;
    if (container->subcommands != NULL && request->argc > 1)
        subcommand = command_find_subnumbered(table, request->number, request->argv[1], &request->number);
    if (subcommand == NULL)
        return container;
    request->container = container;
    return request->command = subcommand;
}

static const struct command *take_command(const struct command_table *table, struct request *request, uint32_t known)
{
    request->container = table->rows[known].container;
    request->number = known;
    return request->command = table->rows[known].command;
}

void request_prepare(struct larder *engine, const bytes *argv, size_t argc, uint32_t known, struct request *request)
{
    *request = (struct request){.argv = argv, .argc = argc};
    const struct command *command =
        likely(known == 0) ? find_command(&engine->commands, request) : take_command(&engine->commands, request, known);
    if (command != NULL && has_fixed_first_key(command) && (size_t)command->keys->index < argc) {
        request->hash = ks_hash(&engine->keyspace, argv[command->keys->index]);
        request->has_hash = true;
    }
}

/* Appends to an error text that is cut at `size`. */
static void append_cut(char *text, size_t *len, size_t size, const char *at, size_t at_len)
{
    size_t room = size - 1 - *len;
    size_t step = at_len < room ? at_len : room;
    memcpy(text + *len, at, step);
    *len += step;
    text[*len] = '\0';
}

enum { PREVIEW_MAX = 128 }; /* bytes of the name, and of the arguments together, that an error quotes */

static size_t at_most(size_t len, size_t most)
{
    return len < most ? len : most;
}

/* Bytes of an argument up to a zero, as text functions would see it. */
static size_t text_length(bytes argument, size_t most)
{
    size_t len = at_most(argument.len, most);
    const char *zero = len > 0 ? memchr(argument.at, '\0', len) : NULL;
    return zero != NULL ? (size_t)(zero - argument.at) : len;
}

/* The first words of an HTTP request: a browser was made to send one here (cross-protocol scripting). The connection is
   cut before what follows is taken for commands. */
static bool is_http(bytes name)
{
    return bytes_equal_nocase(name, BYTES("post")) || bytes_equal_nocase(name, BYTES("host:"));
}

static void cut_off_http(struct call *call)
{
    struct session *session = call->session;
    log_printf(
        &call->engine->log, LOG_WARNING_LEVEL,
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Larder. This "
        "is likely due to an attacker attempting to use Cross Protocol Scripting. Connection from %s aborted.",
        session->address);
    atomic_store_explicit(&session->must_close, true, memory_order_relaxed);
}

static void reply_unknown_command(struct call *call)
{
    char preview[2 * PREVIEW_MAX + 16] = "";
    size_t len = 0;
    for (size_t i = 1; i < call->argc && len < PREVIEW_MAX; i++) {
        append_cut(preview, &len, sizeof(preview), "'", 1);
        append_cut(preview, &len, sizeof(preview), ARG(i).at, text_length(ARG(i), PREVIEW_MAX - (len - 1)));
        append_cut(preview, &len, sizeof(preview), "' ", 2);
    }
    reply_error_format(call, "ERR unknown command '%.*s', with args beginning with: %s",
                       (int)text_length(ARG(0), PREVIEW_MAX), ARG(0).at, preview);
}

static void reply_unknown_subcommand(struct call *call)
{
    char name[COMMAND_NAME_SIZE];
    command_upper_name(call->command, name);
    reply_error_format(call, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)text_length(ARG(1), PREVIEW_MAX),
                       ARG(1).at, name);
}

static bool is_debug_allowed(const struct call *call)
{
    int setting = CFG_READ(call->engine->config, enable_debug_command);
    return setting == CFG_ALLOW_YES || (setting == CFG_ALLOW_LOCAL && call->session->is_local);
}

static ALWAYS_INLINE bool is_permitted(struct call *call)
{
    uint32_t flags = call_flags(call);
    if (unlikely(flags & CMD_PROTECTED) && !is_debug_allowed(call)) {
        reply_error(call,
                    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can "
                    "run it from a local connection, otherwise you need to set this option in the configuration "
                    "file, and then restart the server.");
        return false;
    }
    /* for whom nothing is forbidden, this is all */
    uint64_t generation = atomic_load_explicit(&call->engine->acl.generation, memory_order_relaxed);
    return likely(call->session->free_pass == generation) || acl_permits(call);
}

static void reply_unfenceable(struct call *call)
{
    reply_error(call, "ERR FENCE takes a token and a command on keys");
}

/* FENCE token command ...: what follows is the call, under that token. Who may not say FENCE may not say it so. */
static bool open_fence(struct call *call)
{
    int64_t token;
    if (!is_permitted(call) || !call_integer(call, 1, &token))
        return false;
    if (token < 1) {
        reply_error(call, "ERR a token is greater than 0");
        return false;
    }
    uint32_t number = 0;
    const struct command *command = command_find_numbered(&call->engine->commands, ARG(FENCE_WORDS), &number);
    if (command == NULL) {
        reply_unfenceable(call);
        return false;
    }
    call->fence = (uint64_t)token;
    call->command = command;
    call->number = number;
    call->argv += FENCE_WORDS;
    call->argc -= FENCE_WORDS;
    return true;
}

/* Can a token answer for all that the command writes to? Then its keys are named, or those of a prefix, and it does not
   pass locks over. */
static bool can_be_fenced(const struct command *command)
{
    return (command->keys != NULL || (command->flags & CMD_BY_PREFIX)) &&
           !(command->flags & (CMD_SPARES_LOCKS | CMD_TRANSACTION));
}

/* Finds the subcommand where that has not been done, and checks that the command may be run with so many words. */
static bool resolve(struct call *call)
{
    if (unlikely(call->command == NULL)) {
        if (is_http(ARG(0)))
            cut_off_http(call);
        else
            reply_unknown_command(call);
        return false;
    }
    if (unlikely(call->command->flags & CMD_FENCES) && call->argc > 2 && !open_fence(call))
        return false;
    if (call->command->subcommands != NULL && call->argc > 1) {
        const struct command *subcommand =
            command_find_subnumbered(&call->engine->commands, call->number, ARG(1), &call->number);
        if (subcommand == NULL) {
            reply_unknown_subcommand(call);
            call->command = NULL;
            return false;
        }
        call->container = call->command;
        call->command = subcommand;
    }
    if (unlikely(call->fence != 0) && !can_be_fenced(call->command)) {
        reply_unfenceable(call);
        return false;
    }
    if (unlikely(!command_arity_fits(call->command, call->argc))) {
        reply_arity_error(call);
        return false;
    }
    return true;
}

uint32_t call_effective_flags(const struct call *call)
{
    uint32_t flags = call_flags(call);
    return flags & CMD_RUNS_QUEUE ? flags | transaction_flags(call->session) : flags;
}

/* Is this a call by prefix, while their index is on its way? From the first such call on it is wanted. */
static bool waits_for_prefixes(const struct call *call)
{
    if (!(call_effective_flags(call) & CMD_BY_PREFIX) || !call->session->transport->can_wait)
        return false;
    engine_want_prefixes(call->engine);
    return engine_is_building_prefixes(call->engine);
}

/* Must this call wait: for the end of a CLIENT PAUSE, or for the prefix index? */
static bool is_held_back(const struct call *call)
{
    if (waits_for_prefixes(call))
        return true;
    if (!call->session->transport->is_network || !engine_is_paused(call->engine, call->now_ms))
        return false;
    return atomic_load_explicit(&call->engine->pause_mode, memory_order_relaxed) == PAUSE_ALL ||
           (call_effective_flags(call) & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0;
}

/* How many keys there are in these ranges. */
static size_t count_keys(const struct key_range *ranges, int range_count)
{
    size_t count = 0;
    for (int i = 0; i < range_count; i++)
        count += ranges[i].count;
    return count;
}

static bool ensure_hash_room(struct executor *executor, size_t count)
{
    if (count <= executor->key_hashes_capacity)
        return true;
    uint64_t *hashes = mem_realloc(executor->key_hashes, count * sizeof(*hashes));
    if (hashes == NULL)
        return false;
    executor->key_hashes = hashes;
    executor->key_hashes_capacity = count;
    return true;
}

void executor_give_back_room(struct executor *executor)
{
    enum { hashes_kept = 64 * 1024 };
    if (likely(executor->key_hashes_capacity <= hashes_kept))
        return;
    mem_free(executor->key_hashes);
    executor->key_hashes = NULL;
    executor->key_hashes_capacity = 0;
}

int call_find_keys(const struct call *call, struct key_range ranges[KEY_RANGES_MAX])
{
    int found = command_keys(call->command, call->argv, call->argc, ranges);
    int kept = 0;
    for (int i = 0; i < found; i++)
        if (!(ranges[i].spec->flags & KEY_NOT_KEY))
            ranges[kept++] = ranges[i];
    return kept;
}

/* Finds a call's keys and hashes those of all ranges, one range after the other, into the executor's room. No keys, or
   arguments that the handler will refuse: *key_count is 0. False when there is no memory. */
static bool hash_keys(struct call *call, size_t *key_count)
{
    struct key_range ranges[KEY_RANGES_MAX];
    int range_count = call_find_keys(call, ranges);
    *key_count = count_keys(ranges, range_count);
    if (*key_count == 0)
        return true;
    if (!ensure_hash_room(call->executor, *key_count))
        return false;
    uint64_t *hash = call->executor->key_hashes;
    for (int i = 0; i < range_count; i++)
        for (size_t j = 0; j < ranges[i].count; j++)
            *hash++ = ks_hash(&call->engine->keyspace, ARG(ranges[i].first + j * ranges[i].step));
    call->keys = ranges[0];
    call->key_hashes = call->executor->key_hashes;
    return true;
}

/* ---- Sets of shards ---- */

static size_t shard_set_words(const struct executor *executor)
{
    return (executor->engine->keyspace.shard_count + 63) / 64;
}

void shard_set_clear(struct executor *executor)
{
    memset(executor->shard_set, 0, shard_set_words(executor) * sizeof(*executor->shard_set));
}

void shard_set_add(struct executor *executor, size_t shard)
{
    executor->shard_set[shard / 64] |= 1ULL << (shard % 64);
}

void shard_set_fill(struct executor *executor)
{
    for (size_t i = 0; i < executor->engine->keyspace.shard_count; i++)
        shard_set_add(executor, i);
}

static void for_shard_set(struct executor *executor, void (*act)(struct keyspace *, struct shard *))
{
    struct keyspace *ks = &executor->engine->keyspace;
    for (size_t word = 0; word < shard_set_words(executor); word++)
        for (uint64_t bits = executor->shard_set[word]; bits != 0; bits &= bits - 1)
            act(ks, &ks->shards[word * 64 + (size_t)__builtin_ctzll(bits)]);
}

void shard_set_lock(struct executor *executor)
{
    for_shard_set(executor, ks_lock);
}

void shard_set_unlock(struct executor *executor)
{
    for_shard_set(executor, ks_unlock);
}

/* The keys ever added to the shards of the set, by either of the two functions that mark new ones. */
static size_t sum_added(struct executor *executor, size_t (*mark)(struct shard *))
{
    struct keyspace *ks = &executor->engine->keyspace;
    size_t added = 0;
    for (size_t word = 0; word < shard_set_words(executor); word++)
        for (uint64_t bits = executor->shard_set[word]; bits != 0; bits &= bits - 1)
            added += mark(&ks->shards[word * 64 + (size_t)__builtin_ctzll(bits)]);
    return added;
}

size_t shard_set_begin_adding(struct executor *executor)
{
    return sum_added(executor, ks_begin_adding);
}

size_t shard_set_end_adding(struct executor *executor)
{
    return sum_added(executor, ks_end_adding);
}

/* The keys' buckets are fetched on the way, together instead of one miss after the other. */
static void add_shards(struct call *call, size_t key_count)
{
    const struct keyspace *ks = &call->engine->keyspace;
    for (size_t i = 0; i < key_count; i++) {
        uint64_t hash = call->executor->key_hashes[i];
        ks_prefetch(ks, call_db(call), hash);
        shard_set_add(call->executor, ks_shard_index(ks, hash));
    }
}

bool call_add_shards(struct call *call)
{
    size_t key_count;
    if (!hash_keys(call, &key_count))
        return false;
    add_shards(call, key_count);
    return true;
}

static bool is_missing(struct call *call, bytes name)
{
    struct keyspace *ks = &call->engine->keyspace;
    uint64_t hash = ks_hash(ks, name);
    struct shard *shard = &ks->shards[ks_shard_index(ks, hash)];
    ks_lock(ks, shard);
    bool is_there = ks_find_unchanged(ks, call_db(call), name, hash, call->now_ms).entry != NULL;
    ks_unlock(ks, shard);
    return !is_there;
}

size_t call_count_new_keys(struct call *call)
{
    struct key_range ranges[KEY_RANGES_MAX];
    int range_count = call->command->flags & CMD_DENYOOM && call->command->keys != NULL
                          ? command_keys(call->command, call->argv, call->argc, ranges)
                          : 0;
    size_t count = 0;
    for (int i = 0; i < range_count; i++)
        for (size_t j = 0; j < ranges[i].count && !(ranges[i].spec->flags & KEY_RO); j++)
            count += is_missing(call, ARG(ranges[i].first + j * ranges[i].step));
    return count;
}

/* ---- Running ---- */

void call_run_handler(struct call *call)
{
    bool visits_before = guard_allow_visits(call_flags(call) & (CMD_VISITS_SHARDS | CMD_ALL_SHARDS));
    call->command->run(call);
    guard_allow_visits(visits_before);
    if (unlikely(session_modes(call->session) & MODE_TRACKING))
        tracking_remember(call);
}

/* Runs the handler and counts the call; see call_run_with_shards. */
static ALWAYS_INLINE void run_handler(struct call *call, struct shard *only, bool has_keys)
{
    struct command_stats *stats = command_stats_of(call);
    unsigned gates = atomic_load_explicit(&call->engine->gates, memory_order_relaxed) & GATES_AROUND_CALLS;
    if (likely(gates == 0) && likely(!command_stats_is_due(stats)) && likely(command_is_brief(call->argv, call->argc)))
        call_run_with_shards(call, only, has_keys);
    else
        observe_run(call, stats, gates, only, has_keys);
    stat_add(&stats->calls, 1);
    if (unlikely(call->failed))
        stat_add(&stats->failed, 1);
}

static void run_without_keys(struct call *call)
{
    run_handler(call, NULL, false);
}

static void run_with_keys(struct call *call, size_t key_count)
{
    shard_set_clear(call->executor);
    add_shards(call, key_count);
    shard_set_lock(call->executor);
    run_handler(call, NULL, true);
    shard_set_unlock(call->executor);
}

/* Runs a command whose keys are found by its specifications. */
static void run_general(struct call *call)
{
    size_t key_count;
    if (!hash_keys(call, &key_count))
        reply_no_memory(call);
    else if (key_count == 0)
        run_without_keys(call);
    else
        run_with_keys(call, key_count);
    executor_give_back_room(call->executor);
}

/* Runs a command of one key that was hashed when the request was prepared. */
static void run_single(struct call *call, const struct request *request)
{
    struct keyspace *ks = &call->engine->keyspace;
    struct shard *shard = &ks->shards[ks_shard_index(ks, request->hash)];
    call->keys = (struct key_range){.first = (size_t)call->command->keys->index, .count = 1, .step = 1};
    call->first_hash = request->hash;
    call->key_hashes = &call->first_hash;
    ks_lock(ks, shard);
    run_handler(call, shard, true);
    ks_unlock(ks, shard);
}

static bool has_single_key(const struct command *command)
{
    const struct key_spec *spec = command->keys;
    return spec[0].last == 0 && spec[1].flags == 0;
}

static void run_locked(struct call *call, const struct request *request)
{
    const struct command *command = call->command;
    if (likely(request->has_hash) && likely(command == request->command) && likely(has_single_key(command))) {
        run_single(call, request);
    } else if (command->flags & CMD_ALL_SHARDS) {
        ks_lock_all(&call->engine->keyspace);
        run_without_keys(call);
        ks_unlock_all(&call->engine->keyspace);
    } else if (command->keys != NULL) {
        run_general(call);
    } else {
        run_without_keys(call);
    }
}

void call_run_nested(struct call *call)
{
    size_t key_count;
    if (hash_keys(call, &key_count))
        run_handler(call, NULL, true);
    else
        reply_no_memory(call);
}

static void run_call(struct call *call, const struct request *request)
{
    session_note_command(call->session, call->command, call->container);
    run_locked(call, request);
    assert(guard_is_clear());
}

/* A request that is refused spoils the transaction that it was meant for; a refused EXEC ends it. */
static void refuse(struct call *call)
{
    if (call->command != NULL && (call->command->flags & CMD_RUNS_QUEUE))
        transaction_drop(call->session);
    else
        transaction_spoil(call->session);
    if (call->command != NULL)
        stat_add(&command_stats_of(call)->rejected, 1);
}

/* In RESP2 a client with subscriptions can't tell a reply from a message, and so may say little. */
static bool is_deaf_to(const struct call *call)
{
    return (session_modes(call->session) & MODE_SUBSCRIBED) && !(call_flags(call) & CMD_SUBSCRIBER) &&
           atomic_load_explicit(&call->session->protocol, memory_order_relaxed) == 2;
}

static void refuse_subscriber(struct call *call)
{
    char name[128];
    command_full_name(call->container, call->command, name, sizeof(name));
    reply_error_format(
        call,
        "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        "context",
        name);
}

/* May a permitted call run now, in the state that its session and the engine are in? If not, the error has been
   replied. The order of the questions is Redis's. */
static bool is_in_place(struct call *call)
{
    if (call_is_barred_by_multi(call)) {
        reply_error(call, "ERR Command not allowed inside a transaction");
        return false;
    }
    if ((atomic_load_explicit(&call->engine->gates, memory_order_relaxed) & GATE_MEMORY) && !room_make(call)) {
        reply_error(call, "OOM command not allowed when used memory > 'maxmemory'.");
        return false;
    }
    if (is_deaf_to(call)) {
        refuse_subscriber(call);
        return false;
    }
    if ((call->session->modes & MODE_MONITORS) && (call_flags(call) & (CMD_READONLY | CMD_WRITE | CMD_MAY_REPLICATE))) {
        reply_error(call, "ERR Replica can't interact with the keyspace");
        return false;
    }
    return true;
}

enum verdict { VERDICT_RUN, VERDICT_POSTPONE, VERDICT_SETTLED };

/* A call that may run, unless it has to wait or be queued. */
static enum verdict place(struct call *call)
{
    if (is_held_back(call))
        return VERDICT_POSTPONE;
    if (!(session_modes(call->session) & MODE_MULTI) || transaction_lets_through(call))
        return VERDICT_RUN;
    transaction_queue(call);
    return VERDICT_SETTLED;
}

/* What becomes of a request that is refused, or whose session or engine is in a state that may refuse, delay or queue
   it. room_leave follows when that has happened. */
static enum verdict judge(struct call *call, bool is_acceptable)
{
    session_note_command(call->session, call->command, call->container);
    if (!is_acceptable || !is_in_place(call)) {
        refuse(call);
        return VERDICT_SETTLED;
    }
    return place(call);
}

/* CLIENT REPLY SKIP silences exactly the next command. */
static void follow_client_reply(struct session *session)
{
    if (session->client_reply == CLIENT_REPLY_SKIP_NEXT)
        session_set_client_reply(session, CLIENT_REPLY_SKIPPING);
    else if (session->client_reply == CLIENT_REPLY_SKIPPING)
        session_set_client_reply(session, CLIENT_REPLY_ON);
}

/* What was delivered to a session before its request stands before the reply, be that an error. */
static void receive(struct session *session)
{
    if (session_modes(session) & MODES_LISTENING)
        inbox_settle(session);
}

/* What a session that is not a plain one needs behind a reply: what was delivered to it meanwhile stands there. */
static void conclude(const struct call *call)
{
    struct session *session = call->session;
    unsigned modes = session_modes(session);
    if (modes & MODE_SKIPS)
        follow_client_reply(session);
    if (modes & MODE_TRACKING)
        tracking_conclude(call);
    if (modes & MODE_SUBSCRIBED)
        acl_conclude(session);
    receive(session);
    if (modes & MODE_LEAVES)
        session->modes &= ~(unsigned)MODE_LEAVES;
}

enum run_result request_run(struct session *session, const struct request *request)
{
    struct executor *executor = session->executor;
    struct call call; /* filled field by field: clearing it all first costs as much as a hash */
    call.engine = session->engine;
    call.session = session;
    call.executor = executor;
    call.command = request->command;
    call.container = request->container;
    call.number = request->number;
    call.argv = request->argv;
    call.argc = request->argc;
    call.now_ms = executor->now_ms;
    call.keys.count = 0;
    call.fence = 0;
    call.failed = false;
    call.is_running = false;
    unsigned state = session_modes(session) | atomic_load_explicit(&session->engine->gates, memory_order_relaxed);
    if (unlikely(state != 0))
        receive(session);
    bool is_acceptable = likely(resolve(&call)) && likely(is_permitted(&call));
    bool is_plain = likely(state == 0) && likely(is_acceptable) && likely(!(call.command->flags & CMD_BY_PREFIX));
    enum verdict verdict = likely(is_plain) ? VERDICT_RUN : judge(&call, is_acceptable);
    if (likely(verdict == VERDICT_RUN))
        run_call(&call, request);
    if (unlikely(!is_plain))
        room_leave(executor);
    if (unlikely(verdict == VERDICT_POSTPONE))
        return RUN_POSTPONED;
    if (unlikely(session_modes(session) != 0))
        conclude(&call);
    return RUN_DONE;
}

uint64_t call_key_hash(const struct call *call, size_t argument)
{
    const struct key_range *keys = &call->keys;
    if (likely(keys->count > 0) && argument >= keys->first) {
        size_t offset = argument - keys->first;
        if (likely(offset == 0))
            return call->key_hashes[0];
        if (offset % keys->step == 0 && offset / keys->step < keys->count)
            return call->key_hashes[offset / keys->step];
    }
    return ks_hash(&call->engine->keyspace, ARG(argument)); /* a key of another specification */
}

/* During a CLIENT PAUSE the data stands still: a reader does not even remove what has expired. */
static bool must_keep_expired(const struct call *call)
{
    return atomic_load_explicit(&call->engine->pause_mode, memory_order_relaxed) != PAUSE_NONE &&
           !(call->command->flags & CMD_WRITE) && engine_is_paused(call->engine, call->now_ms);
}

void call_key_peek_in(struct call *call, size_t argument, size_t db, struct ks_key *key)
{
    uint64_t hash = call_key_hash(call, argument);
    struct keyspace *ks = &call->engine->keyspace;
    if (unlikely(must_keep_expired(call)))
        *key = ks_find_unchanged(ks, db, ARG(argument), hash, call->now_ms);
    else
        *key = ks_find(ks, db, ARG(argument), hash, call->now_ms);
}

void call_key_peek(struct call *call, size_t argument, struct ks_key *key)
{
    call_key_peek_in(call, argument, call_db(call), key);
}

/* The rest of a lookup that counts: type and use. */
static bool accept_key(struct call *call, int type, struct ks_key *key)
{
    if (key->entry == NULL)
        return true;
    if (unlikely(type != TYPE_ANY && key->entry->type != type)) {
        reply_wrong_type(call);
        return false;
    }
    if (likely(!atomic_load_explicit(&call->session->no_touch, memory_order_relaxed)))
        ks_touch(key, call->now_ms);
    return true;
}

void call_key_inspect(struct call *call, size_t argument, struct ks_key *key)
{
    call_key_peek(call, argument, key);
    struct executor_stats *stats = &call->executor->stats;
    stat_add(key->entry != NULL ? &stats->hits : &stats->misses, 1);
}

void call_key_look(struct call *call, size_t argument, struct ks_key *key)
{
    call_key_inspect(call, argument, key);
    if (key->entry == NULL)
        call_event(call, CFG_NOTIFY_KEY_MISS, "keymiss", key);
}

bool call_key_read(struct call *call, size_t argument, int type, struct ks_key *key)
{
    call_key_look(call, argument, key);
    return accept_key(call, type, key);
}

bool call_key_write(struct call *call, size_t argument, int type, struct ks_key *key)
{
    call_key_peek(call, argument, key);
    return accept_key(call, type, key);
}

void call_changed_all(struct call *call, size_t keys)
{
    stat_add(&call->executor->stats.changes, keys);
}

bool call_integer(struct call *call, size_t argument, int64_t *out)
{
    if (num_parse_int64(ARG(argument), out))
        return true;
    reply_error(call, "ERR value is not an integer or out of range");
    return false;
}

bool call_database(struct call *call, size_t argument, size_t *db)
{
    int64_t number;
    if (!call_integer(call, argument, &number))
        return false;
    if (number < INT32_MIN || number > INT32_MAX) {
        reply_error_format(call, "ERR value is out of range, value must between %d and %d", INT32_MIN, INT32_MAX);
        return false;
    }
    if (number < 0 || (size_t)number >= call->engine->keyspace.db_count) {
        reply_error(call, "ERR DB index is out of range");
        return false;
    }
    *db = (size_t)number;
    return true;
}

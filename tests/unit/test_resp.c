/* Requests: what a stream of bytes means must not depend on how it was cut on its way. The model is the list of
   requests that a stream was written from; the parser sees it in pieces, in a block of exactly the size that has
   arrived, which moves with every piece, so that a sanitizer notices a byte read too far. */
#include "property.h"

#include "base/mem.h"
#include "protocol/resp.h"

#include <string.h>

enum { ANY_LEN = 512 * 1024 * 1024, SMALL_STREAMS = 300, PIECES_PER_STREAM = 10 };

/* --- a growing block of bytes --- */

struct block {
    char *at;
    size_t len;
    size_t capacity;
};

static void block_add(struct block *block, const void *at, size_t len)
{
    if (block->len + len > block->capacity) {
        block->capacity = 2 * (block->len + len);
        block->at = realloc(block->at, block->capacity);
        assert_non_null(block->at);
    }
    if (len > 0)
        memcpy(block->at + block->len, at, len);
    block->len += len;
}

static void block_add_text(struct block *block, const char *text)
{
    block_add(block, text, strlen(text));
}

static void block_free(struct block *block)
{
    free(block->at);
    *block = (struct block){0};
}

/* A request as both the model and the parse note it: the number of arguments, then length and bytes of each. */
static void note_count(struct block *notes, size_t count)
{
    block_add(notes, &count, sizeof(count));
}

static void note_argument(struct block *notes, const char *at, size_t len)
{
    block_add(notes, &len, sizeof(len));
    block_add(notes, at, len);
}

/* --- parsing in pieces --- */

struct outcome {
    struct block notes; /* the requests found */
    enum resp_status end;
    char error[RESP_ERROR_SIZE];
    size_t unread; /* bytes that belong to no complete request */
};

struct feed {
    char *input; /* what has arrived of the request being parsed and behind it */
    size_t len;
    struct resp_state state;
    struct resp_args args;
    struct resp_limits limits;
    struct outcome outcome;
};

/* Makes the input a block of exactly `keep` of its bytes from `from` on and `more` new ones. */
static void feed_move(struct feed *feed, size_t from, const char *more, size_t more_len)
{
    size_t keep = feed->len - from;
    const char *kept = from > 0 ? feed->input + from : feed->input; /* NULL in the beginning */
    char *moved = malloc(keep + more_len > 0 ? keep + more_len : 1);
    assert_non_null(moved);
    if (keep > 0)
        memcpy(moved, kept, keep);
    if (more_len > 0)
        memcpy(moved + keep, more, more_len);
    resp_args_rebase(&feed->args, kept, moved);
    free(feed->input);
    feed->input = moved;
    feed->len = keep + more_len;
}

static void note_request(struct feed *feed)
{
    note_count(&feed->outcome.notes, feed->args.count);
    for (size_t i = 0; i < feed->args.count; i++)
        note_argument(&feed->outcome.notes, feed->args.items[i].at, feed->args.items[i].len);
}

/* Parses what is there; false when nothing more will be. */
static bool feed_parse(struct feed *feed)
{
    for (;;) {
        enum resp_status status =
            resp_parse(&feed->state, feed->input, feed->len, &feed->args, &feed->limits, feed->outcome.error);
        feed->outcome.end = status;
        if (status == RESP_MORE)
            assert_true(resp_needed(&feed->state, feed->len) > feed->len);
        if (status != RESP_REQUEST && status != RESP_NOTHING)
            return status == RESP_MORE;
        assert_true(feed->state.position > 0 && feed->state.position <= feed->len);
        assert_true((status == RESP_REQUEST) == (feed->args.count > 0));
        if (status == RESP_REQUEST)
            note_request(feed);
        feed->args.count = 0;
        feed_move(feed, feed->state.position, NULL, 0);
        feed->state = (struct resp_state){0};
    }
}

static bool feed_piece(struct feed *feed, const char *piece, size_t len)
{
    feed_move(feed, 0, piece, len);
    return feed_parse(feed);
}

static struct outcome feed_end(struct feed *feed)
{
    struct outcome outcome = feed->outcome;
    outcome.unread = feed->len;
    resp_args_free(&feed->args);
    free(feed->input);
    return outcome;
}

static const struct resp_limits no_limits = {.max_bulk_len = ANY_LEN};
static const struct resp_limits unauthenticated = {.max_bulk_len = ANY_LEN, .is_unauthenticated = true};

static struct outcome parse_cut_once(bytes stream, size_t cut, struct resp_limits limits)
{
    struct feed feed = {.limits = limits};
    if (feed_piece(&feed, stream.at, cut))
        feed_piece(&feed, stream.at + cut, stream.len - cut);
    return feed_end(&feed);
}

static struct outcome parse_in_one_piece(bytes stream, struct resp_limits limits)
{
    return parse_cut_once(stream, stream.len, limits);
}

/* Pieces of one byte, of a few, or of many, changing as it goes. */
static struct outcome parse_in_random_pieces(struct random *random, bytes stream, struct resp_limits limits)
{
    struct feed feed = {.limits = limits};
    size_t most = (size_t)1 << between(random, 0, 14);
    for (size_t at = 0; at < stream.len;) {
        if (one_in(random, 20))
            most = (size_t)1 << between(random, 0, 14);
        size_t len = between(random, 1, most);
        len = len < stream.len - at ? len : stream.len - at;
        if (!feed_piece(&feed, stream.at + at, len))
            break;
        at += len;
    }
    return feed_end(&feed);
}

static void check_found(const struct outcome *outcome, const struct block *model)
{
    assert_int_equal(outcome->notes.len, model->len);
    if (model->len > 0)
        assert_memory_equal(outcome->notes.at, model->at, model->len);
}

static void free_outcome(struct outcome *outcome)
{
    block_free(&outcome->notes);
}

/* --- writing streams and their model --- */

struct written {
    struct block stream;
    struct block model;
    struct random random;
};

static bytes stream_of(const struct written *written)
{
    return (bytes){written->stream.at, written->stream.len};
}

static void write_format(struct written *written, const char *format, size_t number)
{
    char text[64];
    int len = snprintf(text, sizeof(text), format, number);
    block_add(&written->stream, text, (size_t)len);
}

static size_t draw_length(struct random *random)
{
    switch (random_below(random, 12)) {
    case 0:
        return 0;
    case 1:
        return between(random, 1000, 30000);
    case 2:
        return between(random, 99, 101);
    default:
        return between(random, 1, 20);
    }
}

static void draw_bytes(struct random *random, char *to, size_t len)
{
    static const char tempting[] = "*$\r\n\"'\\ 0123456789\0abc";
    for (size_t i = 0; i < len; i++)
        to[i] = one_in(random, 2) ? tempting[random_below(random, sizeof(tempting))] : (char)random_next(random);
}

static void write_array(struct written *written)
{
    struct random *random = &written->random;
    size_t count = one_in(random, 30) ? between(random, 50, 200) : between(random, 1, 5);
    write_format(written, "*%zu\r\n", count);
    note_count(&written->model, count);
    for (size_t i = 0; i < count; i++) {
        size_t len = count > 5 ? between(random, 0, 9) : draw_length(random);
        char *data = malloc(len + 1);
        assert_non_null(data);
        draw_bytes(random, data, len);
        write_format(written, "$%zu\r\n", len);
        block_add(&written->stream, data, len);
        block_add_text(&written->stream, "\r\n");
        note_argument(&written->model, data, len);
        free(data);
    }
}

/* One word of an inline command, plain, in double quotes or in single ones. */
static void write_word(struct written *written)
{
    struct random *random = &written->random;
    char word[64];
    size_t len = between(random, 1, sizeof(word));
    struct block *stream = &written->stream;
    switch (random_below(random, 3)) {
    case 0:
        for (size_t i = 0; i < len; i++)
            word[i] = (char)between(random, 'a', 'z');
        block_add(stream, word, len);
        break;
    case 1:
        draw_bytes(random, word, len);
        block_add_text(stream, "\"");
        for (size_t i = 0; i < len; i++) {
            char escaped[5];
            snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned)(unsigned char)word[i]);
            block_add_text(stream, escaped);
        }
        block_add_text(stream, "\"");
        break;
    default:
        block_add_text(stream, "'");
        for (size_t i = 0; i < len; i++) {
            word[i] = "ab'\" "[random_below(random, 5)];
            block_add_text(stream, word[i] == '\'' ? "\\'" : (char[2]){word[i], '\0'});
        }
        block_add_text(stream, "'");
        break;
    }
    note_argument(&written->model, word, len);
}

static void write_inline(struct written *written)
{
    struct random *random = &written->random;
    size_t count = between(random, 1, 8);
    note_count(&written->model, count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            block_add_text(&written->stream, one_in(random, 5) ? " \t " : " ");
        write_word(written);
    }
    block_add_text(&written->stream, one_in(random, 2) ? "\r\n" : "\n");
}

static void write_nothing(struct written *written)
{
    static const char *const nothings[] = {"\r\n", "\n", "*0\r\n", "*-1\r\n", "   \r\n", "*-2147483648\r\n"};
    block_add_text(&written->stream, nothings[random_below(&written->random, COUNT_OF(nothings))]);
}

static void write_request(struct written *written)
{
    if (one_in(&written->random, 10))
        write_nothing(written);
    else if (one_in(&written->random, 4))
        write_inline(written);
    else
        write_array(written);
}

static void free_written(struct written *written)
{
    block_free(&written->stream);
    block_free(&written->model);
}

/* --- requests do not depend on the cuts --- */

static void a_stream_in_random_pieces_gives_the_requests_it_was_written_from(void **state)
{
    struct random random = property_start(__func__);
    for (int i = 0; i < SMALL_STREAMS; i++) {
        struct written written = {.random = random};
        for (size_t left = between(&written.random, 1, 30); left > 0; left--)
            write_request(&written);
        for (int j = 0; j <= PIECES_PER_STREAM; j++) {
            struct outcome outcome = j == 0 ? parse_in_one_piece(stream_of(&written), no_limits)
                                            : parse_in_random_pieces(&written.random, stream_of(&written), no_limits);
            assert_int_equal(outcome.end, RESP_MORE);
            assert_int_equal(outcome.unread, 0);
            check_found(&outcome, &written.model);
            free_outcome(&outcome);
        }
        random = written.random;
        free_written(&written);
    }
}

/* A stream with every kind of request, short enough to be cut everywhere. */
static struct written write_one_of_each(void)
{
    struct written written = {0};
    random_seed(&written.random, 1);
    block_add_text(&written.stream, "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nwith\r\nbreaks\r\n*0\r\n\r\nPING\r\n"
                                    "set 'it\\'s' \"\\x00\\n\"\n*-1\r\n*1\r\n$4\r\nQUIT\r\n");
    note_count(&written.model, 3);
    note_argument(&written.model, "SET", 3);
    note_argument(&written.model, "", 0);
    note_argument(&written.model, "with\r\nbreaks", 12);
    note_count(&written.model, 1);
    note_argument(&written.model, "PING", 4);
    note_count(&written.model, 3);
    note_argument(&written.model, "set", 3);
    note_argument(&written.model, "it's", 4);
    note_argument(&written.model, "\0\n", 2);
    note_count(&written.model, 1);
    note_argument(&written.model, "QUIT", 4);
    return written;
}

static void a_stream_cut_at_every_position_gives_the_same_requests(void **state)
{
    struct written written = write_one_of_each();
    for (size_t cut = 0; cut <= written.stream.len; cut++) {
        struct outcome outcome = parse_cut_once(stream_of(&written), cut, no_limits);
        assert_int_equal(outcome.end, RESP_MORE);
        assert_int_equal(outcome.unread, 0);
        check_found(&outcome, &written.model);
        free_outcome(&outcome);
    }
    free_written(&written);
}

/* Damaged streams: whatever they mean, and whether or not they break off, the cuts make no difference. */
static void a_damaged_stream_means_the_same_in_any_pieces(void **state)
{
    struct random random = property_start(__func__);
    for (int i = 0; i < SMALL_STREAMS; i++) {
        struct written written = {.random = random};
        for (size_t left = between(&written.random, 1, 10); left > 0; left--)
            write_request(&written);
        for (size_t left = between(&written.random, 1, 4); left > 0; left--)
            draw_bytes(&written.random, written.stream.at + random_below(&written.random, written.stream.len), 1);
        struct resp_limits limits = one_in(&written.random, 2) ? unauthenticated : no_limits;
        struct outcome whole = parse_in_one_piece(stream_of(&written), limits);
        for (int j = 0; j < PIECES_PER_STREAM; j++) {
            struct outcome pieces = parse_in_random_pieces(&written.random, stream_of(&written), limits);
            assert_int_equal(pieces.end, whole.end);
            check_found(&pieces, &whole.notes);
            if (whole.end == RESP_BROKEN)
                assert_string_equal(pieces.error, whole.error);
            else
                assert_int_equal(pieces.unread, whole.unread);
            free_outcome(&pieces);
        }
        free_outcome(&whole);
        random = written.random;
        free_written(&written);
    }
}

static void every_announced_need_brings_the_request_nearer(void **state)
{
    struct random random = property_start(__func__);
    for (int i = 0; i < SMALL_STREAMS; i++) {
        struct written written = {.random = random};
        write_array(&written);
        bytes stream = stream_of(&written);
        struct feed feed = {.limits = no_limits};
        size_t seen = 0;
        size_t steps = 0;
        while (feed.outcome.notes.len == 0) {
            size_t needed = resp_needed(&feed.state, feed.len);
            assert_true(needed > seen && needed <= stream.len);
            if (needed > seen + 1) { /* one byte less is not enough, and changes nothing */
                assert_true(feed_piece(&feed, stream.at + seen, needed - 1 - seen));
                assert_int_equal(resp_needed(&feed.state, feed.len), needed);
                seen = needed - 1;
            }
            assert_true(feed_piece(&feed, stream.at + seen, needed - seen));
            seen = needed;
            steps++;
        }
        assert_int_equal(seen, stream.len);
        assert_true(steps < 16 * 201); /* the lines byte by byte, the arguments in one go */
        struct outcome outcome = feed_end(&feed);
        check_found(&outcome, &written.model);
        free_outcome(&outcome);
        random = written.random;
        free_written(&written);
    }
}

/* --- against the protocol --- */

static const struct {
    const char *stream;
    size_t len; /* 0: up to the terminator */
    const char *error;
    bool is_only_unauthenticated;
} broken_streams[] = {
    {"*1\r\nPING\r\n", 0, "expected '$', got 'P'", false},
    {"*1\r\n\r\n", 0, "expected '$', got ' '", false},
    {"*1\r\n\nab\r\n", 0, "expected '$', got ' '", false},
    {"*1\r\n*1\r\n", 0, "expected '$', got '*'", false},
    {"*2\r\n$1\r\na\r\n:5\r\n", 0, "expected '$', got ':'", false},
    {"*1\r\n\0\r\n", 7, "expected '$', got '", false},
    {"*\r\n", 0, "invalid multibulk length", false},
    {"*a\r\n", 0, "invalid multibulk length", false},
    {"* 1\r\n", 0, "invalid multibulk length", false},
    {"*01\r\n", 0, "invalid multibulk length", false},
    {"*+1\r\n", 0, "invalid multibulk length", false},
    {"*1\n\r\n", 0, "invalid multibulk length", false},
    {"*2147483648\r\n", 0, "invalid multibulk length", false},
    {"*99999999999999999999\r\n", 0, "invalid multibulk length", false},
    {"*1\r\n$\r\n", 0, "invalid bulk length", false},
    {"*1\r\n$a\r\n", 0, "invalid bulk length", false},
    {"*1\r\n$-1\r\n", 0, "invalid bulk length", false},
    {"*1\r\n$01\r\na\r\n", 0, "invalid bulk length", false},
    {"*1\r\n$1 \r\na\r\n", 0, "invalid bulk length", false},
    {"*1\r\n$536870913\r\n", 0, "invalid bulk length", false},
    {"*1\r\n$9223372036854775807\r\n", 0, "invalid bulk length", false},
    {"*1\r\n$99999999999999999999\r\n", 0, "invalid bulk length", false},
    {"set \"k\r\n", 0, "unbalanced quotes in request", false},
    {"set 'k\r\n", 0, "unbalanced quotes in request", false},
    {"set \"k\"v\r\n", 0, "unbalanced quotes in request", false},
    {"set 'k'v\r\n", 0, "unbalanced quotes in request", false},
    {"set \"k\\\"\r\n", 0, "unbalanced quotes in request", false},
    {"*11\r\n", 0, "unauthenticated multibulk length", true},
    {"*2147483647\r\n", 0, "unauthenticated multibulk length", true},
    {"*1\r\n$16385\r\n", 0, "unauthenticated bulk length", true},
};

static void every_offence_has_its_text_in_any_pieces(void **state)
{
    for (size_t i = 0; i < COUNT_OF(broken_streams); i++) {
        bytes stream = {broken_streams[i].stream,
                        broken_streams[i].len > 0 ? broken_streams[i].len : strlen(broken_streams[i].stream)};
        bool is_only_unauthenticated = broken_streams[i].is_only_unauthenticated;
        for (size_t cut = 0; cut <= stream.len; cut++) {
            struct outcome outcome = parse_cut_once(stream, cut, is_only_unauthenticated ? unauthenticated : no_limits);
            assert_int_equal(outcome.end, RESP_BROKEN);
            assert_string_equal(outcome.error, broken_streams[i].error);
            assert_int_equal(outcome.notes.len, 0);
            free_outcome(&outcome);
        }
        if (is_only_unauthenticated) {
            struct outcome outcome = parse_in_one_piece(stream, no_limits);
            assert_int_equal(outcome.end, RESP_MORE);
            free_outcome(&outcome);
        }
    }
}

static void an_offence_does_not_undo_the_requests_before_it(void **state)
{
    struct outcome outcome = parse_in_one_piece(BYTES("*1\r\n$4\r\nPING\r\n*x\r\n"), no_limits);
    struct block model = {0};
    note_count(&model, 1);
    note_argument(&model, "PING", 4);
    assert_int_equal(outcome.end, RESP_BROKEN);
    check_found(&outcome, &model);
    block_free(&model);
    free_outcome(&outcome);
}

/* `count` bytes 'x' behind a beginning. */
static struct block long_line(const char *beginning, size_t count)
{
    struct block block = {0};
    block_add_text(&block, beginning);
    for (size_t i = 0; i < count; i++)
        block_add(&block, "1", 1);
    return block;
}

static void lines_without_an_end_are_refused_beyond_their_limit(void **state)
{
    static const struct {
        const char *before;
        const char *beginning; /* of the line */
        const char *error;
    } cases[] = {
        {"", "", "too big inline request"},
        {"", "*", "too big mbulk count string"},
        {"*1\r\n", "$", "too big bulk count string"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t over = 0; over <= 1; over++) {
            struct block stream = {0};
            struct block line = long_line(cases[i].beginning, RESP_LINE_MAX + over - strlen(cases[i].beginning));
            block_add_text(&stream, cases[i].before);
            block_add(&stream, line.at, line.len);
            for (size_t step = 1; step < stream.len; step += stream.len / 7) {
                struct outcome outcome = parse_cut_once((bytes){stream.at, stream.len}, step, no_limits);
                assert_int_equal(outcome.end, over ? RESP_BROKEN : RESP_MORE);
                if (over)
                    assert_string_equal(outcome.error, cases[i].error);
                free_outcome(&outcome);
            }
            block_free(&line);
            block_free(&stream);
        }
    }
}

static enum resp_status status_of(const char *text, struct resp_limits limits)
{
    struct outcome outcome = parse_in_one_piece(bytes_of(text), limits);
    free_outcome(&outcome);
    return outcome.end;
}

static void limits_are_reached_but_not_passed(void **state)
{
    struct resp_limits ten = {.max_bulk_len = 10};
    assert_int_equal(status_of("*1\r\n$10\r\n0123456789\r\n", ten), RESP_MORE);
    assert_int_equal(status_of("*1\r\n$11\r\n0123456789a\r\n", ten), RESP_BROKEN);
    assert_int_equal(status_of("*1\r\n$11\r\n", ten), RESP_BROKEN);
    assert_int_equal(status_of("*2147483647\r\n", no_limits), RESP_MORE);
    assert_int_equal(status_of("*10\r\n", unauthenticated), RESP_MORE);
    assert_int_equal(status_of("*1\r\n$16384\r\n", unauthenticated), RESP_MORE);
    assert_int_equal(status_of("a b c d e f g h i j k l m n\r\n", unauthenticated),
                     RESP_MORE); /* only arrays are counted */
}

static void a_whole_argument_over_the_limit_is_refused_like_an_announced_one(void **state)
{
    for (size_t over = 0; over <= 1; over++) {
        struct block stream = {0};
        char header[32];
        snprintf(header, sizeof(header), "*1\r\n$%zu\r\n", RESP_UNAUTHENTICATED_BULK + over);
        block_add_text(&stream, header);
        struct block data = long_line("", RESP_UNAUTHENTICATED_BULK + over);
        block_add(&stream, data.at, data.len);
        block_add_text(&stream, "\r\n");
        struct outcome outcome = parse_in_one_piece((bytes){stream.at, stream.len}, unauthenticated);
        assert_int_equal(outcome.end, over ? RESP_BROKEN : RESP_MORE);
        assert_int_equal(outcome.unread > 0, over);
        free_outcome(&outcome);
        block_free(&data);
        block_free(&stream);
    }
}

/* --- what is let through, as Redis does --- */

static void check_words(const char *stream, size_t len, const char *const *words, size_t count)
{
    struct block model = {0};
    note_count(&model, count);
    for (size_t i = 0; i < count; i++)
        note_argument(&model, words[i], strlen(words[i]));
    for (size_t cut = 0; cut <= len; cut++) {
        struct outcome outcome = parse_cut_once((bytes){stream, len}, cut, no_limits);
        assert_int_equal(outcome.end, RESP_MORE);
        assert_int_equal(outcome.unread, 0);
        check_found(&outcome, &model);
        free_outcome(&outcome);
    }
    block_free(&model);
}

#define CHECK_WORDS(stream, ...)                                                \
    check_words(stream, sizeof(stream) - 1, (const char *const[]){__VA_ARGS__}, \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void bytes_behind_a_length_and_an_argument_are_skipped_unseen(void **state)
{
    CHECK_WORDS("*2\rx$1\rya__$2\r\nbc\n\n", "a", "bc");
    CHECK_WORDS("*1\r\r$0\r\n$$", "");
}

static void inline_words_are_unquoted(void **state)
{
    CHECK_WORDS("set k \"a b\"\r\n", "set", "k", "a b");
    CHECK_WORDS("set k 'a b'\n", "set", "k", "a b");
    CHECK_WORDS("set k \"\"\r\n", "set", "k", "");
    CHECK_WORDS("\"\" ''\r\n", "", "");
    CHECK_WORDS("\"\\x41\\x7a\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", "Az\n\r\t\b\a\\\"q");
    CHECK_WORDS("'\\x41\\n' 'it\\'s'\r\n", "\\x41\\n", "it's");
    CHECK_WORDS("a\"b c\" d'e f'\r\n", "ab c", "de f");
    CHECK_WORDS(" \t a \v b \f\r\n", "a", "b");
    CHECK_WORDS("\"\\x4\" \"\\xg1\"\r\n", "x4", "xg1");
    CHECK_WORDS("a\rb\r\n", "a", "b");
    CHECK_WORDS("$1 *2\n", "$1", "*2");
}

/* --- without memory --- */

static void running_out_of_memory_is_said_and_harmless(void **state)
{
    static const char *const streams[] = {
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
        "set k \"quoted value\"\r\n",
        "a b c d e f g h i j k l m n o p q r s t u v w x y z\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        for (long allowed = 0;; allowed++) {
            char input[128];
            struct resp_state parse_state = {0};
            struct resp_args args = {0};
            char error[RESP_ERROR_SIZE];
            memcpy(input, streams[i], strlen(streams[i]));
            mem_fail_after(allowed);
            enum resp_status status = resp_parse(&parse_state, input, strlen(streams[i]), &args, &no_limits, error);
            mem_fail_after(-1);
            resp_args_free(&args);
            if (status == RESP_REQUEST) {
                assert_true(allowed > 0);
                break;
            }
            assert_int_equal(status, RESP_NO_MEMORY);
        }
    }
}

static void moving_arguments_keeps_them_in_order(void **state)
{
    struct resp_args from = {0};
    struct resp_args to = {0};
    static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < 36; i++)
        assert_true(resp_args_add(&from, (bytes){text + i, 1}));
    assert_true(resp_args_move(&to, &from, 10));
    assert_int_equal(from.count, 10);
    assert_int_equal(to.count, 26);
    assert_ptr_equal(to.items[0].at, text + 10);
    assert_true(resp_args_move(&to, &from, 0));
    assert_int_equal(from.count, 0);
    assert_int_equal(to.count, 36);
    assert_ptr_equal(to.items[26].at, text);
    assert_ptr_equal(to.items[35].at, text + 9);
    resp_args_free(&from);
    resp_args_free(&to);
    assert_null(to.items);
}

/* --- replies --- */

struct encoding {
    struct out_pool pool;
    struct out out;
    const struct reply_encoder *encoder;
};

static void check_sent(struct encoding *encoding, const char *expected, size_t len)
{
    struct block sent = {0};
    while (!out_is_empty(&encoding->out)) {
        struct iovec piece;
        if (out_vector(&encoding->out, &piece, 1) == 1) {
            size_t step = piece.iov_len > 7 ? 7 : piece.iov_len;
            block_add(&sent, piece.iov_base, step);
            out_sent(&encoding->out, step);
        } else {
            out_sent(&encoding->out, 0);
        }
    }
    assert_false(encoding->out.failed);
    assert_int_equal(sent.len, len);
    if (len > 0)
        assert_memory_equal(sent.at, expected, len);
    block_free(&sent);
}

/* Runs `act` under each encoder and compares what would be sent; nothing at all under the silent one. */
static void check_encoded(void (*act)(const struct reply_encoder *, struct out *), bytes resp2, bytes resp3)
{
    const struct {
        const struct reply_encoder *encoder;
        bytes expected;
    } cases[] = {{resp_encoders[2], resp2}, {resp_encoders[3], resp3}, {&reply_encoder_silent, BYTES("")}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct encoding encoding = {.encoder = cases[i].encoder};
        out_init(&encoding.out, &encoding.pool);
        act(encoding.encoder, &encoding.out);
        check_sent(&encoding, cases[i].expected.at, cases[i].expected.len);
        out_pool_free(&encoding.pool);
    }
}

static void act_simple(const struct reply_encoder *to, struct out *out)
{
    to->status(out, BYTES("OK"));
    to->error(out, BYTES("ERR no"));
    to->integer(out, 0);
    to->integer(out, INT64_MIN);
    to->integer(out, INT64_MAX);
    to->bulk(out, BYTES("a\r\nb"));
    to->bulk(out, (bytes){NULL, 0});
    to->null(out);
    to->null_array(out);
    to->boolean(out, true);
    to->boolean(out, false);
}

static void simple_types(void **state)
{
    check_encoded(
        act_simple,
        BYTES("+OK\r\n-ERR no\r\n:0\r\n:-9223372036854775808\r\n:9223372036854775807\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"
              "$-1\r\n*-1\r\n:1\r\n:0\r\n"),
        BYTES("+OK\r\n-ERR no\r\n:0\r\n:-9223372036854775808\r\n:9223372036854775807\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"
              "_\r\n_\r\n#t\r\n#f\r\n"));
}

static void act_numbers(const struct reply_encoder *to, struct out *out)
{
    to->real(out, 0);
    to->real(out, -1.5);
    to->real(out, 3.1415926535897931);
    to->real(out, 1e300);
    to->real(out, 1.0 / 0.0);
    to->real(out, -1.0 / 0.0);
    to->real(out, 0.0 / 0.0);
    to->big_number(out, BYTES("123456789012345678901234567890"));
    to->verbatim(out, "txt", BYTES("hello"));
    to->verbatim(out, "mkd", BYTES(""));
}

static void reals_big_numbers_and_verbatim_texts(void **state)
{
    check_encoded(
        act_numbers,
        BYTES("$1\r\n0\r\n$4\r\n-1.5\r\n$17\r\n3.141592653589793\r\n$6\r\n1e+300\r\n$3\r\ninf\r\n$4\r\n-inf\r\n"
              "$3\r\nnan\r\n$30\r\n123456789012345678901234567890\r\n$5\r\nhello\r\n$0\r\n\r\n"),
        BYTES(",0\r\n,-1.5\r\n,3.141592653589793\r\n,1e+300\r\n,inf\r\n,-inf\r\n,nan\r\n"
              "(123456789012345678901234567890\r\n=9\r\ntxt:hello\r\n=4\r\nmkd:\r\n"));
}

static void act_aggregates(const struct reply_encoder *to, struct out *out)
{
    to->array(out, 0);
    to->array(out, 18446744073709551615U);
    to->map(out, 3);
    to->set(out, 2);
    to->push(out, 4);
    to->attribute(out, 1);
}

static void announced_aggregates(void **state)
{
    check_encoded(act_aggregates, BYTES("*0\r\n*18446744073709551615\r\n*6\r\n*2\r\n*4\r\n*2\r\n"),
                  BYTES("*0\r\n*18446744073709551615\r\n%3\r\n~2\r\n>4\r\n|1\r\n"));
}

static void act_deferred(const struct reply_encoder *to, struct out *out)
{
    to->status(out, BYTES("before"));
    struct out_chunk *map = to->begin(out);
    to->integer(out, 1);
    struct out_chunk *array = to->begin(out);
    struct out_chunk *set = to->begin(out);
    to->bulk(out, BYTES("x"));
    to->end_set(out, set, 1);
    to->end_array(out, array, 1);
    struct out_chunk *empty = to->begin(out);
    to->end_array(out, empty, 0);
    to->integer(out, 2);
    to->end_map(out, map, 2);
    to->status(out, BYTES("after"));
}

static void aggregates_whose_length_comes_last(void **state)
{
    check_encoded(act_deferred, BYTES("+before\r\n*4\r\n:1\r\n*1\r\n*1\r\n$1\r\nx\r\n*0\r\n:2\r\n+after\r\n"),
                  BYTES("+before\r\n%2\r\n:1\r\n*1\r\n~1\r\n$1\r\nx\r\n*0\r\n:2\r\n+after\r\n"));
}

/* Bulk strings at the sizes where the encoder changes its way, and where chunks end. */
static void bulk_strings_of_every_size(void **state)
{
    static const size_t sizes[] = {1, 9, 10, 99, 100, 8191, 8192, 8193, 16000, 16384, 16385, 100000};
    for (int version = 2; version <= 3; version++) {
        struct encoding encoding = {.encoder = resp_encoders[version]};
        out_init(&encoding.out, &encoding.pool);
        struct block expected = {0};
        for (size_t i = 0; i < 3 * COUNT_OF(sizes); i++) {
            struct block data = long_line("", sizes[i % COUNT_OF(sizes)]);
            char header[32];
            snprintf(header, sizeof(header), "$%zu\r\n", data.len);
            encoding.encoder->bulk(&encoding.out, (bytes){data.at, data.len});
            block_add_text(&expected, header);
            block_add(&expected, data.at, data.len);
            block_add_text(&expected, "\r\n");
            block_free(&data);
        }
        assert_int_equal(out_pending(&encoding.out), expected.len);
        check_sent(&encoding, expected.at, expected.len);
        block_free(&expected);
        out_pool_free(&encoding.pool);
    }
}

static void a_blob_is_sent_from_where_it_lies_and_let_go_of(void **state)
{
    struct blob *blob = blob_new(100000);
    assert_non_null(blob);
    blob->len = 100000;
    memset(blob->data, 'b', blob->len);
    for (int version = 2; version <= 3; version++) {
        struct encoding encoding = {.encoder = resp_encoders[version]};
        out_init(&encoding.out, &encoding.pool);
        encoding.encoder->blob(&encoding.out, blob, 10, 90000);
        encoding.encoder->blob(&encoding.out, blob, 99999, 1);
        encoding.encoder->blob(&encoding.out, blob, 5, 0);
        assert_false(blob_is_sole(blob));
        struct iovec vector[4];
        assert_int_equal(out_vector(&encoding.out, vector, 4), 4);
        assert_ptr_equal(vector[1].iov_base, blob->data + 10);
        assert_int_equal(vector[1].iov_len, 90000);
        struct block expected = {0};
        block_add_text(&expected, "$90000\r\n");
        block_add(&expected, blob->data, 90000);
        block_add_text(&expected, "\r\n$1\r\nb\r\n$0\r\n\r\n");
        check_sent(&encoding, expected.at, expected.len);
        assert_true(blob_is_sole(blob));
        encoding.encoder->blob(&encoding.out, blob, 0, 100000);
        assert_false(blob_is_sole(blob));
        out_clear(&encoding.out); /* the client went away */
        assert_true(blob_is_sole(blob));
        block_free(&expected);
        out_pool_free(&encoding.pool);
    }
    blob_drop(blob);
}

/* Whatever allocation fails, the output says that it is incomplete, and can be dropped. */
static void a_reply_without_memory_marks_the_output(void **state)
{
    struct blob *blob = blob_new(100);
    assert_non_null(blob);
    blob->len = 100;
    memset(blob->data, 'b', blob->len);
    for (int version = 2; version <= 3; version++) {
        bool has_failed = true;
        for (long allowed = 0; has_failed; allowed++) {
            struct encoding encoding = {.encoder = resp_encoders[version]};
            out_init(&encoding.out, &encoding.pool);
            mem_fail_after(allowed);
            act_simple(encoding.encoder, &encoding.out);
            act_numbers(encoding.encoder, &encoding.out);
            act_deferred(encoding.encoder, &encoding.out);
            encoding.encoder->blob(&encoding.out, blob, 0, 100);
            mem_fail_after(-1);
            has_failed = encoding.out.failed;
            out_clear(&encoding.out);
            assert_true(blob_is_sole(blob));
            out_pool_free(&encoding.pool);
            if (allowed > 100)
                fail_msg("it never succeeds");
        }
    }
    blob_drop(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_in_random_pieces_gives_the_requests_it_was_written_from),
        cmocka_unit_test(a_stream_cut_at_every_position_gives_the_same_requests),
        cmocka_unit_test(a_damaged_stream_means_the_same_in_any_pieces),
        cmocka_unit_test(every_announced_need_brings_the_request_nearer),
        cmocka_unit_test(every_offence_has_its_text_in_any_pieces),
        cmocka_unit_test(an_offence_does_not_undo_the_requests_before_it),
        cmocka_unit_test(lines_without_an_end_are_refused_beyond_their_limit),
        cmocka_unit_test(limits_are_reached_but_not_passed),
        cmocka_unit_test(a_whole_argument_over_the_limit_is_refused_like_an_announced_one),
        cmocka_unit_test(bytes_behind_a_length_and_an_argument_are_skipped_unseen),
        cmocka_unit_test(inline_words_are_unquoted),
        cmocka_unit_test(running_out_of_memory_is_said_and_harmless),
        cmocka_unit_test(moving_arguments_keeps_them_in_order),
        cmocka_unit_test(simple_types),
        cmocka_unit_test(reals_big_numbers_and_verbatim_texts),
        cmocka_unit_test(announced_aggregates),
        cmocka_unit_test(aggregates_whose_length_comes_last),
        cmocka_unit_test(bulk_strings_of_every_size),
        cmocka_unit_test(a_blob_is_sent_from_where_it_lies_and_let_go_of),
        cmocka_unit_test(a_reply_without_memory_marks_the_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

"""Every operator, byte by byte: what it answers, what it changes, and what it takes for an error."""

import pytest
from support.waiting import wait_until

from .peer import (
    CLOSED,
    COUNT,
    DEC,
    DEL,
    END,
    ERR,
    GET,
    INC,
    KEYS,
    LOCK,
    LOCKED,
    MDEC,
    MDEL,
    MEM,
    META,
    MGET,
    MINC,
    MLOCK,
    MSET,
    MTTL,
    MUNLOCK,
    NAN,
    NOT_FOUND,
    OK,
    PING,
    SET,
    STATS,
    TTL,
    UNLOCK,
    listing,
    number,
    parse_listing,
    parse_number,
    value,
)

ALL = [*range(1, 22), END]
ONE_ARGUMENT = [GET, DEL, INC, DEC, UNLOCK, MDEL, MINC, MDEC, MUNLOCK, COUNT, KEYS]
TWO_ARGUMENTS = [TTL, LOCK, MSET, MTTL, MLOCK, META]
LARGEST, SMALLEST = (1 << 63) - 1, -(1 << 63)
META_FIELDS = [b"size", b"encoding", b"access", b"created", b"ttl", b"left", b"lock"]


def store(ask, **items):
    for key, text in items.items():
        assert ask(SET, b"0 " + key.encode() + b" " + text.encode()) == value(text.encode())


def meta(ask, key, field):
    return parse_number(ask(META, key + b" " + field))


# --- frames ---


def test_replies_are_these_very_bytes(ask):
    for opcode, payload, reply in (
        (SET, b"0 foo bar", "0600 00 03000000 626172"),
        (GET, b"nokey", "0100 00 01000000 00"),
        (MGET, b"f", "0700 00 13000000 01000000 03000000 666f6f 00 03000000 626172"),
        (INC, b"n", "0600 02 08000000 0100000000000000"),
        (MDEC, b"n", "0600 02 08000000 0100000000000000"),
        (DEC, b"n", "0600 02 08000000 ffffffffffffffff"),
        (KEYS, b"f", "0700 00 11000000 01000000 01000000 30 00 03000000 666f6f"),
        (PING, b"", "0500 00 01000000 00"),
        (GET, b"", "0000 00 01000000 00"),
        (TTL, b"foo x", "0200 00 01000000 00"),
        (LOCK, b"foo -1", "0500 00 01000000 00"),
        (DEL, b"foo", "0400 00 01000000 00"),
        (END, b"", "0500 00 01000000 00"),
    ):
        assert ask(opcode, payload).hex() == bytes.fromhex(reply).hex()


@pytest.mark.parametrize("opcode", [-1, 0, 22, 23, 254, 256, 32767])
def test_unknown_operators_close_the_connection(ask, opcode):
    assert ask(opcode % 65536, b"foo") == CLOSED


def test_what_ping_stats_and_end_are_given_is_ignored(ask):
    assert ask(PING, b" anything") == OK
    assert len(parse_listing(ask(STATS, b"anything"))) == 27
    assert ask(END, b"anything") == OK


# --- arguments ---


@pytest.mark.parametrize("opcode", [opcode for opcode in ALL if opcode not in (STATS, PING, END)])
def test_an_empty_key_or_prefix_is_an_error(ask, opcode):
    for payload in (b"", b" ", b" foo", b" foo 1"):
        assert ask(opcode, payload) == ERR


@pytest.mark.parametrize("opcode", TWO_ARGUMENTS)
def test_a_missing_or_empty_second_argument_is_an_error(ask, opcode):
    store(ask, foo="1")
    for payload in (b"foo", b"foo "):
        assert ask(opcode, payload) == ERR
        assert ask(opcode, payload.replace(b"foo", b"nokey")) == ERR


def test_set_needs_three_arguments(ask):
    for payload in (b"0", b"0 ", b"0 foo", b"0 foo ", b"0  foo", b"x foo", b"x foo "):
        assert ask(SET, payload) == ERR
    assert ask(GET, b"foo") == NOT_FOUND


@pytest.mark.parametrize("opcode", ONE_ARGUMENT)
def test_what_follows_the_only_argument_is_ignored(make_peer, opcode):
    bare, followed = make_peer(), make_peer()
    for peer in (bare, followed):
        store(peer.ask, foo="1")
    for rest in (b" ", b" bar", b" bar baz"):
        assert followed.ask(opcode, b"foo" + rest) == bare.ask(opcode, b"foo")


def test_a_value_is_all_that_follows_the_key(ask):
    for text in (b" ", b"  x  ", b"a b c", b"\x00", bytes(range(256))):
        assert ask(SET, b"0 foo " + text) == value(text)
        assert ask(GET, b"foo") == value(text)
        assert ask(MSET, b"foo " + text + text) == number(1)
        assert ask(GET, b"foo") == value(text + text)


def test_keys_are_any_bytes_but_a_space(ask):
    keys = [bytes([byte]) + b"key" + bytes([byte]) for byte in range(256) if byte != 0x20]
    for key in keys:
        assert ask(SET, b"0 " + key + b" " + key) == value(key)
    for key in keys:
        assert ask(GET, key) == value(key)
        assert ask(MGET, key) == listing((key, key))
        assert ask(COUNT, key[:-1]) == number(1)


def test_a_key_that_is_too_long_is_cut_and_the_next_byte_lost(make_peer):
    ask = make_peer(max_key_size=4).ask
    assert ask(SET, b"0 abcd value") == value(b"value")
    assert ask(GET, b"abcd") == value(b"value")
    assert ask(GET, b"abcdefgh") == value(b"value")
    assert ask(SET, b"0 abcdefgh") == value(b"fgh")  # key abcd; e is lost
    assert ask(GET, b"abcd") == value(b"fgh")
    assert ask(SET, b"0 abcdef gh") == value(b"f gh")
    assert ask(SET, b"0 abcde") == ERR
    assert ask(MSET, b"abcdXY") == number(1)
    assert ask(GET, b"abcd") == value(b"Y")
    assert ask(TTL, b"abcdX100") == OK
    assert meta(ask, b"abcd", b"ttl") == 100
    assert ask(MGET, b"abcdX9") == listing((b"abcd", b"Y"))


def test_a_value_that_is_too_long_is_cut(make_peer):
    ask = make_peer(max_value_size=4).ask
    assert ask(SET, b"0 foo abcd") == value(b"abcd")
    assert ask(SET, b"0 foo abcdef") == value(b"abcd")
    assert ask(GET, b"foo") == value(b"abcd")
    assert ask(MSET, b"f 123456") == number(1)
    assert ask(GET, b"foo") == value(b"1234")


@pytest.mark.parametrize(
    "text, meaning",
    [
        (b"7", 7),
        (b"-7", -7),
        (b"-07", -7),
        (b"0", 0),
        (b"012", 0),
        (b"0abc", 0),
        (b"-", 0),
        (b"-0", 0),
        (b"9223372036854775807", LARGEST),
        (b"-9223372036854775808", SMALLEST),
        (b"x", None),
        (b"7x", None),
        (b"+7", None),
        (b"--7", None),
        (b"-x", None),
        (b"7 ", None),
        (b"1.5", None),
        (b"\xb2", None),
    ],
)
def test_numbers_are_read_in_a_way_of_their_own(ask, text, meaning):
    assert ask(SET, b"0 n " + text) == value(text)
    if meaning is None:
        assert ask(INC, b"n") == ask(DEC, b"n") == NAN
        assert ask(GET, b"n") == value(text)
        assert ask(LOCK, b"n " + text) == NAN
    else:
        expected = (meaning + 1 + (1 << 63)) % (1 << 64) - (1 << 63)
        assert ask(INC, b"n") == number(expected)
        assert ask(LOCK, b"n " + text) == OK
        assert meta(ask, b"n", b"lock") == meaning


def test_a_ttl_that_is_no_number_comes_after_the_syntax_and_before_the_lock(ask):
    store(ask, foo="bar")
    assert ask(LOCK, b"foo -1") == OK
    assert ask(SET, b"x foo ") == ERR
    assert ask(SET, b"x foo new") == NAN
    assert ask(SET, b"0 foo new") == LOCKED


# --- SET, GET, DEL ---


def test_set_answers_with_the_value_and_get_finds_it(ask):
    assert ask(SET, b"0 foo bar") == value(b"bar")
    assert ask(GET, b"foo") == value(b"bar")
    assert ask(SET, b"0 foo 12") == value(b"12")
    assert ask(GET, b"foo") == value(b"12")  # text, although of digits
    assert ask(GET, b"fo") == ask(GET, b"fooo") == NOT_FOUND


def test_set_clears_a_former_ttl(peer):
    ask = peer.ask
    assert ask(SET, b"100 foo bar") == value(b"bar")
    assert meta(ask, b"foo", b"ttl") == 100
    for ttl in (b"0", b"-5", b"-"):
        assert ask(SET, ttl + b" foo bar") == value(b"bar")
        assert meta(ask, b"foo", b"ttl") == -1
        assert meta(ask, b"foo", b"left") == -1


def test_ttls_are_clamped(make_peer):
    peer = make_peer(max_item_ttl=1000)
    ask = peer.ask
    for given, stored in ((b"999", 999), (b"1001", 1000), (b"9223372036854775807", 1000)):
        ask(SET, given + b" foo bar")
        assert meta(ask, b"foo", b"ttl") == stored
    for given, stored in ((b"999", 999), (b"1001", 1000), (b"0", 0), (b"-1", 1000), (b"-9", 1000)):
        assert ask(TTL, b"foo " + given) == OK
        assert meta(ask, b"foo", b"ttl") == stored
        assert ask(MTTL, b"f " + given) == number(1)
        assert meta(ask, b"foo", b"ttl") == stored


def test_long_ttls_do_not_wrap(make_peer):
    ask = make_peer(max_item_ttl=2592000).ask
    for ttl in (32768, 65546, 2592000):
        ask(SET, b"%d foo bar" % ttl)
        assert meta(ask, b"foo", b"ttl") == ttl


def test_del_deletes_once(ask):
    store(ask, foo="bar")
    assert ask(DEL, b"foo") == OK
    assert ask(DEL, b"foo") == NOT_FOUND
    assert ask(GET, b"foo") == NOT_FOUND


# --- expiry ---


def test_an_item_expires_when_its_seconds_are_over(peer):
    ask = peer.ask
    ask(SET, b"10 foo bar")
    peer.pass_seconds(9)
    assert ask(GET, b"foo") == value(b"bar")
    assert meta(ask, b"foo", b"left") == 1
    peer.pass_seconds(1)
    assert ask(GET, b"foo") == NOT_FOUND


@pytest.mark.parametrize(
    "opcode, payload, reply",
    [
        (TTL, b"foo 100", NOT_FOUND),
        (GET, b"foo", NOT_FOUND),
        (DEL, b"foo", NOT_FOUND),
        (LOCK, b"foo x", NOT_FOUND),
        (UNLOCK, b"foo", NOT_FOUND),
        (META, b"foo ttl", NOT_FOUND),
        (MSET, b"f new", NOT_FOUND),
        (MTTL, b"f 100", NOT_FOUND),
        (MGET, b"f", NOT_FOUND),
        (MDEL, b"f", NOT_FOUND),
        (MINC, b"f", NOT_FOUND),
        (MDEC, b"f", NOT_FOUND),
        (MLOCK, b"f 1", NOT_FOUND),
        (MUNLOCK, b"f", NOT_FOUND),
        (COUNT, b"f", number(0)),
        (KEYS, b"f", NOT_FOUND),
        (SET, b"0 foo new", value(b"new")),
    ],
)
def test_no_operator_sees_an_expired_item(make_peer, opcode, payload, reply):
    peer = make_peer(expired_cron=10**6)
    peer.ask(SET, b"2 foo 5")
    peer.pass_seconds(2)
    assert peer.ask(opcode, payload) == reply


def test_inc_of_an_expired_item_creates_at_the_latest_with_the_second_request(peer):
    for opcode in (INC, DEC):
        peer.ask(SET, b"2 foo 5")
        peer.pass_seconds(2)
        if peer.keeps_expired:
            assert peer.ask(opcode, b"foo") == NOT_FOUND
        assert peer.ask(opcode, b"foo") == number(1)


def test_expired_items_are_swept_away_though_nobody_asks_locked_or_not(make_peer):
    peer = make_peer(expired_cron=5)
    for key in (b"free", b"locked"):
        peer.ask(SET, b"2 " + key + b" x")
    peer.ask(LOCK, b"locked -1")
    peer.pass_seconds(6)
    wait_until(lambda: dict(parse_listing(peer.ask(STATS)))[b"total_items"] == 0, what="the sweep")


def test_ttl_restarts_the_countdown(peer):
    ask = peer.ask
    ask(SET, b"10 foo bar")
    peer.pass_seconds(8)
    assert ask(TTL, b"foo 10") == OK
    peer.pass_seconds(8)
    assert ask(GET, b"foo") == value(b"bar")
    assert ask(TTL, b"foo 0") == OK
    assert meta(ask, b"foo", b"left") == -1
    peer.pass_seconds(100)
    assert ask(GET, b"foo") == value(b"bar")


def test_ttl_of_a_missing_item_is_not_found_before_its_number_is_looked_at(ask):
    assert ask(TTL, b"foo x") == ask(LOCK, b"foo x") == NOT_FOUND
    assert ask(MTTL, b"foo x") == ask(MLOCK, b"foo x") == NAN
    store(ask, foo="bar")
    assert ask(TTL, b"foo x") == ask(LOCK, b"foo x") == NAN


# --- counting ---


def test_inc_and_dec_both_begin_with_1(ask):
    assert ask(INC, b"i") == ask(DEC, b"d") == number(1)
    assert ask(INC, b"i") == number(2)
    assert ask(DEC, b"d") == number(0)
    assert ask(DEC, b"d") == number(-1)
    assert meta(ask, b"d", b"ttl") == -1


def test_counting_turns_text_into_a_number_for_good(ask):
    store(ask, n="50")
    assert meta(ask, b"n", b"encoding") == 0
    assert meta(ask, b"n", b"size") == 2
    assert ask(INC, b"n") == number(51)
    assert ask(GET, b"n") == number(51)
    assert meta(ask, b"n", b"encoding") == 2
    assert meta(ask, b"n", b"size") == 8
    store(ask, n="50")
    assert ask(GET, b"n") == value(b"50")


def test_numbers_wrap_around(ask):
    store(ask, n=str(LARGEST), m=str(SMALLEST))
    assert ask(INC, b"n") == number(SMALLEST)
    assert ask(DEC, b"n") == number(LARGEST)
    assert ask(DEC, b"m") == number(LARGEST)


def test_counting_keeps_the_ttl(peer):
    ask = peer.ask
    ask(SET, b"10 n 5")
    peer.pass_seconds(6)
    assert ask(INC, b"n") == number(6)
    assert ask(MINC, b"n") == number(1)
    assert meta(ask, b"n", b"left") == 4


def test_minc_counts_numbers_alone_and_creates_nothing(ask):
    assert ask(MINC, b"n") == ask(MDEC, b"n") == NOT_FOUND
    store(ask, n1="1", n2="x", n3="3", m="1")
    assert ask(MINC, b"n") == number(2)
    assert ask(MGET, b"n") == listing((b"n1", 2), (b"n2", b"x"), (b"n3", 4))
    assert ask(MDEC, b"n1") == number(1)
    assert ask(MINC, b"n2") == NOT_FOUND
    assert ask(GET, b"m") == value(b"1")


# --- locks ---


def test_a_lock_holds_for_its_seconds(peer):
    ask = peer.ask
    store(ask, foo="5")
    assert ask(LOCK, b"foo 10") == OK
    peer.pass_seconds(9)
    for opcode, payload in ((SET, b"0 foo x"), (DEL, b"foo"), (INC, b"foo"), (DEC, b"foo"), (LOCK, b"foo 1")):
        assert ask(opcode, payload) == LOCKED
    assert ask(GET, b"foo") == value(b"5")
    peer.pass_seconds(1)
    assert ask(INC, b"foo") == number(6)
    assert meta(ask, b"foo", b"lock") == 10  # what was asked for, not what is left
    assert ask(SET, b"0 foo x") == value(b"x")
    assert meta(ask, b"foo", b"lock") == 0


def test_locks_for_ever_for_no_time_and_for_less(peer):
    ask = peer.ask
    store(ask, foo="5")
    for time in (b"0", b"-2", b"-100"):
        assert ask(LOCK, b"foo " + time) == OK
        assert ask(INC, b"foo").startswith(b"\x06")
    assert ask(LOCK, b"foo -1") == OK
    peer.pass_seconds(10**6)
    assert ask(INC, b"foo") == LOCKED
    assert meta(ask, b"foo", b"lock") == -1


def test_anybody_unlocks_anything(ask):
    store(ask, foo="5")
    assert ask(UNLOCK, b"foo") == OK
    assert ask(LOCK, b"foo -1") == OK
    assert ask(UNLOCK, b"foo") == OK
    assert ask(INC, b"foo") == number(6)
    assert ask(UNLOCK, b"nokey") == ask(LOCK, b"nokey 1") == NOT_FOUND


def test_operators_on_a_prefix_pass_over_locked_items(ask):
    store(ask, n1="1", n2="2", n3="3")
    assert ask(LOCK, b"n2 -1") == OK
    assert ask(MINC, b"n") == ask(MDEC, b"n") == number(2)
    assert ask(MLOCK, b"n2 5") == NOT_FOUND
    assert ask(MSET, b"n 7") == number(2)
    assert ask(MGET, b"n") == listing((b"n1", b"7"), (b"n2", b"2"), (b"n3", b"7"))
    assert ask(MDEL, b"n") == number(2)
    assert ask(MDEL, b"n") == ask(MSET, b"n x") == ask(MINC, b"n") == NOT_FOUND


def test_a_ttl_is_set_on_locked_items_too(ask):
    store(ask, foo="bar")
    ask(LOCK, b"foo -1")
    assert ask(TTL, b"foo 10") == OK
    assert ask(MTTL, b"f 20") == number(1)
    assert meta(ask, b"foo", b"ttl") == 20


def test_mlock_counts_what_it_locks_and_munlock_everything(ask):
    store(ask, n1="1", n2="2", n3="3")
    assert ask(LOCK, b"n2 -1") == OK
    assert ask(MLOCK, b"n 100") == number(2)
    assert meta(ask, b"n2", b"lock") == -1
    assert ask(MLOCK, b"n 100") == NOT_FOUND
    assert ask(UNLOCK, b"n1") == OK
    assert ask(MUNLOCK, b"n") == number(3)
    assert ask(MINC, b"n") == number(3)
    assert ask(MUNLOCK, b"x") == NOT_FOUND


def test_the_ttl_and_the_lock_count_from_the_same_moment(peer):
    ask = peer.ask
    ask(SET, b"10 foo bar")
    start = peer.now()
    peer.pass_seconds(8)
    assert ask(LOCK, b"foo 5") == OK  # restarts the ttl
    assert meta(ask, b"foo", b"created") >= start + 8
    assert meta(ask, b"foo", b"left") == 10
    peer.pass_seconds(4)
    assert ask(TTL, b"foo 10") == OK  # restarts the lock
    peer.pass_seconds(4)
    assert ask(SET, b"0 foo x") == LOCKED
    peer.pass_seconds(1)
    assert ask(SET, b"0 foo x") == value(b"x")


def test_a_refused_lock_changes_nothing_but_the_access(peer):
    ask = peer.ask
    store(ask, foo="bar")
    ask(LOCK, b"foo 100")
    created = meta(ask, b"foo", b"created")
    peer.pass_seconds(10)
    assert ask(LOCK, b"foo 5") == LOCKED
    assert meta(ask, b"foo", b"created") == created
    assert meta(ask, b"foo", b"lock") == 100


def test_set_and_del_look_at_the_lock_before_the_ttl_and_inc_after_it(make_peer):
    peer = make_peer(expired_cron=10**6)
    ask = peer.ask
    for key in (b"a", b"b", b"c"):
        ask(SET, b"2 " + key + b" 5")
        ask(LOCK, key + b" -1")
    peer.pass_seconds(2)
    if not peer.keeps_expired:
        assert ask(DEL, b"a") == NOT_FOUND
        assert ask(SET, b"0 a x") == value(b"x")
        return
    assert ask(SET, b"0 a x") == ask(DEL, b"a") == LOCKED
    for opcode, payload in ((MSET, b"a x"), (MDEL, b"a"), (MINC, b"a"), (MDEC, b"a")):
        assert ask(opcode, payload) == NOT_FOUND
    assert ask(SET, b"0 a x") == LOCKED  # was passed over, not expired
    assert ask(INC, b"b") == NOT_FOUND
    assert ask(INC, b"b") == number(1)
    assert ask(GET, b"c") == NOT_FOUND
    assert ask(SET, b"0 c x") == value(b"x")


# --- prefixes ---


def test_a_prefix_matches_from_the_first_byte_and_itself(ask):
    store(ask, foo="1", foobar="2", fo="3", bar="4", xfoo="5")
    assert ask(MGET, b"foo") == listing((b"foo", b"1"), (b"foobar", b"2"))
    assert ask(COUNT, b"fo") == number(3)
    assert ask(COUNT, b"x") == number(1)
    assert ask(COUNT, b"foobarbaz") == number(0)


def test_items_come_in_the_order_of_their_bytes(ask):
    for key in (b"k\xff", b"kb", b"k", b"k\x00", b"kab", b"ka", b"kB"):
        ask(SET, b"0 " + key + b" x")
    expected = [b"k", b"k\x00", b"kB", b"ka", b"kab", b"kb", b"k\xff"]
    assert ask(MGET, b"k") == listing(*((key, b"x") for key in expected))
    assert ask(KEYS, b"k") == listing(*((b"%d" % i, key) for i, key in enumerate(expected)))


def test_keys_are_numbered_beyond_9(ask):
    for i in range(12):
        ask(SET, b"0 k%02d x" % i)
    assert ask(KEYS, b"k") == listing(*((b"%d" % i, b"k%02d" % i) for i in range(12)))
    assert ask(KEYS, b"x") == NOT_FOUND


def test_mget_has_a_limit(ask):
    store(ask, k1="1", k2="2", k3="3")
    everything = ask(MGET, b"k")
    assert ask(MGET, b"k 2") == listing((b"k1", b"1"), (b"k2", b"2"))
    for limit in (b"3", b"4", b"0", b"-1", b"-", b"0x"):
        assert ask(MGET, b"k " + limit) == everything
    assert ask(MGET, b"k x") == ask(MGET, b"k 2 ") == NAN
    assert ask(MGET, b"k ") == ERR
    assert ask(MGET, b"x 2") == NOT_FOUND


def test_mget_leaves_expired_items_out(make_peer):
    peer = make_peer(expired_cron=10**6)
    for key, ttl in ((b"k1", 0), (b"k2", 2), (b"k3", 0)):
        peer.ask(SET, b"%d %s x" % (ttl, key))
    peer.pass_seconds(2)
    assert peer.ask(MGET, b"k") == listing((b"k1", b"x"), (b"k3", b"x"))
    assert peer.ask(COUNT, b"k") == number(2)


def test_mset_makes_fresh_items_of_those_that_are_there(peer):
    ask = peer.ask
    assert ask(MSET, b"k x") == NOT_FOUND
    ask(SET, b"100 k1 a")
    ask(INC, b"k2")
    assert ask(MSET, b"k some text") == number(2)
    assert ask(MGET, b"k") == listing((b"k1", b"some text"), (b"k2", b"some text"))
    assert meta(ask, b"k1", b"ttl") == -1
    assert ask(COUNT, b"k") == number(2)


def test_mttl_says_how_many(ask):
    store(ask, k1="1", k2="2", x="3")
    assert ask(MTTL, b"k 100") == number(2)
    assert meta(ask, b"k1", b"ttl") == meta(ask, b"k2", b"ttl") == 100
    assert meta(ask, b"x", b"ttl") == -1
    assert ask(MTTL, b"nokey 1") == NOT_FOUND


def test_a_list_that_is_too_large_closes_the_connection(make_peer):
    ask = make_peer(max_response_size=100, max_request_size=4096).ask
    one = 4 + 2 + 1 + 4  # of an entry with a key of two bytes, without its value
    ask(SET, b"0 k1 " + b"x" * (100 - 4 - one))
    assert len(ask(MGET, b"k")) == 7 + 100
    ask(SET, b"0 k1 " + b"x" * (100 - 4 - one + 1))
    assert ask(MGET, b"k") == CLOSED
    assert len(ask(GET, b"k1")) == 7 + 86


# --- META ---


def test_meta_knows_seven_fields(peer):
    ask = peer.ask
    ask(SET, b"100 foo hello")
    start = peer.now()
    peer.pass_seconds(30)
    assert abs(meta(ask, b"foo", b"access") - start) <= 1
    assert meta(ask, b"foo", b"access") >= start + 30  # that was an access
    assert meta(ask, b"foo", b"size") == 5
    assert meta(ask, b"foo", b"encoding") == 0
    assert abs(meta(ask, b"foo", b"created") - start) <= 1
    assert meta(ask, b"foo", b"ttl") == 100
    assert 69 <= meta(ask, b"foo", b"left") <= 70
    assert meta(ask, b"foo", b"lock") == 0


def test_fields_may_be_shortened_or_lengthened(ask):
    ask(SET, b"100 foo hello")
    ask(LOCK, b"foo 7")
    for field in META_FIELDS:
        expected = meta(ask, b"foo", field)
        assert meta(ask, b"foo", field + b"XYZ") == expected
        assert meta(ask, b"foo", field + b" and more") == expected
    for short, full in ((b"s", b"size"), (b"e", b"encoding"), (b"a", b"access"), (b"c", b"created"), (b"t", b"ttl")):
        assert meta(ask, b"foo", short) == meta(ask, b"foo", full)
    assert meta(ask, b"foo", b"l") == meta(ask, b"foo", b"left") == 100
    assert meta(ask, b"foo", b"lo") == meta(ask, b"foo", b"lock") == 7


def test_unknown_fields_are_an_error_and_an_access(peer):
    ask = peer.ask
    store(ask, foo="bar")
    peer.pass_seconds(30)
    for field in (b"colour", b"Size", b"sizf", b"x"):
        assert ask(META, b"foo " + field) == ERR
    assert meta(ask, b"foo", b"access") >= peer.now() - 1
    assert ask(META, b"nokey size") == ask(META, b"nokey x") == NOT_FOUND


def test_what_counts_as_an_access(peer):
    ask = peer.ask
    operators = {
        GET: b"foo",
        COUNT: b"f",
        MGET: b"f",
        TTL: b"foo 100",
        LOCK: b"foo 0",
        KEYS: None,
        UNLOCK: None,
    }
    for opcode, payload in operators.items():
        store(ask, foo="bar")
        before = meta(ask, b"foo", b"access")
        peer.pass_seconds(10)
        ask(opcode, payload or b"foo")
        after = meta(ask, b"foo", b"access")
        assert (after >= before + 10) == (payload is not None), opcode


# --- compression ---


def test_large_values_are_compressed_and_only_meta_tells(make_peer):
    ask = make_peer(compression=100).ask
    for size, encoding in ((100, 0), (101, 1), (4000, 1)):
        text = b"a" * size
        assert ask(SET, b"0 foo " + text) == value(text)
        assert ask(GET, b"foo") == value(text)
        assert ask(MGET, b"foo") == listing((b"foo", text))
        assert meta(ask, b"foo", b"encoding") == encoding
        assert (meta(ask, b"foo", b"size") < size) == bool(encoding)
    stats = dict(parse_listing(ask(STATS)))
    assert stats[b"total_compressed_items"] == 1
    assert 0 < stats[b"compr_rate_avg"] < 100


def test_values_that_do_not_shrink_stay_plain(make_peer):
    ask = make_peer(compression=100).ask
    text = bytes((i * i * 7919 + i) % 251 for i in range(120))
    assert ask(SET, b"0 foo " + text) == value(text)
    assert meta(ask, b"foo", b"encoding") == 0
    assert meta(ask, b"foo", b"size") == 120


def test_compressed_digits_are_no_number(make_peer):
    ask = make_peer(compression=100).ask
    ask(SET, b"0 n " + b"1" * 200)
    assert meta(ask, b"n", b"encoding") == 1
    assert ask(INC, b"n") == ask(DEC, b"n") == NAN
    assert ask(MINC, b"n") == NOT_FOUND  # neither changed nor counted
    assert ask(GET, b"n") == value(b"1" * 200)


# --- memory ---


def fill_memory(ask):
    """With as many items as there is memory for, the original's own needs counting as used."""
    numbers = iter(range(1000))
    while ask(SET, b"0 fill:%d " % next(numbers) + b"x" * 4000) != MEM:
        pass


def test_over_the_limit_of_memory_set_and_mset_are_refused_before_their_syntax(make_peer):
    peer = make_peer(max_memory=1 << 20)
    ask = peer.ask
    fill_memory(ask)
    assert ask(SET, b"0 foo " + b"x" * 4000) == ask(MSET, b"f " + b"x" * 4000) == MEM
    for payload in (b"", b"x"):
        assert ask(SET, payload) == ask(MSET, payload) == (MEM if peer.is_refused_unread else ERR)
    assert ask(INC, b"n") == number(1)
    assert ask(GET, b"n") == number(1)


def test_mset_is_refused_when_what_it_adds_would_pass_the_limit_of_memory(make_engine_peer):
    peer = make_engine_peer(max_memory=4 << 20, max_value_size=100_000, compression=1 << 20)
    for index in range(400):
        assert peer.ask(SET, b"0 many:%d x" % index) == value(b"x")
    assert peer.ask(MSET, b"many: " + b"y" * 90_000) == MEM
    assert peer.ask(GET, b"many:7") == value(b"x")
    assert peer.ask(MSET, b"many: " + b"y" * 5_000) == number(400)


def test_over_the_limit_of_memory_idle_items_are_deleted(make_peer):
    peer = make_peer(max_memory=1 << 20, gc_ratio=60, max_mem_cron=15)
    for key in (b"idle", b"used", b"locked"):
        peer.ask(INC, key)
    peer.ask(LOCK, b"locked -1")
    peer.pass_seconds(50)
    peer.ask(GET, b"used")
    fill_memory(peer.ask)
    peer.pass_seconds(16)
    peer.ask(SET, b"0 fill " + b"x" * 4000)
    wait_until(lambda: peer.ask(KEYS, b"idle") == peer.ask(KEYS, b"locked") == NOT_FOUND, what="the idle items to go")
    assert peer.ask(GET, b"idle") == peer.ask(GET, b"locked") == NOT_FOUND
    assert peer.ask(GET, b"used") == number(1)


def test_nothing_is_idle_where_uses_are_counted_instead_of_timed(make_engine_peer):
    """Under an LFU policy no item has a time of its last use."""
    peer = make_engine_peer(max_memory=1 << 20, gc_ratio=60, max_mem_cron=15)
    redis = peer.engine.connect()
    redis.sendall(b"CONFIG SET maxmemory-policy volatile-lfu\r\n")
    wait_until(lambda: redis.recv(100) == b"+OK\r\n", what="the policy")
    peer.ask(INC, b"idle")
    peer.pass_seconds(50)
    fill_memory(peer.ask)
    for _ in range(5):
        peer.pass_seconds(16)
        peer.ask(SET, b"0 fill " + b"x" * 4000)
        peer.engine.upkeep()
    assert peer.ask(GET, b"idle") == number(1)
    assert meta(peer.ask, b"idle", b"access") == peer.now()


def test_below_the_limit_of_memory_nothing_is_deleted(make_peer):
    peer = make_peer(gc_ratio=60, max_mem_cron=15)
    peer.ask(INC, b"idle")
    peer.pass_seconds(1000)
    assert peer.ask(GET, b"idle") == number(1)


# --- STATS ---

STATISTICS = [
    (b"server_version", bytes),
    (b"server_build_datetime", bytes),
    (b"server_allocator", bytes),
    (b"server_arch", bytes),
    (b"server_started", int),
    (b"server_time", int),
    (b"first_item_seen", int),
    (b"last_item_seen", int),
    (b"total_items", int),
    (b"total_compressed_items", int),
    (b"total_clients", int),
    (b"total_cron_done", int),
    (b"total_connections", int),
    (b"total_requests", int),
    (b"item_pool_current_used", int),
    (b"item_pool_current_capacity", int),
    (b"item_pool_total_capacity", int),
    (b"item_pool_object_size", int),
    (b"item_pool_max_block_size", int),
    (b"memory_available", int),
    (b"memory_usable", int),
    (b"memory_used", int),
    (b"memory_peak", int),
    (b"memory_fragmentation", bytes),
    (b"item_size_avg", int),
    (b"compr_rate_avg", int),
    (b"reqs_per_client_avg", bytes),
]


def test_stats_has_27_entries_in_their_order_and_of_their_kinds(ask):
    assert [(name, type(of)) for name, of in parse_listing(ask(STATS))] == STATISTICS


def test_stats_of_a_fresh_server(peer):
    stats = dict(parse_listing(peer.ask(STATS)))
    assert stats[b"server_version"] == b"1.2.1"
    assert stats[b"server_arch"] == b"64"
    assert stats[b"first_item_seen"] == stats[b"last_item_seen"] == stats[b"total_items"] == 0
    assert stats[b"item_size_avg"] == stats[b"compr_rate_avg"] == 0
    assert stats[b"total_clients"] == 1
    assert stats[b"memory_usable"] == 2 << 30


def test_stats_count(peer):
    ask = peer.ask

    def stats():
        return dict(parse_listing(ask(STATS)))

    before = stats()
    store(ask, a="1", b="2")
    first = peer.now()
    peer.pass_seconds(10)
    ask(INC, b"c")
    ask(GET, b"")  # a syntax error is a request, too
    ask(999)  # so is an unknown operator
    after = stats()
    assert after[b"total_items"] == after[b"item_pool_current_used"] == 3
    assert abs(after[b"first_item_seen"] - first) <= 1
    assert after[b"last_item_seen"] >= first + 10
    assert after[b"total_requests"] >= before[b"total_requests"] + 6
    assert after[b"total_cron_done"] > before[b"total_cron_done"]
    assert after[b"memory_used"] > before[b"memory_used"]
    assert after[b"memory_peak"] >= after[b"memory_used"]
    assert after[b"item_size_avg"] == after[b"memory_used"] // 3
    per_client = after[b"total_requests"] / after[b"total_connections"]
    assert after[b"reqs_per_client_avg"] == b"%f" % per_client
    ask(MDEL, b"a")
    assert stats()[b"total_items"] == 2

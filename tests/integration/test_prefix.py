"""PREFIX: what the keys of a prefix are, and what happens to them, is the same whether the index of prefixes is there, is
being built, or is forbidden."""

import random
import socket
import threading

import pytest
import redis

from support.resp import encode

pytestmark = [pytest.mark.embedded, pytest.mark.larder_only]

MODES = ("auto", "on", "off")


@pytest.fixture(params=MODES)
def p(request, r):
    """A client of a server with each setting of prefix-index; a shared server gets its own setting back."""
    r.config_set("prefix-index", request.param)
    yield r
    r.config_set("prefix-index", "auto")


def prefix(r, *words):
    return r.execute_command("PREFIX", *words)


def refusal(r, *words):
    with pytest.raises(redis.ResponseError) as caught:
        r.execute_command(*words)
    return str(caught.value)


def fill(r, names):
    pipeline = r.pipeline(transaction=False)
    for name in names:
        pipeline.set(name, b"1")
    pipeline.execute()


NASTY = [b"", b"\0", b"\xff", b"\xff\xff", b"a", b"aa", b"aaa", b"a" * 300, b"a" * 300 + b"b", b"user:1", b"user:10", b"user:1:x"]


def test_keys_and_count_give_what_begins_with_the_prefix_in_order(p):
    fill(p, NASTY)
    for name in NASTY:
        for end in range(min(len(name), 4) + 1):
            wanted = sorted(key for key in NASTY if key.startswith(name[:end]))
            assert prefix(p, "KEYS", name[:end]) == wanted
            assert prefix(p, "COUNT", name[:end]) == len(wanted)


def test_pages_follow_each_other_without_gap_or_repetition(p):
    names = sorted(b"page:%d" % number for number in range(500))
    fill(p, names)
    found, after = [], b""
    while page := prefix(p, "KEYS", "page:", "LIMIT", 7, "AFTER", after):
        assert len(page) <= 7
        found += page
        after = page[-1]
    assert found == names
    assert prefix(p, "KEYS", "page:", "AFTER", "zzz") == []
    assert prefix(p, "KEYS", "page:", "AFTER", "aaa", "LIMIT", 1) == names[:1]
    assert prefix(p, "KEYS", "page:", "LIMIT", 0) == []


def test_any_page_is_the_next_keys_in_order(p, seed):
    """However they are spread over the shards, which give a part of a page each and are gone back to for more."""
    draw = random.Random(seed)
    names = sorted({b"page:" + bytes(draw.choices(b"abc", k=draw.randrange(8))) for _ in range(3000)})
    fill(p, names)
    for _ in range(100):
        begin = b"page:" + bytes(draw.choices(b"abc", k=draw.randrange(3)))
        after = draw.choice([draw.choice(names), begin, b"", b"page:" + bytes(draw.choices(b"abcd", k=4))])
        limit = draw.choice([0, 1, 2, 10, 33, 100, 500, 1000, 10**6])
        wanted = [name for name in names if name.startswith(begin) and name > after][:limit]
        assert prefix(p, "KEYS", begin, "LIMIT", limit, "AFTER", after) == wanted, (seed, begin, limit, after)
        flat = prefix(p, "GET", begin, "AFTER", after, "LIMIT", limit)
        assert flat == [part for name in wanted for part in (name, b"1")]


def test_get_returns_keys_and_values_small_and_large(p):
    values = {b"v:%d" % number: bytes([65 + number]) * size for number, size in enumerate((0, 1, 100, 2000, 100_000))}
    p.mset(values)
    flat = prefix(p, "GET", "v:")
    assert dict(zip(flat[::2], flat[1::2])) == values
    assert prefix(p, "GET", "v:", "AFTER", "v:0", "LIMIT", 1) == [b"v:1", values[b"v:1"]]


def test_set_changes_existing_keys_only(p):
    fill(p, [b"s:1", b"s:2", b"t:1"])
    p.expire("s:1", 100)
    assert prefix(p, "SET", "s:", "new") == 2
    assert p.mget("s:1", "s:2", "t:1") == [b"new", b"new", b"1"]
    assert p.ttl("s:1") == -1
    assert prefix(p, "SET", "s:", "x", "EX", 100) == 2
    assert 0 < p.ttl("s:2") <= 100
    assert prefix(p, "SET", "s:", "y", "KEEPTTL") == 2
    assert 0 < p.ttl("s:2") <= 100
    assert prefix(p, "SET", "nothing:", "x") == 0
    assert p.exists("nothing:") == 0


def test_del_and_unlink_delete_exactly_the_matches(p):
    fill(p, [b"d:1", b"d:2", b"d", b"e:1"])
    assert prefix(p, "DEL", "d:") == 2
    assert prefix(p, "UNLINK", "d") == 1
    assert p.keys() == [b"e:1"]
    assert prefix(p, "DEL", "") == 1
    assert p.dbsize() == 0


def test_incr_and_decr_count_only_what_they_change(p):
    p.mset({"n:1": 5, "n:2": "text", "n:3": -7, "n:4": 2**63 - 1})
    assert prefix(p, "INCR", "n:") == 2
    assert p.mget("n:1", "n:2", "n:3", "n:4") == [b"6", b"text", b"-6", b"%d" % (2**63 - 1)]
    assert prefix(p, "DECR", "n:", "BY", 10) == 3
    assert p.mget("n:1", "n:3", "n:4") == [b"-4", b"-16", b"%d" % (2**63 - 11)]


def test_expire_and_persist(p):
    fill(p, [b"x:1", b"x:2", b"y:1"])
    assert prefix(p, "EXPIRE", "x:", 100) == 2
    assert 0 < p.ttl("x:2") <= 100 and p.ttl("y:1") == -1
    assert prefix(p, "PERSIST", "") == 2
    assert p.ttl("x:1") == -1
    assert prefix(p, "EXPIRE", "x:", 0) == 2
    assert p.keys() == [b"y:1"]


def test_memory_is_the_sum_over_the_keys(p):
    p.mset({"m:1": "x" * 10, "m:2": "x" * 5000, "other": "x"})
    assert prefix(p, "MEMORY", "m:") == p.memory_usage("m:1") + p.memory_usage("m:2")
    assert prefix(p, "MEMORY", "nothing") == 0


def test_top_groups_by_segments_the_largest_first(p):
    p.mset({"a:1:x": "1", "a:1:y": "1", "a:2": "1" * 900, "a:1": "1", "b": "1"})
    sizes = {key: p.memory_usage(key) for key in p.keys()}
    of_a = sizes[b"a:1:x"] + sizes[b"a:1:y"] + sizes[b"a:2"] + sizes[b"a:1"]
    assert prefix(p, "TOP") == [[b"a:", 4, of_a, []], [b"b", 1, sizes[b"b"], []]]
    deep = prefix(p, "TOP", "DEPTH", 3)
    assert [group[0] for group in deep] == [b"a:", b"b"]
    assert [group[0] for group in deep[0][3]] == [b"a:2", b"a:1:", b"a:1"]
    assert [group[:2] for group in deep[0][3][1][3]] == [[b"a:1:x", 1], [b"a:1:y", 1]]
    assert [group[:2] for group in prefix(p, "TOP", "a", "SEPARATOR", ":1")] == [[b"a:2", 1], [b"a:1", 3]]


def test_keys_past_their_deadline_are_no_keys(start_engine):
    engine = start_engine()
    engine.engine.freeze()
    r = engine.client()
    r.set("p:1", "x", px=50)
    r.set("p:2", "x")
    for mode in MODES:
        r.config_set("prefix-index", mode)
        assert prefix(r, "COUNT", "p:") == 2
    engine.engine.advance(0.050)
    for mode in MODES:
        r.config_set("prefix-index", mode)
        assert prefix(r, "KEYS", "p:") == [b"p:2"]
        assert prefix(r, "COUNT", "p:") == 1


def test_keys_past_their_deadline_are_no_keys_during_a_pause_either(start_engine):
    """While writes are paused what has expired stays where it is, but nobody may see it."""
    engine = start_engine()
    engine.engine.freeze()
    r = engine.client()
    for number in range(20):
        r.set(f"p:{number}", "x", px=50 + 1000 * number)
    r.client_pause(100_000, all=False)
    engine.engine.advance(10)
    for mode in MODES:
        r.config_set("prefix-index", mode)
        assert prefix(r, "COUNT", "p:") == len(prefix(r, "KEYS", "p:")) == 10
    assert r.dbsize() == 20
    r.client_unpause()
    assert prefix(r, "COUNT", "p:") == r.dbsize() == 10


def test_databases_are_apart_and_swap_with_their_index(p):
    fill(p, [b"k:1", b"k:2"])
    connection = p.connection_pool.get_connection()
    try:

        def send(*words):
            connection.send_command(*words)
            return connection.read_response()

        send("SELECT", 1)
        send("SET", "k:3", "x")
        assert send("PREFIX", "KEYS", "k") == [b"k:3"]
        send("SWAPDB", 0, 1)
        assert send("PREFIX", "KEYS", "k") == [b"k:1", b"k:2"]
        send("FLUSHDB")
        assert send("PREFIX", "COUNT", "") == 0
    finally:
        connection.disconnect()
    assert prefix(p, "KEYS", "k") == [b"k:3"]


def test_keys_and_scan_with_a_literal_beginning_agree_with_prefix(p):
    names = [b"lit:%d" % number for number in range(3000)] + [b"li*x", b"other"]
    fill(p, names)
    assert prefix(p, "COUNT", "lit:") == 3000  # an index of `auto` is there from now on
    for pattern in ("lit:*", "lit:1?", "lit:[12]*", "li\\*x", "li*"):
        assert sorted(p.keys(pattern)) == sorted(set(p.scan_iter(match=pattern, count=50)))
    assert sorted(p.keys("lit:*")) == prefix(p, "KEYS", "lit:")
    assert sorted(p.scan_iter(match="lit:29*")) == prefix(p, "KEYS", "lit:29")


@pytest.mark.parametrize(
    "words, error",
    [
        (("KEYS", "p", "LIMIT"), "ERR syntax error"),
        (("KEYS", "p", "LIMIT", "x"), "ERR value is not an integer or out of range"),
        (("KEYS", "p", "LIMIT", "-1"), "ERR LIMIT can't be negative"),
        (("SET", "p", "v", "EX", "0"), "ERR invalid expire time in 'prefix|set' command"),
        (("SET", "p", "v", "EX", str(2**62)), "ERR invalid expire time in 'prefix|set' command"),
        (("SET", "p", "v", "NX"), "ERR syntax error"),
        (("INCR", "p", "BY"), "ERR syntax error"),
        (("DECR", "p", "BY", str(-(2**63))), "ERR decrement would overflow"),
        (("EXPIRE", "p", str(2**62)), "ERR invalid expire time in 'prefix|expire' command"),
        (("TOP", "p", "DEPTH", "17"), "ERR DEPTH must be between 1 and 16"),
        (("TOP", "p", "SEPARATOR", ""), "ERR syntax error"),
        (("COUNT",), "ERR wrong number of arguments for 'prefix|count' command"),
        (("NOSUCH", "p"), "ERR unknown subcommand 'NOSUCH'. Try PREFIX HELP."),
    ],
)
def test_bad_words_are_refused_and_change_nothing(p, words, error):
    fill(p, [b"p:1"])
    assert refusal(p, "PREFIX", *words) == error.removeprefix("ERR ")
    assert p.get("p:1") == b"1"


def test_a_write_to_a_prefix_is_seen_whole_or_not_at_all(p):
    """Writers set all keys of a prefix to one value; readers in transactions never see two values."""
    fill(p, [b"whole:%d" % number for number in range(64)])
    stop = threading.Event()
    failures = []

    def write(value):
        client = redis.Redis(connection_pool=p.connection_pool)
        while not stop.is_set():
            prefix(client, "SET", "whole:", value)

    def read():
        client = redis.Redis(connection_pool=p.connection_pool)
        for _ in range(200):
            pipeline = client.pipeline(transaction=True)
            pipeline.mget(*[b"whole:%d" % number for number in range(64)])
            (values,) = pipeline.execute()
            if len(set(values)) != 1:
                failures.append(values)

    prefix(p, "SET", "whole:", "a")
    writers = [threading.Thread(target=write, args=(value,)) for value in ("a", "b")]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert failures == []


def test_the_index_follows_random_work_while_it_is_built_and_dropped(p, seed):
    draw = random.Random(seed)
    names = [b"w:%d:%d" % (draw.randrange(40), draw.randrange(40)) for _ in range(800)]
    for _ in range(30):
        pipeline = p.pipeline(transaction=False)
        for name in draw.sample(names, 100):
            action = draw.randrange(5)
            if action == 0:
                pipeline.delete(name)
            elif action == 1:
                pipeline.set(name, "x" * draw.randrange(1, 3000))
            elif action == 2:
                pipeline.set(name, "x", ex=1000)
            elif action == 3:
                pipeline.execute_command("COPY", name, draw.choice(names), "REPLACE")
            else:
                pipeline.append(name, "y")
        pipeline.execute(raise_on_error=False)
        if draw.randrange(4) == 0:
            p.config_set("prefix-index", draw.choice(MODES))
        begin = b"w:%d" % draw.randrange(40)
        assert prefix(p, "KEYS", begin) == sorted(key for key in p.keys() if key.startswith(begin))
        assert prefix(p, "COUNT", begin) == len(prefix(p, "KEYS", begin))


def test_who_has_said_everything_still_gets_the_answer_that_waits_for_the_index(start_server, slow_factor):
    """A client like nc closes its side at the end of its input; here that is while the index is being built."""
    server = start_server(threads=2)
    count = 400_000 // slow_factor
    server.raw().command("DEBUG", "POPULATE", count, "user", 1)
    with server.raw() as connection:
        connection.send(encode("PREFIX", "COUNT", "user:"))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read_frame() == b":%d\r\n" % count

"""What Larder has from Valkey and Redis 8: SET ... IFEQ, DELIFEQ, MSETEX."""

import time

import pytest
import redis

pytestmark = [pytest.mark.embedded, pytest.mark.larder_only("it has no SET IFEQ, DELIFEQ and MSETEX")]


def test_set_ifeq_writes_only_over_the_value_named(r):
    assert r.set("k", "new", ifeq="old") is None
    assert r.exists("k") == 0
    r.set("k", "old")
    assert r.set("k", "new", ifeq="other") is None
    assert r.get("k") == b"old"
    assert r.set("k", "new", ifeq="old") is True
    assert r.get("k") == b"new"


def test_set_ifeq_compares_numbers_as_the_text_that_get_returns(r):
    r.set("n", 10)
    assert r.set("n", 11, ifeq="010") is None
    assert r.set("n", 11, ifeq="10") is True
    r.incr("n")
    assert r.set("n", "", ifeq="12") is True
    assert r.set("n", "x", ifeq="") is True


def test_set_ifeq_with_get_returns_the_old_value_either_way(r):
    assert r.execute_command("SET", "k", "v", "IFEQ", "x", "GET", get=True) is None
    assert r.exists("k") == 0
    r.set("k", "old")
    assert r.execute_command("SET", "k", "v", "IFEQ", "x", "GET", get=True) == b"old"
    assert r.get("k") == b"old"
    assert r.execute_command("SET", "k", "v", "GET", "IFEQ", "old", get=True) == b"old"
    assert r.get("k") == b"v"


def test_set_ifeq_takes_expiry_options(r):
    r.set("k", "old", ex=1000)
    assert r.set("k", "new", ifeq="old", keepttl=True) is True
    assert r.ttl("k") > 0
    assert r.set("k", "newer", ifeq="new") is True
    assert r.ttl("k") == -1
    assert r.set("k", "newest", ifeq="newer", px=100_000) is True
    assert 0 < r.pttl("k") <= 100_000


@pytest.mark.parametrize(
    "words",
    [
        ("NX", "IFEQ", "x"),
        ("XX", "IFEQ", "x"),
        ("IFEQ", "x", "NX"),
        ("IFEQ", "x", "XX"),
        ("IFEQ",),
        ("IFEQ", "x", "IFEQ", "y"),
    ],
    ids=" ".join,
)
def test_set_ifeq_refuses_other_conditions(r, words):
    with pytest.raises(redis.ResponseError, match="syntax error"):
        r.execute_command("SET", "k", "v", *words)


def test_delifeq_deletes_only_the_value_named(r):
    assert r.execute_command("DELIFEQ", "k", "v") == 0
    r.mset({"k": "v", "n": 12})
    assert r.execute_command("DELIFEQ", "k", "w") == 0
    assert r.execute_command("DELIFEQ", "k", "v") == 1
    assert r.execute_command("DELIFEQ", "n", "12") == 1
    assert r.dbsize() == 0
    for words in ((), ("k",), ("k", "v", "w")):
        with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'delifeq' command"):
            r.execute_command("DELIFEQ", *words)


def test_delifeq_releases_a_lock_only_for_its_holder(server):
    """What it is for: of many that try to release one lock, one succeeds."""
    holder, thief = server.client(), server.client()
    holder.set("lock", "token-1", nx=True, px=60_000)
    assert thief.execute_command("DELIFEQ", "lock", "token-2") == 0
    assert holder.execute_command("DELIFEQ", "lock", "token-1") == 1


def test_msetex_sets_all_or_nothing(r):
    assert r.execute_command("MSETEX", 2, "a", "1", "b", "2") == 1
    assert r.mget("a", "b") == [b"1", b"2"]
    assert r.execute_command("MSETEX", 2, "a", "3", "c", "4", "NX") == 0
    assert r.execute_command("MSETEX", 2, "a", "3", "c", "4", "XX") == 0
    assert r.mget("a", "b", "c") == [b"1", b"2", None]
    assert r.execute_command("MSETEX", 2, "a", "3", "b", "4", "XX") == 1
    assert r.execute_command("MSETEX", 2, "c", "5", "d", "6", "nx") == 1
    assert r.mget("a", "b", "c", "d") == [b"3", b"4", b"5", b"6"]


def test_msetex_last_value_of_a_repeated_key_wins(r):
    assert r.execute_command("MSETEX", 2, "a", "1", "a", "2") == 1
    assert r.get("a") == b"2"


def test_msetex_expiry_forms(r):
    now = time.time()
    for words in (("EX", 100), ("PX", 100_000), ("EXAT", int(now) + 100), ("PXAT", int(now * 1000) + 100_000)):
        assert r.execute_command("MSETEX", 2, "a", "1", "b", "2", *words) == 1
        assert 90_000 < r.pttl("a") <= 101_000
        assert 90_000 < r.pttl("b") <= 101_000
    assert r.execute_command("MSETEX", 1, "a", "2", "KEEPTTL") == 1
    assert r.ttl("a") > 0
    assert r.execute_command("MSETEX", 1, "a", "2") == 1
    assert r.ttl("a") == -1
    assert r.execute_command("MSETEX", 1, "a", "2", "XX", "EX", 100) == 1
    assert r.execute_command("MSETEX", 1, "b", "2", "EX", 100, "XX") == 1
    assert r.ttl("a") > 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        (1,),
        (1, "a"),
        ("x", "a", "1"),
        (0, "a", "1"),
        (-1, "a", "1"),
        (2, "a", "1"),
        (2, "a", "1", "b"),
        (1, "a", "1", "NX", "XX"),
        (1, "a", "1", "EX"),
        (1, "a", "1", "EX", 0),
        (1, "a", "1", "EX", -1),
        (1, "a", "1", "EX", "x"),
        (1, "a", "1", "EX", 1, "PX", 1),
        (1, "a", "1", "KEEPTTL", "EX", 1),
        (1, "a", "1", "bogus"),
        (1, "a", "1", "b", "2"),
        (2**31, "a", "1"),
        (2**62, "a", "1"),
    ],
    ids=str,
)
def test_msetex_refuses_what_makes_no_sense(r, words):
    with pytest.raises(redis.ResponseError):
        r.execute_command("MSETEX", *words)
    assert r.dbsize() == 0


def test_msetex_keys_are_found(server):
    connection = server.raw()
    for words, keys in (
        (("MSETEX", 2, "a", "1", "b", "2", "EX", 10), [b"a", b"b"]),
        (("DELIFEQ", "a", "1"), [b"a"]),
        (("SET", "a", "1", "IFEQ", "2"), [b"a"]),
    ):
        assert connection.ask("COMMAND", "GETKEYS", *words) == ("*", [("$", key) for key in keys])


def test_redis_py_msetex(r):
    assert r.msetex({"a": 1, "b": 2}, ex=100) == 1
    assert r.ttl("b") > 0

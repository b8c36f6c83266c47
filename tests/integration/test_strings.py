"""String commands through redis-py."""

import time

import pytest
import redis

pytestmark = pytest.mark.embedded


def test_set_and_get_return_the_value(r):
    assert r.set("k", "v") is True
    assert r.get("k") == b"v"
    assert r.get("missing") is None


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00", b"\r\n", bytes(range(256)), b"x" * 100_000, "ключ".encode()],
    ids=["empty", "nul", "crlf", "all_bytes", "long", "utf8"],
)
def test_any_bytes_are_a_key_and_a_value(r, value):
    r.set(value, value)
    assert r.get(value) == value
    assert r.keys() == [value]


def test_set_nx_and_xx_are_conditions(r):
    assert r.set("k", "1", xx=True) is None
    assert r.set("k", "1", nx=True) is True
    assert r.set("k", "2", nx=True) is None
    assert r.set("k", "3", xx=True) is True
    assert r.get("k") == b"3"


def test_set_with_get_returns_the_old_value(r):
    assert r.set("k", "1", get=True) is None
    assert r.set("k", "2", get=True) == b"1"
    assert r.set("k", "3", get=True, nx=True) == b"2"
    assert r.get("k") == b"2"


def test_set_expiry_forms(r):
    now = time.time()
    r.set("a", "v", ex=100)
    r.set("b", "v", px=100_000)
    r.set("c", "v", exat=int(now) + 100)
    r.set("d", "v", pxat=int(now * 1000) + 100_000)
    for key in "abcd":
        assert 90_000 < r.pttl(key) <= 101_000
    r.set("a", "w", keepttl=True)
    assert r.ttl("a") > 0
    r.set("a", "w")
    assert r.ttl("a") == -1


def test_getdel_getset_and_getex(r):
    r.set("k", "v")
    assert r.getset("k", "w") == b"v"
    assert r.getex("k", ex=100) == b"w"
    assert 0 < r.ttl("k") <= 100
    assert r.getex("k", persist=True) == b"w"
    assert r.ttl("k") == -1
    assert r.getdel("k") == b"w"
    assert r.getdel("k") is None


def test_setnx_setex_psetex(r):
    assert r.setnx("k", "v") is True
    assert r.setnx("k", "w") is False
    assert r.execute_command("SETEX", "k", 100, "x") is True
    assert 0 < r.ttl("k") <= 100
    assert r.execute_command("PSETEX", "k", 50_000, "y") is True
    assert 0 < r.pttl("k") <= 50_000


def test_mset_mget_msetnx(r):
    assert r.mset({f"k{number}": number for number in range(100)}) is True
    assert r.mget([f"k{number}" for number in range(101)]) == [str(number).encode() for number in range(100)] + [None]
    assert r.msetnx({"new": 1, "k1": 2}) is False
    assert r.exists("new") == 0
    assert r.msetnx({"new": 1, "new2": 2}) is True


def test_append_strlen_ranges(r):
    assert r.append("k", "Hello ") == 6
    assert r.append("k", "World") == 11
    assert r.strlen("k") == 11
    assert r.getrange("k", 0, 4) == b"Hello"
    assert r.substr("k", -5, -1) == b"World"
    assert r.setrange("k", 6, "Redis") == 11
    assert r.setrange("gap", 3, "x") == 4
    assert r.get("gap") == b"\x00\x00\x00x"


def test_counters(r):
    assert r.incr("n") == 1
    assert r.incr("n", 10) == 11
    assert r.decr("n") == 10
    assert r.decr("n", 20) == -10
    assert r.incrbyfloat("n", 0.5) == -9.5
    r.set("word", "x")
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        r.incr("word")
    r.set("max", 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="increment or decrement would overflow"):
        r.incr("max")
    assert r.get("max") == str(2**63 - 1).encode()


def test_counter_keeps_its_deadline(r):
    r.set("n", 1, ex=100)
    r.incr("n")
    r.append("n", "0")
    r.setrange("n", 0, "3")
    assert r.get("n") == b"30"
    assert r.ttl("n") > 0


def test_lcs(r):
    r.mset({"a": "ohmytext", "b": "mynewtext"})
    assert r.lcs("a", "b") == b"mytext"
    assert r.lcs("a", "b", len=True) == 6
    matches = r.execute_command("LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN")
    assert matches in ([b"matches", [[[4, 7], [5, 8], 4]], b"len", 6], {b"matches": [[[4, 7], [5, 8], 4]], b"len": 6})


def test_lcs_of_values_too_long_is_refused_not_attempted(r):
    r.mset({"a": "a" * 1_000_000, "b": "b" * 1_000_000})
    with pytest.raises(
        redis.ResponseError, match="Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    ):
        r.lcs("a", "b")

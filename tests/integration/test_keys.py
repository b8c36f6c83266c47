"""Key commands through redis-py."""

import time

import pytest
import redis

pytestmark = pytest.mark.embedded


def test_del_unlink_exists_touch_type(r):
    r.mset({"a": 1, "b": 2, "c": 3})
    assert r.exists("a", "b", "missing", "a") == 3
    assert r.touch("a", "missing") == 1
    assert r.type("a") == b"string"
    assert r.type("missing") == b"none"
    assert r.delete("a", "missing") == 1
    assert r.unlink("b", "c") == 2
    assert r.dbsize() == 0


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("*", {"hello", "hallo", "hxllo", "heello", "h*llo", "a[b]"}),
        ("h?llo", {"hello", "hallo", "hxllo", "h*llo"}),
        ("h[ae]llo", {"hello", "hallo"}),
        ("h[^e]llo", {"hallo", "hxllo", "h*llo"}),
        ("h[a-b]llo", {"hallo"}),
        ("h\\*llo", {"h*llo"}),
        ("a\\[b\\]", {"a[b]"}),
        ("*ll*", {"hello", "hallo", "hxllo", "heello", "h*llo"}),
        ("nothing", set()),
        ("hello", {"hello"}),
    ],
)
def test_keys_matches_glob_patterns(r, pattern, expected):
    r.mset({name: 1 for name in ("hello", "hallo", "hxllo", "heello", "h*llo", "a[b]")})
    assert {key.decode() for key in r.keys(pattern)} == expected
    assert {key.decode() for key in r.scan_iter(pattern)} == expected


def test_pattern_of_many_stars_takes_no_exponential_time(r):
    r.set("a" * 60, 1)
    began = time.monotonic()
    assert r.keys("a*" * 25 + "b") == []
    assert time.monotonic() - began < 20


def test_randomkey_returns_every_key_in_the_end(r):
    assert r.randomkey() is None
    r.mset({"a": 1, "b": 2, "c": 3})
    seen = set()
    for _ in range(1000):
        seen.add(r.randomkey())
        if len(seen) == 3:
            break
    assert seen == {b"a", b"b", b"c"}


def test_rename_carries_value_and_deadline(r):
    r.set("a", "1", ex=100)
    r.set("b", "2")
    assert r.rename("a", "b") is True
    assert (r.get("b"), r.exists("a")) == (b"1", 0)
    assert r.ttl("b") > 0
    r.set("a", "3")
    assert r.renamenx("a", "b") is False
    assert r.renamenx("a", "c") is True
    with pytest.raises(redis.ResponseError, match="no such key"):
        r.rename("missing", "x")


def test_copy_carries_value_and_deadline(r):
    r.set("a", "1", ex=100)
    assert r.copy("a", "b") is True
    assert r.ttl("b") > 0
    assert r.copy("a", "b") is False
    r.set("a", "2")
    assert r.copy("a", "b", replace=True) is True
    assert (r.get("b"), r.ttl("b")) == (b"2", -1)
    assert r.copy("a", "a", destination_db=3) is True
    r.append("a", "x")
    assert r.get("b") == b"2"


def test_databases_are_apart_and_move_swap_and_flush(server, transport):
    zero, one = server.client(transport, db=0), server.client(transport, db=1)
    zero.set("k", "zero")
    one.set("only", "one")
    assert zero.get("only") is None
    assert zero.move("k", 1) is True
    assert zero.move("k", 1) is False
    assert one.get("k") == b"zero"
    assert zero.swapdb(0, 1) is True
    assert (zero.dbsize(), one.dbsize()) == (2, 0)
    one.set("x", 1)
    assert zero.flushdb() is True
    assert (zero.dbsize(), one.dbsize()) == (0, 1)
    assert zero.flushall(asynchronous=True) is True
    assert one.dbsize() == 0
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        zero.execute_command("SELECT", 16)


@pytest.mark.parametrize(
    "name, unit, absolute",
    [("expire", 1, False), ("pexpire", 1000, False), ("expireat", 1, True), ("pexpireat", 1000, True)],
)
def test_expire_forms_and_their_conditions(r, name, unit, absolute):
    def expire(seconds, **condition):
        base = int(time.time()) if absolute else 0
        return getattr(r, name)("k", (base + seconds) * unit, **condition)

    r.set("k", "v")
    assert expire(1000, xx=True) is False
    assert expire(1000, gt=True) is False
    assert expire(1000, lt=True) is True
    assert expire(2000, nx=True) is False
    assert expire(2000, lt=True) is False
    assert expire(2000, gt=True) is True
    assert 1900 < r.ttl("k") <= 2001
    assert abs(r.expiretime("k") - time.time() - 2000) < 100
    assert abs(r.pexpiretime("k") / 1000 - time.time() - 2000) < 100
    assert r.persist("k") is True
    assert r.persist("k") is False
    assert (r.ttl("k"), r.pttl("missing"), r.expiretime("k"), r.pexpiretime("missing")) == (-1, -2, -1, -2)
    assert expire(-10) is True
    assert r.exists("k") == 0
    assert expire(10) is False


def test_object_tells_of_an_entry(r):
    r.mset({"int": 12, "short": "abc", "long": "x" * 100})
    assert [r.object("encoding", key) for key in ("int", "short", "long")] == [b"int", b"embstr", b"raw"]
    assert r.object("refcount", "long") >= 1
    assert r.object("idletime", "long") < 60
    assert r.object("encoding", "missing") is None
    with pytest.raises(redis.ResponseError, match="An LFU maxmemory policy is not selected"):
        r.object("freq", "long")


def test_memory_usage_grows_with_the_value(r):
    r.mset({"small": "x", "large": "x" * 100_000})
    assert r.memory_usage("missing") is None
    assert 0 < r.memory_usage("small") < 1000
    assert 100_000 <= r.memory_usage("large") < 200_000


def test_pipelines_answer_in_order(r):
    pipeline = r.pipeline(transaction=False)
    for number in range(5000):
        pipeline.set(f"k{number % 50}", number).get(f"k{number % 50}")
    answers = pipeline.execute()
    assert answers[1::2] == [str(number).encode() for number in range(5000)]


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_protocol_versions_carry_the_same_values(server, transport, protocol):
    r = server.client(transport, protocol=protocol, decode_responses=True)
    assert r.set("k", "v") is True
    assert r.get("missing") is None
    assert r.mget("k", "missing") == ["v", None]
    assert r.incrbyfloat("f", "1.5") == 1.5
    assert r.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert r.command_count() > 50
    assert r.execute_command("HELLO", protocol)

"""Compressed values: less memory, and nothing else that a client could see."""

import json
import random

import pytest
import redis

from support.compression import need_lz4
from support.fresh import wait_for_freed_memory
from support.resp import encode
from support.waiting import wait_until

pytestmark = pytest.mark.embedded

MIB = 1 << 20
THRESHOLD = 64


def document(number):
    """About 4 KB of JSON."""
    draw = random.Random(number)
    users = []
    for user in range(50):
        name = f"user {draw.randrange(1000)}"
        users.append({"id": draw.randrange(1 << 30), "name": name, "mail": f"u{user}@example.org", "on": True})
    return json.dumps(users).encode()


def is_compressed(r, key):
    return "compressed" in r.debug_object(key)


@pytest.fixture
def c(r, binary):
    """A client of a shared server that compresses for the time of the test."""
    need_lz4(binary)
    r.config_set("compression-threshold", THRESHOLD)
    yield r
    r.config_set("compression-threshold", 0)


VALUE = document(1)
OTHER = document(2)


def test_every_command_that_stores_a_whole_string_compresses_it(c):
    c.set("set", VALUE)
    c.set("set-px", VALUE, px=100_000)
    c.setnx("setnx", VALUE)
    c.execute_command("SETEX", "setex", 100, VALUE)
    c.psetex("psetex", 100_000, VALUE)
    c.getset("getset", VALUE)
    c.mset({"mset-1": VALUE, "mset-2": VALUE})
    c.msetnx({"msetnx": VALUE})
    c.execute_command("MSETEX", 1, "msetex", VALUE, "EX", 100)
    c.set("prefix", "short")
    assert c.execute_command("PREFIX", "SET", "prefix", VALUE) == 1
    keys = c.keys()
    assert len(keys) == 11
    for key in keys:
        assert c.get(key) == VALUE
        assert is_compressed(c, key), key
    assert c.info("memory")["compressed_keys"] == len(keys)


def test_every_command_that_reads_a_string_expands_it(c):
    c.mset({"a": VALUE, "b": OTHER})
    assert c.get("a") == VALUE
    assert c.mget("a", "missing", "b") == [VALUE, None, OTHER]
    assert c.strlen("a") == len(VALUE)
    assert c.getrange("a", 10, 19) == VALUE[10:20]
    assert c.getrange("a", -5, -1) == VALUE[-5:]
    assert c.substr("a", 0, 0) == VALUE[:1]
    assert c.lcs("a", "a") == VALUE
    assert c.lcs("a", "b", len=True) > 1000
    assert c.execute_command("PREFIX", "GET", "a") == [b"a", VALUE]
    assert c.getex("a", ex=100) == VALUE
    assert c.ttl("a") > 0
    assert c.getex("a", persist=True) == VALUE
    assert c.set("a", OTHER, get=True) == VALUE
    assert c.getset("a", VALUE) == OTHER
    assert c.execute_command("SET", "a", OTHER, "IFEQ", VALUE) is True
    assert c.execute_command("SET", "a", VALUE, "IFEQ", VALUE) is None
    assert c.execute_command("DELIFEQ", "b", VALUE) == 0
    assert c.execute_command("DELIFEQ", "b", OTHER) == 1
    assert c.getdel("a") == OTHER
    assert c.dbsize() == 0


def test_a_string_changed_in_parts_is_compressed_no_more(c):
    for change, expected in (
        (("APPEND", "k", "tail"), VALUE + b"tail"),
        (("SETRANGE", "k", "3", "middle"), VALUE[:3] + b"middle" + VALUE[9:]),
        (("SETRANGE", "k", str(len(VALUE) + 10), "x"), VALUE + bytes(10) + b"x"),
    ):
        c.set("k", VALUE, ex=100)
        assert is_compressed(c, "k")
        assert c.execute_command(*change) == len(expected)
        assert c.get("k") == expected
        assert not is_compressed(c, "k")
        assert 0 < c.ttl("k") <= 100
    c.set("k", VALUE)
    assert is_compressed(c, "k")


def test_numbers_and_their_errors_are_the_same(c):
    c.set("zeros", "0." + "0" * 100 + "5")
    assert is_compressed(c, "zeros")
    assert c.incrbyfloat("zeros", 1) == 1.0
    c.set("text", VALUE)
    for command, error in (
        (("INCR", "text"), "value is not an integer or out of range"),
        (("DECRBY", "text", 5), "value is not an integer or out of range"),
        (("INCRBYFLOAT", "text", 1), "value is not a valid float"),
        (("SETRANGE", "text", -1, "x"), "offset is out of range"),
    ):
        with pytest.raises(redis.ResponseError, match=error):
            c.execute_command(*command)
    assert c.execute_command("PREFIX", "INCR", "text") == 0
    assert c.get("text") == VALUE
    assert is_compressed(c, "text")


def test_a_compressed_value_moves_as_it_is(c):
    c.set("a", VALUE)
    assert c.copy("a", "b")
    assert c.copy("a", "b", destination_db=1)
    assert c.rename("b", "c")
    assert c.expire("c", 100)
    assert c.persist("c")
    assert c.move("a", 2)
    assert c.get("c") == VALUE
    assert is_compressed(c, "c")
    assert c.info("memory")["compressed_keys"] == 3
    c.swapdb(0, 1)
    assert c.get("b") == VALUE
    c.flushall()
    assert c.info("memory")["compressed_keys"] == 0


def test_clients_see_the_encodings_they_know(c):
    c.set("k", VALUE)
    assert c.object("ENCODING", "k") == b"raw"
    assert c.type("k") == b"string"
    assert c.object("REFCOUNT", "k") == 1


def test_memory_is_saved_and_counted(c, server, transport):
    wait_for_freed_memory(server.raw(transport))
    before = c.info("memory")
    c.set("k", VALUE)
    after = c.info("memory")
    usage = c.memory_usage("k")
    assert usage < len(VALUE) * 3 // 4
    assert 0 < after["used_memory_dataset"] - before["used_memory_dataset"] < len(VALUE) * 3 // 4
    assert after["compressions"] == before["compressions"] + 1
    assert len(VALUE) // 4 < after["compression_saved_bytes"] < len(VALUE)
    assert 12.5 <= after["compression_saved_percent"] <= 100
    c.config_set("compression-threshold", 0)
    c.set("k", VALUE)
    assert c.memory_usage("k") > len(VALUE)
    assert c.info("memory")["compressed_keys"] == 0


def test_what_is_short_or_does_not_compress_is_stored_as_it_is(c):
    noise = random.Random(3).randbytes(5000)
    for value in (b"x" * THRESHOLD, noise, b"x" * (4 * MIB + 1), b""):
        c.set("k", value)
        assert c.get("k") == value
        assert not is_compressed(c, "k")
    c.set("k", b"x" * (THRESHOLD + 1))
    assert is_compressed(c, "k")


def test_the_threshold_holds_for_what_is_stored_from_then_on(c):
    c.config_set("compression-threshold", "1kb")
    assert c.config_get("compression-threshold") == {"compression-threshold": "1024"}
    c.set("short", "x" * 1024)
    c.set("long", "x" * 1025)
    assert not is_compressed(c, "short")
    assert is_compressed(c, "long")
    c.config_set("compression-threshold", 0)
    assert is_compressed(c, "long")
    assert c.get("long") == b"x" * 1025


@pytest.mark.parametrize("size", [1000, 20_000, MIB, 4 * MIB])
def test_values_of_all_sizes_come_back_intact(server, transport, binary, size):
    need_lz4(binary)
    connection = server.raw(transport)
    assert connection.command("CONFIG", "SET", "compression-threshold", THRESHOLD) == b"+OK\r\n"
    chooser = random.Random(size)
    value = b"".join(chooser.choice((b"some words ", b"others, ", chooser.randbytes(6))) for _ in range(size // 7 + 1))
    assert connection.command("SET", "k", value[:size]) == b"+OK\r\n"
    assert connection.ask("GET", "k") == ("$", value[:size])
    assert connection.ask("MGET", "k", "k") == ("*", [("$", value[:size])] * 2)
    assert b"compressed" in connection.command("DEBUG", "OBJECT", "k")
    assert connection.command("CONFIG", "SET", "compression-threshold", 0) == b"+OK\r\n"


def test_a_bound_on_memory_holds_more_compressed_keys(start_server, binary):
    """Eviction goes by what is stored."""
    need_lz4(binary)
    counts = {}
    for threshold in (0, THRESHOLD):
        options = {"maxmemory": "4mb", "maxmemory-policy": "allkeys-lru", "compression-threshold": threshold}
        r = start_server(threads=2, options=options).client()
        for number in range(3000):
            r.set(f"k{number}", document(number % 50))
        counts[threshold] = r.dbsize()
        assert r.info("memory")["used_memory"] <= 4.2 * MIB
    assert counts[THRESHOLD] > 1.4 * counts[0]


def test_expanded_values_count_as_output(start_server, binary):
    """However little they take in the keyspace, a client that does not read its replies is closed at its limit."""
    need_lz4(binary)
    options = {"compression-threshold": 64, "client-output-buffer-limit": "normal 20mb 0 0"}
    server = start_server(threads=2, options=options)
    r = server.client()
    r.set("k", b"x" * MIB)
    assert r.memory_usage("k") < 10_000
    lazy = server.raw()
    lazy.send(encode("GET", "k") * 100)
    wait_until(lambda: len(r.client_list()) == 1, 20, "the client to be closed")
    assert len(lazy.read_until_closed()) < 60 * MIB
    assert r.get("k") == b"x" * MIB


def test_a_configuration_file_may_set_it(start_server, binary):
    need_lz4(binary)
    r = start_server(threads=1, options={"compression-threshold": "100"}).client()
    r.set("k", VALUE)
    assert is_compressed(r, "k")
    assert r.info("server")["compression_library"].startswith("lz4-")


@pytest.mark.parametrize("value", ["-1", "x", "1.5"])
def test_a_threshold_that_is_no_size_is_refused(r, is_larder, value):
    if not is_larder:
        pytest.skip("a parameter of Larder's own")
    with pytest.raises(redis.ResponseError, match="argument must be a memory value"):
        r.config_set("compression-threshold", value)

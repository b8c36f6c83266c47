"""Large values: intact in and out, also when they are deleted or overwritten while slow readers still read them."""

import hashlib
import random
import socket

import pytest

from support.resp import encode
from support.server import SANITIZED
from support.waiting import wait_until

pytestmark = pytest.mark.over_tls

MIB = 1 << 20


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("mib", [1, 16, 64])
def test_large_value_comes_back_intact(server, transport, mib):
    value = content(mib * MIB)
    connection = server.raw(transport)
    assert connection.command("SET", "big", value) == b"+OK\r\n"
    assert connection.ask("STRLEN", "big") == (":", b"%d" % len(value))
    reply = connection.command("GET", "big")
    assert hashlib.sha256(reply).digest() == hashlib.sha256(b"$%d\r\n%b\r\n" % (len(value), value)).digest()
    assert connection.ask("GETRANGE", "big", -10, -1) == ("$", value[-10:])
    assert connection.command("DEL", "big") == b":1\r\n"


def test_large_value_sent_in_small_pieces(server, transport):
    value = content(3 * MIB)
    request = encode("SET", "big", value)
    connection = server.raw(transport)
    chooser = random.Random(5)
    at = 0
    while at < len(request):
        size = chooser.randrange(1, 40_000)
        connection.send(request[at : at + size])
        at += size
    assert connection.read_frame() == b"+OK\r\n"
    assert connection.ask("GET", "big") == ("$", value)


@pytest.mark.parametrize(
    "change",
    [
        ("DEL", "big"),
        ("UNLINK", "big"),
        ("SET", "big", "small"),
        ("APPEND", "big", "x" * 100),
        ("SETRANGE", "big", 0, "y" * 1000),
        ("FLUSHALL",),
        ("FLUSHALL", "ASYNC"),
        ("GETDEL", "big"),
        ("RENAME", "other", "big"),
        ("PEXPIRE", "big", 0),
        ("SET", "big", "z" * 8 * MIB),
    ],
    ids=lambda words: " ".join(str(word)[:10] for word in words),
)
def test_slow_reader_gets_the_value_as_it_was(server, change):
    """The reply is larger than the socket's buffers: most of it is still to be written when the value changes."""
    value = content(8 * MIB)
    writer, readers = server.raw(), [server.raw() for _ in range(3)]
    writer.command("MSET", "big", value, "other", "x")
    for reader in readers:
        reader.send(encode("GET", "big") + encode("ECHO", "after"))
    begin = b"$%d\r\n%b" % (len(value), value[:100])
    for reader in readers:
        # Only peeked at: the reply is on its way, and stays to be read.
        assert reader.socket.recv(len(begin), socket.MSG_PEEK | socket.MSG_WAITALL) == begin
    writer.command(*change)
    # Memory that is freed too early is most likely to be overwritten by values of the same size.
    for number in range(3):
        writer.command("SET", f"filler{number}", b"\xaa" * len(value))
    for reader in readers:
        assert reader.read_frame() == b"$%d\r\n%b\r\n" % (len(value), value)
        assert reader.read_frame() == b"$5\r\nafter\r\n"


def test_reader_that_leaves_midway_frees_its_value(server):
    writer = server.raw()
    writer.command("SET", "big", content(8 * MIB))
    for _ in range(10):
        with server.raw() as reader:
            reader.send(encode("GET", "big") * 3)
            reader.socket.recv(10)
    writer.command("DEL", "big")
    r = server.client()
    wait_until(lambda: r.info("memory")["used_memory"] < 60 * MIB, 20, "the value to be freed")


def test_writer_that_leaves_midway_changes_nothing(server, transport):
    r = server.client(transport)
    r.set("big", "old")
    for _ in range(10):
        with server.raw(transport) as writer:
            writer.send(encode("SET", "big", content(4 * MIB))[: 3 * MIB])
    assert r.get("big") == b"old"
    assert r.dbsize() == 1


def test_mget_of_large_values(server, transport):
    values = [content(MIB, seed) for seed in range(5)]
    connection = server.raw(transport)
    connection.command("MSET", *[word for number, value in enumerate(values) for word in (f"big{number}", value)])
    names = [f"big{number % 5}" for number in range(20)]
    assert connection.ask("MGET", *names, "missing") == (
        "*",
        [("$", values[number % 5]) for number in range(20)] + [("$", None)],
    )


def test_value_grown_by_append_and_setrange(server):
    r = server.client()
    piece = content(64 * 1024)
    for _ in range(100):
        r.append("log", piece)
    assert r.strlen("log") == 100 * len(piece)
    assert hashlib.sha256(r.get("log")).digest() == hashlib.sha256(piece * 100).digest()
    assert r.setrange("sparse", 20 * MIB, "end") == 20 * MIB + 3
    assert r.getrange("sparse", 20 * MIB - 2, -1) == b"\x00\x00end"
    assert r.get("sparse").count(b"\x00") == 20 * MIB


@pytest.mark.skipif(SANITIZED, reason="sanitizers keep freed memory")
def test_deleting_a_large_value_gives_the_memory_back(server):
    r = server.client()
    r.set("big", b"x" * (64 * MIB))
    assert r.info("memory")["used_memory"] >= 64 * MIB
    r.delete("big")
    wait_until(lambda: r.info("memory")["used_memory"] < 40 * MIB, 20, "the memory to be given back")

"""Many clients on the same keys at the same time: nothing is lost, torn or mixed up, on one thread as on four."""

import random
import threading

import pytest

from support.resp import decode, encode

pytestmark = pytest.mark.over_tls

WRITERS = 8


def in_parallel(count, work):
    """Runs work(0) ... work(count - 1) in threads of their own; re-raises the first failure."""
    problems = []

    def guarded(number):
        try:
            work(number)
        except BaseException as problem:  # re-raised below
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def pipelined(connection, commands):
    connection.send(b"".join(encode(*words) for words in commands))
    return [decode(connection.read_frame()) for _ in commands]


def test_concurrent_increments_add_up_exactly(server, transport):
    rounds, batch = 20, 100

    def work(number):
        with server.raw(transport) as connection:
            for _ in range(rounds):
                commands = [("INCR", f"n{index % 5}") for index in range(batch)] + [
                    ("INCRBY", "sum", number),
                    ("DECRBY", "sum", 1),
                    ("INCRBYFLOAT", "half", "0.5"),
                    ("APPEND", "log", "x"),
                ]
                assert all(kind in ":$" for kind, _ in pipelined(connection, commands))

    in_parallel(WRITERS, work)
    r = server.client(transport)
    assert [int(value) for value in r.mget(*[f"n{index}" for index in range(5)])] == [WRITERS * rounds * batch // 5] * 5
    assert int(r.get("sum")) == rounds * (sum(range(WRITERS)) - WRITERS)
    assert float(r.get("half")) == WRITERS * rounds * 0.5
    assert r.strlen("log") == WRITERS * rounds


def test_each_increment_is_seen_once(server):
    """The replies of all clients together are 1 ... n: no two clients got the same number."""
    seen = [[] for _ in range(WRITERS)]

    def work(number):
        with server.raw() as connection:
            for _ in range(10):
                seen[number] += [int(value) for _, value in pipelined(connection, [("INCR", "ticket")] * 50)]

    in_parallel(WRITERS, work)
    assert sorted(ticket for tickets in seen for ticket in tickets) == list(range(1, WRITERS * 500 + 1))
    assert all(tickets == sorted(tickets) for tickets in seen)


def test_mset_is_atomic_for_mget(server):
    """Keys in different shards, written together, are never seen half written."""
    keys = [f"part{number}" for number in range(16)]
    with server.raw() as connection:
        connection.command("MSET", *[word for key in keys for word in (key, "0")])
    writers = 3
    finished = []

    def work(number):
        with server.raw() as connection:
            if number < writers:
                for value in range(300):
                    order = random.Random(number * 1000 + value).sample(keys, len(keys))
                    connection.command("MSET", *[word for key in order for word in (key, f"{number}:{value}")])
                finished.append(number)
            else:
                while len(finished) < writers:
                    values = {value for _, value in connection.ask("MGET", *keys)[1]}
                    assert len(values) == 1, values

    in_parallel(6, work)


def test_rename_never_loses_or_doubles_the_value(server):
    """One token renamed around by all: at every end exactly one key holds it."""
    names = [f"place{number}" for number in range(8)]
    with server.raw() as connection:
        connection.command("SET", names[0], "token")

    def work(number):
        chooser = random.Random(number)
        with server.raw() as connection:
            for _ in range(400):
                connection.command("RENAME", chooser.choice(names), chooser.choice(names))

    in_parallel(6, work)
    values = server.client().mget(*names)
    assert [value for value in values if value] == [b"token"]


def test_lock_is_held_by_one_at_a_time(server):
    """SET NX as a lock around a read and a write that would otherwise lose updates."""

    def work(number):
        with server.raw() as connection:
            for _ in range(30):
                while connection.command("SET", "lock", number, "NX", "PX", 60000) != b"+OK\r\n":
                    pass
                value = connection.ask("GET", "guarded")[1] or b"0"
                connection.command("SET", "guarded", int(value) + 1)
                connection.command("DEL", "lock")

    in_parallel(4, work)
    assert server.client().get("guarded") == b"120"


def test_getdel_hands_each_value_to_one_client(server):
    r = server.client()
    r.mset({f"job{number}": number for number in range(1000)})
    taken = [[] for _ in range(6)]

    def work(number):
        with server.raw() as connection:
            replies = pipelined(connection, [("GETDEL", f"job{index}") for index in range(1000)])
            taken[number] = [value for _, value in replies if value is not None]

    in_parallel(6, work)
    assert sorted(int(value) for values in taken for value in values) == list(range(1000))
    assert r.dbsize() == 0


def test_whole_keyspace_commands_mix_with_key_commands(server):
    """FLUSHALL, SWAPDB, KEYS, SCAN, DBSIZE and INFO visit every shard while all are written: no deadlock, no lie."""
    commands = [
        ("FLUSHALL",),
        ("SWAPDB", 0, 1),
        ("KEYS", "k1*"),
        ("SCAN", 0, "COUNT", 100),
        ("DBSIZE",),
        ("INFO", "keyspace"),
        ("RANDOMKEY",),
        ("FLUSHDB", "ASYNC"),
        ("COPY", "k1", "k2", "DB", 1, "REPLACE"),
        ("MOVE", "k3", 1),
        ("RENAME", "k4", "k5"),
        ("MSETNX", "k6", 1, "k7", 2),
        ("UNLINK", "k1", "k2", "k3"),
    ]

    def work(number):
        chooser = random.Random(number)
        with server.raw() as connection:
            for _ in range(60):
                batch = [
                    ("SET", f"k{chooser.randrange(50)}", "v" * chooser.randrange(200), *chooser.choice(((), ("PX", 5))))
                    for _ in range(20)
                ]
                batch += chooser.sample(commands, 4)
                for kind, payload in pipelined(connection, batch):
                    assert kind != "-" or payload in (b"ERR no such key",), payload

    in_parallel(WRITERS, work)
    assert server.client().ping() is True


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_replies_are_never_mixed_up_between_clients(server, transport, size):
    """Every client reads back what it alone wrote, in pipelines of all lengths."""

    def work(number):
        chooser = random.Random(number)
        with server.raw(transport) as connection:
            for turn in range(20):
                count = chooser.randrange(1, 60)
                values = (
                    [f"{number}:{turn}:{index}:".encode() * size for index in range(count)]
                    if size < 5000
                    else [f"{number}:{turn}:".encode() * size]
                )
                commands = [
                    words
                    for index, value in enumerate(values)
                    for words in (("SET", f"c{number}:{index}", value), ("GET", f"c{number}:{index}"), ("ECHO", value))
                ]
                replies = pipelined(connection, commands)
                assert replies[1::3] == replies[2::3] == [("$", value) for value in values]

    in_parallel(6, work)

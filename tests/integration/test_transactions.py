"""Transactions as applications use them: all or nothing, seen by nobody in part, on one thread as on four."""

import random
import threading

import pytest
import redis

from support.resp import Closed, decode, encode
from support.waiting import wait_until

pytestmark = pytest.mark.embedded

ACCOUNTS = [f"account:{number}" for number in range(20)]
AMOUNT = 1000


def in_parallel(works):
    """Runs each of them in a thread of its own; re-raises the first failure."""
    problems = []

    def guarded(work):
        try:
            work()
        except BaseException as problem:  # re-raised below
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def transaction(*commands):
    """The bytes of commands between MULTI and EXEC."""
    return b"".join(encode(*words) for words in (("MULTI",), *commands, ("EXEC",)))


def read_transaction(connection, count):
    """The reply of EXEC, behind those of MULTI and of `count` queued commands."""
    assert connection.read_frame() == b"+OK\r\n"
    for _ in range(count):
        assert connection.read_frame() == b"+QUEUED\r\n"
    return decode(connection.read_frame())


# --- Through redis-py ---


def test_pipeline_is_a_transaction(r):
    with r.pipeline(transaction=True) as pipe:
        assert pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, b"2"]
    with r.pipeline(transaction=True) as pipe, pytest.raises(redis.ResponseError, match="not an integer"):
        pipe.set("a", "x").incr("a").set("b", "y").execute()
    assert r.mget("a", "b") == [b"x", b"y"]


def test_watched_key_that_another_client_changes_stops_the_transaction(server, transport):
    r, other = server.client(transport), server.client(transport)
    with r.pipeline() as pipe:
        pipe.watch("seen")
        other.set("seen", 1)
        pipe.multi()
        pipe.set("done", 1)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert r.exists("done") == 0


def test_optimistic_increments_add_up(server, transport):
    def increment(pipe):
        value = int(pipe.get("n") or 0)
        pipe.multi()
        pipe.set("n", value + 1)

    def work():
        r = server.client(transport)
        for _ in range(25):
            r.transaction(increment, "n")

    in_parallel([work] * 4)
    assert server.client(transport).get("n") == b"100"


# --- Isolation ---


class Bank:
    """Accounts whose sum never changes, those who move amounts between them, and those who look."""

    def __init__(self, server, transport, seed, movers):
        self.server, self.transport, self.seed = server, transport, seed
        self.movers_left = movers
        self.lock = threading.Lock()
        with self.connect() as connection:
            connection.command("MSET", *[word for account in ACCOUNTS for word in (account, AMOUNT)])

    def connect(self):
        return self.server.raw(self.transport)

    def mover(self, move, number, rounds):
        def work():
            try:
                with self.connect() as connection:
                    chooser = random.Random(self.seed * 100 + number)
                    for _ in range(rounds):
                        move(connection, chooser)
            finally:
                with self.lock:
                    self.movers_left -= 1

        return work

    def bystander(self, act, number):
        def work():
            with self.connect() as connection:
                chooser = random.Random(self.seed * 100 + 50 + number)
                while True:
                    is_last = self.movers_left == 0
                    act(connection, chooser)
                    if is_last:
                        return

        return work


def move_by_transactions(connection, chooser):
    """Several in one write."""
    batch = []
    for _ in range(10):
        amount = chooser.randrange(1, 100)
        batch.append([("DECRBY", chooser.choice(ACCOUNTS), amount), ("INCRBY", chooser.choice(ACCOUNTS), amount)])
    connection.send(b"".join(transaction(*commands) for commands in batch))
    for commands in batch:
        kind, replies = read_transaction(connection, len(commands))
        assert kind == "*", replies
        assert [kind for kind, _ in replies] == [":", ":"]


def move_by_watching(connection, chooser):
    source, target = chooser.sample(ACCOUNTS, 2)
    amount = chooser.randrange(1, 100)
    while True:
        connection.send(encode("WATCH", source, target) + encode("MGET", source, target))
        assert connection.read_frame() == b"+OK\r\n"
        (_, of_source), (_, of_target) = decode(connection.read_frame())[1]
        connection.send(transaction(("SET", source, int(of_source) - amount), ("SET", target, int(of_target) + amount)))
        if read_transaction(connection, 2)[1] is not None:
            return


def check_sum(replies):
    assert [kind for kind, _ in replies] == ["$"] * len(ACCOUNTS)
    assert sum(int(value) for _, value in replies) == AMOUNT * len(ACCOUNTS)


def look_by_mget(connection, chooser):
    check_sum(connection.ask("MGET", *chooser.sample(ACCOUNTS, len(ACCOUNTS)))[1])


def look_by_transaction(connection, chooser):
    order = chooser.sample(ACCOUNTS, len(ACCOUNTS))
    visit = chooser.choice([("DBSIZE",), ("PING",), ("INFO",), ("SCAN", 0, "COUNT", 1000), ("CONFIG", "GET", "hz")])
    connection.send(transaction(*[("GET", account) for account in order], visit))
    check_sum(read_transaction(connection, len(order) + 1)[1][:-1])


def disturb(connection, chooser):
    """Everything that locks all shards, or one after the other, without touching the accounts."""
    connection.ask("SELECT", chooser.choice([1, 2]))
    connection.ask(
        *chooser.choice(
            [
                ("FLUSHDB",),
                ("SWAPDB", 1, 2),
                ("KEYS", "*"),
                ("RANDOMKEY",),
                ("DBSIZE",),
                ("INFO", "everything"),
                ("CLIENT", "LIST"),
                ("CONFIG", "SET", "hz", 20),
                ("CONFIG", "RESETSTAT"),
                ("MEMORY", "STATS"),
                ("MEMORY", "DOCTOR"),
                ("SET", "other", "v", "PX", 1),
                ("WATCH", "other", "another"),
            ]
        )
    )


@pytest.mark.parametrize(
    "moves", [[move_by_transactions] * 3, [move_by_watching] * 3, None], ids=["MULTI", "WATCH", "both"]
)
def test_sum_of_all_accounts_never_changes(server, transport, moves, seed):
    moves = moves or [move_by_transactions, move_by_transactions, move_by_watching, move_by_watching]
    bank = Bank(server, transport, seed, len(moves))
    works = [bank.mover(move, number, 60 if move is move_by_transactions else 150) for number, move in enumerate(moves)]
    acts = [look_by_mget, look_by_transaction, look_by_transaction, disturb]
    works += [bank.bystander(act, number) for number, act in enumerate(acts)]
    in_parallel(works)
    check_sum(server.raw(transport).ask("MGET", *ACCOUNTS)[1])


def test_overlapping_transactions_flushes_and_walks_all_come_to_an_end(server, transport, seed):
    """Sets of keys that overlap at random, written and read in every order, while all is emptied, exchanged and walked
    over: whoever took locks in another order would sooner or later wait forever. Each set of keys is written with one
    value, so that readers can tell a part from the whole."""
    keys = [f"k{number}" for number in range(40)]

    def write(connection, chooser):
        chosen = chooser.sample(keys, chooser.randrange(2, 20))
        value = chooser.randrange(1 << 30)
        commands = [("SET", key, value) for key in chosen] + [("MGET", *chosen)]
        if chooser.randrange(5) == 0:
            commands.append(
                chooser.choice([("DBSIZE",), ("FLUSHALL",), ("SWAPDB", 0, 1), ("SCAN", 0), ("KEYS", "k1*")])
            )
        connection.send(transaction(*commands))
        replies = read_transaction(connection, len(commands))[1]
        assert replies[len(chosen)] == ("*", [("$", b"%d" % value)] * len(chosen))

    def cross(connection, chooser):
        chosen = chooser.sample(keys, 8)
        commands = [
            ("FLUSHALL",),
            ("SCAN", 0, "COUNT", 100),
            ("SWAPDB", 0, 1),
            ("MSET", *[word for key in chosen for word in (key, 1)]),
            ("DEL", *chosen),
            ("RENAME", *chosen[:2]),
            ("COPY", *chosen[:2], "DB", 1, "REPLACE"),
            ("INFO",),
            ("WATCH", *chosen),
            ("UNWATCH",),
        ]
        batch = chooser.sample(commands, 4)
        connection.send(b"".join(encode(*words) for words in batch))
        for _ in batch:
            connection.read_frame()

    bank = Bank(server, transport, seed, 4)
    works = [bank.mover(write, number, 150) for number in range(4)] + [
        bank.bystander(cross, number) for number in range(3)
    ]
    in_parallel(works)


# --- Clients that go, or are sent away ---


def test_transaction_of_a_client_that_leaves_has_no_effect(server, transport):
    r = server.client(transport)
    with server.raw(transport) as connection:
        connection.send(encode("WATCH", "w") + encode("MULTI") + encode("SET", "k", "v"))
        assert [connection.read_frame() for _ in range(3)] == [b"+OK\r\n", b"+OK\r\n", b"+QUEUED\r\n"]
    assert r.set("w", 1)
    assert r.exists("k") == 0


def test_killed_client_never_executes(server, transport):
    r = server.client(transport)
    connection = server.raw(transport)
    number = int(connection.ask("CLIENT", "ID")[1])
    connection.send(encode("MULTI") + encode("INCR", "n"))
    assert [connection.read_frame() for _ in range(2)] == [b"+OK\r\n", b"+QUEUED\r\n"]
    assert r.execute_command("CLIENT", "KILL", "ID", number) == 1
    with pytest.raises((Closed, OSError)):
        connection.command("EXEC")
    assert r.exists("n") == 0


def test_client_that_queues_beyond_the_query_buffer_limit_is_closed(start_server):
    server = start_server(threads=4, options={"client-query-buffer-limit": "1mb"})
    connection = server.raw()
    assert connection.command("MULTI") == b"+OK\r\n"
    with pytest.raises((Closed, OSError)):
        for _ in range(100):
            connection.command("SET", "k", "x" * 100_000)
    r = server.client()
    assert r.exists("k") == 0
    assert r.info()["client_query_buffer_limit_disconnections"] == 1


def test_client_that_watches_beyond_the_query_buffer_limit_is_closed(start_server):
    server = start_server(threads=4, options={"client-query-buffer-limit": "1mb"})
    connection = server.raw()
    with pytest.raises((Closed, OSError)):
        for number in range(1000):
            connection.command("WATCH", *[f"key:{number}:{index}" for index in range(100)])
    assert server.client().info()["client_query_buffer_limit_disconnections"] == 1


def test_slow_reader_of_a_large_exec_is_closed_and_its_writes_stay(start_server):
    server = start_server(threads=4, options={"client-output-buffer-limit": ["normal", "1mb", "0", "0"]})
    r = server.client()
    r.set("big", "x" * 10_000)
    connection = server.raw()
    connection.send(transaction(*[("GET", "big")] * 5000, ("INCR", "n")))
    wait_until(lambda: r.info()["client_output_buffer_limit_disconnections"] == 1, 10, "the slow reader to be closed")
    assert r.get("n") == b"1"
    assert r.info()["connected_clients"] == 1


def test_hundred_thousand_commands_are_one_transaction(server, transport):
    count = 100_000
    with server.raw(transport) as connection:
        commands = [("INCR", f"n{number % 10}") for number in range(count)]
        connection.send(transaction(*commands))
        replies = read_transaction(connection, count)[1]
        assert [int(value) for _, value in replies] == [number // 10 + 1 for number in range(count)]


def test_requests_may_be_cut_anywhere(server, transport):
    data = transaction(("SET", "a", "1"), ("INCR", "a"), ("GET", "a"))
    with server.raw(transport) as connection:
        for cut in range(1, len(data), 3):
            connection.send(data[:cut])
            connection.send(data[cut:])
            assert read_transaction(connection, 3) == ("*", [("+", b"OK"), (":", b"2"), ("$", b"2")])

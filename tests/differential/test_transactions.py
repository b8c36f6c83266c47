"""Transactions beside redis-server: what is said when, what is refused, and what counts as touching a watched key."""

import random
from itertools import count, groupby

import pytest

from support.resp import encode
from support.waiting import wait_until

from .generator import Generator
from .pair import Pair
from .rules import WHOLE_SCAN_COUNT

MULTI, EXEC, DISCARD, UNWATCH = ("MULTI",), ("EXEC",), ("DISCARD",), ("UNWATCH",)

SCENARIOS = {
    "all replies come at once": [MULTI, ("SET", "a", 1), ("GET", "a"), ("INCR", "a"), EXEC, ("GET", "a")],
    "an empty one": [MULTI, EXEC, MULTI, DISCARD],
    "none is open": [EXEC, DISCARD, UNWATCH],
    "wrong number of words, none open": [("EXEC", "x"), ("DISCARD", "x"), ("MULTI", "x"), ("WATCH",), ("UNWATCH", "x")],
    "EXEC with a word too many ends it": [MULTI, ("SET", "a", 1), ("EXEC", "x"), ("GET", "a"), EXEC, ("GET", "a")],
    "EXEC with a word too many unwatches": [("WATCH", "a"), ("SET", "a", 1), ("EXEC", "x"), MULTI, EXEC],
    "DISCARD with a word too many spoils it": [MULTI, ("DISCARD", "x"), EXEC, DISCARD],
    "MULTI with a word too many spoils it": [MULTI, ("SET", "a", 1), ("MULTI", "x"), EXEC, ("GET", "a")],
    "they do not nest": [MULTI, MULTI, ("SET", "a", 1), EXEC, DISCARD, EXEC],
    "WATCH has no place inside": [MULTI, ("WATCH", "a"), ("SET", "a", 1), EXEC, ("GET", "a")],
    "WATCH without a key spoils it": [MULTI, ("WATCH",), ("SET", "a", 1), EXEC, ("GET", "a")],
    "UNWATCH inside is queued and has no effect": [("WATCH", "a"), ("SET", "a", 1), MULTI, UNWATCH, EXEC, MULTI, EXEC],
    "an unknown command spoils it": [MULTI, ("nosuch",), ("SET", "a", 1), EXEC, ("GET", "a")],
    "too few words spoil it": [MULTI, ("SET",), ("SET", "a", 1), EXEC, ("GET", "a")],
    "an unknown subcommand spoils it": [MULTI, ("CONFIG", "nosuch"), EXEC, MULTI, ("CONFIG",), EXEC],
    "an error while running stops nothing": [
        MULTI,
        ("SET", "a", "x"),
        ("INCR", "a"),
        ("MSET", "a", "b", "c"),
        ("SET", "a", "b", "c"),
        ("GET", "a"),
        EXEC,
        ("GET", "a"),
    ],
    "SHUTDOWN is refused inside and spoils it": [MULTI, ("SHUTDOWN", "NOSAVE"), ("SET", "a", 1), EXEC, ("GET", "a")],
    "QUIT is run at once": [MULTI, ("SET", "a", 1), ("QUIT",), EXEC],
    "RESET is run at once": [("SELECT", 1), MULTI, ("SET", "a", 1), ("RESET",), EXEC, ("GET", "a"), ("HELLO",)],
    "RESET unwatches": [("WATCH", "a"), ("SET", "a", 1), ("RESET",), MULTI, EXEC],
    "DISCARD unwatches": [("WATCH", "a"), ("SET", "a", 1), MULTI, DISCARD, MULTI, EXEC],
    "a refused EXEC unwatches": [("WATCH", "a"), ("SET", "a", 1), MULTI, EXEC, MULTI, EXEC],
    "a spoiled EXEC unwatches": [("WATCH", "a"), ("SET", "a", 1), MULTI, ("nosuch",), EXEC, MULTI, EXEC],
    "spoiled goes before touched": [("WATCH", "a"), ("SET", "a", 1), MULTI, ("nosuch",), EXEC],
    "SELECT holds for what follows, inside and behind": [
        ("SET", "a", 0),
        MULTI,
        ("SELECT", 1),
        ("SET", "a", 1),
        ("SELECT", 0),
        ("GET", "a"),
        ("SELECT", 99),
        ("SELECT", "x"),
        ("SELECT", 1),
        EXEC,
        ("GET", "a"),
        ("DBSIZE",),
    ],
    "watched keys keep their database": [
        ("SELECT", 1),
        ("WATCH", "a"),
        ("SELECT", 0),
        ("SET", "a", 1),
        MULTI,
        ("PING",),
        EXEC,
        ("SELECT", 1),
        ("WATCH", "a"),
        ("SELECT", 2),
        MULTI,
        ("SELECT", 1),
        ("SET", "a", 2),
        EXEC,
        ("GET", "a"),
    ],
    "HELLO changes the protocol in the middle": [MULTI, ("GET", "x"), ("HELLO", 3), ("GET", "x"), ("HELLO", 2), EXEC],
    "HELLO changes the protocol for what follows": [MULTI, ("HELLO", 3), EXEC, ("GET", "x"), MULTI, ("HELLO", 2), EXEC],
    "whole databases": [
        ("MSET", "a", 1, "b", 2),
        MULTI,
        ("DBSIZE",),
        ("KEYS", "*"),
        ("SCAN", "0", "COUNT", WHOLE_SCAN_COUNT),
        ("RANDOMKEY",),
        ("SWAPDB", 0, 1),
        ("DBSIZE",),
        ("SELECT", 1),
        ("DBSIZE",),
        ("FLUSHDB",),
        ("SET", "c", 3),
        ("FLUSHALL", "ASYNC"),
        ("RANDOMKEY",),
        ("DBSIZE",),
        EXEC,
        ("DBSIZE",),
    ],
    "keys in many ways": [
        MULTI,
        ("MSET", "a", 1, "b", "text", "c", 3),
        ("MSETNX", "c", 1, "d", 2),
        ("COPY", "a", "e"),
        ("RENAME", "a", "z"),
        ("MOVE", "z", 1),
        ("MGET", "a", "b", "c", "z"),
        ("LCS", "b", "c"),
        ("GETEX", "b", "PERSIST"),
        ("EXPIRE", "b", 100),
        ("TTL", "b"),
        ("OBJECT", "ENCODING", "b"),
        ("MEMORY", "USAGE", "b"),
        ("UNLINK", "a", "b", "c"),
        EXEC,
    ],
    "commands of the server": [
        MULTI,
        ("CONFIG", "SET", "maxclients", 9000),
        ("CONFIG", "SET", "nosuch", 1),
        ("CONFIG", "GET", "maxclients"),
        ("CONFIG", "SET", "maxclients", 10000),
        ("CONFIG", "RESETSTAT"),
        ("TIME",),
        ("COMMAND", "GETKEYS", "SET", "a", "b"),
        ("DEBUG", "SLEEP", "0"),
        ("DEBUG", "OBJECT", "nosuch"),
        ("MEMORY", "PURGE"),
        EXEC,
    ],
    "commands of the connection": [
        MULTI,
        ("CLIENT", "SETNAME", "me"),
        ("CLIENT", "GETNAME"),
        ("CLIENT", "SETNAME", "two words"),
        ("CLIENT", "NO-EVICT", "on"),
        ("CLIENT", "REPLY", "ON"),
        ("CLIENT", "UNPAUSE"),
        ("AUTH", "x"),
        ("AUTH", "default", "x"),
        ("PING",),
        ("PING", "a", "b"),
        ("ECHO", "x"),
        EXEC,
        ("CLIENT", "GETNAME"),
    ],
}


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_said_and_done_is_as_in_redis(pair, name, protocol):
    pair.compare([("HELLO", protocol), *SCENARIOS[name]])
    if ("QUIT",) not in SCENARIOS[name]:
        pair.compare([("RESET",)])
        pair.compare_contents(3)


@pytest.mark.parametrize("before", [[], [("CLIENT", "REPLY", "SKIP")]], ids=["begun aloud", "begun in silence"])
@pytest.mark.parametrize("mode", ["OFF", "SKIP"])
def test_silence_inside_leaves_the_same_gaps(pair, mode, before):
    """CLIENT REPLY takes single replies out of EXEC's array, which no client can read: compared as bytes."""
    requests = [
        *before,
        MULTI,
        ("SET", "a", 1),
        ("CLIENT", "REPLY", mode),
        ("GET", "a"),
        ("CLIENT", "REPLY", "ON"),
        ("GET", "a"),
        EXEC,
        *[("PING",)] * 2,
        ("CLIENT", "REPLY", "ON"),
        ("QUIT",),
    ]
    for connection in pair.connections:
        connection.send(b"".join(encode(*words) for words in requests))
    ours, theirs = (connection.read_until_closed() for connection in pair.connections)
    assert ours == theirs


def test_before_authentication_nothing_begins_or_ends(binary, reference):
    pair = Pair(binary, reference, options={"requirepass": "secret"})
    try:
        pair.open()
        pair.compare([MULTI, EXEC, ("EXEC", "x"), DISCARD, ("WATCH", "a"), UNWATCH, ("AUTH", "secret"), EXEC])
        pair.compare([MULTI, ("AUTH", "wrong"), ("GET", "a"), ("RESET",), EXEC, ("AUTH", "secret"), EXEC])
    finally:
        pair.stop()


# --- Touching ---

TOUCHES = [
    ("APPEND", "b", ""),
    ("APPEND", "b", "x"),
    ("COPY", "b", "c"),
    ("COPY", "b", "c", "DB", 1),
    ("COPY", "c", "b"),
    ("COPY", "c", "b", "REPLACE"),
    ("DEBUG", "SET-ACTIVE-EXPIRE", "1"),
    ("DEL", "b"),
    ("DEL", "c"),
    ("EXPIRE", "b", -1),
    ("EXPIRE", "b", 100),
    ("EXPIRE", "b", 100, "XX"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("GET", "b"),
    ("GETDEL", "b"),
    ("GETEX", "b"),
    ("GETEX", "b", "EX", 100),
    ("GETEX", "b", "PERSIST"),
    ("GETEX", "b", "PXAT", 1),
    ("GETSET", "b", 1),
    ("INCR", "b"),
    ("INCRBY", "b", 0),
    ("INCRBYFLOAT", "b", 0),
    ("MOVE", "b", 1),
    ("MSET", "b", 1, "c", 2),
    ("MSETNX", "b", 1, "c", 2),
    ("OBJECT", "ENCODING", "b"),
    ("PERSIST", "b"),
    ("PEXPIREAT", "b", 1),
    ("RENAME", "b", "b"),
    ("RENAME", "b", "c"),
    ("RENAME", "c", "b"),
    ("RENAMENX", "c", "b"),
    ("SELECT", 1),
    ("SET", "b", 1),
    ("SET", "b", 1, "NX"),
    ("SET", "b", 1, "PXAT", 1),
    ("SET", "b", "x", "GET"),
    ("SET", "b", "x", "XX"),
    ("SETEX", "b", 100, "x"),
    ("SETNX", "b", 1),
    ("SETRANGE", "b", 0, ""),
    ("SETRANGE", "b", 0, "x"),
    ("SWAPDB", 0, 0),
    ("SWAPDB", 0, 1),
    ("SWAPDB", 1, 2),
    ("TOUCH", "b"),
    ("UNLINK", "b"),
]
CONTENTS = {
    "nothing": [],
    "a number": [("SET", "b", 1)],
    "a text": [("SET", "b", "foo")],
    "a deadline": [("SET", "b", 1, "EX", 1000)],
    "another key": [("SET", "c", 1)],
    "both keys": [("SET", "b", 1), ("SET", "c", 2)],
    "the key in the other database": [("SELECT", 1), ("SET", "b", 1), ("SELECT", 0)],
    "the key in both databases": [("SELECT", 1), ("SET", "b", 1), ("SELECT", 0), ("SET", "b", 2)],
}


@pytest.mark.parametrize("contents", CONTENTS)
def test_the_same_commands_touch_a_watched_key(pair, contents):
    """For each command over each state of the keys: does the EXEC behind it run?"""
    different = []
    for touch in TOUCHES:
        pair.compare([("FLUSHALL",), ("RESET",), *CONTENTS[contents]])
        different += pair.differences([("WATCH", "b"), touch, MULTI, ("PING",), EXEC, ("RESET",)])
    assert not different, "\n".join(different)


class Crowd:
    """Several clients, each with a connection to both servers."""

    def __init__(self, pair, size):
        self.pair = pair
        self.clients = [(pair.larder.raw(), pair.reference.raw()) for _ in range(size)]
        self.queued = [[] for _ in range(size)]

    def close(self):
        for client in self.clients:
            for connection in client:
                connection.close()

    def compare(self, number, commands):
        """The pair's own comparison, over this client's connections."""
        self.pair.connections, self.pair.queued = self.clients[number], self.queued[number]
        self.pair.compare(commands)
        self.queued[number] = self.pair.queued

    def play(self, script):
        """(client, words) one after the other; those of one client in a row go in one pipeline."""
        for number, steps in groupby(script, lambda step: step[0]):
            self.compare(number, [words for _, words in steps])


@pytest.fixture
def crowd(pair):
    connections = pair.connections
    crowd = Crowd(pair, 4)
    yield crowd
    crowd.close()
    pair.connections, pair.queued = connections, []


def test_others_touch_what_one_watches(crowd):
    for touch in TOUCHES:
        crowd.play(
            [
                (3, ("FLUSHALL",)),
                (3, ("MSET", "b", 1, "c", 2)),
                (3, ("SELECT", 0)),
                (0, ("WATCH", "b")),
                (1, ("WATCH", "c", "b")),
                (2, ("WATCH", "nosuch")),
                (0, MULTI),
                (0, ("GET", "b")),
                (3, touch),
                (1, MULTI),
                (1, ("DBSIZE",)),
                (2, MULTI),
                *((number, EXEC) for number in range(3)),
            ]
        )


def test_a_closed_client_watches_nothing(crowd):
    crowd.play([(0, ("WATCH", "k")), (1, ("WATCH", "k")), (0, MULTI), (0, ("SET", "k", "of 0"))])
    for connection in crowd.clients[0]:
        connection.close()
    crowd.play([(2, ("SET", "k", "v")), (1, MULTI), (1, EXEC), (2, ("GET", "k"))])


# --- Expiry ---


LIFE_MS = 100
canary_numbers = count()


def run_out(pair, commands):
    """Runs commands that give keys a short life, yet longer than a busy machine takes to come to the end of them, and
    waits until it is over on both servers, without looking at them: a later key of a longer life has gone."""
    canary = f"canary:{next(canary_numbers)}"
    pair.compare([*commands, ("SET", canary, 1, "PX", LIFE_MS + 10)])
    for connection in pair.connections:
        wait_until(
            lambda connection=connection: connection.ask("EXISTS", canary) == (":", b"0"), 5, "the key to expire"
        )


@pytest.mark.parametrize("protocol", [2, 3])
def test_death_of_a_watched_key_counts_only_if_it_was_seen_alive(pair, protocol):
    short = ("PX", LIFE_MS)
    elsewhere = [("SELECT", 1), ("SET", "k", 1, *short), ("SELECT", 0)]
    end = [MULTI, ("PING",), EXEC]
    pair.compare([("DEBUG", "SET-ACTIVE-EXPIRE", 0), ("HELLO", protocol)])
    try:
        for commands in (
            [("SET", "k", 1, *short), ("WATCH", "k")],
            [("SET", "k", 1), ("WATCH", "k"), ("PEXPIRE", "k", LIFE_MS)],
        ):
            run_out(pair, commands)
            pair.compare([*end, ("EXISTS", "k")])
        for behind in (
            [("WATCH", "k")],
            [("WATCH", "k"), ("GET", "k")],
            [("WATCH", "k"), ("DEL", "k")],
            [("WATCH", "k"), ("SET", "k", 2)],
            [("WATCH", "k"), ("FLUSHALL",)],
            [("WATCH", "k"), ("SWAPDB", 0, 1)],
            [("WATCH", "k"), ("SET", "other", 2), ("RENAME", "other", "k")],
        ):
            run_out(pair, [("SET", "k", 1, *short)])
            pair.compare([*behind, *end, ("FLUSHALL",)])
        for behind in (
            [("WATCH", "k"), ("SWAPDB", 0, 1)],
            [("WATCH", "k"), ("SWAPDB", 0, 1), ("GET", "k")],
            [("SET", "k", 2), ("WATCH", "k"), ("SWAPDB", 0, 1)],
            [("SELECT", 1), ("WATCH", "k"), ("SWAPDB", 0, 1)],
        ):
            run_out(pair, elsewhere)
            pair.compare([*behind, *end, ("SELECT", 0), ("FLUSHALL",)])
    finally:
        pair.compare([("RESET",), ("DEBUG", "SET-ACTIVE-EXPIRE", 1)])


# --- Everything at random ---


def test_random_clients_with_transactions_leave_both_servers_equal(crowd, seed, request):
    wanted = request.config.getoption("--random-commands") // 4
    chooser = random.Random(seed * 4 + 1)
    generator = Generator(chooser, key_count=8)
    done = 0
    try:
        while done < wanted:
            commands = generator.commands(chooser.randrange(1, 12))
            crowd.compare(chooser.randrange(4), commands)
            done += len(commands)
        for number in range(4):
            crowd.compare(number, [("RESET",)])
        crowd.pair.compare_contents()
    except AssertionError as difference:
        raise AssertionError(f"after {done} commands, --seed {seed}: {difference}") from None

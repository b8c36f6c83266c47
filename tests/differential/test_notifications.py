"""Keyspace notifications: the same commands to both servers bring about the same events, in the same order.

Where a time in the past makes a key expire at once, redis-server says so when the key is next looked at; the generator lets
an EXISTS follow, so that this is at the same place.
"""

import random

import pytest

from support.resp import decode, encode

from .generator import Generator
from .pair import show

CLASSES = "KEg$lshzxetdmnA"
ALL = "KEAmn"


class Watcher:
    """Subscribes to all events of both servers."""

    def __init__(self, pair):
        self.connections = [server.raw() for server in (pair.larder, pair.reference)]
        for connection in self.connections:
            connection.command("PSUBSCRIBE", "__key*@*__:*")

    def _events(self, connection, marker):
        connection.send(encode("PING", marker))
        found = []
        while True:
            words = [value for _, value in decode(connection.read_frame())[1]]
            if words == [b"pong", marker]:
                return found
            found.append((words[2], words[3]))

    def compare(self):
        """The events since the last time, which are returned."""
        ours, theirs = (self._events(connection, b"mark") for connection in self.connections)
        if ours != theirs:
            at = next((n for n, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            raise AssertionError(
                f"event {at} of {len(ours)} and {len(theirs)} differs:\n"
                f"    under test: {ours[max(at - 2, 0) : at + 4]}\n    reference:  {theirs[max(at - 2, 0) : at + 4]}"
            )
        return ours


def in_transactions(chooser, commands):
    """Some of them between MULTI and EXEC."""
    made, is_queueing = [], False
    for words in commands:
        if chooser.randrange(10) == 0:
            made.append(("EXEC",) if is_queueing else ("MULTI",))
            is_queueing = not is_queueing
        made.append(words)
    return [*made, ("EXEC",)] if is_queueing else made


@pytest.fixture
def watched(pair):
    """The pair with a watcher; no events are asked for before and after."""
    yield pair, Watcher(pair)
    pair.open()
    pair.compare([("CONFIG", "SET", "notify-keyspace-events", "")])


def test_random_commands_bring_about_the_same_events(watched, seed, request):
    pair, watcher = watched
    chooser = random.Random(seed)
    generator = Generator(chooser)
    done = events = 0
    while done < request.config.getoption("--random-commands") // 5:
        classes = ALL if chooser.randrange(2) else "".join(chooser.choices(CLASSES, k=chooser.randrange(2, 9)))
        pair.compare([("CONFIG", "SET", "notify-keyspace-events", classes)])
        for _ in range(20):
            commands = generator.commands(chooser.randrange(1, 12))
            # the replies are compared by another test; a refused command ends a transaction, which is a case as well
            for _ in pair.exchange(in_transactions(chooser, commands)):
                pass
            done += len(commands)
            try:
                events += len(watcher.compare())
            except AssertionError as difference:
                shown = "\n".join(map(show, commands))
                raise AssertionError(f"--seed {seed}, {classes}, after\n{shown}\n{difference}") from None
    assert events > done / 10


def test_each_event_by_itself(watched):
    """One line for each way in which a command of ours tells of something."""
    pair, watcher = watched
    pair.compare([("CONFIG", "SET", "notify-keyspace-events", ALL)])
    seen = set()
    for words in [
        ("SET", "k", "v"),
        ("SET", "k", "v", "EX", "100"),
        ("SET", "k", "v", "KEEPTTL"),
        ("SET", "k", "v", "GET"),
        ("GETEX", "k", "EX", "100"),
        ("GETEX", "k", "PERSIST"),
        ("GETEX", "k", "PERSIST"),
        ("GETSET", "other", "v"),
        ("SETNX", "nx", "v"),
        ("SETEX", "ex", "100", "v"),
        ("PSETEX", "ex", "100000", "v"),
        ("MSET", "k", "1", "m", "2", "k", "3"),
        ("MSETNX", "x", "1", "y", "2"),
        ("INCR", "n"),
        ("DECRBY", "n", "5"),
        ("INCRBYFLOAT", "n", "0.5"),
        ("APPEND", "a", "x"),
        ("APPEND", "a", "y"),
        ("APPEND", "a", ""),
        ("SETRANGE", "r", "2", "x"),
        ("SETRANGE", "r", "0", ""),
        ("EXPIRE", "k", "100"),
        ("PERSIST", "k"),
        ("EXPIREAT", "k", "1"),
        ("COPY", "m", "c"),
        ("COPY", "m", "c", "REPLACE"),
        ("COPY", "m", "c", "DB", "3"),
        ("RENAME", "m", "c"),
        ("RENAME", "c", "c"),
        ("RENAMENX", "c", "d"),
        ("MOVE", "d", "1"),
        ("GETDEL", "a"),
        ("DEL", "x", "none", "x"),
        ("UNLINK", "y"),
        ("MGET", "n", "none"),
        ("EXISTS", "none"),
        ("TTL", "none"),
        ("TYPE", "none"),
        ("TOUCH", "none"),
        ("OBJECT", "ENCODING", "none"),
        ("STRLEN", "none"),
        ("LCS", "none", "none"),
        ("GETDEL", "none"),
        ("COPY", "none", "k"),
        ("RENAME", "none", "k"),
        ("SWAPDB", "0", "1"),
        ("FLUSHALL",),
    ]:
        for _ in pair.exchange([words]):
            pass
        try:
            seen |= {channel.split(b":")[1] for channel, _ in watcher.compare() if channel.startswith(b"__keyevent")}
        except AssertionError as difference:
            raise AssertionError(f"{show(words)}: {difference}") from None
    assert seen == set(
        b"new set expire persist incrby incrbyfloat append setrange copy_to rename_from rename_to move_from move_to del "
        b"keymiss".split()
    )


def test_which_classes_are_asked_for_reads_the_same(watched, seed):
    pair, _ = watched
    chooser = random.Random(seed)
    for _ in range(200):
        letters = "".join(chooser.choices(CLASSES, k=chooser.randrange(0, 16)))
        if "n" in letters:  # beside A redis-server forgets to mention it
            letters = letters.replace("A", "").replace("d", "")
        letters += chooser.choice(["", "", "", "", "!", "N", " "])
        pair.compare([("CONFIG", "SET", "notify-keyspace-events", letters), ("CONFIG", "GET", "notify-keyspace-events")])

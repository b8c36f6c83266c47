"""Publish and subscribe, the same to both servers: every connection receives the same bytes.

A step is said on one connection of each server; then all connections are asked to PING, and what came in front of the
answer is compared. The publisher has a connection of its own: 7.0 sends one's own messages in front of the reply, 7.2 behind
it (tests/integration/test_pubsub.py).
"""

import random

import pytest

from support.resp import Closed, decode, encode

from .pair import show

NAMES = ["a", "ab", "abc", "b", "", b"\x00\r\n", "news:1", "news:2"]
PATTERNS = ["*", "a*", "?b*", "[^b]*", "a", "news:?", "*1", "\\a", "", b"\x00*"]
LISTENERS = 4
PUBLISHER = LISTENERS


class Conversation:
    """The same connections to each server of a pair; those with these numbers speak RESP3."""

    def __init__(self, pair, resp3=()):
        self.sides = [[server.raw() for _ in range(LISTENERS + 1)] for server in (pair.larder, pair.reference)]
        self.queueing = set()  # inside MULTI, where PING is queued
        self.steps = []
        for side in self.sides:
            for number in resp3:
                side[number].command("HELLO", 3)

    def _receive(self, connection, marker):
        """Everything up to the answer to PING, which goes along: it shows what state the connection is in."""
        frames = []
        try:
            connection.send(encode("PING", marker))
            while not frames or marker not in frames[-1]:
                frames.append(connection.read_frame())
        except (Closed, OSError):
            frames.append(b"(closed)")
        return frames

    def _exchange(self, side, number, words):
        """What each connection receives after the step."""
        connections = self.sides[side]
        connections[number].send(encode(*words))
        received = {}
        for other in sorted(range(len(connections)), key=lambda other: other != number):  # it first: then it is done
            if other == number and (other in self.queueing or words[0] == "MULTI"):
                received[other] = [connections[other].read_frame()]
            elif other not in self.queueing:
                received[other] = self._receive(connections[other], b"mark%d" % len(self.steps))
        return received

    def say(self, number, *words, in_any_order=False):
        """in_any_order: the frames that answer come in the order of a hash table with a random seed."""
        self.steps.append(f"{number}: {show(words)}")
        if words[0] in ("EXEC", "DISCARD", "RESET"):
            self.queueing.discard(number)
        ours, theirs = (self._exchange(side, number, words) for side in range(2))
        if words[0] == "MULTI" and ours[number] == [b"+OK\r\n"]:
            self.queueing.add(number)
        if in_any_order:
            ours, theirs = ({n: sorted(map(without_count, f)) for n, f in side.items()} for side in (ours, theirs))
        elif words[0] == "PUBLISH":  # several patterns match in the order of a hash table
            ours, theirs = ({n: sorted(f) for n, f in side.items()} for side in (ours, theirs))
        if ours != theirs:
            steps = "\n".join(self.steps[-30:])
            shown = "\n".join(
                f"connection {n}\n  under test: {shortened(ours[n])}\n  reference:  {shortened(theirs[n])}"
                for n in ours
                if ours[n] != theirs[n]
            )
            raise AssertionError(f"after\n{steps}\n{shown}")


def shortened(frames):
    return [frame if len(frame) < 200 else frame[:200] for frame in frames]


def without_count(frame):
    """How many are left differs with the order; arrays of names are sets."""
    kind, items = decode(frame)
    if kind in "*>" and items and all(item[0] == "$" for item in items):
        return str(sorted(items))
    return str(items[:2]) if kind in "*>" and len(items) == 3 else str((kind, items))


SCRIPTS = {
    "confirmations": [
        (0, "SUBSCRIBE", "a", "b", "a"),
        (0, "PSUBSCRIBE", "p*", "p*", ""),
        (0, "SSUBSCRIBE", "a", "s"),
        (0, "UNSUBSCRIBE", "b", "nothing"),
        (0, "UNSUBSCRIBE"),
        (0, "UNSUBSCRIBE"),
        (0, "PUNSUBSCRIBE", "p*"),
        (0, "PUNSUBSCRIBE"),
        (0, "PUNSUBSCRIBE"),
        (0, "SUNSUBSCRIBE", "s"),
        (0, "GET", "k"),
        (0, "SUNSUBSCRIBE"),
        (0, "SUNSUBSCRIBE"),
        (0, "GET", "k"),
    ],
    "wrong numbers of words": [
        (0, *words)
        for words in [
            ("SUBSCRIBE",),
            ("PSUBSCRIBE",),
            ("SSUBSCRIBE",),
            ("PUBLISH",),
            ("PUBLISH", "a"),
            ("PUBLISH", "a", "b", "c"),
            ("SPUBLISH", "a"),
            ("SPUBLISH", "a", "b", "c"),
            ("PUBSUB",),
            ("PUBSUB", "nosuch"),
            ("PUBSUB", ""),
            ("PUBSUB", "CHANNELS", "a", "b"),
            ("PUBSUB", "SHARDCHANNELS", "a", "b"),
            ("PUBSUB", "NUMPAT", "a"),
            ("PUBSUB", "NUMSUB"),
            ("PUBSUB", "SHARDNUMSUB"),
            ("PUBSUB", "HELP", "x"),
        ]
    ],
    "what a subscriber may say": [
        (0, "SUBSCRIBE", "a"),
        (0, "GET", "k"),
        (0, "GET"),
        (0, "nosuch", "word"),
        (0, "HELLO"),
        (0, "HELLO", "3"),
        (0, "AUTH", "x"),
        (0, "MULTI"),
        (0, "EXEC"),
        (0, "DISCARD"),
        (0, "WATCH", "k"),
        (0, "CLIENT", "ID"),
        (0, "CLIENT", "nosuch"),
        (0, "PUBSUB", "CHANNELS"),
        (0, "PUBLISH", "a", "x"),
        (0, "PING", "a", "b"),
        (0, "ECHO", "x"),
        (0, "SELECT", "1"),
        (0, "RESET"),
        (0, "GET", "k"),
        (0, "SSUBSCRIBE", "a"),
        (0, "GET", "k"),
        (0, "QUIT"),
    ],
    "in RESP3": [
        (0, "SUBSCRIBE", "a", "b"),
        (1, "PSUBSCRIBE", "*"),
        (1, "SSUBSCRIBE", "a"),
        (PUBLISHER, "PUBLISH", "a", "x"),
        (PUBLISHER, "SPUBLISH", "a", "y"),
        (0, "SET", "k", "v"),
        (0, "UNSUBSCRIBE", "a"),
        (0, "PUNSUBSCRIBE"),
        (PUBLISHER, "PUBLISH", "a", "x"),
        (0, "UNSUBSCRIBE"),
        (0, "UNSUBSCRIBE"),
        (PUBLISHER, "PUBLISH", "b", ""),
    ],
    "in a transaction": [
        (0, "MULTI"),
        (0, "SUBSCRIBE", "a", "b"),
        (0, "GET", "k"),
        (0, "UNSUBSCRIBE", "a"),
        (0, "PSUBSCRIBE", "x*"),
        (0, "SSUBSCRIBE", "s"),
        (0, "PUBSUB", "NUMPAT"),
        (0, "SUNSUBSCRIBE"),
        (0, "EXEC"),
        (PUBLISHER, "PUBLISH", "b", "x"),
        (0, "RESET"),
        (0, "MULTI"),
        (0, "SUBSCRIBE"),
        (0, "EXEC"),
        (1, "SUBSCRIBE", "a"),
        (PUBLISHER, "MULTI"),
        (PUBLISHER, "PUBLISH", "a", "x"),
        (PUBLISHER, "SPUBLISH", "a", "x"),
        (PUBLISHER, "PUBLISH", "a", "y"),
        (1, "PING"),
        (PUBLISHER, "EXEC"),
    ],
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(pair, name):
    conversation = Conversation(pair, (0, 1) if name == "in RESP3" else ())
    for number, *words in SCRIPTS[name]:
        conversation.say(number, *words)


def random_step(chooser):
    number = chooser.randrange(LISTENERS)
    kind = chooser.randrange(16)
    if kind < 3:
        return number, "SUBSCRIBE", *chooser.choices(NAMES, k=chooser.randrange(1, 4))
    if kind < 5:
        return number, "PSUBSCRIBE", *chooser.choices(PATTERNS, k=chooser.randrange(1, 3))
    if kind < 6:
        return number, "SSUBSCRIBE", chooser.choice(NAMES)
    if kind < 9:
        verb = chooser.choice(["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"])
        return number, verb, chooser.choice(PATTERNS if verb[0] == "P" else NAMES)
    if kind < 10:
        return number, chooser.choice(["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "GET", "PING"])
    if kind < 11:
        looks = [
            ("PUBSUB", "CHANNELS"),
            ("PUBSUB", "CHANNELS", chooser.choice(PATTERNS)),
            ("PUBSUB", "NUMSUB", *chooser.choices(NAMES, k=3)),
            ("PUBSUB", "NUMPAT"),
            ("PUBSUB", "SHARDCHANNELS"),
            ("PUBSUB", "SHARDNUMSUB", *chooser.choices(NAMES, k=2)),
        ]
        return PUBLISHER, *chooser.choice(looks)
    verb = chooser.choice(["PUBLISH", "PUBLISH", "SPUBLISH"])
    return PUBLISHER, verb, chooser.choice(NAMES), b"x" * chooser.choice([0, 1, 100, 20_000])


@pytest.mark.parametrize("resp3", [(), (0, 2)], ids=["resp2", "mixed"])
def test_random_subscribers_receive_the_same(pair, seed, resp3):
    chooser = random.Random(seed)
    conversation = Conversation(pair, resp3)
    try:
        for _ in range(800):
            number, *words = random_step(chooser)
            conversation.say(number, *words, in_any_order=len(words) == 1 or words[0] == "PUBSUB")
    except AssertionError as difference:
        raise AssertionError(f"--seed {seed}: {difference}") from None

"""CLIENT TRACKING beside redis-server: every combination of options is taken or refused in the same words, and random
clients that read, change and track are told the same.

What is compared after each step is what each connection received: replies in order, and the keys that its pushes name.
Clients in the default mode must be told of the same keys in the same order. In the broadcasting mode Redis tells once per
turn of its event loop and Larder once per batch, so there the keys are compared as sets.
"""

import itertools
import random

import pytest

from support.pushes import Listener, invalidated
from support.resp import encode

from .pair import show

OK = ("+", b"OK")
KEYS = [f"{stem}{number}" for stem in ("a", "ab", "b", "user:") for number in range(3)]
PREFIXES = ["", "a", "ab", "b", "user:", "us", "zz", "ab1", b"\x00", b"\xff\r\n"]


class Id:
    """The number of a connection, which differs from server to server."""

    def __init__(self, index):
        self.index = index

    def __repr__(self):
        return f"<id of {self.index}>"


class Crowd:
    """The same connections to one of the servers."""

    def __init__(self, server, protocols):
        self.listeners = [Listener(server.raw(), protocol) for protocol in protocols]

    def words(self, words):
        return [self.listeners[word.index].id if isinstance(word, Id) else word for word in words]

    def indexed(self, number):
        """A client's number as what does not differ."""
        return next((index for index, listener in enumerate(self.listeners) if listener.id == int(number)), number)

    def run(self, index, commands):
        listener = self.listeners[index]
        listener.connection.send(b"".join(encode(*self.words(words)) for words in commands))
        return [self.neutral(words, listener.read_reply()) for words in commands]

    def neutral(self, words, reply):
        """A reply without numbers of clients."""
        if words[:2] == ("CLIENT", "GETREDIR"):
            return self.indexed(reply[1]) if reply[0] == ":" else reply
        if words[:2] == ("CLIENT", "TRACKINGINFO") and reply[0] in "%*":
            items = list(reply[1])
            items[3] = self.indexed(items[3][1])
            return [(kind, sorted(payload) if kind in "~*" else payload) if isinstance(payload, list) else payload
                    for kind, payload in (item if isinstance(item, tuple) else ("", item) for item in items)]
        return reply

    def told(self, index, order=list):
        """What a connection was told since the last time: keys in that order, and clients that are gone."""
        pushes = self.listeners[index].sync()
        broken = [self.indexed(items[1][1]) for _, items in pushes if items[0][1] == b"tracking-redir-broken"]
        keys = invalidated([push for push in pushes if push[1][0][1] != b"tracking-redir-broken"])
        return order(keys), broken

    def close(self):
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def crowds(pair):
    """crowds(protocols) -> (ours, theirs), empty servers with that many connections each."""
    opened = []

    def open_both(protocols):
        pair.reset()
        opened[:] = [Crowd(pair.larder, protocols), Crowd(pair.reference, protocols)]
        return opened

    yield open_both
    for crowd in opened:
        crowd.close()


def compare(crowds, index, commands):
    ours, theirs = (crowd.run(index, commands) for crowd in crowds)
    for words, our, their in zip(commands, ours, theirs):
        assert our == their, f"{show(words) if not any(isinstance(w, Id) for w in words) else words}"


# ---- Options ----

STATES = [
    (),
    ("ON",),
    ("ON", "OPTIN"),
    ("ON", "OPTOUT", "NOLOOP"),
    ("ON", "BCAST"),
    ("ON", "BCAST", "PREFIX", "ab", "PREFIX", "x"),
]
OPTIONS = [
    ("BCAST",),
    ("OPTIN",),
    ("optout",),
    ("NOLOOP",),
    ("PREFIX", "a"),
    ("PREFIX", "abc", "PREFIX", "xy", "PREFIX", "a"),
    ("REDIRECT", Id(1)),
]


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_combination_of_options_in_every_state(crowds, protocol):
    both = crowds([protocol, protocol])
    for state in STATES:
        for count in range(len(OPTIONS) + 1):
            for chosen in itertools.combinations(OPTIONS, count):
                commands = [("CLIENT", "TRACKING", "OFF")]
                if state:
                    commands.append(("CLIENT", "TRACKING", *state))
                commands += [
                    ("CLIENT", "TRACKING", "ON", *itertools.chain(*chosen)),
                    ("CLIENT", "TRACKINGINFO"),
                    ("CLIENT", "GETREDIR"),
                    ("CLIENT", "CACHING", "YES"),
                    ("CLIENT", "CACHING", "NO"),
                    ("CLIENT", "TRACKINGINFO"),
                ]
                compare(both, 0, commands)


def test_wrong_words(crowds):
    both = crowds([3, 3])
    for words in [
        (),
        ("ON", "REDIRECT"),
        ("ON", "REDIRECT", "x"),
        ("ON", "REDIRECT", "0"),
        ("ON", "REDIRECT", "-1"),
        ("ON", "REDIRECT", "99999999999999999999"),
        ("ON", "REDIRECT", "123456789"),
        ("OFF", "REDIRECT", "123456789"),
        ("ON", "REDIRECT", Id(1), "REDIRECT", Id(1)),
        ("ON", "REDIRECT", "0", "REDIRECT", Id(1)),
        ("ON", "REDIRECT", Id(1), "REDIRECT", "0"),
        ("ON", "REDIRECT", Id(0)),
        ("ON", "PREFIX"),
        ("ON", "BCAST", "OPTIN", "PREFIX"),
        ("ON", "bogus"),
        ("OFF", "bogus"),
        ("OFF", "BCAST", "OPTIN"),
        ("OFF", "PREFIX", "x"),
        ("MAYBE",),
        ("MAYBE", "OPTIN", "OPTOUT"),
        ("on", "bcast", "prefix", "a"),
    ]:
        compare(both, 0, [("CLIENT", "TRACKING", *words), ("CLIENT", "TRACKINGINFO"), ("CLIENT", "TRACKING", "OFF")])
    for words in [("CACHING",), ("CACHING", "MAYBE"), ("CACHING", "YES", "x"), ("TRACKINGINFO", "x"), ("GETREDIR", "x")]:
        compare(both, 0, [("CLIENT", *words)])
        compare(both, 0, [("CLIENT", "TRACKING", "ON", "OPTIN"), ("CLIENT", *words), ("CLIENT", "TRACKING", "OFF")])


def answers(listener, words):
    """All that is answered to a command: Redis 7.0 answers twice, OK behind the error, if it is not the first of the
    given prefixes that overlaps with another of them; and then listens to all of them."""
    listener.connection.send(encode(*words) + encode("ECHO", "end"))
    replies = []
    while not replies or replies[-1] != ("$", b"end"):
        replies.append(listener.read_reply())
    return replies[:-1]


def test_overlaps_are_found_and_named_alike(crowds, seed):
    both = crowds([3])
    draw = random.Random(seed)
    for _ in range(400):
        if draw.random() < 0.3:
            compare(both, 0, [("CLIENT", "TRACKING", "OFF")])
        prefixes = draw.choices(PREFIXES, k=draw.randrange(4))
        if draw.random() < 0.3:
            prefixes += ["".join(draw.choices("ab", k=draw.randrange(1, 5))) for _ in range(draw.randrange(8))]
        words = ("CLIENT", "TRACKING", "ON", "BCAST", *[word for prefix in prefixes for word in ("PREFIX", prefix)])
        ours, theirs = (answers(crowd.listeners[0], words) for crowd in both)
        assert ours == theirs[:1], show(words)
        if len(theirs) > 1:
            assert theirs[1] == OK
            compare(both, 0, [("CLIENT", "TRACKING", "OFF")])
        compare(both, 0, [("CLIENT", "TRACKINGINFO")])


# ---- Random clients ----

PROTOCOLS = [3, 3, 3, 2, 2, 3, 3]
# The first four read, change and track; the next two are redirected to and do nothing else, as Redis puts a push in the
# middle of what EXEC replies if its client is redirected to by another; the last one never tracks.
SUBSCRIBED, RECEIVER, WRITER = 4, 5, 6
STEPS = 2000


def draw_read(draw):
    keys = draw.sample(KEYS, 3)
    return draw.choice(
        [("GET", keys[0]), ("MGET", *keys), ("EXISTS", *keys[:2]), ("TTL", keys[0]), ("STRLEN", keys[0]), ("TYPE", keys[0])]
    )


def draw_write(draw):
    keys = draw.sample(KEYS, 3)
    return draw.choice(
        [
            ("SET", keys[0], draw.randrange(100)),
            ("SET", keys[0], "x", "NX"),
            ("DEL", *keys),
            ("INCR", keys[0]),
            ("MSET", keys[0], "1", keys[1], "2", keys[2], "3"),
            ("RENAME", keys[0], keys[1]),
            ("COPY", keys[0], keys[1], "REPLACE"),
            ("GETDEL", keys[0]),
            ("EXPIRE", keys[0], "1000"),
            ("PERSIST", keys[0]),
            ("GETEX", keys[0], "EX", "1000"),
        ]
    )


def draw_commands(draw):
    """What a client sends at a time."""
    dice = draw.random()
    if dice < 0.02:
        return [draw.choice([("FLUSHALL",), ("FLUSHDB",)])]
    if dice < 0.05:
        return [("SELECT", draw.randrange(2))]
    commands = [draw_read(draw) if draw.random() < 0.6 else draw_write(draw) for _ in range(draw.randrange(1, 5))]
    if dice < 0.25:
        return [("CLIENT", "CACHING", draw.choice(["YES", "NO"])), *commands]
    if dice < 0.4:
        return [("MULTI",), *commands, draw.choice([("EXEC",), ("EXEC",), ("DISCARD",)]), draw_read(draw)]
    return commands


def draw_tracking(draw):
    """Settings that fit each other; whether the mode may be changed to them, the servers say."""
    words = []
    if draw.random() < 0.3:
        words.append("BCAST")
        words += [word for prefix in draw.sample(PREFIXES, draw.randrange(3)) for word in ("PREFIX", prefix)]
    elif draw.random() < 0.5:
        words.append(draw.choice(["OPTIN", "OPTOUT"]))
    if draw.random() < 0.3:
        words.append("NOLOOP")
    if draw.random() < 0.4:
        words += ["REDIRECT", Id(draw.choice([SUBSCRIBED, RECEIVER]))]
    off = [("CLIENT", "TRACKING", "OFF")] if draw.random() < 0.7 else []
    return [*off, ("CLIENT", "TRACKING", "ON", *words), ("CLIENT", "TRACKINGINFO")]


def sort(keys):
    return sorted(map(str, keys))


def compare_told(both, has_broadcast, step):
    for index in range(len(PROTOCOLS)):
        # Redis tells those who redirect to one connection in an order of its own when one of them makes the change
        order = set if has_broadcast else sort if index in (SUBSCRIBED, RECEIVER) else list
        ours, theirs = (crowd.told(index, order) for crowd in both)
        assert ours == theirs, f"connection {index} at step {step}"


def test_random_clients_are_told_the_same(crowds, seed):
    both = crowds(PROTOCOLS)
    draw = random.Random(seed)
    compare(both, SUBSCRIBED, [("SUBSCRIBE", "__redis__:invalidate")])
    has_broadcast = False
    for step in range(STEPS):
        if draw.random() < 0.05:
            commands = draw_tracking(draw)
            has_broadcast |= "BCAST" in commands[-2]
            compare(both, draw.randrange(SUBSCRIBED), commands)
        else:
            compare(both, draw.choice([0, 1, 2, 3, WRITER]), draw_commands(draw))
        compare_told(both, has_broadcast, step)
        if has_broadcast and draw.random() < 0.02:  # back to comparing in order
            for index in range(SUBSCRIBED):
                compare(both, index, [("CLIENT", "TRACKING", "OFF")])
            has_broadcast = False


def test_an_own_change_is_told_behind_its_reply(crowds):
    """Byte for byte what comes over a connection that reads, changes and tracks."""
    both = crowds([3])
    commands = [
        ("CLIENT", "TRACKING", "ON"),
        ("GET", "k"),
        ("SET", "k", "1"),
        ("GET", "k"),
        ("INCR", "k"),
        ("MULTI",),
        ("GET", "k"),
        ("SET", "k", "1"),
        ("SET", "l", "1"),
        ("EXEC",),
        ("GET", "k"),
        ("FLUSHALL",),
        ("PING",),
    ]
    received = []
    for crowd in both:
        connection = crowd.listeners[0].connection
        connection.send(b"".join(encode(*words) for words in commands))
        frames = []
        while not frames or frames[-1] != b"+PONG\r\n":
            frames.append(connection.read_frame())
        received.append(frames)
    assert received[0] == received[1]


def test_a_redirection_that_breaks(crowds):
    both = crowds([3, 3, 2, 3])
    for index in (0, 2):
        compare(both, index, [("CLIENT", "TRACKING", "ON", "REDIRECT", Id(1)), ("MGET", "k", "l")])
    compare(both, 3, [("CLIENT", "KILL", "ID", Id(1))])
    for commands in ([("SET", "k", "1")], [("SET", "k", "2")], [("FLUSHALL",)]):
        compare(both, 3, commands)
        for index in (0, 2, 3):
            ours, theirs = (crowd.told(index) for crowd in both)
            assert ours == theirs
            compare(both, index, [("CLIENT", "TRACKINGINFO"), ("CLIENT", "GETREDIR")])

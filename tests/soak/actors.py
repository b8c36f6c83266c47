"""The soak's actors: each plays one kind of client, on connections that come and go, as Redis is documented.

An actor may lose its connection at any moment (others kill clients, limits are changed) and then begins anew. What may
never happen is a malformed reply, a silent server, an error whose text the actor does not name, or a broken promise of
the actor's own (a value that was not written, half a transaction, messages out of order, ...).
"""

import contextlib
import itertools
import random
import re
import socket
import ssl
import time

from differential.generator import Generator
from gibson import peer as gibson
from gibson.peer import connect_to, read_reply, request
from support.resp import Closed

from .soak import LOST, STUCK_S, Problem, live_with

SOCKETS = frozenset({"tcp", "unix"})
CLIENTS = SOCKETS | {"tls", "memory"}
EVERYWHERE = CLIENTS | {"session"}

# Databases: nobody exchanges or moves what lies in the quiet ones. Everywhere, keys may be evicted or flushed.
QUIET_DBS = (0, 1)
STORMY_DBS = (4, 5, 6, 7)

# Each thread reads the clock once for a batch of requests, so that a slow one lags behind the others.
CLOCK_SKEW_MS = 2000

# Refusals that others bring about at any time.
REFUSALS = (
    b"OOM ",
    b"EXECABORT Transaction discarded because of: OOM ",
    b"EXECABORT Transaction discarded because of pr",
)


def content(reply):
    """The payload of a reply; None for a null of either protocol."""
    return None if reply[0] == "_" else reply[1]


class Actor:
    count = 1
    transports = CLIENTS
    protocols = (2, 3)

    def __init__(self, soak, number, seed):
        self.soak = soak
        self.number = number
        self.random = random.Random(seed)
        self.steps = 0
        self.last_step = time.monotonic()
        self.protocol = 2

    def __str__(self):
        return f"{type(self).__name__} {self.number}"

    def live(self):
        live_with(self, self._live)

    def _live(self):
        while not self.soak.is_over.is_set():
            try:
                self._connect_and_play()
            except TimeoutError:
                raise Problem("no answer") from None
            except LOST:
                pass  # others kill connections, or this one was cut off for what it did
            self.last_step = time.monotonic()

    def _connect_and_play(self):
        transports = sorted(self.transports & set(self.soak.target.addresses))
        client = self.soak.connect(self.random.choice(transports))
        try:
            self.protocol = self.random.choice(self.protocols)
            if self.protocol == 3:
                self.expect(client.ask("HELLO", 3), "%")
            self.begin(client)
            for _ in range(self.random.randrange(1, 40)):
                self.step(client)
                self.steps += 1
                self.last_step = time.monotonic()
                if self.soak.is_over.is_set():
                    return
            if self.random.randrange(3) == 0:
                client.break_off(self.random)
        finally:
            client.close()

    def begin(self, client):
        """What comes first on a new connection."""

    def step(self, client):
        raise NotImplementedError

    # --- Replies ---

    def expect(self, reply, kinds, also=REFUSALS):
        """The payload of a reply of one of these kinds; None for an error that may come at any time."""
        if reply[0] == "-" and reply[1].startswith(tuple(also)):
            return None
        if reply[0] not in kinds:
            raise Problem(f"{reply!r} where one of {kinds!r} was due")
        return content(reply)

    def choose(self, *items):
        return self.random.choice(items)

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0


# --- Data ---


class Gibsonian(Actor):
    """Speaks Gibson to keys of its own: what it set it reads, or nothing; what it locked nobody writes."""

    count = 2
    transports = frozenset({"gibson"})

    def _connect_and_play(self):
        key = b"gib:%d:%d" % (self.number, self.random.randrange(1 << 40))
        self.values = {}
        with connect_to(self.soak.target.addresses["gibson"]) as connection:
            connection.settimeout(STUCK_S)
            for _ in range(self.random.randrange(1, 40)):
                self._play(connection, key)
                self.steps += 1
                self.last_step = time.monotonic()
            if self.chance(3):
                connection.sendall(request(gibson.SET, b"0 " + key)[: self.random.randrange(12)])

    def _ask(self, connection, opcode, payload):
        connection.sendall(request(opcode, payload))
        reply = read_reply(connection)
        if reply == gibson.CLOSED:
            raise Closed
        if reply != gibson.MEM and reply[0] > 7:
            raise Problem(f"{opcode} {payload!r} was answered {reply!r}")
        return reply

    def _play(self, connection, key):
        value = b"%d" % self.random.randrange(1 << 20) + b"x" * self.choose(0, 0, 30, 6000)
        if self._ask(connection, gibson.SET, b"0 " + key + b" " + value) == gibson.MEM:
            return
        self._must_be(connection, gibson.GET, key, gibson.value(value), gibson.NOT_FOUND)
        if self._must_be(connection, gibson.LOCK, key + b" 100", gibson.OK, gibson.NOT_FOUND) == gibson.OK:
            # flushed or evicted meanwhile, it is anybody's again
            self._must_be(connection, gibson.SET, b"0 " + key + b" y", gibson.LOCKED, gibson.MEM, gibson.value(b"y"))
            self._must_be(connection, gibson.UNLOCK, key, gibson.OK, gibson.NOT_FOUND)
        prefix = key[: self.random.randrange(1, len(key))]
        for opcode in self.random.sample(self.PREFIX_READS, 2):
            self._ask(connection, opcode, prefix)
        self._must_be(connection, self.choose(gibson.MDEL, gibson.DEL), key, gibson.OK, gibson.number(1), gibson.NOT_FOUND)

    PREFIX_READS = (gibson.COUNT, gibson.MGET, gibson.KEYS, gibson.STATS)

    def _must_be(self, connection, opcode, payload, *replies):
        reply = self._ask(connection, opcode, payload)
        if reply not in replies:
            raise Problem(f"{opcode} {payload!r} was answered {reply!r}")
        return reply


class Owner(Actor):
    """Reads back what it alone wrote: the value or, if somebody flushed or evicted it, nothing; never another."""

    count = 3

    def begin(self, client):
        self.expect(client.ask("SELECT", self.choose(*QUIET_DBS)), "+")
        self.prefix = f"own:{self.number}:{self.random.randrange(1 << 40)}:"
        self.values = {}

    def step(self, client):
        commands, checks = [], []
        for _ in range(self.random.randrange(1, 30)):
            key = self.prefix + str(self.random.randrange(10))
            value = str(self.random.randrange(10**9)).encode() * self.choose(1, 2, 10, 500)
            words = self.choose(
                ("SET", key, value), ("GET", key), ("APPEND", key, value), ("GETDEL", key), ("STRLEN", key)
            )
            commands.append(words)
            checks.append((key, value))
        for words, (key, value), reply in zip(commands, checks, client.pipeline(commands)):
            self._check(words, key, value, reply)

    def _check(self, words, key, value, reply):
        known = self.values.get(key)
        payload = self.expect(reply, "+:$_")
        if reply[0] == "-":
            return
        if words[0] in ("GET", "GETDEL") and payload not in (None, known):
            raise Problem(f"{key} holds {payload[:60]!r} instead of {known and known[:60]!r}")
        if words[0] == "STRLEN" and int(payload) not in (0, len(known or b"")):
            raise Problem(f"{key} is {payload!r} bytes long instead of {len(known or b'')}")
        if words[0] == "APPEND":
            value = (known or b"") + value if int(payload) == len(known or b"") + len(value) else value
            if int(payload) != len(value):
                raise Problem(f"{key} grew to {payload!r} bytes")
        if words[0] in ("SET", "APPEND"):
            self.values[key] = value
        elif words[0] == "GETDEL":
            self.values.pop(key, None)


class Fencer(Actor):
    """Writes under the token of a lock to keys that others want, too: as long as the lock is its own nobody else does."""

    count = 3

    def begin(self, client):
        self.expect(client.ask("SELECT", QUIET_DBS[0]), "+")

    def step(self, client):
        key = f"fenced:{self.random.randrange(5)}"
        mine = b"%d of %d" % (self.random.randrange(1 << 40), self.number)
        refusals = (*REFUSALS, b"LOCKED ")
        set_reply, lock_reply = client.pipeline([("SET", key, "anybody's"), ("LOCK", key, 20, "TOKEN")])
        self.expect(set_reply, "+", refusals)
        token = self.expect(lock_reply, ":$_", refusals)
        if token is None or self.expect(client.ask("FENCE", token, "SET", key, mine), "+", refusals) is None:
            return
        between = self.choose(("STRLEN", key), ("COPY", key, key + ":copy", "REPLACE"), ("PREFIX", "DEL", "fenced:"))
        replies = client.pipeline(
            [("GET", key), between, ("FENCE", token, "APPEND", key, "!"), ("GET", key), ("UNLOCK", key, "TOKEN", token)]
        )
        before, _, appended, after, unlocked = (self.expect(reply, ":$_", refusals) for reply in replies)
        if appended is not None and (before != mine or int(appended) != len(mine) + 1):
            raise Problem(f"{key} was written under the token {token!r} while it held {before!r} instead of {mine!r}")
        if unlocked == b"1" and after != mine + b"!" * (appended is not None):
            raise Problem(f"{key} holds {after!r} instead of {mine!r} and was locked all the time")


class Twins(Actor):
    """Writes groups of keys in one transaction, all the same value; who reads a group never sees two values in it."""

    count = 3
    GROUPS = 6

    def begin(self, client):
        self.expect(client.ask("SELECT", QUIET_DBS[0]), "+")

    def step(self, client):
        group = self.random.randrange(self.GROUPS)
        keys = [f"twin:{group}:{number}" for number in self.random.sample(range(8), 8)]
        if self.chance(2):
            self._write(client, keys)
        elif self.chance(2):
            self._check(self.expect(client.ask("MGET", *keys), "*"))
        else:
            replies = client.pipeline(
                [("MULTI",), *[("GET", key) for key in keys], self.choose(("EXEC",), ("DISCARD",))]
            )
            self._check(self.expect(replies[-1], "*+"))

    def _write(self, client, keys):
        value = f"{self.number}:{self.steps}:{self.random.random()}"
        life = self.choose((), (), ("PX", self.random.randrange(1, 60)))
        extra = self.choose((), (), (("DBSIZE",),), (("SCAN", 0),), (("INFO", "memory"),))
        replies = client.pipeline([("MULTI",), *[("SET", key, value, *life) for key in keys], *extra, ("EXEC",)])
        self.expect(replies[-1], "*")

    def _check(self, values):
        if values == b"OK":  # of DISCARD
            return
        if len({content(value) for value in values or ()} - {None}) > 1:
            raise Problem(f"a part of a transaction was seen: {values!r}")


class Optimist(Actor):
    """Hands out tickets by WATCH, GET, MULTI, SET, EXEC: no number twice, whoever interferes."""

    count = 3
    bases = itertools.count(1)
    issued = set()

    def begin(self, client):
        self.expect(client.ask("SELECT", QUIET_DBS[0]), "+")

    def step(self, client):
        key = f"ticket:{self.random.randrange(3)}"
        self.expect(client.ask("WATCH", key, *self.choose((), ("other:1", "other:2"))), "+")
        if self.chance(10):
            self.expect(client.ask(self.choose("UNWATCH", "RESET")), "+")
            self.begin(client)
            return
        value = self.expect(client.ask("GET", key), "$_")
        ticket = int(value) + 1 if value is not None else next(self.bases) * 10**9
        life = self.choose((), ("PX", self.random.randrange(1, 30)))
        replies = client.pipeline([("MULTI",), ("SET", key, ticket, *life), ("EXEC",)])
        results = self.expect(replies[-1], "*_")
        if results and results[0] == ("+", b"OK"):
            with self.soak.lock:
                if (key, ticket) in self.issued:
                    raise Problem(f"{key}: ticket {ticket} was issued twice")
                self.issued.add((key, ticket))


class Mortal(Actor):
    """Keys that die soon, by every command that gives them a deadline."""

    count = 2
    transports = EVERYWHERE

    def begin(self, client):
        self.expect(client.ask("SELECT", self.choose(*QUIET_DBS, *STORMY_DBS)), "+")

    def step(self, client):
        commands = []
        for _ in range(20):
            key = f"mortal:{self.random.randrange(200)}"
            life = self.random.randrange(1, 80)
            commands.append(
                self.choose(
                    ("SET", key, "v" * self.random.randrange(300), "PX", life),
                    ("PSETEX", key, life, "v"),
                    ("PEXPIRE", key, life, *self.choose((), ("NX",), ("GT",))),
                    ("PERSIST", key),
                    ("GETEX", key, "PX", life),
                    ("PTTL", key),
                    ("EXISTS", key),
                    ("RENAME", key, f"mortal:{self.random.randrange(200)}"),
                    ("COPY", key, f"mortal:{self.random.randrange(200)}", "REPLACE"),
                )
            )
        for words, reply in zip(commands, client.pipeline(commands)):
            payload = self.expect(reply, "+:$_", (*REFUSALS, b"ERR no such key", b"ERR source and destination"))
            if words[0] == "PTTL" and payload is not None and int(payload) > 80 + CLOCK_SKEW_MS:
                raise Problem(f"{words[1]} has {payload!r} ms left")


class Giant(Actor):
    """Large values, written and read whole, and now and then left in the middle."""

    def step(self, client):
        key = f"big:{self.random.randrange(4)}"
        size = self.random.choice((20_000, 200_000, 1 << 20, 3 << 20))
        letter = self.random.choice(b"abcdef")
        if self.chance(2):
            self.expect(client.ask("SET", key, bytes([letter]) * size), "+")
        elif self.chance(3):
            client.send("GET", key)
            client.break_off(self.random)
            raise Closed()
        else:
            value = self.expect(client.ask("GET", key), "$_")
            if value is not None and len(set(value)) > 1:
                raise Problem(f"{key} is mixed of {set(value)!r}")


class Stranger(Actor):
    """Random commands of every kind, sound and unsound, transactions included: the differential test's."""

    ERRORS = (b"ERR ", b"WRONGTYPE ", b"NOPROTO ", b"EXECABORT ", b"OOM ")

    count = 3
    transports = EVERYWHERE

    def begin(self, client):
        self.generator = Generator(self.random, key_count=20)

    def step(self, client):
        commands = [self._tame(words) for words in self.generator.commands(self.random.randrange(1, 30))]
        for words, reply in zip(commands, client.pipeline(commands)):
            if reply[0] == "-" and not reply[1].startswith(self.ERRORS):
                raise Problem(f"{words!r} was refused by {reply[1]!r}")

    def _tame(self, words):
        """Others rely on the databases that SWAPDB would exchange, and nobody waits for CLIENT REPLY's silence."""
        if str(words[0]).upper() == "SWAPDB":
            return ("SWAPDB", *self.random.sample(STORMY_DBS, 2))
        return words


class Walker(Actor):
    """Looks at everything."""

    def step(self, client):
        self.expect(client.ask("SELECT", self.choose(*QUIET_DBS, *STORMY_DBS)), "+")
        cursor = b"0"
        for _ in range(20):
            reply = self.expect(client.ask("SCAN", cursor, "COUNT", self.choose(1, 50, 1000)), "*")
            cursor = reply[0][1]
            if cursor == b"0":
                break
        for words in (("DBSIZE",), ("RANDOMKEY",), ("KEYS", "own:1*"), ("INFO", "everything"), ("MEMORY", "STATS")):
            self.expect(client.ask(*words), ":$_*%=")


class Flusher(Actor):
    """Empties and exchanges databases."""

    def step(self, client):
        self.expect(client.ask("SELECT", self.choose(*STORMY_DBS)), "+")
        words = self.choose(
            ("FLUSHDB",),
            ("FLUSHDB", "ASYNC"),
            ("SWAPDB", *self.random.sample(STORMY_DBS, 2)),
            ("SWAPDB", *self.random.sample(STORMY_DBS, 2)),
            ("DEBUG", "POPULATE", self.choose(100, 3000), f"filler:{self.number}"),
            ("FLUSHALL", "SYNC") if self.chance(4) else ("DBSIZE",),
        )
        self.expect(client.ask(*words), "+:")


class Prefixer(Actor):
    """Whole families of keys at once."""

    transports = EVERYWHERE

    def begin(self, client):
        self.expect(client.ask("SELECT", self.choose(*STORMY_DBS)), "+")

    def step(self, client):
        prefix = self.choose("family:", "family:1", "filler", "family:22")
        commands = [("SET", f"family:{self.random.randrange(300)}", self.random.randrange(100)) for _ in range(20)]
        commands.append(
            self.choose(
                ("PREFIX", "COUNT", prefix),
                ("PREFIX", "KEYS", prefix, "LIMIT", 20),
                ("PREFIX", "GET", prefix, "LIMIT", 20),
                ("PREFIX", "INCR", prefix),
                ("PREFIX", "EXPIRE", prefix, 100),
                ("PREFIX", "TOP"),
                ("PREFIX", "MEMORY", prefix),
                ("PREFIX", "DEL", prefix),
                ("PREFIX", "UNLINK", prefix),
                ("PREFIX", "SET", prefix, self.random.randrange(100)),
                ("PREFIX", "DECR", prefix, "BY", 3),
                ("PREFIX", "PERSIST", prefix),
            )
        )
        for reply in client.pipeline(commands):
            self.expect(reply, "+:*%$~")


class Clan(Actor):
    """Families of keys that are only ever written whole, by MSET and by prefix: nobody sees two values in one."""

    count = 2
    transports = EVERYWHERE

    def begin(self, client):
        self.expect(client.ask("SELECT", QUIET_DBS[1]), "+")

    def step(self, client):
        family = f"clan:{self.random.randrange(3)}:"
        names = [family + str(number) for number in range(15)]
        value = self.random.randrange(1000)
        words = self.choose(
            ("MSET", *[word for name in names for word in (name, value)]),
            ("PREFIX", "SET", family, value),
            ("PREFIX", "INCR", family),
            ("PREFIX", "DECR", family, "BY", value),
            ("PREFIX", "DEL", family),
            ("PREFIX", "EXPIRE", family, 1),
            ("PREFIX", "PERSIST", family),
        )
        self.expect(client.ask(*words), "+:*%")
        values = self.expect(client.ask("MGET", *names), "*")
        if len({content(value) for value in values} - {None}) > 1:
            raise Problem(f"a part of a family was seen: {values!r}")


class Changeling(Actor):
    """Changes protocol, name and everything else in the middle, and forgets it all by RESET."""

    count = 2

    def step(self, client):
        protocol = self.choose(2, 3)
        name = f"name-{self.random.randrange(1000)}"
        self.expect(client.ask("HELLO", protocol, "SETNAME", name), "*%"[protocol - 2])
        replies = client.pipeline([("CLIENT", "GETNAME"), ("GET", "nobody:writes:this"), ("SELECT", STORMY_DBS[0])])
        if replies != [("$", name.encode()), ("$", None) if protocol == 2 else ("_", b""), ("+", b"OK")]:
            raise Problem(f"after HELLO {protocol}: {replies!r}")
        state = self.choose(
            [("MULTI",), ("SET", "k1", "v")],
            [("WATCH", "k1", "k2")],
            [("SUBSCRIBE", f"changes:{self.number}")],
            [("PSUBSCRIBE", f"changes:{self.number}*"), ("PING",)],
            [("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", f"changes:{self.number}")],
            [("CLIENT", "NO-EVICT", "ON"), ("CLIENT", "NO-TOUCH", "ON")],
            [("HELLO", 4)],
        )
        self._enter(client, state)
        if self.expect(client.ask("RESET"), "+", ()) != b"RESET":
            raise Problem("RESET was not confirmed")
        replies = client.pipeline([("EXEC",), ("CLIENT", "GETNAME"), ("GET", "nobody:writes:this")])
        if replies != [("-", b"ERR EXEC without MULTI"), ("$", None), ("$", None)]:
            raise Problem(f"after RESET: {replies!r}")
        client.pushes.clear()  # what came before RESET
        fields = self.expect(client.ask("CLIENT", "INFO"), "$")
        if client.pushes:
            raise Problem(f"after RESET: {client.pushes!r}")
        if b" sub=0 psub=0 ssub=0 multi=-1 " not in fields or b" db=0 " not in fields:
            raise Problem(f"after RESET: {fields!r}")

    def _enter(self, client, commands):
        for words in commands:
            client.send(*words)
            if words[0] == "SUBSCRIBE" or words[0] == "PSUBSCRIBE":
                message = client.next_message(STUCK_S)
                if message is None or [kind for kind, _ in message[1]] != ["$", "$", ":"]:
                    raise Problem(f"{words} was confirmed by {message!r}")
            else:
                self.expect(client.read(), "+*", (*REFUSALS, b"NOPROTO unsupported protocol version"))


# --- Messages ---


class Publisher(Actor):
    """Numbered messages on channels and shard channels, in transactions too."""

    count = 2
    transports = EVERYWHERE
    numbers = itertools.count(1)

    def begin(self, client):
        self.name = next(self.numbers)
        self.sent = 0

    def step(self, client):
        commands = []
        for _ in range(self.random.randrange(1, 20)):
            self.sent += 1
            text = f"{self.name}:{self.sent}:" + "x" * self.choose(0, 10, 2000, 30_000)
            commands.append((self.choose("PUBLISH", "SPUBLISH"), f"channel:{self.random.randrange(4)}", text))
        if self.chance(4):
            commands = [("MULTI",), *commands, ("EXEC",)]
        for reply in client.pipeline(commands):
            self.expect(reply, ":+*")


class Subscriber(Actor):
    """Listens to channels, patterns and shard channels; of each publisher, messages come in order. Sometimes it listens
    so slowly that it is sent away."""

    count = 4

    def begin(self, client):
        self.seen = {}
        words = self.choose(
            ("SUBSCRIBE", "channel:0", "channel:1", "channel:2"),
            ("PSUBSCRIBE", "channel:*"),
            ("SSUBSCRIBE", "channel:1", "channel:3"),
            ("PSUBSCRIBE", "__key*__:*", "chan*1"),
        )
        client.send(*words)
        self.is_slow = self.chance(6)

    def step(self, client):
        if self.is_slow:
            self.soak.is_over.wait(0.2)
        for _ in range(50):
            message = client.next_message(0.1)
            if message is None:
                break
            self._check(message)
        if self.chance(10):
            client.send(self.choose("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "PING"))
        if self.chance(10):
            client.send("SUBSCRIBE", f"channel:{self.random.randrange(4)}")

    def _check(self, message):
        kind, items = message
        if message == ("+", b"PONG"):
            return
        if kind not in "*>":
            raise Problem(f"{message!r} among messages")
        words = [item[1] for item in items]
        if words[0] not in (b"message", b"pmessage", b"smessage"):
            return
        if not re.fullmatch(rb"[1-9]\d*:\d+:x*", words[-1]):
            return  # a keyspace event, or a message of no Publisher
        publisher, number, _ = words[-1].split(b":")
        source = (words[0], *words[1:-1], publisher)
        if int(number) <= self.seen.get(source, 0):
            raise Problem(f"message {number} of {source} after {self.seen[source]}")
        self.seen[source] = int(number)


class Tracker(Actor):
    """Client-side caching in all its modes."""

    count = 2
    protocols = (3,)

    def begin(self, client):
        self.expect(client.ask("SELECT", QUIET_DBS[0]), "+")
        self.mode = self.choose((), ("BCAST",), ("BCAST", "PREFIX", "twin:", "PREFIX", "k"), ("OPTIN",), ("OPTOUT",))
        noloop = self.choose((), ("NOLOOP",))
        self.expect(client.ask("CLIENT", "TRACKING", "ON", *self.mode, *noloop), "+")

    def step(self, client):
        if self.mode == ("OPTIN",):
            self.expect(client.ask("CLIENT", "CACHING", "YES"), "+")
        keys = [f"k{self.random.randrange(20)}" for _ in range(5)] + [f"twin:{self.random.randrange(6)}:0"]
        self.expect(client.ask("MGET", *keys), "*")
        self.expect(client.ask("SET", self.random.choice(keys[:5]), "v"), "+")
        self.expect(client.ask("CLIENT", "TRACKINGINFO"), "%")
        self.expect(client.ask("CLIENT", "GETREDIR"), ":")
        while client.pushes:
            push = client.pushes.popleft()[1]
            if push[0][1] != b"invalidate" or not (push[1][1] is None or all(kind == "$" for kind, _ in push[1][1])):
                raise Problem(f"no invalidation: {push!r}")
        if self.chance(20):
            self.expect(client.ask("CLIENT", "TRACKING", "OFF"), "+")
            self.begin(client)


class Redirector(Actor):
    """Tracking whose invalidations go to another connection, either of which may be gone first."""


    def step(self, client):
        other = self.soak.connect(self.choose("tcp", "unix"))
        try:
            number = self.expect(other.ask("CLIENT", "ID"), ":")
            other.send("SUBSCRIBE", "__redis__:invalidate")
            reply = client.ask("CLIENT", "TRACKING", "ON", "REDIRECT", number)
            self.expect(reply, "+", (b"ERR The client ID you want redirect",))
            for _ in range(5):
                key = f"k{self.random.randrange(20)}"
                self._use(client, key)
                other.next_message(0.02)
            if self.chance(2):
                self.expect(client.ask("CLIENT", "TRACKING", "OFF"), "+")
        finally:
            other.close()
        self._use(client, "k1")
        self.expect(client.ask("CLIENT", "TRACKING", "OFF"), "+")

    def _use(self, client, key):
        for reply in client.pipeline([("GET", key), ("SET", key, "v")]):
            self.expect(reply, "$_+")


# --- Looking ---


class Eavesdropper(Actor):
    """MONITOR, for a while."""


    def begin(self, client):
        self.expect(client.ask("MONITOR"), "+")

    def step(self, client):
        for _ in range(200):
            line = client.next_message(0.1)
            if line is None:
                break
            if line[0] != "+" or not re.match(rb'\d+\.\d{6} \[\d+ [^\]]*\]( "|$)', line[1]):
                raise Problem(f"MONITOR says {line[1][:200]!r}")


class Inspector(Actor):
    """Everything that tells of the server and its clients."""

    ERRORS = (b"ERR no such key",)
    LOOKS = (
        ("CLIENT", "LIST"),
        ("CLIENT", "INFO"),
        ("CLIENT", "LIST", "TYPE", "pubsub"),
        ("CLIENT", "GETNAME"),
        ("CONFIG", "GET", "*"),
        ("COMMAND", "COUNT"),
        ("COMMAND", "DOCS", "get"),
        ("MEMORY", "DOCTOR"),
        ("OBJECT", "ENCODING", "twin:0:0"),
        ("CONFIG", "RESETSTAT"),
        ("DEBUG", "HTSTATS", 0),
        ("TIME",),
    )

    def step(self, client):
        for words in self.random.sample(self.looks(), 5):
            self.expect(client.ask(*words), "$*%:+=_~", (*REFUSALS, *self.ERRORS))

    def looks(self):
        return self.LOOKS


class SlowLogger(Inspector):
    LOOKS = (
        ("SLOWLOG", "GET", 5),
        ("SLOWLOG", "GET", -1),
        ("SLOWLOG", "LEN"),
        ("SLOWLOG", "RESET"),
        ("CONFIG", "SET", "slowlog-log-slower-than", 0),
        ("CONFIG", "SET", "slowlog-max-len", 50),
        ("CONFIG", "SET", "latency-monitor-threshold", 1),
        ("LATENCY", "LATEST"),
        ("LATENCY", "HISTOGRAM"),
        ("LATENCY", "HISTOGRAM", "get", "set"),
        ("LATENCY", "RESET"),
        ("INFO", "commandstats"),
        ("INFO", "latencystats"),
        ("INFO", "errorstats"),
        ("CONFIG", "RESETSTAT"),
    )


class Ranker(Inspector):
    """Wants to know the hottest keys, which several want at the same time."""

    needs = ("HOTKEYS",)
    ERRORS = (b"ERR hotkey tracking session ",)
    LOOKS = (
        ("HOTKEYS", "START", "METRICS", 2, "CPU", "NET"),
        ("HOTKEYS", "START", "METRICS", 1, "NET", "COUNT", 64, "SAMPLE", 3),
        ("HOTKEYS", "START", "METRICS", 1, "CPU", "DURATION", 1),
        ("HOTKEYS", "GET"),
        ("HOTKEYS", "GET"),
        ("HOTKEYS", "STOP"),
        ("HOTKEYS", "RESET"),
    )


class Listener(Inspector):
    LOOKS = (
        ("PUBSUB", "CHANNELS"),
        ("PUBSUB", "CHANNELS", "chan*"),
        ("PUBSUB", "NUMSUB", "channel:0", "channel:1"),
        ("PUBSUB", "NUMPAT"),
        ("PUBSUB", "SHARDCHANNELS"),
        ("PUBSUB", "SHARDNUMSUB", "channel:1"),
    )


# --- Ruling ---


class Governor(Actor):
    """Changes the configuration while everybody works under it."""

    SETTINGS = (
        ("hz", ("10", "50", "500")),
        ("notify-keyspace-events", ("", "KEA", "Ex", "Kg$n")),
        ("client-output-buffer-limit", ("pubsub 256kb 64kb 1", "pubsub 0 0 0", "normal 0 0 0", "normal 64mb 32mb 5")),
        ("client-query-buffer-limit", ("2mb", "64mb")),
        ("lfu-log-factor", ("1", "10")),
        ("latency-tracking", ("yes", "no")),
        ("tracking-table-max-keys", ("10", "1000000")),
        ("timeout", ("0", "3600")),
        ("maxclients", ("10000", "5000")),
        ("loglevel", ("notice", "warning")),
        ("lazyfree-lazy-expire", ("yes", "no")),
        ("active-expire-effort", ("1", "10")),
        ("acllog-max-len", ("1", "128")),
        ("prefix-index", ("auto", "on", "off")),
        ("compression-threshold", ("0", "16", "1kb")),
    )

    def step(self, client):
        words = ["CONFIG", "SET"]
        for name, values in self.random.sample(self.SETTINGS, self.choose(1, 2)):
            words += [name, self.random.choice(values)]
        if self.chance(4):
            for reply in client.pipeline([("MULTI",), ("SET", "k1", "v"), tuple(words), ("EXEC",)]):
                self.expect(reply, "+*")
        else:
            self.expect(client.ask(*words), "+", ())
        self.soak.is_over.wait(0.02)


class Evictor(Actor):
    """Little memory, few keys, one policy after the other, and writes that make room necessary."""

    POLICIES = ("noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl")

    def step(self, client):
        settings = [
            ("maxmemory", self.choose("0", "0", "3mb", "8mb", "20mb")),
            ("maxmemory-policy", self.choose(*self.POLICIES, "allkeys-s3fifo")),
            ("maxkeys", self.choose("0", "0", "300", "3000")),
        ]
        for name, value in settings:
            self.expect(client.ask("CONFIG", "SET", name, value), "+", ())
        self.expect(client.ask("SELECT", self.choose(*STORMY_DBS)), "+")
        for _ in range(10):
            commands = [
                (
                    "SET",
                    f"crowd:{self.random.randrange(5000)}",
                    "v" * self.random.randrange(2000),
                    *self.choose((), ("EX", 100)),
                )
                for _ in range(50)
            ]
            for reply in client.pipeline(commands):
                self.expect(reply, "+")


class Killer(Actor):
    """Sends clients away, and holds them up."""

    def step(self, client):
        lines = self.expect(client.ask("CLIENT", "LIST"), "$=").split(b"\n")
        fields = dict(
            part.split(b"=", 1) for part in self.random.choice(lines[:-1] or [b"id=0"]).split(b" ") if b"=" in part
        )
        filters = [("ID", fields.get(b"id", b"1"))]
        if b"addr" in fields:
            filters.append(("ADDR", fields[b"addr"]))
        if self.chance(20):
            filters.append(("TYPE", self.choose("normal", "pubsub")))
        self.expect(client.ask("CLIENT", "KILL", *self.random.choice(filters)), ":")
        if self.chance(6):
            pause = ("CLIENT", "PAUSE", self.random.randrange(1, 40), self.choose("ALL", "WRITE"))
            self.expect(client.ask(*pause), "+")
            if self.chance(2):
                self.expect(client.ask("CLIENT", "UNPAUSE"), "+")
        self.soak.is_over.wait(0.05)


class Vandal(Actor):
    """Bytes that are no requests, requests that do not end, connections that only open."""

    count = 2

    def begin(self, client):
        self.protocol = 0

    def step(self, client):
        data = self.choose(
            self.random.randbytes(self.random.randrange(1, 300)),
            b"*3\r\n$3\r\nSET\r\n$5\r\nk1",
            b"*1000000\r\n$1\r\n",
            b"*2\r\n$3\r\nGET\r\n$600000000\r\nabc",
            b"*-1\r\n*0\r\n\r\n\r\nPING\r\n",
            b"GET k1\r\nSET k1 'unbalanced\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\n",
            b"MULTI\r\n" + b"SET k1 v\r\n" * self.random.randrange(2000),
            b"",
        )
        client.raw.send(data)
        if self.chance(2):
            client.break_off(self.random)
            raise Closed()


class Renewer(Actor):
    """Renews the certificate, and forgets sessions, while clients come and go over TLS."""

    transports = frozenset({"tls"})

    def step(self, client):
        path = self.expect(client.ask("CONFIG", "GET", "tls-cert-file"), "*%")[1][1]
        settings = self.choose(
            ("tls-cert-file", path),
            ("tls-session-caching", "no"),
            ("tls-session-caching", "yes"),
            ("tls-session-cache-size", 10),
            ("tls-auth-clients", "optional"),
            ("tls-auth-clients", "yes"),
        )
        self.expect(client.ask("CONFIG", "SET", *settings), "+", ())
        self.soak.is_over.wait(0.1)


class Intruder(Actor):
    """Speaks to the port of TLS what is no TLS, and leaves in the middle of handshakes."""

    transports = frozenset({"tls"})

    def _connect_and_play(self):
        hello = self._client_hello()
        data = self.choose(
            b"PING\r\n",
            self.random.randbytes(300),
            hello,
            hello[: self.random.randrange(len(hello))],
            b"\x16\x03\x01\xff\xff" + self.random.randbytes(5000),
            b"",
        )
        with socket.create_connection(self.soak.target.addresses["tls"]) as connection:
            connection.sendall(data)
            if self.chance(2):
                connection.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    connection.recv(100)
        self.steps += 1
        self.soak.is_over.wait(0.02)

    def _client_hello(self):
        outgoing = ssl.MemoryBIO()
        stream = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            stream.do_handshake()
        return outgoing.read()


class Lawgiver(Actor):
    """Users come, change and go."""

    USERS = 5
    RULES = (
        "on",
        "off",
        "allkeys",
        "resetkeys",
        "~k*",
        "~own:*",
        "%R~twin:*",
        "+@all",
        "-@all",
        "+@read",
        "-@dangerous",
    )
    RULES += ("+get", "-set", "&channel:*", "allchannels", "resetchannels", "nopass", ">secret", "<secret", "resetpass")
    RULES += ("reset", "(+get ~x*)", "clearselectors", "+config|get", "-client|kill")

    REFUSED = (
        rb"ERR Error in ACL SETUSER modifier '"
        rb"(<secret': The password you are trying to remove from the user does not exist"
        rb"|(~k\*|~own:\*|%R~twin:\*|&channel:\*)': Adding a pattern after the \* pattern)"
        rb"|ERR User 'user\d' not found"
    )

    def step(self, client):
        user = f"user{self.random.randrange(self.USERS)}"
        rules = [self.random.choice(self.RULES) for _ in range(self.random.randrange(1, 6))]
        words = self.choose(
            ("ACL", "SETUSER", user, *rules),
            ("ACL", "SETUSER", user, "on", ">secret", "+@all", "~*", "&*"),
            ("ACL", "DELUSER", user),
            ("ACL", "GETUSER", user),
            ("ACL", "LIST"),
            ("ACL", "USERS"),
            ("ACL", "LOG"),
            ("ACL", "LOG", "RESET"),
            ("ACL", "CAT"),
            ("ACL", "DRYRUN", user, "GET", "k1"),
            ("ACL", "WHOAMI"),
            ("ACL", "SAVE"),
            ("ACL", "LOAD"),
        )
        reply = client.ask(*words)
        if not (reply[0] == "-" and re.match(self.REFUSED, reply[1])):
            self.expect(reply, "+:*%_$", ())
        self.soak.is_over.wait(0.01)


class Citizen(Actor):
    """Works as one of those users, as far as the law of the moment goes."""

    count = 2
    REFUSED = (
        *REFUSALS,
        b"NOPERM User user",
        b"NOPERM No permissions to access a ",
        b"WRONGPASS invalid username-password pair or user is disabled.",
        b"EXECABORT Transaction discarded because of: NOPERM ",
    )

    def begin(self, client):
        self._log_in(client)

    def _log_in(self, client):
        name = f"user{self.random.randrange(Lawgiver.USERS)}"
        self.expect(client.ask("AUTH", name, "secret"), "+", self.REFUSED)

    def step(self, client):
        key = f"k{self.random.randrange(20)}"
        commands = [
            ("GET", key),
            ("SET", key, "v"),
            ("MGET", key, "twin:0:0", "own:1"),
            ("PUBLISH", "channel:1", "0:0:x"),
            ("MULTI",),
            ("GET", key),
            ("SET", key, "w"),
            ("EXEC",),
            ("ACL", "WHOAMI"),
        ]
        for reply in client.pipeline(commands):
            self.expect(reply, "+:*$_", (*self.REFUSED, b"ERR EXEC without MULTI"))
        if self.chance(5):
            self._log_in(client)


class Subject(Actor):
    """Works as a user whom nobody changes: in every moment it may do what it may, and no more."""

    USER = "user subject on >secret ~k* resetchannels -@all +get +mget"

    def begin(self, client):
        self.expect(client.ask("AUTH", "subject", "secret"), "+", ())

    def step(self, client):
        allowed = [("GET", "k1"), ("MGET", "k1", "k2")]
        forbidden = [("SET", "k1", "v"), ("GET", "own:1"), ("MGET", "k1", "twin:0:0"), ("PUBLISH", "channel:1", "v")]
        commands = self.random.choices(allowed + forbidden, k=20)
        for words, reply in zip(commands, client.pipeline(commands)):
            if words in allowed:
                self.expect(reply, "$_*", ())
            elif reply[0] != "-" or not reply[1].startswith(b"NOPERM "):
                raise Problem(f"{words!r} was answered with {reply!r}")


ALL = (
    Owner,
    Fencer,
    Twins,
    Optimist,
    Mortal,
    Giant,
    Stranger,
    Walker,
    Flusher,
    Prefixer,
    Clan,
    Changeling,
    Publisher,
    Subscriber,
    Tracker,
    Redirector,
    Eavesdropper,
    Inspector,
    SlowLogger,
    Ranker,
    Listener,
    Governor,
    Evictor,
    Killer,
    Vandal,
    Renewer,
    Intruder,
    Gibsonian,
    Lawgiver,
    Citizen,
    Subject,
)

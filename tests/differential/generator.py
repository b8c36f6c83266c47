"""Random commands from a seed: mostly sensible calls on a small set of keys, so that commands meet each other's
results, with edge values in every position and now and then a broken call.

Deadlines lie in the past or far in the future: one that passes during the run would pass between the two servers'
commands. Those counted from now are spread so widely that two are hardly ever within a second of each other: GT and LT
would see the servers' own delays.
"""

from .rules import WHOLE_SCAN_COUNT

BIG = 64 * 1024

SMALL_INTEGERS = ["0", "1", "-1", "2", "10", "-10", "9999", "10000", "123456"]
EDGE_INTEGERS = [
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "",
    " 1",
    "1 ",
    "+1",
    "-0",
    "007",
    "0x10",
    "1.0",
    "abc",
    "99999999999999999999",
    b"1\x00",
]
FLOATS = [
    "0.1",
    "-0.5",
    "3.0e3",
    "1e5",
    "1e308",
    "-1e308",
    "inf",
    "-inf",
    "nan",
    "0x10",
    " 1",
    "1 ",
    "5.",
    ".5",
    "1e-20",
    "",
    "abc",
    "1e400",
    "3.14159265358979",
    "100000000000000000000",
]
PATTERNS = [
    "*",
    "k*",
    "?",
    "k?",
    "[a-k]*",
    "[^k]*",
    "k[0-4]",
    "k[^0-4]",
    "\\k1",
    "*1*",
    "",
    "none",
    "k1",
    "K1",
    b"\x00*",
    "*\xff*",
    "k[1",
    "user:*:?",
]
PAST_SECONDS = ["0", "-1", "-100000"]
BAD_TIMES = [
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775",
    "9223372036854776",
    "",
    "abc",
    "1.5",
    " 1",
    "1e3",
]
FAR_UNIX = ["33177117420", "2000000000000", "4102444800"]
PAST_UNIX = ["1", "1000000000", "0", "-5"]
ALL_NAMES = [
    "APPEND",
    "COPY",
    "DBSIZE",
    "DECR",
    "DECRBY",
    "DEL",
    "ECHO",
    "EXISTS",
    "EXPIRE",
    "EXPIREAT",
    "EXPIRETIME",
    "FLUSHDB",
    "GET",
    "GETDEL",
    "GETEX",
    "GETRANGE",
    "GETSET",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "KEYS",
    "LCS",
    "MGET",
    "MOVE",
    "MSET",
    "MSETNX",
    "OBJECT",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PEXPIRETIME",
    "PING",
    "PSETEX",
    "PTTL",
    "RENAME",
    "RENAMENX",
    "SELECT",
    "SET",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "STRLEN",
    "SUBSTR",
    "SWAPDB",
    "TOUCH",
    "TTL",
    "TYPE",
    "UNLINK",
    "UNWATCH",
    "WATCH",
    "CLIENT",
    "CONFIG",
    "COMMAND",
    "MEMORY",
    "nosuch",
    "RANDOMKEY",
    "SCAN",
    "PUBLISH",
    "SPUBLISH",
    "PUBSUB",
]


class Generator:
    """Words of commands from a random.Random; the same generator state gives the same commands."""

    def __init__(self, random, key_count=40):
        self.random = random
        self.keys = [f"k{number}" for number in range(key_count)] + [
            "",
            b"\x00\xff",
            "user:1:a",
            "user:2:b",
            "k" * 300,
            "K1",
        ]
        self.makers = [(weight, getattr(self, "_" + name)) for name, weight in self.WEIGHTS.items()]

    # How often each maker is asked. A maker covers a family of commands.
    WEIGHTS = {
        "set": 14,
        "read": 14,
        "write": 10,
        "count": 12,
        "expire": 12,
        "times": 8,
        "many": 8,
        "range": 8,
        "lcs": 2,
        "getex": 6,
        "delete": 8,
        "rename": 6,
        "copy": 5,
        "move": 3,
        "pattern": 4,
        "scan": 4,
        "object": 5,
        "connection": 4,
        "databases": 2,
        "flush": 1,
        "transaction": 12,
        "introspection": 3,
        "broken": 8,
    }

    def command(self):
        weights = [weight for weight, _ in self.makers]
        maker = self.random.choices(self.makers, weights)[0][1]
        words = list(maker())
        if isinstance(words[0], str) and self.random.random() < 0.15:
            words[0] = self._some_case(words[0])
        return tuple(words)

    def commands(self, count):
        """About `count` commands.

        A SET whose deadline has passed is followed by a look at its key: until then redis-server keeps the dead key and
        counts it in DBSIZE for as long as its expiry cycle takes. A MULTI usually gets an end.
        """
        made = []
        while len(made) < count:
            words = self.command()
            made.append(words)
            if str(words[0]).upper() == "SET" and any(str(word).upper() in ("EXAT", "PXAT") for word in words[3:]):
                made.append(("EXISTS", words[1]))
            if words == ("MULTI",) and not self._one_in(4):
                made += self.commands(self.random.randrange(8))
                made.append(("EXEC",))
        return made

    def _pick(self, *choices):
        return self.random.choice(choices)

    def _one_in(self, n):
        return self.random.randrange(n) == 0

    def _some_case(self, word):
        return "".join(self.random.choice((letter.lower(), letter.upper())) for letter in word)

    def key(self):
        # A few keys are hot, so that they are hit in every state.
        return self.random.choice(self.keys[:6] if self._one_in(2) else self.keys)

    def integer(self):
        kind = self.random.random()
        if kind < 0.6:
            return self.random.choice(SMALL_INTEGERS)
        if kind < 0.8:
            return self.random.choice(EDGE_INTEGERS)
        return str(self.random.randrange(-(1 << self.random.randrange(1, 64)), 1 << self.random.randrange(1, 64)))

    def value(self):
        kind = self.random.random()
        if kind < 0.35:
            return self.integer()
        if kind < 0.5:
            return self.random.choice(FLOATS)
        if kind < 0.9:
            return self.random.randbytes(self.random.choice((0, 1, 3, 20, 43, 44, 45, 63, 64, 65, 100)))
        return self.random.randbytes(1) * self.random.choice(
            (255, 256, 1023, 1024, 4096, 16 * 1024, 16 * 1024 + 1, BIG - 1, BIG)
        )

    def _seconds(self, unit=1):
        kind = self.random.random()
        if kind < 0.75:
            return str(self.random.randrange(1000 * unit, 10_000_000_000 * unit))
        if kind < 0.85:
            return str(int(self.random.choice(PAST_SECONDS)) * unit)
        return self.random.choice(BAD_TIMES)

    def _unix(self, unit=1):
        kind = self.random.random()
        if kind < 0.75:
            return str(int(self.random.choice(FAR_UNIX)) * unit)
        if kind < 0.85:
            return str(int(self.random.choice(PAST_UNIX)) * unit)
        return self.random.choice(BAD_TIMES)

    def _expiry_option(self):
        name = self._pick("EX", "PX", "EXAT", "PXAT")
        unit = 1000 if name[0] == "P" else 1
        time = self._unix(unit) if name.endswith("AT") else self._seconds(unit)
        return [self._some_case(name), time]

    def _set(self):
        words = ["SET", self.key(), self.value()]
        while self._one_in(2) and len(words) < 9:
            words += self.random.choice(
                ([self._pick("NX", "XX", "GET", "KEEPTTL", "get", "nx")], self._expiry_option())
            )
        if self._one_in(40):
            words.append(self._pick("PERSIST", "", "EX", "bogus", "NX"))
        return words

    def _read(self):
        return self._pick("GET", "STRLEN", "TYPE", "EXISTS", "GET", "TOUCH"), self.key()

    def _write(self):
        key = self.key()
        return self.random.choice(
            (
                ("APPEND", key, self.value()),
                ("GETSET", key, self.value()),
                ("SETNX", key, self.value()),
                ("SETEX", key, self._seconds(), self.value()),
                ("PSETEX", key, self._seconds(1000), self.value()),
                ("SETRANGE", key, self._offset(), self.value()),
            )
        )

    def _offset(self):
        return self._pick(
            "0", "1", "5", "44", "100", "4000", "-1", "", "abc", "536870912", "99999999999", "9223372036854775807"
        )

    def _count(self):
        key = self.key()
        return self.random.choice(
            (
                ("INCR", key),
                ("DECR", key),
                ("INCRBY", key, self.integer()),
                ("DECRBY", key, self.integer()),
                ("INCRBYFLOAT", key, self.random.choice(FLOATS)),
                ("INCRBYFLOAT", key, self.integer()),
            )
        )

    def _expire(self):
        name = self._pick("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT")
        unit = 1000 if name[0] == "P" else 1
        words = [name, self.key(), self._unix(unit) if name.endswith("AT") else self._seconds(unit)]
        while self._one_in(2) and len(words) < 6:
            words.append(self._some_case(self._pick("NX", "XX", "GT", "LT", "GT", "LT")))
        if self._one_in(40):
            words.append("bogus")
        return words

    def _times(self):
        return self._pick("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST"), self.key()

    def _many(self):
        keys = [self.key() for _ in range(self.random.choice((1, 2, 3, 5, 20)))]
        name = self._pick("MGET", "MSET", "MSETNX", "EXISTS", "TOUCH", "MGET")
        if not name.startswith("MSET"):
            return name, *keys
        words = [name]
        for key in keys:
            words += [key, self.value()]
        if self._one_in(15):
            words.pop()
        return words

    def _range(self):
        return self._pick("GETRANGE", "SUBSTR"), self.key(), self.integer(), self.integer()

    def _lcs(self):
        # Its cost is the product of the lengths: on values made for it, not on the big ones.
        pair = []
        for key in ("lcs1", "lcs2"):
            if self._one_in(2):
                return "SET", key, "".join(self.random.choices("abc", k=self.random.randrange(60)))
            pair.append(self._pick("lcs1", "lcs2", "missing"))
        words = ["LCS", *pair]
        while self._one_in(2) and len(words) < 8:
            words += self.random.choice(
                (["LEN"], ["IDX"], ["idx"], ["WITHMATCHLEN"], ["MINMATCHLEN", self._pick("0", "1", "3", "-1", "x")])
            )
        return words

    def _getex(self):
        words = ["GETEX", self.key()]
        if not self._one_in(4):
            words += self.random.choice((["PERSIST"], self._expiry_option()))
        if self._one_in(12):
            words += self.random.choice((["PERSIST"], self._expiry_option(), ["bogus"]))
        return words

    def _delete(self):
        if self._one_in(3):
            return "GETDEL", self.key()
        return self._pick("DEL", "UNLINK"), *[self.key() for _ in range(self.random.choice((1, 1, 2, 5)))]

    def _rename(self):
        key = self.key()
        return self._pick("RENAME", "RENAMENX"), key, key if self._one_in(5) else self.key()

    def _copy(self):
        key = self.key()
        words = ["COPY", key, key if self._one_in(4) else self.key()]
        if self._one_in(2):
            words += ["DB", self._pick("0", "1", "2", "15", "16", "-1", "x")]
        if self._one_in(2):
            words.append(self._pick("REPLACE", "replace"))
        return words

    def _move(self):
        return "MOVE", self.key(), self._pick("0", "1", "2", "1", "15", "16", "-1", "x", "")

    def _pattern(self):
        return "KEYS", self.random.choice(PATTERNS)

    def _scan(self):
        if self._one_in(3):
            return (
                "SCAN",
                self._pick("0", "1", "12345", "18446744073709551615", "x", "", " 1"),
                "COUNT",
                self._pick("1", "10", "0", "-1", "x"),
            )
        words = ["SCAN", "0"]
        if self._one_in(2):
            words += ["MATCH", self.random.choice(PATTERNS)]
        if self._one_in(3):
            words += ["TYPE", self._pick("string", "list", "nonsense")]
        return [*words, "COUNT", WHOLE_SCAN_COUNT]

    def _object(self):
        return self.random.choice(
            (
                ("OBJECT", self._pick("ENCODING", "encoding", "REFCOUNT", "IDLETIME", "FREQ"), self.key()),
                ("MEMORY", "USAGE", self.key()),
            )
        )

    def _connection(self):
        return self.random.choice(
            (
                ("PING",),
                ("PING", self.value()),
                ("ECHO", self.value()),
                ("HELLO",),
                ("TIME",),
                ("DBSIZE",),
                ("RANDOMKEY",),
                ("CLIENT", "GETNAME"),
                ("CLIENT", "ID"),
                ("CLIENT", "SETNAME", self._pick("", "me", "a b", "x" * 50)),
                ("CLIENT", "NO-EVICT", self._pick("on", "off", "x")),
            )
        )

    def _databases(self):
        if self._one_in(2):
            return "SELECT", self._pick("0", "0", "1", "2", "15", "16", "-1", "x")
        return "SWAPDB", self._pick("0", "1", "2"), self._pick("0", "1", "2", "16", "x")

    def _flush(self):
        return self.random.choice(
            (("FLUSHDB",), ("FLUSHDB", "ASYNC"), ("FLUSHALL", "SYNC"), ("FLUSHDB", "bogus"), ("FLUSHALL", "a", "b"))
        )

    def _transaction(self):
        name = self.random.choices(("MULTI", "EXEC", "WATCH", "UNWATCH", "DISCARD"), (6, 2, 6, 1, 1))[0]
        keys = [self.key() for _ in range(self.random.choice((1, 1, 2, 5)))] if name == "WATCH" else []
        if self._one_in(60):
            keys = keys[1:] if keys else [self.key()]
        return name, *keys

    def _introspection(self):
        inner = self.command()
        return "COMMAND", self._pick("GETKEYS", "GETKEYSANDFLAGS", "getkeys"), *inner

    def _broken(self):
        kind = self.random.randrange(3)
        if kind == 0:
            # A known command with words it was never meant to get.
            name = self.random.choice(ALL_NAMES)
            return name, *[
                self.random.choice((self.key(), self._seconds(1000), "NX", "EX", "bogus"))
                for _ in range(self._broken_arity(name))
            ]
        if kind == 1:
            return self.random.choice(("nosuch", "", b"\x00", "get" * 50)), *[
                self.random.randbytes(self.random.randrange(60)) for _ in range(self.random.randrange(6))
            ]
        words = list(self.command())
        at_least = 2 if str(words[0]).upper() == "COMMAND" else 1  # bare, it describes all of a server
        del words[max(self.random.randrange(len(words)), at_least) :]
        return words

    def _broken_arity(self, name):
        # A bare COMMAND describes every command of a server; subcommands are made up only by their own makers.
        if name in ("MEMORY", "CONFIG", "CLIENT", "COMMAND", "PUBSUB"):
            return 1 if name == "COMMAND" else 0
        return self.random.randrange(0, 6)

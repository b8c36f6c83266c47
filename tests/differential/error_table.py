"""Bad invocations of every string and key command: redis-server answers each with an error or an edge value.

They run in the order given over the keys of SETUP, in RESP2 and RESP3; a wrongly accepted one also shows in the
contents. The commands of connection and server are in server_error_table.py.
"""

HUGE = "9223372036854775807"
TOO_BIG = "9223372036854775808"
LOWEST = "-9223372036854775808"
BAD_INTEGERS = [
    "",
    "a",
    "1a",
    " 1",
    "1 ",
    "+1",
    "-0",
    "01",
    "0x10",
    "1.0",
    "1e3",
    "inf",
    TOO_BIG,
    "-9223372036854775809",
    "99999999999999999999999",
    b"1\x00",
    b"\x00",
    "--1",
    "-",
]
BAD_FLOATS = [
    "",
    "a",
    "1a",
    " 1",
    "1 ",
    "nan",
    "NaN",
    "-nan",
    "0x",
    "1e",
    "1e99999",
    "-1e99999",
    b"1\x00",
    "1,5",
    "--1",
    "1.5.2",
    "infinitx",
]
ODD_FLOATS = [
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "1e5",
    "1E-5",
    "0x10",
    "0x1p4",
    "+1.5",
    ".5",
    "5.",
    "-0",
    "0.1",
    "1e300",
    "3.0000000000000000000001",
    "123456789012345678901234567890",
    "1e-300",
]

SETUP = [
    ("SET", "k", "hello"),
    ("SET", "n", "10"),
    ("SET", "f", "3.5"),
    ("SET", "e", ""),
    ("SET", "max", HUGE),
    ("SET", "min", LOWEST),
    ("SET", "t", "hello", "EX", "100000"),
    ("SET", "big", "x" * 100),
    ("SET", "sp", " 10"),
    ("SET", "zero", "010"),
    ("SET", "bin", b"\x00\xff\r\n"),
    ("SET", "inf", "inf"),
    ("SELECT", "1"),
    ("SET", "k", "in db 1"),
    ("SET", "only1", "1"),
    ("SELECT", "0"),
]

# The words after which an option list is tried: all pairs, and a sample of triples, of the options of SET and GETEX.
_EXPIRES = [("EX", "100000"), ("PX", "100000000"), ("EXAT", "33177117420"), ("PXAT", "33177117420000")]
_SET_OPTIONS = [
    ("NX",),
    ("XX",),
    ("GET",),
    ("KEEPTTL",),
    *_EXPIRES,
    ("PERSIST",),
    ("nOnSense",),
    ("EX",),
    ("nx",),
    ("kEEPttl",),
]
_GETEX_OPTIONS = [("PERSIST",), *_EXPIRES, ("KEEPTTL",), ("NX",), ("EX",), ("pErsist",), ("bogus",)]
_BAD_TIMES = ["0", "-1", HUGE, LOWEST, "9223372036854775", "9223372036854776", "-9223372036854776", *BAD_INTEGERS]
_EXPIRE_OPTIONS = [
    (),
    ("NX",),
    ("XX",),
    ("GT",),
    ("LT",),
    ("nx",),
    ("NX", "XX"),
    ("NX", "GT"),
    ("NX", "LT"),
    ("XX", "GT"),
    ("XX", "LT"),
    ("GT", "LT"),
    ("GT", "GT"),
    ("XX", "XX"),
    ("bogus",),
    ("XX", "bogus"),
    ("",),
    ("NX", "bogus"),
]


def _set_invocations():
    for key in ("k", "missing", "t"):
        for first in _SET_OPTIONS:
            yield ("SET", key, "v", *first)
            for second in _SET_OPTIONS:
                yield ("SET", key, "v", *first, *second)
                yield ("SET", key, "v", *first, *second, "GET")
    for option in ("EX", "PX", "EXAT", "PXAT", "px"):
        for time in _BAD_TIMES:
            yield ("SET", "k", "v", option, time)
            yield ("SET", "k", "v", option, time, "GET", "XX")
    yield from [
        ("SET",),
        ("SET", "k"),
        ("SET", "k", "v", ""),
        ("set", "k", "v", "ex"),
        ("SET", "", ""),
        ("SET", "k", "v", "EX", "1", "extra"),
    ]


def _getex_invocations():
    for key in ("k", "missing", "t"):
        for first in _GETEX_OPTIONS:
            yield ("GETEX", key, *first)
            for second in _GETEX_OPTIONS:
                yield ("GETEX", key, *first, *second)
    for option in ("EX", "PX", "EXAT", "PXAT", "exat"):
        for time in _BAD_TIMES:
            yield ("GETEX", "t", option, time)
            yield ("SET", "t", "again")
    yield from [("GETEX",), ("GETEX", "k", ""), ("GETEX", "e")]


def _expire_invocations(name):
    def invocations():
        yield from [(name,), (name, "k"), (name.lower(), "k", "x", "NX", "XX")]
        times = [33177117420, 33177110000, 33177120000] if "AT" in name else [100000, 50000, 200000]
        unit = 1000 if name.startswith("P") else 1
        later = 0  # no time counted from now comes twice: whether GT and LT see two equal ones, the clocks would decide
        for key in ("k", "t", "missing"):
            for options in _EXPIRE_OPTIONS:
                later += 0 if "AT" in name else 10
                for time in times:
                    yield (name, key, str((time + later) * unit), *options)
                    yield ("TTL", key)
        for time in _BAD_TIMES:
            for options in ((), ("GT",), ("XX",), ("NX", "XX"), ("bogus",)):
                yield (name, "k", time, *options)
                yield ("PTTL", "k")
                yield ("SET", "k", "again")

    return list(invocations())


def _by_integer(name):
    """INCRBY and DECRBY."""
    yield from [(name,), (name, "n"), (name, "n", "1", "2")]
    for key in ("n", "k", "e", "f", "max", "min", "sp", "zero", "bin", "inf", "missing"):
        for amount in ["1", "-1", "0", HUGE, LOWEST, *BAD_INTEGERS]:
            yield (name, key, amount)


def _ranges(name):
    yield from [(name,), (name, "k"), (name, "k", "0"), (name, "k", "0", "1", "2")]
    for key in ("k", "e", "missing", "n", "big"):
        for start in ["0", "1", "-1", "-3", "4", "5", "100", "-100", HUGE, LOWEST]:
            for end in ["0", "1", "-1", "-3", "4", "5", "100", "-100", HUGE, LOWEST]:
                yield (name, key, start, end)
    for bad in BAD_INTEGERS:
        yield from [(name, "k", bad, "1"), (name, "k", "1", bad), (name, "missing", bad, bad)]


def _setrange_invocations():
    yield from [("SETRANGE",), ("SETRANGE", "k"), ("SETRANGE", "k", "0"), ("SETRANGE", "k", "0", "v", "x")]
    for key in ("k", "e", "missing", "n", "t"):
        for offset in ["0", "1", "5", "9", "-1", "536870911", "536870912", "4294967295", HUGE, LOWEST, *BAD_INTEGERS]:
            yield ("SETRANGE", key, offset, "")
            if offset != "536870911":
                yield ("SETRANGE", key, offset, "ab")
        yield ("GET", key)


def _lcs_invocations():
    options = [("LEN",), ("IDX",), ("WITHMATCHLEN",), ("MINMATCHLEN", "2"), ("MINMATCHLEN",), ("bogus",), ("len",)]
    yield from [
        ("LCS",),
        ("LCS", "a"),
        ("LCS", "a", "b"),
        ("LCS", "missing", "missing"),
        ("LCS", "k", "missing", "IDX"),
    ]
    yield from [("MSET", "a", "ohmytext", "b", "mynewtext", "c", b"\x00\x01ab\x00", "d", b"\x01ab\x00z")]
    for pair in (("a", "b"), ("b", "a"), ("c", "d"), ("a", "a"), ("a", "missing"), ("e", "a"), ("n", "max")):
        yield ("LCS", *pair)
        for first in options:
            yield ("LCS", *pair, *first)
            for second in options:
                yield ("LCS", *pair, *first, *second)
                yield ("LCS", *pair, *first, *second, "MINMATCHLEN", "4")
    for bad in ["0", "-1", "-5", HUGE, LOWEST, *BAD_INTEGERS]:
        yield ("LCS", "a", "b", "IDX", "MINMATCHLEN", bad)


def _scan_invocations():
    yield from [
        ("SCAN",),
        ("SCAN", "0", "MATCH"),
        ("SCAN", "0", "COUNT"),
        ("SCAN", "0", "TYPE"),
        ("SCAN", "0", "bogus"),
        ("SCAN", "0", "bogus", "1"),
        ("SCAN", "0", "COUNT", "0"),
        ("SCAN", "0", "COUNT", "-1"),
        ("SCAN", "0", "MATCH", "*", "COUNT"),
        ("SCAN", "", "COUNT", "5"),
        ("SCAN", "0", "0"),
    ]
    for bad in ["a", "1a", " 1", "1 ", "0x10", "1.0", "18446744073709551616", "99999999999999999999999", "--1"]:
        yield ("SCAN", bad)
    for bad in BAD_INTEGERS:
        yield ("SCAN", "0", "COUNT", bad)
    whole = ("COUNT", 1_000_000)
    for pattern in [
        "*",
        "k",
        "?",
        "",
        "[a-m]*",
        "[^k]*",
        "\\k",
        "*i*",
        "nothing",
        "[k",
        "k\\",
        b"\xff*",
        "**",
        "m[ai][xn]",
    ]:
        yield ("SCAN", "0", "MATCH", pattern, *whole)
    for kind in ["string", "STRING", "list", "none", "bogus", ""]:
        yield ("SCAN", "0", "TYPE", kind, *whole)
        yield ("scan", "0", "type", kind, "match", "k*", *whole)
    yield from [
        ("SCAN", "0", "MATCH", "a*", "MATCH", "k*", *whole),
        ("SCAN", "0", "COUNT", "1", "MATCH", "*", *whole),
        ("SCAN", "0", "TYPE", "list", "TYPE", "string", *whole),
    ]


def _copy_invocations():
    yield from [
        ("COPY",),
        ("COPY", "k"),
        ("COPY", "k", "k"),
        ("COPY", "k", "k", "DB", "0"),
        ("COPY", "k", "k", "DB", "1"),
        ("COPY", "k", "k", "DB", "1", "REPLACE"),
        ("COPY", "k", "k", "REPLACE"),
        ("COPY", "missing", "x"),
        ("COPY", "missing", "k", "REPLACE"),
        ("COPY", "k", "n"),
        ("COPY", "k", "n", "REPLACE"),
        ("COPY", "t", "t2"),
        ("COPY", "t", "t3", "DB", "2"),
        ("COPY", "k", "x", "DB"),
        ("COPY", "k", "x", "bogus"),
        ("COPY", "k", "x", "DB", "16"),
        ("COPY", "k", "x", "DB", "-1"),
        ("COPY", "k", "x", "REPLACE", "REPLACE"),
        ("COPY", "k", "x", "DB", "1", "DB", "2"),
        ("COPY", "missing", "missing"),
        ("COPY", "k", "x", "db", "3", "replace"),
        ("COPY", "k", "x", ""),
    ]
    for bad in BAD_INTEGERS:
        yield ("COPY", "k", "y", "DB", bad)


def _integers(name):
    """INCR and DECR."""
    yield from [(name,), (name, "n", "1"), (name, "")]
    for key in ("n", "k", "e", "f", "max", "min", "sp", "zero", "bin", "inf", "missing", "t"):
        yield from [(name, key), (name, key), ("OBJECT", "ENCODING", key)]


def _incrbyfloat_invocations():
    yield from [("INCRBYFLOAT",), ("INCRBYFLOAT", "n"), ("INCRBYFLOAT", "n", "1", "2")]
    for key in ("n", "f", "k", "e", "max", "sp", "zero", "bin", "inf", "missing", "t"):
        for amount in ["1", "-1", "0", "0.1", "-0.1", "1.25e2", *BAD_FLOATS, *ODD_FLOATS]:
            yield ("INCRBYFLOAT", key, amount)
    for stored in [*ODD_FLOATS, *BAD_FLOATS]:
        yield from [("SET", "x", stored), ("INCRBYFLOAT", "x", "0.5"), ("GET", "x"), ("OBJECT", "ENCODING", "x")]


def _setex_invocations(name):
    yield from [(name,), (name, "k"), (name, "k", "10"), (name, "k", "10", "v", "x")]
    for time in _BAD_TIMES:
        yield (name, "k", time, "v")
    yield from [(name, "k", "100000", "v"), (name.lower(), "new", "100000", "v"), (name, "", "100000", "")]


def _key_arity(name, *more):
    return [(name,), (name, "k", "n", "t"), (name, ""), (name.lower(), "missing"), *more]


KEY_INVOCATIONS = {
    "SET": list(_set_invocations()),
    "GET": [("GET",), ("GET", "k", "n"), ("GET", ""), ("gEt", "missing"), ("GET", "bin"), ("GET", "e")],
    "GETDEL": [("GETDEL",), ("GETDEL", "k", "n"), ("GETDEL", "k"), ("GETDEL", "k"), ("GETDEL", "")],
    "GETEX": list(_getex_invocations()),
    "GETSET": [
        ("GETSET",),
        ("GETSET", "k"),
        ("GETSET", "k", "v", "w"),
        ("GETSET", "t", "v"),
        ("TTL", "t"),
        ("GETSET", "new", "v"),
    ],
    "SETNX": [
        ("SETNX",),
        ("SETNX", "k"),
        ("SETNX", "k", "v", "w"),
        ("SETNX", "k", "v"),
        ("SETNX", "new", "v"),
        ("SETNX", "", ""),
    ],
    "SETEX": list(_setex_invocations("SETEX")),
    "PSETEX": list(_setex_invocations("PSETEX")),
    "MGET": [("MGET",), ("MGET", "k", "missing", "k", "", "bin"), ("mget", "missing")],
    "MSET": [
        ("MSET",),
        ("MSET", "k"),
        ("MSET", "a", "1", "b"),
        ("MSET", "a", "1", "a", "2"),
        ("MSET", "t", "1"),
        ("TTL", "t"),
        ("MSET", "", ""),
    ],
    "MSETNX": [
        ("MSETNX",),
        ("MSETNX", "a"),
        ("MSETNX", "a", "1", "b"),
        ("MSETNX", "a", "1", "k", "2"),
        ("MSETNX", "a", "1", "a", "2"),
        ("MSETNX", "a", "3"),
    ],
    "APPEND": [
        ("APPEND",),
        ("APPEND", "k"),
        ("APPEND", "k", "a", "b"),
        ("APPEND", "n", "1"),
        ("OBJECT", "ENCODING", "n"),
        ("APPEND", "new", ""),
        ("APPEND", "new2", "12"),
        ("OBJECT", "ENCODING", "new2"),
        ("APPEND", "t", "x"),
        ("APPEND", "e", ""),
    ],
    "STRLEN": [
        ("STRLEN",),
        ("STRLEN", "k", "n"),
        ("STRLEN", "missing"),
        ("STRLEN", "min"),
        ("STRLEN", "e"),
        ("STRLEN", "bin"),
    ],
    "GETRANGE": list(_ranges("GETRANGE")),
    "SUBSTR": list(_ranges("SUBSTR")),
    "SETRANGE": list(_setrange_invocations()),
    "INCR": list(_integers("INCR")),
    "DECR": list(_integers("DECR")),
    "INCRBY": list(_by_integer("INCRBY")),
    "DECRBY": list(_by_integer("DECRBY")),
    "INCRBYFLOAT": list(_incrbyfloat_invocations()),
    "LCS": list(_lcs_invocations()),
    "DEL": _key_arity("DEL", ("DEL", "k", "k")),
    "UNLINK": _key_arity("UNLINK", ("UNLINK", "k", "k")),
    "EXISTS": _key_arity("EXISTS", ("EXISTS", "k", "k", "missing", "k")),
    "TOUCH": _key_arity("TOUCH", ("TOUCH", "k", "k", "missing")),
    "TYPE": [("TYPE",), ("TYPE", "k", "n"), ("TYPE", "missing"), ("TYPE", "k")],
    "KEYS": [
        ("KEYS",),
        ("KEYS", "*", "*"),
        ("KEYS", "*"),
        ("KEYS", ""),
        ("KEYS", "[a-"),
        ("KEYS", "[^k]*"),
        ("KEYS", "\\k"),
        ("KEYS", "k\\"),
        ("KEYS", "?"),
        ("KEYS", "[z-a]"),
        ("KEYS", "*****k"),
        ("KEYS", "[]"),
        ("KEYS", "[^]"),
        ("KEYS", "b?*n"),
        ("KEYS", "[\\k]"),
        ("KEYS", "[k-"),
        ("KEYS", "[-k]"),
        ("KEYS", "K"),
        ("KEYS", "*\\"),
        ("KEYS", b"\xff"),
    ],
    "SCAN": list(_scan_invocations()),
    "RANDOMKEY": [("RANDOMKEY", "x"), ("RANDOMKEY",), ("SELECT", "9"), ("RANDOMKEY",), ("SELECT", "0")],
    "RENAME": [
        ("RENAME",),
        ("RENAME", "k"),
        ("RENAME", "k", "n", "t"),
        ("RENAME", "missing", "x"),
        ("RENAME", "missing", "missing"),
        ("RENAME", "k", "k"),
        ("RENAME", "t", "k"),
        ("TTL", "k"),
        ("RENAME", "n", "k"),
        ("TTL", "k"),
        ("RENAME", "", "x"),
    ],
    "RENAMENX": [
        ("RENAMENX",),
        ("RENAMENX", "k"),
        ("RENAMENX", "k", "n", "t"),
        ("RENAMENX", "missing", "x"),
        ("RENAMENX", "k", "k"),
        ("RENAMENX", "missing", "missing"),
        ("RENAMENX", "k", "n"),
        ("RENAMENX", "t", "new"),
        ("TTL", "new"),
    ],
    "COPY": list(_copy_invocations()),
    "MOVE": [
        ("MOVE",),
        ("MOVE", "k"),
        ("MOVE", "k", "1", "x"),
        ("MOVE", "k", "0"),
        ("MOVE", "k", "1"),
        ("MOVE", "missing", "1"),
        ("MOVE", "t", "2"),
        ("MOVE", "n", "16"),
        ("MOVE", "n", "-1"),
        ("MOVE", "missing", "0"),
        *[("MOVE", "n", bad) for bad in BAD_INTEGERS],
    ],
    "SELECT": [
        ("SELECT",),
        ("SELECT", "0", "1"),
        ("SELECT", "16"),
        ("SELECT", "-1"),
        ("SELECT", "15"),
        ("SELECT", HUGE),
        ("SELECT", "4294967296"),
        ("DBSIZE",),
        *[("SELECT", bad) for bad in BAD_INTEGERS],
        ("SELECT", "0"),
    ],
    "SWAPDB": [
        ("SWAPDB",),
        ("SWAPDB", "0"),
        ("SWAPDB", "0", "1", "2"),
        ("SWAPDB", "0", "0"),
        ("SWAPDB", "0", "1"),
        ("DBSIZE",),
        ("SWAPDB", "0", "16"),
        ("SWAPDB", "-1", "0"),
        ("SWAPDB", "16", "a"),
        ("SWAPDB", "a", "16"),
        *[("SWAPDB", bad, "1") for bad in BAD_INTEGERS],
        *[("SWAPDB", "1", bad) for bad in BAD_INTEGERS],
    ],
    "DBSIZE": [("DBSIZE", "x"), ("DBSIZE",)],
    "FLUSHDB": [
        ("FLUSHDB", "x"),
        ("FLUSHDB", "ASYNC", "SYNC"),
        ("FLUSHDB", "SYNC", "x"),
        ("FLUSHDB", ""),
        ("DBSIZE",),
        ("SELECT", "1"),
        ("FLUSHDB", "async"),
        ("SELECT", "0"),
        ("DBSIZE",),
        ("FLUSHDB", "Sync"),
        ("FLUSHDB",),
    ],
    "FLUSHALL": [
        ("FLUSHALL", "x"),
        ("FLUSHALL", "ASYNC", "SYNC"),
        ("DBSIZE",),
        ("FLUSHALL", "async"),
        ("FLUSHALL", "SYNC"),
        ("FLUSHALL",),
    ],
    "EXPIRE": _expire_invocations("EXPIRE"),
    "PEXPIRE": _expire_invocations("PEXPIRE"),
    "EXPIREAT": _expire_invocations("EXPIREAT"),
    "PEXPIREAT": _expire_invocations("PEXPIREAT"),
    "TTL": [("TTL",), ("TTL", "k", "n"), ("TTL", "missing"), ("TTL", "k"), ("TTL", "t")],
    "PTTL": [("PTTL",), ("PTTL", "k", "n"), ("PTTL", "missing"), ("PTTL", "k"), ("PTTL", "t")],
    "EXPIRETIME": [
        ("EXPIRETIME",),
        ("EXPIRETIME", "k", "n"),
        ("EXPIRETIME", "missing"),
        ("EXPIRETIME", "k"),
        ("EXPIRETIME", "t"),
    ],
    "PEXPIRETIME": [
        ("PEXPIRETIME",),
        ("PEXPIRETIME", "k", "n"),
        ("PEXPIRETIME", "missing"),
        ("PEXPIRETIME", "k"),
        ("PEXPIRETIME", "t"),
    ],
    "PERSIST": [
        ("PERSIST",),
        ("PERSIST", "k", "n"),
        ("PERSIST", "missing"),
        ("PERSIST", "k"),
        ("PERSIST", "t"),
        ("PERSIST", "t"),
        ("TTL", "t"),
    ],
    "OBJECT": [
        ("OBJECT",),
        ("OBJECT", "bogus"),
        ("OBJECT", "bogus", "k"),
        ("OBJECT", "ENCODING"),
        ("OBJECT", "ENCODING", "k", "n"),
        ("OBJECT", "ENCODING", "missing"),
        ("OBJECT", "FREQ", "k"),
        ("OBJECT", "FREQ", "missing"),
        ("OBJECT", "FREQ"),
        ("OBJECT", "IDLETIME", "missing"),
        ("OBJECT", "IDLETIME", "k"),
        ("OBJECT", "IDLETIME"),
        ("OBJECT", "REFCOUNT", "missing"),
        ("OBJECT", "REFCOUNT"),
        ("OBJECT", "REFCOUNT", "big"),
        ("OBJECT", "HELP"),
        ("OBJECT", "HELP", "k"),
        ("object", "encoding", "n"),
        ("OBJECT", "ENCODING", "k"),
        ("OBJECT", "ENCODING", "big"),
        ("OBJECT", "ENCODING", "max"),
        ("OBJECT", "ENCODING", "zero"),
        ("OBJECT", "ENCODING", "e"),
        ("SET", "x44", "x" * 44),
        ("OBJECT", "ENCODING", "x44"),
        ("SET", "x45", "x" * 45),
        ("OBJECT", "ENCODING", "x45"),
        ("SET", "d20", "1" * 20),
        ("OBJECT", "ENCODING", "d20"),
        ("OBJECT", ""),
    ],
}

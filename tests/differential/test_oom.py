"""Out of memory beside redis-server: which commands are refused, where, and with what words.

Both servers have a limit of one byte, so memory is short from the moment the limit is set until it is taken back; what
may still be evicted goes first.
"""

import pytest

from support.waiting import wait_until

from .pair import Pair

OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
MULTI, EXEC, DISCARD = ("MULTI",), ("EXEC",), ("DISCARD",)
LASTING = ("noeviction", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")

# Not refused: they run, or fail for another reason.
ALLOWED = [
    ("GET", "a"),
    ("GETEX", "a", "EX", 100),
    ("GETEX", "a", "PERSIST"),
    ("MGET", "a", "b", "none"),
    ("STRLEN", "a"),
    ("LCS", "a", "b"),
    ("EXPIRE", "a", 100),
    ("PERSIST", "a"),
    ("EXISTS", "a", "b"),
    ("TOUCH", "a", "b"),
    ("TYPE", "a"),
    ("TTL", "a"),
    ("OBJECT", "ENCODING", "a"),
    ("RENAME", "a", "b"),
    ("RENAMENX", "b", "a"),
    ("MOVE", "a", 1),
    ("SWAPDB", 0, 1),
    ("SWAPDB", 0, 1),
    ("GETDEL", "b"),
    ("DEL", "c"),
    ("UNLINK", "d"),
    ("DBSIZE",),
    ("SCAN", 0, "COUNT", 1000),
    ("WATCH", "a"),
    ("UNWATCH",),
    ("MULTI",),
    ("DISCARD",),
    ("EXEC",),
    ("PUBLISH", "channel", "message"),
    ("SUBSCRIBE", "channel"),
    ("UNSUBSCRIBE", "channel"),
    ("CONFIG", "SET", "maxmemory-samples", 6),
    ("CLIENT", "SETNAME", "x"),
    ("SET",),
    ("NOSUCH", "a"),
    ("FLUSHDB",),
    ("PING",),
    ("ECHO", "x"),
    ("SELECT", 1),
    ("HELLO", 3),
    ("HELLO", 2),
    ("RESET",),
]

SCENARIOS = {
    "while queueing": [MULTI, ("SET", "a", 1), EXEC, ("GET", "a")],
    "while queueing, whatever it is": [MULTI, ("PING",), ("GET", "a"), EXEC],
    "DISCARD ends it": [MULTI, ("SET", "a", 1), DISCARD, EXEC],
    "an empty one": [MULTI, EXEC],
    "MULTI inside": [MULTI, MULTI, EXEC],
    "WATCH inside": [MULTI, ("WATCH", "a"), EXEC],
    "UNWATCH inside": [MULTI, ("UNWATCH",), EXEC],
    "an unknown command inside": [MULTI, ("NOSUCH",), EXEC],
    "too few words inside": [MULTI, ("SET", "a"), EXEC],
    "too few words of EXEC": [MULTI, ("EXEC", "x"), EXEC],
    "SUBSCRIBE inside": [MULTI, ("SUBSCRIBE", "c"), ("UNSUBSCRIBE", "c"), EXEC],
    "SHUTDOWN inside": [MULTI, ("SHUTDOWN", "NOSAVE"), EXEC],
    "MONITOR inside": [MULTI, ("MONITOR",), EXEC],
    "RESET inside": [MULTI, ("RESET",), EXEC],
    "QUIT inside": [MULTI, ("QUIT",)],
    "HELLO inside": [MULTI, ("HELLO", 3), EXEC],
    "AUTH inside": [MULTI, ("AUTH", "x"), EXEC],
    "CLIENT inside": [MULTI, ("CLIENT", "GETNAME"), EXEC],
    "a subscriber": [("SUBSCRIBE", "c"), ("SET", "a", 1), ("GET", "a"), ("PING",)],
    "a subscriber in RESP3": [("HELLO", 3), ("SUBSCRIBE", "c"), ("SET", "a", 1), ("GET", "a")],
}


@pytest.fixture(scope="module", params=[1, 4], ids=["1-thread", "4-threads"])
def module_pair(request, binary, reference):
    pair = Pair(binary, reference, threads=request.param)
    yield pair
    pair.stop()


@pytest.fixture
def short(request, module_pair):
    """Two servers with the same keys, whose memory becomes short when they are told to."""
    request.node.servers_to_show = [module_pair.larder]
    relax(module_pair)
    module_pair.reset()
    module_pair.compare([("SET", key, key * 100) for key in "abcd"])
    yield module_pair
    module_pair.open()
    relax(module_pair)
    module_pair.compare([("CONFIG", "SET", "maxmemory-samples", 5), ("CONFIG", "RESETSTAT")])
    module_pair.close()


def configure(pair, *words):
    """On a connection of its own."""
    for server in (pair.larder, pair.reference):
        connection = server.raw()
        assert connection.command("CONFIG", "SET", *words) == b"+OK\r\n"
        connection.close()


def run_short(pair, policy="noeviction"):
    configure(pair, "maxmemory-policy", policy, "maxmemory", 1)


def relax(pair):
    configure(pair, "maxmemory", 0, "maxmemory-policy", "noeviction")


def denied_commands(pair):
    """The commands both servers have that redis-server refuses when memory is short, with the fewest words allowed."""
    tables = []
    for connection in pair.connections:
        rows = [[item[1] for item in row[1]] for row in connection.ask("COMMAND")[1]]
        tables.append({row[0]: (int(row[1]), {flag for _, flag in row[2]}) for row in rows})
    ours, theirs = tables
    common = sorted(ours.keys() & theirs.keys())
    for name in common:
        assert (b"denyoom" in ours[name][1]) == (b"denyoom" in theirs[name][1]), name
    return [(name, *[b"0"] * (abs(theirs[name][0]) - 1)) for name in common if b"denyoom" in theirs[name][1]]


def test_the_same_commands_are_refused(short):
    denied = denied_commands(short)
    assert len(denied) > 12
    run_short(short)
    for words, ours, theirs in short.exchange(denied):
        assert ours == theirs == OOM, words


def test_the_same_commands_are_let_through(short):
    run_short(short)
    short.compare(ALLOWED)
    relax(short)
    short.compare_contents()


@pytest.mark.parametrize("name", SCENARIOS)
def test_refusals_in_every_state(short, name):
    run_short(short)
    short.compare(SCENARIOS[name])
    relax(short)
    short.open()
    short.compare_contents()


@pytest.mark.parametrize(
    "queued",
    [
        [("SET", "a", 1)],
        [("GET", "a"), ("APPEND", "a", 1), ("GET", "b")],
        [("GET", "a"), ("DEL", "b")],
        [("RENAME", "a", "b"), ("PING",)],
        [("COPY", "a", "z")],
        [],
    ],
    ids=lambda queued: "+".join(words[0] for words in queued) or "nothing",
)
def test_transaction_queued_before_memory_is_short(short, queued):
    short.compare([MULTI, *queued])
    run_short(short)
    short.compare([EXEC, EXEC, ("GET", "a"), ("GET", "b")])
    relax(short)
    short.compare_contents()


def test_a_refused_transaction_unwatches(short):
    short.compare([("WATCH", "a"), MULTI, ("SET", "b", 1)])
    run_short(short)
    short.compare([EXEC])
    relax(short)
    short.compare([("SET", "a", 1), MULTI, ("GET", "a"), EXEC])


@pytest.mark.parametrize("policy", LASTING)
def test_what_may_be_evicted_goes_first(short, policy):
    short.compare([("SET", f"mortal:{number}", "x" * 50, "EX", 1000 + number) for number in range(50)])
    run_short(short, policy)
    mortal = 0 if policy.startswith("volatile") else 50

    def is_settled():
        connections = short.connections
        return all(connection.ask("DBSIZE") == (":", b"%d" % (4 + mortal)) for connection in connections)

    wait_until(lambda: short.compare([("GET", "a")]) or is_settled(), 10, "the keys that may go to be gone")
    short.compare([("SET", "a", 1), ("DEL", "none"), MULTI, ("GET", "a"), EXEC])
    relax(short)
    short.compare_contents()


def test_everything_goes_and_still_there_is_no_room(short):
    run_short(short, "allkeys-lru")
    wait_until(
        lambda: all(connection.command("SET", "a", 1) == OOM for connection in short.connections)
        and all(connection.ask("DBSIZE") == (":", b"0") for connection in short.connections),
        10,
        "all keys to be gone",
    )


def test_refusals_are_counted(short):
    short.compare([("CONFIG", "RESETSTAT")])
    run_short(short)
    short.compare([("SET", "a", 1), ("SET", "a", 1), MULTI, ("GET", "a"), EXEC, ("NOSUCH",)])
    relax(short)
    short.compare([MULTI, ("APPEND", "a", 1)])
    run_short(short)
    short.compare([EXEC])
    for section in ("errorstats", "commandstats"):
        counted = [
            {
                line: [field for field in rest.split(b",") if not field.startswith(b"usec")]
                for line, _, rest in (line.partition(b":") for line in connection.ask("INFO", section)[1].split(b"\r\n"))
                if line.split(b"_")[-1].upper() in (b"SET", b"GET", b"EXEC", b"APPEND", b"OOM", b"EXECABORT", b"ERR")
            }
            for connection in short.connections
        ]
        assert counted[0] == counted[1] != {}

"""What operators see of a running server is what redis-server shows them: MONITOR's lines, the slow log, the statistics
of commands and errors, and LATENCY. Times and addresses are masked, everything else is compared as it is."""

import re

import pytest

from support.resp import Closed, decode, encode
from support.waiting import wait_until

from .pair import Pair


@pytest.fixture(scope="module")
def module_pair(binary, reference):
    """Two servers whose configuration these tests may change."""
    pair = Pair(binary, reference)
    yield pair
    pair.stop()


@pytest.fixture
def watched(request, module_pair):
    """They log nothing, count from 0 and have no keys."""
    request.node.servers_to_show = [module_pair.larder]
    module_pair.open()
    for connection in module_pair.connections:
        connection.command("CONFIG", "SET", "slowlog-log-slower-than", -1, "slowlog-max-len", 128)
        connection.command("CONFIG", "SET", "latency-monitor-threshold", 0, "latency-tracking", "yes")
        for words in (("FLUSHALL",), ("SLOWLOG", "RESET"), ("LATENCY", "RESET"), ("CONFIG", "RESETSTAT")):
            connection.command(*words)
    yield module_pair
    module_pair.close()


EVERYDAY = [
    ("PING",),
    ("SET", "key", b'quotes " backslash \\ lines \r\n tab \t bell \a back \b zero \0 high \xff\x80 del \x7f'),
    ("GET", "key"),
    ("get", "key"),
    ("SELECT", 5),
    ("GET", "key"),
    ("SELECT", 0),
    ("", "empty words", ""),
    ("ECHO", ""),
    ("AUTH", "secret"),
    ("AUTH", "user", "secret"),
    ("HELLO", 2, "AUTH", "default", "secret", "SETNAME", "joe"),
    ("HELLO", 2, "SETNAME", "auth", "AUTH", "default", "secret"),
    ("HELLO", 2),
    ("CLIENT", "SETNAME", "jane"),
    ("CLIENT", "ID"),
    ("CONFIG", "GET", "maxmemory"),
    ("CONFIG", "SET", "requirepass", "", "maxmemory", 0, "masterauth", "secret"),
    ("CONFIG", "SET", "masteruser", "secret"),
    ("ACL", "SETUSER", "bob", "on", ">secret", "~*"),
    ("ACL", "SETUSER", "bob", "nonsense"),
    ("ACL", "GETUSER", "nobody"),
    ("ACL", "DELUSER", "bob", "nobody"),
    ("ACL", "WHOAMI"),
    ("DEBUG", "SET-ACTIVE-EXPIRE", 1),
    ("SLOWLOG", "LEN"),
    ("LATENCY", "LATEST"),
    ("OBJECT", "ENCODING", "key"),
    ("OBJECT", "NONSENSE", "key"),
    ("OBJECT",),
    ("NONSENSE", "a", "b"),
    ("GET",),
    ("SET", "key"),
    ("INCR", "key"),
    ("SET", "key", "1", "EX", "100"),
    ("MSET", *range(100)),
    ("DEL", *range(31)),
    ("DEL", *range(32)),
    ("SET", "long", "x" * 128),
    ("SET", "long", "x" * 129),
    ("MULTI",),
    ("SET", "key", "2"),
    ("GET", "key"),
    ("AUTH", "secret"),
    ("CONFIG", "GET", "maxmemory"),
    ("MONITOR",),
    ("INCRBY", "key", "nonsense"),
    ("EXEC",),
    ("MULTI",),
    ("SET", "key", "3"),
    ("DISCARD",),
    ("MULTI",),
    ("SET", "key"),
    ("EXEC",),
    ("EXEC",),
    ("WATCH", "key"),
    ("UNWATCH",),
    ("RESET",),
    ("PING", "too", "many"),
]


def say(connection, commands):
    """Sends the commands one by one; returns the replies."""
    return [connection.command(*words) for words in commands]


def both(pair, see):
    """What `see` finds at the server under test and at the reference."""
    return [see(server, connection) for server, connection in zip((pair.larder, pair.reference), pair.connections)]


# ---- MONITOR ----

LINE = re.compile(rb"^\+\d{10}\.\d{6} \[(\d+) (?:127\.0\.0\.1:\d+|unix:(.*?))\] (.*)\r\n$", re.DOTALL)


def lines_until(monitor, last):
    """Database and words of each line up to one that ends so."""
    seen = []
    while not seen or not seen[-1][1].endswith(last):
        line = monitor.read_frame()
        match = LINE.match(line)
        assert match, line
        seen.append((match[1], match[3]))
    return seen


def test_monitor_shows_the_same_lines(watched):
    def see(server, connection):
        monitor = server.raw()
        assert monitor.command("MONITOR") == b"+OK\r\n"
        say(connection, EVERYDAY)
        connection.command("ECHO", "the end")
        return lines_until(monitor, b'"ECHO" "the end"')

    ours, theirs = both(watched, see)
    assert ours == theirs
    assert not [words for _, words in ours if b"secret" in words]


@pytest.mark.larder_only("redis-server shows passwords where the syntax is wrong")
def test_monitor_hides_passwords_in_malformed_commands(watched):
    monitor = watched.larder.raw()
    monitor.command("MONITOR")
    say(
        watched.connections[0],
        [
            ("AUTH", "user", "secret", "more"),
            ("HELLO", 9, "AUTH", "default", "secret"),
            ("HELLO", 3, "NONSENSE", "AUTH", "default", "secret"),
            ("HELLO", 3, "AUTH", "secret"),
            ("ECHO", "the end"),
        ],
    )
    assert not [words for _, words in lines_until(monitor, b'"the end"') if b"secret" in words]


def test_monitor_names_unix_sockets_alike(watched):
    def see(server, connection):
        monitor = server.raw()
        monitor.command("MONITOR")
        with server.raw(transport="unix") as client:
            client.command("PING")
        line = LINE.match(monitor.read_frame())
        assert line[2].decode() == server.unix_path
        return line[1], line[3]

    ours, theirs = both(watched, see)
    assert ours == theirs


def test_a_monitor_that_goes_on_talking_is_answered_alike(watched):
    """It sees its own commands behind their replies, may not touch keys, and ends by RESET."""
    commands = [
        ("MONITOR",),
        ("PING",),
        ("GET", "key"),
        ("SET", "key", "value"),
        ("CLIENT", "ID"),
        ("MULTI",),
        ("GET", "key"),
        ("EXEC",),
        ("RESET",),
        ("PING",),
        ("GET", "key"),
    ]

    def see(server, _):
        client = server.raw()
        client.send(b"".join(encode(*words) for words in commands) + encode("ECHO", "the end"))
        seen = []
        while not seen or seen[-1] != b"$7\r\nthe end\r\n":
            seen.append(re.sub(rb"^\+[\d.]+ \[0 127.0.0.1:\d+\]|:\d+", b"", client.read_frame()))
        return seen

    ours, theirs = both(watched, see)
    assert ours == theirs


# ---- SLOWLOG ----


def slow_log(connection):
    """Words and client name of each entry, oldest first."""
    entries = decode(connection.command("SLOWLOG", "GET", -1))[1][::-1]
    ids = [int(entry[1][0][1]) for entry in entries]
    assert ids == list(range(ids[0], ids[0] + len(ids))) if ids else True
    seen = []
    for kind, (number, at, duration, words, address, name) in entries:
        assert [kind, number[0], at[0], duration[0], words[0], address[0], name[0]] == list("*:::*$$")
        assert re.fullmatch(rb"127\.0\.0\.1:\d+", address[1])
        seen.append(([word[1] for word in words[1]], name[1]))
    return seen


def test_slow_log_shows_the_same_calls(watched):
    def see(_, connection):
        connection.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
        say(connection, EVERYDAY)
        return slow_log(connection)

    ours, theirs = both(watched, see)
    assert ours == theirs
    assert len(ours) > 30


def test_rules_of_users_are_hidden_alike(watched):
    """Also where they are refused or stand in a transaction; MONITOR does not even show that a user changed."""
    hidden = [
        ("ACL", "SETUSER", "secret-bob"),
        ("acl", "SetUser", "secret-bob", "on", ">secret", "~secret*", "+@all"),
        ("ACL", "SETUSER", "secret-bob", ">secret", "nonsense"),
        ("ACL", "SETUSER", "secret bob", ">secret"),
        ("ACL", "SETUSER", "secret-bob", *[f">secret{i}" for i in range(40)]),
        ("MULTI",),
        ("ACL", "SETUSER", "secret-bob", "(+get ~secret)"),
        ("EXEC",),
    ]

    def see(server, connection):
        monitor = server.raw()
        monitor.command("MONITOR")
        connection.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
        say(connection, [*hidden, ("ECHO", "the end")])
        logged = slow_log(connection)
        connection.command("ACL", "DELUSER", "secret-bob")
        return logged, lines_until(monitor, b'"ECHO" "the end"')

    ours, theirs = both(watched, see)
    assert ours == theirs
    logged, lines = ours
    assert [words for words, _ in logged if words[:2] == [b"ACL", b"SETUSER"]][0] == [b"ACL", b"SETUSER", b"(redacted)"]
    assert len([words for words, _ in logged if b"(redacted)" in words]) == 6
    assert not [word for words, _ in logged for word in words if b"secret" in word]
    assert [words for _, words in lines] == [b'"MULTI"', b'"EXEC"', b'"ECHO" "the end"']


def test_slow_log_is_as_long_as_it_may_be(watched):
    def see(_, connection):
        lengths = []
        connection.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
        for limit in (5, 3, 0, 7, 4):
            connection.command("CONFIG", "SET", "slowlog-max-len", limit)
            lengths.append(connection.command("SLOWLOG", "LEN"))
            say(connection, [("ECHO", number) for number in range(10)])
            lengths.append(connection.command("SLOWLOG", "LEN"))
            lengths.append([words for words, _ in slow_log(connection)])
        return lengths

    ours, theirs = both(watched, see)
    assert ours == theirs


def test_slow_log_keeps_what_is_slow(watched):
    def see(_, connection):
        connection.command("CONFIG", "SET", "slowlog-log-slower-than", 90_000)
        commands = [("PING",), ("DEBUG", "SLEEP", "0.1"), ("MULTI",), ("DEBUG", "SLEEP", "0.2"), ("PING",), ("EXEC",)]
        say(connection, commands)
        entries = decode(connection.command("SLOWLOG", "GET"))[1]
        return slow_log(connection), [int(entry[1][2][1]) // 100_000 for entry in entries]

    (ours, our_times), (theirs, _) = both(watched, see)
    assert ours == theirs
    assert our_times[0] >= 2 and our_times[1] >= 1


def test_slow_log_refuses_alike(watched):
    watched.compare(
        [
            ("SLOWLOG",),
            ("SLOWLOG", "GET"),
            ("SLOWLOG", "GET", 0),
            ("SLOWLOG", "GET", -1),
            ("SLOWLOG", "GET", -2),
            ("SLOWLOG", "GET", "x"),
            ("SLOWLOG", "GET", "9223372036854775808"),
            ("SLOWLOG", "GET", 1, 2),
            ("SLOWLOG", "LEN", "x"),
            ("SLOWLOG", "RESET", "x"),
            ("SLOWLOG", "NONSENSE"),
            ("SLOWLOG", "HELP"),
            ("SLOWLOG", "HELP", "x"),
            ("MONITOR", "x"),
        ]
    )


# ---- INFO commandstats, errorstats ----

UNCOUNTED = re.compile(r"usec=\d+,usec_per_call=[\d.]+,")


def statistics(connection):
    """The counters of commands and errors, without times; and the sums in INFO stats."""
    sections = {}
    for section in ("commandstats", "errorstats"):
        text = connection.ask("INFO", section)[1].decode()
        pairs = [line.split(":", 1) for line in text.splitlines() if line and not line.startswith("#")]
        sections[section] = {name: UNCOUNTED.sub("", value) for name, value in pairs}
    stats = connection.ask("INFO", "stats")[1].decode()
    names = ("total_commands_processed", "total_error_replies", "unexpected_error_replies")
    return sections, {name: re.search(rf"{name}:(\d+)", stats)[1] for name in names}


def test_commands_and_errors_are_counted_alike(watched):
    def see(_, connection):
        say(connection, EVERYDAY)
        return statistics(connection)

    ours, theirs = both(watched, see)
    assert ours == theirs


def test_refusals_are_counted_alike(watched):
    def see(server, connection):
        connection.command("CONFIG", "SET", "requirepass", "secret", "maxmemory", 1)
        stranger = server.raw()
        say(stranger, [("GET", "key"), ("NONSENSE",), ("GET",), ("AUTH", "wrong"), ("HELLO", 3), ("PING",)])
        say(connection, [("SET", "key", "value"), ("MULTI",), ("SET", "key", "value"), ("EXEC",), ("GET", "key")])
        counted = statistics(connection)
        connection.command("CONFIG", "SET", "requirepass", "", "maxmemory", 0)
        return counted

    ours, theirs = both(watched, see)
    assert ours == theirs


def test_config_resetstat_forgets_alike(watched):
    def see(_, connection):
        say(connection, EVERYDAY)
        connection.command("CONFIG", "RESETSTAT")
        connection.command("GET", "key")
        histograms = decode(connection.command("LATENCY", "HISTOGRAM"))[1]
        return statistics(connection), sorted(name for _, name in histograms[::2])

    ours, theirs = both(watched, see)
    assert ours == theirs


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("all",),
        ("everything",),
        ("default",),
        ("DEFAULT", "commandstats"),
        ("server", "latencystats", "errorstats"),
        ("keyspace", "cpu", "server"),
        ("nonsense",),
        ("",),
    ],
)
def test_sections_come_in_the_same_order(watched, words):
    own = {b"Eviction", b"Keysizes"}  # those that redis-server 7.0 does not have

    def see(_, connection):
        found = re.findall(rb"^# (\w+)", connection.ask("INFO", *words)[1], re.MULTILINE)
        return [name for name in found if name not in own]

    ours, theirs = both(watched, see)
    assert ours == theirs


# ---- LATENCY ----


def test_latency_refuses_alike(watched):
    watched.compare(
        [
            ("LATENCY",),
            ("LATENCY", "NONSENSE"),
            ("LATENCY", "LATEST"),
            ("LATENCY", "LATEST", "x"),
            ("LATENCY", "HISTORY"),
            ("LATENCY", "HISTORY", "command"),
            ("LATENCY", "HISTORY", "nonsense"),
            ("LATENCY", "RESET"),
            ("LATENCY", "RESET", "command", "nonsense"),
            ("LATENCY", "GRAPH"),
            ("LATENCY", "GRAPH", "command"),
            ("LATENCY", "GRAPH", "x" * 300),
            ("LATENCY", "DOCTOR", "x"),
            ("LATENCY", "HISTOGRAM", "nonsense"),
            ("LATENCY", "HISTOGRAM", "config|nonsense"),
            ("LATENCY", "HELP"),
        ]
    )


def test_latency_spikes_are_noted_alike(watched):
    """Of one second the longest; what is fast stays out, and a transaction counts as a whole."""

    def masked(tree):
        kind, payload = tree
        if kind == "*":
            return [masked(item) for item in payload]
        return payload if kind != ":" else ("time" if int(payload) > 1_000_000_000 else int(payload) // 100)

    def now_us(connection):
        seconds, microseconds = (int(text) for _, text in connection.ask("TIME")[1])
        return seconds * 1_000_000 + microseconds

    def is_undisturbed(connection):
        """Runs the commands: within one second, and without more of a delay than makes no difference?"""
        connection.command("LATENCY", "RESET")
        began_us = now_us(connection)
        say(connection, [("PING",), ("DEBUG", "SLEEP", "0.1")])
        say(connection, [("MULTI",), ("DEBUG", "SLEEP", "0.1"), ("DEBUG", "SLEEP", "0.1"), ("EXEC",), ("GET", "x")])
        ended_us = now_us(connection)
        return ended_us - began_us < 390_000 and ended_us // 1_000_000 == began_us // 1_000_000

    def see(_, connection):
        connection.command("CONFIG", "SET", "latency-monitor-threshold", 90)
        wait_until(lambda: is_undisturbed(connection), 20, "the machine to be quiet for a moment")
        replies = [("LATEST",), ("HISTORY", "command"), ("HISTORY", "COMMAND"), ("HISTORY", "fast-command")]
        seen = [masked(connection.ask("LATENCY", *words)) for words in replies]
        forgotten = [connection.command("LATENCY", "RESET", "x", "command"), connection.command("LATENCY", "LATEST")]
        return seen, forgotten

    ours, theirs = both(watched, see)
    assert ours == theirs
    assert ours[0][0][0][1:] == ["time", 2, 2]


@pytest.mark.parametrize("protocol", [2, 3])
def test_histograms_have_the_same_form(watched, protocol):
    """Names, calls and structure; of the times only that they grow, and that the last count is that of all calls."""

    def see(_, connection):
        connection.command("HELLO", protocol)
        connection.command("CONFIG", "RESETSTAT")
        say(connection, [("SET", "key", "value")] + 3 * [("GET", "key")] + [("DEBUG", "SLEEP", "0.01")])
        shown = {}
        for words in ((), ("set",), ("GET", "nonsense"), ("config",), ("config|resetstat", "set")):
            kind, histograms = connection.ask("LATENCY", "HISTOGRAM", *words)
            for (_, name), (inner, (calls, count, label, (kind_of_times, times))) in zip(
                histograms[::2], histograms[1::2]
            ):
                numbers = [int(number) for _, number in times]
                assert calls[1] == b"calls" and label[1] == b"histogram_usec"
                assert numbers[::2] == sorted(set(numbers[::2])) and numbers[1::2] == sorted(set(numbers[1::2]))
                assert numbers[-1] == int(count[1])
                shown.setdefault(words, []).append((kind, inner, kind_of_times, name, count))
                if name == b"debug":
                    assert numbers[:2] == [16908, 1] or numbers[0] > 16908
            shown.setdefault(words, []).sort()
        connection.command("HELLO", 2)
        return shown

    ours, theirs = both(watched, see)
    assert ours == theirs


def test_latency_tracking_can_be_turned_off(watched):
    def see(_, connection):
        connection.command("CONFIG", "SET", "latency-tracking", "no")
        connection.command("CONFIG", "RESETSTAT")
        say(connection, [("SET", "key", "value"), ("GET", "key")])
        return connection.command("LATENCY", "HISTOGRAM"), connection.ask("INFO", "latencystats")[1]

    ours, theirs = both(watched, see)
    assert ours == theirs


def test_latencystats_show_the_configured_percentiles(watched):
    def see(_, connection):
        connection.command("CONFIG", "SET", "latency-tracking-info-percentiles", "0 50 99.9 99.999 100")
        connection.command("CONFIG", "RESETSTAT")
        say(connection, 5 * [("GET", "key")])
        text = connection.ask("INFO", "latencystats")[1]
        connection.command("CONFIG", "SET", "latency-tracking-info-percentiles", "")
        empty = connection.ask("INFO", "latencystats")[1]
        connection.command("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99 99.9")
        masked = [sorted(re.sub(rb"=\d+\.\d{3}\b", b"=", shown).splitlines()) for shown in (text, empty)]
        return masked

    ours, theirs = both(watched, see)
    assert ours == theirs


def test_a_slow_monitor_is_closed_by_its_output_limit_alike(watched):
    def see(server, connection):
        connection.command("CONFIG", "SET", "client-output-buffer-limit", "normal 1000000 0 0")
        monitor = server.raw()
        monitor.command("MONITOR")
        payload = "x" * 100_000
        while b"flags=O" in connection.command("CLIENT", "LIST"):
            connection.command("ECHO", payload)
        connection.command("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
        with pytest.raises(Closed):
            while True:
                monitor.read_frame()
        return True

    assert both(watched, see) == [True, True]

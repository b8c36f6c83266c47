"""CLIENT TRACKING: a client that keeps copies is told when they are worth nothing any more."""

import pytest

from support.fresh import wait_for_freed_memory
from support.pushes import Listener, invalidated
from support.resp import Closed
from support.waiting import wait_until

pytestmark = pytest.mark.embedded

OK = ("+", b"OK")


@pytest.fixture
def connect(server, transport):
    """Opens connections: connect(protocol=3) -> Listener."""

    def open_one(protocol=3):
        return Listener(server.raw(transport), protocol)

    return open_one


@pytest.fixture
def writer(connect):
    return connect()


@pytest.fixture
def reader(connect):
    """A client in the default mode."""
    listener = connect()
    assert listener.ask("CLIENT", "TRACKING", "ON") == OK
    return listener


def figures(listener):
    """What INFO tells of tracking."""
    lines = listener.ask("INFO", "clients", "stats")[1].decode().split("\r\n")
    return {name: int(value) for name, value in (line.split(":") for line in lines if line.startswith("tracking_"))}


def flags_of(listener):
    flags = dict(zip(*[iter(listener.ask("CLIENT", "TRACKINGINFO")[1])] * 2))[("$", b"flags")]
    return {flag.decode() for _, flag in flags[1]}


def listed(listener, of):
    """The fields of CLIENT LIST for a client."""
    text = listener.ask("CLIENT", "LIST", "ID", of.id)[1].removeprefix(b"txt:").decode()
    return dict(field.partition("=")[::2] for field in text.split())


# ---- The default mode ----


def test_a_change_is_told_once_to_those_who_read_the_key(connect, reader, writer):
    other = connect()
    other.ask("CLIENT", "TRACKING", "ON")
    reader.ask("GET", "k")
    reader.ask("GET", "k")
    other.ask("GET", "l")
    writer.ask("SET", "k", "1")
    writer.ask("SET", "k", "2")
    assert invalidated(reader.sync()) == ["k"]
    assert other.sync() == []
    reader.ask("GET", "k")
    writer.ask("DEL", "k")
    assert invalidated(reader.sync()) == ["k"]


def test_a_push_is_one_in_resp3_form(reader, writer):
    reader.ask("GET", "k")
    writer.ask("SET", "k", "1")
    assert reader.sync() == [(">", [("$", b"invalidate"), ("*", [("$", b"k")])])]


@pytest.mark.parametrize(
    "words",
    [
        ("GET", "k"),
        ("MGET", "other", "k"),
        ("EXISTS", "other", "k"),
        ("TTL", "k"),
        ("TYPE", "k"),
        ("STRLEN", "k"),
        ("GETRANGE", "k", "x", "y"),
        ("OBJECT", "ENCODING", "k"),
        ("MEMORY", "USAGE", "k"),
        ("TOUCH", "k"),
        ("LCS", "k", "other"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_that_only_reads_is_remembered(reader, writer, words):
    writer.ask("SET", "k", "1")
    reader.ask(*words)
    writer.ask("SET", "k", "2")
    assert invalidated(reader.sync()) == ["k"]


@pytest.mark.parametrize("words", [("GETDEL", "k"), ("GETEX", "k"), ("SET", "k", "1", "GET"), ("WATCH", "k"), ("KEYS", "*")])
def test_other_commands_are_not(reader, writer, words):
    reader.ask(*words)
    writer.ask("SET", "k", "2")
    assert reader.sync() == []


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "k", "2"),
        ("DEL", "k"),
        ("INCR", "k"),
        ("APPEND", "k", "x"),
        ("EXPIRE", "k", "100"),
        ("GETDEL", "k"),
        ("RENAME", "k", "l"),
        ("RENAME", "l", "k"),
        ("COPY", "l", "k", "REPLACE"),
        ("MOVE", "k", "1"),
        ("MSET", "a", "1", "k", "2"),
        ("SET", "k", "2", "PXAT", "1"),
        ("EXPIREAT", "k", "1"),
    ],
    ids=lambda words: " ".join(words),
)
def test_every_kind_of_change_is_told(reader, writer, words):
    writer.ask("MSET", "k", "1", "l", "1")
    writer.ask("SELECT", "1")
    writer.ask("DEL", "k")
    writer.ask("SELECT", "0")
    reader.ask("GET", "k")
    writer.ask(*words)
    assert invalidated(reader.sync()) == ["k"]


def test_what_changes_nothing_is_not_told(reader, writer):
    reader.ask("GET", "k")
    for words in (("DEL", "k"), ("SET", "k", "1", "XX"), ("EXPIRE", "k", "1"), ("GET", "k"), ("PERSIST", "k")):
        writer.ask(*words)
    assert reader.sync() == []


def test_a_key_is_known_by_its_name_in_every_database(reader, writer):
    reader.ask("GET", "k")
    writer.ask("SELECT", "5")
    writer.ask("SET", "k", "1")
    assert invalidated(reader.sync()) == ["k"]


def test_an_own_change_is_told_behind_its_reply(reader):
    reader.ask("GET", "k")
    reader.connection.send(b"SET k 1\r\nPING\r\n")
    assert reader.connection.read_frame() == b"+OK\r\n"
    assert reader.connection.read_frame() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
    assert reader.connection.read_frame() == b"+PONG\r\n"


def test_what_a_transaction_reads_and_changes_counts(reader, writer):
    for words in (("MULTI",), ("GET", "k"), ("SET", "k", "1"), ("GET", "k"), ("EXEC",)):
        reader.ask(*words)
    assert invalidated(reader.sync()) == ["k"]
    for words in (("MULTI",), ("SET", "k", "2"), ("EXEC",)):
        writer.ask(*words)
    assert invalidated(reader.sync()) == ["k"]


def test_expiry_is_told(reader, writer):
    while True:
        writer.ask("SET", "k", "1", "PX", "50")
        if reader.ask("GET", "k")[1] == b"1":
            break
        reader.sync()  # it was read too late, and so was told of already
    wait_until(lambda: invalidated(reader.sync()) == ["k"], 10, "the key's end to be told")


@pytest.mark.parametrize("words", [("FLUSHALL",), ("FLUSHDB", "ASYNC"), ("SELECT", "3")])
def test_flushing_invalidates_everything_and_forgets_it(connect, reader, writer, words):
    quiet = connect()
    quiet.ask("CLIENT", "TRACKING", "ON", "NOLOOP")
    broad = connect()
    broad.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "nothing")
    reader.ask("GET", "k")
    quiet.ask(*words)
    if words[0] == "SELECT":
        quiet.ask("FLUSHDB")  # of an empty database, too
    assert [invalidated(listener.sync()) for listener in (reader, quiet, broad)] == [[None]] * 3
    writer.ask("SET", "k", "1")
    assert reader.sync() == []
    assert figures(writer)["tracking_total_keys"] == 0


@pytest.mark.larder_only("Redis leaves copies stale")
def test_exchanging_databases_invalidates_everything(reader, writer):
    writer.ask("SET", "k", "1")
    reader.ask("GET", "k")
    writer.ask("SWAPDB", "0", "1")
    assert invalidated(reader.sync()) == [None]


# ---- Options ----


def test_noloop_spares_the_writer_alone(connect, writer):
    quiet, other = connect(), connect()
    quiet.ask("CLIENT", "TRACKING", "ON", "NOLOOP")
    other.ask("CLIENT", "TRACKING", "ON", "NOLOOP")
    quiet.ask("GET", "k")
    other.ask("GET", "k")
    quiet.ask("SET", "k", "1")
    assert (quiet.sync(), invalidated(other.sync())) == ([], ["k"])
    writer.ask("SET", "k", "2")
    assert quiet.sync() == []  # its own change made the server forget that it had read the key
    quiet.ask("GET", "k")
    writer.ask("SET", "k", "3")
    assert invalidated(quiet.sync()) == ["k"]


def test_optin_remembers_what_follows_caching_yes(connect, writer):
    choosy = connect()
    choosy.ask("CLIENT", "TRACKING", "ON", "OPTIN")
    choosy.ask("GET", "x")
    choosy.ask("CLIENT", "CACHING", "YES")
    choosy.ask("CLIENT", "ID")  # CLIENT's commands in between do not count
    choosy.ask("MGET", "y", "z")
    choosy.ask("GET", "x")
    writer.ask("MSET", "x", "1", "y", "1", "z", "1")
    assert sorted(invalidated(choosy.sync())) == ["y", "z"]


def test_optin_takes_a_transaction_for_one_command(connect, writer):
    choosy = connect()
    choosy.ask("CLIENT", "TRACKING", "ON", "OPTIN")
    for words in (("CLIENT", "CACHING", "YES"), ("MULTI",), ("GET", "x"), ("GET", "y"), ("EXEC",), ("GET", "z")):
        choosy.ask(*words)
    writer.ask("MSET", "x", "1", "y", "1", "z", "1")
    assert sorted(invalidated(choosy.sync())) == ["x", "y"]


def test_optout_leaves_out_what_follows_caching_no(connect, writer):
    picky = connect()
    picky.ask("CLIENT", "TRACKING", "ON", "OPTOUT")
    picky.ask("GET", "x")
    picky.ask("CLIENT", "CACHING", "NO")
    picky.ask("GET", "y")
    picky.ask("GET", "z")
    writer.ask("MSET", "x", "1", "y", "1", "z", "1")
    assert sorted(invalidated(picky.sync())) == ["x", "z"]


def test_trackinginfo_and_getredir_tell_what_is_on(connect, writer):
    assert (flags_of(writer), writer.ask("CLIENT", "GETREDIR")) == ({"off"}, (":", b"-1"))
    writer.ask("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP")
    writer.ask("CLIENT", "CACHING", "YES")
    assert (flags_of(writer), writer.ask("CLIENT", "GETREDIR")) == (
        {"on", "optin", "caching-yes", "noloop"},
        (":", b"0"),
    )
    target = connect()
    writer.ask("CLIENT", "TRACKING", "ON", "REDIRECT", target.id)
    assert (flags_of(writer), writer.ask("CLIENT", "GETREDIR")) == ({"on"}, (":", b"%d" % target.id))
    writer.ask("CLIENT", "TRACKING", "OFF")
    assert (flags_of(writer), writer.ask("CLIENT", "GETREDIR")) == ({"off"}, (":", b"-1"))


def test_turned_off_nothing_is_told(reader, writer):
    reader.ask("GET", "k")
    reader.ask("CLIENT", "TRACKING", "OFF")
    writer.ask("SET", "k", "1")
    assert reader.sync() == []


def test_turned_on_again_what_was_read_before_is_told(reader, writer):
    reader.ask("GET", "k")
    reader.ask("CLIENT", "TRACKING", "OFF")
    reader.ask("CLIENT", "TRACKING", "ON")
    writer.ask("SET", "k", "1")
    assert invalidated(reader.sync()) == ["k"]


def test_reset_turns_tracking_off(reader, writer):
    reader.ask("GET", "k")
    reader.ask("RESET")
    reader.ask("HELLO", 3)
    assert flags_of(reader) == {"off"}
    writer.ask("SET", "k", "1")
    assert reader.sync() == []


def test_invalidations_get_through_where_replies_are_silenced(reader, writer):
    reader.ask("GET", "k")
    reader.connection.send(b"CLIENT REPLY OFF\r\n")
    wait_until(lambda: listed(writer, reader)["cmd"] == "client|reply", 10, "the replies to be silenced")
    writer.ask("SET", "k", "1")
    assert reader.connection.read_frame() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
    assert reader.ask("CLIENT", "REPLY", "ON") == OK


# ---- Redirection ----


def test_resp2_is_told_on_a_subscribed_connection(connect, writer):
    target = connect(2)
    target.ask("SUBSCRIBE", "__redis__:invalidate")
    client = connect(2)
    assert client.ask("CLIENT", "TRACKING", "ON", "REDIRECT", target.id) == OK
    client.ask("GET", "k")
    writer.ask("SET", "k", "1")
    assert target.sync() == [("*", [("$", b"message"), ("$", b"__redis__:invalidate"), ("*", [("$", b"k")])])]
    writer.ask("FLUSHALL")
    assert target.sync() == [("*", [("$", b"message"), ("$", b"__redis__:invalidate"), ("$", None)])]
    assert client.sync() == []


def test_resp2_without_such_a_connection_is_told_nothing(connect, writer):
    target, client = connect(2), connect(2)
    client.ask("CLIENT", "TRACKING", "ON")
    client.ask("GET", "k")
    writer.ask("SET", "k", "1")
    client.ask("CLIENT", "TRACKING", "ON", "REDIRECT", target.id)
    client.ask("GET", "k")
    writer.ask("SET", "k", "1")
    assert client.sync() == target.sync() == []


def test_resp3_is_told_on_the_connection_that_it_redirects_to(connect, writer):
    target, client = connect(), connect()
    client.ask("CLIENT", "TRACKING", "ON", "REDIRECT", target.id)
    client.ask("GET", "k")
    writer.ask("SET", "k", "1")
    assert (invalidated(target.sync()), client.sync()) == (["k"], [])


def test_two_may_redirect_to_each_other(connect, writer):
    a, b = connect(), connect()
    a.ask("CLIENT", "TRACKING", "ON", "REDIRECT", b.id)
    b.ask("CLIENT", "TRACKING", "ON", "REDIRECT", a.id)
    a.ask("GET", "x")
    b.ask("GET", "y")
    writer.ask("MSET", "x", "1", "y", "1")
    assert (invalidated(a.sync()), invalidated(b.sync())) == (["y"], ["x"])


def test_a_broken_redirection_is_told(connect, server, transport, writer):
    target, client = connect(), connect()
    client.ask("CLIENT", "TRACKING", "ON", "REDIRECT", target.id)
    client.ask("MGET", "k", "l")
    assert writer.ask("CLIENT", "KILL", "ID", target.id) == (":", b"1")
    writer.ask("SET", "k", "1")
    assert client.sync() == [(">", [("$", b"tracking-redir-broken"), (":", b"%d" % target.id)])]
    assert flags_of(client) == {"on", "broken_redirect"}
    assert listed(writer, client)["flags"].startswith("tR")
    assert client.ask("CLIENT", "GETREDIR") == (":", b"%d" % target.id)
    writer.ask("FLUSHALL")
    assert len(client.sync()) == 1
    assert client.ask("CLIENT", "TRACKING", "ON", "REDIRECT", target.id)[0] == "-"
    client.ask("CLIENT", "TRACKING", "ON")
    assert flags_of(client) == {"on"}


# ---- Broadcasting ----


def test_who_listens_to_prefixes_is_told_of_every_change_there(connect, writer):
    every, some = connect(), connect()
    every.ask("CLIENT", "TRACKING", "ON", "BCAST")
    some.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "item:")
    writer.ask("MSET", "user:1", "a", "item:1", "a", "other", "a", "use", "a")
    writer.ask("DEL", "user:1")
    writer.ask("DEL", "user:1")
    assert sorted(invalidated(every.sync())) == ["item:1", "other", "use", "user:1", "user:1"]
    assert sorted(invalidated(some.sync())) == ["item:1", "user:1", "user:1"]


def test_a_batch_is_told_at_once_and_each_key_once(connect, writer):
    every = connect()
    every.ask("CLIENT", "TRACKING", "ON", "BCAST")
    for words in (("MULTI",), ("SET", "b", "1"), ("MSET", "c", "1", "a", "1"), ("SET", "b", "2"), ("EXEC",)):
        writer.ask(*words)
    (push,) = every.sync()
    assert invalidated([push]) == ["a", "b", "c"]


def test_broadcasting_with_noloop_spares_the_writer(connect, writer):
    quiet, other = connect(), connect()
    for listener in (quiet, other):
        listener.ask("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
    quiet.ask("SET", "k", "1")
    assert (quiet.sync(), invalidated(other.sync())) == ([], ["k"])
    writer.ask("SET", "k", "2")
    assert (invalidated(quiet.sync()), invalidated(other.sync())) == (["k"], ["k"])


def test_broadcasting_remembers_nothing(connect, writer):
    every = connect()
    every.ask("CLIENT", "TRACKING", "ON", "BCAST")
    every.ask("GET", "k")
    assert figures(writer)["tracking_total_keys"] == 0


def test_expiry_is_broadcast(connect, writer):
    every = connect()
    every.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k")
    writer.ask("SET", "k", "1", "PX", "5")
    told = invalidated(every.sync())

    def has_ended():
        told.extend(invalidated(every.sync()))
        return told == ["k", "k"]

    wait_until(has_ended, 10, "the key's end to be told")


def test_prefixes_are_added_and_listed_in_order(connect, writer):
    every = connect()
    every.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "m")
    every.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "z", "PREFIX", "a")
    every.ask("CLIENT", "TRACKING", "ON", "BCAST")
    prefixes = every.ask("CLIENT", "TRACKINGINFO")[1][5][1]
    assert [prefix for _, prefix in prefixes] == [b"", b"a", b"m", b"z"]
    assert figures(writer)["tracking_total_prefixes"] == 4
    every.ask("CLIENT", "TRACKING", "OFF")
    assert figures(writer)["tracking_total_prefixes"] == 0


def test_many_prefixes_cost_a_change_nothing_and_close_well(connect, writer, slow_factor):
    count = 20000 // slow_factor
    every = connect()
    words = [word for number in range(count) for word in ("PREFIX", f"{number:08}:")]
    assert every.ask("CLIENT", "TRACKING", "ON", "BCAST", *words) == OK
    more = connect()
    assert more.ask("CLIENT", "TRACKING", "ON", "BCAST", *words) == OK
    assert figures(writer)["tracking_total_prefixes"] == count
    for number in (0, count // 2, count - 1):
        writer.ask("SET", f"{number:08}:key", "1")
    assert len(invalidated(every.sync())) == 3
    every.close()
    more.close()
    wait_until(lambda: figures(writer)["tracking_total_prefixes"] == 0, 20, "the prefixes to be forgotten")


# ---- What is counted and bounded ----


def test_info_counts_clients_keys_and_readers(connect, writer):
    wait_until(lambda: set(figures(writer).values()) == {0}, 20, "what earlier tests have read to be swept away")
    listeners = [connect() for _ in range(3)]
    for listener in listeners:
        listener.ask("CLIENT", "TRACKING", "ON")
        listener.ask("MGET", "a", "b", "c", "d", "a")
    assert figures(writer) == {
        "tracking_clients": 3,
        "tracking_total_keys": 4,
        "tracking_total_items": 12,
        "tracking_total_prefixes": 0,
    }
    writer.ask("SET", "a", "1")
    assert (figures(writer)["tracking_total_keys"], figures(writer)["tracking_total_items"]) == (3, 9)


@pytest.mark.larder_only("Redis keeps what closed clients have read until it changes")
def test_what_closed_clients_have_read_is_forgotten(connect, writer):
    listeners = [connect() for _ in range(3)]
    for listener in listeners:
        listener.ask("CLIENT", "TRACKING", "ON")
        listener.ask("MGET", *[f"k{number}" for number in range(500)])
    for listener in listeners:
        listener.close()
    wait_until(lambda: set(figures(writer).values()) == {0}, 20, "the readings to be swept away")


@pytest.mark.needs_sockets
def test_the_table_keeps_to_its_limit_and_the_rest_is_told(connect, writer):
    reader = connect()
    writer.ask("CONFIG", "SET", "tracking-table-max-keys", "100")
    try:
        reader.ask("CLIENT", "TRACKING", "ON")
        keys = [f"k{number}" for number in range(1000)]
        for key in keys:
            reader.ask("GET", key)
        told = invalidated(reader.sync())

        def is_within_limit():
            told.extend(invalidated(reader.sync()))
            return figures(writer)["tracking_total_keys"] <= 100

        wait_until(is_within_limit, 10, "the table to keep to its limit")
        writer.ask("MSET", *[word for key in keys for word in (key, "1")])
        assert sorted(told + invalidated(reader.sync())) == sorted(keys)
    finally:
        writer.ask("CONFIG", "SET", "tracking-table-max-keys", "1000000")


def test_client_list_shows_tracking(connect, writer):
    target, client = connect(), connect()
    fields = listed(writer, client)
    assert ("t" in fields["flags"], fields["redir"]) == (False, "-1")
    client.ask("CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", target.id)
    fields = listed(writer, client)
    assert (fields["flags"].replace("U", ""), fields["redir"]) == ("tB", str(target.id))
    client.ask("CLIENT", "TRACKING", "ON", "BCAST")
    assert listed(writer, client)["redir"] == "0"


def test_a_client_that_goes_is_not_missed(connect, writer):
    for protocol in (2, 3):
        client = connect(protocol)
        client.ask("CLIENT", "TRACKING", "ON")
        client.ask("GET", "k")
        client.close()
        broad = connect(protocol)
        broad.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k")
        broad.close()
    for _ in range(3):
        assert writer.ask("SET", "k", "1") == OK


def test_a_killed_client_is_told_nothing_more(reader, writer):
    reader.ask("GET", "k")
    writer.ask("CLIENT", "KILL", "ID", reader.id)
    writer.ask("SET", "k", "1")
    with pytest.raises((Closed, OSError)):
        reader.sync()


@pytest.mark.larder_only("Redis counts it elsewhere")
def test_what_is_remembered_counts_as_memory_of_clients(server, transport, connect, writer):
    def memory():
        text = writer.ask("INFO", "memory")[1].decode()
        return {name: int(text.split(f"\r\n{name}:")[1].split("\r\n")[0]) for name in ("used_memory", "mem_clients_normal")}

    reader = connect()
    reader.ask("CLIENT", "TRACKING", "ON")
    with server.raw(transport) as connection:
        wait_for_freed_memory(connection)
    before = memory()
    reader.ask("MGET", *[f"key:{number:050}" for number in range(2000)])
    after = memory()
    assert after["mem_clients_normal"] - before["mem_clients_normal"] > 2000 * 60
    assert after["used_memory"] - before["used_memory"] > 2000 * 60

"""Keyspace notifications: what happens to keys, as messages. (That each command brings about Redis's events is compared in
tests/differential/test_notifications.py.)"""

import pytest

from support.fresh import wait_for_freed_memory
from support.resp import decode, encode
from support.waiting import wait_until

from .test_concurrency import in_parallel

pytestmark = pytest.mark.embedded


@pytest.fixture
def notified(server):
    """Turns events on for a test: notified("KEA"); off again after it."""
    control = server.raw()

    def turn_on(classes):
        assert control.command("CONFIG", "SET", "notify-keyspace-events", classes) == b"+OK\r\n"

    yield turn_on
    turn_on("")


def listen(server, *patterns):
    connection = server.raw()
    connection.send(encode("PSUBSCRIBE", *patterns))
    for _ in patterns:
        connection.read_frame()
    return connection


def events(connection, count):
    """The next so many: (channel, message)."""
    return [tuple(value for _, value in decode(connection.read_frame())[1][2:]) for _ in range(count)]


def assert_nothing_waits(connection):
    assert connection.command("PING") == b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"


def test_a_key_has_a_channel_and_an_event_has_one(server, notified):
    r = server.client(db=3)
    notified("KE$")
    listener = listen(server, "__key*__:*")
    r.set("k", "v")
    assert events(listener, 2) == [(b"__keyspace@3__:k", b"set"), (b"__keyevent@3__:set", b"k")]
    notified("K$")
    r.set("k", "v")
    notified("E$")
    r.set("k", "v")
    assert events(listener, 2) == [(b"__keyspace@3__:k", b"set"), (b"__keyevent@3__:set", b"k")]
    for classes in ("$", "KE", "", "KEg"):
        notified(classes)
        r.set("k", "v")
    assert_nothing_waits(listener)
    notified("KEg")
    r.set("k", "v", ex=100)
    assert events(listener, 2) == [(b"__keyspace@3__:k", b"expire"), (b"__keyevent@3__:expire", b"k")]


def test_a_key_that_nobody_touches_tells_when_it_expires(server, notified):
    notified("Ex")
    listener = listen(server, "__keyevent@0__:expired")
    r = server.client()
    with r.pipeline(transaction=False) as pipeline:
        for number in range(100):
            pipeline.set(f"k{number}", "v", px=30)
        pipeline.execute()
    wait_until(lambda: r.dbsize() == 0, 10, "the keys to be freed")  # without workers, commands do it in passing
    assert sorted(events(listener, 100)) == sorted((b"__keyevent@0__:expired", b"k%d" % n) for n in range(100))
    assert_nothing_waits(listener)


def test_a_miss_and_a_new_key_are_events_on_request(server, notified):
    r = server.client()
    notified("KEA")
    listener = listen(server, "__keyevent@0__:keymiss", "__keyevent@0__:new")
    r.get("none")
    r.set("k", "v")
    assert_nothing_waits(listener)  # A is not all
    notified("Emn")
    r.get("none")
    r.set("k", "w")
    r.set("new", "v")
    assert events(listener, 2) == [(b"__keyevent@0__:keymiss", b"none"), (b"__keyevent@0__:new", b"new")]


def test_events_of_a_transaction_stand_in_its_order(server, notified):
    notified("EA")
    listener = listen(server, "__keyevent*")
    with server.client().pipeline() as pipeline:
        pipeline.set("a", 1).incr("a").rename("a", "b").delete("b").execute()
    assert [channel.split(b":")[1] for channel, _ in events(listener, 5)] == [
        b"set",
        b"incrby",
        b"rename_from",
        b"rename_to",
        b"del",
    ]


@pytest.mark.larder_only("7.0 sends the message in front of the reply")
def test_ones_own_events_stand_behind_the_reply(server, notified):
    notified("E$")
    connection = server.raw()
    connection.command("HELLO", 3)
    connection.command("SUBSCRIBE", "__keyevent@0__:set")
    connection.send(encode("SET", "k", "v") + encode("PING"))
    assert connection.read_frame() == b"+OK\r\n"
    assert decode(connection.read_frame())[1][2] == ("$", b"k")
    assert connection.read_frame() == b"+PONG\r\n"


def test_names_may_be_long_and_hold_any_bytes(server, notified):
    notified("KE$")
    listener = listen(server, "__key*__:*")
    for name in (b"", b"\x00\r\n\xff", b"n" * 300, b"n" * 100_000):
        assert server.client().set(name, "v")
        assert events(listener, 2) == [(b"__keyspace@0__:" + name, b"set"), (b"__keyevent@0__:set", name)]


@pytest.mark.larder_only("PREFIX is Larder's own")
def test_prefix_commands_tell_of_each_key(server, notified):
    r = server.client()
    r.mset({"p:1": 1, "p:2": 2, "q": 3})
    notified("EA")
    listener = listen(server, "__keyevent*")
    for words, names in (
        (("INCR", "p:"), (b"incrby",)),
        (("DECR", "p:", "BY", "2"), (b"incrby",)),
        (("SET", "p:", "1"), (b"set",)),
        (("SET", "p:", "1", "EX", "100"), (b"set", b"expire")),
        (("PERSIST", "p:"), (b"persist",)),
        (("PERSIST", "p:"), ()),
        (("EXPIRE", "p:", "100"), (b"expire",)),
        (("DEL", "p:"), (b"del",)),
    ):
        assert r.execute_command("PREFIX", *words) == (2 if names else 0)
        assert events(listener, 2 * len(names)) == [
            (b"__keyevent@0__:" + name, key) for key in (b"p:1", b"p:2") for name in names
        ]
    assert_nothing_waits(listener)


def test_evicted_keys_tell_of_it(server, notified):
    """Among the events of the command that needs the room."""
    connection = server.raw()
    notified("Ee$")
    listener = listen(server, "__keyevent*")
    try:
        connection.command("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        for number in range(50):
            connection.command("SET", f"k{number}", "x" * 100_000)
        wait_for_freed_memory(connection)
        used = int(server.client().info("memory")["used_memory"])
        connection.command("CONFIG", "SET", "maxmemory", used)
        for number in range(50, 70):
            assert connection.command("SET", f"k{number}", "x" * 100_000) == b"+OK\r\n"
    finally:
        connection.command("CONFIG", "SET", "maxmemory", 0)
        connection.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    left = int(connection.ask("DBSIZE")[1])
    seen = events(listener, 70 + 70 - left)
    evicted = [name for channel, name in seen if channel.endswith(b"evicted")]
    assert len(evicted) == 70 - left > 0
    assert_nothing_waits(listener)


def test_events_of_a_key_come_in_the_order_in_which_they_happened(server, notified):
    """Clients on all threads count one number up; who listens sees as many events, and keys by turns where each client
    has its own."""
    notified("E$")
    listener = listen(server, "__keyevent@0__:incrby", "__keyevent@0__:set")
    clients, rounds = 4, 250

    def work(number):
        if number == clients:
            seen = events(listener, 2 * clients * rounds)
            assert sum(channel.endswith(b"incrby") and name == b"n" for channel, name in seen) == clients * rounds
            for client in range(clients):
                own = [name for _, name in seen if name.startswith(b"%d:" % client)]
                assert own == [b"%d:%d" % (client, at) for at in range(rounds)]
        else:
            with server.raw() as connection:
                for at in range(rounds):
                    connection.send(encode("INCR", "n") + encode("SET", f"{number}:{at}", "v"))
                    connection.read_frame(), connection.read_frame()

    in_parallel(clients + 1, work)

"""Publish and subscribe, as applications and their client libraries see it."""

import threading

import pytest

from support.resp import RawConnection, decode, encode
from support.server import SANITIZED
from support.waiting import PATIENCE_S, wait_until

from .test_concurrency import in_parallel

pytestmark = pytest.mark.embedded

ALLOWED = b"only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"


def words_of(frame):
    """A message or confirmation as its kind and a list of words."""
    kind, items = decode(frame)
    return kind, [value for _, value in items]


def next_words(connection):
    return words_of(connection.read_frame())[1]


def subscribe(connection, *names, verb="SUBSCRIBE"):
    connection.send(encode(verb, *names))
    for _ in names:
        assert next_words(connection)[0] == verb.lower().encode()


def read_up_to(connection, marker):
    """The frames in front of the answer to a PING with this marker, as bytes."""
    connection.send(encode("PING", marker))
    frames = []
    while True:
        frame = connection.read_frame()
        if decode(frame) in (("$", marker), ("*", [("$", b"pong"), ("$", marker)])):
            return frames
        frames.append(frame)


# ---- redis-py ----


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_receives_what_it_subscribes_to(server, transport, protocol):
    publisher = server.client(transport)
    listener = server.client(transport, protocol=protocol).pubsub()
    listener.subscribe("news", "weather")
    listener.psubscribe("n?ws", "w*")
    listener.ssubscribe("shard")
    received = [listener.get_message(timeout=PATIENCE_S) for _ in range(5)]
    assert sorted(message["type"] for message in received) == [
        "psubscribe",
        "psubscribe",
        "ssubscribe",
        "subscribe",
        "subscribe",
    ]
    assert publisher.publish("news", "one") == 2
    assert publisher.publish("weather", b"\x00\r\n\xff") == 2
    assert publisher.spublish("shard", "two") == 1
    assert publisher.publish("shard", "three") == 0
    received = [listener.get_message(timeout=PATIENCE_S) for _ in range(4)]
    assert [(m["type"], m["pattern"], m["channel"], m["data"]) for m in received] == [
        ("message", None, b"news", b"one"),
        ("pmessage", b"n?ws", b"news", b"one"),
        ("message", None, b"weather", b"\x00\r\n\xff"),
        ("pmessage", b"w*", b"weather", b"\x00\r\n\xff"),
    ]
    message = listener.get_message(timeout=PATIENCE_S)
    assert (message["type"], message["channel"], message["data"]) == ("smessage", b"shard", b"two")
    listener.ping("still there?")
    assert listener.get_message(timeout=PATIENCE_S)["data"] == b"still there?"
    listener.unsubscribe()
    listener.punsubscribe()
    listener.sunsubscribe()
    assert {listener.get_message(timeout=PATIENCE_S)["type"] for _ in range(5)} == {
        "unsubscribe",
        "punsubscribe",
        "sunsubscribe",
    }
    assert publisher.publish("news", "to nobody") == 0
    listener.close()


def test_redis_py_listens_in_a_thread(server, transport):
    publisher = server.client(transport)
    listener = server.client(transport).pubsub(ignore_subscribe_messages=True)
    received = []
    listener.subscribe(**{"work": lambda message: received.append(message["data"])})
    thread = listener.run_in_thread(sleep_time=0.01)
    wait_until(lambda: publisher.pubsub_numsub("work") == [(b"work", 1)], what="the subscription")
    for number in range(100):
        publisher.publish("work", number)
    wait_until(lambda: len(received) == 100, what="100 messages")
    assert received == [b"%d" % number for number in range(100)]
    thread.stop()
    thread.join()
    listener.close()


def test_pubsub_tells_who_listens(server, transport):
    r = server.client(transport)
    listeners = [server.raw(transport) for _ in range(3)]
    for number, listener in enumerate(listeners):
        subscribe(listener, "all", f"own:{number}")
        subscribe(listener, "p*", f"own{number}?", verb="PSUBSCRIBE")
        subscribe(listener, "shard", verb="SSUBSCRIBE")
    assert sorted(r.pubsub_channels()) == [b"all", b"own:0", b"own:1", b"own:2"]
    assert sorted(r.pubsub_channels("own:*")) == [b"own:0", b"own:1", b"own:2"]
    assert r.pubsub_numsub("all", "none", "own:1") == [(b"all", 3), (b"none", 0), (b"own:1", 1)]
    assert r.pubsub_numpat() == 4
    assert r.pubsub_shardchannels() == [b"shard"]
    assert r.pubsub_shardnumsub("shard", "all") == [(b"shard", 3), (b"all", 0)]
    info = r.info()
    assert (info["pubsub_channels"], info["pubsub_patterns"], info["pubsubshard_channels"]) == (4, 4, 1)
    assert info["pubsub_clients"] == 3
    listeners[0].close()
    wait_until(lambda: r.pubsub_numsub("all") == [(b"all", 2)], what="the closed connection to be gone")
    assert listeners[1].command("RESET") == b"+RESET\r\n"
    assert r.pubsub_numsub("all", "own:1") == [(b"all", 1), (b"own:1", 0)]
    assert (r.pubsub_numpat(), r.pubsub_shardnumsub("shard")) == (2, [(b"shard", 1)])


def test_client_list_shows_and_kills_subscribers(server, transport):
    r = server.client(transport)
    listener = server.raw(transport)
    subscribe(listener, "a", "b")
    subscribe(listener, "p*", verb="PSUBSCRIBE")
    subscribe(listener, "s1", "s2", "s3", verb="SSUBSCRIBE")
    (entry,) = r.client_list(_type="pubsub")
    assert (entry["sub"], entry["psub"], entry["ssub"]) == ("2", "1", "3")
    assert entry["flags"] == ("PU" if transport == "unix" else "P")
    assert all("P" not in entry["flags"] for entry in r.client_list(_type="normal"))
    assert r.client_kill_filter(_type="pubsub") == 1
    assert listener.read_until_closed() == b""
    wait_until(lambda: r.client_list(_type="pubsub") == [], what="the killed subscriber to be gone")
    assert r.pubsub_channels() == []


# ---- The protocol ----


def test_a_resp2_subscriber_may_say_little_else(server, transport):
    connection = server.raw(transport)
    subscribe(connection, "a")
    for words, name in (
        (("GET", "k"), b"get"),
        (("PUBLISH", "a", "b"), b"publish"),
        (("CLIENT", "ID"), b"client|id"),
        (("HELLO", "3"), b"hello"),
        (("MULTI",), b"multi"),
        (("PUBSUB", "NUMPAT"), b"pubsub|numpat"),
    ):
        assert connection.command(*words) == b"-ERR Can't execute '%b': %b\r\n" % (name, ALLOWED)
    assert connection.command("EXEC") == (
        b"-EXECABORT Transaction discarded because of: Can't execute 'exec': " + ALLOWED + b"\r\n"
    )
    assert connection.command("PING") == b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    assert connection.command("PING", "hi") == b"*2\r\n$4\r\npong\r\n$2\r\nhi\r\n"
    assert connection.command("nosuch") == b"-ERR unknown command 'nosuch', with args beginning with: \r\n"
    subscribe(connection, "s", verb="SSUBSCRIBE")
    assert connection.command("UNSUBSCRIBE", "a") == b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"
    assert connection.command("GET", "k").startswith(b"-ERR Can't execute")
    assert connection.command("SUNSUBSCRIBE") == b"*3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:0\r\n"
    assert connection.command("GET", "k") == b"$-1\r\n"
    assert connection.command("PING") == b"+PONG\r\n"
    subscribe(connection, "a")
    assert connection.command("QUIT") == b"+OK\r\n"
    assert connection.read_until_closed() == b""


def test_a_resp3_subscriber_may_say_everything(server, transport):
    connection = server.raw(transport)
    connection.command("HELLO", 3)
    assert connection.command("SUBSCRIBE", "a") == b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    assert connection.command("SET", "k", "v") == b"+OK\r\n"
    assert connection.command("PING") == b"+PONG\r\n"
    assert connection.command("UNSUBSCRIBE", "x") == b">3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:1\r\n"
    assert connection.command("PUNSUBSCRIBE") == b">3\r\n$12\r\npunsubscribe\r\n_\r\n:1\r\n"


@pytest.mark.larder_only("7.0 sends the message in front of the reply")
def test_ones_own_message_stands_behind_the_reply(server, transport):
    connection = server.raw(transport)
    connection.command("HELLO", 3)
    subscribe(connection, "a")
    connection.send(encode("PUBLISH", "a", "1") + encode("GET", "k") + encode("PUBLISH", "a", "2"))
    message = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n%d\r\n"
    assert b"".join(connection.read_frame() for _ in range(5)) == b":1\r\n" + message % 1 + b"_\r\n:1\r\n" + message % 2


@pytest.mark.larder_only("7.0 sends messages within the reply of EXEC")
@pytest.mark.parametrize("protocol", [2, 3])
def test_messages_of_a_transaction_stand_behind_its_reply(server, transport, protocol):
    connection = server.raw(transport)
    connection.command("HELLO", protocol)
    commands = [
        ("MULTI",),
        ("SUBSCRIBE", "a", "b"),
        ("PUBLISH", "a", "1"),
        ("PING",),
        ("UNSUBSCRIBE", "a"),
        ("SSUBSCRIBE", "s"),
        ("SET", "k", "v"),
        ("PUBLISH", "b", "2"),
        ("UNSUBSCRIBE", "b"),
        ("EXEC",),
    ]
    for words in commands[:-1]:
        assert connection.command(*words) in (b"+OK\r\n", b"+QUEUED\r\n")
    connection.send(encode(*commands[-1]) + encode("ECHO", "end"))
    mark = b">" if protocol == 3 else b"*"
    pong = b"*2\r\n$4\r\npong\r\n$0\r\n\r\n" if protocol == 2 else b"+PONG\r\n"
    expected = (
        b"*8\r\n" + mark + b"3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n" + mark + b"3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        b":1\r\n" + pong + mark + b"3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"
        b"-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n+OK\r\n:1\r\n"
        + mark + b"3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n"
        + mark + b"3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n"
        + mark + b"3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\n2\r\n"
        b"$3\r\nend\r\n"
    )
    while len(connection.received) < len(expected):
        connection._receive()
    assert bytes(connection.received) == expected


def test_client_reply_silences_replies_but_no_messages(server, transport):
    connection = server.raw(transport)
    connection.command("HELLO", 3)
    connection.send(encode("CLIENT", "REPLY", "OFF") + encode("SUBSCRIBE", "a") + encode("PING"))
    assert connection.read_frame() == b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    assert server.client(transport).publish("a", "x") == 1
    assert next_words(connection) == [b"message", b"a", b"x"]
    connection.send(encode("UNSUBSCRIBE") + encode("CLIENT", "REPLY", "ON"))
    assert next_words(connection) == [b"unsubscribe", b"a", b"0"]
    assert connection.read_frame() == b"+OK\r\n"
    connection.send(encode("CLIENT", "REPLY", "SKIP") + encode("SUBSCRIBE", "a") + encode("GET", "k"))
    assert next_words(connection) == [b"subscribe", b"a", b"1"]
    assert connection.read_frame() == b"_\r\n"


def test_hello_changes_the_form_of_messages(server, transport):
    connection = server.raw(transport)
    publisher = server.client(transport)
    connection.command("HELLO", 3)
    subscribe(connection, "a")
    publisher.publish("a", "1")
    assert connection.read_frame().startswith(b">3")
    publisher.publish("a", "2")
    connection.send(encode("HELLO", 2))
    assert connection.read_frame().startswith(b">3")  # it came before
    assert connection.read_frame().startswith(b"*14")
    publisher.publish("a", "3")
    assert connection.read_frame().startswith(b"*3")
    assert connection.command("GET", "k").startswith(b"-ERR Can't execute")


def test_publish_waits_for_the_end_of_a_pause(server, transport):
    r = server.client(transport)
    connection, listener = server.raw(transport), server.raw(transport)
    subscribe(listener, "a")
    r.client_pause(60_000, all=False)
    connection.send(encode("PUBLISH", "a", "x") + encode("SPUBLISH", "a", "x"))
    assert listener.command("PING").endswith(b"$0\r\n\r\n")  # nothing came before
    r.client_unpause()
    assert (connection.read_frame(), connection.read_frame()) == (b":1\r\n", b":0\r\n")
    assert next_words(listener) == [b"message", b"a", b"x"]


@pytest.mark.needs_sockets
def test_subscribers_may_be_idle(start_server, transport):
    server = start_server(threads=2)
    idle, listener = server.raw(transport), server.raw(transport)
    listener.command("HELLO", 3)
    subscribe(listener, "a")
    idle.command("CONFIG", "SET", "timeout", 1)
    assert idle.read_until_closed() == b""
    assert server.client(transport).publish("a", "x") == 1
    assert next_words(listener) == [b"message", b"a", b"x"]


# ---- Many at once ----


def test_no_message_follows_the_end_of_a_subscription(server, transport):
    """Whatever others publish meanwhile."""
    is_over = threading.Event()

    def publish(number):
        with server.raw(transport) as connection:
            while not is_over.is_set():
                connection.send(encode("PUBLISH", "a", "x" * 100) * 20)
                for _ in range(20):
                    connection.read_frame()

    def listen():
        with server.raw(transport) as connection:
            for _ in range(150):
                subscribe_and_leave(connection)
        is_over.set()

    def subscribe_and_leave(connection):
        connection.send(encode("SUBSCRIBE", "a") + encode("PSUBSCRIBE", "?") + encode("PING"))
        connection.send(encode("UNSUBSCRIBE", "a") + encode("PUNSUBSCRIBE"))
        active = set()
        for frame in read_up_to(connection, b"end"):
            words = words_of(frame)[1]
            if words[0] in (b"subscribe", b"psubscribe"):
                active.add(words[1])
            elif words[0] in (b"unsubscribe", b"punsubscribe"):
                active.remove(words[1])
            elif words[0] != b"pong":
                assert words[1] in active
        assert not active

    def work(number):
        try:
            publish(number) if number else listen()
        finally:
            is_over.set()

    in_parallel(3, work)


def test_counts_are_exact_and_order_is_kept(server, transport):
    """Publishers on several connections; those who listen all the time receive all of it, each publisher's in order."""
    publishers, listeners, messages = 3, 5, 400
    connections = [server.raw(transport) for _ in range(listeners)]
    for connection in connections:
        subscribe(connection, "a", "b")
    counted = [0] * publishers

    def work(number):
        if number < publishers:
            with server.raw(transport) as connection:
                for at in range(0, messages, 20):
                    connection.send(
                        b"".join(encode("PUBLISH", "ab"[n % 2], f"{number}:{n}") for n in range(at, at + 20))
                    )
                    counted[number] += sum(int(decode(connection.read_frame())[1]) for _ in range(20))
        else:
            last = [-1] * publishers
            for _ in range(publishers * messages):
                publisher, n = map(int, next_words(connections[number - publishers])[2].split(b":"))
                assert n == last[publisher] + 1
                last[publisher] = n

    in_parallel(publishers + listeners, work)
    assert counted == [listeners * messages] * publishers


# ---- Those who do not read ----


def stalled_listener(server, transport="tcp"):
    """Subscribes to "flood" and reads no more."""
    connection = server.raw(transport)
    subscribe(connection, "flood")
    return connection


@pytest.mark.needs_sockets
def test_a_slow_subscriber_is_cut_off_and_the_others_receive_everything(start_server, transport):
    server = start_server(threads=4, options={"client-output-buffer-limit": ["pubsub", "1mb", "0", "0"]})
    slow = stalled_listener(server, transport)
    readers = [server.raw(transport) for _ in range(4)]
    for reader in readers:
        subscribe(reader, "flood")
    payload, rounds = "x" * 50_000, 400

    def work(number):
        if number == 0:
            with server.raw(transport) as publisher:
                for round_number in range(rounds):
                    assert publisher.ask("PUBLISH", "flood", f"{round_number}:{payload}")[1] in (b"4", b"5")
                    for turn in turns:  # nobody may fall behind but the one who does not read
                        turn.acquire()
                assert publisher.ask("PUBSUB", "NUMSUB", "flood")[1][1] == (":", b"4")
        else:
            for round_number in range(rounds):
                words = next_words(readers[number - 1])
                assert words[2].startswith(b"%d:x" % round_number) and len(words[2]) > 50_000
                turns[number - 1].release()

    turns = [threading.Semaphore(10) for _ in readers]
    in_parallel(1 + len(readers), work)
    assert "scheduled to be closed ASAP for overcoming of output buffer limits" in server.log()
    assert server.client(transport).info("stats")["client_output_buffer_limit_disconnections"] == 1
    assert len(slow.read_until_closed()) < rounds * 50_000


FLOOD_MESSAGES = 400  # of 100 kB: far more than the buffers of two sockets grow to


@pytest.mark.needs_sockets
def test_the_soft_limit_holds_after_its_seconds(start_engine):
    """With a clock that stands still until it is advanced."""
    server = start_engine(config="client-output-buffer-limit pubsub 0 100kb 10", threads=2)
    engine = server.engine
    port = engine.serve()
    with RawConnection(("127.0.0.1", port)) as slow, RawConnection(("127.0.0.1", port)) as publisher:
        subscribe(slow, "flood")

        def waiting():
            line = publisher.ask("CLIENT", "LIST", "TYPE", "pubsub")[1]
            return int(line.split(b"omem=")[1].split()[0]) if line else None

        engine.freeze()
        for _ in range(FLOOD_MESSAGES):
            assert publisher.command("PUBLISH", "flood", "x" * 100_000) == b":1\r\n"
        assert waiting() > 1_000_000
        for _ in range(10):
            engine.advance(1)
            assert waiting() > 1_000_000

        def is_closed():  # it is over the limit from when its worker came to it, be it only now
            engine.advance(1)
            return waiting() is None

        wait_until(is_closed, 20, "the slow subscriber to be closed")
        assert publisher.command("PUBLISH", "flood", "x") == b":0\r\n"
        assert publisher.command("PING") == b"+PONG\r\n"


@pytest.mark.needs_sockets
@pytest.mark.skipif(SANITIZED, reason="sanitizers keep memory of their own")
def test_a_message_that_a_thousand_leave_unread_is_stored_once(start_server):
    server = start_server(threads=4, options={"client-output-buffer-limit": ["pubsub", "0", "0", "0"]})
    count, payload = 1000, "x" * 100_000
    listeners = [stalled_listener(server, "unix") for _ in range(count)]
    publisher = server.raw()

    def resident():
        with open(f"/proc/{server.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096

    for _ in range(5):  # until the sockets are full
        assert publisher.ask("PUBLISH", "flood", payload) == (":", b"1000")

    def growth():
        before = resident()
        for _ in range(10):
            assert publisher.ask("PUBLISH", "flood", payload) == (":", b"1000")
        return resident() - before

    # Redis: a thousand times the messages. The first ones may find workers that have not come to all listeners yet.
    assert any(growth() < 10 * (len(payload) + count * 256) for _ in range(5))
    for listener in listeners:
        listener.close()


@pytest.mark.needs_sockets
def test_memory_of_subscriptions_is_shown_and_given_back(server):
    r = server.client()
    connection = server.raw()
    connection.command("HELLO", 3)
    (before,) = [int(entry["tot-mem"]) for entry in r.client_list(client_id=[connection.ask("CLIENT", "ID")[1]])]
    names = [f"{number}:{'x' * 100}" for number in range(1000)]
    subscribe(connection, *names)
    (entry,) = r.client_list(_type="pubsub")
    assert int(entry["tot-mem"]) - before > 100_000
    connection.send(encode("UNSUBSCRIBE"))
    for _ in names:
        connection.read_frame()
    (after,) = [int(entry["tot-mem"]) for entry in r.client_list(client_id=[connection.ask("CLIENT", "ID")[1]])]
    assert after == before

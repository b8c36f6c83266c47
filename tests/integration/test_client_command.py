"""CLIENT and its subcommands."""

import re
import threading
import time

import pytest

from support.resp import Closed, encode
from support.waiting import wait_until

pytestmark = pytest.mark.embedded

# What redis_exporter and people look at; 7.2 adds lib-name and lib-ver.
LIST_FIELDS = [
    "id",
    "addr",
    "laddr",
    "fd",
    "name",
    "age",
    "idle",
    "flags",
    "db",
    "sub",
    "psub",
    "ssub",
    "multi",
    "qbuf",
    "qbuf-free",
    "argv-mem",
    "multi-mem",
    "rbs",
    "rbp",
    "obl",
    "oll",
    "omem",
    "tot-mem",
    "events",
    "cmd",
    "user",
    "redir",
    "resp",
]


def client_id(connection):
    return int(connection.ask("CLIENT", "ID")[1])


def is_open(connection):
    try:
        return connection.command("PING") == b"+PONG\r\n"
    except (Closed, OSError):
        return False


def test_ids_grow_and_are_unique(server, transport):
    ids = [client_id(server.raw(transport)) for _ in range(20)]
    assert ids == sorted(set(ids))


def test_names(r):
    assert r.client_getname() is None
    assert r.client_setname("worker") is True
    assert r.client_getname() == "worker"


def test_list_tells_of_every_client(server, transport):
    connection = server.raw(transport)
    for words in (("CLIENT", "SETNAME", "listed"), ("SELECT", 3), ("HELLO", 3)):
        connection.command(*words)
    (entry,) = [entry for entry in server.client(transport).client_list() if entry["name"] == "listed"]
    assert list(entry)[: len(LIST_FIELDS)] == LIST_FIELDS
    assert (
        entry["id"],
        entry["db"],
        entry["resp"],
        entry["cmd"],
        entry["user"],
        entry["flags"],
        entry["multi"],
        entry["redir"],
    ) == (str(client_id(connection)), "3", "3", "hello", "default", "U" if transport == "unix" else "N", "-1", "-1")
    if transport == "tcp":
        host, port = connection.socket.getsockname()
        assert entry["addr"] == f"{host}:{port}"
        assert entry["laddr"] == f"127.0.0.1:{server.port}"
    elif transport == "embedded":
        assert entry["addr"] == f"memory:{entry['id']}"
    else:
        assert entry["addr"] == entry["laddr"] == f"{server.unix_path}:0"
    assert int(entry["tot-mem"]) > 0


def test_list_and_info_have_the_same_form(server, transport):
    r = server.client(transport)
    r.ping()
    info = r.client_info()
    (entry,) = r.client_list(client_id=[str(info["id"])])
    assert set(map(str, info)) == set(entry)
    assert entry["cmd"] == "client|list"


def test_list_filters_by_id_and_type(server, transport):
    r = server.client(transport)
    one, two = server.raw(transport), server.raw(transport)
    ids = [client_id(one), client_id(two)]
    assert [int(entry["id"]) for entry in r.client_list(client_id=[*map(str, ids), "99999999"])] == ids
    assert {str(number) for number in ids} <= {entry["id"] for entry in r.client_list(_type="normal")}
    assert r.client_list(_type="pubsub") == r.client_list(_type="replica") == []


@pytest.mark.larder_only("CLIENT SETINFO came with 7.2")
def test_list_shows_transactions(server, transport):
    watching, connection, writer = server.raw(transport), server.raw(transport), server.raw(transport)
    ids = [str(client_id(connection)), str(client_id(watching))]

    def entries():
        found = server.client(transport).client_list(client_id=ids)
        return [(entry["flags"].strip("U"), entry["multi"], int(entry["multi-mem"])) for entry in found]

    assert [entry[1:] for entry in entries()] == [("-1", 0)] * 2
    watching.command("WATCH", "k")
    for words in (("MULTI",), ("SET", "k", "v" * 1000), ("GET", "k")):
        connection.command(*words)
        watching.command(*words)
    writer.command("SET", "k", "v")
    one, two = entries()
    assert (one[:2], two[:2]) == (("x", "2"), ("xd", "2"))
    assert two[2] > one[2] > 1000  # what is watched counts too
    connection.command("EXEC")
    assert entries()[0][1:] == ("-1", 0)


def test_list_and_kill_know_subscribers(server, transport):
    subscriber, connection = server.raw(transport), server.raw(transport)
    number = client_id(subscriber)
    subscriber.command("SUBSCRIBE", "channel")
    (entry,) = server.client(transport).client_list(_type="pubsub")
    assert (entry["id"], entry["flags"].strip("U"), entry["sub"]) == (str(number), "P", "1")
    assert connection.ask("CLIENT", "KILL", "TYPE", "pubsub") == (":", b"1")
    with pytest.raises((Closed, OSError)):
        subscriber.command("PING")
    assert is_open(connection)


def test_setinfo_is_listed(server, transport):
    connection = server.raw(transport)
    connection.command("CLIENT", "SETINFO", "LIB-NAME", "my-lib")
    connection.command("CLIENT", "SETINFO", "lib-ver", "1.2.3")
    (entry,) = server.client(transport).client_list(client_id=[str(client_id(connection))])
    assert list(entry)[len(LIST_FIELDS) :] == ["lib-name", "lib-ver"]
    assert (entry["lib-name"], entry["lib-ver"]) == ("my-lib", "1.2.3")
    connection.command("RESET")
    (entry,) = server.client(transport).client_list(client_id=[str(client_id(connection))])
    assert (entry["lib-name"], entry["lib-ver"]) == ("my-lib", "1.2.3")


@pytest.mark.larder_only("CLIENT NO-TOUCH came with 7.2")
def test_no_touch_leaves_the_idle_time(server, transport):
    connection, other = server.raw(transport), server.raw(transport)
    connection.command("SET", "k", "v")
    assert connection.command("CLIENT", "NO-TOUCH", "on") == b"+OK\r\n"
    (entry,) = server.client(transport).client_list(client_id=[str(client_id(connection))])
    assert "T" in entry["flags"]
    wait_until(lambda: int(other.ask("OBJECT", "IDLETIME", "k")[1]) >= 1, 10, "the key to be idle for a second")
    connection.command("GET", "k")
    assert int(other.ask("OBJECT", "IDLETIME", "k")[1]) >= 1


    def is_touched():  # the next second may begin in between
        connection.command("TOUCH", "k")
        return int(other.ask("OBJECT", "IDLETIME", "k")[1]) == 0

    wait_until(is_touched, 10, "the key to be idle no more")


def test_no_evict_is_accepted_and_listed(server, transport):
    connection = server.raw(transport)
    assert connection.command("CLIENT", "NO-EVICT", "on") == b"+OK\r\n"
    (entry,) = server.client(transport).client_list(client_id=[str(client_id(connection))])
    assert "e" in entry["flags"]
    assert connection.command("CLIENT", "NO-EVICT", "off") == b"+OK\r\n"


def test_kill_by_id_and_skipme(server, transport):
    killer, victim = server.raw(transport), server.raw(transport)
    assert killer.ask("CLIENT", "KILL", "ID", client_id(victim)) == (":", b"1")
    assert not is_open(victim)
    assert killer.ask("CLIENT", "KILL", "ID", client_id(killer)) == (":", b"0")
    assert killer.ask("CLIENT", "KILL", "ID", client_id(killer), "SKIPME", "no") == (":", b"1")
    assert not is_open(killer)


@pytest.mark.needs_sockets
def test_kill_by_addresses(server):
    killer, victim = server.raw(), server.raw()
    victim.command("PING")  # until it has answered, the server may not have taken the connection yet
    host, port = victim.socket.getsockname()
    assert killer.ask("CLIENT", "KILL", "ADDR", f"{host}:{port}") == (":", b"1")
    assert not is_open(victim)
    victim = server.raw()
    victim.command("PING")
    host, port = victim.socket.getsockname()
    assert killer.command("CLIENT", "KILL", f"{host}:{port}") == b"+OK\r\n"
    assert not is_open(victim)
    assert killer.command("CLIENT", "KILL", f"{host}:{port}") == b"-ERR No such client\r\n"


def test_kill_by_local_address_type_and_user(start_server):
    server = start_server(threads=2)
    killer = server.raw("unix")
    for words in (
        ("LADDR", f"127.0.0.1:{server.port}"),
        ("TYPE", "normal"),
        ("USER", "default"),
        ("LADDR", f"127.0.0.1:{server.port}", "TYPE", "normal", "USER", "default"),
    ):
        victims = [server.raw(), server.raw()]
        for victim in victims:
            assert is_open(victim)
        assert killer.ask("CLIENT", "KILL", *words) == (":", b"2")
        assert not any(is_open(victim) for victim in victims)
    steady = server.raw()
    client_id(steady)
    assert killer.ask("CLIENT", "KILL", "TYPE", "pubsub") == (":", b"0")
    assert is_open(steady)


@pytest.mark.larder_only("MAXAGE came with 7.4")
def test_kill_by_age(start_engine):
    server = start_engine()
    server.engine.freeze()
    old = server.raw()
    assert is_open(old)
    server.engine.advance(60)
    young, killer = server.raw(), server.raw()
    assert is_open(young)
    server.engine.advance(10)
    assert killer.ask("CLIENT", "KILL", "MAXAGE", 71) == (":", b"0")
    assert killer.ask("CLIENT", "KILL", "MAXAGE", 70) == (":", b"1")
    assert (is_open(old), is_open(young)) == (False, True)
    assert killer.ask("CLIENT", "KILL", "MAXAGE", 10, "ID", client_id(young)) == (":", b"1")
    for word in ("x", "1.5", "99999999999999999999"):
        assert killer.ask("CLIENT", "KILL", "MAXAGE", word) == ("-", b"ERR maxage is not an integer or out of range")
    assert killer.ask("CLIENT", "KILL", "MAXAGE", 0) == ("-", b"ERR maxage should be greater than 0")


def test_kill_frees_a_client_whose_pipeline_is_running(server):
    """On several threads the victim is likely to be served by another one."""
    killer = server.raw()
    for _ in range(30):
        victim = server.raw()
        number = client_id(victim)
        victim.send(encode("PING") * 2000)
        assert killer.ask("CLIENT", "KILL", "ID", number) == (":", b"1")
        reply = victim.read_until_closed()
        assert reply == b"+PONG\r\n" * (len(reply) // 7) + b"+PONG\r\n"[: len(reply) % 7]
        victim.close()
    assert is_open(killer)


def test_pause_holds_all_commands_back(start_server):
    """Even the one that would end it, as in Redis: the pause ends by itself."""
    server = start_server(threads=4)
    controller, paused = server.raw(), server.raw()
    paused.command("PING")
    began = time.monotonic()
    assert controller.command("CLIENT", "PAUSE", 300, "ALL") == b"+OK\r\n"
    paused.send(encode("PING") + encode("SET", "k", "v"))
    assert controller.command("CLIENT", "UNPAUSE") == b"+OK\r\n"
    assert (paused.read_frame(), paused.read_frame()) == (b"+PONG\r\n", b"+OK\r\n")
    assert time.monotonic() - began >= 0.29


def test_requests_that_are_held_back_are_answered_before_a_protocol_error_behind_them(start_server):
    server = start_server()
    controller, paused = server.raw(), server.raw()
    controller.command("CLIENT", "PAUSE", "100000", "WRITE")
    paused.send(encode("SET", "k", "v") + b"*1\r\n$-5\r\n" + encode("SET", "k", "never"))
    held = b"qbuf=%d " % len(encode("SET", "k", "v"))
    wait_until(lambda: held in controller.command("CLIENT", "LIST"), what="the request to be held back")
    controller.command("CLIENT", "UNPAUSE")
    assert paused.read_until_closed() == b"+OK\r\n-ERR Protocol error: invalid bulk length\r\n"
    assert controller.command("GET", "k") == b"$1\r\nv\r\n"


def test_pause_write_lets_reads_through(start_server):
    server = start_server(threads=4)
    controller, reader, writer = server.raw(), server.raw(), server.raw()
    reader.command("SET", "k", "v")
    writer.command("PING")
    assert controller.command("CLIENT", "PAUSE", 60_000, "WRITE") == b"+OK\r\n"
    writer.send(encode("SET", "k", "w"))
    for _ in range(20):
        assert reader.ask("GET", "k") == ("$", b"v")
    controller.command("CLIENT", "UNPAUSE")
    assert writer.read_frame() == b"+OK\r\n"
    assert reader.ask("GET", "k") == ("$", b"w")


@pytest.mark.larder_only("redis-server takes names of any length")
def test_no_name_is_longer_than_logs_and_lists_can_bear(start_server):
    """A name is in each line about its client: in CLIENT LIST, in the slow log, and in the log of what was refused."""
    connection = start_server(threads=2).raw()
    long, longest = "x" * 4097, "x" * 4096
    assert connection.ask("CLIENT", "SETNAME", long) == ("-", b"ERR Client names cannot be longer than 4096 bytes.")
    assert connection.ask("HELLO", 2, "SETNAME", long)[0] == "-"
    for name in ("lib-name", "LIB-VER"):
        assert connection.ask("CLIENT", "SETINFO", name, long) == (
            "-",
            f"ERR {name} cannot be longer than 4096 bytes.".encode(),
        )
        assert connection.command("CLIENT", "SETINFO", name, longest) == b"+OK\r\n"
    assert connection.ask("CLIENT", "GETNAME") == ("$", None)
    assert connection.command("CLIENT", "SETNAME", longest) == b"+OK\r\n"
    assert connection.ask("CLIENT", "LIST")[1].decode().count(longest) == 3


def test_who_waits_for_the_end_of_a_pause_is_counted_and_shown_as_blocked(start_server):
    server = start_server(threads=2)
    controller, writer = server.raw(), server.raw()
    number = writer.ask("CLIENT", "ID")[1]

    def state():
        line = controller.ask("CLIENT", "LIST", "ID", number)[1].decode()
        counted = controller.ask("INFO", "clients")[1].decode()
        return re.search(r"flags=(\w+)", line).group(1), re.search(r"blocked_clients:(\d+)", counted).group(1)

    assert state() == ("N", "0")
    controller.command("CLIENT", "PAUSE", 60_000, "WRITE")
    writer.send(encode("SET", "k", "v"))
    wait_until(lambda: state() == ("b", "1"), 5, "the writer to wait")
    controller.command("CLIENT", "UNPAUSE")
    assert writer.read_frame() == b"+OK\r\n"
    assert state() == ("N", "0")


@pytest.mark.parametrize("way", ["tcp", "unix", pytest.param("tls", marks=pytest.mark.needs_tls)])
def test_who_hangs_up_during_a_pause_has_nothing_run_any_more(start_server, way):
    """A client that gave up waiting may have written elsewhere since."""
    server = start_server(threads=2, tls=way == "tls")
    controller, stays, leaves = server.raw(), server.raw(), server.raw(way)
    leaves.command("PING")
    controller.command("CLIENT", "PAUSE", 60_000, "WRITE")
    for writer in (stays, leaves):
        writer.send(encode("APPEND", "k", "x"))

    def clients(field):
        return re.search(rf"{field}_clients:(\d+)", controller.ask("INFO", "clients")[1].decode()).group(1)

    wait_until(lambda: clients("blocked") == "2", 5, "both to wait")
    leaves.send(encode("APPEND", "k", "x"))
    leaves.close()
    wait_until(lambda: (clients("connected"), clients("blocked")) == ("2", "1"), 5, "one to be gone")
    controller.command("CLIENT", "UNPAUSE")
    assert stays.read_frame() == b":1\r\n"
    assert controller.command("GET", "k") == b"$1\r\nx\r\n"


def test_pause_stops_expiry_of_keys_that_writes_would_need(start_server):
    """While writes are paused no key vanishes; it is gone for readers all the same."""
    server = start_server(threads=2)
    controller = server.raw()
    controller.command("DEBUG", "SET-ACTIVE-EXPIRE", 0)  # until the pause has begun, however late that is
    controller.command("SET", "k", "v", "PX", 400)
    controller.command("CLIENT", "PAUSE", 60_000, "WRITE")
    controller.command("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    wait_until(lambda: controller.ask("GET", "k") == ("$", None), 5, "the deadline")
    assert controller.ask("DBSIZE") == (":", b"1")
    controller.command("CLIENT", "UNPAUSE")
    wait_until(lambda: controller.ask("DBSIZE") == (":", b"0"), 5, "the key to be freed")


def test_unblock_finds_nobody_blocked(server, transport):
    connection = server.raw(transport)
    assert connection.ask("CLIENT", "UNBLOCK", client_id(connection)) == (":", b"0")


@pytest.mark.larder_only("its HELP is that of 7.0")
def test_help_lists_what_there_is(r):
    text = b"\n".join(r.execute_command("CLIENT", "HELP")).decode()
    assert text.startswith("CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
    for subcommand in (
        "CACHING",
        "ID",
        "GETNAME",
        "GETREDIR",
        "SETNAME",
        "SETINFO",
        "INFO",
        "LIST",
        "KILL",
        "NO-EVICT",
        "NO-TOUCH",
        "REPLY",
        "PAUSE",
        "UNPAUSE",
        "UNBLOCK",
        "TRACKING",
        "TRACKINGINFO",
        "HELP",
    ):
        assert f"\n{subcommand}" in text


def test_listing_while_clients_come_and_go(server):
    """CLIENT LIST visits the clients of all threads while those serve and drop them."""
    done = threading.Event()
    problems = []

    def come_and_go():
        try:
            while not done.is_set():
                with server.raw() as connection:
                    assert connection.command("PING") == b"+PONG\r\n"
        except Exception as problem:  # reported by the test
            problems.append(problem)

    visitors = [threading.Thread(target=come_and_go) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    r = server.client()
    try:
        for _ in range(200):
            entries = r.client_list()
            assert entries and all("id" in entry and "resp" in entry for entry in entries)
    finally:
        done.set()
        for visitor in visitors:
            visitor.join()
    assert not problems

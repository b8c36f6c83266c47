"""Limits on clients: their number, their idle time, what they may send and what they may leave unread."""

import socket
import time

import pytest

from support.resp import Closed, RawConnection, encode
from support.server import SANITIZED
from support.waiting import wait_until

MIB = 1 << 20


def resident_bytes(server):
    """The server's resident memory as the operating system sees it."""
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def test_client_over_maxclients_is_told_and_closed(start_server):
    server = start_server(threads=4, options={"maxclients": 5})
    admitted = [server.raw("unix" if number % 2 else "tcp") for number in range(5)]
    assert all(connection.command("PING") == b"+PONG\r\n" for connection in admitted)
    for transport in ("tcp", "unix"):
        refused = server.raw(transport)
        assert refused.read_until_closed() == b"-ERR max number of clients reached\r\n"
    assert int(server_info(admitted[0], "rejected_connections")) == 2
    admitted.pop().close()
    wait_until(lambda: server_info(admitted[0], "connected_clients") == "4", 10, "the place to be free")
    assert server.raw().command("PING") == b"+PONG\r\n"


def server_info(connection, field):
    _, text = connection.ask("INFO")
    return next(line.split(":")[1] for line in text.decode().split("\r\n") if line.startswith(field + ":"))


def test_maxclients_can_be_changed_while_serving(start_server):
    server = start_server(threads=2, options={"maxclients": 3})
    r = server.client()
    assert r.config_get("maxclients") == {"maxclients": "3"}
    r.config_set("maxclients", 100)
    assert all(server.raw().command("PING") == b"+PONG\r\n" for _ in range(20))


def test_idle_client_is_closed_after_timeout(start_server):
    server = start_server(threads=2, options={"timeout": 1})
    idle = server.raw()
    began = time.monotonic()
    idle.command("PING")
    assert idle.read_until_closed() == b""
    assert time.monotonic() - began >= 1


def test_busy_client_is_not_closed_with_the_idle_one(start_engine):
    """With a clock that stands still until it is advanced."""
    engine = start_engine(config="timeout 100", threads=2).engine
    address = ("127.0.0.1", engine.serve())
    engine.freeze()
    with RawConnection(address) as idle, RawConnection(address) as busy:
        assert idle.command("PING") == busy.command("PING") == b"+PONG\r\n"
        engine.advance(99)
        assert busy.command("PING") == b"+PONG\r\n"
        engine.advance(2)
        assert idle.read_until_closed() == b""
        assert busy.command("PING") == b"+PONG\r\n"


def test_who_is_refused_sends_slowly_or_monitors_is_not_idle(start_server):
    server = start_server(threads=1, options={"timeout": 1})
    refused, slow, monitor, idle = (server.raw() for _ in range(4))
    assert monitor.command("MONITOR") == b"+OK\r\n"
    slow.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n")
    for connection in (refused, idle):
        connection.command("nosuch")
    idle.socket.settimeout(0.05)
    sent = 0
    while True:
        assert refused.command("nosuch").startswith(b"-ERR unknown command")
        slow.send(b"x")
        sent += 1
        try:
            idle.read_frame()
        except TimeoutError:
            continue
        except Closed:
            break
    slow.send(b"x" * (100000 - sent) + b"\r\n")
    assert slow.read_frame() == b"+OK\r\n"
    assert slow.command("STRLEN", "k") == b":100000\r\n"
    while b'"STRLEN" "k"' not in monitor.read_frame():
        continue


def test_request_over_the_query_buffer_limit_closes_its_client(start_server):
    server = start_server(threads=2, options={"client-query-buffer-limit": "1mb"})
    steady, greedy = server.raw(), server.raw()
    with pytest.raises((Closed, OSError)):
        greedy.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4194304\r\n" + b"x" * (2 * MIB))
        greedy.send(b"x" * (2 * MIB) + b"\r\n")
        greedy.read_frame()
    assert steady.ask("EXISTS", "k") == (":", b"0")
    assert "Closing client that reached max query buffer length" in server.log()


@pytest.mark.parametrize("limit", ["normal 1mb 0 0", "normal 0 1mb 1"], ids=["hard", "soft"])
def test_client_that_never_reads_is_closed_at_its_output_limit(start_server, limit):
    server = start_server(threads=2, options={"client-output-buffer-limit": limit.split()})
    steady, deaf = server.raw(), server.raw()
    steady.command("SET", "big", "x" * (256 * 1024))
    number = int(deaf.ask("CLIENT", "ID")[1])
    try:
        deaf.send(encode("GET", "big") * 100)
    except OSError:
        pass  # closed while sending: what the test wants to see

    def is_gone():
        return steady.ask("CLIENT", "LIST", "ID", number)[1] == b""

    wait_until(is_gone, 20, "the client that never reads to be closed")
    assert steady.command("PING") == b"+PONG\r\n"


def test_unread_replies_cost_bounded_memory_when_limited(start_server):
    server = start_server(threads=2, options={"client-output-buffer-limit": ["normal", "8mb", "0", "0"]})
    steady = server.raw()
    steady.command("SET", "big", "x" * MIB)
    before = resident_bytes(server)
    for _ in range(5):
        deaf = server.raw()
        try:
            for _ in range(20):
                deaf.send(encode("GET", "big") * 100)
        except OSError:
            pass
    assert steady.command("PING") == b"+PONG\r\n"
    if not SANITIZED:
        assert resident_bytes(server) - before < 200 * MIB


@pytest.mark.parametrize(
    "start",
    [b"*2147483647\r\n", b"*1000000\r\n$3\r\nSET\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n"],
    ids=["words", "many_words", "long_word"],
)
def test_announced_sizes_cost_nothing_until_they_arrive(start_server, start):
    server = start_server(threads=2)
    steady = server.raw()
    steady.command("PING")
    before = resident_bytes(server)
    input_before = int(server_info(steady, "total_net_input_bytes"))
    announcers = [server.raw() for _ in range(30)]
    for connection in announcers:
        connection.send(start)
    wait_until(
        lambda: int(server_info(steady, "total_net_input_bytes")) >= input_before + 30 * len(start),
        10,
        "the announcements to be read",
    )
    if not SANITIZED:
        assert resident_bytes(server) - before < 100 * MIB
    assert steady.command("PING") == b"+PONG\r\n"


def test_slow_sender_does_not_hold_up_others(server):
    slow, steady = server.raw(), server.raw()
    request = encode("SET", "k", "v" * 50)
    for at in range(len(request)):
        slow.send(request[at : at + 1])
        assert steady.command("PING") == b"+PONG\r\n"
    assert slow.read_frame() == b"+OK\r\n"


def test_many_connections_are_served_together(server, transport):
    connections = [server.raw(transport) for _ in range(300)]
    for number, connection in enumerate(connections):
        connection.send(encode("INCR", "n") + encode("ECHO", number))
    for number, connection in enumerate(connections):
        connection.read_frame()
        assert connection.read_frame() == b"$%d\r\n%d\r\n" % (len(str(number)), number)
    assert server.client().get("n") == b"300"
    for connection in connections:
        connection.close()


def other_address():
    """An address of this machine other than the loopback ones, None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks for the route
            address = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


def test_protected_mode_refuses_strangers_without_password(start_server):
    address = other_address()
    if address is None:
        pytest.skip("this machine has only loopback addresses")
    server = start_server(threads=2, options={"bind": ["127.0.0.1", address]})
    r = server.client()
    assert r.config_get("protected-mode") == {"protected-mode": "yes"}
    stranger = RawConnection((address, server.port))
    answer = stranger.read_until_closed()
    assert answer.startswith(
        b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set"
    )
    stranger.close()
    r.config_set("protected-mode", "no")
    with RawConnection((address, server.port)) as stranger:
        assert stranger.command("PING") == b"+PONG\r\n"
    r.config_set("protected-mode", "yes")
    r.config_set("requirepass", "secret")
    with RawConnection((address, server.port)) as stranger:
        assert stranger.command("AUTH", "secret") == b"+OK\r\n"
    r.config_set("requirepass", "")


def test_debug_is_refused_unless_enabled(start_server):
    server = start_server(threads=2, options={"enable-debug-command": "no"})
    assert (
        server.raw()
        .command("DEBUG", "SLEEP", "0")
        .startswith(b'-ERR DEBUG command not allowed. If the enable-debug-command option is set to "local"')
    )
    local = start_server(threads=2, options={"enable-debug-command": "local"})
    assert local.raw().command("DEBUG", "SLEEP", "0") == b"+OK\r\n"
    assert local.raw("unix").command("DEBUG", "SLEEP", "0") == b"+OK\r\n"

"""Clients that mean harm, are broken, or are merely unlucky: whatever they do, they get what is theirs, the others are
served, and the server's memory, descriptors and processor time stay bounded."""

import os
import resource
import socket
import threading
import time

import pytest

from support.resp import Closed, RawConnection, encode
from support.server import SANITIZED, free_port
from support.waiting import wait_until

MIB = 1 << 20


def resident_bytes(server):
    """The server's resident memory as the operating system sees it."""
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def open_descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def is_closed(connection):
    """Reads what is left; true when the server closed the connection rather than falling silent."""
    try:
        connection.read_until_closed()
    except TimeoutError:
        return False
    return True


# ---- Held back ----


def test_held_client_that_takes_its_replies_late_keeps_its_connection(start_server, transport):
    """A client in a pause still has replies to fetch; that it can be written to is no reason to give it up."""
    server = start_server(threads=4)
    controller, slow = server.raw(), server.raw(transport)
    controller.command("SET", "big", "x" * (32 * MIB))
    number = int(slow.ask("CLIENT", "ID")[1])
    slow.send(encode("GET", "big") + encode("CLIENT", "PAUSE", 60_000, "WRITE") + encode("SET", "k", "v"))

    def is_paused():
        line = controller.ask("CLIENT", "LIST", "ID", number)[1]
        return b"cmd=client|pause" in line or b"cmd=set" in line  # the last that was run, or the one that waits

    wait_until(is_paused, 10, "the pause to begin")
    assert len(slow.read_frame()) > 32 * MIB
    assert slow.read_frame() == b"+OK\r\n"
    assert controller.ask("EXISTS", "k") == (":", b"0")
    controller.command("CLIENT", "UNPAUSE")
    assert slow.read_frame() == b"+OK\r\n"
    assert controller.ask("GET", "k") == ("$", b"v")


def test_pipeline_goes_on_in_order_after_each_of_many_pauses(start_server):
    server = start_server(threads=1)
    connection = server.raw()
    rounds = 15
    pipeline = b"".join(
        encode("SET", "k", number) + encode("CLIENT", "PAUSE", 2, "ALL") + encode("APPEND", "k", "!") + b"GET k\r\n"
        for number in range(rounds)
    )
    connection.send(pipeline + b"GET 'unfinished")
    for number in range(rounds):
        value = b"%d!" % number
        assert connection.read_frame() == b"+OK\r\n"
        assert connection.read_frame() == b"+OK\r\n"
        assert connection.read_frame() == b":%d\r\n" % len(value)
        assert connection.read_frame() == b"$%d\r\n%b\r\n" % (len(value), value)
    connection.send(b"'\r\n")
    assert connection.read_frame() == b"$-1\r\n"


def test_client_that_leaves_during_a_pause_is_let_go_of(start_server):
    server = start_server(threads=2)
    controller = server.raw()
    controller.command("PING")
    before = open_descriptors(server)
    assert controller.command("CLIENT", "PAUSE", 60_000, "WRITE") == b"+OK\r\n"
    for number in range(20):
        leaving = RawConnection(server.address)
        leaving.send(encode("SET", "left", number))
        if number % 2:  # with a reset instead of an orderly end
            leaving.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        leaving.close()
    controller.command("CLIENT", "UNPAUSE")
    wait_until(lambda: open_descriptors(server) <= before, 10, "the clients to be let go of")


# ---- Descriptors ----


@pytest.mark.larder_only("it does spin")
def test_running_out_of_descriptors_neither_spins_nor_loses_who_waits(start_server):
    server = start_server(threads=2)
    steady = server.raw()
    steady.command("PING")
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_descriptors(server) + 2, hard))
    clients = [server.raw("unix" if number % 2 else "tcp") for number in range(6)]
    for client in clients:
        client.send(b"PING\r\n")
    wait_until(lambda: "Too many open files" in server.log(), 10, "the server to run out of descriptors")
    busy_until = time.monotonic() + 0.5
    while time.monotonic() < busy_until:
        assert steady.command("PING") == b"+PONG\r\n"
    assert server.log().count("Too many open files") < 1000  # a loop without a rest makes tens of thousands
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert [client.read_frame() for client in clients] == [b"+PONG\r\n"] * 6


# ---- Memory ----


def test_request_within_the_query_buffer_limit_is_served_whatever_its_shape(start_server):
    """What counts is what the client sent, not how the buffer happened to grow for it."""
    server = start_server(threads=2, options={"client-query-buffer-limit": "1mb"})
    for sizes in ([400_000, 300_000, 300_000], [1_000_000], [10] * 10_000, [600_000, 100, 300_000]):
        words = ["MSET"]
        for number, size in enumerate(sizes):
            words += [f"k{number}", "x" * size]
        connection = server.raw()
        assert connection.command(*words) == b"+OK\r\n"
        assert connection.ask("STRLEN", "k0") == (":", b"%d" % sizes[0])


@pytest.mark.skipif(SANITIZED, reason="sanitizers keep freed memory")
def test_large_requests_leave_no_memory_with_their_connections(start_server):
    """Not even where the next request has begun to arrive. The allocator may keep what one of them needed."""
    server = start_server(threads=1)
    connections = [server.raw() for _ in range(16)]
    figures = []
    for connection in connections:
        connection.send(encode("EXISTS", *(["k"] * 400_000)) + b"*2\r\n$4\r\nECHO\r\n$5\r\nhe")
        assert connection.read_frame() == b":0\r\n"
        figures.append(resident_bytes(server))
    assert figures[-1] - figures[3] < 16 * MIB
    for connection in connections:
        connection.send(b"llo\r\n")
        assert connection.read_frame() == b"$5\r\nhello\r\n"


def test_a_million_arguments_a_few_bytes_at_a_time(server):
    """Time that grows with the square of the arguments would never end here."""
    count = 20_000 if SANITIZED else 200_000
    slow, steady = server.raw(), server.raw()
    stream = encode("EXISTS", *(["k"] * count))
    for at in range(0, len(stream), 97):
        slow.send(stream[at : at + 97])
        if at % 9700 == 0:
            assert steady.command("PING") == b"+PONG\r\n"
    assert slow.read_frame() == b":0\r\n"


def test_huge_pipeline_of_tiny_commands_is_answered_in_full(server, transport):
    count = 50_000 if SANITIZED else 500_000
    client, steady = server.raw(transport), server.raw()
    sender = threading.Thread(target=lambda: client.send(b"INCR n\r\n" * count + b"\r\n*0\r\n" * 1000))
    sender.start()
    for number in range(1, count + 1):
        if number % 10_000 == 0:
            assert steady.command("PING") == b"+PONG\r\n"
        assert client.read_frame() == b":%d\r\n" % number
    sender.join()
    assert client.command("PING") == b"+PONG\r\n"


def test_reader_of_a_large_value_gets_it_as_it_was_while_writers_go_on(server, transport):
    """The reply is sent piece by piece from the value itself, which must not change under it."""
    size = 8 * MIB
    reader, writer = server.raw(transport), server.raw()
    changes = [("SETRANGE", "big", size // 2, "-"), ("APPEND", "big", "+"), ("DEL", "big"), ("SET", "big", "short")]
    for number, change in enumerate(changes):
        writer.command("SET", "big", "abcd"[number] * size)
        writer.command("DEL", "asked")
        reader.send(encode("GET", "big") * 2 + encode("SET", "asked", "yes"))
        wait_until(lambda: writer.ask("EXISTS", "asked") == (":", b"1"), 5, "the replies to be on their way")
        writer.command(*change)
        for _ in range(2):
            assert reader.read_frame() == b"$%d\r\n%b\r\n" % (size, b"abcd"[number : number + 1] * size)
        assert reader.read_frame() == b"+OK\r\n"


def test_client_closed_in_the_middle_of_its_replies_harms_nobody(server, transport):
    steady = server.raw()
    steady.command("SET", "big", "x" * (4 * MIB))
    before = open_descriptors(server)
    for number in range(40):
        leaving = server.raw(transport)
        leaving.send(encode("GET", "big") * 5)
        if number % 2:
            leaving.socket.recv(100_000)
        leaving.close()
    assert steady.command("PING") == b"+PONG\r\n"
    wait_until(lambda: open_descriptors(server) <= before, 10, "the connections to be closed")


# ---- Not authenticated ----


def stat(connection, field):
    _, text = connection.ask("INFO", "STATS")
    return int(next(line.split(":")[1] for line in text.decode().split("\r\n") if line.startswith(field + ":")))


@pytest.mark.larder_only("it closes whoever has a kilobyte of replies to come, though they be read")
def test_flood_of_an_unauthenticated_client_is_answered_with_few_writes(start_server):
    """Whoever is not let in must not cost more than others do: each write is a system call."""
    server = start_server(threads=1, options={"requirepass": "secret"})
    steady, flooder = server.raw(), server.raw()
    assert steady.command("AUTH", "secret") == b"+OK\r\n"
    for request, reply in ((b"GET k\r\n", b"-NOAUTH"), (b"AUTH wrong\r\n", b"-WRONGPASS")):
        before = stat(steady, "total_writes_processed")
        for _ in range(10):
            flooder.send(request * 100)
            for _ in range(100):
                assert flooder.read_frame().startswith(reply)
        assert stat(steady, "total_writes_processed") - before < 100
    flooder.send(b"AUTH secret\r\n" + encode("MSET", *"a1b2c3d4e5f6g7") + b"GET g\r\n")
    assert [flooder.read_frame() for _ in range(3)] == [b"+OK\r\n", b"+OK\r\n", b"$1\r\n7\r\n"]


def test_unauthenticated_client_that_never_reads_is_closed_at_once(start_server):
    """What a stranger leaves unread is bounded by far less than any output limit."""
    server = start_server(threads=1, options={"requirepass": "secret"})
    deaf, steady = server.raw(), server.raw()
    assert steady.command("AUTH", "secret") == b"+OK\r\n"
    sent = 0
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while sent < 32 * MIB:
            deaf.send(b"GET k\r\n" * 1000)
            sent += 7000
    assert steady.command("PING") == b"+PONG\r\n"


def test_http_requests_are_cut_off_before_what_follows_is_carried_out(server, transport):
    with server.raw(transport) as browser:
        browser.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET smuggled 1\r\n")
        assert browser.read_until_closed() == b""
    assert server.raw().ask("EXISTS", "smuggled") == (":", b"0")


# ---- Half-closed ----


def test_client_that_shuts_its_side_down_gets_the_replies_to_all_it_sent(server, transport):
    """As with `printf ... | nc`: what had arrived is carried out and answered before the end is noticed."""
    with server.raw(transport) as client:
        client.send(encode("SET", "k", "v") + b"GET k\r\nINCR n\r\nGET 'unfinished")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read_until_closed() == b"+OK\r\n$1\r\nv\r\n:1\r\n"


# ---- Many at once ----


def kill_storm(server, stop, problems):
    """One thread of the storm: kills the others by every filter, and expects to be killed itself."""
    connection = None
    try:
        while not stop.is_set():
            try:
                connection = connection or RawConnection(server.address)
                number = connection.ask("CLIENT", "ID")[1]
                connection.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                connection.command("CLIENT", "KILL", "ID", int(number) + 1)
                connection.command("CLIENT", "LIST")
            except (Closed, OSError) as end:
                if isinstance(end, TimeoutError):
                    raise AssertionError("a killed client was left without an answer") from end
                if connection is not None:
                    connection.close()
                connection = None
    except Exception as problem:
        problems.append(problem)


def test_every_killed_client_is_closed_when_all_kill_each_other(start_server):
    server = start_server(threads=4)
    problems, stop = [], threading.Event()
    storm = [threading.Thread(target=kill_storm, args=(server, stop, problems)) for _ in range(6)]
    for thread in storm:
        thread.start()
    deadline = time.monotonic() + 1.0
    idle_clients = 0
    while time.monotonic() < deadline:
        # they do nothing, and so nothing but the kill itself makes the server look at them
        idle = [RawConnection(server.address) for _ in range(10)]
        idle_clients += len(idle)
        for client in idle:
            assert is_closed(client)
            client.close()
    stop.set()
    for thread in storm:
        thread.join(30)
        assert not thread.is_alive()
    assert not problems
    assert idle_clients > 0
    assert server.raw().command("PING") == b"+PONG\r\n"


def test_ports_can_change_while_clients_connect(start_server):
    server = start_server(threads=4)
    controller = server.raw("unix")
    ports = [server.port]
    ports += [free_port() for _ in range(3)]
    stop, problems, served = threading.Event(), [], []

    def connect_all_the_time(transport):
        while not stop.is_set():
            for port in ports:
                try:
                    address = ("127.0.0.1", port) if transport == "tcp" else server.unix_path
                    with RawConnection(address) as client:
                        if client.command("PING") == b"+PONG\r\n":
                            served.append(port)
                except (Closed, OSError) as refused:
                    if transport == "unix" or isinstance(refused, TimeoutError):
                        problems.append(refused)

    threads = [threading.Thread(target=connect_all_the_time, args=(transport,)) for transport in ("tcp", "tcp", "unix")]
    for thread in threads:
        thread.start()
    for number in range(60):
        assert controller.command("CONFIG", "SET", "port", ports[number % len(ports)]) == b"+OK\r\n"
        addresses = "127.0.0.1" if number % 2 else "127.0.0.1 -192.0.2.77"
        assert controller.command("CONFIG", "SET", "bind", addresses) == b"+OK\r\n"
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not problems
    assert served
    assert controller.command("CONFIG", "SET", "port", server.port) == b"+OK\r\n"
    assert server.raw().command("PING") == b"+PONG\r\n"

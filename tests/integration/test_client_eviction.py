"""maxmemory-clients: when clients use too much memory together, the largest go."""

import pytest

from support.resp import Closed, encode
from support.server import SANITIZED
from support.waiting import wait_until

MIB = 1 << 20
PATIENCE_S = 60 if SANITIZED else 20


@pytest.fixture(params=[1, 4], ids=["1-thread", "4-threads"])
def limited(request, start_server):
    """Starts a server with options; clients by Unix sockets, whose buffers are small."""

    def start(**options):
        return start_server(
            threads=request.param, options={name.replace("_", "-"): value for name, value in options.items()}
        )

    return start


def info(connection, field):
    _, text = connection.ask("INFO", "stats")
    return int(next(line.split(b":")[1] for line in text.split(b"\r\n") if line.startswith(field.encode() + b":")))


def listed(connection):
    """{id: tot-mem} of all clients."""
    lines = connection.ask("CLIENT", "LIST")[1].decode().splitlines()
    fields = [dict(field.split("=", 1) for field in line.split()) for line in lines]
    return {int(entry["id"]): int(entry["tot-mem"]) for entry in fields}


def client_id(connection):
    return int(connection.ask("CLIENT", "ID")[1])


def send_all(connection, request):
    """Sends what the server takes before it closes the connection."""
    try:
        connection.send(request)
    except OSError:
        pass


def is_closed(connection):
    try:
        return connection.command("PING") != b"+PONG\r\n"
    except (Closed, OSError):
        return True


def leave_unread(observer, connection, megabytes):
    """Asks for so much that is not read; returns when the server holds it."""
    observer.command("SET", "value", "x" * 10_000)  # so short that it is copied: what is shared counts in part
    send_all(connection, encode("GET", "value") * (100 * megabytes))


def test_the_client_with_the_most_unread_output_goes(limited):
    server = limited(maxmemory_clients="40mb")
    observer, idle, modest, greedy = (server.raw("unix") for _ in range(4))
    modest_id, greedy_id = client_id(modest), client_id(greedy)
    leave_unread(observer, modest, 10)
    wait_until(lambda: listed(observer)[modest_id] > 5 * MIB, PATIENCE_S, "output to wait")
    leave_unread(observer, greedy, 60)
    wait_until(lambda: greedy_id not in listed(observer), PATIENCE_S, "the largest client to be gone")
    wait_until(lambda: info(observer, "evicted_clients") == 1, PATIENCE_S, "it to be counted")
    assert modest_id in listed(observer)
    assert idle.command("PING") == b"+PONG\r\n"
    assert sum(listed(observer).values()) <= 40 * MIB
    observer.command("CONFIG", "RESETSTAT")
    assert info(observer, "evicted_clients") == 0


def test_a_protected_client_stays_and_others_go(limited):
    server = limited(maxmemory_clients="40mb")
    observer, protected, greedy = (server.raw("unix") for _ in range(3))
    protected_id, greedy_id = client_id(protected), client_id(greedy)
    assert protected.command("CLIENT", "NO-EVICT", "on") == b"+OK\r\n"
    leave_unread(observer, protected, 32)
    wait_until(lambda: listed(observer)[protected_id] > 20 * MIB, PATIENCE_S, "output to wait")
    leave_unread(observer, greedy, 24)
    wait_until(lambda: greedy_id not in listed(observer), PATIENCE_S, "the client that is not protected to be gone")
    assert protected_id in listed(observer)
    for _ in range(3200):
        assert len(protected.read_frame()) > 10_000


def test_unfinished_input_counts(limited):
    server = limited(maxmemory_clients="8mb")
    observer, sender = server.raw("unix"), server.raw("unix")
    sender_id = client_id(sender)
    send_all(sender, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$67108864\r\n" + b"x" * (32 * MIB))
    wait_until(lambda: sender_id not in listed(observer), PATIENCE_S, "the client to be gone")
    assert info(observer, "evicted_clients") == 1
    assert is_closed(sender)


def test_queued_commands_count(limited):
    server = limited(maxmemory_clients="8mb")
    observer, queuer = server.raw("unix"), server.raw("unix")
    queuer_id = client_id(queuer)
    send_all(queuer, encode("MULTI") + encode("SET", "k", "x" * 100000) * 200)
    wait_until(lambda: queuer_id not in listed(observer), PATIENCE_S, "the client to be gone")
    assert info(observer, "evicted_clients") == 1
    assert observer.ask("EXISTS", "k") == (":", b"0")


def test_the_limit_may_be_a_share_of_maxmemory(limited):
    server = limited(maxmemory="200mb", maxmemory_clients="5%")
    observer, greedy = server.raw("unix"), server.raw("unix")
    greedy_id = client_id(greedy)
    leave_unread(observer, greedy, 8)
    wait_until(lambda: listed(observer)[greedy_id] > 4 * MIB, PATIENCE_S, "output to wait")
    assert observer.command("CONFIG", "SET", "maxmemory", "0") == b"+OK\r\n"  # a share of nothing is no limit
    leave_unread(observer, greedy, 24)
    wait_until(lambda: listed(observer)[greedy_id] > 20 * MIB, PATIENCE_S, "more output to wait")
    assert observer.command("CONFIG", "SET", "maxmemory", "400mb") == b"+OK\r\n"
    wait_until(lambda: greedy_id not in listed(observer), PATIENCE_S, "the client to be gone")
    assert info(observer, "evicted_clients") == 1


def test_of_many_large_clients_no_more_go_than_need_to(limited):
    server = limited()
    observer = server.raw("unix")
    crowd = [server.raw("unix") for _ in range(100)]
    unfinished = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n"
    for number, connection in enumerate(crowd):
        connection.send(unfinished + b"x" * (300_000 + 2000 * number))
    ids = [int(line) for line in listed(observer)]
    wait_until(lambda: sum(listed(observer).values()) > 35 * MIB, PATIENCE_S, "the input to have come")
    largest = max(listed(observer).values())
    assert observer.command("CONFIG", "SET", "maxmemory-clients", "10mb") == b"+OK\r\n"
    wait_until(lambda: sum(listed(observer).values()) <= 10 * MIB, PATIENCE_S, "clients to be gone")
    left = listed(observer)
    assert sum(left.values()) > 10 * MIB - largest
    assert info(observer, "evicted_clients") == len(ids) - len(left)


def test_subscribers_that_do_not_read_go(limited):
    server = limited(maxmemory_clients="16mb", client_output_buffer_limit=["pubsub", "0", "0", "0"])
    observer, deaf, listener = (server.raw("unix") for _ in range(3))
    deaf_id = client_id(deaf)
    for subscriber in (deaf, listener):
        subscriber.ask("SUBSCRIBE", "news")
    message = "x" * 100_000
    for _ in range(400):
        if observer.ask("PUBLISH", "news", message) == (":", b"1"):
            break
        listener.read_frame()
    wait_until(lambda: deaf_id not in listed(observer), PATIENCE_S, "the client to be gone")
    assert info(observer, "evicted_clients") == 1

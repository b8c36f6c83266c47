"""Gibson clients and Redis clients at one server, over one keyspace."""

import socket

import pytest
import redis
from support.server import free_port
from support.waiting import PATIENCE_S, wait_until

from .peer import (
    CLOSED,
    COUNT,
    DEL,
    ERR,
    GET,
    INC,
    LOCK,
    LOCKED,
    META,
    MGET,
    MSET,
    NOT_FOUND,
    OK,
    PING,
    SET,
    STATS,
    TTL,
    UNLOCK,
    connect_to,
    listing,
    number,
    parse_listing,
    read_reply,
    request,
    value,
)


class Gibson:
    """A Gibson connection."""

    def __init__(self, connected):
        self.connected = connected

    def send(self, opcode, payload=b""):
        self.connected.sendall(request(opcode, payload))

    def reply(self):
        return read_reply(self.connected)

    def ask(self, opcode, payload=b""):
        self.send(opcode, payload)
        return self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connected.close()


@pytest.fixture(params=[1, 4], ids=["1thread", "4threads"])
def both(request, start_server, tmp_path):
    """(a Gibson connection, a Redis client) of one server."""
    server = start_server(threads=request.param, options={"gibson-unixsocket": str(tmp_path / "g")})
    with Gibson(connect_to(str(tmp_path / "g"))) as gibson:
        yield gibson, server.client()


def test_each_reads_what_the_other_wrote(both):
    gibson, r = both
    assert gibson.ask(SET, b"0 a text with blanks") == value(b"text with blanks")
    assert r.get("a") == b"text with blanks"
    r.set("b", "y" * 50_000)
    assert gibson.ask(GET, b"b") == value(b"y" * 50_000)
    assert gibson.ask(MGET, b"a") == listing((b"a", b"text with blanks"))
    assert r.delete("a") == 1
    assert gibson.ask(GET, b"a") == NOT_FOUND


def test_a_number_stays_one_while_it_is_counted_with(both):
    gibson, r = both
    assert gibson.ask(INC, b"n") == number(1)
    assert r.incrby("n", 41) == 42
    assert gibson.ask(GET, b"n") == number(42)
    assert r.copy("n", "m") and gibson.ask(GET, b"m") == number(42)
    r.append("n", "0")
    assert gibson.ask(GET, b"n") == value(b"420")
    r.set("m", 7)
    assert gibson.ask(GET, b"m") == value(b"7")


def test_a_compressed_value_is_whole_for_both(both):
    gibson, r = both
    text = b"abc" * 3000
    gibson.connected.sendall(request(SET, b"0 big " + text))
    assert gibson.reply() == value(text)
    assert gibson.ask(META, b"big encoding") == number(1)
    assert (r.get("big"), r.strlen("big"), r.getrange("big", 1, 4)) == (text, 9000, b"bcab")
    r.append("big", "!")
    assert gibson.ask(META, b"big encoding") == number(0)
    assert gibson.ask(GET, b"big") == value(text + b"!")


def refusal(call):
    with pytest.raises(redis.ResponseError) as refused:
        call()
    return str(refused.value)


def test_a_lock_holds_for_both(both):
    gibson, r = both
    gibson.ask(SET, b"0 a 1")
    assert gibson.ask(LOCK, b"a 100") == OK
    for call in (lambda: r.set("a", 2), lambda: r.incr("a"), lambda: r.delete("a"), lambda: r.expire("a", 1)):
        assert refusal(call).startswith("LOCKED")
    assert r.get("a") == b"1"
    assert r.execute_command("UNLOCK", "a") == 1
    token = r.execute_command("LOCK", "a", 100, "TOKEN")
    for opcode, payload in ((SET, b"0 a 3"), (DEL, b"a"), (INC, b"a"), (LOCK, b"a 1")):
        assert gibson.ask(opcode, payload) == LOCKED
    assert gibson.ask(MSET, b"a 3") == NOT_FOUND
    assert r.execute_command("FENCE", token, "SET", "a", "4")
    assert gibson.ask(UNLOCK, b"a") == OK
    assert refusal(lambda: r.execute_command("FENCE", token, "SET", "a", "5")).startswith("LOCKED")
    assert gibson.ask(GET, b"a") == value(b"4")


def test_a_lock_by_gibson_invalidates_older_tokens(both):
    gibson, r = both
    r.set("a", 1)
    token = r.execute_command("LOCK", "a", 100, "TOKEN")
    assert gibson.ask(UNLOCK, b"a") == gibson.ask(LOCK, b"a -1") == OK
    assert refusal(lambda: r.execute_command("FENCE", token, "SET", "a", "5")).startswith("LOCKED")


def test_times_to_live_are_the_same_for_both(both):
    gibson, r = both
    gibson.ask(SET, b"100 a 1")
    assert 99 <= r.ttl("a") <= 100
    r.expire("a", 50)
    assert gibson.ask(META, b"a left") in (number(49), number(50))
    r.persist("a")
    assert gibson.ask(META, b"a ttl") == number(-1)
    assert gibson.ask(TTL, b"a 0") == OK
    assert gibson.ask(META, b"a ttl") == number(0)
    assert r.ttl("a") == -1


def test_a_lock_leaves_a_time_to_live_that_can_not_be_later(both):
    gibson, r = both
    r.execute_command("SET", "a", "1", "PXAT", 2**63 - 2)
    assert gibson.ask(LOCK, b"a 1") == gibson.ask(UNLOCK, b"a") == gibson.ask(LOCK, b"a 1") == OK
    assert r.pexpiretime("a") <= 2**63 - 2


def test_operators_are_commands_too(both):
    _, r = both
    assert r.execute_command("GIBSON", "SET", 0, "a", "5") == b"5"
    assert r.execute_command("GIBSON", "INC", "a") == 6
    assert r.execute_command("GIBSON", "GET", "a") == 6
    assert r.execute_command("GIBSON", "GET", "b") is None
    assert r.execute_command("GIBSON", "MGET", "a", 1) == [b"a", 6]
    assert r.execute_command("GIBSON", "LOCK", "a", 1) == b"OK"
    assert len(r.execute_command("GIBSON", "STATS")) == 54
    assert refusal(lambda: r.execute_command("GIBSON", "SET", "x", "b", "5")).startswith("NAN")
    assert b"COUNT" in b"".join(r.execute_command("GIBSON", "HELP"))


@pytest.mark.parametrize("renamed", [["GIBSON", ""], ["GIBSON", "other"]], ids=["disabled", "renamed"])
def test_the_protocol_does_not_depend_on_what_commands_are_called(start_server, tmp_path, renamed):
    options = {"gibson-unixsocket": str(tmp_path / "g"), "rename-command": renamed}
    r = start_server(options=options).client()
    with Gibson(connect_to(str(tmp_path / "g"))) as gibson:
        assert gibson.ask(SET, b"0 a x") == gibson.ask(GET, b"a") == value(b"x")
        assert refusal(lambda: r.execute_command("GIBSON", "GET", "a")).startswith("unknown command")


def test_clients_of_both_kinds_are_listed_and_can_be_ended(both):
    gibson, r = both
    gibson.ask(PING)
    (line,) = [client for client in r.client_list() if client["cmd"] == "gibson|ping"]
    assert dict(parse_listing(gibson.ask(STATS)))[b"total_clients"] == len(r.client_list())
    assert r.client_kill_filter(_id=line["id"]) == 1
    assert gibson.reply() == CLOSED


def test_requests_wait_while_writes_are_paused(both):
    gibson, r = both
    r.client_pause(100_000, all=False)
    gibson.send(SET, b"0 a 1")
    gibson.send(COUNT, b"a")
    wait_until(lambda: any(c["cmd"] == "gibson|set" or int(c["qbuf"]) > 0 for c in r.client_list()), what="a request")
    assert r.get("a") is None
    r.client_unpause()
    assert gibson.reply() == value(b"1")
    assert gibson.reply() == number(1)


def test_requests_that_waited_count_once_and_are_answered_before_a_bad_one_behind_them(both):
    gibson, r = both
    before = dict(parse_listing(gibson.ask(STATS)))[b"total_requests"]
    r.client_pause(100_000, all=False)
    frames = [request(SET, b"0 a 1"), request(COUNT, b"a"), request(99, b"unknown"), request(PING)]
    gibson.connected.sendall(b"".join(frames))
    wait_until(lambda: any(int(c["qbuf"]) > 0 for c in r.client_list()), what="the requests to be held back")
    r.client_unpause()
    assert gibson.reply() == value(b"1")
    assert gibson.reply() == number(1)
    assert gibson.reply() == CLOSED
    path = r.config_get("gibson-unixsocket")["gibson-unixsocket"]
    with Gibson(connect_to(path)) as later:
        after = dict(parse_listing(later.ask(STATS)))[b"total_requests"]
    assert after - before == 4  # SET, COUNT, the unknown one, STATS


def test_gibson_clients_are_the_default_user(both):
    gibson, r = both
    r.config_set("requirepass", "secret")
    assert gibson.ask(PING) == OK  # who was let in stays in
    r.execute_command("ACL", "SETUSER", "default", "resetkeys", "~a*")
    assert gibson.ask(SET, b"0 b 1") == ERR
    assert gibson.ask(SET, b"0 a 1") == value(b"1")
    path = r.config_get("gibson-unixsocket")["gibson-unixsocket"]
    with Gibson(connect_to(path)) as late:
        assert late.ask(PING) == late.ask(GET, b"a") == ERR


def test_events_are_told_as_for_redis_commands(both):
    gibson, r = both
    r.config_set("notify-keyspace-events", "KEA")
    with r.pubsub() as listener:
        listener.psubscribe("__keyevent@0__:*")
        assert listener.get_message(timeout=PATIENCE_S)["type"] == "psubscribe"
        for opcode, payload in ((SET, b"9 a 1"), (INC, b"a"), (TTL, b"a 0"), (DEL, b"a")):
            gibson.ask(opcode, payload)
        events = [listener.get_message(timeout=PATIENCE_S)["channel"].split(b":")[1] for _ in range(5)]
        assert events == [b"set", b"expire", b"incrby", b"persist", b"del"]


def test_monitors_see_operators(both):
    gibson, r = both
    with r.monitor() as monitor:
        gibson.ask(SET, b"0 a 1")
        assert monitor.next_command()["command"] == "gibson set 0 a 1"


def test_the_port_can_be_opened_and_closed(start_server):
    server = start_server()
    r = server.client()
    port = free_port()
    r.config_set("gibson-port", port)
    with Gibson(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) as gibson:
        assert gibson.ask(PING) == OK
        r.config_set("gibson-port", 0)
        assert gibson.ask(PING) == OK
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), PATIENCE_S)

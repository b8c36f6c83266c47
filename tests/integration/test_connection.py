"""Connection commands: authentication, names, protocol versions, RESET, QUIT, replies switched off."""

import socket
import time

import pytest
import redis

from support.resp import Closed, encode

pytestmark = [pytest.mark.embedded, pytest.mark.over_tls]


def test_ping_and_echo(r):
    assert r.ping() is True
    assert r.echo("hello") == b"hello"


def test_hello_switches_protocol_and_names_the_client(server, transport):
    connection = server.raw(transport)
    assert connection.ask("GET", "missing") == ("$", None)
    kind, fields = connection.ask("HELLO", 3, "SETNAME", "me")
    assert kind == "%"
    by_name = dict(zip([name for _, name in fields[::2]], fields[1::2]))
    assert by_name[b"proto"] == (":", b"3")
    assert by_name[b"server"] == ("$", b"redis")
    assert by_name[b"mode"] == ("$", b"standalone")
    assert by_name[b"role"] == ("$", b"master")
    assert by_name[b"modules"] == ("*", [])
    assert by_name[b"id"] == connection.ask("CLIENT", "ID")
    assert connection.ask("GET", "missing") == ("_", b"")
    assert connection.ask("CLIENT", "GETNAME") == ("$", b"me")


@pytest.mark.larder_only("it is version 7.0")
def test_version_is_the_one_promised(server):
    r = server.client()
    info = r.info("server")
    assert info["redis_version"] == "7.2.4"
    assert info["larder_version"]
    fields = server.raw().ask("HELLO", 2)[1]
    assert fields[3] == ("$", b"7.2.4")


def test_reset_forgets_everything_about_the_session(server, transport):
    connection = server.raw(transport)
    for words in (("HELLO", 3), ("SELECT", 5), ("CLIENT", "SETNAME", "me"), ("CLIENT", "NO-EVICT", "on")):
        connection.command(*words)
    assert connection.command("RESET") == b"+RESET\r\n"
    assert connection.ask("CLIENT", "GETNAME") == ("$", None)
    connection.command("SET", "k", "v")
    assert server.client(transport, db=0).get("k") == b"v"


def test_quit_answers_and_closes(server, transport):
    connection = server.raw(transport)
    connection.send(encode("QUIT") + encode("PING"))
    assert connection.read_until_closed() == b"+OK\r\n"


@pytest.mark.needs_sockets
@pytest.mark.plain_only
def test_half_closed_client_still_gets_its_replies(server, transport):
    connection = server.raw(transport)
    connection.send(encode("SET", "k", "v") + b"GET k\r\n")
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.read_until_closed() == b"+OK\r\n$1\r\nv\r\n"


def test_client_reply_off_and_skip(server, transport):
    connection = server.raw(transport)
    connection.send(
        encode("CLIENT", "REPLY", "OFF")
        + encode("SET", "k", "v")
        + encode("NOSUCH")
        + encode("CLIENT", "REPLY", "ON")
        + encode("GET", "k")
    )
    assert connection.read_frame() == b"+OK\r\n"
    assert connection.read_frame() == b"$1\r\nv\r\n"
    connection.send(encode("CLIENT", "REPLY", "SKIP") + encode("SET", "k", "w") + encode("GET", "k"))
    assert connection.read_frame() == b"$1\r\nw\r\n"


@pytest.fixture
def locked(start_server):
    return start_server(threads=2, options={"requirepass": "secret"})


def test_nothing_but_authentication_is_allowed_without_password(locked):
    connection = locked.raw()
    for words in (
        ("PING",),
        ("GET", "k"),
        ("SET", "k", "v"),
        ("COMMAND",),
        ("CLIENT", "ID"),
        ("INFO",),
        ("CONFIG", "GET", "*"),
        ("FLUSHALL",),
        ("SHUTDOWN", "NOSAVE"),
    ):
        assert connection.command(*words) == b"-NOAUTH Authentication required.\r\n"
    assert connection.command("HELLO", 3).startswith(
        b"-NOAUTH HELLO must be called with the client already authenticated"
    )
    assert connection.command("RESET") == b"+RESET\r\n"
    assert connection.command("QUIT") == b"+OK\r\n"


def test_auth_forms(locked):
    wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    for words, answer in (
        (("AUTH", "secret"), b"+OK\r\n"),
        (("AUTH", "default", "secret"), b"+OK\r\n"),
        (("AUTH", "no"), wrong),
        (("AUTH", "default", "no"), wrong),
        (("AUTH", "nobody", "secret"), wrong),
        (("AUTH", ""), wrong),
        (("AUTH", "secret2"), wrong),
        (("AUTH", "secre"), wrong),
    ):
        connection = locked.raw()
        assert connection.command(*words) == answer
        assert connection.command("PING") == (
            b"+PONG\r\n" if answer == b"+OK\r\n" else b"-NOAUTH Authentication required.\r\n"
        )


def test_hello_authenticates_and_names(locked):
    connection = locked.raw()
    assert connection.ask("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "me")[0] == "%"
    assert connection.ask("CLIENT", "GETNAME") == ("$", b"me")


def test_password_can_be_changed_and_removed(locked):
    r = locked.client(password="secret")
    assert r.config_get("requirepass") == {"requirepass": "secret"}
    r.config_set("requirepass", "other")
    assert r.ping() is True
    with pytest.raises(redis.AuthenticationError):
        locked.client(password="secret").ping()
    assert locked.client(password="other").ping() is True
    r.config_set("requirepass", "")
    assert locked.client().ping() is True


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_logs_in_with_username_and_name(locked, protocol):
    r = locked.client(username="default", password="secret", client_name="app", protocol=protocol)
    assert r.client_getname() in (b"app", "app")


def test_connections_survive_errors_of_others(server, transport):
    steady = server.raw(transport)
    for _ in range(50):
        broken = server.raw(transport)
        broken.send(b"*1\r\n$-5\r\n")
        assert broken.read_until_closed().startswith(b"-ERR Protocol error: invalid bulk length")
        broken.close()
    assert steady.command("PING") == b"+PONG\r\n"


def test_time_is_the_time(r):
    seconds, microseconds = r.time()
    assert abs(seconds - time.time()) < 60
    assert 0 <= microseconds < 1_000_000


def test_lolwut_names_the_version(r):
    version = r.info("server")["redis_version"]
    text = r.execute_command("LOLWUT")
    assert version.encode() in text


def test_closed_connection_frees_its_place(server, transport):
    r = server.client(transport)
    connection = server.raw(transport)
    client_id = int(connection.ask("CLIENT", "ID")[1])
    assert r.client_kill_filter(_id=str(client_id)) == 1
    with pytest.raises(Closed):
        connection.read_frame()
    assert r.client_kill_filter(_id=str(client_id)) == 0


@pytest.mark.needs_sockets
def test_who_sees_the_end_of_a_connection_finds_nothing_of_its_client(server, transport, slow_factor):
    """Nothing stays subscribed, watched or listed for a moment longer; with several threads another one looks."""
    observer = server.raw(transport)
    channels = [f"channel:{number}" for number in range(100_000 // slow_factor)]  # leaving them takes a while
    for end in (("QUIT",), ("CLIENT", "KILL")):
        leaving = server.raw(transport)
        number = leaving.ask("CLIENT", "ID")[1]
        leaving.command("HELLO", 3)
        leaving.send(encode("SUBSCRIBE", *channels))
        for _ in channels:
            leaving.read_frame()
        if end[0] == "QUIT":
            leaving.send(encode("QUIT"))
        else:
            assert observer.ask("CLIENT", "KILL", "ID", number) == (":", b"1")
        leaving.read_until_closed()
        assert observer.ask("CLIENT", "LIST", "ID", number)[1] == b""
        assert observer.ask("PUBSUB", "CHANNELS") == ("*", [])


@pytest.mark.plain_only
@pytest.mark.needs_sockets
def test_who_sees_the_end_of_a_connection_finds_its_place_free(start_server):
    server = start_server(threads=4, options={"maxclients": 3})
    steady = [server.raw(), server.raw()]
    assert all(connection.command("PING") == b"+PONG\r\n" for connection in steady)
    for _ in range(300):
        leaving = server.raw()
        leaving.send(encode("QUIT"))
        assert leaving.read_until_closed() == b"+OK\r\n"
        leaving.close()

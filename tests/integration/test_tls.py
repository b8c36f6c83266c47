"""TLS: whom it lets in, that nothing is lost or stranded in its records, that certificates change under load, and that
clients who stall, lie or leave in the middle of it cost the others nothing."""

import functools
import itertools
import os
import socket
import ssl
import threading
import time

import pytest
import redis

from support.certificates import certificates
from support.embedded import Engine
from support.resp import RawConnection, encode
from support.server import SANITIZED, client_settings, free_port, run_to_exit, tls_settings
from support.waiting import PATIENCE_S, wait_until

from .test_concurrency import in_parallel
from .test_limits import other_address

pytestmark = pytest.mark.needs_tls

MIB = 1 << 20
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01"  # the first bytes of one


def start_tls(start_server, threads=2, **options):
    return start_server(threads=threads, tls=True, options={name.replace("_", "-"): v for name, v in options.items()})


def configure(r, options):
    """All in one CONFIG SET."""
    r.execute_command("CONFIG", "SET", *[str(word) for option in options.items() for word in option])


def take(identity):
    """What changes the server's certificate."""
    return {"tls-cert-file": identity.certificate, "tls-key-file": identity.key}


def is_served(connect):
    """Does a client get through its handshake to an answer?"""
    try:
        with RawConnection(connect()) as connection:
            return connection.command("PING") == b"+PONG\r\n"
    except (OSError, AssertionError):
        return False


def end_of(connection):
    """What a bare socket receives up to its end, however that comes."""
    received = b""
    try:
        while data := connection.recv(4096):
            received += data
    except (ConnectionResetError, BrokenPipeError):
        pass
    return received


class ByHand:
    """A TLS client whose records pass through our hands: to be cut, joined or held back."""

    def __init__(self, server, context=None):
        self.socket = socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inbox, self.outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or certificates().client_context()).wrap_bio(self.inbox, self.outbox)
        self._repeat(self.tls.do_handshake)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _repeat(self, action):
        """Until it needs no more bytes from the server."""
        while True:
            try:
                result = action()
                self.socket.sendall(self.outbox.read())
                return result
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outbox.read())
                data = self.socket.recv(1 << 16)
                if not data:
                    raise EOFError("the server closed the connection") from None
                self.inbox.write(data)

    def records(self, *pieces):
        """Each piece as a record of its own."""
        for piece in pieces:
            self.tls.write(piece)
        return self.outbox.read()

    def read(self, size):
        received = b""
        while len(received) < size:
            received += self._repeat(functools.partial(self.tls.read, size - len(received)))
        return received


# ---- Who is let in ----


def test_redis_py_over_tls(start_server):
    server = start_tls(start_server)
    r = server.client("tls")
    assert r.set("k", "v") is True
    assert r.get("k") == b"v"
    assert server.client().get("k") == b"v"
    info = r.client_info()
    assert info["laddr"] == f"127.0.0.1:{server.tls_port}"
    assert info["addr"].startswith("127.0.0.1:")
    assert info["flags"] == "N"
    assert server.client("tls", protocol=3).ping() is True


def test_tls_port_alone_serves(start_server):
    server = start_tls(start_server, port=0)
    assert server.client("tls").ping() is True
    info = server.client("tls").info("server")
    assert info["tcp_port"] == server.tls_port
    with pytest.raises(ConnectionRefusedError):
        RawConnection(server.address)


@pytest.mark.larder_only("listeners came with 7.2")
def test_info_names_the_library_and_the_listeners(start_server):
    server = start_tls(start_server)
    info = server.client("tls").info("server")
    assert info["tcp_port"] == server.port
    assert info["listener0"] == {"name": "tcp", "bind": "127.0.0.1", "port": server.port}
    assert info["listener1"] == {"name": "tls", "bind": "127.0.0.1", "port": server.tls_port}
    assert info["tls_library"].startswith("openssl-3.")


@pytest.mark.parametrize(
    "mode, known, none, stranger",
    [("yes", True, False, False), ("optional", True, True, False), ("no", True, True, True)],
)
def test_certificates_of_clients(start_server, mode, known, none, stranger):
    server = start_tls(start_server, tls_auth_clients=mode)
    made = certificates()

    def is_let_in(identity):
        return is_served(lambda: server.tls_socket(made.client_context(identity)))

    assert is_let_in(made.client) is known
    assert is_let_in(False) is none
    assert is_let_in(made.stranger) is stranger
    assert is_let_in(made.expired) is stranger
    assert server.client().ping() is True


def test_refused_clients_are_logged_with_the_reason(start_server):
    server = start_tls(start_server)
    made = certificates()
    for identity, reason in (
        (False, "peer did not return a certificate"),
        (made.expired, "certificate verify failed"),
        (made.stranger, "certificate verify failed"),
    ):
        assert not is_served(lambda identity=identity: server.tls_socket(made.client_context(identity)))
        line = f"Error accepting a client connection: error:0A0000{'C7' if identity is False else '86'}:SSL routines::"
        wait_until(lambda line=line, reason=reason: line + reason in server.log(), 10, reason)


def test_server_proves_who_it_is(start_server):
    server = start_tls(start_server)
    context = certificates().client_context(authority=certificates().stranger_authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        server.tls_socket(context)
    context = certificates().client_context()
    context.check_hostname = True
    plain = socket.create_connection(("127.0.0.1", server.tls_port))
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        assert connection.getpeercert(binary_form=True) == certificates().server.binary


@pytest.mark.parametrize(
    "protocols, version, is_spoken",
    [
        ("", "TLSv1_1", False),
        ("", "TLSv1_2", True),
        ("", "TLSv1_3", True),
        ("TLSv1.2", "TLSv1_3", False),
        ("tlsv1.3", "TLSv1_2", False),
        ("TLSv1.2 TLSv1.3", "TLSv1_2", True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_protocol_versions(start_server, protocols, version, is_spoken):
    server = start_tls(start_server, tls_protocols=protocols)
    context = certificates().client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    assert is_served(lambda: server.tls_socket(context)) is is_spoken


def test_ciphers_are_those_configured(start_server):
    server = start_tls(
        start_server,
        tls_ciphers="ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384",
        tls_ciphersuites="TLS_CHACHA20_POLY1305_SHA256",
        tls_prefer_server_ciphers="yes",
    )
    context = certificates().client_context()
    with server.tls_socket(context) as connection:
        assert connection.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305")
    with server.tls_socket(context) as connection:
        assert connection.cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    server.client().config_set("tls-prefer-server-ciphers", "no")
    with server.tls_socket(context) as connection:
        assert connection.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert not is_served(lambda: server.tls_socket(context))


@pytest.mark.larder_only("without caching it fails those who return")
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("caching, is_reused", [("yes", True), ("no", False)])
def test_returning_clients_take_their_session_up_again(start_server, version, caching, is_reused):
    server = start_tls(start_server, tls_session_caching=caching)
    context = certificates().client_context()
    context.maximum_version = ssl.TLSVersion[version]
    with server.tls_socket(context) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"
        session = connection.session

    def returns():
        plain = socket.create_connection(("127.0.0.1", server.tls_port))
        with context.wrap_socket(plain, session=session) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"
            return connection.session_reused

    assert returns() is is_reused
    server.client().config_set("tls-cert-file", str(certificates().server.certificate))
    assert returns() is False  # after a reload everybody is looked at anew


def test_encrypted_key_opens_with_its_password(start_server, binary, tmp_path):
    key = tmp_path / "locked.key"
    lock_key(certificates().server.key, key, b"sesame")
    server = start_tls(start_server, tls_key_file=key, tls_key_file_pass="sesame")
    assert server.client("tls").ping() is True
    r = server.client()
    with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration"):
        r.config_set("tls-key-file-pass", "mellon")
    assert r.config_get("tls-key-file-pass") == {"tls-key-file-pass": "sesame"}
    assert server.client("tls").ping() is True


def lock_key(path, locked, password):
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(path.read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )


def test_protected_mode_refuses_strangers_in_their_own_protocol(start_server):
    address = other_address()
    if address is None:
        pytest.skip("this machine has only loopback addresses")
    server = start_tls(start_server, bind=["127.0.0.1", address])
    with RawConnection(server.tls_socket(host=address)) as stranger:
        assert stranger.read_until_closed().startswith(b"-DENIED Redis is running in protected mode")
    server.client().config_set("protected-mode", "no")
    assert is_served(lambda: server.tls_socket(host=address))


# ---- Data ----


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_records_that_come_in_pieces(start_server, piece):
    server = start_tls(start_server)
    with ByHand(server) as client:
        data = client.records(encode("SET", "k", "v" * 300), encode("GET", "k"))
        for at in range(0, len(data), piece):
            client.socket.sendall(data[at : at + piece])
        assert client.read(5 + 308) == b"+OK\r\n$300\r\n" + b"v" * 300 + b"\r\n"


@pytest.mark.parametrize("threads", [1, 4])
def test_many_requests_in_records_of_their_own_sent_at_once(start_server, threads):
    """After the first read the socket is empty, and OpenSSL holds the rest; several clients are like that at a time."""
    server = start_tls(start_server, threads=threads)
    requests = [encode("ECHO", number) for number in range(5000)]
    expected = b"".join(b"$%d\r\n%d\r\n" % (len(str(number)), number) for number in range(5000))

    def work(_number):
        with ByHand(server) as client:
            data = client.records(*requests)
            sender = threading.Thread(target=client.socket.sendall, args=(data,))
            sender.start()
            received = client.read(len(expected))
            sender.join()
            assert received == expected

    in_parallel(6, work)


def test_requests_cut_anywhere_across_records(start_server):
    server = start_tls(start_server)
    stream = b"".join(encode("APPEND", "k", f"{number},") for number in range(500))
    for size in (1, 3, 50, 16384):
        server.client().delete("k")
        with ByHand(server) as client:
            data = client.records(*[stream[at : at + size] for at in range(0, len(stream), size)])
            client.socket.sendall(data)
            wait_until(lambda: (server.client().get("k") or b"").endswith(b",499,"), 10, "the last request")
        assert server.client().get("k") == b"".join(b"%d," % number for number in range(500))


@pytest.mark.parametrize("count", [200, 5000], ids=["in_one_read", "in_many"])
def test_what_waits_in_records_goes_on_after_a_pause(start_server, count):
    """If one read of the socket has taken all of it, the socket will never tell that there is more."""
    server = start_tls(start_server, threads=1)
    controller = server.raw()
    with ByHand(server) as client:
        writes = [encode("APPEND", "k", "x") for _ in range(count)]
        client.socket.sendall(client.records(encode("CLIENT", "PAUSE", 60_000, "WRITE"), *writes))
        assert client.read(5) == b"+OK\r\n"
        assert controller.ask("EXISTS", "k") == (":", b"0")
        controller.command("CLIENT", "UNPAUSE")
        replies = client.read(sum(3 + len(str(number + 1)) for number in range(count)))
        assert replies.endswith(b":%d\r\n" % count)


def test_thousands_of_pipelined_requests(start_server):
    server = start_tls(start_server, threads=4)
    connection = server.raw("tls")
    for _ in range(5):
        connection.send(b"".join(encode("INCR", "n") for _ in range(10_000)))
        for _ in range(10_000):
            connection.read_frame()
    assert server.client().get("n") == b"50000"


def test_slow_reader_of_large_replies_gets_every_byte(start_server):
    """Records stop in the middle, again and again, and others are served meanwhile."""
    server = start_tls(start_server, threads=1)
    r = server.client()
    value = os.urandom(MIB)
    r.set("big", value)
    count = 24
    with RawConnection(server.tls_socket()) as slow:
        slow.send(encode("GET", "big") * count)
        for _ in range(50):
            assert r.ping() is True
        for _ in range(count):
            assert slow.read_frame() == b"$%d\r\n%b\r\n" % (MIB, value)


def test_client_that_sends_while_replies_wait_is_answered_in_full(start_server):
    server = start_tls(start_server, threads=1)
    value = os.urandom(64 * 1024)
    with RawConnection(server.tls_socket()) as connection:
        connection.command("SET", "k", value)
        sent = encode("GET", "k") * 200
        for _ in range(3):
            connection.send(sent)
        for _ in range(600):
            assert connection.read_frame() == b"$%d\r\n%b\r\n" % (len(value), value)


# ---- The end ----


@pytest.mark.larder_only("it says none when it stops")
def test_orderly_ends_are_said(start_server):
    """An end without the protocol's goodbye would raise an error here."""
    server = start_tls(start_server)

    def is_told(connection):
        connection.suppress_ragged_eofs = False
        while connection.recv(1000):
            pass
        return True

    with server.tls_socket() as connection:
        connection.sendall(b"QUIT\r\n")
        assert is_told(connection)
    with server.tls_socket() as connection:
        connection.sendall(b"*1\r\n$-5\r\n")
        assert is_told(connection)
    with server.tls_socket() as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"
        for client in server.client().client_list():
            if client["laddr"].endswith(str(server.tls_port)):
                server.client().client_kill_filter(_id=client["id"])
        assert is_told(connection)
    with server.tls_socket() as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"
        server.stop()
        assert is_told(connection)


def test_requests_in_front_of_a_goodbye_are_answered(start_server):
    server = start_tls(start_server)
    with ByHand(server) as client:
        data = client.records(encode("SET", "k", "v"), encode("GET", "k"))
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        client.socket.sendall(data + client.outbox.read())
        assert client.read(12) == b"+OK\r\n$1\r\nv\r\n"


def test_clients_that_vanish_are_let_go_of(start_server):
    server = start_tls(start_server)
    r = server.client()
    for number in range(40):
        connection = server.tls_socket()
        connection.sendall(encode("SET", "k", "v" * 100_000)[: 50_000 if number % 2 else None])
        if number % 3 == 0:  # with a reset, in the middle of whatever there is
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        socket.socket(fileno=connection.detach()).close()
    wait_until(lambda: r.info("clients")["connected_clients"] == 1, 10, "the clients to be let go of")


# ---- Hostile clients ----


@pytest.mark.parametrize(
    "data",
    [
        b"PING\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"x" * 100,
        b"\x80" * 50,
    ],
    ids=["inline", "resp", "http", "oversized_record", "old_protocol"],
)
def test_what_is_not_tls_is_turned_away(start_server, data):
    server = start_tls(start_server)
    steady = server.raw("tls")
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_S) as plain:
        plain.sendall(data)
        assert b"PONG" not in end_of(plain)
    wait_until(lambda: "Error accepting a client connection: error:" in server.log(), 10, "the line in the log")
    assert steady.command("PING") == b"+PONG\r\n"


def test_random_garbage_is_turned_away(start_server):
    server = start_tls(start_server)
    steady = server.raw("tls")
    for number in range(100):
        garbage = os.urandom(1 + number * 7)
        with socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_S) as plain:
            try:
                plain.sendall(CLIENT_HELLO + garbage if number % 2 else garbage)
                plain.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # turned away already
            end_of(plain)
    assert steady.command("PING") == b"+PONG\r\n"
    assert server.client().info("clients")["connected_clients"] == 2


def test_forged_record_ends_its_connection_alone(start_server):
    server = start_tls(start_server)
    steady = server.raw("tls")
    with ByHand(server) as client:
        data = bytearray(client.records(encode("SET", "genuine", 1), encode("SET", "forged", 1)))
        data[-1] ^= 1
        client.socket.sendall(data)
        with pytest.raises((ssl.SSLError, EOFError, ConnectionResetError)):
            client.read(1000)
    wait_until(lambda: server.client().get("genuine") == b"1", 10, "the request in front of it")
    assert server.client().get("forged") is None
    assert steady.command("PING") == b"+PONG\r\n"


def test_unfinished_handshakes_count_towards_maxclients(start_server):
    server = start_tls(start_server, maxclients=5)
    steady = server.raw()
    assert steady.command("PING") == b"+PONG\r\n"
    stalled = [socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_S) for _ in range(4)]
    for plain in stalled:
        plain.sendall(CLIENT_HELLO)
    wait_until(lambda: b"connected_clients:5" in steady.ask("INFO", "clients")[1], 10, "the clients to be let in")
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=PATIENCE_S) as refused:
        assert end_of(refused) == b""
    assert b"rejected_connections:1\r\n" in steady.ask("INFO", "stats")[1]
    for plain in stalled:
        plain.close()
    wait_until(lambda: is_served(server.tls_socket), 10, "a place to be free")


@pytest.fixture
def tls_engine(has_engine):
    """An engine inside this process that serves TLS, and whose clock stands still: (engine, port)."""
    port = free_port()
    options = {**certificates().options(port), "enable-debug-command": "yes"}
    with Engine("\n".join(f"{name} {value}" for name, value in options.items()), threads=2) as engine:
        engine.freeze()
        engine.serve()
        yield engine, port
        engine.stop()


def is_open(plain):
    """Has the server left the connection as it is?"""
    plain.settimeout(0.05)
    try:
        return plain.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("sent", [b"", CLIENT_HELLO], ids=["silent", "half"])
def test_stalled_handshake_is_given_up_after_ten_seconds(tls_engine, sent):
    engine, port = tls_engine
    context = certificates().client_context()
    with (
        socket.create_connection(("127.0.0.1", port)) as stalled,
        context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as served,
    ):
        served.sendall(b"PING\r\n")
        assert served.recv(100) == b"+PONG\r\n"
        stalled.sendall(sent)
        engine.advance(9)
        assert is_open(stalled)
        engine.advance(2)
        wait_until(lambda: not is_open(stalled), 10, "the connection to be given up")
        served.sendall(b"PING\r\n")
        assert served.recv(100) == b"+PONG\r\n"


def test_slow_drip_of_a_handshake_is_given_up_as_well(tls_engine):
    engine, port = tls_engine
    inbox, outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates().client_context().wrap_bio(inbox, outbox)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outbox.read()
    with socket.create_connection(("127.0.0.1", port)) as dripping:
        for at in itertools.count():
            try:
                dripping.sendall(hello[at : at + 1])
            except OSError:
                break
            if not is_open(dripping):
                break
            if at < 20:
                engine.advance(1)


def test_handshakes_of_many_leave_time_for_those_who_are_served(start_server):
    server = start_tls(start_server, threads=1)
    steady = server.raw()
    done = threading.Event()

    def come_and_go():
        context = certificates().client_context()
        while not done.is_set():
            server.tls_socket(context).close()

    crowd = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in crowd:
        thread.start()
    try:
        for number in range(500):
            assert steady.command("ECHO", number) == b"$%d\r\n%d\r\n" % (len(str(number)), number)
    finally:
        done.set()
        for thread in crowd:
            thread.join()


@pytest.mark.larder_only("it keeps them")
@pytest.mark.skipif(SANITIZED, reason="sanitizers take memory of their own")
def test_idle_connections_hold_no_buffers(start_server):
    """OpenSSL would keep two of them, 16 KiB each. Without them it needs about 16 KiB for a connection."""
    server = start_tls(start_server, tls_auth_clients="no")
    context = certificates().client_context(identity=False)
    connections = []

    def resident_bytes():
        with open(f"/proc/{server.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096

    def connect(count):
        for _ in range(count):
            connection = RawConnection(server.tls_socket(context))
            connections.append(connection)
            assert connection.command("SET", "k", "x" * 20_000) == b"+OK\r\n"
            assert len(connection.command("GET", "k")) > 20_000

    connect(50)
    before = resident_bytes()
    connect(300)
    assert (resident_bytes() - before) / 300 < 28 * 1024
    for connection in connections:
        connection.close()


# ---- Changing the configuration ----


def peer_certificate(server):
    with server.tls_socket() as connection:
        return connection.getpeercert(binary_form=True)


def test_certificate_is_reloaded_from_the_same_path(start_server, tmp_path):
    first, second = certificates().issue("first"), certificates().issue("second")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"

    def install(identity):
        certificate.write_bytes(identity.certificate.read_bytes())
        key.write_bytes(identity.key.read_bytes())

    install(first)
    server = start_tls(start_server, tls_cert_file=certificate, tls_key_file=key)
    steady = server.raw("tls")
    assert steady.command("PING") == b"+PONG\r\n"
    assert peer_certificate(server) == first.binary
    install(second)
    assert peer_certificate(server) == first.binary
    r = server.client()
    r.config_set("tls-cert-file", str(certificate))
    assert peer_certificate(server) == second.binary
    assert steady.command("PING") == b"+PONG\r\n"
    certificate.write_bytes(first.certificate.read_bytes())  # and the key is still the second's
    with pytest.raises(
        redis.ResponseError,
        match=r"CONFIG SET failed \(possibly related to argument 'tls-cert-file'\) - Unable to update TLS configuration."
        r" Check server logs.",
    ):
        r.config_set("tls-cert-file", str(certificate))
    assert "Failed to load private key: " in server.log()
    assert peer_certificate(server) == second.binary
    assert steady.command("PING") == b"+PONG\r\n"


def test_certificate_and_key_change_together(start_server):
    server = start_tls(start_server)
    other = certificates().issue("other")
    r = server.client()
    for name, value in (("tls-cert-file", other.certificate), ("tls-key-file", other.key)):
        with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration"):
            r.config_set(name, str(value))
    assert peer_certificate(server) == certificates().server.binary
    configure(r, take(other))
    assert peer_certificate(server) == other.binary
    assert r.config_get("tls-*-file")["tls-cert-file"] == str(other.certificate)


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("tls-cert-file", "/nonexistent", "Failed to load certificate: /nonexistent: error:"),
        ("tls-cert-file", "", "No tls-cert-file configured!"),
        ("tls-key-file", "", "No tls-key-file configured!"),
        ("tls-ca-cert-file", "/nonexistent", "Failed to configure CA certificate(s) file/directory: error:"),
        (
            "tls-ca-cert-file",
            "",
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-r",
        ),
        (
            "tls-protocols",
            "SSLv3",
            "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2'",
        ),
        ("tls-ciphers", "bogus", "Failed to configure ciphers: bogus"),
        ("tls-ciphersuites", "bogus", "Failed to configure ciphersuites: bogus"),
        ("tls-dh-params-file", "/nonexistent", "Failed to load /nonexistent: "),
    ],
)
def test_what_is_refused_changes_nothing_and_prevents_starting(start_server, binary, tmp_path, name, value, reason):
    server = start_tls(start_server)
    r = server.client()
    before = r.config_get(name)
    with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration. Check server logs."):
        r.config_set(name, value)
    assert reason in server.log()
    assert r.config_get(name) == before
    assert server.client("tls").ping() is True
    options = {**certificates().options(free_port()), name: value}
    words = [word for option, content in options.items() for word in (f"--{option}", str(content))]
    process = run_to_exit(binary, ["--port", "0", *words], tmp_path)
    assert process.returncode == 1
    assert reason in process.stdout
    assert "Failed to configure TLS. Check logs for more info." in process.stdout


def test_tls_auth_clients_changes_for_those_who_come_after(start_server):
    server = start_tls(start_server)
    r = server.client()
    context = certificates().client_context(identity=False)
    assert not is_served(lambda: server.tls_socket(context))
    r.config_set("tls-auth-clients", "no")
    with RawConnection(server.tls_socket(context)) as anonymous:
        assert anonymous.command("PING") == b"+PONG\r\n"
        r.config_set("tls-auth-clients", "yes")
        assert anonymous.command("PING") == b"+PONG\r\n"
    assert not is_served(lambda: server.tls_socket(context))


def test_tls_port_opens_moves_and_closes(start_server):
    server = start_server(threads=2)
    r = server.client()
    made = certificates()
    server.tls_port = free_port()
    with pytest.raises(redis.ResponseError, match="'tls-port'.*Unable to update TLS configuration"):
        r.config_set("tls-port", server.tls_port)
    # while there is no TLS port, nobody looks at the rest
    r.config_set("tls-cert-file", "/nonexistent")
    with pytest.raises(redis.ResponseError, match="'tls-port'.*Unable to update TLS configuration"):
        r.config_set("tls-port", server.tls_port)
    options = made.options(server.tls_port)
    configure(r, options)
    steady = server.raw("tls")
    assert steady.command("PING") == b"+PONG\r\n"
    old = server.tls_port
    server.tls_port = free_port()
    r.config_set("tls-port", server.tls_port)
    assert server.client("tls").ping() is True
    with pytest.raises(redis.ResponseError, match="'tls-port'.*Unable to listen on this port. Check server logs."):
        r.config_set("tls-port", server.port)
    assert r.config_get("tls-port") == {"tls-port": str(server.tls_port)}
    assert server.client("tls").ping() is True
    r.config_set("tls-port", 0)
    for port in (old, server.tls_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert steady.command("PING") == b"+PONG\r\n"
    assert server.client().ping() is True


@pytest.mark.larder_only("it opens one before it closes the other")
def test_ports_change_places_at_once(start_server):
    server = start_tls(start_server)
    r = server.client("unix")
    configure(r, {"port": server.tls_port, "tls-port": server.port})
    server.port, server.tls_port = server.tls_port, server.port
    assert server.client().ping() is True
    assert server.client("tls").ping() is True
    configure(r, {"tls-port": server.port, "port": 0})
    server.tls_port = server.port
    assert server.client("tls").ping() is True
    with pytest.raises(redis.ResponseError, match="Unable to listen on this port"):
        r.config_set("bind", "192.0.2.123")
    assert server.client("tls").ping() is True


def test_tls_port_in_use_ends_with_1(start_server, binary, tmp_path):
    server = start_server(threads=1)
    words = [
        word for option, value in certificates().options(server.port).items() for word in (f"--{option}", str(value))
    ]
    process = run_to_exit(binary, ["--port", "0", "--bind", "127.0.0.1", *words], tmp_path)
    assert process.returncode == 1
    assert f"Failed listening on port {server.port} (" in process.stdout
    assert "Address already in use" in process.stdout


def test_changed_parameters_come_back_from_the_rewritten_file(start_server, tmp_path):
    file = tmp_path / "c.conf"
    file.write_text(f"tls-cert-file {certificates().server.certificate}\ntls-auth-clients optional\n")
    server = start_server(threads=1, leading_words=[str(file)])
    r = server.client()
    port = free_port()
    options = {**certificates().options(port), "tls-protocols": "TLSv1.3"}
    configure(r, options)
    r.config_rewrite()
    kept = r.config_get("tls-*")
    r.shutdown(nosave=True)
    server.wait_exit()
    again = start_server(threads=1, words=[str(file)], port=server.port)
    again.tls_port = port
    assert again.client().config_get("tls-*") == kept
    assert again.client("tls").ping() is True


@pytest.mark.parametrize("threads", [1, 4])
def test_certificates_change_under_load_without_a_dropped_connection(start_server, threads):
    server = start_tls(start_server, threads=threads)
    identities = [certificates().server, certificates().issue("renewed")]
    done, problems, counts, newcomers = threading.Event(), [], [0] * 4, [0] * 3

    def stay(number):
        """One connection for the whole time, with pipelines and large values."""
        with RawConnection(server.tls_socket()) as connection:
            value = bytes([65 + number]) * 50_000
            while not done.is_set():
                connection.send(encode("SET", f"k{number}", value) + encode("INCR", f"n{number}") * 20)
                connection.send(encode("GET", f"k{number}"))
                assert connection.read_frame() == b"+OK\r\n"
                for _ in range(20):
                    counts[number] += 1
                    assert connection.read_frame() == b":%d\r\n" % counts[number]
                assert connection.read_frame() == b"$50000\r\n" + value + b"\r\n"

    def come_and_go(number):
        context = certificates().client_context()
        while not done.is_set():
            with RawConnection(server.tls_socket(context)) as connection:
                assert connection.socket.getpeercert(binary_form=True) in [one.binary for one in identities]
                assert connection.command("PING") == b"+PONG\r\n"
                newcomers[number] += 1

    def guarded(work, number):
        try:
            work(number)
        except BaseException as problem:
            problems.append(problem)

    workers = [threading.Thread(target=guarded, args=(stay, number)) for number in range(len(counts))]
    workers += [threading.Thread(target=guarded, args=(come_and_go, number)) for number in range(len(newcomers))]
    for worker in workers:
        worker.start()
    r = server.client("tls")
    try:
        for turn in range(60):
            identity = identities[turn % 2]
            configure(r, take(identity))
            if turn % 10 == 0:
                with pytest.raises(redis.ResponseError):
                    r.config_set("tls-key-file", "/nonexistent")
        began = time.monotonic()
        wait_until(lambda: problems or (all(counts) and all(newcomers)), 30, "everybody to have been served")
        assert time.monotonic() - began < 300
    finally:
        done.set()
        for worker in workers:
            worker.join()
    assert not problems, problems[0]
    assert all(counts)
    assert r.ping() is True


def test_redis_py_without_a_certificate_is_refused_by_default(start_server):
    server = start_tls(start_server)
    settings = client_settings({}) | tls_settings(identity=False)
    client = redis.Redis(host="127.0.0.1", port=server.tls_port, **settings)
    with pytest.raises((redis.ConnectionError, OSError)):
        client.ping()
    client.close()

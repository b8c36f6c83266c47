"""Somebody to ask: the model in this process, an engine in this process, or the server program over a socket. Replies are compared byte by byte
with ones that are put together here, not by the reference's own encoder."""

import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from support.embedded import Engine
from support.server import larder_binary
from support.waiting import SLOWDOWN, wait_until

from .model import Model, Settings

WAIT_S = 10 * SLOWDOWN
START_TIME = 1_700_000_000  # of the model's clock

SET, TTL, GET, DEL, INC, DEC, LOCK, UNLOCK = range(1, 9)
MSET, MTTL, MGET, MDEL, MINC, MDEC, MLOCK, MUNLOCK, COUNT = range(9, 18)
STATS, PING, META, KEYS = range(18, 22)
END = 255

CLOSED = b""  # instead of a reply: the connection ends


def frame(code, encoding, data):
    return struct.pack("<h", code) + bytes([encoding]) + struct.pack("<I", len(data)) + data


ERR, NOT_FOUND, NAN, MEM, LOCKED, OK = (frame(code, 0, b"\x00") for code in range(6))


def value(data):
    return frame(6, 0, data)


def number(of):
    return frame(6, 2, struct.pack("<q", of))


def listing(*pairs):
    """Pairs of (key, bytes or int)."""
    data = struct.pack("<I", len(pairs))
    for key, of in pairs:
        encoded = struct.pack("<q", of) if isinstance(of, int) else of
        data += struct.pack("<I", len(key)) + key + bytes([2 if isinstance(of, int) else 0])
        data += struct.pack("<I", len(encoded)) + encoded
    return frame(7, 0, data)


def parse_listing(reply):
    """The pairs of a list whose values the test does not know beforehand."""
    code, encoding, size, count = struct.unpack_from("<hBII", reply)
    assert (code, encoding, size) == (7, 0, len(reply) - 7)
    at, pairs = 11, []
    for _ in range(count):
        parts = []
        for is_value in (False, True):
            kind = reply[at] if is_value else 0
            at += is_value
            (part_size,) = struct.unpack_from("<I", reply, at)
            part = reply[at + 4 : at + 4 + part_size]
            assert len(part) == part_size
            parts.append(int.from_bytes(part, "little", signed=True) if kind == 2 else part)
            at += 4 + part_size
        pairs.append(tuple(parts))
    assert at == len(reply)
    return pairs


def parse_number(reply):
    code, encoding, size, of = struct.unpack("<hBIq", reply)
    assert (code, encoding, size) == (6, 2, 8)
    return of


def request(opcode, payload=b""):
    return struct.pack("<IH", 2 + len(payload), opcode) + payload


class ModelPeer:
    """The model; its clock stands still but for `pass_seconds`."""

    keeps_expired = True  # an item past its ttl is there until somebody asks for it, or the sweep comes by
    is_refused_unread = True  # without memory, SET and MSET are refused whatever their payload

    def __init__(self, **settings):
        self.model = Model(Settings(**settings), now=START_TIME)
        self.model.connected()

    def ask(self, opcode, payload=b""):
        return self.model.execute(opcode, payload)[0]

    def pass_seconds(self, seconds):
        self.model.tick(self.model.now + seconds)

    def now(self):
        return self.model.now

    def close(self):
        pass


class Asking:
    """Requests over sockets that connect() gives: one after the other, until the server closes it."""

    connected = None
    keeps_expired = True
    is_refused_unread = True

    def ask(self, opcode, payload=b""):
        if self.connected is None:
            self.connected = self.connect()
        self.connected.sendall(request(opcode, payload))
        reply = read_reply(self.connected)
        if reply == CLOSED or opcode == END:
            self.disconnect()
        return reply

    def disconnect(self):
        if self.connected is not None:
            self.connected.close()
            self.connected = None


class EnginePeer(Asking):
    """Larder inside this process, serving Gibson on a Unix socket; its clock stands still but for `pass_seconds`."""

    keeps_expired = False  # it is gone at its time, for everybody
    is_refused_unread = False

    PARAMETERS = {
        "max_memory": "maxmemory",
        "max_item_ttl": "gibson-max-item-ttl",
        "max_request_size": "gibson-max-request-size",
        "max_key_size": "gibson-max-key-size",
        "max_value_size": "gibson-max-value-size",
        "max_response_size": "gibson-max-response-size",
        "gc_ratio": "gibson-gc-ratio",
        "compression": "gibson-compression",
        "max_mem_cron": "gibson-max-mem-cron",
    }

    def __init__(self, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="gibson-"))
        self.path = str(self.folder / "socket")
        given = vars(Settings(**settings))
        lines = [f"{self.PARAMETERS[name]} {of}" for name, of in given.items() if name in self.PARAMETERS]
        self.engine = Engine("\n".join([f"gibson-unixsocket {self.path}", "save ''", *lines]), threads=2)
        self.engine.serve()
        self.engine.freeze()
        self.engine.set_time(START_TIME)

    def connect(self):
        return connect_to(self.path)

    def pass_seconds(self, seconds):
        self.engine.advance(seconds)

    def now(self):
        return int(self.engine.now())

    def close(self):
        self.disconnect()
        self.engine.close()
        shutil.rmtree(self.folder)


def connect_to(path):
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(WAIT_S)
    try:
        connected.connect(path)
    except BaseException:
        connected.close()
        raise
    return connected


def gibson_in(folder):
    """The server under test as a program called gibson in this folder."""
    (folder / "gibson").symlink_to(larder_binary())
    return str(folder / "gibson")


class Program:
    """The server under test, by the name of `gibson`, with a configuration file and a Unix socket of its own; or on a
    port of the loopback interface."""

    def __init__(self, flags=(), config="", port=None, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="gibson-"))
        self.path = str(self.folder / "socket")
        self.port = port
        self.config = self.folder / "gibson.conf"
        place = f"address 127.0.0.1\nport {port}\n" if port else f"unix_socket {self.path}\n"
        lines = "".join(f"{name} {of}\n" for name, of in settings.items())
        self.config.write_text(f"{place}pidfile {self.folder}/pid\n{lines}{config}")
        self.log = self.folder / "log"
        self.executable = gibson_in(self.folder)
        self.start(flags)

    def start(self, flags=()):
        with open(self.log, "ab") as log:
            words = [self.executable, "-c", str(self.config), *flags]
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        self.await_start()

    def await_start(self):
        def answers():
            try:
                with self.connect() as connected:
                    connected.sendall(request(PING))
                    return read_reply(connected) == OK
            except OSError:
                assert self.process.poll() is None, self.log.read_text()

        wait_until(answers, what="the server to start")

    def connect(self):
        if self.port:
            return socket.create_connection(("127.0.0.1", self.port), WAIT_S)
        return connect_to(self.path)

    def stop(self, how=signal.SIGTERM):
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(WAIT_S)

    def close(self):
        status = self.stop()
        log = self.log.read_text(errors="replace")
        shutil.rmtree(self.folder)
        assert status == 0, log


def read_exactly(connected, size):
    """So many bytes; fewer at the end of the stream."""
    data = b""
    while len(data) < size:
        try:
            part = connected.recv(size - len(data))
        except ConnectionError:
            break
        if not part:
            break
        data += part
    return data


def read_reply(connected):
    """One reply, CLOSED at the end of the stream."""
    header = read_exactly(connected, 7)
    if not header:
        return CLOSED
    (size,) = struct.unpack_from("<I", header, 3)
    return header + read_exactly(connected, size)

"""Servers for the tests: the real one, a `gibson` from PATH, and scripted ones that send whatever a test wants."""

import atexit
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from pygibson import Client, PyGibsonError

POLL_S = 0.01
SLOW_POLL_S = 0.1
START_S = 10
TIMEOUT_MS = 5000

# The configuration that the tests of the original client used.
CONFIG = {
    "loglevel": 0,
    "logflushrate": 1,
    "daemonize": 0,
    "max_memory": "1G",
    "max_item_ttl": 2592000,
    "max_idletime": 5,
    "max_clients": 255,
    "max_request_size": "10M",
    "max_key_size": "512K",
    "max_value_size": "9M",
    "max_response_size": "15M",
    "compression": "20K",
    "cron_period": 100,
}


def wait_for(condition, what, seconds=START_S):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(POLL_S)


def free_port():
    """A port that stays free until a server is told to listen on it, now and after its end: the socket bound to it here
    keeps the system from giving it to others who ask for any. It does not listen, and so does not keep the server out."""
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("", 0))
    atexit.register(reservation.close)
    return reservation.getsockname()[1]


class Gibson:
    """A server process of its own, on a free port, or on a Unix socket if `unix` is true."""

    def __init__(self, unix=False, port=None):
        self.folder = Path(tempfile.mkdtemp(prefix="gibson-"))
        self.port = None if unix else port or free_port()
        self.unix_socket = str(self.folder / "socket") if unix else None
        self.process = None
        self._write_config()
        self.start()

    def _write_config(self):
        place = {"unix_socket": self.unix_socket} if self.unix_socket else {"address": "127.0.0.1", "port": self.port}
        options = {**CONFIG, **place, "pidfile": self.folder / "pid"}
        text = "".join(f"{name} {value}\n" for name, value in options.items())
        (self.folder / "gibson.conf").write_text(text)

    def start(self):
        self.log = open(self.folder / "log", "ab")
        command = [shutil.which("gibson"), "-c", str(self.folder / "gibson.conf")]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        wait_for(self._answers, "the server to start")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"gibson ended: {(self.folder / 'log').read_text(errors='replace')}")
        try:
            with self.client() as client:
                client.ping()
        except PyGibsonError:
            return False
        return True

    def client(self, kind=Client):
        return kind("127.0.0.1", self.port or 0, self.unix_socket, TIMEOUT_MS)

    def stop(self, how=signal.SIGTERM):
        """Ends the process and returns its status; a second time nothing happens."""
        if self.process is None:
            return None
        self.process.send_signal(how)
        status, self.process = self.process.wait(START_S), None
        self.log.close()
        return status

    def close(self):
        status = self.stop()
        shutil.rmtree(self.folder)
        if status not in (0, None):
            raise AssertionError(f"gibson ended with status {status} at SIGTERM")

    def pass_seconds(self, seconds):
        """Waits: nobody sets the clock of a server program, and the original's tests are of whole seconds, too."""
        with self.client() as client:
            wanted = client.stats()["server_time"] + seconds
            while client.stats()["server_time"] < wanted:
                time.sleep(SLOW_POLL_S)


@unittest.skipUnless(shutil.which("gibson"), "there is no executable `gibson` on PATH")
class GibsonTest(unittest.TestCase):
    """A test that has a server of its own."""

    UNIX = False

    def setUp(self):
        self.gibson = self.start_gibson(unix=self.UNIX)

    def start_gibson(self, **options):
        gibson = Gibson(**options)
        self.addCleanup(gibson.close)
        return gibson


def reply(code, encoding=0, data=b"\x00"):
    return struct.pack("<hBI", code, encoding, len(data)) + data


OK = reply(5)


def value(data):
    return reply(6, 0, data)


def number(count, size=8):
    return reply(6, 2, count.to_bytes(size, "little", signed=True))


def entry(key, encoding, data):
    return struct.pack("<I", len(key)) + key + struct.pack("<BI", encoding, len(data)) + data


def listing(*entries):
    return reply(7, 0, struct.pack("<I", len(entries)) + b"".join(entries))


HANG = object()  # in a script: neither answers nor closes
CLOSE = object()  # in a script: closes the connection


class ScriptedServer:
    """Answers request after request with the next piece of its script, whoever asks; after the last it closes.

    A piece is bytes; a list of what is sent one after another; a function of the request that returns bytes; HANG or
    CLOSE. `requests` has the bytes received.
    """

    def __init__(self, *script):
        self.script = list(script)
        self.requests = []
        self.accepted = 0
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.connected = None  # whom it serves now
        self.lock = threading.Lock()  # of connected
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.is_over.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self.listener.close()
        with self.lock:
            if self.connected is not None:  # a client that nobody closed, which PyPy would only do some time later
                self.connected.shutdown(socket.SHUT_RDWR)
        self.thread.join(START_S)
        assert not self.thread.is_alive(), "the scripted server does not end"

    def _serve(self):
        while not self.is_over.is_set():
            try:
                connected, _address = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._keep(connected)
            with connected, connected.makefile("rb") as stream:
                try:
                    self._converse(connected, stream)
                except OSError:
                    pass
                self._keep(None)

    def _keep(self, connected):
        with self.lock:
            self.connected = connected
            if connected is not None and self.is_over.is_set():
                connected.shutdown(socket.SHUT_RDWR)

    def _converse(self, connected, stream):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while self.script:
            header = stream.read(4)
            if len(header) < 4:
                return
            self.requests.append(header + stream.read(struct.unpack("<I", header)[0]))
            piece = self.script.pop(0)
            if piece is CLOSE:
                return
            if piece is HANG:
                self.is_over.wait()
                return
            if callable(piece):
                piece = piece(self.requests[-1])
            for part in piece if isinstance(piece, list) else [piece]:
                connected.sendall(part)
                time.sleep(0)


class ScriptedTest(unittest.TestCase):
    def serve(self, *script):
        server = ScriptedServer(*script)
        self.addCleanup(server.close)
        return server

    def client_of(self, *script, timeout=TIMEOUT_MS, kind=Client):
        self.server = self.serve(*script)
        return kind("127.0.0.1", self.server.port, None, timeout)

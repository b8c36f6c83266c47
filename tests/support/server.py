"""Servers under test: found, started, watched and stopped.

A Server is one process with its own folder, port and Unix socket. Whoever starts one owns it and stops it; stop()
checks that it went down the way a healthy server does: exit status 0 and no sanitizer report in its output.
"""

import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from .certificates import certificates
from .resp import Closed, RawConnection
from .waiting import PATIENCE_S, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
SANITIZED = os.environ.get("LARDER_SANITIZED") == "1"
READY_LINE = "eady to accept connections"  # 7.0 begins it otherwise when only the Unix socket is served
QUIET = {"driver_info": None, "maint_notifications_config": MaintNotificationsConfig(enabled=False)}
RESERVED_PORTS = 16  # more than a test uses at a time
PORT_TAKEN_LINE = "Failed listening on port"
SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): (Address|Leak|Thread|Memory)Sanitizer|: runtime error: ")


def larder_binary():
    """The server under test: LARDER_SERVER, or the release build."""
    given = os.environ.get("LARDER_SERVER", "build/release/larder-server")
    return str((REPOSITORY / given).resolve()) if "/" in given else shutil.which(given) or given


def reference_binary():
    """The real redis-server to compare with, None when it is not installed."""
    return shutil.which(os.environ.get("REDIS_SERVER", "redis-server"))


_reserved = collections.deque()  # sockets of the last ports that free_port() gave out


def free_port():
    """A port that stays free until a server is told to listen on it. The socket bound to it here is kept for a while:
    the system then gives the port to nobody who asks for any, but to a server that names it, as both allow their
    address to be used again and the one here does not listen."""
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("", 0))
    _reserved.append(reservation)
    if len(_reserved) > RESERVED_PORTS:
        _reserved.popleft().close()
    return reservation.getsockname()[1]


def run_to_exit(binary, words, cwd, stdin=None):
    """Runs a server that is expected to refuse its configuration; returns the finished process."""
    return subprocess.run(
        [binary, *words],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        errors="replace",
    )


def client_settings(arguments):
    """redis-py's settings for tests, with those given on top."""
    return {"protocol": 2, "socket_timeout": PATIENCE_S, "retry": Retry(NoBackoff(), 0), **QUIET, **arguments}


def tls_settings(identity=None):
    """redis-py's settings for TLS, with the usual client's certificate, or none when `identity` is False.

    It introduces itself: without a reply to read first, it takes the session tickets that TLS 1.3 brings after the
    handshake for data that nobody asked for, and gives up (with any server, if the tickets come soon enough).
    """
    settings = {"ssl": True, "ssl_ca_certs": str(certificates().authority), "driver_info": DriverInfo()}
    if identity is not False:
        identity = identity or certificates().client
        settings |= {"ssl_certfile": str(identity.certificate), "ssl_keyfile": str(identity.key)}
    return settings


class Server:
    """One running server process.

    words:    command line after the binary; None gives the usual one for tests, to which `options` are added.
    options:  directive -> value or list of words, e.g. {"maxclients": 10, "save": ""}.
    leading_words: put before the usual ones, e.g. a configuration file.
    ready_by: "log" (its line in the output) or "ping", for servers that log elsewhere.
    tls:      with a TLS port, whose clients must show a certificate unless `options` say otherwise.
    """

    def __init__(
        self,
        binary,
        threads=None,
        words=None,
        options=None,
        port=None,
        leading_words=(),
        ready_by="log",
        folder=None,
        tls=False,
    ):
        self.binary = binary
        self.threads = threads
        self.ready_by = ready_by
        self.folder = folder or Path(tempfile.mkdtemp(prefix="larder-test-"))
        self.unix_path = str(self.folder / "s.sock")
        self.output_path = self.folder / "output.log"
        self.has_tls = tls
        self.process = None
        self.is_stopped = False
        self.expected_status = 0  # what stop() demands; a test that brings about another end sets it
        self._connections = []
        for attempt in range(5):
            self.port = port or free_port()
            self.tls_port = free_port() if tls else None
            self._start(words if words is not None else [*leading_words, *self._usual_words(options or {})])
            if self._wait_ready():
                return
            # Another process may have taken the free port in between: only then another try is justified.
            if port or PORT_TAKEN_LINE not in self.log() or attempt == 4:
                self._fail("the server did not get ready")

    def _usual_words(self, options):
        merged = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.unix_path,
            "save": "",
            "dir": str(self.folder),
            "enable-debug-command": "yes",
        }
        if self.threads:
            merged["threads"] = self.threads
        if self.has_tls:
            merged.update(certificates().options(self.tls_port))
        merged.update(options)
        words = []
        for name, value in merged.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            words += [f"--{name}", *map(str, values)]
        return words

    def _start(self, words):
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                [self.binary, *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_ready(self):
        is_ready = self._answers if self.ready_by == "ping" else lambda: READY_LINE in self.log()
        try:
            wait_until(lambda: self.process.poll() is not None or is_ready(), 15, "the server to get ready")
        except AssertionError as late:
            self._fail(str(late))
        return self.process.poll() is None

    def _answers(self):
        try:
            with RawConnection(("127.0.0.1", self.port), timeout_s=1.0) as connection:
                connection.send(b"PING\r\n")
                return connection.read_frame()
        except (OSError, Closed):
            return None

    def log(self):
        return self.output_path.read_text(errors="replace")

    def _fail(self, why):
        log = self.log()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.is_stopped = True
        shutil.rmtree(self.folder, ignore_errors=True)
        raise AssertionError(f"{why} (exit status {self.process.returncode})\n--- output ---\n{log[-8000:]}")

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def raw(self, transport="tcp", **arguments):
        """A new raw connection; closed with the others by close_connections() or stop()."""
        connection = RawConnection(self._way_to(transport), **arguments)
        self._connections.append(connection)
        return connection

    def _way_to(self, transport):
        if transport == "tls":
            return self.tls_socket()
        return self.address if transport == "tcp" else self.unix_path

    def tls_socket(self, context=None, timeout_s=PATIENCE_S, host="127.0.0.1"):
        """A socket whose TLS handshake is complete, with the usual client's certificate; closed by its user."""
        context = context or certificates().client_context()
        plain = socket.create_connection((host, self.tls_port), timeout=timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise

    def client(self, transport="tcp", **arguments):
        """A new redis-py client that never retries, so that a lost connection shows; closed like raw().

        It speaks RESP2 unless told otherwise and sends nothing of its own accord while connecting.
        """
        settings = client_settings(arguments)
        if transport == "tcp":
            settings.setdefault("host", "127.0.0.1")
            client = redis.Redis(port=self.port, **settings)
        elif transport == "tls":
            client = redis.Redis(host="127.0.0.1", port=self.tls_port, **(settings | tls_settings()))
        else:
            client = redis.Redis(unix_socket_path=self.unix_path, **settings)
        self._connections.append(client)
        return client

    def close_connections(self):
        """Closes what raw() and client() gave out."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def is_running(self):
        return self.process.poll() is None

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait_exit(self, timeout_s=20.0):
        """Waits for the process to end by itself and returns its exit status."""
        wait_until(lambda: self.process.poll() is not None, timeout_s, "the server to exit")
        return self.process.returncode

    def stop(self, expect_running=True):
        """Stops the server and removes its folder; raises when it had crashed, leaked or went down badly."""
        self.close_connections()
        if self.is_stopped:
            return
        self.is_stopped = True
        crashed = expect_running and not self.is_running()
        if self.is_running():
            self.signal(signal.SIGTERM)
            try:
                self.wait_exit(30)
            except AssertionError:
                self._fail("the server ignored SIGTERM")
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        if crashed:
            raise AssertionError(f"the server died (exit status {self.process.returncode})\n{log[-8000:]}")
        if self.process.returncode != self.expected_status:
            raise AssertionError(f"the server exited with status {self.process.returncode}\n{log[-8000:]}")
        if SANITIZER_REPORT.search(log):
            raise AssertionError(f"a sanitizer reported:\n{log[-20000:]}")

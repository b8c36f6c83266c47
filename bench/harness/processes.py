"""Starts the programs under test, talks to them, reads what the kernel counts of them, and always stops them.

A server lives in a temporary folder of its own, on a free port or Unix socket, on the cores it is given, and is stopped
by its process id. The load generator is started anew for every measurement.
"""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20
START_ATTEMPTS = 5  # another program may take the free port between our look and the server's


class BenchError(Exception):
    """A measurement could not be taken; the text is for the user."""


def cpu_ns(pid):
    """CPU time, user and system, of all threads of a process so far."""
    process_clock = (~pid << 3) | 2  # what clock_getcpuclockid(3) computes
    try:
        return time.clock_gettime_ns(process_clock)
    except OSError:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def run_queue_ns(pid):
    """How long the threads of a process were ready to run and had no core; None where the kernel does not count it."""
    try:
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks)
    except (OSError, IndexError):
        return None


def resident_bytes(pid):
    """Memory of a process that is in RAM. smaps_rollup counts it; statm is cheaper but lags by some pages per core."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Connection:
    """A minimal RESP2 client for the few commands that the harness itself needs."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(60)
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    @staticmethod
    def _encode(words):
        encoded = [str(word).encode() for word in words]
        return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)

    def _reply(self):
        line = self.file.readline().decode().rstrip("\r\n")
        kind, rest = line[:1], line[1:]
        if kind == ":":
            return int(rest)
        if kind == "+":
            return rest
        if kind == "$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == "*":
            return [self._reply() for _ in range(int(rest))]
        raise BenchError(f"a command was answered: {line or 'nothing'}")

    def command(self, *words):
        """Sends a command and returns its reply."""
        self.socket.sendall(self._encode(words))
        return self._reply()

    def pipeline(self, commands):
        """Sends commands at once and returns their replies."""
        self.socket.sendall(b"".join(self._encode(words) for words in commands))
        return [self._reply() for _ in commands]


def make_certificate(folder):
    """Writes a key and a certificate for it into the folder; returns the options that make a server use them."""
    certificate, key = pathlib.Path(folder, "server.crt"), pathlib.Path(folder, "server.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-subj", "/CN=bench", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"cannot make a certificate: {error}") from error
    return ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]


def address_options(address):
    """The load generator's options for an address: a path, or host and port."""
    return ["--unix", address] if isinstance(address, str) else ["--host", address[0], "--port", str(address[1])]


class Server:
    """A server process under test; use it with `with`."""

    def __init__(self, name, program, cores, options=(), uses_unix_socket=False, tls_options=(), speaks_gibson=False):
        self.name = name
        self.program = program
        self.cores = cores
        self.options = list(options)
        self.uses_unix_socket = uses_unix_socket
        self.tls_options = list(tls_options)  # not empty: the generator comes over TLS
        self.tls_port = None
        self.speaks_gibson = speaks_gibson    # beside RESP; see GibsonDoor
        self.gibson_address = None            # as address
        self.process = None
        self.folder = None
        self.address = None  # (host, port) or the path of a Unix socket

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        try:
            for _ in range(START_ATTEMPTS):
                self._start()
                if self._becomes_ready():
                    return self
            raise BenchError(f"{self.name} does not start; its log ends with:\n{self._log_end()}")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.folder.cleanup()

    def connect(self):
        return Connection(self.address)

    def generator_address(self):
        """The options that lead the load generator here."""
        if self.tls_options:
            return ["--host", "127.0.0.1", "--port", str(self.tls_port), "--tls"]
        return address_options(self.address)

    def check_alive(self):
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} ended with code {self.process.returncode}; log:\n{self._log_end()}")

    def _start(self):
        if self.uses_unix_socket:
            self.address = os.path.join(self.folder.name, "socket")
            port, extra = 0, ["--unixsocket", self.address]
        else:
            self.address = ("127.0.0.1", free_port())
            port, extra = self.address[1], []
        if self.tls_options:
            self.tls_port = free_port()
            extra += ["--tls-port", str(self.tls_port), *self.tls_options]
        if self.speaks_gibson:
            extra += self._open_for_gibson()
        command = ["taskset", "-c", self.cores, self.program, "--save", "", "--appendonly", "no",
                   "--bind", "127.0.0.1", "--port", str(port), *extra, *self.options]
        with open(os.path.join(self.folder.name, "log"), "wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder.name, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)

    def _open_for_gibson(self):
        if self.uses_unix_socket:
            self.gibson_address = os.path.join(self.folder.name, "gibson")
            return ["--gibson-unixsocket", self.gibson_address]
        self.gibson_address = ("127.0.0.1", free_port())
        return ["--gibson-port", str(self.gibson_address[1])]

    def _becomes_ready(self):
        """Waits for the first answer; False when the process has ended instead."""
        limit = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                return False
            try:
                with self.connect() as connection:
                    connection.command("PING")
                return True
            except OSError:
                time.sleep(0.01)
        raise BenchError(f"{self.name} does not answer after {START_SECONDS_MAX} s; log:\n{self._log_end()}")

    def _log_end(self):
        log = pathlib.Path(self.folder.name, "log")
        return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) or "(nothing)"


class GibsonDoor:
    """A Larder as clients of Gibson's protocol find it: whatever a measurement asks of a server."""

    def __init__(self, server):
        self.name = server.name
        self.pid = server.pid
        self.check_alive = server.check_alive
        self.address = server.gibson_address

    def generator_address(self):
        return [*address_options(self.address), "--protocol", "gibson"]


class Generator:
    """The load generator, bench/load.c, on its cores."""

    def __init__(self, program, cores):
        self.program = program
        self.cores = cores

    def start(self, server, *options, cores=None):
        """Starts it against the server; hand the process to `result`."""
        command = ["taskset", "-c", cores or self.cores, self.program, *server.generator_address(),
                   *map(str, options)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def result(self, server, process):
        """Waits for the end of a started generator and returns its report."""
        try:
            out, err = process.communicate()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            server.check_alive()
            raise BenchError(f"load against {server.name}: {err.strip() or f'exit code {process.returncode}'}")
        return json.loads(out)

    def run(self, server, *options):
        return self.result(server, self.start(server, *options))

    def hold_idle(self, server, count):
        """Opens idle connections; they close when the returned process's stdin does (see IdleConnections)."""
        return IdleConnections(self, server, count)


class IdleConnections:
    """Connections that the generator holds open inside the `with` block."""

    def __init__(self, generator, server, count):
        self.generator = generator
        self.server = server
        self.count = count

    def __enter__(self):
        self.process = self.generator.start(self.server, "--idle", self.count)
        if self.process.stdout.readline().strip() != "ready":
            _, err = self.process.communicate()
            raise BenchError(f"{self.count} idle connections to {self.server.name}: {err.strip()}")
        return self

    def __exit__(self, *_):
        self.process.communicate()


def settled_resident_bytes(server, still_seconds, seconds_max):
    """Resident bytes once they have not moved by more than 64 KiB for a while, or when the time is up."""
    limit = time.monotonic() + seconds_max
    still_since, value = time.monotonic(), resident_bytes(server.pid)
    while time.monotonic() < limit and time.monotonic() - still_since < still_seconds:
        time.sleep(0.1)
        current = resident_bytes(server.pid)
        if abs(current - value) > 64 * 1024:
            still_since, value = time.monotonic(), current
    return resident_bytes(server.pid)

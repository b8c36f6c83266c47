"""Several servers as one: each key belongs to one of them, prefix operators ask all.

Which one a key belongs to is decided by rendezvous hashing: every server gets a score from its name and the key,
and the highest wins. So the servers' order does not matter, every process decides alike, and when one of n servers
goes, only its own keys, about 1/n of all, move, evenly to the others. The score is the BLAKE2b of the key, 8 bytes,
big-endian, keyed with the BLAKE2b of the server's name, 32 bytes. What counts of a key is what the server sees of
it, up to the first space.

A server is in or out. It goes out when connecting fails, or when `max_failures` requests in a row were not
answered. After `retry_after` milliseconds the next request of anybody asks it for an answer first: then it is in
again, or stays out for as long once more. The request that saw connecting fail goes on to the next server, since
nothing was sent; one that may have been carried out is not repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterable
from typing import Any, Callable

from _pygibson import BusyError, NotFoundError, PyGibsonError, UnavailableError
from _pygibson import _protocol as protocol
from _pygibson._commands import Bytes, to_bytes
from _pygibson._protocol import Value

from ._client import DEFAULT_PORT, DEFAULT_TIMEOUT_MS, PublicCommands
from ._fork import ForkAware
from ._pool import ConnectionPool

_SCORE_SIZE = 8
_HASH_KEY_SIZE = 32

_LISTS = frozenset((protocol.MGET, protocol.KEYS))
_COUNTS = frozenset(
    (protocol.MSET, protocol.MTTL, protocol.MDEL, protocol.MINC, protocol.MDEC)
    + (protocol.MLOCK, protocol.MUNLOCK, protocol.COUNT)
)
_FOR_ALL = _LISTS | _COUNTS | {protocol.PING}


def _parse(address: str) -> tuple[str, dict[str, Any]]:
    """The server's name, and how to reach it. "/path" is a Unix socket, "host:port" or "host" is TCP."""
    if address.startswith("/"):
        return address, {"unix_socket": address}
    host, colon, port = address.partition(":")
    if not host or (colon and not port.isdecimal()):
        raise ValueError(f"neither host, host:port nor the absolute path of a socket: {address!r}")
    number = int(port) if colon else DEFAULT_PORT
    return f"{host}:{number}", {"host": host, "port": number}


class _Server(ForkAware):
    """A server, its connections, and whether it is in."""

    def __init__(
        self, name: str, pool: ConnectionPool, max_failures: int, retry_after_s: float, clock: Callable[[], float]
    ):
        self.name = name
        self.pool = pool
        self._hash = hashlib.blake2b(
            digest_size=_SCORE_SIZE, key=hashlib.blake2b(name.encode(), digest_size=_HASH_KEY_SIZE).digest()
        )
        self._max_failures = max_failures
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._lock = threading.Lock()  # of what follows
        self._failures = 0  # requests in a row that were not answered
        self._out_until_s: float | None = None  # None: in
        super().__init__()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()

    @property
    def is_in(self) -> bool:
        return self._out_until_s is None

    def score(self, key: bytes) -> bytes:
        scoring = self._hash.copy()
        scoring.update(key)
        return scoring.digest()

    def is_available(self) -> bool:
        """Whether the server is in. One whose time out is over is asked, by one thread; the others go on without
        it."""
        if self._out_until_s is None:
            return True
        with self._lock:
            if self._out_until_s is None:
                return True
            if self._clock() < self._out_until_s:
                return False
            self._out_until_s = self._clock() + self._retry_after_s
        try:
            self.pool.ping()
        except PyGibsonError:
            return False
        with self._lock:
            self._out_until_s, self._failures = None, 0
        return True

    def _failed(self, is_certain: bool) -> None:
        with self._lock:
            self._failures += 1
            if is_certain or self._failures >= self._max_failures:
                self._out_until_s = self._clock() + self._retry_after_s

    def run(self, op: int, key: bytes, payload: bytes) -> Any:
        try:
            result = self.pool._run(op, key, payload)
        except UnavailableError as error:
            self._failed(is_certain=not error.was_sent)
            raise
        except BusyError:
            raise
        except PyGibsonError:
            self._failures = 0  # an answer like any other
            raise
        self._failures = 0
        return result


class Servers(PublicCommands):
    """Several servers with the keys spread over them; safe to use from many threads at once.

        servers = pygibson.Servers(["10.0.0.1", "10.0.0.2:10129", "/run/gibson.sock"])

    Each server has a pool of `size` connections with this `timeout` (milliseconds). A server that can not be
    reached, or leaves `max_failures` requests in a row without an answer, is out for `retry_after` milliseconds:
    its keys belong to the others as long, and are its own again when it is back, with whatever it then holds of
    them.

    Operators on a prefix ask all servers that are in, one after another, and put the answers together: counts are
    added, and keys and values come in the order of the keys. If one server fails, the others are asked all the
    same, and the error is raised afterwards. `ping` asks all that are in, `stats` returns the statistics of each by
    its name.
    """

    def __init__(
        self,
        servers: Iterable[str],
        timeout: int = DEFAULT_TIMEOUT_MS,
        *,
        size: int = 10,
        max_idle: float = 60,
        max_failures: int = 3,
        retry_after: int = 5000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parsed = [_parse(address) for address in servers]
        if not parsed or len(dict(parsed)) < len(parsed):
            raise ValueError("there must be servers, and each only once")
        self._servers = [
            _Server(
                name,
                ConnectionPool(**address, timeout=timeout, size=size, max_idle=max_idle),
                max_failures,
                retry_after / 1000,
                clock,
            )
            for name, address in parsed
        ]

    def states(self) -> dict[str, bool]:
        """Whether each server is in, by its name."""
        return {server.name: server.is_in for server in self._servers}

    def server_of(self, key: Bytes) -> str:
        """The name of the server that the key belongs to, of all that are in; of all if none is."""
        return self._owner([server for server in self._servers if server.is_in] or self._servers, to_bytes(key)).name

    @staticmethod
    def _owner(servers: list[_Server], key: bytes) -> _Server:
        seen_by_server = key.split(b" ", 1)[0]
        return max(servers, key=lambda server: server.score(seen_by_server))

    def _available(self) -> list[_Server]:
        available = [server for server in self._servers if server.is_available()]
        if not available:
            raise UnavailableError("no server can be reached", was_sent=False)
        return available

    def _run(self, op: int, key: bytes = b"", payload: bytes = b"") -> Any:
        if op in _FOR_ALL:
            return self._run_everywhere(op, key, payload)
        while True:  # each turn without an answer takes a server out
            try:
                return self._owner(self._available(), key).run(op, key, payload)
            except UnavailableError as error:
                if error.was_sent or not any(self.states().values()):
                    raise

    def _run_everywhere(self, op: int, key: bytes, payload: bytes) -> Any:
        """Asks every server; what can not be reached is out and has no part in it."""
        results: list[tuple[_Server, Any]] = []
        failure: PyGibsonError | None = None
        not_found: NotFoundError | None = None
        available = self._available()
        for server in available:
            try:
                results.append((server, server.run(op, key, payload)))
            except NotFoundError as error:
                not_found = error
            except UnavailableError as error:
                if error.was_sent or not any(self.states().values()):
                    failure = failure or error
            except PyGibsonError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        if not results and not_found is not None:
            raise not_found
        return self._merge(op, available, results)

    def _merge(self, op: int, available: list[_Server], results: list[tuple[_Server, Any]]) -> Any:
        if op == protocol.PING:
            return None
        if op in _COUNTS:
            return sum(count for _server, count in results)
        if op == protocol.KEYS:
            keys = sorted({key for _server, found in results for key in found.values()})
            return {str(number): key for number, key in enumerate(keys)}
        merged: dict[str, Value] = {}
        for server, found in results:
            for key, value in found.items():
                # a key is on two servers when one of them was out meanwhile: the one it belongs to counts
                if key not in merged or self._owner(available, key.encode()) is server:
                    merged[key] = value
        return dict(sorted(merged.items()))

    def stats(self) -> dict[str, dict[str, Value]]:  # type: ignore[override]
        """The statistics of each server that is in, by its name."""
        return {server.name: server.run(protocol.STATS, b"", b"") for server in self._available()}

    def close(self) -> None:
        """Closes all connections."""
        for server in self._servers:
            with contextlib.suppress(PyGibsonError):
                server.pool.close()

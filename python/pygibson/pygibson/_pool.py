"""A bounded number of connections to one server, for any number of threads.

A connection is in use by one call, or by one `with pool.connection()`, or it is idle. The idle ones are a stack:
what was used last is used next, so that a quiet pool keeps few of them warm and lets the others go. `_slots` counts
how many more connections may be in use; the idle ones do not count, since one is taken only after a slot was.

A connection is looked at before it is used: one that the server has closed, or that has something to read that
nobody asked for, or that was idle for too long, is closed, and a new one made. A connection that fails is never
used again.
"""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from _pygibson import BusyError, PyGibsonError

from ._client import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_TIMEOUT_MS, Client, PublicCommands
from ._fork import ForkAware


class _Idle(NamedTuple):
    client: Client
    since_s: float


class ConnectionPool(PublicCommands, ForkAware):
    """Connections to one server; safe to use from many threads at once.

    Every operator borrows a connection for one request; `with pool.connection() as client:` borrows one for
    several. At most `size` are in use at a time. Whoever needs one more waits for up to `timeout` milliseconds,
    then gets a BusyError. Connections are made when they are first needed, and closed when they were idle for
    `max_idle` seconds.

    After a fork the child's pool starts without connections, and leaves those of the parent alone.
    """

    def __init__(
        self,
        host: str | None = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        unix_socket: str | None = None,
        timeout: int = DEFAULT_TIMEOUT_MS,
        *,
        size: int = 10,
        max_idle: float = 60,
    ) -> None:
        if size < 1:
            raise ValueError("a pool has at least one connection")
        self._address = host, port, unix_socket, timeout
        self._size = size
        self._max_idle_s = max_idle
        self._is_closed = False
        self._slots = threading.Semaphore(size)
        self._idle: collections.deque[_Idle] = collections.deque()  # its operations are atomic
        super().__init__()

    def _start_afresh(self) -> None:
        self._close_idle()
        self._slots = threading.Semaphore(self._size)

    @contextlib.contextmanager
    def connection(self) -> Iterator[Client]:
        """Lends a connection to a `with` block."""
        slots = self._slots
        timeout_ms = self._address[3]
        if not slots.acquire(timeout=timeout_ms / 1000 if timeout_ms > 0 else None):
            raise BusyError(f"all {self._size} connections are in use")
        try:
            client = self._take()
            try:
                yield client
            finally:
                self._give_back(client, slots)
        finally:
            slots.release()

    def _take(self) -> Client:
        """An idle connection that is fit for use, or a new one."""
        if self._is_closed:
            raise PyGibsonError("the pool is closed")
        while True:
            try:
                idle = self._idle.pop()
            except IndexError:
                return Client(*self._address)
            if not self._is_too_old(idle) and idle.client._is_idle():
                return idle.client
            idle.client._disconnect()

    def _give_back(self, client: Client, slots: threading.Semaphore) -> None:
        if slots is not self._slots:  # borrowed before a fork: it is the parent's
            client._disconnect()
            return
        self._idle.append(_Idle(client, time.monotonic()))
        if self._is_closed:
            self._close_idle()
        else:
            self._close_old()

    def _is_too_old(self, idle: _Idle) -> bool:
        return time.monotonic() - idle.since_s > self._max_idle_s

    def _close_old(self) -> None:
        """The oldest is first. Another thread may take it meanwhile: then that one looks at its age."""
        with contextlib.suppress(IndexError):
            while self._is_too_old(self._idle[0]):
                self._idle.popleft().client._disconnect()

    def _close_idle(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().client._disconnect()

    def _run(self, op: int, key: bytes = b"", payload: bytes = b"") -> Any:
        with self.connection() as client:
            return client._run(op, key, payload)

    def close(self) -> None:
        """Closes the idle connections now, and those in use when they are given back."""
        self._is_closed = True
        self._close_idle()

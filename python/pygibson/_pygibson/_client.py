"""One connection. It is in step with the server before and after each request; whatever breaks off in between, a
timeout or an exception of the program's, closes it, since a late reply would be taken for the next one's."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from typing import Any

from . import _protocol as protocol
from ._commands import Commands
from ._errors import PyGibsonError, UnavailableError

_READ_SIZE = 1 << 16
_QUEUE_POLL_S = 0.01


def _describe(error: OSError) -> str:
    number = error.errno or errno.EIO
    return f"( {number} ) {error.strerror or os.strerror(number)}"


class _client(Commands):
    """A connection, made at once. `timeout`, in milliseconds, bounds connecting and each wait for the server; 0 or
    less is no bound. Threads may share a client: they take turns."""

    _socket: socket.socket | None = None

    max_reply_size = 512 << 20
    """A larger reply is refused; memory is taken only as a reply arrives."""

    def __init__(self, host: str | None, port: int, unix_socket: str | None, timeout: int, /) -> None:
        self._lock = threading.Lock()
        if not isinstance(port, int) or not isinstance(timeout, int):
            raise TypeError("port and timeout must be int")
        if not isinstance(host, (str, type(None))) or not isinstance(unix_socket, (str, type(None))):
            raise TypeError("host and unix_socket must be str or None")
        if host is None and unix_socket is None:
            raise PyGibsonError("Provide either host:port or unix_socket")
        timeout_s = timeout / 1000 if timeout > 0 else None
        try:
            if unix_socket is not None:
                self._socket = _connect_unix(unix_socket, timeout_s)
            else:
                self._socket = _connect_tcp(host, port, timeout_s)
        except socket.timeout as error:
            raise UnavailableError(_describe(OSError(errno.ETIMEDOUT, None)), was_sent=False) from error
        except OSError as error:
            raise UnavailableError(_describe(error), was_sent=False) from error
        except (OverflowError, ValueError) as error:  # a port or a name that can not be
            raise UnavailableError(f"( {errno.EINVAL} ) {error}", was_sent=False) from error

    def __del__(self) -> None:
        self._disconnect()

    def quit(self) -> None:
        """Takes leave: the server closes the connection. Nothing can be asked of this client any more."""
        self._run(protocol.END)
        self._disconnect()

    def _disconnect(self) -> None:
        connected, self._socket = self._socket, None
        if connected is not None:
            connected.close()

    def _is_idle(self) -> bool:
        """Whether the connection is as a request should find it: open, and nothing there to read."""
        connected = self._socket
        if connected is None:
            return False
        timeout_s = connected.gettimeout()
        try:
            connected.setblocking(False)
            connected.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        finally:
            connected.settimeout(timeout_s)
        return False

    def _run(self, op: int, key: bytes = b"", payload: bytes = b"") -> protocol.Result:
        request = protocol.encode_request(op, payload)
        with self._lock:
            connected = self._socket
            if connected is None:
                raise UnavailableError(f"I/O operation error: {errno.ENOTCONN}", was_sent=False)
            try:
                _send(connected, request)
                return protocol.decode_reply(op, *self._receive(connected))
            except socket.timeout as error:
                self._disconnect()
                text = f"I/O operation timeout or error: {errno.ETIMEDOUT}"
                raise UnavailableError(text, was_sent=True) from error
            except OSError as error:
                self._disconnect()
                raise UnavailableError(f"I/O operation error: {error.errno or errno.EIO}", was_sent=True) from error
            except protocol.MalformedError as error:
                self._disconnect()
                raise UnavailableError(f"I/O operation error: {errno.EPROTO}", was_sent=True) from error
            except (PyGibsonError, UnicodeDecodeError):
                raise  # a whole reply, which says so
            except BaseException:
                self._disconnect()
                raise

    def _receive(self, connected: socket.socket) -> tuple[int, int, bytes]:
        """A reply: code, encoding, data."""
        received = bytearray()
        while len(received) < protocol.HEADER.size:
            received += _receive_some(connected, _READ_SIZE)
        code, encoding, size = protocol.HEADER.unpack_from(received)
        if not protocol.ERR <= code <= protocol.KVAL or size > self.max_reply_size:
            raise protocol.MalformedError
        whole_size = protocol.HEADER.size + size
        while len(received) < whole_size:
            received += _receive_some(connected, min(whole_size - len(received), _READ_SIZE))
        if len(received) > whole_size:
            raise protocol.MalformedError
        with memoryview(received) as view:
            return code, encoding, bytes(view[protocol.HEADER.size :])


def _connect(family: int, address: str | tuple[Any, ...], timeout_s: float | None) -> socket.socket:
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.settimeout(timeout_s)
        connecting.connect(address)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _connect_unix(path: str, timeout_s: float | None) -> socket.socket:
    """While the queue of a Unix socket is full, connecting fails at once, and nothing tells when to try again."""
    deadline_s = time.monotonic() + timeout_s if timeout_s is not None else None
    while True:
        try:
            return _connect(socket.AF_UNIX, path, timeout_s)
        except BlockingIOError as error:
            if deadline_s is not None and time.monotonic() >= deadline_s:
                raise OSError(errno.ETIMEDOUT, None) from error
            time.sleep(_QUEUE_POLL_S)


def _connect_tcp(host: str | None, port: int, timeout_s: float | None) -> socket.socket:
    """To the first address of the host that answers; the servers know IPv4 only."""
    failure: OSError | None = None
    for _family, _type, _protocol, _name, address in socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM):
        try:
            connected = _connect(socket.AF_INET, address, timeout_s)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        except OSError as error:
            failure = error
    raise failure or OSError(errno.EHOSTUNREACH, None)


def _send(connected: socket.socket, request: bytes) -> None:
    """Each wait is bounded by the timeout, not all of them together."""
    sent = connected.send(request)
    if sent < len(request):
        with memoryview(request) as view:
            while sent < len(request):
                sent += connected.send(view[sent:])


def _receive_some(connected: socket.socket, room: int) -> bytes:
    data = connected.recv(room)
    if not data:
        raise ConnectionResetError(errno.ECONNRESET, None)
    return data

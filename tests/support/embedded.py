"""Larder inside this process: its shared library through ctypes, and clients over connections in memory, not sockets.

An EmbeddedServer hands out raw connections and redis-py clients as a Server does, so that the same tests run against
both; its engine's clock can be frozen and advanced. The library is LARDER_LIBRARY (default build/release/liblarder.so).
"""

import ctypes
import errno
import functools
import os
import threading
import time

import redis
from redis._parsers import _RESP2Parser
from redis.connection import AbstractConnection

from .resp import RawConnection
from .server import REPOSITORY, client_settings

POLL_INTERVAL_S = 0.001  # of a reader that waits: a pause may end, another thread may close the connection
ERROR_SIZE = 512


class _Options(ctypes.Structure):
    _fields_ = [
        ("threads", ctypes.c_size_t),
        ("config", ctypes.c_char_p),
        ("log", ctypes.c_void_p),
        ("log_context", ctypes.c_void_p),
        ("on_shutdown", ctypes.c_void_p),
        ("shutdown_context", ctypes.c_void_p),
    ]


class _ServeOptions(ctypes.Structure):
    _fields_ = [
        ("port", ctypes.c_int),
        ("bind", ctypes.c_char_p),
        ("unixsocket", ctypes.c_char_p),
        ("workers", ctypes.c_size_t),
    ]


def library_path():
    return str((REPOSITORY / os.environ.get("LARDER_LIBRARY", "build/release/liblarder.so")).resolve())


@functools.cache
def _library():
    """The library with its functions' types declared as include/larder.h has them."""
    path = library_path()
    if not os.path.exists(path):
        raise AssertionError(f"no library at {path}: build it, or name another with LARDER_LIBRARY")
    library = ctypes.CDLL(path)
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    for name, result, arguments in (
        ("larder_open", pointer, [ctypes.POINTER(_Options), text, size]),
        ("larder_close", None, [pointer]),
        ("larder_connect", pointer, [pointer]),
        ("larder_disconnect", None, [pointer]),
        ("larder_connection_write", ctypes.c_int, [pointer, text, size]),
        ("larder_connection_read", ctypes.c_ssize_t, [pointer, text, size]),
        ("larder_connection_pending", size, [pointer]),
        ("larder_serve", ctypes.c_int, [pointer, ctypes.POINTER(_ServeOptions), text, size]),
        ("larder_stop", None, [pointer]),
        ("larder_port", ctypes.c_int, [pointer]),
        ("larder_now", ctypes.c_int64, [pointer]),
        ("larder_freeze", None, [pointer]),
        ("larder_resume", None, [pointer]),
        ("larder_set_time", None, [pointer, ctypes.c_int64]),
        ("larder_advance", None, [pointer, ctypes.c_int64]),
        ("larder_upkeep", None, [pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Engine:
    """One engine; it closes its connections before itself. Times are seconds."""

    def __init__(self, config="", threads=0):
        self._library = _library()
        self._sockets = set()
        self._lock = threading.Lock()  # of _sockets
        error = ctypes.create_string_buffer(ERROR_SIZE)
        options = _Options(threads=threads, config=config.encode())
        self._engine = self._library.larder_open(ctypes.byref(options), error, ERROR_SIZE)
        if not self._engine:
            raise ValueError(error.value.decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._engine:
            for memory_socket in list(self._sockets):
                memory_socket.close()
            self._library.larder_close(self._engine)
            self._engine = None

    def connect(self):
        """A new connection in memory, in the form of a socket."""
        connection = self._library.larder_connect(self._engine)
        if not connection:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the engine takes no connection")
        memory_socket = MemorySocket(self, connection)
        with self._lock:
            self._sockets.add(memory_socket)
        return memory_socket

    def forget(self, memory_socket):
        with self._lock:
            self._sockets.discard(memory_socket)

    def serve(self):
        """Serves on a free port of the loopback interface, and returns it."""
        error = ctypes.create_string_buffer(ERROR_SIZE)
        if self._library.larder_serve(self._engine, ctypes.byref(_ServeOptions()), error, ERROR_SIZE) != 0:
            raise OSError(error.value.decode())
        return self._library.larder_port(self._engine)

    def stop(self):
        self._library.larder_stop(self._engine)

    def now(self):
        return self._library.larder_now(self._engine) / 1e6

    def freeze(self):
        self._library.larder_freeze(self._engine)

    def resume(self):
        self._library.larder_resume(self._engine)

    def set_time(self, seconds):
        self._library.larder_set_time(self._engine, round(seconds * 1e6))

    def advance(self, seconds):
        self._library.larder_advance(self._engine, round(seconds * 1e6))

    def upkeep(self):
        self._library.larder_upkeep(self._engine)


class MemorySocket:
    """What redis-py and RawConnection ask of a socket, over a connection in memory. Used by one thread at a time."""

    def __init__(self, engine, connection):
        self._library = _library()
        self._engine = engine
        self._connection = connection
        self._timeout_s = None

    def settimeout(self, timeout_s):
        self._timeout_s = timeout_s

    def sendall(self, data):
        if not self._connection:
            raise OSError(errno.EBADF, "the connection was closed here")
        data = bytes(data)
        if self._library.larder_connection_write(self._connection, data, len(data)) != 0:
            raise BrokenPipeError(errno.EPIPE, "the engine has closed the connection")

    def _read(self, size):
        """What is there, b"" at the end of the stream, None when there is nothing yet."""
        if not self._connection:
            raise OSError(errno.EBADF, "the connection was closed here")
        room = min(size, max(self._library.larder_connection_pending(self._connection), 1))
        buffer = ctypes.create_string_buffer(room)
        got = self._library.larder_connection_read(self._connection, buffer, room)
        if got == 0:
            return None
        return buffer.raw[:got] if got > 0 else b""

    def recv(self, size):
        began = time.monotonic()
        while True:
            data = self._read(size)
            if data is not None:
                return data
            if self._timeout_s == 0:
                raise BlockingIOError(errno.EAGAIN, "nothing has come")
            if self._timeout_s is not None and time.monotonic() - began >= self._timeout_s:
                raise TimeoutError("timed out")
            time.sleep(POLL_INTERVAL_S)

    def shutdown(self, _how):
        """close() does all that there is to do."""

    def close(self):
        connection, self._connection = self._connection, None
        if connection:
            self._library.larder_disconnect(connection)
            self._engine.forget(self)


class EmbeddedConnection(AbstractConnection):
    """redis-py's connection to an engine in the same process. Its own parser asks less of a socket than that of
    hiredis, which wants a file descriptor to poll."""

    def __init__(self, engine, socket_timeout=None, **settings):
        super().__init__(parser_class=_RESP2Parser, **settings)
        self.engine = engine
        self.socket_timeout = socket_timeout

    def repr_pieces(self):
        return [("engine", self.engine), ("db", self.db)]

    def _connect(self):
        memory_socket = self.engine.connect()
        memory_socket.settimeout(self.socket_timeout)
        return memory_socket

    def _host_error(self):
        return "the embedded engine"


class EmbeddedServer:
    """An engine with the face of a Server; `transport` arguments are accepted, and all mean the same."""

    def __init__(self, config="", threads=0):
        self.engine = Engine(f"enable-debug-command yes\nsave ''\n{config}", threads)
        self._connections = []

    def raw(self, _transport="embedded", **arguments):
        connection = RawConnection(self.engine.connect(), **arguments)
        self._connections.append(connection)
        return connection

    def client(self, _transport="embedded", **arguments):
        pool = redis.ConnectionPool(
            connection_class=EmbeddedConnection, engine=self.engine, **client_settings(arguments)
        )
        client = redis.Redis.from_pool(pool)
        self._connections.append(client)
        return client

    def close_connections(self):
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def stop(self):
        self.close_connections()
        self.engine.close()

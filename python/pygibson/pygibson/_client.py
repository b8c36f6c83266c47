"""The public form of the operators, and of the connection."""

from __future__ import annotations

from types import TracebackType
from typing import SupportsIndex, TypeVar

from _pygibson import _client
from _pygibson._commands import Bytes, Commands

_Self = TypeVar("_Self", bound="PublicCommands")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 10128
DEFAULT_TIMEOUT_MS = 1000


class PublicCommands(Commands):
    """The operators, where `set` and `keys` differ from `_client`'s; and the end of a `with` block closes."""

    def set(self, key: Bytes, value: Bytes, ttl: SupportsIndex = 0) -> None:  # type: ignore[override]
        """Stores a value; it expires in `ttl` seconds if that is more than 0."""
        super().set(key, value, ttl)

    def keys(self, prefix: Bytes) -> list[bytes]:  # type: ignore[override]
        """The keys that begin with the prefix."""
        return list(super().keys(prefix).values())

    def close(self) -> None:
        """Closes all connections. Nothing can be asked any more."""
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Client(PublicCommands, _client):
    """A connection to a server, made at once; to the Unix socket if one is given. `timeout` is in milliseconds: it
    bounds connecting, and each wait for the server. Threads that share a client take turns."""

    def __init__(
        self,
        host: str | None = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        unix_socket: str | None = None,
        timeout: int = DEFAULT_TIMEOUT_MS,
    ) -> None:
        super().__init__(host, port, unix_socket, timeout)

    def close(self) -> None:
        """Closes the connection, after the request that another thread may be making."""
        with self._lock:
            self._disconnect()

"""A client for Gibson cache servers.

    import pygibson

    client = pygibson.Client()                    # 127.0.0.1:10128
    client.set("user:42:name", "Ada", ttl=60)
    client.get("user:42:name")                    # b"Ada"
    client.mget("user:42:")                       # {"user:42:name": b"Ada"}

`Client` is one connection, `ConnectionPool` a bounded number of them for many threads, `Servers` several servers
with the keys spread over them. All have the same operators.
"""

from _pygibson import (
    BusyError,
    LockedError,
    NaNError,
    NoMemoryError,
    NotFoundError,
    PyGibsonError,
    UnavailableError,
)

from ._client import Client
from ._pool import ConnectionPool
from ._servers import Servers

__all__ = [
    "BusyError",
    "Client",
    "ConnectionPool",
    "LockedError",
    "NaNError",
    "NoMemoryError",
    "NotFoundError",
    "PyGibsonError",
    "Servers",
    "UnavailableError",
]

__version__ = "0.3.0"

"""The connection under `pygibson`: `_client` and the exceptions. Programs use `pygibson`."""

from ._client import _client
from ._errors import (
    BusyError,
    LockedError,
    NaNError,
    NoMemoryError,
    NotFoundError,
    PyGibsonError,
    UnavailableError,
)

__all__ = [
    "BusyError",
    "LockedError",
    "NaNError",
    "NoMemoryError",
    "NotFoundError",
    "PyGibsonError",
    "UnavailableError",
    "_client",
]

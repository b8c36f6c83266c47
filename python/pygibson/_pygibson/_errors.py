"""What can go wrong. Everything is a PyGibsonError."""

from __future__ import annotations


class PyGibsonError(Exception):
    """The server did not understand the request, or one of the errors below."""


class NotFoundError(PyGibsonError):
    """No such key; nothing under the prefix, or nothing there that the operator affects."""


class NaNError(PyGibsonError):
    """The value is no number."""


class NoMemoryError(PyGibsonError):
    """The server is over its limit of memory."""


class LockedError(PyGibsonError):
    """The item is locked."""


class UnavailableError(PyGibsonError):
    """There was no answer: connecting failed, the connection broke, time ran out, or what came is not a reply.

    `was_sent` tells whether the request may have reached the server, and so may have been carried out.
    """

    def __init__(self, message: str, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent

    def __reduce__(self) -> tuple[type[UnavailableError], tuple[str, bool]]:
        return type(self), (str(self), self.was_sent)


class BusyError(PyGibsonError):
    """All connections of a pool were in use for as long as one waits for the server."""


for _error in (PyGibsonError, *PyGibsonError.__subclasses__()):
    _error.__module__ = "_pygibson"  # where they are to be found

"""The operators as methods: arguments become bytes here, before any I/O. Where the requests go is left to `_run`: one
connection, a pool of them, or several servers."""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex, Union, cast

from . import _protocol as protocol
from ._protocol import Value

Bytes = Union[str, bytes, bytearray, memoryview]


def to_bytes(argument: Bytes) -> bytes:
    """str as UTF-8, or the bytes of any object that has some."""
    if isinstance(argument, str):
        return argument.encode()
    if isinstance(argument, bytes):
        return argument
    return bytes(memoryview(argument))


def to_number(argument: SupportsIndex) -> bytes:
    """An int as the protocol's C clients know it, modulo 2^32: -1 is -1."""
    return b"%d" % ((operator.index(argument) + (1 << 31)) % (1 << 32) - (1 << 31))


class Commands:
    """The operators. Prefix operators work on all items whose keys begin with the prefix, times are in seconds."""

    def _run(self, op: int, key: bytes = b"", payload: bytes = b"") -> Any:
        """Sends the request, whose payload is about the key or prefix `key`, and returns the decoded reply."""
        raise NotImplementedError

    def _run_key(self, op: int, key: Bytes) -> Any:
        encoded = to_bytes(key)
        return self._run(op, encoded, encoded)

    def _run_pair(self, op: int, key: Bytes, argument: bytes) -> Any:
        encoded = to_bytes(key)
        return self._run(op, encoded, encoded + b" " + argument)

    # --- one item ---

    def set(self, key: Bytes, value: Bytes, ttl: SupportsIndex, /) -> bytes:
        """Stores a value; a ttl of 0 or less is none. Returns the value as stored: the server may cut it."""
        encoded = to_bytes(key)
        payload = b" ".join((to_number(ttl), encoded, to_bytes(value)))
        return cast(bytes, self._run(protocol.SET, encoded, payload))

    def ttl(self, key: Bytes, ttl: SupportsIndex, /) -> None:
        """Lets the item expire in so many seconds; 0: never."""
        self._run_pair(protocol.TTL, key, to_number(ttl))

    def get(self, key: Bytes, /) -> Value:
        """The value: bytes, or int once it has been counted with."""
        return cast(Value, self._run_key(protocol.GET, key))

    def dl(self, key: Bytes, /) -> None:
        """Deletes the item."""
        self._run_key(protocol.DEL, key)

    def inc(self, key: Bytes, /) -> int:
        """Adds 1 and returns the sum; a missing item becomes 1."""
        return cast(int, self._run_key(protocol.INC, key))

    def dec(self, key: Bytes, /) -> int:
        """Subtracts 1 and returns the difference; a missing item becomes 1, too."""
        return cast(int, self._run_key(protocol.DEC, key))

    def lock(self, key: Bytes, time: SupportsIndex, /) -> None:
        """Locks the item for so many seconds, -1 for ever: set, dl, inc and dec raise LockedError."""
        self._run_pair(protocol.LOCK, key, to_number(time))

    def unlock(self, key: Bytes, /) -> None:
        """Unlocks the item, whoever locked it."""
        self._run_key(protocol.UNLOCK, key)

    def meta(self, key: Bytes, field: Bytes, /) -> int:
        """What the server knows of the item: size, encoding, access, created, ttl, left or lock."""
        return cast(int, self._run_pair(protocol.META, key, to_bytes(field)))

    # --- all items under a prefix ---

    def mset(self, prefix: Bytes, value: Bytes, /) -> int:
        """Overwrites the items that are there. Returns how many."""
        return cast(int, self._run_pair(protocol.MSET, prefix, to_bytes(value)))

    def mttl(self, prefix: Bytes, ttl: SupportsIndex, /) -> int:
        """Lets the items expire in so many seconds. Returns how many."""
        return cast(int, self._run_pair(protocol.MTTL, prefix, to_number(ttl)))

    def mget(self, prefix: Bytes, /) -> dict[str, Value]:
        """The items by key."""
        return cast(dict[str, Value], self._run_key(protocol.MGET, prefix))

    def mdl(self, prefix: Bytes, /) -> int:
        """Deletes the items. Returns how many."""
        return cast(int, self._run_key(protocol.MDEL, prefix))

    def minc(self, prefix: Bytes, /) -> int:
        """Adds 1 to all that are numbers. Returns how many."""
        return cast(int, self._run_key(protocol.MINC, prefix))

    def mdec(self, prefix: Bytes, /) -> int:
        """Subtracts 1 from all that are numbers. Returns how many."""
        return cast(int, self._run_key(protocol.MDEC, prefix))

    def mlock(self, prefix: Bytes, time: SupportsIndex, /) -> int:
        """Locks the items that are not. Returns how many."""
        return cast(int, self._run_pair(protocol.MLOCK, prefix, to_number(time)))

    def munlock(self, prefix: Bytes, /) -> int:
        """Unlocks the items. Returns how many there are, locked before or not."""
        return cast(int, self._run_key(protocol.MUNLOCK, prefix))

    def count(self, prefix: Bytes, /) -> int:
        """How many items there are."""
        return cast(int, self._run_key(protocol.COUNT, prefix))

    def keys(self, prefix: Bytes, /) -> dict[str, bytes]:
        """The keys, by their numbers "0", "1" and so on."""
        return cast(dict[str, bytes], self._run_key(protocol.KEYS, prefix))

    # --- the server ---

    def stats(self) -> dict[str, Value]:
        """The server's statistics by name."""
        return cast(dict[str, Value], self._run(protocol.STATS))

    def ping(self) -> None:
        """Asks the server for an answer."""
        self._run(protocol.PING)

"""The bytes of the protocol: requests out, replies in. Nothing here does I/O; every length in a reply is checked."""

from __future__ import annotations

import struct
from typing import Union

from ._errors import LockedError, NaNError, NoMemoryError, NotFoundError, PyGibsonError

Value = Union[bytes, int]
Result = Union[None, bytes, int, dict[str, Value]]

SET, TTL, GET, DEL, INC, DEC, LOCK, UNLOCK = range(1, 9)
MSET, MTTL, MGET, MDEL, MINC, MDEC, MLOCK, MUNLOCK, COUNT = range(9, 18)
STATS, PING, META, KEYS = range(18, 22)
END = 255

ERR, NOT_FOUND, NAN, MEM, LOCKED, OK, VAL, KVAL = range(8)
PLAIN, NUMBER = 0, 2

HEADER = struct.Struct("<hBI")  # of a reply: code, encoding, size of the data
_FRAME = struct.Struct("<Ih")  # of a request: size of what follows, operator
_SIZE = struct.Struct("<I")
_LARGEST_REQUEST = (1 << 32) - 1 - 2

_ERRORS = {NOT_FOUND: NotFoundError, NAN: NaNError, MEM: NoMemoryError, LOCKED: LockedError}

# What success looks like: REPL_VAL, unless it is one of these; and a number, where no item's value is asked for.
_EXPECTED = {TTL: OK, DEL: OK, LOCK: OK, UNLOCK: OK, PING: OK, END: OK, MGET: KVAL, STATS: KVAL, KEYS: KVAL}
_NUMBERS = frozenset((INC, DEC, MSET, MTTL, MDEL, MINC, MDEC, MLOCK, MUNLOCK, COUNT, META))


class MalformedError(Exception):
    """No Gibson server sends this."""


def encode_request(operator: int, payload: bytes) -> bytes:
    if len(payload) > _LARGEST_REQUEST:
        raise PyGibsonError("the request is larger than 4 GiB")
    return _FRAME.pack(2 + len(payload), operator) + payload


def decode_reply(operator: int, code: int, encoding: int, data: bytes) -> Result:
    """The operator's result; raises what the code says."""
    if code in _ERRORS:
        raise _ERRORS[code](_ERRORS[code].__name__)
    if code == ERR:
        raise PyGibsonError("the server does not understand the request")
    if code != _EXPECTED.get(operator, VAL):
        raise MalformedError
    if code == OK:
        return None
    if code == KVAL:
        return _decode_list(data)
    if operator in _NUMBERS and encoding != NUMBER:
        raise MalformedError
    return decode_value(encoding, data)


def decode_value(encoding: int, data: bytes) -> Value:
    if encoding == PLAIN:
        return data
    if encoding == NUMBER and len(data) in (1, 2, 4, 8):
        return int.from_bytes(data, "little", signed=True)
    raise PyGibsonError(f"a value of unknown encoding: {encoding}, {len(data)} bytes")


def _take(data: bytes, at: int) -> int:
    """The end of the bytes at `at`, which have their size in front of them."""
    if len(data) - at < _SIZE.size:
        raise MalformedError
    (size,) = _SIZE.unpack_from(data, at)
    end: int = at + _SIZE.size + size
    if end > len(data):
        raise MalformedError
    return end


def _decode_list(data: bytes) -> dict[str, Value]:
    """Exactly as many entries as announced, and nothing after them. Raises only after all of it was looked at: a
    key that is no UTF-8, a value of an unknown encoding."""
    if len(data) < _SIZE.size:
        raise MalformedError
    (count,) = _SIZE.unpack_from(data)
    entries = []
    at = _SIZE.size
    for _ in range(count):
        key_end = _take(data, at)
        if key_end == len(data):
            raise MalformedError
        value_end = _take(data, key_end + 1)
        entries.append((data[at + _SIZE.size : key_end], data[key_end], data[key_end + 1 + _SIZE.size : value_end]))
        at = value_end
    if at != len(data):
        raise MalformedError
    return {key.decode(): decode_value(encoding, value) for key, encoding, value in entries}

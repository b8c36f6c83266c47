"""The bytes of the protocol: operators, codes, replies, numbers, tokens."""

import enum
import struct


class Op(enum.IntEnum):
    SET = 1
    TTL = 2
    GET = 3
    DEL = 4
    INC = 5
    DEC = 6
    LOCK = 7
    UNLOCK = 8
    MSET = 9
    MTTL = 10
    MGET = 11
    MDEL = 12
    MINC = 13
    MDEC = 14
    MLOCK = 15
    MUNLOCK = 16
    COUNT = 17
    STATS = 18
    PING = 19
    META = 20
    KEYS = 21
    END = 255


class Code(enum.IntEnum):
    ERR = 0
    NOT_FOUND = 1
    NAN = 2
    MEM = 3
    LOCKED = 4
    OK = 5
    VAL = 6
    KVAL = 7


PLAIN, LZF, NUMBER = 0, 1, 2


class Refused(Exception):
    """Answers the request with the code of an error."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Dropped(Exception):
    """Closes the connection without a reply."""


# --- replies ---


def encode_value(value):
    """The encoding and the bytes of a value: int or bytes."""
    return (NUMBER, struct.pack("<q", value)) if isinstance(value, int) else (PLAIN, value)


def reply(code, encoding=PLAIN, data=b"\x00"):
    return struct.pack("<hBI", code, encoding, len(data)) + data


def value_reply(value):
    return reply(Code.VAL, *encode_value(value))


def list_reply(pairs, max_response_size):
    """A list of (key, value)."""
    data = bytearray(struct.pack("<I", len(pairs)))
    for key, value in pairs:
        encoding, encoded = encode_value(value)
        data += struct.pack("<I", len(key)) + key + struct.pack("<BI", encoding, len(encoded)) + encoded
        if len(data) > max_response_size:
            raise Dropped
    return reply(Code.KVAL, data=bytes(data))


# --- requests ---


def request(opcode, payload=b""):
    return struct.pack("<Ih", 2 + len(payload), opcode) + payload


def take_token(payload, max_size):
    """Splits a token off: (token, what follows its separator; None without one).

    A habit of the original: after `max_size` bytes a token is cut and the next byte dropped, as if it were the
    separator.
    """
    space = payload.find(b" ", 0, max_size)
    end = space if space >= 0 else min(len(payload), max_size)
    if end == 0:
        raise Refused(Code.ERR)
    return payload[:end], payload[end + 1 :] if end < len(payload) else None


def wrap(number):
    """The number as a signed integer of 64 bits."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def parse_number(token):
    """A number, None for what is none. Habits of the original: "0" and whatever follows it is 0, so is "-" alone."""
    if token.startswith(b"0"):
        return 0
    digits = token[1:] if token.startswith(b"-") else token
    if not token or any(byte not in b"0123456789" for byte in digits):
        return None
    magnitude = int(digits or b"0")
    return wrap(-magnitude if token.startswith(b"-") else magnitude)

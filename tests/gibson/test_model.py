"""Larder and the model of the original answer the same to random requests, byte by byte."""

import random

from .peer import (
    COUNT,
    DEC,
    DEL,
    GET,
    INC,
    KEYS,
    LOCK,
    MDEC,
    MDEL,
    META,
    MGET,
    MINC,
    MLOCK,
    MSET,
    MTTL,
    MUNLOCK,
    PING,
    SET,
    TTL,
    UNLOCK,
    EnginePeer,
    ModelPeer,
)

REQUESTS = 20000
KEYS_USED = [b"a", b"ab", b"abc", b"b", b"ba", b"\xff\x00", b"a\x00b", b"key:1", b"key:2", b"k"]
PREFIXES = [*KEYS_USED, b"key:", b"x"]
NUMBERS = [b"0", b"1", b"2", b"3", b"5", b"-1", b"-2", b"-", b"00", b"x", b"1 ", b"9223372036854775807", b"2592001"]
VALUES = [b"1", b"-7", b"0", b"text", b"12x", b"with blanks  in it", b"\x00\xff", b"z" * 90, b"9223372036854775807"]
FIELDS = [b"size", b"encoding", b"access", b"created", b"ttl", b"left", b"lock", b"l", b"lo", b"sizes", b"no"]
SETTINGS = {"max_key_size": 6, "max_value_size": 80, "compression": 60, "max_response_size": 400}
ONE_KEY = [GET, DEL, INC, DEC, UNLOCK]
ONE_PREFIX = [MDEL, MINC, MDEC, MUNLOCK, COUNT, KEYS, MGET]


def random_request(draw):
    opcode = draw.choice([*ONE_KEY * 3, *ONE_PREFIX, *[SET] * 8, TTL, LOCK, MSET, MTTL, MLOCK, META, META, PING])
    key, prefix, number = draw.choice(KEYS_USED), draw.choice(PREFIXES), draw.choice(NUMBERS)
    if draw.random() < 0.03:
        return opcode, draw.choice([b"", b" ", b"a", b"a ", b" a", b"0 a", b"0 a ", b"0  a", b"longer than a key x"])
    if opcode == SET:
        return opcode, b" ".join((number, key, draw.choice(VALUES)))
    if opcode in ONE_KEY:
        return opcode, key
    if opcode == MGET and draw.random() < 0.5:
        return opcode, prefix + b" " + number
    if opcode in ONE_PREFIX:
        return opcode, prefix
    if opcode in (TTL, LOCK):
        return opcode, key + b" " + number
    if opcode in (MTTL, MLOCK):
        return opcode, prefix + b" " + number
    if opcode == META:
        return opcode, key + b" " + draw.choice(FIELDS)
    return opcode, prefix + b" " + draw.choice(VALUES)


def test_random_requests_are_answered_as_the_model_does(seed):
    draw = random.Random(seed)
    model, engine = ModelPeer(**SETTINGS), EnginePeer(**SETTINGS)
    try:
        for step in range(REQUESTS):
            if draw.random() < 0.02:
                seconds = draw.choice([1, 1, 2, 3, 10])
                for peer in (model, engine):
                    peer.pass_seconds(seconds)
                    for key in KEYS_USED:  # so that the model, too, lets go of what has expired
                        peer.ask(COUNT, key)
            opcode, payload = random_request(draw)
            expected, got = model.ask(opcode, payload), engine.ask(opcode, payload)
            if opcode == META and b" s" in payload and expected != got:
                assert expected[:7] == got[:7]  # of what is compressed, each in its own form
                continue
            assert got == expected, f"seed {seed}, step {step}: {opcode} {payload!r}"
    finally:
        engine.close()

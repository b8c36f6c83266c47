"""The protocol, byte by byte: any stream of bytes, well-formed or not, gets the bytes that redis-server answers, and
the connection is closed exactly when redis-server closes it."""

import random
import re
import socket

import pytest

from support.resp import encode

from .pair import Pair, show_reply
from .streams import LARGE_STREAMS, PIPELINE, STREAMS, UNAUTHENTICATED_STREAMS, random_cuts, random_stream

# HELLO names the version and a client id.
MASKED = [
    (re.compile(rb"\$7\r\nversion\r\n\$\d+\r\n[\d.]+\r\n"), b"(version)"),
    (re.compile(rb"\$2\r\nid\r\n:\d+\r\n"), b"(id)"),
    # 7.2 says where the protocol version goes in the HELLO that it advises.
    (re.compile(rb"otherwise the HELLO <proto> AUTH"), b"otherwise the HELLO AUTH"),
]
CLOSING = re.compile(rb"-ERR Protocol error")
SENTINEL = encode("ECHO", "(sentinel)")


def masked(reply):
    for pattern, text in MASKED:
        reply = pattern.sub(text, reply)
    return reply


def converse(server, pieces, nudge, half_close):
    """Sends the pieces, each seen by the server on its own, and returns all that comes back until the server closes.

    nudge is another connection: its answered PING tells that the server has gone round its loop since the last piece.
    """
    with server.raw() as connection:
        try:
            for number, piece in enumerate(pieces):
                if number:
                    nudge.command("PING")
                connection.send(piece)
            if half_close:
                connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed by the server already: what it said before is still to be read
        return masked(connection.read_until_closed())


def check(pair, pieces, half_close=True):
    replies = [
        converse(server, pieces, nudge, half_close)
        for server, nudge in zip((pair.larder, pair.reference), pair.connections)
    ]
    stream = b"".join(pieces)
    assert replies[0] == replies[1], (
        f"stream {show_reply(stream)}, sent in pieces of {[len(piece) for piece in pieces][:50]}\n"
        f"    under test: {show_reply(replies[0])}\n    reference:  {show_reply(replies[1])}"
    )
    return replies[1]


def check_stream(pair, stream):
    """Alone, followed by a request that shows what state it left, and whether the server closes of its own accord."""
    reply = check(pair, [stream])
    followed = check(pair, [stream, SENTINEL])
    if CLOSING.search(reply) and b"(sentinel)" not in followed:
        check(pair, [stream], half_close=False)


@pytest.mark.parametrize("name", STREAMS)
def test_stream_is_answered_as_by_redis(pair, name):
    check_stream(pair, STREAMS[name])


@pytest.mark.parametrize("name", LARGE_STREAMS)
def test_large_stream_is_answered_as_by_redis(pair, name):
    def answer(server):
        with server.raw() as connection:
            connection.send(LARGE_STREAMS[name] + SENTINEL)
            frames = []
            while not frames or frames[-1] != b"$10\r\n(sentinel)\r\n":
                frames.append(connection.read_frame())
            return frames

    assert answer(pair.larder) == answer(pair.reference)


@pytest.mark.parametrize(
    "name", ["inline_quit", "quit_between_requests", "quit_with_arguments", "http_post", "http_host"]
)
def test_connection_is_closed_without_waiting_for_the_client(pair, name):
    check(pair, [STREAMS[name]], half_close=False)


@pytest.mark.parametrize("name", [name for name, stream in STREAMS.items() if len(stream) < 300])
def test_stream_a_byte_at_a_time_is_answered_the_same(pair, name):
    stream = STREAMS[name]
    check(pair, [stream[at : at + 1] for at in range(len(stream))])


def test_pipeline_a_byte_at_a_time(pair):
    check(pair, [PIPELINE[at : at + 1] for at in range(len(PIPELINE))])


def test_pipeline_cut_at_every_position(pair):
    for at in range(1, len(PIPELINE)):
        check(pair, [PIPELINE[:at], PIPELINE[at:]])


def test_pipeline_broken_off_at_every_position(pair):
    """The requests that had arrived whole are carried out and answered, though the client is half gone."""
    for at in range(1, len(PIPELINE)):
        check(pair, [PIPELINE[:at]])


@pytest.fixture(scope="module")
def own_commands(session_pair):
    """Those that only the server under test knows, and those that only redis-server does: damage may make any of them
    out of another command's name."""
    ours, theirs = (
        {name.decode() for _, name in server.raw().ask("COMMAND", "LIST")[1] if b"|" not in name}
        for server in (session_pair.larder, session_pair.reference)
    )
    return sorted(ours - theirs), sorted(theirs - ours)


@pytest.fixture(scope="module")
def like_pair(binary, reference, own_commands):
    """Two servers that know the same commands."""
    pair = Pair(binary, reference, hidden=own_commands)
    yield pair
    pair.stop()


def test_random_damaged_streams(like_pair, seed, request):
    pair = like_pair
    pair.reset()
    chooser = random.Random(seed)
    for number in range(request.config.getoption("--random-streams")):
        stream = random_stream(chooser)
        try:
            check_stream(pair, stream)
            check(pair, random_cuts(chooser, stream))
        except AssertionError as difference:
            raise AssertionError(f"stream {number}, --seed {seed}: {difference}") from None


@pytest.fixture(scope="module")
def password_pair(binary, reference, own_commands):
    pair = Pair(binary, reference, options={"requirepass": "secret"}, hidden=own_commands)
    yield pair
    pair.stop()


@pytest.mark.parametrize("name", UNAUTHENTICATED_STREAMS)
def test_stream_before_authentication_is_answered_as_by_redis(password_pair, name):
    password_pair.open()
    check_stream(password_pair, UNAUTHENTICATED_STREAMS[name])


def test_random_damaged_streams_before_authentication(password_pair, seed):
    password_pair.open()
    chooser = random.Random(seed)
    for _ in range(60):
        check_stream(password_pair, random_stream(chooser))


@pytest.fixture(scope="module")
def small_bulk_pair(binary, reference):
    pair = Pair(binary, reference, options={"proto-max-bulk-len": "1mb"})
    yield pair
    pair.stop()


@pytest.mark.parametrize(
    "stream",
    [
        encode("ECHO", "x" * (1 << 20)),
        b"*2\r\n$4\r\nECHO\r\n$1048577\r\n",
        encode("SETRANGE", "k", 1048575, "x"),
        encode("SETRANGE", "k", 1048576, "x"),
        encode("SET", "a", "x" * (1 << 20))
        + encode("APPEND", "a", "")
        + encode("APPEND", "a", "x")
        + encode("STRLEN", "a"),
        b"*1048577\r\n",
    ],
    ids=["longest", "too_long", "longest_by_setrange", "too_long_by_setrange", "too_long_by_append", "many_words"],
)
def test_proto_max_bulk_len_limits_words_and_values(small_bulk_pair, stream):
    small_bulk_pair.open()
    check_stream(small_bulk_pair, stream)

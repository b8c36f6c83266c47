"""A raw RESP client: requests as bytes, replies as the exact bytes of one frame or as a tree.

A tree node is a pair (type, payload): type is the frame's first byte as a one-character string; payload is bytes for
simple types, None for a null, a list for an aggregate (for maps and attributes: a flat list key, value, key, ...).
Nothing is converted, so that two trees are equal exactly when the replies mean the same in every client.
"""

import socket

from .waiting import PATIENCE_S

AGGREGATES = b"*~>%|"
BLOBS = b"$=!"


class Closed(Exception):
    """The server closed the connection; `rest` holds what had arrived of an unfinished reply."""

    def __init__(self, rest=b""):
        super().__init__(f"connection closed by the server, unfinished reply: {rest!r}")
        self.rest = rest


def as_bytes(word):
    if isinstance(word, bytes):
        return word
    return str(word).encode()


def encode(*words):
    """One request as an array of bulk strings, the form that clients send."""
    parts = [b"*%d\r\n" % len(words)]
    for word in map(as_bytes, words):
        parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(parts)


def frame_end(data, at=0):
    """The offset after the frame that begins at `at`, or -1 while it is not all there."""
    pending = 1
    while pending:
        pending -= 1
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return -1
        kind = data[at]
        if kind in BLOBS:
            length = int(data[at + 1 : line_end])
            at = line_end + 2 if length < 0 else line_end + 2 + length + 2
            if at > len(data):
                return -1
        else:
            if kind in AGGREGATES:
                count = max(int(data[at + 1 : line_end]), 0)
                pending += count * 2 if kind in b"%|" else count
                if kind == ord("|"):
                    pending += 1  # an attribute precedes the reply that it describes
            elif kind not in b"+-:_#,(":
                raise ValueError(f"not a RESP frame: {bytes(data[at : at + 60])!r}")
            at = line_end + 2
    return at


def decode(frame):
    """The tree of one whole frame."""
    tree, end = _decode_at(frame, 0)
    if end != len(frame):
        raise ValueError(f"{len(frame) - end} bytes after the frame {frame[:60]!r}")
    return tree


def _decode_at(frame, at):
    line_end = frame.index(b"\r\n", at)
    kind = chr(frame[at])
    line = frame[at + 1 : line_end]
    at = line_end + 2
    if frame[at - len(line) - 3] in BLOBS:
        length = int(line)
        if length < 0:
            return (kind, None), at
        return (kind, frame[at : at + length]), at + length + 2
    if kind in "*~>%|":
        count = int(line)
        if count < 0:
            return (kind, None), at
        items = []
        for _ in range(count * 2 if kind in "%|" else count):
            item, at = _decode_at(frame, at)
            items.append(item)
        return (kind, items), at
    return (kind, line), at


class RawConnection:
    """One connection over TCP ((host, port)), a Unix socket (a path), or something connected that acts as a socket."""

    def __init__(self, address, timeout_s=PATIENCE_S):
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, timeout=timeout_s)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elif isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout_s)
            self.socket.connect(address)
        else:
            self.socket = address
            self.socket.settimeout(timeout_s)
        self.received = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _receive(self):
        try:
            data = self.socket.recv(1 << 20)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            raise Closed(bytes(self.received))
        self.received += data

    def read_frame(self):
        """The exact bytes of the next reply."""
        while True:
            end = frame_end(self.received)
            if end >= 0:
                frame = bytes(self.received[:end])
                del self.received[:end]
                return frame
            self._receive()

    def read_until_closed(self):
        """All bytes up to the end of the stream."""
        try:
            while True:
                self._receive()
        except Closed as closed:
            self.received.clear()
            return closed.rest

    def command(self, *words):
        """Sends one request, returns the bytes of its reply."""
        self.send(encode(*words))
        return self.read_frame()

    def ask(self, *words):
        """Sends one request, returns the tree of its reply."""
        return decode(self.command(*words))

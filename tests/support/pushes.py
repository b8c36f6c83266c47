"""Connections that tell replies from what the server sends of its own accord."""

from .resp import RawConnection, decode, encode

INVALIDATE_CHANNEL = b"__redis__:invalidate"


def is_push(tree):
    """A RESP3 push, or an invalidation in the form that RESP2 has for it."""
    kind, items = tree
    return kind == ">" or (kind == "*" and bool(items) and items[0] == ("$", b"message"))


class Listener:
    """A connection in RESP2 or RESP3 with the pushes that came over it so far.

    What a command of another connection brings about has arrived once that command was answered and this connection has
    been asked something after it: sync() does that.
    """

    def __init__(self, connection, protocol=3):
        self.connection: RawConnection = connection
        self.pushes = []
        self.id = int(self.ask("CLIENT", "ID")[1])
        if protocol == 3:
            self.ask("HELLO", 3)

    def read_reply(self):
        """The next frame that is no push; pushes before it are noted."""
        while True:
            frame = self.connection.read_frame()
            tree = decode(frame)
            if not is_push(tree):
                return tree
            self.pushes.append(tree)

    def ask(self, *words):
        self.connection.send(encode(*words))
        return self.read_reply()

    def sync(self):
        """All pushes that came since the last sync; a connection in subscriber mode answers PING otherwise."""
        assert self.ask("PING") in (("+", b"PONG"), ("*", [("$", b"pong"), ("$", b"")]))
        pushes, self.pushes = self.pushes, []
        return pushes

    def close(self):
        self.connection.close()


def invalidated(pushes):
    """The keys that these pushes invalidate, in order; None where all are."""
    keys = []
    for _, items in pushes:
        if items[0] == ("$", b"invalidate"):
            names = items[1]
        else:
            assert items[:2] == [("$", b"message"), ("$", INVALIDATE_CHANNEL)], items
            names = items[2]
        if names[1] is None or names[0] == "_":
            keys.append(None)
        else:
            keys += [name.decode() for _, name in names[1]]
    return keys

"""The server under test and a real redis-server side by side: same requests to both, replies compared.

Replies must be equal byte for byte. Where Redis itself promises no particular bytes (the order of KEYS, a TTL that
shrinks while the request travels), a named rule from rules.py says what is compared instead.
"""

from support.fresh import make_fresh
from support.resp import Closed, as_bytes, decode, encode
from support.server import Server

from .rules import rule_for


def show(words, limit=120):
    """A command for people: redis-cli style, long arguments shortened."""
    shown = []
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        shown.append(repr(word[:limit])[1:] + (f"...({len(word)} bytes)" if len(word) > limit else ""))
    return " ".join(shown)


def show_reply(frame, limit=400):
    return repr(frame[:limit]) + (f"...({len(frame)} bytes)" if len(frame) > limit else "")


class Difference(AssertionError):
    pass


class Pair:
    """Two servers, and one connection to each over which comparable commands go."""

    def __init__(self, binary, reference, threads=2, options=None, hidden=((), ())):
        """hidden: commands that the server under test, and the reference, are not to know."""
        options = options or {}
        words = [[word for name in names for word in ("--rename-command", name, "")] for names in hidden]
        self.larder = Server(binary, threads=threads, options=options, leading_words=words[0])
        try:
            self.reference = Server(reference, options=options, leading_words=words[1])
        except AssertionError:
            self.larder.stop()
            raise
        self.connections = None
        self.queued = []  # what the open transaction will run

    def stop(self):
        try:
            self.larder.stop()
        finally:
            self.reference.stop()

    def open(self):
        """New connections, in RESP2 and database 0."""
        self.close()
        self.connections = self.larder.raw(), self.reference.raw()
        self.queued = []

    def close(self):
        for connection in self.connections or ():
            connection.close()
        self.connections = None

    def reset(self):
        """Empty servers and new connections."""
        for server in (self.larder, self.reference):
            make_fresh(server)
        self.open()

    def exchange(self, commands):
        """Sends all commands in one pipeline to both; yields (command, reply under test, reference reply)."""
        request = b"".join(encode(*words) for words in commands)
        for connection in self.connections:
            connection.send(request)
        for words in commands:
            try:
                ours = self.connections[0].read_frame()
            except Closed as closed:
                ours = b"(closed) " + closed.rest
            try:
                theirs = self.connections[1].read_frame()
            except Closed as closed:
                theirs = b"(closed) " + closed.rest
            yield words, ours, theirs

    def differences(self, commands):
        """The commands whose replies differ, as texts for people."""
        found = []
        for words, ours, theirs in self.exchange(commands):
            is_same = same_reply(words, ours, theirs) or self._same_transaction(words, ours, theirs)
            self._follow_transaction(words, theirs)
            if not is_same:
                found.append(f"{show(words)}\n    under test: {show_reply(ours)}\n    reference:  {show_reply(theirs)}")
        return found

    def _follow_transaction(self, words, reply):
        if reply == b"+QUEUED\r\n":
            self.queued.append(words)
        elif name_of(words) in ("EXEC", "DISCARD", "RESET"):
            self.queued = []

    def _same_transaction(self, words, ours, theirs):
        """The replies of EXEC one by one, each by the rule of its command."""
        if name_of(words) != "EXEC" or b"(closed)" in (ours[:8], theirs[:8]):
            return False
        (kind, replies), (their_kind, their_replies) = decode(ours), decode(theirs)
        if not kind == their_kind == "*" or not replies or not their_replies:
            return False
        return len(replies) == len(their_replies) == len(self.queued) and all(
            ours == theirs or same_tree(words, ours, theirs)
            for words, ours, theirs in zip(self.queued, replies, their_replies)
        )

    def compare(self, commands):
        """Fails at the first difference."""
        found = self.differences(commands)
        if found:
            raise Difference(f"{len(found)} of {len(commands)} replies differ:\n" + "\n".join(found[:20]))

    def compare_contents(self, db_count=16):
        """All keys of all databases: type, encoding, value, and deadline."""
        for db in range(db_count):
            self.compare([("SELECT", db), ("DBSIZE",)])
            keys = sorted(key for _, key in self.connections[1].ask("KEYS", "*")[1])
            ours = sorted(key for _, key in self.connections[0].ask("KEYS", "*")[1])
            assert ours == keys, f"keys of database {db} differ: {set(ours) ^ set(keys)}"
            for at in range(0, len(keys), 200):
                self.compare(
                    [
                        command
                        for key in keys[at : at + 200]
                        for command in (
                            ("TYPE", key),
                            ("OBJECT", "ENCODING", key),
                            ("STRLEN", key),
                            ("GET", key),
                            ("PTTL", key),
                            ("PEXPIRETIME", key),
                        )
                    ]
                )
        self.compare([("SELECT", 0)])


def same_reply(words, ours, theirs):
    if ours == theirs:
        return True
    if ours.startswith(b"(closed)") or theirs.startswith(b"(closed)"):
        return False
    return same_tree(words, decode(ours), decode(theirs))


def same_tree(words, ours, theirs):
    rule = rule_for(words)
    return rule is not None and rule(ours, theirs)


def name_of(words):
    return as_bytes(words[0]).upper().decode("latin-1")

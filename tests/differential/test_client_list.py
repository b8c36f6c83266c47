"""CLIENT LIST beside redis-server: what it says of a client in every state that the client can be in."""

import pytest

from support.resp import as_bytes, decode

from .pair import show

FIELDS = ["name", "flags", "db", "sub", "psub", "ssub", "multi", "cmd", "user", "redir", "resp"]

SCRIPTS = {
    "nothing yet": [],
    "refused for the number of words": [("GET", "a"), ("SET", "a")],
    "refused as unknown": [("GET", "a"), ("nosuch",), ("GET", "a"), ("CONFIG", "nosuch"), ("CONFIG",)],
    "refused as a subscriber": [("SUBSCRIBE", "a"), ("GET", "a"), ("CLIENT", "ID"), ("nosuch",), ("PING",)],
    "refused by its user's rules": [
        ("ACL", "SETUSER", "u", "on", "nopass", "+get"),
        ("AUTH", "u", "x"),
        ("SET", "a", "b"),
        ("GET", "a"),
    ],
    "queued": [("MULTI",), ("SET", "a", "b"), ("WATCH", "a"), ("GET", "a"), ("EXEC",)],
    "queued in vain, for a refused command": [
        ("MULTI",),
        ("SET", "a", "b"),
        ("nosuch",),
        ("GET", "a"),
        ("PING",),
        ("EXEC",),
        ("PING",),
    ],
    "queued in vain, for a touched key": [
        ("WATCH", "a"),
        ("SET", "a", "b"),
        ("MULTI",),
        ("PING",),
        ("GET", "a"),
        ("EXEC",),
    ],
    "discarded": [("MULTI",), ("PING",), ("DISCARD",)],
    "subscribed to everything": [
        ("HELLO", 3),
        ("SUBSCRIBE", "a"),
        ("PSUBSCRIBE", "*"),
        ("SSUBSCRIBE", "a"),
        ("SELECT", 3),
    ],
    "tracking": [
        ("CLIENT", "TRACKING", "ON"),
        ("CLIENT", "SETNAME", "n"),
        ("CLIENT", "NO-EVICT", "ON"),
        ("CLIENT", "TRACKING", "OFF"),
        ("CLIENT", "TRACKING", "ON", "BCAST"),
    ],
    "monitoring": [("MONITOR",)],
}


def fields(line):
    pairs = dict(word.split("=", 1) for word in line.split())
    flags = "".join(sorted(pairs["flags"]))
    return {name: pairs.get(name) for name in FIELDS} | {"flags": flags}


def line_of(client, connection):
    """A function that tells what another connection sees of the client."""
    number = client.ask("CLIENT", "ID")[1]
    return lambda: fields(connection.ask("CLIENT", "LIST", "ID", number)[1].decode())


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_client_is_described_alike_after_each_of_its_commands(pair, name):
    clients = [server.raw() for server in (pair.larder, pair.reference)]
    lines = [line_of(client, connection) for client, connection in zip(clients, pair.connections)]
    for words in [("PING",), *SCRIPTS[name]]:
        for client in clients:
            client.command(*words)
        ours, theirs = (line() for line in lines)
        assert ours == theirs, show(words)
    pair.compare([("ACL", "DELUSER", "u")])


@pytest.mark.parametrize("words", [("CLIENT", "INFO"), ("CLIENT", "LIST", "TYPE", "normal")])
def test_a_client_describes_itself_alike_within_a_transaction(pair, words):
    seen = []
    for connection in pair.connections:
        for command in [("PING",), ("MULTI",), ("SET", "a", "b"), words, ("GET", "a")]:
            connection.command(*map(as_bytes, command))
        texts = decode(connection.command("EXEC"))[1]
        seen.append([fields(line) for line in texts[1][1].decode().splitlines() if line])
    assert seen[0] == seen[1]

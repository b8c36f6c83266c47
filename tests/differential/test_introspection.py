"""COMMAND: what clients, proxies and ACL tools learn about the commands in scope is what redis-server says of them."""

import pytest

from support.resp import decode

from .pair import show_reply
from .rules import command_info

COMMANDS = [
    "set",
    "get",
    "getdel",
    "getex",
    "getset",
    "setnx",
    "setex",
    "psetex",
    "mget",
    "mset",
    "msetnx",
    "append",
    "strlen",
    "getrange",
    "substr",
    "setrange",
    "incr",
    "decr",
    "incrby",
    "decrby",
    "incrbyfloat",
    "lcs",
    "del",
    "unlink",
    "exists",
    "type",
    "touch",
    "keys",
    "scan",
    "randomkey",
    "rename",
    "renamenx",
    "copy",
    "move",
    "select",
    "subscribe",
    "unsubscribe",
    "psubscribe",
    "punsubscribe",
    "publish",
    "pubsub",
    "pubsub|channels",
    "pubsub|numsub",
    "pubsub|numpat",
    "pubsub|shardchannels",
    "pubsub|shardnumsub",
    "pubsub|help",
    "ssubscribe",
    "sunsubscribe",
    "spublish",
    "swapdb",
    "dbsize",
    "flushdb",
    "flushall",
    "expire",
    "pexpire",
    "expireat",
    "pexpireat",
    "ttl",
    "pttl",
    "expiretime",
    "pexpiretime",
    "persist",
    "object|encoding",
    "object|freq",
    "object|idletime",
    "object|refcount",
    "object|help",
    "ping",
    "echo",
    "hello",
    "auth",
    "quit",
    "reset",
    "client|id",
    "client|getname",
    "client|setname",
    "client|info",
    "client|list",
    "client|kill",
    "client|no-evict",
    "client|reply",
    "client|pause",
    "client|unpause",
    "client|unblock",
    "client|help",
    "info",
    "config",
    "config|get",
    "config|set",
    "config|resetstat",
    "config|rewrite",
    "config|help",
    "time",
    "command|info",
    "command|count",
    "command|list",
    "command|getkeys",
    "command|getkeysandflags",
    "command|docs",
    "command|help",
    "memory|usage",
    "debug",
    "shutdown",
    "lolwut",
    "object",
]
CONTAINERS = ["client", "command", "memory"]
CATEGORIES = ["string", "keyspace", "connection", "read", "write", "fast", "slow", "dangerous", "admin"]

GETKEYS = [
    ("SET", "k", "v"),
    ("SET", "k", "v", "GET"),
    ("SET", "k", "v", "EX", "10", "get"),
    ("SET", "k"),
    ("MSET", "a", "1", "b", "2"),
    ("MSET", "a"),
    ("MSETNX", "a", "1"),
    ("MGET", "a", "b", "a"),
    ("DEL", "a", "b"),
    ("UNLINK", "a"),
    ("EXISTS", "a", "b"),
    ("TOUCH", "a"),
    ("COPY", "a", "b"),
    ("COPY", "a", "b", "DB", "1"),
    ("RENAME", "a", "b"),
    ("RENAMENX", "a", "b"),
    ("LCS", "a", "b"),
    ("GETEX", "k"),
    ("GETDEL", "k"),
    ("APPEND", "k", "v"),
    ("INCR", "k"),
    ("INCRBYFLOAT", "k", "1"),
    ("SETRANGE", "k", "1", "v"),
    ("EXPIRE", "k", "1", "NX"),
    ("TTL", "k"),
    ("PERSIST", "k"),
    ("MOVE", "k", "1"),
    ("OBJECT", "ENCODING", "k"),
    ("MEMORY", "USAGE", "k"),
    ("OBJECT", "HELP"),
    ("OBJECT", "bogus", "k"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CLIENT", "ID"),
    ("FLUSHALL",),
    ("SELECT", "1"),
    ("GET", ""),
    ("get", b"\x00"),
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", COMMANDS)
def test_command_info_matches(pair, name, protocol):
    pair.compare([("HELLO", protocol), ("COMMAND", "INFO", name), ("COMMAND", "INFO", name.upper(), "nothing", name)])


@pytest.mark.parametrize("name", CONTAINERS)
def test_command_info_of_containers_matches(pair, name):
    """Without their subcommands, some of which belong to features that come later."""
    ours, theirs = (decode(connection.command("COMMAND", "INFO", name)) for connection in pair.connections)
    for tree in (ours, theirs):
        tree[1][0][1][9] = ("*", [])
    assert command_info(ours, theirs)


@pytest.mark.parametrize("subcommand", ["GETKEYS", "GETKEYSANDFLAGS"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_keys_of_a_command_are_found(pair, subcommand, protocol):
    pair.compare([("HELLO", protocol), *[("COMMAND", subcommand, *words) for words in GETKEYS]])


@pytest.mark.parametrize(
    "filter_by",
    [("ACLCAT", category) for category in CATEGORIES]
    + [("PATTERN", pattern) for pattern in ("*get*", "s*", "client|*", "GET", "[gs]et", "config*", "")],
)
def test_filtered_lists_hold_the_same_commands(pair, filter_by):
    """Restricted to the commands in scope: the servers know others besides."""
    known = set(COMMANDS) | set(CONTAINERS)
    replies = [connection.command("COMMAND", "LIST", "FILTERBY", *filter_by) for connection in pair.connections]
    ours, theirs = ({name.decode() for _, name in decode(reply)[1]} & known for reply in replies)
    assert ours == theirs, show_reply(replies[0])


def test_list_count_and_info_agree(pair):
    connection = pair.connections[0]
    listed = {name.decode() for _, name in connection.ask("COMMAND", "LIST")[1]}
    names = {name for name in listed if "|" not in name}
    count = int(connection.ask("COMMAND", "COUNT")[1])
    everything = connection.ask("COMMAND")
    assert count == len(names) == len(everything[1]) == len(connection.ask("COMMAND", "INFO")[1])
    assert set(COMMANDS) <= listed
    assert {entry[1][0][1].decode() for entry in everything[1]} == names


@pytest.mark.parametrize("name", [name for name in COMMANDS if "|" not in name])
def test_docs_agree_on_the_facts(pair, name):
    """Summaries and argument texts were rewritten in 7.2; since, group and complexity were not."""

    def facts(connection):
        ((_, entries),) = (connection.ask("COMMAND", "DOCS", name),)
        (_, fields) = entries[1]
        by_name = {fields[at][1]: fields[at + 1] for at in range(0, len(fields), 2)}
        assert by_name[b"summary"][1], "an empty summary"
        return entries[0], by_name[b"since"], by_name[b"group"]

    ours, theirs = map(facts, pair.connections)
    assert ours == theirs

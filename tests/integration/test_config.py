"""CONFIG: reading, setting, resetting statistics and rewriting the file."""

import os
import stat

import pytest
import redis

from support.server import free_port

# All names of 7.2 beyond those of 7.0, which the differential suite compares one by one.
NAMES_OF_7_2 = [
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "locale-collate",
    "cluster-announce-human-nodename",
]


def test_get_takes_several_patterns(r):
    found = r.config_get("max*nts", "timeout", "maxmemory-p*", "nothing-like-this")
    assert set(found) == {"maxclients", "maxmemory-clients", "timeout", "maxmemory-policy"}
    assert "port" in r.config_get("*")
    assert list(r.config_get("MAXCLIENTS").values()) == list(r.config_get("maxclients").values())


def test_every_directive_can_be_read_alone_and_set_to_its_own_value(start_server):
    """CONFIG SET of what CONFIG GET returned is accepted, or refused as immutable, for every directive."""
    server = start_server(threads=2)
    r = server.client()
    directives = r.config_get("*")
    assert len(directives) >= 190
    fixed = set()
    for name, value in directives.items():
        assert r.config_get(name) == {name: value}, name
        try:
            r.config_set(name, value)
        except redis.ResponseError as refusal:
            assert (
                "can't set immutable config" in str(refusal)
                or "can't set protected config" in str(refusal)
                or name in ("tls-port", "replicaof", "slaveof")
            ), f"{name} {value!r}: {refusal}"
            fixed.add(name)
        assert r.config_get(name) == {name: value}, name
    assert {"port", "maxclients", "timeout"} & fixed == set()
    assert {"databases", "tcp-backlog", "unixsocket", "io-threads", "cluster-enabled"} <= fixed


@pytest.mark.larder_only("the names came with 7.2")
def test_names_of_7_2_are_known(r):
    found = r.config_get(*NAMES_OF_7_2)
    assert set(NAMES_OF_7_2) <= set(found)
    assert r.config_get("set-max-listpack-entries") == {"set-max-listpack-entries": "128"}


def test_set_of_several_is_all_or_nothing(start_server):
    r = start_server(threads=2).client()
    assert r.execute_command("CONFIG", "SET", "timeout", "7", "maxclients", "321") is not None
    assert r.config_get("timeout", "maxclients") == {"timeout": "7", "maxclients": "321"}
    with pytest.raises(
        redis.ResponseError,
        match=r"CONFIG SET failed \(possibly related to argument 'maxclients'\) - argument couldn't be parsed",
    ):
        r.execute_command("CONFIG", "SET", "timeout", "8", "maxclients", "many")
    assert r.config_get("timeout") == {"timeout": "7"}
    with pytest.raises(redis.ResponseError, match="duplicate parameter"):
        r.execute_command("CONFIG", "SET", "timeout", "8", "timeout", "9")


def test_old_and_new_names_are_one_directive(start_server):
    r = start_server(threads=2).client()
    for old, new, value in (
        ("slave-priority", "replica-priority", "42"),
        ("hash-max-ziplist-entries", "hash-max-listpack-entries", "77"),
        ("lua-time-limit", "busy-reply-threshold", "4242"),
    ):
        r.config_set(old, value)
        assert r.config_get(new) == {new: value}
        assert r.config_get(old) == {old: value}


def test_resetstat_zeroes_the_counters(start_server):
    r = start_server(threads=4).client()
    for _ in range(50):
        r.get("missing")
    before = r.info("stats")
    assert before["keyspace_misses"] == 50
    assert before["total_commands_processed"] >= 50
    assert r.config_resetstat() is True
    after = r.info("stats")
    assert after["keyspace_misses"] == after["keyspace_hits"] == after["expired_keys"] == 0
    assert after["total_commands_processed"] < 10


def test_rewrite_keeps_the_file_and_adds_what_changed(start_server, tmp_path):
    file = tmp_path / "c.conf"
    file.write_text('# a comment that stays\n\ntimeout 5\nmaxclients 100\nrequirepass "a b\\x01"\n')
    server = start_server(threads=2, leading_words=[str(file)])
    r = server.client(password=b"a b\x01")
    r.config_set("timeout", 9)
    r.config_set("maxmemory-policy", "allkeys-lru")
    r.config_set("latency-tracking-info-percentiles", "50 99")
    assert r.config_rewrite()
    lines = file.read_text().splitlines()
    assert lines[0] == "# a comment that stays"
    assert "timeout 9" in lines and "timeout 5" not in lines
    assert "maxclients 100" in lines
    assert "maxmemory-policy allkeys-lru" in lines
    assert 'requirepass "a b\\x01"' in lines
    assert f"port {server.port}" in lines
    kept = r.config_get("*")
    r.shutdown(nosave=True)
    server.wait_exit()
    again = start_server(threads=2, words=[str(file)], port=server.port)
    r = again.client(password=b"a b\x01")
    assert {name: value for name, value in r.config_get("*").items() if kept.get(name) != value} == {}


def test_rewrite_without_a_file_is_refused(start_server):
    with pytest.raises(redis.ResponseError, match="The server is running without a config file"):
        start_server(threads=2).client().config_rewrite()


def test_rewrite_puts_back_renamed_commands_and_binds(start_server, tmp_path):
    file = tmp_path / "c.conf"
    file.write_text('rename-command GET ""\nrename-command SET put\nsave 100 1\n')
    server = start_server(threads=1, leading_words=[str(file)])
    server.client().config_rewrite()
    lines = file.read_text().splitlines()
    assert 'rename-command GET ""' in lines
    assert "rename-command SET put" in lines
    assert f'unixsocket "{server.unix_path}"' in lines
    assert "bind 127.0.0.1" in lines


def test_rename_command(start_server):
    server = start_server(threads=2, options={"rename-command": ["GET", "fetch"]})
    connection = server.raw()
    assert connection.command("GET", "k") == b"-ERR unknown command 'GET', with args beginning with: 'k' \r\n"
    connection.command("SET", "k", "v")
    assert connection.ask("FETCH", "k") == ("$", b"v")
    assert connection.command("FETCH") == b"-ERR wrong number of arguments for 'get' command\r\n"


def test_command_renamed_to_nothing_is_gone(start_server):
    server = start_server(threads=2, options={"rename-command": ["FLUSHALL", ""]})
    assert server.raw().command("FLUSHALL").startswith(b"-ERR unknown command 'FLUSHALL'")


def test_unixsocketperm_sets_the_mode(start_server):
    for mode in ("700", "770", "777"):
        server = start_server(threads=1, options={"unixsocketperm": mode})
        assert stat.S_IMODE(os.stat(server.unix_path).st_mode) == int(mode, 8)
        assert server.client("unix").ping() is True


def test_port_and_bind_can_be_changed_while_serving(start_server):
    server = start_server(threads=2)
    old = server.raw()
    new_port = free_port()
    assert old.command("CONFIG", "SET", "port", new_port) == b"+OK\r\n"
    assert old.command("PING") == b"+PONG\r\n"
    server.port = new_port
    assert server.raw().command("PING") == b"+PONG\r\n"


@pytest.mark.larder_only
def test_an_unknown_policy_is_answered_with_those_that_there_are(r):
    with pytest.raises(redis.ResponseError, match="must be one of the following: .*allkeys-random, allkeys-s3fifo, noeviction"):
        r.config_set("maxmemory-policy", "bogus")

"""INFO: the fields that monitoring reads are there and true.

The lists name what redis_exporter, Datadog's redisdb check, Telegraf and redis-py look up, as far as it has a truth to
tell in a server without replication, persistence, pub/sub and eviction; those come with their features.
"""

import os
import re
import time

import pytest

from support.resp import encode
from support.waiting import wait_until

FIELDS = {
    "server": [
        "redis_version",
        "redis_mode",
        "os",
        "arch_bits",
        "multiplexing_api",
        "process_id",
        "run_id",
        "tcp_port",
        "server_time_usec",
        "uptime_in_seconds",
        "uptime_in_days",
        "hz",
        "executable",
        "config_file",
    ],
    "clients": [
        "connected_clients",
        "maxclients",
        "client_recent_max_input_buffer",
        "client_recent_max_output_buffer",
        "blocked_clients",
    ],
    "memory": [
        "used_memory",
        "used_memory_human",
        "used_memory_rss",
        "used_memory_rss_human",
        "used_memory_peak",
        "used_memory_peak_human",
        "used_memory_overhead",
        "used_memory_startup",
        "used_memory_dataset",
        "total_system_memory",
        "total_system_memory_human",
        "maxmemory",
        "maxmemory_human",
        "maxmemory_policy",
        "mem_fragmentation_ratio",
        "mem_clients_normal",
        "mem_allocator",
    ],
    "stats": [
        "total_connections_received",
        "total_commands_processed",
        "instantaneous_ops_per_sec",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "instantaneous_input_kbps",
        "instantaneous_output_kbps",
        "rejected_connections",
        "expired_keys",
        "evicted_keys",
        "keyspace_hits",
        "keyspace_misses",
        "total_error_replies",
    ],
    "replication": ["role", "connected_slaves", "master_replid", "master_repl_offset"],
    "cpu": ["used_cpu_sys", "used_cpu_user"],
    "cluster": ["cluster_enabled"],
}


@pytest.mark.parametrize("section", FIELDS)
def test_fields_that_monitoring_reads_are_there(r, section):
    info = r.info(section)
    assert not set(FIELDS[section]) - set(info)
    assert not set(info) - set(r.info()), "a section shows more on its own than in the whole"


def test_persistence_says_that_nothing_loads(r):
    """Clients wait for loading:0 before they trust a server."""
    assert r.info("persistence")["loading"] == 0


def test_form_is_sections_of_lines(server):
    kind, text = server.raw().ask("INFO")
    assert kind == "$"
    sections = re.findall(rb"^# (\w+)\r$", text, re.MULTILINE)
    assert {
        b"Server",
        b"Clients",
        b"Memory",
        b"Persistence",
        b"Stats",
        b"Replication",
        b"CPU",
        b"Cluster",
        b"Keyspace",
    } <= set(sections)
    for line in text.split(b"\r\n"):
        assert line == b"" or line.startswith(b"# ") or re.fullmatch(rb"[a-zA-Z0-9_|.\-]+:.*", line), line
    connection = server.raw()
    connection.command("HELLO", 3)
    kind, text = connection.ask("INFO", "server")
    assert (kind, text[:4]) == ("=", b"txt:")


def test_sections_are_chosen_by_name(r):
    def sections(*words):
        return set(re.findall(r"^# (\w+)", raw_info(r, *words), re.MULTILINE))

    assert sections("server") == {"Server"}
    assert sections("SERVER", "memory") == {"Server", "Memory"}
    assert sections("nothing") == set()
    assert sections() == sections("default") <= sections("all") <= sections("everything")


def raw_info(r, *words):
    """The text of INFO before redis-py turns it into a dict."""
    connection = r.connection_pool.get_connection()
    try:
        connection.send_command("INFO", *words)
        return connection.read_response().decode()
    finally:
        r.connection_pool.release(connection)


def test_server_facts_are_true(server):
    info = server.client().info("server")
    assert info["process_id"] == server.pid
    assert info["tcp_port"] == server.port
    assert info["redis_mode"] == "standalone"
    assert re.fullmatch("[0-9a-f]{40}", info["run_id"])
    assert abs(info["server_time_usec"] / 1e6 - time.time()) < 60
    assert os.path.basename(info["executable"])


def test_uptime_grows(server_on_1):
    r = server_on_1.client()
    start = r.info("server")["uptime_in_seconds"]
    wait_until(lambda: r.info("server")["uptime_in_seconds"] > start, 10, "uptime to grow")


def test_clients_are_counted(server, transport):
    r = server.client(transport)
    before = r.info("clients")["connected_clients"]
    connections = [server.raw(transport) for _ in range(10)]
    for connection in connections:
        connection.command("PING")
    assert r.info("clients")["connected_clients"] == before + 10
    for connection in connections:
        connection.close()
    wait_until(lambda: r.info("clients")["connected_clients"] <= before, 10, "closed clients to be uncounted")


def test_commands_and_lookups_are_counted_exactly(start_server):
    """Summed over all threads, and nothing lost when they count at the same time."""
    server = start_server(threads=4)
    connections = [server.raw() for _ in range(8)]
    for connection in connections:
        connection.send(encode("SET", "k", "v") + encode("GET", "k") * 100 + encode("GET", "missing") * 50)
    for connection in connections:
        for _ in range(151):
            connection.read_frame()
    stats = server.client().info("stats")
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == (800, 400)
    assert 8 * 151 <= stats["total_commands_processed"] <= 8 * 151 + 5
    assert 9 <= stats["total_connections_received"] <= 11
    assert stats["total_net_input_bytes"] > 8 * 150 * 20
    assert stats["total_net_output_bytes"] > 8 * 150 * 5


def test_error_replies_are_counted(start_server):
    server = start_server(threads=4)
    for connection in [server.raw() for _ in range(4)]:
        for words in (("SET", "k", "v"), ("GET", "k"), ("INCR", "k"), ("GET",), ("NOSUCH",)):
            connection.command(*words)
    assert server.client().info("stats")["total_error_replies"] == 12


def test_keyspace_lists_databases_that_hold_keys(server):
    zero, nine = server.client(db=0), server.client(db=9)
    assert zero.info("keyspace") == {}
    zero.mset({"a": 1, "b": 2})
    nine.set("a", 1, ex=1000)
    info = zero.info("keyspace")
    assert set(info) == {"db0", "db9"}
    assert (info["db0"]["keys"], info["db0"]["expires"]) == (2, 0)
    assert (info["db9"]["keys"], info["db9"]["expires"]) == (1, 1)
    assert 0 < info["db9"]["avg_ttl"] <= 1_000_000 or info["db9"]["avg_ttl"] == 0


def test_used_memory_follows_the_data(start_server):
    server = start_server(threads=2)
    r = server.client()
    empty = r.info("memory")["used_memory"]
    pipeline = r.pipeline(transaction=False)
    for number in range(2000):
        pipeline.set(f"k{number}", b"x" * 10_000)
    pipeline.execute()
    full = r.info("memory")
    assert 20_000_000 <= full["used_memory"] - empty < 40_000_000
    assert full["used_memory_peak"] >= full["used_memory"]
    r.flushall()
    wait_until(lambda: r.info("memory")["used_memory"] < empty + 5_000_000, 20, "memory to be given back")


def test_cpu_times_are_numbers(r):
    cpu = r.info("cpu")
    assert cpu["used_cpu_user"] >= 0 and cpu["used_cpu_sys"] >= 0

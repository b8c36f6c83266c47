"""What a running server shows of itself: MONITOR under load, what the slow log must not miss, sizes of keys, hot keys,
and memory reports whose parts add up."""

import random
import re
import threading
from contextlib import suppress

import pytest
import redis

from support.resp import decode, encode
from support.waiting import wait_until

LINE = re.compile(rb'^\+[\d.]+ \[(\d+) [^\]]+\] "(\w+)"(?: "((?:[^"\\]|\\.)*)")?')


def pairs(flat):
    """A flat list of keys and values, as a dictionary with text keys."""
    return {key.decode(): value for key, value in zip(flat[::2], flat[1::2])}


# ---- MONITOR ----


def test_every_monitor_sees_every_command_in_one_order(server):
    """Clients on all threads count up keys that they share; replies say in which order that happened."""
    monitors = [server.raw() for _ in range(2)]
    for monitor in monitors:
        assert monitor.command("MONITOR") == b"+OK\r\n"
    clients, rounds, keys = 4, 200, 5
    counted = {}

    def work(number):
        connection = server.raw()
        choice = random.Random(number)
        for _ in range(rounds):
            batch = [f"shared:{choice.randrange(keys)}" for _ in range(10)]
            connection.send(b"".join(encode("INCR", key) for key in batch))
            for _ in batch:
                connection.read_frame()
        counted[number] = True

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == clients
    server.raw().command("ECHO", "the end")
    seen = []
    for monitor in monitors:
        lines = []
        while not lines or lines[-1] != (b"ECHO", b"the end"):
            match = LINE.match(monitor.read_frame())
            lines.append((match[2], match[3]))
        seen.append(lines)
    assert seen[0] == seen[1]
    assert len(seen[0]) == clients * rounds * 10 + 1


def test_lines_on_one_key_come_in_the_order_of_execution(server):
    """Each SET carries a number of its own; what GETSET replied must be what the line before has set."""
    monitor = server.raw()
    monitor.command("MONITOR")
    clients, rounds = 4, 300
    replaced = {}

    def work(number):
        connection = server.raw()
        for i in range(rounds):
            value = f"{number}-{i}"
            replaced[value] = connection.ask("GETSET", "shared", value)[1]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = None
    for _ in range(clients * rounds):
        line = monitor.read_frame()
        value = re.search(rb'"([\d-]+)"\r\n$', line)[1]
        assert replaced[value.decode()] == before
        before = value


def test_a_slow_monitor_holds_nobody_up(start_server):
    """It is closed by its output limit; the others go on meanwhile, and nothing of it is left."""
    server = start_server(threads=4, options={"client-output-buffer-limit": "normal 1mb 0 0"})
    slow, quick = server.raw(), server.raw()
    for monitor in (slow, quick):
        monitor.command("MONITOR")
    writer = server.client()
    for i in range(200):
        writer.set(f"key:{i}", "x" * 50_000)
        line = LINE.match(quick.read_frame())
        assert line[3] == b"key:%d" % i

    def disconnections():
        return writer.info("stats")["client_output_buffer_limit_disconnections"]

    def write_on():  # how much the sockets take in is the system's affair
        for _ in range(10):
            writer.set("key", "x" * 50_000)
            quick.read_frame()
        quick.read_frame()  # INFO

    while disconnections() == 0:
        write_on()
    assert disconnections() == 1
    quick.close()
    wait_until(lambda: len(writer.client_list()) == 1, 10, "the other one to be gone")

    def is_forgotten():
        census = pairs(writer.execute_command("DEBUG", "CENSUS"))
        return census["monitors"] == 0 and census["inbox-bytes"] == 0

    wait_until(is_forgotten, 10, "what was kept for them to be gone")


def test_monitors_that_come_and_go_leave_nothing_behind(start_server):
    server = start_server(threads=4)
    stop = threading.Event()

    def write():
        client = server.client()
        while not stop.is_set():
            client.set("key", "value")

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for i in range(100):
        monitor = server.raw()
        monitor.send(encode("MONITOR"))
        if i % 3 == 0:
            monitor.send(encode("RESET") + encode("PING"))
        elif i % 3 == 1:
            monitor.read_frame()
        monitor.close()
    stop.set()
    for writer in writers:
        writer.join()
    client = server.client()
    wait_until(lambda: pairs(client.execute_command("DEBUG", "CENSUS"))["monitors"] == 0, 10, "monitors to be gone")


def test_monitoring_ends_with_reset(server):
    connection = server.raw()
    connection.command("MONITOR")
    assert b"flags=O" in connection.command("CLIENT", "INFO")
    connection.send(encode("RESET"))
    while connection.read_frame() != b"+RESET\r\n":
        pass
    assert b"flags=N" in connection.command("CLIENT", "INFO")
    server.raw().command("ECHO", "unseen")
    assert connection.command("PING") == b"+PONG\r\n"


@pytest.mark.larder_only
def test_a_fenced_command_is_shown_as_it_was_sent(start_server):
    """With FENCE and the token in front, in MONITOR and the slow log, at once or queued."""
    server = start_server(options={"slowlog-log-slower-than": 0})
    r = server.client()
    r.set("k", "1")
    token = r.execute_command("LOCK", "k", 100, "TOKEN")
    r.slowlog_reset()
    with r.monitor() as monitor:
        r.execute_command("FENCE", token, "SET", "k", "2")
        pipeline = r.pipeline(transaction=True)
        pipeline.execute_command("FENCE", token, "PREFIX", "SET", "k", "3")
        pipeline.execute_command("FENCE", token + 1, "SET", "k", "refused")
        pipeline.execute_command("GET", "k")
        assert len(pipeline.execute(raise_on_error=False)) == 3
        many = ["MGET", *("k" for _ in range(40))]
        r.execute_command("FENCE", token, *many)
        shown = [monitor.next_command()["command"] for _ in range(7)]
    sent = [
        f"FENCE {token} SET k 2",
        "MULTI",
        f"FENCE {token} PREFIX SET k 3",
        f"FENCE {token + 1} SET k refused",
        "GET k",
        "EXEC",
        " ".join(["FENCE", str(token), *many]),
    ]
    assert shown == sent
    logged = [entry["command"].decode() for entry in r.slowlog_get(-1)]
    assert [line for line in reversed(logged) if line in sent] == sent[:-2]  # EXEC is not logged
    cut = next(line for line in logged if line.startswith(f"FENCE {token} MGET"))
    assert cut.endswith(" ... (12 more arguments)") and len(cut.split(" k")) == 29


# ---- The slow log ----


@pytest.mark.larder_only("redis-server reads a value before it times the command")
def test_a_fast_command_with_a_large_value_is_not_missed(start_server):
    """Fast commands are timed only now and then, but not when they have much to do."""
    server = start_server(options={"slowlog-log-slower-than": 1000})
    r = server.client()
    for i in range(1000):
        r.set("small", i)
    r.slowlog_reset()
    for _ in range(5):
        r.set("large", b"x" * (64 << 20))
        r.delete("large")
    logged = [entry["command"][:10] for entry in r.slowlog_get(100)]
    assert logged.count(b"SET large ") == 5


def test_slow_log_holds_as_many_as_it_may_under_load(start_server):
    server = start_server(threads=4, options={"slowlog-log-slower-than": 0, "slowlog-max-len": 50})

    def work(number):
        client = server.client()
        for i in range(500):
            client.set(f"{number}:{i}", i)
            if i % 50 == 0:
                client.slowlog_get(-1)
            if i % 200 == 0:
                client.slowlog_reset()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = decode(server.raw().command("SLOWLOG", "GET", "-1"))[1]
    ids = [int(entry[1][0][1]) for entry in entries]
    assert len(ids) <= 50
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == len(ids)


def test_slow_log_follows_the_clock_of_the_engine(start_engine):
    """When something happened is told by the engine's clock; how long it took is real."""
    server = start_engine(config="slowlog-log-slower-than 0\nenable-debug-command yes")
    server.engine.freeze()
    server.engine.set_time(1_600_000_000)
    r = server.client()
    r.execute_command("DEBUG", "SLEEP", "0.01")
    entry = r.slowlog_get(1)[0]
    assert entry["start_time"] == 1_600_000_000
    assert entry["duration"] >= 10_000


# ---- Sizes ----


def sizes_by_strlen(r, databases):
    """What INFO keysizes should tell, from the values themselves."""
    expected = {}
    for db in databases:
        r.select(db)
        for key in r.keys("*"):
            length = r.strlen(key)
            lowest = 1 << (length.bit_length() - 1) if length else 0
            unit = 0
            while lowest >= 1024:
                lowest //= 1024
                unit += 1
            label = f"{lowest}{'KMG'[unit - 1] if unit else ''}"
            expected.setdefault(db, {}).setdefault(label, 0)
            expected[db][label] += 1
    r.select(0)
    return expected


def keysizes(r):
    text = r.execute_command("INFO", "keysizes")
    text = text.decode() if isinstance(text, bytes) else text
    found = {}
    for db, counts in re.findall(r"^db(\d+)_distrib_strings_sizes:(.*?)\r?$", text, re.MULTILINE):
        found[int(db)] = {label: int(count) for label, count in (pair.split("=") for pair in counts.split(","))}
    return found


@pytest.mark.larder_only("keysizes came with Redis 8")
def test_keysizes_follow_every_change(start_server, seed):
    r = start_server(threads=2).client()
    r.response_callbacks.pop("INFO")
    choice = random.Random(seed)

    def length():
        return choice.choice([0, 1, 2, 3, 10, 100, 1000, 1023, 1024, 1025, 5000, 70_000])

    for step in range(2000):
        key, other = f"k{choice.randrange(30)}", f"k{choice.randrange(30)}"
        action = choice.randrange(13)
        if action < 3:
            r.set(key, "x" * length())
        elif action == 3:
            r.append(key, "x" * length())
        elif action == 4:
            r.setrange(key, length(), "xy")
        elif action == 5:
            r.delete(key)
        elif action == 6:
            r.mset({key: "x" * length(), other: "y" * length()})
        elif action == 7:
            with suppress(redis.ResponseError):  # there may be no such key, or no more
                r.rename(key, other)
        elif action == 8 and key != other:
            r.copy(key, other, replace=True)
        elif action == 9:
            r.move(key, 1)
        elif action == 10:
            r.set(key, "x" * length(), px=1 if choice.random() < 0.3 else 100_000)
        elif action == 11 and choice.random() < 0.1:
            r.swapdb(0, 1)
        elif action == 12 and choice.random() < 0.05:
            r.flushdb()
        if step % 100 == 99:
            wait_until(lambda: keysizes(r) == sizes_by_strlen(r, (0, 1)), 5, f"sizes to be right (--seed {seed})")


@pytest.mark.larder_only("keysizes came with Redis 8")
def test_keysizes_are_abbreviated(start_server):
    r = start_server().client()
    r.response_callbacks.pop("INFO")
    assert keysizes(r) == {}
    for i in range(21):
        r.set(f"key{i}", "x" * (1 << i))
    r.set("empty", "")
    labels = [str(1 << i) for i in range(10)] + [f"{1 << i}K" for i in range(10)] + ["1M"]
    assert keysizes(r) == {0: {"0": 1, **dict.fromkeys(labels, 1)}}


# ---- Hot keys ----


def hot_keys(r):
    (report,) = r.execute_command("HOTKEYS", "GET")
    return pairs(report)


HOTKEYS = pytest.mark.larder_only("HOTKEYS came with Redis 8.6")


@HOTKEYS
def test_hot_keys_are_told_by_cost(start_server):
    r = start_server(threads=2).client()
    assert r.execute_command("HOTKEYS", "GET") is None
    assert r.execute_command("HOTKEYS", "STOP") is None
    assert r.execute_command("HOTKEYS", "RESET") == b"OK"
    assert r.execute_command("HOTKEYS", "START", "METRICS", 2, "CPU", "NET", "COUNT", 3) == b"OK"
    for i in range(300):
        r.get("often")
        if i % 3 == 0:
            r.get("less often")
        r.set(f"rare:{i}", "x")
    r.set("heavy", "x" * 100_000)
    r.mget("pair:1", "pair:2")
    running = hot_keys(r)
    assert running["tracking-active"] == 1 and running["sample-ratio"] == 1
    assert r.execute_command("HOTKEYS", "STOP") == b"OK"
    r.get("after the end")
    report = hot_keys(r)
    assert report["tracking-active"] == 0
    by_cpu, by_net = pairs(report["by-cpu-time-us"]), pairs(report["by-net-bytes"])
    assert len(by_cpu) == len(by_net) == 3
    assert list(by_net)[:2] == ["heavy", "often"]
    assert by_net["heavy"] == len(encode("SET", "heavy", "x" * 100_000)) + len(b"+OK\r\n")
    assert by_net["often"] == 300 * (len(encode("GET", "often")) + len(b"$-1\r\n"))
    assert list(by_net.values()) == sorted(by_net.values(), reverse=True)
    assert list(by_cpu.values()) == sorted(by_cpu.values(), reverse=True)
    assert report["net-bytes-all-commands-all-slots"] >= sum(by_net.values())
    assert report["all-commands-all-slots-us"] >= sum(by_cpu.values())
    assert report["total-net-bytes"] >= 100_000
    assert report["selected-slots"] == [[0, 16383]]
    assert report["collection-start-time-unix-ms"] > 1_600_000_000_000
    assert r.execute_command("HOTKEYS", "RESET") == b"OK"
    assert r.execute_command("HOTKEYS", "GET") is None


@HOTKEYS
def test_keys_that_take_time_are_hot(start_server):
    """Far more of it than a busy machine adds to the others."""
    r = start_server(threads=2).client()
    r.mset({"heavy:1": "ab" * 1000, "heavy:2": "ba" * 1000})
    r.execute_command("HOTKEYS", "START", "METRICS", 1, "CPU", "COUNT", 2)
    for i in range(100):
        r.get(f"light:{i}")
        if i % 10 == 0:
            r.lcs("heavy:1", "heavy:2", len=True)
    assert set(pairs(hot_keys(r)["by-cpu-time-us"])) == {"heavy:1", "heavy:2"}


@HOTKEYS
def test_costs_are_shared_out_among_the_keys_of_a_command(start_server):
    r = start_server().client()
    r.execute_command("HOTKEYS", "START", "METRICS", 1, "NET")
    r.mset({"a": "1", "b": "2"})
    r.execute_command("HOTKEYS", "STOP")
    report = hot_keys(r)
    bytes_each = (len(encode("MSET", "a", "1", "b", "2")) + len(b"+OK\r\n")) // 2
    assert pairs(report["by-net-bytes"]) == {"a": bytes_each, "b": bytes_each}
    assert not {"by-cpu-time-us", "total-cpu-time-user-ms", "total-cpu-time-sys-ms"} & set(report)


@HOTKEYS
def test_keys_of_transactions_are_noted_once(start_server):
    r = start_server().client()
    r.execute_command("HOTKEYS", "START", "METRICS", 1, "NET")
    with r.pipeline(transaction=True) as pipe:
        pipe.set("key", "value").execute()
    r.execute_command("HOTKEYS", "STOP")
    report = hot_keys(r)
    bytes_of_set = len(encode("SET", "key", "value")) + len(b"+OK\r\n")
    assert pairs(report["by-net-bytes"]) == {"key": bytes_of_set}
    assert report["net-bytes-all-commands-all-slots"] == bytes_of_set + len(encode("MULTI")) + len(b"+OK\r\n")


@HOTKEYS
def test_tracking_stops_by_itself(start_engine):
    server = start_engine()
    server.engine.freeze()
    r = server.client()
    r.execute_command("HOTKEYS", "START", "METRICS", 1, "NET", "DURATION", 10)
    r.set("in time", 1)
    server.engine.advance(9)
    r.set("in time", 1)
    assert hot_keys(r)["tracking-active"] == 1
    server.engine.advance(2)
    r.set("too late", 1)
    report = hot_keys(r)
    assert report["tracking-active"] == 0 and report["collection-duration-ms"] == 10_000
    assert list(pairs(report["by-net-bytes"])) == ["in time"]
    assert r.execute_command("HOTKEYS", "START", "METRICS", 1, "CPU") == b"OK"


@HOTKEYS
def test_sampling_looks_at_a_part_of_the_keys(start_server):
    r = start_server().client()
    r.execute_command("HOTKEYS", "START", "METRICS", 1, "NET", "SAMPLE", 10)
    for _ in range(5000):
        r.get("key")
    r.execute_command("HOTKEYS", "STOP")
    report = hot_keys(r)
    share = pairs(report["by-net-bytes"])["key"] / report["net-bytes-all-commands-all-slots"]
    assert report["sample-ratio"] == 10 and 0.05 < share < 0.2


@HOTKEYS
@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "METRICS parameter is required"),
        (("COUNT", 10), "METRICS parameter is required"),
        (("METRICS",), "METRICS parameter is required"),
        (("METRICS", 0), "METRICS count must be > 0 and <= 2"),
        (("METRICS", 3, "CPU"), "METRICS count must be > 0 and <= 2"),
        (("METRICS", "x", "CPU"), "METRICS count must be > 0 and <= 2"),
        (("METRICS", 1), "METRICS no valid metrics passed. Supported: CPU|NET"),
        (("METRICS", 1, "DISK"), "METRICS no valid metrics passed. Supported: CPU|NET"),
        (("METRICS", 2, "CPU"), "METRICS count does not match number of metric types provided"),
        (("METRICS", 1, "CPU", "NET"), "METRICS count does not match number of metric types provided"),
        (("METRICS", 2, "CPU", "cpu"), "METRICS CPU defined more than once!"),
        (("METRICS", 1, "NET", "COUNT", 0), "COUNT must be between 1 and 64"),
        (("METRICS", 1, "NET", "COUNT", 65), "COUNT must be between 1 and 64"),
        (("METRICS", 1, "NET", "DURATION", -1), "DURATION must not be negative"),
        (("METRICS", 1, "NET", "SAMPLE", 0), "SAMPLE ratio must be positive"),
        (("METRICS", 1, "NET", "SLOTS", 1, 0), "SLOTS parameter cannot be used in non-cluster mode"),
        (("METRICS", 1, "NET", "COUNT"), "syntax error"),
        (("METRICS", 1, "NET", "NONSENSE", 1), "syntax error"),
    ],
)
def test_tracking_refuses_what_makes_no_sense(server, words, error):
    connection = server.raw()
    assert connection.command("HOTKEYS", "START", *words) == f"-ERR {error}\r\n".encode()
    assert connection.command("HOTKEYS", "GET") == b"$-1\r\n"


@HOTKEYS
def test_tracking_is_one_at_a_time(start_server):
    connection = start_server().raw()
    assert connection.command("HOTKEYS", "START", "METRICS", "1", "CPU", "DURATION", "0") == b"+OK\r\n"
    in_progress = b"-ERR hotkey tracking session already in progress\r\n"
    assert connection.command("HOTKEYS", "START", "METRICS", "1", "NET") == in_progress
    stop_first = b"-ERR hotkey tracking session in progress, stop tracking first\r\n"
    assert connection.command("HOTKEYS", "RESET") == stop_first
    assert connection.command("HOTKEYS", "STOP") == b"+OK\r\n"
    assert connection.command("HOTKEYS", "START", "METRICS", "1", "NET") == b"+OK\r\n"
    assert connection.command("HOTKEYS", "STOP") == b"+OK\r\n"


@HOTKEYS
def test_tracking_starts_and_stops_under_load(start_server):
    server = start_server(threads=4)
    stop = threading.Event()

    def work(number):
        client = server.client()
        while not stop.is_set():
            client.mset({f"{number}:{i}": i for i in range(5)})
            client.get("shared")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    r = server.client()
    for i in range(60):
        assert r.execute_command("HOTKEYS", "START", "METRICS", 2, "CPU", "NET", "SAMPLE", 1 + i % 3) == b"OK"
        r.execute_command("HOTKEYS", "GET")
        assert r.execute_command("HOTKEYS", "STOP") == b"OK"
        if i % 2:
            assert r.execute_command("HOTKEYS", "RESET") == b"OK"
    stop.set()
    for thread in threads:
        thread.join()


# ---- Memory ----

OVERHEAD = [
    "startup.allocated",
    "replication.backlog",
    "clients.slaves",
    "clients.normal",
    "cluster.links",
    "aof.buffer",
    "lua.caches",
    "functions.caches",
    "prefix.index",
    "eviction.queues",
    "lazyfree.pending",
    "statistics",
    "logs",
]


@pytest.mark.larder_only("Redis's parts do not add up")
def test_the_parts_of_memory_add_up(start_server):
    server = start_server(threads=2, options={"slowlog-log-slower-than": 0, "maxmemory-policy": "allkeys-s3fifo"})
    r = server.client()
    r.execute_command("HOTKEYS", "START", "METRICS", 1, "CPU")
    for db in (0, 3, 15):
        r.select(db)
        r.mset({f"key:{i}": "x" * i for i in range(500)})
    monitor = server.raw()
    monitor.command("MONITOR")
    stats = pairs(r.execute_command("MEMORY", "STATS"))
    databases = [pairs(value) for name, value in stats.items() if name.startswith("db.")]
    assert len(databases) == 3
    overhead = sum(stats[name] for name in OVERHEAD) + sum(sum(database.values()) for database in databases)
    assert overhead == stats["overhead.total"]
    assert stats["total.allocated"] == stats["overhead.total"] + stats["dataset.bytes"]
    assert stats["statistics"] > 0 and stats["logs"] > 0 and stats["clients.normal"] > 0
    assert stats["peak.allocated"] >= stats["total.allocated"]
    assert stats["keys.count"] == 1500


@pytest.mark.larder_only("Redis's parts do not add up")
def test_info_memory_adds_up(start_server):
    r = start_server().client()
    r.mset({f"key:{i}": "x" * 100 for i in range(5000)})
    memory = r.info("memory")
    parts = [
        "mem_clients_normal",
        "mem_prefix_index",
        "mem_eviction_queues",
        "mem_lazyfree_pending",
        "mem_hash_tables",
        "mem_statistics",
        "mem_logs",
    ]
    assert memory["used_memory_overhead"] == sum(memory[part] for part in parts)
    assert memory["used_memory"] == memory["used_memory_overhead"] + memory["used_memory_dataset"]
    assert memory["allocator_allocated"] > 0 and memory["allocator_resident"] == memory["used_memory_rss"]


def test_the_allocator_reports_on_itself(r):
    assert len(r.execute_command("MEMORY", "MALLOC-STATS")) > 100
    assert r.execute_command("MEMORY", "PURGE") in (b"OK", True, "OK")


@pytest.mark.larder_only("what is counted is Larder's own affair")
def test_what_clients_leave_waiting_counts_as_used(start_server):
    """Queued commands, and lines that a monitor does not read."""
    server = start_server(threads=2)
    r = server.client()
    before = r.info("memory")["used_memory"]
    queue = server.raw()
    queue.command("MULTI")
    queue.command("SET", "key", "x" * 3_000_000)
    monitor = server.raw()
    monitor.command("MONITOR")

    def are_counted():  # how much of it the sockets take in is the system's affair
        r.echo("y" * 200_000)
        return r.info("memory")["used_memory"] > before + 8_000_000

    wait_until(are_counted, 20, "both to be counted")
    memory = r.info("memory")
    assert memory["mem_clients_normal"] > 8_000_000
    queue.close()
    monitor.close()
    wait_until(lambda: r.info("memory")["used_memory"] < before + 1_000_000, 10, "both to be given back")

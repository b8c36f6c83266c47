"""Hit ratios measured with a running redis-server, beside those of Larder's engine with the same policy.

Redis bounds bytes, not keys: it is filled with as many keys as shall fit, and what it then uses becomes its limit. How
many keys it really holds is looked at on the way, and Larder's engine is given that number, and the same time for each
request: both judge recency by clocks of a second.
"""

from __future__ import annotations

import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

POLICIES = ("allkeys-lru", "allkeys-lfu")
TRACES = ("web07", "zipf-1.0", "made-zipf", "made-shift")  # the first two that there are
TRACE_COUNT = 2
SHARES = (0.05, 0.25)
REQUESTS_MAX = 60_000
LOOKS = 20  # at the number of keys
VALUE = b"v" * 4000  # large beside what else may change in the memory in use
START_S = 10


class Redis:
    """A redis-server on a Unix socket of its own, spoken to one request at a time."""

    def __init__(self, program, policy):
        self.folder = tempfile.TemporaryDirectory(prefix="eviction.")
        path = pathlib.Path(self.folder.name) / "redis.sock"
        options = {"port": "0", "unixsocket": str(path), "dir": self.folder.name, "save": "", "maxmemory-policy": policy}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.socket.connect(str(path))
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.close()
                    raise
                time.sleep(0.02)

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def ask(self, *words):
        """A reply of one line or one bulk string, as bytes; None for none."""
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        reply = self.socket.recv(65536)
        head, end, body = reply.partition(b"\r\n")
        while not end or (head[:1] == b"$" and len(body) < int(head[1:]) + 2 and head != b"$-1"):
            reply += self.socket.recv(65536)
            head, end, body = reply.partition(b"\r\n")
        if head[:1] == b"-":
            raise RuntimeError(head.decode())
        return None if head == b"$-1" else body[:-2] if head[:1] == b"$" else head[1:]

    def used_bytes(self):
        text = self.ask(b"INFO", b"memory")
        return next(int(line.partition(b":")[2]) for line in text.split(b"\r\n") if line.startswith(b"used_memory:"))

    def limit_to(self, keys):
        """As many keys as these fit from now on."""
        for number in range(keys):
            self.ask(b"SET", b"fill:%08d" % number, VALUE)
        limit = self.used_bytes()
        self.ask(b"FLUSHALL", b"SYNC")
        self.ask(b"CONFIG", b"SET", b"maxmemory", b"%d" % limit)

    def replay(self, trace):
        """(hits, keys held on average once it was full, microseconds a request)"""
        hits, counts = 0, []
        began = time.monotonic()
        for number, item in enumerate(trace):
            key = b"item:%08d" % item
            if self.ask(b"GET", key) is not None:
                hits += 1
            else:
                self.ask(b"SET", key, VALUE)
            if number % (len(trace) // LOOKS + 1) == len(trace) // LOOKS:
                counts.append(int(self.ask(b"DBSIZE")))
        elapsed_us = (time.monotonic() - began) * 1e6 / len(trace)
        held = counts[len(counts) // 2 :]
        return hits, round(sum(held) / len(held)), max(round(elapsed_us), 1)


def compare(traces, run_engine):
    """Rows of (trace, policy, keys, Larder's hit ratio, redis-server's), for each of two traces; none without a
    redis-server. `run_engine(trace, policy, keys, request_us)` measures Larder's."""
    program = shutil.which("redis-server")
    chosen = [name for name in TRACES if name in traces][:TRACE_COUNT] if program else []
    rows = []
    for name in chosen:
        trace = traces[name][:REQUESTS_MAX]
        for share in SHARES:
            for policy in POLICIES:
                print(f"... redis-server: {name}, {policy}", flush=True)
                redis = Redis(program, policy)
                try:
                    redis.limit_to(int(len(set(trace)) * share))
                    hits, keys, request_us = redis.replay(trace)
                finally:
                    redis.close()
                rows.append((name, policy, keys, run_engine(trace, policy, keys, request_us), 100 * hits / len(trace)))
    return rows


def table(rows):
    head = ["trace", "policy", "keys", "Larder", "redis-server (measured)", "difference"]
    lines = [head, ["---", "---", "--:", "--:", "--:", "--:"]]
    for name, policy, keys, ours, theirs in rows:
        lines.append([name, policy, f"{keys:,}", f"{ours:.1f}", f"{theirs:.1f}", f"{ours - theirs:+.1f}"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

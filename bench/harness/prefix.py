"""Work on prefixes: what a look at a few keys among a million costs, and what the index costs those who write."""

from __future__ import annotations


from . import processes
from .results import Row

USERS, PROFILES = 100_000, 10
BATCH = 1000
PIPELINE = 16


def fill(server):
    """A million keys like user:012345:profile:3."""
    with server.connect() as connection:
        for first in range(0, USERS, BATCH // PROFILES):
            connection.pipeline([("SET", f"user:{user:06}:profile:{profile}", "value")
                                 for user in range(first, first + BATCH // PROFILES) for profile in range(PROFILES)])


def cost_us(server, repeat, *words):
    """CPU time of the server for one such command, in microseconds; pipelined, to measure it and not the network."""
    with server.connect() as connection:
        connection.command(*words)
        before = processes.cpu_ns(server.pid)
        for first in range(0, repeat, PIPELINE):
            connection.pipeline([words] * min(PIPELINE, repeat - first))
        return (processes.cpu_ns(server.pid) - before) / repeat / 1000


def resident_per_key(bench):
    """Bytes that the index adds to each of a million keys."""
    with bench.larder("--prefix-index", "off") as server:
        fill(server)
        without = processes.settled_resident_bytes(server, 1, 10)
        with server.connect() as connection:
            connection.command("CONFIG", "SET", "prefix-index", "on")
            connection.command("PREFIX", "COUNT", "user:")  # waits until the index is complete
        return (processes.settled_resident_bytes(server, 1, 10) - without) / (USERS * PROFILES)


def looks(bench):
    looks = {
        "PREFIX KEYS of 10 matches": (2000, ("PREFIX", "KEYS", "user:012345:"), 20),
        "PREFIX KEYS of 1,000 matches": (300, ("PREFIX", "KEYS", "user:0123"), 300),
        "PREFIX COUNT of a million": (2000, ("PREFIX", "COUNT", "user:"), 10),
    }
    found = {what: [] for what in looks}
    keys_larder, keys_redis = [], []
    for number in range(bench.settings.long_rounds):
        bench.progress(f"round {number + 1} of {bench.settings.long_rounds}: prefixes among a million keys")
        with bench.larder("--prefix-index", "on") as larder, bench.redis() as redis:
            fill(larder)
            fill(redis)
            with larder.connect() as connection:
                connection.command("PREFIX", "COUNT", "user:")
            for what, (repeat, words, _) in looks.items():
                found[what].append(cost_us(larder, repeat, *words))
            keys_larder.append(cost_us(larder, 2000, "KEYS", "user:012345:*"))
            keys_redis.append(cost_us(redis, 3, "KEYS", "user:012345:*"))
    for what, (_, _, budget) in looks.items():
        bench.results.rows.append(Row("prefix", f"{what}: CPU", "us", found[what], [], budget=budget))
    bench.results.rows.append(Row("prefix", "KEYS user:012345:* among 1M keys: CPU", "us", keys_larder, keys_redis,
                                  budget=0.001, budget_is_ratio=True))


def writes(bench):
    """SET pipelined by 16 with the index and without: of new keys, and of keys that are there."""
    kinds = {
        "new keys": ("--populate", "--pipeline", 16, "--keys", 300_000, "--first-key", 1_000_000),
        "existing keys": ("--command", "set", "--pipeline", 16, "--keys", 100_000,
                          "--seconds", bench.settings.seconds),
    }
    loads = {f"SET of {kind}, pipeline 16, prefix index on": options for kind, options in kinds.items()}
    compared = bench.compare(bench.settings.rounds, lambda: bench.larder("--prefix-index", "on"),
                             lambda: bench.larder("--prefix-index", "off"), loads)
    for what, sides in compared.items():
        cpu = [[one["cpu_ns_per_request"] for one in side] for side in sides]
        bench.results.rows.append(Row("prefix", f"{what}: CPU per request", "ns", *cpu, peer="index off", budget=1.35,
                                      budget_is_ratio=True))


def prefix(bench):
    """A look at the keys of a prefix, and what the index costs."""
    looks(bench)
    writes(bench)
    bench.results.rows.append(Row("prefix", "prefix index: resident bytes per key", "bytes",
                                  [resident_per_key(bench) for _ in range(bench.settings.long_rounds)], [], budget=30))

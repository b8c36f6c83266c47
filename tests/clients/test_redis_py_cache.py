"""redis-py keeps copies of what it reads (CacheConfig, RESP3) and drops them when the server tells it to.

It does so only with servers that call themselves 7.4 or later, though all that it needs is there since 6.0; here it is
talked out of that.
"""

import random
import threading

import pytest
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

from support.server import Server
from support.waiting import wait_until

KEYS = [f"k{number}" for number in range(40)]


@pytest.fixture(scope="module", params=[1, 4], ids=["1thread", "4threads"])
def server(request, binary):
    server = Server(binary, threads=request.param)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _any_version(monkeypatch):
    monkeypatch.setattr(CacheProxyConnection, "MIN_ALLOWED_VERSION", "6.0.0")


@pytest.fixture
def cached(server):
    """A client with a cache of its own."""
    server.client().flushall()
    return server.client(protocol=3, cache_config=CacheConfig(max_size=1000))


def test_what_was_read_is_not_asked_for_again(server, cached):
    r = server.client()
    r.set("k", "v")
    assert cached.get("k") == b"v"
    calls = r.info("stats")["total_commands_processed"]
    assert [cached.get("k") for _ in range(50)] == [b"v"] * 50
    assert r.info("stats")["total_commands_processed"] <= calls + 2
    assert len(cached.get_cache().collection) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.set("k", "new"),
        lambda r: r.delete("k"),
        lambda r: r.rename("other", "k"),
        lambda r: r.pexpire("k", 5),
        lambda r: r.flushall(),
        lambda r: r.pipeline(transaction=True).set("k", "new").append("k", "er").execute(),
    ],
    ids=["set", "delete", "rename", "expiry", "flushall", "transaction"],
)
def test_a_change_by_somebody_else_is_seen(server, cached, change):
    r = server.client()
    r.mset({"k": "old", "other": "other"})
    assert cached.get("k") == b"old"
    change(r)
    wait_until(lambda: cached.get("k") == r.get("k") != b"old", 10, "the change to be seen")


def test_no_copy_is_stale_when_all_is_quiet(server, cached, seed, slow_factor):
    """Readers with caches and writers at the same time; afterwards every copy is what the server has."""
    rounds = 3000 // slow_factor
    readers = [server.client(protocol=3, cache_config=CacheConfig(max_size=1000)) for _ in range(3)]
    problems = []

    def work(number, act):
        draw = random.Random(f"{seed} {number}")
        try:
            for _ in range(rounds):
                act(draw)
        except Exception as problem:
            problems.append(problem)

    def write(draw, r=server.client()):
        keys = draw.sample(KEYS, 3)
        draw.choice(
            [
                lambda: r.set(keys[0], draw.randrange(1000)),
                lambda: r.incr(keys[1]),
                lambda: r.delete(*keys),
                lambda: r.mset(dict.fromkeys(keys, draw.randrange(1000))),
                lambda: r.set(keys[0], draw.randrange(1000), px=10),
                lambda: r.flushall() if draw.random() < 0.05 else r.persist(keys[0]),
            ]
        )()

    threads = [threading.Thread(target=work, args=(0, write)), threading.Thread(target=work, args=(1, write))]
    threads += [
        threading.Thread(target=work, args=(number + 2, lambda draw, r=reader: r.get(draw.choice(KEYS))))
        for number, reader in enumerate(readers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    r = server.client()
    for key in KEYS:  # what was to expire has
        r.persist(key)
    for reader in readers:
        wait_until(lambda reader=reader: [reader.get(k) for k in KEYS] == r.mget(KEYS), 10, "the copies to be right")
        assert [reader.get(key) for key in KEYS] == r.mget(KEYS)

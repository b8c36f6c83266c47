"""Expiry: an expired key is never returned, and it is freed soon after its deadline though nobody asks for it."""

import time

import pytest

from support.waiting import wait_until

pytestmark = pytest.mark.embedded

# Larder frees within 100 ms of the deadline; the slack is what a busy machine adds before this process runs again. When
# it adds more, the test tries again: what is wrong with the server is wrong each time. (That nothing is left at its
# time is tested with a clock that stands still, in test_embedded.py.)
FREED_WITHIN_S = 0.1
SCHEDULING_SLACK_S = 0.4
ATTEMPTS = 10


def now_ms():
    return int(time.time() * 1000)


@pytest.mark.parametrize("command", ["PX", "PEXPIRE", "PEXPIREAT", "PXAT", "PSETEX", "GETEX"])
def test_expired_key_is_not_returned(r, command):
    deadline = now_ms() + 60
    if command == "PX":
        r.set("k", "v", px=60)
    elif command == "PXAT":
        r.set("k", "v", pxat=deadline)
    elif command == "PSETEX":
        r.execute_command("PSETEX", "k", 60, "v")
    else:
        r.set("k", "v")
        {
            "PEXPIRE": lambda: r.pexpire("k", 60),
            "PEXPIREAT": lambda: r.pexpireat("k", deadline),
            "GETEX": lambda: r.getex("k", px=60),
        }[command]()
    wait_until(lambda: r.get("k") is None, 5, "the key to expire")
    assert now_ms() >= deadline - 1
    assert (r.exists("k"), r.ttl("k"), r.keys(), r.strlen("k"), r.type("k")) == (0, -2, [], 0, b"none")


def test_key_is_there_until_its_deadline(r):
    deadline = now_ms() + 300
    r.set("k", "v", pxat=deadline)
    while True:
        value = r.get("k")
        if value is None:
            break
    assert now_ms() >= deadline


def test_untouched_keys_are_freed_soon_after_their_deadline(r, is_larder, slow_factor):
    """DBSIZE touches no key: only active expiry brings it to zero. redis-server samples, and may take longer."""

    def are_freed_soon():
        deadline = now_ms() + 500
        pipeline = r.pipeline(transaction=False)
        for number in range(2000):
            pipeline.set(f"k{number}", "v", pxat=deadline - number % 50)
        pipeline.execute()
        count = r.dbsize()
        if now_ms() < deadline - 100:
            assert count == 2000
        wait_until(lambda: r.dbsize() == 0, 10, "the expired keys to be freed")
        late_s = (now_ms() - deadline) / 1000
        return late_s < (FREED_WITHIN_S + SCHEDULING_SLACK_S) * slow_factor or not is_larder

    assert any(are_freed_soon() for _ in range(ATTEMPTS))


@pytest.mark.larder_only("its active expiry samples, and leaves some for later")
def test_keys_of_one_instant_are_all_freed_soon(server, slow_factor):
    """Many keys with the same deadline in several databases: no cap on the work leaves any behind for seconds."""
    databases = (0, 5, 15)
    r = server.client()

    def are_freed_soon():
        deadline = now_ms() + 2000
        for db in databases:
            with server.raw() as connection:
                connection.command("SELECT", db)
                connection.send(b"".join(b"SET k%d v PXAT %d\r\n" % (n, deadline) for n in range(20_000)))
                for _ in range(20_000):
                    connection.read_frame()
        wait_until(lambda: not {f"db{db}" for db in databases} & set(r.info("keyspace")), 20, "all to be freed")
        return (now_ms() - deadline) / 1000 < (FREED_WITHIN_S + 1.0) * slow_factor

    assert any(are_freed_soon() for _ in range(ATTEMPTS))


def test_overwriting_cancels_the_deadline(r):
    while True:
        began = now_ms()
        r.set("a", 1, px=400)
        r.set("a", 2)
        r.set("b", 1, px=400)
        r.persist("b")
        r.set("c", 1, px=400)
        r.rename("c", "d")
        r.set("c", 2)
        if now_ms() < began + 400:
            break  # nothing ran out in between
    r.set("last", 1, px=500)
    wait_until(lambda: r.exists("last", "d") == 0, 5, "the later deadline to pass")
    assert r.mget("a", "b", "c") == [b"2", b"1", b"2"]


def test_expired_key_counts_as_absent_for_every_write(r):
    def expired():
        r.set("k", "5", px=1)
        wait_until(lambda: r.pttl("k") == -2, 5, "the deadline")

    expired()
    assert r.set("k", "v", xx=True) is None
    expired()
    assert r.setnx("k", "v") is True
    expired()
    assert r.incr("k") == 1
    assert r.ttl("k") == -1
    expired()
    assert r.append("k", "x") == 1
    expired()
    assert r.persist("k") is False
    expired()
    assert r.set("k", "v", get=True) is None


def test_expired_keys_are_counted(r, transport):
    before = r.info("stats")["expired_keys"]
    r.mset({"a": 1, "b": 2})
    r.pexpire("a", 1)
    r.pexpire("b", 1)
    wait_until(lambda: r.info("stats")["expired_keys"] >= before + 2, 5, "expired_keys to count")


def test_keyspace_counts_keys_with_deadlines(r):
    r.mset({"a": 1, "b": 2, "c": 3})
    r.expire("a", 1000)
    space = r.info("keyspace")["db0"]
    assert (space["keys"], space["expires"]) == (3, 1)


def test_active_expiry_can_be_switched_off(start_server):
    server = start_server(threads=2)
    r = server.client()
    r.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    r.set("k", "v", px=20)
    r.set("witness", "v", px=20)
    wait_until(lambda: r.exists("witness") == 0, 5, "the deadline")
    assert r.get("k") is None
    r.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    r.set("k", "v", px=20)
    wait_until(lambda: r.dbsize() == 0, 10, "active expiry to work again")

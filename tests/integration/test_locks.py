"""LOCK, UNLOCK, FENCE and PREFIX LOCK: while a key is locked no write gets through, of whatever command, and everything
else does."""

import threading

import pytest
import redis

pytestmark = [pytest.mark.embedded, pytest.mark.larder_only]

LOCKED = "LOCKED The key is locked."
NOT_OURS = "LOCKED The key is not locked under this token."


def outcome(r, *words):
    try:
        return r.execute_command(*words)
    except redis.ResponseError as error:
        return str(error)


WRITES = [
    ("SET", "k", "x"),
    ("SET", "k", "x", "NX"),
    ("SETEX", "k", "10", "x"),
    ("GETSET", "k", "x"),
    ("GETDEL", "k"),
    ("MSET", "free", "x", "k", "x"),
    ("MSETNX", "free", "x", "k", "x"),
    ("APPEND", "k", "x"),
    ("SETRANGE", "k", "0", "x"),
    ("INCR", "k"),
    ("INCRBYFLOAT", "k", "1"),
    ("DEL", "free", "k"),
    ("UNLINK", "k"),
    ("RENAME", "k", "free"),
    ("RENAME", "free", "k"),
    ("RENAMENX", "free", "k"),
    ("COPY", "free", "k", "REPLACE"),
    ("MOVE", "k", "1"),
    ("EXPIRE", "k", "10"),
    ("PEXPIREAT", "k", "1"),
    ("PERSIST", "k"),
    ("GETEX", "k", "PERSIST"),
    ("DELIFEQ", "k", "1"),
    ("LOCK", "k", "5"),
]


@pytest.mark.parametrize("words", WRITES, ids=" ".join)
def test_a_write_to_a_locked_key_is_refused_and_changes_nothing(r, words):
    r.mset({"k": "1", "free": "2"})
    assert r.execute_command("LOCK", "k", 100) == 1
    assert outcome(r, *words) == LOCKED
    assert r.mget("k", "free") == [b"1", b"2"] and r.ttl("k") == -1 and r.dbsize() == 2


def test_reads_go_through(r):
    r.set("k", "1")
    r.execute_command("LOCK", "k", 100)
    assert r.get("k") == b"1" and r.exists("k") == 1 and r.strlen("k") == 1 and r.ttl("k") == -1
    assert r.copy("k", "copy") and r.set("copy", "2")  # a copy is another key, and not locked
    assert r.execute_command("PREFIX", "GET", "k") == [b"k", b"1"]


def test_copying_over_a_locked_key_of_another_database_is_refused(r):
    r.set("k", "1")
    connection = r.connection_pool.get_connection()
    try:
        for words, reply in (
            (("SELECT", 1), b"OK"),
            (("SET", "k", "here"), b"OK"),
            (("LOCK", "k", 100), 1),
            (("SELECT", 0), b"OK"),
        ):
            connection.send_command(*words)
            assert connection.read_response() == reply
        connection.send_command("COPY", "k", "k", "DB", 1, "REPLACE")
        with pytest.raises(redis.ResponseError, match=LOCKED):
            connection.read_response()
    finally:
        connection.disconnect()


def test_flushes_and_unlock_end_a_lock(r):
    for end in (("FLUSHALL",), ("FLUSHDB",), ("UNLOCK", "k")):
        r.set("k", "1")
        assert r.execute_command("LOCK", "k", -1) == 1
        assert outcome(r, "SET", "k", "x") == LOCKED
        r.execute_command(*end)
        assert r.set("k", "2")
    assert r.execute_command("UNLOCK", "k") == 0
    assert r.execute_command("UNLOCK", "missing") == 0


def test_a_lock_runs_out_and_expiry_goes_through(start_engine):
    server = start_engine()
    server.engine.freeze()
    r = server.client()
    r.set("k", "1")
    r.set("mortal", "1", px=1500)
    r.execute_command("LOCK", "k", 2)
    r.execute_command("LOCK", "mortal", -1)
    server.engine.advance(1.999)
    assert outcome(r, "SET", "k", "x") == LOCKED
    assert r.exists("mortal") == 0 and r.set("mortal", "2")
    server.engine.advance(0.001)
    assert r.set("k", "2")


def test_a_token_lets_its_owner_write_and_nobody_else(r):
    r.set("k", "1")
    first = r.execute_command("LOCK", "k", 100, "TOKEN")
    assert outcome(r, "SET", "k", "x") == LOCKED
    assert r.execute_command("FENCE", first, "SET", "k", "2") == b"OK"
    assert r.execute_command("FENCE", first, "INCR", "k") == 3
    assert outcome(r, "FENCE", first + 1, "SET", "k", "x") == NOT_OURS
    assert outcome(r, "FENCE", first, "SET", "other", "x") == NOT_OURS
    assert r.execute_command("FENCE", first, "GET", "other") is None
    assert r.execute_command("UNLOCK", "k", "TOKEN", first + 1) == 0
    assert r.execute_command("UNLOCK", "k", "TOKEN", first) == 1
    assert outcome(r, "FENCE", first, "SET", "k", "x") == NOT_OURS
    assert r.execute_command("LOCK", "k", 100, "TOKEN") > first
    assert outcome(r, "FENCE", first, "SET", "k", "x") == NOT_OURS
    assert r.get("k") == b"3"


@pytest.mark.parametrize(
    "words",
    [
        ("FLUSHALL",),
        ("SWAPDB", "0", "1"),
        ("LOCK", "k", "5"),
        ("UNLOCK", "k"),
        ("PREFIX", "LOCK", "k", "5"),
        ("PREFIX", "UNLOCK", "k"),
        ("GIBSON", "SET", "0", "k", "x"),
        ("GIBSON", "MDEL", "k"),
        ("GIBSON", "UNLOCK", "k"),
    ],
    ids=" ".join,
)
def test_what_a_token_can_not_answer_for_is_not_run_under_one(r, words):
    """Writes that do not name their keys, or that pass locks over: a stale owner would get through."""
    r.set("k", "1")
    stale = r.execute_command("LOCK", "k", 100, "TOKEN")
    r.execute_command("UNLOCK", "k")
    assert outcome(r, "FENCE", stale, *words) == "FENCE takes a token and a command on keys"
    assert r.get("k") == b"1" and r.execute_command("UNLOCK", "k") == 0


def test_a_stale_owner_is_refused_when_the_lock_has_run_out(start_engine):
    server = start_engine()
    server.engine.freeze()
    r = server.client()
    r.set("k", "1")
    stale = r.execute_command("LOCK", "k", 1, "TOKEN")
    server.engine.advance(1)
    assert outcome(r, "FENCE", stale, "SET", "k", "stale") == NOT_OURS
    owner = r.execute_command("LOCK", "k", 1, "TOKEN")
    assert owner > stale
    assert outcome(r, "FENCE", stale, "SET", "k", "stale") == NOT_OURS
    assert r.execute_command("FENCE", owner, "SET", "k", "mine") == b"OK"


def test_locks_hold_inside_transactions(r):
    r.set("k", "1")
    token = r.execute_command("LOCK", "k", 100, "TOKEN")
    pipeline = r.pipeline(transaction=True)
    pipeline.set("k", "x")
    pipeline.execute_command("FENCE", token, "APPEND", "k", "2")
    pipeline.set("free", "x")
    replies = pipeline.execute(raise_on_error=False)
    assert str(replies[0]) == LOCKED and replies[1:] == [2, True]


def test_prefix_writes_skip_locked_keys_and_do_not_count_them(r):
    r.mset({"p:1": 1, "p:2": 2, "p:3": 3})
    assert r.execute_command("LOCK", "p:2", 100) == 1
    assert r.execute_command("PREFIX", "INCR", "p:") == 2
    assert r.mget("p:1", "p:2", "p:3") == [b"2", b"2", b"4"]
    assert r.execute_command("PREFIX", "LOCK", "p:", 100) == 2
    assert r.execute_command("PREFIX", "LOCK", "p:", 100) == 0
    assert r.execute_command("PREFIX", "DEL", "p:") == 0
    assert r.execute_command("PREFIX", "UNLOCK", "p:") == 3
    assert r.execute_command("PREFIX", "DEL", "p:") == 3


def test_a_lock_stays_when_its_owner_copies_over_the_key(r):
    r.mset({"k": "1", "source": "2", "locked": "3"})
    token = r.execute_command("LOCK", "k", 100, "TOKEN")
    r.execute_command("LOCK", "locked", 100)
    for source, value in (("source", b"2"), ("locked", b"3")):
        assert r.execute_command("FENCE", token, "COPY", source, "k", "REPLACE") == 1
        assert outcome(r, "SET", "k", "x") == LOCKED
        assert r.get("k") == value
    assert r.execute_command("FENCE", token, "SET", "k", "4") == b"OK"
    assert r.execute_command("UNLOCK", "k", "TOKEN", token) == 1
    assert r.set("k", "5") and r.execute_command("UNLOCK", "locked") == 1 and r.set("locked", "5")


def gibson(r, *words):
    return r.execute_command("GIBSON", *words)


def test_a_gibson_lock_restarts_the_time_to_live_that_a_redis_command_gave(start_engine):
    """It is measured from when it was given, not from when the item was stored."""
    server = start_engine()
    server.engine.freeze()
    r = server.client()
    for give in (("EXPIRE", "k", 10), ("GETEX", "k", "EX", 10), ("PREFIX", "EXPIRE", "k", 10), ("SET", "k", "v", "EX", 10)):
        gibson(r, "SET", 0, "k", "v")
        server.engine.advance(1000)
        r.execute_command(*give)
        assert gibson(r, "META", "k", "ttl") == gibson(r, "META", "k", "left") == 10
        server.engine.advance(4)
        assert gibson(r, "META", "k", "left") == 6
        assert gibson(r, "LOCK", "k", 1) == b"OK"
        assert gibson(r, "META", "k", "ttl") == gibson(r, "META", "k", "left") == r.ttl("k") == 10
        server.engine.advance(10)
        assert r.exists("k") == 0


def test_what_a_redis_command_gives_leaves_no_time_to_live_of_zero(start_engine):
    server = start_engine()
    server.engine.freeze()
    r = server.client()
    gibson(r, "SET", 0, "k", "v")
    gibson(r, "TTL", "k", 0)
    assert gibson(r, "META", "k", "ttl") == 0
    r.expire("k", 10)
    r.persist("k")
    assert gibson(r, "META", "k", "ttl") == -1


def test_a_lock_that_has_run_out_goes_with_the_value_that_it_was_on(start_engine):
    server = start_engine()
    server.engine.freeze()
    r = server.client()
    for lock, value in ((("LOCK", "k", 5), "w"), (("GIBSON", "LOCK", "k", 5), "w" * 2000)):
        r.set("k", "v")
        r.execute_command(*lock)
        server.engine.advance(100)
        assert gibson(r, "META", "k", "lock") == 5
        r.set("k", value, ex=10)
        assert gibson(r, "META", "k", "lock") == 0
        assert gibson(r, "META", "k", "ttl") == 10
        assert gibson(r, "META", "k", "created") == int(server.engine.now())
        assert gibson(r, "TTL", "k", 5) == b"OK"  # would start the lock again, too
        assert r.set("k", "free")


@pytest.mark.parametrize(
    "words, error",
    [
        (("LOCK", "k", "0"), "a key is locked for at least 1 second, or for -1: until it is unlocked"),
        (("LOCK", "k", "-2"), "a key is locked for at least 1 second, or for -1: until it is unlocked"),
        (("LOCK", "k", "x"), "value is not an integer or out of range"),
        (("LOCK", "k", "1", "KEY"), "syntax error"),
        (("UNLOCK", "k", "TOKEN"), "syntax error"),
        (("FENCE", "x", "SET", "k", "v"), "value is not an integer or out of range"),
        (("FENCE", "0", "SET", "k", "v"), "a token is greater than 0"),
        (("FENCE", "1", "NOSUCH", "k"), "FENCE takes a token and a command on keys"),
        (("FENCE", "1", "FENCE", "1", "GET", "k"), "FENCE takes a token and a command on keys"),
        (("FENCE", "1", "MULTI"), "FENCE takes a token and a command on keys"),
        (("FENCE", "1", "WATCH", "k"), "FENCE takes a token and a command on keys"),
        (("FENCE", "1", "PING"), "FENCE takes a token and a command on keys"),
        (("FENCE", "1", "PREFIX"), "FENCE takes a token and a command on keys"),
        (("FENCE", "1", "PREFIX", "NOSUCH", "k"), "unknown subcommand 'NOSUCH'. Try PREFIX HELP."),
        (("FENCE", "1", "GET"), "wrong number of arguments for 'get' command"),
        (("FENCE", "1"), "wrong number of arguments for 'fence' command"),
    ],
    ids=str,
)
def test_bad_words_are_refused(r, words, error):
    r.set("k", "1")
    assert outcome(r, *words) == error


def test_the_keys_of_a_fenced_command_can_be_told(r):
    assert r.command_getkeys("FENCE", 1, "MSET", "a", 1, "b", 2) == ["a", "b"]
    assert r.command_getkeys("FENCE", 1, "GIBSON", "GET", "a") == ["a"]
    assert outcome(r, "COMMAND", "GETKEYS", "FENCE", 1, "PING") == "The command has no key arguments"
    assert outcome(r, "COMMAND", "GETKEYS", "FENCE", 1, "NOSUCH", "a") == "Invalid command specified"
    assert outcome(r, "COMMAND", "GETKEYS", "FENCE", 1) == "The command has no key arguments"


def test_missing_keys_cannot_be_locked(r):
    assert r.execute_command("LOCK", "missing", 1) == 0
    assert r.execute_command("LOCK", "missing", 1, "TOKEN") is None


def test_only_one_of_many_gets_the_lock_and_its_fenced_writes_never_mix(r):
    """Owners write twice under their token with others trying all the time: both writes are theirs, or refused."""
    r.mset({"lock": "0", "a": "0"})
    failures = []

    def own(number):
        client = redis.Redis(connection_pool=r.connection_pool)
        for _ in range(100):
            token = outcome(client, "LOCK", "lock", 100, "TOKEN")
            if isinstance(token, str):
                continue
            client.execute_command("FENCE", token, "SET", "lock", f"{number}")
            if client.get("lock") != b"%d" % number:
                failures.append(number)
            if client.execute_command("UNLOCK", "lock", "TOKEN", token) != 1:
                failures.append(number)

    threads = [threading.Thread(target=own, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []

"""An application's tests inside its own process: redis-py against the embedded engine, whose clock the test holds."""

import threading
import time

import pytest
import redis

from support.resp import encode

DAY_S = 86_400
START_S = 1_700_000_000


@pytest.fixture
def frozen(start_engine):
    """A server of the test's own whose time stands still."""
    server = start_engine()
    server.engine.freeze()
    server.engine.set_time(START_S)
    return server


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "k", "v", "EX", 60),
        ("SET", "k", "v", "PX", 60_000),
        ("SET", "k", "v", "EXAT", START_S + 60),
        ("SET", "k", "v", "PXAT", (START_S + 60) * 1000),
        ("SETEX", "k", 60, "v"),
        ("PSETEX", "k", 60_000, "v"),
        ("MSETEX", 1, "k", "v", "EX", 60),
    ],
    ids=lambda words: f"{words[0]} {words[-2]}",
)
def test_a_key_lives_to_the_last_millisecond(frozen, words):
    r = frozen.client()
    r.execute_command(*words)
    assert (r.ttl("k"), r.pttl("k"), r.expiretime("k")) == (60, 60_000, START_S + 60)
    frozen.engine.advance(59.999)
    assert (r.get("k"), r.pttl("k"), r.exists("k")) == (b"v", 1, 1)
    frozen.engine.advance(0.001)
    assert (r.get("k"), r.pttl("k"), r.exists("k"), r.keys()) == (None, -2, 0, [])


@pytest.mark.parametrize("name, amount", [("expire", 60), ("pexpire", 60_000)])
def test_deadlines_given_later_hold_too(frozen, name, amount):
    r = frozen.client()
    r.set("k", "v")
    frozen.engine.advance(DAY_S)
    getattr(r, name)("k", amount)
    frozen.engine.advance(59.999)
    assert r.get("k") == b"v"
    frozen.engine.advance(0.001)
    assert r.get("k") is None


def test_nothing_expires_while_time_stands_still(frozen):
    r = frozen.client()
    r.set("k", "v", px=1)
    time.sleep(0.01)
    assert (r.get("k"), r.pttl("k"), r.time()) == (b"v", 1, (START_S, 0))


def test_sessions_of_a_month_pass_in_no_time(frozen):
    """What an application's test wants: a login that is renewed every day, and ends a week after the last one."""
    r = frozen.client()
    r.set("session", "user:1", ex=7 * DAY_S)
    for _ in range(30):
        frozen.engine.advance(DAY_S)
        assert r.getex("session", ex=7 * DAY_S) == b"user:1"
    frozen.engine.advance(7 * DAY_S)
    assert r.get("session") is None


def test_upkeep_frees_every_expired_key_at_once(frozen):
    r = frozen.client()
    pipeline = r.pipeline(transaction=False)
    for number in range(10_000):
        pipeline.set(f"k{number}", "v", px=1 + number)
    pipeline.execute()
    before = r.info("stats")["expired_keys"]
    frozen.engine.advance(5.05)  # past the wheel's tick
    frozen.engine.upkeep()
    assert 4950 <= r.dbsize() <= 5000
    frozen.engine.advance(10)
    frozen.engine.upkeep()
    assert r.dbsize() == 0
    assert r.info("stats")["expired_keys"] - before == 10_000


def test_a_clock_set_back_gives_time_back_but_no_key(frozen):
    r = frozen.client()
    r.set("short", "v", ex=60)
    r.set("long", "v", ex=DAY_S)
    frozen.engine.advance(3600)
    assert r.get("short") is None
    frozen.engine.set_time(START_S)
    assert (r.get("short"), r.ttl("long")) == (None, DAY_S)


def test_idle_times_follow_the_clock(frozen):
    r = frozen.client()
    r.set("k", "v")
    frozen.engine.advance(100)
    assert r.object("idletime", "k") == 100
    (entry,) = r.client_list()
    assert entry["age"] == "100"
    r.get("k")
    assert r.object("idletime", "k") == 0


def test_a_running_clock_can_be_moved_as_well(start_engine):
    server = start_engine()
    r = server.client()
    r.set("k", "v", ex=DAY_S)
    server.engine.advance(DAY_S + 1)
    assert r.get("k") is None
    assert abs(r.time()[0] - time.time() - DAY_S) < 60


def test_a_pause_ends_when_the_clock_is_advanced(frozen):
    controller, paused = frozen.raw(), frozen.raw()
    assert controller.command("CLIENT", "PAUSE", 1000, "WRITE") == b"+OK\r\n"
    paused.send(encode("GET", "k") + encode("INCR", "k"))
    assert paused.read_frame() == b"$-1\r\n"
    paused.socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        paused.read_frame()
    paused.socket.settimeout(20)
    frozen.engine.advance(1)
    assert paused.read_frame() == b":1\r\n"


def test_engines_in_one_process_are_apart(start_engine):
    one, other = start_engine(), start_engine(config="requirepass secret\ndatabases 2")
    one.client().set("k", "v")
    with pytest.raises(redis.AuthenticationError):
        other.client().ping()
    r = other.client(password="secret", db=1)
    assert r.get("k") is None
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        other.client(password="secret", db=2).ping()
    r.flushall()
    assert one.client().get("k") == b"v"


def test_a_wrong_configuration_says_which_line(start_engine):
    with pytest.raises(ValueError, match="line 4: argument couldn't be parsed into an integer"):
        start_engine(config="databases 4\nmaxclients many")


def test_sockets_and_function_calls_see_the_same_data(start_engine):
    server = start_engine()
    inside = server.client()
    with redis.Redis(port=server.engine.serve(), protocol=2) as outside:
        inside.set("from", "inside")
        assert outside.get("from") == b"inside"
        outside.set("from", "outside")
        assert {entry["addr"].split(":")[0] for entry in inside.client_list()} == {"memory", "127.0.0.1"}
    server.engine.stop()
    assert inside.get("from") == b"outside"


def test_a_killed_client_notices_and_connects_again(start_engine):
    """redis-py looks before it uses a connection again, and finds the end of the stream."""
    server = start_engine()
    r, killer = server.client(), server.client()
    number = r.client_id()
    assert killer.client_kill_filter(_id=str(number)) == 1
    assert r.ping() is True
    assert r.client_id() > number


@pytest.mark.parametrize("protocol", [2, 3])
def test_threads_share_a_client(start_engine, protocol):
    r = start_engine().client(protocol=protocol)
    problems = []

    def work():
        try:
            for _ in range(500):
                r.incr("n")
                r.pipeline(transaction=False).append("log", "x").get("missing").execute()
        except Exception as problem:  # reported by the test
            problems.append(problem)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not problems
    assert (r.get("n"), r.strlen("log")) == (b"4000", 4000)


def test_a_fresh_engine_for_every_test_costs_milliseconds(start_engine):
    for number in range(50):
        server = start_engine()
        r = server.client(decode_responses=True)
        assert r.get("number") is None
        r.set("number", number)
        server.stop()

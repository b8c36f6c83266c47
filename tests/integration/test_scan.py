"""SCAN: a key that is there from the first call to the last is returned, whatever happens to the table meanwhile."""

import threading

import pytest

pytestmark = pytest.mark.embedded


def scan_all(r, count, between=lambda: None, **options):
    """Every key returned by one whole iteration, repetitions included."""
    cursor, found = 0, []
    while True:
        cursor, keys = r.scan(cursor, count=count, **options)
        found += keys
        if cursor == 0:
            return found
        between()


def fill(r, prefix, start, end):
    pipeline = r.pipeline(transaction=False)
    for number in range(start, end):
        pipeline.set(f"{prefix}{number}", number)
    pipeline.execute()


def remove(r, prefix, start, end):
    for at in range(start, end, 1000):
        r.delete(*[f"{prefix}{number}" for number in range(at, min(at + 1000, end))])


STAYING = {f"stay:{number}".encode() for number in range(1000)}


@pytest.mark.parametrize("count", [1, 10, 1000, 1_000_000])
def test_scan_returns_every_key_once_when_nothing_changes(r, count):
    fill(r, "stay:", 0, 1000)
    found = scan_all(r, count)
    assert sorted(found) == sorted(STAYING)


def test_scan_of_an_empty_database_ends_at_once(r):
    assert r.scan(0) == (0, [])


def test_scan_filters_by_pattern_and_type(r):
    fill(r, "stay:", 0, 1000)
    assert set(scan_all(r, 100, match="stay:99?")) == {f"stay:99{digit}".encode() for digit in range(10)}
    assert set(scan_all(r, 100, _type="string")) == STAYING
    assert scan_all(r, 100, _type="list") == []


def test_scan_misses_no_staying_key_while_the_table_grows(r):
    fill(r, "stay:", 0, 1000)
    steps = iter(range(0, 60_000, 600))

    def grow():
        start = next(steps, None)
        if start is not None:
            fill(r, "grow:", start, start + 600)

    assert set(scan_all(r, 20, grow)) >= STAYING


def test_scan_misses_no_staying_key_while_the_table_shrinks(r):
    fill(r, "stay:", 0, 1000)
    fill(r, "gone:", 0, 50_000)
    steps = iter(range(0, 50_000, 1000))

    def shrink():
        start = next(steps, None)
        if start is not None:
            remove(r, "gone:", start, start + 1000)

    assert set(scan_all(r, 20, shrink)) >= STAYING


def test_scan_misses_no_staying_key_while_writers_grow_and_shrink_the_table(server):
    """Concurrently, so that on several threads the table is resized in the middle of a step."""
    r = server.client()
    fill(r, "stay:", 0, 1000)
    done = threading.Event()
    problems = []

    def write(prefix):
        client = server.client()
        try:
            while not done.is_set():
                fill(client, prefix, 0, 5000)
                remove(client, prefix, 0, 5000)
        except Exception as problem:  # reported by the test
            problems.append(problem)

    writers = [threading.Thread(target=write, args=(f"w{number}:",)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        for count in (10, 100):
            missing = STAYING - set(scan_all(r, count))
            assert not missing, f"{len(missing)} staying keys were not returned"
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert not problems


def test_scan_never_returns_an_expired_key(r):
    pipeline = r.pipeline(transaction=False)
    for number in range(500):
        pipeline.set(f"k{number}", 1)
        if number % 2:
            pipeline.pexpireat(f"k{number}", 1)
    pipeline.execute()
    assert len(scan_all(r, 10)) == 250


def test_scan_stays_in_its_database(server, transport):
    zero, one = server.client(transport, db=0), server.client(transport, db=1)
    zero.set("zero", 1)
    one.set("one", 1)
    assert scan_all(zero, 10) == [b"zero"]

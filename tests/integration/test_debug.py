"""DEBUG: what test suites of applications and of clients send."""

import time

import pytest
import redis


@pytest.fixture
def d(start_server):
    return start_server(threads=2).client()


def test_sleep_takes_its_time(d):
    began = time.monotonic()
    assert d.execute_command("DEBUG", "SLEEP", "0.2") == b"OK"
    assert time.monotonic() - began >= 0.2


def test_object_describes_an_entry(d):
    d.mset({"n": 12, "s": "abc"})
    text = d.execute_command("DEBUG", "OBJECT", "n")
    fields = text if isinstance(text, dict) else dict(part.split(":", 1) for part in str(text).split() if ":" in part)
    assert fields["encoding"] == "int"
    with pytest.raises(redis.ResponseError, match="no such key"):
        d.execute_command("DEBUG", "OBJECT", "missing")


@pytest.mark.parametrize(
    "words",
    [
        ("SET-ACTIVE-EXPIRE", "1"),
        ("JMAP",),
        ("QUICKLIST-PACKED-THRESHOLD", "100B"),
        ("STRINGMATCH-LEN", "10", "*"),
        ("CHANGE-REPL-ID",),
    ],
    ids=" ".join,
)
def test_harmless_subcommands_do_not_bring_the_server_down(d, words):
    """Answered or refused: the server goes on either way."""
    try:
        d.execute_command("DEBUG", *words)
    except redis.ResponseError:
        pass
    assert d.ping() is True


def test_help_lists_what_there_is(d):
    text = b"\n".join(d.execute_command("DEBUG", "HELP")).decode()
    for subcommand in ("SLEEP", "OBJECT", "SET-ACTIVE-EXPIRE", "HELP"):
        assert subcommand in text

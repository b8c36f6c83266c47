"""Everything at once, for a bounded time, on a server and inside a program; then nothing may be left of it."""

import contextlib

import pytest

from .actors import ALL, Lawgiver
from .soak import BASELINE, HostTarget, Problem, ServerTarget, Soak

TARGETS = {"server": ServerTarget, "program": HostTarget}

# Actors whose commands the server does not have yet. When they come, the actors play by themselves; whoever brings them
# takes them off this list.
AWAITED = {"Tracker", "Redirector", "Eavesdropper", "SlowLogger", "Lawgiver", "Citizen"}


@pytest.fixture
def soak(request, binary, seed):
    """A soak of a fresh target, which is stopped, and checked for how it ends, after it."""
    options = {"save": "", "enable-debug-command": "yes", **BASELINE}
    target = TARGETS[request.param](binary, options)
    print(f"soak of {request.param}, --seed {seed}")
    yield Soak(target, seed)
    target.stop()


def tidy_up(soak):
    """What takes back the changes of the actors; settings that the server does not have are left out."""
    words = [("CONFIG", "SET", name, value) for name, value in BASELINE.items()]
    with soak.connect("tcp").raw as connection:
        if connection.ask("CONFIG", "GET", "maxkeys")[1]:
            words.append(("CONFIG", "SET", "maxkeys", "0"))
    if soak.known_commands(["HOTKEYS"]):
        words += [("HOTKEYS", "STOP"), ("HOTKEYS", "RESET")]
    if soak.known_commands(["ACL"]):
        words += [("ACL", "DELUSER", f"user{number}") for number in range(Lawgiver.USERS)]
    return words


@pytest.mark.larder_only("it is Larder's invariants that are checked")
@pytest.mark.parametrize("soak", TARGETS, indirect=True)
def test_nothing_is_left_of_everything_at_once(soak, request, seed, capsys):
    seconds = request.config.getoption("--soak-seconds") / len(TARGETS)
    kinds, missing = soak.choose(ALL)
    assert missing <= AWAITED, f"no actor may be left out, but the server lacks what these need: {missing - AWAITED}"
    try:
        tables = soak.census()["table-bytes"]
        steps = soak.run(kinds, seconds / 2)
        soak.settle(tidy_up(soak))
        resident = soak.target.resident_bytes()
        steps += soak.run(kinds, seconds / 2)
        soak.settle(tidy_up(soak))
        soak.check_memory(tables, resident)
    except Problem as problem:
        raise AssertionError(f"--seed {seed}: {problem}") from None
    with capsys.disabled(), contextlib.suppress(OSError):
        print(f"\n  steps of the actors: {dict(steps)}")
    idle = {kind.__name__ for kind in kinds if steps[kind.__name__] == 0}
    assert not idle, f"these never got anywhere: {idle}"

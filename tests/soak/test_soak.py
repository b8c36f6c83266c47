"""Everything at once, for a bounded time, on a server and inside a program; then nothing may be left of it."""

import contextlib

import pytest

from .actors import ALL, Lawgiver, Subject
from .soak import BASELINE, HostTarget, Problem, ServerTarget, Soak

TARGETS = {"server": ServerTarget, "program": HostTarget}

@pytest.fixture
def soak(request, binary, seed, tmp_path):
    """A soak of a fresh target, which is stopped, and checked for how it ends, after it."""
    users = tmp_path / "users.acl"
    users.write_text(Subject.USER + "\n")
    options = {"save": "", "enable-debug-command": "yes", "aclfile": str(users), **BASELINE}
    gibson = str(tmp_path / "gibson.sock")
    target = TARGETS[request.param](binary, options | {"gibson-unixsocket": gibson})
    target.addresses["gibson"] = gibson
    print(f"soak of {request.param}, --seed {seed}")
    yield Soak(target, seed)
    target.stop()


def tidy_up():
    """What takes back the changes of the actors."""
    words = [("CONFIG", "SET", name, value) for name, value in BASELINE.items()]
    words += [("HOTKEYS", "STOP"), ("HOTKEYS", "RESET")]
    words += [("ACL", "DELUSER", f"user{number}") for number in range(Lawgiver.USERS)]
    return words


@pytest.mark.larder_only("it is Larder's invariants that are checked")
@pytest.mark.parametrize("soak", TARGETS, indirect=True)
def test_nothing_is_left_of_everything_at_once(soak, request, seed, capsys):
    seconds = request.config.getoption("--soak-seconds") / len(TARGETS)
    kinds = soak.choose(ALL)
    try:
        tables = soak.census()["table-bytes"]
        steps = soak.run(kinds, seconds / 2)
        soak.settle(tidy_up())
        resident = soak.target.resident_bytes()
        steps += soak.run(kinds, seconds / 2)
        soak.settle(tidy_up())
        soak.check_memory(tables, resident)
    except Problem as problem:
        raise AssertionError(f"--seed {seed}: {problem}") from None
    with capsys.disabled(), contextlib.suppress(OSError):
        print(f"\n  steps of the actors: {dict(steps)}")
    idle = {kind.__name__ for kind in kinds if steps[kind.__name__] == 0}
    assert not idle, f"these never got anywhere: {idle}"

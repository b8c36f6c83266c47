"""Every command in scope, called wrongly in every way we could think of, answers as redis-server does."""

import pytest

from .error_table import KEY_INVOCATIONS, SETUP
from .pair import show
from .server_error_table import ANSWERS_OF_7_2, SERVER_INVOCATIONS

INVOCATIONS = {**KEY_INVOCATIONS, **SERVER_INVOCATIONS}


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("command", INVOCATIONS)
def test_bad_invocations_are_answered_as_by_redis(pair, command, protocol):
    pair.compare([*SETUP, ("HELLO", protocol)])
    invocations = INVOCATIONS[command]
    # In small pipelines: a difference of contents then shows close to the command that caused it.
    for at in range(0, len(invocations), 500):
        pair.compare(invocations[at : at + 500])
    pair.compare([("RESET",)])
    pair.compare_contents(4)


@pytest.mark.larder_only("the commands came with 7.2")
def test_commands_of_7_2_answer_as_in_7_2(pair):
    wrong = []
    for words, expected in ANSWERS_OF_7_2:
        reply = pair.connections[0].command(*words)
        if reply != expected:
            wrong.append(f"{show(words)}: {reply!r} instead of {expected!r}")
    assert not wrong, "\n".join(wrong)

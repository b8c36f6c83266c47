"""Random commands, the same to both servers: equal replies, and in the end equal contents. Once more with values of any
length compressed, which nobody may notice."""

import random

import pytest

from support.compression import need_lz4

from .generator import Generator

PIPELINE = 100


@pytest.mark.parametrize("protocol", [2, 3])
def test_random_commands_leave_both_servers_equal(pair, protocol, seed, request):
    compare_random_commands(pair, protocol, seed, request.config.getoption("--random-commands"))


def test_compressed_values_are_the_same_to_random_commands(pair, binary, seed, request):
    need_lz4(binary)
    larder = pair.larder.client()
    before = larder.info("memory")["compressions"]
    larder.config_set("compression-threshold", 16)
    try:
        compare_random_commands(pair, 2, seed + 1, request.config.getoption("--random-commands") // 2)
    finally:
        larder.config_set("compression-threshold", 0)
    assert larder.info("memory")["compressions"] > before


def compare_random_commands(pair, protocol, seed, count):
    generator = Generator(random.Random(seed * 4 + protocol))
    pair.compare([("HELLO", protocol)])
    done = 0
    try:
        while done < count:
            commands = generator.commands(generator.random.randrange(1, PIPELINE))
            pair.compare(commands)
            done += len(commands)
            if done % 2000 < len(commands):
                pair.compare([("RESET",)])
                pair.compare_contents(3)
                pair.compare([("HELLO", protocol)])
        pair.compare([("RESET",)])
        pair.compare_contents()
    except AssertionError as difference:
        raise AssertionError(f"after {done} commands, --seed {seed}: {difference}") from None


def test_many_keys_are_the_same_after_growing_and_shrinking(pair, seed):
    """The generator stays on few keys; this goes through the sizes at which tables grow and shrink."""
    chooser = random.Random(seed)
    for round_size in (20000, 200, 5000):
        pair.compare(
            [
                ("SET", f"key:{number}", number, *(("EX", "100000") if number % 7 == 0 else ()))
                for number in range(round_size)
            ]
        )
        pair.compare([("DBSIZE",)])
        doomed = chooser.sample(range(round_size), round_size * 9 // 10)
        for at in range(0, len(doomed), 500):
            pair.compare([("DEL", *[f"key:{number}" for number in doomed[at : at + 500]])])
        pair.compare([("DBSIZE",), ("KEYS", "key:1*"), ("SCAN", "0", "COUNT", 1_000_000)])
    pair.compare_contents(1)

"""libgibsonclient as programs meet it: its name, its symbols, the example."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.server import larder_binary

FUNCTIONS = """
    gb_count gb_dec gb_del gb_disconnect gb_get gb_getlasterror gb_inc gb_keys gb_lock gb_mdec gb_mdel gb_meta gb_mget
    gb_minc gb_mlock gb_mset gb_mttl gb_munlock gb_ping gb_quit gb_reply_multi gb_reply_multi_free gb_reply_number
    gb_reply_raw gb_set gb_stats gb_tcp_connect gb_ttl gb_unix_connect gb_unlock
"""


@pytest.fixture(scope="module")
def build():
    """The folder of the client in the build under test."""
    path = Path(larder_binary()).parent / "clients/gibson"
    if not (path / "libgibsonclient.so").exists():
        pytest.skip(f"there is no library in {path}")
    return path


def read_elf(build, tool, *flags):
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool}")
    return subprocess.run(
        [tool, *flags, build / "libgibsonclient.so"], capture_output=True, text=True, check=True
    ).stdout


def test_its_functions_are_those_of_the_original_and_no_others(build):
    symbols = {line.split()[-1] for line in read_elf(build, "nm", "-D", "--defined-only").splitlines()}
    of_the_sanitizer = {symbol for symbol in symbols if re.match("_*(asan|odr_asan|ubsan|tsan)", symbol)}
    assert symbols - of_the_sanitizer == set(FUNCTIONS.split())


def test_programs_that_were_linked_with_the_original_find_it(build):
    assert "Library soname: [libgibsonclient.so.1]" in read_elf(build, "readelf", "-d")
    assert os.path.basename(os.path.realpath(build / "libgibsonclient.so.1")) == "libgibsonclient.so.1.0.0"


def test_the_example_runs(build, start_program):
    program = start_program()
    done = subprocess.run([build / "gibson-example", program.path], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["visits: 8", "user:42:name = Ada", "user:42:visits = 8", "deleted: 2", "gone"]

"""Was a server built with LZ4?"""

import functools
import subprocess

import pytest


@functools.cache
def has_lz4(binary):
    """False for a redis-server, which does not say so."""
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    return " lz4=" in version and " lz4=none" not in version


def need_lz4(binary):
    if not has_lz4(binary):
        pytest.skip("this server was built without LZ4")

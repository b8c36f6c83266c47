"""A build without LZ4 serves everything else, and says what it lacks. Runs where such a build is under test."""

import pytest
import redis

from support.compression import has_lz4
from support.server import run_to_exit

REFUSAL = "This Larder was built without LZ4; compression-threshold must be 0."


@pytest.fixture(autouse=True)
def _only_without_lz4(binary, is_larder):
    if has_lz4(binary) or not is_larder:
        pytest.skip("this server was built with LZ4")


def test_a_threshold_is_refused_at_start(binary, tmp_path):
    process = run_to_exit(binary, ["--port", "0", "--compression-threshold", "100"], tmp_path)
    assert process.returncode == 1
    assert REFUSAL in process.stdout + process.stderr


def test_a_threshold_is_refused_while_it_runs(start_server):
    r = start_server(threads=2).client()
    with pytest.raises(redis.ResponseError, match=REFUSAL):
        r.config_set("compression-threshold", 100)
    assert r.config_get("compression-threshold") == {"compression-threshold": "0"}
    r.set("k", "x" * 10_000)
    assert r.get("k") == b"x" * 10_000
    assert r.info("memory")["compressed_keys"] == 0


def test_info_says_that_there_is_none(start_server):
    assert start_server(threads=2).client().info("server")["compression_library"] == "none"

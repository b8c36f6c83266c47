"""redis-benchmark finishes its tests, in every mode that people use it in."""

import shutil
import subprocess

import pytest

from support.certificates import certificates, need_tls

pytestmark = pytest.mark.skipif(shutil.which("redis-benchmark") is None, reason="redis-benchmark is not installed")

TESTS = ["SET", "GET", "INCR", "MSET (10 keys)"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-P", "16"],
        ["-P", "100", "-c", "10"],
        ["-c", "1"],
        ["-d", "1000", "-r", "1000"],
        ["-k", "0"],
        ["--threads", "2"],
        ["-3"],
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_all_requests_are_answered(server, options):
    count = "500" if "-k" in options else "4000"
    result = subprocess.run(
        [
            "redis-benchmark",
            "-h",
            "127.0.0.1",
            "-p",
            str(server.port),
            "-t",
            "set,get,incr,mset",
            "-n",
            count,
            "-c",
            "20",
            "--csv",
            *options,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING: Could not fetch server CONFIG" not in result.stderr + result.stdout
    assert "rror" not in result.stderr, result.stderr
    rates = {line.split('","')[0].strip('"'): float(line.split('","')[1]) for line in result.stdout.splitlines()[1:]}
    assert set(rates) == set(TESTS)
    assert all(rate > 0 for rate in rates.values())
    assert server.client().dbsize() > 0


@pytest.mark.parametrize("options", [[], ["-P", "100"], ["-d", "100000"], ["--threads", "2"]], ids=" ".join)
def test_all_requests_are_answered_over_tls(server, binary, options):
    need_tls(binary)
    where = ["-h", "127.0.0.1", "-p", str(server.tls_port), *certificates().cli_options()]
    result = subprocess.run(
        ["redis-benchmark", *where, "-t", "set,get,incr", "-n", "4000", "-c", "20", "--csv", *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "rror" not in result.stderr, result.stderr
    assert len(result.stdout.splitlines()) == 4, result.stdout
    assert server.client().get("counter:__rand_int__") == b"4000"


def test_unix_socket_and_own_command(server):
    result = subprocess.run(
        ["redis-benchmark", "-s", server.unix_path, "-n", "1000", "-c", "10", "-q", "SET", "key:__rand_int__", "value"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "requests per second" in result.stdout


def test_increments_of_a_run_add_up(server):
    subprocess.run(
        [
            "redis-benchmark",
            "-h",
            "127.0.0.1",
            "-p",
            str(server.port),
            "-t",
            "incr",
            "-n",
            "10000",
            "-c",
            "20",
            "-P",
            "10",
            "-q",
        ],
        capture_output=True,
        timeout=300,
        check=True,
    )
    assert server.client().get("counter:__rand_int__") == b"10000"

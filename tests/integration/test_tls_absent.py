"""A build without OpenSSL serves everything else, and says what it lacks. Runs where such a build is under test."""

import pytest
import redis

from support.certificates import certificates, has_tls
from support.server import free_port, run_to_exit

REFUSAL = "This Larder was built without TLS; tls-port must be 0."


@pytest.fixture(autouse=True)
def _only_without_tls(binary):
    if has_tls(binary):
        pytest.skip("this server was built with TLS")


def test_tls_port_is_refused_at_start(binary, tmp_path):
    words = [word for name, value in certificates().options(free_port()).items() for word in (f"--{name}", str(value))]
    process = run_to_exit(binary, ["--port", "0", *words], tmp_path)
    assert process.returncode == 1
    assert REFUSAL in process.stdout


def test_tls_port_is_refused_while_it_runs(start_server):
    r = start_server(threads=2).client()
    with pytest.raises(redis.ResponseError, match=REFUSAL):
        r.config_set("tls-port", free_port())
    assert r.config_get("tls-port") == {"tls-port": "0"}
    assert r.ping() is True


def test_other_parameters_of_tls_are_kept(start_server):
    """So that a redis.conf works as it is."""
    r = start_server(threads=2, options={"tls-cert-file": "/nonexistent", "tls-port": 0}).client()
    r.config_set("tls-key-file", "/nonexistent")
    assert r.config_get("tls-*-file")["tls-key-file"] == "/nonexistent"


def test_info_says_that_there_is_none(start_server):
    assert start_server(threads=2).client().info("server")["tls_library"] == "none"

"""redis-cli: its modes, not only its commands, ask the server for things."""

import shutil
import subprocess

import pytest

from support.certificates import certificates

pytestmark = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")


def way_to(server, transport):
    """The options that lead redis-cli to the server."""
    if transport == "unix":
        return ["-s", server.unix_path]
    if transport == "tcp":
        return ["-h", "127.0.0.1", "-p", str(server.port)]
    return ["-h", "127.0.0.1", "-p", str(server.tls_port), *certificates().cli_options()]


def cli(server, *words, stdin=None, transport="tcp", options=()):
    where = way_to(server, transport)
    return subprocess.run(
        ["redis-cli", *where, *options, *words], input=stdin, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_commands_given_as_words(server, transport, protocol):
    def run(*words):
        return cli(server, *words, transport=transport, options=[protocol]).stdout

    assert run("SET", "k", "v") == "OK\n"
    assert run("GET", "k") == "v\n"
    assert run("INCR", "n") == "1\n"
    assert run("MGET", "k", "missing") == "v\n\n"
    assert run("PING") == "PONG\n"


def test_error_is_shown(server):
    cli(server, "SET", "k", "v")
    assert "ERR value is not an integer or out of range" in cli(server, "INCR", "k").stdout
    assert cli(server, "INCR", "k", options=["-e"]).returncode == 1


def test_commands_from_standard_input(server):
    result = cli(server, stdin='SET "a key" "a value"\nGET "a key"\nSELECT 3\nDBSIZE\n')
    assert result.stdout == "OK\na value\nOK\n0\n"


def test_value_from_standard_input(server):
    assert cli(server, "SET", "k", options=["-x"], stdin="piped").stdout == "OK\n"
    assert cli(server, "GET", "k").stdout == "piped\n"


def test_formatted_output(server):
    cli(server, "MSET", "a", "1", "b", "2")
    assert cli(server, "MGET", "a", "missing", options=["--no-raw"]).stdout == '1) "1"\n2) (nil)\n'
    assert cli(server, "MGET", "a", "b", options=["--csv"]).stdout == '"1","2"\n'
    assert cli(server, "MGET", "a", "b", options=["--json"]).stdout == '["1","2"]\n'


def test_pipe_mode_loads_in_bulk(server, transport):
    data = "".join(f"SET key:{number} value\r\n" for number in range(5000))
    result = cli(server, options=["--pipe"], stdin=data, transport=transport)
    assert "errors: 0, replies: 5000" in result.stdout
    assert cli(server, "DBSIZE", transport=transport).stdout == "5000\n"


def test_scan_mode_lists_keys(server):
    cli(server, "MSET", *[word for number in range(100) for word in (f"key:{number}", "x")])
    assert len(cli(server, options=["--scan"]).stdout.split()) == 100
    assert len(cli(server, options=["--scan", "--pattern", "key:9*"]).stdout.split()) == 11


def test_big_keys_mode_walks_the_keyspace(server):
    cli(server, "MSET", "small", "x", "large", "x" * 5000)
    result = cli(server, options=["--bigkeys"])
    assert result.returncode == 0
    assert "Biggest string found" in result.stdout and "large" in result.stdout
    result = cli(server, options=["--memkeys"])
    assert result.returncode == 0, result.stdout + result.stderr


def test_latency_and_stat_modes_run(server):
    result = cli(server, options=["--latency", "--raw", "-i", "1"])
    assert result.returncode == 0
    assert len(result.stdout.split()) == 4
    assert cli(server, "PING", options=["-r", "3", "-i", "0.01"]).stdout == "PONG\n" * 3


def test_name_user_and_database_options(server):
    assert cli(server, "CLIENT", "GETNAME", options=["-n", "5"]).stdout == "\n"
    cli(server, "SET", "k", "v", options=["-n", "5"])
    assert cli(server, "DBSIZE", options=["-n", "5"]).stdout == "1\n"


def test_password_and_url_options(start_server):
    server = start_server(threads=1, options={"requirepass": "secret"})
    assert "NOAUTH" in cli(server, "GET", "k").stdout
    assert cli(server, "PING", options=["-a", "secret", "--no-auth-warning"]).stdout == "PONG\n"
    url = f"redis://default:secret@127.0.0.1:{server.port}/2"
    assert (
        subprocess.run(
            ["redis-cli", "-u", url, "SET", "k", "v"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        == "OK\n"
    )
    assert server.client(password="secret", db=2).get("k") == b"v"


def test_help_of_interactive_use_comes_from_command_docs(server):
    result = cli(server, "COMMAND", "DOCS", "GET", options=["-3", "--json"])
    assert '"summary"' in result.stdout and '"arguments"' in result.stdout

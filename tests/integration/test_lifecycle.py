"""Start and stop: log lines, signals, SHUTDOWN, ports and sockets, as supervisors and scripts expect them."""

import os
import re
import signal
import socket
import subprocess

import pytest
import redis

from support.resp import Closed, RawConnection
from support.server import SANITIZED, free_port, run_to_exit
from support.waiting import wait_until


def test_start_logs_the_lines_that_supervisors_wait_for(start_server):
    server = start_server(threads=2)
    wait_until(lambda: "Ready to accept connections" in server.log(), 10, "the last line")
    log = server.log()
    assert re.search(rf"^{server.pid}:C \d\d \w\w\w \d\d\d\d \d\d:\d\d:\d\d\.\d\d\d [#*] .*starting", log, re.MULTILINE)
    assert re.search(rf"version=\S+,.* pid={server.pid}, just started", log)
    assert re.search(rf"^{server.pid}:M .* [#*] Server initialized", log, re.MULTILINE)
    assert re.search(rf"^{server.pid}:M .* \* Ready to accept connections", log, re.MULTILINE)
    assert log.index("Server initialized") < log.index("Ready to accept connections")


@pytest.mark.larder_only("7.2 names the kind of listener")
def test_ready_line_names_each_listener(start_server):
    server = start_server(threads=2)
    wait_until(lambda: "Ready to accept connections unix" in server.log(), 10, "the last line")
    assert "Ready to accept connections tcp" in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("threads", [1, 4])
def test_signal_ends_the_server_in_order(start_server, number, threads):
    server = start_server(threads=threads)
    connection = server.raw()
    connection.command("SET", "k", "v")
    server.signal(number)
    assert connection.read_until_closed() == b""
    assert server.wait_exit() == 0
    log = server.log()
    assert f"Received {number.name} scheduling shutdown..." in log
    assert "User requested shutdown..." in log
    assert log.rstrip().endswith("is now ready to exit, bye bye...")
    assert not os.path.exists(server.unix_path)


def test_sighup_does_not_end_the_server(start_server):
    server = start_server(threads=2)
    connection = server.raw()
    for _ in range(3):
        server.signal(signal.SIGHUP)
        assert connection.command("PING") == b"+PONG\r\n"
    assert server.is_running()


def test_sigpipe_does_not_end_the_server(start_server):
    server = start_server(threads=2)
    server.signal(signal.SIGPIPE)
    assert server.raw().command("PING") == b"+PONG\r\n"


@pytest.mark.parametrize(
    "words",
    [(), ("NOSAVE",), ("nosave", "now"), ("NOW", "FORCE"), ("SAVE", "FORCE"), ("NOSAVE", "NOW", "FORCE")],
    ids=lambda words: " ".join(words) or "plain",
)
def test_shutdown_ends_the_server_without_an_answer(start_server, words):
    server = start_server(threads=2)
    connection, other = server.raw(), server.raw()
    other.command("PING")
    with pytest.raises(Closed) as closed:
        connection.command("SHUTDOWN", *words)
    assert closed.value.rest == b""
    assert other.read_until_closed() == b""
    assert server.wait_exit() == 0
    assert "ready to exit, bye bye..." in server.log()


@pytest.mark.larder_only("it saves")
def test_shutdown_that_cannot_save_is_refused(start_server):
    r = start_server(threads=2).client()
    with pytest.raises(redis.ResponseError, match="Errors trying to SHUTDOWN. Check logs."):
        r.execute_command("SHUTDOWN", "SAVE")
    assert r.ping() is True


def test_refused_shutdown_leaves_the_server_running(start_server):
    server = start_server(threads=2)
    r = server.client()
    for words in (("bogus",), ("SAVE", "NOSAVE"), ("ABORT", "NOW")):
        with pytest.raises(redis.ResponseError, match="syntax error"):
            r.execute_command("SHUTDOWN", *words)
    with pytest.raises(redis.ResponseError, match="No shutdown in progress"):
        r.execute_command("SHUTDOWN", "ABORT")
    assert r.ping() is True


def test_port_in_use_is_reported_and_ends_with_1(start_server, binary, tmp_path):
    server = start_server(threads=1)
    process = run_to_exit(binary, ["--port", str(server.port), "--bind", "127.0.0.1", "--save", ""], tmp_path)
    assert process.returncode == 1
    assert "Failed listening on port" in process.stdout + process.stderr
    assert "Address already in use" in process.stdout + process.stderr
    assert server.client().ping() is True


def test_port_is_free_again_at_once(start_server):
    server = start_server(threads=2)
    server.raw().command("PING")
    server.stop()
    again = start_server(threads=2, port=server.port)
    assert again.client().ping() is True


def test_stale_unix_socket_is_replaced(start_server, tmp_path):
    path = tmp_path / "old.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = start_server(threads=1, options={"unixsocket": str(path)})
    with RawConnection(str(path)) as connection:
        assert connection.command("PING") == b"+PONG\r\n"
    assert server.is_running()


def test_port_zero_serves_the_unix_socket_only(start_server):
    server = start_server(threads=2, options={"port": 0})
    assert server.client("unix").ping() is True
    assert server.client("unix").info("server")["tcp_port"] == 0


def ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


@pytest.mark.skipif(not ipv6_loopback(), reason="this machine has no IPv6 loopback address")
def test_ipv6_loopback_is_served(start_server):
    server = start_server(threads=2, options={"bind": ["127.0.0.1", "::1"]})
    r = server.client(host="::1")
    assert r.ping() is True
    assert r.client_info()["addr"].startswith("[::1]:")
    assert server.client().ping() is True


def test_unavailable_address_is_optional_with_a_dash(start_server, binary, tmp_path):
    server = start_server(threads=1, options={"bind": ["127.0.0.1", "-192.0.2.123"]})
    assert server.client().ping() is True
    process = run_to_exit(binary, ["--port", str(server.port + 1), "--bind", "192.0.2.123", "--save", ""], tmp_path)
    assert process.returncode == 1


def test_logfile_and_pidfile_are_written(start_server, tmp_path):
    log, pid = tmp_path / "server.log", tmp_path / "server.pid"
    server = start_server(threads=2, ready_by="ping", options={"logfile": str(log), "pidfile": str(pid)})
    wait_until(pid.exists, 5, "the pidfile")
    assert int(pid.read_text()) == server.pid
    wait_until(lambda: "Ready to accept connections" in log.read_text(), 5, "the log file's line")
    server.stop()
    assert not pid.exists()
    assert "bye bye" in log.read_text()


def test_loglevel_warning_is_quiet(start_server):
    server = start_server(threads=1, ready_by="ping", options={"loglevel": "warning"})
    assert "Ready to accept connections" not in server.log()
    assert server.client().ping() is True


def test_configuration_from_standard_input(binary, tmp_path):
    """larder-server - : refused here for its second line, which proves that it was read."""
    process = run_to_exit(binary, ["-"], tmp_path, stdin="timeout 1\ntimeout x\n")
    assert process.returncode == 1
    assert "at line 2" in process.stderr


@pytest.mark.parametrize("word", ["--version", "-v"])
def test_version_is_printed(binary, tmp_path, word):
    process = run_to_exit(binary, [word], tmp_path)
    assert process.returncode == 0
    assert re.search(r"v=\d+\.\d+", process.stdout)


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_printed(binary, tmp_path, word):
    process = run_to_exit(binary, [word], tmp_path)
    assert process.returncode in (0, 1)
    assert "Usage:" in process.stdout + process.stderr


def test_server_outlives_the_reader_of_its_output(binary, tmp_path):
    """Started by a script that goes away: writing the log fails from then on, serving and stopping go on."""
    port = free_port()
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        while b"Ready to accept connections" not in process.stdout.readline():
            assert process.poll() is None
        process.stdout.close()
        with RawConnection(("127.0.0.1", port)) as connection:
            assert connection.command("PING") == b"+PONG\r\n"
            process.terminate()
            assert connection.read_until_closed() == b""
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.larder_only("redis-server has no --threads")
@pytest.mark.parametrize("threads", [1, 2, 4, 16])
def test_threads_are_as_many_as_asked_for(start_server, threads):
    server = start_server(threads=threads)
    connections = [server.raw() for _ in range(32)]
    for connection in connections:
        assert connection.command("INCR", "n").startswith(b":")
    assert server.client().get("n") == b"32"
    assert len(os.listdir(f"/proc/{server.pid}/task")) >= threads


@pytest.mark.larder_only("redis-server has no --threads")
@pytest.mark.parametrize("value", ["-1", "x", "100000"])
def test_senseless_threads_are_refused(binary, tmp_path, value):
    process = run_to_exit(binary, ["--port", "0", "--threads", value], tmp_path)
    assert process.returncode == 1
    assert "FATAL CONFIG FILE ERROR" in process.stderr
    assert "threads" in process.stderr


@pytest.mark.skipif(SANITIZED, reason="sanitizers report crashes themselves")
def test_crash_leaves_a_report_with_a_stack_trace(start_server):
    server = start_server(threads=2)
    server.expected_status = -signal.SIGSEGV
    server.signal(signal.SIGSEGV)
    assert server.wait_exit() == server.expected_status
    assert "crashed by signal: 11" in server.log()
    assert "STACK TRACE" in server.log()


def test_relative_paths_are_relative_to_the_configured_directory(start_server, tmp_path):
    server = start_server(threads=1, options={"dir": str(tmp_path), "pidfile": "larder.pid"})
    assert (tmp_path / "larder.pid").read_text().strip() == str(server.pid)
    assert server.client().config_get("dir") == {"dir": str(tmp_path)}
    server.stop()
    assert not (tmp_path / "larder.pid").exists()

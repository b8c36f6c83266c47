"""The server program: frames in pieces and in a row, connections that end, limits, configuration, signals."""

import os
import signal
import struct
import subprocess
import time

import pytest
from support.waiting import wait_until

from .peer import (
    CLOSED,
    END,
    GET,
    INC,
    NOT_FOUND,
    OK,
    PING,
    SET,
    STATS,
    WAIT_S,
    number,
    parse_listing,
    read_exactly,
    read_reply,
    request,
    gibson_in,
    value,
)


@pytest.fixture
def program(start_program):
    return start_program()


def stats_of(program):
    with program.connect() as connected:
        connected.sendall(request(STATS))
        return dict(parse_listing(read_reply(connected)))


def is_silent(connected):
    """Whether the server neither answers nor closes, for as long as it takes to answer somebody else."""
    connected.setblocking(False)
    try:
        connected.recv(1)
        return False
    except BlockingIOError:
        return True
    finally:
        connected.settimeout(WAIT_S)


def test_requests_may_come_in_single_bytes(program):
    with program.connect() as connected:
        for byte in request(SET, b"0 foo bar") + request(GET, b"foo"):
            connected.sendall(bytes([byte]))
            time.sleep(0.001)
        assert read_reply(connected) == value(b"bar")
        assert read_reply(connected) == value(b"bar")


def test_requests_may_come_in_a_row(program):
    with program.connect() as connected:
        connected.sendall(b"".join(request(INC, b"n") for _ in range(1000)) + request(END))
        for i in range(1000):
            assert read_reply(connected) == number(i + 1)
        assert read_reply(connected) == OK
        assert read_reply(connected) == CLOSED


def test_end_answers_and_closes(program):
    with program.connect() as connected:
        connected.sendall(bytes.fromhex("02000000 ff00"))
        assert read_exactly(connected, 100) == OK


@pytest.mark.parametrize("size", [0, 1, 101, 1 << 31, (1 << 32) - 1])
def test_an_impossible_size_closes_with_the_byte_after_it(start_program, size):
    program = start_program(max_request_size=100)
    with program.connect() as connected:
        connected.sendall(struct.pack("<I", size))
        stats_of(program)
        assert is_silent(connected)
        connected.sendall(b"\x03")
        assert read_reply(connected) == CLOSED


def test_the_largest_request_is_served(start_program):
    program = start_program(max_request_size=100)
    with program.connect() as connected:
        connected.sendall(request(GET, b"k" * 98))
        assert read_reply(connected) == NOT_FOUND


def test_an_unknown_operator_closes_and_is_counted_and_logged(start_program):
    program = start_program(loglevel=0)
    before = stats_of(program)[b"total_requests"]
    with program.connect() as connected:
        connected.sendall(request(99, b"strange"))
        assert read_reply(connected) == CLOSED
    assert stats_of(program)[b"total_requests"] == before + 2
    assert b"strange".hex(" ") in program.log.read_text().lower()


def clients_of(connected):
    connected.sendall(request(STATS))
    return dict(parse_listing(read_reply(connected)))[b"total_clients"]


def test_one_client_too_many_is_closed_at_once(start_program):
    program = start_program(max_clients=2)
    with program.connect() as first:
        first.sendall(request(PING))
        assert read_reply(first) == OK
        wait_until(lambda: clients_of(first) == 1, what="the client that waited for the start to go")
        with program.connect() as second:
            second.sendall(request(PING))
            assert read_reply(second) == OK
            with program.connect() as third:
                assert read_reply(third) == CLOSED
            assert clients_of(first) == 2


def test_a_client_that_does_not_read_holds_up_nobody_else(start_program):
    program = start_program(max_value_size="4M", max_request_size="4M")
    with program.connect() as slow:
        slow.sendall(request(SET, b"0 k " + b"x" * (1 << 20)))
        slow.sendall(b"".join(request(GET, b"k") for _ in range(20)))
        wait_until(lambda: stats_of(program)[b"total_clients"] == 2, what="the client that waited for the start to go")
        for _ in range(21):
            assert len(read_reply(slow)) == 7 + (1 << 20)


def test_a_client_that_goes_away_is_forgotten(program):
    for ending in (b"", b"\x05", b"\x05\0\0\0\x03", request(GET, b"foo")):
        with program.connect() as connected:
            connected.sendall(ending)
    deadline = time.monotonic() + WAIT_S
    while stats_of(program)[b"total_clients"] != 1:
        assert time.monotonic() < deadline


def test_units_comments_and_garbage_in_the_configuration(start_program):
    program = start_program(
        config="""
# max_memory 1b
   max_memory   512M  and more
max_memory_x 7
unknown option
max_value_size 2b
max_request_size 3k
gc_ratio 2h
expired_cron 1d
max_item_ttl 1d
max_key_size 1x
port 7
loglevel 3
loglevel 2
"""
    )
    assert stats_of(program)[b"memory_usable"] == 512 << 20
    with program.connect() as connected:
        for sent, got in (
            (request(SET, b"9999999 foo abc"), value(b"ab")),
            (request(20, b"foo ttl"), number(2592000)),  # a day is no plain number: the default
            (request(GET, b"k" * 600), NOT_FOUND),
            (request(SET, b"0 " + b"k" * 511 + b"lxv"), value(b"v")),  # the default of 512
        ):
            connected.sendall(sent)
            assert read_reply(connected) == got


def test_flags_win_over_the_file(start_program):
    program = start_program(max_memory="512M", flags=["--max_memory", "256M", "--max_value_size", "2"])
    assert stats_of(program)[b"memory_usable"] == 256 << 20


def run(folder, *flags, config=None):
    if config is not None:
        path = folder / "gibson.conf"
        path.write_text(config)
        flags = ("-c", str(path), *flags)
    return subprocess.run([gibson_in(folder), *flags], capture_output=True, text=True, timeout=WAIT_S)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_printed_before_any_file_is_read(tmp_path, flag):
    done = run(tmp_path, flag)
    assert done.returncode == 0
    assert "max_response_size" in done.stdout


def test_a_missing_file_is_fatal(tmp_path):
    done = run(tmp_path, "-c", str(tmp_path / "missing"))
    assert done.returncode == 1
    assert f"{tmp_path}/missing" in done.stderr


def test_a_missing_value_is_fatal(tmp_path):
    done = run(tmp_path, config="port 1\n\nloglevel\n")
    assert done.returncode == 1
    assert f"Error on line 3 of {tmp_path}/gibson.conf, unexpected end of line." in done.stdout + done.stderr


def test_an_address_that_can_not_be_had_is_fatal(tmp_path):
    config = f"unix_socket {tmp_path}/missing/socket\npidfile {tmp_path}/pid\n"
    assert run(tmp_path, config=config).returncode == 1


def test_the_unix_socket_is_for_everybody_and_a_stale_one_is_replaced(start_program):
    program = start_program()
    assert os.stat(program.path).st_mode & 0o777 == 0o777
    program.stop(signal.SIGKILL)
    assert os.path.exists(program.path)
    program.start()
    stats_of(program)


def test_the_process_writes_its_id_ignores_hangups_and_ends_at_sigterm(program):
    deadline = time.monotonic() + WAIT_S
    while not (program.folder / "pid").exists():
        assert time.monotonic() < deadline
    assert (program.folder / "pid").read_text().strip() == str(program.process.pid)
    program.process.send_signal(signal.SIGHUP)
    stats_of(program)
    assert program.stop() == 0

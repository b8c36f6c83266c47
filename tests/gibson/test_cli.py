"""gibson-cli, and through it libgibsonclient, against the server under test."""

import os
import pty
import select
import socket
import subprocess
import termios
from pathlib import Path

import pytest

from support.server import SANITIZED, free_port, larder_binary
from support.waiting import wait_until

from .peer import MEM, SET, Program, read_reply, request

WAIT_S = 100 if SANITIZED else 20
PATIENTLY = ("-t", str(WAIT_S * 1000))  # by itself it waits for a second, which a busy machine may take
LOCAL_MODES = 3  # of what tcgetattr returns
SYNTAXES = """\
  SET <ttl> <key> <value>
  TTL <key> <ttl>
  GET <key>
  DEL <key>
  INC <key>
  DEC <key>
  LOCK <key> <time>
  UNLOCK <key>
  MSET <prefix> <value>
  MTTL <prefix> <ttl>
  MGET <prefix>
  MDEL <prefix>
  MINC <prefix>
  MDEC <prefix>
  MLOCK <prefix> <time>
  MUNLOCK <prefix>
  COUNT <prefix>
  STATS
  PING
  META <key> size|encoding|access|created|ttl|left|lock
  KEYS <prefix>
"""


@pytest.fixture(scope="module")
def cli():
    """The command line of the build under test."""
    path = Path(larder_binary()).parent / "clients/gibson/gibson-cli"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    return str(path)


@pytest.fixture(scope="module")
def module_server():
    program = Program()
    yield program
    program.close()


@pytest.fixture
def server(cli, module_server):
    """A server that forgets between tests; their keys begin with k."""
    yield module_server
    type_lines(module_server, ["munlock k", "mdel k"], cli)


def type_lines(server, lines, cli):
    return run(cli, "-u", server.path, *PATIENTLY, lines=lines)


def run(cli, *flags, lines=()):
    """Its output, line by line, for these lines of input."""
    text = "".join(f"{line}\n" for line in lines).encode("latin-1")
    done = subprocess.run([cli, *flags], input=text, capture_output=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize(
    "lines, output",
    [
        (["ping"], ["<REPL_OK>"]),
        (["set 0 k v", "get k"], ["<STRING> v"] * 2),
        (["get k"], ["<REPL_ERR_NOT_FOUND>"]),
        (["set 5 k v", "meta k ttl", "ttl k 9", "meta k ttl"], ["<STRING> v", "<NUMBER> 5", "<REPL_OK>", "<NUMBER> 9"]),
        (["set 0 k v", "del k", "del k"], ["<STRING> v", "<REPL_OK>", "<REPL_ERR_NOT_FOUND>"]),
        (["inc k", "inc k", "dec k", "get k"], ["<NUMBER> 1", "<NUMBER> 2", "<NUMBER> 1", "<NUMBER> 1"]),
        (["set 0 k v", "inc k"], ["<STRING> v", "<REPL_ERR_NAN>"]),
        (
            ["inc k", "lock k -1", "inc k", "unlock k", "inc k"],
            ["<NUMBER> 1", "<REPL_OK>", "<REPL_ERR_LOCKED>", "<REPL_OK>", "<NUMBER> 2"],
        ),
        (
            ["inc k1", "set 0 k2 v", "mget k", "keys k", "count k", "minc k", "mdec k"],
            ["<NUMBER> 1", "<STRING> v", "k1 => <NUMBER> 1", "k2 => <STRING> v", "0 => <STRING> k1"]
            + ["1 => <STRING> k2", "<NUMBER> 2", "<NUMBER> 1", "<NUMBER> 1"],
        ),
        (
            ["inc k", "mset k w", "mttl k 7", "mlock k 9", "munlock k", "mdel k", "mget k"],
            ["<NUMBER> 1"] * 6 + ["<REPL_ERR_NOT_FOUND>"],
        ),
        (["set 0 k v", "meta k colour"], ["<STRING> v", "<REPL_ERR>"]),
    ],
)
def test_operators_print_their_replies(cli, server, lines, output):
    assert type_lines(server, lines, cli) == output


def test_stats_lists_27_entries(cli, server):
    lines = type_lines(server, ["stats"], cli)
    assert len(lines) == 27
    assert lines[0] == "server_version => <STRING> 1.2.1"


def test_being_out_of_memory_is_told(cli):
    program = Program(max_memory="64k")
    try:
        with program.connect() as connected:
            for number in range(1000):
                connected.sendall(request(SET, b"0 k%d " % number + b"v" * 200))
                if read_reply(connected) == MEM:
                    break
        assert type_lines(program, ["set 0 key " + "v" * 240], cli) == ["<REPL_ERR_MEM>"]
    finally:
        program.close()


def test_names_are_matched_by_their_leading_letters_in_any_case(cli, server):
    lines = ["SeT 0 k v", "setx 0 k w", "GETTING k", "  get\tk  \r", "ge k", "xget k"]
    expected = ["<STRING> v", "<STRING> w", "<STRING> w", "<STRING> w"] + ["? Unknown command"] * 2
    assert type_lines(server, lines, cli) == expected


def test_there_is_no_end_command(cli, server):
    assert type_lines(server, ["end", "quit", ":x"], cli) == ["? Unknown command"] * 3


@pytest.mark.parametrize(
    "line, syntax",
    [
        ("set 0 k", "SET <ttl> <key> <value>"),
        ("set x k v", "SET <ttl> <key> <value>"),
        ("set 0 k v w", "SET <ttl> <key> <value>"),
        ("set 99999999999999999999 k v", "SET <ttl> <key> <value>"),
        ("set 2147483648 k v", "SET <ttl> <key> <value>"),
        ("set 0 k " + "v" * 255, "SET <ttl> <key> <value>"),
        ("get", "GET <key>"),
        ("mget k 10", "MGET <prefix>"),
        ("lock k for ever", "LOCK <key> <time>"),
        ("ttl k 1s", "TTL <key> <ttl>"),
        ("ping pong", "PING"),
        ("meta k", "META <key> size|encoding|access|created|ttl|left|lock"),
    ],
)
def test_bad_parameters_are_answered_with_the_syntax(cli, server, line, syntax):
    expected = ["ERROR: Invalid parameters, correct syntax is:", f"  {syntax}", "<REPL_OK>"]
    assert type_lines(server, [line, "ping"], cli) == expected


def test_words_may_be_254_bytes_long(cli, server):
    word = "v" * 254
    assert type_lines(server, [f"set 0 k {word}"], cli) == [f"<STRING> {word}"]


def test_unprintable_bytes_are_shown_in_hexadecimal(cli, server):
    lines = ["set 0 k\x1b[1m \x01a~\x7f\xff", "mget k"]
    assert type_lines(server, lines, cli) == ["<STRING>  01a~ 7F FF", "k 1B[1m => <STRING>  01a~ 7F FF"]


def test_help_lists_the_21_operators(cli, server):
    for command in (":help", ":h"):
        assert type_lines(server, [command], cli)[:21] == SYNTAXES.splitlines()


def test_quitting_and_the_end_of_the_input_end_it(cli, server):
    for command in (":quit", ":q"):
        assert type_lines(server, ["", "  ", command, "ping"], cli) == []
    assert type_lines(server, [], cli) == []
    assert run(cli, "-u", server.path) == []


def test_the_last_line_needs_no_end(cli, server):
    words = [cli, "-u", server.path, *PATIENTLY]
    done = subprocess.run(words, input=b"ping\nping", capture_output=True, timeout=WAIT_S)
    assert done.stdout == b"<REPL_OK>\n<REPL_OK>\n"


def test_failing_to_connect_is_told_each_time(cli, tmp_path):
    expected = ["ERROR: Could not connect to Gibson instance."] * 2
    assert run(cli, "-u", str(tmp_path / "missing"), lines=["ping", "get k"]) == expected


def test_a_server_that_hangs_is_waited_for_so_long(cli, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        lines = run(cli, "-u", str(tmp_path / "socket"), "-t", "50", lines=["ping"])
        assert lines == ["ERROR: I/O operation timeout or error: 110"]


# --- where to connect ---


def answered_by(cli, *flags):
    return run(cli, *flags, *PATIENTLY, lines=["ping"]) == ["<REPL_OK>"]


def test_an_address_or_port_selects_tcp_unless_a_path_is_given(cli, server):
    port = free_port()
    program = Program(port=port)
    try:
        assert answered_by(cli, "-p", str(port))
        assert answered_by(cli, "-a", "127.0.0.1", "--port", str(port))
        assert answered_by(cli, "--address", "localhost", "-p", str(port))
        assert answered_by(cli, "-u", "", "-p", str(port))
    finally:
        program.close()
    assert not answered_by(cli, "-p", str(port))
    assert answered_by(cli, "-p", str(port), "--unix", server.path)
    assert answered_by(cli, "-u", server.path, "-a", "127.0.0.1")


@pytest.mark.parametrize(
    "flags", [["--colour"], ["-x"], ["-p", "0"], ["-p", "65536"], ["-p", "x"], ["-t", "0"], ["-t", ""], ["k"], ["-u"]]
)
def test_bad_options_are_answered_with_help_and_failure(cli, flags):
    done = subprocess.run([cli, *flags], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 1
    assert "Usage: gibson-cli" in done.stderr


def test_help_is_a_success(cli):
    for flag in ("-h", "--help"):
        assert run(cli, flag)[0] == "Usage: gibson-cli [options]"


# --- at a terminal ---


def has_line_editor(cli):
    return b"libedit" in Path(cli).read_bytes()


class Terminal:
    """The command line with somebody who types."""

    def __init__(self, cli, *flags, home):
        self.is_edited = has_line_editor(cli)
        self.fd, terminal = pty.openpty()
        environment = {**os.environ, "HOME": str(home), "TERM": "dumb"}
        self.process = subprocess.Popen(
            [cli, *flags], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
        )
        os.close(terminal)
        self.output = b""

    def expect(self, text):
        """Reads until the text is there, and forgets what was before."""
        while text.encode() not in self.output:
            assert select.select([self.fd], [], [], WAIT_S)[0], self.output
            part = os.read(self.fd, 4096)
            assert part, self.output
            self.output += part
        self.output = self.output.split(text.encode(), 1)[1]

    def type(self, text):
        """Types once the editor, if there is one, has the terminal: what comes earlier means something else."""
        if self.is_edited:
            wait_until(lambda: not termios.tcgetattr(self.fd)[LOCAL_MODES] & termios.ICANON, what="the line editor")
        os.write(self.fd, text.encode())

    def close(self):
        """Its exit status, once it has ended by itself."""
        status = self.process.wait(WAIT_S)
        os.close(self.fd)
        return status


@pytest.fixture
def open_terminal(cli, tmp_path):
    terminals = []

    def start(*flags):
        terminals.append(Terminal(cli, *flags, home=tmp_path))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.process.kill()
        terminal.process.wait(WAIT_S)


def test_a_terminal_gets_a_banner_and_a_prompt(open_terminal, server):
    terminal = open_terminal("-u", server.path, *PATIENTLY)
    for text in (":help", ":h", ":quit", ":q", "local> "):
        terminal.expect(text)
    terminal.type("ping\r")
    terminal.expect("<REPL_OK>")
    terminal.expect("local> ")
    terminal.type(":q\r")
    assert terminal.close() == 0


def test_the_prompt_says_where_requests_go(open_terminal):
    terminal = open_terminal("-a", "10.1.2.3", "-p", "77")
    terminal.expect("10.1.2.3:77> ")


def test_the_end_of_the_input_ends_it_at_a_terminal_too(open_terminal, server):
    terminal = open_terminal("-u", server.path)
    terminal.expect("local> ")
    terminal.type("\x04")
    assert terminal.close() == 0


@pytest.fixture
def line_editor(cli):
    """Skips what is only so if there was a line editor to build with."""
    if not has_line_editor(cli):
        pytest.skip("built without a line editor")


@pytest.mark.usefixtures("line_editor")
def test_lines_are_remembered_from_one_time_to_the_next(open_terminal, server, tmp_path):
    history = tmp_path / ".gibson_history"
    history.write_text("".join(f"get k{i}\n" for i in range(1200)))
    terminal = open_terminal("-u", server.path, *PATIENTLY)
    terminal.expect("local> ")
    terminal.type("ping\r")
    terminal.expect("<REPL_OK>")
    terminal.type(":q\r")
    assert terminal.close() == 0
    lines = history.read_text().splitlines()
    assert lines == [f"get k{i}" for i in range(202, 1200)] + ["ping", ":q"]


@pytest.mark.usefixtures("line_editor")
def test_the_history_is_private(open_terminal, server, tmp_path):
    terminal = open_terminal("-u", server.path)
    terminal.expect("local> ")
    terminal.type(":q\r")
    assert terminal.close() == 0
    history = tmp_path / ".gibson_history"
    assert history.stat().st_mode & 0o777 == 0o600

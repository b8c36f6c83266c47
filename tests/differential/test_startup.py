"""Configuration at start: what redis-server refuses is refused with the same words, what it accepts means the same."""

import re

import pytest

from support.server import Server, free_port, run_to_exit

# Files that are refused: the message names the line and the reason.
BAD_FILES = {
    "unknown_directive": "bogus 1\n",
    "unknown_directive_later": "# comment\n\nport 0\n  \nbogus a b c\n",
    "no_value": "port\n",
    "two_values": "port 1 2\n",
    "not_an_integer": "port abc\n",
    "out_of_range": "port 65536\n",
    "negative": "timeout -1\n",
    "float_for_integer": "hz 1.5\n",
    "bad_boolean": "appendonly maybe\n",
    "bad_enum": "appendfsync loud\n",
    "bad_memory": "maxmemory 10zb\n",
    "negative_memory": "proto-max-bulk-len -1\n",
    "below_minimum": "proto-max-bulk-len 1000\n",
    "unbalanced_quote": 'requirepass "abc\n',
    "text_after_quote": 'requirepass "abc"d\n',
    "unbalanced_single_quote": "requirepass 'abc\n",
    "bad_save": "save 60\n",
    "bad_save_number": "save a b\n",
    "bad_output_limit_class": "client-output-buffer-limit bogus 0 0 0\n",
    "bad_output_limit_count": "client-output-buffer-limit normal 0 0\n",
    "bad_output_limit_number": "client-output-buffer-limit normal a 0 0\n",
    "rename_unknown_command": "rename-command NOSUCH X\n",
    "rename_to_existing": "rename-command GET SET\n",
    "rename_arity": "rename-command GET\n",
    "include_without_file": "include\n",
    "bad_notify_events": "notify-keyspace-events x!\n",
    "bad_oom_values": "oom-score-adj-values 1 2\n",
    "databases_zero": "databases 0\n",
    "dbfilename_with_slash": "dbfilename a/b\n",
    "bad_permission": "unixsocketperm 999\n",
    "maxclients_zero": "maxclients 0\n",
    "bad_dir": "dir /nonexistent-folder-of-this-test\n",
    "long_line": "bogus " + "x" * 900 + "\n",
    "second_of_two": "port 0\nport x\n",
    "no_newline_at_end": "port 0\nbogus",
    "user_unknown": "slowlog-max-len abc\n",
    "percent": "bogus %s %n\n",
    "bad_list_size": "list-max-listpack-size x\n",
    "debug_command": "enable-debug-command maybe\n",
}

# Command lines that are refused.
BAD_LINES = [
    ["--bogus"],
    ["--bogus", "1"],
    ["--bogus", "1", "2", "3"],
    ["--port"],
    ["--port", "abc"],
    ["--port", "1", "2"],
    ["--port 0", "--bogus"],
    ["--bogus 1"],
    ["--port", "0", "--timeout", "-1"],
    ["--maxmemory", "1x"],
    ["--save", "60"],
    ["--save", "a b"],
    ["--appendfsync", "x"],
    ["--port", ""],
    ["--bind", "127.0.0.1", "--port", "0", "--appendonly", "maybe"],
    ["--requirepass", "a", "b"],
    ["--rename-command", "NOSUCH", "x"],
    ["--include"],
    ["--maxclients", "0"],
    ["--port", "'1'2"],
    ["--port", "--port"],
    ["--client-output-buffer-limit", "normal", "0"],
    ["--unixsocketperm", "8888"],
    ["--a b c"],
    ["--bogus", 'a"b'],
    ["--bogus", "a\nb"],
    ["--bogus", "a b"],
]

# Accepted command lines, and the directives to look at then. {dir} is the folder in which the server runs.
GOOD_LINES = {
    "several_words": (
        ["--client-output-buffer-limit", "normal", "1mb", "2mb", "3"],
        "",
        ["client-output-buffer-limit"],
    ),
    "words_in_one": (["--maxclients 123", "--timeout 5"], "", ["maxclients", "timeout"]),
    "value_in_quotes": (["--requirepass", "a b"], "", ["requirepass"]),
    "later_wins": (["--timeout", "5", "--timeout", "6"], "", ["timeout"]),
    "save_words": (["--save", "60", "1", "--save", "100", "2"], "", ["save"]),
    "save_in_one_word": (["--save", "60 1 100 2"], "", ["save"]),
    "save_emptied": (["--save", ""], "", ["save"]),
    "upper_case_directive": (["--MAXCLIENTS", "77"], "", ["maxclients"]),
    "alias": (["--slave-priority", "7"], "", ["slave-priority", "replica-priority"]),
    "memory_units": (
        ["--maxmemory", "1gb", "--repl-backlog-size", "2MB", "--proto-max-bulk-len", "3m"],
        "",
        ["maxmemory", "repl-backlog-size", "proto-max-bulk-len"],
    ),
    "boolean_case": (["--lazyfree-lazy-expire", "YES"], "", ["lazyfree-lazy-expire"]),
    "value_beginning_with_dashes": (["--requirepass", "--secret"], "", ["requirepass"]),
    "value_that_is_dashes": (["--proc-title-template", "--my--title--template"], "", ["proc-title-template"]),
    "file": (["{dir}/c.conf"], "timeout 9\nmaxclients 55\n", ["timeout", "maxclients"]),
    "file_then_words": (["{dir}/c.conf", "--timeout", "10"], "timeout 9\nmaxclients 55\n", ["timeout", "maxclients"]),
    "file_comments_and_blanks": (["{dir}/c.conf"], "# x\n\n   timeout    9   \n\t# y\n", ["timeout"]),
    "file_quotes": (["{dir}/c.conf"], 'requirepass "a \\x41\\n\\"b"\n', ["requirepass"]),
    "file_single_quotes": (["{dir}/c.conf"], "requirepass 'a \\'b\\n'\n", ["requirepass"]),
    "file_empty_value": (["{dir}/c.conf"], 'requirepass ""\nsave ""\n', ["requirepass", "save"]),
    "file_later_wins": (["{dir}/c.conf"], "timeout 1\nTIMEOUT 2\n", ["timeout"]),
    "file_include": (["{dir}/c.conf"], "timeout 1\ninclude {dir}/more.conf\n", ["timeout", "maxclients"]),
    "file_include_overridden": (["{dir}/c.conf"], "include {dir}/more.conf\ntimeout 1\n", ["timeout", "maxclients"]),
    "include_on_command_line": (["--timeout", "1", "--include", "{dir}/more.conf"], "", ["timeout", "maxclients"]),
    "file_crlf": (["{dir}/c.conf"], "timeout 3\r\nmaxclients 44\r\n", ["timeout", "maxclients"]),
    "file_aliases": (
        ["{dir}/c.conf"],
        "slave-serve-stale-data no\nlist-max-ziplist-size -1\nlua-time-limit 7\n",
        ["replica-serve-stale-data", "list-max-listpack-size", "busy-reply-threshold"],
    ),
    "file_many_binds": (["{dir}/c.conf"], "bind 127.0.0.1 -::1\n", ["bind"]),
    "notify_events": (["--notify-keyspace-events", "KEA"], "", ["notify-keyspace-events"]),
    "rename": (["--rename-command", "GET", "FETCH", "--rename-command", "FLUSHALL", ""], "", ["timeout"]),
    "file_renames": (["{dir}/c.conf"], 'rename-command GET ""\nrename-command SET "my set"\n', ["timeout"]),
}
MORE_CONF = "timeout 2\nmaxclients 66\n"


def tidy(text):
    """The version in the headline is each server's own, and only Larder says which file the line is of."""
    text = re.sub(r"(at line \d+) of .*", r"\1", text)
    return re.sub(r"FATAL CONFIG FILE ERROR \([^)]*\)", "FATAL CONFIG FILE ERROR (version)", text)


def check_refusal(binary, reference, words, folder, stdin=None, numbers_lines=True):
    ours, theirs = (run_to_exit(which, words, folder, stdin) for which in (binary, reference))
    assert "FATAL CONFIG FILE ERROR" in theirs.stderr, f"not refused by redis-server: {theirs.stdout}"
    texts = [tidy(process.stderr) for process in (ours, theirs)]
    if not numbers_lines:
        texts = [re.sub(r"at line \w+", "at line N", text) for text in texts]
    assert (texts[0], ours.returncode) == (texts[1], theirs.returncode)


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_is_refused_with_line_and_reason(binary, reference, tmp_path, name):
    (tmp_path / "c.conf").write_text(BAD_FILES[name])
    check_refusal(binary, reference, [str(tmp_path / "c.conf")], tmp_path)


@pytest.mark.parametrize("words", BAD_LINES, ids=" ".join)
def test_bad_command_line_is_refused_with_reason(binary, reference, tmp_path, words):
    """Redis counts the options as lines behind those of the file and a blank one; Larder says that it is the command line."""
    check_refusal(binary, reference, words, tmp_path, numbers_lines=False)


def test_bad_line_of_standard_input_is_refused(binary, reference, tmp_path):
    check_refusal(binary, reference, ["-"], tmp_path, stdin="timeout 1\nbogus\n")


def test_bad_command_line_behind_a_file_is_named(binary, reference, tmp_path):
    (tmp_path / "c.conf").write_text("timeout 1\nmaxclients 100\n")
    check_refusal(binary, reference, [str(tmp_path / "c.conf"), "--bogus", "1"], tmp_path, numbers_lines=False)


def test_bad_line_of_an_included_file_is_refused(binary, reference, tmp_path):
    (tmp_path / "more.conf").write_text("timeout 1\n\nbogus x\n")
    (tmp_path / "c.conf").write_text(f"timeout 1\ninclude {tmp_path}/more.conf\n")
    check_refusal(binary, reference, [str(tmp_path / "c.conf")], tmp_path)


@pytest.mark.parametrize(
    "words", [["/nonexistent/c.conf"], ["--include", "/nonexistent/c.conf"]], ids=["given", "included"]
)
def test_missing_file_is_named(binary, reference, tmp_path, words):
    for which in (binary, reference):
        process = run_to_exit(which, words, tmp_path)
        assert process.returncode == 1
        assert (
            "can't open config file '/nonexistent/c.conf': No such file or directory" in process.stdout + process.stderr
        )


@pytest.mark.parametrize("name", GOOD_LINES)
def test_good_configuration_means_the_same(request, binary, reference, tmp_path, name):
    words, text, directives = GOOD_LINES[name]
    (tmp_path / "c.conf").write_text(text.replace("{dir}", str(tmp_path)))
    (tmp_path / "more.conf").write_text(MORE_CONF)
    words = [word.replace("{dir}", str(tmp_path)) for word in words]
    seen = []
    for which in (binary, reference):
        port = free_port()
        server = Server(which, port=port, words=[*words, "--port", str(port), "--dir", str(tmp_path)])
        request.node.servers_to_show = [server]
        try:
            connection = server.raw()
            password = re.search(rb"requirepass\r\n\$\d+\r\n(.*)", connection.command("CONFIG", "GET", "requirepass"))
            if password is None:
                seen.append(
                    [connection.command("AUTH", candidate) for candidate in ("a b", 'a A\n"b', "a 'b\\n", "--secret")]
                )
            seen.append([connection.command("CONFIG", "GET", directive) for directive in directives])
            seen.append(
                [
                    connection.command(*command)
                    for command in (("GET", "x"), ("FETCH", "x"), ("my set", "x", "y"), ("FLUSHALL",))
                ]
            )
        finally:
            server.stop()
    half = len(seen) // 2
    assert seen[:half] == seen[half:]


# Defaults that differ between 7.0 and 7.2, or that depend on the machine, the build or this test's own options.
OWN_DEFAULTS = {
    "port",
    "dir",
    "unixsocket",
    "bind",
    "enable-debug-command",
    "save",
    "pidfile",
    "logfile",
    "proc-title-template",
    "maxclients",
    "locale-collate",
    "tls-protocols",
    "io-threads",
    "threads",
}


def test_every_directive_has_the_same_default(pair):
    """All the names of 7.0, which 7.2 knows too, are given back with the same default value."""

    def all_directives(connection):
        words = [word for _, word in connection.ask("CONFIG", "GET", "*")[1]]
        return {words[at].decode(): words[at + 1] for at in range(0, len(words), 2)}

    ours, theirs = map(all_directives, pair.connections)
    assert not theirs.keys() - ours.keys(), "directives that are not known"
    different = {
        name: (ours[name], value) for name, value in theirs.items() if ours[name] != value and name not in OWN_DEFAULTS
    }
    assert not different

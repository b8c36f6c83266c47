"""Tests of the load generator: it must refuse what a server gets wrong, and tell latencies truly.

The server is a script of replies on a socket pair of our own; the generator is compiled here from its sources.
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

SOURCES = sorted(str(path) for path in pathlib.Path(__file__).resolve().parent.glob("load*.c"))
KEY = re.compile(rb"key:(\d{18})\r\n")


def value_of(key_digits, size=100):
    return key_digits + b"x" * (size - 18)


def bulk(value):
    return b"$%d\r\n%s\r\n" % (len(value), value)


class ScriptedServer:
    """Answers each request of its only connection with what `answer(key digits, number)` returns, piece by piece."""

    def __init__(self, answer, piece_bytes=1 << 20, unix_path=None):
        self.answer = answer
        self.piece_bytes = piece_bytes
        self.requests = 0
        if unix_path:
            self.listener = socket.create_server(unix_path, family=socket.AF_UNIX)
            self.address = ["--unix", unix_path]
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.address = ["--port", str(self.listener.getsockname()[1])]
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join()

    def serve(self):
        connection, _ = self.listener.accept()
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pending = b""
        with connection:
            while True:
                try:
                    received = connection.recv(65536)
                    if not received:
                        return
                    pending += received
                    self.answer_all(connection, pending)
                    pending = pending[self.consumed:]
                except OSError:
                    return

    def answer_all(self, connection, pending):
        self.consumed = 0
        for match in KEY.finditer(pending):
            self.consumed = match.end()
            self.reply(connection, match[1])

    def reply(self, connection, request):
        reply = self.answer(request, self.requests)
        self.requests += 1
        for start in range(0, len(reply), self.piece_bytes):
            connection.sendall(reply[start:start + self.piece_bytes])


class GibsonServer(ScriptedServer):
    """The same for Gibson's frames; `answer` is given the opcode and the payload, and a number."""

    def answer_all(self, connection, pending):
        self.consumed = 0
        while len(pending) >= self.consumed + 6:
            size, opcode = struct.unpack_from("<IH", pending, self.consumed)
            end = self.consumed + 4 + size
            if len(pending) < end:
                return
            payload = pending[self.consumed + 6:end]
            self.consumed = end
            self.reply(connection, (opcode, payload))


def gibson_code(code):
    return struct.pack("<HBIB", code, 0, 1, 0)


def gibson_value(value, encoding=0):
    return struct.pack("<HBI", 6, encoding, len(value)) + value


GIBSON_SET, GIBSON_GET, GIBSON_INC, GIBSON_PING = 1, 3, 5, 19
NOT_FOUND = gibson_code(1)


class GibsonStore:
    """Answers SET, GET, INC and PING as Gibson does, and remembers the frames."""

    def __init__(self):
        self.values = {}
        self.seen = []

    def __call__(self, request, number):
        self.seen.append(request)
        opcode, payload = request
        if opcode == GIBSON_SET:
            _, key, value = payload.split(b" ", 2)
            self.values[key] = value
            return gibson_value(value)
        if opcode == GIBSON_GET:
            return gibson_value(self.values[payload]) if payload in self.values else NOT_FOUND
        return gibson_value(struct.pack("<q", -3), 2) if opcode == GIBSON_INC else gibson_code(5)


class LoadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = str(pathlib.Path(cls.folder.name, "load"))
        subprocess.run(["cc", "-O1", "-std=gnu17", "-o", cls.program, *SOURCES], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def load(self, server, *options):
        command = [self.program, *server.address, "--connections", "1", *map(str, options)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def report(self, server, *options):
        done = self.load(server, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def keys_asked_for(self, *options):
        seen = []
        with ScriptedServer(lambda key, number: seen.append(int(key)) or b"$-1\r\n") as server:
            self.report(server, *options)
        return seen

    def refuses(self, answer, text, *options):
        with ScriptedServer(answer) as server:
            done = self.load(server, "--requests", 20, *options)
        self.assertEqual(done.returncode, 1)
        self.assertIn(text, done.stderr)
        return done

    def test_right_values_are_counted(self):
        with ScriptedServer(lambda key, number: bulk(value_of(key))) as server:
            report = self.report(server, "--requests", 1003, "--pipeline", 10)
        self.assertEqual(server.requests, 1003)
        self.assertEqual((report["requests"], report["errors"], report["misses"]), (1003, 0, 0))

    def test_replies_may_come_in_pieces_of_any_size(self):
        for size in (1, 7, 64):
            with ScriptedServer(lambda key, number: bulk(value_of(key)), piece_bytes=size) as server:
                report = self.report(server, "--requests", 50, "--pipeline", 5)
            self.assertEqual((report["requests"], report["misses"]), (50, 0))

    def test_missing_keys_are_counted(self):
        with ScriptedServer(lambda key, number: b"$-1\r\n" if number % 2 else bulk(value_of(key))) as server:
            report = self.report(server, "--requests", 20)
        self.assertEqual(report["misses"], 10)

    def test_an_error_reply_fails_the_run_with_its_text(self):
        done = self.refuses(lambda key, number: b"-LOADING not yet\r\n" if number == 7 else b"+OK\r\n",
                            "1 error replies, the first: LOADING not yet", "--command", "set")
        self.assertEqual(json.loads(done.stdout)["errors"], 1)

    def test_the_value_of_another_key_fails_the_run(self):
        other = b"000000000000999999"
        self.refuses(lambda key, number: bulk(value_of(other)), "not the one this program stored")

    def test_replies_out_of_order_fail_the_run(self):
        held = []

        def swapped(key, number):
            held.append(bulk(value_of(key)))
            if len(held) < 2:
                return b""
            second, first = held.pop(), held.pop()
            return second + first

        self.refuses(swapped, "not the one this program stored", "--pipeline", 10, "--distribution", "sequential")

    def test_a_value_of_another_size_fails_the_run(self):
        self.refuses(lambda key, number: bulk(value_of(key, 99)), "--value-size")

    def test_replies_that_break_the_protocol_fail_the_run(self):
        for reply in (b"hello\r\n", b"+OK\r\n", b":1\r\n", b"$x\r\n", b"$\r\n", b"\n", b"+OK\n", b"y" * 2000,
                      b"$100\r\n" + value_of(b"0" * 18) + b"XY"):
            with self.subTest(reply=reply[:12]):
                self.refuses(lambda key, number, reply=reply: reply, "protocol error", "--keys", 1)

    def test_more_replies_than_requests_fail_the_run(self):
        self.refuses(lambda key, number: b"+OK\r\n+OK\r\n", "more replies than requests", "--command", "set")

    def test_a_closed_connection_fails_the_run(self):
        def close(key, number):
            raise OSError

        self.refuses(close, "the server closed a connection")

    def test_populate_writes_every_key_once_in_order(self):
        seen = []
        with ScriptedServer(lambda key, number: seen.append(int(key)) or b"+OK\r\n") as server:
            self.report(server, "--populate", "--keys", 1234, "--first-key", 995, "--pipeline", 7)
        self.assertEqual(seen, list(range(995, 995 + 1234)))

    def test_keys_stay_in_the_key_space_under_every_distribution(self):
        for distribution in ("uniform", "sequential", "zipf"):
            with self.subTest(distribution=distribution):
                seen = self.keys_asked_for("--requests", 3000, "--pipeline", 100, "--keys", 50, "--first-key", 990,
                                           "--distribution", distribution)
                self.assertEqual(len(seen), 3000)
                self.assertLessEqual(set(seen), set(range(990, 1040)))

    def test_zipf_prefers_few_keys(self):
        seen = self.keys_asked_for("--requests", 5000, "--pipeline", 100, "--keys", 1000, "--distribution", "zipf")
        self.assertGreater(max(collections.Counter(seen).values()), 10 * 5000 / 1000)

    def test_a_timetable_charges_a_stall_to_the_requests_that_waited_behind_it(self):
        def stall_once(key, number):
            if number == 20:
                time.sleep(0.2)
            return b"$-1\r\n"

        with ScriptedServer(stall_once) as server:
            report = self.report(server, "--requests", 200, "--rate", 1000)
        # 0.2 s at 1000 a second on one connection: some two hundred requests wait, a tenth of a second on average.
        self.assertGreaterEqual(report["latency_us"]["max"], 200_000)
        self.assertGreaterEqual(report["latency_us"]["p50"], 20_000)

    def gibson(self, server, *options):
        return self.report(server, "--protocol", "gibson", *options)

    def refuses_gibson(self, reply, text, command="get"):
        with GibsonServer(lambda request, number: reply) as server:
            done = self.load(server, "--protocol", "gibson", "--command", command, "--requests", 20, "--keys", 1)
        self.assertEqual(done.returncode, 1)
        self.assertIn(text, done.stderr)

    def test_gibson_frames_are_what_gibson_expects(self):
        store = GibsonStore()
        for command in ("set", "get", "incr", "ping"):
            with GibsonServer(store) as server:
                self.gibson(server, "--command", command, "--requests", 1, "--keys", 1, "--first-key", 7)
        key = b"key:000000000000000007"
        self.assertEqual(store.seen, [(GIBSON_SET, b"0 " + key + b" " + value_of(key[4:])), (GIBSON_GET, key),
                                      (GIBSON_INC, key), (GIBSON_PING, b"")])

    def test_gibson_values_are_found_again_in_pieces_of_any_size_over_tcp_and_unix_sockets(self):
        paths = [None, str(pathlib.Path(self.folder.name, "gibson"))]
        for path, piece_bytes, pipeline in ((paths[0], 1, 5), (paths[0], 64, 1), (paths[1], 7, 5)):
            with self.subTest(path=path, piece_bytes=piece_bytes):
                store = GibsonStore()
                with GibsonServer(store, piece_bytes, path) as server:
                    self.gibson(server, "--populate", "--keys", 50, "--pipeline", pipeline)
                if path:
                    pathlib.Path(path).unlink()
                with GibsonServer(store, piece_bytes, path) as server:
                    report = self.gibson(server, "--keys", 50, "--requests", 101, "--pipeline", pipeline)
                self.assertEqual((len(store.values), report["requests"], report["misses"]), (50, 101, 0))

    def test_gibson_keys_that_are_missing_are_counted(self):
        with GibsonServer(GibsonStore()) as server:
            self.assertEqual(self.gibson(server, "--requests", 10)["misses"], 10)

    def test_gibson_errors_fail_the_run_with_their_name(self):
        for code, name in enumerate(("ERR", "NOT_FOUND", "NAN", "MEM", "LOCKED")):
            self.refuses_gibson(gibson_code(code), f"20 error replies, the first: {name}", "set")

    def test_gibson_replies_that_break_the_protocol_fail_the_run(self):
        right = value_of(b"0" * 18)
        for command, reply, text in (
            ("get", gibson_value(right[:-1]), "--value-size"),
            ("get", gibson_value(value_of(b"0" * 17 + b"1")), "not the one this program stored"),
            ("set", gibson_value(right[:-1] + b"y"), "not the value that was sent"),
            ("get", gibson_value(right, 2), "encoding"),
            ("get", gibson_code(5), "not the kind"),
            ("get", struct.pack("<HBI", 7, 0, 100), "not the kind"),
            ("ping", gibson_value(right), "not the kind"),
            ("incr", gibson_value(b"1", 2), "--value-size"),
            ("incr", gibson_value(b"1"), "encoding"),
            ("set", struct.pack("<HBIB", 4, 0, 1, 1), "other data than a zero"),
            ("set", struct.pack("<HBIH", 4, 0, 2, 0), "more or less than one byte"),
            ("set", gibson_value(right) * 2, "more replies than requests"),
        ):
            with self.subTest(command=command, reply=reply[:12]):
                self.refuses_gibson(reply, text, command)

    def test_options_that_make_no_sense_are_refused(self):
        for options in (["--pipeline", "0"], ["--keys", "x"], ["--frobnicate"], ["--command", "del"], ["--port"],
                        ["--protocol", "gibson", "--command", "mset"],
                        ["--protocol", "gibson", "--command", "set", "--deadline-ms", "1800000000000"]):
            done = subprocess.run([self.program, *options], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1, options)
            self.assertTrue(done.stderr, options)


if __name__ == "__main__":
    unittest.main()

"""Tests of the load generator: it must refuse what a server gets wrong, and tell latencies truly.

The server is a script of replies on a socket pair of our own; the generator is compiled here from its sources.
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
import socket
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

    def __init__(self, answer, piece_bytes=1 << 20):
        self.answer = answer
        self.piece_bytes = piece_bytes
        self.requests = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join()

    def serve(self):
        connection, _ = self.listener.accept()
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
            reply = self.answer(match[1], self.requests)
            self.requests += 1
            for start in range(0, len(reply), self.piece_bytes):
                connection.sendall(reply[start:start + self.piece_bytes])


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
        command = [self.program, "--port", str(server.port), "--connections", "1", *map(str, options)]
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

    def test_options_that_make_no_sense_are_refused(self):
        for options in (["--pipeline", "0"], ["--keys", "x"], ["--frobnicate"], ["--command", "del"], ["--port"]):
            done = subprocess.run([self.program, *options], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1, options)
            self.assertTrue(done.stderr, options)


if __name__ == "__main__":
    unittest.main()

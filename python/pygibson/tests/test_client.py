"""The connection: the bytes it sends, and what it makes of servers that answer badly or not at all."""

import contextlib
import gc
import inspect
import os
import pickle
import signal
import socket
import threading
import time

import _pygibson
import pygibson
from pygibson import (
    Client,
    LockedError,
    NaNError,
    NoMemoryError,
    NotFoundError,
    PyGibsonError,
    UnavailableError,
)

from .support import CLOSE, HANG, OK, TIMEOUT_MS, ScriptedTest, entry, free_port, listing, number, reply, value

SHORT_MS = 50


def calls_of(client):
    """Every operator: the call, the bytes of its request, a reply, the result."""
    return [
        (lambda: client.set("foo", "bar", 7), "0b000000 0100 37 20 666f6f 20 626172", value(b"bar"), b"bar"),
        (lambda: client.ttl("foo", 7), "07000000 0200 666f6f 20 37", OK, None),
        (lambda: client.get("foo"), "05000000 0300 666f6f", value(b"bar"), b"bar"),
        (lambda: client.dl("foo"), "05000000 0400 666f6f", OK, None),
        (lambda: client.inc("foo"), "05000000 0500 666f6f", number(1), 1),
        (lambda: client.dec("foo"), "05000000 0600 666f6f", number(-1), -1),
        (lambda: client.lock("foo", -1), "08000000 0700 666f6f 20 2d31", OK, None),
        (lambda: client.unlock("foo"), "05000000 0800 666f6f", OK, None),
        (lambda: client.mset("f", "x y"), "07000000 0900 66 20 782079", number(2), 2),
        (lambda: client.mttl("f", 10), "06000000 0a00 66 20 3130", number(2), 2),
        (lambda: client.mget("f"), "03000000 0b00 66", listing(entry(b"foo", 0, b"bar")), {"foo": b"bar"}),
        (lambda: client.mdl("f"), "03000000 0c00 66", number(2), 2),
        (lambda: client.minc("f"), "03000000 0d00 66", number(2), 2),
        (lambda: client.mdec("f"), "03000000 0e00 66", number(2), 2),
        (lambda: client.mlock("f", 10), "06000000 0f00 66 20 3130", number(2), 2),
        (lambda: client.munlock("f"), "03000000 1000 66", number(2), 2),
        (lambda: client.count("f"), "03000000 1100 66", number(0), 0),
        (lambda: client.stats(), "02000000 1200", listing(entry(b"n", 2, b"\x05")), {"n": 5}),
        (lambda: client.ping(), "02000000 1300", OK, None),
        (lambda: client.meta("foo", "size"), "0a000000 1400 666f6f 20 73697a65", number(3), 3),
        (lambda: client.keys("f"), "03000000 1500 66", listing(entry(b"0", 0, b"foo")), {"0": b"foo"}),
        (lambda: client.quit(), "02000000 ff00", OK, None),
    ]


class RequestTest(ScriptedTest):
    def test_every_operator_sends_its_bytes_and_decodes_its_reply(self):
        replies = [answer for _call, _request, answer, _result in calls_of(None)]
        client = self.client_of(*replies, kind=_pygibson._client)
        for call, _request, _answer, result in calls_of(client):
            self.assertEqual(call(), result)
        self.assertEqual(
            [request.hex() for request in self.server.requests],
            [bytes.fromhex(request).hex() for _call, request, _answer, _result in calls_of(None)],
        )

    def payloads(self, *calls):
        client = self.client_of(*[OK] * len(calls))
        for method, *arguments in calls:
            getattr(client, method)(*arguments)
        return [request[6:] for request in self.server.requests]

    def test_keys_are_text_or_bytes_of_any_kind(self):
        keys = ["ключ", b"a", bytearray(b"b"), memoryview(b"c")]
        self.assertEqual(self.payloads(*(("dl", key) for key in keys)), ["ключ".encode(), b"a", b"b", b"c"])

    def test_times_are_taken_modulo_2_to_the_32(self):
        times = {-1: b"-1", 0: b"0", 2**31 - 1: b"2147483647", 2**31: b"-2147483648", 2**32 + 5: b"5", -(2**40): b"0"}
        payloads = self.payloads(*(("lock", "k", time) for time in times))
        self.assertEqual(payloads, [b"k " + text for text in times.values()])

    def test_set_of_the_public_class_takes_a_ttl_by_name(self):
        client = self.client_of(value(b"v"), value(b"v"))
        self.assertIsNone(client.set("k", "v"))
        self.assertIsNone(client.set(key="k", value="v", ttl=9))
        self.assertEqual([request[6:] for request in self.server.requests], [b"0 k v", b"9 k v"])

    def test_wrong_types_are_refused_before_anything_is_sent(self):
        client = self.client_of(OK)
        for call in (
            lambda: client.get(5),
            lambda: client.get(None),
            lambda: client.set("k", 5),
            lambda: client.set("k", "v", "9"),
            lambda: client.set("k", "v", 1.5),
            lambda: client.ttl("k", None),
            lambda: client.mset("k", ["v"]),
            lambda: client.get(),
            lambda: client.get("k", "l"),
            lambda: client.get(key="k"),
        ):
            with self.assertRaises(TypeError):
                call()
        self.assertIsNone(client.ping())
        self.assertEqual(len(self.server.requests), 1)

    def test_the_raw_class_takes_exactly_four_positional_arguments(self):
        port = self.serve().port
        for arguments, keywords in ((("127.0.0.1", port, None), {}), ((), {"host": "127.0.0.1", "port": port})):
            with self.assertRaises(TypeError):
                _pygibson._client(*arguments, **keywords)
        with self.assertRaises(TypeError):
            _pygibson._client("127.0.0.1", str(port), None, 1000)

    def test_the_public_class_is_a_raw_one_with_defaults(self):
        self.assertTrue(issubclass(Client, _pygibson._client))
        defaults = {name: field.default for name, field in inspect.signature(Client).parameters.items()}
        self.assertEqual(defaults, {"host": "127.0.0.1", "port": 10128, "unix_socket": None, "timeout": 1000})


class ErrorTest(ScriptedTest):
    def test_each_code_raises_its_exception(self):
        for code, kind in ((1, NotFoundError), (2, NaNError), (3, NoMemoryError), (4, LockedError)):
            client = self.client_of(reply(code), OK)
            with self.assertRaises(kind) as caught:
                client.get("k")
            self.assertEqual(str(caught.exception), kind.__name__)
            self.assertIsNone(client.ping())  # an answer, so the connection goes on

    def test_all_exceptions_are_of_one_family_and_known_to_both_modules(self):
        names = ("NotFoundError", "NaNError", "NoMemoryError", "LockedError", "UnavailableError", "BusyError")
        for name in names:
            self.assertTrue(issubclass(getattr(pygibson, name), PyGibsonError))
        for name in (*names, "PyGibsonError"):
            self.assertIs(getattr(pygibson, name), getattr(_pygibson, name))

    def test_exceptions_can_be_sent_to_another_process(self):
        for error in (NotFoundError("NotFoundError"), UnavailableError("I/O operation error: 104", was_sent=True)):
            copy = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(copy), str(copy), vars(copy)), (type(error), str(error), vars(error)))

    def test_a_request_that_is_not_understood_raises_the_general_exception(self):
        client = self.client_of(reply(0), OK)
        with self.assertRaises(PyGibsonError) as caught:
            client.meta("k", "colour")
        self.assertIs(type(caught.exception), PyGibsonError)
        self.assertIsNone(client.ping())

    def test_a_refused_connection_says_so_in_the_words_of_the_c_library(self):
        with self.assertRaisesRegex(PyGibsonError, r"^\( 111 \) Connection refused$"):
            Client(port=free_port())

    def test_a_missing_unix_socket_is_noticed_at_once(self):
        with self.assertRaisesRegex(PyGibsonError, r"^\( 2 \) No such file or directory$"):
            Client(unix_socket="/nonexistent/socket")
        with self.assertRaises(PyGibsonError):
            Client(unix_socket="/tmp/" + "x" * 200)

    def test_an_unknown_host_or_an_impossible_port_is_unavailable(self):
        for host, port in (("host.invalid", 10128), ("127.0.0.1", 1 << 20), ("a" * 300, 10128), ("\0", 10128)):
            with self.assertRaises(UnavailableError):
                Client(host, port)

    def test_there_must_be_a_place_to_connect_to(self):
        with self.assertRaisesRegex(PyGibsonError, "^Provide either host:port or unix_socket$"):
            Client(host=None)

    def test_a_full_queue_of_a_unix_socket_is_waited_for(self):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            address = f"\0pygibson-{os.getpid()}"
            listener.bind(address)
            listener.listen(0)
            with self.assertRaises(BlockingIOError):
                while True:
                    waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                    waiting.setblocking(False)
                    waiting.connect(address)
            with self.assertRaises(UnavailableError):
                Client(unix_socket=address, timeout=SHORT_MS)
            accepting = threading.Timer(0.05, lambda: listener.accept()[0].close())
            accepting.start()
            Client(unix_socket=address, timeout=TIMEOUT_MS).close()
            accepting.join()


class BadServerTest(ScriptedTest):
    """After anything but a whole reply the connection is closed, and no call returns an earlier or later reply."""

    def assert_unavailable(self, client, message=None):
        with self.assertRaises(UnavailableError) as caught:
            client.get("k")
        self.assertTrue(caught.exception.was_sent)
        if message:
            self.assertEqual(str(caught.exception), message)
        with self.assertRaises(UnavailableError) as caught:
            client.get("k")
        self.assertFalse(caught.exception.was_sent)

    def test_replies_may_come_in_any_pieces(self):
        answer = listing(entry(b"foo", 0, b"bar"), entry(b"n", 2, b"\x07"))
        client = self.client_of([answer[i : i + 1] for i in range(len(answer))], [answer[:6], answer[6:]], answer)
        for _ in range(3):
            self.assertEqual(client.mget("f"), {"foo": b"bar", "n": 7})

    def test_large_values_go_both_ways(self):
        large = bytes(range(256)) * (1 << 14)
        client = self.client_of(value(large), value(large))
        client.set("k", large)
        self.assertEqual(self.server.requests[0][6:], b"0 k " + large)
        self.assertEqual(client.get("k"), large)

    def test_the_end_of_the_stream_is_an_error_wherever_it_comes(self):
        answer = value(b"bar")
        for end in range(len(answer)):
            client = self.client_of([answer[:end]] if end else CLOSE)
            self.assert_unavailable(client)

    def test_a_timeout_is_an_error_and_the_late_reply_belongs_to_nobody(self):
        client = self.client_of(HANG, timeout=SHORT_MS)
        self.assert_unavailable(client, "I/O operation timeout or error: 110")

    def test_a_reply_after_an_earlier_one_is_not_taken_for_it(self):
        client = self.client_of(value(b"first"), CLOSE)
        self.assertEqual(client.get("k"), b"first")
        self.assert_unavailable(client)

    def test_a_server_that_does_not_read_runs_into_the_timeout(self):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            client = Client(port=listener.getsockname()[1], timeout=SHORT_MS)
            with self.assertRaises(UnavailableError):
                client.set("k", b"x" * (64 << 20))

    def test_garbage_is_refused(self):
        for garbage in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            reply(8),
            reply(-1),
            reply(256),
            reply(5),  # OK where a value belongs
            listing(),
            value(b"bar") + b"x",
            value(b"bar") * 2,
        ):
            client = self.client_of(garbage)
            self.assert_unavailable(client, "I/O operation error: 71")

    def test_broken_lists_are_refused(self):
        good = entry(b"foo", 0, b"bar")
        for data in (
            b"",
            b"\x01\x00\x00",
            b"\x01\x00\x00\x00",
            b"\x02\x00\x00\x00" + good,
            b"\xff\xff\xff\xff" + good,
            b"\x00\x00\x00\x00" + good,
            b"\x01\x00\x00\x00" + good[:-1],
            b"\x01\x00\x00\x00" + good + b"x",
            b"\x01\x00\x00\x00" + b"\xff\xff\xff\x7f" + good[4:],
            b"\x01\x00\x00\x00" + good[:8] + b"\xff\xff\xff\xff" + good[12:],
        ):
            client = self.client_of(reply(7, 0, data))
            with self.assertRaises(UnavailableError):
                client.mget("f")

    def test_an_oversize_reply_is_refused_before_memory_is_taken_for_it(self):
        client = self.client_of(value(b"")[:3] + b"\xff\xff\xff\xff" + b"x" * 100)
        self.assert_unavailable(client, "I/O operation error: 71")

    def test_the_largest_reply_is_for_the_program_to_say(self):
        client = self.client_of(value(b"x" * 100), value(b"x" * 101))
        client.max_reply_size = 100
        self.assertEqual(client.get("k"), b"x" * 100)
        self.assert_unavailable(client)

    def test_numbers_have_1_2_4_or_8_bytes(self):
        client = self.client_of(*(number(-2, size) for size in (1, 2, 4, 8)))
        self.assertEqual([client.get("n") for _ in range(4)], [-2] * 4)
        for size in (3, 5, 6, 7, 9, 16):
            client = self.client_of(number(-2, size), OK)
            with self.assertRaises(PyGibsonError):
                client.get("n")
            self.assertIsNone(client.ping())

    def test_an_unknown_encoding_is_an_error_that_the_connection_survives(self):
        client = self.client_of(reply(6, 1, b"bar"), listing(entry(b"foo", 3, b"bar")), OK)
        for call in (client.get, client.mget):
            with self.assertRaises(PyGibsonError) as caught:
                call("foo")
            self.assertIs(type(caught.exception), PyGibsonError)
        self.assertIsNone(client.ping())

    def test_a_key_that_is_no_text_is_an_error_that_the_connection_survives(self):
        client = self.client_of(listing(entry(b"\xff", 0, b"bar")), OK)
        with self.assertRaises(UnicodeDecodeError):
            client.mget("f")
        self.assertIsNone(client.ping())

    def test_text_where_a_number_belongs_is_refused(self):
        client = self.client_of(value(b"5"))
        with self.assertRaises(UnavailableError):
            client.inc("n")

    def test_a_request_that_an_exception_interrupts_closes_the_connection(self):
        class Interruption(Exception):
            pass

        def interrupt(_signal, _frame):
            raise Interruption

        def signal_client(_request):
            """Signals while the client waits for the reply, which does not come."""
            signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
            self.server.is_over.wait()
            return b""

        former = signal.signal(signal.SIGALRM, interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, former)
        client = self.client_of(signal_client)
        with self.assertRaises(Interruption):
            client.get("k")
        with self.assertRaises(UnavailableError) as caught:
            client.get("k")
        self.assertFalse(caught.exception.was_sent)


class LifeTest(ScriptedTest):
    def test_a_client_that_nobody_holds_closes_its_connection(self):
        client = self.client_of(OK)
        client.ping()
        peer = self.serve(OK)
        descriptor = client._socket.fileno()
        del client
        gc.collect()
        with self.assertRaises(OSError), socket.socket(fileno=descriptor) as closed:
            closed.getpeername()
        self.assertIsNone(Client(port=peer.port).ping())

    def test_a_with_block_closes(self):
        with self.client_of(OK) as client:
            client.ping()
        with self.assertRaises(UnavailableError):
            client.ping()

    def test_after_quit_nothing_can_be_asked(self):
        client = self.client_of(OK)
        self.assertIsNone(client.quit())
        with self.assertRaises(UnavailableError) as caught:
            client.ping()
        self.assertFalse(caught.exception.was_sent)

    def test_threads_that_share_a_client_take_turns(self):
        rounds, threads = 200, 4
        echo = [lambda request: value(request[6:])] * (rounds * threads)
        client = self.client_of(*echo)
        wrong = []

        def ask(number):
            for i in range(rounds):
                key = b"%d:%d" % (number, i)
                if client.get(key) != key:
                    wrong.append(key)

        workers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(wrong, [])
        self.assertEqual(len(self.server.requests), rounds * threads)

    def test_closing_waits_for_the_request_of_another_thread(self):
        client = self.client_of(HANG, timeout=SHORT_MS)
        asking = threading.Thread(target=lambda: self.assertRaises(UnavailableError, client.get, "k"))
        asking.start()
        deadline = time.monotonic() + 5
        while not self.server.requests and time.monotonic() < deadline:
            time.sleep(0.001)
        client.close()
        asking.join()

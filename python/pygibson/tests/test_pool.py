"""The connection pool: bounded, shared by threads, and without a connection that has gone bad."""

import contextlib
import os
import socket
import threading
import unittest
from unittest import mock

from pygibson import BusyError, ConnectionPool, NotFoundError, PyGibsonError, UnavailableError

from .support import CLOSE, OK, TIMEOUT_MS, GibsonTest, ScriptedTest, value, wait_for

SOME_TIME_MS = 500  # waited for once; and more than a server takes to answer on a busy machine


class PoolTest(GibsonTest):
    def pool(self, **options):
        options = {"timeout": TIMEOUT_MS, **options}
        pool = ConnectionPool("127.0.0.1", self.gibson.port, **options)
        self.addCleanup(pool.close)
        return pool

    def connections(self):
        """Connections that the server has, but the one that asks."""
        with self.gibson.client() as client:
            return client.stats()["total_clients"] - 1

    def await_connections(self, count):
        """A server of several threads learns of them one after the other."""
        wait_for(lambda: self.connections() == count, f"{count} connections")

    def test_a_pool_has_the_operators_of_a_client(self):
        pool = self.pool()
        self.assertIsNone(pool.set("foo", "1", ttl=100))
        self.assertEqual(pool.inc("foo"), 2)
        self.assertEqual(pool.mget("f"), {"foo": 2})
        self.assertEqual(pool.keys("f"), [b"foo"])
        self.assertEqual(pool.stats()["total_items"], 1)
        self.assertIsNone(pool.ping())
        with self.assertRaises(NotFoundError):
            pool.get("bar")

    def test_one_thread_needs_one_connection(self):
        pool = self.pool()
        for _ in range(100):
            pool.ping()
        self.await_connections(1)

    def test_threads_share_a_bounded_number_of_connections(self):
        self.await_connections(0)
        pool, threads, rounds = self.pool(size=3), 12, 50
        most = []

        def count():
            for _ in range(rounds):
                pool.inc("n")
            most.append(pool.stats()["total_clients"])

        workers = [threading.Thread(target=count) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(pool.get("n"), threads * rounds)
        self.assertEqual(len(most), threads)
        self.assertLessEqual(max(most), 3)

    def test_whoever_waits_too_long_for_a_connection_is_told(self):
        pool = self.pool(size=1, timeout=SOME_TIME_MS)
        with pool.connection() as client:
            with self.assertRaises(BusyError):
                pool.ping()
            self.assertIsNone(client.ping())
        self.assertIsNone(pool.ping())

    def test_whoever_waits_gets_the_connection_that_is_given_back(self):
        pool = self.pool(size=1)
        with pool.connection() as client:
            waiting = threading.Thread(target=pool.set, args=("foo", "bar"))
            waiting.start()
            client.ping()
        waiting.join()
        self.assertEqual(pool.get("foo"), b"bar")
        self.await_connections(1)

    def test_a_server_that_was_started_anew_is_not_noticed(self):
        pool = self.pool()
        pool.ping()
        self.gibson.stop()
        self.gibson.start()
        self.assertIsNone(pool.ping())

    def test_a_server_that_is_gone_is_unavailable_until_it_is_back(self):
        pool = self.pool(size=2)
        self.gibson.stop()
        for _ in range(5):
            with self.assertRaises(UnavailableError) as caught:
                pool.ping()
            self.assertFalse(caught.exception.was_sent)
        self.gibson.start()
        self.assertIsNone(pool.ping())

    def test_a_connection_that_was_idle_too_long_is_not_used_again(self):
        pool = self.pool(max_idle=10)
        with mock.patch("pygibson._pool.time") as clock:
            clock.monotonic.return_value = 0
            with pool.connection() as first:
                pass
            clock.monotonic.return_value = 10
            with pool.connection() as second:
                self.assertIs(second, first)
            clock.monotonic.return_value = 20.1
            with pool.connection() as third:
                self.assertIsNot(third, first)

    def test_connections_that_nobody_needs_any_more_are_closed(self):
        pool = self.pool(max_idle=10)
        with mock.patch("pygibson._pool.time") as clock:
            clock.monotonic.return_value = 0
            with pool.connection(), pool.connection(), pool.connection():
                pass
            self.await_connections(3)
            clock.monotonic.return_value = 5
            pool.ping()
            clock.monotonic.return_value = 11
            pool.ping()
            self.await_connections(1)

    def test_closing_closes_idle_connections_now_and_others_when_they_come_back(self):
        pool = self.pool()
        with pool.connection() as client:
            pool.ping()
            pool.close()
            self.assertIsNone(client.ping())
        self.await_connections(0)
        with self.assertRaises(PyGibsonError):
            pool.ping()

    def test_a_with_block_closes(self):
        with self.pool() as pool:
            pool.ping()
        with self.assertRaises(PyGibsonError):
            pool.ping()

    def test_an_exception_in_a_with_block_gives_the_connection_back(self):
        pool = self.pool(size=1)
        for _ in range(3):
            with self.assertRaises(ZeroDivisionError), pool.connection():
                raise ZeroDivisionError
        self.assertIsNone(pool.ping())

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_a_forked_child_does_not_talk_through_the_parents_connections(self):
        pool = self.pool(size=2)
        with pool.connection() as idle:
            idle.ping()
            borrowing = contextlib.ExitStack()
            borrowed = borrowing.enter_context(pool.connection())
            borrowed.ping()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                borrowing.close()
                with pool.connection() as first, pool.connection() as second:
                    first.set("child", "was here")
                    status = 0 if {idle, borrowed}.isdisjoint({first, second}) else 2
            finally:
                os._exit(status)
        _pid, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        self.assertIsNone(borrowed.ping())
        self.assertIsNone(idle.ping())
        borrowing.close()
        self.assertEqual(pool.get("child"), b"was here")

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_a_forked_child_has_all_connections_to_itself(self):
        pool = self.pool(size=1)
        with pool.connection():
            child = os.fork()
            if child == 0:
                status = 1
                try:  # the one slot is taken in the parent, not here
                    pool.ping()
                    status = 0
                finally:
                    os._exit(status)
            _pid, status = os.waitpid(child, 0)
            self.assertEqual(os.waitstatus_to_exitcode(status), 0)


class BadConnectionTest(ScriptedTest):
    def test_a_pool_has_at_least_one_connection(self):
        with self.assertRaises(ValueError):
            ConnectionPool(size=0)

    def test_making_a_pool_does_no_io(self):
        ConnectionPool("host.invalid")

    def test_a_connection_that_failed_is_not_used_again(self):
        server = self.serve(CLOSE, OK)
        pool = ConnectionPool(port=server.port)
        with self.assertRaises(UnavailableError) as caught:
            pool.ping()
        self.assertTrue(caught.exception.was_sent)
        self.assertIsNone(pool.ping())
        self.assertEqual(server.accepted, 2)

    def test_a_connection_with_an_unasked_reply_is_not_used_again(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            pool = ConnectionPool(port=listener.getsockname()[1])
            with pool.connection() as first:
                server_side, _address = listener.accept()
                with server_side:
                    server_side.sendall(value(b"unasked"))
            with pool.connection() as second:
                self.assertIsNot(first, second)

"""What the test suite of the original client checks, against a server that is started for each test."""

import _pygibson
import pygibson
from pygibson import LockedError, NaNError, NotFoundError, PyGibsonError

from .support import GibsonTest

STATS = [
    "server_version",
    "server_build_datetime",
    "server_allocator",
    "server_arch",
    "server_started",
    "server_time",
    "first_item_seen",
    "last_item_seen",
    "total_items",
    "total_compressed_items",
    "total_clients",
    "total_cron_done",
    "total_connections",
    "total_requests",
    "item_pool_current_used",
    "item_pool_current_capacity",
    "item_pool_total_capacity",
    "item_pool_object_size",
    "item_pool_max_block_size",
    "memory_available",
    "memory_usable",
    "memory_used",
    "memory_peak",
    "memory_fragmentation",
    "item_size_avg",
    "compr_rate_avg",
    "reqs_per_client_avg",
]
META_FIELDS = ["size", "encoding", "access", "created", "ttl", "left", "lock"]


class OverUnixSocket:
    """The same tests on a server that listens to a Unix socket."""

    UNIX = True


class RawClientTest(GibsonTest):
    """The extension's class, whose `set` needs a ttl."""

    def setUp(self):
        super().setUp()
        self.client = self.gibson.client(_pygibson._client)

    def set_all(self, **items):
        for key, value in items.items():
            self.client.set(key, value, 0)

    def test_ping_returns_none(self):
        self.assertIsNone(self.client.ping())

    def test_what_was_set_is_got(self):
        self.client.set("foo", "bar", 0)
        self.assertEqual(self.client.get("foo"), b"bar")

    def test_getting_an_unknown_key_is_not_found(self):
        with self.assertRaises(NotFoundError):
            self.client.get("foo")

    def test_an_item_set_with_a_ttl_expires(self):
        self.client.set("foo", "bar", 2)
        self.assertEqual(self.client.get("foo"), b"bar")
        self.gibson.pass_seconds(3)
        with self.assertRaises(NotFoundError):
            self.client.get("foo")

    def test_mset_changes_the_items_under_the_prefix_and_no_others(self):
        self.set_all(foo1="bar1", foo2="bar2", fo3="bar3")
        self.assertEqual(self.client.mset("foo", "new"), 2)
        self.assertEqual(self.client.mget("fo"), {"foo1": b"new", "foo2": b"new", "fo3": b"bar3"})

    def test_mget_and_mset_of_an_unmatched_prefix_are_not_found(self):
        self.set_all(foo="bar")
        with self.assertRaises(NotFoundError):
            self.client.mget("x")
        with self.assertRaises(NotFoundError):
            self.client.mset("x", "new")

    def test_ttl_decides_when_an_item_expires(self):
        self.client.set("foo", "bar", 1000)
        self.gibson.pass_seconds(3)
        self.assertEqual(self.client.get("foo"), b"bar")
        self.assertIsNone(self.client.ttl("foo", 2))
        self.gibson.pass_seconds(3)
        with self.assertRaises(NotFoundError):
            self.client.get("foo")

    def test_mttl_decides_when_the_items_under_a_prefix_expire(self):
        self.client.set("foo1", "bar", 1000)
        self.client.set("foo2", "bar", 1000)
        self.assertEqual(self.client.mttl("foo", 2), 2)
        self.gibson.pass_seconds(3)
        with self.assertRaises(NotFoundError):
            self.client.mget("foo")

    def test_dl_deletes_an_item(self):
        self.set_all(foo="bar")
        self.assertIsNone(self.client.dl("foo"))
        with self.assertRaises(NotFoundError):
            self.client.get("foo")

    def test_mdl_deletes_the_items_under_a_prefix(self):
        self.set_all(foo1="bar", foo2="bar")
        self.assertEqual(self.client.mdl("foo"), 2)
        with self.assertRaises(NotFoundError):
            self.client.mget("foo")

    def test_counting_turns_text_into_a_number(self):
        self.set_all(foo="50")
        self.assertEqual(self.client.get("foo"), b"50")
        self.assertEqual(self.client.inc("foo"), 51)
        self.assertEqual(self.client.get("foo"), 51)
        self.assertEqual(self.client.dec("foo"), 50)

    def test_text_that_is_no_number_is_not_counted_with(self):
        self.set_all(foo="bar")
        for count in (self.client.inc, self.client.dec):
            with self.assertRaises(NaNError):
                count("foo")
        for count in (self.client.minc, self.client.mdec):
            with self.assertRaises(NotFoundError):
                count("foo")

    def test_minc_counts_the_numbers_under_a_prefix(self):
        self.set_all(foo1="1", foo2="2", foo3="3")
        self.assertEqual(self.client.minc("foo"), 3)
        self.assertEqual(self.client.mget("foo"), {"foo1": 2, "foo2": 3, "foo3": 4})
        self.set_all(foo4="bar")
        self.assertEqual(self.client.minc("foo"), 3)
        self.assertEqual(self.client.mget("foo"), {"foo1": 3, "foo2": 4, "foo3": 5, "foo4": b"bar"})
        self.assertEqual(self.client.mdec("foo"), 3)
        self.assertEqual(self.client.get("foo1"), 2)

    def test_stats_has_exactly_its_27_entries(self):
        stats = self.client.stats()
        self.assertIsInstance(stats, dict)
        self.assertEqual(list(stats), STATS)

    def test_a_locked_item_is_read_but_not_written(self):
        self.set_all(foo="bar")
        self.assertIsNone(self.client.lock("foo", 2))
        with self.assertRaises(LockedError):
            self.client.set("foo", "new", 0)
        self.assertEqual(self.client.get("foo"), b"bar")
        self.gibson.pass_seconds(3)
        self.client.set("foo", "new", 0)
        self.assertEqual(self.client.get("foo"), b"new")

    def test_mlock_locks_the_items_under_a_prefix(self):
        self.set_all(foo1="1", foo2="2", foo3="3")
        self.assertEqual(self.client.mlock("foo", 1000), 3)
        for count in (self.client.inc, self.client.dec):
            with self.assertRaises(LockedError):
                count("foo1")
        for count in (self.client.minc, self.client.mdec):
            with self.assertRaises(NotFoundError):
                count("foo")
        self.assertIsNone(self.client.unlock("foo1"))
        self.assertEqual(self.client.minc("foo"), 1)
        for key in ("foo2", "foo3"):
            with self.assertRaises(LockedError):
                self.client.inc(key)
        self.assertEqual(self.client.munlock("foo"), 3)
        self.assertEqual(self.client.minc("foo"), 3)

    def test_count_says_how_many_items_are_under_a_prefix(self):
        for expected, key in enumerate(("foo", "foo1", "foo2"), 1):
            self.client.set(key, "bar", 0)
            self.assertEqual(self.client.count("foo"), expected)
        self.assertEqual(self.client.count("x"), 0)

    def test_quit_ends_one_connection_and_no_other(self):
        other = self.gibson.client(_pygibson._client)
        self.assertIsNone(other.ping())
        self.assertIsNone(other.quit())
        self.assertIsNone(self.client.ping())

    def test_meta_answers_for_every_field(self):
        self.set_all(foo="bar")
        for field in META_FIELDS:
            self.assertIsInstance(self.client.meta("foo", field), int, field)
        with self.assertRaises(NotFoundError):
            self.client.meta("x", "size")
        with self.assertRaises(PyGibsonError):
            self.client.meta("foo", "colour")

    def test_keys_are_numbered(self):
        self.set_all(KEYS1="1", KEYS2="2", KEYS3="3")
        self.assertEqual(self.client.keys("KEYS"), {"0": b"KEYS1", "1": b"KEYS2", "2": b"KEYS3"})

    def test_values_are_any_bytes(self):
        for value in (b"a\x00b", b"\x00", b"\xff\xfe\x80", bytes(range(256))):
            self.client.set("foo", value, 0)
            self.assertEqual(self.client.get("foo"), value)

    def test_keys_are_any_text(self):
        self.client.set("ключ", "значение", 0)
        self.assertEqual(self.client.get("ключ"), "значение".encode())
        self.assertEqual(self.client.mget("кл"), {"ключ": "значение".encode()})


class RawClientOverUnixSocketTest(OverUnixSocket, RawClientTest):
    pass


class ClientTest(GibsonTest):
    """The public class."""

    def setUp(self):
        super().setUp()
        self.client = self.gibson.client()

    def test_only_the_timeout_need_be_given(self):
        client = pygibson.Client(port=self.gibson.port, timeout=5000)
        self.assertIsNone(client.ping())

    def test_set_without_a_ttl_sets_none(self):
        self.assertIsNone(self.client.set("foo", "bar"))
        self.assertEqual(self.client.meta("foo", "ttl"), -1)

    def test_keys_is_a_list(self):
        for key in (b"KEYS1", b"KEYS2", b"KEYS3"):
            self.client.set(key, "value")
        self.assertEqual(self.client.keys(b"KEYS"), [b"KEYS1", b"KEYS2", b"KEYS3"])

    def test_mget_of_an_unmatched_prefix_in_bytes_is_not_found(self):
        with self.assertRaises(NotFoundError):
            self.client.mget(b"x")


class UnixClientTest(GibsonTest):
    UNIX = True

    def test_a_unix_socket_wins_over_host_and_port(self):
        client = pygibson.Client(host="127.0.0.1", port=10128, unix_socket=self.gibson.unix_socket)
        client.set("foo", "bar")
        self.assertEqual(client.get("foo"), b"bar")

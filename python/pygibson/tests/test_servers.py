"""Several servers: where keys live, and what happens when a server comes and goes."""

import collections
import threading
import unittest

from pygibson import NotFoundError, PyGibsonError, Servers, UnavailableError

from .support import (
    CLOSE,
    HANG,
    OK,
    TIMEOUT_MS,
    GibsonTest,
    ScriptedTest,
    entry,
    free_port,
    listing,
    number,
    reply,
    value,
)

SOME_TIME_MS = 500  # waited for once; and more than a server takes to answer on a busy machine
NAMES = [f"10.0.0.{i}:10128" for i in range(1, 6)]
KEYS = [f"user:{i}:name" for i in range(10000)]


class HashingTest(unittest.TestCase):
    """Where keys belong, without talking to anybody."""

    def owners(self, names):
        servers = Servers(names)
        return {key: servers.server_of(key) for key in KEYS}

    def test_keys_are_spread_evenly(self):
        counts = collections.Counter(self.owners(NAMES).values())
        self.assertEqual(set(counts), set(NAMES))
        for count in counts.values():
            self.assertAlmostEqual(count, len(KEYS) / len(NAMES), delta=150)  # 3.75 standard deviations

    def test_the_order_of_the_servers_does_not_matter(self):
        self.assertEqual(self.owners(NAMES), self.owners(NAMES[::-1]))

    def test_without_a_server_only_its_own_keys_move(self):
        before, after = self.owners(NAMES), self.owners(NAMES[1:])
        moved = {key for key in KEYS if before[key] != after[key]}
        self.assertEqual(moved, {key for key in KEYS if before[key] == NAMES[0]})
        receivers = collections.Counter(after[key] for key in moved)
        for name in NAMES[1:]:
            self.assertGreater(receivers[name], len(moved) / len(NAMES) / 2)

    def test_the_place_of_a_key_is_the_same_in_every_process_and_version(self):
        servers = Servers(["a", "b:1", "/c"])
        owners = [servers.server_of(key) for key in ("", "foo", "bar", "user:42", "ключ", b"\xff\x00")]
        self.assertEqual(owners, ["b:1", "/c", "b:1", "b:1", "a:10128", "/c"])

    def test_what_follows_a_space_is_no_part_of_the_key(self):
        servers = Servers(NAMES)
        for key in KEYS[:100]:
            self.assertEqual(servers.server_of(f"{key} and more"), servers.server_of(key))

    def test_servers_are_named_with_their_port(self):
        servers = Servers(["a", "b:1", "/c"])
        self.assertEqual(servers.states(), {"a:10128": True, "b:1": True, "/c": True})

    def test_addresses_must_make_sense(self):
        for addresses in ([], ["a", "a:10128"], [""], [":1"], ["a:"], ["a:b"], ["a:1:2"]):
            with self.assertRaises(ValueError, msg=addresses):
                Servers(addresses)


class SeveralServersTest(GibsonTest):
    def setUp(self):
        self.clock_s = 1000.0
        self.all = [self.start_gibson() for _ in range(3)]
        self.by_name = {f"127.0.0.1:{gibson.port}": gibson for gibson in self.all}
        self.servers = Servers(self.by_name, timeout=TIMEOUT_MS, retry_after=5000, clock=lambda: self.clock_s)
        self.addCleanup(self.servers.close)

    def own(self, name, prefix="key"):
        """Keys that belong to the server of this name."""
        return [key for key in (f"{prefix}{i}" for i in range(100)) if self.servers.server_of(key) == name]

    def fill(self, count=30):
        for i in range(count):
            self.servers.set(f"key{i:02}", str(i))

    def test_an_item_is_on_the_server_that_it_belongs_to_and_no_other(self):
        self.fill()
        for i in range(30):
            key = f"key{i:02}"
            for name, gibson in self.by_name.items():
                with gibson.client() as client:
                    self.assertEqual(client.count(key), name == self.servers.server_of(key))

    def test_operators_on_an_item_go_to_its_server(self):
        self.fill()
        servers = self.servers
        self.assertEqual(servers.get("key07"), b"7")
        self.assertEqual(servers.inc("key07"), 8)
        self.assertEqual(servers.dec("key07"), 7)
        self.assertEqual(servers.meta("key07", "size"), 8)
        self.assertIsNone(servers.lock("key07", 100))
        self.assertIsNone(servers.unlock("key07"))
        self.assertIsNone(servers.ttl("key07", 100))
        self.assertIsNone(servers.dl("key07"))
        with self.assertRaises(NotFoundError):
            servers.get("key07")

    def test_operators_on_a_prefix_ask_all_servers_and_put_the_answers_together(self):
        self.fill()
        servers, keys = self.servers, [f"key{i:02}" for i in range(30)]
        self.assertEqual(servers.mget("key"), {key: b"%d" % i for i, key in enumerate(keys)})
        self.assertEqual(list(servers.mget("key")), keys)
        self.assertEqual(servers.keys("key"), [key.encode() for key in keys])
        self.assertEqual(servers.count("key"), 30)
        self.assertEqual(servers.count("x"), 0)
        self.assertEqual(servers.minc("key"), 30)
        self.assertEqual(servers.mdec("key1"), 10)
        self.assertEqual(servers.mlock("key", 1000), 30)
        self.assertEqual(servers.munlock("key"), 30)
        self.assertEqual(servers.mttl("key", 1000), 30)
        self.assertEqual(servers.mset("key", "new"), 30)
        self.assertEqual(set(servers.mget("key").values()), {b"new"})
        self.assertEqual(servers.mdl("key"), 30)

    def test_a_prefix_that_matches_on_one_server_is_found(self):
        self.servers.set("only", "1")
        self.assertEqual(self.servers.mget("only"), {"only": b"1"})
        self.assertEqual(self.servers.minc("only"), 1)

    def test_a_prefix_that_matches_on_no_server_is_not_found(self):
        for call in (self.servers.mget, self.servers.keys, self.servers.mdl, self.servers.minc):
            with self.assertRaises(NotFoundError):
                call("x")

    def test_ping_and_stats_ask_all_servers(self):
        self.fill()
        self.assertIsNone(self.servers.ping())
        stats = self.servers.stats()
        self.assertEqual(set(stats), set(self.by_name))
        self.assertEqual(sum(each["total_items"] for each in stats.values()), 30)

    def test_a_dead_server_is_taken_out_and_its_keys_live_elsewhere_until_it_is_back(self):
        name, gibson = next(iter(self.by_name.items()))
        key = self.own(name)[0]
        gibson.stop()

        self.servers.set(key, "elsewhere")  # no error: nothing was sent to the dead server
        self.assertFalse(self.servers.states()[name])
        self.assertNotEqual(self.servers.server_of(key), name)
        self.assertEqual(self.servers.get(key), b"elsewhere")

        gibson.start()
        self.assertEqual(self.servers.get(key), b"elsewhere")  # not asked yet
        self.assertFalse(self.servers.states()[name])

        self.clock_s += 5
        with self.assertRaises(NotFoundError):  # back in, and empty
            self.servers.get(key)
        self.assertTrue(self.servers.states()[name])
        self.assertEqual(self.servers.server_of(key), name)

    def test_a_server_that_is_still_dead_stays_out(self):
        name, gibson = next(iter(self.by_name.items()))
        key = self.own(name)[0]
        gibson.stop()
        self.servers.set(key, "elsewhere")
        for _ in range(3):
            self.clock_s += 5
            self.assertEqual(self.servers.get(key), b"elsewhere")
            self.assertFalse(self.servers.states()[name])

    def test_operators_on_a_prefix_go_without_a_dead_server(self):
        self.fill()
        name, gibson = next(iter(self.by_name.items()))
        lost = sum(self.servers.server_of(f"key{i:02}") == name for i in range(30))
        gibson.stop()
        self.assertEqual(self.servers.count("key"), 30 - lost)
        self.assertEqual(len(self.servers.mget("key")), 30 - lost)
        self.assertFalse(self.servers.states()[name])

    def test_a_key_on_two_servers_counts_where_it_belongs(self):
        owner = self.by_name[self.servers.server_of("key")]
        for gibson in self.all:
            with gibson.client() as client:
                client.set("key", "right" if gibson is owner else "left behind")
        self.assertEqual(self.servers.mget("key"), {"key": b"right"})
        self.assertEqual(self.servers.keys("key"), [b"key"])
        self.assertEqual(self.servers.mdl("key"), 3)

    def test_without_any_server_all_is_unavailable_until_one_is_back(self):
        for gibson in self.all:
            gibson.stop()
        for call in (self.servers.get, self.servers.mget, self.servers.count):
            with self.assertRaises(UnavailableError) as caught:
                call("key")
            self.assertFalse(caught.exception.was_sent)
        with self.assertRaises(UnavailableError):
            self.servers.ping()
        self.all[0].start()
        self.clock_s += 5
        self.servers.set("key", "value")
        self.assertEqual(self.servers.get("key"), b"value")

    def test_many_threads_may_use_it_while_a_server_comes_and_goes(self):
        gibson, errors, is_over = self.all[0], [], threading.Event()

        def work(number):
            while not is_over.is_set():
                try:
                    self.servers.inc(f"n{number}")
                    self.servers.count("n")
                except UnavailableError:  # the server went away in the middle of a request
                    pass
                except PyGibsonError as error:
                    errors.append(error)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for worker in workers:
            worker.start()
        for _ in range(2):
            gibson.stop()
            self.clock_s += 5
            gibson.start()
            self.clock_s += 5
        is_over.set()
        for worker in workers:
            worker.join()
        self.assertEqual(errors, [])
        self.clock_s += 5
        self.servers.ping()
        self.assertEqual(set(self.servers.states().values()), {True})


class FailingServerTest(ScriptedTest):
    """One server that works, as far as its script goes, and one that fails in some way."""

    def make(self, good_script, bad_script, **options):
        self.good, self.bad = self.serve(*good_script), self.serve(*bad_script)
        self.good_name, self.bad_name = (f"127.0.0.1:{server.port}" for server in (self.good, self.bad))
        self.clock_s = 0.0
        servers = Servers([self.good_name, self.bad_name], clock=lambda: self.clock_s, **options)
        self.bad_key = next(key for key in KEYS if servers.server_of(key) == self.bad_name)
        return servers

    def test_a_request_that_may_have_been_carried_out_is_not_repeated(self):
        servers = self.make([number(1)], [CLOSE], max_failures=1)
        with self.assertRaises(UnavailableError) as caught:
            servers.inc(self.bad_key)
        self.assertTrue(caught.exception.was_sent)
        self.assertEqual(self.good.requests, [])
        self.assertFalse(servers.states()[self.bad_name])
        self.assertEqual(servers.inc(self.bad_key), 1)

    def test_a_server_is_out_after_so_many_failures_in_a_row(self):
        servers = self.make([value(b"good")], [CLOSE, CLOSE, value(b"bad"), CLOSE, CLOSE, CLOSE], max_failures=3)
        outcomes = []
        for _ in range(7):
            try:
                outcomes.append(servers.get(self.bad_key))
            except UnavailableError:
                outcomes.append(None)
        self.assertEqual(outcomes, [None, None, b"bad", None, None, None, b"good"])

    def test_a_server_that_hangs_is_taken_out(self):
        servers = self.make([value(b"good")], [HANG], max_failures=1, timeout=SOME_TIME_MS)
        with self.assertRaises(UnavailableError):
            servers.get(self.bad_key)
        self.assertEqual(servers.get(self.bad_key), b"good")

    def test_an_operator_on_a_prefix_that_one_server_fails_is_carried_out_on_the_others_and_raises(self):
        self.make([number(3), number(3)], [CLOSE, CLOSE])
        for names in ([self.good_name, self.bad_name], [self.bad_name, self.good_name]):
            with Servers(names) as servers, self.assertRaises(UnavailableError):
                servers.mdl("key")
        self.assertEqual(len(self.good.requests), 2)

    def test_a_server_that_answers_is_taken_back_in(self):
        servers = self.make([value(b"good")], [CLOSE, OK, value(b"bad")], max_failures=1, retry_after=1000)
        with self.assertRaises(UnavailableError):
            servers.get(self.bad_key)
        self.clock_s = 0.5
        self.assertEqual(servers.get(self.bad_key), b"good")
        self.clock_s = 1.0
        self.assertEqual(servers.get(self.bad_key), b"bad")
        self.assertTrue(servers.states()[self.bad_name])

    def test_a_server_is_asked_once_when_its_time_is_over_and_then_stays_out_as_long_again(self):
        servers = self.make([value(b"good")] * 5, [CLOSE, CLOSE, OK, value(b"bad")], max_failures=1, retry_after=1000)
        with self.assertRaises(UnavailableError):
            servers.get(self.bad_key)
        for self.clock_s in (0.9, 1.0, 1.1, 1.9):
            self.assertEqual(servers.get(self.bad_key), b"good")
        self.assertEqual(len(self.bad.requests), 2)
        self.clock_s = 2.0
        self.assertEqual(servers.get(self.bad_key), b"bad")

    def test_a_server_that_is_back_starts_with_a_clean_slate(self):
        script = [CLOSE, CLOSE, OK, CLOSE, value(b"bad")]
        servers = self.make([], script, max_failures=2, retry_after=1000)
        for self.clock_s in (0, 0, 1):
            with self.assertRaises(UnavailableError):
                servers.get(self.bad_key)
        self.assertEqual(servers.get(self.bad_key), b"bad")

    def test_an_error_that_the_server_answers_with_is_an_answer(self):
        servers = self.make([], [CLOSE, reply(1), CLOSE, value(b"bad")], max_failures=2)
        for expected in (UnavailableError, NotFoundError, UnavailableError):
            with self.assertRaises(expected):
                servers.get(self.bad_key)
        self.assertEqual(servers.get(self.bad_key), b"bad")

    def test_values_of_lists_may_be_numbers(self):
        servers = self.make([listing(entry(b"b", 2, b"\x05"))], [listing(entry(b"a", 0, b"x"))])
        self.assertEqual(servers.mget("k"), {"a": b"x", "b": 5})

    def test_one_server_alone_is_fine(self):
        server = self.serve(OK)
        with Servers([f"127.0.0.1:{server.port}"]) as servers:
            servers.ping()
        with self.assertRaises(PyGibsonError):
            servers.ping()

    def test_with_one_dead_server_alone_its_error_is_raised(self):
        servers = Servers([f"127.0.0.1:{free_port()}"])
        with self.assertRaisesRegex(UnavailableError, "Connection refused"):
            servers.get("key")
        with self.assertRaisesRegex(UnavailableError, "no server can be reached"):
            servers.get("key")

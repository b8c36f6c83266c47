"""The soak: a server with everything going on at once, and what must hold at its end.

A Soak starts a target (larder-server, or the embedding program of host.c), lets actors (actors.py) loose on it from
many threads until its time is over, and then checks that nothing is left behind: no session, watch, subscription,
tracked key, delivery or memory. Everything random comes from one seed; threads still race, so a seed repeats what is
done, not when.
"""

import collections
import itertools
import os
import random
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import traceback
from pathlib import Path

from support.certificates import certificates, has_tls
from support.resp import Closed, RawConnection, decode, encode
from support.server import SANITIZED, SANITIZER_REPORT, Server, free_port
from support.waiting import SLOWDOWN, wait_until

MIB = 1 << 20
WORKERS = 4
STUCK_S = 60 * (2 if SANITIZED else 1)  # an actor that gets nowhere for so long is taken for a deadlock
CENSUS_INTERVAL_S = 2

# What DEBUG CENSUS counts beside these is 0 at the end.
CENSUS_STAYS = {"table-bytes", "sessions", "executors"}
INFO_ZERO = {
    "blocked_clients",
    "tracking_clients",
    "pubsub_clients",
    "watching_clients",
    "clients_in_timeout_table",
    "total_watched_keys",
    "total_blocking_keys",
    "pubsub_channels",
    "pubsub_patterns",
    "pubsubshard_channels",
    "tracking_total_keys",
    "tracking_total_items",
    "tracking_total_prefixes",
}
# An emptied table keeps its first segment, and its directories: so much for each shard and database that was in use.
TABLE_REST_BYTES = 64 * 1024
RESIDENT_GROWTH_BYTES = 64 * MIB  # what allocators and thread stacks may keep of the first half's peak

BASELINE = {
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "client-output-buffer-limit": "normal 0 0 0 replica 0 0 0 pubsub 0 0 0",
    "notify-keyspace-events": "",
    "maxkeys": "0",
    "timeout": "0",
    "client-query-buffer-limit": "64mb",
}

# How a connection may end that others kill, or that is cut off for what it did. Anything else that a socket raises is a
# problem: a refused connection, a record of TLS that nobody can read, ...
LOST = (Closed, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Problem(AssertionError):
    """The server did what it must not do."""


def tls_context(version):
    context = certificates().client_context()
    context.minimum_version = context.maximum_version = version
    return context


class Target:
    """A running server: how to reach it, and how it ended."""

    def __init__(self, pid, addresses):
        self.pid = pid
        self.addresses = addresses  # by transport
        if "tls" in addresses:
            self._contexts = itertools.cycle([tls_context(ssl.TLSVersion.TLSv1_2), tls_context(ssl.TLSVersion.TLSv1_3)])

    def reach(self, transport):
        """What a RawConnection takes."""
        if transport != "tls":
            return self.addresses[transport]
        plain = socket.create_connection(self.addresses["tls"], timeout=STUCK_S)
        try:
            return next(self._contexts).wrap_socket(plain)
        except BaseException:
            plain.close()
            raise

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()


class ServerTarget(Target):
    """larder-server."""

    def __init__(self, binary, options):
        self.server = Server(binary, threads=WORKERS, options=options, tls=has_tls(binary))
        addresses = {"tcp": self.server.address, "unix": self.server.unix_path}
        if self.server.has_tls:
            addresses["tls"] = ("127.0.0.1", self.server.tls_port)
        super().__init__(self.server.pid, addresses)

    def log(self):
        return self.server.log()

    def is_running(self):
        return self.server.is_running()

    def abort(self):
        self.server.process.send_signal(signal.SIGABRT)
        self.server.process.wait()
        self.server.is_stopped = True

    def stop(self):
        self.server.stop()


class HostTarget(Target):
    """The embedding program, with its bridges to the inside."""

    def __init__(self, binary, options):
        self.folder = tempfile.TemporaryDirectory(prefix="larder-soak-")
        folder = Path(self.folder.name)
        tls_port = free_port() if has_tls(binary) else None
        if tls_port:
            options = options | certificates().options(tls_port)
        (folder / "config").write_text("".join(f"{name} {value or chr(34) * 2}\n" for name, value in options.items()))
        self.output = folder / "output.log"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [host_binary(binary), folder, str(WORKERS), folder / "config"],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        found = wait_until(
            lambda: re.search(r"port (\d+): Ready", self.log()) or self.process.poll() is not None, 15, "soak-host"
        )
        if found is True:
            raise AssertionError(f"soak-host did not start:\n{self.log()}")
        addresses = {"tcp": ("127.0.0.1", int(found[1]))}
        for transport, name in (("unix", "s.sock"), ("memory", "memory.sock"), ("session", "session.sock")):
            addresses[transport] = str(folder / name)
        if tls_port:
            addresses["tls"] = ("127.0.0.1", tls_port)
        super().__init__(self.process.pid, addresses)

    def log(self):
        return self.output.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def abort(self):
        self.process.send_signal(signal.SIGABRT)
        self.process.wait()

    def stop(self):
        if self.is_running():
            self.process.terminate()
            try:
                self.process.wait(60 * SLOWDOWN)
            except subprocess.TimeoutExpired:
                self.abort()
                raise Problem(f"soak-host ignored SIGTERM\n{self.log()[-8000:]}") from None
        log = self.log()
        self.folder.cleanup()
        if self.process.returncode != 0 or SANITIZER_REPORT.search(log):
            raise Problem(f"soak-host ended with status {self.process.returncode}\n{log[-20000:]}")


def host_binary(server_binary):
    """Built beside larder-server."""
    return Path(server_binary).resolve().parent / "tests/soak/soak-host"


# --- Connections ---


class Client:
    """A connection of an actor: knows replies from pushes, and how to break off."""

    def __init__(self, way, transport):
        self.raw = RawConnection(way, timeout_s=STUCK_S)
        self.transport = transport
        self.pushes = collections.deque()

    def close(self):
        self.raw.close()

    def send(self, *words):
        self.raw.send(encode(*words))

    def read(self):
        """The next reply; pushes in front of it are kept aside."""
        while True:
            tree = decode(self.raw.read_frame())
            if tree[0] != ">":
                return tree
            self.pushes.append(tree)

    def ask(self, *words):
        self.send(*words)
        return self.read()

    def pipeline(self, commands):
        self.raw.send(b"".join(encode(*words) for words in commands))
        return [self.read() for _ in commands]

    def next_message(self, wait_s):
        """The next frame of any kind; None when none comes in that time."""
        if self.pushes:
            return self.pushes.popleft()
        self.raw.socket.settimeout(wait_s)
        try:
            return decode(self.raw.read_frame())
        except TimeoutError:
            return None
        finally:
            self.raw.socket.settimeout(STUCK_S)

    def break_off(self, random):
        """Leaves as a client does whose machine, network or programmer failed it."""
        how = random.randrange(6)
        try:
            if how == 0:  # in the middle of a request
                request = encode("SET", "broken:off", "x" * random.randrange(1, 5000))
                self.raw.send(request[: random.randrange(1, len(request))])
            elif how == 1:  # before reading the reply
                self.raw.send(encode("GET", "big:0") * random.randrange(1, 20))
            elif how == 2:  # in the middle of a reply
                self.raw.send(encode("GET", "big:1"))
                self.raw.socket.recv(10)
            elif how == 3:  # in the middle of a transaction
                self.raw.send(encode("WATCH", "k1", "k2") + encode("MULTI") + encode("SET", "k1", "v"))
            elif how == 4 and self.transport == "tls":  # in the middle of a record, or of what looks like one
                os.write(self.raw.socket.fileno(), b"\x17\x03\x03\x10\x00" + random.randbytes(random.randrange(5000)))
            if random.randrange(2):
                self.raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        except LOST:
            pass
        self.close()


# --- The soak ---


def idle_kinds(actors):
    """The kinds of which none has made a step."""
    return {type(actor).__name__ for actor in actors} - {type(actor).__name__ for actor in actors if actor.steps > 0}


class Soak:
    def __init__(self, target, seed):
        self.target = target
        self.seed = seed
        self.is_over = threading.Event()
        self.problems = []
        self.lock = threading.Lock()
        self.shared = {}  # what actors of one kind share, by the kind

    def connect(self, transport):
        return Client(self.target.reach(transport), transport)

    def report(self, who, problem):
        with self.lock:
            self.problems.append(f"{who}: {problem}")
        self.is_over.set()

    def choose(self, kinds):
        """The kinds of actors that can reach this target."""
        return [kind for kind in kinds if kind.transports & set(self.target.addresses)]

    # --- Running ---

    def run(self, kinds, seconds):
        """Lets `count` actors of each kind play, longer if the machine has not let all of them come to anything by
        then; returns how many steps each kind made."""
        chooser = random.Random(self.seed)
        actors = [kind(self, number, chooser.randrange(1 << 62)) for kind in kinds for number in range(kind.count)]
        threads = [threading.Thread(target=actor.live, name=str(actor), daemon=True) for actor in actors]
        for thread in threads:
            thread.start()
        self._watch_over(actors, time.monotonic() + seconds)
        self.is_over.set()
        for thread in threads:
            thread.join(STUCK_S)
            if thread.is_alive():
                self._take_for_deadlock([thread.name])
        self.is_over.clear()
        self._fail_on_problems()
        steps = collections.Counter()
        for actor in actors:
            steps[type(actor).__name__] += actor.steps
        return steps

    def _watch_over(self, actors, end):
        next_census = 0
        while not self.is_over.is_set():
            now = time.monotonic()
            if now >= end and (now >= end + STUCK_S or not idle_kinds(actors)):
                return
            if not self.target.is_running():
                raise Problem(f"the server died\n{self.target.log()[-20000:]}")
            stuck = [str(actor) for actor in actors if now - actor.last_step > STUCK_S]
            if stuck:
                self._take_for_deadlock(stuck)
            if now > next_census:
                next_census = now + CENSUS_INTERVAL_S
                self._take_census_in_passing()
            self.is_over.wait(0.2)

    def _take_census_in_passing(self):
        """Has the engine check itself, in debug builds, while everything is going on."""
        try:
            self.census()
        except LOST:
            pass
        except TimeoutError:
            raise Problem(f"DEBUG CENSUS was not answered in {STUCK_S} s") from None

    def _take_for_deadlock(self, names):
        self.target.abort()
        raise Problem(f"no progress for {STUCK_S} s: {', '.join(names)}\n{self.target.log()[-8000:]}")

    def _fail_on_problems(self):
        if not self.target.is_running():
            raise Problem(f"the server died\n{self.target.log()[-20000:]}")
        if self.problems:
            raise Problem("\n".join(self.problems[:10]) + f"\n{self.target.log()[-4000:]}")

    # --- The end ---

    def census(self):
        with self.connect("tcp").raw as connection:
            kind, items = connection.ask("DEBUG", "CENSUS")
        if kind == "-":
            raise Problem(f"DEBUG CENSUS: {items}")
        return {items[at][1].decode(): int(items[at + 1][1]) for at in range(0, len(items), 2)}

    def info(self):
        with self.connect("tcp").raw as connection:
            text = connection.ask("INFO", "everything")[1].decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    def settle(self, tidy_up):
        """Everybody has gone: takes back what actors changed, empties the databases, waits until nothing is left."""
        with self.connect("tcp").raw as connection:
            for words in [("CLIENT", "UNPAUSE"), *tidy_up, ("FLUSHALL",)]:
                reply = connection.ask(*words)
                if reply[0] == "-":
                    raise Problem(f"{words} at the end: {reply[1]}")

        def left():
            census, info = self.census(), self.info()
            found = {name: count for name, count in census.items() if name not in CENSUS_STAYS and count > 0}
            found.update({name: info[name] for name in INFO_ZERO & info.keys() if int(info[name]) > 0})
            if census["sessions"] > 1 or int(info["connected_clients"]) > 1:
                found["sessions"] = census["sessions"]
            return found

        try:
            wait_until(lambda: not left(), 15, "everything to be gone")
        except AssertionError:
            raise Problem(f"left behind: {left()}\n{self.target.log()[-4000:]}") from None

    def check_memory(self, tables_before, resident_before):
        """Against what there was before: tables keep a little, and so do allocators. Sanitizers look for leaks
        themselves, and what they keep is their own."""
        rest = self.census()["table-bytes"] - tables_before
        if rest > TABLE_REST_BYTES * 32 * 8:
            raise Problem(f"{rest} bytes of tables are left")
        if SANITIZED:
            return

        def is_given_back():
            """By the allocator, of which each worker has a part of its own; as many clients are dealt out to all."""
            clients = [self.connect("tcp") for _ in range(WORKERS)]
            for client in clients:
                client.ask("MEMORY", "PURGE")
            for client in clients:
                client.close()
            return self.target.resident_bytes() - resident_before <= RESIDENT_GROWTH_BYTES

        try:
            wait_until(is_given_back, 15, "the memory to be given back")
        except AssertionError:
            growth = self.target.resident_bytes() - resident_before
            raise Problem(f"{growth} bytes of resident memory are left") from None


def live_with(actor, live):
    """Runs an actor's life; whatever it does not expect becomes a problem of the soak."""
    try:
        live()
    except Problem as problem:
        actor.soak.report(actor, problem)
    except Exception:
        actor.soak.report(actor, traceback.format_exc())

"""The measurements, one function each. A scenario starts the servers it needs, adds rows to the results and stops them.

Both servers are measured in turn, and the turn's order changes from round to round, so that whatever else the machine
does meets both alike. Each round has fresh servers: where the kernel puts a process's memory is worth some percent, and
luck must not last for a whole run. Budgets are those of Larder's design; a figure without a budget is for information.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from . import machine, processes
from .prefix import prefix
from .processes import BenchError, Generator, GibsonDoor, Server
from .results import Latencies, Row

CONNECTIONS = 50
POPULATE = ("--populate", "--pipeline", 50)
MILLION = 1_000_000


@dataclasses.dataclass
class Settings:
    """What the command line decided."""

    larder: str
    redis: str
    load: str
    inprocess: str
    fanout: str
    server_core: int
    load_core: int
    rounds: int              # of the loads
    long_rounds: int         # of the scenarios that take half a minute a round
    seconds: float           # of one load
    fill_rate: int           # requests a second while a million keys are written
    uses_unix_socket: bool


class Bench:
    """The hands of a scenario: starts servers, measures loads, collects rows."""

    def __init__(self, settings, results, progress):
        self.settings = settings
        self.results = results
        self.progress = progress  # called with a line of text
        self.generator = Generator(settings.load, str(settings.load_core))
        self.both_cores = f"{settings.server_core},{settings.load_core}"

    def larder(self, *options, threads=1, cores=None, tls_options=(), speaks_gibson=False):
        return Server("Larder", self.settings.larder, cores or str(self.settings.server_core),
                      ["--threads", str(threads), *options], self.settings.uses_unix_socket, tls_options, speaks_gibson)

    def redis(self, *options, cores=None, tls_options=()):
        return Server("Redis", self.settings.redis, cores or str(self.settings.server_core), options,
                      self.settings.uses_unix_socket, tls_options)

    def in_turn(self, rounds, *measures):
        """Calls each measure once a round, the order turning; returns each one's results in a list of its own."""
        found = [[] for _ in measures]
        for number in range(rounds):
            order = range(len(measures)) if number % 2 == 0 else reversed(range(len(measures)))
            for index in order:
                found[index].append(measures[index]())
        return found

    def compare(self, rounds, make_left, make_right, loads, **how):
        """Measures each load (name: options) on both servers, filled with 100,000 keys and started anew each round.

        Returns name: (measurements of the left one, measurements of the right one).
        """
        found = {what: ([], []) for what in loads}
        for number in range(rounds):
            self.progress(f"round {number + 1} of {rounds}: {', '.join(loads)}")
            with make_left() as left, make_right() as right:
                for server in (left, right):
                    self.generator.run(server, *POPULATE, "--keys", 100_000)
                sides = (0, left), (1, right)
                for what, options in loads.items():
                    for side, server in sides if number % 2 == 0 else reversed(sides):
                        found[what][side].append(self.measure(what, server, *options, **how))
        return found

    def measure(self, what, server, *options, generators=1, cores=None):
        """Runs a load and returns what the generator reports, with the server's CPU time per request."""
        queue_before, cpu_before = processes.run_queue_ns(server.pid), processes.cpu_ns(server.pid)
        started = [self.generator.start(server, "--seed", seed + 1, *options, cores=cores)
                   for seed in range(generators)]
        reports = [self.generator.result(server, process) for process in started]
        cpu, queue_after = processes.cpu_ns(server.pid) - cpu_before, processes.run_queue_ns(server.pid)
        requests = sum(report["requests"] for report in reports)
        seconds = max(report["seconds"] for report in reports)
        found = {
            "what": what, "server": server.name, "requests": requests, "seconds": seconds,
            "cpu_ns_per_request": cpu / requests,
            "requests_per_second": sum(report["requests_per_second"] for report in reports),
            "latency_us": reports[0]["latency_us"],
            "server_busy": cpu / 1e9 / seconds,
            "server_waited_for_core": None if queue_before is None else (queue_after - queue_before) / 1e9 / seconds,
            "generator_busy": max(report["generator_cpu_seconds"] / report["seconds"] for report in reports),
            "generator_late_us_max": max(report["generator_late_us_max"] for report in reports),
            "undisturbed_us_max": reports[0].get("undisturbed_us_max"),
            "misses": sum(report["misses"] for report in reports),
        }
        if found["misses"]:
            raise BenchError(f"{what}: {server.name} did not find {found['misses']} keys that were stored before")
        self.results.measurements.append(found)
        return found

    def add_load(self, scenario, what, larder, redis, budget=None):
        """The rows of a load that both servers ran: CPU time per request, throughput, and the latencies."""
        def rounds(key):
            return [found[key] for found in larder], [found[key] for found in redis]

        self.results.rows.append(Row(scenario, f"{what}: CPU per request", "ns", *rounds("cpu_ns_per_request"),
                                     budget=budget, budget_is_ratio=budget is not None, is_cpu_ratio=True))
        self.results.rows.append(Row(scenario, f"{what}: throughput", "/s", *rounds("requests_per_second")))

        def median_latencies(rounds):
            return {name: statistics.median(found["latency_us"][name] for found in rounds)
                    for name in ("p50", "p99", "p99.9")}

        self.results.latencies.append(Latencies(what, median_latencies(larder), median_latencies(redis)))


def pipeline_name(pipeline):
    return "no pipelining" if pipeline == 1 else f"pipeline {pipeline}"


def closed_loop(bench, command, pipeline, *more, connections=CONNECTIONS):
    """Options of a load that sends as fast as the replies come."""
    return ("--command", command, "--pipeline", pipeline, "--connections", connections, "--keys", 100_000,
            "--seconds", bench.settings.seconds, *more)


def requests(bench):
    """GET and SET, 50 connections, 100-byte values: the price of a request."""
    loads, budgets = {}, {}
    for pipeline, budget in ((1, 0.95), (16, 0.50), (100, 0.30)):
        for command in ("get", "set"):
            what = f"{command.upper()}, {pipeline_name(pipeline)}"
            loads[what] = closed_loop(bench, command, pipeline)
            budgets[what] = budget
    for what, found in bench.compare(bench.settings.rounds, bench.larder, bench.redis, loads).items():
        bench.add_load("requests", what, *found, budget=budgets[what])


def others(bench):
    """INCR and MSET of ten keys: that nothing but GET and SET was made fast."""
    loads = {}
    for command, name, first_key in (("incr", "INCR", 1_000_000), ("mset", "MSET of 10", 2_000_000)):
        for pipeline in (1, 16):
            loads[f"{name}, {pipeline_name(pipeline)}"] = closed_loop(bench, command, pipeline,
                                                                      "--first-key", first_key)
    rounds = (bench.settings.rounds + 1) // 2
    for what, found in bench.compare(rounds, bench.larder, bench.redis, loads).items():
        bench.add_load("others", what, *found)


def gibson(bench):
    """GET and SET by Gibson's protocol beside the same by RESP, both of one server: each has written its own keys."""
    commands = "get", "set"
    found = {(protocol, command): [] for protocol in ("Gibson", "RESP") for command in commands}
    for number in range(bench.settings.rounds):
        bench.progress(f"round {number + 1} of {bench.settings.rounds}: GET and SET by Gibson's protocol and by RESP")
        with bench.larder(speaks_gibson=True) as server:
            doors = ("Gibson", GibsonDoor(server), ("--first-key", MILLION)), ("RESP", server, ())
            for _, door, keys in doors:
                bench.generator.run(door, *POPULATE, "--keys", 100_000, *keys)
            for command in commands:
                for protocol, door, keys in doors if number % 2 == 0 else reversed(doors):
                    load = closed_loop(bench, command, 1, *keys)
                    found[protocol, command].append(bench.measure(f"{protocol} {command.upper()}", door, *load))
    for command in commands:
        what = f"Gibson {command.upper()}, no pipelining"

        def rounds(key, command=command):
            return [[one[key] for one in found[protocol, command]] for protocol in ("Gibson", "RESP")]

        bench.results.rows.append(Row("gibson", f"{what}: CPU per request", "ns", *rounds("cpu_ns_per_request"),
                                      peer="RESP", budget=1.00, budget_is_ratio=True))
        bench.results.rows.append(Row("gibson", f"{what}: throughput", "/s", *rounds("requests_per_second"),
                                      peer="RESP"))


def tls(bench):
    """GET over TLS 1.3, the same certificate and cipher for both, and what an idle connection costs."""
    if "tls=none" in (machine.first_line(bench.settings.larder, "--version") or ""):
        bench.results.notes.append("TLS was not measured: Larder was built without it.")
        return
    budgets = {1: 1.00, 16: None}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        options = processes.make_certificate(folder)

        def make_larder(*more):
            return bench.larder(*more, tls_options=options)

        def make_redis(*more):
            return bench.redis(*more, tls_options=options)

        loads = {f"TLS GET, {pipeline_name(pipeline)}": closed_loop(bench, "get", pipeline) for pipeline in budgets}
        compared = bench.compare(bench.settings.rounds, make_larder, make_redis, loads)
        for (what, found), budget in zip(compared.items(), budgets.values()):
            bench.add_load("tls", what, *found, budget=budget)
        hold_idle(bench, "tls", "idle TLS connections", 1_000, make_larder, make_redis)


def memory(bench):
    """A million keys of 22 bytes with values of 64: resident bytes a key, and the longest wait while writing them."""
    def fill(make_server):
        with make_server() as server:
            bench.progress(f"a million keys into {server.name}, {bench.settings.fill_rate:,} a second")
            fresh = processes.settled_resident_bytes(server, 0.3, 3)
            found = bench.measure("fill", server, "--populate", "--keys", MILLION, "--value-size", 64,
                                  "--connections", CONNECTIONS, "--rate", bench.settings.fill_rate,
                                  "--server-pid", server.pid)
            full = processes.settled_resident_bytes(server, 1, 10)
            with server.connect() as connection:
                keys = connection.command("DBSIZE")
            if keys != MILLION:
                raise BenchError(f"{server.name} holds {keys} keys, not the million that was written")
            return {"growth": (full - fresh) / MILLION, "all": full / MILLION,
                    "wait_ms": found["undisturbed_us_max"] / 1e3, "max_ms": found["latency_us"]["max"] / 1e3,
                    "p99.99_ms": found["latency_us"]["p99.99"] / 1e3}

    larder, redis = bench.in_turn(bench.settings.long_rounds, lambda: fill(bench.larder), lambda: fill(bench.redis))

    def add(what, unit, key, budget=None):
        bench.results.rows.append(Row("memory", what, unit, [found[key] for found in larder],
                                      [found[key] for found in redis], budget=budget))

    add("1M keys: resident bytes per key", "bytes", "growth", 116)
    add("1M keys: the same with the empty server's own", "bytes", "all")
    add("filling 1M keys: longest wait", "ms", "wait_ms", 5)
    add("filling 1M keys: the same with the machine's noise", "ms", "max_ms")
    add("filling 1M keys: p99.99 with the machine's noise", "ms", "p99.99_ms")


def hold_idle(bench, scenario, what, count, make_larder, make_redis, budget=None):
    """Adds the row of connections that have sent one PING: resident bytes of the server for each."""
    def hold(make_server):
        with make_server("--maxclients", str(count + 100)) as server:
            bench.progress(f"{count:,} {what} to {server.name}")
            fresh = processes.settled_resident_bytes(server, 0.3, 3)
            with bench.generator.hold_idle(server, count):
                # Redis takes some seconds to give back the buffers of connections that have become idle.
                return (processes.settled_resident_bytes(server, 3, 20) - fresh) / count

    found = bench.in_turn(1, lambda: hold(make_larder), lambda: hold(make_redis))
    bench.results.rows.append(Row(scenario, f"{count:,} {what}: resident bytes each", "bytes", *found, budget=budget))


def idle(bench):
    """Ten thousand connections that have sent one PING."""
    hold_idle(bench, "idle", "idle connections", 10_000, bench.larder, bench.redis, budget=1024)


def threads(bench):
    """Two threads against one, server and load free on the same two cores: what the second thread costs."""
    # Two generators: one alone would keep no more than one core of the server busy.
    loads = {f"two threads, GET, {pipeline_name(pipeline)}":
             closed_loop(bench, "get", pipeline, connections=CONNECTIONS // 2) for pipeline in (1, 16)}
    compared = bench.compare(bench.settings.rounds, lambda: bench.larder(threads=2, cores=bench.both_cores),
                             lambda: bench.larder(threads=1, cores=bench.both_cores), loads,
                             generators=2, cores=bench.both_cores)
    for what, found in compared.items():
        cpu = [[one["cpu_ns_per_request"] for one in side] for side in found]
        throughput = [[one["requests_per_second"] for one in side] for side in found]
        bench.results.rows.append(Row("threads", f"{what}: CPU per request", "ns", *cpu, peer="one thread",
                                      budget=1.15, budget_is_ratio=True))
        bench.results.rows.append(Row("threads", f"{what}: throughput", "/s", *throughput, peer="one thread"))


def inprocess(bench):
    """GET and SET of the engine inside a C program, without a socket."""
    program = pathlib.Path(bench.settings.inprocess)
    if not program.exists():
        bench.results.notes.append("In-process calls were not measured: bench/inprocess is not built.")
        return
    bench.progress("calls inside a C program")

    def measure():
        command = ["taskset", "-c", str(bench.settings.server_core), str(program)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise BenchError(f"{program.name} failed: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return json.loads(done.stdout)

    (found,) = bench.in_turn(bench.settings.rounds, measure)
    for name, what, budget in (
        ("get_ns", "GET from C, 1,000 keys, the reply as a tree", 250),
        ("get_resp_ns", "GET from C, 1,000 keys, the reply as bytes", None),
        ("set_ns", "SET from C, 1,000 keys", None),
        ("get_uncached_ns", "GET from C, 100,000 keys: more than the caches hold", None),
        ("set_uncached_ns", "SET from C, 100,000 keys", None),
    ):
        bench.results.rows.append(Row("inprocess", what, "ns", [one[name] for one in found], [], budget=budget))


class Fanout:
    """One publisher and many subscribers of one channel, by bench/fanout.c."""

    SUBSCRIBERS = 1000

    def __init__(self, bench, what, window, cores):
        self.bench = bench
        self.what = what
        self.window = window
        self.generator = Generator(bench.settings.fanout, cores)

    def measure(self, server):
        """A round on a fresh server; its CPU time counts from when all have subscribed."""
        options = ("--subscribers", self.SUBSCRIBERS, "--window", self.window, "--size", 100, "--wait", 1,
                   "--seconds", self.bench.settings.seconds)
        process = self.generator.start(server, *options)
        if process.stdout.readline().strip() != "ready":
            self.generator.result(server, process)
        queue_before, cpu_before = processes.run_queue_ns(server.pid), processes.cpu_ns(server.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        report = self.generator.result(server, process)
        cpu, queue_after = processes.cpu_ns(server.pid) - cpu_before, processes.run_queue_ns(server.pid)
        found = {
            "what": self.what, "server": server.name, **report,
            "cpu_ns_per_delivery": cpu / report["deliveries"],
            "server_busy": cpu / 1e9 / report["seconds"],
            "server_waited_for_core": None if queue_before is None else (queue_after - queue_before) / 1e9
                                      / report["seconds"],
            "generator_busy": report["generator_cpu_seconds"] / report["seconds"],
        }
        self.bench.results.measurements.append(found)
        return found

    def compare(self, make_larder, make_redis):
        def measure_one(make_server):
            with make_server() as server:
                self.bench.progress(f"{self.what}: {server.name}")
                return self.measure(server)

        found = self.bench.in_turn(self.bench.settings.rounds, lambda: measure_one(make_larder),
                                   lambda: measure_one(make_redis))

        def add(what, unit, pick):
            self.bench.results.rows.append(Row("pubsub", f"{self.what}: {what}", unit,
                                               *([pick(one) for one in side] for side in found)))

        add("CPU per delivery", "ns", lambda one: one["cpu_ns_per_delivery"])
        add("deliveries", "/s", lambda one: one["deliveries_per_second"])
        add("median until the last has it", "us", lambda one: one["last_arrival_us"]["p50"])


def pubsub(bench):
    """One publisher, a thousand subscribers: on one core, and with a thread on every core that the load leaves free."""
    if not pathlib.Path(bench.settings.fanout).exists():
        bench.results.notes.append("Publishing was not measured: bench/fanout is not built.")
        return
    for window in (1, 16):
        ahead = "one message at a time" if window == 1 else f"{window} messages at a time"
        Fanout(bench, f"1,000 subscribers, {ahead}", window, str(bench.settings.load_core)).compare(
            bench.larder, bench.redis)
    Fanout(bench, "two threads and load on two cores, 1,000 subscribers, 16 messages at a time", 16,
           bench.both_cores).compare(lambda: bench.larder(threads=2, cores=bench.both_cores),
                                     lambda: bench.redis(cores=bench.both_cores))


class ExpiryRun:
    """One server, 100,000 keys that stay and are read all the time, and a million that expire meanwhile."""

    STAYING = 100_000
    RATE = 20_000          # GETs a second, by timetable
    LEADS_S = 8, 16, 32    # from the start of writing the million to the first deadline, tried until it is enough
    FREED_S_MAX = 120

    def __init__(self, bench, server, spread_ms, lead_s):
        self.bench = bench
        self.server = server
        self.spread_ms = spread_ms
        self.lead_s = lead_s

    def read(self, seconds):
        options = ("--command", "get", "--keys", self.STAYING, "--connections", CONNECTIONS, "--rate", self.RATE,
                   "--seconds", seconds, "--server-pid", self.server.pid)
        return self.bench.generator.start(self.server, *options)

    def measure(self):
        """The figures, or None when writing the million took too long for the deadline."""
        run = self.bench.generator.run
        run(self.server, *POPULATE, "--keys", self.STAYING)
        quiet = self.bench.generator.result(self.server, self.read(2))
        deadline_ms = int((time.time() + self.lead_s) * 1000)
        spread = ("--deadline-spread-ms", self.spread_ms) if self.spread_ms else ()
        run(self.server, *POPULATE, "--keys", MILLION, "--first-key", MILLION, "--deadline-ms", deadline_ms, *spread)
        start = deadline_ms / 1000 - 1
        if time.time() > start:
            return None
        time.sleep(start - time.time())
        last_deadline = (deadline_ms + self.spread_ms) / 1000
        reading = self.read(2 + self.spread_ms / 1000)
        try:
            freed_ms = (self.wait_until_freed(last_deadline) - last_deadline) * 1000
        finally:
            busy = self.bench.generator.result(self.server, reading)
        return {"quiet_ms": quiet["undisturbed_us_max"] / 1e3, "wait_ms": busy["undisturbed_us_max"] / 1e3,
                "max_ms": busy["latency_us"]["max"] / 1e3, "freed_ms": max(freed_ms, 0)}

    def wait_until_freed(self, last_deadline):
        """The time at which DBSIZE first counts only the keys that stay, asked for every five milliseconds."""
        with self.server.connect() as connection:
            if connection.command("DBSIZE") != self.STAYING + MILLION:
                raise BenchError(f"{self.server.name} lost keys before their deadline")
            time.sleep(max(0, last_deadline - 0.1 - time.time()))
            while time.time() < last_deadline + self.FREED_S_MAX:
                if connection.command("DBSIZE") == self.STAYING:
                    return time.time()
                time.sleep(0.005)
        raise BenchError(f"{self.server.name} still holds expired keys after {self.FREED_S_MAX} s")


def expire_a_million(bench, kind, spread_ms, wait_budget_ms=None, freed_budget_ms=None):
    """Adds the rows for one spread of the deadlines; returns the longest waits of the quiet loads before them."""
    def measure(make_server):
        for lead_s in ExpiryRun.LEADS_S:
            with make_server() as server:
                bench.progress(f"a million keys expire {kind} in {server.name}")
                found = ExpiryRun(bench, server, spread_ms, lead_s).measure()
            if found:
                return found
        raise BenchError(f"a million keys cannot be written to {server.name} in {ExpiryRun.LEADS_S[-1] - 1} s")

    found = bench.in_turn(bench.settings.long_rounds, lambda: measure(bench.larder), lambda: measure(bench.redis))

    def add(what, key, budget=None):
        bench.results.rows.append(Row("expiry", f"1M keys expire {kind}: {what}", "ms",
                                      *([one[key] for one in side] for side in found), budget=budget))

    add("longest wait of a GET", "wait_ms", wait_budget_ms)
    add("the same with the machine's noise", "max_ms")
    add("all freed after", "freed_ms", freed_budget_ms)
    return [[one["quiet_ms"] for one in side] for side in found]


def expiry(bench):
    """A million keys that expire in the same second, and at the same instant, while others are read."""
    spread = expire_a_million(bench, "in a second", 1000, wait_budget_ms=2, freed_budget_ms=100)
    at_once = expire_a_million(bench, "at one instant", 0)
    quiet = [first + second for first, second in zip(spread, at_once)]
    bench.results.rows.append(Row("expiry", "nothing expires: longest wait of a GET", "ms", *quiet))


SCENARIOS = {scenario.__name__: scenario
             for scenario in (requests, others, gibson, tls, memory, idle, threads, inprocess, pubsub, expiry, prefix)}

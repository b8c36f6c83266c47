#!/usr/bin/env python3
"""Measures Larder against its budgets and against redis-server, both in one run; bench/README.md explains the figures.

A missed budget is a result, not a failure: the exit code says only whether everything could be measured.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import resource
import shlex
import shutil
import signal
import sys

from harness import machine, report, scenarios
from harness.processes import BenchError
from harness.results import Results

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--larder", default=str(BUILD / "larder-server"), metavar="PATH")
    parser.add_argument("--redis", default="redis-server", metavar="PATH")
    parser.add_argument("--load", default=str(BUILD / "bench" / "load"), metavar="PATH", help="the load generator")
    parser.add_argument("--fanout", default=str(BUILD / "bench" / "fanout"), metavar="PATH",
                        help="the program that publishes to many subscribers")
    parser.add_argument("--inprocess", default=str(BUILD / "bench" / "inprocess"), metavar="PATH",
                        help="the program that measures calls without a socket")
    parser.add_argument("--only", action="append", default=[], metavar="NAME[,NAME]",
                        help=f"of {', '.join(scenarios.SCENARIOS)}")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a result")
    parser.add_argument("--rounds", type=int, help="of each load (5; quick: 2)")
    parser.add_argument("--seconds", type=float, help="of each load (1.5; quick: 0.4)")
    parser.add_argument("--server-core", type=int, help="core of the server (the first)")
    parser.add_argument("--load-core", type=int, help="core of the load generator (the second)")
    parser.add_argument("--unix", action="store_true", help="Unix sockets instead of TCP")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "bench" / "results", metavar="FOLDER")
    arguments = parser.parse_args()
    arguments.only = [name for names in arguments.only for name in names.split(",")] or list(scenarios.SCENARIOS)
    for name in arguments.only:
        if name not in scenarios.SCENARIOS:
            parser.error(f"--only knows {', '.join(scenarios.SCENARIOS)}, not {name}")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds takes a number above 0")
    if arguments.seconds is not None and not arguments.seconds > 0:
        parser.error("--seconds takes a number above 0")
    return arguments


def find_program(path, what):
    """The absolute path of a program: servers are started in folders of their own."""
    found = shutil.which(path)
    if not found:
        raise BenchError(f"there is no {what} at {path}")
    return str(pathlib.Path(found).absolute())


def choose_cores(arguments, results):
    cores = sorted(os.sched_getaffinity(0))
    server = cores[0] if arguments.server_core is None else arguments.server_core
    load = cores[-1 if len(cores) < 2 else 1] if arguments.load_core is None else arguments.load_core
    for core in (server, load):
        if core not in cores:
            raise BenchError(f"this process may not use core {core}")
    if server == load:
        results.notes.append("Server and load share one core: throughput and latencies say little.")
    return server, load


def make_settings(arguments, results):
    quick = arguments.quick
    server_core, load_core = choose_cores(arguments, results)
    return scenarios.Settings(
        larder=find_program(arguments.larder, "Larder server"), redis=find_program(arguments.redis, "redis-server"),
        load=find_program(arguments.load, "load generator"),
        fanout=str(pathlib.Path(arguments.fanout).absolute()),
        inprocess=str(pathlib.Path(arguments.inprocess).absolute()),
        server_core=server_core, load_core=load_core, rounds=arguments.rounds or (2 if quick else 5),
        long_rounds=1 if quick else 3, seconds=arguments.seconds or (0.4 if quick else 1.5),
        fill_rate=30_000 if quick else 25_000, uses_unix_socket=arguments.unix)


def add_noise_notes(results, ticks_before):
    """Says how much the machine's other work, or the generator, may have bent the figures."""
    ticks, stolen = (after - before for before, after in zip(ticks_before, machine.stolen_ticks()))
    if ticks and stolen / ticks > 0.005:
        results.notes.append(f"The hypervisor gave {stolen / ticks:.1%} of the time to other machines.")
    waits = [found["server_waited_for_core"] for found in results.measurements
             if found["server_waited_for_core"] is not None and not found["what"].startswith("two threads")]
    if waits and max(waits) > 0.02:
        results.notes.append(f"Other programs used the servers' core: a server was ready to run and had to wait for up "
                             f"to {max(waits):.0%} of a measurement. Above a tenth, latencies and longest waits say "
                             "more about the machine than about the servers.")
    limited = sorted({found["what"] for found in results.measurements
                      if found["server"] == "Larder" and found["generator_busy"] > 0.9 > found["server_busy"]
                      and found["what"] != "fill"})
    if limited:
        results.notes.append("The load generator was busier than Larder, so the throughput is a lower bound, in: "
                             + "; ".join(limited) + ".")


def run_scenarios(bench, names):
    for name in names:
        try:
            scenarios.SCENARIOS[name](bench)
        except (BenchError, OSError, ValueError, KeyError) as error:
            bench.results.failures.append(f"{name}: {error}")
            bench.progress(f"{name} failed: {error}")


def main():
    # A terminated run must still leave its `with` blocks, which stop the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    arguments = parse_arguments()
    results = Results()
    try:
        settings = make_settings(arguments, results)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    os.sched_setaffinity(0, {settings.load_core})
    if arguments.quick:
        results.notes.append("A quick run: too short to judge by.")
    facts = machine.facts(settings, ROOT)
    ticks_before = machine.stolen_ticks()
    bench = scenarios.Bench(settings, results, lambda line: print(f"... {line}", file=sys.stderr, flush=True))
    run_scenarios(bench, arguments.only)
    add_noise_notes(results, ticks_before)
    report.write_files(results, facts, shlex.join(["bench/run.py", *sys.argv[1:]]), arguments.output)
    print(report.plain(results, facts))
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Measures the hit ratios of the eviction policies on traces, and writes them as a table and a chart.

The traces are those of ../shared/traces where they exist; a loop, a shifting one and a Zipf one are made here. Redis's
policies and allkeys-s3fifo are Larder's own, running in its engine; lru, sieve and s3fifo are the models of the papers.
Where there is a redis-server, Redis's policies are compared with it on two traces.
"""

from __future__ import annotations

import argparse
import array
import bisect
import json
import lzma
import pathlib
import random
import subprocess
import tempfile

import eviction_redis

ROOT = pathlib.Path(__file__).resolve().parent.parent
TRACES = ROOT.parent / "shared" / "traces"
PROGRAM = ROOT / "build" / "release" / "bench" / "eviction"
REDIS_POLICIES = ("allkeys-lru", "allkeys-lfu", "allkeys-random")
OURS = "allkeys-s3fifo"
POLICIES = (*REDIS_POLICIES, OURS, "lru", "sieve", "s3fifo")
SHARES = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5)
SMALLEST = 10          # keys; smaller caches say little
MADE_REQUESTS = 400_000
REQUEST_US = 1000      # of the engine's clock

COLOURS = {"allkeys-lru": "#c2410c", "allkeys-lfu": "#a16207", "allkeys-random": "#94a3b8", OURS: "#0f766e",
           "sieve": "#7c3aed"}
PANEL_WIDTH, PANEL_HEIGHT, MARGIN = 360, 250, 46


def zipf(draw, objects, alpha=1.0):
    sums, total = [], 0.0
    for rank in range(1, objects + 1):
        total += rank ** -alpha
        sums.append(total)
    return lambda: bisect.bisect_left(sums, draw.random() * total)


def made_traces():
    """Traces with a fixed seed, so that two runs ask for the same."""
    draw = random.Random(1)
    one, other = zipf(draw, 20_000), zipf(draw, 20_000, 0.8)
    shift = 4000
    yield "made-zipf", [one() for _ in range(MADE_REQUESTS)]
    yield "made-loop", [number % 5000 for number in range(MADE_REQUESTS // 4)]
    yield "made-shift", [(other() + number // shift * 100) for number in range(MADE_REQUESTS)]


def stored_traces():
    for path in sorted(TRACES.glob("*.txt.xz")):
        with lzma.open(path, "rt") as file:
            yield path.name.removesuffix(".txt.xz"), [int(line) for line in file]


def replay(program, trace, wanted, request_us):
    """{(policy, keys): hit ratio in percent} for all pairs of policy and keys that are wanted."""
    with tempfile.NamedTemporaryFile(prefix="trace.") as file:
        array.array("I", trace).tofile(file)
        file.flush()
        words = [f"{policy}:{keys}" for policy, keys in wanted]
        done = subprocess.run([program, file.name, str(request_us), *words], capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        found[one["policy"], one["keys"]] = 100 * one["hits"] / one["requests"]
    return found


def measure(program, trace):
    """The number of objects, the sizes, and the hit ratios of one trace."""
    objects = len(set(trace))
    sizes = [int(objects * share) for share in SHARES if int(objects * share) >= SMALLEST]
    return objects, sizes, replay(program, trace, [(policy, size) for size in sizes for policy in POLICIES], REQUEST_US)


def beside_redis(program, traces):
    """The text on a running redis-server; empty where there is none."""
    rows = eviction_redis.compare(
        traces, lambda trace, policy, keys, us: replay(program, trace, [(policy, keys)], us)[policy, keys])
    if not rows:
        return ""
    widest = max(abs(ours - theirs) for *_, ours, theirs in rows)
    verdict = ("Nowhere do they differ by more than a point." if widest <= 1
               else f"They differ by up to {widest:.1f} points.")
    return ("\n## Beside a running redis-server\n\nThe same requests, as many keys and as much time for each, in the engine "
            f"and in a redis-server. {verdict}\n\n" + eviction_redis.table(rows) + "\n")


def table(measured):
    head = ["trace", "keys", *POLICIES, "against Redis's best"]
    rows = [head, ["---"] + ["--:"] * (len(head) - 1)]
    for name, (_, sizes, found) in measured.items():
        for size in sizes:
            best = max(found[policy, size] for policy in REDIS_POLICIES)
            rows.append([name, f"{size:,}", *(f"{found[policy, size]:.1f}" for policy in POLICIES),
                         f"{found[OURS, size] - best:+.1f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def panel(name, objects, sizes, found, left, top):
    """One trace: hit ratio over the size of the cache."""
    def x(place):
        return left + MARGIN + place * (PANEL_WIDTH - MARGIN - 20) / max(len(sizes) - 1, 1)

    def y(ratio):
        return top + PANEL_HEIGHT - 40 - ratio * (PANEL_HEIGHT - 80) / 100

    parts = [f'<text x="{left + MARGIN}" y="{top + 18}" class="title">{name} ({objects:,} objects)</text>']
    for ratio in range(0, 101, 25):
        parts.append(f'<line x1="{left + MARGIN}" x2="{left + PANEL_WIDTH - 20}" y1="{y(ratio):.1f}" y2="{y(ratio):.1f}" '
                     f'class="grid"/><text x="{left + MARGIN - 6}" y="{y(ratio) + 4:.1f}" class="axis end">{ratio}</text>')
    for place, size in enumerate(sizes):
        parts.append(f'<text x="{x(place):.1f}" y="{top + PANEL_HEIGHT - 22}" class="axis middle">{size:,}</text>')
    for policy, colour in COLOURS.items():
        points = " ".join(f"{x(place):.1f},{y(found[policy, size]):.1f}" for place, size in enumerate(sizes))
        width = 2.5 if policy == OURS else 1.5
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
    return "\n".join(parts)


def chart(measured):
    columns = 3
    rows = -(-len(measured) // columns)
    width, height = columns * PANEL_WIDTH + 20, rows * PANEL_HEIGHT + 60
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
             "<style>.title{font-size:13px;font-weight:600;fill:#0f172a}.axis{font-size:10px;fill:#64748b}"
             ".end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#e2e8f0}.key{font-size:12px;fill:#0f172a}</style>",
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for number, (policy, colour) in enumerate(COLOURS.items()):
        left = MARGIN + number * 190
        parts.append(f'<line x1="{left}" x2="{left + 22}" y1="22" y2="22" stroke="{colour}" stroke-width="3"/>'
                     f'<text x="{left + 28}" y="26" class="key">{policy}</text>')
    parts.append(f'<text x="{MARGIN}" y="44" class="axis">hit ratio in percent over the number of keys that fit</text>')
    for number, (name, (objects, sizes, found)) in enumerate(measured.items()):
        parts.append(panel(name, objects, sizes, found, number % columns * PANEL_WIDTH,
                           50 + number // columns * PANEL_HEIGHT))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--program", default=str(PROGRAM), metavar="PATH")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "bench" / "results", metavar="FOLDER")
    arguments = parser.parse_args()
    measured, traces = {}, {}
    for source in (stored_traces(), made_traces()):
        for name, trace in source:
            print(f"... {name}: {len(trace):,} requests", flush=True)
            measured[name] = measure(arguments.program, trace)
            traces[name] = trace
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = ("# Hit ratios of the eviction policies\n\nIn percent, by trace and number of keys that fit; `make bench-eviction`. "
            "The last column is allkeys-s3fifo less the best\nof Redis's three policies; lru, sieve and s3fifo are models of "
            "the papers, for comparison.\n\n![chart](eviction.svg)\n\n" + table(measured) + "\n"
            + beside_redis(arguments.program, traces))
    (arguments.output / "eviction.md").write_text(text, encoding="utf-8")
    (arguments.output / "eviction.svg").write_text(chart(measured), encoding="utf-8")
    print(table(measured))


if __name__ == "__main__":
    main()

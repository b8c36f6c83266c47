"""Turns results into what people and programs read: a table on the terminal, Markdown, JSON and the chart."""

from __future__ import annotations

import json

from . import chart
from .results import figure, with_unit

HEADINGS = ("measured", "Larder", "Redis or peer", "ratio", "spread over rounds", "budget", "verdict")


def spread_text(row):
    if row.spread is None:
        return ""
    low, high = row.spread
    return f"{figure(low)} to {figure(high)}"


def budget_text(row):
    if row.budget is None:
        return ""
    return f"ratio {row.budget:.2f}" if row.budget_is_ratio else with_unit(row.budget, row.unit)


def peer_text(row):
    text = with_unit(row.peer_figure, row.unit)
    return text if row.peer == "Redis" or not text else f"{text} ({row.peer})"


def cells(row):
    return (row.what, with_unit(row.larder, row.unit), peer_text(row), "" if row.ratio is None else f"{row.ratio:.2f}",
            spread_text(row), budget_text(row), row.verdict)


def latency_lines(results):
    """Heading and cells of the latency table."""
    names = ("p50", "p99", "p99.9")
    heading = ("latency in us", *(f"Larder {name}" for name in names), *(f"Redis {name}" for name in names))
    lines = [(entry.what, *(figure(entry.larder[name]) for name in names),
              *(figure(entry.redis[name]) for name in names)) for entry in results.latencies]
    return heading, lines


def plain_table(heading, lines):
    widths = [max(map(len, column)) for column in zip(heading, *lines)]
    rows = [heading, tuple("-" * width for width in widths), *lines]
    return "\n".join("  ".join(f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}"
                               for index, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)


def markdown_table(heading, lines):
    rows = [heading, ("---",) + ("---:",) * (len(heading) - 1), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def facts_line(facts):
    return (f"{facts['cpu']}, {facts['cores']} cores, {facts['kernel']}, {facts['transport']}; "
            f"server on core {facts['server_core']}, load on core {facts['load_core']}")


def tables(results, table):
    parts = [table(HEADINGS, [cells(row) for row in results.rows])] if results.rows else []
    if results.latencies:
        parts.append(table(*latency_lines(results)))
    return "\n\n".join(parts)


def summary(results):
    judged = [row for row in results.rows if row.is_met is not None]
    missed = sum(not row.is_met for row in judged)
    line = f"{len(judged) - missed} of {len(judged)} budgets met"
    return f"{line}, {len(results.failures)} scenarios could not be measured" if results.failures else line


def plain(results, facts):
    parts = [facts_line(facts), tables(results, plain_table)]
    parts += [f"note: {note}" for note in results.notes]
    parts += [f"failed: {failure}" for failure in results.failures]
    return "\n\n".join(part for part in parts if part) + f"\n\n{summary(results)}\n"


def markdown(results, facts, command):
    lines = ["# Benchmark results", "", f"{summary(results)}.", "", f"- {facts_line(facts)}",
             f"- Larder: {facts['larder']}", f"- Redis: {facts['redis']}",
             f"- {facts['date']}, commit {facts['commit']}, command `{command}`",
             *(f"- {note}" for note in results.notes), *(f"- Failed: {failure}" for failure in results.failures), "",
             "![chart](latest.svg)", "", tables(results, markdown_table), "",
             "What each line measures, and how: [bench/README.md](../README.md).", ""]
    return "\n".join(lines)


def write_files(results, facts, command, folder):
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"facts": facts, "command": command, **results.as_json()}
    (folder / "latest.json").write_text(json.dumps(whole, indent=1) + "\n")
    (folder / "latest.md").write_text(markdown(results, facts, command))
    subtitle = ", ".join([facts["cpu"], f"{facts['cores']} cores", facts["kernel"], f"commit {facts['commit']}",
                          facts["date"][:10]])
    (folder / "latest.svg").write_text(chart.draw(results, subtitle))

"""What a measurement becomes: rows of figures, with their spread over the rounds and what the budget says of them."""

from __future__ import annotations

import dataclasses
import statistics


@dataclasses.dataclass
class Row:
    """One measured quantity of Larder and, if there is one, of its peer in the same run."""

    scenario: str
    what: str                     # for the reader: "GET, pipeline 16: CPU time per request"
    unit: str                     # "ns", "bytes", "ms", "us", "/s"
    larder_rounds: list           # one figure a round
    peer_rounds: list             # the same rounds of the peer; empty: no peer
    peer: str = "Redis"
    budget: float | None = None
    budget_is_ratio: bool = False  # the budget bounds Larder / peer; otherwise Larder's own figure
    is_cpu_ratio: bool = False     # the chart compares these with each other

    @property
    def larder(self):
        return statistics.median(self.larder_rounds)

    @property
    def peer_figure(self):
        return statistics.median(self.peer_rounds) if self.peer_rounds else None

    @property
    def ratios(self):
        return [ours / theirs for ours, theirs in zip(self.larder_rounds, self.peer_rounds) if theirs]

    @property
    def ratio(self):
        """Median of the rounds' ratios: both sides of a round had the same noise."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def judged(self):
        """The figure that the budget bounds."""
        return self.ratio if self.budget_is_ratio else self.larder

    @property
    def spread(self):
        """Smallest and largest round of the figure that is judged; of the ratio if none is and there is one."""
        shows_ratios = self.ratios and (self.budget is None or self.budget_is_ratio)
        values = self.ratios if shows_ratios else self.larder_rounds
        return (min(values), max(values)) if len(values) > 1 else None

    @property
    def is_met(self):
        return None if self.budget is None or self.judged is None else self.judged <= self.budget

    @property
    def verdict(self):
        if self.is_met is None:
            return ""
        if self.is_met:
            return "met"
        excess = self.judged - self.budget
        figure = f"{excess:.2f}" if self.budget_is_ratio else with_unit(excess, self.unit)
        return f"missed by {figure} ({excess / self.budget:.0%})"

    def as_json(self):
        return {
            "scenario": self.scenario, "what": self.what, "unit": self.unit, "peer": self.peer,
            "larder": self.larder, "peer_figure": self.peer_figure, "ratio": self.ratio, "spread": self.spread,
            "budget": self.budget, "budget_is_ratio": self.budget_is_ratio, "is_met": self.is_met,
            "verdict": self.verdict, "larder_rounds": self.larder_rounds, "peer_rounds": self.peer_rounds,
        }


@dataclasses.dataclass
class Latencies:
    """Latencies of one load, microseconds, median over the rounds."""

    what: str
    larder: dict                  # "p50", "p99", "p99.9"
    redis: dict


@dataclasses.dataclass
class Results:
    """Everything that one run of the harness found out."""

    rows: list = dataclasses.field(default_factory=list)
    latencies: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)       # what a reader must know to judge the figures
    failures: list = dataclasses.field(default_factory=list)    # scenarios that could not be measured, and why
    measurements: list = dataclasses.field(default_factory=list)  # each load as it was run, for the JSON file

    def as_json(self):
        return {
            "rows": [row.as_json() for row in self.rows],
            "latencies_us": [dataclasses.asdict(entry) for entry in self.latencies],
            "notes": self.notes, "failures": self.failures, "measurements": self.measurements,
        }


def figure(value):
    """A number with three or four significant digits."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def with_unit(value, unit):
    return "" if value is None else f"{figure(value)} {unit}".replace(" /s", "/s")

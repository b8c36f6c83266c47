"""Draws the results as one SVG file: ratios to Redis, and everything else as a share of its budget.

Each panel is a list of bars on one scale, with a mark where the budget lies. The chart brings its own background, so it
reads the same on a light page and on a dark one.
"""

from __future__ import annotations

import dataclasses
import math
from xml.sax.saxutils import escape

from .results import figure, with_unit

WIDTH = 1180
MARGIN = 28
LABEL_WIDTH = 375       # left of the bars
ASIDE_WIDTH = 300       # right of the bars: the figure, and what it is compared with
BAR_HEIGHT = 16
ROW_HEIGHT = 28
PLOT_LEFT = MARGIN + LABEL_WIDTH
PLOT_WIDTH = WIDTH - 2 * MARGIN - LABEL_WIDTH - ASIDE_WIDTH

MET, MISSED, UNJUDGED = "#0f766e", "#c2410c", "#64748b"
INK, FAINT, GRID, PAPER = "#0f172a", "#64748b", "#e2e8f0", "#ffffff"


@dataclasses.dataclass
class Bar:
    """One row of a panel; figures are on the panel's scale."""

    label: str
    value: float
    text: str                # the figure, right of the bars
    aside: str               # what it is compared with
    budget: float | None
    spread: tuple | None
    colour: str


@dataclasses.dataclass
class Panel:
    """Bars on one scale from zero."""

    title: str
    axis: str                # what the scale counts, in words
    bars: list
    scale_end: float
    tick: float
    tick_format: str
    reference: float | None  # a dashed line
    reference_name: str = ""


def colour_of(row):
    return {True: MET, False: MISSED, None: UNJUDGED}[row.is_met]


def ratio_panel(rows):
    """CPU time per request, Redis being 1."""
    bars = [Bar(row.what.partition(":")[0], row.ratio, f"{row.ratio:.2f}",
                "" if row.budget is None else f"budget {row.budget:.2f}", row.budget, row.spread, colour_of(row))
            for row in rows]
    furthest = max(max(bar.value, *(bar.spread or ())) if bar.spread else bar.value for bar in bars)
    end = max(1.25, math.ceil(furthest * 4 + 0.25) / 4)
    tick = 0.25 if end <= 2 else math.ceil(end) / 8
    return Panel("CPU time per request against Redis, same core, same run",
                 "CPU time per request, Redis = 1 (less is better)", bars, end, tick, "{:.2f}", 1.0, "Redis")


def share_panel(rows):
    """Each figure as a percentage of what its budget allows."""
    bars = []
    for row in rows:
        share = 100 * row.judged / row.budget
        unit = "" if row.budget_is_ratio else row.unit
        spread = row.spread and tuple(100 * value / row.budget for value in row.spread)
        has_peer = row.peer_figure is not None and not row.budget_is_ratio
        peer = f"{row.peer}: {with_unit(row.peer_figure, row.unit)}" if has_peer else ""
        bars.append(Bar(row.what, share, f"{figure(row.judged)} of {row.budget:,} {unit}".rstrip(), peer, 100, spread,
                        colour_of(row)))
    return Panel("Everything else, as a share of its budget", "percent of the budget (less is better)", bars, 160, 20,
                 "{:.0f}", None)


class Canvas:
    """Collects SVG elements; coordinates are in pixels from the top left."""

    def __init__(self):
        self.elements = []

    def text(self, x, y, content, size=13, colour=INK, anchor="start", weight="normal"):
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
                             f'font-weight="{weight}">{escape(content)}</text>')

    def rect(self, x, y, width, height, colour, radius=0):
        self.elements.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" '
                             f'rx="{radius}" fill="{colour}"/>')

    def line(self, x1, y1, x2, y2, colour, width=1.0, dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.elements.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                             f'stroke-width="{width}"{dashes}/>')

    def document(self, height, title):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
            f"<title>{escape(title)}</title>",
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="10" fill="{PAPER}" '
            f'stroke="{GRID}"/>',
            *self.elements, "</svg>", ""])


def draw_bar(canvas, panel, bar, top):
    def at(value):
        return PLOT_LEFT + PLOT_WIDTH * min(value, panel.scale_end) / panel.scale_end

    middle = top + ROW_HEIGHT / 2
    canvas.text(PLOT_LEFT - 10, middle + 4.5, bar.label, anchor="end")
    canvas.rect(PLOT_LEFT, middle - BAR_HEIGHT / 2, at(bar.value) - PLOT_LEFT, BAR_HEIGHT, bar.colour, 2)
    if bar.value > panel.scale_end:
        canvas.text(at(bar.value) - 6, middle + 4.5, "\u2192", colour=PAPER, anchor="end", weight="700")
    elif bar.spread:
        low, high = at(bar.spread[0]), at(bar.spread[1])
        canvas.line(low, middle, high, middle, INK, 1.2)
        canvas.line(low, middle - 3, low, middle + 3, INK, 1.2)
        canvas.line(high, middle - 3, high, middle + 3, INK, 1.2)
    if bar.budget is not None:
        canvas.line(at(bar.budget), middle - BAR_HEIGHT / 2 - 4, at(bar.budget), middle + BAR_HEIGHT / 2 + 4, INK, 2.5)
    canvas.text(PLOT_LEFT + PLOT_WIDTH + 22, middle + 4.5, bar.text, weight="600")
    canvas.text(WIDTH - MARGIN, middle + 4.5, bar.aside, 12, FAINT, "end")


def draw_panel(canvas, panel, top):
    """Returns the y coordinate below the panel."""
    canvas.text(MARGIN, top + 16, panel.title, 15, weight="600")
    bars_top = top + 34
    bars_bottom = bars_top + ROW_HEIGHT * len(panel.bars)
    for step in range(int(panel.scale_end / panel.tick + 1e-9) + 1):
        x = PLOT_LEFT + PLOT_WIDTH * step * panel.tick / panel.scale_end
        canvas.line(x, bars_top, x, bars_bottom, GRID)
        canvas.text(x, bars_bottom + 17, panel.tick_format.format(step * panel.tick), 11, FAINT, "middle")
    if panel.reference is not None:
        x = PLOT_LEFT + PLOT_WIDTH * panel.reference / panel.scale_end
        canvas.line(x, bars_top - 4, x, bars_bottom, FAINT, 1.5, "4 3")
        canvas.text(x, bars_top - 8, panel.reference_name, 11, FAINT, "middle")
    for index, bar in enumerate(panel.bars):
        draw_bar(canvas, panel, bar, bars_top + index * ROW_HEIGHT)
    canvas.line(PLOT_LEFT, bars_top, PLOT_LEFT, bars_bottom, FAINT)
    canvas.text(PLOT_LEFT + PLOT_WIDTH / 2, bars_bottom + 36, panel.axis, 12, FAINT, "middle")
    return bars_bottom + 62


def draw_legend(canvas, y):
    x = MARGIN
    for colour, name in ((MET, "Larder, budget met"), (MISSED, "Larder, budget missed"), (UNJUDGED, "no budget")):
        canvas.rect(x, y - 10, 12, 12, colour, 2)
        canvas.text(x + 18, y, name, 12, FAINT)
        x += 40 + 7 * len(name)
    canvas.line(x + 2, y - 12, x + 2, y + 4, INK, 2.5)
    canvas.text(x + 10, y, "budget", 12, FAINT)
    canvas.line(x + 74, y - 4, x + 92, y - 4, INK, 1.2)
    canvas.line(x + 74, y - 7, x + 74, y - 1, INK, 1.2)
    canvas.line(x + 92, y - 7, x + 92, y - 1, INK, 1.2)
    canvas.text(x + 100, y, "smallest and largest round", 12, FAINT)


def draw(results, subtitle):
    """The chart as the text of an SVG file."""
    ratio_rows = [row for row in results.rows if row.is_cpu_ratio]
    share_rows = [row for row in results.rows if row.budget is not None and not row.is_cpu_ratio]
    canvas = Canvas()
    canvas.text(MARGIN, 40, "Larder against its budgets", 20, weight="700")
    canvas.text(MARGIN, 61, subtitle, 12, FAINT)
    draw_legend(canvas, 86)
    y = 112
    if ratio_rows:
        y = draw_panel(canvas, ratio_panel(ratio_rows), y)
    if share_rows:
        y = draw_panel(canvas, share_panel(share_rows), y)
    return canvas.document(y, "Larder against its budgets")

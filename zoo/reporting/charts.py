"""Charts as inline SVG: lines, steps and dots over two axes; colours come from the style sheet of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from zoo.display.format import format_count, shorten
from zoo.display.html import escape_text
from zoo.display.limits import Limits

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 38
"""Margins of the area in which values are drawn."""
TICKS = 5
MAX_MARKERS = 60
"""Most points of a line that are drawn as dots too, so that a pointer on them shows their values."""
Colour = Literal["a", "b", "c", "d", "e", "grey", "bad", "good"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """Points that are drawn alike."""

    name: str
    points: Sequence[Point]
    colour: Colour = "a"
    kind: Literal["line", "step", "dots"] = "line"
    labels: Sequence[str] = ()
    """What each point is, for the pointer."""
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis: its name, and the part that is shown."""

    name: str
    limits: Limits
    whole: bool = False
    """Whether values are whole numbers."""
    names: Sequence[str] = field(default=())
    """Names of the values 0, 1, 2 ..., for an axis of names."""

    def position(self, value: float, start: float, end: float) -> float:
        """Return the position of a value between two ends."""
        low, high, log = self.limits.low, self.limits.high, self.limits.log
        if log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-300))
        return start + (value - low) / ((high - low) or 1.0) * (end - start)

    def including(self, value: float | None) -> Axis:
        """Return an axis that shows a value too, though it may be an outlier."""
        if value is None or not math.isfinite(value) or (self.limits.log and value <= 0):
            return self
        low, high, log = self.limits.low, self.limits.high, self.limits.log
        room = 0.05 * (max(high, value) - min(low, value))
        wider = Limits(
            low if value >= low else value / 1.1 if log else value - room,
            high if value <= high else value * 1.1 if log else value + room,
            log,
        )
        return replace(self, limits=wider)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the values that are named on the axis, with their names."""
        if self.names:
            return list(enumerate(self.names))
        values = log_ticks(self.limits) if self.limits.log else even_ticks(self.limits, self.whole)
        return [(value, tick_text(value, values)) for value in values]


def even_ticks(limits: Limits, whole: bool = False) -> list[float]:
    """Choose round values in even steps."""
    rough = (limits.high - limits.low) / TICKS or 1.0
    size = 10 ** math.floor(math.log10(rough))
    step = next((factor * size for factor in (1, 2, 5) if factor * size >= 0.7 * rough), 10 * size)
    step = max(1.0, step) if whole else step
    first = math.ceil(limits.low / step - 1e-9)
    return [
        number * step for number in range(first, first + 2 * TICKS + 2) if number * step <= limits.high + 1e-9 * step
    ]


def log_ticks(limits: Limits) -> list[float]:
    """Choose round values on a logarithmic axis."""
    low, high = math.floor(math.log10(limits.low)), math.ceil(math.log10(limits.high))
    every = max(1, round((high - low) / TICKS))
    factors = (1.0, 2.0, 5.0) if math.log10(limits.high / limits.low) <= 2 else (1.0,)
    found = [factor * 10.0**power for power in range(low, high + 1, every) for factor in factors]
    return [value for value in found if limits.low <= value <= limits.high] or [limits.low, limits.high]


def tick_text(value: float, others: Sequence[float]) -> str:
    """Format a value of an axis as briefly as its neighbours allow."""
    if abs(value) >= 1000 and float(value).is_integer():
        return ("-" if value < 0 else "") + format_count(round(abs(value)))
    step = min((abs(b - a) for a, b in pairwise(others)), default=abs(value)) or 1.0
    digits = max(0, -math.floor(math.log10(step)))
    return f"{value:.1e}" if digits > 5 else f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def axis_of(name: str, values: Iterable[float], *, every: bool = False, whole: bool = False) -> Axis:
    """Make an axis that shows these values, without outliers unless it is `every` one.

    It is logarithmic where the values that are shown span more than a factor of ten.
    """
    known = [value for value in values if math.isfinite(value)]
    found = Limits.of(known or [0.0, 1.0])
    if every and known:
        room = 0.05 * ((max(known) - min(known)) or abs(known[0]) or 1.0)
        found = Limits(min(known) - room, max(known) + room, log=False)
    if whole:
        found = Limits(min(known, default=0.0) - 0.4, max(known, default=1.0) + 0.4, log=False)
    return Axis(name, found, whole)


def draw_chart(title: str, series: Sequence[Series], across: Axis, up: Axis, marked: float | None = None) -> str:
    """Draw series of points over two axes as SVG; a vertical line stands at the value `marked`."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [draw_axes(across, up)]
    inner = [draw_series(each, across, up) for each in series]
    if marked is not None:
        x = across.position(marked, LEFT, right)
        inner.insert(0, f'<line class="mark" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>')
    # An inner drawing cuts off what is outside the axes without a clip path, which would need a name.
    box = f'x="{LEFT - 5}" y="{TOP - 5}" width="{right - LEFT + 10}" height="{bottom - TOP + 10}"'
    view = f'viewBox="{LEFT - 5} {TOP - 5} {right - LEFT + 10} {bottom - TOP + 10}"'
    parts.append(f"<svg {box} {view}>{''.join(inner)}</svg>")
    return wrap_svg(title, "".join(parts), HEIGHT)


def wrap_svg(title: str, inner: str, height: float) -> str:
    """Wrap the parts of a drawing, with a name for those who cannot see it."""
    about = f'viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape_text(title)}"'
    return f'<svg class="chart" {about}>{inner}</svg>'


def draw_axes(across: Axis, up: Axis) -> str:
    """Draw the lines, values and names of both axes."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, text in up.ticks():
        y = up.position(value, bottom, TOP)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{escape_text(text)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}"/>')
    for value, text in across.ticks():
        x = across.position(value, LEFT, right)
        parts.append(f'<text class="middle" x="{x:.1f}" y="{bottom + 15}">{escape_text(shorten(text, 16))}</text>')
    parts.append(
        f'<text class="middle name" x="{(LEFT + right) / 2:g}" y="{HEIGHT - 6}">{escape_text(across.name)}</text>'
    )
    middle = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 11 {middle:g})"'
    parts.append(f'<text class="middle name" x="11" y="{middle:g}" {turned}>{escape_text(up.name)}</text>')
    return "".join(parts)


def draw_series(series: Series, across: Axis, up: Axis) -> str:
    """Draw a series; dots outside the axes stand at their edge."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    labels = list(series.labels) or [""] * len(series.points)
    known = [
        (point, label) for point, label in zip(series.points, labels, strict=True) if all(map(math.isfinite, point))
    ]
    places = [(across.position(x, LEFT, right), up.position(y, bottom, TOP)) for (x, y), _ in known]
    parts = []
    if series.kind != "dots" and len(places) > 1:
        dashed = " dashed" * series.dashed
        parts.append(f'<path class="line {series.colour}{dashed}" d="{path_of(places, series.kind)}"/>')
    if series.kind == "dots" or (series.kind == "line" and len(places) <= MAX_MARKERS):
        radius = 4 if series.kind == "dots" else 2.2
        for (x, y), (point, label) in zip(places, known, strict=True):
            if series.kind == "dots":
                x, y = min(max(x, LEFT), right), min(max(y, TOP), bottom)  # noqa: PLW2901
            text = escape_text(label or f"{series.name}: {across.name} {point[0]:g}, {point[1]:.4g}")
            dot = f'<circle class="dot {series.colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
            parts.append(f"{dot}<title>{text}</title></circle>")
    return "".join(parts)


def path_of(places: Sequence[Point], kind: str) -> str:
    """Return the path through some places, straight or in steps."""
    first, *rest = places
    steps = "".join(f"H{x:.1f}V{y:.1f}" if kind == "step" else f"L{x:.1f} {y:.1f}" for x, y in rest)
    return f"M{first[0]:.1f} {first[1]:.1f}{steps}"


@dataclass(frozen=True)
class Bar:
    """A horizontal bar from `start` to `end`."""

    name: str
    start: float
    end: float
    text: str = ""
    """What stands behind the bar."""
    colour: Colour = "a"
    about: str = ""
    """What the bar is, for the pointer."""


NAME_WIDTH, TEXT_WIDTH, LINE = 128, 44, 20


def draw_bars(title: str, bars: Sequence[Bar], axis: Axis | None = None) -> str:
    """Draw horizontal bars, one below the other, as SVG; an axis below them is optional."""
    low = min([0.0, *(bar.start for bar in bars)])
    high = max([bar.end for bar in bars], default=1.0)
    scale = Axis("", Limits(low, high if high > low else low + 1, log=False))
    left, right = NAME_WIDTH, WIDTH - TEXT_WIDTH
    parts = []
    for row, bar in enumerate(bars):
        y = TOP + row * LINE
        x, end = scale.position(bar.start, left, right), scale.position(bar.end, left, right)
        about = escape_text(bar.about or f"{bar.name} {bar.text}")
        parts.append(f'<text class="end" x="{left - 6}" y="{y + 13}">{escape_text(shorten(bar.name, 18))}</text>')
        rect = f'x="{x:.1f}" y="{y + 3}" width="{max(1.0, end - x):.1f}" height="{LINE - 7}"'
        parts.append(f'<rect class="bar {bar.colour}" rx="2" {rect}><title>{about}</title></rect>')
        parts.append(f'<text x="{end + 5:.1f}" y="{y + 13}">{escape_text(bar.text)}</text>')
    bottom = TOP + len(bars) * LINE
    if axis is not None:
        parts.append(f'<line class="axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}"/>')
        for value, text in Axis(axis.name, scale.limits).ticks():
            x = scale.position(value, left, right)
            parts.append(f'<text class="middle" x="{x:.1f}" y="{bottom + 14}">{escape_text(text)}</text>')
        parts.append(
            f'<text class="middle name" x="{(left + right) / 2:g}" y="{bottom + 30}">{escape_text(axis.name)}</text>'
        )
    return wrap_svg(title, "".join(parts), bottom + (36 if axis else 6))

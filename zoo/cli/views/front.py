"""The picture of a front: a metric against parameters and against minutes of training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.cli.views.plots import BLUE, GREEN, GREY, set_plain_ticks
from zoo.core.files import atomic_write
from zoo.registry.front import COSTS, FrontPoint, front_digest

KEY = "zoo front"
"""The text in the PNG file that holds the checksum of its points."""
DOT_SIZE = 5
"""Diameter of a dot, in points."""
LABELS = {"parameters": "parameters", "minutes": "minutes of training"}


def draw_front(path: Path, points: Sequence[FrontPoint], data: str, metric: str) -> None:
    """Write the picture as PNG, with a checksum of its points: dots for one pass, rings for averaged predictions."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.8), dpi=100, layout="constrained")
    figure.suptitle(f"{metric} on {data}, test split", fontsize=10, parse_math=False)
    panels = figure.subplots(1, len(COSTS), sharey=True)
    for axes, cost in zip(panels, COSTS, strict=True):
        draw_panel(axes, points, cost)
    panels[0].set_ylabel(metric, parse_math=False)
    handles = {name: handle for axes in panels for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    for axes, cost in zip(panels, COSTS, strict=True):
        draw_names(figure, axes, points, cost)
    about = {"Software": "zoo front", KEY: front_digest(points)}
    with warnings.catch_warnings(), atomic_write(path) as temporary:
        warnings.simplefilter("ignore")  # a font without the letters of a name draws boxes
        figure.savefig(temporary, format="png", metadata=about)


def draw_panel(axes: Any, points: Sequence[FrontPoint], cost: str) -> None:
    """Draw the points that have a cost, and the fronts as lines."""
    axes.set_xscale("log")
    axes.margins(0.1, 0.12)
    axes.set_xlabel(LABELS[cost])
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    set_plain_ticks(axes.xaxis)
    for averaged in (False, True):
        some = [point for point in points if coordinates(point, cost) and bool(point.averaging) == averaged]
        what, colour = ("averaged", GREEN) if averaged else ("one pass", BLUE)
        for point in some:
            x, y = coordinates(point, cost) or (1.0, 0.0)
            edge = GREY if point.stale else colour
            face = "white" if averaged else edge
            name = f"{what}, stale" if point.stale else what
            bars = {"yerr": point.std, "capsize": 2, "elinewidth": 0.8} if point.std else {}
            axes.errorbar([x], [y], fmt="o", ms=DOT_SIZE, mec=edge, mfc=face, ecolor=edge, label=name, zorder=3, **bars)
        # Averages over different things are not compared, so only the front of one pass is a line.
        if not averaged and (
            front := sorted(p for point in some if cost in point.front and (p := coordinates(point, cost)))
        ):
            axes.plot(*zip(*front, strict=True), color=colour, linewidth=1.2, alpha=0.6, label="front of one pass")


def coordinates(point: FrontPoint, cost: str) -> tuple[float, float] | None:
    """Return where a point is drawn; None if its cost is unknown or too small to be recorded."""
    found = point.cost(cost)
    return (float(found), point.mean) if found else None


def draw_names(figure: Any, axes: Any, points: Sequence[FrontPoint], cost: str) -> None:
    """Name points beside their dots, those of the front first, leaving out names that would overlap others or dots."""
    from matplotlib.patheffects import withStroke

    figure.draw_without_rendering()
    halo = [withStroke(linewidth=2.5, foreground="white")]
    inside, taken = axes.get_window_extent(), dot_boxes(axes, points, cost)
    for point in sorted(points, key=lambda each: cost not in each.front):
        where = coordinates(point, cost)
        for across, up, side in ((7, 5, "left"), (-7, 5, "right"), (-7, -11, "right"), (7, -11, "left")):
            if where is None:
                break
            text = axes.annotate(
                point.entry,
                where,
                (across, up),
                textcoords="offset points",
                ha=side,
                fontsize=7,
                path_effects=halo,
                parse_math=False,
            )
            box = text.get_window_extent().expanded(1.03, 1.05)
            if inside.x0 < box.x0 and box.x1 < inside.x1 and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def dot_boxes(axes: Any, points: Sequence[FrontPoint], cost: str) -> list[Any]:
    """Return the boxes of the dots, in pixels."""
    from matplotlib.transforms import Bbox

    half = DOT_SIZE / 2 * axes.figure.dpi / 72
    places = [where for point in points if (where := coordinates(point, cost))]
    centres = axes.transData.transform(places) if places else []
    return [Bbox([[x - half, y - half], [x + half, y + half]]) for x, y in centres]

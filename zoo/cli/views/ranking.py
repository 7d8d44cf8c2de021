"""Plots of a classifier's evaluation: reliability diagram, and ROC and precision-recall curves; table of thresholds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.views.plots import BLUE, GREY
from zoo.core.errors import printable
from zoo.core.files import atomic_write
from zoo.display.format import shorten

if TYPE_CHECKING:
    from zoo.cli.console import Screen
    from zoo.evaluation.ranking import Curve

MAX_CURVES, MAX_POINTS = 10, 400
"""Classes whose curves are drawn, and points of each that are drawn."""
MAX_NAME, LEGEND_WIDTH = 20, 2.0
"""Letters of a class name in a legend, and the width of the legend in inches."""


def make_panels(count: int, title: str, legend: float = 0.0) -> tuple[Any, list[Any]]:
    """Create a figure with square panels whose axes are shares, and room for a legend, in inches, at their right."""
    from matplotlib.figure import Figure

    width = 0.6 + 4.4 * count + legend
    figure = Figure(figsize=(width, 4.7), dpi=110)
    figure.subplots_adjust(0.75 / width, 0.12, 1 - (0.08 + legend) / width, 0.9, 0.22)
    figure.suptitle(printable(title), fontsize=10, parse_math=False)
    panels = figure.subplots(1, count, squeeze=False)[0].tolist()
    for axes in panels:
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG."""
    with warnings.catch_warnings(), atomic_write(path) as temporary:
        warnings.simplefilter("ignore")  # a font without the letters of a name draws boxes
        figure.savefig(temporary, format="png")


def draw_reliability(path: Path, rows: Sequence[Mapping[str, float]], error: float, title: str) -> None:
    """Write accuracy against confidence as PNG; each dot is a bin with equally many pictures."""
    figure, (axes,) = make_panels(1, title)
    x, y = ([row[key] for row in rows] for key in ("confidence", "accuracy"))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="calibrated")
    # two standard errors of a share, with the prior of one hit and one miss, which keeps bins without misses honest
    smooth = [(value * row["pictures"] + 1) / (row["pictures"] + 2) for value, row in zip(y, rows, strict=True)]
    bars = [2 * (p * (1 - p) / (row["pictures"] + 2)) ** 0.5 for p, row in zip(smooth, rows, strict=True)]
    axes.errorbar(x, y, bars, color=BLUE, fmt="o-", ms=4, linewidth=1.2, elinewidth=0.8, capsize=2, label="measured")
    axes.set_xlabel("mean probability of the predicted class")
    axes.set_ylabel("share of them right")
    axes.text(0.98, 0.03, f"calibration error {error:.4f}", ha="right", fontsize=8, transform=axes.transAxes)
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    save(figure, path)


def draw_curves(path: Path, curves: Mapping[str, Curve], title: str) -> None:
    """Write the ROC and precision-recall curves of the classes that are ranked worst as PNG."""
    defined = {name: curve for name, curve in curves.items() if curve.is_defined}
    worst = sorted(defined, key=lambda name: defined[name].average_precision)[:MAX_CURVES]
    some = f" (the {len(worst)} of {len(defined)} classes ranked worst)" if len(worst) < len(defined) else ""
    figure, (roc, pr) = make_panels(2, title + some, LEGEND_WIDTH)
    handles, labels = [], []
    for index, name in enumerate(worst):
        curve, colour = defined[name], f"C{index}"
        rows = thin_out(len(curve.thresholds))
        handles += roc.plot([0, *curve.false_positive_rate[rows]], [0, *curve.recall[rows]], color=colour, linewidth=1)
        labels.append(f"{shorten(printable(name), MAX_NAME)}: {curve.average_precision:.3f}")
        first = curve.precision[0]
        pr.plot([0, *curve.recall[rows]], [first, *curve.precision[rows]], color=colour, linewidth=1)
    roc.set_xlabel("false positive rate")
    roc.set_ylabel("recall")
    pr.set_xlabel("recall")
    pr.set_ylabel("precision")
    place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    legend = pr.legend(handles, labels, title="average precision", fontsize=7, title_fontsize=7, frameon=False, **place)
    for text in legend.get_texts():
        text.set_parse_math(False)
    save(figure, path)


def thin_out(count: int) -> list[int]:
    """Return the points of a curve that are drawn: at most `MAX_POINTS`, evenly spread, with both ends."""
    if count <= MAX_POINTS:
        return list(range(count))
    return [round(step * (count - 1) / (MAX_POINTS - 1)) for step in range(MAX_POINTS)]


def show_thresholds(screen: Screen, found: Mapping[str, Any]) -> None:
    """Print from which probability each class has the wanted precision; dashes where no threshold reaches it."""
    screen.line()
    screen.line(f"least probability for a precision of {found['precision']:g}")
    keys = ("threshold", "precision", "recall")
    rows = []
    for name, row in [*found["per_class"].items(), ("any class", found["any_class"])]:
        cells = [f"{row[key]:.4f}" for key in keys] + [f"{row['pictures']:,}"] if row else ["-"] * 4
        rows.append([name, *cells])
    screen.table(["class", *keys, "pictures"], rows, right=[1, 2, 3, 4])

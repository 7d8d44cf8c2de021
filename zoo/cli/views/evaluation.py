"""Views of an evaluation: the confusion matrix as a picture, judged samples as a page and a table of classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.console import Screen
from zoo.core.errors import printable
from zoo.core.files import atomic_write
from zoo.display.format import format_cell, format_value, shorten
from zoo.evaluation.figures import MAIN_FIGURES, better, is_reference, real_value, undefined_figures

if TYPE_CHECKING:
    from zoo.evaluation.evaluation import Evaluation
    from zoo.models.gallery import Gallery


SAMPLES_PER_CLASS, SAMPLES_WITHOUT_CLASSES = 8, 64
"""Number of samples shown per class, or in total if the prior takes no classes."""
CLASS_HEADS = {
    "pictures": "pictures",
    "judge_right": "judged right",
    "judge_right_real": "real",
    "judge_confidence": "confidence",
    "judge_confidence_real": "real conf.",
    "frechet": "frechet",
    "frechet_floor": "floor",
    "coverage": "coverage",
    "sharpness": "sharpness",
}
AREA_HEADS = {"roc_auc": "ROC AUC", "average_precision": "avg. precision"}
CLASS_FIGURES_WIDTH = 62
"""Width of the figures of a class with the areas below its curves, without its name."""


MAX_FIGURES = 5


def show_figures(screen: Screen, found: Evaluation, *, everything: bool) -> list[str]:
    """Print the figures with those of real pictures; return notes on what is left out.

    Only those that matter most are printed, and those of metric kinds that are asked for, or `everything`.
    """
    shown = [name for name in found.visible_metrics if not is_reference(name, found.metrics)]
    names = shown if everything else main_figures(shown, found)
    real = [real_value(name, found.metrics) for name in names]
    intervals = found.details.get("intervals", {})
    between = f"{100 * intervals.get('level', 0):g} % interval"
    columns = {
        "figure": names,
        "value": [format_value(found.metrics[name]) for name in names],
        between: [format_interval(intervals.get(name)) for name in names],
        "real pictures": real,
        "": [better(name) for name in names],
    }
    for name in (between, "real pictures"):
        if not any(columns[name]):
            del columns[name]
    screen.table(list(columns), zip(*columns.values(), strict=True), right=range(1, len(columns) - 1))
    left_out = len(shown) - len(names)
    notes = [f"{left_out} more figure{'s' * (left_out != 1)} with --all"] if left_out else []
    return [*notes, *(f"another plugin's metric with --metrics {kind}" for kind in found.unrequested)]


def format_interval(ends: Sequence[float] | None) -> str:
    """Format the ends of an interval; empty if there is none."""
    return "to".join(f" {end:.4f} " for end in ends).strip() if ends else ""


def main_figures(shown: list[str], found: Evaluation) -> list[str]:
    """Choose the figures that matter most, and those of metric kinds that are asked for."""
    known = [name for name in MAIN_FIGURES if name in shown]
    chosen = [*known, *(name for name in shown if name not in known)][:MAX_FIGURES]
    return list(dict.fromkeys([*chosen, *(name for kind in found.requested for name in found.kinds[kind])]))


def show_class_figures(
    screen: Screen,
    classes: Mapping[str, Mapping[str, float]],
    matrix: list[list[int]] | None,
    areas: Mapping[str, Mapping[str, float]],
) -> None:
    """Print precision, recall and F1 of each class, and the areas below its curves if the screen is wide enough.

    A dash stands where they are undefined, for want of pictures.
    """
    screen.line()
    undefined, keys, rows = undefined_figures(classes, matrix), ("precision", "recall", "f1"), []
    fits = max(map(len, ("class", *classes))) + CLASS_FIGURES_WIDTH <= screen.width
    heads = AREA_HEADS if areas and fits else {}
    for name, row in classes.items():
        figures = ("-" if key in undefined[name] else f"{row[key]:.4f}" for key in keys)
        below = (f"{areas[name][key]:.4f}" if name in areas else "-" for key in heads)
        rows.append([name, format_value(row["pictures"]), *figures, *below])
    screen.table(["class", "pictures", *keys, *heads.values()], rows, right=range(1, 5 + len(heads)))


def draw_samples(path: Path, gallery: Gallery, names: list[str]) -> list[Path]:
    """Write the first samples of each class as a PNG file; no file if they are neither grey nor RGB."""
    import torch

    from zoo.generation.sample import Samples

    x, y = gallery.samples.x, gallery.samples.y
    if x.shape[1] not in (1, 3):
        return []
    if y is None:
        Samples(x[:SAMPLES_WITHOUT_CLASSES], ()).save(path)
        return [path]
    rows = torch.cat([(y == label).nonzero()[:SAMPLES_PER_CLASS, 0] for label in range(len(names))])
    Samples(x[rows], tuple(names[label] for label in y[rows].tolist())).save(path)
    return [path]


def show_classes(screen: Screen, classes: dict[str, Any]) -> None:
    """Print the figures of each class, beside those of real pictures."""
    screen.line()
    screen.line("samples of each class")
    rows = [[name, *(format_cell(row[key]) for key in CLASS_HEADS)] for name, row in classes.items()]
    screen.table(["class", *CLASS_HEADS.values()], rows, right=range(1, len(CLASS_HEADS) + 1))


MAX_NUMBERED_CLASSES = 40
MAX_LABEL_LENGTH = 18


def draw_confusion(path: Path, matrix: list[list[int]], names: list[str], title: str) -> None:
    """Write a confusion matrix as PNG: rows are true classes, colour is the share of a row, numbers are counts."""
    import numpy as np
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    counts = np.array(matrix)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    size = len(names)
    side = min(24.0, 3.2 + max(size, 4) * (0.42 if size <= MAX_NUMBERED_CLASSES else 0.19))
    figure = Figure(figsize=(side, side), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))  # the square root also shows rare mistakes
    small = 9 if size <= MAX_NUMBERED_CLASSES else 7
    labels = [shorten(printable(name), MAX_LABEL_LENGTH) for name in names]
    # A class may be called $x, which is not TeX.
    axes.set_xticks(range(size), labels, rotation=90, fontsize=small, parse_math=False)
    axes.set_yticks(range(size), labels, fontsize=small, parse_math=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(printable(title), fontsize=10, parse_math=False, wrap=True)
    if size <= MAX_NUMBERED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.3 else "black" if count else "#c8c8c8"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(shown, ax=axes, shrink=0.7, label="share of the true class")
    with warnings.catch_warnings(), atomic_write(path) as temporary:
        warnings.simplefilter("ignore")  # fonts without the letters of a class name draw boxes
        figure.savefig(temporary, format="png", bbox_inches="tight")

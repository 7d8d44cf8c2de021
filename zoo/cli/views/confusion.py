"""A confusion matrix as a picture."""

from __future__ import annotations

import warnings
from pathlib import Path

from zoo.core.files import atomic_write

NUMBERS_UP_TO = 40
LONGEST = 18


def draw(path: Path, matrix: list[list[int]], names: list[str], title: str) -> None:
    """Write a PNG: rows are the true classes, colour is the share of a row, numbers are pictures."""
    import numpy as np
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    counts = np.array(matrix)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    size = len(names)
    side = min(24.0, 3.2 + max(size, 4) * (0.42 if size <= NUMBERS_UP_TO else 0.19))
    figure = Figure(figsize=(side, side), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))  # a root shows rare mistakes too
    small = 9 if size <= NUMBERS_UP_TO else 7
    labels = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in names]
    # parse_math: a class may be called $x.
    axes.set_xticks(range(size), labels, rotation=90, fontsize=small, parse_math=False)
    axes.set_yticks(range(size), labels, fontsize=small, parse_math=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=10, parse_math=False, wrap=True)
    if size <= NUMBERS_UP_TO:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.3 else "black" if count else "#c8c8c8"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(shown, ax=axes, shrink=0.7, label="share of the true class")
    with warnings.catch_warnings(), atomic_write(path) as temporary:
        warnings.simplefilter("ignore")  # a font without the letters of a class name draws boxes
        figure.savefig(temporary, format="png", bbox_inches="tight")

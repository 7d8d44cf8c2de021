"""The samples that a judge has seen, for `zoo evaluate`: a page with a row for each class, and a table of classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.console import Screen

if TYPE_CHECKING:
    from zoo.models.gallery import Gallery


ACROSS, ALL = 8, 64
"""Samples shown of each class, and of a prior that takes no classes."""
HEADS = {
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


def draw(path: Path, gallery: Gallery, names: list[str]) -> list[Path]:
    """Write the first samples of each class as a PNG file; no files where they are neither grey nor RGB."""
    import torch

    from zoo.generation.sample import Samples

    x, y = gallery.samples.x, gallery.samples.y
    if x.shape[1] not in (1, 3):
        return []
    if y is None:
        Samples(x[:ALL], ()).save(path)
        return [path]
    rows = torch.cat([(y == label).nonzero()[:ACROSS, 0] for label in range(len(names))])
    Samples(x[rows], tuple(names[label] for label in y[rows].tolist())).save(path)
    return [path]


def show(screen: Screen, classes: dict[str, Any]) -> None:
    """The figures of each class, beside those of real pictures."""
    screen.line()
    screen.line("samples of each class")
    rows = [[name, *(cell(row[key]) for key in HEADS)] for name, row in classes.items()]
    screen.table(["class", *HEADS.values()], rows, right=range(1, len(HEADS) + 1))


def cell(value: float | None) -> str:
    """A figure with three decimals, so that a column lines up; a count as it is, and nothing where there is none."""
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"

"""The figures of an evaluation by name: those of real pictures beside others, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.core.figures import direction
from zoo.display.format import format_value

MAIN_FIGURES = (
    "accuracy",
    "frechet",
    "loss",
    "judge_right",
    "judge_diversity",
    "coverage",
    "macro_f1",
    "sharpness",
    "top5_accuracy",
    "calibration_error",
)
"""The figures that matter most, in this order."""
LIKE_REAL = {"sharpness": 1.0, "sharpness_laplacian": 1.0, "judge_diversity": 1.0}
"""Figures that are divided by those of real pictures."""


def is_reference(name: str, metrics: Mapping[str, float]) -> bool:
    """Return whether a figure is the value of another one for real pictures."""
    return any(name.endswith(suffix) and name.removesuffix(suffix) in metrics for suffix in ("_real", "_floor"))


def real_value(name: str, metrics: Mapping[str, float]) -> str:
    """Format a figure's value for real pictures; empty if there is none."""
    value = metrics.get(f"{name}_real", metrics.get(f"{name}_floor", LIKE_REAL.get(name)))
    return "" if value is None else format_value(value)


def undefined_figures(
    classes: Mapping[str, Mapping[str, Any]], matrix: Sequence[Sequence[float]] | None
) -> dict[str, set[str]]:
    """Return which of precision, recall and F1 each class lacks, for want of pictures of it or predictions of it.

    Without a confusion matrix every class counts as predicted.
    """
    predicted = [sum(column) for column in zip(*matrix, strict=True)] if matrix else [1] * len(classes)
    return {
        name: {
            *(() if count else ("precision",)),
            *(() if row.get("pictures") else ("recall",)),
            *(() if count or row.get("pictures") else ("f1",)),
        }
        for (name, row), count in zip(classes.items(), predicted, strict=True)
    }


def confusions(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Return true class, predicted class and number of pictures of each mistake, most frequent first."""
    found = [
        (true, predicted, count)
        for true, row in enumerate(matrix)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    return sorted(found, key=lambda each: -each[2])


def better(name: str) -> str:
    """Return in which direction a figure is better; empty if that is not known."""
    return {"min": "lower is better", "max": "higher is better", "": ""}[direction(name)]

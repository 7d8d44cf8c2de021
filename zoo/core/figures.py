"""Names of figures: which are better when higher."""

from __future__ import annotations

HIGHER_IS_BETTER = ("accuracy", "f1", "psnr", "ssim", "precision", "recall", "coverage", "density", "auc")
"""Parts of the names of metrics that are better when higher."""


def is_better_higher(name: str) -> bool:
    """Return whether a figure is better when higher, by its name."""
    return any(word in name.lower() for word in HIGHER_IS_BETTER)


def score_of(name: str, value: float) -> float:
    """Return a figure as a score that is better when lower."""
    return -value if is_better_higher(name) else value

"""In which direction figures are better, by the words of their names."""

from __future__ import annotations

from typing import Literal

from zoo.core.errors import ZooError

Goal = Literal["auto", "min", "max"]
"""Whether a figure is better when lower or higher; auto: by its name."""
LOWER_NAMES = frozenset({"rate", "copies", "edit_same"})
LOWER_WORDS = frozenset(
    {"loss", "error", "mse", "rmse", "mae", "nll", "brier", "frechet", "fid", "kid", "lpips", "iwae", "bpd"}
    | {"bound", "distortion", "seconds", "parameters", "flops", "latency"}
)
HIGHER_WORDS = frozenset(
    {"accuracy", "acc", "f1", "precision", "recall", "sensitivity", "specificity", "auc", "auroc", "kappa", "mcc"}
    | {"iou", "dice", "psnr", "ssim", "density", "coverage", "right", "retrieval", "efficiency", "mixture", "shapes"}
)


def direction(name: str) -> Literal["min", "max", ""]:
    """Return whether a figure is better when lower or higher; empty if its name does not say so.

    Example:
        >>> direction("macro_f1"), direction("calibration_error"), direction("sharpness")
        ('max', 'min', '')
    """
    words = set(name.lower().replace("-", "_").split("_"))
    if name in LOWER_NAMES or words & LOWER_WORDS:
        return "min"
    return "max" if words & HIGHER_WORDS else ""


def is_better_higher(name: str, goal: Goal = "auto") -> bool:
    """Return whether a figure is better when higher; one whose name does not say so is better when lower."""
    return (direction(name) if goal == "auto" else goal) == "max"


def check_goal(option: str, name: str, goal: Goal, hint: str) -> None:
    """Raise ZooError if neither the goal nor the name of a figure says in which direction it is better."""
    if goal == "auto" and not direction(name):
        raise ZooError(f"{option}: nothing says whether a higher or a lower {name} is better", hint)


def score_of(name: str, value: float, goal: Goal = "auto") -> float:
    """Return a figure as a score that is better when lower."""
    return -value if is_better_higher(name, goal) else value

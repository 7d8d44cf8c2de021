"""Class balance: how often each class occurs, and an order of pictures in which rare classes occur more often."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

RARE_FACTOR = 5
"""How many times rarer than the most frequent class a class is called rare."""


def class_counts(y: Tensor, classes: int) -> Tensor:
    """Count the pictures of each class, float64 (K,), at least 1, since a class may have none to train on."""
    return torch.bincount(y.cpu(), minlength=classes).double().clamp_(min=1)


def rare_classes(counts: Sequence[int]) -> list[int]:
    """Return the classes with at most a fifth of the pictures of the most frequent one."""
    most = max(counts, default=0)
    return [label for label, count in enumerate(counts) if count * RARE_FACTOR <= most]


def balanced_order(y: Tensor, power: float, draw: torch.Generator) -> Tensor:
    """Draw as many rows as there are labels, int64 (N,), in which a class of n pictures is n ** power times rarer.

    With power 1 all classes occur equally often, with power 0 every picture occurs once. The rows of a class are drawn
    by systematic resampling: each of its pictures occurs equally often, give or take one.

    Args:
        y: Labels int64 (N,), on the CPU.
        power: Strength, 0 to 1.
        draw: Source of the random numbers.
    """
    shuffled = torch.randperm(len(y), generator=draw)
    by_class = shuffled[torch.argsort(y[shuffled], stable=True)]
    copies = class_counts(y, 0).pow(-power)[y[by_class]]
    ends = (copies * (len(y) / copies.sum())).cumsum(0)
    marks = torch.arange(len(y), dtype=torch.float64) + torch.rand((), generator=draw, dtype=torch.float64)
    rows = by_class[torch.searchsorted(ends, marks, right=True).clamp_(max=len(y) - 1)]
    return rows[torch.randperm(len(y), generator=draw)]

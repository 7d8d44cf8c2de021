"""Labels that are probably wrong, by confident learning (Northcutt et al. 2019, arXiv:1911.00068)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class LabelError(NamedTuple):
    """A picture whose label is doubtful."""

    row: int
    label: int
    """The class that it has."""
    likely: int
    """The class that a classifier sees."""
    margin: float
    """Probability of the likely class minus that of the label; the larger, the more doubtful."""


def find_label_errors(probabilities: Tensor, y: Tensor) -> list[LabelError]:
    """Find labels that are probably wrong, the most doubtful first.

    A picture counts as one of another class if the classifier is at least as sure of that class as it is, on average,
    of pictures that carry its label (the confident joint of the paper); it is ranked by the margin.

    Args:
        probabilities: Of each class (N, K), by a classifier that was not trained on these pictures: otherwise it has
            learnt some of their labels by heart, and fewer errors are found.
        y: The labels, int64 (N,).
    """
    rows, own = torch.arange(len(y)), probabilities[torch.arange(len(y)), y]
    confident = torch.where(probabilities >= mean_confidence(probabilities, y), probabilities, -1.0)
    likely = confident.argmax(1)
    margins = probabilities[rows, likely] - own
    doubtful = (confident.amax(1) >= 0) & (margins > 0)
    found = doubtful.nonzero().flatten()
    found = found[margins[found].argsort(descending=True, stable=True)]
    values = zip(found.tolist(), y[found].tolist(), likely[found].tolist(), margins[found].tolist(), strict=True)
    return [LabelError(*each) for each in values]


def mean_confidence(probabilities: Tensor, y: Tensor) -> Tensor:
    """Return the mean probability of each class over the pictures that carry its label (K,); 2 if there are none."""
    classes = probabilities.shape[1]
    own = probabilities[torch.arange(len(y)), y]
    total = torch.zeros(classes, dtype=own.dtype).index_add(0, y, own)
    counts = torch.bincount(y, minlength=classes)
    return torch.where(counts > 0, total / counts.clamp(min=1), 2.0)

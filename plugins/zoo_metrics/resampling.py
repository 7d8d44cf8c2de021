"""Confidence intervals of accuracy and macro F1."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
CHUNK = 100
"""Resamples that are in memory at a time."""


def wilson_interval(right: int, total: int, level: float) -> list[float]:
    """Compute the score interval of a share, `right` of `total` (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Unlike that of resamples it has a width even if all are right.
    """
    z, share = NormalDist().inv_cdf((1 + level) / 2), right / total
    centre, spread = share + z**2 / (2 * total), z * (share * (1 - share) / total + (z / (2 * total)) ** 2) ** 0.5
    return [max(0.0, (centre - spread) / (1 + z**2 / total)), min(1.0, (centre + spread) / (1 + z**2 / total))]


def macro_f1_interval(scores: Tensor, labels: Tensor, resamples: int, level: float, seed: int) -> list[float]:
    """Compute the bootstrap percentile interval of macro F1 (Efron 1979, doi:10.1214/aos/1176344552).

    Pictures are drawn with replacement. The figure follows from the numbers of pictures by true and predicted class, so
    only these are drawn, from a multinomial distribution.
    """
    classes = scores.shape[1]
    cells, counts = np.unique(labels.numpy() * classes + scores.argmax(1).numpy(), return_counts=True)
    random = np.random.default_rng(seed)
    shares = counts / counts.sum()
    sizes = [min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK)]
    parts = [macro_f1_of(random.multinomial(len(labels), shares, size), cells, classes) for size in sizes]
    return [float(end) for end in np.quantile(np.concatenate(parts), [(1 - level) / 2, (1 + level) / 2])]


def macro_f1_of(draws: Counts, cells: Counts, classes: int) -> Floats:
    """Compute macro F1 (R,) of R resamples, from counts (R, C) of cells `true * classes + predicted`."""
    true, predicted = cells // classes, cells % classes
    right = true == predicted
    hits = np.zeros((len(draws), classes))
    hits[:, true[right]] = draws[:, right]
    both = sums_by(draws, true, classes) + sums_by(draws, predicted, classes)
    # as in macro F1 itself, a class counts if a picture has it or is taken for it
    f1 = np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)
    return np.asarray(f1.sum(1) / (both > 0).sum(1))


def sums_by(draws: Counts, groups: Counts, classes: int) -> Floats:
    """Sum the columns of counts (R, C) by the group of each, to (R, classes)."""
    order = np.argsort(groups, kind="stable")
    names, starts = np.unique(groups[order], return_index=True)
    found = np.zeros((len(draws), classes))
    found[:, names] = np.add.reduceat(draws[:, order], starts, axis=1)
    return found

"""Distances between sets of pictures, in what a judge sees in them; all in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 1000
"""Rows of a kernel matrix that are held at a time."""


class Normal(NamedTuple):
    """A normal distribution fitted to features."""

    mean: Tensor
    """(D,)"""
    root: Tensor
    """(at most D, D); root.T @ root is the covariance."""

    @classmethod
    def of(cls, features: Tensor) -> Normal:
        """Fitted to features (N, D)."""
        x = features.double()
        mean = x.mean(0)
        return cls(mean, torch.linalg.qr((x - mean) / (len(x) - 1) ** 0.5, mode="r").R)


def frechet_distances(real: Tensor, sets: Sequence[Tensor]) -> list[float]:
    """Frechet distances of sets of features (N, D) from real ones (Heusel et al. 2017, arXiv:1706.08500)."""
    true = Normal.of(real)
    return [frechet(true, Normal.of(features)) for features in sets]


def frechet(a: Normal, b: Normal) -> float:
    """|mean difference|^2 + tr(A + B - 2 (A B)^(1/2)) of the covariances A and B.

    The trace of the root is the sum of singular values of root_a @ root_b.T. Unlike eigenvalues of A B, which
    torchmetrics takes, these are exact where there are fewer pictures than features, and several times faster.
    """
    crossed = torch.linalg.svdvals(a.root @ b.root.T).sum()
    spread = a.root.square().sum() + b.root.square().sum() - 2 * crossed
    apart = (a.mean - b.mean).square().sum()
    return max(0.0, float(apart + spread))


def kernel_distances(real: Tensor, sets: Sequence[Tensor]) -> list[float]:
    """Kernel distances of sets of features (N, D) from real ones (Binkowski et al. 2018, arXiv:1801.01401).

    These are unbiased estimates, below 0 at times, of the squared maximum mean discrepancy, and from whole sets:
    torchmetrics takes random parts of them, from torch's generator.
    """
    true = real.double()
    own = inner(true)
    return [own + inner(x) - 2 * mean_kernel(true, x) for x in (features.double() for features in sets)]


def inner(x: Tensor) -> float:
    """The mean kernel (x.y / D + 1)^3 of different ones of features (N, D)."""
    count = len(x)
    same = (x.square().sum(1) / x.shape[1] + 1).pow(3).mean().item()
    return (mean_kernel(x, x) * count - same) / (count - 1)


def mean_kernel(x: Tensor, y: Tensor) -> float:
    """The mean kernel of all pairs of features (N, D) and (M, D)."""
    total = sum((part @ y.T).div_(x.shape[1]).add_(1).pow_(3).sum().item() for part in torch.split(x, CHUNK))
    return total / (len(x) * len(y))

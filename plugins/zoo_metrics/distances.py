"""Distances between sets of pictures, mostly in the features of a judge; all in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.models import Gallery, JudgedImages
from zoo_metrics.judged import confidence, right
from zoo_metrics.pixels import high_energy, mean

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


def classwise(gallery: Gallery, names: tuple[str, ...], k: int) -> dict[str, Any] | None:
    """`samples_per_class`: the figures of each class with at least 2 real pictures; None where there are no classes.

    `judge_right` is the share of samples taken for the class, `judge_right_real` that of real pictures, the ceiling;
    `judge_confidence` the mean probability of the likeliest class. `frechet`, `frechet_floor` and `coverage` are as of
    all pictures, but of one class: see `distances`.
    """
    real, drawn, other = gallery.real, gallery.samples, gallery.other
    if real.y is None or drawn.y is None or real.scores is None or drawn.scores is None:
        return None
    rows = {}
    for label, name in enumerate(names):
        mine, made = of_class(real, label), of_class(drawn, label)
        if min(len(mine.x), len(made.x)) > 1:
            rows[name] = one_class(mine, made, of_class(other, label), k)
    return {"samples_per_class": rows} if rows else None


def of_class(seen: JudgedImages, label: int) -> JudgedImages:
    """The pictures of a class."""
    assert seen.y is not None
    return seen.at(seen.y == label)


def one_class(real: JudgedImages, drawn: JudgedImages, other: JudgedImages, k: int) -> dict[str, float | None]:
    """The figures of one class; None where there are too few pictures for one."""
    assert real.scores is not None and drawn.scores is not None
    apart, floor = distances(real.features, drawn.features, other.features)
    return {
        "judge_right": right(drawn),
        "judge_right_real": right(real),
        "judge_confidence": confidence(drawn.scores),
        "judge_confidence_real": confidence(real.scores),
        "frechet": apart,
        "frechet_floor": floor,
        "coverage": coverage(real.features, drawn.features, k),
        "sharpness": mean(high_energy, drawn.x) / usual if (usual := mean(high_energy, real.x)) else None,
        "pictures": len(real.x),
    }


def distances(real: Tensor, drawn: Tensor, other: Tensor) -> tuple[float | None, float | None]:
    """Frechet distances of drawn and of training features (N, D) from real ones.

    From few pictures, and in many dimensions, it is estimated far too high: with fewer pictures of a class than
    features compare it with the floor alone, never with the distance of all pictures. Hence both are of equally many
    pictures, as many as the smaller set has.
    """
    count = min(len(drawn), len(other))
    if count < 2:
        return None, None
    apart, floor = frechet_distances(real, [drawn[:count], other[:count]])
    return apart, floor


def coverage(real: Tensor, drawn: Tensor, k: int) -> float | None:
    """The share of real features (N, D) with a drawn one nearer than their k-th neighbour; None of too few."""
    if min(len(real), len(drawn)) <= k:
        return None
    return figures(real.double(), radii(real.double(), k), drawn.double(), k)["coverage"]


ROWS = 1000
"""Rows of a distance matrix that are held at a time."""


def compare(real: Tensor, drawn: Tensor, other: Tensor, k: int) -> dict[str, float] | None:
    """The figures of drawn features (N, D), and with `_real` those of other real ones; None of too few pictures."""
    if min(len(real), len(drawn), len(other)) <= k:
        return None
    true, reach = real.double(), radii(real.double(), k)
    found = figures(true, reach, drawn.double(), k)
    return found | {f"{name}_real": value for name, value in figures(true, reach, other.double(), k).items()}


def figures(real: Tensor, reach: Tensor, made: Tensor, k: int) -> dict[str, float]:
    """The four figures of features float64 (N, D), and of real ones (M, D) with balls of the given radii (M,).

    Precision and recall: Kynkaanniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020,
    arXiv:2002.09797. What lies at a ball's radius is outside, as in the latter's code: then the density of the real
    ones themselves is 1.
    """
    own = radii(made, k)
    inside = torch.zeros(len(made), dtype=torch.int64)  # in how many balls of real pictures each one is
    recalled = covered = 0
    for part, radius in zip(torch.split(real, ROWS), torch.split(reach, ROWS), strict=True):
        distances = torch.cdist(part, made)
        within = distances < radius[:, None]
        inside += within.sum(0)
        covered += int(within.any(1).sum())
        recalled += int((distances < own).any(1).sum())
    return {
        "precision": (inside > 0).double().mean().item(),
        "recall": recalled / len(real),
        "density": inside.double().mean().item() / k,
        "coverage": covered / len(real),
    }


def radii(features: Tensor, k: int) -> Tensor:
    """Distances (N,) of features (N, D) to their k-th nearest neighbour; each is nearest to itself."""
    parts = (torch.cdist(part, features) for part in torch.split(features, ROWS))
    return torch.cat([part.topk(k + 1, largest=False).values[:, -1] for part in parts])


TRAIN_CHUNK = 2000
"""Training pictures that are compared at a time."""
RARE = 0.01
"""The share of real pictures that are as near to a training picture as a copy."""


def remembered(real: Tensor, drawn: Tensor, train: Tensor) -> dict[str, float]:
    """`memorisation` and `copies` of drawn pictures, from distances to the nearest training picture.

    `memorisation` is the median of samples over that of real pictures that were not trained on: well below 1 of copies.
    `copies` is the share of samples as near as the nearest 1 % of real pictures: about 0.01 of good samples, and hence
    only what is far above that is a sign. Both are blind to copies that are shifted or mirrored, and blurred
    pictures look like copies a little: real pictures of 32x32 averaged over 8x8 squares have `copies` of 0.15.
    """
    usual, found = nearest(real, train), nearest(drawn, train)
    copies = (found <= usual.quantile(RARE)).double().mean()
    return {"memorisation": (found.median() / usual.median()).item(), "copies": copies.item()}


def nearest(x: Tensor, train: Tensor) -> Tensor:
    """Root mean square distances (N,) of pictures float32 (N, C, H, W) to the nearest training picture, uint8."""
    flat = x.flatten(1)
    best, row = flat.new_full((len(flat),), -torch.inf), torch.zeros(len(flat), dtype=torch.int64)
    for start in range(0, len(train), TRAIN_CHUNK):
        part = values(train[start : start + TRAIN_CHUNK])
        # |x - t|^2 is smallest where x.t - |t|^2 / 2 is largest
        score, index = torch.addmm(part.square().sum(1) / -2, flat, part.T).max(1)
        row = torch.where(score > best, start + index, row)
        best = torch.maximum(score, best)
    # once more for the nearest alone: a difference of large products would not be 0 for a copy
    pairs = zip(torch.split(flat, TRAIN_CHUNK), torch.split(row, TRAIN_CHUNK), strict=True)
    return torch.cat([(part - values(train[rows])).square().mean(1).sqrt() for part, rows in pairs])


def values(pictures: Tensor) -> Tensor:
    """Pictures uint8 (N, C, H, W) as rows float32 (N, C*H*W) with values 0..1, as those of the gallery are."""
    return pictures.flatten(1).float() / 255

"""Distances between sets of pictures, mostly in the features of a judge; all in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.models import Gallery, JudgedImages
from zoo_metrics.judged import mean_confidence, share_correct
from zoo_metrics.pixels import high_frequency_energy, mean_over

KERNEL_ROWS = 1000
"""Rows of a kernel matrix that are in memory at a time."""


class Normal(NamedTuple):
    """A normal distribution fitted to features."""

    mean: Tensor
    """(D,)"""
    root: Tensor
    """(R, D) with R <= D; root.T @ root is the covariance."""

    @classmethod
    def of(cls, features: Tensor) -> Normal:
        """Fit a normal distribution to features (N, D)."""
        x = features.double()
        mean = x.mean(0)
        return cls(mean, torch.linalg.qr((x - mean) / (len(x) - 1) ** 0.5, mode="r").R)


def frechet_distances(real: Tensor, sets: Sequence[Tensor]) -> list[float]:
    """Compute Frechet distances of sets of features (N, D) from real ones (Heusel et al. 2017, arXiv:1706.08500)."""
    true = Normal.of(real)
    return [frechet(true, Normal.of(features)) for features in sets]


def frechet(a: Normal, b: Normal) -> float:
    """Compute |mean difference|^2 + tr(A + B - 2 (A B)^(1/2)) for the covariances A and B.

    The trace of the root is the sum of the singular values of root_a @ root_b.T. Unlike the eigenvalues of A B, which
    torchmetrics uses, they are exact for fewer pictures than features, and several times faster to compute.
    """
    crossed = torch.linalg.svdvals(a.root @ b.root.T).sum()
    spread = a.root.square().sum() + b.root.square().sum() - 2 * crossed
    apart = (a.mean - b.mean).square().sum()
    return max(0.0, float(apart + spread))


def kernel_distances(real: Tensor, sets: Sequence[Tensor]) -> list[float]:
    """Compute kernel distances of sets of features (N, D) from real ones (Binkowski et al. 2018, arXiv:1801.01401).

    They are unbiased estimates of the squared maximum mean discrepancy, so they can be negative. They use whole sets,
    whereas torchmetrics uses random subsets, sampled with torch's generator.
    """
    true = real.double()
    own = mean_kernel_within(true)
    return [own + mean_kernel_within(x) - 2 * mean_kernel(true, x) for x in (features.double() for features in sets)]


def mean_kernel_within(x: Tensor) -> float:
    """Average the kernel (x.y / D + 1)^3 over all pairs of different features (N, D)."""
    count = len(x)
    same = (x.square().sum(1) / x.shape[1] + 1).pow(3).mean().item()
    return (mean_kernel(x, x) * count - same) / (count - 1)


def mean_kernel(x: Tensor, y: Tensor) -> float:
    """Average the kernel over all pairs of features (N, D) and (M, D)."""
    total = sum((part @ y.T).div_(x.shape[1]).add_(1).pow_(3).sum().item() for part in torch.split(x, KERNEL_ROWS))
    return total / (len(x) * len(y))


def figures_per_class(gallery: Gallery, names: tuple[str, ...], k: int) -> dict[str, Any] | None:
    """Compute `samples_per_class`: figures for each class with at least 2 real pictures; None without classes.

    `judge_right` is the share of samples that the judge assigns to the class, `judge_right_real` the same for real
    pictures, which is the most to expect. `judge_confidence` is the mean probability of the likeliest class. `frechet`,
    `frechet_floor` and `coverage` are as for all pictures, but within the class: see `frechet_and_floor`.
    """
    real, generated, other = gallery.real, gallery.samples, gallery.other
    if real.y is None or generated.y is None or real.scores is None or generated.scores is None:
        return None
    rows = {}
    for label, name in enumerate(names):
        class_real, class_generated = of_class(real, label), of_class(generated, label)
        if min(len(class_real.x), len(class_generated.x)) > 1:
            rows[name] = class_figures(class_real, class_generated, of_class(other, label), k)
    return {"samples_per_class": rows} if rows else None


def of_class(images: JudgedImages, label: int) -> JudgedImages:
    """Select the pictures of a class."""
    assert images.y is not None
    return images.at(images.y == label)


def class_figures(real: JudgedImages, generated: JudgedImages, other: JudgedImages, k: int) -> dict[str, float | None]:
    """Compute the figures of one class.

    Those for which there are too few pictures are None.
    """
    assert real.scores is not None and generated.scores is not None
    distance, floor = frechet_and_floor(real.features, generated.features, other.features)
    real_sharpness = mean_over(high_frequency_energy, real.x)
    return {
        "judge_right": share_correct(generated),
        "judge_right_real": share_correct(real),
        "judge_confidence": mean_confidence(generated.scores),
        "judge_confidence_real": mean_confidence(real.scores),
        "frechet": distance,
        "frechet_floor": floor,
        "coverage": coverage(real.features, generated.features, k),
        "sharpness": mean_over(high_frequency_energy, generated.x) / real_sharpness if real_sharpness else None,
        "pictures": len(real.x),
    }


def frechet_and_floor(real: Tensor, generated: Tensor, other: Tensor) -> tuple[float | None, float | None]:
    """Compute the Frechet distances of samples and of training pictures from real ones, from features (N, D).

    With few pictures and many features the estimate is far too high. If a class has fewer pictures than there are
    features, compare its distance only with this floor, never with the distance over all pictures. To be comparable,
    both use the same number of pictures, that of the smaller set.
    """
    count = min(len(generated), len(other))
    if count < 2:
        return None, None
    distance, floor = frechet_distances(real, [generated[:count], other[:count]])
    return distance, floor


def coverage(real: Tensor, generated: Tensor, k: int) -> float | None:
    """Compute the share of real pictures with a sample nearer than their k-th neighbour.

    Features are (N, D) and (M, D); None for k pictures or fewer.
    """
    if min(len(real), len(generated)) <= k:
        return None
    return manifold_figures(real.double(), radii(real.double(), k), generated.double(), k)["coverage"]


DISTANCE_ROWS = 1000
"""Rows of a distance matrix that are in memory at a time."""


def compare_manifolds(real: Tensor, generated: Tensor, other: Tensor, k: int) -> dict[str, float] | None:
    """Compute the manifold figures of samples and, with the suffix `_real`, of other real pictures.

    All are given by features (N, D). Returns None for too few pictures.
    """
    if min(len(real), len(generated), len(other)) <= k:
        return None
    true, reach = real.double(), radii(real.double(), k)
    found = manifold_figures(true, reach, generated.double(), k)
    return found | {f"{name}_real": value for name, value in manifold_figures(true, reach, other.double(), k).items()}


def manifold_figures(real: Tensor, reach: Tensor, generated: Tensor, k: int) -> dict[str, float]:
    """Compute precision, recall, density and coverage of features float64 (N, D).

    They are compared with real features (M, D), around which lie balls with the radii `reach` (M,). Precision and
    recall: Kynkaanniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020, arXiv:2002.09797. A
    point at exactly the radius is outside, as in the code of the latter; the density of the real pictures themselves
    is then 1.
    """
    own = radii(generated, k)
    inside = torch.zeros(len(generated), dtype=torch.int64)  # number of real pictures' balls that contain each sample
    recalled = covered = 0
    for part, radius in zip(torch.split(real, DISTANCE_ROWS), torch.split(reach, DISTANCE_ROWS), strict=True):
        distances = torch.cdist(part, generated)
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
    """Compute the distances (N,) of features (N, D) to their k-th nearest neighbour, other than themselves."""
    parts = (torch.cdist(part, features) for part in torch.split(features, DISTANCE_ROWS))
    return torch.cat([part.topk(k + 1, largest=False).values[:, -1] for part in parts])


TRAIN_CHUNK = 2000
"""Number of training pictures that are compared at a time."""
COPY_QUANTILE = 0.01
"""Samples nearer to a training picture than this share of the real pictures count as copies."""


def memorisation_figures(real: Tensor, generated: Tensor, train: Tensor) -> dict[str, float]:
    """Compute `memorisation` and `copies` of samples from distances to the nearest training picture.

    `memorisation` is the median distance of samples, divided by that of real pictures that were not trained on; for
    copies it is well below 1. `copies` is the share of samples as near as the nearest 1 % of real pictures; it is about
    0.01 for good samples, so only values far above that are a sign of copying. Neither detects shifted or mirrored
    copies, and blurred pictures look slightly like copies: real 32x32 pictures averaged over 8x8 squares have `copies`
    of 0.15.
    """
    expected, found = nearest(real, train), nearest(generated, train)
    copies = (found <= expected.quantile(COPY_QUANTILE)).double().mean()
    return {"memorisation": (found.median() / expected.median()).item(), "copies": copies.item()}


def nearest(x: Tensor, train: Tensor) -> Tensor:
    """Compute the root mean square distances (N,) of pictures to the nearest training picture.

    The pictures are float32 (N, C, H, W), the training pictures uint8.
    """
    flat = x.flatten(1)
    best, row = flat.new_full((len(flat),), -torch.inf), torch.zeros(len(flat), dtype=torch.int64)
    for start in range(0, len(train), TRAIN_CHUNK):
        part = to_rows(train[start : start + TRAIN_CHUNK])
        # |x - t|^2 is smallest where x.t - |t|^2 / 2 is largest
        score, index = torch.addmm(part.square().sum(1) / -2, flat, part.T).max(1)
        row = torch.where(score > best, start + index, row)
        best = torch.maximum(score, best)
    # Computed again for the nearest only: as a difference of large products it would not be 0 for a copy.
    pairs = zip(torch.split(flat, TRAIN_CHUNK), torch.split(row, TRAIN_CHUNK), strict=True)
    return torch.cat([(part - to_rows(train[rows])).square().mean(1).sqrt() for part, rows in pairs])


def to_rows(pictures: Tensor) -> Tensor:
    """Convert pictures uint8 (N, C, H, W) to rows float32 (N, C*H*W) with values 0..1, like the gallery's."""
    return pictures.flatten(1).float() / 255

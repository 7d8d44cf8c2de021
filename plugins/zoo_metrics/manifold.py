"""Whether made pictures lie where real ones do and cover them, by balls that reach to the k-th nearest neighbour."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 1000
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
    for part, radius in zip(torch.split(real, CHUNK), torch.split(reach, CHUNK), strict=True):
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
    parts = (torch.cdist(part, features) for part in torch.split(features, CHUNK))
    return torch.cat([part.topk(k + 1, largest=False).values[:, -1] for part in parts])

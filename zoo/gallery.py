"""What a generator made, beside real pictures, and what a judge sees in all of them; metric plugins compare these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class Seen(NamedTuple):
    """Pictures, and what a judge sees in them; everything lies on the CPU."""

    x: Tensor
    """float32 (N, C, H, W), values 0..1."""
    y: Tensor | None
    """int64 (N,), their classes or those that they were drawn for; None where they were drawn for none."""
    features: Tensor
    """float32 (N, D)."""
    scores: Tensor | None
    """The judge's log-probabilities float32 (N, K); None where it does not know these classes."""


@dataclass(frozen=True)
class Gallery:
    """Pictures of four origins. All four have the same number N, since the distances between sets depend on it."""

    judge: str
    """Who looks, as people call it."""
    real: Seen
    """The pictures of the split that is evaluated."""
    other: Seen
    """Training pictures: how far they are from the real ones is what samples can hope for, the floor. Reconstructions
    may lie below it, as they are of the real ones."""
    shown: Seen
    """Reconstructions of the real ones, in the same order."""
    drawn: Seen
    """Samples."""
    train: Tensor
    """All training pictures, uint8 (M, C, H, W)."""

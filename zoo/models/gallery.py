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

    def at(self, rows: Tensor) -> Seen:
        """Those at some rows, int64 (M,) or bool (N,)."""
        y, scores = (None if part is None else part[rows] for part in (self.y, self.scores))
        return Seen(self.x[rows], y, self.features[rows], scores)


class Sweep(NamedTuple):
    """Samples on the way from one class to another, the same noise at each weight."""

    pairs: Tensor
    """int64 (P, 2), from and to."""
    weights: Tensor
    """float32 (W,), of the second class, from 0 to 1; the first has the rest."""
    scores: Tensor
    """The judge's log-probabilities float32 (P, W, S, K); [:, :, s] are of the same noise."""


class Mixed(NamedTuple):
    """Pictures of two classes at once, in the same order; `y` of them is None."""

    pairs: Tensor
    """int64 (N, 2), the two classes of each."""
    drawn: Seen
    """Samples under a condition that is half of one class and half of the other."""
    overlaid: Seen
    """The mean of a real picture of one class and one of the other."""
    halves: Seen
    """The left half of a real picture of one class, the right half of one of the other."""
    sweep: Sweep


class Edited(NamedTuple):
    """Real pictures made into another class: to the prior's base under one condition, back under another one."""

    source: Seen
    """The real ones, N of them; all that follows is in their order."""
    edited: Seen
    """From the own class; `y` is the class that they were made into."""
    uninformed: Seen
    """From no class to the same one."""
    fresh: Seen
    """Samples of the same class, for comparison."""
    same: Tensor
    """From the own class to the own class, float32 (N, C, H, W)."""
    shown: Tensor
    """Reconstructions, which `same` should be, likewise."""


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
    mixed: Mixed | None = None
    """Where the prior takes classes and the judge knows them, 2 to 20."""
    edited: Edited | None = None
    """Where the prior takes classes and can be inverted."""

"""Real and generated pictures with their features and scores by a judge, for metrics of generators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class JudgedImages(NamedTuple):
    """Pictures with features and class scores from a judge, all on the CPU.

    Args:
        x: Pictures, float32 (N, C, H, W), values 0..1.
        y: Their classes, or the classes for which they were sampled, int64 (N,); None for unconditional samples.
        features: Features, float32 (N, D).
        scores: Log-probabilities, float32 (N, K); None if the judge does not know these classes.

    Example:
        >>> import torch
        >>> from zoo.models import JudgedImages
        >>> seen = JudgedImages(torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 2]), torch.rand(3, 5), None)
        >>> seen.at(torch.tensor([2, 0])).y
        tensor([2, 0])
    """

    x: Tensor
    """float32 (N, C, H, W), values 0..1."""
    y: Tensor | None
    """int64 (N,), their classes, or the classes for which they were sampled; None for unconditional samples."""
    features: Tensor
    """float32 (N, D)."""
    scores: Tensor | None
    """The judge's log-probabilities float32 (N, K); None if it does not know these classes."""

    def at(self, rows: Tensor) -> JudgedImages:
        """Select some of the pictures.

        Args:
            rows: Indices int64 (M,), or a mask bool (N,).

        Returns:
            The selected pictures with their labels, features and scores.
        """
        y, scores = (None if part is None else part[rows] for part in (self.y, self.scores))
        return JudgedImages(self.x[rows], y, self.features[rows], scores)


class Sweep(NamedTuple):
    """Scores of samples between two classes, with the same noise at each weight.

    Args:
        pairs: The first and the second class of each sweep, int64 (P, 2).
        weights: Weights of the second class from 0 to 1, float32 (W,); the first class has the rest.
        scores: The judge's log-probabilities float32 (P, W, S, K); those at [:, :, s] share their noise.
    """

    pairs: Tensor
    """The first and the second class of each sweep, int64 (P, 2)."""
    weights: Tensor
    """Weights of the second class from 0 to 1, float32 (W,); the first class has the rest."""
    scores: Tensor
    """The judge's log-probabilities float32 (P, W, S, K); those at [:, :, s] share their noise."""


class MixedImages(NamedTuple):
    """Pictures of two classes at once, made in three ways and in the same order.

    Args:
        pairs: The two classes of each picture, int64 (N, 2).
        samples: Samples under a condition that is half of one class and half of the other.
        overlaid: Means of a real picture of one class and one of the other.
        halves: Left halves of real pictures of one class, joined to right halves of the other.
        sweep: Scores of samples whose condition moves from one class to the other.
    """

    pairs: Tensor
    """The two classes of each picture, int64 (N, 2)."""
    samples: JudgedImages
    """Samples under a condition that is half of one class and half of the other."""
    overlaid: JudgedImages
    """The mean of a real picture of one class and one of the other."""
    halves: JudgedImages
    """The left half of a real picture of one class, the right half of one of the other."""
    sweep: Sweep


class EditedImages(NamedTuple):
    """Real pictures that were edited to show another class, with an invertible prior.

    Codes are mapped to the prior's base under one condition, and back under another one. All parts are in the same
    order.

    Args:
        source: The real pictures.
        edited: The pictures edited from their own class to another one, `y`.
        uninformed: The pictures edited from no class to the same other one.
        fresh: New samples of the other class, for comparison.
        round_trip: The pictures edited from their own class to the same class, float32 (N, C, H, W).
        reconstructions: Reconstructions, which `round_trip` should equal, float32 (N, C, H, W).
    """

    source: JudgedImages
    """The real pictures."""
    edited: JudgedImages
    """The pictures edited from their own class to another one, `y`."""
    uninformed: JudgedImages
    """The pictures edited from no class to the same other one."""
    fresh: JudgedImages
    """New samples of the other class, for comparison."""
    round_trip: Tensor
    """The pictures edited from their own class to the same class, float32 (N, C, H, W)."""
    reconstructions: Tensor
    """Reconstructions, which `round_trip` should equal, float32 (N, C, H, W)."""


@dataclass(frozen=True)
class Gallery:
    """Real, training, reconstructed and sampled pictures with a judge's features, for metrics of generators.

    All four have the same number N, since the distances between sets depend on it.

    Args:
        judge: Name of the judge.
        real: Pictures of the split that is evaluated.
        other: Training pictures; their distance from the real ones is the floor for samples, though reconstructions
            may be nearer.
        reconstructions: Reconstructions of the real pictures, in the same order.
        samples: Samples.
        train: All training pictures, uint8 (M, C, H, W).
        mixed: Pictures of two classes; None unless the prior is conditional and the judge predicts its 2 to 20 classes.
        edited: Edited pictures; None unless the prior is conditional and invertible.
        guidance: Guidance of the samples.
        temperature: Temperature of the samples.

    Example:
        >>> import torch
        >>> from zoo.models import Gallery, JudgedImages
        >>> x = torch.rand(4, 1, 4, 4)
        >>> seen = JudgedImages(x, None, x.flatten(1), None)
        >>> gallery = Gallery("pixels", seen, seen, seen, seen, (255 * x).byte())
        >>> (gallery.samples.features - gallery.real.features).norm().item()
        0.0
    """

    judge: str
    """Name of the judge."""
    real: JudgedImages
    """The pictures of the split that is evaluated."""
    other: JudgedImages
    """Training pictures; their distance from the real ones is the floor for samples, though reconstructions may be
    nearer."""
    reconstructions: JudgedImages
    """Reconstructions of the real pictures, in the same order."""
    samples: JudgedImages
    """Samples."""
    train: Tensor
    """All training pictures, uint8 (M, C, H, W)."""
    mixed: MixedImages | None = None
    """Pictures of two classes; None unless the prior is conditional and the judge predicts its 2 to 20 classes."""
    edited: EditedImages | None = None
    """Edited pictures; None unless the prior is conditional and invertible."""
    guidance: float = 0.0
    """Guidance of the samples."""
    temperature: float = 1.0
    """Temperature of the samples."""

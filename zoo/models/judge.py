"""Judges: networks that look at real and made pictures alike, and were part of no training of what they judge."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from zoo.models.base import Classifier
from zoo.models.features import features


class Look(NamedTuple):
    """Features and class scores that a judge gives for pictures.

    Args:
        features: Features (N, D).
        scores: Log-probabilities (N, K) of the classes of the data; None if the judge does not know them.
    """

    features: Tensor
    """(N, D)"""
    scores: Tensor | None
    """Log-probabilities (N, K) of the classes of the data; None of a judge that does not know them."""


class Judge(nn.Module):
    """Base class of judges: networks that give features of pictures, and perhaps their classes.

    Example:
        >>> import torch
        >>> from zoo.models import Judge, Look
        >>> class Pixels(Judge):
        ...     def forward(self, x):
        ...         return Look(x.flatten(1), None)
        >>> tuple(Pixels()(torch.rand(2, 1, 4, 4)).features.shape)
        (2, 16)
    """

    def forward(self, x: Tensor) -> Look:
        """Compute the features and class scores of pictures.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            Features (N, D), and log-probabilities (N, K) or None.
        """
        raise NotImplementedError


class ByClassifier(Judge):
    """A classifier of the zoo as a judge: features are what its last linear layer is given."""

    def __init__(self, classifier: Classifier, *, knows: bool) -> None:
        super().__init__()
        self.classifier, self.knows = classifier, knows

    def forward(self, x: Tensor) -> Look:
        """Compute the features and class scores of pictures (N, C, H, W) with values 0..1."""
        found = features(self.classifier, x)
        return Look(found.vector, found.scores.float().log_softmax(1) if self.knows else None)

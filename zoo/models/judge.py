"""Judges: networks that look at real and made pictures alike, and were part of no training of what they judge."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from zoo.models.base import Classifier
from zoo.models.features import features


class Look(NamedTuple):
    """What a judge sees in pictures."""

    features: Tensor
    """(N, D)"""
    scores: Tensor | None
    """Log-probabilities (N, K) of the classes of the data; None of a judge that does not know them."""


class Judge(nn.Module):
    """Sees features in pictures, and perhaps their classes."""

    def forward(self, x: Tensor) -> Look:
        """Look at pictures with values 0..1, (N, C, H, W)."""
        raise NotImplementedError


class ByClassifier(Judge):
    """A classifier of the zoo as a judge: features are what its last linear layer is given."""

    def __init__(self, classifier: Classifier, *, knows: bool) -> None:
        super().__init__()
        self.classifier, self.knows = classifier, knows

    def forward(self, x: Tensor) -> Look:
        found = features(self.classifier, x)
        return Look(found.vector, found.scores.float().log_softmax(1) if self.knows else None)

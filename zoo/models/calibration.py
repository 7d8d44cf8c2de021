"""A temperature that makes a classifier as sure as it is right (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

import math

from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.types import Batch, DataInfo, Losses
from zoo.models.base import Classifier, Model

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100.0
HALVINGS = 60
"""Times that the interval of temperatures is halved, to the precision of a float."""


class Calibrated(Classifier):
    """A classifier whose scores are divided by a temperature; its most probable classes stay the same."""

    def __init__(self, model: Classifier, temperature: float) -> None:
        super().__init__(DataInfo.of((1, 1, 1), model.classes))
        self.model, self.temperature = model, temperature
        self.eval()

    @property
    def averaging(self) -> str:
        """Name what the classifier itself averages over."""
        return self.model.averaging

    def forward(self, x: Tensor) -> Tensor:
        """Compute the scores (N, K) of pictures (N, C, H, W) with values 0..1."""
        scores: Tensor = self.model(x)
        return scores.float() / self.temperature

    def metrics(self, batch: Batch) -> Losses:
        """Compute loss and accuracy of the calibrated scores, and the other figures of the classifier itself."""
        own = self.model.metrics(batch) if has_own_metrics(self.model) else {}
        return own | super().metrics(batch)

    def prepare_export(self) -> None:
        """Prepare the classifier itself."""
        self.model.prepare_export()


def has_own_metrics(model: Classifier) -> bool:
    """Return whether a classifier has other figures than loss and accuracy, which follow from its scores."""
    inner = model.model if isinstance(model, Calibrated) else model
    return type(inner).metrics is not Classifier.metrics


def with_temperature(model: Model, temperature: float | None) -> Model:
    """Return a classifier whose scores are divided by a temperature; the model itself without one, and others."""
    return Calibrated(model, temperature) if temperature is not None and isinstance(model, Classifier) else model


def fit_temperature(scores: Tensor, labels: Tensor) -> float:
    """Find the temperature with the least cross-entropy.

    The cross-entropy is convex in the inverse of the temperature, so the sign of its slope says on which side the least
    one lies.

    Args:
        scores: Log-probabilities (N, K), or unnormalised ones.
        labels: The true classes, int64 (N,).

    Returns:
        The temperature by which scores are to be divided, over 1 for a classifier that is too sure.

    Raises:
        ZooError: If there is none, since all pictures are right or the scores say nothing.

    Example:
        >>> import torch
        >>> from zoo.models.calibration import fit_temperature
        >>> sure = torch.tensor([[0.9, 0.1]]).log().expand(10, 2)
        >>> round(fit_temperature(sure, torch.tensor([0] * 6 + [1] * 4)), 3)
        5.419
    """
    exact = scores.double()
    right = exact.gather(1, labels[:, None]).mean()

    def too_sure(inverse: float) -> bool:
        return bool(((exact * inverse).softmax(1) * exact).sum(1).mean() > right)

    low, high = math.log(1 / MAX_TEMPERATURE), math.log(1 / MIN_TEMPERATURE)
    if not too_sure(math.exp(high)):
        raise ZooError("no temperature can be fitted: nearly all pictures are right", "use more or harder pictures")
    if too_sure(math.exp(low)):
        raise ZooError("no temperature can be fitted: the classifier is no better than chance", "train it longer")
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if too_sure(math.exp(middle)) else (middle, high)
    return math.exp(-(low + high) / 2)

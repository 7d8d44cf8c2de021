"""Distillation: a classifier learns from the class probabilities of a trained one (Hinton et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.models.base import Classifier, Model


@dataclass(frozen=True, eq=False)
class Distillation:
    """The loss of Hinton et al. 2015, arXiv:1503.02531: soft targets by a frozen teacher, beside the labels."""

    teacher: Classifier
    """The trained classifier, in eval mode on the device; it is no part of the model that learns from it."""
    temperature: float
    weight: float
    """Share of the soft targets in the loss; the rest is that of the labels."""

    def __call__(self, x: Tensor, scores: Tensor, loss: Tensor) -> Tensor:
        """Mix a loss with the divergence from the teacher's probabilities, both softened by the temperature.

        Args:
            x: Augmented pictures (N, C, H, W) with values 0..1, which the teacher sees too.
            scores: Unnormalised log-probabilities (N, K) of the model that learns.
            loss: Its loss on the labels.

        Returns:
            The mean over the batch; the square of the temperature keeps gradients of both parts alike in size.
        """
        with torch.no_grad():
            targets = (self.teacher(x).float() / self.temperature).log_softmax(1)
        softened = (scores / self.temperature).log_softmax(1)
        soft = F.kl_div(softened, targets, reduction="batchmean", log_target=True) * self.temperature**2
        return (1 - self.weight) * loss + self.weight * soft


def teacher_of(model: Model) -> Classifier | None:
    """Return the classifier from which a model learns, if there is one."""
    distillation = model.distillation if isinstance(model, Classifier) else None
    return distillation.teacher if isinstance(distillation, Distillation) else None

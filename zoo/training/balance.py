"""Class balance of a training (`train.balance`), and the macro figures that show it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.sections import TrainSpec
from zoo.core.types import Batch
from zoo.data.balance import class_counts
from zoo.data.dataset import Pictures
from zoo.data.loader import batches
from zoo.models.base import Classifier, Model
from zoo.models.metrics import autocast_context
from zoo.training.probe import losses_call

MACRO_FIGURES = ("macro_accuracy", "macro_f1")


def balance_loss(model: Model, spec: TrainSpec, train: Pictures) -> None:
    """Let a classifier's loss make up for rare classes, if the options say so.

    Args:
        model: The model.
        spec: The options.
        train: The training pictures.

    Raises:
        ZooError: If the model has a loss of its own, which does not know of classes.
    """
    if spec.balance in (None, "sampler"):
        return
    some = next(batches(train.subset(torch.arange(min(2, len(train)))), 2))
    if not isinstance(model, Classifier) or not losses_call("balanced_loss", model, some):
        text = f"train.balance={spec.balance} has no effect on {type(model).__name__}, which has a loss of its own"
        raise ZooError(text, "set train.balance=sampler")
    counts = class_counts(train.y, len(model.classes))
    if spec.balance == "logit-adjustment":
        model.class_offsets = offsets(counts, spec.power).float()
    else:
        model.class_weights = weights(counts, spec.power).float()


def weights(counts: Tensor, power: float) -> Tensor:
    """Compute the weight of each class (K,): inverse to its pictures to a power, 1 on average over all pictures."""
    inverse = counts.pow(-power)
    return inverse * counts.sum() / (inverse * counts).sum()


def offsets(counts: Tensor, power: float) -> Tensor:
    """Compute what is added to the scores (K,): power x log share (Menon et al. 2021, arXiv:2007.07314)."""
    return power * (counts / counts.sum()).log()


@torch.inference_mode()
def macro_figures(model: Classifier, source: Iterable[Batch], autocast: torch.dtype | None) -> dict[str, float]:
    """Compute the mean recall of the classes that occur, and the mean F1 of those that occur or are predicted."""
    counts = torch.zeros(3, len(model.classes), dtype=torch.int64)
    for batch in source:
        with autocast_context(batch.x.device, autocast):
            predicted = model(batch.x).argmax(1)
        parts = (batch.y[predicted == batch.y], batch.y, predicted)
        counts = counts.to(batch.y.device) + torch.stack([torch.bincount(y, minlength=counts.shape[1]) for y in parts])
    right, true, predicted = counts.cpu().double()
    recall, f1 = right / true, 2 * right / (true + predicted)
    return dict(zip(MACRO_FIGURES, (part[~part.isnan()].mean().item() for part in (recall, f1)), strict=True))

"""The validation figure that chooses the kept epoch (`train.monitor`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch

from zoo.core.errors import JobError, ZooError, did_you_mean
from zoo.core.figures import check_goal, score_of
from zoo.core.sections import StageSpec, TrainSpec
from zoo.data.dataset import Pictures
from zoo.data.loader import batches
from zoo.models.base import Classifier, Model
from zoo.models.metrics import mean_metrics
from zoo.training.balance import MACRO_FIGURES
from zoo.training.device import preserve_random_state


def epoch_score(spec: StageSpec, valid: Mapping[str, float], epoch: int) -> float:
    """Return the score of an epoch, lower is better; without a figure each epoch is better than the one before.

    Raises JobError if the loss or the figure is not finite.
    """
    for name in ("loss", spec.monitor or "loss"):
        if not math.isfinite(valid.get(name, 0.0)):
            raise JobError(f"the validation {name} is not finite in epoch {epoch + 1}", "lower train.lr")
    figure = spec.monitor or "loss"
    return score_of(figure, valid[figure], spec.goal or "auto") if figure in valid else -epoch


def check_monitor(model: Model, stages: Iterable[str], spec: TrainSpec, valid: Pictures, device: torch.device) -> None:
    """Raise ZooError if a stage monitors a figure that the validation will not have."""
    specs = [spec.stage(stage) for stage in stages]
    figures = {each.monitor for each in specs if each.monitor}
    used = "train.monitor" if figures else "train.patience" if any(each.patience for each in specs) else ""
    if used and not len(valid):
        raise ZooError(f"{used} has no effect without validation pictures", "leave it out, or set data.valid")
    if not figures:
        return
    with preserve_random_state(device):
        model.to(device).eval()
        found = set(mean_metrics(model, batches(valid.subset(torch.arange(min(2, len(valid)))), 2, device)))
    known = sorted(found | set(MACRO_FIGURES if isinstance(model, Classifier) else ()))
    if missing := sorted(figures - set(known)):
        raise ZooError(f"train.monitor: there is no validation figure {missing[0]!r}", did_you_mean(missing[0], known))
    for each in specs:
        if each.monitor:
            check_goal("train.monitor", each.monitor, each.goal or "auto", "set train.goal=min or max")

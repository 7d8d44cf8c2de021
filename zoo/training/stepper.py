"""Optimise one stage: the training step, with its optimisers, schedule and weight average."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import nn

from zoo.core.errors import JobError, ZooError
from zoo.core.sections import StageSpec
from zoo.core.tensor_files import Tensors
from zoo.core.types import Batch
from zoo.models.base import Model, Stage
from zoo.models.metrics import autocast_context
from zoo.training.ema import make_average
from zoo.training.optim import Optimizers
from zoo.training.progressive import resize, size_at
from zoo.training.scaler import LossScaler
from zoo.training.schedule import Schedule


class Stepper:
    """Optimisers, schedule and weight average of a stage, and the losses of the epoch so far.

    Only parameters in `trainable` are trained, since a model may freeze some of its parameters when it is built. Those
    in `loaded`, which were taken from a run, may have another learning rate.
    """

    def __init__(
        self,
        model: Model,
        stage: Stage,
        spec: StageSpec,
        steps: int,
        autocast: torch.dtype | None,
        memory_format: torch.memory_format,
        trainable: Collection[nn.Parameter],
        loaded: Collection[nn.Parameter] = (),
    ) -> None:
        if spec.lookahead is not None and spec.lookahead > steps:
            text = f"train.lookahead={spec.lookahead} is more than the {steps} steps of the training"
            raise ZooError(text, "its weights would never be kept; set it to 5, for example")
        model.eval().requires_grad_(False)
        own = {id(parameter) for parameter in trainable}
        for parameter in stage.module.parameters():
            parameter.requires_grad_(id(parameter) in own)
        self.stage, self.spec, self.autocast, self.memory_format = stage, spec, autocast, memory_format
        self.clipped = [parameter for parameter in stage.module.parameters() if parameter.requires_grad]
        self.optimizers = Optimizers(stage.module, spec, loaded)
        self.schedule = Schedule(spec, steps)
        self.average = make_average(model, spec)
        self.scaler: LossScaler | None = None
        if autocast == torch.float16 and self.clipped:
            self.scaler = LossScaler(self.clipped[0].device)
            self.optimizers.prepare_to_skip()
        self.sums: Tensors = {}

    def step(self, batch: Batch, number: int) -> None:
        """Train on a batch, as step `number` of the stage, without waiting for the device."""
        parts = split_batch(batch, self.spec.accumulate or 1)
        sums = dict(self.sums)
        for part in parts:
            self.backward(part, len(part.y) / len(batch.y), number, sums)
        overflow = self.scaler.unscale(self.clipped) if self.scaler else None
        if self.spec.clip:
            torch.nn.utils.clip_grad_norm_(self.clipped, self.spec.clip)
        self.optimizers.step(self.schedule.factor(number), overflow)
        self.optimizers.zero_grad()
        if self.average:
            self.average.update(number, self.schedule.done(number))
        self.sums = sums

    def backward(self, part: Batch, share: float, number: int, sums: Tensors) -> None:
        """Add the gradients and losses of a share of the step's batch."""
        x, done = part.x, self.schedule.done(number)
        if self.spec.initial_scale is not None:
            x = resize(x, size_at(self.spec, (x.shape[2], x.shape[3]), done))
        x = x.contiguous(memory_format=self.memory_format) if x.ndim == 4 else x
        with autocast_context(x.device, self.autocast):
            losses = self.stage.losses(part._replace(x=x, done=done))
        values = [value.float() for value in losses.values()]
        total = values[0] if len(values) == 1 else torch.stack(values).sum()
        total = total if share == 1 else total * share
        (total * self.scaler.scale if self.scaler else total).backward()  # type: ignore[no-untyped-call]
        for name, value in losses.items():
            loss = value.detach().float()
            loss = loss if share == 1 else loss * share
            sums[name] = sums[name] + loss if name in sums else loss

    def check(self, epoch: int, step: int) -> None:
        """Raise JobError if a loss of this epoch was infinite or not a number."""
        bad = [name for name, value in self.sums.items() if not math.isfinite(value.item())]
        if bad:
            advice = f"lower train.lr (now {self.spec.lr:g}), or set train.clip=1 or train.precision=float32"
            raise JobError(f"the {bad[0]} is not finite in epoch {epoch + 1}, at step {step} or before", advice)
        if self.scaler:
            self.scaler.check()

    def losses(self, steps: int) -> dict[str, float]:
        """Return the mean losses of the epoch, and start a new sum."""
        found = {name: value.item() / steps for name, value in self.sums.items()}
        self.sums = {}
        return found

    def state(self) -> dict[str, Tensors]:
        """Return all tensors to save, by group."""
        average = self.average.state() if self.average else {}
        groups = {"optimizer": self.optimizers.state(), "average": average, "sums": self.sums}
        return groups | ({"scaler": self.scaler.state()} if self.scaler else {})

    def load(self, groups: dict[str, Tensors], device: torch.device) -> None:
        """Restore the tensors that `state` returned."""
        self.optimizers.load(groups.get("optimizer", {}))
        if self.average:
            self.average.load(groups["average"])
        if self.scaler and "scaler" in groups:  # not if the training was saved in another precision
            self.scaler.load(groups["scaler"])
        self.sums = {name: value.to(device, copy=True) for name, value in groups.get("sums", {}).items()}


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Split a batch into parts of nearly the same size; fewer if there are not as many pictures."""
    if parts == 1:
        return [batch]
    targets, texts = (
        [None] * parts if each is None else each.tensor_split(parts) for each in (batch.targets, batch.texts)
    )
    split = zip(batch.x.tensor_split(parts), batch.y.tensor_split(parts), targets, texts, strict=True)
    return [Batch(x, y, batch.done, shares, index) for x, y, shares, index in split if len(y)]

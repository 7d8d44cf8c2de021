"""The protocol that one trainer drives: batches, stages, models, and what every classifier shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core.errors import one_line
from zoo.core.types import Batch, DataInfo, Losses

MIN_STD = 1e-3
"""A channel that hardly varies is not blown up beyond this standard deviation."""
_saved_follow: ContextVar[bool] = ContextVar("saved_follow", default=False)


@contextmanager
def saved_weights_follow() -> Iterator[None]:
    """Models built within the block are filled with saved weights next."""
    token = _saved_follow.set(True)
    try:
        yield
    finally:
        _saved_follow.reset(token)


def wants_pretrained() -> bool:
    """Whether a `build` should fetch pretrained weights: not where saved ones would replace them at once."""
    return not _saved_follow.get()


class Stage(NamedTuple):
    """One optimisation: `module` learns from the sum of `losses`; the rest is frozen, in eval mode."""

    name: str
    module: nn.Module
    losses: Callable[[Batch], Losses]


class Model(nn.Module):
    """All that the trainer needs."""

    def losses(self, batch: Batch) -> Losses:
        """Named, already weighted scalars; the trainer minimises their sum."""
        raise NotImplementedError

    def metrics(self, batch: Batch) -> Losses:
        """Named scalars, means over the batch, that evaluation averages over a split; `loss` is the one to watch."""
        losses = self.losses(batch)
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    def stages(self) -> list[Stage]:
        """The optimisations in their order; by default one, of everything."""
        return [Stage("model", self, self.losses)]

    @property
    def teacher(self) -> str:
        """The entry of the registry whose classifier, trained on the same pictures, this model learns from, if any."""
        return ""

    def learn_from(self, teacher: Classifier) -> None:
        """Take the trained teacher, in eval mode on the device; called before a training of a model that names one."""

    def accelerate(self, autocast: torch.dtype | None) -> str:
        """Make training steps faster without changing a parameter's name or meaning; returns a note of what runs.

        Called at most once, on the device, where the work is worth it. By default the module is compiled in place, if
        a compiler works here.
        """
        parameter = next(self.parameters(), None)
        if reason := why_not_compiled(parameter.device.type if parameter is not None else "cpu"):
            return f"eager ({reason})"
        self.compile(dynamic=False)
        return "torch.compile"


@cache
def why_not_compiled(device: str) -> str:
    """Why torch.compile does not work on a kind of device, found out by trying; an empty string if it does."""
    try:
        torch.compile(lambda x: -x)(torch.ones(4, device=device))
    except Exception as error:  # whatever is missing or broken, training goes on without
        return (one_line(str(error)) or type(error).__name__)[:120]
    return ""


class Classifier(Model):
    """A model that gives each picture a score per class."""

    mean: Tensor
    std: Tensor

    def __init__(self, info: DataInfo, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.classes = info.classes
        self.label_smoothing = label_smoothing
        std = [max(value, MIN_STD) for value in info.std]
        self.register_buffer("mean", torch.tensor(info.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    @property
    def averaging(self) -> str:
        """How predictions are averaged at test time, or an empty string."""
        return ""

    def logits(self, x: Tensor) -> Tensor:
        """Standardised pictures (N, C, H, W) to unnormalised log-probabilities (N, K)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Pictures with values 0..1, (N, C, H, W), to unnormalised log-probabilities (N, K)."""
        return self.logits((x - self.mean) / self.std)

    def losses(self, batch: Batch) -> Losses:
        """Cross-entropy in nats, with label smoothing (Szegedy et al. 2016, arXiv:1512.00567)."""
        return {"loss": F.cross_entropy(self(batch.x).float(), batch.y, label_smoothing=self.label_smoothing)}

    def metrics(self, batch: Batch) -> Losses:
        """Cross-entropy in nats without smoothing, and the share of pictures whose best class is right."""
        scores = self(batch.x).float()
        right = (scores.argmax(1) == batch.y).float().mean()
        return {"loss": F.cross_entropy(scores, batch.y), "accuracy": right}

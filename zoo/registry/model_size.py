"""Parameters and FLOPs of an entry, counted on the meta device before a weight is allocated."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from zoo.core.errors import MissingError
from zoo.core.types import Batch, DataInfo
from zoo.models.base import Model
from zoo.registry.build import build_model
from zoo.registry.entry import Entry


class Count(NamedTuple):
    """The size of a model."""

    parameters: int
    """Numbers that are learnt."""
    flops: int | None
    """Floating-point operations of a forward pass for one picture, or None where they cannot be counted."""


def count_size(entry: Entry, info: DataInfo) -> Count:
    """Parameters and FLOPs (a multiplication and an addition are two), without allocating weights where it can be.

    A model that cannot be built on the meta device is built as it is, and its FLOPs are not counted.
    """
    model, on_meta = build_on_meta(entry, info)
    return Count(learnt_parameters(model), forward_flops(model, info) if on_meta else None)


def count_parameters(entry: Entry, info: DataInfo) -> int:
    """How many numbers the model of an entry learns, without allocating weights where it can be."""
    model, _ = build_on_meta(entry, info)
    return learnt_parameters(model)


def build_on_meta(entry: Entry, info: DataInfo) -> tuple[Model, bool]:
    """The model on the meta device, or as it is where it cannot be built there; whether it is on the meta device."""
    try:
        with torch.device("meta"):
            return build_model(entry, info).eval(), True
    except (MissingError, RuntimeError, NotImplementedError):
        with torch.random.fork_rng():
            return build_model(entry, info).eval(), False


def learnt_parameters(model: Model) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def forward_flops(model: Model, info: DataInfo) -> int | None:
    """Floating-point operations of `metrics` for one picture, by torch's counter, on the meta device."""
    with torch.no_grad():
        return count_flops(lambda: model.metrics(meta_batch(info, 1)))


def meta_batch(info: DataInfo, size: int) -> Batch:
    """Pictures and labels that have shapes alone."""
    return Batch(torch.rand((size, *info.shape), device="meta"), torch.zeros(size, dtype=torch.int64, device="meta"))


def count_flops(work: Callable[[], object]) -> int | None:
    """The floating-point operations of some work, by torch's counter; None where the meta device cannot do it."""
    try:
        with FlopCounterMode(display=False) as counter:
            work()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return None
    return int(counter.get_total_flops())

"""An entry becomes pictures and a model; counting both on the meta device, before a weight is allocated."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from zoo.data import Splits, split
from zoo.dataspec import DataSpec
from zoo.entry import Chosen, Entry
from zoo.errors import ZooError
from zoo.kinds import DataInfo
from zoo.model import Batch, Model


class Count(NamedTuple):
    """The size of a model."""

    parameters: int
    """Numbers that are learnt."""
    flops: int | None
    """Floating-point operations of a forward pass for one picture, or None where they cannot be counted."""


def build_data(chosen: Chosen) -> tuple[Splits, tuple[tuple[str, str], ...]]:
    """The splits, and the files that could not be read with the reason."""
    loaded = chosen.kind.load(chosen.spec)
    if not isinstance(chosen.spec, DataSpec):
        raise ZooError(f"the spec of data kind {chosen.name!r} is not a zoo.DataSpec", f"tell {chosen.plugin}")
    return split(loaded, chosen.spec), loaded.skipped


def build_model(entry: Entry, info: DataInfo) -> Model:
    """A model with fresh weights drawn from torch's generator."""
    model = entry.model_kind.build(entry.model.spec, info)
    if not isinstance(model, Model):
        raise ZooError(f"model kind {entry.model.name!r} builds a {type(model).__name__}", f"tell {entry.model.plugin}")
    return model


def count(entry: Entry, info: DataInfo) -> Count:
    """Parameters and FLOPs (a multiplication and an addition are two), without allocating weights."""
    with torch.device("meta"):
        model = build_model(entry, info).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Count(parameters, flops(model, info))


def flops(model: Model, info: DataInfo) -> int | None:
    """Floating-point operations of `metrics` for one picture, by torch's counter, on the meta device."""
    batch = Batch(torch.rand((1, *info.shape), device="meta"), torch.zeros(1, dtype=torch.int64, device="meta"))
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.metrics(batch)
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return None
    return int(counter.get_total_flops())

"""An entry becomes pictures and a model; counting both on the meta device, before a weight is allocated."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from zoo.core.errors import MissingError, ZooError
from zoo.core.sections import DataSpec
from zoo.core.types import Batch, DataInfo
from zoo.data.dataset import Splits
from zoo.data.split import split
from zoo.models.base import Model
from zoo.models.latent import Generator, LatentModel
from zoo.models.text import TextEncoder
from zoo.registry.blame import plugin_errors
from zoo.registry.entry import Component, Entry


class Count(NamedTuple):
    """The size of a model."""

    parameters: int
    """Numbers that are learnt."""
    flops: int | None
    """Floating-point operations of a forward pass for one picture, or None where they cannot be counted."""


def build_data(chosen: Component) -> tuple[Splits, tuple[tuple[str, str], ...]]:
    """The splits, and the files that could not be read with the reason."""
    with plugin_errors(chosen, "load"):
        loaded = chosen.kind.load(chosen.spec)
    assert isinstance(chosen.spec, DataSpec), "discovery lets no other data kind in"
    return split(loaded, chosen.spec), loaded.skipped


def data_info(chosen: Component) -> DataInfo:
    """What the pictures are like, without decoding all of them where that is possible."""
    with plugin_errors(chosen, "look at"):
        return chosen.kind.info(chosen.spec)  # type: ignore[no-any-return]


def build_model(entry: Entry, info: DataInfo) -> Model:
    """A model with fresh weights drawn from torch's generator."""
    with plugin_errors(entry.model, "build"):
        model = entry.model_kind.build(entry.model.spec, info)
    if entry.prior and isinstance(model, LatentModel):
        text = build_text(entry.text, info)
        code = model.code._replace(condition=text.size if text else 0)
        with plugin_errors(entry.prior, "build"):
            return Generator(model, entry.prior.kind.build(entry.prior.spec, code), info, text)
    if not isinstance(model, Model):
        raise ZooError(f"model kind {entry.model.name!r} builds a {type(model).__name__}", f"tell {entry.model.plugin}")
    return model


def build_text(chosen: Component | None, info: DataInfo) -> TextEncoder | None:
    """The text encoder that an entry has, if any."""
    if chosen is None:
        return None
    with plugin_errors(chosen, "build"):
        return chosen.kind.build(chosen.spec, info)  # type: ignore[no-any-return]


def count(entry: Entry, info: DataInfo) -> Count:
    """Parameters and FLOPs (a multiplication and an addition are two), without allocating weights where it can be.

    A model that cannot be built on the meta device is built as it is, and its FLOPs are not counted.
    """
    model, on_meta = meta_model(entry, info)
    return Count(parameters_of(model), flops(model, info) if on_meta else None)


def parameters(entry: Entry, info: DataInfo) -> int:
    """How many numbers the model of an entry learns, without allocating weights where it can be."""
    model, _ = meta_model(entry, info)
    return parameters_of(model)


def meta_model(entry: Entry, info: DataInfo) -> tuple[Model, bool]:
    """The model on the meta device, or as it is where it cannot be built there; whether it is on the meta device."""
    try:
        with torch.device("meta"):
            return build_model(entry, info).eval(), True
    except (MissingError, RuntimeError, NotImplementedError):
        with torch.random.fork_rng():
            return build_model(entry, info).eval(), False


def parameters_of(model: Model) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def flops(model: Model, info: DataInfo) -> int | None:
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

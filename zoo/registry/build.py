"""An entry becomes pictures and a model; counting both on the meta device, before a weight is allocated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from zoo.data import Splits, split
from zoo.dataspec import DataSpec
from zoo.discovery.blocking import OWN
from zoo.entry import Chosen, Entry
from zoo.errors import MissingError, ZooError, memory_error
from zoo.kinds import DataInfo
from zoo.latent import Generator, LatentModel
from zoo.model import Batch, Model
from zoo.text import TextEncoder


class Count(NamedTuple):
    """The size of a model."""

    parameters: int
    """Numbers that are learnt."""
    flops: int | None
    """Floating-point operations of a forward pass for one picture, or None where they cannot be counted."""


def build_data(chosen: Chosen) -> tuple[Splits, tuple[tuple[str, str], ...]]:
    """The splits, and the files that could not be read with the reason."""
    with calling(chosen, "load"):
        loaded = chosen.kind.load(chosen.spec)
    assert isinstance(chosen.spec, DataSpec), "discovery lets no other data kind in"
    return split(loaded, chosen.spec), loaded.skipped


def data_info(chosen: Chosen) -> DataInfo:
    """What the pictures are like, without decoding all of them where that is possible."""
    with calling(chosen, "look at"):
        return chosen.kind.info(chosen.spec)  # type: ignore[no-any-return]


@contextmanager
def calling(chosen: Chosen, what: str) -> Iterator[None]:
    """Within the block a plugin's own code runs; what it raises becomes one line that names it."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if short := memory_error(error):
            raise short from error
        if chosen.plugin.distribution == OWN:
            raise
        text = f"{chosen.plugin} cannot {what} {chosen.name!r}: {type(error).__name__}: {error}"
        raise MissingError(text, "tell its authors; --traceback shows where") from error


@contextmanager
def blaming(entry: Entry, what: str) -> Iterator[None]:
    """Within the block a model is at work; of one that is not the zoo's own, what it raises names its plugin."""
    try:
        yield
    except (ZooError, OSError):
        raise
    except Exception as error:
        strangers = [chosen for chosen in entry.kinds() if chosen.plugin.distribution != OWN]
        if not strangers or memory_error(error):
            raise
        places = {chosen: place_in(chosen.plugin.location, error) for chosen in strangers}
        chosen = next((chosen for chosen, place in places.items() if place), strangers[0])
        text = f"{chosen.plugin} fails in {what}: {type(error).__name__}: {error}"[:400]
        advice = f"`zoo check {chosen.plugin.name}` tries its rules, --traceback shows where"
        raise MissingError(f"{text}{places[chosen]}", advice) from error


def place_in(location: str, error: BaseException) -> str:
    """` (file.py:12)`, the last line below a location that an error came by; empty where there is none."""
    frames = extract_tb(error.__traceback__)
    inside = [frame for frame in frames if location and Path(frame.filename).is_relative_to(location)]
    return f" ({Path(inside[-1].filename).name}:{inside[-1].lineno})" if inside else ""


def build_model(entry: Entry, info: DataInfo) -> Model:
    """A model with fresh weights drawn from torch's generator."""
    with calling(entry.model, "build"):
        model = entry.model_kind.build(entry.model.spec, info)
    if entry.prior and isinstance(model, LatentModel):
        text = build_text(entry.text, info)
        code = model.code._replace(condition=text.size if text else 0)
        with calling(entry.prior, "build"):
            return Generator(model, entry.prior.kind.build(entry.prior.spec, code), info, text)
    if not isinstance(model, Model):
        raise ZooError(f"model kind {entry.model.name!r} builds a {type(model).__name__}", f"tell {entry.model.plugin}")
    return model


def build_text(chosen: Chosen | None, info: DataInfo) -> TextEncoder | None:
    """The text encoder that an entry has, if any."""
    if chosen is None:
        return None
    with calling(chosen, "build"):
        return chosen.kind.build(chosen.spec, info)  # type: ignore[no-any-return]


def count(entry: Entry, info: DataInfo) -> Count:
    """Parameters and FLOPs (a multiplication and an addition are two), without allocating weights where it can be.

    A model that cannot be built on the meta device is built as it is, and its FLOPs are not counted.
    """
    model, on_meta = sketched(entry, info)
    return Count(parameters_of(model), flops(model, info) if on_meta else None)


def parameters(entry: Entry, info: DataInfo) -> int:
    """How many numbers the model of an entry learns, without allocating weights where it can be."""
    model, _ = sketched(entry, info)
    return parameters_of(model)


def sketched(entry: Entry, info: DataInfo) -> tuple[Model, bool]:
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
        return counted(lambda: model.metrics(meta_batch(info, 1)))


def meta_batch(info: DataInfo, size: int) -> Batch:
    """Pictures and labels that have shapes alone."""
    return Batch(torch.rand((size, *info.shape), device="meta"), torch.zeros(size, dtype=torch.int64, device="meta"))


def counted(work: Callable[[], object]) -> int | None:
    """The floating-point operations of some work, by torch's counter; None where the meta device cannot do it."""
    try:
        with FlopCounterMode(display=False) as counter:
            work()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return None
    return int(counter.get_total_flops())

"""Parameters and FLOPs of an entry, counted on the meta device without allocating weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from zoo.core.errors import DataError, MissingError
from zoo.core.types import Batch, DataInfo
from zoo.models.base import Classifier, Model, in_eval_mode
from zoo.registry.build import build_model
from zoo.registry.entry import Entry
from zoo.registry.stages import check_stages

PROBED = 2
"""Pictures of which the scores are counted."""


class Count(NamedTuple):
    """The size of a model."""

    parameters: int
    """Number of parameters."""
    flops: int | None
    """Floating-point operations of a forward pass for one picture; None if they cannot be counted."""
    classifier: bool
    """Whether the model is a classifier."""
    checked: bool
    """Whether it is certain that the model fits the classes; if not, `check_classes` tells once weights are there."""
    takes_smaller_pictures: bool = False
    """Whether the model also learns from pictures smaller than those it is built for."""


def count_size(entry: Entry, info: DataInfo) -> Count:
    """Count parameters and FLOPs (a multiply-add is two), without allocating weights if possible.

    A model that cannot be built on the meta device is built on the CPU, and its FLOPs are not counted. A model that
    does not fit the classes is refused, as `check_classes` does.
    """
    model, on_meta = build_on_meta(entry, info)
    return size_of(entry, model, info, on_meta)


def measure_entry(entry: Entry, info: DataInfo, searched: Iterable[str] = ()) -> Count:
    """Count parameters and FLOPs.

    Raises ZooError if options of a stage are set or searched that the model does not have.
    """
    model, on_meta = build_on_meta(entry, info)
    check_stages(entry.train, model, searched)
    return size_of(entry, model, info, on_meta)


def size_of(entry: Entry, model: Model, info: DataInfo, on_meta: bool) -> Count:
    """Count the size of a model that was built, and check that it fits the classes."""
    checked = check_classes(entry, model, info)
    flops = forward_flops(model, info) if on_meta else None
    return Count(parameter_count(model), flops, isinstance(model, Classifier), checked, model.takes_smaller_pictures)


def count_parameters(entry: Entry, info: DataInfo) -> int:
    """Count the parameters of an entry's model, without allocating weights if possible."""
    model, _ = build_on_meta(entry, info)
    return parameter_count(model)


def build_on_meta(entry: Entry, info: DataInfo) -> tuple[Model, bool]:
    """Build the model on the meta device, or on the CPU if that fails.

    Also returns whether it is on the meta device.
    """
    try:
        with torch.device("meta"):
            return build_model(entry, info).eval(), True
    except (MissingError, RuntimeError, NotImplementedError):
        with torch.random.fork_rng(devices=[]):
            return build_model(entry, info).eval(), False


def check_classes(entry: Entry, model: Model, info: DataInfo) -> bool:
    """Raise an error if a model cannot be trained on the classes that there are.

    Returns whether that is certain: the meta device cannot run every model.

    Raises:
        DataError: If there is one class, and the model is a classifier or learns from one.
        MissingError: If a classifier gives another number of scores than there are classes.
    """
    if len(info.classes) < 2 and isinstance(model, Classifier):
        hint = "a classifier needs at least two, e.g. as PATH/CLASS/*.png, a generator such as vae only one"
        what = f"all pictures are of one class, {info.classes[0]!r}" if info.classes else "the pictures have no classes"
        if not info.classes and hasattr(entry.data.spec, "label"):
            hint = "a classifier needs at least two: set data.label"
        raise DataError(what, hint)
    if len(info.classes) < 2 and model.teacher:
        what = f"the classifier {model.teacher!r}, from which {entry.name} learns, needs at least two"
        found = "all pictures are of one class" if info.classes else "the pictures have no classes"
        raise DataError(f"{found}, but {what}", "choose an entry without a teacher, e.g. vae")
    if not isinstance(model, Classifier):
        return True
    shape = scores_shape(model, info)
    if shape is not None and shape != (PROBED, len(info.classes)):
        what = f"{shape[1]} scores" if shape[:1] == (PROBED,) and len(shape) == 2 else f"scores of shape {shape}"
        plugin, classes = entry.model.plugin, len(info.classes)
        raise MissingError(
            f"{plugin}: the model kind {entry.model.name!r} gives {what} for {classes} classes",
            f"report it to its authors; `zoo check {plugin.name}` checks its rules",
        )
    return shape is not None


def scores_shape(model: Classifier, info: DataInfo) -> tuple[int, ...] | None:
    """Compute the shape of the scores of PROBED pictures.

    Returns None if that fails, as it then will in training.
    """
    parameter = next(model.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), device, in_eval_mode(model):
            return tuple(model(torch.zeros((PROBED, *info.shape))).shape)
    except Exception:  # a plugin may raise any
        return None


def parameter_count(model: Model) -> int:
    """Count the parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def forward_flops(model: Model, info: DataInfo) -> int | None:
    """Count the floating-point operations of `metrics` for one picture, on the meta device."""
    with torch.no_grad():
        return count_flops(lambda: model.metrics(meta_batch(info, 1)))


def meta_batch(info: DataInfo, size: int) -> Batch:
    """Make a batch on the meta device, with shapes but no values."""
    y = torch.zeros(size, dtype=torch.int64, device="meta")
    return Batch(torch.rand((size, *info.shape), device="meta"), y, texts=y if info.words else None)


def count_flops(work: Callable[[], object]) -> int | None:
    """Count the FLOPs of a call; None if the meta device does not support it."""
    try:
        with FlopCounterMode(display=False) as counter:
            work()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return None
    return int(counter.get_total_flops())

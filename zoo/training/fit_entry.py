"""Choose the options of an entry that follow the pictures it is trained on."""

from __future__ import annotations

from collections.abc import Callable

from zoo.core.sections import PictureSpec
from zoo.core.spec import Spec
from zoo.core.types import DataInfo
from zoo.data.dataset import Splits
from zoo.registry.build import build_data
from zoo.registry.entry import Entry
from zoo.registry.model_size import Count, count_size
from zoo.training.fit_to_pictures import SMALL_SIDE, Fit, Workload, fit_to_pictures

Counter = Callable[[Entry, DataInfo], Count]
"""Counts the size of an entry's model."""


def fit_before_training(entry: Entry, count: Counter = count_size) -> Fit:
    """Read the pictures of an entry, and choose the options that follow them for several trainings alike."""
    if entry.typed is None:
        return Fit()
    splits, _ = build_data(entry.data)
    size = count(entry, splits.info)
    return fit_entry(entry, splits, size.flops, size.classifier, count)


def fit_entry(entry: Entry, splits: Splits, flops: int | None, classifier: bool, count: Counter = count_size) -> Fit:
    """Choose the options of an entry that follow the pictures; `flops` are those of a forward pass, if known."""
    if entry.typed is None:
        return Fit(pictures=len(splits.train))
    channels, height, width = splits.info.shape
    small = None
    if classifier and flops and height == width > SMALL_SIDE and may_resize(entry.data.spec):
        small = count(entry, splits.info._replace(shape=(channels, SMALL_SIDE, SMALL_SIDE))).flops
    return fit_to_pictures(entry, Workload(len(splits.train), height, flops, classifier, small))


def may_resize(spec: Spec) -> bool:
    """Return whether a data kind resizes pictures, but not to a given size."""
    return isinstance(spec, PictureSpec) and spec.size is None

"""Pictures that are ready for a training: read, split, and told from others by their fingerprints."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from zoo.core.splits import SPLITS
from zoo.core.types import Batch
from zoo.data.dataset import Splits
from zoo.registry.build import build_data
from zoo.registry.entry import Component
from zoo.registry.kinds import DataKind

SHOWN_PICTURES, SHOWN_VALUES = 1_000, 2**26
"""Training pictures from which a model may initialise weights, and the largest number of their values."""


class Prepared(NamedTuple):
    """Pictures that are ready for training."""

    splits: Splits
    skipped: tuple[tuple[str, str], ...]
    """Files that could not be read, with the reason."""
    fingerprints: dict[str, str]
    """SHA-256 of each split."""


def some_pictures(splits: Splits, most: int = SHOWN_PICTURES) -> Batch:
    """Select training pictures, spread evenly, from which a model may initialise weights; fewer if they are large."""
    count = len(splits.train)
    most = max(2, min(most, SHOWN_VALUES // splits.train.x[0].numel()))
    rows = torch.arange(0, count, max(1, -(-count // most)))
    some = splits.train.subset(rows)
    return Batch(some.floats, some.y, texts=None if some.texts is None else some.texts.first)


def prepare(data: Component[DataKind[Any]]) -> Prepared:
    """Read and split the pictures."""
    splits, skipped = build_data(data)
    return with_fingerprints(splits, skipped)


def with_fingerprints(splits: Splits, skipped: tuple[tuple[str, str], ...] = ()) -> Prepared:
    """Add the fingerprints to splits."""
    return Prepared(splits, skipped, {name: getattr(splits, name).fingerprint() for name in SPLITS})

"""Fit the fixed options of a study, and the range of its batch, to the pictures."""

from __future__ import annotations

from dataclasses import replace

from zoo.core.spec import Range
from zoo.registry.entry import Entry
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.space import Space
from zoo.training.fit_to_pictures import Fit

BELOW, ABOVE = 2, 4
"""The range of the batch reaches from this many times below the fitted batch to this many times above it."""


def fit_space(space: Space, fitted: Fit, entry: Entry) -> Space:
    """Return the search space with the range of the batch around the fitted one, unless it was typed."""
    if "train.batch" not in fitted.changed or any(name.startswith("tune.space") for name in entry.typed or ()):
        return space
    batch = int(fitted.changed["train.batch"][1])
    return replace(space, dimensions=tuple(narrow(dimension, batch) for dimension in space.dimensions))


def narrow(dimension: Dimension, batch: int) -> Dimension:
    """Return the dimension of the batch with a range around a batch; any other as it is."""
    mark = dimension.mark
    if dimension.path != "train.batch" or not isinstance(mark, Range):
        return dimension
    high = min(int(mark.high), batch * ABOVE)
    return replace(dimension, mark=replace(mark, low=max(2, min(int(mark.low), batch // BELOW)), high=high))


def describe_space(fitted: Fit, space: Space) -> str:
    """Say in one line what follows the pictures, with the range of the batch.

    Empty if nothing does.
    """
    text = fitted.describe()
    ranges = [dimension.describe() for dimension in space.dimensions if dimension.path == "train.batch"]
    batch = fitted.changed.get("train.batch")
    return text.replace(f"{batch[0]} -> {batch[1]}", f"searched in {ranges[0]}") if batch and ranges else text

"""Options of the metrics."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zoo import Spec


class NoOptions(Spec):
    """Nothing to choose."""


class CalibrationSpec(Spec):
    """Options of the calibration error."""

    bins: Annotated[int, Field(ge=1, le=1000)] = 15
    """Bins of equal width, of the probability of the predicted class."""


class BoundSpec(Spec):
    """Options of the importance-weighted bound."""

    draws: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Codes drawn for each picture."""
    pictures: Annotated[int, Field(ge=1)] = 500
    """Pictures at most, evenly spread over the split."""


class ManifoldSpec(Spec):
    """Options of the figures that look at nearest neighbours."""

    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """The neighbour that a ball around a picture reaches to, counted from the nearest."""

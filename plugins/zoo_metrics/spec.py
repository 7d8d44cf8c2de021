"""Options of the metrics."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zoo import Spec


class NoOptions(Spec):
    """Options of a metric that has none."""


class CalibrationSpec(Spec):
    """Options of the calibration error."""

    bins: Annotated[int, Field(ge=1, le=1000)] = 15
    """Number of equal-width bins for the probability of the predicted class."""


class BoundSpec(Spec):
    """Options of the importance-weighted bound."""

    draws: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Number of codes sampled per picture."""
    pictures: Annotated[int, Field(ge=1)] = 500
    """Maximum number of pictures, evenly spread over the split."""


class ManifoldSpec(Spec):
    """Options of the metrics based on nearest neighbours."""

    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """k: each picture's ball reaches to its k-th nearest neighbour."""

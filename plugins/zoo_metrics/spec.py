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
    """Number of bins for the probability of the predicted class, of equal width; in `reliability` of equal size."""


class IntervalsSpec(Spec):
    """Options of the confidence intervals."""

    resamples: Annotated[int, Field(ge=10, le=1_000_000)] = 1000
    """For macro F1: number of times that as many pictures are drawn with replacement."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence level of the intervals."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draws."""


class BoundSpec(Spec):
    """Options of the importance-weighted bound."""

    draws: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Number of codes sampled per picture."""
    pictures: Annotated[int, Field(ge=1)] = 500
    """Maximum number of pictures, evenly spread over the split."""


class RetrievalSpec(Spec):
    """Options of the retrieval of captions."""

    candidates: Annotated[int, Field(ge=2, le=1000)] = 10
    """Number of captions for each picture, its own among them."""
    pictures: Annotated[int, Field(ge=1)] = 200
    """Maximum number of pictures, evenly spread over the split."""


class ManifoldSpec(Spec):
    """Options of the metrics based on nearest neighbours."""

    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """k: each picture's ball reaches to its k-th nearest neighbour."""

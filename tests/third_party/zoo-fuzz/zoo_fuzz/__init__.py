"""How classifiers bear noise: a metric that shows the test pictures to the model once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from zoo import MetricKind, Spec, hookimpl

if TYPE_CHECKING:
    from zoo.registry import Outputs

ZOO_API = 1


class FuzzSpec(Spec):
    """Noise, and how much of it."""

    std: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Standard deviation of the noise, for pictures of values 0..1."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Chooses the noise."""


def compute(spec: FuzzSpec, found: Outputs) -> Mapping[str, Any] | None:
    """The figures of a classifier; None for any other model."""
    from zoo_fuzz.noise import under_noise

    return None if found.scores is None else under_noise(spec, found)


@hookimpl
def zoo_metrics() -> Iterable[MetricKind[Any]]:
    """The metric."""
    yield MetricKind("fuzz", FuzzSpec, compute, "accuracy of noisy pictures, and how many change their class")

"""Objectives, by which a study compares its trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from zoo.core.errors import JobError
from zoo.core.figures import is_better_higher
from zoo.core.sections import COMPUTED_OBJECTIVES, TuneSpec

Direction = Literal["minimize", "maximize"]


def directions(spec: TuneSpec) -> list[Direction]:
    """Return whether to minimize or maximize each of the study's objective values."""
    if spec.objective == "pareto":
        return ["minimize", "minimize"]
    if spec.objective in COMPUTED_OBJECTIVES:
        return ["maximize" if spec.objective == "efficiency" else "minimize"]
    return ["maximize" if is_better_higher(spec.objective, spec.goal) else "minimize"]


def objective_metric(spec: TuneSpec) -> str:
    """Return the validation metric from which the objective is computed."""
    return "loss" if spec.objective in COMPUTED_OBJECTIVES else spec.objective


def has_own_figure(spec: TuneSpec) -> bool:
    """Return whether the objective is a figure besides the loss and the number of parameters."""
    return spec.objective not in ("loss", "pareto", "fewest-parameters")


def objective_values(spec: TuneSpec, metrics: Mapping[str, float], parameters: int) -> list[float]:
    """Compute the objective values of a finished trial, one per direction.

    Raises JobError if the objective is undefined for the metric.
    """
    value = metrics[objective_metric(spec)]
    if spec.objective == "efficiency":
        if value <= 0:
            raise JobError(f"efficiency needs a loss above 0, got {value:g}", "use --objective pareto")
        return [1 / (value * parameters)]
    return {"pareto": [value, float(parameters)], "fewest-parameters": [float(parameters)]}.get(spec.objective, [value])


def constraints(spec: TuneSpec, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return by how much a finished trial violates each constraint.

    0 or less means that it is met.
    """
    return {} if spec.bound is None else {"loss": metrics["loss"] - spec.bound}

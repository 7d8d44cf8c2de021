"""Objectives: what a study compares its trials by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from zoo.errors import JobError, ZooError
from zoo.tuning.spec import SPECIAL, TuneSpec

if TYPE_CHECKING:
    from zoo.tuning.study import Trial

Direction = Literal["minimize", "maximize"]
HIGHER = ("accuracy", "f1", "psnr", "ssim", "precision", "recall", "coverage", "density", "auc")
"""Parts of the names of figures that are better when higher."""


def check(spec: TuneSpec) -> None:
    """Raise ZooError where the options of an objective do not fit together."""
    if spec.objective == "fewest-parameters" and spec.bound is None:
        raise ZooError("fewest-parameters needs the largest acceptable validation loss", "as in --bound 0.6")
    if spec.objective != "fewest-parameters" and spec.bound is not None:
        raise ZooError(f"a bound means nothing to the objective {spec.objective}", "use --objective fewest-parameters")


def directions(spec: TuneSpec) -> list[Direction]:
    """Whether each of the study's values is better lower or higher."""
    if spec.objective == "pareto":
        return ["minimize", "minimize"]
    if spec.objective in SPECIAL:
        return ["maximize" if spec.objective == "efficiency" else "minimize"]
    higher = any(word in spec.objective.lower() for word in HIGHER) if spec.goal == "auto" else spec.goal == "max"
    return ["maximize" if higher else "minimize"]


def figure(spec: TuneSpec) -> str:
    """The figure of the validation split that the objective is made of."""
    return "loss" if spec.objective in SPECIAL else spec.objective


def values(spec: TuneSpec, metrics: Mapping[str, float], parameters: int) -> list[float]:
    """What a trial that is done reached, one number for each direction.

    Raises JobError where the objective makes no sense of the figure.
    """
    value = metrics[figure(spec)]
    if spec.objective == "efficiency":
        if value <= 0:
            raise JobError(f"efficiency needs a loss above 0, got {value:g}", "use --objective pareto")
        return [1 / (value * parameters)]
    return {"pareto": [value, float(parameters)], "fewest-parameters": [float(parameters)]}.get(spec.objective, [value])


def constraints(spec: TuneSpec, metrics: Mapping[str, float]) -> dict[str, float]:
    """By how much a trial that is done misses what is asked for; nothing is missed at 0 and below."""
    return {} if spec.bound is None else {"loss": metrics["loss"] - spec.bound}


def best_of(spec: TuneSpec, done: Sequence[Trial], front: Sequence[Trial]) -> Trial | None:
    """The best of the trials that are done; of a pareto study the most efficient one of the front."""
    if not done:
        return None
    if spec.objective == "pareto":
        return max(front, key=efficiency, default=None)
    if spec.objective == "fewest-parameters":
        return min(done, key=lambda trial: misses(spec, trial))
    sign = 1 if directions(spec) == ["minimize"] else -1
    return min(done, key=lambda trial: (sign * (trial.objective or 0.0), trial.parameters or 0, trial.number))


def misses(spec: TuneSpec, trial: Trial) -> tuple[float, ...]:
    """A key by which feasible trials come first, with fewer parameters before more; then those nearest to the bound."""
    loss, bound = (math.inf if value is None else value for value in (trial.loss, spec.bound))
    return (0.0, trial.parameters or 0, loss) if loss <= bound else (1.0, loss, trial.parameters or 0)


def efficiency(trial: Trial) -> float:
    """1 / (loss x parameters), or for a loss at or below 0 how low it is."""
    loss, parameters = trial.loss or 0.0, trial.parameters or 1
    return 1 / (loss * parameters) if loss > 0 else math.inf if loss == 0 else -loss * 1e300

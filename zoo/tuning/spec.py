"""TuneSpec: the options of the tuner, the same for every entry; no torch, Ray or Optuna here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.spec import Spec

SPECIAL = ("efficiency", "fewest-parameters", "pareto")
"""Objectives that are more than a figure of the validation split."""
FREE = frozenset({"trials", "attempts", "patience", "cpus", "gpus"})
"""Options that may change while a study goes on: they do not change what its trials mean."""


class TuneSpec(Spec):
    """How an entry is tuned."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Trials of the study, those of earlier calls counted, refused candidates not."""
    objective: Annotated[str, Field(min_length=1, max_length=60)] = "loss"
    """A figure of the validation split (loss, accuracy, ...), efficiency = 1 / (loss x parameters), fewest-parameters
    among the models with loss <= bound, or pareto: the front of loss and parameters."""
    goal: Literal["auto", "min", "max"] = "auto"
    """Whether a figure is better when lower or higher; auto: higher for accuracy, F1, PSNR and their like."""
    bound: Annotated[float, Field()] | None = None
    """Largest acceptable validation loss, for fewest-parameters."""
    max_params: Annotated[int, Field(ge=1)] | None = None
    """Budget of trained parameters; a candidate above it is refused before its weights are allocated."""
    sampler: Literal["tpe", "random", "gp", "nsga2"] = "tpe"
    """Optuna's sampler: tree-structured Parzen estimator, random search, Gaussian process, or NSGA-II."""
    startup: Annotated[int, Field(ge=0, le=10_000)] = 10
    """Random trials before tpe and gp learn from the others; also the population of nsga2, which has at least 10."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the sampler."""
    grace: Annotated[int, Field(ge=1)] = 2
    """Epochs before ASHA (Li et al. 2018, arXiv:1810.05934) may stop a trial."""
    reduction: Annotated[float, Field(gt=1, le=100)] = 3.0
    """Of the trials at a rung of ASHA one in so many goes on; rungs are this factor apart."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Crashes or lacks of memory in a row, without a new epoch between them, after which a trial is given up."""
    patience: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without a step after which a trial counts as hanging."""
    cpus: Annotated[float, Field(gt=0)] = 1.0
    """CPU cores, and so threads, of a trial."""
    gpus: Annotated[float, Field(ge=0)] | None = None
    """Share of a GPU, or number of GPUs, of a trial; without it a quarter where there are GPUs."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Where to look, over what the options' own marks say: `model.first: {low: 32, high: 48, step: 2}` or `32..48 step
    2`, `model.norm: [before, after]`, or null for an option that keeps its value."""

"""Samplers: made anew for each trial, so that a study that was interrupted draws what it would have drawn."""

from __future__ import annotations

import hashlib
import warnings

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from zoo.tuning.spec import TuneSpec

POPULATION = 10
"""The smallest generation of NSGA-II; Optuna's 50 would be the whole study."""


def make(spec: TuneSpec, number: int) -> BaseSampler:
    """The sampler of one trial; what it draws depends on the seed, the number and the trials in the study alone."""
    seed = mixed(spec.seed, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if spec.sampler == "random":
            return RandomSampler(seed=seed)
        if spec.sampler == "gp":
            return GPSampler(seed=seed, n_startup_trials=spec.startup, warn_independent_sampling=False)
        if spec.sampler == "nsga2":
            return NSGAIISampler(seed=seed, population_size=max(POPULATION, spec.startup))
        return TPESampler(seed=seed, n_startup_trials=spec.startup, multivariate=True, group=True, constant_liar=True)


def mixed(seed: int, number: int) -> int:
    """A seed of 32 bits for one trial, unlike that of its neighbours."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")

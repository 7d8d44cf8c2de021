"""Learning-rate schedules: a factor of the peak rate, by step or by time; plateau also by the losses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from zoo.core.sections import StageSpec

PLATEAU_PATIENCE = 3
COOLDOWN = 0.2
"""Share of a stage in which the rate of the schedule wsd falls."""


@dataclass
class Schedule:
    """Learning-rate schedule of a stage; `plateau` is the state that does not follow from step or time."""

    spec: StageSpec
    steps: int
    plateau: dict[str, float] = field(default_factory=lambda: {"factor": 1.0, "bad": 0.0})
    share: float | None = None
    """Share of the stage's time that is over, 0 to 1; None if the schedule goes by steps."""
    tail: tuple[float, float] | None = None
    """Where a stage that stops early is in its last part: the factor before it, and the share that was over then."""

    at: float | None = None
    """A factor that is used at every step, instead of the schedule's."""

    def factor(self, step: int) -> float:
        """Compute the factor of the peak learning rate at a step, counted from 0."""
        if self.at is not None:
            return self.at
        if self.tail is None:
            return self.planned(step)
        before, begin = self.tail
        return before * max(0.0, (1 - self.done(step)) / (1 - begin))

    def planned(self, step: int) -> float:
        """Compute the factor of a stage that does not stop early."""
        kind, done = self.spec.schedule, self.done(step)
        if kind == "one-cycle":
            return one_cycle(done, self.spec.warmup)
        if kind == "triangular":
            return triangular(done, self.spec.warmup)
        warm = self.warmup_factor(step)
        rest = max(0.0, (done - self.spec.warmup) / (1 - self.spec.warmup))
        if kind == "cosine":
            return warm * (1 + math.cos(math.pi * rest)) / 2
        if kind == "linear":
            return warm * (1 - rest)
        if kind == "wsd":
            return warm * min(1.0, (1 - done) / (self.spec.cooldown or COOLDOWN))
        return warm * self.plateau["factor"]

    def done(self, step: int) -> float:
        """Compute the share of the stage that is over at a step, counted from 0."""
        return (step + 1) / (self.steps + 1) if self.share is None else self.share

    def warmup_factor(self, step: int) -> float:
        """Compute the factor of the warm-up, which rises from 0 to 1."""
        if self.share is None:
            return min(1.0, (step + 1) / (self.spec.warmup * self.steps + 1))
        return min(1.0, self.share / self.spec.warmup) if self.spec.warmup else 1.0

    def is_rising(self, step: int) -> bool:
        """Whether the learning rate still rises at a step, counted from 0."""
        return self.done(step) < self.spec.warmup

    def epoch(self, better: bool) -> None:
        """Update the plateau after an epoch; `better`: its validation loss was the best so far."""
        self.plateau["bad"] = 0.0 if better else self.plateau["bad"] + 1
        if self.plateau["bad"] >= PLATEAU_PATIENCE:
            self.plateau.update(factor=self.plateau["factor"] / 2, bad=0.0)


def one_cycle(done: float, rise: float) -> float:
    """Rise by a half cosine from 1/25, then fall to 1/250,000 (Smith and Topin 2017, arXiv:1708.07120)."""
    if done < rise:
        return half_cosine(1 / 25, 1.0, done / rise)
    return half_cosine(1.0, 1 / 25e4, (done - rise) / (1 - rise))


def triangular(done: float, rise: float) -> float:
    """Rise along a line from 0.2 to 1, then fall to 0.07 (Jordan 2024, arXiv:2404.00498)."""
    if done < rise:
        return 0.2 + 0.8 * done / rise
    return 1 - 0.93 * (done - rise) / (1 - rise)


def half_cosine(start: float, end: float, share: float) -> float:
    """Interpolate from start to end by a half cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

"""Find a learning rate: one short training in which it grows (Smith 2015, arXiv:1506.01186); nothing of it is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch

from zoo.data.loader import Loader
from zoo.models.base import Stage
from zoo.registry.entry import Entry
from zoo.registry.stages import choose_stage
from zoo.training.callbacks import Callback, StageInfo
from zoo.training.device import preserve_random_state
from zoo.training.loop import reproducible
from zoo.training.session import Session
from zoo.training.setup import Setup, endless
from zoo.training.stepper import Stepper

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 150
SMOOTHING = 0.9
"""Decay of the running mean of the losses."""
LEAST_FALL = 0.02
"""Share of the highest loss by which it must fall for a rate to be suggested."""
FAR = 4.0
"""Multiple of the first loss at which the sweep ends anyway."""


LEFT_OUT = {"ema": 0.0, "lookahead": None, "warmup": 0.0, "initial_scale": None}
"""Options of a stage that follow a whole training."""


class RateSweep(NamedTuple):
    """What the loss of a stage did while the learning rate grew."""

    stage: str
    stages: tuple[str, ...]
    """Names of all stages of the model."""
    rates: list[float]
    losses: list[float]
    """Running mean of the loss at each rate."""
    suggested: float | None
    """A peak learning rate; None if the loss fell at no rate."""

    @property
    def option(self) -> str:
        """The option that sets the learning rate of the stage."""
        return "train.lr" if len(self.stages) == 1 else f"train.stages.{self.stage}.lr"


def find_rate(entry: Entry, stage: str | None, device: torch.device, callback: Callback) -> RateSweep:
    """Train a stage, by default the first, on a model of its own while the learning rate grows.

    The schedule, the weight average, decoupled weight decay and progressive resizing are left out, since they follow a
    whole training.

    Raises:
        ZooError: If the model has no such stage.
    """
    session = Session(entry, Path(), device, callback, "", "choose another entry")
    with preserve_random_state(device), reproducible(device):
        prepared, size, fitted = session.settle(None)
        if text := fitted.describe():
            callback.note(text)
        built = session.make_model(prepared, size, None)
        model, start = built.model, built.start
        train = session.entry.train
        setup = Setup(model, train, prepared.splits, device, start.taken if start else ())
        stages = tuple(each.name for each in model.stages())
        chosen = choose_stage(model, stage)
        name = chosen.name
        if name != stages[0] and start is None:
            callback.note(f"the stages before {name} are untrained; begin with those of a run: --from RUN")
        spec = train.stage(name).model_copy(update=LEFT_OUT)
        loader = setup.loader(spec)
        setup.accelerate(wanted=False)
        stepper = setup.stepper(chosen, spec, STEPS)
        stepper.optimizers.decays.clear()
        stepper.schedule.share = 0.0  # what sets in late would look like a loss that rises with the rate
        callback.stage(StageInfo(name, 1, STEPS, 0, loader.batch))
        setup.set_train_mode(chosen)
        rates, losses = sweep(stepper, loader, chosen, callback)
    return RateSweep(name, stages, rates, losses, suggest(rates, losses))


def sweep(stepper: Stepper, loader: Loader, stage: Stage, callback: Callback) -> tuple[list[float], list[float]]:
    """Take steps at growing rates until the loss is back where it began, and return rates and smoothed losses."""
    rates, losses, mean = list[float](), list[float](), 0.0
    for number, batch in enumerate(islice(endless(loader, stage), STEPS)):
        rate = LOWEST * (HIGHEST / LOWEST) ** (number / (STEPS - 1))
        stepper.schedule.at = rate / stepper.spec.lr
        stepper.step(batch, number)
        loss = sum(stepper.losses(1).values())
        if not math.isfinite(loss):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        rates.append(rate)
        losses.append(mean / (1 - SMOOTHING ** (number + 1)))
        callback.step()
        if losses[-1] > FAR * abs(losses[0]) or (suggest(rates, losses) and losses[-1] > losses[0]):
            break
    return rates, losses


def suggest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Suggest a peak learning rate; None if the loss did not fall.

    It is the geometric mean of the rate at which half of the fall is over, where the loss falls fastest, and the rate
    of the lowest loss, which a training would not bear for long.
    """
    lowest = min(range(len(losses)), key=losses.__getitem__, default=0)
    highest = max(losses[: lowest + 1], default=0.0)
    if not losses or highest - losses[lowest] < LEAST_FALL * abs(highest):
        return None
    start = losses.index(highest)
    half = (highest + losses[lowest]) / 2
    fastest = next(place for place in range(start, lowest + 1) if losses[place] <= half)
    return float(f"{math.sqrt(rates[fastest] * rates[lowest]):.2g}")

"""Limits of a model, checked before it is trained: parameters, FLOPs and measured latency."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from zoo.core.errors import BudgetError, ZooError, describe_error
from zoo.core.types import Batch, DataInfo
from zoo.models.base import Classifier, Model, in_eval_mode
from zoo.registry.model_size import Count
from zoo.training.bench import synchronize
from zoo.training.device import preserve_random_state

WARM_UP, PASSES = 3, 200
"""Forward passes before the measurement, and their largest number in a round of it."""
ROUND_SECONDS = 0.3
FEWEST_PASSES = 10
ROUNDS = 3
"""Rounds of a noisy measurement; the quickest counts."""
NOISY = 0.25
"""Interquartile range of the passes of a round, as a share of their median, from which on it is noisy."""


class LimitError(ZooError):
    """A model exceeds a limit of FLOPs or latency."""

    name = "limit"

    def __init__(self, message: str, what: str, excess: float, noise: float = 0.0) -> None:
        super().__init__(message)
        self.what, self.excess, self.noise = what, excess, noise


class Latency(NamedTuple):
    """The measured time of a forward pass for one picture."""

    milliseconds: float
    """Median of the quickest round."""
    noise: float
    """Interquartile range of that round, as a share of the median."""


@dataclass(frozen=True)
class Limits:
    """The largest model that may be trained; None for no limit."""

    parameters: int | None = None
    flops: int | None = None
    """Floating-point operations of a forward pass for one picture, as `zoo show` counts them."""
    latency: float | None = None
    """Milliseconds of a forward pass for one picture on the device of the training."""

    def check_size(self, size: Count) -> None:
        """Raise BudgetError or LimitError if a model is too large, before its weights are allocated."""
        if self.parameters is not None and size.parameters > self.parameters:
            raise BudgetError(size.parameters, self.parameters)
        if self.flops is None:
            return
        if size.flops is None:
            raise LimitError("the FLOPs of this model cannot be counted, so they may exceed the budget", "flops", 1.0)
        if size.flops > self.flops:
            text = f"{mega(size.flops)} MFLOP per picture exceed the budget of {mega(self.flops)}"
            raise LimitError(text, "flops", size.flops / self.flops - 1)

    def check_latency(self, model: Model, info: DataInfo, device: torch.device) -> Latency | None:
        """Measure a model if its latency is limited; LimitError if it is too slow."""
        if self.latency is None:
            return None
        found = measure_latency(model, info, device)
        if found.milliseconds > self.latency:
            text = f"{found.milliseconds:.3g} ms per picture exceed the budget of {self.latency:.3g}"
            raise LimitError(text, "latency", found.milliseconds / self.latency - 1, found.noise)
        return found


def mega(count: int) -> str:
    """Format a number of FLOPs as `zoo show` does."""
    return f"{count / 1e6:,.4g}"


def measure_latency(model: Model, info: DataInfo, device: torch.device) -> Latency:
    """Measure a forward pass for one picture: the scores of a classifier, the losses of another model.

    The model, its modes and the random generators stay as they are. A noisy round is repeated.
    """
    with evaluated(model, device):
        forward = forward_pass(model, info, device)
        try:
            for _ in range(WARM_UP):
                forward()
        except Exception as error:  # a plugin may raise any
            text = f"its latency cannot be measured: {describe_error(error)}"
            raise LimitError(text, "latency", 1.0) from error
        rounds: list[Latency] = []
        while len(rounds) < ROUNDS and all(each.noise > NOISY for each in rounds):
            rounds.append(summarise(time_passes(forward, device)))
    return min(rounds)


def forward_pass(model: Model, info: DataInfo, device: torch.device) -> Callable[[], object]:
    """Return a function that computes what is timed, for one random picture."""
    x = torch.rand((1, *info.shape), device=device)
    if isinstance(model, Classifier):
        return lambda: model(x)
    batch = Batch(x, torch.zeros(1, dtype=torch.int64, device=device))
    return lambda: model.metrics(batch)


def time_passes(forward: Callable[[], object], device: torch.device) -> list[float]:
    """Return the seconds of each forward pass of a round."""
    times: list[float] = []
    end = time.perf_counter() + ROUND_SECONDS
    while len(times) < FEWEST_PASSES or (len(times) < PASSES and time.perf_counter() < end):
        synchronize(device)
        start = time.perf_counter()
        forward()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return times


def summarise(times: list[float]) -> Latency:
    """Return median and noise of the seconds of several passes."""
    low, middle, high = statistics.quantiles(times, n=4)
    return Latency(1000 * middle, (high - low) / middle)


@contextmanager
def evaluated(model: Model, device: torch.device) -> Iterator[None]:
    """Evaluate a model on a device within the block, then put its modes and the random generators back."""
    with preserve_random_state(device), torch.no_grad(), in_eval_mode(model):
        try:
            model.to(device)
            yield
        finally:
            model.to("cpu")

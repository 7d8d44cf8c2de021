"""Training callbacks: the base class, and the progress that bars, lines and notebooks show."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from zoo.display.format import format_duration, format_value

WINDOW = 30.0
"""Seconds over which the speed is averaged, and after which a plain line is printed."""
SILENCE = 10.0
"""Seconds between two lines of a `BackgroundCallback`."""


class StageInfo(NamedTuple):
    """What a callback is told when a stage of a training begins or goes on."""

    name: str
    epochs: int
    """Epochs of the stage; 0 where it is given a time instead."""
    steps: int
    """Steps of one epoch."""
    start: int
    """The step to go on from, counted over all epochs of the stage; 0 at the beginning."""
    batch: int
    """Pictures in a step."""
    seconds: float = 0.0
    """Length of a stage that is given a time; 0 for one with a number of epochs."""
    elapsed: float = 0.0
    """Seconds of that time that were used before."""


class Callback:
    """Base class of training callbacks; override the methods you need, the others do nothing."""

    def stage(self, info: StageInfo) -> None:
        """Called when a stage begins, or goes on after an interruption."""

    def step(self) -> None:
        """Called after each step; its loss is not known yet."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Called after each epoch with its metrics.

        The row says which epoch it is of all stages, `number` of `of`; `of` is 0 where a time limit decides.
        """

    def note(self, text: str) -> None:
        """Called with a message for the user."""


class Progress(Callback):
    """Base class of callbacks that show progress; they override `refresh`, `show` and `note`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epochs = self.steps = self.done = self.batch = 0
        self.seconds = self.begin = 0.0
        self.row: dict[str, Any] = {}
        self.best = ("", 0)
        self.samples: deque[tuple[float, int]] = deque()

    def stage(self, info: StageInfo) -> None:
        """Start counting the steps of a stage."""
        self.epochs, self.steps, self.done, self.batch = info.epochs, info.steps, info.start, info.batch
        self.seconds, self.begin = info.seconds, time.monotonic() - info.elapsed
        self.row, self.best = {}, ("", 0)
        self.samples.clear()

    def step(self) -> None:
        """Count a step; the clock starts after the first, which may wait for a compiler."""
        self.done += 1
        if not self.samples:
            self.sample()
        self.refresh()

    def refresh(self) -> None:
        """Called after each step, to draw the progress if it is time to."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Remember the metrics of an epoch, and the best validation loss."""
        self.row = row
        if row["best"] and "loss" in row["valid"]:
            self.best = (format_value(row["valid"]["loss"]), row["epoch"])
        self.show()

    def show(self) -> None:
        """Called after each epoch, to draw its metrics."""

    def position(self, epoch: int) -> str:
        """Text for the epoch, out of all epochs or with the elapsed and the total time."""
        return f"{epoch}, {self.times}" if self.seconds else f"{epoch}/{self.epochs}"

    @property
    def times(self) -> str:
        """Elapsed and total time of the stage, as text."""
        return f"{format_duration(self.elapsed)}/{format_duration(self.seconds)}"

    @property
    def elapsed(self) -> float:
        """Elapsed seconds of a stage that is given a time."""
        return min(time.monotonic() - self.begin, self.seconds)

    def remaining(self) -> list[str]:
        """Text for the time left; empty where `position` says it already."""
        return [] if self.seconds else [f"{format_duration(self.left)} left"]

    def figures(self, row: dict[str, Any]) -> list[str]:
        """Texts for the losses and the other validation metrics, most important first."""
        valid = {("vloss" if name == "loss" else name): value for name, value in row["valid"].items()}
        parts = {"loss": row["train"].get("loss", sum(row["train"].values()))} | valid
        best = [f"best {self.best[0]} @ {self.best[1]}"] if self.best[1] else []
        return [*(f"{name} {format_value(value)}" for name, value in parts.items()), *best]

    def sample(self) -> None:
        """Record the time and the step, and forget samples older than `WINDOW`."""
        now = time.monotonic()
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and self.samples[1][0] < now - WINDOW:
            self.samples.popleft()

    @property
    def pace(self) -> float:
        """Steps per second; 0 while unknown."""
        if len(self.samples) < 2:
            return 0.0
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    @property
    def rate(self) -> float:
        """Pictures per second; 0 while unknown."""
        return self.pace * self.batch

    @property
    def left(self) -> float:
        """Estimated seconds to the end of the stage; infinite while unknown."""
        return (self.epochs * self.steps - self.done) / self.pace if self.pace else math.inf


class BackgroundCallback(Callback):
    """Reports now and then on a training that another job waits for."""

    def __init__(self, name: str, tell: Callable[[str], object]) -> None:
        self.name, self.tell, self.told = name, tell, time.monotonic()

    def epoch(self, row: dict[str, Any]) -> None:
        """Report the last epoch, and any other after `SILENCE` seconds without a line."""
        now = time.monotonic()
        if row["number"] != row["of"] and now - self.told < SILENCE:
            return
        accuracy = row["valid"].get("accuracy")
        right = "" if accuracy is None else f": {accuracy:.1%} of the validation pictures right"
        self.tell(f"{self.name} epoch {row['number']}/{row['of']}{right}")
        self.told = now


class NotesOnly(Callback):
    """Passes on the messages for the user, and nothing else."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.tell = tell

    def note(self, text: str) -> None:
        """Pass on a message for the user."""
        self.tell(text)

"""Training callbacks: the base class, and base classes of progress displays."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any, NamedTuple

from zoo.core.notes import Tell
from zoo.display.format import format_duration, format_value

SPEED_WINDOW = 30.0
"""Seconds over which the speed is averaged, and between two printed lines without a terminal."""
REPORT_INTERVAL = 10.0
"""Seconds between two messages of a `BackgroundCallback`."""


class StageInfo(NamedTuple):
    """Description of a stage, passed to callbacks when it starts or resumes."""

    name: str
    epochs: int
    """Number of epochs; 0 for a stage with a time limit."""
    steps: int
    """Steps per epoch."""
    start: int
    """Step to start or resume from, counted over all epochs of the stage."""
    batch: int
    """Pictures per step."""
    seconds: float = 0.0
    """Time limit of the stage; 0 for one with a number of epochs."""
    elapsed: float = 0.0
    """Seconds of the time limit that are already used."""


class Callback:
    """Base class of training callbacks; override the methods you need, the others do nothing."""

    def stage(self, info: StageInfo) -> None:
        """Called when a stage starts, or resumes after an interruption."""

    def step(self) -> None:
        """Called after each step, without its loss, which may not be computed yet."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Called after each epoch with its metrics.

        The row has the keys of a line of metrics.jsonl; `shown`, the training losses in the units of the validation
        metrics; and `best`, `number` and `of`: the epoch's number over all stages, and their total, which is 0 with a
        time limit.
        """

    def note(self, text: str) -> None:
        """Called with a message for the user."""


class ProgressCallback(Callback):
    """Base class of progress displays, which override `refresh`, `show` and `note`."""

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
        """Count a step.

        The speed is measured from the second on, since the first may wait for a compiler.
        """
        self.done += 1
        if not self.samples:
            self.sample()
        self.refresh()

    def refresh(self) -> None:
        """Called after each step, to redraw the progress if enough time has passed."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Store the metrics of an epoch, and the best validation loss."""
        self.row = row
        if row["best"] and "loss" in row["valid"]:
            self.best = (format_value(row["valid"]["loss"]), row["epoch"])
        self.show()

    def show(self) -> None:
        """Called after each epoch, to show its metrics."""

    def position(self, epoch: int) -> str:
        """Format the epoch, with the number of epochs or the elapsed and total time."""
        return f"{epoch}, {self.times}" if self.seconds else f"{epoch}/{self.epochs}"

    @property
    def times(self) -> str:
        """Elapsed time and time limit of the stage, as text."""
        return f"{format_duration(self.elapsed)}/{format_duration(self.seconds)}"

    @property
    def elapsed(self) -> float:
        """Elapsed seconds of a stage with a time limit."""
        return min(time.monotonic() - self.begin, self.seconds)

    def remaining(self) -> list[str]:
        """Format the time left; empty if `position` already shows it."""
        return [] if self.seconds else [f"{format_duration(self.left)} left"]

    def format_metrics(self, row: dict[str, Any]) -> list[str]:
        """Format the losses and the other validation metrics, most important first."""
        train = row.get("shown") or {"loss": row["train"].get("loss", sum(row["train"].values()))}
        both = {"loss", *train}
        parts = train | {(f"v{name}" if name in both else name): value for name, value in row["valid"].items()}
        best = [f"best {self.best[0]} @ {self.best[1]}"] if self.best[1] else []
        return [*(f"{name} {format_value(value)}" for name, value in parts.items()), *best]

    def sample(self) -> None:
        """Record the time and the step, and drop samples older than `SPEED_WINDOW`."""
        now = time.monotonic()
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and self.samples[1][0] < now - SPEED_WINDOW:
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
    """Report occasionally on a training that another one waits for."""

    def __init__(self, name: str, tell: Tell) -> None:
        self.name, self.tell, self.last_report = name, tell, time.monotonic()

    def epoch(self, row: dict[str, Any]) -> None:
        """Report the last epoch, and any other after `REPORT_INTERVAL` seconds without a message."""
        now = time.monotonic()
        if row["number"] != row["of"] and now - self.last_report < REPORT_INTERVAL:
            return
        accuracy = row["valid"].get("accuracy")
        right = "" if accuracy is None else f": {accuracy:.1%} of the validation pictures right"
        self.tell(f"{self.name} epoch {row['number']}/{row['of']}{right}")
        self.last_report = now

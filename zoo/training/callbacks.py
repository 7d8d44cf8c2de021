"""How far a training is: pace, time left and figures, for bars, lines and notebooks."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from zoo.display.format import clock, figure

WINDOW = 30.0
"""Seconds over which the speed is taken, and after which a plain line is due."""
SILENCE = 10.0
"""Seconds after which an aside says how far it is."""


class Progress:
    """Where a training is, for those that show it: they override `look`, `show` and `note`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epochs = self.steps = self.done = self.batch = 0
        self.seconds = self.begin = 0.0
        self.row: dict[str, Any] = {}
        self.best = ("", 0)
        self.samples: deque[tuple[float, int]] = deque()

    def stage(
        self, name: str, epochs: int, steps: int, start: int, batch: int, seconds: float = 0.0, elapsed: float = 0.0
    ) -> None:
        """A stage begins, or goes on at step `start`; `batch` is pictures a step, `seconds` the stage's time."""
        self.epochs, self.steps, self.done, self.batch = epochs, steps, start, batch
        self.seconds, self.begin = seconds, time.monotonic() - elapsed
        self.row, self.best = {}, ("", 0)
        self.samples.clear()

    def step(self) -> None:
        """A step was taken. The clock starts after the first, which may wait for a compiler."""
        self.done += 1
        if not self.samples:
            self.sample()
        self.look()

    def look(self) -> None:
        """A step was taken."""

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch ended."""
        self.row = row
        if row["best"] and "loss" in row["valid"]:
            self.best = (figure(row["valid"]["loss"]), row["epoch"])
        self.show()

    def show(self) -> None:
        """An epoch ended."""

    def place(self, epoch: int) -> str:
        """An epoch of how many, or with the time that is gone of how much."""
        return f"{epoch}, {self.times}" if self.seconds else f"{epoch}/{self.epochs}"

    @property
    def times(self) -> str:
        """The time that is gone of how much."""
        return f"{clock(self.elapsed)}/{clock(self.seconds)}"

    @property
    def elapsed(self) -> float:
        """Seconds of the stage's time that are gone."""
        return min(time.monotonic() - self.begin, self.seconds)

    def remaining(self) -> list[str]:
        """The time to the end of the stage; nothing where the place says it."""
        return [] if self.seconds else [f"left {clock(self.left)}"]

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def figures(self, row: dict[str, Any]) -> list[str]:
        """Losses and the other validation figures, most important first."""
        valid = {("vloss" if name == "loss" else name): value for name, value in row["valid"].items()}
        parts = {"loss": row["train"].get("loss", sum(row["train"].values()))} | valid
        best = [f"best {self.best[0]} @ {self.best[1]}"] if self.best[1] else []
        return [*(f"{name} {figure(value)}" for name, value in parts.items()), *best]

    def sample(self) -> None:
        """Note how far it is, and forget what is older than the window."""
        now = time.monotonic()
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and self.samples[1][0] < now - WINDOW:
            self.samples.popleft()

    @property
    def pace(self) -> float:
        """Steps a second; 0: not known yet."""
        if len(self.samples) < 2:
            return 0.0
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pace * self.batch

    @property
    def left(self) -> float:
        """Seconds to the end of the stage."""
        return (self.epochs * self.steps - self.done) / self.pace if self.pace else math.inf


class Watch(Protocol):
    """What a training tells while it runs."""

    def stage(
        self, name: str, epochs: int, steps: int, start: int, batch: int, seconds: float = 0.0, elapsed: float = 0.0
    ) -> None:
        """A stage begins, or goes on at step `start` of epochs * steps, each of `batch` pictures.

        One that has a time in place of a number of epochs takes `seconds`, of which `elapsed` are gone; `epochs` is 0.
        """

    def step(self) -> None:
        """A step was taken; nothing is known of its loss yet."""

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch ended with these figures, the `number`th `of` so many of all stages; of 0: the clock decides."""

    def note(self, text: str) -> None:
        """Something that a person should know."""


class Nobody:
    """A watch that does not look."""

    def stage(
        self, name: str, epochs: int, steps: int, start: int, batch: int, seconds: float = 0.0, elapsed: float = 0.0
    ) -> None:
        """Nothing."""

    def step(self) -> None:
        """Nothing."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class Aside(Nobody):
    """Tells now and then how far a training is that another job waits for."""

    def __init__(self, name: str, tell: Callable[[str], object]) -> None:
        self.name, self.tell, self.told = name, tell, time.monotonic()

    def epoch(self, row: dict[str, Any]) -> None:
        """One line for the last epoch, and for any after a silence."""
        now = time.monotonic()
        if row["number"] != row["of"] and now - self.told < SILENCE:
            return
        accuracy = row["valid"].get("accuracy")
        right = "" if accuracy is None else f": {accuracy:.1%} of the validation pictures right"
        self.tell(f"{self.name} epoch {row['number']}/{row['of']}{right}")
        self.told = now


class Notes(Nobody):
    """Passes on what a person should know, and nothing else."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.tell = tell

    def note(self, text: str) -> None:
        """As it is."""
        self.tell(text)

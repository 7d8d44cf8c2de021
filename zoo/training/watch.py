"""Who watches a training: a progress bar, a log, nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

SILENCE = 10.0
"""Seconds after which an aside says how far it is."""


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

"""Who watches a training: a progress bar, a log, nobody."""

from __future__ import annotations

from typing import Any, Protocol


class Watch(Protocol):
    """What a training tells while it runs."""

    def stage(self, name: str, epochs: int, steps: int, start: int, batch: int) -> None:
        """A stage begins, or goes on at step `start` of epochs * steps, each of `batch` pictures."""

    def step(self) -> None:
        """A step was taken; nothing is known of its loss yet."""

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch ended with these figures, the `number`th `of` so many of all stages."""

    def note(self, text: str) -> None:
        """Something that a person should know."""


class Nobody:
    """A watch that does not look."""

    def stage(self, name: str, epochs: int, steps: int, start: int, batch: int) -> None:
        """Nothing."""

    def step(self) -> None:
        """Nothing."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

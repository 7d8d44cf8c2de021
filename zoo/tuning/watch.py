"""Who watches a study: a live table, plain lines, nobody."""

from __future__ import annotations

from typing import Protocol

from zoo.tuning.study import Study, Trial


class TuneWatch(Protocol):
    """What a study tells while it runs; all calls come from one thread."""

    def begin(self, study: Study, parallel: int) -> None:
        """The engine is ready; up to `parallel` trials will run at a time."""

    def update(self, study: Study, trial: Trial) -> None:
        """A trial began, ended an epoch, or came into another state."""

    def tick(self) -> None:
        """Some time went by; several times a second."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def end(self, study: Study) -> None:
        """No trial runs any more."""


class Nobody:
    """A watch that does not look."""

    def begin(self, study: Study, parallel: int) -> None:
        """Nothing."""

    def update(self, study: Study, trial: Trial) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def end(self, study: Study) -> None:
        """Nothing."""

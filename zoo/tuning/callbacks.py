"""How far a study is: which trials ended in which order, and the time left, for blocks, lines and notebooks."""

from __future__ import annotations

import math
import time
from typing import Protocol

from zoo.tuning.study import ENDED, LIVE, Study, Trial


class Progress:
    """Where a study is, for those that show it: they override `head`, `look`, `show` and `note`."""

    def __init__(self, seconds: float | None = None) -> None:
        self.limit = math.inf if seconds is None else seconds
        self.study: Study | None = None
        self.parallel = self.before = 0
        self.order: list[int] = []
        self.began = time.monotonic()

    def __reduce__(self) -> tuple[type[Nobody], tuple[()]]:
        """Ray Tune pickles all that it can reach, and a terminal is no part of that."""
        return Nobody, ()

    def begin(self, study: Study, parallel: int) -> None:
        """The engine is ready."""
        self.parallel, self.before = parallel, study.ended
        self.order = [trial.number for trial in study.trials if trial.state in ENDED]
        self.began = time.monotonic()
        self.study = study
        self.head(study)
        waiting = sum(trial.state in LIVE for trial in study.trials)
        if study.trials:
            going = f"{waiting} go on from their checkpoints, " if waiting else ""
            ahead = f"{max(0, study.spec.trials - self.before - waiting)} to go"
            self.note(f"resuming: {self.before} ended, {going}{ahead}; --fresh starts a new study")

    def head(self, study: Study) -> None:
        """A study begins."""

    def update(self, study: Study, trial: Trial) -> None:
        """A trial began, ended an epoch, or came into another state."""
        self.study = study
        if trial.state in ENDED and trial.number not in self.order:
            self.order.append(trial.number)
            self.show(trial)
        self.look()

    def tick(self) -> None:
        """Some time went by."""
        self.look()

    def look(self) -> None:
        """Something may have changed."""

    def show(self, trial: Trial) -> None:
        """A trial ended."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def end(self, study: Study) -> None:
        """No trial runs any more."""
        self.study = study

    @property
    def elapsed(self) -> float:
        """Seconds since the engine was ready."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Seconds to the end, from the trials that ended in this call; infinite while there are none."""
        assert self.study
        ended, time_left = self.study.ended - self.before, self.limit - self.elapsed
        if ended <= 0:
            return max(0.0, time_left)
        return max(0.0, min(time_left, (self.study.spec.trials - self.study.ended) * self.elapsed / ended))

    def newest(self, study: Study, most: int) -> list[Trial]:
        """Trials that run, then those that ended last, at most so many."""
        known = {trial.number: trial for trial in study.trials}
        ended = [known[number] for number in reversed(self.order[-most:]) if number in known]
        running = sorted((trial for trial in study.trials if trial.state in LIVE), key=lambda trial: trial.state)
        return [*running, *ended]


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

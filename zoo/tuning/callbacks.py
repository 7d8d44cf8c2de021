"""Callbacks of a study: the base class, and a base class of progress displays."""

from __future__ import annotations

import math
import time

from zoo.tuning.study import ENDED_STATES, LIVE_STATES, Study, Trial


class TuneCallback:
    """Base class of study callbacks; override the methods you need, the others do nothing.

    They are always called from one thread.
    """

    def begin(self, study: Study, parallel: int) -> None:
        """Called when the engine is ready to run up to `parallel` trials at a time."""

    def update(self, study: Study, trial: Trial) -> None:
        """Called when a trial starts, finishes an epoch, or changes its state."""

    def tick(self) -> None:
        """Called several times a second."""

    def note(self, text: str) -> None:
        """Called with a message for the user."""

    def end(self, study: Study) -> None:
        """Called once when no trial is running any more."""


class StudyProgress(TuneCallback):
    """Track the progress of a study for a display, which overrides `head`, `refresh`, `show` and `note`."""

    def __init__(self, seconds: float | None = None) -> None:
        self.limit = math.inf if seconds is None else seconds
        self.study: Study | None = None
        self.parallel = self.before = 0
        self.order: list[int] = []
        self.start_time = time.monotonic()

    def __reduce__(self) -> tuple[type[TuneCallback], tuple[()]]:
        """Pickle as a callback that does nothing, since Ray Tune pickles callbacks, which a terminal does not allow."""
        return TuneCallback, ()

    def begin(self, study: Study, parallel: int) -> None:
        """Start the clock when the engine is ready, and announce a resumed study."""
        self.parallel, self.before = parallel, study.ended
        self.order = [trial.number for trial in study.trials if trial.state in ENDED_STATES]
        self.start_time = time.monotonic()
        self.study = study
        self.head(study)
        waiting = sum(trial.state in LIVE_STATES for trial in study.trials)
        if study.trials:
            resumed = f"{waiting} resume from checkpoints, " if waiting else ""
            remaining = f"{max(0, study.spec.trials - self.before - waiting)} to go"
            self.note(f"resuming: {self.before} finished, {resumed}{remaining}; --fresh starts a new study")

    def head(self, study: Study) -> None:
        """Show that a study starts."""

    def update(self, study: Study, trial: Trial) -> None:
        """Show a trial that started, finished an epoch, or changed its state."""
        self.study = study
        if trial.state in ENDED_STATES and trial.number not in self.order:
            self.order.append(trial.number)
            self.show(trial)
        self.refresh()

    def tick(self) -> None:
        """Refresh the display as time passes."""
        self.refresh()

    def refresh(self) -> None:
        """Redraw what may have changed."""

    def show(self, trial: Trial) -> None:
        """Show a trial that has ended."""

    def end(self, study: Study) -> None:
        """Store the final state of the study; no trial is running any more."""
        self.study = study

    @property
    def elapsed(self) -> float:
        """Seconds since the engine was ready."""
        return time.monotonic() - self.start_time

    @property
    def left(self) -> float:
        """Estimated seconds left, from the trials that ended in this call; infinite while there are none."""
        assert self.study
        ended, time_left = self.study.ended - self.before, self.limit - self.elapsed
        if ended <= 0:
            return max(0.0, time_left)
        return max(0.0, min(time_left, (self.study.spec.trials - self.study.ended) * self.elapsed / ended))

    def newest(self, study: Study, most: int) -> list[Trial]:
        """Return running trials, then up to `most` of those that ended last."""
        known = {trial.number: trial for trial in study.trials}
        ended = [known[number] for number in reversed(self.order[-most:]) if number in known]
        running = sorted((trial for trial in study.trials if trial.state in LIVE_STATES), key=lambda trial: trial.state)
        return [*running, *ended]

"""A study told in plain lines: one an ended trial, or one after 30 seconds of silence."""

from __future__ import annotations

import math
import time

from zoo.cli.progress import WINDOW, clock
from zoo.cli.screen import Screen
from zoo.cli.words import about, headline, label, progress, reached
from zoo.tuning.study import ENDED, FAILED, LIVE, Study, Trial
from zoo.tuning.watch import Nobody


class Lines:
    """Where a study is, told in one line an ended trial, or after 30 seconds of silence."""

    def __init__(self, screen: Screen, seconds: float | None = None) -> None:
        self.screen, self.limit = screen, math.inf if seconds is None else seconds
        self.study: Study | None = None
        self.parallel = self.before = 0
        self.order: list[int] = []
        self.began = self.told = time.monotonic()

    def __reduce__(self) -> tuple[type[Nobody], tuple[()]]:
        """Ray Tune pickles all that it can reach, and a terminal is no part of that."""
        return Nobody, ()

    def begin(self, study: Study, parallel: int) -> None:
        """The engine is ready."""
        self.parallel, self.before = parallel, study.ended
        self.order = [trial.number for trial in study.trials if trial.state in ENDED]
        self.began = self.told = time.monotonic()
        self.study = study
        self.head(study)
        waiting = sum(trial.state in LIVE for trial in study.trials)
        if study.trials:
            going = f"{waiting} go on from their checkpoints, " if waiting else ""
            ahead = f"{max(0, study.spec.trials - self.before - waiting)} to go"
            self.note(f"resuming: {self.before} ended, {going}{ahead}; --fresh starts a new study")

    def head(self, study: Study) -> None:
        """What begins."""
        self.screen.note(", ".join(about(study, self.parallel)))

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
        """Break a long silence."""
        if self.study and time.monotonic() - self.told >= WINDOW:
            running = [trial for trial in self.study.trials if trial.state == "running"]
            self.tell(", ".join(f"{label(trial)} {progress(trial)}" for trial in running) or "no trial runs")

    def show(self, trial: Trial) -> None:
        """How a trial ended."""
        parts = [f"{label(trial)} {trial.state}", progress(trial), *reached(trial)]
        self.tell(", ".join(parts) + (f": {trial.reason}" if trial.reason and trial.state in FAILED else ""))

    def tell(self, text: str) -> None:
        """One line, with where the study is."""
        assert self.study
        best = self.study.best
        parts = [text, *([f"best {label(best)} {headline(self.study, best)[0]}"] if best else [])]
        parts += [", ".join(f"{state} {count}" for state, count in self.study.counts.items() if state != "done")]
        parts += [f"left {clock(self.left)}"] if math.isfinite(self.left) else []
        where = f"{self.study.name} {self.study.ended}/{self.study.spec.trials}"
        self.screen.note(f"{time.strftime('%H:%M:%S')} {where}: {'; '.join(filter(None, parts))}")
        self.told = time.monotonic()

    def note(self, text: str) -> None:
        """Something that a person should know."""
        self.screen.note(text)

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

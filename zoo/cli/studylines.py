"""A study told in plain lines: one an ended trial, or one after 30 seconds of silence."""

from __future__ import annotations

import math
import time

from zoo.cli.screen import Screen
from zoo.figures import clock
from zoo.training.progress import WINDOW
from zoo.tuning.progress import Progress
from zoo.tuning.study import FAILED, Study, Trial
from zoo.tuning.words import about, headline, label, progress, reached


class Lines(Progress):
    """Where a study is, told in one line an ended trial, or after 30 seconds of silence."""

    def __init__(self, screen: Screen, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.screen, self.told = screen, self.began

    def head(self, study: Study) -> None:
        """What begins."""
        self.told = self.began
        self.screen.note(", ".join(about(study, self.parallel)))

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

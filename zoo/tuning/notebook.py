"""A study watched in a notebook: how many trials ended, the best, and those that run or ended last."""

from __future__ import annotations

import logging
import math
import warnings

from zoo.display.format import clock
from zoo.display.html import Display, bar, block, in_notebook, line, table
from zoo.tuning.callbacks import Nobody, Progress, TuneWatch
from zoo.tuning.study import TRIAL_HEADS, Study, Trial, about, drawn, headline, label, trial_row

NEWEST = 8
"""Ended trials that are shown."""


class Cell(Progress):
    """Where a study is, in the output of a notebook's cell."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.display, self.notes, self.over = Display(), list[str](), False

    def head(self, study: Study) -> None:
        """It begins."""
        self.redraw()

    def look(self) -> None:
        """Draw, if it is time to."""
        self.display.draw(self.html, self.text)

    def show(self, trial: Trial) -> None:
        """How a trial ended."""
        self.redraw()

    def note(self, text: str) -> None:
        """Below the table."""
        self.notes.append(text)
        self.redraw()

    def end(self, study: Study) -> None:
        """What was found is shown by the study itself, so the table goes."""
        super().end(study)
        self.over = True
        self.redraw()

    def redraw(self) -> None:
        """Draw at once."""
        self.display.draw(self.html, self.text, now=True)

    def html(self) -> str:
        """Bar, counts, best, trials and notes."""
        study, notes = self.study, [line(text) for text in self.notes]
        if study is None:
            return block("preparing ...", *notes)
        title, *more = about(study, self.parallel)
        trials = self.newest(study, NEWEST)
        rows = table(TRIAL_HEADS, [trial_row(trial, written_out=True) for trial in trials], right=range(2, 6))
        parts = [
            line(", ".join(more)),
            bar(study.ended, study.spec.trials),
            line(self.counts(study)),
            line(self.best(study)),
        ]
        return block(title, *parts, *([rows] if trials and not self.over else []), *notes)

    def text(self) -> str:
        """The same in a line where no HTML is shown."""
        study = self.study
        return f"{study.name}: {self.counts(study)}; {self.best(study)}" if study else "preparing ..."

    def counts(self, study: Study) -> str:
        """How many trials are in each state, and the time."""
        left = [f"{clock(self.left)} left"] if math.isfinite(self.left) and not self.over else []
        states = [f"{state} {count}" for state, count in study.counts.items()]
        return ", ".join([f"{study.ended}/{study.spec.trials}", *states, clock(self.elapsed), *left])

    def best(self, study: Study) -> str:
        """The best so far."""
        if (best := study.best) is None:
            return "no best yet"
        return ", ".join([f"best {label(best)}", *headline(study, best), *drawn(study, best)])


def watching(seconds: float | None) -> TuneWatch:
    """A table in the output of a notebook's cell; elsewhere nobody watches. `seconds` is how long the study may run."""
    if not in_notebook():
        return Nobody()
    # Optuna's and Ray's progress bars ask for widgets, and none of them is shown.
    warnings.filterwarnings("ignore", message="IProgress not found")
    logging.getLogger("ray.widgets.util").setLevel(logging.ERROR)
    return Cell(seconds)

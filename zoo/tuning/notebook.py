"""Study progress in a notebook: number of ended trials, the best one, and those that run or ended last."""

from __future__ import annotations

import logging
import math
import warnings

from zoo.display.format import format_duration
from zoo.display.html import NotebookDisplay, muted_line, progress_bar, table, titled_block
from zoo.tuning.callbacks import StudyProgress
from zoo.tuning.study import TRIAL_HEADS, Study, Trial, describe_study, headline, trial_label, trial_row, varied_options

SHOWN_TRIALS = 8
"""Number of ended trials that are shown."""


class TuneNotebookCallback(NotebookDisplay, StudyProgress):
    """Progress of a study in the output of a notebook cell."""

    def __init__(self, seconds: float | None = None) -> None:
        StudyProgress.__init__(self, seconds)
        NotebookDisplay.__init__(self)
        self.over = False
        # Optuna and Ray warn on import that their own progress bars need widgets; those bars are not shown.
        warnings.filterwarnings("ignore", message="IProgress not found")
        logging.getLogger("ray.widgets.util").setLevel(logging.ERROR)

    def head(self, study: Study) -> None:
        """Draw the block of a study that starts."""
        self.redraw()

    def show(self, trial: Trial) -> None:
        """Redraw when a trial has ended."""
        self.redraw()

    def end(self, study: Study) -> None:
        """Remove the table, since the study itself shows its results."""
        super().end(study)
        self.over = True
        self.redraw()

    def html(self) -> str:
        """Format bar, counts, best trial, table of trials and messages as HTML."""
        study, notes = self.study, [muted_line(text) for text in self.notes]
        if study is None:
            return titled_block("preparing ...", *notes)
        title, *more = describe_study(study, self.parallel)
        trials = self.newest(study, SHOWN_TRIALS)
        rows = table(TRIAL_HEADS, [trial_row(trial, written_out=True) for trial in trials], right=range(2, 6))
        parts = [
            muted_line(", ".join(more)),
            progress_bar(study.ended, study.spec.trials),
            muted_line(self.counts(study)),
            muted_line(self.best(study)),
        ]
        return titled_block(title, *parts, *([rows] if trials and not self.over else []), *notes)

    def text(self) -> str:
        """Describe the study in one line, without HTML."""
        study = self.study
        return f"{study.name}: {self.counts(study)}; {self.best(study)}" if study else "preparing ..."

    def counts(self, study: Study) -> str:
        """Format the number of trials in each state, and the time."""
        left = [f"{format_duration(self.left)} left"] if math.isfinite(self.left) and not self.over else []
        states = [f"{state} {count}" for state, count in study.counts.items()]
        return ", ".join([f"{study.ended}/{study.spec.trials}", *states, format_duration(self.elapsed), *left])

    def best(self, study: Study) -> str:
        """Describe the best trial so far."""
        if (best := study.best) is None:
            return "no result yet"
        return ", ".join([f"best {trial_label(best)}", *headline(study, best), *varied_options(study, best)])

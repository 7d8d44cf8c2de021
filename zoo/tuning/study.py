"""A study as people and programs see it: its trials, the best of them, and the front of loss and parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from zoo.tuning.spec import TuneSpec

LIVE = ("running", "waiting")
FAILED = ("diverged", "oom", "crashed", "hung", "failed")
ENDED = ("done", "pruned", *FAILED)
"""States that count against the budget; `refused` does not."""


@dataclass(frozen=True)
class Trial:
    """One trial."""

    number: int
    state: str
    """running, waiting (to be gone on with), done, pruned (stopped by ASHA), refused (no model, or one over
    the budget of parameters), diverged, oom, crashed (its process died), hung, failed (an error was raised)."""
    run: Path
    """Its run folder."""
    config: dict[str, Any] = field(default_factory=dict)
    """What was drawn, by dotted option."""
    epoch: int = 0
    """Epochs that it has reported."""
    epochs: int = 0
    """Epochs that it will have when it is done."""
    loss: float | None = None
    """Validation loss: of the kept epoch where the trial is done, of the last one otherwise; None of a failed trial."""
    objective: float | None = None
    """What the study compares, of a trial that is done; None with pareto."""
    parameters: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """Figures of the validation split at the kept epoch."""
    seconds: float = 0.0
    """How long it has trained."""
    attempts: int = 1
    reason: str = ""
    """Why it was refused or failed, in one line."""

    @property
    def live(self) -> bool:
        """Whether it runs, or is to be gone on with."""
        return self.state in LIVE


@dataclass(frozen=True)
class Study:
    """A study at one moment; `zoo.tune` returns it, `open_study` reads it back from its folder."""

    path: Path
    entry: dict[str, Any]
    """The entry that is tuned, as JSON."""
    spec: TuneSpec
    space: dict[str, str]
    """What is searched, in words, by dotted option."""
    trials: list[Trial]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are in each state; only states that occur."""
        states = [trial.state for trial in self.trials]
        return {state: states.count(state) for state in (*LIVE, *ENDED, "refused") if state in states}

    @property
    def ended(self) -> int:
        """Trials that count against the budget."""
        return sum(trial.state in ENDED for trial in self.trials)

    @property
    def state(self) -> str:
        """done when the budget is used up, otherwise unfinished."""
        return "done" if self.ended >= self.spec.trials else "unfinished"

    @property
    def causes(self) -> dict[str, list[Trial]]:
        """The trials that failed or were refused, by state; only states that occur."""
        states = [state for state in (*FAILED, "refused") if state in self.counts]
        return {state: [trial for trial in self.trials if trial.state == state] for state in states}

    @property
    def front(self) -> list[Trial]:
        """The done trials that no other beats in both loss and parameters, smallest first."""
        sized = [trial for trial in self.trials if trial.state == "done" and None not in (trial.loss, trial.parameters)]
        front: list[Trial] = []
        for trial in sorted(sized, key=lambda trial: (trial.parameters, trial.loss, trial.number)):
            if not front or (trial.loss or 0.0) < (front[-1].loss or 0.0):
                front.append(trial)
        return front

    @property
    def best(self) -> Trial | None:
        """The best trial that is done, None where none is; of a pareto study the most efficient of the front."""
        from zoo.tuning.objective import best_of

        return best_of(self.spec, [trial for trial in self.trials if trial.state == "done"], self.front)

    def _repr_html_(self) -> str:
        """In a notebook: what was found, the front of loss and parameters, and samples where there are any."""
        from zoo.notebook import block, line, pairs, picture_of, table
        from zoo.tuning.words import FAILURE_HEADS, about, failure_rows, front_table, headline, label

        best, failed = self.best, failure_rows(self)
        title, *more = about(self)
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        parts = [line(", ".join([*more, self.state, counts]))]
        if best:
            parts.append(line(", ".join([f"best {label(best)}", *headline(self, best)])))
            parts += [pairs(dict(best.config)), table(*front_table(self, best))]
        parts += [table(FAILURE_HEADS, failed, right=[1])] if failed else []
        return block(title, *parts, picture_of(self.path / "samples.png"))


class Studies(NamedTuple):
    """The studies below a folder."""

    found: list[Study]
    problems: list[str]
    """What is wrong with those that cannot be read."""

    def _repr_html_(self) -> str:
        """In a notebook."""
        from zoo.notebook import block, line, table
        from zoo.tuning.words import STUDY_HEADS, STUDY_RIGHT, study_row

        shown = (
            table(STUDY_HEADS, map(study_row, self.found), right=STUDY_RIGHT) if self.found else line("no study yet")
        )
        return block("", shown, *(line(f"left out: {problem}") for problem in self.problems))

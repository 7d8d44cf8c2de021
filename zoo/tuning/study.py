"""A study as people and programs see it: its trials, the best of them, and the front of loss and parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from zoo.core.sections import TuneSpec
from zoo.display.format import format_count, format_duration, format_value
from zoo.tuning.objective import directions

LIVE_STATES = ("running", "waiting")
STUDY_HEADS = ("study", "entry", "data", "state", "trials", "best", "parameters", "run")
STUDY_RIGHT = (4, 6)
TRIAL_HEADS = ("trial", "state", "loss", "epoch", "parameters", "time")
FAILURE_HEADS = ("cause", "trials", "first", "reason")
CAUSE_NAMES = {"oom": "out of memory", "failed": "error"}
FAILED_STATES = ("diverged", "oom", "crashed", "hung", "failed")
ENDED_STATES = ("done", "pruned", *FAILED_STATES)
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
        return self.state in LIVE_STATES


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
        return {state: states.count(state) for state in (*LIVE_STATES, *ENDED_STATES, "refused") if state in states}

    @property
    def ended(self) -> int:
        """Trials that count against the budget."""
        return sum(trial.state in ENDED_STATES for trial in self.trials)

    @property
    def state(self) -> str:
        """Whether the budget of trials is used up: `done`, otherwise `unfinished`."""
        return "done" if self.ended >= self.spec.trials else "unfinished"

    @property
    def causes(self) -> dict[str, list[Trial]]:
        """The trials that failed or were refused, by state; only states that occur."""
        states = [state for state in (*FAILED_STATES, "refused") if state in self.counts]
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
        return best_of(self.spec, [trial for trial in self.trials if trial.state == "done"], self.front)

    def _repr_html_(self) -> str:
        """In a notebook: what was found, the front of loss and parameters, and samples where there are any."""
        from zoo.display.html import embed_png_file, key_value_table, muted_line, table, titled_block

        best, failed = self.best, failure_rows(self)
        title, *more = describe_study(self)
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        parts = [muted_line(", ".join([*more, self.state, counts]))]
        if best:
            parts.append(muted_line(", ".join([f"best {trial_label(best)}", *headline(self, best)])))
            parts += [key_value_table(dict(best.config)), table(*front_table(self, best))]
        parts += [table(FAILURE_HEADS, failed, right=[1])] if failed else []
        return titled_block(title, *parts, embed_png_file(self.path / "samples.png"))


class Studies(NamedTuple):
    """The studies below a folder."""

    found: list[Study]
    problems: list[str]
    """What is wrong with those that cannot be read."""

    def _repr_html_(self) -> str:
        """In a notebook."""
        from zoo.display.html import muted_line, table, titled_block

        shown = (
            table(STUDY_HEADS, map(study_row, self.found), right=STUDY_RIGHT)
            if self.found
            else muted_line("no studies yet")
        )
        return titled_block("", shown, *(muted_line(f"skipped: {problem}") for problem in self.problems))


def best_of(spec: TuneSpec, done: Sequence[Trial], front: Sequence[Trial]) -> Trial | None:
    """The best of the trials that are done; of a pareto study the most efficient one of the front."""
    if not done:
        return None
    if spec.objective == "pareto":
        return max(front, key=efficiency, default=None)
    if spec.objective == "fewest-parameters":
        return min(done, key=lambda trial: bound_key(spec, trial))
    sign = 1 if directions(spec) == ["minimize"] else -1
    return min(done, key=lambda trial: (sign * (trial.objective or 0.0), trial.parameters or 0, trial.number))


def bound_key(spec: TuneSpec, trial: Trial) -> tuple[float, ...]:
    """A key by which feasible trials come first, with fewer parameters before more; then those nearest to the bound."""
    loss, bound = (math.inf if value is None else value for value in (trial.loss, spec.bound))
    return (0.0, trial.parameters or 0, loss) if loss <= bound else (1.0, loss, trial.parameters or 0)


def efficiency(trial: Trial) -> float:
    """1 / (loss x parameters), or for a loss at or below 0 how low it is."""
    loss, parameters = trial.loss or 0.0, trial.parameters or 1
    return 1 / (loss * parameters) if loss > 0 else math.inf if loss == 0 else -loss * 1e300


def describe_study(study: Study, parallel: int | None = None) -> list[str]:
    """What a study is, most important first."""
    spec = study.spec
    size = [] if spec.max_params is None else [f"at most {format_count(spec.max_params)} parameters"]
    bound = "" if spec.bound is None else f" with loss <= {spec.bound:g}"
    what = f"{study.entry['name']} on {study.entry['data']['kind']}"
    return [
        what,
        short_path(study.path),
        f"{spec.trials} trials",
        f"objective {spec.objective}{bound}",
        *([] if parallel is None else [f"{parallel} at a time"]),
        *size,
    ]


def short_path(path: Path) -> str:
    """A path as people write it: below the working directory without that."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def trial_label(trial: Trial) -> str:
    """The name of a trial's folder."""
    return f"t{trial.number:05d}"


def trial_progress(trial: Trial) -> str:
    """How far a trial is."""
    return f"epoch {trial.epoch}/{trial.epochs}" if trial.epochs else "not started"


def trial_results(trial: Trial) -> list[str]:
    """Loss and size, as far as they are known."""
    loss = [] if trial.loss is None else [f"loss {format_value(trial.loss)}"]
    return loss + ([] if trial.parameters is None else [f"{trial.parameters:,} parameters"])


def headline(study: Study, trial: Trial) -> list[str]:
    """What a trial reached, with what the study compares first."""
    objective = study.spec.objective
    if objective == "fewest-parameters":
        return trial_results(trial)[::-1]
    named = [] if objective == "loss" or trial.objective is None else [f"{objective} {format_value(trial.objective)}"]
    return named + trial_results(trial)


def varied_options(study: Study, trial: Trial) -> list[str]:
    """What was drawn for a trial, without what all trials have in common."""
    everywhere = [other.config for other in study.trials if other.config]
    told = [key for key, value in trial.config.items() if any(config.get(key) != value for config in everywhere)]
    ends = [key.rpartition(".")[2] for key in trial.config]
    names = {key: end if ends.count(end) == 1 else key for key, end in zip(trial.config, ends, strict=True)}
    return [f"{names[key]}={format_value(trial.config[key])}" for key in told or trial.config]


def study_row(study: Study) -> list[str]:
    """A study in a line."""
    best = study.best
    reached = headline(study, best) if best else []
    size = "" if best is None or best.parameters is None else f"{best.parameters:,}"
    figures = [part for part in reached if not part.endswith(" parameters")]
    trials = f"{study.ended}/{study.spec.trials}"
    what = [study.name, str(study.entry["name"]), str(study.entry["data"]["kind"]), study.state, trials]
    return [*what, figures[0] if figures else "", size, short_path(best.run) if best else ""]


def trial_row(trial: Trial, written_out: bool) -> list[str]:
    """A row of the table, in the order of TRIAL_HEADS."""
    loss = "" if trial.loss is None else format_value(trial.loss)
    epoch = f"{trial.epoch}/{trial.epochs}" if trial.epochs else ""
    size = (
        "" if trial.parameters is None else f"{trial.parameters:,}" if written_out else format_count(trial.parameters)
    )
    pace = f"{trial.seconds / trial.epoch:.3g} s/ep" if trial.epoch else ""
    seconds = pace if trial.live else format_duration(trial.seconds)
    return [trial_label(trial), trial.state, loss, epoch, size, seconds]


def failure_rows(study: Study) -> list[list[object]]:
    """Why trials failed or were refused, with the first reason of each cause, in a table with FAILURE_HEADS."""
    return [
        [CAUSE_NAMES.get(state, state), len(trials), trial_label(trials[0]), trials[0].reason]
        for state, trials in study.causes.items()
    ]


def front_table(study: Study, best: Trial) -> tuple[list[str], list[list[str]], range]:
    """The models that no other beats in both loss and parameters: heads, rows, and the columns of numbers."""
    named = study.spec.objective not in ("loss", "pareto", "fewest-parameters")
    heads = ["parameters", "loss", *([study.spec.objective] if named else []), "run", ""]
    rows = [
        [
            f"{trial.parameters:,}",
            format_value(trial.loss),
            *([format_value(trial.objective)] if named else []),
            short_path(trial.run),
            "best" if trial.number == best.number else "",
        ]
        for trial in study.front
    ]
    return heads, rows, range(2 + named)

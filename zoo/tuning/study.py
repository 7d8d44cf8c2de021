"""A study: its trials, the best of them, the Pareto front of loss and parameters, and how they are displayed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from zoo.core.sections import TuneSpec
from zoo.display.format import format_count, format_duration, format_value
from zoo.runs.names import is_run
from zoo.tuning.objective import directions, has_own_figure

LIVE_STATES = ("running", "waiting")
STUDY_HEADS = ("study", "entry", "data", "state", "trials", "best", "parameters", "run")
STUDY_RIGHT = (4, 6)
TRIAL_HEADS = ("trial", "state", "loss", "epoch", "parameters", "time")
FAILURE_HEADS = ("cause", "trials", "first", "reason")
ENTRY = "entry"
"""`Trial.start` of the trial that is the entry as it stands."""
CAUSE_NAMES = {"oom": "out of memory", "failed": "error"}
FAILED_STATES = ("diverged", "oom", "crashed", "hung", "failed")
ENDED_STATES = ("done", "pruned", *FAILED_STATES)
"""States that count against the budget; `refused` does not."""


@dataclass(frozen=True)
class Trial:
    """One trial of a study: a training with sampled options."""

    number: int
    state: str
    """running, waiting (to be resumed), done, pruned (stopped by ASHA), refused (its model cannot be built or has too
    many parameters), diverged, oom, crashed (its process died), hung, failed (an error was raised)."""
    run: Path
    """Its run folder."""
    config: dict[str, Any] = field(default_factory=dict)
    """Sampled values, by dotted option."""
    epoch: int = 0
    """Number of reported epochs."""
    epochs: int = 0
    """Total number of epochs; 0 if unknown."""
    loss: float | None = None
    """Validation loss of the kept epoch if the trial is done, else of the last epoch; None if it failed."""
    objective: float | None = None
    """Objective value if the trial is done; None with pareto."""
    parameters: int | None = None
    """Number of trainable parameters; None if unknown."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Validation metrics of the kept epoch."""
    seconds: float = 0.0
    """Seconds of training."""
    attempts: int = 1
    """Number of times it was started or resumed."""
    reason: str = ""
    """Why it was refused or failed, in one line."""
    latency: float | None = None
    """Milliseconds of a forward pass for one picture, if that is limited."""
    confirms: tuple[int, int] | None = None
    """Number of the trial whose options it repeats and its seed, for a training that confirms; None for any other."""
    start: str = ""
    """Where its options are from if they were not sampled: the entry, or a trial of an older study."""

    @property
    def live(self) -> bool:
        """Whether it is running or waiting to be resumed."""
        return self.state in LIVE_STATES


@dataclass(frozen=True, repr=False)
class Study:
    """The state of a study at one moment; `zoo.tune` returns it, `open_study` reads it from its folder."""

    path: Path
    entry: dict[str, Any]
    """The entry that is tuned, as JSON."""
    spec: TuneSpec
    space: dict[str, str]
    """Description of each search range, by dotted option."""
    trials: list[Trial]
    confirmed: Sequence[Trial] = ()
    """Trainings of the best trials and the entry with more seeds."""
    moved: Sequence[str] = ()
    """Options of the entry that lay outside the search space, and were moved into it for its trial."""

    @property
    def name(self) -> str:
        """Name of the study's folder."""
        return self.path.name

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials in each state that occurs."""
        states = [trial.state for trial in self.trials]
        return {state: states.count(state) for state in (*LIVE_STATES, *ENDED_STATES, "refused") if state in states}

    @property
    def ended(self) -> int:
        """Number of trials that count against the budget."""
        return sum(trial.state in ENDED_STATES for trial in self.trials)

    @property
    def state(self) -> str:
        """`done` if the budget of trials is used up, otherwise `unfinished`."""
        return "done" if self.ended >= self.spec.trials else "unfinished"

    @property
    def causes(self) -> dict[str, list[Trial]]:
        """Trials that failed or were refused, by state, for states that occur."""
        return causes_of(self.trials)

    @property
    def front(self) -> list[Trial]:
        """Pareto front: the done trials that no other one beats in both loss and parameters, smallest first."""
        return front_of(self.done)

    @property
    def best(self) -> Trial | None:
        """The best of the done trials, the most efficient of the front with pareto.

        Returns None if none is done.

        Trials whose run folders were removed do not count, unless all of them were.
        """
        first = best_of(self.spec, self.done)
        if first is None or is_run(first.run) or not first.run.parent.is_dir():
            return first
        return best_of(self.spec, [trial for trial in self.done if is_run(trial.run)]) or first

    @property
    def baseline(self) -> Trial | None:
        """The trial that is the entry as it stands; None in a study of an older version."""
        return next((trial for trial in self.trials if trial.start == ENTRY), None)

    @property
    def done(self) -> list[Trial]:
        """The trials that are done."""
        return [trial for trial in self.trials if trial.state == "done"]

    @property
    def removed_note(self) -> str:
        """Which trial is the best now that the run of a better one was removed.

        Empty if none was.
        """
        first, best = best_of(self.spec, self.done), self.best
        if first is None or best is None or first is best:
            return ""
        return f"the best trial of {self.name}, {trial_label(first)}, was removed; the next best is {trial_label(best)}"

    def __repr__(self) -> str:
        """Describe the study in one line."""
        best = self.best
        about = f", best {trial_label(best)}: {', '.join(headline(self, best))}" if best else ""
        return f"<Study {short_path(self.path)}: {self.state}, {self.ended} of {self.spec.trials} trials{about}>"

    def _repr_html_(self) -> str:
        """Show the best trial, the front, failures and samples, if any, in a notebook."""
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
    """An error message for each study that cannot be read."""

    def __repr__(self) -> str:
        """List the studies in one line."""
        return f"<Studies: {', '.join(study.name for study in self.found) or 'none'}>"

    def _repr_html_(self) -> str:
        """Show the studies as a table in a notebook."""
        from zoo.display.html import muted_line, table, titled_block

        shown = (
            table(STUDY_HEADS, map(study_row, self.found), right=STUDY_RIGHT)
            if self.found
            else muted_line("no studies yet")
        )
        return titled_block("", shown, *(muted_line(f"skipped: {problem}") for problem in self.problems))


def moved_options(starts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return which options were moved for the trial of the entry, from the starts in a study's plan."""
    return [text for start in starts if start["origin"] == ENTRY for text in start.get("moved", ())]


def causes_of(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Return the trials that failed or were refused, by state, for states that occur."""
    found = {state: [trial for trial in trials if trial.state == state] for state in (*FAILED_STATES, "refused")}
    return {state: some for state, some in found.items() if some}


def front_of(done: Sequence[Trial]) -> list[Trial]:
    """Return the done trials that no other one beats in both loss and parameters, smallest first."""
    sized = [trial for trial in done if None not in (trial.loss, trial.parameters)]
    front: list[Trial] = []
    for trial in sorted(sized, key=lambda trial: (trial.parameters, trial.loss, trial.number)):
        if not front or (trial.loss or 0.0) < (front[-1].loss or 0.0):
            front.append(trial)
    return front


def best_of(spec: TuneSpec, done: Sequence[Trial]) -> Trial | None:
    """Choose the best of the done trials; with pareto, the most efficient one of the front."""
    if not done:
        return None
    if spec.objective == "pareto":
        return max(front_of(done), key=efficiency, default=None)
    if spec.objective == "fewest-parameters":
        return min(done, key=lambda trial: bound_key(spec, trial))
    sign = better_sign(spec)
    return min(done, key=lambda trial: (sign * (trial.objective or 0.0), trial.parameters or 0, trial.number))


def better_sign(spec: TuneSpec) -> int:
    """Return 1 if a smaller objective is better, and -1 otherwise."""
    return 1 if directions(spec)[0] == "minimize" else -1


def ranking(spec: TuneSpec, done: Sequence[Trial], most: int) -> list[Trial]:
    """Return up to `most` of the done trials, the best first."""
    rest, ranked = list(done), list[Trial]()
    while len(ranked) < most and (best := best_of(spec, rest)):
        ranked.append(best)
        rest.remove(best)
    return ranked


def bound_key(spec: TuneSpec, trial: Trial) -> tuple[float, ...]:
    """Sort key for fewest-parameters: trials within the bound by parameters, then the others by loss."""
    loss, bound = (math.inf if value is None else value for value in (trial.loss, spec.bound))
    return (0.0, trial.parameters or 0, loss) if loss <= bound else (1.0, loss, trial.parameters or 0)


def efficiency(trial: Trial) -> float:
    """Compute 1 / (loss x parameters); for a loss at or below 0, lower losses rank higher."""
    loss, parameters = trial.loss or 0.0, trial.parameters or 1
    return 1 / (loss * parameters) if loss > 0 else 1e300 * (1 - loss)


def describe_study(study: Study, parallel: int | None = None) -> list[str]:
    """Describe what a study searches for, most important part first."""
    spec = study.spec
    size = [] if spec.max_params is None else [f"at most {format_count(spec.max_params)} parameters"]
    size += [] if spec.max_flops is None else [f"at most {format_count(spec.max_flops)} FLOPs"]
    size += [] if spec.max_latency is None else [f"at most {spec.max_latency:g} ms"]
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
    """Format a path, relative to the working directory if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def trial_label(trial: Trial) -> str:
    """Name of a trial, which is that of its folder."""
    return trial.run.name


def trial_progress(trial: Trial) -> str:
    """Format the epoch of a trial."""
    return f"epoch {trial.epoch}/{trial.epochs}" if trial.epochs else "not started"


def trial_results(trial: Trial) -> list[str]:
    """Format loss and number of parameters, as far as they are known."""
    loss = [] if trial.loss is None else [f"loss {format_value(trial.loss)}"]
    return loss + ([] if trial.parameters is None else [f"{trial.parameters:,} parameters"])


def headline(study: Study, trial: Trial) -> list[str]:
    """Format the results of a trial, the objective first."""
    objective = study.spec.objective
    if objective == "fewest-parameters":
        return trial_results(trial)[::-1]
    named = [] if objective == "loss" or trial.objective is None else [f"{objective} {format_value(trial.objective)}"]
    return named + trial_results(trial)


def varied_options(study: Study, trial: Trial) -> list[str]:
    """Format the sampled options of a trial, without those that are the same in all trials."""
    configs = [other.config for other in study.trials if other.config]
    varied = [key for key, value in trial.config.items() if any(config.get(key) != value for config in configs)]
    last_words = [key.rpartition(".")[2] for key in trial.config]
    short = {
        key: word if last_words.count(word) == 1 else key for key, word in zip(trial.config, last_words, strict=True)
    }
    return [f"{short[key]}={format_value(trial.config[key])}" for key in varied or trial.config]


def study_row(study: Study) -> list[str]:
    """Table row of a study, in the order of STUDY_HEADS."""
    best = study.best
    results = headline(study, best) if best else []
    size = "" if best is None or best.parameters is None else f"{best.parameters:,}"
    figures = [part for part in results if not part.endswith(" parameters")]
    trials = f"{study.ended}/{study.spec.trials}"
    what = [study.name, str(study.entry["name"]), str(study.entry["data"]["kind"]), study.state, trials]
    return [*what, figures[0] if figures else "", size, short_path(best.run) if best else ""]


def trial_row(trial: Trial, written_out: bool) -> list[str]:
    """Table row of a trial, in the order of TRIAL_HEADS."""
    loss = "" if trial.loss is None else format_value(trial.loss)
    epoch = f"{trial.epoch}/{trial.epochs}" if trial.epochs else ""
    size = (
        "" if trial.parameters is None else f"{trial.parameters:,}" if written_out else format_count(trial.parameters)
    )
    pace = f"{trial.seconds / trial.epoch:.3g} s/ep" if trial.epoch else ""
    seconds = pace if trial.live else format_duration(trial.seconds)
    return [trial_label(trial), trial.state, loss, epoch, size, seconds]


def failure_rows(study: Study) -> list[list[object]]:
    """Table rows of the causes of failed and refused trials, in the order of FAILURE_HEADS."""
    return [
        [CAUSE_NAMES.get(state, state), len(trials), trial_label(trials[0]), trials[0].reason]
        for state, trials in study.causes.items()
    ] + [
        [f"{CAUSE_NAMES.get(state, state)} (more seeds)", len(trials), trial_label(trials[0]), trials[0].reason]
        for state, trials in causes_of(study.confirmed).items()
    ]


def main_failure(study: Study) -> str:
    """Say why most of the failed and refused trials ended, in one line; empty if there are none."""
    rows = failure_rows(study)
    if not rows:
        return ""
    cause, many, first, reason = max(rows, key=lambda row: int(str(row[1])))
    others = f" (and {len(rows) - 1} other cause{'s' * (len(rows) > 2)})" * (len(rows) > 1)
    return f"{cause} in {many}, first in {first}: {reason}{others}"


def front_table(study: Study, best: Trial) -> tuple[list[str], list[list[str]], range]:
    """Table of the Pareto front: heads, rows, and the columns to align right."""
    named = has_own_figure(study.spec)
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

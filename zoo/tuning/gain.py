"""By how much the best trial of a study beats the entry as it stands, and whether by more than the noise of seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from zoo.core.sections import TuneSpec
from zoo.display.format import format_value
from zoo.tuning.objective import objective_metric
from zoo.tuning.study import (
    ENDED_STATES,
    Study,
    Trial,
    best_of,
    better_sign,
    ranking,
    short_path,
    trial_label,
)

CONFIRMED = 2
"""Number of the best trials that are trained with more seeds, beside the entry."""
MORE_SEEDS = 2
"""Seeds with which each of them is trained, beside its own."""
STUDENT = {2: 4.303, 3: 3.182, 4: 2.776}
"""Quantiles of Student's t for 95 % (two-sided) by degrees of freedom, for up to three seeds each."""


class Confirmation(NamedTuple):
    """A trial that was trained with more seeds."""

    trial: Trial
    figure: str
    """The figure that is compared."""
    seeds: list[int]
    """The trial's own seed first."""
    values: list[float]
    """The figure on the validation pictures, by seed."""
    runs: list[str]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return sum(self.values) / len(self.values)

    @property
    def std(self) -> float | None:
        """Sample standard deviation over the seeds; None for a single one."""
        # not `statistics.stdev`, which raises AttributeError if a figure, e.g. a metric of a plugin, is infinite
        more = len(self.values) - 1
        return math.sqrt(sum((value - self.mean) ** 2 for value in self.values) / more) if more else None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        kept = {"number": self.trial.number, "figure": self.figure, "mean": self.mean, "std": self.std}
        return kept | {"seeds": self.seeds, "values": self.values, "runs": self.runs}


class Difference(NamedTuple):
    """The difference of a figure's means over seeds, of two trials."""

    figure: str
    value: float
    """The first mean minus the second one."""
    error: float
    """Standard error of the difference."""
    noise: float
    """Largest difference within the noise of seeds: Welch's t at 95 %, with the degrees of freedom of equal spreads."""
    sign: int
    """1 if a smaller figure is better, and -1 otherwise."""

    @property
    def verdict(self) -> str:
        """Whether the first trial is better, worse or the same."""
        gained = -self.sign * self.value
        return "better" if gained > 0 else "worse" if gained < 0 else "the same"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; `clear` is a gain of more than the noise of seeds."""
        clear = -self.sign * self.value > self.noise
        kept = {"figure": self.figure, "value": self.value, "error": self.error}
        return kept | {"verdict": self.verdict, "clear": clear}

    def describe(self) -> str:
        """Say by how much the first trial is better or worse, and whether by more than the noise of seeds."""
        size = "" if self.verdict == "the same" else f" by {format_value(abs(self.value))}"
        extent = "more than" if abs(self.value) > self.noise else "within"
        text = f"over seeds, its mean {self.figure} is {self.verdict}{size}, with a standard error of"
        return f"{text} {format_value(self.error)}: {extent} the noise of seeds"


def candidates(study: Study) -> list[Trial]:
    """Return the trials to train with more seeds: the best ones, then the entry as it stands."""
    entry = study.baseline
    best = [trial for trial in ranking(study.spec, study.done, CONFIRMED + 1) if trial is not entry][:CONFIRMED]
    return [*best, *([entry] if entry and entry.state == "done" else [])]


def confirmed_figure(spec: TuneSpec) -> str:
    """Return the figure whose noise over seeds is compared: parameters have none."""
    return "efficiency" if spec.objective == "efficiency" else objective_metric(spec)


def figure_of(spec: TuneSpec, trial: Trial) -> float | None:
    """Return that figure of a trial; None if it is not done."""
    name = confirmed_figure(spec)
    return trial.objective if name == "efficiency" else trial.metrics.get(name)


def confirmations(study: Study) -> list[Confirmation]:
    """Return the trials that were trained with more seeds, best first and the entry last."""
    known = {trial.number: trial for trial in study.done}
    repeated = [each for each in study.confirmed if each.confirms and each.state == "done"]
    order = [trial.number for trial in candidates(study)]
    order += [number for number, _ in (each.confirms or (0, 0) for each in repeated)]
    found = []
    for number in dict.fromkeys(order):
        rows = [(own_seed(study, known[number]), known[number])] if number in known else []
        rows += sorted(
            ((each.confirms[1], each) for each in repeated if each.confirms and each.confirms[0] == number),
            key=lambda row: row[0],
        )
        values = [(seed, value, each) for seed, each in rows if (value := figure_of(study.spec, each)) is not None]
        if len(values) > 1:
            seeds, numbers, trials = (list(column) for column in zip(*values, strict=True))
            runs = [short_path(each.run) for each in trials]
            found.append(Confirmation(known[number], confirmed_figure(study.spec), seeds, numbers, runs))
    return found


def own_seed(study: Study, trial: Trial) -> int:
    """Return the seed with which a trial was trained."""
    return int(trial.config.get("train.seed", study.entry.get("train", {}).get("seed", 0)))


def confirming_left(study: Study) -> tuple[int, int]:
    """Return how many trainings with more seeds have not ended, and how many are planned."""
    seeds = [(trial, own_seed(study, trial)) for trial in candidates(study)]
    planned = {(trial.number, seed + more) for trial, seed in seeds for more in range(1, MORE_SEEDS + 1)}
    ended = {each.confirms for each in study.confirmed if each.state in (*ENDED_STATES, "refused")}
    return len(planned - ended), len(planned)


def difference(one: Confirmation, other: Confirmation, sign: int) -> Difference | None:
    """Return the difference of the means of two trials; None if one has a single seed."""
    if one.std is None or other.std is None:
        return None
    value, more = one.mean - other.mean, len(one.values) + len(other.values) - 2
    error = math.sqrt(one.std**2 / len(one.values) + other.std**2 / len(other.values))
    return Difference(one.figure, value, error, STUDENT.get(more, 2.0) * error, sign)


def difference_to_entry(study: Study, best: Trial, entry: Trial) -> Difference | None:
    """Return the difference of the best trial to the entry; None unless both were trained with more seeds."""
    pair = {each.trial.number: each for each in confirmations(study)}
    if best.number == entry.number or not {best.number, entry.number} <= pair.keys():
        return None
    return difference(pair[best.number], pair[entry.number], better_sign(study.spec))


def gain_document(study: Study) -> dict[str, Any] | None:
    """Describe what the search gained, as a JSON object; None where there is nothing to compare with."""
    entry, best = study.baseline, study.best
    if entry is None or best is None or entry.state != "done":
        return None
    rows = [{"figure": name, "best": one, "entry": other} for name, one, other in compared(study, best, entry)]
    apart = difference_to_entry(study, best, entry)
    seeds = None if apart is None else apart.to_dict()
    return {"entry": entry.number, "best": best.number, "figures": rows, "seeds": seeds}


def compared(study: Study, best: Trial, entry: Trial) -> Iterator[tuple[str, float, float]]:
    """Yield name, value of the best trial and value of the entry of each figure of the objective."""
    objective = study.spec.objective
    names = {"pareto": ("loss", "parameters"), "fewest-parameters": ("parameters", "loss")}.get(objective, (objective,))
    for name in names:
        one, other = (
            getattr(trial, name if name in ("loss", "parameters") else "objective") for trial in (best, entry)
        )
        if one is not None and other is not None:
            yield name, one, other


def gain_lines(study: Study, asked: bool = False) -> Iterator[str]:
    """Yield how the best trial compares with the entry, and whether they differ by more than the noise of seeds.

    `asked`: whether trainings with more seeds were asked for, so that this is not advised.
    """
    entry, best = study.baseline, study.best
    if entry is None:
        if study.trials and (asked or study.confirmed):
            yield (
                "an older version began this study, without a trial of the entry to compare with; --fresh begins a "
                "study with one"
            )
        return
    name = f"{entry_name(study.moved)} ({trial_label(entry)})"
    if entry.state != "done" or best is None:
        yield f"{name} has no result to compare with: {entry.state}{f', {entry.reason}' if entry.reason else ''}"
        return
    if best.number == entry.number:
        pareto = study.spec.objective == "pareto"
        yield f"no trial is more efficient than {name}" if pareto else f"no trial beats {name}"
        return
    parts = [
        f"{what} {format_value(one)} against {format_value(other)}{change(one, other)}"
        for what, one, other in compared(study, best, entry)
    ]
    verb = "beats" if beats(study, best, entry) else "compared with"
    yield f"{trial_label(best)} {verb} {name} on validation: {', '.join(parts)}"
    if apart := difference_to_entry(study, best, entry):
        yield apart.describe()
    elif lost := failed_confirming(study, best, entry):
        yield f"the noise of seeds is unknown: all other trainings of {' and '.join(lost)} failed"
    elif not asked:
        yield "one seed each; --confirm shows whether that is more than the noise of seeds"


def entry_name(moved: Sequence[str]) -> str:
    """Name the trial of the entry, whose options may have been moved into the search space."""
    return "the entry, moved into the search space" if moved else "the entry as it stands"


def beats(study: Study, best: Trial, entry: Trial) -> bool:
    """Whether the best trial is better than the entry, which it need not be with pareto or once runs were removed."""
    return study.spec.objective != "pareto" and best_of(study.spec, [best, entry]) is best


def failed_confirming(study: Study, *trials: Trial) -> list[str]:
    """Return the names of those trials of which every training with more seeds failed."""
    lost = []
    for trial in trials:
        states = [each.state for each in study.confirmed if each.confirms and each.confirms[0] == trial.number]
        if len(states) >= MORE_SEEDS and not {"done", "running", "waiting"} & set(states):
            lost.append(trial_label(trial))
    return lost


def change(one: float, other: float) -> str:
    """Format by how much a value changed, in per cent too where that makes sense."""
    share = f", {100 * (one / other - 1):+.3g} %" if one > 0 and other > 0 else ""
    return f" ({format_value(one - other)}{share})"

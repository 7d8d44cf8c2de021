"""By how much the best trial of a study beats the entry as it stands, and whether by more than the noise of seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from zoo.core.sections import TuneSpec
from zoo.display.format import format_value
from zoo.tuning.objective import objective_metric
from zoo.tuning.study import Study, Trial, ranking, short_path, trial_label

CONFIRMED = 2
"""Number of the best trials that are trained with more seeds, beside the entry."""
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
        more = len(self.values) - 1
        return math.sqrt(sum((value - self.mean) ** 2 for value in self.values) / more) if more else None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        kept = {"number": self.trial.number, "figure": self.figure, "mean": self.mean, "std": self.std}
        return kept | {"seeds": self.seeds, "values": self.values, "runs": self.runs}


class Difference(NamedTuple):
    """The difference of two means over seeds."""

    value: float
    error: float
    """Standard error of the difference."""
    clear: bool
    """Whether it is larger than the noise of seeds: Welch's t at 95 %, with the degrees of freedom of equal spreads."""


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


def difference(one: Confirmation, other: Confirmation) -> Difference | None:
    """Return the difference of the means of two trials; None if one has a single seed."""
    if one.std is None or other.std is None:
        return None
    value, more = one.mean - other.mean, len(one.values) + len(other.values) - 2
    error = math.sqrt(one.std**2 / len(one.values) + other.std**2 / len(other.values))
    return Difference(value, error, abs(value) > STUDENT.get(more, 2.0) * error)


def gain_document(study: Study) -> dict[str, Any] | None:
    """Describe what the search gained, as a JSON object; None where there is nothing to compare with."""
    entry, best = study.baseline, study.best
    if entry is None or best is None or entry.state != "done":
        return None
    rows = [{"figure": name, "best": one, "entry": other} for name, one, other in compared(study, best, entry)]
    found = confirmations(study)
    pair = {each.trial.number: each for each in found}
    apart = difference(pair[best.number], pair[entry.number]) if {best.number, entry.number} <= pair.keys() else None
    seeds = None if apart is None or best is entry else apart._asdict()
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


def gain_lines(study: Study) -> Iterator[str]:
    """Yield by how much the best trial beats the entry, and whether that is more than the noise of seeds."""
    entry, best = study.baseline, study.best
    if entry is None:
        return
    name = f"the entry as it stands ({trial_label(entry)})"
    if entry.state != "done" or best is None:
        yield f"{name} has no result to compare with: {entry.state}{f', {entry.reason}' if entry.reason else ''}"
        return
    if best.number == entry.number:
        yield f"no trial beats {name}"
        return
    parts = [
        f"{what} {format_value(one)} against {format_value(other)}{change(one, other)}"
        for what, one, other in compared(study, best, entry)
    ]
    yield f"{trial_label(best)} beats {name} on validation: {', '.join(parts)}"
    pair = {each.trial.number: each for each in confirmations(study)}
    if not {best.number, entry.number} <= pair.keys():
        yield "one seed each; --confirm shows whether that is more than the noise of seeds"
        return
    if apart := difference(pair[best.number], pair[entry.number]):
        size = f"{format_value(apart.value)} with a standard error of {format_value(apart.error)}"
        verdict = "more than" if apart.clear else "within"
        yield f"difference of the means over seeds: {size}, {verdict} the noise of seeds"


def change(one: float, other: float) -> str:
    """Format by how much a value changed, in per cent too where that makes sense."""
    share = f", {100 * (one / other - 1):+.3g} %" if one > 0 and other > 0 else ""
    return f" ({format_value(one - other)}{share})"

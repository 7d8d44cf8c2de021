"""The result of a comparison: variants, their runs, and metrics with their spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from zoo.display.format import format_value
from zoo.evaluation.compare.axes import Values, variant_title

DEFAULT_COLUMNS = 6
"""Number of metrics shown by default."""
END_STATES = ("done", "diverged", "failed")
FAILURE_HEADS = ("variant", "seed", "state", "reason")


class MetricSummary(NamedTuple):
    """Mean, standard deviation and values of a metric over the seeds of a variant."""

    mean: float
    std: float | None
    """Sample standard deviation over seeds; None for a single seed."""
    values: list[float]
    """Values of the finished runs, in the order of the seeds."""

    @classmethod
    def of(cls, values: list[float]) -> MetricSummary:
        """Summarise values; the result is not finite if one of them is not."""
        # not `statistics.stdev`, which raises AttributeError for infinite values
        mean, more = sum(values) / len(values), len(values) - 1
        squares = sum((value - mean) * (value - mean) for value in values)
        return cls(mean, math.sqrt(squares / more) if more else None, values)


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison: a variant trained with one seed."""

    seed: int
    run: Path
    """Its run folder."""
    state: str = "waiting"
    """waiting (not started), running, interrupted, trained (not evaluated yet), diverged, failed, done."""
    seconds: float = 0.0
    """Seconds of training."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics of a finished run."""
    reason: str = ""
    """Why the run diverged or failed, in one line."""
    judge: str = ""
    """Name of the judge, for a generator."""
    fold: int = 0
    """The fold on which it is evaluated, from 1 on; 0 without folds."""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        about: dict[str, Any] = {"seed": self.seed} | ({"fold": self.fold} if self.fold else {})
        about |= {"run": str(self.run), "state": self.state, "seconds": round(self.seconds, 3)}
        return about | {"metrics": self.metrics} | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True)
class Variant:
    """One combination of values, and its runs."""

    values: Values
    parameters: int
    runs: list[ComparedRun]

    @property
    def overrides(self) -> list[str]:
        """Overrides of this variant, as `key=value`."""
        return [f"{key}={value}" for key, value in self.values.items()]

    @property
    def label(self) -> str:
        """One-line name of the variant."""
        return variant_title(self.values)

    @property
    def done(self) -> list[ComparedRun]:
        """Runs that are trained and evaluated."""
        return [run for run in self.runs if run.state == "done"]

    @property
    def seconds(self) -> float | None:
        """Mean seconds of a finished training; None if none has finished."""
        return sum(run.seconds for run in self.done) / len(self.done) if self.done else None

    @property
    def figures(self) -> dict[str, MetricSummary]:
        """Metrics over the seeds, by name."""
        found = {
            name: [run.metrics[name] for run in self.done if name in run.metrics] for name in metric_names(self.done)
        }
        return {name: MetricSummary.of(values) for name, values in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        about = {"overrides": self.overrides, "parameters": self.parameters, "seconds": self.seconds}
        figures = {name: found._asdict() for name, found in self.figures.items()}
        return about | {"runs": [run.to_dict() for run in self.runs], "figures": figures}


@dataclass(frozen=True, repr=False)
class Comparison:
    """Variants of an entry side by side; `zoo.compare` returns it."""

    path: Path
    entry: str
    split: str
    """The split on which the runs are evaluated; with folds it is not used, and `to_dict` says "fold"."""
    seeds: list[int]
    axes: dict[str, list[Any]]
    """The values of each axis, by dotted option."""
    variants: list[Variant]
    folds: int = 0
    """The number of folds of a cross-validation; 0 without folds."""

    def __repr__(self) -> str:
        """Describe the comparison in one line."""
        count, seeds = len(self.variants), len(self.seeds)
        each = f"{seeds} seed{'s' * (seeds != 1)}{f' and {self.folds} folds' * bool(self.folds)} each"
        return f"<Comparison {self.path}: {count} variant{'s' * (count != 1)} of {self.entry}, {each}>"

    @property
    def runs(self) -> list[ComparedRun]:
        """The runs of all variants."""
        return [run for variant in self.variants for run in variant.runs]

    @property
    def figures(self) -> list[str]:
        """Names of all metrics, `loss` first."""
        return metric_names(run for variant in self.variants for run in variant.done)

    def table(self, names: list[str]) -> tuple[list[str], list[list[str]]]:
        """Column heads, and a row per variant, with these metrics."""
        single = len(self.axes) == 1
        over = "folds" if self.folds else "seeds"
        heads = [next(iter(self.axes)) if single else "variant", over, "parameters", "minutes", *names]
        return heads, [table_row(variant, names, single, self.entry) for variant in self.variants]

    @property
    def title(self) -> str:
        """Title of the table: folder, entry, split and seeds."""
        seeds = f"seed{'s' * (len(self.seeds) > 1)} {', '.join(map(str, self.seeds))}"
        part = f"each of {self.folds} folds of the training pictures" if self.folds else f"{self.split} split"
        return f"{self.path}: {self.entry}, {part}, {seeds}"

    @property
    def failures(self) -> list[list[object]]:
        """Rows for the runs that failed, under FAILURE_HEADS."""
        runs = [
            (variant.label + f" fold {run.fold}" * bool(run.fold), run)
            for variant in self.variants
            for run in variant.runs
        ]
        return [
            [label, run.seed, run.state, run.reason] for label, run in runs if run.state in END_STATES and run.reason
        ]

    def _repr_html_(self) -> str:
        """The table and the failures, for a notebook."""
        from zoo.display.html import table, titled_block

        heads, rows = self.table(self.figures[:DEFAULT_COLUMNS])
        failed = table(FAILURE_HEADS, self.failures, right=[1]) if self.failures else ""
        return titled_block(self.title, table(heads, rows, right=range(1, len(heads))), failed)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        about: dict[str, Any] = {
            "comparison": str(self.path),
            "entry": self.entry,
            "split": "fold" if self.folds else self.split,
            "seeds": self.seeds,
        }
        about |= {"folds": self.folds} if self.folds else {}
        return about | {"axes": self.axes, "variants": [variant.to_dict() for variant in self.variants]}


def metric_names(runs: Iterable[ComparedRun]) -> list[str]:
    """Names of the metrics of runs, `loss` first."""
    found = dict.fromkeys(name for run in runs for name in run.metrics)
    return sorted(found, key=lambda name: name != "loss")


def table_row(variant: Variant, names: list[str], single: bool, entry: str) -> list[str]:
    """Table row of a variant; one that is alone is called as the entry."""
    label = next(iter(variant.values.values())) if single else variant.label or entry
    figures = variant.figures
    cells = [format_spread(figures[name]) if name in figures else "" for name in names]
    return [
        label,
        f"{len(variant.done)}/{len(variant.runs)}",
        f"{variant.parameters:,}",
        format_minutes(variant.seconds),
        *cells,
    ]


def format_spread(found: MetricSummary) -> str:
    """Format mean and standard deviation, the latter with two digits."""
    if found.std is None:
        return format_value(found.mean)
    return f"{format_value(found.mean)} ± {f'{found.std:.2g}' if found.std < 100 else format_value(found.std)}"


def format_minutes(seconds: float | None) -> str:
    """Format seconds as minutes, with two digits or one decimal place."""
    if seconds is None:
        return ""
    return f"{seconds / 60:.1f}" if seconds >= 600 else f"{seconds / 60:.2g}"

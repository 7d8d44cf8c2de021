"""What a comparison found: its variants, the runs of each, and its figures with their spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from zoo.display.format import format_value
from zoo.evaluation.compare.axes import Values, title

SHOWN = 6
"""Figures that are shown unless others are asked for."""
ENDED = ("done", "diverged", "failed")
FAILURE_HEADS = ("variant", "seed", "state", "reason")


class Figure(NamedTuple):
    """A figure over the seeds of a variant."""

    mean: float
    std: float | None
    """Sample standard deviation over seeds; None for a single one."""
    values: list[float]
    """Of each run that is done, in the order of seeds."""

    @classmethod
    def of(cls, values: list[float]) -> Figure:
        """Mean and spread; not finite where a value is not."""
        mean, more = sum(values) / len(values), len(values) - 1
        squares = sum((value - mean) * (value - mean) for value in values)
        return cls(mean, math.sqrt(squares / more) if more else None, values)


@dataclass(frozen=True)
class ComparedRun:
    """A variant trained with one seed."""

    seed: int
    run: Path
    """Its run folder."""
    state: str = "waiting"
    """waiting (not begun), running, interrupted, trained (not evaluated yet), diverged, failed, done."""
    seconds: float = 0.0
    """How long it has trained."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What its evaluation found, of a run that is done."""
    reason: str = ""
    """Why it diverged or failed, in one line."""
    judge: str = ""
    """Who looked at what a generator makes."""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        about = {"seed": self.seed, "run": str(self.run), "state": self.state, "seconds": round(self.seconds, 3)}
        return about | {"metrics": self.metrics} | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True)
class Variant:
    """One combination of the values that vary."""

    values: Values
    parameters: int
    runs: list[ComparedRun]

    @property
    def overrides(self) -> list[str]:
        """What sets it apart, as `key=value`."""
        return [f"{key}={value}" for key, value in self.values.items()]

    @property
    def label(self) -> str:
        """Its name in a line."""
        return title(self.values)

    @property
    def done(self) -> list[ComparedRun]:
        """The runs that came to their end and are evaluated."""
        return [run for run in self.runs if run.state == "done"]

    @property
    def seconds(self) -> float | None:
        """How long a training took, the mean over those that are done; None where none is."""
        return sum(run.seconds for run in self.done) / len(self.done) if self.done else None

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures of the evaluation over seeds, in its own order."""
        found = {name: [run.metrics[name] for run in self.done if name in run.metrics] for name in names(self.done)}
        return {name: Figure.of(values) for name, values in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        about = {"overrides": self.overrides, "parameters": self.parameters, "seconds": self.seconds}
        figures = {name: found._asdict() for name, found in self.figures.items()}
        return about | {"runs": [run.to_dict() for run in self.runs], "figures": figures}


@dataclass(frozen=True)
class Comparison:
    """Variants of an entry side by side at one moment; `zoo.compare` returns it."""

    path: Path
    entry: str
    split: str
    """The split that the figures are of."""
    seeds: list[int]
    axes: dict[str, list[Any]]
    """What varies, by dotted option."""
    variants: list[Variant]

    @property
    def runs(self) -> list[ComparedRun]:
        """The runs of all variants."""
        return [run for variant in self.variants for run in variant.runs]

    @property
    def figures(self) -> list[str]:
        """The names of all figures, in the evaluations' own order."""
        return names(run for variant in self.variants for run in variant.done)

    def table(self, names: list[str]) -> tuple[list[str], list[list[str]]]:
        """Heads, and a row for each variant, with these figures."""
        single = len(self.axes) == 1
        heads = [next(iter(self.axes)) if single else "variant", "seeds", "parameters", "minutes", *names]
        return heads, [row(variant, names, len(self.seeds), single) for variant in self.variants]

    @property
    def title(self) -> str:
        """What is compared, over what."""
        seeds = f"seed{'s' * (len(self.seeds) > 1)} {', '.join(map(str, self.seeds))}"
        return f"{self.path}: {self.entry}, {self.split} split, {seeds}"

    @property
    def failures(self) -> list[list[object]]:
        """The runs that did not come to their end, in a table with FAILURE_HEADS."""
        runs = [(variant.label, run) for variant in self.variants for run in variant.runs]
        return [[label, run.seed, run.state, run.reason] for label, run in runs if run.state in ENDED and run.reason]

    def _repr_html_(self) -> str:
        """In a notebook."""
        from zoo.display.html import table, titled_block

        heads, rows = self.table(self.figures[:SHOWN])
        failed = table(FAILURE_HEADS, self.failures, right=[1]) if self.failures else ""
        return titled_block(self.title, table(heads, rows, right=range(1, len(heads))), failed)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        about = {"comparison": str(self.path), "entry": self.entry, "split": self.split, "seeds": self.seeds}
        return about | {"axes": self.axes, "variants": [variant.to_dict() for variant in self.variants]}


def names(runs: Iterable[ComparedRun]) -> list[str]:
    """The names of the runs' figures, `loss` first."""
    found = dict.fromkeys(name for run in runs for name in run.metrics)
    return sorted(found, key=lambda name: name != "loss")


def row(variant: Variant, names: list[str], seeds: int, single: bool) -> list[str]:
    """A variant in a line."""
    label = next(iter(variant.values.values())) if single else variant.label
    figures = variant.figures
    cells = [spread(figures[name]) if name in figures else "" for name in names]
    return [label, f"{len(variant.done)}/{seeds}", f"{variant.parameters:,}", minutes(variant.seconds), *cells]


def spread(found: Figure) -> str:
    """Mean and standard deviation; the latter with two digits."""
    if found.std is None:
        return format_value(found.mean)
    return f"{format_value(found.mean)} ± {f'{found.std:.2g}' if found.std < 100 else format_value(found.std)}"


def minutes(seconds: float | None) -> str:
    """Minutes with two digits, or one behind the point."""
    if seconds is None:
        return ""
    return f"{seconds / 60:.1f}" if seconds >= 600 else f"{seconds / 60:.2g}"

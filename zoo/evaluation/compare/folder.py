"""The folder of a comparison: how it is chosen, and its record of variants and evaluations."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError
from zoo.core.files import check_name, digest, non_finite_to_none, write_json
from zoo.core.version import __version__
from zoo.evaluation.compare.result import Comparison
from zoo.evaluation.evaluation import Evaluation
from zoo.runs.choose_folder import choose_resumable
from zoo.runs.names import COMPARISON_FILE
from zoo.runs.run import differences, read_record, utc_now

SCHEMA = 1
TABLE = "table.json"
NEW_COMPARISON_HINT = "start a new comparison with --fresh, or choose a name with --name"


@dataclass(frozen=True)
class ComparisonPlan:
    """What the variants of a comparison share; a different plan is a different comparison."""

    entry: str
    split: str
    axes: list[str]
    """The options that vary, sorted."""
    base: dict[str, Any]
    """The entry with the shared overrides, as written in a registry."""

    def changes(self, other: ComparisonPlan) -> list[str]:
        """List the differences from another plan, e.g. `train.epochs: 24 -> 12`."""
        lines = [f"entry: {self.entry} -> {other.entry}"] if self.entry != other.entry else []
        lines += [f"--split: {self.split} -> {other.split}"] if self.split != other.split else []
        if self.axes != other.axes:
            ours, theirs = (", ".join(plan.axes) or "none" for plan in (self, other))
            lines.append(f"varied options: {ours} -> {theirs}")
        return lines + differences(self.base, other.base)


def choose_comparison(plan: ComparisonPlan, name: str | None, fresh: bool) -> Path:
    """Choose the comparison to resume, or a folder for a new one."""
    base = name or f"{plan.entry}-compare"
    return choose_resumable("comparison", base, COMPARISON_FILE, lambda path: changes_in(path, plan), bool(name), fresh)


def changes_in(path: Path, plan: ComparisonPlan) -> list[str]:
    """List how a plan differs from that of an existing comparison."""
    return ComparisonRecord.open(path).plan.changes(plan)


def is_comparison(folder: Path) -> bool:
    """Whether a folder contains a comparison."""
    return (folder / COMPARISON_FILE).is_file()


def is_record(content: dict[str, Any]) -> bool:
    """Whether a record has the values that the zoo writes."""
    try:
        plan, evaluations = ComparisonPlan(**content["plan"]), content["evaluations"].values()
        kept = [(each["weights_sha256"], each["judge"]) for each in evaluations]
        numbers = [value for each in evaluations for value in each["metrics"].values() if value is not None]
        return (
            isinstance(content["variants"], list)
            and isinstance(content["seeds"], list)
            and isinstance(plan.axes, list)
            and isinstance(plan.base, dict)
            and all(isinstance(text, str) for text in (plan.entry, plan.split, *plan.axes, *plan.base, *sum(kept, ())))
            and all(
                isinstance(each["values"], dict) and type(each["parameters"]) is int for each in content["variants"]
            )
            and all(type(seed) is int for seed in content["seeds"])
            and all(type(value) in (int, float) for value in numbers)
        )
    except (LookupError, TypeError, AttributeError):
        return False


@dataclass
class ComparisonRecord:
    """The file compare.json: plan, variants, seeds and evaluations; written only under the folder's lock."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def begin(cls, path: Path, plan: ComparisonPlan, command: str) -> ComparisonRecord:
        """Create the record of a new comparison, without writing it."""
        about = {"schema": SCHEMA, "zoo": __version__, "begun": utc_now(), "command": command, "plan": asdict(plan)}
        return cls(path, about | {"seeds": [], "variants": [], "evaluations": {}})

    @classmethod
    def open(cls, path: Path) -> ComparisonRecord:
        """Read the record of a comparison.

        Raises RunError if it is damaged or was written by a newer zoo.
        """
        content = read_record(path / COMPARISON_FILE, SCHEMA)
        if content.pop("seal", None) != digest(content):
            raise RunError(f"{path / COMPARISON_FILE} is damaged: it is not as the zoo wrote it", NEW_COMPARISON_HINT)
        if not is_record(content):
            raise RunError(
                f"{path / COMPARISON_FILE} is damaged: it holds no plan of a comparison", NEW_COMPARISON_HINT
            )
        return cls(path, content)

    @property
    def plan(self) -> ComparisonPlan:
        """The plan of this comparison."""
        return ComparisonPlan(**self.content["plan"])

    def save(self) -> None:
        """Write the record, with a checksum that reveals later changes."""
        write_json(self.path / COMPARISON_FILE, self.content | {"seal": digest(self.content)})

    def publish(self, comparison: Comparison) -> None:
        """Write the results so far to table.json, for other programs."""
        write_json(self.path / TABLE, non_finite_to_none(comparison.to_dict()))

    def index(self, values: dict[str, Any]) -> int | None:
        """Index of a variant; None if it is new."""
        known = [json.dumps(variant["values"], sort_keys=True) for variant in self.content["variants"]]
        text = json.dumps(values, sort_keys=True)
        return known.index(text) if text in known else None

    def add(self, values: dict[str, Any], parameters: int) -> None:
        """Add a variant; its index, and so the names of its run folders, never change."""
        self.content["variants"].append({"values": values, "parameters": parameters})

    def add_seeds(self, seeds: Iterable[int]) -> None:
        """Add those of the seeds that are new."""
        self.content["seeds"] = sorted({*self.content["seeds"], *seeds})

    def parameters(self, index: int) -> int:
        """Number of learned parameters of a variant's model."""
        return int(self.content["variants"][index]["parameters"])

    def folder(self, index: int, seed: int, fold: int = 0) -> Path:
        """Run folder of a variant trained with a seed, and without a fold unless it is 0."""
        return self.path / check_name(f"{index + 1:02d}-seed{seed}{f'-fold{fold}' * bool(fold)}", "the run folder")

    def evaluation(self, run: Path, weights: str) -> tuple[dict[str, float], str] | None:
        """Metrics and judge of a run, if exactly these weights were evaluated; a non-finite metric is NaN."""
        kept = self.content["evaluations"].get(run.name)
        if kept is None or kept["weights_sha256"] != weights:
            return None
        metrics = {name: math.nan if value is None else value for name, value in kept["metrics"].items()}
        return metrics, kept["judge"]

    def keep(self, run: Path, weights: str, found: Evaluation) -> None:
        """Store an evaluation and write the record."""
        about = {"weights_sha256": weights, "metrics": non_finite_to_none(found.metrics), "judge": found.judge}
        self.content["evaluations"][run.name] = about
        self.save()

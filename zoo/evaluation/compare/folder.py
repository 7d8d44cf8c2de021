"""The folder of a comparison: which one a command means, what it compares, and the evaluations of its runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, ZooError
from zoo.core.files import check_name, digest, non_finite_to_none, write_json
from zoo.core.version import __version__
from zoo.evaluation.compare.result import Comparison
from zoo.evaluation.evaluation import Evaluation
from zoo.runs.choose_folder import is_remnant
from zoo.runs.names import ROOT, numbered_folders
from zoo.runs.run import differences, read_record, utc_now

SCHEMA = 1
FILE, TABLE = "compare.json", "table.json"
WAYS_ON = "start another comparison with --fresh, or name one with --name"


@dataclass(frozen=True)
class Plan:
    """All that the variants of a comparison have in common; another plan is another comparison."""

    entry: str
    split: str
    axes: list[str]
    """The options that vary, sorted."""
    base: dict[str, Any]
    """The entry with the overrides of all variants, as it is written."""

    def changes(self, other: Plan) -> list[str]:
        """What differs in another plan, as `train.epochs: 24 -> 12`."""
        lines = [f"entry: {self.entry} -> {other.entry}"] if self.entry != other.entry else []
        lines += [f"--split: {self.split} -> {other.split}"] if self.split != other.split else []
        if self.axes != other.axes:
            lines.append(f"what varies: {', '.join(self.axes)} -> {', '.join(other.axes)}")
        return lines + differences(self.base, other.base)


def choose_comparison(plan: Plan, name: str | None, fresh: bool) -> Path:
    """The comparison to go on with, or a folder for a new one.

    The newest NAME, NAME-2, ... with this plan goes on. Raises ZooError where there are only some with other plans,
    with what differs and the ways on.
    """
    base = check_name(name or f"{plan.entry}-compare", "the comparison")
    folders = [ROOT / base, *numbered_folders(ROOT, base).values()]
    found = [path for path in folders if is_comparison(path)]
    if not fresh and found:
        records = [Record.open(path) for path in found]
        same = [record.path for record in records if not record.plan.changes(plan)]
        if not same:
            refuse(records[-1], plan)
        return same[-1]
    if not folders[0].exists() or (folders[0].is_dir() and all(is_remnant(file.name) for file in folders[0].iterdir())):
        return folders[0]
    if name and not fresh:
        raise ZooError(f"{folders[0]} exists and is not a comparison", "choose another --name")
    return ROOT / check_name(f"{base}-{max(numbered_folders(ROOT, base), default=1) + 1}", "the comparison")


def is_comparison(folder: Path) -> bool:
    """Whether a folder is a comparison's."""
    return (folder / FILE).is_file()


def refuse(record: Record, plan: Plan) -> None:
    """ZooError where a comparison was begun with another plan, with what differs and the ways on."""
    if lines := record.plan.changes(plan):
        more = f" and {len(lines) - 4} more" if len(lines) > 4 else ""
        raise ZooError(f"{record.path} compares something else: {'; '.join(lines[:4])}{more}", WAYS_ON)


@dataclass
class Record:
    """compare.json, which this process holds: the plan, every variant and seed asked for yet, and the evaluations."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def begin(cls, path: Path, plan: Plan, command: str) -> Record:
        """What is about to be compared; nothing is written yet."""
        about = {"schema": SCHEMA, "zoo": __version__, "begun": utc_now(), "command": command, "plan": asdict(plan)}
        return cls(path, about | {"seeds": [], "variants": [], "evaluations": {}})

    @classmethod
    def open(cls, path: Path) -> Record:
        """A comparison as it is on disk; RunError where it is damaged or of a newer zoo."""
        content = read_record(path / FILE, SCHEMA)
        if content.pop("seal", None) != digest(content):
            raise RunError(f"{path / FILE} is damaged: it is not what the zoo wrote", WAYS_ON)
        return cls(path, content)

    @property
    def plan(self) -> Plan:
        """What was begun."""
        return Plan(**self.content["plan"])

    def save(self) -> None:
        """Write it; the seal shows later whether it is still what was written."""
        write_json(self.path / FILE, self.content | {"seal": digest(self.content)})

    def publish(self, comparison: Comparison) -> None:
        """Write what was found so far, for other programs."""
        write_json(self.path / TABLE, non_finite_to_none(comparison.to_dict()))

    def place(self, values: dict[str, Any]) -> int | None:
        """Where a variant stands; None where it was not asked for before."""
        known = [json.dumps(variant["values"], sort_keys=True) for variant in self.content["variants"]]
        text = json.dumps(values, sort_keys=True)
        return known.index(text) if text in known else None

    def add(self, values: dict[str, Any], parameters: int) -> None:
        """One variant more; its number, and so the folders of its runs, stay."""
        self.content["variants"].append({"values": values, "parameters": parameters})

    def add_seeds(self, seeds: Iterable[int]) -> None:
        """Seeds that may be new."""
        self.content["seeds"] = sorted({*self.content["seeds"], *seeds})

    def parameters(self, place: int) -> int:
        """How many numbers the model of a variant learns."""
        return int(self.content["variants"][place]["parameters"])

    def folder(self, place: int, seed: int) -> Path:
        """The run folder of a variant with a seed."""
        return self.path / check_name(f"{place + 1:02d}-seed{seed}", "the run folder")

    def evaluation(self, run: Path, weights: str) -> tuple[dict[str, float], str] | None:
        """Figures and judge of a run, if just these weights were evaluated; a figure that is not finite is NaN."""
        kept = self.content["evaluations"].get(run.name)
        if kept is None or kept["weights_sha256"] != weights:
            return None
        figures = {name: math.nan if value is None else value for name, value in kept["metrics"].items()}
        return figures, kept["judge"]

    def keep(self, run: Path, weights: str, found: Evaluation) -> None:
        """Keep an evaluation."""
        about = {"weights_sha256": weights, "metrics": non_finite_to_none(found.metrics), "judge": found.judge}
        self.content["evaluations"][run.name] = about
        self.save()

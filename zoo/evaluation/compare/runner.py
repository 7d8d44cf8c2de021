"""Run the trainings and evaluations of a comparison, one after another, in a locked folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.core.errors import DataError, InterruptedRun, JobError, RunError, ZooError, as_out_of_memory
from zoo.core.files import digest
from zoo.core.trust import refuse_link
from zoo.evaluation.compare.axes import Axes, Values, variant_title
from zoo.evaluation.compare.callbacks import CompareCallback
from zoo.evaluation.compare.folder import NEW_COMPARISON_HINT, ComparisonRecord
from zoo.evaluation.compare.result import ComparedRun, Comparison, Variant
from zoo.evaluation.evaluate import evaluate, send_evaluation
from zoo.registry.entry import Entry
from zoo.registry.listing import Paths, load_entry
from zoo.runs.find import resume_command
from zoo.runs.names import is_run
from zoo.runs.run import Run, differences
from zoo.training.events import Events
from zoo.training.train import train_entry


@dataclass(frozen=True)
class CompareJob:
    """One training of a comparison."""

    values: Values
    seed: int
    overrides: list[str]
    entry: Entry
    fold: int = 0
    """The fold that is held out, from 1 on; 0 without folds."""

    @property
    def title(self) -> str:
        """Variant, seed and fold in one line."""
        parts = [variant_title(self.values), f"seed {self.seed}", f"fold {self.fold}" if self.fold else ""]
        return ", ".join(filter(None, parts))


@dataclass
class ComparisonRunner:
    """Run a comparison, in a folder that this process has locked."""

    axes: Axes
    jobs: list[CompareJob]
    record: ComparisonRecord
    device: str
    registries: Paths
    callback: CompareCallback
    events: Events
    """Where to send what happens in the trainings and evaluations."""
    indices: list[int] = field(default_factory=list)
    """Index in the record of the variant of each job."""
    runs: list[ComparedRun] = field(default_factory=list)
    """Current state of each job."""

    def run(self) -> Comparison:
        """Run the remaining jobs, and return the comparison."""
        self.record_variants()
        self.runs = [self.status(index) for index in range(len(self.jobs))]
        if ended := sum(run.state == "done" for run in self.runs):
            self.callback.note(f"{ended} of {len(self.runs)} trainings are already done")
        self.publish()
        for index, run in enumerate(self.runs):
            if run.state not in ("diverged", "done"):
                self.runs[index] = self.train_and_evaluate(index)
                self.publish()
        if not any(run.state == "done" for run in self.runs):
            text = f"none of the {len(self.runs)} trainings of {self.record.path} finished"
            raise JobError(f"{text}: {self.runs[0].reason}")
        return self.comparison

    def record_variants(self) -> None:
        """Record the variants and seeds; a model that cannot be built is refused before anything trains."""
        values = [{key: self.axes.read(key, text) for key, text in job.values.items()} for job in self.jobs]
        sizes = ParameterCounter(self.record.plan.split)
        for each, job in zip(values, self.jobs, strict=True):
            if self.record.index(each) is None:
                self.record.add(each, sizes.parameters(job.entry))
        self.record.add_seeds(job.seed for job in self.jobs)
        self.indices = [index for each in values if (index := self.record.index(each)) is not None]
        self.record.save()

    def folder(self, index: int) -> Path:
        """Run folder of a job."""
        return self.record.folder(self.indices[index], self.jobs[index].seed, self.jobs[index].fold)

    def status(self, index: int, reason: str = "") -> ComparedRun:
        """State of a job, from its run folder; ZooError if that contains a different run."""
        job, path = self.jobs[index], self.folder(index)
        refuse_link(path)
        if not is_run(path):
            return ComparedRun(job.seed, path, "failed" if reason else "waiting", reason=reason, fold=job.fold)
        try:
            run = Run.open(path)
        except RunError as error:
            raise RunError(error.args[0], error.hint or "delete the folder and repeat the command") from None
        if changes := run.differences_from(job.entry):
            raise ZooError(f"{path} contains a different run: {'; '.join(changes[:4])}", NEW_COMPARISON_HINT)
        evaluated = self.record.evaluation(path, str(run.record.get("weights_sha256")))
        state = "trained" if run.state == "done" and evaluated is None else run.state
        state = "failed" if reason and state != "diverged" else state
        metrics, judge = evaluated if evaluated and state == "done" else ({}, "")
        reason = str(run.record.get("reason") or reason)
        return ComparedRun(job.seed, path, state, float(run.record["seconds"]), metrics, reason, judge, job.fold)

    def train_and_evaluate(self, index: int) -> ComparedRun:
        """Train and evaluate a job; if it diverges or runs out of memory, report that and carry on."""
        job, path = self.jobs[index], self.folder(index)
        try:
            self.train(index, job, path)
            self.evaluate(path)
        except InterruptedRun:
            self.runs[index] = self.status(index)
            self.publish()
            raise
        except JobError as error:
            reason = str(error)
        except Exception as error:
            if (memory_error := as_out_of_memory(error)) is None:
                raise
            reason = str(memory_error)
        else:
            return self.status(index)
        self.callback.note(f"{job.title}: {reason}")
        return self.status(index, reason)

    def train(self, index: int, job: CompareJob, path: Path) -> None:
        """Train a job or resume it; ZooError if the registry has changed in the meantime."""
        if self.runs[index].state == "trained":
            return
        name = self.axes.entry
        entry = load_entry(name, job.overrides, self.registries)
        if changes := differences(job.entry.spelt_alike(), entry.spelt_alike()):
            raise ZooError(
                f"the entry {name!r} has changed in the meantime: {'; '.join(changes[:4])}",
                f"undo that change, or {NEW_COMPARISON_HINT}",
            )
        with self.callback.training(f"[{index + 1}/{len(self.jobs)}] {job.title}", job.entry) as callback:
            options = {"out": path, "device": self.device}
            command = resume_command("train", name, job.overrides, options, self.registries)
            train_entry(entry, command, path, self.device, callback, self.events)

    def evaluate(self, path: Path) -> None:
        """Evaluate a finished run, and record the result."""
        found = evaluate(path, split=self.record.plan.split, device=self.device, tell=self.callback.note)
        for problem in found.problems:
            self.callback.note(problem)
        self.record.keep(path, (run := Run.open(path)).record["weights_sha256"], found)
        send_evaluation(self.events, found, [run])

    def publish(self) -> None:
        """Update table.json and the callback."""
        self.record.publish(self.comparison)
        self.callback.update(self.comparison)

    @property
    def comparison(self) -> Comparison:
        """The comparison in its current state."""
        variants = []
        for values in self.axes.variants:
            mine = [index for index, job in enumerate(self.jobs) if job.values == values]
            parameters = self.record.parameters(self.indices[mine[0]])
            variants.append(Variant(values, parameters, [self.runs[index] for index in mine]))
        read = {key: [self.axes.read(key, text) for text in texts] for key, texts in self.axes.varying.items()}
        seeds = list(dict.fromkeys(job.seed for job in self.jobs))
        folds = max(job.fold for job in self.jobs)
        return Comparison(self.record.path, self.axes.entry, self.record.plan.split, seeds, read, variants, folds)


class ParameterCounter:
    """Count the parameters of models, reading each data set only once."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.infos: dict[str, Any] = {}

    def parameters(self, entry: Entry) -> int:
        """Count the parameters of an entry's model; DataError if the split to evaluate is empty."""
        from zoo.registry.build import build_data
        from zoo.registry.model_size import count_size

        key = digest(entry.data.dump())
        if key not in self.infos:
            splits, _ = build_data(entry.data)
            if not len(getattr(splits, self.split)):
                raise DataError(f"the {self.split} split has no pictures", "choose another with --split")
            self.infos[key] = splits.info
        return count_size(entry, self.infos[key]).parameters

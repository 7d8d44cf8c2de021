"""A comparison at work: trainings and evaluations one after the other, in a folder that this process holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.core.errors import DataError, InterruptedRun, JobError, RunError, ZooError, as_out_of_memory
from zoo.core.files import digest
from zoo.evaluation.compare.axes import Axes, Values, title
from zoo.evaluation.compare.callbacks import CompareCallback
from zoo.evaluation.compare.folder import WAYS_ON, Record
from zoo.evaluation.compare.result import ComparedRun, Comparison, Variant
from zoo.evaluation.evaluate import evaluate
from zoo.registry.catalog import catalog
from zoo.registry.entry import Entry
from zoo.registry.listing import Paths, load_entry
from zoo.runs.names import is_run
from zoo.runs.run import Run, differences
from zoo.training.train import train


@dataclass(frozen=True)
class Job:
    """A training of a comparison, in the order in which they are done."""

    values: Values
    seed: int
    words: list[str]
    entry: Entry

    @property
    def title(self) -> str:
        """It in a line."""
        return f"{title(self.values)}, seed {self.seed}"


@dataclass
class Comparing:
    """A comparison at work, in a folder that this process holds."""

    axes: Axes
    jobs: list[Job]
    record: Record
    device: str
    registries: Paths
    callback: CompareCallback
    places: list[int] = field(default_factory=list)
    """Where the variant of each job stands in the record."""
    runs: list[ComparedRun] = field(default_factory=list)
    """How far each job is."""

    def run(self) -> Comparison:
        """Do what is left."""
        self.enrol()
        self.runs = [self.look(index) for index in range(len(self.jobs))]
        if ended := sum(run.state == "done" for run in self.runs):
            self.callback.note(f"{ended} of {len(self.runs)} trainings are done already")
        self.tell()
        for index, run in enumerate(self.runs):
            if run.state not in ("diverged", "done"):
                self.runs[index] = self.work(index)
                self.tell()
        if not any(run.state == "done" for run in self.runs):
            text = f"none of the {len(self.runs)} trainings of {self.record.path} came to its end"
            raise JobError(f"{text}: {self.runs[0].reason}")
        return self.found

    def enrol(self) -> None:
        """Note what is compared; a variant whose model cannot be built is refused before anything trains."""
        values = [{key: self.axes.read(key, text) for key, text in job.values.items()} for job in self.jobs]
        sizes = Sizes(self.record.plan.split)
        for each, job in zip(values, self.jobs, strict=True):
            if self.record.place(each) is None:
                self.record.add(each, sizes.parameters(job.entry))
        self.record.add_seeds(job.seed for job in self.jobs)
        self.places = [place for each in values if (place := self.record.place(each)) is not None]
        self.record.save()

    def folder(self, index: int) -> Path:
        """The run folder of a job."""
        return self.record.folder(self.places[index], self.jobs[index].seed)

    def look(self, index: int, reason: str = "") -> ComparedRun:
        """How far a job is, by its run folder; ZooError where that holds something else."""
        job, path = self.jobs[index], self.folder(index)
        if not is_run(path):
            return ComparedRun(job.seed, path, "failed" if reason else "waiting", reason=reason)
        try:
            run = Run.open(path, catalog())
        except RunError as error:
            raise RunError(error.args[0], error.hint or "remove the folder and repeat the command") from None
        if changes := differences(run.entry.dump(), job.entry.dump()):
            raise ZooError(f"{path} holds another run: {'; '.join(changes[:4])}", WAYS_ON)
        evaluated = self.record.evaluation(path, str(run.record.get("weights_sha256")))
        state = "trained" if run.state == "done" and evaluated is None else run.state
        state = "failed" if reason and state != "diverged" else state
        figures, judge = evaluated if evaluated and state == "done" else ({}, "")
        reason = str(run.record.get("reason") or reason)
        return ComparedRun(job.seed, path, state, float(run.record["seconds"]), figures, reason, judge)

    def work(self, index: int) -> ComparedRun:
        """Train and evaluate; what diverges or finds no memory is told, and stops nothing else."""
        job, path = self.jobs[index], self.folder(index)
        try:
            self.train(index, job, path)
            self.evaluate(path)
        except InterruptedRun:
            self.runs[index] = self.look(index)
            self.tell()
            raise
        except JobError as error:
            reason = str(error)
        except Exception as error:
            if (short := as_out_of_memory(error)) is None:
                raise
            reason = str(short)
        else:
            return self.look(index)
        self.callback.note(f"{job.title}: {reason}")
        return self.look(index, reason)

    def train(self, index: int, job: Job, path: Path) -> None:
        """Train, or go on with it. A registry that changed meanwhile is no reason to train something else."""
        if self.runs[index].state == "trained":
            return
        name = self.axes.entry
        if changes := differences(job.entry.dump(), load_entry(name, job.words, self.registries).dump()):
            raise ZooError(
                f"the entry {name!r} has changed meanwhile: {'; '.join(changes[:4])}", f"undo that, or {WAYS_ON}"
            )
        with self.callback.training(f"[{index + 1}/{len(self.jobs)}] {job.title}", job.entry) as callback:
            train(name, *job.words, out=path, device=self.device, registries=self.registries, callback=callback)

    def evaluate(self, path: Path) -> None:
        """Evaluate a run that is done, and keep that."""
        found = evaluate(path, split=self.record.plan.split, device=self.device, tell=self.callback.note)
        for problem in found.problems:
            self.callback.note(problem)
        self.record.keep(path, Run.open(path, catalog()).record["weights_sha256"], found)

    def tell(self) -> None:
        """Let the folder and the callback know."""
        self.record.publish(self.found)
        self.callback.update(self.found)

    @property
    def found(self) -> Comparison:
        """The comparison as it is now."""
        variants = []
        for values in self.axes.variants:
            mine = [index for index, job in enumerate(self.jobs) if job.values == values]
            parameters = self.record.parameters(self.places[mine[0]])
            variants.append(Variant(values, parameters, [self.runs[index] for index in mine]))
        read = {key: [self.axes.read(key, text) for text in texts] for key, texts in self.axes.varying.items()}
        seeds = list(dict.fromkeys(job.seed for job in self.jobs))
        return Comparison(self.record.path, self.axes.entry, self.record.plan.split, seeds, read, variants)


class Sizes:
    """Counts parameters, and reads each set of pictures once for that."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.infos: dict[str, Any] = {}

    def parameters(self, entry: Entry) -> int:
        """How many numbers the model of an entry learns; DataError where its data has no pictures to evaluate over."""
        from zoo.registry.build import build_data
        from zoo.registry.model_size import count_parameters

        key = digest(entry.data.dump())
        if key not in self.infos:
            splits, _ = build_data(entry.data)
            if not len(getattr(splits, self.split)):
                raise DataError(f"the {self.split} split has no pictures", "choose another with --split")
            self.infos[key] = splits.info
        return count_parameters(entry, self.infos[key])

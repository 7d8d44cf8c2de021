"""One training in a run folder that this process holds: begin or go on, keep the weights, say how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from zoo import __version__
from zoo.build import build_data, build_model, count
from zoo.data import Splits
from zoo.entry import Chosen, Entry
from zoo.errors import BudgetError, DataError, InterruptedRun, JobError
from zoo.runs import Run, now, versions
from zoo.tensors import write_weights
from zoo.training.device import seed_all
from zoo.training.loop import Job, fit
from zoo.training.state import StateFolder
from zoo.training.stop import Stop
from zoo.training.watch import Watch

NAMES = ("train", "valid", "test")


class Prepared(NamedTuple):
    """Pictures that are ready to be trained on."""

    splits: Splits
    skipped: tuple[tuple[str, str], ...]
    """Files that could not be read, with the reason."""
    fingerprints: dict[str, str]
    """SHA-256 of each split."""


def prepare(data: Chosen) -> Prepared:
    """Read and split the pictures."""
    splits, skipped = build_data(data)
    return Prepared(splits, skipped, {name: getattr(splits, name).fingerprint() for name in NAMES})


@dataclass
class Session:
    """What to train and where; `command` goes on with it, `again` says how to train anew."""

    entry: Entry
    path: Path
    device: torch.device
    watch: Watch
    command: str
    again: str
    max_params: int | None = None
    """A model with more is refused before its weights are allocated, by BudgetError."""
    save_seconds: float | None = None
    """Seconds between two savings, in place of the entry's."""
    stop: Stop | None = None
    """Who asks to stop; without it the signals of this process do."""
    prepared: Prepared | None = field(default=None, repr=False)

    def train(self, before: Run | None) -> Run:
        """Train to the end, from where `before` stopped if it is given."""
        splits, skipped, fingerprints = self.prepared or prepare(self.entry.data)
        for file, reason in skipped[:3]:
            self.watch.note(f"skipped {file}: {reason}")
        if before is not None and before.record["fingerprints"] != fingerprints:
            raise DataError(f"the pictures have changed since {self.path} began", f"undo that, or {self.again}")
        size = count(self.entry, splits.info)
        if self.max_params is not None and size.parameters > self.max_params:
            raise BudgetError(size.parameters, self.max_params)
        seed_all(self.entry.train.seed)
        model = build_model(self.entry, splits.info)
        run = before or Run.create(
            self.path,
            self.entry,
            {
                "zoo": __version__,
                "versions": versions(self.entry),
                "command": self.command,
                "device": str(self.device),
                "threads": torch.get_num_threads(),
                "data": {name: list(value) for name, value in splits.info._asdict().items()},
                "pictures": {name: len(getattr(splits, name)) for name in NAMES},
                "fingerprints": fingerprints,
                "skipped": [list(pair) for pair in skipped[:100]],
                "parameters": size.parameters,
                "flops": size.flops,
                "seconds": 0.0,
            },
        )
        title = f"{self.entry.name} on {self.entry.data.name}: {size.parameters:,} parameters"
        self.watch.note(f"{title}, run {self.path}, {self.device}")
        if not len(splits.valid):
            self.watch.note("there are no validation pictures, so the last weights are kept")
        if not len(splits.test):
            self.watch.note("there are no test pictures, so `zoo evaluate` will have none to look at")
        job = Job(model, splits, self.entry.train, self.path, self.device, size.flops, self.watch)
        job.save_seconds, job.stop = self.save_seconds, self.stop
        return self.fit(run, job)

    def fit(self, run: Run, job: Job) -> Run:
        """Run the trainer, and leave the folder in the state that its end calls for."""
        try:
            fit(job)
        except InterruptedRun as stop:
            self.finish(run, job, "interrupted")
            raise InterruptedRun(f"interrupted; the state is saved. Go on with: {self.command}", stop.code) from None
        except JobError as error:
            about = {"finished": now(), "reason": str(error)}
            if not job.kept:
                self.finish(run, job, "diverged", **about)
                raise
            self.finish(run, job, "diverged", weights_sha256=write_weights(self.path, job.kept), **about)
            text = f"{error.args[0]}; the best weights before that are kept in {self.path}"
            raise JobError(text, error.hint) from error
        self.finish(run, job, "done", finished=now(), weights_sha256=write_weights(self.path, job.kept))
        StateFolder(self.path / "state", 0).clear()
        return run

    def finish(self, run: Run, job: Job, state: str, **values: Any) -> None:
        """Record the end."""
        run.update(state=state, seconds=round(job.seconds, 3), **values)

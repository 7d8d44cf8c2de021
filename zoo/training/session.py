"""One training in a locked run folder: start or resume it, save the weights, and record the result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from zoo.core.errors import DataError, InterruptedRun, JobError, LockedError, ZooError
from zoo.core.files import cache_dir, digest
from zoo.core.notes import Tell
from zoo.core.splits import SPLITS
from zoo.core.tensor_files import write_weights
from zoo.core.trust import own_folder
from zoo.core.types import DataInfo
from zoo.core.version import __version__
from zoo.data.dataset import Splits
from zoo.models.base import Classifier, Model
from zoo.registry.build import build_for
from zoo.registry.catalog import catalog
from zoo.registry.entry import Component, Entry, with_train
from zoo.registry.kinds import DataKind
from zoo.registry.listing import load_entry
from zoo.registry.model_size import Count, build_on_meta, check_classes, count_size
from zoo.registry.overrides import names_other_pictures
from zoo.registry.stages import check_stages
from zoo.runs.choose_folder import open_or_clear
from zoo.runs.lock import wait_and_lock
from zoo.runs.names import is_run
from zoo.runs.run import Run, utc_now, versions
from zoo.runs.shipped import open_shipped
from zoo.training.advice import advise
from zoo.training.balance import balance_loss
from zoo.training.callbacks import REPORT_INTERVAL, BackgroundCallback, Callback
from zoo.training.checkpoint import StateFolder
from zoo.training.device import preserve_random_state, seed_all
from zoo.training.distill import distill
from zoo.training.events import Events
from zoo.training.fit_entry import fit_entry
from zoo.training.fit_to_pictures import Fit
from zoo.training.freeze import freeze
from zoo.training.init_from import Taken, begin
from zoo.training.limits import Latency, Limits
from zoo.training.loop import TrainingJob, fit
from zoo.training.monitor import check_monitor
from zoo.training.prepared import Prepared, prepare, some_pictures
from zoo.training.progressive import check_sizes
from zoo.training.signals import Stop

MIN_PICTURES_SEEN, MAX_EPOCHS = 60_000, 60
"""Smallest number of training pictures for a cached classifier, counting repetitions, and limit of its epochs."""
KEPT_BY_JUDGES = frozenset({"data", "model", "train.augment", "train.epochs", "train.keep", "train.weight_decay"})
"""Options of a cached classifier that do not follow the pictures: its epochs do already, its scores are compared."""
POLL_SECONDS = 0.3
"""Seconds between two attempts to lock a folder that another process uses."""


class BuiltModel(NamedTuple):
    """A model that is ready for training, and how it begins."""

    model: Model
    frozen_note: str
    """What is frozen, in a line for the user; empty if nothing is."""
    start: Taken | None
    """What it took from another run; None if it begins with weights of its own."""
    teacher_record: dict[str, Any]
    """What run.json keeps about its teacher; empty if it has none."""


@dataclass
class Session:
    """What to train and where."""

    entry: Entry
    path: Path
    device: torch.device
    callback: Callback
    command: str
    """Command that resumes the training."""
    restart_hint: str
    """How to start a new training, for error messages."""
    limits: Limits = field(default_factory=Limits)
    """The largest model that is trained; an error for any other, before it begins."""
    save_seconds: float | None = None
    """Seconds between two checkpoints, instead of the entry's."""
    stop: Stop | None = None
    """Stop request to obey; by default the signals of this process."""
    prepared: Prepared | None = field(default=None, repr=False)
    events: Events = field(default_factory=Events, repr=False)
    """Where to send what happens."""
    registry_hash: str = ""
    """Hash of the registry's entry, if `entry` has other options than its pictures' own."""
    latency: Latency | None = field(default=None, init=False)
    """What was measured, if the latency is limited."""

    def train(self, before: Run | None) -> Run:
        """Train to the end; resume `before` if it is given."""
        prepared, size, fitted = self.settle(before)
        splits = prepared.splits
        for file, reason in prepared.skipped[:3]:
            self.callback.note(f"skipped {file}: {reason}")
        if before is not None and before.record["fingerprints"] != prepared.fingerprints:
            raise DataError(
                f"the pictures have changed since {self.path} started", f"undo that change, or {self.restart_hint}"
            )
        self.limits.check_size(size)
        built = self.make_model(prepared, size, before)
        if before is not None and before.record.get("teacher") != built.teacher_record.get("teacher"):
            raise DataError(f"the teacher has changed since {self.path} started", self.restart_hint)
        stages = [stage.name for stage in built.model.stages()]
        check_monitor(built.model, stages, self.entry.train, splits.valid, self.device)
        run = before or Run.create(self.path, self.entry, self.first_record(prepared, size, fitted, built))
        self.describe_start(splits, size, fitted, built)
        callback = self.events.follow(self.callback, self.path)
        job = TrainingJob(built.model, splits, self.entry.train, self.path, self.device, size.flops, callback)
        job.save_seconds, job.stop = self.save_seconds, self.stop
        job.loaded = built.start.taken if built.start else ()
        with self.events.training(run, resumed=before is not None):
            return self.fit(run, job)

    def first_record(self, prepared: Prepared, size: Count, fitted: Fit, built: BuiltModel) -> dict[str, Any]:
        """Return what run.json keeps from the start of a training."""
        splits = prepared.splits
        return {
            "zoo": __version__,
            "versions": versions(self.entry),
            "command": self.command,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "data": splits.info.dump(),
            "pictures": {name: len(getattr(splits, name)) for name in SPLITS},
            "fingerprints": prepared.fingerprints,
            "skipped": [list(pair) for pair in prepared.skipped[:100]],
            "notes": list(splits.notes),
            "parameters": size.parameters,
            "flops": size.flops,
            "seconds": 0.0,
            **fitted.record(),
            **({"of": self.registry_hash} if self.registry_hash else {}),
            **built.teacher_record,
            **({"init_from": built.start.record()} if built.start else {}),
            **({"latency": self.latency._asdict()} if self.latency else {}),
        }

    def describe_start(self, splits: Splits, size: Count, fitted: Fit, built: BuiltModel) -> None:
        """Tell the user what is trained and how it begins, with advice."""
        title = f"{self.entry.name} on {self.entry.data.name}: {size.parameters:,} parameters"
        self.callback.note(f"{title}, run {self.path}, {self.device}")
        taken = built.start.lines(built.model) if built.start else ()
        for text in [fitted.describe(), *taken, built.frozen_note, *advise(self.entry, built.model, splits)]:
            if text:
                self.callback.note(text)
        if not len(splits.valid):
            self.callback.note("there are no validation pictures, so the last weights are kept")
        if not len(splits.test):
            self.callback.note("there are no test pictures, so `zoo evaluate` will need another split")

    def make_model(self, prepared: Prepared, size: Count, before: Run | None) -> BuiltModel:
        """Build the model with the weights that it begins with, and give it its teacher."""
        splits = prepared.splits
        seed_all(self.entry.train.seed)
        model = build_for(self.entry, splits)
        if not size.checked:
            check_classes(self.entry, model, splits.info)
        check_stages(self.entry.train, model)
        check_sizes(model, self.entry.train, splits.info)
        if type(model).initialise is not Model.initialise:
            model.initialise(some_pictures(splits))
        self.latency = None if before else self.limits.check_latency(model, splits.info, self.device)
        frozen_note = freeze(model, self.entry.train.frozen)
        start = self.begin(model, splits.info, before)
        record = before.record if before else None
        teacher_record = self.teach(model, prepared) | distill(
            model, self.entry.train, prepared, record, self.device, self.callback.note
        )
        balance_loss(model, self.entry.train, splits.train)
        return BuiltModel(model, frozen_note, start, teacher_record)

    def settle(self, before: Run | None) -> tuple[Prepared, Count, Fit]:
        """Read the pictures, count the size of the model, and settle the options that follow the pictures."""
        self.entry = before.entry if before else self.entry
        prepared = self.prepared or prepare(self.entry.data)
        size = count_size(self.entry, prepared.splits.info)
        if before:
            return prepared, size, Fit.restore(before.record)
        fitted = fit_entry(self.entry, prepared.splits, size.flops, size.classifier)
        self.entry = fitted.apply(self.entry)
        if fitted.other_pictures:
            prepared = prepare(self.entry.data)
            size = count_size(self.entry, prepared.splits.info)
        return prepared, size, fitted

    def begin(self, model: Model, info: DataInfo, before: Run | None) -> Taken | None:
        """Begin with the weights of another run, if the entry names one; a resumed run with those it began with."""
        start = self.entry.train.init_from
        if start is None:
            return None
        record = None if before is None else before.record.get("init_from", {})
        saved = before is not None and StateFolder(self.path / "state", 0).load() is not None
        return begin(model, self.entry, info, start, record, saved)

    def teach(self, model: Model, prepared: Prepared) -> dict[str, Any]:
        """Give the model its teacher, if it has one, and return what to record about it."""
        if not model.teacher:
            return {}
        data, tell = self.entry.data, self.callback.note
        run = cached_classifier(model.teacher, data, prepared, self.device, tell, self.command, self.stop)
        teacher = run.model(self.device).requires_grad_(False)
        assert isinstance(teacher, Classifier), "cached_classifier trains nothing else"
        model.learn_from(teacher)
        about = {"entry": model.teacher, "weights_sha256": run.record["weights_sha256"]}
        return {"teacher": about | ({"shipped": run.shipped.name} if run.shipped else {})}

    def fit(self, run: Run, job: TrainingJob) -> Run:
        """Run the training loop, then save the weights and record how it ended."""
        try:
            fit(job)
        except InterruptedRun as stop:
            self.finish(run, job, "interrupted")
            raise InterruptedRun(f"interrupted; the state is saved. Resume with: {self.command}", stop.code) from None
        except JobError as error:
            about = {"finished": utc_now(), "reason": str(error)}
            if not job.kept:
                self.finish(run, job, "diverged", **about)
                raise
            self.finish(run, job, "diverged", weights_sha256=write_weights(self.path, job.kept), **about)
            text = f"{error.args[0]}; the best weights before that are kept in {self.path}"
            raise JobError(text, error.hint) from error
        self.finish(run, job, "done", finished=utc_now(), weights_sha256=write_weights(self.path, job.kept))
        StateFolder(self.path / "state", 0).clear()
        return run

    def finish(self, run: Run, job: TrainingJob, state: str, **values: Any) -> None:
        """Record the end of the training."""
        early = {"stopped": job.stopped} if job.stopped else {}
        run.update(state=state, seconds=round(job.seconds, 3), **early, **values)


def cached_classifier(
    name: str,
    data: Component[DataKind[Any]],
    prepared: Prepared,
    device: torch.device,
    tell: Tell,
    command: str,
    stop: Stop | None = None,
) -> Run:
    """Return the classifier of an entry, trained on the given pictures once and then cached.

    Its name in the cache folder is a hash of the pictures and all options, so all runs on the same pictures share it.
    For small data sets the number of epochs is increased. The states of random generators are restored.

    Args:
        name: The entry.
        data: The data that the pictures are from.
        prepared: The pictures.
        device: Where to train.
        tell: Called with messages for the user.
        command: The command that starts again after an interruption.
        stop: The stop request to obey; by default the signals of this process.

    Returns:
        The run of the classifier.

    Raises:
        ZooError: If the entry is not a classifier.
        InterruptedRun: If a stop is requested.
    """
    own = load_entry(name)
    typed = KEPT_BY_JUDGES if names_other_pictures(own.data.dump(), data.dump()) else None
    entry = replace(own, data=data, typed=typed)
    if not isinstance(build_on_meta(entry, prepared.splits.info)[0], Classifier):
        raise ZooError(f"the entry {name!r} is not a classifier", "choose one that is, e.g. cnn")
    passes = max(entry.train.epochs, -(-MIN_PICTURES_SEEN // len(prepared.splits.train)))
    entry = with_train(entry, epochs=min(passes, max(entry.train.epochs, MAX_EPOCHS)), minutes=None)
    entry = fit_entry(entry, prepared.splits, None, classifier=True).apply(entry)
    asked = {"model": entry.model.dump(), "train": entry.train.model_dump(mode="json")}
    key = digest(asked | {"pictures": prepared.fingerprints})
    path = own_folder(cache_dir() / "classifiers" / f"{name}-{key[:16]}")
    if not is_run(path) and (shipped := shipped_classifier(name, asked, prepared.fingerprints, tell)):
        return shipped
    with wait_and_lock(path, WaitForLock(tell, stop)), preserve_random_state(device):
        run = open_or_clear(path)
        if run is None or run.state != "done":
            tell(f"training {name} on these pictures once; this takes {entry.train.epochs} epochs")
            callback, entry = BackgroundCallback(name, tell), replace(entry, typed=None)
            session = Session(entry, path, device, callback, command, f"delete {path}", stop=stop, prepared=prepared)
            session.registry_hash = own.hash()
            run = session.train(run)
        return run


def shipped_classifier(name: str, asked: dict[str, Any], fingerprints: dict[str, str], tell: Tell) -> Run | None:
    """Return the weights of a classifier that were trained on the same pictures with the same options, if any ship."""
    for each in catalog().weights(name):
        if each.weights.pictures != fingerprints:
            continue
        try:
            run = open_shipped(each)
        except ZooError as error:
            tell(f"{error}; so {name} is trained here")
            continue
        if asked == {"model": run.entry.model.dump(), "train": run.entry.train.model_dump(mode="json")}:
            tell(f"{name}: {each.weights.name}, weights shipped with {each.plugin.distribution}")
            return run
    return None


class WaitForLock:
    """Wait for another process that trains the same classifier, with a message from time to time."""

    def __init__(self, tell: Tell, stop: Stop | None) -> None:
        self.tell, self.stop, self.last_note = tell, stop, time.monotonic()

    def __call__(self, error: LockedError) -> None:
        """Wait a little; InterruptedRun if a stop is requested meanwhile."""
        if self.stop is not None and self.stop.code:
            raise InterruptedRun(str(error), self.stop.code)
        if time.monotonic() - self.last_note > REPORT_INTERVAL:
            self.tell(f"waiting for another process: {error.args[0]}")
            self.last_note = time.monotonic()
        time.sleep(POLL_SECONDS)

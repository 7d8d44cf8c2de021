"""The training loop: `fit` trains any Model stage by stage, and resumes bit for bit."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from zoo.core.errors import InterruptedRun, JobError, RunError, as_out_of_memory
from zoo.core.sections import TrainSpec
from zoo.core.tensor_files import Tensors, all_finite, current_names, load_into
from zoo.core.types import Batch
from zoo.data.dataset import Pictures, Splits
from zoo.data.loader import Loader, batches
from zoo.models.base import Classifier, Model, Stage
from zoo.models.metrics import EVAL_BATCH, mean_metrics
from zoo.registry.stages import check_stages
from zoo.runs.metrics_log import MetricsLog
from zoo.training.balance import MACRO_FIGURES, macro_figures
from zoo.training.callbacks import Callback, StageInfo
from zoo.training.checkpoint import Saved, StateFolder, check_plain
from zoo.training.compile_fallback import EagerFallback
from zoo.training.device import random_state, restore_random
from zoo.training.duration import EpochBudget, make_budget, total_seconds
from zoo.training.early_stop import WORST, EarlyStop
from zoo.training.fit_to_pictures import FORWARDS_PER_STEP
from zoo.training.monitor import epoch_score
from zoo.training.setup import Setup
from zoo.training.signals import Stop, catch_signals
from zoo.training.stepper import Stepper

MIN_COMPILE_FLOPS = {"cpu": 1e13, "cuda": 1e15, "mps": 1e15}
"""Floating-point operations of a training above which compiling pays off."""
MIN_VALIDATED = 64
"""Least number of pictures for validation, where there are so many."""
MIN_COMPILE_SECONDS = 180.0
"""Time limit of a training in seconds above which compiling pays off."""


@dataclass
class LoopState:
    """Position of a training, saved in checkpoints: stage, epoch and step, counted from 0, and the best epoch."""

    stage: int = 0
    epoch: int = 0
    step: int = 0
    best: float = WORST
    """Lowest score of the stage so far: its validation loss, or the monitored figure."""
    best_epoch: int = -1
    """Epoch of the kept weights; -1 before the first one."""


@dataclass
class TrainingJob:
    """Arguments of `fit`, and its results: the kept weights and the duration."""

    model: Model
    splits: Splits
    spec: TrainSpec
    folder: Path
    device: torch.device
    flops: int | None
    callback: Callback
    kept: Tensors = field(default_factory=dict)
    """The kept weights, on the CPU; if the training failed, the best so far, if any."""
    seconds: float = 0.0
    """Duration of the training, without interruptions."""
    save_seconds: float | None = None
    """Seconds between two checkpoints, instead of the spec's."""
    stop: Stop | None = None
    """Stop request to obey; by default the signals of this process."""
    loaded: Collection[str] = ()
    """Names of the parameters that were taken from a run."""
    stopped: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Why stages stopped early, by name."""


def fit(job: TrainingJob) -> None:
    """Train, or resume from the checkpoint in the run folder, and store the weights in `job.kept`.

    Raises JobError if a loss or a weight is not finite, InterruptedRun if a stop was requested, and ResourceError if
    memory runs out; the last valid checkpoint stays in the folder.
    """
    with nullcontext(job.stop) if job.stop else catch_signals() as stop, reproducible(job.device):
        training = Training(job, stop)
        try:
            training.run()
        except (RuntimeError, MemoryError) as error:
            if memory_error := as_out_of_memory(error):
                raise memory_error from error
            raise
        finally:
            job.seconds = training.seconds()
            training.log.close()
            training.fallback.close()


def thin_out(pictures: Pictures, stride: int) -> Pictures:
    """Select every n-th picture for a stride of n, or of less where fewer than `MIN_VALIDATED` would be left."""
    stride = max(1, min(stride, len(pictures) // MIN_VALIDATED))
    return pictures if stride == 1 else pictures.subset(torch.arange(0, len(pictures), stride))


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Use deterministic CUDA algorithms within the block, where they exist."""
    if device.type != "cuda":
        yield
        return
    # cuBLAS reads this at the first matrix product; without it, results may vary from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    options = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    others = torch.backends.cudnn.benchmark, options.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark, options.fill_uninitialized_memory = False, False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark, options.fill_uninitialized_memory = others  # type: ignore[attr-defined]


class Training:
    """State of one call of `fit`."""

    def __init__(self, job: TrainingJob, stop: Stop) -> None:
        self.job, self.stop = job, stop
        self.start = time.monotonic()
        self.setup = Setup(job.model, job.spec, job.splits, job.device, job.loaded)
        self.model, self.autocast = self.setup.model, self.setup.autocast
        self.valid = thin_out(job.splits.valid, job.model.validation_stride).to(job.device)
        seconds = job.spec.save_seconds if job.save_seconds is None else job.save_seconds
        self.state = StateFolder(job.folder / "state", seconds)
        self.log = MetricsLog(job.folder)
        self.fallback = EagerFallback(self.model, job.callback.note)
        self.progress = LoopState()
        self.earlier_seconds = 0.0
        self.time_limit, self.epochs = 0.0, 0
        self.stepper: Stepper
        self.stage_budget: EpochBudget
        self.early = EarlyStop()

    def seconds(self) -> float:
        """Duration of the training so far in seconds, without interruptions."""
        return self.earlier_seconds + time.monotonic() - self.start

    def run(self) -> None:
        """Train all stages, from the last checkpoint on."""
        check_stages(self.job.spec, self.model)
        stages = list(self.stages())
        self.names = [stage.name for stage in stages]
        self.time_limit = total_seconds(self.job.spec, self.names)
        saved = self.state.load()
        if saved:
            check_plain(saved[1], self.state.path)
        if saved and saved[1]["rows"] > len(self.log.rows):
            self.state.notes.append(f"{self.log.path} is damaged; the training starts over")
            saved = None
        for note in self.state.notes:
            self.job.callback.note(note)
        self.epochs = 0 if self.time_limit else sum(self.job.spec.stage(name).epochs for name in self.names)
        self.accelerate(saved)
        if saved:
            self.progress, self.earlier_seconds = LoopState(**saved[1]["progress"]), saved[1]["seconds"]
            self.job.stopped = dict(saved[1].get("stopped") or {})
        self.log.rewind(saved[1]["rows"] if saved else 0)
        for index in range(self.progress.stage, len(stages)):
            self.run_stage(stages[index], saved)
            self.progress, saved = LoopState(stage=index + 1), None
        self.job.kept = self.weights()

    def stages(self) -> Iterator[Stage]:
        """Yield the stages of the training, without those of which all parameters are frozen."""
        for stage in self.model.stages():
            if self.setup.trains(stage):
                yield stage
            else:
                self.job.callback.note(f"the stage {stage.name} is left out, since all its parameters are frozen")

    def accelerate(self, saved: Saved | None) -> None:
        """Accelerate the model if the training is long enough."""
        kind, spec = self.job.device.type, self.job.spec
        work = FORWARDS_PER_STEP * (self.job.flops or 0) * len(self.job.splits.train) * self.epochs
        pays_off = self.time_limit > MIN_COMPILE_SECONDS if self.time_limit else work > MIN_COMPILE_FLOPS[kind]
        wanted = spec.compile == "on" or (spec.compile == "auto" and pays_off)
        how = self.setup.accelerate(wanted)
        precision = str(self.autocast or torch.float32).removeprefix("torch.")
        self.how = f"{how}, {precision}, {kind}, {torch.get_num_threads()} threads, torch {torch.__version__}"
        self.job.callback.note(self.how)
        if saved and saved[1]["how"] != self.how:
            self.job.callback.note(f"the run was saved with {saved[1]['how']}: the results will differ slightly")

    def run_stage(self, stage: Stage, saved: Saved | None) -> None:
        """Train a stage, from the current epoch and step on, and load its kept weights into the model."""
        job, progress, spec = self.job, self.progress, self.job.spec.stage(stage.name)
        stage, loader = self.setup.stage_and_loader(stage, spec)
        steps = spec.epochs * loader.steps
        self.stepper = self.setup.stepper(stage, spec, steps)
        job.kept = {}
        if saved:
            self.restore(saved)
        budget = self.stage_budget = make_budget(
            job.spec, self.names[progress.stage :], self.seconds, saved and saved[1].get("times")
        )
        self.early = EarlyStop.restore(saved and saved[1].get("early_stop"))
        self.early.apply(self.stepper.schedule, budget, loader.steps)
        start = progress.epoch * loader.steps + progress.step
        info = StageInfo(stage.name, budget.epochs, loader.steps, start, loader.batch, budget.length, budget.elapsed)
        job.callback.stage(info)
        while not budget.is_over(progress.epoch):
            self.setup.set_train_mode(stage)
            self.run_epoch(stage, loader, progress.epoch)
            self.end_epoch(stage, progress.epoch, loader.steps)
            self.save_if_due()
        load_into(self.model, {name: value.to(job.device) for name, value in job.kept.items()}, "the kept epoch")

    def run_epoch(self, stage: Stage, loader: Loader, epoch: int) -> None:
        """Train the remaining steps of an epoch, until the time is over."""
        progress = self.progress
        for batch in loader.epoch(stage.name, epoch, progress.step):
            self.stepper.schedule.share = self.stage_budget.share()
            self.fallback(self.stepper.step, batch, epoch * loader.steps + progress.step)
            progress.step += 1
            self.job.callback.step()
            if self.stage_budget.check_is_due(progress.step):
                self.stepper.check(epoch, progress.step)
                self.stage_budget.checked()
            if self.stage_budget.epoch_must_end():
                break
            if progress.step < loader.steps:
                self.save_if_due()

    def end_epoch(self, stage: Stage, epoch: int, steps: int) -> None:
        """Validate, log, and keep the weights if they are the best so far."""
        stepper, progress = self.stepper, self.progress
        if not self.stage_budget.validation_is_due():
            self.stage_budget.validation_skipped(progress.step)
            progress.epoch, progress.step = epoch + 1, 0
            return
        stepper.check(epoch, progress.step)
        train = stepper.losses(self.stage_budget.unlogged + progress.step)
        start = self.seconds()
        with stepper.average.swapped_in() if stepper.average else nullcontext():
            valid = self.fallback(self.validate)
            score = epoch_score(stepper.spec, valid, epoch)
            better = score < progress.best
            if better or self.job.spec.keep == "last":
                self.job.kept, progress.best_epoch = self.weights(), epoch
        stepper.schedule.epoch(better)
        progress.best = min(progress.best, score)
        progress.epoch, progress.step = epoch + 1, 0
        rate = stepper.spec.lr * stepper.schedule.factor(progress.epoch * steps - 1)
        self.log.add({"stage": stage.name, "epoch": progress.epoch, "train": train, "valid": valid, "lr": rate})
        about: dict[str, Any] = {"shown": self.model.comparable_losses(train)}
        about |= {"best": progress.best_epoch == epoch, "number": len(self.log.rows), "of": self.epochs}
        self.job.callback.epoch(self.log.rows[-1] | about)
        self.stage_budget.validated(self.seconds() - start)
        if stepper.spec.patience:
            self.stop_early(stage.name, score, steps)

    def stop_early(self, name: str, score: float, steps: int) -> None:
        """Shorten the stage if its patience is over after the epoch that has just ended."""
        early, schedule, spec, epoch = self.early, self.stepper.schedule, self.stepper.spec, self.progress.epoch
        last = epoch * steps - 1
        if early.count(spec, schedule, epoch, last, score) and early.shorten(
            schedule, self.stage_budget, epoch, last, steps
        ):
            self.job.stopped[name] = early.record(spec)
            self.job.callback.note(early.note(spec))

    def validate(self) -> dict[str, float]:
        """Compute the model's metrics over the validation pictures."""
        if not len(self.valid):
            return {}
        self.model.eval()
        found = mean_metrics(self.model, self.valid_batches(), self.autocast)
        if self.stepper.spec.monitor in MACRO_FIGURES and isinstance(self.model, Classifier):
            found |= macro_figures(self.model, self.valid_batches(), self.autocast)
        return found

    def valid_batches(self) -> Iterator[Batch]:
        """Yield the validation pictures in the model's memory format."""
        for batch in batches(self.valid, EVAL_BATCH, self.job.device):
            yield batch._replace(x=batch.x.contiguous(memory_format=self.setup.memory_format))

    def weights(self) -> Tensors:
        """Copy the model's tensors to the CPU; JobError if one of them is not finite."""
        state = self.model.state_dict()
        copy = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}
        if bad := next((name for name, value in copy.items() if not all_finite(value)), None):
            raise JobError(f"the weights {bad!r} are not finite", "lower train.lr, or set train.clip=1")
        return copy

    def save_if_due(self) -> None:
        """Save a checkpoint if it is time to; if a stop was requested, save and raise InterruptedRun."""
        if not (self.stop.code or self.state.due()):
            return
        self.stepper.check(self.progress.epoch, self.progress.step)
        self.save()
        if self.stop.code:
            raise InterruptedRun("interrupted; the state is saved", self.stop.code)

    def save(self) -> None:
        """Save a checkpoint with everything that is needed to resume."""
        tensors, plain = random_state(self.job.device)
        groups = {"model": self.weights(), "best": self.job.kept, "random": tensors} | self.stepper.state()
        about = {"progress": asdict(self.progress), "random": plain, "rows": len(self.log.rows), "how": self.how}
        about["times"] = self.stage_budget.state()
        about |= {"early_stop": self.early.state()} if self.stepper.spec.patience else {}
        about |= {"stopped": self.job.stopped} if self.job.stopped else {}
        self.state.save(groups, about | {"plateau": self.stepper.schedule.plateau, "seconds": self.seconds()})

    def restore(self, saved: Saved) -> None:
        """Restore everything from a checkpoint."""
        groups, plain = saved
        named = {"average", "best"} & groups.keys()
        groups = groups | {group: current_names(self.model, groups[group]) for group in named}
        try:
            load_into(self.model, groups["model"], str(self.state.path))
            self.stepper.load(groups, self.job.device)
            self.stepper.schedule.plateau = dict(plain["plateau"])
            # Copied, since tensors mapped from a file keep it open, and Windows cannot delete an open file.
            self.job.kept = {name: value.clone() for name, value in groups.get("best", {}).items()}
            restore_random(groups["random"], plain["random"], self.job.device)
        except (LookupError, ValueError, TypeError, RuntimeError, AttributeError, OverflowError) as error:
            raise RunError(
                f"the state in {self.state.path} does not match this run: {error!r:.160}",
                "start a new run with --fresh",
            ) from error

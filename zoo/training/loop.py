"""fit(): the only training loop. It drives any Model through its stages and can be resumed bit for bit."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from zoo.core.errors import InterruptedRun, JobError, RunError, ZooError, as_out_of_memory
from zoo.core.sections import TrainSpec
from zoo.core.tensor_files import Tensors, all_finite, load_into
from zoo.core.types import Batch
from zoo.data.dataset import Splits
from zoo.data.loader import Loader, batches
from zoo.models.base import Model, Stage
from zoo.models.metrics import EVAL_BATCH, mean_metrics
from zoo.runs.metrics_log import MetricsLog
from zoo.training.callbacks import Callback, StageInfo
from zoo.training.checkpoint import Saved, StateFolder
from zoo.training.compile_fallback import Fallback
from zoo.training.device import autocast_type, random_state, restore_random
from zoo.training.duration import EpochBudget, check_minutes, make_budget, total_seconds
from zoo.training.signals import Stop, catch_signals
from zoo.training.stepper import Stepper

WORTH = {"cpu": 1e13, "cuda": 1e15, "mps": 1e15}
"""Floating-point operations of a training from which on the wait for a compiler is soon made up."""
LONG = 180.0
"""Seconds that are set for a training from which on the same holds."""
WORST = 1e300


@dataclass
class Progress:
    """Where a training is: everything about it that is not a tensor."""

    stage: int = 0
    epoch: int = 0
    step: int = 0
    best: float = WORST
    best_epoch: int = -1


@dataclass
class Job:
    """What is trained, on what, how and where; and what came of it so far."""

    model: Model
    splits: Splits
    spec: TrainSpec
    folder: Path
    device: torch.device
    flops: int | None
    callback: Callback
    kept: Tensors = field(default_factory=dict)
    """The weights that are kept, on the CPU; of a training that failed the best so far, if there are any."""
    seconds: float = 0.0
    """How long it took, interruptions left out."""
    save_seconds: float | None = None
    """Seconds between two checkpoints, instead of the spec's."""
    stop: Stop | None = None
    """Who asks to stop; without it the signals of this process do."""


def fit(job: Job) -> None:
    """Train, or go on from the state in the run's folder; `job.kept` are then the weights.

    Raises JobError where a loss or a weight is not finite, InterruptedRun where a signal asked to stop, ResourceError
    where memory runs out; the last good state stays in the folder.
    """
    with nullcontext(job.stop) if job.stop else catch_signals() as stop, reproducible(job.device):
        training = Training(job, stop)
        try:
            training.run()
        except (RuntimeError, MemoryError) as error:
            if short := as_out_of_memory(error):
                raise short from error
            raise
        finally:
            job.seconds = training.seconds()
            training.log.close()
            training.fallback.close()


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Within the block CUDA takes the algorithms that give the same numbers each time, where there is one."""
    if device.type != "cuda":
        yield
        return
    # Read when the first product is computed; without it cuBLAS may take another way each time.
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
    """One call of `fit`."""

    def __init__(self, job: Job, stop: Stop) -> None:
        self.job, self.stop = job, stop
        self.start = time.monotonic()
        self.learnt = [parameter for parameter in job.model.parameters() if parameter.requires_grad]
        self.model = job.model.to(job.device)
        self.valid = job.splits.valid.to(job.device)
        self.autocast = autocast_type(job.device, job.spec.precision)
        seconds = job.spec.save_seconds if job.save_seconds is None else job.save_seconds
        self.state = StateFolder(job.folder / "state", seconds)
        self.log = MetricsLog(job.folder)
        self.fallback = Fallback(self.model, job.callback.note)
        self.progress = Progress()
        self.earlier = 0.0
        self.budget, self.epochs = 0.0, 0
        self.stepper: Stepper
        self.stage_budget: EpochBudget

    def seconds(self) -> float:
        """How long the training took so far, interruptions left out."""
        return self.earlier + time.monotonic() - self.start

    def run(self) -> None:
        """All stages, from where the last saving left off."""
        stages = self.model.stages()
        if unknown := sorted(self.job.spec.stages.keys() - {stage.name for stage in stages}):
            names = ", ".join(stage.name for stage in stages)
            raise ZooError(f"train.stages: the model has no stage {unknown[0]!r}", f"known stages: {names}")
        self.names = [stage.name for stage in stages]
        check_minutes(self.job.spec, self.names)
        self.budget = total_seconds(self.job.spec, self.names)
        saved = self.state.load()
        for note in self.state.notes:
            self.job.callback.note(note)
        self.epochs = 0 if self.budget else sum(self.job.spec.stage(name).epochs for name in self.names)
        self.accelerate(saved)
        if saved:
            self.progress, self.earlier = Progress(**saved[1]["progress"]), saved[1]["seconds"]
        self.log.rewind(saved[1]["rows"] if saved else 0)
        for index in range(self.progress.stage, len(stages)):
            self.run_stage(stages[index], saved)
            self.progress, saved = Progress(stage=index + 1), None
        self.job.kept = self.weights()

    def accelerate(self, saved: Saved | None) -> None:
        """Let the model make itself faster where the work is worth it; channels-last goes with that."""
        kind, spec = self.job.device.type, self.job.spec
        # The backward pass costs about twice the forward pass.
        work = 3.0 * (self.job.flops or 0) * len(self.job.splits.train) * spec.epochs
        worth = self.budget > LONG if self.budget else work > WORTH[kind]
        wanted = spec.compile == "on" or (spec.compile == "auto" and worth)
        self.memory_format = torch.channels_last if wanted or kind == "cuda" else torch.contiguous_format
        self.model.to(memory_format=self.memory_format)
        how = self.model.accelerate(self.autocast) if wanted else "eager"
        precision = str(self.autocast or torch.float32).removeprefix("torch.")
        self.how = f"{how}, {precision}, {kind}, {torch.get_num_threads()} threads, torch {torch.__version__}"
        self.job.callback.note(self.how)
        if saved and saved[1]["how"] != self.how:
            self.job.callback.note(f"the run was saved with {saved[1]['how']}: the results will differ slightly")

    def run_stage(self, stage: Stage, saved: Saved | None) -> None:
        """One stage, from the progress on; at its end the model holds the weights that are kept."""
        job, progress, spec = self.job, self.progress, self.job.spec.stage(stage.name)
        loader = Loader(job.splits.train, spec.batch, job.spec.augment, job.spec.seed, job.device)
        steps = spec.epochs * loader.steps
        self.stepper = Stepper(self.model, stage, spec, steps, self.autocast, self.memory_format, self.learnt)
        job.kept = {}
        if saved:
            self.restore(saved)
        last = self.stage_budget = make_budget(
            job.spec, self.names[progress.stage :], self.seconds, saved and saved[1].get("times")
        )
        start = progress.epoch * loader.steps + progress.step
        info = StageInfo(stage.name, last.epochs, loader.steps, start, loader.batch, last.length, last.elapsed)
        job.callback.stage(info)
        while not last.over(progress.epoch):
            stage.module.train()
            self.run_epoch(stage, loader, progress.epoch)
            self.end_epoch(stage, progress.epoch, loader.steps)
            self.pause()
        load_into(self.model, {name: value.to(job.device) for name, value in job.kept.items()}, "the kept epoch")

    def run_epoch(self, stage: Stage, loader: Loader, epoch: int) -> None:
        """The steps of an epoch that are still to do, as far as there is time."""
        progress = self.progress
        for batch in loader.epoch(stage.name, epoch, progress.step):
            self.stepper.schedule.share = self.stage_budget.share()
            self.fallback(self.stepper.step, batch, epoch * loader.steps + progress.step)
            progress.step += 1
            self.job.callback.step()
            if self.stage_budget.due(progress.step):
                self.stepper.check(epoch, progress.step)
                self.stage_budget.looked()
            if self.stage_budget.late():
                break
            if progress.step < loader.steps:
                self.pause()

    def end_epoch(self, stage: Stage, epoch: int, steps: int) -> None:
        """Validate, log, and keep the weights if they are the best so far."""
        stepper, progress = self.stepper, self.progress
        if not self.stage_budget.validates():
            self.stage_budget.passed(progress.step)
            progress.epoch, progress.step = epoch + 1, 0
            return
        stepper.check(epoch, progress.step)
        train = stepper.losses(self.stage_budget.untold + progress.step)
        start = self.seconds()
        with stepper.average.swapped() if stepper.average else nullcontext():
            valid = self.fallback(self.validate)
            score = valid.get("loss", -epoch)
            if not math.isfinite(score):
                raise JobError(f"the validation loss is not finite in epoch {epoch + 1}", "lower train.lr")
            better = score < progress.best
            if better or self.job.spec.keep == "last":
                self.job.kept, progress.best_epoch = self.weights(), epoch
        stepper.schedule.epoch(better)
        progress.best = min(progress.best, score)
        progress.epoch, progress.step = epoch + 1, 0
        rate = stepper.spec.lr * stepper.schedule.factor(progress.epoch * steps - 1)
        self.log.add({"stage": stage.name, "epoch": progress.epoch, "train": train, "valid": valid, "lr": rate})
        about = {"best": progress.best_epoch == epoch, "number": len(self.log.rows), "of": self.epochs}
        self.job.callback.epoch(self.log.rows[-1] | about)
        self.stage_budget.validated(self.seconds() - start)

    def validate(self) -> dict[str, float]:
        """The model's metrics over the validation pictures."""
        if not len(self.valid):
            return {}
        self.model.eval()
        source = batches(self.valid, EVAL_BATCH, self.job.device)
        shaped = (Batch(batch.x.contiguous(memory_format=self.memory_format), batch.y) for batch in source)
        return mean_metrics(self.model, shaped, self.autocast)

    def weights(self) -> Tensors:
        """A copy of the model's tensors on the CPU; JobError where one of them is not finite."""
        state = self.model.state_dict()
        copy = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}
        if bad := next((name for name, value in copy.items() if not all_finite(value)), None):
            raise JobError(f"the weights {bad!r} are not finite", "lower train.lr, or set train.clip=1")
        return copy

    def pause(self) -> None:
        """Save if it is time to, or if somebody asked to stop."""
        if not (self.stop.code or self.state.due()):
            return
        self.stepper.check(self.progress.epoch, self.progress.step)
        self.save()
        if self.stop.code:
            raise InterruptedRun("interrupted; the state is saved", self.stop.code)

    def save(self) -> None:
        """Write everything from which the training goes on."""
        tensors, plain = random_state(self.job.device)
        groups = {"model": self.weights(), "best": self.job.kept, "random": tensors} | self.stepper.state()
        about = {"progress": asdict(self.progress), "random": plain, "rows": len(self.log.rows), "how": self.how}
        about["times"] = self.stage_budget.state()
        self.state.save(groups, about | {"plateau": self.stepper.schedule.plateau, "seconds": self.seconds()})

    def restore(self, saved: Saved) -> None:
        """Take everything back from a saving."""
        groups, plain = saved
        try:
            load_into(self.model, groups["model"], str(self.state.path))
            self.stepper.load(groups, self.job.device)
            self.stepper.schedule.plateau = dict(plain["plateau"])
            # Copies: what is read from a file may hold it open, and Windows deletes no file that is open.
            self.job.kept = {name: value.clone() for name, value in groups.get("best", {}).items()}
            restore_random(groups["random"], plain["random"], self.job.device)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise RunError(
                f"the state in {self.state.path} does not match this run: {error!r:.160}",
                "start a new run with --fresh",
            ) from error

"""The engine, which runs the trials of a ledger with Ray Tune."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zoo.core.errors import InterruptedRun, ResourceError, ZooError
from zoo.core.files import remove, write_text
from zoo.training.signals import Stop
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.cluster import ClusterOptions, quiet_ray, ray_cluster
from zoo.tuning.confirm import ConfirmLedger
from zoo.tuning.ledger import Ledger
from zoo.tuning.objective import objective_metric
from zoo.tuning.study import Trial
from zoo.tuning.trial_worker import STOP_FILE, TrialOrder, read_pictures, smallest_model
from zoo.tuning.trial_worker import run_trial as trial_in_worker

GPU_SHARE = 0.25
"""Default share of a GPU per trial: small models leave most of a GPU idle."""
READ_GRACE = 0.5
"""Seconds to wait for pictures that are being read when nobody needs them any more."""
RAY_IMPORTS = ("requests", "jsonschema", "ray")
"""Ray, and what it imports first and longest, so that a request to stop is heard in between."""
SAVE_GRACE = 10.0
"""Seconds that trials have to save their state when the study is stopped."""


@dataclass
class Engine:
    """One call of `zoo tune`, with the study's folder locked."""

    ledger: Ledger
    cluster: ClusterOptions
    callback: TuneCallback
    stop: Stop
    command: str
    seconds: float | None = None
    """Time limit; trials still running then are resumed next time."""
    confirm: bool = False
    """Whether to train the best trials and the entry with more seeds at the end."""

    def __post_init__(self) -> None:
        self.deadline = None if self.seconds is None else time.monotonic() + self.seconds
        self.stopping_since: float | None = None

    def run(self) -> None:
        """Read the pictures, start Ray and run the trials that are left."""
        self.raise_if_stopped()
        self.clear()
        try:
            # Reading pictures and starting Ray take about equally long, and neither keeps a core busy.
            with background(read_pictures, self.ledger.entry) as pictures, quiet_ray():
                self.stop.on_request = self.tell_stopping
                for name in RAY_IMPORTS:
                    import_module(name)
                    self.raise_if_stopped()
                with ray_cluster(self.cluster, self.stop):
                    self.stop.on_request = None
                    self.run_all(self.wait(pictures))
        except KeyboardInterrupt:
            self.raise_if_stopped()
            raise
        finally:
            self.stop.on_request = None
            self.clear()

    def tell_stopping(self) -> None:
        """Say that a request to stop was heard, since ending what has started takes a moment."""
        self.callback.note("stopping the start of Ray (press Ctrl-C again to stop at once)")

    def raise_if_stopped(self) -> None:
        """Raise InterruptedRun if the user asked to stop while no trial is running."""
        if self.stop.code:
            begun = self.ledger.trials or isinstance(self.ledger, ConfirmLedger)
            what = "stopped; all trials are saved" if begun else "stopped before the first trial"
            raise InterruptedRun(f"{what}. Resume with: {self.command}", self.stop.code)

    def clear(self) -> None:
        """Remove the files of Ray, and the stop file."""
        remove(self.ledger.folder / STOP_FILE)
        shutil.rmtree(self.ledger.folder / ".ray", ignore_errors=True)

    def run_all(self, pictures: dict[str, Any]) -> None:
        """Run the trials that are left, and then the trainings that confirm the best ones."""
        if self.ledger.remaining():
            self.run_trials(pictures)
        if self.confirm and not self.ledger.remaining():
            with closing(ConfirmLedger(self.ledger)) as ledger:
                left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
                more = Engine(ledger, self.cluster, self.callback, self.stop, self.command, left)
                more.clear()
                try:
                    if ledger.remaining():
                        more.run_trials(pictures)
                except TrialsStillRunning:
                    more.raise_reason()
                finally:
                    more.clear()

    @property
    def left(self) -> bool:
        """Whether there is anything to run."""
        if self.ledger.remaining() or not self.confirm:
            return bool(self.ledger.remaining())
        with closing(ConfirmLedger(self.ledger)) as ledger:
            return bool(ledger.remaining())

    def run_trials(self, pictures: dict[str, Any]) -> None:
        """Run the trials with Ray Tune until the searcher is done."""
        import ray
        from ray import tune

        from zoo.tuning.asha import StudyASHA
        from zoo.tuning.searcher import StudySearcher

        spec = self.ledger.spec
        for what, limit in {"parameters": spec.max_params, "FLOPs per picture": spec.max_flops}.items():
            if limit and not self.ledger.trials:
                self.check_budget(pictures["info"], limit, what)
        total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.resources = self.trial_resources(total)
        slots = self.slots(total)
        self.searcher = StudySearcher(self.ledger, self.order, self.changed)
        self.callback.begin(self.ledger.study, slots)
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(trial_in_worker, pictures=pictures), tune.PlacementGroupFactory([self.resources])
            ),
            tune_config=tune.TuneConfig(
                search_alg=self.searcher,
                scheduler=StudyASHA(self.searcher),
                num_samples=-1,
                max_concurrent_trials=slots,
                reuse_actors=True,
                trial_name_creator=trial_name,
                trial_dirname_creator=trial_name,
            ),
            run_config=tune.RunConfig(
                name="ray",
                storage_path=str(self.ledger.folder / ".ray"),
                verbose=0,
                callbacks=[step_callback(self)],
                progress_reporter=tune.CLIReporter(),  # prints nothing; the one for notebooks clears the cell's output
            ),
        )
        self.raise_if_stopped()
        tuner.fit()
        self.tell_noise()
        self.raise_reason()

    def raise_reason(self) -> None:
        """Raise the error for which the study was stopped, if any."""
        if self.stop.code:
            raise InterruptedRun(f"stopped; all trials are saved. Resume with: {self.command}", self.stop.code)
        if self.searcher.trouble:
            raise self.searcher.trouble

    def tell_noise(self) -> None:
        """Say that measured latencies are not certain."""
        if many := len(self.searcher.noisy):
            from zoo.training.limits import NOISY

            what = f"the latency of {many} candidate{'s' * (many != 1)} varied by more than {100 * NOISY:.0f} %"
            self.callback.note(f"{what} while it was measured: the machine was busy, or the model is very small")

    def wait(self, future: Future[Any]) -> Any:
        """Wait for a result; raise InterruptedRun if the user asks to stop."""
        while not future.done():
            self.callback.tick()
            self.raise_if_stopped()
            time.sleep(0.05)
        return future.result()

    def check_budget(self, info: dict[str, Any], limit: int, what: str) -> None:
        """Raise ZooError if even the smallest model of the search space has too many parameters or FLOPs.

        It is searched in a separate process, since plugins build models there.
        """
        import ray

        task = ray.remote(num_cpus=0, max_retries=0)(smallest_model)
        try:
            found = self.wait(task.remote(self.ledger.entry.dump(), self.ledger.space, info, what).future())
        except ray.exceptions.RayError:
            return  # an error here occurs in the trials too, and is reported there
        if found and found[0] > limit:
            options = ", ".join(f"{key}={value}" for key, value in found[1].items())
            name = self.ledger.entry.name
            text = f"the smallest {name} in the search space has {found[0]:,} {what}, more than {limit:,}"
            raise ZooError(text, f"it has {options}; increase the budget, or widen tune.space")

    def trial_resources(self, total: dict[str, float]) -> dict[str, float]:
        """Return the CPU cores and GPUs of one trial.

        Raises ResourceError if there are not as many, ZooError if a GPU is asked for and there is none.
        """
        spec = self.ledger.spec
        if self.cluster.device.startswith("cuda") and not total.get("GPU"):
            raise ZooError(f"there is no GPU for device {self.cluster.device}", "use --device auto")
        gpus = spec.gpus if spec.gpus is not None else GPU_SHARE
        wanted = {
            "CPU": spec.cpus,
            "GPU": gpus if total.get("GPU") and self.cluster.device != "cpu" else spec.gpus or 0.0,
        }
        for what, amount in wanted.items():
            if amount > total.get(what, 0.0):
                text = f"a trial needs {amount:g} {what}, but there are {total.get(what, 0.0):g}"
                raise ResourceError(text, f"set tune.{what.lower()}s lower")
        return {what: amount for what, amount in wanted.items() if amount}

    def slots(self, total: dict[str, float]) -> int:
        """Count the trials that can run in parallel."""
        fitting = max(1, min(int(total[what] / amount + 1e-9) for what, amount in self.resources.items()))
        return min(fitting, self.cluster.parallel or fitting)

    def order(self, trial: Trial, entry: dict[str, Any]) -> TrialOrder:
        """Describe a trial to a worker as plain data."""
        spec = self.ledger.spec
        on_gpu = self.resources.get("GPU") or self.cluster.device not in ("auto", "cuda")
        return TrialOrder(
            number=trial.number,
            entry=entry,
            folder=str(self.ledger.folder),
            run=str(trial.run),
            reported=trial.epoch,
            metric=objective_metric(spec),
            max_params=spec.max_params,
            max_flops=spec.max_flops,
            max_latency=spec.max_latency,
            device=self.cluster.device if on_gpu else "cpu",
            hang_timeout=spec.hang_timeout,
            command=self.command,
        )

    def changed(self, trial: Trial) -> None:
        """Pass a change of a trial on to the callback."""
        self.callback.update(self.ledger.study, trial)

    def on_step(self) -> None:
        """Check in each step of Ray Tune's loop whether to stop; raise if trials do not stop in time."""
        self.callback.tick()
        now = time.monotonic()
        late = self.deadline is not None and now > self.deadline
        if self.stopping_since is None and (self.stop.code or late or self.searcher.stopping):
            self.stopping_since, self.searcher.stopping = now, True
            write_text(self.ledger.folder / STOP_FILE, "")
            if self.stop.code:
                saving = f"{len(self.searcher.live)} trials are saving their state"
                self.callback.note(f"stopping: {saving} (press Ctrl-C again to stop at once)")
        if self.stopping_since is not None and now > self.stopping_since + SAVE_GRACE:
            raise TrialsStillRunning


class TrialsStillRunning(Exception):  # noqa: N818 - not an error, but the way out of Ray Tune's loop
    """Raised when trials do not stop in time; they will resume from their last checkpoint."""


@contextmanager
def background(function: Callable[..., Any], *arguments: Any) -> Iterator[Future[Any]]:
    """Call a function in a thread during the block.

    After the block, which may have been interrupted, it is hardly waited for.
    """
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    try:
        yield future
    finally:
        thread.join(READ_GRACE)


def trial_name(trial: Any) -> str:
    """Name a trial and its folder for Ray."""
    return f"t{trial.config['number']:05d}"


def step_callback(engine: Engine) -> Any:
    """Make a callback of Ray Tune that is called in each iteration of its loop."""
    from ray.tune import Callback

    class Ticker(Callback):
        def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
            engine.on_step()

        def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
            return Callback, ()  # Ray Tune pickles it, which a terminal does not allow

    return Ticker()
